//! What hands do to a tree: taken as they mean it, or told by file and place.

use super::*;

/// A demo-like server as a tree, with the folder it lies in.
struct Edited {
    folder: tempfile::TempDir,
    bundle: PathBuf,
    root: PathBuf,
}

impl Edited {
    fn new() -> Self {
        let folder = folder();
        let bundle = bundle_of(folder.path(), Generation::Spaces, Twist::default());
        let root = folder.path().join("tree");
        to_tree(&bundle, &octopus(), &root, ScriptMode::Extract);
        Self { folder, bundle, root }
    }

    /// The first file whose path and text say these things.
    fn find(&self, path: &str, text: &str) -> String {
        let found = files(&self.root).into_iter().find(|(name, bytes)| {
            name.contains(path) && name.ends_with(".json") && String::from_utf8_lossy(bytes).contains(text)
        });
        found.unwrap_or_else(|| panic!("no {path} with {text}")).0
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.root.join(file), text).unwrap();
    }

    /// Replaces a text that is there, once.
    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from}:\n{text}");
        self.write(file, &text.replacen(from, to, 1));
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out.sealift")
    }

    fn findings(&self) -> Vec<String> {
        let findings = refused(try_from_tree(&self.root, &octopus(), None, &self.out()));
        assert!(!self.out().exists(), "something was written");
        findings.found.iter().map(ToString::to_string).collect()
    }

    /// Expects one finding, about a file, with these words.
    fn told(&self, file: &str, words: &[&str]) {
        let findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        let place = format!("{file}: ");
        assert!(findings[0].starts_with(&place), "{findings:#?}");
        for word in words {
            assert!(findings[0].contains(word), "{word}: {findings:#?}");
        }
    }

    fn taken(&self) -> FromTree {
        drop(fs::remove_file(self.out()));
        try_from_tree(&self.root, &octopus(), None, &self.out()).unwrap()
    }
}

/// The text of an element with a secret in a list, and that of another element of the same list.
fn two_elements(text: &str) -> Option<(String, String)> {
    let begins: Vec<usize> = text.match_indices("\n      {\n").map(|(at, _)| at + 1).collect();
    let element = |at: usize| {
        let end = text[at..].find("\n      }")? + "\n      }".len();
        Some(text[at..at + end].to_owned())
    };
    let elements: Vec<String> = begins.iter().filter_map(|at| element(*at)).collect();
    let sealed = elements.iter().position(|e| e.contains("$sealed"))?;
    let other = elements.iter().position(|e| !e.contains("$sealed") && !e.contains("$secret"))?;
    Some((elements[sealed].clone(), elements[other].clone()))
}

#[test]
fn layout_order_and_escapes_are_the_editors() {
    let tree = Edited::new();
    let before = files(&tree.root);
    for (path, bytes) in &before {
        if !path.ends_with(".json") || path == "sealift.json" {
            continue;
        }
        // Another program's way to write JSON: all on one line, members the other way round, CRLF at the end.
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let turned = |value: &serde_json::Value| -> String {
            let serde_json::Value::Object(map) = value else { return value.to_string() };
            let members: Vec<String> = map
                .iter()
                .rev()
                .map(|(n, v)| format!("{}:{v}", serde_json::Value::from(n.as_str())))
                .collect();
            format!("\u{feff}{{{}}}\r\n", members.join(" ,"))
        };
        // Numbers are kept as they are spelled, and serde_json spells some otherwise.
        if bytes.windows(2).any(|two| two == b".0") {
            continue;
        }
        tree.write(path, &turned(&value));
    }
    tree.taken();
    assert_eq!(open(&tree.out()).info().content_root, open(&tree.bundle).info().content_root);
    // The next conversion brings every file back into its own form.
    to_tree(&tree.out(), &octopus(), &tree.root, ScriptMode::Extract);
    assert!(files(&tree.root) == before);
}

