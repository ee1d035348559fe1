//! Folders from elsewhere: what is taken comes back as it was, and what a bundle holds survives as files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sealift::bundle::{Header, Limits, Protection, Reason, UncheckedBundle, Writer, WriterOptions};
use sealift::crypto::{Envelope, KdfParams, Password};
use sealift::document::{Dangling, Document, Key, KindName, Map, Reference, SecretId, Value};
use sealift::model::Model;
use sealift::ops::{self, ConvertError};
use sealift::progress::Silent;
use sealift::tree::{About, Clashes, Replace, ScriptMode, Tree, TreeCoverage, TreeError};

use super::feed::Feed;

/// The kinds that a feed makes, one of them with scripts, secrets and sets.
const MODEL: &str = r#"
format = 1
name = "m"
title = "M"
cipher = "octopus"
[[kind]]
name = "Env"
table = "Env"
key = ["Name"]
[[kind]]
name = "Project"
table = "Project"
key = ["Name"]
body = "JSON"
[[kind]]
name = "Feed"
table = "Feed"
key = ["Name"]
body = "JSON"
[[kind]]
name = "Item"
table = "Item"
key = ["Name"]
body = "JSON"
[[kind.script]]
at = "$.Value"
extension = "ps1"
[[kind.script]]
at = "$.Variables[*].Value"
extension = "sh"
label = "a"
[[kind.secret]]
at = "$.Password"
[[kind.set]]
at = "$.Set"
[[kind]]
name = "sealift"
table = "Sealift"
key = ["Name"]
"#;

const ABOUT: &str =
    r#"{ "format": "sealift tree 1", "model": "m", "model_digest": "DIGEST", "documents": {} }"#;

fn model() -> &'static Model {
    static MODEL_ONCE: OnceLock<Model> = OnceLock::new();
    MODEL_ONCE.get_or_init(|| Model::parse(MODEL, "fuzz").unwrap())
}

fn envelope() -> Envelope {
    static ENVELOPE: OnceLock<Envelope> = OnceLock::new();
    let make = || {
        let password = Password::new("a password of the fuzzer".to_owned()).unwrap();
        Envelope::create(&password, KdfParams::MINIMUM).unwrap().0
    };
    ENVELOPE.get_or_init(make).clone()
}

/// Any bytes: the documents of a bundle, or the text of a document's file, or of `sealift.json`.
pub fn holds(bytes: &[u8]) {
    thread_local! {
        static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().unwrap());
    }
    let Some((first, rest)) = bytes.split_first() else { return };
    FOLDER.with_borrow(|folder| {
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        match first {
            b'D' => document(rest, folder.path()),
            b'S' => about(rest, folder.path()),
            _ => documents(&mut Feed::new(rest), folder.path()),
        }
    });
}

