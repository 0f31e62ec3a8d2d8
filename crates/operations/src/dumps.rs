//! Asks for dumps, cancels them, and says how they are.

use std::collections::BTreeMap;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject};
use memdeck_model::{
    ALL_GUESTS, DumpId, DumpOptions, DumpStatus, FrozenPause, Guest, HostId, Message, Millis, Omitted,
    OmittedWhy, Permission, Problem, ProblemKind, RequestKey, ServiceStatus, Timestamp, TriggerError,
    TriggerRequest, VmRef,
};

use serde::{Deserialize, Serialize};

use crate::audit::{Audit, Deed, result_of};
use crate::{Assignment, Caller, Host, HostError, Once, OpenRequest, Operations};

/// How long an ended dump stays among the present ones of the page.
const RECENTLY: Millis = Millis(10 * 60 * 1000);

/// What a request for dumps was decided to mean.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) omitted: Vec<Omitted>,
}

/// Guests of a refused request that the audit names.
const NAMED: usize = 10;

/// A request for dumps that was accepted.
#[derive(Serialize, Deserialize)]
pub struct Accepted {
    pub at: Timestamp,
    /// The guests as they were named; by name where they were chosen from a list.
    pub vm_ids: Vec<String>,
    /// The present state of each.
    pub statuses: BTreeMap<String, DumpStatus>,
    /// Where all guests were asked for: those that are left out.
    pub omitted: Vec<Omitted>,
}

