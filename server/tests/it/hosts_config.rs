//! `[[hosts]]` in the configuration file: what is read, what is refused, and what is shown.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use memdeck::config::{Config, HostPlace, Places, Sources, describe};

/// What a file with this text sets, beside these environment variables.
fn sources(dir: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Sources, String> {
    let file = dir.join("memdeck.toml");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Sources::gather(&HashMap::new(), &environment, &BTreeMap::new(), Some(&file))
        .map_err(|error| error.to_string())
}

fn read(dir: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let places = Places::of_this_user(&BTreeMap::new());
    Config::from_sources(&sources(dir, text, variables)?, &places).map_err(|error| error.to_string())
}

#[test]
fn hosts_are_read_in_their_order_with_their_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "from-a-file\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        r#"
        [[hosts]]
        name = "kvm-02"
        url = "https://kvm-02.example:5001"
        token = "in-the-file"
        timeout = 2.5

        [[hosts]]
        name = "here"
        url = "local"

        [[hosts]]
        name = "kvm-03"
        url = "http://10.0.0.5:5001/"
        token_file = "{}"

        [[hosts]]
        name = "kvm_04"
        url = "dial"
        token = "sixteen characters"
        timeout = 5
        "#,
        token.display()
    );
    let config = read(dir.path(), &text, &[]).unwrap();
    let told: Vec<String> = config
        .hosts
        .iter()
        .map(|host| match &host.place {
            HostPlace::Here => format!("{} here", host.name),
            HostPlace::Service(service) => {
                let token = service.token.as_ref().map(memdeck::config::Secret::expose);
                format!("{} {} {token:?} {:?}", host.name, service.url, service.timeout)
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "kvm-02 https://kvm-02.example:5001/ Some(\"in-the-file\") 2.5s",
            "here here",
            "kvm-03 http://10.0.0.5:5001/ Some(\"from-a-file\") 30s",
            "kvm_04 dial://kvm_04 Some(\"sixteen characters\") 5s",
        ]
    );
    let shown = describe(&sources(dir.path(), &text, &[]).unwrap());
    assert!(shown.contains("[[hosts]]\nname = \"kvm-02\"") && shown.contains("token = \"***\""), "{shown}");
    assert!(!shown.contains("in-the-file") && !shown.contains("from-a-file"), "{shown}");
    assert!(shown.contains("url = \"dial\"") && !shown.contains("sixteen"), "{shown}");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(read(dir.path(), &text, &[]).unwrap_err().contains("others can read"));
}

#[test]
fn hosts_that_cannot_be_used_stop_the_start_with_their_name_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let host = |name: &str, rest: &str| format!("[[hosts]]\nname = \"{name}\"\n{rest}\n");
    let url = r#"url = "http://a:5001""#;
    let dials = "url = \"dial\"\ntoken = \"s3cret s3cret s3cret\"";
    for (text, reason) in [
        (host("a/b", url), "letters, digits"),
        (host("a", r#"url = "ftp://a""#), "http:// or https://"),
        (host("a", r#"url = "http://ada:s3cret@a""#), "http:// or https://"),
        (host("a", "url = \"local\"\ntoken = \"s3cret\""), "this machine takes no token"),
        (host("a", &format!("{url}\ntoken = \"s3cret\"\ntoken_file = \"/x\"")), "token and token_file"),
        (host("a", &format!("{url}\ntoken_file = \"/no/such/file\"")), "cannot be read"),
        (host("a", &format!("{url}\nca = \"/no/such/file\"")), "ca is set"),
        (host("a", &format!("{url}\ntimeout = 0")), "0.1 to 3600"),
        (host("a", &format!("{url}\ntoken = 5311")), "its token is no text"),
        (host("a", &format!("{url}\nuser = \"s3cret\"")), "unknown field"),
        (host("a", ""), "missing field"),
        ([host("a", url), host("A", r#"url = "local""#)].concat(), "another host has this name"),
        ([host("a", url), host("b", url)].concat(), "has the url"),
        (host("a", "url = \"dial\""), "known by its token"),
        (host("a", "url = \"dial\"\ntoken = \"s3cret\""), "16 characters or more"),
        (host("a", &format!("{dials}\nca = \"/no/such/file\"")), "has no certificate"),
        ([host("a", dials), host("b", dials)].concat(), "another host has this token"),
        ([host("a", r#"url = "local""#), host("b", r#"url = "local""#)].concat(), "has the url"),
    ] {
        let error = read(dir.path(), &text, &[]).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
        assert!(!error.contains("s3cret") && !error.contains("5311"), "{error}");
    }
    let both = read(dir.path(), &host("a", url), &[("MEMDUMP_SERVICE_URL", "http://b:5001")]).unwrap_err();
    assert!(both.contains("MEMDUMP_SERVICE_URL") && both.contains("[[hosts]]"), "{both}");
}
