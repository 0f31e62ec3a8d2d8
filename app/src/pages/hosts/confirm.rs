//! The question before a host takes no new dumps, takes them again, or is removed.

use leptos::prelude::*;
use memdeck_model::HostState;

use super::state::{Ask, HostsState};
use crate::pages::question::{Deed, Question, open_while};
use crate::ui::erase::memo;

/// Says what follows, and does it when that is wanted.
#[component]
pub fn Confirm() -> impl IntoView {
    let state = HostsState::expect();
    // As it was when the operator was asked: what the button does must not change under it.
    let asked = RwSignal::new(None::<(HostState, Ask)>);
    let open = open_while(state.asked, move |(_, ask)| {
        asked.set(untrack(|| state.asked_host()).map(|host| (host, *ask)));
    });
    let title = memo(move || asked.with(|asked| asked.as_ref().map(named)).unwrap_or_default());
    let follows = move || {
        asked.with(|asked| asked.as_ref().map(|(host, ask)| consequences(host, *ask))).unwrap_or_default()
    };
    view! {
        <Question
            open
            id="drain-title"
            title=Signal::derive(move || format!("{}?", title.get()))
            consequences=Signal::derive(follows)
            keep="Leave it as it is"
            act=title
            takes_away=false
            begin=move |()| begin(state, asked)
        />
    }
}

fn begin(state: HostsState, asked: RwSignal<Option<(HostState, Ask)>>) -> Option<Deed> {
    let (host, ask) = asked.get_untracked()?;
    Some(Box::pin(async move {
        match ask {
            Ask::Drain => state.drain(host.name, !host.draining).await,
            Ask::Remove => state.remove(host.name).await,
        }
    }))
}

/// What the operator is asked, in words.
fn named((host, ask): &(HostState, Ask)) -> String {
    let verb = match ask {
        Ask::Remove => "Remove",
        Ask::Drain if host.draining => "Undrain",
        Ask::Drain => "Drain",
    };
    format!("{verb} {}", host.name)
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
