//! The names of directories and files on a mount: safe for every program, and different for what is different.

use std::fmt::Write as _;

use memdeck_model::{ExportFormat, Timestamp};

/// The formats in which an image is seen. AVML has no byte of a known place.
pub(super) const FORMATS: [ExportFormat; 3] = [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime];
/// Bytes that a file system takes for a name, less what may be added to it.
const MAX_NAME_BYTES: usize = 200;

/// The directory of a guest. Letters and digits of any script and `-_.+@` stay; all else is written as `%` and two
/// hexadecimal digits for each byte, as is a dot at the beginning. Two guests share a directory only if they share their
/// name, or the first 200 bytes of how it is written.
pub(super) fn directory_of(guest: &str) -> String {
    let mut name = String::new();
    for (index, letter) in guest.chars().enumerate() {
        let is_plain = letter.is_alphanumeric() || matches!(letter, '-' | '_' | '+' | '@');
        let mut bytes = [0; 4];
        let text = letter.encode_utf8(&mut bytes);
        let mut written = String::new();
        if is_plain || (letter == '.' && index > 0) {
            written.push_str(text);
        } else {
            for byte in text.bytes() {
                // Writing to a string does not fail.
                let _ = write!(written, "%{byte:02X}");
            }
        }
        if name.len().saturating_add(written.len()) > MAX_NAME_BYTES {
            break;
        }
        name.push_str(&written);
    }
    if name.is_empty() { "%".to_owned() } else { name }
}

/// The name of an image's files before the dot: when the dump began, to the second, in UTC, as `20261114T085823Z`.
pub(super) fn stem_of(taken: Timestamp) -> String {
    let text = taken.to_string();
    let to_the_second = text.split_once('.').map_or(text.as_str(), |(second, _)| second);
    to_the_second.chars().filter(|letter| !matches!(letter, '-' | ':')).chain(['Z']).collect()
}

/// The ending that tells a format.
pub(super) fn extension(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Elf => "elf",
        ExportFormat::Raw => "raw",
        ExportFormat::Lime => "lime",
        ExportFormat::Avml => "avml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_name_is_a_directory_of_its_own_and_leads_nowhere_else() {
        assert_eq!(directory_of("web-01.example"), "web-01.example");
        assert_eq!(directory_of("größe"), "größe");
        let different = ["a/b", "a_b", "a b", "a%2Fb", "..", ".", "", "a\n", "a\u{202e}b"].map(directory_of);
        assert_eq!(different[0], "a%2Fb");
        assert_eq!(different[4], "%2E.");
        for (index, name) in different.iter().enumerate() {
            assert!(!name.contains(['/', '\0', '\n']) && name != "." && name != "..", "{name}");
            assert!(different.iter().skip(index + 1).all(|other| other != name), "{name}");
        }
        assert!(directory_of(&"/".repeat(300)).len() <= MAX_NAME_BYTES);
    }

    #[test]
    fn a_file_is_called_by_the_second_at_which_the_dump_began() {
        let taken: Timestamp = "2026-11-14T08:58:23.550273Z".parse().unwrap();
        assert_eq!(stem_of(taken), "20261114T085823Z");
    }
}
