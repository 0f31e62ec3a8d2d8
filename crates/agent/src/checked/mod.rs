//! What another service sends, brought into bounds before it is used: numbers into their ranges, texts to a length
//! and without control characters, instants not far ahead of this host's clock.

pub mod telemetry;

use memdeck_model::{
    Deletion, DumpStatus, EndReason, FrozenPause, Guest, GuestName, Millis, Readiness, Record, Timestamp,
    Verification, VmRef,
};

use crate::protocol::HostReport;

/// The longest sentence that is kept.
const MAX_SENTENCE_CHARS: usize = 2_000;
/// The longest path that is kept: `PATH_MAX`.
const MAX_PATH_CHARS: usize = 4_096;
/// The longest name, word or identifier that is kept.
const MAX_NAME_CHARS: usize = 255;
/// The longest reason for an end, as JSON.
const MAX_REASON_BYTES: usize = 8 << 10;
/// The most failed checks that are kept.
const MAX_CHECKS: usize = 10;
/// The most findings of a verification that are kept.
const MAX_FINDINGS: usize = 200;
/// The longest version that is shown.
const MAX_VERSION_CHARS: usize = 40;
/// How far a clock may be ahead of this one.
const MOST_AHEAD: Millis = Millis(24 * 60 * 60 * 1000);

/// A status that can be shown.
pub fn status(mut status: DumpStatus, now: Timestamp) -> DumpStatus {
    status.progress = if status.progress.is_finite() { status.progress.clamp(0.0, 100.0) } else { 0.0 };
    status.duration_sec = status.duration_sec.filter(|seconds| is_duration(*seconds));
    for instant in [&mut status.queued_at, &mut status.started_at, &mut status.finished_at] {
        *instant = instant.filter(|instant| !is_ahead(*instant, now));
    }
    shorten(&mut status.vm, MAX_NAME_CHARS);
    // Which host it is, whoever asked it knows better.
    status.host = None;
    status.message = status.message.bounded(MAX_SENTENCE_CHARS);
    shorten_if_any(&mut status.dump_path, MAX_PATH_CHARS);
    status.fallback = status.fallback.map(|reason| reason.bounded(MAX_SENTENCE_CHARS));
    if let Some(GuestName(name)) = &mut status.guest {
        shorten(name, MAX_NAME_CHARS);
    }
    status.guest_uuid = status.guest_uuid.filter(|uuid| is_uuid(uuid));
    if status.end_reason.as_ref().is_some_and(|reason| reason.to_json().len() > MAX_REASON_BYTES) {
        status.end_reason = Some(EndReason::Unknown);
    }
    if status.exact_state().is_final() {
        status.waits_for = None;
    }
    if let Some(bytes) = &mut status.bytes {
        bytes.bytes_done = bytes.bytes_done.min(bytes.bytes_expected);
    }
    status.record = status.record.map(|told| Box::new(record(*told, now)));
    status
}

/// A record that can be kept. One that says that it is from the future is from now.
pub fn record(mut record: Record, now: Timestamp) -> Record {
    if is_ahead(record.timestamp, now) {
        record.timestamp = now;
    }
    record.time = record.timestamp;
    shorten(&mut record.dom.0, MAX_NAME_CHARS);
    shorten(&mut record.vmid, MAX_NAME_CHARS);
    let is_sha256 = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    record.sha256 = record.sha256.filter(is_sha256);
    for hash in [&mut record.manifest_sha256, &mut record.digests_root] {
        *hash = hash.take().filter(is_sha256);
    }
    record.guest_uuid = record.guest_uuid.filter(|uuid| is_uuid(uuid));
    record.duration_sec = record.duration_sec.filter(|seconds| is_duration(*seconds));
    shorten_if_any(&mut record.dump_path, MAX_PATH_CHARS);
    for text in [&mut record.host, &mut record.format, &mut record.codec] {
        shorten_if_any(text, MAX_NAME_CHARS);
    }
    record.fallback = record.fallback.map(|reason| reason.bounded(MAX_SENTENCE_CHARS));
    for instant in [&mut record.point_in_time, &mut record.deleted_at] {
        *instant = instant.filter(|instant| !is_ahead(*instant, now));
    }
    record
}

