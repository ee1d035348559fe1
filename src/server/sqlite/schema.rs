//! The tables of a file: the catalog of the contract, and what SQLite alone has to say about columns.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;

use crate::document::Collation;
use crate::server::spelling::Spelled;
use crate::server::{Catalog, Column, ColumnType, Condition, ForeignKey, ServerError, Table, UniqueSet};

/// What SQLite does with values it stores in a column, by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Affinity {
    /// Numbers become text.
    Text,
    /// Text that reads as a number becomes one.
    Number,
    /// Everything is kept as it is.
    None,
}

impl Affinity {
    /// SQLite's rules for declared types, in their order.
    pub(super) fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |word: &str| declared.contains(word);
        if has("INT") {
            Affinity::Number
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || declared.is_empty() {
            Affinity::None
        } else {
            Affinity::Number
        }
    }
}

/// How SQLite itself compares a column's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// Byte by byte.
    Binary,
    /// Without regard to the case of ASCII letters.
    NoCase,
    /// Without regard to trailing blanks.
    RightTrim,
}

/// What is known of a column beside the catalog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    pub(super) affinity: Affinity,
    pub(super) sequence: Sequence,
    /// How the product compares names in this column.
    pub(super) collation: Collation,
    /// Whether it holds times or GUIDs, which have one spelling.
    pub(super) spelled: Option<Spelled>,
    /// Whether its text is read as it was written all the same: it is an id, or refers to one, and SQLite compares
    /// the two as they were written.
    pub(super) as_written: bool,
}

/// The tables of a file.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) catalog: Catalog,
    /// One list a table, in the catalog's order.
    natures: Vec<Vec<Nature>>,
    /// The same of what is unique.
    unique: Vec<Vec<UniqueSet>>,
}

/// A column by both its sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'s> {
    pub(super) table: &'s Table,
    pub(super) column: &'s Column,
    pub(super) nature: Nature,
}

impl Schema {
    /// Reads the tables of the main database, sorted by name. Views and virtual tables hold no documents.
    pub(super) fn discover(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        let mut found = Self { catalog: Catalog::default(), natures: Vec::new(), unique: Vec::new() };
        for name in names {
            let (mut table, natures) = discover_table(connection, name)?;
            let (sets, unchecked) = indexes(connection, &table, &natures)?;
            table.unchecked = unchecked;
            found.unique.push(sets);
            found.catalog.tables.push(table);
            found.natures.push(natures);
        }
        found.keep_ids();
        Ok(found)
    }

    /// Ids and what refers to them are handed out as they were written.
    fn keep_ids(&mut self) {
        let mut kept: HashSet<(String, String)> = HashSet::new();
        let mut keep = |table: &str, columns: &[String]| {
            let names = columns.iter().map(|name| (table.to_ascii_lowercase(), name.to_ascii_lowercase()));
            kept.extend(names);
        };
        for table in &self.catalog.tables {
            keep(&table.name, &table.primary_key);
            for key in &table.foreign_keys {
                keep(&table.name, &key.columns);
                keep(&key.to, &key.to_columns);
            }
        }
        for (table, natures) in self.catalog.tables.iter().zip(&mut self.natures) {
            for (column, nature) in table.columns.iter().zip(natures) {
                let name = (table.name.to_ascii_lowercase(), column.name.to_ascii_lowercase());
                nature.as_written = kept.contains(&name);
            }
        }
    }

    /// Finds a table, without regard to case.
    pub(super) fn table(&self, name: &str) -> Result<&Table, ServerError> {
        self.catalog.table(name).ok_or_else(|| ServerError::NoTable(name.to_owned()))
    }

    /// What is unique in a table, found without regard to case.
    pub(super) fn unique_sets(&self, table: &str) -> &[UniqueSet] {
        let at = self.catalog.tables.iter().position(|t| t.name.eq_ignore_ascii_case(table));
        at.and_then(|at| self.unique.get(at)).map_or(&[], Vec::as_slice)
    }

    /// Finds columns of a table, without regard to case.
    pub(super) fn fields(&self, table: &str, names: &[&str]) -> Result<Vec<Field<'_>>, ServerError> {
        let missing = || ServerError::NoTable(table.to_owned());
        let tables = &self.catalog.tables;
        let at = tables.iter().position(|t| t.name.eq_ignore_ascii_case(table)).ok_or_else(missing)?;
        let (table, natures) = tables.get(at).zip(self.natures.get(at)).ok_or_else(missing)?;
        let find = |name: &&str| {
            let mut both = table.columns.iter().zip(natures);
            let found = both.find(|(column, _)| column.name.eq_ignore_ascii_case(name));
            let found = found.map(|(column, nature)| Field { table, column, nature: *nature });
            found.ok_or_else(|| ServerError::NoColumn {
                table: table.name.clone(),
                column: (*name).to_owned(),
            })
        };
        names.iter().map(find).collect()
    }
}

