//! Planning without the target: a bundle of it becomes an embedded server, and the plan is made against that.
//!
//! The tables are made of what the model names and of what the documents have; each document gets the id it had. What
//! the target holds and its bundle does not say (local values, sizes of columns, other kinds) is not known to such a
//! plan; whoever applies it finds out, under the lock, whether it still holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::bundle::{Bundle, Header};
use crate::crypto::{DataKey, FingerprintKey, MasterKey, MasterKeySize};
use crate::document::Value;
use crate::model::Model;
use crate::progress::{Preliminary, Progress};
use crate::server::{self, Address, Catalog, Column, ColumnType, Schema, Server, Table};

use super::import::decide::{Purpose, decide_for};
use super::import::request::error::ImportError;
use super::import::request::options::{ImportOptions, Keys};
use super::import::{How, Outcome};

/// An embedded server that holds what a bundle holds.
pub struct Stand {
    /// The server; it lasts as long as its folder.
    pub server: Box<dyn Server>,
    /// The key under which it keeps its secrets: of this process alone.
    pub master: MasterKey,
}

/// Makes a server of a target's bundle, in a folder of the caller's. `planned` is the bundle that is to be imported:
/// its documents tell the columns of kinds of which the target has none. `key` opens the target's secrets, where the
/// bundle has any.
///
/// # Errors
/// [`ImportError`]; [`ImportError::Choice`] where the bundle cannot stand for its server.
pub fn stand(
    target: &Bundle,
    key: Option<&DataKey>,
    planned: &Bundle,
    model: &Model,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Stand, ImportError> {
    let mut tables = Tables::of_model(model);
    let kinds = tables.learn(target, model, None, progress)?;
    tables.learn(planned, model, Some(&kinds), progress)?;
    let catalog = tables.catalog(model);
    let address = Address::Sqlite(folder.join("target.sqlite"));
    let mut made = server::create(&address, Schema::Like(&catalog))?;
    tell_version(&mut *made, model, &target.info().header)?;
    let master = MasterKey::generate(MasterKeySize::Bits256)?;
    let seen = FingerprintKey::generate()?;
    let keys = Keys { bundle: key, master: Some(&master), seen: &seen };
    let options = ImportOptions {
        overwrite: true,
        ignore_version: true,
        accept_dangling: true,
        accept_undeclared: true,
        accept_invalid: true,
        ..ImportOptions::default()
    };
    let (how, progress) = (How::default(), &Preliminary(progress));
    let mut copied = decide_for(target, &mut *made.read()?, model, keys, options, Purpose::Copy, progress)?;
    match copied.carry_out(&mut *made, how, progress)? {
        Outcome::Applied(_) | Outcome::Nothing(_) => Ok(Stand { server: made, master }),
        Outcome::Refused(plan) => {
            let first = plan.findings.first();
            let first = first.map(|f| format!("{} {} {}", f.kind, f.name, f.problem)).unwrap_or_default();
            Err(ImportError::Choice(format!("the bundle of the target cannot stand for it: {first}")))
        }
        Outcome::DryRun(_) | Outcome::Stale(_) => Err(ImportError::Choice("it was not copied".to_owned())),
    }
}

/// The columns of a table, by name in lower case: the name, and the type that all values fit.
type Columns = BTreeMap<String, (String, Option<&'static str>)>;

/// The tables that documents call for.
struct Tables {
    /// By name in lower case.
    tables: BTreeMap<String, (String, Columns)>,
}

impl Tables {
    fn of_model(model: &Model) -> Self {
        let mut tables = Self { tables: BTreeMap::new() };
        for kind in model.kinds() {
            tables.add(&kind.table, kind.id.iter().map(|id| id.column.as_str()).chain(kind.body.as_deref()));
            let required = kind.key.iter().filter(|key| !key.optional).map(|key| key.column.as_str());
            tables.add(&kind.table, required.chain(kind.rows.iter().map(|row| row.column.as_str())));
        }
        if let Some(rule) = &model.allocation {
            tables.add(&rule.table, [rule.name.as_str()].into_iter());
            tables.see(&rule.table, &rule.last, &Value::Int(0));
        }
        if let Some(rule) = &model.version {
            tables.add(&rule.table, [rule.column.as_str()].into_iter());
            tables.see(&rule.table, &rule.newest_by, &Value::Int(0));
        }
        tables
    }

    fn add<'c>(&mut self, table: &str, columns: impl Iterator<Item = &'c str>) {
        columns.for_each(|column| self.see(table, column, &Value::Null));
    }

    fn see(&mut self, table: &str, column: &str, value: &Value) {
        let (_, columns) =
            self.tables.entry(table.to_lowercase()).or_insert_with(|| (table.to_owned(), BTreeMap::new()));
        let (_, declared) = columns.entry(column.to_lowercase()).or_insert_with(|| (column.to_owned(), None));
        let fits = match value {
            Value::Null => return,
            Value::Bool(_) => "bit",
            Value::Int(_) => "bigint",
            Value::Number(_) => "decimal(38,10)",
            Value::Bytes(_) => "varbinary(max)",
            _ => "nvarchar(max)",
        };
        *declared = Some(match *declared {
            None => fits,
            Some(before) if before == fits => before,
            Some("bigint" | "decimal(38,10)") if matches!(value, Value::Int(_) | Value::Number(_)) => {
                "decimal(38,10)"
            }
            Some(_) => "nvarchar(max)",
        });
    }

    /// Learns the columns of a bundle's documents, but for kinds that are `known` already. Returns its kinds.
    fn learn(
        &mut self,
        bundle: &Bundle,
        model: &Model,
        known: Option<&BTreeSet<String>>,
        progress: &dyn Progress,
    ) -> Result<BTreeSet<String>, ImportError> {
        let mut kinds = BTreeSet::new();
        for info in &bundle.info().kinds {
            kinds.insert(info.name.clone());
            let Some(kind) = model.kind(&info.name) else { continue };
            if known.is_some_and(|known| known.contains(&info.name)) {
                continue;
            }
            let id = kind.id.as_ref().map(|id| id.column.as_str());
            bundle.scan(Some(&info.name), &mut |entry, document| -> Result<(), ImportError> {
                progress.check()?;
                if let Some(id) = id {
                    self.see(&kind.table, id, &entry.id);
                }
                document.columns.iter().for_each(|(name, value)| self.see(&kind.table, name, value));
                Ok(())
            })?;
        }
        Ok(kinds)
    }

    fn catalog(self, model: &Model) -> Catalog {
        let key = |table: &str| {
            let of_table = |kind: &&crate::model::Kind| kind.table.eq_ignore_ascii_case(table);
            model.kinds().iter().find(of_table).and_then(|kind| kind.id.as_ref()).map(|id| id.column.clone())
        };
        let column = |(name, declared): (String, Option<&'static str>)| {
            // Keys are text unless they are seen to be numbers.
            let declared = declared.unwrap_or("nvarchar(max)");
            Column {
                name,
                declared: declared.to_owned(),
                kind: ColumnType::of(declared),
                nullable: true,
                default: None,
                identity: false,
            }
        };
        let tables = self.tables.into_values().map(|(name, columns)| {
            let primary_key = key(&name).into_iter().collect();
            let columns = columns.into_values().map(column).collect();
            Table {
                name,
                columns,
                primary_key,
                unique: Vec::new(),
                foreign_keys: Vec::new(),
                unchecked: Vec::new(),
            }
        });
        Catalog { tables: tables.collect() }
    }
}

/// Tells a made server which version of the product it stands for.
fn tell_version(server: &mut dyn Server, model: &Model, header: &Header) -> Result<(), ImportError> {
    let (Some(rule), Some(version)) = (&model.version, &header.product_version) else { return Ok(()) };
    let mut transaction = server.begin()?;
    let row = vec![Value::Int(1), Value::from(version.as_str())];
    transaction
        .insert(&rule.table, &[&rule.newest_by, &rule.column], &[row])
        .map_err(|error| error.source)?;
    transaction.commit().map_err(|error| error.source)?;
    Ok(())
}
