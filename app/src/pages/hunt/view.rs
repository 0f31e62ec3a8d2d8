//! What is looked at, and its form in the address.

use memdeck_model::{DumpId, HuntId};

use crate::base;
use crate::routes::Page;

/// What the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HuntView {
    /// The hunt that is shown.
    pub hunt: Option<HuntId>,
    /// The dump that the form begins with.
    pub dump: Option<DumpId>,
}

impl HuntView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "hunt" => view.hunt = value.parse().ok(),
                "dump" => view.dump = value.parse().ok(),
                _ => {}
            }
        }
        view
    }
}

/// Where a hunt is shown; all of them for none. What an id is made of needs no escaping.
pub fn address_of(hunt: Option<&HuntId>) -> String {
    let path = Page::Hunt.path();
    hunt.map_or_else(|| path.to_owned(), |id| format!("{path}?hunt={id}"))
}

/// The same as a link.
pub fn link_to(hunt: Option<&HuntId>) -> String {
    base::href(&address_of(hunt))
}

/// All that a hunt found, as a file.
pub fn csv_of(hunt: &HuntId) -> String {
    base::href(&format!("/api/hunts/{hunt}/hits.csv"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        let id = HuntId::from_uuid_bits(7);
        let address = address_of(Some(&id));
        assert_eq!(address, "/hunt?hunt=00000000-0000-0000-0000-000000000007");
        let view = HuntView::from_query(address.trim_start_matches("/hunt"));
        assert_eq!(view, HuntView { hunt: Some(id), dump: None });
        assert_eq!(HuntView::from_query("?dump=one").dump.unwrap().as_str(), "one");
        assert_eq!(HuntView::from_query("?hunt=one&dump=..%2F&other=1"), HuntView::default());
        assert_eq!(address_of(None), "/hunt");
    }
}
