//! The program as a shell sees it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use memdeck_model::ByteCount;

use crate::support::TestApp;
use crate::support::program::memdeck;

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn an_invalid_value_stops_the_start_with_name_value_and_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value, allowed) in [
        ("MAX_PARALLEL_DUMPS", "0", "a whole number from 1 to 64"),
        ("MAX_PARALLEL_DUMPS", "two", "a whole number from 1 to 64"),
        ("LIBVIRT_TIMEOUT", "NaN", "seconds from 0.1 to 3600"),
        ("DUMP_TIMEOUT", "-1", "seconds from 1 to 604800"),
        ("MEMDECK_BIND", "8000", "an address and port such as 127.0.0.1:8000"),
        ("MEMDUMP_SERVICE_URL", "10.0.0.5:5001", "an http:// or https:// URL"),
        ("INFLUX_DB", "a b", "a name of 1 to 64 letters"),
        ("POLL_INTERVAL", "abc", "seconds from 0.1 to 3600"),
        ("TELEMETRY", "perhaps", "on or off"),
        ("TELEMETRY_STORE_MIB", "1", "a whole number of MiB from 16 to 1048576"),
        ("BATCH_MAX_LINES", "0", "a whole number from 1 to 1000000"),
        ("BATCH_MAX_SEC", "-1", "seconds from 0.01 to 3600"),
        ("DEVICE_CACHE_TTL", "NaN", "seconds from 0 to 86400"),
        ("INFLUX_ORG", "a\u{7}b", "a name of 1 to 255 characters"),
        ("INFLUX_BUCKET", "a\nb", "a name of 1 to 255 characters"),
        ("INFLUX_USER", "ada:x", "a name without ':'"),
    ] {
        let output = memdeck(dir.path()).arg("config").env(name, value).output().unwrap();
        let (code, _, stderr) = text(&output);
        assert_eq!(code, Some(2), "{name}={value}: {stderr}");
        assert!(
            stderr
                .starts_with(&format!("memdeck: {name} is '{value}' (from the environment variable {name})")),
            "{stderr}"
        );
        assert!(stderr.contains(&format!("allowed: {allowed}")), "{stderr}");
    }
}

/// Section 6 of the contracts, and what memdeck itself adds to it.
const CONTRACT: [&str; 28] = [
    "LIBVIRT_URI",
    "LIBVIRT_TIMEOUT",
    "DUMP_DIR",
    "MAX_PARALLEL_DUMPS",
    "MEMDUMP_SERVICE_URL",
    "MEMDUMP_SERVICE_TIMEOUT",
    "MEMDUMP_SERVICE_TOKEN",
    "DUMP_TIMEOUT",
    "STATE_DIR",
    "INFLUX_URL",
    "INFLUX_HOST",
    "INFLUXDB3_HOST",
    "INFLUX_DB",
    "INFLUX_DATABASE",
    "INFLUXDB3_DATABASE",
    "INFLUX_TOKEN",
    "INFLUXDB3_TOKEN",
    "INFLUX_ORG",
    "INFLUX_BUCKET",
    "INFLUX_TIMEOUT_S",
    "POLL_INTERVAL",
    "BATCH_MAX_LINES",
    "BATCH_MAX_SEC",
    "DEVICE_CACHE_TTL",
    "INFLUX_USER",
    "INFLUX_PASSWORD",
    "MEMDECK_TOKEN",
    "MEMDECK_BIND",
];

#[test]
fn every_variable_of_the_contract_is_read() {
    let known: Vec<&str> =
        memdeck::config::SETTINGS.iter().flat_map(|setting| setting.env).copied().collect();
    for variable in CONTRACT {
        assert!(known.contains(&variable), "{variable} is not read, so a wrong value is not refused");
    }
}

