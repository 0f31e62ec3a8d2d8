//! What the guardian's process does.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::{Duration, Instant};

use memdeck_capture::{Intent, restore_max_downtime, resume_stranded};
use memdeck_hypervisor::Hypervisor;
use memdeck_model::DumpId;

use super::Message;

/// Between two looks at a guest after the engine has died.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a guest is looked after: libvirt may stop it only after the engine has died, when QEMU's last pass ends.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// How long a hypervisor that does not answer is asked.
const PATIENCE: Duration = Duration::from_mins(10);

/// Listens to the engine until it ends or dies, then looks after what is still watched.
pub fn watch(messages: impl BufRead, hypervisor: &dyn Hypervisor) {
    let watched = listen(messages);
    for intent in watched.values().filter(|intent| intent.was_running) {
        tracing::warn!(dump_id = %intent.dump_id, uuid = intent.guest_uuid, "memdeck died during a dump; looking after its guest");
    }
    look_after(watched.into_values().collect(), hypervisor);
}

fn listen(messages: impl BufRead) -> BTreeMap<DumpId, Intent> {
    let mut watched = BTreeMap::new();
    // An error is the end of the engine as well.
    for line in messages.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Message::Watch { dump_id, guest_uuid, was_running, max_downtime }) => {
                watched.insert(dump_id.clone(), Intent { dump_id, guest_uuid, was_running, max_downtime });
            }
            Ok(Message::Release { dump_id }) => {
                watched.remove(&dump_id);
            }
            // The last line of an engine that died while writing it: the guest was not touched yet.
            Err(error) => tracing::debug!(%error, "a line that is no message"),
        }
    }
    watched
}

fn look_after(mut open: Vec<Intent>, hypervisor: &dyn Hypervisor) {
    open.retain(|intent| intent.was_running || intent.max_downtime.is_some());
    let began = Instant::now();
    while !open.is_empty() && began.elapsed() < PATIENCE {
        // First every guest's pause: to set a limit may take a while.
        let runs: Vec<bool> = open.iter().map(|intent| resume_stranded(hypervisor, intent)).collect();
        for intent in &mut open {
            if restore_max_downtime(hypervisor, intent) {
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
        listen(lines.join("\n").as_bytes()).into_values().map(|intent| intent.guest_uuid).collect()
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
    fn what_a_dump_changed_for_its_time_is_set_back() {
        let hypervisor = Simulated::new();
        let guest = hypervisor.add_guest("web-01", ByteCount::from_mib(1));
        hypervisor.suspend("web-01");
        hypervisor.set_max_downtime(&guest.uuid, Duration::from_millis(60)).unwrap();
        let told = format!(
            r#"{{"watch":{{"dump_id":"a","guest_uuid":"{}","was_running":false,"max_downtime":251}}}}"#,
            guest.uuid
        );
        watch(told.as_bytes(), &hypervisor);
        assert_eq!(hypervisor.max_downtime(&guest.uuid).unwrap(), Some(Duration::from_millis(251)));
        assert_eq!(hypervisor.state("web-01"), GuestState::Paused, "an operator's guest stays paused");
    }
}
