//! What an operator must know of a dump before anything else, on screen.

use leptos::prelude::*;
use memdeck_model::{Problem, ProblemKind};

use super::super::verification::words::sentence;
use crate::api::{Notice, Weight};
use crate::ui::{Icon, IconView, Instant};

/// What it means that an image cannot be read.
pub fn absence(problem: &Problem) -> &'static str {
    match problem.kind {
        ProblemKind::Gone => "The image file is gone",
        ProblemKind::Conflict => "The image cannot be read",
        ProblemKind::Unavailable => "The image cannot be reached now",
        ProblemKind::NotFound => "The image is out of reach",
        ProblemKind::Invalid | ProblemKind::Unauthorized | ProblemKind::Internal => {
            "What the image tells could not be loaded"
        }
    }
}

/// Why, and what is told all the same.
pub fn why_absent(problem: &Problem, has_manifest: bool) -> String {
    let from = if has_manifest { "the record and the manifest" } else { "the record" };
    format!("{} What is shown is from {from}.", sentence(&problem.detail))
}

/// Each in a box of its own.
#[component]
pub fn Notices(
    /// What is to be said.
    #[prop(into)]
    notices: Signal<Vec<Notice>>,
) -> impl IntoView {
    move || {
        let one = |notice: Notice| {
            let class = match notice.weight {
                Weight::Note => "notice",
                Weight::Loss => "notice notice-loss",
            };
            let icon = match notice.weight {
                Weight::Note => Icon::Info,
                Weight::Loss => Icon::Alert,
            };
            view! {
                <li class=class>
                    <span class="notice-icon">
                        <IconView icon />
                    </span>
                    <div class="notice-text">
                        <p class="notice-title">
                            {notice.title} {notice.at.map(|instant| view! { ", " <Instant instant /> })}
                        </p>
                        <p>{notice.detail}</p>
                    </div>
                </li>
            }
        };
        let list = notices.get();
        (!list.is_empty())
            .then(|| view! { <ul class="notices" aria-label="To be known">{list.into_iter().map(one).collect_view()}</ul> })
    }
}
