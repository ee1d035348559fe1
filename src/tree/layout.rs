//! Where a document's file lies: decided by its kind and key alone, and by whom it would be mistaken for.
//!
//! Obeys `format-spec/tree-v1.md`, "Paths". Touches no file.

use std::collections::{HashMap, HashSet};

use crate::document::{Dangling, Key, Value};

use super::names::{self, MARK};

/// Bytes of a path within a tree. What would be longer lies in [`LONG`].
pub(super) const MAX_PATH_BYTES: usize = 180;
/// How deep folders nest. What would lie deeper lies in [`LONG`] too.
pub(super) const MAX_FOLDERS: usize = 64;
/// The folder of documents whose own paths would be too long.
pub(super) const LONG: &str = "_long";
/// How much of a name is shown there.
const LONG_NAME_BYTES: usize = 40;

/// A document, or the owner of one, on the way from the root to a file.
struct Node {
    /// Kind and, where the key says more than the owner, a name.
    segments: Vec<String>,
    /// Its digits.
    identity: String,
    /// The name says the digits already.
    told_apart: bool,
}

/// The name of a kind's folder. All documents of a kind share it, so its digits are the kind's own.
pub(super) fn kind_name(kind: &str) -> String {
    names::cut(names::escape(kind), || names::digits(names::hash(&[kind.as_bytes()])))
}

/// Documents by key, outermost owner first: who owns a document is the first part of its key.
fn nodes(kind: &str, key: &Key) -> Vec<Node> {
    let mut nodes = Vec::new();
    let (mut kind, mut key) = (kind.to_owned(), key.clone());
    loop {
        let identity = names::identity(&kind, &key);
        let mut segments = vec![kind_name(&kind)];
        let mut told_apart = false;
        let rest = rest(&key);
        if !rest.is_empty() {
            let name = names::escape(&joined(rest));
            told_apart = name.len() > names::MAX_NAME_BYTES;
            segments.push(names::cut(name, || identity.clone()));
        }
        nodes.push(Node { segments, identity, told_apart });
        let owner = match key.parts().first() {
            Some(Value::Ref(owner)) => (owner.kind.as_str().to_owned(), owner.key.clone()),
            Some(Value::Dangling(owner)) => match missing(owner) {
                Some(owner) => owner,
                None => break,
            },
            _ => break,
        };
        (kind, key) = owner;
    }
    nodes.reverse();
    nodes
}

/// An owner that the source did not have.
fn missing(owner: &Dangling) -> Option<(String, Key)> {
    Some((format!("?{}", owner.kind), Key::new(vec![owner.id.clone()]).ok()?))
}

/// What a key says beside the owner.
fn rest(key: &Key) -> &[Value] {
    match key.parts() {
        [Value::Ref(_) | Value::Dangling(_) | Value::Null, rest @ ..] => rest,
        parts => parts,
    }
}

fn joined(parts: &[Value]) -> String {
    parts.iter().map(label).collect::<Vec<_>>().join(", ")
}

fn label(part: &Value) -> String {
    match part {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Ref(reference) => match (rest(&reference.key), reference.key.parts().first()) {
            ([], Some(owner)) => label(owner),
            ([], None) => reference.kind.as_str().to_owned(),
            (rest, _) => joined(rest),
        },
        Value::Dangling(dangling) => format!("?{}", label(&dangling.id)),
        _ => "-".to_owned(),
    }
}

/// Names that some file system would take for one another.
#[derive(Debug, Default)]
pub struct Clashes {
    /// For each folded path the first document that wants it.
    first: HashMap<u64, u64>,
    clashing: HashSet<u64>,
}

/// Half a hash: what is taken for equal and is not costs a name its beauty, nothing else.
fn short(parts: &[&[u8]]) -> u64 {
    names::hash(parts).first_chunk().copied().map_or(0, u64::from_le_bytes)
}

fn folded(path: &str) -> u64 {
    short(&[names::fold(path).as_bytes()])
}

impl Clashes {
    /// Takes note of a document. All of a tree must be seen before the first path is asked for. Costs about 40
    /// bytes a document.
    pub fn see(&mut self, kind: &str, key: &Key) {
        let mut path = String::new();
        for node in nodes(kind, key) {
            append(&mut path, &node.segments);
            let (place, who) = (folded(&path), short(&[node.identity.as_bytes()]));
            if *self.first.entry(place).or_insert(who) != who {
                self.clashing.insert(place);
            }
        }
    }

