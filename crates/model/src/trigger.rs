//! Asking for dumps, and what became of the last request.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{DumpOptions, DumpStatus, Remark, Timestamp};

/// The one word in place of a list of guests: every running guest.
pub const ALL_GUESTS: &str = "all";

/// The most guests one request may name.
pub const MAX_TRIGGER_TARGETS: usize = 1000;

/// A guest as a request names it: libvirt's id or the guest's name. JSON may give it as a string or as a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct VmRef(String);

impl VmRef {
    /// Longest name accepted; libvirt's own names end at 255 bytes with the file systems that hold them.
    pub const MAX_BYTES: usize = 255;

    /// Reads a reference, without the white space around it.
    ///
    /// # Errors
    /// The text is empty, longer than [`Self::MAX_BYTES`] or holds control characters.
    pub fn new(text: &str) -> Result<Self, TriggerError> {
        let text = text.trim();
        if text.is_empty() {
            Err(TriggerError::EmptyName)
        } else if text.len() > Self::MAX_BYTES {
            Err(TriggerError::LongName)
        } else if text.chars().any(char::is_control) {
            Err(TriggerError::ControlCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number it may mean: all digits are a libvirt id first and a name second.
    #[must_use]
    pub fn as_id(&self) -> Option<u32> {
        self.0.bytes().all(|b| b.is_ascii_digit()).then(|| self.0.parse().ok())?
    }
}

impl fmt::Display for VmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VmRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a VM is named by a string or a whole number")]
        enum Raw {
            Number(u64),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Number(number) => number.to_string(),
            Raw::Text(text) => text,
        };
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a request for dumps cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// No guest was named.
    #[error("name at least one VM in \"vm_ids\" (or \"vms\"), or [\"all\"] for every running VM")]
    NoTargets,
    /// Too many guests were named.
    #[error("one request may name at most {MAX_TRIGGER_TARGETS} VMs")]
    TooManyTargets,
    /// A name has no characters.
    #[error("a VM name is empty")]
    EmptyName,
    /// A name is too long.
    #[error("a VM name is longer than {} bytes", VmRef::MAX_BYTES)]
    LongName,
    /// A name has a character no guest's name can have.
    #[error("a VM name contains a control character")]
    ControlCharacter,
}

/// The body of a request for dumps. Either field name is accepted; both together are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriggerRequest {
    /// Guests by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_ids: Option<Vec<VmRef>>,
    /// Guests by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vms: Option<Vec<VmRef>>,
    /// How they are to be dumped.
    #[serde(flatten)]
    pub options: DumpOptions,
}

impl TriggerRequest {
    /// A request for these guests.
    #[must_use]
    pub fn of(vms: Vec<VmRef>) -> Self {
        Self { vms: Some(vms), ..Self::default() }
    }

    /// The guests that were named, each once, in the order they were named.
    ///
    /// # Errors
    /// None was named, or too many.
    pub fn targets(self) -> Result<Vec<VmRef>, TriggerError> {
        let mut targets: Vec<VmRef> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for target in self.vm_ids.into_iter().chain(self.vms).flatten() {
            if seen.insert(target.clone()) {
                targets.push(target);
            }
        }
        match targets.len() {
            0 => Err(TriggerError::NoTargets),
            1..=MAX_TRIGGER_TARGETS => Ok(targets),
            _ => Err(TriggerError::TooManyTargets),
        }
    }
}

/// The answer of `POST /api/memory-dumps/trigger`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriggerReply {
    /// Always `scheduled`.
    pub status: String,
    /// One sentence for people.
    pub message: String,
    /// The guests as they were named; the running ones by name where all were asked for.
    pub vm_ids: Vec<String>,
    /// When it was accepted.
    pub timestamp: Timestamp,
}

/// The body of a request to cancel a dump. It may be missing altogether.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CancelRequest {
    /// Who wants it, in words that operators read: one service passes on who asked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Remark>,
}

