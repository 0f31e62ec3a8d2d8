//! One list of guests for everybody who asks at the same time: a thousand readers cost the hypervisor one call.

use std::future::Future;
use std::time::Duration;

use memdeck_model::{Guest, Problem};
use tokio::sync::Mutex;
use tokio::time::Instant;

struct Listed {
    begun: Instant,
    ended: Instant,
    guests: Result<Vec<Guest>, Problem>,
}

/// The last list of guests.
pub struct SharedGuests {
    /// How old a list may be to be handed out again.
    max_age: Duration,
    /// Locked while the hypervisor is asked.
    last: Mutex<Option<Listed>>,
}

impl SharedGuests {
    /// Hands a list out again while it is no older than `max_age`.
    #[must_use]
    pub fn new(max_age: Duration) -> Self {
        Self { max_age, last: Mutex::default() }
    }

    /// What `ask` answers, or what it answered to somebody else who asked at the same time or a moment ago.
    ///
    /// # Errors
    /// Those of `ask`. A failure is returned to those who waited for it, and to nobody else.
    pub async fn list(
        &self,
        ask: impl Future<Output = Result<Vec<Guest>, Problem>> + Send,
    ) -> Result<Vec<Guest>, Problem> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref() {
            let is_shared = last.ended >= asked;
            let is_new = last.guests.is_ok() && asked.duration_since(last.begun) <= self.max_age;
            if is_shared || is_new {
                return last.guests.clone();
            }
        }
        let begun = Instant::now();
        let guests = ask.await;
        *last = Some(Listed { begun, ended: Instant::now(), guests: guests.clone() });
        guests
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use memdeck_model::ProblemKind;
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers once it may.
    struct Slow {
        calls: AtomicUsize,
        may_answer: Semaphore,
        fails: bool,
    }

    impl Slow {
        async fn list(&self) -> Result<Vec<Guest>, Problem> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.may_answer.acquire().await.unwrap().forget();
            if self.fails { Err(Problem::new(ProblemKind::Unavailable, "away")) } else { Ok(Vec::new()) }
        }
    }

    #[tokio::test]
    async fn a_flood_of_readers_is_one_call_to_the_hypervisor() {
        for fails in [false, true] {
            let slow = Arc::new(Slow { calls: AtomicUsize::new(0), may_answer: Semaphore::new(0), fails });
            let shared = Arc::new(SharedGuests::new(Duration::from_secs(1)));
            let readers: Vec<_> = (0..1000)
                .map(|_| {
                    let (shared, slow) = (Arc::clone(&shared), Arc::clone(&slow));
                    tokio::spawn(async move { shared.list(slow.list()).await })
                })
                .collect();
            while slow.calls.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            // All have asked: the runtime of this test has one thread, which runs them in turn.
            for _ in 0..2000 {
                tokio::task::yield_now().await;
            }
            slow.may_answer.add_permits(1);
            for reader in readers {
                assert_eq!(reader.await.unwrap().is_err(), fails);
            }
            assert_eq!(slow.calls.load(Ordering::SeqCst), 1);
            slow.may_answer.add_permits(1);
            let _ = shared.list(slow.list()).await;
            assert_eq!(slow.calls.load(Ordering::SeqCst), if fails { 2 } else { 1 }, "a failure is not kept");
        }
    }
}
