//! A guest's memory by physical addresses, out of a stored image: unpacked once into a file without a name, and mapped.
//!
//! ```text
//! stored image ──► frames in parallel ──► ELF core: blocks that are not zero ──► file with holes ──► mapping
//!                                               └────► one bit for each block, whether it is there
//! ```
//!
//! A reader asks tens of millions of times for a few bytes. A lookup is a search among a handful of segments and a copy;
//! blocks of zeroes are never touched, and no anonymous memory grows with the guest but a bit for each 4 KiB.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memdeck_image::{
    Effort, ElfCore, ElfScanner, ExportFormat, ExportSink, ImageExport, ReadError, SegmentKind,
};
use memdeck_model::{Manifest, Record};
use memmap2::Mmap;
use mquire::memory::error::{Error, ErrorKind};
use mquire::memory::primitives::PhysicalAddress;
use mquire::memory::readable::Readable;

const BLOCK_BYTES: usize = 4096;
/// Fewer zeroes than this do not part two regions.
const GAP_BYTES: u64 = 1 << 20;
/// Whoever asks for so much at once looks through memory, and gets no zeroes that lie between regions.
const SCAN_BYTES: usize = 1 << 20;

/// Why the memory of an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum MemoryError {
    /// The image cannot be read, or is not what was recorded.
    #[error("the image cannot be read")]
    Image(#[source] ReadError),
    /// The image's memory is more than there is room for.
    #[error("unpacking the image takes more than the {limit_mib} MiB that it may take of the volume")]
    NoRoom {
        /// How much it may take.
        limit_mib: u64,
    },
    /// The file that it is unpacked into cannot be used.
    #[error("the image cannot be unpacked into a file")]
    File(#[source] io::Error),
}

/// The memory of a guest.
pub(super) struct GuestMemory {
    /// `None` where there is nothing but zeroes.
    content: Option<Mmap>,
    /// One bit for each block of the image: whether it is not zero.
    blocks: Blocks,
    /// In ascending order; none overlaps the next.
    segments: Vec<Part>,
    /// Where there is something; in ascending order.
    regions: Vec<Range<u64>>,
}

/// Memory that lies together in the image.
struct Part {
    /// Guest-physical addresses, half-open.
    addresses: Range<u64>,
    /// Where it begins in the image.
    offset: u64,
}

impl GuestMemory {
    /// Unpacks an image. Its bytes are held against the record of its dump, where there is one, and its manifest.
    pub(super) fn open(
        image: &Path,
        record: Option<&Record>,
        most_bytes: u64,
    ) -> Result<(Self, Option<Manifest>), MemoryError> {
        let export = match record {
            Some(record) => ImageExport::open_recorded(image, ExportFormat::Elf, record),
            None => ImageExport::open(image, ExportFormat::Elf),
        };
        let export = export.map_err(MemoryError::Image)?;
        let file = nameless_file(image).map_err(MemoryError::File)?;
        let most_bytes = most_bytes.min(room(&file));
        let mut sink = Unpacked {
            file,
            length: 0,
            blocks: Blocks::default(),
            scanner: ElfScanner::new(),
            most_bytes,
            is_full: false,
            written: 0,
        };
        let written = export.write_from(0, Effort::AllCores, &mut sink);
        if sink.is_full {
            return Err(MemoryError::NoRoom { limit_mib: most_bytes >> 20 });
        }
        written.map_err(MemoryError::Image)?;
        let Unpacked { file, length, blocks, scanner, .. } = sink;
        file.set_len(length).map_err(MemoryError::File)?;
        let content = if length == 0 { None } else { Some(map(&file).map_err(MemoryError::File)?) };
        let segments = scanner.into_core().map(|core| parts(&core, length)).unwrap_or_default();
        let regions = regions(&segments, &blocks);
        Ok((Self { content, blocks, segments, regions }, export.manifest().cloned()))
    }

    /// Copies what is there; how much that is.
    fn copy(&self, buffer: &mut [u8], address: u64) -> usize {
        let mut wanted = buffer.len();
        if wanted >= SCAN_BYTES
            && let Some(region) = self.region_at(address)
        {
            let length = region.end.saturating_sub(address);
            wanted = wanted.min(usize::try_from(length).unwrap_or(usize::MAX));
        }
        let mut done = 0;
        while done < wanted {
            let address = address.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            let Some(part) = self.part_at(address) else { break };
            let left = usize::try_from(part.addresses.end.saturating_sub(address)).unwrap_or(usize::MAX);
            let offset = part.offset.saturating_add(address.saturating_sub(part.addresses.start));
            let within = usize::try_from(offset).unwrap_or(usize::MAX) % BLOCK_BYTES;
            let count = wanted.saturating_sub(done).min(left).min(BLOCK_BYTES.saturating_sub(within));
            let Some(now) = buffer.get_mut(done..done.saturating_add(count)) else { break };
            match self.stored(offset, count) {
                Some(bytes) => now.copy_from_slice(bytes),
                None => now.fill(0),
            }
            done = done.saturating_add(count);
        }
        done
    }

    /// Bytes of one block, if it is not zero.
    fn stored(&self, offset: u64, count: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        if !self.blocks.has(start / BLOCK_BYTES) {
            return None;
        }
        self.content.as_ref()?.get(start..start.checked_add(count)?)
    }

    fn part_at(&self, address: u64) -> Option<&Part> {
        let after = self.segments.partition_point(|part| part.addresses.start <= address);
        let part = self.segments.get(after.checked_sub(1)?)?;
        part.addresses.contains(&address).then_some(part)
    }

    fn region_at(&self, address: u64) -> Option<&Range<u64>> {
        let after = self.regions.partition_point(|region| region.start <= address);
        self.regions.get(after.checked_sub(1)?).filter(|region| region.contains(&address))
    }
}

impl Readable for GuestMemory {
    fn read(&self, buffer: &mut [u8], physical_address: PhysicalAddress) -> Result<usize, Error> {
        match self.copy(buffer, physical_address.value()) {
            0 if !buffer.is_empty() => {
                Err(Error::new(ErrorKind::IOError, "the guest has no memory at this address"))
            }
            count => Ok(count),
        }
    }

    fn len(&self) -> Result<u64, Error> {
        Ok(self.segments.last().map_or(0, |part| part.addresses.end))
    }

    fn regions(&self) -> Result<Vec<Range<PhysicalAddress>>, Error> {
        let region =
            |region: &Range<u64>| PhysicalAddress::new(region.start)..PhysicalAddress::new(region.end);
        Ok(self.regions.iter().map(region).collect())
    }
}

/// A file that only this process has: beside the image, where there is room for memory, or else where temporary files are.
fn nameless_file(image: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let beside = image.parent().filter(|directory| !directory.as_os_str().is_empty());
    let places = [beside.unwrap_or(Path::new(".")), Path::new("/var/tmp")];
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let open = |place: &Path| rustix::fs::open(place, flags, Mode::RUSR | Mode::WUSR).map(File::from);
    let [first, second] = places.map(open);
    Ok(first.or(second)?)
}

/// What may be taken of the volume: half of what is free, since dumps need room there.
fn room(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(u64::MAX, |volume| volume.f_frsize.saturating_mul(volume.f_bavail) / 2)
}

fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file has no name and its descriptor is not handed on, so nobody else can change or shorten it.
    unsafe { Mmap::map(file) }
}

