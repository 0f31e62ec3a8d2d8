use memdeck_model::schedule::{
    Decided, GuestChoice, Missed, Overlap, Plan, RunGuest, RunGuestState, RunState, ScheduleName, When,
};
use memdeck_model::{Actor, GuestName, Timestamp};

use super::StoredSchedule;
use crate::Catalog;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_763_110_740_000_000 + minute * 60_000_000).unwrap()
}

fn plan() -> Plan {
    Plan::of(When::Hour { minute: 0 }, GuestChoice::All)
}

fn name() -> ScheduleName {
    "hourly".parse().unwrap()
}

fn start(until: i64) -> Decided {
    Decided { until: at(until), start: Some(at(until)), missed: None, set_back_from: None }
}

struct Kept {
    catalog: Catalog,
    dir: tempfile::TempDir,
}

impl Kept {
    fn with(plan: &Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        assert!(catalog.add_schedule(&name(), plan, &Actor::Page, at(0)).unwrap());
        Self { catalog, dir }
    }

    fn schedule(&self) -> StoredSchedule {
        self.catalog.schedule(&name()).unwrap().unwrap()
    }

    fn decide(&self, decided: &Decided) -> bool {
        let schedule = self.schedule();
        self.catalog.decide_schedule(&schedule, decided, "memdeck did not run", decided.until).unwrap()
    }

    fn states(&self) -> Vec<(Timestamp, RunState)> {
        let runs = self.catalog.runs_of(self.schedule().id, 10, false).unwrap();
        runs.into_iter().map(|run| (run.planned, run.state)).collect()
    }
}

fn guest(state: RunGuestState) -> RunGuest {
    RunGuest {
        host: None,
        name: GuestName("web-01".to_owned()),
        uuid: "u1".to_owned(),
        due: at(60),
        state,
        dump_id: None,
        asked_at: None,
        reason: None,
    }
}

#[test]
fn a_schedule_is_kept_as_it_was_given() {
    let kept = Kept::with(&plan());
    let schedule = kept.schedule();
    assert_eq!((&schedule.plan, schedule.paused, schedule.decided_until), (&plan(), false, at(0)));
    assert!(!kept.catalog.add_schedule(&name(), &plan(), &Actor::Page, at(1)).unwrap(), "the name is taken");
    let wider = Plan { spread_min: 10, ..plan() };
    assert!(kept.catalog.change_schedule(&name(), &wider, &Actor::Api, at(5)).unwrap());
    let changed = kept.schedule();
    assert_eq!((changed.plan, changed.changed_by, changed.decided_until), (wider, Actor::Api, at(5)));
    assert!(kept.catalog.remove_schedule(&name()).unwrap());
    assert!(!kept.catalog.remove_schedule(&name()).unwrap());
}

#[test]
fn a_run_is_started_once_whoever_decides_it_again() {
    let kept = Kept::with(&plan());
    let before = kept.schedule();
    assert!(kept.decide(&start(60)));
    // Somebody who read the schedule before that.
    assert!(!kept.catalog.decide_schedule(&before, &start(60), "", at(61)).unwrap());
    let run = kept.catalog.open_runs().unwrap().remove(0);
    kept.catalog.end_run(run.id, RunState::Done, None, at(62)).unwrap();
    // The clock was set back, and comes to the same instant again.
    let back = Decided { until: at(30), start: None, missed: None, set_back_from: Some(at(60)) };
    assert!(kept.decide(&back));
    assert_eq!(kept.catalog.runs_taken(before.id, at(30)).unwrap(), [at(60)].into());
    assert!(kept.decide(&start(60)));
    assert_eq!(kept.states(), [(at(60), RunState::Done)]);
}

