//! How finely time is kept, and for how long.

/// One of the resolutions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) table: &'static str,
    /// The length of a step in milliseconds. The first level keeps the samples themselves; it is meant for one a second.
    pub(crate) step_ms: i64,
    /// How long it is kept.
    pub(crate) retention_ms: i64,
    /// Steps that are written together. What is not written yet is lost in a crash on the first level, and made anew from
    /// the level before on the others.
    pub(crate) rows: usize,
    /// Its part of all bytes, in percent.
    pub(crate) share: u64,
}

impl Level {
    /// The time that a block may cover.
    pub(crate) fn span_ms(self) -> i64 {
        self.step_ms.saturating_mul(i64::try_from(self.rows).unwrap_or(i64::MAX))
    }
}

pub(crate) const LEVELS: [Level; 3] = [
    Level { table: "seconds", step_ms: 1_000, retention_ms: 15 * 60_000, rows: 10, share: 25 },
    Level { table: "tens_of_seconds", step_ms: 10_000, retention_ms: 6 * 3_600_000, rows: 6, share: 30 },
    Level { table: "minutes", step_ms: 60_000, retention_ms: 7 * 86_400_000, rows: 10, share: 45 },
];
