//! A tree comes from anyone: nothing outside it is read, written or removed, and nothing in it takes more than it is.

use super::*;

struct Trap {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    root: PathBuf,
}

impl Trap {
    fn new() -> Self {
        let folder = folder();
        let (server, bundle) = (folder.path().join("source.sqlite"), folder.path().join("a.sealift"));
        generator::generate(&mut empty_octopus(&server), 3, 20, 0, &key(1));
        export(&server, &octopus(), &bundle, &everything(Some(&key(1))));
        let root = folder.path().join("tree");
        to_tree(&bundle, &octopus(), &root, ScriptMode::Extract);
        Self { folder, bundle, root }
    }

    fn findings(&self) -> Findings {
        refused(try_from_tree(&self.root, &octopus(), None, &self.folder.path().join("out.sealift")))
    }

    fn about(&self, from: &str, to: &str) {
        let path = self.root.join("sealift.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

/// The list of files that a tree wrote is text that anyone may have changed; what it names is removed when it is no
/// longer content.
#[test]
fn a_list_of_other_peoples_files_removes_nothing() {
    let trap = Trap::new();
    let victims = [
        "victim.json",
        "tree/notes.txt",
        "tree/Space/notes.json.txt",
        "tree/.git/config",
        "tree/other/x.json",
    ];
    for victim in victims {
        let path = trap.folder.path().join(victim);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "precious").unwrap();
    }
    let absolute = trap.folder.path().join("victim.json").display().to_string();
    let listed = [
        "../victim.json",
        "Space/../../victim.json",
        absolute.as_str(),
        "notes.txt",
        "Space/notes.json.txt",
        ".git/config",
        "other/x.json",
        "C:/victim.json",
        "Space\\\\..\\\\victim.json",
        "",
        "/",
        "Space//x.json",
    ];
    let lines: Vec<String> = listed.iter().map(|path| format!("\"{path}\": {{ \"scripts\": [\"../victim.json\", \"~\", \"notes.txt\", \"../../victim~.txt\"] }},")).collect();
    trap.about("\"documents\": {", &format!("\"documents\": {{ {}", lines.concat()));
    let before = files(trap.folder.path());
    ops::to_tree(
        &open(&trap.bundle),
        &octopus(),
        &trap.root,
        ScriptMode::Extract,
        Default::default(),
        &Silent,
    )
    .unwrap();
    let mut after = files(trap.folder.path());
    let mut expected = before.clone();
    assert_ne!(
        expected.remove("tree/sealift.json"),
        after.remove("tree/sealift.json"),
        "the trap was not set"
    );
    assert!(expected == after, "something was removed or changed");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let trap = Trap::new();
    let outside = trap.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.json"), "{}").unwrap();
    fs::write(outside.join("secret.ps1"), "outside").unwrap();
    // A folder, a document and a script that are links.
    let document = files(&trap.root).into_keys().find(|path| path.contains("/Environment/")).unwrap();
    let kept = fs::read(trap.root.join(&document)).unwrap();
    for (at, to) in [
        ("Space/linked", outside.clone()),
        ("Space/linked.json", outside.join("secret.json")),
        ("Space/round", trap.root.clone()),
    ] {
        symlink(&to, trap.root.join(at)).unwrap();
        let findings = trap.findings();
        assert!(findings.found.iter().any(|f| f.file == at && f.text.contains("link")), "{findings:?}");
        fs::remove_file(trap.root.join(at)).unwrap();
    }
    let folder = Path::new(&document).parent().unwrap();
    symlink(outside.join("secret.ps1"), trap.root.join(folder).join("linked~x.ps1")).unwrap();
    let text = String::from_utf8(kept.clone()).unwrap();
    let text = text.replacen("\"columns\": {", "\"columns\": { \"A\": { \"$script\": \"linked~x.ps1\" },", 1);
    fs::write(trap.root.join(&document), text).unwrap();
    let findings = trap.findings();
    assert!(findings.found[0].text.contains("no file"), "{findings:?}");
    fs::write(trap.root.join(&document), kept).unwrap();
    // And none is written through: neither a folder nor a file, however much it is forced.
    let space = trap.root.join("Space");
    fs::rename(&space, trap.folder.path().join("moved")).unwrap();
    symlink(&outside, &space).unwrap();
    let before = files(&outside);
    let result = ops::to_tree(
        &open(&trap.bundle),
        &octopus(),
        &trap.root,
        ScriptMode::Extract,
        Replace { foreign: true, ..Replace::default() },
        &Silent,
    );
    assert!(matches!(result, Err(ConvertError::Tree(TreeError::Unusable { .. }))), "{result:?}");
    assert!(before == files(&outside), "something was written outside");
}

#[test]
fn what_is_too_deep_or_too_large_is_told() {
    let trap = Trap::new();
    let document = files(&trap.root).into_keys().find(|path| path.contains("/Environment/")).unwrap();
    let text = fs::read_to_string(trap.root.join(&document)).unwrap();
    for deep in [
        "[".repeat(100_000),
        format!("{}1{}", "[".repeat(200), "]".repeat(200)),
        "{\"$ref\":{\"A\":[".repeat(5_000),
    ] {
        fs::write(
            trap.root.join(&document),
            text.replacen("\"columns\": {", &format!("\"columns\": {{ \"A\": {deep},"), 1),
        )
        .unwrap();
        let findings = trap.findings();
        assert!(findings.found.iter().all(|f| f.file == document), "{findings:?}");
    }
    // A file that says it is larger than any document: nothing of it is read.
    let file = fs::OpenOptions::new().write(true).open(trap.root.join(&document)).unwrap();
    file.set_len(600 << 20).unwrap();
    let findings = trap.findings();
    assert!(findings.found[0].text.contains("over the limit"), "{findings:?}");
    fs::write(trap.root.join(&document), &text).unwrap();
    let mut deep = trap.root.join("Space");
    for _ in 0..70 {
        deep = deep.join("d");
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x.json"), "{}").unwrap();
    assert!(trap.findings().found[0].text.contains("nest"), "{:?}", trap.findings());
}

#[test]
fn a_list_that_cannot_be_understood_is_told() {
    let trap = Trap::new();
    let good = fs::read(trap.root.join("sealift.json")).unwrap();
    for (from, to, place) in [
        ("\"model\": ", "\"model\": 1, \"was\": ", "model"),
        ("\"model_digest\": \"", "\"model_digest\": \"x", "model_digest"),
        ("\"scope\": \"", "\"scope\": \"0", "scope"),
        ("\"memory_kib\": ", "\"memory_kib\": -", "memory_kib"),
        ("\"scripts\": \"extract\"", "\"scripts\": \"burn\"", "scripts"),
        ("\"notices\": ", "\"notices\": 1, \"was\": ", "notices"),
        ("\"documents\": {", "\"documents\": { \"a\": 1,", "a"),
        ("\"documents\": {", "\"documents\": { \"a\": { \"why\": 1 },", "a"),
        ("\"documents\": {", "\"documents\": { \"a\": { \"id\": [] },", "a"),
        (
            "\"documents\": {",
            "\"documents\": { \"a\": { \"why\": { \"needed_by\": { \"X\": 1 }, \"at\": \"\" } },",
            "a",
        ),
        ("{", "[", ""),
    ] {
        trap.about(from, to);
        let findings = match Tree::open(&trap.root) {
            Err(TreeError::Findings { findings, .. }) => findings,
            other => panic!("{from} {to}: {other:?}"),
        };
        assert_eq!(findings.found[0].file, "sealift.json");
        assert_eq!(findings.found[0].place.as_deref().unwrap_or_default(), place, "{findings:?}");
        fs::write(trap.root.join("sealift.json"), &good).unwrap();
    }
    for (format, newer) in [("sealift tree 2", true), ("sealift tree 0", false), ("tar", false)] {
        trap.about("sealift tree 1", format);
        let result = Tree::open(&trap.root);
        assert_eq!(matches!(result, Err(TreeError::TooNew { .. })), newer, "{result:?}");
        assert!(result.is_err());
        fs::write(trap.root.join("sealift.json"), &good).unwrap();
    }
}

#[test]
fn a_key_derivation_of_sixty_four_gib_is_not_run() {
    let trap = Trap::new();
    trap.about("\"memory_kib\": ", "\"memory_kib\": 67108864, \"was\": ");
    let tree = Tree::open(&trap.root);
    // Either the list is refused, or the password is: nobody computes it.
    if let Ok(tree) = tree {
        let result =
            tree.about().envelope.as_ref().unwrap().open(&password(), &sealift::crypto::KdfLimits::default());
        assert!(matches!(result, Err(sealift::crypto::OpenError::TooExpensive { .. })), "{result:?}");
    }
}
