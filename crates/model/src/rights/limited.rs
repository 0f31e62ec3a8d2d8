//! What somebody may call who sees only some guests.
//!
//! Every call that is not named here is refused to them, so that a new call shows nothing of other guests by accident: it is
//! named when it leaves them out, and then tests ask it as two groups that must not notice each other.

use super::{Need, Permission, Rights, Service};

use Permission::{Cancel, Delete, Dump, ReadMemory, Verify, View};

/// Calls of the dashboard that leave out guests beyond the caller's reach.
const LIMITED_CALLS: &[(&str, &str)] = &[
    ("GET", "/api/events"),
    ("GET", "/api/guests"),
    ("GET", "/api/guests/{vm}/timeline"),
    ("GET", "/api/holds"),
    ("GET", "/api/hunts"),
    ("POST", "/api/hunts"),
    ("GET", "/api/hunts/{id}"),
    ("DELETE", "/api/hunts/{id}"),
    ("POST", "/api/hunts/{id}/cancel"),
    ("GET", "/api/hunts/{id}/hits"),
    ("GET", "/api/hunts/{id}/hits.csv"),
    ("POST", "/api/memory-dumps/cancel/{dump_id}"),
    ("GET", "/api/memory-dumps/export.csv"),
    ("GET", "/api/memory-dumps/records"),
    ("GET", "/api/memory-dumps/stats"),
    ("GET", "/api/memory-dumps/status"),
    ("GET", "/api/memory-dumps/status/{vm}"),
    ("GET", "/api/memory-dumps/trends"),
    ("POST", "/api/memory-dumps/trigger"),
    ("GET", "/api/memory-dumps/{dump_id}"),
    ("DELETE", "/api/memory-dumps/{dump_id}"),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}"),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/inside"),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/map"),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/pages"),
    ("GET", "/api/memory-dumps/{dump_id}/compare/{other_id}/pages/{address}"),
    ("GET", "/api/memory-dumps/{dump_id}/image"),
    ("GET", "/api/memory-dumps/{dump_id}/inside"),
    ("POST", "/api/memory-dumps/{dump_id}/inside"),
    ("GET", "/api/memory-dumps/{dump_id}/inspect"),
    ("GET", "/api/memory-dumps/{dump_id}/manifest"),
    ("GET", "/api/memory-dumps/{dump_id}/verify"),
    ("POST", "/api/memory-dumps/{dump_id}/verify"),
    ("GET", "/api/me"),
    ("POST", "/api/me/password"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/sessions"),
    ("DELETE", "/api/sessions/{id}"),
    ("GET", "/api/telemetry/live-vms"),
    ("GET", "/api/telemetry/monitored-vms"),
    ("GET", "/api/telemetry/series/{uuid}"),
    ("GET", "/api/telemetry/vm-stats/{vm_id}"),
    ("GET", "/api/telemetry/vm-telemetry"),
    ("GET", "/api/telemetry/vms"),
];

/// The same of what the page calls, `POST /api/ui/NAME`.
const LIMITED_PAGE_CALLS: &[&str] = &[
    "activity",
    "cancel",
    "cancel-hunt",
    "change-password",
    "compare",
    "compare-inside",
    "compare-page",
    "delete-image",
    "details",
    "dumps",
    "end-session",
    "guests",
    "holds",
    "hunt",
    "hunt-hits",
    "hunts",
    "inside",
    "last-dumps",
    "me",
    "overview",
    "record-hosts",
    "records",
    "remove-hunt",
    "request-hunt",
    "series",
    "session",
    "sessions",
    "timeline",
    "trends",
    "trigger",
    "verification",
];

impl Rights {
    /// What can be done to some guests without a word about the others.
    pub const OF_LIMITED: Self = Self::of(&[View, Dump, Cancel, Verify, ReadMemory, Delete]);
}

impl Service {
    /// Whether somebody may make a call who sees only some guests. What needs nothing says nothing of guests.
    #[must_use]
    pub fn is_open_to_limited(self, method: &str, path: &str) -> bool {
        if self.need(method, path) == Need::Nothing || super::table::UNKNOWN.contains(&path) {
            return true;
        }
        // An agent has no accounts: whoever calls it is its dashboard.
        if self == Self::Agent {
            return false;
        }
        let method = if method == "HEAD" { "GET" } else { method };
        match path.strip_prefix("/api/ui/") {
            Some(name) => method == "POST" && LIMITED_PAGE_CALLS.contains(&name),
            None => LIMITED_CALLS.contains(&(method, path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_to_limited_callers_is_a_call_that_they_may_have_the_rights_for() {
        for (method, path) in LIMITED_CALLS {
            let need = Service::Dashboard.named_need(method, path).expect(path);
            assert!(need.is_met_by(Rights::OF_LIMITED), "{method} {path}");
        }
        for name in LIMITED_PAGE_CALLS {
            let path = format!("/api/ui/{name}");
            let need = Service::Dashboard.named_need("POST", &path).expect(name);
            assert!(need.is_met_by(Rights::OF_LIMITED), "{name}");
        }
    }

    #[test]
    fn what_nobody_named_is_closed() {
        let dashboard = Service::Dashboard;
        assert!(!dashboard.is_open_to_limited("GET", "/api/new"));
        assert!(!dashboard.is_open_to_limited("POST", "/api/ui/new"));
        assert!(!dashboard.is_open_to_limited("GET", "/metrics"));
        assert!(!dashboard.is_open_to_limited("GET", "/api/ui/guests"), "only as it is routed");
        assert!(!Service::Agent.is_open_to_limited("GET", "/api/guests"));
        assert!(dashboard.is_open_to_limited("GET", "/healthz") && dashboard.is_open_to_limited("GET", "/"));
        assert!(dashboard.is_open_to_limited("HEAD", "/api/guests"));
    }
}
