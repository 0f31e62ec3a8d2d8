//! The question before an account, a session or a token is changed or taken away.

use leptos::prelude::*;
use memdeck_model::{AccountChange, Problem};

use super::state::{Ask, UsersState};
use super::words::{Question, question};
use crate::api;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Button, ButtonKind, Dialog};

#[component]
pub fn Confirm() -> impl IntoView {
    let state = UsersState::expect();
    let open = RwSignal::new(false);
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    effect(move || {
        if state.asked.with(Option::is_some) && !open.get_untracked() {
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.asked.set(None);
        }
    });
    let confirm = Callback::new(move |()| {
        let Some(ask) = state.asked.get_untracked() else { return };
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let refused = carry_out(state, ask).await.err();
            if pending.try_set(false).is_some() {
                return;
            }
            if refused.is_none() {
                open.set(false);
            }
            problem.set(refused);
        });
    });
    let title =
        move || state.asked.with(|ask| ask.as_ref().map(|ask| question(ask).title)).unwrap_or_default();
    view! {
        <Dialog open id="confirm-user-title" title=Signal::derive(title)>
            {dynamic(move || state.asked.get().map(|ask| {
                let Question { consequence, keep, act, takes_away, .. } = question(&ask);
                let kind = if takes_away { ButtonKind::Danger } else { ButtonKind::Primary };
                view! {
                    <p class="dialog-consequence">{consequence}</p>
                    <Refusal title="Nothing was changed." problem />
                    <div class="dialog-buttons">
                        <Button on_press=move |()| open.set(false) autofocus=true>
                            {keep}
                        </Button>
                        <Button kind=kind on_press=confirm busy=pending>
                            {act}
                        </Button>
                    </div>
                }
            }))}
        </Dialog>
    }
}

async fn carry_out(state: UsersState, ask: Ask) -> Result<(), Problem> {
    let change = |disabled| AccountChange { disabled: Some(disabled), ..AccountChange::default() };
    match ask {
        Ask::Role(name, role) => {
            let said = format!("{name} is {role} now.");
            let change = AccountChange { role: Some(role), ..AccountChange::default() };
            state.act(api::change_user(name, change), said).await.map(drop)
        }
        Ask::Disable(name) => {
            let said = format!("The account {name} is disabled.");
            state.act(api::change_user(name, change(true)), said).await.map(drop)
        }
        Ask::Enable(name) => {
            let said = format!("The account {name} is enabled.");
            state.act(api::change_user(name, change(false)), said).await.map(drop)
        }
        Ask::Remove(name) => {
            let said = format!("The account {name} is removed.");
            state.act(api::remove_user(name), said).await
        }
        Ask::EndSession(session) => {
            state.act(api::end_session(session.id), "The session is ended.".to_owned()).await
        }
        Ask::Revoke(name) => {
            let said = format!("The token {name} is revoked.");
            state.act(api::revoke_token(name), said).await
        }
    }
}
