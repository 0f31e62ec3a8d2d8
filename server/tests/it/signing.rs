//! The keys of a host over HTTP, and what a verification says of a signature.

use axum::http::StatusCode;
use memdeck_signing::{KeyFiles, KnownKeys, PublicKey};
use serde_json::{Value, json};

use crate::support::{TestApp, answer, get, post};

const KEYS: &str = "/api/signing-keys";

/// The verification of an image, when it has ended.
async fn verified(app: &TestApp, dump_id: &str) -> Value {
    let path = format!("/api/memory-dumps/{dump_id}/verify");
    assert_eq!(answer(&app.dashboard, post(&path, "{}")).await.0, StatusCode::ACCEPTED);
    loop {
        let (_, verification) = answer(&app.dashboard, get(&path)).await;
        if verification["state"] == "finished" {
            return verification;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_key_and_the_end_of_the_chain_are_there_for_everybody_who_may_look() {
    let app = TestApp::start();
    let (_, image) = app.dumped("web-01").await;
    for router in [&app.dashboard, &app.agent] {
        let (status, told) = answer(router, get(KEYS)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let key = &told["keys"][0];
        assert_eq!((&key["signs"], told["keys"].as_array().unwrap().len()), (&true.into(), 1));
        assert!(key.get("path").is_none(), "where files are is nobody's business: {told}");
        let pem = key["public_key"].as_str().unwrap();
        let public = PublicKey::from_pem(pem.as_bytes()).unwrap();
        let mut report = memdeck_image::verify(&image, &mut |_| {}).unwrap();
        memdeck_image::check_signature(&mut report, &KnownKeys::demanded(vec![public]));
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!(told["chain"]["number"], 1);
        assert_eq!(told["chain"]["manifest_sha256"], report.manifest_sha256.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_exchanged_while_dumps_are_taken_and_the_audit_says_by_whom() {
    let app = TestApp::start();
    let (first, _) = app.dumped("web-01").await;
    let body = json!({"by": "ada"}).to_string();
    let (status, rotated) = answer(&app.agent, post("/api/signing-keys/rotate", &body)).await;
    assert_eq!(status, StatusCode::OK, "{rotated}");
    let (second, _) = app.dumped("db-01").await;
    for (dump_id, key) in [(first, &rotated["before"]), (second, &rotated["key"]["id"])] {
        let verification = verified(&app, &dump_id).await;
        assert_eq!(verification["verdict"], "intact", "{verification}");
        assert_eq!(verification["report"]["signature"], json!({"state": "valid", "key": key}));
    }
    let (_, audit) = answer(&app.dashboard, get("/api/audit?action=signing_key_rotated")).await;
    let rows = audit["entries"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{audit}");
    assert_eq!(rows[0]["object"], json!({"kind": "signing_key"}));
    assert_eq!(rows[0]["details"]["before"], rotated["before"]);
    assert_eq!((&rows[0]["result"], &rows[1]["result"]), (&"succeeded".into(), &"begun".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_finds_a_signature_that_is_not_one_of_the_manifest() {
    let app = TestApp::start();
    let (dump_id, image) = app.dumped("web-01").await;
    let signature = image.to_str().unwrap().replace(".elf.zst", ".json.sig");
    let mut bytes = std::fs::read(&signature).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&signature, bytes).unwrap();
    let verification = verified(&app, &dump_id).await;
    assert_eq!(verification["verdict"], "damaged", "{verification}");
    assert_eq!(verification["report"]["signature"]["state"], "wrong");
    let keys = KeyFiles::of(app.dir.path());
    std::fs::remove_dir_all(keys.public_keys()).unwrap();
    let verification = verified(&app, &dump_id).await;
    assert_eq!(verification["report"]["signature"]["state"], "unknown_key", "{verification}");
}
