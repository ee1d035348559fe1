//! Conditions: what WHERE, ON, HAVING, CHECK and IF take.

use super::{Translator, Typed};
use crate::fail::{Fail, Result};
use crate::parse::ast::Expr;
use crate::types::Type;

impl Translator<'_> {
    pub fn condition(&mut self, expr: &Expr) -> Result<String> {
        match expr {
            Expr::And(..) | Expr::Or(..) => {
                let (word, parts) = chain(expr);
                let parts: Vec<String> =
                    parts.into_iter().map(|p| self.condition(p)).collect::<Result<_>>()?;
                Ok(balanced(&parts, &|a, b| format!("({a} {word} {b})")))
            }
            Expr::Not(a) => Ok(format!("(NOT {})", self.condition(a)?)),
            Expr::Compare(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.compare(operator, &a, &b)
            }
            Expr::IsNull(value, negated) => {
                let value = self.value(value)?;
                Ok(format!("({} IS {}NULL)", value.sql, if *negated { "NOT " } else { "" }))
            }
            Expr::In(value, list, negated) => {
                let value = self.value(value)?;
                let mut any = Vec::new();
                for other in list {
                    let other = self.value(other)?;
                    any.push(self.compare("=", &value, &other)?);
                }
                let any = balanced(&any, &|a, b| format!("({a} OR {b})"));
                Ok(format!("({}{any})", if *negated { "NOT " } else { "" }))
            }
            Expr::InSelect(value, select, negated) => {
                let value = self.value(value)?;
                let query = self.nested(select)?;
                let [column] = query.columns.as_slice() else {
                    return Err(one_expression());
                };
                let other =
                    Typed { collation: column.collation.clone(), ..Typed::new("x.c1", column.ty, true) };
                let ty = if value.untyped { other.ty } else { value.ty.meet(other.ty) };
                let joint = if ty.is_text() {
                    self.joint(&value, &other, "equal to")?
                } else {
                    super::Collation::None
                };
                let (left, right) = (self.as_type(&value, ty)?, self.as_type(&other, ty)?);
                let not = if *negated { "NOT " } else { "" };
                let order = self.collate(ty, &joint)?;
                Ok(format!("({left}{order} {not}IN (SELECT {right} FROM ({}) AS x))", query.sql))
            }
            Expr::Like(value, pattern, escape, negated) => {
                let (value, pattern) = (self.value(value)?, self.value(pattern)?);
                if !value.ty.is_text() || !pattern.ty.is_text() {
                    return Err(Fail::refused("LIKE of what is not text"));
                }
                let escape = match escape {
                    Some(escape) => self.value(escape)?.sql,
                    None => "NULL".to_owned(),
                };
                let joint = self.joint(&value, &pattern, "like")?;
                let order = self.collate(Type::NVarChar(None), &joint)?;
                let order = order.trim_start_matches(" COLLATE ");
                let not = if *negated { "NOT " } else { "" };
                Ok(format!("({not}tsql_like({}, {}, {escape}, '{order}'))", value.sql, pattern.sql))
            }
            Expr::Between(value, low, high, negated) => {
                let (value, low, high) = (self.value(value)?, self.value(low)?, self.value(high)?);
                let (above, below) = (self.compare(">=", &value, &low)?, self.compare("<=", &value, &high)?);
                Ok(format!("({}({above} AND {below}))", if *negated { "NOT " } else { "" }))
            }
            Expr::Exists(select) => {
                let query = self.nested(select)?;
                Ok(format!("(EXISTS ({}))", query.sql))
            }
            _ => {
                self.value(expr)?;
                Err(Fail::new(
                    4145,
                    "An expression of non-boolean type specified in a context where a condition is expected.",
                ))
            }
        }
    }

    fn compare(&mut self, operator: &str, a: &Typed, b: &Typed) -> Result<String> {
        if a.variant || b.variant {
            return Err(Fail::refused("sql_variant compared"));
        }
        let ty = if a.untyped {
            b.ty
        } else if b.untyped {
            a.ty
        } else {
            a.ty.meet(b.ty)
        };
        if ty.is_incomparable() || a.ty.is_incomparable() || b.ty.is_incomparable() {
            return Err(Fail::new(
                402,
                format!(
                    "The data types {} and {} are incompatible in the operator.",
                    a.ty.name(),
                    b.ty.name()
                ),
            ));
        }
        let what = match operator {
            "=" => "equal to",
            "<>" => "not equal to",
            "<" => "less than",
            ">" => "greater than",
            "<=" => "less than or equal to",
            _ => "greater than or equal to",
        };
        let joint = if ty.is_text() { self.joint(a, b, what)? } else { super::Collation::None };
        let (left, right) = (self.as_type(a, ty)?, self.as_type(b, ty)?);
        Ok(format!("({left}{} {operator} {right})", self.collate(ty, &joint)?))
    }
}

/// The parts of a chain of AND or of OR, in order.
fn chain(expr: &Expr) -> (&'static str, Vec<&Expr>) {
    let is_and = matches!(expr, Expr::And(..));
    let mut parts = Vec::new();
    let mut rest = expr;
    while let (Expr::And(a, b), true) | (Expr::Or(a, b), false) = (rest, is_and) {
        parts.push(&**b);
        rest = a;
    }
    parts.push(rest);
    parts.reverse();
    (if is_and { "AND" } else { "OR" }, parts)
}

/// Joins parts as a tree of little depth, as SQLite's expressions are at most 1,000 deep.
pub(super) fn balanced(parts: &[String], join: &dyn Fn(&str, &str) -> String) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            join(&balanced(left, join), &balanced(right, join))
        }
    }
}

pub(super) fn one_expression() -> Fail {
    Fail::new(
        116,
        "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
    )
}
