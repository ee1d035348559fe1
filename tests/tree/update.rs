//! A tree brought up to date: what did not change is not touched, what is no longer content goes, and nothing of
//! somebody else's is harmed.

use std::time::SystemTime;

use rusqlite::Connection;
use sealift::bundle::{Previous, Protection, WriterOptions};

use super::*;

struct Updated {
    folder: tempfile::TempDir,
    server: PathBuf,
    bundle: PathBuf,
    root: PathBuf,
}

impl Updated {
    fn new() -> Self {
        let folder = folder();
        let bundle = bundle_of(folder.path(), Generation::Spaces, Twist::default());
        let (server, root) = (folder.path().join("source.sqlite"), folder.path().join("tree"));
        to_tree(&bundle, &octopus(), &root, ScriptMode::Extract);
        Self { folder, server, bundle, root }
    }

    fn run(&self, sql: &str) -> usize {
        Connection::open(&self.server).unwrap().execute(sql, []).unwrap()
    }

    /// Exports again, under the envelope of the bundle before and with its sealed bytes.
    fn export_again(&self) -> PathBuf {
        let out = self.folder.path().join("next.sealift");
        let bundle = open(&self.bundle);
        let key = unlock(&bundle).unwrap();
        let protection =
            Protection::Password { envelope: bundle.envelope().unwrap().clone(), key: key.duplicate() };
        let previous = Some(Previous { bundle, key });
        let options = WriterOptions { protection, previous, force: true, ..WriterOptions::default() };
        try_export(&self.server, &octopus(), &out, &everything(Some(&key_of())), options).unwrap();
        out
    }
}

fn key_of() -> sealift::crypto::MasterKey {
    key(SOURCE.key)
}

fn stamps(root: &Path) -> BTreeMap<String, SystemTime> {
    let stamp = |path: &String| root.join(path).metadata().unwrap().modified().unwrap();
    files(root).into_keys().map(|path| (path.clone(), stamp(&path))).collect()
}

#[test]
fn only_what_changed_is_written_and_what_is_gone_goes() {
    let tree = Updated::new();
    fs::write(tree.root.join("Space/NOTES.md"), "mine").unwrap();
    fs::create_dir_all(tree.root.join(".git/objects")).unwrap();
    let before = files(&tree.root);
    let environments: Vec<&String> = before.keys().filter(|path| path.contains("/Proxy/")).collect();
    assert!(!environments.is_empty());
    let stamps_before = stamps(&tree.root);
    assert!(
        tree.run(
            "UPDATE DeploymentEnvironment SET Name = Name || ' renamed' WHERE Id = (SELECT min(Id) FROM DeploymentEnvironment)"
        ) == 1
    );
    tree.run("DELETE FROM Proxy");
    let next = tree.export_again();
    let written = to_tree(&next, &octopus(), &tree.root, ScriptMode::Extract);
    let after = files(&tree.root);
    assert_eq!(after["Space/NOTES.md"], b"mine");
    assert!(tree.root.join(".git/objects").is_dir());
    assert!(!after.keys().any(|path| path.contains("/Proxy")), "a proxy is still there");
    let stamps_after = stamps(&tree.root);
    let untouched = before.iter().filter(|(path, bytes)| after.get(*path) == Some(bytes));
    let mut count = 0;
    for (path, _) in untouched {
        assert_eq!(stamps_before[path], stamps_after[path], "{path} was touched");
        count += 1;
    }
    // The note and .gitattributes are nobody's documents.
    assert!(written.unchanged > 100 && count == written.unchanged + 2, "{count} {written:?}");
    let fresh = tree.folder.path().join("fresh");
    to_tree(&next, &octopus(), &fresh, ScriptMode::Extract);
    let mut without = after.clone();
    without.remove("Space/NOTES.md");
    assert!(files(&fresh) == without, "an updated tree is a fresh one");
}

/// A name that changes in case only: where case does not count, the old file is the new one.
#[test]
fn a_name_of_another_case_is_called_anew() {
    let tree = Updated::new();
    assert!(tree.run("UPDATE DeploymentEnvironment SET Name = upper(Name)") > 1);
    let next = tree.export_again();
    to_tree(&next, &octopus(), &tree.root, ScriptMode::Extract);
    let fresh = tree.folder.path().join("fresh");
    to_tree(&next, &octopus(), &fresh, ScriptMode::Extract);
    assert!(files(&fresh) == files(&tree.root));
}

