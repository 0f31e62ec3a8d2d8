//! What an operator must know of a dump before anything else, on screen.

use leptos::prelude::*;

use crate::ui::erase::dynamic;
use crate::ui::{Icon, IconView, Instant};
use crate::words::{Notice, Weight};

/// Each in a box of its own.
#[component]
pub fn Notices(
    /// What is to be said.
    #[prop(into)]
    notices: Signal<Vec<Notice>>,
) -> impl IntoView {
    dynamic(move || {
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
            .then(|| view! { <ul class="notices" aria-label="Notices">{list.into_iter().map(one).collect_view()}</ul> })
    })
}
