//! The question before an account, a group, a session or a token is changed or taken away.

use leptos::prelude::*;
use memdeck_model::{AccountChange, Problem};

use super::state::{Ask, UsersState};
use super::words::{Asked, question};
use crate::api;
use crate::pages::question::{Deed, Question, open_while};
use crate::ui::erase::memo;

#[component]
pub fn Confirm() -> impl IntoView {
    let state = UsersState::expect();
    let open = open_while(state.asked, |_| {});
    let asked = memo(move || state.asked.with(|ask| ask.as_ref().map(question)).unwrap_or_default());
    let of = move |part: fn(&Asked) -> String| Signal::derive(move || asked.with(part));
    view! {
        <Question
            open
            id="confirm-user-title"
            title=of(|asked| asked.title.clone())
            consequences=Signal::derive(move || vec![asked.with(|asked| asked.consequence.clone())])
            keep=of(|asked| asked.keep.to_owned())
            act=of(|asked| asked.act.to_owned())
            takes_away=Signal::derive(move || asked.with(|asked| asked.takes_away))
            begin=move |()| begin(&state)
        />
    }
}

fn begin(state: &UsersState) -> Option<Deed> {
    let state = *state;
    let ask = state.asked.get_untracked()?;
    Some(Box::pin(async move { carry_out(&state, ask).await }))
}

async fn carry_out(state: &UsersState, ask: Ask) -> Result<(), Problem> {
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
        Ask::RemoveGroup(name) => {
            let said = format!("The group {name} is removed.");
            state.act(api::remove_group(name), said).await
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
