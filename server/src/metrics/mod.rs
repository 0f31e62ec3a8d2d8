//! What Prometheus is told of this memdeck. Counts of dumps come from the catalog and survive restarts; those of requests
//! and of the collector begin with the program, as `process_start_time_seconds` says.
//!
//! Whatever hangs is asked once at a time and waited for a moment; what did not answer is left out, and
//! `memdeck_scrape_part_ok` names it.

mod exposition;
mod parts;
mod process;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memdeck_catalog::{Catalog, DumpFigures, VerificationFigures};
use memdeck_clock::Clock;
use memdeck_operations::{self as operations, Hosts, Telemetry, blocking};

use crate::config::Role;
use exposition::{Exposition, Kind};
use parts::{Room, about_collector, about_hosts, about_process, about_readiness, about_volumes};
use process::ProcessFigures;

pub use exposition::MEDIA_TYPE;
pub use requests::Requests;

/// The longest that a part is waited for: Prometheus gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// A volume whose room is told.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What is on it: `dumps` or `state`.
    pub name: &'static str,
    /// A directory on it.
    pub dir: PathBuf,
}

/// What is told of.
pub struct MetricsParts {
    /// Which service this is.
    pub role: Role,
    /// Dumps and records.
    pub catalog: Arc<Catalog>,
    /// Who takes the dumps.
    pub hosts: Arc<Hosts>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<operations::Readiness>,
    /// What is measured of the guests, where that is done here.
    pub telemetry: Option<Arc<dyn Telemetry>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Volumes that dumps need.
    pub volumes: Vec<Volume>,
}

/// Tells Prometheus of one service.
pub struct Metrics {
    parts: MetricsParts,
    requests: Requests,
    figures_asked: Arc<AtomicBool>,
    volumes_asked: Arc<AtomicBool>,
}

