//! From parsed T-SQL to SQLite's SQL, with the type of every expression known.
//!
//! Values are bound, never written into the SQL. Where types meet, a call of `conv` is put in, so SQLite
//! itself never converts. Comparisons name their collation.

mod condition;
mod functions;
mod query;
mod value;

pub(crate) use query::{Output, Query};

use crate::catalog::{self, Table, order_name, order_of, quoted};
use crate::fail::{Fail, Result};
use crate::moment::Moment;
use crate::parse::ast::{Expr, Name};
use crate::text::Order;
use crate::transaction::{Access, Transaction};
use crate::types::{Family, Type};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What an expression may ask about the session and its database.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub database: String,
    pub database_id: i64,
    pub collation: String,
    pub server_collation: String,
    pub order: Order,
    pub product_version: String,
    pub compatibility_level: u8,
    pub read_only: bool,
    pub user: String,
    pub denied: Vec<(String, String)>,
    /// The rows of sys.databases.
    pub databases: Vec<Vec<Value>>,
    pub trancount: u32,
    pub rowcount: u64,
    pub spid: u32,
    pub identity: Option<i64>,
    pub now: Moment,
}

impl Facts {
    pub fn denies(&self, verb: &str, table: &str) -> bool {
        self.denied.iter().any(|(v, t)| v.eq_ignore_ascii_case(verb) && t.eq_ignore_ascii_case(table))
    }
}

/// A variable or parameter.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub ty: Type,
    pub value: Value,
}

/// By name in lower case, with the sign.
pub(crate) type Variables = HashMap<String, Variable>;

/// What translation stands on.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub db: &'a Connection,
    pub facts: &'a Facts,
    pub variables: &'a Variables,
    pub transaction: &'a Transaction,
}

impl Env<'_> {
    /// Finds a table for a statement that will read or write it, having taken the lock that this needs.
    pub fn table(&self, name: &Name, access: Access) -> Result<Arc<Table>> {
        let missing = || Fail::new(208, format!("Invalid object name '{}'.", name.written()));
        if name.is_temporary() {
            return catalog::find(self.db, &name.name)?.ok_or_else(missing);
        }
        let foreign = name.database.as_deref().is_some_and(|d| !d.eq_ignore_ascii_case(&self.facts.database));
        if foreign {
            return Err(Fail::refused(format!("another database in {}", name.written())));
        }
        self.transaction.enter(self.db, access, &self.facts.database)?;
        match name.schema.as_deref() {
            Some(schema) if schema.eq_ignore_ascii_case("sys") => {
                let view = crate::system::view(&name.name, &self.facts.collation).ok_or_else(missing)?;
                if view.name == "sys.databases" {
                    crate::system::fill_databases(
                        self.db,
                        order_name(self.facts.order),
                        &self.facts.databases,
                    )?;
                }
                return Ok(view);
            }
            Some(schema) if !catalog::same(schema, "dbo", self.facts.order) => return Err(missing()),
            _ => {}
        }
        catalog::find(self.db, &name.name)?.ok_or_else(missing)
    }

    pub fn permit(&self, verb: &str, table: &Table) -> Result<()> {
        if !table.is_temporary() && self.facts.denies(verb, &table.name) {
            return Err(Fail::new(
                229,
                format!(
                    "The {verb} permission was denied on the object '{}', database '{}', schema 'dbo'.",
                    table.name, self.facts.database
                ),
            ));
        }
        Ok(())
    }

    /// The value of an expression that names no column.
    pub fn constant(&self, expr: &Expr) -> Result<(Value, Type)> {
        let mut translator = Translator::new(*self);
        let typed = translator.value(expr)?;
        let value = translator.run_one(&typed.sql)?;
        Ok((value, typed.ty))
    }

    /// Whether a condition that names no column holds.
    pub fn holds(&self, condition: &Expr) -> Result<bool> {
        let mut translator = Translator::new(*self);
        let sql = translator.condition(condition)?;
        Ok(translator.run_one(&sql)? == Value::Integer(1))
    }
}

/// Where an expression's collation comes from; the stronger wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Collation {
    None,
    Implicit(String),
    Explicit(String),
}

/// What a plain column is, for COLMETADATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub is_column: bool,
    pub identity: bool,
    pub computed: bool,
}

