//! Whether the volume of the state directory takes what must be written.

use crate::{Catalog, VolumeError};

impl Catalog {
    /// Makes the reserve whole that is kept for ends and deletions on a full volume, if there is room for it.
    ///
    /// # Errors
    /// There is none, or no file can be written.
    pub fn renew_reserve(&self) -> Result<(), VolumeError> {
        self.reserve.renew()
    }

    /// Tries whether the state directory takes what is written, and whether its reserve is whole or can be made so.
    ///
    /// # Errors
    /// What is wrong with its volume.
    pub fn check_volume(&self) -> Result<(), VolumeError> {
        self.reserve.try_write().map_err(VolumeError::Unwritable)?;
        self.reserve.renew()
    }
}
