//! How the kinds of a model lie in the tables of one server.

use crate::document::{Collation, Key, Map, Value};
use crate::model::{Alias, Composed, Kind, Model, NewId, RowFilter, Target, sorted_set};
use crate::server::{Catalog, ColumnType, Page, Reader, Table};

use super::body::Body;
use super::columns::{ContentColumn, RowsTable};
use super::error::TranslateError;
use super::id::{Id, id_order};

/// A kind in a server's table: which columns there are and what they are for.
#[derive(Debug, Clone)]
pub struct Layout<'m> {
    /// The kind's position in the model.
    pub index: usize,
    /// The kind.
    pub kind: &'m Kind,
    /// The table as the server spells it.
    pub table: String,
    /// The id column as the server spells it.
    pub id: Option<String>,
    /// The columns of the JSON.
    pub body: Option<Body>,
    /// Columns of the content, by their name in documents and in the server.
    pub content: Vec<ContentColumn>,
    /// The columns of the key that this table has: position in `content`.
    pub key: Vec<usize>,
    /// Where the id is part of the key: its position in `content`.
    pub own_key: Option<usize>,
    /// Columns that are unique together and order the rows.
    pub order: Vec<String>,
    /// Row conditions whose column this table has.
    pub filters: Vec<(usize, &'m RowFilter)>,
    /// Whether rows that the conditions leave out may be documents of another kind: they are then no documents
    /// of this one to any reference.
    pub shared: bool,
    /// How the model's ids compare.
    collation: Collation,
    /// How ids are made of the owner's.
    pub composed: Option<&'m Composed>,
    /// The same, where what follows is part of the key.
    pub open: Option<&'m Composed>,
    /// Documents whose key says another name: the marking column's and the key's positions, and the rule.
    pub aliases: Vec<(usize, usize, &'m Alias)>,
    /// The tables of rows that are derived from documents, as far as the server has them.
    pub derived_rows: Vec<RowsTable<'m>>,
    /// Why rows of other such tables cannot be written.
    pub unfit_rows: Vec<String>,
    /// The columns that order documents of one key, as far as this table has them: position in `content`.
    pub number_by: Vec<usize>,
    /// The columns that hold what tells documents of one key apart, as far as this table has them: position in
    /// `content`.
    apart_columns: Vec<usize>,
    /// Whether the JSON may hold it.
    apart_in_body: bool,
}

/// Where a row stands among those that share its key.
type Standing = (Vec<(bool, i64, String)>, (i64, String));

impl<'m> Layout<'m> {
    fn new(
        index: usize,
        model: &'m Model,
        kind: &'m Kind,
        table: &Table,
        catalog: &Catalog,
    ) -> Result<Self, TranslateError> {
        let missing = |column: &str| TranslateError::Column {
            kind: kind.name.clone(),
            table: table.name.clone(),
            column: column.to_owned(),
        };
        let find = |name: &str| table.column(name).map(|c| c.name.clone()).ok_or_else(|| missing(name));
        let id = kind.id.as_ref().map(|id| find(&id.column)).transpose()?;
        let find_body =
            |text: &str| Body::find(table, text, model.blob.as_deref()).ok_or_else(|| missing(text));
        let body = kind.body.as_deref().map(find_body).transpose()?;
        // An id that the key names is content: documents are called by it.
        let named = |name: &str| kind.key.iter().any(|key| key.column.eq_ignore_ascii_case(name));
        let beside = |name: &str| {
            Some(name) == id.as_deref() && !named(name)
                || body.iter().flat_map(Body::columns).any(|column| column == name)
        };
        let mut content: Vec<ContentColumn> = table
            .columns
            .iter()
            .filter(|c| c.kind != ColumnType::RowVersion && !beside(&c.name))
            .map(|c| {
                let same = |p: &&str| p.eq_ignore_ascii_case(&c.name);
                let named = kind.columns_named().find(same);
                ContentColumn {
                    name: named.unwrap_or(&c.name).to_owned(),
                    server: c.name.clone(),
                    kind: c.kind,
                    nullable: c.nullable,
                    carried: !kind.is_uncarried(named.unwrap_or(&c.name)),
                    has_default: c.default.is_some(),
                    identity: c.identity,
                    sql_type: c.declared.clone(),
                }
            })
            .collect();
        content.sort_by(|a, b| a.name.cmp(&b.name));
        let position = |name: &str| content.iter().position(|c| c.is(name));
        let mut key = Vec::new();
        for column in &kind.key {
            match position(&column.column) {
                Some(position) => key.push(position),
                None if column.optional => {}
                None => return Err(missing(&column.column)),
            }
        }
        let own_key = id.as_deref().and_then(|id| content.iter().position(|column| column.server == id));
        let filters =
            kind.rows.iter().filter_map(|filter| position(&filter.column).map(|p| (p, filter))).collect();
        let order = match &id {
            Some(id) => vec![id.clone()],
            None if !table.primary_key.is_empty() => table.primary_key.clone(),
            None => key.iter().filter_map(|p| content.get(*p)).map(|c| c.server.clone()).collect(),
        };
        let composed = match kind.id.as_ref().map(|id| &id.new) {
            Some(NewId::Compose(composed)) => Some(composed),
            _ => None,
        };
        let open = composed.filter(|composed| composed.open);
        let alias = |alias: &'m Alias| {
            let named = position(&alias.key)?;
            Some((position(&alias.column)?, key.iter().position(|p| *p == named)?, alias))
        };
        let aliases = kind.aliases.iter().filter_map(alias).collect();
        let number_by = kind.number_by.iter().filter_map(|column| position(column)).collect();
        let apart = || kind.apart.iter().filter_map(|rule| kind.references.get(*rule)).map(|rule| &rule.at);
        let apart_columns = apart().filter_map(|at| position(at.column.as_deref()?)).collect();
        let apart_in_body = body.is_some() && apart().any(|at| at.column.is_none());
        let others = model.kinds().iter().filter(|k| k.table.eq_ignore_ascii_case(&kind.table));
        let shared = others.count() > 1;
        let table = table.name.clone();
        let (derived_rows, unfit_rows) = RowsTable::find(kind, &content, catalog);
        Ok(Self {
            index,
            kind,
            table,
            id,
            body,
            content,
            key,
            own_key,
            order,
            filters,
            shared,
            collation: model.collation,
            composed,
            open,
            aliases,
            derived_rows,
            unfit_rows,
            number_by,
            apart_columns,
            apart_in_body,
        })
    }

    /// The text column of the JSON and its type, where that says how long it may be.
    pub fn limited_body(&self) -> Option<(&str, &str)> {
        self.body.as_ref()?.text_type().filter(|(_, sql_type)| {
            let length = sql_type.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            length.is_some_and(|(length, _)| length.trim().parse::<u32>().is_ok())
        })
    }

    /// How many parts the keys of the kind have here, without what tells documents apart and without a number.
    pub fn key_len(&self) -> usize {
        self.key.len() + usize::from(self.open.is_some())
    }

    /// What follows the columns in a key: what tells its document apart, and its number among those that share
    /// all of that, from one. `None` for a key that no document of this kind has here.
    pub fn beyond<'k>(&self, key: &'k Key) -> Option<(&'k [Value], i64)> {
        let (_, rest) = key.parts().split_at_checked(self.key_len())?;
        let (apart, ordinal) = match rest {
            [apart @ .., Value::Int(ordinal)] => (apart, *ordinal),
            apart => (apart, 1),
        };
        let told = |part: &Value| matches!(part, Value::Ref(_) | Value::Dangling(_));
        let fits = apart.is_empty() || (!self.kind.apart.is_empty() && apart.iter().all(told));
        fits.then_some((apart, ordinal))
    }

    /// The ids that tell a row apart from others of its key, as a set.
    pub fn apart(&self, columns: &Map, body: Option<&Value>) -> Vec<Value> {
        let at = |position: &usize| columns.get(&self.content.get(*position)?.name);
        self.told_apart(self.apart_columns.iter().filter_map(at), body)
    }

    fn told_apart<'v>(&self, columns: impl Iterator<Item = &'v Value>, body: Option<&Value>) -> Vec<Value> {
        if self.kind.apart.is_empty() {
            return Vec::new();
        }
        let mut ids: Vec<Value> = Vec::new();
        for text in columns.filter_map(Value::as_text) {
            ids.extend(text.split('|').map(str::trim).filter(|id| !id.is_empty()).map(Value::from));
        }
        for rule in self.kind.apart.iter().filter_map(|rule| self.kind.references.get(*rule)) {
            if let Some(body) = body {
                rule.at.find(body, &mut |value| ids.extend(Id::of(value).map(|id| id.to_value())));
            }
        }
        sorted_set(ids, self.collation)
    }

    /// How names compare.
    pub fn collation(&self) -> Collation {
        self.collation
    }

    /// The name of a column of the content, by its position, as the server spells it.
    fn server_name(&self, position: usize) -> Option<&str> {
        self.content.get(position).map(|c| c.server.as_str())
    }

    /// The columns that say what a row's key is, in the order [`Layout::raw_key`] expects: those of the key,
    /// then those that conditions, other names and numbers look at, and those that tell rows apart: last the JSON,
    /// where it does.
    pub fn naming_columns(&self) -> Vec<&str> {
        let beside = self.filters.iter().map(|(p, _)| *p).chain(self.aliases.iter().map(|(p, _, _)| *p));
        let beside = beside.chain(self.number_by.iter().copied()).chain(self.apart_columns.iter().copied());
        let columns = self.key.iter().copied().chain(beside).filter_map(|p| self.server_name(p));
        columns.chain(self.naming_body().iter().flat_map(|body| body.columns())).collect()
    }

    /// The JSON, where it says what a row's key is.
    fn naming_body(&self) -> Option<&Body> {
        self.body.as_ref().filter(|_| self.apart_in_body)
    }

    /// The columns among [`Layout::naming_columns`] that hold no JSON: they come first.
    pub fn plain_naming_columns(&self) -> usize {
        self.key.len()
            + self.filters.len()
            + self.aliases.len()
            + self.number_by.len()
            + self.apart_columns.len()
    }

    /// What tells a row apart, by its [`Layout::naming_columns`]. JSON that cannot be read tells nothing: whoever
    /// reads the row as a document finds that out.
    fn row_apart(&self, id: &Id, row: &[Value]) -> Vec<Value> {
        if self.kind.apart.is_empty() {
            return Vec::new();
        }
        let (plain, json) = row.split_at_checked(self.plain_naming_columns()).unwrap_or((row, &[]));
        let columns = plain.len().saturating_sub(self.apart_columns.len());
        let body = self.naming_body().and_then(|body| {
            body.read(&self.kind.name, &id.to_string(), json.iter().cloned()).ok().flatten()
        });
        self.told_apart(plain.iter().skip(columns), body.as_ref().map(|(body, _)| body))
    }

    /// The values of a row's key, references as ids, of its id and its [`Layout::naming_columns`]. `None` for a
    /// row that is no document of this kind.
    pub fn raw_key(&self, id: &Id, row: &[Value]) -> Option<Vec<Value>> {
        let (key, rest) = row.split_at_checked(self.key.len())?;
        let (tested, marks) = rest.split_at_checked(self.filters.len())?;
        if !self.filters.iter().zip(tested).all(|((_, filter), value)| filter.equals.contains(value)) {
            return None;
        }
        let mut key = key.to_vec();
        for ((_, at, alias), mark) in self.aliases.iter().zip(marks) {
            if *mark == alias.equals
                && let Some(named) = key.get_mut(*at)
            {
                *named = Value::from(alias.name.as_str());
            }
        }
        key.extend(self.made_up(id, |column| key_value(&self.key, &self.content, row, column)));
        key.extend(self.row_apart(id, row));
        Some(key)
    }

    /// Where a row stands among those that share its key, by its id and its [`Layout::naming_columns`].
    pub fn standing(&self, id: &Id, row: &[Value]) -> Standing {
        let first = self.key.len() + self.filters.len() + self.aliases.len();
        let by = row.get(first..first + self.number_by.len()).unwrap_or_default();
        let rank = |value: &Value| match value {
            Value::Null => (false, 0, String::new()),
            Value::Int(number) => (true, *number, String::new()),
            Value::Text(text) => (true, 0, text.clone()),
            other => (true, 0, crate::document::json::describe(other).to_string()),
        };
        (by.iter().map(rank).collect(), id_order(id))
    }

    /// The part of the key that the server made up for the id, where the kind's ids have one.
    pub fn made_up(&self, id: &Id, column: impl Fn(&str) -> Option<Value>) -> Option<Value> {
        let composed = self.open?;
        let owner = column(&composed.column).as_ref().and_then(Id::of).map(|id| id.to_string());
        let id = id.to_string();
        Some(Value::from(composed.rest(owner.as_deref().unwrap_or_default(), &id, self.collation)))
    }

    /// Says whether the rule for another name applies to a document with these columns.
    pub fn is_alias(&self, position: usize, alias: &Alias, columns: &Map) -> bool {
        self.content.get(position).and_then(|c| columns.get(&c.name)).is_some_and(|v| *v == alias.equals)
    }

    /// The document that an id means wherever it stands, by the position of its rule in `aliases`.
    pub fn meant_by(&self, id: &str) -> Option<usize> {
        self.aliases.iter().position(|(_, _, alias)| alias.is_meant_by(id))
    }

    /// The key of the document that an id means wherever it stands, for whoever is in this scope.
    pub fn meant_key(&self, id: &str, scope: &Value) -> Option<Key> {
        let (_, at, alias) = self.aliases.get(self.meant_by(id)?)?;
        let name = Value::from(alias.name.as_str());
        // A checked model has nothing before the name but the scope.
        Key::new(if *at == 0 { vec![name] } else { vec![scope.clone(), name] }).ok()
    }

    /// The rule for a document that ids mean wherever they stand, by its key.
    pub fn is_meant(&self, key: &Key) -> Option<&'m Alias> {
        let named = |(_, at, alias): &&(usize, usize, &'m Alias)| {
            !alias.ids.is_empty()
                && key.parts().get(*at).and_then(Value::as_text) == Some(alias.name.as_str())
        };
        self.aliases.iter().find(named).map(|(_, _, alias)| *alias)
    }

    /// The column that says which scope a document is in, by its name in documents; `None` where there is none.
    pub fn scope_column(&self, model: &Model) -> Option<&ContentColumn> {
        self.kind.scope_columns(model.scope?).find_map(|name| self.column(name))
    }

    /// Whether the id is that of another document, which the key names: text that equals it means the other one.
    pub fn borrows_id(&self) -> bool {
        let own = self.own_key.and_then(|position| self.content.get(position));
        own.is_some_and(|own| self.kind.key.iter().any(|key| own.is(&key.column) && key.reference.is_some()))
    }

    /// The columns to read, in the order that [`super::Translation::read`] expects: id, body, content.
    pub fn select(&self) -> Vec<&str> {
        let content = self.content.iter().map(|c| c.server.as_str());
        let body = self.body.iter().flat_map(Body::columns);
        self.id.iter().map(String::as_str).chain(body).chain(content).collect()
    }

    /// Finds a column of the content by its name in documents, without regard to case as servers compare.
    pub fn column(&self, name: &str) -> Option<&ContentColumn> {
        self.content.iter().find(|c| c.is(name))
    }

    /// Gives the columns of a document the names that they have here, where another server or another model spells
    /// them in other case.
    pub fn respell_columns(&self, columns: &mut Map) {
        let renamed = columns.iter().filter_map(|(name, _)| {
            let column = self.column(name).filter(|column| column.name != name)?;
            columns.get(&column.name).is_none().then(|| (name.to_owned(), column.name.clone()))
        });
        for (old, new) in renamed.collect::<Vec<_>>() {
            if let Some(value) = columns.remove(&old) {
                columns.insert(new, value);
            }
        }
    }

    /// Says whether documents of this kind are told from others by a column: by a condition on rows, by the key, or
    /// by what stands in for it.
    pub fn tells_by(&self, column: &str) -> bool {
        let kind = self.kind;
        let named = kind.key.iter().map(|key| key.column.as_str());
        let named = named.chain(kind.rows.iter().map(|filter| filter.column.as_str()));
        let named = named.chain(kind.aliases.iter().map(|alias| alias.column.as_str()));
        let apart = kind.apart.iter().filter_map(|rule| kind.references.get(*rule)?.at.column.as_deref());
        named.chain(apart).any(|named| named.eq_ignore_ascii_case(column))
    }

    /// The column of the key that holds ids of a kind, as the server spells it.
    pub fn column_to(&self, kind: usize) -> Option<&str> {
        let leads = |rule: usize| {
            self.kind.references.get(rule).is_some_and(|rule| rule.to.contains(&Target::Kind(kind)))
        };
        let column = self.kind.key.iter().find(|key| key.reference.is_some_and(leads))?;
        self.column(&column.column).map(|column| column.server.as_str())
    }

    /// The columns of the key as the server spells them.
    pub fn key_columns(&self) -> Vec<&str> {
        self.key.iter().filter_map(|p| self.content.get(*p)).map(|c| c.server.as_str()).collect()
    }

    /// What names a selected row on its server: its id, or its ordering columns where it has none.
    pub fn row_id(&self, row: &[Value]) -> Id {
        let select = self.select();
        self.named_by(|column| row.get(select.iter().position(|name| *name == column)?).cloned())
    }

    /// What names a row on its server, by the values of its columns as the server spells them.
    pub fn named_by(&self, value: impl Fn(&str) -> Option<Value>) -> Id {
        let one = |value: Value| Id::of(&value).unwrap_or_else(|| Id::Text(String::new()));
        if let Some(column) = &self.id {
            return one(value(column).unwrap_or_default());
        }
        let mut values: Vec<Value> =
            self.order.iter().map(|column| value(column).unwrap_or_default()).collect();
        match values.len() {
            1 => one(values.remove(0)),
            _ => Id::Text(Key::new(values).map(|key| key.to_text()).unwrap_or_default()),
        }
    }

    /// The values of the ordering columns that [`Layout::row_id`] named.
    pub fn row_key(&self, id: &Id) -> Vec<Value> {
        match id {
            Id::Text(text) if self.order.len() > 1 => {
                Key::parse(text).map(|key| key.parts().to_vec()).unwrap_or_default()
            }
            id => vec![id.to_value()],
        }
    }

    /// The first page of this kind's table.
    pub fn page<'p>(&'p self, columns: &'p [&'p str], order: &'p [&'p str]) -> Page<'p> {
        let max_bytes = self.body.as_ref().map_or(4 << 20, Body::page_bytes);
        Page { table: &self.table, columns, order, after: None, max_rows: 1000, max_bytes }
    }
}

