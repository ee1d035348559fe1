//! What `tree-v1.md` shows of names, recomputed.

use sealift::document::Key;
use sealift::model::Model;
use sealift::tree::{Clashes, Tree};

use super::{Lines, folder, hex, line};

/// The context of digits in names. The library keeps it to itself; that it has the same the paths show.
pub const NAME_CONTEXT: &str = "sealift 2026-11 tree v1 name";

fn hashed(parts: &[&str]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes(), part.as_bytes()].concat()).collect()
}

fn digits(parts: &[&str]) -> String {
    hex(&blake3::derive_key(NAME_CONTEXT, &hashed(parts))[..8])
}

/// The path of a document that is alone in its tree.
fn path(kind: &str, key: &str) -> String {
    let mut clashes = Clashes::default();
    let key = Key::parse(key).unwrap();
    clashes.see(kind, &key);
    clashes.path(kind, &key)
}

pub fn names() -> Lines {
    let (kind, long) = ("k".repeat(101), format!("[\"{}\"]", "/".repeat(34)));
    let script = [
        "DeploymentProcess",
        r#"[{"Project":["Web"]}]"#,
        "$.Steps[0].Actions[0].Properties['Octopus.Action.Script.ScriptBody']",
    ];
    let cut = path("User", &long);
    assert!(cut.contains(&digits(&["User", &long])) && path(&kind, "[\"a\"]").contains(&digits(&[&kind])));
    vec![
        line("Feed [\"Web\"], hashed", hex(&hashed(&["Feed", "[\"Web\"]"]))),
        line("digits", digits(&["Feed", "[\"Web\"]"])),
        line("owner of {\"?Project\":[\"Projects-7\"]}, digits", digits(&["?Project", "[\"Projects-7\"]"])),
        line("User, 34 times \"/\"", cut),
        line("a kind that is 101 times \"k\", [\"a\"]", path(&kind, "[\"a\"]")),
        line(
            "script of DeploymentProcess [{\"Project\":[\"Web\"]}] at the first action's ScriptBody, hashed",
            hex(&hashed(&script)),
        ),
        line("digits of the script", digits(&script)),
    ]
}

fn text() -> String {
    std::fs::read_to_string(folder().join("tree-v1.md")).unwrap()
}

#[test]
fn the_table_of_paths_is_what_the_code_gives() {
    let text = text();
    let (_, table) = text.split_once("| kind, key text | file |\n|---|---|\n").unwrap();
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 7);
    for row in rows {
        let parts: Vec<&str> = row.split('`').collect();
        let [_, kind, _, key, _, file, _] = parts[..] else { panic!("{row}") };
        assert_eq!(path(kind, key), file);
    }
}

#[test]
fn the_names_within_the_text_are_what_the_code_gives() {
    let text = text().split_whitespace().collect::<Vec<_>>().join(" ");
    let user = |name: &str| {
        let path = path("User", &serde_json::json!([name]).to_string());
        path.strip_prefix("User/").unwrap().strip_suffix(".json").unwrap().to_owned()
    };
    let escapes =
        format!("`CON` is `{}`, `..` is `{}`, `a/b ` is `{}`", user("CON"), user(".."), user("a/b "));
    assert!(text.contains(&escapes), "{escapes}");
    let (web, upper) = (Key::name("Web"), Key::name("WEB"));
    let mut clashes = Clashes::default();
    [&web, &upper].into_iter().for_each(|key| clashes.see("Feed", key));
    let (first, second) = (clashes.path("Feed", &web), clashes.path("Feed", &upper));
    let both = format!("in one tree are `{first}` and `{second}`");
    assert!(text.contains(&both), "{both}");
    assert!(text.contains(&format!("`Feed` `[\"Web\"]` has `{}`", digits(&["Feed", "[\"Web\"]"]))));
    assert!(first.contains(&digits(&["Feed", "[\"Web\"]"])), "the library has another context");
}

/// The example of `sealift.json`, its blanks filled in, is one that a reader takes.
#[test]
fn the_example_of_sealift_json_is_read() {
    let text = text();
    let (_, rest) = text.split_once("```json\n{\n  \"format\"").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let mut filled = format!("{{\n  \"format\"{example}")
        .replace("64 hexadecimal digits", &"0".repeat(64))
        .replace("32 hexadecimal digits", &"0".repeat(32));
    for (name, bytes) in [("salt", 32), ("nonce", 24), ("wrapped", 48)] {
        filled =
            filled.replace(&format!("\"{name}\": \"…\""), &format!("\"{name}\": \"{}\"", "00".repeat(bytes)));
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("sealift.json"), filled).unwrap();
    let tree = Tree::open(root.path()).unwrap();
    assert_eq!(tree.about().envelope.as_ref().unwrap().slots.len(), 1);
    assert_eq!(tree.about().notices.len(), 1);
}

/// What the vectors say of the model is true of the one that comes with the program.
#[test]
fn the_kinds_of_the_vectors_are_the_models() {
    let text = std::fs::read_to_string(folder().join("vectors/tree/README.md")).unwrap();
    let words = |block: &str| -> Vec<String> {
        let (_, rest) = text.split_once(&format!("```{block}\n")).unwrap();
        rest.split_once("```").unwrap().0.split_whitespace().map(str::to_owned).collect()
    };
    let model = Model::octopus().unwrap();
    let kinds: Vec<&str> = model.kinds().iter().map(|kind| kind.name.as_str()).collect();
    let parts: Vec<&str> =
        model.kinds().iter().flat_map(|kind| &kind.parts).map(|part| part.name.as_str()).collect();
    assert!(words("kinds").len() > 40 && words("parts").len() > 3);
    assert!(words("kinds").iter().all(|kind| kinds.contains(&kind.as_str())));
    assert!(words("parts").iter().all(|part| parts.contains(&part.as_str())));
}

/// The classes of errors and their exit codes, as the vectors have them.
#[test]
fn each_class_has_the_exit_code_of_its_vectors() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder().join("vectors/tree")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let vector: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let (class, exit) = (vector["expect"].as_str().unwrap(), vector.get("exit"));
        let Some(exit) = exit.filter(|_| class != "ok") else { continue };
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{class}` |"))).unwrap();
        assert!(row.ends_with(&format!("| {exit} |")), "{}: {row}", path.display());
        seen += 1;
    }
    assert!(seen > 100);
}
