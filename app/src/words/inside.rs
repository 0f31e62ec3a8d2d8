//! What was read out of an image, in the words in which the page shows it. Made on the server.

use memdeck_model::{
    GuestConnection, GuestInterface, GuestModule, GuestProcess, GuestText, Inside, InsideProblem,
    InsideProblemKind, InsideReading, InsideTable, KernelLogLine, Missing, MissingWhy, OpenFile, ProcessKind,
    Timestamp, TreeRow, other_readers,
};

use super::inside_tables::{Absent, InsideKnown, InsideTables, InsideTrouble, RowMark, Sheet, SheetRow};
use super::{Fact, Value, grouped, sentence};

/// What is known of the inside of a dump's guest, in words.
pub fn in_words(reading: &InsideReading) -> InsideKnown {
    let inside = reading.inside.as_deref();
    let kind = reading.problem.as_ref().map(|problem| problem.kind);
    let is_for_others = kind == Some(InsideProblemKind::NoKernel) || inside.is_some_and(is_old);
    InsideKnown {
        state: reading.state,
        read: inside.map(|inside| tables(inside, reading.finished_at)),
        problem: reading.problem.as_ref().map(trouble),
        commands: if is_for_others { other_readers(reading.dump_id.as_str()) } else { Vec::new() },
    }
}

/// Whether the kernel is older than those that all can be read of.
fn is_old(inside: &Inside) -> bool {
    let missing = [
        &inside.modules.missing,
        &inside.interfaces.missing,
        &inside.connections.missing,
        &inside.kernel_log.missing,
    ];
    missing.into_iter().flatten().any(|missing| missing.why == MissingWhy::KernelTooOld)
}

/// Why nothing was read.
pub(super) fn trouble(problem: &InsideProblem) -> InsideTrouble {
    let (title, can_ask_again) = match problem.kind {
        InsideProblemKind::NoKernel => ("No Linux kernel was found", true),
        InsideProblemKind::Image => ("The image cannot be read", true),
        InsideProblemKind::NoRoom => ("There is no room to unpack the image", true),
        InsideProblemKind::Fault => ("The program that reads images met a fault", true),
        InsideProblemKind::Memory => ("Reading takes more memory than it may", true),
        InsideProblemKind::Time => ("Reading takes longer than it may", true),
        InsideProblemKind::Stopped => ("Reading was stopped", true),
        InsideProblemKind::Process => ("The image was not read", true),
        InsideProblemKind::NotKept => ("The result could not be kept", true),
        InsideProblemKind::Service => ("This host cannot read images", false),
    };
    InsideTrouble { title: title.to_owned(), detail: sentence(&problem.message.to_string()), can_ask_again }
}

/// Why a table was not read.
fn absent(missing: &Missing) -> Absent {
    let title = match missing.why {
        MissingWhy::KernelTooOld => "The guest’s kernel is too old for this",
        MissingWhy::NoSymbols => "The kernel’s symbols were not found",
        MissingWhy::Unreadable => "This could not be read",
    };
    Absent { title: title.to_owned(), detail: sentence(&missing.message.to_string()) }
}

fn tables(inside: &Inside, read_at: Option<Timestamp>) -> InsideTables {
    let hidden = inside.processes.rows.iter().filter(|process| process.hidden).count();
    let warning = match hidden {
        0 => None,
        1 => Some(
            "One process is in only one of the kernel’s lists of processes: something hides it.".to_owned(),
        ),
        hidden => Some(format!(
            "{hidden} processes are in only one of the kernel’s lists of processes: something hides them."
        )),
    };
    let processes = Sheet {
        rows: inside.tree().iter().map(process).collect(),
        ..sheet(&inside.processes, &["Process", "PID", "Parent", "User", "Started", "Threads"], |_| row([]))
    };
    InsideTables {
        facts: facts(inside, read_at),
        warning,
        sheets: vec![
            processes,
            sheet(&inside.open_files, &["Path", "PID", "Descriptor"], open_file),
            sheet(&inside.modules, &["Module", "Version", "State"], module),
            sheet(&inside.interfaces, &["Interface", "Addresses", "Hardware address", "State"], interface),
            sheet(&inside.connections, &["Local", "Remote", "Protocol", "State"], connection),
            sheet(&inside.kernel_log, &["Message", "After the boot", "Level"], log_line),
        ],
    }
}