/// Memory as the headers say it is, without what overlaps memory before it, and no further than the image goes.
fn parts(core: &ElfCore, length: u64) -> Vec<Part> {
    let mut segments: Vec<_> =
        core.segments.iter().filter(|segment| segment.kind == SegmentKind::Load).collect();
    segments.sort_by_key(|segment| segment.address.0);
    let mut parts: Vec<Part> = Vec::new();
    for segment in segments {
        let (start, offset) = (segment.address.0, segment.offset_bytes.0);
        let bytes = segment.file_bytes.0.min(length.saturating_sub(offset)).min(u64::MAX - start);
        let is_apart = parts.last().is_none_or(|last| last.addresses.end <= start);
        if bytes > 0 && is_apart {
            parts.push(Part { addresses: start..start.saturating_add(bytes), offset });
        }
    }
    parts
}

/// Where memory is not zero.
fn regions(parts: &[Part], blocks: &Blocks) -> Vec<Range<u64>> {
    let block_bytes = u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX);
    let mut regions: Vec<Range<u64>> = Vec::new();
    for part in parts {
        let end = part.offset.saturating_add(part.addresses.end.saturating_sub(part.addresses.start));
        let mut offset = part.offset;
        // A region does not reach beyond its part: reads that begin in it would end there.
        let mut is_new = true;
        while offset < end {
            let block = offset / block_bytes;
            let next = block.saturating_add(1).saturating_mul(block_bytes).min(end);
            if usize::try_from(block).is_ok_and(|block| blocks.has(block)) {
                let address =
                    |offset: u64| part.addresses.start.saturating_add(offset.saturating_sub(part.offset));
                let (start, end) = (address(offset), address(next));
                match regions.last_mut() {
                    Some(last) if !is_new && start.saturating_sub(last.end) < GAP_BYTES => last.end = end,
                    _ => regions.push(start..end),
                }
                is_new = false;
            }
            offset = next;
        }
    }
    regions
}

/// One bit for each block.
#[derive(Default)]
struct Blocks(Vec<u64>);

impl Blocks {
    fn has(&self, block: usize) -> bool {
        self.0.get(block / 64).is_some_and(|word| word >> (block % 64) & 1 == 1)
    }

    fn set(&mut self, block: usize) {
        let word = block / 64;
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << (block % 64);
        }
    }
}

/// Takes an image in order.
struct Unpacked {
    file: File,
    length: u64,
    blocks: Blocks,
    scanner: ElfScanner,
    most_bytes: u64,
    written: u64,
    is_full: bool,
}

