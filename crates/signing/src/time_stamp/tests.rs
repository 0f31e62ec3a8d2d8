use std::fs;
use std::sync::LazyLock;

use der::Decode as _;
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;

use super::*;
use crate::testing::{FOR_TIME_STAMPS, TestAuthority, openssl};

const P_256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";
const P_384: &str = "EC -pkeyopt ec_paramgen_curve:P-384";
const RSA: &str = "RSA -pkeyopt rsa_keygen_bits:2048";
const SHA_256: [u8; 32] = [7; 32];

fn believed(authority: &TestAuthority) -> Authorities {
    Authorities::from_pem(authority.root_pem().as_bytes()).unwrap()
}

/// What is kept of an authority's answer.
fn stamped(authority: &TestAuthority) -> (TimeStamp, Vec<u8>) {
    let request = StampRequest::of(SHA_256).unwrap();
    request.accept(&authority.answer(request.der()), &believed(authority)).unwrap()
}

static AUTHORITY: LazyLock<(TestAuthority, Vec<u8>)> = LazyLock::new(|| {
    let authority = TestAuthority::new(P_256, FOR_TIME_STAMPS, 1);
    let kept = stamped(&authority).1;
    (authority, kept)
});

#[test]
fn the_stamps_of_openssl_hold_for_every_kind_of_key_and_openssl_takes_what_is_kept() {
    for (key, between) in [(P_256, 0), (P_384, 2), (RSA, 1)] {
        let authority = TestAuthority::new(key, FOR_TIME_STAMPS, between);
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let (stamp, kept) = stamped(&authority);
        assert_eq!(stamp.by, "CN=tsa.example,O=memdeck tests", "{key}");
        assert!(stamp.is_believed && stamp.is_bare, "{key}");
        let told = u64::try_from(stamp.at.unix_seconds()).unwrap();
        assert!((before..before + 60).contains(&told), "{key}: {}", stamp.at);
        assert_eq!(check_time_stamp(&kept, &SHA_256, &believed(&authority)).unwrap(), stamp);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kept.tsr"), &kept).unwrap();
        fs::write(dir.path().join("root.pem"), authority.root_pem()).unwrap();
        let digest = "07".repeat(SHA_256.len());
        let args = ["ts", "-verify", "-digest", &digest, "-in", "kept.tsr", "-CAfile", "root.pem"];
        openssl(dir.path(), &args);
    }
}

#[test]
fn an_answer_to_another_request_or_about_other_bytes_is_refused() {
    let (authority, kept) = &*AUTHORITY;
    let believed = believed(authority);
    let (one, other) = (StampRequest::of(SHA_256).unwrap(), StampRequest::of(SHA_256).unwrap());
    let answer = authority.answer(one.der());
    assert_eq!(other.accept(&answer, &believed), Err(StampFault::OtherRequest));
    assert_eq!(check_time_stamp(kept, &[8; 32], &believed), Err(StampFault::OtherBytes));
    let refused = authority.answer(b"nothing that anybody could read");
    assert!(
        matches!(one.accept(&refused, &believed), Err(StampFault::Refused(why)) if why.starts_with("status 2"))
    );
}

#[test]
fn an_authority_that_nobody_vouches_for_is_told_and_not_accepted() {
    let (authority, kept) = &*AUTHORITY;
    let other = TestAuthority::new(P_256, FOR_TIME_STAMPS, 0);
    for nobody in [Authorities::default(), believed(&other)] {
        assert!(!check_time_stamp(kept, &SHA_256, &nobody).unwrap().is_believed);
        let request = StampRequest::of(SHA_256).unwrap();
        let refused = request.accept(&authority.answer(request.der()), &nobody);
        assert!(matches!(refused, Err(StampFault::NotBelieved { by }) if by.starts_with("CN=tsa.example")));
    }
}

#[test]
fn only_a_certificate_for_time_stamps_and_nothing_else_is_one_of_an_authority() {
    let usages = [
        (FOR_TIME_STAMPS, true),
        ("extendedKeyUsage=timeStamping", false),
        ("extendedKeyUsage=critical,timeStamping,serverAuth", false),
        ("extendedKeyUsage=critical,serverAuth", false),
        ("keyUsage=critical,digitalSignature", false),
    ];
    for (usage, is_one) in usages {
        let pem = TestAuthority::new(P_256, usage, 0).certificate_pem();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!(authority::is_for_time_stamps(&certificate), is_one, "{usage}");
    }
}

