//! What is looked at, and its form in the address.

use memdeck_model::DumpId;

use crate::routes::Page;

/// The tables as addresses name them, in the order of [`SHEETS`](crate::words::SHEETS).
pub const PARTS: [&str; 6] = ["processes", "files", "modules", "interfaces", "connections", "log"];

/// What the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InsideView {
    pub dump: Option<DumpId>,
    /// Which table, counted from 0.
    pub part: usize,
    /// What rows must have.
    pub search: String,
}

impl InsideView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "dump" => view.dump = value.parse().ok(),
                "show" => view.part = PARTS.iter().position(|part| *part == value).unwrap_or_default(),
                "search" => view.search = value.into_owned(),
                _ => {}
            }
        }
        view
    }

    /// The address. What is as it is anyway is left out.
    pub fn href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.dump.as_ref().map(|dump| ("dump", dump.as_str())));
        query.extend_pairs(PARTS.get(self.part).filter(|_| self.part > 0).map(|part| ("show", *part)));
        query.extend_pairs(
            Some(self.search.as_str()).filter(|text| !text.is_empty()).map(|text| ("search", text)),
        );
        let query = query.finish();
        let path = Page::Inside.path();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::SHEETS;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for query in ["", "?dump=one", "?dump=one&show=log&search=usb+1%261", "?search=bash"] {
            assert_eq!(InsideView::from_query(query).href(), format!("/inside{query}"));
        }
        assert_eq!(InsideView::from_query("?dump=..%2F&show=nothing&other=1"), InsideView::default());
        assert_eq!(PARTS.len(), SHEETS.len());
    }
}
