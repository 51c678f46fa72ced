//! The direction of imports, read from the source itself: who may know whom, and that nobody goes in circles.
//!
//! A module is a file. What only tests compile does not count; who uses a name that a `mod.rs` re-exports uses the
//! file that defines it; and that a `mod.rs` wires together what lies below it makes no circle.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// What each part of the crate may use, besides itself.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("text", &[]),
    ("model", &["text"]),
    ("history", &["model"]),
    ("platform", &["model"]),
    ("source", &["model", "platform"]),
    ("analysis", &["history", "model", "text"]),
    ("monitor", &["analysis", "model", "source"]),
    ("remedy", &["analysis", "model", "platform", "text"]),
    ("export", &["analysis", "model", "platform", "remedy", "text"]),
    ("tui", &["analysis", "export", "history", "model", "monitor", "platform", "remedy", "source", "text"]),
    ("cli", &["analysis", "export", "model", "monitor", "platform", "remedy", "source", "text", "tui"]),
];

/// A module by its path in the crate: `["analysis", "rows"]`.
type Name = Vec<String>;

/// The modules of the crate, without those that only tests compile.
struct Crate {
    files: BTreeMap<Name, syn::File>,
    /// Names that a module re-exports, and what they stand for there.
    exports: BTreeMap<Name, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        collect(&root, &mut Vec::new(), &mut files);
        let tests: Vec<Name> = files.iter().flat_map(|(name, file)| test_modules(name, file)).collect();
        files.retain(|name, _| !tests.iter().any(|test| name.starts_with(test)));
        let exports = files.iter().map(|(name, file)| (name.clone(), re_exported(file))).collect();
        Self { files, exports }
    }

    /// Who uses whom.
    fn uses(&self) -> BTreeMap<&Name, BTreeSet<Name>> {
        let uses = self.files.iter().map(|(name, file)| {
            let mut paths = Paths::default();
            paths.visit_file(file);
            let used = paths.found.iter().filter_map(|(inline, path)| self.resolve(name, inline, path));
            (name, used.filter(|used| !used.starts_with(name)).collect())
        });
        uses.collect()
    }

    /// The file that a path leads to from inside a module, if it is one of the crate.
    fn resolve(&self, module: &Name, inline: &[String], path: &[String]) -> Option<Name> {
        let mut here: Name = module.iter().chain(inline).cloned().collect();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                here.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|first| first == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child: Name = here.iter().cloned().chain([first.to_owned()]).collect();
                self.files.get(&child)?;
            }
        }
        self.follow(here, rest)
    }

    fn follow(&self, mut here: Name, rest: &[String]) -> Option<Name> {
        for (place, segment) in rest.iter().enumerate() {
            let child: Name = here.iter().cloned().chain([segment.clone()]).collect();
            if self.files.contains_key(&child) {
                here = child;
                continue;
            }
            let stands_for = self.exports.get(&here).and_then(|names| names.get(segment));
            return match stands_for {
                Some(path) => {
                    let path: Vec<String> = path.iter().chain(&rest[place + 1..]).cloned().collect();
                    self.resolve(&here, &[], &path)
                }
                None => self.existing(here),
            };
        }
        self.existing(here)
    }

    /// The innermost file of a path: inline modules are part of theirs.
    fn existing(&self, mut here: Name) -> Option<Name> {
        while !self.files.contains_key(&here) {
            here.pop()?;
        }
        Some(here)
    }
}

fn collect(folder: &Path, name: &mut Name, files: &mut BTreeMap<Name, syn::File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            name.push(stem);
            collect(&path, name, files);
            name.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            let own = (!matches!(stem.as_str(), "mod" | "lib" | "main")).then_some(stem);
            files.insert(name.iter().cloned().chain(own).collect(), parsed);
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

fn test_modules(name: &Name, file: &syn::File) -> Vec<Name> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if is_for_tests(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.map(|module| name.iter().cloned().chain([module]).collect()).collect()
}

fn re_exported(file: &syn::File) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    for item in &file.items {
        if let Item::Use(item) = item
            && !matches!(item.vis, syn::Visibility::Inherited)
        {
            spell(&item.tree, &mut Vec::new(), &mut |alias, path| {
                names.insert(alias.to_owned(), path.to_vec());
            });
        }
    }
    names
}