#[test]
fn files_of_somebody_else_are_not_overwritten() {
    let tree = Updated::new();
    let root = tree.folder.path().join("other");
    fs::create_dir_all(root.join("Space")).unwrap();
    let mine = files(&tree.root)
        .into_keys()
        .find(|path| path.starts_with("Space/") && path.matches('/').count() == 1);
    let mine = mine.unwrap();
    fs::write(root.join(&mine), "mine").unwrap();
    let result = ops::to_tree(
        &open(&tree.bundle),
        &octopus(),
        &root,
        ScriptMode::Extract,
        Default::default(),
        &Silent,
    );
    match result {
        Err(ConvertError::Tree(TreeError::InTheWay { first, total: 1, .. })) => assert_eq!(first, mine),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(&root).len(), 1, "nothing else was written");
    // Force replaces such files as a tree holds, and no others.
    let forced = || {
        ops::to_tree(
            &open(&tree.bundle),
            &octopus(),
            &root,
            ScriptMode::Extract,
            Replace { foreign: true, ..Replace::default() },
            &Silent,
        )
    };
    assert!(matches!(forced(), Err(ConvertError::Tree(TreeError::Unusable { .. }))));
    assert_eq!(files(&root).len(), 1, "nothing else was written");
    fs::write(root.join(&mine), r#"{ "mine": true }"#).unwrap();
    forced().unwrap();
    assert!(files(&root) == files(&tree.root));
}

#[test]
fn scripts_may_be_kept_otherwise_later() {
    let tree = Updated::new();
    let extracted = files(&tree.root);
    let summary = to_tree(&tree.bundle, &octopus(), &tree.root, ScriptMode::Inline);
    assert!(summary.removed > 10 && !files(&tree.root).keys().any(|path| path.ends_with(".ps1")));
    to_tree(&tree.bundle, &octopus(), &tree.root, ScriptMode::Extract);
    assert!(files(&tree.root) == extracted);
}

/// The bundle was sealed under another envelope: opened and sealed under the tree's, what is the same stays.
#[test]
fn secrets_that_are_the_same_keep_their_bytes_under_another_envelope() {
    let tree = Updated::new();
    let before = files(&tree.root);
    let other = tree.folder.path().join("other.sealift");
    export(&tree.server, &octopus(), &other, &everything(Some(&key_of())));
    let (bundle, earlier) = (open(&other), open(&tree.bundle));
    assert_ne!(bundle.envelope(), earlier.envelope());
    let (key, theirs) = (unlock(&bundle).unwrap(), unlock(&earlier).unwrap());
    let envelope = earlier.envelope().unwrap().clone();
    let protection = Protection::Password { envelope, key: theirs.duplicate() };
    let previous = Some(Previous { bundle: earlier, key: theirs });
    let options = WriterOptions { protection, previous, ..WriterOptions::default() };
    let anew = tree.folder.path().join("anew.sealift");
    let summary = ops::reseal(&bundle, Some(&key), &octopus(), &anew, options, &Silent).unwrap();
    assert_eq!(summary.carried_over, summary.sealed);
    let written = to_tree(&anew, &octopus(), &tree.root, ScriptMode::Extract);
    assert_eq!((written.written, written.removed), (0, 0));
    assert!(files(&tree.root) == before);
}

#[test]
fn what_cannot_be_opened_is_no_reason_to_lose_a_tree() {
    let tree = Updated::new();
    let before = files(&tree.root);
    fs::write(tree.root.join("sealift.json"), "{ \"format\": \"sealift tree 2\" }").unwrap();
    let result = ops::to_tree(
        &open(&tree.bundle),
        &octopus(),
        &tree.root,
        ScriptMode::Extract,
        Replace { foreign: true, ..Replace::default() },
        &Silent,
    );
    assert!(
        matches!(result, Err(ConvertError::Tree(TreeError::TooNew { ref found, .. })) if found == "2"),
        "{result:?}"
    );
    fs::write(tree.root.join("sealift.json"), &before["sealift.json"]).unwrap();
    assert!(files(&tree.root) == before);
    // Ending in the middle leaves the folder as it was, and nothing beside.
    struct Stop(std::sync::atomic::AtomicUsize);
    impl sealift::progress::Progress for Stop {
        fn event(&self, _: sealift::progress::Event) {}
        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) > 400
        }
    }
    let result = ops::to_tree(
        &open(&tree.bundle),
        &octopus(),
        &tree.root,
        ScriptMode::Inline,
        Default::default(),
        &Stop(0.into()),
    );
    assert!(matches!(result, Err(ConvertError::Cancelled(_))), "{result:?}");
    assert!(files(&tree.root) == before);
}

