//! Asks the hosts for dumps, all at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::{
    DumpOptions, DumpStatus, GuestName, HostId, Message, Omitted, OmittedWhy, Problem, RequestKey, Target,
    VmRef,
};

use super::member::Closed;
use super::{Assignment, Everyone, Hosts, Member, left_out};
use crate::asked::with_agent;
use crate::audit::{Audit, Deed};
use crate::{Caller, HostError};

/// What the hosts answered to a request for dumps.
#[derive(Default)]
pub struct Taken {
    /// The present state of each, as [`Assignment::given`] names it.
    pub statuses: BTreeMap<String, DumpStatus>,
    /// Those whose host failed after others had accepted theirs.
    pub omitted: Vec<Omitted>,
}

impl Hosts {
    /// Refuses a request that names a guest of a host that takes no dumps now: before any other guest is dumped.
    ///
    /// # Errors
    /// There is such a guest.
    pub(crate) fn check_open(&self, assignments: &[Assignment]) -> Result<(), Problem> {
        for member in self.members().filter(|member| assignments.iter().any(|one| one.host == *member.name()))
        {
            match member.why_closed() {
                // A single host is asked whatever was known of it a moment ago.
                Some(Closed::Away(_)) if !self.are_many() => {}
                Some(closed) => return Err(closed.refusal(member.name())),
                None => {}
            }
        }
        Ok(())
    }

