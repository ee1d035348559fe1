//! The commands that are run on a pair of servers, and what is seen after each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use sealift::server::Server as _;
use sealift::server::sqlite::SqliteServer;
use sealift::server::sqlserver::SqlServer;
use serde_json::{Value as Json, json};

use crate::pair::{Content, Do, Pair};
use crate::record::{Seen, Step, hash};
use crate::rows::{Normal, State, Tables, guids, tables};
use crate::support::{folder, key};
use crate::tsql::{TestDatabase, TestServer};
use crate::{back, record};

/// Where a target is.
enum Place {
    File(PathBuf),
    Database(TestDatabase),
}

impl Place {
    fn address(&self) -> String {
        match self {
            Self::File(_) => "sqlite:../target.sqlite".to_owned(),
            Self::Database(TestDatabase { server, name }) => {
                let TestServer { host, port, user, password, .. } = server;
                format!("mssql://{user}:{password}@{host}:{port}/{name}?trust_server_certificate=true")
            }
        }
    }

    fn connection(&self) -> Connection {
        match self {
            Self::File(path) => Connection::open(path).unwrap(),
            Self::Database(database) => database.server.endpoint.as_ref().unwrap().connection(&database.name),
        }
    }

    fn run(&self, sql: &str) {
        match self {
            Self::File(path) => Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Self::Database(database) => database.server.run(&database.name, &[sql.to_owned()]),
        }
    }
}

/// A story that is being played on one target.
struct Play<'p> {
    pair: &'p Pair,
    folder: PathBuf,
    place: Place,
    tables: Tables,
    normal: Normal,
    last: BTreeMap<String, String>,
    /// The steps that left an undo file.
    undo: Vec<usize>,
    import: Vec<String>,
    saved: Option<String>,
    steps: Vec<Step>,
}

/// A change that is made to a target behind a story's back.
pub struct Spoil<'s> {
    /// After this step.
    pub after: usize,
    pub sql: &'s str,
}

