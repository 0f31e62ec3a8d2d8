//! The rules for polkit that the package brings let memdeck dump, and nothing else: a libvirtd in namespaces of its own asks a
//! real polkitd about every call of an ordinary user.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::lab;

const GUEST: &str = "least-01";
const GUEST_XML: &str = "<domain type='qemu'><name>least-01</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
     <os><type arch='x86_64' machine='q35'>hvm</type></os>\
     <devices><emulator>/usr/bin/qemu-system-x86_64</emulator><controller type='usb' model='none'/></devices></domain>";
/// Somebody who has nothing on this machine, in the place of the package's user.
const USER: &str = "nobody";

struct Libvirt {
    namespaces: Child,
    _files: TempDir,
}

/// Whatever runs in the namespaces ends with the first process there.
impl Drop for Libvirt {
    fn drop(&mut self) {
        let _ended = self.first().map(|process| Command::new("kill").args(["-KILL", &process]).status());
        let _ended = self.namespaces.wait();
    }
}

impl Libvirt {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let shipped = include_str!("../../debian/memdeck.rules");
        let rules = shipped.replace("subject.user !== \"memdeck\"", &format!("subject.user !== \"{USER}\""));
        assert_ne!(rules, shipped, "the rules name the package's user");
        let files = [("rules", rules.as_str()), ("guest", GUEST_XML)].map(|(name, text)| {
            let file = directory.path().join(name);
            fs::write(&file, text).unwrap();
            file
        });
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/least_rights/libvirt.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", script]);
        let mut namespaces = command.args(files).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(namespaces.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line == "ready");
        let libvirt = Self { namespaces, _files: directory };
        assert!(is_ready, "libvirtd with polkit does not start: what it printed is above");
        // Its daemons may print: nobody is to wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        libvirt
    }

    /// The first process in the namespaces, by its number outside.
    fn first(&self) -> Option<String> {
        child_of(self.namespaces.id())
    }

    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first().expect("namespaces"), "--mount", "--pid", "--"]);
        command
    }

    fn state(&self) -> String {
        let output =
            self.inside().args(["virsh", "-c", "qemu:///system", "domstate", GUEST]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A call of the user, without a group.
    fn as_user(&self) -> Command {
        let mut command = self.inside();
        command.args(["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups"]);
        command
    }

    /// What the user is told who asks libvirt for `call` of the guest.
    fn asked(&self, call: &str) -> String {
        let mut virsh = self.as_user();
        let output =
            virsh.args(["virsh", "-q", "-c", "qemu:///system"]).args(call.split(' ')).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    }

    /// memdeck of the user, in a directory of the user's own.
    fn memdeck(&self) -> Command {
        let program = self.program();
        let mut command = self.as_user();
        command.args(["env", "HOME=/run/least/home", "STATE_DIR=/run/least/home/state"]);
        command.arg("DUMP_DIR=/run/least/home/dumps").arg(program);
        command
    }

    /// Where the user can run it, whoever owns the checkout.
    fn program(&self) -> PathBuf {
        let program = PathBuf::from("/run/least/memdeck");
        let from = env!("CARGO_BIN_EXE_memdeck");
        let script = "test -e \"$2\" || { install -d -o nobody -m 700 /run/least/home; install -m 755 \"$1\" \"$2\"; }";
        let installed =
            self.inside().args(["sh", "-c", script, "install", from]).arg(&program).status().unwrap();
        assert!(installed.success());
        program
    }
}

fn child_of(process: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_rules_of_the_package_let_it_dump_and_do_nothing_else() {
    let _turn = lab();
    let libvirt = Libvirt::start();

    for mode in ["frozen", "live"] {
        let dumped = libvirt.memdeck().args(["dump", "--json", "--mode", mode, GUEST]).output().unwrap();
        let told = String::from_utf8_lossy(&dumped.stdout);
        assert!(dumped.status.success(), "{told}{}", String::from_utf8_lossy(&dumped.stderr));
        assert!(told.contains(&format!("\"mode\":\"{mode}\"")), "{told}");
        assert_eq!(libvirt.state(), "running");
    }

    // In the middle: cancelled, killed, and without libvirtd, which leaves the guest paused until memdeck resumes it.
    for (end, exit_code) in
        [("kill -INT", Some(130)), ("kill -KILL", None), ("kill -KILL $(pidof libvirtd)", Some(1))]
    {
        let mut dump = libvirt.memdeck();
        dump.env("FAILPOINTS", "capture::half-read=1*return").args(["dump", "--mode", "frozen", GUEST]);
        let mut dump = dump.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("a guest paused by its dump", || libvirt.state() == "paused");
        let memdeck = child_of(dump.id()).expect("memdeck below nsenter");
        if end.contains("libvirtd") {
            assert!(libvirt.inside().args(["sh", "-c", end]).status().unwrap().success());
        } else {
            assert!(Command::new("sh").args(["-c", &format!("{end} {memdeck}")]).status().unwrap().success());
        }
        let ended = dump.wait().unwrap();
        assert!(exit_code.is_none_or(|code| ended.code() == Some(code)), "{end}: {ended}");
        until("a guest that runs on", || libvirt.state() == "running");
    }

    for call in ["shutdown", "destroy", "reset", "undefine", "managedsave", "setmem", "screenshot"] {
        let arguments = match call {
            "setmem" => "setmem least-01 32M".to_owned(),
            _ => format!("{call} {GUEST}"),
        };
        let told = libvirt.asked(&arguments);
        assert!(told.contains("access denied"), "{call}: {told}");
    }
    let told = libvirt.asked("qemu-monitor-command least-01 --hmp info");
    assert!(told.contains("access denied"), "{told}");
    assert_eq!(libvirt.state(), "running");
}

#[test]
fn the_profile_of_the_package_is_understood_by_the_parser_of_apparmor() {
    let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/debian/memdeck.apparmor");
    let parse = |file: &str| {
        let mut parser = Command::new("/usr/sbin/apparmor_parser");
        parser.args(["--skip-kernel-load", "--skip-cache", "--names", file]);
        parser.output().expect("apparmor_parser: run scripts/setup test")
    };
    let parsed = parse(profile);
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    assert_eq!(String::from_utf8_lossy(&parsed.stdout).trim(), "memdeck");

    let broken = TempDir::new().unwrap();
    let broken = broken.path().join("broken");
    fs::write(&broken, fs::read_to_string(profile).unwrap().replace("mrix,", "mrxy,")).unwrap();
    assert!(!parse(broken.to_str().unwrap()).status.success());
}
