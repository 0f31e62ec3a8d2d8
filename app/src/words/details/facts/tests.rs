//! Every fact in words.

use memdeck_model::GuestName;
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_micros(second * 1_000_000).unwrap()
}

fn unknown() -> Record {
    Record::unknown(GuestName("web-01".into()), String::new(), at(0))
}

/// The facts of an image with everything.
fn image() -> ImageFacts {
    let inspection = serde_json::from_value(json!({
        "path": "/dumps/web-01_a1.elf.zst", "compression_ratio": 0.25, "frames": 4, "zero_frames": 3,
        "frame_bytes": 1_048_576, "segments": [], "notes": [], "vmcoreinfo": null,
        "stored_size_bytes": 1_048_576, "raw_size_bytes": 4_194_304, "memory_bytes": 4_194_304, "cpus": 2,
        "exports": [], "manifest_problem": null,
        "manifest": {
            "manifest_version": 1, "dump_id": "a1",
            "guest": {"name": "web-01", "uuid": "11051664-d6fd", "vmid": "7", "memory_bytes": 4_194_304,
                "domain_xml_sha256": "dd", "os_banner": "Linux version 6.1"},
            "host": "hv1", "host_kernel": "6.1.0-30",
            "host_clock": {"synchronised": true, "estimated_error_us": 600, "maximum_error_us": 12_001},
            "hypervisor": {"uri": "qemu:///system", "libvirt_version": "9.0.0", "qemu_version": "QEMU 7.2.22"},
            "memdeck_version": "0.1.0", "requested_by": "page", "mode": "frozen",
            "started_at": at(0), "finished_at": at(2), "pause_ms": 620,
            "capture": {"fallback": "the guest is paused", "missing": ["CPU registers of vCPU 1"],
                "omitted": [{"name": "vga.vram", "bytes": 16_777_216}], "pause_source": "hypervisor_clock",
                "job_downtime_ms": 590},
            "case": null, "note": null, "format": "elf", "codec": "zstd", "frame_bytes": 1_048_576,
            "raw_size_bytes": 4_194_304, "stored_size_bytes": 1_048_576, "sha256": "aa", "file_sha256": "ff",
            "frames": {"total": 4, "zero": 3}, "frame_digests": {"root": "bb"}, "page_map": null,
            "segments": [
                {"kind": "note", "address": 0, "offset_bytes": 0, "file_bytes": 1024, "memory_bytes": 0},
                {"kind": "load", "address": 4_294_705_152_u64, "offset_bytes": 0, "file_bytes": 262_144,
                    "memory_bytes": 262_144},
            ],
        },
    }));
    ImageFacts::Inspected(inspection.unwrap())
}

fn values(groups: &[Group], title: &str) -> Vec<String> {
    let group = groups.iter().find(|group| group.title == title).unwrap();
    let value = |value: &Value| match value {
        Value::Text(text) | Value::Code(text) | Value::Copied(text) => text.clone(),
        Value::Instant(instant) => instant.to_string(),
        Value::Lines(lines) => lines.join(" / "),
        Value::Unknown => "?".to_owned(),
    };
    group.facts.iter().map(|fact| format!("{}: {}", fact.name, value(&fact.value))).collect()
}

#[test]
fn of_a_record_that_tells_little_the_rest_is_unknown_and_nothing_is_made_up() {
    let groups = groups(&unknown(), None);
    assert_eq!(values(&groups, "Guest"), ["Name: web-01", "VM ID: ?"]);
    assert_eq!(
        values(&groups, "Capture"),
        ["Mode: ?", "Began: 1970-01-01T00:00:00.000000Z", "Took: ?", "Host: ?"]
    );
    assert_eq!(values(&groups, "Pause"), ["Guest stopped for: ?"]);
    assert_eq!(values(&groups, "File"), ["Path: ?", "Stored size: ?", "Image size: ?"]);
    assert_eq!(values(&groups, "Hashes"), ["SHA-256 of the image: ?"]);
}