#[test]
fn an_edited_script_and_an_edited_value_arrive() {
    let tree = Edited::new();
    let script = files(&tree.root).into_keys().find(|path| path.ends_with(".ps1")).unwrap();
    tree.write(&script, "Write-Host 'line one'\r\nWrite-Host \"line two\"");
    let environment = tree.find("/Environment/", "\"Description\": ");
    let text = tree.read(&environment);
    let at = text.find("\"Description\": ").unwrap();
    let end = at + text[at..].find('\n').unwrap();
    tree.write(&environment, &format!("{}\"Description\": \"Edited.\",{}", &text[..at], &text[end..]));
    tree.taken();
    let again = tree.folder.path().join("again");
    to_tree(&tree.out(), &octopus(), &again, ScriptMode::Extract);
    assert_eq!(fs::read_to_string(again.join(&script)).unwrap(), tree.read(&script));
    assert!(fs::read_to_string(again.join(&environment)).unwrap().contains("\"Edited.\""));
    // And it is these two documents that differ.
    let (mine, theirs) = (open(&tree.bundle), open(&tree.out()));
    let mut ids = Vec::new();
    mine.entries(None, &mut |e| -> Result<(), sealift::bundle::BundleError> {
        ids.push((e.number, e.content_id));
        Ok(())
    })
    .unwrap();
    let changed = ids.iter().filter(|(number, id)| theirs.entry(*number).unwrap().content_id != *id).count();
    assert_eq!(changed, 2);
}

#[test]
fn documents_come_and_go() {
    let tree = Edited::new();
    let gone = tree.find("/Proxy/", "");
    fs::remove_file(tree.root.join(&gone)).unwrap();
    let like = tree.find("/Environment/", "\"Name\": \"");
    let folder = Path::new(&like).parent().unwrap().to_str().unwrap().to_owned();
    let old = Path::new(&like).file_stem().unwrap().to_str().unwrap().to_owned();
    let new = format!("{folder}/By hand.json");
    let text = tree.read(&like);
    tree.write(&new, &text.replace(&format!("\"{old}\""), "\"By hand\""));
    let summary = tree.taken().summary;
    let was = open(&tree.bundle).info().clone();
    assert_eq!(summary.documents, was.documents);
    let bundle = open(&tree.out());
    let mut found = None;
    bundle
        .entries(Some("Environment"), &mut |e| -> Result<(), sealift::bundle::BundleError> {
            if e.key.to_text().contains("By hand") {
                found = Some(e);
            }
            Ok(())
        })
        .unwrap();
    // It has no id on the source, for it was never there.
    assert!(found.unwrap().id.is_null());
}

