//! Whom a request means, among the guests of all hosts.

use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::{Guest, HostId, Problem, ProblemKind, Target, VmRef};
use serde::{Deserialize, Serialize};

use super::statuses::ambiguous;
use super::{Hosts, Member};

/// What follows from a name that means no guest, or several.
const NOTHING_DUMPED: &str = "; nothing was dumped";

/// A guest to dump, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// As the request named it; from a list by its name, behind its host where another host has that name, too.
    pub given: String,
    /// The name of its host.
    pub host: HostId,
    /// What its host is told.
    pub target: Target,
}

impl Hosts {
    /// Whom these texts mean: `host/guest`, or a UUID, id or name that only one host has. A single host resolves them
    /// itself.
    ///
    /// # Errors
    /// A text means guests of several hosts, or none: then nothing is to be dumped, and the candidates are told.
    pub async fn resolve(
        &self,
        named: Vec<VmRef>,
        scope: Option<&HostId>,
    ) -> Result<Vec<Assignment>, Problem> {
        if !self.are_many() {
            let member = match scope {
                Some(scope) => self.expect(scope.as_str())?,
                None => self.first(),
            };
            let assign = |vm: VmRef| Assignment {
                given: vm.to_string(),
                host: member.name().clone(),
                target: vm.into(),
            };
            return Ok(named.into_iter().map(assign).collect());
        }
        let members: Vec<Arc<Member>> = match scope {
            Some(scope) => vec![self.expect(scope.as_str())?],
            None => self.members().collect(),
        };
        self.look(&members).await;
        let mut assignments = Vec::new();
        let mut candidates = Vec::new();
        let mut first_problem = None;
        for vm in named {
            match self.resolve_one(&vm, &members).await {
                Ok(assignment) => assignments.push(assignment),
                Err(problem) => {
                    candidates.extend(problem.candidates.iter().cloned());
                    first_problem.get_or_insert(problem);
                }
            }
        }
        match first_problem {
            None => Ok(assignments),
            Some(problem) => Err(Problem { candidates, ..problem }),
        }
    }

    /// Brings the lists of guests up to date, as far as hosts answer.
    pub(super) async fn look(&self, members: &[Arc<Member>]) {
        join_all(members.iter().map(|member| member.guests())).await;
    }

    async fn resolve_one(&self, vm: &VmRef, members: &[Arc<Member>]) -> Result<Assignment, Problem> {
        if let Some((member, guest)) = self.qualified(vm.as_str())
            && members.iter().any(|known| known.name() == member.name())
        {
            return Ok(assigned(&member, vm.to_string(), &guest, member.find(&guest).as_ref()));
        }
        let listed: Vec<(&Member, Guest)> =
            members.iter().filter_map(|member| Some((member.as_ref(), member.find(vm)?))).collect();
        let mut found: Vec<(&Member, Option<Guest>)> =
            listed.into_iter().map(|(member, guest)| (member, Some(guest))).collect();
        // A service that does not list its guests is known by the dumps that it took.
        for member in members.iter().filter(|member| !member.lists_guests()) {
            let is_known = found.iter().any(|(known, _)| known.name() == member.name());
            if !is_known && matches!(member.ask(member.host().status(vm.as_str())).await, Ok(Some(_))) {
                found.push((member.as_ref(), None));
            }
        }
        match found.as_slice() {
            [(member, guest)] => Ok(assigned(member, vm.to_string(), vm, guest.as_ref())),
            [] => Err(unknown(vm, members)),
            _ => {
                let name = |(member, guest): &(&Member, Option<Guest>)| {
                    member.name().qualify(guest.as_ref().map_or(vm.as_str(), |guest| &guest.name.0))
                };
                Err(ambiguous(vm.as_str(), found.iter().map(name).collect(), NOTHING_DUMPED))
            }
        }
    }

    /// What a guest that was chosen from a list is called: by its name, behind its host where another one has it, too.
    pub(super) fn shown_name(&self, member: &Member, name: &str) -> String {
        if self.are_many() && self.is_elsewhere(member, name) {
            member.name().qualify(name)
        } else {
            name.to_owned()
        }
    }

    /// Whom a page means that chose from the list, by [`Guest::reference`]. One that is not on the list any more keeps its
    /// UUID as its name.
    ///
    /// # Errors
    /// As [`Self::resolve`], where a UUID comes without its host.
    pub async fn resolve_chosen(&self, named: Vec<VmRef>) -> Result<Vec<Assignment>, Problem> {
        if self.are_many() {
            let assignments = self.resolve(named, None).await?;
            let shown = |assignment: Assignment| {
                let member = self.named(assignment.host.as_str());
                let guest = assignment.target.guest.as_ref();
                let given = member.zip(guest).map(|(member, guest)| self.shown_name(&member, &guest.name.0));
                Assignment { given: given.unwrap_or(assignment.given), ..assignment }
            };
            return Ok(assignments.into_iter().map(shown).collect());
        }
        let member = self.first();
        let guests = member.host().guests().await.unwrap_or_default();
        let chosen = |uuid: &VmRef| guests.iter().find(|guest| guest.uuid == uuid.as_str());
        let assign = |vm: VmRef| {
            let target =
                chosen(&vm).and_then(|guest| Target::chosen(guest).ok()).unwrap_or_else(|| vm.clone().into());
            Assignment { given: target.vm.to_string(), host: member.name().clone(), target }
        };
        Ok(named.into_iter().map(assign).collect())
    }
}

/// A guest of `member`, which is told of it by its UUID where it listed it.
fn assigned(member: &Member, given: String, vm: &VmRef, guest: Option<&Guest>) -> Assignment {
    let target = guest.and_then(|guest| Target::chosen(guest).ok()).unwrap_or_else(|| vm.clone().into());
    Assignment { given, host: member.name().clone(), target }
}

/// A name that no host has. A service that does not list its guests, or one that is away, may have it all the same.
fn unknown(vm: &VmRef, members: &[Arc<Member>]) -> Problem {
    let may_have_it = |member: &&Arc<Member>| !member.lists_guests() || member.last_guests().is_none();
    let candidates: Vec<String> =
        members.iter().filter(may_have_it).map(|member| member.name().qualify(vm.as_str())).collect();
    let detail = if candidates.is_empty() {
        format!("no host has a guest '{vm}'{NOTHING_DUMPED}")
    } else {
        let candidates = candidates.join(", ");
        format!("no host lists a guest '{vm}': if one has it, name it as {candidates}{NOTHING_DUMPED}")
    };
    Problem { candidates, ..Problem::new(ProblemKind::Conflict, detail) }
}
