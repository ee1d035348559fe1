//! From documents in portable form to rows of the target.

use std::collections::{HashMap, HashSet};

use crate::crypto::{MasterKey, SecretBytes, named_guid};
use crate::document::{Collation, Dangling, Document, Map, Place, SecretId, Value, canonical};
use crate::model::{Direction, Form, Keep, LocalUpdate, NewLocal, NewPartId, Rule, SecretForm, Target};
use crate::plan::{Pairs, identity_bytes};
use crate::server::Row;

use super::Ids;
use super::columns::RowsTable;
use super::derived_rows::NamedId;
use super::error::TranslateError;
use super::id::Id;
use super::layout::{Layout, Layouts};
use super::read::{Portable, Raw};
use super::vault::Vault;

/// What the target has of a document that is updated: what stays as it is.
#[derive(Debug, Clone)]
pub struct Existing {
    /// The document as the target has it.
    pub document: Document,
    /// Its row: encrypted texts, part ids, local values.
    pub raw: Raw,
    /// What names the row on its server ([`Layout::row_id`]).
    pub row: Id,
}

impl From<Portable> for Existing {
    fn from(portable: Portable) -> Self {
        let Portable { document, raw, row, .. } = portable;
        Self { document, raw, row }
    }
}

/// A row ready to be written.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The columns, as the server spells them.
    pub columns: Vec<String>,
    /// Their values.
    pub row: Row,
    /// The rows of other tables that are derived from it, by the tables of [`Layout::derived_rows`].
    pub derived: Vec<Vec<Row>>,
}

/// What rendering draws on.
pub struct Renderer<'r, 'm> {
    /// How the kinds lie in the target's tables.
    pub layouts: &'r Layouts<'m>,
    /// The target's ids.
    pub ids: &'r Ids,
    /// The secrets that the documents' markers lead to.
    pub vault: &'r Vault,
    /// The target's master key; not needed where nothing is encrypted.
    pub master_key: Option<&'r MasterKey>,
}

impl Renderer<'_, '_> {
    /// Renders a document as a row of its kind's table, with the id it has in the target.
    ///
    /// # Errors
    /// [`TranslateError::Unmapped`] for a reference without an id (the plan should have stopped), an encryption
    /// that failed, or a body too large to be compressed.
    pub fn render(
        &self,
        layout: &Layout<'_>,
        document: &Document,
        id: Option<&Id>,
        existing: Option<&Existing>,
    ) -> Result<Rendered, TranslateError> {
        let mut columns = document.columns.clone();
        let mut body = document.body.clone();
        let mut gathered: HashMap<usize, Vec<NamedId>> = HashMap::new();
        let mut ciphers: Vec<&(Place, SecretId, String)> =
            existing.map(|e| e.raw.ciphers.iter().collect()).unwrap_or_default();
        let mut failed = None;
        self.parts(layout, document, id, existing, &mut body)?;
        layout.kind.walk(&mut columns, body.as_mut(), Direction::Down, &mut |rule, place, value| {
            let done = match rule {
                Rule::Reference(index) => layout.kind.references.get(index).map_or(Ok(()), |rule| {
                    self.refer(layout, rule.form, value, gathered.entry(index).or_default())
                }),
                Rule::Secret(index) => {
                    let form = layout.kind.secrets.get(index).map(|s| s.form);
                    self.secret(layout, form, place, value, &mut ciphers)
                }
                Rule::Set(_) => {
                    spell_set(place, value);
                    Ok(())
                }
                Rule::Derived(_) | Rule::Local(_) | Rule::PartId(_) => Ok(()),
            };
            if let Err(error) = done {
                failed.get_or_insert(error);
            }
            Keep::Yes
        });
        if let Some(error) = failed {
            return Err(error);
        }
        self.undeclared_secrets(layout, document, &mut columns, &mut body, &mut ciphers)?;
        for rule in &layout.kind.derived {
            let mut ids: Vec<String> = Vec::new();
            let named = rule.from.iter().filter_map(|from| gathered.get(from)).flatten();
            for id in named.filter(|named| !named.dangles).filter_map(|named| Id::of(&named.id)) {
                let id = id.to_string();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            place_value(&rule.at, spell(rule.form, &ids), &mut columns, &mut body);
        }
        self.local(layout, existing, &mut columns, &mut body);
        let named = |rule: usize| gathered.get(&rule).map(Vec::as_slice).unwrap_or_default();
        let derived = |table: &RowsTable<'_>| match id {
            Some(id) => table.rows(self.layouts, layout, id, &columns, &named),
            None => Vec::new(),
        };
        let derived = layout.derived_rows.iter().map(derived).collect();
        let mut rendered = Rendered { columns: Vec::new(), row: Vec::new(), derived };
        let mut put = |column: &str, value: Value| {
            rendered.columns.push(column.to_owned());
            rendered.row.push(value);
        };
        if let (Some(column), Some(id), None) = (&layout.id, id, existing) {
            put(column, id.to_value());
        }
        if let Some(columns) = &layout.body {
            let stored = existing.and_then(|e| e.raw.stored);
            let written = columns.write(&layout.kind.name, &document.key, body.as_ref(), stored)?;
            written.into_iter().for_each(|(column, value)| put(column, value));
        }
        for (position, column) in layout.content.iter().enumerate() {
            let Some(value) = columns.remove(&column.name) else { continue };
            // A column that the server numbers takes no update, though it be to what it is.
            let is_kept = column.identity
                && existing.is_some_and(|e| e.document.columns.get(&column.name) == Some(&value));
            // An id that is part of the key is put already, or stays as the target has it.
            if Some(position) != layout.own_key && !is_kept {
                put(&column.server, value);
            }
        }
        Ok(rendered)
    }

