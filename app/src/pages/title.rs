//! The title of the browser's tab.

use leptos::prelude::*;

/// Sets it to `page`, followed by the product's name.
pub fn set_title(page: &str) {
    document().set_title(&format!("{page} · memdeck"));
}
