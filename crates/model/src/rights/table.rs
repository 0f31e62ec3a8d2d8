//! The one table of permissions: every call of both services and every event, with what it needs. Tests of the server hold
//! that no route and no server function is missing. What is missing all the same needs every permission.
//!
//! Where a call does several things, this is the least it needs; the use case asks for more where it begins something.

use super::{Need, Permission};
use crate::Event;

use Need::{BeingHost, BeingKnown, May, Nothing};
use Permission::{
    Cancel, Collect, Configure, Delete, Dump, ManageUsers, ReadAudit, ReadMemory, ReadMetrics, Verify, View,
};

/// A method, the path as it is routed, and what it needs.
type Call = (&'static str, &'static str, Need);

/// REST calls, forms and streams of the dashboard.
pub const DASHBOARD_CALLS: &[Call] = &[
    ("GET", "/api/agents/dial", BeingHost),
    // And to see dumps: the use case asks for both.
    ("GET", "/api/custody", May(ReadAudit)),
    ("GET", "/api/events", May(View)),
    ("GET", "/api/frozen-pause", May(View)),
    ("GET", "/api/guests", May(View)),
    // Figures; of processes only for who may read memory: the use case leaves them out.
    ("GET", "/api/guests/{vm}/timeline", May(View)),
    ("GET", "/api/holds", May(View)),
    ("POST", "/api/holds", May(Delete)),
    ("POST", "/api/holds/{id}/lift", May(Delete)),
    // What is looked for, and the bytes around what was found, are memory or as good as it.
    ("GET", "/api/hunts", May(ReadMemory)),
    ("POST", "/api/hunts", May(ReadMemory)),
    ("GET", "/api/hunts/{id}", May(ReadMemory)),
    ("DELETE", "/api/hunts/{id}", May(ReadMemory)),
    ("POST", "/api/hunts/{id}/cancel", May(ReadMemory)),
    ("GET", "/api/hunts/{id}/hits", May(ReadMemory)),
    ("GET", "/api/hunts/{id}/hits.csv", May(ReadMemory)),
    ("GET", "/api/hosts", May(View)),
    ("POST", "/api/hosts", May(Configure)),
    ("DELETE", "/api/hosts/{name}", May(Configure)),
    ("POST", "/api/hosts/{name}/drain", May(Configure)),
    ("POST", "/api/hosts/{name}/test", May(View)),
    ("POST", "/api/hosts/{name}/undrain", May(Configure)),
    ("POST", "/api/memory-dumps/cancel/{dump_id}", May(Cancel)),
    ("GET", "/api/memory-dumps/export.csv", May(View)),
    // Figures of pages, as an inspection has them; no byte of memory.
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}", May(View)),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/inside", May(ReadMemory)),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/map", May(View)),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/pages", May(ReadMemory)),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/pages/{address}", May(ReadMemory)),
    ("GET", "/api/memory-dumps/{dump_id}/custody", May(ReadAudit)),
    ("GET", "/api/memory-dumps/records", May(View)),
    ("GET", "/api/memory-dumps/stats", May(View)),
    ("GET", "/api/memory-dumps/status", May(View)),
    ("GET", "/api/memory-dumps/status/{vm}", May(View)),
    ("GET", "/api/memory-dumps/trends", May(View)),
    ("POST", "/api/memory-dumps/trigger", May(Dump)),
    ("GET", "/api/retention", May(View)),
    ("PUT", "/api/retention", May(Configure)),
    ("POST", "/api/retention/preview", May(View)),
    ("POST", "/api/schedule-preview", May(View)),
    ("GET", "/api/schedules", May(View)),
    ("POST", "/api/schedules", May(Configure)),
    ("DELETE", "/api/schedules/{name}", May(Configure)),
    ("GET", "/api/schedules/{name}", May(View)),
    ("PUT", "/api/schedules/{name}", May(Configure)),
    ("GET", "/api/schedules/{name}/next", May(View)),
    ("POST", "/api/schedules/{name}/pause", May(Configure)),
    ("POST", "/api/schedules/{name}/resume", May(Configure)),
    ("POST", "/api/schedules/{name}/run", May(Dump)),
    ("GET", "/api/schedules/{name}/runs", May(View)),
    ("GET", "/api/notifications/log", May(Configure)),
    ("POST", "/api/notifications/log/{id}/retry", May(Configure)),
    ("GET", "/api/notifications/rules", May(Configure)),
    ("POST", "/api/notifications/rules", May(Configure)),
    ("DELETE", "/api/notifications/rules/{id}", May(Configure)),
    ("GET", "/api/notifications/targets", May(Configure)),
    ("POST", "/api/notifications/targets", May(Configure)),
    ("DELETE", "/api/notifications/targets/{name}", May(Configure)),
    ("PUT", "/api/notifications/targets/{name}", May(Configure)),
    ("POST", "/api/notifications/targets/{name}/test", May(Configure)),
    ("POST", "/api/sign-in-links", May(ManageUsers)),
    ("GET", "/api/telemetry/config", May(View)),
    ("GET", "/api/telemetry/diagnostic", May(Collect)),
    ("GET", "/api/telemetry/live-vms", May(View)),
    ("GET", "/api/telemetry/monitored-vms", May(View)),
    ("GET", "/api/telemetry/series/{uuid}", May(View)),
    ("POST", "/api/telemetry/start", May(Collect)),
    ("GET", "/api/telemetry/status", May(View)),
    ("POST", "/api/telemetry/stop", May(Collect)),
    ("GET", "/api/telemetry/vm-stats/{vm_id}", May(View)),
    ("GET", "/api/telemetry/vm-telemetry", May(View)),
    ("GET", "/api/telemetry/vms", May(View)),
    ("GET", "/api/me", BeingKnown),
    ("POST", "/api/me/password", BeingKnown),
    ("GET", "/api/sessions", BeingKnown),
    ("DELETE", "/api/sessions/{id}", BeingKnown),
    ("GET", "/api/tokens", May(ManageUsers)),
    ("POST", "/api/tokens", May(ManageUsers)),
    ("DELETE", "/api/tokens/{name}", May(ManageUsers)),
    ("GET", "/api/groups", May(ManageUsers)),
    ("POST", "/api/groups", May(ManageUsers)),
    ("PUT", "/api/groups/{name}", May(ManageUsers)),
    ("DELETE", "/api/groups/{name}", May(ManageUsers)),
    ("GET", "/api/users", May(ManageUsers)),
    ("POST", "/api/users", May(ManageUsers)),
    ("PATCH", "/api/users/{name}", May(ManageUsers)),
    ("DELETE", "/api/users/{name}", May(ManageUsers)),
    ("GET", "/sign-in", Nothing),
    ("POST", "/sign-in", Nothing),
    ("GET", "/sign-in.js", Nothing),
    ("GET", "/sign-in/oidc", Nothing),
    ("GET", "/sign-in/oidc/callback", Nothing),
    ("POST", "/sign-out", Nothing),
];

