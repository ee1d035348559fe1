//! What tables a server has. Columns are discovered, not assumed.

use super::defaults::Literal;
use crate::document::{Value, canonical_decimal};

/// The tables of a server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// The tables, sorted by name.
    pub tables: Vec<Table>,
}

impl Catalog {
    /// Finds a table, without regard to case.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its name as the server spells it.
    pub name: String,
    /// Its columns in the server's order.
    pub columns: Vec<Column>,
    /// The columns of its primary key; empty where it has none.
    pub primary_key: Vec<String>,
    /// Column sets that are unique besides the primary key.
    pub unique: Vec<Vec<String>>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// The names of unique indexes that nobody can hold rows to but the server: over what is computed, or with a filter
    /// that is not understood.
    pub unchecked: Vec<String>,
}

impl Table {
    /// Finds a column, without regard to case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name as the server spells it.
    pub name: String,
    /// The declared T-SQL type: `nvarchar(200)`.
    pub declared: String,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// The SQL text of its default, where it has one.
    pub default: Option<String>,
    /// Whether the server numbers rows that bring no value.
    pub identity: bool,
}

impl Column {
    /// What a new row holds that names no value; `None` where that is the server's to say: a number it gives, the
    /// time, an expression.
    pub fn default_value(&self) -> Option<Value> {
        let Some(default) = self.default.as_deref() else { return (!self.identity).then_some(Value::Null) };
        let value = match Literal::of(default)? {
            Literal::Null => Value::Null,
            Literal::Number(number) => canonical_decimal(number)?,
            Literal::Text(text) => Value::from(text.replace("''", "'")),
            Literal::Now | Literal::Today | Literal::Clock => return None,
        };
        Some(self.kind.canonical(value))
    }
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table referred to.
    pub to: String,
    /// The columns referred to; empty for that table's primary key.
    pub to_columns: Vec<String>,
}

/// What a column holds, by its declared T-SQL type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `bit`.
    Bit,
    /// `tinyint` to `bigint`.
    Int,
    /// `decimal`, `numeric`, `money`, `smallmoney`: exact, without needless zeros.
    Decimal,
    /// `float`, `real`.
    Float,
    /// Character types, dates, times, GUIDs, xml.
    Text,
    /// `binary`, `varbinary`, `image`.
    Binary,
    /// `timestamp` and `rowversion`: the server writes it itself. Never read, never written.
    RowVersion,
}

impl ColumnType {
    /// Reads a declared type such as `nvarchar(200)`. An unknown type holds text.
    pub fn of(declared: &str) -> Self {
        let end = declared.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(declared.len());
        match declared.get(..end).unwrap_or_default().to_ascii_lowercase().as_str() {
            "bit" => ColumnType::Bit,
            "tinyint" | "smallint" | "int" | "integer" | "bigint" => ColumnType::Int,
            "decimal" | "numeric" | "money" | "smallmoney" => ColumnType::Decimal,
            "float" | "real" | "double" => ColumnType::Float,
            "binary" | "varbinary" | "image" | "blob" => ColumnType::Binary,
            "timestamp" | "rowversion" => ColumnType::RowVersion,
            _ => ColumnType::Text,
        }
    }

    /// Brings a value as a driver gives it into the one form that documents use for this type.
    ///
    /// A value that does not fit the type is left as it is: it travels unchanged, and a target that is
    /// stricter will say so.
    pub fn canonical(self, value: Value) -> Value {
        match (self, value) {
            (ColumnType::Bit, Value::Int(0)) => Value::Bool(false),
            (ColumnType::Bit, Value::Int(1)) => Value::Bool(true),
            (ColumnType::Decimal | ColumnType::Float, Value::Number(text)) => {
                canonical_decimal(&text).unwrap_or(Value::Number(text))
            }
            (ColumnType::Decimal, Value::Text(text)) => canonical_decimal(&text).unwrap_or(Value::Text(text)),
            (_, value) => value,
        }
    }
}
