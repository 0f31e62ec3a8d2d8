//! One memdeck on a simulated hypervisor.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, Enqueued, Intent, NewJob};
use memdeck_engine::{Clock, Engine, EngineParts, EngineSettings, ManualClock, NoGuardian, Volume};
use memdeck_hypervisor::Hypervisor as _;
use memdeck_hypervisor::simulated::Simulated;
use memdeck_image::{ElfScanner, ImageStore, SegmentKind, StoreError};
use memdeck_model::ModeChoice::Frozen;
use memdeck_model::{
    Actor, ByteCount, DumpId, DumpOptions, DumpStatus, EndReason, Event, GuestState, Millis, ModeChoice,
    Timestamp, VmRef, WaitsFor,
};
use memdeck_signing::{HostSigner, KeyFiles};
use tokio::sync::broadcast;

pub const TIME_LIMIT: Duration = Duration::from_mins(1);
pub const LIVE_TIME_BUDGET: Duration = Duration::from_secs(20);

/// One memdeck on one state directory; engines come and go.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub hypervisor: Simulated,
    pub clock: ManualClock,
    /// Instead of the one that the images are on.
    pub volume: Option<Arc<dyn Volume>>,
    pub frozen_pause_limit: Duration,
    /// Asked whom requests mean, instead of the hypervisor that dumps.
    pub lookup: Option<Simulated>,
}

/// A volume that has so many MiB free, whatever is written to it.
struct Free(u64);

impl Volume for Free {
    fn free_bytes(&self) -> Result<ByteCount, StoreError> {
        Ok(ByteCount::from_mib(self.0))
    }
}

impl Bench {
    pub fn new() -> Self {
        let start = Timestamp::from_unix_micros(1_763_110_703_550_273).unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            hypervisor: Simulated::new(),
            clock: ManualClock::starting_at(start),
            volume: None,
            frozen_pause_limit: Duration::from_secs(30),
            lookup: None,
        }
    }

    pub fn on_volume_with(mut self, free_mib: u64) -> Self {
        self.volume = Some(Arc::new(Free(free_mib)));
        self
    }

    pub fn with_guests(names: &[&str]) -> Self {
        let bench = Self::new();
        for name in names {
            drop(bench.hypervisor.add_guest(name, ByteCount::from_mib(3)));
        }
        bench
    }

    pub fn catalog(&self) -> Catalog {
        Catalog::open(self.dir.path()).unwrap()
    }

    pub fn store(&self) -> ImageStore {
        ImageStore::open(&self.dir.path().join("dumps")).unwrap()
    }

    pub fn engine(&self, max_parallel: u32) -> Engine {
        self.engine_by(Arc::new(self.clock.clone()), max_parallel)
    }

    /// An engine that lives by this clock.
    pub fn engine_by(&self, clock: Arc<dyn Clock>, max_parallel: u32) -> Engine {
        KeyFiles::of(self.dir.path()).read_or_make(self.clock.now()).unwrap();
        Engine::start(EngineParts {
            catalog: Arc::new(self.catalog()),
            hypervisor: Arc::new(self.hypervisor.clone()),
            lookup: Arc::new(self.lookup.clone().unwrap_or_else(|| self.hypervisor.clone())),
            store: self.store(),
            signer: Arc::new(HostSigner::of(self.dir.path())),
            volume: self.volume.clone().unwrap_or_else(|| Arc::new(self.store())),
            clock,
            guardian: Arc::new(NoGuardian),
            settings: EngineSettings {
                max_parallel: NonZeroU32::new(max_parallel).unwrap(),
                time_limit: TIME_LIMIT,
                pause_budget: Duration::from_millis(60),
                live_time_budget: LIVE_TIME_BUDGET,
                live_bandwidth_mibps: 0,
                frozen_pause_limit: self.frozen_pause_limit,
                full_every: NonZeroU32::new(3).unwrap(),
                shutdown_grace: Duration::ZERO,
            },
        })
        .unwrap()
    }

    /// The names of all files in the dump directory.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("dumps")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub fn vm(name: &str) -> VmRef {
    VmRef::new(name).unwrap()
}

pub fn trigger(engine: &Engine, name: &str, mode: ModeChoice) -> DumpStatus {
    let options = DumpOptions { mode, ..DumpOptions::default() };
    engine.trigger(&[vm(name)], &options, &Actor::named("a test")).unwrap().remove(name).unwrap()
}

