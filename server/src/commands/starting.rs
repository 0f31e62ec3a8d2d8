//! The beginning of a service: it takes its state directory, and if there is no room for the catalog it answers so
//! and waits.
//!
//! Mostly the reserve lets a start on a full volume go on at once. This is for state directories that have none yet, or
//! none any more.

use std::net::SocketAddr;
use std::time::Duration;

use memdeck_catalog::LockRole;

use super::listen::StopSignal;
use super::{Failure, listen, with_causes};
use memdeck_operations::blocking;

use crate::config::Config;
use crate::http;
use crate::node::{StartError, State};

/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

const WAITING: &str = "The volume of STATE_DIR is full, and memdeck cannot open its catalog. Make room there; memdeck goes on \
                       by itself.";

/// The state directory, taken, and the address to listen on; `None` if memdeck was stopped while it waited for room.
pub async fn take_state(
    config: &Config,
    role: LockRole,
    address: SocketAddr,
    stop: &mut StopSignal,
) -> Result<Option<(State, SocketAddr)>, Failure> {
    let first = tokio::select! {
        taken = take(config, role) => taken,
        _ = stop.wait() => return Ok(None),
    };
    hold();
    let error = match first {
        Err(error) if error.is_full() => with_causes(&error),
        taken => return Ok(Some((taken?, address))),
    };
    let door = listen::bind(address, &config.http).await?;
    let (address, url) = (door.address()?, door.url()?);
    tracing::error!(url, error, "{role} degraded: {WAITING}");
    let taken = async {
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            match take(config, role).await {
                Err(error) if error.is_full() => {}
                taken => return taken,
            }
        }
    };
    let routes = http::below(http::waiting(WAITING), &config.http);
    match listen::answer_during(door, routes, taken, stop).await {
        Some(taken) => Ok(Some((taken?, address))),
        None => Ok(None),
    }
}

/// Off the runtime's threads: records may be made anew from the manifests of many images.
async fn take(config: &Config, role: LockRole) -> Result<State, StartError> {
    let config = config.clone();
    blocking(move || State::take(&config, role)).await
}

/// Where a test can hold a start: `starting::taken=return(FILE)` holds until that file exists.
fn hold() {
    fail::fail_point!("starting::taken", |release| {
        while release.as_deref().is_some_and(|file| !std::path::Path::new(file).exists()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}
