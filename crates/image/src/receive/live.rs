//! Receives a live dump: QEMU's migration stream in, an ELF core out.
//!
//! ```text
//!  stream ──receive──► Received ──into_reader──► OrderedImage ──► PartialImage::capture
//!                         (the guest runs again)
//! ```

mod notes;

use std::fmt;
use std::io::Read;

use memdeck_model::{ByteCount, OmittedBlock, Progress};

use super::ordered::{Layout, OrderedImage, PageCounts, PageFile, Spool, Writer, write_pages};
use super::qevm::{self, GuestNote, PageSink, Placed, QevmError, RamBlock, check_split, place};
use crate::format::page_map::PAGE_BYTES_U64;
use crate::store::{ImageStore, SpoolError};
use notes::{guest_note, notes};

/// Progress and failure of a live dump while it is received.
#[derive(Debug)]
pub enum LiveEvent<'a> {
    /// More came.
    Progress {
        /// Guest memory that came at least once, of all there is.
        progress: Progress,
        /// Bytes of the stream so far.
        stream_bytes: ByteCount,
        /// Pages so far.
        pages: PageCounts,
    },
    /// The dump has failed. What still comes is read and forgotten, until the stream ends: end it soon, by aborting
    /// the hypervisor's job.
    Failed(&'a QevmError),
}

/// The conversion of live dumps.
#[derive(Debug)]
pub struct LiveCapture;

impl LiveCapture {
    /// Reads the stream of a live dump to its end. Its pages go to a file without a name in the directory of
    /// `store`, which takes as much room as the guest has non-zero memory.
    ///
    /// **The stream is read to its end also after a failure**, and only then the error is returned: when QEMU has
    /// sent all but the last bytes and its reader is gone, libvirt leaves the guest paused. `observer` learns of
    /// the failure at once ([`LiveEvent::Failed`]), so that the job can be aborted, which ends the stream. The
    /// exception is a stream whose `read` fails (with another kind than [`std::io::ErrorKind::Interrupted`]): it is
    /// left at once. That is also how to stop without draining. `must_stop` is asked while the disk keeps it waiting: if
    /// so, the dump has failed.
    ///
    /// `observer` is called on this thread, once per MiB or more often, and must return at once.
    ///
    /// # Errors
    /// The stream fails, is no migration stream of QEMU, is damaged or truncated, or uses what is not supported; it
    /// has memory whose place is not known; or the spool cannot be written.
    pub fn receive(
        store: &ImageStore,
        stream: impl Read,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(LiveEvent<'_>),
    ) -> Result<Received, QevmError> {
        let pages = PageFile::new(store.create_spool().map_err(SpoolError::Create)?);
        let (stream, kept) = write_pages(&pages, must_stop, |writer| {
            let mut sink = Sink { store, writer, observer, kept: None };
            let stream = qevm::read_stream(stream, &mut sink)?;
            // The stream's `ram` section has an end, and pages only after the list of blocks.
            let kept = sink.kept.ok_or_else(|| QevmError::unsupported("a guest without memory"))?;
            Ok::<_, QevmError>((stream, kept))
        })?;
        Received::new(stream, kept, pages)
    }
}

/// A live dump that was received whole. Dropping it frees its room on disk.
pub struct Received {
    /// The machine type, such as `pc-q35-7.2`.
    pub machine: String,
    /// The guest's CPUs whose registers the image has.
    pub cpus: usize,
    /// Guest memory in the image.
    pub ram_bytes: ByteCount,
    /// The length of the stream.
    pub stream_bytes: ByteCount,
    /// The pages of that memory.
    pub pages: PageCounts,
    /// RAM blocks that are no part of the guest's memory as a dump has it.
    pub omitted: Vec<OmittedBlock>,
    /// What a memory-only dump of the same guest would have and this image has not, in words.
    pub missing: Vec<String>,
    layout: Layout,
    spool: Spool,
    file: PageFile,
}

// By hand: the headers hold a guest's registers, which belong in no log.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("machine", &self.machine)
            .field("ram_bytes", &self.ram_bytes)
            .field("stream_bytes", &self.stream_bytes)
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

impl Received {
    fn new(stream: qevm::Stream, kept: Kept, file: PageFile) -> Result<Self, QevmError> {
        let Kept { parts, omitted, mut spool, .. } = kept;
        if let Some(split) = stream.state.memory_split {
            check_split(&stream.machine, &parts, split)?;
        }
        let pages = spool.counts();
        let mut missing = stream.state.missing;
        if pages.absent > 0 {
            if stream.is_multifd {
                return Err(QevmError::unsupported("a dump over several connections (capability multifd)"));
            }
            let absent = ByteCount(pages.absent.saturating_mul(PAGE_BYTES_U64));
            missing.push(format!("{absent} of memory that the hypervisor did not send; it reads as zeroes"));
        }
        let cpus = stream.state.cpus;
        if cpus.first().is_some_and(|cpu| !cpu.is_long_mode()) {
            missing.push("the 32-bit form of the registers: the guest runs no 64-bit code".to_owned());
        }
        let mut notes = notes(&cpus);
        if let Some(place) = stream.state.guest_note {
            match read_guest_note(place, &parts, &mut spool, &file)? {
                Some(note) => notes.extend(note),
                None => missing.push("VMCOREINFO".to_owned()),
            }
        }
        let memory: Vec<_> = parts.iter().map(|part| (part.address, part.bytes())).collect();
        let layout = Layout::new(&memory, &notes);
        Ok(Self {
            machine: stream.machine,
            cpus: cpus.len(),
            ram_bytes: ByteCount(layout.memory_bytes),
            stream_bytes: stream.bytes,
            pages,
            omitted,
            missing,
            layout,
            spool,
            file,
        })
    }

