//! A message as each kind of target reads it.

use memdeck_model::notice::{NoticeMessage, Severity};
use serde_json::{Value, json};

/// Channels cut longer texts, or refuse them.
const MAX_CHARS: usize = 3_000;

/// Everything, for programs.
pub(crate) fn webhook(message: &NoticeMessage) -> Value {
    json!({
        "id": message.id,
        "type": message.kind(),
        "timestamp": message.at,
        "severity": message.severity(),
        "title": message.title(),
        "text": message.text(),
        "count": message.notices.len(),
        "notices": message.notices,
    })
}

/// Text of Slack, in which three letters have a meaning: a guest's name must make no link and call nobody.
pub(crate) fn slack(message: &NoticeMessage) -> Value {
    let mark = match message.severity() {
        Severity::Critical => ":red_circle:",
        Severity::Warning => ":large_yellow_circle:",
        Severity::Info => ":white_circle:",
    };
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({
        "text": escaped(&message.title()),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": format!("{mark} {}", escaped(&message.title()))}},
            {"type": "section", "text": {"type": "plain_text", "text": shortened(&message.text()), "emoji": false}},
            {"type": "context", "elements": [{"type": "plain_text", "text": footer(message), "emoji": false}]},
        ],
    })
}

/// A card of Teams. Runs of text, unlike its text blocks, know no Markdown.
pub(crate) fn teams(message: &NoticeMessage) -> Value {
    let colour = match message.severity() {
        Severity::Critical => "Attention",
        Severity::Warning => "Warning",
        Severity::Info => "Default",
    };
    let lines = |text: &str| -> Vec<Value> {
        text.lines()
            .map(|line| json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}))
            .collect()
    };
    let mut body = vec![json!({
        "type": "RichTextBlock",
        "inlines": [{"type": "TextRun", "text": message.title(), "weight": "Bolder", "color": colour}],
    })];
    body.extend(lines(&shortened(&message.text())));
    body.push(json!({
        "type": "RichTextBlock",
        "inlines": [{"type": "TextRun", "text": footer(message), "size": "Small", "isSubtle": true}],
    }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}

/// What mail says.
pub(crate) fn mail_text(message: &NoticeMessage) -> String {
    format!("{}\n\n{}\n", message.text(), footer(message))
}

fn footer(message: &NoticeMessage) -> String {
    format!("memdeck, {}, {}, message {}", message.severity(), message.at, message.id)
}

/// As many whole lines as fit, and how many do not.
fn shortened(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (place, line) in lines.iter().enumerate() {
        let length = line.chars().count() + 1;
        if chars + length > MAX_CHARS {
            let rest = lines.len() - place;
            if place == 0 {
                shown.extend(line.chars().take(MAX_CHARS));
                shown.push('…');
            } else {
                shown = format!("{shown}\n… and {rest} more");
            }
            return shown;
        }
        if place > 0 {
            shown.push('\n');
        }
        shown.push_str(line);
        chars += length;
    }
    shown
}

#[cfg(test)]
mod tests {
    use memdeck_model::notice::{GuestOf, Happening, Notice};

    use super::*;

    fn failures(count: usize, guest: &str) -> NoticeMessage {
        let notices = (0..count).map(|n| {
            let event = Happening::DumpFailed {
                dump_id: format!("d{n}").parse().unwrap(),
                guest: GuestOf { name: guest.to_owned(), uuid: None },
                reason: None,
                detail: "x".repeat(80).as_str().into(),
            };
            let severity = event.kind().severity();
            Notice {
                id: format!("n{n}"),
                at: std::time::UNIX_EPOCH.into(),
                severity,
                host: None,
                run: None,
                event,
            }
        });
        NoticeMessage { id: "m1".to_owned(), at: std::time::UNIX_EPOCH.into(), notices: notices.collect() }
    }

    #[test]
    fn a_guest_cannot_write_into_a_channel_by_its_name() {
        let message = failures(1, "<!channel> [click](https://evil.example)");
        let slack = slack(&message);
        assert!(!slack["text"].as_str().unwrap().contains('<'));
        assert!(!slack["blocks"][0]["text"]["text"].as_str().unwrap().contains("<!"));
        let teams = teams(&message).to_string();
        assert!(teams.contains("TextRun") && !teams.contains("TextBlock\",\"text"), "{teams}");
    }

    #[test]
    fn a_long_message_says_how_much_is_left_out() {
        let message = failures(100, "web-01");
        let text = shortened(&message.text());
        let last = text.lines().last().unwrap();
        let shown = text.lines().count() - 1;
        assert_eq!(last, format!("… and {} more", 100 - shown));
        assert!(text.chars().count() < MAX_CHARS + 30);
        assert_eq!(shortened(&"y".repeat(5_000)).chars().count(), MAX_CHARS + 1);
        assert_eq!(webhook(&message)["notices"].as_array().unwrap().len(), 100, "programs get all of it");
    }

    #[test]
    fn a_webhook_names_what_happened_as_data() {
        let told = webhook(&failures(1, "web-01"));
        assert_eq!(told["type"], "dump_failed");
        assert_eq!(told["notices"][0]["event"]["kind"], "dump_failed");
        assert_eq!(told["notices"][0]["event"]["guest"]["name"], "web-01");
    }
}
