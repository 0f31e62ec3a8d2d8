//! libvirt's errors as causes: the sentence for people, the code for us.

use virt::error::{Error, ErrorNumber};

/// An error of libvirt. Displays its message without the codes.
#[derive(Debug, thiserror::Error)]
#[error("{}", .error.message())]
pub(super) struct Failure {
    // Not a source: this is the same error in other words.
    error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error }
    }
}

/// Whether `error` says that the guest does not exist (any more).
pub(super) fn is_no_domain(error: &Error) -> bool {
    error.code() == ErrorNumber::NoDomain
}
