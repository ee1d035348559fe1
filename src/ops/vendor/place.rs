//! The documents of an export folder, put into tables.

use std::collections::HashSet;

use crate::crypto::{DecryptError, MasterKey};
use crate::document::{Collation, Map, Place, Value, json};
use crate::model::{Composed, Direction, Keep, Kind, Model, NewId, Rule, SecretForm, VendorType};
use crate::progress::Progress;
use crate::server::{ColumnType, Lookup, Row, ServerError, Table, Transaction, WriteError};
use crate::vendor::{Entry, ExportFolder, Finding, Findings, Metadata, VendorDocument};

use super::gather::script_name;
use super::report::VendorReadError;
use super::shape::Shapes;

/// Which file each document came from.
pub(super) const FILES: &str = "CREATE TABLE [File] (
  [Kind] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [Id] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [Path] nvarchar(-1) NOT NULL,
  PRIMARY KEY ([Kind], [Id])
);";

/// The property that holds an inline script, and the one that is beside it.
const SCRIPT: &str = "Octopus.Action.Script.ScriptBody";
const SYNTAX: &str = "Octopus.Action.Script.Syntax";

pub(super) struct Job<'a> {
    pub model: &'a Model,
    pub shapes: &'a Shapes,
    pub key: Option<&'a MasterKey>,
    pub scripts: &'a HashSet<String>,
    pub rows: Box<dyn Transaction + 'a>,
    pub files: Box<dyn Transaction + 'a>,
    pub findings: Findings,
    pub documents: u64,
}

/// A document as a row: its columns, and its JSON.
struct Placed {
    columns: Map,
    body: Option<Value>,
}

