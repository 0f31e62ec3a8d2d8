//! Browsers that are signed in.

use leptos::prelude::*;
use memdeck_model::SessionFacts;

use super::listed::{Known, Listed};
use super::state::{Ask, UsersState};
use crate::ui::{Button, ButtonSize, Card, Moment, list};

const COLUMNS: [&str; 6] = ["Who", "From", "Browser", "Signed in", "Last used", "Actions"];

#[component]
pub fn Sessions() -> impl IntoView {
    let state = UsersState::expect();
    let sessions = state.sessions;
    view! {
        <Card id="sessions" title="Sessions" class="users">
            <Listed
                known=Known::of(sessions)
                caption="Sessions"
                columns=&COLUMNS
                nothing="No browser is signed in."
                failed="The sessions could not be loaded."
            >
                {list(
                    move || sessions.with_data(Clone::clone).unwrap_or_default(),
                    |session| format!("{} {}", session.id, session.used_at),
                    move |session| row(&state, session),
                )}
            </Listed>
        </Card>
    }
}

fn row(state: &UsersState, session: SessionFacts) -> AnyView {
    let asked = state.asked;
    let [who_column, from_column, browser_column, opened_column, used_column, actions_column] = COLUMNS;
    let who = session.user.as_ref().map_or_else(|| "administrator".to_owned(), ToString::to_string);
    let this = if session.is_this { " (this one)" } else { "" };
    let label = format!("End the session of {who} at {}…", session.address);
    let (opened, used) = (session.opened_at, session.used_at);
    let (address, browser) =
        (session.address.clone(), session.browser.clone().unwrap_or_else(|| "unknown".to_owned()));
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=who_column>{format!("{who}{this}")}</th>
            <td role="cell" data-label=from_column class="number">{address}</td>
            <td role="cell" data-label=browser_column class="user-browser">{browser}</td>
            <td role="cell" data-label=opened_column class="number"><Moment instant=opened /></td>
            <td role="cell" data-label=used_column class="number"><Moment instant=used /></td>
            <td role="cell" data-label=actions_column>
                <Button
                    size=ButtonSize::Small
                    label
                    on_press=move |()| asked.set(Some(Ask::EndSession(session.clone())))
                >
                    "End…"
                </Button>
            </td>
        </tr>
    }
    .into_any()
}
