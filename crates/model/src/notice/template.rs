//! JSON of a shape that the operator chooses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NoticeMessage;

/// The shape of JSON that a target wants: any JSON, in whose texts `{{title}}`, `{{text}}`, `{{id}}`, `{{kind}}`,
/// `{{severity}}`, `{{count}}`, `{{host}}`, `{{guests}}` and `{{timestamp}}` are replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Object))]
#[serde(transparent)]
pub struct JsonTemplate(pub Value);

impl JsonTemplate {
    /// The names that are replaced.
    pub const NAMES: [&str; 9] =
        ["title", "text", "id", "kind", "severity", "count", "host", "guests", "timestamp"];

    /// The JSON of `message`. What is put in is text, so it cannot change the shape.
    #[must_use]
    pub fn fill(&self, message: &NoticeMessage) -> Value {
        fill(&self.0, &|name| message.said(name))
    }

    /// A name in braces that nothing is known for.
    #[must_use]
    pub fn unknown_name(&self) -> Option<String> {
        let mut unknown = None;
        let found = std::cell::RefCell::new(&mut unknown);
        fill(&self.0, &|name| {
            if !Self::NAMES.contains(&name) {
                **found.borrow_mut() = Some(name.chars().take(40).collect());
            }
            Some(String::new())
        });
        unknown
    }
}

fn fill(value: &Value, said: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, said)),
        Value::Array(values) => values.iter().map(|value| fill(value, said)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), fill(value, said))).collect()
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, said: &dyn Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, after)) = behind.split_once("}}") else {
            filled.push_str("{{");
            rest = behind;
            continue;
        };
        if let Some(value) = said(name.trim()) {
            filled.push_str(&value);
        } else {
            filled.push_str("{{");
            filled.push_str(name);
            filled.push_str("}}");
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_says_which_name_it_does_not_know() {
        let unknown = |json| JsonTemplate(serde_json::from_str(json).unwrap()).unknown_name();
        assert_eq!(unknown(r#"{"a": ["{{title}} on {{ host }}", 7, "{{", "}}{{"]}"#), None);
        assert_eq!(unknown(r#"{"a": {"b": "{{colour}}"}}"#).as_deref(), Some("colour"));
    }
}
