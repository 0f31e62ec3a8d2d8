//! Processes of memdeck and what they leave on disk.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines, Seek as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

/// How long anything of a small guest may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A pause budget with which one pass over a guest of the lab is enough on any machine, because all of the guest fits into
/// it: more passes over an emulated guest are not believed where QEMU is old, and where it changes its memory faster than a
/// busy machine reads it there are more. For tests that are about something else than the pause.
pub const GENEROUS_PAUSE_MS: u64 = 10_000;

/// Whether the program under test has its named points.
pub fn holds_at_points() -> bool {
    cfg!(feature = "failpoints")
}

/// State and dump directory of one memdeck.
pub struct Home {
    dir: tempfile::TempDir,
    /// Directories that are volumes of their own.
    volumes: Vec<PathBuf>,
    /// The file that its disk is, while it has a name.
    disk: Option<tempfile::NamedTempFile>,
}

impl Home {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), volumes: Vec::new(), disk: None }
    }

    /// Its dump directory is a volume of its own, of that many MiB.
    pub fn on_volume_of(mib: u64) -> Self {
        let size = format!("size={mib}m,mode=700");
        let mut home = Self::new();
        home.mount("dumps", &["-t", "tmpfs", "-o", &size, "memdeck-test"]);
        home
    }

    /// Its dump directory is a disk of its own, of that many MiB.
    pub fn on_disk_of(mib: u64) -> Self {
        Self::new().with_disk("dumps", mib)
    }

    /// Its state directory is a disk of its own, of that many MiB.
    pub fn with_state_on_disk_of(mib: u64) -> Self {
        Self::new().with_disk("state", mib)
    }

    fn with_disk(mut self, directory: &str, mib: u64) -> Self {
        let disk = tempfile::NamedTempFile::new().unwrap();
        disk.as_file().set_len(mib << 20).unwrap();
        let mut make = Command::new("mkfs.ext4");
        assert!(make.arg("-q").arg(disk.path()).status().unwrap().success());
        self.mount(directory, &["-o", "loop", disk.path().to_str().unwrap()]);
        let volume = self.path().join(directory);
        std::fs::remove_dir(volume.join("lost+found")).unwrap();
        std::fs::set_permissions(volume, std::fs::Permissions::from_mode(0o700)).unwrap();
        self.disk = Some(disk);
        self
    }

    /// Takes the disk away and mounts it again, with what is on it.
    pub fn mount_disk_again(&self) {
        let disk = self.disk.as_ref().expect("a home on a disk");
        assert!(Command::new("umount").arg(self.volume()).status().unwrap().success());
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(disk.path()).arg(self.volume());
        assert!(mount.status().unwrap().success());
    }

    /// Makes a directory and mounts there what these arguments of mount say.
    fn mount(&mut self, directory: &str, volume: &[&str]) {
        let directory = self.path().join(directory);
        std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let mut mount = Command::new("mount");
        mount.args(volume).arg(&directory);
        assert!(mount.status().unwrap().success(), "a small volume can be made only as root");
        self.volumes.push(directory);
    }

    /// Lets every write to the volume of the dumps hang until the value is dropped.
    pub fn hang_volume(&self) -> Hanging {
        Hanging::begin(self.volume())
    }

    /// Lets every write to the volume of the state hang until the value is dropped.
    pub fn hang_state(&self) -> Hanging {
        Hanging::begin(self.path().join("state"))
    }

    /// Lets nobody write to the disk, or everybody again.
    pub fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(self.volume());
        assert!(mount.status().unwrap().success());
    }

    /// Where its volume is mounted.
    pub fn volume(&self) -> PathBuf {
        self.path().join("dumps")
    }

    /// Takes all the room that is left.
    ///
    /// Waits until nothing is written any more: what still waits to be stored takes room, and gives it back.
    pub fn fill_volume(&self) {
        let free = || rustix::fs::statvfs(self.volume()).unwrap().f_bfree;
        let (deadline, mut before) = (Instant::now() + Duration::from_secs(30), free());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = free();
            if now == before {
                break;
            }
            assert!(Instant::now() < deadline, "the volume has not come to rest");
            before = now;
        }
        let mut filler = std::fs::File::create(self.volume().join("filler")).unwrap();
        // Most of it at once; what is left in pieces is written.
        let (mut length, mut step) = (0, 1_u64 << 30);
        while step >= 4096 {
            match rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), length, step) {
                Ok(()) => length += step,
                Err(error) => {
                    assert_eq!(error, rustix::io::Errno::NOSPC);
                    filler.set_len(length).unwrap();
                    step /= 2;
                }
            }
        }
        filler.seek(std::io::SeekFrom::End(0)).unwrap();
        let full = std::io::copy(&mut std::io::repeat(0), &mut filler).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Undoes [`Self::fill_volume`].
    pub fn empty_volume(&self) {
        std::fs::remove_file(self.volume().join("filler")).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the program of this home is, if it has one of its own.
    pub fn installed_program(&self) -> PathBuf {
        self.path().join("memdeck")
    }

    /// The memdeck program on this home.
    pub fn memdeck(&self, arguments: &[&str]) -> Command {
        let installed = self.installed_program();
        let built = Path::new(env!("CARGO_BIN_EXE_memdeck"));
        let mut command = Command::new(if installed.exists() { &installed } else { built });
        command
            .args(arguments)
            .current_dir(self.path())
            .env("STATE_DIR", self.path().join("state"))
            .env("DUMP_DIR", self.path().join("dumps"))
            .env_remove("MEMDUMP_SERVICE_URL")
            .env_remove("INFLUX_URL");
        command
    }

    /// Runs `memdeck dump --json` in a mode to its end, with a generous pause budget; the one dump it tells about.
    pub fn dump(&self, vm: &str, mode: &str) -> Value {
        let budget = GENEROUS_PAUSE_MS.to_string();
        let arguments = ["dump", vm, "--mode", mode, "--pause-budget", &budget, "--json"];
        let output = self.memdeck(&arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let reply: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        reply["dumps"][0].clone()
    }

    /// The names of all files in the dump directory.
    pub fn dumps(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join("dumps")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Exports a record's image as ELF.
    pub fn export(&self, record: &Value) -> PathBuf {
        self.export_as(record, "elf")
    }

    /// Exports a record's image in a format.
    pub fn export_as(&self, record: &Value, format: &str) -> PathBuf {
        let out = self.path().join(format!("exported.{format}"));
        let exported = self
            .memdeck(&["export", record["dump_path"].as_str().unwrap(), "--format", format, "-o"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
        out
    }
}

/// A volume that takes nothing.
pub struct Hanging(PathBuf);

impl Hanging {
    fn begin(volume: PathBuf) -> Self {
        fsfreeze("--freeze", &volume);
        Self(volume)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        fsfreeze("--unfreeze", &self.0);
    }
}

fn fsfreeze(what: &str, volume: &Path) {
    assert!(Command::new("fsfreeze").arg(what).arg(volume).status().unwrap().success());
}

impl Drop for Home {
    fn drop(&mut self) {
        for volume in &self.volumes {
            // Lazily: a memdeck that was killed may not be gone to its last file.
            let unmounted = Command::new("umount").arg("--lazy").arg(volume).status();
            if !std::thread::panicking() {
                assert!(unmounted.unwrap().success());
            }
        }
    }
}

/// A running `memdeck serve` or `memdeck agent`, ended when it is dropped.
pub struct Service {
    child: Child,
    pub url: String,
    /// What it said until then.
    pub said: String,
    http: reqwest::blocking::Client,
    log: LogReader,
}

impl Service {
    /// Starts it on a free port and waits until it says where it answers.
    pub fn start(home: &Home, role: &str, variables: &[(&str, &str)]) -> Self {
        memdeck::commands::install_tls_provider();
        let mut command = home.memdeck(&[role]);
        command.env("MEMDECK_BIND", "127.0.0.1:0").envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let Some(line) = log.next() else { panic!("memdeck {role} ended before it was ready:\n{said}") };
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.contains(" ready ") || line.contains(" degraded: ") {
                let url = line.split("url=\"").nth(1).and_then(|rest| rest.split('"').next());
                break url.unwrap_or_else(|| panic!("no URL in: {line}")).to_owned();
            }
        };
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        Self { child, url, said, http, log: LogReader::start(log) }
    }

    /// Lets nobody read the log, whose pipe is full, until the value is dropped.
    pub fn fill_log(&self) -> FullLog {
        // A way of its own to the pipe, for one that does not wait.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let mut pipe = options.open(format!("/proc/{}/fd/2", self.child.id())).unwrap();
        self.log.pause(&mut pipe);
        for size in [4096, 1] {
            while pipe.write(&vec![b'.'; size]).is_ok() {}
        }
        let full = pipe.write(b".").unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
        FullLog(self.log.go_on.clone())
    }

    /// SIGSTOP to the whole process. SIGKILL and [`Drop`] end it all the same.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGHUP, as when its terminal goes; no new connection is taken any more when this returns.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
        let address = self.url.strip_prefix("http://").unwrap();
        let begun = Instant::now();
        while TcpStream::connect(address).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it does not hear of SIGHUP");
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().unwrap().json().unwrap()
    }

    /// Status, headers and JSON body of an answer.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> (u16, reqwest::header::HeaderMap, Value) {
        let method = method.parse().unwrap();
        let answer = self.http.request(method, format!("{}{path}", self.url)).json(body).send().unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.json().unwrap())
    }

    pub fn trigger(&self, vms: &[&str]) -> Value {
        self.ask(&json!({"vms": vms}))
    }

    /// Asks for a dump in a mode, with a generous pause budget.
    pub fn trigger_as(&self, vms: &[&str], mode: &str) -> Value {
        self.ask(&json!({"vms": vms, "mode": mode, "pause_budget_ms": GENEROUS_PAUSE_MS}))
    }

    pub fn trigger_frozen(&self, vms: &[&str]) -> Value {
        self.ask(&json!({"vms": vms, "mode": "frozen"}))
    }

    pub fn ask(&self, body: &Value) -> Value {
        let request = self.http.post(format!("{}/api/memory-dumps/trigger", self.url)).json(body);
        request.send().unwrap().json().unwrap()
    }

    pub fn cancel(&self, dump_id: &str) {
        let url = format!("{}/api/memory-dumps/cancel/{dump_id}", self.url);
        let answer = self.http.post(url).json(&json!({})).send().unwrap();
        assert_eq!(answer.status(), 202);
    }

    /// Asks again and again until `wanted` gives something.
    pub fn wait<T>(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if let Some(found) = wanted(&answer) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}: {answer}");
        }
    }

    /// As [`Self::wait`], while nobody may listen for a moment.
    pub fn wait_through_a_new_listener<T>(&self, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let answer = self.http.get(format!("{}{path}", self.url)).send();
            if let Some(found) = answer.ok().and_then(|answer| wanted(&answer.json().unwrap())) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} does not come to that in {PATIENCE:?}");
        }
    }

    /// Waits until the newest dump of `vm` has ended.
    pub fn wait_for_end(&self, vm: &str) -> Value {
        self.wait(&format!("/api/memory-dumps/status/{vm}"), "end of the dump", |status| {
            matches!(status["job_state"].as_str(), Some("completed" | "failed" | "cancelled"))
                .then(|| status.clone())
        })
    }

    /// SIGKILL: nothing of the process runs any more when this returns.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: gives the exit code.
    pub fn terminate(self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait_for_exit().code()
    }

    /// Waits for an end that somebody else has brought about.
    pub fn wait_for_exit(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// Reads a log, because one that nobody reads would hold up whoever writes it.
struct LogReader {
    is_paused: Receiver<()>,
    go_on: Sender<()>,
}

impl LogReader {
    /// A line that is not memdeck's.
    const PAUSE: &str = "nobody reads this log any more";

    fn start(lines: Lines<BufReader<ChildStderr>>) -> Self {
        let (paused, is_paused) = channel();
        let (go_on, goes_on) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line == Self::PAUSE {
                    let _gone = paused.send(());
                    let _gone = goes_on.recv();
                }
            }
        });
        Self { is_paused, go_on }
    }

    /// Nothing is read any more when this returns.
    fn pause(&self, pipe: &mut File) {
        // At once, so that no other line comes between.
        let line = format!("{}\n", Self::PAUSE);
        assert_eq!(pipe.write(line.as_bytes()).unwrap(), line.len());
        self.is_paused.recv_timeout(PATIENCE).unwrap();
    }
}

/// A log that takes no line.
pub struct FullLog(Sender<()>);

impl Drop for FullLog {
    fn drop(&mut self) {
        // Its thread ends with the log.
        let _gone = self.0.send(());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only our own child; a failure means that it has ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
