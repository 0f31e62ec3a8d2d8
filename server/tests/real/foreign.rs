//! Another program dumps the guest, which stands still for it: that is no pause of an operator's, and not ours.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags};
use serde_json::Value;

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::pauses::PauseWatch;
use crate::support::{Home, PATIENCE, Service};

/// How far what is recorded of a pause and what QEMU's events say of it may be apart.
const SAME_PAUSE: Duration = Duration::from_millis(50);

/// `virsh dump --memory-only`, held while nobody reads what it writes.
struct VirshDump {
    virsh: Child,
    pipe: File,
}

impl VirshDump {
    fn held(home: &Home, guest: &LabGuest) -> Self {
        let path = home.path().join("virsh.fifo");
        rustix::fs::mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().read(true).custom_flags(nonblocking).open(&path).unwrap();
        let virsh = Command::new("virsh")
            .args(["-q", "dump", "--memory-only", guest.name])
            .arg(&path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        guest.wait_until_dumped(PATIENCE);
        assert_eq!(guest.state(), "paused");
        Self { virsh, pipe }
    }

    /// Reads all that it writes, so that it ends and the guest runs.
    fn let_go(&mut self) {
        rustix::fs::fcntl_setfl(&self.pipe, OFlags::empty()).unwrap();
        std::io::copy(&mut self.pipe.by_ref(), &mut std::io::sink()).unwrap();
        assert!(self.virsh.wait().unwrap().success());
    }
}

impl Drop for VirshDump {
    fn drop(&mut self) {
        // Has ended, unless the test failed; without a reader virsh ends and the guest runs.
        let _ended = self.virsh.kill();
        let _ended = self.virsh.wait();
    }
}

fn wait_until_it_waits(serve: &Service, vm: &str) {
    serve.wait(&format!("/api/memory-dumps/status/{vm}"), "the other program's job", |status| {
        assert!(matches!(status["job_state"].as_str()?, "queued" | "running"), "{status}");
        (status["waits_for"] == "foreign_job").then_some(())
    });
}

/// A guest that ran has a pause, and one that is told.
fn assert_pause_is_told(ended: &Value) {
    assert_eq!(ended["job_state"], "completed", "{ended}");
    assert!(ended["pause_ms"].as_u64().is_some_and(|pause_ms| pause_ms > 0), "{ended}");
}

#[test]
fn a_guest_that_virsh_dumps_is_dumped_afterwards_and_its_pause_is_measured() {
    let _turn = lab();
    let db = LabGuest::running("db-01");
    for mode in ["frozen", "auto"] {
        let home = Home::new();
        let serve = Service::start(&home, "serve", &[]);
        let watch = PauseWatch::start(&db);
        let mut virsh = VirshDump::held(&home, &db);
        serve.trigger_as(&[db.name], mode);
        wait_until_it_waits(&serve, db.name);
        assert_eq!(db.state(), "paused", "the other program's dump is left alone");
        virsh.let_go();
        let ended = serve.wait_for_end(db.name);
        assert_pause_is_told(&ended);
        db.wait_until_running(Duration::from_secs(1));
        // By QEMU's events: virsh's pause, then one of ours. A live dump that was of no use comes before a frozen one.
        let pauses = watch.pauses();
        let (own, told) =
            (*pauses.last().unwrap(), Duration::from_millis(ended["pause_ms"].as_u64().unwrap()));
        assert!(pauses.len() >= 2 && own.abs_diff(told) <= SAME_PAUSE, "{told:?} of {pauses:?}: {ended}");
        // It ran when its dump began, so that was not begun frozen because it stood still.
        let fallback = ended["fallback"].as_str().unwrap_or_default();
        assert!(!fallback.contains("standing still costs it nothing"), "{mode}: {ended}");
    }
}

#[test]
fn two_memdecks_dump_one_guest_one_after_the_other_and_each_tells_its_own_pause() {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let held = Held::these(Home::new(), "frozen", Some(&db), None);
    let home = Home::new();
    let second = Service::start(&home, "serve", &[]);
    second.trigger_as(&[db.name], "frozen");
    wait_until_it_waits(&second, db.name);
    held.release();
    for serve in [&held.serve, &second] {
        assert_pause_is_told(&serve.wait_for_end(db.name));
    }
    assert_eq!((db.state(), web.state()), ("running".to_owned(), "running".to_owned()));
}
