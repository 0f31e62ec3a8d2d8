//! What the guardian's process does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use memdeck_engine::{Intent, Restoration, report_left_paused, restore_max_downtime, resume_stranded};
use memdeck_hypervisor::Hypervisor;
use memdeck_model::DumpId;
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};

use super::Message;

/// Between two looks at a guest after the engine has died.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a guest is looked after: libvirt may stop it only after the engine has died, when QEMU's last pass ends.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// How long a hypervisor that does not answer is asked.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long an engine that watches a guest may be silent. It beats every half second; a machine under load may let it wait
/// for a while.
const SILENCE_LIMIT: Duration = Duration::from_secs(6);
/// What has been said and not been read yet, because this process itself was stopped, is read first.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Listens to the engine until it ends, dies or hangs, then looks after what is still watched.
pub fn watch(messages: impl BufRead + Send + 'static, hypervisor: &dyn Hypervisor) {
    let watched = listen(&read(messages), SILENCE_LIMIT, EngineProcess::open);
    for intent in watched.values().filter(|intent| intent.was_running) {
        tracing::warn!(dump_id = %intent.dump_id, uuid = intent.guest_uuid, "memdeck ended during a dump; looking after its guest");
    }
    look_after(watched.into_values().collect(), hypervisor);
}

/// Reads on a thread of its own, so that silence is noticed.
fn read(messages: impl BufRead + Send + 'static) -> Receiver<Message> {
    let (said, heard) = channel();
    std::thread::spawn(move || {
        // An error is the end of the engine as well.
        for line in messages.lines().map_while(Result::ok) {
            match serde_json::from_str::<Message>(&line) {
                Ok(message) => {
                    if said.send(message).is_err() {
                        return;
                    }
                }
                // The last line of an engine that died while writing it: the guest was not touched yet.
                Err(error) => tracing::debug!(%error, "a line that is no message"),
            }
        }
    });
    heard
}

fn listen(
    heard: &Receiver<Message>,
    silence_limit: Duration,
    open: impl Fn(i32) -> Option<EngineProcess>,
) -> BTreeMap<DumpId, Intent> {
    let mut watched = BTreeMap::new();
    let mut engine = None;
    loop {
        let next = if watched.is_empty() {
            heard.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            heard.recv_timeout(silence_limit).or_else(|_| heard.recv_timeout(SECOND_LOOK))
        };
        match next {
            Ok(Message::Watch { dump_id, guest_uuid, was_running, max_downtime, owns_unexplained_pause }) => {
                let intent =
                    Intent { dump_id, guest_uuid, was_running, max_downtime, owns_unexplained_pause };
                watched.insert(intent.dump_id.clone(), intent);
            }
            Ok(Message::Release { dump_id }) => {
                watched.remove(&dump_id);
            }
            Ok(Message::Engine { pid }) => engine = open(pid),
            Ok(Message::Beat) => {}
            Err(RecvTimeoutError::Disconnected) => return watched,
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("memdeck hangs or is stopped while it dumps a guest; ending it");
                if let Some(engine) = &engine {
                    engine.kill();
                }
                return watched;
            }
        }
    }
}

/// The process of the engine, whichever other one may get its number later.
struct EngineProcess(OwnedFd);

impl EngineProcess {
    /// The process with this number, if it is the one that started this one.
    fn open(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        let process = pidfd_open(pid, PidfdFlags::empty());
        match process {
            // Its number was its own while it is our parent.
            Ok(process) if getppid() == Some(pid) => Some(Self(process)),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "memdeck could not be ended if it hung");
                None
            }
        }
    }

    /// Its dumps' pipes are closed by this, whatever its threads wait for.
    fn kill(&self) {
        if let Err(error) = pidfd_send_signal(&self.0, Signal::KILL) {
            tracing::error!(%error, "memdeck hangs and cannot be ended");
        }
    }
}

fn look_after(mut open: Vec<Intent>, hypervisor: &dyn Hypervisor) {
    let mut reported = BTreeSet::new();
    open.retain(|intent| intent.was_running || intent.max_downtime.is_some());
    let began = Instant::now();
    while !open.is_empty() && began.elapsed() < PATIENCE {
        // First every guest's pause: to set a limit may take a while.
        let mut resumed = |intent: &Intent| match resume_stranded(hypervisor, intent) {
            Restoration::Done => true,
            Restoration::LeftPaused => {
                if reported.insert(intent.guest_uuid.clone()) {
                    report_left_paused(intent);
                }
                true
            }
            Restoration::Busy { .. } => false,
            Restoration::Failed(error) => {
                if reported.insert(intent.guest_uuid.clone()) {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(
                        uuid = intent.guest_uuid,
                        error,
                        "the guest cannot be resumed yet; trying again"
                    );
                }
                false
            }
        };
        let runs: Vec<bool> = open.iter().map(&mut resumed).collect();
        for intent in &mut open {
            if restore_max_downtime(hypervisor, intent).is_done() {
                // Once, for the next memdeck may be dumping the guest already.
                intent.max_downtime = None;
            }
        }
        let mut runs = runs.into_iter();
        open.retain(|intent| {
            let is_settled = runs.next().unwrap_or_default() && intent.max_downtime.is_none();
            !is_settled || (intent.was_running && began.elapsed() < LOOK_AFTER)
        });
        std::thread::sleep(LOOK_INTERVAL);
    }
    for intent in &open {
        tracing::error!(uuid = intent.guest_uuid, "the guest may be paused still: run virsh resume");
    }
}

