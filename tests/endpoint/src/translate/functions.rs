//! Calls: aggregates, scalar functions, and what asks the catalog or the server.

use super::{Collation, Translator, Typed};
use crate::fail::{Fail, Result};
use crate::moment::Moment;
use crate::parse::{self, ast::Expr};
use crate::transaction::Access;
use crate::types::{Family, Type};
use rusqlite::types::Value;

const NAME: Type = Type::NVarChar(Some(128));

impl Translator<'_> {
    pub(super) fn call(&mut self, name: &str, arguments: &[Expr]) -> Result<Typed> {
        if let Some(typed) = self.aggregate(name, arguments)? {
            return Ok(typed);
        }
        if let Some(typed) = self.moment(name, arguments)? {
            return Ok(typed);
        }
        if let Some(typed) = self.of_server(name, arguments)? {
            return Ok(typed);
        }
        self.scalar(name, arguments)
    }

    fn aggregate(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Typed>> {
        if !matches!(name, "COUNT" | "COUNT_BIG" | "MAX" | "MIN" | "SUM") {
            return Ok(None);
        }
        let [argument] = arguments else { return Err(Fail::syntax(name)) };
        if self.in_aggregate {
            return Err(Fail::new(
                130,
                "Cannot perform an aggregate function on an expression containing an aggregate or a subquery.",
            ));
        }
        let count = if name == "COUNT" { Type::Int } else { Type::BigInt };
        if matches!(argument, Expr::Star) {
            return match name {
                "COUNT" | "COUNT_BIG" => Ok(Some(Typed::new("count(*)", count, false))),
                _ => Err(Fail::syntax("*")),
            };
        }
        self.in_aggregate = true;
        let value = self.value(argument);
        self.in_aggregate = false;
        let value = value?;
        Ok(Some(match name {
            "COUNT" | "COUNT_BIG" => Typed::new(format!("count({})", value.sql), count, false),
            "SUM" => {
                let ty = match value.ty {
                    Type::TinyInt | Type::SmallInt | Type::Int => Type::Int,
                    Type::BigInt => Type::BigInt,
                    Type::Float | Type::Real => Type::Float,
                    other => return Err(Fail::refused(format!("SUM of {other}"))),
                };
                Typed::new(format!("conv(sum({}), '{}', '{ty}', 0, 1)", value.sql, wide(ty)), ty, true)
            }
            _ => {
                if value.ty == Type::Bit {
                    return Err(Fail::new(
                        8117,
                        format!("Operand data type bit is invalid for {name} operator."),
                    ));
                }
                let lower = name.to_ascii_lowercase();
                let sql = format!("{lower}({})", self.sortable(&value)?);
                Typed { sql, nullable: true, origin: super::Origin::default(), ..value }
            }
        }))
    }

    /// The current time: one for a whole statement.
    fn moment(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Typed>> {
        let ty = match name {
            "GETDATE" | "GETUTCDATE" => Type::DateTime,
            "SYSDATETIME" | "SYSUTCDATETIME" => Type::DateTime2(7),
            "SYSDATETIMEOFFSET" => Type::DateTimeOffset(7),
            _ => return Ok(None),
        };
        if !arguments.is_empty() {
            return Err(Fail::syntax(name));
        }
        let now: Moment = self.env.facts.now;
        let text = crate::convert::moment_text(now, ty).ok_or_else(|| Fail::refused(name))?;
        let sql = self.bind(Value::Text(text));
        Ok(Some(Typed::new(sql, ty, false)))
    }

    fn of_server(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Typed>> {
        let facts = self.env.facts;
        let text = |v: &str| Value::Text(v.to_owned());
        let (value, ty) = match (name, arguments) {
            ("DB_ID", []) => (Value::Integer(facts.database_id), Type::SmallInt),
            ("DB_ID", [database]) => {
                let database = self.text_of(database)?;
                let row = facts.databases.iter().find(|row| {
                    matches!((&row[0], &database), (Value::Text(a), Some(b)) if a.eq_ignore_ascii_case(b))
                });
                (row.map_or(Value::Null, |row| row[1].clone()), Type::SmallInt)
            }
            ("DB_NAME", []) => (text(&facts.database), NAME),
            ("XACT_STATE", []) => (Value::Integer(i64::from(facts.trancount > 0)), Type::SmallInt),
            ("SCOPE_IDENTITY", []) => {
                let last = facts.identity.map_or(Value::Null, |i| Value::Text(i.to_string()));
                (last, Type::Decimal { precision: 38, scale: 0, numeric: true })
            }
            ("SUSER_SNAME" | "ORIGINAL_LOGIN" | "SYSTEM_USER", []) => (text(&facts.user), NAME),
            ("USER_NAME", []) => (text("dbo"), NAME),
            ("SCHEMA_ID", [schema]) => {
                let id = match self.text_of(schema)?.map(|s| s.to_ascii_lowercase()).as_deref() {
                    Some("dbo") => Value::Integer(1),
                    Some("sys") => Value::Integer(4),
                    _ => Value::Null,
                };
                (id, Type::Int)
            }
            ("OBJECT_ID", [object]) => (self.object_id(object)?, Type::Int),
            ("HAS_PERMS_BY_NAME", [securable, class, permission]) => {
                (self.permission(securable, class, permission)?, Type::Int)
            }
            ("SERVERPROPERTY", [property]) => {
                let (value, ty) = self.server_property(property)?;
                let sql = self.bind(value);
                return Ok(Some(Typed { variant: true, ..Typed::new(sql, ty, true) }));
            }
            ("DATABASEPROPERTYEX", [_, _]) => return Err(Fail::refused(name)),
            ("OBJECT_NAME", [id]) => return self.looked_up(id, "sys.objects", "object_id", NAME).map(Some),
            ("TYPE_NAME", [id]) => return self.looked_up(id, "sys.types", "user_type_id", NAME).map(Some),
            ("SCHEMA_NAME", [id]) => return self.looked_up(id, "sys.schemas", "schema_id", NAME).map(Some),
            ("COL_NAME", [table, column]) => {
                let (table, column) = (self.value(table)?, self.value(column)?);
                self.env.transaction.enter(self.env.db, Access::Read { lock: false }, &facts.database)?;
                let sql = format!(
                    "(SELECT x.name FROM main.\"sys.columns\" AS x WHERE x.object_id = {} AND x.column_id = {})",
                    table.sql, column.sql
                );
                return Ok(Some(self.catalog_text(sql)));
            }
            _ => return Ok(None),
        };
        let nullable = value == Value::Null;
        let sql = self.bind(value);
        let mut typed = Typed::new(sql, ty, nullable || name != "DB_NAME");
        if ty.is_text() {
            typed.collation = Collation::None;
        }
        Ok(Some(typed))
    }

    fn catalog_text(&self, sql: String) -> Typed {
        let collation = Collation::Implicit(self.env.facts.collation.clone());
        Typed { collation, ..Typed::new(sql, NAME, true) }
    }

    fn looked_up(&mut self, id: &Expr, view: &str, key: &str, _: Type) -> Result<Typed> {
        let id = self.value(id)?;
        if id.ty.family() != Family::Integer {
            return Err(Fail::refused(format!("an id of {view} that is {}", id.ty)));
        }
        self.env.transaction.enter(self.env.db, Access::Read { lock: false }, &self.env.facts.database)?;
        Ok(self.catalog_text(format!("(SELECT x.name FROM main.\"{view}\" AS x WHERE x.{key} = {})", id.sql)))
    }

    fn text_of(&mut self, expr: &Expr) -> Result<Option<String>> {
        match self.env.constant(expr)? {
            (Value::Text(text), _) => Ok(Some(text)),
            (Value::Null, _) => Ok(None),
            (other, _) => Err(Fail::refused(format!("a name that is {other:?}"))),
        }
    }

    fn object_id(&mut self, object: &Expr) -> Result<Value> {
        let Some(text) = self.text_of(object)? else { return Ok(Value::Null) };
        let Some(name) = parse::object_name(&text) else { return Ok(Value::Null) };
        if name.is_temporary() && name.database.as_deref().is_none_or(|d| !d.eq_ignore_ascii_case("tempdb")) {
            return Ok(Value::Null);
        }
        match self.env.table(&name, Access::Read { lock: false }) {
            Ok(table) => Ok(Value::Integer(table.id)),
            Err(fail) if fail.number == 208 => Ok(Value::Null),
            Err(fail) => Err(fail),
        }
    }

    /// 1 or 0; NULL for what does not exist.
    fn permission(&mut self, securable: &Expr, class: &Expr, permission: &Expr) -> Result<Value> {
        let permission = self.text_of(permission)?.unwrap_or_default().to_ascii_uppercase();
        let class = self.text_of(class)?.unwrap_or_default().to_ascii_uppercase();
        let securable = self.text_of(securable)?;
        let known = [
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "ALTER",
            "VIEW DEFINITION",
            "CREATE TABLE",
            "CONNECT",
            "CONTROL",
            "REFERENCES",
            "VIEW DATABASE STATE",
            "EXECUTE",
            "ALTER ANY DATABASE",
            "CREATE ANY DATABASE",
        ];
        if !known.contains(&permission.as_str()) {
            return Ok(Value::Null);
        }
        let denied = match (class.as_str(), securable) {
            ("OBJECT", Some(object)) => {
                let Some(name) = parse::object_name(&object) else { return Ok(Value::Null) };
                match self.env.table(&name, Access::Read { lock: false }) {
                    Ok(table) => self.env.facts.denies(&permission, &table.name),
                    Err(fail) if fail.number == 208 => return Ok(Value::Null),
                    Err(fail) => return Err(fail),
                }
            }
            ("DATABASE" | "SERVER", _) => self.env.facts.denies(&permission, ""),
            ("", None) => self.env.facts.denies(&permission, ""),
            (class, _) => return Err(Fail::refused(format!("HAS_PERMS_BY_NAME of a {class}"))),
        };
        Ok(Value::Integer(i64::from(!denied)))
    }

    fn server_property(&mut self, property: &Expr) -> Result<(Value, Type)> {
        let property = self.text_of(property)?.unwrap_or_default();
        let version = self.env.facts.product_version.clone();
        let major = version.split('.').next().unwrap_or_default().to_owned();
        Ok(match property.to_ascii_lowercase().as_str() {
            "productversion" => (Value::Text(version), NAME),
            "productmajorversion" => (Value::Text(major), NAME),
            "edition" => (Value::Text("Developer Edition (64-bit)".to_owned()), NAME),
            "engineedition" => (Value::Integer(3), Type::Int),
            "productlevel" => (Value::Text("RTM".to_owned()), NAME),
            "servername" | "machinename" => (Value::Text("ENDPOINT".to_owned()), NAME),
            "collation" => (Value::Text(self.env.facts.server_collation.clone()), NAME),
            _ => return Err(Fail::refused(format!("SERVERPROPERTY of {property}"))),
        })
    }

    fn scalar(&mut self, name: &str, arguments: &[Expr]) -> Result<Typed> {
        let values: Vec<Typed> = arguments.iter().map(|a| self.value(a)).collect::<Result<_>>()?;
        if values.iter().any(|v| v.variant) {
            return Err(Fail::refused(format!("{name} of sql_variant")));
        }
        let nullable = values.iter().any(|v| v.nullable);
        let wide = |t: &Typed| match t.ty {
            Type::NVarChar(_) | Type::NChar(_) => Type::NVarChar(t.ty.length()),
            _ => Type::VarChar(t.ty.length()),
        };
        let as_text = |t: &Typed| -> Result<String> {
            if t.ty.is_text() || t.untyped {
                Ok(t.sql.clone())
            } else {
                crate::convert::implicit(t.ty, Type::NVarChar(None))?;
                Ok(format!("conv({}, '{}', 'nvarchar(max)', 0, 1)", t.sql, t.ty))
            }
        };
        match (name, values.as_slice()) {
            ("ISNULL", [a, b]) => {
                // The type of the first, whatever the second is.
                let first = if a.untyped { b } else { a };
                let typed = Typed::new("", first.ty, b.nullable).with(first.collation.clone());
                Ok(Typed { sql: format!("ifnull({}, {})", a.sql, self.as_exactly(b, first.ty)?), ..typed })
            }
            ("COALESCE", [_, _, ..]) => {
                let common = self.common(&values)?;
                let all: Vec<String> =
                    values.iter().map(|v| self.as_exactly(v, common.ty)).collect::<Result<_>>()?;
                Ok(Typed { sql: format!("coalesce({})", all.join(", ")), ..common })
            }
            ("NULLIF", [a, b]) => {
                let condition = self.condition(&Expr::Compare(
                    "=",
                    Box::new(arguments[0].clone()),
                    Box::new(arguments[1].clone()),
                ))?;
                let _ = b;
                let sql = format!("(CASE WHEN {condition} THEN NULL ELSE {} END)", a.sql);
                Ok(Typed { nullable: true, sql, origin: super::Origin::default(), ..a.clone() })
            }
            ("LEN", [a]) => Ok(Typed::new(format!("tsql_len({})", as_text(a)?), Type::Int, nullable)),
            ("DATALENGTH", [a]) => {
                let ty = if a.ty.length().is_none() { Type::BigInt } else { Type::Int };
                Ok(Typed::new(format!("datalength({}, '{}')", a.sql, a.ty), ty, nullable))
            }
            ("UPPER" | "LOWER" | "LTRIM" | "RTRIM", [a]) => {
                let sql = format!("tsql_{}({})", name.to_ascii_lowercase(), as_text(a)?);
                Ok(Typed::new(sql, wide(a), nullable).with(a.collation.clone()))
            }
            ("LEFT" | "RIGHT", [a, count]) => {
                let sql = format!("tsql_{}({}, {})", name.to_ascii_lowercase(), as_text(a)?, count.sql);
                Ok(Typed::new(sql, wide(a), nullable).with(a.collation.clone()))
            }
            ("SUBSTRING", [a, from, count]) if a.ty.is_text() => {
                let sql = format!("tsql_substring({}, {}, {})", a.sql, from.sql, count.sql);
                Ok(Typed::new(sql, wide(a), nullable).with(a.collation.clone()))
            }
            ("NCHAR", [a]) => Ok(Typed::new(
                format!("tsql_nchar({})", self.as_exactly(a, Type::Int)?),
                Type::NVarChar(Some(1)),
                true,
            )),
            ("CHAR", [a]) => Ok(Typed::new(
                format!("tsql_char({})", self.as_exactly(a, Type::Int)?),
                Type::VarChar(Some(1)),
                true,
            )),
            ("CONCAT", [_, _, ..]) => {
                let mut parts = Vec::new();
                for value in &values {
                    parts.push(format!("ifnull({}, '')", as_text(value)?));
                }
                let sql = parts.into_iter().reduce(|a, b| format!("cat({a}, {b})")).unwrap_or_default();
                Ok(Typed::new(sql, Type::NVarChar(None), false))
            }
            ("QUOTENAME", [a]) => {
                Ok(Typed::new(format!("tsql_quotename({})", as_text(a)?), Type::NVarChar(Some(258)), true))
            }
            ("ISJSON", [a]) => Ok(Typed::new(format!("tsql_isjson({})", as_text(a)?), Type::Int, nullable)),
            ("NEWID", []) => Ok(Typed::new("newid()", Type::Guid, false)),
            ("ABS", [a]) if a.ty.family() == Family::Integer => {
                Ok(Typed::new(format!("abs({})", a.sql), a.ty, nullable))
            }
            _ => Err(Fail::new(195, format!("'{name}' is not a recognized built-in function name."))),
        }
    }
}

/// What SQLite's sum holds before it is fitted.
fn wide(ty: Type) -> Type {
    if ty == Type::Float { Type::Float } else { Type::BigInt }
}
