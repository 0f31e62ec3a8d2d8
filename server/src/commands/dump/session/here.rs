//! This process takes the dumps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_agent::Asked;
use memdeck_influx::{Influx, PointSink as _};
use memdeck_model::{DumpId, DumpOptions, DumpStatus, FrozenPause, Guest, VmRef};
use memdeck_operations::{Everyone, Once};

use super::{Cancelled, Ends, Session, meant};
use crate::commands::output::say;
use crate::commands::service::operator;
use crate::commands::{Failure, with_causes};
use crate::config::Config;
use crate::node::{self, Node, State};
use crate::outbox;

pub(super) struct Here {
    node: Node,
    feed: Option<Arc<Influx>>,
    /// Held until the end.
    state: State,
}

impl Here {
    pub(super) async fn start(config: &Config, state: State) -> Result<Self, Failure> {
        let node = Node::here(config, &state, Duration::ZERO).await?;
        let feed = node::influx(config.influx.as_ref())?;
        Ok(Self { node, feed, state })
    }
}

#[async_trait]
impl Session for Here {
    async fn guests(&self) -> Result<Vec<Guest>, Failure> {
        Ok(self.node.host().guests().await?)
    }

    async fn statuses(&self) -> Result<Vec<DumpStatus>, Failure> {
        let statuses = self.node.host().statuses().await;
        Ok(statuses.map_err(|error| Failure::new(error.to_string()))?.into_values().collect())
    }

    async fn frozen_pause(&self) -> Option<FrozenPause> {
        // With the guests comes the name of this host, by which the measured pauses are found.
        self.guests().await.ok()?;
        self.node.host().frozen_pause().await.ok()?
    }

    async fn trigger(&self, targets: Vec<VmRef>, options: DumpOptions) -> Result<Asked, Failure> {
        let Everyone { targets, omitted } = meant(self, targets).await?;
        if targets.is_empty() {
            return Ok(Asked { omitted, ..Asked::default() });
        }
        let dumps = self.node.host().trigger(targets, options, &operator(), &Once::fresh()).await;
        Ok(Asked { dumps: dumps.map_err(|error| Failure::new(error.to_string()))?, omitted })
    }

    async fn cancel(&self, dump_id: &DumpId) -> Result<Cancelled, Failure> {
        let cancelled = self.node.host().cancel(dump_id.clone(), &operator()).await;
        cancelled.map_err(|error| Failure::new(with_causes(&error)))?;
        Ok(Cancelled::Yes)
    }

    fn ends(&self) -> Ends {
        Ends(Some(self.node.host().subscribe()))
    }

    /// Points that wait for InfluxDB are offered once.
    async fn close(self: Box<Self>) {
        let Self { node, feed, state } = *self;
        // Waits for dumps that are being cancelled.
        node.shut_down().await;
        let Some(feed) = feed else { return };
        match outbox::round(&state.catalog, feed.as_ref()).await {
            Ok(outbox::Round::Empty) => {}
            Ok(outbox::Round::Left) => say(format_args!(
                "memdeck: {} did not take every point; the next `memdeck serve` or `memdeck dump` writes them",
                feed.describe()
            )),
            Err(error) => say(format_args!("memdeck: {}", with_causes(&error))),
        }
    }
}