/// Calls that both services have.
const COMMON_CALLS: &[Call] = &[
    // Records go with it, as images do with a deletion.
    ("GET", "/api/archives", May(Delete)),
    ("POST", "/api/archives", May(Delete)),
    ("POST", "/api/archives/preview", May(Delete)),
    ("GET", "/api/audit", May(ReadAudit)),
    ("GET", "/api/audit/export.csv", May(ReadAudit)),
    ("GET", "/api/audit/export.jsonl", May(ReadAudit)),
    ("GET", "/api/audit/verify", May(ReadAudit)),
    ("GET", "/api/memory-dumps/{dump_id}", May(View)),
    ("DELETE", "/api/memory-dumps/{dump_id}", May(Delete)),
    ("GET", "/api/memory-dumps/{dump_id}/image", May(ReadMemory)),
    // What a guest had in its memory, whoever reads it.
    ("GET", "/api/memory-dumps/{dump_id}/inside", May(ReadMemory)),
    ("POST", "/api/memory-dumps/{dump_id}/inside", May(ReadMemory)),
    ("GET", "/api/memory-dumps/{dump_id}/inspect", May(View)),
    ("GET", "/api/memory-dumps/{dump_id}/manifest", May(View)),
    ("GET", "/api/memory-dumps/{dump_id}/verify", May(View)),
    ("POST", "/api/memory-dumps/{dump_id}/verify", May(Verify)),
    ("GET", "/api/openapi.json", BeingKnown),
    ("GET", "/api/signing-keys", May(View)),
    ("POST", "/api/signing-keys/rotate", May(Configure)),
    ("GET", "/healthz", Nothing),
    ("GET", "/metrics", May(ReadMetrics)),
    ("GET", "/readyz", Nothing),
];

