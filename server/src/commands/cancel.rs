//! `memdeck cancel`

use std::time::Duration;

use memdeck_catalog::{LockError, LockRole};
use memdeck_model::{DumpStatus, EndReason, JobState};
use serde_json::json;

use super::service::{Service, operator};
use super::table::printable;
use super::{Exit, Failure, Output};
use crate::cli::CancelArgs;
use crate::config::Config;
use crate::node::{self, StartError, State};

/// How long the end of a cancelled dump is awaited. Its guest runs long before.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub async fn run(config: &Config, args: &CancelArgs) -> Result<Exit, Failure> {
    let ended = match Service::find(config)? {
        Some(service) => in_service(&service, &args.target).await?,
        None => in_state(config, &args.target)?,
    };
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"dumps": [ended]}))?;
    } else {
        let name = printable(ended.display_name());
        output.line(format_args!("{name}: {}: {}", ended.exact_state().as_str(), ended.message))?;
    }
    Ok(if ended.exact_state() == JobState::Completed { Exit::Failed } else { Exit::Done })
}

/// Asks the service that takes the dump, and waits for its end.
async fn in_service(service: &Service, target: &str) -> Result<DumpStatus, Failure> {
    let statuses = || async {
        let statuses = service.client.statuses(service.face).await;
        Ok::<_, Failure>(statuses.map_err(|error| service.failed(&error))?.into_values().collect::<Vec<_>>())
    };
    let mut dump = meant(&statuses().await?, target)?;
    if !service.cancel(&dump.dump_id, &operator()).await? {
        let (id, url) = (&dump.dump_id, service.client.url());
        return Err(Failure::new(format!("{url} cannot cancel the dump {id}, which goes on there")));
    }
    let ended = async {
        loop {
            // A newer dump of the guest may have taken its place.
            match statuses().await?.into_iter().find(|status| status.dump_id == dump.dump_id) {
                Some(status) => dump = status,
                None => return Ok(()),
            }
            if dump.exact_state().is_final() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    // It is cancelled either way; what it does until its end is reported as it is.
    tokio::time::timeout(PATIENCE, ended).await.unwrap_or(Ok::<_, Failure>(()))?;
    Ok(dump)
}

/// Nothing runs here: a dump that waits for the next start can be taken from the queue.
fn in_state(config: &Config, target: &str) -> Result<DumpStatus, Failure> {
    let state = State::take(config, LockRole::Cancel).map_err(|error| match error {
        StartError::Lock(LockError::Held { holder: Some(holder), .. }) if holder.role == LockRole::Dump => {
            let pid = holder.pid;
            Failure::new(format!(
                "`memdeck dump` (process {pid}) takes the dumps: press Ctrl-C there, or `kill -INT {pid}`"
            ))
        }
        error => error.into(),
    })?;
    let failed = |error| Failure::from(StartError::Catalog(error));
    let queued: Vec<DumpStatus> = state
        .catalog
        .active_jobs()
        .map_err(failed)?
        .iter()
        .filter(|job| job.state == JobState::Queued)
        .map(memdeck_engine::status_of)
        .collect();
    let dump = meant(&queued, target)?;
    let reason = EndReason::Cancelled { by: operator(), before_start: true };
    let job = state.catalog.end(&dump.dump_id, &reason, node::clock().now()).map_err(failed)?;
    Ok(memdeck_engine::status_of(&job))
}

/// The one dump that is queued or running and has this id, or whose guest is named so.
fn meant(dumps: &[DumpStatus], target: &str) -> Result<DumpStatus, Failure> {
    let active = || dumps.iter().filter(|dump| !dump.exact_state().is_final());
    if let Some(dump) = active().find(|dump| dump.dump_id.as_str() == target) {
        return Ok(dump.clone());
    }
    let is_of = |dump: &DumpStatus| {
        dump.vm == target || dump.display_name() == target || dump.guest_uuid.as_deref() == Some(target)
    };
    let mut named: Vec<&DumpStatus> = active().filter(|dump| is_of(dump)).collect();
    named.sort_by(|a, b| a.dump_id.cmp(&b.dump_id));
    named.dedup_by(|a, b| a.dump_id == b.dump_id);
    match named.as_slice() {
        [dump] => Ok((*dump).clone()),
        [] => {
            let ended = dumps.iter().find(|dump| dump.dump_id.as_str() == target || is_of(dump));
            let what = printable(target);
            Err(Failure::new(match ended {
                Some(dump) => format!(
                    "no dump of '{what}' is queued or running; the newest is {}: {}",
                    dump.exact_state().as_str(),
                    dump.message
                ),
                None => format!("no dump of '{what}' is queued or running, and none has that id"),
            }))
        }
        several => {
            let ids: Vec<_> = several.iter().map(|dump| dump.dump_id.as_str()).collect();
            let what = printable(target);
            Err(Failure::new(format!(
                "'{what}' may mean several dumps; name one by its id: {}",
                ids.join(", ")
            )))
        }
    }
}
