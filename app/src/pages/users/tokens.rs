//! Tokens of programs: a table, the dialog that makes one, and the token itself, this once.

use leptos::prelude::*;
use memdeck_model::{ApiToken, MadeApiToken, NewApiToken, Problem, ProblemKind};

use super::form::{Fields, FormDialog, Send, guests_of, named};
use super::groups::GuestsField;
use super::listed::{Known, Listed};
use super::state::{Ask, UsersState};
use super::words::{listed, may, roles};
use crate::api;
use crate::ui::erase::dynamic;
use crate::ui::{Button, ButtonKind, ButtonSize, Card, CopyButton, Moment, Select, TextField, list};

const COLUMNS: [&str; 6] = ["Name", "May", "Made by", "Last use", "Ends", "Actions"];

/// The token that was made, until the operator has put it away.
static MADE: std::sync::LazyLock<ArcRwSignal<Option<MadeApiToken>>> =
    std::sync::LazyLock::new(|| ArcRwSignal::new(None));

#[component]
pub fn Tokens() -> impl IntoView {
    let state = UsersState::expect();
    let tokens = state.tokens;
    let adds = RwSignal::new(false);
    let fields = Fields::new();
    on_cleanup(|| MADE.set(None));
    let aside = move || {
        view! {
            <Button kind=ButtonKind::Primary size=ButtonSize::Small on_press=move |()| adds.set(true)>
                "Make a token…"
            </Button>
        }
    };
    view! {
        <Card id="tokens" title="API tokens" class="users" aside>
            {dynamic(|| MADE.get().map(made))}
            <Listed
                known=Known::of(tokens)
                caption="API tokens"
                columns=&COLUMNS
                nothing="There is no API token. Programs send one as “Authorization: Bearer”, instead of the token of this memdeck."
                failed="The tokens could not be loaded."
            >
                {list(
                    move || tokens.with_data(Clone::clone).unwrap_or_default(),
                    |token| format!("{} {:?}", token.name, token.last_used_at),
                    move |token| row(&state, &token),
                )}
            </Listed>
        </Card>
        <FormDialog open=adds id="make-token-title" title="Make an API token" action="Make the token" send=make fields>
            <TextField
                id="token-name"
                label="Name"
                hint="Of the program that sends it"
                value=fields.name
            />
            <Select
                id="token-role"
                label="Role"
                value=fields.role
                options=Signal::stored(roles())
                on_choose=move |role| fields.role.set(role)
            />
            <TextField id="token-days" label="Ends in days" hint="Empty: never" value=fields.other />
            <GuestsField id="token-guests" fields hint="Empty: every guest. Else patterns such as web-*, or UUIDs, one in each line" />
        </FormDialog>
    }
}

fn make(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let invalid = |detail: String| Problem::new(ProblemKind::Invalid, detail);
        let name = named(&fields.name.get_untracked())?;
        let role = fields.role.get_untracked().parse().map_err(|error| invalid(format!("{error}")))?;
        let days = fields.other.get_untracked();
        let expires_in_days = match days.trim() {
            "" => None,
            days => Some(days.parse().map_err(|_| invalid("the number of days is no number".to_owned()))?),
        };
        let said = format!("The token {name} is made. Copy it now: it is not shown again.");
        let guests = Some(guests_of(fields)?).filter(|guests| !guests.is_empty());
        let new = NewApiToken { name, role, rights: None, guests, expires_in_days };
        let token = state.act(api::make_token(new), said).await?;
        MADE.set(Some(token));
        Ok(())
    })
}

fn made(made: MadeApiToken) -> AnyView {
    let what = format!("the token {}", made.facts.name);
    view! {
        <div class="user-token" role="status">
            <p>{format!("The token {}, shown this once:", made.facts.name)}</p>
            <p>
                <code>{made.token.clone()}</code>
                " "
                <CopyButton text=made.token what />
            </p>
            <Button size=ButtonSize::Small on_press=|()| MADE.set(None)>"I have put it away"</Button>
        </div>
    }
    .into_any()
}

fn row(state: &UsersState, token: &ApiToken) -> AnyView {
    let asked = state.asked;
    let [name_column, may_column, by_column, used_column, ends_column, actions_column] = COLUMNS;
    let moment = |at| match at {
        Some(instant) => view! { <Moment instant /> }.into_any(),
        None => "never".into_any(),
    };
    let label = format!("Revoke {}…", token.name);
    let name = token.name.clone();
    let guests = token.guests.as_deref().map(|guests| format!(", for {} only", listed(guests)));
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=name_column>{token.name.to_string()}</th>
            <td role="cell" data-label=may_column>{may(token.rights)}{guests}</td>
            <td role="cell" data-label=by_column>{token.created_by.to_string()}</td>
            <td role="cell" data-label=used_column class="number">{moment(token.last_used_at)}</td>
            <td role="cell" data-label=ends_column class="number">{moment(token.expires_at)}</td>
            <td role="cell" data-label=actions_column>
                <Button
                    size=ButtonSize::Small
                    label
                    on_press=move |()| asked.set(Some(Ask::Revoke(name.clone())))
                >
                    "Revoke…"
                </Button>
            </td>
        </tr>
    }
    .into_any()
}
