//! Every command that there is, beside a service that runs.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};

use clap::CommandFactory as _;
use memdeck::cli::Cli;

use super::{stored_with_the_sources, text, without_reader};
use crate::support::program::{Running, memdeck};

/// They go on until they are stopped.
const GO_ON: [&str; 3] = ["serve", "agent", "mount"];

/// They print into files, or what other programs read.
const WITHOUT_JSON: [&str; 3] = ["audit export", "custody", "signing-key export"];

/// The others as somebody gives them, with their exit codes, each after those that it needs. `IMAGE` is a stored image. What a
/// doctor finds is for the machine to say.
const GIVEN: [(&str, Option<i32>); 76] = [
    ("guests", Some(0)),
    ("dump web-09", Some(1)),
    ("records", Some(0)),
    ("schedule add nightly --all --daily 02:30", Some(0)),
    ("schedule list", Some(0)),
    ("schedule show nightly", Some(0)),
    ("schedule next nightly", Some(0)),
    ("schedule pause nightly", Some(0)),
    ("schedule resume nightly", Some(0)),
    ("schedule run nightly", Some(0)),
    ("schedule remove nightly", Some(0)),
    ("retention show", Some(0)),
    ("retention preview", Some(0)),
    ("retention set rules.json --yes", Some(0)),
    ("hold add --case IR-1 --reason why", Some(0)),
    ("hold list", Some(0)),
    ("hold lift 1 --reason why", Some(0)),
    // There are no records.
    ("archive make --deleted --yes", Some(1)),
    ("archive list", Some(0)),
    ("cancel web-09", Some(1)),
    ("delete no-such-dump --yes", Some(1)),
    ("custody no-such-dump", Some(1)),
    ("verify IMAGE", Some(0)),
    ("export IMAGE -o out.elf", Some(0)),
    ("inspect IMAGE", Some(0)),
    // Its guest has no kernel.
    ("inside IMAGE", Some(1)),
    ("compare IMAGE IMAGE", Some(0)),
    // It has no image.
    ("timeline web-09", Some(1)),
    ("hunt nothing-like-this --in IMAGE", Some(0)),
    ("import-backlog rules.json", Some(2)),
    ("notify target add ops target.json", Some(0)),
    ("notify target list", Some(0)),
    ("notify target change ops target.json", Some(0)),
    // Nobody listens there.
    ("notify target test ops", Some(1)),
    ("notify rule add ops", Some(0)),
    ("notify rule list", Some(0)),
    ("notify rule remove 1", Some(0)),
    ("notify log", Some(0)),
    ("notify retry no-such-message", Some(1)),
    ("notify target remove ops", Some(0)),
    ("sign-in-link", Some(0)),
    ("user add ada --role viewer", Some(0)),
    ("user list", Some(0)),
    ("user role ada admin", Some(0)),
    ("user password ada", Some(0)),
    ("user disable ada", Some(0)),
    ("user enable ada", Some(0)),
    ("group add blue --guests web-*", Some(0)),
    ("group change blue --guests db-*", Some(0)),
    ("group list", Some(0)),
    ("user group ada blue", Some(0)),
    ("user group ada --none", Some(0)),
    ("group remove blue", Some(0)),
    ("user remove ada", Some(0)),
    ("token add ci --role viewer", Some(0)),
    ("token list", Some(0)),
    ("token revoke ci", Some(0)),
    ("catalog check", Some(0)),
    // The service has the directory.
    ("catalog rebuild", Some(1)),
    ("audit verify", Some(0)),
    ("audit list", Some(0)),
    ("audit export", Some(0)),
    ("signing-key show", Some(0)),
    ("signing-key export", Some(0)),
    ("signing-key rotate", Some(0)),
    ("backup copy.db", Some(0)),
    ("restore copy.db --check", Some(0)),
    ("doctor", None),
    ("config", Some(0)),
    // Nobody listens there.
    ("host add kvm-02 http://127.0.0.1:9", Some(1)),
    ("host drain kvm-02", Some(1)),
    ("host undrain kvm-02", Some(1)),
    ("host test kvm-02", Some(1)),
    ("host list", Some(0)),
    ("host remove kvm-02", Some(0)),
    ("config --help", Some(0)),
];

