//! A guest's memory over its dumps: how much of it changed from each to the next, how random it looks, and how many programs began.
//!
//! What is not known is missing, and never 0: an image without a page map, one whose inside was not read, the first of all.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::comparison::Percent;
use crate::inside::rebooted;
use crate::{ByteCount, DumpId, GuestName, GuestProcess, Inside, Message, ProcessKind, Timestamp};

/// The dumps of one guest whose images are kept, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestTimeline {
    pub guest: GuestName,
    /// The guest's UUID, where that is known.
    pub guest_uuid: Option<String>,
    /// Bytes of a page.
    pub page_bytes: ByteCount,
    /// The newest dumps, oldest first.
    pub points: Vec<TimelinePoint>,
    /// Whether there are older images than these.
    pub has_earlier: bool,
    /// Points whose page maps were not looked at yet: ask again.
    pub pending: u32,
    /// Whether the caller is told of processes: they are for those who may read memory.
    pub with_processes: bool,
}

impl GuestTimeline {
    /// Dumps that are shown where nobody says how many.
    pub const USUAL_POINTS: u32 = 100;
    /// More are not shown.
    pub const MOST_POINTS: u32 = 500;
}

/// One dump of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelinePoint {
    pub dump_id: DumpId,
    /// When the dump began.
    pub taken_at: Timestamp,
    /// What its page map adds up to; missing where it was not looked at yet or cannot be used.
    pub memory: Option<MemoryFigures>,
    /// Since the dump before; missing for the first dump of all, and where one of the two page maps cannot be used.
    pub changes: Option<MemoryChanges>,
    /// From what was read inside of the guest; missing where nobody had that read.
    pub processes: Option<ProcessFigures>,
    /// Why the page map cannot be used.
    pub problem: Option<Message>,
}

/// What the page map of an image adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryFigures {
    /// All pages.
    pub pages: u64,
    /// Pages of zeroes.
    pub zero_pages: u64,
    /// Mean entropy of the pages that are not zero, in thousandths of a bit per byte.
    pub mean_entropy_millibits: u64,
}

/// What changed between two dumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemoryChanges {
    /// Pages that both dumps have.
    pub compared: u64,
    /// Those that are not as they were.
    pub different: u64,
}

impl MemoryChanges {
    /// The share of pages that changed, in thousandths, rounded down; `None` where nothing is in common.
    #[must_use]
    pub fn permille(self) -> Option<u64> {
        let share = (u128::from(self.different) * 1000).checked_div(self.compared.into())?;
        u64::try_from(share).ok()
    }

    /// The same for people.
    #[must_use]
    pub fn share(self) -> Option<String> {
        (self.compared > 0).then(|| Percent(self.different, self.compared).to_string())
    }
}

/// What a guest's list of processes adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProcessFigures {
    /// Programs that ran. Threads of the kernel and what had ended do not count.
    pub programs: u64,
    /// Programs that did not run in the dump before; missing where the inside of that one was not read, one of the lists was cut
    /// short, or the guest booted in between.
    pub new: Option<u64>,
    /// Whether the guest booted in between; missing where that is not known.
    pub rebooted: Option<bool>,
}

impl ProcessFigures {
    /// Of what was read of a dump, and of the dump before where that was read; `None` if its processes were not all listed.
    #[must_use]
    pub fn of(before: Option<&Inside>, inside: &Inside) -> Option<Self> {
        let programs = programs(inside)?;
        let rebooted = before.and_then(|before| rebooted(before, inside));
        let earlier = before.filter(|_| rebooted != Some(true)).and_then(self::programs);
        let new = earlier.map(|earlier| {
            let known: HashSet<_> = earlier.iter().map(|process| key(process)).collect();
            count(programs.iter().filter(|process| !known.contains(&key(process))).count())
        });
        Some(Self { programs: count(programs.len()), new, rebooted })
    }
}

fn programs(inside: &Inside) -> Option<Vec<&GuestProcess>> {
    let table = &inside.processes;
    let is_whole = table.missing.is_none() && table.further == 0;
    is_whole.then(|| table.rows.iter().filter(|process| process.kind == ProcessKind::User).collect())
}

/// A number is given again, and a process runs another program.
fn key(process: &GuestProcess) -> (u32, Option<u64>, &str) {
    (process.pid, process.started_ms.map(|at| at.0), process.name.as_str())
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestSystem, GuestText, INSIDE_VERSION, InsideTable, Millis};

    fn process(pid: u32, name: &str, kind: ProcessKind) -> GuestProcess {
        GuestProcess {
            pid,
            parent_pid: Some(1),
            name: GuestText::new(name, 32),
            command_line: None,
            program: None,
            kind,
            user_id: 0,
            group_id: 0,
            further_threads: 0,
            started_ms: Some(Millis(u64::from(pid) * 10)),
            hidden: false,
        }
    }

    fn inside(processes: Vec<GuestProcess>, booted_at: &str) -> Inside {
        Inside {
            version: INSIDE_VERSION,
            dump_id: None,
            guest: None,
            taken_at: None,
            took_ms: Millis(1),
            system: GuestSystem { booted_at: booted_at.parse().ok(), ..GuestSystem::default() },
            lists_compared: true,
            processes: InsideTable { rows: processes, ..InsideTable::default() },
            open_files: InsideTable::default(),
            modules: InsideTable::default(),
            interfaces: InsideTable::default(),
            connections: InsideTable::default(),
            kernel_log: InsideTable::default(),
            mapped: None,
        }
    }

    const BOOT: &str = "2026-11-27T10:00:00Z";

    #[test]
    fn programs_that_began_are_counted_and_threads_of_the_kernel_are_not() {
        use ProcessKind::{Ended, Kernel, User};
        let before = inside(vec![process(1, "init", User), process(7, "sh", User)], BOOT);
        let now = vec![
            process(1, "init", User),
            process(7, "miner", User),
            process(8, "web", User),
            process(9, "kworker", Kernel),
            process(10, "ls", Ended),
        ];
        let now = inside(now, BOOT);
        let told = ProcessFigures::of(Some(&before), &now).unwrap();
        assert_eq!(told, ProcessFigures { programs: 3, new: Some(2), rebooted: Some(false) });
        let first = ProcessFigures::of(None, &now).unwrap();
        assert_eq!(first, ProcessFigures { programs: 3, new: None, rebooted: None });
    }

    #[test]
    fn what_cannot_be_counted_is_missing_and_not_nothing() {
        let whole = inside(vec![process(1, "init", ProcessKind::User)], BOOT);
        let mut cut = whole.clone();
        cut.processes.further = 1;
        assert_eq!(ProcessFigures::of(Some(&whole), &cut), None);
        assert_eq!(ProcessFigures::of(Some(&cut), &whole).unwrap().new, None);
        let later = inside(vec![process(1, "init", ProcessKind::User)], "2026-11-27T12:00:00Z");
        let told = ProcessFigures::of(Some(&whole), &later).unwrap();
        assert_eq!((told.new, told.rebooted), (None, Some(true)));
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert_eq!(MemoryChanges::default().permille(), None);
        assert_eq!(MemoryChanges::default().share(), None);
        let changes = MemoryChanges { compared: 3, different: 2 };
        assert_eq!((changes.permille(), changes.share().as_deref()), (Some(666), Some("66.6 %")));
        let all = MemoryChanges { compared: u64::MAX, different: u64::MAX };
        assert_eq!(all.permille(), Some(1000));
    }
}
