//! A dialog with fields whose content is sent to the server.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use memdeck_model::{AccountName, GuestSelector, Problem, ProblemKind};

use super::state::UsersState;
use super::words::selectors;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{effect, handler};
use crate::ui::{Button, ButtonKind, Dialog};

/// What is sent; the dialog closes where it succeeds.
pub type Send = Pin<Box<dyn Future<Output = Result<(), Problem>>>>;

/// Fields, the button that sends them, and why they were refused.
#[component]
pub fn FormDialog(
    open: RwSignal<bool>,
    /// The id of its heading.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    /// What the button says.
    action: &'static str,
    /// Makes what is sent of what the fields hold.
    send: fn(&UsersState, Fields) -> Send,
    fields: Fields,
    children: ChildrenFn,
) -> impl IntoView {
    let state = UsersState::expect();
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    // An answer that comes after the dialog was opened again is not about what is in it now.
    let opened = StoredValue::new(0_u32);
    effect(move || {
        if open.get() {
            opened.update_value(|number| *number += 1);
            pending.set(false);
            problem.set(None);
        } else {
            fields.clear();
        }
    });
    let submit = Callback::new(move |()| {
        if pending.get_untracked() {
            return;
        }
        pending.set(true);
        problem.set(None);
        let answer = send(&state, fields);
        let dialog = opened.get_value();
        leptos::task::spawn_local(async move {
            let refused = answer.await.err();
            if opened.try_get_value() != Some(dialog) || pending.try_set(false).is_some() {
                return;
            }
            if refused.is_none() {
                open.set(false);
            }
            problem.set(refused);
        });
    });
    let children = StoredValue::new(children);
    view! {
        <Dialog open id title>
            <form
                class="user-form"
                on:submit=handler(move |event: leptos::ev::SubmitEvent| {
                    event.prevent_default();
                    submit.run(());
                })
            >
                {children.with_value(|children| children())}
                <Refusal title="Nothing was changed." problem />
                <div class="dialog-buttons">
                    <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                    <Button kind=ButtonKind::Primary on_press=submit busy=pending>
                        {action}
                    </Button>
                </div>
                // Enter in a field sends the form only where it has a button of this kind.
                <button type="submit" hidden></button>
            </form>
        </Dialog>
    }
}

/// What the fields of a dialog hold.
#[derive(Clone, Copy)]
pub struct Fields {
    pub name: RwSignal<String>,
    pub role: RwSignal<String>,
    pub password: RwSignal<String>,
    /// The present password, or in how many days a token ends.
    pub other: RwSignal<String>,
    /// The name of a group; empty for none.
    pub group: RwSignal<String>,
    /// Guests as they are named, one in a line or several.
    pub guests: RwSignal<String>,
}

impl Fields {
    pub fn new() -> Self {
        Self {
            name: RwSignal::new(String::new()),
            role: RwSignal::new("viewer".to_owned()),
            password: RwSignal::new(String::new()),
            other: RwSignal::new(String::new()),
            group: RwSignal::new(String::new()),
            guests: RwSignal::new(String::new()),
        }
    }

    fn clear(self) {
        for field in [self.name, self.password, self.other, self.group, self.guests] {
            field.set(String::new());
        }
        self.role.set("viewer".to_owned());
    }
}

/// The group that is chosen in a field, if any.
pub fn chosen_group(fields: Fields) -> Result<Option<AccountName>, Problem> {
    let chosen = fields.group.get_untracked();
    if chosen.is_empty() { Ok(None) } else { named(&chosen).map(Some) }
}

/// The name in a field.
pub fn named(text: &str) -> Result<AccountName, Problem> {
    text.trim().parse().map_err(|error| Problem::new(ProblemKind::Invalid, format!("{error}")))
}

/// The guests that a field names.
pub fn guests_of(fields: Fields) -> Result<Vec<GuestSelector>, Problem> {
    let guests = selectors(&fields.guests.get_untracked());
    guests.map_err(|detail| Problem::new(ProblemKind::Invalid, detail))
}
