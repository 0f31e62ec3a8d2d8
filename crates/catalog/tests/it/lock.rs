//! One process per state directory.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_catalog::{LockError, LockHolder, LockRole, StateLock, holder_of};

fn me(role: LockRole) -> LockHolder {
    LockHolder { pid: std::process::id(), role, url: None, token_in_state_dir: false }
}

#[test]
fn a_second_acquirer_is_told_who_holds_the_directory() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state");
    let lock = StateLock::acquire(&dir, &me(LockRole::Serve)).unwrap();
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(holder_of(&dir), Some(me(LockRole::Serve)));

    let refused = StateLock::acquire(&dir, &me(LockRole::Dump)).unwrap_err();
    let LockError::Held { holder, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(holder.as_ref(), Some(&me(LockRole::Serve)));
    let sentence = format!("is in use by memdeck serve (process {})", std::process::id());
    assert!(refused.to_string().contains(&sentence), "{refused}");

    drop(lock);
    assert_eq!(holder_of(&dir), None);
    StateLock::acquire(&dir, &me(LockRole::Agent)).unwrap();
}

#[test]
fn what_the_holder_publishes_replaces_what_it_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let lock = StateLock::acquire(dir.path(), &me(LockRole::Serve)).unwrap();
    for url in [Some("http://127.0.0.1:8000/a-long-path".to_owned()), Some("http://[::1]:1".to_owned()), None]
    {
        let holder = LockHolder { url, ..me(LockRole::Serve) };
        lock.publish(&holder).unwrap();
        assert_eq!(holder_of(dir.path()), Some(holder));
    }
    let text = std::fs::read_to_string(dir.path().join("lock")).unwrap();
    assert_eq!(text, format!(r#"{{"pid":{},"role":"serve","url":null}}"#, std::process::id()));
}

#[test]
fn whoever_removes_the_lock_file_lets_nobody_else_in() {
    let dir = tempfile::tempdir().unwrap();
    let lock = StateLock::acquire(dir.path(), &me(LockRole::Serve)).unwrap();
    std::fs::remove_file(dir.path().join("lock")).unwrap();
    let refused = StateLock::acquire(dir.path(), &me(LockRole::Agent)).unwrap_err();
    assert!(matches!(refused, LockError::Held { holder: None, .. }), "{refused:?}");
    drop(lock);
    StateLock::acquire(dir.path(), &me(LockRole::Agent)).unwrap();
}

#[test]
fn the_kernel_says_who_holds_the_directory_whatever_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let stranger = LockHolder { pid: 1, ..me(LockRole::Serve) };
    let lock = StateLock::acquire(dir.path(), &stranger).unwrap();
    assert_eq!(holder_of(dir.path()).unwrap().pid, 1, "what the file says");
    assert!(StateLock::is_held_by(dir.path(), own));
    assert!(!StateLock::is_held_by(dir.path(), 1));
    drop(lock);
    assert!(!StateLock::is_held_by(dir.path(), own));
}

#[test]
fn nobody_holds_a_directory_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(holder_of(&dir.path().join("nowhere")), None);
    assert_eq!(holder_of(dir.path()), None);
}

#[test]
fn looking_who_holds_the_directory_keeps_nobody_from_taking_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(StateLock::acquire(dir.path(), &me(LockRole::Serve)).unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let look = || {
            while !done.load(Ordering::Relaxed) {
                let _who = holder_of(dir.path());
            }
        };
        scope.spawn(look);
        scope.spawn(look);
        let taken: Vec<_> =
            (0..500).map(|_| StateLock::acquire(dir.path(), &me(LockRole::Serve)).is_ok()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(taken.iter().all(|&ok| ok));
    });
}

/// Run by [`a_killed_process_leaves_the_directory_free`] as a process of its own: takes the directory that the
/// environment names, says so, and waits to be killed.
#[test]
#[ignore = "the other process of a test"]
fn hold_until_killed() {
    let dir = std::env::var("HELD_DIR").unwrap();
    let _lock = StateLock::acquire(Path::new(&dir), &me(LockRole::Agent)).unwrap();
    println!("\nheld");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_killed_process_leaves_the_directory_free() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock::hold_until_killed", "--ignored", "--nocapture"])
        .env("HELD_DIR", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).any(|line| line == "held");
    assert!(said, "the other process did not take the directory");

    let refused = StateLock::acquire(dir.path(), &me(LockRole::Serve)).unwrap_err();
    let LockError::Held { holder: Some(holder), .. } = refused else { panic!("{refused:?}") };
    assert_eq!((holder.pid, holder.role), (child.id(), LockRole::Agent));

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(holder_of(dir.path()), None, "what a dead process said does not count");
    StateLock::acquire(dir.path(), &me(LockRole::Serve)).unwrap();
}
