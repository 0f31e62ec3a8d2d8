//! What of an agent's answer somebody looks at, and what it is when no newer one comes.

use std::sync::Arc;

use memdeck_model::Millis;
use memdeck_model::telemetry::{LiveValues, Measurements, Watch};

/// What `watch` names of what was told to all who look; `None` where that is nothing yet.
pub fn of_watch(told: &Arc<LiveValues>, watch: &Watch) -> Option<LiveValues> {
    told.collected_at?;
    let samples = told.samples.iter().filter(|sample| watch.guests.contains(&sample.uuid));
    Some(LiveValues {
        collected_at: told.collected_at,
        summaries: told.summaries.clone().filter(|_| watch.all),
        samples: samples.cloned().collect(),
    })
}

/// The last values of an agent that does not answer.
pub fn stale(told: &LiveValues) -> LiveValues {
    let mut told = told.clone();
    for summary in told.summaries.iter_mut().flatten() {
        summary.stale = true;
    }
    for sample in &mut told.samples {
        sample.stale = true;
    }
    told
}

/// The last list of guests of an agent that does not answer, `age` after it was told.
pub fn stale_guests(told: &Measurements, age: Millis) -> Measurements {
    let mut told = told.clone();
    told.age_ms = told.age_ms.map(|before| Millis(before.0.saturating_add(age.0)));
    for measured in &mut told.guests {
        measured.telemetry.stale = true;
    }
    told
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::LiveSummary;
    use memdeck_model::{GuestState, Timestamp};

    use super::*;

    #[test]
    fn whoever_looks_gets_what_they_look_at_and_nothing_before_the_first_answer() {
        let at = Timestamp::from_unix_micros(0).unwrap();
        let summary = LiveSummary::unmeasured("u", GuestState::Running, at);
        let told = LiveValues { collected_at: Some(at), summaries: Some(vec![summary]), samples: Vec::new() };
        let told = Arc::new(told);
        assert_eq!(of_watch(&told, &Watch::all()), Some(LiveValues::clone(&told)));
        assert_eq!(of_watch(&told, &Watch::guest("u")).unwrap().summaries, None);
        assert_eq!(of_watch(&Arc::default(), &Watch::all()), None);
        assert!(stale(&told).summaries.unwrap()[0].stale && !told.summaries.as_ref().unwrap()[0].stale);
    }

    #[test]
    fn a_list_of_guests_grows_old_with_its_agent_away() {
        let told = Measurements { age_ms: Some(Millis(5)), ..Measurements::default() };
        assert_eq!(stale_guests(&told, Millis(7)).age_ms, Some(Millis(12)));
        assert_eq!(stale_guests(&Measurements::default(), Millis(7)).age_ms, None);
    }
}
