//! The settings that telemetry works with.

use leptos::prelude::*;

use super::state::TelemetryState;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, EmptyState, Icon, Skeleton, Table};

/// What the server writes in place of a secret.
const MASK: &str = "***";

/// Names and values, in a part that scrolls.
#[component]
pub fn Settings() -> impl IntoView {
    let state = TelemetryState::expect();
    // They do not change while the server runs.
    let count = memo(move || state.report.with_data(|report| report.settings.len()));
    let why_failed = state.report.why_failed();
    view! {
        <Card id="settings" title="Configuration" class="telemetry-settings">
            {dynamic(move || match count.get() {
                None if why_failed.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the configuration" /> }.into_any(),
                Some(0) => {
                    view! {
                        <EmptyState title="No settings are known" icon=Icon::Info>
                            "The measuring service does not report its settings."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(_) => {
                    let settings = untrack(|| state.report.with_data(|report| report.settings.clone()));
                    let rows = settings
                        .unwrap_or_default()
                        .into_iter()
                        .map(|setting| {
                            let is_masked = setting.value == MASK;
                            view! {
                                <tr>
                                    <th scope="row">
                                        <code>{setting.name}</code>
                                    </th>
                                    <td>
                                        {value_of(setting.value)}
                                        {is_masked.then(|| view! { <span class="secondary">" hidden"</span> })}
                                    </td>
                                </tr>
                            }
                        })
                        .collect_view();
                    view! {
                        <Table caption="Configuration of telemetry">
                            <thead>
                                <tr>
                                    <th scope="col">"Setting"</th>
                                    <th scope="col">"Value"</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </Table>
                    }
                        .into_any()
                }
            })}
            <p class="footnote">
                "Set in the environment, by flags or in the configuration file; "
                <code>"memdeck config"</code>
                " prints all of it. Changes need a restart."
            </p>
        </Card>
    }
}

fn value_of(value: String) -> AnyView {
    if value.is_empty() {
        view! { <span class="unknown">"not set"</span> }.into_any()
    } else {
        view! { <code class="setting-value">{value}</code> }.into_any()
    }
}
