//! How a host is added: here, or in the configuration file.

use leptos::prelude::*;
use memdeck_model::{HostList, NewHost, Problem, ProblemKind};

use super::state::HostsState;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{effect, follow, handler, memo};
use crate::ui::{Button, ButtonKind, Card, Dialog, Show, TextField};

/// Open where there is only one host.
#[component]
pub fn AddHost() -> impl IntoView {
    let state = HostsState::expect();
    let is_alone =
        memo(move || state.hosts.with_data(|list: &HostList| list.hosts.len() < 2).unwrap_or_default());
    let open = RwSignal::new(false);
    view! {
        <Card id="add-host" title="Add a host">
            <Show when=move || is_alone.get()>
                <p>"There is one host. Each further machine whose VMs are to be dumped needs an agent."</p>
            </Show>
            <details class="host-add" open=follow(move || is_alone.get())>
                <summary>"How to add one"</summary>
                <ol>
                    <li>
                        "On the new host, install memdeck and run " <code>"memdeck agent"</code> " with a token of its own ("
                        <code>"MEMDECK_TOKEN"</code> ")."
                    </li>
                    <li>
                        "Add it here, or name it as one of " <code>"[[hosts]]"</code>
                        " in the configuration file of this dashboard and reload memdeck (SIGHUP). With hosts in that file, this \
                         machine must be named there too, with " <code>"url = \"local\""</code> "."
                    </li>
                </ol>
            </details>
            <Show when=move || state.may_configure.get()>
                <p>
                    <Button on_press=move |()| open.set(true)>"Add a host…"</Button>
                </p>
            </Show>
        </Card>
        <AddDialog open />
    }
}

#[component]
fn AddDialog(open: RwSignal<bool>) -> impl IntoView {
    let state = HostsState::expect();
    let [name, url, token, ca] = std::array::from_fn(|_| RwSignal::new(String::new()));
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    effect(move || {
        // Nobody finds the token in the page's memory longer than needed.
        if open.get() {
            problem.set(None);
        } else {
            for field in [name, url, token, ca] {
                field.set(String::new());
            }
        }
    });
    let filled = move |field: RwSignal<String>| {
        let text = field.with_untracked(|text| text.trim().to_owned());
        (!text.is_empty()).then_some(text)
    };
    let submit = Callback::new(move |()| {
        if pending.get_untracked() {
            return;
        }
        let host = match name.with_untracked(|name| name.trim().parse()) {
            Ok(name) => NewHost {
                name,
                url: filled(url).unwrap_or_default(),
                token: filled(token).map(Into::into),
                ca: filled(ca),
            },
            Err(error) => {
                problem.set(Some(Problem::new(ProblemKind::Invalid, error.to_string())));
                return;
            }
        };
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let refused = state.add(host).await.err();
            if pending.try_set(false).is_some() {
                return;
            }
            if refused.is_none() {
                open.set(false);
            }
            problem.set(refused);
        });
    });
    view! {
        <Dialog open id="add-host-title" title="Add a host">
            <form
                class="host-form"
                on:submit=handler(move |event: leptos::ev::SubmitEvent| {
                    event.prevent_default();
                    submit.run(());
                })
            >
                <TextField
                    id="new-host-name"
                    label="Name"
                    value=name
                    hint="Letters, digits, dots, hyphens and underscores. Records name it."
                />
                <TextField id="new-host-url" label="URL" value=url hint="Of its agent, for example https://kvm-02.example:5001, or dial if it dials in" />
                <TextField
                    id="new-host-token"
                    label="Token"
                    kind="password"
                    value=token
                    hint="What the agent has as MEMDECK_TOKEN, or DASHBOARD_TOKEN. It is never shown again."
                />
                <TextField
                    id="new-host-ca"
                    label="Certificates of authorities, PEM"
                    value=ca
                    lines=2
                    hint="They count instead of the machine's. Empty for the machine's."
                />
                <Refusal title="The host was not added." problem />
                <div class="dialog-buttons">
                    <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                    <Button kind=ButtonKind::Primary on_press=submit busy=pending>"Add the host"</Button>
                </div>
                // Enter in a field sends the form only where it has a button of this kind.
                <button type="submit" hidden></button>
            </form>
        </Dialog>
    }
}
