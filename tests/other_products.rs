//! A product that is not the built-in one: documents known by codes of their own, secrets that stand in a table as they
//! are, columns that the server numbers. All of it arrives, is compared, taken back and mirrored, on each server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
mod support;
#[path = "support/tsql.rs"]
mod tsql;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rusqlite::Connection;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::ImportOptions;
use sealift::plan::Action;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Server};
use support::*;
use tsql::{TestDatabase, TestServer};

const TABLES: &str = "
CREATE TABLE Customers (CustomerID nchar(5) NOT NULL COLLATE NOCASE PRIMARY KEY, CompanyName nvarchar(40) NOT NULL COLLATE NOCASE,
  City nvarchar(15) COLLATE NOCASE, ShopPassword nvarchar(60) COLLATE NOCASE);
CREATE TABLE Categories (CategoryID integer NOT NULL PRIMARY KEY, CategoryName nvarchar(15) NOT NULL COLLATE NOCASE);
CREATE TABLE Products (ProductID int NOT NULL PRIMARY KEY, ProductName nvarchar(40) NOT NULL COLLATE NOCASE,
  CategoryID int REFERENCES Categories (CategoryID), FavouriteOf nchar(5) COLLATE NOCASE REFERENCES Customers (CustomerID),
  ShelfNo int NOT NULL);
CREATE TABLE Discounts (CustomerID nchar(5) NOT NULL COLLATE NOCASE PRIMARY KEY REFERENCES Customers (CustomerID), Share int NOT NULL);
CREATE TABLE Contacts (ContactID integer NOT NULL PRIMARY KEY, CustomerID nchar(5) NOT NULL COLLATE NOCASE REFERENCES Customers (CustomerID),
  Name nvarchar(30) NOT NULL COLLATE NOCASE, ToldBy nvarchar(20) COLLATE NOCASE, Seq int NOT NULL);
CREATE TABLE Visits (At datetime NOT NULL PRIMARY KEY);
";

const SOURCE: &str = "
INSERT INTO Customers VALUES ('ALFKI', 'Alfreds', 'Berlin', 'blue'), ('PARIS', 'Paris specialties', 'Paris', 'red'),
  ('BONAP', 'Bon app', 'Marseille', NULL), ('LONDN', 'Thames', 'London', 'green'), ('WOLZA', 'Wolski', 'Warszawa', 'grey');
INSERT INTO Categories VALUES (1, 'Beverages'), (2, 'Seafood');
INSERT INTO Products VALUES (1, 'Chai', 1, 'PARIS', 11), (2, 'Ikura', 2, NULL, 12), (3, 'Konbu', 2, 'alfki', 13);
INSERT INTO Discounts VALUES ('ALFKI', 5), ('PARIS', 10);
INSERT INTO Contacts VALUES (1, 'ALFKI', 'Maria', 'PARIS', 1), (2, 'PARIS', 'Marie', 'BONAP', 2), (3, 'PARIS', 'Ann', 'ALFKI', 3);
";

const TARGET: &str = "
INSERT INTO Customers VALUES ('alfki', 'Alfred', 'Berlin', 'shibboleth'), ('GONER', 'Goner', 'Rome', 'gone');
INSERT INTO Categories VALUES (7, 'Seafood');
INSERT INTO Products VALUES (40, 'Ikura', 7, 'GONER', 5);
INSERT INTO Discounts VALUES ('alfki', 1), ('GONER', 2);
INSERT INTO Contacts VALUES (9, 'alfki', 'Maria', NULL, 30);
";

fn northwind() -> Model {
    Model::parse(include_str!("fixtures/northwind.toml"), "northwind.toml").unwrap()
}

fn file(path: &Path, rows: &str) {
    drop(SqliteServer::create(path, Schema::Ddl(TABLES)).unwrap());
    Connection::open(path).unwrap().execute_batch(rows).unwrap();
}

enum Place {
    File(PathBuf),
    Database(TestDatabase),
}

impl Place {
    fn open(&self) -> Box<dyn Server> {
        match self {
            Place::File(path) => Box::new(SqliteServer::open(path).unwrap()),
            Place::Database(database) => Box::new(SqlServer::open(&database.address()).unwrap()),
        }
    }

