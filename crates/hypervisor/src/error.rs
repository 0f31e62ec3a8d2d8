//! What can go wrong between memdeck and a hypervisor, in sentences for an operator.

use std::fmt;

use memdeck_model::{GuestName, GuestState};

/// What the hypervisor or the operating system said.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How a guest ended. Displays as the verb of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// From inside, or on request.
    ShutDown,
    /// An operator or a program ended it without asking it.
    Destroyed,
    /// Its machine failed.
    Crashed,
    /// It runs elsewhere now.
    MigratedAway,
    /// It is not known how.
    Unknown,
}

impl fmt::Display for GuestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShutDown => "shut down",
            Self::Destroyed => "was destroyed",
            Self::Crashed => "crashed",
            Self::MigratedAway => "was migrated to another host",
            Self::Unknown => "ended",
        })
    }
}

/// A call that failed. `Display` names operation and object; the source says why.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// No connection.
    #[error("cannot connect to {uri}: check that libvirtd runs there and that this user may use it")]
    Connect {
        /// The hypervisor's address.
        uri: String,
        #[source]
        source: Cause,
    },
    /// No such guest.
    #[error("no VM '{vm}' on {uri}")]
    NotFound {
        /// The guest as it was asked for.
        vm: String,
        /// The hypervisor's address.
        uri: String,
    },
    /// The guest has no memory.
    #[error("VM '{guest}' is {}: only a VM that has memory can be dumped, start it first", .state.as_str())]
    NotRunning {
        guest: GuestName,
        /// What it does.
        state: GuestState,
    },
    /// A job has the guest: a migration, a save, a dump by another program.
    #[error("a job of another program ({}) has VM '{guest}'", .job.unwrap_or("unknown"))]
    Busy {
        /// The guest that the job has.
        guest: GuestName,
        /// The job in libvirt's words; `None` if libvirt does not say.
        job: Option<&'static str>,
    },
    /// The hypervisor is on another machine, so it cannot write into a pipe of ours.
    #[error(
        "{uri} is on another host, and memory can only be dumped on the host itself: \
         run 'memdeck agent' there and set MEMDUMP_SERVICE_URL to its address"
    )]
    Remote {
        /// The hypervisor's address.
        uri: String,
    },
    /// libvirtd runs in another PID namespace, and no directory was named that both sides see.
    #[error(
        "libvirtd at {uri} runs in another PID namespace than memdeck (a container?): \
         give memdeck a dump directory that both see under the same path (DUMP_DIR)"
    )]
    NoSharedDirectory {
        /// The hypervisor's address.
        uri: String,
    },
    /// The dump of a guest failed.
    #[error("the memory of VM '{guest}' could not be dumped")]
    Dump {
        guest: GuestName,
        #[source]
        source: Cause,
    },
    /// The guest cannot be dumped while it runs; a frozen dump may work.
    #[error("VM '{guest}' cannot be dumped while it runs: only a frozen dump is possible")]
    CannotMigrate {
        guest: GuestName,
        #[source]
        source: Cause,
    },
    /// The dump was given up on request, by us or by somebody else.
    #[error("the dump of VM '{guest}' was aborted")]
    Aborted { guest: GuestName },
    /// The guest, and with it its memory, is gone.
    #[error("VM '{guest}' {end} during its dump, and its memory is gone")]
    GuestEnded {
        guest: GuestName,
        end: GuestEnd,
        /// What the dump's call said.
        #[source]
        source: Cause,
    },
    /// The connection of the dump is gone: the hypervisor's service was restarted or died.
    #[error("{uri} went away during the dump of VM '{guest}'; try again when it is back")]
    WentAway {
        guest: GuestName,
        /// The hypervisor's address.
        uri: String,
        /// What the dump's call said.
        #[source]
        source: Cause,
    },
    /// Another call failed.
    #[error("{uri} could not {operation}")]
    Call {
        /// What was asked for: `list the VMs`.
        operation: String,
        /// The hypervisor's address.
        uri: String,
        #[source]
        source: Cause,
    },
    /// No answer in time.
    #[error("{uri} did not answer within {seconds} s (asked to {operation}): check libvirtd on that host")]
    Timeout {
        /// What was asked for.
        operation: String,
        /// The hypervisor's address.
        uri: String,
        /// How long the answer was waited for.
        seconds: f64,
    },
    /// Too many earlier calls are still without an answer.
    #[error("{uri} does not answer: {waiting} earlier calls still wait, check libvirtd on that host")]
    Unresponsive {
        /// The hypervisor's address.
        uri: String,
        /// Calls without an answer.
        waiting: usize,
    },
}