    fn refer(
        &self,
        layout: &Layout<'_>,
        form: Form,
        value: &mut Value,
        gathered: &mut Vec<NamedId>,
    ) -> Result<(), TranslateError> {
        let mut name = |value: &Value| -> Result<Value, TranslateError> {
            match value {
                Value::Ref(reference) => match self.ids.id(self.layouts, reference) {
                    Some(id) => {
                        let (id, kind) = (id.to_value(), reference.kind.clone());
                        gathered.push(NamedId { id: id.clone(), kind, dangles: false });
                        Ok(id)
                    }
                    None => Err(TranslateError::Unmapped {
                        kind: layout.kind.name.clone(),
                        wanted: reference.to_string(),
                    }),
                },
                Value::Dangling(dangling) => {
                    let Dangling { id, kind } = &**dangling;
                    gathered.push(NamedId { id: id.clone(), kind: kind.clone(), dangles: true });
                    Ok(id.clone())
                }
                other => Ok(other.clone()),
            }
        };
        match (form, &mut *value) {
            (Form::Id, value) => *value = name(value)?,
            (Form::Pipe | Form::Comma, Value::List(list)) => {
                let ids = list.iter().map(&mut name).collect::<Result<Vec<_>, _>>()?;
                let ids: Vec<String> = ids.iter().filter_map(Id::of).map(|id| id.to_string()).collect();
                *value = spell(form, &ids.iter().map(String::as_str).collect::<Vec<_>>());
            }
            (Form::Keys, Value::List(pairs)) => {
                let mut map = crate::document::Map::new();
                for pair in std::mem::take(pairs) {
                    if let Value::List(pair) = pair
                        && let Ok([key, value]) = <[Value; 2]>::try_from(pair)
                        && let Some(id) = Id::of(&name(&key)?)
                    {
                        map.insert(id.to_string(), value);
                    }
                }
                *value = Value::Map(map);
            }
            _ => {}
        }
        Ok(())
    }

    fn secret(
        &self,
        layout: &Layout<'_>,
        form: Option<SecretForm>,
        place: &Place,
        value: &mut Value,
        ciphers: &mut Vec<&(Place, SecretId, String)>,
    ) -> Result<(), TranslateError> {
        let Value::Secret(secret) = *value else { return Ok(()) };
        // A text is used for one place only: two places with one text would show that their values are equal.
        let same = |c: &&(Place, SecretId, String)| c.1 == secret && secret != SecretId::UNKNOWN;
        let kept = ciphers.iter().position(|c| same(c) && c.0 == *place);
        if let Some(position) = kept.or_else(|| ciphers.iter().position(same)) {
            *value = Value::Text(ciphers.remove(position).2.clone());
            return Ok(());
        }
        let Some(plain) = self.vault.value(secret) else {
            *value = Value::Null;
            return Ok(());
        };
        let text = match (form, self.master_key) {
            (Some(SecretForm::Plain), _) => String::from_utf8_lossy(plain.expose()).into_owned(),
            (_, Some(key)) => encrypt(layout, key, plain)?,
            (_, None) => {
                return Err(TranslateError::NeedMasterKey {
                    kind: layout.kind.name.clone(),
                    id: "(new)".to_owned(),
                    place: place.to_string(),
                });
            }
        };
        *value = Value::Text(text);
        Ok(())
    }

