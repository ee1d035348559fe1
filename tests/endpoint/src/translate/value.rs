//! Values and their types.

use super::condition::{balanced, one_expression};
use super::{Collation, Translator, Typed};
use crate::fail::{Fail, Result};
use crate::parse::ast::Expr;
use crate::types::{Family, Type};
use rusqlite::types::Value;

impl Translator<'_> {
    pub fn value(&mut self, expr: &Expr) -> Result<Typed> {
        match expr {
            Expr::Literal(value, ty) => {
                let sql = self.bind(value.clone());
                Ok(Typed::new(sql, *ty, false))
            }
            Expr::Null => Ok(Typed { untyped: true, ..Typed::new("NULL", Type::Int, true) }),
            Expr::Column { table, name } => self.column(table.as_deref(), name),
            Expr::Variable(name) => self.variable(name),
            Expr::Global(name) => self.global(name),
            Expr::Negate(value) => {
                let value = self.value(value)?;
                let zero = Typed::new("0", Type::Int, false);
                self.arithmetic("-", &zero, &value)
            }
            Expr::Binary("+", ..) => self.sum(expr),
            Expr::Binary(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.arithmetic(operator, &a, &b)
            }
            Expr::Subquery(select) => {
                let query = self.nested(select)?;
                let [column] = query.columns.as_slice() else { return Err(one_expression()) };
                let sql = format!("scalar((SELECT count(*) FROM ({0})), (SELECT c1 FROM ({0})))", query.sql);
                Ok(Typed { collation: column.collation.clone(), ..Typed::new(sql, column.ty, true) })
            }
            Expr::Cast { value, to, style } => {
                let value = self.value(value)?;
                let style = match style {
                    Some(style) => self.value(style)?.sql,
                    None => "0".to_owned(),
                };
                self.cast(&value, *to, &style)
            }
            Expr::Collate(value, name) => {
                let mut value = self.value(value)?;
                if !value.ty.is_text() {
                    return Err(Fail::new(
                        447,
                        format!("Expression type {} is invalid for COLLATE clause.", value.ty.name()),
                    ));
                }
                value.collation = Collation::Explicit(self.collation_named(name)?);
                value.origin = super::Origin::default();
                Ok(value)
            }
            Expr::Case { operand, whens, otherwise } => {
                self.case(operand.as_deref(), whens, otherwise.as_deref())
            }
            Expr::Call(name, arguments) => self.call(name, arguments),
            Expr::Default | Expr::Star => Err(Fail::syntax("DEFAULT or *")),
            Expr::Compare(..)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Not(..)
            | Expr::IsNull(..)
            | Expr::In(..)
            | Expr::InSelect(..)
            | Expr::Like(..)
            | Expr::Between(..)
            | Expr::Exists(..) => Err(Fail::syntax("a condition where a value is expected")),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Typed> {
        let key = name.to_lowercase();
        let Some(variable) = self.env.variables.get(&key) else {
            return Err(Fail::new(137, format!("Must declare the scalar variable \"{name}\".")));
        };
        let ty = variable.ty;
        let nullable = variable.value == Value::Null;
        let sql = match self.variables.get(&key) {
            Some(sql) => sql.clone(),
            None => {
                let sql = self.bind(variable.value.clone());
                self.variables.insert(key, sql.clone());
                sql
            }
        };
        // Variables are nullable, whatever they hold now.
        let _ = nullable;
        Ok(Typed::new(sql, ty, true))
    }

    fn global(&mut self, name: &str) -> Result<Typed> {
        let facts = self.env.facts;
        let (value, ty) = match name {
            "@@TRANCOUNT" => (i64::from(facts.trancount), Type::Int),
            "@@ROWCOUNT" => (i64::try_from(facts.rowcount).unwrap_or(i64::MAX), Type::Int),
            "@@SPID" => (i64::from(facts.spid), Type::SmallInt),
            "@@VERSION" => {
                let version = format!(
                    "Microsoft SQL Server (a test endpoint that speaks its language) - {} (X64)",
                    facts.product_version
                );
                let sql = self.bind(Value::Text(version));
                return Ok(Typed::new(sql, Type::NVarChar(Some(300)), false));
            }
            _ => return Err(Fail::new(137, format!("Must declare the scalar variable \"{name}\"."))),
        };
        let sql = self.bind(Value::Integer(value));
        Ok(Typed::new(sql, ty, false))
    }

    pub(super) fn cast(&mut self, value: &Typed, to: Type, style: &str) -> Result<Typed> {
        let mut typed = Typed::new("", to, value.nullable);
        if to.is_text() {
            typed.collation = match &value.collation {
                // A cast keeps the collation of text, as an implicit one.
                Collation::Implicit(name) | Collation::Explicit(name) => Collation::Implicit(name.clone()),
                Collation::None => Collation::None,
            };
        }
        typed.sql = if value.untyped {
            "NULL".to_owned()
        } else if value.ty == to {
            value.sql.clone()
        } else {
            format!("conv({}, '{}', '{to}', {style}, 1)", value.sql, value.ty)
        };
        typed.nullable |= value.untyped;
        Ok(typed)
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        whens: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Typed> {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for (when, then) in whens {
            conditions.push(match operand {
                Some(operand) => {
                    self.condition(&Expr::Compare("=", Box::new(operand.clone()), Box::new(when.clone())))?
                }
                None => self.condition(when)?,
            });
            results.push(self.value(then)?);
        }
        match otherwise {
            Some(otherwise) => results.push(self.value(otherwise)?),
            None => results.push(Typed { untyped: true, ..Typed::new("NULL", Type::Int, true) }),
        }
        let common = self.common(&results)?;
        let mut sql = "CASE".to_owned();
        for (condition, result) in conditions.iter().zip(&results) {
            sql += &format!(" WHEN {condition} THEN {}", self.as_exactly(result, common.ty)?);
        }
        if let Some(last) = results.last() {
            sql += &format!(" ELSE {} END", self.as_exactly(last, common.ty)?);
        }
        Ok(Typed { sql: format!("({sql})"), ..common })
    }

    /// The type and collation that several values have in common.
    pub(super) fn common(&self, values: &[Typed]) -> Result<Typed> {
        let mut common: Option<Typed> = None;
        for value in values.iter().filter(|v| !v.untyped) {
            common = Some(match common {
                None => Typed::new("", value.ty, value.nullable).with(value.collation.clone()),
                Some(so_far) => {
                    let joint = self.joint(&so_far, value, "CASE")?;
                    Typed::new("", so_far.ty.meet(value.ty), so_far.nullable || value.nullable).with(joint)
                }
            });
        }
        let mut common = common.ok_or_else(|| {
            Fail::new(
                8133,
                "At least one of the result expressions in a CASE specification must be an expression \
                 other than the NULL constant.",
            )
        })?;
        common.nullable |= values.iter().any(|v| v.untyped);
        Ok(common)
    }

    /// The value converted to the type for keeping, not only for comparing.
    pub fn as_exactly(&self, typed: &Typed, to: Type) -> Result<String> {
        if typed.untyped || typed.ty == to {
            return Ok(typed.sql.clone());
        }
        crate::convert::implicit(typed.ty, to)?;
        Ok(format!("conv({}, '{}', '{to}', 0, 1)", typed.sql, typed.ty))
    }

    fn arithmetic(&mut self, operator: &str, a: &Typed, b: &Typed) -> Result<Typed> {
        if a.variant || b.variant {
            return Err(Fail::refused("sql_variant computed"));
        }
        let nullable = a.nullable || b.nullable;
        let (ta, tb) = match (a.untyped, b.untyped) {
            (true, _) => (b.ty, b.ty),
            (_, true) => (a.ty, a.ty),
            _ => (a.ty, b.ty),
        };
        let ty = ta.meet(tb);
        let result = match (operator, ty.family()) {
            ("&" | "|" | "^", Family::Integer) => ty,
            ("+" | "-" | "*" | "/" | "%", Family::Integer) if ty != Type::Bit => ty,
            ("+" | "-" | "*" | "/", Family::Approximate) => ty,
            ("+" | "-" | "*", Family::Exact) => {
                let ((p1, s1), (p2, s2)) = (ta.digits(), tb.digits());
                let (precision, scale) = if operator == "*" {
                    (p1 + p2 + 1, s1 + s2)
                } else {
                    let scale = s1.max(s2);
                    ((p1 - s1).max(p2 - s2) + 1 + scale, scale)
                };
                if precision > 38 && operator == "*" {
                    return Err(Fail::refused("a product of more than 38 digits"));
                }
                if matches!(ty, Type::Money | Type::SmallMoney) {
                    ty
                } else {
                    Type::decimal(precision.min(38), scale)
                }
            }
            ("+", Family::Binary) => return Err(Fail::refused("binary concatenation")),
            _ => {
                return Err(Fail::refused(format!("{} {operator} {}", ta.name(), tb.name())));
            }
        };
        let operand =
            |t: &Typed| if ty.family() == Family::Exact { Ok(t.sql.clone()) } else { self.as_type(t, ty) };
        if ty.family() == Family::Exact && !(numeric(ta) && numeric(tb)) {
            return Err(Fail::refused(format!("{} {operator} {}", ta.name(), tb.name())));
        }
        let (left, right) = (operand(a)?, operand(b)?);
        Ok(Typed::new(format!("arith('{operator}', {left}, {right}, '{result}')"), result, nullable))
    }

    /// A chain of +, from left to right; text is joined as a tree, as a script may join a thousand pieces.
    fn sum(&mut self, expr: &Expr) -> Result<Typed> {
        let mut parts = Vec::new();
        let mut rest = expr;
        while let Expr::Binary("+", a, b) = rest {
            parts.push(&**b);
            rest = a;
        }
        let mut so_far = self.value(rest)?;
        let mut pieces = vec![so_far.sql.clone()];
        let cat = |a: &str, b: &str| format!("cat({a}, {b})");
        for part in parts.into_iter().rev() {
            let next = self.value(part)?;
            let text = |t: &Typed| t.untyped || t.ty.is_text();
            if text(&so_far) && text(&next) && !(so_far.untyped && next.untyped) {
                let (ta, tb) = (
                    if so_far.untyped { next.ty } else { so_far.ty },
                    if next.untyped { so_far.ty } else { next.ty },
                );
                let (joined, cut_from) = self.concatenation(&so_far, &next, ta, tb)?;
                pieces.push(next.sql);
                so_far = joined;
                if let Some(full) = cut_from {
                    let whole = balanced(&pieces, &cat);
                    pieces = vec![format!("conv({whole}, '{full}', '{}', 0, 1)", so_far.ty)];
                }
            } else {
                so_far.sql = balanced(&pieces, &cat);
                so_far = self.arithmetic("+", &so_far, &next)?;
                pieces = vec![so_far.sql.clone()];
            }
        }
        so_far.sql = balanced(&pieces, &cat);
        Ok(so_far)
    }

    /// Text plus text: cut at 4,000 or 8,000 unless one is max, as SQL Server cuts it.
    /// The type of the result, without its SQL; and the type before the cut where there is one.
    fn concatenation(&self, a: &Typed, b: &Typed, ta: Type, tb: Type) -> Result<(Typed, Option<Type>)> {
        let national = |t| matches!(t, Type::NVarChar(_) | Type::NChar(_) | Type::NText | Type::Xml);
        if [ta, tb].iter().any(|t| t.is_incomparable()) {
            return Err(Fail::refused("+ of text, ntext or xml"));
        }
        let wide = national(ta) || national(tb);
        let most: u32 = if wide { 4000 } else { 8000 };
        let sum = ta.length().zip(tb.length()).map(|(x, y)| u32::from(x) + u32::from(y));
        let length = sum.map(|sum| sum.min(most) as u16);
        let ty = if wide { Type::NVarChar(length) } else { Type::VarChar(length) };
        let joint = self.joint(a, b, "add")?;
        let full = if wide { Type::NVarChar(None) } else { Type::VarChar(None) };
        let cut_from = sum.is_some_and(|sum| sum > most).then_some(full);
        Ok((Typed::new("", ty, a.nullable || b.nullable).with(joint), cut_from))
    }
}

fn numeric(ty: Type) -> bool {
    matches!(ty.family(), Family::Exact | Family::Integer)
}

impl Typed {
    pub(super) fn with(mut self, collation: Collation) -> Typed {
        self.collation = collation;
        self
    }
}