/// Calls of an agent, beside those that both services have.
pub const AGENT_CALLS: &[Call] = &[
    ("GET", "/api/capabilities", BeingKnown),
    ("GET", "/api/deletions", May(View)),
    ("GET", "/api/dumps", May(View)),
    ("POST", "/api/dumps", May(Dump)),
    ("POST", "/api/dumps/{dump_id}/cancel", May(Cancel)),
    ("GET", "/api/dumps/{vm}", May(View)),
    ("GET", "/api/frozen-pause", May(View)),
    ("GET", "/api/guests", May(View)),
    ("GET", "/api/host", May(View)),
    ("GET", "/api/records", May(View)),
    // A try writes a point.
    ("GET", "/api/telemetry/diagnosis", May(Collect)),
    ("GET", "/api/telemetry/guests", May(View)),
    ("GET", "/api/telemetry/report", May(View)),
    ("GET", "/api/telemetry/series/{uuid}", May(View)),
    ("POST", "/api/telemetry/start", May(Collect)),
    ("POST", "/api/telemetry/stop", May(Collect)),
    ("GET", "/api/telemetry/values", May(View)),
    ("GET", "/api/verifications", May(View)),
];

/// What the page calls, `POST /api/ui/NAME`.
pub const PAGE_CALLS: &[(&str, Need)] = &[
    ("activity", May(View)),
    ("add-notice-rule", May(Configure)),
    ("add-notice-target", May(Configure)),
    ("change-notice-target", May(Configure)),
    ("deliveries", May(Configure)),
    ("notice-rules", May(Configure)),
    ("notice-targets", May(Configure)),
    ("remove-notice-rule", May(Configure)),
    ("remove-notice-target", May(Configure)),
    ("retry-delivery", May(Configure)),
    ("test-notice-target", May(Configure)),
    ("add-hold", May(Delete)),
    ("add-host", May(Configure)),
    ("add-group", May(ManageUsers)),
    ("add-user", May(ManageUsers)),
    ("api-tokens", May(ManageUsers)),
    ("cancel", May(Cancel)),
    ("cancel-hunt", May(ReadMemory)),
    ("change-group", May(ManageUsers)),
    ("change-password", BeingKnown),
    ("change-user", May(ManageUsers)),
    ("audit", May(ReadAudit)),
    ("check-audit", May(ReadAudit)),
    ("collector", May(View)),
    ("collectors", May(View)),
    ("compare", May(View)),
    ("compare-inside", May(ReadMemory)),
    ("compare-page", May(ReadMemory)),
    ("delete-image", May(Delete)),
    ("details", May(View)),
    ("diagnose-telemetry", May(Collect)),
    ("drain-host", May(Configure)),
    ("dumps", May(View)),
    ("end-session", BeingKnown),
    ("groups", May(ManageUsers)),
    ("guests", May(View)),
    ("holds", May(View)),
    ("hosts", May(View)),
    ("hunt", May(ReadMemory)),
    ("hunt-hits", May(ReadMemory)),
    ("hunts", May(ReadMemory)),
    ("inside", May(ReadMemory)),
    ("last-dumps", May(View)),
    ("make-token", May(ManageUsers)),
    ("me", BeingKnown),
    ("overview", May(View)),
    ("lift-hold", May(Delete)),
    ("pause-schedule", May(Configure)),
    ("preview-retention", May(View)),
    ("preview-schedule", May(View)),
    ("record-hosts", May(View)),
    ("records", May(View)),
    ("remove-group", May(ManageUsers)),
    ("remove-host", May(Configure)),
    ("remove-hunt", May(ReadMemory)),
    ("remove-schedule", May(Configure)),
    ("request-hunt", May(ReadMemory)),
    ("retention", May(View)),
    ("remove-user", May(ManageUsers)),
    ("revoke-token", May(ManageUsers)),
    ("run-collector", May(Collect)),
    ("run-schedule", May(Dump)),
    ("save-retention", May(Configure)),
    ("save-schedule", May(Configure)),
    ("schedule-runs", May(View)),
    ("schedules", May(View)),
    ("series", May(View)),
    ("session", BeingKnown),
    ("sessions", BeingKnown),
    ("test-host", May(View)),
    ("timeline", May(View)),
    ("trends", May(View)),
    ("trigger", May(Dump)),
    ("users", May(ManageUsers)),
    // Begins one, where it is asked to: the use case asks for `Verify`.
    ("verification", May(View)),
];

