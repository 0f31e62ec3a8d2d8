//! What the engine works with: its ports and its settings. Nothing here changes while the engine lives.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_hypervisor::Hypervisor;
use memdeck_image::ImageStore;
use memdeck_signing::HostSigner;

use crate::guardian::Guardian;
use crate::room::{Room, Volume};
use memdeck_clock::Clock;

/// Limits of the engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Dumps that run at the same time.
    pub max_parallel: NonZeroU32,
    /// The longest one dump may take before it is cancelled.
    pub time_limit: Duration,
    /// The longest a guest may be stopped by a live dump, unless the request says otherwise.
    pub pause_budget: Duration,
    /// The longest a live dump may go on copying before it is given up.
    pub live_time_budget: Duration,
    /// MiB per second that a live dump may read while the guest runs, unless the request says otherwise; 0 is no limit.
    pub live_bandwidth_mibps: u64,
    /// The longest a guest that runs may stand still for a dump; at the limit the dump ends and the guest runs.
    pub frozen_pause_limit: Duration,
    /// Of so many images in a row that may be differences, one is stored whole.
    pub full_every: NonZeroU32,
    /// How long a shutdown waits for running dumps before it stops them.
    pub shutdown_grace: Duration,
}

/// What an engine is made of.
pub struct EngineParts {
    /// Where jobs and records live.
    pub catalog: Arc<Catalog>,
    /// Where guests live.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// The same, to look up which guest a request means: however many such questions there are, dumps and the keeper of
    /// guests do not wait behind them.
    pub lookup: Arc<dyn Hypervisor>,
    /// Where images go.
    pub store: ImageStore,
    /// Who signs their manifests.
    pub signer: Arc<HostSigner>,
    /// The volume of the images.
    pub volume: Arc<dyn Volume>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who looks after guests if this process dies.
    pub guardian: Arc<dyn Guardian>,
    /// Limits.
    pub settings: EngineSettings,
}

/// The ports and settings that all parts of the engine share.
pub struct Context {
    pub catalog: Arc<Catalog>,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub lookup: Arc<dyn Hypervisor>,
    pub store: ImageStore,
    pub signer: Arc<HostSigner>,
    pub room: Room,
    pub clock: Arc<dyn Clock>,
    pub guardian: Arc<dyn Guardian>,
    pub settings: EngineSettings,
}

impl From<EngineParts> for Context {
    fn from(parts: EngineParts) -> Self {
        let EngineParts { catalog, hypervisor, lookup, store, signer, volume, clock, guardian, settings } =
            parts;
        Self { catalog, hypervisor, lookup, store, signer, room: Room::of(volume), clock, guardian, settings }
    }
}
