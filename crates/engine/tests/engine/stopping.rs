//! The end of an engine: what runs may end, is cancelled, or is left behind, and each is told.

use std::time::{Duration, Instant};

use memdeck_engine::Ended;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::ModeChoice::Frozen;
use memdeck_model::{EndReason, JobState};

use crate::support::*;

#[test]
fn a_stop_tells_how_many_dumps_it_cancelled() {
    let bench = Bench::with_guests(&["db-01", "web-01"]);
    let engine = bench.engine(2);
    assert_eq!(engine.shutdown(), Ended::default(), "nothing ran");
    drop(engine);
    let engine = bench.engine(2);
    let mut ids = Vec::new();
    for name in ["db-01", "web-01"] {
        bench.hypervisor.next_dump(name, &[Fault::StallsAt(1 << 20)]);
        ids.push(trigger(&engine, name, Frozen).dump_id);
        bench.hypervisor.wait_until_stalled(name);
    }
    assert_eq!(engine.shutdown(), Ended { cancelled: 2, left_behind: 0 });
    drop(engine);
    for dump_id in ids {
        let job = bench.catalog().job(&dump_id).unwrap().unwrap();
        assert_eq!((job.state, job.end_reason), (JobState::Cancelled, Some(EndReason::Shutdown)));
    }
}

#[test]
fn a_dump_that_does_not_end_although_it_was_cancelled_does_not_hold_up_the_stop() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    bench.hypervisor.set_silent("db-01", true);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    trigger(&engine, "db-01", Frozen);
    bench.hypervisor.wait_until_stalled("db-01");
    let began = Instant::now();
    assert_eq!(engine.shutdown(), Ended { cancelled: 0, left_behind: 1 });
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    bench.hypervisor.set_silent("db-01", false);
}
