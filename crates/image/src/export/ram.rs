//! Which segments of an image are the guest's RAM.
//!
//! An ELF core holds everything that the machine keeps in memory, and its headers do not distinguish RAM from the rest: the
//! firmware's ROM just below 4 GiB, or the memory of a graphics card in the PCI window before it. A raw image that
//! reached up to them would have 4 GiB for a guest of any size. Their place distinguishes them:
//!
//! ```text
//! 0            end of low RAM      PCI window       4 GiB        end of high RAM
//! │ RAM (VGA window, ROMs) │ hole │ card │ hole │ firmware │ RAM            │ far away: 64-bit PCI window
//! │ kept                   │        left out               │ kept           │ left out
//! ```

use memdeck_model::Segment;

const FOUR_GIB: u64 = 1 << 32;
/// The holes within low RAM, such as the VGA window and the one below 16 MiB, are smaller.
const HOLE_WITHIN_LOW_RAM: u64 = 16 << 20;
/// The holes between RAM above 4 GiB and DIMMs after it are smaller.
const HOLE_WITHIN_HIGH_RAM: u64 = 64 << 30;

/// Parts segments, which come in ascending order and do not overlap, into RAM and what is left out.
///
/// Below 4 GiB, RAM is everything up to the largest segment, and what follows that one without a hole of more than 16 MiB.
/// From 4 GiB up it is everything, but for what lies behind a hole of more than 64 GiB that is also more than twice its
/// own size. The largest segment of all is RAM wherever it lies.
pub(super) fn part(segments: Vec<Segment>) -> (Vec<Segment>, Vec<Segment>) {
    let largest = largest(segments.iter());
    let largest_below = self::largest(segments.iter().filter(|segment| segment.address.0 < FOUR_GIB));
    let mut end = 0_u64;
    segments.into_iter().partition(|segment| {
        let (start, bytes) = (segment.address.0, segment.file_bytes.0);
        let is_ram = if Some(start) == largest {
            true
        } else if start < FOUR_GIB {
            largest_below.is_some_and(|largest| start <= largest)
                || start.saturating_sub(end) <= HOLE_WITHIN_LOW_RAM
        } else {
            let hole = start.saturating_sub(end.max(FOUR_GIB));
            hole <= HOLE_WITHIN_HIGH_RAM.max(bytes.saturating_mul(2))
        };
        if is_ram {
            end = start.saturating_add(bytes);
        }
        is_ram
    })
}

/// Where the largest segment begins; the first of several.
fn largest<'a>(segments: impl DoubleEndedIterator<Item = &'a Segment>) -> Option<u64> {
    segments.rev().max_by_key(|segment| segment.file_bytes).map(|segment| segment.address.0)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestPhysAddr, SegmentKind};

    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    /// Which of these (address, bytes) are left out.
    fn left_out(places: &[(u64, u64)]) -> Vec<u64> {
        let segment = |&(address, bytes): &(u64, u64)| Segment {
            kind: SegmentKind::Load,
            address: GuestPhysAddr(address),
            offset_bytes: ByteCount(0),
            file_bytes: ByteCount(bytes),
            memory_bytes: ByteCount(bytes),
        };
        let (ram, omitted) = part(places.iter().map(segment).collect());
        assert_eq!(ram.len() + omitted.len(), places.len());
        omitted.iter().map(|segment| segment.address.0).collect()
    }

    const NOTHING: [u64; 0] = [];
    const FIRMWARE: (u64, u64) = (0xfffc_0000, 256 * KIB);

    #[test]
    fn firmware_and_cards_below_4_gib_are_no_ram_whatever_the_size_of_the_guest() {
        assert_eq!(left_out(&[(0, 512 * MIB), FIRMWARE]), [FIRMWARE.0]);
        let card = (0xfd00_0000, 16 * MIB);
        let below = [(0, 0xa_0000), (0xc_0000, 512 * MIB), card, FIRMWARE];
        assert_eq!(left_out(&below), [card.0, FIRMWARE.0]);
        // A guest of 8 GiB: padding up to 4 GiB is needed anyway, and still it is no RAM.
        assert_eq!(left_out(&[(0, 2 * GIB), card, FIRMWARE, (4 * GIB, 6 * GIB)]), [card.0, FIRMWARE.0]);
        // A card that is larger than what RAM there is above 4 GiB.
        assert_eq!(left_out(&[(0, 2 * GIB), (0xe000_0000, 256 * MIB), (4 * GIB, 64 * MIB)]), [0xe000_0000]);
    }

    #[test]
    fn the_small_holes_of_a_pc_do_not_end_its_ram() {
        assert_eq!(left_out(&[(0, 0xa_0000), (0xc_0000, 15 * MIB), (16 * MIB, 240 * MIB)]), NOTHING);
        // Nor does RAM that begins somewhere else, with little before it.
        assert_eq!(left_out(&[(0x0e00_0000, 16 * MIB), (GIB, 256 * MIB)]), NOTHING);
    }

    #[test]
    fn dimms_after_high_ram_are_ram_and_a_card_far_above_is_not() {
        let guest = [(0, 2 * GIB), (4 * GIB, 2 * GIB + GIB / 2), (7 * GIB, 128 * MIB)];
        assert_eq!(left_out(&guest), NOTHING);
        let far = 0x3800_0000_0000;
        assert_eq!(left_out(&[guest[0], guest[1], guest[2], (far, 64 * MIB)]), [far]);
        // Machines with more than 1012 GiB have high RAM from 1 TiB on.
        assert_eq!(left_out(&[(0, 2 * GIB), FIRMWARE, (1 << 40, 1010 * GIB)]), [FIRMWARE.0]);
    }

    #[test]
    fn something_is_always_ram() {
        assert_eq!(left_out(&[FIRMWARE]), NOTHING);
        assert_eq!(left_out(&[(1 << 50, MIB)]), NOTHING);
        assert_eq!(left_out(&[]), NOTHING);
    }
}
