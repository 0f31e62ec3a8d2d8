//! What an operator must know of a dump before anything else, in sentences.

use leptos::prelude::*;
use memdeck_model::{Problem, ProblemKind, Record, Timestamp};

use super::super::activity_words::by_whom;
use super::super::mode_words::because;
use super::super::verification::words::sentence;
use super::facts::{fallback_of, missing_of};
use crate::api::ImageFacts;
use crate::ui::{Icon, IconView, Instant};

/// How much a notice asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is to be known.
    Note,
    /// Something about the dump is wrong or gone.
    Loss,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The notices of a dump, the worst first.
pub fn notices(record: &Record, image: Option<&ImageFacts>) -> Vec<Notice> {
    let manifest = image.and_then(|image| image.manifest.as_ref());
    let notice =
        |weight, title: &str, detail: String| Notice { weight, title: title.to_owned(), at: None, detail };
    let mut notices = Vec::new();
    if let Some(at) = record.deleted_at {
        let by = record.deleted_by.as_deref().map(|by| format!(" {}", by_whom(by))).unwrap_or_default();
        notices.push(Notice {
            at: Some(at),
            ..notice(
                Weight::Loss,
                &format!("The image was deleted{by}"),
                "The record stays and tells what is known. Nothing can be downloaded or verified any more."
                    .to_owned(),
            )
        });
    }
    if let Some(problem) = image.and_then(|image| image.problem.as_ref()) {
        notices.push(notice(Weight::Loss, absence(problem), why_absent(problem, manifest.is_some())));
    }
    if !record.ok {
        notices.push(notice(
            Weight::Loss,
            "The dump failed",
            "It is recorded as failed: what was stored, if anything, is no whole image.".to_owned(),
        ));
    }
    if let Some(manifest) = manifest
        && record.sha256.as_ref().is_some_and(|sha256| *sha256 != manifest.sha256)
    {
        notices.push(notice(
            Weight::Loss,
            "The manifest is of other bytes",
            "Its SHA-256 is not that of the record: the files were changed or exchanged.".to_owned(),
        ));
    }
    if record.encrypted {
        notices.push(notice(
            Weight::Note,
            "Encrypted memory",
            "The image is ciphertext: nothing in it can be analysed without the guest’s key.".to_owned(),
        ));
    }
    if let Some(reason) = fallback_of(record, manifest) {
        let mode = record.mode.or(manifest.map(|manifest| manifest.mode));
        notices.push(notice(Weight::Note, "Not as it was first tried", because(mode, reason)));
    }
    let missing = missing_of(manifest);
    if !missing.is_empty() {
        notices.push(notice(
            Weight::Note,
            "Not everything is in the image",
            sentence(&format!("it lacks {}", missing.join("; "))),
        ));
    }
    if let Some(why) = image.and_then(|image| image.manifest_problem.as_deref()) {
        notices.push(notice(
            Weight::Note,
            "No manifest",
            sentence(&format!("there is no manifest to go by: {why}")),
        ));
    }
    notices
}

/// What it means that an image cannot be read.
pub fn absence(problem: &Problem) -> &'static str {
    match problem.kind {
        ProblemKind::Gone => "The image file is gone",
        ProblemKind::Conflict => "The image cannot be read",
        ProblemKind::Unavailable => "The image cannot be reached now",
        ProblemKind::NotFound => "The image is out of reach",
        ProblemKind::Invalid | ProblemKind::Unauthorized | ProblemKind::Internal => {
            "What the image tells could not be loaded"
        }
    }
}

/// Why, and what is told all the same.
pub fn why_absent(problem: &Problem, has_manifest: bool) -> String {
    let from = if has_manifest { "the record and the manifest" } else { "the record" };
    format!("{} What is shown is from {from}.", sentence(&problem.detail))
}

/// Each in a box of its own.
#[component]
pub fn Notices(
    /// What is to be said.
    #[prop(into)]
    notices: Signal<Vec<Notice>>,
) -> impl IntoView {
    move || {
        let one = |notice: Notice| {
            let class = match notice.weight {
                Weight::Note => "notice",
                Weight::Loss => "notice notice-loss",
            };
            let icon = match notice.weight {
                Weight::Note => Icon::Info,
                Weight::Loss => Icon::Alert,
            };
            view! {
                <li class=class>
                    <span class="notice-icon">
                        <IconView icon />
                    </span>
                    <div class="notice-text">
                        <p class="notice-title">
                            {notice.title} {notice.at.map(|instant| view! { ", " <Instant instant /> })}
                        </p>
                        <p>{notice.detail}</p>
                    </div>
                </li>
            }
        };
        let list = notices.get();
        (!list.is_empty())
            .then(|| view! { <ul class="notices" aria-label="To be known">{list.into_iter().map(one).collect_view()}</ul> })
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    fn record() -> Record {
        let at = Timestamp::from_unix_micros(0).unwrap();
        Record::unknown(GuestName("web-01".into()), "1".into(), at)
    }

    fn told(record: &Record, image: Option<&ImageFacts>) -> Vec<String> {
        notices(record, image)
            .into_iter()
            .map(|notice| format!("{}: {}", notice.title, notice.detail))
            .collect()
    }

    #[test]
    fn nothing_is_said_of_a_dump_that_is_as_it_should_be() {
        assert_eq!(told(&record(), Some(&ImageFacts::default())), Vec::<String>::new());
    }

    #[test]
    fn a_deletion_says_who_and_when() {
        let at = record().timestamp;
        let deleted = |by: Option<&str>| {
            let record = Record { deleted_at: Some(at), deleted_by: by.map(str::to_owned), ..record() };
            notices(&record, None).remove(0)
        };
        let titles = [Some("an operator on the page"), Some("api"), None].map(|by| deleted(by).title);
        assert_eq!(
            titles,
            [
                "The image was deleted by an operator on the page",
                "The image was deleted over REST",
                "The image was deleted"
            ]
        );
        assert_eq!(deleted(None).at, Some(at));
    }

    #[test]
    fn what_is_wrong_comes_before_what_is_to_be_known() {
        let record =
            Record { ok: false, encrypted: true, fallback: Some("the guest is paused".into()), ..record() };
        let image = ImageFacts {
            problem: Some(Problem::new(ProblemKind::Gone, "the file is not there")),
            manifest_problem: Some("it is damaged".into()),
            ..ImageFacts::default()
        };
        assert_eq!(
            told(&record, Some(&image)),
            [
                "The image file is gone: The file is not there. What is shown is from the record.",
                "The dump failed: It is recorded as failed: what was stored, if anything, is no whole image.",
                "Encrypted memory: The image is ciphertext: nothing in it can be analysed without the guest’s key.",
                "Not as it was first tried: Another mode, because the guest is paused.",
                "No manifest: There is no manifest to go by: it is damaged.",
            ]
        );
    }
}
