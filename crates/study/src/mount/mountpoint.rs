//! The directory where images are mounted: what is there before, and how it comes off again.
//!
//! Whoever serves a mount may be killed. Then every access to it fails until somebody unmounts it: a small process that
//! outlives the first does so ([`unmount_when_closed`]), or the next mount at the same place ([`clear`]).

use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::UnmountFlags;

/// What the list of mounts calls ours.
pub(super) const NAME: &str = "memdeck";
const MOUNTS: &str = "/proc/self/mountinfo";
/// Helpers that unmount for users who may not.
const HELPERS: [&str; 2] = ["fusermount3", "fusermount"];

/// A mount in the list of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MountLine {
    /// Its device, `major:minor`.
    device: String,
    /// Where it is mounted, as the list writes it.
    place: String,
    kind: String,
    source: String,
}

impl MountLine {
    /// From a line of `mountinfo` (proc(5)).
    fn read(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ');
        let (device, place) = (mount.nth(2)?, mount.nth(1)?);
        let mut file_system = file_system.split(' ');
        let (kind, source) = (file_system.next()?, file_system.next()?);
        Some(Self {
            device: device.to_owned(),
            place: place.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
        })
    }

    fn is_ours(&self) -> bool {
        self.source == NAME && (self.kind == "fuse" || self.kind.starts_with("fuse."))
    }
}

fn mounts() -> io::Result<Vec<MountLine>> {
    let text = std::fs::read(MOUNTS)?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(MountLine::read).collect())
}

/// A path as the list of mounts writes it.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\{byte:03o}");
            }
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// Which mount it is, so that no other is unmounted in its place: its device, `major:minor`.
pub(super) fn device_of(mountpoint: &Path) -> io::Result<String> {
    let device = mountpoint.metadata()?.dev();
    Ok(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

/// Takes off a mount of ours whose process is gone; whether there was one.
pub(super) fn clear(mountpoint: &Path) -> io::Result<bool> {
    match rustix::fs::stat(mountpoint) {
        Err(Errno::NOTCONN) => {}
        _ => return Ok(false),
    }
    let place = escaped(&std::path::absolute(mountpoint)?);
    let is_ours = mounts()?.iter().rev().find(|mount| mount.place == place).is_some_and(MountLine::is_ours);
    if is_ours {
        detach(mountpoint)?;
    }
    Ok(is_ours)
}

/// Takes off a mount at once. Who has a file of it open keeps it for as long as somebody serves it.
pub(super) fn detach(mountpoint: &Path) -> io::Result<()> {
    match rustix::mount::unmount(mountpoint, UnmountFlags::DETACH) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => helped(mountpoint),
        Err(errno) => Err(errno.into()),
    }
}

/// The same for users who may not unmount.
fn helped(mountpoint: &Path) -> io::Result<()> {
    for helper in HELPERS {
        let mut command = Command::new(helper);
        command.args(["-u", "-q", "-z", "--"]).arg(mountpoint);
        match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(_) => return Err(io::Error::other(format!("{helper} refused"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "fusermount3 is not installed (package fuse3)"))
}

/// Waits until nobody writes to `alive` any more, and then takes off the mount with that device, if it is still there.
///
/// # Errors
/// It cannot be taken off.
pub fn unmount_when_closed(mut alive: impl Read, mountpoint: &Path, device: &str) -> io::Result<()> {
    let mut nothing = [0; 64];
    loop {
        match alive.read(&mut nothing) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever it was is gone.
            Err(_) => break,
        }
    }
    let is_there = mounts()?.iter().any(|mount| mount.device == device && mount.is_ours());
    if is_there { detach(mountpoint) } else { Ok(()) }
}

/// What is in the way of a mount there, if anything is.
pub(super) fn refusal(mountpoint: &Path) -> io::Result<Option<&'static str>> {
    if !mountpoint.metadata()?.is_dir() {
        return Ok(Some("is no directory"));
    }
    let is_empty = mountpoint.read_dir()?.next().is_none();
    Ok((!is_empty).then_some("is not empty, and a mount would hide what is in it"))
}

/// The place without links, for as long as it is mounted.
pub(super) fn real(mountpoint: &Path) -> io::Result<PathBuf> {
    mountpoint.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_known_by_its_line() {
        let line = "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - fuse memdeck ro,user_id=0";
        let mount = MountLine::read(line).unwrap();
        assert_eq!(
            (mount.device.as_str(), mount.place.as_str()),
            ("98:0", escaped(Path::new("/mnt/a b")).as_str())
        );
        assert!(mount.is_ours());
        let of_others = MountLine::read("36 35 98:0 / /mnt rw - ext4 /dev/sda rw").unwrap();
        assert!(!of_others.is_ours());
        assert_eq!(MountLine::read("nonsense"), None);
    }

    #[test]
    fn only_the_mount_that_was_meant_is_taken_off() {
        // There is no such mount, so nothing is done to what is there.
        unmount_when_closed(io::empty(), Path::new("/"), "0:0").unwrap();
    }
}
