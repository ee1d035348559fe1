//! The tables of a database: the catalog of the contract, found by a handful of set-based queries, and what
//! only SQL Server has to say about columns.

use std::collections::{BTreeMap, HashMap};

use super::Facts;
use super::connect::{Connection, WireRow};
use super::fault::Doing;
use super::types::SqlType;
use crate::document::Collation;
use crate::server::{Catalog, Column, ColumnType, Condition, ForeignKey, ServerError, Table, UniqueSet};

/// What is known of a column beside the catalog.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) kind: SqlType,
    /// The collation of a column of text.
    pub(super) collation: Option<String>,
}

/// What is known of a table beside the catalog.
#[derive(Debug, Default)]
struct Detail {
    /// One for each column, in the catalog's order.
    natures: Vec<Nature>,
    /// Unique constraints and indexes by name, the primary key too, with their columns.
    unique: Vec<(String, Vec<String>)>,
    /// The same with what there is to compare by.
    sets: Vec<UniqueSet>,
    /// The names of the foreign keys, in the catalog's order.
    foreign_keys: Vec<String>,
}

/// A unique constraint or index as the catalog has it.
struct Unique {
    name: String,
    primary: bool,
    /// What its rows must pass, where it does not bind all.
    filter: Option<String>,
    columns: Vec<String>,
}

impl Detail {
    /// Adds a unique constraint or index. One with a computed column, or a filter that is not understood, can only be
    /// named in errors.
    fn add(&mut self, table: &mut Table, unique: Unique) {
        let Unique { name, primary, filter, columns } = unique;
        let column = |name: &String| {
            let at = table.columns.iter().position(|column| column.name == *name)?;
            Some((name.clone(), self.natures.get(at)?.compares()))
        };
        let conditions = filter.as_deref().map_or(Some(Vec::new()), Condition::parse);
        if let (Some(columns), Some(filter)) = (columns.iter().map(column).collect(), conditions) {
            self.sets.push(UniqueSet { columns, filter, null_is_value: true });
        } else {
            table.unchecked.push(name.clone());
        }
        match filter {
            None if primary => table.primary_key.clone_from(&columns),
            None => table.unique.push(columns.clone()),
            // It binds no set of columns.
            Some(_) => {}
        }
        self.unique.push((name, columns));
    }
}

impl Nature {
    /// How the column compares text, by the name of its collation: `…_CS_…` and binary ones know case.
    fn compares(&self) -> Collation {
        let name = self.collation.as_deref().unwrap_or_default().to_ascii_uppercase();
        let knows_case = |word: &str| matches!(word, "CS" | "BIN" | "BIN2");
        match name.split('_').any(knows_case) {
            true => Collation::CaseSensitive,
            false => Collation::CaseInsensitive,
        }
    }
}

/// The tables of one schema of a database.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) catalog: Catalog,
    details: Vec<Detail>,
    /// The name of the schema, quoted.
    owner: String,
    pub(super) facts: Facts,
}

/// A column by both its sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'s> {
    pub(super) table: &'s Table,
    pub(super) column: &'s Column,
    pub(super) nature: &'s Nature,
}

const COLUMNS: &str = "\
SELECT t.[object_id], t.[name], c.[column_id], c.[name], y.[name], CAST(c.[max_length] AS int), \
CAST(c.[precision] AS int), CAST(c.[scale] AS int), c.[is_nullable], c.[is_identity], c.[collation_name], \
d.[definition] \
FROM sys.tables AS t \
JOIN sys.schemas AS h ON h.[schema_id] = t.[schema_id] \
JOIN sys.columns AS c ON c.[object_id] = t.[object_id] \
LEFT JOIN sys.types AS y ON y.[user_type_id] = c.[system_type_id] \
LEFT JOIN sys.default_constraints AS d ON d.[parent_object_id] = c.[object_id] AND d.[parent_column_id] = c.[column_id] \
WHERE h.[name] = @P1 AND t.[is_ms_shipped] = 0 AND c.[is_computed] = 0 \
ORDER BY t.[name], c.[column_id]";

