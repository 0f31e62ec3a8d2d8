//! A chunk of the stream in memory, and as a piece of the file.
//!
//! A piece is a header of 16 bytes, little-endian (64-bit map of the blocks that are not zeroes, lowest bit first; 32-bit
//! length of the chunk; 32 bits of zero), then those blocks. It is read by the process that wrote it and by no other.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::pages::is_zero;

/// As many as the map has bits.
pub(super) const BLOCKS: usize = 64;
pub(super) const BLOCK_BYTES: usize = 4096;
const HEADER_BYTES: usize = 16;

/// Up to 256 KiB of the stream, which are given out from the front.
pub(super) struct Chunk {
    /// Room for the header, then the bytes.
    buffer: Box<[u8]>,
    /// The bytes that are there and not yet given out, counted after the header; half-open.
    start: usize,
    end: usize,
}

impl Chunk {
    pub(super) fn new() -> Self {
        let mut buffer = vec![0; HEADER_BYTES + BLOCKS * BLOCK_BYTES].into_boxed_slice();
        // Written once here, so that no page has to be found while a guest waits.
        buffer.fill(1);
        Self { buffer, start: 0, end: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads until the chunk is full or the stream ends or fails; what came is there in each case.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<()> {
        (self.start, self.end) = (0, 0);
        while let Some(room) = self.buffer.get_mut(HEADER_BYTES + self.end..).filter(|room| !room.is_empty())
        {
            match stream.read(room) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether all bytes that are there are zeroes.
    pub(super) fn is_zero(&self) -> bool {
        is_zero(self.bytes().get(self.start..self.end).unwrap_or_default())
    }

    /// Passes bytes over, as many as there are up to that number.
    pub(super) fn skip(&mut self, bytes: usize) -> usize {
        let count = self.len().min(bytes);
        self.start += count;
        count
    }

    /// Moves bytes to `buffer`, as many as there are and fit.
    pub(super) fn give(&mut self, buffer: &mut [u8]) -> usize {
        let bytes = self.bytes().get(self.start..self.end).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        if let (Some(from), Some(to)) = (bytes.get(..count), buffer.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.start += count;
        count
    }

    /// Writes the chunk as a piece, and gives the piece's length. The chunk is empty then; where that fails it is as it
    /// was.
    pub(super) fn write_to(&mut self, file: &File, offset: u64) -> io::Result<u64> {
        let (map, stored) = self.compact();
        let length = u32::try_from(self.end).map_err(io::Error::other)?;
        let mut header = [0; HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(map.to_le_bytes().into_iter().chain(length.to_le_bytes())) {
            *to = from;
        }
        if let Some(place) = self.buffer.first_chunk_mut::<HEADER_BYTES>() {
            *place = header;
        }
        let piece = self.buffer.get(..HEADER_BYTES + stored).unwrap_or_default();
        match file.write_all_at(piece, offset) {
            Ok(()) => {
                (self.start, self.end) = (0, 0);
                u64::try_from(HEADER_BYTES + stored).map_err(io::Error::other)
            }
            Err(error) => {
                self.expand(map, stored);
                Err(error)
            }
        }
    }

    /// Reads the piece at `offset`, and gives its length.
    pub(super) fn read_from(&mut self, file: &File, offset: u64) -> io::Result<u64> {
        let damaged = || io::Error::other("a piece of the spool is damaged");
        let mut map = [0; 8];
        let mut length = [0; 4];
        file.read_exact_at(&mut map, offset)?;
        file.read_exact_at(&mut length, offset.saturating_add(8))?;
        let map = u64::from_le_bytes(map);
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
        if length > BLOCKS * BLOCK_BYTES {
            return Err(damaged());
        }
        (self.start, self.end) = (0, length);
        let stored =
            (0..BLOCKS).filter(|block| map >> block & 1 == 1).map(|block| self.block_len(block)).sum();
        let header = u64::try_from(HEADER_BYTES).map_err(io::Error::other)?;
        let room = self.buffer.get_mut(HEADER_BYTES..HEADER_BYTES + stored).ok_or_else(damaged)?;
        file.read_exact_at(room, offset.saturating_add(header))?;
        self.expand(map, stored);
        Ok(header.saturating_add(u64::try_from(stored).map_err(io::Error::other)?))
    }

    /// Moves the blocks that are not zeroes to the front: which these are, and how many bytes they have.
    fn compact(&mut self) -> (u64, usize) {
        let (mut map, mut stored) = (0_u64, 0);
        for block in 0..BLOCKS {
            let length = self.block_len(block);
            let at = HEADER_BYTES + block * BLOCK_BYTES;
            if self.buffer.get(at..at + length).is_none_or(is_zero) {
                continue;
            }
            if HEADER_BYTES + stored != at {
                self.buffer.copy_within(at..at + length, HEADER_BYTES + stored);
            }
            map |= 1 << block;
            stored += length;
        }
        (map, stored)
    }

    /// Undoes [`Self::compact`].
    fn expand(&mut self, map: u64, mut stored: usize) {
        for block in (0..BLOCKS).rev() {
            let length = self.block_len(block);
            let at = HEADER_BYTES + block * BLOCK_BYTES;
            if map >> block & 1 == 1 {
                stored = stored.saturating_sub(length);
                let from = HEADER_BYTES + stored;
                if from != at {
                    self.buffer.copy_within(from..from + length, at);
                }
            } else if let Some(zeroes) = self.buffer.get_mut(at..at + length) {
                zeroes.fill(0);
            }
        }
    }

    /// All blocks have the same length but the last one, after which they have none.
    fn block_len(&self, block: usize) -> usize {
        self.end.saturating_sub(block * BLOCK_BYTES).min(BLOCK_BYTES)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(HEADER_BYTES..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chunk's bytes: blocks of one value each, the last one shorter.
    fn bytes(values: &[u8], cut: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = values.iter().flat_map(|value| [*value; BLOCK_BYTES]).collect();
        bytes.truncate(bytes.len().saturating_sub(cut));
        bytes
    }

    fn filled(bytes: &[u8]) -> Chunk {
        let mut chunk = Chunk::new();
        chunk.fill(&mut &*bytes).unwrap();
        chunk
    }

    fn given(chunk: &mut Chunk) -> Vec<u8> {
        let mut bytes = vec![0; chunk.len() + 1];
        let count = chunk.give(&mut bytes);
        bytes.truncate(count);
        bytes
    }

    proptest! {
        #[test]
        fn a_piece_is_the_chunk_without_its_zeroes(
            values in proptest::collection::vec(0_u8..3, 0..=BLOCKS),
            cut in 0..BLOCK_BYTES,
            offset in 0_u64..10_000,
        ) {
            let bytes = bytes(&values, cut);
            let file = tempfile::tempfile().unwrap();
            let written = filled(&bytes).write_to(&file, offset).unwrap();
            prop_assert_eq!(file.metadata().unwrap().len(), offset + written);
            let non_zero = bytes.chunks(BLOCK_BYTES).filter(|block| !is_zero(block)).map(<[u8]>::len);
            prop_assert_eq!(written, 16 + non_zero.sum::<usize>() as u64);

            let mut read = Chunk::new();
            prop_assert_eq!(read.read_from(&file, offset).unwrap(), written);
            prop_assert_eq!(given(&mut read), bytes);
        }

        #[test]
        fn a_chunk_that_could_not_be_written_is_as_it_was(
            values in proptest::collection::vec(0_u8..3, 0..=BLOCKS),
            cut in 0..BLOCK_BYTES,
        ) {
            let bytes = bytes(&values, cut);
            let full = File::options().write(true).open("/dev/full").unwrap();
            let mut chunk = filled(&bytes);
            prop_assert_eq!(chunk.write_to(&full, 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
            prop_assert_eq!(given(&mut chunk), bytes);
        }
    }

    #[test]
    fn a_chunk_keeps_what_came_before_its_stream_failed() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut chunk = Chunk::new();
        chunk.fill(&mut (&b"memory"[..]).chain(Fails)).unwrap_err();
        assert_eq!(given(&mut chunk), b"memory");
    }
}
