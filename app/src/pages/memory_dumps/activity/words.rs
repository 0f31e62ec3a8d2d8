//! What happened to dumps, in words.

use memdeck_model::{Activity, ActivityKind, EndReason, Timestamp};

use crate::words::{because, by_whom, by_whom_and_when, placed, upper_first};

/// One line after the guest's name: what happened, and why or with what result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `dump started`.
    pub what: String,
    /// `Frozen, because the guest is paused.`
    pub why: Option<String>,
}

/// A line in words.
pub fn sentence(line: &Activity) -> Told {
    let what = match (line.kind, &line.by) {
        (ActivityKind::Queued, Some(by)) => format!("requested {}", by_whom(by)),
        (ActivityKind::Queued, None) => "requested".to_owned(),
        (ActivityKind::Started, _) => match line.mode {
            Some(mode) => format!("{} dump started", mode.as_str()),
            None => "dump started".to_owned(),
        },
        (ActivityKind::Fallback, _) => "dump started as a fallback".to_owned(),
        (ActivityKind::Completed, _) => "dump completed".to_owned(),
        (ActivityKind::Failed, _) => "dump failed".to_owned(),
        (ActivityKind::Cancelled, _) => "dump cancelled".to_owned(),
        (ActivityKind::Damaged, _) => "image is damaged".to_owned(),
        (ActivityKind::Unreadable, _) => "image could not be verified".to_owned(),
    };
    let detail = line.detail.to_string();
    let why = match line.kind {
        ActivityKind::Fallback => because(line.mode, &detail),
        ActivityKind::Cancelled => match &line.end_reason {
            Some(EndReason::Cancelled { by, before_start }) => {
                upper_first(&by_whom_and_when(by, *before_start))
            }
            Some(EndReason::TimeLimit { limit_ms }) => format!("It took longer than {limit_ms}"),
            Some(EndReason::Shutdown) => "memdeck was stopped".to_owned(),
            _ => upper_first(&detail),
        },
        ActivityKind::Queued
        | ActivityKind::Started
        | ActivityKind::Completed
        | ActivityKind::Failed
        | ActivityKind::Damaged
        | ActivityKind::Unreadable => upper_first(&detail),
    };
    Told { what, why: (!why.is_empty()).then_some(why) }
}

/// What distinguishes one line from another.
pub fn key_of(line: &Activity) -> String {
    let dump = line.dump_id.as_ref().map_or(line.guest.as_str(), |id| id.as_str());
    format!("{dump} {:?} {}", line.kind, line.at)
}

/// What a screen reader says of the lines that are newer than `before`: one sentence, however many there are. Ends are
/// left out, because each is announced when it happens.
pub fn spoken(lines: &[Activity], before: Option<Timestamp>) -> Option<String> {
    let is_end = |line: &&Activity| {
        matches!(line.kind, ActivityKind::Completed | ActivityKind::Failed | ActivityKind::Cancelled)
    };
    let is_new = |line: &&Activity| before.is_none_or(|before| line.at > before);
    let mut news = lines.iter().filter(is_new).filter(|line| !is_end(line));
    let newest = news.next()?;
    let text = format!("{} {}.", placed(newest.host.as_ref(), &newest.guest), sentence(newest).what);
    match news.count() {
        0 => Some(text),
        more => Some(format!("{text} {more} more in the activity log.")),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{Actor, CaptureMode, Millis};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    fn line(kind: ActivityKind, detail: &str) -> Activity {
        let (by, mode) = (Some(Actor::Page), Some(CaptureMode::Frozen));
        Activity {
            host: None,
            at: at(0),
            kind,
            dump_id: None,
            guest: "web-01".into(),
            by,
            mode,
            detail: detail.into(),
            end_reason: None,
        }
    }

    fn cancelled(reason: EndReason) -> String {
        let end_reason = Some(reason);
        let Told { what, why } =
            sentence(&Activity { end_reason, ..line(ActivityKind::Cancelled, "stopped") });
        format!("{what}: {}", why.unwrap_or_default())
    }

    fn told(kind: ActivityKind, detail: &str) -> String {
        let Told { what, why } = sentence(&line(kind, detail));
        why.map_or(what.clone(), |why| format!("{what}: {why}"))
    }

    #[test]
    fn every_kind_is_a_sentence() {
        let told = [
            told(ActivityKind::Queued, ""),
            told(ActivityKind::Started, ""),
            told(ActivityKind::Fallback, "the guest is paused"),
            told(ActivityKind::Completed, "512 MiB stored as 28.9 MiB"),
            told(ActivityKind::Failed, "the guest is gone"),
            cancelled(EndReason::Cancelled { by: Actor::Page, before_start: true }),
            cancelled(EndReason::Cancelled { by: Actor::named("the night shift"), before_start: false }),
            cancelled(EndReason::TimeLimit { limit_ms: Millis(7_200_000) }),
            cancelled(EndReason::Shutdown),
            told(ActivityKind::Completed, ""),
            told(ActivityKind::Cancelled, "by a service that says so"),
            told(ActivityKind::Damaged, "frame 7 is damaged"),
            told(ActivityKind::Unreadable, "the file is gone"),
        ];
        assert_eq!(
            told,
            [
                "requested on the page",
                "frozen dump started",
                "dump started as a fallback: Frozen, because the guest is paused.",
                "dump completed: 512 MiB stored as 28.9 MiB",
                "dump failed: The guest is gone",
                "dump cancelled: On the page before it began",
                "dump cancelled: By the night shift",
                "dump cancelled: It took longer than 2 h 00 min",
                "dump cancelled: memdeck was stopped",
                "dump completed",
                "dump cancelled: By a service that says so",
                "image is damaged: Frame 7 is damaged",
                "image could not be verified: The file is gone",
            ]
        );
    }

    #[test]
    fn only_what_is_new_and_not_told_elsewhere_is_spoken_and_in_one_sentence() {
        let of = |kind, second| Activity { at: at(second), ..line(kind, "") };
        let lines = [
            of(ActivityKind::Completed, 4),
            of(ActivityKind::Started, 3),
            of(ActivityKind::Queued, 2),
            of(ActivityKind::Queued, 1),
        ];
        let at = |second| spoken(&lines, Some(at(second)));
        assert_eq!(at(1).as_deref(), Some("web-01 frozen dump started. 1 more in the activity log."));
        assert_eq!(at(2).as_deref(), Some("web-01 frozen dump started."));
        assert_eq!(at(3), None);
        assert_eq!(spoken(&[], None), None);
    }
}
