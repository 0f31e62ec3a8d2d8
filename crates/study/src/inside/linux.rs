//! What mquire reads out of a Linux guest's memory, as tables.

use std::sync::Arc;

use memdeck_model::{
    GuestConnection, GuestInterface, GuestModule, GuestSystem, GuestText, InsideTable, KernelLogLine,
    MappedMemory, Missing, MissingWhy, OpenFile, Timestamp,
};
use mquire::architecture::intel::architecture::IntelArchitecture;
use mquire::core::entities::ip_address::IPAddress;
use mquire::core::entities::network_interface::{IPAddressAndMask, NetworkInterface, NetworkMask};
use mquire::core::error::{Error, ErrorKind};
use mquire::core::operating_system::OperatingSystem as _;
use mquire::memory::readable::Readable;
use mquire::operating_system::linux::entities::kernel_module::{KernelModule, KernelModuleState};
use mquire::operating_system::linux::entities::network_connection::{NetworkConnection, Protocol};
use mquire::operating_system::linux::operating_system::LinuxOperatingSystem;

use super::memory::GuestMemory;
use super::owners::mapped;
use super::processes::{Found, Listed, processes};

/// From this version on the layout of the kernel's symbols is known.
const SYMBOLS_FROM: (u32, u32) = (6, 4);
/// And that of its clock.
const CLOCK_FROM: (u32, u32) = (6, 8);
/// Tasks that are looked at: processes and their threads.
const MOST_TASKS: usize = 200_000;
const MOST_FILES: usize = 20_000;
const MOST_FILES_OF_PROCESS: usize = 4096;
const MOST_MODULES: usize = 2000;
const MOST_INTERFACES: usize = 256;
const MOST_ADDRESSES: usize = 32;
const MOST_CONNECTIONS: usize = 10_000;
const MOST_LOG_LINES: usize = 10_000;
const WORD_CHARS: usize = 64;
const SYSTEM_CHARS: usize = 128;
const PATH_CHARS: usize = 512;
const LOG_CHARS: usize = 512;

/// What was read.
pub(super) struct Tables {
    pub(super) system: GuestSystem,
    pub(super) lists_compared: bool,
    pub(super) processes: InsideTable<memdeck_model::GuestProcess>,
    pub(super) open_files: InsideTable<OpenFile>,
    pub(super) modules: InsideTable<GuestModule>,
    pub(super) interfaces: InsideTable<GuestInterface>,
    pub(super) connections: InsideTable<GuestConnection>,
    pub(super) kernel_log: InsideTable<KernelLogLine>,
    pub(super) mapped: MappedMemory,
}

/// No kernel was found.
#[derive(Debug)]
pub(super) struct NoKernel;

