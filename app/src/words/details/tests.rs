//! Notices, statistics and forms in words.

use memdeck_model::{Actor, GuestName, Inspection, Manifest, ProblemKind, Timestamp};
use serde_json::json;

use super::*;

fn record() -> Record {
    let at = Timestamp::from_unix_micros(0).unwrap();
    Record { format: Some("elf".to_owned()), ..Record::unknown(GuestName("web-01".into()), "1".into(), at) }
}

fn told(record: &Record, image: Option<&ImageFacts>) -> Vec<String> {
    notices(record, image).into_iter().map(|notice| format!("{}: {}", notice.title, notice.detail)).collect()
}

/// An image without anything in it.
fn inspection() -> Inspection {
    serde_json::from_value(json!({
        "path": "/dumps/web-01_a1.elf.zst", "stored_size_bytes": 1, "raw_size_bytes": 4, "compression_ratio": 0.25,
        "frames": 1, "zero_frames": null, "frame_bytes": 4, "memory_bytes": 4, "segments": [], "cpus": 1, "notes": [],
        "vmcoreinfo": null, "exports": [], "manifest": null, "manifest_problem": null,
    }))
    .unwrap()
}

/// The manifest of that image.
fn manifest() -> Manifest {
    serde_json::from_value(json!({
        "manifest_version": 1, "dump_id": "a1",
        "guest": {"name": "web-01", "uuid": "11051664-d6fd", "vmid": "7", "memory_bytes": 4},
        "host": "hv1", "hypervisor": {"uri": "qemu:///system", "libvirt_version": null, "qemu_version": null},
        "memdeck_version": "0.1.0", "requested_by": "page", "mode": "frozen", "started_at": record().timestamp,
        "finished_at": record().timestamp, "pause_ms": null, "case": null, "note": null, "format": "elf",
        "codec": "zstd", "frame_bytes": 4, "raw_size_bytes": 4, "stored_size_bytes": 1, "sha256": "aa",
        "file_sha256": "ff", "frames": {"total": 1, "zero": 0}, "segments": [],
    }))
    .unwrap()
}

#[test]
fn nothing_is_said_of_a_dump_that_is_as_it_should_be() {
    let image = ImageFacts::Inspected(Box::new(inspection()));
    assert_eq!(told(&record(), Some(&image)), Vec::<String>::new());
}

#[test]
fn a_guest_that_a_service_knows_by_name_only_is_marked_as_not_verified() {
    let of_three_calls = Record { format: None, ..record() };
    let notices = told(&of_three_calls, None);
    assert_eq!(notices.len(), 1);
    assert!(notices[0].starts_with("The guest was not verified: "), "{notices:?}");
    let of_another_tool = Record { foreign: Some(ForeignRow::Whole), ..of_three_calls };
    assert!(!of_another_tool.is_unverified(), "that says already that memdeck knows no more");
}

#[test]
fn a_deletion_says_who_and_when() {
    let at = record().timestamp;
    let deleted = |by: Option<Actor>| {
        let record = Record { deleted_at: Some(at), deleted_by: by, ..record() };
        notices(&record, None).remove(0)
    };
    let titles = [Some(Actor::Page), Some(Actor::Api), None].map(|by| deleted(by).title);
    assert_eq!(
        titles,
        ["The image was deleted on the page", "The image was deleted over REST", "The image was deleted"]
    );
    assert_eq!(deleted(None).at, Some(at));
}

