//! The details of a dump: a dialog with an address of its own, which shows everything that is known, lets the operator
//! verify, download and delete the image, and follows what others do with it.

mod downloads;
mod facts;
mod groups;
mod notices;
mod pages;
mod verification;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::{DumpId, Event, Problem, ProblemKind, Record, Timestamp};

use super::downloads::downloads;
use super::records::focus_after_details;
use super::state::State;
use super::verification::words::sentence;
use crate::api::{self, ImageFacts};
use crate::live::Live;
use crate::load::Loader;
use crate::ui::{
    Badge, Button, ButtonKind, ButtonSize, Dialog, EmptyState, Failure, Icon, IconView, Instant, Skeleton,
    Tone,
};
use downloads::DownloadList;
use groups::GroupView;
use notices::{Notices, absence, notices, why_absent};
use pages::PageStatistics;
use verification::VerificationPanel;

/// Between two looks at the verification of the image that is shown: one may go on that no event tells of.
const LOOK_INTERVAL_MS: u32 = 5_000;

/// Shows the details of the dump that the address names.
#[component]
pub fn DetailsDialog() -> impl IntoView {
    let records = State::expect().records;
    let dump = Memo::new(move |_| records.view.with(|view| view.dump.clone()));
    let title = RwSignal::new(String::new());
    let open = RwSignal::new(false);
    let last = StoredValue::new(String::new());
    Effect::new(move || match dump.get() {
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
            focus_after_details(last.get_value());
        }
        is_open
    });
    view! {
        <Dialog open id="details-title" title wide=true>
            {move || dump.get().map(|dump| match dump.parse::<DumpId>() {
                Ok(id) => view! { <Details id title /> }.into_any(),
                Err(_) => {
                    title.set(NO_SUCH_DUMP.to_owned());
                    unknown(&dump)
                }
            })}
        </Dialog>
    }
}

const NO_SUCH_DUMP: &str = "No such dump";

fn unknown(dump: &str) -> AnyView {
    let shown: String = dump.chars().take(64).collect();
    view! {
        <EmptyState title="There is no finished dump with this id" icon=Icon::Search>
            <code class="details-no-id">{shown}</code>
            <p>"The address may be incomplete, or it is of another memdeck."</p>
        </EmptyState>
    }
    .into_any()
}

/// What is fetched for one dump.
#[derive(Clone, Copy)]
struct Fetched {
    id: StoredValue<DumpId>,
    record: Loader<Record>,
    image: Loader<ImageFacts>,
}

impl Fetched {
    fn fetch(self) {
        self.fetch_record();
        self.fetch_image();
    }

    fn fetch_record(self) {
        self.record.fetch(api::fetch_record(self.id.get_value()));
    }

    fn fetch_image(self) {
        self.image.fetch(api::fetch_image(self.id.get_value()));
    }

    fn has_failed(self) -> bool {
        untrack(|| {
            self.record.with(|record| record.problem.is_some())
                || self.image.with(|image| image.problem.is_some())
        })
    }

    fn is_deleted(self) -> bool {
        self.record.with_data(|record| record.deleted_at.is_some()).unwrap_or(false)
    }
}

#[component]
fn Details(
    /// Which dump.
    id: DumpId,
    /// Gets the heading of the dialog.
    title: RwSignal<String>,
) -> impl IntoView {
    let state = State::expect();
    let live = Live::expect();
    let fetched = Fetched { id: StoredValue::new(id.clone()), record: Loader::new(), image: Loader::new() };
    if let Some(record) = untrack(|| state.records.shown(&id)) {
        fetched.record.put(record);
    }
    let look = move || {
        if untrack(|| !fetched.is_deleted()) && !document().hidden() {
            leptos::task::spawn_local(async move {
                // Where this fails the image cannot be loaded either, which is said.
                let _ = state.look_at_verification(fetched.id.get_value()).await;
            });
        }
    };
    live.on_connected(move || {
        fetched.fetch();
        look();
    });
    live.subscribe(move |event| match event {
        Event::Record(record) if fetched.id.with_value(|id| record.dump_id.as_ref() == Some(id)) => {
            fetched.record.put(record.as_ref().clone());
        }
        // The service is back.
        Event::Service(health) if health.error.is_none() && fetched.has_failed() => {
            fetched.fetch();
            look();
        }
        _ => {}
    });
    let timer = StoredValue::new_local(Some(Interval::new(LOOK_INTERVAL_MS, look)));
    on_cleanup(move || timer.set_value(None));

    let shape = Memo::new(move |_| Shape::of(fetched));
    Effect::new(move || {
        title.set(match shape.get() {
            Shape::Unknown => NO_SUCH_DUMP.to_owned(),
            Shape::Loading | Shape::Failed => "A dump".to_owned(),
            Shape::Known => {
                let guest = fetched.record.with_data(|record| record.dom.0.clone());
                format!("Dump of {}", guest.unwrap_or_default())
            }
        });
    });
    let problem = Signal::derive(move || {
        let why = |problem: &Problem| sentence(&problem.detail);
        fetched.record.with(|record| record.problem.as_ref().map(why)).unwrap_or_default()
    });
    move || match shape.get() {
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
    }
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
        fetched.record.with(|record| match (&record.data, &record.problem) {
            (Some(_), _) => Self::Known,
            (None, Some(problem)) if problem.kind == ProblemKind::NotFound => Self::Unknown,
            (None, Some(_)) => Self::Failed,
            (None, None) => Self::Loading,
        })
    }
}

