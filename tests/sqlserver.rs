//! The main job over TDS: what is exported, planned and imported there is what it is on the embedded server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[path = "support/tsql.rs"]
mod tsql;

use endpoint::{Kind, Request};
use sealift::bundle::{Bundle, Extent};
use sealift::crypto::{FingerprintKey, MasterKey};
use sealift::demo::{self, DemoOptions, Site};
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::ops::{self, How, Keys, Outcome};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use support::*;
use tsql::{TestDatabase, TestServer};

/// Every server that the job is done on: the embedded one first.
struct Ring {
    folder: tempfile::TempDir,
    server: TestServer,
}

impl Ring {
    fn new(server: TestServer) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server }
    }

    fn embedded(&self, site: Site) -> SqliteServer {
        let path = self.folder.path().join(format!("{site:?}.sqlite"));
        let mut server = SqliteServer::create(&path, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        demo::build(&mut server, site, &master(site), &DemoOptions::default()).unwrap();
        server
    }

    fn database(&self, site: Site) -> TestDatabase {
        let database = self.server.database();
        let empty = self.folder.path().join("empty.sqlite");
        let _ = std::fs::remove_file(&empty);
        let mut empty = SqliteServer::create(&empty, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        database.make(empty.read().unwrap().catalog());
        let mut server = SqlServer::open(&database.address()).unwrap();
        demo::build(&mut server, site, &master(site), &DemoOptions::default()).unwrap();
        database
    }

    fn export(&self, server: &mut dyn Server, site: Site, name: &str) -> Bundle {
        let out = self.folder.path().join(name);
        let model = octopus();
        let mut reader = server.read().unwrap();
        let header = header(&mut *reader, &model);
        let mut options = everything(None);
        let key = master(site);
        options.secrets = ops::translate::ServerSecrets::Read(Some(&key));
        let writer = sealift::bundle::Writer::create(&out, header, sealed()).unwrap();
        ops::export(&mut *reader, &model, writer, &options, &Silent).unwrap();
        drop(reader);
        open(&out)
    }
}

fn master(site: Site) -> MasterKey {
    key(if site == Site::Build { 1 } else { 2 })
}

fn import(bundle: &Bundle, server: &mut dyn Server, dry_run: bool) -> Outcome {
    let (model, bundle_key) = (octopus(), unlock(bundle));
    let (key, seen) = (master(Site::Production), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&key), seen: &seen };
    let how = How { dry_run, ..How::default() };
    ops::import(bundle, server, &model, keys, how, overwrite(), &Silent).unwrap()
}

/// What a plan says, without what differs between two servers by nature.
fn said(plan: &Plan) -> Vec<(String, String, Action)> {
    plan.entries.iter().map(|e| (e.kind.to_string(), e.key.to_string(), e.action)).collect()
}

/// Equal content, equal root; where it is not, the first document that differs is shown.
#[track_caller]
fn same_content(ours: &Bundle, theirs: &Bundle) {
    let documents = |bundle: &Bundle| {
        let mut all = Vec::new();
        bundle
            .scan(None, &mut |entry, document| {
                all.push((format!("{} {}", entry.kind, entry.key), document));
                Ok::<(), sealift::bundle::BundleError>(())
            })
            .unwrap();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    };
    if ours.info().content_root != theirs.info().content_root {
        let (ours, theirs) = (documents(ours), documents(theirs));
        for ((a, one), (b, other)) in ours.iter().zip(&theirs) {
            assert_eq!(a, b);
            assert_eq!(one.columns, other.columns, "{a}");
            assert_eq!(one.body, other.body, "{a}");
        }
        panic!("{} and {} documents", ours.len(), theirs.len());
    }
}

#[test]
fn the_job_is_the_same_on_both_servers() {
    job(&Ring::new(TestServer::own(Default::default())));
}

#[test]
fn the_job_is_the_same_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| job(&Ring::new(server)));
}

fn job(ring: &Ring) {
    let (mut here, there) = (ring.embedded(Site::Build), ring.database(Site::Build));
    let ours = ring.export(&mut here, Site::Build, "here.sealift");
    let mut server = SqlServer::open(&there.address()).unwrap();
    let theirs = ring.export(&mut server, Site::Build, "there.sealift");
    same_content(&ours, &theirs);

    let (mut here, there) = (ring.embedded(Site::Production), ring.database(Site::Production));
    let mut server = SqlServer::open(&there.address()).unwrap();
    let Outcome::DryRun(dry) = import(&ours, &mut server, true) else { panic!("not a dry run") };
    let Outcome::Applied(plan) = import(&ours, &mut server, false) else { panic!("not applied") };
    assert_eq!(said(&dry), said(&plan), "the dry run is the run");
    let Outcome::Applied(embedded) = import(&ours, &mut here, false) else { panic!("not applied") };
    assert_eq!(said(&embedded), said(&plan));
    let after_here = ring.export(&mut here, Site::Production, "after here.sealift");
    let after_there = ring.export(&mut server, Site::Production, "after there.sealift");
    same_content(&after_here, &after_there);
    assert!(matches!(import(&ours, &mut server, false), Outcome::Nothing(_)), "nothing is left to do");
}

