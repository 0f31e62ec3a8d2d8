//! Moves the guests of a run on: asks for their dumps when their turn comes, and follows these.
//!
//! ```text
//! waiting ──► asking ──► dumping ──► completed, failed
//!    │  ▲        │
//!    │  └────────┤ (its host takes no dump now)
//!    └───────────┴──► skipped, failed
//! ```
//!
//! That a dump is asked for is in the catalog before it is. Whoever finds a guest that was asked for looks first whether
//! there is a dump of it since then, so a restart in between costs no second dump.

use std::collections::BTreeMap;

use memdeck_catalog::{OpenRun, StoredSchedule};
use memdeck_model::schedule::{Plan, RunGuest, RunGuestState, RunState};
use memdeck_model::{DumpStatus, Guest, HostId, JobState, Message, Millis, Problem, Target, Timestamp};

use super::runs::actor;
use crate::{Assignment, Caller, HostError, Hosts, Once, Operations};

/// How long a host that takes no dump is asked again, at least.
const LEAST_PATIENCE: Millis = Millis(10 * 60_000);

/// A dump of which nothing was heard for so long is given up.
const LONGEST_SILENCE: Millis = Millis(24 * 60 * 60_000);

/// The clocks of hosts may differ by this much: a dump that is this much older was asked for by the same request.
const SKEW: Millis = Millis(60_000);

/// How long guests that cannot be dumped now are tried again.
pub(super) fn patience(plan: &Plan) -> Millis {
    Millis(u64::from(plan.make_up_min) * 60_000).max(LEAST_PATIENCE)
}

/// What the hosts answered within one look: each is asked once.
pub(super) struct Seen {
    pub now: Timestamp,
    guests: Option<Result<Vec<Guest>, Problem>>,
    dumps: Option<Result<Vec<DumpStatus>, Message>>,
}

impl Seen {
    pub fn at(now: Timestamp) -> Self {
        Self { now, guests: None, dumps: None }
    }

    pub async fn guests(&mut self, hosts: &Hosts) -> Result<Vec<Guest>, Problem> {
        if self.guests.is_none() {
            self.guests = Some(hosts.guests().await);
        }
        self.guests.clone().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The newest dump of each guest.
    async fn dumps(&mut self, hosts: &Hosts) -> Result<Vec<DumpStatus>, Message> {
        if self.dumps.is_none() {
            let dumps = hosts.statuses().await.map(|dumps| dumps.into_values().collect());
            self.dumps = Some(dumps.map_err(Message::new));
        }
        self.dumps.clone().unwrap_or_else(|| Ok(Vec::new()))
    }
}

/// A guest whose dump is asked for now, and its place in the run.
struct Turn {
    place: usize,
    guest: RunGuest,
    assignment: Assignment,
}

impl Operations {
    /// Follows the dumps of a run, asks for those whose turn has come, and ends it with the last of them.
    pub(super) async fn move_on(
        &self,
        schedule: &StoredSchedule,
        run: &OpenRun,
        seen: &mut Seen,
    ) -> Result<(), Problem> {
        let mut each = run.run.each.clone();
        let mut turns = Vec::new();
        for place in 0..each.len() {
            let moved = match each[place].state {
                RunGuestState::Dumping => self.followed(&each[place], seen).await,
                RunGuestState::Waiting | RunGuestState::Asking if each[place].due <= seen.now => {
                    if is_full(&schedule.plan, &each, &each[place]) {
                        continue;
                    }
                    match self.turn(&schedule.plan, place, &each[place], seen).await? {
                        Ok(turn) => {
                            each[place] = turn.guest.clone();
                            self.keep(run.id, place, &turn.guest).await?;
                            turns.push(turn);
                            continue;
                        }
                        Err(guest) => guest,
                    }
                }
                _ => continue,
            };
            if moved != each[place] {
                self.keep(run.id, place, &moved).await?;
                each[place] = moved;
            }
        }
        if !turns.is_empty() {
            for (place, guest) in self.ask_all(schedule, run, turns, seen.now).await {
                self.keep(run.id, place, &guest).await?;
                each[place] = guest;
            }
        }
        if each.iter().all(|guest| guest.state.is_final()) {
            let (id, now) = (run.id, seen.now);
            self.on_schedules(move |catalog| catalog.end_run(id, RunState::Done, None, now)).await?;
            tracing::info!(schedule = %schedule.name, planned = %run.run.planned, "a run of a schedule has ended");
        }
        Ok(())
    }

