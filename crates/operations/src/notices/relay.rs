//! Carries waiting messages to their targets, each until it has arrived or is given up.
//!
//! A target is sent one message at a time; targets wait for no other. What fails waits longer each time, with a random part,
//! so that messages that failed together do not come back together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, DueDelivery};
use memdeck_model::notice::TargetName;
use memdeck_model::{Millis, Timestamp};
use tokio::task::JoinSet;

use super::{Courier, Notices, Undelivered};
use crate::blocking;

/// How long messages gather and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticePace {
    /// How long a message waits for more of its kind and run.
    pub gather: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// A message that did not arrive within this is given up.
    pub give_up_after: Duration,
    /// So often a target may refuse a message before it is given up.
    pub refusals: u32,
}

impl Default for NoticePace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(5),
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_mins(10),
            give_up_after: Duration::from_hours(24),
            refusals: 4,
        }
    }
}

impl NoticePace {
    /// When a message that failed is sent again; `None` if it is given up. `random` is between 0 and 1.
    fn next_try(
        &self,
        due: &DueDelivery,
        failure: &Undelivered,
        now: Timestamp,
        random: f64,
    ) -> Option<Timestamp> {
        let is_given_up = now.since(due.tried_from) >= Millis::from(self.give_up_after)
            || failure.is_refusal && due.attempts + 1 >= self.refusals;
        if is_given_up {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << due.attempts.min(20)).min(self.longest_wait);
        // Between half of it and all of it.
        let wait = doubled.mul_f64(0.5 + random / 2.0);
        let wanted = failure.retry_after.unwrap_or_default().min(self.longest_wait);
        Some(now.plus(Millis::from(wait.max(wanted))))
    }
}

/// A look at the catalog although nothing was raised: clocks jump, and a message may have been asked for again elsewhere.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// Between two tries while the catalog fails.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until its task is ended.
pub(super) async fn relay(
    notices: &Notices,
    catalog: &Arc<Catalog>,
    courier: &Arc<dyn Courier>,
    pace: NoticePace,
) {
    let mut sending = JoinSet::new();
    let mut busy = BTreeSet::new();
    loop {
        let wait = match begin(notices, catalog, courier, pace, &mut sending, &mut busy).await {
            Ok(wait) => wait,
            Err(error) => {
                log(&error);
                RETRY
            }
        };
        tokio::select! {
            () = notices.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(sent) = sending.join_next() => match sent {
                Ok(target) => { busy.remove(&target); }
                Err(error) => {
                    // Nobody knows of which target: all may be tried again, which at worst sends a message twice.
                    tracing::error!(%error, "a message could not be sent because of a fault in memdeck");
                    busy.clear();
                }
            },
        }
    }
}

/// Begins to send what is due; returns how long nothing else is.
async fn begin(
    notices: &Notices,
    catalog: &Arc<Catalog>,
    courier: &Arc<dyn Courier>,
    pace: NoticePace,
    sending: &mut JoinSet<TargetName>,
    busy: &mut BTreeSet<TargetName>,
) -> Result<Duration, CatalogError> {
    let now = notices.clock.now();
    let (due, next) = {
        let (catalog, mut busy) = (Arc::clone(catalog), busy.clone());
        blocking(move || {
            let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now || at > now.plus(FAR));
            // Looked at first, because to take is to write.
            let next = catalog.next_delivery_at(&busy)?;
            if !is_due(next) {
                return Ok::<_, CatalogError>((Vec::new(), next));
            }
            let due = catalog.take_due_deliveries(now, &busy)?;
            busy.extend(due.iter().map(|due| due.target.clone()));
            Ok((due, catalog.next_delivery_at(&busy)?))
        })
        .await?
    };
    for due in due {
        busy.insert(due.target.clone());
        let (catalog, courier, clock) =
            (Arc::clone(catalog), Arc::clone(courier), Arc::clone(&notices.clock));
        sending.spawn(async move {
            let sent = courier.deliver(&due.address, &due.message).await;
            let (target, now) = (due.target.clone(), clock.now());
            let noted = blocking(move || note(&catalog, &due, sent, now, pace)).await;
            if let Err(error) = noted {
                // It is sent again, under the same id. Not at once: the catalog fails.
                log(&error);
                tokio::time::sleep(RETRY).await;
            }
            target
        });
    }
    let wait = next.map_or(LONGEST_SLEEP, |next| Duration::from_millis(next.since(now).0));
    Ok(wait.clamp(Duration::from_millis(10), LONGEST_SLEEP))
}

