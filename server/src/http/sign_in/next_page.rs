//! Where an operator goes after signing in: the page they wanted, never another site.

use axum::extract::Query;
use axum::http::Uri;
use reqwest::Url;
use serde::Deserialize;

const START: &str = "/";
const LONGEST: usize = 2048;
/// Only for reading and writing paths: nothing is ever sent there.
const ANY_BASE: &str = "http://memdeck.invalid";

/// A path of this site, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPage(String);

#[derive(Deserialize)]
struct Asked {
    next: Option<String>,
}

impl NextPage {
    /// What the query of `uri` asks for; the start page where it asks for nothing or for something else than a page
    /// of this site.
    pub fn asked_for(uri: &Uri) -> Self {
        let asked = Query::<Asked>::try_from_uri(uri).ok().and_then(|Query(asked)| asked.next);
        Self(asked.and_then(|asked| own_page(&asked)).unwrap_or_else(|| START.to_owned()))
    }

    /// The page that was asked for with `uri`.
    pub fn here(uri: &Uri) -> Self {
        let here = uri.path_and_query().map_or(START, |path| path.as_str());
        Self(own_page(here).unwrap_or_else(|| START.to_owned()))
    }

    /// Path and query, in the characters of URLs only.
    pub fn path(&self) -> &str {
        &self.0
    }

    /// A page that somebody asked for before, read anew.
    pub fn kept(page: &str) -> Self {
        Self(own_page(page).unwrap_or_else(|| START.to_owned()))
    }

    /// Where to sign in before going there.
    pub fn sign_in_url(&self) -> String {
        self.after("/sign-in")
    }

    /// Where to begin signing in at the provider before going there.
    pub fn provider_url(&self) -> String {
        self.after("/sign-in/oidc")
    }

    fn after(&self, path: &str) -> String {
        if self.0 == START {
            return path.to_owned();
        }
        let Ok(mut url) = Url::parse(ANY_BASE) else { return path.to_owned() };
        url.query_pairs_mut().append_pair("next", &self.0);
        format!("{path}?{}", url.query().unwrap_or_default())
    }
}

/// Read as a browser reads it, which takes `/\evil.example` and `/<tab>/evil.example` for another site.
fn own_page(asked: &str) -> Option<String> {
    if !asked.starts_with('/') || asked.len() > LONGEST {
        return None;
    }
    let base = Url::parse(ANY_BASE).ok()?;
    let url = base.join(asked).ok().filter(|url| url.origin() == base.origin())?;
    let page = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    // The path may begin with two slashes once dots are gone.
    let ours = !page.starts_with("//") && !page.starts_with("/sign-") && !page.starts_with("/api/");
    ours.then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(next: &str) -> NextPage {
        let mut url = Url::parse(ANY_BASE).unwrap();
        url.query_pairs_mut().append_pair("next", next);
        NextPage::asked_for(&format!("/sign-in?{}", url.query().unwrap()).parse().unwrap())
    }

    #[test]
    fn a_page_of_this_site_is_kept_with_its_query() {
        for page in ["/memory-dumps", "/memory-dumps?q=web%2001&page=2", "/", "/a/b/../c"] {
            let kept = if page == "/a/b/../c" { "/a/c" } else { page };
            assert_eq!(asked(page).path(), kept);
        }
        assert_eq!(
            asked("/memory-dumps?q=web 01&page=2").sign_in_url(),
            "/sign-in?next=%2Fmemory-dumps%3Fq%3Dweb%252001%26page%3D2"
        );
        assert_eq!(asked("/").sign_in_url(), "/sign-in");
    }

    #[test]
    fn whatever_leads_elsewhere_leads_to_the_start() {
        for elsewhere in [
            "",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example/",
            "/\t/evil.example/",
            "/..//evil.example/",
            "/.//evil.example/",
            "javascript:alert(1)",
            "memory-dumps",
            "/sign-in?next=/sign-in",
            "/sign-out",
            "/api/memory-dumps/records",
        ] {
            assert_eq!(asked(elsewhere).path(), "/", "{elsewhere:?}");
        }
        assert_eq!(asked(&format!("/{}", "x".repeat(LONGEST))).path(), "/");
        assert_eq!(NextPage::asked_for(&"/sign-in?next=%ff".parse().unwrap()).path(), "/");
    }

    #[test]
    fn nothing_in_it_can_break_out_of_markup_or_a_header() {
        let page = asked("/x?\"><script>\r\nSet-Cookie: a=b'");
        assert!(page.path().bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)), "{page:?}");
        assert!(!page.sign_in_url().contains(['\'', '"', '<', '>']), "{page:?}");
    }
}
