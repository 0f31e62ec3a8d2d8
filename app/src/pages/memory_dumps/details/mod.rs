//! The details of a dump: a dialog with an address of its own, which shows everything that is known, lets the operator
//! verify, download and delete the image, and follows what others do with it.

mod downloads;
mod groups;
mod notices;
mod pages;
mod verification;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::{DumpId, Event, Permission, Problem, ProblemKind, Record};

use super::downloads::downloads;
use super::holds::HoldPanel;
use super::records::focus_in_row;
use super::state::DumpsState;
use crate::api;
use crate::data::{Loader, MAY_NOT_DELETE, MAY_NOT_READ, NO_IMAGE, is_out_of_reach};
use crate::feed::Feed;
use crate::pages::dump_links::{comparison_of, custody_of, hunt_in, inside_of};
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{
    Badge, Button, ButtonKind, ButtonSize, Dialog, EmptyState, Failure, Icon, IconView, Instant, Show,
    Skeleton, Tone,
};
use crate::words::{Details, absence, sentence, why_absent};
use downloads::DownloadList;
use groups::GroupView;
use notices::Notices;
use pages::PageTable;
use verification::VerificationPanel;

/// Between two looks at the verification of the image that is shown: one may go on of which no event comes.
const LOOK_INTERVAL_MS: u32 = 5_000;

/// Shows the details of the dump that the address names.
#[component]
pub fn DetailsDialog() -> impl IntoView {
    let records = DumpsState::expect().records;
    let dump = memo(move || records.view.with(|view| view.dump.clone()));
    let title = RwSignal::new(String::new());
    let open = RwSignal::new(false);
    let last = StoredValue::new(String::new());
    effect(move || match dump.get() {
        Some(dump) => {
            last.set_value(dump);
            open.set(true);
        }
        None if open.get_untracked() => open.set(false),
        None => {}
    });
    // The operator left the dialog: the address follows, and the focus is where it came from.
    Effect::new(move |was_open: Option<bool>| {
        let is_open = open.get();
        if was_open == Some(true) && !is_open {
            records.close_details();
            focus_in_row(last.get_value());
        }
        is_open
    });
    view! {
        <Dialog open id="details-title" title wide=true>
            {dynamic(move || dump.get().map(|dump| if let Ok(id) = dump.parse::<DumpId>() {
                view! { <DumpDetails id title /> }.into_any()
            } else {
                title.set(NO_SUCH_DUMP.to_owned());
                unknown(&dump)
            }))}
        </Dialog>
    }
}

const NO_SUCH_DUMP: &str = "No such dump";

fn unknown(dump: &str) -> AnyView {
    let shown: String = dump.chars().take(64).collect();
    view! {
        <EmptyState title="No finished dump has this id" icon=Icon::Search>
            <code class="details-no-id">{shown}</code>
            <p>"The address may be incomplete, or belong to another memdeck."</p>
        </EmptyState>
    }
    .into_any()
}

/// What is fetched for one dump.
#[derive(Clone, Copy)]
struct Fetched {
    id: StoredValue<DumpId>,
    /// What the record holds: it is here in any case.
    record: Loader<Details>,
    /// The same with what the image holds, which may be on another host.
    image: Loader<Details>,
    /// The newest of both.
    shown: Memo<Option<Details>>,
}

impl Fetched {
    fn new(id: DumpId) -> Self {
        let (record, image) = (Loader::<Details>::new(), Loader::<Details>::new());
        let shown = memo(move || {
            let with_image = image.with_data(Details::clone);
            with_image.or_else(|| record.with_data(Details::clone))
        });
        Self { id: StoredValue::new(id), record, image, shown }
    }

    fn fetch(self) {
        if untrack(|| self.shown.with(Option::is_none)) {
            self.record.fetch(api::fetch_details(self.id.get_value(), false));
        }
        self.fetch_image();
    }

    fn fetch_image(self) {
        self.image.fetch(api::fetch_details(self.id.get_value(), true));
    }

    /// Reads what is shown; the default of nothing.
    fn read<T: Default>(self, read: impl FnOnce(&Details) -> T) -> T {
        self.shown.with(|shown| shown.as_ref().map(read)).unwrap_or_default()
    }

    fn is_deleted(self) -> bool {
        self.read(|details| details.record.deleted_at.is_some())
    }

