//! The operator's own account: who they are, and a new password.

use leptos::prelude::*;
use memdeck_model::{Me, PasswordChange, Role};

use super::form::{Fields, FormDialog, Send};
use super::state::UsersState;
use super::words::standing;
use crate::api;
use crate::ui::erase::memo;
use crate::ui::{Button, Card, Show, TextField};

#[component]
pub fn OwnAccount() -> impl IntoView {
    let state = UsersState::expect();
    let text = memo(move || state.me.with_data(standing).unwrap_or_default());
    let has_password = memo(move || {
        let is_person = |me: &Me| {
            !me.elsewhere && me.name.is_some() && me.role.is_some_and(|role: Role| Role::ALL.contains(&role))
        };
        state.me.with_data(is_person).unwrap_or_default()
    });
    let open = RwSignal::new(false);
    let fields = Fields::new();
    view! {
        <Card id="own-account" title="Your account">
            <p>{text}</p>
            <Show when=move || has_password.get()>
                <p>
                    <Button on_press=move |()| open.set(true)>"Change your password…"</Button>
                </p>
            </Show>
        </Card>
        <FormDialog open id="own-password-title" title="Change your password" action="Change it" send=send fields>
            <p class="dialog-consequence">"You are signed out everywhere, here too, and sign in with the new one."</p>
            <TextField
                id="present-password"
                label="Present password"
                kind="password"
                autocomplete="current-password"
                value=fields.other
            />
            <TextField
                id="own-new-password"
                label="New password"
                kind="password"
                autocomplete="new-password"
                hint="12 characters or more"
                value=fields.password
            />
        </FormDialog>
    }
}

fn send(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    let present = fields.other.get_untracked().into();
    let new = fields.password.get_untracked().into();
    let change = PasswordChange { present, new };
    Box::pin(
        async move { state.act(api::change_password(change), "Your password is changed.".to_owned()).await },
    )
}
