//! Processes in the order of a tree.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::GuestProcess;

/// A process in the order of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeRow<'a> {
    /// How far below a root, from 0.
    pub depth: usize,
    pub process: &'a GuestProcess,
}

/// Deeper than this nothing is indented further.
const MAX_DEPTH: usize = 64;

/// Processes as a tree, each once: children follow their parent, by number. One whose parent is not listed is a root, as
/// is one of a circle of parents.
#[must_use]
pub fn process_tree(processes: &[GuestProcess]) -> Vec<TreeRow<'_>> {
    let numbers: BTreeSet<u32> = processes.iter().map(|process| process.pid).collect();
    let mut children: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (place, process) in processes.iter().enumerate() {
        match process.parent_pid.filter(|parent| *parent != process.pid && numbers.contains(parent)) {
            Some(parent) => children.entry(parent).or_default().push(place),
            None => roots.push(place),
        }
    }
    let mut seen = vec![false; processes.len()];
    let mut rows = Vec::new();
    // A circle has no root: its first process, by number, is one.
    for root in roots.into_iter().chain(0..processes.len()) {
        let mut stack = vec![(root, 0)];
        while let Some((place, depth)) = stack.pop() {
            let Some(process) = processes.get(place) else { continue };
            if seen.get(place).copied().unwrap_or(true) {
                continue;
            }
            if let Some(seen) = seen.get_mut(place) {
                *seen = true;
            }
            rows.push(TreeRow { depth, process });
            // Of several with one number, which do not occur in a sound guest, the first has the children.
            let below = children.remove(&process.pid).unwrap_or_default();
            stack.extend(below.into_iter().rev().map(|child| (child, (depth + 1).min(MAX_DEPTH))));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::{GuestText, ProcessKind};

    fn process(pid: u32, parent: Option<u32>) -> GuestProcess {
        GuestProcess {
            pid,
            parent_pid: parent,
            name: GuestText::new("sh", 16),
            command_line: None,
            program: None,
            kind: ProcessKind::User,
            user_id: 0,
            group_id: 0,
            further_threads: 0,
            started_ms: None,
            hidden: false,
        }
    }

    fn order(processes: &[GuestProcess]) -> Vec<(u32, usize)> {
        process_tree(processes).iter().map(|row| (row.process.pid, row.depth)).collect()
    }

    #[test]
    fn children_follow_their_parent() {
        let processes = [
            process(1, Some(0)),
            process(2, Some(0)),
            process(7, Some(2)),
            process(30, Some(1)),
            process(31, Some(30)),
            process(40, Some(1)),
            process(50, Some(999)),
        ];
        assert_eq!(order(&processes), [(1, 0), (30, 1), (31, 2), (40, 1), (2, 0), (7, 1), (50, 0)]);
    }

    #[test]
    fn circles_and_doubles_of_a_hostile_guest_are_listed_once_and_end() {
        let circle = [process(1, Some(2)), process(2, Some(1)), process(3, Some(3)), process(3, Some(1))];
        let mut listed = order(&circle);
        assert_eq!(listed.len(), circle.len());
        listed.sort_unstable();
        assert_eq!(listed.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3, 3]);
        let chain: Vec<_> = (1..20_000).map(|pid| process(pid, Some(pid - 1))).collect();
        let deepest = process_tree(&chain).iter().map(|row| row.depth).max();
        assert_eq!(deepest, Some(MAX_DEPTH));
    }
}
