use super::*;
use crate::GuestName;

fn record() -> Record {
    Record {
        sha256: Some("abcdef0123".to_owned()),
        case: Some("IR-2026-17".parse().unwrap()),
        note: Some("Beacons to 100%_sure".parse().unwrap()),
        host: Some("hv1".to_owned()),
        mode: Some(CaptureMode::Live),
        ..Record::unknown(
            GuestName("web-01".to_owned()),
            "17".to_owned(),
            Timestamp::from_unix_micros(1_000_000).unwrap(),
        )
    }
}

fn finds(search: &str) -> bool {
    RecordFilter { search: Some(search.parse().unwrap()), ..RecordFilter::default() }.matches(&record())
}

#[test]
fn ascii_is_found_in_whichever_case_a_platform_folds_to() {
    for wanted in ["kvm-02", "KVM-02", "m-0", "M-0", ""] {
        assert!(has_ascii(b"kvm-02", wanted.as_bytes()) && has_ascii(b"the KVM-02 host", wanted.as_bytes()));
    }
    assert!(!has_ascii(b"kvm-02", b"KVM-03") && !has_ascii(b"kv", b"kvm"));
}

#[test]
fn everything_is_found_by_any_part_of_it() {
    for found in [
        "w",
        "EB-0",
        " web ",
        "1",
        "7",
        "17",
        "ABC",
        "CDEF",
        "0123",
        "abcdef0123",
        "ir-2026",
        "beacons",
        "100%_s",
    ] {
        assert!(finds(found), "{found}");
    }
    for missed in ["web-02", "7x", "2_26", "b%c", "abcdefg", "f01234"] {
        assert!(!finds(missed), "{missed}");
    }
}

#[test]
fn letters_of_every_script_are_found_in_either_case() {
    let says = |note: &str| Record { note: Some(note.parse().unwrap()), ..record() };
    let finds = |search: &str, note: &str| {
        RecordFilter { search: Some(search.parse().unwrap()), ..RecordFilter::default() }.matches(&says(note))
    };
    for (one, other) in [
        ("GRÖSSE", "größe"),
        ("größe", "GRÖSSE"),
        ("Größe", "die grösse"),
        ("ΟΔΟΣ", "οδος"),
        ("ёлка", "ЁЛКА"),
    ] {
        assert!(finds(one, other), "{one} in {other}");
        assert!(finds(one, one) && finds(other, other));
    }
    assert!(!finds("grosse", "größe"), "accents count");
    assert!(!finds("größen", "GRÖSSE"));
}

#[test]
fn what_is_given_holds_together() {
    let at = |micros| Some(Timestamp::from_unix_micros(micros).unwrap());
    let filter = RecordFilter {
        from: at(1_000_000),
        to: at(1_000_001),
        state: Some(RecordState::Complete),
        host: Some("hv1".parse().unwrap()),
        mode: Some(CaptureMode::Live),
        ..RecordFilter::default()
    };
    assert!(filter.matches(&record()));
    for other in [
        RecordFilter { from: at(1_000_001), to: None, ..filter.clone() },
        RecordFilter { to: at(1_000_000), ..filter.clone() },
        RecordFilter { state: Some(RecordState::Failed), ..filter.clone() },
        RecordFilter { host: Some("HV1".parse().unwrap()), ..filter.clone() },
        RecordFilter { mode: Some(CaptureMode::Frozen), ..filter.clone() },
    ] {
        assert!(!other.matches(&record()), "{other:?}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_a_sentence() {
    for bad in ["", "  ", "a\0b", "a\nb", &"x".repeat(201)] {
        assert_eq!(bad.parse::<SearchText>(), Err(FilterError::Search), "{bad:?}");
    }
    assert!("é".repeat(200).parse::<SearchText>().is_ok());
    assert_eq!("".parse::<HostName>(), Err(FilterError::Host));
    assert_eq!("lost".parse::<RecordState>(), Err(FilterError::State));
    let at = |micros| Some(Timestamp::from_unix_micros(micros).unwrap());
    let backwards = RecordFilter { from: at(2), to: at(1), ..RecordFilter::default() };
    assert_eq!(backwards.check().unwrap_err().to_string(), "the end of the time range lies before its start");
}

#[test]
fn a_filter_crosses_the_wire_with_what_is_given_only() {
    assert_eq!(serde_json::to_string(&RecordFilter::default()).unwrap(), "{}");
    let filter: RecordFilter = serde_json::from_str(r#"{"search": "web", "state": "failed"}"#).unwrap();
    assert_eq!((filter.search.unwrap().as_str(), filter.state), ("web", Some(RecordState::Failed)));
    assert!(serde_json::from_str::<RecordFilter>(r#"{"search": ""}"#).is_err());
}
