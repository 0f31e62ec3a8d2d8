//! `signing-key`, and what `verify` says of signatures, chains and all that is known of an image.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{assert_says, stored_with_the_sources, text};
use crate::support::TestApp;
use crate::support::program::memdeck;

type Said = (Option<i32>, String, String);

/// The command on the state and the dumps of a memdeck, or on none.
fn run(home: &Path, arguments: &[&str]) -> Said {
    let mut command = memdeck(home);
    command.env("STATE_DIR", home).env("DUMP_DIR", home.join("dumps")).args(arguments);
    text(&command.output().unwrap())
}

/// A memdeck with so many dumps, and their images in the order in which they were sealed.
async fn with_dumps(count: usize) -> (TestApp, Vec<PathBuf>) {
    let app = TestApp::start();
    let mut images = Vec::new();
    for number in 0..count {
        images.push(app.dumped(if number % 2 == 0 { "web-01" } else { "db-01" }).await.1);
    }
    (app, images)
}

fn beside(image: &Path, suffix: &str) -> PathBuf {
    let name = image.to_str().unwrap().strip_suffix(".elf.zst").unwrap();
    format!("{name}{suffix}").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_image_is_verified_with_nothing_but_the_public_key() {
    let (app, images) = with_dumps(1).await;
    let image = images[0].to_str().unwrap();
    let (code, stdout, stderr) = run(app.dir.path(), &["signing-key", "export", "-o", "host-key.pem"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let key = app.dir.path().join("host-key.pem");
    assert!(fs::read_to_string(&key).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let (code, _, stderr) = run(app.dir.path(), &["signing-key", "export", "-o", "host-key.pem"]);
    assert!(code == Some(1) && stderr.contains("host-key.pem"), "it replaced a file: {stderr}");

    let elsewhere = tempfile::tempdir().unwrap();
    let with_key = ["verify", "--key", key.to_str().unwrap(), image];
    let (code, stdout, stderr) = run(elsewhere.path(), &with_key);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_says(&stdout, &[".elf.zst: intact", "signature    valid, by key ", "chain        number 1 of "]);
    // Without the key nobody says anything of the signature, and the files are as intact as they are.
    let (code, stdout, _) = run(elsewhere.path(), &["verify", image]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_says(&stdout, &["intact", ": without its public key it was not checked (", "signing"]);

    let manifest = beside(&images[0], ".json");
    let edited = fs::read_to_string(&manifest).unwrap().replace("\"vmid\": \"1\"", "\"vmid\": \"2\"");
    fs::write(&manifest, edited).unwrap();
    let (code, stdout, _) = run(elsewhere.path(), &with_key);
    assert_eq!(code, Some(3), "{stdout}");
    assert_says(&stdout, &["damaged", "one of both was changed or exchanged", "signature    wrong"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_signature_by_a_key_is_told_where_there_is_none() {
    let (app, images) = with_dumps(1).await;
    let other = TestApp::start();
    run(other.dir.path(), &["signing-key", "export", "-o", "other.pem"]);
    let key = other.dir.path().join("other.pem");
    let verify = |image: &Path| {
        run(app.dir.path(), &["verify", "--key", key.to_str().unwrap(), image.to_str().unwrap()])
    };
    let (code, stdout, _) = verify(&images[0]);
    assert_eq!(code, Some(1), "{stdout}");
    assert_says(&stdout, &["unconfirmed", "which is not among the keys that are believed here"]);
    let (code, stdout, _) = verify(&stored_with_the_sources("frozen_with-page-map"));
    assert_eq!(code, Some(1), "{stdout}");
    assert_says(&stdout, &["unconfirmed", "  - the manifest is not signed"]);
    let no_key = run(app.dir.path(), &["verify", "--key", "/etc/passwd", images[0].to_str().unwrap()]);
    assert_eq!(no_key.0, Some(1));
    assert_says(&no_key.2, &["the key /etc/passwd cannot be used", "BEGIN PUBLIC KEY"]);
}

#[test]
fn an_image_of_an_older_version_is_unsigned_and_not_damaged() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let (code, _, stderr) = run(home.path(), &["signing-key", "rotate"]);
    assert_eq!(code, Some(0), "{stderr}");
    let image = stored_with_the_sources("frozen_with-page-map");
    let (code, stdout, _) = run(home.path(), &["verify", image.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_says(&stdout, &["intact", "signature    none: the version that took the dump did not sign"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_in_the_audit_and_what_the_one_before_signed_is_valid() {
    let (app, images) = with_dumps(1).await;
    let home = app.dir.path();
    let (_, before, _) = run(home, &["signing-key", "show", "--json"]);
    let before: serde_json::Value = serde_json::from_str(&before).unwrap();
    let (code, stdout, stderr) = run(home, &["signing-key", "rotate"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let first = before["keys"][0]["id"].as_str().unwrap();
    assert!(stdout.ends_with(&format!(" signs from now on in the place of {first}\n")), "{stdout}");
    let (_, shown, _) = run(home, &["signing-key", "show"]);
    assert_eq!(shown.lines().count(), 3, "{shown}");
    let (code, stdout, _) = run(home, &["verify", images[0].to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert_says(&stdout, &[&format!("signature    valid, by key {first}")]);
    let (_, audit, _) = run(home, &["audit", "list", "--action", "signing_key_rotated"]);
    assert_says(&audit, &["Signing key rotated", "Begun", "Succeeded", first]);
    let (code, _, stderr) = run(home, &["signing-key", "export", "0123456789abcdef"]);
    assert_eq!(code, Some(1));
    assert_says(&stderr, &["there is no key 0123456789abcdef"]);
    let (_, exported, _) = run(home, &["signing-key", "export", first]);
    assert_eq!(exported, before["keys"][0]["public_key"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_says_which_dump_is_missing_or_another_also_when_images_are_deleted() {
    let (app, images) = with_dumps(4).await;
    let home = app.dir.path();
    let dumps = home.join("dumps");
    let check = || run(home, &["verify", "--chain", dumps.to_str().unwrap()]);
    let (code, stdout, stderr) = check();
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_says(
        &stdout,
        &["dumps: whole", "4 manifests, numbers 1 to 4\n", "manifests    4, 4 of them signed by a key"],
    );
    let (code, _, stderr) = {
        let id = dump_id(&images[1]);
        run(home, &["delete", "--yes", &id])
    };
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!images[1].exists() && beside(&images[1], ".json.sig").exists());
    assert_eq!(check().0, Some(0));

    let (manifest, signature) = (beside(&images[1], ".json"), beside(&images[1], ".json.sig"));
    let kept = (fs::read(&manifest).unwrap(), fs::read(&signature).unwrap());
    fs::remove_file(&manifest).unwrap();
    let (code, stdout, _) = check();
    assert_eq!(code, Some(3));
    assert_says(&stdout, &["dumps: broken", "  - number 2 of chain ", ": no manifest is there"]);
    // Another dump's manifest, with its signature, under that name.
    fs::write(&manifest, &kept.0).unwrap();
    fs::write(&signature, fs::read(beside(&images[2], ".json.sig")).unwrap()).unwrap();
    let (code, stdout, _) = check();
    assert_eq!(code, Some(3));
    assert_says(&stdout, &[".json: signature wrong"]);
    fs::write(&signature, &kept.1).unwrap();
    // The newest one: only the state directory knows that there was one.
    fs::remove_file(beside(&images[3], ".json")).unwrap();
    let (code, stdout, _) = check();
    assert_eq!(code, Some(3));
    assert_says(&stdout, &["number 4 of chain ", "numbers 1 to 3"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(elsewhere.path(), &["verify", "--chain", dumps.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_says(&stdout, &["whole", "; newer ones would not be missed", "no key is believed"]);
    let (_, json, _) = run(home, &["verify", "--json", "--chain", dumps.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["whole"], &report["findings"][0]["kind"]), (&false.into(), &"missing".into()));
}

fn dump_id(image: &Path) -> String {
    let name = image.file_name().unwrap().to_str().unwrap();
    name.strip_suffix(".elf.zst").unwrap().rsplit_once('_').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_who_took_what_and_what_was_done_with_it() {
    let (app, images) = with_dumps(1).await;
    let (code, stdout, stderr) = run(app.dir.path(), &["verify", "--report", images[0].to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stderr}");
    let sha256 = fs::read_to_string(beside(&images[0], ".sha256")).unwrap();
    assert_says(
        &stdout,
        &[
            "Report on a memory image\n",
            "  verdict       intact: every hash was computed anew",
            "\nWhose memory, for whom, when\n  guest         web-01, UUID ",
            "  began         2025-11-14T08:58:23",
            "\nWith what, and how\n  tool          memdeck ",
            "  stood still   ",
            sha256.split(' ').next().unwrap(),
            "  signature     valid, by key ",
            "  chain         number 1 of the dumps of this host",
            "\nWhat was done with it, as this host noted it\n",
            "Dump requested: succeeded, by ",
            "Dump ended: succeeded, by ",
        ],
    );
    let image = stored_with_the_sources("live_without-page-map");
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(elsewhere.path(), &["verify", "--report", image.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_says(
        &stdout,
        &["live: the guest ran while it was copied", "  chain         none", "  Not known: "],
    );
}
