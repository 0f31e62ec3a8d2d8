//! Tables for people: columns as wide as what is in them.

use std::fmt::Write as _;

/// Between two columns.
const GAP: &str = "  ";

/// A table under construction; every row has as many cells as the head.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).into()] }
    }

    /// Adds a row. Nothing that others named does anything to the terminal.
    pub fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width_of = |column: usize| {
            self.rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width_of).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "{cell:<width$}{GAP}")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Text without control characters; in quotes if it would not be seen where it begins or ends.
pub fn printable(text: &str) -> String {
    let shown: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if text.trim() == text { shown } else { format!("\"{shown}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(["VM", "STATE"]);
        for (name, state) in [("größe-01", "running"), ("twin ", "shutoff"), ("a\u{1b}[2J", "")] {
            table.row(&[name.to_owned(), state.to_owned()]);
        }
        let lines: Vec<String> = table.to_string().lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            ["VM          STATE", "größe-01    running", "\"twin \"     shutoff", "a\\u{1b}[2J",]
        );
    }
}
