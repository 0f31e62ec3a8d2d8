//! What goes on without being asked for.

use std::sync::{Arc, Weak};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use memdeck_model::{Event, HostId};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Member, Operations, foreign_import, guests, storage};

impl Operations {
    /// Passes the events of the hosts and of all images on, tells of rows that others wrote, and watches guests and storage
    /// while somebody listens. Runs until its task is ended.
    pub async fn run(&self) {
        let hosts = self.follow_hosts();
        let images = self.pass_on(None, self.images.subscribe_here());
        let guests = guests::watch(&self.hosts, self.clock.as_ref(), &self.feed);
        let storage = storage::watch(&self.readiness, &self.feed);
        let import = foreign_import::watch(self.import.clone(), &self.feed, foreign_import::INTERVAL);
        tokio::join!(hosts, images, guests, storage, import, self.notify());
    }

    /// Passes on what each host tells, also of those that are added later. One that was removed is heard until it is gone.
    async fn follow_hosts(&self) {
        let mut changes = self.hosts.changes();
        let mut known: Vec<Weak<Member>> = Vec::new();
        let mut passing = FuturesUnordered::new();
        loop {
            known.retain(|member| member.strong_count() > 0);
            for member in self.hosts.members() {
                if known.iter().any(|known| known.as_ptr() == Arc::as_ptr(&member)) {
                    continue;
                }
                known.push(Arc::downgrade(&member));
                passing.push(self.pass_on(Some(member.name().clone()), member.host().subscribe()));
                if !member.is_here() {
                    passing.push(self.pass_on(None, member.host().images().subscribe()));
                }
            }
            loop {
                tokio::select! {
                    heard = changes.changed() => match heard {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    Some(()) = passing.next() => {}
                }
            }
            self.tell_hosts().await;
        }
    }

    async fn pass_on(&self, from: Option<HostId>, mut events: broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(event) => {
                    let event = match &from {
                        Some(host) => self.hosts.labelled(host, event),
                        None => event,
                    };
                    match event {
                        Event::Dump(status) => {
                            self.follower.lock().note(&status);
                            self.notice_dump(from.as_ref(), &status);
                            self.feed.publish(Event::Dump(status));
                        }
                        Event::Service(_) if self.hosts.are_many() => self.tell_hosts().await,
                        Event::Verification(verification) => {
                            self.notice_verification(&verification).await;
                            self.feed.publish(Event::Verification(verification));
                        }
                        event => self.feed.publish(event),
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    self.feed.mark_gap();
                    self.catch_up().await;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// One of several hosts went away, came back, or can do something else than before; or there are others.
    async fn tell_hosts(&self) {
        self.feed.publish(Event::Service(self.hosts.health()));
        self.feed.publish_if_news(Event::Hosts(self.hosts.states(self.clock.now()).await));
    }
}
