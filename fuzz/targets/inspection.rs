//! What a stored image says of itself: its segments and the notes in it, which hypervisor and guest wrote.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{damaged, scratch, stored};
use memdeck_image::fuzzing::elf_headers;
use memdeck_image::{Inspection, inspect};

/// Kernels write a page; so much is read of what claims to be one.
const MAX_VMCOREINFO_BYTES: usize = 64 << 10;

static PATH: LazyLock<PathBuf> = LazyLock::new(|| scratch().join("web-01_a1.elf.zst"));

#[derive(Arbitrary, Debug)]
struct Note<'a> {
    owner: Owner<'a>,
    kind: u32,
    content: &'a [u8],
    /// Whether its header tells the lengths as they are.
    lies: Option<(u32, u32)>,
}

#[derive(Arbitrary, Debug)]
enum Owner<'a> {
    Core,
    Qemu,
    Kernel,
    Other(&'a [u8]),
}

fn append_padded(bytes: &[u8], to: &mut Vec<u8>) {
    to.extend(bytes);
    to.resize(to.len().next_multiple_of(4), 0);
}

impl Note<'_> {
    fn append(&self, to: &mut Vec<u8>) {
        let owner: &[u8] = match self.owner {
            Owner::Core => b"CORE\0",
            Owner::Qemu => b"QEMU\0",
            Owner::Kernel => b"VMCOREINFO\0",
            Owner::Other(owner) => owner,
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a short note");
        let (owner_bytes, content_bytes) = self.lies.unwrap_or((length(owner), length(self.content)));
        for number in [owner_bytes, content_bytes, self.kind] {
            to.extend(number.to_le_bytes());
        }
        append_padded(owner, to);
        append_padded(self.content, to);
    }
}

fn check(told: &Inspection, image: &[u8]) {
    assert_eq!(told.raw_size_bytes.0, image.len() as u64);
    assert!(told.notes.len() <= 1000);
    // A note takes twelve bytes or more, and each is looked at once for every segment that claims to hold it.
    let notes = image.len() as u64 / 12 * told.segments.len() as u64;
    assert!(told.notes.len() as u64 <= notes && told.cpus <= notes);
    for note in &told.notes {
        assert!(note.owner.len() <= 64 && note.owner.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    }
    if let Some(text) = &told.vmcoreinfo {
        assert!(text.len() <= MAX_VMCOREINFO_BYTES);
        assert!(text.lines().all(|line| line.contains('=')), "{text:?}");
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{text:?}");
    }
    assert_eq!(told.exports.len(), 4);
    assert!(told.exports.iter().all(|export| export.problem.is_none() || export.size_bytes.is_none()));
    serde_json::to_vec(told).expect("an inspection as JSON");
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let frame_bytes = usize::from(data.arbitrary::<u16>().unwrap_or_default()) + 256;
    let half = data.bytes(data.len() / 2).unwrap_or_default();
    let notes: Vec<Note<'_>> = Unstructured::new(half).arbitrary().unwrap_or_default();
    let mut content = Vec::new();
    notes.iter().for_each(|note| note.append(&mut content));
    let mut image = elf_headers(&[(0, content.len() as u64)]);
    // The segment behind the small note holds notes too, instead of memory.
    let second_kind_at = 64 + 56;
    image[second_kind_at..second_kind_at + 4].copy_from_slice(&4_u32.to_le_bytes());
    image.extend(content);
    let damaged_image = damaged(&mut data, &[&image]);
    let image = if damaged_image.is_empty() { image } else { damaged_image };
    let path: &PathBuf = &PATH;
    fs::write(path, stored(&image, frame_bytes)).expect("a writable directory");
    if let Ok(told) = inspect(path) {
        check(&told, &image);
    }
});
