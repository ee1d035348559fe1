//! What a parsed statement is.

use crate::types::Type;
use rusqlite::types::Value;

/// A table's name: of a database, a schema; `#name` is temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub name: String,
}

impl Name {
    pub fn is_temporary(&self) -> bool {
        self.name.starts_with('#')
    }

    pub fn written(&self) -> String {
        let parts = [self.database.as_deref(), self.schema.as_deref(), Some(self.name.as_str())];
        parts.into_iter().flatten().collect::<Vec<_>>().join(".")
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Literal(Value, Type),
    Null,
    Column {
        table: Option<String>,
        name: String,
    },
    Variable(String),
    Global(String),
    Star,
    Negate(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Compare(&'static str, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>, bool),
    In(Box<Expr>, Vec<Expr>, bool),
    InSelect(Box<Expr>, Box<Select>, bool),
    Like(Box<Expr>, Box<Expr>, Option<Box<Expr>>, bool),
    Between(Box<Expr>, Box<Expr>, Box<Expr>, bool),
    Exists(Box<Select>),
    Subquery(Box<Select>),
    Cast {
        value: Box<Expr>,
        to: Type,
        style: Option<Box<Expr>>,
    },
    Call(String, Vec<Expr>),
    Collate(Box<Expr>, String),
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// DEFAULT in VALUES or SET.
    Default,
}

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Star(Option<String>),
    Value {
        value: Expr,
        name: Option<String>,
    },
    /// `@x = value`
    Assign(String, Expr),
}

#[derive(Clone, Debug)]
pub(crate) struct JsonColumn {
    pub name: String,
    pub ty: Type,
    pub collation: Option<String>,
    pub path: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum SourceKind {
    Table(Name),
    Json { text: Expr, columns: Vec<JsonColumn> },
    Derived(Box<Select>),
}

#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub kind: SourceKind,
    pub alias: Option<String>,
    pub hints: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Inner,
    Left,
    Cross,
}

#[derive(Clone, Debug)]
pub(crate) struct From {
    pub first: Source,
    pub joins: Vec<(Join, Source, Option<Expr>)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    pub distinct: bool,
    pub top: Option<Expr>,
    pub items: Vec<Item>,
    pub from: Option<From>,
    pub filter: Option<Expr>,
    pub group: Vec<Expr>,
    pub having: Option<Expr>,
    pub order: Vec<(Expr, bool)>,
    pub offset: Option<Expr>,
    pub fetch: Option<Expr>,
    /// UNION ALL of these.
    pub more: Vec<Select>,
}

#[derive(Clone, Debug)]
pub(crate) enum InsertSource {
    Values(Vec<Vec<Expr>>),
    Select(Box<Select>),
    Defaults,
}

/// An expression with the text it was read from, which the catalog keeps.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub text: String,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnDef {
    pub name: String,
    pub ty: Option<Type>,
    pub collation: Option<String>,
    pub nullable: Option<bool>,
    pub identity: Option<(i64, i64)>,
    pub default: Option<(Option<String>, Written)>,
    pub computed: Option<Written>,
}

#[derive(Clone, Debug)]
pub(crate) enum Constraint {
    Key { name: Option<String>, primary: bool, columns: Vec<String> },
    Check { name: Option<String>, condition: Written },
    Foreign { name: Option<String>, columns: Vec<String>, references: Name, referenced: Vec<String> },
    Default { name: Option<String>, value: Written, column: String },
}

#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Named(String, Expr),
    Plain(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
    Snapshot,
}

#[derive(Clone, Debug)]
pub(crate) enum Statement {
    Select(Box<Select>),
    Insert { table: Name, columns: Option<Vec<String>>, source: InsertSource },
    Update { target: Name, sets: Vec<(String, Expr)>, from: Option<From>, filter: Option<Expr> },
    Delete { target: Name, from: Option<From>, filter: Option<Expr> },
    CreateTable { table: Name, columns: Vec<ColumnDef>, constraints: Vec<Constraint> },
    AddConstraint { table: Name, constraint: Constraint, check: bool },
    AddColumns { table: Name, columns: Vec<ColumnDef>, constraints: Vec<Constraint> },
    DropConstraint { table: Name, name: String },
    DropColumn { table: Name, name: String },
    CreateIndex { name: String, unique: bool, table: Name, columns: Vec<String>, included: Vec<String> },
    DropIndex { name: String, table: Name },
    DropTable { tables: Vec<Name>, if_exists: bool },
    Truncate(Name),
    InsertBulk { table: Name, columns: Vec<(String, Type)>, options: Vec<String> },
    SetSwitch { name: String, on: bool },
    SetLockTimeout(i64),
    SetIsolation(Isolation),
    SetIdentityInsert { table: Name, on: bool },
    Begin,
    Commit,
    Rollback(Option<String>),
    Save(String),
    Use(String),
    Declare(Vec<(String, Type, Option<Expr>)>),
    Assign(String, Expr),
    Execute { result: Option<String>, procedure: String, arguments: Vec<Argument> },
    If { condition: Expr, then: Box<Parsed>, otherwise: Option<Box<Parsed>> },
    Block(Vec<Parsed>),
    Throw(Expr, Expr, Expr),
    Print(Expr),
    SnapshotIsolation { database: String, on: bool },
    CreateDatabase { name: String, collation: Option<String> },
    DropDatabase { name: String, if_exists: bool },
}

/// A statement and its text.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub statement: Statement,
    pub text: String,
}
