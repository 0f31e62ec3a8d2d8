//! One host.

use leptos::prelude::*;
use memdeck_model::{HostId, HostState};

use super::state::{Ask, HostsState, Tested};
use super::words::{clock, guests, is_past, lacks, remedy, standing, tested};
use crate::time::local_time;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, ButtonSize, Moment, Show, Unknown};
use crate::words::sentence;

/// The address by which memdeck calls its own machine.
const HERE: &str = "local";

pub const COLUMNS: [&str; 9] =
    ["Host", "State", "Version", "VMs", "Dumps", "Free space", "Clock", "Last answer", "Actions"];

/// A row; a labelled card on a narrow screen.
#[component]
pub fn HostRow(name: String) -> impl IntoView {
    let state = HostsState::expect();
    let shown = name.clone();
    let id: Option<HostId> = name.parse().ok();
    let name = StoredValue::new(name);
    let service = state.find(name, |host| host.service.clone());
    let is_here = memo(move || service.with(|service| service.as_deref() == Some(HERE)));
    let version = state.find(name, |host| host.version.clone());
    let guests = state.find(name, guests);
    let dumps = state.find(name, |host| (host.active_dumps, is_past(host)));
    let free = state.find(name, |host| host.free_bytes.map(|bytes| bytes.to_string()));
    let ahead = state.find(name, |host| host.clock_ahead_ms.map(clock));
    let contact = state.find(name, |host| host.last_contact);
    let told = move |text: Memo<Option<Option<String>>>, what: &'static str| {
        dynamic(move || match text.get().flatten() {
            Some(text) => text.into_any(),
            None => view! { <Unknown what /> }.into_any(),
        })
    };
    let [
        host_column,
        state_column,
        version_column,
        guests_column,
        dumps_column,
        free_column,
        clock_column,
        contact_column,
        actions_column,
    ] = COLUMNS;
    view! {
        <tr role="row" class="host">
            <th scope="row" role="rowheader" data-label=host_column>
                <span class="host-name">{shown}</span>
                <span class="host-service">
                    {dynamic(move || if is_here.get() { "this machine".to_owned() } else { service.get().unwrap_or_default() })}
                </span>
            </th>
            <td role="cell" data-label=state_column class="host-state">
                <Standing name />
            </td>
            <td role="cell" data-label=version_column class="number">{told(version, "version")}</td>
            <td role="cell" data-label=guests_column class="number">{told(guests, "VMs")}</td>
            <td role="cell" data-label=dumps_column class="number">
                {dynamic(move || match dumps.get() {
                    Some((0, false)) => "none".to_owned(),
                    Some((0, true)) => "last known none".to_owned(),
                    Some((count, false)) => format!("{count} active"),
                    Some((count, true)) => format!("last known {count} active"),
                    None => String::new(),
                })}
            </td>
            <td role="cell" data-label=free_column class="number">{told(free, "free space")}</td>
            <td role="cell" data-label=clock_column class="number">{told(ahead, "clock")}</td>
            <td role="cell" data-label=contact_column class="number">
                {dynamic(move || match contact.get().flatten() {
                    Some(_) if is_here.get() => "this machine".into_any(),
                    Some(instant) => view! { <Moment instant /> }.into_any(),
                    None => "never".into_any(),
                })}
            </td>
            <td role="cell" data-label=actions_column>
                {id.map(|id| view! { <Actions id name /> })}
            </td>
        </tr>
    }
}

/// The state, since when, why, what to do, what the service cannot do, and what a test found.
#[component]
fn Standing(name: StoredValue<String>) -> impl IntoView {
    let state = HostsState::expect();
    let badge = state.find(name, standing);
    let since = state.find(name, |host| host.last_contact.filter(|_| is_past(host)));
    let why = state.find(name, |host| {
        host.error.as_ref().or(host.warning.as_ref()).map(|why| sentence(&why.to_string()))
    });
    let what_to_do = state.find(name, |host| remedy(host.condition));
    let is_draining = state.find(name, |host| host.draining);
    let cannot = state.find(name, lacks);
    let test = memo(move || state.tests.with(|tests| name.with_value(|name| tests.get(name).cloned())));
    view! {
        {dynamic(move || badge.get().map(|(tone, icon, word)| view! { <Badge tone icon>{word}</Badge> }))}
        {dynamic(move || since.get().flatten().map(|instant| {
            let local = local_time(instant);
            view! {
                <span class="host-since number">
                    {format!("since {} {} (", local.date, local.clock)} <Moment instant /> ")"
                </span>
            }
        }))}
        {dynamic(move || why.get().flatten().map(|why| view! { <p class="host-why">{why}</p> }))}
        {dynamic(move || what_to_do.get().flatten().map(|what| view! { <p class="host-remedy">{what}</p> }))}
        <Show when=move || is_draining.get() == Some(true)>
            <p class="secondary">"It takes no new dumps. What waits or runs there goes on."</p>
        </Show>
        {dynamic(move || cannot.get().filter(|lacks| !lacks.is_empty()).map(cannot_do))}
        {dynamic(move || test.get().map(|test| view! { <TestResult test /> }))}
    }
}

fn cannot_do(lacks: Vec<&'static str>) -> AnyView {
    let title = if lacks.len() > 5 { "Only takes and reports dumps" } else { "Cannot do everything" };
    let lines = lacks.into_iter().map(|what| view! { <li>{what}</li> }).collect_view();
    view! {
        <details class="host-lacks">
            <summary>{title}</summary>
            <ul>{lines}</ul>
        </details>
    }
    .into_any()
}

#[component]
fn TestResult(test: Tested) -> impl IntoView {
    let at = match &test {
        Tested::Told { at, .. } => format!("Tested at {}: it ", local_time(*at).clock),
        Tested::Running | Tested::Failed(_) => "It ".to_owned(),
    };
    view! { <p class="host-test">{at} {tested(&test)}</p> }
}

#[component]
fn Actions(id: HostId, name: StoredValue<String>) -> impl IntoView {
    let state = HostsState::expect();
    let is_draining = state.find(name, |host: &HostState| host.draining);
    let busy = memo(move || {
        state.tests.with(|tests| name.with_value(|name| tests.get(name) == Some(&Tested::Running)))
    });
    let label = format!("Test {id}");
    let is_removable = state.find(name, |host: &HostState| host.added);
    let may_remove = memo(move || state.may_configure.get() && is_removable.get() == Some(true));
    let (tested, drained, removed) = (id.clone(), id.clone(), id.clone());
    view! {
        <div class="host-actions">
            <Button size=ButtonSize::Small label busy=busy on_press=move |()| state.test(tested.clone())>
                "Test"
            </Button>
            <Button
                size=ButtonSize::Small
                label=Signal::derive(move || {
                    let what = if is_draining.get() == Some(true) { "Undrain" } else { "Drain" };
                    Some(format!("{what} {id}…"))
                })
                on_press=move |()| state.asked.set(Some((drained.clone(), Ask::Drain)))
            >
                {dynamic(move || if is_draining.get() == Some(true) { "Undrain…" } else { "Drain…" })}
            </Button>
            {dynamic(move || may_remove.get().then(|| remove_button(state, removed.clone())))}
        </div>
    }
}

fn remove_button(state: HostsState, id: HostId) -> AnyView {
    let label = format!("Remove {id}…");
    view! {
        <Button size=ButtonSize::Small label on_press=move |()| state.asked.set(Some((id.clone(), Ask::Remove)))>
            "Remove…"
        </Button>
    }
    .into_any()
}