/// Says whether no two rows can agree in these columns, NULL counted as a value.
pub(super) fn are_unique(fields: &[Field<'_>]) -> bool {
    let Some(table) = fields.first().map(|field| field.table) else { return false };
    let covers = |set: &Vec<String>| {
        !set.is_empty()
            && set.iter().all(|name| {
                fields
                    .iter()
                    .any(|field| field.column.name.eq_ignore_ascii_case(name) && !field.column.nullable)
            })
    };
    covers(&table.primary_key) || table.unique.iter().any(covers)
}

fn discover_table(connection: &Connection, name: String) -> rusqlite::Result<(Table, Vec<Nature>)> {
    // `pragma_table_info` leaves generated columns out: nobody writes them, so they need not travel.
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1, 'main') ORDER BY cid",
    )?;
    let mut rows = statement.query([&name])?;
    let (mut columns, mut natures, mut key) = (Vec::new(), Vec::new(), BTreeMap::new());
    while let Some(row) = rows.next()? {
        let declared: String = row.get::<_, Option<String>>(1)?.unwrap_or_default();
        let column = Column {
            name: row.get(0)?,
            kind: ColumnType::of(&declared),
            nullable: !row.get::<_, bool>(2)?,
            default: row.get(3)?,
            identity: false,
            declared,
        };
        let position: i64 = row.get(4)?;
        if position > 0 {
            key.insert(position, column.name.clone());
        }
        natures.push(nature(connection, &name, &column)?);
        columns.push(column);
    }
    let primary_key: Vec<String> = key.into_values().collect();
    if let [only] = primary_key.as_slice() {
        // SQLite's own row number: it says that it takes NULL, and gives a number instead.
        let own = columns.iter_mut().find(|c| c.name == *only && c.declared.eq_ignore_ascii_case("integer"));
        if let Some(own) = own {
            own.nullable = false;
            own.identity = true;
        }
    }
    let unique = unique_sets(connection, &name)?;
    let foreign_keys = foreign_keys(connection, &name)?;
    Ok((Table { name, columns, primary_key, unique, foreign_keys, unchecked: Vec::new() }, natures))
}

fn nature(connection: &Connection, table: &str, column: &Column) -> rusqlite::Result<Nature> {
    let metadata = connection.column_metadata(Some("main"), table, column.name.as_str())?;
    let sequence = match metadata.1.map(|name| name.to_bytes().to_ascii_uppercase()).as_deref() {
        Some(b"NOCASE") => Sequence::NoCase,
        Some(b"RTRIM") => Sequence::RightTrim,
        _ => Sequence::Binary,
    };
    // A GUID is a number however its letters are written.
    let spelled = Spelled::of(&column.declared);
    let guid = spelled == Some(Spelled::Guid);
    let collation = match sequence {
        Sequence::NoCase => Collation::CaseInsensitive,
        _ if guid => Collation::CaseInsensitive,
        _ => Collation::CaseSensitive,
    };
    let affinity = Affinity::of(&column.declared);
    Ok(Nature { affinity, sequence, collation, spelled, as_written: false })
}

/// Column sets of whole unique indexes, in the order they were made. Partial indexes and those over
/// expressions bind no set of columns.
fn unique_sets(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Vec<String>>> {
    let mut indexes = connection.prepare_cached(
        "SELECT name FROM pragma_index_list(?1, 'main')
         WHERE \"unique\" = 1 AND origin <> 'pk' AND partial = 0 ORDER BY seq DESC",
    )?;
    let mut columns =
        connection.prepare_cached("SELECT name FROM pragma_index_info(?1, 'main') ORDER BY seqno")?;
    let mut sets = Vec::new();
    for index in indexes.query_map([table], |row| row.get::<_, String>(0))? {
        let names =
            columns.query_map([index?], |row| row.get(0))?.collect::<rusqlite::Result<Option<Vec<String>>>>();
        match names {
            Ok(Some(names)) if !names.is_empty() => sets.push(names),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sets)
}

/// The unique indexes of a table, filtered ones too, and its row number where that is its key. Indexes over
/// expressions and over generated columns, and those with filters that are not understood, only by their names.
fn indexes(
    connection: &Connection,
    table: &Table,
    natures: &[Nature],
) -> rusqlite::Result<(Vec<UniqueSet>, Vec<String>)> {
    let mut indexes = connection.prepare_cached(
        "SELECT i.name, i.partial, m.sql FROM pragma_index_list(?1, 'main') AS i
         LEFT JOIN main.sqlite_master AS m ON m.type = 'index' AND m.name = i.name WHERE i.\"unique\" = 1",
    )?;
    let mut columns =
        connection.prepare_cached("SELECT name FROM pragma_index_info(?1, 'main') ORDER BY seqno")?;
    let (mut sets, mut unchecked) = (Vec::new(), Vec::new());
    let mut rows = indexes.query([&table.name])?;
    let mut add = |names: Vec<Option<String>>, filter: Vec<Condition>| {
        let column = |name: Option<String>| {
            let at = table.columns.iter().position(|c| Some(&c.name) == name.as_ref())?;
            Some((name?, natures.get(at)?.collation))
        };
        let columns = names.into_iter().map(column).collect::<Option<Vec<_>>>();
        let set = columns.map(|columns| UniqueSet { columns, filter, null_is_value: false });
        let known = set.is_some();
        sets.extend(set);
        known
    };
    while let Some(row) = rows.next()? {
        let (name, partial, sql): (String, bool, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let filter = match partial {
            true => sql.as_deref().and_then(Condition::of_statement),
            false => Some(Vec::new()),
        };
        let names = columns.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        if !filter.filter(|_| !names.is_empty()).is_some_and(|filter| add(names, filter)) {
            unchecked.push(name);
        }
    }
    if let Some(own) = table.columns.iter().find(|column| column.identity) {
        add(vec![Some(own.name.clone())], Vec::new());
    }
    Ok((sets, unchecked))
}

/// The foreign keys in the order they were declared; SQLite numbers them from the last.
fn foreign_keys(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, to, from): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            keys.push((id, ForeignKey { columns: Vec::new(), to, to_columns: Vec::new() }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(from);
            key.to_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}

/// The columns of a foreign key by SQLite's number of it.
pub(super) fn foreign_key(table: &Table, number: i64) -> Option<&ForeignKey> {
    let from_last = usize::try_from(number).ok()?;
    table.foreign_keys.iter().rev().nth(from_last)
}
