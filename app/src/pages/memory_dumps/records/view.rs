//! How the operator looks at the table of records: what they filter by, in what order, which page, and how it is shown.
//! All of it is in the address, so that reload, back and a link sent to somebody show the same.

use memdeck_model::{
    CaptureMode, Day, FilterError, HostName, RecordColumn, RecordFilter, RecordQuery, RecordSort,
    RecordState, SearchText, Timestamp,
};

use crate::routes::Page;

/// What of an address is about the table.
const PARTS: [&str; 13] = [
    "search", "from", "to", "state", "host", "mode", "sort", "order", "page", "rows", "size", "refresh",
    "dump",
];
/// How many rows a page may have.
pub const PAGE_SIZES: [u32; 4] = [10, 25, 50, 100];
const DEFAULT_PAGE_SIZE: u32 = 25;
/// The last page there can be, far beyond every catalog: it keeps offsets within JavaScript's exact integers.
const LAST_PAGE: u64 = 1_000_000_000;

/// Which of a dump's two sizes is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeShown {
    /// Of the stored file.
    #[default]
    Compressed,
    /// Of the guest's memory.
    Raw,
}

impl SizeShown {
    /// The column it is sorted by.
    pub fn column(self) -> RecordColumn {
        match self {
            Self::Compressed => RecordColumn::GzipSizeBytes,
            Self::Raw => RecordColumn::RawSizeBytes,
        }
    }
}

/// What the address says about the table.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordsView {
    /// Text to search for; empty or a [`SearchText`].
    pub search: String,
    /// The first day, in the operator's time zone.
    pub from: Option<Day>,
    /// The last day, in the operator's time zone.
    pub to: Option<Day>,
    /// How the dumps ended.
    pub state: Option<RecordState>,
    /// Where they were taken.
    pub host: Option<HostName>,
    /// How they were taken.
    pub mode: Option<CaptureMode>,
    /// In what order.
    pub sort: RecordSort,
    /// Which page, from 1.
    pub page: u64,
    /// Rows on a page, one of [`PAGE_SIZES`].
    pub page_size: u32,
    /// Which size is shown.
    pub size: SizeShown,
    /// Whether new dumps appear by themselves.
    pub auto_refresh: bool,
    /// The id of the dump whose details are shown, as the address has it: it may be none.
    pub dump: Option<String>,
    /// What the address says about the table and means nothing: the names of its parts.
    pub meaningless: Vec<&'static str>,
    /// What other parts of the page keep in the address.
    others: Vec<(String, String)>,
}

impl Default for RecordsView {
    fn default() -> Self {
        Self {
            search: String::new(),
            from: None,
            to: None,
            state: None,
            host: None,
            mode: None,
            sort: RecordSort::default(),
            page: 1,
            page_size: DEFAULT_PAGE_SIZE,
            size: SizeShown::default(),
            auto_refresh: true,
            dump: None,
            meaningless: Vec::new(),
            others: Vec::new(),
        }
    }
}