#[test]
fn what_is_wrong_comes_before_what_is_to_be_known() {
    let record =
        Record { ok: false, encrypted: true, fallback: Some("the guest is paused".into()), ..record() };
    let gone = Problem::new(ProblemKind::Gone, "the file is not there");
    let alone = ImageFacts::ManifestAlone(Box::new(manifest()), gone);
    let common = [
        "The dump failed: Whatever was stored is not a complete image.",
        "Encrypted memory: The image is ciphertext: it cannot be analysed without the guest’s key.",
    ];
    let absent = "The image file is gone: The file is not there. The details below are from the record and the manifest.";
    let frozen = "Another mode than requested: Frozen, because the guest is paused.";
    assert_eq!(told(&record, Some(&alone)), [[absent].as_slice(), &common, &[frozen]].concat());

    let details = in_words(record.clone(), Some(Ok(alone.clone())));
    let why = details.unreadable.map(|problem| problem.detail.to_string());
    assert_eq!((why.as_deref(), details.problem), (Some("the file is not there"), None));
    let deleted = Record { deleted_at: Some(record.timestamp), ..record.clone() };
    assert_eq!(in_words(deleted, Some(Ok(alone))).unreadable, None, "that is what deleting means");

    let damaged = Inspection { manifest_problem: Some("it is damaged".into()), ..inspection() };
    let unclear = "Another mode than requested: Another mode, because the guest is paused.";
    let no_manifest = "No manifest: There is no usable manifest: it is damaged.";
    assert_eq!(
        told(&record, Some(&ImageFacts::Inspected(Box::new(damaged)))),
        [common.as_slice(), &[unclear, no_manifest]].concat()
    );
}

#[test]
fn the_classes_are_all_of_the_pages() {
    let pages = PageTotals { total: 21, zero: 1, uniform: 2, text: 3, sparse: 4, high_entropy: 5, binary: 6 };
    let map = PageMapFacts {
        file_blake3: String::new(),
        stored_size_bytes: ByteCount(1),
        page_bytes: ByteCount(4096),
        pages,
        mean_entropy_millibits: 0,
    };
    assert_eq!(page_statistics(&map).classes.iter().map(|class| class.pages).sum::<u64>(), pages.total);
}

#[test]
fn the_numbers_are_summed_up_in_a_sentence() {
    let pages = PageTotals { total: 131_072, zero: 114_294, ..PageTotals::default() };
    assert_eq!(
        summary(&pages, ByteCount(4096), 5_071),
        "131,072 pages of 4.00 KiB; 87.2 % hold only zeroes, the others 5.07 bits of entropy per byte on average."
    );
}

#[test]
fn what_a_form_leaves_out_is_summed_up() {
    let segment = |address: u64| {
        json!({"kind": "load", "address": address, "offset_bytes": 0, "file_bytes": 262_144,
            "memory_bytes": 262_144})
    };
    let omits = |segments: Vec<serde_json::Value>| {
        let export = json!({"format": "raw", "size_bytes": 1, "omitted": segments, "problem": null});
        omitted(&serde_json::from_value(export).unwrap())
    };
    assert_eq!(omits(Vec::new()), None);
    assert_eq!(
        omits(vec![segment(0xfffc_0000)]).as_deref(),
        Some("leaves out 256 KiB at 0xfffc0000: firmware or device memory")
    );
    assert_eq!(
        omits(vec![segment(0xe000_0000), segment(0xfffc_0000)]).as_deref(),
        Some("leaves out 512 KiB in 2 places from 0xe0000000 on: firmware or device memory")
    );
}

#[test]
fn of_a_deleted_image_nothing_more_is_asked_and_of_one_that_is_away_it_is_said() {
    let away = || Some(Err(Problem::new(ProblemKind::Unavailable, "no answer")));
    let told = in_words(record(), away());
    assert_eq!(
        (told.problem.unwrap(), told.forms),
        (Problem::new(ProblemKind::Unavailable, "no answer"), None)
    );
    let deleted = Record { deleted_at: Some(record().timestamp), ..record() };
    assert_eq!(in_words(deleted, away()).problem, None);
}

#[test]
fn a_record_that_was_changed_or_made_anew_is_no_witness_and_the_page_says_so() {
    let titles = |record: &Record| -> Vec<String> {
        notices(record, None).into_iter().map(|notice| notice.title).collect()
    };
    assert_eq!(titles(&Record { altered: true, ..record() }), ["The record was changed"]);
    let rebuilt = Record { rebuilt_at: Some(record().timestamp), ..record() };
    assert_eq!(titles(&rebuilt), ["The record was rebuilt"]);
}

#[test]
fn a_record_of_another_tool_is_marked_and_so_is_one_that_was_partly_understood() {
    let title = |foreign| notices(&Record { foreign: Some(foreign), ..record() }, None).remove(0).title;
    assert_eq!(title(ForeignRow::Whole), "Written by another tool");
    assert_eq!(title(ForeignRow::Partly), "Written by another tool, partly understood");
}
