//! The floors of the core: `proto` below, the ports above it, `lock` on top. Imports point down
//! only, and never in a circle.
#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What the pure floor must not know: time that passes, chance, threads, waiting, the world.
const IMPURE: [&str; 12] = [
    "async ",
    ".await",
    "futures::",
    "tokio::",
    "rand::",
    "Instant",
    "SystemTime",
    "std::thread",
    "std::net",
    "std::fs",
    "std::env",
    "Mutex",
];

/// The modules of the ports, which may know `proto` and nothing else of this crate; but who looks
/// on, `observe`, is told what nodes do.
const PORTS: [&str; 4] = ["cache", "node", "random", "runtime"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Floor {
    Proto,
    Port,
    Observe,
    Lock,
}

/// The parts of a source file that the compiler reads, without its tests.
fn code(text: &str) -> String {
    let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = shipped.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The items of a list in braces, without what is in the braces inside of it.
fn listed(list: &str) -> Vec<&str> {
    let (mut depth, mut items, mut from) = (0, Vec::new(), 1);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            items.push(list[from..at].trim());
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

fn violations(floor: Floor, text: &str) -> Vec<String> {
    let code = code(text);
    let paths = code.match_indices("crate::").flat_map(|(at, _)| {
        let path = &code[at + "crate::".len()..];
        let paths = if path.starts_with('{') { listed(path) } else { vec![path] };
        let module = |path: &str| -> String {
            path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        paths.into_iter().map(module).collect::<Vec<_>>()
    });
    let allowed = |path: &str| match floor {
        Floor::Proto | Floor::Port => path == "proto",
        Floor::Observe => ["node", "proto"].contains(&path),
        Floor::Lock => true,
    };
    let mut found: Vec<String> = paths
        .filter(|path| !allowed(path))
        .map(|path| format!("imports crate::{path}, which is above it"))
        .collect();
    if floor == Floor::Proto {
        let impure = IMPURE.iter().filter(|word| code.contains(**word));
        found.extend(impure.map(|word| format!("mentions `{}`, so it is not pure", word.trim())));
    }
    found
}

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.ends_with("tests.rs") || path.ends_with("fixture.rs") {
                // Not shipped either.
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The floor of a file, or none for `lib.rs`, the table of contents.
fn floor(path: &Path) -> Option<Floor> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).unwrap().iter().next().unwrap().to_str().unwrap();
    let module = first.strip_suffix(".rs").unwrap_or(first);
    match module {
        "lib" => None,
        "proto" => Some(Floor::Proto),
        "observe" => Some(Floor::Observe),
        "lock" => Some(Floor::Lock),
        port => {
            assert!(PORTS.contains(&port), "{port} has no floor: add it to one");
            Some(Floor::Port)
        }
    }
}

#[test]
fn imports_point_down_only() {
    let mut checked = BTreeSet::new();
    for (path, text) in sources() {
        let Some(floor) = floor(&path) else { continue };
        let found = violations(floor, &text);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        checked.insert(format!("{floor:?}"));
    }
    assert_eq!(checked.len(), 4, "every floor has been checked");
}

#[test]
fn an_import_that_points_up_is_found() {
    let bad = "use crate::node::LockNode;\nuse std::time::Instant;";
    assert_eq!(violations(Floor::Proto, bad).len(), 2);
    assert_eq!(violations(Floor::Port, bad).len(), 1);
    assert_eq!(violations(Floor::Port, "use crate::Redlock;").len(), 1);
    assert_eq!(violations(Floor::Observe, "use crate::lock::Report;").len(), 1);
    assert!(violations(Floor::Observe, "use crate::node::NodeError;").is_empty());
    let listed = "use crate::{\n    node::{A, B},\n    proto::{C, lock::D},\n};";
    assert!(violations(Floor::Observe, listed).is_empty());
    assert_eq!(violations(Floor::Port, listed).len(), 1);
    let listed = "use crate::{Guard, lock::{A, B}, proto::C, runtime};\nuse crate::proto::{D, E};";
    assert_eq!(violations(Floor::Observe, listed).len(), 3);
    assert!(violations(Floor::Lock, bad).is_empty());
    assert!(violations(Floor::Port, "use crate::proto::Moment; // crate::lock").is_empty());
}

/// Which modules of a folder each of them imports. `exports` tells the module that an item of the
/// folder's own list of contents comes from.
fn imports(
    modules: &BTreeMap<String, String>,
    exports: &BTreeMap<String, String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let imports = |own: &str, text: &str| {
        let code = code(text);
        let mut names = BTreeSet::new();
        for (at, _) in code.match_indices("super::") {
            let rest = &code[at + "super::".len()..];
            let end =
                if rest.starts_with('{') { rest.find(';') } else { rest.find([':', ';', ',']) };
            let words = rest[..end.unwrap_or(0)].split(|c: char| !c.is_alphanumeric() && c != '_');
            names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
        let module = |name: &String| {
            if modules.contains_key(name) { Some(name.clone()) } else { exports.get(name).cloned() }
        };
        names.iter().filter_map(module).filter(|module| module != own).collect()
    };
    modules.iter().map(|(own, text)| (own.clone(), imports(own, text))).collect()
}

/// Takes away modules that import nothing that is left; what remains goes round in circles.
fn circles(mut imports: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let done: BTreeSet<String> = imports
            .iter()
            .filter(|(_, needs)| needs.iter().all(|need| !imports.contains_key(need)))
            .map(|(module, _)| module.clone())
            .collect();
        if done.is_empty() {
            return imports.into_keys().collect();
        }
        imports.retain(|module, _| !done.contains(module));
    }
}

#[test]
fn no_floor_imports_in_circles() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (folder, contents) in [("proto", "proto/mod.rs"), ("lock", "lock.rs")] {
        let contents = fs::read_to_string(src.join(contents)).unwrap();
        let mut exports = BTreeMap::new();
        for line in contents.split(';').filter_map(|line| line.trim().strip_prefix("pub use ")) {
            let (module, items) = line.split_once("::").unwrap();
            for item in items.split(|c: char| !c.is_alphanumeric() && c != '_') {
                exports.insert(item.to_owned(), module.to_owned());
            }
        }
        let modules: BTreeMap<String, String> = sources()
            .into_iter()
            .filter(|(path, _)| path.parent() == Some(&src.join(folder)))
            .map(|(path, text)| (path.file_stem().unwrap().to_str().unwrap().to_owned(), text))
            .filter(|(module, _)| module != "mod")
            .collect();
        let imports = imports(&modules, &exports);
        assert!(imports.values().any(|needs| !needs.is_empty()), "imports of {folder} were read");
        assert_eq!(circles(imports), Vec::<String>::new(), "in {folder}");
    }
}

#[test]
fn a_circle_is_found() {
    let module = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let modules = BTreeMap::from([
        module("a", "use super::{b::B, C};"),
        module("b", "fn f() { super::A::new(); }"),
        module("c", "use super::d::D;"),
        module("d", ""),
    ]);
    let exports = BTreeMap::from([module("A", "a"), module("C", "c")]);
    assert_eq!(circles(imports(&modules, &exports)), ["a", "b"]);
}
