//! The views `sys.…`, as tables that every DDL statement brings up to date.

use crate::catalog::{Column, IndexKind, Table, quoted};
use crate::fail::Result;
use crate::types::{self, Type};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::sync::Arc;

const NAME: Type = Type::NVarChar(Some(128));
const TEXT: Type = Type::NVarChar(None);

/// A view: name, columns (nullable where marked), and the column that says whose rows they are.
struct View {
    name: &'static str,
    columns: &'static [(&'static str, Type, bool)],
    owner: &'static str,
}

const VIEWS: &[View] = &[
    View {
        name: "sys.schemas",
        owner: "",
        columns: &[("name", NAME, false), ("schema_id", Type::Int, false)],
    },
    View {
        name: "sys.tables",
        owner: "object_id",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("schema_id", Type::Int, false),
            ("type", Type::Char(2), true),
            ("is_ms_shipped", Type::Bit, false),
        ],
    },
    View {
        name: "sys.objects",
        owner: "owner_id",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("schema_id", Type::Int, false),
            ("parent_object_id", Type::Int, false),
            ("type", Type::Char(2), true),
            ("is_ms_shipped", Type::Bit, false),
            ("owner_id", Type::Int, false),
        ],
    },
    View {
        name: "sys.columns",
        owner: "object_id",
        columns: &[
            ("object_id", Type::Int, false),
            ("name", NAME, true),
            ("column_id", Type::Int, false),
            ("system_type_id", Type::TinyInt, false),
            ("user_type_id", Type::Int, false),
            ("max_length", Type::SmallInt, false),
            ("precision", Type::TinyInt, false),
            ("scale", Type::TinyInt, false),
            ("collation_name", NAME, true),
            ("is_nullable", Type::Bit, true),
            ("is_identity", Type::Bit, false),
            ("is_computed", Type::Bit, false),
            ("is_rowguidcol", Type::Bit, false),
            ("default_object_id", Type::Int, false),
        ],
    },
    View {
        name: "sys.types",
        owner: "",
        columns: &[
            ("name", NAME, false),
            ("system_type_id", Type::TinyInt, false),
            ("user_type_id", Type::Int, false),
            ("max_length", Type::SmallInt, false),
            ("precision", Type::TinyInt, false),
            ("scale", Type::TinyInt, false),
            ("is_user_defined", Type::Bit, false),
        ],
    },
    View {
        name: "sys.default_constraints",
        owner: "parent_object_id",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("parent_object_id", Type::Int, false),
            ("parent_column_id", Type::Int, false),
            ("definition", TEXT, true),
        ],
    },
    View {
        name: "sys.check_constraints",
        owner: "parent_object_id",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("parent_object_id", Type::Int, false),
            ("definition", TEXT, true),
            ("is_disabled", Type::Bit, false),
        ],
    },
    View {
        name: "sys.computed_columns",
        owner: "object_id",
        columns: &[
            ("object_id", Type::Int, false),
            ("name", NAME, true),
            ("column_id", Type::Int, false),
            ("definition", TEXT, true),
        ],
    },
    View {
        name: "sys.indexes",
        owner: "object_id",
        columns: &[
            ("object_id", Type::Int, false),
            ("name", NAME, true),
            ("index_id", Type::Int, false),
            ("type", Type::TinyInt, false),
            ("is_unique", Type::Bit, true),
            ("is_primary_key", Type::Bit, true),
            ("is_unique_constraint", Type::Bit, true),
            ("has_filter", Type::Bit, true),
            ("filter_definition", TEXT, true),
            ("is_disabled", Type::Bit, true),
        ],
    },
    View {
        name: "sys.index_columns",
        owner: "object_id",
        columns: &[
            ("object_id", Type::Int, false),
            ("index_id", Type::Int, false),
            ("index_column_id", Type::Int, false),
            ("column_id", Type::Int, false),
            ("key_ordinal", Type::TinyInt, false),
            ("is_included_column", Type::Bit, true),
        ],
    },
    View {
        name: "sys.foreign_keys",
        owner: "parent_object_id",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("parent_object_id", Type::Int, false),
            ("referenced_object_id", Type::Int, true),
            ("is_disabled", Type::Bit, false),
        ],
    },
    View {
        name: "sys.foreign_key_columns",
        owner: "parent_object_id",
        columns: &[
            ("constraint_object_id", Type::Int, false),
            ("constraint_column_id", Type::Int, false),
            ("parent_object_id", Type::Int, false),
            ("parent_column_id", Type::Int, false),
            ("referenced_object_id", Type::Int, false),
            ("referenced_column_id", Type::Int, false),
        ],
    },
    View {
        name: "sys.triggers",
        owner: "",
        columns: &[
            ("name", NAME, false),
            ("object_id", Type::Int, false),
            ("parent_id", Type::Int, false),
            ("is_disabled", Type::Bit, false),
        ],
    },
    View {
        name: "sys.databases",
        owner: "",
        columns: &[
            ("name", NAME, false),
            ("database_id", Type::Int, false),
            ("compatibility_level", Type::TinyInt, false),
            ("collation_name", NAME, true),
            ("snapshot_isolation_state", Type::TinyInt, true),
            ("is_read_only", Type::Bit, true),
            ("is_read_committed_snapshot_on", Type::Bit, true),
            ("state", Type::TinyInt, true),
        ],
    },
];