fn facts(inside: &Inside, read_at: Option<Timestamp>) -> Vec<Fact> {
    let system = &inside.system;
    let text = |text: &Option<GuestText>| match text {
        Some(text) => Value::Code(text.to_string()),
        None => Value::Unknown,
    };
    let booted = match (&system.booted_at, &system.booted_at_missing) {
        (Some(at), _) => Value::Instant(*at),
        (None, Some(missing)) => Value::Text(sentence(&missing.message.to_string())),
        (None, None) => Value::Unknown,
    };
    let compared = if inside.lists_compared {
        "The kernel’s two lists of processes were compared."
    } else {
        "Only one of the kernel’s lists of processes was found, so hidden ones cannot be told."
    };
    let facts = [
        ("Host name", text(&system.host_name)),
        ("Kernel", text(&system.kernel)),
        ("Build", text(&system.kernel_build)),
        ("Machine", text(&system.machine)),
        ("Booted", booted),
        ("Processes", Value::Text(format!("{}. {compared}", grouped(count(&inside.processes))))),
        ("Read", read_at.map_or(Value::Unknown, Value::Instant)),
        ("Took", Value::Text(inside.took_ms.to_string())),
    ];
    facts.into_iter().map(|(name, value)| Fact { name: name.to_owned(), value }).collect()
}

fn count<T>(table: &InsideTable<T>) -> u64 {
    u64::try_from(table.rows.len()).unwrap_or(u64::MAX).saturating_add(table.further)
}

fn sheet<T>(table: &InsideTable<T>, columns: &[&str], row: impl Fn(&T) -> SheetRow) -> Sheet {
    let notes = [
        (table.further, "more are not listed: there are too many."),
        (table.unreadable, "could not be read."),
    ];
    let notes = notes.into_iter().filter(|(count, _)| *count > 0);
    Sheet {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows: table.rows.iter().map(row).collect(),
        absent: table.missing.as_ref().map(absent),
        notes: notes.map(|(count, what)| format!("{} {what}", grouped(count))).collect(),
    }
}

fn row<const N: usize>(cells: [String; N]) -> SheetRow {
    SheetRow { depth: 0, mark: None, cells: Vec::from(cells) }
}

/// What is not there is empty.
fn shown(text: Option<&GuestText>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

pub(super) fn process(TreeRow { depth, process }: &TreeRow<'_>) -> SheetRow {
    let GuestProcess { pid, parent_pid, name, command_line, kind, .. } = process;
    let text = match (command_line, kind) {
        (Some(command), _) if !command.is_empty() => command.to_string(),
        (_, ProcessKind::Kernel) => format!("[{name}]"),
        _ => name.to_string(),
    };
    let user = match (process.user_id, process.group_id) {
        (user, group) if user == group => user.to_string(),
        (user, group) => format!("{user}:{group}"),
    };
    let cells = [
        text,
        pid.to_string(),
        parent_pid.map(|parent| parent.to_string()).unwrap_or_default(),
        user,
        process.started_ms.map(|started| format!("{started} after the boot")).unwrap_or_default(),
        process.further_threads.saturating_add(1).to_string(),
    ];
    let ended = (*kind == ProcessKind::Ended).then_some(RowMark::Ended);
    let mark = if process.hidden { Some(RowMark::Hidden) } else { ended };
    SheetRow { depth: *depth, mark, ..row(cells) }
}

pub(super) fn open_file(file: &OpenFile) -> SheetRow {
    row([file.path.to_string(), file.pid.to_string(), file.descriptor.to_string()])
}

pub(super) fn module(module: &GuestModule) -> SheetRow {
    let cells = [module.name.to_string(), shown(module.version.as_ref()), shown(module.state.as_ref())];
    SheetRow { mark: module.taints.then_some(RowMark::Taints), ..row(cells) }
}

fn interface(interface: &GuestInterface) -> SheetRow {
    let addresses: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
    row([
        interface.name.to_string(),
        addresses.join(", "),
        shown(interface.hardware_address.as_ref()),
        shown(interface.state.as_ref()),
    ])
}

pub(super) fn connection(connection: &GuestConnection) -> SheetRow {
    row([
        connection.local.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string),
        shown(connection.remote.as_ref()),
        connection.protocol.to_string(),
        shown(connection.state.as_ref()),
    ])
}

fn log_line(line: &KernelLogLine) -> SheetRow {
    let at = format!("{}.{:06} s", line.at_us / 1_000_000, line.at_us % 1_000_000);
    row([line.text.to_string(), at, level(line.level).to_owned()])
}

