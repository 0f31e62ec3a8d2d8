//! How long a guest was stopped, whoever stopped it, by the clock that QEMU puts on its events.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::lab::{LabGuest, virsh, virsh_command};

/// How long an event is waited for that has happened.
const EVENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long it is waited for while it is not certain that somebody listens.
const PROOF_PATIENCE: Duration = Duration::from_millis(500);
const PROOFS: u32 = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Stop,
    Resume,
}

/// What has happened, and when: since 1970.
type Seen = Vec<(Event, Duration)>;

/// Watches one guest until it is dropped.
pub struct PauseWatch {
    virsh: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl PauseWatch {
    pub fn start(guest: &LabGuest) -> Self {
        let mut command = virsh_command(&["-q", "qemu-monitor-event", "--domain", guest.name, "--loop"]);
        let mut virsh = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(virsh.stdout.take().unwrap()).lines();
        let seen = Arc::<(Mutex<Seen>, Condvar)>::default();
        let heard = Arc::clone(&seen);
        std::thread::spawn(move || {
            for event in lines.map_while(Result::ok).filter_map(|line| parse(&line)) {
                lock(&heard.0).push(event);
                heard.1.notify_all();
            }
        });
        let watch = Self { virsh, seen };
        watch.prove_that_events_arrive(guest);
        watch
    }

    /// virsh does not say when it has begun to listen: the guest is paused for a moment until that is heard.
    fn prove_that_events_arrive(&self, guest: &LabGuest) {
        let is_heard = (0..PROOFS).any(|_| {
            drop(guest.suspend());
            self.wait(PROOF_PATIENCE, |seen| matches!(seen, [.., (Event::Stop, _), (Event::Resume, _)]))
        });
        assert!(is_heard, "virsh qemu-monitor-event tells nothing of {}", guest.name);
        lock(&self.seen.0).clear();
    }

    fn wait(&self, limit: Duration, is_seen: impl Fn(&[(Event, Duration)]) -> bool) -> bool {
        let seen = lock(&self.seen.0);
        let (seen, _) = self.seen.1.wait_timeout_while(seen, limit, |seen| !is_seen(seen)).unwrap();
        is_seen(&seen)
    }

    /// Waits until the guest stands still.
    pub fn wait_for_stop(&self, limit: Duration) {
        let stands = |seen: &[(Event, Duration)]| matches!(seen, [.., (Event::Stop, _)]);
        assert!(self.wait(limit, stands), "the guest was not stopped within {limit:?}");
    }

    /// Whether the guest stands still, as far as is known.
    pub fn is_stopped(&self) -> bool {
        matches!(lock(&self.seen.0)[..], [.., (Event::Stop, _)])
    }

    /// When the guest ran the last time it began to, which has to be soon where it is stopped.
    pub fn ran_at(&self, limit: Duration) -> SystemTime {
        let runs = |seen: &[(Event, Duration)]| matches!(seen, [.., (Event::Resume, _)]);
        assert!(self.wait(limit, runs), "the guest was stopped and does not run after {limit:?}");
        let (_, at) = *lock(&self.seen.0).last().unwrap();
        SystemTime::UNIX_EPOCH + at
    }

    /// The longest pause so far. All have ended, or end within a moment.
    pub fn longest(&self) -> Duration {
        self.pauses().into_iter().max().unwrap_or_default()
    }

    /// Every pause so far. All have ended, or end within a moment.
    pub fn pauses(&self) -> Vec<Duration> {
        let all_ended = |seen: &[(Event, Duration)]| !matches!(seen, [.., (Event::Stop, _)]);
        assert!(self.wait(EVENT_PATIENCE, all_ended), "the guest is stopped still");
        pauses(&lock(&self.seen.0))
    }
}

impl Drop for PauseWatch {
    fn drop(&mut self) {
        // Only our own child.
        let _ended = self.virsh.kill();
        let _ended = self.virsh.wait();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of `event STOP at 1795314514.490123 for domain 'db-01': <null>`.
fn parse(line: &str) -> Option<(Event, Duration)> {
    let (name, rest) = line.strip_prefix("event ")?.split_once(" at ")?;
    let event = match name {
        "STOP" => Event::Stop,
        "RESUME" => Event::Resume,
        _ => return None,
    };
    let (seconds, micros) = rest.split_once(' ')?.0.split_once('.')?;
    Some((event, Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros.parse().ok()?)))
}

/// A second stop without a run between is the same stop.
fn pauses(seen: &[(Event, Duration)]) -> Vec<Duration> {
    let (mut since, mut pauses) = (None, Vec::new());
    for &(event, at) in seen {
        match event {
            Event::Stop => drop(since.get_or_insert(at)),
            Event::Resume => pauses.extend(since.take().map(|since| at.saturating_sub(since))),
        }
    }
    pauses
}

/// Whether virsh's words are understood.
#[test]
fn pauses_are_told_from_what_virsh_says() {
    let seen: Vec<_> = [
        "event STOP at 100.900000 for domain 'db-01': <null>",
        "event RESUME at 101.000001 for domain 'db-01': <null>",
        "event BALLOON_CHANGE at 101.5 for domain 'db-01': {\"actual\":1}",
        "event STOP at 102.000000 for domain 'db-01': <null>",
        "event STOP at 102.100000 for domain 'db-01': <null>",
        "event RESUME at 104.000000 for domain 'db-01': <null>",
        "event RESUME at 109.000000 for domain 'db-01': <null>",
        "events received: 2",
    ]
    .into_iter()
    .filter_map(parse)
    .collect();
    let expected = [Duration::from_micros(100_001), Duration::from_secs(2)];
    assert_eq!((seen.len(), pauses(&seen)), (6, expected.to_vec()));
}

/// That the watch sees what an operator's pause is, and nothing if there is none.
#[test]
fn a_pause_is_seen_from_outside() {
    let _turn = crate::lab::lab();
    let guest = LabGuest::running("web-01");
    let watch = PauseWatch::start(&guest);
    assert_eq!(watch.longest(), Duration::ZERO);
    let began = std::time::Instant::now();
    let paused = guest.suspend();
    watch.wait_for_stop(EVENT_PATIENCE);
    assert!(watch.is_stopped());
    drop(paused);
    let at_most = began.elapsed();
    watch.ran_at(EVENT_PATIENCE);
    let seen = watch.longest();
    assert!(!seen.is_zero() && seen <= at_most, "{seen:?} of {at_most:?}");
    assert!(virsh(&["domstate", guest.name]).unwrap().starts_with("running"));
}
