//! The hypervisor's version, which libvirt may know at once or only after it has probed the hypervisor's binaries.
//!
//! Where `/dev/kvm` is there but may not be used, libvirt 9.0 probes again with every question: 8 s each, more on a busy
//! machine. So it is asked once, on a thread and a connection of its own, and nobody waits long for the answer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Asks once and keeps the answer.
#[derive(Default)]
pub(super) struct SlowAnswer {
    state: Mutex<Answer>,
    changed: Condvar,
}

#[derive(Default)]
enum Answer {
    #[default]
    NotAsked,
    Asked,
    Known(String),
}

impl SlowAnswer {
    /// The answer, if it is known within `patience`; a later call may have it. After a failed `question`, which gives
    /// `None`, the next call asks again.
    pub(super) fn get(
        self: &Arc<Self>,
        patience: Duration,
        question: impl FnOnce() -> Option<String> + Send + 'static,
    ) -> Option<String> {
        let mut state = self.lock();
        if matches!(*state, Answer::NotAsked) {
            *state = Answer::Asked;
            let this = Arc::clone(self);
            let thread = std::thread::Builder::new().name("libvirt-version".into()).spawn(move || {
                let answer = question();
                *this.lock() = answer.map_or(Answer::NotAsked, Answer::Known);
                this.changed.notify_all();
            });
            if let Err(error) = thread {
                tracing::debug!(%error, "asking for the hypervisor's version");
                *state = Answer::NotAsked;
            }
        }
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| matches!(state, Answer::Asked))
            .unwrap_or_else(PoisonError::into_inner);
        if let Answer::Known(answer) = &*state { Some(answer.clone()) } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn an_answer_is_asked_for_once() {
        let version = Arc::<SlowAnswer>::default();
        assert_eq!(version.get(LONG, || Some("7.2.22".into())).unwrap(), "7.2.22");
        assert_eq!(version.get(LONG, || panic!("asked again")).unwrap(), "7.2.22");
    }

    #[test]
    fn nobody_waits_longer_than_he_wants_and_the_answer_is_there_later() {
        let version = Arc::<SlowAnswer>::default();
        let (answer, answers) = channel();
        assert_eq!(version.get(Duration::ZERO, move || answers.recv().ok()), None);
        assert_eq!(version.get(Duration::ZERO, || panic!("asked again")), None);
        answer.send("7.2.22".to_owned()).unwrap();
        assert_eq!(version.get(LONG, || panic!("asked again")).unwrap(), "7.2.22");
    }

    #[test]
    fn a_question_without_an_answer_is_asked_again() {
        let version = Arc::<SlowAnswer>::default();
        assert_eq!(version.get(LONG, || None), None);
        assert_eq!(version.get(LONG, || Some("7.2.22".into())).unwrap(), "7.2.22");
    }
}