    fn ints(&self, table: &str, column: &str) -> Vec<i64> {
        let mut server = self.open();
        let mut reader = server.read().unwrap();
        let key = reader.catalog().table(table).unwrap().primary_key.clone();
        let order: Vec<&str> = key.iter().map(String::as_str).collect();
        let columns: Vec<&str> = [column].into_iter().chain(order.iter().copied()).collect();
        let (after, max_rows, max_bytes) = (None, 1000, usize::MAX);
        let page = Page { table, columns: &columns, order: &order, after, max_rows, max_bytes };
        let mut found: Vec<i64> =
            reader.page(&page).unwrap().iter().filter_map(|row| row[0].as_int()).collect();
        found.sort_unstable();
        found
    }

    fn text(&self, table: &str, column: &str, by: &str, key: &str) -> Option<String> {
        let mut server = self.open();
        let (columns, by, keys) = ([column], [by], [vec![Value::from(key)]]);
        let lookup = sealift::server::Lookup { table, columns: &columns, by: &by, keys: &keys };
        let mut found = None;
        let mut see = |_: usize, row: sealift::server::Row| found = row[0].as_text().map(str::to_owned);
        server.read().unwrap().lookup(&lookup, &mut see).unwrap();
        found
    }
}

/// A bundle of the source, and the target in a file and in databases of SQL Servers, where shelves are numbered by
/// IDENTITY.
fn everywhere(story: impl Fn(&Path, &Place, &Path)) {
    let servers = [Some(TestServer::own(Default::default())), TestServer::named()];
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    file(&at("source.sqlite"), SOURCE);
    file(&at("target.sqlite"), TARGET);
    export(&at("source.sqlite"), &northwind(), &at("a.sealift"), &everything(None));
    let mut places = vec![];
    for server in servers.iter().flatten() {
        let mut target = SqliteServer::open(&at("target.sqlite")).unwrap();
        let mut catalog = target.read().unwrap().catalog().clone();
        let products = catalog.tables.iter_mut().find(|table| table.name == "Products").unwrap();
        products.columns.iter_mut().find(|column| column.name == "ShelfNo").unwrap().identity = true;
        let database = server.database();
        database.make(&catalog);
        back::fill(&mut SqlServer::open(&database.address()).unwrap(), &at("target.sqlite"));
        places.push(Place::Database(database));
    }
    places.push(Place::File(at("target.sqlite")));
    for (number, place) in places.iter().enumerate() {
        println!("place {number}");
        story(&at("a.sealift"), place, &at(&number.to_string()));
    }
}

#[test]
fn documents_known_by_codes_and_plain_secrets_arrive_and_are_taken_back() {
    everywhere(|bundle, place, at| {
        let model = northwind();
        let (before, undo) = (at.with_extension("before"), at.with_extension("undo"));
        let old = back::root(&mut *place.open(), &model, None, &before);
        let plan = back::import_kept(bundle, &mut *place.open(), &model, None, &undo);
        assert!(plan.findings.is_empty());
        let updated: Vec<_> = plan.entries.iter().filter(|e| e.action == Action::Update).collect();
        let names = updated.iter().map(|e| format!("{} {}", e.kind, e.key)).collect::<Vec<_>>().join(", ");
        assert_eq!(names, "Contact ALFKI / Maria, Customer ALFKI, Discount ALFKI, Product Ikura");
        let password = |id| place.text("Customers", "ShopPassword", "CustomerID", id);
        assert_eq!(password("ALFKI").as_deref(), Some("blue"));
        assert_eq!(password("PARIS").as_deref(), Some("red"));
        // The id of a document that is there stays as it is spelled there.
        assert_eq!(place.text("Customers", "CustomerID", "CompanyName", "Alfreds").as_deref(), Some("alfki"));
        assert_eq!(place.text("Products", "FavouriteOf", "ProductName", "Konbu").as_deref(), Some("alfki"));
        assert_eq!(place.text("Products", "FavouriteOf", "ProductName", "Chai").as_deref(), Some("PARIS"));
        assert!(back::import_nothing_more(bundle, &mut *place.open(), &model, None));
        back::undo(&undo, &mut *place.open(), &model, None, Some(&at.with_extension("redo")));
        assert_eq!(password("ALFKI").as_deref(), Some("shibboleth"));
        assert_eq!(back::root(&mut *place.open(), &model, None, &before), old);
        back::undo(&at.with_extension("redo"), &mut *place.open(), &model, None, None);
        assert_eq!(password("ALFKI").as_deref(), Some("blue"));
    });
}

