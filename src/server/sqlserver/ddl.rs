//! The statements that make the tables of a catalog on a SQL Server.
//!
//! Declared types are T-SQL's already; what only SQLite knows becomes the type that holds as much. A key cannot
//! be of `nvarchar(max)`: it becomes as long as an index takes, and a longer value is then refused, never cut.
//! Checks, computed columns, triggers, indexes that are not unique and what happens to rows that refer to a
//! deleted one are no part of a catalog, so the tables have none.

use std::collections::HashSet;

use super::declared::Declared;
use crate::server::defaults::Literal;
use crate::server::spelling::Spelled;
use crate::server::{Catalog, Column, ColumnType, ForeignKey, ServerError, Table};

/// How long a name may be, in UTF-16 units.
const LONGEST_NAME: usize = 128;
/// How many bytes the key of a clustered index has at the most.
const KEY_BYTES: usize = 900;
/// How many foreign keys are followed to the column that has the type.
const MOST_STEPS: usize = 32;

/// Writes the statements: each table, then the foreign keys, which may go round in circles.
///
/// # Errors
/// [`ServerError::Failed`], naming the table and what cannot be made of it: a type that SQL Server has not, a key
/// of a type that no index takes, a foreign key to columns that are not unique, a name that is too long.
pub(in crate::server) fn statements(catalog: &Catalog, schema: &str) -> Result<Vec<String>, ServerError> {
    let mut names = Names::default();
    for table in &catalog.tables {
        names.check(&table.name, &table.name)?;
        names.taken.insert(table.name.to_lowercase());
    }
    let schema = quoted(schema);
    let mut statements = Vec::new();
    for table in &catalog.tables {
        statements.push(create_table(catalog, table, &schema, &mut names)?);
    }
    for table in &catalog.tables {
        for key in &table.foreign_keys {
            statements.push(add_foreign_key(catalog, table, key, &schema, &mut names)?);
        }
    }
    Ok(statements)
}

/// The names in use in a schema: tables and constraints share them.
#[derive(Default)]
struct Names {
    taken: HashSet<String>,
}

impl Names {
    fn check(&self, table: &str, name: &str) -> Result<(), ServerError> {
        let what = |what: &str| Err(cannot(table, format!("{name:?} {what}")));
        if name.is_empty() || name.contains('\0') {
            what("cannot be a name")
        } else if name.encode_utf16().count() > LONGEST_NAME {
            what("is longer than 128 characters")
        } else if name == table && name.starts_with('#') {
            what("would be a temporary table")
        } else {
            Ok(())
        }
    }

    /// A name for a constraint that nothing else in the schema has.
    fn constraint(&mut self, name: &str) -> String {
        for number in 1usize.. {
            let end = if number == 1 { String::new() } else { format!("_{number}") };
            let mut units = LONGEST_NAME - end.len();
            let fits = |letter: &char| {
                let left = units.checked_sub(letter.len_utf16());
                units = left.unwrap_or(0);
                left.is_some()
            };
            let tried = name.chars().take_while(fits).collect::<String>() + &end;
            if self.taken.insert(tried.to_lowercase()) {
                return quoted(&tried);
            }
        }
        quoted(name)
    }
}

fn create_table(
    catalog: &Catalog,
    table: &Table,
    schema: &str,
    names: &mut Names,
) -> Result<String, ServerError> {
    if table.columns.is_empty() {
        return Err(cannot(&table.name, "it has no columns"));
    }
    let mut lines = Vec::new();
    for column in &table.columns {
        names.check(&table.name, &column.name)?;
        lines.push(column_line(catalog, table, column)?);
    }
    if !table.primary_key.is_empty() {
        let name = names.constraint(&format!("PK_{}", table.name));
        lines.push(format!("CONSTRAINT {name} PRIMARY KEY CLUSTERED ({})", list(table, &table.primary_key)?));
    }
    for set in table.unique.iter().filter(|set| !set.is_empty()) {
        let name = names.constraint(&format!("UQ_{}_{}", table.name, set.join("_")));
        lines.push(format!("CONSTRAINT {name} UNIQUE ({})", list(table, set)?));
    }
    Ok(format!("CREATE TABLE {schema}.{} (\n  {}\n)", quoted(&table.name), lines.join(",\n  ")))
}

