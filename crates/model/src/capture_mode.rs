//! How the memory of a guest is taken.

use serde::{Deserialize, Serialize};

/// How the memory was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CaptureMode {
    /// The guest ran while its memory was copied, and was stopped for the last pages only.
    Live,
    /// The guest is stopped while its memory is read once, as an ELF core.
    Frozen,
}

impl CaptureMode {
    /// The word on the wire and in the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Frozen => "frozen",
        }
    }
}

impl std::str::FromStr for CaptureMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Live, Self::Frozen].into_iter().find(|mode| mode.as_str() == text).ok_or(())
    }
}
