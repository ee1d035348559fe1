//! Scripts of `plan --sql` in the hands of tools that go on after errors: all of it happens, or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[path = "support/tsql.rs"]
mod tsql;

use sealift::bundle::Bundle;
use sealift::crypto::FingerprintKey;
use sealift::demo::{self, DemoOptions, Site};
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::ops::{self, Keys};
use sealift::progress::Silent;
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Reader, Server};
use support::*;
use tsql::{TestDatabase, TestServer};

const EARLIER: &str = "an earlier part has failed: nothing is written";

/// A bundle, and a target for it with a script.
struct Case {
    _folder: tempfile::TempDir,
    bundle: Bundle,
    database: TestDatabase,
}

impl Case {
    fn new(server: &TestServer, empty: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("build.sqlite");
        let mut source = SqliteServer::create(&path, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        demo::build(&mut source, Site::Build, &key(1), &DemoOptions::default()).unwrap();
        let file = folder.path().join("build.sealift");
        export(&path, &octopus(), &file, &everything(Some(&key(1))));
        let database = server.database();
        database.make(source.read().unwrap().catalog());
        if !empty {
            let mut target = SqlServer::open(&database.address()).unwrap();
            demo::build(&mut target, Site::Production, &key(2), &DemoOptions::default()).unwrap();
        }
        Self { _folder: folder, bundle: open(&file), database }
    }

    fn own(empty: bool) -> Self {
        Self::new(&TestServer::own(Default::default()), empty)
    }

    fn text(&self, about: &ops::About) -> Result<String, ops::ImportError> {
        let (bundle_key, master) = (unlock(&self.bundle), key(2));
        let seen = FingerprintKey::generate().unwrap();
        let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
        let mut server = SqlServer::open(&self.database.address()).unwrap();
        let (mut out, mut reader) = (Vec::new(), server.read().unwrap());
        let (model, options) = (octopus(), overwrite());
        ops::script(&self.bundle, &mut *reader, &model, keys, options, about, &mut out, &Silent)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn about(&self) -> ops::About {
        let (target, name) = (self.database.address().to_string(), self.database.name.clone());
        ops::About { target, database: Some(name), schema: "dbo".to_owned() }
    }

    fn script(&self) -> Vec<String> {
        batches(&self.text(&self.about()).unwrap())
    }

    fn run(&self, batches: &[String]) -> Vec<(u32, String)> {
        run(&self.database, batches)
    }

    fn sql(&self, statement: &str) {
        self.database.server.run(&self.database.name, &[statement.to_owned()]);
    }

    /// Every row of every table.
    fn rows(&self) -> Vec<String> {
        let mut server = SqlServer::open(&self.database.address()).unwrap();
        let reader: &mut dyn Reader = &mut *server.read().unwrap();
        let mut rows = Vec::new();
        for table in reader.catalog().tables.clone() {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let mut order: Vec<&str> = table.primary_key.iter().map(String::as_str).collect();
            if order.is_empty() {
                order.push(columns[0]);
            }
            let page = sealift::server::Page {
                table: &table.name,
                columns: &columns,
                order: &order,
                after: None,
                max_rows: 100_000,
                max_bytes: usize::MAX,
            };
            rows.extend(reader.page(&page).unwrap().iter().map(|row| format!("{} {row:?}", table.name)));
        }
        rows
    }

    /// Nothing has been written.
    #[track_caller]
    fn is_untouched(&self, before: &[String], what: &str) {
        let after = self.rows();
        assert!(after == before, "{what}: {} rows, then {}", before.len(), after.len());
    }
}

/// Values of one template that only lists of environments in JSON tell apart: some are in the target, and a script makes
/// the others.
#[test]
fn a_script_makes_documents_that_json_tells_apart() {
    use sealift::ops::{How, ImportOptions};
    use sealift::plan::Action;
    use support::everything::{Generation, SOURCE, Twist, build};
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("source.sqlite"), folder.path().join("a.sealift"));
    build(&path, Generation::Y2026, 1, SOURCE, Twist::default());
    export(&path, &octopus(), &file, &everything(Some(&key(SOURCE.key))));
    let database = TestServer::own(Default::default()).database();
    database.make(SqliteServer::open(&path).unwrap().read().unwrap().catalog());
    let case = Case { _folder: folder, bundle: open(&file), database };
    let (bundle_key, master, model) = (unlock(&case.bundle), key(2), octopus());
    let seen = FingerprintKey::generate().unwrap();
    let keys = Keys { bundle: bundle_key.as_ref(), master: Some(&master), seen: &seen };
    let mut server = SqlServer::open(&case.database.address()).unwrap();
    // Not those that are for environments.
    let except = ImportOptions { except: vec!["TenantVariable/*pr-1*".to_owned()], ..overwrite() };
    let done = ops::import(&case.bundle, &mut server, &model, keys, How::default(), except, &Silent).unwrap();
    assert!(matches!(done, ops::Outcome::Applied(_)), "{done:?}");
    let plan = |server: &mut SqlServer| {
        let mut reader = server.read().unwrap();
        ops::plan(&case.bundle, &mut *reader, &model, keys, overwrite(), &Silent).unwrap()
    };
    let open = plan(&mut server);
    assert_eq!((open.count(Action::Create), open.count(Action::Update)), (4, 0), "{:?}", open.findings);
    assert_eq!(case.run(&case.script()), []);
    assert!(plan(&mut server).is_empty());
}

/// The batches of a script, as tools make them.
fn batches(script: &str) -> Vec<String> {
    assert!(!script.contains("$("), "sqlcmd would replace it");
    let script = script.strip_prefix('\u{feff}').expect("a mark of UTF-8");
    let mut batches = vec![String::new()];
    for line in script.split_inclusive('\n') {
        match line {
            "GO\n" => batches.push(String::new()),
            line => batches.last_mut().unwrap().push_str(line),
        }
    }
    assert_eq!(batches.pop().as_deref(), Some(""), "it ends with GO");
    batches
}

/// Runs batches over one connection, going on after errors; says what went wrong. No transaction may be open in the end.
fn run(database: &TestDatabase, batches: &[String]) -> Vec<(u32, String)> {
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
                    errors.push((token.code(), token.message().to_owned()));
                }
                Err(error) => panic!("{batch}: {error}"),
            }
        }
        let open = client.simple_query("SELECT @@TRANCOUNT").await.unwrap().into_row().await.unwrap();
        assert_eq!(open.unwrap().get::<i32, _>(0), Some(0), "a transaction is left open");
        errors
    })
}