impl CancelRequest {
    /// On behalf of whoever that is, in words; of nobody in particular where the words cannot be passed on.
    #[must_use]
    pub fn by(who: &str) -> Self {
        Self { by: who.parse().ok() }
    }

    /// Who wants it, on one line; `otherwise` where the request does not say.
    #[must_use]
    pub fn who(&self, otherwise: &str) -> String {
        self.by.as_ref().map_or(otherwise, Remark::as_str).replace('\n', " ")
    }
}

/// The answer of a request to cancel a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CancelReply {
    /// Always `cancelling`: the end follows. A dump that had ended already stays as it ended.
    pub status: String,
    /// Which dump.
    pub dump_id: String,
}

/// What became of the last request for dumps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastTrigger {
    /// When it was accepted.
    pub timestamp: Timestamp,
    /// The guests it named.
    pub vm_ids: Vec<String>,
    /// `in_progress`, `completed`, `failed`, `timeout` or `error`.
    pub status: String,
    /// Seconds from acceptance to the last guest's end.
    pub duration: Option<f64>,
    /// Why it did not end well.
    pub error: Option<String>,
}

/// The answer of `GET /api/memory-dumps/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceStatus {
    /// The dump service's URL, or `local`.
    pub service: String,
    /// `ok` or `unavailable`.
    pub status: String,
    /// The newest dump of every guest that had one, by the name the request used.
    pub active_dumps: BTreeMap<String, DumpStatus>,
    /// What became of the last request.
    pub last_trigger: Option<LastTrigger>,
    /// Why the service is unavailable.
    pub error: Option<String>,
    /// When this was answered.
    pub timestamp: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        let request: TriggerRequest = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let targets = request.targets().map_err(|error| error.to_string())?;
        Ok(targets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn either_field_and_either_type_names_guests() {
        assert_eq!(read(r#"{"vm_ids": ["web-01", 7, "7"]}"#).unwrap(), ["web-01", "7"]);
        assert_eq!(read(r#"{"vms": [" db-01 "]}"#).unwrap(), ["db-01"]);
        assert_eq!(read(r#"{"vm_ids": ["a"], "vms": ["b", "a"]}"#).unwrap(), ["a", "b"]);
    }

    #[test]
    fn what_names_no_guest_is_refused_with_a_sentence() {
        let none = TriggerError::NoTargets.to_string();
        for empty in ["{}", r#"{"vm_ids": []}"#, r#"{"vms": null}"#] {
            assert_eq!(read(empty).unwrap_err(), none);
        }
        for (bad, reason) in [
            (r#"{"vms": [""]}"#, "a VM name is empty"),
            (r#"{"vms": ["a\u0000b"]}"#, "control character"),
            (r#"{"vms": [-1]}"#, "a string or a whole number"),
            (r#"{"vms": [1.5]}"#, "a string or a whole number"),
            (r#"{"vms": [null]}"#, "a string or a whole number"),
            (r#"{"vms": "web-01"}"#, "expected a sequence"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
        let long = format!(r#"{{"vms": ["{}"]}}"#, "x".repeat(256));
        assert!(read(&long).unwrap_err().contains("longer than 255 bytes"));
    }

    #[test]
    fn who_cancels_is_told_on_one_line() {
        assert_eq!(CancelRequest::by("an operator").who("a call to the API"), "an operator");
        assert_eq!(CancelRequest::by("one\ntwo").who("a call to the API"), "one two");
        assert_eq!(CancelRequest::default().who("a call to the API"), "a call to the API");
        assert_eq!(CancelRequest::by("\0"), CancelRequest::default());
    }

    #[test]
    fn only_digits_may_be_an_id() {
        let id = |text| VmRef::new(text).unwrap().as_id();
        assert_eq!([id("7"), id("007"), id("web-7"), id("99999999999")], [Some(7), Some(7), None, None]);
    }
}