impl Job<'_> {
    /// Records the product's version where the model looks for it.
    pub fn version(&mut self, metadata: &Metadata) -> Result<(), ServerError> {
        let (Some(rule), Some(version)) = (&self.model.version, &metadata.version) else { return Ok(()) };
        let Some(table) = self.shapes.catalog.table(&rule.table) else { return Ok(()) };
        let mut columns = vec![rule.column.as_str(), rule.newest_by.as_str()];
        let created = metadata.created.clone().unwrap_or_default();
        let mut row = vec![Value::Text(version.clone()), Value::Text(created)];
        for column in &table.columns {
            let named = columns.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
            if table.primary_key.contains(&column.name) && !named {
                columns.push(&column.name);
                row.push(if column.kind == ColumnType::Int { Value::Int(1) } else { Value::from("1") });
            }
        }
        self.rows.insert(&table.name, &columns, &[row]).map_err(|error| error.source)
    }

    /// Reads every document of the folder.
    pub fn read(&mut self, export: &ExportFolder, progress: &dyn Progress) -> Result<(), VendorReadError> {
        export.each(&mut |entry| -> Result<(), VendorReadError> {
            progress.check()?;
            let Entry::Document(document) = entry else { return Ok(()) };
            let Some(VendorType::Kind(kind)) = self.model.vendor_type(&document.class) else { return Ok(()) };
            progress.advance(1, 0);
            self.place(kind, document)
        })
    }

    fn found(&mut self, file: &str, place: Option<String>, problem: impl Into<String>) {
        self.findings.add(Finding { file: file.to_owned(), place, problem: problem.into() });
    }

    fn place(&mut self, kind: &Kind, document: VendorDocument) -> Result<(), VendorReadError> {
        let VendorDocument { file, members, .. } = document;
        let Some(table) = self.shapes.table(kind) else {
            let problem = format!("is of the table {}, whose columns are not known", kind.table);
            self.found(&file, None, problem);
            return Ok(());
        };
        let id = match identity(kind, table, &members) {
            Ok(id) => id,
            Err(column) => {
                self.found(&file, None, format!("has no {column}"));
                return Ok(());
            }
        };
        if !self.file(&table.name, &id, &file)? {
            return Ok(());
        }
        let Some(mut placed) = self.columns(kind, table, &file, members) else { return Ok(()) };
        let kinds: Vec<&Kind> = self.model.kinds().iter().filter(|k| k.table == kind.table).collect();
        if let Err(column) = decide(self.model, &kinds, &id, &mut placed.columns) {
            let problem = format!("has no {column}, which says what kind of document it is");
            self.found(&file, None, problem);
        }
        self.scripts_are_there(&file, placed.body.as_ref());
        let passes = |kind: &&&Kind| {
            kind.rows.iter().all(|row| placed.columns.get(&row.column).is_none_or(|v| row.equals.contains(v)))
        };
        if let Some(kind) = kinds.iter().find(passes).copied() {
            self.secrets(kind, &file, &mut placed);
        }
        self.insert(kind, table, &file, placed)
    }

    /// Remembers which file a document came from; `false`, with a finding, where another file had it.
    fn file(&mut self, table: &str, id: &str, file: &str) -> Result<bool, ServerError> {
        let row: Row = vec![Value::from(table), Value::from(id), Value::from(file)];
        let key = vec![row.iter().take(2).cloned().collect()];
        match self.files.insert("File", &["Kind", "Id", "Path"], &[row]) {
            Ok(()) => return Ok(true),
            Err(WriteError { source: ServerError::Constraint { .. }, .. }) => {}
            Err(error) => return Err(error.source),
        }
        let mut other = None;
        let lookup = Lookup { table: "File", columns: &["Path"], by: &["Kind", "Id"], keys: &key };
        self.files.lookup(&lookup, &mut |_, row| other = row.into_iter().next())?;
        let other = other.as_ref().and_then(Value::as_text).unwrap_or_default();
        let shown: String = id.chars().take(100).collect();
        self.found(file, None, format!("has the id {shown:?}, which {other} has too"));
        Ok(false)
    }

    /// Parts the members of a document into those of columns and those of JSON.
    fn columns(&mut self, kind: &Kind, table: &Table, file: &str, mut members: Map) -> Option<Placed> {
        let mut pairs = Vec::with_capacity(table.columns.len());
        let mut whole = true;
        for column in &table.columns {
            if kind.body.as_deref().is_some_and(|body| column.name.eq_ignore_ascii_case(body))
                || self.model.blob.as_deref().is_some_and(|blob| column.name.eq_ignore_ascii_case(blob))
            {
                continue;
            }
            let name = match members.get(&column.name) {
                Some(_) => Some(column.name.clone()),
                None => {
                    let like = members.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
                    like.map(|(name, _)| name.to_owned())
                }
            };
            let value = name.and_then(|name| members.remove(&name)).unwrap_or_default();
            if value.is_null() {
                if self.shapes.is_required(&table.name, &column.name) {
                    whole = false;
                    self.found(file, None, format!("has no {}, which is part of what names it", column.name));
                }
                continue;
            }
            if column.kind == ColumnType::RowVersion {
                continue;
            }
            match column_value(column.kind, value) {
                Ok(value) => pairs.push((column.name.clone(), value)),
                Err(problem) => {
                    whole = false;
                    self.found(file, Some(column.name.clone()), problem);
                }
            }
        }
        if kind.body.is_none() && !members.is_empty() {
            whole = false;
            self.found(file, None, format!("has members that {} has no column for", table.name));
        }
        let body = kind.body.is_some().then_some(Value::Map(members));
        whole.then(|| Placed { columns: Map::from_pairs(pairs).unwrap_or_default(), body })
    }

    /// Tries every secret of a document with the key.
    fn secrets(&mut self, kind: &Kind, file: &str, placed: &mut Placed) {
        let Some(key) = self.key else { return };
        let mut failed: Vec<(Place, &'static str)> = Vec::new();
        kind.walk(&mut placed.columns, placed.body.as_mut(), Direction::Up, &mut |rule, place, value| {
            let Rule::Secret(index) = rule else { return Keep::Yes };
            let encrypted = kind.secrets.get(index).is_some_and(|rule| rule.form == SecretForm::Encrypted);
            match &*value {
                Value::Text(text) if encrypted && !text.is_empty() => match key.decrypt(text) {
                    Ok(_) => {}
                    Err(DecryptError::NotCipherText(reason)) => failed.push((place.clone(), reason)),
                    Err(DecryptError::DoesNotDecrypt) => {
                        failed.push((place.clone(), "it does not decrypt under the folder's password"));
                    }
                },
                _ => {}
            }
            Keep::Yes
        });
        for (place, reason) in failed {
            self.found(file, Some(place.to_string()), format!("the secret is damaged: {reason}"));
        }
    }

    /// Notices scripts that the migrator was told to take out of the JSON: their files do not say which action
    /// of several they belong to.
    fn scripts_are_there(&mut self, file: &str, body: Option<&Value>) {
        if self.scripts.is_empty() {
            return;
        }
        for (step, value) in list(body, "Steps").iter().enumerate() {
            for (action, value) in list(Some(value), "Actions").iter().enumerate() {
                let Value::Map(map) = value else { continue };
                let Some(Value::Map(properties)) = map.get("Properties") else { continue };
                let name = map.get("Name").and_then(Value::as_text).map(script_name).unwrap_or_default();
                let gone = properties.get(SYNTAX).is_some() && properties.get(SCRIPT).is_none();
                if gone && self.scripts.contains(&name) {
                    let place = format!("$.Steps[{step}].Actions[{action}]");
                    let problem = "its script was taken out of the JSON into a file (--inline-scripts=ExtractToFiles): \
                                   export again with CopyToFiles or LeaveInline";
                    self.found(file, Some(place), problem);
                }
            }
        }
    }

    fn insert(
        &mut self,
        kind: &Kind,
        table: &Table,
        file: &str,
        placed: Placed,
    ) -> Result<(), VendorReadError> {
        let Placed { columns, body } = placed;
        let mut names: Vec<&str> = columns.iter().map(|(name, _)| name).collect();
        let mut row: Row = columns.iter().map(|(_, value)| value.clone()).collect();
        if let (Some(body), Some(column)) = (body, kind.body.as_deref().and_then(|name| table.column(name))) {
            names.push(&column.name);
            row.push(Value::Text(json::write(&body)));
        }
        match self.rows.insert(&table.name, &names, &[row]) {
            Ok(()) => {
                self.documents += 1;
                Ok(())
            }
            Err(WriteError {
                source: error @ (ServerError::Constraint { .. } | ServerError::Value { .. }),
                ..
            }) => {
                self.found(file, None, error.to_string());
                Ok(())
            }
            Err(error) => Err(error.source.into()),
        }
    }
}

