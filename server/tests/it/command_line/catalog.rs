//! A catalog that was lost: what the commands and the next start make of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use memdeck_catalog::Catalog;
use memdeck_model::Timestamp;

use super::{assert_says, text};
use crate::support::TestApp;
use crate::support::program::{Running, memdeck};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_catalog_is_checked_and_rebuilt_from_the_command_line() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let home = app.dir.path().join("other");
    std::fs::create_dir(&home).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = memdeck(&home);
        command.env("DUMP_DIR", app.dir.path().join("dumps")).args(arguments);
        text(&command.output().unwrap())
    };
    let (code, _, stderr) = run(&["catalog", "check"]);
    assert!(code == Some(1) && stderr.contains("catalog.db could not be opened"), "{stderr}");
    for expected in ["1 records added, 0 were there", "0 records added, 1 were there"] {
        let (code, stdout, stderr) = run(&["catalog", "rebuild"]);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains(expected), "{stdout}");
    }
    let (code, stdout, _) = run(&["catalog", "check", "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &seen["sound"], &seen["records"]), (Some(0), &true.into(), &1.into()));

    let state = home.join("state/catalog.db");
    let catalog = Catalog::open(&home.join("state")).unwrap();
    let record = catalog.record_of(&dump_id.parse().unwrap()).unwrap().unwrap();
    assert!(record.rebuilt_at.is_some());
    drop(catalog);
    let mut bytes = std::fs::read(&state).unwrap();
    let sha256 = record.sha256.unwrap();
    let at = bytes.windows(64).position(|window| window == sha256.as_bytes()).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&state, bytes).unwrap();
    let (code, stdout, _) = run(&["catalog", "check"]);
    assert_eq!(code, Some(3), "{stdout}");
    assert_says(&stdout, &["not sound", "Stop memdeck, move catalog.db away"]);
}

#[test]
fn a_start_with_an_empty_catalog_tells_what_was_restored_and_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    drop(Running::serve(home.path(), &[]));
    let state = home.path().join("state");
    for name in ["catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(state.join(name));
    }
    std::fs::write(state.join("catalog.db"), "").unwrap();
    let service = Running::serve(home.path(), &[]);
    let shown = shown_of_the_catalog(&service);
    drop(service);
    let kept =
        std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: Vec<_> = kept.filter(|name| name.starts_with("catalog.db.damaged-")).collect();
    assert_eq!(kept.len(), 1, "it is kept aside");
    assert!(!state.join("catalog.restoring").exists(), "it is finished");
    let catalog = Catalog::open(&state).unwrap();
    drop(catalog);
    let shown = shown.as_str().expect("the page says so").to_owned();
    let missing = "what happened after that is missing";
    for part in
        ["its catalog could not be used: it was empty", &kept[0], missing, "were made anew from manifests"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
}

/// What a page that is opened now says of the catalog.
fn shown_of_the_catalog(service: &Running) -> serde_json::Value {
    let address = service.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /api/ui/overview HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\nConnection: close\r\n\r\n{}";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let overview: serde_json::Value = serde_json::from_str(body).unwrap();
    overview["catalog"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_checks_the_catalog_and_the_page_says_what_is_not_sound_until_it_is() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    let home = app.dir.path().join("other");
    std::fs::create_dir(&home).unwrap();
    let dumps = app.dir.path().join("dumps");
    let mut rebuild = memdeck(&home);
    rebuild.env("DUMP_DIR", &dumps).args(["catalog", "rebuild"]);
    assert_eq!(text(&rebuild.output().unwrap()).0, Some(0));
    let state = home.join("state");
    let set_host = |host: &str| {
        let program = "import sqlite3, sys\n\
                       catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                       catalog.execute('UPDATE records SET host = ?', sys.argv[2:])";
        let mut python = Command::new("python3");
        python.args(["-c", program]).arg(state.join("catalog.db")).arg(host);
        assert!(python.status().unwrap().success());
    };
    let record = Catalog::open(&state).unwrap().kept_images(None, 1).unwrap().remove(0);
    // The check is made beside what the service does.
    let says = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        let service = Running::serve(&home, &[("DUMP_DIR", dumps.to_str().unwrap())]);
        let begun = Instant::now();
        loop {
            let shown = shown_of_the_catalog(&service);
            if wanted(&shown) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(service.stop().0, Some(0));
    };
    says(&serde_json::Value::is_null);
    set_host("another");
    says(&|shown| {
        shown.as_str().is_some_and(|text| {
            text.starts_with("The catalog is not sound: record 1 (dump ")
                && text.ends_with("Run memdeck catalog check, which says what to do.")
        })
    });
    set_host(&record.host.unwrap());
    says(&serde_json::Value::is_null);
}

/// A full volume may end a start between the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_ends_between_the_restoration_and_the_rebuild_leaves_both_to_the_next() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let home = app.dir.path().join("other");
    std::fs::create_dir(&home).unwrap();
    let dumps = app.dir.path().join("dumps");
    let variables = [("DUMP_DIR", dumps.to_str().unwrap())];
    let state = home.join("state");
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&state).unwrap();
    drop(Catalog::open_or_restore(&state, at_second(1), || false).unwrap());
    std::fs::remove_file(state.join("catalog.db")).unwrap();
    let (catalog, restoration) = Catalog::open_or_restore(&state, at_second(2), || false).unwrap();
    assert!(restoration.is_some());
    drop(catalog);

    let service = Running::serve(&home, &variables);
    assert_eq!(service.stop().0, Some(0));
    let catalog = Catalog::open(&state).unwrap();
    let record = catalog.record_of(&dump_id.parse().unwrap()).unwrap().expect("made anew");
    assert_eq!(record.rebuilt_at, Some(at_second(2)), "of that restoration");
    let told = catalog.setting("catalog restored").unwrap().unwrap();
    assert!(told.contains("it was gone") && told.contains("1 records were made anew"), "{told}");
    assert!(!state.join("catalog.restoring").exists(), "it is finished");
}

fn at_second(second: i64) -> Timestamp {
    Timestamp::from_unix_micros(second * 1_000_000).unwrap()
}
