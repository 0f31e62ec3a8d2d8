//! Why pages could not be kept until they are stored.

use std::io;

use crate::StoreError;

/// Why the memory of a dump could not be kept until it is stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file that holds the pages until they are in order.
    #[error("the spool of the dump cannot be created")]
    Create(#[source] StoreError),
    /// A step failed on it.
    #[error("the spool of the dump cannot be {step}")]
    Failed {
        /// What was done to it: `written`, `read`, ...
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It was told to stop while the disk kept it waiting.
    #[error("the dump was told to stop while it waited for the disk")]
    Stopped,
    /// More pages than can be told apart.
    #[error("the guest has more than 8 TiB of memory, which is not supported")]
    TooLarge,
    /// A thread ended without a reason; a defect of memdeck.
    #[error("a thread that receives the dump ended unexpectedly; please report this")]
    Panicked,
}

impl SpoolError {
    pub(crate) fn at(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { step, source }
    }
}
