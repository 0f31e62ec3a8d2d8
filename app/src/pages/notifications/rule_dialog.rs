//! A rule that is added.

use leptos::prelude::*;
use memdeck_model::notice::{NewRule, NoticeKind, Severity};
use memdeck_model::{NamePattern, ParseNamePatternError, Problem};

use super::state::State;
use super::words::severity_name;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{effect, memo};
use crate::ui::{Button, ButtonKind, Checkbox, Dialog, Select, TextField};
use crate::words::sentence;

/// Names and patterns that are separated by commas.
fn patterns(text: &str) -> Result<Vec<NamePattern>, ParseNamePatternError> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::parse).collect()
}

#[component]
#[expect(clippy::too_many_lines, reason = "mostly the view")]
pub fn RuleDialog(open: RwSignal<bool>) -> impl IntoView {
    let state = State::expect();
    let target = RwSignal::new(String::new());
    let severity = RwSignal::new(Severity::default().to_string());
    let kinds = RwSignal::new(Vec::<NoticeKind>::new());
    let (guests, hosts) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    let targets = memo(move || {
        let names = state
            .targets
            .with_data(|list| list.targets.iter().map(|target| target.name.to_string()).collect::<Vec<_>>());
        names.unwrap_or_default()
    });
    effect(move || {
        if open.get() {
            target.set(targets.with_untracked(|names| names.first().cloned().unwrap_or_default()));
            severity.set(Severity::default().to_string());
            kinds.set(Vec::new());
            guests.set(String::new());
            hosts.set(String::new());
            problem.set(None);
        }
    });
    let rule = memo(move || {
        let wrong = |error: ParseNamePatternError| error.to_string();
        Ok::<_, String>(NewRule {
            target: target.with(|name| name.parse()).map_err(|_| "choose a target".to_owned())?,
            kinds: kinds.get(),
            guests: guests.with(|text| patterns(text)).map_err(wrong)?,
            hosts: hosts.with(|text| patterns(text)).map_err(wrong)?,
            severity: severity.with(|word| word.parse()).unwrap_or_default(),
        })
    });
    let obstacle = memo(move || rule.with(|rule| rule.as_ref().err().map(|why| sentence(why))));
    let add = move |()| {
        let Ok(rule) = rule.get_untracked() else { return };
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::add_notice_rule(rule).await;
            pending.set(false);
            match answer {
                Ok(rule) => {
                    open.set(false);
                    state.tell(&format!("{} is told from now on.", rule.rule.target));
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    let own = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>();
    let severities =
        || Severity::ALL.map(|severity| (severity.to_string(), severity_name(severity).to_owned())).to_vec();
    view! {
        <Dialog open id="notice-rule" title="What is told" wide=true>
            <div class="schedule-group">
                <Select
                    id="notice-rule-target"
                    label="Target"
                    value=target
                    options=Signal::derive(move || own(targets.get()))
                    on_choose=move |name: String| target.set(name)
                />
                <Select
                    id="notice-rule-severity"
                    label="How bad"
                    value=severity
                    options=Signal::derive(severities)
                    on_choose=move |word: String| severity.set(word)
                />
            </div>
            <fieldset class="schedule-group">
                <legend class="field-label">"Only what is checked; everything if nothing is"</legend>
                {NoticeKind::ALL.map(|kind| view! {
                    <Checkbox
                        checked=Signal::derive(move || kinds.with(|kinds| kinds.contains(&kind)))
                        on_change=move |chosen: bool| kinds.update(|kinds| {
                            kinds.retain(|other| *other != kind);
                            if chosen {
                                kinds.push(kind);
                            }
                        })
                    >
                        {kind.name()}
                    </Checkbox>
                }).collect_view()}
            </fieldset>
            <div class="schedule-group">
                <TextField
                    id="notice-rule-guests"
                    label="Guests"
                    value=guests
                    hint="Names or patterns with * and ?, separated by commas. Empty for all, and for what happens to none."
                />
                <TextField id="notice-rule-hosts" label="Hosts" value=hosts hint="The same. Empty for all." />
            </div>
            <p class="field-error" id="notice-rule-obstacle" role="status">{move || obstacle.get()}</p>
            <Refusal title="The rule was not added." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                <Button
                    kind=ButtonKind::Primary
                    on_press=add
                    busy=pending
                    disabled=Signal::derive(move || obstacle.with(Option::is_some))
                    described_by="notice-rule-obstacle"
                >
                    "Add the rule"
                </Button>
            </div>
        </Dialog>
    }
}