/// A server with one space and so many library variable sets, each with its variables.
fn library(server: &mut dyn Server, sets: usize) {
    let text = |text: &str| Value::from(text);
    let mut transaction = server.begin().unwrap();
    let space = vec![text("Spaces-1"), text("Default"), true.into(), text("{}")];
    transaction.insert("Space", &["Id", "Name", "IsDefault", "JSON"], &[space]).unwrap();
    for n in 1..=sets {
        let owner = format!("LibraryVariableSets-{n}");
        let variables = format!("variableset-{owner}");
        let columns = ["Id", "Name", "VariableSetId", "ContentType", "SpaceId", "JSON"];
        let row = vec![
            text(&owner),
            format!("Library {n}").into(),
            text(&variables),
            text("Variables"),
            text("Spaces-1"),
            text("{\"Templates\":[]}"),
        ];
        transaction.insert("LibraryVariableSet", &columns, &[row]).unwrap();
        let columns = ["Id", "OwnerId", "Version", "IsFrozen", "RelatedDocumentIds", "SpaceId", "JSON"];
        let row = vec![
            text(&variables),
            text(&owner),
            Value::Int(1),
            Value::Bool(false),
            text("||"),
            text("Spaces-1"),
            text("{\"Variables\":[]}"),
        ];
        transaction.insert("VariableSet", &columns, &[row]).unwrap();
    }
    transaction.commit().unwrap();
}

/// Tables of several pages whose documents need lookups between them arrive whole: what is exported of a SQL Server is
/// what was imported there, and planned onto its own server it deletes nothing.
#[test]
fn an_export_of_many_pages_is_whole() {
    whole(Ring::new(TestServer::own(Default::default())), 2_500);
}

#[test]
fn an_export_of_many_pages_of_the_named_server_is_whole() {
    if let Some(server) = TestServer::named() {
        whole(Ring::new(server), 10_000);
    }
}