fn column_line(catalog: &Catalog, table: &Table, column: &Column) -> Result<String, ServerError> {
    let sql_type = type_of(catalog, table, column, MOST_STEPS)?;
    let mut line = format!("{} {sql_type}", quoted(&column.name));
    if column.identity {
        line.push_str(" IDENTITY(1,1)");
    }
    // The server fills row versions itself; that the embedded one cannot makes them nullable there alone.
    let filled = column.identity || column.kind == ColumnType::RowVersion;
    let nullable = column.nullable && !filled && !in_set(&table.primary_key, column);
    line.push_str(if nullable { " NULL" } else { " NOT NULL" });
    if !column.identity
        && column.kind != ColumnType::RowVersion
        && let Some(default) = column.default.as_deref().and_then(|text| default(&sql_type, text))
    {
        line.push_str(&format!(" DEFAULT ({default})"));
    }
    Ok(line)
}

/// The type of a column: that of the column it refers to, since both must have the same; in a key, one that an
/// index takes.
fn type_of(catalog: &Catalog, table: &Table, column: &Column, steps: usize) -> Result<Declared, ServerError> {
    let wrong = |what: &str| {
        cannot(&table.name, format!("column {:?} has the type {:?}, {what}", column.name, column.declared))
    };
    let own = Declared::of(&column.declared).ok_or_else(|| wrong("which SQL Server has not"))?;
    for key in table.foreign_keys.iter().filter(|key| in_set(&key.columns, column)) {
        let to = referred(catalog, table, key)?;
        let columns = to_columns(to, key);
        let at = key.columns.iter().position(|name| name.eq_ignore_ascii_case(&column.name));
        let Some(other) = at.and_then(|at| columns.get(at)).and_then(|name| to.column(name)) else {
            return Err(cannot(&table.name, "a foreign key has fewer columns there than here"));
        };
        let itself = to.name == table.name && other.name == column.name;
        if itself || steps == 0 {
            continue;
        }
        let theirs = type_of(catalog, to, other, steps - 1)?;
        if !theirs.is_like(&own) {
            return Err(wrong("and refers to a column of another one"));
        }
        return Ok(theirs);
    }
    let sets = table.unique.iter().chain([&table.primary_key]).filter(|set| in_set(set, column));
    let mut fitting = own;
    for set in sets {
        let columns = set.iter().filter_map(|name| table.column(name));
        let endless = columns.filter(|c| Declared::of(&c.declared).is_some_and(|t| t.is_endless())).count();
        fitting = fitting
            .in_key(KEY_BYTES / endless.max(1))
            .ok_or_else(|| wrong("of which no index is made, and it is part of a key"))?;
    }
    Ok(fitting)
}

fn add_foreign_key(
    catalog: &Catalog,
    table: &Table,
    key: &ForeignKey,
    schema: &str,
    names: &mut Names,
) -> Result<String, ServerError> {
    let to = referred(catalog, table, key)?;
    let columns = to_columns(to, key);
    let same = |set: &[String]| {
        set.len() == columns.len()
            && columns.iter().all(|name| set.iter().any(|other| other.eq_ignore_ascii_case(name)))
    };
    if !same(&to.primary_key) && !to.unique.iter().any(|set| same(set)) {
        let what = format!("it refers to columns of {:?} that are not unique", to.name);
        return Err(cannot(&table.name, what));
    }
    let name = names.constraint(&format!("FK_{}_{}", table.name, key.columns.join("_")));
    Ok(format!(
        "ALTER TABLE {schema}.{} ADD CONSTRAINT {name} FOREIGN KEY ({}) REFERENCES {schema}.{} ({})",
        quoted(&table.name),
        list(table, &key.columns)?,
        quoted(&to.name),
        list(to, columns)?,
    ))
}

fn referred<'c>(catalog: &'c Catalog, table: &Table, key: &ForeignKey) -> Result<&'c Table, ServerError> {
    let missing = || cannot(&table.name, format!("it refers to {:?}, which is not there", key.to));
    catalog.table(&key.to).ok_or_else(missing)
}

fn to_columns<'k>(to: &'k Table, key: &'k ForeignKey) -> &'k [String] {
    if key.to_columns.is_empty() { &to.primary_key } else { &key.to_columns }
}

fn in_set(set: &[String], column: &Column) -> bool {
    set.iter().any(|name| name.eq_ignore_ascii_case(&column.name))
}