/// A deletion that can be kept. One that says that it is from the future is from now.
pub fn deletion(mut deletion: Deletion, now: Timestamp) -> Deletion {
    if is_ahead(deletion.deleted_at, now) {
        deletion.deleted_at = now;
    }
    deletion
}

/// How a verification ended, as it can be kept. One that says that it is from the future is from now.
pub fn verification(mut told: Verification, now: Timestamp) -> Verification {
    for instant in [&mut told.started_at, &mut told.finished_at] {
        *instant = instant.map(|at| if is_ahead(at, now) { now } else { at });
    }
    told.findings.truncate(MAX_FINDINGS);
    for sentence in told.findings.iter_mut().chain(&mut told.error) {
        *sentence = std::mem::take(sentence).bounded(MAX_SENTENCE_CHARS);
    }
    told.in_short()
}

/// Guests that libvirt may have. A name is never altered, and one that no request can hold is no reason to leave its guest
/// out, whom its UUID names: libvirt allows a tab, for instance.
pub fn guests(guests: Vec<Guest>) -> Vec<Guest> {
    let can_be = |guest: &Guest| is_uuid(&guest.uuid) && (1..=VmRef::MAX_BYTES).contains(&guest.name.0.len());
    guests.into_iter().filter(can_be).map(|guest| Guest { host: None, ..guest }).collect()
}

/// What an agent says of itself, short.
pub fn report(mut told: HostReport) -> HostReport {
    shorten(&mut told.version, MAX_VERSION_CHARS);
    told
}

/// A pause limit and a rate that can be reckoned with; without a limit nothing can be said.
pub fn frozen_pause(told: FrozenPause) -> Option<FrozenPause> {
    let rate = told.bytes_per_s.filter(|rate| rate.0 > 0);
    (told.limit_ms.0 > 0).then_some(FrozenPause { bytes_per_s: rate, ..told })
}

/// What a service says of its readiness, short.
pub fn readiness(mut told: Readiness) -> Readiness {
    told.failed.truncate(MAX_CHECKS);
    for failed in &mut told.failed {
        failed.detail = std::mem::take(&mut failed.detail).bounded(MAX_SENTENCE_CHARS);
    }
    told
}

fn is_uuid(text: &str) -> bool {
    VmRef::new(text).is_ok_and(|vm| vm.as_uuid().is_some())
}

fn is_duration(seconds: f64) -> bool {
    seconds.is_finite() && seconds >= 0.0
}

fn is_ahead(instant: Timestamp, now: Timestamp) -> bool {
    instant > now && instant.since(now) > MOST_AHEAD
}

fn shorten(text: &mut String, most_chars: usize) {
    if text.chars().nth(most_chars).is_some() || text.chars().any(char::is_control) {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        *text = text.chars().take(most_chars).map(shown).collect();
    }
}

