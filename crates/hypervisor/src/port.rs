//! The port: what memdeck asks of a hypervisor.

use std::fmt;
use std::time::Duration;

use memdeck_model::{Guest, HostClock, VmRef};

use crate::{DumpOutcome, DumpSigns, DumpStream, HypervisorError, LiveDump, LiveOptions};

/// A hypervisor and its guests. Every call blocks until it is answered or its time limit is over.
pub trait Hypervisor: Send + Sync {
    /// Its address for people, without credentials: `qemu:///system`.
    fn uri(&self) -> &str;

    /// The machine it runs on and the versions of its programs. libvirt may need many seconds to know the hypervisor's
    /// version; until then the answer is without it, and a later one has it.
    ///
    /// # Errors
    /// It cannot be reached or does not answer.
    fn host(&self) -> Result<Host, HypervisorError>;

    /// All guests, running or not, ordered by name.
    ///
    /// # Errors
    /// It cannot be reached or does not answer.
    fn guests(&self) -> Result<Vec<Guest>, HypervisorError>;

    /// The guest that a request names, by the order of [`VmRef::find_in`].
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], or it cannot be reached or does not answer.
    fn resolve(&self, vm: &VmRef) -> Result<Guest, HypervisorError>;

    /// The guest with this UUID.
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], or it cannot be reached or does not answer.
    fn guest(&self, uuid: &str) -> Result<Guest, HypervisorError>;

    /// The guest with this UUID at a moment at which no job has it. During a job it may stand still for the job, as if an
    /// operator had paused it.
    ///
    /// # Errors
    /// [`HypervisorError::Busy`] while a job has the guest, and those of [`guest`](Self::guest).
    fn guest_at_rest(&self, uuid: &str) -> Result<Guest, HypervisorError>;

    /// The guest's definition as libvirt writes it, without secrets.
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], or it cannot be reached or does not answer.
    fn domain_xml(&self, uuid: &str) -> Result<String, HypervisorError>;

    /// How the guest's memory is encrypted against its host: the type of `<launchSecurity>` (`sev`, `sev-snp`, `tdx`,
    /// `s390-pv`), `None` if it is not. A dump of an encrypted guest holds ciphertext.
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], the definition cannot be read, or the hypervisor cannot be reached or does not
    /// answer.
    fn launch_security(&self, uuid: &str) -> Result<Option<String>, HypervisorError>;

    /// How many iterations a live dump of the guest may have, as [`LiveOutcome`](crate::LiveOutcome) counts them, and
    /// still show its memory at one instant; `None` if any number is as good. QEMU before 9.0 can lose what an
    /// emulated guest writes while the passes over its memory follow each other.
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], the definition cannot be read, or the hypervisor cannot be reached or does not
    /// answer.
    fn exact_iterations(&self, uuid: &str) -> Result<Option<u64>, HypervisorError>;

    /// Stops the guest and begins to stream its memory. Returns when the first bytes have arrived.
    ///
    /// The guest stays stopped until the stream was read to its end or closed; then the hypervisor lets it run again
    /// if it ran before. So a slow reader is a long pause, and a reader that stops reading must close the stream.
    ///
    /// # Errors
    /// [`HypervisorError::Busy`], the guest has no memory to dump, the hypervisor refuses, or it cannot be reached or does not answer. In all
    /// these cases no dump of the guest is under way any more, or it ends by itself as soon as it begins.
    fn begin_frozen_dump(&self, uuid: &str) -> Result<FrozenDump, HypervisorError>;

    /// Begins to stream the memory of a guest that goes on running. Returns when the first bytes have arrived.
    ///
    /// The hypervisor copies the memory, then again what was written meanwhile, until the rest is so small that it can
    /// be copied within the pause budget; for this rest the guest is stopped. A guest that writes faster than the
    /// stream is read never comes so far: watch [`LiveControl::stats`](crate::LiveControl::stats).
    ///
    /// # Errors
    /// [`HypervisorError::CannotMigrate`] where only a frozen dump is possible. Else as with
    /// [`begin_frozen_dump`](Self::begin_frozen_dump).
    fn begin_live_dump(&self, uuid: &str, options: LiveOptions) -> Result<LiveDump, HypervisorError>;

    /// How a guest stands that ran before a dump of it which has ended or was broken off.
    ///
    /// # Errors
    /// It cannot be reached or does not answer.
    fn aftermath(&self, uuid: &str) -> Result<Aftermath, HypervisorError>;

    /// How long the guest may be stopped at the end of a migration or live dump; `None` if it has no such setting
    /// or does not run.
    ///
    /// # Errors
    /// [`HypervisorError::NotFound`], or the hypervisor refuses, cannot be reached or does not answer.
    fn max_downtime(&self, uuid: &str) -> Result<Option<Duration>, HypervisorError>;

    /// Sets what [`max_downtime`](Self::max_downtime) returns, in whole milliseconds. A guest that is gone or shut off
    /// has lost its setting already, which is no error.
    ///
    /// # Errors
    /// [`HypervisorError::Busy`] while a job has the guest; or the hypervisor refuses, cannot be reached or does not answer.
    fn set_max_downtime(&self, uuid: &str, limit: Duration) -> Result<(), HypervisorError>;

    /// Lets a stopped guest run. A guest that runs already is left alone.
    ///
    /// # Errors
    /// The hypervisor refuses, cannot be reached or does not answer.
    fn resume(&self, uuid: &str) -> Result<(), HypervisorError>;
}

/// The machine that runs the guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its host name.
    pub name: String,
    /// The hypervisor and, once known, its version: `QEMU 7.2.22`.
    pub hypervisor: String,
    /// libvirt's version: `9.0.0`.
    pub libvirt: String,
    /// The release of its kernel (`6.1.0-18-amd64`); `None` for another machine than this one.
    pub kernel: Option<String>,
    /// Its clock when it was asked; unknown for another machine than this one.
    pub clock: HostClock,
}

/// How a guest stands after a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// It runs, or is gone, or stands still for a reason that is not the dump's: an operator, an I/O error, ...
    Settled,
    /// A job of the guest is under way, be it what is left of the dump or somebody else's. When it has ended the guest
    /// may stand otherwise: look again.
    Busy {
        /// The job in libvirt's words; `None` if libvirt does not say.
        job: Option<&'static str>,
    },
    /// The dump has left it stopped.
    Stranded,
    /// It stands still, and the hypervisor does not know for whom. So does a guest whose live dump has failed at its end, and
    /// one that somebody has stopped behind the hypervisor's back.
    Unexplained,
}

/// A dump under way. Dropping it closes the stream, which ends the dump.
pub struct FrozenDump {
    /// An ELF core as the hypervisor writes it. Reads block. Its end says nothing about success: [`DumpCall::finish`]
    /// does, and the ELF headers say how many bytes there must be.
    pub stream: DumpStream,
    /// The hypervisor's call that writes into the stream.
    pub call: Box<dyn DumpCall>,
}

impl fmt::Debug for FrozenDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenDump").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The hypervisor's side of a dump under way.
pub trait DumpCall: Send {
    /// What is seen of the dump without asking.
    fn signs(&self) -> DumpSigns;

    /// Waits until the hypervisor says how the dump ended. Read the stream to its end or close it before.
    ///
    /// # Errors
    /// The dump failed (also: because the stream was closed early), or the hypervisor does not answer.
    fn finish(self: Box<Self>) -> Result<DumpOutcome, HypervisorError>;
}
