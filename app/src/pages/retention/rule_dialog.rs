//! One rule, while it is written.

use leptos::prelude::*;
use memdeck_model::ByteCount;
use memdeck_model::retention::{GuestRule, Policy, Rule};

use super::state::{GIB, State};
use crate::ui::erase::{effect, memo};
use crate::ui::{Button, ButtonKind, Checkbox, Dialog, Select, Show, TextField};
use crate::words::sentence;

const WHICH: [(&str, &str); 3] =
    [("all", "All guests"), ("pattern", "Those whose name matches"), ("named", "These")];

/// What the dialog holds.
#[derive(Clone, Copy)]
struct Draft {
    which: RwSignal<String>,
    whom: RwSignal<String>,
    /// Newest, hours, hourly, daily, weekly, monthly, GiB.
    amounts: [RwSignal<String>; 7],
    only_verified: RwSignal<bool>,
}

impl Draft {
    fn new() -> Self {
        let text = || RwSignal::new(String::new());
        Self {
            which: RwSignal::new("all".to_owned()),
            whom: text(),
            amounts: std::array::from_fn(|_| text()),
            only_verified: RwSignal::new(false),
        }
    }

    fn fill(self, rule: &Rule) {
        let (which, whom) = match &rule.guests {
            GuestRule::All => ("all", String::new()),
            GuestRule::Pattern { pattern } => ("pattern", pattern.as_str().to_owned()),
            GuestRule::Named { guests } => ("named", guests.join(", ")),
        };
        self.which.set(which.to_owned());
        self.whom.set(whom);
        let text = |amount: Option<u32>| amount.map(|amount| amount.to_string()).unwrap_or_default();
        let gib = rule.most_bytes.map(|bytes| (bytes.0 / GIB).to_string()).unwrap_or_default();
        let amounts = [rule.keep_last, rule.keep_hours, rule.hourly, rule.daily, rule.weekly, rule.monthly];
        for (field, amount) in self.amounts.into_iter().zip(amounts.map(text).into_iter().chain([gib])) {
            field.set(amount);
        }
        self.only_verified.set(rule.only_verified);
    }

    fn rule(self) -> Result<Rule, String> {
        let whom = self.whom.with(|text| text.trim().to_owned());
        let guests = match self.which.get().as_str() {
            "pattern" => GuestRule::Pattern {
                pattern: whom
                    .parse()
                    .map_err(|error: memdeck_model::ParseNamePatternError| error.to_string())?,
            },
            "named" => GuestRule::Named {
                guests: whom
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            },
            _ => GuestRule::All,
        };
        let number = |field: RwSignal<String>| {
            let text = field.with(|text| text.trim().to_owned());
            let read = (!text.is_empty()).then(|| text.parse::<u32>()).transpose();
            read.map_err(|_| format!("an amount is a whole number, not '{text}'"))
        };
        let [last, hours, hourly, daily, weekly, monthly, gib] = self.amounts;
        let rule = Rule {
            keep_last: number(last)?,
            keep_hours: number(hours)?,
            hourly: number(hourly)?,
            daily: number(daily)?,
            weekly: number(weekly)?,
            monthly: number(monthly)?,
            most_bytes: number(gib)?.map(|gib| ByteCount(u64::from(gib) * GIB)),
            only_verified: self.only_verified.get(),
            ..Rule::of(guests)
        };
        let alone = Policy { rules: vec![rule.clone()], floor_bytes: None };
        alone.check().map_err(|error| error.to_string())?;
        Ok(rule)
    }
}

#[component]
pub fn RuleDialog(
    /// The place of the rule; one behind the last is a new one.
    editing: RwSignal<Option<usize>>,
) -> impl IntoView {
    let state = State::expect();
    let draft = Draft::new();
    let open = RwSignal::new(false);
    effect(move || {
        let Some(place) = editing.get() else { return };
        let rule = state.rules.with_untracked(|rules| rules.get(place).cloned());
        draft.fill(&rule.unwrap_or(Rule { keep_last: Some(7), ..Rule::of(GuestRule::All) }));
        open.set(true);
    });
    effect(move || {
        if !open.get() {
            editing.set(None);
        }
    });
    let rule = memo(move || draft.rule());
    let obstacle = memo(move || rule.with(|rule| rule.as_ref().err().map(|why| sentence(why))));
    let put = move |()| {
        let (Some(place), Ok(rule)) = (editing.get_untracked(), rule.get_untracked()) else { return };
        state.rules.update(|rules| match rules.get_mut(place) {
            Some(there) => *there = rule,
            None => rules.push(rule),
        });
        open.set(false);
    };
    let is = move |which: &'static str| move || draft.which.with(|chosen| chosen == which);
    let [last, hours, hourly, daily, weekly, monthly, gib] = draft.amounts;
    view! {
        <Dialog open id="retention-rule" title="A rule of retention" wide=true>
            <div class="schedule-group">
                <Select
                    id="rule-which"
                    label="Guests"
                    value=draft.which
                    options=Signal::derive(|| WHICH.map(|(value, text)| (value.to_owned(), text.to_owned())).to_vec())
                    on_choose=move |which: String| draft.which.set(which)
                />
                <Show when=is("pattern")>
                    <TextField id="rule-pattern" label="Pattern" value=draft.whom hint="* stands for any characters, ? for one." />
                </Show>
                <Show when=is("named")>
                    <TextField id="rule-names" label="Names" value=draft.whom hint="Separated by commas." />
                </Show>
            </div>
            <p class="secondary">"An image goes if none of these keeps it. Leave empty what does not count."</p>
            <div class="schedule-group">
                <TextField id="rule-last" label="Newest images" value=last />
                <TextField id="rule-hours" label="Younger than hours" value=hours />
                <TextField id="rule-hourly" label="One an hour, for hours" value=hourly />
                <TextField id="rule-daily" label="One a day, for days" value=daily />
                <TextField id="rule-weekly" label="One a week, for weeks" value=weekly />
                <TextField id="rule-monthly" label="One a month, for months" value=monthly />
                <TextField id="rule-gib" label="At most GiB for each guest" value=gib />
                <Checkbox checked=draft.only_verified on_change=move |only: bool| draft.only_verified.set(only)>
                    "Only verified images go"
                </Checkbox>
            </div>
            <p class="secondary" id="rule-obstacle" role="status">{move || obstacle.get()}</p>
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                <Button
                    kind=ButtonKind::Primary
                    on_press=put
                    disabled=Signal::derive(move || obstacle.with(Option::is_some))
                    described_by="rule-obstacle"
                >
                    "Put into the preview"
                </Button>
            </div>
        </Dialog>
    }
}
