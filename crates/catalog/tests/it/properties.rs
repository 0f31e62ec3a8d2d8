//! Whatever is done in whatever order, the catalog keeps its promises.

use std::collections::{BTreeMap, BTreeSet};

use memdeck_catalog::{Catalog, GuestIdentity, Intent, NewJob};
use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, EndReason, GuestName, JobState, Message, Millis, Record,
    RecordQuery, Remark, Timestamp,
};
use proptest::option::of;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::*;

/// What can happen to a catalog. Dumps and guests are small numbers, so that sequences meet the same ones again.
#[derive(Clone, Debug)]
enum Step {
    Enqueue { dump: u8, vm: u8, resolved: Option<u8> },
    Start { limit: u32 },
    Identify { dump: u8, guest: u8 },
    Decide { dump: u8, frozen: bool },
    Intend { dump: u8, guest: u8, was_running: bool },
    Settle { dump: u8 },
    Complete { dump: u8 },
    End { dump: u8, cancelled: bool },
    Crash,
    Import { dump: u8, named: bool },
    Acknowledge,
    Defer,
}

fn step() -> impl Strategy<Value = Step> {
    let dump = 0..12_u8;
    let guest = 0..4_u8;
    prop_oneof![
        6 => (dump.clone(), guest.clone(), of(guest.clone()))
            .prop_map(|(dump, vm, resolved)| Step::Enqueue { dump, vm, resolved }),
        6 => (0..4_u32).prop_map(|limit| Step::Start { limit }),
        4 => (dump.clone(), guest.clone()).prop_map(|(dump, guest)| Step::Identify { dump, guest }),
        2 => (dump.clone(), any::<bool>()).prop_map(|(dump, frozen)| Step::Decide { dump, frozen }),
        4 => (dump.clone(), guest, any::<bool>())
            .prop_map(|(dump, guest, was_running)| Step::Intend { dump, guest, was_running }),
        2 => dump.clone().prop_map(|dump| Step::Settle { dump }),
        6 => dump.clone().prop_map(|dump| Step::Complete { dump }),
        2 => (dump.clone(), any::<bool>()).prop_map(|(dump, cancelled)| Step::End { dump, cancelled }),
        1 => Just(Step::Crash),
        1 => (dump, any::<bool>()).prop_map(|(dump, named)| Step::Import { dump, named }),
        1 => Just(Step::Acknowledge),
        1 => Just(Step::Defer),
    ]
}

fn numbered(guest_number: u8) -> GuestIdentity {
    guest(&format!("vm-{guest_number}"), u32::from(guest_number))
}

fn dump_id(number: u8) -> DumpId {
    id(&format!("d{number}"))
}

/// What the catalog has been told, and so must still know.
#[derive(Default)]
struct Promises {
    /// Dumps that have a record.
    records: BTreeSet<String>,
    /// Points that left the outbox.
    acknowledged: u64,
    /// Intents that are not settled, by dump: the guest and whether it ran.
    intents: BTreeMap<String, (String, bool)>,
}

