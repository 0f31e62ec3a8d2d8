//! How the next dumps are to be taken, as the operator sets it. It stays set after a dump was asked for: the next one
//! often belongs to the same case.

use leptos::prelude::*;
use memdeck_model::{DumpOptions, ModeChoice, Remark};

/// What the operator has set.
#[derive(Clone, Copy)]
pub struct Options {
    pub mode: RwSignal<ModeChoice>,
    /// The case number as it stands in its field.
    pub case: RwSignal<String>,
    /// The note as it stands in its field.
    pub note: RwSignal<String>,
    /// Whether a guest with encrypted memory is to be dumped all the same.
    pub accept_encrypted: RwSignal<bool>,
}

impl Options {
    pub fn new() -> Self {
        Self {
            mode: RwSignal::new(ModeChoice::default()),
            case: RwSignal::new(String::new()),
            note: RwSignal::new(String::new()),
            accept_encrypted: RwSignal::new(false),
        }
    }

    /// What a request carries.
    ///
    /// # Errors
    /// A field cannot be used; the sentence says which, the one at the field says why.
    pub fn read(self) -> Result<DumpOptions, String> {
        let read = |field: RwSignal<String>, what| {
            field.with(|text| remark(text)).map_err(|_| format!("Correct the {what} first."))
        };
        Ok(DumpOptions {
            mode: self.mode.get(),
            case: read(self.case, "case number")?,
            note: read(self.note, "note")?,
            accept_encrypted: self.accept_encrypted.get(),
            ..DumpOptions::default()
        })
    }
}

/// What a field holds, without the white space around it; `None` if it holds nothing.
///
/// # Errors
/// It cannot be kept; the sentence says why.
pub fn remark(text: &str) -> Result<Option<Remark>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let count = text.chars().count();
    text.parse().map(Some).map_err(|_| {
        if count > Remark::MAX_CHARS {
            format!("{count} characters are too many: shorten it to {} or fewer.", Remark::MAX_CHARS)
        } else {
            "Remove control characters, such as tabs.".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_nothing_in_it_is_no_remark() {
        assert_eq!([remark(""), remark(" \n ")], [Ok(None), Ok(None)]);
    }

    #[test]
    fn a_remark_is_kept_without_the_space_around_it() {
        assert_eq!(remark(" IR-2026-17 ").unwrap().unwrap().as_str(), "IR-2026-17");
        assert_eq!(remark("first\nsecond").unwrap().unwrap().as_str(), "first\nsecond");
        assert!(remark(&"é".repeat(500)).unwrap().is_some());
    }

    #[test]
    fn a_remark_that_cannot_be_kept_says_what_to_do() {
        let long = remark(&"x".repeat(512)).unwrap_err();
        assert_eq!(long, "512 characters are too many: shorten it to 500 or fewer.");
        let tab = remark("a\tb").unwrap_err();
        assert_eq!(tab, "Remove control characters, such as tabs.");
    }
}
