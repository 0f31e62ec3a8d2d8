//! Sentences about dumps that the server and the page share: no views, no state.
//!
//! The server composes the details of a dump from them, so that the page need not carry the code for it.

mod absence;
#[cfg(any(feature = "ssr", test))]
pub mod details;
mod dump_details;
mod guest_name;
#[cfg(any(feature = "ssr", test))]
pub mod hunts;
#[cfg(any(feature = "ssr", test))]
pub mod inside;
#[cfg(any(feature = "ssr", test))]
pub mod inside_changes;
mod inside_tables;
mod numbers;
mod page_classes;
mod phrases;

pub use absence::{absence, why_absent};
pub use dump_details::{Details, Fact, Form, Group, Notice, PageClass, PageStatistics, Room, Value, Weight};
pub use guest_name::{placed, shown};
pub use inside_tables::{
    Absent, ChangedRow, ChangedSheet, InsideCompared, InsideKnown, InsideTables, InsideTrouble, RowMark,
    SHEETS, Sheet, SheetRow,
};
pub use numbers::{grouped, measured, percent, share};
pub use page_classes::{class_hint, class_name};
pub use phrases::{because, by_whom, by_whom_and_when, lower_first, sentence, upper_first};
