//! `verify`, `export` and `inspect`.

use std::path::{Path, PathBuf};
use std::process::Command;

use memdeck_model::ByteCount;

use super::{assert_says, stored_with_the_sources, text};
use crate::support::program::memdeck;
use crate::support::{TestApp, trusted};

#[test]
fn what_is_no_image_is_not_verified_and_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("letter.txt");
    std::fs::write(&file, "dear reader").unwrap();
    let verified = memdeck(dir.path()).arg("verify").arg(&file).output().unwrap();
    let (code, said, stderr) = text(&verified);
    assert_eq!((code, stderr.as_str()), (Some(3), ""), "{said}");
    let beginning = format!("{} is no memdeck image: it does not begin as zstd does; ", file.display());
    assert!(said.starts_with(&beginning) && said.contains("no manifest"), "{said}");
    assert!(
        !said.contains("by a version that made none"),
        "nothing is said of an image that is none: {said}"
    );
    let out = dir.path().join("out.elf");
    let exported = memdeck(dir.path()).arg("export").arg(&file).arg("-o").arg(&out).output().unwrap();
    assert_eq!(exported.status.code(), Some(1), "{:?}", text(&exported));
    assert!(!out.exists(), "half an export was left");
    let missing = memdeck(dir.path()).args(["verify", "nothing.elf.zst"]).output().unwrap();
    let (code, _, stderr) = text(&missing);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("nothing.elf.zst"), "{stderr}");
}

/// What is printed of such an image.
fn verified(name: &str, arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let image = stored_with_the_sources(name);
    let output = memdeck(dir.path()).arg("verify").arg(&image).args(arguments).output().unwrap();
    let (code, stdout, stderr) = text(&output);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}

#[test]
fn a_verified_image_is_told_with_all_that_was_checked() {
    let printed = verified("frozen_with-page-map", &[]);
    let root = "f0f1305d59bfea27f3de77099e09749c3b46149249d7dcb88d3671178b85b136";
    let digests = format!("digests      intact, BLAKE3 root {root}");
    let page_map = "page map     intact, 320 pages, 313 of them zero";
    assert_says(&printed, &["frozen_with-page-map.elf.zst: intact", page_map, &digests]);
    assert!(!printed.contains("sample"), "{printed}");
}

#[test]
fn a_sample_is_told_as_a_sample() {
    let printed = verified("frozen_with-page-map", &["--sample", "1"]);
    assert_says(
        &printed,
        &[
            "frozen_with-page-map.elf.zst: nothing wrong in the sample",
            "sample       1 of 2 frames were read; damage in the others would not be seen",
            "page map     intact; its entries were not compared with the image",
        ],
    );
    let json = verified("frozen_with-page-map", &["--sample", "1", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["verdict"], "sampled");
    assert_eq!(report["sample"], serde_json::json!({ "frames": 1, "compared": 1, "of": 2 }));
}

#[test]
fn an_image_from_before_page_maps_is_intact_and_says_what_it_has_not() {
    let none = "none: the image was stored by a version that made none";
    let (page_map, digests) = (format!("page map     {none}"), format!("digests      {none}"));
    let printed = verified("live_without-page-map", &[]);
    assert_says(&printed, &["live_without-page-map.elf.zst: intact", &page_map, &digests]);
    let printed = verified("live_without-page-map", &["--sample", "2"]);
    assert_says(
        &printed,
        &["nothing wrong in the sample", "2 of them have no digest to compare with", &digests],
    );
}

#[test]
fn an_export_never_replaces_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("out.elf"), "evidence").unwrap();
    let output = memdeck(dir.path()).args(["export", "x.elf.zst", "-o", "out.elf"]).output().unwrap();
    let (code, _, stderr) = text(&output);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("out.elf"), "{stderr}");
    assert_eq!(std::fs::read_to_string(dir.path().join("out.elf")).unwrap(), "evidence");
}

