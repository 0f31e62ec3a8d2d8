//! What the modules of a crate name, computed from its sources: imports, paths in code and paths in macros' arguments.
//!
//! Code that only tests compile does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, ItemUse, Lit, Meta, MetaNameValue, UseTree, Visibility};

/// The root of a crate as a module of its own: what `lib.rs` or `main.rs` defines.
pub(super) const ROOT: &str = "(root)";

/// A path that a module names.
pub(super) struct Use {
    pub(super) file: PathBuf,
    /// The top module that names it.
    pub(super) from: String,
    /// The top module that it leads to; `None` for a path of another crate, or one that begins with a name in scope.
    pub(super) to: Option<String>,
    /// As it is written.
    pub(super) path: Vec<String>,
    /// A re-export of the root. The face of a crate names everything.
    pub(super) is_face: bool,
}

/// What a crate's sources name.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) uses: Vec<Use>,
    /// Features that decide whether code is compiled: the top module, the file, the feature.
    pub(super) features: Vec<(String, PathBuf, String)>,
}

impl Sources {
    /// Reads a crate by the folder of its root.
    pub(super) fn of(src: &Path) -> Self {
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
        let mut sources = Self::default();
        Reader { names: &names, sources: &mut sources, file: root, module: Vec::new(), is_face: false }
            .visit_file(&file);
        sources
    }
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
    sources: &'a mut Sources,
    file: PathBuf,
    /// The path of the module from the crate's root.
    module: Vec<String>,
    /// Inside a re-export of the root.
    is_face: bool,
}

impl Reader<'_> {
    fn top(&self) -> String {
        self.module.first().cloned().unwrap_or_else(|| ROOT.to_owned())
    }

    /// A path in the source of this module.
    fn uses(&mut self, path: &[String]) {
        let to = self.absolute(path).map(|absolute| self.names.top_module(&absolute));
        let (file, from) = (self.file.clone(), self.top());
        self.sources.uses.push(Use { file, from, to, path: path.to_vec(), is_face: self.is_face });
    }

    /// The features that a condition names, such as `all(feature = "ssr", unix)`.
    fn features_in(&mut self, condition: &str) {
        for part in condition.split("feature").skip(1) {
            let mut quoted = part.split('"');
            if quoted.next().is_some_and(|between| between.trim() == "=")
                && let Some(feature) = quoted.next()
            {
                self.sources.features.push((self.top(), self.file.clone(), feature.to_owned()));
            }
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
        let outer = std::mem::replace(&mut self.module, path);
        for attribute in &module.attrs {
            self.visit_attribute(attribute);
        }
        if let Some((_, items)) = &module.content {
            for item in items {
                self.visit_item(item);
            }
        } else {
            let file = self.file_of(module);
            let parsed = parse(&file);
            let module = self.module.clone();
            Reader { names: self.names, sources: self.sources, file, module, is_face: false }
                .visit_file(&parsed);
        }
        self.module = outer;
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
        for attribute in &import.attrs {
            self.visit_attribute(attribute);
        }
        self.is_face = self.module.is_empty() && !matches!(import.vis, Visibility::Inherited);
        imported(&import.tree, &mut Vec::new(), &mut |path, _| self.uses(path));
        self.is_face = false;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.uses(&parts);
        syn::visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(super)` and the like use nothing.
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.visit_path(attribute.path());
        let Meta::List(list) = &attribute.meta else {
            return;
        };
        if list.path.is_ident("cfg") || list.path.is_ident("cfg_attr") {
            self.features_in(&list.tokens.to_string());
        }
        for path in paths_in(&list.tokens.to_string()) {
            self.uses(&path);
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = call.tokens.to_string();
        if call.path.is_ident("cfg") {
            self.features_in(&tokens);
        }
        self.visit_path(&call.path);
        for path in paths_in(&tokens) {
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