/// Does one step; refusals are part of life.
fn run(catalog: &Catalog, step: &Step, at: i64, promises: &mut Promises) {
    match *step {
        Step::Enqueue { dump, vm, resolved } => {
            let guest = resolved.map(numbered);
            let job = NewJob { guest, ..new_job(dump_id(dump).as_str(), &format!("vm-{vm}")) };
            let _refused_or_not = catalog.enqueue(job);
        }
        Step::Start { limit } => {
            catalog.start_next(limit, second(at)).unwrap();
        }
        Step::Identify { dump, guest } => {
            let _refused_or_not = catalog.identify(&dump_id(dump), &numbered(guest));
        }
        Step::Decide { dump, frozen } => {
            let mode = if frozen { CaptureMode::Frozen } else { CaptureMode::Live };
            let fallback = frozen.then(|| Message::from("did not converge"));
            if let Ok(job) = catalog.decide(&dump_id(dump), mode, fallback.as_ref()) {
                assert!(!job.state.is_final() && job.mode == Some(mode) && job.fallback == fallback);
            }
        }
        Step::Intend { dump, guest, was_running } => {
            let (dump, guest) = (dump_id(dump), numbered(guest).uuid);
            let intent = Intent {
                dump_id: dump.clone(),
                guest_uuid: guest.clone(),
                was_running,
                max_downtime: None,
                owns_unexplained_pause: false,
            };
            if catalog.intend(&intent).is_ok() {
                let noted = promises.intents.entry(dump.to_string()).or_insert((guest.clone(), was_running));
                assert_eq!(noted.0, guest, "an intent was accepted and not noted");
            }
        }
        Step::Settle { dump } => {
            catalog.settle(&dump_id(dump)).unwrap();
            promises.intents.remove(dump_id(dump).as_str());
        }
        Step::Complete { dump } => {
            let dump = dump_id(dump);
            if catalog.complete(&dump, second(at), "done", &record(dump.as_str(), "vm", at)).is_ok() {
                promises.records.insert(dump.to_string());
            }
        }
        Step::End { dump, cancelled: is_cancelled } => {
            let reason = if is_cancelled { cancelled("operator") } else { failed("ended") };
            let _refused_or_not = catalog.end(&dump_id(dump), &reason, second(at));
        }
        Step::Crash => {
            catalog.recover(second(at), &EndReason::LostInRestart).unwrap();
        }
        Step::Import { dump, named } => {
            let record =
                if named { record(&format!("foreign-{dump}"), "vm", at) } else { sparse_record("vm", at) };
            catalog.import("http://hv2:5001", &[(1, record)]).unwrap();
        }
        Step::Acknowledge => {
            for entry in catalog.outbox_next(1).unwrap() {
                catalog.outbox_acknowledge(entry.id).unwrap();
                promises.acknowledged += 1;
            }
        }
        Step::Defer => {
            for entry in catalog.outbox_next(1).unwrap() {
                catalog.outbox_defer(entry.id, "unreachable").unwrap();
            }
        }
    }
}

fn check(catalog: &Catalog, promises: &Promises) {
    let mut active_guests = BTreeSet::new();
    for job in catalog.active_jobs().unwrap() {
        assert!(!job.state.is_final() && job.finished_at.is_none() && job.record.is_none());
        if let Some(guest) = job.guest {
            assert!(active_guests.insert(guest.uuid), "two active jobs of one guest");
        }
    }

    let intents = catalog.intents().unwrap().into_iter();
    let intents: BTreeMap<String, (String, bool)> = intents
        .map(|Intent { dump_id, guest_uuid, was_running, .. }| (dump_id.into(), (guest_uuid, was_running)))
        .collect();
    assert_eq!(intents, promises.intents, "an intent vanished, changed or appeared");

    let own = catalog.records_since(0, u32::MAX).unwrap();
    let mut completed = BTreeMap::new();
    for number in 0..12 {
        let Some(job) = catalog.job(&dump_id(number)).unwrap() else { continue };
        assert_eq!(job.state == JobState::Completed, job.record.is_some());
        assert_eq!(job.state.is_final(), job.finished_at.is_some());
        if let Some(record) = job.record {
            completed.insert(job.dump_id.to_string(), record);
        }
    }
    let names: Vec<String> =
        own.iter().map(|(_, record)| record.dump_id.as_ref().unwrap().to_string()).collect();
    assert_eq!(
        names.iter().cloned().collect::<BTreeSet<_>>(),
        promises.records,
        "a record vanished or appeared"
    );
    assert_eq!(names.len(), completed.len(), "a completed job has exactly one record");
    for (_, record) in &own {
        assert_eq!(completed.get(record.dump_id.as_ref().unwrap().as_str()), Some(record));
    }
    let told = catalog.outbox_len().unwrap() + promises.acknowledged;
    assert_eq!(told, u64::try_from(completed.len()).unwrap());

    let page = catalog.records(&RecordQuery::newest(1000, 0)).unwrap();
    assert_eq!((page.count, page.total), (page.total, catalog.stats().unwrap().total_dumps));
    assert!(page.records.is_sorted_by_key(|record| std::cmp::Reverse(record.timestamp)));
}

