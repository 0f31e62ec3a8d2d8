//! The lab's guests, as `virsh` shows them.

use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tests dump, pause and watch the same guests, so they take turns: where a runner starts them in threads of one
/// process by this lock, where it starts a process for each by its configuration (`.config/nextest.toml`).
pub fn lab() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has left the guests running all the same.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guest of the lab.
pub struct LabGuest {
    pub name: &'static str,
}

impl LabGuest {
    /// A guest that must be running.
    pub fn running(name: &'static str) -> Self {
        let guest = Self { name };
        assert_eq!(guest.state(), "running", "the guest {name} is needed: run scripts/lab up");
        guest
    }

    pub fn state(&self) -> String {
        virsh(&["domstate", self.name])
            .unwrap_or_else(|error| panic!("{error}; run scripts/lab up"))
            .trim()
            .to_owned()
    }

    /// Waits until the guest runs; gives how long that took.
    pub fn wait_until_running(&self, limit: Duration) -> Duration {
        let begun = Instant::now();
        while self.state() != "running" {
            assert!(begun.elapsed() < limit, "{} is still {} after {limit:?}", self.name, self.state());
        }
        begun.elapsed()
    }

    /// Pauses the guest until the value is dropped.
    pub fn suspend(&self) -> Suspended<'_> {
        virsh(&["suspend", self.name]).unwrap();
        Suspended { guest: self }
    }
}

/// A guest that the operator paused.
pub struct Suspended<'a> {
    guest: &'a LabGuest,
}

impl Suspended<'_> {
    /// The guest runs again already.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        let resumed = virsh(&["resume", self.guest.name]);
        if !std::thread::panicking() {
            resumed.unwrap();
        }
    }
}

/// Runs virsh; its output, or its complaint.
pub fn virsh(arguments: &[&str]) -> Result<String, String> {
    let uri = std::env::var("LIBVIRT_URI").unwrap_or_else(|_| "qemu:///system".to_owned());
    let output = Command::new("virsh")
        .args(["-c", &uri])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("virsh cannot be run ({error}): run scripts/setup"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("virsh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
