//! `memdeck dump`
//!
//! With `MEMDUMP_SERVICE_URL` set that service takes the dumps. Else this process does, unless a `memdeck serve` or
//! `memdeck agent` holds the state directory: then that one is asked, so there is one queue and one catalog.

mod bars;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use memdeck_model::{CaptureMode, DumpId, DumpStatus, JobState, Omitted, VmRef};
use serde_json::json;

use super::listen::stop_signal;
use super::{Exit, Failure};
use crate::cli::DumpArgs;
use crate::config::Config;
use crate::remote::Asked;
use bars::Bars;
use session::{Ends, Session};

/// Between two looks at the dumps; the end of one that this process takes is seen at once.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

pub async fn run(config: &Config, args: &DumpArgs) -> Result<Exit, Failure> {
    let targets = args
        .vms
        .iter()
        .map(|vm| VmRef::new(vm))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure { exit: Exit::Usage, message: error.to_string() })?;
    let session = Session::open(config)?;
    let mut ends = session.ends();
    let Asked { dumps, omitted } = session.trigger(targets, args.options()).await?;
    omitted.iter().for_each(tell_omitted);
    // Two names may mean one guest.
    let dumps: BTreeMap<DumpId, DumpStatus> =
        dumps.into_values().map(|dump| (dump.dump_id.clone(), dump)).collect();
    let dumps: Vec<DumpStatus> = dumps.into_values().collect();
    let bars = (!args.json).then(Bars::new);
    let ended = tokio::select! {
        ended = follow(&session, &mut ends, dumps.clone(), bars.as_ref()) => ended?,
        stopped = stop_signal() => {
            stopped?;
            eprintln!("memdeck: {}", session.interrupt(&dumps).await);
            session.close().await;
            return Ok(Exit::Interrupted);
        }
    };
    drop(bars);
    let all_completed = ended.iter().all(|dump| dump.exact_state() == JobState::Completed)
        && !omitted.iter().any(|omitted| omitted.why.leaves_memory());
    if args.json {
        println!("{}", json!({"dumps": ended, "omitted": omitted}));
    } else {
        ended.iter().for_each(print_summary);
    }
    session.close().await;
    Ok(if all_completed { Exit::Done } else { Exit::Failed })
}

/// Looks until every dump has ended.
async fn follow(
    session: &Session,
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
    eprintln!("memdeck: '{name}' ({uuid}) is left out: {reason}");
}

fn print_summary(dump: &DumpStatus) {
    let name = dump.display_name();
    let Some(record) = dump.record.as_ref().filter(|_| dump.exact_state() == JobState::Completed) else {
        println!("{name}: {}: {}", dump.exact_state().as_str(), dump.message);
        return;
    };
    let unknown = || "unknown".to_owned();
    println!("{name}: {}", dump.message);
    println!("  mode    {}", record.mode.map_or("unknown", CaptureMode::as_str));
    if let Some(reason) = &record.fallback {
        println!("  reason  {reason}");
    }
    println!("  file    {}", record.dump_path.clone().unwrap_or_else(unknown));
    println!("  sha256  {}", record.sha256.clone().unwrap_or_else(unknown));
    println!("  took    {}", dump.duration_sec.map_or_else(unknown, |seconds| format!("{seconds:.2} s")));
}