fn without(batches: &[String], gone: usize) -> Vec<String> {
    let kept = batches.iter().enumerate().filter(|(at, _)| *at != gone);
    kept.map(|(_, batch)| batch.clone()).collect()
}

#[test]
fn a_script_with_a_batch_left_out_does_nothing() {
    left_out(&Case::own(false));
}

#[test]
fn a_script_with_a_batch_left_out_does_nothing_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| left_out(&Case::new(&server, false)));
}

fn left_out(case: &Case) {
    let (batches, before) = (case.script(), case.rows());
    assert!(batches.len() >= 5, "{}", batches.len());
    // Without the last one, nothing would commit anyway; what it leaves open ends with the connection.
    for gone in 0..batches.len() - 1 {
        let errors = case.run(&without(&batches, gone));
        assert_eq!(errors.len(), batches.len() - 1 - gone, "{gone}: {errors:?}");
        assert!(
            errors.iter().all(|(number, text)| *number == 50_000 && text == EARLIER),
            "{gone}: {errors:?}"
        );
        case.is_untouched(&before, &format!("without batch {gone}"));
    }
    // Nor twice, nor in another order.
    for at in 1..batches.len() - 1 {
        let mut twice = batches.clone();
        twice.insert(at, batches[at].clone());
        let errors = case.run(&twice);
        assert_eq!(errors.len(), batches.len() - at, "{at}: {errors:?}");
        let mut turned = batches.clone();
        turned.swap(at, at + 1);
        assert!(!case.run(&turned).is_empty());
        case.is_untouched(&before, &format!("batch {at} twice, or in another place"));
    }
    assert_eq!(case.run(&batches), []);
    assert!(case.rows() != before);
}

