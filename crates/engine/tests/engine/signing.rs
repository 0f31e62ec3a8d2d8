//! Manifests are signed and chained, and no dump fails because they cannot be.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use memdeck_image::{StoredDump, check_signature, signature_of_stored};
use memdeck_model::ModeChoice::{Frozen, Live};
use memdeck_model::{Event, GuestState, JobState, SignatureCheck};
use memdeck_signing::{ChainedDump, HostChain, KeyFiles, check_links};

use crate::support::*;

fn chained(dump: StoredDump, bench: &Bench) -> ChainedDump {
    let keys = KeyFiles::of(bench.dir.path()).known().unwrap();
    ChainedDump {
        manifest: dump.manifest_path(),
        signature: signature_of_stored(&dump, &keys),
        sha256: dump.manifest_sha256,
        place: dump.manifest.host_chain,
    }
}

#[test]
fn dumps_of_several_guests_at_once_are_signed_and_make_one_chain() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let bench = Bench::with_guests(&names);
    let engine = bench.engine(6);
    let mut events = engine.subscribe();
    for (index, name) in names.iter().enumerate() {
        trigger(&engine, name, if index % 2 == 0 { Frozen } else { Live });
    }
    let mut ended = BTreeSet::new();
    while ended.len() < names.len() {
        if let Event::Dump(status) = events.blocking_recv().unwrap()
            && status.exact_state().is_final()
        {
            assert_eq!(status.exact_state(), JobState::Completed);
            ended.insert(status.dump_id);
        }
    }
    let dumps: Vec<ChainedDump> =
        bench.store().manifests().unwrap().dumps.into_iter().map(|dump| chained(dump, &bench)).collect();
    assert!(dumps.iter().all(|dump| matches!(dump.signature, SignatureCheck::Valid { .. })), "{dumps:?}");
    let end = HostChain::read(bench.dir.path()).unwrap();
    let keys = KeyFiles::of(bench.dir.path()).known().unwrap();
    let report = check_links(&dumps, end.as_ref(), &keys);
    assert!(report.whole, "{:?}", report.findings);
    assert_eq!((report.chains.len(), report.chains[0].first, report.chains[0].last), (1, 1, 6));
}

#[test]
fn a_key_or_a_chain_that_is_of_no_use_fails_no_dump() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let keys = KeyFiles::of(bench.dir.path());
    std::fs::set_permissions(keys.path(), Permissions::from_mode(0o644)).unwrap();
    std::fs::write(bench.dir.path().join("host-chain.json"), "lost").unwrap();
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    let status = end_of(&mut events, &dump_id);
    assert_eq!(status.exact_state(), JobState::Completed);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
    let message = status.message.to_string();
    for why in
        ["; not signed: ", "others can read", "; not in the chain of this host's dumps: ", "is damaged"]
    {
        assert!(message.contains(why), "{message}");
    }
    let path = status.record.unwrap().dump_path.unwrap();
    let mut report = memdeck_image::verify(Path::new(&path), &mut |_| {}).unwrap();
    check_signature(&mut report, &keys.known().unwrap());
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(matches!(report.signature, SignatureCheck::Unsigned { reason: Some(_) }));
}
