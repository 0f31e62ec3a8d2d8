//! What becomes of every image: a pure function of the policy, the images, the clock and the room.
//!
//! Of each guest the newest good image stays, and whatever is held, read, damaged, or not verified where the rule asks for
//! it. Of the rest, a rule keeps what it says; then its limit of bytes takes the oldest, and the floor the oldest of a host.
//! An image to which one that stays is a difference stays, too.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fate, ImageFate, Policy, Rule, WhyGone, WhyKept};
use crate::calendar::Date;
use crate::{ByteCount, DumpId, GuestName, Millis, Remark, Timestamp};

/// An image that is kept somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptImage {
    pub dump_id: DumpId,
    pub guest: GuestName,
    /// The hypervisor's host name: names of guests are unique on a host only.
    pub host: Option<String>,
    /// When the dump began.
    pub at: Timestamp,
    /// Size of the stored file.
    pub bytes: ByteCount,
    /// What its newest verification found, if that is known.
    pub is_sound: Option<bool>,
    /// Why it is held, if it is.
    pub held: Option<Remark>,
    pub is_in_use: bool,
    /// The dump whose image it is a difference to.
    pub difference_of: Option<DumpId>,
}

/// Bytes that are free for images, by the name of the host as records have it.
pub type FreeSpace = BTreeMap<Option<String>, ByteCount>;

/// Hours, days, weeks and months since some beginning, in UTC.
fn buckets(at: Timestamp) -> [i64; 4] {
    let hours = at.unix_micros().div_euclid(3_600_000_000);
    let days = hours.div_euclid(24);
    let date = Date::of_days(days);
    // 1970-01-01 was a Thursday.
    [hours, days, (days + 3).div_euclid(7), i64::from(date.year) * 12 + i64::from(date.month)]
}

/// What becomes of every image, in the order in which they came.
#[must_use]
pub fn decide(policy: &Policy, images: &[KeptImage], now: Timestamp, free: &FreeSpace) -> Vec<ImageFate> {
    let images = &with_bases(images);
    let mut by_guest: BTreeMap<(&Option<String>, &GuestName), Vec<usize>> = BTreeMap::new();
    for (place, image) in images.iter().enumerate() {
        by_guest.entry((&image.host, &image.guest)).or_default().push(place);
    }
    let mut fates: Vec<Fate> = images.iter().map(|_| Fate::Kept { why: vec![WhyKept::NoRule] }).collect();
    let mut protected = vec![false; images.len()];
    for ((_, guest), mut places) in by_guest {
        places.sort_by_key(|place| std::cmp::Reverse((images[*place].at, &images[*place].dump_id)));
        let rule = policy.rule_for(&guest.0);
        let mut reasons = protections(images, &places, rule);
        for (place, why) in &reasons {
            protected[*place] = !why.is_empty();
        }
        if let Some(rule) = rule {
            keep(rule, images, &places, now, &mut reasons);
            limit(rule, images, &places, reasons, &mut fates);
        } else {
            for (place, mut why) in reasons {
                why.push(WhyKept::NoRule);
                fates[place] = Fate::Kept { why };
            }
        }
    }
    let mut needs = Needs::of(images, &fates);
    for (place, fate) in fates.iter_mut().enumerate() {
        let differences = needs.of_base[place];
        match fate {
            _ if differences == 0 => {}
            Fate::Gone { .. } => *fate = Fate::Kept { why: vec![WhyKept::NeededBy { differences }] },
            Fate::Kept { why } => why.push(WhyKept::NeededBy { differences }),
        }
    }
    if let Some(floor) = policy.floor_bytes {
        make_room(policy, images, &protected, &mut needs, floor, free, &mut fates);
    }
    let verdict = |(image, fate): (&KeptImage, Fate)| ImageFate {
        dump_id: image.dump_id.clone(),
        guest: image.guest.clone(),
        host: image.host.clone(),
        at: image.at,
        bytes: image.bytes,
        fate,
    };
    images.iter().zip(fates).map(verdict).collect()
}

/// The images, of which a difference to a damaged one counts as damaged, whatever its own verification has found.
fn with_bases(images: &[KeptImage]) -> Vec<KeptImage> {
    let damaged: BTreeSet<&DumpId> =
        images.iter().filter(|image| image.is_sound == Some(false)).map(|image| &image.dump_id).collect();
    let of = |image: &KeptImage| {
        let is_lost = image.difference_of.as_ref().is_some_and(|base| damaged.contains(base));
        KeptImage { is_sound: if is_lost { Some(false) } else { image.is_sound }, ..image.clone() }
    };
    images.iter().map(of).collect()
}

/// Why images of one guest may not go whatever a rule says, newest first.
fn protections(images: &[KeptImage], places: &[usize], rule: Option<&Rule>) -> Vec<(usize, Vec<WhyKept>)> {
    let last_good = places.iter().copied().find(|place| images[*place].is_sound != Some(false));
    let of = |place: usize| {
        let image = &images[place];
        let mut why = Vec::new();
        why.extend(image.held.clone().map(|reason| WhyKept::Held { reason }));
        if image.is_in_use {
            why.push(WhyKept::InUse);
        }
        if last_good == Some(place) {
            why.push(WhyKept::LastGood);
        }
        if image.is_sound == Some(false) {
            why.push(WhyKept::Damaged);
        }
        if image.is_sound.is_none() && rule.is_some_and(|rule| rule.only_verified) {
            why.push(WhyKept::Unverified);
        }
        (place, why)
    };
    places.iter().copied().map(of).collect()
}

