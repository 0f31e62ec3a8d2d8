//! Dumps of other services.

use memdeck_catalog::{Adopted, DumpedGuest, RemoteDump};
use memdeck_model::{Actor, DumpStatus, GuestName, Record};

use crate::support::*;

const SERVICE: &str = "http://hv2:5001";

fn status(dump_id: &str, state: &str) -> DumpStatus {
    let json = serde_json::json!({"dump_id": dump_id, "vm": "7", "state": state, "progress": 1.0});
    serde_json::from_value(json).unwrap()
}

#[test]
fn what_was_asked_for_survives_what_the_service_tells_later() {
    let test = TestCatalog::new();
    let asked = RemoteDump {
        guest: Some(guest("web-01", 7)),
        requested_by: Some(Actor::Page),
        case: Some("IR-7".parse().unwrap()),
        ..RemoteDump::told(status("a", "running"), second(1))
    };
    test.catalog.remember_remote(SERVICE, std::slice::from_ref(&asked)).unwrap();
    test.catalog
        .remember_remote("http://hv3:5001", &[RemoteDump::told(status("a", "running"), second(5))])
        .unwrap();
    let told = RemoteDump::told(status("a", "failed"), second(2));
    test.catalog.remember_remote(SERVICE, std::slice::from_ref(&told)).unwrap();
    let kept = RemoteDump { status: told.status, changed_at: second(2), ..asked };
    assert_eq!(test.catalog.remote_dumps(SERVICE, 9).unwrap(), std::slice::from_ref(&kept));
    assert_eq!(test.catalog.remote_dumps(SERVICE, 0).unwrap(), []);
    assert_eq!(test.catalog.latest_remote(9).unwrap()[1], kept);
}

#[test]
fn a_service_that_makes_up_dumps_does_not_fill_the_catalog() {
    let test = TestCatalog::new();
    let told = |n: i64| RemoteDump::told(status(&format!("d{n}"), "failed"), second(n));
    let running = RemoteDump::told(status("running", "running"), second(0));
    test.catalog.remember_remote(SERVICE, &[running]).unwrap();
    for hundred in 0..25 {
        let dumps: Vec<_> = (0..100).map(|n| told(hundred * 100 + n)).collect();
        test.catalog.remember_remote(SERVICE, &dumps).unwrap();
    }
    let kept = test.catalog.remote_dumps(SERVICE, 9_000).unwrap();
    assert_eq!(kept.len(), 2_001, "and the one that goes on");
    assert_eq!(kept.last().unwrap().status.dump_id, id("d2499"));
}

#[test]
fn guests_that_were_dumped_for_somebody_are_told_with_host_and_uuid_as_far_as_they_are_known() {
    let test = TestCatalog::new();
    let by = Actor::named("the-run");
    let record_for = |dump_id: &str, dom: &str| Record {
        requested_by: Some(by.clone()),
        ok: true,
        ..record(dump_id, dom, 1)
    };
    let own = record_for("own", "db-01");
    let adopted = Adopted {
        record: &own,
        guest: &guest("db-01", 7),
        requested_by: &by,
        finished_at: second(2),
        message: "Dump completed",
    };
    assert!(test.catalog.adopt(&adopted).unwrap());
    let asked = RemoteDump {
        guest: Some(guest("db-01", 7)),
        ..RemoteDump::told(status("there", "completed"), second(1))
    };
    test.catalog.remember_remote(SERVICE, &[asked]).unwrap();
    let imported = [
        (1, record_for("there", "db-01")),
        (2, record_for("unasked", "web-01")),
        (3, record("other", "mail", 1)),
    ];
    test.catalog.import(SERVICE, &imported).unwrap();
    let told = |origin: Option<&str>, uuid: Option<&str>, name: &str| DumpedGuest {
        origin: origin.map(str::to_owned),
        uuid: uuid.map(str::to_owned),
        name: GuestName(name.to_owned()),
    };
    let expected = [
        told(None, Some("uuid-of-db-01"), "db-01"),
        told(Some(SERVICE), Some("uuid-of-db-01"), "db-01"),
        told(Some(SERVICE), None, "web-01"),
    ];
    assert_eq!(test.catalog.guests_dumped_for(&by).unwrap(), expected);
}
