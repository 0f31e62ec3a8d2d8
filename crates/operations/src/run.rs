//! What goes on without being asked for.

use memdeck_model::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Operations, guests, storage};

impl Operations {
    /// Passes the events of the host and of all images on, and watches guests and storage while somebody listens. Runs until
    /// its task is ended.
    pub async fn run(&self) {
        let dumps = self.pass_on(self.host.subscribe());
        let images =
            futures_util::future::join_all(self.images.subscriptions().map(|events| self.pass_on(events)));
        let guests = guests::watch(self.host.as_ref(), &self.feed);
        let storage = storage::watch(&self.readiness, &self.feed);
        tokio::join!(dumps, images, guests, storage);
    }

    async fn pass_on(&self, mut events: broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Event::Dump(status) = &event {
                        self.follower.lock().note(status);
                    }
                    self.feed.publish(event);
                }
                Err(RecvError::Lagged(_)) => self.feed.mark_gap(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}
