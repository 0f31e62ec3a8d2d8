//! Tables that end, and say what is not in them.

use serde::{Deserialize, Serialize};

use crate::Message;

/// Why a table, or a part of one, is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MissingWhy {
    /// The kernel is older than those whose layout is known.
    KernelTooOld,
    /// The kernel's table of symbols was not found in memory.
    NoSymbols,
    /// It was looked for, and cannot be read.
    Unreadable,
}

/// What is not there, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Missing {
    /// For programs.
    pub why: MissingWhy,
    /// For people.
    pub message: Message,
}

/// Rows of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InsideTable<T> {
    /// What was read.
    pub rows: Vec<T>,
    /// Rows that were read and are not listed, because there are too many.
    pub further: u64,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Why there are none, or not all; `None` where nothing is missing.
    pub missing: Option<Missing>,
}

impl<T> Default for InsideTable<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), further: 0, unreadable: 0, missing: None }
    }
}

impl<T> InsideTable<T> {
    /// A table that could not be read.
    #[must_use]
    pub fn missing(missing: Missing) -> Self {
        Self { missing: Some(missing), ..Self::default() }
    }

    /// The first `most` of these rows; the others are counted, up to ten times as many.
    pub fn bounded<E>(rows: impl IntoIterator<Item = Result<T, E>>, most: usize) -> Self {
        let mut table = Self::default();
        for row in rows.into_iter().take(most.saturating_mul(10)) {
            match row {
                Ok(row) if table.rows.len() < most => table.rows.push(row),
                Ok(_) => table.further += 1,
                Err(_) => table.unreadable += 1,
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_ends_whatever_is_read() {
        let endless = std::iter::repeat_with(|| Ok::<u8, ()>(1));
        let table = InsideTable::bounded(endless, 10);
        assert_eq!((table.rows.len(), table.further), (10, 90));
        let failing = InsideTable::<u8>::bounded(std::iter::repeat_with(|| Err(())), 10);
        assert_eq!((failing.rows.len(), failing.unreadable), (0, 100));
    }
}
