//! Asking for dumps, and what became of the last request.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::{Actor, DumpOptions, DumpStatus, Guest, HostId, HostState, Message, Omitted, Timestamp};

/// The one word in place of a list of guests: every running guest.
pub const ALL_GUESTS: &str = "all";

/// The most guests one request may name.
pub const MAX_TRIGGER_TARGETS: usize = 1000;

/// A guest as a request names it: by UUID, by libvirt's id or by name. JSON may hold it as a string or as a number.
///
/// The text is never altered: libvirt accepts names with blanks at either end, and `twin` is another guest than `twin `.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct VmRef(String);

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for VmRef {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
        let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let id = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let words = "A guest as a request names it: by UUID, by libvirt's id or by name, compared exactly.";
        OneOfBuilder::new().description(Some(words)).item(name).item(id).into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for VmRef {}

impl VmRef {
    /// Longest name accepted; libvirt's own names end at 255 bytes with the file systems that hold them.
    pub const MAX_BYTES: usize = 255;

    /// Reads a reference. Every character counts, blanks included.
    ///
    /// # Errors
    /// The text is empty, longer than [`Self::MAX_BYTES`] or holds control characters.
    pub fn new(text: &str) -> Result<Self, TriggerError> {
        if text.is_empty() {
            Err(TriggerError::EmptyName)
        } else if unqualified(text).len() > Self::MAX_BYTES {
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

    /// The UUID it may mean, in lower case as libvirt writes it: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
    #[must_use]
    pub fn as_uuid(&self) -> Option<String> {
        // The crate reads other forms too, which are longer or shorter, and may be names of guests.
        let uuid = Some(&self.0).filter(|text| text.len() == Hyphenated::LENGTH)?;
        Some(Uuid::try_parse(uuid).ok()?.hyphenated().to_string())
    }

    /// The guest that this names among all guests of a host: an exact UUID first; all digits are an id first, then a
    /// name; names are compared exactly.
    #[must_use]
    pub fn find_in<'a>(&self, guests: &'a [Guest]) -> Option<&'a Guest> {
        let (uuid, id) = (self.as_uuid(), self.as_id());
        let by_uuid = || guests.iter().find(|guest| uuid.as_ref() == Some(&guest.uuid.to_ascii_lowercase()));
        let by_id = || guests.iter().find(|guest| guest.id.is_some() && guest.id == id);
        let by_name = || guests.iter().find(|guest| guest.name.0 == self.0);
        uuid.is_some().then(by_uuid).flatten().or_else(by_id).or_else(by_name)
    }

    /// The host and the guest that it names, if it may mean `host/guest`: whether there is such a host is not known here.
    #[must_use]
    pub fn qualified(&self) -> Option<(HostId, Self)> {
        let (host, guest) = self.0.split_once('/')?;
        Some((host.parse().ok()?, Self::new(guest).ok()?))
    }

    /// The number it may mean: all digits, as libvirt writes an id, are an id first and a name second. With zeros before it
    /// a number is a name alone: no id is written so.
    #[must_use]
    pub fn as_id(&self) -> Option<u32> {
        let is_id =
            self.0.bytes().all(|b| b.is_ascii_digit()) && (self.0.len() == 1 || !self.0.starts_with('0'));
        is_id.then(|| self.0.parse().ok())?
    }
}

/// The part of a reference that names the guest: what comes after the name of a host and a slash.
fn unqualified(text: &str) -> &str {
    match text.split_once('/') {
        Some((host, guest)) if host.parse::<HostId>().is_ok() => guest,
        _ => text,
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
    #[error("name at least one VM in \"vm_ids\" (or \"vms\")")]
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
    /// The host whose guests are meant; all hosts where it is not given. With `all`, the running guests of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Actor>,
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

    /// On behalf of `actor`.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { requested_by: Some(actor), ..self }
    }

    /// Who wants it; a call to the API that does not say who made it, where the request says nothing.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::claimed(self.requested_by.as_ref())
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriggerReply {
    /// Always `scheduled`.
    pub status: String,
    /// One sentence for people.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub message: Message,
    /// The guests as they were named; the running ones by name if all were asked for.
    pub vm_ids: Vec<String>,
    /// When it was accepted.
    pub timestamp: Timestamp,
    /// The present state of each dump.
    #[serde(default)]
    pub dumps: Vec<DumpStatus>,
    /// Where all guests were asked for: those that are not dumped, and why.
    #[serde(default)]
    pub omitted: Vec<Omitted>,
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
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub error: Option<Message>,
}

/// The answer of `GET /api/memory-dumps/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceStatus {
    /// The dump service's URL, or `local`.
    pub service: String,
    /// `ok` or `unavailable`.
    pub status: String,
    /// The newest dump of every guest that had one, by its name; for a while also by every text it was asked for by.
    pub active_dumps: BTreeMap<String, DumpStatus>,
    /// What became of the last request.
    pub last_trigger: Option<LastTrigger>,
    /// The hosts; only where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostState>,
    /// Why the service is unavailable.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub error: Option<Message>,
    /// When this was answered.
    pub timestamp: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestName, GuestState};

    fn read(json: &str) -> Result<Vec<String>, String> {
        let request: TriggerRequest = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let targets = request.targets().map_err(|error| error.to_string())?;
        Ok(targets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn either_field_and_either_type_names_guests() {
        assert_eq!(read(r#"{"vm_ids": ["web-01", 7, "7"]}"#).unwrap(), ["web-01", "7"]);
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
    fn a_blank_at_the_end_of_a_name_is_part_of_the_name() {
        let named = read(r#"{"vms": ["twin ", "twin", " twin", " "]}"#).unwrap();
        assert_eq!(named, ["twin ", "twin", " twin", " "]);
    }

    fn guest(id: u32, name: &str, uuid: &str) -> Guest {
        Guest {
            host: None,
            id: Some(id),
            name: GuestName(name.to_owned()),
            uuid: uuid.to_owned(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: crate::ByteCount(0),
            memory: crate::ByteCount(0),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn a_guest_whose_name_hides_behind_anothers_id_or_uuid_is_found_by_its_uuid() {
        const FIRST: &str = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11";
        const SECOND: &str = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a12";
        const THIRD: &str = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a13";
        let guests =
            [guest(2, "twin", FIRST), guest(9, "2", SECOND), guest(3, FIRST, THIRD), guest(4, "twin ", "x")];
        let found = |text: &str| VmRef::new(text).unwrap().find_in(&guests).map(|guest| guest.id.unwrap());
        assert_eq!([found("2"), found("9"), found(SECOND)], [Some(2), Some(9), Some(9)]);
        assert_eq!([found(FIRST), found(&FIRST.to_uppercase()), found(THIRD)], [Some(2), Some(2), Some(3)]);
        assert_eq!(
            [found("twin"), found("twin "), found(" twin"), found("Twin")],
            [Some(2), Some(4), None, None]
        );
        assert_eq!([found(&format!("{{{FIRST}}}")), found(&FIRST.replace('-', ""))], [None, None]);
    }

    #[test]
    fn a_request_that_does_not_say_who_makes_it_is_a_call_to_the_api() {
        let told: TriggerRequest =
            serde_json::from_str(r#"{"vms": ["db-01"], "requested_by": "nightly.sh"}"#).unwrap();
        assert_eq!(told.actor(), Actor::named("nightly.sh"));
    }

    #[test]
    fn only_digits_may_be_an_id() {
        let id = |text| VmRef::new(text).unwrap().as_id();
        assert_eq!([id("7"), id("0"), id("web-7"), id("99999999999")], [Some(7), Some(0), None, None]);
    }

    #[test]
    fn a_guest_whose_name_is_a_number_with_zeros_before_it_is_not_taken_for_the_one_with_that_id() {
        let guests = [guest(7, "web-01", "x"), guest(9, "007", "y")];
        let found = |text| VmRef::new(text).unwrap().find_in(&guests).map(|guest| guest.name.0.as_str());
        assert_eq!(
            [found("7"), found("007"), found("9"), found("009")],
            [Some("web-01"), Some("007"), Some("007"), None]
        );
    }
}
