//! Why nothing was read, and what can be done instead.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Message;

/// Why nothing was read out of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InsideProblemKind {
    /// No Linux kernel that describes its own types was found: the guest runs something else, or an older kernel.
    NoKernel,
    /// The image cannot be read, or is not what was recorded.
    Image,
    /// There is no room to unpack the image.
    NoRoom,
    /// The process that read it met a fault of its own.
    Fault,
    /// It took more memory than it may.
    Memory,
    /// It took longer than it may.
    Time,
    /// It was stopped.
    Stopped,
    /// It could not be started, or its answer cannot be used.
    Process,
    /// The service that keeps the image cannot read it: an older version, or another program.
    Service,
    /// It was read, and the result could not be kept.
    NotKept,
}

/// Why nothing was read out of an image, and what can be done instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{message}")]
pub struct InsideProblem {
    /// For programs.
    pub kind: InsideProblemKind,
    /// For people.
    pub message: Message,
}

impl InsideProblem {
    /// A problem with its sentence.
    #[must_use]
    pub fn new(kind: InsideProblemKind, sentence: impl fmt::Display) -> Self {
        Self { kind, message: Message::new(sentence).bounded(1000) }
    }
}

/// Commands for a shell that read the image of a guest of another system: of the dump or file of this name.
#[must_use]
pub fn other_readers(image: &str) -> Vec<String> {
    let image = quoted(image);
    vec![
        format!("memdeck export {image} --output guest.elf"),
        "vol -f guest.elf windows.info".to_owned(),
        "vol -f guest.elf windows.pstree".to_owned(),
        "vol -f guest.elf linux.pstree".to_owned(),
    ]
}

/// As one word of a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_copy_names_one_image_whatever_it_is_called() {
        assert_eq!(other_readers("a/b_1.elf.zst")[0], "memdeck export a/b_1.elf.zst --output guest.elf");
        assert_eq!(other_readers("a'; rm b")[0], r"memdeck export 'a'\''; rm b' --output guest.elf");
    }
}
