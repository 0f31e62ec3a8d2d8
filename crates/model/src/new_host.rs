//! A host that an operator adds to a dashboard.

use serde::{Deserialize, Serialize};

use crate::{HostId, SentSecret};

/// A dump service that is to be one of the hosts from now on: `memdeck agent`, or another one that has its three calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewHost {
    /// What it is called here. No other host has this name, in capitals or not.
    pub name: HostId,
    /// Where it answers: an `http://` or `https://` URL without user name, password, query and fragment; `dial` for an agent that
    /// dials in.
    pub url: String,
    /// What it has as `MEMDECK_TOKEN`, or as `DASHBOARD_TOKEN` if it dials in; `None` where it takes requests without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SentSecret>,
    /// Certificates in PEM that sign its own, where the machine of the dashboard does not trust it anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl NewHost {
    /// The most bytes that `ca` may have.
    pub const MAX_CA_BYTES: usize = 64 * 1024;
    /// The most bytes that the URL and the token may have.
    pub const MAX_TEXT_BYTES: usize = 2048;
}