impl RecordsView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over and named in
    /// [`Self::meaningless`].
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        let mut order = None;
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            let Some(part) = PARTS.into_iter().find(|part| *part == name) else {
                view.others.push((name.into_owned(), value.into_owned()));
                continue;
            };
            let means_something = value.is_empty()
                || match part {
                    "search" => read(&value, &mut view.search, |text: SearchText| text.into()),
                    "from" => read(&value, &mut view.from, Some),
                    "to" => read(&value, &mut view.to, Some),
                    "state" => read(&value, &mut view.state, Some),
                    "host" => read(&value, &mut view.host, Some),
                    "mode" => read(&value, &mut view.mode, Some),
                    "sort" => read(&value, &mut view.sort.by, |column| column),
                    "order" => read(&value, &mut order, Some),
                    "page" => {
                        read(&value, &mut view.page, |page: u64| page.clamp(1, LAST_PAGE)) && *value != *"0"
                    }
                    "rows" => {
                        value.parse().ok().filter(|rows| PAGE_SIZES.contains(rows)).is_some_and(|rows| {
                            view.page_size = rows;
                            true
                        })
                    }
                    "size" => match value.as_ref() {
                        "raw" => {
                            view.size = SizeShown::Raw;
                            true
                        }
                        other => other == "compressed",
                    },
                    "refresh" => match value.as_ref() {
                        "off" => {
                            view.auto_refresh = false;
                            true
                        }
                        other => other == "on",
                    },
                    _ => {
                        view.dump = Some(value.into_owned());
                        true
                    }
                };
            if !means_something && !view.meaningless.contains(&part) {
                view.meaningless.push(part);
            }
        }
        view.sort.order = order.unwrap_or(view.sort.by.first_order());
        view
    }

    /// The address. What is as it is anyway is left out.
    pub fn href(&self) -> String {
        let mut pairs = self.filter_pairs(|day| day.to_string(), |day| day.to_string());
        let mut add = |name: &'static str, value: &str, is_given: bool| {
            if is_given {
                pairs.push((name, value.to_owned()));
            }
        };
        let RecordSort { by, order } = self.sort;
        add("sort", by.as_str(), by != RecordColumn::default());
        add("order", order.as_str(), order != by.first_order());
        add("page", &self.page.to_string(), self.page > 1);
        add("rows", &self.page_size.to_string(), self.page_size != DEFAULT_PAGE_SIZE);
        add("size", "raw", self.size == SizeShown::Raw);
        add("refresh", "off", !self.auto_refresh);
        if let Some(dump) = &self.dump {
            add("dump", dump, true);
        }
        let others = self.others.iter().map(|(name, value)| (name.as_str(), value.clone()));
        address(Page::MemoryDumps.path(), pairs.into_iter().chain(others))
    }

    /// The address of all records that the filter means, as CSV. `start_of` returns the first instant of a day.
    pub fn export_href(&self, start_of: fn(Day) -> Timestamp) -> String {
        let pairs =
            self.filter_pairs(|day| start_of(day).to_string(), |day| start_of(day.next()).to_string());
        address("api/memory-dumps/export.csv", pairs.into_iter())
    }

    fn filter_pairs(
        &self,
        from: impl Fn(Day) -> String,
        to: impl Fn(Day) -> String,
    ) -> Vec<(&'static str, String)> {
        let pairs = [
            ("search", (!self.search.is_empty()).then(|| self.search.clone())),
            ("from", self.from.map(from)),
            ("to", self.to.map(to)),
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("host", self.host.clone().map(String::from)),
            ("mode", self.mode.map(|mode| mode.as_str().to_owned())),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What to ask the server for. `start_of` returns the first instant of a day.
    ///
    /// # Errors
    /// The last day is before the first.
    pub fn query(&self, start_of: fn(Day) -> Timestamp) -> Result<RecordQuery, FilterError> {
        let filter = RecordFilter {
            search: self.search.parse().ok(),
            from: self.from.map(start_of),
            to: self.to.map(|day| start_of(day.next())),
            state: self.state,
            host: self.host.clone(),
            mode: self.mode,
        };
        match (self.from, self.to) {
            (Some(from), Some(to)) if to < from => Err(FilterError::Range),
            _ => {
                let offset = self.page.saturating_sub(1).saturating_mul(u64::from(self.page_size));
                Ok(RecordQuery { filter, sort: self.sort, limit: self.page_size, offset })
            }
        }
    }

    /// Whether some records are left out.
    pub fn is_filtered(&self) -> bool {
        !self.filter_pairs(|_| String::new(), |_| String::new()).is_empty()
    }

    /// The same at another page.
    #[must_use]
    pub fn at_page(&self, page: u64) -> Self {
        Self { page, ..self.clone() }
    }

    /// The same with the details of a dump.
    pub fn with_details(&self, dump: &str) -> Self {
        Self { dump: Some(dump.to_owned()), ..self.clone() }
    }

    /// Leaves no record out.
    pub fn clear_filter(&mut self) {
        let kept = std::mem::take(self);
        *self = Self {
            sort: kept.sort,
            page_size: kept.page_size,
            size: kept.size,
            auto_refresh: kept.auto_refresh,
            dump: kept.dump,
            others: kept.others,
            ..Self::default()
        };
    }

    /// Sorts by `column`; the other way round where it is sorted by it already.
    pub fn sort_by(&mut self, column: RecordColumn) {
        let order = if self.sort.by == column { self.sort.order.reversed() } else { column.first_order() };
        self.sort = RecordSort { by: column, order };
        self.page = 1;
    }

    /// Shows the other size. A table that is sorted by one is sorted by the other from then on.
    pub fn show_size(&mut self, size: SizeShown) {
        if self.sort.by == self.size.column() {
            self.sort.by = size.column();
            self.page = 1;
        }
        self.size = size;
    }
}

/// Puts what `value` means into `place`; false where it means nothing.
fn read<T: std::str::FromStr, P>(value: &str, place: &mut P, take: fn(T) -> P) -> bool {
    value.parse().map(|meaning| *place = take(meaning)).is_ok()
}

fn address<'a>(path: &str, pairs: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use memdeck_model::SortOrder;

    use super::*;

    fn view(query: &str) -> RecordsView {
        RecordsView::from_query(query)
    }

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for query in [
            "",
            "?search=web+100%25+%26+%C3%A9",
            "?from=2025-11-01&to=2025-11-14&state=failed&host=hv+1&mode=live",
            "?sort=dom",
            "?sort=dom&order=desc&page=3&rows=100&size=raw&refresh=off",
            "?order=asc",
            "?dump=some-id",
            "?search=web&page=2&dump=..%2Fno+id&other=kept",
        ] {
            assert_eq!(view(query).href(), format!("/memory-dumps{query}"));
            assert_eq!(view(&view(query).href()["/memory-dumps".len()..]), view(query));
        }
        assert_eq!(view("search=100%25").search, "100%");
    }

    #[test]
    fn what_means_nothing_is_passed_over_and_named() {
        let nonsense = "?search=%00&from=x&to=2025-02-30&state=lost&host=&mode=x&sort=note&order=up&page=0&rows=7&size=x&refresh=x&dump=";
        let meaningless =
            ["search", "from", "to", "state", "mode", "sort", "order", "page", "rows", "size", "refresh"];
        assert_eq!(view(nonsense), RecordsView { meaningless: meaningless.into(), ..RecordsView::default() });
        assert_eq!(view(nonsense).href(), "/memory-dumps", "and goes with the next change of the view");
        assert_eq!(view("?search=&from=&rows=&sort=dom&size=compressed&refresh=on").meaningless, [""; 0]);
        let pages = ["", "page=-1", "page=1.5", "page=2", "page=18446744073709551615"].map(|q| view(q).page);
        assert_eq!(pages, [1, 1, 1, 2, LAST_PAGE]);
    }

    #[test]
    fn days_are_whole_days() {
        let query = view("from=2025-11-01&to=2025-11-14").query(Day::start_utc).unwrap();
        let text = |instant: Option<Timestamp>| instant.unwrap().to_string();
        assert_eq!(text(query.filter.from), "2025-11-01T00:00:00.000000Z");
        assert_eq!(text(query.filter.to), "2025-11-15T00:00:00.000000Z");
        let one_day = view("from=2025-11-01&to=2025-11-01").query(Day::start_utc).unwrap();
        assert!(one_day.filter.from < one_day.filter.to);
        let backwards = view("from=2025-11-02&to=2025-11-01").query(Day::start_utc);
        assert_eq!(backwards, Err(FilterError::Range));
    }

    #[test]
    fn pages_are_counted_from_one() {
        let offsets =
            ["", "page=3", "page=3&rows=100"].map(|q| view(q).query(Day::start_utc).unwrap().offset);
        assert_eq!(offsets, [0, 50, 200]);
    }

    #[test]
    fn the_export_has_the_filter_and_nothing_else() {
        let all = view("search=a%26b&from=2025-11-01&to=2025-11-01&sort=dom&page=3&rows=10&size=raw&dump=x");
        assert_eq!(
            all.export_href(Day::start_utc),
            "api/memory-dumps/export.csv?search=a%26b&from=2025-11-01T00%3A00%3A00.000000Z\
             &to=2025-11-02T00%3A00%3A00.000000Z"
        );
        assert_eq!(view("page=2").export_href(Day::start_utc), "api/memory-dumps/export.csv");
    }

    #[test]
    fn the_details_of_a_dump_are_beside_the_view_and_leave_it_as_it_is() {
        let table = view("search=web&page=2");
        let details = table.with_details("a1");
        assert_eq!(details.href(), "/memory-dumps?search=web&page=2&dump=a1");
        assert_eq!(details.query(Day::start_utc), table.query(Day::start_utc));
        assert_eq!(details.export_href(Day::start_utc), table.export_href(Day::start_utc));
    }

    #[test]
    fn a_column_is_sorted_by_its_first_order_and_then_the_other() {
        let mut table = view("page=4");
        table.sort_by(RecordColumn::Dom);
        assert_eq!((table.sort.by, table.sort.order, table.page), (RecordColumn::Dom, SortOrder::Asc, 1));
        table.sort_by(RecordColumn::Dom);
        assert_eq!(table.sort.order, SortOrder::Desc);
        table.sort_by(RecordColumn::DurationSec);
        assert_eq!(table.sort.order, SortOrder::Desc);
    }

    #[test]
    fn a_table_sorted_by_size_stays_so_when_the_size_is_another() {
        let mut table = view("sort=gzip_size_bytes&order=asc");
        table.show_size(SizeShown::Raw);
        assert_eq!((table.sort.by, table.sort.order), (RecordColumn::RawSizeBytes, SortOrder::Asc));
        let mut table = view("sort=dom");
        table.show_size(SizeShown::Raw);
        assert_eq!(table.sort.by, RecordColumn::Dom);
    }

    #[test]
    fn clearing_the_filter_keeps_how_the_table_is_shown() {
        let mut table =
            view("search=web&from=2025-11-01&host=hv1&sort=dom&page=2&rows=50&size=raw&refresh=off&dump=x");
        assert!(table.is_filtered());
        table.clear_filter();
        assert!(!table.is_filtered());
        assert_eq!(table.href(), "/memory-dumps?sort=dom&rows=50&size=raw&refresh=off&dump=x");
    }
}
