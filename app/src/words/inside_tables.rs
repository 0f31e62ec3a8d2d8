//! What was read out of a dump's image of its guest's own view, in words: what the server makes, and the page shows.
//!
//! All tables have one form, so the page has one way to show and to search them.

use memdeck_model::{InsideState, folded};
use serde::{Deserialize, Serialize};

use super::Fact;

/// What is known of the inside of a dump's guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsideKnown {
    /// How far the reading is.
    pub state: InsideState,
    /// What was read.
    pub read: Option<InsideTables>,
    /// Why nothing was.
    pub problem: Option<InsideTrouble>,
    /// Commands for a shell, with which other programs read the image; empty where there is no need for them.
    pub commands: Vec<String>,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsideTrouble {
    /// In a few words.
    pub title: String,
    /// A sentence that says more, and what to do.
    pub detail: String,
    /// Whether it is worth to ask again.
    pub can_ask_again: bool,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsideTables {
    /// The operating system, and how it was read.
    pub facts: Vec<Fact>,
    /// What an operator must know first, a sentence; processes that are hidden.
    pub warning: Option<String>,
    /// One for each of [`SHEETS`], in its order.
    pub sheets: Vec<Sheet>,
}

/// The names of the tables.
pub const SHEETS: [&str; 6] =
    ["Processes", "Open files", "Modules", "Interfaces", "Connections", "Kernel log"];

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    pub columns: Vec<String>,
    pub rows: Vec<SheetRow>,
    /// Why there are no rows.
    pub absent: Option<Absent>,
    /// Sentences about rows that are not there.
    pub notes: Vec<String>,
}

/// Why a table was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// In a few words.
    pub title: String,
    /// A sentence that says more.
    pub detail: String,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetRow {
    /// How far below a root of a tree, from 0.
    pub depth: usize,
    /// What is special about it.
    pub mark: Option<RowMark>,
    /// As many as there are columns; the first names the row.
    pub cells: Vec<String>,
}

impl SheetRow {
    /// Whether any of it has this text, which is folded. All rows have the empty one.
    pub fn has(&self, text: &str) -> bool {
        text.is_empty() || self.cells.iter().any(|cell| folded(cell).contains(text))
    }
}

/// What is special about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowMark {
    /// A process that one of the kernel's lists does not have.
    Hidden,
    /// A process that has ended.
    Ended,
    /// A module that taints the kernel.
    Taints,
}

/// How far two readings are, and what came and went once both are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InsideCompared {
    /// Whether a reading goes on, so that it is worth to ask again.
    pub is_active: bool,
    /// Whether somebody may have an image read that was not.
    pub can_begin: bool,
    /// Where it stands, a sentence for each dump; what must be known first, once both are there.
    pub notes: Vec<String>,
    /// Tables in which something came or went, or that were not compared; `None` until both were read.
    pub sheets: Option<Vec<ChangedSheet>>,
}

/// What came and went of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedSheet {
    /// `Processes: 2 came, 1 went`, or that it was not compared.
    pub title: String,
    pub columns: Vec<String>,
    /// What came before what went.
    pub rows: Vec<ChangedRow>,
    /// Sentences about rows that are not there, or that may be wrong.
    pub notes: Vec<String>,
}

/// A row of one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedRow {
    /// Whether it came, or went.
    pub came: bool,
    pub row: SheetRow,
}

impl Sheet {
    /// The rows that have a text, and those above them in the tree.
    pub fn matching(&self, text: &str) -> Vec<&SheetRow> {
        let text = folded(text.trim());
        let mut kept = Vec::new();
        // Rows above this depth lead to one that is kept.
        let mut leads_below = 0;
        for row in self.rows.iter().rev() {
            if row.depth < leads_below || row.has(&text) {
                leads_below = row.depth;
                kept.push(row);
            }
        }
        kept.reverse();
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(depth: usize, name: &str) -> SheetRow {
        SheetRow { depth, mark: None, cells: vec![name.to_owned(), "root".to_owned()] }
    }

    #[test]
    fn what_is_searched_for_is_shown_with_the_rows_that_lead_to_it() {
        let sheet = Sheet {
            rows: vec![
                row(0, "init"),
                row(1, "sshd"),
                row(2, "bash"),
                row(1, "cron"),
                row(0, "kthreadd"),
                row(1, "Worker"),
            ],
            ..Sheet::default()
        };
        let shown = |text: &str| -> Vec<&str> {
            sheet.matching(text).into_iter().map(|row| row.cells[0].as_str()).collect()
        };
        assert_eq!(shown("bash"), ["init", "sshd", "bash"]);
        assert_eq!(shown(" WORKER "), ["kthreadd", "Worker"]);
        assert_eq!(shown("cron"), ["init", "cron"]);
        assert_eq!(shown("root").len(), 6);
        assert_eq!(shown("").len(), 6);
        assert_eq!(shown("no such thing"), [""; 0]);
    }
}
