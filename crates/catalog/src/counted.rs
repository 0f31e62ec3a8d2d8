//! What the figures over all dumps have counted so far.

use std::collections::BTreeMap;

use memdeck_model::Histogram;

/// Bounds of durations, in seconds.
const DURATIONS_S: &[f64] = &[1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
/// Bounds of pauses, in seconds.
const PAUSES_S: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Finished dumps of one mode that this catalog's own service took.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeFigures {
    /// How long they took, in seconds.
    pub durations: Histogram,
    /// How long their guests stood still, in seconds.
    pub pauses: Histogram,
    /// Bytes of guest memory in their images.
    pub image_bytes: u128,
    /// Bytes that were stored for them.
    pub stored_bytes: u128,
}

impl Default for ModeFigures {
    fn default() -> Self {
        Self {
            durations: Histogram::new(DURATIONS_S),
            pauses: Histogram::new(PAUSES_S),
            image_bytes: 0,
            stored_bytes: 0,
        }
    }
}

/// What was counted so far.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Every job up to here has ended and is counted.
    pub jobs_to: i64,
    /// Every own record up to here is counted.
    pub records_to: i64,
    /// Dumps that have ended, by state and kind of end reason.
    pub ended: BTreeMap<(String, String), u64>,
    /// Finished dumps by mode.
    pub by_mode: BTreeMap<String, ModeFigures>,
}
