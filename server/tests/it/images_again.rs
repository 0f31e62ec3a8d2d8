//! Images that are verified again by themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use memdeck_catalog::NewJob;
use memdeck_clock::Clock as _;
use memdeck_machine::ImageCare;
use memdeck_model::audit::{AuditAction, AuditFilter, AuditQuery, AuditResult};
use memdeck_model::notice::{DeliveryQuery, NewRule, NoticeKind};
use memdeck_model::{
    ActivityKind, Actor, ByteCount, DumpOptions, EndReason, Event, JobState, Verdict, Verification,
    VerificationState, VmRef,
};
use memdeck_operations::{Caller, ImageHost as _, ImageRef};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::front::{Front, Listening, is_record};
use crate::support::{self, TestApp, answer, delete, get, text, trusted};

/// Due soon by a clock that is moved by hand.
const OFTEN: ImageCare = ImageCare { every: Duration::from_millis(50), bandwidth_mibps: 0 };

/// Ends when the test does.
struct Keeping(JoinHandle<()>);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn keep(app: &TestApp, care: ImageCare) -> Keeping {
    Keeping(tokio::spawn(Arc::clone(&app.stored).keep_verified(care)))
}

fn damage(stored: &Path) {
    let mut bytes = std::fs::read(stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stored, bytes).unwrap();
}

