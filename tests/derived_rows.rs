//! Tables with a row for each id that documents refer to: the product's pages find events, deployments and users of a
//! document there. An import writes their rows, an undo and a mirror take them away, on each server and generation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/little.rs"]
mod little;
mod support;
#[path = "support/tsql.rs"]
mod tsql;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use little::*;
use sealift::crypto::FingerprintKey;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::{self, How, ImportOptions, Keys, Outcome};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Row, Server};
use serde_json::json;
use support::*;
use tsql::{TestDatabase, TestServer};

/// Where the target is.
enum Place {
    File(PathBuf),
    Database(TestDatabase),
}

impl Place {
    /// A database of a SQL Server with the tables and rows of a file.
    fn over_tds(server: &TestServer, file: &Path) -> Self {
        let mut catalog = SqliteServer::open(file).unwrap().read().unwrap().catalog().clone();
        // There the product's server numbers events by itself.
        let events = catalog.tables.iter_mut().find(|table| table.name == "Event").unwrap();
        events.columns.iter_mut().find(|column| column.name == "AutoId").unwrap().identity = true;
        let database = server.database();
        database.make(&catalog);
        back::fill(&mut SqlServer::open(&database.address()).unwrap(), file);
        Place::Database(database)
    }

    fn open(&self) -> Box<dyn Server> {
        match self {
            Place::File(path) => Box::new(SqliteServer::open(path).unwrap()),
            Place::Database(database) => Box::new(SqlServer::open(&database.address()).unwrap()),
        }
    }

    /// Some columns of a table as text.
    fn rows(&self, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
        let mut server = self.open();
        let mut rows: Vec<Vec<String>> = page(&mut *server.read().unwrap(), table, columns)
            .into_iter()
            .map(|row| {
                row.iter().map(|value| value.as_text().map_or(format!("{value:?}"), str::to_owned)).collect()
            })
            .collect();
        rows.sort();
        rows
    }

    /// Rows of a table, by the document that they belong to: the related ids.
    fn related(&self, table: &str, columns: [&str; 2]) -> BTreeMap<String, Vec<String>> {
        let mut related: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.rows(table, &columns) {
            related.entry(row[0].clone()).or_default().push(row[1].clone());
        }
        related
    }

