//! What came and went between two readings of a guest.

use std::collections::HashSet;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::rows::{GuestConnection, GuestModule, GuestProcess, OpenFile, ProcessKind};
use super::table::InsideTable;
use super::{Inside, InsideProblem, InsideState, KernelLogLine};
use crate::{DumpId, Message, Millis, Timestamp};

/// The most rows of a list of [`RowChanges`]; further ones are counted.
pub const MOST_CHANGED_ROWS: usize = 500;

/// By the guest's own clock, when it booted is the same within this: clocks are set.
const SAME_BOOT: Millis = Millis(2 * 60 * 1000);

/// What is in one of two readings only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RowChanges<T> {
    /// Whether it was compared. If not, that nothing is listed says nothing.
    pub compared: bool,
    /// Rows of the second that the first does not have.
    pub came: Vec<T>,
    /// Rows of the first that the second does not have.
    pub went: Vec<T>,
    /// Rows that came and are not listed, because there are too many.
    pub further_came: u64,
    /// Rows that went and are not listed.
    pub further_went: u64,
    /// Why nothing was compared, or why a row may stand here that both had; `None` where both were read in full.
    pub caveat: Option<Message>,
}

impl<T> Default for RowChanges<T> {
    fn default() -> Self {
        Self {
            compared: false,
            came: Vec::new(),
            went: Vec::new(),
            further_came: 0,
            further_went: 0,
            caveat: None,
        }
    }
}

impl<T> RowChanges<T> {
    fn not_compared(caveat: &str) -> Self {
        Self { caveat: Some(caveat.into()), ..Self::default() }
    }

    /// How many rows came.
    #[must_use]
    pub fn all_came(&self) -> u64 {
        self.further_came.saturating_add(self.came.len() as u64)
    }

    /// How many rows went.
    #[must_use]
    pub fn all_went(&self) -> u64 {
        self.further_went.saturating_add(self.went.len() as u64)
    }
}

/// What came and went inside of a guest between two dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InsideChanges {
    /// When the first dump began, where that is known.
    pub first_taken_at: Option<Timestamp>,
    /// When the second one began.
    pub second_taken_at: Option<Timestamp>,
    /// Whether the guest booted in between, so that every process is another one; `None` where that is not known.
    pub rebooted: Option<bool>,
    /// Processes, those of programs before those of the kernel. One that ended and was not cleared away has gone; one that runs
    /// another program now has gone and come.
    pub processes: RowChanges<GuestProcess>,
    /// Loaded modules, by name and version.
    pub modules: RowChanges<GuestModule>,
    /// Connections, by protocol, addresses and state.
    pub connections: RowChanges<GuestConnection>,
    /// Files that processes have open, by process, descriptor and path.
    pub open_files: RowChanges<OpenFile>,
}

impl InsideChanges {
    /// What is in `second` and not in `first`, and the other way round.
    #[must_use]
    pub fn between(first: &Inside, second: &Inside) -> Self {
        let rebooted = rebooted(first, second);
        let modules = changes(
            &first.modules,
            &second.modules,
            |_| true,
            |module| (module.name.as_str().to_owned(), text(module.version.as_ref())),
        );
        let mut changed = Self {
            first_taken_at: first.taken_at,
            second_taken_at: second.taken_at,
            rebooted,
            processes: RowChanges::default(),
            modules,
            connections: RowChanges::default(),
            open_files: RowChanges::default(),
        };
        if rebooted == Some(true) {
            let caveat =
                "the guest booted in between: all that ran before has gone, and all that runs has come";
            changed.processes = RowChanges::not_compared(caveat);
            changed.connections = RowChanges::not_compared(caveat);
            changed.open_files = RowChanges::not_compared(caveat);
            return changed;
        }
        let runs = |process: &GuestProcess| process.kind != ProcessKind::Ended;
        changed.processes = changes(&first.processes, &second.processes, runs, |process| {
            (process.pid, process.started_ms.map(|at| at.0), process.name.as_str().to_owned())
        });
        for list in [&mut changed.processes.came, &mut changed.processes.went] {
            list.sort_by_key(|process| process.kind != ProcessKind::User);
        }
        changed.connections = changes(
            &first.connections,
            &second.connections,
            |_| true,
            |connection| {
                let GuestConnection { protocol, state, local, remote } = connection;
                (
                    protocol.as_str().to_owned(),
                    text(state.as_ref()),
                    text(local.as_ref()),
                    text(remote.as_ref()),
                )
            },
        );
        changed.open_files = changes(
            &first.open_files,
            &second.open_files,
            |_| true,
            |file| (file.pid, file.descriptor, file.path.as_str().to_owned()),
        );
        changed
    }