#[test]
fn what_is_wrong_is_told_by_file_and_place() {
    let tree = Edited::new();
    let file = tree.find("/Environment/", "\"Name\": \"");
    let good = tree.read(&file);
    let edit = |from: &str, to: &str, words: &[&str]| {
        tree.replace(&file, from, to);
        tree.told(&file, words);
        tree.write(&file, &good);
    };
    edit("\"kind\": \"Environment\",", "\"kind\": \"Environment\"", &["line 3"]);
    edit("\"kind\": \"Environment\"", "\"kind\": \"Enviroment\"", &["kind: ", "no kind of the model"]);
    edit("\"columns\": {", "\"columns\": {\n \"A\": 1, \"A\": 2,", &["two members of one name"]);
    edit("\"columns\": {", "\"more\": 1, \"columns\": {", &["more: "]);
    edit("\"columns\": {", "\"columns\": {\n \"A\": { \"$hex\": \"0\" },", &["A: ", "$hex"]);
    edit(
        "\"columns\": {",
        "\"columns\": {\n \"A\": { \"$ref\": { \"Nothing\": [\"x\"] } },",
        &["A: ", "\"Nothing\""],
    );
    edit(
        "\"columns\": {",
        "\"columns\": {\n \"A\": { \"$script\": \"../../x.ps1\" },",
        &["A: ", "same folder"],
    );
    edit(
        "\"columns\": {",
        "\"columns\": {\n \"A\": { \"$script\": \"gone.ps1\" },",
        &["A: ", "gone.ps1 is missing"],
    );
    edit(
        "\"columns\": {",
        "\"columns\": {\n \"A\": { \"$sealed\": \"?\", \"at\": \"A\" },",
        &["A: ", "base64"],
    );
    edit("\"columns\": {", "\"columns\": { \"A\": \"\\ud800\",", &["line 4"]);
    fs::write(tree.root.join(&file), [&good.as_bytes()[..40], b"\xff", &good.as_bytes()[40..]].concat())
        .unwrap();
    tree.told(&file, &["line 3"]);
    tree.write(&file, &good);
    // A copy that was not edited is a second document of the same name.
    let copy = file.replace(".json", "~0123456789abcdef.json");
    tree.write(&copy, &good);
    assert!(tree.findings()[0].starts_with(&format!("{copy}: key: ")), "{:?}", tree.findings());
    fs::remove_file(tree.root.join(&copy)).unwrap();
    // A file that was moved says where it belongs.
    let moved = file.replace("/Environment/", "/Environment/Elsewhere/");
    fs::create_dir_all(tree.root.join(&moved).parent().unwrap()).unwrap();
    fs::rename(tree.root.join(&file), tree.root.join(&moved)).unwrap();
    tree.told(&moved, &["key: ", &file]);
    fs::rename(tree.root.join(&moved), tree.root.join(&file)).unwrap();
    tree.taken();
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let tree = Edited::new();
    let all: Vec<String> =
        files(&tree.root).into_keys().filter(|path| path.contains("/Environment/")).collect();
    for file in &all {
        tree.write(file, "{");
    }
    let findings = tree.findings();
    assert_eq!(findings.len(), all.len());
    assert!(all.len() > 3 && all.iter().all(|file| findings.iter().any(|f| f.starts_with(file.as_str()))));
}

#[test]
fn a_secret_in_the_open_is_refused_and_not_shown() {
    let tree = Edited::new();
    let file = tree.find("/Account/", "\"$sealed\"");
    let text = tree.read(&file);
    let at = text.find("{ \"$sealed\"").unwrap();
    let end = at + text[at..].find('}').unwrap() + 1;
    tree.write(&file, &format!("{}\"hunter2 in the open\"{}", &text[..at], &text[end..]));
    tree.told(&file, &["$.", "in the open"]);
    assert!(!tree.findings().concat().contains("hunter2"));
}

/// Scalars that the model does not allow travel, and are told: a product may hold them all the same.
#[test]
fn values_that_the_model_does_not_allow_are_told() {
    let tree = Edited::new();
    let file = tree.find("/VariableSet", "\"Type\": \"String\"");
    let told = |found: &[sealift::tree::Finding], value: &str| {
        let found = found.iter().map(ToString::to_string);
        found.filter(|d| d.starts_with(&file) && d.contains(value) && d.contains("$.Variables[")).count() == 1
    };
    // A newer product may have more types.
    tree.replace(&file, "\"Type\": \"String\"", "\"Type\": \"Strnig\"");
    let read = tree.taken();
    assert!(told(&read.notes.found, "Strnig") && read.doubts.is_empty(), "{read:?}");
    tree.replace(&file, "\"Type\": \"Strnig\"", "\"Type\": [\"Strnig\"]");
    let read = tree.taken();
    assert!(told(&read.doubts.found, "text") && read.notes.is_empty(), "{read:?}");
    // Strictly, they are wrong.
    let tree_of = Tree::open(&tree.root).unwrap();
    drop(fs::remove_file(tree.out()));
    let strict = ops::from_tree(&tree_of, &octopus(), None, &tree.out(), (false, true), &Silent);
    assert!(refused(strict).found.iter().any(|f| f.text.contains("text")));
    assert!(!tree.out().exists());
}

