//! What is read out of sentences of libvirt, because it has no code for it. All of it stands here.
//!
//! | text | written by | its code |
//! |---|---|---|
//! | `unable to execute QEMU command 'NAME': REASON` | `qemuMonitorJSONCheckErrorFull` in `src/qemu/qemu_monitor_json.c` (libvirt 9.0) | `VIR_ERR_INTERNAL_ERROR` of `VIR_FROM_QEMU`, as for everything that QEMU refuses |
//!
//! A libvirtd that speaks another language may put NAME into other quotation marks. Then such a live dump fails with
//! libvirt's reason, where it would have become a frozen one.

use virt::error::{Error, ErrorDomain, ErrorNumber};

/// Whether QEMU itself refused to migrate. The commands for that are `migrate`, `migrate-set-parameters` and their like.
pub(super) fn is_refused_migration(error: &Error) -> bool {
    error.code() == ErrorNumber::InternalError
        && error.domain() == ErrorDomain::Qemu
        && names_migration(error.message())
}

fn names_migration(message: &str) -> bool {
    message.contains("'migrate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_qemu_refused_is_read() {
        for refused in [
            // Of a guest that was dumped live while an operator had paused it.
            "internal error: unable to execute QEMU command 'migrate': Can't migrate the vm that was paused due to \
             previous migration",
            "internal error: unable to execute QEMU command 'migrate-set-parameters': Parameter 'downtime-limit' \
             expects an integer in the range of 0 to 2000000 milliseconds",
        ] {
            assert!(names_migration(refused), "{refused}");
        }
        let other = "internal error: unable to execute QEMU command 'getfd': No file descriptor supplied via SCM_RIGHTS";
        assert!(!names_migration(other));
    }
}
