//! Whatever comes to a stand beside a dump: its guest stands still for no longer than its operator allows.
//!
//! Each test holds a dump in its middle, lets one thing stall there and lets the dump go on into that. How long the guest
//! was stopped comes from QEMU's own events.

mod asked;
mod begin;

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::lab::{LabGuest, lab};
use crate::pauses::PauseWatch;
use crate::support::{GENEROUS_PAUSE_MS, Home, PATIENCE, Service, holds_at_points};
use begin::{LockedCatalog, SilentInflux, UnreadPages, intents};

/// `FROZEN_PAUSE_LIMIT`, and how long a guest may stand still by that.
const LIMIT_S: u64 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(LIMIT_S + 1);
/// So long that a guest which waits for the end of it is found out.
const STALL: Duration = Duration::from_secs(6);
/// Longer than a catalog is waited for before a call gives up.
const LONG_LOCK: Duration = Duration::from_secs(8);
/// From the stop of the whole process to a guest that runs.
const STOPPED_PROCESS_LIMIT: Duration = Duration::from_secs(10);

/// Room for images of `db-01`: its memory twice, 64 MiB, and what a file system takes.
const IMAGES_MIB: u64 = 1300;
const STATE_MIB: u64 = 64;

/// A dump of `db-01` that waits at a point until it is released.
struct Dump<'a> {
    mode: &'static str,
    point: Point,
    serve: Service,
    watch: PauseWatch,
    guest: &'a LabGuest,
    home: Home,
}

/// Which part of a dump waits.
#[derive(Clone, Copy)]
enum Point {
    /// Half of the memory has come.
    Half,
    /// A live dump has stopped its guest, and slowly reads what is left.
    LastPass,
}

impl Point {
    /// That of a guest which stands still.
    fn of_a_stopped_guest(mode: &str) -> Self {
        if mode == "live" { Self::LastPass } else { Self::Half }
    }
}

/// A memdeck whose dumps wait at a point as soon as one of them is to: see [`Dump::begin`].
fn start(home: Home, point: Point, variables: &[(&str, &str)]) -> (Home, Service) {
    assert!(holds_at_points(), "this test needs points to hold at: build with --features memdeck/failpoints");
    let file = home.path().join("hold");
    let shown = file.display();
    let failpoints = match point {
        // Until the file is there.
        Point::Half => {
            std::fs::write(&file, "").unwrap();
            format!("capture::half-read=return({shown});capture::half-live=return({shown})")
        }
        // While the file is there.
        Point::LastPass => format!("capture::live-end=return({shown})"),
    };
    let limit = LIMIT_S.to_string();
    let mut all = vec![("FROZEN_PAUSE_LIMIT", limit.as_str()), ("FAILPOINTS", failpoints.as_str())];
    all.extend_from_slice(variables);
    let serve = Service::start(&home, "serve", &all);
    (home, serve)
}

impl<'a> Dump<'a> {
    /// Begins it, and returns when it waits.
    fn begin(guest: &'a LabGuest, mode: &'static str, point: Point, (home, serve): (Home, Service)) -> Self {
        let watch = PauseWatch::start(guest);
        let dump = Self { mode, point, serve, watch, guest, home };
        if matches!(point, Point::Half) {
            dump.remove_file();
        }
        let pause_budget_ms = GENEROUS_PAUSE_MS;
        dump.serve.ask(&json!({"vms": [guest.name], "mode": mode, "pause_budget_ms": pause_budget_ms}));
        match point {
            Point::Half => dump.serve.wait(&dump.status_path(), "half of the bytes", |status| {
                let state = status["job_state"].as_str()?;
                assert!(matches!(state, "queued" | "running"), "{status}");
                let half = status["bytes"]["bytes_expected"].as_u64()? / 2;
                (half > 0 && status["bytes"]["bytes_done"].as_u64()? >= half).then_some(())
            }),
            Point::LastPass => {
                dump.watch.wait_for_stop(PATIENCE);
                dump.write_file();
            }
        }
        dump
    }

    fn status_path(&self) -> String {
        format!("/api/memory-dumps/status/{}", self.guest.name)
    }

    fn write_file(&self) {
        std::fs::write(self.home.path().join("hold"), "").unwrap();
    }

    fn remove_file(&self) {
        std::fs::remove_file(self.home.path().join("hold")).unwrap();
    }

