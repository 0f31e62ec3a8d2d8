//! What the fuzz targets need beyond the public interface: doors to private parsers, and small valid inputs to begin
//! with. Only with the feature `fuzzing`; it asserts nothing, the targets do.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};

use memdeck_model::{ByteCount, DumpId};

use crate::format::checksum::read_checksum;
use crate::format::companions;
use crate::format::elf::ElfScanner;
use crate::format::hash::byte_len;
use crate::format::page_map::{Entries, PageExaminer, PageLayout, PageMapWriter, examine_whole_pages};
use crate::pipeline::banner;
use crate::receive::qevm::synthetic::{Content, Device, StreamBuilder, clock, cpu, tiny, vmcoreinfo};
use crate::receive::qevm::{self, PageSink, QevmError, RamBlock};

/// The digest in a `.sha256` file of this content.
///
/// # Errors
/// It is no such file.
pub fn checksum(content: impl Read) -> io::Result<String> {
    read_checksum(content)
}

/// The content of a migration stream, without its pages themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// Everything but the pages, as text.
    pub stream: String,
    /// How many pages came.
    pub pages: u64,
    /// Over every page, its place and the order they came in.
    pub digest: u64,
}

/// Reads a migration stream and forgets its pages.
///
/// # Errors
/// It is none, is damaged, or uses what is not supported.
pub fn migration_stream(stream: impl Read) -> Result<StreamSummary, QevmError> {
    let mut sink = Digest::default();
    let stream = qevm::read_stream(stream, &mut sink)?;
    Ok(StreamSummary { stream: format!("{stream:?}"), pages: sink.pages, digest: sink.hasher.finish() })
}

#[derive(Default)]
struct Digest {
    hasher: DefaultHasher,
    pages: u64,
}

impl PageSink for Digest {
    fn blocks(&mut self, _machine: &str, blocks: &[RamBlock]) -> Result<(), QevmError> {
        for RamBlock { name, length } in blocks {
            (name, length).hash(&mut self.hasher);
        }
        Ok(())
    }

    fn zero(&mut self, block: usize, page: u64) -> Result<(), QevmError> {
        self.page(block, page, &[])
    }

    fn page(&mut self, block: usize, page: u64, bytes: &[u8]) -> Result<(), QevmError> {
        self.pages += 1;
        (block, page, bytes).hash(&mut self.hasher);
        Ok(())
    }

    fn progress(&mut self, _received: ByteCount) {}

    fn abandoned(&mut self, _error: &QevmError) {}
}

/// The beginning of a valid ELF core: its headers and note, for memory of these (address, bytes).
#[must_use]
pub fn elf_headers(segments: &[(u64, u64)]) -> Vec<u8> {
    crate::synthetic::headers(segments)
}

/// Valid migration streams of small guests: one of a page with one CPU; and one with two CPUs, a clock, a note in its
/// memory, a page that comes twice and a page that never comes.
#[must_use]
pub fn migration_streams() -> [Vec<u8>; 2] {
    const NOTE_ADDRESS: u64 = 0x2000;
    const NOTE_BYTES: u32 = 24;
    let note = b"\x05\0\0\0\x04\0\0\0\0\0\0\0VMCO\0\0\0\0note";
    let mut page_with_note = vec![0; qevm::PAGE_BYTES];
    page_with_note.splice(..note.len(), *note);
    let stream = StreamBuilder::new("pc-i440fx-7.2")
        .blocks(&[("pc.ram", 0x110_0000), ("pc.bios", 0x2000), ("0000:00:02.0/vga.vram", 0x1000)])
        .section(2)
        .page("pc.ram", 0, Content::Pattern(1))
        .page("pc.ram", 1, Content::Zero)
        .page("pc.bios", 1, Content::Pattern(2))
        .end_of_part()
        .section(3)
        .page("pc.ram", 0, Content::Pattern(3))
        .raw(&(NOTE_ADDRESS | 0x28).to_be_bytes())
        .raw(&page_with_note)
        .end_of_part()
        .devices(&[cpu(0), cpu(1), clock(0x10, 0), vmcoreinfo(NOTE_ADDRESS, NOTE_BYTES)]);
    [tiny(), stream]
}

/// A migration stream up to its last page; the devices are to follow.
#[must_use]
pub fn migration_stream_head() -> Vec<u8> {
    StreamBuilder::new("pc-q35-7.2")
        .blocks(&[("pc.ram", 0x4000), ("pc.bios", 0x1000)])
        .section(3)
        .page("pc.ram", 0, Content::Pattern(1))
        .end_of_part()
        .bytes
}

/// A device of every kind that is understood and one that is not, then the end mark and the description of them all.
#[must_use]
pub fn devices() -> Vec<u8> {
    let devices =
        [Device::new("timer", 0).field("unused", &[0; 24]), cpu(0), clock(0x100, 0), vmcoreinfo(0, 24)];
    let head = StreamBuilder::new("pc-q35-7.2");
    let head_bytes = head.bytes.len();
    head.devices(&devices).split_off(head_bytes)
}

/// The file of the page map of an image with memory of these (address, bytes).
///
/// # Panics
/// `memory` is not as long as the segments.
#[must_use]
pub fn page_map(segments: &[(u64, u64)], memory: &[u8]) -> Vec<u8> {
    let mut image = elf_headers(segments);
    let mut scanner = ElfScanner::new();
    let core = scanner.push(&image).expect("valid headers").expect("all of the headers").clone();
    image.extend(memory);
    assert_eq!(core.image_size.0, byte_len(&image));
    let layout = PageLayout::new(&core.segments).expect("segments in order");
    let mut entries = Vec::new();
    examine_whole_pages(&layout, &PageExaminer::new(), 0..byte_len(&image), &image, &mut entries);
    let mut file = Vec::new();
    let mut writer = PageMapWriter::new(&mut file, &layout).expect("a map in memory");
    writer.push(Entries::Known(&entries)).expect("a map in memory");
    writer.finish().expect("a map in memory");
    file
}

/// What a guest's kernel says of itself in these bytes, looked for in all of them at once and in frames of
/// `frame_bytes`, which are longer than any banner.
#[must_use]
pub fn os_banners(memory: &[u8], frame_bytes: usize) -> [Option<String>; 2] {
    let mut border = banner::Border::default();
    let in_frames = memory.chunks(frame_bytes).fold(None, |found: Option<String>, frame| {
        let straddling = border.push(frame);
        found.or(straddling).or_else(|| banner::find(frame))
    });
    [banner::find(memory), in_frames]
}

/// Whether the name of a file is one of a dump's.
#[must_use]
pub fn belongs_to(name: &str, dump_id: &DumpId) -> bool {
    companions::belongs_to(name, dump_id)
}

/// Bytes that do not compress, the same for the same seed.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    crate::synthetic::noise(seed, length)
}
