//! What everybody who looks at the guests of one agent looks at, together.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_model::telemetry::Watch;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::protocol::GUESTS_WATCHED;

/// All that is watched now.
#[derive(Default)]
pub struct Watches {
    open: Mutex<Open>,
    changed: Notify,
}

#[derive(Default)]
struct Open {
    next_key: u64,
    watches: BTreeMap<u64, Watch>,
}

/// Somebody who looks, for as long as this is kept.
pub struct Lease {
    watches: Arc<Watches>,
    key: u64,
}

impl Watches {
    /// Somebody begins to look.
    pub fn add(self: &Arc<Self>, watch: Watch) -> Lease {
        let key = {
            let mut open = self.open.lock();
            let key = open.next_key;
            open.next_key = key.wrapping_add(1);
            open.watches.insert(key, watch);
            key
        };
        self.changed.notify_one();
        Lease { watches: Arc::clone(self), key }
    }

    /// What all of them look at. Of guests in full, no more than one call takes: who comes first is first.
    pub fn all(&self) -> Watch {
        let open = self.open.lock();
        let mut all = Watch::default();
        for watch in open.watches.values() {
            all.all |= watch.all;
            for uuid in &watch.guests {
                if all.guests.len() < GUESTS_WATCHED {
                    all.guests.insert(uuid.clone());
                }
            }
        }
        all
    }

    /// Waits until somebody begins to look, if nobody did since the last time.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.watches.open.lock().watches.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_what_is_looked_at_now_and_no_more_than_one_call_takes() {
        let watches = Arc::new(Watches::default());
        let (list, one) = (watches.add(Watch::all()), watches.add(Watch::guest("b")));
        let again = watches.add(Watch::guest("b"));
        assert_eq!(watches.all().to_string(), "all,b");
        drop(list);
        drop(one);
        assert_eq!(watches.all().to_string(), "b");
        drop(again);
        assert!(watches.all().is_empty());
        let many: Vec<Lease> =
            (0..GUESTS_WATCHED + 5).map(|n| watches.add(Watch::guest(&format!("{n:04}")))).collect();
        assert_eq!(watches.all().guests.len(), GUESTS_WATCHED);
        drop(many);
        assert!(watches.all().is_empty());
    }
}
