//! Threads that each take a job in turn. What they make of them is collected in the same turn, so it comes out in order.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// The way in.
pub(super) struct Jobs<J> {
    threads: Vec<SyncSender<J>>,
    next: usize,
}

/// The way out.
pub(super) struct Results<D> {
    threads: Vec<Receiver<D>>,
    next: usize,
}

/// The thread after that one.
fn after(thread: usize, threads: usize) -> usize {
    (thread + 1) % threads.max(1)
}

impl<J> Jobs<J> {
    /// Hands a job to the thread whose turn it is; `None` once that one has ended.
    pub(super) fn send(&mut self, job: J) -> Option<()> {
        let thread = self.threads.get(self.next)?;
        self.next = after(self.next, self.threads.len());
        thread.send(job).ok()
    }
}

impl<D> Results<D> {
    /// What one thread makes, which takes no turns.
    pub(super) fn of_one(thread: Receiver<D>) -> Self {
        Self { threads: vec![thread], next: 0 }
    }

    /// Waits for the thread whose turn it is; `None` once that one has ended.
    pub(super) fn recv(&mut self) -> Option<D> {
        let thread = self.threads.get(self.next)?;
        self.next = after(self.next, self.threads.len());
        thread.recv().ok()
    }
}

/// The way to the threads, the way from them, and the threads.
pub(super) type Turns<'scope, J, D, T> = (Jobs<J>, Results<D>, Vec<ScopedJoinHandle<'scope, T>>);

/// Starts so many threads of that name, each with room for so many jobs before and behind it. Each runs `work` on its
/// jobs until they end, or until nobody collects what it makes.
pub(super) fn start<'scope, J: Send + 'scope, D: Send + 'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    threads: usize,
    room: usize,
    work: impl FnOnce(Receiver<J>, SyncSender<D>) -> T + Clone + Send + 'scope,
) -> io::Result<Turns<'scope, J, D, T>> {
    let (mut jobs, mut results, mut handles) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..threads {
        let (to_thread, waiting) = sync_channel(room);
        let (finished, from_thread) = sync_channel(room);
        let work = work.clone();
        let thread =
            Builder::new().name(name.to_owned()).spawn_scoped(scope, move || work(waiting, finished))?;
        jobs.push(to_thread);
        results.push(from_thread);
        handles.push(thread);
    }
    Ok((Jobs { threads: jobs, next: 0 }, Results { threads: results, next: 0 }, handles))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_jobs_whichever_thread_is_slow() {
        std::thread::scope(|scope| {
            let work = |jobs: Receiver<u64>, results: SyncSender<u64>| {
                for job in jobs {
                    if job % 3 == 0 {
                        std::thread::yield_now();
                    }
                    results.send(job * 2).unwrap();
                }
            };
            let (mut jobs, mut results, threads) = start(scope, "turn", 3, 100, work).unwrap();
            for job in 0..100 {
                jobs.send(job).unwrap();
            }
            drop(jobs);
            let made: Vec<u64> = std::iter::from_fn(|| results.recv()).collect();
            assert_eq!(made, (0..100).map(|job| job * 2).collect::<Vec<_>>());
            assert_eq!(threads.len(), 3);
        });
    }

    #[test]
    fn a_thread_that_ended_takes_no_jobs_and_gives_no_results() {
        std::thread::scope(|scope| {
            let work = |_: Receiver<()>, _: SyncSender<()>| {};
            let (mut jobs, mut results, threads) = start(scope, "turn", 1, 1, work).unwrap();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((jobs.send(()), results.recv()), (None, None));
        });
    }
}
