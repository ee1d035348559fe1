//! The layers as data: which module may import which, where each crate may be used, and that every path
//! named in the documentation exists. Rules that a machine watches hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which modules of ours a module may import, and why not more.
const LAYERS: &[(&str, &[&str], &str)] = &[
    ("text", &[], "L0: what anything may show"),
    ("temporary", &[], "L0: knows no file that is put there"),
    ("document", &["text"], "L0: what everything speaks of"),
    ("crypto", &[], "L0: knows no document and no file"),
    ("progress", &[], "L0: knows nobody who reports"),
    ("model", &["text", "document"], "L0: describes documents, reads no server"),
    ("plan", &["text", "document", "model"], "L1: pure; no I/O, no secrets"),
    ("bundle", &["temporary", "document", "crypto", "progress"], "L1: a file knows no server and no model"),
    (
        "tree",
        &["temporary", "text", "document", "crypto", "progress", "model"],
        "L1: a folder knows no bundle and no server",
    ),
    ("server", &["text", "document", "crypto", "progress"], "L1: a server knows no file, no kinds, no keys"),
    (
        "vendor",
        &["text", "document", "crypto", "progress"],
        "L1: another's files; knows no server and no model",
    ),
    (
        "ops",
        &[
            "text",
            "temporary",
            "document",
            "crypto",
            "progress",
            "model",
            "plan",
            "bundle",
            "tree",
            "server",
            "vendor",
        ],
        "L2: verbs, on everything below",
    ),
    ("demo", &["document", "crypto", "progress", "model", "server"], "L2: made-up servers"),
];

/// The floors of `src/ops`: what lies in a folder (or one file) may import its own floor and these. Files right in
/// `src/ops` that have no floor of their own are the verbs above.
const FLOORS: &[(&str, &[&str])] = &[
    ("spool", &[]),
    ("translate", &[]),
    ("rules", &["translate"]),
    ("export", &["translate", "rules"]),
    ("convert", &["translate", "rules", "export"]),
    ("documents", &["translate", "export", "convert"]),
    ("import/request", &["spool", "translate"]),
    ("undo", &["translate", "rules", "import/request"]),
    ("import/work", &["spool", "translate", "import/request"]),
    ("import/resolve", &["translate", "rules", "export", "import/request", "undo"]),
    ("import/check", &["translate", "rules", "export", "import/request", "import/resolve"]),
    (
        "import/decide",
        &[
            "translate",
            "rules",
            "export",
            "import/request",
            "undo",
            "import/work",
            "import/resolve",
            "import/check",
        ],
    ),
    ("import/apply", &["translate", "import/request", "undo", "import/work", "import/resolve"]),
    (
        "import",
        &[
            "translate",
            "rules",
            "import/request",
            "undo",
            "import/work",
            "import/resolve",
            "import/decide",
            "import/apply",
        ],
    ),
    ("script", &["translate", "import/request", "import/resolve", "import/decide", "import/apply"]),
    ("combine", &["translate", "rules", "export", "documents"]),
    ("vendor", &["translate"]),
    ("verbs", &["translate", "export", "documents", "import/request", "import/decide", "import"]),
];

/// Circles of files that are left, by the files that may be in one, and why they are.
const CIRCLES: &[(&[&str], &str)] = &[
    (&["document/"], "a value may be a reference, whose key is of values: the types contain each other"),
    (
        &["model/"],
        "the rules of the model language are checked by functions that check.rs calls and lends its means",
    ),
    (&["bundle/"], "writer and reader of a bundle share its parts, and a writer continues what a reader has"),
    (
        &["server/"],
        "the contract opens the servers that implement it, and the views of a server ask each other",
    ),
    (&["crypto/"], "an envelope seals the key that seals values"),
    (&["demo/"], "the demo's parts fill what the whole hands them"),
];

