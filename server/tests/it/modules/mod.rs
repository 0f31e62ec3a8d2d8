//! The rules about modules, held by the sources' own imports.
//!
//! No circle among the top modules of a crate, which are the files and folders directly in its `src`. What a module uses
//! through a name that the crate's root re-exports, it uses from where that name is defined. What a part of the house must
//! never name is in [`rules`].

mod rules;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::sources::{ROOT, Sources};

/// Who uses whom, and a file that says so.
type Graph = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// The graph of a crate's top modules.
fn module_graph(src: &Path) -> Graph {
    let mut graph = Graph::new();
    for used in Sources::of(src).uses {
        if let Some(to) = used.to.filter(|to| *to != used.from && !used.is_face) {
            graph.entry(used.from).or_default().entry(to).or_insert(used.file);
        }
    }
    graph
}

/// A circle in a graph, as modules that each use the next; the last uses the first.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    let mut left = graph.clone();
    // Whoever uses nobody that is left is in no circle.
    loop {
        let done: BTreeSet<_> =
            left.iter().filter(|(_, uses)| uses.keys().all(|used| !left.contains_key(used))).collect();
        let done: BTreeSet<String> = done.into_iter().map(|(name, _)| name.clone()).collect();
        if done.is_empty() {
            break;
        }
        left.retain(|name, _| !done.contains(name));
    }
    let mut seen: Vec<String> = vec![left.keys().next()?.clone()];
    loop {
        let next = left[seen.last()?].keys().find(|used| left.contains_key(*used))?;
        if let Some(first) = seen.iter().position(|name| name == next) {
            return Some(seen.split_off(first));
        }
        seen.push(next.clone());
    }
}

/// The circle in words: who uses whom, and where.
fn in_words(graph: &Graph, circle: &[String]) -> String {
    let next = circle.iter().cycle().skip(1);
    let edges = circle
        .iter()
        .zip(next)
        .map(|(from, to)| format!("{from} uses {to} in {}", graph[from][to].display()));
    edges.collect::<Vec<_>>().join(", ")
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let crates: Vec<_> = crates.chain(["app", "frontend", "server"].map(|name| root.join(name))).collect();
    assert!(crates.len() > 12, "{crates:?}");
    let mut circles = Vec::new();
    for held in crates {
        let graph = module_graph(&held.join("src"));
        circles.extend(
            circle(&graph).map(|circle| format!("{}: {}", held.display(), in_words(&graph, &circle))),
        );
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// A crate of these files.
fn crate_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// What each module uses.
fn used(graph: &Graph) -> Vec<(&str, Vec<&str>)> {
    graph.iter().map(|(from, to)| (from.as_str(), to.keys().map(String::as_str).collect())).collect()
}

#[test]
fn a_circle_is_found_whichever_way_the_modules_name_each_other() {
    let root = "mod high; mod low; pub use low::Thing; pub use high::deep::Other;";
    let high = ("high/mod.rs", "pub mod deep; use crate::Thing;");
    let deep = ("high/deep.rs", "pub struct Other;");
    for (low, is_circle) in [
        ("pub struct Thing;", false),
        ("pub struct Thing; #[cfg(test)] mod tests { use crate::high::deep::Other; }", false),
        ("pub struct Thing; #[cfg(test)] use crate::high::deep::Other;", false),
        ("pub struct Thing; mod parts { use super::Thing; }", false),
        ("pub struct Thing; use crate::high::deep::Other;", true),
        ("pub struct Thing; use crate::{high, Other};", true),
        ("pub struct Thing; use super::high::deep;", true),
        ("pub struct Thing; mod parts { use super::super::high::*; }", true),
        ("pub struct Thing; fn f() -> crate::high::deep::Other { todo!() }", true),
        ("pub struct Thing; fn f(_: &dyn Fn(crate::Other)) {}", true),
        ("pub struct Thing; fn f() { assert!(matches!(1, crate::high::ONE)); }", true),
        ("pub struct Thing; #[cfg(any(test, feature = \"more\"))] use crate::Other;", true),
        ("pub struct Thing; #[cfg(not(test))] use crate::Other;", true),
    ] {
        let dir = crate_of(&[("lib.rs", root), high, deep, ("low.rs", low)]);
        let graph = module_graph(dir.path());
        let found = circle(&graph);
        assert_eq!(found.is_some(), is_circle, "{low}: {graph:?}");
        if let Some(found) = found {
            assert_eq!(found, ["high", "low"], "{low}");
            let words = in_words(&graph, &found);
            assert!(words.contains("high uses low") && words.contains("low uses high"), "{words}");
        }
    }
}

#[test]
fn a_long_circle_is_found_and_those_that_only_lead_to_it_are_not_part_of_it() {
    let dir = crate_of(&[
        ("lib.rs", "mod a; mod b; mod c; mod d; mod e; pub use a::*; pub use e::*;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "use crate::{d, e};"),
        ("d.rs", "use crate::b;"),
        ("e.rs", ""),
    ]);
    let graph = module_graph(dir.path());
    assert_eq!(used(&graph), [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["d", "e"]), ("d", vec!["b"])]);
    assert_eq!(circle(&graph).unwrap(), ["b", "c", "d"]);
}

#[test]
fn what_the_root_defines_is_a_module_too() {
    let dir = crate_of(&[("lib.rs", "mod a; pub fn f() { a::g() }"), ("a.rs", "fn g() { crate::f() }")]);
    assert_eq!(circle(&module_graph(dir.path())).unwrap(), [ROOT, "a"]);
    let dir =
        crate_of(&[("lib.rs", "mod a; pub use a::g; pub fn f() {}"), ("a.rs", "pub fn g() { crate::f() }")]);
    assert_eq!(circle(&module_graph(dir.path())), None);
}
