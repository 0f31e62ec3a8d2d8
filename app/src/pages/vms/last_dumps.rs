//! The newest dump of each guest, kept up to date by the feed.

use leptos::prelude::*;
use memdeck_model::{Event, LastDump, Record};

use crate::api;
use crate::data::{Data, Loader};
use crate::feed::Feed;

/// What is known of the newest dump of each guest.
#[derive(Clone, Copy)]
pub struct LastDumps {
    dumps: Loader<Vec<LastDump>>,
    host: Memo<Option<String>>,
}

impl LastDumps {
    /// Starts to fetch and to follow the feed.
    pub fn new() -> Self {
        let host = Data::expect().overview.find(|overview| overview.host.clone());
        let last = Self { dumps: Loader::new(), host };
        let feed = Feed::expect();
        feed.subscribe(move |event| {
            if let Event::Record(record) = event {
                last.dumps.change(|dumps| take_in(dumps, record));
            }
        });
        feed.on_connected(move || last.fetch());
        last
    }

    /// Fetches them.
    pub fn fetch(self) {
        self.dumps.fetch(api::fetch_last_dumps());
    }

    /// Why they could not be fetched.
    pub fn why_failed(self) -> Memo<Option<String>> {
        self.dumps.why_failed()
    }

    /// The newest dump of the guest `name`.
    pub fn of(self, name: &str) -> Newest {
        let host = self.host.get();
        let found = self.dumps.with_data(|dumps| {
            dump_of(dumps, name, host.as_deref()).map_or(Newest::Never, |dump| Newest::Dump(dump.clone()))
        });
        found.unwrap_or(Newest::Unknown)
    }
}

/// When a guest was dumped last.
#[derive(Clone, Debug, PartialEq)]
pub enum Newest {
    /// That is not known yet.
    Unknown,
    /// It was not.
    Never,
    /// Then.
    Dump(LastDump),
}

/// The newest dump of a guest of `host`. If a dump does not name its host, or none was taken on a host of that name (a
/// service may be known by its address only), the guest's name has to do.
fn dump_of<'a>(dumps: &'a [LastDump], name: &str, host: Option<&str>) -> Option<&'a LastDump> {
    let host = host.filter(|host| dumps.iter().any(|dump| dump.host.as_deref() == Some(*host)));
    let is_of_host = |dump: &LastDump| match (dump.host.as_deref(), host) {
        (Some(taken), Some(here)) => taken == here,
        _ => true,
    };
    let found = dumps.iter().filter(|dump| dump.dom.0 == name && is_of_host(dump));
    found.max_by_key(|dump| dump.at)
}

/// Takes in a record that is new. One of a deletion is no newer dump.
fn take_in(dumps: &mut Vec<LastDump>, record: &Record) {
    if !record.ok || record.deleted_at.is_some() {
        return;
    }
    let new = LastDump::from(record);
    match dumps.iter_mut().find(|dump| dump.dom == new.dom && dump.host == new.host) {
        Some(known) if known.at > new.at => {}
        Some(known) => *known = new,
        None => dumps.push(new),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, Timestamp};

    use super::*;

    fn record(name: &str, host: Option<&str>, second: i64) -> Record {
        let at = Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let unknown = Record::unknown(GuestName(name.into()), "1".into(), at);
        Record { host: host.map(str::to_owned), ..unknown }
    }

    #[test]
    fn a_dump_of_a_namesake_on_another_host_is_not_taken_for_one_of_the_guest() {
        let dumps = [record("web", Some("hv1"), 1), record("web", Some("hv2"), 9)]
            .map(|record| LastDump::from(&record));
        let second = |host| dump_of(&dumps, "web", host).map(|dump| dump.at.unix_seconds());
        assert_eq!(
            [Some("hv1"), Some("hv2"), Some("10.0.0.5"), None].map(second),
            [Some(1), Some(9), Some(9), Some(9)]
        );
        assert!(dump_of(&dumps, "we", None).is_none());
    }

    #[test]
    fn a_new_record_takes_the_place_of_an_older_one_and_nothing_else_does() {
        let mut dumps = vec![LastDump::from(&record("web", None, 5))];
        let deleted = Record { deleted_at: Some(record("web", None, 8).timestamp), ..record("web", None, 8) };
        let failed = Record { ok: false, ..record("web", None, 8) };
        for record in [record("web", None, 4), deleted, failed, record("web", None, 7), record("db", None, 1)]
        {
            take_in(&mut dumps, &record);
        }
        let told: Vec<_> = dumps.iter().map(|dump| (dump.dom.0.as_str(), dump.at.unix_seconds())).collect();
        assert_eq!(told, [("web", 7), ("db", 1)]);
    }
}
