//! What only the catalog's record can find.

use memdeck_model::{Millis, Record};

use super::*;
use crate::testing::record_of;

/// What is told, the edit, and whether the record has the field too.
type Edit = (&'static str, fn(&mut serde_json::Value), bool);

fn held(path: &Path, record: &Record) -> VerifyReport {
    let mut report = check(path);
    compare_with_record(&mut report, record);
    report
}

fn edit(sealed: &Sealed, change: impl FnOnce(&mut serde_json::Value)) {
    let mut manifest = serde_json::from_slice(&fs::read(&sealed.manifest).unwrap()).unwrap();
    change(&mut manifest);
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap();
    text.push(b'\n');
    fs::write(&sealed.manifest, text).unwrap();
}

/// Puts the five files of one dump into the place of another's.
fn put_in_place(of: &Sealed, by: &Sealed) {
    let files = |sealed: &Sealed| {
        let (page_map, digests) = companions(sealed);
        [sealed.image.clone(), sealed.manifest.clone(), sealed.checksum.clone(), page_map, digests]
    };
    for (to, from) in files(of).into_iter().zip(files(by)) {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn an_image_that_agrees_with_its_record_is_intact_and_says_so() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let record = record_of(&sealed);
    assert_eq!(check(&sealed.image).record, RecordCheck::NotChecked);
    let report = held(&sealed.image, &record);
    assert_eq!(
        (report.verdict, report.record, sentences(&report)),
        (Verdict::Intact, RecordCheck::Agrees, vec![])
    );
    let rebuilt = Record { rebuilt_at: Some(record.timestamp), ..record.clone() };
    assert_eq!(held(&sealed.image, &rebuilt).record, RecordCheck::Rebuilt);
    let mut sampled = verify_sample(&sealed.image, NonZero::new(1).unwrap(), &mut silent).unwrap();
    compare_with_record(&mut sampled, &record);
    assert_eq!((sampled.verdict, sampled.record), (Verdict::Sampled, RecordCheck::Agrees));
}

#[test]
fn the_files_of_another_dump_in_the_place_of_a_dump_are_found_whatever_id_they_claim() {
    let lab = Lab::new();
    let (sealed, other) = (small(&lab), lab.store_other(&core(&noise(9, 5 * 4096))));
    let record = record_of(&sealed);
    put_in_place(&sealed, &other);
    for edited in [false, true] {
        if edited {
            edit(&sealed, |manifest| {
                manifest["dump_id"] = record.dump_id.as_ref().unwrap().as_str().into();
                manifest["guest"]["name"] = record.dom.0.as_str().into();
            });
        }
        assert_eq!(check(&sealed.image).verdict, Verdict::Intact, "the files agree with each other");
        let report = held(&sealed.image, &record);
        assert_eq!((report.verdict, report.record), (Verdict::Damaged, RecordCheck::Differs));
        let told = sentences(&report).join("\n");
        for part in ["the SHA-256 of the image is", "the manifest was changed or exchanged: its SHA-256 is"] {
            assert!(told.contains(part), "{told}");
        }
    }
}

#[test]
fn an_edit_of_guest_times_who_pause_or_note_in_the_manifest_is_found() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let record = record_of(&sealed);
    let original = fs::read(&sealed.manifest).unwrap();
    let edits: [Edit; 9] = [
        ("guest in the manifest is db-09", |m| m["guest"]["name"] = "db-09".into(), true),
        ("id of the guest in the manifest is 8", |m| m["guest"]["vmid"] = "8".into(), true),
        ("host in the manifest is kvm-b", |m| m["host"] = "kvm-b".into(), true),
        (
            "beginning of the dump in the manifest is",
            |m| m["started_at"] = "2024-01-01T00:00:00Z".into(),
            true,
        ),
        ("pause in the manifest, in milliseconds, is 0", |m| m["pause_ms"] = 0.into(), true),
        ("note in the manifest is harmless", |m| m["note"] = "harmless".into(), true),
        ("mode in the manifest is live", |m| m["mode"] = "live".into(), true),
        // What the record does not have, the manifest's hash has.
        ("the manifest was changed or exchanged", |m| m["requested_by"] = "nobody".into(), false),
        (
            "the manifest was changed or exchanged",
            |m| m["finished_at"] = "2024-01-01T00:00:00Z".into(),
            false,
        ),
    ];
    for (sentence, change, is_shared) in edits {
        fs::write(&sealed.manifest, &original).unwrap();
        edit(&sealed, change);
        let report = held(&sealed.image, &record);
        assert_eq!(report.verdict, Verdict::Damaged, "{sentence}");
        assert!(sentences(&report).join("\n").contains(sentence), "{sentence}: {:?}", sentences(&report));
        // The record of a version that did not keep the hash knows what it has.
        let older = Record { manifest_sha256: None, digests_root: None, ..record.clone() };
        let report = held(&sealed.image, &older);
        let expected = if is_shared { RecordCheck::Differs } else { RecordCheck::AgreesWithoutManifest };
        assert_eq!(report.record, expected, "{sentence}: {:?}", sentences(&report));
    }
}

#[test]
fn a_manifest_that_says_the_same_in_other_bytes_is_not_the_one_that_was_sealed() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let record = record_of(&sealed);
    damage(&sealed.manifest, |text| text.push(b'\n'));
    assert_eq!(check(&sealed.image).verdict, Verdict::Intact);
    assert_eq!(held(&sealed.image, &record).verdict, Verdict::Damaged);
}

#[test]
fn a_record_that_something_else_changed_is_no_witness() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let record = Record { altered: true, ..record_of(&sealed) };
    let report = held(&sealed.image, &record);
    assert_eq!((report.verdict, report.record), (Verdict::Damaged, RecordCheck::Differs));
    assert!(sentences(&report)[0].starts_with("the catalog's record of this dump was changed"));
    let wrong = Record { pause_ms: Some(Millis(1)), ..record_of(&sealed) };
    let told = sentences(&held(&sealed.image, &wrong));
    assert_eq!(told, ["the pause in the manifest, in milliseconds, is 412, but the catalog's record says 1"]);
}

#[test]
fn text_beside_the_digest_in_the_checksum_file_is_found() {
    let lab = Lab::new();
    let sealed = small(&lab);
    damage(&sealed.checksum, |text| text.extend(b"0123"));
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    assert!(sentences(&report)[0].contains("something else in it was changed"));
}