/// Names of columns, as the table spells them.
fn list(table: &Table, columns: &[String]) -> Result<String, ServerError> {
    let name = |name: &String| {
        let column = table
            .column(name)
            .ok_or_else(|| ServerError::NoColumn { table: table.name.clone(), column: name.clone() })?;
        Ok(quoted(&column.name))
    };
    Ok(columns.iter().map(name).collect::<Result<Vec<_>, ServerError>>()?.join(", "))
}

/// A default as T-SQL takes it. Times are UTC's, as SQLite's are.
fn default(sql_type: &Declared, text: &str) -> Option<String> {
    Some(match Literal::of(text)? {
        Literal::Null => return None,
        Literal::Number(number) => number.to_owned(),
        Literal::Text(inside) => match sql_type.spelled().and_then(|spelled| literal(spelled, inside)) {
            Some(time) => format!("'{time}'"),
            None => format!("N'{inside}'"),
        },
        Literal::Now if sql_type.spelled().is_some_and(|s| matches!(s, Spelled::DateTimeOffset(_))) => {
            "sysdatetimeoffset()".to_owned()
        }
        Literal::Now => "sysutcdatetime()".to_owned(),
        Literal::Today => "CONVERT(date, sysutcdatetime())".to_owned(),
        Literal::Clock => "CONVERT(time, sysutcdatetime())".to_owned(),
    })
}

/// A time as every language of a login reads it: with a `T`.
fn literal(spelled: Spelled, text: &str) -> Option<String> {
    let one = spelled.canonical(text)?;
    Some(match spelled {
        Spelled::DateTime | Spelled::SmallDateTime => one.replacen(' ', "T", 1),
        _ => one,
    })
}

fn cannot(table: &str, what: impl Into<String>) -> ServerError {
    ServerError::Failed { doing: format!("creating {table}"), source: what.into().into() }
}

