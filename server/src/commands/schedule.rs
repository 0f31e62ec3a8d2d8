//! `memdeck schedule`: asks the dashboard, which keeps schedules and runs them.

use memdeck_agent::Face;
use memdeck_model::schedule::{
    NewSchedule, Preview, RunGuest, RunList, RunState, Schedule, ScheduleList, ScheduleName, ScheduleRun,
};
use memdeck_model::{OnBehalf, Timestamp};
use reqwest::Method;
use serde_json::json;

use super::service::{Service, operator};
use super::table::{Table, printable};
use super::{Exit, Failure, Output};
use crate::cli::ScheduleCommand;
use crate::cli::schedule::{AddArgs, ListArgs, NamedArgs, ShowArgs};
use crate::config::Config;

/// Where schedules are.
const PATH: [&str; 2] = ["api", "schedules"];

pub async fn run(config: &Config, command: &ScheduleCommand) -> Result<Exit, Failure> {
    let service = dashboard(config, "schedules are kept and run")?;
    match command {
        ScheduleCommand::Add(args) => add(&service, args).await,
        ScheduleCommand::List(args) => list(&service, args).await,
        ScheduleCommand::Show(args) => show(&service, args).await,
        ScheduleCommand::Next(args) => next(&service, args).await,
        ScheduleCommand::Pause(args) => change(&service, args, Method::POST, Some("pause")).await,
        ScheduleCommand::Resume(args) => change(&service, args, Method::POST, Some("resume")).await,
        ScheduleCommand::Run(args) => change(&service, args, Method::POST, Some("run")).await,
        ScheduleCommand::Remove(args) => change(&service, args, Method::DELETE, None).await,
    }
}

/// The dashboard of the state directory, by which `what` is done.
pub fn dashboard(config: &Config, what: &str) -> Result<Service, Failure> {
    Service::find(config)?.filter(|service| service.face == Face::Dashboard).ok_or_else(|| {
        Failure::new(format!("{what} by the dashboard, which does not run here: start `memdeck serve`"))
    })
}

async fn add(service: &Service, args: &AddArgs) -> Result<Exit, Failure> {
    let new = args.schedule().map_err(Failure::usage)?;
    let mut output = Output::default();
    if args.check {
        let preview = service.client.send(Method::POST, &["api", "schedule-preview"], &new.plan).await;
        let preview: Preview = preview.map_err(|error| service.failed(&error))?;
        return tell_next(&mut output, &preview, args.json);
    }
    let NewSchedule { name, plan } = new;
    let mut body = serde_json::to_value(&plan).map_err(|error| Failure::new(error.to_string()))?;
    body["name"] = json!(name);
    body["by"] = json!(operator());
    let kept = service.client.send(Method::POST, &PATH, &body).await;
    let kept: Schedule = kept.map_err(|error| service.failed(&error))?;
    if args.json {
        output.json(&kept)?;
    } else {
        output.line(format_args!("{}: {}; next run {}", kept.name, kept.plan.when, when(kept.next)))?;
    }
    Ok(Exit::Done)
}

async fn list(service: &Service, args: &ListArgs) -> Result<Exit, Failure> {
    let list: ScheduleList =
        service.client.look_up(&PATH, &[]).await.map_err(|error| service.failed(&error))?;
    let mut output = Output::default();
    if args.json {
        output.json(&list)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["NAME", "WHEN", "ZONE", "VMS", "NEXT RUN", "LAST RUN"]);
    for schedule in list.schedules {
        let newest = schedule.last.as_ref().map_or_else(|| "-".to_owned(), in_short);
        let next = if schedule.paused { "paused".to_owned() } else { when(schedule.next) };
        let plan = schedule.plan;
        table.row(&[
            schedule.name.to_string(),
            plan.when.to_string(),
            plan.zone,
            plan.guests.to_string(),
            next,
            newest,
        ]);
    }
    output.text(table.to_string())?;
    Ok(Exit::Done)
}

async fn show(service: &Service, args: &ShowArgs) -> Result<Exit, Failure> {
    let failed = |error| service.failed(&error);
    let name = args.name.as_str();
    let schedule: Schedule = service.client.look_up(&of(&args.name), &[]).await.map_err(failed)?;
    let query = [("limit", args.limit.to_string())];
    let runs: RunList =
        service.client.look_up(&["api", "schedules", name, "runs"], &query).await.map_err(failed)?;
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"schedule": schedule, "runs": runs.runs}))?;
        return Ok(Exit::Done);
    }
    let plan = &schedule.plan;
    output.line(format_args!(
        "{name}: {}, {}; dumps {}",
        plan.when,
        plan.zone,
        printable(&plan.guests.to_string())
    ))?;
    let next = if schedule.paused { "none, it is paused".to_owned() } else { when(schedule.next) };
    output.line(format_args!("next run: {next}"))?;
    for run in &runs.runs {
        output.line(in_short(run))?;
        for guest in &run.each {
            output.line(format_args!("  {}", of_guest(guest)))?;
        }
    }
    Ok(Exit::Done)
}

async fn next(service: &Service, args: &NamedArgs) -> Result<Exit, Failure> {
    let path = ["api", "schedules", args.name.as_str(), "next"];
    let preview: Preview =
        service.client.look_up(&path, &[]).await.map_err(|error| service.failed(&error))?;
    tell_next(&mut Output::default(), &preview, args.json)
}

async fn change(
    service: &Service,
    args: &NamedArgs,
    method: Method,
    what: Option<&'static str>,
) -> Result<Exit, Failure> {
    let mut path = of(&args.name).to_vec();
    path.extend(what);
    let schedule = service.client.send(method, &path, &OnBehalf::of(operator())).await;
    let schedule: Schedule = schedule.map_err(|error| service.failed(&error))?;
    let mut output = Output::default();
    if args.json {
        output.json(&schedule)?;
    } else {
        let told = match what {
            None => "removed".to_owned(),
            Some("run") => "a run was started".to_owned(),
            Some(_) if schedule.paused => "paused".to_owned(),
            Some(_) => format!("next run {}", when(schedule.next)),
        };
        output.line(format_args!("{}: {told}", schedule.name))?;
    }
    Ok(Exit::Done)
}

fn of(name: &ScheduleName) -> [&str; 3] {
    ["api", "schedules", name.as_str()]
}

fn tell_next(output: &mut Output, preview: &Preview, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        output.json(preview)?;
    } else {
        for (next, local) in preview.next.iter().zip(&preview.local) {
            output.line(format_args!("{next}  {local}"))?;
        }
    }
    Ok(Exit::Done)
}

fn when(instant: Option<Timestamp>) -> String {
    instant.map_or_else(|| "never".to_owned(), |instant| instant.to_string())
}

/// A run in one line.
fn in_short(run: &ScheduleRun) -> String {
    let told = match run.state {
        RunState::Missed if run.count > 1 => format!("{} missed, until {}", run.count, run.last_planned),
        RunState::Missed | RunState::Skipped | RunState::Waiting => run.state.as_str().to_owned(),
        RunState::Running | RunState::Done => run.guests.to_string(),
    };
    let reason = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} {told}{reason}", run.planned)
}

fn of_guest(guest: &RunGuest) -> String {
    let name = guest.host.as_ref().map_or_else(|| guest.name.0.clone(), |host| host.qualify(&guest.name.0));
    let dump = guest.dump_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let reason = guest.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    printable(&format!("{name} {}{dump}{reason}", guest.state.as_str()))
}
