use std::fs;

use memdeck_model::NoteFacts;

use super::*;
use crate::synthetic::noise;
use crate::testing::Lab;

fn note(owner: &str, kind: u32, content: &[u8]) -> Vec<u8> {
    let mut owner = owner.as_bytes().to_vec();
    owner.push(0);
    let mut note = u32::try_from(owner.len()).unwrap().to_le_bytes().to_vec();
    note.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    note.extend(kind.to_le_bytes());
    for mut part in [owner, content.to_vec()] {
        part.resize(part.len().next_multiple_of(4), 0);
        note.extend(part);
    }
    note
}

/// A core with these notes and some memory.
fn core_with(notes: &[u8], memory: &[u8]) -> Vec<u8> {
    let mut image = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0\x01\0\0\0".to_vec();
    for long in [0, 64, 0_u64] {
        image.extend(long.to_le_bytes());
    }
    image.extend([0; 4]);
    for half in [64, 56, 2, 64, 0, 0_u16] {
        image.extend(half.to_le_bytes());
    }
    let notes_at = 64 + 2 * 56;
    let parts = [(4_u32, notes_at, notes.len()), (1, notes_at + notes.len(), memory.len())];
    for (kind, offset, length) in parts {
        image.extend(kind.to_le_bytes());
        image.extend([0; 4]);
        for long in [offset as u64, 0, 0, length as u64, length as u64, 0] {
            image.extend(long.to_le_bytes());
        }
    }
    image.extend(notes);
    image.extend(memory);
    image
}

#[test]
fn an_image_is_described_by_its_headers_its_notes_and_its_manifest() {
    let lab = Lab::new();
    let mut notes = Vec::new();
    for cpu in 0..3 {
        notes.extend(note("CORE", 1, &noise(cpu, 336)));
        notes.extend(note("QEMU", 0, &noise(cpu, 440)));
    }
    notes.extend(note("VMCOREINFO", 0, b"OSRELEASE=6.1.0\nSYMBOL(init_uts_ns)=ffffffff\n\0secret=1\n"));
    let mut memory = noise(9, 1 << 20);
    memory.extend(vec![0; 3 << 20]);
    let sealed = lab.store(&core_with(&notes, &memory));

    let seen = inspect(&sealed.image).unwrap();
    assert_eq!((seen.cpus, seen.notes.len(), seen.memory_bytes), (3, 7, ByteCount(4 << 20)));
    assert_eq!(
        seen.notes[6],
        NoteFacts {
            owner: "VMCOREINFO".to_owned(),
            kind: 0,
            name: Some("VMCOREINFO".into()),
            size_bytes: ByteCount(55)
        }
    );
    assert_eq!(seen.vmcoreinfo.as_deref(), Some("OSRELEASE=6.1.0\nSYMBOL(init_uts_ns)=ffffffff\n"));
    assert_eq!((seen.frames, seen.zero_frames), (5, Some(3)));
    assert_eq!(seen.stored_size_bytes, sealed.stored_size);
    assert!((0.25..0.26).contains(&seen.compression_ratio), "{}", seen.compression_ratio);
    let manifest = seen.manifest.unwrap();
    assert_eq!((manifest.segments, manifest.host.as_str()), (seen.segments, "kvm-a"));
    let lengths: Vec<_> =
        seen.exports.iter().map(|export| (export.format.as_str(), export.size_bytes)).collect();
    let memory = 4 << 20;
    assert_eq!(
        lengths,
        [
            ("elf", Some(seen.raw_size_bytes)),
            ("raw", Some(ByteCount(memory))),
            ("lime", Some(ByteCount(memory + 32))),
            ("avml", None)
        ]
    );
}

#[test]
fn without_a_manifest_the_image_tells_what_it_can() {
    let lab = Lab::new();
    let sealed = lab.store(&core_with(&note("CORE", 1, &[0; 336]), b"memory"));
    fs::write(&sealed.manifest, "{").unwrap();
    let seen = inspect(&sealed.image).unwrap();
    assert_eq!((seen.cpus, seen.zero_frames, seen.manifest.is_none()), (1, None, true));
    assert!(seen.manifest_problem.unwrap().contains("the manifest is damaged"));
    fs::remove_file(&sealed.manifest).unwrap();
    let seen = inspect(&sealed.image).unwrap();
    assert_eq!(seen.manifest_problem.as_deref(), Some("there is none beside the image"));
}

#[test]
fn the_guests_own_note_tells_no_more_than_the_kernels_lines() {
    let lab = Lab::new();
    let told = |content: &[u8]| {
        let dump = Lab::new();
        let sealed = dump.store(&core_with(&note("VMCOREINFO", 0, content), b"memory"));
        inspect(&sealed.image).unwrap().vmcoreinfo.unwrap()
    };
    drop(lab);
    assert_eq!(told(b"PAGESIZE=4096\n\x07BELL=1\n"), "PAGESIZE=4096\n");
    assert_eq!(told(b"PAGESIZE=4096\nroot:x:0:0:\nA=1\n"), "PAGESIZE=4096\n");
    assert_eq!(told("größe=1\n".as_bytes()), "");
    assert_eq!(told(&b"A=1\n".repeat(100_000)).len(), 64 << 10);
}

#[test]
fn notes_that_claim_more_than_there_is_are_not_followed() {
    let lab = Lab::new();
    let mut notes = note("CORE", 1, &[0; 336]);
    let mut liar = note("CORE", 1, &[0; 16]);
    liar[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    notes.extend(liar);
    let sealed = lab.store(&core_with(&notes, b"memory"));
    let seen = inspect(&sealed.image).unwrap();
    assert_eq!((seen.cpus, seen.notes.len()), (1, 1));
}