    /// The exact length of the image.
    #[must_use]
    pub fn image_size(&self) -> ByteCount {
        ByteCount(self.layout.image_bytes())
    }

    /// The image, from its beginning to its end.
    #[must_use]
    pub fn into_reader(self) -> OrderedImage {
        OrderedImage::new(self.layout, self.spool, self.file)
    }
}

/// The guest's note out of its memory; `None` if nothing there can be one.
fn read_guest_note(
    place: GuestNote,
    parts: &[Placed],
    spool: &mut Spool,
    file: &PageFile,
) -> Result<Option<Vec<u8>>, QevmError> {
    /// What QEMU accepts.
    const MAX_BYTES: u32 = 1 << 20;
    let mut before = 0_u64;
    for part in parts {
        let start = place.address.0.checked_sub(part.address.0);
        let inside = start.filter(|start| start.saturating_add(place.bytes.into()) <= part.bytes());
        if let Some(start) = inside.filter(|_| place.bytes <= MAX_BYTES) {
            let mut bytes = vec![0; usize::try_from(place.bytes).unwrap_or_default()];
            let read = spool.read_at(file, before.saturating_add(start), &mut bytes);
            read.map_err(SpoolError::at("read"))?;
            return Ok(guest_note(&bytes).map(<[u8]>::to_vec));
        }
        before = before.saturating_add(part.bytes());
    }
    Ok(None)
}

/// What is kept of a stream while it comes.
struct Kept {
    parts: Vec<Placed>,
    /// For each block of the stream, where its parts are in the image.
    blocks: Vec<Vec<PartOfBlock>>,
    omitted: Vec<OmittedBlock>,
    spool: Spool,
}

/// Pages of a block that follow each other in the image too; all counted in pages.
struct PartOfBlock {
    in_block: u64,
    in_image: u64,
    pages: u64,
}

impl Kept {
    /// Where a page of a block is in the image; `None` for a block that is left out.
    fn page_in_image(&self, block: usize, page: u64) -> Option<u64> {
        self.blocks.get(block)?.iter().find_map(|part| {
            let within = page.checked_sub(part.in_block)?;
            (within < part.pages).then(|| part.in_image.saturating_add(within))
        })
    }
}

/// Puts the pages of a stream to the spool.
struct Sink<'a, 'b> {
    store: &'a ImageStore,
    writer: &'a mut Writer<'b>,
    observer: &'a mut dyn FnMut(LiveEvent<'_>),
    kept: Option<Kept>,
}

impl PageSink for Sink<'_, '_> {
    fn blocks(&mut self, machine: &str, blocks: &[RamBlock]) -> Result<(), QevmError> {
        let (parts, omitted) = place(machine, blocks)?;
        let mut by_block: Vec<Vec<PartOfBlock>> = blocks.iter().map(|_| Vec::new()).collect();
        let mut pages = 0_u64;
        for part in &parts {
            if let Some(block) = by_block.get_mut(part.block) {
                block.push(PartOfBlock { in_block: part.block_page, in_image: pages, pages: part.pages });
            }
            pages = pages.saturating_add(part.pages);
        }
        let index = self.store.create_spool().map_err(SpoolError::Create)?;
        let spool = Spool::new(index, pages)?;
        self.kept = Some(Kept { parts, blocks: by_block, omitted, spool });
        Ok(())
    }

    fn zero(&mut self, block: usize, page: u64) -> Result<(), QevmError> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        match kept.page_in_image(block, page) {
            Some(page) => Ok(kept.spool.zero(page)?),
            None => Ok(()),
        }
    }

    fn page(&mut self, block: usize, page: u64, bytes: &[u8]) -> Result<(), QevmError> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        match kept.page_in_image(block, page) {
            Some(page) => Ok(kept.spool.page(self.writer, page, bytes)?),
            None => Ok(()),
        }
    }

    fn progress(&mut self, received: ByteCount) {
        let pages = self.kept.as_ref().map(|kept| kept.spool.counts()).unwrap_or_default();
        let bytes = |pages: u64| ByteCount(pages.saturating_mul(PAGE_BYTES_U64));
        let progress = Progress {
            bytes_done: bytes(pages.total.saturating_sub(pages.absent)),
            bytes_expected: bytes(pages.total),
        };
        (self.observer)(LiveEvent::Progress { progress, stream_bytes: received, pages });
    }

    fn abandoned(&mut self, error: &QevmError) {
        (self.observer)(LiveEvent::Failed(error));
    }
}

#[cfg(test)]
mod tests;
