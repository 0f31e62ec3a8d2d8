//! The one button of a dump: it cancels the dump, after a question, and dismisses the result when it has ended.

use leptos::ev;
use leptos::prelude::*;
use memdeck_model::{JobState, Permission};

use crate::data::{Cancel, Data, Job, MAY_NOT_CANCEL, NO_CANCEL};
use crate::ui::erase::{dynamic, follow, handler, memo};
use crate::ui::{Announcer, Button, ButtonKind, ButtonSize, Icon, IconView};

/// What the button does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ButtonUse {
    /// Asks whether to cancel.
    Cancel,
    /// Takes the question back.
    Keep,
    /// Nothing: the end follows.
    Cancelling,
    /// Takes the result off the list.
    Dismiss,
}

fn use_of(job: &Job, is_asking: bool) -> ButtonUse {
    match &job.cancel {
        _ if job.status.exact_state().is_final() => ButtonUse::Dismiss,
        Some(Cancel::Asked) => ButtonUse::Cancelling,
        Some(Cancel::Refused(_)) | None if is_asking => ButtonUse::Keep,
        Some(Cancel::Refused(_)) | None => ButtonUse::Cancel,
    }
}

/// Whether the question is to be shown: it was asked, and there is still something to cancel.
pub fn is_asked(job: Option<&Job>, asking: bool) -> bool {
    job.is_some_and(|job| use_of(job, asking) == ButtonUse::Keep)
}

/// One element for all uses: the one that has the focus is still there when the dump ends, and a second press where
/// "Cancel" was is harmless.
#[component]
pub fn JobButton(
    job: Memo<Option<Job>>,
    /// What it is a dump of.
    name: Memo<String>,
    /// Whether the operator is asked whether to cancel it.
    asking: RwSignal<bool>,
) -> impl IntoView {
    let data = Data::expect();
    let announcer = Announcer::expect();
    let can_cancel = data.overview.can(|service| service.cancel);
    let may_cancel = data.overview.may(Permission::Cancel);
    let reason = move || {
        if may_cancel.get() { (!can_cancel.get()).then_some(NO_CANCEL) } else { Some(MAY_NOT_CANCEL) }
    };
    let use_of = memo(move || {
        job.with(|job| job.as_ref().map_or(ButtonUse::Dismiss, |job| use_of(job, asking.get())))
    });
    let press = move |_| {
        let id = job.with_untracked(|job| job.as_ref().map(|job| job.status.dump_id.clone()));
        let Some(id) = id else { return };
        match use_of.get_untracked() {
            ButtonUse::Cancel if untrack(reason).is_some() => {
                announcer.say(untrack(reason).unwrap_or_default());
            }
            ButtonUse::Cancel => {
                asking.set(true);
                announcer
                    .say(question(&name.get_untracked(), job.with_untracked(|job| has_begun(job.as_ref()))));
            }
            ButtonUse::Keep => asking.set(false),
            ButtonUse::Cancelling => {}
            ButtonUse::Dismiss => data.dumps.dismiss(&id),
        }
    };
    let is_impossible = move || use_of.get() == ButtonUse::Cancel && reason().is_some();
    let label = move || match use_of.get() {
        ButtonUse::Cancel => format!("Cancel the dump of {}", name.get()),
        ButtonUse::Keep => format!("Keep going with the dump of {}", name.get()),
        ButtonUse::Cancelling => format!("Cancelling… the dump of {}", name.get()),
        ButtonUse::Dismiss => format!("Dismiss the result of {}", name.get()),
    };
    view! {
        <button
            type="button"
            class="button button-small job-button"
            class:button-quiet=follow(move || use_of.get() == ButtonUse::Dismiss)
            class:button-icon=follow(move || use_of.get() == ButtonUse::Dismiss)
            aria-label=follow(label)
            aria-disabled=follow(move || (use_of.get() == ButtonUse::Cancelling || is_impossible()).then_some("true"))
            title=follow(move || reason().filter(|_| is_impossible()))
            on:click=handler(press)
            on:keydown=handler(move |event: ev::KeyboardEvent| {
                if event.key() == "Escape" {
                    asking.set(false);
                }
            })
        >
            {dynamic(move || match use_of.get() {
                ButtonUse::Cancel => "Cancel".into_any(),
                ButtonUse::Keep => "Keep going".into_any(),
                ButtonUse::Cancelling => "Cancelling…".into_any(),
                ButtonUse::Dismiss => view! { <IconView icon=Icon::Close /> }.into_any(),
            })}
        </button>
    }
}

fn question(name: &str, has_begun: bool) -> String {
    let consequence = if has_begun {
        "What was read is discarded; the guest keeps running."
    } else {
        "It has not started: nothing is lost."
    };
    format!("Cancel the dump of {name}? {consequence}")
}

fn has_begun(job: Option<&Job>) -> bool {
    job.is_some_and(|job| job.status.exact_state() != JobState::Queued)
}

/// The question, in the place of the figures, and the button that means yes.
#[component]
pub fn CancelQuestion(
    job: Memo<Option<Job>>,
    /// What it is a dump of.
    name: Memo<String>,
    /// Unset with the answer.
    asking: RwSignal<bool>,
) -> impl IntoView {
    let data = Data::expect();
    let confirm = move |()| {
        asking.set(false);
        if let Some(id) = job.with_untracked(|job| job.as_ref().map(|job| job.status.dump_id.clone())) {
            data.dumps.cancel(id);
        }
    };
    view! {
        <p class="job-question">
            {dynamic(move || question(&name.get(), job.with(|job| has_begun(job.as_ref()))))}
        </p>
        <Button
            kind=ButtonKind::Danger
            size=ButtonSize::Small
            label=Signal::derive(move || format!("Cancel dump of {}", name.get()))
            on_press=confirm
        >
            "Cancel dump"
        </Button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::job_in as job;

    #[test]
    fn a_dump_can_be_cancelled_until_it_was_asked_for_or_has_ended() {
        let refused = || Some(Cancel::Refused("no answer".into()));
        assert_eq!(use_of(&job("queued", None), false), ButtonUse::Cancel);
        assert_eq!(use_of(&job("running", Some(Cancel::Asked)), false), ButtonUse::Cancelling);
        assert_eq!(use_of(&job("running", refused()), false), ButtonUse::Cancel);
        assert_eq!(use_of(&job("completed", Some(Cancel::Asked)), false), ButtonUse::Dismiss);
    }

    #[test]
    fn the_question_says_what_is_lost() {
        let asked = |state| question("web-01", has_begun(Some(&job(state, None))));
        assert_eq!(
            asked("running"),
            "Cancel the dump of web-01? What was read is discarded; the guest keeps running."
        );
        assert_eq!(asked("queued"), "Cancel the dump of web-01? It has not started: nothing is lost.");
    }

    #[test]
    fn the_question_is_gone_when_there_is_nothing_left_to_cancel() {
        let asked = |job: &Job| is_asked(Some(job), true);
        assert!(asked(&job("running", None)));
        assert!(!asked(&job("running", Some(Cancel::Asked))));
        assert!(!asked(&job("completed", None)));
        assert!(!is_asked(Some(&job("running", None)), false));
    }
}
