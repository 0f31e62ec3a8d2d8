//! An image that a new one is stored as a difference to.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use memdeck_model::{ByteCount, DifferenceFacts, Record, Segment};

use crate::format::difference::{Base, BaseError};
use crate::format::elf::ElfCore;
use crate::format::page_map::PageLayout;
use crate::pipeline::pack::{Against, StoredEntries};
use crate::read::error::ReadError;
use crate::read::manifest::read_recorded_manifest;
use crate::read::page_map::PageMap;

/// Why an image cannot be one that others are stored as differences to.
#[derive(Debug, thiserror::Error)]
pub enum NoBase {
    /// Its manifest cannot be read, or is not the one that was recorded.
    #[error("its manifest is of no use")]
    Manifest(#[source] ReadError),
    /// It has no manifest.
    #[error("it has no manifest")]
    NoManifest,
    /// Nothing is a difference to a difference.
    #[error("it is stored as a difference itself")]
    Difference,
    /// Its frames were stored without digests, by an older version.
    #[error("its frames have no digests")]
    NoDigests,
    /// The image itself cannot be read.
    #[error("the image is of no use")]
    Image(#[source] BaseError),
}

/// An image that is stored whole, opened so that another one can be compared with it.
pub struct BaseImage {
    base: Base,
    facts: DifferenceFacts,
    raw_size: ByteCount,
    segments: Vec<Segment>,
    page_map: Option<PageMap>,
}

impl BaseImage {
    /// Opens the image of a dump that the catalog has a record of. Reads its manifest, its digests and its page map, and nothing
    /// of the image but its seek table.
    ///
    /// # Errors
    /// It cannot be the base of another one, or is not what was recorded.
    pub fn open(image: &Path, record: &Record) -> Result<Self, NoBase> {
        let manifest = read_recorded_manifest(image, record).map_err(NoBase::Manifest)?;
        let manifest = manifest.ok_or(NoBase::NoManifest)?;
        if manifest.difference.is_some() {
            return Err(NoBase::Difference);
        }
        let digests = manifest.frame_digests.ok_or(NoBase::NoDigests)?;
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let facts = DifferenceFacts {
            base: manifest.dump_id,
            base_file: name,
            base_sha256: manifest.sha256,
            base_digests_root: digests.root,
            same_frames: 0,
            changed_frames: 0,
        };
        let raw_size = manifest.raw_size_bytes;
        let base = Base::open_beside(image, &facts, raw_size.0).map_err(NoBase::Image)?;
        // Without a map, pages are looked at as in any dump.
        let page_map = PageMap::open_beside(image, Some(record)).ok().map(|(map, _)| map);
        Ok(Self { base, facts, raw_size, segments: manifest.segments, page_map })
    }

    /// Whether an image with these headers has its memory where this one has it.
    #[must_use]
    pub fn fits(&self, core: &ElfCore) -> bool {
        self.raw_size == core.image_size && self.segments == core.segments
    }

    /// What a pipeline stores an image with these pages against.
    pub(super) fn against(&mut self, layout: Option<&PageLayout>) -> Against<'_> {
        let map = self.page_map.take().filter(|map| layout == Some(map.layout()));
        let boxed = |map| -> Box<dyn StoredEntries> { Box::new(map) };
        let entries = map.map(|map| Mutex::new(boxed(map)));
        Against { base: &self.base, entries }
    }

    /// What the manifest of a difference to it says.
    pub(super) fn into_facts(self, same_frames: u64, changed_frames: u64) -> DifferenceFacts {
        DifferenceFacts { same_frames, changed_frames, ..self.facts }
    }
}

impl StoredEntries for PageMap {
    fn read(&mut self, first_page: u64, entries: &mut [u8]) -> io::Result<()> {
        self.read_stored(first_page, entries)
    }
}