    /// The path of a document's file, with `/` between folders.
    pub fn path(&self, kind: &str, key: &Key) -> String {
        let nodes = nodes(kind, key);
        let (mut natural, mut path) = (String::new(), String::new());
        for node in &nodes {
            append(&mut natural, &node.segments);
            append(&mut path, &node.segments);
            if !node.told_apart && self.clashing.contains(&folded(&natural)) {
                path.push(MARK);
                path.push_str(&node.identity);
            }
        }
        path.push_str(".json");
        let too_long = path.len() > MAX_PATH_BYTES || path.matches('/').count() > MAX_FOLDERS;
        if too_long { long(&nodes).unwrap_or(path) } else { path }
    }
}

fn append(path: &mut String, segments: &[String]) {
    for segment in segments {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(segment);
    }
}

/// The path of a document whose own would be too long.
fn long(nodes: &[Node]) -> Option<String> {
    let node = nodes.last()?;
    let (kind, name) = (node.segments.first()?, node.segments.last()?);
    let name = name.split(MARK).next().unwrap_or_default();
    Some(format!("{LONG}/{kind}/{}{MARK}{}.json", names::beginning(name, LONG_NAME_BYTES), node.identity))
}

/// Says whether a file may lie at a path, whatever else is in the tree: each name on the way with its digits or
/// without, and in any case, for the disk may have kept that of an earlier name.
pub(super) fn fits(path: &str, kind: &str, key: &Key) -> bool {
    let nodes = nodes(kind, key);
    let path = names::fold(path);
    if long(&nodes).is_some_and(|long| names::fold(&long) == path) {
        return true;
    }
    let Some(mut left) = path.strip_suffix(".json") else { return false };
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            let Some(below) = left.strip_prefix('/') else { return false };
            left = below;
        }
        let Some(rest) = left.strip_prefix(&names::fold(&node.segments.join("/"))) else { return false };
        left = rest;
        let suffix = left.strip_prefix(MARK).and_then(|rest| rest.strip_prefix(&node.identity));
        if let Some(rest) = suffix.filter(|_| !node.told_apart) {
            left = rest;
        }
    }
    left.is_empty()
}

/// A path without what tells a name from others that clash with it, as a hash: the same whatever else is in the tree.
pub(super) fn natural(path: &str) -> [u8; 16] {
    let folded = names::fold(path);
    let mut plain = String::with_capacity(folded.len());
    for (at, piece) in folded.split(MARK).enumerate() {
        let digits = piece.get(..16).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits {
            Some(digits) if at > 0 && !folded.starts_with(LONG) => {
                plain.push_str(piece.get(digits.len()..).unwrap_or_default())
            }
            _ => plain.push_str(piece),
        }
    }
    names::hash(&[plain.as_bytes()])
}

