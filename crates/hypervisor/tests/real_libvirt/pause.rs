//! The pause that is told, against the times that QEMU puts on its events, as virsh prints them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use memdeck_model::{PauseSource, Timestamp};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// An event and when QEMU sent it, in microseconds since 1970.
type Stamped = (String, i64);

/// `virsh qemu-monitor-event` of one guest, until dropped.
struct MonitorEvents {
    virsh: Child,
    events: Receiver<Stamped>,
}

impl MonitorEvents {
    /// virsh does not say when it has begun to listen: the guest is paused and resumed until it is heard.
    fn listen(guest: &str) -> Self {
        let uri = hypervisor().uri().to_owned();
        let mut virsh = Command::new("virsh")
            .args(["-q", "-c", &uri, "qemu-monitor-event", "--domain", guest, "--loop"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(virsh.stdout.take().unwrap()).lines();
        let (send, events) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).filter_map(|line| parse(&line)).try_for_each(|event| send.send(event))
        });
        let listening = Self { virsh, events };
        for _ in 0..20 {
            self::virsh(&["suspend", guest]);
            self::virsh(&["resume", guest]);
            let first = listening.events.recv_timeout(Duration::from_secs(1));
            // To the end of this pause, which must not be taken for that of a dump.
            if first.is_ok_and(|(name, _)| name == "STOP") {
                listening.next("RESUME");
                return listening;
            }
        }
        panic!("virsh hears nothing of {guest}");
    }

    /// The next event of this name.
    fn next(&self, name: &str) -> Stamped {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no event {name}"));
            if event.0 == name {
                return event;
            }
        }
    }
}

impl Drop for MonitorEvents {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        let _ended = self.virsh.kill();
        let _ended = self.virsh.wait();
    }
}

/// Reads `event STOP at 1763110703.550273 for domain 'db-01': <null>`.
fn parse(line: &str) -> Option<Stamped> {
    let (name, rest) = line.strip_prefix("event ")?.split_once(" at ")?;
    let (seconds, micros) = rest.split(' ').next()?.split_once('.')?;
    let at = seconds.parse::<i64>().ok()? * 1_000_000 + micros.parse::<i64>().ok()?;
    ["STOP", "RESUME"].contains(&name).then(|| (name.to_owned(), at))
}

/// What libvirt has noted about the guest, such as commands to its monitor.
fn messages(guest: &str) -> String {
    let uri = hypervisor().uri().to_owned();
    let output = Command::new("virsh").args(["-q", "-c", &uri, "dominfo", guest]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip_while(|line| !line.starts_with("Messages:")).map(str::trim).collect()
}

#[test]
fn a_pause_is_what_qemu_s_own_clock_says() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let events = MonitorEvents::listen("db-01");
    let noted = messages("db-01");
    for mode in ["frozen", "live"] {
        let outcome = match mode {
            "frozen" => read(begin(&hypervisor, &guest)).2,
            _ => live::read(live::begin(&hypervisor, &guest, None)).2,
        };
        let ((_, stopped), (_, ran)) = (events.next("STOP"), events.next("RESUME"));
        println!("{mode}: {outcome:?}, virsh: {} us", ran - stopped);
        let expected = Duration::from_micros(u64::try_from(ran - stopped).unwrap());
        assert_eq!(outcome.pause, Some(expected), "{mode}");
        assert_eq!(outcome.pause_source, Some(PauseSource::HypervisorClock), "{mode}");
        assert_eq!(outcome.stopped_at, Some(Timestamp::from_unix_micros(stopped).unwrap()), "{mode}");
    }
    assert_eq!(messages("db-01"), noted, "listening taints no guest");
}