    /// Writes the secrets that no rule of the kind names as the others are.
    fn undeclared_secrets(
        &self,
        layout: &Layout<'_>,
        document: &Document,
        columns: &mut Map,
        body: &mut Option<Value>,
        ciphers: &mut Vec<&(Place, SecretId, String)>,
    ) -> Result<(), TranslateError> {
        let (kind, key) = (document.kind.clone(), document.key.clone());
        let mut rest = Document { kind, key, columns: std::mem::take(columns), body: body.take() };
        for place in rest.secret_places() {
            if let Some(value) = rest.at_mut(&place) {
                self.secret(layout, None, &place, value, ciphers)?;
            }
        }
        (*columns, *body) = (rest.columns, rest.body);
        Ok(())
    }

    /// Gives the parts of a document their ids: those the target has, or new ones.
    fn parts(
        &self,
        layout: &Layout<'_>,
        document: &Document,
        id: Option<&Id>,
        existing: Option<&Existing>,
        body: &mut Option<Value>,
    ) -> Result<(), TranslateError> {
        for (index, rule) in layout.kind.parts.iter().enumerate() {
            if rule.new == NewPartId::Keep {
                continue;
            }
            let Some(body) = body.as_mut() else { continue };
            let Some(elements) = rule.at.elements_mut(body) else { continue };
            let known = existing.map(|e| part_ids(&e.document, &e.raw, index, rule)).unwrap_or_default();
            let target = Target::Part { kind: layout.index, part: index };
            if rule.new == NewPartId::Guid || id.is_none() {
                let owner = [
                    document.kind.as_str(),
                    &document.key.to_text(),
                    &id.map(Id::to_string).unwrap_or_default(),
                ];
                keep_guids(elements, &known, rule, owner, self.layouts.model.collation);
                continue;
            }
            for element in elements {
                let Value::Map(map) = element else { continue };
                let owner =
                    crate::document::Reference { kind: document.kind.clone(), key: document.key.clone() };
                let mut parts = vec![Value::Ref(Box::new(owner))];
                parts.extend(crate::model::pick(map, &rule.key));
                let named = crate::document::Key::new(parts).ok();
                let id = match named.as_ref().and_then(|key| self.ids.get(target, key)) {
                    Some(super::Known::Found(Some(id))) => id.to_value(),
                    _ => Value::Null,
                };
                map.insert(rule.id.clone(), id);
            }
        }
        Ok(())
    }

    fn local(
        &self,
        layout: &Layout<'_>,
        existing: Option<&Existing>,
        columns: &mut crate::document::Map,
        body: &mut Option<Value>,
    ) {
        for (index, rule) in layout.kind.local.iter().enumerate() {
            let kept = existing.and_then(|e| e.raw.local.iter().find(|(r, _, _)| *r == index));
            let value = match (kept, existing, rule.update) {
                (Some((_, _, Value::Int(n))), _, LocalUpdate::Increment) => {
                    Some(Value::Int(n.saturating_add(1)))
                }
                (Some((_, _, value)), _, _) => Some(value.clone()),
                (None, Some(_), _) => None,
                (None, None, _) => match &rule.new {
                    NewLocal::Value(value) => Some(value.clone()),
                    NewLocal::None | NewLocal::Next => None,
                },
            };
            // What the server numbers by itself is never written, and takes no update.
            let written = |name: &str| layout.column(name).is_some_and(|column| !column.identity);
            let there = rule.at.column.as_deref().is_none_or(written);
            if let (Some(value), true) = (value, there) {
                place_value(&rule.at, value, columns, body);
            }
        }
    }
}