fn whole(ring: Ring, sets: usize) {
    let path = ring.folder.path().join("source.sqlite");
    let mut source = SqliteServer::create(&path, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
    library(&mut source, sets);
    let bundle = ring.export(&mut source, Site::Production, "source.sealift");
    assert_eq!(bundle.info().documents, 2 * sets as u64 + 1);
    let database = ring.server.database();
    database.make(source.read().unwrap().catalog());
    let mut server = SqlServer::open(&database.address()).unwrap();
    library(&mut server, 0);
    assert!(matches!(import(&bundle, &mut server, false), Outcome::Applied(_)));
    let back = ring.export(&mut server, Site::Production, "back.sealift");
    same_content(&back, &bundle);
    for kind in &back.info().kinds {
        let said = back.coverage().unwrap().into_iter().find(|said| said.kind == kind.name).unwrap();
        assert_eq!(said.extent, Extent::Whole { rows: kind.documents }, "{}", kind.name);
    }
    let (model, seen) = (octopus(), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: None, master: None, seen: &seen };
    let options = ops::ImportOptions { prune: true, ..overwrite() };
    let plan = ops::plan(&back, &mut *server.read().unwrap(), &model, keys, options, &Silent).unwrap();
    assert_eq!((plan.findings.len(), plan.count(Action::Unchanged)), (0, plan.entries.len()));
}

/// Imports so many documents into a server that has the space alone, and says what was sent.
fn sent(sets: usize) -> (Vec<Request>, Vec<Request>) {
    let ring = Ring::new(TestServer::own(Default::default()));
    let path = ring.folder.path().join("source.sqlite");
    let mut source = SqliteServer::create(&path, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
    library(&mut source, sets);
    let bundle = ring.export(&mut source, Site::Production, "library.sealift");
    let database = ring.server.database();
    database.make(source.read().unwrap().catalog());
    let mut server = SqlServer::open(&database.address()).unwrap();
    library(&mut server, 0);
    let endpoint = ring.server.endpoint.as_ref().unwrap();
    endpoint.clear_requests();
    assert!(matches!(import(&bundle, &mut server, false), Outcome::Applied(_)));
    let first = endpoint.requests();
    endpoint.clear_requests();
    assert!(matches!(import(&bundle, &mut server, false), Outcome::Nothing(_)));
    (first, endpoint.requests())
}

fn writes(request: &Request) -> bool {
    let sql = request.sql.trim_start();
    request.kind == Kind::Bulk
        || ["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "SET IDENTITY_INSERT"]
            .iter()
            .any(|verb| sql.starts_with(verb))
}

#[test]
fn an_import_is_one_transaction_and_as_many_statements_for_few_documents_as_for_many() {
    let (few, again) = sent(300);
    let (many, _) = sent(1500);
    let counted = |requests: &[Request]| requests.iter().filter(|r| r.kind != Kind::Disconnect).count();
    assert_eq!(counted(&few), counted(&many), "the number does not grow with the documents");
    for requests in [&few, &many] {
        let session = requests[0].session;
        assert!(requests.iter().all(|r| r.session == session), "one connection");
        // What the target does meanwhile is looked at before, without a lock that the product would wait for.
        let begun = requests.iter().rposition(|r| r.sql.contains("BEGIN TRANSACTION")).unwrap();
        let locks = requests.iter().filter(|r| r.sql.contains("sp_getapplock"));
        assert_eq!(locks.count(), 1, "one transaction writes");
        let ended = requests.iter().position(|r| r.sql == "COMMIT TRANSACTION").unwrap();
        assert!(requests[begun].sql.contains("SET XACT_ABORT ON"));
        assert!(requests[begun + 1].sql.contains("sp_getapplock"), "the lock comes first");
        for (at, request) in requests.iter().enumerate() {
            if writes(request) {
                assert!(begun < at && at < ended, "{}", request.sql);
                let inside = (request.transactions_before, request.transactions_after);
                assert_eq!(inside, (1, Some(1)), "{}", request.sql);
            }
        }
        let tables = requests.iter().filter(|r| r.sql.contains("INSERT INTO [dbo]."));
        assert_eq!(tables.count(), 3, "one statement a table, and one for the product's own count");
        assert!(requests.iter().any(|r| r.kind == Kind::Bulk), "rows go by bulk load");
        let lasting = requests.iter().filter(|r| r.sql.starts_with("CREATE TABLE"));
        assert!(lasting.into_iter().all(|r| r.sql.starts_with("CREATE TABLE #sealift_")), "no trace is left");
    }
    assert!(!again.iter().any(writes), "an import that has nothing to do writes nothing");
}

/// The import of a bundle as a script, as the batches that tools make of it.
fn scripted(bundle: &Bundle, database: &TestDatabase) -> Vec<String> {
    let (model, bundle_key) = (octopus(), unlock(bundle));
    let (key, seen) = (master(Site::Production), FingerprintKey::generate().unwrap());
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&key), seen: &seen };
    let mut server = SqlServer::open(&database.address()).unwrap();
    let (target, schema) = (database.address().to_string(), "dbo".to_owned());
    let about = ops::About { target, database: Some(database.name.clone()), schema };
    let mut text = Vec::new();
    let mut reader = server.read().unwrap();
    let (_, statements) =
        ops::script(bundle, &mut *reader, &model, keys, overwrite(), &about, &mut text, &Silent).unwrap();
    assert!(statements > 50, "{statements}");
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("$("), "sqlcmd would replace it");
    let mut batches = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines() {
        match line {
            "GO" => batches.push(String::new()),
            line => {
                let batch = batches.last_mut().unwrap();
                batch.push_str(line);
                batch.push('\n');
            }
        }
    }
    assert_eq!(batches.pop().as_deref(), Some(""), "it ends with GO");
    batches
}

/// Runs batches over one connection as `sqlcmd -b` does not: to the end, whatever fails. Returns the errors' numbers.
fn run_all(database: &TestDatabase, batches: &[String]) -> Vec<u32> {
    database.server.with(&database.name, async |client| {
        let mut errors = Vec::new();
        for batch in batches {
            let result = match client.simple_query(batch.as_str()).await {
                Ok(stream) => stream.into_results().await.map(|_| ()),
                Err(error) => Err(error),
            };
            match result {
                Ok(()) => {}
                Err(tiberius::error::Error::Server(token)) => {
                    println!("{}: {}", token.code(), token.message());
                    errors.push(token.code());
                }
                Err(error) => panic!("{batch}: {error}"),
            }
        }
        errors
    })
}

#[test]
fn a_script_does_what_the_import_does() {
    scripts(&Ring::new(TestServer::own(Default::default())));
}

#[test]
fn a_script_does_what_the_import_does_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| scripts(&Ring::new(server)));
}

