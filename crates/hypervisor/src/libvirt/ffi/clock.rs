//! What the kernel says about its clock: `adjtimex(2)`, which no crate in use here wraps. It only asks.

use memdeck_model::HostClock;

/// The state of this machine's clock; all unknown if the kernel refuses, as it does in some containers.
pub(in crate::libvirt) fn host_clock() -> HostClock {
    // SAFETY: the struct is made of integers, for which zeroes are valid; a `modes` of zero changes nothing.
    let mut time: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the struct is ours and lives as long as the call.
    if unsafe { libc::adjtimex(&raw mut time) } < 0 {
        return HostClock::default();
    }
    clock(time.status, time.esterror, time.maxerror)
}

/// Of a clock that nobody synchronises the kernel's errors are placeholders.
fn clock(status: libc::c_int, estimated_us: libc::c_long, maximum_us: libc::c_long) -> HostClock {
    let synchronised = status & libc::STA_UNSYNC == 0;
    let error = |us: libc::c_long| u64::try_from(us).ok().filter(|_| synchronised);
    HostClock {
        synchronised: Some(synchronised),
        estimated_error_us: error(estimated_us),
        maximum_error_us: error(maximum_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_synchronised_clock_has_errors_to_tell() {
        let synchronised = HostClock {
            synchronised: Some(true),
            estimated_error_us: Some(120),
            maximum_error_us: Some(4_500),
        };
        assert_eq!(clock(libc::STA_PLL, 120, 4_500), synchronised);
        let free = HostClock { synchronised: Some(false), ..HostClock::default() };
        assert_eq!(clock(libc::STA_UNSYNC, 16_000_000, 16_000_000), free);
    }

    #[test]
    fn this_machine_s_kernel_is_asked_without_changing_anything() {
        let clock = host_clock();
        assert_eq!(clock.synchronised.is_none(), clock == HostClock::default(), "{clock:?}");
        assert_eq!(clock.synchronised, host_clock().synchronised);
    }
}
