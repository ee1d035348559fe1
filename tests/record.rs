//! What an import leaves: a record as JSON and as a page. All of what was done is in it, no secret is, hostile
//! names stay text, and a record that cannot be written costs nothing before the import, and nothing after it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use sealift::crypto::MasterKey;
use sealift::demo::{self, DemoOptions, Site};
use serde_json::Value as Json;

/// A folder with the demo's servers, as they were before the demo imported anything.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: support::folder() };
        let mut command = stage.command(&["demo", "d"]);
        assert_eq!(command.current_dir(stage.folder.path()).output().unwrap().status.code(), Some(0));
        std::fs::remove_file(stage.at("production.sqlite")).unwrap();
        let mut server = support::empty_octopus(&stage.at("production.sqlite"));
        let key = stage.key("production.key");
        demo::build(&mut server, Site::Production, &key, &DemoOptions::default()).unwrap();
        stage
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("d").join(name)
    }

    fn key(&self, name: &str) -> MasterKey {
        MasterKey::from_base64(std::fs::read_to_string(self.at(name)).unwrap().trim()).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(args).current_dir(self.at("")).stdin(Stdio::null());
        command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
        command
    }

    fn run(&self, args: &[&str], code: i32) -> Output {
        let out = self.command(args).output().unwrap();
        let (told, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(code), "{args:?}\n{error}\n{told}");
        out
    }

    fn import(&self, more: &[&str], code: i32) -> Output {
        self.run(&[&["import", "build.sealift", "--yes"], TARGET, more].concat(), code)
    }

    fn json(&self, args: &[&str]) -> Json {
        serde_json::from_slice(&self.run(&[args, &["--json"]].concat(), 0).stdout).unwrap()
    }

    /// The names of all files.
    fn files(&self) -> BTreeSet<String> {
        let names = std::fs::read_dir(self.at("")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn target(&self) -> Vec<u8> {
        std::fs::read(self.at("production.sqlite")).unwrap()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }
}

const TARGET: &[&str] = &[
    "--to",
    "sqlite:production.sqlite",
    "--overwrite",
    "--password-file",
    "password",
    "--master-key-file",
    "production.key",
];

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// Reads a page as strictly as XML: every tag ends, in its order, attributes are quoted, and nothing that means
/// something stands in the text. Returns the names of all tags, and the text as people see it.
#[track_caller]
fn well_formed(page: &str) -> (BTreeSet<String>, String) {
    let page = page.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let (mut open, mut tags, mut seen) = (Vec::new(), BTreeSet::new(), String::new());
    let mut rest = page;
    let readable = |text: &str| {
        let mut out = String::new();
        let mut pieces = text.split('&');
        out.push_str(pieces.next().unwrap());
        for piece in pieces {
            let (name, tail) = piece.split_once(';').unwrap_or_else(|| panic!("a bare & before {piece:?}"));
            out.push_str(match name {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "#39" => "'",
                other => panic!("&{other};"),
            });
            out.push_str(tail);
        }
        out
    };
    while let Some(at) = rest.find('<') {
        let (text, tail) = rest.split_at(at);
        if open.last() != Some(&"style") {
            assert!(!text.contains('>'), "{text:?}");
            seen.push_str(&readable(text));
        }
        let end = tail.find('>').unwrap_or_else(|| panic!("{tail:?}"));
        let inner = &tail[1..end];
        rest = &tail[end + 1..];
        if let Some(name) = inner.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "before {rest:.80}");
            continue;
        }
        let (inner, alone) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
        let (name, mut attributes) = inner.split_once(' ').unwrap_or((inner, ""));
        assert!(
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{inner:?}"
        );
        while !attributes.is_empty() {
            let (attribute, value) = attributes.split_once("=\"").unwrap_or_else(|| panic!("{inner:?}"));
            assert!(attribute.trim().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{inner:?}");
            let (value, tail) = value.split_once('"').unwrap_or_else(|| panic!("{inner:?}"));
            readable(value);
            attributes = tail;
        }
        tags.insert(name.to_owned());
        if !alone {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
    (tags, seen)
}

#[test]
fn a_record_holds_all_that_was_done() {
    let stage = Stage::new();
    let planned = stage.json(&[&["plan", "build.sealift"], TARGET].concat());
    let info = stage.json(&["info", "build.sealift"]);
    let before = stage.files();
    let out = stage.import(&["--json"], 0);
    let told: Json = serde_json::from_slice(&out.stdout).unwrap();
    let left: Vec<String> = stage.files().difference(&before).cloned().collect();
    // The undo file goes by the same name.
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(told["undo"], left[2].as_str());
    assert_eq!([&told["record"]["html"], &told["record"]["json"]], [left[0].as_str(), left[1].as_str()]);
    let stem = left[1].strip_suffix(".json").unwrap();
    let shape: String = stem.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "sealift-00000000T000000Z-production");

    let record: Json = serde_json::from_str(&stage.text(&left[1])).unwrap();
    assert_eq!(record["format"], "sealift import record 1");
    assert_eq!(record["undo"], left[2].as_str());
    assert_eq!(record["program"], concat!("sealift ", env!("CARGO_PKG_VERSION")));
    assert_eq!(record["outcome"], "applied");
    assert_eq!(record["target"], "sqlite:production.sqlite");
    for moment in ["began", "ended"] {
        let text = record[moment].as_str().unwrap();
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00Z", "{text}");
    }
    assert!(stem.contains(&record["began"].as_str().unwrap().replace(['-', ':'], "")));
    assert_eq!(record["bundle"]["path"], "build.sealift");
    for name in ["content_root", "file_root", "product_version", "model", "documents", "created", "writer"] {
        assert_eq!(record["bundle"][name], info[name], "{name}");
    }
    assert_eq!(record["options"], serde_json::json!(["--overwrite"]));
    for name in ["documents", "counts", "rows", "findings", "notices", "maintenance"] {
        assert_eq!(record[name], planned[name], "{name}: the record is not the plan");
    }
    let documents = record["documents"].as_array().unwrap();
    assert!(documents.len() > 200 && documents.iter().any(|d| !d["changes"].as_array().unwrap().is_empty()));
    let all = |action: &str| -> u64 {
        let kinds = record["kinds"].as_array().unwrap();
        kinds.iter().map(|kind| kind["counts"][action].as_u64().unwrap_or_default()).sum()
    };
    for action in ["create", "update", "merge", "unchanged", "skip"] {
        assert_eq!(Some(all(action)), record["counts"][action].as_u64(), "{action}");
    }

    let (tags, text) = well_formed(&stage.text(&left[0]));
    assert!(tags.contains("details") && !tags.contains("script") && !tags.contains("link"), "{tags:?}");
    for document in documents {
        let name = document["key"].as_array().unwrap().last().unwrap();
        if let Some(name) = name.as_str() {
            assert!(text.contains(name), "{name}");
        }
        for change in document["changes"].as_array().unwrap() {
            assert!(text.contains(change["place"].as_str().unwrap()), "{change}");
        }
    }
    for fact in ["began", "ended", "target"] {
        assert!(text.contains(record[fact].as_str().unwrap()), "{fact}");
    }
    assert!(text.contains(info["content_root"].as_str().unwrap()) && text.contains("--overwrite"));
    assert!(text.contains("committed: all of it was written in one transaction"));
    let page = stage.text(&left[0]);
    for elsewhere in ["http:", "https:", "url(", "@import", " src=", "href="] {
        let mut around = page.split(elsewhere);
        around.next();
        // An address may stand in a value, as text.
        let value = |rest: &str| rest.starts_with("//") && elsewhere.starts_with("http");
        assert!(around.all(value), "the page reaches for {elsewhere}");
    }

    // Nothing left to do: nothing to record, and the target's own record stays alone.
    let before = stage.files();
    stage.import(&[], 0);
    assert_eq!(stage.files(), before);
}

#[test]
fn names_and_values_are_text_whatever_they_hold() {
    let stage = Stage::new();
    let name = "</summary><script>alert(\"x\")</script>&lt;'\u{202e}gpj.exe\u{1b}[2J";
    let value = "first\n</pre><img src=x onerror=\"alert(1)\">\n&amp;\nlast";
    let db = Connection::open(stage.at("build.sqlite")).unwrap();
    let change = "UPDATE ProjectGroup SET Name = ?1 WHERE Id = (SELECT min(Id) FROM ProjectGroup)";
    assert_eq!(db.execute(change, [name]).unwrap(), 1);
    let change = "UPDATE DeploymentEnvironment SET JSON = json_set(JSON, '$.Description', ?1, '$.' || ?2, 1) \
                  WHERE Name = 'Staging'";
    assert_eq!(db.execute(change, [value, "\"<b onclick='x'>\""]).unwrap(), 1);
    let production = Connection::open(stage.at("production.sqlite")).unwrap();
    let change =
        "UPDATE DeploymentEnvironment SET JSON = json_set(JSON, '$.Description', ?1) WHERE Name = 'Staging'";
    assert_eq!(production.execute(change, [value.replace("&amp;", "<i>")]).unwrap(), 1);
    std::fs::remove_file(stage.at("build.sealift")).unwrap();
    stage.run(
        &[
            "export",
            "sqlite:build.sqlite",
            "-o",
            "build.sealift",
            "--kdf-memory",
            "8",
            "--password-file",
            "password",
            "--master-key-file",
            "build.key",
        ],
        0,
    );
    stage.import(&["--record", "r.json"], 0);
    let page = stage.text("r.html");
    let (tags, text) = well_formed(&page);
    let own = "a b bdi body code del details div h1 h2 h3 head html i ins li meta p pre span style summary table \
               td th title tr ul";
    let own: BTreeSet<&str> = own.split_whitespace().collect();
    assert!(tags.iter().all(|tag| own.contains(tag.as_str())), "{tags:?}");
    assert!(
        text.contains("</summary><script>alert(\"x\")</script>&lt;'\\u{202e}gpj.exe\\u{1b}[2J"),
        "{text}"
    );
    assert!(text.contains(r"$['<b onclick=\'x\'>']"), "{text}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
    let lines = "  </pre><img src=x onerror=\"alert(1)\">\n- <i>\n+ &amp;\n  last\n";
    assert!(text.contains(lines), "the lines that stay are shown once");
    let record: Json = serde_json::from_str(&stage.text("r.json")).unwrap();
    let documents = record["documents"].as_array().unwrap();
    assert!(documents.iter().any(|d| d["key"].as_array().unwrap().iter().any(|part| part == name)));
}

/// Everything that is encrypted on a server: as text, and as it stands there.
fn secrets(path: &Path, key: &MasterKey) -> BTreeSet<String> {
    let db = Connection::open(path).unwrap();
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut found = BTreeSet::new();
    for table in tables {
        let Ok(mut bodies) = db.prepare(&format!("SELECT [JSON] FROM [{table}]")) else { continue };
        let bodies = bodies.query_map([], |row| row.get::<_, Option<String>>(0)).unwrap();
        for body in bodies.filter_map(|body| body.unwrap()) {
            for piece in body.split('"') {
                if let Ok(secret) = key.decrypt(piece) {
                    found.insert(secret.expose_text().unwrap().to_owned());
                    found.insert(piece.to_owned());
                }
            }
        }
    }
    found.retain(|secret| secret.len() >= 6);
    found
}

#[test]
fn no_secret_is_in_a_record() {
    let stage = Stage::new();
    let mut all = secrets(&stage.at("build.sqlite"), &stage.key("build.key"));
    all.extend(secrets(&stage.at("production.sqlite"), &stage.key("production.key")));
    stage.import(&["--record", "r.json"], 0);
    all.extend(secrets(&stage.at("production.sqlite"), &stage.key("production.key")));
    for file in ["password", "build.key", "production.key"] {
        all.insert(stage.text(file).trim().to_owned());
    }
    assert!(all.len() > 200, "only {} secrets were found to look for", all.len());
    let (json, page) = (stage.text("r.json"), stage.text("r.html"));
    let (_, text) = well_formed(&page);
    assert!(json.contains("\"secret\"") && text.contains("secret changed"), "no secret changed at all");
    for secret in all {
        assert!(
            ![&json, &page, &text].iter().any(|file| file.contains(&secret)),
            "a secret stands in a record"
        );
    }
}

#[test]
fn a_record_that_cannot_be_written_refuses_before_the_import() {
    let stage = Stage::new();
    std::fs::write(stage.at("taken.json"), "mine").unwrap();
    std::fs::write(stage.at("half.html"), "mine").unwrap();
    let (files, target) = (stage.files(), stage.target());
    let cases = [
        ("taken.json", 1, "taken.json exists already"),
        ("half.json", 1, "half.html exists already"),
        ("missing/r.json", 1, "cannot write the record missing/r.json"),
        ("password/r.json", 1, "cannot write the record password/r.json"),
        ("r.html", 2, "the page of the record r.html is to be the same file"),
        ("..", 2, "the page of the record .. is to be the same file"),
    ];
    for (path, code, reason) in cases {
        let error = stderr(&stage.import(&["--record", path], code));
        assert!(error.contains(reason) && error.contains("hint:"), "{path}: {error}");
        assert!(stage.files() == files && stage.target() == target, "{path}");
    }
    let error = stderr(&stage.import(&["--record", "r.json", "--no-record"], 2));
    assert!(error.contains("cannot be used with"), "{error}");
    assert_eq!(stage.text("taken.json"), "mine");
    stage.import(&["--no-record", "--no-undo"], 0);
    assert_eq!(stage.files(), files);
}

#[test]
fn an_import_that_does_not_commit_leaves_one_only_where_it_is_asked_for() {
    let stage = Stage::new();
    let (files, target) = (stage.files(), stage.target());
    for (more, code, name) in [(&["--dry-run"][..], 0, "dry-run"), (&["--require-maintenance"], 4, "refused")]
    {
        stage.import(more, code);
        assert_eq!(stage.files(), files, "{name}");
        let file = format!("{name}.json");
        stage.import(&[more, &["--record", &file]].concat(), code);
        let record: Json = serde_json::from_str(&stage.text(&file)).unwrap();
        assert_eq!(record["outcome"], name);
        assert_eq!(record["findings"].as_array().unwrap().len(), usize::from(name == "refused"));
        assert_eq!(record["options"].as_array().unwrap().last().unwrap(), more[0]);
        let (_, text) = well_formed(&stage.text(&format!("{name}.html")));
        assert_eq!(text.contains("What stops it"), name == "refused");
        std::fs::remove_file(stage.at(&file)).unwrap();
        std::fs::remove_file(stage.at(&format!("{name}.html"))).unwrap();
    }
    assert!(stage.target() == target);
}

/// The master key comes through a pipe, so the import waits after it has looked whether the record can be written;
/// then the folder goes.
#[cfg(unix)]
#[test]
fn a_record_that_fails_after_the_commit_is_a_warning() {
    let stage = Stage::new();
    let pipe = stage.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::create_dir(stage.at("records")).unwrap();
    let args: Vec<&str> =
        TARGET.iter().map(|arg| if *arg == "production.key" { "pipe" } else { arg }).collect();
    let args = [&["import", "build.sealift", "--yes", "--record", "records/r.json"], &args[..]].concat();
    let child = stage.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut key = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    std::fs::remove_dir(stage.at("records")).unwrap();
    std::io::Write::write_all(&mut key, stage.text("production.key").as_bytes()).unwrap();
    drop(key);
    let out = child.wait_with_output().unwrap();
    let error = stderr(&out);
    assert_eq!(out.status.code(), Some(0), "{error}");
    assert!(error.contains("warning: cannot write the record records/r.json: "), "{error}");
    assert!(error.contains("the import is committed; only its record is missing"), "{error}");
    assert!(String::from_utf8(out.stdout).unwrap().contains("committed to sqlite:production.sqlite"));
    std::fs::remove_file(&pipe).unwrap();
    let again = stage.json(&[&["plan", "build.sealift"], TARGET].concat());
    assert_eq!((&again["counts"]["create"], &again["counts"]["update"]), (&0.into(), &0.into()));
}