impl Operations {
    /// Asks for dumps of the guests that a request names, or of every running one: when it was accepted, the guests as
    /// they were named (the running ones by name if all were asked for), and the present state of each. Whoever repeats it
    /// under the same `key` gets the first answer, and nothing is dumped again.
    ///
    /// # Errors
    /// The request names no guest, no guest is running if all were asked for, the dump service is away, or the key belongs
    /// to another request.
    pub async fn request_dumps(
        &self,
        request: TriggerRequest,
        caller: &Caller,
        key: Option<&RequestKey>,
    ) -> Result<Accepted, Problem> {
        caller.must(Permission::Dump)?;
        let body = (request.clone(), caller.actor.clone());
        let (options, scope) = (request.options.clone(), request.host.clone());
        let asked = first_of(&request);
        let named = targets_of(request)?;
        let find = async || match named.as_slice() {
            named if caller.reach.is_limited() => self.reachable(named, scope.as_ref(), caller).await,
            [only] if only.as_str() == ALL_GUESTS => self.everyone(scope.as_ref()).await,
            _ => {
                let assignments = self.named(named.clone(), scope.as_ref()).await?;
                Ok(Plan { assignments, omitted: Vec::new() })
            }
        };
        let decide = async || {
            let found = find().await;
            self.or_refused(asked.clone(), found, caller).await
        };
        let Some(key) = key else {
            return self.ask_for(decide().await?, options, caller, &Once::fresh()).await;
        };
        let run = async |open: OpenRequest<'_>| {
            let plan = open.plan(decide()).await?;
            self.ask_for(plan, options, caller, open.passed_on()).await
        };
        self.once.answer(key, &body, run).await
    }

    /// What was found, or the refusal, which is noted: no host is asked then.
    async fn or_refused<T>(
        &self,
        asked: AuditObject,
        found: Result<T, Problem>,
        caller: &Caller,
    ) -> Result<T, Problem> {
        if let Err(problem) = &found {
            let deed =
                Deed::new(AuditAction::DumpRequested, asked).with(AuditDetails::because(&problem.detail));
            self.audit.note_done(caller, deed, result_of(problem)).await;
        }
        found
    }

    /// Asks for dumps of guests that were chosen from the list, which the request names by [`Guest::reference`]. One that is
    /// not on the list any more keeps its UUID as its name.
    ///
    /// # Errors
    /// The request names no guest, or the dump service is away.
    ///
    /// [`Guest::reference`]: memdeck_model::Guest::reference
    pub async fn request_chosen(
        &self,
        request: TriggerRequest,
        caller: &Caller,
    ) -> Result<Accepted, Problem> {
        caller.must(Permission::Dump)?;
        let options = request.options.clone();
        let asked = first_of(&request);
        let found = self.chosen(request, caller).await;
        let plan = self.or_refused(asked, found, caller).await?;
        self.ask_for(plan, options, caller, &Once::fresh()).await
    }

    async fn chosen(&self, request: TriggerRequest, caller: &Caller) -> Result<Plan, Problem> {
        let named = targets_of(request)?;
        if caller.reach.is_limited() {
            return self.reachable(&named, None, caller).await;
        }
        let assignments = self.hosts.resolve_chosen(named).await?;
        self.hosts.check_open(&assignments)?;
        Ok(Plan { assignments, omitted: Vec::new() })
    }

    /// The guests that a request names, all of hosts that take dumps now.
    async fn named(&self, named: Vec<VmRef>, scope: Option<&HostId>) -> Result<Vec<Assignment>, Problem> {
        let assignments = self.hosts.resolve(named, scope).await?;
        self.hosts.check_open(&assignments)?;
        Ok(assignments)
    }

    async fn ask_for(
        &self,
        plan: Plan,
        options: DumpOptions,
        caller: &Caller,
        key: &RequestKey,
    ) -> Result<Accepted, Problem> {
        let Plan { assignments, mut omitted } = plan;
        let mut vm_ids: Vec<String> = assignments.iter().map(|one| one.given.clone()).collect();
        let at = self.clock.now();
        if assignments.is_empty() {
            return Ok(Accepted { at, vm_ids, statuses: BTreeMap::new(), omitted });
        }
        match self.hosts.trigger(assignments, &options, &self.audit, caller, key).await {
            Ok(taken) => {
                if !taken.omitted.is_empty() {
                    vm_ids.retain(|given| taken.statuses.contains_key(given));
                    omitted.extend(taken.omitted);
                }
                let statuses = taken.statuses;
                self.follower.lock().follow(at, vm_ids.clone(), statuses.values());
                Ok(Accepted { at, vm_ids, statuses, omitted })
            }
            Err(error) => {
                self.follower.lock().refuse(at, vm_ids, Message::new(&error));
                Err(error.into())
            }
        }
    }

    /// Cancels a dump that is queued or running. Returns at once; the end comes as an event. One that has ended stays as it
    /// ended.
    ///
    /// # Errors
    /// There is no such dump, or its host is away or cannot cancel.
    pub async fn cancel_dump(&self, dump_id: &str, caller: &Caller) -> Result<(), Problem> {
        caller.must(Permission::Cancel)?;
        let known = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown(dump_id))?;
        let deed = Deed::new(AuditAction::DumpCancelled, AuditObject::dump(known.clone()));
        let cancel = async {
            let is_seen = self.sees_dump_of(&known, caller).await?;
            if is_seen && self.hosts.cancel(known, &caller.actor).await? {
                Ok(())
            } else {
                Err(unknown(dump_id))
            }
        };
        self.audit.effect_first(caller, deed, cancel).await
    }

    /// Whether the caller may see the dump of this id, as far as somebody who does not see all knows of it: it is the newest of its
    /// guest, or has a record.
    async fn sees_dump_of(&self, dump_id: &DumpId, caller: &Caller) -> Result<bool, Problem> {
        if !caller.reach.is_limited() || self.images.record(dump_id.as_str(), caller).await.is_ok() {
            return Ok(true);
        }
        let statuses = self.dump_statuses(caller).await?;
        Ok(statuses.values().any(|status| status.dump_id == *dump_id))
    }

    async fn everyone(&self, scope: Option<&HostId>) -> Result<Plan, Problem> {
        let (assignments, omitted, is_nobody) = self.hosts.everyone(scope).await?;
        let away = omitted
            .iter()
            .any(|omitted| matches!(omitted.why, OmittedWhy::HostDraining | OmittedWhy::HostUnavailable));
        if is_nobody && !away {
            let of = scope.map_or_else(|| self.hosts.guests_of(), ToString::to_string);
            let detail = format!("no VM is running on {of}; start one, or name a paused one");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        self.hosts.check_open(&assignments)?;
        Ok(Plan { assignments, omitted })
    }

    /// Whether the dump service answers, and the newest dump of every guest that the caller may see. Never an error: the answer
    /// says it. What became of the last request, and how the hosts stand, is for those who see all guests.
    pub async fn service_status(&self, caller: &Caller) -> ServiceStatus {
        let answer = self.dump_statuses(caller).await;
        let (status, active_dumps, error) = match answer {
            Ok(statuses) => ("ok", statuses, None),
            Err(error) => ("unavailable", BTreeMap::new(), Some(Message::new(error))),
        };
        let last_trigger = if caller.reach.is_limited() {
            None
        } else {
            let mut follower = self.follower.lock();
            // An event may have come before the request it belongs to was followed.
            for status in active_dumps.values() {
                follower.note(status);
            }
            follower.last(self.clock.now())
        };
        let hosts = self.told_hosts(caller).await;
        ServiceStatus {
            service: self.told_address(caller),
            status: status.to_owned(),
            active_dumps,
            last_trigger,
            hosts,
            error,
            timestamp: self.clock.now(),
        }
    }

    /// The newest dump of one guest.
    ///
    /// # Errors
    /// It had none, the caller may not see it, or the dump service is away.
    pub async fn dump_status(&self, vm: &str, caller: &Caller) -> Result<DumpStatus, Problem> {
        let status = if caller.reach.is_limited() {
            self.reachable_status(vm, caller).await?
        } else {
            self.hosts.status(vm).await?
        };
        status.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("No dump status for VM '{vm}'")))
    }

    /// The same among the dumps that somebody may see who does not see all: by the guest's UUID, id or name, its name behind its
    /// host, or the id of the dump.
    async fn reachable_status(&self, vm: &str, caller: &Caller) -> Result<Option<DumpStatus>, Problem> {
        let statuses = self.dump_statuses(caller).await?;
        // A guest that is away may have had a dump all the same.
        let guests = self.list_guests(caller).await.unwrap_or_default();
        let named = VmRef::new(vm).ok();
        let qualified = named.as_ref().and_then(VmRef::qualified);
        let (host, vm_ref) = match &qualified {
            Some((host, vm)) => (Some(host), Some(vm)),
            None => (None, named.as_ref()),
        };
        let guest = vm_ref.and_then(|vm| {
            let of_host: Vec<_> = guests
                .iter()
                .filter(|guest| host.is_none() || guest.host.as_ref() == host)
                .cloned()
                .collect();
            vm.find_in(&of_host).cloned()
        });
        let is_meant = |status: &&DumpStatus| {
            let is_of = |guest: &Guest| {
                status.guest_uuid.as_ref() == Some(&guest.uuid)
                    && (host.is_none() || status.host == guest.host)
            };
            status.dump_id.as_str() == vm || guest.as_ref().is_some_and(is_of)
        };
        Ok(statuses.get(vm).or_else(|| statuses.values().find(is_meant)).cloned())
    }

    /// How long a guest may stand still for a frozen dump, and how fast one is read where the dumps are taken. `None` if the
    /// service does not report it.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        self.hosts.frozen_pause().await
    }

    /// The dumps that are queued or running, and those that ended in the last minutes, of guests that the caller may see.
    ///
    /// # Errors
    /// The dump service is away.
    pub async fn recent_dumps(&self, caller: &Caller) -> Result<Vec<DumpStatus>, HostError> {
        let now = self.clock.now();
        let recent = |status: &DumpStatus| status.finished_at.is_none_or(|end| now.since(end) < RECENTLY);
        // One dump may stand under several names.
        let dumps: BTreeMap<(Option<HostId>, DumpId), DumpStatus> = self
            .dump_statuses(caller)
            .await?
            .into_values()
            .filter(recent)
            .map(|status| ((status.host.clone(), status.dump_id.clone()), status))
            .collect();
        Ok(dumps.into_values().collect())
    }
}

