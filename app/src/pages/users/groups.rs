//! Groups: who is in one sees and touches its guests, and nothing of others.

use leptos::prelude::*;
use memdeck_model::{Account, AccountChange, Group, GroupChange, NewGroup, Role};

use super::form::{Fields, FormDialog, Send, chosen_group, guests_of, named};
use super::listed::{Known, Listed};
use super::state::{Ask, UsersState};
use super::words::listed;
use crate::api;
use crate::pages::question::open_while;
use crate::ui::erase::memo;
use crate::ui::{
    Button, ButtonKind, ButtonSize, Card, Icon, IconView, Menu, MenuItem, Select, TextField, list,
};

const COLUMNS: [&str; 4] = ["Name", "Guests", "Members", "Actions"];

#[component]
pub fn Groups() -> impl IntoView {
    let state = UsersState::expect();
    let groups = state.groups;
    let adds = RwSignal::new(false);
    let fields = Fields::new();
    let aside = move || {
        view! {
            <Button kind=ButtonKind::Primary size=ButtonSize::Small on_press=move |()| adds.set(true)>
                "Add a group…"
            </Button>
        }
    };
    view! {
        <Card id="groups" title="Groups" class="users" aside>
            <Listed
                known=Known::of(groups)
                caption="Groups"
                columns=&COLUMNS
                nothing="There is no group: every account sees every guest. Whoever is in a group sees its guests and nothing of the others."
                failed="The groups could not be loaded."
            >
                {list(
                    move || groups.with_data(Clone::clone).unwrap_or_default(),
                    |group| format!("{} {:?} {:?}", group.name, group.guests, group.members),
                    move |group| row(&state, group),
                )}
            </Listed>
        </Card>
        <FormDialog open=adds id="add-group-title" title="Add a group" action="Add the group" send=add fields>
            <TextField id="group-name" label="Name" value=fields.name />
            <GuestsField id="group-guests" fields />
        </FormDialog>
        <OtherGuests />
        <OtherGroup />
    }
}

fn row(state: &UsersState, group: Group) -> AnyView {
    let (asked, reguested) = (state.asked, state.reguested);
    let [name_column, guests_column, members_column, actions_column] = COLUMNS;
    let members = group.members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let members = if members.is_empty() { "nobody".to_owned() } else { members };
    let label = format!("Actions for the group {}", group.name);
    let (name, guests) = (group.name.to_string(), listed(&group.guests));
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=name_column>{name}</th>
            <td role="cell" data-label=guests_column>{guests}</td>
            <td role="cell" data-label=members_column>{members}</td>
            <td role="cell" data-label=actions_column class="user-actions">
                <Menu label button=|| view! { <IconView icon=Icon::More /> }.into_any()>
                    {
                        let removed = group.name.clone();
                        let changed = group.clone();
                        let change = Callback::new(move |()| reguested.set(Some(changed.clone())));
                        let remove = Callback::new(move |()| asked.set(Some(Ask::RemoveGroup(removed.clone()))));
                        view! {
                            <MenuItem on_choose=change>"Change the guests…"</MenuItem>
                            <MenuItem on_choose=remove danger=true>
                                "Remove…"
                            </MenuItem>
                        }
                    }
                </Menu>
            </td>
        </tr>
    }
    .into_any()
}

/// Guests, as the field of a dialog.
#[component]
pub fn GuestsField(
    id: &'static str,
    fields: Fields,
    #[prop(
        default = "Patterns for names such as web-*, or UUIDs, one in each line; behind a host: kvm-01/*"
    )]
    hint: &'static str,
) -> impl IntoView {
    view! { <TextField id label="Guests" hint lines=4 value=fields.guests /> }
}

/// A group to choose, or none.
#[component]
pub fn GroupSelect(id: &'static str, fields: Fields) -> impl IntoView {
    let state = UsersState::expect();
    let options = memo(move || {
        let mut options = vec![(String::new(), "every guest".to_owned())];
        let groups = |groups: &Vec<Group>| {
            let of = |group: &Group| (group.name.to_string(), format!("those of {}", group.name));
            groups.iter().map(of).collect::<Vec<_>>()
        };
        options.extend(state.groups.with_data(groups).unwrap_or_default());
        options
    });
    view! {
        <Select
            id
            label="Sees and touches"
            value=fields.group
            options=Signal::derive(move || options.get())
            on_choose=move |group| fields.group.set(group)
        />
    }
}

fn add(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let new = NewGroup { name: named(&fields.name.get_untracked())?, guests: guests_of(fields)? };
        let said = format!("The group {} is made. Put accounts into it by their actions.", new.name);
        state.act(api::add_group(new), said).await.map(drop)
    })
}

#[component]
fn OtherGuests() -> impl IntoView {
    let state = UsersState::expect();
    let fields = Fields::new();
    let open = open_while(state.reguested, move |group: &Group| {
        let guests: Vec<String> = group.guests.iter().map(ToString::to_string).collect();
        fields.guests.set(guests.join("\n"));
    });
    let title = move || {
        let name = state.reguested.with(|group| group.as_ref().map(|group| group.name.to_string()));
        format!("Change the guests of {}", name.unwrap_or_default())
    };
    view! {
        <FormDialog open id="group-guests-title" title=Signal::derive(title) action="Change the guests" send=reguest fields>
            <p class="dialog-consequence">"From their next call, members see these guests and nothing of the others."</p>
            <GuestsField id="new-group-guests" fields />
        </FormDialog>
    }
}

fn reguest(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let Some(group) = state.reguested.get_untracked() else { return Ok(()) };
        let change = GroupChange { guests: guests_of(fields)? };
        let said = format!("The guests of {} are changed.", group.name);
        state.act(api::change_group(group.name, change), said).await.map(drop)
    })
}

#[component]
fn OtherGroup() -> impl IntoView {
    let state = UsersState::expect();
    let fields = Fields::new();
    let open = open_while(state.regrouped, move |account: &Account| {
        fields.group.set(account.group.as_ref().map(ToString::to_string).unwrap_or_default());
    });
    let title = move || {
        let name = state.regrouped.with(|account| account.as_ref().map(|account| account.name.to_string()));
        format!("Change the group of {}", name.unwrap_or_default())
    };
    let is_admin = memo(move || {
        state.regrouped.with(|account| account.as_ref().is_some_and(|account| account.role == Role::Admin))
    });
    view! {
        <FormDialog open id="user-group-title" title=Signal::derive(title) action="Change the group" send=regroup fields>
            <p class="dialog-consequence">
                {move || {
                    if is_admin.get() {
                        "An administrator sees every guest, in a group too. It counts once they have another role."
                    } else {
                        "This applies from their next call. Dumps they have asked for go on."
                    }
                }}
            </p>
            <GroupSelect id="new-user-group" fields />
        </FormDialog>
    }
}

fn regroup(state: &UsersState, fields: Fields) -> Send {
    let state = *state;
    Box::pin(async move {
        let Some(account) = state.regrouped.get_untracked() else { return Ok(()) };
        let group = chosen_group(fields)?;
        let said = match &group {
            Some(group) => format!("{} sees and touches the guests of {group}, and no others.", account.name),
            None => format!("{} is in no group and sees every guest.", account.name),
        };
        let change = AccountChange { group: Some(group), ..AccountChange::default() };
        state.act(api::change_user(account.name, change), said).await.map(drop)
    })
}