impl Metrics {
    /// Of a service with these parts.
    #[must_use]
    pub fn new(parts: MetricsParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            requests: Requests::default(),
            figures_asked: Arc::default(),
            volumes_asked: Arc::default(),
        })
    }

    /// Where requests are counted.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Everything as text.
    pub async fn text(&self) -> String {
        let MetricsParts { catalog, readiness, volumes, .. } = &self.parts;
        let (catalog, volumes) = (Arc::clone(catalog), volumes.clone());
        let figures = once_at_a_time(&self.figures_asked, move || {
            let figures = catalog.dump_figures().and_then(|of| Ok((of, catalog.verification_figures()?)));
            figures
                .inspect_err(|error| {
                    tracing::debug!(error = error as &dyn std::error::Error, "dumps cannot be counted");
                })
                .ok()
        });
        let room = once_at_a_time(&self.volumes_asked, move || {
            Some(volumes.iter().filter_map(Room::of).collect::<Vec<_>>())
        });
        let (figures, room, readiness) = tokio::join!(figures, room, readiness.now());
        let mut out = Exposition::default();
        self.about_itself(&mut out);
        out.family(
            Kind::Gauge,
            "memdeck_scrape_part_ok",
            "Whether a part of these metrics could be asked: 1 or 0.",
        )
        .sample(&[("part", "catalog")], u8::from(figures.is_some()))
        .sample(&[("part", "volumes")], u8::from(room.is_some()));
        if let Some((dumps, verified)) = &figures {
            self.about_dumps(&mut out, dumps);
            self.about_verifications(&mut out, verified);
        }
        about_volumes(&mut out, &room.unwrap_or_default());
        about_readiness(&mut out, &readiness);
        about_hosts(&mut out, &self.parts.hosts);
        if let Some(telemetry) = &self.parts.telemetry
            && let Ok(report) = telemetry.report().await
        {
            about_collector(&mut out, &report.status);
        }
        self.about_requests(&mut out);
        about_process(&mut out, &ProcessFigures::now());
        out.into_text()
    }

    fn about_itself(&self, out: &mut Exposition) {
        let service = match self.parts.role {
            Role::Serve => "dashboard",
            Role::Agent => "agent",
        };
        out.family(
            Kind::Gauge,
            "memdeck_build_info",
            "The version of memdeck and which service it runs; always 1.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION")), ("service", service)], 1);
    }

    fn about_dumps(&self, out: &mut Exposition, figures: &DumpFigures) {
        let mut ended = out.family(
            Kind::Counter,
            "memdeck_dumps_ended_total",
            "Dumps of this service that have ended, since its catalog was begun, by state and end reason.",
        );
        for ((state, reason), count) in &figures.ended {
            ended.sample(&[("state", state), ("reason", reason)], count);
        }
        out.family(Kind::Gauge, "memdeck_dumps_active", "Dumps that wait for their turn or are being taken.")
            .sample(&[("state", "queued")], figures.queued)
            .sample(&[("state", "running")], figures.running);
        let waits = figures.oldest_queued.map_or(0, |at| self.parts.clock.now().since(at).0);
        out.single(
            Kind::Gauge,
            "memdeck_dump_queue_oldest_seconds",
            "How long the oldest queued dump has waited; 0 where none waits.",
            Duration::from_millis(waits).as_secs_f64(),
        );
        let modes = &figures.by_mode;
        out.histograms(
            "memdeck_dump_duration_seconds",
            "How long completed dumps of this service took.",
            modes.iter().map(|(mode, of)| ([("mode", mode.as_str())], &of.durations)),
        );
        out.histograms(
            "memdeck_dump_pause_seconds",
            "How long guests stood still for completed dumps of this service, as QEMU measured it.",
            modes.iter().map(|(mode, of)| ([("mode", mode.as_str())], &of.pauses)),
        );
        let mut image = out.family(
            Kind::Counter,
            "memdeck_dump_image_bytes_total",
            "Bytes of the images of completed dumps before compression.",
        );
        for (mode, of) in modes {
            image.sample(&[("mode", mode)], of.image_bytes);
        }
        let mut stored = out.family(
            Kind::Counter,
            "memdeck_dump_stored_bytes_total",
            "Bytes that were stored for completed dumps.",
        );
        for (mode, of) in modes {
            stored.sample(&[("mode", mode)], of.stored_bytes);
        }
        let mut records =
            out.family(Kind::Gauge, "memdeck_records", "Records in the catalog, by where they come from.");
        for (origin, count) in &figures.records {
            records.sample(&[("origin", origin)], count);
        }
        out.single(
            Kind::Gauge,
            "memdeck_stored_bytes",
            "Bytes of all stored images in the records that were not deleted.",
            figures.stored.0,
        );
        out.single(
            Kind::Gauge,
            "memdeck_guests_in_care",
            "Guests that a dump has touched and that are not known to be as they were. Stays above 0 only where libvirt \
             does not answer.",
            figures.open_intents,
        );
        out.family(Kind::Gauge, "memdeck_outbox_points", "Records whose point waits for InfluxDB.")
            .sample(&[("state", "waiting")], figures.outbox.saturating_sub(figures.outbox_deferred))
            .sample(&[("state", "deferred")], figures.outbox_deferred);
    }

    fn about_verifications(&self, out: &mut Exposition, figures: &VerificationFigures) {
        out.single(
            Kind::Gauge,
            "memdeck_images_unverified",
            "Images that were not verified since their dumps.",
            figures.never,
        );
        out.single(
            Kind::Gauge,
            "memdeck_images_damaged",
            "Images whose newest verification found damage, or could not read them.",
            figures.bad,
        );
        let oldest = figures.oldest.map_or(0, |at| self.parts.clock.now().since(at).0);
        out.single(
            Kind::Gauge,
            "memdeck_image_longest_unverified_seconds",
            "How long ago the image was verified, or else taken, that was not verified for longest; 0 without images.",
            Duration::from_millis(oldest).as_secs_f64(),
        );
    }

    fn about_requests(&self, out: &mut Exposition) {
        let routes = self.requests.by_route();
        let mut answers = out.family(
            Kind::Counter,
            "memdeck_http_requests_total",
            "Requests that were answered since the program started, by route, method and status.",
        );
        for (route, of) in &routes {
            for ((method, status), count) in &of.answers {
                let status = status.to_string();
                answers.sample(&[("route", route), ("method", method), ("status", &status)], count);
            }
        }
        out.histograms(
            "memdeck_http_request_duration_seconds",
            "Time until the head of an answer was ready, by route.",
            routes.iter().map(|(route, of)| ([("route", route.as_str())], &of.durations)),
        );
    }
}

/// Runs `work` on a thread that may hang, unless an earlier call has not come back. `None` where it takes too long.
async fn once_at_a_time<T: Send + 'static>(
    is_asked: &Arc<AtomicBool>,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    /// Ends also with a panic.
    struct Asked(Arc<AtomicBool>);

    impl Drop for Asked {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Release);
        }
    }

    if is_asked.swap(true, Ordering::AcqRel) {
        return None;
    }
    let asked = Asked(Arc::clone(is_asked));
    let work = tokio::spawn(blocking(move || {
        let _asked = asked;
        work()
    }));
    tokio::time::timeout(PATIENCE, work).await.ok()?.ok()?
}
