//! The decision once more, as slowly as one would say it, image by image; and both compared on ten thousand random catalogs.

use proptest::prelude::*;

use super::{Fate, FreeSpace, GuestRule, KeptImage, Policy, Rule, WhyKept, decide};
use crate::{ByteCount, GuestName, Timestamp};

fn is_older(a: &KeptImage, b: &KeptImage) -> bool {
    (a.at, &a.dump_id) < (b.at, &b.dump_id)
}

fn is_good(image: &KeptImage) -> bool {
    image.is_sound != Some(false)
}

fn same_guest<'a>(all: &'a [KeptImage], one: &'a KeptImage) -> impl Iterator<Item = &'a KeptImage> {
    all.iter().filter(|other| other.guest == one.guest && other.host == one.host)
}

fn is_protected(policy: &Policy, all: &[KeptImage], one: &KeptImage) -> bool {
    let newer_good = same_guest(all, one).any(|other| is_older(one, other) && is_good(other));
    let wants_verified = policy.rule_for(&one.guest.0).is_some_and(|rule| rule.only_verified);
    one.held.is_some()
        || one.is_in_use
        || one.is_sound == Some(false)
        || (is_good(one) && !newer_good)
        || (wants_verified && one.is_sound.is_none())
}

/// `2026-11-14T02` as it is written: hours, days and months are the beginnings of that.
fn written(image: &KeptImage, letters: usize) -> String {
    image.at.to_string()[..letters].to_owned()
}

fn week(image: &KeptImage) -> String {
    // 2001-01-01 was a Monday.
    let monday: Timestamp = "2001-01-01T00:00:00Z".parse().unwrap();
    (image.at.since(monday).0 / (7 * 86_400_000)).to_string()
}

fn is_first_of(
    all: &[KeptImage],
    one: &KeptImage,
    amount: Option<u32>,
    name: impl Fn(&KeptImage) -> String,
) -> bool {
    let newer: Vec<&KeptImage> =
        same_guest(all, one).filter(|other| is_good(other) && is_older(one, other)).collect();
    let mut names: Vec<String> = newer.iter().map(|other| name(other)).collect();
    names.sort();
    names.dedup();
    amount.is_some_and(|amount| !names.contains(&name(one)) && names.len() < amount as usize)
}

fn rule_keeps(rule: &Rule, all: &[KeptImage], one: &KeptImage, now: Timestamp) -> bool {
    if !is_good(one) {
        return false;
    }
    let newer = same_guest(all, one).filter(|other| is_good(other) && is_older(one, other)).count();
    rule.keep_last.is_some_and(|most| newer < most as usize)
        || rule.keep_hours.is_some_and(|hours| now.since(one.at).0 < u64::from(hours) * 3_600_000)
        || is_first_of(all, one, rule.hourly, |image| written(image, 13))
        || is_first_of(all, one, rule.daily, |image| written(image, 10))
        || is_first_of(all, one, rule.weekly, week)
        || is_first_of(all, one, rule.monthly, |image| written(image, 7))
        || !rule.thins()
}

/// Whether each image stays.
fn naive(policy: &Policy, all: &[KeptImage], now: Timestamp, free: &FreeSpace) -> Vec<bool> {
    let mut judged = all.to_vec();
    for one in &mut judged {
        if all
            .iter()
            .any(|base| one.difference_of.as_ref() == Some(&base.dump_id) && base.is_sound == Some(false))
        {
            one.is_sound = Some(false);
        }
    }
    let all = &judged;
    let mut stays: Vec<bool> = all
        .iter()
        .map(|one| match policy.rule_for(&one.guest.0) {
            None => true,
            Some(rule) => is_protected(policy, all, one) || rule_keeps(rule, all, one, now),
        })
        .collect();
    let mut newest: Vec<usize> = (0..all.len()).collect();
    newest.sort_by(|a, b| (all[*b].at, &all[*b].dump_id).cmp(&(all[*a].at, &all[*a].dump_id)));
    for place in &newest {
        let one = &all[*place];
        let Some(most) = policy.rule_for(&one.guest.0).and_then(|rule| rule.most_bytes) else { continue };
        // Whatever is newer has been decided.
        let before: u64 = (0..all.len())
            .filter(|other| stays[*other] && all[*other].guest == one.guest && all[*other].host == one.host)
            .filter(|other| is_older(one, &all[*other]))
            .map(|other| all[other].bytes.0)
            .sum();
        if before + one.bytes.0 > most.0 && !is_protected(policy, all, one) {
            stays[*place] = false;
        }
    }
    let by_rules = stays.clone();
    for (place, stays) in stays.iter_mut().enumerate() {
        *stays |= is_needed(all, &by_rules, place);
    }
    if let Some(floor) = policy.floor_bytes {
        for (host, free) in free {
            for place in newest.iter().rev().filter(|place| all[**place].host == *host) {
                let mut next = Some(*place);
                while let Some(place) = next {
                    let one = &all[place];
                    let gone: u64 = (0..all.len())
                        .filter(|other| !stays[*other] && all[*other].host == *host)
                        .map(|other| all[other].bytes.0)
                        .sum();
                    let may_go = policy.rule_for(&one.guest.0).is_some()
                        && !is_protected(policy, all, one)
                        && !is_needed(all, &stays, place)
                        && stays[place];
                    if free.0 + gone >= floor.0 || !may_go {
                        break;
                    }
                    stays[place] = false;
                    next = (0..all.len())
                        .find(|base| one.difference_of.as_ref() == Some(&all[*base].dump_id))
                        .filter(|base| all[*base].host == *host);
                }
            }
        }
    }
    stays
}

