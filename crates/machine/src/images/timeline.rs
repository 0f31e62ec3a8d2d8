//! Figures of many images of a guest. A sealed image does not change, so what was added up once is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memdeck_model::{DumpId, MemoryChanges, MemoryFigures, Problem};
use memdeck_operations::{FiguredImage, ImageRef};
use memdeck_study::compare::{memory_changes, memory_figures};
use parking_lot::Mutex;

use super::StoredImage;
use super::study::{compared_image, refused};
use super::uses::Uses;

/// After so long no further image is begun in one call. What was added up until then is kept for the next one.
const LONGEST: Duration = Duration::from_secs(5);
/// Figures that are kept, a few dozen bytes each; when there are more, all are forgotten.
const MOST_KNOWN: usize = 50_000;

/// What was added up.
#[derive(Clone, Default)]
pub(super) struct KnownFigures(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    memory: HashMap<DumpId, MemoryFigures>,
    changes: HashMap<(DumpId, DumpId), MemoryChanges>,
}

/// Adds up images of one guest, oldest first in and out, the newest at first: it is looked at most.
pub(super) fn figures(
    uses: &Uses,
    known: &KnownFigures,
    images: &[ImageRef],
    is_stopped: &dyn Fn() -> bool,
) -> Vec<FiguredImage> {
    let began = Instant::now();
    let mut figured: Vec<FiguredImage> = Vec::with_capacity(images.len());
    for (place, image) in images.iter().enumerate().rev() {
        let before = place.checked_sub(1).and_then(|before| images.get(before));
        let is_late = || began.elapsed() > LONGEST;
        figured.push(match one(uses, known, before, image, &is_late, is_stopped) {
            Ok(figured) => figured,
            Err(problem) => FiguredImage { problem: Some(problem.detail), ..FiguredImage::default() },
        });
    }
    figured.reverse();
    figured
}

fn one(
    uses: &Uses,
    known: &KnownFigures,
    before: Option<&ImageRef>,
    image: &ImageRef,
    is_late: &dyn Fn() -> bool,
    is_stopped: &dyn Fn() -> bool,
) -> Result<FiguredImage, Problem> {
    let image = StoredImage::of(image.clone())?;
    let before = before.map(|before| StoredImage::of(before.clone())).transpose()?;
    let pair = before.as_ref().map(|before| (before.dump_id.clone(), image.dump_id.clone()));
    let (mut memory, mut changes) = known.of(&image.dump_id, pair.as_ref());
    let is_done = memory.is_some() && (changes.is_some() || pair.is_none());
    if !is_done && (is_late() || is_stopped()) {
        return Ok(FiguredImage { memory, changes, problem: None, is_pending: true });
    }
    if memory.is_none() {
        let _in_use = uses.read(&image.dump_id)?;
        let figures = memory_figures(compared_image(&image), is_stopped);
        let figures = figures.map_err(|error| refused(&error, &image, &image))?;
        known.learn(|known| {
            known.memory.insert(image.dump_id.clone(), figures);
        });
        memory = Some(figures);
    }
    if let (Some(before), Some(pair), None) = (&before, pair, changes) {
        let _in_use = [uses.read(&before.dump_id), uses.read(&image.dump_id)];
        // Where it fails, that of this image was read above: it is the other one's, which says so itself.
        changes = memory_changes(compared_image(before), compared_image(&image), is_stopped).ok();
        if let Some(found) = changes {
            known.learn(|known| {
                known.changes.insert(pair, found);
            });
        }
    }
    Ok(FiguredImage { memory, changes, problem: None, is_pending: false })
}

impl KnownFigures {
    fn of(
        &self,
        image: &DumpId,
        pair: Option<&(DumpId, DumpId)>,
    ) -> (Option<MemoryFigures>, Option<MemoryChanges>) {
        let known = self.0.lock();
        (known.memory.get(image).copied(), pair.and_then(|pair| known.changes.get(pair)).copied())
    }

    fn learn(&self, learn: impl FnOnce(&mut Known)) {
        let mut known = self.0.lock();
        if known.memory.len().saturating_add(known.changes.len()) >= MOST_KNOWN {
            *known = Known::default();
        }
        learn(&mut known);
    }
}
