//! What of a batch has arrived, and what was refused.

use std::ops::Range;

use crate::FeedError;

/// What came of a write that the store answered.
#[derive(Debug, Default)]
pub struct WriteOutcome {
    /// How many points the store has acknowledged.
    pub written: usize,
    /// The others, in the order of the points.
    pub rejected: Vec<Rejection>,
}

/// A point that the store will not take, however often it is written. Those around it were written.
#[derive(Debug)]
pub struct Rejection {
    /// Its place among the points that were to be written.
    pub index: usize,
    /// What the store said.
    pub error: FeedError,
}

/// The parts of a batch that are still to be written, by places in it.
pub(crate) struct Parts {
    waiting: Vec<Range<usize>>,
    /// How often a part may still be split: a batch of which every line is refused must not become thousands of calls.
    splits_left: u32,
}

impl Parts {
    /// A batch of so many points, as one part.
    pub(crate) fn of(len: usize) -> Self {
        Self { waiting: (len > 0).then_some(0..len).into_iter().collect(), splits_left: 64 }
    }

    /// The part to write now.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.waiting.pop()
    }

    /// Splits a refused part in two. `None`, and it is to be given up: a single point, or one of too many.
    pub(crate) fn split(&mut self, part: &Range<usize>) -> Option<()> {
        if part.len() < 2 {
            return None;
        }
        self.splits_left = self.splits_left.checked_sub(1)?;
        let middle = part.start + part.len() / 2;
        self.waiting.push(middle..part.end);
        self.waiting.push(part.start..middle);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_part_is_split_until_single_points_are_left() {
        let mut parts = Parts::of(5);
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            if !part.contains(&3) {
                taken.extend(part);
            } else if parts.split(&part).is_none() {
                refused.extend(part);
            }
        }
        assert_eq!((taken, refused), (vec![0, 1, 2, 4], vec![3]));
    }

    #[test]
    fn splitting_ends_before_it_becomes_a_flood() {
        let mut parts = Parts::of(2000);
        let (mut calls, mut given_up) = (0, 0);
        while let Some(part) = parts.next() {
            calls += 1;
            if parts.split(&part).is_none() {
                given_up += part.len();
            }
        }
        assert_eq!(given_up, 2000);
        assert!(calls < 150, "{calls}");
    }
}
