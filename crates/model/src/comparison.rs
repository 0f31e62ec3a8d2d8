//! What changed between two dumps of a guest, page by page.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByteCount, DumpId, GuestName, GuestPhysAddr, PageClass, Timestamp};

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PageFate {
    /// It has the same content.
    Unchanged,
    /// It was something, and is zeroes.
    Zeroed,
    /// Its content was elsewhere in the first dump.
    Moved,
    /// It was zeroes, and has content that the first dump had nowhere.
    New,
    /// It had other content, which the second dump's was nowhere in the first.
    Changed,
}

impl PageFate {
    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Zeroed => "zeroed",
            Self::Moved => "moved",
            Self::New => "new",
            Self::Changed => "changed",
        }
    }
}

/// How many pages had which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PageFates {
    /// Pages that both dumps have.
    pub compared: u64,
    /// The same content.
    pub unchanged: u64,
    /// Content before, zeroes after.
    pub zeroed: u64,
    /// Content that was elsewhere before.
    pub moved: u64,
    /// Zeroes before, content after.
    pub new: u64,
    /// Other content.
    pub changed: u64,
}

impl PageFates {
    /// Counts a page.
    pub fn count(&mut self, fate: PageFate) {
        self.compared += 1;
        *match fate {
            PageFate::Unchanged => &mut self.unchanged,
            PageFate::Zeroed => &mut self.zeroed,
            PageFate::Moved => &mut self.moved,
            PageFate::New => &mut self.new,
            PageFate::Changed => &mut self.changed,
        } += 1;
    }

    /// Pages that are not as they were.
    #[must_use]
    pub fn different(&self) -> u64 {
        self.compared.saturating_sub(self.unchanged)
    }
}

/// One of two dumps that are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedDump {
    /// Which dump, where that is known.
    pub dump_id: Option<DumpId>,
    /// Whose memory it is, where that is known.
    pub guest: Option<GuestName>,
    /// The guest's UUID, where that is known.
    pub guest_uuid: Option<String>,
    /// When the dump began, where that is known.
    pub taken_at: Option<Timestamp>,
    /// Pages that it has.
    pub pages: u64,
    /// Pages that the other one does not have.
    pub only_here: u64,
    /// Mean entropy of the compared pages that are not zero, in thousandths of a bit per byte.
    pub mean_entropy_millibits: u64,
}

/// How many pages changed from one class into another, the fates of those that stayed in it, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClassChange {
    /// The class in the first dump.
    pub from: PageClass,
    /// The class in the second dump.
    pub to: PageClass,
    /// What became of these pages.
    pub pages: PageFates,
}

/// Memory that lies together in both dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegionChange {
    /// Where it begins.
    pub address: GuestPhysAddr,
    /// How much it is.
    pub bytes: ByteCount,
    /// What became of its pages.
    pub pages: PageFates,
}

/// How the entropy of the pages that differ shifted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EntropyShift {
    /// Mean before, in thousandths of a bit per byte; pages of zeroes count.
    pub before_millibits: u64,
    /// Mean after.
    pub after_millibits: u64,
    /// Pages that were nothing of the kind before and look compressed, encrypted or random after.
    pub became_high_entropy: u64,
    /// Pages that do not look so any more.
    pub was_high_entropy: u64,
}

/// What changed between two dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// The first dump.
    pub first: ComparedDump,
    /// The second one.
    pub second: ComparedDump,
    /// Bytes of a page.
    pub page_bytes: ByteCount,
    /// What became of all pages that both have.
    pub pages: PageFates,
    /// The same by class before and after; those that occur.
    pub classes: Vec<ClassChange>,
    /// The same by memory that lies together, in order; at most 1024.
    pub regions: Vec<RegionChange>,
    /// Regions that are not listed.
    pub further_regions: u64,
    /// How the entropy of pages that differ shifted.
    pub entropy: EntropyShift,
}

/// A page of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComparedPage {
    /// Where it is.
    pub address: GuestPhysAddr,
    /// What became of it.
    pub fate: PageFate,
    /// Its class in the first dump.
    pub from: PageClass,
    /// Its class in the second dump.
    pub to: PageClass,
    /// Its entropy in the first dump, in 4096ths of a bit per byte.
    pub from_entropy_4096ths: u16,
    /// Its entropy in the second dump.
    pub to_entropy_4096ths: u16,
}

/// Pages of a comparison that differ, in ascending order of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedPages {
    pub pages: Vec<ComparedPage>,
    /// Where the next one is; `None` where these are the last.
    pub next: Option<GuestPhysAddr>,
}

/// What share of all changed pages makes a sentence about encryption worth reading.
const REMARKABLE_PCT: u64 = 20;
/// And at least so many.
const REMARKABLE_PAGES: u64 = 256;

