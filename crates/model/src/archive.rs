//! Archives of records: which records go, why others stay, and what an archive says of itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Actor, ByteCount, DumpId, GuestName, KeyId, Timestamp};

/// Which records are to be archived: those of which all is true that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ArchiveChoice {
    /// The dump began before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// The dump was of the guest of this name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestName>,
    /// The image of the dump was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Nothing is said of what is to be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("say which records are to be archived: those before an instant, of a guest, or of deleted images")]
pub struct NothingChosen;

impl ArchiveChoice {
    /// # Errors
    /// It would mean every record.
    pub fn check(&self) -> Result<(), NothingChosen> {
        if *self == Self::default() { Err(NothingChosen) } else { Ok(()) }
    }
}

impl fmt::Display for ArchiveChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, guest, deleted } = self;
        f.write_str("dumps")?;
        if let Some(GuestName(guest)) = guest {
            write!(f, " of {guest}")?;
        }
        if let Some(before) = before {
            write!(f, " before {before}")?;
        }
        if *deleted {
            f.write_str(" whose images were deleted")?;
        }
        Ok(())
    }
}

/// Why a record that was chosen stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StayReason {
    /// Its image is kept, here or on its host.
    ImageKept,
    /// Files of its image may still be there.
    BeingDeleted,
    /// The dump or its case is under legal hold.
    Held,
    /// Its guest is not known to be as it was before the dump.
    GuestInCare,
    /// Its point is not in the time-series store yet.
    PointWaits,
    /// Its row is not as memdeck wrote it.
    Altered,
}

impl StayReason {
    pub const ALL: [Self; 6] =
        [Self::ImageKept, Self::BeingDeleted, Self::Held, Self::GuestInCare, Self::PointWaits, Self::Altered];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageKept => "image_kept",
            Self::BeingDeleted => "being_deleted",
            Self::Held => "held",
            Self::GuestInCare => "guest_in_care",
            Self::PointWaits => "point_waits",
            Self::Altered => "altered",
        }
    }
}

impl std::str::FromStr for StayReason {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(())
    }
}

impl fmt::Display for StayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ImageKept => "the image is kept: delete it first",
            Self::BeingDeleted => "the image is being deleted",
            Self::Held => "under legal hold",
            Self::GuestInCare => "the guest is not known to be as it was before the dump",
            Self::PointWaits => "the point is not in InfluxDB yet",
            Self::Altered => "the row is not as memdeck wrote it: see memdeck doctor",
        })
    }
}

/// Records that were chosen and stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Staying {
    pub reason: StayReason,
    /// How many.
    pub count: u64,
    /// The first of them, at most ten.
    pub dumps: Vec<DumpId>,
}

/// What an archive would take now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchivePreview {
    pub choice: ArchiveChoice,
    /// How many records would go.
    pub records: u64,
    /// When the oldest of those dumps began.
    pub first: Option<Timestamp>,
    /// When the newest of them began.
    pub last: Option<Timestamp>,
    /// Whether there are more than one archive takes.
    pub more: bool,
    /// The others that were chosen, by why they stay.
    pub staying: Vec<Staying>,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveFile {
    /// Its name, without a directory.
    pub name: String,
    pub size_bytes: ByteCount,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// What an archive says of itself: its description, which is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Archive {
    /// The form of its files.
    pub archive_format: u32,
    /// What the names of its files begin with.
    pub name: String,
    pub made_at: Timestamp,
    /// Who had it made.
    pub made_by: Actor,
    /// The version of memdeck that made it.
    pub memdeck_version: String,
    pub choice: ArchiveChoice,
    /// How many records it has.
    pub records: u64,
    /// When the oldest of its dumps began.
    pub first: Timestamp,
    /// When the newest of them began.
    pub last: Timestamp,
    /// The records, each a line of JSON.
    pub jsonl: ArchiveFile,
    /// The same for a spreadsheet.
    pub csv: ArchiveFile,
    /// The key that signed the description.
    pub signed_by: KeyId,
}

impl Archive {
    /// The form that this version writes.
    pub const FORMAT: u32 = 1;
}

/// An archive that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeArchive {
    /// The directory of its files, on the host of memdeck.
    pub dir: String,
    #[serde(flatten)]
    pub archive: Archive,
}

/// The archives that were made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArchiveList {
    /// The directory of their files, on the host of memdeck. Somebody may have moved them since.
    pub dir: String,
    /// How many there are.
    pub count: usize,
    /// The newest first.
    pub archives: Vec<Archive>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_something_and_is_told_in_words() {
        assert_eq!(ArchiveChoice::default().check(), Err(NothingChosen));
        let choice = ArchiveChoice {
            before: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            guest: Some(GuestName("web-01".to_owned())),
            deleted: true,
        };
        assert_eq!(choice.check(), Ok(()));
        let told = choice.to_string();
        assert!(told.starts_with("dumps of web-01 before 2026-01-01T00:00:00"), "{told}");
        assert!(told.ends_with(" whose images were deleted"), "{told}");
        assert_eq!(
            serde_json::from_value::<ArchiveChoice>(serde_json::to_value(&choice).unwrap()).unwrap(),
            choice
        );
    }

    #[test]
    fn each_reason_is_read_as_it_is_written() {
        for reason in StayReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
