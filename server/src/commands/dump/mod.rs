//! `memdeck dump`
//!
//! With `MEMDUMP_SERVICE_URL` set that service takes the dumps. Else this process does, unless a `memdeck serve` or
//! `memdeck agent` holds the state directory: then that one is asked, so there is one queue and one catalog.

mod bars;
mod session;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use memdeck_model::{CaptureMode, DumpId, DumpStatus, JobState, Omitted, VmRef};
use serde_json::json;

use super::listen::StopSignal;
use super::output::say;
use super::{Exit, Failure, Output};
use crate::cli::DumpArgs;
use crate::config::Config;
use bars::Bars;
use memdeck_agent::Asked;
use session::{Ends, Session};

/// Between two looks at the dumps; the end of one that this process takes is seen at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long an interrupted command waits for the ends of its dumps, to print them.
const INTERRUPT_PATIENCE: Duration = Duration::from_secs(10);

pub async fn run(config: &Config, args: &DumpArgs) -> Result<Exit, Failure> {
    let targets = args
        .vms
        .iter()
        .map(|vm| VmRef::new(vm))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure { exit: Exit::Usage, message: error.to_string() })?;
    let session = session::open(config).await?;
    let mut ends = session.ends();
    // From here on: Ctrl-C must not end the command between asking for dumps and following them.
    let mut stop = StopSignal::receive()?;
    let options = args.options();
    let warnings = tokio::select! {
        biased;
        _ = stop.wait() => {
            say(format_args!("memdeck: interrupted before any dump was asked for"));
            let nothing = json!({"dumps": [], "omitted": [], "interrupted": true});
            let printed = if args.json { Output::default().json(&nothing) } else { Ok(()) };
            session.close().await;
            printed?;
            return Ok(Exit::Interrupted);
        }
        warnings = session::pause_warnings(session.as_ref(), &targets, options.mode) => warnings,
    };
    for warning in warnings {
        say(format_args!("memdeck: warning: {warning}"));
    }
    let Asked { dumps, omitted } = session.trigger(targets, options).await?;
    omitted.iter().for_each(tell_omitted);
    // Two names may mean one guest.
    let dumps: BTreeMap<DumpId, DumpStatus> =
        dumps.into_values().map(|dump| (dump.dump_id.clone(), dump)).collect();
    let dumps: Vec<DumpStatus> = dumps.into_values().collect();
    let bars = (!args.json).then(Bars::new);
    let ended = tokio::select! {
        ended = follow(session.as_ref(), &mut ends, dumps.clone(), bars.as_ref()) => ended?,
        signal = stop.wait() => {
            say(format_args!("memdeck: {}", session::interrupt(session.as_ref(), &dumps, signal).await));
            let printed = if args.json { print_interrupted(session.as_ref(), ends, dumps, &omitted).await } else { Ok(()) };
            session.close().await;
            printed?;
            return Ok(Exit::Interrupted);
        }
    };
    drop(bars);
    let all_completed = ended.iter().all(|dump| dump.exact_state() == JobState::Completed)
        && !omitted.iter().any(|omitted| omitted.why.leaves_memory());
    let mut output = Output::default();
    let printed = if args.json {
        output.json(&json!({"dumps": ended, "omitted": omitted}))
    } else {
        output.text(ended.iter().map(summary).collect::<String>())
    };
    session.close().await;
    printed?;
    Ok(if all_completed { Exit::Done } else { Exit::Failed })
}

/// The dumps as they ended, as far as they do so soon.
async fn print_interrupted(
    session: &dyn Session,
    mut ends: Ends,
    mut dumps: Vec<DumpStatus>,
    omitted: &[Omitted],
) -> Result<(), Failure> {
    let ended =
        tokio::time::timeout(INTERRUPT_PATIENCE, follow(session, &mut ends, dumps.clone(), None)).await;
    if let Ok(Ok(ended)) = ended {
        dumps = ended;
    } else if let Ok(now) = session.statuses().await {
        for dump in &mut dumps {
            if let Some(status) = now.iter().find(|status| status.dump_id == dump.dump_id) {
                dump.clone_from(status);
            }
        }
    }
    Output::default().json(&json!({"dumps": dumps, "omitted": omitted, "interrupted": true}))
}

/// Looks until every dump has ended.
async fn follow(
    session: &dyn Session,
    ends: &mut Ends,
    mut dumps: Vec<DumpStatus>,
    bars: Option<&Bars>,
) -> Result<Vec<DumpStatus>, Failure> {
    loop {
        if let Some(bars) = bars {
            bars.show(&dumps);
        }
        if dumps.iter().all(|dump| dump.exact_state().is_final()) {
            return Ok(dumps);
        }
        ends.next(LOOK_INTERVAL).await;
        let now = session.statuses().await?;
        for dump in &mut dumps {
            match now.iter().find(|status| status.dump_id == dump.dump_id) {
                Some(status) => dump.clone_from(status),
                // Only a service that was started anew, or a newer dump of the guest, makes it disappear.
                None if !dump.exact_state().is_final() => {
                    let (vm, id) = (&dump.vm, &dump.dump_id);
                    return Err(Failure::new(format!(
                        "the dump {id} of {vm} is no longer known; look at its records"
                    )));
                }
                None => {}
            }
        }
    }
}

fn tell_omitted(omitted: &Omitted) {
    let Omitted { name, uuid, reason, .. } = omitted;
    say(format_args!("memdeck: '{name}' ({uuid}) is left out: {reason}"));
}

fn summary(dump: &DumpStatus) -> String {
    let name = dump.display_name();
    let Some(record) = dump.record.as_ref().filter(|_| dump.exact_state() == JobState::Completed) else {
        return format!("{name}: {}: {}\n", dump.exact_state().as_str(), dump.message);
    };
    let unknown = || "unknown".to_owned();
    let mut text = format!("{name}: {}\n", dump.message);
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<6}  {value}");
    };
    line("mode", record.mode.map_or("unknown", CaptureMode::as_str));
    if let Some(reason) = &record.fallback {
        line("reason", &reason.to_string());
    }
    line("file", &record.dump_path.clone().unwrap_or_else(unknown));
    line("sha256", &record.sha256.clone().unwrap_or_else(unknown));
    line("took", &dump.duration_sec.map_or_else(unknown, |seconds| format!("{seconds:.2} s")));
    text
}