/// Reads everything. What cannot be read is said in its table.
pub(super) fn read(memory: GuestMemory) -> Result<Tables, NoKernel> {
    let memory = Arc::new(memory);
    let readable: Arc<dyn Readable> = memory.clone();
    let linux = LinuxOperatingSystem::new(readable, IntelArchitecture::new()).map_err(|_| NoKernel)?;
    let mut system = system(&linux);
    let kernel = system.kernel.as_ref().map(|kernel| kernel.as_str().to_owned());
    let why = Why { version: kernel.as_deref().and_then(version), kernel };
    match linux.get_boot_time() {
        Ok(boot) => {
            let micros =
                i64::try_from(boot.boot_time).ok().and_then(|seconds| seconds.checked_mul(1_000_000));
            system.booted_at = micros.and_then(|micros| Timestamp::from_unix_micros(micros).ok());
        }
        Err(error) => system.booted_at_missing = Some(why.missing("boot time", CLOCK_FROM, &error)),
    }
    let followed: Vec<Found> = linux
        .iter_tasks()
        .map(|tasks| tasks.take(MOST_TASKS).flatten().map(|task| Found::of(&task)).collect())
        .unwrap_or_default();
    let numbered: Option<Vec<Found>> = linux
        .iter_pid_ns_tasks()
        .ok()
        .map(|tasks| tasks.take(MOST_TASKS).flatten().map(|task| Found::of(&task)).collect());
    let lists_compared = numbered.is_some();
    let (processes, listed) = processes(followed, numbered);
    let open_files = open_files(&linux, &listed, &why);
    let needs_symbols = |what: &str, error: &Error| why.missing(what, SYMBOLS_FROM, error);
    let modules = match linux.iter_kernel_modules() {
        Ok(modules) => {
            let modules = modules.map(|module| module.map(|it| of_module(&it)));
            // The head of the kernel's list is among them.
            let named =
                modules.filter(|module| module.as_ref().map_or(true, |it| !it.name.as_str().is_empty()));
            InsideTable::bounded(named, MOST_MODULES)
        }
        Err(error) => InsideTable::missing(needs_symbols("modules", &error)),
    };
    let interfaces = match linux.iter_network_interfaces() {
        Ok(found) => InsideTable::bounded(
            found.map(|interface| interface.map(|it| of_interface(&it))),
            MOST_INTERFACES,
        ),
        Err(error) => InsideTable::missing(needs_symbols("network interfaces", &error)),
    };
    let connections = match linux.iter_network_connections(&[]) {
        Ok(found) => InsideTable::bounded(
            found.map(|connection| connection.map(|it| of_connection(&it))),
            MOST_CONNECTIONS,
        ),
        Err(error) => InsideTable::missing(needs_symbols("connections", &error)),
    };
    let kernel_log = match linux.iter_dmesg_entries() {
        Ok(lines) => {
            let line = |entry: mquire::operating_system::linux::entities::dmesg::DmesgEntry| KernelLogLine {
                at_us: entry.timestamp_ns / 1000,
                level: entry.level,
                text: GuestText::new(&entry.message, LOG_CHARS),
            };
            InsideTable::bounded(lines.map(|entry| entry.map(line)), MOST_LOG_LINES)
        }
        Err(error) => InsideTable::missing(needs_symbols("kernel log", &error)),
    };
    let mapped = mapped(memory.as_ref(), listed);
    Ok(Tables {
        system,
        lists_compared,
        processes,
        open_files,
        modules,
        interfaces,
        connections,
        kernel_log,
        mapped,
    })
}

