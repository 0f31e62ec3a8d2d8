//! How the operator looks at a guest: which one, which charts, which stretch of time. All of it is in the address, so that
//! reload, back and a link sent to somebody show the same.

use memdeck_model::Timestamp;

use super::range::{Range, SPANS};
use crate::routes::Page;

/// The tabs: the word in the address and the name on the page.
pub const TABS: [(&str, &str); 4] =
    [("cpu", "CPU and memory"), ("network", "Network"), ("disk", "Disk"), ("devices", "Devices")];

/// What the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourcesView {
    /// The guest, by UUID or name; `None` for whichever comes first.
    pub guest: Option<String>,
    /// Which of [`TABS`].
    pub tab: usize,
    /// The stretch of time.
    pub range: Range,
    /// The chart whose numbers are shown as a table: a metric, or a device and a metric.
    pub table: Option<String>,
}

impl ResourcesView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        let (mut from, mut to) = (None, None);
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "guest" if !value.is_empty() => view.guest = Some(value.into_owned()),
                "tab" => view.tab = TABS.iter().position(|(word, _)| *word == value).unwrap_or_default(),
                "range" => {
                    if let Some(span) = SPANS.iter().position(|(word, ..)| *word == value) {
                        view.range = Range::Live(span);
                    }
                }
                "from" => from = value.parse().ok(),
                "to" => to = value.parse().ok(),
                "table" if !value.is_empty() => view.table = Some(value.into_owned()),
                _ => {}
            }
        }
        let between = |(from, to): (Timestamp, Timestamp)| Range::between(from, to);
        if let Some(range) = from.zip(to).and_then(between) {
            view.range = range;
        }
        view
    }

    /// The address. What is as it is anyway is left out.
    pub fn href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(guest) = &self.guest {
            query.append_pair("guest", guest);
        }
        if let Some((word, _)) = TABS.get(self.tab).filter(|_| self.tab > 0) {
            query.append_pair("tab", word);
        }
        match self.range {
            Range::Fixed(from, to) => {
                query.append_pair("from", &from.to_string()).append_pair("to", &to.to_string());
            }
            Range::Live(span) if self.range != Range::default() => {
                query.append_pair("range", SPANS.get(span).map_or("", |(word, ..)| *word));
            }
            Range::Live(_) => {}
        }
        if let Some(table) = &self.table {
            query.append_pair("table", table);
        }
        let query = query.finish();
        let path = Page::Resources.path();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_it_is_anyway_is_not_in_the_address() {
        assert_eq!(ResourcesView::default().href(), "/resource-monitoring");
        assert_eq!(ResourcesView::from_query("?range=15m&tab=cpu&x=y"), ResourcesView::default());
    }

    #[test]
    fn nonsense_is_passed_over() {
        for query in
            ["range=2y", "tab=9", "from=yesterday&to=now", "from=2026-01-01T00:00:00Z", "guest=&table="]
        {
            assert_eq!(ResourcesView::from_query(query), ResourcesView::default(), "{query}");
        }
        let backwards = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&range=1h";
        assert_eq!(ResourcesView::from_query(backwards).range, Range::Live(2));
    }

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000 + 250_000).unwrap();
        let ranges =
            (0..SPANS.len()).map(Range::Live).chain([Range::Fixed(at(1_700_000_000), at(1_700_000_060))]);
        let guests = [None, Some("a&b=c d"), Some("00000000-0000-4000-8000-000000000001"), Some("größe/1%")];
        for range in ranges {
            for (tab, guest) in guests.iter().enumerate() {
                for table in [None, Some("cputime"), Some("vda/rd_bytes")] {
                    let (guest, table) = (guest.map(str::to_owned), table.map(str::to_owned));
                    let view = ResourcesView { guest, tab, range, table };
                    let href = view.href();
                    let query = href.split_once('?').map_or("", |(_, query)| query);
                    assert_eq!(ResourcesView::from_query(query), view, "{href}");
                }
            }
        }
    }
}