/// The next verification that ends.
async fn ended(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Verification {
    loop {
        if let Event::Verification(told) = events.recv().await.unwrap()
            && matches!(told.state, VerificationState::Finished | VerificationState::Failed)
        {
            return *told;
        }
    }
}

/// Asks until it is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let asked = Instant::now();
    while !is_so().await {
        assert!(asked.elapsed() < Duration::from_secs(30), "it did not come to that");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_image_is_found_by_itself_and_told_everywhere() {
    let app = TestApp::start();
    let by = Caller::trusted(Actor::Page);
    let target = json!({"name": "ops", "address": {"kind": "webhook", "url": "http://127.0.0.1:1/"}});
    app.operations.add_notice_target(serde_json::from_value(target).unwrap(), &by).await.unwrap();
    app.operations.add_notice_rule(NewRule::everything("ops".parse().unwrap()), &by).await.unwrap();
    let (sound, _) = app.dumped("web-01").await;
    app.clock.advance(Duration::from_secs(1));
    let (hurt, stored) = app.dumped("db-01").await;
    damage(&stored);
    let mut events = app.stored.subscribe();
    app.clock.advance(Duration::from_mins(1));
    let _keeping = keep(&app, OFTEN);
    let (first, second) = (ended(&mut events).await, ended(&mut events).await);
    assert_eq!((first.dump_id.as_str(), first.verdict), (sound.as_str(), Some(Verdict::Intact)));
    assert_eq!((second.dump_id.as_str(), second.verdict), (hurt.as_str(), Some(Verdict::Damaged)));
    assert_eq!(second.requested_by, Some(Actor::Service));
    assert!(second.findings[0].to_string().contains("is damaged"), "{second:?}");

    // Whoever looks later is told the same, also after a restart.
    let kept = app.catalog.verification_of(&hurt.parse().unwrap()).unwrap();
    assert_eq!(kept.as_ref(), Some(&second));
    let present = app.operations.present_state(&trusted()).await;
    assert!(present.contains(&Event::Verification(Box::new(second.clone()))));
    let noted = app
        .images
        .audit()
        .list(AuditQuery { filter: AuditFilter::default(), before: None, limit: 10 })
        .await
        .unwrap();
    let verified: Vec<_> =
        noted.entries.iter().filter(|entry| entry.action == AuditAction::ImageVerified).collect();
    assert_eq!((&verified[0].actor, verified[0].result), (&Actor::Service, AuditResult::Succeeded));
    assert_eq!(verified[0].details.verdict, Some(Verdict::Damaged));
    let activity = app.operations.list_activity(&trusted()).await.unwrap();
    assert_eq!((activity[0].kind, activity[0].guest.as_str()), (ActivityKind::Damaged, "db-01"));
    until(async || {
        let told = app.operations.deliveries(DeliveryQuery::default()).await.unwrap().deliveries;
        let of_it: Vec<_> = told.iter().filter(|told| told.kind == NoticeKind::VerificationFailed).collect();
        assert!(of_it.len() < 2, "{of_it:?}");
        of_it.len() == 1 && of_it[0].text.to_string().contains(&hurt)
    })
    .await;
    let metrics = text(&app.agent, get("/metrics")).await.1;
    assert!(metrics.contains("\nmemdeck_images_damaged 1\n"), "{metrics}");
    assert!(metrics.contains("\nmemdeck_images_unverified 0\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_change_what_is_known_and_what_is_due() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let mut events = app.stored.subscribe();
    let keeping = keep(&app, OFTEN);
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(ended(&mut events).await.verdict, Some(Verdict::Intact));
    drop(keeping);
    damage(&stored);

    let next = support::stored(&app.catalog, &app.clock);
    let image = ImageRef {
        dump_id: dump_id.parse().unwrap(),
        owned: app.catalog.owned_record_of(&dump_id.parse().unwrap()).unwrap(),
    };
    let known = next.verification(image).await.unwrap();
    assert_eq!((known.state, known.verdict), (VerificationState::Finished, Some(Verdict::Intact)));
    let mut events = next.subscribe();
    let _keeping = Keeping(tokio::spawn(Arc::clone(&next).keep_verified(OFTEN)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(events.try_recv().is_err(), "it is not due: the clock stands still");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(ended(&mut events).await.verdict, Some(Verdict::Damaged));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_under_slow_verification_can_be_deleted_at_once() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(64)));
    let (dump_id, _) = app.dumped("mail-01").await;
    let mut events = app.stored.subscribe();
    let _keeping = keep(&app, ImageCare { bandwidth_mibps: 1, ..OFTEN });
    app.clock.advance(Duration::from_secs(1));
    let Event::Verification(begun) = events.recv().await.unwrap() else { panic!("another event") };
    assert_eq!(begun.state, VerificationState::Running);
    let asked = Instant::now();
    let path = format!("/api/memory-dumps/{dump_id}");
    let (status, deleted) = answer(&app.dashboard, delete(&path, r#"{"confirm": "mail-01"}"#)).await;
    assert_eq!(status, StatusCode::OK, "{deleted}");
    assert!(asked.elapsed() < Duration::from_secs(30), "it would have taken a minute");
    assert_eq!(app.catalog.verification_of(&dump_id.parse().unwrap()).unwrap(), None, "it found nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_an_image_under_slow_verification_does_not_wait_for_it() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", ByteCount::from_mib(64)));
    let (dump_id, _) = app.dumped("mail-01").await;
    let mut events = app.stored.subscribe();
    let _keeping = keep(&app, ImageCare { bandwidth_mibps: 1, ..OFTEN });
    app.clock.advance(Duration::from_secs(1));
    let Event::Verification(_) = events.recv().await.unwrap() else { panic!("another event") };
    let asked = Instant::now();
    let begun = app.images.verify(&dump_id, &Caller::trusted(Actor::Page)).await.unwrap();
    assert_eq!(begun.state, VerificationState::Running);
    assert_eq!(ended(&mut events).await.verdict, Some(Verdict::Intact));
    assert!(asked.elapsed() < Duration::from_secs(30), "it would have taken a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_gives_way_to_a_dump() {
    let app = TestApp::start();
    drop(app.dumped("web-01").await);
    let mut events = app.stored.subscribe();
    // A dump that runs for as long as this test wants: no engine takes it.
    tokio::task::block_in_place(|| app.engine.shutdown());
    let job = NewJob {
        dump_id: "d2".parse().unwrap(),
        vm: VmRef::new("elsewhere").unwrap(),
        asked_by_text: true,
        guest: None,
        requested_by: Actor::Page,
        queued_at: app.clock.now(),
        options: DumpOptions::default(),
    };
    app.catalog.enqueue(job).unwrap();
    let started = app.catalog.start_next(8, app.clock.now()).unwrap().unwrap();
    assert_eq!(started.state, JobState::Running);
    let _keeping = keep(&app, OFTEN);
    app.clock.advance(Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(events.try_recv().is_err(), "nothing is verified beside a dump");
    let reason = EndReason::LostInRestart;
    app.catalog.end(&started.dump_id, &reason, app.clock.now()).unwrap();
    assert_eq!(ended(&mut events).await.verdict, Some(Verdict::Intact));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_finds_by_itself_is_told_at_its_dashboard() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.trigger("web-01").await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!("is_record") };
    damage(Path::new(record.dump_path.as_ref().unwrap()));
    let mut told = front.kept.subscribe();
    let _keeping = keep(&agent, OFTEN);
    agent.clock.advance(Duration::from_mins(1));
    let found = ended(&mut told).await;
    assert_eq!((&found.dump_id, found.verdict), (record.dump_id.as_ref().unwrap(), Some(Verdict::Damaged)));
    assert_eq!(found.requested_by, Some(Actor::Service));
    assert_eq!(front.catalog.verification_of(&found.dump_id).unwrap().as_ref(), Some(&found));
    assert_eq!(front.catalog.verification_figures().unwrap().bad, 1);
    assert_eq!(front.catalog.images_to_decide().unwrap()[0].is_sound, Some(false));
    let activity = front.operations.list_activity(&trusted()).await.unwrap();
    assert!(activity.iter().any(|line| line.kind == ActivityKind::Damaged), "{activity:?}");
}
