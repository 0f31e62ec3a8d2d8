//! The life of a job.

use memdeck_catalog::{CatalogError, Enqueued, NewJob};
use memdeck_model::{Actor, CaptureMode, DumpOptions, EndReason, JobState, Message, Millis, ModeChoice};

use crate::support::*;

#[test]
fn a_job_is_queued_started_and_completed_with_its_record() {
    let test = TestCatalog::new();
    let queued = test.ask("d1", "web-01");
    assert_eq!((queued.state, queued.queued_at, queued.started_at), (JobState::Queued, second(0), None));
    assert_eq!(queued.requested_by, Actor::named("operator"));

    let running = test.catalog.start_next(2, second(1)).unwrap().unwrap();
    assert_eq!((running.dump_id.as_str(), running.state), ("d1", JobState::Running));
    assert_eq!(running.started_at, Some(second(1)));

    test.catalog.identify(&id("d1"), &guest("web-01", 7)).unwrap();
    let record = record("d1", "web-01", 1);
    let seq = test.catalog.complete(&id("d1"), second(3), "Dump completed", &record).unwrap();

    let job = test.catalog.job(&id("d1")).unwrap().unwrap();
    assert_eq!((job.state, job.message), (JobState::Completed, "Dump completed".into()));
    assert_eq!(job.guest, Some(guest("web-01", 7)));
    assert_eq!(job.finished_at, Some(second(3)));
    assert_eq!(job.record, Some(record.clone()));
    assert_eq!(test.catalog.records_since(0, 10).unwrap(), [(seq, record.clone())]);
    assert_eq!(test.catalog.outbox_next(10).unwrap()[0].record, record);
}

#[test]
fn the_oldest_queued_job_starts_while_fewer_than_the_limit_run() {
    let test = TestCatalog::new();
    for (dump_id, vm) in [("d1", "a"), ("d2", "b"), ("d3", "c")] {
        test.ask(dump_id, vm);
    }
    let start = |limit| test.catalog.start_next(limit, second(1)).unwrap().map(|job| job.dump_id.to_string());
    assert_eq!(start(0), None);
    assert_eq!(start(2), Some("d1".to_owned()));
    assert_eq!(start(2), Some("d2".to_owned()));
    assert_eq!(start(2), None);
    test.catalog.end(&id("d1"), &failed("no"), second(2)).unwrap();
    assert_eq!(test.catalog.start_next(2, second(3)).unwrap().unwrap().dump_id, id("d3"));
    assert_eq!(test.catalog.start_next(9, second(3)).unwrap(), None);
    assert_eq!(ids(&test.catalog.active_jobs().unwrap()), ["d2", "d3"]);
}

#[test]
fn a_guest_with_an_active_job_gets_no_second_one() {
    let test = TestCatalog::new();
    let resolved = |dump_id: &str, text: &str, name: &str| NewJob {
        guest: Some(guest(name, 7)),
        ..new_job(dump_id, text)
    };
    accepted(test.catalog.enqueue(resolved("d1", "7", "web-01")).unwrap());

    // By UUID, whatever the request called it; by the same text where one side is not resolved.
    let by_name = test.catalog.enqueue(resolved("d2", "web-01", "web-01")).unwrap();
    assert_eq!(already_active(by_name).dump_id, id("d1"));
    assert_eq!(already_active(test.catalog.enqueue(new_job("d3", "7")).unwrap()).dump_id, id("d1"));
    assert_eq!(test.catalog.job(&id("d2")).unwrap(), None);

    // libvirt gave the id 7 to another guest meanwhile: that one is free.
    accepted(test.catalog.enqueue(resolved("d4", "7", "db-01")).unwrap());

    test.ask("d5", "mail");
    assert_eq!(
        already_active(test.catalog.enqueue(resolved("d6", "mail", "mail")).unwrap()).dump_id,
        id("d5")
    );

    assert_eq!(already_active(test.catalog.enqueue(new_job("d7", "7")).unwrap()).dump_id, id("d4"));

    // Running is active too; ended is not.
    test.catalog.start_next(1, second(1)).unwrap();
    let again = test.catalog.enqueue(resolved("d7", "web-01", "web-01")).unwrap();
    assert_eq!(already_active(again).dump_id, id("d1"));
    test.catalog.end(&id("d1"), &cancelled("operator"), second(2)).unwrap();
    accepted(test.catalog.enqueue(resolved("d8", "web-01", "web-01")).unwrap());
}