#[cfg(test)]
mod tests {
    use memdeck_hypervisor::simulated::Simulated;
    use memdeck_model::{ByteCount, GuestState};

    use super::*;

    fn said(lines: &[&str]) -> Vec<String> {
        let heard = read(std::io::Cursor::new(lines.join("\n")));
        listen(&heard, Duration::from_mins(1), |_| None)
            .into_values()
            .map(|intent| intent.guest_uuid)
            .collect()
    }

    #[test]
    fn what_was_not_released_is_watched() {
        let watch = |id: &str| {
            format!(r#"{{"watch":{{"dump_id":"{id}","guest_uuid":"guest-{id}","was_running":true}}}}"#)
        };
        let (a, b) = (watch("a"), watch("b"));
        assert_eq!(said(&[&a, &b, r#"{"release":{"dump_id":"a"}}"#]), ["guest-b"]);
        assert_eq!(said(&[&a, r#"{"watch":{"dump_"#]), ["guest-a"]);
        assert_eq!(said(&[]), [""; 0]);
    }

    #[test]
    fn the_guardian_knows_whose_a_pause_without_a_reason_is() {
        for owns_unexplained_pause in [true, false] {
            let intent = Intent {
                dump_id: DumpId::from_uuid_bits(7),
                guest_uuid: "guest".to_owned(),
                was_running: true,
                max_downtime: None,
                owns_unexplained_pause,
            };
            let line = serde_json::to_string(&crate::guardian::watched(&intent)).unwrap();
            let heard = listen(&read(std::io::Cursor::new(line)), Duration::from_mins(1), |_| None);
            assert_eq!(heard.into_values().collect::<Vec<_>>(), [intent]);
        }
    }

    #[test]
    fn an_engine_that_is_stopped_while_it_dumps_is_killed_and_one_that_beats_or_has_no_guest_is_not() {
        let mut stopped = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(stopped.id()).unwrap();
        let child = |pid| Some(EngineProcess(pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?));
        let (said, heard) = channel();
        let watch = || Message::Watch {
            dump_id: DumpId::from_uuid_bits(7),
            guest_uuid: "guest".to_owned(),
            was_running: true,
            max_downtime: None,
            owns_unexplained_pause: false,
        };
        said.send(Message::Engine { pid }).unwrap();
        said.send(watch()).unwrap();
        let left = std::thread::scope(|scope| {
            let listening = scope.spawn(move || listen(&heard, Duration::from_millis(400), child));
            for _ in 0..12 {
                std::thread::sleep(Duration::from_millis(100));
                said.send(Message::Beat).unwrap();
            }
            said.send(Message::Release { dump_id: DumpId::from_uuid_bits(7) }).unwrap();
            std::thread::sleep(Duration::from_millis(1200));
            assert_eq!(stopped.try_wait().unwrap(), None, "it beats, and then has no guest");
            said.send(watch()).unwrap();
            listening.join().unwrap()
        });
        assert_eq!(left.len(), 1, "its guest is looked after");
        assert!(!stopped.wait().unwrap().success());
    }

    #[test]
    fn what_a_dump_changed_for_its_time_is_set_back() {
        let hypervisor = Simulated::new();
        let guest = hypervisor.add_guest("web-01", ByteCount::from_mib(1));
        hypervisor.suspend("web-01");
        hypervisor.set_max_downtime(&guest.uuid, Duration::from_millis(60)).unwrap();
        let told = format!(
            r#"{{"watch":{{"dump_id":"a","guest_uuid":"{}","was_running":false,"max_downtime":251}}}}"#,
            guest.uuid
        );
        watch(std::io::Cursor::new(told), &hypervisor);
        assert_eq!(hypervisor.max_downtime(&guest.uuid).unwrap(), Some(Duration::from_millis(251)));
        assert_eq!(hypervisor.state("web-01"), GuestState::Paused, "an operator's guest stays paused");
    }
}
