//! What a dump waits for: a word for programs, and the sentence that people read, made here and nowhere else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// What a dump waits for. Meanwhile its guest is not touched yet, or is left alone again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitsFor {
    /// A place among the dumps that run at the same time.
    Turn,
    /// Room on the volume of the images, which other dumps may still need.
    Room,
    /// The end of a job that is not memdeck's and has the guest.
    ForeignJob,
    /// Its guest, which an earlier dump has not left yet as it was before.
    EarlierDump,
    /// The catalog, which does not take the record of the sealed image.
    Catalog,
    /// What only a newer version knows.
    #[serde(other)]
    Unknown,
}

impl WaitsFor {
    /// Reads what a field holds, where it may come from a newer version: nothing there is an error.
    ///
    /// # Errors
    /// The field is not JSON.
    pub fn deserialize_tolerant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(from)?;
        Ok(value.map(|value| serde_json::from_value(value).unwrap_or(Self::Unknown)))
    }
}

/// One sentence for people.
impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turn => "Waiting for its turn",
            Self::Room => "Waiting until other dumps have ended: the volume may have no room for all of them",
            Self::ForeignJob => {
                "Waiting until another program's job of this guest has ended (virsh domjobinfo)"
            }
            Self::EarlierDump => {
                "Waiting until the guest is as it was before an earlier dump; libvirt has not confirmed it yet"
            }
            Self::Catalog => "The image is sealed; waiting until the catalog takes its record",
            Self::Unknown => "Waiting for something that only a newer version of memdeck knows",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DumpStatus;

    fn status(waits_for: &str) -> DumpStatus {
        let json = format!(
            r#"{{"dump_id": "a", "vm": "web-01", "state": "running", "progress": 0.0, "waits_for": {waits_for}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn what_a_dump_waits_for_is_a_word_on_the_wire() {
        for (waits_for, word) in [
            (WaitsFor::Turn, "turn"),
            (WaitsFor::Room, "room"),
            (WaitsFor::ForeignJob, "foreign_job"),
            (WaitsFor::EarlierDump, "earlier_dump"),
            (WaitsFor::Catalog, "catalog"),
        ] {
            let json = format!("\"{word}\"");
            assert_eq!(serde_json::to_string(&waits_for).unwrap(), json);
            assert_eq!(status(&json).waits_for, Some(waits_for));
            assert!(!waits_for.to_string().is_empty());
        }
    }

    #[test]
    fn a_word_of_a_newer_version_does_not_make_a_status_unreadable() {
        for newer in ["\"licence\"", "7", r#"{"kind": "room", "bytes": 7}"#] {
            assert_eq!(status(newer).waits_for, Some(WaitsFor::Unknown), "{newer}");
        }
    }

    #[test]
    fn a_dump_that_does_not_wait_has_no_such_field() {
        let status = status("null");
        assert_eq!(status.waits_for, None);
        assert!(serde_json::to_value(&status).unwrap().get("waits_for").is_none());
    }
}
