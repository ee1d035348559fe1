//! Little servers for the complaints: a handful of rows each, written and looked at by SQL.
//!
//! A [`Pair`] is a source and a target of one generation whose ids have nothing in common: the source's begin
//! at 1, the target's own at 101, and what the target gives out begins at 501. Every import is run twice; the
//! second must find nothing to do and leave every byte as it is.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::cell::Cell;
use std::path::{Path, PathBuf};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use sealift::crypto::{MasterKey, SecretBytes};
use sealift::model::{OCTOPUS_2018_SQL, OCTOPUS_2026_SQL, OCTOPUS_SPACES_SQL};
use sealift::ops::{ExportOptions, ImportOptions};
use sealift::plan::Plan;
use sealift::server::sqlite::{Schema, SqliteServer};
use serde_json::{Map, Value as Json, json};

use crate::support::{everything, export, folder, import, import_nothing, key, octopus, overwrite, project};

/// The tables of before spaces, of after, and of 2026 as far as these can be inferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    Y2018,
    Spaces,
    Y2026,
}

pub const BOTH: [Generation; 2] = [Generation::Y2018, Generation::Spaces];

/// When everything happened that does not say when.
pub const THEN: &str = "2018-08-01T10:00:00.0000000+00:00";

/// One server.
pub struct Little {
    pub path: PathBuf,
    pub generation: Generation,
    pub key: MasterKey,
    /// What the numbers of the server's own ids begin after.
    from: u32,
}

