//! Images that are stored as differences, through the program and over REST.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use memdeck_catalog::{LockHolder, LockRole, StateLock};
use serde_json::{Value, json};

use crate::images::{exported, image};
use crate::support::front::Listening;
use crate::support::program::memdeck;
use crate::support::{TestApp, answer, delete, get, post, text};

/// A dump that may be stored as a difference, asked for over REST.
async fn differ(app: &TestApp) -> Value {
    app.clock.advance(Duration::from_mins(1));
    let request = json!({"vm_ids": ["web-01"], "mode": "frozen", "difference": true});
    let (status, asked) =
        answer(&app.dashboard, post("/api/memory-dumps/trigger", &request.to_string())).await;
    assert_eq!(status, StatusCode::OK, "{asked}");
    let record = app.ended(1).await.remove(0).record.expect("the dump succeeds");
    serde_json::to_value(record).unwrap()
}

fn id(record: &Value) -> &str {
    record["dump_id"].as_str().unwrap()
}

fn path(record: &Value) -> PathBuf {
    record["dump_path"].as_str().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_taken_verified_exported_and_deleted_by_the_program() {
    let app = TestApp::start();
    let listening = Listening::with(app.dashboard.clone()).await;
    let url = Some(format!("http://{}/", listening.address));
    let holder =
        LockHolder { pid: std::process::id(), role: LockRole::Serve, url, token_in_state_dir: false };
    let _lock = StateLock::acquire(app.dir.path(), &holder).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = memdeck(app.dir.path());
        command.args(arguments).env("STATE_DIR", app.dir.path()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let mut dumps = Vec::new();
    for _ in 0..2 {
        app.clock.advance(Duration::from_mins(1));
        let (code, stdout, stderr) =
            run(&["dump", "db-01", "--mode", "frozen", "--difference", "--json"]).await;
        assert_eq!(code, Some(0), "{stderr}");
        let told: Value = serde_json::from_str(&stdout).unwrap();
        dumps.push(told["dumps"][0]["record"].clone());
        app.hypervisor.change_byte("db-01", 5000);
    }
    let [full, difference] = &dumps[..] else { panic!("{dumps:?}") };
    assert_eq!(
        (&full["difference_of"], difference["difference_of"].as_str()),
        (&Value::Null, Some(id(full)))
    );

    let stored = path(difference);
    let stored = stored.to_str().unwrap();
    let (code, stdout, stderr) = run(&["verify", stored]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("intact"), "{stdout}");
    let copy = app.dir.path().join("copy.elf");
    let (code, _, stderr) = run(&["export", stored, "-o", copy.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let exported = std::fs::read(&copy).unwrap();
    assert_eq!(json!(memdeck_image::sha256_hex(&exported)), difference["sha256"]);
    let (code, stdout, _) = run(&["compare", path(full).to_str().unwrap(), stored, "--json"]).await;
    assert_eq!(code, Some(0), "{stdout}");

    let (code, _, stderr) = run(&["delete", id(full), "--yes"]).await;
    let expected = format!("is needed by that of {}", id(difference));
    assert!(code == Some(1) && stderr.contains(&expected), "{stderr}");
    std::fs::rename(path(full), app.dir.path().join("away")).unwrap();
    let (code, stdout, _) = run(&["verify", stored]).await;
    assert!(code == Some(3) && stdout.contains(&format!("that of dump {}", id(full))), "{stdout}");
    std::fs::rename(app.dir.path().join("away"), path(full)).unwrap();
    for dump in [difference, full] {
        let (code, stdout, stderr) = run(&["delete", id(dump), "--yes"]).await;
        assert_eq!(code, Some(0), "{stdout}{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_served_as_any_image_and_keeps_its_base() {
    let app = TestApp::start();
    let full = differ(&app).await;
    app.hypervisor.change_byte("web-01", 9000);
    let difference = differ(&app).await;
    assert_eq!(difference["difference_of"], full["dump_id"]);
    let image_of_guest = app.hypervisor.image("web-01");
    assert!(exported(&path(&difference), memdeck_image::ExportFormat::Elf) == image_of_guest);
    for router in [&app.dashboard, &app.agent] {
        let response = crate::support::send(router, get(&image(id(&difference), "elf"))).await;
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert!(bytes == image_of_guest);
    }
    let (_, manifest) =
        text(&app.dashboard, get(&format!("/api/memory-dumps/{}/manifest", id(&difference)))).await;
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["difference"]["base"], full["dump_id"]);
    let name = Path::new(manifest["difference"]["base_file"].as_str().unwrap());
    assert_eq!(path(&full).file_name(), Some(name.as_os_str()));

    let call = format!("/api/memory-dumps/{}", id(&full));
    for router in [&app.dashboard, &app.agent] {
        let (status, refused) = answer(router, delete(&call, r#"{"confirm": "web-01"}"#)).await;
        assert_eq!(
            (status, &refused["needed_by"]),
            (StatusCode::CONFLICT, &json!([id(&difference)])),
            "{refused}"
        );
    }
    assert!(path(&full).exists());

    // The rules let the older one go, and the newer one needs it.
    let rules = json!({"rules": [{"guests": {"which": "all"}, "keep_last": 1}]});
    let (_, preview) = answer(&app.dashboard, post("/api/retention/preview", &rules.to_string())).await;
    assert_eq!(preview["images"][1]["why"], json!([{"kind": "needed_by", "differences": 1}]), "{preview}");
    assert_eq!(preview["gone"], json!(0));
    // A third one that is whole lets both go, the difference first.
    app.clock.advance(Duration::from_mins(1));
    app.dumped("web-01").await;
    let mut put = post("/api/retention", &rules.to_string());
    *put.method_mut() = "PUT".parse().unwrap();
    assert_eq!(answer(&app.dashboard, put).await.1["gone"], json!(2));
    let by = memdeck_operations::Caller::trusted(memdeck_model::Actor::Service);
    assert_eq!(app.operations.apply_retention(&by).await.unwrap().gone, 2);
    assert!(!path(&full).exists() && !path(&difference).exists());
}
