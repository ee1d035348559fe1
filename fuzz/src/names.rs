//! Paths of a tree: every file system can keep them, and takes no two for one.

use std::collections::{HashMap, HashSet};

use sealift::document::{Key, Value};
use sealift::tree::Clashes;

use super::feed::Feed;

/// What names are made of beside any text: all that some file system minds.
const PIECES: [&str; 34] = [
    "a",
    "A",
    "é",
    "e\u{301}",
    "É",
    "ß",
    "SS",
    "ﬁ",
    "K",
    "\u{212a}",
    "ı",
    "I",
    "İ",
    ".",
    " ",
    "..",
    "CON",
    "aux.",
    "com1",
    "LPT²",
    ".json",
    ".JSON",
    "~",
    "%",
    "/",
    "\\",
    ":",
    "_",
    "\u{202e}",
    "\u{0}",
    "0123456789abcdef",
    "long long long long ",
    "ΑΣ",
    "ς",
];

/// Names that Windows takes for devices, whatever follows a dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com1", "lpt1"];

fn text(feed: &mut Feed<'_>) -> String {
    match feed.below(8) {
        0 => feed.text(),
        1 => PIECES[feed.below(PIECES.len())].repeat(1 + feed.below(40)),
        _ => (0..feed.below(5)).map(|_| PIECES[feed.below(PIECES.len())]).collect(),
    }
}

fn key(feed: &mut Feed<'_>, depth: usize) -> Key {
    let mut parts = feed.key(1).parts().to_vec();
    if depth > 0 && feed.below(2) == 0 {
        let (kind, key) = (feed.kind(), key(feed, depth - 1));
        parts.insert(0, Value::Ref(Box::new(sealift::document::Reference { kind, key })));
    }
    if feed.below(4) > 0 {
        parts.push(Value::Text(text(feed)));
    }
    Key::new(parts).expect("scalars and references")
}

/// Any bytes, as the kinds and keys of a tree's documents.
pub fn holds(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let mut documents = Vec::new();
    let mut seen = HashSet::new();
    while !feed.is_empty() && documents.len() < 12 {
        let kind = match feed.below(16) {
            0 => text(&mut feed),
            _ => feed.kind().as_str().to_owned(),
        };
        let key = key(&mut feed, 3);
        if seen.insert((kind.clone(), key.to_text())) {
            documents.push((kind, key));
        }
    }
    let mut clashes = Clashes::default();
    documents.iter().for_each(|(kind, key)| clashes.see(kind, key));
    let mut files: HashMap<String, &Key> = HashMap::new();
    let mut folders: HashSet<String> = HashSet::new();
    for (kind, key) in &documents {
        let path = clashes.path(kind, key);
        assert!(path.len() <= 180, "{path}");
        let stem = path.strip_suffix(".json").expect("a document's file");
        for name in stem.split('/') {
            keeps(name);
        }
        folders.extend(path.match_indices('/').map(|(at, _)| like(&path[..at])));
        assert!(files.insert(like(&path), key).is_none(), "two documents in {path}");
    }
    for file in files.keys() {
        assert!(!folders.contains(file), "{file} is a folder and a file");
    }
}

/// What file systems that do not tell case apart have in common.
fn like(path: &str) -> String {
    path.to_lowercase()
}

/// Whether Windows, macOS and Linux keep a name as it is.
fn keeps(name: &str) {
    assert!(!name.is_empty() && name.len() <= 255, "{name:?}");
    assert!(!name.chars().any(|c| c.is_control() || "<>:\"/\\|?*".contains(c)), "{name:?}");
    assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    assert!(!DEVICES.contains(&stem.as_str()), "{name:?}");
}
