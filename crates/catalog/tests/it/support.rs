//! A catalog in a directory of its own, and short ways to make what goes into it.

use memdeck_catalog::{Catalog, Enqueued, GuestIdentity, Job, NewJob};
use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, DumpOptions, EndReason, GuestName, Millis, Record, Timestamp,
    VmRef,
};
use tempfile::TempDir;

pub struct TestCatalog {
    pub dir: TempDir,
    pub catalog: Catalog,
}

impl TestCatalog {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        Self { dir, catalog }
    }

    /// What the next process finds.
    pub fn reopen(self) -> Self {
        let Self { dir, catalog } = self;
        drop(catalog);
        let catalog = Catalog::open(dir.path()).unwrap();
        Self { dir, catalog }
    }

    /// Asks for a dump of an unresolved guest.
    pub fn ask(&self, dump_id: &str, vm: &str) -> Job {
        accepted(self.catalog.enqueue(new_job(dump_id, vm)).unwrap())
    }

    /// A dump that is completed, from the request to the record.
    pub fn completed(&self, dump_id: &str, vm: &str, at: i64) -> Record {
        self.ask(dump_id, vm);
        while self.catalog.job(&id(dump_id)).unwrap().unwrap().started_at.is_none() {
            self.catalog.start_next(u32::MAX, second(at)).unwrap().unwrap();
        }
        let record = record(dump_id, vm, at);
        self.catalog.complete(&id(dump_id), second(at + 1), "Dump completed", &record).unwrap();
        record
    }
}

/// The end of a dump that failed.
pub fn failed(detail: &str) -> EndReason {
    EndReason::HypervisorFailed { detail: detail.into() }
}

/// The end of a dump that somebody cancelled.
pub fn cancelled(by: &str) -> EndReason {
    EndReason::Cancelled { by: Actor::named(by), before_start: false }
}

pub fn accepted(enqueued: Enqueued) -> Job {
    match enqueued {
        Enqueued::Accepted(job) => job,
        Enqueued::AlreadyActive(job) | Enqueued::AskedBefore(job) => {
            panic!("{} is there already", job.dump_id)
        }
    }
}

pub fn already_active(enqueued: Enqueued) -> Job {
    match enqueued {
        Enqueued::AlreadyActive(job) => job,
        Enqueued::Accepted(job) | Enqueued::AskedBefore(job) => panic!("{} is not active", job.dump_id),
    }
}

pub fn id(text: &str) -> DumpId {
    text.parse().unwrap()
}

pub fn vm(text: &str) -> VmRef {
    VmRef::new(text).unwrap()
}

pub fn second(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_763_110_703_550_273 + seconds * 1_000_000).unwrap()
}

pub fn new_job(dump_id: &str, text: &str) -> NewJob {
    NewJob {
        dump_id: id(dump_id),
        vm: vm(text),
        asked_by_text: true,
        guest: None,
        requested_by: Actor::named("operator"),
        queued_at: second(0),
        options: DumpOptions::default(),
    }
}

pub fn guest(name: &str, vmid: u32) -> GuestIdentity {
    GuestIdentity {
        uuid: format!("uuid-of-{name}"),
        name: GuestName(name.to_owned()),
        vmid: vmid.to_string(),
    }
}

pub fn record(dump_id: &str, dom: &str, at: i64) -> Record {
    Record {
        sha256: Some("ab".repeat(32)),
        duration_sec: Some(1.25),
        gzip_size_bytes: Some(ByteCount(45_000_000)),
        ctime: Some(1_763_110_704),
        mtime: Some(1_763_110_705),
        atime: Some(1_763_110_706),
        dump_path: Some("/var/lib/memdeck/dumps/web-01.zst".to_owned()),
        dump_id: Some(id(dump_id)),
        host: Some("hv1".to_owned()),
        mode: Some(CaptureMode::Live),
        pause_ms: Some(Millis(45)),
        raw_size_bytes: Some(ByteCount(537_133_056)),
        format: Some("elf".to_owned()),
        codec: Some("zstd".to_owned()),
        point_in_time: Some(second(at + 1)),
        job_downtime_ms: Some(Millis(44)),
        iterations: Some(5),
        dirty_bytes_per_s: Some(ByteCount(104_857_600)),
        case: Some("IR-2026-17".parse().unwrap()),
        note: Some("Beacons to an unknown host.\nAsked by the night shift.".parse().unwrap()),
        ..Record::unknown(GuestName(dom.to_owned()), "7".to_owned(), second(at))
    }
}

/// A record as a service that is not memdeck tells it.
pub fn sparse_record(dom: &str, at: i64) -> Record {
    Record { ok: false, ..Record::unknown(GuestName(dom.to_owned()), "7".to_owned(), second(at)) }
}

pub fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.dump_id.as_str()).collect()
}