/// Spells out each path of a `use` with the name it is known by.
fn spell(tree: &UseTree, before: &mut Vec<String>, found: &mut impl FnMut(&str, &[String])) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            spell(&path.tree, before, found);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let alias = before.last().cloned().unwrap_or_default();
            found(&alias, before);
        }
        UseTree::Name(name) => {
            let alias = name.ident.to_string();
            before.push(alias.clone());
            found(&alias, before);
            before.pop();
        }
        UseTree::Rename(rename) => {
            before.push(rename.ident.to_string());
            found(&rename.rename.to_string(), before);
            before.pop();
        }
        UseTree::Glob(_) => found("*", before),
        UseTree::Group(group) => group.items.iter().for_each(|tree| spell(tree, before, found)),
    }
}

/// Every path in a file, with the inline modules it stands in.
#[derive(Default)]
struct Paths {
    inline: Vec<String>,
    found: Vec<(Vec<String>, Vec<String>)>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inline.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inline.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if matches!(item.vis, syn::Visibility::Inherited) {
            let (inline, found) = (&self.inline, &mut self.found);
            spell(&item.tree, &mut Vec::new(), &mut |_, path| found.push((inline.clone(), path.to_vec())));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            self.found.push((self.inline.clone(), segments.collect()));
        }
        visit::visit_path(self, path);
    }
}

fn spelled(name: &Name) -> String {
    if name.is_empty() { "the crate's root".to_owned() } else { name.join("::") }
}

