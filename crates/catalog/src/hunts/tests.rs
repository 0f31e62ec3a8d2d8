use memdeck_model::audit::{AuditAction, AuditFilter, AuditObject, AuditQuery, AuditResult};
use memdeck_model::{DumpId, GuestPhysAddr, HuntHit};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_micros(1_763_110_740_000_000 + second * 1_000_000).unwrap()
}

fn id(n: u128) -> HuntId {
    HuntId::from_uuid_bits(n)
}

fn entry(action: AuditAction, n: u128) -> NewEntry {
    NewEntry::new(at(0), Actor::Api, action, AuditObject::Hunt { id: id(n) })
}

fn added(n: u128) -> AddedHunt {
    let dump = |name: &str| HuntDump {
        dump_id: name.parse().unwrap(),
        guest: GuestName("web-01".to_owned()),
        taken_at: at(-60),
        searched_bytes: None,
        hits: 0,
        problem: None,
    };
    let patterns = ["BusyBox", "OpenSSL", "sshd", "init"].map(str::to_owned).to_vec();
    AddedHunt {
        id: id(n),
        requested_by: Actor::named("ada"),
        at: at(1),
        sought: Sought { patterns, ..Sought::default() },
        limit: 5,
        dumps: vec![dump("a1"), dump("b2")],
    }
}

fn add(catalog: &Catalog, n: u128) -> Option<u32> {
    catalog.add_hunt(&added(n), &entry(AuditAction::HuntRequested, n)).unwrap()
}

fn hit(number: u32, place: u32, address: u64) -> KeptHit {
    let around = vec![0, 255];
    let address = GuestPhysAddr(address);
    KeptHit {
        number,
        place,
        hit: HuntHit { dump: 0, pattern: 1, address, bytes: 2, around_address: address, around },
    }
}

fn tally(hits: u32) -> HuntTally {
    HuntTally { bytes_done: ByteCount(5), bytes_expected: ByteCount(9), dumps_done: 1, hits }
}

fn end(n: u128, reason: Option<HuntReason>) -> HuntEnd {
    let searched =
        SearchedDump { place: 0, searched_bytes: ByteCount(7), problem: Some("it is gone".into()) };
    HuntEnd { id: id(n), at: at(9), reason, tally: tally(2), dumps: vec![searched] }
}

#[test]
fn a_hunt_is_kept_with_what_it_found_from_its_request_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!((add(&catalog, 1), add(&catalog, 2)), (None, None));
    let started = catalog.start_hunt(at(2)).unwrap().unwrap();
    assert_eq!((started.id, started.limit, started.sought), (id(1), 5, added(1).sought));
    assert_eq!(started.dumps.iter().map(DumpId::as_str).collect::<Vec<_>>(), ["a1", "b2"]);
    assert!(catalog.start_hunt(at(2)).unwrap().is_none(), "one at a time");

    catalog.keep_hits(&id(1), &[hit(1, 1, u64::MAX), hit(2, 0, 4096)], &tally(2)).unwrap();
    let page = catalog.hunt_hits(&id(1), 0, 1).unwrap().unwrap();
    assert_eq!((page.hits.len(), page.next), (1, Some(1)));
    let [first] = &page.hits[..] else { panic!() };
    assert_eq!(
        (first.dump_id.as_str(), first.address, first.pattern.as_str()),
        ("b2", GuestPhysAddr(u64::MAX), "OpenSSL")
    );
    assert_eq!(first.around, [0, 255]);
    let page = catalog.hunt_hits(&id(1), 1, 10).unwrap().unwrap();
    assert_eq!((page.hits[0].number, page.next), (2, None));

    catalog.end_hunt(&end(1, None), &[entry(AuditAction::HuntEnded, 1)]).unwrap();
    let HuntDetails { hunt, patterns, dumps } = catalog.hunt(&id(1)).unwrap().unwrap();
    assert_eq!((hunt.state, hunt.reason, hunt.tally), (HuntState::Completed, None, tally(2)));
    assert_eq!((hunt.started_at, hunt.ended_at), (Some(at(2)), Some(at(9))));
    assert_eq!((hunt.pattern_count, hunt.first_patterns.len()), (4, 3));
    assert_eq!(patterns.iter().map(|pattern| pattern.hits).collect::<Vec<_>>(), [0, 2, 0, 0]);
    assert_eq!(dumps.iter().map(|dump| dump.hits).collect::<Vec<_>>(), [1, 1]);
    assert_eq!((dumps[0].searched_bytes, dumps[1].searched_bytes), (Some(ByteCount(7)), None));
    assert!(dumps[0].problem.is_some() && dumps[1].problem.is_none());
    assert_eq!(catalog.start_hunt(at(10)).unwrap().unwrap().id, id(2), "then the next one");
    let in_order: Vec<_> =
        catalog.hunts(&Reach::Everything).unwrap().into_iter().map(|hunt| hunt.id).collect();
    assert_eq!(in_order, [id(2), id(1)]);
}

