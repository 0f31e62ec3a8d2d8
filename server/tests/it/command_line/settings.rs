//! Where settings come from, and what is said of those that are wrong.

use std::path::Path;
use std::process::Command;

use super::text;
use crate::support::program::memdeck;

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