/// Makes a target what the bundle says.
fn mirrored(bundle: &Path, place: &Place) -> sealift::plan::Plan {
    let bundle = open(bundle);
    let seen = sealift::crypto::FingerprintKey::generate().unwrap();
    let key = unlock(&bundle);
    let keys = sealift::ops::Keys { bundle: key.as_ref(), master: None, seen: &seen };
    let options = ImportOptions { prune: true, ..overwrite() };
    let (how, progress) = (sealift::ops::How::default(), sealift::progress::Silent);
    let outcome =
        sealift::ops::import(&bundle, &mut *place.open(), &northwind(), keys, how, options, &progress)
            .unwrap();
    let sealift::ops::Outcome::Applied(plan) = outcome else { panic!("{outcome:?}") };
    plan
}

/// A server across a network deletes when all is sent, and the embedded one at once: the numbers are the same.
#[test]
fn numbers_of_what_is_deleted_are_not_given_out_again() {
    everywhere(|bundle, place, _| {
        let more = "INSERT INTO Contacts (CustomerID, Name, Seq) VALUES ('alfki', 'Gone', 50)";
        match place {
            Place::File(path) => Connection::open(path).unwrap().execute_batch(more).unwrap(),
            Place::Database(database) => database.server.run(&database.name, &[more.to_owned()]),
        }
        assert_eq!(mirrored(bundle, place).count(Action::Delete), 3);
        assert_eq!(place.ints("Contacts", "ContactID"), [9, 11, 12]);
        assert_eq!(place.ints("Contacts", "Seq"), [30, 51, 52]);
    });
}

#[test]
fn a_mirror_of_them_is_the_source() {
    everywhere(|bundle, place, at| {
        let (bundle_file, model) = (open(bundle), northwind());
        let plan = mirrored(bundle, place);
        assert_eq!(plan.count(Action::Delete), 2, "{plan:?}");
        assert!(back::import_nothing_more(bundle, &mut *place.open(), &model, None));
        // But for the one id that is spelled in another way there, and stays.
        let after = at.with_extension("after");
        if let Place::File(path) = place {
            Connection::open(path).unwrap().execute_batch("PRAGMA foreign_keys = OFF; UPDATE Customers SET CustomerID = upper(CustomerID); UPDATE Discounts SET CustomerID = upper(CustomerID)").unwrap();
            assert_eq!(back::root(&mut *place.open(), &model, None, &after), bundle_file.info().content_root);
        }
    });
}

/// Once such columns got literal zeros.
#[test]
fn columns_that_the_server_numbers_are_left_to_it() {
    everywhere(|bundle, place, at| {
        back::import_kept(bundle, &mut *place.open(), &northwind(), None, &at.with_extension("undo"));
        assert_eq!(place.ints("Contacts", "Seq"), [30, 31, 32]);
        let shelves = match place {
            Place::Database(_) => [5, 6, 7],
            Place::File(_) => [0, 0, 5],
        };
        assert_eq!(place.ints("Products", "ShelfNo"), shelves);
    });
}

/// `Paris` is a city and the code of a customer: among other cities it is a word, and among codes a code.
#[test]
fn words_that_equal_a_code_are_no_references() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    file(&at("source.sqlite"), SOURCE);
    let options = everything(None);
    let report =
        try_export(&at("source.sqlite"), &northwind(), &at("a.sealift"), &options, sealed()).unwrap();
    let places: Vec<String> =
        report.undeclared.iter().map(|u| format!("{} {} {}", u.kind, u.place, u.to)).collect();
    assert_eq!(places, ["Contact ToldBy Customer"]);
    assert_eq!(report.undeclared[0].ids.len(), 3);
    // Neither the bundle nor a later plan knows of the word.
    let notices = open(&at("a.sealift")).notices().unwrap();
    assert!(notices.iter().all(|notice| notice.place.as_deref() != Some("City")), "{notices:?}");
}

#[test]
fn a_model_whose_key_is_an_id_of_another_making_is_refused() {
    let text = include_str!("fixtures/northwind.toml").replacen("new = \"keep\"", "new = \"guid\"", 1);
    let error = Model::parse(&text, "m.toml").unwrap_err().to_string();
    assert!(error.starts_with("m.toml:10: ") && error.contains("new = \"keep\""), "{error}");
}

struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        file(&at("source.sqlite"), SOURCE);
        file(&at("target.sqlite"), TARGET);
        std::fs::write(at("model.toml"), include_str!("fixtures/northwind.toml")).unwrap();
        std::fs::write(at("password"), "correct horse battery staple").unwrap();
        Self(folder)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(args).args(["--model", "model.toml"]).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("SEALIFT_PASSWORD").env_remove("SEALIFT_MASTER_KEY");
        command.output().unwrap()
    }

    #[track_caller]
    fn ends(&self, code: i32, args: &[&str]) -> String {
        let out = self.run(args);
        let told = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}\n{told}");
        told
    }

    fn root(&self, bundle: &str) -> String {
        let told = self.ends(0, &["info", bundle, "--json"]);
        let json: serde_json::Value = serde_json::from_str(&told).unwrap();
        json["content_root"].as_str().unwrap().to_owned()
    }
}

#[test]
fn the_command_takes_plain_secrets_over_and_back_with_the_password() {
    let stage = Stage::new();
    let password = ["--password-file", "password"];
    let all = |args: &[&'static str]| [args, &password[..]].concat();
    stage.ends(0, &all(&["export", "sqlite:source.sqlite", "-o", "a.sealift"]));
    stage.ends(0, &["convert", "a.sealift", "tree"]);
    stage.ends(0, &["convert", "tree", "b.sealift"]);
    assert_eq!(stage.root("a.sealift"), stage.root("b.sealift"));
    let import =
        ["import", "b.sealift", "--to", "sqlite:target.sqlite", "--overwrite", "--yes", "--undo", "u"];
    stage.ends(0, &all(&import));
    let same = stage.ends(0, &["diff", "a.sealift", "sqlite:source.sqlite", "--left-key-file", "password"]);
    assert!(same.starts_with("0 documents differ") && !same.contains("not compared"), "{same}");
    let undo = ["undo", "u", "--to", "sqlite:target.sqlite", "--yes", "--no-undo"];
    // The file is sealed under the bundle's password, and so are the hashes in it.
    stage.ends(6, &undo);
    std::fs::write(stage.0.path().join("wrong"), "another").unwrap();
    stage.ends(6, &[&undo[..], &["--password-file", "wrong"]].concat());
    let bytes = std::fs::read(stage.0.path().join("u")).unwrap();
    assert!(!bytes.windows(10).any(|piece| piece == b"shibboleth"));
    stage.ends(0, &all(&undo));
    let kept = Place::File(stage.0.path().join("target.sqlite")).text(
        "Customers",
        "ShopPassword",
        "CustomerID",
        "alfki",
    );
    assert_eq!(kept.as_deref(), Some("shibboleth"));
    // A bundle without a password has none to seal what it overwrites.
    stage.ends(0, &["export", "sqlite:source.sqlite", "-o", "c.sealift", "--no-secrets"]);
    let import = ["import", "c.sealift", "--to", "sqlite:target.sqlite", "--overwrite", "--yes"];
    let told = stage.ends(1, &import);
    assert!(told.contains("--no-undo"), "{told}");
    stage.ends(0, &[&import[..], &["--no-undo"]].concat());
}

#[test]
fn a_model_without_secrets_asks_for_no_password() {
    let stage = Stage::new();
    let text = include_str!("fixtures/northwind.toml")
        .replace("secret = [{ at = \"ShopPassword\", form = \"plain\" }]\n", "");
    std::fs::write(stage.0.path().join("model.toml"), text).unwrap();
    stage.ends(0, &["export", "sqlite:source.sqlite", "-o", "a.sealift"]);
    stage.ends(0, &["export", "sqlite:source.sqlite", "-o", "tree/"]);
    stage.ends(
        0,
        &["import", "a.sealift", "--to", "sqlite:target.sqlite", "--overwrite", "--yes", "--undo", "u"],
    );
    stage.ends(0, &["diff", "a.sealift", "sqlite:source.sqlite"]);
    stage.ends(0, &["undo", "u", "--to", "sqlite:target.sqlite", "--yes"]);
    stage.ends(
        0,
        &["partial-export", "sqlite:source.sqlite", "--include", "Customer/PARIS", "-o", "p.sealift"],
    );
}