/// What names a document in its table: its id, or the columns that the table is keyed by.
///
/// # Errors
/// The column that the file does not name.
fn identity<'t>(kind: &'t Kind, table: &'t Table, members: &Map) -> Result<String, &'t str> {
    let columns = match &kind.id {
        Some(id) => std::slice::from_ref(&id.column),
        None => &table.primary_key,
    };
    let text = |column: &'t String| members.get(column).and_then(id_text).ok_or(column.as_str());
    Ok(columns.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// The list that is a member of an object; nothing where there is none.
fn list<'v>(value: Option<&'v Value>, name: &str) -> &'v [Value] {
    match value {
        Some(Value::Map(map)) => match map.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        },
        _ => &[],
    }
}

/// The value of a member as its column keeps it.
fn column_value(kind: ColumnType, value: Value) -> Result<Value, String> {
    let wrong = |what: &str, value: &Value| Err(format!("must be {what}, and is {}", value.type_name()));
    Ok(match (kind, value) {
        (_, Value::Null) => Value::Null,
        (ColumnType::Bit, value @ Value::Bool(_)) => value,
        (ColumnType::Bit, value) => return wrong("true or false", &value),
        (ColumnType::Int, value @ Value::Int(_)) => value,
        (ColumnType::Int, value) => return wrong("an integer", &value),
        (ColumnType::Decimal | ColumnType::Float, value @ (Value::Int(_) | Value::Number(_))) => value,
        (ColumnType::Decimal | ColumnType::Float, value) => return wrong("a number", &value),
        (ColumnType::Text, value @ Value::Text(_)) => value,
        (ColumnType::Text, Value::List(list)) => set(&list)?,
        (_, value) => return wrong("text or a list of texts", &value),
    })
}

