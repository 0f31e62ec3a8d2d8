//! When the manifest was there, and who says so.

use std::fs;
use std::path::PathBuf;

use memdeck_model::TimeStampCheck;
use memdeck_signing::testing::{FOR_TIME_STAMPS, TestAuthority};
use memdeck_signing::{Authorities, StampRequest};

use super::check;
use crate::format::companions::{TIME_STAMP_SUFFIX, companion};
use crate::read::manifest::manifest_digest;
use crate::testing::{Lab, core};
use crate::verify::*;
use crate::{Sealed, keep_time_stamp};

struct Stamped {
    lab: Lab,
    sealed: Sealed,
    authorities: Authorities,
    /// The answer before anything was left out of it.
    answer: Vec<u8>,
    stamp: PathBuf,
}

impl Stamped {
    fn new() -> Self {
        Self::of(|_| {})
    }

    /// Of a manifest that was changed before it was stamped.
    fn of(change: impl FnOnce(&mut String)) -> Self {
        let lab = Lab::new();
        let sealed = lab.store_signed(&core(&[7; 3 * 4096]));
        let mut json = fs::read_to_string(&sealed.manifest).unwrap();
        change(&mut json);
        fs::write(&sealed.manifest, json).unwrap();
        let authority = authority();
        let authorities = Authorities::from_pem(authority.root_pem().as_bytes()).unwrap();
        let request = StampRequest::of(manifest_digest(&sealed.image).unwrap()).unwrap();
        let answer = authority.answer(request.der());
        let (_, kept) = request.accept(&answer, &authorities).unwrap();
        keep_time_stamp(&sealed.image, &kept).unwrap();
        let stamp = companion(&sealed.image, TIME_STAMP_SUFFIX);
        Self { lab, sealed, authorities, answer, stamp }
    }

    fn found(&self, authorities: &Authorities) -> VerifyReport {
        let mut report = check(&self.sealed.image);
        check_signature(&mut report, &self.lab.keys().known().unwrap());
        check_time_stamp(&mut report, authorities);
        report
    }
}

fn authority() -> TestAuthority {
    TestAuthority::new("EC -pkeyopt ec_paramgen_curve:P-256", FOR_TIME_STAMPS, 0)
}

#[test]
fn a_stamp_by_an_authority_that_is_believed_holds_and_another_confirms_nothing() {
    let stamped = Stamped::new();
    let report = stamped.found(&stamped.authorities);
    assert_eq!((report.verdict, &report.findings[..]), (Verdict::Intact, &[][..]));
    assert!(
        matches!(&report.time_stamp, TimeStampCheck::Valid { by, .. } if by.starts_with("CN=tsa.example"))
    );
    // Without any authority nobody expects to know whose it is.
    let report = stamped.found(&Authorities::default());
    assert_eq!(report.verdict, Verdict::Intact);
    assert!(matches!(report.time_stamp, TimeStampCheck::UnknownAuthority { .. }));
    let other = Authorities::from_pem(authority().root_pem().as_bytes()).unwrap();
    let report = stamped.found(&other);
    assert_eq!(report.verdict, Verdict::Unconfirmed);
    assert!(
        matches!(&report.findings[..], [Finding::StampedByUnknownAuthority { .. }]),
        "{:?}",
        report.findings
    );
}

#[test]
fn a_stamp_of_another_manifest_or_a_changed_one_is_damage_and_a_missing_one_is_not() {
    let stamped = Stamped::new();
    let whole = fs::read(&stamped.stamp).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let of_another = fs::read(Stamped::new().stamp).unwrap();
    for content in [&flipped[..], &of_another, &whole[1..], b""] {
        fs::write(&stamped.stamp, content).unwrap();
        let report = stamped.found(&stamped.authorities);
        assert_eq!((report.verdict, report.time_stamp), (Verdict::Damaged, TimeStampCheck::Wrong));
    }
    fs::remove_file(&stamped.stamp).unwrap();
    let report = stamped.found(&stamped.authorities);
    assert_eq!((report.verdict, report.time_stamp), (Verdict::Intact, TimeStampCheck::None));
    let report = stamped.found(&stamped.authorities.clone().demanded());
    assert_eq!((report.verdict, &report.findings[..]), (Verdict::Unconfirmed, &[Finding::Unstamped][..]));
}

#[test]
fn what_nobody_vouches_for_in_a_stamp_is_said_and_is_no_damage() {
    let stamped = Stamped::new();
    fs::write(&stamped.stamp, &stamped.answer).unwrap();
    let report = stamped.found(&stamped.authorities);
    assert_eq!(report.verdict, Verdict::Unconfirmed, "{:?}", report.findings);
    assert!(matches!(report.time_stamp, TimeStampCheck::Valid { .. }));
    assert!(matches!(&report.findings[..], [Finding::TimeStampUnconfirmed { .. }]), "{:?}", report.findings);
}

#[test]
fn a_stamp_from_before_the_dump_began_confirms_nothing() {
    let began = "\"started_at\": \"2025-";
    let stamped = Stamped::of(|json| {
        assert!(json.contains(began), "{json}");
        *json = json.replace(began, "\"started_at\": \"2225-");
    });
    let report = stamped.found(&stamped.authorities);
    assert!(matches!(report.time_stamp, TimeStampCheck::Valid { .. }));
    let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.ends_with("before the dump began: a clock was wrong")), "{told:?}");
}
