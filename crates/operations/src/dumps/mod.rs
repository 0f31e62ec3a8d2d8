//! Asks for dumps, cancels them, and says how they are.

mod everyone;

use std::collections::BTreeMap;

use memdeck_model::{
    ALL_GUESTS, DumpId, DumpOptions, DumpStatus, FrozenPause, Message, Millis, Omitted, Problem, ProblemKind,
    ServiceStatus, Target, Timestamp, TriggerError, TriggerRequest, VmRef,
};

use crate::{Caller, Host, HostError, Operations};

pub use everyone::Everyone;

/// How long an ended dump stays among the present ones of the page.
const RECENTLY: Millis = Millis(10 * 60 * 1000);

/// A request for dumps that was accepted.
pub struct Accepted {
    /// When.
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
    /// they were named (the running ones by name where all were asked for), and the present state of each.
    ///
    /// # Errors
    /// The request names no guest, no guest is running where all were asked for, or the dump service is away.
    pub async fn request_dumps(&self, request: TriggerRequest, caller: &Caller) -> Result<Accepted, Problem> {
        let options = request.options.clone();
        let named = targets_of(request)?;
        let Everyone { targets, omitted } = match named.as_slice() {
            [only] if only.as_str() == ALL_GUESTS => self.everyone().await?,
            _ => Everyone { targets: named.into_iter().map(Target::from).collect(), omitted: Vec::new() },
        };
        self.ask_for(targets, omitted, options, caller).await
    }

    /// Asks for dumps of guests that were chosen from the list, which the request names by their UUIDs. One that is not
    /// on the list any more keeps its UUID as its name.
    ///
    /// # Errors
    /// The request names no guest, or the dump service is away.
    pub async fn request_chosen(
        &self,
        request: TriggerRequest,
        caller: &Caller,
    ) -> Result<Accepted, Problem> {
        let options = request.options.clone();
        let named = targets_of(request)?;
        let guests = self.host.guests().await.unwrap_or_default();
        let chosen = |uuid: &VmRef| guests.iter().find(|guest| guest.uuid == uuid.as_str());
        let target =
            |vm: VmRef| chosen(&vm).and_then(|guest| Target::chosen(guest).ok()).unwrap_or(vm.into());
        let targets = named.into_iter().map(target).collect();
        self.ask_for(targets, Vec::new(), options, caller).await
    }

    async fn ask_for(
        &self,
        targets: Vec<Target>,
        omitted: Vec<Omitted>,
        options: DumpOptions,
        caller: &Caller,
    ) -> Result<Accepted, Problem> {
        let vm_ids: Vec<String> = targets.iter().map(|target| target.vm.to_string()).collect();
        let at = self.clock.now();
        if targets.is_empty() {
            return Ok(Accepted { at, vm_ids, statuses: BTreeMap::new(), omitted });
        }
        match self.host.trigger(targets, options, &caller.actor).await {
            Ok(statuses) => {
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
        cancel(self.host.as_ref(), dump_id, caller).await
    }

    async fn everyone(&self) -> Result<Everyone, Problem> {
        let guests = self.host.guests().await?;
        let dumps = self.host.statuses().await?;
        let everyone = Everyone::of(&guests, dumps.values());
        if everyone.is_nobody() {
            let detail =
                format!("no VM is running on {}; start one, or name a paused one", self.host.guests_of());
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        Ok(everyone)
    }

    /// Whether the dump service answers, and the newest dump of every guest. Never an error: the answer says it.
    pub async fn service_status(&self) -> ServiceStatus {
        let answer = self.host.statuses().await;
        let (status, active_dumps, error) = match answer {
            Ok(statuses) => ("ok", statuses, None),
            Err(error) => ("unavailable", BTreeMap::new(), Some(Message::new(error))),
        };
        let last_trigger = {
            let mut follower = self.follower.lock();
            // An event may have come before the request it belongs to was followed.
            for status in active_dumps.values() {
                follower.note(status);
            }
            follower.last(self.clock.now())
        };
        ServiceStatus {
            service: self.host.address().to_owned(),
            status: status.to_owned(),
            active_dumps,
            last_trigger,
            error,
            timestamp: self.clock.now(),
        }
    }

    /// The newest dump of one guest.
    ///
    /// # Errors
    /// It had none, or the dump service is away.
    pub async fn dump_status(&self, vm: &str) -> Result<DumpStatus, Problem> {
        let status = self.host.status(vm).await?;
        status.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("No dump status for VM '{vm}'")))
    }

    /// The newest dump of every guest that had one.
    ///
    /// # Errors
    /// The dump service is away.
    pub async fn dump_statuses(&self) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        self.host.statuses().await
    }

    /// How long a guest may stand still for a frozen dump, and how fast one is read where the dumps are taken. `None` where the
    /// service does not tell it.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        self.host.frozen_pause().await
    }

    /// The dumps that are queued or running, and those that ended in the last minutes.
    ///
    /// # Errors
    /// The dump service is away.
    pub async fn recent_dumps(&self) -> Result<Vec<DumpStatus>, HostError> {
        let now = self.clock.now();
        let recent = |status: &DumpStatus| status.finished_at.is_none_or(|end| now.since(end) < RECENTLY);
        // One dump may stand under several names.
        let dumps: BTreeMap<DumpId, DumpStatus> = self
            .dump_statuses()
            .await?
            .into_values()
            .filter(recent)
            .map(|status| (status.dump_id.clone(), status))
            .collect();
        Ok(dumps.into_values().collect())
    }
}

/// Ends a dump of a host that is queued or running, for an agent that serves this host alone.
///
/// # Errors
/// There is no such dump, or it cannot be cancelled; or the host does not answer.
pub async fn cancel(host: &dyn Host, dump_id: &str, caller: &Caller) -> Result<(), Problem> {
    let unknown =
        || Problem::new(ProblemKind::NotFound, format!("there is no dump {dump_id} that can be cancelled"));
    let known = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown())?;
    if host.cancel(known, &caller.actor).await? { Ok(()) } else { Err(unknown()) }
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
