//! What is compared, and its form in the address.

use memdeck_model::{DumpId, GuestPhysAddr};

use crate::routes::Page;

/// What the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompareView {
    /// The dump that the other one is compared with.
    pub first: Option<DumpId>,
    pub second: Option<DumpId>,
    /// The part of memory that the map shows: where it begins, and where it ends, which is left out.
    pub part: Option<(GuestPhysAddr, GuestPhysAddr)>,
    /// The page whose bytes are shown.
    pub page: Option<GuestPhysAddr>,
}

impl CompareView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        let (mut from, mut until) = (None, None);
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "a" => view.first = value.parse().ok(),
                "b" => view.second = value.parse().ok(),
                "from" => from = address(&value),
                "until" => until = address(&value),
                "page" => view.page = address(&value),
                _ => {}
            }
        }
        view.part = from.zip(until).filter(|(from, until)| from < until);
        view
    }

    /// The address. What is not chosen is left out.
    pub fn href(&self) -> String {
        let id = |name, id: &Option<DumpId>| Some((name, id.as_ref()?.to_string()));
        let at = |name, address: Option<GuestPhysAddr>| Some((name, address?.to_string()));
        let pairs = [
            id("a", &self.first),
            id("b", &self.second),
            at("from", self.part.map(|(from, _)| from)),
            at("until", self.part.map(|(_, until)| until)),
            at("page", self.page),
        ];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.into_iter().flatten());
        let query = query.finish();
        let path = Page::Compare.path();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Both dumps, where both are named.
    pub fn pair(&self) -> Option<(DumpId, DumpId)> {
        self.first.clone().zip(self.second.clone())
    }
}

/// An address as it is shown.
fn address(text: &str) -> Option<GuestPhysAddr> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(GuestPhysAddr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for query in ["", "?a=one&b=two", "?b=two", "?a=one&b=two&from=0x0&until=0x100000&page=0x1000"] {
            assert_eq!(CompareView::from_query(query).href(), format!("/compare{query}"));
        }
        let nonsense = "?a=..%2F&from=0x100&until=0x10&page=12&other=1";
        assert_eq!(CompareView::from_query(nonsense), CompareView::default());
    }
}