/// Where a call that does not exist is answered as such.
pub(super) const UNKNOWN: [&str; 2] = ["/api", "/api/{*rest}"];

/// One of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `memdeck serve`
    Dashboard,
    /// `memdeck agent`
    Agent,
}

impl Service {
    /// What the table says of a call by its method and its path as it is routed. `HEAD` needs what `GET` needs.
    #[must_use]
    pub fn named_need(self, method: &str, path: &str) -> Option<Need> {
        let method = if method == "HEAD" { "GET" } else { method };
        if UNKNOWN.contains(&path) {
            return Some(BeingKnown);
        }
        if let Some(name) = path.strip_prefix("/api/ui/") {
            let is_ours = self == Self::Dashboard && method == "POST";
            return PAGE_CALLS.iter().find(|(call, _)| is_ours && *call == name).map(|(_, need)| *need);
        }
        let own = match self {
            Self::Dashboard => DASHBOARD_CALLS,
            Self::Agent => AGENT_CALLS,
        };
        let mut calls = own.iter().chain(COMMON_CALLS);
        calls.find(|(its_method, its_path, _)| *its_method == method && *its_path == path).map(|call| call.2)
    }

    /// What a call needs. Under `/api` and of `/metrics` what is not named needs everything; elsewhere are the page's files.
    #[must_use]
    pub fn need(self, method: &str, path: &str) -> Need {
        let is_guarded = path == "/api" || path.starts_with("/api/") || path == "/metrics";
        let unnamed = if is_guarded { Need::Everything } else { Nothing };
        self.named_need(method, path).unwrap_or(unnamed)
    }

    /// Every call that the table names: method and path.
    pub fn calls(self) -> impl Iterator<Item = (&'static str, String, Need)> {
        let (own, page) = match self {
            Self::Dashboard => (DASHBOARD_CALLS, PAGE_CALLS),
            Self::Agent => (AGENT_CALLS, &[][..]),
        };
        let named =
            own.iter().chain(COMMON_CALLS).map(|(method, path, need)| (*method, (*path).to_owned(), *need));
        named.chain(page.iter().map(|(name, need)| ("POST", format!("/api/ui/{name}"), *need)))
    }
}

impl Event {
    /// What somebody needs to be told.
    #[must_use]
    pub const fn need(&self) -> Need {
        match self {
            Self::Dump(_)
            | Self::Record(_)
            | Self::Verification(_)
            | Self::Guests(_)
            | Self::Service(_)
            | Self::Hypervisor(_)
            | Self::Storage(_)
            | Self::Import(_)
            | Self::Hosts(_)
            | Self::Sample(_)
            | Self::Summaries(_) => May(View),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rights, Role};

    #[test]
    fn no_call_is_named_twice() {
        for service in [Service::Dashboard, Service::Agent] {
            let mut calls: Vec<_> = service.calls().map(|(method, path, _)| (method, path)).collect();
            let named = calls.len();
            calls.sort();
            calls.dedup();
            assert_eq!(calls.len(), named);
            for (method, path, need) in service.calls() {
                assert_eq!(service.need(method, &path), need, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_nobody_named_needs_everything() {
        for path in ["/api/new", "/api/ui/new", "/api/memory-dumps/{dump_id}/new"] {
            let need = Service::Dashboard.need("POST", path);
            assert_eq!(need, Need::Everything, "{path}");
            assert!(need.is_met_by(Rights::ALL) && !need.is_met_by(Role::Analyst.rights()));
        }
        assert_eq!(Service::Dashboard.need("PUT", "/metrics"), Need::Everything);
        assert_eq!(Service::Agent.need("POST", "/api/ui/records"), Need::Everything);
        assert_eq!(Service::Dashboard.need("GET", "/memdeck.css"), Nothing);
    }

    #[test]
    fn to_ask_for_the_head_of_an_image_is_to_read_it() {
        let path = "/api/memory-dumps/{dump_id}/image";
        assert_eq!(Service::Dashboard.need("HEAD", path), May(ReadMemory));
        assert_eq!(Service::Agent.need("GET", path), May(ReadMemory));
    }
}
