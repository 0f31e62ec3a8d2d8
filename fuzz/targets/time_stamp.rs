//! Time stamps of manifests: no bytes do harm, and none tells another time than the one that was signed.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_signing::testing::{FOR_TIME_STAMPS, TestAuthority};
use memdeck_signing::{Authorities, StampRequest, TimeStamp, check_time_stamp};

const SHA_256: [u8; 32] = [7; 32];

struct Stamped {
    /// As the authority answered, and what is kept of it.
    responses: [Vec<u8>; 2],
    authorities: Authorities,
    stamp: TimeStamp,
}

static STAMPED: LazyLock<Stamped> = LazyLock::new(|| {
    let authority = TestAuthority::new("EC -pkeyopt ec_paramgen_curve:P-256", FOR_TIME_STAMPS, 1);
    let authorities = Authorities::from_pem(authority.root_pem().as_bytes()).expect("certificates");
    let request = StampRequest::of(SHA_256).expect("random bytes");
    let answer = authority.answer(request.der());
    let (stamp, kept) = request.accept(&answer, &authorities).expect("a stamp");
    Stamped { responses: [answer, kept], authorities, stamp }
});

fuzz_target!(
    init: LazyLock::force(&STAMPED),
    |data: &[u8]| {
        let Stamped { responses: [answer, kept], authorities, stamp } = &*STAMPED;
        let response = damaged(&mut Unstructured::new(data), &[answer, kept]);
        if let Ok(found) = check_time_stamp(&response, &SHA_256, authorities)
            && found.is_believed
        {
            assert_eq!((found.at, &found.by), (stamp.at, &stamp.by));
        }
    }
);
