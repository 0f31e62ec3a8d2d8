//! A queue in which everybody who waits gets a turn, however much the others ask for.

use std::collections::{HashMap, VecDeque};

/// Jobs by whose they are. Those of one come in order; between them goes a turn.
pub(super) struct FairQueue<J> {
    waiting: HashMap<u64, VecDeque<J>>,
    /// Whose turn it is; each that has a job, once.
    turns: VecDeque<u64>,
}

impl<J> FairQueue<J> {
    pub(super) fn new() -> Self {
        Self { waiting: HashMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn push(&mut self, whose: u64, job: J) {
        let jobs = self.waiting.entry(whose).or_default();
        if jobs.is_empty() {
            self.turns.push_back(whose);
        }
        jobs.push_back(job);
    }

    pub(super) fn pop(&mut self) -> Option<J> {
        let whose = self.turns.pop_front()?;
        let jobs = self.waiting.get_mut(&whose)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.waiting.remove(&whose);
        } else {
            self.turns.push_back(whose);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_is_not_behind_a_hundred_of_somebody_else() {
        let mut queue = FairQueue::new();
        for job in 0..100 {
            queue.push(1, job);
        }
        queue.push(2, 1000);
        queue.push(2, 1001);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(&order[..5], [0, 1000, 1, 1001, 2]);
        assert_eq!(order.len(), 102);
        assert!(queue.waiting.is_empty() && queue.turns.is_empty());
    }
}
