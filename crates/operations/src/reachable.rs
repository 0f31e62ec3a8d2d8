//! Whom a request for dumps means that comes from somebody who sees only some guests: among those, by any way in which a guest
//! can be named. A guest beyond them is answered about as one that nobody has.

use std::collections::BTreeMap;

use memdeck_model::{ALL_GUESTS, DumpStatus, Guest, HostId, Omitted, Problem, ProblemKind, Target, VmRef};

use crate::dumps::Plan;
use crate::hosts::ambiguous;
use crate::{Assignment, Caller, Everyone, Operations};

impl Operations {
    /// The guests that a request means among those that the caller may see; of one host where it is named.
    ///
    /// # Errors
    /// A text means none of them, or guests of several hosts; no guest is running if all were asked for; or the hosts do not
    /// answer.
    pub(crate) async fn reachable(
        &self,
        named: &[VmRef],
        scope: Option<&HostId>,
        caller: &Caller,
    ) -> Result<Plan, Problem> {
        let guests = self.list_guests(caller).await?;
        let mut by_host: BTreeMap<HostId, Vec<Guest>> = BTreeMap::new();
        for guest in guests {
            let host = guest.host.clone().unwrap_or_else(|| self.hosts.first().name().clone());
            if scope.is_none_or(|scope| *scope == host) {
                by_host.entry(host).or_default().push(guest);
            }
        }
        let plan = match named {
            [all] if all.as_str() == ALL_GUESTS => {
                everyone(&by_host, &self.dump_statuses(caller).await.map_err(Problem::from)?)?
            }
            named => {
                let assignments = named.iter().map(|vm| one(vm, &by_host)).collect::<Result<_, _>>()?;
                Plan { assignments, omitted: Vec::new() }
            }
        };
        self.hosts.check_open(&plan.assignments)?;
        Ok(plan)
    }
}

/// The one guest that a text means.
fn one(vm: &VmRef, by_host: &BTreeMap<HostId, Vec<Guest>>) -> Result<Assignment, Problem> {
    let assigned = |host: &HostId, guest: &Guest| -> Result<Assignment, Problem> {
        Ok(Assignment { given: vm.to_string(), host: host.clone(), target: target(guest)? })
    };
    let qualified = vm.qualified().and_then(|(host, vm)| {
        let (host, guests) = by_host.get_key_value(&host)?;
        Some((host, vm.find_in(guests)?))
    });
    if let Some((host, guest)) = qualified {
        return assigned(host, guest);
    }
    let found: Vec<(&HostId, &Guest)> =
        by_host.iter().filter_map(|(host, guests)| Some((host, vm.find_in(guests)?))).collect();
    match found.as_slice() {
        [(host, guest)] => assigned(host, guest),
        [] => {
            let detail = format!("there is no guest '{vm}'; nothing was dumped");
            Err(Problem::new(ProblemKind::NotFound, detail))
        }
        several => {
            let candidates = several.iter().map(|(host, guest)| host.qualify(&guest.name.0)).collect();
            Err(ambiguous(vm.as_str(), candidates, "; nothing was dumped"))
        }
    }
}

/// Those that run and are not being dumped, and the others.
fn everyone(
    by_host: &BTreeMap<HostId, Vec<Guest>>,
    dumps: &BTreeMap<String, DumpStatus>,
) -> Result<Plan, Problem> {
    let (mut assignments, mut omitted, mut is_nobody): (_, Vec<Omitted>, _) = (Vec::new(), Vec::new(), true);
    for (host, guests) in by_host {
        let is_of = |dump: &&DumpStatus| dump.host.as_ref().is_none_or(|of| of == host);
        let of_host = Everyone::of(guests, dumps.values().filter(is_of));
        is_nobody &= of_host.is_nobody();
        omitted.extend(of_host.omitted);
        let name = |target: &Target| {
            let name = target.guest.as_ref().map_or(target.vm.as_str(), |guest| &guest.name.0);
            let is_elsewhere = by_host
                .iter()
                .any(|(other, guests)| other != host && guests.iter().any(|guest| guest.name.0 == name));
            if is_elsewhere { host.qualify(name) } else { name.to_owned() }
        };
        assignments.extend(of_host.targets.into_iter().map(|target| Assignment {
            given: name(&target),
            host: host.clone(),
            target,
        }));
    }
    if is_nobody {
        let detail = "none of your VMs is running; start one, or name a paused one";
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    Ok(Plan { assignments, omitted })
}

fn target(guest: &Guest) -> Result<Target, Problem> {
    Target::chosen(guest).map_err(|error| {
        let detail = format!("{} cannot be named: {error}", guest.name);
        Problem::new(ProblemKind::Invalid, detail)
    })
}