#[test]
fn influxdb_is_told_who_writes_in_one_way_and_its_password_is_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let config = |variables: &[(&str, &str)]| {
        let output = memdeck(dir.path()).arg("config").envs(variables.iter().copied()).output().unwrap();
        let (code, stdout, stderr) = text(&output);
        assert!(!format!("{stdout}{stderr}").contains("very-secret"), "{stdout}{stderr}");
        (code, stdout, stderr)
    };
    let (user, password) = (("INFLUX_USER", "ada"), ("INFLUX_PASSWORD", "very-secret"));
    let (code, stdout, stderr) = config(&[user, password]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("user = \"ada\"") && stdout.contains("password = \"***\""), "{stdout}");
    for (variables, sentence) in [
        (&[user][..], "INFLUX_USER is set without INFLUX_PASSWORD"),
        (&[password], "INFLUX_PASSWORD is set without INFLUX_USER"),
        (&[user, password, ("INFLUX_TOKEN", "very-secret")], "InfluxDB takes one of the two"),
        (&[user, ("INFLUX_PASSWORD", "very-secret\u{7}")], "a password without control characters"),
    ] {
        let (code, _, stderr) = config(variables);
        assert!(code == Some(2) && stderr.contains(sentence), "{stderr}");
    }
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_without_its_secrets() {
    let refusal = |prepare: &dyn Fn(&Path, &mut Command)| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = memdeck(dir.path());
        prepare(dir.path(), command.arg("config"));
        let (code, _, stderr) = text(&command.output().unwrap());
        assert_eq!(code, Some(2), "{stderr}");
        assert!(!stderr.contains("very-secret"), "{stderr}");
        stderr
    };
    let stderr = refusal(&|dir, command| {
        std::fs::write(dir.join("memdeck.toml"), "[http]\ntoken = \"very-secret-token-17\n").unwrap();
        command.args(["--config", "memdeck.toml"]);
    });
    assert!(stderr.contains("memdeck.toml cannot be read: line 2: "), "{stderr}");
    let stderr = refusal(&|dir, _| {
        std::fs::write(dir.join(".env"), "DUMP_TIMEOUT=20\nMEMDECK_TOKEN='very-secret-token-17\n").unwrap();
    });
    assert!(stderr.contains(".env cannot be read: the line of MEMDECK_TOKEN is not NAME=value"), "{stderr}");
    for (url, shown) in [
        ("http://ada:very-secret@localhost", "'http://***@localhost'"),
        ("ada:very-secret@localhost:8086", "'***@localhost:8086'"),
    ] {
        let stderr = refusal(&|_, command| {
            command.env("INFLUX_URL", url);
        });
        assert!(stderr.contains(&format!("INFLUX_URL is {shown}")), "{stderr}");
    }
    refusal(&|_, command| {
        command.env("MEMDECK_TOKEN", "very-secret");
    });
}

/// Exit code and complaint of `memdeck config` in `dir`.
fn configured(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = memdeck(dir).arg("config").args(arguments).env_remove("LIBVIRT_URI").output().unwrap();
    let (code, _, stderr) = text(&output);
    (code, stderr)
}

#[test]
fn settings_that_somebody_else_may_have_written_are_not_read() {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for name in [".env", "memdeck.toml"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, if name == ".env" { "DUMP_TIMEOUT=20\n" } else { "[dumps]\ntimeout = 20\n" })
            .unwrap();
        let arguments: &[&str] = if name == ".env" { &[] } else { &["--config", "memdeck.toml"] };
        assert_eq!(configured(dir.path(), arguments).0, Some(0), "{name}");
        let refused = |why: &str| {
            let (code, stderr) = configured(dir.path(), arguments);
            assert_eq!(code, Some(2), "{name} {why}: {stderr}");
            assert!(stderr.contains(why) && stderr.contains("somebody else may have written to"), "{stderr}");
        };
        mode(&path, 0o666);
        refused("can be changed by others");
        mode(&path, 0o640);
        mode(dir.path(), 0o777);
        refused("can be changed by others");
        mode(dir.path(), 0o700);
        chown(&path, Some(65_534), None).unwrap();
        refused("belongs to user 65534");
        chown(&path, Some(0), None).unwrap();
        assert_eq!(configured(dir.path(), arguments).0, Some(0), "{name}");
    }
}