/// No message waits for as long as this: one that claims to was dated by a wrong clock.
const FAR: Millis = Millis(2 * 3_600_000);

fn note(
    catalog: &Catalog,
    due: &DueDelivery,
    sent: Result<(), Undelivered>,
    now: Timestamp,
    pace: NoticePace,
) -> Result<(), CatalogError> {
    let (id, target) = (due.message.id.as_str(), due.target.as_str());
    match sent {
        Ok(()) => {
            tracing::info!(target = target, message = id, count = due.message.notices.len(), "told");
            catalog.delivery_arrived(id, now)
        }
        Err(failure) => {
            let next = pace.next_try(due, &failure, now, random());
            // The first failure is news, and the last; that it goes on is not.
            match next {
                None => {
                    tracing::error!(target, message = id, error = %failure, "a notification was given up");
                }
                Some(_) if due.attempts == 0 => {
                    tracing::warn!(target, message = id, error = %failure, "a notification waits");
                }
                Some(_) => {
                    tracing::debug!(target, message = id, error = %failure, "a notification still waits");
                }
            }
            catalog.delivery_failed(id, &failure.detail, now, next)
        }
    }
}

/// Between 0 and 1.
fn random() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().1 & 0xffff;
    f64::from(u16::try_from(bits).unwrap_or(0)) / f64::from(u16::MAX)
}

fn log(error: &CatalogError) {
    tracing::error!(error = error as &dyn std::error::Error, "the messages of notifications cannot be read");
}

#[cfg(test)]
mod tests {
    use memdeck_model::notice::NoticeMessage;

    use super::*;

    fn due(attempts: u32) -> DueDelivery {
        let address = serde_json::from_str(r#"{"kind": "slack", "url": "https://x.example"}"#).unwrap();
        let at = Timestamp::from_unix_micros(1_000_000_000_000_000).unwrap();
        let message = NoticeMessage { id: "m".to_owned(), at, notices: Vec::new() };
        DueDelivery { target: "ops".parse().unwrap(), address, message, attempts, tried_from: at }
    }

    #[test]
    fn a_message_waits_longer_each_time_and_never_longer_than_the_longest_wait() {
        let pace = NoticePace::default();
        let waits = |random: f64| -> Vec<u64> {
            (0..40)
                .map(|attempts| {
                    let due = due(attempts);
                    let next = pace.next_try(&due, &Undelivered::passing("x"), due.tried_from, random);
                    next.unwrap().since(due.tried_from).0
                })
                .collect()
        };
        assert_eq!(waits(1.0)[..6], [2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
        assert_eq!(waits(0.0)[..3], [1_000, 2_000, 4_000]);
        assert_eq!(waits(1.0)[39], 600_000);
    }

    #[test]
    fn a_target_says_itself_when_it_wants_to_be_asked_again_within_reason() {
        let (pace, due) = (NoticePace::default(), due(0));
        let wait = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let failure = Undelivered { retry_after, ..Undelivered::passing("429") };
            pace.next_try(&due, &failure, due.tried_from, 1.0).unwrap().since(due.tried_from)
        };
        assert_eq!([wait(60), wait(1), wait(1_000_000)], [60_000, 2_000, 600_000].map(Millis));
    }

    #[test]
    fn a_message_is_given_up_after_a_day_or_some_refusals() {
        let pace = NoticePace::default();
        let is_given_up = |attempts, failure: Undelivered, hours: u64| {
            let due = due(attempts);
            pace.next_try(&due, &failure, due.tried_from.plus(Millis(hours * 3_600_000)), 0.5).is_none()
        };
        assert!(!is_given_up(500, Undelivered::passing("503"), 23));
        assert!(is_given_up(1, Undelivered::passing("503"), 24));
        assert!(!is_given_up(2, Undelivered::refused("404"), 0));
        assert!(is_given_up(3, Undelivered::refused("404"), 0));
    }
}
