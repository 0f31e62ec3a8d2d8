//! Hunts while they run.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use memdeck_model::audit::{AuditAction, AuditResult};
use memdeck_model::{
    Actor, ByteCount, DeleteRequest, DrawnComparison, DumpId, Event, GuestPhysAddr, HuntHit, HuntProgress,
    InsideReading, Inspection, Manifest, MapView, MappedMemory, Millis, Problem, Record, Sought,
    Verification,
};
use memdeck_operations::{
    AskedPages, Caller, Described, FiguredImage, Form, HuntWatcher, ImageHost, ImageRef, Images, OpenImage,
    Operations, Parts, ReadPages, Searched, Study, Vouchers,
};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use super::{asked, awaited, entries, hunt};
use crate::support::{self, TIME_LIMIT, TestApp, audit, notify};

/// Images whose search has no end.
struct Endless {
    images: Arc<dyn ImageHost>,
    /// Whether it was ended.
    has_ended: Arc<AtomicBool>,
}

struct EndlessStudy {
    study: Arc<dyn Study>,
    has_ended: Arc<AtomicBool>,
}

impl Study for EndlessStudy {
    fn compare(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        view: MapView,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<DrawnComparison, Problem> {
        self.study.compare(first, second, view, is_stopped)
    }

    fn changed(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        asked: AskedPages,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<ReadPages, Problem> {
        self.study.changed(first, second, asked, is_stopped)
    }

    fn figures(&self, images: &[ImageRef], is_stopped: &dyn Fn() -> bool) -> Vec<FiguredImage> {
        self.study.figures(images, is_stopped)
    }

    fn page(&self, image: &ImageRef, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, Problem> {
        self.study.page(image, address)
    }

    fn mapped(&self, image: &ImageRef) -> Result<Option<MappedMemory>, Problem> {
        self.study.mapped(image)
    }

    fn check_patterns(&self, sought: &Sought) -> Result<(), Problem> {
        self.study.check_patterns(sought)
    }

    fn hunt(
        &self,
        _: &[ImageRef],
        _: &Sought,
        _: u32,
        watcher: &mut dyn HuntWatcher,
    ) -> Result<Searched, Problem> {
        watcher.begins(0);
        let now = HuntProgress { bytes_done: ByteCount(1), ..HuntProgress::default() };
        while let ControlFlow::Continue(()) = watcher.progress(now) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.has_ended.store(true, Ordering::Relaxed);
        Ok(Searched::default())
    }
}

#[async_trait]
impl ImageHost for Endless {
    async fn open(&self, image: ImageRef, form: Form) -> Result<OpenImage, Problem> {
        self.images.open(image, form).await
    }

    async fn manifest(&self, image: ImageRef) -> Result<Described<Manifest>, Problem> {
        self.images.manifest(image).await
    }

    async fn vouchers(&self, image: ImageRef) -> Result<Vouchers, Problem> {
        self.images.vouchers(image).await
    }

    async fn inspect(&self, image: ImageRef) -> Result<Described<Inspection>, Problem> {
        self.images.inspect(image).await
    }

    async fn verify(&self, image: ImageRef, by: &Actor) -> Result<Verification, Problem> {
        self.images.verify(image, by).await
    }

    async fn verification(&self, image: ImageRef) -> Result<Verification, Problem> {
        self.images.verification(image).await
    }

    fn verifications(&self) -> Vec<Verification> {
        self.images.verifications()
    }

    async fn inside(&self, image: ImageRef) -> Result<InsideReading, Problem> {
        self.images.inside(image).await
    }

    async fn read_inside(&self, image: ImageRef, by: &Actor) -> Result<InsideReading, Problem> {
        self.images.read_inside(image, by).await
    }

    async fn may_be_unsettled(&self, dump_id: &DumpId) -> Result<bool, Problem> {
        self.images.may_be_unsettled(dump_id).await
    }

    async fn delete(&self, image: ImageRef, request: DeleteRequest, by: &Actor) -> Result<Record, Problem> {
        self.images.delete(image, request, by).await
    }

    fn study(&self) -> Option<Arc<dyn Study>> {
        let (study, has_ended) = (self.images.study()?, Arc::clone(&self.has_ended));
        Some(Arc::new(EndlessStudy { study, has_ended }))
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.images.subscribe()
    }
}

/// Use cases on the same catalog whose hunts do not end by themselves, and whether one was ended.
fn endless(app: &TestApp) -> (Arc<Operations>, Arc<AtomicBool>) {
    let (images, has_ended) =
        (Arc::clone(&app.stored) as Arc<dyn ImageHost>, Arc::new(AtomicBool::new(false)));
    let here = Arc::new(Endless { images, has_ended: Arc::clone(&has_ended) });
    let operations = support::operations(Parts {
        catalog: Arc::clone(&app.catalog),
        hosts: Arc::clone(app.operations.hosts()),
        host_book: None,
        images: Arc::new(Images::new(Arc::clone(&app.catalog), audit(&app.catalog), here, None)),
        readiness: Arc::clone(app.operations.readiness()),
        telemetry: None,
        import: None,
        clock: Arc::new(app.clock.clone()),
        dump_timeout: Millis::from(TIME_LIMIT),
        notify: notify(&app.clock),
    });
    (operations, has_ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_that_runs_ends_soon_after_it_is_cancelled() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let id = asked(&app, json!({"patterns": ["abc"], "dump_ids": [dump_id]})).await;
    let (operations, _) = endless(&app);
    let running = tokio::spawn({
        let operations = Arc::clone(&operations);
        async move { operations.hunt_round().await }
    });
    awaited(&app, &id, "running").await;
    let caller = Caller::trusted(Actor::named("bob"));
    let begun = Instant::now();
    loop {
        let now = operations.hunt(&id, &caller).await.unwrap().hunt;
        if now.tally.bytes_done.0 == 1 {
            break;
        }
        assert!(begun.elapsed() < TIME_LIMIT, "how far it is is told while it runs");
    }
    let refused = operations.remove_hunt(&id, &caller).await.unwrap_err();
    assert!(refused.detail.to_string().ends_with("is running: cancel it before you remove it"), "{refused}");
    let asked = Instant::now();
    operations.cancel_hunt(&id, &caller).await.unwrap();
    assert!(running.await.unwrap().unwrap());
    assert!(asked.elapsed() < TIME_LIMIT, "{:?}", asked.elapsed());
    let ended = hunt(&app, &id).await;
    assert_eq!(ended["state"], "cancelled");
    assert_eq!(ended["reason"]["by"], json!({"kind": "named", "name": "bob"}));
    let noted = entries(&app, AuditAction::HuntEnded).await.remove(0);
    assert_eq!(noted.result, AuditResult::Cancelled);
    assert_eq!(entries(&app, AuditAction::HuntCancelled).await.remove(0).actor.to_string(), "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_whose_service_stops_ends_at_once_and_is_told_by_the_next_start() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let id = asked(&app, json!({"patterns": ["abc"], "dump_ids": [dump_id]})).await;
    let (operations, has_ended) = endless(&app);
    let keeping = tokio::spawn(async move { operations.keep_hunts().await });
    awaited(&app, &id, "running").await;
    keeping.abort();
    assert!(keeping.await.unwrap_err().is_cancelled());
    let stopped = Instant::now();
    while !has_ended.load(Ordering::Relaxed) {
        assert!(stopped.elapsed() < TIME_LIMIT, "the search goes on without anybody");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(hunt(&app, &id).await["state"], "running", "nobody has told of its end yet");
    let next = tokio::spawn({
        let operations = Arc::clone(&app.operations);
        async move { operations.keep_hunts().await }
    });
    awaited(&app, &id, "interrupted").await;
    next.abort();
}

/// Tries to delete the image that is being searched.
struct Deleting {
    runtime: Handle,
    images: Arc<Images>,
    dump_id: DumpId,
    refused: Option<Problem>,
}

impl HuntWatcher for Deleting {
    fn begins(&mut self, _: usize) {
        let request = DeleteRequest { confirm: "db-01".to_owned(), by: None };
        let caller = Caller::trusted(Actor::Api);
        let deleted = self.images.delete(self.dump_id.as_str(), request, &caller);
        self.refused = self.runtime.block_on(deleted).err();
    }

    fn hit(&mut self, _: &HuntHit) {}

    fn progress(&mut self, _: HuntProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_not_deleted_while_it_is_searched() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("db-01").await;
    let dump_id: DumpId = dump_id.parse().unwrap();
    let owned = app.catalog.owned_record_of(&dump_id).unwrap();
    let image = ImageRef { dump_id: dump_id.clone(), owned };
    let study = app.stored.study().unwrap();
    let sought = Sought { patterns: vec!["abc".to_owned()], ..Sought::default() };
    let (runtime, images) = (Handle::current(), Arc::clone(&app.images));
    let mut deleting = Deleting { runtime, images, dump_id, refused: None };
    let deleting = tokio::task::spawn_blocking(move || {
        study.hunt(&[image], &sought, 10, &mut deleting).unwrap();
        deleting
    });
    let refused = deleting.await.unwrap().refused.expect("the deletion is refused");
    assert!(refused.detail.to_string().contains("is being read"), "{refused}");
    assert!(stored.exists());
}
