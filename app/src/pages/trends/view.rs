//! Which stretch of time and whose memory is looked at, and the form of both in the address. Days are those of the operator.

use memdeck_model::{Day, GuestName, TrendRange};

use crate::routes::Page;

/// Days that end with today: how many, and what that is called.
pub const SPANS: [(u32, &str); 4] = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")];
const USUAL: u32 = 30;

/// What the address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrendsView {
    /// So many days, of which today is the last.
    Last(u32),
    /// From a day to another one, both included.
    Between(Day, Day),
}

impl Default for TrendsView {
    fn default() -> Self {
        Self::Last(USUAL)
    }
}

impl TrendsView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let (mut view, mut from, mut to) = (Self::default(), None, None);
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "days" => {
                    let days = value.parse().ok().filter(|days| SPANS.iter().any(|(span, _)| span == days));
                    view = days.map_or(view, Self::Last);
                }
                "from" => from = value.parse().ok(),
                "to" => to = value.parse().ok(),
                _ => {}
            }
        }
        from.zip(to).and_then(|(from, to)| Self::between(from, to)).unwrap_or(view)
    }

    /// From a day to another one; `None` where that is backwards or too long.
    pub fn between(from: Day, to: Day) -> Option<Self> {
        TrendRange::new(from.start_utc(), to.next().start_utc()).is_ok().then_some(Self::Between(from, to))
    }

    /// The address. What is as it is anyway is left out.
    pub fn href(self) -> String {
        let path = Page::Trends.path();
        match self {
            Self::Last(USUAL) => path.to_owned(),
            Self::Last(days) => format!("{path}?days={days}"),
            Self::Between(from, to) => format!("{path}?from={from}&to={to}"),
        }
    }
}

/// Whose memory is looked at, by the part of an address behind the question mark.
pub fn guest_of(query: &str) -> Option<GuestName> {
    let mut pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    let (_, name) = pairs.find(|(name, value)| name == "vm" && !value.is_empty())?;
    Some(GuestName(name.into_owned()))
}

/// The address of both.
pub fn address(view: TrendsView, guest: Option<&GuestName>) -> String {
    let href = view.href();
    let Some(guest) = guest else { return href };
    let vm = form_urlencoded::Serializer::new(String::new()).append_pair("vm", &guest.0).finish();
    let sign = if href.contains('?') { '&' } else { '?' };
    format!("{href}{sign}{vm}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_memory_it_is_stands_beside_the_range() {
        for query in ["?vm=web-01", "?days=7&vm=gr%C3%B6%C3%9Fe+01"] {
            let guest = guest_of(query);
            assert_eq!(address(TrendsView::from_query(query), guest.as_ref()), format!("/trends{query}"));
        }
        assert_eq!(guest_of("?vm="), None);
        assert_eq!(address(TrendsView::Last(7), None), "/trends?days=7");
    }

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for query in
            ["", "?days=7", "?days=365", "?from=2026-01-01&to=2026-01-01", "?from=2025-12-31&to=2026-03-01"]
        {
            assert_eq!(TrendsView::from_query(query).href(), format!("/trends{query}"));
        }
    }

    #[test]
    fn nonsense_is_passed_over() {
        let queries = [
            "days=30",
            "days=0",
            "days=8",
            "from=2026-01-01",
            "from=2026-01-02&to=2026-01-01",
            "from=0001-01-01&to=9998-01-01",
        ];
        for query in queries {
            assert_eq!(TrendsView::from_query(query), TrendsView::default(), "{query}");
        }
    }
}
