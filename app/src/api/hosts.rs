//! The page's calls about hosts.

use memdeck_model::{HostId, HostList, HostState, NewHost};

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

    /// Adds a host; how it stands then.
    ///
    /// # Errors
    /// It cannot be one, another has its name or URL, or the server does not answer.
    "add-host": async fn add_host(
        /// Its name, and where it answers.
        host: NewHost,
    ) -> HostState {
        operations::present()?.add_host(host).await.map_err(operations::refuse)
    }

    /// Removes a host that was added; the hosts that are left.
    ///
    /// # Errors
    /// There is no such host, the configuration names it, or the server does not answer.
    "remove-host": async fn remove_host(
        /// Which host.
        name: HostId,
    ) -> HostList {
        operations::present()?.remove_host(name).await.map_err(operations::refuse)
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