    async fn keep(&self, run: i64, place: usize, guest: &RunGuest) -> Result<(), Problem> {
        let guest = guest.clone();
        self.on_schedules(move |catalog| catalog.note_run_guest(run, place, &guest)).await
    }

    /// How a guest stands whose dump was asked for.
    async fn followed(&self, guest: &RunGuest, seen: &mut Seen) -> RunGuest {
        let Some(id) = &guest.dump_id else { return failed(guest, "its dump has no name".into()) };
        let told = seen.dumps(&self.hosts).await.unwrap_or_default();
        let status = match told.into_iter().find(|dump| dump.dump_id == *id) {
            Some(status) => Some(status),
            // A newer dump of the guest stands in its place.
            None => self.hosts.status(id.as_str()).await.ok().flatten(),
        };
        match status {
            Some(status) => ended(guest, &status),
            None if guest.asked_at.is_some_and(|asked| seen.now.since(asked) > LONGEST_SILENCE) => {
                failed(guest, "nothing was heard of its dump for a day".into())
            }
            None => guest.clone(),
        }
    }

    /// Whether the turn of a guest has come: what is to be asked for, or how the guest stands without it.
    async fn turn(
        &self,
        plan: &Plan,
        place: usize,
        guest: &RunGuest,
        seen: &mut Seen,
    ) -> Result<Result<Turn, RunGuest>, Problem> {
        let now = seen.now;
        let dumps = match seen.dumps(&self.hosts).await {
            Ok(dumps) => dumps,
            Err(reason) => return Ok(Err(put_off(plan, guest, reason, now))),
        };
        let newest = dumps.iter().filter(|dump| is_of(dump, guest)).max_by_key(|dump| dump.queued_at);
        if let Some(dump) = newest {
            let since = guest.asked_at.map(|asked| asked.minus(SKEW));
            if since.is_some_and(|since| dump.queued_at.or(dump.started_at).is_some_and(|at| at >= since)) {
                return Ok(Err(ended(
                    &RunGuest { dump_id: Some(dump.dump_id.clone()), ..guest.clone() },
                    dump,
                )));
            }
            if !dump.exact_state().is_final() {
                let reason = format!("it was being dumped already, by dump {}", dump.dump_id);
                return Ok(Err(skipped(guest, reason.into())));
            }
        }
        if let Some(at) = self.recent(plan, guest, newest, now).await? {
            return Ok(Err(skipped(guest, format!("it has a dump of {at}").into())));
        }
        let listed = match seen.guests(&self.hosts).await {
            Ok(listed) => listed,
            Err(problem) => return Ok(Err(put_off(plan, guest, problem.detail, now))),
        };
        let Some(found) = listed.iter().find(|known| known.uuid == guest.uuid && known.host == guest.host)
        else {
            return Ok(Err(failed(guest, "it is not there any more".into())));
        };
        let host = found.host.clone().unwrap_or_else(|| self.hosts.first().name().clone());
        let target = match Target::chosen(found) {
            Ok(target) => target,
            Err(error) => return Ok(Err(failed(guest, Message::new(error)))),
        };
        let assignment = Assignment { given: found.reference(), host, target };
        if let Err(problem) = self.hosts.check_open(std::slice::from_ref(&assignment)) {
            return Ok(Err(put_off(plan, guest, problem.detail, now)));
        }
        if !found.state.has_memory() {
            let reason = format!("it has no memory to dump: its state is {}", found.state.as_str());
            return Ok(Err(skipped(guest, reason.into())));
        }
        let asked_at = Some(guest.asked_at.unwrap_or(now));
        let guest = RunGuest { state: RunGuestState::Asking, asked_at, reason: None, ..guest.clone() };
        Ok(Ok(Turn { place, guest, assignment }))
    }

