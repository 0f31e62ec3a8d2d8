//! The module rule: no circle among the top modules of a crate, which are the files and folders directly in its `src`.
//!
//! What a module uses is computed from its sources: imports, paths in code and paths in macros' arguments. What a module
//! uses through a name that the crate's root re-exports, it uses from where that name is defined. Code that only tests
//! compile does not count, and neither do the re-exports of the root.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, ItemUse, Lit, Meta, MetaNameValue, UseTree, Visibility};

/// Crates without a circle among their modules.
const CRATES: [&str; 11] = [
    "app",
    "crates/agent",
    "crates/engine",
    "crates/hypervisor",
    "crates/image",
    "crates/influx",
    "crates/machine",
    "crates/model",
    "crates/operations",
    "crates/telemetry",
    "server",
];

/// The root of a crate as a module of its own: what `lib.rs` or `main.rs` defines.
const ROOT: &str = "(root)";

/// Who uses whom, and a file that says so.
type Graph = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// The graph of a crate's top modules.
fn module_graph(src: &Path) -> Graph {
    let root = ["lib.rs", "main.rs"].map(|name| src.join(name)).into_iter().find(|root| root.exists());
    let root = root.expect("a crate has a root");
    let file = parse(&root);
    let mut names = Names::default();
    for item in &file.items {
        match item {
            Item::Mod(module) if is_compiled(&module.attrs) => {
                names.modules.insert(module.ident.to_string());
            }
            Item::Use(import) => imported(&import.tree, &mut Vec::new(), &mut |path, name| {
                names.reexports.insert(name.to_owned(), path.to_vec());
            }),
            _ => {}
        }
    }
    let mut graph = Graph::new();
    Reader { names: &names, graph: &mut graph, file: root, module: Vec::new() }.visit_file(&file);
    graph
}

fn parse(path: &Path) -> syn::File {
    let text = std::fs::read_to_string(path).unwrap();
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `crate::` can be followed by.
#[derive(Default)]
struct Names {
    modules: BTreeSet<String>,
    /// Names that the root imports, and where from.
    reexports: BTreeMap<String, Vec<String>>,
}

impl Names {
    /// The top module that a path from the crate's root leads to.
    fn top_module(&self, path: &[String]) -> String {
        let mut path = path;
        // A name that is imported from itself would lead nowhere.
        for _ in 0..8 {
            match path.first() {
                Some(first) if self.modules.contains(first) => return first.clone(),
                Some(first) if matches!(first.as_str(), "crate" | "self") => path = &path[1..],
                Some(first) => match self.reexports.get(first) {
                    Some(from) => path = from,
                    None => break,
                },
                None => break,
            }
        }
        ROOT.to_owned()
    }
}

/// Every path that an import names, and the name it has from then on. Of a glob, the path it is in.
fn imported(tree: &UseTree, path: &mut Vec<String>, found: &mut impl FnMut(&[String], &str)) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            imported(&part.tree, path, found);
            path.pop();
        }
        UseTree::Name(name) => {
            path.push(name.ident.to_string());
            found(path, &name.ident.to_string());
            path.pop();
        }
        UseTree::Rename(name) => {
            path.push(name.ident.to_string());
            found(path, &name.rename.to_string());
            path.pop();
        }
        UseTree::Glob(_) => found(path, "*"),
        UseTree::Group(group) => group.items.iter().for_each(|tree| imported(tree, path, found)),
    }
}

/// Whether code with these attributes is part of the program in some build.
fn is_compiled(attributes: &[Attribute]) -> bool {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.map(|cfg| cfg.parse_args::<Meta>().unwrap()).all(|condition| holds(&condition) != Some(false))
}

/// Whether a condition holds outside of tests; `None` if that depends on the build.
fn holds(condition: &Meta) -> Option<bool> {
    let Meta::List(list) = condition else {
        return condition.path().is_ident("test").then_some(false);
    };
    let parts = list.parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated);
    let parts: Vec<_> = parts.unwrap().iter().map(holds).collect();
    if list.path.is_ident("not") {
        parts.first().copied().flatten().map(|holds| !holds)
    } else if list.path.is_ident("all") {
        parts.contains(&Some(false)).then_some(false)
    } else {
        parts.iter().all(|part| *part == Some(false)).then_some(false)
    }
}

