//! The section `ram`: the list of blocks first, then pages as they come.
//!
//! A section is a sequence of items. An item is a big-endian 64-bit word, `offset in its block | flags`, the block's
//! name unless it is the same as before, and the page. See `migration/ram.c` in QEMU.

use std::io::Read;

use memdeck_model::ByteCount;

use super::QevmError;
use super::source::Source;

/// Bytes in a page of an x86 guest.
pub(crate) const PAGE_BYTES: usize = 4096;
pub(crate) const PAGE_BYTES_U64: u64 = 4096;
const FLAGS: u64 = PAGE_BYTES_U64 - 1;
const ZERO: u64 = 0x02;
const MEM_SIZE: u64 = 0x04;
const PAGE: u64 = 0x08;
const EOS: u64 = 0x10;
const CONTINUE: u64 = 0x20;
const MULTIFD_FLUSH: u64 = 0x200;
/// More than any machine has; bounds what is kept of a hostile stream.
const MAX_BLOCKS: usize = 4096;

/// A contiguous piece of QEMU's memory: guest RAM, firmware, a ROM, ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RamBlock {
    pub(crate) name: String,
    pub(crate) length: u64,
}

/// Takes the pages. A page that comes again replaces the earlier one.
pub(crate) trait PageSink {
    /// The blocks, once, before their first page.
    fn blocks(&mut self, machine: &str, blocks: &[RamBlock]) -> Result<(), QevmError>;
    /// A page of zeroes. `block` counts from 0 in the list of blocks; `page` counts in the block.
    fn zero(&mut self, block: usize, page: u64) -> Result<(), QevmError>;
    /// A page of [`PAGE_BYTES`].
    fn page(&mut self, block: usize, page: u64, bytes: &[u8]) -> Result<(), QevmError>;
    /// How far the stream is, every MiB or so.
    fn progress(&mut self, received: ByteCount);
    /// The stream cannot be used; the rest of it will be read and forgotten.
    fn abandoned(&mut self, error: &QevmError);
}

/// What is known between two items.
#[derive(Debug, Default)]
pub(super) struct Ram {
    blocks: Vec<RamBlock>,
    /// The block that an item with `CONTINUE` means.
    current: Option<usize>,
    /// The source sent a marker that exists for multifd; with multifd, pages travel elsewhere.
    multifd: bool,
    reported: u64,
}

impl Ram {
    pub(super) fn is_multifd(&self) -> bool {
        self.multifd
    }

    /// Reads the items of one section, up to and with its end mark.
    pub(super) fn section<R: Read>(
        &mut self,
        source: &mut Source<R>,
        machine: &str,
        sink: &mut impl PageSink,
    ) -> Result<(), QevmError> {
        loop {
            let at = source.taken();
            let word = source.be_u64()?;
            let (offset, flags) = (word & !FLAGS, word & FLAGS);
            match flags & !CONTINUE {
                EOS if word == EOS => return Ok(()),
                MULTIFD_FLUSH if word == MULTIFD_FLUSH => self.multifd = true,
                MEM_SIZE if flags == MEM_SIZE => self.list(source, machine, offset, sink)?,
                ZERO => {
                    let (block, page) = self.place(source, offset, flags, at)?;
                    if source.u8()? != 0 {
                        return Err(QevmError::unsupported("a page filled with one byte that is not zero"));
                    }
                    sink.zero(block, page)?;
                }
                PAGE => {
                    let (block, page) = self.place(source, offset, flags, at)?;
                    sink.page(block, page, source.take(PAGE_BYTES)?)?;
                }
                other => return Err(unknown_flags(other, at)),
            }
            let received = source.received();
            if received.0 != self.reported {
                self.reported = received.0;
                sink.progress(received);
            }
        }
    }

    /// The list of blocks; `total` is the sum of their lengths.
    fn list<R: Read>(
        &mut self,
        source: &mut Source<R>,
        machine: &str,
        total: u64,
        sink: &mut impl PageSink,
    ) -> Result<(), QevmError> {
        if !self.blocks.is_empty() {
            return Err(QevmError::unsupported("a second list of RAM blocks"));
        }
        let mut remaining = total;
        while remaining > 0 {
            let at = source.taken();
            let damaged =
                |what: &str| QevmError::Malformed { what: format!("{what} in the list of RAM blocks"), at };
            let name = source.name()?;
            let length = source.be_u64()?;
            // What a capability appends to an entry (an address, a page size) is read as the next one, and fails here.
            if length == 0 || length & FLAGS != 0 || self.blocks.len() == MAX_BLOCKS {
                return Err(damaged("an impossible entry"));
            }
            if self.blocks.iter().any(|block| block.name == name) {
                return Err(damaged("the same name twice"));
            }
            remaining = remaining.checked_sub(length).ok_or_else(|| damaged("more memory than in total"))?;
            self.blocks.push(RamBlock { name, length });
        }
        sink.blocks(machine, &self.blocks)
    }

    /// The block and the page in it that an item means.
    fn place<R: Read>(
        &mut self,
        source: &mut Source<R>,
        offset: u64,
        flags: u64,
        at: ByteCount,
    ) -> Result<(usize, u64), QevmError> {
        let damaged = |what: String| QevmError::Malformed { what, at };
        if flags & CONTINUE == 0 {
            let name = source.name()?;
            let known = self.blocks.iter().position(|block| block.name == name);
            self.current = Some(known.ok_or_else(|| damaged(format!("a page of an unknown block {name}")))?);
        }
        let current = self.current.and_then(|index| Some((index, self.blocks.get(index)?)));
        match current {
            None => Err(damaged("a page without a block".to_owned())),
            Some((_, block)) if offset >= block.length => {
                Err(damaged(format!("a page beyond the end of {}", block.name)))
            }
            Some((index, _)) => Ok((index, offset / PAGE_BYTES_U64)),
        }
    }
}

fn unknown_flags(flags: u64, at: ByteCount) -> QevmError {
    let what = match flags {
        0x40 => "a page as a difference (capability xbzrle)",
        0x80 => "a message of RDMA migration",
        0x100 => "a compressed page (capability compress)",
        _ => return QevmError::Malformed { what: format!("an item with the flags {flags:#x}"), at },
    };
    QevmError::unsupported(what)
}