fn is_needed(all: &[KeptImage], stays: &[bool], place: usize) -> bool {
    let needs = |other: usize| all[other].difference_of.as_ref() == Some(&all[place].dump_id);
    (0..all.len()).any(|other| stays[other] && needs(other))
}

fn image(number: usize) -> impl Strategy<Value = KeptImage> {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    (
        prop_oneof![Just("web-01"), Just("web-02"), Just("db-01")],
        proptest::option::of(prop_oneof![Just("kvm-a"), Just("kvm-b")]),
        // Mostly whole hours, so that some begin at the same instant.
        prop_oneof![(0_u64..3000).prop_map(|hours| hours * 3_600_000), 0_u64..10_000_000_000],
        0_u64..100,
        proptest::option::weighted(0.7, proptest::bool::weighted(0.8)),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.5, 0_usize..12),
    )
        .prop_map(move |(guest, host, after, bytes, is_sound, is_held, is_in_use, base)| KeptImage {
            dump_id: format!("d{number}").parse().unwrap(),
            guest: GuestName(guest.to_owned()),
            host: host.map(str::to_owned),
            at: begin.plus(crate::Millis(after)),
            bytes: ByteCount(bytes),
            is_sound,
            held: is_held.then(|| "a court wants it".parse().unwrap()),
            is_in_use,
            // No difference is one to a difference.
            difference_of: base
                .filter(|_| number % 2 == 1)
                .map(|base| format!("d{}", 2 * base).parse().unwrap()),
        })
}

