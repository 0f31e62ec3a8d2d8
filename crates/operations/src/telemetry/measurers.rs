//! What measures the guests of each host, and what all of them tell.

use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::telemetry::{Measurements, SeriesQuery};
use memdeck_model::{HostId, Problem, ProblemKind, Vm};

use super::{nothing_measured, unmeasured};
use crate::hosts::ambiguous;
use crate::{Caller, Member, Operations, Telemetry};

/// What measures the guests of one host.
pub(super) struct Measurer {
    pub member: Arc<Member>,
    /// The name that answers about the host carry: none where there is only one.
    pub label: Option<HostId>,
    pub telemetry: Arc<dyn Telemetry>,
    /// Whether it is the collector of this memdeck.
    pub is_own: bool,
}

impl Operations {
    /// What measures the guests, in the order of the hosts. The collector of this memdeck measures this machine's; where there is
    /// one host that is another machine, and a hypervisor was named to this memdeck all the same, it measures those that are listed.
    pub(super) fn measurers(&self) -> Vec<Measurer> {
        let are_many = self.hosts.are_many();
        let of = |member: Arc<Member>| {
            let own = self.telemetry.clone().filter(|_| member.is_here() || !are_many);
            let is_own = own.is_some();
            let telemetry = own.or_else(|| member.host().telemetry())?;
            Some(Measurer { label: self.hosts.label(&member), member, telemetry, is_own })
        };
        self.hosts.members().filter_map(of).collect()
    }

    /// What measures the guests of the host of this name. Without a name it is the collector of this memdeck, or the only one
    /// that there is.
    ///
    /// # Errors
    /// Nothing measures them; or no name is given, and several other machines measure.
    pub(super) fn measurer(&self, host: Option<&str>) -> Result<Measurer, Problem> {
        let mut measurers = self.measurers();
        if let Some(name) = host {
            let member = self.hosts.expect(name)?;
            let named = measurers.into_iter().find(|measurer| measurer.member.name() == member.name());
            return named.ok_or_else(|| {
                let detail = format!("the guests of {} are not measured", member.name());
                Problem::new(ProblemKind::Unavailable, detail)
            });
        }
        let own = measurers.iter().position(|measurer| measurer.is_own);
        match (own, measurers.len()) {
            (_, 0) => Err(nothing_measured()),
            (Some(own), _) => Ok(measurers.swap_remove(own)),
            (None, 1) => Ok(measurers.swap_remove(0)),
            (None, _) => {
                let names = measurers.iter().map(|measurer| measurer.member.name().to_string());
                let candidates: Vec<String> = names.collect();
                let detail = format!(
                    "this machine measures no guests, and several hosts do: say which one with host={}",
                    candidates.join(" or host=")
                );
                Err(Problem { candidates, ..Problem::new(ProblemKind::Conflict, detail) })
            }
        }
    }

    /// What each host has measured of the guests that the caller may see, with its name on them. A host that does not answer is
    /// missing.
    ///
    /// # Errors
    /// Nothing is measured, or no host answers.
    pub(super) async fn measured(&self, caller: &Caller) -> Result<Vec<Measurements>, Problem> {
        let measurers = self.measurers();
        let told = self.measured_by(&measurers, caller).await?;
        Ok(told.into_iter().map(|(_, measurements)| measurements).collect())
    }

    async fn measured_by<'a>(
        &self,
        measurers: &'a [Measurer],
        caller: &Caller,
    ) -> Result<Vec<(&'a Measurer, Measurements)>, Problem> {
        let answers = join_all(measurers.iter().map(|measurer| measurer.telemetry.measurements())).await;
        let (mut told, mut is_hidden, mut problem) = (Vec::new(), false, None);
        for (measurer, answer) in measurers.iter().zip(answers) {
            match answer {
                Ok(mut measurements) => {
                    for measured in &mut measurements.guests {
                        measured.telemetry.vm.host.clone_from(&measurer.label);
                    }
                    measurements.guests.retain(|measured| self.sees_vm(caller, &measured.telemetry.vm));
                    // When others were measured last is theirs.
                    if caller.reach.is_limited() && measurements.guests.is_empty() {
                        is_hidden = true;
                        continue;
                    }
                    told.push((measurer, measurements));
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        if told.is_empty() && !is_hidden {
            return Err(self.told_failure(problem.unwrap_or_else(nothing_measured), caller));
        }
        Ok(told)
    }

    fn sees_vm(&self, caller: &Caller, vm: &Vm) -> bool {
        caller.sees(&self.hosts, vm.host.as_ref(), Some(&vm.name.0), Some(&vm.uuid))
    }

    /// Who is asked for a series: the host that is named, or the one that has measured such a guest. Where none says so now, all of
    /// them: the guest may be gone.
    ///
    /// # Errors
    /// Nothing is measured; several hosts have measured such a guest; or the caller does not see all guests, and none that they see
    /// is measured now under this UUID.
    pub(super) async fn measurers_of(
        &self,
        query: &SeriesQuery,
        caller: &Caller,
    ) -> Result<Vec<Measurer>, Problem> {
        let is_limited = caller.reach.is_limited();
        if !is_limited && let Some(host) = &query.host {
            return Ok(vec![self.measurer(Some(host.as_str()))?]);
        }
        let mut measurers = self.measurers();
        if measurers.is_empty() {
            return Err(nothing_measured());
        }
        if !is_limited && measurers.len() == 1 {
            return Ok(measurers);
        }
        let has_it = |measurements: &Measurements| {
            measurements.guests.iter().any(|measured| measured.telemetry.vm.uuid == query.uuid)
        };
        let told = self.measured_by(&measurers, caller).await?;
        let have_it: Vec<HostId> = told
            .into_iter()
            .filter(|(_, measurements)| has_it(measurements))
            .map(|(measurer, _)| measurer.member.name().clone())
            .filter(|name| query.host.as_ref().is_none_or(|host| host == name))
            .collect();
        match have_it.as_slice() {
            [] if is_limited => Err(unmeasured(&query.uuid)),
            [] => Ok(measurers),
            [name] => {
                measurers.retain(|measurer| measurer.member.name() == name);
                Ok(measurers)
            }
            several => {
                let candidates = several.iter().map(|host| host.qualify(&query.uuid)).collect();
                Err(ambiguous(&query.uuid, candidates, ""))
            }
        }
    }
}