    /// Whether nothing came or went, as far as it was compared.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        fn of<T>(rows: &RowChanges<T>) -> u64 {
            rows.all_came() + rows.all_went()
        }
        of(&self.processes) + of(&self.modules) + of(&self.connections) + of(&self.open_files) == 0
    }
}

/// How far two readings are, and what came and went once both are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InsideComparison {
    pub first: ComparedReading,
    pub second: ComparedReading,
    /// `None` until both are finished.
    pub changes: Option<Box<InsideChanges>>,
}

/// How far a reading is that is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedReading {
    pub dump_id: DumpId,
    pub state: InsideState,
    /// Why it failed.
    pub problem: Option<InsideProblem>,
}

fn text(text: Option<&super::GuestText>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

/// A line of the kernel's log that both have is of one boot: its time is told in microseconds. Without one, and with two logs that
/// may have dropped it, when the guest booted by its own clock decides.
pub(crate) fn rebooted(first: &Inside, second: &Inside) -> Option<bool> {
    let of_boot =
        |line: &KernelLogLine| (line.at_us > 0).then(|| (line.at_us, line.text.as_str().to_owned()));
    let known: HashSet<_> = first.kernel_log.rows.iter().filter_map(of_boot).collect();
    if second.kernel_log.rows.iter().filter_map(of_boot).any(|line| known.contains(&line)) {
        return Some(false);
    }
    let (before, after) = (first.system.booted_at?, second.system.booted_at?);
    Some(before.since(after).max(after.since(before)) > SAME_BOOT)
}

/// Rows whose key the other table does not have. A table may have a row twice.
fn changes<T: Clone, K: Eq + Hash>(
    first: &InsideTable<T>,
    second: &InsideTable<T>,
    counts: impl Fn(&T) -> bool,
    key: impl Fn(&T) -> K,
) -> RowChanges<T> {
    if let Some(missing) = first.missing.as_ref().or(second.missing.as_ref())
        && (first.rows.is_empty() || second.rows.is_empty())
    {
        return RowChanges { caveat: Some(missing.message.clone()), ..RowChanges::default() };
    }
    let keys = |table: &InsideTable<T>| -> HashSet<K> {
        table.rows.iter().filter(|row| counts(row)).map(&key).collect()
    };
    let only_in = |table: &InsideTable<T>, others: &HashSet<K>| {
        let mut rows: Vec<T> = Vec::new();
        let mut further = 0_u64;
        let mut seen = HashSet::new();
        for row in table.rows.iter().filter(|row| counts(row)) {
            let key = key(row);
            if others.contains(&key) || !seen.insert(key) {
                continue;
            }
            if rows.len() < MOST_CHANGED_ROWS {
                rows.push(row.clone());
            } else {
                further += 1;
            }
        }
        (rows, further)
    };
    let (before, after) = (keys(first), keys(second));
    let (came, further_came) = only_in(second, &before);
    let (went, further_went) = only_in(first, &after);
    let is_cut = [first, second]
        .iter()
        .any(|table| table.further > 0 || table.unreadable > 0 || table.missing.is_some());
    let caveat = "one of the two was not read in full: a row may stand here that both had";
    RowChanges {
        compared: true,
        came,
        went,
        further_came,
        further_went,
        caveat: is_cut.then(|| caveat.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GuestSystem, GuestText, INSIDE_VERSION, Missing, MissingWhy};
    use super::*;

    fn process(pid: u32, name: &str, kind: ProcessKind) -> GuestProcess {
        GuestProcess {
            pid,
            parent_pid: Some(1),
            name: GuestText::new(name, 16),
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

    fn of<T>(rows: Vec<T>) -> InsideTable<T> {
        InsideTable { rows, ..InsideTable::default() }
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
            processes: of(processes),
            open_files: InsideTable::default(),
            modules: InsideTable::default(),
            interfaces: InsideTable::default(),
            connections: InsideTable::default(),
            kernel_log: InsideTable::default(),
            mapped: None,
        }
    }

    const BOOT: &str = "2026-11-27T10:00:00Z";

    fn names(processes: &[GuestProcess]) -> Vec<&str> {
        processes.iter().map(|process| process.name.as_str()).collect()
    }

    #[test]
    fn processes_come_and_go_and_what_stays_is_not_told() {
        use ProcessKind::{Ended, Kernel, User};
        let before = vec![process(1, "init", User), process(7, "sh", User), process(9, "web", User)];
        let mut other_program = process(7, "miner", User);
        other_program.command_line = Some(GuestText::new("miner --all", 64));
        let after = vec![
            process(1, "init", User),
            process(20, "kworker", Kernel),
            other_program,
            process(9, "web", Ended),
        ];
        let changes = InsideChanges::between(&inside(before, BOOT), &inside(after, BOOT));
        assert_eq!(changes.rebooted, Some(false));
        assert_eq!(names(&changes.processes.came), ["miner", "kworker"], "programs first");
        assert_eq!(names(&changes.processes.went), ["sh", "web"]);
        assert_eq!((changes.processes.compared, &changes.processes.caveat), (true, &None));
        assert!(!changes.is_nothing());
        let same = inside(vec![process(1, "init", User)], BOOT);
        assert!(InsideChanges::between(&same, &same).is_nothing());
    }

    #[test]
    fn a_number_that_was_given_again_is_another_process() {
        let before = inside(vec![process(7, "sh", ProcessKind::User)], BOOT);
        let mut again = process(7, "sh", ProcessKind::User);
        again.started_ms = Some(Millis(99_000));
        let changes = InsideChanges::between(&before, &inside(vec![again], BOOT));
        assert_eq!((changes.processes.came.len(), changes.processes.went.len()), (1, 1));
    }

    #[test]
    fn after_a_boot_processes_are_not_compared_and_modules_are() {
        let module =
            |name| GuestModule { name: GuestText::new(name, 64), version: None, state: None, taints: true };
        let before = inside(vec![process(7, "sh", ProcessKind::User)], BOOT);
        let mut after = inside(vec![process(7, "sh", ProcessKind::User)], "2026-11-27T12:00:00Z");
        after.modules = of(vec![module("rootkit")]);
        let changes = InsideChanges::between(&before, &after);
        assert_eq!(changes.rebooted, Some(true));
        assert!(changes.processes.came.is_empty() && changes.processes.caveat.is_some());
        assert!(!changes.processes.compared && !changes.open_files.compared && changes.modules.compared);
        assert_eq!(changes.modules.came[0].name.as_str(), "rootkit");
        assert_eq!(changes.modules.caveat, None);

        // The guest's clock was set, and its log goes on: it is the same boot.
        let line = KernelLogLine { at_us: 1_234_567, level: 6, text: GuestText::new("eth0: up", 64) };
        let (mut before, mut after) = (before, after);
        before.kernel_log = of(vec![line.clone()]);
        after.kernel_log = of(vec![line]);
        assert_eq!(InsideChanges::between(&before, &after).rebooted, Some(false));
    }

    #[test]
    fn what_was_not_read_in_full_is_said() {
        let mut cut = inside(vec![process(7, "sh", ProcessKind::User)], BOOT);
        cut.processes.further = 3;
        let whole =
            inside(vec![process(7, "sh", ProcessKind::User), process(8, "ls", ProcessKind::User)], BOOT);
        let changes = InsideChanges::between(&cut, &whole);
        assert_eq!(names(&changes.processes.came), ["ls"]);
        assert!(changes.processes.compared && changes.processes.caveat.is_some());

        let missing =
            Missing { why: MissingWhy::KernelTooOld, message: "the kernel is older than 6.4".into() };
        let mut old = whole.clone();
        old.modules = InsideTable::missing(missing.clone());
        let changes = InsideChanges::between(&old, &whole);
        assert_eq!((changes.modules.compared, changes.modules.caveat), (false, Some(missing.message)));
    }

    #[test]
    fn lists_end() {
        let many = |from: u32| (from..from + 700).map(|pid| process(pid, "sh", ProcessKind::User)).collect();
        let changes = InsideChanges::between(&inside(many(1), BOOT), &inside(many(1_000), BOOT));
        assert_eq!(changes.processes.came.len(), MOST_CHANGED_ROWS);
        assert_eq!((changes.processes.further_came, changes.processes.all_went()), (200, 700));
    }
}
