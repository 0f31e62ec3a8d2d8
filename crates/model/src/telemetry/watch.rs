//! What of the live values a page shows, and is therefore sent.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::HostId;

/// More guests than any page shows in full.
const MAX_GUESTS: usize = 16;
/// A UUID has 36 characters.
const MAX_UUID: usize = 36;

/// The live values that a stream of events carries. On the wire: `all`, and UUIDs, each behind its host and a slash where there
/// are several hosts; separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The summary of every guest.
    pub all: bool,
    /// Everything about these guests, by [`Guest::reference`](crate::Guest::reference).
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
    pub fn guest(reference: &str) -> Self {
        Self { all: false, guests: BTreeSet::from([reference.to_owned()]) }
    }

    /// What of it is of the guests of one host, by their UUIDs alone. What names no host may be of any.
    #[must_use]
    pub fn of_host(&self, host: Option<&HostId>) -> Self {
        let uuid = |reference: &String| match reference.split_once('/') {
            Some((name, uuid)) => host.is_some_and(|host| host.as_str() == name).then(|| uuid.to_owned()),
            None => Some(reference.clone()),
        };
        Self { all: self.all, guests: self.guests.iter().filter_map(uuid).collect() }
    }

    /// What a text means in which up to `most_guests` guests are named.
    ///
    /// # Errors
    /// It means nothing, or names more.
    pub fn parse_up_to(text: &str, most_guests: usize) -> Result<Self, ParseWatchError> {
        let mut watch = Self::default();
        for word in text.split(',').filter(|word| !word.is_empty()) {
            match word {
                "all" => watch.all = true,
                reference if is_reference(reference) => drop(watch.guests.insert(reference.to_owned())),
                _ => return Err(ParseWatchError),
            }
        }
        if watch.guests.len() > most_guests { Err(ParseWatchError) } else { Ok(watch) }
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
#[error(
    "`watch` takes `all` and up to {MAX_GUESTS} UUIDs of guests (of several hosts, `host/UUID`), separated by commas"
)]
pub struct ParseWatchError;

impl FromStr for Watch {
    type Err = ParseWatchError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_up_to(text, MAX_GUESTS)
    }
}

fn is_reference(word: &str) -> bool {
    let (host, uuid) = word.split_once('/').map_or((None, word), |(host, uuid)| (Some(host), uuid));
    let is_uuid = uuid.len() == MAX_UUID && uuid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    is_uuid && host.is_none_or(|host| host.parse::<HostId>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let uuid = "00000000-0000-4000-8000-000000000001";
        for watch in [
            Watch::default(),
            Watch::all(),
            Watch::guest(uuid),
            Watch::guest(&format!("kvm-01/{uuid}")),
            Watch { all: true, ..Watch::guest(uuid) },
        ] {
            assert_eq!(watch.to_string().parse(), Ok(watch.clone()));
        }
    }

    #[test]
    fn of_one_host_is_what_names_it_and_what_names_none() {
        let [one, two, three] = [1, 2, 3].map(|n| format!("00000000-0000-4000-8000-{n:012}"));
        let watch: Watch = format!("all,kvm-a/{one},kvm-b/{two},{three}").parse().unwrap();
        let of = |host: Option<&str>| {
            let host = host.map(|host| host.parse().unwrap());
            watch.of_host(host.as_ref()).to_string()
        };
        assert_eq!(of(Some("kvm-a")), format!("all,{one},{three}"));
        assert_eq!(of(Some("kvm-b")), format!("all,{two},{three}"));
        assert_eq!(of(None), format!("all,{three}"));
    }

    #[test]
    fn what_names_no_guest_or_too_many_is_refused() {
        let many: Vec<String> = (0..17).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
        let twice = format!("a/b/{}", many.first().unwrap());
        for text in ["web-01", "all,x", "kvm-a/web-01", &twice, &many.join(",")] {
            assert_eq!(text.parse::<Watch>(), Err(ParseWatchError), "{text}");
        }
        assert!(many.get(..16).unwrap().join(",").parse::<Watch>().is_ok());
    }
}
