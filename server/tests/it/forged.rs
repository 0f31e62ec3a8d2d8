//! Memory that was changed and compressed anew, in files that agree with each other: whatever reads an image holds it against
//! what was recorded. Exports are in `images.rs`.

use std::path::Path;

use axum::http::StatusCode;
use memdeck_image::{ExportFormat, read_manifest};
use memdeck_model::ByteCount;
use serde_json::json;

use crate::images::{exported, forged};
use crate::inside::reached;
use crate::support::{TestApp, answer, get, post};

const MIB: usize = 1 << 20;

/// Where a byte of the image is in the guest's memory.
fn address_of(stored: &Path, at: usize) -> u64 {
    let at = u64::try_from(at).unwrap();
    let segments = read_manifest(stored).unwrap().unwrap().manifest.segments;
    let holding = segments.iter().find_map(|segment| {
        let into = at.checked_sub(segment.offset_bytes.0)?;
        (into < segment.file_bytes.0).then_some(segment.address.0 + into)
    });
    holding.expect("a byte of memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_was_changed_and_compressed_anew_is_not_compared_not_searched_and_not_read_inside() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (sound, _) = app.dumped("mail-01").await;
    let (changed, stored) = app.dumped("mail-01").await;
    let elf = exported(&stored, ExportFormat::Elf);
    let (at, bytes) = forged(&stored, &elf);
    std::fs::write(&stored, bytes).unwrap();

    let page = address_of(&stored, at) & !0xfff;
    let bytes_of = async |first: &str, second: &str| {
        let path = format!("/api/memory-dumps/{first}/compare/{second}/pages/{page}");
        answer(&app.dashboard, get(&path)).await
    };
    let (status, told) = bytes_of(&sound, &sound).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    for (first, second) in [(&sound, &changed), (&changed, &sound), (&changed, &changed)] {
        let (status, told) = bytes_of(first, second).await;
        assert_eq!(status, StatusCode::CONFLICT, "{told}");
        assert!(told["detail"].as_str().unwrap().contains("is not the one that was recorded"), "{told}");
    }

    // Of what is in the frame nothing is evidence, also where it is as it was.
    let frame = at / MIB * MIB;
    let mut words = (frame..frame + MIB).step_by(4096).filter_map(|page| elf.get(page + 8..page + 24));
    let word = words.find(|word| word.iter().any(|byte| *byte != 0)).expect("a page that is not zeroes");
    let word = word.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    let hunt = json!({"patterns": [word], "kind": "bytes", "dump_ids": [&changed]});
    let (status, hunt) = answer(&app.dashboard, post("/api/hunts", &hunt.to_string())).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{hunt}");
    while app.operations.hunt_round().await.unwrap() {}
    let path = format!("/api/hunts/{}", hunt["id"].as_str().unwrap());
    let hunt = answer(&app.dashboard, get(&path)).await.1;
    assert_eq!(hunt["hits"], 0, "{hunt}");
    let problem = hunt["dumps"][0]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("is not the one that was recorded"), "{hunt}");

    let asked = answer(&app.dashboard, post(&format!("/api/memory-dumps/{changed}/inside"), "{}")).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED, "{}", asked.1);
    let failed = reached(&app.dashboard, &changed, &["failed"]).await;
    assert_eq!(failed["problem"]["kind"], "image", "{failed}");
    let message = failed["problem"]["message"].as_str().unwrap();
    assert!(message.contains("is not the one that was recorded"), "{failed}");
}