#[test]
fn a_batch_that_does_not_compile_stops_all_later_ones() {
    uncompiled(&Case::own(false));
}

#[test]
fn a_batch_that_does_not_compile_stops_all_later_ones_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| uncompiled(&Case::new(&server, false)));
}

fn uncompiled(case: &Case) {
    let (batches, before) = (case.script(), case.rows());
    let wrongs = [(207, "SELECT [NoSuchColumn] FROM [dbo].[Project];\n"), (102, "SELECT 1 FROM ;\n")];
    // Whatever batch it is but the one that commits, and wherever in it the error stands.
    for at in 0..batches.len() - 1 {
        let end = batches[at].rfind("UPDATE #sealift SET");
        for place in std::iter::once(0).chain(end) {
            for (number, wrong) in wrongs {
                let mut broken = batches.clone();
                broken[at].insert_str(place, wrong);
                let errors = case.run(&broken);
                assert!(is_compile_error(&errors[0], number), "{at}: {errors:?}");
                let rest = errors[1..].iter().all(|(number, text)| *number == 50_000 && text == EARLIER);
                assert!(rest && errors.len() == batches.len() - at, "{at}: {errors:?}");
                case.is_untouched(&before, &format!("batch {at} does not compile"));
            }
        }
    }
}

/// An error of SQL Server's number; an engine that speaks T-SQL and is another's numbers its own otherwise.
fn is_compile_error((number, text): &(u32, String), expected: u32) -> bool {
    *number == expected || text.contains("does not exist") || text.contains("syntax error")
}

#[test]
fn a_column_that_is_gone_stops_the_script() {
    column_gone(&Case::own(true));
}

#[test]
fn a_column_that_is_gone_stops_the_script_on_the_named_server() {
    TestServer::named().into_iter().for_each(|server| column_gone(&Case::new(&server, true)));
}

fn column_gone(case: &Case) {
    // A table that only some batch in the midst of the script writes, and a column that nothing else needs.
    let batches = case.script();
    let insert = "INSERT INTO [dbo].[Lifecycle] (";
    let at = batches.iter().position(|batch| batch.contains(insert)).unwrap();
    assert!(0 < at && at < batches.len() - 2);
    let columns = batches[at].split_once(insert).unwrap().1.split_once(')').unwrap().0;
    assert!(columns.contains("[JSON]"), "{columns}");
    case.sql("ALTER TABLE [dbo].[Lifecycle] DROP COLUMN [JSON]");
    let before = case.rows();
    let errors = case.run(&batches);
    assert!(is_compile_error(&errors[0], 207), "{errors:?}");
    let rest = errors[1..].iter().all(|(number, text)| *number == 50_000 && text == EARLIER);
    assert!(rest && errors.len() > 1, "{errors:?}");
    case.is_untouched(&before, "a column is gone");
}

/// Runs a script on a target that was changed meanwhile: it stops, and nothing is changed.
#[track_caller]
fn strikes(case: &Case, batches: &[String], change: &str, problem: &str) {
    case.sql(change);
    let before = case.rows();
    let errors = case.run(batches);
    assert!(errors[0].0 == 50_000 && errors[0].1.contains(problem), "{change}: {errors:?}");
    assert!(errors[1..].iter().all(|(_, text)| text == EARLIER), "{change}: {errors:?}");
    case.is_untouched(&before, change);
}

#[test]
fn what_the_plan_found_must_still_be_so() {
    let case = Case::own(false);
    let batches = case.script();
    let and_back = |change: &str, back: &str, problem: &str| {
        strikes(&case, &batches, change, problem);
        case.sql(back);
    };
    // An account that nothing of it is written of, but its id is.
    let name = |from: &str, to: &str| {
        format!("UPDATE [dbo].[Account] SET [Name] = N'{to}' WHERE [Name] = N'{from}'")
    };
    and_back(
        &name("Deploy User", "Deploy Robot"),
        &name("Deploy Robot", "Deploy User"),
        "is gone or has another name since this script was made",
    );
    // A row that changes: in the letters' case alone, and in a column that stays as it is.
    and_back(
        &name("AWS Media", "AWS MEDIA"),
        &name("AWS MEDIA", "AWS Media"),
        "has changed since this script was made",
    );
    let type_ = |from: &str, to: &str| {
        format!(
            "UPDATE [dbo].[Account] SET [AccountType] = N'{to}' WHERE [Name] = N'AWS Media' AND [AccountType] = N'{from}'"
        )
    };
    and_back(
        &type_("AmazonWebServicesAccount", "Token"),
        &type_("Token", "AmazonWebServicesAccount"),
        "has changed since this script was made",
    );
    assert_eq!(case.run(&batches), []);
}

