//! The question before something that takes away, or that others notice.

use std::future::Future;
use std::pin::Pin;

use leptos::prelude::*;
use memdeck_model::Problem;

use super::refusal::Refusal;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Button, ButtonKind, Dialog};

/// What is done where the answer is yes.
pub type Deed = Pin<Box<dyn Future<Output = Result<(), Problem>>>>;

/// Says what follows, and does it when that is confirmed. The dialog closes once it is done.
#[component]
pub fn Question(
    open: RwSignal<bool>,
    /// The id of its heading.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    /// What follows, a paragraph each.
    #[prop(into)]
    consequences: Signal<Vec<String>>,
    /// What is said where it was not done.
    #[prop(default = "Nothing was changed.")]
    refused: &'static str,
    /// What the harmless answer is.
    #[prop(into)]
    keep: Signal<String>,
    /// What the other one is.
    #[prop(into)]
    act: Signal<String>,
    /// Whether it takes something away.
    #[prop(into)]
    takes_away: Signal<bool>,
    /// Begins it; `None` where nothing is asked any more.
    #[prop(into)]
    begin: Callback<(), Option<Deed>>,
) -> impl IntoView {
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    // An answer that comes after another question was asked is not about that one.
    let question = StoredValue::new(0_u32);
    effect(move || {
        if open.get() {
            question.update_value(|number| *number += 1);
            pending.set(false);
            problem.set(None);
        }
    });
    let confirm = Callback::new(move |()| {
        let Some(deed) = begin.run(()) else { return };
        pending.set(true);
        problem.set(None);
        let asked = question.get_value();
        leptos::task::spawn_local(async move {
            let answer = deed.await;
            // Whoever left the page meanwhile has taken the dialog along.
            if question.try_get_value() != Some(asked) || pending.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(()) => open.set(false),
                Err(why) => problem.set(Some(why)),
            }
        });
    });
    view! {
        <Dialog open id title>
            {dynamic(move || {
                let paragraph = |line| view! { <p class="dialog-consequence">{line}</p> };
                consequences.get().into_iter().map(paragraph).collect_view()
            })}
            <Refusal title=refused problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>
                    {keep}
                </Button>
                {dynamic(move || {
                    let kind = if takes_away.get() { ButtonKind::Danger } else { ButtonKind::Primary };
                    view! {
                        <Button kind on_press=confirm busy=pending>
                            {act}
                        </Button>
                    }
                })}
            </div>
        </Dialog>
    }
}

/// Whether a dialog about something is open: from when there is something. Once it is closed, that is forgotten.
pub fn open_while<T: Send + Sync + 'static>(
    about: RwSignal<Option<T>>,
    begin: impl Fn(&T) + 'static,
) -> RwSignal<bool> {
    let open = RwSignal::new(false);
    effect(move || {
        about.with(|about| {
            if let Some(about) = about
                && !open.get_untracked()
            {
                begin(about);
                open.set(true);
            }
        });
    });
    effect(move || {
        if !open.get() && about.with_untracked(Option::is_some) {
            about.set(None);
        }
    });
    open
}