fn shorten_if_any(text: &mut Option<String>, most_chars: usize) {
    if let Some(text) = text {
        shorten(text, most_chars);
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::WaitsFor;

    use super::*;

    fn now() -> Timestamp {
        "2025-11-14T08:58:23Z".parse().unwrap()
    }

    fn told(fields: &serde_json::Value) -> DumpStatus {
        let mut json =
            serde_json::json!({"dump_id": "a", "vm": "web-01", "state": "running", "progress": 1.0});
        json.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        status(serde_json::from_value(json).unwrap(), now())
    }

    #[test]
    fn progress_and_bytes_of_a_service_stay_within_their_bounds() {
        let progress = |told_progress: f64| told(&serde_json::json!({"progress": told_progress})).progress;
        assert_eq!(
            [progress(-5.0), progress(45.5), progress(1e300)].map(|p| p.to_string()),
            ["0", "45.5", "100"]
        );
        let bytes =
            told(&serde_json::json!({"bytes": {"bytes_done": 9, "bytes_expected": 3}})).bytes.unwrap();
        assert_eq!(bytes.bytes_done.0, 3);
        assert_eq!(told(&serde_json::json!({"duration_sec": -1.0})).duration_sec, None);
    }

    #[test]
    fn what_a_dump_of_a_service_waits_for_is_passed_on_until_the_dump_has_ended() {
        let waits_for = |state: &str, told_word: &str| {
            told(&serde_json::json!({"state": state, "waits_for": told_word})).waits_for
        };
        assert_eq!(waits_for("running", "foreign_job"), Some(WaitsFor::ForeignJob));
        assert_eq!(waits_for("queued", "a newer word"), Some(WaitsFor::Unknown));
        assert_eq!(waits_for("completed", "room"), None);
    }

    #[test]
    fn texts_of_a_service_have_an_end_and_no_control_characters() {
        let status = told(&serde_json::json!({
            "message": format!("a\u{1b}[31m{}", "x".repeat(100_000)), "guest_uuid": "<b>", "guest": "a\nb",
        }));
        let shown = format!("a [31m{}", "x".repeat(MAX_SENTENCE_CHARS - 6));
        assert_eq!(status.message.to_string(), shown);
        assert_eq!((status.guest_uuid, status.guest.unwrap().0), (None, "a b".to_owned()));
    }

    #[test]
    fn a_guest_whose_name_no_request_can_hold_is_not_left_out_and_one_that_libvirt_cannot_have_is() {
        let guest = |name: &str, uuid: &str| -> Guest {
            serde_json::from_value(serde_json::json!({
                "id": 1, "name": name, "uuid": uuid, "state": "running", "vcpus": 1, "memory_max": 1, "memory": 1,
                "cpu_time_ns": 1,
            }))
            .unwrap()
        };
        let uuid = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11";
        let told = vec![guest("a\tb", uuid), guest("c", "c"), guest("", uuid), guest(&"x".repeat(256), uuid)];
        let names: Vec<String> = guests(told).into_iter().map(|guest| guest.name.0).collect();
        assert_eq!(names, ["a\tb"]);
        let chosen = memdeck_model::Target::chosen(&guest("a\tb", uuid)).unwrap();
        assert_eq!(chosen.vm.as_str(), uuid, "its UUID is sent");
    }

    #[test]
    fn what_happens_in_years_to_come_is_not_believed() {
        let later = "2031-01-01T00:00:00Z";
        let status = told(&serde_json::json!({"started_at": later, "queued_at": "2025-11-14T10:00:00Z"}));
        assert_eq!(status.started_at, None);
        assert!(status.queued_at.is_some(), "a clock may be wrong by an hour");
        let unknown = Record::unknown(GuestName("a".into()), String::new(), later.parse().unwrap());
        assert_eq!(record(unknown, now()).timestamp, now());
    }

    #[test]
    fn a_hash_that_is_none_is_unknown() {
        let told = Record {
            sha256: Some("<script>".into()),
            ..Record::unknown(GuestName("a".into()), String::new(), now())
        };
        assert_eq!(record(told, now()).sha256, None);
    }

    #[test]
    fn a_rate_of_nothing_is_none_and_without_a_limit_nothing_can_be_said() {
        let told = |limit: u64, rate: Option<u64>| FrozenPause {
            limit_ms: Millis(limit),
            bytes_per_s: rate.map(memdeck_model::ByteCount),
            measured_from: 3,
        };
        assert_eq!(frozen_pause(told(30_000, Some(7))), Some(told(30_000, Some(7))));
        assert_eq!(frozen_pause(told(30_000, Some(0))), Some(told(30_000, None)));
        assert_eq!(frozen_pause(told(0, Some(7))), None);
    }
}
