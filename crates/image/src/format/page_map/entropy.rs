//! How a page's bytes are distributed: how many there are of each value, and their Shannon entropy.
//!
//! All in integers, so that every machine gets the same number: of 4096 bytes the entropy in 4096ths of a bit is
//! `12 × 4096 − Σ c·log2 c` over the counts `c` of the 256 values.

use std::sync::LazyLock;

use super::PAGE_BYTES;

/// Bits after the point of a `c·log2 c`.
const FRACTION_BITS: u32 = 16;
/// `log2 4096 × 4096`, with these bits after the point.
const WHOLE: u32 = (12 * 4096) << FRACTION_BITS;

/// All bits for the values that are text, else none: vector instructions count with it.
static TEXT: LazyLock<[u16; 256]> =
    LazyLock::new(|| std::array::from_fn(|value| u8::try_from(value).map_or(0, text_mask)));

fn text_mask(byte: u8) -> u16 {
    if matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r') { u16::MAX } else { 0 }
}

/// `c·log2 c` for every count that a page can have.
static C_LOG2_C: LazyLock<Vec<u32>> = LazyLock::new(|| (0..=4096).map(c_log2_c).collect());

/// `c·log2 c` to the nearest, for `c` up to 4096.
fn c_log2_c(c: u32) -> u32 {
    const BITS: u32 = 32;
    let Some(whole) = c.checked_ilog2() else { return 0 };
    // Of a number from 1 to 2, 31 bits after the point: squaring it doubles its logarithm.
    let mut mantissa = (u64::from(c) << 31) >> whole;
    let mut log2 = u64::from(whole);
    for _ in 0..BITS {
        mantissa = (mantissa * mantissa) >> 31;
        let bit = mantissa >> 32;
        mantissa >>= bit;
        log2 = log2 << 1 | bit;
    }
    let product = u64::from(c) * log2;
    let rounded = (product + (1 << (BITS - FRACTION_BITS - 1))) >> (BITS - FRACTION_BITS);
    u32::try_from(rounded).unwrap_or(u32::MAX)
}

/// How often each byte value occurs in a page.
pub(super) struct Histogram([u16; 256]);

impl Histogram {
    pub(super) fn of(page: &[u8; PAGE_BYTES]) -> Self {
        // Four tables: bytes that follow each other are often the same, and would wait for one counter.
        let mut tables = [[0_u16; 256]; 4];
        let [a, b, c, d] = &mut tables;
        let count = |table: &mut [u16; 256], byte: u8| {
            if let Some(count) = table.get_mut(usize::from(byte)) {
                *count += 1;
            }
        };
        for &[first, second, third, fourth] in page.as_chunks().0 {
            count(a, first);
            count(b, second);
            count(c, third);
            count(d, fourth);
        }
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            *a += *b + *c + *d;
        }
        let [counts, ..] = tables;
        Self(counts)
    }

    /// How many bytes are zero.
    pub(super) fn zeroes(&self) -> u16 {
        let [zeroes, ..] = self.0;
        zeroes
    }

    /// How many bytes are printable ASCII, tab, line feed or carriage return.
    pub(super) fn text(&self) -> u16 {
        self.0.iter().zip(TEXT.iter()).map(|(count, mask)| count & mask).sum()
    }

    /// The entropy of the bytes in 4096ths of a bit, 0 to 32768.
    pub(super) fn entropy(&self) -> u16 {
        let table = C_LOG2_C.as_slice();
        let sum: u32 =
            self.0.iter().map(|count| table.get(usize::from(*count)).copied().unwrap_or_default()).sum();
        let entropy = WHOLE.saturating_sub(sum).saturating_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS;
        u16::try_from(entropy).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::noise;

    fn by_floats(page: &[u8; PAGE_BYTES]) -> f64 {
        let mut counts = [0_u32; 256];
        for byte in page {
            counts[usize::from(*byte)] += 1;
        }
        let share = |count: u32| f64::from(count) / 4096.0;
        counts.into_iter().filter(|count| *count > 0).map(|count| -share(count) * share(count).log2()).sum()
    }

    #[test]
    fn entropy_is_that_of_the_formula() {
        let mut pages: Vec<[u8; PAGE_BYTES]> = vec![[0; PAGE_BYTES], [7; PAGE_BYTES]];
        pages.push(std::array::from_fn(|at| u8::try_from(at % 256).unwrap()));
        pages.push(noise(1, PAGE_BYTES).try_into().unwrap());
        for kinds in [2, 3, 5, 100, 255] {
            let noise = noise(2, PAGE_BYTES);
            pages.push(std::array::from_fn(|at| noise[at] % kinds));
        }
        for page in &pages {
            let found = f64::from(Histogram::of(page).entropy()) / 4096.0;
            assert!((found - by_floats(page)).abs() <= 1.0 / 4096.0, "{found} {}", by_floats(page));
        }
        let entropy = |page: usize| Histogram::of(&pages[page]).entropy();
        assert_eq!((entropy(0), entropy(1), entropy(2)), (0, 0, 8 * 4096));
    }

    #[test]
    fn every_count_has_its_logarithm() {
        for (c, found) in (0_u32..).zip(C_LOG2_C.iter()) {
            let expected = if c == 0 { 0.0 } else { f64::from(c) * f64::from(c).log2() };
            assert!((f64::from(*found) / 65536.0 - expected).abs() < 1e-4, "{c}");
        }
    }
}
