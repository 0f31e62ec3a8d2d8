//! The last answers of questions that pages and scripts ask again and again, for as long as the catalog is as it was.
//!
//! A thousand questions a second between two writes cost one reading of the rows. Nothing is ever older than the catalog:
//! `SQLite` itself says whether another connection has written, and each write of this one is counted.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::CatalogError;

/// How often a connection wrote, and the number by which `SQLite` shows that any other did.
pub(crate) type Version = (u64, i64);

/// The version of what a transaction of `connection` reads; `written` counts the writes of this connection.
pub(crate) fn version(connection: &Connection, written: u64) -> Result<Version, CatalogError> {
    let others = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    Ok((written, others))
}

/// The answers to the last few different questions of one kind.
#[derive(Debug)]
pub(crate) struct Memo<Q, A> {
    kept: Mutex<(Version, Vec<(Q, A)>)>,
}

/// So many different questions are answered from memory, the oldest are forgotten first.
const MOST: usize = 8;

impl<Q: PartialEq, A: Clone> Memo<Q, A> {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::new(((0, 0), Vec::new())) }
    }

    /// What was answered to `question` at this version, or what `work` answers now.
    pub(crate) fn answer(
        &self,
        version: Version,
        question: Q,
        work: impl FnOnce(&Q) -> Result<A, CatalogError>,
    ) -> Result<A, CatalogError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let (of, answers) = &*kept();
            if *of == version
                && let Some((_, answer)) = answers.iter().find(|(asked, _)| *asked == question)
            {
                return Ok(answer.clone());
            }
        }
        let answer = work(&question)?;
        let mut kept = kept();
        if kept.0 != version {
            *kept = (version, Vec::new());
        }
        if kept.1.len() == MOST {
            kept.1.remove(0);
        }
        kept.1.push((question, answer.clone()));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_question_is_worked_on_once_for_each_version_and_the_oldest_is_forgotten() {
        let memo = Memo::new();
        let worked = Cell::new(0);
        let ask = |version, question: usize| {
            let answer = memo.answer(version, question, |question| {
                worked.set(worked.get() + 1);
                Ok(question * 10)
            });
            (answer.unwrap(), worked.get())
        };
        assert_eq!(
            [ask((1, 1), 7), ask((1, 1), 7), ask((1, 1), 8), ask((1, 1), 7)],
            [(70, 1), (70, 1), (80, 2), (70, 2)]
        );
        assert_eq!(ask((2, 1), 7), (70, 3), "this connection wrote");
        assert_eq!(ask((2, 2), 7), (70, 4), "another one wrote");
        for other in 0..MOST {
            ask((2, 2), 100 + other);
        }
        let before = worked.get();
        assert_eq!(ask((2, 2), 7), (70, before + 1), "it was the oldest");
    }

    #[test]
    fn a_failure_is_not_kept() {
        let memo = Memo::<u8, u8>::new();
        assert!(memo.answer((0, 0), 1, |_| Err(CatalogError::NoRoom)).is_err());
        assert_eq!(memo.answer((0, 0), 1, |_| Ok(2)).unwrap(), 2);
    }
}
