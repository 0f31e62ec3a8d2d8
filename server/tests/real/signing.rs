//! What memdeck signs is checked by openssl, and by memdeck on a machine that knows nothing but the public key.

use std::fs;
use std::process::Command;

use crate::lab::{LabGuest, lab};
use crate::support::Home;

#[test]
fn openssl_verifies_the_manifest_of_a_real_guest_and_refuses_one_that_was_edited() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::new();
    let status = home.dump(guest.name, "frozen");
    assert_eq!(status["job_state"], "completed", "{status}");
    let image = status["record"]["dump_path"].as_str().unwrap().to_owned();
    let stem = image.strip_suffix(".elf.zst").unwrap();
    let (manifest, signature) = (format!("{stem}.json"), format!("{stem}.json.sig"));
    let key = home.path().join("host-key.pem");
    let exported = home.memdeck(&["signing-key", "export"]).output().unwrap();
    assert!(exported.status.success(), "{exported:?}");
    fs::write(&key, exported.stdout).unwrap();
    let verify = || {
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(&key);
        openssl.args(["-in", &manifest, "-sigfile", &signature]).output().unwrap()
    };
    let verified = verify();
    assert!(verified.status.success(), "{verified:?}");
    let elsewhere = Home::new();
    let verified = elsewhere.memdeck(&["verify", "--key", key.to_str().unwrap(), &image]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");

    let edited = fs::read_to_string(&manifest).unwrap().replacen("\"frozen\"", "\"live\"", 1);
    fs::write(&manifest, edited).unwrap();
    assert!(!verify().status.success());
    let verified = elsewhere.memdeck(&["verify", "--key", key.to_str().unwrap(), &image]).output().unwrap();
    assert_eq!(verified.status.code(), Some(3), "{verified:?}");
}