#[test]
fn what_was_asked_for_survives_a_restart() {
    let test = TestCatalog::new();
    let asked = DumpOptions {
        mode: ModeChoice::Live,
        pause_budget_ms: Some(Millis(250)),
        bandwidth_mibps: Some(40),
        case: Some("IR-2026-17".parse().unwrap()),
        note: Some("first line\nsecond line; DROP TABLE jobs".parse().unwrap()),
        accept_encrypted: true,
        difference: true,
    };
    let job = NewJob { options: asked.clone(), ..new_job("d1", "web-01") };
    assert_eq!(accepted(test.catalog.enqueue(job).unwrap()).options, asked);
    assert_eq!(test.ask("d2", "db-01").options, DumpOptions::default());

    let test = test.reopen();
    let started = test.catalog.start_next(1, second(1)).unwrap().unwrap();
    assert_eq!((started.dump_id, started.options), (id("d1"), asked));
    assert_eq!(test.catalog.job(&id("d2")).unwrap().unwrap().options, DumpOptions::default());
}

#[test]
fn each_mode_can_be_asked_for() {
    let test = TestCatalog::new();
    for mode in ModeChoice::ALL {
        let options = DumpOptions { mode, ..DumpOptions::default() };
        let job = NewJob { options, ..new_job(mode.as_str(), mode.as_str()) };
        assert_eq!(accepted(test.catalog.enqueue(job).unwrap()).options.mode, mode);
    }
}

#[test]
fn the_mode_is_decided_and_decided_again_with_its_reason() {
    let test = TestCatalog::new();
    let queued = test.ask("d1", "web-01");
    assert_eq!((queued.mode, queued.fallback), (None, None));
    test.catalog.start_next(1, second(1)).unwrap();

    let live = test.catalog.decide(&id("d1"), CaptureMode::Live, None).unwrap();
    assert_eq!((live.mode, live.fallback), (Some(CaptureMode::Live), None));
    let reason = Message::from("live did not converge within 60 s");
    let frozen = test.catalog.decide(&id("d1"), CaptureMode::Frozen, Some(&reason)).unwrap();
    assert_eq!((frozen.mode, frozen.fallback.as_ref()), (Some(CaptureMode::Frozen), Some(&reason)));

    // The record of a completed dump has a mode and a reason of its own.
    test.catalog.complete(&id("d1"), second(3), "Dump completed", &record("d1", "web-01", 1)).unwrap();
    let completed = test.reopen().catalog.job(&id("d1")).unwrap().unwrap();
    assert_eq!((completed.mode, completed.fallback.as_ref()), (Some(CaptureMode::Frozen), Some(&reason)));
    assert_eq!(completed.record, Some(record("d1", "web-01", 1)));
}

#[test]
fn the_mode_of_an_ended_or_unknown_dump_is_not_decided() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");
    test.catalog.decide(&id("d1"), CaptureMode::Live, None).unwrap();
    test.ask("d2", "db-01");
    for (dump_id, reason) in [("d1", cancelled("operator")), ("d2", failed("ended"))] {
        let state = reason.state();
        let ended = test.catalog.end(&id(dump_id), &reason, second(2)).unwrap();
        let refused =
            test.catalog.decide(&id(dump_id), CaptureMode::Frozen, Some(&"late".into())).unwrap_err();
        assert!(matches!(refused, CatalogError::AlreadyFinal { state: told, .. } if told == state));
        assert_eq!(test.catalog.job(&id(dump_id)).unwrap(), Some(ended));
    }
    test.completed("d3", "web-01", 3);
    let refused = test.catalog.decide(&id("d3"), CaptureMode::Live, None).unwrap_err();
    assert_eq!(refused.to_string(), "the dump d3 is already completed");
    let unknown = test.catalog.decide(&id("nobody"), CaptureMode::Live, None).unwrap_err();
    assert!(matches!(unknown, CatalogError::UnknownDump(dump_id) if dump_id == id("nobody")));
}

#[test]
fn a_reference_that_turns_out_to_be_a_busy_guest_is_told_which_dump_has_it() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");
    test.ask("d2", "7");
    test.catalog.identify(&id("d1"), &guest("web-01", 7)).unwrap();
    test.catalog.identify(&id("d1"), &guest("web-01", 7)).unwrap();

    let refused = test.catalog.identify(&id("d2"), &guest("web-01", 7)).unwrap_err();
    assert!(matches!(&refused, CatalogError::GuestBusy { dump_id } if dump_id.as_str() == "d1"));
    assert_eq!(refused.to_string(), "the guest is already being dumped (dump d1)");
    assert_eq!(test.catalog.job(&id("d2")).unwrap().unwrap().guest, None);

    test.catalog.end(&id("d1"), &failed("gone"), second(1)).unwrap();
    test.catalog.identify(&id("d2"), &guest("web-01", 7)).unwrap();
    let ended = test.catalog.identify(&id("d1"), &guest("web-01", 7)).unwrap_err();
    assert!(matches!(ended, CatalogError::AlreadyFinal { state: JobState::Failed, .. }));
}

