//! SELECT as a whole: FROM, the items, grouping, order, limits.

use super::{Bound, BoundColumn, Collation, Origin, Translator, Typed};
use crate::fail::{Fail, Result};
use crate::parse::ast::{Expr, From, Item, Join, Select, Source, SourceKind};
use crate::transaction::Access;
use crate::types::Type;

/// A column of a result.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
    pub collation: Collation,
    pub origin: Origin,
    pub variant: bool,
}

/// A translated SELECT; its columns are called c1, c2 … in SQLite.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub sql: String,
    pub columns: Vec<Output>,
}

impl Translator<'_> {
    /// A query inside another: what is in sight stays in sight.
    pub(super) fn nested(&mut self, select: &Select) -> Result<Query> {
        let grouped = self.grouped.take();
        let in_aggregate = std::mem::replace(&mut self.in_aggregate, false);
        let query = self.select(select);
        self.grouped = grouped;
        self.in_aggregate = in_aggregate;
        query
    }

    pub fn select(&mut self, select: &Select) -> Result<Query> {
        if select.more.is_empty() {
            let mut query = self.core(select, &[], &select.order)?;
            query.sql += &self.limit(select)?;
            return Ok(query);
        }
        // UNION ALL: every branch in the types that all of them share.
        let branches: Vec<&Select> = std::iter::once(select).chain(&select.more).collect();
        let first: Vec<Query> = branches.iter().map(|b| self.core(b, &[], &[])).collect::<Result<_>>()?;
        let width = first[0].columns.len();
        if first.iter().any(|q| q.columns.len() != width) {
            return Err(Fail::new(
                205,
                "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of \
                 expressions in their target lists.",
            ));
        }
        let mut types = Vec::new();
        for at in 0..width {
            types.push(first.iter().skip(1).fold(first[0].columns[at].ty, |ty, q| ty.meet(q.columns[at].ty)));
        }
        let mut parts: Vec<Query> =
            branches.iter().map(|b| self.core(b, &types, &[])).collect::<Result<_>>()?;
        let mut columns = parts[0].columns.clone();
        for (at, column) in columns.iter_mut().enumerate() {
            column.nullable = parts.iter().any(|p| p.columns[at].nullable);
            column.origin = Origin::default();
        }
        let sql: Vec<String> = parts.drain(..).map(|p| p.sql).collect();
        let mut sql = sql.join(" UNION ALL ");
        if !select.order.is_empty() {
            let mut by = Vec::new();
            for (expr, descending) in &select.order {
                let at = self
                    .order_position(expr, &columns)?
                    .ok_or_else(|| Fail::refused("ORDER BY of a UNION"))?;
                let typed = Typed::new(format!("c{}", at + 1), columns[at].ty, true)
                    .with(columns[at].collation.clone());
                by.push(format!("{}{}", self.sortable(&typed)?, if *descending { " DESC" } else { "" }));
            }
            sql = format!("SELECT * FROM ({sql}) ORDER BY {}", by.join(", "));
        }
        if select.top.is_some() {
            return Err(Fail::refused("TOP in a UNION"));
        }
        sql += &self.limit(select)?;
        Ok(Query { sql, columns })
    }

    fn limit(&mut self, select: &Select) -> Result<String> {
        let mut whole = |expr: &Expr| -> Result<String> {
            let typed = self.value(expr)?;
            self.as_exactly(&typed, Type::BigInt)
        };
        match (&select.top, &select.offset, &select.fetch) {
            (None, None, _) => Ok(String::new()),
            (Some(top), None, _) => Ok(format!(" LIMIT {}", whole(top)?)),
            (None, Some(offset), Some(fetch)) => {
                Ok(format!(" LIMIT {} OFFSET {}", whole(fetch)?, whole(offset)?))
            }
            (None, Some(offset), None) => Ok(format!(" LIMIT -1 OFFSET {}", whole(offset)?)),
            (Some(_), Some(_), _) => {
                Err(Fail::new(10741, "A TOP can not be used in the same query or sub-query as a OFFSET."))
            }
        }
    }

    /// One SELECT without its limit; `types`: what its columns must become.
    fn core(&mut self, select: &Select, types: &[Type], order: &[(Expr, bool)]) -> Result<Query> {
        let (from, scope) = match &select.from {
            Some(from) => self.from(from)?,
            None => (String::new(), Vec::new()),
        };
        self.scopes.push(scope);
        let query = self.core_in_scope(select, types, order, &from);
        self.scopes.pop();
        self.grouped = None;
        query
    }

    fn core_in_scope(
        &mut self,
        select: &Select,
        types: &[Type],
        order: &[(Expr, bool)],
        from: &str,
    ) -> Result<Query> {
        let filter = match &select.filter {
            Some(filter) => format!(" WHERE {}", self.condition(filter)?),
            None => String::new(),
        };
        let aggregates = select.items.iter().any(|i| match i {
            Item::Value { value, .. } => aggregate_inside(value),
            _ => false,
        });
        let mut group = String::new();
        if !select.group.is_empty() {
            let by: Vec<Typed> = select.group.iter().map(|g| self.value(g)).collect::<Result<_>>()?;
            let sorted: Vec<String> = by.iter().map(|t| self.sortable(t)).collect::<Result<_>>()?;
            group = format!(" GROUP BY {}", sorted.join(", "));
            self.grouped = Some(by.into_iter().map(|t| t.sql).collect());
        } else if aggregates || select.having.is_some() {
            self.grouped = Some(Vec::new());
        }
        let having = match &select.having {
            Some(having) => format!(" HAVING {}", self.condition(having)?),
            None => String::new(),
        };
        let mut columns: Vec<Output> = Vec::new();
        let mut items: Vec<Typed> = Vec::new();
        for item in &select.items {
            match item {
                Item::Star(alias) => {
                    for column in self.starred(alias.as_deref())? {
                        columns.push(output(column.name, &column.typed));
                        items.push(column.typed);
                    }
                }
                Item::Value { value, name } => {
                    let typed = self.value(value)?;
                    let named = match (name, value) {
                        (Some(name), _) => name.clone(),
                        (None, Expr::Column { name, .. }) => name.clone(),
                        _ => String::new(),
                    };
                    columns.push(output(named, &typed));
                    items.push(typed);
                }
                Item::Assign(..) => return Err(Fail::refused("SELECT that assigns, here")),
            }
        }
        let mut selected = Vec::new();
        for (at, item) in items.iter_mut().enumerate() {
            if let Some(ty) = types.get(at) {
                item.sql = self.as_exactly(item, *ty)?;
                item.ty = *ty;
                columns[at].ty = *ty;
            }
            let sql = if select.distinct { self.sortable(item)? } else { item.sql.clone() };
            selected.push(format!("{sql} AS c{}", at + 1));
        }
        let mut sorted = Vec::new();
        for (expr, descending) in order {
            let typed = match self.order_position(expr, &columns)? {
                Some(at) => items[at].clone(),
                None => self.value(expr)?,
            };
            if matches!(expr, Expr::Literal(..)) && self.order_position(expr, &columns)?.is_none() {
                return Err(Fail::new(
                    1008,
                    "The SELECT item identified by the ORDER BY number is not a position.",
                ));
            }
            sorted.push(format!("{}{}", self.sortable(&typed)?, if *descending { " DESC" } else { "" }));
        }
        let order =
            if sorted.is_empty() { String::new() } else { format!(" ORDER BY {}", sorted.join(", ")) };
        let distinct = if select.distinct { "DISTINCT " } else { "" };
        let sql = format!("SELECT {distinct}{}{from}{filter}{group}{having}{order}", selected.join(", "));
        Ok(Query { sql, columns })
    }

    /// The item that an ORDER BY names: by its alias or by number.
    fn order_position(&self, expr: &Expr, columns: &[Output]) -> Result<Option<usize>> {
        match expr {
            Expr::Column { table: None, name } => {
                let order = self.env.facts.order;
                Ok(columns.iter().position(|c| crate::catalog::same(&c.name, name, order)))
            }
            Expr::Literal(rusqlite::types::Value::Integer(number), _) => {
                let at = usize::try_from(*number).unwrap_or(0);
                if (1..=columns.len()).contains(&at) { Ok(Some(at - 1)) } else { Ok(None) }
            }
            _ => Ok(None),
        }
    }

    fn starred(&self, alias: Option<&str>) -> Result<Vec<BoundColumn>> {
        let order = self.env.facts.order;
        let scope = self.scopes.last().map(Vec::as_slice).unwrap_or_default();
        let found: Vec<BoundColumn> = scope
            .iter()
            .filter(|b| alias.is_none_or(|a| crate::catalog::same(a, &b.alias, order)))
            .flat_map(|b| b.columns.iter().cloned())
            .collect();
        if found.is_empty() {
            return Err(Fail::new(
                107,
                "The column prefix does not match with a table name or alias name used.",
            ));
        }
        Ok(found)
    }

    /// FROM in SQLite's words, and what it puts in sight.
    pub fn from(&mut self, from: &From) -> Result<(String, Vec<Bound>)> {
        let (mut sql, first) = self.source(&from.first)?;
        sql = format!(" FROM {sql}");
        let mut scope = vec![first];
        for (join, source, on) in &from.joins {
            let (joined, mut bound) = self.source(source)?;
            if *join == Join::Left {
                for column in &mut bound.columns {
                    column.typed.nullable = true;
                }
            }
            let order = self.env.facts.order;
            if scope.iter().any(|b| crate::catalog::same(&b.alias, &bound.alias, order)) {
                return Err(Fail::new(
                    1013,
                    format!(
                        "The objects \"{0}\" and \"{0}\" in the FROM clause have the same exposed names.",
                        bound.alias
                    ),
                ));
            }
            scope.push(bound);
            let word = match join {
                Join::Inner => "JOIN",
                Join::Left => "LEFT JOIN",
                Join::Cross => "CROSS JOIN",
            };
            sql += &format!(" {word} {joined}");
            if let Some(on) = on {
                self.scopes.push(std::mem::take(&mut scope));
                let on = self.condition(on);
                scope = self.scopes.pop().unwrap_or_default();
                sql += &format!(" ON {}", on?);
            }
        }
        Ok((sql, scope))
    }

    fn source(&mut self, source: &Source) -> Result<(String, Bound)> {
        match &source.kind {
            SourceKind::Table(name) => {
                let locking = ["UPDLOCK", "HOLDLOCK", "SERIALIZABLE", "XLOCK", "TABLOCKX", "REPEATABLEREAD"];
                let lock = source.hints.iter().any(|h| locking.contains(&h.as_str()));
                let table = self.env.table(name, Access::Read { lock })?;
                self.env.permit("SELECT", &table)?;
                let alias = source.alias.as_deref().unwrap_or(&name.name);
                let stored = table.stored();
                let bound = self.bound(table, alias)?;
                Ok((format!("{stored} AS {}", bound.handle), bound))
            }
            SourceKind::Json { text, columns } => {
                let Some(alias) = source.alias.as_deref() else {
                    return Err(Fail::refused("OPENJSON without alias"));
                };
                let table = crate::openjson::load(self, text, columns)?;
                let bound = self.bound(table.into(), alias)?;
                let stored = bound.table.as_ref().map(|t| t.stored()).unwrap_or_default();
                Ok((format!("{stored} AS {}", bound.handle), bound))
            }
            SourceKind::Derived(select) => {
                if !select.order.is_empty() && select.top.is_none() && select.offset.is_none() {
                    return Err(Fail::new(
                        1033,
                        "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and \
                         common table expressions, unless TOP, OFFSET or FOR XML is also specified.",
                    ));
                }
                let outer = std::mem::take(&mut self.scopes);
                let query = self.nested(select);
                self.scopes = outer;
                let query = query?;
                let handle = self.handle();
                let column = |(at, output): (usize, &Output)| BoundColumn {
                    name: output.name.clone(),
                    typed: Typed::new(format!("{handle}.c{}", at + 1), output.ty, output.nullable)
                        .with(output.collation.clone()),
                };
                let columns = query.columns.iter().enumerate().map(column).collect();
                let alias = source.alias.clone().unwrap_or_default();
                let sql = format!("({}) AS {handle}", query.sql);
                Ok((sql, Bound { alias, handle, columns, table: None }))
            }
        }
    }
}

