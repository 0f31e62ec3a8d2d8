//! The program as a shell sees it.

use std::path::Path;
use std::process::{Command, Output};

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
    assert_eq!(verified.status.code(), Some(3), "{:?}", text(&verified));
    let out = dir.path().join("out.elf");
    let exported = memdeck(dir.path()).arg("export").arg(&file).arg("-o").arg(&out).output().unwrap();
    assert_eq!(exported.status.code(), Some(1), "{:?}", text(&exported));
    assert!(!out.exists(), "half an export was left");
    let missing = memdeck(dir.path()).args(["verify", "nothing.elf.zst"]).output().unwrap();
    let (code, _, stderr) = text(&missing);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("nothing.elf.zst"), "{stderr}");
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

#[test]
fn wrong_usage_is_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["dump"][..], &["verify"], &["frobnicate"], &["dump", ""], &["serve", "--nothing"]] {
        let output = memdeck(dir.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {:?}", text(&output));
    }
}
