//! A state and a dump directory of one memdeck, and volumes that fill or hang.

use std::io::Seek as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::GENEROUS_PAUSE_MS;

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
