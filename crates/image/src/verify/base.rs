//! The image that an image is a difference to, as its manifest names it.

use std::path::Path;
use std::sync::Arc;

use memdeck_model::{Finding, with_causes};

use crate::format::difference::Base;
use crate::read::error::ReadError;
use crate::read::evidence::base_of;
use crate::read::manifest::read_manifest;

/// What became of looking for it.
pub(super) struct FoundBase {
    /// Whether the manifest names one.
    pub(super) is_named: bool,
    pub(super) opened: Option<Arc<Base>>,
    /// Why the one that is named cannot be used.
    pub(super) finding: Option<Finding>,
}

impl FoundBase {
    /// A manifest that is of no use names none; that is a finding of its own.
    pub(super) fn of(image: &Path) -> Self {
        let none = Self { is_named: false, opened: None, finding: None };
        let Ok(Some(file)) = read_manifest(image) else { return none };
        match base_of(image, &file.manifest) {
            Ok(opened) => Self { is_named: opened.is_some(), opened, finding: None },
            Err(ReadError::Base { dump, base, source, .. }) => {
                let finding = Finding::BaseUnusable { dump, path: base, reason: with_causes(&*source) };
                Self { is_named: true, opened: None, finding: Some(finding) }
            }
            Err(_) => none,
        }
    }
}
