//! Reads a page map back: any entry of it, or all of them in order.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memdeck_model::{GuestPhysAddr, Manifest, Record};

use super::error::ReadError;
use super::image::{ImageReader, open_image};
use super::manifest::{read_manifest, read_recorded_manifest};
use crate::format::companions::{PAGE_MAP_SUFFIX, companion};
use crate::format::page_map::{
    ENTRY_BYTES, ENTRY_BYTES_U64, FIXED_HEADER_BYTES, MAGIC, MAP_FRAME_BYTES, PAGE_BYTES, PageEntry,
    PageLayout, PageRun, RUN_BYTES, VERSION,
};
use crate::format::seek_table::SeekTableError;

/// No more than an image may have segments.
const MAX_RUNS: u32 = 1 << 18;

/// Why a page map cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageMapError {
    /// Its file cannot be opened, or has no usable seek table.
    #[error("the page map cannot be opened")]
    Open(#[source] ReadError),
    /// It has no usable seek table.
    #[error("the page map's file is damaged")]
    SeekTable(#[source] SeekTableError),
    /// A part of it cannot be read.
    #[error("the page map cannot be read")]
    Read(#[source] io::Error),
    /// It is something else, or contradicts itself.
    #[error("the page map is damaged: {0}")]
    Damaged(&'static str),
    /// Another version of the format.
    #[error("the page map has version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// An entry of it cannot be true.
    #[error("the page map's entry of page {0} is damaged")]
    Entry(u64),
    /// The image was stored without one.
    #[error("{} has no page map: the version of memdeck that stored it made none", image.display())]
    None {
        /// The stored image.
        image: PathBuf,
    },
    /// The manifest, which says what the page map must be, cannot be used.
    #[error("the page map of {} cannot be checked", image.display())]
    Manifest {
        /// The stored image.
        image: PathBuf,
        /// What is wrong with its manifest.
        source: ReadError,
    },
    /// It is not the one that was recorded.
    #[error("{} is not the page map that was recorded: it hashes to {found} instead of {recorded}", path.display())]
    NotAsRecorded {
        /// The page map.
        path: PathBuf,
        /// BLAKE3 hash of the file, as the manifest says.
        recorded: String,
        /// As it is.
        found: String,
    },
}

/// The page map of a stored image. Pages count from 0 over all segments. Keeps one piece of it in memory.
pub struct PageMap<R = File> {
    content: ImageReader<R>,
    layout: PageLayout,
    entries_start: u64,
}

impl PageMap<File> {
    /// Opens the page map in that file.
    ///
    /// # Errors
    /// It cannot be opened, or is none.
    pub fn open(path: &Path) -> Result<Self, PageMapError> {
        Self::read(ImageReader::open(path).map_err(PageMapError::Open)?)
    }

    /// Opens the page map of a stored image, held against the manifest, and that against the record of the dump where there
    /// is one; and the manifest, where there is one.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it or the manifest is not what was recorded.
    pub fn open_beside(
        image: &Path,
        record: Option<&Record>,
    ) -> Result<(Self, Option<Manifest>), PageMapError> {
        let manifest = match record {
            Some(record) => read_recorded_manifest(image, record),
            None => read_manifest(image).map(|file| file.map(|file| file.manifest)),
        };
        let manifest =
            manifest.map_err(|source| PageMapError::Manifest { image: image.to_owned(), source })?;
        let facts = manifest.as_ref().map(|manifest| manifest.page_map.as_ref());
        let none = || PageMapError::None { image: image.to_owned() };
        if facts == Some(None) {
            return Err(none());
        }
        let path = Self::path_beside(image);
        let mut file = open_image(&path).map_err(|error| match error {
            ReadError::Open { source, .. }
                if manifest.is_none() && source.kind() == io::ErrorKind::NotFound =>
            {
                none()
            }
            error => PageMapError::Open(error),
        })?;
        if let Some(facts) = facts.flatten() {
            let mut hasher = blake3::Hasher::new();
            io::copy(&mut file, &mut hasher).map_err(PageMapError::Read)?;
            let found = hasher.finalize().to_hex().to_string();
            if found != facts.file_blake3 {
                let recorded = facts.file_blake3.clone();
                return Err(PageMapError::NotAsRecorded { path, recorded, found });
            }
        }
        Ok((Self::new(file)?, manifest))
    }

    /// Where the page map of a stored image is, if it has one.
    #[must_use]
    pub fn path_beside(image: &Path) -> PathBuf {
        companion(image, PAGE_MAP_SUFFIX)
    }
}

impl<R: Read + Seek> PageMap<R> {
    /// Reads a page map from anything that can be read at any place.
    ///
    /// # Errors
    /// It is none.
    pub fn new(source: R) -> Result<Self, PageMapError> {
        Self::read(ImageReader::new(source).map_err(PageMapError::SeekTable)?)
    }

    fn read(mut content: ImageReader<R>) -> Result<Self, PageMapError> {
        let size = content.raw_size().0;
        let magic: [u8; 8] = array(&mut content)?;
        if magic != *MAGIC {
            return Err(PageMapError::Damaged("it does not begin as a page map"));
        }
        match u32::from_le_bytes(array(&mut content)?) {
            VERSION => {}
            version => return Err(PageMapError::Version(version)),
        }
        let page_bytes = u32::from_le_bytes(array(&mut content)?);
        let pages = u64::from_le_bytes(array(&mut content)?);
        let entry_bytes = u32::from_le_bytes(array(&mut content)?);
        let is = |number: u32, expected: usize| usize::try_from(number) == Ok(expected);
        if !is(page_bytes, PAGE_BYTES) || !is(entry_bytes, ENTRY_BYTES) {
            return Err(PageMapError::Damaged("its pages or its entries are of another size"));
        }
        let count = u32::from_le_bytes(array(&mut content)?);
        let entries_start = FIXED_HEADER_BYTES.saturating_add(RUN_BYTES.saturating_mul(count.into()));
        if count > MAX_RUNS || entries_start > size {
            return Err(PageMapError::Damaged("it claims more runs of memory than it has room for"));
        }
        let mut runs = Vec::new();
        for _ in 0..count {
            let mut number = || Ok(u64::from_le_bytes(array(&mut content)?));
            runs.push((number()?, number()?, number()?));
        }
        let layout = PageLayout::of_runs(runs.into_iter())
            .filter(|layout| layout.pages() == pages)
            .ok_or(PageMapError::Damaged("its runs of memory contradict each other"))?;
        let expected = pages.checked_mul(ENTRY_BYTES_U64).and_then(|bytes| bytes.checked_add(entries_start));
        if expected != Some(size) {
            return Err(PageMapError::Damaged("its length does not fit its number of pages"));
        }
        Ok(Self { content, layout, entries_start })
    }

    /// How many pages it has.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.layout.pages()
    }

    /// Where a page begins in the guest's physical memory; `None` if there is no such page.
    #[must_use]
    pub fn address(&self, page: u64) -> Option<GuestPhysAddr> {
        self.layout.address(page)
    }

    /// What is known of a page; `None` if there is no such page.
    ///
    /// # Errors
    /// That part of the file is damaged or cannot be read.
    pub fn entry(&mut self, page: u64) -> Result<Option<PageEntry>, PageMapError> {
        if page >= self.pages() {
            return Ok(None);
        }
        self.seek_to(page)?;
        let bytes = array(&mut self.content)?;
        PageEntry::from_bytes(&bytes).map(Some).ok_or(PageMapError::Entry(page))
    }

    /// All entries from that page on, in order.
    ///
    /// # Errors
    /// That part of the file is damaged or cannot be read.
    pub fn entries(&mut self, first_page: u64) -> Result<PageEntries<'_, R>, PageMapError> {
        self.seek_to(first_page)?;
        let pages = self.pages();
        let content = BufReader::with_capacity(MAP_FRAME_BYTES, &mut self.content);
        Ok(PageEntries { content, page: first_page, pages })
    }

    /// Memory that lies together, in the order of its pages.
    pub fn runs(&self) -> impl Iterator<Item = PageRun> + '_ {
        self.layout.runs()
    }

    /// Fills the buffer with entries as they are stored, from that page on.
    pub(crate) fn read_stored(&mut self, first_page: u64, entries: &mut [u8]) -> io::Result<()> {
        let offset = first_page.saturating_mul(ENTRY_BYTES_U64).saturating_add(self.entries_start);
        self.content.seek(SeekFrom::Start(offset))?;
        self.content.read_exact(entries)
    }

    /// The entries as they are stored, from the first to the last.
    pub(crate) fn into_stored_entries(mut self) -> Result<BufReader<ImageReader<R>>, PageMapError> {
        self.seek_to(0)?;
        Ok(BufReader::with_capacity(MAP_FRAME_BYTES, self.content))
    }

    pub(crate) fn layout(&self) -> &PageLayout {
        &self.layout
    }

    fn seek_to(&mut self, page: u64) -> Result<(), PageMapError> {
        let offset = page.saturating_mul(ENTRY_BYTES_U64).saturating_add(self.entries_start);
        self.content.seek(SeekFrom::Start(offset)).map_err(PageMapError::Read)?;
        Ok(())
    }
}

/// Entries of a page map in order; after an error there are no more.
pub struct PageEntries<'a, R> {
    content: BufReader<&'a mut ImageReader<R>>,
    page: u64,
    pages: u64,
}

impl<R: Read + Seek> Iterator for PageEntries<'_, R> {
    type Item = Result<PageEntry, PageMapError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page >= self.pages {
            return None;
        }
        let page = self.page;
        self.page += 1;
        let entry = array(&mut self.content)
            .and_then(|bytes| PageEntry::from_bytes(&bytes).ok_or(PageMapError::Entry(page)));
        if entry.is_err() {
            self.page = self.pages;
        }
        Some(entry)
    }
}

fn array<const N: usize>(source: &mut impl Read) -> Result<[u8; N], PageMapError> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(PageMapError::Read)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