impl ExportSink for Unpacked {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.scanner.core().is_none() {
            // What is no ELF core is found to have no memory.
            let _ = self.scanner.push(bytes);
        }
        let mut run: Option<Range<usize>> = None;
        let mut at = 0;
        while at < bytes.len() {
            let offset = self.offset(at);
            let end = (at.saturating_add(BLOCK_BYTES.saturating_sub(offset % BLOCK_BYTES))).min(bytes.len());
            if bytes.get(at..end).is_some_and(|block| block.iter().any(|byte| *byte != 0)) {
                self.blocks.set(offset / BLOCK_BYTES);
                run = Some(run.map_or(at, |run| run.start)..end);
            } else if let Some(run) = run.take() {
                self.write(bytes, run)?;
            }
            at = end;
        }
        if let Some(run) = run {
            self.write(bytes, run)?;
        }
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn zeroes(&mut self, count: u64) -> io::Result<()> {
        self.length = self.length.checked_add(count).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(())
    }
}

impl Unpacked {
    fn offset(&self, at: usize) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX).saturating_add(at)
    }

    fn write(&mut self, bytes: &[u8], run: Range<usize>) -> io::Result<()> {
        let count = u64::try_from(run.len()).unwrap_or(u64::MAX);
        self.written = self.written.saturating_add(count);
        if self.written > self.most_bytes {
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let offset = self.length.saturating_add(u64::try_from(run.start).unwrap_or(u64::MAX));
        self.file.write_all_at(bytes.get(run).unwrap_or_default(), offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::noise;
    use crate::testing::Lab;

    const MIB: usize = 1 << 20;

    fn memory(places: &[(u64, Vec<u8>)]) -> GuestMemory {
        let lab = Lab::new();
        let image = lab.store("web-01", "2026-11-14T08:58:23Z", places);
        GuestMemory::open(&image, None, u64::MAX).unwrap().0
    }

    fn read(memory: &GuestMemory, address: u64, count: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0xee; count];
        let count = memory.read(&mut buffer, PhysicalAddress::new(address)).ok()?;
        buffer.truncate(count);
        Some(buffer)
    }

    #[test]
    fn memory_is_read_by_its_physical_address() {
        let (low, mut high) = (noise(1, 2 * MIB), noise(2, 3 * MIB));
        high[MIB..2 * MIB].fill(0);
        let memory = memory(&[(0x1000, low.clone()), (0x1_0000_0000, high.clone())]);
        for (address, count) in [(0x1000, 8), (0x1ffc, 8), (0x1234, 100_000), (0x20_0ff0, 16)] {
            let at = usize::try_from(address - 0x1000).unwrap();
            assert_eq!(read(&memory, address, count).unwrap(), low[at..at + count], "{address:#x}");
        }
        let around = MIB - 5000..MIB + 9000;
        let address = 0x1_0000_0000 + u64::try_from(around.start).unwrap();
        assert_eq!(read(&memory, address, around.len()).unwrap(), high[around]);
        assert_eq!(read(&memory, 0xfff, 1), None, "before memory");
        assert_eq!(read(&memory, 0x20_1000, 8), None, "between");
        assert_eq!(read(&memory, u64::MAX, 8), None);
        assert_eq!(read(&memory, 0x20_0ffc, 8).unwrap().len(), 4, "as far as memory goes");
    }

    #[test]
    fn whoever_looks_through_memory_meets_no_zeroes() {
        let mut bytes = vec![0; 16 * MIB];
        bytes[5 * MIB..6 * MIB].copy_from_slice(&noise(3, MIB));
        bytes[12 * MIB..12 * MIB + 4096].fill(7);
        let memory = memory(&[(0, bytes)]);
        let regions = memory.regions().unwrap();
        let mib = u64::try_from(MIB).unwrap();
        let has = |start: u64, end: u64| {
            let whole =
                |region: &&Range<PhysicalAddress>| region.start.value() <= start && end <= region.end.value();
            regions.iter().filter(whole).count() == 1
        };
        assert!(has(5 * mib, 6 * mib) && has(12 * mib, 12 * mib + 4096), "{regions:?}");
        // Blocks of the image are not pages of memory: a region may be a block longer at each end, and the one with the
        // headers has some memory in it.
        let listed: u64 = regions.iter().map(|region| region.end - region.start).sum();
        assert!(listed <= mib + 4096 + 5 * 4096, "{regions:?}");
        let looked = read(&memory, 5 * mib, 4 * MIB).unwrap().len();
        assert!((MIB..MIB + 4096).contains(&looked), "{looked}");
        assert_eq!(read(&memory, 6 * mib, 100).unwrap(), [0; 100]);
        assert_eq!(memory.len().unwrap(), 16 * mib);
    }

    #[test]
    fn an_image_that_unpacks_to_more_than_there_is_room_for_is_refused() {
        let lab = Lab::new();
        let image = lab.store("bomb", "2026-11-14T08:58:23Z", &[(0, vec![1; 8 * MIB])]);
        let refused = GuestMemory::open(&image, None, 4 << 20);
        assert!(matches!(refused, Err(MemoryError::NoRoom { limit_mib: 4 })));
    }
}