/// A dump of which at least the record is known.
#[component]
fn Known(id: DumpId, fetched: Fetched) -> impl IntoView {
    let record = Memo::new(move |_| fetched.record.with_data(Record::clone));
    let image = Memo::new(move |_| fetched.image.with_data(ImageFacts::clone));
    let is_deleted = Memo::new(move |_| fetched.is_deleted());
    let guest = record.with_untracked(|record| record.as_ref().map(|record| record.dom.0.clone()));
    let guest = guest.unwrap_or_default();
    let told = Signal::derive(move || {
        record
            .with(|record| {
                let record = record.as_ref()?;
                Some(image.with(|image| notices(record, image.as_ref())))
            })
            .unwrap_or_default()
    });
    let groups = Memo::new(move |_| {
        let of = |record: &Record| image.with(|image| facts::groups(record, image.as_ref()));
        record.with(|record| record.as_ref().map(of)).unwrap_or_default()
    });
    let is_readable = Memo::new(move |_| {
        !is_deleted.get() && image.with(|image| image.as_ref().is_some_and(|image| image.problem.is_none()))
    });
    // While nothing is known of the image yet, nothing speaks against it.
    let obstacle = Signal::derive(move || {
        image.with(|image| image.as_ref().is_some_and(|image| image.problem.is_some()))
    });
    let absence = Memo::new(move |_| {
        if is_deleted.get() {
            return None;
        }
        fetched.image.with(|image| image.problem.clone())
    });
    let is_loading = move || {
        !is_deleted.get() && fetched.image.with(|image| image.data.is_none() && image.problem.is_none())
    };
    let state = State::expect();
    let links = {
        let (id, name) = (id.clone(), guest.clone());
        move || {
            let (asked, name) = (id.clone(), name.clone());
            let explain = move |()| state.explain_download(asked.clone(), name.clone());
            let record = record.get()?;
            let image = image.get()?;
            let all = downloads(&id, &record, Some(&image));
            is_readable.get().then(|| view! { <DownloadList downloads=all on_press=explain /> })
        }
    };
    let delete = move |()| state.deleting.set(record.get_untracked());
    let name = guest.clone();
    let panel_id = id.clone();
    view! {
        <p class="details-lead">
            {move || record.with(|record| record.as_ref().map(lead))}
        </p>
        <Notices notices=told />
        <Show when=move || absence.with(Option::is_some)>
            <AbsentImage problem=absence fetched />
        </Show>
        <Show when=move || !is_deleted.get()>
            <VerificationPanel id=panel_id.clone() guest=name.clone() obstacle />
        </Show>
        {links}
        <div class="details-groups">
            {move || {
                groups
                    .get()
                    .into_iter()
                    .map(|group| view! { <GroupView group guest=guest.clone() /> })
                    .collect_view()
            }}
            {move || {
                image
                    .get()
                    .filter(|image| image.manifest.is_some())
                    .map(|image| view! { <PageStatistics image /> })
            }}
        </div>
        <Show when=is_loading>
            <Skeleton rows=4 label="Loading what the image tells" />
        </Show>
        <Show when=move || !is_deleted.get()>
            <div class="details-end">
                <Button kind=ButtonKind::Quiet size=ButtonSize::Small on_press=delete>
                    <IconView icon=Icon::Trash />
                    "Delete the image…"
                </Button>
            </div>
        </Show>
    }
}

/// Says why the image tells nothing.
#[component]
fn AbsentImage(problem: Memo<Option<Problem>>, fetched: Fetched) -> impl IntoView {
    move || {
        problem.get().map(|problem| {
            view! {
                <Failure
                    title=absence(&problem)
                    detail=why_absent(&problem, false)
                    on_retry=move |()| fetched.fetch_image()
                />
            }
        })
    }
}

/// When and how, in one line.
fn lead(record: &Record) -> AnyView {
    let began: Timestamp = record.timestamp;
    let mode = record.mode.map(|mode| mode.as_str());
    let size = record.raw_size_bytes.map(|size| size.to_string());
    let host = record.host.as_ref().map(|host| format!("on {host}"));
    let rest: Vec<_> = [mode.map(str::to_owned), size, host]
        .into_iter()
        .flatten()
        .map(|part| format!(" · {part}"))
        .collect();
    view! {
        <Instant instant=began />
        <span>{rest}</span>
        {record.deleted_at.map(|_| view! { " " <Badge tone=Tone::Neutral icon=Icon::Trash>"Image deleted"</Badge> })}
        {(!record.ok).then(|| view! { " " <Badge tone=Tone::Bad icon=Icon::Alert>"Failed"</Badge> })}
        {record.encrypted.then(|| view! { " " <Badge tone=Tone::Waiting icon=Icon::Info>"Encrypted"</Badge> })}
        {record.fallback.as_ref().map(|_| view! { " " <Badge tone=Tone::Waiting icon=Icon::Fork>"Fallback"</Badge> })}
    }
    .into_any()
}