const UNIQUE: &str = "\
SELECT i.[object_id], i.[index_id], i.[name], i.[is_primary_key], c.[name], i.[has_filter], i.[filter_definition] \
FROM sys.tables AS t \
JOIN sys.schemas AS h ON h.[schema_id] = t.[schema_id] \
JOIN sys.indexes AS i ON i.[object_id] = t.[object_id] \
JOIN sys.index_columns AS x ON x.[object_id] = i.[object_id] AND x.[index_id] = i.[index_id] \
JOIN sys.columns AS c ON c.[object_id] = x.[object_id] AND c.[column_id] = x.[column_id] \
WHERE h.[name] = @P1 AND i.[is_unique] = 1 AND i.[is_disabled] = 0 \
AND x.[is_included_column] = 0 \
ORDER BY i.[object_id], i.[index_id], x.[key_ordinal]";

const FOREIGN_KEYS: &str = "\
SELECT f.[parent_object_id], f.[object_id], f.[name], r.[name], c.[name], p.[name] \
FROM sys.tables AS t \
JOIN sys.schemas AS h ON h.[schema_id] = t.[schema_id] \
JOIN sys.foreign_keys AS f ON f.[parent_object_id] = t.[object_id] \
JOIN sys.tables AS r ON r.[object_id] = f.[referenced_object_id] \
JOIN sys.foreign_key_columns AS k ON k.[constraint_object_id] = f.[object_id] \
JOIN sys.columns AS c ON c.[object_id] = k.[parent_object_id] AND c.[column_id] = k.[parent_column_id] \
JOIN sys.columns AS p ON p.[object_id] = k.[referenced_object_id] AND p.[column_id] = k.[referenced_column_id] \
WHERE h.[name] = @P1 AND f.[is_disabled] = 0 \
ORDER BY f.[parent_object_id], f.[object_id], k.[constraint_column_id]";

/// Names as they were given. Engines that keep them in lower case still know that, though only here.
const NAMES: &str = "SELECT n.[TABLE_NAME], n.[COLUMN_NAME] FROM INFORMATION_SCHEMA.COLUMNS AS n WHERE n.[TABLE_SCHEMA] = @P1";

#[derive(Default)]
struct Names {
    tables: HashMap<String, String>,
    columns: HashMap<(String, String), String>,
}

impl Names {
    fn learn(&mut self, table: String, column: String) {
        let (table_key, column_key) = (table.to_lowercase(), column.to_lowercase());
        self.columns.insert((table_key.clone(), column_key), column);
        self.tables.insert(table_key, table);
    }

    fn table(&self, name: &mut String) {
        if let Some(spelled) = self.tables.get(&name.to_lowercase()) {
            name.clone_from(spelled);
        }
    }

    fn columns(&self, table: &str, names: &mut Vec<String>) {
        for name in names {
            if let Some(spelled) = self.columns.get(&(table.to_lowercase(), name.to_lowercase())) {
                name.clone_from(spelled);
            }
        }
    }

    fn respell(&self, table: &mut Table, detail: &mut Detail) {
        self.table(&mut table.name);
        let name = table.name.clone();
        for column in &mut table.columns {
            let mut one = vec![std::mem::take(&mut column.name)];
            self.columns(&name, &mut one);
            column.name = one.pop().unwrap_or_default();
        }
        self.columns(&name, &mut table.primary_key);
        table.unique.iter_mut().for_each(|set| self.columns(&name, set));
        detail.unique.iter_mut().for_each(|(_, set)| self.columns(&name, set));
        for set in &mut detail.sets {
            let mut names: Vec<String> = set.columns.iter().map(|(column, _)| column.clone()).collect();
            self.columns(&name, &mut names);
            set.columns.iter_mut().zip(names).for_each(|((column, _), name)| *column = name);
        }
        for key in &mut table.foreign_keys {
            self.table(&mut key.to);
            self.columns(&name, &mut key.columns);
            self.columns(&key.to, &mut key.to_columns);
        }
    }
}

