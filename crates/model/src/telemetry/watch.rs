//! What of the live values a page shows, and is therefore sent.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// More guests than any page shows in full.
const MAX_GUESTS: usize = 16;
/// A UUID has 36 characters.
const MAX_UUID: usize = 36;

/// The live values that a stream of events carries. On the wire: `all` and UUIDs, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The summary of every guest.
    pub all: bool,
    /// Everything about these guests, by UUID.
    pub guests: BTreeSet<String>,
}

impl Watch {
    /// Every guest in short.
    #[must_use]
    pub fn all() -> Self {
        Self { all: true, guests: BTreeSet::new() }
    }

    /// One guest in full.
    #[must_use]
    pub fn guest(uuid: &str) -> Self {
        Self { all: false, guests: BTreeSet::from([uuid.to_owned()]) }
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.guests.is_empty()
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.then_some("all");
        let words: Vec<&str> = all.into_iter().chain(self.guests.iter().map(String::as_str)).collect();
        f.write_str(&words.join(","))
    }
}

/// A text that means no [`Watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`watch` takes `all` and up to {MAX_GUESTS} UUIDs of guests, separated by commas")]
pub struct ParseWatchError;

impl FromStr for Watch {
    type Err = ParseWatchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut watch = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let is_uuid = word.len() == MAX_UUID && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
            match word {
                "all" => watch.all = true,
                uuid if is_uuid => drop(watch.guests.insert(uuid.to_owned())),
                _ => return Err(ParseWatchError),
            }
        }
        if watch.guests.len() > MAX_GUESTS { Err(ParseWatchError) } else { Ok(watch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let uuid = "00000000-0000-4000-8000-000000000001";
        for watch in
            [Watch::default(), Watch::all(), Watch::guest(uuid), Watch { all: true, ..Watch::guest(uuid) }]
        {
            assert_eq!(watch.to_string().parse(), Ok(watch.clone()));
        }
    }

    #[test]
    fn what_names_no_guest_or_too_many_is_refused() {
        let many: Vec<String> = (0..17).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
        for text in ["web-01", "all,x", &many.join(",")] {
            assert_eq!(text.parse::<Watch>(), Err(ParseWatchError), "{text}");
        }
        assert!(many.get(..16).unwrap().join(",").parse::<Watch>().is_ok());
    }
}
