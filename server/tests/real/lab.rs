//! The lab's guests, as `virsh` shows them.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An emulated guest on a busy machine takes its time.
const BOOT_LIMIT: Duration = Duration::from_mins(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

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
        loop {
            // What counts is when virsh was asked, however long a busy machine takes to run it.
            let asked = begun.elapsed();
            let state = self.state();
            if state == "running" {
                return asked;
            }
            assert!(asked < limit, "{} is still {state} after {asked:?}", self.name);
        }
    }

    /// Waits until libvirt is dumping the guest.
    pub fn wait_until_dumped(&self, limit: Duration) {
        let begun = Instant::now();
        // Where QEMU keeps virsh waiting, a dump is near its end.
        while !virsh(&["domjobinfo", self.name]).is_ok_and(|job| job.contains("Dump")) {
            assert!(begun.elapsed() < limit, "nobody dumps {}", self.name);
        }
    }

    /// Its limit for the pause at the end of a migration, in milliseconds.
    pub fn max_downtime_ms(&self) -> u64 {
        virsh(&["-q", "migrate-getmaxdowntime", self.name]).unwrap().trim().parse().unwrap()
    }

    pub fn set_max_downtime_ms(&self, limit_ms: u64) {
        virsh(&["migrate-setmaxdowntime", self.name, &limit_ms.to_string()]).unwrap();
    }

    /// Begins to listen to libvirt's events of the guest's life.
    pub fn watch_lifecycle(&self) -> LifecycleWatch {
        let mut command = virsh_command(&["event", self.name, "lifecycle", "--loop"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        LifecycleWatch { child }
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

impl<'a> Suspended<'a> {
    pub fn guest(&self) -> &'a LabGuest {
        self.guest
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

/// Events of a guest's life.
pub struct LifecycleWatch {
    child: Child,
}

impl LifecycleWatch {
    /// What happened since the watch began, in virsh's words.
    pub fn seen(mut self) -> String {
        // Ctrl-C ends the loop; its summary goes elsewhere.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let mut seen = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
        self.child.wait().unwrap();
        seen.lines().filter(|line| line.starts_with("event '")).collect::<Vec<_>>().join("\n")
    }
}

/// A guest that the lab starts for one test. Gone when it is dropped.
pub struct ExtraGuest(pub LabGuest);

impl ExtraGuest {
    /// `how` is what `scripts/lab up --guest` takes behind the name.
    pub fn start(name: &'static str, how: &str) -> Self {
        let guest = Self(LabGuest { name });
        let output = lab_command(&["up", "--only", "--guest", &format!("{name}:{how}")]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        guest
    }

    /// What it said on its console.
    pub fn console(&self) -> String {
        let lab = std::env::var("MEMDECK_LAB_DIR").unwrap_or_else(|_| "/var/lib/memdeck-lab".to_owned());
        let path = format!("{lab}/guests/{}/console.log", self.0.name);
        let said = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        String::from_utf8_lossy(&said).replace('\r', "")
    }
}

impl Drop for ExtraGuest {
    fn drop(&mut self) {
        // Where it did not start there is nothing to stop.
        let _ = lab_command(&["down", self.0.name]).output();
    }
}

fn lab_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/lab"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A small guest of a test's own, on the lab's kernel. Gone when it is dropped.
pub struct OwnGuest {
    pub name: &'static str,
    /// Where its console is written to.
    home: tempfile::TempDir,
}

/// What a guest of a test's own is made of.
pub struct Parts {
    kind: &'static str,
    kernel: String,
    /// On the disk of this machine, where QEMU can read it.
    pub initrd: String,
    /// Elements of a domain's devices.
    pub devices: &'static str,
}

impl Parts {
    pub fn of_the_lab() -> Self {
        let model =
            virsh(&["dumpxml", "web-01"]).unwrap_or_else(|error| panic!("{error}; run scripts/lab up"));
        let element = |tag: &str| {
            let content = model.split(&format!("<{tag}>")).nth(1).and_then(|rest| rest.split('<').next());
            content.unwrap_or_else(|| panic!("web-01 has no {tag}: is it the lab's?")).to_owned()
        };
        let kind = if model.contains("<domain type='kvm'") { "kvm" } else { "qemu" };
        Self { kind, kernel: element("kernel"), initrd: element("initrd"), devices: "" }
    }
}

impl OwnGuest {
    /// Starts it, and waits until its kernel has started its first process, this applet of busybox.
    pub fn start(name: &'static str, init: &[&str]) -> Self {
        let arguments = format!("rdinit=/bin/busybox -- {}", init.join(" "));
        Self::start_with(name, &arguments, &Parts::of_the_lab())
    }

    /// Starts it with further arguments for its kernel, and waits until that has started its first process.
    pub fn start_with(name: &'static str, arguments: &str, parts: &Parts) -> Self {
        let Parts { kind, kernel, initrd, devices } = parts;
        let home = tempfile::tempdir().unwrap();
        let console = home.path().join("console.log");
        let xml = format!(
            "<domain type='{kind}'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>\
             <cmdline>console=ttyS0 panic=-1 {arguments}</cmdline></os>\
             <features><acpi/></features><on_reboot>destroy</on_reboot>\
             <devices>{devices}<serial type='file'><source path='{}'/></serial></devices></domain>",
            console.display()
        );
        let domain = home.path().join("domain.xml");
        std::fs::write(&domain, xml).unwrap();
        virsh(&["create", domain.to_str().unwrap()]).unwrap();
        let guest = Self { name, home };
        guest.wait_until_it_says("as init process");
        guest
    }

    /// Waits for words on its console; all that it has said.
    pub fn wait_until_it_says(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let said = std::fs::read(self.home.path().join("console.log")).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            if said.contains(words) {
                return said;
            }
            let waited = begun.elapsed();
            assert!(waited < BOOT_LIMIT, "{} does not say '{words}' after {waited:?}: {said}", self.name);
            std::thread::sleep(LOOK_INTERVAL);
        }
    }
}

impl Drop for OwnGuest {
    fn drop(&mut self) {
        // Most of them are gone by now.
        let _gone = virsh(&["destroy", self.name]);
    }
}

/// Stops libvirtd and starts it again as the lab did; it answers when this returns. Guests run on.
pub fn restart_libvirtd() {
    let output = lab_command(&["restart-libvirtd"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A call of virsh, on the hypervisor of the lab.
pub fn virsh_command(arguments: &[&str]) -> Command {
    let uri = std::env::var("LIBVIRT_URI").unwrap_or_else(|_| "qemu:///system".to_owned());
    let mut command = Command::new("virsh");
    command.args(["-c", &uri]).args(arguments).stdin(Stdio::null());
    command
}

/// Whether virsh says something within a limit; QEMU may keep it waiting.
pub fn virsh_answers(arguments: &[&str], limit: Duration) -> bool {
    let mut child = virsh_command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

/// Runs virsh; its output, or its complaint.
pub fn virsh(arguments: &[&str]) -> Result<String, String> {
    let output = virsh_command(arguments)
        .output()
        .map_err(|error| format!("virsh cannot be run ({error}): run scripts/setup"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("virsh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
