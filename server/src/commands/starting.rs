//! The beginning of a service: it takes its state directory, and where there is no room for the catalog it answers so
//! and waits.
//!
//! Mostly the reserve lets a start on a full volume go on at once. This is for state directories that have none yet, or
//! none any more.

use std::net::SocketAddr;
use std::time::Duration;

use memdeck_catalog::LockRole;

use super::{Failure, listen, with_causes};
use crate::config::Config;
use crate::http;
use crate::node::State;

/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

const WAITING: &str = "The volume of STATE_DIR is full, and memdeck cannot open its catalog. Make room there; memdeck goes on \
                       by itself.";

/// The state directory, taken, and the address to listen on; `None` where memdeck was stopped while it waited for room.
pub async fn take_state(
    config: &Config,
    role: LockRole,
    address: SocketAddr,
) -> Result<Option<(State, SocketAddr)>, Failure> {
    let error = match State::take(config, role) {
        Err(error) if error.is_full() => with_causes(&error),
        taken => return Ok(Some((taken?, address))),
    };
    let door = listen::bind(address, &config.http).await?;
    let (address, url) = (door.address()?, door.url()?);
    tracing::error!(url, error, "{role} degraded: {WAITING}");
    let taken = async {
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            match State::take(config, role) {
                Err(error) if error.is_full() => {}
                taken => return taken,
            }
        }
    };
    match listen::answer_during(door, http::waiting(WAITING), taken).await {
        Some(taken) => Ok(Some((taken?, address))),
        None => Ok(None),
    }
}
