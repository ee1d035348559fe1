//! From rows to documents in portable form.

use std::collections::BTreeSet;

use crate::crypto::is_encrypted_form;
use crate::document::{Collation, Document, Map, Place, Reference, SecretId, Step, Value};
use crate::model::{Cipher, Direction, Form, Keep, ReferenceRule, Rule, SetRule, Target, sorted_set};
use crate::server::{ColumnType, Reader, Row};

use super::Faults;
use super::body::Stored;
use super::error::{Failure, TranslateError};
use super::id::Id;
use super::layout::{Layout, Layouts};
use super::meant::{Home, MeantPlace, Sense, meant_place};
use super::names::Names;
use super::types::{Answers, Declared, Question, questions};
use super::vault::{ServerSecrets, Vault};

/// No product's ids are longer (Octopus: 250 characters, four bytes each at the most); text that is needs no
/// look-up to be known as text.
const MAX_ID_BYTES: usize = 1000;

/// A document in portable form, and what belongs to it beside its content.
#[derive(Debug, Clone)]
pub struct Portable {
    /// The document.
    pub document: Document,
    /// The server's id; `Null` where the kind has none.
    pub id: Value,
    /// What names the row on its server ([`Layout::row_id`]).
    pub row: Id,
    /// References that named nothing on the server.
    pub dangling: Vec<(Place, Value)>,
    /// Where secrets stand that no rule of the kind names.
    pub undeclared: Vec<Place>,
    /// The row as it was read, for what a document leaves out: encrypted texts, part ids, local values.
    pub raw: Raw,
}

/// A row as it was read.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// The encrypted texts of its secrets, by place.
    pub ciphers: Vec<(Place, SecretId, String)>,
    /// The ids of its parts: rule, position in the rule's list, id.
    pub part_ids: Vec<(usize, usize, Value)>,
    /// Its local values: rule, place, value.
    pub local: Vec<(usize, Place, Value)>,
    /// How its JSON was kept; `None` where it has none.
    pub stored: Option<Stored>,
}

impl Raw {
    /// Takes over what another reading of the row has otherwise, though its document says the same.
    pub fn take_local(&mut self, now: &Raw) {
        self.local.clone_from(&now.local);
        self.part_ids.clone_from(&now.part_ids);
        self.stored = now.stored;
        for (place, _, text) in &mut self.ciphers {
            if let Some((_, _, other)) = now.ciphers.iter().find(|(there, ..)| there == place) {
                text.clone_from(other);
            }
        }
    }
}

/// A reference of a row that leads to a document of the server.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The position of the reference's rule in its kind.
    pub rule: usize,
    /// Where the reference stands.
    pub place: Place,
    /// The kind it leads to, by its position in the model.
    pub kind: usize,
    /// The id of the document; of the owner, for a reference to a part.
    pub id: Id,
}

/// Reads rows of one server as documents.
#[derive(Debug)]
pub struct Translation<'m> {
    /// How the kinds lie in the server's tables.
    pub layouts: Layouts<'m>,
    pub(super) names: Names,
    declared: Declared,
    pub(super) secrets_read: usize,
    /// The first secret that did not decrypt, and how many did not, before any did: the key's fault, or their own.
    pub(super) open: Option<(Failure, usize)>,
    /// Whether everything is read although no secret of the first few decrypts.
    pub(super) reads_on: bool,
}

/// Is shown an id: by the position of its rule, its place, what it may lead to, and itself.
type SeeId<'a> = dyn FnMut(usize, &Place, &[Target], Id) + 'a;

struct Parsed {
    id: Value,
    row: Id,
    columns: Map,
    body: Option<Value>,
    stored: Option<Stored>,
    local: Vec<(usize, Place, Value)>,
    /// The part of the key that the server made up in the id.
    made_up: Option<Value>,
    /// What the values lead to whose types other documents declare.
    typed: Answers,
}

impl<'m> Translation<'m> {
    /// Prepares to read a server whose tables are laid out so.
    pub fn new(layouts: Layouts<'m>) -> Self {
        Self {
            layouts,
            names: Names::default(),
            declared: Declared::default(),
            secrets_read: 0,
            open: None,
            reads_on: false,
        }
    }

