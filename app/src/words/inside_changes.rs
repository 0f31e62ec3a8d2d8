//! What came and went inside of a guest between two dumps, in the words in which the page shows it. Made on the server.

use memdeck_model::{
    ComparedReading, GuestProcess, InsideChanges, InsideComparison, InsideState, RowChanges, TreeRow,
};

use super::inside::{connection, module, open_file, process, trouble};
use super::inside_tables::{ChangedRow, ChangedSheet, InsideCompared, SheetRow};
use super::{grouped, sentence};

/// What is known of what came and went, in words.
pub fn compared_in_words(comparison: &InsideComparison) -> InsideCompared {
    let readings = [("first", &comparison.first), ("second", &comparison.second)];
    let states = readings.map(|(_, reading)| reading.state);
    let is_active = states.into_iter().any(InsideState::is_active);
    let Some(changes) = comparison.changes.as_deref() else {
        return InsideCompared {
            is_active,
            can_begin: !is_active,
            notes: readings.into_iter().filter_map(|(which, reading)| standing(which, reading)).collect(),
            sheets: None,
        };
    };
    let mut notes = Vec::new();
    if changes.rebooted == Some(true) {
        notes.push("The guest booted in between: all that ran before has gone.".to_owned());
    } else if changes.is_nothing() {
        notes.push("Nothing came or went, as far as it was compared.".to_owned());
    }
    InsideCompared { is_active, can_begin: false, notes, sheets: Some(sheets(changes)) }
}

/// Where a reading stands that is not there.
fn standing(which: &str, ComparedReading { state, problem, .. }: &ComparedReading) -> Option<String> {
    match (state, problem) {
        (InsideState::Finished, _) => None,
        (InsideState::None, _) => Some(format!("The image of the {which} dump was not read yet.")),
        (InsideState::Waiting, _) => Some(format!("The image of the {which} dump waits to be read.")),
        (InsideState::Running, _) => Some(format!("The image of the {which} dump is being read.")),
        (InsideState::Failed, Some(problem)) => {
            let problem = trouble(problem);
            Some(format!("The {which} dump: {}. {}", problem.title, problem.detail))
        }
        (InsideState::Failed, None) => Some(format!("The image of the {which} dump was not read.")),
    }
}

fn sheets(changes: &InsideChanges) -> Vec<ChangedSheet> {
    let is_rebooted = changes.rebooted == Some(true);
    let alone = |process_of: &GuestProcess| process(&TreeRow { depth: 0, process: process_of });
    let sheets = [
        sheet(
            "Processes",
            &changes.processes,
            &["Process", "PID", "Parent", "User", "Started", "Threads"],
            alone,
        ),
        sheet("Modules", &changes.modules, &["Module", "Version", "State"], module),
        sheet("Connections", &changes.connections, &["Local", "Remote", "Protocol", "State"], connection),
        sheet("Open files", &changes.open_files, &["Path", "PID", "Descriptor"], open_file),
    ];
    // That the guest booted is said once.
    let is_shown = |sheet: &ChangedSheet| !sheet.rows.is_empty() || !(sheet.notes.is_empty() || is_rebooted);
    sheets.into_iter().filter(is_shown).collect()
}

