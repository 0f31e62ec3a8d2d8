//! The adapter for libvirt.

mod aftercare;
mod call;
mod connection;
mod control;
mod dump;
pub(crate) mod emulation;
mod failure;
mod ffi;
mod guests;
mod lifecycle;
mod live;
pub(crate) mod namespace;
mod pause;
pub(crate) mod security;
mod stats;
mod target;
mod texts;
pub(crate) mod uri;
mod version;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memdeck_model::{Guest, GuestState, VmRef};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use self::connection::Connection;
use self::control::Control;
use self::dump::{Begun, Dump, Way};
use self::failure::{Failure, is_no_domain};
use self::ffi::job;
pub use self::stats::{LibvirtStats, StatsOptions};
use self::target::Target;
use self::uri::Uri;
use self::version::SlowAnswer;
use crate::{Aftermath, FrozenDump, Host, Hypervisor, HypervisorError, LiveDump, LiveOptions};

/// How long [`Hypervisor::host`] waits for the hypervisor's version.
const VERSION_PATIENCE: Duration = Duration::from_secs(2);

/// The hypervisor behind a libvirt URI.
///
/// A control connection is opened with the first call and again whenever it was lost; every dump has a connection of
/// its own. No call takes longer than the time limit, whatever libvirtd does; only the beginning of a dump may take 30 s
/// more, for which libvirt itself waits for another job of the guest.
pub struct Libvirt {
    control: Arc<Control>,
    fifo_dir: Option<PathBuf>,
    version: Arc<SlowAnswer>,
}

impl Libvirt {
    /// The hypervisor at `uri` (`qemu:///system`), whose calls may take `timeout`. Connects when first asked.
    #[must_use]
    pub fn connect(uri: &str, timeout: Duration) -> Self {
        let control = Arc::new(Control::new(Uri::new(uri), timeout));
        Self { control, fifo_dir: None, version: Arc::default() }
    }

    /// Names a directory that libvirtd sees under the same path. If libvirtd runs in another PID namespace (one of
    /// the two is in a container) dumps pass through a FIFO in it, `.<uuid>.fifo`, removed when libvirt has opened it.
    #[must_use]
    pub fn with_fifo_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.fifo_dir = Some(dir.into());
        self
    }

    /// Asks something about all of the hypervisor.
    fn ask<T: Send + 'static>(
        &self,
        operation: &'static str,
        question: impl Fn(&Connect) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let uri = self.uri().to_owned();
        self.control
            .call(operation, move |connection| question(connection).map_err(|e| failed(operation, &uri, e)))
    }

    /// Asks something about one guest, which `vm` names for people.
    fn ask_guest<T: Send + 'static>(
        &self,
        vm: &str,
        operation: &str,
        find: impl Fn(&Connect) -> Result<Option<Domain>, Error> + Send + 'static,
        question: impl Fn(&Domain) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let (uri, vm, what) = (self.uri().to_owned(), vm.to_owned(), operation.to_owned());
        self.control.call(operation, move |connection| {
            let not_found = || HypervisorError::NotFound { vm: vm.clone(), uri: uri.clone() };
            let domain =
                find(connection).map_err(|error| failed(&what, &uri, error))?.ok_or_else(not_found)?;
            match question(&domain) {
                Err(error) if is_no_domain(&error) => Err(not_found()),
                result => result.map_err(|error| failed(&what, &uri, error)),
            }
        })
    }

    fn ask_uuid<T: Send + 'static>(
        &self,
        uuid: &str,
        operation: &str,
        question: impl Fn(&Domain) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let wanted = uuid.to_owned();
        self.ask_guest(uuid, operation, move |connect| guests::find_uuid(connect, &wanted), question)
    }

    /// The hypervisor's version, if it is known soon.
    fn hypervisor_version(&self) -> Option<String> {
        let uri = self.control.uri().text.clone();
        self.version.get(VERSION_PATIENCE.min(self.control.timeout()), move || {
            Connection::open(&uri).ok().as_deref().and_then(guests::hypervisor_version)
        })
    }

    fn shares_pid_namespace(&self) -> Result<bool, HypervisorError> {
        let sockets = self.control.uri().sockets.clone();
        self.control.call("say in which PID namespace it runs", move |_| {
            Ok(namespace::is_shared_with_daemon(&sockets))
        })
    }

    fn begin_dump(&self, uuid: &str, way: Way) -> Result<Begun, HypervisorError> {
        let uri = self.control.uri();
        if uri.is_remote {
            return Err(HypervisorError::Remote { uri: uri.shown.clone() });
        }
        let guest = self.guest_at_rest(uuid)?;
        if !guest.state.has_memory() {
            return Err(HypervisorError::NotRunning { guest: guest.name, state: guest.state });
        }
        let dump = Dump { control: Arc::clone(&self.control), guest, way };
        if !self.shares_pid_namespace()? {
            return self.begin_through_fifo(&dump);
        }
        match dump.start(Target::Anonymous) {
            // A security module may keep libvirtd out of our /proc.
            Err(not_begun) if not_begun.path_refused && self.fifo_dir.is_some() => {
                tracing::debug!(error = %not_begun.error, "libvirt cannot open our pipe, trying a FIFO");
                self.begin_through_fifo(&dump)
            }
            result => result.map_err(|not_begun| not_begun.error),
        }
    }

    fn begin_through_fifo(&self, dump: &Dump) -> Result<Begun, HypervisorError> {
        let Some(dir) = &self.fifo_dir else {
            return Err(HypervisorError::NoSharedDirectory { uri: self.uri().to_owned() });
        };
        let target = Target::fifo(dir).map_err(|error| not_prepared(dump, error))?;
        dump.start(target).map_err(|not_begun| not_begun.error)
    }
}