/// A folder whose name is misspelled must not lose its documents in silence.
#[test]
fn folders_of_no_kind_are_told() {
    let tree = Edited::new();
    fs::rename(tree.root.join("UserRole"), tree.root.join("UserRoles")).unwrap();
    fs::create_dir(tree.root.join(".github")).unwrap();
    fs::write(tree.root.join("README.md"), "mine").unwrap();
    assert_eq!(tree.taken().passed_over, ["UserRoles"]);
}

#[test]
fn a_secret_that_moved_needs_the_password_and_keeps_its_value() {
    let tree = Edited::new();
    let all = files(&tree.root);
    let (file, (sealed, other)) = all
        .iter()
        .filter(|(path, _)| path.contains("VariableSet.json"))
        .find_map(|(path, bytes)| Some((path.clone(), two_elements(std::str::from_utf8(bytes).unwrap())?)))
        .expect("a variable set with a secret and another variable");
    let text = tree.read(&file);
    let swapped = text.replace(&sealed, "@SEALED@").replace(&other, &sealed).replace("@SEALED@", &other);
    assert_ne!(text, swapped);
    tree.write(&file, &swapped);
    let moved = match try_from_tree(&tree.root, &octopus(), None, &tree.out()) {
        Err(ConvertError::NeedsKey { moved }) => moved,
        other => panic!("{other:?}"),
    };
    assert!(!tree.out().exists());
    assert_eq!(moved.found[0].file, file);
    let key = unlock(&open(&tree.bundle)).unwrap();
    let read = try_from_tree(&tree.root, &octopus(), Some(&key), &tree.out()).unwrap();
    assert_eq!(read.resealed, moved.total());
    // Every secret opens, with the value that it had.
    let values = |path: &Path| -> BTreeSet<(String, String)> {
        let bundle = open(path);
        let mut all = BTreeSet::new();
        bundle
            .scan(Some("VariableSet"), &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
                let secrets = bundle.secrets(&entry, &document, &key)?;
                for secret in secrets.into_iter().flatten() {
                    all.insert((entry.key.to_text(), String::from_utf8_lossy(secret.expose()).into_owned()));
                }
                Ok(())
            })
            .unwrap();
        all
    };
    assert_eq!(values(&tree.bundle), values(&tree.out()));
    // A value put into another document does not open there.
    let [one, two] = [&file, all.keys().find(|p| p.contains("/Account/") && p.ends_with(".json")).unwrap()];
    let value = |text: &str| {
        let at = text.find("{ \"$sealed\"").unwrap();
        text[at..at + text[at..].find('}').unwrap() + 1].to_owned()
    };
    let (mine, theirs) = (value(&tree.read(one)), value(&tree.read(&tree.find("/Account/", "$sealed"))));
    let _ = two;
    tree.write(&file, &swapped.replacen(&mine, &theirs, 1));
    drop(fs::remove_file(tree.out()));
    let findings = refused(try_from_tree(&tree.root, &octopus(), Some(&key), &tree.out()));
    assert!(
        findings.found.iter().any(|f| f.file == file && f.text.contains("does not open")),
        "{findings:?}"
    );
}

/// A copy is for reading; where it was edited nobody can say which text is meant.
#[test]
fn copies_of_scripts_must_agree() {
    let tree = Edited::new();
    let root = tree.folder.path().join("copies");
    to_tree(&tree.bundle, &octopus(), &root, ScriptMode::Copy);
    let script = files(&root).into_keys().find(|path| path.ends_with(".ps1")).unwrap();
    fs::write(root.join(&script), "edited").unwrap();
    let findings = refused(try_from_tree(&root, &octopus(), None, &tree.out()));
    assert!(findings.found.len() == 1 && findings.found[0].text.contains("differs"), "{findings:?}");
    fs::remove_file(root.join(&script)).unwrap();
    from_tree(&root, &octopus(), &tree.out());
    assert_eq!(open(&tree.out()).info().content_root, open(&tree.bundle).info().content_root);
}
