//! What commands read out of stored images by themselves stands in the audit of the state directory.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use memdeck_model::ByteCount;
use memdeck_model::audit::{AuditAction, AuditEntry, AuditResult};
use rustix::process::{Pid, Signal};

use crate::support::TestApp;
use crate::support::program::memdeck;

/// A service with two images of a guest, and their dumps.
async fn with_images() -> (TestApp, [String; 2]) {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(3)));
    let (first, _) = app.dumped("mail-01").await;
    let (second, _) = app.dumped("mail-01").await;
    (app, [first, second])
}

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = memdeck(app.dir.path());
    command.env("STATE_DIR", app.dir.path()).env("SUDO_USER", "ada").args(arguments);
    command
}

fn run(app: &TestApp, arguments: &[&str]) -> Output {
    command(app, arguments).output().unwrap()
}

/// What the audit says of that since `seq`.
fn noted(app: &TestApp, seq: u64) -> Vec<AuditEntry> {
    app.catalog.audit_after(seq, 1000).unwrap()
}

fn newest(app: &TestApp) -> u64 {
    app.catalog.audit_head().unwrap().map_or(0, |head| head.seq)
}

fn assert_intact(app: &TestApp) {
    let report = app.catalog.verify_audit(Vec::new()).unwrap();
    assert!(report.intact, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_that_reads_images_notes_who_read_which_and_how_it_ended() {
    use AuditAction::{ImageRead, ImageSearched, InsideShown};
    use AuditResult::{Failed, Succeeded};
    let (app, [first, second]) = with_images().await;
    let both = [&first, &second];
    for (arguments, action, format, dumps, result) in [
        (
            &["export", &first, "-o", "out.raw", "--format", "raw"][..],
            ImageRead,
            Some("raw"),
            &both[..1],
            Succeeded,
        ),
        (&["export", &first], ImageRead, Some("elf"), &both[..1], Succeeded),
        // Its guest has no kernel.
        (&["inside", &second], InsideShown, None, &both[1..], Failed),
        (&["compare", &first, &second], ImageRead, Some("page map"), &both[..], Succeeded),
        (&["hunt", "a-word", "--in", &second], ImageSearched, None, &both[1..], Succeeded),
        (&["hunt", "a-word", "--all"], ImageSearched, None, &[&second, &first][..], Succeeded),
    ] {
        let before = newest(&app);
        let output = run(&app, arguments);
        assert_eq!(output.status.success(), result == Succeeded, "{arguments:?}: {output:?}");
        let noted = noted(&app, before);
        let (begun, ended) = noted.split_at(dumps.len());
        let of = |entries: &[AuditEntry]| -> Vec<String> {
            entries.iter().map(|entry| entry.object.dump_id().unwrap().to_string()).collect()
        };
        let dumps: Vec<String> = dumps.iter().map(|dump| (*dump).clone()).collect();
        assert_eq!([of(begun), of(ended)], [dumps.clone(), dumps], "{arguments:?}");
        for (begun, ended) in begun.iter().zip(ended) {
            assert_eq!((begun.action, begun.result), (action, AuditResult::Begun), "{arguments:?}");
            assert_eq!((ended.action, ended.result), (action, result), "{arguments:?}");
            assert_eq!(ended.details.begun, Some(begun.seq));
            let name = format!("memdeck {}", arguments[0]);
            for entry in [begun, ended] {
                assert_eq!(entry.details.name.as_deref(), Some(name.as_str()));
                assert_eq!(entry.details.format.as_deref(), format);
                assert_eq!(entry.object.guest(), Some("mail-01"));
                assert_eq!(entry.actor.to_string(), "ada (command line)");
                assert_eq!(entry.address, None);
            }
        }
        if arguments[0] == "export" {
            let length = match output.stdout.len() {
                0 => std::fs::metadata(app.dir.path().join("out.raw")).unwrap().len(),
                printed => printed as u64,
            };
            assert_eq!(ended[0].details.bytes, Some(ByteCount(length)));
        }
    }
    // The guest's own view of both: the first reading fails, and says so.
    let before = newest(&app);
    assert!(!run(&app, &["compare", &first, &second, "--inside"]).status.success());
    let actions: Vec<_> = noted(&app, before).iter().map(|entry| (entry.action, entry.result)).collect();
    assert_eq!(actions[4..], [(InsideShown, AuditResult::Begun), (InsideShown, Failed)]);
    assert_intact(&app);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_and_a_reader_that_goes_are_noted_as_what_they_are() {
    let (app, [dump, _]) = with_images().await;
    let before = newest(&app);
    let output = run(&app, &["export", &dump, "--format", "raw", "--offset", "3000000"]);
    let entries = noted(&app, before);
    let part = entries[1].details.part.unwrap();
    assert_eq!(
        (part.start, part.end, part.end - part.start),
        (3_000_000, 3 << 20, output.stdout.len() as u64)
    );
    assert_eq!(entries[1].details.bytes, Some(ByteCount(output.stdout.len() as u64)));

    let before = newest(&app);
    let mut export = command(&app, &["export", &dump, "--format", "raw"]);
    let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = export.stdout.take().unwrap();
    out.read_exact(&mut [0; 1000]).unwrap();
    drop(out);
    assert_eq!(export.wait().unwrap().code(), Some(141));
    let entries = noted(&app, before);
    assert_eq!(entries[1].result, AuditResult::CutOff);
    assert!(entries[1].details.bytes.unwrap().0 < 3 << 20);
    assert_intact(&app);
}

/// Holds the write lock of a catalog until it is dropped.
struct Locked(Child);

impl Locked {
    fn new(state: &Path) -> Self {
        let program = "import sqlite3, sys\n\
                       catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                       catalog.execute('BEGIN IMMEDIATE')\n\
                       print('locked', flush=True)\n\
                       sys.stdin.read()";
        let mut python = Command::new("python3");
        python
            .args(["-c", program])
            .arg(state.join("catalog.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Self(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_noted_is_not_read() {
    let (app, [dump, _]) = with_images().await;
    let before = newest(&app);
    let locked = Locked::new(app.dir.path());
    std::fs::create_dir_all(app.dir.path().join("place")).unwrap();
    let mut children = Vec::new();
    for arguments in [
        &["export", &dump, "-o", "out.elf"][..],
        &["inside", &dump],
        &["compare", &dump, &dump],
        &["hunt", "a-word", "--in", &dump],
        &["mount", "place"],
    ] {
        let mut command = command(&app, arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        children.push((arguments.join(" "), child));
    }
    for (arguments, child) in children {
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments}: {told}");
        assert!(told.starts_with("memdeck: nothing was read: it cannot be noted in the audit"), "{told}");
    }
    drop(locked);
    assert!(!app.dir.path().join("out.elf").exists());
    assert_eq!(newest(&app), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_no_catalog_knows_is_read_and_said_not_to_be_in_the_audit() {
    let (app, _) = with_images().await;
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/image/tests/images");
    let image = images.join("frozen_with-page-map.elf.zst");
    let before = newest(&app);
    let output = run(&app, &["export", image.to_str().unwrap(), "-o", "out.elf"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let expected = format!("not in the audit: {}; the catalog in ", image.display());
    let is_said = |line: &str| line.starts_with(&expected) && line.ends_with(" does not know it");
    assert_eq!(told.lines().filter(|line| is_said(line)).count(), 1, "{told}");
    assert_eq!(newest(&app), before);
    // Where there is no catalog, nobody expects an audit.
    let alone = tempfile::tempdir().unwrap();
    let mut export = memdeck(alone.path());
    let output = export.args(["export", image.to_str().unwrap(), "-o", "out.elf"]).output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains("audit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_notes_its_begin_its_end_and_what_was_read_of_each_image() {
    let (app, images) = with_images().await;
    let place = app.dir.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let before = newest(&app);
    let mut mount = command(&app, &["mount", "--json", "place"]);
    let mut mount = mount.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(mount.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"images\":2"), "no mount: it needs /dev/fuse, and root: {line}");
    let mut files: Vec<_> = std::fs::read_dir(place.join("mail-01"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "raw"))
        .collect();
    files.sort();
    assert_eq!(noted(&app, before).len(), 1, "to look at names is not to read");
    let length = std::fs::read(&files[0]).unwrap().len();
    rustix::process::kill_process(Pid::from_child(&mount), Signal::TERM).unwrap();
    assert_eq!(mount.wait().unwrap().code(), Some(0));
    let entries = noted(&app, before);
    let said: Vec<_> =
        entries.iter().map(|entry| (entry.action, entry.result, entry.details.begun)).collect();
    let (begun, opened) = (entries[0].seq, entries[1].seq);
    assert_eq!(
        said,
        [
            (AuditAction::ImageRead, AuditResult::Begun, None),
            (AuditAction::ImageRead, AuditResult::Begun, None),
            (AuditAction::ImageRead, AuditResult::Succeeded, Some(opened)),
            (AuditAction::ImageRead, AuditResult::Succeeded, Some(begun)),
        ]
    );
    assert_eq!(entries[0].object.to_string(), "file place");
    let dumps = [&entries[1], &entries[2]].map(|entry| entry.object.dump_id().unwrap().to_string());
    assert!(dumps[0] == dumps[1] && images.contains(&dumps[0]), "{dumps:?}");
    assert_eq!(entries[2].details.bytes, Some(ByteCount(u64::try_from(length).unwrap())));
    assert_intact(&app);
}
