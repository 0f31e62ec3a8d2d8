//! The question before a host takes no new dumps, takes them again, or is removed.

use leptos::prelude::*;
use memdeck_model::{HostState, Problem};

use super::state::{Ask, HostsState};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Button, ButtonKind, Dialog};

/// Says what follows, and does it when that is wanted.
#[component]
pub fn Confirm() -> impl IntoView {
    let state = HostsState::expect();
    let open = RwSignal::new(false);
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    // As it was when the operator was asked: what the button does must not change under it.
    let (host, ask) = (RwSignal::new(None::<HostState>), RwSignal::new(Ask::Drain));
    effect(move || {
        let asks = state.asked.with(|asked| asked.as_ref().map(|(_, ask)| *ask));
        if let Some(what) = asks.filter(|_| !open.get_untracked()) {
            problem.set(None);
            ask.set(what);
            host.set(untrack(|| state.asked_host()));
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.asked.set(None);
        }
    });
    let name =
        memo(move || host.with(|host| host.as_ref().map(|host| host.name.to_string())).unwrap_or_default());
    let drains = memo(move || host.with(|host| host.as_ref().is_some_and(|host| !host.draining)));
    let verb = move || match (ask.get(), drains.get()) {
        (Ask::Remove, _) => "Remove",
        (Ask::Drain, true) => "Drain",
        (Ask::Drain, false) => "Undrain",
    };
    let confirm = move |()| {
        let Some(id) = host.with_untracked(|host| host.as_ref().map(|host| host.name.clone())) else {
            return;
        };
        let (ask, drain) = (ask.get_untracked(), drains.get_untracked());
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let done = match ask {
                Ask::Drain => state.drain(id, drain).await,
                Ask::Remove => state.remove(id).await,
            };
            let refused = done.err();
            if pending.try_set(false).is_some() {
                return;
            }
            if refused.is_none() {
                open.set(false);
            }
            problem.set(refused);
        });
    };
    view! {
        <Dialog
            open
            id="drain-title"
            title=Signal::derive(move || format!("{} {}?", verb(), name.get()))
        >
            {dynamic(move || host.get().map(|host| {
                consequences(&host, ask.get()).into_iter().map(|line| view! { <p class="dialog-consequence">{line}</p> }).collect_view()
            }))}
            <Refusal title="Nothing was changed." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>
                    "Leave it as it is"
                </Button>
                <Button kind=ButtonKind::Primary on_press=confirm busy=pending>
                    {dynamic(move || format!("{} {}", verb(), name.get()))}
                </Button>
            </div>
        </Dialog>
    }
}

/// What follows when a host is drained, not any more, or removed.
fn consequences(host: &HostState, ask: Ask) -> Vec<String> {
    let name = &host.name;
    if ask == Ask::Remove {
        let active = match host.active_dumps {
            0 => format!(
                "{name} is none of the hosts any more: its VMs are neither listed nor dumped from here."
            ),
            _ => format!(
                "{name} takes no new dumps from here. It is shown until the dumps that wait or run there have ended, and is \
                 none of the hosts then."
            ),
        };
        let kept = "Its records stay here and its images there, where this dashboard cannot reach them until it is added again. \
                    Its token is deleted here.";
        return vec![active, kept.to_owned()];
    }
    if host.draining {
        return vec![format!(
            "{name} takes new dumps again, from this page, from scripts and from Dump All."
        )];
    }
    let active = match host.active_dumps {
        0 => "No dump waits or runs there now.".to_owned(),
        1 => "The dump that waits or runs there goes on to its end.".to_owned(),
        count => format!("The {count} dumps that wait or run there go on to their end."),
    };
    vec![
        format!(
            "{name} takes no new dumps through this dashboard: whoever asks for one of its VMs is refused, and Dump All \
             leaves them out."
        ),
        format!("{active} It stays drained until it is undrained, also when memdeck is restarted."),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::host;
    use super::*;

    #[test]
    fn what_runs_there_is_told_before_a_host_is_drained() {
        let busy = HostState { active_dumps: 2, ..host("kvm-01") };
        let told = consequences(&busy, Ask::Drain);
        assert!(told[0].starts_with("kvm-01 takes no new dumps"), "{told:?}");
        assert!(told[1].starts_with("The 2 dumps that wait or run there go on"), "{told:?}");
        let drained = HostState { draining: true, ..busy.clone() };
        assert_eq!(consequences(&drained, Ask::Drain).len(), 1);
        let told = consequences(&busy, Ask::Remove);
        assert!(told[0].contains("until the dumps that wait or run there have ended"), "{told:?}");
    }
}
