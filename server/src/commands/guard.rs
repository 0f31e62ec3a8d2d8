//! `memdeck guard`: started by memdeck itself, see [`crate::guardian`].

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure};
use memdeck_operations::blocking;

use crate::config::Config;
use crate::{guardian, node};

pub async fn run(config: Config) -> Result<Exit, Failure> {
    // A service manager that cleans up after a memdeck that died asks this process to end as well: it ends by itself
    // when no guest needs it, and not before.
    let mut ignored = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        ignored.push(
            signal(kind).map_err(|error| Failure::new(format!("signals cannot be received: {error}")))?,
        );
    }
    let hypervisor = node::hypervisor(&config.libvirt, &config.dumps);
    blocking(move || guardian::watch(io::BufReader::new(io::stdin()), hypervisor.as_ref())).await;
    Ok(Exit::Done)
}