fn sheet<T>(
    name: &str,
    changes: &RowChanges<T>,
    columns: &[&str],
    row: impl Fn(&T) -> SheetRow,
) -> ChangedSheet {
    let came = changes.came.iter().map(|of| ChangedRow { came: true, row: row(of) });
    let went = changes.went.iter().map(|of| ChangedRow { came: false, row: row(of) });
    let further = changes.further_came.saturating_add(changes.further_went);
    let further =
        (further > 0).then(|| format!("{} more are not listed: there are too many.", grouped(further)));
    let caveat = changes.caveat.as_ref().map(|caveat| sentence(&caveat.to_string()));
    let (all_came, all_went) = (grouped(changes.all_came()), grouped(changes.all_went()));
    let title = if changes.compared {
        format!("{name}: {all_came} came, {all_went} went")
    } else {
        format!("{name}: not compared")
    };
    ChangedSheet {
        title,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows: came.chain(went).collect(),
        notes: caveat.into_iter().chain(further).collect(),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestModule, GuestText, InsideProblem, InsideProblemKind};

    use super::*;

    fn reading(state: InsideState) -> ComparedReading {
        ComparedReading { dump_id: "a1".parse().unwrap(), state, problem: None }
    }

    fn changes() -> InsideChanges {
        InsideChanges {
            first_taken_at: None,
            second_taken_at: None,
            rebooted: Some(false),
            processes: RowChanges::default(),
            modules: RowChanges::default(),
            connections: RowChanges::default(),
            open_files: RowChanges::default(),
        }
    }

    fn compared(changes: InsideChanges) -> InsideCompared {
        let finished = || reading(InsideState::Finished);
        compared_in_words(&InsideComparison {
            first: finished(),
            second: finished(),
            changes: Some(Box::new(changes)),
        })
    }

    #[test]
    fn until_both_are_read_the_page_says_where_each_stands() {
        let mut failed = reading(InsideState::Failed);
        failed.problem =
            Some(InsideProblem { kind: InsideProblemKind::NoKernel, message: "no kernel was found".into() });
        let of = |first, second| compared_in_words(&InsideComparison { first, second, changes: None });
        let waits = of(reading(InsideState::Finished), reading(InsideState::Running));
        assert_eq!(waits.notes, ["The image of the second dump is being read."]);
        assert!(waits.is_active && !waits.can_begin);
        let none = of(failed, reading(InsideState::None));
        assert_eq!(none.notes.len(), 2);
        assert!(none.notes[0].starts_with("The first dump: No Linux kernel was found."), "{:?}", none.notes);
        assert!(none.can_begin && !none.is_active);
    }

    #[test]
    fn what_came_stands_before_what_went_and_tables_without_change_are_left_out() {
        let module =
            |name| GuestModule { name: GuestText::new(name, 64), version: None, state: None, taints: true };
        let modules = RowChanges {
            compared: true,
            came: vec![module("rootkit")],
            went: vec![module("e1000")],
            further_came: 3,
            ..RowChanges::default()
        };
        let told = compared(InsideChanges { modules, ..changes() });
        let sheets = told.sheets.unwrap();
        assert_eq!(sheets.len(), 1);
        assert_eq!(sheets[0].title, "Modules: 4 came, 1 went");
        let rows: Vec<_> = sheets[0].rows.iter().map(|row| (row.came, row.row.cells[0].as_str())).collect();
        assert_eq!(rows, [(true, "rootkit"), (false, "e1000")]);
        assert_eq!(sheets[0].notes, ["3 more are not listed: there are too many."]);
        let unread = RowChanges { caveat: Some("the kernel is too old".into()), ..RowChanges::default() };
        let sheets = compared(InsideChanges { connections: unread, ..changes() }).sheets.unwrap();
        assert_eq!(sheets[0].title, "Connections: not compared");
        assert_eq!(sheets[0].notes, ["The kernel is too old."]);
        let nothing = compared(changes());
        assert_eq!(nothing.notes, ["Nothing came or went, as far as it was compared."]);
        assert_eq!(nothing.sheets, Some(Vec::new()));
    }

    #[test]
    fn a_boot_in_between_is_said_once() {
        let caveat =
            || RowChanges { caveat: Some("the guest booted in between".into()), ..RowChanges::default() };
        let told = compared(InsideChanges {
            rebooted: Some(true),
            processes: caveat(),
            connections: RowChanges {
                caveat: Some("the guest booted in between".into()),
                ..RowChanges::default()
            },
            ..changes()
        });
        assert_eq!(told.notes, ["The guest booted in between: all that ran before has gone."]);
        assert_eq!(told.sheets, Some(Vec::new()));
    }
}
