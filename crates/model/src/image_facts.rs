//! What is known of a stored image beyond its record.

use crate::{Inspection, Manifest, Problem};

/// An image as its headers and its manifest describe it.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageFacts {
    /// The image can be read.
    Inspected(Box<Inspection>),
    /// Its manifest can be read, and the image cannot, for this reason.
    ManifestAlone(Box<Manifest>, Problem),
}

impl ImageFacts {
    /// The manifest beside the image, if there is one that can be believed.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Inspected(inspection) => inspection.manifest.as_ref(),
            Self::ManifestAlone(manifest, _) => Some(manifest),
        }
    }

    /// The image itself, if it can be read.
    #[must_use]
    pub fn inspection(&self) -> Option<&Inspection> {
        match self {
            Self::Inspected(inspection) => Some(inspection),
            Self::ManifestAlone(..) => None,
        }
    }

    /// Why the image cannot be read.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Inspected(_) => None,
            Self::ManifestAlone(_, problem) => Some(problem),
        }
    }
}