fn scripts(ring: &Ring) {
    let bundle = ring.export(&mut ring.embedded(Site::Build), Site::Build, "build.sealift");
    let mut here = ring.embedded(Site::Production);
    assert!(matches!(import(&bundle, &mut here, false), Outcome::Applied(_)));
    let there = ring.database(Site::Production);
    let batches = scripted(&bundle, &there);
    assert_eq!(run_all(&there, &batches), Vec::<u32>::new(), "it runs");
    let mut server = SqlServer::open(&there.address()).unwrap();
    let after_here = ring.export(&mut here, Site::Production, "here.sealift");
    let after_there = ring.export(&mut server, Site::Production, "there.sealift");
    same_content(&after_here, &after_there);
    assert!(matches!(import(&bundle, &mut server, false), Outcome::Nothing(_)), "nothing is left to do");

    // What changes between review and run stops it; the rest of the batches do nothing.
    let moved = ring.database(Site::Production);
    let batches = scripted(&bundle, &moved);
    let mut updates = batches.iter().flat_map(|batch| batch.split("UPDATE [dbo].[").skip(1));
    let updated =
        updates.find(|update| update.contains("WHERE [Id] = N'") && update.contains("[JSON] =")).unwrap();
    let table = updated.split(']').next().unwrap();
    let id = updated.split("WHERE [Id] = N'").nth(1).unwrap().split('\'').next().unwrap();
    let change = format!("UPDATE [dbo].[{table}] SET [JSON] = N'{{\"Changed\":true}}' WHERE [Id] = N'{id}'");
    moved.server.run(&moved.name, &[change]);
    let mut server = SqlServer::open(&moved.address()).unwrap();
    let before = ring.export(&mut server, Site::Production, "before.sealift");
    drop(server);
    let errors = run_all(&moved, &batches);
    assert_eq!(errors.len(), batches.len() - errors_before(&batches, table, id), "{errors:?}");
    assert!(errors.iter().all(|number| *number == 50_000), "{errors:?}");
    let mut server = SqlServer::open(&moved.address()).unwrap();
    let after = ring.export(&mut server, Site::Production, "after.sealift");
    same_content(&before, &after);
}

/// How many batches go well before the one that updates a row.
fn errors_before(batches: &[String], table: &str, id: &str) -> usize {
    let is_it = |batch: &String| {
        let mut updates = batch.split("UPDATE [dbo].").skip(1);
        updates.any(|u| u.starts_with(&format!("[{table}] ")) && u.contains(&format!("WHERE [Id] = N'{id}'")))
    };
    batches.iter().position(is_it).unwrap()
}

/// How many requests the work on documents of all kinds takes: between two sites each may take 20 ms.
#[test]
fn documents_of_all_kinds_are_exported_and_planned_in_few_requests() {
    use support::everything::{Generation, SOURCE, Twist, build};
    let ring = Ring::new(TestServer::own(Default::default()));
    let path = ring.folder.path().join("everything.sqlite");
    build(&path, Generation::Spaces, 1, SOURCE, Twist::default());
    let mut source = SqliteServer::open(&path).unwrap();
    let bundle = ring.export(&mut source, Site::Build, "source.sealift");
    let documents = bundle.info().documents;
    let database = ring.server.database();
    database.make(source.read().unwrap().catalog());
    let mut server = SqlServer::open(&database.address()).unwrap();
    let endpoint = ring.server.endpoint.as_ref().unwrap();
    let mut counts = Vec::new();
    let mut count = |what: &'static str| {
        let requests = endpoint.requests();
        counts.push((what, requests.iter().filter(|r| r.kind != Kind::Disconnect).count()));
        endpoint.clear_requests();
    };
    endpoint.clear_requests();
    assert!(matches!(import(&bundle, &mut server, false), Outcome::Applied(_)));
    count("import");
    let back = ring.export(&mut server, Site::Production, "back.sealift");
    count("export");
    let (model, seen) = (octopus(), FingerprintKey::generate().unwrap());
    let (bundle_key, master) = (unlock(&back), master(Site::Production));
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    let plan = ops::plan(&back, &mut *server.read().unwrap(), &model, keys, overwrite(), &Silent).unwrap();
    assert_eq!((plan.findings.len(), plan.count(Action::Unchanged)), (0, plan.entries.len()));
    count("plan");
    assert!(documents > 300, "{documents}");
    let most = [("import", 200), ("export", 60), ("plan", 100)];
    for ((what, count), (_, most)) in counts.iter().zip(most) {
        assert!(*count <= most, "{what}, {documents} documents: {counts:?}");
    }
}
