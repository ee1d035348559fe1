use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::crypto::MasterKeySize;
use crate::document::{Map, Value, json};
use crate::model::{Direction, Form, Keep, Kind, Model, Rule};
use crate::server::sqlite::{Schema, SqliteServer};
use crate::server::{Catalog, Lookup, Page, Reader, Row, Transaction, WriteError};

const SPACES: &str = include_str!("../model/octopus-spaces.sql");
const BEFORE_SPACES: &str = include_str!("../model/octopus-2018.sql");

fn filled(folder: &Path, ddl: &str, site: Site) -> (SqliteServer, MasterKey, Counts) {
    let path = folder.join(format!("{site:?}.sqlite"));
    let mut server = SqliteServer::create(&path, Schema::Ddl(ddl)).unwrap();
    let key = MasterKey::generate(MasterKeySize::Bits256).unwrap();
    let counts = build(&mut server, site, &key, &DemoOptions::default()).unwrap();
    (server, key, counts)
}

struct Found {
    kind: usize,
    id: String,
    columns: Map,
    body: Option<Value>,
}

fn read(reader: &mut dyn Reader, model: &Model) -> Vec<Found> {
    let mut all = Vec::new();
    for (index, kind) in model.kinds().iter().enumerate() {
        let Some(table) = reader.catalog().table(&kind.table).cloned() else { continue };
        let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        let page = Page {
            table: &kind.table,
            columns: &columns,
            order: &["Id"],
            after: None,
            max_rows: 10_000,
            max_bytes: usize::MAX,
        };
        for row in reader.page(&page).unwrap() {
            let mut map = Map::new();
            for (name, value) in columns.iter().zip(row) {
                map.insert(*name, value);
            }
            let passes =
                |f: &crate::model::RowFilter| map.get(&f.column).is_some_and(|v| f.equals.contains(v));
            if !kind.rows.iter().all(passes) {
                continue;
            }
            let id = map.remove("Id").unwrap().as_text().unwrap().to_owned();
            let body = map.remove("JSON").map(|b| json::parse(b.as_text().unwrap().as_bytes()).unwrap());
            all.push(Found { kind: index, id, columns: map, body });
        }
    }
    all
}

