//! The second process, which looks after guests when the first cannot.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::{Home, PATIENCE, Service};

/// From the stop of the whole process to a guest that runs.
const STOPPED_PROCESS_LIMIT: Duration = Duration::from_secs(10);

/// The process that looks after the guests of another one; `None` if there is none, or none any more.
fn guardian_of(engine: u32) -> Option<u32> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{engine}/task")).unwrap() {
        // It may end meanwhile.
        let of_thread = fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        children.extend(of_thread.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
    }
    // What has ended and was not waited for has no command line.
    let is_guardian = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"guard")
    };
    children.into_iter().find(is_guardian)
}

/// As an update does it: another file gets the name.
fn replace(program: &Path, by: &str) {
    let new = program.with_extension("new");
    fs::write(&new, by).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, program).unwrap();
}

#[test]
fn a_guardian_that_died_is_started_again_after_the_program_was_replaced() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::new();
    fs::copy(env!("CARGO_BIN_EXE_memdeck"), home.installed_program()).unwrap();
    let mark = home.path().join("the-new-program-was-run");
    let held = Held::these_after(home, "frozen", Some(&guest), None, |home, serve| {
        let first = guardian_of(serve.id()).expect("a guardian from the start");
        replace(&home.installed_program(), &format!("#!/bin/sh\n>'{}'\n", mark.display()));
        kill_process(Pid::from_raw(first.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
        let begun = Instant::now();
        while guardian_of(serve.id()).is_some() {
            assert!(begun.elapsed() < PATIENCE, "the guardian does not end");
        }
    });
    let second = guardian_of(held.serve.id()).expect("another guardian, with the first guest");
    let runs = fs::read_link(format!("/proc/{second}/exe")).unwrap();
    assert!(runs.to_str().unwrap().ends_with("/memdeck (deleted)"), "{}", runs.display());
    // And it does what it is there for.
    held.serve.stop();
    held.assert_guests_are_as_they_were(STOPPED_PROCESS_LIMIT);
    assert!(!mark.exists());
    let (home, code, _) = held.wait_for_exit();
    assert_eq!(code, None, "it was killed");
    fs::remove_file(home.installed_program()).unwrap();
    let failed = Service::start(&home, "serve", &[]).get("/api/memory-dumps/status/db-01");
    assert_eq!(failed["end_reason"]["kind"], "lost_in_restart", "{failed}");
}
