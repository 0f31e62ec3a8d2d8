//! The words that cross the wire: what is read is written and read again unchanged, and keeps its limits.
#![no_main]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::str::FromStr;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_model::{
    CaptureMode, Day, Deletion, DumpId, DumpStatus, Event, Guest, HostName, Record, RecordColumn,
    RecordFilter, RecordPage, RecordQuery, RecordSort, Remark, SearchText, ServiceStatus, SortOrder, Stats,
    Timestamp, TriggerRequest, Verification, Vm, VmRef,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const TRIGGER: &str = r#"{"vm_ids": ["web-01", 7, "7"], "vms": [" db-01 "], "mode": "live", "pause_budget_ms": 50,
    "case": "IR-2025-17", "note": "first line\nsecond line", "accept_encrypted": true}"#;
const STATUS: &str = r#"{"dump_id": "a1", "vm": "web-01", "state": "running", "progress": 45.5, "message": "m",
    "started_at": "2025-11-14T08:58:23.550273Z", "finished_at": null, "dump_path": null, "duration_sec": 1.25,
    "job_state": "running", "guest": "web-01", "bytes": {"bytes_done": 1, "bytes_expected": 2}, "pause_ms": 3,
    "mode": "live", "fallback": "why", "live": {"iteration": 1, "dirty_bytes_per_s": 2}}"#;
const RECORD: &str = r#"{"timestamp": "2025-11-14T08:58:23.550273Z", "time": "2025-11-14T08:58:23.550273Z",
    "dom": "web-01", "vmid": "7", "sha256": "00", "duration_sec": 4.567, "gzip_size_bytes": 5, "ctime": 1,
    "mtime": -1, "atime": 2, "dump_path": "/d/web-01_a1.elf.zst", "dump_id": "a1", "host": "kvm-a",
    "mode": "frozen", "pause_ms": 6, "raw_size_bytes": 7, "format": "elf", "codec": "zstd", "ok": true}"#;
const GUEST: &str = r#"{"id": 7, "name": "web-01", "uuid": "u", "state": "no state", "vcpus": 1, "memory_max": 2,
    "memory": 3, "cpu_time_ns": 4}"#;
const OTHERS: [&str; 8] = [
    r#"{"total_dumps": 42, "total_vms": 5, "total_size_bytes": 1, "avg_duration_sec": 4.567, "last_dump": null}"#,
    r#"{"records": [], "count": 0, "limit": 10, "offset": 0, "total": 0}"#,
    r#"{"service": "local", "status": "ok", "active_dumps": {}, "last_trigger": null, "error": null,
        "timestamp": "2025-11-14T08:58:23Z"}"#,
    r#"{"kind": "hypervisor", "data": "it is down"}"#,
    r#"{"id": -1, "name": "a", "uuid": "u", "state": "running", "cpu_count": 1, "memory_max": 1, "memory_used": 1,
        "cputime": 1}"#,
    r#"{"dump_id": "a1", "state": "finished", "started_at": "2025-11-14T08:58:23Z", "finished_at": null,
        "bytes_done": 1, "bytes_expected": 2, "verdict": "intact", "findings": [], "error": null, "report": {}}"#,
    r#"{"filter": {"search": "web", "from": "2025-11-14T08:58:23Z", "to": "2025-11-15T00:00:00Z", "state": "failed",
        "host": "kvm-a", "mode": "live"}, "sort": {"by": "dom", "order": "asc"}, "limit": 25, "offset": 50}"#,
    r#"{"dump_id": "a1", "deleted_at": "2025-11-14T08:58:23Z", "deleted_by": "ada"}"#,
];
const TEXTS: [&str; 6] = [
    "2025-11-14T08:58:23.550273Z",
    "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11",
    " web-01 ",
    "007",
    "2024-02-29",
    "gzip_size_bytes",
];

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(json: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&value).expect("a value as JSON");
    let read: T = serde_json::from_slice(&written).expect("its own JSON");
    assert_eq!(read, value);
    Some(value)
}

