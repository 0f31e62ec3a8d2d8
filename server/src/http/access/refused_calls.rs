//! Calls in the audit of somebody who is known and may not make them, whether the table refuses them or the use case does.
//!
//! Of one caller and permission one is noted at once, the next after a minute, and while they go on each next one after twice as
//! long, up to an hour. The next one that is noted says how many it stands for, so that whoever repeats a call fills no disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Extensions, Method};
use memdeck_clock::Clock;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_operations::audit::{Audit, Deed};
use memdeck_operations::{Caller, asked_from};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Standing, Who};

const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(1);
/// Callers and permissions that are remembered; beyond this the one that may be noted next is forgotten.
const MOST_REMEMBERED: usize = 1000;

/// A call of somebody who is known, as the audit names it.
pub(super) struct Call {
    caller: Caller,
    address: IpAddr,
    method: Method,
    /// As it is routed: without names of the caller's choice.
    path: MatchedPath,
}

impl Call {
    /// `None` where it is not known who calls, or no route matched.
    pub(super) fn of(method: &Method, known: &Extensions) -> Option<Self> {
        let (who, standing) = (known.get::<Who>()?, known.get::<Standing>()?);
        Some(Self {
            caller: who.reads(standing),
            address: known.get::<super::Caller>()?.address,
            method: method.clone(),
            path: known.get::<MatchedPath>()?.clone(),
        })
    }
}

/// The refused calls of one caller for want of one permission.
struct Refused {
    /// From when the next one is noted.
    next_at: Duration,
    /// How long it is from the last one that was noted until then.
    window: Duration,
    passed_over: u64,
}

/// What was refused lately.
pub(super) struct RefusedCalls {
    clock: Arc<dyn Clock>,
    /// By the caller and the name of what they lack.
    lately: Mutex<HashMap<(String, &'static str), Refused>>,
}

impl RefusedCalls {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, lately: Mutex::default() }
    }

    /// Notes a call that was refused for want of what is called `lacking`, if it is one that is to be noted. Nothing waits for it: nothing was
    /// changed.
    pub(super) fn note(&self, audit: Option<&Audit>, call: Call, lacking: &'static str) {
        let (Some(audit), Ok(runtime)) = (audit.cloned(), Handle::try_current()) else { return };
        let Some(count) = self.count(call.caller.actor.to_json(), lacking) else { return };
        let details = AuditDetails {
            name: Some(lacking.to_owned()),
            value: Some(format!("{} {}", call.method, call.path.as_str())),
            count: Some(count),
            ..AuditDetails::default()
        };
        let deed = Deed::new(AuditAction::Refused, AuditObject::Service).with(details);
        runtime.spawn(async move {
            let noting = audit.note_done(&call.caller, deed, AuditResult::Refused);
            asked_from(Some(call.address.to_string()), noting).await;
        });
    }

    /// For how many calls an entry stands that is made now; `None` if none is to be made.
    fn count(&self, caller: String, lacking: &'static str) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut lately = self.lately.lock();
        let key = (caller, lacking);
        if let Some(refused) = lately.get_mut(&key) {
            if now < refused.next_at {
                refused.passed_over = refused.passed_over.saturating_add(1);
                return None;
            }
            // Whoever was quiet for as long as they would have had to wait begins anew.
            let goes_on = now < refused.next_at + refused.window;
            refused.window = if goes_on { (refused.window * 2).min(LONGEST) } else { SHORTEST };
            refused.next_at = now + refused.window;
            return Some(std::mem::take(&mut refused.passed_over).saturating_add(1));
        }
        if lately.len() >= MOST_REMEMBERED {
            let next = lately.iter().min_by_key(|(_, refused)| refused.next_at).map(|(key, _)| key.clone());
            if let Some(next) = next {
                lately.remove(&next);
            }
        }
        lately.insert(key, Refused { next_at: now + SHORTEST, window: SHORTEST, passed_over: 0 });
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    fn calls() -> (RefusedCalls, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (RefusedCalls::new(Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_flood_of_a_day_has_a_few_rows_that_say_how_many_it_was() {
        let (calls, clock) = calls();
        let (mut rows, mut told, mut made) = (0_u64, 0, 0);
        for _ in 0..24 * 60 * 60 {
            for _ in 0..3 {
                made += 1;
                if let Some(count) = calls.count("ada".to_owned(), "dump") {
                    (rows, told) = (rows + 1, told + count);
                }
            }
            clock.advance(Duration::from_secs(1));
        }
        assert!((24..=30).contains(&rows), "{rows}");
        clock.advance(LONGEST);
        assert_eq!(told + calls.count("ada".to_owned(), "dump").unwrap(), made + 1, "none is forgotten");
    }

    #[test]
    fn callers_and_permissions_count_by_themselves_and_quiet_begins_anew() {
        let (calls, clock) = calls();
        let count = |caller: &str, lacking| calls.count(caller.to_owned(), lacking);
        assert_eq!(count("ada", "dump"), Some(1));
        assert_eq!(count("ada", "dump"), None);
        assert_eq!((count("ada", "delete"), count("bob", "dump")), (Some(1), Some(1)));
        clock.advance(SHORTEST);
        assert_eq!(count("ada", "dump"), Some(2));
        clock.advance(SHORTEST);
        assert_eq!(count("ada", "dump"), None, "the second time it takes longer");
        clock.advance(Duration::from_hours(3));
        assert_eq!(count("ada", "dump"), Some(2));
        clock.advance(SHORTEST);
        assert_eq!(count("ada", "dump"), Some(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (calls, _) = calls();
        for n in 0..3 * MOST_REMEMBERED {
            assert_eq!(calls.count(n.to_string(), "dump"), Some(1));
        }
        assert_eq!(calls.lately.lock().len(), MOST_REMEMBERED);
    }
}
