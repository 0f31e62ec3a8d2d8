//! One message: what happened, once or several times, as a target is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Notice, NoticeKind, Severity};
use crate::Timestamp;

/// What a target is told at once. All of it is of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeMessage {
    /// Names the message: the same one is sent again until it has arrived, and always under this id.
    pub id: String,
    pub at: Timestamp,
    /// What happened, oldest first; never empty.
    pub notices: Vec<Notice>,
}

impl NoticeMessage {
    /// The most notices that are told at once.
    pub const MAX_NOTICES: u32 = 100;

    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        self.notices.first().map_or(NoticeKind::Test, Notice::kind)
    }

    /// The worst of what happened.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.notices.iter().map(|notice| notice.severity).max().unwrap_or_default()
    }

    /// One line that says it all, or how often it happened.
    #[must_use]
    pub fn title(&self) -> String {
        let name = self.kind().name();
        let subjects = self.subjects();
        match (self.notices.as_slice(), subjects.as_slice()) {
            ([_], []) => name.to_owned(),
            ([_], [one]) => format!("{name}: {one}"),
            (several, []) => format!("{name}, {} times", several.len()),
            (several, [first]) => format!("{name}, {} times: {first}", several.len()),
            (several, [first, second]) => format!("{name}, {} times: {first}, {second}", several.len()),
            (several, [first, second, others @ ..]) => {
                format!("{name}, {} times: {first}, {second} and {} more", several.len(), others.len())
            }
        }
    }

    /// A sentence for each of what happened, on lines of their own.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for notice in &self.notices {
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing into a text cannot fail.
            let _ = write!(text, "{}", one_line(&notice.sentence()));
        }
        text
    }

    /// To what or where it happened, each once.
    fn subjects(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let subjects = self.notices.iter().filter_map(|notice| {
            let guest = notice.event.guest().map(|guest| one_line(&guest.name));
            match (guest, &notice.host) {
                (Some(guest), Some(host)) => Some(host.qualify(&guest)),
                (Some(guest), None) => Some(guest),
                (None, host) => host.as_ref().map(ToString::to_string),
            }
        });
        subjects.filter(|subject| seen.insert(subject.clone())).collect()
    }

    /// What a template's name stands for.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<String> {
        let each = |of: &dyn Fn(&Notice) -> Option<String>| {
            let names: BTreeSet<String> = self.notices.iter().filter_map(of).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        };
        Some(match name {
            "title" => self.title(),
            "text" => self.text(),
            "id" => self.id.clone(),
            "kind" => self.kind().to_string(),
            "severity" => self.severity().to_string(),
            "count" => self.notices.len().to_string(),
            "host" => each(&|notice| notice.host.as_ref().map(ToString::to_string)),
            "guests" => each(&|notice| notice.event.guest().map(|guest| guest.name.clone())),
            "timestamp" => self.at.to_string(),
            _ => return None,
        })
    }
}

/// A guest's name, or what a service says, must not make lines of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::{GuestOf, Happening, JsonTemplate};

    fn failed(guests: &[&str]) -> NoticeMessage {
        let notices = guests.iter().enumerate().map(|(n, guest)| Notice {
            id: format!("n{n}"),
            at: std::time::UNIX_EPOCH.into(),
            severity: Severity::Critical,
            host: Some("kvm-01".parse().unwrap()),
            run: None,
            event: Happening::DumpFailed {
                dump_id: format!("d{n}").parse().unwrap(),
                guest: GuestOf { name: (*guest).to_owned(), uuid: None },
                reason: None,
                detail: "no room".into(),
            },
        });
        NoticeMessage { id: "m1".to_owned(), at: std::time::UNIX_EPOCH.into(), notices: notices.collect() }
    }

    #[test]
    fn a_title_names_what_it_is_about_and_stays_short() {
        let title = |guests: &[&str]| failed(guests).title();
        assert_eq!(title(&["web-01"]), "Dump failed: kvm-01/web-01");
        assert_eq!(title(&["a", "a"]), "Dump failed, 2 times: kvm-01/a");
        assert_eq!(title(&["a", "b"]), "Dump failed, 2 times: kvm-01/a, kvm-01/b");
        assert_eq!(title(&["a", "b", "c", "d"]), "Dump failed, 4 times: kvm-01/a, kvm-01/b and 2 more");
    }

    #[test]
    fn a_name_with_line_breaks_makes_no_lines() {
        let message = failed(&["web\r\nBcc: all@x.example", "b"]);
        assert_eq!(message.text().lines().count(), 2);
        assert!(!message.title().contains(['\r', '\n']));
    }

    #[test]
    fn a_template_keeps_its_shape_whatever_is_put_into_it() {
        let template = JsonTemplate(
            serde_json::from_str(
                r#"{"summary": "{{severity}}: {{title}}", "n": 7, "tags": ["{{guests}}", "{{what}}"]}"#,
            )
            .unwrap(),
        );
        let filled = template.fill(&failed(&[r#"a", "x": {{id}}"#]));
        let told: serde_json::Value = serde_json::json!({
            "summary": r#"critical: Dump failed: kvm-01/a", "x": {{id}}"#, "n": 7,
            "tags": [r#"a", "x": {{id}}"#, "{{what}}"],
        });
        assert_eq!(filled, told);
    }
}
