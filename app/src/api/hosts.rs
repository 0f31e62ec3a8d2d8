//! The page's calls about hosts.

use memdeck_model::{HostId, HostList, HostState};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// Every host and how it stands, in the order of the configuration.
    ///
    /// # Errors
    /// The server does not answer. A host that is away is no error.
    "hosts": async fn fetch_hosts() -> HostList {
        operations::present()?.hosts().await.map_err(operations::refuse)
    }

    /// Keeps a host from taking new dumps, or lets it take them again; how it stands then.
    ///
    /// # Errors
    /// There is no such host, that cannot be remembered, or the server does not answer.
    "drain-host": async fn drain_host(
        /// Which host.
        name: HostId,
        /// Whether it is to take no new dumps.
        drain: bool,
    ) -> HostState {
        operations::present()?.drain_host(name, drain).await.map_err(operations::refuse)
    }

    /// Asks a host at once whether it answers; how it stands then.
    ///
    /// # Errors
    /// There is no such host, or the server does not answer.
    "test-host": async fn test_host(
        /// Which host.
        name: HostId,
    ) -> HostState {
        operations::present()?.test_host(name).await.map_err(operations::refuse)
    }
}