/// A translated value.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub sql: String,
    pub ty: Type,
    pub nullable: bool,
    pub collation: Collation,
    /// NULL as a word: it takes the type of what it meets.
    pub untyped: bool,
    /// sql_variant: only CAST may have it.
    pub variant: bool,
    pub origin: Origin,
}

impl Typed {
    pub fn new(sql: impl Into<String>, ty: Type, nullable: bool) -> Typed {
        Typed {
            sql: sql.into(),
            ty,
            nullable,
            collation: Collation::None,
            untyped: false,
            variant: false,
            origin: Origin::default(),
        }
    }
}

/// A column of something in FROM.
#[derive(Clone, Debug)]
pub(crate) struct BoundColumn {
    pub name: String,
    pub typed: Typed,
}

/// Something in FROM.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub alias: String,
    /// What SQLite calls it.
    pub handle: String,
    pub columns: Vec<BoundColumn>,
    pub table: Option<Arc<Table>>,
}

/// One translation: the values bound so far and the sources in sight.
pub(crate) struct Translator<'a> {
    pub env: Env<'a>,
    pub values: Vec<Value>,
    variables: HashMap<String, String>,
    pub scopes: Vec<Vec<Bound>>,
    handles: usize,
    /// The GROUP BY expressions, where only those and aggregates may stand.
    grouped: Option<Vec<String>>,
    in_aggregate: bool,
}

