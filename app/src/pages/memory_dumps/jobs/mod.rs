//! The dumps that wait or run, and those that ended a moment ago, on screen.

mod active_dumps;
mod button;
mod row;

pub use active_dumps::ActiveDumps;
