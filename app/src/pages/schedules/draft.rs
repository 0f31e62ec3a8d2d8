//! A plan as it is written in the editor: text that may not be a plan yet.

use leptos::prelude::*;
use memdeck_model::schedule::{GuestChoice, NewSchedule, Overlap, Plan, Schedule, TimeOfDay, Weekday, When};
use memdeck_model::{ModeChoice, Remark, VmRef};

/// What the editor holds.
#[derive(Clone, Copy)]
pub struct Draft {
    pub name: RwSignal<String>,
    /// `hour`, `day`, `week`, `month` or `cron`.
    pub every: RwSignal<String>,
    pub minute: RwSignal<String>,
    pub at: RwSignal<String>,
    pub on: RwSignal<Vec<Weekday>>,
    pub day: RwSignal<String>,
    pub expression: RwSignal<String>,
    pub zone: RwSignal<String>,
    /// `all`, `named`, `pattern` or `host`.
    pub which: RwSignal<String>,
    /// Names, a pattern or a host, as `which` says.
    pub whom: RwSignal<String>,
    pub mode: RwSignal<String>,
    pub case: RwSignal<String>,
    pub note: RwSignal<String>,
    pub spread: RwSignal<String>,
    pub per_host: RwSignal<String>,
    pub make_up: RwSignal<String>,
    pub recent: RwSignal<String>,
    pub waits: RwSignal<bool>,
}

