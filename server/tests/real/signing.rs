//! What memdeck signs and has stamped is checked by openssl, and by memdeck on a machine that knows nothing but the public key.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use memdeck_signing::testing::{FOR_TIME_STAMPS, TestAuthority};

use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

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

/// Answers over HTTP, on loopback and for as long as this process lives. The URL.
fn serve(authority: TestAuthority) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            // Whoever hangs up gets no answer.
            let _ = connection.and_then(|connection| answer(&authority, connection));
        }
    });
    url
}

fn answer(authority: &TestAuthority, mut connection: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut request = vec![0; length];
    reader.read_exact(&mut request)?;
    let reply = authority.answer(&request);
    write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len())?;
    connection.write_all(&reply)
}

#[test]
fn an_authority_stamps_the_manifest_of_a_real_guest_as_openssl_and_a_machine_elsewhere_see_it() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::new();
    let authority = TestAuthority::new("RSA -pkeyopt rsa_keygen_bits:2048", FOR_TIME_STAMPS, 1);
    let ca = home.path().join("tsa-ca.pem");
    fs::write(&ca, authority.root_pem()).unwrap();
    let (ca, url) = (ca.to_str().unwrap(), serve(authority));
    let service = Service::start(&home, "serve", &[("TIMESTAMP_URL", &url), ("TIMESTAMP_CA", ca)]);
    service.trigger_frozen(&[guest.name]);
    let status = service.wait_for_end(guest.name);
    let record = &status["record"];
    let image = record["dump_path"].as_str().unwrap().to_owned();
    let stem = image.strip_suffix(".elf.zst").unwrap();
    let (manifest, stamp) = (format!("{stem}.json"), format!("{stem}.json.tsr"));
    let began = Instant::now();
    while !Path::new(&stamp).exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "no stamp within 30 s");
        thread::sleep(Duration::from_millis(100));
    }
    let dump = format!("/api/memory-dumps/{}", record["dump_id"].as_str().unwrap());
    assert_eq!(service.send("POST", &format!("{dump}/verify"), &serde_json::json!({})).0, 202);
    let verified = service.wait(&format!("{dump}/verify"), "finished", |told| {
        (told["state"] == "finished").then(|| told.clone())
    });
    assert_eq!(verified["report"]["time_stamp"]["state"], "valid", "{verified}");
    service.stop();

    // As the guide says.
    let mut openssl = Command::new("openssl");
    openssl.args(["ts", "-verify", "-data", &manifest, "-in", &stamp, "-CAfile", ca]);
    let found = openssl.output().unwrap();
    assert!(found.status.success(), "{found:?}");
    let elsewhere = Home::new();
    let verify =
        |more: &[&str]| elsewhere.memdeck(&[&["verify", &image][..], more].concat()).output().unwrap();
    let told = verify(&["--time-stamp-ca", ca]);
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success() && text.contains("the manifest was there at 2"), "{told:?}");
    assert!(
        String::from_utf8_lossy(&verify(&[]).stdout)
            .contains("and nobody who is believed here vouches for it")
    );
    fs::remove_file(&stamp).unwrap();
    assert_eq!(verify(&["--time-stamp-ca", ca]).status.code(), Some(1));
    assert!(verify(&[]).status.success());
}
