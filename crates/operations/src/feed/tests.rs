use memdeck_model::ServiceHealth;

use super::*;

fn feed() -> Arc<Feed> {
    Arc::new(Feed::new())
}

fn service(error: &str) -> Event {
    Event::Service(ServiceHealth::of("local", Some(error.into())))
}

fn dump(n: u32, percent: f64) -> Event {
    let json = serde_json::json!({
        "dump_id": format!("{n:08}-0000-4000-8000-000000000000"), "vm": "web-01", "state": "running",
        "progress": percent, "message": "", "started_at": null, "finished_at": null, "dump_path": null,
        "duration_sec": null,
    });
    Event::Dump(serde_json::from_value(json).unwrap())
}

/// What is kept for `listener`; `None` if it is lost.
fn told(listener: &mut Listener) -> Option<Vec<Arc<Event>>> {
    match listener.kept() {
        None => Some(Vec::new()),
        Some(Heard::Events(events)) => Some(events.into_iter().map(|(_, event)| event).collect()),
        Some(Heard::Lost) => None,
    }
}

#[test]
fn whoever_comes_back_is_told_what_it_missed_and_nothing_twice() {
    let feed = feed();
    feed.publish(dump(1, 10.0));
    let (mut listener, resumed) = feed.listen(None);
    assert!(!resumed && told(&mut listener).unwrap().is_empty());
    feed.publish(dump(2, 20.0));
    assert_eq!(*told(&mut listener).unwrap()[0], dump(2, 20.0));
    let left_at: Position = listener.position().to_string().parse().unwrap();
    drop(listener);

    feed.publish(dump(3, 30.0));
    feed.publish(dump(4, 40.0));
    let (mut listener, resumed) = feed.listen(Some(left_at));
    assert!(resumed);
    let missed = told(&mut listener).unwrap();
    assert_eq!(missed.iter().map(|event| &**event).collect::<Vec<_>>(), [&dump(3, 30.0), &dump(4, 40.0)]);
    assert!(told(&mut listener).unwrap().is_empty());
}

#[test]
fn of_what_only_the_newest_matters_only_the_newest_is_told_again() {
    let feed = feed();
    let (mut listener, _) = feed.listen(None);
    for percent in [10.0, 20.0, 30.0] {
        feed.publish(dump(1, percent));
        feed.publish(service(&format!("{percent}")));
    }
    feed.publish(dump(2, 5.0));
    let told = told(&mut listener).unwrap();
    assert_eq!(
        told.iter().map(|event| &**event).collect::<Vec<_>>(),
        [&dump(1, 30.0), &service("30"), &dump(2, 5.0)]
    );
}

#[test]
fn guests_are_told_with_the_cpu_time_they_have_and_not_because_of_it() {
    let guest = |cpu_time_ns, state: &str| {
        let json = serde_json::json!({
            "id": 1, "name": "web-01", "uuid": "11051664", "state": state, "vcpus": 1, "memory_max": 1024,
            "memory": 1024, "cpu_time_ns": cpu_time_ns,
        });
        serde_json::from_value::<Guest>(json).unwrap()
    };
    let feed = feed();
    let (mut listener, _) = feed.listen(None);
    for (cpu_time_ns, state) in [(10, "running"), (20, "running"), (30, "paused")] {
        feed.publish_if_news(Event::Guests(vec![guest(cpu_time_ns, state)]));
    }
    let news = told(&mut listener).unwrap();
    let paused = Event::Guests(vec![guest(30, "paused")]);
    assert_eq!(news.iter().map(|event| &**event).collect::<Vec<_>>(), [&paused]);
    feed.publish_if_news(Event::Guests(vec![guest(40, "paused")]));
    assert!(told(&mut listener).unwrap().is_empty());
}

#[test]
fn rows_of_others_that_are_read_again_are_not_told() {
    let feed = feed();
    let (mut listener, _) = feed.listen(None);
    let complete = ForeignImport { is_complete: true, rows_read: 2, ..ForeignImport::default() };
    feed.publish_if_news(Event::Import(complete.clone()));
    assert_eq!(*told(&mut listener).unwrap()[0], Event::Import(complete.clone()));
    feed.publish_if_news(Event::Import(ForeignImport { rows_read: 4, ..complete.clone() }));
    assert!(told(&mut listener).unwrap().is_empty());
    let more = Event::Import(ForeignImport { rows_read: 7, records_added: 1, ..complete });
    feed.publish_if_news(more.clone());
    assert_eq!(*told(&mut listener).unwrap()[0], more);
}

#[test]
fn what_is_not_kept_any_more_is_told_as_lost() {
    let feed = feed();
    let (mut slow, _) = feed.listen(None);
    let long_ago = slow.position();
    feed.publish(dump(0, 1.0));
    let (still_known, _) = feed.listen(None);
    let still_known = still_known.position();
    for n in 1..=u32::try_from(KEPT).unwrap() {
        feed.publish(dump(n, 1.0));
    }
    assert!(!feed.listen(Some(long_ago)).1);
    assert!(feed.listen(Some(still_known)).1);
    assert_eq!(told(&mut slow), None);
    assert_eq!(told(&mut slow), Some(Vec::new()), "and then it goes on from the newest");
}

#[test]
fn a_gap_is_a_loss_for_everybody_who_listens_or_comes_back() {
    let feed = feed();
    feed.publish(dump(1, 1.0));
    let (mut listener, _) = feed.listen(None);
    let before = listener.position();
    feed.mark_gap();
    feed.publish(dump(2, 1.0));
    assert_eq!(told(&mut listener), None);
    assert!(!feed.listen(Some(before)).1);
    assert!(feed.listen(Some(listener.position())).1);
}

#[test]
fn positions_of_another_process_and_of_the_future_are_not_known() {
    let (feed, other) = (feed(), feed());
    other.publish(dump(1, 1.0));
    let theirs = other.listen(None).0.position();
    feed.publish(dump(1, 1.0));
    assert!(!feed.listen(Some(theirs)).1);
    let future = Position { epoch: feed.epoch, id: 2 };
    assert!(!feed.listen(Some(future)).1);
    for nonsense in ["", "7", "x-1", "0-", "-", "0-1-2", "1234-99999999999999999999999"] {
        assert!(nonsense.parse::<Position>().is_err(), "{nonsense:?}");
    }
}