/// A set as tables keep it: `|A|B|`.
fn set(list: &[Value]) -> Result<Value, String> {
    let mut text = String::from("|");
    for value in list {
        match value {
            Value::Text(piece) if !piece.contains('|') => {
                text.push_str(piece);
                text.push('|');
            }
            Value::Text(_) => {
                return Err("a text of the list holds a bar, and sets are kept between bars".to_owned());
            }
            other => return Err(format!("must be a list of texts, and holds {}", other.type_name())),
        }
    }
    // An empty set is two bars.
    if list.is_empty() {
        text.push('|');
    }
    Ok(Value::Text(text))
}

/// Fills in the columns that say which kind of its table a document is, where the file does not name them: by
/// the form of its id, and by its owner, as what belongs to history is history.
///
/// # Errors
/// The column that neither the file nor the id tells.
fn decide<'k>(model: &Model, kinds: &[&'k Kind], id: &str, columns: &mut Map) -> Result<(), &'k str> {
    let missing = |columns: &Map, column: &str| columns.get(column).is_none_or(Value::is_null);
    let Some(untold) = kinds.iter().flat_map(|kind| &kind.rows).find(|row| missing(columns, &row.column))
    else {
        return Ok(());
    };
    let fits: Vec<&Kind> =
        kinds.iter().copied().filter(|kind| id_fits(kind, id, columns, model.collation)).collect();
    let of_owner = fits.iter().find(|kind| {
        let groups = owner_groups(model, kind, columns);
        kind.groups.iter().any(|group| groups.contains(group))
    });
    let Some(kind) = of_owner.or_else(|| fits.first()) else { return Err(&untold.column) };
    for row in &kind.rows {
        if missing(columns, &row.column)
            && let Some(value) = row.equals.first()
        {
            columns.insert(row.column.clone(), value.clone());
        }
    }
    Ok(())
}

fn composed(kind: &Kind) -> Option<&Composed> {
    match &kind.id.as_ref()?.new {
        NewId::Compose(composed) => Some(composed),
        _ => None,
    }
}

/// Says whether an id is one that documents of a kind have.
fn id_fits(kind: &Kind, id: &str, columns: &Map, collation: Collation) -> bool {
    let Some(composed) = composed(kind) else { return false };
    let Some(owner) = columns.get(&composed.column).and_then(Value::as_text) else { return false };
    let rest = collation.strip_prefix(id, &composed.id(owner, ""));
    rest.is_some_and(|rest| composed.open || rest.is_empty())
}

/// The groups of the kind that a document's owner is of, as far as its id tells.
fn owner_groups<'m>(model: &'m Model, kind: &Kind, columns: &Map) -> &'m [String] {
    let Some(composed) = composed(kind) else { return &[] };
    let key = kind.key.iter().find(|key| key.column == composed.column);
    let rule = key.and_then(|key| key.reference).and_then(|rule| kind.references.get(rule));
    let (Some(rule), Some(owner)) = (rule, columns.get(&composed.column).and_then(Value::as_text)) else {
        return &[];
    };
    match model.likely(&rule.to, owner).as_ref() {
        [owner] => model.kind_at(owner.kind()).map_or(&[], |kind| &kind.groups),
        _ => &[],
    }
}

/// The id of a document as text, where it has one that can be an id.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}