    /// Asks every host for its dumps, once however often that is done with the same key.
    ///
    /// # Errors
    /// None accepted any.
    pub(crate) async fn trigger(
        &self,
        assignments: Vec<Assignment>,
        options: &DumpOptions,
        audit: &Audit,
        caller: &Caller,
        key: &RequestKey,
    ) -> Result<Taken, HostError> {
        let mut by_host: BTreeMap<HostId, Vec<Assignment>> = BTreeMap::new();
        for assignment in assignments {
            by_host.entry(assignment.host.clone()).or_default().push(assignment);
        }
        let asked = self.members().filter_map(|member| {
            let assignments = by_host.remove(member.name())?;
            Some(async move {
                let mut targets: Vec<Target> = Vec::new();
                for assignment in &assignments {
                    if !targets.contains(&assignment.target) {
                        targets.push(assignment.target.clone());
                    }
                }
                let key = key.of_host(member.name());
                let answer = self.ask_for_dumps(&member, targets, options, (audit, caller), &key).await;
                (member, assignments, answer)
            })
        });
        let mut taken = Taken::default();
        let mut failure = None;
        for (member, assignments, answer) in join_all(asked).await {
            match answer {
                Ok(statuses) => self.accept(&member, assignments, &statuses, &mut taken.statuses),
                Err(error) => {
                    taken
                        .omitted
                        .extend(assignments.iter().map(|one| failed(one, self.label(&member), &error)));
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if taken.statuses.is_empty() => Err(error),
            _ => Ok(taken),
        }
    }

    /// Asks one host. What this machine takes is noted where it is queued; what another one is asked for is noted here,
    /// before and behind the call.
    async fn ask_for_dumps(
        &self,
        member: &Member,
        targets: Vec<Target>,
        options: &DumpOptions,
        (audit, caller): (&Audit, &Caller),
        key: &RequestKey,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        let trigger = |targets| member.host().trigger(targets, options.clone(), &caller.actor, key);
        if member.is_here() {
            return trigger(targets).await;
        }
        let details = AuditDetails {
            asked_mode: Some(options.mode),
            case: options.case.clone(),
            note: options.note.clone(),
            count: u64::try_from(targets.len()).ok(),
            ..AuditDetails::default()
        };
        let host = || AuditObject::Host { name: member.name().to_string() };
        let deed = Deed::new(AuditAction::DumpRequested, host()).with(details);
        let begun = audit.begin(caller, deed).await;
        let begun = begun.map_err(|problem| HostError::Engine { reason: problem.detail.to_string() })?;
        let (answer, agent) = with_agent(trigger(targets)).await;
        let ends = match &answer {
            Ok(statuses) => statuses
                .values()
                .map(|status| {
                    let object = AuditObject::Dump {
                        dump_id: status.dump_id.clone(),
                        guest: Some(status.vm.clone()),
                        uuid: None,
                        host: Some(member.name().to_string()),
                    };
                    (
                        object,
                        AuditResult::Succeeded,
                        AuditDetails { agent: agent.clone(), ..AuditDetails::default() },
                    )
                })
                .collect(),
            Err(error) => {
                vec![(host(), AuditResult::Failed, AuditDetails { agent, ..AuditDetails::because(error) })]
            }
        };
        begun.end_each(ends).await;
        answer
    }

    fn accept(
        &self,
        member: &Member,
        assignments: Vec<Assignment>,
        statuses: &BTreeMap<String, DumpStatus>,
        taken: &mut BTreeMap<String, DumpStatus>,
    ) {
        for assignment in assignments {
            let Some(mut status) = statuses.get(assignment.target.vm.as_str()).cloned() else { continue };
            self.take(member, &mut status);
            taken.insert(assignment.given, status);
        }
    }

    /// The running guests of one host or of all, and those that are left out. Of several hosts, one that takes no dumps now
    /// keeps nobody from dumping the others.
    ///
    /// # Errors
    /// There is no such host, or a single one does not answer.
    pub(crate) async fn everyone(
        &self,
        scope: Option<&HostId>,
    ) -> Result<(Vec<Assignment>, Vec<Omitted>, bool), Problem> {
        let members: Vec<Arc<Member>> = match scope {
            Some(scope) => vec![self.expect(scope.as_str())?],
            None => self.members().collect(),
        };
        if !self.are_many() {
            let member = self.first();
            let guests = member.host().guests().await?;
            let dumps = member.host().statuses().await?;
            let everyone = Everyone::of(&guests, dumps.values());
            let is_nobody = everyone.is_nobody();
            let assignments = everyone.targets.into_iter().map(|target| Assignment {
                given: target.vm.to_string(),
                host: member.name().clone(),
                target,
            });
            return Ok((assignments.collect(), everyone.omitted, is_nobody));
        }
        self.look(&members).await;
        let (mut assignments, mut omitted, mut is_nobody) = (Vec::new(), Vec::new(), true);
        let asked = members.iter().map(|member| async move { (member, self.everyone_of(member).await) });
        for (member, everyone) in join_all(asked).await {
            is_nobody &= everyone.is_nobody();
            omitted.extend(everyone.omitted);
            assignments.extend(everyone.targets.into_iter().map(|target| {
                let given = self.shown_name(member, target.vm.as_str());
                Assignment { given, host: member.name().clone(), target }
            }));
        }
        Ok((assignments, omitted, is_nobody))
    }

    async fn everyone_of(&self, member: &Member) -> Everyone {
        let guests = member.last_guests().unwrap_or_default();
        let closed = match member.why_closed() {
            Some(closed) => Err(closed),
            None => self.statuses_of(member).await.map_err(|error| Closed::Away(Message::new(error))),
        };
        let (why, reason) = match closed {
            Ok(dumps) => return Everyone::of(&guests, dumps.values()),
            Err(Closed::Draining) => {
                (OmittedWhy::HostDraining, format!("its host {} is draining", member.name()))
            }
            Err(Closed::Away(reason)) => (
                OmittedWhy::HostUnavailable,
                format!("its host {} does not answer ({reason})", member.name()),
            ),
        };
        let omitted = guests
            .iter()
            .map(|guest| Omitted::by_state(guest).unwrap_or_else(|| left_out(guest, why, reason.clone())));
        Everyone { targets: Vec::new(), omitted: omitted.collect() }
    }
}

/// A guest that is not dumped because its host failed when others had accepted theirs.
fn failed(assignment: &Assignment, host: Option<HostId>, error: &HostError) -> Omitted {
    let guest = assignment.target.guest.as_ref();
    let named = |vm: &VmRef| GuestName(vm.as_str().to_owned());
    Omitted {
        host,
        name: guest.map_or_else(|| named(&assignment.target.vm), |guest| guest.name.clone()),
        uuid: guest.map(|guest| guest.uuid.clone()).unwrap_or_default(),
        why: OmittedWhy::HostUnavailable,
        reason: Message::new(error),
    }
}