/// Reads one file and the modules that it declares.
struct Reader<'a> {
    names: &'a Names,
    graph: &'a mut Graph,
    file: PathBuf,
    /// The path of the module from the crate's root.
    module: Vec<String>,
}

impl Reader<'_> {
    /// A path in the source of this module.
    fn uses(&mut self, path: &[String]) {
        let Some(absolute) = self.absolute(path) else { return };
        let from = self.module.first().cloned().unwrap_or_else(|| ROOT.to_owned());
        let to = self.names.top_module(&absolute);
        if from != to {
            self.graph.entry(from).or_default().entry(to).or_insert_with(|| self.file.clone());
        }
    }

    /// The path from the crate's root; `None` for one that begins with a name in scope, whose import counts, or another
    /// crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "super" => {
                let kept = self.module.len().checked_sub(ups)?;
                Some(self.module[..kept].iter().chain(&path[ups..]).cloned().collect())
            }
            "self" if path.get(1).is_some_and(|part| part == "super") => self.absolute(&path[1..]),
            "self" => Some(self.module.iter().chain(&path[1..]).cloned().collect()),
            // In the root, modules need no prefix.
            first if self.module.is_empty() && self.names.modules.contains(first) => Some(path.to_vec()),
            _ => None,
        }
    }

    /// The file of a module that this one declares.
    fn file_of(&self, module: &ItemMod) -> PathBuf {
        let dir = self.file.parent().unwrap();
        if let Some(path) = module.attrs.iter().find(|attribute| attribute.path().is_ident("path")) {
            let Meta::NameValue(MetaNameValue {
                value: Expr::Lit(ExprLit { lit: Lit::Str(path), .. }), ..
            }) = &path.meta
            else {
                panic!("{}: a path that is no text", self.file.display());
            };
            return dir.join(path.value());
        }
        let dir = match self.file.file_stem().and_then(OsStr::to_str).unwrap() {
            "lib" | "main" | "mod" => dir.to_owned(),
            stem => dir.join(stem),
        };
        let name = module.ident.to_string();
        let places = [dir.join(format!("{name}.rs")), dir.join(&name).join("mod.rs")];
        places
            .into_iter()
            .find(|place| place.exists())
            .unwrap_or_else(|| panic!("{name} of {}", self.file.display()))
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_compiled(&module.attrs) {
            return;
        }
        let mut path = self.module.clone();
        path.push(module.ident.to_string());
        if let Some((_, items)) = &module.content {
            let outer = std::mem::replace(&mut self.module, path);
            for item in items {
                self.visit_item(item);
            }
            self.module = outer;
        } else {
            let file = self.file_of(module);
            let parsed = parse(&file);
            Reader { names: self.names, graph: self.graph, file, module: path }.visit_file(&parsed);
        }
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            _ => &[],
        };
        if is_compiled(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if is_compiled(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        // The face of a crate names everything.
        if self.module.is_empty() && !matches!(import.vis, Visibility::Inherited) {
            return;
        }
        imported(&import.tree, &mut Vec::new(), &mut |path, _| self.uses(path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.uses(&parts);
        syn::visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(super)` and the like use nothing.
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        for path in paths_in(&call.tokens.to_string()) {
            self.uses(&path);
        }
    }
}

/// The paths in the text of a macro's arguments, which are no syntax before it is expanded.
fn paths_in(tokens: &str) -> Vec<Vec<String>> {
    let mut paths = vec![Vec::new()];
    let mut rest = tokens.trim_start();
    let mut goes_on = false;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if is_name(first) {
            let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            if !goes_on {
                paths.push(Vec::new());
            }
            paths.last_mut().unwrap().push(rest[..end].to_owned());
            (rest, goes_on) = (&rest[end..], false);
        } else if let Some(after) = rest.strip_prefix("::") {
            (rest, goes_on) = (after, true);
        } else {
            (rest, goes_on) = (&rest[first.len_utf8()..], false);
        }
        rest = rest.trim_start();
    }
    paths.retain(|path| path.len() > 1);
    paths
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
    let mut circles = Vec::new();
    for held in CRATES {
        let graph = module_graph(&root.join(held).join("src"));
        circles.extend(circle(&graph).map(|circle| format!("{held}: {}", in_words(&graph, &circle))));
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
