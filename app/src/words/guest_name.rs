//! The name of a guest on screen. libvirt allows white space anywhere in it, and two names may differ by nothing else.

/// The name; in quotation marks where white space in it would not be seen.
pub fn shown(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    if is_plain { name.to_owned() } else { format!("“{name}”") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_and_within_a_name_is_seen() {
        let told = ["web-01", "my guest", "twin ", " twin", "two  blanks", "tab\tbed", " ", ""].map(shown);
        assert_eq!(
            told,
            ["web-01", "my guest", "“twin ”", "“ twin”", "“two  blanks”", "“tab\tbed”", "“ ”", "“”"]
        );
    }
}
