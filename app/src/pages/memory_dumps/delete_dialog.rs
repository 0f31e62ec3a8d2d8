//! The question before the image of a dump is deleted.

use leptos::prelude::*;
use memdeck_model::{Problem, Record};

use super::holds::of_record;
use super::records::focus_in_row;
use super::state::DumpsState;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Badge, Button, ButtonKind, Dialog, Icon, Instant, TextField, Tone, Unknown};
use crate::words::{by_whom, shown};

/// Whether `written` is the name of `guest`. Blanks around it are nobody's intention, unless they are part of the name.
fn names(written: &str, guest: &str) -> bool {
    !guest.is_empty() && (written == guest || written.trim() == guest)
}

/// Says what is lost and asks for the guest's name, as the server does; deletes the image when that is given.
#[component]
pub fn DeleteDialog() -> impl IntoView {
    let state = DumpsState::expect();
    let open = RwSignal::new(false);
    let confirm = RwSignal::new(String::new());
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    effect(move || {
        let asks = state.deleting.with(Option::is_some);
        if asks && !open.get_untracked() {
            confirm.set(String::new());
            problem.set(None);
            state.fetch_holds();
        }
        if asks != open.get_untracked() {
            open.set(asks);
        }
    });
    effect(move || {
        let is_open = open.get();
        let id = state.deleting.with_untracked(|record| record.as_ref()?.dump_id.clone());
        if let Some(id) = id.filter(|_| !is_open) {
            state.deleting.set(None);
            focus_in_row(id.to_string());
        }
    });
    let guest = memo(move || {
        state.deleting.with(|record| record.as_ref().map(|record| record.dom.0.clone())).unwrap_or_default()
    });
    // Why nobody can delete it. Where that is not known yet, the server knows it.
    let hold = memo(move || {
        let all = state.holds.with_data(|list| list.holds.clone())?;
        let held = state.deleting.with(|record| record.as_ref().map(|record| of_record(&all, record)))?;
        held.into_iter().next()
    });
    let is_confirmed = memo(move || confirm.with(|written| names(written, &guest.get())));
    let delete = move |()| {
        let id =
            state.deleting.with_untracked(|record| record.as_ref().and_then(|record| record.dump_id.clone()));
        let Some(id) = id else { return };
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let refused = state.delete(id, guest.get_untracked()).await.err();
            pending.set(false);
            if refused.is_none() {
                open.set(false);
            }
            problem.set(refused);
        });
    };
    view! {
        <Dialog
            open
            id="delete-title"
            title=Signal::derive(move || format!("Delete the image of {}?", shown(&guest.get())))
        >
            <p class="dialog-consequence">
                "This removes the image from the disk for good, with its page map and digests. The manifest and the record \
                 remain; the record shows when the image was deleted, and by whom."
            </p>
            {dynamic(move || state.deleting.get().map(what))}
            {dynamic(move || hold.get().map(|hold| view! {
                <p class="delete-held" id="delete-held">
                    <Badge tone=Tone::Waiting icon=Icon::Pause>"Held"</Badge>
                    {format!(
                        " It cannot be deleted: {} is under legal hold, {} ({}). Lift the hold first, in the details of the dump.",
                        hold.of, by_whom(&hold.by), hold.reason.as_str()
                    )}
                </p>
            }))}
            <TextField
                id="delete-confirm"
                label="Guest name"
                value=confirm
            />
            <Refusal title="The image was not deleted." problem />
            <p class="secondary" id="delete-obstacle">
                {dynamic(move || (!is_confirmed.get()).then(|| format!("Type {} to confirm.", shown(&guest.get()))))}
            </p>
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>
                    "Keep it"
                </Button>
                <Button
                    kind=ButtonKind::Danger
                    on_press=delete
                    disabled=Signal::derive(move || !is_confirmed.get() || hold.with(Option::is_some))
                    busy=pending
                    described_by="delete-obstacle delete-held"
                >
                    "Delete the image"
                </Button>
            </div>
        </Dialog>
    }
}

/// Which image of the guest: time, size, hash.
fn what(record: Record) -> impl IntoView {
    let size = record.gzip_size_bytes.zip(record.raw_size_bytes);
    let size = size.map(|(stored, raw)| format!("{stored} on disk, {raw} of memory"));
    view! {
        <dl class="facts delete-facts">
            <dt>"Taken"</dt>
            <dd>
                <Instant instant=record.timestamp />
            </dd>
            <dt>"Size"</dt>
            <dd>{size.map_or_else(|| view! { <Unknown what="size" /> }.into_any(), IntoAny::into_any)}</dd>
            <dt>"SHA-256"</dt>
            <dd>
                {record.sha256.map_or_else(
                    || view! { <Unknown what="hash" in_full=true /> }.into_any(),
                    |hash| view! { <code>{hash}</code> }.into_any(),
                )}
            </dd>
        </dl>
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_name_of_a_guest_that_ends_in_a_blank_confirms_as_it_is() {
        assert!(names("twin", "twin") && names(" twin ", "twin") && names("twin ", "twin "));
        assert!(!names("twin", "twin ") && !names("Twin", "twin") && !names("", ""));
    }
}
