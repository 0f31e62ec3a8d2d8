//! The first event of a connection.

use serde::Deserialize;

#[derive(Deserialize)]
struct Start {
    resumed: bool,
}

/// Whether a connection whose first event has this content goes on where the last one ended.
pub fn is_resumed(data: &str) -> bool {
    // From bytes, as the answers to calls are read: a reader of text would be linked beside that of bytes.
    serde_json::from_slice(data.as_bytes()).is_ok_and(|start: Start| start.resumed)
}

#[cfg(test)]
mod tests {
    use memdeck_model::Event;

    use super::is_resumed;

    #[test]
    fn a_stream_goes_on_only_if_the_server_says_so() {
        assert!(is_resumed(r#"{"resumed":true}"#));
        assert!(!is_resumed(r#"{"resumed":false}"#));
        assert!(!is_resumed("{}"));
    }

    #[test]
    fn the_shared_worker_listens_to_every_kind_of_event() {
        let kinds = format!("const KINDS = ['{}'];", Event::KINDS.join("', '"));
        assert!(include_str!("../../../public/events.js").contains(&kinds), "{kinds}");
    }
}