#[test]
fn an_ended_job_changes_no_more() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    for reason in [failed("late"), cancelled("operator")] {
        let refused = test.catalog.end(&id("d1"), &reason, second(9)).unwrap_err();
        assert_eq!(refused.to_string(), "the dump d1 is already completed");
    }
    let refused = test.catalog.complete(&id("d1"), second(9), "twice", &record("d1", "web-01", 1));
    assert!(matches!(refused, Err(CatalogError::AlreadyFinal { state: JobState::Completed, .. })));

    test.ask("d2", "web-01");
    let ended = test.catalog.end(&id("d2"), &cancelled("operator"), second(2)).unwrap();
    assert_eq!((ended.state, ended.end_reason), (JobState::Cancelled, Some(cancelled("operator"))));
    assert_eq!((ended.started_at, ended.finished_at), (None, Some(second(2))));
    let refused = test.catalog.complete(&id("d2"), second(9), "late", &record("d2", "web-01", 1));
    assert!(matches!(refused, Err(CatalogError::AlreadyFinal { state: JobState::Cancelled, .. })));
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 1);
}

#[test]
fn misuse_is_refused_and_leaves_no_trace() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");

    let not_running =
        test.catalog.complete(&id("d1"), second(1), "", &record("d1", "web-01", 1)).unwrap_err();
    assert_eq!(not_running.to_string(), "the dump d1 is queued and cannot be completed");
    test.catalog.start_next(1, second(1)).unwrap();
    let other = test.catalog.complete(&id("d1"), second(1), "", &record("d2", "web-01", 1)).unwrap_err();
    assert!(matches!(other, CatalogError::RecordOfAnotherDump(dump_id) if dump_id == id("d1")));
    let unknown = test.catalog.end(&id("nobody"), &failed(""), second(1)).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no dump nobody");
    let twice = test.catalog.enqueue(new_job("d1", "db-01")).unwrap_err();
    assert_eq!(twice.to_string(), "the dump d1 exists already");

    assert_eq!(test.catalog.job(&id("d1")).unwrap().unwrap().state, JobState::Running);
    assert_eq!((test.catalog.stats().unwrap().total_dumps, test.catalog.outbox_len().unwrap()), (0, 0));
}

#[test]
fn a_completion_that_fails_half_way_completes_nothing() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");
    test.catalog.start_next(1, second(1)).unwrap();
    // Another service already claims that dump's name, so the record cannot be added.
    test.catalog.import("http://other:5001", &[(1, record("d1", "web-01", 1))]).unwrap();

    let refused =
        test.catalog.complete(&id("d1"), second(2), "done", &record("d1", "web-01", 1)).unwrap_err();
    assert_eq!(refused.to_string(), "the catalog could not complete a dump");
    assert_eq!(test.catalog.job(&id("d1")).unwrap().unwrap().state, JobState::Running);
    assert_eq!(test.catalog.outbox_len().unwrap(), 0);
}

#[test]
fn after_a_crash_running_jobs_are_failed_and_queued_ones_wait() {
    let test = TestCatalog::new();
    for (dump_id, vm) in [("d1", "a"), ("d2", "b"), ("d3", "c")] {
        test.ask(dump_id, vm);
    }
    test.catalog.start_next(2, second(1)).unwrap();
    test.catalog.start_next(2, second(1)).unwrap();

    let test = test.reopen();
    let interrupted = test.catalog.recover(second(5), &EndReason::LostInRestart).unwrap();
    assert_eq!(ids(&interrupted), ["d1", "d2"]);
    for job in &interrupted {
        assert_eq!((job.state, job.finished_at), (JobState::Failed, Some(second(5))));
        assert_eq!(job.end_reason, Some(EndReason::LostInRestart));
        assert_eq!(job.message, Message::new(EndReason::LostInRestart));
    }

    let test = test.reopen();
    assert_eq!(test.catalog.recover(second(6), &EndReason::LostInRestart).unwrap(), []);
    assert_eq!(ids(&test.catalog.active_jobs().unwrap()), ["d3"]);
    assert_eq!(test.catalog.start_next(1, second(7)).unwrap().unwrap().dump_id, id("d3"));
}