fn ids_at(form: Form, value: &Value) -> Vec<String> {
    let split = |text: &str, by: char| {
        text.split(by).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    match (form, value) {
        (Form::Id, Value::Text(text)) => vec![text.clone()],
        (Form::Pipe, Value::Text(text)) => split(text, '|'),
        (Form::Comma, Value::Text(text)) => split(text, ','),
        (Form::Keys, Value::Map(map)) => map.iter().map(|(name, _)| name.to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// Every reference leads to a document of the right kind, every secret decrypts, and no id stands where no rule
/// sees it: the demonstration and the model agree about the product.
fn agrees(server: &mut SqliteServer, key: &MasterKey) -> (usize, usize, BTreeSet<String>) {
    let model = Model::octopus().unwrap();
    let mut reader = server.read().unwrap();
    let mut all = read(reader.as_mut(), &model);
    let mut known: BTreeSet<(String, String)> =
        all.iter().map(|d| (model.kinds()[d.kind].name.to_string(), d.id.clone())).collect();
    for document in &all {
        for part in &model.kinds()[document.kind].parts {
            let Some(body) = &document.body else { continue };
            part.at.find(body, &mut |element| {
                if let Value::Map(map) = element
                    && let Some(id) = map.get(&part.id).and_then(Value::as_text)
                {
                    known.insert((part.name.to_string(), id.to_owned()));
                }
            });
        }
    }
    let ids: BTreeSet<String> = known.iter().map(|(_, id)| id.clone()).collect();
    let (mut references, mut secrets, mut kinds_seen) = (0, 0, BTreeSet::new());
    for document in &mut all {
        let kind: &Kind = &model.kinds()[document.kind];
        let mut related = BTreeSet::new();
        let mut derived = None;
        let id = document.id.clone();
        kind.walk(&mut document.columns, document.body.as_mut(), Direction::Up, &mut |rule, place, value| {
            match rule {
                Rule::Reference(index) => {
                    let rule = &kind.references[index];
                    for target in ids_at(rule.form, value) {
                        let found = rule.to.iter().any(|t| {
                            known.contains(&(model.target_name(*t).unwrap().to_string(), target.clone()))
                        });
                        let verbatim = model.is_verbatim(&target);
                        assert!(found || verbatim || rule.maybe, "{} {id} {place}: {target}", kind.name);
                        if found {
                            references += 1;
                            kinds_seen.insert(rule.at.text.clone());
                            if place.column_name().is_none() {
                                related.insert(target);
                            }
                            *value = Value::Null;
                        }
                    }
                }
                Rule::Secret(index) => {
                    if kind.secrets[index].form == crate::model::SecretForm::Encrypted && !value.is_null() {
                        key.decrypt(value.as_text().unwrap()).unwrap();
                    }
                    secrets += usize::from(!value.is_null());
                    *value = Value::Null;
                }
                Rule::Derived(index) => {
                    derived = Some((kind.derived[index].from.len(), ids_at(Form::Pipe, value)));
                    *value = Value::Null;
                }
                Rule::PartId(_) => *value = Value::Null,
                Rule::Local(_) | Rule::Set(_) => {}
            }
            Keep::Yes
        });
        if let Some((from, listed)) = derived
            && from > 1
        {
            let missing: Vec<_> = related.iter().filter(|id| !listed.contains(id)).collect();
            assert!(
                missing.is_empty() || kind.name.as_str() != "VariableSet",
                "{id} does not list {missing:?}"
            );
        }
        let mut undeclared = |place: &crate::document::Place, value: &Value| {
            if let Value::Text(text) = value {
                assert!(!ids.contains(text), "{} {id} {place}: {text} is seen by no rule", kind.name);
            }
        };
        let document = crate::document::Document {
            kind: kind.name.clone(),
            key: crate::document::Key::name(&id),
            columns: document.columns.clone(),
            body: document.body.clone(),
        };
        document.visit(&mut undeclared);
    }
    (references, secrets, kinds_seen)
}

#[test]
fn both_sites_fill_both_generations_and_agree_with_the_model() {
    for ddl in [SPACES, BEFORE_SPACES] {
        for site in [Site::Build, Site::Production] {
            let folder = tempfile::tempdir().unwrap();
            let (mut server, key, counts) = filled(folder.path(), ddl, site);
            assert!(counts.documents > 140 && counts.secrets > 50, "{counts:?}");
            let (references, secrets, rules) = agrees(&mut server, &key);
            assert!(references > 400 && secrets > 50 && rules.len() > 40, "{references} {secrets} {rules:?}");
        }
    }
}

#[test]
fn a_server_with_documents_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, key, _) = filled(folder.path(), SPACES, Site::Build);
    let again = build(&mut server, Site::Build, &key, &DemoOptions::default());
    assert!(matches!(again, Err(DemoError::NotEmpty(_))));
}

#[test]
fn equal_seeds_give_equal_rows_but_for_the_secrets() {
    let model = Model::octopus().unwrap();
    let texts: Vec<Vec<String>> = (0..2)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            let (mut server, _, _) = filled(folder.path(), SPACES, Site::Build);
            let mut reader = server.read().unwrap();
            let mut all = read(reader.as_mut(), &model);
            all.iter_mut()
                .map(|d| {
                    let kind = &model.kinds()[d.kind];
                    kind.walk(&mut d.columns, d.body.as_mut(), Direction::Up, &mut |rule, _, value| {
                        if matches!(rule, Rule::Secret(_)) {
                            *value = Value::Null;
                        }
                        Keep::Yes
                    });
                    let columns: Vec<_> = d.columns.iter().filter(|(n, _)| *n != "DataVersion").collect();
                    format!("{} {columns:?} {:?}", d.id, d.body)
                })
                .collect()
        })
        .collect();
    assert_eq!(texts[0], texts[1]);
}

