//! The dependency rule: who may use whom. `model ← image ← hypervisor, catalog, influx ← engine, telemetry ← server`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Crates of the workspace that each crate may use in its own code.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("memdeck-model", &[]),
    ("memdeck-image", &["memdeck-model"]),
    ("memdeck-hypervisor", &["memdeck-model", "memdeck-image"]),
    ("memdeck-catalog", &["memdeck-model", "memdeck-image"]),
    ("memdeck-influx", &["memdeck-model", "memdeck-image"]),
    (
        "memdeck-engine",
        &["memdeck-model", "memdeck-image", "memdeck-hypervisor", "memdeck-catalog", "memdeck-influx"],
    ),
    ("memdeck-telemetry", &["memdeck-model", "memdeck-hypervisor", "memdeck-influx"]),
    ("memdeck-app", &["memdeck-model"]),
    ("memdeck-frontend", &["memdeck-app"]),
    (
        "memdeck",
        &[
            "memdeck-app",
            "memdeck-catalog",
            "memdeck-engine",
            "memdeck-hypervisor",
            "memdeck-image",
            "memdeck-influx",
            "memdeck-model",
            "memdeck-telemetry",
        ],
    ),
];

/// Libraries, and the crates that hide them behind what they offer. SQLite has two: the catalog, and the store of
/// telemetry, a file of its own, because no dump may wait for telemetry.
const HIDDEN: [(&str, &[&str]); 4] = [
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
fn every_crate_uses_only_the_crates_below_it() {
    let uses = uses();
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        uses.keys().cloned().collect::<BTreeSet<_>>(),
        known,
        "a new crate needs its place in the rule"
    );
    for (name, allowed) in ALLOWED {
        let ours = uses[name].iter().filter(|used| known.contains(*used));
        let forbidden: Vec<_> = ours.filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(forbidden.is_empty(), "{name} must not use {forbidden:?}");
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
