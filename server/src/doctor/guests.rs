//! The hypervisor, whether its guests can be dumped, and the clock that dates their dumps. No guest is touched.

use memdeck_hypervisor::{Host, Hypervisor, HypervisorError};
use memdeck_image::ImageStore;
use memdeck_model::{ByteCount, Guest, GuestState, HostClock, with_causes};

use super::Check;
use crate::config::Config;

const HYPERVISOR: &str = "hypervisor";
const GUESTS: &str = "guests";
/// What a dump needs beside twice the guest's memory.
const BESIDE_MEMORY: u64 = 64 << 20;
/// More guests than this are not named.
const MOST_NAMED: usize = 20;
const RIGHTS: &str = "Start libvirtd, and run memdeck as root or as a member of the group libvirt.";

pub fn checks(config: &Config, hypervisor: &dyn Hypervisor) -> Vec<Check> {
    let guests = match hypervisor.guests() {
        Ok(guests) => guests,
        Err(error) => {
            let after = "Not tried: the hypervisor does not answer.";
            return vec![
                Check::failed(HYPERVISOR, with_causes(&error), RIGHTS),
                Check::off(GUESTS, after),
                Check::off("clock", after),
            ];
        }
    };
    let host = hypervisor.host();
    let mut checks = vec![about_host(hypervisor.uri(), host.as_ref(), guests.len())];
    checks.push(dumpable(config, hypervisor, &guests));
    checks.push(
        host.map_or_else(|_| Check::off("clock", "The hypervisor does not say."), |host| clock(host.clock)),
    );
    checks
}

fn about_host(uri: &str, host: Result<&Host, &HypervisorError>, guests: usize) -> Check {
    match host {
        Ok(host) if host.kernel.is_none() => Check::failed(
            HYPERVISOR,
            format!("{uri} is on another machine, {}.", host.name),
            "Memory can only be dumped on the host itself: run memdeck agent there and set MEMDUMP_SERVICE_URL.",
        ),
        Ok(host) => Check::ok(
            HYPERVISOR,
            format!("{uri} answers: libvirt {}, {}, {guests} guests.", host.libvirt, host.hypervisor),
        ),
        Err(error) => Check::failed(HYPERVISOR, with_causes(error), RIGHTS),
    }
}

/// Asks of every running guest what a dump asks before it touches one.
fn dumpable(config: &Config, hypervisor: &dyn Hypervisor, guests: &[Guest]) -> Check {
    let running: Vec<&Guest> = guests.iter().filter(|guest| guest.state == GuestState::Running).collect();
    if running.is_empty() {
        return Check::off(GUESTS, "No guest runs, so none was looked at.");
    }
    let mut refused = Vec::new();
    for guest in &running {
        let name = &guest.name;
        match hypervisor.guest_at_rest(&guest.uuid).and_then(|_| hypervisor.launch_security(&guest.uuid)) {
            // One that is not found may have ended since the guests were listed.
            Ok(None) | Err(HypervisorError::NotFound { .. }) => {}
            Ok(Some(kind)) => {
                refused.push(format!("{name} has encrypted memory ({kind}): its image is ciphertext"));
            }
            Err(error) => refused.push(format!("{name}: {}", with_causes(&error))),
        }
    }
    let largest = running.iter().map(|guest| guest.memory_max.0).max().unwrap_or(0);
    let needed = largest.saturating_mul(2).saturating_add(BESIDE_MEMORY);
    let free = config
        .dumps
        .dir
        .is_dir()
        .then(|| ImageStore::open(&config.dumps.dir).and_then(|store| store.free_bytes()));
    if let Some(Ok(free)) = free
        && free.0 < needed
    {
        refused.push(format!(
            "the largest guest needs up to {} in DUMP_DIR, and {free} are free",
            ByteCount(needed)
        ));
    }
    if refused.is_empty() {
        return Check::ok(
            GUESTS,
            format!("{} guests run, and each can be dumped as far as can be said before.", running.len()),
        );
    }
    let more = refused.len().saturating_sub(MOST_NAMED);
    refused.truncate(MOST_NAMED);
    let more = if more > 0 { format!("; {more} more") } else { String::new() };
    Check::warning(
        GUESTS,
        format!("{}{more}.", refused.join("; ")),
        "Dumps of these guests wait, are refused, or hold ciphertext. End the other program's job, or make room.",
    )
}

fn clock(clock: HostClock) -> Check {
    const CHECK: &str = "clock";
    match clock {
        HostClock { synchronised: Some(true), .. } => {
            Check::ok(CHECK, "A time service keeps the clock right.")
        }
        HostClock { synchronised: Some(false), .. } => Check::warning(
            CHECK,
            "No time service keeps the clock right.",
            "Run chrony or another one: the instants of dumps are as right as the clock.",
        ),
        HostClock { synchronised: None, .. } => {
            Check::off(CHECK, "The kernel does not say whether the clock is right.")
        }
    }
}
