//! One page: its fingerprint, its class and its entropy.

pub use memdeck_model::PageClass;

use super::PAGE_BYTES;
use super::entropy::Histogram;

/// Bytes of an entry in the file.
pub(crate) const ENTRY_BYTES: usize = 20;
pub(crate) const ENTRY_BYTES_U64: u64 = 20;
/// Of 4096: 95 %.
const TEXT_BYTES: u16 = 3892;
/// Of 4096: 75 %.
const SPARSE_BYTES: u16 = 3072;
/// 7.8 bits. Random bytes have 7.95 in a page, machine code 4 to 6.5.
const HIGH_ENTROPY: u16 = 31_949;

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// The first 16 bytes of the BLAKE3 hash of its 4096 bytes.
    pub fingerprint: [u8; 16],
    /// What kind of content it has.
    pub class: PageClass,
    /// The byte that is repeated, where it is [`PageClass::Uniform`]; else 0.
    pub fill: u8,
    /// Shannon entropy of its bytes in 4096ths of a bit per byte, 0 to 32768.
    pub entropy_4096ths: u16,
}

impl PageEntry {
    /// Shannon entropy of its bytes, 0 to 8 bits per byte.
    #[must_use]
    pub fn entropy_bits(&self) -> f64 {
        f64::from(self.entropy_4096ths) / 4096.0
    }

    /// As it is stored.
    pub(crate) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let [low, high] = self.entropy_4096ths.to_le_bytes();
        let mut bytes = [0; ENTRY_BYTES];
        let (fingerprint, rest) = bytes.split_at_mut(self.fingerprint.len());
        fingerprint.copy_from_slice(&self.fingerprint);
        rest.copy_from_slice(&[self.class.code(), self.fill, low, high]);
        bytes
    }

    /// From how it is stored; `None` for a class that does not exist.
    pub(crate) fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let (fingerprint, &[class, fill, low, high]) = bytes.split_first_chunk::<16>()? else { return None };
        Some(Self {
            fingerprint: *fingerprint,
            class: PageClass::from_code(class)?,
            fill,
            entropy_4096ths: u16::from_le_bytes([low, high]),
        })
    }
}

/// Looks at pages. Zero pages cost nothing but finding out that they are.
pub(crate) struct PageExaminer {
    zero: [u8; ENTRY_BYTES],
}

impl PageExaminer {
    pub(crate) fn new() -> Self {
        let fingerprint = fingerprint(&[0; PAGE_BYTES]);
        let zero = PageEntry { fingerprint, class: PageClass::Zero, fill: 0, entropy_4096ths: 0 };
        Self { zero: zero.to_bytes() }
    }

    /// The entry of a page of zeroes.
    pub(crate) fn zero(&self) -> &[u8; ENTRY_BYTES] {
        &self.zero
    }

    /// The entry of a page of at most 4096 bytes, which zeroes fill up.
    pub(crate) fn examine(&self, page: &[u8]) -> [u8; ENTRY_BYTES] {
        if let Ok(page) = page.try_into() {
            return self.examine_whole(page);
        }
        let mut whole = [0; PAGE_BYTES];
        for (to, from) in whole.iter_mut().zip(page) {
            *to = *from;
        }
        self.examine_whole(&whole)
    }

    fn examine_whole(&self, page: &[u8; PAGE_BYTES]) -> [u8; ENTRY_BYTES] {
        if is_zero(page) {
            return self.zero;
        }
        let fingerprint = fingerprint(page);
        let entry = |class, fill, entropy_4096ths| PageEntry { fingerprint, class, fill, entropy_4096ths };
        let [first, rest @ ..] = page;
        let is_uniform = page.starts_with(rest.split_last().map_or(&[], |(_, but_last)| but_last))
            && rest.last() == Some(first);
        if is_uniform {
            return entry(PageClass::Uniform, *first, 0).to_bytes();
        }
        let histogram = Histogram::of(page);
        let entropy = histogram.entropy();
        let class = if histogram.text() >= TEXT_BYTES {
            PageClass::Text
        } else if histogram.zeroes() >= SPARSE_BYTES {
            PageClass::Sparse
        } else if entropy >= HIGH_ENTROPY {
            PageClass::HighEntropy
        } else {
            PageClass::Binary
        };
        entry(class, 0, entropy).to_bytes()
    }
}

fn fingerprint(page: &[u8; PAGE_BYTES]) -> [u8; 16] {
    let hash = blake3::hash(page);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    // Without an early exit inside of a block, which would keep the compiler from using vector instructions.
    bytes.chunks(512).all(|block| block.iter().fold(0, |seen, byte| seen | byte) == 0)
}