/// An image of a guest of 3 MiB, as a dump stores it.
async fn stored_image() -> (TestApp, PathBuf) {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(3)));
    let (_, image) = app.dumped("mail-01").await;
    (app, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_in_each_format_is_the_same_from_any_offset_and_to_any_place() {
    let (app, image) = stored_image().await;
    let dir = &app.dir;
    let export = |arguments: &[&str]| {
        let output = memdeck(dir.path()).arg("export").arg(&image).args(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(export(&[]).0, export(&["--format", "elf", "-o", "-"]).0);
    for format in ["elf", "raw", "lime", "avml"] {
        let file = format!("out.{format}");
        let said = export(&["--format", format, "-o", &file]).1;
        assert!(said.starts_with("wrote ") && said.contains(&file), "{said}");
        assert_eq!(said.contains("SHA-256"), format == "elf", "{said}");
        assert_eq!(said.contains("left out 256 KiB at 0xfffc0000"), format == "raw", "{said}");
        let written = std::fs::read(dir.path().join(&file)).unwrap();
        assert!(export(&["--format", format]).0 == written, "{format}");
        if format != "avml" {
            let rest = export(&["--format", format, "--offset", "1500000"]).0;
            assert!(rest == written[1_500_000..], "{format}");
        }
    }
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("partial")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_be_made_leaves_nothing_and_says_why() {
    let (app, image) = stored_image().await;
    let dir = &app.dir;
    let refused = |arguments: &[&str]| {
        let output = memdeck(dir.path())
            .arg("export")
            .arg(&image)
            .args(arguments)
            .args(["-o", "out"])
            .output()
            .unwrap();
        assert!(!dir.path().join("out").exists(), "{arguments:?}");
        let (code, _, said) = text(&output);
        (code, said)
    };
    for (arguments, sentence) in [
        (&["--format", "avml", "--offset", "1"][..], "is made from its beginning"),
        (&["--offset", "99999999999"], "it has nothing at offset 99999999999"),
        (&["--format", "kdump"], "'kdump' is no format of an image; there are elf, raw, lime and avml"),
    ] {
        let (code, said) = refused(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
    assert!(!dir.path().join("out.partial").exists());

    std::fs::write(dir.path().join("out.partial"), "of another export").unwrap();
    let (code, said) = refused(&[]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("out.partial") && said.contains("another memdeck writes it, or one was cut off"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(dir.path().join("out.partial")).unwrap(), "of another export");
    std::fs::remove_file(dir.path().join("out.partial")).unwrap();

    let mut bytes = std::fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    let (code, said) = refused(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("is damaged"), "{said}");
    assert!(!dir.path().join("out.partial").exists(), "half an export was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inspection_tells_the_image_to_people_and_to_programs() {
    let (app, image) = stored_image().await;
    let dir = &app.dir;
    let (code, said, stderr) = text(&memdeck(dir.path()).arg("inspect").arg(&image).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    for line in [
        "  guest        mail-01 (",
        "  segment      memory at guest-physical 0xfffc0000, 262144 bytes, image offset ",
        "  notes        1 × CORE NT_PRSTATUS, 336 bytes",
        "  as           raw: 3145728 bytes; leaves out 256 KiB at 0xfffc0000",
        "  as           avml: size not known before it is made",
    ] {
        assert!(said.contains(line), "{line} is missing in:\n{said}");
    }
    let json = memdeck(dir.path()).args(["inspect", "--json"]).arg(&image).output().unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&seen["cpus"], &seen["manifest"]["guest"]["name"]), (&1.into(), &"mail-01".into()));
    assert_eq!(seen["exports"][1]["size_bytes"], 3 << 20);
    let missing = memdeck(dir.path()).args(["inspect", "nothing.elf.zst"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn verify_without_the_catalog_names_what_was_not_checked() {
    let printed = verified("frozen_with-page-map", &[]);
    let sentence =
        "record       without the catalog, whether these are the files of this dump was not checked";
    assert_says(&printed, &[sentence]);
    let json = verified("frozen_with-page-map", &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["record"], "not_checked");
    assert!(report["record_problem"].as_str().unwrap().contains("catalog"), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_and_export_hold_an_image_against_the_catalog_of_the_state_directory() {
    let app = TestApp::start();
    let (_, stored) = app.dumped("web-01").await;
    let run = |arguments: &[&str]| {
        let mut command = memdeck(app.dir.path());
        command.env("STATE_DIR", app.dir.path()).args(arguments).arg(&stored);
        text(&command.output().unwrap())
    };
    let (code, stdout, _) = run(&["verify"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_says(&stdout, &[": intact", "record       agrees, manifest SHA-256 "]);

    let manifest = stored.to_str().unwrap().replace(".elf.zst", ".json");
    let as_sealed = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, as_sealed.replace("web-01", "web-02")).unwrap();
    let (code, stdout, _) = run(&["verify"]);
    assert_eq!(code, Some(3), "{stdout}");
    assert_says(
        &stdout,
        &[
            ": damaged",
            "the manifest was changed or exchanged: its SHA-256 is",
            "the guest in the manifest is web-02, but the catalog's record says web-01",
            "record       differs",
        ],
    );
    for arguments in [["export", "--format", "raw"].as_slice(), &["inspect"]] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stdout.len()), (Some(1), 0), "{stderr}");
        assert!(stderr.contains("is not the image that was recorded"), "{stderr}");
    }
}

/// Forgets the jobs of a state directory, as memdeck does with those that ended long ago.
fn forget_jobs(state: &Path) {
    let program = "import sqlite3, sys\n\
                   catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                   catalog.execute('DELETE FROM jobs')";
    let forgot =
        Command::new("python3").args(["-c", program]).arg(state.join("catalog.db")).status().unwrap();
    assert!(forgot.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_named_by_the_uuid_of_its_guest_and_two_guests_of_one_name_are_refused_with_the_candidates()
 {
    let app = TestApp::start();
    let first = app
        .operations
        .list_guests(&trusted())
        .await
        .unwrap()
        .into_iter()
        .find(|guest| guest.name.0 == "web-01");
    let first = first.unwrap().uuid;
    let (first_dump, _) = app.dumped("web-01").await;
    let run = |arguments: &[&str]| {
        let mut command = memdeck(app.dir.path());
        text(&command.env("STATE_DIR", app.dir.path()).args(arguments).output().unwrap())
    };
    let named = |guest: &str| {
        let (code, stdout, stderr) = run(&["inspect", "--json", guest]);
        assert_eq!(code, Some(0), "{guest}: {stderr}");
        let seen: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        seen["manifest"]["dump_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("web-01"), first_dump, "while no other guest had its name");

    // It is made anew under its name, and a third guest has the name of the first one's UUID.
    app.hypervisor.remove_guest("web-01");
    let second = app.hypervisor.add_guest("web-01", ByteCount::from_mib(1)).uuid;
    let (second_dump, _) = app.dumped("web-01").await;
    drop(app.hypervisor.add_guest(&first, ByteCount::from_mib(1)));
    let third =
        app.operations.list_guests(&trusted()).await.unwrap().into_iter().find(|guest| guest.name.0 == first);
    app.dumped(&third.unwrap().uuid).await;
    for forgotten in [false, true] {
        if forgotten {
            forget_jobs(app.dir.path());
        }
        for (uuid, dump) in [(&first, &first_dump), (&second, &second_dump)] {
            assert_eq!([&named(uuid), &named(&uuid.to_uppercase()), &named(dump)], [dump; 3]);
        }
        for arguments in [
            &["verify", "web-01"][..],
            &["inspect", "web-01"],
            &["inside", "web-01"],
            &["export", "web-01"],
            &["compare", &first_dump, "web-01"],
            &["hunt", "a-word", "--in", "web-01"],
        ] {
            let (code, stdout, stderr) = run(arguments);
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
            assert_says(&stderr, &["2 guests with images here had the name 'web-01'"]);
            assert_says(&stderr, &[&first, &first_dump, &second, &second_dump]);
        }
    }
}
