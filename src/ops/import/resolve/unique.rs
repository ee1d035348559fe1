//! The unique values that a plan was seen to write: unique constraints and indexes as documents fill them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::document::{Collation, Document, Value};
use crate::model::Duplicates;
use crate::server::{Catalog, Condition, UniqueSet};

use crate::ops::rules::validate::shown;
use crate::ops::translate::{Id, Layout};

/// A unique constraint or index as the documents of one kind fill it.
pub(in crate::ops) struct Set {
    /// Its position among those of the table.
    pub at: usize,
    /// The columns by their names in documents, and how they compare.
    pub columns: Vec<(String, Collation)>,
    /// The columns as the server spells them.
    pub by: Vec<String>,
    /// The conditions of a filtered index, with the columns' names in documents and in the server.
    pub filter: Vec<(String, String, Condition)>,
    pub null_is_value: bool,
    /// What columns that a new row does not name become; `None` where that is not known.
    pub defaults: BTreeMap<String, Option<Value>>,
}

/// An entry of a unique index, as a hash: of the table, the index, and the values as they compare.
pub(in crate::ops) type Values = [u8; 32];

/// A document that is written, and what it would share with another.
pub(in crate::ops) struct Clash {
    pub number: u64,
    /// Its kind and the index, by their positions.
    pub layout: usize,
    pub at: usize,
    /// The columns with their values, for people.
    pub what: String,
}

/// A row of the target that has the values of a document.
pub(in crate::ops) struct Met {
    pub clash: Clash,
    /// Whether the document is new.
    pub created: bool,
    pub values: Values,
    pub row: Id,
}

/// The unique values that a plan was seen to write.
#[derive(Default)]
pub(in crate::ops) struct Clashes {
    pub sets: HashMap<usize, Rc<Vec<Set>>>,
    /// What documents hold that are written, by their numbers.
    pub taken: HashMap<Values, u64>,
    /// What rows held that are updated to something else, by the kind of their documents.
    pub freed: HashMap<(Values, String), usize>,
    pub met: Vec<Met>,
    /// Documents that are written with the values of another, and the number of that.
    pub twins: Vec<(Clash, u64)>,
}

impl Set {
    /// The unique constraints and indexes of a kind's table that its documents fill, but for the id and the key.
    pub fn all(layout: &Layout<'_>, sets: Vec<UniqueSet>, catalog: &Catalog) -> Vec<Self> {
        // Documents are told apart by their keys already, where rows that are no documents cannot have one.
        let keyed = !layout.shared
            && layout.kind.rows.is_empty()
            && layout.kind.duplicates == Duplicates::Refuse
            && layout.aliases.is_empty()
            && layout.open.is_none();
        let key = layout.key_columns();
        let has = |set: &UniqueSet, name: &str| set.columns.iter().any(|(c, _)| c.eq_ignore_ascii_case(name));
        let content = |name: &str| {
            let same =
                |column: &&crate::ops::translate::ContentColumn| column.server.eq_ignore_ascii_case(name);
            layout.content.iter().find(same).filter(|column| column.carried)
        };
        let table = catalog.table(&layout.table);
        let mut all = Vec::new();
        for (at, set) in sets.into_iter().enumerate() {
            // Keys that differ for the model may be the same to the index.
            let coarser = layout.collation() == Collation::CaseSensitive
                && set.columns.iter().any(|(_, collation)| *collation == Collation::CaseInsensitive);
            let covers_key = keyed && !coarser && !key.is_empty() && key.iter().all(|name| has(&set, name));
            if covers_key || layout.id.as_deref().is_some_and(|id| has(&set, id)) {
                continue;
            }
            let columns: Option<Vec<_>> =
                { set.columns.iter() }.map(|(name, collation)| Some((content(name)?, *collation))).collect();
            let filter: Option<Vec<_>> = { set.filter.into_iter() }
                .map(|condition| {
                    let column = content(&condition.column)?;
                    Some((column.name.clone(), column.server.clone(), condition))
                })
                .collect();
            let (Some(columns), Some(filter)) = (columns, filter) else { continue };
            let names = columns.iter().map(|(column, _)| *column);
            let named = names.chain(filter.iter().filter_map(|(_, server, _)| content(server)));
            let defaults = named.map(|column| {
                let default = table.and_then(|table| table.column(&column.server)?.default_value());
                (column.name.clone(), default)
            });
            let defaults = defaults.collect();
            all.push(Self {
                at,
                by: columns.iter().map(|(column, _)| column.server.clone()).collect(),
                columns: columns
                    .iter()
                    .map(|(column, collation)| (column.name.clone(), *collation))
                    .collect(),
                filter,
                null_is_value: set.null_is_value,
                defaults,
            });
        }
        all
    }

    /// The columns, and what a document holds in them, for people.
    pub fn shown(&self, layout: &Layout<'_>, document: &Document) -> String {
        let secret = |name: &str| layout.kind.secrets.iter().any(|s| s.at.column.as_deref() == Some(name));
        let one = |(name, _): &(String, Collation)| match document.columns.get(name) {
            _ if secret(name) => name.clone(),
            None => name.clone(),
            Some(Value::Ref(reference)) => format!("{name} {reference}"),
            Some(value) => format!("{name} {}", shown(value)),
        };
        self.columns.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}
