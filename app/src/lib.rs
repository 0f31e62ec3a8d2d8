//! The single-page app: pages, components, live updates, and the server functions they call.
//!
//! Compiled twice and never as one: for the browser with the feature `csr`, and into the server with `ssr`, which has
//! only [`api`], with the bodies of the server functions, [`routes`], and the sentences they answer with. Nothing is rendered on the
//! server, so it contains no view.

// A view is one type that nests as deep as the page.
#![recursion_limit = "256"]

pub mod api;
pub mod routes;
pub mod words;

// What is on screen: for the browser, and for tests of its rules.
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod app;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod base;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod data;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod feed;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod frame;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod pages;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod session;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod shortcuts;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
mod time;
#[cfg(any(feature = "csr", feature = "fuzzing", test))]
pub mod ui;

#[cfg(any(feature = "csr", feature = "fuzzing", test))]
pub use app::App;

/// What the fuzz targets need beyond the public interface: a door to what reads the page's address.
#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    pub use crate::pages::RecordsView;
}

/// Puts the app in place of the static shell, the element with the id `app`. Without one it does nothing.
#[cfg(feature = "csr")]
pub fn mount() {
    use leptos::prelude::*;
    use wasm_bindgen::JsCast;

    std::panic::set_hook(Box::new(|info| leptos::logging::error!("{info}")));
    let shell = document().get_element_by_id("app");
    let Some(shell) = shell.and_then(|shell| shell.dyn_into::<web_sys::HtmlElement>().ok()) else { return };
    shell.set_text_content(None);
    leptos::mount::mount_to(shell, App).forget();
}