/// Ends a dump of a host that is queued or running, for an agent that serves this host alone.
///
/// # Errors
/// There is no such dump, or it cannot be cancelled; or the host does not answer.
pub async fn cancel(host: &dyn Host, audit: &Audit, dump_id: &str, caller: &Caller) -> Result<(), Problem> {
    caller.must(Permission::Cancel)?;
    let known = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown(dump_id))?;
    let deed = Deed::new(AuditAction::DumpCancelled, AuditObject::dump(known.clone()));
    let cancel =
        async { if host.cancel(known, &caller.actor).await? { Ok(()) } else { Err(unknown(dump_id)) } };
    audit.effect_first(caller, deed, cancel).await
}

fn unknown(dump_id: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no dump {dump_id} that can be cancelled"))
}

/// What a request is about before it is known which guests it means: the first that it names.
fn first_of(request: &TriggerRequest) -> AuditObject {
    match request.clone().targets() {
        Ok(targets) if !targets.is_empty() => {
            let names: Vec<&str> = targets.iter().map(VmRef::as_str).take(NAMED).collect();
            let more = if targets.len() > NAMED { ", …" } else { "" };
            let host = request.host.as_ref().map(ToString::to_string);
            AuditObject::Guest { name: format!("{}{more}", names.join(", ")), uuid: None, host }
        }
        _ => AuditObject::Service,
    }
}

fn targets_of(request: TriggerRequest) -> Result<Vec<VmRef>, Problem> {
    request.targets().map_err(|error| Problem::new(ProblemKind::Invalid, refusal(&error)))
}

/// Why a request for dumps is refused, with what would do.
fn refusal(error: &TriggerError) -> String {
    match error {
        TriggerError::NoTargets => format!("{error}, or [\"all\"] for every running VM"),
        error => error.to_string(),
    }
}
