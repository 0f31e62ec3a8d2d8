//! What the form holds, and the hunt that it asks for.

use leptos::prelude::*;
use memdeck_model::{DumpId, GuestName, NewHunt, PatternKind, Sought};

/// In one request. The server takes a little more.
pub const MOST_BYTES: usize = 1_000_000;
/// What stands around each pattern on its way.
const BYTES_AROUND: usize = 4;

/// What the fields hold.
#[derive(Clone, Copy)]
pub struct Draft {
    /// One on each line.
    pub patterns: RwSignal<String>,
    /// After how many hits the hunt ends.
    pub limit: RwSignal<String>,
    pub choice: RwSignal<Choice>,
}

/// What is chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    pub kind: PatternKind,
    pub utf16: bool,
    pub ignore_case: bool,
    pub place: Place,
    /// Of these VMs.
    pub guests: Vec<String>,
    pub dump: Option<DumpId>,
    /// Of each VM every image is searched, not only the newest.
    pub older_too: bool,
}

/// Which images are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    All,
    Guests,
    Dump,
}

impl Place {
    /// With their names in forms and what they are called.
    pub const ALL: [(Self, &str, &str); 3] = [
        (Self::All, "all", "All VMs"),
        (Self::Guests, "guests", "Chosen VMs"),
        (Self::Dump, "dump", "One dump"),
    ];
}

impl Draft {
    pub fn new() -> Self {
        Self {
            patterns: RwSignal::new(String::new()),
            limit: RwSignal::new(NewHunt::USUAL_LIMIT.to_string()),
            choice: RwSignal::new(Choice::default()),
        }
    }

    /// Only this dump is searched.
    pub fn choose_dump(self, dump: DumpId) {
        self.choice.update(|choice| {
            choice.place = Place::Dump;
            choice.dump = Some(dump);
        });
    }

    /// The hunt, or what is missing.
    pub fn asked(self) -> Result<NewHunt, String> {
        self.patterns.with(|patterns| {
            self.limit.with(|limit| self.choice.with(|choice| choice.asked(patterns, limit)))
        })
    }
}

impl Choice {
    /// Whether text is looked for as UTF-16 too: of nothing else is there such a form.
    pub fn has_utf16(&self) -> bool {
        self.kind == PatternKind::Text
    }

    /// Whether there are letters that can be of either case.
    pub fn has_case(&self) -> bool {
        matches!(self.kind, PatternKind::Text | PatternKind::Regex)
    }

    /// Lines that are no patterns are sent too: the server names a wrong one by its line.
    fn asked(&self, patterns: &str, limit: &str) -> Result<NewHunt, String> {
        let sought = Sought {
            patterns: patterns.lines().map(str::to_owned).collect(),
            kind: self.kind,
            utf16: self.utf16 && self.has_utf16(),
            ignore_case: self.ignore_case && self.has_case(),
        };
        if sought.counted().next().is_none() {
            return Err("Write a pattern to look for.".to_owned());
        }
        if sought.patterns.iter().map(|line| line.len().saturating_add(BYTES_AROUND)).sum::<usize>()
            > MOST_BYTES
        {
            return Err("These are more than a million bytes of patterns: hunt for them in parts.".to_owned());
        }
        let most = NewHunt::MOST_HITS;
        let limit = limit.trim().replace(',', "").parse().ok().filter(|limit| (1..=most).contains(limit));
        let Some(limit) = limit else { return Err(format!("A hunt ends after 1 to {most} hits.")) };
        let hunt = NewHunt { sought, limit: Some(limit), newest_only: !self.older_too, ..NewHunt::default() };
        match self.place {
            Place::All => Ok(NewHunt { all: true, ..hunt }),
            Place::Guests if self.guests.is_empty() => Err("Choose a VM.".to_owned()),
            Place::Guests => {
                Ok(NewHunt { guests: self.guests.iter().cloned().map(GuestName).collect(), ..hunt })
            }
            Place::Dump => match self.dump.clone() {
                Some(dump) => Ok(NewHunt { dump_ids: vec![dump], newest_only: false, ..hunt }),
                None => Err("Choose a dump.".to_owned()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_become_a_hunt_whose_lines_are_those_of_the_field() {
        let choice = Choice { utf16: true, ignore_case: true, ..Choice::default() };
        let hunt = choice.asked("# names\r\n\r\nBusyBox\r\n", "1,500").unwrap();
        assert_eq!(hunt.sought.patterns, ["# names", "", "BusyBox"]);
        assert_eq!((hunt.limit, hunt.all, hunt.newest_only), (Some(1_500), true, true));
        assert!(hunt.sought.utf16 && hunt.sought.ignore_case);

        let bytes = Choice { kind: PatternKind::Bytes, older_too: true, ..choice.clone() };
        let hunt = bytes.asked("dead beef", "1").unwrap();
        assert!(!hunt.sought.utf16 && !hunt.sought.ignore_case && !hunt.newest_only);

        let guests = Choice { place: Place::Guests, guests: vec!["web".to_owned()], ..choice.clone() };
        let hunt = guests.asked("abc", "1").unwrap();
        assert_eq!((hunt.guests, hunt.all), (vec![GuestName("web".to_owned())], false));

        let dump = Choice { place: Place::Dump, dump: Some("d1".parse().unwrap()), ..choice };
        let hunt = dump.asked("abc", "1").unwrap();
        assert_eq!((hunt.dump_ids.len(), hunt.guests.len(), hunt.newest_only), (1, 0, false));
    }

    #[test]
    fn what_is_missing_is_said() {
        let choice = Choice::default();
        let refused =
            |choice: &Choice, patterns: &str, limit: &str| choice.asked(patterns, limit).unwrap_err();
        assert_eq!(refused(&choice, "# only\n  \n", "1"), "Write a pattern to look for.");
        for limit in ["", "0", "10001", "many"] {
            assert_eq!(refused(&choice, "abc", limit), "A hunt ends after 1 to 10000 hits.", "{limit}");
        }
        assert_eq!(refused(&Choice { place: Place::Guests, ..choice.clone() }, "abc", "1"), "Choose a VM.");
        assert_eq!(refused(&Choice { place: Place::Dump, ..choice.clone() }, "abc", "1"), "Choose a dump.");
        let many = "abcd\n".repeat(200_000);
        assert!(refused(&choice, &many, "1").starts_with("These are more than a million bytes"));
    }
}
