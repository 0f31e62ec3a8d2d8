//! What can go wrong in the engine, and errors as logs and people get them. Knows no other part of the engine.

use std::error::Error;

use memdeck_catalog::CatalogError;
use memdeck_hypervisor::HypervisorError;
use memdeck_image::{CaptureError, QevmError, SealError, StoreError};
use memdeck_model::{EndReason, Message};

/// Why the engine cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The catalog failed.
    #[error("the catalog cannot be used")]
    Catalog(#[from] CatalogError),
    /// The directory of images failed.
    #[error("the dump directory cannot be used")]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a thread of the engine could not be started")]
    Thread(#[source] std::io::Error),
}

/// Why a dump ended without an image.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The engine itself ends it.
    #[error("{0}")]
    Ended(EndReason),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stream(#[from] QevmError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("memdeck was stopped before it could record the sealed image; the next start records it")]
    Unrecorded,
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
}

impl DumpError {
    /// What the job ends with.
    pub fn end_reason(&self) -> EndReason {
        let detail = Message::new(sentence(self));
        match self {
            Self::Ended(reason) => reason.clone(),
            Self::Hypervisor(HypervisorError::NotFound { vm, uri }) => {
                EndReason::UnknownGuest { vm: vm.clone(), hypervisor: uri.clone() }
            }
            Self::Hypervisor(HypervisorError::NotRunning { guest, state }) => {
                EndReason::NoMemory { guest: guest.0.clone(), state: *state }
            }
            Self::Hypervisor(HypervisorError::GuestEnded { .. }) => EndReason::GuestEnded { detail },
            Self::Hypervisor(_) => EndReason::HypervisorFailed { detail },
            Self::Capture(
                CaptureError::Spool(_)
                | CaptureError::Write { .. }
                | CaptureError::ReadAgain(_)
                | CaptureError::ReadsDiffer { .. },
            )
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Stream(QevmError::Spool(_)) => EndReason::StorageFailed { detail },
            Self::Capture(_) | Self::Stream(_) => EndReason::StreamFailed { detail },
            Self::Catalog(_) | Self::Unrecorded => EndReason::CatalogFailed { detail },
        }
    }
}

impl From<EndReason> for DumpError {
    fn from(reason: EndReason) -> Self {
        Self::Ended(reason)
    }
}

/// An error as the log takes it, with its causes.
pub fn as_error(error: &(impl Error + 'static)) -> &(dyn Error + 'static) {
    error
}

/// An error and its causes in one line.
pub fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