impl Schema {
    /// Reads the tables of a schema, sorted by name. Views hold no documents; computed columns are the server's.
    pub(super) fn discover(
        connection: &mut Connection,
        owner: &str,
        facts: Facts,
    ) -> Result<Self, ServerError> {
        let address = std::sync::Arc::clone(&connection.address);
        let doing = Doing { what: "reading the tables", address: &address, table: "", schema: None };
        let mut ask = |sql: &str, see: &mut dyn FnMut(&WireRow) -> Option<()>| {
            let owner = super::connect::Param::Text(Some(owner.to_owned()));
            connection.query(&doing, sql, vec![owner], &mut |row| {
                see(&row).ok_or_else(|| ServerError::Unsupported {
                    address: address.to_string(),
                    reason: "its catalog does not answer as SQL Server's does".to_owned(),
                })
            })
        };
        let mut tables: Vec<(i32, Table, Detail)> = Vec::new();
        // Columns by object and number, to name them in keys.
        ask(COLUMNS, &mut |row| {
            let id: i32 = row.try_get(0).ok()??;
            if tables.last().is_none_or(|(last, ..)| *last != id) {
                let name = text(row, 1)?;
                let (columns, primary_key, unique, foreign_keys) = Default::default();
                tables.push((
                    id,
                    Table { name, columns, primary_key, unique, foreign_keys, unchecked: Vec::new() },
                    Detail::default(),
                ));
            }
            let (_, table, detail) = tables.last_mut()?;
            let number = |at| row.try_get::<i32, _>(at).ok().flatten();
            let base = text(row, 4).unwrap_or_default();
            let kind = SqlType::of(&base, number(5)?, number(6)?, number(7)?);
            table.columns.push(Column {
                name: text(row, 3)?,
                declared: kind.declared(),
                kind: ColumnType::of(&kind.declared()),
                nullable: row.try_get(8).ok()??,
                // The server fills a row version by itself.
                default: text(row, 11).filter(|_| kind != SqlType::RowVersion),
                identity: row.try_get(9).ok()??,
            });
            detail.natures.push(Nature { kind, collation: text(row, 10) });
            Some(())
        })?;
        let at: HashMap<i32, usize> = tables.iter().enumerate().map(|(at, (id, ..))| (*id, at)).collect();
        let mut unique: BTreeMap<(i32, i32), Unique> = BTreeMap::new();
        ask(UNIQUE, &mut |row| {
            let key = (row.try_get(0).ok()??, row.try_get(1).ok()??);
            let (name, primary) = (text(row, 2).unwrap_or_default(), row.try_get(3).ok()??);
            let filtered: bool = row.try_get(5).ok()??;
            let filter = filtered.then(|| text(row, 6).unwrap_or_default());
            let new = || Unique { name, primary, filter, columns: Vec::new() };
            unique.entry(key).or_insert_with(new).columns.push(text(row, 4)?);
            Some(())
        })?;
        for ((table, _), unique) in unique {
            if let Some((_, table, detail)) = at.get(&table).and_then(|at| tables.get_mut(*at)) {
                detail.add(table, unique);
            }
        }
        let mut last = None;
        ask(FOREIGN_KEYS, &mut |row| {
            let table: i32 = row.try_get(0).ok()??;
            let key: i32 = row.try_get(1).ok()??;
            let Some((_, table, detail)) = at.get(&table).and_then(|at| tables.get_mut(*at)) else {
                return Some(());
            };
            if last.replace(key) != Some(key) {
                detail.foreign_keys.push(text(row, 2)?);
                let (columns, to_columns) = Default::default();
                table.foreign_keys.push(ForeignKey { columns, to: text(row, 3)?, to_columns });
            }
            let found = table.foreign_keys.last_mut()?;
            found.columns.push(text(row, 4)?);
            found.to_columns.push(text(row, 5)?);
            Some(())
        })?;
        let spelled = |text: &str| text.bytes().any(|b| b.is_ascii_uppercase());
        let folds = |table: &Table| !spelled(&table.name) && !table.columns.iter().any(|c| spelled(&c.name));
        if !tables.is_empty() && tables.iter().all(|(_, table, _)| folds(table)) {
            let mut names = Names::default();
            ask(NAMES, &mut |row| {
                names.learn(text(row, 0)?, text(row, 1)?);
                Some(())
            })?;
            tables.iter_mut().for_each(|(_, table, detail)| names.respell(table, detail));
        }
        let (mut catalog, mut details) = (Catalog::default(), Vec::new());
        // The server sorts by its own collation.
        tables.sort_by(|(_, a, _), (_, b, _)| a.name.cmp(&b.name));
        for (_, table, detail) in tables {
            catalog.tables.push(table);
            details.push(detail);
        }
        Ok(Self { catalog, details, owner: quoted(owner), facts })
    }

