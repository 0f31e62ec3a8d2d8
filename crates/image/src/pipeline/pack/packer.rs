//! What is made of a frame: compressed bytes, digest, page entries, banner.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use super::differ::{Against, Differ, Stored};
use super::slot::{Slot, Study};
use crate::format::frame::{FRAME_BYTES_U64, ZeroFrame, compressor};
use crate::format::hash::byte_len;
use crate::format::page_map::{PageExaminer, PageLayout, examine_whole_pages};
use crate::pipeline::banner;

/// What the threads of one capture share.
pub(super) struct Shared<'a> {
    /// The guest's pages; `None` if its segments are not in order.
    pub(super) layout: Option<PageLayout>,
    /// What the image is stored as a difference to, if it is.
    pub(super) against: Option<Against<'a>>,
    /// What the writer stores for a full frame of zeroes.
    pub(super) zero: ZeroFrame,
    /// Nobody needs to look for it any more.
    pub(super) banner_found: AtomicBool,
}

/// A frame on its way to a packer.
pub(super) struct Job {
    pub(super) slot: Box<Slot>,
    /// Where it begins in the image.
    pub(super) start: u64,
}

pub(super) fn run(jobs: &Receiver<Job>, done: &SyncSender<Box<Slot>>, shared: &Shared<'_>) -> io::Result<()> {
    let mut differ = shared.against.as_ref().map(Differ::new).transpose()?;
    let mut compressor = compressor()?;
    let examiner = PageExaminer::new();
    for Job { mut slot, start } in jobs {
        let (raw, packed, study) = slot.parts();
        study.digest = blake3::hash(raw);
        study.stored = differ.as_mut().map_or(Stored::Whole, |differ| {
            differ.compare(start / FRAME_BYTES_U64, start, raw, &study.digest)
        });
        examine(raw, start, study, &examiner, shared, differ.as_ref());
        packed.clear();
        match &mut differ {
            Some(differ) if study.stored != Stored::Whole => {
                differ.pack(study.stored, raw, &mut compressor, packed)?;
            }
            _ => {
                compressor.compress_to_buffer(raw, packed)?;
            }
        }
        if done.send(slot).is_err() {
            break;
        }
    }
    Ok(())
}

fn examine(
    raw: &[u8],
    start: u64,
    study: &mut Study,
    examiner: &PageExaminer,
    shared: &Shared<'_>,
    differ: Option<&Differ<'_>>,
) {
    study.entries.clear();
    if let Some(layout) = &shared.layout {
        let span = start..start.saturating_add(byte_len(raw));
        let differ = differ.filter(|_| study.stored != Stored::Whole);
        if differ.and_then(|differ| differ.examine(layout, examiner, &span, raw, study)).is_none() {
            examine_whole_pages(layout, examiner, span, raw, &mut study.entries);
        }
    }
    let is_found = shared.banner_found.load(Ordering::Relaxed);
    study.banner = if is_found { None } else { banner::find(raw) };
}