fn system(linux: &LinuxOperatingSystem) -> GuestSystem {
    let text = |text: Option<String>| text.map(|text| GuestText::new(&text, SYSTEM_CHARS));
    let mut system = GuestSystem::default();
    if let Ok(version) = linux.get_os_version() {
        system.kernel = text(version.kernel_version);
        system.kernel_build = text(version.system_version);
        system.machine = text(version.arch);
    }
    if let Ok(information) = linux.get_system_information() {
        system.host_name = text(information.hostname);
    }
    system
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split('.');
    let number = |text: Option<&str>| {
        let digits: String = text?.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some((number(numbers.next())?, number(numbers.next())?))
}

/// Which kernel it is, to say why something cannot be read.
struct Why {
    kernel: Option<String>,
    version: Option<(u32, u32)>,
}

impl Why {
    fn missing(&self, what: &str, from: (u32, u32), error: &Error) -> Missing {
        let kernel = self.kernel.as_deref().unwrap_or("of an unknown version");
        let (major, minor) = from;
        let (why, sentence) = match (self.version.is_some_and(|version| version < from), error.kind()) {
            (true, _) => (
                MissingWhy::KernelTooOld,
                format!("Kernel {kernel} is older than {major}.{minor}: no {what} without its symbols."),
            ),
            (_, ErrorKind::EntityNotFound | ErrorKind::OperatingSystemInitializationFailed) => (
                MissingWhy::NoSymbols,
                format!("The symbols of kernel {kernel} that lead to its {what} were not found in memory."),
            ),
            _ => (
                MissingWhy::Unreadable,
                format!("Kernel {kernel} keeps its {what} where memory cannot be read."),
            ),
        };
        Missing { why, message: sentence.into() }
    }
}

fn open_files(linux: &LinuxOperatingSystem, listed: &[Listed], why: &Why) -> InsideTable<OpenFile> {
    let mut table = InsideTable::default();
    let mut failed = None;
    for process in listed {
        let files = match linux.iter_task_open_files(process.at) {
            Ok(files) => files,
            // Threads of the kernel have none.
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        for file in files.take(MOST_FILES_OF_PROCESS) {
            match file {
                Ok(file) if table.rows.len() < MOST_FILES => table.rows.push(OpenFile {
                    pid: process.pid,
                    descriptor: file.fd,
                    path: GuestText::new(&file.path, PATH_CHARS),
                }),
                Ok(_) => table.further += 1,
                Err(_) => table.unreadable += 1,
            }
        }
    }
    if let Some(error) = failed
        && table.rows.is_empty()
    {
        table.missing = Some(why.missing("open files", (0, 0), &error));
    }
    table
}

fn of_module(module: &KernelModule) -> GuestModule {
    let word = |text: &Option<String>| text.as_deref().map(|text| GuestText::new(text, WORD_CHARS));
    let state = module.state.as_ref().map(|state| match state {
        KernelModuleState::Live => "live",
        KernelModuleState::Coming => "coming",
        KernelModuleState::Going => "going",
        KernelModuleState::Unformed => "unformed",
    });
    GuestModule {
        name: word(&module.name).unwrap_or_default(),
        version: word(&module.version).filter(|version| !version.is_empty()),
        state: state.map(|state| GuestText::new(state, WORD_CHARS)),
        taints: module.taints.is_some_and(|taints| taints != 0),
    }
}

fn of_interface(interface: &NetworkInterface) -> GuestInterface {
    let word = |text: &Option<String>| text.as_deref().map(|text| GuestText::new(text, WORD_CHARS));
    let address = |address: &IPAddressAndMask| {
        let ip = ip(&address.ip_address);
        let text = match &address.mask {
            NetworkMask::DottedDecimal(mask) => format!("{ip}/{mask}"),
            NetworkMask::PrefixLength(length) => format!("{ip}/{length}"),
        };
        GuestText::new(&text, WORD_CHARS)
    };
    GuestInterface {
        name: word(&interface.name).unwrap_or_default(),
        hardware_address: word(&interface.active_mac_address),
        addresses: interface.ip_addresses.iter().take(MOST_ADDRESSES).map(address).collect(),
        // What does not count as up is called down, also where the kernel does not say, as of `lo`.
        state: word(&interface.state).filter(|state| state.as_str() == "up"),
    }
}

fn ip(address: &IPAddress) -> &str {
    match address {
        IPAddress::IPv4(text) | IPAddress::IPv6(text) => text,
    }
}

fn of_connection(connection: &NetworkConnection) -> GuestConnection {
    let end = |address: &Option<IPAddress>, port: Option<u16>| {
        let address = address.as_ref()?;
        let port = port.map_or_else(|| "?".to_owned(), |port| port.to_string());
        let text = match address {
            IPAddress::IPv4(ip) => format!("{ip}:{port}"),
            IPAddress::IPv6(ip) => format!("[{ip}]:{port}"),
        };
        Some(GuestText::new(&text, WORD_CHARS))
    };
    let protocol = match connection.protocol {
        Some(Protocol::TCP) => "tcp",
        Some(Protocol::UDP) => "udp",
        None => "unknown",
    };
    GuestConnection {
        protocol: GuestText::new(protocol, WORD_CHARS),
        state: connection.state.as_deref().map(|state| GuestText::new(state, WORD_CHARS)),
        local: end(&connection.local_address, connection.local_port),
        remote: end(&connection.remote_address, connection.remote_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_an_older_kernel_does_not_give_says_why() {
        let why = |kernel: &str| Why { kernel: Some(kernel.to_owned()), version: version(kernel) };
        let error = Error::new(ErrorKind::OperatingSystemInitializationFailed, "");
        let missing = why("6.1.0-42-cloud-amd64").missing("modules", SYMBOLS_FROM, &error);
        assert_eq!(missing.why, MissingWhy::KernelTooOld);
        assert_eq!(
            missing.message.to_string(),
            "Kernel 6.1.0-42-cloud-amd64 is older than 6.4: no modules without its symbols."
        );
        let missing = why("6.12.9+deb13").missing("modules", SYMBOLS_FROM, &error);
        assert_eq!(missing.why, MissingWhy::NoSymbols);
        assert_eq!(version("6.12-rc3"), Some((6, 12)));
        assert_eq!(version("linux"), None);
    }
}