#[test]
fn a_uri_that_starts_a_program_is_taken_from_no_file() {
    let dir = tempfile::tempdir().unwrap();
    for uri in [
        "qemu+ext:///system?command=/tmp/evil",
        "qemu+ext://host/system",
        "qemu+ssh://host/system?command=/tmp/evil",
        "qemu+ssh://host/system?netcat=/tmp/evil",
        "qemu+libssh2://host/system?NetCat=/tmp/evil",
        "QEMU+EXT:///system?comm%61nd=/tmp/evil",
    ] {
        std::fs::write(dir.path().join(".env"), format!("LIBVIRT_URI='{uri}'\n")).unwrap();
        let (code, stderr) = configured(dir.path(), &[]);
        assert_eq!(code, Some(2), "{uri}: {stderr}");
        assert!(stderr.contains("starts no program"), "{stderr}");
        std::fs::remove_file(dir.path().join(".env")).unwrap();
        std::fs::write(dir.path().join("memdeck.toml"), format!("[libvirt]\nuri = \"{uri}\"\n")).unwrap();
        assert_eq!(configured(dir.path(), &["--config", "memdeck.toml"]).0, Some(2), "{uri}");
        assert_eq!(configured(dir.path(), &["--libvirt-uri", uri]).0, Some(0), "{uri}: of whoever starts it");
    }
    for uri in ["qemu:///system", "qemu+ssh://root@host/system", "test:///default"] {
        std::fs::write(dir.path().join(".env"), format!("LIBVIRT_URI='{uri}'\n")).unwrap();
        assert_eq!(configured(dir.path(), &[]).0, Some(0), "{uri}");
    }
}

