//! What happened to dumps, from the server: also what happened while no page was open.

mod words;

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use memdeck_model::{Activity, ActivityKind, CaptureMode, DumpId, DumpStatus, Event, JobState, Message};

use crate::api;
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::time::{Clock, local_date, local_time};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Announcer, Card, EmptyState, Failure, Icon, IconView, Show, Skeleton, list};
use crate::words::placed;
use words::{key_of, sentence, spoken};

/// Events come in bursts: a queued dump starts at once. One question serves them all.
const SETTLES_MS: u32 = 300;

/// What of a dump has a line in the log.
type Noted = (JobState, Option<CaptureMode>, Option<Message>);

/// The last things that happened, newest first, in a part of fixed size that scrolls.
#[component]
pub fn ActivityLog() -> impl IntoView {
    let log = Log::start();
    let problem = log.lines.why_failed();
    let is_empty = memo(move || log.lines.with_data(Vec::is_empty));
    let lines = move || log.lines.with_data(Clone::clone).unwrap_or_default();
    let clock = Clock::expect();
    // One for all lines: the clock ticks every second.
    let today = memo(move || local_date(clock.now()));
    view! {
        <Card id="activity-log" title="Activity log" class="panel-activity">
            <div class="panel-scroll" tabindex="0" role="group" aria-label="List of events">
                {dynamic(move || match is_empty.get() {
                    None if problem.with(Option::is_some) => ().into_any(),
                    None => view! { <Skeleton rows=4 label="Loading the activity log" /> }.into_any(),
                    Some(true) => {
                        view! {
                            <EmptyState title="Nothing has happened yet" icon=Icon::Clock>
                                "Requests, starts and results of dumps appear here."
                            </EmptyState>
                        }
                            .into_any()
                    }
                    Some(false) => {
                        view! {
                            <ol class="activity">
                                {list(lines, key_of, move |line| view! { <Line line today /> })}
                            </ol>
                        }
                            .into_any()
                    }
                })}
            </div>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The activity log could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| log.fetch()
                />
            </Show>
        </Card>
    }
}

#[component]
fn Line(line: Activity, today: Memo<String>) -> impl IntoView {
    let (class, icon) = match line.kind {
        ActivityKind::Queued => ("activity-line", Icon::Clock),
        ActivityKind::Started => ("activity-line is-active", Icon::Play),
        ActivityKind::Fallback => ("activity-line is-waiting", Icon::Fork),
        ActivityKind::Completed => ("activity-line is-good", Icon::Check),
        ActivityKind::Failed | ActivityKind::Damaged | ActivityKind::Unreadable => {
            ("activity-line is-bad", Icon::Alert)
        }
        ActivityKind::Cancelled => ("activity-line", Icon::Ban),
    };
    let at = local_time(line.at);
    let date = at.date.clone();
    let is_of_today = memo(move || today.with(|today| *today == date));
    let shown_date = at.date.get(5..).unwrap_or_default().to_owned();
    let told = sentence(&line);
    view! {
        <li class=class>
            <span class="activity-icon">
                <IconView icon />
            </span>
            <p class="activity-text">
                <strong class="activity-guest">{placed(line.host.as_ref(), &line.guest)}</strong>
                " "
                {told.what}
                {told.why.map(|why| view! { <span class="activity-why">{why}</span> })}
            </p>
            <time class="activity-time number" datetime=line.at.to_string() title=at.long>
                {dynamic(move || (!is_of_today.get()).then(|| format!("{shown_date} ")))}
                {at.clock}
            </time>
        </li>
    }
}

#[derive(Clone, Copy)]
struct Log {
    lines: Loader<Vec<Activity>>,
    noted: StoredValue<Vec<(DumpId, Noted)>>,
    pending: StoredValue<Option<Timeout>, LocalStorage>,
    announcer: Announcer,
}

impl Log {
    fn start() -> Self {
        let log = Self {
            lines: Loader::new(),
            noted: StoredValue::new(Vec::new()),
            pending: StoredValue::new_local(None),
            announcer: Announcer::expect(),
        };
        let feed = Feed::expect();
        feed.subscribe(move |event| log.hear(event));
        feed.on_connected(move || log.fetch());
        let refreshes = Data::expect().refreshes;
        Effect::new(move |began: Option<()>| {
            refreshes.track();
            if began.is_some() {
                log.fetch();
            }
        });
        log
    }

    fn hear(self, event: &Event) {
        let is_news = match event {
            Event::Dump(status) => self.is_news(status),
            Event::Record(_) | Event::Import(_) => true,
            Event::Verification(told) => told.is_bad(),
            Event::Guests(_)
            | Event::Service(_)
            | Event::Hypervisor(_)
            | Event::Storage(_)
            | Event::Hosts(_)
            | Event::Sample(_)
            | Event::Summaries(_) => false,
        };
        if is_news {
            self.pending.set_value(Some(Timeout::new(SETTLES_MS, move || self.fetch())));
        }
    }

    /// Progress is not.
    fn is_news(self, status: &DumpStatus) -> bool {
        let present = (status.exact_state(), status.mode, status.fallback.clone());
        let before = self.noted.try_update_value(|noted| {
            let known = noted.iter().position(|(id, _)| *id == status.dump_id);
            let before = known.map(|place| noted.swap_remove(place).1);
            if present.0.is_final() {
                return None;
            }
            noted.push((status.dump_id.clone(), present.clone()));
            before
        });
        before.flatten() != Some(present)
    }

    fn fetch(self) {
        let before = untrack(|| self.lines.with_data(|lines| lines.first().map(|line| line.at)));
        self.lines.fetch_with(api::fetch_activity(), move |data, lines| {
            // What was there when the page opened is read when the operator wants it; ends are announced by toasts.
            if let Some(before) = before
                && let Some(text) = spoken(&lines, before)
            {
                self.announcer.say(text);
            }
            *data = Some(lines);
        });
    }
}