    /// Why the image could not be read.
    fn problem(self) -> Option<Problem> {
        let of_image = || self.image.with_data(|details| details.problem.clone()).flatten();
        self.image.problem().or_else(of_image)
    }
}

#[component]
fn DumpDetails(
    /// Which dump.
    id: DumpId,
    /// Gets the heading of the dialog.
    title: RwSignal<String>,
) -> impl IntoView {
    let state = DumpsState::expect();
    let feed = Feed::expect();
    let verifications = state.data.verifications;
    verifications.watch(id.clone());
    let fetched = Fetched::new(id.clone());
    let look = move || {
        if untrack(|| !fetched.is_deleted()) && !document().hidden() {
            leptos::task::spawn_local(async move {
                // Where this fails the image cannot be loaded either, which is said.
                let _ = verifications.look_at(fetched.id.get_value()).await;
            });
        }
    };
    feed.on_connected(move || {
        fetched.fetch();
        state.fetch_holds();
        look();
    });
    feed.subscribe(move |event| match event {
        Event::Record(record) if fetched.id.with_value(|id| record.dump_id.as_ref() == Some(id)) => {
            fetched.fetch_image();
        }
        // The service is back.
        Event::Service(health) if health.error.is_none() && untrack(|| fetched.problem().is_some()) => {
            fetched.fetch();
            look();
        }
        _ => {}
    });
    let timer = StoredValue::new_local(Some(Interval::new(LOOK_INTERVAL_MS, look)));
    on_cleanup(move || timer.set_value(None));

    let shape = memo(move || Shape::of(fetched));
    effect(move || {
        title.set(match shape.get() {
            Shape::Unknown => NO_SUCH_DUMP.to_owned(),
            Shape::Loading | Shape::Failed => "A dump".to_owned(),
            Shape::Known => {
                format!("Dump of {}", fetched.read(|details| crate::words::shown(&details.record.dom.0)))
            }
        });
    });
    let problem = Signal::derive(move || {
        fetched.record.problem().map(|problem| sentence(&problem.detail.to_string())).unwrap_or_default()
    });
    dynamic(move || match shape.get() {
        Shape::Loading => view! { <Skeleton rows=6 label="Loading the dump" /> }.into_any(),
        Shape::Unknown => unknown(id.as_str()),
        Shape::Failed => view! {
            <Failure
                title="The dump could not be loaded."
                detail=problem
                on_retry=move |()| fetched.fetch()
            />
        }
        .into_any(),
        Shape::Known => view! { <Known id=id.clone() fetched /> }.into_any(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Loading,
    Unknown,
    Failed,
    Known,
}

impl Shape {
    fn of(fetched: Fetched) -> Self {
        if fetched.shown.with(Option::is_some) {
            return Self::Known;
        }
        match fetched.record.problem() {
            Some(problem) if problem.kind == ProblemKind::NotFound => Self::Unknown,
            Some(_) => Self::Failed,
            None => Self::Loading,
        }
    }
}

/// A dump of which at least the record is known.
#[component]
fn Known(id: DumpId, fetched: Fetched) -> impl IntoView {
    let state = DumpsState::expect();
    let shown = fetched.shown;
    let is_deleted = memo(move || fetched.is_deleted());
    let guest =
        StoredValue::new(untrack(|| fetched.read(|details| crate::words::shown(&details.record.dom.0))));
    let id = StoredValue::new(id);
    let told = Signal::derive(move || fetched.read(|details| details.notices.clone()));
    let absent = memo(move || if is_deleted.get() { None } else { fetched.problem() });
    // While nothing is known of the image yet, nothing speaks against it; where its service is away, asking does no harm.
    let can_images = state.data.overview.can(|service| service.images);
    let is_far = memo(move || {
        shown.with(|shown| {
            shown.as_ref().is_some_and(|details| is_out_of_reach(&details.record, can_images.get()))
        })
    });
    let overview = state.data.overview;
    let may_verify = overview.may(Permission::Verify);
    let may_read = overview.may(Permission::ReadMemory);
    let may_delete = overview.may(Permission::Delete);
    let may_audit = overview.may(Permission::ReadAudit);
    let obstacle = Signal::derive(move || {
        !may_verify.get()
            || is_far.get()
            || fetched
                .image
                .with_data(|details| details.problem.is_none() && details.forms.is_none())
                .unwrap_or(false)
    });
    let is_loading = move || !fetched.image.has_data() && fetched.image.problem().is_none();
    let explain = move |()| state.explain_download(id.get_value(), guest.get_value());
    let links = move || {
        if !may_read.get() {
            return view! { <p class="secondary">{MAY_NOT_READ}</p> }.into_any();
        }
        let all = shown.with(|shown| {
            let details = shown.as_ref()?;
            let forms = details.forms.as_ref()?;
            Some(id.with_value(|id| downloads(id, &details.record, forms)))
        });
        all.map(|downloads| view! { <DownloadList downloads on_press=explain /> }).into_any()
    };
    let groups = move || {
        let groups = fetched.read(|details| details.groups.clone());
        groups.into_iter().map(|group| view! { <GroupView group guest=guest.get_value() /> }).collect_view()
    };
    let pages = move || {
        let pages = fetched.read(|details| details.pages.clone());
        pages.map(|statistics| view! { <PageTable statistics /> })
    };
    let delete = move |()| {
        state
            .deleting
            .set(shown.with_untracked(|shown| shown.as_ref().map(|details| details.record.clone())));
    };
    view! {
        <p class="details-lead">
            {dynamic(move || shown.with(|shown| shown.as_ref().map(|details| lead(&details.record))))}
        </p>
        <Notices notices=told />
        {dynamic(move || {
            absent.get().map(|problem| {
                view! {
                    <Failure
                        title=absence(&problem)
                        detail=why_absent(&problem, false)
                        on_retry=move |()| fetched.fetch_image()
                    />
                }
            })
        })}
        <Show when=move || !is_deleted.get()>
            <VerificationPanel id=id.get_value() guest=guest.get_value() obstacle />
            <HoldPanel record=Signal::derive(move || {
                shown.with(|shown| shown.as_ref().map(|details| details.record.clone()))
            }) />
        </Show>
        {dynamic(links)}
        <Show when=move || !is_deleted.get()>
            <p class="details-study">
                <a href=comparison_of(&id.get_value())>"Compare with another dump"</a>
                " · "
                <a href=inside_of(&id.get_value())>"What ran inside"</a>
                " · "
                <a href=hunt_in(&id.get_value())>"Hunt in its memory"</a>
            </p>
        </Show>
        <Show when=move || may_audit.get()>
            <p class="details-study">
                <a href=custody_of(&id.get_value()) target="_blank">"Chain of custody"</a>
            </p>
        </Show>
        <div class="details-groups">{dynamic(groups)} {dynamic(pages)}</div>
        <Show when=is_loading>
            <Skeleton rows=4 label="Loading the image details" />
        </Show>
        <Show when=move || is_far.get()>
            <p class="secondary" id="image-out-of-reach">{NO_IMAGE}</p>
        </Show>
        <p class="secondary" id="no-deletion">
            {dynamic(move || (!may_delete.get()).then_some(MAY_NOT_DELETE))}
        </p>
        <Show when=move || !is_deleted.get()>
            <div class="details-end">
                <Button
                    kind=ButtonKind::Quiet
                    size=ButtonSize::Small
                    on_press=delete
                    disabled=Signal::derive(move || is_far.get() || !may_delete.get())
                    described_by="image-out-of-reach no-deletion"
                >
                    <IconView icon=Icon::Trash />
                    "Delete the image…"
                </Button>
            </div>
        </Show>
    }
}

/// When and how, in one line.
fn lead(record: &Record) -> AnyView {
    let mode = record.mode.map(memdeck_model::CaptureMode::as_str);
    let size = record.raw_size_bytes.map(|size| size.to_string());
    let host = record.host.as_ref().map(|host| format!("on {host}"));
    let rest: Vec<_> = [mode.map(str::to_owned), size, host]
        .into_iter()
        .flatten()
        .map(|part| format!(" · {part}"))
        .collect();
    view! {
        <span>
            <Instant instant=record.timestamp />
            {rest}
        </span>
        {record.deleted_at.map(|_| view! { " " <Badge tone=Tone::Neutral icon=Icon::Trash>"Image deleted"</Badge> })}
        {(!record.ok).then(|| view! { " " <Badge tone=Tone::Bad icon=Icon::Alert>"Failed"</Badge> })}
        {record.encrypted.then(|| view! { " " <Badge tone=Tone::Waiting icon=Icon::Info>"Encrypted"</Badge> })}
        {record.fallback.as_ref().map(|_| view! { " " <Badge tone=Tone::Waiting icon=Icon::Fork>"Fallback"</Badge> })}
    }
    .into_any()
}