#[test]
fn the_manifest_tells_what_the_record_does_not() {
    let image = image();
    let groups = groups(&Record { sha256: Some("aa".into()), ..unknown() }, Some(&image));
    assert_eq!(
        values(&groups, "Guest")[2..],
        [
            "UUID: 11051664-d6fd",
            "Memory: 4.00 MiB",
            "CPU registers: of 2 CPUs",
            "System, from its banner in memory: Linux version 6.1",
        ]
    );
    assert_eq!(
        values(&groups, "Capture"),
        [
            "Mode: frozen: the guest was stopped while it was read",
            "Began: 1970-01-01T00:00:00.000000Z",
            "Image complete: 1970-01-01T00:00:02.000000Z",
            "Took: ?",
            "Requested: on the page",
            "Host: hv1",
            "Host kernel: 6.1.0-30",
            "Host clock: synchronised; off by about 600 µs, at most 13 ms",
            "Hypervisor: qemu:///system · libvirt 9.0.0 · QEMU 7.2.22",
            "Taken by: memdeck 0.1.0",
            "Left out, not guest RAM: vga.vram, 16.0 MiB",
            "Missing in the image: CPU registers of vCPU 1",
        ]
    );
    assert_eq!(
        values(&groups, "Pause"),
        [
            "Guest stopped for: 620 ms",
            "Measured by: the hypervisor’s own clock",
            "By the hypervisor’s own statistics: 590 ms"
        ]
    );
    assert_eq!(
        values(&groups, "File")[1..],
        [
            "Stored size: 1.00 MiB (1,048,576 bytes)",
            "Image size: 4.00 MiB (4,194,304 bytes)",
            "Compressed to: 25.0 %",
            "Frames: 4 of up to 1.00 MiB; 3 of zeroes only",
            "Segments: 1.00 KiB of notes / 256 KiB at 0xfffc0000",
        ]
    );
    assert_eq!(
        values(&groups, "Hashes"),
        [
            "SHA-256 of the image: aa",
            "SHA-256 of the stored file: ff",
            "SHA-256 of the manifest: not recorded by the version that took the dump",
            "BLAKE3 root of the frames: bb",
            "SHA-256 of the domain XML: dd"
        ]
    );
}

#[test]
fn another_hash_in_the_manifest_is_shown_beside_that_of_the_record() {
    let image = image();
    let groups = groups(&Record { sha256: Some("ee".into()), ..unknown() }, Some(&image));
    assert_eq!(
        values(&groups, "Hashes")[..2],
        ["SHA-256 of the image: ee", "SHA-256 in the manifest, which differs: aa"]
    );
}

#[test]
fn the_hash_of_the_manifest_is_told_as_the_record_has_it() {
    let record = Record { manifest_sha256: Some("ab".into()), ..unknown() };
    assert_eq!(values(&groups(&record, None), "Hashes")[1..], ["SHA-256 of the manifest: ab"]);
}

#[test]
fn who_signed_and_which_dump_of_its_host_it_is_stands_there_or_why_not() {
    let signed = |signed: serde_json::Value| {
        let ImageFacts::Inspected(mut inspection) = image() else { unreachable!() };
        let mut manifest = serde_json::to_value(inspection.manifest.take()).unwrap();
        manifest.as_object_mut().unwrap().extend(signed.as_object().unwrap().clone());
        inspection.manifest = serde_json::from_value(manifest).unwrap();
        values(&groups(&unknown(), Some(&ImageFacts::Inspected(inspection))), "Hashes").pop().unwrap()
    };
    let place = json!({"id": "0f", "number": 1200, "previous": "aa"});
    assert_eq!(
        signed(json!({"signed_by": "0123456789abcdef", "host_chain": place})),
        "Signed: by key 0123456789abcdef; number 1,200 of this host’s dumps"
    );
    assert_eq!(signed(json!({"unsigned_because": "not signed: no key"})), "Signed: not signed: no key");
    assert_eq!(signed(json!({})), "SHA-256 of the domain XML: dd", "an older version did not sign");
}

#[test]
fn times_sizes_and_remarks_of_the_record_are_told() {
    let record = Record {
        vmid: "7".into(),
        mode: Some(CaptureMode::Live),
        pause_ms: Some(Millis(13)),
        iterations: Some(1_234),
        dirty_bytes_per_s: Some(ByteCount::from_mib(8)),
        mtime: Some(1),
        encrypted: true,
        case: "IR-17".parse().ok(),
        note: "Beacons".parse().ok(),
        format: Some("elf".into()),
        codec: Some("zstd".into()),
        ..unknown()
    };
    let groups = groups(&record, None);
    assert_eq!(values(&groups, "Guest"), ["Name: web-01", "VM ID: 7", "Case: IR-17", "Note: Beacons"]);
    assert_eq!(
        values(&groups, "Capture")[4..],
        ["Encryption: of the guest’s memory: the image is ciphertext"]
    );
    assert_eq!(
        values(&groups, "Pause"),
        ["Guest stopped for: 13 ms", "Passes over the memory: 1,234", "Guest changed meanwhile: 8.00 MiB/s"]
    );
    assert_eq!(
        values(&groups, "File")[3..],
        ["Format: ELF in zstd", "File modified: 1970-01-01T00:00:01.000000Z"]
    );
}

#[test]
fn a_clock_is_believed_as_far_as_the_kernel_does() {
    let told = |synchronised| clock(HostClock { synchronised, ..HostClock::default() });
    assert_eq!(
        [Some(true), Some(false), None].map(told),
        ["synchronised", "not known to be synchronised", "unknown: the kernel does not report it"]
    );
}

#[test]
fn a_difference_names_the_dump_that_it_is_one_to() {
    let record = Record { difference_of: Some("a0".parse().unwrap()), ..unknown() };
    assert!(values(&groups(&record, None), "File").contains(&"Stored as a difference to: a0".to_owned()));
    assert!(!values(&groups(&unknown(), None), "File").iter().any(|fact| fact.contains("difference")));
}
