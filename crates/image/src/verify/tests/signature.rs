//! Who signed the manifest, and whether it was this one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use memdeck_model::{KeyId, SignatureCheck};
use memdeck_signing::{KnownKeys, PublicKey};

use super::{check, damage, sentences, small};
use crate::format::manifest::ManifestFile;
use crate::store::remove_stored;
use crate::testing::{Lab, core, dump_id, guest, provenance};
use crate::verify::*;
use crate::{ImageStore, Sealed};

fn signed(lab: &Lab) -> Sealed {
    lab.store_signed(&core(&[7; 3 * 4096]))
}

/// What is found with the keys that this host believes.
fn believed(lab: &Lab, sealed: &Sealed) -> VerifyReport {
    by(sealed, &lab.keys().known().unwrap())
}

fn by(sealed: &Sealed, keys: &KnownKeys) -> VerifyReport {
    let mut report = check(&sealed.image);
    check_signature(&mut report, keys);
    report
}

fn key_of(lab: &Lab) -> PublicKey {
    *lab.keys().read().unwrap().unwrap().public()
}

#[test]
fn an_image_is_signed_by_the_key_of_its_host_over_the_bytes_of_its_manifest() {
    let lab = Lab::new();
    let sealed = signed(&lab);
    let report = believed(&lab, &sealed);
    let key = key_of(&lab);
    assert_eq!(
        (report.verdict, report.signature),
        (Verdict::Intact, SignatureCheck::Valid { key: key.id() })
    );
    let signature = sealed.signature.unwrap();
    assert_eq!(signature.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let (json, signature) = (fs::read(&sealed.manifest).unwrap(), fs::read(signature).unwrap());
    assert!(signature.len() == 64 && key.verifies(&json, &signature));
    let place = report.manifest.unwrap().host_chain.unwrap();
    assert_eq!((place.number, place.previous), (1, None));
}

#[test]
fn every_flipped_byte_and_every_cut_of_manifest_and_signature_is_found() {
    let lab = Lab::new();
    let sealed = signed(&lab);
    for path in [&sealed.manifest, sealed.signature.as_ref().unwrap()] {
        let whole = fs::read(path).unwrap();
        let found = |content: &[u8], what: String| {
            fs::write(path, content).unwrap();
            let report = believed(&lab, &sealed);
            assert!(!report.findings.is_empty(), "{path:?}: {what}");
            assert!(!matches!(report.signature, SignatureCheck::Valid { .. }), "{path:?}: {what}");
        };
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            found(&flipped, format!("byte {at} flipped"));
        }
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            found(&whole[..length], format!("cut to {length}"));
        }
        found(&[&whole[..], b"\n"].concat(), "longer".to_owned());
        fs::write(path, &whole).unwrap();
    }
    assert_eq!(believed(&lab, &sealed).verdict, Verdict::Intact);
}

#[test]
fn an_image_from_before_there_were_signatures_is_unsigned_and_not_damaged() {
    let lab = Lab::new();
    lab.signer();
    let sealed = small(&lab);
    let report = believed(&lab, &sealed);
    let unsigned = SignatureCheck::Unsigned { reason: None };
    assert_eq!((report.verdict, &report.signature), (Verdict::Intact, &unsigned));
    let report = by(&sealed, &KnownKeys::demanded(vec![key_of(&lab)]));
    assert_eq!((report.verdict, &report.signature), (Verdict::Unconfirmed, &unsigned));
    assert_eq!(sentences(&report), ["the manifest is not signed"]);
}

#[test]
fn a_signature_by_a_key_that_nobody_here_knows_confirms_nothing() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = signed(&lab);
    other.signer();
    let key = key_of(&lab).id();
    let unknown = SignatureCheck::UnknownKey { key: key.clone() };
    let report = by(&sealed, &KnownKeys::default());
    assert_eq!((report.verdict, &report.signature), (Verdict::Intact, &unknown), "nobody asked for one");
    for keys in [other.keys().known().unwrap(), KnownKeys::demanded(vec![key_of(&other)])] {
        let report = by(&sealed, &keys);
        assert_eq!((report.verdict, &report.signature), (Verdict::Unconfirmed, &unknown));
        assert_eq!(report.findings, [Finding::SignedByUnknownKey { key: key.clone() }]);
    }
}

#[test]
fn whoever_signs_anew_with_another_key_is_told_from_the_host() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = signed(&lab);
    damage(&sealed.manifest, |json| {
        let at = json.windows(10).position(|part| part == b"\"operator\"").unwrap();
        json[at + 1] = b'O';
    });
    other.signer();
    let theirs = other.keys().read().unwrap().unwrap();
    let signature = sealed.signature.clone().unwrap();
    fs::write(&signature, theirs.sign(&fs::read(&sealed.manifest).unwrap())).unwrap();
    let report = believed(&lab, &sealed);
    assert_eq!((report.verdict, report.signature.clone()), (Verdict::Damaged, SignatureCheck::Wrong));
    assert!(
        sentences(&report)[0].ends_with("is not one of this manifest: one of both was changed or exchanged")
    );
    // The forger's own key in the manifest is one that nobody knows.
    damage(&sealed.manifest, |json| {
        let text = String::from_utf8(json.clone()).unwrap();
        *json = text.replace(key_of(&lab).id().as_str(), theirs.public().id().as_str()).into_bytes();
    });
    fs::write(&signature, theirs.sign(&fs::read(&sealed.manifest).unwrap())).unwrap();
    let report = believed(&lab, &sealed);
    assert_eq!(report.verdict, Verdict::Unconfirmed);
    assert_eq!(report.signature, SignatureCheck::UnknownKey { key: theirs.public().id() });
}

