//! The newest values of one guest, by any way in which it can be named.

use memdeck_model::telemetry::{Measured, Measurements, VmTotals};
use memdeck_model::{HostId, Problem, Vm, VmRef};

use super::unmeasured;
use crate::hosts::ambiguous;
use crate::{Caller, Operations};

impl Operations {
    /// The newest values of the guest that a text names: by UUID, id or name, of several hosts as `host/guest` or by what only one
    /// host has.
    ///
    /// # Errors
    /// Nothing is measured, there is no such guest that the caller may see, or several hosts have one.
    pub async fn vm_stats(&self, vm: &str, caller: &Caller) -> Result<VmTotals, Problem> {
        let told = self.measured(caller).await?;
        if let Some((member, guest)) = self.hosts.qualified(vm).filter(|_| self.hosts.are_many()) {
            let of_host =
                told.iter().flat_map(|of| &of.guests).filter(|of| host_of(of) == Some(member.name()));
            return find(of_host, guest.as_str()).map(|of| of.totals).ok_or_else(|| unmeasured(vm));
        }
        let found: Vec<&Measured> =
            told.iter().filter_map(|of: &Measurements| find(of.guests.iter(), vm)).collect();
        let Some(first) = found.first() else { return Err(unmeasured(vm)) };
        let mut candidates: Vec<String> = found.iter().filter_map(|of| qualified(&of.telemetry.vm)).collect();
        candidates.extend(self.listed_elsewhere(vm, &found, caller));
        if candidates.len() > 1 { Err(ambiguous(vm, candidates, "")) } else { Ok(first.totals) }
    }

    /// Guests that a text names, too, on hosts that have measured none such: they may be away.
    fn listed_elsewhere(&self, vm: &str, found: &[&Measured], caller: &Caller) -> Vec<String> {
        let Ok(named) = VmRef::new(vm) else { return Vec::new() };
        if !self.hosts.are_many() {
            return Vec::new();
        }
        let others =
            self.hosts.members().filter(|member| found.iter().all(|of| host_of(of) != Some(member.name())));
        let listed = others.filter_map(|member| member.find(&named));
        let seen = listed.filter(|guest| caller.sees_guest(guest, &self.hosts));
        seen.filter_map(|guest| qualified(&Vm::from(guest))).collect()
    }
}

fn host_of(measured: &Measured) -> Option<&HostId> {
    measured.telemetry.vm.host.as_ref()
}

fn qualified(vm: &Vm) -> Option<String> {
    vm.host.as_ref().map(|host| host.qualify(&vm.name.0))
}

/// By UUID, then by id, then by name, each exactly.
fn find<'a>(guests: impl Iterator<Item = &'a Measured>, vm: &str) -> Option<&'a Measured> {
    let guests: Vec<&Measured> = guests.collect();
    let by = |is_it: &dyn Fn(&Vm) -> bool| guests.iter().find(|of| is_it(&of.telemetry.vm)).copied();
    by(&|known| known.uuid.eq_ignore_ascii_case(vm))
        .or_else(|| by(&|known| known.id >= 0 && known.id.to_string() == vm))
        .or_else(|| by(&|known| known.name.0 == vm))
}