#[test]
fn what_is_made_must_still_be_absent() {
    // Teams have no unique name in these tables: nobody but the script would see it.
    let case = Case::own(true);
    let batches = case.script();
    let team = "INSERT INTO [dbo].[Team] ([Id], [Name], [MemberUserIds], [JSON]) \
                VALUES (N'Teams-900', N'EVERYONE', N'', N'{}')";
    strikes(&case, &batches, team, "Everyone has been made since this script was");
    case.sql("DELETE FROM [dbo].[Team] WHERE [Id] = N'Teams-900'");
    assert_eq!(case.run(&batches), []);
}

#[test]
fn a_transaction_of_somebody_else_is_left_alone() {
    let case = Case::own(true);
    let mut batches = case.script();
    let all = batches.len();
    batches.insert(0, "BEGIN TRANSACTION".to_owned());
    batches.push("SELECT 1 / (@@TRANCOUNT - 1)".to_owned());
    batches.push("COMMIT TRANSACTION".to_owned());
    let before = case.rows();
    let errors = case.run(&batches);
    assert_eq!(errors[0].1, "a transaction is open already");
    // The division shows that it is open still.
    assert_eq!(errors.len(), all + 1, "{errors:?}");
    assert_eq!(errors[all].0, 8134, "{errors:?}");
    case.is_untouched(&before, "within another transaction");
}

#[test]
fn no_text_becomes_a_word_of_the_tools() {
    let case = Case::own(true);
    let name = "100% 'live'\r\nGO\r\n$(HOME)";
    let about = ops::About { database: Some(name.to_owned()), target: name.to_owned(), ..case.about() };
    let text = case.text(&about).unwrap();
    assert!(text.contains("-- Target: 100% 'live'\\r\\nGO\\r\\n$ (HOME)\n"), "{text}");
    let errors = case.run(&batches(&text));
    assert_eq!(errors[0].1, "this script is for the database 100% 'live'\\r\\nGO\\r\\n$ (HOME)");
    // A name in brackets is no text that could be joined from pieces.
    for schema in ["$(HOME)", "a\nGO\nb"] {
        let error = case.text(&ops::About { schema: schema.to_owned(), ..case.about() }).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let said = format!("{error} {source:?}");
        assert!(said.contains("cannot be named in a script") && said.contains("schema"), "{said}");
    }
}

#[test]
fn the_session_is_set_up_before_anything_else() {
    let batches = Case::own(true).script();
    let settings: Vec<&str> = batches[0].lines().filter(|line| line.starts_with("SET ")).collect();
    for setting in [
        "IMPLICIT_TRANSACTIONS OFF",
        "XACT_ABORT ON",
        "ANSI_NULLS ON",
        "ANSI_PADDING ON",
        "ANSI_WARNINGS ON",
        "ARITHABORT ON",
        "CONCAT_NULL_YIELDS_NULL ON",
        "NUMERIC_ROUNDABORT OFF",
        "QUOTED_IDENTIFIER ON",
    ] {
        assert!(settings.contains(&format!("SET {setting};").as_str()), "{settings:?}");
    }
    for batch in &batches[1..batches.len() - 1] {
        assert!(batch.starts_with("IF @@TRANCOUNT = 0 THROW 50000"), "{batch}");
        assert!(batch.lines().last().unwrap().starts_with("UPDATE #sealift SET [batch] = "), "{batch}");
    }
    assert!(batches.last().unwrap().ends_with("DROP TABLE #sealift;\nCOMMIT TRANSACTION;\n"));
}