/// Gives parts the GUIDs that the target has for parts of their key: spelled alike, then as names compare; then,
/// since the last member of a key only tells twins apart, those of parts that agree in the others; then new ones, made
/// of the owner and the part: a script of one import is the same each time it is written.
fn keep_guids(
    elements: &mut [Value],
    known: &[(&Value, &Value)],
    rule: &crate::model::Part,
    owner: [&str; 3],
    collation: Collation,
) {
    let theirs: Vec<&Value> = known.iter().map(|(element, _)| *element).collect();
    let mut pairs = Pairs::new(elements.len(), theirs.len());
    let all = rule.key.as_slice();
    let object = |value: &Value, name: &dyn Fn(&Map) -> Vec<u8>| match value {
        Value::Map(map) => Some(name(map)),
        _ => None,
    };
    let exact =
        |map: &Map| canonical::encode_value(&Value::List(crate::model::pick(map, all))).unwrap_or_default();
    pairs.find(elements, &theirs, |value| object(value, &exact), |_, _| true);
    let others = all.split_last().map_or(all, |(_, others)| others);
    for members in [all, others].into_iter().filter(|members| !members.is_empty()) {
        let alike = |map: &Map| identity_bytes(map, members, collation);
        pairs.find(elements, &theirs, |value| object(value, &alike), |_, _| true);
    }
    let mut taken: HashSet<String> =
        known.iter().filter_map(|(_, id)| id.as_text().map(str::to_lowercase)).collect();
    for (element, twin) in elements.iter_mut().zip(pairs.of) {
        let bytes = canonical::encode_value(element).unwrap_or_default();
        let Value::Map(map) = element else { continue };
        let given = twin.and_then(|at| known.get(at)).map(|(_, id)| (*id).clone());
        let id = given.unwrap_or_else(|| {
            let guids = (0_u64..).map(|number| {
                let number = number.to_le_bytes();
                let parts = [b"part", rule.name.as_str().as_bytes(), &bytes, &number];
                named_guid(&owner.map(str::as_bytes).into_iter().chain(parts).collect::<Vec<_>>())
            });
            // Twins have a GUID each.
            Value::Text(guids.take(taken.len() + 1).find(|guid| !taken.contains(guid)).unwrap_or_default())
        });
        taken.extend(id.as_text().map(str::to_lowercase));
        map.insert(rule.id.clone(), id);
    }
}

fn encrypt(layout: &Layout<'_>, key: &MasterKey, plain: &SecretBytes) -> Result<String, TranslateError> {
    key.encrypt(plain).map_err(|source| TranslateError::Encrypt { kind: layout.kind.name.clone(), source })
}

/// The elements of a part rule in a document that was read, each with the id it was read with.
pub fn part_ids<'e>(
    document: &'e Document,
    raw: &'e Raw,
    rule_index: usize,
    rule: &crate::model::Part,
) -> Vec<(&'e Value, &'e Value)> {
    let mut elements = Vec::new();
    if let Some(body) = &document.body {
        rule.at.find(body, &mut |element| elements.push(element));
    }
    let ids = raw.part_ids.iter().filter(|(rule, _, _)| *rule == rule_index);
    ids.filter_map(|(_, position, id)| elements.get(*position).map(|e| (*e, id))).collect()
}

fn spell(form: Form, ids: &[&str]) -> Value {
    match form {
        Form::Comma => Value::Text(ids.join(",")),
        Form::Pipe => Value::Text(format!("|{}|", ids.join("|"))),
        Form::Id => ids.first().map_or(Value::Null, |id| Value::from(*id)),
        Form::Keys => Value::Null,
    }
}

/// Spells a set of texts in a column as `|A|B|`.
fn spell_set(place: &Place, value: &mut Value) {
    if let (Some(_), [], Value::List(list)) = (place.column_name(), place.steps(), &*value) {
        *value = spell(Form::Pipe, &list.iter().filter_map(Value::as_text).collect::<Vec<_>>());
    }
}

fn place_value(
    at: &crate::model::Pattern,
    value: Value,
    columns: &mut crate::document::Map,
    body: &mut Option<Value>,
) {
    match &at.column {
        Some(column) => {
            columns.insert(column.clone(), value);
        }
        None => {
            if let Some(body) = body {
                at.set(body, value);
            }
        }
    }
}
