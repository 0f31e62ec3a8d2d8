//! Runs and plans in words.

use memdeck_model::schedule::{GuestChoice, Plan, RunGuestState, RunState, ScheduleRun};

use crate::ui::{Icon, Tone};
use crate::words::upper_first;

/// How a run stands: a word, what it means, and the picture of it.
pub fn state_of(run: &ScheduleRun) -> (&'static str, Tone, Icon) {
    match run.state {
        RunState::Waiting => ("Waiting", Tone::Waiting, Icon::Clock),
        RunState::Running => ("Running", Tone::Active, Icon::Activity),
        RunState::Done if run.guests.failed > 0 => ("Done, with failures", Tone::Bad, Icon::Alert),
        RunState::Done => ("Done", Tone::Good, Icon::Check),
        RunState::Missed => ("Missed", Tone::Bad, Icon::Alert),
        RunState::Skipped => ("Skipped", Tone::Waiting, Icon::Ban),
    }
}

/// The same of a guest.
pub fn state_of_guest(state: RunGuestState) -> (&'static str, Tone, Icon) {
    match state {
        RunGuestState::Waiting => ("Waiting", Tone::Waiting, Icon::Clock),
        RunGuestState::Asking | RunGuestState::Dumping => ("Dumping", Tone::Active, Icon::Activity),
        RunGuestState::Completed => ("Dumped", Tone::Good, Icon::Check),
        RunGuestState::Failed => ("Failed", Tone::Bad, Icon::Alert),
        RunGuestState::Skipped => ("Left out", Tone::Neutral, Icon::Ban),
    }
}

/// What became of a run, in a sentence without its end.
pub fn outcome(run: &ScheduleRun) -> String {
    let what = match run.state {
        RunState::Missed if run.count > 1 => format!("{} runs in a row", run.count),
        RunState::Missed | RunState::Skipped | RunState::Waiting => String::new(),
        RunState::Running | RunState::Done => run.guests.to_string(),
    };
    let reason = run.reason.as_ref().map(ToString::to_string).unwrap_or_default();
    [what, reason].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// Whom a plan means. Names of guests stay as they are.
pub fn whom(guests: &GuestChoice) -> String {
    match guests {
        GuestChoice::Named { .. } => guests.to_string(),
        others => upper_first(&others.to_string()),
    }
}

/// How a plan dumps, beyond when and whom.
pub fn manner(plan: &Plan) -> String {
    let mut parts = vec![format!("mode {}", plan.options.mode)];
    if plan.spread_min > 0 {
        parts.push(format!("spread over {} min", plan.spread_min));
    }
    parts.extend(plan.per_host.map(|most| format!("at most {most} at a time on a host")));
    if plan.make_up_min > 0 {
        parts.push(format!("made up within {} min", plan.make_up_min));
    }
    parts.extend(plan.recent_min.map(|minutes| format!("not if dumped in the last {minutes} min")));
    parts.extend(plan.options.case.as_ref().map(|case| format!("case {}", case.as_str())));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use memdeck_model::Timestamp;
    use memdeck_model::schedule::{RunCounts, When};

    use super::*;

    fn run(state: RunState) -> ScheduleRun {
        let at: Timestamp = "2026-11-14T02:30:00Z".parse().unwrap();
        ScheduleRun {
            planned: at,
            state,
            count: 1,
            last_planned: at,
            noticed_at: at,
            ended_at: None,
            guests: RunCounts::default(),
            reason: None,
            each: Vec::new(),
        }
    }

    #[test]
    fn the_outcome_of_a_run_says_how_many_and_why() {
        let guests = RunCounts { completed: 2, failed: 1, ..RunCounts::default() };
        let done = ScheduleRun { guests, ..run(RunState::Done) };
        assert_eq!(outcome(&done), "2 dumped, 1 failed");
        assert_eq!(state_of(&done).0, "Done, with failures");
        let reason = Some("memdeck did not run".into());
        assert_eq!(
            outcome(&ScheduleRun { count: 3, reason, ..run(RunState::Missed) }),
            "3 runs in a row: memdeck did not run"
        );
    }

    #[test]
    fn a_guest_is_called_as_it_is() {
        let named = |name| memdeck_model::VmRef::new(name).unwrap();
        assert_eq!(whom(&GuestChoice::Named { guests: vec![named("web-01"), named("db")] }), "web-01, db");
        assert_eq!(whom(&GuestChoice::All), "All running guests");
    }

    #[test]
    fn what_a_plan_does_not_say_is_not_told() {
        let plan = Plan::of(When::Hour { minute: 0 }, GuestChoice::All);
        assert_eq!(manner(&plan), "mode auto");
        assert_eq!(
            manner(&Plan { spread_min: 10, per_host: Some(2), ..plan }),
            "mode auto, spread over 10 min, at most 2 at a time on a host"
        );
    }
}