impl Comparison {
    /// Whether both are of one guest; `None` where that is not known.
    #[must_use]
    pub fn is_one_guest(&self) -> Option<bool> {
        let (first, second) = (&self.first, &self.second);
        let uuids = first.guest_uuid.as_ref().zip(second.guest_uuid.as_ref());
        uuids.map(|(first, second)| first == second)
    }

    /// What changed, in sentences for people.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let PageFates { compared, zeroed, moved, new, changed, .. } = self.pages;
        let different = self.pages.different();
        let mut sentences = Vec::new();
        if compared == 0 {
            sentences.push("The two dumps have no memory in common.".to_owned());
        } else if different == 0 {
            sentences.push(format!("Nothing changed in {}.", self.size(compared)));
        } else {
            sentences.push(format!(
                "{} of {} changed ({}): {changed} pages have other content, {new} were empty before, {zeroed} are \
                 empty now, {moved} hold what was elsewhere before.",
                self.size(different),
                self.size(compared),
                Percent(different, compared)
            ));
        }
        let EntropyShift { before_millibits, after_millibits, became_high_entropy, .. } = self.entropy;
        if became_high_entropy >= REMARKABLE_PAGES
            && became_high_entropy.saturating_mul(100) >= different.saturating_mul(REMARKABLE_PCT)
        {
            sentences.push(format!(
                "{} now look encrypted or compressed and did not before: mean entropy of what changed went from {} to \
                 {} bits per byte. An encryptor leaves such a trace; so do compressed files that were read.",
                self.size(became_high_entropy),
                Bits(before_millibits),
                Bits(after_millibits)
            ));
        }
        let (here, there) = (self.first.only_here, self.second.only_here);
        if here > 0 || there > 0 {
            sentences.push(format!(
                "{} are in the first dump alone, {} in the second alone.",
                self.size(here),
                self.size(there)
            ));
        }
        if self.is_one_guest() == Some(false) {
            sentences.push("The dumps are of different guests.".to_owned());
        }
        sentences
    }

    fn size(&self, pages: u64) -> ByteCount {
        ByteCount(pages.saturating_mul(self.page_bytes.0))
    }
}

/// The first number's share of the second, with one digit after the point.
pub(crate) struct Percent(pub(crate) u64, pub(crate) u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (u128::from(self.0) * 1000).checked_div(self.1.into()).unwrap_or(0);
        if tenths == 0 && self.0 > 0 {
            return f.write_str("less than 0.1 %");
        }
        write!(f, "{}.{} %", tenths / 10, tenths % 10)
    }
}

/// Thousandths of a bit as bits.
struct Bits(u64);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> ComparedDump {
        ComparedDump {
            dump_id: None,
            guest: None,
            guest_uuid: Some("7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22".to_owned()),
            taken_at: None,
            pages: 262_144,
            only_here: 0,
            mean_entropy_millibits: 4000,
        }
    }

    fn comparison(pages: PageFates, entropy: EntropyShift) -> Comparison {
        Comparison {
            first: dump(),
            second: dump(),
            page_bytes: ByteCount(4096),
            pages,
            classes: Vec::new(),
            regions: Vec::new(),
            further_regions: 0,
            entropy,
        }
    }

    #[test]
    fn a_summary_tells_how_much_changed_and_how() {
        let mut pages = PageFates::default();
        for (fate, count) in [
            (PageFate::Unchanged, 262_144 - 1024),
            (PageFate::Changed, 512),
            (PageFate::New, 256),
            (PageFate::Zeroed, 192),
            (PageFate::Moved, 64),
        ] {
            (0..count).for_each(|_| pages.count(fate));
        }
        let told = comparison(pages, EntropyShift::default()).summary();
        assert_eq!(
            told,
            [
                "4.00 MiB of 1.00 GiB changed (0.3 %): 512 pages have other content, 256 were empty before, 192 are \
              empty now, 64 hold what was elsewhere before."
            ]
        );
        let entropy = EntropyShift {
            before_millibits: 4210,
            after_millibits: 7905,
            became_high_entropy: 300,
            ..EntropyShift::default()
        };
        let told = comparison(pages, entropy).summary();
        assert!(told[1].starts_with("1.17 MiB now look encrypted or compressed"), "{told:?}");
        assert!(told[1].contains("from 4.21 to 7.90 bits"), "{told:?}");
    }

    #[test]
    fn a_summary_says_where_nothing_changed_or_nothing_can_be_compared() {
        let same = PageFates { compared: 512, unchanged: 512, ..PageFates::default() };
        assert_eq!(comparison(same, EntropyShift::default()).summary(), ["Nothing changed in 2.00 MiB."]);
        let mut apart = comparison(PageFates::default(), EntropyShift::default());
        apart.second.guest_uuid = Some("another".to_owned());
        apart.second.only_here = 256;
        assert_eq!(
            apart.summary(),
            [
                "The two dumps have no memory in common.",
                "0 B are in the first dump alone, 1.00 MiB in the second alone.",
                "The dumps are of different guests."
            ]
        );
    }
}
