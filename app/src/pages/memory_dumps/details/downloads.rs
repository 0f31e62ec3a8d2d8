//! Links to everything that can be downloaded of an image.

use leptos::prelude::*;

use super::super::downloads::{Download, Size};
use crate::ui::erase::handler;
use crate::ui::{Icon, IconView};

/// A link for each, with its size.
#[component]
pub fn DownloadList(
    /// What there is.
    downloads: Vec<Download>,
    /// Called when one is asked for.
    #[prop(into)]
    on_press: Callback<()>,
) -> impl IntoView {
    let one = |download: Download| {
        let Download { name, hint, href, file_name, size, omits, problem } = download;
        let size = match size {
            Size::Known(bytes) => bytes.to_string(),
            Size::KnownAfterwards => "size unknown".to_owned(),
            Size::NotTold => String::new(),
        };
        let text = view! {
            <span class="download-text">
                <span class="download-name">{name}</span>
                <span class="secondary">
                    {hint} {omits.map(|omits| format!("; {omits}"))}
                </span>
            </span>
        };
        match problem {
            Some(why) => view! {
                <li class="download download-none">
                    {text} <span class="download-size secondary">{format!("not available: {why}")}</span>
                </li>
            }
            .into_any(),
            // `download` also marks this for the router as no page.
            None => view! {
                <li>
                    <a class="download" href=href download=file_name.unwrap_or_default() on:click=handler(move |_| on_press.run(()))>
                        <IconView icon=Icon::Download />
                        {text}
                        <span class="download-size number">{size}</span>
                    </a>
                </li>
            }
            .into_any(),
        }
    };
    view! {
        <section class="details-group details-group-wide" aria-label="Download">
            <h3>"Download"</h3>
            <ul class="downloads">{downloads.into_iter().map(one).collect_view()}</ul>
        </section>
    }
}