fn text_round_trip<T: FromStr + ToString + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string().parse().ok().as_ref(), Some(&value));
    Some(value)
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    match data.arbitrary::<u8>().unwrap_or_default() % 6 {
        0 => trigger(&damaged(&mut data, &[TRIGGER.as_bytes()])),
        1 => drop(round_trip::<DumpStatus>(&damaged(&mut data, &[STATUS.as_bytes()]))),
        2 => drop(round_trip::<Record>(&damaged(&mut data, &[RECORD.as_bytes()]))),
        3 => {
            let json = damaged(&mut data, &[GUEST.as_bytes()]);
            if let Some(guest) = round_trip::<Guest>(&json) {
                let vm = serde_json::to_vec(&Vm::from(guest)).expect("a VM as JSON");
                assert!(round_trip::<Vm>(&vm).is_some());
            }
        }
        4 => {
            let json = damaged(&mut data, &OTHERS.map(str::as_bytes));
            round_trip::<Stats>(&json);
            round_trip::<RecordPage>(&json);
            round_trip::<ServiceStatus>(&json);
            round_trip::<Event>(&json);
            round_trip::<Vm>(&json);
            round_trip::<Verification>(&json);
            round_trip::<Deletion>(&json);
            round_trip::<RecordQuery>(&json);
        }
        _ => {
            let (limit, offset) = data.arbitrary::<(Option<i64>, Option<i64>)>().unwrap_or_default();
            let (filter, sort) = (RecordFilter::default(), RecordSort::default());
            let query = RecordQuery::from_request(filter, sort, limit, offset);
            assert!((1..=RecordQuery::DEFAULT_LIMIT).contains(&query.limit));
            if let Ok(text) = std::str::from_utf8(&damaged(&mut data, &TEXTS.map(str::as_bytes))) {
                texts(text);
            }
        }
    }
});

fn trigger(json: &[u8]) {
    let Some(request) = round_trip::<TriggerRequest>(json) else { return };
    let Ok(targets) = request.targets() else { return };
    assert!((1..=1000).contains(&targets.len()));
    assert_eq!(targets.iter().collect::<BTreeSet<_>>().len(), targets.len(), "each guest once");
    for target in &targets {
        let text = target.as_str();
        assert!((1..=VmRef::MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control));
        assert_eq!(VmRef::new(text).as_ref(), Ok(target));
    }
}

fn texts(text: &str) {
    if let Some(id) = text_round_trip::<DumpId>(text) {
        assert!(id.as_str().len() <= 64 && !id.as_str().contains(['/', '.', '\\', '%', '\0']));
    }
    if let Some(at) = text_round_trip::<Timestamp>(text) {
        assert_eq!(Timestamp::from_unix_micros(at.unix_micros()).ok(), Some(at));
    }
    if let Ok(vm) = VmRef::new(text) {
        assert_eq!(VmRef::new(vm.as_str()), Ok(vm.clone()));
        assert!(vm.as_id().is_none_or(|_| vm.as_str().bytes().all(|byte| byte.is_ascii_digit())));
    }
    if let Some(day) = text_round_trip::<Day>(text) {
        assert!((1970..=9998).contains(&day.parts().0) && day < day.next(), "{day}");
        let length_s = day.next().start_utc().unix_seconds() - day.start_utc().unix_seconds();
        assert_eq!(length_s, 24 * 60 * 60, "{day}");
    }
    if let Ok(search) = text.parse::<SearchText>() {
        assert!((1..=SearchText::MAX_CHARS).contains(&search.as_str().chars().count()));
        assert_eq!(search.as_str().parse().as_ref(), Ok(&search));
    }
    if let Ok(host) = text.parse::<HostName>() {
        assert_eq!(host.as_str(), text);
    }
    if let Ok(column) = text.parse::<RecordColumn>() {
        assert_eq!(column.as_str(), text);
    }
    let words =
        [text.parse::<CaptureMode>().map(CaptureMode::as_str).ok(), text.parse().map(SortOrder::as_str).ok()];
    assert!(words.into_iter().flatten().all(|word| word == text));
    if let Ok(remark) = text.parse::<Remark>() {
        assert!(remark.as_str().chars().count() <= Remark::MAX_CHARS);
    }
}