    /// Lets the dump go on.
    fn release(&self) {
        match self.point {
            Point::Half => self.write_file(),
            Point::LastPass => self.remove_file(),
        }
    }

    /// Lets the dump go on into a stall, from which it has to come back: at once where nothing of it waits for that, else
    /// afterwards.
    fn survives<S>(&self, length: Duration, waits: Waits, stall: impl FnOnce(&Self) -> S) {
        let held = Instant::now();
        let stall = stall(self);
        let begun = Instant::now();
        eprintln!("{}: the stall took {:?} to begin", self.mode, begun - held);
        self.release();
        if waits == Waits::ForNothing {
            let ended = self.serve.wait_for_end(self.guest.name);
            assert_eq!(ended["job_state"], "completed", "while the stall lasts: {ended}");
        }
        std::thread::sleep(length.saturating_sub(begun.elapsed()));
        assert!(!self.watch.is_stopped(), "the guest stands still at the end of the stall");
        drop(stall);
        let ended = self.serve.wait_for_end(self.guest.name);
        let told = (&ended["job_state"], &ended["mode"]);
        assert_eq!(told, (&"completed".into(), &self.mode.into()), "{ended}");
        self.assert_pause();
    }

    /// The guest was not stopped for longer than it may be, and runs.
    fn assert_pause(&self) {
        let longest = self.watch.longest();
        eprintln!("{}: the guest stood still for {longest:?}", self.mode);
        assert!(!longest.is_zero(), "a dump stops its guest");
        assert!(longest <= LONGEST_PAUSE, "the guest stood still for {longest:?}");
        assert_eq!(self.guest.state(), "running");
    }
}

/// What the end of a dump waits for.
#[derive(Clone, Copy, PartialEq)]
enum Waits {
    ForNothing,
    ForTheStall,
}

fn state_volume(mode: &'static str) {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let started = start(Home::with_state_on_disk_of(STATE_MIB), Point::Half, &[]);
    let dump = Dump::begin(&guest, mode, Point::Half, started);
    dump.survives(STALL, Waits::ForTheStall, |dump| dump.home.hang_state());
}

#[test]
fn a_frozen_dump_goes_on_while_the_volume_of_the_state_hangs() {
    state_volume("frozen");
}

#[test]
fn a_live_dump_goes_on_while_the_volume_of_the_state_hangs() {
    state_volume("live");
}

fn locked_catalog(mode: &'static str) {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let dump = Dump::begin(&guest, mode, Point::Half, start(Home::new(), Point::Half, &[]));
    dump.survives(LONG_LOCK, Waits::ForTheStall, |dump| LockedCatalog::of(dump.home.path()));
    // Else the next start would do to the guest what this dump has done long ago.
    let begun = Instant::now();
    while intents(dump.home.path()) > 0 {
        assert!(begun.elapsed() < PATIENCE, "the catalog still says that the guest is being dumped");
    }
}

#[test]
fn a_frozen_dump_goes_on_while_another_program_locks_the_catalog() {
    locked_catalog("frozen");
}

#[test]
fn a_live_dump_goes_on_while_another_program_locks_the_catalog() {
    locked_catalog("live");
}

fn unread_log(mode: &'static str) {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let dump = Dump::begin(&guest, mode, Point::Half, start(Home::new(), Point::Half, &[]));
    dump.survives(STALL, Waits::ForNothing, |dump| dump.serve.fill_log());
}

#[test]
fn a_frozen_dump_ends_well_while_nobody_reads_the_log() {
    unread_log("frozen");
}

#[test]
fn a_live_dump_ends_well_while_nobody_reads_the_log() {
    unread_log("live");
}

fn silent_influx(mode: &'static str) {
    let _turn = lab();
    let (guest, other) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let influx = SilentInflux::listen();
    let variables = [("INFLUX_URL", &*influx.url()), ("INFLUX_TIMEOUT_S", "60")];
    let (home, serve) = start(Home::new(), Point::Half, &variables);
    // The point of this dump is what waits for an answer.
    complete(&serve, &other);
    let connection = influx.wait_until_asked();
    Dump::begin(&guest, mode, Point::Half, (home, serve)).survives(STALL, Waits::ForNothing, |_| connection);
}

