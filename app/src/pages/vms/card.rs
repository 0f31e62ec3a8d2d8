//! The card of one guest.

use leptos::prelude::*;
use leptos_router::components::A;
use memdeck_model::telemetry::LiveSummary;
use memdeck_model::{Guest, LastDump};

use super::VmsState;
use super::last_dumps::Newest;
use super::values::{BYTES_MARKS, Reading, SHARE_MARKS, Values};
use crate::base;
use crate::pages::dump_links::details_of;
use crate::pages::guest::{Freshness, FreshnessBadge, StateBadge};
use crate::routes::Page;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Gauge, Mark, Moment, Unknown};
use crate::words::shown;

/// State, size, gauges, rates, last dump, and what can be done. Each part follows the guest's own signals: a change of one
/// guest draws nothing of the others.
#[component]
#[expect(clippy::too_many_lines, reason = "mostly the view")]
pub fn VmCard(
    /// As [`Guest::reference`] says.
    reference: String,
) -> impl IntoView {
    let VmsState { data, last_dumps } = VmsState::expect();
    let summary = data.telemetry.summary(&reference);
    let values = RwSignal::new(Values::default());
    let freshness = RwSignal::new(Freshness::default());
    let before = StoredValue::new(None::<LiveSummary>);
    let newest = summary.clone();
    let started = memo(move || newest.with(|now| now.as_ref().and_then(|now| now.started_at)));
    effect(move || {
        let Some(now) = summary.get() else { return };
        let mut is_new = false;
        freshness.update(|freshness| is_new = freshness.take(now.at, now.stale, now.partial));
        if is_new {
            values.set(before.with_value(|before| Values::of(&now, before.as_ref())));
            before.set_value(Some(now));
        }
    });
    let title_id = format!("vm-{reference}");
    let labelled_by = title_id.clone();
    let charts = base::href(&format!("{}?guest={reference}", Page::Resources.path()));
    let gauges = base::href(&format!("{}?guest={reference}", Page::Gauges.path()));
    let dump = base::href(&format!("{}?guest={reference}", Page::MemoryDumps.path()));
    let reference = StoredValue::new(reference);
    // The CPU time changes all the time, and is not shown.
    let guest = memo(move || {
        reference
            .with_value(|reference| data.guests.get(reference))
            .map(|guest| Guest { cpu_time_ns: 0, ..guest })
    });
    let name = memo(move || {
        guest.with(|guest| guest.as_ref().map(|guest| shown(&guest.name.0))).unwrap_or_default()
    });
    let facts = memo(move || guest.with(|guest| guest.as_ref().map(facts_of)));
    let host = memo(move || {
        guest.with(|guest| guest.as_ref().and_then(|guest| guest.host.as_ref().map(ToString::to_string)))
    });
    let has_memory =
        memo(move || guest.with(|guest| guest.as_ref().is_some_and(|guest| guest.state.has_memory())));
    let last = memo(move || {
        guest.with(|guest| guest.as_ref().map_or(Newest::Unknown, |guest| last_dumps.of(&guest.name.0)))
    });
    let text = move |read: fn(&Values) -> &Option<String>, what: &'static str| {
        let text = memo(move || values.with(|values| read(values).clone()));
        dynamic(move || match text.get() {
            Some(text) => text.into_any(),
            None => view! { <Unknown what /> }.into_any(),
        })
    };
    view! {
        <article class="card vm" aria-labelledby=labelled_by>
            <header class="vm-head">
                <h2 class="vm-name guest-name" id=title_id>
                    <A href=gauges>{name}</A>
                </h2>
                {dynamic(move || guest.with(|guest| guest.as_ref().map(|guest| view! { <StateBadge state=guest.state /> })))}
            </header>
            <p class="vm-facts number">
                {dynamic(move || host.get().map(|host| view! { <span class="vm-host">{host}</span> " · " }))} {facts}
            </p>
            <div class="vm-gauges">
                <Small values title="CPU" read=|values| &values.cpu marks=SHARE_MARKS />
                <Small values title="Memory" read=|values| &values.memory marks=SHARE_MARKS />
                <Small values title="Disk" read=|values| &values.disk marks=BYTES_MARKS />
            </div>
            <p class="vm-freshness">
                <FreshnessBadge freshness />
            </p>
            <dl class="vm-rates number">
                <dt>"Network"</dt>
                <dd><span class="unbroken">"in " {text(|values| &values.received, "network received")}</span> " " <span class="vm-and">"out " {text(|values| &values.sent, "network sent")}</span></dd>
                <dt>"Disk"</dt>
                <dd><span class="unbroken">"read " {text(|values| &values.read, "disk read")}</span> " " <span class="vm-and">"written " {text(|values| &values.written, "disk written")}</span></dd>
                <dt>"CPU change"</dt>
                <dd>{text(|values| &values.cpu_change, "CPU change")}</dd>
                <dt>"Memory change"</dt>
                <dd>{text(|values| &values.memory_change, "memory change")}</dd>
                <dt>"Started"</dt>
                <dd>{dynamic(move || match started.get() {
                    Some(instant) => view! { <Moment instant /> }.into_any(),
                    None if !has_memory.get() => "not running".into_any(),
                    None => view! { <Unknown what="start" /> }.into_any(),
                })}</dd>
                <dt>"Last dump"</dt>
                <dd class="vm-last-dump">
                    {dynamic(move || match last.get() {
                        Newest::Unknown => view! { <Unknown what="last dump" /> }.into_any(),
                        Newest::Never => "none yet".into_any(),
                        Newest::Dump(dump) => view! { <LastDumpView dump name=name.get_untracked() /> }.into_any(),
                    })}
                </dd>
            </dl>
            <footer class="vm-actions">
                {dynamic(move || {
                    if has_memory.get() {
                        let (href, label) = (dump.clone(), format!("Dump {}…", name.get()));
                        view! { <A href=href attr:class="button button-small" attr:aria-label=label>"Dump…"</A> }.into_any()
                    } else {
                        view! {
                            <span class="vm-no-dump">
                                <span class="button button-small" role="link" aria-disabled="true">"Dump…"</span>
                                <span class="secondary">"no memory to dump"</span>
                            </span>
                        }
                            .into_any()
                    }
                })}
                {dynamic(move || {
                    let (href, label) = (charts.clone(), format!("Charts of {}", name.get()));
                    view! { <A href=href attr:class="button button-small button-quiet" attr:aria-label=label>"Charts"</A> }
                })}
            </footer>
        </article>
    }
}

