//! One list of guests for everybody who asks at the same time: a thousand readers cost the hypervisor one call.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_model::{Guest, Problem};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::GuestSource;

/// How old a list may be that is given out again.
const KEPT: Duration = Duration::from_secs(1);

struct Listed {
    begun: Instant,
    ended: Instant,
    guests: Result<Vec<Guest>, Problem>,
}

/// The guests of another source, asked for once at a time.
pub struct SharedGuests {
    source: Arc<dyn GuestSource>,
    /// Locked while the source is asked.
    last: Mutex<Option<Listed>>,
}

impl SharedGuests {
    /// The guests of `source`.
    #[must_use]
    pub fn new(source: Arc<dyn GuestSource>) -> Self {
        Self { source, last: Mutex::default() }
    }
}

#[async_trait]
impl GuestSource for SharedGuests {
    fn uri(&self) -> String {
        self.source.uri()
    }

    fn host(&self) -> Option<String> {
        self.source.host()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref() {
            let is_shared = last.ended >= asked;
            let is_new = last.guests.is_ok() && asked.duration_since(last.begun) <= KEPT;
            if is_shared || is_new {
                return last.guests.clone();
            }
        }
        let begun = Instant::now();
        let guests = self.source.list().await;
        *last = Some(Listed { begun, ended: Instant::now(), guests: guests.clone() });
        guests
    }
}

#[cfg(test)]
mod tests {
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
        fn new(fails: bool) -> Arc<Self> {
            Arc::new(Self { calls: AtomicUsize::new(0), may_answer: Semaphore::new(0), fails })
        }
    }

    #[async_trait]
    impl GuestSource for Slow {
        fn uri(&self) -> String {
            "test:///default".to_owned()
        }

        fn host(&self) -> Option<String> {
            None
        }

        async fn list(&self) -> Result<Vec<Guest>, Problem> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.may_answer.acquire().await.unwrap().forget();
            if self.fails { Err(Problem::new(ProblemKind::Unavailable, "away")) } else { Ok(Vec::new()) }
        }
    }

    #[tokio::test]
    async fn a_flood_of_readers_is_one_call_to_the_hypervisor() {
        for fails in [false, true] {
            let slow = Slow::new(fails);
            let shared = Arc::new(SharedGuests::new(Arc::clone(&slow) as _));
            let readers: Vec<_> = (0..1000)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move { shared.list().await })
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
            let _ = shared.list().await;
            assert_eq!(slow.calls.load(Ordering::SeqCst), if fails { 2 } else { 1 }, "a failure is not kept");
        }
    }
}
