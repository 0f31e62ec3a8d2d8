//! A catalog that was lost: what the commands and the next start make of it.

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
    drop(Running::serve(home.path(), &[]));
    let kept =
        std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: Vec<_> = kept.filter(|name| name.starts_with("catalog.db.damaged-")).collect();
    assert_eq!(kept.len(), 1, "it is kept aside");
    assert!(!state.join("catalog.restoring").exists(), "it is finished");
    let catalog = Catalog::open(&state).unwrap();
    let told = catalog.setting("catalog restored").unwrap().unwrap();
    for part in ["its catalog could not be used: it was empty", &kept[0], "were made anew from manifests"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
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
