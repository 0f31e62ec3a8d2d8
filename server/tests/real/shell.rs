//! What a shell does with memdeck: pipes whose reader goes, and files that outlast a power failure.

use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Stdio;

use crate::lab::{LabGuest, lab};
use crate::support::Home;

#[test]
fn a_dump_goes_on_to_its_end_when_the_reader_of_its_words_has_gone() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::new();
    let nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut dump = home.memdeck(&["dump", guest.name, "--mode", "frozen"]);
    let ended = dump.stdout(nobody()).stderr(nobody()).status().unwrap();
    assert_eq!(ended.code(), Some(0));
    let dumps = home.dumps();
    let image = dumps.iter().find(|name| name.ends_with(".elf.zst")).expect("the image is sealed");
    let verified = home.memdeck(&["verify", &format!("dumps/{image}")]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_dump_of_all_claims_no_success_where_a_guest_is_left_out_though_every_dump_ended_well() {
    let _turn = lab();
    let (dumped, left_out) = (LabGuest::running("web-01"), LabGuest::running("db-01"));
    let home = Home::new();
    let paused = left_out.suspend();
    let output = home.memdeck(&["dump", "all", "--mode", "frozen", "--json"]).output().unwrap();
    drop(paused);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let dumps = told["dumps"].as_array().unwrap();
    assert!(dumps.iter().all(|dump| dump["job_state"] == "completed"), "{told}");
    let names: Vec<_> = dumps.iter().map(|dump| &dump["guest"]).collect();
    assert!(names.contains(&&dumped.name.into()) && !names.contains(&&left_out.name.into()), "{told}");
    assert_eq!(output.status.code(), Some(1), "{told}");
    let omitted = told["omitted"].as_array().unwrap().iter().find(|omitted| omitted["name"] == left_out.name);
    assert_eq!(omitted.map(|omitted| &omitted["why"]), Some(&"not_running".into()), "{told}");
    assert!(stderr.contains("'db-01'") && stderr.contains("is left out: it is paused"), "{stderr}");
}

/// `EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)`: the file system writes nothing more, as after a power failure.
const EXT4_SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: what the journal does not have yet is lost.
const WITHOUT_THE_JOURNAL: u32 = 2;

fn cut_power(volume: &Path) {
    let directory = std::fs::File::open(volume).unwrap();
    let flags = WITHOUT_THE_JOURNAL;
    // SAFETY: the request reads one `u32`, which outlives the call.
    let cut = unsafe { libc::ioctl(directory.as_raw_fd(), EXT4_SHUTDOWN, &raw const flags) };
    assert_eq!(cut, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn an_export_that_is_said_to_be_written_outlasts_a_power_failure() {
    let home = Home::on_disk_of(64);
    let image = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/image/tests/images/frozen_with-page-map.elf.zst");
    let exported = home.memdeck(&["export"]).arg(image).args(["-o", "dumps/out.elf"]).output().unwrap();
    cut_power(&home.path().join("dumps"));
    let said = String::from_utf8_lossy(&exported.stderr);
    assert!(exported.status.success() && said.starts_with("wrote 1.25 MiB to dumps/out.elf"), "{said}");
    home.mount_disk_again();
    assert_eq!(home.dumps(), ["out.elf"], "the file has its name, and no other");
    let sha256 = said.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(crate::acquisition::sha256(&home.path().join("dumps/out.elf")), sha256);
}
