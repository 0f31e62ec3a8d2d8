//! Whom a request for a dump means.

use serde::{Deserialize, Serialize};

use crate::{Guest, GuestName, TriggerError, VmRef};

/// A guest beyond doubt, as its hypervisor described it when the request was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestIdentity {
    /// Its UUID in the hyphenated form.
    pub uuid: String,
    /// Its name at that time.
    pub name: GuestName,
    /// libvirt's id of it at that time, as text.
    pub vmid: String,
}

impl From<&Guest> for GuestIdentity {
    fn from(guest: &Guest) -> Self {
        Self {
            uuid: guest.uuid.clone(),
            name: guest.name.clone(),
            vmid: guest.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        }
    }
}

/// A guest to dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The guest as the request named it, or its name where it was chosen from a list.
    pub vm: VmRef,
    /// The guest beyond doubt, if it was chosen from a list: it is acted on by its UUID, whatever its name could mean.
    /// `None` if there is only the text, which the host that takes the dump resolves.
    pub guest: Option<GuestIdentity>,
}

impl Target {
    /// A guest that was chosen from a list. One whose name cannot be sent is called by its UUID.
    ///
    /// # Errors
    /// Neither name nor UUID can name a guest.
    pub fn chosen(guest: &Guest) -> Result<Self, TriggerError> {
        let vm = VmRef::new(&guest.name.0).or_else(|_| VmRef::new(&guest.uuid))?;
        Ok(Self { vm, guest: Some(guest.into()) })
    }
}

impl From<VmRef> for Target {
    fn from(vm: VmRef) -> Self {
        Self { vm, guest: None }
    }
}