/// The value of a key column, by its name in documents, in a row that begins with the key's columns.
fn key_value(key: &[usize], content: &[ContentColumn], row: &[Value], column: &str) -> Option<Value> {
    let at = key.iter().position(|p| content.get(*p).is_some_and(|c| c.is(column)))?;
    row.get(at).cloned()
}

impl Kind {
    /// The names of columns that rules of the kind mention, as the model spells them.
    pub(crate) fn columns_named(&self) -> impl Iterator<Item = &str> {
        let places = self.references.iter().map(|r| &r.at);
        let places = places.chain(self.secrets.iter().map(|s| &s.at));
        let places = places.chain(self.derived.iter().map(|d| &d.at));
        let places = places.chain(self.local.iter().map(|l| &l.at));
        let places = places.chain(self.merges.iter().map(|m| &m.at));
        let places = places.chain(self.values.iter().map(|v| &v.at));
        let columns = places.filter_map(|at| at.column.as_deref());
        let columns = columns.chain(self.key.iter().map(|k| k.column.as_str()));
        let columns = columns.chain(self.rows.iter().map(|r| r.column.as_str()));
        let columns = columns.chain(self.aliases.iter().map(|a| a.column.as_str()));
        columns.chain(self.version.as_deref()).chain(self.number_by.iter().map(String::as_str))
    }

