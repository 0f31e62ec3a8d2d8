//! Which slot of the spool holds a page: a file of 32-bit entries, with a few pieces of it in memory.
//!
//! QEMU sends pages in ascending order, again and again, so a piece is used up before another one is wanted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const ENTRY_BYTES: u64 = 4;
const WINDOW_ENTRIES: u64 = 4096;
const WINDOW_BYTES: usize = 4096 * 4;
/// Pieces in memory: 512 KiB, for 512 MiB of guest.
const WINDOWS: usize = 32;
const IS_ZERO: u32 = 1 << 31;

/// What is known of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    /// More slots than this have no number: 8 TiB of pages.
    pub(super) const MAX_SLOTS: u32 = IS_ZERO - 1;

    /// A page whose content is in that slot.
    pub(super) fn in_slot(slot: u32) -> Self {
        Self(slot.saturating_add(1))
    }

    /// The same page, now all zeroes. It keeps its slot for when it is not any more.
    pub(super) fn zeroed(self) -> Self {
        Self(self.0 | IS_ZERO)
    }

    /// Whether the page came at all.
    pub(super) fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Whether the page came, and last as zeroes.
    pub(super) fn is_zero(self) -> bool {
        self.0 & IS_ZERO != 0
    }

    /// The slot that belongs to the page, whether its content counts or not.
    pub(super) fn slot(self) -> Option<u32> {
        (self.0 & !IS_ZERO).checked_sub(1)
    }

    /// The slot that holds the page's content; `None` for zeroes.
    pub(super) fn content(self) -> Option<u32> {
        self.slot().filter(|_| !self.is_zero())
    }
}

/// A piece of the file.
struct Window {
    /// Which piece, from 0; `None` while it is none.
    number: Option<u64>,
    is_dirty: bool,
    bytes: Box<[u8]>,
}

/// The index of a spool.
pub(super) struct Index {
    file: File,
    windows: Vec<Window>,
}

impl Index {
    /// An index of that many pages, none of which came, in an empty file.
    pub(super) fn new(file: File, pages: u64) -> io::Result<Self> {
        // Whole pieces, so that each can be read as such.
        let bytes = pages.div_ceil(WINDOW_ENTRIES).saturating_mul(WINDOW_ENTRIES).saturating_mul(ENTRY_BYTES);
        file.set_len(bytes)?;
        Ok(Self { file, windows: empty_windows() })
    }

    /// The same index, to be read beside this one. Nothing may be changed any more.
    pub(super) fn again(&mut self) -> io::Result<Self> {
        for window in &mut self.windows {
            if let Some(number) = window.number.filter(|_| window.is_dirty) {
                self.file.write_all_at(&window.bytes, offset(number))?;
                window.is_dirty = false;
            }
        }
        Ok(Self { file: self.file.try_clone()?, windows: empty_windows() })
    }

    pub(super) fn get(&mut self, page: u64) -> io::Result<Entry> {
        let (_, entry) = self.entry(page)?;
        Ok(Entry(u32::from_le_bytes(*entry)))
    }

    pub(super) fn set(&mut self, page: u64, value: Entry) -> io::Result<()> {
        let (is_dirty, entry) = self.entry(page)?;
        *is_dirty = true;
        *entry = value.0.to_le_bytes();
        Ok(())
    }

    /// The entry in its piece of the file, which is brought in if it is not in memory.
    fn entry(&mut self, page: u64) -> io::Result<(&mut bool, &mut [u8; 4])> {
        let outside = || io::Error::other("a page outside of the index");
        let number = page / WINDOW_ENTRIES;
        let place = usize::try_from(number).map_err(io::Error::other)? % WINDOWS;
        let window = self.windows.get_mut(place).ok_or_else(outside)?;
        if window.number != Some(number) {
            if let Some(old) = window.number.take()
                && window.is_dirty
            {
                self.file.write_all_at(&window.bytes, offset(old))?;
            }
            window.is_dirty = false;
            self.file.read_exact_at(&mut window.bytes, offset(number))?;
            window.number = Some(number);
        }
        let at = usize::try_from(page % WINDOW_ENTRIES).map_err(io::Error::other)?;
        let entry = window.bytes.as_chunks_mut().0.get_mut(at).ok_or_else(outside)?;
        Ok((&mut window.is_dirty, entry))
    }
}

fn empty_windows() -> Vec<Window> {
    let window = || Window { number: None, is_dirty: false, bytes: vec![0; WINDOW_BYTES].into_boxed_slice() };
    std::iter::repeat_with(window).take(WINDOWS).collect()
}

fn offset(window: u64) -> u64 {
    window.saturating_mul(WINDOW_ENTRIES).saturating_mul(ENTRY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_while_others_take_their_place_in_memory() {
        let pages = WINDOW_ENTRIES * 100;
        let mut index = Index::new(tempfile::tempfile().unwrap(), pages).unwrap();
        // Far apart, so that every window is put out of memory several times.
        let apart: Vec<u64> = (0..pages).step_by(1021).collect();
        for (page, slot) in apart.iter().zip(0..) {
            index.set(*page, Entry::in_slot(slot)).unwrap();
        }
        for (page, slot) in apart.iter().zip(0..) {
            assert_eq!(index.get(*page).unwrap().content(), Some(slot));
            assert_eq!(index.get(*page + 1).unwrap(), Entry::default());
        }
    }

    #[test]
    fn a_second_reader_sees_what_is_only_in_memory_yet() {
        let mut index = Index::new(tempfile::tempfile().unwrap(), 10).unwrap();
        index.set(7, Entry::in_slot(3)).unwrap();
        let mut again = index.again().unwrap();
        assert_eq!((again.get(7).unwrap(), again.get(8).unwrap()), (Entry::in_slot(3), Entry::default()));
    }

    #[test]
    fn a_page_keeps_its_slot_while_it_is_zeroes() {
        let page = Entry::in_slot(Entry::MAX_SLOTS - 1);
        assert!(page.is_known() && !page.is_zero());
        assert_eq!((page.slot(), page.content()), (Some(Entry::MAX_SLOTS - 1), Some(Entry::MAX_SLOTS - 1)));
        let zeroed = page.zeroed();
        assert!(zeroed.is_known() && zeroed.is_zero());
        assert_eq!((zeroed.slot(), zeroed.content()), (Some(Entry::MAX_SLOTS - 1), None));
        let never = Entry::default();
        assert!(!never.is_known() && !never.is_zero());
        assert_eq!(never.zeroed().slot(), None);
    }
}
