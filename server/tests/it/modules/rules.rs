//! What a part of the house must never name: the last column of the table of crates in `ARCHITECTURE.md`, and pages.

use std::collections::BTreeSet;
use std::path::Path;

use super::sources::Sources;

/// A part of the house, and what it must not know.
struct Rule {
    sentence: &'static str,
    /// The folder of the crate.
    krate: &'static str,
    /// Top modules that it holds for; all if none is named.
    modules: &'static [&'static str],
    /// Paths, of other crates or of `std`: a source breaks the rule if one stands in a path that it names.
    never: &'static [&'static str],
    /// Features that decide about code elsewhere.
    features: &'static [&'static str],
}

impl Rule {
    /// Where a crate's sources break the rule.
    fn broken_in(&self, sources: &Sources) -> Vec<String> {
        let holds = |module: &str| self.modules.is_empty() || self.modules.contains(&module);
        let mut found = Vec::new();
        for used in sources.uses.iter().filter(|used| holds(&used.from)) {
            let names = |never: &&&str| {
                let never: Vec<_> = never.split("::").collect();
                used.to.is_none() && used.path.windows(never.len()).any(|part| part == never)
            };
            if let Some(never) = self.never.iter().find(names) {
                found.push(format!("{}: {} names {never}", self.sentence, used.file.display()));
            }
        }
        for (module, file, feature) in &sources.features {
            if holds(module) && self.features.contains(&feature.as_str()) {
                found.push(format!("{}: {} has code for {feature}", self.sentence, file.display()));
            }
        }
        found
    }
}

const RULES: [Rule; 11] = [
    Rule {
        sentence: "use cases know no adapter, no HTTP, no subcommand",
        krate: "crates/operations",
        modules: &[],
        never: &[
            "axum",
            "clap",
            "http",
            "hyper",
            "memdeck",
            "memdeck_agent",
            "memdeck_engine",
            "memdeck_hypervisor",
            "memdeck_image",
            "memdeck_influx",
            "memdeck_machine",
            "memdeck_telemetry",
            "reqwest",
            "rusqlite",
            "std::env",
            "std::net",
            "tower",
            "virt",
        ],
        features: &[],
    },
    Rule {
        sentence: "pages hold no server code",
        krate: "app",
        modules: &["data", "feed", "frame", "pages", "time", "ui"],
        never: &["async_trait", "axum", "leptos_axum", "memdeck_operations", "tokio"],
        features: &["ssr"],
    },
    Rule {
        sentence: "words do no I/O and know no clock",
        krate: "crates/model",
        modules: &[],
        never: &[
            "Instant::now",
            "SystemTime::now",
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
            "tokio",
        ],
        features: &[],
    },
    Rule {
        sentence: "what signs knows no images, no catalog, no network and no clock",
        krate: "crates/signing",
        modules: &[],
        never: &[
            "Instant::now",
            "SystemTime::now",
            "memdeck_catalog",
            "memdeck_image",
            "reqwest",
            "rusqlite",
            "std::net",
            "tokio",
        ],
        features: &[],
    },
    Rule {
        sentence: "images know no libvirt, no network, no catalog, nothing asynchronous",
        krate: "crates/image",
        modules: &[],
        never: &["memdeck_catalog", "memdeck_hypervisor", "reqwest", "rusqlite", "std::net", "tokio", "virt"],
        features: &[],
    },
    Rule {
        sentence: "the catalog knows no clock and no network, and takes no dumps",
        krate: "crates/catalog",
        modules: &[],
        never: &[
            "Instant::now",
            "SystemTime::now",
            "memdeck_engine",
            "memdeck_hypervisor",
            "reqwest",
            "std::net",
            "tokio",
        ],
        features: &[],
    },
    Rule {
        sentence: "the engine knows no HTTP, no configuration, no pages, and takes the time of day from its port",
        krate: "crates/engine",
        modules: &[],
        never: &["SystemTime::now", "axum", "clap", "http", "memdeck_app", "reqwest", "std::env", "std::net"],
        features: &[],
    },
    Rule {
        sentence: "telemetry knows no HTTP and no catalog",
        krate: "crates/telemetry",
        modules: &[],
        never: &["axum", "http", "hyper", "memdeck_catalog", "reqwest", "std::net"],
        features: &[],
    },
    Rule {
        sentence: "this machine as a host knows no HTTP",
        krate: "crates/machine",
        modules: &[],
        never: &["axum", "http", "hyper", "reqwest", "std::net"],
        features: &[],
    },
    Rule {
        sentence: "the client of agents takes no dumps and serves nobody",
        krate: "crates/agent",
        modules: &[],
        never: &["axum", "memdeck_engine", "memdeck_hypervisor", "memdeck_machine", "virt"],
        features: &[],
    },
    Rule {
        sentence: "HTTP translates: it knows neither the engine nor libvirt",
        krate: "server",
        modules: &["http"],
        never: &["memdeck_engine", "memdeck_hypervisor", "rusqlite", "virt"],
        features: &[],
    },
];