impl Draft {
    pub fn new() -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            name: text(""),
            every: text("day"),
            minute: text("0"),
            at: text("02:00"),
            on: RwSignal::new(vec![Weekday::Monday]),
            day: text("1"),
            expression: text("0 2 * * *"),
            zone: text("UTC"),
            which: text("all"),
            whom: text(""),
            mode: text("auto"),
            case: text(""),
            note: text(""),
            spread: text("0"),
            per_host: text(""),
            make_up: text("60"),
            recent: text(""),
            waits: RwSignal::new(false),
        }
    }

    /// Begins with a schedule, or with what a new one begins with.
    pub fn fill(self, schedule: Option<&Schedule>, zone: String) {
        let fresh = Self::new();
        self.take(fresh);
        self.zone.set(zone);
        let Some(Schedule { name, plan, .. }) = schedule else { return };
        self.name.set(name.to_string());
        match &plan.when {
            When::Hour { minute } => self.when("hour", |draft| draft.minute.set(minute.to_string())),
            When::Day { at } => self.when("day", |draft| draft.at.set(at.to_string())),
            When::Week { on, at } => self.when("week", |draft| {
                draft.on.set(on.clone());
                draft.at.set(at.to_string());
            }),
            When::Month { day, at } => self.when("month", |draft| {
                draft.day.set(day.to_string());
                draft.at.set(at.to_string());
            }),
            When::Cron { expression } => self.when("cron", |draft| draft.expression.set(expression.clone())),
        }
        self.zone.set(plan.zone.clone());
        let (which, whom) = match &plan.guests {
            GuestChoice::All => ("all", String::new()),
            GuestChoice::Pattern { pattern } => ("pattern", pattern.as_str().to_owned()),
            GuestChoice::Host { host } => ("host", host.to_string()),
            GuestChoice::Named { .. } => ("named", plan.guests.to_string()),
        };
        self.which.set(which.to_owned());
        self.whom.set(whom);
        let remark = |remark: &Option<Remark>| {
            remark.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default()
        };
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        self.mode.set(plan.options.mode.to_string());
        self.case.set(remark(&plan.options.case));
        self.note.set(remark(&plan.options.note));
        self.spread.set(plan.spread_min.to_string());
        self.per_host.set(number(plan.per_host));
        self.make_up.set(plan.make_up_min.to_string());
        self.recent.set(number(plan.recent_min));
        self.waits.set(plan.overlap == Overlap::Wait);
    }

    fn when(self, every: &str, fill: impl FnOnce(Self)) {
        self.every.set(every.to_owned());
        fill(self);
    }

    fn take(self, other: Self) {
        let texts = |draft: Self| {
            [
                draft.name,
                draft.every,
                draft.minute,
                draft.at,
                draft.day,
                draft.expression,
                draft.zone,
                draft.which,
                draft.whom,
                draft.mode,
                draft.case,
                draft.note,
                draft.spread,
                draft.per_host,
                draft.make_up,
                draft.recent,
            ]
        };
        for (mine, theirs) in texts(self).into_iter().zip(texts(other)) {
            mine.set(theirs.get_untracked());
        }
        self.on.set(other.on.get_untracked());
        self.waits.set(other.waits.get_untracked());
    }

    /// The plan that is written, or what is wrong with it. `before` is the plan that is changed: what the editor does not
    /// show stays as it was.
    pub fn plan(self, before: Option<&Plan>) -> Result<Plan, String> {
        let at = || self.at.with(|text| text.trim().parse::<TimeOfDay>()).map_err(|error| error.to_string());
        let when = match self.every.get().as_str() {
            "hour" => When::Hour { minute: number("The minute", &self.minute.get())? },
            "week" => When::Week { on: self.on.get(), at: at()? },
            "month" => When::Month { day: number("The day", &self.day.get())?, at: at()? },
            "cron" => When::Cron { expression: self.expression.with(|text| text.trim().to_owned()) },
            _ => When::Day { at: at()? },
        };
        let whom = self.whom.with(|text| text.trim().to_owned());
        let guests = match self.which.get().as_str() {
            "named" => {
                let names = whom.split(',').map(str::trim).filter(|name| !name.is_empty());
                let guests: Result<Vec<VmRef>, _> = names.map(VmRef::new).collect();
                GuestChoice::Named { guests: guests.map_err(|error| error.to_string())? }
            }
            "pattern" => GuestChoice::Pattern {
                pattern: whom
                    .parse()
                    .map_err(|error: memdeck_model::ParseNamePatternError| error.to_string())?,
            },
            "host" => GuestChoice::Host {
                host: whom.parse().map_err(|error: memdeck_model::ParseHostIdError| error.to_string())?,
            },
            _ => GuestChoice::All,
        };
        let remark = |text: RwSignal<String>| {
            let text = text.with(|text| text.trim().to_owned());
            let remark = (!text.is_empty()).then(|| text.parse::<Remark>()).transpose();
            remark.map_err(|error| error.to_string())
        };
        let maybe =
            |what: &str, text: String| (!text.trim().is_empty()).then(|| number(what, &text)).transpose();
        let options = before.map(|plan| plan.options.clone()).unwrap_or_default();
        let plan = Plan {
            zone: self.zone.with(|zone| zone.trim().to_owned()),
            options: memdeck_model::DumpOptions {
                mode: self.mode.with(|mode| mode.parse()).unwrap_or(ModeChoice::Auto),
                case: remark(self.case)?,
                note: remark(self.note)?,
                ..options
            },
            spread_min: number("Spread", &self.spread.get())?,
            per_host: maybe("The limit per host", self.per_host.get())?,
            make_up_min: number("Made up within", &self.make_up.get())?,
            overlap: if self.waits.get() { Overlap::Wait } else { Overlap::Skip },
            recent_min: maybe("A recent dump", self.recent.get())?,
            ..Plan::of(when, guests)
        };
        plan.check().map_err(|error| error.to_string())?;
        Ok(plan)
    }

    /// The schedule that is written.
    pub fn schedule(self, before: Option<&Plan>) -> Result<NewSchedule, String> {
        let name = self.name.with(|name| name.trim().parse());
        let name =
            name.map_err(|error: memdeck_model::schedule::ParseScheduleNameError| error.to_string())?;
        Ok(NewSchedule { name, plan: self.plan(before)? })
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    let text = text.trim();
    let read = if text.is_empty() { "0" } else { text }.parse();
    read.map_err(|_| format!("{what} is a whole number of minutes or a count, not '{text}'"))
}