/// The definition of a view for queries, if there is such a view.
pub(crate) fn view(name: &str, collation: &str) -> Option<Arc<Table>> {
    let full = format!("sys.{}", name.to_ascii_lowercase());
    let view = VIEWS.iter().find(|v| v.name == full)?;
    let column = |(at, (name, ty, nullable)): (usize, &(&str, Type, bool))| Column {
        id: at as i64 + 1,
        name: (*name).to_owned(),
        ty: *ty,
        collation: ty.is_text().then(|| collation.to_owned()),
        nullable: *nullable,
        identity: None,
        default: None,
        computed: None,
    };
    Some(Arc::new(Table {
        id: -1,
        name: view.name.to_owned(),
        columns: view.columns.iter().enumerate().map(column).collect(),
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign: Vec::new(),
        system: true,
    }))
}

fn create_one(db: &Connection, schema: &str, view: &View, order: &str) -> Result<()> {
    let columns: Vec<String> =
        view.columns.iter().map(|(name, ty, _)| format!("{} {}", quoted(name), ty.storage(order))).collect();
    db.execute_batch(&format!("CREATE TABLE {schema}.{} ({})", quoted(view.name), columns.join(", ")))?;
    Ok(())
}

pub(crate) fn create(db: &Connection, order: &str) -> Result<()> {
    for view in VIEWS.iter().filter(|v| v.name != "sys.databases") {
        create_one(db, "main", view, order)?;
        if !view.owner.is_empty() {
            let (name, owner) = (view.name, view.owner);
            db.execute_batch(&format!("CREATE INDEX main.\"{name}:owner\" ON \"{name}\" ({owner})"))?;
        }
    }
    insert(db, "sys.schemas", &[text("dbo"), int(1)])?;
    insert(db, "sys.schemas", &[text("sys"), int(4)])?;
    for ty in types::all() {
        let (id, length, precision, scale) = ty.catalog();
        insert(
            db,
            "sys.types",
            &[text(ty.name()), int(id), int(id), int(length), int(precision), int(scale), int(0)],
        )?;
    }
    insert(db, "sys.types", &[text("sysname"), int(231), int(256), int(256), int(0), int(0), int(0)])
}

