//! The dashboard that an agent dials.

use super::{Setting, secret, setting};

pub const DASHBOARD_URL: Setting = setting(
    "dashboard.url",
    &["DASHBOARD_URL"],
    "unset: dashboards call this agent where it listens",
    "Dashboard that an agent dials, to be called over that connection, e.g. https://memdeck.example",
);
pub const DASHBOARD_TOKEN: Setting = secret(
    "dashboard.token",
    &["DASHBOARD_TOKEN"],
    "Token that an agent sends when it dials, and that it is called with then: the one that this host has in the dashboard, 16 characters or more",
);
pub const DASHBOARD_CA: Setting = setting(
    "dashboard.ca",
    &["DASHBOARD_CA"],
    "unset: whom this machine trusts",
    "File with the certificates that sign the one of the dashboard (PEM)",
);
