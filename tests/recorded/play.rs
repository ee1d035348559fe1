//! A pair of servers, and the commands that are run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use sealift::model::{OCTOPUS_2018_SQL, OCTOPUS_2026_SQL, OCTOPUS_SPACES_SQL};
use sealift::server::Server as _;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use serde_json::{Value as Json, json};

use crate::generator::{self, Rng};
use crate::record::{Seen, Step, hash};
use crate::rows::{Normal, State, Tables, guids, tables};
use crate::servers::{self, Side};
use crate::support::everything::{self, Generation, Twist};
use crate::support::{folder, key};
use crate::tsql::{TestDatabase, TestServer};
use crate::{back, record};

/// What the servers of a pair hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// `servers.rs`: from one generation into another.
    Small(Age, Age),
    /// The same; the target's space has another name, and every import is into it.
    Into,
    /// `support/everything`: all that the product keeps.
    Everything(Age),
    /// `support/random`: every form of reference and secret.
    Random,
    /// A product without master keys.
    Trade,
}

/// The generations of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    Y2018,
    Spaces,
    Y2026,
}

impl Age {
    fn ddl(self) -> &'static str {
        match self {
            Self::Y2018 => OCTOPUS_2018_SQL,
            Self::Spaces => OCTOPUS_SPACES_SQL,
            Self::Y2026 => OCTOPUS_2026_SQL,
        }
    }

    fn generation(self) -> Generation {
        match self {
            Self::Y2018 => Generation::Y2018,
            Self::Spaces => Generation::Spaces,
            Self::Y2026 => Generation::Y2026,
        }
    }
}

/// How an import decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Skip,
    Overwrite,
    Policies,
    Fail,
    Merge,
    Add,
    Prune,
    Only,
    Except,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Do {
    Import(How),
    WithoutUndo(How),
    DryRun(How),
    /// The last import again.
    Again,
    /// A plan saved.
    Plan(How),
    /// The last saved plan carried out.
    Apply,
    /// The last undo file used: the undo of an undo, where that was one.
    Undo,
    /// The undo file of a step used.
    UndoOf(usize),
    /// The target counts up the versions that are local to it.
    Count,
    /// Somebody changes documents of the target.
    Edit,
}

/// What is done to pairs, one after another.
pub const STORIES: [&[Do]; 10] = {
    use Do::*;
    [
        &[Import(How::Skip), Again, Undo, Undo, Undo],
        &[DryRun(How::Overwrite), Import(How::Overwrite), Again, Count, Undo, Undo, Again],
        &[Plan(How::Overwrite), Count, Apply, Again, Undo, Apply],
        &[Plan(How::Overwrite), Edit, Apply, Plan(How::Policies), Apply, Undo],
        &[Import(How::Policies), Import(How::Overwrite), UndoOf(2), UndoOf(1), Import(How::Overwrite)],
        &[Import(How::Prune), Again, Undo, Undo, Again],
        &[Import(How::Only), Again, Import(How::Except), UndoOf(3), UndoOf(1), Undo],
        &[WithoutUndo(How::Overwrite), Again, WithoutUndo(How::Prune), Again],
        &[Import(How::Fail), Import(How::Merge), Edit, Undo, Import(How::Overwrite), Undo],
        &[Import(How::Add), Count, Import(How::Skip), Plan(How::Prune), Apply, Undo, Undo],
    ]
};

/// A pair of servers and its story.
#[derive(Debug, Clone)]
pub struct Pair {
    pub name: String,
    pub content: Content,
    pub seed: u64,
    pub story: &'static [Do],
    pub tds: bool,
}

impl Pair {
    pub fn title(&self) -> String {
        let Self { name, content, seed, tds, .. } = self;
        let content = match content {
            Content::Small(from, to) => format!("small, {from:?} to {to:?}"),
            Content::Into => "small, into another space".to_owned(),
            Content::Everything(age) => format!("everything, {age:?}"),
            Content::Random => "random".to_owned(),
            Content::Trade => "a trading company".to_owned(),
        };
        format!("{name}: {content}, seed {seed}, {}", if *tds { "embedded and TDS" } else { "embedded" })
    }

    fn draw(&self, words: &str) -> Rng {
        Rng::new(self.seed ^ u64::from_str_radix(&hash(words), 16).unwrap())
    }

