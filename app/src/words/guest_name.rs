//! The name of a guest on screen. libvirt allows white space anywhere in it, and two names may differ by nothing else.

use memdeck_model::HostId;

/// The name; in quotation marks where white space in it would not be seen.
pub fn shown(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    if is_plain { name.to_owned() } else { format!("“{name}”") }
}

/// The name behind that of its host, where there are several.
pub fn placed(host: Option<&HostId>, name: &str) -> String {
    host.map_or_else(|| shown(name), |host| host.qualify(&shown(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_several_hosts_a_name_stands_behind_its_host() {
        let host: HostId = "kvm-02".parse().unwrap();
        assert_eq!([placed(Some(&host), "web-01"), placed(None, "web-01")], ["kvm-02/web-01", "web-01"]);
    }

    #[test]
    fn white_space_around_and_within_a_name_is_seen() {
        let told = ["web-01", "my guest", "twin ", " twin", "two  blanks", "tab\tbed", " ", ""].map(shown);
        assert_eq!(
            told,
            ["web-01", "my guest", "“twin ”", "“ twin”", "“two  blanks”", "“tab\tbed”", "“ ”", "“”"]
        );
    }
}