fn rule() -> impl Strategy<Value = Rule> {
    let guests = prop_oneof![
        Just(GuestRule::All),
        Just(GuestRule::Named { guests: vec!["web-01".to_owned()] }),
        Just(GuestRule::Pattern { pattern: "web-*".parse().unwrap() }),
    ];
    let amount = || proptest::option::weighted(0.3, 1_u32..5);
    let times =
        (amount(), proptest::option::weighted(0.3, 1_u32..2000), amount(), amount(), amount(), amount());
    let rest =
        (proptest::option::weighted(0.3, (0_u64..300).prop_map(ByteCount)), proptest::bool::weighted(0.2));
    (guests, times, rest).prop_map(|(guests, times, (most_bytes, only_verified))| {
        let (keep_last, keep_hours, hourly, daily, weekly, monthly) = times;
        Rule { guests, keep_last, keep_hours, hourly, daily, weekly, monthly, most_bytes, only_verified }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_decision_is_what_its_definition_says(
        images in (0_usize..25).prop_flat_map(|count| (0..count).map(image).collect::<Vec<_>>()),
        rules in proptest::collection::vec(rule(), 0..4),
        floor in proptest::option::of(0_u64..1000),
        free in 0_u64..600,
    ) {
        let policy = Policy { rules, floor_bytes: floor.map(ByteCount) };
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
        let free: FreeSpace = [(None, ByteCount(free)), (Some("kvm-a".to_owned()), ByteCount(free / 2))].into();
        let verdicts = decide(&policy, &images, now, &free);
        let stays: Vec<bool> = verdicts.iter().map(|verdict| matches!(verdict.fate, Fate::Kept { .. })).collect();
        prop_assert_eq!(&stays, &naive(&policy, &images, now, &free));
        for (image, verdict) in images.iter().zip(&verdicts) {
            match &verdict.fate {
                Fate::Kept { why } => {
                    prop_assert!(!why.is_empty(), "nobody is told why {} stays", image.dump_id);
                    let base = image.difference_of.as_ref();
                    let base_goes = verdicts.iter().any(|other| {
                        base == Some(&other.dump_id) && matches!(other.fate, Fate::Gone { .. })
                    });
                    prop_assert!(!base_goes, "the base of {} goes", image.dump_id);
                }
                Fate::Gone { .. } => {
                    prop_assert!(image.held.is_none() && !image.is_in_use && image.is_sound != Some(false));
                    let others = images.iter().zip(&verdicts).any(|(other, verdict)| {
                        other.guest == image.guest
                            && other.host == image.host
                            && is_good(other)
                            && matches!(verdict.fate, Fate::Kept { .. })
                    });
                    prop_assert!(others, "the last good image of {} goes", image.guest);
                }
            }
        }
    }
}

#[test]
fn each_reason_is_told() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let one = |id: &str, when: &str| KeptImage {
        dump_id: id.parse().unwrap(),
        guest: GuestName("web-01".to_owned()),
        host: None,
        at: at(when),
        bytes: ByteCount(10),
        is_sound: Some(true),
        held: None,
        is_in_use: false,
        difference_of: None,
    };
    let images = [
        one("new", "2026-04-30T12:00:00Z"),
        one("mid", "2026-04-30T11:00:00Z"),
        one("old", "2026-03-01T00:00:00Z"),
    ];
    let rule = Rule { daily: Some(7), ..Rule::of(GuestRule::All) };
    let policy = Policy { rules: vec![rule], floor_bytes: None };
    let verdicts = decide(&policy, &images, at("2026-05-01T00:00:00Z"), &FreeSpace::new());
    let why = |place: usize| match &verdicts[place].fate {
        Fate::Kept { why } => why.iter().map(WhyKept::to_string).collect::<Vec<_>>().join(", "),
        Fate::Gone { why } => why.to_string(),
    };
    assert_eq!(why(0), "the newest good image of its guest, newest of its day");
    assert_eq!(why(1), "nothing in its rule keeps it");
    assert_eq!(why(2), "newest of its day");
}

#[test]
fn an_image_stays_as_long_as_one_that_is_a_difference_to_it() {
    let one = |id: &str, when: &str, base: Option<&str>| KeptImage {
        dump_id: id.parse().unwrap(),
        guest: GuestName("web-01".to_owned()),
        host: None,
        at: when.parse().unwrap(),
        bytes: ByteCount(10),
        is_sound: Some(true),
        held: None,
        is_in_use: false,
        difference_of: base.map(|base| base.parse().unwrap()),
    };
    let images = [
        one("third", "2026-04-30T12:00:00Z", Some("first")),
        one("second", "2026-04-30T11:00:00Z", Some("first")),
        one("first", "2026-04-30T10:00:00Z", None),
    ];
    let rule = Rule { keep_last: Some(1), ..Rule::of(GuestRule::All) };
    let policy = Policy { rules: vec![rule], floor_bytes: None };
    let now = "2026-05-01T00:00:00Z".parse().unwrap();
    let fates = decide(&policy, &images, now, &FreeSpace::new()).into_iter().map(|image| image.fate);
    let fates: Vec<Fate> = fates.collect();
    assert!(matches!(fates[1], Fate::Gone { .. }));
    assert_eq!(fates[2], Fate::Kept { why: vec![WhyKept::NeededBy { differences: 1 }] });
    let Fate::Kept { why } = &fates[2] else { panic!("it goes") };
    assert_eq!(why[0].to_string(), "one image that stays is a difference to it");
}

#[test]
fn a_difference_to_a_damaged_image_is_not_the_last_good_one() {
    let one = |id: &str, when: &str, is_sound: Option<bool>, base: Option<&str>| KeptImage {
        dump_id: id.parse().unwrap(),
        guest: GuestName("web-01".to_owned()),
        host: None,
        at: when.parse().unwrap(),
        bytes: ByteCount(10),
        is_sound,
        held: None,
        is_in_use: false,
        difference_of: base.map(|base| base.parse().unwrap()),
    };
    let images = [
        one("difference", "2026-04-30T12:00:00Z", Some(true), Some("rotten")),
        one("rotten", "2026-04-30T11:00:00Z", Some(false), None),
        one("whole", "2026-04-30T10:00:00Z", Some(true), None),
    ];
    let rule = Rule { keep_last: Some(1), ..Rule::of(GuestRule::All) };
    let policy = Policy { rules: vec![rule], floor_bytes: None };
    let fates = decide(&policy, &images, "2026-05-01T00:00:00Z".parse().unwrap(), &FreeSpace::new());
    let Fate::Kept { why } = &fates[2].fate else { panic!("the only good image goes") };
    assert!(why.contains(&WhyKept::LastGood), "{why:?}");
}