    fn is_uncarried(&self, column: &str) -> bool {
        let derived = self.derived.iter().map(|d| &d.at);
        derived
            .chain(self.local.iter().map(|l| &l.at))
            .filter_map(|at| at.column.as_deref())
            .any(|named| named.eq_ignore_ascii_case(column))
    }
}

/// The layouts of all kinds whose table a server has.
#[derive(Debug, Clone)]
pub struct Layouts<'m> {
    /// The model.
    pub model: &'m Model,
    layouts: Vec<Option<Layout<'m>>>,
}

impl<'m> Layouts<'m> {
    /// Lays a model over a server's tables.
    ///
    /// # Errors
    /// [`TranslateError::Column`], for a table without its id, key or JSON column. One that the model infers is not
    /// there then.
    pub fn new(model: &'m Model, catalog: &Catalog) -> Result<Self, TranslateError> {
        let layouts = model.kinds().iter().enumerate().map(|(index, kind)| {
            let table = catalog.table(&kind.table);
            match table.map(|table| Layout::new(index, model, kind, table, catalog)) {
                Some(Err(TranslateError::Column { .. })) if kind.inferred => Ok(None),
                layout => layout.transpose(),
            }
        });
        Ok(Self { model, layouts: layouts.collect::<Result<_, _>>()? })
    }

