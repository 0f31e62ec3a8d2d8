//! The forms in which an image is downloaded.

use memdeck_model::{Problem, ProblemKind};

/// What of an image is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An ELF core, as `virsh dump` makes it.
    Elf,
    /// Physical memory from address 0 on, holes filled with zeroes.
    Raw,
    /// `LiME`.
    Lime,
    /// AVML: `LiME`, compressed.
    Avml,
    /// The stored file as it is.
    Stored,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Elf, Self::Raw, Self::Lime, Self::Avml, Self::Stored];

    /// Reads the word of a request.
    ///
    /// # Errors
    /// There is no such form.
    pub fn parse(word: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|form| form.as_str() == word).ok_or_else(|| {
            let shown: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
            let detail =
                format!("'{shown}' is no format of an image; there are elf, raw, lime, avml and stored");
            Problem::new(ProblemKind::Invalid, detail)
        })
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elf => "elf",
            Self::Raw => "raw",
            Self::Lime => "lime",
            Self::Avml => "avml",
            Self::Stored => "stored",
        }
    }

    /// The media type of the bytes.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Stored => "application/zstd",
            _ => "application/octet-stream",
        }
    }

    /// A name for a file in this form: ASCII letters, digits, `.`, `_` and `-` only.
    #[must_use]
    pub fn file_name(self, stem: &str) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let suffix = if self == Self::Stored { "elf.zst" } else { self.as_str() };
        format!("{}.{suffix}", stem.chars().map(safe).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_known_by_its_word_and_no_other() {
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()).unwrap(), form);
        }
        assert_eq!(Form::parse("EL\u{7}F").unwrap_err().kind, ProblemKind::Invalid);
    }

    #[test]
    fn a_file_name_has_no_letter_that_a_system_could_read_as_more() {
        assert_eq!(Form::Stored.file_name("../win dc_a1"), ".._win_dc_a1.elf.zst");
        assert_eq!(Form::Raw.file_name("web-01_a1"), "web-01_a1.raw");
    }
}
