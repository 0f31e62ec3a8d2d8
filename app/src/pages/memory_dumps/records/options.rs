//! How the table is shown and kept up to date, and the two things to do with all of it: load it again, export it.

use leptos::prelude::*;

use super::super::state::DumpsState;
use super::History;
use super::view::SizeShown;
use crate::time::start_of_local_day;
use crate::ui::erase::{dynamic, follow, memo};
use crate::ui::{Button, ButtonSize, Icon, IconView, Switch};

/// Auto-refresh and the size that is shown.
#[component]
pub fn TableOptions() -> impl IntoView {
    let records = DumpsState::expect().records;
    let view = records.view;
    let auto_refresh = memo(move || view.with(|view| view.auto_refresh));
    let is_raw = memo(move || view.with(|view| view.size == SizeShown::Raw));
    let how = move || match (auto_refresh.get(), records.is_followed()) {
        (true, true) => "on every change",
        (true, false) => "every 5 s",
        (false, _) => "off",
    };
    let refresh = move |on| {
        records.show(History::Push, |view| view.auto_refresh = on);
        if on {
            records.fetch();
        }
    };
    let show_raw = move |raw| {
        let size = if raw { SizeShown::Raw } else { SizeShown::Compressed };
        records.show(History::Push, |view| view.show_size(size));
    };
    view! {
        <div class="table-options">
            <Switch on=auto_refresh on_change=refresh>
                "Auto-refresh "
                <span class="secondary">{dynamic(how)}</span>
            </Switch>
            <Switch on=is_raw on_change=show_raw>
                "Raw size "
                <span class="secondary">"instead of compressed"</span>
            </Switch>
        </div>
    }
}

/// Load again, and export everything that matches.
#[component]
pub fn TableActions() -> impl IntoView {
    let records = DumpsState::expect().records;
    // With the days the wrong way round there is nothing to export.
    let export = move || {
        let href = records.view.with(|view| view.export_href(start_of_local_day));
        records.filter_error().is_none().then_some(href)
    };
    let has_none = move || records.filter_error().map(|_| "true");
    view! {
        <div class="table-actions">
            <Button size=ButtonSize::Small on_press=move |()| records.fetch()>
                <IconView icon=Icon::Refresh />
                "Refresh"
            </Button>
            // `download` also marks this for the router as no page.
            <a
                class="button button-small"
                href=follow(export)
                role="link"
                aria-disabled=follow(has_none)
                download
                title="All records that match the filters, not only this page"
            >
                <IconView icon=Icon::Download />
                "Export CSV"
            </a>
        </div>
    }
}
