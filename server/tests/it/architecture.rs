//! ARCHITECTURE.md answers by path, so every path that it names is there; so do the other documents for contributors.

use std::collections::BTreeSet;
use std::path::Path;

use crate::markdown;

/// What is made by builds.
const BUILT: &str = "target/";
/// Names of files that are no source text.
const NO_SOURCES: [&str; 1] = [".sha256"];

/// Every file and folder of the repository that can be named, from its root.
fn everything(dir: &Path, root: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if matches!(name.as_str(), "target" | "node_modules" | ".git") {
            continue;
        }
        found.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        if path.is_dir() {
            everything(&path, root, found);
        }
    }
}

/// Whether text in backticks names a file or folder of the sources.
fn is_path(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_file = [".rs", ".sql", ".css", ".js", ".mjs", ".py", ".toml", ".md", ".json"];
    let is_file = is_file.iter().any(|suffix| span.ends_with(suffix) && span.len() > suffix.len());
    span.chars().all(plain)
        && !span.starts_with(['/', '.', '~'])
        && !span.starts_with(BUILT)
        && !NO_SOURCES.contains(&span)
        && (is_file || span.contains('/'))
}

/// A path may leave out what is clear from its context: `keeper.rs`, `verify/against.rs`.
fn is_there(path: &str, everything: &BTreeSet<String>) -> bool {
    let path = path.trim_end_matches('/');
    everything.iter().any(|known| {
        known.strip_suffix(path).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    })
}

/// Paths that a document names between backticks, and of them those that are not there.
fn named_and_missing(document: &str, known: &BTreeSet<String>) -> (usize, Vec<String>) {
    let text = markdown::read(document);
    let spans = text.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let named: BTreeSet<_> = spans.filter(|span| is_path(span)).collect();
    let missing = named.iter().filter(|path| !is_there(path, known));
    (named.len(), missing.map(|path| (*path).to_owned()).collect())
}

#[test]
fn every_path_that_documents_for_contributors_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut known = BTreeSet::new();
    everything(root, root, &mut known);
    for (document, at_least) in [("ARCHITECTURE.md", 50), ("CONTRIBUTING.md", 20), ("docs/README.md", 1)] {
        let (named, missing) = named_and_missing(document, &known);
        assert!(named >= at_least, "{document} names paths: {named}");
        assert!(missing.is_empty(), "{document}: {missing:?}");
    }
    assert!(!is_there("keeper/nowhere.rs", &known) && !is_there("eeper.rs", &known));
}
