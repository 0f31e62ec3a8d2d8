//! Where on its site the page is. The server says so in the shell's `<base>`; addresses without a slash at their beginning are
//! relative to it.

use std::sync::LazyLock;

use leptos::prelude::document;

/// `/memdeck`, or empty if the page is at the root of its site.
pub fn path() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| {
        let uri = document().base_uri().ok().flatten().unwrap_or_default();
        path_of(&uri).to_owned()
    });
    &PATH
}

/// Where the page at `path` of the app is on its site: what a link leads to. Navigating by the router needs none of it.
pub fn href(page: &str) -> String {
    format!("{}{page}", path())
}

/// Whether the path of an address, with where the page is on its site, is that of the page at `path` of the app. A slash at
/// its end makes no difference.
pub fn leads_to(address: &str, page: &str) -> bool {
    same(address, &href(page))
}

fn same(address: &str, page: &str) -> bool {
    address.trim_end_matches('/') == page.trim_end_matches('/')
}

/// The path of an absolute URL up to its last slash, which is left out.
fn path_of(uri: &str) -> &str {
    let site = uri.split_once("://").map_or("", |(_, site)| site);
    let path = site.find('/').and_then(|slash| site.get(slash..)).unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_the_same_page_and_a_page_below_is_another() {
        assert!(same("/", "/") && same("/ops/memdeck", "/ops/memdeck/") && same("/vms/", "/vms"));
        assert!(!same("/vms", "/") && !same("/ops/memdeck/vms", "/ops/memdeck/"));
    }

    #[test]
    fn the_path_is_read_from_the_base_of_the_document() {
        for (uri, path) in [
            ("http://127.0.0.1:8000/", ""),
            ("https://ops.example/memdeck/", "/memdeck"),
            ("https://ops.example/a/b/index.html?x=/y", "/a/b"),
            ("http://127.0.0.1:8000", ""),
            ("", ""),
        ] {
            assert_eq!(path_of(uri), path, "{uri}");
        }
    }
}