/// A folder that was not there is not looked at for what could be in the way: whoever makes it meanwhile keeps what
/// they put there.
#[test]
fn a_folder_that_somebody_makes_meanwhile_is_not_touched() {
    struct Meanwhile(PathBuf);
    impl sealift::progress::Progress for Meanwhile {
        fn event(&self, _: sealift::progress::Event) {
            std::fs::create_dir_all(&self.0).unwrap();
            std::fs::write(self.0.join(".gitattributes"), "theirs").unwrap();
        }
    }
    let folder = folder();
    let bundle = bundle_of(folder.path(), Generation::Spaces, Twist::default());
    let root = folder.path().join("tree");
    let meanwhile = Meanwhile(root.clone());
    let error =
        ops::to_tree(&open(&bundle), &octopus(), &root, ScriptMode::Extract, Default::default(), &meanwhile);
    assert!(error.unwrap_err().to_string().contains("another process is writing to it"));
    assert_eq!(std::fs::read(root.join(".gitattributes")).unwrap(), b"theirs");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
}

/// Fails in the middle: takes away what waits to be put into its place.
struct Broken<'r>(&'r Path);

impl sealift::progress::Progress for Broken<'_> {
    fn event(&self, event: sealift::progress::Event) {
        if !matches!(event, sealift::progress::Event::Advance { .. }) {
            return;
        }
        for entry in fs::read_dir(self.0).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().starts_with(".sealift-")
                && self.0.join("sealift-incomplete.json").exists()
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// A folder that holds files of two states says so, to every reader, until a conversion has ended.
#[test]
fn a_conversion_that_did_not_end_is_no_tree_and_is_made_whole_by_the_next() {
    let tree = Updated::new();
    let before = files(&tree.root);
    assert!(tree.run("UPDATE DeploymentEnvironment SET Name = Name || ' renamed'") > 1);
    let next = tree.export_again();
    let update = |bundle: &Path, progress: &dyn sealift::progress::Progress| {
        ops::to_tree(&open(bundle), &octopus(), &tree.root, ScriptMode::Extract, Replace::default(), progress)
    };
    let broken = update(&next, &Broken(&tree.root));
    assert!(matches!(broken, Err(ConvertError::Tree(TreeError::Partly { .. }))), "{broken:?}");
    let mixed = files(&tree.root);
    assert!(mixed.contains_key("sealift-incomplete.json"));
    let changed = |path: &str| mixed.get(path) != before.get(path) && path != "sealift-incomplete.json";
    assert!(mixed.keys().any(|path| changed(path)) && mixed["sealift.json"] == before["sealift.json"]);
    assert!(sealift::tree::is_tree(&tree.root));
    let out = tree.folder.path().join("no.sealift");
    let read = try_from_tree(&tree.root, &octopus(), None, &out);
    assert!(matches!(read, Err(ConvertError::Tree(TreeError::Incomplete { .. }))), "{read:?}");
    // What it put there is known to the next, whatever that converts: nothing is in the way, and nothing stays.
    update(&tree.bundle, &Silent).unwrap();
    assert!(files(&tree.root) == before);
    update(&next, &Silent).unwrap();
    let fresh = tree.folder.path().join("fresh");
    to_tree(&next, &octopus(), &fresh, ScriptMode::Extract);
    assert!(files(&tree.root) == files(&fresh));
    // What anyone writes into the list leads to no file of theirs.
    fs::create_dir(tree.root.join("mine")).unwrap();
    for path in ["notes.txt", "mine/notes~1.txt", "../beside.json"] {
        fs::write(tree.root.join(path), "mine").unwrap();
    }
    let list = r#"{ "files": ["notes.txt", "mine/notes~1.txt", "../beside.json", "/etc/hosts", "sealift.json", ".gitattributes", 1] }"#;
    fs::write(tree.root.join("sealift-incomplete.json"), list).unwrap();
    update(&next, &Silent).unwrap();
    for path in ["notes.txt", "mine/notes~1.txt", "../beside.json"] {
        assert!(fs::read(tree.root.join(path)).unwrap() == b"mine", "{path}");
    }
    assert!(!tree.root.join("sealift-incomplete.json").exists());
}

/// It is recognised even where there was no tree before, and no `sealift.json` is there yet.
#[test]
fn a_first_conversion_into_a_folder_of_somebody_elses_is_recognised_too() {
    let tree = Updated::new();
    let root = tree.folder.path().join("mine");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("notes.txt"), "mine").unwrap();
    let make = |progress: &dyn sealift::progress::Progress| {
        ops::to_tree(
            &open(&tree.bundle),
            &octopus(),
            &root,
            ScriptMode::Extract,
            Replace::default(),
            progress,
        )
    };
    assert!(make(&Broken(&root)).is_err());
    assert!(!root.join("sealift.json").exists() && sealift::tree::is_tree(&root));
    assert!(matches!(Tree::open(&root), Err(TreeError::Incomplete { .. })));
    make(&Silent).unwrap();
    fs::remove_file(root.join("notes.txt")).unwrap();
    assert!(files(&root) == files(&tree.root));
}
