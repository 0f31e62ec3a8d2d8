//! Reading what the event stream carries.

use memdeck_model::Event;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The event names the stream uses, without the keep-alive.
pub const KINDS: [&str; 7] = ["dump", "record", "verification", "guests", "service", "hypervisor", "storage"];

/// The name of the event that says nothing but that the stream is alive.
pub const KEEP_ALIVE: &str = "ping";

/// The name of the first event of a connection.
pub const START: &str = "start";

/// Whether a connection whose first event has this content goes on where the last one ended.
pub fn is_resumed(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Start {
        resumed: bool,
    }
    from_json(data).is_some_and(|start: Start| start.resumed)
}

/// As the answers to calls are read: a reader of text would be linked for every type beside that of bytes.
fn from_json<T: DeserializeOwned>(data: &str) -> Option<T> {
    serde_json::from_slice(data.as_bytes()).ok()
}

/// The event named `kind` whose content is the JSON `data`; `None` where this page does not understand it (a newer
/// server).
pub fn read(kind: &str, data: &str) -> Option<Event> {
    match kind {
        "dump" => from_json(data).map(Event::Dump),
        "record" => from_json(data).map(Event::Record),
        "verification" => from_json(data).map(Event::Verification),
        "guests" => from_json(data).map(Event::Guests),
        "service" => from_json(data).map(Event::Service),
        "hypervisor" => from_json(data).map(Event::Hypervisor),
        "storage" => from_json(data).map(Event::Storage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ServiceHealth, Verification};
    use serde_json::Value;

    use super::*;

    /// What the server puts on the wire for `event`: its name and its content.
    fn written(event: &Event) -> (&'static str, String) {
        let Value::Object(mut tagged) = serde_json::to_value(event).unwrap() else { panic!("not an object") };
        (event.kind(), tagged.remove("data").unwrap().to_string())
    }

    #[test]
    fn what_the_server_writes_is_read() {
        let service = ServiceHealth::of("local", Some("it is down".into()));
        for event in [
            Event::Verification(Box::new(Verification::none("a1".parse().unwrap()))),
            Event::Guests(Vec::new()),
            Event::Service(service),
            Event::Hypervisor(None),
            Event::Hypervisor(Some("no connection".into())),
            Event::Storage(Some("no room".into())),
        ] {
            let (kind, data) = written(&event);
            assert!(KINDS.contains(&kind));
            assert_eq!(read(kind, &data), Some(event));
        }
    }

    #[test]
    fn a_stream_goes_on_only_if_the_server_says_so() {
        assert!(is_resumed(r#"{"resumed":true}"#));
        assert!(!is_resumed(r#"{"resumed":false}"#));
        assert!(!is_resumed("{}"));
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        assert_eq!(read("dump", "{"), None);
        assert_eq!(read("dump", "{}"), None);
        assert_eq!(read("weather", "null"), None);
    }
}