fn any_record() -> impl Strategy<Value = Record> {
    let text = || any::<String>();
    let instant = || {
        (-377_705_023_201_000_000_i64..253_402_207_200_000_000)
            .prop_map(|micros| Timestamp::from_unix_micros(micros).unwrap())
    };
    let remark = || of(text().prop_filter_map("no remark", |text| text.parse::<Remark>().ok()));
    let size = || of((0..=i64::MAX.unsigned_abs()).prop_map(ByteCount));
    let names = (instant(), text(), text(), of("[A-Za-z0-9_-]{1,64}"), of(text()), of(text()), of(text()));
    let numbers =
        (of(-1e300..1e300_f64), size(), size(), of(any::<i64>()), of(any::<i64>()), of(any::<i64>()));
    let rest = (
        of(prop_oneof![Just(CaptureMode::Live), Just(CaptureMode::Frozen)]),
        of(0..=i64::MAX.unsigned_abs()),
        of(text()),
        of(text()),
        any::<bool>(),
    );
    let count = || of(0..=i64::MAX.unsigned_abs());
    let live = (of(instant()), of(text()), count(), count(), size(), any::<bool>(), remark(), remark());
    let actor = || {
        let any_name = text().prop_map(|name| Actor::named(&name));
        let of_dashboard = text().prop_map(|host| Actor::Page.by_way_of(&format!("{host:?}")));
        of(prop_oneof![Just(Actor::Page), Just(Actor::Api), any_name, of_dashboard])
    };
    let deleted = (of(instant()), actor(), actor());
    let promised = (
        of(text()),
        of(text()),
        of(instant()),
        of(text()),
        of("[A-Za-z0-9_-]{1,64}".prop_map(|text| id(&text))),
    );
    (names, numbers, rest, live, deleted, promised).prop_map(
        |(
            (timestamp, dom, vmid, dump_id, host, sha256, dump_path),
            (duration_sec, raw_size_bytes, gzip_size_bytes, ctime, mtime, atime),
            (mode, pause_ms, format, codec, ok),
            (point_in_time, fallback, downtime, iterations, dirty_bytes_per_s, encrypted, case, note),
            (deleted_at, deleted_by, requested_by),
            (manifest_sha256, digests_root, rebuilt_at, guest_uuid, difference_of),
        )| Record {
            timestamp,
            time: timestamp,
            dom: GuestName(dom),
            vmid,
            sha256,
            duration_sec,
            gzip_size_bytes,
            ctime,
            mtime,
            atime,
            dump_path,
            dump_id: dump_id.map(|text| id(&text)),
            host,
            guest_uuid,
            mode,
            pause_ms: pause_ms.map(Millis),
            raw_size_bytes,
            format,
            codec,
            difference_of,
            ok,
            point_in_time,
            fallback: fallback.map(Message::from),
            job_downtime_ms: downtime.map(Millis),
            iterations,
            dirty_bytes_per_s,
            encrypted,
            requested_by,
            case,
            note,
            manifest_sha256,
            digests_root,
            rebuilt_at,
            altered: false,
            foreign: None,
            deleted_at,
            deleted_by,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        let dir = TempDir::new().unwrap();
        let mut catalog = Catalog::open(dir.path()).unwrap();
        let mut promises = Promises::default();
        for (at, step) in (0..).zip(&steps) {
            if matches!(step, Step::Crash) {
                drop(catalog);
                catalog = Catalog::open(dir.path()).unwrap();
            }
            run(&catalog, step, at, &mut promises);
            if matches!(step, Step::Crash) {
                let running = catalog.active_jobs().unwrap().iter().any(|job| job.state == JobState::Running);
                prop_assert!(!running, "after a restart nothing runs");
            }
            check(&catalog, &promises);
        }
    }

    #[test]
    fn any_record_is_read_back_as_it_was_written(record in any_record()) {
        let dir = TempDir::new().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        catalog.import("http://hv2:5001", &[(1, record.clone())]).unwrap();
        let page = catalog.records(&RecordQuery::newest(1, 0)).unwrap();
        prop_assert_eq!(page.records, vec![record]);
    }
}