/// A name in brackets.
fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::sqlite;

    fn of(ddl: &str) -> Result<Vec<String>, ServerError> {
        statements(&sqlite::catalog_of(ddl)?, "dbo")
    }

    fn reason(error: &ServerError) -> String {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    #[test]
    fn the_products_tables_are_made() {
        for (ddl, tables, keys) in [
            (include_str!("../../model/octopus-2018.sql"), 49, 2),
            (include_str!("../../model/octopus-spaces.sql"), 57, 2),
        ] {
            let made = of(ddl).unwrap();
            assert_eq!(made.iter().filter(|s| s.starts_with("CREATE TABLE [dbo].[")).count(), tables);
            assert_eq!(made.iter().filter(|s| s.starts_with("ALTER TABLE [dbo].[")).count(), keys);
            assert_eq!(made.len(), tables + keys);
            let text = made.join("\n");
            for line in [
                "[JSON] nvarchar(max) NOT NULL",
                "[DataVersion] rowversion NOT NULL",
                "[Id] int IDENTITY(1,1) NOT NULL",
                "[AutoId] bigint NOT NULL",
                "[NotAfter] datetimeoffset(0) NOT NULL",
                "[Created] datetimeoffset(7) NOT NULL",
                "[ExternalId] uniqueidentifier NOT NULL",
                "CONSTRAINT [PK_Account] PRIMARY KEY CLUSTERED ([Id])",
                "ADD CONSTRAINT [FK_EventRelatedDocument_EventId] FOREIGN KEY ([EventId]) REFERENCES [dbo].[Event] ([Id])",
            ] {
                assert!(text.contains(line), "{line}\n{text}");
            }
            assert!(!text.contains("(-1)") && !text.contains("COLLATE"), "{text}");
        }
    }

    #[test]
    fn odd_names_and_types_are_made_as_they_are_meant() {
        let made = of(
            "CREATE TABLE \"a]b\" (\"x]\" TEXT PRIMARY KEY, [it's] nvarchar(20) DEFAULT 'it''s', n DEFAULT 7);
             CREATE TABLE [FK_c_a] (a INTEGER PRIMARY KEY, t datetime DEFAULT '2018-08-01 10:00:00', s timestamp,
                u datetimeoffset DEFAULT CURRENT_TIMESTAMP, d date DEFAULT (CURRENT_DATE), r DEFAULT (abs(1)));
             CREATE TABLE c (a bigint REFERENCES [FK_c_a], b varchar(5) REFERENCES [a]]b](\"x]\"), c int REFERENCES c(d),
                d int UNIQUE, PRIMARY KEY (a, b));"
                .replace("[a]]b]", "\"a]b\"")
                .as_str(),
        )
        .unwrap();
        assert_eq!(
            made,
            [
                "CREATE TABLE [dbo].[FK_c_a] (\n  [a] int IDENTITY(1,1) NOT NULL,\n  \
                 [t] datetime NULL DEFAULT ('2018-08-01T10:00:00'),\n  [s] rowversion NOT NULL,\n  \
                 [u] datetimeoffset(7) NULL DEFAULT (sysdatetimeoffset()),\n  \
                 [d] date NULL DEFAULT (CONVERT(date, sysutcdatetime())),\n  [r] nvarchar(max) NULL,\n  \
                 CONSTRAINT [PK_FK_c_a] PRIMARY KEY CLUSTERED ([a])\n)",
                "CREATE TABLE [dbo].[a]]b] (\n  [x]]] nvarchar(450) NOT NULL,\n  \
                 [it's] nvarchar(20) NULL DEFAULT (N'it''s'),\n  [n] nvarchar(max) NULL DEFAULT (7),\n  \
                 CONSTRAINT [PK_a]]b] PRIMARY KEY CLUSTERED ([x]]])\n)",
                "CREATE TABLE [dbo].[c] (\n  [a] int NOT NULL,\n  [b] nvarchar(450) NOT NULL,\n  [c] int NULL,\n  \
                 [d] int NULL,\n  CONSTRAINT [PK_c] PRIMARY KEY CLUSTERED ([a], [b]),\n  \
                 CONSTRAINT [UQ_c_d] UNIQUE ([d])\n)",
                // A table has that name already.
                "ALTER TABLE [dbo].[c] ADD CONSTRAINT [FK_c_a_2] FOREIGN KEY ([a]) REFERENCES [dbo].[FK_c_a] ([a])",
                "ALTER TABLE [dbo].[c] ADD CONSTRAINT [FK_c_b] FOREIGN KEY ([b]) REFERENCES [dbo].[a]]b] ([x]]])",
                "ALTER TABLE [dbo].[c] ADD CONSTRAINT [FK_c_c] FOREIGN KEY ([c]) REFERENCES [dbo].[c] ([d])",
            ]
        );
    }

    #[test]
    fn names_of_constraints_are_alone_and_fit() {
        let long = "t".repeat(126);
        let ddl = format!(
            "CREATE TABLE {long} (a int PRIMARY KEY, b int UNIQUE, c int UNIQUE); \
             CREATE TABLE {long}2 (a int PRIMARY KEY, b int UNIQUE REFERENCES {long}2, c int REFERENCES {long});"
        );
        let text = of(&ddl).unwrap().join("\n");
        let names: Vec<&str> = text
            .match_indices("CONSTRAINT [")
            .filter_map(|(at, found)| text[at + found.len()..].split(']').next())
            .collect();
        assert_eq!(names.len(), 7);
        assert!(names.iter().all(|name| name.encode_utf16().count() <= 128), "{names:?}");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 7, "{names:?}");
    }

    #[test]
    fn circles_of_foreign_keys_end() {
        let made = of("CREATE TABLE a (x int PRIMARY KEY REFERENCES b(x)); CREATE TABLE b (x int PRIMARY KEY REFERENCES a(x));")
            .unwrap();
        assert_eq!(made.len(), 4);
    }

    #[test]
    fn what_cannot_be_made_is_named() {
        let long = "c".repeat(129);
        for (ddl, pieces) in [
            ("CREATE TABLE t (a int); INSERT INTO t VALUES (1)", ["reading the tables", "rows into t"]),
            ("CREATE TABLE t (a geography)", ["creating t", "\"geography\""]),
            ("CREATE TABLE t (a xml PRIMARY KEY)", ["creating t", "part of a key"]),
            ("CREATE TABLE t (a int REFERENCES gone)", ["creating t", "\"gone\", which is not there"]),
            ("CREATE TABLE t (a int REFERENCES u(b)); CREATE TABLE u (b int)", ["creating t", "not unique"]),
            (
                "CREATE TABLE t (a int REFERENCES u); CREATE TABLE u (b date PRIMARY KEY)",
                ["creating t", "another one"],
            ),
            ("CREATE TABLE \"#t\" (a int)", ["creating #t", "temporary"]),
            (&format!("CREATE TABLE t ({long} int)"), ["creating t", "longer than 128"]),
        ] {
            let error = reason(&of(ddl).unwrap_err());
            for piece in pieces {
                assert!(error.contains(piece), "{ddl}: {error}");
            }
        }
    }
}