fn at(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

fn digest() -> String {
    model().digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files of a folder.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn try_to_tree(bundle: &Path, root: &Path, scripts: ScriptMode) -> Result<(), ConvertError> {
    let bundle = UncheckedBundle::open(bundle, &Limits::default()).unwrap().check(&Silent).unwrap();
    ops::to_tree(&bundle, model(), root, scripts, Replace::default(), &Silent).map(drop)
}

fn to_tree(bundle: &Path, root: &Path, scripts: ScriptMode) {
    try_to_tree(bundle, root, scripts).expect("what was read of files becomes files");
}

fn from_tree(root: &Path, out: &Path) -> Result<ops::FromTree, ConvertError> {
    ops::from_tree(&Tree::open(root)?, model(), None, out, (false, false), &Silent)
}

/// Something that a bundle can hold and that files may not be able to say. Says whether it was put in.
fn twist(feed: &mut Feed<'_>, document: &mut Document) -> bool {
    let ghost = || KindName::new("Ghost");
    let reference = |kind, key| Value::Ref(Box::new(Reference { kind, key }));
    let mut owned = |kind: KindName, key: Key| {
        let mut parts = document.key.parts().to_vec();
        parts.insert(0, reference(kind, key));
        document.key = Key::new(parts).unwrap();
    };
    let odd = match feed.below(24) {
        1 => {
            owned(ghost(), Key::name("a"));
            return true;
        }
        2 => {
            owned(KindName::new("Project"), Key::new(vec![reference(ghost(), Key::name("a"))]).unwrap());
            return true;
        }
        3 => {
            // Owners of owners: no folder nests so deep.
            for _ in 0..feed.below(40) {
                let (kind, key) = (document.kind.clone(), document.key.clone());
                document.key = Key::new(vec![reference(kind, key), Value::Text(feed.text())]).unwrap();
            }
            return false;
        }
        4 => {
            let name = [
                "CON",
                "nul.",
                "a".repeat(300).as_str(),
                "é".repeat(90).as_str(),
                ".json",
                "~",
                "%",
                "\u{feff}",
            ][feed.below(8)]
            .to_owned();
            document.key = Key::new(vec![Value::Null, Value::Text(name)]).unwrap();
            return false;
        }
        5 => {
            document.kind = ghost();
            return true;
        }
        6 => {
            document.kind = KindName::new("sealift");
            document.key = Key::new(vec![Value::Null]).unwrap();
            return true;
        }
        7 => {
            document.columns.remove("Name");
            return true;
        }
        8 => reference(ghost(), Key::name("a")),
        9 => reference(KindName::new("Env"), Key::new(vec![reference(ghost(), Key::name("a"))]).unwrap()),
        10 => reference(KindName::new("?Env"), Key::name("a")),
        11 => dangling("Env", Value::List(vec![Value::Int(1)])),
        12 => dangling("Env", Value::Map(feed.map(1))),
        13 => dangling("Env", reference(KindName::new("Env"), Key::name("a"))),
        14 => dangling("Env", Value::Secret(SecretId::UNKNOWN)),
        15 => dangling("?", Value::Bytes(vec![1, 2])),
        16 => {
            let open = Map::from_pairs(vec![("Password".to_owned(), Value::Text(feed.text()))]).unwrap();
            document.body = Some(Value::Map(open));
            document.kind = KindName::new("Item");
            return true;
        }
        17 => {
            let list = (0..feed.below(4)).map(|_| Value::Text(feed.text())).collect();
            let set = Map::from_pairs(vec![("Set".to_owned(), Value::List(list))]).unwrap();
            document.body = Some(Value::Map(set));
            document.kind = KindName::new("Item");
            return true;
        }
        18 => {
            let text = ["\u{feff}Write-Host", "a\r\nb\rc\n", "\u{0}", ""][feed.below(4)].to_owned();
            document.body =
                Some(Value::Map(Map::from_pairs(vec![("Value".to_owned(), Value::Text(text))]).unwrap()));
            document.kind = KindName::new("Item");
            return false;
        }
        19 | 20 => {
            // Names that a server takes for one another.
            document.kind = KindName::new("Feed");
            document.key = Key::name(["a", "A", "a ", "é", "É"][feed.below(5)]);
            return false;
        }
        _ => return false,
    };
    document.columns.insert("Odd", odd);
    true
}

fn dangling(kind: &str, id: Value) -> Value {
    Value::Dangling(Box::new(Dangling { kind: KindName::new(kind), id }))
}

/// What becomes a folder becomes the same bundle again; what would not is refused by name, and only that.
fn documents(feed: &mut Feed<'_>, folder: &Path) {
    let scripts = [ScriptMode::Extract, ScriptMode::Copy, ScriptMode::Inline][feed.below(3)];
    let bundle = at(folder, "a.sealift");
    let header = Header::new("m".to_owned(), model().digest, None);
    let options = WriterOptions { protection: Protection::Carried(envelope()), ..WriterOptions::default() };
    let mut writer = Writer::create(&bundle, header, options).unwrap();
    let (mut exact, mut known) = (HashSet::new(), HashSet::new());
    let (mut odd, mut names) = (false, HashSet::new());
    for _ in 0..1 + feed.below(5) {
        let mut document = feed.document();
        document.kind = feed.kind();
        document.key = feed.key(2);
        let name = feed.text();
        document.columns.insert("Name", Value::Text(name));
        if document.kind == KindName::new("Env") {
            document.body = None;
        }
        let is_odd = twist(feed, &mut document);
        if !exact.insert((document.kind.clone(), document.key.to_text())) {
            continue;
        }
        let mut folded = document.key.folded(model().collation);
        let is_twin = !known.insert((document.kind.clone(), folded.clone()));
        if is_twin {
            // Bytes decide in a bundle: two of one name are two documents there.
            folded = document.key.to_text();
            if !known.insert((document.kind.clone(), folded.clone())) {
                continue;
            }
        }
        let secrets = document.secret_places().len();
        let sealed: Vec<_> = (0..secrets)
            .map(|_| (feed.below(2) == 1).then(|| vec![feed.byte(); 40 + feed.below(9)]))
            .collect();
        let reason = match feed.below(3) {
            0 => Reason::All,
            1 => Reason::Named,
            _ => Reason::NeededBy { kind: feed.kind(), key: feed.key(1), place: feed.text() },
        };
        let id = [Value::Null, Value::Int(feed.int64()), Value::Text(feed.text())][feed.below(3)].clone();
        // What the format does not take is not what this is about.
        if writer.add_sealed(&document, &folded, &id, &reason, &sealed).is_ok() {
            odd |= is_odd || is_twin;
            names.insert(format!("{} {}", document.kind, document.key.to_text()));
        }
    }
    writer.finish(&Silent).unwrap();
    let (tree, back) = (at(folder, "tree"), at(folder, "back.sealift"));
    match try_to_tree(&bundle, &tree, scripts) {
        Ok(()) => {}
        Err(ConvertError::Tree(TreeError::Unwritable { findings, .. })) => {
            assert!(odd, "refused without a cause: {findings:?}");
            assert!(
                !findings.is_empty() && findings.found.iter().all(|f| names.contains(&f.file)),
                "{findings:?}"
            );
            assert!(!tree.exists(), "refused, and written all the same");
            return;
        }
        Err(other) => panic!("{other}"),
    }
    from_tree(&tree, &back).expect("what was written can be read");
    assert!(fs::read(&bundle).unwrap() == fs::read(&back).unwrap(), "the bundle came back otherwise");
}

/// What is taken of a file is written, and read again, as the same.
fn document(text: &[u8], folder: &Path) {
    let plain = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(plain) else {
        return refused(text, folder, "Item/a.json");
    };
    let kind = value["kind"].as_str().unwrap_or("Item").to_owned();
    let key = Key::parse(&value["key"].to_string()).unwrap_or_else(|_| Key::name("a"));
    let path = Clashes::default().path(&kind, &key);
    let tree = lay(text, folder, &path);
    let out = at(folder, "a.sealift");
    match from_tree(&tree, &out) {
        Ok(read) => {
            let (again, back) = (at(folder, "again"), at(folder, "back.sealift"));
            to_tree(&out, &again, ScriptMode::Extract);
            let summary = from_tree(&again, &back).expect("what was written can be read").summary;
            assert_eq!(summary.content_root, read.summary.content_root);
            let third = at(folder, "third");
            to_tree(&back, &third, ScriptMode::Extract);
            assert!(files(&again) == files(&third), "the files came back otherwise");
        }
        Err(ConvertError::Tree(TreeError::Findings { findings, .. })) => assert!(!findings.is_empty()),
        Err(ConvertError::NeedsKey { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

fn lay(text: &[u8], folder: &Path, path: &str) -> PathBuf {
    let tree = at(folder, "tree");
    let file = path.split('/').fold(tree.clone(), |at, name| at.join(name));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(tree.join("sealift.json"), ABOUT.replace("DIGEST", &digest())).unwrap();
    fs::write(file.with_file_name("s.ps1"), "Write-Host 1\r\n").unwrap();
    fs::write(file, text).unwrap();
    tree
}

/// What is no JSON to another reader is none to this one.
fn refused(text: &[u8], folder: &Path, path: &str) {
    let tree = lay(text, folder, path);
    // The other reader minds numbers that it cannot hold, and nesting; this one keeps numbers as they are spelled.
    if let Err(error) = from_tree(&tree, &at(folder, "a.sealift")) {
        assert!(matches!(error, ConvertError::Tree(TreeError::Findings { .. })), "{error}");
    }
}

/// What a tree says beside its documents comes back as it was said.
fn about(text: &[u8], folder: &Path) {
    let tree = at(folder, "tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("sealift.json"), text).unwrap();
    let Ok(opened) = Tree::open(&tree) else { return };
    let out = at(folder, "a.sealift");
    match from_tree(&tree, &out) {
        Ok(_) => {
            let again = at(folder, "again");
            to_tree(&out, &again, opened.about().scripts);
            let mut said = opened.about().clone();
            // Notices are kept in order, and each once.
            said.notices.sort();
            said.notices.dedup();
            let mut found = Tree::open(&again).unwrap().about().clone();
            // Documents that are listed and not there make it say less.
            let lacks = |about: &About| about.notices.iter().any(|notice| notice.code == "missing-files");
            if lacks(&found) {
                let whole = |(_, extent): &(String, TreeCoverage)| !matches!(extent, TreeCoverage::Part(_));
                assert!(!found.coverage.iter().any(whole));
                said.coverage.clear();
                for about in [&mut found, &mut said] {
                    about.coverage.clear();
                    about.notices.retain(|notice| notice.code != "missing-files");
                }
            }
            let order = |(kind, extent): &(String, TreeCoverage)| match extent {
                TreeCoverage::Belonging(owner, key) => (kind.clone(), 0, owner.to_string(), key.to_text()),
                TreeCoverage::Part(_) => (kind.clone(), 1, String::new(), String::new()),
                TreeCoverage::Whole(_) => (kind.clone(), 2, String::new(), String::new()),
            };
            said.coverage.sort_by_key(order);
            said.coverage.dedup();
            assert_eq!(found, said);
        }
        Err(ConvertError::OtherModel { .. }) => assert_ne!(opened.about().model, "m"),
        // An envelope that nobody could use, texts that no bundle takes.
        Err(ConvertError::Bundle(error)) => drop(error.to_string()),
        Err(other) => panic!("{other}"),
    }
}
