//! A target that is added or changed.

use leptos::prelude::*;
use memdeck_model::Problem;
use memdeck_model::notice::{MailSecurity, Target, TargetKind};

use super::draft::{Draft, Written};
use super::state::{Editing, State};
use super::words::kind_name;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Button, ButtonKind, Checkbox, Dialog, Select, Show, TextField};
use crate::words::sentence;

const SECURITY: [(MailSecurity, &str); 3] = [
    (MailSecurity::Starttls, "STARTTLS"),
    (MailSecurity::Tls, "TLS from the first byte"),
    (MailSecurity::None, "None: a server on this machine"),
];

#[component]
#[expect(clippy::too_many_lines, reason = "mostly the view")]
pub fn TargetDialog() -> impl IntoView {
    let state = State::expect();
    let draft = Draft::new();
    let open = RwSignal::new(false);
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    let before = RwSignal::new(None::<Target>);
    effect(move || {
        if let Editing::Of(target) = state.editing.get() {
            draft.fill(target.as_deref());
            before.set(target.map(|target| *target));
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.editing.set(Editing::Nothing);
            // Nobody finds it in the page's memory longer than needed.
            draft.secret.set(String::new());
            draft.url.set(String::new());
        }
    });
    let is_new = memo(move || before.with(Option::is_none));
    let written = memo(move || draft.written(is_new.get()));
    let obstacle = memo(move || written.with(|written| written.as_ref().err().map(|why| sentence(why))));
    let save = move |()| {
        let Ok(written) = written.get_untracked() else { return };
        let name = draft.name.with_untracked(|name| name.trim().to_owned());
        pending.set(true);
        leptos::task::spawn_local(async move {
            let (answer, done) = match written {
                Written::New(target) => (api::add_notice_target(target).await, "is added"),
                Written::Change(change) => {
                    let Ok(name) = name.parse() else { return };
                    (api::change_notice_target(name, change).await, "is changed")
                }
            };
            pending.set(false);
            match answer {
                Ok(targets) => {
                    state.targets.put(targets);
                    open.set(false);
                    state.tell(&format!("{name} {done}."));
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    let title = Signal::derive(move || {
        before.with(|target| {
            target
                .as_ref()
                .map_or_else(|| "Add a target".to_owned(), |target| format!("Change {}", target.name))
        })
    });
    let kinds = || TargetKind::ALL.map(|kind| (kind.to_string(), kind_name(kind).to_owned())).to_vec();
    let is = move |kind: TargetKind| draft.kind.with(|chosen| chosen == kind.as_str());
    view! {
        <Dialog open id="notice-target" title wide=true>
            <Show when=move || is_new.get()>
                <div class="schedule-group">
                    <TextField
                        id="notice-target-name"
                        label="Name"
                        value=draft.name
                        hint="Letters, digits, dots, hyphens and underscores."
                    />
                    <Select
                        id="notice-target-kind"
                        label="Kind"
                        value=draft.kind
                        options=Signal::derive(kinds)
                        on_choose=move |kind: String| draft.kind.set(kind)
                    />
                </div>
            </Show>
            <Show when=move || !is(TargetKind::Email)>
                {dynamic(move || url_field(draft, is_new.get()))}
            </Show>
            <Show when=move || is(TargetKind::Email)>
                <Mail draft />
            </Show>
            <Show when=move || !is(TargetKind::Slack) && !is(TargetKind::Teams)>
                {dynamic(move || {
                    let kept = before.with(|target| target.as_ref().is_some_and(|target| target.has_secret));
                    secret_fields(draft, kept)
                })}
            </Show>
            <Show when=move || is(TargetKind::Json)>
                <TextField
                    id="notice-target-template"
                    label="Template"
                    value=draft.template
                    lines=4
                    hint="JSON. Replaced in its texts: {{title}}, {{text}}, {{id}}, {{kind}}, {{severity}}, {{count}}, {{host}}, {{guests}}, {{timestamp}}."
                />
            </Show>
            <Show when=move || !is(TargetKind::Slack) && !is(TargetKind::Teams)>
                <TextField
                    id="notice-target-ca"
                    label="Certificates of authorities, PEM"
                    value=draft.ca_pem
                    lines=2
                    hint="They count instead of the machine's. Empty for the machine's."
                />
            </Show>
            <p class="field-error" id="notice-target-obstacle" role="status">{move || obstacle.get()}</p>
            <Refusal title="The target was not kept." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                <Button
                    kind=ButtonKind::Primary
                    on_press=save
                    busy=pending
                    disabled=Signal::derive(move || obstacle.with(Option::is_some))
                    described_by="notice-target-obstacle"
                >
                    {move || if is_new.get() { "Add the target" } else { "Keep the changes" }}
                </Button>
            </div>
        </Dialog>
    }
}

fn url_field(draft: Draft, is_new: bool) -> AnyView {
    let hint = if is_new {
        "It begins with https://, or with http:// on this machine. It is never shown again."
    } else {
        "Empty: the one that is kept and not shown. With another server a token must be given again."
    };
    view! { <TextField id="notice-target-url" label="URL" value=draft.url hint=hint /> }.into_any()
}

/// The secret beside the URL; `kept` if there is one already.
fn secret_fields(draft: Draft, kept: bool) -> AnyView {
    let kind = draft.kind.with(|kind| kind.parse()).unwrap_or_default();
    let (label, what): (&'static str, &'static str) = match kind {
        TargetKind::Email => ("Password", "Empty: without signing in."),
        TargetKind::Json => ("Token", "Sent as “Authorization: Bearer”. Empty: none."),
        _ => ("Signing secret", "16 characters or more; each message is signed with it. Empty: not signed."),
    };
    let hint = if kept { "Empty: the one that is kept and not shown." } else { what };
    let forgets = draft.forgets;
    view! {
        <div class="schedule-group">
            <TextField
                id="notice-target-secret"
                label=label
                kind="password"
                autocomplete="new-password"
                value=draft.secret
                hint=hint
            />
            {kept.then(|| view! {
                <Checkbox checked=forgets on_change=move |chosen: bool| forgets.set(chosen)>
                    "Take the one away that is kept"
                </Checkbox>
            })}
        </div>
    }
    .into_any()
}

#[component]
fn Mail(draft: Draft) -> impl IntoView {
    let securities = || SECURITY.map(|(value, text)| (value.as_str().to_owned(), text.to_owned())).to_vec();
    view! {
        <div class="schedule-group">
            <TextField id="notice-target-server" label="Mail server" value=draft.server hint="The name in its certificate." />
            <Select
                id="notice-target-security"
                label="Security"
                value=draft.security
                options=Signal::derive(securities)
                on_choose=move |word: String| draft.security.set(word)
            />
            <TextField id="notice-target-port" label="Port" value=draft.port hint="Empty for the usual one." />
            <TextField id="notice-target-from" label="Sender" value=draft.from hint="As in memdeck@mail.example." />
            <TextField id="notice-target-to" label="Who gets it" value=draft.to hint="Addresses, separated by commas." />
            <TextField id="notice-target-user" label="Account" value=draft.user hint="Empty if the server wants none." />
        </div>
    }
}
