//! How far a verification is and what it found, in words.

use memdeck_model::{Verdict, Verification, VerificationState, bounded, decimal};

use crate::ui::{Icon, ToastKind, Tone};
use crate::words::sentence;

/// What is shown of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What it means.
    pub tone: Tone,
    /// The icon that says the same.
    pub icon: Icon,
    /// One or two words.
    pub word: String,
    /// A sentence that says what that is.
    pub sentence: String,
}

/// A verification in words; nothing is to be said of none.
pub fn told(verification: &Verification) -> Option<Told> {
    let (tone, icon, word, sentence) = match verification.state {
        VerificationState::None => return None,
        VerificationState::Running => {
            let (done, of) = (verification.bytes_done, verification.bytes_expected);
            let (word, sentence) = match percent(verification) {
                Some(percent) => {
                    (format!("Verifying {} %", decimal(percent, 0)), format!("{done} of {of} checked."))
                }
                None => ("Verifying".to_owned(), "The image is being read.".to_owned()),
            };
            return Some(Told { tone: Tone::Active, icon: Icon::Activity, word, sentence });
        }
        VerificationState::Failed => {
            let why = verification.error.as_ref().map(ToString::to_string).unwrap_or_default();
            return Some(Told {
                tone: Tone::Bad,
                icon: Icon::Alert,
                word: "Not verified".to_owned(),
                sentence: sentence(&why),
            });
        }
        VerificationState::Finished => match verification.verdict {
            Some(Verdict::Intact) => {
                (Tone::Good, Icon::Check, "Intact", "Every byte was read and matches the record.")
            }
            Some(Verdict::Unconfirmed) => (
                Tone::Waiting,
                Icon::Info,
                "Unconfirmed",
                "No damage was found, but there is too little beside the image to confirm it.",
            ),
            Some(Verdict::Damaged) => {
                (Tone::Bad, Icon::Alert, "Damaged", "The image does not match its record.")
            }
            Some(Verdict::Sampled) | None => {
                (Tone::Waiting, Icon::Info, "Verified", "This page does not know the verdict.")
            }
        },
    };
    Some(Told { tone, icon, word: word.to_owned(), sentence: sentence.to_owned() })
}

/// How far it is, 0 to 100, once its end is known.
pub fn percent(verification: &Verification) -> Option<f64> {
    let (done, of) = (verification.bytes_done.0, verification.bytes_expected.0);
    #[expect(clippy::cast_precision_loss, reason = "whole percents are shown")]
    (of > 0).then(|| bounded(done as f64 / of as f64 * 100.0, 0.0, 100.0))
}

/// What to say to the operator of the image's guest who asked for it.
pub fn outcome_of(verification: &Verification, guest: &str) -> (ToastKind, String) {
    let Some(told) = told(verification) else { return (ToastKind::Info, String::new()) };
    let kind = match told.tone {
        Tone::Good => ToastKind::Success,
        Tone::Bad => ToastKind::Error,
        Tone::Neutral | Tone::Active | Tone::Waiting => ToastKind::Warning,
    };
    (kind, format!("The image of {guest}: {}. {}", told.word.to_ascii_lowercase(), told.sentence))
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

    use super::*;

    fn verification(state: VerificationState, verdict: Option<Verdict>) -> Verification {
        Verification { state, verdict, ..Verification::none("a1".parse().unwrap()) }
    }

    fn in_words(verification: &Verification) -> (String, String) {
        let Told { word, sentence, .. } = told(verification).unwrap();
        (word, sentence)
    }

    #[test]
    fn progress_is_told_in_percent_and_bytes_once_the_end_is_known() {
        let mut running = verification(VerificationState::Running, None);
        assert_eq!(in_words(&running).0, "Verifying");
        (running.bytes_done, running.bytes_expected) = (ByteCount::from_mib(128), ByteCount::from_mib(512));
        let told = in_words(&running);
        assert_eq!((told.0.as_str(), told.1.as_str()), ("Verifying 25 %", "128 MiB of 512 MiB checked."));
    }

    #[test]
    fn every_verdict_is_told_apart_and_no_failure_is_a_verdict() {
        let finished = |verdict| told(&verification(VerificationState::Finished, verdict)).unwrap();
        let told_apart = [Some(Verdict::Intact), Some(Verdict::Unconfirmed), Some(Verdict::Damaged), None]
            .map(finished)
            .map(|told| (told.word, told.tone));
        assert_eq!(
            told_apart.map(|(word, tone)| format!("{word} {tone:?}")),
            ["Intact Good", "Unconfirmed Waiting", "Damaged Bad", "Verified Waiting"]
        );
        let mut failed = verification(VerificationState::Failed, None);
        failed.error = Some("the file is gone".into());
        assert_eq!(in_words(&failed), ("Not verified".to_owned(), "The file is gone.".to_owned()));
        assert_eq!(told(&verification(VerificationState::None, None)), None);
    }

    #[test]
    fn the_outcome_names_the_guest_and_is_as_loud_as_it_is_bad() {
        let outcome =
            |verdict| outcome_of(&verification(VerificationState::Finished, Some(verdict)), "web-01");
        let (kind, text) = outcome(Verdict::Intact);
        assert_eq!(kind, ToastKind::Success);
        assert_eq!(text, "The image of web-01: intact. Every byte was read and matches the record.");
        assert_eq!(outcome(Verdict::Damaged).0, ToastKind::Error);
        assert_eq!(outcome(Verdict::Unconfirmed).0, ToastKind::Warning);
    }
}