    /// The command that makes the bundle.
    fn export(&self) -> Vec<&'static str> {
        let prunes = self.story.iter().any(|step| format!("{step:?}").contains("Prune"));
        let options: &[&[&str]] = match self.content {
            Content::Trade => &[&["export"]],
            Content::Everything(_) => &[&["partial-export", "--project", "Web", "--ignore-history"]],
            _ if prunes => &[&["export"], &["export"], &["export", "--ignore-history"]],
            Content::Random => &[&["export"], &["export", "--ignore-tenants"]],
            _ => &[
                &["export"],
                &["export"],
                &["export"],
                &["export", "--no-secrets", "--exclude", "User"],
                &["export", "--ignore-machines"],
                &["partial-export", "--project", "Web"],
            ],
        };
        self.draw("export").pick(options).to_vec()
    }

    /// The options of an import.
    fn options(&self, how: How) -> Vec<String> {
        let trade = self.content == Content::Trade;
        let mut rng = self.draw(&format!("{how:?}"));
        let random = self.content == Content::Random;
        let kinds: &[&str] = match trade {
            true => &["Customer", "Product", "Discount", "Contact"],
            false => &[
                "TagSet",
                "Account",
                "VariableSet",
                "Project",
                "Lifecycle",
                "Team",
                "UserRole",
                "Environment",
            ],
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut options = match how {
            How::Skip => Vec::new(),
            How::Overwrite => words("--overwrite"),
            How::Fail => words("--policy *=fail"),
            How::Merge => words("--policy *=merge"),
            How::Add => words("--policy *=add"),
            // Where documents are merged, what only the target has is referred to, and stops the deletion.
            How::Prune if rng.chance(40) => words("--overwrite --prune"),
            How::Prune => words("--policy *=overwrite --prune"),
            How::Policies => {
                let policies = ["overwrite", "skip", "merge", "add"];
                let mut drawn = words(&format!("--policy *={}", rng.pick(&policies)));
                for kind in kinds {
                    if rng.chance(40) {
                        continue;
                    }
                    // Not every kind has a rule for each.
                    let policies = match *kind {
                        "TagSet" => &policies[..],
                        "VariableSet" | "Team" | "UserRole" => &policies[..3],
                        _ => &policies[..2],
                    };
                    drawn.extend(words(&format!("--policy {kind}={}", rng.pick(policies))));
                }
                drawn
            }
            How::Only => words(match (trade, rng.below(4)) {
                (true, 0 | 1) => "--overwrite --only Customer",
                (true, _) => "--overwrite --only Product --only Category --only Customer/ALFKI",
                _ if random => "--overwrite --only Environment --only TagSet --only Feed --only Proxy",
                (_, 0) => "--overwrite --only Environment --only TagSet --only Account",
                (_, 1) => "--overwrite --only *VariableSet --only Account/*",
                (_, 2) => "--overwrite --only Lifecycle --only Environment --only Machine* --only User*",
                _ => "--only Environment --only T* --only Project --only *Set --only *Process",
            }),
            How::Except => words(match (trade, rng.below(3)) {
                (true, _) => "--overwrite --except Contact",
                (_, 0) => "--overwrite --except Machine --except Event",
                (_, 1) => "--overwrite --except Tenant* --except Account/A*",
                _ => "--overwrite --except User* --except Team",
            }),
        };
        if self.content == Content::Into {
            options.extend(words("--into-space Acme"));
        }
        if let Content::Small(from, to) = self.content {
            if from != to {
                options.push("--omit-missing-columns".to_owned());
            }
            match (from, to) {
                (Age::Y2018, Age::Y2018) => {}
                (Age::Y2018, _) => options.extend(words("--into-space Default")),
                // What the tables of before spaces have no place for.
                (_, Age::Y2018) => options.extend(words(
                    "--except Team --except DeploymentSettings --except Runbook* --except Scoped*",
                )),
                _ => {}
            }
        }
        if self.draw("dangling").chance(90) {
            options.push("--accept-dangling".to_owned());
        }
        options
    }

    /// Makes the two servers.
    fn make(&self, source: &Path, target: &Path) {
        let make = |path: &Path, ddl: &str| drop(SqliteServer::create(path, Schema::Ddl(ddl)).unwrap());
        let small = |path: &Path, age: Age, side: Side, space: &str| {
            make(path, age.ddl());
            servers::fill(path, &servers::Server { seed: self.seed, side, space });
        };
        match self.content {
            Content::Small(from, to) => {
                small(source, from, Side::Source, "Default");
                small(target, to, Side::Target, "Default");
            }
            Content::Into => {
                small(source, Age::Spaces, Side::Source, "Default");
                small(target, Age::Spaces, Side::Target, "Acme");
            }
            Content::Everything(age) => {
                let mut rng = self.draw("twist");
                let (overwritten, joined) = (rng.below(3), rng.below(3));
                let twist = Twist { overwritten, joined, extras: rng.chance(50), close: rng.chance(50) };
                everything::build(source, age.generation(), self.seed, everything::SOURCE, Twist::default());
                everything::build(target, age.generation(), self.seed, everything::TARGET, twist);
            }
            Content::Random => {
                for (path, seed, offset, number) in [(source, 0, 0, 1), (target, 5000, 7000, 2)] {
                    make(path, OCTOPUS_SPACES_SQL);
                    let mut server = SqliteServer::open(path).unwrap();
                    generator::generate(&mut server, self.seed + seed, 1, offset, &key(number));
                }
            }
            Content::Trade => {
                for (path, side) in [(source, Side::Source), (target, Side::Target)] {
                    make(path, servers::trade_tables());
                    servers::trade(path, self.seed, side);
                }
            }
        }
    }
}

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
                "sealift:import" => {}
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
