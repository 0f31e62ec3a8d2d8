//! The dependency rule: who may use whom. `model ← catalog ← operations ← machine, agent ← server`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crates of the workspace that each crate uses in its own code: these and no others.
const USED: [(&str, &[&str]); 17] = [
    ("memdeck-model", &[]),
    ("memdeck-clock", &["memdeck-model"]),
    ("memdeck-signing", &["memdeck-model"]),
    ("memdeck-image", &["memdeck-model", "memdeck-signing"]),
    ("memdeck-study", &["memdeck-image", "memdeck-model"]),
    ("memdeck-hypervisor", &["memdeck-model"]),
    ("memdeck-catalog", &["memdeck-model"]),
    ("memdeck-influx", &["memdeck-model"]),
    (
        "memdeck-engine",
        &[
            "memdeck-catalog",
            "memdeck-clock",
            "memdeck-hypervisor",
            "memdeck-image",
            "memdeck-model",
            "memdeck-signing",
        ],
    ),
    ("memdeck-operations", &["memdeck-catalog", "memdeck-clock", "memdeck-model"]),
    ("memdeck-telemetry", &["memdeck-hypervisor", "memdeck-influx", "memdeck-model"]),
    (
        "memdeck-machine",
        &[
            "memdeck-catalog",
            "memdeck-clock",
            "memdeck-engine",
            "memdeck-hypervisor",
            "memdeck-image",
            "memdeck-influx",
            "memdeck-model",
            "memdeck-operations",
            "memdeck-signing",
            "memdeck-study",
            "memdeck-telemetry",
        ],
    ),
    ("memdeck-agent", &["memdeck-catalog", "memdeck-clock", "memdeck-model", "memdeck-operations"]),
    ("memdeck-notify", &["memdeck-model", "memdeck-operations"]),
    ("memdeck-app", &["memdeck-model"]),
    ("memdeck-frontend", &["memdeck-app"]),
    (
        "memdeck",
        &[
            "memdeck-agent",
            "memdeck-app",
            "memdeck-catalog",
            "memdeck-clock",
            "memdeck-engine",
            "memdeck-hypervisor",
            "memdeck-image",
            "memdeck-influx",
            "memdeck-machine",
            "memdeck-model",
            "memdeck-notify",
            "memdeck-operations",
            "memdeck-signing",
            "memdeck-study",
            "memdeck-telemetry",
        ],
    ),
];

/// Libraries, and the crates that hide them behind what they offer. SQLite has two: the catalog, and the store of
/// telemetry, a file of its own, because no dump may wait for telemetry.
const HIDDEN: [(&str, &[&str]); 10] = [
    ("fuser", &["memdeck-study"]),
    ("mquire", &["memdeck-study"]),
    ("lettre", &["memdeck-notify"]),
    ("openidconnect", &["memdeck"]),
    ("ring", &["memdeck-signing"]),
    ("tokio-tungstenite", &["memdeck-agent"]),
    ("virt", &["memdeck-hypervisor"]),
    ("virt-sys", &["memdeck-hypervisor"]),
    ("rusqlite", &["memdeck-catalog", "memdeck-telemetry"]),
    ("zstd", &["memdeck-image"]),
];

/// What every crate of the workspace uses, its tests left out.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().other_options(vec!["--offline".into()]).exec().unwrap();
    let of = |package: &cargo_metadata::Package| {
        let real =
            package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        real.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), of(package))).collect()
}

#[test]
fn every_crate_uses_exactly_the_crates_that_are_listed() {
    let uses = uses();
    let known: BTreeSet<_> = USED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        uses.keys().cloned().collect::<BTreeSet<_>>(),
        known,
        "a new crate needs its place in the rule"
    );
    for (name, listed) in USED {
        let ours: Vec<_> = uses[name].iter().filter(|used| known.contains(*used)).collect();
        assert_eq!(ours, listed, "{name}");
    }
}

#[test]
fn what_a_port_hides_stays_hidden() {
    for (library, keepers) in HIDDEN {
        let users: Vec<_> =
            uses().into_iter().filter(|(_, uses)| uses.contains(library)).map(|(name, _)| name).collect();
        assert_eq!(users, keepers, "{library}");
    }
}
