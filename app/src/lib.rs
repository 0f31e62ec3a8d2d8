//! The single-page app: pages, components, live updates, and the server functions they call.
//!
//! Compiled twice and never as one: for the browser with the feature `csr`, and into the server with `ssr`, which
//! only adds the bodies of the server functions in [`api`]. Nothing is rendered on the server.

// A view is one type that nests as deep as the page.
#![recursion_limit = "256"]

pub mod api;
mod app;
mod frame;
mod live;
mod load;
mod pages;
mod session;
mod shortcuts;
mod time;
pub mod ui;

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