#[test]
fn a_signature_that_is_gone_leaves_an_image_unconfirmed_and_one_too_many_is_wrong() {
    let lab = Lab::new();
    let sealed = signed(&lab);
    let signature = sealed.signature.clone().unwrap();
    let kept = fs::read(&signature).unwrap();
    fs::remove_file(&signature).unwrap();
    let report = believed(&lab, &sealed);
    let key: KeyId = key_of(&lab).id();
    assert_eq!(
        (report.verdict, report.signature.clone()),
        (Verdict::Unconfirmed, SignatureCheck::Missing { key })
    );
    assert!(sentences(&report)[0].starts_with("there is no signature web-01_"), "{:?}", sentences(&report));
    // Beside a manifest that says nothing of one.
    let other = Lab::new();
    let unsigned = small(&other);
    fs::write(unsigned.manifest.with_extension("json.sig"), kept).unwrap();
    let report = by(&unsigned, &lab.keys().known().unwrap());
    assert_eq!((report.verdict, report.signature), (Verdict::Damaged, SignatureCheck::Wrong));
}

#[test]
fn after_a_rotation_what_either_key_signed_is_valid() {
    let lab = Lab::new();
    let first = signed(&lab);
    let before = key_of(&lab).id();
    lab.keys().rotate(provenance().finished_at).unwrap();
    let mut partial = lab.store.create(&guest(), &"b2".parse().unwrap()).unwrap();
    partial.capture_core(&core(&[8; 4096])[..]).unwrap();
    let (manifest, second) = partial.seal_signed(provenance(), &lab.signer()).unwrap();
    assert_ne!(manifest.signed_by.as_ref(), Some(&before));
    assert_eq!(believed(&lab, &first).signature, SignatureCheck::Valid { key: before });
    assert_eq!(believed(&lab, &second).signature, SignatureCheck::Valid { key: key_of(&lab).id() });
    assert_eq!(manifest.host_chain.unwrap().previous, Some(first.manifest_sha256), "the chain goes on");
}

#[test]
fn a_key_that_cannot_be_used_leaves_an_image_unsigned_and_the_manifest_says_why() {
    let lab = Lab::new();
    let signer = lab.signer();
    fs::set_permissions(lab.keys().path(), Permissions::from_mode(0o644)).unwrap();
    let mut partial = lab.partial();
    partial.capture_core(&core(&[7; 4096])[..]).unwrap();
    let (manifest, sealed) = partial.seal_signed(provenance(), &signer).unwrap();
    assert_eq!((manifest.signed_by, sealed.signature.clone()), (None, None));
    assert_eq!(manifest.host_chain.unwrap().number, 1, "it has its place all the same");
    let report = by(&sealed, &lab.keys().known().unwrap());
    assert_eq!(report.verdict, Verdict::Intact);
    let told = report.signature.to_string();
    assert!(told.starts_with("none: not signed: ") && told.contains("others can read"), "{told}");
}

#[test]
fn a_deleted_image_leaves_its_manifest_with_the_signature() {
    let lab = Lab::new();
    let sealed = signed(&lab);
    let removed = remove_stored(&sealed.image, &dump_id()).unwrap();
    let signature = sealed.signature.unwrap();
    assert!(!removed.contains(&signature) && signature.exists() && !sealed.image.exists());
    let stored = lab.store.manifests().unwrap().dumps;
    let found = signature_of_stored(&stored[0], &lab.keys().known().unwrap());
    assert_eq!(found, SignatureCheck::Valid { key: key_of(&lab).id() });
    assert_eq!(stored[0].manifest_path(), sealed.manifest);
}

#[test]
fn a_seal_that_fails_leaves_neither_files_nor_a_hole_in_the_chain() {
    let lab = Lab::new();
    let signer = lab.signer();
    let mut partial = lab.partial();
    partial.capture_core(&core(&[7; 4096])[..]).unwrap();
    // A directory in the place of the image: it cannot get its name.
    let image = partial.path().with_extension("");
    fs::create_dir(&image).unwrap();
    fs::write(image.join("full"), "").unwrap();
    partial.seal_signed(provenance(), &signer).unwrap_err();
    fs::remove_dir_all(&image).unwrap();
    assert_eq!(lab.files(), [""; 0]);
    let sealed = signed(&lab);
    assert_eq!(ManifestFile::read(&sealed.manifest).unwrap().manifest.host_chain.unwrap().number, 1);
}

#[test]
fn a_dump_whose_signature_is_left_from_another_is_not_begun() {
    let lab = Lab::new();
    let sealed = signed(&lab);
    let signature = sealed.signature.unwrap();
    for path in [&sealed.image, &sealed.manifest, &sealed.checksum] {
        fs::remove_file(path).unwrap();
    }
    let store = ImageStore::open(lab.store.dir()).unwrap();
    assert!(store.create(&guest(), &dump_id()).is_err());
    assert!(signature.exists());
}