/// One gauge of the card, with its name and number under it.
#[component]
fn Small(
    values: RwSignal<Values>,
    title: &'static str,
    read: fn(&Values) -> &Reading,
    marks: &'static [Mark],
) -> impl IntoView {
    let reading = memo(move || values.with(|values| read(values).clone()));
    let degrees = Signal::derive(move || reading.with(|reading| reading.degrees));
    let number = memo(move || reading.with(|reading| reading.number.clone()));
    let label = move || format!("{title}: {}", number.get().unwrap_or_else(|| "unknown".to_owned()));
    view! {
        <div class="vm-gauge">
            <Gauge degrees label=Signal::derive(label) marks />
            // The picture says the same.
            <p aria-hidden="true">
                <span class="vm-gauge-title">{title}</span>
                " "
                <span class="vm-gauge-number number">
                    {dynamic(move || number.get().unwrap_or_else(|| "unknown".to_owned()))}
                </span>
            </p>
        </div>
    }
}

/// Its age, size and pause; it leads to the details.
#[component]
fn LastDumpView(dump: LastDump, name: String) -> impl IntoView {
    let facts = dump_facts(&dump);
    let age = view! { <Moment instant=dump.at /> };
    let age = match dump.dump_id {
        Some(id) => {
            let href = details_of(&id);
            view! { <A href=href attr:title=format!("Details of the last dump of {name}")>{age}</A> }
                .into_any()
        }
        None => age.into_any(),
    };
    view! { {age} {facts} }
}

/// ` · 28.9 MiB · paused 40 ms`.
fn dump_facts(dump: &LastDump) -> String {
    let stored = dump.stored.map(|stored| format!(" · {stored}"));
    let pause = dump.pause_ms.map(|pause| format!(" · paused {pause}"));
    stored.into_iter().chain(pause).collect()
}

fn facts_of(guest: &Guest) -> String {
    let vcpus = if guest.vcpus == 1 { "1 vCPU".to_owned() } else { format!("{} vCPUs", guest.vcpus) };
    let id = guest.id.map(|id| format!("id {id}"));
    [Some(vcpus), Some(guest.memory_max.to_string()), id]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}
