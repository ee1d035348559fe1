//! The statements that make the tables of a catalog in SQLite.
//!
//! Declared types stay what they are, so that a copy of a server tells its columns apart as the server
//! does. Text compares without regard to case, as the product's servers are installed.

use super::schema::Affinity;
use crate::server::defaults::Literal;
use crate::server::{Catalog, Column, ColumnType, ServerError, Table};

/// Writes the statements for all tables.
///
/// # Errors
/// [`ServerError::Failed`] for a declared type that cannot be written down.
pub(super) fn of(catalog: &Catalog) -> Result<String, ServerError> {
    let mut sql = String::new();
    for table in &catalog.tables {
        write_table(&mut sql, table)?;
    }
    Ok(sql)
}

fn write_table(sql: &mut String, table: &Table) -> Result<(), ServerError> {
    let mut lines = Vec::new();
    for column in &table.columns {
        lines.push(column_line(table, column)?);
    }
    if !table.primary_key.is_empty() {
        lines.push(format!("PRIMARY KEY ({})", names(&table.primary_key)));
    }
    for set in table.unique.iter().filter(|set| !set.is_empty()) {
        lines.push(format!("UNIQUE ({})", names(set)));
    }
    for key in &table.foreign_keys {
        let to =
            if key.to_columns.is_empty() { String::new() } else { format!(" ({})", names(&key.to_columns)) };
        lines.push(format!("FOREIGN KEY ({}) REFERENCES {}{to}", names(&key.columns), name(&key.to)));
    }
    sql.push_str(&format!("CREATE TABLE {} (\n  {}\n);\n", name(&table.name), lines.join(",\n  ")));
    Ok(())
}

fn column_line(table: &Table, column: &Column) -> Result<String, ServerError> {
    // SQLite numbers rows where their whole key has this type, and nowhere else.
    let numbers = column.identity && table.primary_key == [column.name.as_str()];
    let text = if numbers { "integer" } else { &column.declared };
    let declared = declared(text).ok_or_else(|| {
        let what = format!("column {:?} has the type {:?}", column.name, column.declared);
        super::fault::failed(&format!("creating {}", table.name), what)
    })?;
    let mut line = format!("{} {declared}", name(&column.name));
    // Nobody but the product's server could fill a row version.
    if !column.nullable && column.kind != ColumnType::RowVersion {
        line.push_str(" NOT NULL");
    }
    if let Some(default) = column.default.as_deref().and_then(default) {
        line.push_str(" DEFAULT ");
        line.push_str(&default);
    }
    if column.kind == ColumnType::Text && Affinity::of(&declared) == Affinity::Text {
        line.push_str(" COLLATE NOCASE");
    }
    Ok(line)
}

/// A declared type as SQLite's grammar takes it: words, and one or two numbers. `max` is -1 there.
fn declared(text: &str) -> Option<String> {
    let (words, rest) = text.split_once('(').unwrap_or((text, ")"));
    let arguments = rest.strip_suffix(')')?.trim();
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !words.split_whitespace().all(is_word) {
        return None;
    }
    let words =
        words.split_whitespace().map(|word| if is_reserved(word) { name(word) } else { word.to_owned() });
    let words = words.collect::<Vec<_>>().join(" ");
    if arguments.is_empty() {
        return Some(words);
    }
    if words.is_empty() {
        return None;
    }
    let number = |text: &str| match text.trim() {
        max if max.eq_ignore_ascii_case("max") => Some("-1".to_owned()),
        number => number.parse::<i32>().ok().map(|number| number.to_string()),
    };
    let numbers = arguments.split(',').map(number).collect::<Option<Vec<_>>>()?;
    (numbers.len() <= 2).then(|| format!("{words}({})", numbers.join(",")))
}

/// Words that would end the type and begin something else.
fn is_reserved(word: &str) -> bool {
    const RESERVED: [&str; 14] = [
        "as",
        "check",
        "collate",
        "constraint",
        "default",
        "foreign",
        "generated",
        "not",
        "null",
        "primary",
        "references",
        "unique",
        "on",
        "always",
    ];
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// A default as SQLite takes it. Other expressions of T-SQL mean nothing here and are left out; a row must then
/// bring its value.
fn default(text: &str) -> Option<String> {
    Some(match Literal::of(text)? {
        Literal::Null => "NULL".to_owned(),
        Literal::Number(number) => number.to_owned(),
        Literal::Text(inside) => format!("'{inside}'"),
        Literal::Now => "CURRENT_TIMESTAMP".to_owned(),
        Literal::Today => "CURRENT_DATE".to_owned(),
        Literal::Clock => "CURRENT_TIME".to_owned(),
    })
}

fn names(columns: &[String]) -> String {
    columns.iter().map(|column| name(column)).collect::<Vec<_>>().join(", ")
}

/// A name in brackets, or in quotes where it has a bracket itself.
fn name(name: &str) -> String {
    if name.contains(']') { super::view::quoted(name) } else { format!("[{name}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_kept_and_nothing_else_gets_in() {
        assert_eq!(declared("nvarchar(200)").as_deref(), Some("nvarchar(200)"));
        assert_eq!(declared("nvarchar(max)").as_deref(), Some("nvarchar(-1)"));
        assert_eq!(declared("NUMERIC(10, 2)").as_deref(), Some("NUMERIC(10,2)"));
        assert_eq!(declared("double precision").as_deref(), Some("double precision"));
        assert_eq!(declared("").as_deref(), Some(""));
        assert_eq!(declared("int not null").as_deref(), Some("int [not] [null]"));
        for wrong in ["int); DROP TABLE x; --", "int, b int", "nvarchar(1", "int(1,2,3)", "a'b", "(3)"] {
            assert_eq!(declared(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn defaults_are_literals_or_the_time() {
        for (text, expected) in [
            ("((0))", Some("0")),
            ("(N'it''s')", Some("'it''s'")),
            ("'a'", Some("'a'")),
            ("(getutcdate())", Some("CURRENT_TIMESTAMP")),
            ("getdate()", Some("CURRENT_TIMESTAMP")),
            ("current_date", Some("CURRENT_DATE")),
            ("(-1.5)", Some("-1.5")),
            ("(newid())", None),
            ("'a') , x int, (y default 'b'", None),
            ("'a' || (select 'x')", None),
            ("1); DROP TABLE x; --", None),
            ("-", None),
        ] {
            assert_eq!(default(text).as_deref(), expected, "{text}");
        }
    }
}