#[test]
fn flags_win_over_the_environment_over_dot_env_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("memdeck.toml"),
        "[dumps]\nmax_parallel = 3\ntimeout = 10\n[influx]\ndb = \"a\"\n",
    )
    .unwrap();
    std::fs::write(
        dir.path().join(".env"),
        "MAX_PARALLEL_DUMPS=4\nDUMP_TIMEOUT=20\nINFLUX_TOKEN=very-secret\n",
    )
    .unwrap();
    let output = memdeck(dir.path())
        .args(["config", "--config", "memdeck.toml", "--max-parallel-dumps", "6"])
        .env("MAX_PARALLEL_DUMPS", "5")
        .output()
        .unwrap();
    let (code, stdout, stderr) = text(&output);
    assert_eq!(code, Some(0), "{stderr}");
    for line in [
        r#"max_parallel = "6"  # from the command line"#,
        r#"timeout = "20"  # from DUMP_TIMEOUT in .env"#,
        r#"db = "a"  # from the configuration file"#,
        r#"token = "***"  # from INFLUX_TOKEN in .env"#,
        "# timeout: 30.0",
    ] {
        assert!(stdout.lines().any(|found| found == line), "{line} is missing in:\n{stdout}");
    }
    assert!(!stdout.contains("very-secret"));

    let uri = "qemu+tcp://ada:very-secret@kvm-a/system";
    let stdout = text(&memdeck(dir.path()).arg("config").env("LIBVIRT_URI", uri).output().unwrap()).1;
    assert!(stdout.contains(r#"uri = "qemu+tcp://***@kvm-a/system""#), "{stdout}");
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    for content in ["[dumps]\nmaximum = 3\n", "dumps = 3\n", "[dumps\n"] {
        std::fs::write(dir.path().join("memdeck.toml"), content).unwrap();
        let output = memdeck(dir.path()).args(["config", "--config", "memdeck.toml"]).output().unwrap();
        let (code, _, stderr) = text(&output);
        assert_eq!(code, Some(2), "{content}: {stderr}");
        assert!(stderr.contains("memdeck.toml"), "{stderr}");
    }
    let output = memdeck(dir.path()).args(["config", "--config", "missing.toml"]).output().unwrap();
    assert_eq!(text(&output).0, Some(2));
}

/// A pipe whose reader has gone, as that of `| head -1` has after the first line.
fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_goes_ends_no_command_with_a_panic() {
    let image = stored_with_the_sources("frozen_with-page-map");
    let image = image.to_str().unwrap();
    for (arguments, code) in [
        (&["config"][..], 0),
        (&["config", "--help"], 0),
        (&["inspect", image], 0),
        (&["inspect", "--json", image], 0),
        (&["verify", image], 0),
        (&["verify", "--json", image], 0),
        (&["export", image, "-o", "-"], 141),
        (&["dump", "web-09"], 1),
        (&["dump", "--json", "web-09"], 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = memdeck(dir.path()).args(arguments).stdout(without_reader()).output().unwrap();
        assert_eq!(text(&output), (Some(code), String::new(), String::new()), "{arguments:?}");
        // And where whoever read both has gone (`2>&1 | head -1`).
        let dir = tempfile::tempdir().unwrap();
        let mut command = memdeck(dir.path());
        command.args(arguments).stdout(without_reader()).stderr(without_reader());
        assert_eq!(command.status().unwrap().code(), Some(code), "{arguments:?}");
    }
    // Failures are told on standard error, and wrong usage before anything is configured.
    for (arguments, code) in [(&["verify", "nothing.elf.zst"][..], 1), (&["frobnicate"], 2)] {
        let dir = tempfile::tempdir().unwrap();
        let ended = memdeck(dir.path()).args(arguments).stderr(without_reader()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_service_whose_log_nobody_reads_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = memdeck(dir.path());
    serve
        .arg("serve")
        .env("MEMDECK_BIND", "127.0.0.1:0")
        .env("MEMDECK_LOG", "trace")
        .stderr(without_reader());
    let mut serve = serve.spawn().unwrap();
    let begun = Instant::now();
    let is_ready =
        || std::fs::read_to_string(dir.path().join("state/lock")).is_ok_and(|lock| lock.contains("http://"));
    while !is_ready() {
        assert!(serve.try_wait().unwrap().is_none(), "it ended at its first word");
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not get ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&serve);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
}

#[test]
fn a_failed_dump_says_why_and_is_recorded_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let output = memdeck(dir.path()).args(["dump", "web-09", "--json"]).output().unwrap();
    let (code, stdout, stderr) = text(&output);
    assert_eq!(code, Some(1), "{stderr}");
    let reply: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(reply["dumps"][0]["message"], "no VM 'web-09' on test:///default");
    assert_eq!(reply["dumps"][0]["job_state"], "failed");
}

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

/// A small image that is stored with the sources.
fn stored_with_the_sources(name: &str) -> PathBuf {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/image/tests/images");
    images.join(format!("{name}.elf.zst"))
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

fn assert_says(printed: &str, expected: &[&str]) {
    for sentence in expected {
        assert!(printed.contains(sentence), "{sentence} is not in:\n{printed}");
    }
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
        said.contains("out.partial") && said.contains("another export writes it, or one was cut off"),
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
fn wrong_usage_is_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["dump"][..],
        &["verify"],
        &["frobnicate"],
        &["dump", ""],
        &["serve", "--nothing"],
        &["verify", "x", "--sample", "0"],
    ] {
        let output = memdeck(dir.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {:?}", text(&output));
    }
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
    let catalog = memdeck_catalog::Catalog::open(&home.join("state")).unwrap();
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
    drop(crate::support::program::Running::serve(home.path(), &[]));
    let state = home.path().join("state");
    for name in ["catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(state.join(name));
    }
    std::fs::write(state.join("catalog.db"), "").unwrap();
    drop(crate::support::program::Running::serve(home.path(), &[]));
    let kept =
        std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: Vec<_> = kept.filter(|name| name.starts_with("catalog.db.damaged-")).collect();
    assert_eq!(kept.len(), 1, "it is kept aside");
    assert!(!state.join("catalog.restoring").exists(), "it is finished");
    let catalog = memdeck_catalog::Catalog::open(&state).unwrap();
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
    drop(memdeck_catalog::Catalog::open_or_restore(&state, at_second(1), || false).unwrap());
    std::fs::remove_file(state.join("catalog.db")).unwrap();
    let (catalog, restoration) =
        memdeck_catalog::Catalog::open_or_restore(&state, at_second(2), || false).unwrap();
    assert!(restoration.is_some());
    drop(catalog);

    let service = crate::support::program::Running::serve(&home, &variables);
    assert_eq!(service.stop().0, Some(0));
    let catalog = memdeck_catalog::Catalog::open(&state).unwrap();
    let record = catalog.record_of(&dump_id.parse().unwrap()).unwrap().expect("made anew");
    assert_eq!(record.rebuilt_at, Some(at_second(2)), "of that restoration");
    let told = catalog.setting("catalog restored").unwrap().unwrap();
    assert!(told.contains("it was gone") && told.contains("1 records were made anew"), "{told}");
    assert!(!state.join("catalog.restoring").exists(), "it is finished");
}

fn at_second(second: i64) -> memdeck_model::Timestamp {
    memdeck_model::Timestamp::from_unix_micros(second * 1_000_000).unwrap()
}