    /// A table as statements name it, with its schema.
    pub(super) fn qualified(&self, table: &Table) -> String {
        format!("{}.{}", self.owner, quoted(&table.name))
    }

    /// Finds a table, without regard to case.
    pub(super) fn table(&self, name: &str) -> Result<&Table, ServerError> {
        self.catalog.table(name).ok_or_else(|| ServerError::NoTable(name.to_owned()))
    }

    /// What is unique in a table, found without regard to case.
    pub(super) fn unique_sets(&self, table: &str) -> &[UniqueSet] {
        let at = self.catalog.tables.iter().position(|t| t.name.eq_ignore_ascii_case(table));
        at.and_then(|at| self.details.get(at)).map_or(&[], |detail| detail.sets.as_slice())
    }

    /// Finds columns of a table, without regard to case.
    pub(super) fn fields(&self, table: &str, names: &[&str]) -> Result<Vec<Field<'_>>, ServerError> {
        let missing = || ServerError::NoTable(table.to_owned());
        let tables = &self.catalog.tables;
        let at = tables.iter().position(|t| t.name.eq_ignore_ascii_case(table)).ok_or_else(missing)?;
        let (table, detail) = tables.get(at).zip(self.details.get(at)).ok_or_else(missing)?;
        let find = |name: &&str| {
            let mut both = table.columns.iter().zip(&detail.natures);
            let found = both.find(|(column, _)| column.name.eq_ignore_ascii_case(name));
            let found = found.map(|(column, nature)| Field { table, column, nature });
            found.ok_or_else(|| ServerError::NoColumn {
                table: table.name.clone(),
                column: (*name).to_owned(),
            })
        };
        names.iter().map(find).collect()
    }

    /// The first unique constraint or index whose name satisfies: its table and columns.
    pub(super) fn unique_named(&self, is: impl Fn(&str) -> bool) -> Option<(&Table, &Vec<String>)> {
        self.catalog.tables.iter().zip(&self.details).find_map(|(table, detail)| {
            let found = detail.unique.iter().find(|(name, _)| is(name));
            found.map(|(_, columns)| (table, columns))
        })
    }

    /// The first foreign key whose name satisfies, and its table.
    pub(super) fn foreign_key_named(&self, is: impl Fn(&str) -> bool) -> Option<(&Table, &ForeignKey)> {
        self.catalog.tables.iter().zip(&self.details).find_map(|(table, detail)| {
            let at = detail.foreign_keys.iter().position(|name| is(name))?;
            Some((table, table.foreign_keys.get(at)?))
        })
    }
}

/// Says whether no two rows can agree in these columns, NULL counted as a value.
pub(super) fn are_unique(fields: &[Field<'_>]) -> bool {
    let Some(table) = fields.first().map(|field| field.table) else { return false };
    let covers = |set: &Vec<String>| {
        let has = |name: &String| fields.iter().any(|f| f.column.name.eq_ignore_ascii_case(name));
        !set.is_empty() && set.iter().all(has)
    };
    covers(&table.primary_key) || table.unique.iter().any(covers)
}

/// A name as T-SQL takes it.
pub(super) fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn text(row: &WireRow, at: usize) -> Option<String> {
    row.try_get::<&str, _>(at).ok().flatten().map(str::to_owned)
}
