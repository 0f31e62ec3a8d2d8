//! What the server sends to an open page.

use serde::{Deserialize, Serialize};

use crate::telemetry::{LiveSample, LiveSummary};
use crate::{Capabilities, DumpStatus, ForeignImport, Guest, HostState, Message, Record, Verification};

/// Whether the service that takes dumps answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Its URL, or `local`.
    pub service: String,
    /// Why it does not answer; `None` while it does.
    pub error: Option<Message>,
    /// What is wrong with its answers; `None` if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Message>,
    /// What it can do.
    #[serde(default = "everything", skip_serializing_if = "is_everything")]
    pub capabilities: Capabilities,
}

impl ServiceHealth {
    /// Of a service that can do everything.
    #[must_use]
    pub fn of(service: &str, error: Option<Message>) -> Self {
        Self { service: service.to_owned(), error, warning: None, capabilities: Capabilities::ALL }
    }
}

fn everything() -> Capabilities {
    Capabilities::ALL
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_everything(capabilities: &Capabilities) -> bool {
    *capabilities == Capabilities::ALL
}

/// One change. On the wire: the SSE event's name is the kind, its data the content as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "lowercase")]
pub enum Event {
    /// A dump was accepted, moved on or ended.
    Dump(Box<DumpStatus>),
    /// A record was added to the catalog, or changed because its image was deleted.
    Record(Box<Record>),
    /// A verification of an image began, moved on or ended; without the whole report.
    Verification(Box<Verification>),
    /// The hypervisor's guests, after one of them changed.
    Guests(Vec<Guest>),
    /// The dump service went away or came back.
    Service(ServiceHealth),
    /// The hypervisor went away (with the reason) or came back (without).
    Hypervisor(Option<Message>),
    /// Images or records cannot be stored on this host (with the reason), or can again (without).
    Storage(Option<Message>),
    /// Rows that other tools wrote into InfluxDB were read, all of them have been, or none can be now.
    Import(ForeignImport),
    /// How the hosts stand, after one of them changed; only where there are several.
    Hosts(Vec<HostState>),
    /// The newest values of a guest that the page watches. Not kept: a page that misses one waits for the next.
    Sample(Box<LiveSample>),
    /// The newest values of all guests in short. Not kept.
    Summaries(Vec<LiveSummary>),
}

impl Event {
    /// What [`Self::kind`] returns, of every kind.
    pub const KINDS: [&'static str; 11] = [
        "dump",
        "record",
        "verification",
        "guests",
        "service",
        "hypervisor",
        "storage",
        "import",
        "hosts",
        "sample",
        "summaries",
    ];

    /// The name of the feed's first event on a connection. It says whether the feed goes on where it broke off.
    pub const START: &'static str = "start";

    /// The name of the event that says nothing but that the feed is alive.
    pub const KEEP_ALIVE: &'static str = "ping";

    /// Reads the content of an event of this kind; `None` if this version does not understand it.
    #[must_use]
    pub fn read(kind: &str, json: &[u8]) -> Option<Self> {
        match kind {
            "dump" => from_json(json).map(Self::Dump),
            "record" => from_json(json).map(Self::Record),
            "verification" => from_json(json).map(Self::Verification),
            "guests" => from_json(json).map(Self::Guests),
            "service" => from_json(json).map(Self::Service),
            "hypervisor" => from_json(json).map(Self::Hypervisor),
            "storage" => from_json(json).map(Self::Storage),
            "import" => from_json(json).map(Self::Import),
            "hosts" => from_json(json).map(Self::Hosts),
            "sample" => from_json(json).map(Self::Sample),
            "summaries" => from_json(json).map(Self::Summaries),
            _ => None,
        }
    }

    /// The SSE event name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dump(_) => "dump",
            Self::Record(_) => "record",
            Self::Verification(_) => "verification",
            Self::Guests(_) => "guests",
            Self::Service(_) => "service",
            Self::Hypervisor(_) => "hypervisor",
            Self::Storage(_) => "storage",
            Self::Import(_) => "import",
            Self::Hosts(_) => "hosts",
            Self::Sample(_) => "sample",
            Self::Summaries(_) => "summaries",
        }
    }
}

fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SAMPLE: &str = r#"{
        "uuid": "00000000-0000-4000-8000-000000000001", "name": "web-01", "id": 1, "state": "running",
        "at": "2025-11-14T08:58:23Z", "age_ms": 0, "stale": false, "partial": false, "memory_max": 1024,
        "totals": {"cputime": 5}, "rates": {"net_rxbytes": 2.5}, "cpu_pct": 1.5, "cpu_user_pct": null,
        "cpu_system_pct": null, "memory_pct": null, "degrees": {}, "devices": []
    }"#;

    /// What the server puts on the wire for `event`: its name and its content.
    fn written(event: &Event) -> (&'static str, String) {
        let Value::Object(mut tagged) = serde_json::to_value(event).unwrap() else { panic!("not an object") };
        (event.kind(), tagged.remove("data").unwrap().to_string())
    }

    #[test]
    fn what_the_server_writes_is_read() {
        let status = r#"{"dump_id": "a1", "vm": "web-01", "state": "running", "progress": 1.0}"#;
        let record =
            Record::unknown(crate::GuestName("web-01".into()), "1".into(), std::time::UNIX_EPOCH.into());
        let events = [
            Event::Dump(serde_json::from_str(status).unwrap()),
            Event::Record(Box::new(record)),
            Event::Verification(Box::new(Verification::none("a1".parse().unwrap()))),
            Event::Guests(Vec::new()),
            Event::Service(ServiceHealth::of("local", Some("it is down".into()))),
            Event::Hypervisor(Some("no connection".into())),
            Event::Storage(None),
            Event::Import(ForeignImport { rows_read: 7, ..ForeignImport::default() }),
            Event::Hosts(Vec::new()),
            Event::Sample(Box::new(serde_json::from_str(SAMPLE).unwrap())),
            Event::Summaries(vec![LiveSummary::from(&serde_json::from_str::<LiveSample>(SAMPLE).unwrap())]),
        ];
        assert_eq!(events.each_ref().map(Event::kind), Event::KINDS);
        for event in events {
            let (kind, json) = written(&event);
            assert_eq!(Event::read(kind, json.as_bytes()), Some(event));
        }
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        assert_eq!(Event::read("dump", b"{"), None);
        assert_eq!(Event::read("dump", b"{}"), None);
        assert_eq!(Event::read("weather", b"null"), None);
    }
}