    /// The same by the lists in a column of the documents.
    fn listed(&self, table: &str, column: &str) -> BTreeMap<String, Vec<String>> {
        let lists = self.rows(table, &["Id", column]).into_iter().map(|row| {
            let ids: BTreeSet<&str> = row[1].split('|').filter(|id| !id.is_empty()).collect();
            (row[0].clone(), ids.into_iter().map(str::to_owned).collect::<Vec<_>>())
        });
        lists.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// Every table of derived rows says what the documents say.
    #[track_caller]
    fn is_consistent(&self) {
        let events = self.related("EventRelatedDocument", ["EventId", "RelatedDocumentId"]);
        assert_eq!(events, self.listed("Event", "RelatedDocumentIds"));
        let machines = self.related("DeploymentRelatedMachine", ["DeploymentId", "MachineId"]);
        assert_eq!(machines, self.listed("Deployment", "DeployedToMachineIds"));
        let pairs = self.related("RelatedDocument", ["Id", "RelatedDocumentId"]);
        let mut expected = self.listed("VariableSet", "RelatedDocumentIds");
        expected.extend(self.listed("DeploymentProcess", "RelatedDocumentIds"));
        assert_eq!(pairs, expected);
    }

    fn import(&self, file: &Path, options: ImportOptions) -> Plan {
        let (bundle, model, master) = (open(file), octopus(), key(2));
        let (key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
        let keys = Keys { bundle: key.as_ref(), master: Some(&master), seen: &seen };
        let mut server = self.open();
        match ops::import(&bundle, &mut *server, &model, keys, How::default(), options, &Silent).unwrap() {
            Outcome::Applied(plan) => plan,
            other => panic!("{other:?}"),
        }
    }
}

fn page(reader: &mut dyn sealift::server::Reader, table: &str, columns: &[&str]) -> Vec<Row> {
    let table = reader.catalog().table(table).unwrap().clone();
    let mut order: Vec<&str> = table.primary_key.iter().map(String::as_str).collect();
    if order.is_empty() {
        order = table.columns.iter().map(|column| column.name.as_str()).collect();
    }
    let all: Vec<&str> = columns.iter().chain(&order).copied().collect();
    let page = Page {
        table: &table.name,
        columns: &all,
        order: &order,
        after: None,
        max_rows: 100_000,
        max_bytes: usize::MAX,
    };
    let mut rows = reader.page(&page).unwrap();
    rows.iter_mut().for_each(|row| row.truncate(columns.len()));
    rows
}

/// The same things on either server: a project with variables that name an account, and a release that was deployed
/// to one of two machines, as an event tells.
fn history(server: &Little, machine: u32, comment: &str) {
    let web = server.project(1, "Web");
    let account = server.id("Accounts", 1);
    server.add("Account", json!({ "Id": account, "Name": "Cloud", "AccountType": "AzureAccount" }));
    let project = |value: &str| {
        let scope = json!({ "Environment": [server.id("Environments", 1)] });
        server.variables(&web, json!([variable("Cloud", "AzureAccount", value, scope)]));
    };
    project(&account);
    server.process(&web, json!([{ "Name": "Run", "Environments": [server.id("Environments", machine)] }]));
    let release = server.release(1, &web, "1.0", json!([]), json!({}));
    let channel = server.one("Release", "Id", &release)["ChannelId"].clone();
    for number in [1, 2] {
        let pipe = format!("|{}|", server.id("Environments", 1));
        server.add(
            "Machine",
            json!({ "Id": server.id("Machines", number), "Name": format!("web-{number}"), "EnvironmentIds": pipe, "Endpoint": {} }),
        );
    }
    let deployment = server.id("Deployments", 1);
    let user = server.id("Users", 1);
    server.add("User", json!({ "Id": user, "Username": "ann" }));
    server.add(
        "Deployment",
        json!({ "Id": deployment, "Name": "Deploy", "Created": THEN, "EnvironmentId": server.id("Environments", 1),
            "ProjectId": web, "ReleaseId": release, "ChannelId": channel, "DeployedById": user,
            "DeployedToMachineIds": format!("|{}|", server.id("Machines", machine)), "Comments": comment }),
    );
    // History outlives what it happened to.
    let related = format!("|{web}|{deployment}|Runbooks-77|");
    server.add(
        "Event",
        json!({ "Id": server.id("Events", 1), "RelatedDocumentIds": related, "ProjectId": web, "Category": "DeploymentQueued",
            "UserId": user, "Username": "ann", "Occurred": THEN, "Message": comment, "AutoId": 40 }),
    );
}

/// Fills the tables of derived rows as a server does.
fn fill(server: &Little) {
    let place = Place::File(server.path.clone());
    let pairs = |listed: BTreeMap<String, Vec<String>>| {
        let pairs =
            listed.into_iter().flat_map(|(id, ids)| ids.into_iter().map(move |other| (id.clone(), other)));
        pairs.collect::<Vec<_>>()
    };
    for (event, id) in pairs(place.listed("Event", "RelatedDocumentIds")) {
        server.run(&format!(
            "INSERT INTO EventRelatedDocument (EventId, RelatedDocumentId) VALUES ('{event}', '{id}')"
        ));
    }
    for (deployment, id) in pairs(place.listed("Deployment", "DeployedToMachineIds")) {
        server.run(&format!(
            "INSERT INTO DeploymentRelatedMachine (DeploymentId, MachineId) VALUES ('{deployment}', '{id}')"
        ));
    }
}

/// A source; and a target with other things of the same names, and an event of its own.
fn pair(generation: Generation) -> (Pair, PathBuf) {
    let pair = Pair::new(generation);
    history(&pair.source, 1, "new");
    history(&pair.target, 2, "old");
    let (source, target) = (&pair.source, &pair.target);
    source.add(
        "Event",
        json!({ "Id": "Events-2", "RelatedDocumentIds": "|Machines-2|", "Category": "Created", "UserId": "Users-1",
            "Username": "ann", "Occurred": THEN, "Message": "a machine", "AutoId": 41 }),
    );
    let theirs = json!({ "Id": "Events-102", "RelatedDocumentIds": "|Projects-101|", "Category": "Modified",
        "UserId": "Users-101", "Username": "ann", "Occurred": THEN, "Message": "theirs", "AutoId": 50 });
    target.add("Event", theirs);
    // What a carried table of another server says is nobody's business.
    source.run("INSERT INTO DeploymentRelatedMachine (DeploymentId, MachineId) VALUES ('Deployments-1', 'Machines-999')");
    let file = pair.export(&everything(Some(&pair.source.key)));
    (pair, file)
}

/// Runs a story with the target in a file and in a database.
fn everywhere(story: impl Fn(&Path, &Place, &Path)) {
    let servers = [Some(TestServer::own(Default::default())), TestServer::named()];
    let servers: Vec<&TestServer> = servers.iter().flatten().collect();
    for generation in BOTH {
        let (pair, file) = pair(generation);
        // The lists of the target's processes and sets as its server would have them.
        for (table, id) in [
            ("VariableSet", "variableset-Projects-101"),
            ("DeploymentProcess", "deploymentprocess-Projects-101"),
        ] {
            let ids = match table {
                "VariableSet" => "|Accounts-101|Environments-101|",
                _ => "|Environments-102|",
            };
            pair.target.run(&format!("UPDATE {table} SET RelatedDocumentIds = '{ids}' WHERE Id = '{id}'"));
            for (other, of) in [
                ("Accounts-101", "Account"),
                ("Environments-101", "DeploymentEnvironment"),
                ("Environments-102", "DeploymentEnvironment"),
            ] {
                if ids.contains(other) {
                    pair.target.run(&format!(
                        "INSERT INTO RelatedDocument VALUES ('{id}', '{table}', '{other}', '{of}')"
                    ));
                }
            }
        }
        fill(&pair.target);
        let copy = pair.folder().join("copy.sqlite");
        std::fs::copy(&pair.target.path, &copy).unwrap();
        let mut places = vec![Place::File(copy)];
        places.extend(servers.iter().map(|server| Place::over_tds(server, &pair.target.path)));
        for (number, place) in places.iter().enumerate() {
            println!("{generation:?}, place {number}");
            place.is_consistent();
            story(&file, place, &pair.folder().join(format!("{number}.undo")));
        }
    }
}

type Tables = Vec<Vec<Vec<String>>>;

fn tables(place: &Place) -> Tables {
    let all = [
        ("EventRelatedDocument", &["EventId", "RelatedDocumentId"][..]),
        ("DeploymentRelatedMachine", &["DeploymentId", "MachineId"]),
        ("RelatedDocument", &["Id", "Table", "RelatedDocumentId", "RelatedDocumentTable"]),
    ];
    all.map(|(table, columns)| place.rows(table, columns)).to_vec()
}

#[test]
fn an_import_writes_them_and_an_undo_brings_back_what_was_there() {
    everywhere(|file, place, undo| {
        let before = tables(place);
        let model = octopus();
        let plan = back::import_kept(file, &mut *place.open(), &model, Some(&key(2)), undo);
        assert!(plan.count(Action::Create) > 0 && plan.count(Action::Update) > 0, "{plan:?}");
        place.is_consistent();
        let machines = place.related("DeploymentRelatedMachine", ["DeploymentId", "MachineId"]);
        assert_eq!(machines["Deployments-101"], ["Machines-101"], "replaced, not added to");
        let events = place.related("EventRelatedDocument", ["EventId", "RelatedDocumentId"]);
        assert_eq!(events["Events-101"], ["Deployments-101", "Projects-101", "Runbooks-77"]);
        assert_eq!(events["Events-102"], ["Projects-101"], "the target's own stays");
        assert_eq!(events.len(), 3);
        let pairs =
            place.rows("RelatedDocument", &["Id", "Table", "RelatedDocumentId", "RelatedDocumentTable"]);
        let process = "deploymentprocess-Projects-101";
        let row = [process, "DeploymentProcess", "Environments-101", "DeploymentEnvironment"];
        assert!(pairs.contains(&row.map(str::to_owned).to_vec()), "{pairs:?}");
        // A second import has nothing to do.
        let again = back::import_nothing_more(file, &mut *place.open(), &model, Some(&key(2)));
        assert!(again, "the second import has nothing to do");
        back::undo(undo, &mut *place.open(), &model, Some(&key(2)), None);
        assert_eq!(tables(place), before);
    });
}

#[test]
fn a_mirror_takes_them_away() {
    everywhere(|file, place, _| {
        let plan = place.import(file, ImportOptions { prune: true, ..overwrite() });
        let deleted = plan.entries.iter().filter(|entry| entry.action == Action::Delete);
        assert!(deleted.clone().any(|entry| entry.kind.as_str() == "Event"), "{plan:?}");
        place.is_consistent();
        let events = place.related("EventRelatedDocument", ["EventId", "RelatedDocumentId"]);
        assert!(!events.contains_key("Events-102"), "{events:?}");
    });
}

/// Once each event that was imported had the number 0.
#[test]
fn imported_events_are_counted_on() {
    everywhere(|file, place, _| {
        place.import(file, overwrite());
        let mut numbers: Vec<i64> = page(&mut *place.open().read().unwrap(), "Event", &["AutoId"])
            .iter()
            .filter_map(|row| row[0].as_int())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [40, 50, 51]);
    });
}

#[test]
fn tables_that_are_not_there_are_passed_over_and_those_that_need_more_are_named() {
    let (pair, file) = pair(Generation::Spaces);
    pair.target.run(
        "DROP TABLE EventRelatedDocument; DROP TABLE DeploymentRelatedMachine;
         CREATE TABLE DeploymentRelatedMachine (Id integer PRIMARY KEY, DeploymentId nvarchar(50) NOT NULL,
            MachineId nvarchar(50) NOT NULL, Purpose int NOT NULL);
         DROP TABLE RelatedDocument;
         CREATE TABLE RelatedDocument (Id nvarchar(250) NOT NULL, RelatedDocumentId nvarchar(250) NOT NULL,
            SpaceId nvarchar(50) NOT NULL, Noted int NOT NULL DEFAULT 7);",
    );
    let plan = pair.import(&file, &overwrite());
    let why = "rows of DeploymentRelatedMachine are not written: its column Purpose needs a value that the model does not say";
    assert_eq!(plan.notices.iter().filter(|notice| *notice == why).count(), 1, "{:?}", plan.notices);
    assert_eq!(pair.target.count("DeploymentRelatedMachine"), 0);
    let rows = Place::File(pair.target.path.clone()).rows("RelatedDocument", &["Id", "SpaceId", "Noted"]);
    assert!(!rows.is_empty());
    assert!(
        rows.iter().all(|row| row[1] == "Spaces-101" && row[2] == format!("{:?}", Value::Int(7))),
        "{rows:?}"
    );
}

#[test]
fn a_script_writes_them_as_the_import_does() {
    let server = TestServer::own(Default::default());
    let (pair, file) = pair(Generation::Spaces);
    fill(&pair.target);
    let options = ImportOptions { prune: true, ..overwrite() };
    let imported = Place::over_tds(&server, &pair.target.path);
    imported.import(&file, options.clone());
    let scripted = Place::over_tds(&server, &pair.target.path);
    let Place::Database(database) = &scripted else { unreachable!() };
    let (bundle, master, model) = (open(&file), key(2), octopus());
    let (bundle_key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    let about = ops::About {
        target: database.address().to_string(),
        database: Some(database.name.clone()),
        schema: "dbo".to_owned(),
    };
    let mut out = Vec::new();
    let mut target = scripted.open();
    ops::script(&bundle, &mut *target.read().unwrap(), &model, keys, options, &about, &mut out, &Silent)
        .unwrap();
    drop(target);
    let text = String::from_utf8(out).unwrap();
    let lines = text.trim_start_matches('\u{feff}').lines();
    let mut batches = vec![String::new()];
    for line in lines {
        match line {
            "GO" => batches.push(String::new()),
            line => batches.last_mut().unwrap().extend([line, "\n"]),
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    database.server.run(&database.name, &batches);
    assert_eq!(tables(&scripted), tables(&imported));
    assert!(tables(&scripted).iter().all(|rows| !rows.is_empty()));
}

#[test]
fn a_model_says_which_tables_are_derived() {
    let model = octopus();
    let left: Vec<&str> = model.left.iter().map(|left| left.table.as_str()).collect();
    for table in ["EventRelatedDocument", "DeploymentRelatedMachine", "RelatedDocument", "DeploymentHistory"]
    {
        assert!(left.contains(&table), "{table}");
    }
    let wrong = |rows: &str, id: &str| {
        let text = format!(
            "format = 1\nname = \"m\"\ntitle = \"M\"\n[[leave]]\ntable = \"L\"\nwhy = \"w\"\n[[kind]]\nname = \"A\"\ntable = \"A\"\n\
             {id}\nkey = [\"Name\"]\nreference = [{{ at = \"B\", to = \"A\" }}]\nderived-rows = [{rows}]\n"
        );
        let id = "id = { column = \"Id\", new = \"guid\" }";
        Model::parse(&text.replace("ID", id), "m.toml")
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let rows = |table: &str, value: &str, from: &str| {
        format!("{{ table = \"{table}\", owner = \"O\", value = \"{value}\", from = [\"{from}\"] }}")
    };
    assert_eq!(wrong(&rows("R", "V", "B"), "ID"), "");
    for (rows, id, piece) in [
        (rows("R", "V", "C"), "ID", "no reference at C"),
        (rows("A", "V", "B"), "ID", "the table of a kind"),
        (rows("L", "V", "B"), "ID", "left behind"),
        (rows("R", "o", "B"), "ID", "in one column"),
        (rows("R", "V", "B"), "", "the kind has none"),
    ] {
        let error = wrong(&rows, id);
        assert!(error.starts_with("m.toml:") && error.contains(piece), "{rows}: {error}");
    }
}
