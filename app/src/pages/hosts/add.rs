//! How a host is added: in the configuration file, which the page does not write.

use leptos::prelude::*;
use memdeck_model::HostList;

use super::state::HostsState;
use crate::ui::erase::{follow, memo};
use crate::ui::{Card, CopyButton, Show};

const EXAMPLE: &str = r#"[[hosts]]
name = "kvm-01"
url = "local"

[[hosts]]
name = "kvm-02"
url = "https://kvm-02.example:5001"
token_file = "/etc/memdeck/kvm-02.token"
"#;

/// Open where there is only one host.
#[component]
pub fn AddHost() -> impl IntoView {
    let state = HostsState::expect();
    let is_alone =
        memo(move || state.hosts.with_data(|list: &HostList| list.hosts.len() < 2).unwrap_or_default());
    view! {
        <Card id="add-host" title="Add a host">
            <Show when=move || is_alone.get()>
                <p>"Only one host is configured. Each further machine whose VMs are to be dumped needs an agent."</p>
            </Show>
            <details class="host-add" open=follow(move || is_alone.get())>
                <summary>"How to add one"</summary>
                <ol>
                    <li>
                        "On the new host, install memdeck and run " <code>"memdeck agent"</code>
                        " with a token of its own (" <code>"MEMDECK_TOKEN"</code> ")."
                    </li>
                    <li>
                        "In the configuration file of this dashboard, name every host. "
                        <code>"url = \"local\""</code> " is this machine: without it, its VMs are not dumped any more."
                        <div class="host-example">
                            <pre tabindex="0"><code>{EXAMPLE}</code></pre>
                            <CopyButton text=EXAMPLE.to_owned() what="the example".to_owned() />
                        </div>
                    </li>
                    <li>
                        "Restart memdeck; where it has hosts in its file already, reload it (SIGHUP). The host appears here; press Test to \
                         ask it at once."
                    </li>
                </ol>
            </details>
        </Card>
    }
}