/// Waits until a dump that runs says that it waits for this.
pub fn wait_until_it_waits_for(
    events: &mut broadcast::Receiver<Event>,
    dump_id: &DumpId,
    waits_for: WaitsFor,
) -> DumpStatus {
    loop {
        if let Event::Dump(status) = events.blocking_recv().unwrap()
            && status.dump_id == *dump_id
            && status.waits_for == Some(waits_for)
        {
            assert_eq!(status.message.to_string(), waits_for.to_string());
            return *status;
        }
    }
}

/// Waits for the end of a dump.
pub fn end_of(events: &mut broadcast::Receiver<Event>, dump_id: &DumpId) -> DumpStatus {
    loop {
        if let Event::Dump(status) = events.blocking_recv().unwrap()
            && status.dump_id == *dump_id
            && status.exact_state().is_final()
        {
            return *status;
        }
    }
}

/// Ada cancelled it.
pub fn cancelled_by_ada(before_start: bool) -> EndReason {
    EndReason::Cancelled { by: Actor::named("ada"), before_start }
}

/// Every status of a dump until it has ended.
pub fn statuses_until_the_end(events: &mut broadcast::Receiver<Event>, dump_id: &DumpId) -> Vec<DumpStatus> {
    let mut told = Vec::new();
    loop {
        if let Event::Dump(status) = events.blocking_recv().unwrap()
            && status.dump_id == *dump_id
        {
            let is_final = status.exact_state().is_final();
            told.push(*status);
            if is_final {
                return told;
            }
        }
    }
}

/// Dumps a guest of this name frozen to the end.
pub fn dump(bench: &Bench, name: &str) -> DumpStatus {
    dump_as(bench, name, Frozen)
}

/// Dumps a guest of this name to the end.
pub fn dump_as(bench: &Bench, name: &str, mode: ModeChoice) -> DumpStatus {
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, name, mode).dump_id;
    end_of(&mut events, &dump_id)
}

/// The state in which a process that was killed leaves the catalog: a job running.
pub fn job_of_a_dead_process(bench: &Bench, name: &str) -> DumpId {
    let catalog = bench.catalog();
    let dump_id = DumpId::from_uuid_bits(uuid::Uuid::new_v4().as_u128());
    let at = Timestamp::from_unix_micros(1_000_000).unwrap();
    let job = NewJob {
        dump_id: dump_id.clone(),
        vm: vm(name),
        asked_by_text: true,
        guest: None,
        options: DumpOptions::default(),
        requested_by: Actor::named("a test"),
        queued_at: at,
    };
    assert!(matches!(catalog.enqueue(job).unwrap(), Enqueued::Accepted(_)));
    assert!(catalog.start_next(9, at).unwrap().is_some());
    dump_id
}

/// The state in which a process that was killed while `db-01` was stopped leaves everything.
pub fn guest_left_paused_by_a_dead_process(bench: &Bench, was_running: bool) {
    let dump_id = job_of_a_dead_process(bench, "db-01");
    let uuid = bench.hypervisor.resolve(&vm("db-01")).unwrap().uuid;
    let intent = Intent {
        dump_id,
        guest_uuid: uuid,
        was_running,
        max_downtime: Some(Millis(300)),
        owns_unexplained_pause: false,
    };
    bench.catalog().intend(&intent).unwrap();
    bench.hypervisor.set_state("db-01", GuestState::Paused);
}

/// The file that `memdeck export` would write.
pub fn exported(status: &DumpStatus) -> Vec<u8> {
    let path = status.record.as_ref().unwrap().dump_path.clone().unwrap();
    let mut bytes = Vec::new();
    memdeck_image::export(Path::new(&path), &mut bytes).unwrap();
    bytes
}

/// The contents of every loadable segment, one after the other.
pub fn loadable(elf: &[u8]) -> Vec<u8> {
    let mut scanner = ElfScanner::new();
    scanner.push(elf).unwrap();
    let segments = scanner.into_core().unwrap().segments;
    let load = segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    load.flat_map(|segment| {
        let start = usize::try_from(segment.offset_bytes.0).unwrap();
        elf[start..start + usize::try_from(segment.file_bytes.0).unwrap()].to_vec()
    })
    .collect()
}