/// Plays the story of a pair, on all the servers that it is for.
pub fn play(pair: &Pair, server: Option<&TestServer>, spoil: Option<&Spoil<'_>>) -> Vec<Step> {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    pair.make(&at("source.sqlite"), &at("target.sqlite"));
    std::fs::write(at("source.key"), "AQEBAQEBAQEBAQEBAQEBAQ==").unwrap();
    std::fs::write(at("target.key"), "AgICAgICAgICAgICAgICAg==").unwrap();
    std::fs::write(at("password"), "correct horse battery staple").unwrap();
    std::fs::write(at("model.toml"), include_str!("../fixtures/northwind.toml")).unwrap();
    let exported = export(pair, folder.path());
    let database = server.map(|server| {
        let database = server.database();
        let mut file = SqliteServer::open(&at("target.sqlite")).unwrap();
        database.make(file.read().unwrap().catalog());
        back::fill(&mut SqlServer::open(&database.address()).unwrap(), &at("target.sqlite"));
        Place::Database(database)
    });
    let mut places = vec![Place::File(at("target.sqlite"))];
    places.extend(database);
    let (source, target) = (Connection::open(at("source.sqlite")), Connection::open(at("target.sqlite")));
    let (source, target) = (source.unwrap(), target.unwrap());
    let (columns, start) = (tables(&target), guids(&[&source, &target]));
    drop((source, target));
    let mut played = places.into_iter().map(|place| {
        // Each target's commands have a folder of their own: they make files of the same names.
        let own = at(if matches!(place, Place::File(_)) { "embedded" } else { "tds" });
        std::fs::create_dir(&own).unwrap();
        for name in ["a.sealift", "target.key", "password", "model.toml"] {
            std::fs::copy(at(name), own.join(name)).unwrap();
        }
        let octopus = pair.content != Content::Trade;
        let versions = matches!(place, Place::Database(_));
        let keys = (octopus.then(|| key(2)), octopus.then(|| key(1)));
        let mut play = Play {
            pair,
            folder: own,
            tables: columns.clone(),
            normal: Normal::new(keys.0, keys.1, versions, start.clone()),
            place,
            last: BTreeMap::new(),
            undo: Vec::new(),
            import: Vec::new(),
            saved: None,
            steps: Vec::new(),
        };
        play.all(&exported, spoil);
        play.steps
    });
    let embedded = played.next().unwrap();
    record::merged(embedded, played.next())
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    for name in ["SEALIFT_PASSWORD", "SEALIFT_MASTER_KEY", "SEALIFT_SQL_PASSWORD"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

/// Exports the source. What is seen of it is the same for every target.
fn export(pair: &Pair, folder: &Path) -> Step {
    let options = pair.export();
    let mut args = vec![options[0], "sqlite:source.sqlite"];
    args.extend(&options[1..]);
    args.extend(["-o", "a.sealift", "--kdf-memory", "8", "--password-file", "password", "--json"]);
    args.extend(match pair.content {
        Content::Trade => ["--model", "model.toml"],
        _ => ["--master-key-file", "source.key"],
    });
    let out = run(folder, &args);
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{}: {args:?}: {told}", pair.name);
    let answer: Json = serde_json::from_slice(&out.stdout).unwrap();
    let short = format!(
        "{} documents, content {}",
        answer["documents"],
        &answer["content_root"].as_str().unwrap()[..12]
    );
    let title = format!("{} and the target as it is", options.join(" "));
    Step { title, seen: vec![Seen { what: "export".to_owned(), short, whole: String::new() }] }
}

impl Play<'_> {
    fn all(&mut self, exported: &Step, spoil: Option<&Spoil<'_>>) {
        self.steps.push(exported.clone());
        self.look();
        for (number, what) in self.pair.story.iter().enumerate() {
            self.step(number + 1, *what);
            if let Some(spoil) = spoil.filter(|spoil| spoil.after == number + 1) {
                self.place.run(spoil.sql);
            }
            self.look();
        }
    }

    fn saw(&mut self, what: &str, short: String, whole: String) {
        self.steps.last_mut().unwrap().seen.push(Seen { what: what.to_owned(), short, whole });
    }

    /// Looks at all rows, and notes the tables that are not as they were.
    fn look(&mut self) {
        let State { tables, kept, fresh } = self.normal.state(&self.place.connection(), &self.tables);
        let mut now = BTreeMap::new();
        for (name, table) in &tables {
            let short = format!("{} {}", table.rows, hash(&table.text));
            if self.last.get(name) != Some(&short) {
                self.saw(&format!("rows {name}"), short.clone(), table.text.clone());
            }
            now.insert(name.clone(), short);
        }
        let gone: Vec<String> = self.last.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        for name in gone {
            self.saw(&format!("rows {name}"), "0".to_owned(), String::new());
        }
        if self.last.is_empty() {
            self.saw("ciphertexts", format!("{}", kept + fresh), String::new());
        } else if self.last != now {
            self.saw("ciphertexts", format!("{kept} kept, {fresh} fresh"), String::new());
        }
        self.last = now;
    }

    fn step(&mut self, number: usize, what: Do) {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let keep = format!("{number}.undo");
        let undo = ["--undo".to_owned(), keep.clone()];
        let no_undo = ["--no-undo".to_owned()];
        match what {
            Do::Import(how) | Do::WithoutUndo(how) => {
                let kept = if matches!(what, Do::Import(_)) { &undo[..] } else { &no_undo };
                self.import = [words("import a.sealift"), self.pair.options(how)].concat();
                self.command(number, [&self.import[..], kept].concat());
            }
            Do::Again => {
                let again = if self.import.is_empty() {
                    words("import a.sealift --overwrite")
                } else {
                    self.import.clone()
                };
                self.command(number, [&again[..], &undo].concat());
            }
            Do::DryRun(how) => {
                let args = [words("import a.sealift"), self.pair.options(how), words("--dry-run")].concat();
                self.command(number, args);
            }
            Do::Plan(how) => {
                let name = format!("{number}.plan");
                self.saved = Some(name.clone());
                let args = [words("plan a.sealift -o"), vec![name], self.pair.options(how)].concat();
                self.import = [words("import a.sealift"), self.pair.options(how)].concat();
                self.command(number, args);
            }
            Do::Apply => {
                let plan = self.saved.clone().unwrap();
                let args = [words("apply"), vec![plan], words("a.sealift"), undo.to_vec()].concat();
                self.command(number, args);
            }
            Do::Undo | Do::UndoOf(_) => {
                let wanted = |of: &usize| !matches!(what, Do::UndoOf(step) if step != *of);
                match self.undo.iter().rev().find(|of| wanted(of)) {
                    Some(of) => {
                        self.command(number, [words(&format!("undo {of}.undo")), undo.to_vec()].concat())
                    }
                    None => {
                        self.steps.push(Step { title: "no undo file to use".to_owned(), seen: Vec::new() })
                    }
                }
            }
            Do::Count => {
                let sql = match self.pair.content {
                    Content::Trade => "UPDATE [Products] SET [ShelfNo] = [ShelfNo] + 100",
                    // A frozen one never changes.
                    _ => "UPDATE [VariableSet] SET [Version] = [Version] + 1 WHERE [IsFrozen] = 0",
                };
                self.change("local counters move on", sql);
            }
            Do::Edit => {
                let sql = match self.pair.content {
                    Content::Trade => "UPDATE [Customers] SET [City] = 'Elsewhere'",
                    _ => "UPDATE [DeploymentEnvironment] SET [SortOrder] = [SortOrder] + 7",
                };
                self.change("somebody changes documents", sql);
            }
        }
    }

    fn change(&mut self, title: &str, sql: &str) {
        self.steps.push(Step { title: title.to_owned(), seen: Vec::new() });
        self.place.run(sql);
    }

    /// Runs a command, and notes its exit code, the plan that it answers with, and the undo file that it leaves.
    fn command(&mut self, number: usize, given: Vec<String>) {
        self.steps.push(Step { title: given.join(" "), seen: Vec::new() });
        let address = self.place.address();
        let mut args: Vec<&str> = given.iter().map(String::as_str).collect();
        args.extend(["--to", &address, "--json", "--password-file", "password"]);
        if given[0] != "plan" {
            args.extend(["--yes", "--no-record"]);
        }
        args.extend(match self.pair.content {
            Content::Trade => ["--model", "model.toml"],
            _ => ["--master-key-file", "target.key"],
        });
        let folder = self.folder.clone();
        let out = run(&folder, &args);
        let code = out.status.code().unwrap();
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        let Ok(mut answer) = serde_json::from_slice::<Json>(&out.stdout) else {
            self.saw("exit", code.to_string(), told);
            return;
        };
        let members = answer.as_object_mut().unwrap();
        for name in ["target", "undo", "record", "plan"] {
            members.remove(name);
        }
        let outcome = members.remove("outcome");
        let outcome = outcome.as_ref().and_then(Json::as_str).unwrap_or("planned");
        self.saw("exit", format!("{code} {outcome}"), told);
        self.plan(&answer);
        let undo = format!("{number}.undo");
        if folder.join(&undo).exists() {
            self.undo_file(&undo);
            self.undo.push(number);
        }
    }

    fn plan(&mut self, answer: &Json) {
        let counts = answer["counts"].as_object();
        let counts = counts.into_iter().flatten().filter(|(_, count)| **count != json!(0));
        let mut words: Vec<String> = counts.map(|(word, count)| format!("{count} {word}")).collect();
        for name in ["findings", "notices"] {
            if let Some([_, ..]) = answer[name].as_array().map(Vec::as_slice) {
                words.push(format!("{} {name}", answer[name].as_array().unwrap().len()));
            }
        }
        let whole = self.normal.guids(&serde_json::to_string_pretty(answer).unwrap());
        words.push(hash(&whole));
        self.saw("plan", words.join(", "), whole);
    }

    /// What an undo file holds: the documents as they were, and what the import did to each. The fingerprints in it
    /// are under a salt of each file.
    fn undo_file(&mut self, name: &str) {
        let mut args = vec!["list", name, "--json"];
        if self.pair.content == Content::Trade {
            args.extend(["--model", "model.toml"]);
        }
        let out = run(&self.folder, &args);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        let list: Json = serde_json::from_slice(&out.stdout).unwrap();
        let (mut images, mut changes) = (Vec::new(), Vec::new());
        for document in list["documents"].as_array().unwrap() {
            let (kind, key) = (document["kind"].as_str().unwrap(), &document["key"]);
            match kind {
                "sealift:import" | "sealift:filled" => {}
                "sealift:change" => changes.push(key.to_string()),
                _ => images.push(format!("{kind} {key} {} {}", document["content_id"], document["secrets"])),
            }
        }
        for (what, mut lines) in [("undo file before", images), ("undo file changes", changes)] {
            lines.sort();
            let whole = lines.join("\n");
            self.saw(what, format!("{} {}", lines.len(), hash(&whole)), whole);
        }
    }
}
