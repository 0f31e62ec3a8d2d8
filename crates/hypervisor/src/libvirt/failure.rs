//! libvirt's errors as causes: the sentence for people, the code for us.

use virt::error::{Error, ErrorDomain, ErrorNumber};

/// An error of libvirt. Displays its message without the codes.
#[derive(Debug, thiserror::Error)]
#[error("{}", .error.message())]
pub(super) struct Failure {
    // Not a source: this is the same error in other words.
    error: Error,
}

impl Failure {
    /// Whether a system call of libvirtd failed (`virReportSystemError`), other than on its connection to us.
    pub(super) fn is_of_the_system(&self) -> bool {
        let is_of_connection = matches!(self.error.domain(), ErrorDomain::Rpc | ErrorDomain::Remote);
        self.error.code() == ErrorNumber::SystemError && !is_of_connection
    }
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

#[cfg(test)]
mod tests {
    use virt::domain::Domain;
    use virt_sys as sys;

    use super::*;
    use crate::libvirt::connection::Connection;

    #[test]
    fn a_file_that_libvirt_cannot_open_is_told_from_what_it_refuses() {
        let connection = Connection::open("test:///default").unwrap();
        let domain = Domain::lookup_by_name(&connection, "test").unwrap();
        let dumped = |path: &str, flags| {
            let format = sys::VIR_DOMAIN_CORE_DUMP_FORMAT_RAW;
            Failure::from(domain.core_dump_with_format(path, format, flags).unwrap_err())
        };
        assert!(dumped("/nonexistent/image", 0).is_of_the_system());
        assert!(
            !dumped("/nonexistent/image", sys::VIR_DUMP_MEMORY_ONLY).is_of_the_system(),
            "the driver cannot"
        );
        let absent = Domain::lookup_by_name(&connection, "nobody").unwrap_err();
        assert!(!Failure::from(absent).is_of_the_system());
        let unreachable = Connection::open("qemu:///system?socket=/nonexistent/socket").err().unwrap();
        assert!(!unreachable.downcast_ref::<Failure>().unwrap().is_of_the_system(), "{unreachable}");
    }
}
