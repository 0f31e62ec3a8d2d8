//! What a page map's entries add up to.

use memdeck_model::PageTotals;

use super::{ENTRY_BYTES, Entries, PageClass};

/// The count of the pages of that class.
fn of_class(totals: &mut PageTotals, class: PageClass) -> &mut u64 {
    match class {
        PageClass::Zero => &mut totals.zero,
        PageClass::Uniform => &mut totals.uniform,
        PageClass::Text => &mut totals.text,
        PageClass::Sparse => &mut totals.sparse,
        PageClass::HighEntropy => &mut totals.high_entropy,
        PageClass::Binary => &mut totals.binary,
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
            *of_class(&mut self.totals, class) += times;
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