#[test]
fn the_newest_job_of_a_guest_is_found_by_everything_that_names_it() {
    let test = TestCatalog::new();
    let ask_at = |at, dump_id: &str, text: &str, name: &str, vmid| {
        let queued_at = second(at);
        let job = NewJob { guest: Some(guest(name, vmid)), queued_at, ..new_job(dump_id, text) };
        assert!(matches!(test.catalog.enqueue(job).unwrap(), Enqueued::Accepted(_)));
        test.catalog.end(&id(dump_id), &failed(""), second(1)).unwrap();
    };
    let ask = |dump_id: &str, text: &str, name: &str, vmid| ask_at(0, dump_id, text, name, vmid);
    ask("d1", "7", "web-01", 7);
    ask("d2", "db-01", "db-01", 8);
    ask("d3", "7", "web-01", 7);
    test.ask("d4", "8");

    let found = |text| test.catalog.newest_job_for(text).unwrap().map(|job| job.dump_id.to_string());
    assert_eq!(found("7").as_deref(), Some("d3"), "by the request's text");
    assert_eq!(found("web-01").as_deref(), Some("d3"), "by the guest's name");
    assert_eq!(found("8").as_deref(), Some("d4"), "the text comes before the libvirt id of d2");
    assert_eq!(found("nobody"), None);
    assert_eq!(found("uuid-of-web-01"), None, "that is no UUID, so it is no way to name a guest");
    let listed = |recent| {
        let named = test.catalog.newest_by_name(second(recent)).unwrap();
        named.iter().map(|(name, job)| format!("{name}: {}", job.dump_id)).collect::<Vec<_>>()
    };
    assert_eq!(listed(0), ["7: d3", "8: d4", "db-01: d2", "web-01: d3"]);
    assert_eq!(
        listed(1),
        ["8: d4", "db-01: d2", "web-01: d3"],
        "a text that was asked for long ago is no key"
    );

    ask("d5", "mail", "mail", 9);
    assert_eq!(found("9").as_deref(), Some("d5"), "by libvirt id");

    // A newer dump by another name is the newest of the guest under every name; an id goes to its last owner.
    ask_at(5, "d6", "web-01", "web-01", 7);
    assert_eq!(found("7").as_deref(), Some("d6"));
    ask_at(6, "d7", "mail", "mail", 7);
    assert_eq!(found("7").as_deref(), Some("d7"));
    assert_eq!(found("web-01").as_deref(), Some("d6"));
}

#[test]
fn a_guest_that_was_chosen_is_not_found_by_the_text_that_means_another() {
    let test = TestCatalog::new();
    let chosen = |dump_id: &str, name: &str, vmid| NewJob {
        asked_by_text: false,
        guest: Some(guest(name, vmid)),
        ..new_job(dump_id, name)
    };
    accepted(test.catalog.enqueue(new_job("d1", "2")).unwrap());
    accepted(test.catalog.enqueue(chosen("d2", "2", 9)).unwrap());
    accepted(test.catalog.enqueue(chosen("d3", "x", 2)).unwrap());
    let again = test.catalog.enqueue(new_job("d4", "2")).unwrap();
    assert_eq!(already_active(again).dump_id, id("d1"), "the one that was asked for by this text");
    let named = test.catalog.newest_by_name(second(0)).unwrap();
    let named: Vec<_> = named.iter().map(|(name, job)| (name.as_str(), job.dump_id.as_str())).collect();
    assert_eq!(named, [("2", "d1"), ("uuid-of-2", "d2"), ("x", "d3")]);
}

#[test]
fn made_up_names_are_forgotten_before_guests_are_and_records_never() {
    let test = TestCatalog::new();
    accepted(
        test.catalog
            .enqueue(NewJob { guest: Some(guest("web-01", 7)), ..new_job("real", "web-01") })
            .unwrap(),
    );
    test.catalog.start_next(1, second(0)).unwrap();
    test.catalog.complete(&id("real"), second(1), "Dump completed", &record("real", "web-01", 0)).unwrap();
    let ask_and_fail = |n: usize| {
        let dump_id = format!("made-up-{n}");
        test.ask(&dump_id, &format!("nobody-{n}"));
        test.catalog.end(&id(&dump_id), &failed("no VM"), second(1)).unwrap();
    };
    (0..605).for_each(ask_and_fail);
    let known = |n: usize| test.catalog.job(&id(&format!("made-up-{n}"))).unwrap().is_some();
    assert!(!known(0) && !known(50) && known(604));
    let named = test.catalog.newest_by_name(second(0)).unwrap();
    assert!(named.len() <= 2_000 && named.contains_key("web-01"), "{} names", named.len());
    assert!(test.catalog.job(&id("real")).unwrap().is_some());

    let months_later = NewJob { queued_at: second(100 * 24 * 60 * 60), ..new_job("late", "web-01") };
    accepted(test.catalog.enqueue(months_later).unwrap());
    for n in 0..100 {
        let at = second(100 * 24 * 60 * 60);
        accepted(
            test.catalog
                .enqueue(NewJob { queued_at: at, ..new_job(&format!("l{n}"), &format!("l{n}")) })
                .unwrap(),
        );
    }
    assert!(test.catalog.job(&id("real")).unwrap().is_none());
    assert!(test.catalog.record_of(&id("real")).unwrap().is_some());
}