    /// When the guest's newest good dump began, if that is recent enough for the plan.
    async fn recent(
        &self,
        plan: &Plan,
        guest: &RunGuest,
        newest: Option<&DumpStatus>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Problem> {
        let Some(minutes) = plan.recent_min else { return Ok(None) };
        let is_recent = |at: &Timestamp| now.since(*at) <= Millis(u64::from(minutes) * 60_000);
        let told = newest.filter(|dump| dump.exact_state() == JobState::Completed);
        if let Some(at) = told.and_then(|dump| dump.started_at).filter(is_recent) {
            return Ok(Some(at));
        }
        let uuid = guest.uuid.clone();
        Ok(self.on_schedules(move |catalog| catalog.newest_image_of(&uuid)).await?.filter(is_recent))
    }

    /// Asks for dumps; how each guest stands then.
    async fn ask_all(
        &self,
        schedule: &StoredSchedule,
        run: &OpenRun,
        turns: Vec<Turn>,
        now: Timestamp,
    ) -> Vec<(usize, RunGuest)> {
        let plan = &schedule.plan;
        let assignments = turns.iter().map(|turn| turn.assignment.clone()).collect();
        let caller = Caller::trusted(actor(schedule, run));
        let answer =
            self.hosts.trigger(assignments, &plan.options, &self.audit, &caller, &Once::fresh()).await;
        let (mut taken, omitted, failure) = match answer {
            Ok(taken) => (taken.statuses, taken.omitted, None),
            Err(error) => (BTreeMap::new(), Vec::new(), Some(error)),
        };
        let stands = |Turn { place, guest, assignment }: Turn| {
            if let Some(status) = taken.remove(&assignment.given) {
                let guest = RunGuest { dump_id: Some(status.dump_id.clone()), ..guest };
                return (place, ended(&guest, &status));
            }
            let reason = match &failure {
                Some(error @ (HostError::Unavailable { .. } | HostError::Full { .. })) => Message::new(error),
                Some(error) => return (place, failed(&guest, Message::new(error))),
                None => omitted
                    .iter()
                    .find(|omitted| omitted.uuid == guest.uuid && omitted.host == guest.host)
                    .map_or_else(
                        || "its host accepted no dump of it".into(),
                        |omitted| omitted.reason.clone(),
                    ),
            };
            (place, put_off(plan, &guest, reason, now))
        };
        turns.into_iter().map(stands).collect()
    }
}

/// Whether the host of a guest has as many dumps of the run as it may.
fn is_full(plan: &Plan, each: &[RunGuest], guest: &RunGuest) -> bool {
    let Some(most) = plan.per_host else { return false };
    let host: &Option<HostId> = &guest.host;
    let busy = each.iter().filter(|other| {
        other.host == *host && matches!(other.state, RunGuestState::Asking | RunGuestState::Dumping)
    });
    // One that was asked for before a restart holds its own place.
    guest.state == RunGuestState::Waiting && busy.count() >= most as usize
}

fn is_of(dump: &DumpStatus, guest: &RunGuest) -> bool {
    let is_same = match &dump.guest_uuid {
        Some(uuid) => *uuid == guest.uuid,
        None => dump.display_name() == guest.name.0,
    };
    is_same && (guest.host.is_none() || dump.host == guest.host)
}

/// How a guest stands whose dump stands so.
fn ended(guest: &RunGuest, status: &DumpStatus) -> RunGuest {
    let (state, reason) = match status.exact_state() {
        JobState::Completed => (RunGuestState::Completed, None),
        JobState::Failed | JobState::Cancelled => (RunGuestState::Failed, Some(status.message.clone())),
        JobState::Queued | JobState::Running => (RunGuestState::Dumping, None),
    };
    RunGuest { state, reason, ..guest.clone() }
}

fn failed(guest: &RunGuest, reason: Message) -> RunGuest {
    RunGuest { state: RunGuestState::Failed, reason: Some(reason), ..guest.clone() }
}

fn skipped(guest: &RunGuest, reason: Message) -> RunGuest {
    RunGuest { state: RunGuestState::Skipped, reason: Some(reason), ..guest.clone() }
}

/// It is tried again, until the patience is over.
fn put_off(plan: &Plan, guest: &RunGuest, reason: Message, now: Timestamp) -> RunGuest {
    let asked = guest.asked_at.unwrap_or(now);
    if now.since(asked) > patience(plan) {
        return failed(guest, reason);
    }
    RunGuest { state: RunGuestState::Waiting, asked_at: Some(asked), reason: Some(reason), ..guest.clone() }
}
