//! Where QEMU runs as memdeck's own user, that user is not trusted: a guest with user-mode networking calls through its
//! QEMU's sockets. Needs root, to act as a user of its own.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A user who has nothing else on this machine.
const USER: u32 = 64_123;

/// Ends the process also if an assertion fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn as_user(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).uid(USER).gid(USER);
    command
}

/// Asks as the user, without a token; status and body.
fn ask(home: &Path, url: &str) -> (String, String) {
    let mut curl = as_user(Path::new("/usr/bin/curl"), home);
    let output =
        curl.args(["-sS", "-w", "\n%{http_code}"]).arg(format!("{url}/api/memory-dumps/stats")).output();
    let told = String::from_utf8(output.unwrap().stdout).unwrap();
    let (body, status) = told.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn until(home: &Path, url: &str, status: &str) -> String {
    let begun = Instant::now();
    loop {
        let (is, body) = ask(home, url);
        if is == status {
            return body;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "still {is}: {body}");
    }
}

#[test]
fn a_guest_of_memdecks_own_user_is_not_taken_for_that_user() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // Where the user can run it, whoever owns the checkout.
    let program = home.join("memdeck");
    std::fs::copy(env!("CARGO_BIN_EXE_memdeck"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    chown(home, Some(USER), Some(USER)).unwrap();
    let mut memdeck = as_user(&program, home);
    memdeck.arg("serve").env("LIBVIRT_URI", "test:///default").env("MEMDECK_BIND", "127.0.0.1:0");
    let mut memdeck = Running(memdeck.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(memdeck.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let ready = log.by_ref().find(|line| line.contains(" ready")).expect("a service that starts");
    let url = ready.split("url=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    std::thread::spawn(move || log.for_each(drop));

    assert_eq!(ask(home, &url).0, "200", "its own user");
    let mut qemu = as_user(Path::new("/usr/bin/qemu-system-x86_64"), home);
    qemu.args(["-machine", "q35,accel=tcg", "-m", "32", "-S", "-nodefaults", "-display", "none"]);
    let mut qemu = Running(qemu.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let refused = until(home, &url, "401");
    assert!(refused.contains(&format!("QEMU runs as user {USER} (process {})", qemu.0.id())), "{refused}");
    assert!(qemu.0.try_wait().unwrap().is_none(), "QEMU ended by itself");
    drop(qemu);
    until(home, &url, "200");
}