impl Hypervisor for Libvirt {
    fn uri(&self) -> &str {
        &self.control.uri().shown
    }

    fn host(&self) -> Result<Host, HypervisorError> {
        let host = self.ask("say what host it is", guests::host)?;
        let hypervisor = [Some(host.hypervisor), self.hypervisor_version()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        if self.control.uri().is_remote {
            return Ok(Host { hypervisor, ..host });
        }
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Ok(Host { hypervisor, kernel: Some(kernel), clock: ffi::clock::host_clock(), ..host })
    }

    fn guests(&self) -> Result<Vec<Guest>, HypervisorError> {
        self.ask("list the VMs", guests::list)
    }

    fn resolve(&self, vm: &VmRef) -> Result<Guest, HypervisorError> {
        let wanted = vm.clone();
        let find = move |connect: &Connect| guests::find(connect, &wanted);
        self.ask_guest(vm.as_str(), &format!("describe VM '{vm}'"), find, guests::describe)
    }

    fn guest(&self, uuid: &str) -> Result<Guest, HypervisorError> {
        self.ask_uuid(uuid, &format!("describe VM '{uuid}'"), guests::describe)
    }

    fn guest_at_rest(&self, uuid: &str) -> Result<Guest, HypervisorError> {
        match self.ask_uuid(uuid, &format!("describe VM '{uuid}'"), guests::at_rest)? {
            (guest, None) => Ok(guest),
            (guest, Some(job)) => Err(HypervisorError::Busy { guest: guest.name, job: job.operation }),
        }
    }

    fn domain_xml(&self, uuid: &str) -> Result<String, HypervisorError> {
        // Without VIR_DOMAIN_XML_SECURE, so without passwords.
        self.ask_uuid(uuid, &format!("give the definition of VM '{uuid}'"), |domain| domain.get_xml_desc(0))
    }

    fn launch_security(&self, uuid: &str) -> Result<Option<String>, HypervisorError> {
        security::launch_security(&self.domain_xml(uuid)?).map_err(|source| HypervisorError::Call {
            operation: format!("say whether VM '{uuid}' is encrypted"),
            uri: self.uri().to_owned(),
            source,
        })
    }

    fn exact_iterations(&self, uuid: &str) -> Result<Option<u64>, HypervisorError> {
        let definition = self.domain_xml(uuid)?;
        emulation::exact_iterations(&definition, || self.hypervisor_version()).map_err(|source| {
            HypervisorError::Call {
                operation: format!("say whether VM '{uuid}' is emulated"),
                uri: self.uri().to_owned(),
                source,
            }
        })
    }

    fn begin_frozen_dump(&self, uuid: &str) -> Result<FrozenDump, HypervisorError> {
        let Begun { stream, call } = self.begin_dump(uuid, Way::Frozen)?;
        Ok(FrozenDump { stream, call: Box::new(call) })
    }

    fn begin_live_dump(&self, uuid: &str, options: LiveOptions) -> Result<LiveDump, HypervisorError> {
        self.begin_dump(uuid, Way::Live(options)).map(live::hand_over)
    }

    fn aftermath(&self, uuid: &str) -> Result<Aftermath, HypervisorError> {
        match self.ask_uuid(uuid, &format!("say how VM '{uuid}' is"), aftercare::aftermath) {
            Err(HypervisorError::NotFound { .. }) => Ok(Aftermath::Settled),
            answer => answer,
        }
    }

    fn max_downtime(&self, uuid: &str) -> Result<Option<Duration>, HypervisorError> {
        let limit = self.ask_uuid(uuid, &format!("read the downtime limit of VM '{uuid}'"), |domain| {
            if !domain.is_active()? {
                return Ok(None);
            }
            match job::max_downtime_ms(domain) {
                Err(error) if error.code() == ErrorNumber::NoSupport => Ok(None),
                limit_ms => limit_ms.map(Some),
            }
        });
        Ok(limit?.map(Duration::from_millis))
    }

    fn set_max_downtime(&self, uuid: &str, limit: Duration) -> Result<(), HypervisorError> {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let operation = format!("set the downtime limit of VM '{uuid}'");
        match self.ask_uuid(uuid, &operation, move |domain| aftercare::set_max_downtime(domain, limit_ms)) {
            Ok(None) | Err(HypervisorError::NotFound { .. }) => Ok(()),
            Ok(Some((guest, job))) => Err(HypervisorError::Busy { guest, job: job.operation }),
            Err(error) => Err(error),
        }
    }

    fn resume(&self, uuid: &str) -> Result<(), HypervisorError> {
        self.ask_uuid(uuid, &format!("resume VM '{uuid}'"), |domain| match domain.resume() {
            Ok(_) => Ok(()),
            Err(_) if guests::describe(domain)?.state == GuestState::Running => Ok(()),
            Err(error) => Err(error),
        })
    }
}

fn failed(operation: &str, uri: &str, error: Error) -> HypervisorError {
    HypervisorError::Call {
        operation: operation.to_owned(),
        uri: uri.to_owned(),
        source: Failure::from(error).into(),
    }
}

fn not_prepared(dump: &Dump, error: std::io::Error) -> HypervisorError {
    HypervisorError::Dump { guest: dump.guest.name.clone(), source: error.into() }
}

#[cfg(test)]
mod tests;
