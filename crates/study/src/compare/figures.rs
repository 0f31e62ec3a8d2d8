//! What the pages of a comparison add up to.

use memdeck_image::PageEntry;
use memdeck_model::{
    ByteCount, ClassChange, ComparedDump, Comparison, EntropyShift, GuestPhysAddr, PageClass, PageFate,
    PageFates, RegionChange,
};

use super::common::Common;

/// More regions than this are not listed; a guest has a handful.
const MOST_REGIONS: usize = 1024;

pub(super) struct Figures {
    pages: PageFates,
    /// By class before and class after.
    classes: [[PageFates; 6]; 6],
    regions: Vec<RegionChange>,
    further_regions: u64,
    before: Entropy,
    after: Entropy,
    /// Of the pages that differ, zeroes included.
    differing: (u64, u64),
    became_high_entropy: u64,
    was_high_entropy: u64,
}

/// Of pages that are not zero.
#[derive(Default)]
pub(super) struct Entropy {
    sum_4096ths: u64,
    pages: u64,
}

impl Entropy {
    pub(super) fn count(&mut self, entry: &PageEntry) {
        if entry.class != PageClass::Zero {
            self.sum_4096ths = self.sum_4096ths.saturating_add(entry.entropy_4096ths.into());
            self.pages += 1;
        }
    }

    pub(super) fn mean_millibits(&self) -> u64 {
        mean_millibits(self.sum_4096ths, self.pages)
    }
}

fn mean_millibits(sum_4096ths: u64, pages: u64) -> u64 {
    (sum_4096ths.saturating_mul(1000) / 4096).checked_div(pages).unwrap_or(0)
}

impl Figures {
    pub(super) fn new(common: &[Common]) -> Self {
        let region = |part: &Common| RegionChange {
            address: GuestPhysAddr(part.address),
            bytes: ByteCount(part.pages.saturating_mul(super::PAGE_BYTES)),
            pages: PageFates::default(),
        };
        let further = common.len().saturating_sub(MOST_REGIONS);
        Self {
            pages: PageFates::default(),
            classes: Default::default(),
            regions: common.iter().take(MOST_REGIONS).map(region).collect(),
            further_regions: u64::try_from(further).unwrap_or(u64::MAX),
            before: Entropy::default(),
            after: Entropy::default(),
            differing: (0, 0),
            became_high_entropy: 0,
            was_high_entropy: 0,
        }
    }

    pub(super) fn count(&mut self, part: usize, fate: PageFate, before: &PageEntry, after: &PageEntry) {
        self.pages.count(fate);
        let class = |entry: &PageEntry| usize::from(entry.class.code());
        let fates = self.classes.get_mut(class(before)).and_then(|to| to.get_mut(class(after)));
        if let Some(fates) = fates {
            fates.count(fate);
        }
        if let Some(region) = self.regions.get_mut(part) {
            region.pages.count(fate);
        }
        self.before.count(before);
        self.after.count(after);
        if fate != PageFate::Unchanged {
            self.differing.0 = self.differing.0.saturating_add(before.entropy_4096ths.into());
            self.differing.1 = self.differing.1.saturating_add(after.entropy_4096ths.into());
            let is_high = |entry: &PageEntry| entry.class == PageClass::HighEntropy;
            self.became_high_entropy += u64::from(!is_high(before) && is_high(after));
            self.was_high_entropy += u64::from(is_high(before) && !is_high(after));
        }
    }

    pub(super) fn finish(self, page_bytes: ByteCount, in_first: u64, in_second: u64) -> Comparison {
        let compared = self.pages.compared;
        let dump = |pages: u64, entropy: &Entropy| ComparedDump {
            dump_id: None,
            guest: None,
            guest_uuid: None,
            taken_at: None,
            pages,
            only_here: pages.saturating_sub(compared),
            mean_entropy_millibits: entropy.mean_millibits(),
        };
        let classes = PageClass::ALL.iter().zip(&self.classes).flat_map(|(from, row)| {
            PageClass::ALL.iter().zip(row).map(|(to, pages)| ClassChange {
                from: *from,
                to: *to,
                pages: *pages,
            })
        });
        let different = self.pages.different();
        Comparison {
            first: dump(in_first, &self.before),
            second: dump(in_second, &self.after),
            page_bytes,
            pages: self.pages,
            classes: classes.filter(|change| change.pages.compared > 0).collect(),
            regions: self.regions,
            further_regions: self.further_regions,
            entropy: EntropyShift {
                before_millibits: mean_millibits(self.differing.0, different),
                after_millibits: mean_millibits(self.differing.1, different),
                became_high_entropy: self.became_high_entropy,
                was_high_entropy: self.was_high_entropy,
            },
        }
    }
}