#[test]
fn what_nobody_vouches_for_is_not_kept_and_is_told_where_it_is() {
    let (authority, kept) = &*AUTHORITY;
    let request = StampRequest::of(SHA_256).unwrap();
    let answer = authority.answer(request.der());
    // The certificates of the root and of somebody else.
    assert!(answer.len() > kept.len() + 100, "{} and {}", answer.len(), kept.len());
    let stamp = check_time_stamp(&answer, &SHA_256, &believed(authority)).unwrap();
    assert!(stamp.is_believed && !stamp.is_bare, "{stamp:?}");
}

#[test]
fn whoever_believes_the_root_or_one_below_it_believes_what_was_kept_for_the_other() {
    let authority = TestAuthority::new(P_256, FOR_TIME_STAMPS, 1);
    let (root, below) = (authority.root_pem(), authority.between_pem(0));
    let all = [root.clone(), below.clone(), format!("{below}{root}")];
    let authorities: Vec<_> = all.iter().map(|pem| Authorities::from_pem(pem.as_bytes()).unwrap()).collect();
    // Of one below the root alone, nobody knows how the root vouches for it.
    for (kept_for, believed_by) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
        let request = StampRequest::of(SHA_256).unwrap();
        let answer = authority.answer(request.der());
        let (_, kept) = request.accept(&answer, &authorities[kept_for]).unwrap();
        let stamp = check_time_stamp(&kept, &SHA_256, &authorities[believed_by]).unwrap();
        assert!(stamp.is_believed && stamp.is_bare, "kept for {kept_for}, believed by {believed_by}");
    }
}

#[test]
fn an_authority_that_made_a_key_of_another_kind_is_not_known_and_nothing_is_wrong() {
    let (_, kept) = &*AUTHORITY;
    for key in [P_384, RSA] {
        let anew = TestAuthority::new(key, FOR_TIME_STAMPS, 0);
        assert!(!check_time_stamp(kept, &SHA_256, &believed(&anew)).unwrap().is_believed, "{key}");
    }
}

#[test]
fn files_without_certificates_name_no_authorities() {
    assert_eq!(Authorities::from_pem(b""), Err(AuthoritiesFault::None));
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let two = format!("{}{broken}", AUTHORITY.0.root_pem());
    assert!(matches!(
        Authorities::from_pem(two.as_bytes()),
        Err(AuthoritiesFault::Unusable { number: 2, .. })
    ));
}

#[test]
fn every_flipped_bit_of_a_kept_stamp_is_found() {
    for (key, between) in [(P_256, 1), (RSA, 0)] {
        let authority = TestAuthority::new(key, FOR_TIME_STAMPS, between);
        let (believed, kept) = (believed(&authority), stamped(&authority).1);
        let is_confirmed = |response: &[u8]| {
            check_time_stamp(response, &SHA_256, &believed)
                .is_ok_and(|found| found.is_believed && found.is_bare)
        };
        assert!(is_confirmed(&kept));
        for at in 0..kept.len() {
            for bit in 0..8 {
                let mut flipped = kept.clone();
                flipped[at] ^= 1 << bit;
                assert!(!is_confirmed(&flipped), "{key}: bit {bit} of byte {at}");
            }
        }
        for length in 0..kept.len() {
            assert!(
                check_time_stamp(&kept[..length], &SHA_256, &believed).is_err(),
                "{key}: cut to {length}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check_time_stamp(&bytes, &SHA_256, &Authorities::default()).is_err());
    }

    #[test]
    fn what_is_changed_in_a_stamp_makes_it_none_and_no_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8)
    ) {
        let (authority, kept) = &*AUTHORITY;
        let mut changed = kept.clone();
        for (place, byte, how) in changes {
            let at = place.index(changed.len());
            match how {
                0 => changed[at] = byte,
                1 => changed.insert(at, byte),
                _ => drop(changed.remove(at)),
            }
        }
        let found = check_time_stamp(&changed, &SHA_256, &believed(authority));
        prop_assert!(changed == *kept || !found.is_ok_and(|found| found.is_believed && found.is_bare));
    }
}