    /// Prepares to read a few documents of a server that may hold many: documents that share their key columns
    /// are numbered as they are met, by look-ups, and not with all of their kind.
    pub fn of_some(layouts: Layouts<'m>) -> Self {
        let mut translation = Self::new(layouts);
        translation.names.by_lookup = true;
        translation
    }

    /// Prepares to leave out what cannot be read, however much of it comes first. Faults are then kept one by one up to
    /// a larger number.
    pub fn leaving_out(mut self) -> Self {
        self.reads_on = true;
        self.names.faults.keep_many();
        self
    }

    /// Makes room before a batch of work.
    fn trim(&mut self) {
        self.names.trim();
        self.declared.trim();
    }

    /// Finds out what the values lead to whose types other documents declare.
    fn ask(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: &mut [Parsed],
    ) -> Result<(), TranslateError> {
        let mut asked: Vec<Vec<Question>> =
            rows.iter_mut().map(|row| questions(layout, &mut row.columns, row.body.as_mut())).collect();
        self.declared.learn(reader, &self.layouts, asked.iter().flatten(), &mut self.names.faults)?;
        for (row, asked) in rows.iter_mut().zip(&mut asked) {
            row.typed = self.declared.answers(std::mem::take(asked));
        }
        Ok(())
    }

    /// Reads rows, selected by [`Layout::select`], as documents. Rows that are no documents of the kind
    /// (its row conditions do not hold) are left out, and so are those that cannot be read: they are among the
    /// faults.
    ///
    /// # Errors
    /// [`TranslateError`], for what is not the fault of one row.
    pub fn read(
        &mut self,
        reader: &mut dyn Reader,
        kind: usize,
        rows: Vec<Row>,
        secrets: ServerSecrets<'_>,
        vault: &mut Vault,
    ) -> Result<Vec<Portable>, TranslateError> {
        self.trim();
        let Some(layout) = self.layouts.at(kind).cloned() else { return Ok(Vec::new()) };
        let mut parsed = Vec::with_capacity(rows.len());
        for row in rows {
            parsed.extend(self.names.faults.pass(parse_row(&layout, row))?);
        }
        self.ask(reader, &layout, &mut parsed)?;
        let (mut wanted, mut meant) = (BTreeSet::new(), Vec::new());
        for row in &mut parsed {
            let home = Home::of(self.layouts.model, &layout, &row.columns);
            self.gather(&layout, row, &mut |_, _, targets, id| {
                let unknown = targets.iter().filter(|target| !self.names.knows(**target, &id));
                wanted.extend(unknown.map(|target| (*target, id.clone())));
                if let Some(place) = meant_place(&self.layouts, targets, &id) {
                    meant.push((place, targets.to_vec(), id, home.clone()));
                }
            });
        }
        self.learn_meant(reader, meant, &mut wanted)?;
        self.names.learn(reader, &self.layouts, wanted)?;
        if layout.kind.duplicates == crate::model::Duplicates::Number {
            let keyed = parsed.iter().map(|row| (row.row.clone(), raw_key(&layout, row))).collect::<Vec<_>>();
            self.names.number(reader, &layout, &keyed)?;
        }
        let mut read = Vec::with_capacity(parsed.len());
        for row in parsed {
            let portable = self.convert(&layout, row, secrets, vault);
            read.extend(self.names.faults.pass(portable)?);
        }
        Ok(read)
    }

    /// Looks up what ids mean, to be asked with [`Translation::name`].
    ///
    /// # Errors
    /// [`TranslateError`], when the server fails or a key cannot be read.
    pub fn learn(
        &mut self,
        reader: &mut dyn Reader,
        wanted: BTreeSet<(Target, Id)>,
    ) -> Result<(), TranslateError> {
        self.names.learn(reader, &self.layouts, wanted)
    }

    /// Records which of the documents that share their key columns an id belongs to, where a search found it.
    pub fn know_ordinal(&mut self, layout: &Layout<'_>, id: &Id, ordinal: i64) {
        self.names.know_ordinal(layout, id, ordinal);
    }

