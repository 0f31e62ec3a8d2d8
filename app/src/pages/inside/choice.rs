//! Which dump is looked at.

use leptos::prelude::*;
use memdeck_model::Record;

use super::state::State;
use crate::pages::dump_links::details_of;
use crate::time::local_time;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Failure, Select, Show};
use crate::words::shown;

#[component]
pub fn Choice() -> impl IntoView {
    let state = State::expect();
    let problem = state.records.why_failed();
    let chosen = memo(move || state.dump.get().map(|id| id.to_string()).unwrap_or_default());
    let options = memo(move || {
        let dumps = state.records.with_data(|page| page.records.iter().filter_map(option).collect());
        let mut options: Vec<(String, String)> = dumps.unwrap_or_default();
        let chosen = chosen.get();
        if chosen.is_empty() {
            options.insert(0, (String::new(), "Choose a dump".to_owned()));
        } else if !options.iter().any(|(id, _)| *id == chosen) {
            // It is an older one, or its image is gone.
            options.push((chosen.clone(), format!("Dump {chosen}")));
        }
        options
    });
    let details = move || {
        state.dump.get().map(|id| {
            view! {
                <p class="inside-details">
                    <a href=details_of(&id)>"Details of this dump"</a>
                </p>
            }
        })
    };
    view! {
        <section class="card inside-choice" aria-label="Which dump">
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be listed."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch_records()
                />
            </Show>
            <div class="inside-fields">
                <Select
                    id="inside-dump"
                    label="Dump"
                    value=chosen
                    options
                    on_choose=move |id: String| state.show_dump(id.parse().ok())
                />
                {dynamic(details)}
            </div>
        </section>
    }
}

/// A dump whose image is there.
fn option(record: &Record) -> Option<(String, String)> {
    let id = record.dump_id.as_ref().filter(|_| record.deleted_at.is_none())?;
    let taken = local_time(record.timestamp);
    let host = record.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    Some((id.to_string(), format!("{}{host}, {} {}", shown(&record.dom.0), taken.date, taken.clock)))
}