#[test]
fn a_run_that_overlaps_is_skipped_or_waits_and_is_told_either_way() {
    let skipping = Kept::with(&plan());
    assert!(skipping.decide(&start(60)) && skipping.decide(&start(120)));
    assert_eq!(skipping.states(), [(at(120), RunState::Skipped), (at(60), RunState::Waiting)]);

    let waiting = Kept::with(&Plan { overlap: Overlap::Wait, ..plan() });
    assert!(waiting.decide(&start(60)));
    let first = waiting.catalog.open_runs().unwrap().remove(0);
    waiting.catalog.begin_run(first.id, &[guest(RunGuestState::Waiting)]).unwrap();
    assert!(waiting.decide(&start(120)) && waiting.decide(&start(180)));
    let expected = [(at(180), RunState::Skipped), (at(120), RunState::Waiting), (at(60), RunState::Running)];
    assert_eq!(waiting.states(), expected);
}

#[test]
fn a_paused_schedule_decides_nothing_and_begins_anew_when_it_is_resumed() {
    let kept = Kept::with(&plan());
    let pause =
        |paused, minute| kept.catalog.pause_schedule(&name(), paused, &Actor::Page, at(minute)).unwrap();
    assert!(pause(true, 10));
    assert!(!kept.decide(&start(60)));
    assert!(pause(false, 200));
    assert_eq!(kept.schedule().decided_until, at(200));
    assert!(pause(false, 300), "it is there");
    assert_eq!(kept.schedule().decided_until, at(200), "what was resumed already passes over nothing");
    let nobody = "nobody".parse().unwrap();
    assert!(!kept.catalog.pause_schedule(&nobody, true, &Actor::Page, at(1)).unwrap());
}

#[test]
fn guests_of_a_run_survive_a_restart() {
    let kept = Kept::with(&plan());
    assert!(kept.decide(&start(60)));
    let run = kept.catalog.open_runs().unwrap().remove(0).id;
    kept.catalog.begin_run(run, &[guest(RunGuestState::Waiting), guest(RunGuestState::Skipped)]).unwrap();
    let asking = RunGuest { asked_at: Some(at(61)), ..guest(RunGuestState::Asking) };
    kept.catalog.note_run_guest(run, 0, &asking).unwrap();
    let Kept { catalog, dir } = kept;
    drop(catalog);
    let catalog = Catalog::open(dir.path()).unwrap();
    let open = catalog.open_runs().unwrap().remove(0);
    assert_eq!(open.run.each, [asking, guest(RunGuestState::Skipped)]);
    assert_eq!((open.run.guests.open, open.run.guests.skipped), (1, 1));
    // A schedule that was removed takes its runs with it, and whoever still follows them keeps nothing.
    assert!(catalog.remove_schedule(&name()).unwrap());
    catalog.note_run_guest(run, 0, &guest(RunGuestState::Failed)).unwrap();
    assert_eq!(catalog.open_runs().unwrap(), []);
}

#[test]
fn missed_runs_are_told_as_one_stretch_with_the_reason() {
    let kept = Kept::with(&plan());
    let missed = Some(Missed { first: at(60), last: at(180), count: 3 });
    assert!(kept.decide(&Decided { until: at(200), start: None, missed, set_back_from: None }));
    let run = kept.catalog.runs_of(kept.schedule().id, 1, true).unwrap().remove(0);
    assert_eq!((run.state, run.count, run.last_planned), (RunState::Missed, 3, at(180)));
    assert_eq!(run.reason.unwrap().to_string(), "memdeck did not run");
}

#[test]
fn the_oldest_runs_are_forgotten() {
    let kept = Kept::with(&plan());
    for minute in 1..=520 {
        assert!(kept.decide(&start(minute)));
        for open in kept.catalog.open_runs().unwrap() {
            kept.catalog.end_run(open.id, RunState::Done, None, at(minute)).unwrap();
        }
    }
    let runs = kept.catalog.runs_of(kept.schedule().id, 1000, false).unwrap();
    assert_eq!((runs.len(), runs[0].planned), (500, at(520)));
}
