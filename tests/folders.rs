//! Folders of documents on the command line: what is in them is never lost or mixed without a word, and everything that
//! is wrong with one is reported by its own name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stage::{Stage, TO, text};

const EXPORT: [&str; 8] = [
    "export",
    "sqlite:build.sqlite",
    "--master-key-file",
    "build.key",
    "--password-file",
    "password",
    "--kdf-memory",
    "8",
];

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

fn with_tree() -> Stage {
    let stage = Stage::new();
    stage.done(&["convert", "build.sealift", "tree"]);
    stage
}

#[track_caller]
fn told(stage: &Stage, args: &[&str], code: i32) -> String {
    let out = stage.run(args);
    let told = text(&out.stdout) + &text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{told}");
    told
}

/// Replaces a text of a file that has it.
#[track_caller]
fn edit(stage: &Stage, file: &str, from: &str, to: &str) {
    let path = stage.at(file);
    let found = fs::read_to_string(&path).unwrap();
    assert!(found.contains(from), "{found}");
    fs::write(path, found.replace(from, to)).unwrap();
}

/// The first sealed value of a document's text.
fn sealed(text: &str) -> String {
    text.split("\"$sealed\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[track_caller]
fn exported(stage: &Stage, more: &[&str]) -> String {
    stage.done(&[&EXPORT[..], more].concat())
}

/// The root that the folder has when it is read back.
fn root_of(stage: &Stage, tree: &str) -> String {
    let told = stage.done(&["verify", tree, "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&told).unwrap();
    answer["content_root"].as_str().unwrap().to_owned()
}

const PRODUCTION: &str = "tree/Space/Default/Environment/Production.json";

#[test]
fn a_wrong_password_names_the_folder() {
    let stage = with_tree();
    fs::write(stage.at("wrong"), "no such word").unwrap();
    let to = ["--to", TO[1], TO[2], TO[3], "--password-file", "wrong"];
    for args in [
        vec!["verify", "tree", "--password-file", "wrong"],
        [&["plan", "tree"][..], &to].concat(),
        [&["import", "tree", "--dry-run"][..], &to].concat(),
        vec!["merge", "tree", "-o", "out.sealift", "--password-file", "wrong"],
        vec![
            "export",
            "sqlite:build.sqlite",
            "-o",
            "tree",
            "--master-key-file",
            "build.key",
            "--password-file",
            "wrong",
        ],
    ] {
        let told = told(&stage, &args, 6);
        assert!(told.contains("error: tree: wrong password"), "{args:?}\n{told}");
        assert!(!told.contains(std::env::temp_dir().to_str().unwrap()), "{args:?}\n{told}");
    }
}

/// A value that does not open is told by the folder as well, not by the file that was made of it.
#[test]
fn a_value_that_was_moved_between_documents_names_the_folder() {
    let stage = with_tree();
    let account = |name: &str| format!("tree/Space/Default/Account/{name}.json");
    let sealed =
        |text: &str| text.split("\"$sealed\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let read = |name: &str| fs::read_to_string(stage.at(&account(name))).unwrap();
    let (one, other) = (read("Kube Token"), read("AWS Media"));
    edit(&stage, &account("Kube Token"), &sealed(&one), &sealed(&other));
    let told = told(&stage, &["plan", "tree", "--to", TO[1], TO[2], TO[3], "--password-file", "password"], 5);
    assert!(told.contains("error: tree: "), "{told}");
}

#[test]
fn half_of_a_surrogate_pair_is_named_with_its_place() {
    let stage = with_tree();
    edit(&stage, PRODUCTION, "\"Production\"", "\"Production\\ud83d\"");
    let told = told(&stage, &["verify", "tree"], 3);
    assert!(
        told.contains("Production.json: half of a surrogate pair") && told.contains("line 3, column"),
        "{told}"
    );
}

#[test]
fn all_that_is_wrong_in_all_files_is_reported_at_once() {
    let stage = with_tree();
    let environment = |name: &str| format!("tree/Space/Default/Environment/{name}.json");
    // In one file: its kind, a marker and a member; in others a grammar, a script, a key, a sealed value, a link.
    edit(&stage, &environment("Test"), "\"kind\": \"Environment\"", "\"kind\": \"Enviroment\"");
    edit(
        &stage,
        &environment("Test"),
        "\"columns\": {",
        "\"colums\": 1, \"columns\": { \"X\": { \"$hex\": \"z\" },",
    );
    edit(&stage, &environment("Staging"), "\"kind\":", "\"kind\"");
    edit(&stage, &environment("Development"), "\"Development\"]", "\"Developmemt\"]");
    let token = "tree/Space/Default/Account/Kube Token.json";
    let sealed = sealed(&fs::read_to_string(stage.at(token)).unwrap());
    edit(&stage, token, &sealed, "AAAA");
    fs::write(stage.at(&environment("Disaster Recovery")), [0xff, 0xfe, b'{', 0]).unwrap();
    let script = files(&stage.at("tree")).into_keys().find(|path| path.ends_with(".ps1")).unwrap();
    fs::remove_file(stage.at("tree").join(&script)).unwrap();
    edit(&stage, "tree/sealift.json", "\"whole\": 0", "\"whole\": -1");
    edit(&stage, "tree/sealift.json", "\"scripts\": \"extract\"", "\"scripts\": \"somehow\"");
    let told = told(&stage, &["verify", "tree"], 3);
    for piece in [
        "sealift.json: scripts: it is extract, copy or inline",
        "sealift.json: whole: it is a whole number",
        "Test.json: kind: \"Enviroment\" is no kind",
        "Test.json: X: $hex takes pairs",
        "Test.json: colums: a document has",
        "Staging.json: not valid JSON near line 2",
        "Development.json: key: the file of this document is",
        "Kube Token.json: $.Token",
        "Disaster Recovery.json: no UTF-8 text",
        &format!("the script's file {} is missing", script.rsplit('/').next().unwrap()),
    ] {
        assert!(told.contains(piece), "{piece}\n{told}");
    }
}

#[test]
fn references_to_a_document_renamed_by_hand_are_reported() {
    let stage = with_tree();
    let to = "tree/Space/Default/Environment/Live.json";
    fs::rename(stage.at(PRODUCTION), stage.at(to)).unwrap();
    edit(&stage, to, "\"Production\"", "\"Live\"");
    let found = told(&stage, &["verify", "tree"], 3);
    let lines: Vec<&str> = found.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(lines.len(), 1, "{found}");
    assert!(
        lines[0].contains("it refers to Environment Default / Production, which is not in the folder; so do"),
        "{found}"
    );
    assert!(found.contains("sealift.json lists and that are not there: 1"), "{found}");
    // Conversions say it too, and stop where that is asked for.
    let strict = told(&stage, &["convert", "tree", "out.sealift", "--strict"], 3);
    assert!(strict.contains("Production, which is not in the folder"), "{strict}");
    assert!(!stage.at("out.sealift").exists());
    assert!(stage.done(&["convert", "tree", "out.sealift"]).contains("warning: "));
}

/// What owns others: their keys name it.
#[test]
fn documents_of_an_owner_renamed_by_hand_are_reported_in_part_exports_too() {
    let stage = Stage::new();
    stage.done(
        &[
            &["partial-export", "sqlite:build.sqlite", "--project", "Order Service", "-o", "tree/"][..],
            &EXPORT[2..],
        ]
        .concat(),
    );
    // What the export left out is no accident.
    let whole = stage.done(&["verify", "tree"]);
    assert!(!whole.contains("warning"), "{whole}");
    let (from, to) =
        ("tree/Space/Default/Project/Order Service.json", "tree/Space/Default/Project/Orders.json");
    fs::rename(stage.at(from), stage.at(to)).unwrap();
    edit(&stage, to, "\"Order Service\"", "\"Orders\"");
    let found = told(&stage, &["verify", "tree"], 3);
    assert!(
        found.contains(": key: it refers to Project Default / Order Service, which is not in the folder"),
        "{found}"
    );
}

#[test]
fn a_choice_of_less_does_not_remove_what_it_does_not_look_for() {
    let stage = Stage::new();
    exported(&stage, &["-o", "tree/"]);
    let before = files(&stage.at("tree"));
    let less: [&[&str]; 5] = [
        &["--only", "Environment"],
        &["--exclude", "Team"],
        &["--ignore-tenants"],
        &["--space", "Default"],
        &["--project", "Order Service"],
    ];
    for less in less {
        let told = told(&stage, &[&EXPORT[..], less, &["-o", "tree/"]].concat(), 1);
        assert!(
            told.contains("documents would be removed that this export did not look for or could not read, the first is "),
            "{told}"
        );
        assert!(told.contains("--replace") && told.contains("nothing was changed"), "{told}");
        assert!(files(&stage.at("tree")) == before, "{less:?}");
    }
    // So for a bundle of less, and --force is for other things.
    exported(&stage, &["--only", "Environment", "-o", "less.sealift"]);
    told(&stage, &["convert", "less.sealift", "tree", "--force"], 1);
    assert!(files(&stage.at("tree")) == before);
    // Who asks for it gets it, and the folder says what it is then.
    stage.done(&["convert", "less.sealift", "tree", "--replace"]);
    assert!(
        files(&stage.at("tree")).into_keys().all(|path| path.contains("Environment/") || !path.contains('/'))
    );
    exported(&stage, &["--only", "Environment", "-o", "again.sealift", "--previous", "less.sealift"]);
    stage.done(&["convert", "tree", "back.sealift"]);
    assert!(fs::read(stage.at("back.sealift")).unwrap() == fs::read(stage.at("again.sealift")).unwrap());
    // More is no loss.
    exported(&stage, &["-o", "tree/"]);
    assert_eq!(files(&stage.at("tree")).len(), before.len());
}

#[test]
fn the_same_choice_again_removes_what_is_gone() {
    let stage = Stage::new();
    let delete = |what: &str| {
        let db = rusqlite::Connection::open(stage.at("build.sqlite")).unwrap();
        assert!(db.execute(what, []).unwrap() > 0);
    };
    for (tree, choice) in [
        ("part/", &["--only", "Proxy", "--only", "Team"][..]),
        ("space/", &["--space", "Default"]),
        ("all/", &[]),
    ] {
        exported(&stage, &[choice, &["-o", tree]].concat());
        exported(&stage, &[choice, &["-o", tree]].concat());
    }
    let count = |tree: &str| files(&stage.at(tree)).len();
    let before = ["part", "space", "all"].map(count);
    delete("DELETE FROM Team WHERE Name = 'Release Approvers'");
    delete("DELETE FROM ScopedUserRole WHERE TeamId NOT IN (SELECT Id FROM Team)");
    exported(&stage, &["--only", "Proxy", "--only", "Team", "-o", "part/"]);
    exported(&stage, &["--space", "Default", "-o", "space/"]);
    exported(&stage, &["-o", "all/"]);
    let after = ["part", "space", "all"].map(count);
    for (before, after) in before.iter().zip(after) {
        assert!(after < *before, "{before} {after}");
    }
}

/// A reader would take it for one of the export's own.
#[test]
fn a_document_that_somebody_added_is_not_mixed_into_an_update() {
    let stage = with_tree();
    let root = root_of(&stage, "tree");
    let mine = "tree/Space/Default/Environment/Mine.json";
    fs::copy(stage.at(PRODUCTION), stage.at(mine)).unwrap();
    edit(&stage, mine, "\"Production\"", "\"Mine\"");
    stage.done(&["verify", "tree"]);
    assert_ne!(root_of(&stage, "tree"), root);
    let before = files(&stage.at("tree"));
    let told = told(&stage, &["convert", "build.sealift", "tree"], 1);
    assert!(told.contains("1 files are in the way") && told.contains("Environment/Mine.json"), "{told}");
    assert!(files(&stage.at("tree")) == before);
    stage.done(&["convert", "build.sealift", "tree", "--force"]);
    assert!(!stage.at(mine).exists());
    assert_eq!(root_of(&stage, "tree"), root);
}

#[test]
fn line_ends_that_git_changed_are_reported_where_scripts_changed_with_them() {
    let stage = with_tree();
    for (path, bytes) in files(&stage.at("tree")) {
        let text = String::from_utf8(bytes).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
        fs::write(stage.at("tree").join(path), text).unwrap();
    }
    let found = told(&stage, &["verify", "tree"], 3);
    assert!(found.contains("scripts have CRLF line ends, as sealift.json has"), "{found}");
    // An editor that did so with that one file is no accident.
    let again = with_tree();
    let about = fs::read_to_string(again.at("tree/sealift.json")).unwrap();
    fs::write(again.at("tree/sealift.json"), about.replace('\n', "\r\n")).unwrap();
    let plain = again.done(&["verify", "tree"]);
    assert!(!plain.contains("warning"), "{plain}");
}

#[test]
fn a_plan_is_taken_with_the_line_ends_of_git() {
    let stage = Stage::new();
    stage.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
    let shown = stage.done(&["show", "p.plan"]);
    let plan = fs::read_to_string(stage.at("p.plan")).unwrap();
    fs::write(stage.at("p.plan"), plan.replace('\n', "\r\n")).unwrap();
    assert_eq!(stage.done(&["show", "p.plan"]), shown);
    // Nothing else goes unseen.
    let apply = [&["apply", "p.plan", "build.sealift", "--yes"][..], &TO].concat();
    for (from, to) in [("\"create\"", "\"update\""), (",", ",\r"), ("\r\n", "\r\r\n")] {
        let edited = fs::read_to_string(stage.at("p.plan")).unwrap().replacen(from, to, 1);
        fs::write(stage.at("e.plan"), edited).unwrap();
        let apply: Vec<&str> =
            apply.iter().map(|arg| if *arg == "p.plan" { "e.plan" } else { *arg }).collect();
        stage.refused(&apply, 5, "");
    }
    stage.done(&[&apply[..], &["--no-record", "--undo", "u.undo"]].concat());
    assert!(stage.done(&["show", "p.plan"]).contains("u.undo"));
}

/// Everything in the folder depends on `sealift.json`: where that is broken, its fault is named and no document's.
#[test]
fn a_broken_list_is_named_with_what_else_is_wrong() {
    let stage = with_tree();
    let about = fs::read(stage.at("tree/sealift.json")).unwrap();
    let text = String::from_utf8(about.clone()).unwrap();
    edit(&stage, PRODUCTION, "\"Production\"]", "\"Productiom\"]");
    let slot = text.lines().find(|line| line.contains("\"wrapped\"")).unwrap();
    let slots = |slots: &str| text.replace(slot, slots).into_bytes();
    let cost = |name: &str, cost: &str| {
        let rest = slot.split(&format!("\"{name}\": ")).nth(1).unwrap();
        let old = rest.split(',').next().unwrap();
        slots(&slot.replace(&format!("\"{name}\": {old}"), &format!("\"{name}\": {cost}")))
    };
    let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    for (bytes, reason) in [
        ([&about[..], b"<<<<<<<\n"].concat(), "sealift.json: not valid JSON near line"),
        (Vec::new(), "sealift.json: "),
        (b"null".to_vec(), "sealift.json: it is no object"),
        (b"[]".to_vec(), "sealift.json: it is no object"),
        (
            text.replacen('{', "{ \"model\": \"octopus\",", 1).into_bytes(),
            "sealift.json: an object has two members",
        ),
        (text.replace("sealift tree 1", "other").into_bytes(), "sealift.json: format: "),
        (text.replacen('{', "{\0", 1).into_bytes(), "sealift.json: not valid JSON near line 1"),
        ([&[0xff, 0xfe][..], &utf16(u16::to_le_bytes)].concat(), "sealift.json: no UTF-8 text but UTF-16"),
        (utf16(u16::to_le_bytes), "sealift.json: no UTF-8 text but UTF-16"),
        (utf16(u16::to_be_bytes), "sealift.json: no UTF-8 text but UTF-16"),
        (cost("memory_kib", "1"), "sealift.json: envelope: "),
        (cost("lanes", "0"), "sealift.json: envelope: "),
        (cost("passes", "4294967296"), "sealift.json: passes: "),
        (slots(""), "sealift.json: envelope: "),
        (slots(&vec![slot; 17].join(",\n")), "sealift.json: envelope: "),
        (text.replacen('{', &format!("{{ \"server\": \"{}\",", "x".repeat(2 << 20)), 1).into_bytes(), ""),
    ] {
        fs::write(stage.at("tree/sealift.json"), bytes).unwrap();
        let to = [&["plan", "tree"][..], &TO].concat();
        let commands = [&["verify", "tree"][..], &["info", "tree"], &["convert", "tree", "out.sealift"], &to];
        for args in &commands[..if reason.contains("envelope") { 4 } else { 2 }] {
            let out = stage.run(args);
            let told = self::text(&out.stderr);
            let code = if reason.is_empty() { 5 } else { 3 };
            assert_eq!(out.status.code(), Some(code), "{args:?}\n{told}");
            assert!(told.contains(reason), "{args:?}, {reason}\n{told}");
            assert!(reason.is_empty() || told.contains("Production.json: key: "), "{args:?}\n{told}");
            assert!(!told.contains(std::env::temp_dir().to_str().unwrap()), "{args:?}\n{told}");
            assert!(!told.contains("salvage"), "{args:?}\n{told}");
            assert!(!stage.at("out.sealift").exists());
        }
    }
}

/// The folder was made with a model of more kinds.
#[test]
fn documents_of_a_kind_that_the_model_lacks_are_reported_and_not_called_missing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let kind = |name: &str| {
        format!(
            "[[kind]]\nname = \"{name}\"\ntable = \"{name}\"\nid = {{ column = \"Id\", new = \"keep\" }}\n\
             key = [\"Name\"]\n"
        )
    };
    let head = "format = 1\nname = \"mini\"\ntitle = \"Mini\"\ncipher = \"none\"\n";
    fs::write(at("all.toml"), head.to_owned() + &kind("Box") + &kind("Bag")).unwrap();
    fs::write(at("less.toml"), head.to_owned() + &kind("Box")).unwrap();
    let source = rusqlite::Connection::open(at("s.sqlite")).unwrap();
    for table in ["Box", "Bag"] {
        let sql = format!(
            "create table {table}(Id text primary key, Name text); insert into {table} values('1', 'one')"
        );
        source.execute_batch(&sql).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"));
        let out = command.args(args).current_dir(folder.path()).output().unwrap();
        (out.status.code(), text(&out.stdout) + &text(&out.stderr))
    };
    let (code, told) = run(&["export", "sqlite:s.sqlite", "--model", "all.toml", "-o", "tree/"]);
    assert_eq!(code, Some(0), "{told}");
    for args in [
        ["verify", "tree", "--model", "less.toml"].as_slice(),
        &["convert", "tree", "o.sealift", "--model", "less.toml"],
    ] {
        let (code, told) = run(args);
        assert_eq!(code, Some(3), "{told}");
        assert!(told.contains("Bag/one.json: sealift.json lists it") && told.contains("--model"), "{told}");
    }
    // One that is not there is missing, whatever the model: --strict refuses it.
    fs::remove_file(at("tree/Bag/one.json")).unwrap();
    let (code, told) = run(&["convert", "tree", "o.sealift", "--model", "less.toml", "--strict"]);
    assert!(code == Some(3) && told.contains("sealift.json: 1 documents that sealift.json lists"), "{told}");
    let (code, told) = run(&["convert", "tree", "o.sealift", "--model", "less.toml"]);
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_secret_that_does_not_open_names_its_document_and_how_to_go_on() {
    let stage = with_tree();
    let (from, to) =
        ("tree/Space/Default/Account/Kube Token.json", "tree/Space/Default/Account/Renamed.json");
    fs::rename(stage.at(from), stage.at(to)).unwrap();
    edit(&stage, to, "\"Kube Token\"", "\"Renamed\"");
    let to = [TO[0], TO[1], TO[2], TO[3], "--password-file", "password"];
    for args in [
        vec!["verify", "tree", "--password-file", "password"],
        [&["plan", "tree"][..], &to].concat(),
        [&["import", "tree", "--dry-run"][..], &to].concat(),
    ] {
        let told = told(&stage, &args, 5);
        assert!(told.contains("Account Default / Renamed: $.Token: "), "{args:?}\n{told}");
        assert!(told.contains("move it back") && !told.contains("salvage"), "{args:?}\n{told}");
    }
}