/// As syslog names the levels.
fn level(level: u8) -> &'static str {
    const NAMES: [&str; 8] =
        ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    NAMES.get(usize::from(level)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestSystem, INSIDE_VERSION, InsideState, Millis};

    use super::*;
    use crate::words::SHEETS;

    fn guest_process(pid: u32, parent: u32, kind: ProcessKind, hidden: bool) -> GuestProcess {
        GuestProcess {
            pid,
            parent_pid: Some(parent),
            name: GuestText::new("bash", 16),
            command_line: (kind == ProcessKind::User).then(|| GuestText::new("/bin/bash -l", 64)),
            program: None,
            kind,
            user_id: 1000,
            group_id: 1000,
            further_threads: 2,
            started_ms: Some(Millis(12_500)),
            hidden,
        }
    }

    fn inside(processes: Vec<GuestProcess>) -> Inside {
        let too_old = Missing {
            why: MissingWhy::KernelTooOld,
            message: "Kernel 6.1.0 is older than 6.4: no modules without its symbols.".into(),
        };
        Inside {
            version: INSIDE_VERSION,
            dump_id: None,
            guest: None,
            taken_at: None,
            took_ms: Millis(2_000),
            system: GuestSystem { kernel: Some(GuestText::new("6.1.0", 16)), ..GuestSystem::default() },
            lists_compared: true,
            processes: InsideTable { rows: processes, further: 3, unreadable: 1, missing: None },
            open_files: InsideTable::default(),
            modules: InsideTable::missing(too_old),
            interfaces: InsideTable::default(),
            connections: InsideTable::default(),
            kernel_log: InsideTable::default(),
            mapped: None,
        }
    }

    fn reading(inside: Option<Inside>, problem: Option<InsideProblem>) -> InsideReading {
        let none = InsideReading::none("a1".parse().unwrap());
        InsideReading { state: InsideState::Finished, inside: inside.map(Box::new), problem, ..none }
    }

    #[test]
    fn processes_are_a_tree_and_what_is_hidden_is_marked_and_warned_of() {
        let rows = vec![
            guest_process(1, 0, ProcessKind::User, false),
            guest_process(7, 1, ProcessKind::User, true),
            guest_process(9, 2, ProcessKind::Kernel, false),
        ];
        let known = in_words(&reading(Some(inside(rows)), None));
        let read = known.read.unwrap();
        assert_eq!(read.sheets.len(), SHEETS.len());
        let processes = &read.sheets[0];
        let told: Vec<_> =
            processes.rows.iter().map(|row| (row.depth, row.cells[0].as_str(), row.mark)).collect();
        assert_eq!(
            told,
            [(0, "/bin/bash -l", None), (1, "/bin/bash -l", Some(RowMark::Hidden)), (0, "[bash]", None)]
        );
        assert_eq!(processes.rows[1].cells[1..], ["7", "1", "1000", "12.50 s after the boot", "3"]);
        assert!(read.warning.unwrap().starts_with("One process is in only one"));
        assert_eq!(processes.notes, ["3 more are not listed: there are too many.", "1 could not be read."]);
        for sheet in &read.sheets {
            assert!(sheet.rows.iter().all(|row| row.cells.len() == sheet.columns.len()));
        }
    }

    #[test]
    fn what_an_older_kernel_does_not_give_says_why_and_what_reads_it() {
        let known = in_words(&reading(Some(inside(Vec::new())), None));
        let read = known.read.unwrap();
        let modules = read.sheets[2].absent.as_ref().unwrap();
        assert_eq!(modules.title, "The guest’s kernel is too old for this");
        assert!(modules.detail.contains("older than 6.4"), "{}", modules.detail);
        assert_eq!(read.sheets[3].absent, None);
        assert_eq!(known.commands[0], "memdeck export a1 --output guest.elf");
        let newer = Inside { modules: InsideTable::default(), ..inside(Vec::new()) };
        assert!(in_words(&reading(Some(newer), None)).commands.is_empty());
    }

    #[test]
    fn each_problem_has_words_of_its_own_and_a_host_that_cannot_is_not_asked_again() {
        let all = [
            InsideProblemKind::NoKernel,
            InsideProblemKind::Image,
            InsideProblemKind::NoRoom,
            InsideProblemKind::Fault,
            InsideProblemKind::Memory,
            InsideProblemKind::Time,
            InsideProblemKind::Stopped,
            InsideProblemKind::Process,
            InsideProblemKind::NotKept,
            InsideProblemKind::Service,
        ];
        let told = |kind| in_words(&reading(None, Some(InsideProblem::new(kind, "it is so"))));
        let mut titles: Vec<_> = all.iter().map(|kind| told(*kind).problem.unwrap().title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), all.len());
        assert!(!told(InsideProblemKind::Service).problem.unwrap().can_ask_again);
        assert!(!told(InsideProblemKind::NoKernel).commands.is_empty());
        assert!(told(InsideProblemKind::Time).commands.is_empty());
    }
}