/// Fills sys.databases for one statement; it is of the session's own schema, as it changes outside.
pub(crate) fn fill_databases(db: &Connection, order: &str, rows: &[Vec<Value>]) -> Result<()> {
    db.execute_batch("DROP TABLE IF EXISTS temp.\"sys.databases\"")?;
    for view in VIEWS.iter().filter(|v| v.name == "sys.databases") {
        create_one(db, "temp", view, order)?;
    }
    for row in rows {
        let marks = vec!["?"; row.len()].join(",");
        db.execute(&format!("INSERT INTO temp.\"sys.databases\" VALUES ({marks})"), params_from_iter(row))?;
    }
    Ok(())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn int(number: impl Into<i64>) -> Value {
    Value::Integer(number.into())
}

fn insert(db: &Connection, view: &str, row: &[Value]) -> Result<()> {
    let marks = vec!["?"; row.len()].join(",");
    db.prepare_cached(&format!("INSERT INTO main.\"{view}\" VALUES ({marks})"))?
        .execute(params_from_iter(row))?;
    Ok(())
}

pub(crate) fn forget(db: &Connection, object: i64) -> Result<()> {
    for view in VIEWS.iter().filter(|v| !v.owner.is_empty()) {
        db.execute(&format!("DELETE FROM main.\"{}\" WHERE {} = ?1", view.name, view.owner), [object])?;
    }
    Ok(())
}

/// Writes the rows of one table anew.
pub(crate) fn refresh(db: &Connection, table: &Table) -> Result<()> {
    forget(db, table.id)?;
    let id = int(table.id);
    let name = text(&table.name);
    let object = |name: &str, object: i64, kind: &str| {
        let parent = if object == table.id { 0 } else { table.id };
        insert(
            db,
            "sys.objects",
            &[text(name), int(object), int(1), int(parent), text(kind), int(0), int(table.id)],
        )
    };
    insert(db, "sys.tables", &[name, id.clone(), int(1), text("U "), int(0)])?;
    object(&table.name, table.id, "U ")?;
    for column in &table.columns {
        let (type_id, length, precision, scale) = column.ty.catalog();
        let collation = column.collation.as_deref().map_or(Value::Null, text);
        let default = column.default.as_ref().map_or(0, |d| d.id);
        insert(
            db,
            "sys.columns",
            &[
                id.clone(),
                text(&column.name),
                int(column.id),
                int(type_id),
                int(type_id),
                int(length),
                int(precision),
                int(scale),
                collation,
                int(column.nullable),
                int(column.identity.is_some()),
                int(column.computed.is_some()),
                int(0),
                int(default),
            ],
        )?;
        if let Some(default) = &column.default {
            let row = [text(&default.name), int(default.id), id.clone(), int(column.id), text(&default.text)];
            insert(db, "sys.default_constraints", &row)?;
            object(&default.name, default.id, "D ")?;
        }
        if let Some(definition) = &column.computed {
            let row = [id.clone(), text(&column.name), int(column.id), text(definition)];
            insert(db, "sys.computed_columns", &row)?;
        }
    }
    let column_id =
        |table: &Table, name: &str| table.columns.iter().find(|c| c.name == name).map_or(0, |c| c.id);
    if !table.indexes.iter().any(|i| i.number == 1) {
        let heap =
            [id.clone(), Value::Null, int(0), int(0), int(0), int(0), int(0), int(0), Value::Null, int(0)];
        insert(db, "sys.indexes", &heap)?;
    }
    for index in &table.indexes {
        insert(
            db,
            "sys.indexes",
            &[
                id.clone(),
                text(&index.name),
                int(index.number),
                int(if index.number == 1 { 1 } else { 2 }),
                int(index.is_unique()),
                int(index.kind == IndexKind::PrimaryKey),
                int(index.kind == IndexKind::UniqueConstraint),
                int(0),
                Value::Null,
                int(0),
            ],
        )?;
        match index.kind {
            IndexKind::PrimaryKey => object(&index.name, index.id, "PK")?,
            IndexKind::UniqueConstraint => object(&index.name, index.id, "UQ")?,
            IndexKind::Unique | IndexKind::Plain => {}
        }
        let keys = index.columns.iter().enumerate().map(|(at, name)| (name, at as i64 + 1, 0));
        let included = index.included.iter().map(|name| (name, 0, 1));
        for (at, (name, ordinal, is_included)) in keys.chain(included).enumerate() {
            let row = [
                id.clone(),
                int(index.number),
                int(at as i64 + 1),
                int(column_id(table, name)),
                int(ordinal),
                int(is_included),
            ];
            insert(db, "sys.index_columns", &row)?;
        }
    }
    for check in &table.checks {
        let row = [text(&check.name), int(check.id), id.clone(), text(&check.text), int(0)];
        insert(db, "sys.check_constraints", &row)?;
        object(&check.name, check.id, "C ")?;
    }
    for foreign in &table.foreign {
        let referenced = if foreign.references == table.name {
            Some(Arc::new(table.clone()))
        } else {
            crate::catalog::find(db, &foreign.references)?
        };
        let Some(referenced) = referenced else { continue };
        let row = [text(&foreign.name), int(foreign.id), id.clone(), int(referenced.id), int(0)];
        insert(db, "sys.foreign_keys", &row)?;
        object(&foreign.name, foreign.id, "F ")?;
        for (at, (from, to)) in foreign.columns.iter().zip(&foreign.referenced).enumerate() {
            let row = [
                int(foreign.id),
                int(at as i64 + 1),
                id.clone(),
                int(column_id(table, from)),
                int(referenced.id),
                int(column_id(&referenced, to)),
            ];
            insert(db, "sys.foreign_key_columns", &row)?;
        }
    }
    Ok(())
}