/// A server across a network: it takes rows when it is asked to check them, and shows none before.
struct Later(SqliteServer);

struct Collecting<'a> {
    inner: Box<dyn Transaction + 'a>,
    kept: Vec<(String, Vec<String>, Row)>,
}

impl Server for Later {
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError> {
        self.0.read()
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError> {
        Ok(Box::new(Collecting { inner: self.0.begin()?, kept: Vec::new() }))
    }
}

impl Reader for Collecting<'_> {
    fn address(&self) -> &str {
        self.inner.address()
    }

    fn catalog(&self) -> &Catalog {
        self.inner.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        self.inner.page(page)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        self.inner.lookup_some(lookup, max_bytes, see)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.inner.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.inner.max_int(table, column)
    }

    fn rows_read(&self) -> u64 {
        self.inner.rows_read()
    }
}

impl Transaction for Collecting<'_> {
    fn reader(&mut self) -> &mut dyn Reader {
        self
    }

    fn insert(&mut self, table: &str, columns: &[&str], rows: &[Row]) -> Result<(), WriteError> {
        let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        self.kept.extend(rows.iter().map(|row| (table.to_owned(), columns.clone(), row.clone())));
        Ok(())
    }

    fn update(
        &mut self,
        table: &str,
        _: &[&str],
        _: &[Value],
        _: &[&str],
        _: &Row,
    ) -> Result<(), WriteError> {
        panic!("{table} is updated")
    }

    fn delete(&mut self, _: &str, _: &[&str], _: &[Value]) -> Result<(), WriteError> {
        Ok(())
    }

    fn delete_all(&mut self, _: &str, _: &[&str], _: &[Vec<Value>]) -> Result<(), WriteError> {
        Ok(())
    }

    fn check(&mut self) -> Result<(), WriteError> {
        for (table, columns, row) in std::mem::take(&mut self.kept) {
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            self.inner.insert(&table, &columns, &[row])?;
        }
        self.inner.check()
    }

    fn commit(mut self: Box<Self>) -> Result<(), WriteError> {
        self.check()?;
        self.inner.commit()
    }

    fn rollback(self: Box<Self>) -> Result<(), ServerError> {
        self.inner.rollback()
    }
}

#[test]
fn a_server_that_takes_its_rows_late_is_filled_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let (mut at_once, key, counts) = filled(folder.path(), SPACES, Site::Build);
    let server = SqliteServer::create(&folder.path().join("late"), Schema::Ddl(SPACES)).unwrap();
    let mut late = Later(server);
    assert_eq!(build(&mut late, Site::Build, &key, &DemoOptions::default()).unwrap(), counts);
    let model = Model::octopus().unwrap();
    let ids = |reader: &mut dyn Reader| -> Vec<(usize, String)> {
        read(reader, &model).into_iter().map(|found| (found.kind, found.id)).collect()
    };
    assert_eq!(ids(&mut *late.read().unwrap()), ids(&mut *at_once.read().unwrap()));
}

#[test]
fn a_row_that_is_refused_late_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = format!(
        "{SPACES}; INSERT INTO Lifecycle (Id, Name, SpaceId, JSON) VALUES ('Lifecycles-2', 'x', '', '');"
    );
    let server = SqliteServer::create(&folder.path().join("late"), Schema::Ddl(&taken)).unwrap();
    let key = MasterKey::generate(MasterKeySize::Bits256).unwrap();
    let error = build(&mut Later(server), Site::Build, &key, &DemoOptions::default()).unwrap_err();
    assert!(
        matches!(&error, DemoError::Row { table, what, .. } if table == "Lifecycle" && what == "Lifecycles-2"),
        "{error}"
    );
}