impl Little {
    fn new(path: PathBuf, generation: Generation, key: MasterKey, from: u32) -> Self {
        let tables = match generation {
            Generation::Y2018 => OCTOPUS_2018_SQL,
            Generation::Spaces => OCTOPUS_SPACES_SQL,
            Generation::Y2026 => OCTOPUS_2026_SQL,
        };
        drop(SqliteServer::create(&path, Schema::Ddl(tables)).unwrap());
        let server = Self { path, generation, key, from };
        if from > 0 {
            server.run(
                "INSERT INTO KeyAllocation SELECT name, 500 FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            );
        }
        if server.spaces() {
            let id = server.id("Spaces", 1);
            server.add("Space", json!({ "Id": id, "Name": "Default", "IsDefault": true }));
        }
        server
    }

    pub fn spaces(&self) -> bool {
        self.generation != Generation::Y2018
    }

    pub fn db(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub fn run(&self, sql: &str) {
        self.db().execute_batch(sql).unwrap();
    }

    /// The id of one of the server's own documents: 1 is `Things-1` at a source, `Things-101` at a target.
    pub fn id(&self, prefix: &str, number: u32) -> String {
        format!("{prefix}-{}", self.from + number)
    }

    pub fn space(&self) -> String {
        self.id("Spaces", 1)
    }

    /// A text as the server keeps its secrets.
    pub fn secret(&self, text: &str) -> String {
        self.key.encrypt(&SecretBytes::from(text.to_owned())).unwrap()
    }

    /// What a secret says.
    pub fn reveal(&self, kept: &Json) -> String {
        let plain = self.key.decrypt(kept.as_str().unwrap()).unwrap();
        plain.expose_text().unwrap().to_owned()
    }

    /// Writes a row, in place of one of the same id: members that are columns become columns, the others its
    /// JSON. What a column must have and is not said is empty, and the space is the server's first one.
    pub fn add(&self, table: &str, document: Json) {
        let Json::Object(mut members) = document else { panic!("{document} is no document") };
        let db = self.db();
        let mut columns = db.prepare(&format!("PRAGMA table_info([{table}])")).unwrap();
        let columns: Vec<(String, String, bool)> = columns
            .query_map([], |row| Ok((row.get(1)?, row.get::<_, String>(2)?.to_lowercase(), row.get(3)?)))
            .unwrap()
            .map(Result::unwrap)
            .filter(|(name, ..): &(String, String, bool)| name != "JSON")
            .collect();
        assert!(!columns.is_empty(), "there is no table {table}");
        if let Some(id) = members.get("Id").and_then(Json::as_str) {
            count_up(&db, table, id);
        }
        let mut names = Vec::new();
        let mut values = Vec::new();
        for (name, kind, needed) in columns {
            let value = match members.remove(&name) {
                Some(value) => sql(&value),
                None if name == "SpaceId" => Sql::Text(self.space()),
                None if needed => nothing(&kind),
                None => continue,
            };
            names.push(format!("[{name}]"));
            values.push(value);
        }
        names.push("[JSON]".to_owned());
        values.push(Sql::Text(Json::Object(members).to_string()));
        let marks = vec!["?"; values.len()].join(",");
        let insert = format!("INSERT OR REPLACE INTO [{table}] ({}) VALUES ({marks})", names.join(","));
        db.execute(&insert, params_from_iter(values)).unwrap();
    }

    /// All of a row: columns and JSON together.
    fn rows(&self, sql: &str, parameters: &[&str]) -> Vec<Json> {
        let db = self.db();
        let mut statement = db.prepare(sql).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query(params_from_iter(parameters)).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let mut members = Map::new();
            for (index, name) in names.iter().enumerate() {
                let value = match row.get(index).unwrap() {
                    Sql::Null => Json::Null,
                    Sql::Integer(number) => json!(number),
                    Sql::Real(number) => json!(number),
                    Sql::Text(text) => json!(text),
                    Sql::Blob(_) => continue,
                };
                match (name.as_str(), value) {
                    ("JSON", Json::String(text)) => {
                        members.extend(serde_json::from_str::<Map<String, Json>>(&text).unwrap());
                    }
                    (_, value) => drop(members.insert(name.clone(), value)),
                }
            }
            found.push(Json::Object(members));
        }
        found
    }

    /// The rows of a table, in the order of their ids.
    pub fn all(&self, table: &str) -> Vec<Json> {
        self.rows(&format!("SELECT * FROM [{table}] ORDER BY Id"), &[])
    }

    /// The one row of a table whose column says so.
    pub fn one(&self, table: &str, column: &str, value: &str) -> Json {
        let found = self.rows(&format!("SELECT * FROM [{table}] WHERE [{column}] = ?1"), &[value]);
        assert_eq!(found.len(), 1, "{table} of {column} {value:?}: {found:#?}");
        found.into_iter().next().unwrap()
    }

    pub fn named(&self, table: &str, name: &str) -> Json {
        self.one(table, "Name", name)
    }

    pub fn id_of(&self, table: &str, name: &str) -> String {
        self.named(table, name)["Id"].as_str().unwrap().to_owned()
    }

    pub fn count(&self, table: &str) -> usize {
        let sql = format!("SELECT count(*) FROM [{table}]");
        self.db().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    /// The environments, the lifecycle and the group of projects that every server here has.
    pub fn base(&self) {
        for (number, name) in [(1, "Dev"), (2, "Prod")] {
            self.add("DeploymentEnvironment", json!({ "Id": self.id("Environments", number), "Name": name }));
        }
        self.add("Lifecycle", json!({ "Id": self.id("Lifecycles", 1), "Name": "Usual", "Phases": [] }));
        self.add("ProjectGroup", json!({ "Id": self.id("ProjectGroups", 1), "Name": "All" }));
    }

    /// A project with its empty process and variables. Returns its id.
    pub fn project(&self, number: u32, name: &str) -> String {
        self.project_with(number, name, json!({}))
    }

    pub fn project_with(&self, number: u32, name: &str, more: Json) -> String {
        let id = self.id("Projects", number);
        let mut row = json!({
            "Id": id, "Name": name, "Slug": name.to_lowercase().replace(' ', "-"), "ProjectGroupId": self.id("ProjectGroups", 1),
            "LifecycleId": self.id("Lifecycles", 1), "VariableSetId": format!("variableset-{id}"),
            "DeploymentProcessId": format!("deploymentprocess-{id}"), "IncludedLibraryVariableSetIds": "",
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.add("Project", row);
        self.variables(&id, json!([]));
        self.process(&id, json!([]));
        id
    }

    /// A library variable set with its variables. Returns its id.
    pub fn library(&self, number: u32, name: &str, variables: Json) -> String {
        let id = self.id("LibraryVariableSets", number);
        let row = json!({ "Id": id, "Name": name, "VariableSetId": format!("variableset-{id}"),
            "ContentType": "Variables", "Templates": [] });
        self.add("LibraryVariableSet", row);
        self.variables(&id, variables);
        id
    }

    /// The variables of a project or library set, instead of those it had.
    pub fn variables(&self, owner: &str, variables: Json) {
        self.variable_set(&format!("variableset-{owner}"), owner, false, variables);
    }

    /// A set of variables, frozen or not.
    pub fn variable_set(&self, id: &str, owner: &str, frozen: bool, variables: Json) {
        let kind = if owner.starts_with("Projects") { "Project" } else { "LibraryVariableSet" };
        let row = json!({ "Id": id, "OwnerId": owner, "OwnerType": kind, "IsFrozen": frozen,
            "RelatedDocumentIds": "", "Variables": variables });
        self.add("VariableSet", row);
    }

    /// The deployment process of a project, one step for each action, instead of what it had.
    pub fn process(&self, owner: &str, actions: Json) {
        self.process_of(&format!("deploymentprocess-{owner}"), owner, false, actions);
    }

    /// A process, frozen or not.
    pub fn process_of(&self, id: &str, owner: &str, frozen: bool, actions: Json) {
        let row = json!({ "Id": id, "OwnerId": owner, "IsFrozen": frozen, "RelatedDocumentIds": "",
            "Steps": steps(actions) });
        self.add("DeploymentProcess", row);
    }

    /// A runbook with its process. Returns its id.
    pub fn runbook(&self, number: u32, project: &str, name: &str, actions: Json) -> String {
        let id = self.id("Runbooks", number);
        self.add(
            "Runbook",
            json!({ "Id": id, "Name": name, "ProjectId": project, "RunbookProcessId": format!("RunbookProcess-{id}"),
                "Environments": [] }),
        );
        self.runbook_process(&format!("RunbookProcess-{id}"), project, &id, false, actions);
        id
    }

    pub fn runbook_process(&self, id: &str, project: &str, runbook: &str, frozen: bool, actions: Json) {
        self.add(
            "RunbookProcess",
            json!({ "Id": id, "ProjectId": project, "RunbookId": runbook, "IsFrozen": frozen,
                "RelatedDocumentIds": "", "Steps": steps(actions) }),
        );
    }

    /// A release of a project, with its frozen variables and process. Returns its id.
    pub fn release(&self, number: u32, project: &str, version: &str, actions: Json, more: Json) -> String {
        let id = self.id("Releases", number);
        if self.rows("SELECT Id FROM Channel WHERE ProjectId = ?1", &[project]).is_empty() {
            self.add("Channel", json!({ "Id": self.id("Channels", 50 + number), "Name": "Main", "ProjectId": project, "Rules": [] }));
        }
        let channel = self.one("Channel", "ProjectId", project)["Id"].clone();
        let (variables, process) = (
            format!("variableset-{project}-s-{number}-ABCDE"),
            format!("deploymentprocess-{project}-s-{number}-VWXYZ"),
        );
        self.variable_set(&variables, project, true, json!([]));
        self.process_of(&process, project, true, actions);
        let mut row = json!({ "Id": id, "Version": version, "Assembled": THEN, "ProjectId": project, "ChannelId": channel,
            "ProjectVariableSetSnapshotId": variables, "ProjectDeploymentProcessSnapshotId": process,
            "LibraryVariableSetSnapshotIds": [] });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.add("Release", row);
        id
    }

    /// The variables of the one document of a name, a project or a library set.
    pub fn variables_of(&self, table: &str, name: &str) -> Vec<Json> {
        let set = self.named(table, name)["VariableSetId"].as_str().unwrap().to_owned();
        self.one("VariableSet", "Id", &set)["Variables"].as_array().unwrap().clone()
    }

    pub fn variable(&self, table: &str, owner: &str, name: &str) -> Json {
        let mut found = self.variables_of(table, owner);
        found.retain(|variable| variable["Name"] == name);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    }

    /// The actions of a project's process.
    pub fn actions(&self, project: &str) -> Vec<Json> {
        let process = self.named("Project", project)["DeploymentProcessId"].as_str().unwrap().to_owned();
        actions_of(&self.one("DeploymentProcess", "Id", &process))
    }

    /// Every text of every row that holds one of these words, as `table: text`.
    pub fn texts_with(&self, words: &[String]) -> Vec<String> {
        let db = self.db();
        let mut tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").unwrap();
        let tables: Vec<String> =
            tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut found = Vec::new();
        for table in tables {
            let mut statement = db.prepare(&format!("SELECT * FROM [{table}]")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for column in 0..columns {
                    if let Sql::Text(text) = row.get(column).unwrap()
                        && words.iter().any(|word| holds(&text, word))
                    {
                        found.push(format!("{table}: {text}"));
                    }
                }
            }
        }
        found
    }
}

/// Says whether a text has a word, and not as a piece of a longer one.
fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// The product counts the ids it gave out.
fn count_up(db: &Connection, table: &str, id: &str) {
    let number: u32 = id.rsplit_once('-').and_then(|(_, n)| n.parse().ok()).unwrap_or_default();
    db.execute(
        "INSERT INTO KeyAllocation VALUES (?1, ?2) ON CONFLICT (CollectionName) DO UPDATE SET Allocated = max(Allocated, ?2)",
        (table, number),
    )
    .unwrap();
}

/// A step for each action.
fn steps(actions: Json) -> Json {
    let actions = actions.as_array().unwrap().iter().cloned().enumerate();
    actions
        .map(|(number, mut action)| {
            let members = action.as_object_mut().unwrap();
            members.entry("Id").or_insert(json!(format!("0a000000-0000-0000-0000-{number:012}")));
            members.entry("ActionType").or_insert(json!("Octopus.Script"));
            members.entry("Properties").or_insert(json!({}));
            json!({ "Id": format!("0b000000-0000-0000-0000-{number:012}"), "Name": format!("Step {number}"),
                "Properties": {}, "Actions": [action] })
        })
        .collect()
}

pub fn actions_of(process: &Json) -> Vec<Json> {
    let steps = process["Steps"].as_array().unwrap();
    steps.iter().flat_map(|step| step["Actions"].as_array().unwrap().clone()).collect()
}

/// A variable under a GUID of its own.
pub fn variable(name: &str, kind: &str, value: &str, scope: Json) -> Json {
    let guid = format!("0c000000-0000-0000-0000-{:012}", name.bytes().map(u64::from).sum::<u64>());
    json!({ "Id": guid, "Name": name, "Type": kind, "Value": value, "Scope": scope })
}

fn sql(value: &Json) -> Sql {
    match value {
        Json::Null => Sql::Null,
        Json::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Json::Number(number) => Sql::Integer(number.as_i64().unwrap()),
        Json::String(text) => Sql::Text(text.clone()),
        other => panic!("{other} is no column"),
    }
}

fn nothing(kind: &str) -> Sql {
    match kind {
        "int" | "bit" | "bigint" | "integer" => Sql::Integer(0),
        "uniqueidentifier" => Sql::Text("0d000000-0000-0000-0000-000000000000".to_owned()),
        kind if kind.starts_with("datetime") => Sql::Text(THEN.to_owned()),
        _ => Sql::Text(String::new()),
    }
}

/// A source and a target.
pub struct Pair {
    folder: tempfile::TempDir,
    bundles: Cell<u32>,
    pub source: Little,
    pub target: Little,
}

impl Pair {
    /// Two empty servers of a generation.
    pub fn empty(generation: Generation) -> Self {
        let folder = folder();
        let source = Little::new(folder.path().join("source.sqlite"), generation, key(1), 0);
        let target = Little::new(folder.path().join("target.sqlite"), generation, key(2), 100);
        Self { folder, bundles: Cell::new(0), source, target }
    }

    /// Two servers with the same few names under other ids.
    pub fn new(generation: Generation) -> Self {
        let pair = Self::empty(generation);
        pair.source.base();
        pair.target.base();
        pair
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path for a new file.
    pub fn bundle(&self) -> PathBuf {
        self.bundles.set(self.bundles.get() + 1);
        self.folder.path().join(format!("{}.sealift", self.bundles.get()))
    }

    /// A bundle of the source.
    pub fn export(&self, options: &ExportOptions<'_>) -> PathBuf {
        let file = self.bundle();
        export(&self.source.path, &octopus(), &file, options);
        file
    }

    /// Imports a bundle, and again: the second import must have nothing to do.
    pub fn import(&self, bundle: &Path, options: &ImportOptions) -> Plan {
        let (path, key) = (&self.target.path, Some(&self.target.key));
        let plan = import(bundle, path, &octopus(), key, options.clone());
        import_nothing(bundle, path, &octopus(), key, options.clone());
        plan
    }

    /// Carries what an export takes, overwriting.
    pub fn carry_what(&self, options: &ExportOptions<'_>) -> Plan {
        self.import(&self.export(options), &overwrite())
    }

    /// Carries everything, overwriting.
    pub fn carry(&self) -> Plan {
        self.carry_what(&everything(Some(&self.source.key)))
    }

    /// Carries a project and all it needs, overwriting.
    pub fn carry_project(&self, name: &str) -> Plan {
        self.carry_what(&project(name, Some(&self.source.key)))
    }

    /// Texts of the target that hold an id which only the source knows.
    pub fn leaks(&self) -> Vec<String> {
        let ids = |server: &Little| -> Vec<String> {
            let db = server.db();
            let mut tables = db
                .prepare("SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'Id'")
                .unwrap();
            let tables: Vec<String> =
                tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            let mut ids = Vec::new();
            for table in tables {
                let mut rows = db.prepare(&format!("SELECT CAST(Id AS TEXT) FROM [{table}]")).unwrap();
                ids.extend(rows.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
            }
            ids.retain(|id| id.rsplit_once('-').is_some_and(|(_, n)| n.parse::<u32>().is_ok()));
            ids
        };
        let theirs = ids(&self.target);
        let mut mine = ids(&self.source);
        mine.retain(|id| !theirs.contains(id));
        self.target.texts_with(&mine)
    }

    /// Fails where an id of the source got into the target.
    pub fn no_leaks(&self) {
        assert_eq!(self.leaks(), Vec::<String>::new(), "ids of the source in the target");
    }
}

/// Runs a story on both generations.
pub fn both(story: impl Fn(&Pair)) {
    for generation in BOTH {
        println!("{generation:?}");
        story(&Pair::new(generation));
    }
}

/// Runs a story that is about what came with spaces.
pub fn spaces(story: impl Fn(&Pair)) {
    story(&Pair::new(Generation::Spaces));
}
