//! Points that wait to be written: bounded, the oldest dropped first and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memdeck_influx::Point;

/// A queue toward whoever writes points. Nobody who puts something in ever waits for who takes it out.
#[derive(Debug)]
pub struct PointQueue {
    most: usize,
    points: Mutex<VecDeque<Point>>,
    dropped: AtomicU64,
    written: AtomicU64,
}

impl PointQueue {
    /// The length that existing installations have.
    pub const DEFAULT_LEN: usize = 20_000;

    /// A queue of at most `most` points.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, points: Mutex::default(), dropped: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    /// Appends points. What does not fit pushes out the oldest.
    pub fn push(&self, points: Vec<Point>) {
        let mut queue = self.lock();
        queue.extend(points);
        let excess = queue.len().saturating_sub(self.most);
        queue.drain(..excess);
        self.count_dropped(excess);
    }

    /// Takes out the oldest points, at most `most`. Follow with [`written`](Self::written) or
    /// [`put_back`](Self::put_back).
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Point> {
        let mut queue = self.lock();
        let count = most.min(queue.len());
        queue.drain(..count).collect()
    }

    /// Puts points back to the front that could not be written. Those that do not fit any more are dropped, the oldest
    /// first.
    pub fn put_back(&self, mut points: Vec<Point>) {
        let mut queue = self.lock();
        let excess = (queue.len() + points.len()).saturating_sub(self.most).min(points.len());
        for point in points.drain(excess..).rev() {
            queue.push_front(point);
        }
        self.count_dropped(excess);
    }

    /// Counts points that the store of points has taken.
    pub fn written(&self, count: usize) {
        self.written.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Counts points that the store of points refused for their content; they are not put back.
    pub fn refused(&self, count: usize) {
        self.count_dropped(count);
    }

    /// Points that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Points that were dropped.
    #[must_use]
    pub fn total_dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Points that were written.
    #[must_use]
    pub fn total_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn count_dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Point>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(number: i64) -> Point {
        Point { measurement: "vm_totals", tags: Vec::new(), fields: Vec::new(), unix_nanos: number }
    }

    fn numbers(points: &[Point]) -> Vec<i64> {
        points.iter().map(|point| point.unix_nanos).collect()
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let queue = PointQueue::new(3);
        queue.push((1..=5).map(point).collect());
        assert_eq!((queue.len(), queue.total_dropped()), (3, 2));
        let taken = queue.take(2);
        assert_eq!(numbers(&taken), [3, 4]);
        queue.push(vec![point(6)]);
        queue.put_back(taken);
        assert_eq!((queue.total_dropped(), numbers(&queue.take(9))), (3, vec![4, 5, 6]));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        WriteSome(usize),
        FailSome(usize),
    }

    proptest! {
        #[test]
        fn every_point_is_written_dropped_or_waits_and_none_is_out_of_order(
            most in 1_usize..20,
            steps in proptest::collection::vec(prop_oneof![
                (0_u8..30).prop_map(Step::Push),
                (0_usize..30).prop_map(Step::WriteSome),
                (0_usize..30).prop_map(Step::FailSome),
            ], 0..60),
        ) {
            let queue = PointQueue::new(most);
            let (mut made, mut newest_written) = (0_i64, 0);
            for step in steps {
                match step {
                    Step::Push(count) => {
                        queue.push((0..count).map(|_| { made += 1; point(made) }).collect());
                    }
                    Step::WriteSome(count) => {
                        let taken = queue.take(count);
                        for number in numbers(&taken) {
                            prop_assert!(number > newest_written);
                            newest_written = number;
                        }
                        queue.written(taken.len());
                    }
                    Step::FailSome(count) => queue.put_back(queue.take(count)),
                }
                prop_assert!(queue.len() <= most);
                let told = queue.total_written() + queue.total_dropped() + queue.len() as u64;
                prop_assert_eq!(told, made.unsigned_abs());
            }
        }
    }
}
