//! Which of the tasks that were found are processes, and whether both of the kernel's lists have them.
//!
//! Tasks are found by following pointers from the first process, which leads to some that ended long ago, too; and, where
//! the kernel's symbols are known, in its table of process numbers. A process that is in one of them only is hidden.

use std::collections::{BTreeMap, BTreeSet};

use memdeck_model::{GuestProcess, GuestText, InsideTable, Millis, ProcessKind};
use mquire::memory::virtual_address::VirtualAddress;
use mquire::operating_system::linux::entities::task::{Task, TaskKind};

/// More are not listed.
const MOST_PROCESSES: usize = 20_000;
/// Linux' own limit.
const MOST_PID: u32 = 4 << 20;
const NAME_CHARS: usize = 32;
const COMMAND_CHARS: usize = 1024;
const PATH_CHARS: usize = 512;
/// The process that starts the kernel's threads.
const KERNEL_THREADS_PARENT: u32 = 2;

/// What is kept of a task.
#[derive(Clone, Debug)]
pub(super) struct Found {
    address: u64,
    at: VirtualAddress,
    pid: u32,
    group: u32,
    /// Where its uppermost page table is, if it has memory of its own.
    page_table: Option<u64>,
    process: GuestProcess,
}

impl Found {
    pub(super) fn of(task: &Task) -> Self {
        let text = |text: &Option<String>, most| text.as_deref().map(|text| GuestText::new(text, most));
        let parent_pid = task.real_ppid.or(task.ppid);
        let is_of_kernel = task.tgid == KERNEL_THREADS_PARENT || parent_pid == Some(KERNEL_THREADS_PARENT);
        let kind = match task.kind {
            TaskKind::Kthread if is_of_kernel => ProcessKind::Kernel,
            // A process gives its memory back before it ends.
            TaskKind::Kthread => ProcessKind::Ended,
            TaskKind::ThreadGroupLeader | TaskKind::Thread => ProcessKind::User,
        };
        let started = task.start_boottime.or(task.start_time);
        let process = GuestProcess {
            pid: task.tgid,
            parent_pid,
            name: text(&task.name, NAME_CHARS).unwrap_or_default(),
            command_line: text(&task.command_line, COMMAND_CHARS),
            program: text(&task.binary_path, PATH_CHARS).filter(|path| !path.is_empty()),
            kind,
            user_id: task.uid,
            group_id: task.gid,
            further_threads: 0,
            started_ms: started.map(|ns| Millis(ns / 1_000_000)),
            hidden: false,
        };
        let (address, at) = (task.virtual_address.value().value(), task.virtual_address);
        let page_table = (kind == ProcessKind::User).then(|| task.page_table.value());
        Self { address, at, pid: task.pid, group: task.tgid, page_table, process }
    }

    /// Whether it can be a task that exists: pointers lead to memory that was used for something else since.
    fn is_plausible(&self) -> bool {
        let name = self.process.name.as_str();
        let is_name = !name.is_empty() && !name.chars().any(|c| c == '\u{fffd}' || c == '…');
        // Number 0 is each processor's idle task, which is no process.
        is_name && (1..=MOST_PID).contains(&self.pid) && (1..=MOST_PID).contains(&self.group)
    }
}

/// A process that is listed, and where the kernel keeps it.
pub(super) struct Listed {
    pub(super) at: VirtualAddress,
    pub(super) pid: u32,
    pub(super) name: GuestText,
    pub(super) page_table: Option<u64>,
}

/// The processes among tasks. `followed` were found by pointers, `numbered` in the table of numbers, where that was found.
pub(super) fn processes(
    followed: Vec<Found>,
    numbered: Option<Vec<Found>>,
) -> (InsideTable<GuestProcess>, Vec<Listed>) {
    let addresses = |tasks: &[Found]| tasks.iter().map(|task| task.address).collect::<BTreeSet<u64>>();
    let (by_pointer, by_number) = (addresses(&followed), numbered.as_deref().map(addresses));
    let mut seen = BTreeSet::new();
    let mut threads: BTreeMap<u32, u32> = BTreeMap::new();
    let mut leaders: BTreeMap<u32, (Found, bool)> = BTreeMap::new();
    let tasks = numbered.into_iter().flatten().chain(followed);
    for task in tasks.filter(Found::is_plausible) {
        if !seen.insert(task.address) {
            continue;
        }
        let is_numbered = by_number.as_ref().is_none_or(|numbers| numbers.contains(&task.address));
        let in_both = is_numbered && by_pointer.contains(&task.address);
        // What has no memory and no number ended, and its entry was not used again.
        if !is_numbered && task.process.kind != ProcessKind::User {
            continue;
        }
        if task.pid == task.group {
            leaders.entry(task.group).or_insert((task, in_both));
        } else if is_numbered {
            *threads.entry(task.group).or_default() += 1;
        }
    }
    let compared = by_number.is_some();
    let mut listed = Vec::new();
    let rows = leaders.into_values().map(|(found, in_both)| {
        let name = found.process.name.clone();
        listed.push(Listed { at: found.at, pid: found.group, name, page_table: found.page_table });
        let further_threads = threads.get(&found.group).copied().unwrap_or(0);
        Ok::<_, ()>(GuestProcess { further_threads, hidden: compared && !in_both, ..found.process })
    });
    let table = InsideTable::bounded(rows, MOST_PROCESSES);
    (table, listed)
}