/// A frozen dump of a guest, to its end.
fn complete(serve: &Service, guest: &LabGuest) -> Value {
    serve.trigger_frozen(&[guest.name]);
    let ended = serve.wait_for_end(guest.name);
    assert_eq!(ended["job_state"], "completed", "{ended}");
    ended
}

#[test]
fn a_frozen_dump_ends_well_while_influxdb_does_not_answer() {
    silent_influx("frozen");
}

#[test]
fn a_live_dump_ends_well_while_influxdb_does_not_answer() {
    silent_influx("live");
}

fn unread_pages(mode: &'static str) {
    let _turn = lab();
    let (guest, other) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let (home, serve) = start(Home::new(), Point::Half, &[]);
    // Something to download.
    let dump_id = complete(&serve, &other)["dump_id"].as_str().unwrap().to_owned();
    let dump = Dump::begin(&guest, mode, Point::Half, (home, serve));
    dump.survives(STALL, Waits::ForNothing, |dump| UnreadPages::open(&dump.serve.url, &dump_id));
}

#[test]
fn a_frozen_dump_ends_well_while_no_page_reads_what_it_asked_for() {
    unread_pages("frozen");
}

#[test]
fn a_live_dump_ends_well_while_no_page_reads_what_it_asked_for() {
    unread_pages("live");
}

/// Of a guest that stands still.
fn image_volume(mode: &'static str) {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let point = Point::of_a_stopped_guest(mode);
    let dump = Dump::begin(&guest, mode, point, start(Home::on_disk_of(IMAGES_MIB), point, &[]));
    let volume = dump.home.hang_volume();
    assert!(dump.watch.is_stopped(), "the volume hangs while the guest stands still");
    let begun = Instant::now();
    dump.release();
    std::thread::sleep(STALL.saturating_sub(begun.elapsed()));
    assert!(!dump.watch.is_stopped(), "the guest stands still at the end of the stall");
    drop(volume);
    let ended = dump.serve.wait_for_end(guest.name);
    let told = (&ended["job_state"], &ended["end_reason"]);
    assert_eq!(
        told,
        (&"failed".into(), &json!({"kind": "pause_limit", "limit_ms": LIMIT_S * 1000})),
        "{ended}"
    );
    assert_eq!(dump.home.dumps(), [""; 0], "no file is left");
    dump.assert_pause();
}

#[test]
fn a_frozen_dump_whose_images_have_a_volume_that_hangs_lets_its_guest_run_at_the_limit() {
    image_volume("frozen");
}

#[test]
fn a_live_dump_whose_images_have_a_volume_that_hangs_lets_its_guest_run_at_the_limit() {
    image_volume("live");
}

/// The volume and the whole process: only another process can help.
fn stopped_process(mode: &'static str) {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let point = Point::of_a_stopped_guest(mode);
    let dump = Dump::begin(&guest, mode, point, start(Home::on_disk_of(IMAGES_MIB), point, &[]));
    let volume = dump.home.hang_volume();
    dump.release();
    let stopped_at = SystemTime::now();
    dump.serve.stop();
    assert!(dump.watch.is_stopped(), "memdeck is stopped while the guest stands still");
    let ran_at = dump.watch.ran_at(STOPPED_PROCESS_LIMIT);
    let took = ran_at.duration_since(stopped_at).unwrap();
    eprintln!("{mode}: the guest ran {took:?} after memdeck was stopped");
    assert!(took <= STOPPED_PROCESS_LIMIT, "{took:?}");
    drop(volume);
    let Dump { serve, watch, home, .. } = dump;
    assert_eq!(serve.wait_for_exit().signal(), Some(Signal::KILL.as_raw()));
    let serve = Service::start(&home, "serve", &[]);
    let failed = serve.get("/api/memory-dumps/status/db-01");
    assert_eq!(failed["end_reason"], json!({"kind": "lost_in_restart"}), "{failed}");
    assert_eq!(home.dumps(), [""; 0], "no file is left");
    assert!(!watch.is_stopped());
    assert_eq!(guest.state(), "running");
}

#[test]
fn a_stopped_memdeck_whose_volume_hangs_is_ended_and_its_frozen_guest_runs() {
    stopped_process("frozen");
}

#[test]
fn a_stopped_memdeck_whose_volume_hangs_is_ended_and_the_guest_of_its_live_dump_runs() {
    stopped_process("live");
}
