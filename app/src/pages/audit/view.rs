//! Which entries are looked at, and its form in the address. Days are those of the operator.

use memdeck_model::audit::{AuditAction, AuditFilter, AuditQuery, AuditResult};
use memdeck_model::{Day, DumpId, SearchText, Timestamp};

use crate::routes::Page;

/// Entries that are fetched at once.
pub const ROWS: u32 = 50;

/// What the address says. Texts are empty or can be searched for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditView {
    pub from: Option<Day>,
    pub to: Option<Day>,
    /// Part of who, or of the address.
    pub actor: String,
    /// Part of the guest.
    pub guest: String,
    pub action: Option<AuditAction>,
    pub result: Option<AuditResult>,
    pub dump_id: Option<DumpId>,
}

impl AuditView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        let text = |value: &str| value.parse::<SearchText>().map(String::from).unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "from" => view.from = value.parse().ok(),
                "to" => view.to = value.parse().ok(),
                "actor" => view.actor = text(&value),
                "guest" => view.guest = text(&value),
                "action" => view.action = value.parse().ok(),
                "result" => view.result = value.parse().ok(),
                "dump_id" => view.dump_id = value.parse().ok(),
                _ => {}
            }
        }
        view
    }

    /// The address. What does not restrict anything is left out.
    pub fn href(&self) -> String {
        address(Page::Audit.path(), self.pairs(|day| day.to_string(), |day| day.to_string()))
    }

    /// The address of all entries that are looked at, as a file. `start_of` returns the first instant of a day.
    pub fn export_href(&self, form: &str, start_of: fn(Day) -> Timestamp) -> String {
        let pairs = self.pairs(|day| start_of(day).to_string(), |day| start_of(day.next()).to_string());
        address(&format!("api/audit/export.{form}"), pairs)
    }

    fn pairs(&self, from: impl Fn(Day) -> String, to: impl Fn(Day) -> String) -> Vec<(&'static str, String)> {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let pairs = [
            ("from", self.from.map(from)),
            ("to", self.to.map(to)),
            ("actor", text(&self.actor)),
            ("guest", text(&self.guest)),
            ("action", self.action.map(|action| action.as_str().to_owned())),
            ("result", self.result.map(|result| result.as_str().to_owned())),
            ("dump_id", self.dump_id.as_ref().map(ToString::to_string)),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether some entries are left out.
    pub fn is_filtered(&self) -> bool {
        *self != Self::default()
    }

    /// Why it cannot be asked for.
    pub fn problem(&self) -> Option<&'static str> {
        let is_backwards = self.from.zip(self.to).is_some_and(|(from, to)| to < from);
        is_backwards.then_some("The last day is before the first.")
    }

    /// What to ask the server for: entries before `before`. `start_of` returns the first instant of a day.
    pub fn query(&self, before: Option<u64>, start_of: fn(Day) -> Timestamp) -> AuditQuery {
        let filter = AuditFilter {
            from: self.from.map(start_of),
            to: self.to.map(|day| start_of(day.next())),
            actor: self.actor.parse().ok(),
            action: self.action,
            guest: self.guest.parse().ok(),
            dump_id: self.dump_id.clone(),
            result: self.result,
        };
        AuditQuery { filter, before, limit: ROWS }
    }
}

fn address(path: &str, pairs: Vec<(&'static str, String)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for query in [
            "",
            "?from=2026-11-01&to=2026-11-14&actor=ada+l&guest=web%26&action=image_deleted&result=refused&dump_id=a1",
        ] {
            let view = AuditView::from_query(query);
            assert_eq!(view.href(), format!("/audit{query}"));
            assert_eq!(view.is_filtered(), !query.is_empty());
        }
        let nonsense = "?from=x&to=2026-02-30&actor=%00&action=slept&result=good&dump_id=..%2F&other=1";
        assert_eq!(AuditView::from_query(nonsense), AuditView::default());
    }

    #[test]
    fn days_are_whole_days_here_and_in_the_files() {
        let view = AuditView::from_query("from=2026-11-01&to=2026-11-01");
        let filter = view.query(None, Day::start_utc).filter;
        let text = |instant: Option<Timestamp>| instant.unwrap().to_string();
        assert_eq!(text(filter.from), "2026-11-01T00:00:00.000000Z");
        assert_eq!(text(filter.to), "2026-11-02T00:00:00.000000Z");
        assert_eq!(
            view.export_href("csv", Day::start_utc),
            "api/audit/export.csv?from=2026-11-01T00%3A00%3A00.000000Z&to=2026-11-02T00%3A00%3A00.000000Z"
        );
        assert_eq!(view.problem(), None);
        assert!(AuditView::from_query("from=2026-11-02&to=2026-11-01").problem().is_some());
    }
}
