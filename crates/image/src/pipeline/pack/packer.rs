//! What is made of a frame: compressed bytes, digest, page entries, banner.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use super::slot::{Slot, Study};
use crate::format::frame::{ZeroFrame, compressor};
use crate::format::hash::byte_len;
use crate::format::page_map::{PageExaminer, PageLayout, examine_whole_pages};
use crate::pipeline::banner;

/// What the threads of one capture share.
pub(super) struct Shared {
    /// The guest's pages; `None` if its segments are not in order.
    pub(super) layout: Option<PageLayout>,
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

pub(super) fn run(jobs: &Receiver<Job>, done: &SyncSender<Box<Slot>>, shared: &Shared) -> io::Result<()> {
    let mut compressor = compressor()?;
    let examiner = PageExaminer::new();
    for Job { mut slot, start } in jobs {
        let (raw, packed, study) = slot.parts();
        examine(raw, start, study, &examiner, shared);
        packed.clear();
        compressor.compress_to_buffer(raw, packed)?;
        if done.send(slot).is_err() {
            break;
        }
    }
    Ok(())
}

fn examine(raw: &[u8], start: u64, study: &mut Study, examiner: &PageExaminer, shared: &Shared) {
    study.digest = blake3::hash(raw);
    study.entries.clear();
    if let Some(layout) = &shared.layout {
        let span = start..start.saturating_add(byte_len(raw));
        examine_whole_pages(layout, examiner, span, raw, &mut study.entries);
    }
    let is_found = shared.banner_found.load(Ordering::Relaxed);
    study.banner = if is_found { None } else { banner::find(raw) };
}