/// The path of a document that is mistaken for no other.
pub(super) fn expected(kind: &str, key: &Key) -> String {
    Clashes::default().path(kind, key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn documents_lie_with_their_owners() {
        for (kind, text, path) in [
            ("User", r#"["ann"]"#, "User/ann.json"),
            ("Space", r#"["Default"]"#, "Space/Default.json"),
            ("Environment", r#"["Production"]"#, "Environment/Production.json"),
            (
                "Environment",
                r#"[{"Space":["Default"]},"Production"]"#,
                "Space/Default/Environment/Production.json",
            ),
            (
                "DeploymentProcess",
                r#"[{"Project":[{"Space":["Default"]},"Web shop"]}]"#,
                "Space/Default/Project/Web shop/DeploymentProcess.json",
            ),
            ("Team", r#"[null,"Everyone"]"#, "Team/Everyone.json"),
            (
                "ScopedUserRole",
                r#"[{"Space":["A"]},{"Team":[{"Space":["A"]},"Ops"]},{"UserRole":["Reader"]}]"#,
                "Space/A/ScopedUserRole/Ops, Reader.json",
            ),
            (
                "Deployment",
                r#"[{"Release":[{"Project":["W"]},"1.0"]},{"Environment":["Prod"]},null,"2024-01-01T10:00"]"#,
                "Project/W/Release/1.0/Deployment/Prod, -, 2024-01-01T10%3A00.json",
            ),
            ("VariableSet", r#"[{"?Project":["Projects-7"]}]"#, "%3FProject/Projects-7/VariableSet.json"),
            ("Nothing", "[]", "Nothing.json"),
            // A sigma that ends a word, and so does not end the file's name.
            ("Feed", r#"["ΑΣ"]"#, "Feed/ΑΣ.json"),
            ("Extra", r#"[{"Feed":["ΟΔΟΣ"]}]"#, "Feed/ΟΔΟΣ/Extra.json"),
        ] {
            assert_eq!(expected(kind, &key(text)), path);
            assert!(fits(path, kind, &key(text)));
            assert!(fits(&path.to_uppercase(), kind, &key(text)));
            assert!(!fits(&format!("x{path}"), kind, &key(text)));
        }
    }

    #[test]
    fn names_that_are_one_to_a_file_system_are_told_apart() {
        let mut clashes = Clashes::default();
        let keys =
            [key(r#"["Web"]"#), key(r#"["WEB"]"#), key("[\"e\u{301}\"]"), key(r#"["é"]"#), key(r#"["x"]"#)];
        keys.iter().for_each(|key| clashes.see("Feed", key));
        let paths: Vec<String> = keys.iter().map(|key| clashes.path("Feed", key)).collect();
        assert_eq!(paths.last().unwrap(), "Feed/x.json");
        for (path, key) in paths.iter().zip(&keys).take(4) {
            assert!(path.contains(&format!("~{}.json", names::identity("Feed", key))), "{path}");
            assert!(fits(path, "Feed", key));
        }
        // What they own goes with them.
        let owned = key(r#"[{"Feed":["WEB"]}]"#);
        clashes.see("Extra", &owned);
        assert!(clashes.path("Extra", &owned).starts_with(paths.get(1).unwrap().trim_end_matches(".json")));
    }

    /// The digits that the specification shows.
    #[test]
    fn digits_are_those_of_the_specification() {
        let spec = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/format-spec/tree-v1.md"));
        for name in ["Web", "WEB"] {
            let file = format!("`Feed/{name}~{}.json`", names::identity("Feed", &Key::name(name)));
            assert!(spec.contains(&file), "{file}");
        }
    }

    #[test]
    fn long_paths_lie_apart() {
        let mut deep = key(r#"["x"]"#);
        for n in 0..8 {
            deep = key(&format!(r#"[{{"K":{}}},"{}"]"#, deep.to_text(), format!("{n}").repeat(70)));
        }
        let path = expected("Thing", &deep);
        assert!(path.starts_with("_long/Thing/7777") && path.len() <= MAX_PATH_BYTES, "{path}");
        assert!(fits(&path, "Thing", &deep));
    }

    /// Each folder may be short, and there may still be more of them than a reader follows.
    #[test]
    fn documents_of_many_owners_lie_apart() {
        let mut deep = key(r#"["x"]"#);
        for _ in 0..40 {
            deep = key(&format!(r#"[{{"K":{}}},"x"]"#, deep.to_text()));
        }
        let path = expected("K", &deep);
        assert!(path.starts_with("_long/K/x~"), "{path}");
        assert!(fits(&path, "K", &deep));
    }

    proptest! {
        #[test]
        fn no_two_documents_share_a_path(names in proptest::collection::vec("[aA\u{e9}e\u{301}/%.~_,: ]{0,4}|K|k.json", 2..12), owned in any::<bool>()) {
            let mut clashes = Clashes::default();
            let mut keys: Vec<(&str, Key)> = Vec::new();
            for name in &names {
                keys.push(("K", Key::name(name)));
                if owned {
                    keys.push(("K", key(&format!("[{{\"K\":{}}},\"a\"]", Key::name(name).to_text()))));
                    keys.push(("K", key(&format!("[{{\"K\":{}}}]", Key::name(name).to_text()))));
                    keys.push(("K", Key::new(vec![Value::Null, Value::from(name.as_str())]).unwrap()));
                }
            }
            keys.sort_by_key(|(kind, key)| (kind.to_owned(), key.to_text()));
            keys.dedup();
            keys.iter().for_each(|(kind, key)| clashes.see(kind, key));
            let paths: Vec<String> = keys.iter().map(|(kind, key)| clashes.path(kind, key)).collect();
            let folded: HashSet<String> = paths.iter().map(|path| names::composed(&path.to_lowercase())).collect();
            prop_assert_eq!(folded.len(), paths.len(), "{:?}", paths);
            for (path, (kind, key)) in paths.iter().zip(&keys) {
                prop_assert!(fits(path, kind, key), "{}", path);
                // No file is where a folder must be.
                for other in &paths {
                    let folder = names::fold(path) + "/";
                    prop_assert!(!names::fold(other).starts_with(&folder));
                }
            }
        }
    }
}