    /// What an id means, if it was learnt and names something.
    pub fn name(&self, targets: &[Target], id: &Id) -> Option<Reference> {
        self.names.get(&self.layouts, targets, id)
    }

    /// Finds the references of rows, as ids: for each row (in order, rows that are no documents or cannot be
    /// read with none) those that lead to a document of the server.
    ///
    /// # Errors
    /// [`TranslateError`], for what is not the fault of one row.
    pub fn follow(
        &mut self,
        reader: &mut dyn Reader,
        kind: usize,
        rows: Vec<Row>,
    ) -> Result<Vec<Vec<Followed>>, TranslateError> {
        self.trim();
        let Some(layout) = self.layouts.at(kind).cloned() else { return Ok(Vec::new()) };
        let mut parsed = Vec::with_capacity(rows.len());
        let mut found = vec![Vec::new(); rows.len()];
        let mut positions = Vec::with_capacity(rows.len());
        for (position, row) in rows.into_iter().enumerate() {
            if let Some(row) = self.names.faults.pass(parse_row(&layout, row))? {
                parsed.push(row);
                positions.push(position);
            }
        }
        self.ask(reader, &layout, &mut parsed)?;
        let (mut wanted, mut meant) = (BTreeSet::new(), Vec::new());
        for (row, position) in parsed.iter_mut().zip(positions) {
            let Some(ids) = found.get_mut(position) else { continue };
            let home = Home::of(self.layouts.model, &layout, &row.columns);
            self.gather(&layout, row, &mut |rule, place, targets, id| {
                wanted.extend(targets.iter().map(|target| (*target, id.clone())));
                if let Some(place) = meant_place(&self.layouts, targets, &id) {
                    meant.push((place, targets.to_vec(), id.clone(), home.clone()));
                }
                let found = layout
                    .kind
                    .references
                    .get(rule)
                    .map_or_else(|| place.clone(), |rule| rule.place_of(place));
                ids.push((rule, found, targets.to_vec(), id, home.clone()));
            });
        }
        drop(parsed);
        self.learn_meant(reader, meant, &mut wanted)?;
        self.names.learn(reader, &self.layouts, wanted)?;
        type Lead<'m> = (usize, Place, Vec<Target>, Id, Home<'m>);
        let lead = |(rule, place, targets, id, home): Lead<'m>| {
            let (targets, id) = match self.names.meant.sense(&self.layouts, &targets, &id, &home) {
                Sense::Itself => (targets, id),
                Sense::Row(kind, id) => (vec![Target::Kind(kind)], id),
                Sense::NoRow(_) => return None,
            };
            let target = targets.iter().find(|t| self.name(&[**t], &id).is_some())?;
            let id = match target {
                Target::Kind(_) => id,
                Target::Part { kind, part } => super::names::owner_of(&self.layouts, *kind, *part, &id)?,
            };
            // As its row spells it: the same document is met under one id.
            let id = self.names.own(target.kind(), id);
            Some(Followed { rule, place, kind: target.kind(), id })
        };
        Ok(found.into_iter().map(|ids| ids.into_iter().filter_map(lead).collect()).collect())
    }

    /// Looks up the rows of documents that ids mean wherever they stand, and adds them to what is to be learnt.
    fn learn_meant(
        &mut self,
        reader: &mut dyn Reader,
        meant: Vec<(MeantPlace, Vec<Target>, Id, Home<'_>)>,
        wanted: &mut BTreeSet<(Target, Id)>,
    ) -> Result<(), TranslateError> {
        for (place, targets, id, home) in meant {
            self.names.meant.learn(reader, &self.layouts, place)?;
            if let Sense::Row(kind, id) = self.names.meant.sense(&self.layouts, &targets, &id, &home) {
                wanted.insert((Target::Kind(kind), id));
            }
        }
        Ok(())
    }

    /// Takes a document among those that cannot be read.
    ///
    /// # Errors
    /// The error itself, where it is not about one row.
    pub fn keep_fault(&mut self, error: TranslateError) -> Result<(), TranslateError> {
        self.names.faults.keep(error)
    }

    /// Says whether there are rows that could not be read, of which nobody has asked yet.
    pub fn has_faults(&self) -> bool {
        !self.names.faults.is_empty()
    }

    /// Hands out the rows that could not be read, since they were last asked for.
    pub fn take_faults(&mut self) -> Faults {
        std::mem::take(&mut self.names.faults)
    }

    /// Says whether every secret was read, and hands out the rows that could not be; call when all rows are.
    ///
    /// # Errors
    /// [`TranslateError::WrongMasterKey`], when some secrets and none of them decrypted.
    pub fn finish(&mut self) -> Result<Faults, TranslateError> {
        match self.open.take() {
            Some((failure, _)) => Err(failure.wrong_key()),
            None => Ok(self.take_faults()),
        }
    }

    /// Shows all ids that the reference rules of a kind find in a row. The row is only looked at.
    fn gather(&self, layout: &Layout<'_>, row: &mut Parsed, see: &mut SeeId<'_>) {
        let model = self.layouts.model;
        let typed = &row.typed;
        let (columns, body) = (&mut row.columns, row.body.as_mut());
        layout.kind.walk_references(columns, body, Direction::Up, &mut |rule, place, value| {
            let Rule::Reference(index) = rule else { return Keep::Yes };
            let Some(rule) = layout.kind.references.get(index) else { return Keep::Yes };
            let targets = targets(rule, typed, place);
            if targets.is_empty() {
                return Keep::Yes;
            }
            let mut text = |id: &str| {
                if !model.is_verbatim(id) && id.len() <= MAX_ID_BYTES {
                    see(index, place, model.likely(targets, id).as_ref(), Id::Text(id.to_owned()));
                }
            };
            match (rule.form, &*value) {
                (Form::Id, Value::Text(id)) => text(id),
                (Form::Id, Value::Int(id)) => see(index, place, targets, Id::Int(*id)),
                (Form::Pipe, Value::Text(list)) => pieces(list, '|').for_each(text),
                (Form::Comma, Value::Text(list)) if !model.is_verbatim(list) => {
                    pieces(list, ',').for_each(text);
                }
                (Form::Keys, Value::Map(map)) => map.iter().for_each(|(id, _)| text(id)),
                _ => {}
            }
            Keep::Yes
        });
    }

    fn convert(
        &mut self,
        layout: &Layout<'m>,
        row: Parsed,
        secrets: ServerSecrets<'_>,
        vault: &mut Vault,
    ) -> Result<Option<Portable>, TranslateError> {
        let Parsed { id, row, mut columns, mut body, stored, local, made_up, typed } = row;
        let mut raw = Raw { local, stored, ..Raw::default() };
        let mut loose = Vec::new();
        let (mut failed, mut whole) = (None, true);
        let shown = shown_id(layout, &id, &columns);
        let collation = self.layouts.model.collation;
        let home = Home::of(self.layouts.model, layout, &columns);
        layout.kind.walk(&mut columns, body.as_mut(), Direction::Up, &mut |rule, place, value| match rule {
            Rule::Reference(index) => {
                if let Some(rule) = layout.kind.references.get(index) {
                    self.refer(rule, targets(rule, &typed, place), place, value, &home, &mut loose);
                }
                Keep::Yes
            }
            Rule::Secret(index) => {
                let form = layout.kind.secrets.get(index).map(|s| s.form);
                let read = self.secret(layout, &shown, form, place, value, secrets, vault, &mut raw);
                if let Err(error) = read.or_else(|error| {
                    whole = false;
                    self.names.faults.keep(error)
                }) {
                    failed.get_or_insert(error);
                }
                Keep::Yes
            }
            Rule::PartId(index) => {
                let position = place.steps().iter().rev().find_map(|step| match step {
                    Step::Index(position) => Some(*position),
                    Step::Member(_) => None,
                });
                raw.part_ids.push((index, position.unwrap_or(0), std::mem::take(value)));
                Keep::No
            }
            Rule::Local(index) => {
                raw.local.push((index, place.clone(), std::mem::take(value)));
                Keep::No
            }
            Rule::Set(index) => match layout.kind.sets.get(index) {
                Some(rule) => read_set(rule, place, value, collation),
                None => Keep::Yes,
            },
            Rule::Derived(_) => Keep::No,
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if !whole {
            return Ok(None);
        }
        let mut parts = key_parts(layout, &columns, made_up);
        parts.extend(apart(layout, &columns, body.as_ref()));
        let own = Id::of(&id);
        let key = self.names.finish_key(layout, own.as_ref().unwrap_or(&Id::Int(0)), parts)?;
        if let Some(own) = &own {
            self.names.know_read(layout, own, &key);
        }
        let mut document = Document { kind: layout.kind.name.clone(), key, columns, body };
        let undeclared = self.undeclared_secrets(layout, &shown, &mut document, secrets, vault, &mut raw)?;
        if !undeclared.is_empty() {
            // In a set a marker sorts otherwise than its text.
            layout.kind.sort_sets(&mut document, collation);
        }
        Ok(Some(Portable { document, id, row, dangling: loose, undeclared, raw }))
    }

    fn refer(
        &self,
        rule: &ReferenceRule,
        targets: &[Target],
        place: &Place,
        value: &mut Value,
        home: &Home<'_>,
        loose: &mut Vec<(Place, Value)>,
    ) {
        let model = self.layouts.model;
        if targets.is_empty() {
            return;
        }
        let mut name = |id: Value| -> Value {
            let named = self.names.value(&self.layouts, rule, targets, id, home);
            if matches!(named, Value::Dangling(_)) {
                loose.push((rule.place_of(place), named.clone()));
            }
            named
        };
        match (rule.form, std::mem::take(value)) {
            // No id looks so; it is looked at with the secrets that no rule names.
            (Form::Id, Value::Text(text)) if model.cipher != Cipher::None && is_encrypted_form(&text) => {
                *value = Value::Text(text);
            }
            (Form::Id, id) => *value = name(id),
            (Form::Pipe, Value::Text(text)) => {
                // A set: its order is the order of ids on this server, and means nothing.
                let list = pieces(&text, '|').map(|id| name(Value::from(id))).collect();
                *value = Value::List(sorted_set(list, model.collation));
            }
            (Form::Pipe, Value::Null) => *value = Value::List(Vec::new()),
            (Form::Comma, Value::Text(text)) if !model.is_verbatim(&text) => {
                let list: Vec<Value> = pieces(&text, ',').map(|id| name(Value::from(id))).collect();
                // No id is empty text, as it is written.
                *value = if list.is_empty() { Value::Text(String::new()) } else { Value::List(list) };
            }
            (Form::Keys, Value::Map(map)) => {
                let pairs = map.into_iter();
                let pairs =
                    pairs.map(|(id, value)| Value::List(vec![name(Value::Text(id)), value])).collect();
                *value = Value::List(sorted_set(pairs, model.collation));
            }
            (_, other) => *value = other,
        }
    }
}

fn parse_row(layout: &Layout<'_>, row: Row) -> Result<Option<Parsed>, TranslateError> {
    let row_id = layout.row_id(&row);
    let mut values = row.into_iter();
    let id = match &layout.id {
        None => Value::Null,
        Some(_) => values
            .next()
            .filter(|id| Id::of(id).is_some())
            .ok_or_else(|| TranslateError::NoId { kind: layout.kind.name.clone() })?,
    };
    let bodies = layout.body.as_ref().map_or(0, |body| body.columns().count());
    let body: Vec<Value> = values.by_ref().take(bodies).collect();
    let content: Vec<Value> = values.collect();
    let passes = |(position, filter): &(usize, &crate::model::RowFilter)| {
        content.get(*position).is_some_and(|value| filter.equals.contains(value))
    };
    if !layout.filters.iter().all(passes) {
        return Ok(None);
    }
    let mut pairs = Vec::with_capacity(content.len());
    let mut local = Vec::new();
    let mut unread = None;
    for (position, (column, value)) in layout.content.iter().zip(content).enumerate() {
        // A column without a type, which only files have, holds what it is given.
        let is_binary = column.kind == ColumnType::Binary || column.sql_type.is_empty();
        // In a key they are the key's fault.
        if matches!(value, Value::Bytes(_)) && !is_binary && !layout.key.contains(&position) {
            unread.get_or_insert_with(|| column.name.clone());
        }
        if column.carried {
            pairs.push((column.name.clone(), value));
        } else if let Some(rule) =
            layout.kind.local.iter().position(|l| l.at.column.as_deref() == Some(&column.name))
        {
            local.push((rule, Place::column(&column.name), value));
        }
    }
    let columns = Map::from_pairs(pairs).unwrap_or_default();
    if let Some(column) = unread {
        let id = shown_id(layout, &id, &columns);
        return Err(TranslateError::NotText { kind: layout.kind.name.clone(), id, column });
    }
    let made_up = layout.made_up(&row_id, |column| columns.get(column).cloned());
    let shown = shown_id(layout, &id, &columns);
    let read = match &layout.body {
        Some(columns) => columns.read(&layout.kind.name, &shown, body)?,
        None => None,
    };
    let (body, stored) = read.unzip();
    Ok(Some(Parsed { id, row: row_id, columns, body, stored, local, made_up, typed: Answers::new() }))
}

/// Reads a set: a list in JSON, or a column's text `|A|B|`.
fn read_set(rule: &SetRule, place: &Place, value: &mut Value, collation: Collation) -> Keep {
    if rule.at.column.is_some() {
        match value {
            Value::Null => *value = Value::List(Vec::new()),
            Value::Text(text) if is_piped(text) => {
                *value = Value::List(pieces(text, '|').map(Value::from).collect());
            }
            _ => {}
        }
    }
    rule.settle(place, value, collation)
}

/// Says whether text is spelled `|A|B|`, with what servers write for an empty one.
fn is_piped(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('|') && text.ends_with('|')
}

/// What a reference's ids may lead to at one place.
fn targets<'t>(rule: &'t ReferenceRule, typed: &'t Answers, place: &Place) -> &'t [Target] {
    match rule.typed {
        None => &rule.to,
        Some(_) => typed.get(place).map_or(&[], |targets| targets),
    }
}

/// The parts of a document's key, from its columns.
fn key_parts(layout: &Layout<'_>, columns: &Map, made_up: Option<Value>) -> Vec<Value> {
    let parts = layout.key.iter().filter_map(|p| layout.content.get(*p));
    let mut parts: Vec<Value> = parts.map(|c| columns.get(&c.name).cloned().unwrap_or_default()).collect();
    for (mark, at, alias) in &layout.aliases {
        if layout.is_alias(*mark, alias, columns)
            && let Some(part) = parts.get_mut(*at)
        {
            *part = Value::from(alias.name.as_str());
        }
    }
    parts.extend(made_up);
    parts
}

/// The values of a row's key as they were read.
fn raw_key(layout: &Layout<'_>, row: &Parsed) -> Vec<Value> {
    let mut key = key_parts(layout, &row.columns, None);
    key.extend(layout.apart(&row.columns, row.body.as_ref()));
    key
}

/// What tells a document in portable form apart from others of its key.
pub(in crate::ops) fn apart(layout: &Layout<'_>, columns: &Map, body: Option<&Value>) -> Vec<Value> {
    let mut apart: Vec<Value> = Vec::new();
    let mut take = |value: &Value| apart.extend(Some(value.clone()).filter(|value| !value.is_null()));
    for rule in layout.kind.apart.iter().filter_map(|rule| layout.kind.references.get(*rule)) {
        match (rule.at.column.as_deref().map(|column| columns.get(column)), body) {
            (Some(Some(Value::List(list))), _) => list.iter().for_each(&mut take),
            (None, Some(body)) => rule.at.find(body, &mut take),
            _ => {}
        }
    }
    sorted_set(apart, layout.collation())
}

/// What to call a row in a message: its id, or its key columns where it has none.
fn shown_id(layout: &Layout<'_>, id: &Value, columns: &Map) -> String {
    match Id::of(id) {
        Some(id) => id.to_string(),
        None => {
            let parts = layout.key.iter().filter_map(|p| layout.content.get(*p));
            let parts = parts.filter_map(|c| columns.get(&c.name).and_then(Id::of));
            parts.map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|piece| !piece.is_empty())
}
