use memdeck_model::KeyId;

use super::*;

const ID: &str = "0f";

/// The SHA-256 of the manifest with that number.
fn sha256(number: u64) -> String {
    format!("{number:064x}")
}

fn key() -> KeyId {
    "0123456789abcdef".parse().unwrap()
}

fn dump(number: u64) -> ChainedDump {
    let previous = (number > 1).then(|| sha256(number - 1));
    ChainedDump {
        manifest: format!("/dumps/web_{number}.json").into(),
        sha256: sha256(number),
        place: Some(HostChainPlace { id: ID.to_owned(), number, previous }),
        signature: SignatureCheck::Valid { key: key() },
    }
}

fn end(number: u64) -> HostChain {
    let json = serde_json::json!({"id": ID, "number": number, "manifest_sha256": sha256(number)});
    serde_json::from_value(json).unwrap()
}

fn check(dumps: &[ChainedDump], end: Option<&HostChain>) -> Vec<String> {
    let report = check_links(dumps, end, &KnownKeys::default());
    assert_eq!(report.whole, report.findings.is_empty());
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_chain_is_whole_in_whatever_order_its_manifests_are_read() {
    let mut dumps: Vec<ChainedDump> = (1..=7).map(dump).collect();
    dumps.reverse();
    dumps.push(ChainedDump { place: None, signature: SignatureCheck::NotChecked, ..dump(99) });
    let report = check_links(&dumps, Some(&end(7)), &KnownKeys::default());
    assert!(report.whole, "{:?}", report.findings);
    assert_eq!((report.dumps, report.unchained, report.signed), (8, 1, 7));
    let CheckedChain { dumps, first, last, newest_sha256, end_is_known, .. } = &report.chains[0];
    assert_eq!((*dumps, *first, *last, newest_sha256, *end_is_known), (7, 1, 7, &sha256(7), true));
    assert!(check_links(&[], None, &KnownKeys::default()).whole);
}

#[test]
fn whichever_manifest_is_removed_or_exchanged_or_doubled_it_is_told() {
    for number in 1..=7 {
        let whole: Vec<ChainedDump> = (1..=7).map(dump).collect();
        let at = usize::try_from(number - 1).unwrap();
        let mut removed = whole.clone();
        removed.remove(at);
        let told = check(&removed, Some(&end(7)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            told[0],
            format!(
                "number {number} of chain 0f: no manifest is there (the SHA-256 of the last of them was {})",
                sha256(number)
            )
        );
        let mut exchanged = whole.clone();
        exchanged[at].sha256 = sha256(77);
        let told = check(&exchanged, Some(&end(7)));
        let by =
            if number == 7 { "the state directory".to_owned() } else { format!("number {}", number + 1) };
        assert_eq!(
            told,
            [format!(
                "number {number} of chain 0f: /dumps/web_{number}.json is not the manifest that was sealed: its \
                 SHA-256 is {}, but {by} says {}",
                sha256(77),
                sha256(number)
            )]
        );
        let mut doubled = whole;
        doubled.push(ChainedDump { manifest: "/dumps/copy.json".into(), ..dump(number) });
        let told = check(&doubled, Some(&end(7)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("is given to 2 manifests: "), "{told:?}");
    }
}

#[test]
fn a_chain_that_was_cut_at_its_end_is_told_by_the_state_directory_alone() {
    let dumps: Vec<ChainedDump> = (1..=5).map(dump).collect();
    assert_eq!(check(&dumps, None), [""; 0]);
    let told = check(&dumps, Some(&end(7)));
    assert!(told[0].starts_with("numbers 6 to 7 of chain 0f: no manifest is there"), "{told:?}");
    let told = check(&[], Some(&end(2)));
    assert!(told[0].starts_with("numbers 1 to 2 of chain 0f: no manifest is there"), "{told:?}");
    let told = check(&dumps, Some(&end(4)));
    assert_eq!(
        told,
        ["number 5 of chain 0f: /dumps/web_5.json was not sealed here: the newest of this host is number 4"]
    );
}

#[test]
fn a_manifest_that_names_none_or_another_than_the_one_before_it_is_told() {
    let mut dumps: Vec<ChainedDump> = (1..=3).map(dump).collect();
    dumps[2].place.as_mut().unwrap().previous = Some(sha256(1));
    assert_eq!(
        check(&dumps, None),
        ["number 3 of chain 0f: /dumps/web_3.json names number 1 as the dump before it"]
    );
    dumps[2].place.as_mut().unwrap().previous = None;
    assert_eq!(
        check(&dumps, None),
        ["number 3 of chain 0f: /dumps/web_3.json does not say which dump was before it"]
    );
    for number in [0, u64::MAX] {
        let place = HostChainPlace { id: ID.to_owned(), number, previous: None };
        let odd = ChainedDump { place: Some(place), ..dump(9) };
        assert!(!check(&[odd], Some(&end(1))).is_empty());
    }
}

#[test]
fn two_hosts_in_one_directory_are_two_chains() {
    let of_other = |number: u64| {
        let place = dump(number).place.map(|place| HostChainPlace { id: "1e".to_owned(), ..place });
        ChainedDump { place, sha256: sha256(number), ..dump(number) }
    };
    let dumps: Vec<ChainedDump> = (1..=3).map(dump).chain((1..=2).map(of_other)).collect();
    assert_eq!(check(&dumps, Some(&end(3))), [""; 0]);
    let told = check(&dumps[..4], None);
    assert_eq!(told, [""; 0], "where the end is not known nobody misses it");
}

#[test]
fn a_signature_that_does_not_vouch_for_its_manifest_breaks_the_chain() {
    let mut dumps: Vec<ChainedDump> = (1..=2).map(dump).collect();
    dumps[1].signature = SignatureCheck::Wrong;
    assert_eq!(check(&dumps, None), ["/dumps/web_2.json: signature wrong"]);
    dumps[1].signature = SignatureCheck::Unsigned { reason: None };
    assert_eq!(check(&dumps, None), [""; 0]);
    let report = check_links(&dumps, None, &KnownKeys::demanded(Vec::new()));
    assert_eq!(report.findings.len(), 1);
}
