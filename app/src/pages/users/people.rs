//! Accounts: a table, and the dialogs that make one and set a password.

use leptos::prelude::*;
use memdeck_model::{Account, AccountChange, AccountName, NewAccount, Problem, ProblemKind, Role};

use super::form::{Fields, FormDialog, Send, chosen_group, named};
use super::groups::GroupSelect;
use super::listed::{Known, Listed};
use super::state::{Ask, UsersState};
use super::words::{roles, with_article};
use crate::api;
use crate::pages::question::open_while;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{
    Badge, Button, ButtonKind, ButtonSize, Card, Icon, IconView, Menu, MenuItem, Moment, Select, TextField,
    Tone, list,
};

const COLUMNS: [&str; 7] = ["Name", "Role", "Guests", "State", "Sessions", "Last sign-in", "Actions"];

#[component]
pub fn People() -> impl IntoView {
    let state = UsersState::expect();
    let users = state.users;
    let adds = RwSignal::new(false);
    let fields = Fields::new();
    let names = move || {
        let names = |users: &Vec<Account>| users.iter().map(|user| user.name.to_string()).collect();
        users.with_data(names).unwrap_or_default()
    };
    let aside = move || {
        view! {
            <Button kind=ButtonKind::Primary size=ButtonSize::Small on_press=move |()| adds.set(true)>
                "Add an account…"
            </Button>
        }
    };
    view! {
        <Card id="accounts" title="Accounts" class="users" aside>
            <Listed
                known=Known::of(users)
                caption="Accounts"
                columns=&COLUMNS
                nothing="There is no account. The first one lets somebody sign in by name; the token of this memdeck stays the administrator’s."
                failed="The accounts could not be loaded."
            >
                {list(names, Clone::clone, |name| view! { <Person name /> })}
            </Listed>
        </Card>
        <FormDialog open=adds id="add-user-title" title="Add an account" action="Add the account" send=add fields>
            <TextField
                id="user-name"
                label="Name"
                hint="Letters, digits, dots, hyphens, underscores and @"
                value=fields.name
            />
            <Select
                id="user-role"
                label="Role"
                value=fields.role
                options=Signal::stored(roles())
                on_choose=move |role| fields.role.set(role)
            />
            <GroupSelect id="user-group" fields />
            <TextField
                id="user-password"
                label="Password"
                kind="password"
                autocomplete="new-password"
                hint="12 characters or more; give it to them by another channel"
                value=fields.password
            />
        </FormDialog>
        <NewPassword />
    }
}

fn add(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let name: AccountName = named(&fields.name.get_untracked())?;
        let role = fields.role.get_untracked().parse();
        let role = role.map_err(|error| Problem::new(ProblemKind::Invalid, format!("{error}")))?;
        let said = format!("{name} can sign in as {role}.");
        let group = chosen_group(fields)?;
        let new = NewAccount { name, role, group, password: fields.password.get_untracked().into() };
        state.act(api::add_user(new), said).await.map(drop)
    })
}

#[component]
fn NewPassword() -> impl IntoView {
    let state = UsersState::expect();
    let fields = Fields::new();
    let open = open_while(state.new_password, |_| {});
    let whose =
        move || state.new_password.with(|name| name.as_ref().map(ToString::to_string)).unwrap_or_default();
    view! {
        <FormDialog
            open
            id="new-password-title"
            title=Signal::derive(move || format!("Set a new password for {}", whose()))
            action="Set the password"
            send=set_password
            fields
        >
            <p class="dialog-consequence">"They are signed out everywhere and sign in with the new one."</p>
            <TextField
                id="new-password"
                label="New password"
                kind="password"
                autocomplete="new-password"
                hint="12 characters or more"
                value=fields.password
            />
        </FormDialog>
    }
}

fn set_password(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let Some(name) = state.new_password.get_untracked() else { return Ok(()) };
        let said = format!("{name} has a new password.");
        let password = Some(fields.password.get_untracked().into());
        let change = AccountChange { password, ..AccountChange::default() };
        state.act(api::change_user(name, change), said).await.map(drop)
    })
}

#[component]
fn Person(name: String) -> impl IntoView {
    let state = UsersState::expect();
    let key = StoredValue::new(name);
    let account = memo(move || {
        let find = |users: &Vec<Account>| {
            key.with_value(|name| users.iter().find(|user| user.name.as_str() == name).cloned())
        };
        state.users.with_data(find).flatten()
    });
    view! {
        <tr role="row">{dynamic(move || account.get().map(row))}</tr>
    }
}

fn row(account: Account) -> AnyView {
    let [name_column, role_column, guests_column, state_column, sessions_column, seen_column, actions_column] =
        COLUMNS;
    let actions = account.clone();
    let Account { name, role, group, disabled, sessions, last_sign_in, .. } = account;
    let guests = match group {
        Some(group) if role != Role::Admin => format!("of {group}"),
        _ => "all".to_owned(),
    };
    let (tone, icon, word) =
        if disabled { (Tone::Bad, Icon::Close, "Disabled") } else { (Tone::Good, Icon::Check, "Active") };
    view! {
        <th scope="row" role="rowheader" data-label=name_column>{name.to_string()}</th>
        <td role="cell" data-label=role_column>{role.to_string()}</td>
        <td role="cell" data-label=guests_column>{guests}</td>
        <td role="cell" data-label=state_column>
            <Badge tone icon>{word}</Badge>
        </td>
        <td role="cell" data-label=sessions_column class="number">{sessions.to_string()}</td>
        <td role="cell" data-label=seen_column class="number">
            {match last_sign_in {
                Some(instant) => view! { <Moment instant /> }.into_any(),
                None => "never".into_any(),
            }}
        </td>
        <td role="cell" data-label=actions_column class="user-actions">
            <Actions account=actions />
        </td>
    }
    .into_any()
}

#[component]
fn Actions(account: Account) -> impl IntoView {
    let state = UsersState::expect();
    let Account { name, role, disabled, .. } = account.clone();
    let label = format!("Actions for {name}");
    view! {
        <Menu label button=|| view! { <IconView icon=Icon::More /> }.into_any()>
            {
                let ask = |ask: Ask| Callback::new(move |()| state.asked.set(Some(ask.clone())));
                let (of_role, of_password) = (name.clone(), name.clone());
                let regrouped = account.clone();
                let set_group = Callback::new(move |()| state.regrouped.set(Some(regrouped.clone())));
                let set_password = Callback::new(move |()| state.new_password.set(Some(of_password.clone())));
                let (bar, bar_words) = if disabled {
                    (ask(Ask::Enable(name.clone())), "Enable…")
                } else {
                    (ask(Ask::Disable(name.clone())), "Disable…")
                };
                let remove = ask(Ask::Remove(name.clone()));
                let others = Role::ALL.into_iter().filter(move |other| *other != role);
                view! {
                    {others
                        .map(|other| {
                            let on_choose = ask(Ask::Role(of_role.clone(), other));
                            view! { <MenuItem on_choose>{format!("Make {}…", with_article(other))}</MenuItem> }
                        })
                        .collect_view()}
                    <MenuItem on_choose=set_group>"Change the group…"</MenuItem>
                    <MenuItem on_choose=set_password>"Set a new password…"</MenuItem>
                    <MenuItem on_choose=bar danger=!disabled>
                        {bar_words}
                    </MenuItem>
                    <MenuItem on_choose=remove danger=true>
                        "Remove…"
                    </MenuItem>
                }
            }
        </Menu>
    }
}
