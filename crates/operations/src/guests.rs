//! The guests, and the watch over them.

use std::time::Duration;

use memdeck_clock::Clock;
use memdeck_model::{Event, Guest, Problem};

use crate::{Caller, Feed, Hosts, Operations};

/// Between two looks at the guests while a page is open.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

impl Operations {
    /// Every guest that the caller may see, running or not.
    ///
    /// # Errors
    /// The hypervisor is away.
    pub async fn list_guests(&self, caller: &Caller) -> Result<Vec<Guest>, Problem> {
        let guests = self.hosts.guests().await;
        let mut guests = guests.map_err(|problem| self.told_failure(problem, caller))?;
        guests.retain(|guest| caller.sees_guest(guest, &self.hosts));
        Ok(guests)
    }
}

/// Publishes changes of the guests and of the hypervisor's health; rests while no page is open. Never ends.
pub(crate) async fn watch(hosts: &Hosts, clock: &dyn Clock, feed: &Feed) {
    loop {
        feed.listener().await;
        if hosts.are_many() {
            feed.publish_if_news(Event::Hosts(hosts.states(clock.now()).await));
        }
        match hosts.guests().await {
            Ok(guests) => {
                feed.publish_if_news(Event::Hypervisor(None));
                feed.publish_if_news(Event::Guests(guests));
            }
            Err(problem) => feed.publish_if_news(Event::Hypervisor(Some(problem.detail))),
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
