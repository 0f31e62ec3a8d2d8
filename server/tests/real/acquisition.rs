//! What was taken is the guest's memory, and readers open it.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use memdeck_image::{ElfScanner, SegmentKind};

use crate::lab::{LabGuest, lab, virsh};
use crate::support::Home;

/// Parts of guest memory: address and content.
type Parts = Vec<(u64, Vec<u8>)>;
type Reader = fn(&[u8]) -> Parts;

/// Every loadable segment.
fn loadable(elf: &Path) -> Parts {
    let bytes = fs::read(elf).unwrap();
    let mut scanner = ElfScanner::new();
    scanner.push(&bytes[..1 << 20]).unwrap();
    let core = scanner.into_core().unwrap();
    let load = core.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    load.map(|segment| {
        let start = usize::try_from(segment.offset_bytes.0).unwrap();
        let end = start + usize::try_from(segment.file_bytes.0).unwrap();
        (segment.address.0, bytes[start..end].to_vec())
    })
    .collect()
}

pub fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn images_in_all_modes_are_byte_for_byte_what_virsh_dumps() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::new();
    let paused = guest.suspend();
    let theirs = home.path().join("virsh.elf");
    virsh(&["dump", "--memory-only", guest.name, theirs.to_str().unwrap()]).unwrap();
    let theirs = loadable(&theirs);
    assert!(theirs.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() >= 512 << 20);
    // A guest that is paused already is dumped live only when that is asked for, and QEMU does it once.
    for (mode, taken) in [("auto", "frozen"), ("frozen", "frozen"), ("live", "live")] {
        let status = home.dump(guest.name, mode);
        assert_eq!((&status["job_state"], &status["mode"]), (&"completed".into(), &taken.into()), "{status}");
        assert_eq!(status["pause_ms"], 0, "a guest that an operator paused has no added pause");
        assert_eq!(guest.state(), "paused", "a guest that an operator paused stays paused");
        let record = &status["record"];
        let exported = home.export(record);
        assert_eq!(sha256(&exported), record["sha256"].as_str().unwrap());
        assert_eq!(fs::metadata(&exported).unwrap().len(), record["raw_size_bytes"].as_u64().unwrap());
        let ours = loadable(&exported);
        let shape = |segments: &[(u64, Vec<u8>)]| {
            segments.iter().map(|(at, bytes)| (*at, bytes.len())).collect::<Vec<_>>()
        };
        assert_eq!(shape(&ours), shape(&theirs), "{mode}");
        assert!(ours == theirs, "{mode}: the loadable contents differ");
        fs::remove_file(exported).unwrap();
    }
    drop(paused);
    assert_eq!(guest.state(), "running");
}

#[test]
fn volatility_opens_every_format_and_other_tools_find_the_hash() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::new();
    let status = home.dump(guest.name, "auto");
    assert_eq!((&status["job_state"], &status["mode"]), (&"completed".into(), &"live".into()), "{status}");
    assert_eq!(guest.state(), "running");
    assert!(
        status["pause_ms"].as_u64().unwrap() > 0,
        "even a live dump stops the guest for its last pass: {status}"
    );

    let stored = status["record"]["dump_path"].as_str().unwrap();
    let verified = home.memdeck(&["verify", stored]).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    let checksum = stored.replace(".elf.zst", ".sha256");
    let pipeline = format!("zstd -dc '{stored}' | sha256sum -c '{checksum}'");
    let checked = Command::new("sh").args(["-c", &pipeline]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let elf = home.export(&status["record"]);
    let memory = loadable(&elf);
    let banner = banner(&elf);
    assert!(banner.contains("Linux version "), "{banner}");
    let readers: [(&str, Reader); 3] = [("raw", raw), ("lime", lime), ("avml", avml)];
    for (format, read) in readers {
        let out = home.export_as(&status["record"], format);
        assert_eq!(self::banner(&out), banner, "{format}");
        let parts = read(&fs::read(&out).unwrap());
        // The firmware below 4 GiB is no RAM.
        let expected = if format == "raw" { &memory[..1] } else { &memory[..] };
        assert!(parts == expected, "{format} holds other memory than the ELF core");
        fs::remove_file(out).unwrap();
    }
    let inspected = home.memdeck(&["inspect", stored, "--json"]).output().unwrap();
    let seen: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((&seen["cpus"], &seen["memory_bytes"]), (&1.into(), &((256_u64 << 20) + (256 << 10)).into()));
    assert!(seen["vmcoreinfo"].as_str().unwrap().starts_with("OSRELEASE="), "{seen}");
}

/// The banners that Volatility finds in an image of any format.
fn banner(image: &Path) -> String {
    let volatility = Command::new("vol")
        .args(["-q", "-f"])
        .arg(image)
        .arg("banners.Banners")
        .output()
        .expect("Volatility 3 must be in PATH as `vol`: scripts/test sets it up");
    assert!(volatility.status.success(), "{}", String::from_utf8_lossy(&volatility.stderr));
    String::from_utf8_lossy(&volatility.stdout).into_owned()
}

fn raw(file: &[u8]) -> Parts {
    vec![(0, file.to_vec())]
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn lime(mut file: &[u8]) -> Parts {
    let mut parts = Vec::new();
    while !file.is_empty() {
        assert_eq!(file[..8], *b"EMiL\x01\0\0\0");
        let (start, end) = (long(file, 8), long(file, 16));
        let bytes = usize::try_from(end - start + 1).unwrap();
        parts.push((start, file[32..32 + bytes].to_vec()));
        file = &file[32 + bytes..];
    }
    parts
}

fn avml(mut file: &[u8]) -> Parts {
    let mut parts = Vec::new();
    while !file.is_empty() {
        assert_eq!(file[..8], *b"AVML\x02\0\0\0");
        let (start, end) = (long(file, 8), long(file, 16));
        let mut bytes = vec![0; usize::try_from(end - start + 1).unwrap()];
        let mut packed = &file[32..];
        let before = packed.len();
        snap::read::FrameDecoder::new(&mut packed).read_exact(&mut bytes).unwrap();
        assert_eq!(
            long(packed, 0),
            (before - packed.len()) as u64,
            "the number of packed bytes follows them"
        );
        parts.push((start, bytes));
        file = &packed[8..];
    }
    parts
}

#[test]
fn a_damaged_image_is_named_with_the_place_of_the_damage() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::new();
    let status = home.dump(guest.name, "frozen");
    let stored = status["record"]["dump_path"].as_str().unwrap();
    let mut bytes = fs::read(stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(stored, bytes).unwrap();
    let verified = home.memdeck(&["verify", stored]).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(3), "{said}");
    assert!(
        said.contains(": damaged") && said.contains("frame ") && said.contains("stored offset"),
        "{said}"
    );
}