fn output(name: String, typed: &Typed) -> Output {
    Output {
        name,
        ty: typed.ty,
        nullable: typed.nullable || typed.untyped,
        collation: typed.collation.clone(),
        origin: typed.origin,
        variant: typed.variant,
    }
}

/// Whether an aggregate stands in the expression, outside of subqueries.
fn aggregate_inside(expr: &Expr) -> bool {
    let any = |list: &[Expr]| list.iter().any(aggregate_inside);
    match expr {
        Expr::Call(name, _) if matches!(name.as_str(), "COUNT" | "COUNT_BIG" | "MAX" | "MIN" | "SUM") => true,
        Expr::Call(_, arguments) => any(arguments),
        Expr::Negate(a) | Expr::Not(a) | Expr::IsNull(a, _) | Expr::Collate(a, _) => aggregate_inside(a),
        Expr::Cast { value, .. } => aggregate_inside(value),
        Expr::Binary(_, a, b) | Expr::Compare(_, a, b) | Expr::And(a, b) | Expr::Or(a, b) => {
            aggregate_inside(a) || aggregate_inside(b)
        }
        Expr::Case { operand, whens, otherwise } => {
            operand.as_deref().is_some_and(aggregate_inside)
                || whens.iter().any(|(w, t)| aggregate_inside(w) || aggregate_inside(t))
                || otherwise.as_deref().is_some_and(aggregate_inside)
        }
        _ => false,
    }
}