#[test]
fn each_part_uses_only_what_it_may() {
    let sources = Crate::read();
    let mut wrong = Vec::new();
    for (module, used) in sources.uses() {
        let Some(part) = module.first() else { continue };
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| name == part) else {
            wrong.push(format!("{part} has no place in MAY_USE"));
            continue;
        };
        for used in used {
            if used.first().is_none_or(|other| other != part && !allowed.contains(&other.as_str())) {
                wrong.push(format!("{} uses {}", spelled(module), spelled(&used)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = Crate::read();
    let uses = sources.uses();
    let reachable = |from: &Name| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Name> = uses.get(from).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(uses.get(next).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&Name, BTreeSet<Name>> = uses.keys().map(|name| (*name, reachable(name))).collect();
    let mut circles = BTreeSet::new();
    for (name, reached) in &reach {
        if reached.contains(*name) {
            let circle: BTreeSet<String> =
                reached.iter().filter(|other| reach[other].contains(*name)).map(spelled).collect();
            circles.insert(circle);
        }
    }
    let told: Vec<String> = circles
        .iter()
        .map(|circle| {
            let edges =
                uses.iter().filter(|(from, _)| circle.contains(&spelled(from))).flat_map(|(from, to)| {
                    let inside = to.iter().filter(|to| circle.contains(&spelled(to)));
                    inside.map(move |to| format!("  {} -> {}", spelled(from), spelled(to)))
                });
            format!("a circle of {}:\n{}", circle.len(), edges.collect::<Vec<_>>().join("\n"))
        })
        .collect();
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

/// Conditions on the system and unsafe code, in what is not only for tests.
#[derive(Default)]
struct Systems(Vec<String>);

impl<'ast> Visit<'ast> for Systems {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        let condition = list.tokens.to_string();
        let systems = ["target_os", "windows", "unix", "target_family", "target_env"];
        if list.path.is_ident("cfg") && systems.iter().any(|system| condition.contains(system)) {
            self.0.push(format!("cfg({condition})"));
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("cfg") {
            self.0.push(format!("cfg!({})", called.tokens));
        }
    }

    fn visit_expr_unsafe(&mut self, _: &'ast syn::ExprUnsafe) {
        self.0.push("unsafe".to_owned());
    }
}

#[test]
fn only_the_platform_knows_systems_and_unsafe_code() {
    let sources = Crate::read();
    let mut wrong = Vec::new();
    for (module, file) in &sources.files {
        let mut systems = Systems::default();
        systems.visit_file(file);
        if module.first().is_none_or(|part| part != "platform") {
            wrong.extend(systems.0.iter().map(|found| format!("{}: {found}", spelled(module))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_backend_of_the_platform_uses_another() {
    let sources = Crate::read();
    let backend = |name: &Name| -> Option<String> {
        let backend = name.get(1).filter(|part| ["linux", "windows", "portable"].contains(&part.as_str()))?;
        (name[0] == "platform").then(|| backend.clone())
    };
    let mut wrong = Vec::new();
    for (module, used) in sources.uses() {
        let Some(own) = backend(module) else { continue };
        let others = used.iter().filter(|used| backend(used).is_some_and(|other| other != own));
        wrong.extend(others.map(|other| format!("{} uses {}", spelled(module), spelled(other))));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The crates that draw and read keys.
const OF_THE_TERMINAL: [&str; 4] = ["crossterm", "ratatui", "ratatui_crossterm", "tui_input"];

/// Which of those crates a module uses.
fn of_the_terminal(file: &syn::File) -> BTreeSet<String> {
    let mut paths = Paths::default();
    paths.visit_file(file);
    let first = paths.found.into_iter().filter_map(|(_, path)| path.into_iter().next());
    first.filter(|name| OF_THE_TERMINAL.contains(&name.as_str())).collect()
}

fn is_in(module: &Name, path: &[&str]) -> bool {
    module.len() >= path.len() && module.iter().zip(path).all(|(one, other)| one == other)
}

#[test]
fn only_the_screen_draws_and_knows_keys() {
    let sources = Crate::read();
    let mut wrong = Vec::new();
    for (module, file) in &sources.files {
        // The platform knows what a console can do.
        if !is_in(module, &["tui"]) && !is_in(module, &["platform"]) {
            wrong.extend(of_the_terminal(file).iter().map(|used| format!("{} uses {used}", spelled(module))));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn panes_and_dialogs_know_no_pane_and_no_pane_knows_another() {
    let sources = Crate::read();
    let mut wrong = Vec::new();
    for (module, used) in sources.uses() {
        let is_component = is_in(module, &["tui", "pane"]) || is_in(module, &["tui", "dialog"]);
        // The wiring of all panes is no pane.
        if !is_component || module.len() < 3 {
            continue;
        }
        let others = used
            .iter()
            .filter(|used| is_in(used, &["tui", "pane"]) && used[..3.min(used.len())] != module[..3]);
        wrong.extend(others.map(|other| format!("{} uses {}", spelled(module), spelled(other))));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What of the screen only decides; it is drawn by others.
const NO_DRAWING: [&str; 9] =
    ["action", "arrange", "burst", "command", "keymap", "list", "range_goal", "subject", "update"];

#[test]
fn what_decides_imports_no_drawing() {
    let sources = Crate::read();
    let drawing: [&[&str]; 3] = [&["tui", "draw"], &["tui", "widget"], &["tui", "theme"]];
    let mut wrong = Vec::new();
    let mut found = BTreeSet::new();
    for (module, used) in sources.uses() {
        let Some(part) = NO_DRAWING.into_iter().find(|part| is_in(module, &["tui", part])) else { continue };
        found.insert(part);
        let draws = used.iter().filter(|used| drawing.iter().any(|drawing| is_in(used, drawing)));
        wrong.extend(draws.map(|used| format!("{} uses {}", spelled(module), spelled(used))));
        let crates = of_the_terminal(&sources.files[module]);
        let ratatui = crates.iter().filter(|name| name.starts_with("ratatui"));
        wrong.extend(ratatui.map(|used| format!("{} uses {used}", spelled(module))));
    }
    assert_eq!(found, BTreeSet::from(NO_DRAWING), "all of them are there");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether it is a part of the backend of Windows, and which.
fn of_windows(name: &Name) -> Option<&[String]> {
    name.strip_prefix(["platform".to_owned(), "windows".to_owned()].as_slice())
}

#[test]
fn on_windows_only_modules_named_ffi_have_unsafe_code() {
    let sources = Crate::read();
    let mut with_calls = 0;
    let mut wrong = Vec::new();
    for (module, file) in &sources.files {
        let Some(part) = of_windows(module) else { continue };
        let mut systems = Systems::default();
        systems.visit_file(file);
        if systems.0.iter().any(|found| found == "unsafe") {
            with_calls += 1;
            if !part.contains(&"ffi".to_owned()) {
                wrong.push(spelled(module));
            }
        }
    }
    assert!(with_calls > 0 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_format_of_windows_is_tested_on_every_system() {
    let sources = Crate::read();
    let formats: Name = ["platform", "windows", "formats"].map(str::to_owned).into();
    let mut tested = Vec::new();
    for item in &sources.files[&formats].items {
        let Item::Mod(ability) = item else { continue };
        match &ability.content {
            None => tested.push(vec![ability.ident.to_string()]),
            Some((_, items)) => tested.extend(items.iter().filter_map(|item| match item {
                Item::Mod(file) => Some(vec![ability.ident.to_string(), file.ident.to_string()]),
                _ => None,
            })),
        }
    }
    let untested = sources.files.keys().filter_map(of_windows).filter(|part| {
        part.last().is_some_and(|last| last == "format") && !tested.iter().any(|tested| tested == part)
    });
    let untested: Vec<_> = untested.map(|part| part.join("::")).collect();
    assert!(!tested.is_empty() && untested.is_empty(), "{}", untested.join("\n"));
}
