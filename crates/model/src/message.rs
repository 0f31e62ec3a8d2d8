//! A sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A sentence for people: it can be shown and passed on, and nothing can be read out of it. What a program is to decide by
/// is data beside it: an [`EndReason`](crate::EndReason), a [`ProblemKind`](crate::ProblemKind), a state.
///
/// ```
/// # use memdeck_model::Message;
/// let message = Message::new("no VM 'web-09'");
/// assert_eq!(serde_json::to_string(&message).unwrap(), r#""no VM 'web-09'""#);
/// println!("{message}");
/// ```
///
/// Two messages can be compared, because a page draws anew what has changed. A message and a text cannot:
///
/// ```
/// # use memdeck_model::Message;
/// let is_news = |before: &Message, now: &Message| before != now;
/// ```
/// ```compile_fail,E0308
/// # use memdeck_model::Message;
/// let is_cancelled = |message: &Message| *message == "cancelled";
/// ```
/// ```compile_fail,E0277
/// # use memdeck_model::Message;
/// let is_cancelled = |message: &Message| "cancelled" == *message;
/// ```
///
/// It can be written into a text; it is none, and has nothing of one:
///
/// ```
/// # use memdeck_model::Message;
/// let shown = |message: &Message| format!("The dump failed: {message}");
/// ```
/// ```compile_fail,E0599
/// # use memdeck_model::Message;
/// let is_cancelled = |message: &Message| message.contains("cancelled");
/// ```
/// ```compile_fail,E0599
/// # use memdeck_model::Message;
/// let by_whom = |message: &Message| message.strip_prefix("cancelled by ").is_some();
/// ```
/// ```compile_fail,E0599
/// # use memdeck_model::Message;
/// let text = |message: Message| message.as_str().len();
/// ```
///
/// Nor does it become one where a text is asked for:
///
/// ```
/// # use memdeck_model::Message;
/// fn ask(_: &Message) {}
/// let asked = |message: &Message| ask(message);
/// ```
/// ```compile_fail,E0308
/// # use memdeck_model::Message;
/// fn ask(_: &str) {}
/// let asked = |message: &Message| ask(message);
/// ```
/// ```compile_fail,E0277
/// # use memdeck_model::Message;
/// fn ask(_: impl AsRef<str>) {}
/// let asked = |message: &Message| ask(message);
/// ```
/// ```compile_fail,E0277
/// # use memdeck_model::Message;
/// let text = |message: Message| -> String { message.into() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Message(String);

impl Message {
    /// What `sentence` shows.
    #[must_use]
    pub fn new(sentence: impl fmt::Display) -> Self {
        Self(sentence.to_string())
    }

    /// On one line and with an end: what another service said, before it is shown or kept.
    #[must_use]
    pub fn bounded(self, most_chars: usize) -> Self {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        Self(self.0.chars().take(most_chars).map(shown).collect())
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<String> for Message {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

impl From<&str> for Message {
    fn from(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Message {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        String::schema()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Message {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_service_says_is_short_and_on_one_line() {
        let said = Message::new(format!("a\u{1b}[31m\n{}", "x".repeat(100)));
        assert_eq!(said.bounded(8).to_string(), "a [31m x");
    }

    #[test]
    fn a_message_is_text_on_the_wire() {
        let message: Message = serde_json::from_str(r#""There is no VM 'x'.""#).unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), "There is no VM 'x'.");
    }
}