impl<'a> Translator<'a> {
    pub fn new(env: Env<'a>) -> Translator<'a> {
        Translator {
            env,
            values: Vec::new(),
            variables: HashMap::new(),
            scopes: Vec::new(),
            handles: 0,
            grouped: None,
            in_aggregate: false,
        }
    }

    pub fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn handle(&mut self) -> String {
        self.handles += 1;
        format!("s{}", self.handles)
    }

    fn run_one(&self, sql: &str) -> Result<Value> {
        let mut statement = self.env.db.prepare(&format!("SELECT {sql}"))?;
        self.give(&mut statement)?;
        let mut rows = statement.raw_query();
        let row = rows.next()?.ok_or_else(|| Fail::refused(sql))?;
        Ok(row.get(0)?)
    }

    /// Gives a statement the values that it uses; of a column that was not asked for some are left over.
    pub fn give(&self, statement: &mut rusqlite::Statement<'_>) -> Result<()> {
        for (at, value) in self.values.iter().enumerate().take(statement.parameter_count()) {
            statement.raw_bind_parameter(at + 1, value)?;
        }
        Ok(())
    }

    /// Puts a table in sight under `alias`.
    pub fn bound(&mut self, table: Arc<Table>, alias: &str) -> Result<Bound> {
        let handle = self.handle();
        let mut columns = Vec::new();
        for column in table.columns.iter().filter(|c| c.computed.is_none()) {
            let mut typed =
                Typed::new(format!("{handle}.{}", quoted(&column.name)), column.ty, column.nullable);
            if let Some(collation) = &column.collation {
                typed.collation = Collation::Implicit(collation.clone());
            }
            let identity = column.identity.is_some();
            typed.origin = Origin { is_column: true, identity, computed: column.ty == Type::RowVersion };
            columns.push(BoundColumn { name: column.name.clone(), typed });
        }
        let mut bound = Bound { alias: alias.to_owned(), handle, columns, table: Some(table.clone()) };
        for (at, column) in table.columns.iter().enumerate() {
            let Some(text) = &column.computed else { continue };
            let expr = crate::parse::expression(text)?;
            let outer = std::mem::replace(&mut self.scopes, vec![vec![bound.clone()]]);
            let typed = self.value(&expr);
            self.scopes = outer;
            let mut typed = typed?;
            typed.ty = column.ty;
            typed.origin = Origin { is_column: true, identity: false, computed: true };
            bound.columns.insert(at, BoundColumn { name: column.name.clone(), typed });
        }
        Ok(bound)
    }

    fn column(&mut self, table: Option<&str>, name: &str) -> Result<Typed> {
        let order = self.env.facts.order;
        for scope in self.scopes.iter().rev() {
            let mut found: Option<&Typed> = None;
            let mut alias_seen = false;
            for bound in scope {
                if table.is_some_and(|t| !catalog::same(t, &bound.alias, order)) {
                    continue;
                }
                alias_seen = true;
                for column in bound.columns.iter().filter(|c| catalog::same(&c.name, name, order)) {
                    if found.is_some() {
                        return Err(Fail::new(209, format!("Ambiguous column name '{name}'.")));
                    }
                    found = Some(&column.typed);
                }
            }
            if let Some(found) = found {
                if let Some(grouped) = &self.grouped
                    && !self.in_aggregate
                    && !grouped.contains(&found.sql)
                {
                    return Err(Fail::new(
                        8120,
                        format!(
                            "Column '{name}' is invalid in the select list because it is not contained in either an \
                             aggregate function or the GROUP BY clause."
                        ),
                    ));
                }
                return Ok(found.clone());
            }
            if table.is_some() && alias_seen {
                break;
            }
        }
        match table {
            Some(table) if !self.scopes.iter().flatten().any(|b| catalog::same(&b.alias, table, order)) => {
                Err(Fail::new(
                    4104,
                    format!("The multi-part identifier \"{table}.{name}\" could not be bound."),
                ))
            }
            _ => Err(Fail::new(207, format!("Invalid column name '{name}'."))),
        }
    }

    /// The value as another type, for comparing and computing: without a call where storage agrees.
    pub fn as_type(&self, typed: &Typed, to: Type) -> Result<String> {
        if typed.untyped || typed.ty == to || agrees(typed.ty, to) {
            return Ok(typed.sql.clone());
        }
        crate::convert::implicit(typed.ty, to)?;
        Ok(format!("conv({}, '{}', '{to}', 0, 1)", typed.sql, typed.ty))
    }

    /// The collation under which two values meet: 468 where they cannot.
    fn joint(&self, a: &Typed, b: &Typed, what: &str) -> Result<Collation> {
        use Collation::{Explicit, Implicit, None};
        let conflict = |x: &str, y: &str| {
            Fail::new(
                468,
                format!(
                    "Cannot resolve the collation conflict between \"{x}\" and \"{y}\" in the {what} operation."
                ),
            )
        };
        match (&a.collation, &b.collation) {
            (Explicit(x), Explicit(y)) | (Implicit(x), Implicit(y)) if !x.eq_ignore_ascii_case(y) => {
                Err(conflict(x, y))
            }
            (Explicit(x), _) | (_, Explicit(x)) => Ok(Explicit(x.clone())),
            (Implicit(x), _) | (_, Implicit(x)) => Ok(Implicit(x.clone())),
            (None, None) => Ok(None),
        }
    }

    /// ` COLLATE X` for values of the type, or nothing where the plain order is right.
    fn collate(&self, ty: Type, collation: &Collation) -> Result<String> {
        let order = match collation {
            Collation::None => self.env.facts.order,
            Collation::Implicit(name) | Collation::Explicit(name) => order_of(name)?,
        };
        Ok(match ty.sqlite_order(order_name(order)) {
            "" => String::new(),
            name => format!(" COLLATE {name}"),
        })
    }

    /// A value with the collation it sorts and groups by.
    pub fn sortable(&self, typed: &Typed) -> Result<String> {
        if typed.ty.is_incomparable() {
            return Err(Fail::new(
                306,
                "The text, ntext, and image data types cannot be compared or sorted, except when using IS NULL or \
                 LIKE operator.",
            ));
        }
        Ok(format!("{}{}", typed.sql, self.collate(typed.ty, &typed.collation)?))
    }

    /// DATABASE_DEFAULT and names, as a name.
    pub fn collation_named(&self, name: &str) -> Result<String> {
        if name.eq_ignore_ascii_case("DATABASE_DEFAULT") {
            return Ok(self.env.facts.collation.clone());
        }
        order_of(name)?;
        Ok(name.to_owned())
    }
}

/// Whether values of both types compare in SQLite as they are stored.
fn agrees(a: Type, b: Type) -> bool {
    match (a.family(), b.family()) {
        (Family::Text, Family::Text)
        | (Family::Integer, Family::Integer)
        | (Family::Exact, Family::Exact) => true,
        (Family::Binary, Family::Binary) => !matches!(a, Type::Binary(_)) && !matches!(b, Type::Binary(_)),
        (Family::Approximate, Family::Approximate | Family::Integer) => true,
        (Family::Integer, Family::Approximate) => true,
        (Family::Time, Family::Time) => matches!(
            (a, b),
            (Type::DateTimeOffset(_), Type::DateTimeOffset(_)) | (Type::DateTime, Type::DateTime)
        ),
        _ => false,
    }
}
