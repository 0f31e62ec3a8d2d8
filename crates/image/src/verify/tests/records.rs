//! The manifest and the checksum file beside an image.

use std::fs;

use memdeck_model::Manifest;

use super::{check, sentences};
use crate::format::manifest::{ManifestFile, manifest_to_json};
use crate::testing::{Lab, core};
use crate::verify::*;

#[test]
fn records_that_are_missing_leave_an_image_unconfirmed() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::remove_file(&sealed.manifest).unwrap();
    fs::remove_file(&sealed.checksum).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Unconfirmed);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "there is no manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json: nobody can say whether these are the bytes that were captured",
      "there is no checksum file web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.sha256"
    ]
    "#);
}

#[test]
fn records_that_cannot_be_read_are_told_from_records_that_are_missing() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::write(&sealed.manifest, "{}").unwrap();
    fs::write(&sealed.checksum, "hello").unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "the manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json is of no use: the manifest is damaged: missing field `manifest_version` at line 1 column 2",
      "the checksum file web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.sha256 is of no use: it does not begin with a SHA-256"
    ]
    "#);
}

#[test]
fn the_manifest_of_another_image_is_recognised() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(b"memory"));
    let foreign = other.store(&core(b"other memory"));
    fs::copy(&foreign.manifest, &sealed.manifest).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "the manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json describes another image (dump 0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11 of guest web-01)"
    ]
    "#);
}

#[test]
fn an_altered_manifest_is_told_by_the_value_that_differs() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    let manifest = ManifestFile::read(&sealed.manifest).unwrap().manifest;
    let altered = Manifest { raw_size_bytes: ByteCount(1), stored_size_bytes: ByteCount(2), ..manifest };
    fs::write(&sealed.manifest, manifest_to_json(&altered).unwrap()).unwrap();
    let sentences = sentences(&check(&sealed.image));
    assert!(sentences[0].contains("more than the 2 that the manifest says"), "{sentences:?}");
    assert!(sentences[1].contains("the size of the image is 206, but the manifest says 1"), "{sentences:?}");
    assert_eq!(sentences.len(), 2);
}

#[test]
fn a_checksum_file_of_other_bytes_is_told() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::write(&sealed.checksum, format!("{}  -\n", "0".repeat(64))).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    let [Finding::ChecksumMismatch { recorded, .. }] = report.findings.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(recorded, &"0".repeat(64));
}
