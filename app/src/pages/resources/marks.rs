//! The dumps of the guest, as marks on the axis of time.

use leptos::prelude::*;
use memdeck_model::{Event, Millis, Record, RecordFilter, RecordQuery, RecordSort, SearchText, Timestamp};
use serde::Serialize;

use crate::api;
use crate::base;
use crate::data::Loader;
use crate::feed::Feed;
use crate::pages::dump_links::details_of;
use crate::routes::Page;
use crate::time::local_time;

/// A dump that began this long before the range may go on in it.
const LONG_DUMP: Millis = Millis(3_600_000);
/// More marks than a chart has room for.
const MOST: u32 = 500;

#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When it began.
    pub at: Timestamp,
    /// When its image was sealed, if that is known.
    pub until: Option<Timestamp>,
    /// How long the guest was stopped, if that is known.
    pub pause: Option<Millis>,
    /// Whether the guest ran meanwhile, if that is known.
    pub mode: Option<&'static str>,
    /// Whether there is an image.
    pub ok: bool,
    /// Where its details are; none if the record names no dump.
    pub href: Option<String>,
}

/// A mark as `public/charts.js` takes it.
#[derive(Serialize)]
struct Drawn {
    at: f64,
    until: f64,
    href: String,
    text: String,
}

/// The dumps of one guest in the range.
#[derive(Clone, Copy)]
pub struct Marks {
    /// Newest first.
    pub list: Loader<Vec<Mark>>,
    wanted: StoredValue<Option<(String, Timestamp, Option<Timestamp>)>>,
}

impl Marks {
    /// Of no guest yet; listens for new dumps of the one that is asked for.
    pub fn new() -> Self {
        let marks = Self { list: Loader::new(), wanted: StoredValue::new(None) };
        Feed::expect().subscribe(move |event| {
            if let Event::Record(record) = event {
                let is_of_guest = marks
                    .wanted
                    .with_value(|wanted| wanted.as_ref().is_some_and(|(name, ..)| *name == record.dom.0));
                if is_of_guest {
                    marks.fetch();
                }
            }
        });
        marks
    }

    /// Fetches those of the guest `name` between two instants; without an end, all since the first.
    pub fn ask(self, name: String, from: Timestamp, to: Option<Timestamp>) {
        self.wanted.set_value(Some((name, from, to)));
        self.fetch();
    }

    /// Fetches them again.
    pub fn fetch(self) {
        let Some((name, from, to)) = self.wanted.get_value() else { return };
        // A name that cannot be searched for cannot be found either.
        let Ok(search) = SearchText::try_from(name.clone()) else { return self.list.put(Vec::new()) };
        let from = from.minus(LONG_DUMP);
        let filter = RecordFilter { search: Some(search), from: Some(from), to, ..RecordFilter::default() };
        let query = RecordQuery { filter, sort: RecordSort::default(), limit: MOST, offset: 0 };
        self.list.fetch_with(api::fetch_records(query), move |marks, page| {
            *marks = Some(page.records.iter().filter(|record| record.dom.0 == name).map(mark_of).collect());
        });
    }

    /// The marks for a chart, as JSON.
    pub fn drawn(self) -> String {
        let marks = self.list.with_data(|marks| marks.iter().map(drawn).collect::<Vec<_>>());
        serde_json::to_string(&marks.unwrap_or_default()).unwrap_or_default()
    }
}

fn mark_of(record: &Record) -> Mark {
    let took = record.duration_sec.and_then(|took| std::time::Duration::try_from_secs_f64(took).ok());
    Mark {
        at: record.timestamp,
        until: took.map(|took| record.timestamp.plus(Millis::from(took))),
        pause: record.pause_ms,
        mode: record.mode.map(memdeck_model::CaptureMode::as_str),
        ok: record.ok,
        href: record.dump_id.as_ref().map(details_of),
    }
}

fn drawn(mark: &Mark) -> Drawn {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
    let seconds = |at: Timestamp| (at.unix_micros() / 1000) as f64 / 1000.0;
    Drawn {
        at: seconds(mark.at),
        until: seconds(mark.until.unwrap_or(mark.at)),
        href: mark.href.clone().unwrap_or_else(|| base::href(Page::MemoryDumps.path())),
        text: format!("Dump at {}: {}", local_time(mark.at).clock, words(mark)),
    }
}

/// What it was for the guest: `live, paused for 12 ms, took 1.20 s`.
pub fn words(mark: &Mark) -> String {
    let pause = mark.pause.map_or("pause unknown".to_owned(), |pause| format!("paused for {pause}"));
    let took = mark.until.map(|until| format!("took {}", until.since(mark.at)));
    let failed = (!mark.ok).then(|| "failed".to_owned());
    let parts = [failed, mark.mode.map(str::to_owned), Some(pause), took];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use memdeck_model::{CaptureMode, GuestName};

    use super::*;

    #[test]
    fn a_dump_is_told_by_what_it_was_for_the_guest() {
        let at = Timestamp::from_unix_micros(1_000_000).unwrap();
        let record = Record {
            duration_sec: Some(1.2),
            pause_ms: Some(Millis(12)),
            mode: Some(CaptureMode::Live),
            ..Record::unknown(GuestName("web-01".to_owned()), String::new(), at)
        };
        let mark = mark_of(&record);
        assert_eq!(words(&mark), "live, paused for 12 ms, took 1.20 s");
        assert_eq!(mark.until.map(|until| until.since(at)), Some(Millis(1200)));
        let foreign = Record { ok: false, ..Record::unknown(record.dom, String::new(), at) };
        assert_eq!(words(&mark_of(&foreign)), "failed, pause unknown");
    }
}
