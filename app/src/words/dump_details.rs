//! Everything that is known of a dump, in words: what the server makes, and the page shows.
//!
//! The words are made on the server: what the page would have to link to read a manifest is more than what it gets.

use memdeck_model::{ByteCount, Problem, Record, Timestamp};
use serde::{Deserialize, Serialize};

/// What is known of one dump.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub record: Record,
    /// What an operator must know before anything else, the worst first.
    pub notices: Vec<Notice>,
    /// Everything else, in groups; none of them is empty.
    pub groups: Vec<Group>,
    /// What the pages of its memory hold, if they were counted.
    pub pages: Option<PageStatistics>,
    /// The forms in which the image can be downloaded; `None` if it cannot be read, or was not looked at.
    pub forms: Option<Vec<Form>>,
    /// Why neither the image nor its manifest could be read.
    pub problem: Option<Problem>,
    /// Why the image cannot be read, although its manifest can.
    pub unreadable: Option<Problem>,
}

/// How much a notice asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weight {
    /// It is to be known.
    Note,
    /// Something about the dump is wrong or gone.
    Loss,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How much it asks for attention.
    pub weight: Weight,
    /// What it is about, in a few words.
    pub title: String,
    /// When it happened, where that is its point.
    pub at: Option<Timestamp>,
    /// A sentence that explains it.
    pub detail: String,
}

/// A part of what is known, under one heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub title: String,
    /// How much room it needs.
    pub room: Room,
    /// Names and values.
    pub facts: Vec<Fact>,
}

/// How much room a group needs beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Room {
    /// A few short lines.
    Little,
    /// Many lines.
    Tall,
    /// Long lines, such as paths and hashes.
    Wide,
}

/// One thing that is known, or that is known to be unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: Value,
}

/// How a value is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Words and numbers.
    Text(String),
    /// Text of a machine.
    Code(String),
    /// Text of a machine that is taken elsewhere: it can be copied.
    Copied(String),
    Instant(Timestamp),
    /// One line for each.
    Lines(Vec<String>),
    /// Nobody reported it.
    Unknown,
}

/// What the pages of a guest's memory hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStatistics {
    /// All of it in one sentence.
    pub summary: String,
    /// Class by class.
    pub classes: Vec<PageClass>,
}

/// Pages of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageClass {
    pub name: String,
    /// What such a page holds.
    pub hint: String,
    /// How many there are.
    pub pages: u64,
}

/// A form in which an image can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The server's word for it.
    pub format: String,
    /// How large it is, if that is known before it is made.
    pub size: Option<ByteCount>,
    /// What it leaves out.
    pub omits: Option<String>,
    /// Why it cannot be made.
    pub problem: Option<String>,
}