#[test]
fn no_part_of_the_house_names_what_it_must_not_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut broken = Vec::new();
    for rule in &RULES {
        let sources = Sources::of(&root.join(rule.krate).join("src"));
        let modules = sources.uses.iter().map(|used| used.from.as_str());
        let read: BTreeSet<_> = modules.collect();
        assert!(read.len() > 3, "{}: {read:?}", rule.sentence);
        for module in rule.modules {
            assert!(read.contains(module), "{}: no module {module}", rule.sentence);
        }
        broken.extend(rule.broken_in(&sources));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_rule_is_broken_however_a_source_names_what_it_must_not() {
    let rule = Rule {
        sentence: "use cases know no HTTP",
        krate: "",
        modules: &[],
        never: &["axum", "std::net"],
        features: &["ssr"],
    };
    for (source, is_broken) in [
        ("use crate::dumps;", false),
        ("use std::sync::Arc;", false),
        ("fn axum() {}", false),
        ("/// See [`axum::Router`].\nfn f() {}", false),
        ("#[cfg(test)] mod tests { use axum::Router; }", false),
        ("#[cfg(feature = \"csr\")] fn f() {}", false),
        ("use axum::Router;", true),
        ("use ::axum as web;", true),
        ("pub use axum::Router;", true),
        ("use {std::{fs, net::TcpStream}};", true),
        ("fn f() -> axum::Router { todo!() }", true),
        ("#[axum::debug_handler] fn f() {}", true),
        ("#[derive(axum::FromRef)] struct S;", true),
        ("fn f() { println!(\"{}\", axum::VERSION) }", true),
        ("fn f() { std::net::TcpStream::connect(\"\").unwrap(); }", true),
        ("#[cfg(feature = \"ssr\")] fn f() {}", true),
        ("#[cfg(all(unix, feature = \"ssr\"))] mod inner { }", true),
        ("fn f() -> bool { cfg!(feature = \"ssr\") }", true),
        ("#[cfg_attr(feature = \"ssr\", derive(Debug))] struct S;", true),
        ("struct S { #[cfg(feature = \"ssr\")] field: u8 }", true),
    ] {
        let dir = super::crate_of(&[("lib.rs", "mod dumps;"), ("dumps.rs", source)]);
        let found = rule.broken_in(&Sources::of(dir.path()));
        assert_eq!(!found.is_empty(), is_broken, "{source}: {found:?}");
        assert!(found.iter().all(|found| found.contains("dumps.rs")), "{found:?}");
    }
}

#[test]
fn a_rule_for_some_modules_lets_the_others_be() {
    let rule = Rule {
        sentence: "pages hold no server code",
        krate: "",
        modules: &["pages"],
        never: &["axum"],
        features: &[],
    };
    let crate_with = |api: &str, page: &str| {
        let files = [("lib.rs", "mod api; mod pages;"), ("api.rs", api), ("pages/mod.rs", "mod vms;")];
        let dir = super::crate_of(&[&files[..], &[("pages/vms.rs", page)]].concat());
        rule.broken_in(&Sources::of(dir.path()))
    };
    assert_eq!(crate_with("use axum::Router;", "use crate::api;"), Vec::<String>::new());
    assert_eq!(crate_with("", "use axum::Router;").len(), 1);
}