#[test]
fn a_hunt_that_ran_when_memdeck_ended_is_interrupted_and_those_that_wait_still_wait() {
    let dir = tempfile::tempdir().unwrap();
    {
        let catalog = Catalog::open(dir.path()).unwrap();
        add(&catalog, 1);
        add(&catalog, 2);
        catalog.start_hunt(at(2)).unwrap().unwrap();
        catalog.keep_hits(&id(1), &[hit(1, 0, 0)], &tally(1)).unwrap();
    }
    let catalog = Catalog::open(dir.path()).unwrap();
    assert_eq!(catalog.interrupt_hunt(at(3)).unwrap(), Some(id(1)));
    assert_eq!(catalog.interrupt_hunt(at(3)).unwrap(), None);
    let hunt = catalog.hunt(&id(1)).unwrap().unwrap().hunt;
    assert_eq!((hunt.state, hunt.reason), (HuntState::Interrupted, Some(HuntReason::ServiceStopped)));
    assert_eq!(catalog.hunt_hits(&id(1), 0, 9).unwrap().unwrap().hits.len(), 1, "what it had found stays");
    let query = AuditQuery { filter: AuditFilter::default(), before: None, limit: 9 };
    let newest = catalog.audit_page(&query).unwrap().entries.remove(0);
    assert_eq!((newest.action, newest.result), (AuditAction::HuntEnded, AuditResult::CutOff));
    // Nothing changes what has ended.
    catalog.keep_hits(&id(1), &[hit(2, 0, 0)], &tally(9)).unwrap();
    catalog.end_hunt(&end(1, None), &[]).unwrap();
    assert_eq!(catalog.hunt(&id(1)).unwrap().unwrap().hunt.state, HuntState::Interrupted);
    assert_eq!(catalog.start_hunt(at(4)).unwrap().unwrap().id, id(2));
}

#[test]
fn only_what_waits_is_cancelled_here_and_only_what_has_ended_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    add(&catalog, 1);
    add(&catalog, 2);
    catalog.start_hunt(at(2)).unwrap().unwrap();
    let cancel = |n| {
        let entry = entry(AuditAction::HuntCancelled, n);
        catalog.cancel_queued_hunt(&id(n), &Actor::Page, at(3), &entry).unwrap()
    };
    let remove = |n| catalog.remove_hunt(&id(n), &entry(AuditAction::HuntRemoved, n)).unwrap();
    assert_eq!((cancel(1), cancel(2)), (HuntChanged::Is(HuntState::Running), HuntChanged::Done));
    assert_eq!((cancel(2), cancel(3)), (HuntChanged::Is(HuntState::Cancelled), HuntChanged::Unknown));
    assert_eq!((remove(1), remove(2)), (HuntChanged::Is(HuntState::Running), HuntChanged::Done));
    assert_eq!((remove(2), catalog.hunt(&id(2)).unwrap()), (HuntChanged::Unknown, None));
    assert_eq!(catalog.hunt_hits(&id(2), 0, 9).unwrap(), None);
}

#[test]
fn only_so_many_hunts_wait_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    for n in 0..u128::from(KEPT) + 5 {
        assert_eq!(add(&catalog, n), None);
        catalog.start_hunt(at(2)).unwrap().unwrap();
        catalog.keep_hits(&id(n), &[hit(1, 0, 0)], &tally(1)).unwrap();
        catalog.end_hunt(&end(n, None), &[]).unwrap();
    }
    assert_eq!(catalog.hunts(&Reach::Everything).unwrap().len(), usize::try_from(KEPT).unwrap());
    assert_eq!(catalog.hunt_hits(&id(0), 0, 9).unwrap(), None, "its hits are forgotten with it");
    for n in 0..u128::from(MOST_QUEUED) {
        assert_eq!(add(&catalog, 1000 + n), None);
    }
    assert_eq!(add(&catalog, 5000), Some(MOST_QUEUED));
    assert_eq!(catalog.hunt(&id(5000)).unwrap(), None);
}