    /// The layout of a kind, by its position in the model; `None` where the server lacks the table.
    pub fn at(&self, index: usize) -> Option<&Layout<'m>> {
        self.layouts.get(index).and_then(Option::as_ref)
    }

    /// The layouts that the server has, in the order of the model.
    pub fn iter(&self) -> impl Iterator<Item = &Layout<'m>> {
        self.layouts.iter().flatten()
    }
}

impl Layout<'_> {
    /// Looks how the first row of the table keeps its JSON: new rows will follow it. Asks only where there is
    /// a choice.
    ///
    /// # Errors
    /// [`TranslateError::Server`], when the table cannot be read.
    pub fn follow_first_row(&mut self, reader: &mut dyn Reader) -> Result<(), TranslateError> {
        let Some(body) = self.body.as_ref().filter(|body| body.has_choice()) else { return Ok(()) };
        let columns: Vec<&str> = body.columns().collect();
        let order: Vec<&str> = self.order.iter().map(String::as_str).collect();
        let mut page = self.page(&columns, &order);
        (page.max_rows, page.max_bytes) = (1, 1);
        let first = reader.page(&page)?.into_iter().next();
        if let (Some(first), Some(body)) = (first, &mut self.body) {
            body.follow(first);
        }
        Ok(())
    }
}