/// Adds what a rule keeps of a guest's images, newest first. What is damaged takes nobody's place.
fn keep(
    rule: &Rule,
    images: &[KeptImage],
    places: &[usize],
    now: Timestamp,
    reasons: &mut [(usize, Vec<WhyKept>)],
) {
    let mut good = 0;
    let mut seen: [BTreeSet<i64>; 4] = Default::default();
    let amounts = [rule.hourly, rule.daily, rule.weekly, rule.monthly];
    let words = [WhyKept::Hourly, WhyKept::Daily, WhyKept::Weekly, WhyKept::Monthly];
    for (place, (_, why)) in places.iter().zip(reasons) {
        let image = &images[*place];
        if image.is_sound == Some(false) {
            continue;
        }
        good += 1;
        why.extend(
            rule.keep_last.filter(|most| good <= *most).map(|keep_last| WhyKept::Newest { keep_last }),
        );
        let is_young = |hours: &u32| now.since(image.at) < Millis(u64::from(*hours) * 3_600_000);
        why.extend(rule.keep_hours.filter(is_young).map(|keep_hours| WhyKept::Young { keep_hours }));
        for (((seen, bucket), amount), word) in
            seen.iter_mut().zip(buckets(image.at)).zip(amounts).zip(&words)
        {
            let has_room = amount.is_some_and(|amount| seen.len() < amount as usize);
            if has_room && seen.insert(bucket) {
                why.push(word.clone());
            }
        }
        if !rule.thins() {
            why.push(WhyKept::WithinLimit);
        }
    }
}

/// Takes the oldest beyond a guest's limit of bytes, and whatever nothing keeps.
fn limit(
    rule: &Rule,
    images: &[KeptImage],
    places: &[usize],
    reasons: Vec<(usize, Vec<WhyKept>)>,
    fates: &mut [Fate],
) {
    let mut bytes = 0_u64;
    for (place, (_, why)) in places.iter().zip(reasons) {
        if why.is_empty() {
            fates[*place] = Fate::Gone { why: WhyGone::Expired };
            continue;
        }
        bytes = bytes.saturating_add(images[*place].bytes.0);
        let over = rule.most_bytes.filter(|most| bytes > most.0 && !why.iter().any(is_protection));
        fates[*place] = match over {
            Some(most_bytes) => {
                bytes -= images[*place].bytes.0;
                Fate::Gone { why: WhyGone::OverLimit { most_bytes } }
            }
            None => Fate::Kept { why },
        };
    }
}

fn is_protection(why: &WhyKept) -> bool {
    matches!(
        why,
        WhyKept::Held { .. } | WhyKept::InUse | WhyKept::LastGood | WhyKept::Damaged | WhyKept::Unverified
    )
}

/// Which images are differences to which, by their places.
struct Needs {
    /// The base of each difference, where that is kept.
    base: Vec<Option<usize>>,
    /// How many images that stay are differences to each.
    of_base: Vec<u32>,
}

impl Needs {
    fn of(images: &[KeptImage], fates: &[Fate]) -> Self {
        let places: BTreeMap<&DumpId, usize> =
            images.iter().enumerate().map(|(place, image)| (&image.dump_id, place)).collect();
        let base_of = |image: &KeptImage| places.get(image.difference_of.as_ref()?).copied();
        let base: Vec<Option<usize>> = images.iter().map(base_of).collect();
        let mut of_base = vec![0; images.len()];
        for (base, fate) in base.iter().zip(fates) {
            if let (Some(base), Fate::Kept { .. }) = (base, fate) {
                of_base[*base] += 1;
            }
        }
        Self { base, of_base }
    }
}

/// Takes the oldest images that a rule means from hosts with too little room, until there is enough. An image goes after those
/// that are differences to it.
fn make_room(
    policy: &Policy,
    images: &[KeptImage],
    protected: &[bool],
    needs: &mut Needs,
    floor: ByteCount,
    free: &FreeSpace,
    fates: &mut [Fate],
) {
    let mut oldest: Vec<usize> = (0..images.len()).collect();
    oldest.sort_by_key(|place| (images[*place].at, &images[*place].dump_id));
    for (host, free) in free {
        let goes = |fate: &Fate| matches!(fate, Fate::Gone { .. });
        let here = |place: &usize| images[*place].host == *host;
        let freed = oldest.iter().filter(|place| here(place) && goes(&fates[**place]));
        let mut room = freed.fold(free.0, |room, place| room.saturating_add(images[*place].bytes.0));
        for place in oldest.iter().filter(|place| here(place)) {
            // The image, and then the one that only it still needed.
            let mut next = Some(*place);
            while let Some(place) = next.take().filter(|_| room < floor.0) {
                let image = &images[place];
                let is_meant = policy.rule_for(&image.guest.0).is_some();
                let may_go = is_meant && !protected[place] && needs.of_base[place] == 0;
                if may_go && !goes(&fates[place]) {
                    fates[place] = Fate::Gone { why: WhyGone::NoRoom { floor_bytes: floor } };
                    room = room.saturating_add(image.bytes.0);
                    next = needs.base[place].filter(|base| {
                        needs.of_base[*base] -= 1;
                        needs.of_base[*base] == 0 && images[*base].host == *host
                    });
                }
            }
        }
    }
}
