//! What the verification of a stored image comes to, in a word.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Finding;

/// All findings in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was promised is true.
    Intact,
    /// Nothing is wrong with the sample of frames that was checked.
    Sampled,
    /// Nothing is wrong, but a file beside the image is missing.
    Unconfirmed,
    /// Something is wrong.
    Damaged,
}

impl Verdict {
    /// The verdict on an image with these findings.
    #[must_use]
    pub fn of(findings: &[Finding], is_sample: bool) -> Self {
        if findings.is_empty() {
            if is_sample { Self::Sampled } else { Self::Intact }
        } else if findings.iter().all(Finding::is_missing_record) {
            Self::Unconfirmed
        } else {
            Self::Damaged
        }
    }

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Sampled => "sampled",
            Self::Unconfirmed => "unconfirmed",
            Self::Damaged => "damaged",
        }
    }

    /// Reads a verdict that may be missing or null, or of a newer version of memdeck: one that is unknown is none.
    ///
    /// # Errors
    /// The field is not JSON.
    pub fn deserialize_tolerant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(from)?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampled => "nothing wrong in the sample",
            verdict => verdict.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameSpan;

    #[test]
    fn only_missing_files_leave_an_image_unconfirmed() {
        let missing = Finding::ManifestMissing { path: "/dumps/a.json".into() };
        let frame = Finding::FrameDigest { span: FrameSpan { frame: 7, image: 0..1, stored: 0..1 } };
        assert_eq!(Verdict::of(&[], false), Verdict::Intact);
        assert_eq!(Verdict::of(&[], true), Verdict::Sampled);
        assert_eq!(Verdict::of(std::slice::from_ref(&missing), true), Verdict::Unconfirmed);
        assert_eq!(Verdict::of(&[missing, frame], false), Verdict::Damaged);
    }

    #[test]
    fn a_verdict_of_a_newer_version_is_none() {
        let verification = |verdict: &str| {
            let none = crate::Verification::none("a1".parse().unwrap());
            let mut json = serde_json::to_value(none).unwrap();
            json["verdict"] = verdict.into();
            serde_json::from_value::<crate::Verification>(json).unwrap().verdict
        };
        assert_eq!([verification("damaged"), verification("gilded")], [Some(Verdict::Damaged), None]);
    }
}
