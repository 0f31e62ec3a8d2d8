//! What the page is told of a hunt. Made on the server.

use std::cmp::Reverse;

use memdeck_model::{HuntDetails, HuntDump};

/// The most patterns, and the most dumps, that are told: nobody reads thousands of rows.
const MOST: usize = 100;

/// A hunt with the patterns that were found most often, and with the dumps in which most was found and those that could not
/// be searched. The hunt itself says how many there are.
pub fn foremost(details: HuntDetails) -> HuntDetails {
    let HuntDetails { hunt, mut patterns, mut dumps } = details;
    let says_something = |dump: &HuntDump| dump.hits > 0 || dump.problem.is_some();
    patterns.sort_by_key(|pattern| Reverse(pattern.hits));
    patterns.truncate(MOST);
    dumps.sort_by_key(|dump| Reverse((says_something(dump), dump.hits)));
    dumps.truncate(MOST);
    HuntDetails { hunt, patterns, dumps }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{
        Actor, GuestName, Hunt, HuntId, HuntState, HuntTally, HuntedPattern, PatternKind, Timestamp,
    };

    use super::*;

    fn at() -> Timestamp {
        std::time::UNIX_EPOCH.into()
    }

    fn hunt() -> Hunt {
        Hunt {
            id: HuntId::from_uuid_bits(1),
            requested_by: Actor::Page,
            requested_at: at(),
            started_at: None,
            ended_at: None,
            state: HuntState::Queued,
            reason: None,
            kind: PatternKind::Text,
            utf16: false,
            ignore_case: false,
            pattern_count: 0,
            first_patterns: Vec::new(),
            dump_count: 0,
            limit: 1,
            tally: HuntTally::default(),
        }
    }

    fn dump(number: u32, hits: u32, problem: Option<&str>) -> HuntDump {
        HuntDump {
            dump_id: format!("d{number}").parse().unwrap(),
            guest: GuestName("web".to_owned()),
            taken_at: at(),
            searched_bytes: None,
            hits,
            problem: problem.map(Into::into),
        }
    }

    #[test]
    fn of_thousands_those_are_told_that_say_something() {
        let pattern = |number: u64| HuntedPattern {
            pattern: format!("p{number}"),
            kind: PatternKind::Text,
            hits: if number == 5_000 { 7 } else { u64::from(number == 9_000) },
        };
        let dumps = (0..1_000).map(|number| match number {
            500 => dump(number, 0, Some("it is damaged")),
            900 => dump(number, 8, None),
            _ => dump(number, 0, None),
        });
        let all = HuntDetails {
            hunt: hunt(),
            patterns: (0..10_000).map(pattern).collect(),
            dumps: dumps.collect(),
        };
        let told = foremost(all);
        let patterns: Vec<_> = told.patterns.iter().map(|pattern| pattern.pattern.as_str()).collect();
        assert_eq!((patterns.len(), &patterns[..4]), (100, &["p5000", "p9000", "p0", "p1"][..]));
        let dumps: Vec<_> = told.dumps.iter().map(|dump| dump.dump_id.as_str()).collect();
        assert_eq!((dumps.len(), &dumps[..4]), (100, &["d900", "d500", "d0", "d1"][..]));
    }
}