/// Where a crate may be used: prefixes of paths below `src`.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("rusqlite", &["bundle/", "server/sqlite/"]),
    ("tiberius", &["server/sqlserver/"]),
    ("tokio", &["server/sqlserver/"]),
    ("zstd", &["bundle/"]),
    ("flate2", &["ops/translate/blob.rs"]),
    ("rmp_serde", &["ops/spool.rs"]),
    ("mimalloc", &["bin/"]),
    ("toml", &["model/"]),
    ("blake3", &["crypto/", "document/canonical.rs", "bundle/", "tree/names.rs", "model/check.rs"]),
    ("argon2", &["crypto/"]),
    ("chacha20poly1305", &["crypto/"]),
    ("aes", &["crypto/"]),
    ("cbc", &["crypto/"]),
    ("pbkdf2", &["crypto/"]),
    ("sha1", &["crypto/"]),
    ("getrandom", &["crypto/"]),
    ("zeroize", &["crypto/"]),
    ("base64", &["crypto/", "tree/"]),
    ("unicode_normalization", &["tree/names.rs"]),
    ("wildmatch", &["ops/import/request/choosing.rs"]),
    ("time", &["bin/"]),
    ("clap", &["bin/"]),
    ("clap_complete", &["bin/"]),
    ("clap_mangen", &["bin/"]),
    ("indicatif", &["bin/"]),
    ("console", &["bin/"]),
    ("ctrlc", &["bin/"]),
    ("anstream", &["bin/"]),
    ("anstyle", &["bin/"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The code of a file: without comments, and without the unit tests, which may use what they like.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/")
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The modules of ours that a piece of code names by `crate::…`, groups too.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, token) in code.match_indices("crate::") {
        let rest = &code[at + token.len()..];
        match rest.strip_prefix('{') {
            None => {
                found.insert(identifier(rest).to_owned());
            }
            Some(group) => {
                let mut depth = 1;
                let mut name_starts = true;
                for (position, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 1 => name_starts = true,
                        c if name_starts && depth == 1 && c.is_ascii_alphabetic() => {
                            found.insert(identifier(&group[position..]).to_owned());
                            name_starts = false;
                        }
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}

/// The modules of the library by their paths from the root (`["ops", "undo"]`), with the names of their files.
struct Library {
    modules: BTreeMap<Vec<String>, Module>,
}

struct Module {
    file: String,
    /// The paths that the code names, those of `use` and those in expressions.
    named: Vec<Vec<String>>,
    /// What `pub use` hands on, by name.
    handed_on: BTreeMap<String, Vec<String>>,
}

/// The paths of a tree of imports: `a::{b, c::{self, d}}`, with the names they get.
fn paths(tree: &str, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, group.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let (head, renamed) =
        head.split_once(" as ").map_or((head, None), |(head, name)| (head, Some(name.trim())));
    let mut path = before.to_vec();
    path.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    let Some(group) = group else {
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = renamed.map(str::to_owned).or_else(|| path.last().cloned());
        found.extend(name.map(|name| (path, name)));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let one = group[start..at].trim();
                if !one.is_empty() {
                    paths(one, &path, found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

impl Module {
    fn of(file: String, code: &str) -> Self {
        let (mut named, mut handed_on, mut rest) = (Vec::new(), BTreeMap::new(), String::new());
        let mut children = Vec::new();
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            let item = line.trim_start();
            let (public, item) = match item.strip_prefix("pub") {
                Some(after) if after.starts_with(' ') => (true, after.trim_start()),
                Some(after) if after.starts_with('(') => {
                    (true, after.split_once(") ").map_or("", |(_, item)| item))
                }
                _ => (false, item),
            };
            if let Some(child) = item.strip_prefix("mod ").and_then(|item| item.strip_suffix(';')) {
                children.push(child.to_owned());
            } else if let Some(tree) = item.strip_prefix("use ") {
                let mut tree = tree.to_owned();
                while !tree.contains(';') {
                    let Some(line) = lines.next() else { break };
                    tree.push(' ');
                    tree.push_str(line.trim());
                }
                let mut found = Vec::new();
                paths(tree.split(';').next().unwrap(), &[], &mut found);
                match public {
                    true => handed_on.extend(found.into_iter().map(|(path, name)| (name, path))),
                    false => named.extend(found.into_iter().map(|(path, _)| path)),
                }
            } else {
                let hidden = line.split_once("pub(in ").and_then(|(_, after)| after.split_once(')'));
                rest.push_str(hidden.map_or(line, |(_, item)| item));
                rest.push('\n');
            }
        }
        let starts = ["crate", "super", "self"].into_iter().chain(children.iter().map(String::as_str));
        for start in starts {
            for (at, _) in rest.match_indices(&format!("{start}::")) {
                let before = rest[..at].chars().next_back();
                if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':') {
                    let end = rest[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                    let path = &rest[at..end.map_or(rest.len(), |end| at + end)];
                    named.push(path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect());
                }
            }
        }
        Self { file, named, handed_on }
    }
}

impl Library {
    fn read() -> Self {
        let mut modules = BTreeMap::new();
        for path in files(&root().join("src"), "rs") {
            let name = relative(&path);
            if !name.starts_with("bin/") && !is_test_file(&path) {
                let module = name.strip_suffix(".rs").unwrap();
                let module = module.strip_suffix("/mod").unwrap_or(module);
                let module = module.split('/').filter(|name| *name != "lib").map(str::to_owned).collect();
                modules.insert(module, Module::of(name, &code(&path)));
            }
        }
        Self { modules }
    }

    /// The file of what a path names, seen from a module; what is handed on lies where it is defined.
    fn file_of(&self, from: &[String], path: &[String], steps: usize) -> Option<&str> {
        let mut at = from.to_vec();
        let mut path = path;
        match path.first().map(String::as_str) {
            Some("crate") => (at, path) = (Vec::new(), &path[1..]),
            Some("super" | "self") => {
                while let Some(("super" | "self", rest)) =
                    path.split_first().map(|(name, rest)| (name.as_str(), rest))
                {
                    if path[0] == "super" {
                        at.pop();
                    }
                    path = rest;
                }
            }
            Some(child) => {
                at.push(child.to_owned());
                self.modules.get(&at)?;
                path = &path[1..];
            }
            None => return None,
        }
        while let Some((name, rest)) = path.split_first() {
            let mut deeper = at.clone();
            deeper.push(name.clone());
            if !self.modules.contains_key(&deeper) {
                break;
            }
            (at, path) = (deeper, rest);
        }
        let module = self.modules.get(&at)?;
        match path.first().and_then(|name| module.handed_on.get(name)) {
            Some(handed_on) if steps < 10 => {
                let whole: Vec<String> = handed_on.iter().chain(&path[1..]).cloned().collect();
                self.file_of(&at, &whole, steps + 1).or(Some(&module.file))
            }
            _ => Some(&module.file),
        }
    }

    /// Which files each file imports.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of = |(path, module): (&Vec<String>, &'_ Module)| -> BTreeSet<&str> {
            let named = module.named.iter().filter_map(|named| self.file_of(path, named, 0));
            named.filter(|file| *file != module.file).collect()
        };
        self.modules.iter().map(|(path, module)| (module.file.as_str(), of((path, module)))).collect()
    }
}

/// A shortest way along imports from a file back to itself.
fn circle<'f>(imports: &BTreeMap<&'f str, BTreeSet<&'f str>>, file: &'f str) -> Option<Vec<&'f str>> {
    let mut ways = vec![vec![file]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in imports.get(way.last()?).into_iter().flatten() {
                if *next == file {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push(way.iter().chain([next]).copied().collect());
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let library = Library::read();
    let imports = library.imports();
    let mut left: BTreeSet<&str> = BTreeSet::new();
    for file in imports.keys() {
        let Some(circle) = circle(&imports, file) else { continue };
        let known = CIRCLES
            .iter()
            .any(|(files, _)| circle.iter().all(|one| files.iter().any(|f| one.starts_with(f))));
        assert!(known, "files of src import each other in a circle: {} -> {file}", circle.join(" -> "));
        left.extend(circle);
    }
    for (files, _) in CIRCLES {
        for file in *files {
            assert!(
                left.iter().any(|one| one.starts_with(file)),
                "no circle runs through src/{file} any more"
            );
        }
    }
}

#[test]
fn files_of_ops_import_only_the_floors_below() {
    let floor = |file: &str| {
        let file = file.strip_prefix("ops/")?;
        let lies_on =
            |floor: &&str| file.strip_prefix(*floor).is_some_and(|rest| rest.starts_with(['/', '.']));
        let floors = FLOORS.iter().map(|(floor, _)| *floor).filter(lies_on);
        Some(floors.max_by_key(|floor| floor.len()).unwrap_or("verbs"))
    };
    let library = Library::read();
    let mut seen = BTreeSet::new();
    for (file, imports) in library.imports() {
        let Some(own) = floor(file).filter(|_| file != "ops/mod.rs") else { continue };
        let (_, below) = FLOORS.iter().find(|(name, _)| *name == own).unwrap();
        for import in imports {
            let Some(other) = floor(import) else { continue };
            assert!(
                other == own || below.contains(&other),
                "src/{file}, on the floor {own}, imports src/{import}, on the floor {other}"
            );
        }
        seen.insert(own);
    }
    for (at, (floor, below)) in FLOORS.iter().enumerate() {
        assert!(seen.contains(floor), "the table names the floor {floor}, which is not there");
        let lies_below = |one: &&str| FLOORS[..at].iter().any(|(name, _)| name == one);
        assert!(below.iter().all(lies_below), "{floor} may import what does not lie below it");
    }
}

#[test]
fn modules_import_only_what_lies_below() {
    let mut seen = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        if name.starts_with("bin/") || name == "lib.rs" || is_test_file(&path) {
            continue;
        }
        let module = identifier(&name).to_owned();
        let (_, allowed, why) = LAYERS
            .iter()
            .find(|(layer, ..)| *layer == module)
            .unwrap_or_else(|| panic!("src/{name} is in no layer: add its module to the table"));
        for import in imports(&code(&path)) {
            assert!(
                import == module || allowed.contains(&import.as_str()),
                "src/{name} imports crate::{import}; {module} is {why}"
            );
        }
        seen.insert(module);
    }
    for (layer, ..) in LAYERS {
        assert!(seen.contains(*layer), "the table names {layer}, which is not there");
    }
}

#[test]
fn crates_stay_where_they_belong() {
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        if is_test_file(&path) {
            continue;
        }
        let code = code(&path);
        for (krate, places) in QUARANTINE {
            let used = code.match_indices(&format!("{krate}::")).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            let allowed = places.iter().any(|place| name.starts_with(place));
            assert!(!used || allowed, "src/{name} uses {krate}, which belongs to {places:?}");
        }
    }
}

#[test]
fn the_library_prints_nothing_and_the_binary_sees_the_public_api_only() {
    for path in files(&root().join("src"), "rs") {
        let name = relative(&path);
        let code = code(&path);
        if name.starts_with("bin/") {
            assert!(!code.contains("#[path"), "src/{name} reaches into the library");
            let raw =
                ["println!", "print!", "eprintln!", "eprint!"].iter().find(|word| code.contains(**word));
            assert_eq!(raw, None, "src/{name} prints past src/bin/sealift/ui.rs, which hides nothing");
        }
        if name.starts_with("bin/") || is_test_file(&path) {
            continue;
        }
        for word in ["println!", "print!", "eprintln!", "eprint!", "std::process::exit"] {
            assert!(!code.contains(word), "src/{name} uses {word}: the library speaks through Progress");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in files(&root().join("src"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! ") || is_test_file(&path),
            "{} does not open with a module doc",
            path.display()
        );
    }
}

/// A path in backticks that begins with one of the project's folders must be there.
#[test]
fn paths_named_in_the_documentation_exist() {
    let mut documents = files(&root().join("format-spec"), "md");
    documents.push(root().join("README.md"));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        for (index, piece) in text.split('`').enumerate() {
            let ours = ["src/", "tests/", "format-spec/", "fuzz/", ".ci/", "benches/"];
            if index % 2 == 1 && ours.iter().any(|folder| piece.starts_with(folder)) && !piece.contains(' ') {
                assert!(
                    root().join(piece).exists(),
                    "{} names {piece}, which is not there",
                    document.display()
                );
            }
        }
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    let code = "use crate::bundle::Writer;\nuse crate::{model::Kind, server::{a, b}};\ncrate::plan::x();";
    let found: Vec<String> = imports(code).into_iter().collect();
    assert_eq!(found, ["bundle", "model", "plan", "server"]);
}

#[test]
fn circles_are_found_through_groups_and_what_is_handed_on() {
    let module = |path: &str, code: &str| {
        let path: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let file = path.join("/");
        (path, Module::of(file, code))
    };
    let modules = [
        module("", "pub mod a;\npub mod b;"),
        module("a", "mod c;\npub use c::Thing;\npub(super) fn help() {}"),
        module("a/c", "use crate::{b::{self, Other}, a::help};\npub struct Thing;"),
        module("b", "pub struct Other;\nfn f(thing: &super::a::Thing) {}"),
    ];
    let library = Library { modules: modules.into_iter().collect() };
    let imports = library.imports();
    assert_eq!(circle(&imports, "b"), Some(vec!["b", "a/c"]));
    assert_eq!(circle(&imports, "a"), None, "what a module only hands on it does not import");
}
