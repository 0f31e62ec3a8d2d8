//! What the parts of the page may know of each other, read from their own imports.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files of `src`, the lowest first. Each may use those before it and no others.
const LAYERS: [(&str, &[&str]); 10] = [
    ("base.rs", &[]),
    ("routes.rs", &[]),
    ("time", &[]),
    ("words", &[]),
    ("api", &["session", "words"]),
    ("shortcuts.rs", &[]),
    ("ui", &["time"]),
    ("feed", &["api", "time", "ui"]),
    ("data", &["api", "feed", "time", "ui", "words"]),
    ("frame", &["base", "feed", "routes", "session", "shortcuts", "time", "ui"]),
];

/// What pages may use. That they hold no server code is held by `server/tests/it/modules/rules.rs`.
const FOR_PAGES: [&str; 10] =
    ["api", "base", "data", "feed", "pages", "routes", "shortcuts", "time", "ui", "words"];

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let entries = fs::read_dir(under).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| sources(&path))
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The modules of the crate that a source names, but for its own.
fn used(source: &str) -> impl Iterator<Item = &str> {
    source.split("crate::").skip(1).map(|rest| {
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        name.unwrap_or_default()
    })
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn every_part_knows_only_what_is_below_it() {
    for (part, may_use) in LAYERS {
        let own = part.trim_end_matches(".rs");
        for path in sources(&src().join(part)) {
            let source = fs::read_to_string(&path).unwrap();
            for module in used(&source) {
                assert!(module == own || may_use.contains(&module), "{} uses {module}", path.display());
            }
        }
    }
}

#[test]
fn pages_use_what_is_for_them() {
    for path in sources(&src().join("pages")) {
        let source = fs::read_to_string(&path).unwrap();
        for module in used(&source) {
            assert!(FOR_PAGES.contains(&module), "{} uses {module}", path.display());
        }
    }
}