/// The words of every command that does something, and whether it can print JSON.
fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, bool)>) {
    let mut others = command.get_subcommands().filter(|one| !one.is_hide_set()).peekable();
    if others.peek().is_none() {
        found.push((words.to_owned(), command.get_arguments().any(|argument| argument.get_id() == "json")));
    }
    for other in others {
        let words = if words.is_empty() { String::new() } else { format!("{words} ") };
        leaves(other, &format!("{words}{}", other.get_name()), found);
    }
}

fn commands() -> Vec<(String, bool)> {
    let mut found = Vec::new();
    leaves(&Cli::command(), "", &mut found);
    found.retain(|(words, _)| !GO_ON.contains(&words.as_str()));
    found
}

/// A service, and the files that the commands take.
fn service(home: &Path) -> Running {
    std::fs::write(home.join("target.json"), r#"{"kind": "webhook", "url": "http://127.0.0.1:9/"}"#).unwrap();
    std::fs::write(home.join("rules.json"), r#"{"rules": []}"#).unwrap();
    Running::serve(home, &[])
}

/// Starts a command; whatever it asks for is a password.
fn start(home: &Path, given: &str, more: &[&str], stdout: Stdio) -> Child {
    let image = stored_with_the_sources("frozen_with-page-map");
    let image = image.to_str().unwrap();
    let words = given.split(' ').map(|word| if word == "IMAGE" { image } else { word });
    let mut command = memdeck(home);
    command.args(words).args(more).stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that asks for nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(b"a long password\n");
    child
}

#[test]
fn every_command_is_tried_here() {
    let commands = commands();
    let names: BTreeSet<&str> = commands.iter().map(|(words, _)| words.as_str()).collect();
    let tried: BTreeSet<&str> =
        GIVEN.iter().filter_map(|(given, _)| names.iter().find(|name| is_of(given, name)).copied()).collect();
    assert_eq!(tried, names);
}

fn is_of(given: &str, name: &str) -> bool {
    given.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[test]
fn every_command_that_prints_a_result_prints_it_as_json_if_asked() {
    let commands = commands();
    let without: Vec<_> = commands.iter().filter(|(_, has_json)| !has_json).map(|(words, _)| words).collect();
    assert_eq!(without, WITHOUT_JSON);
    let home = tempfile::tempdir().unwrap();
    let service = service(home.path());
    for (given, code) in GIVEN {
        if given.ends_with("--help") || WITHOUT_JSON.iter().any(|name| is_of(given, name)) {
            continue;
        }
        let child = start(home.path(), given, &["--json"], Stdio::piped());
        let (ended, stdout, stderr) = text(&child.wait_with_output().unwrap());
        assert!(code.is_none() || ended == code, "{given}: {ended:?} {stdout}{stderr}");
        let values: Vec<_> = stdout.lines().map(serde_json::from_str::<serde_json::Value>).collect();
        assert!(values.iter().all(Result::is_ok), "{given}: {stdout}");
        assert_eq!(values.is_empty(), stderr.starts_with("memdeck: "), "{given}: {stdout}{stderr}");
    }
    drop(service);
}

#[test]
fn every_command_whose_reader_goes_does_its_work_and_panics_nowhere() {
    let home = tempfile::tempdir().unwrap();
    let service = service(home.path());
    for (given, code) in GIVEN {
        // An export that nobody reads is not written to its end.
        let code = if given == "audit export" { Some(141) } else { code };
        let child = start(home.path(), given, &[], without_reader());
        let (ended, _, stderr) = text(&child.wait_with_output().unwrap());
        assert!(code.is_none() || ended == code, "{given}: {ended:?} {stderr}");
        assert!(!stderr.contains("panicked"), "{given}: {stderr}");
    }
    drop(service);
}
