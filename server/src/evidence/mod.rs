//! What people who were not there are told of a dump: facts under titles, which a report prints as text and a chain of custody as
//! a page of its own. Whoever gathers them is elsewhere.

pub mod custody;
pub mod facts;
mod page;

use std::fmt::Display;

/// Facts under titles, as they are: much of it comes out of a guest, or out of a file that somebody else wrote, so whoever
/// writes it down makes it harmless.
#[derive(Debug, Default)]
pub struct Sheet {
    sections: Vec<Section>,
}

/// What stands under a title.
#[derive(Debug)]
pub struct Section {
    pub title: String,
    /// Name and value.
    pub facts: Vec<(String, String)>,
    /// Sentences behind them.
    pub lines: Vec<String>,
}

impl Sheet {
    pub fn title(&mut self, title: &str) {
        self.sections.push(Section { title: title.to_owned(), facts: Vec::new(), lines: Vec::new() });
    }

    /// A fact under the last title.
    pub fn fact(&mut self, name: &str, value: impl Display) {
        if let Some(section) = self.sections.last_mut() {
            section.facts.push((name.to_owned(), value.to_string()));
        }
    }

    pub fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.fact(name, value);
        }
    }

    /// A sentence behind the facts under the last title.
    pub fn line(&mut self, line: impl Display) {
        if let Some(section) = self.sections.last_mut() {
            section.lines.push(line.to_string());
        }
    }

    pub fn sections(&self) -> &[Section] {
        &self.sections
    }
}
