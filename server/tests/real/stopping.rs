//! A service is asked to end while it dumps real guests.

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

#[test]
fn dumps_under_way_outlive_a_reload_and_end_well_before_a_service_ends_that_was_stopped() {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let held = Held::in_the_middle(Home::new(), "frozen", &db, &web);
    let names = held.names();
    held.serve.reload();
    held.serve.begin_to_end();
    assert_eq!(db.state(), "paused", "the dump goes on");
    held.release();
    let (home, code, operators) = held.wait_for_exit();
    assert_eq!(code, Some(0));
    assert_eq!((db.state(), web.state()), ("running".to_owned(), "paused".to_owned()));
    let serve = Service::start(&home, "serve", &[]);
    for name in names {
        let dump = serve.get(&format!("/api/memory-dumps/status/{name}"));
        assert_eq!(dump["job_state"], "completed", "{dump}");
    }
    drop(operators);
}
