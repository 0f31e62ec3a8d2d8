//! Arguments of `memdeck schedule`.

use clap::{Args, Subcommand};
use memdeck_model::schedule::{
    GuestChoice, NewSchedule, Overlap, Plan, ScheduleName, TimeOfDay, Weekday, When,
};
use memdeck_model::{DumpOptions, HostId, Millis, ModeChoice, NamePattern, Remark, VmRef};

/// `memdeck schedule`
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Make a schedule. Exactly one of --hourly, --daily, --weekly, --monthly and --cron says when.
    Add(Box<AddArgs>),
    /// List schedules with their next and last runs.
    List(ListArgs),
    /// Show a schedule and what became of its runs.
    Show(ShowArgs),
    /// Print the next five runs of a schedule.
    Next(NamedArgs),
    /// Keep a schedule from starting runs until it is resumed.
    Pause(NamedArgs),
    /// Let a schedule run again, from now on.
    Resume(NamedArgs),
    /// Forget a schedule and the history of its runs; what was dumped remains.
    Remove(NamedArgs),
    /// Start a run now, beside those that are planned.
    Run(NamedArgs),
}

/// `memdeck schedule add`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["hourly", "daily", "weekly", "monthly", "cron"]))]
#[command(group = clap::ArgGroup::new("whom").required(true).args(["vms", "all", "pattern", "of_host"]))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct AddArgs {
    /// What to call it: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "NAME")]
    pub name: ScheduleName,
    /// VMs by name, id, UUID or HOST/VM.
    #[arg(value_name = "VM")]
    pub vms: Vec<String>,
    /// Every VM that runs then.
    #[arg(long)]
    pub all: bool,
    /// VMs that run then and whose name matches; `*` stands for any characters, `?` for one.
    #[arg(long, value_name = "PATTERN")]
    pub pattern: Option<NamePattern>,
    /// VMs of this host that run then.
    #[arg(long = "host", value_name = "HOST")]
    pub of_host: Option<HostId>,
    /// Every hour, at this minute.
    #[arg(long, value_name = "MINUTE", value_parser = clap::value_parser!(u8).range(..60))]
    pub hourly: Option<u8>,
    /// Every day at this time.
    #[arg(long, value_name = "HH:MM")]
    pub daily: Option<TimeOfDay>,
    /// On some days of the week, such as `monday,friday@02:30`.
    #[arg(long, value_name = "DAYS@HH:MM", value_parser = weekly)]
    pub weekly: Option<When>,
    /// Once a month, such as `1@02:30`.
    #[arg(long, value_name = "DAY@HH:MM", value_parser = monthly)]
    pub monthly: Option<When>,
    /// As a cron expression of five fields says.
    #[arg(long, value_name = "EXPRESSION")]
    pub cron: Option<String>,
    /// The time zone that the times mean, by its IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub zone: String,
    /// How: auto is live if possible, else frozen.
    #[arg(long, default_value_t)]
    pub mode: ModeChoice,
    /// Milliseconds a guest may be stopped in live mode [default: the setting `PAUSE_BUDGET_MS`].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub pause_budget: Option<u64>,
    /// MiB per second a live dump may read while the guest runs, 0 for no limit.
    #[arg(long, value_name = "MIBPS")]
    pub bandwidth: Option<u64>,
    /// Case number, kept with each dump.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<Remark>,
    /// Note, kept with each dump.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Remark>,
    /// Store images as differences to the newest full one of their VM, where there is one that fits.
    #[arg(long)]
    pub difference: bool,
    /// Begin the dumps of a run evenly over so many minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub spread: u32,
    /// At most so many dumps of this schedule on a host at a time.
    #[arg(long, value_name = "COUNT")]
    pub per_host: Option<u32>,
    /// Make up a run that was missed if it is at most so many minutes late; 0 for never.
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub make_up: u32,
    /// Let a run wait for the one before it, instead of leaving it out.
    #[arg(long)]
    pub wait: bool,
    /// Leave VMs out that have a good dump of the last so many minutes.
    #[arg(long, value_name = "MINUTES")]
    pub recent: Option<u32>,
    /// Only say when it would run.
    #[arg(long)]
    pub check: bool,
    /// Print the schedule as JSON.
    #[arg(long)]
    pub json: bool,
}

impl AddArgs {
    /// The schedule that is asked for.
    ///
    /// # Errors
    /// A VM cannot be named so.
    pub fn schedule(&self) -> Result<NewSchedule, String> {
        let when = match (self.hourly, self.daily, &self.cron) {
            (Some(minute), _, _) => Some(When::Hour { minute }),
            (_, Some(at), _) => Some(When::Day { at }),
            (_, _, Some(expression)) => Some(When::Cron { expression: expression.clone() }),
            _ => self.weekly.clone().or_else(|| self.monthly.clone()),
        };
        let when = when.ok_or("say when, for instance with --daily 02:30")?;
        let guests = if self.all {
            GuestChoice::All
        } else if let Some(pattern) = self.pattern.clone() {
            GuestChoice::Pattern { pattern }
        } else if let Some(host) = self.of_host.clone() {
            GuestChoice::Host { host }
        } else {
            let named: Result<Vec<VmRef>, _> = self.vms.iter().map(|vm| VmRef::new(vm)).collect();
            GuestChoice::Named { guests: named.map_err(|error| error.to_string())? }
        };
        let plan = Plan {
            zone: self.zone.clone(),
            options: DumpOptions {
                mode: self.mode,
                pause_budget_ms: self.pause_budget.map(Millis),
                bandwidth_mibps: self.bandwidth,
                case: self.case.clone(),
                note: self.note.clone(),
                accept_encrypted: false,
                difference: self.difference,
            },
            spread_min: self.spread,
            per_host: self.per_host,
            make_up_min: self.make_up,
            overlap: if self.wait { Overlap::Wait } else { Overlap::Skip },
            recent_min: self.recent,
            ..Plan::of(when, guests)
        };
        Ok(NewSchedule { name: self.name.clone(), plan })
    }
}

fn weekly(text: &str) -> Result<When, String> {
    let (days, at) = text.split_once('@').ok_or("write it as monday,friday@02:30")?;
    let on: Result<Vec<Weekday>, _> = days.split(',').map(str::parse).collect();
    let on = on.map_err(|error| error.to_string())?;
    Ok(When::Week {
        on,
        at: at.parse().map_err(|error: memdeck_model::schedule::PlanError| error.to_string())?,
    })
}

fn monthly(text: &str) -> Result<When, String> {
    let (day, at) = text.split_once('@').ok_or("write it as 1@02:30")?;
    let day = day.parse().map_err(|_| "the day is a number from 1 to 28")?;
    let at = at.parse().map_err(|error: memdeck_model::schedule::PlanError| error.to_string())?;
    let when = When::Month { day, at };
    when.check().map_err(|error| error.to_string())?;
    Ok(when)
}

/// `memdeck schedule list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck schedule show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The schedule.
    #[arg(value_name = "NAME")]
    pub name: ScheduleName,
    /// At most this many runs.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Print the schedule and its runs as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A subcommand about one schedule.
#[derive(Debug, Args)]
pub struct NamedArgs {
    /// The schedule.
    #[arg(value_name = "NAME")]
    pub name: ScheduleName,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
}
