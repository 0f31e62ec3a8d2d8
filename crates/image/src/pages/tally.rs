//! What a page map's entries add up to.

use serde::{Deserialize, Serialize};

use super::{ENTRY_BYTES, Entries, PageClass};

/// How many pages there are of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTotals {
    /// All of them.
    pub total: u64,
    /// [`PageClass::Zero`].
    pub zero: u64,
    /// [`PageClass::Uniform`].
    pub uniform: u64,
    /// [`PageClass::Text`].
    pub text: u64,
    /// [`PageClass::Sparse`].
    pub sparse: u64,
    /// [`PageClass::HighEntropy`].
    pub high_entropy: u64,
    /// [`PageClass::Binary`].
    pub binary: u64,
}

impl PageTotals {
    fn of_class(&mut self, class: PageClass) -> &mut u64 {
        match class {
            PageClass::Zero => &mut self.zero,
            PageClass::Uniform => &mut self.uniform,
            PageClass::Text => &mut self.text,
            PageClass::Sparse => &mut self.sparse,
            PageClass::HighEntropy => &mut self.high_entropy,
            PageClass::Binary => &mut self.binary,
        }
    }
}

/// Counts entries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageTally {
    totals: PageTotals,
    entropy_4096ths: u64,
}

impl PageTally {
    /// Adds entries. Those of which nothing is known are not counted.
    pub(crate) fn push(&mut self, entries: Entries<'_>) {
        match entries {
            Entries::Known(entries) => {
                entries.as_chunks().0.iter().for_each(|entry| self.count(entry, 1));
            }
            Entries::Zero(entry, times) => self.count(entry, times),
            Entries::Unknown(_) => {}
        }
    }

    fn count(&mut self, &[.., class, _, low, high]: &[u8; ENTRY_BYTES], times: u64) {
        self.totals.total += times;
        self.entropy_4096ths += u64::from(u16::from_le_bytes([low, high])) * times;
        if let Some(class) = PageClass::from_code(class) {
            *self.totals.of_class(class) += times;
        }
    }

    pub(crate) fn totals(&self) -> PageTotals {
        self.totals
    }

    /// The mean entropy of the pages that are not zero.
    pub(crate) fn mean_entropy_millibits(&self) -> u64 {
        let with_content = self.totals.total.saturating_sub(self.totals.zero);
        (self.entropy_4096ths.saturating_mul(1000) / 4096).checked_div(with_content).unwrap_or_default()
    }
}
