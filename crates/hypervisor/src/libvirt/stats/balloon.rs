//! Asks guests to report what their memory is used for: once for each guest that does not, live only, in the background.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use memdeck_model::Message;
use memdeck_model::telemetry::BalloonStats;
use virt_sys as sys;

use super::super::control::Control;
use super::super::failure::Failure;
use super::super::{failed, guests};
use crate::{GuestSample, HypervisorError};

/// Guests that are asked at the same time.
const AT_ONCE: usize = 4;

pub(super) struct Balloons {
    period: Option<Duration>,
    guests: Mutex<HashMap<String, Asked>>,
}

struct Asked {
    /// A guest that was started anew has forgotten.
    id: Option<u32>,
    answer: Answer,
}

enum Answer {
    Waits(Receiver<Result<BalloonStats, HypervisorError>>),
    Is(BalloonStats),
}

impl Balloons {
    pub(super) fn new(period: Option<Duration>) -> Self {
        Self { period, guests: Mutex::default() }
    }

    /// Says of each guest how its memory is reported, and asks those that can be asked now.
    pub(super) fn look_at(&self, control: &Control, samples: &mut [GuestSample]) {
        let mut asked = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = HashMap::with_capacity(asked.len());
        let mut waiting = 0;
        for sample in samples.iter() {
            if let Some(mut before) = asked.remove(&sample.uuid).filter(|asked| asked.id == sample.id) {
                before.settle();
                waiting += usize::from(matches!(before.answer, Answer::Waits(_)));
                present.insert(sample.uuid.clone(), before);
            }
        }
        *asked = present;
        let Some(period) = self.period else { return };
        for sample in samples {
            if sample.balloon == BalloonStats::Reported || sample.id.is_none() {
                continue;
            }
            if let Some(before) = asked.get(&sample.uuid) {
                sample.balloon = before.now();
                continue;
            }
            // A job would make the question wait.
            if sample.partial || waiting >= AT_ONCE {
                continue;
            }
            match ask(control, sample, period) {
                Ok(answer) => {
                    waiting += 1;
                    asked.insert(sample.uuid.clone(), Asked { id: sample.id, answer: Answer::Waits(answer) });
                }
                Err(error) => {
                    tracing::debug!(%error, vm = %sample.name, "the guest cannot be asked now");
                    break;
                }
            }
        }
    }
}

impl Asked {
    fn settle(&mut self) {
        let Answer::Waits(answer) = &self.answer else { return };
        let is = match answer.try_recv() {
            Ok(Ok(is)) => is,
            Ok(Err(error)) => BalloonStats::Impossible { reason: Message::new(error.to_string()) },
            Err(TryRecvError::Disconnected) => {
                BalloonStats::Impossible { reason: Message::new("libvirt did not answer") }
            }
            Err(TryRecvError::Empty) => return,
        };
        self.answer = Answer::Is(is);
    }

    fn now(&self) -> BalloonStats {
        match &self.answer {
            Answer::Waits(_) => BalloonStats::SwitchedOn,
            Answer::Is(is) => is.clone(),
        }
    }
}

/// What a guest's definition says about its balloon.
#[derive(Debug, PartialEq, Eq)]
enum Defined {
    /// It has none that could report.
    None,
    /// It was asked to report already.
    Asked,
    /// It can be asked.
    Silent,
}

fn defined(definition: &str) -> Defined {
    let Ok(document) = roxmltree::Document::parse(definition) else { return Defined::None };
    let balloon = document.descendants().find(|node| node.has_tag_name("memballoon"));
    let Some(balloon) = balloon.filter(|node| node.attribute("model") != Some("none")) else {
        return Defined::None;
    };
    let stats = balloon.children().find(|child| child.has_tag_name("stats"));
    let period = stats.and_then(|stats| stats.attribute("period")).and_then(|text| text.parse().ok());
    if period.is_some_and(|seconds: u32| seconds > 0) { Defined::Asked } else { Defined::Silent }
}

fn ask(
    control: &Control,
    sample: &GuestSample,
    period: Duration,
) -> Result<Receiver<Result<BalloonStats, HypervisorError>>, HypervisorError> {
    let seconds = i32::try_from(period.as_secs().max(1)).unwrap_or(i32::MAX);
    let (uuid, name, uri) = (sample.uuid.clone(), sample.name.clone(), control.uri().shown.clone());
    let operation = format!("switch on the memory statistics of VM '{name}'");
    let what = operation.clone();
    control.begin(&operation, move |connection| {
        let failed = |error| failed(&what, &uri, error);
        let Some(domain) = guests::find_uuid(connection, &uuid).map_err(failed)? else {
            return Ok(BalloonStats::Off);
        };
        match defined(&domain.get_xml_desc(0).map_err(failed)?) {
            Defined::None => {
                let reason = Message::new("the guest has no memory balloon");
                return Ok(BalloonStats::Impossible { reason });
            }
            Defined::Asked => return Ok(BalloonStats::SwitchedOn),
            Defined::Silent => {}
        }
        match domain.set_memory_stats_period(seconds, sys::VIR_DOMAIN_AFFECT_LIVE) {
            Ok(_) => {
                tracing::info!(vm = %name, period_s = seconds, "memory statistics switched on");
                Ok(BalloonStats::SwitchedOn)
            }
            Err(error) => {
                let reason = Message::new(Failure::from(error).to_string());
                Ok(BalloonStats::Impossible { reason })
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_says_whether_the_guest_can_be_asked() {
        let of = |balloon: &str| defined(&format!("<domain><devices>{balloon}</devices></domain>"));
        assert_eq!(of(""), Defined::None);
        assert_eq!(of("<memballoon model='none'/>"), Defined::None);
        assert_eq!(of("<memballoon model='virtio'/>"), Defined::Silent);
        assert_eq!(of("<memballoon model='virtio'><stats period='0'/></memballoon>"), Defined::Silent);
        assert_eq!(of("<memballoon model='virtio'><stats period='2'/></memballoon>"), Defined::Asked);
        assert_eq!(defined("no definition"), Defined::None);
    }
}
