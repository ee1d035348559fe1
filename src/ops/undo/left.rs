//! Documents as an import left them, against what the server has by now.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::bundle::{self, Bundle};
use crate::crypto::{DataKey, MasterKey};
use crate::document::{Dangling, Document, KindName, Map, Reference, Value};
use crate::model::{Direction, Form, Keep, Rule, Target};
use crate::plan::{Change as Difference, changes, respell};
use crate::progress::Progress;
use crate::server::{Lookup, Reader};

use super::column_form::ColumnForm;
use super::read_back::{row_columns, row_key};
use super::record::{CHANGE, Change, FILLED, Wrote, filled_row};
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{Id, Layout, Layouts, ServerSecrets, Translation, Vault, fetch_some};

/// How many documents are compared together, and how many bytes of them, about.
const BATCH: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;

/// What the server has of a document that an import left.
pub(in crate::ops) enum Now<'n> {
    /// Its row is gone.
    Gone,
    /// Its row cannot be read: it is among the faults of the translation.
    Unread,
    /// Its row, as a document; its secrets are in the vault.
    There { document: &'n Document, vault: &'n Vault, differs: bool },
}

/// Hears of each document, and of what the server has of it: by the position of its kind in the model.
pub(in crate::ops) type See<'s> = dyn FnMut(usize, Change, Now<'_>) -> Result<(), ImportError> + 's;

/// Compares documents as an import left them with those of the server.
pub(in crate::ops) struct Left<'l, 'm> {
    bundle: &'l Bundle,
    /// The key of the undo file's secrets.
    key: Option<&'l DataKey>,
    translation: &'l mut Translation<'m>,
    vault: &'l mut Vault,
    /// The server's key.
    master: Option<&'l MasterKey>,
    /// What the import deleted, by kind and folded key.
    deleted: HashSet<(KindName, String)>,
}

/// A document as it was left.
type LeftDocument = (Change, bundle::Entry, Document);

/// A document as it was left, and as it is now.
struct Pair {
    change: Change,
    after: Document,
    now: Document,
    /// As it is now, in the form in which it is compared, where that is another.
    level: Option<Document>,
}

impl<'l, 'm> Left<'l, 'm> {
    /// Prepares to compare the documents of an undo file; `key` opens its secrets, and `master` those of the server.
    ///
    /// # Errors
    /// [`ImportError::Bundle`].
    pub fn new(
        bundle: &'l Bundle,
        (key, master): (Option<&'l DataKey>, Option<&'l MasterKey>),
        translation: &'l mut Translation<'m>,
        vault: &'l mut Vault,
    ) -> Result<Self, ImportError> {
        let mut deleted = HashSet::new();
        let collation = translation.layouts.model.collation;
        bundle.entries(Some(CHANGE), &mut |entry| -> Result<(), ImportError> {
            if let Some(Change { document, wrote: Wrote::Deleted, .. }) = Change::of(&entry) {
                let folded = document.key.folded(collation);
                deleted.insert((document.kind, folded));
            }
            Ok(())
        })?;
        Ok(Self { bundle, key, translation, vault, master, deleted })
    }

    /// Compares the documents that are wanted. Kinds that the server has no table for are passed over.
    pub fn compare(
        &mut self,
        reader: &mut dyn Reader,
        wanted: &dyn Fn(&Change) -> bool,
        see: &mut See<'_>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        let (mut batch, mut count, mut weight): (BTreeMap<usize, Vec<LeftDocument>>, usize, usize) =
            (BTreeMap::new(), 0, 0);
        let bundle = self.bundle;
        bundle.scan(Some(CHANGE), &mut |entry, document| -> Result<(), ImportError> {
            let Some(change) = Change::of(&entry).filter(wanted) else { return Ok(()) };
            let layouts = &self.translation.layouts;
            let Some(Target::Kind(kind)) = layouts.model.target(&change.document.kind) else { return Ok(()) };
            if layouts.at(kind).is_none() {
                return Ok(());
            }
            weight += document.body.as_ref().map_or(0, Value::weight) + 256;
            count += 1;
            batch.entry(kind).or_default().push((change, entry, document));
            if count < BATCH && weight < BATCH_BYTES {
                return Ok(());
            }
            (count, weight) = (0, 0);
            self.batch(reader, std::mem::take(&mut batch), see, progress)
        })?;
        self.batch(reader, batch, see, progress)
    }

    fn batch(
        &mut self,
        reader: &mut dyn Reader,
        batch: BTreeMap<usize, Vec<LeftDocument>>,
        see: &mut See<'_>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        let layouts = self.translation.layouts.clone();
        for (kind, documents) in batch {
            let Some(layout) = layouts.at(kind) else { continue };
            let rows: Vec<Id> = documents.iter().map(|(change, ..)| change.row.clone()).collect();
            let mut open: BTreeMap<String, LeftDocument> =
                documents.into_iter().map(|left| (folded(layout, &left.0.row), left)).collect();
            fetch_some::<ImportError>(reader, layout, &rows, &mut |reader, found, rows| {
                progress.check()?;
                self.vault.clear();
                let secrets = ServerSecrets::Read(self.master);
                let read = self.translation.read(reader, kind, rows, secrets, self.vault)?;
                let mut pairs = Vec::with_capacity(read.len());
                for portable in read {
                    let Some((change, entry, mut after)) = open.remove(&folded(layout, &portable.row)) else {
                        continue;
                    };
                    if let Some(key) = self.key {
                        self.vault.open(self.bundle, &entry, &mut after, key)?;
                    }
                    pairs.push(Pair { change, after, now: portable.document, level: None });
                }
                self.resolve(reader, &mut pairs)?;
                for Pair { change, after, now, level } in pairs {
                    let differs = !changes_since(layout, after, level.as_ref().unwrap_or(&now)).is_empty();
                    see(kind, change, Now::There { document: &now, vault: self.vault, differs })?;
                }
                for id in found {
                    if let Some((change, ..)) = open.remove(&folded(layout, &id)) {
                        see(kind, change, Now::Unread)?;
                    }
                }
                Ok(())
            })?;
            let mut gone: Vec<Change> = open.into_values().map(|(change, ..)| change).collect();
            gone.sort_by_key(|change| change.number);
            gone.into_iter().try_for_each(|change| see(kind, change, Now::Gone))?;
        }
        Ok(())
    }

    /// Brings references into the form in which the server's documents have them by now. An id that led nowhere at the
    /// source may name something here. What led to a document that the import deleted leads nowhere: which ids those
    /// are is not known any more, and where there are such no id that leads nowhere is told from another.
    fn resolve(&mut self, reader: &mut dyn Reader, pairs: &mut [Pair]) -> Result<(), ImportError> {
        let model = self.translation.layouts.model;
        let led = |value: &Value| match value {
            Value::Dangling(dangling) => Some((model.target(&dangling.kind)?, Id::of(&dangling.id)?)),
            _ => None,
        };
        let mut wanted: BTreeSet<(Target, Id)> = BTreeSet::new();
        pairs.iter().for_each(|pair| pair.after.each(&mut |value| wanted.extend(led(value))));
        if !wanted.is_empty() {
            self.translation.learn(reader, wanted)?;
        }
        for Pair { after, now, level, .. } in pairs {
            replace(after, &|value| {
                let (target, id) = led(value)?;
                Some(Value::Ref(Box::new(self.translation.name(&[target], &id)?)))
            });
            let nowhere = || Value::Dangling(Box::new(Dangling { kind: KindName::new(""), id: Value::Null }));
            let gone = |value: &Value| matches!(value, Value::Ref(reference) if self.is_gone(reference));
            if replace(after, &|value| gone(value).then(nowhere)) {
                for document in [after, level.insert(now.clone())] {
                    replace(document, &|value| matches!(value, Value::Dangling(_)).then(nowhere));
                }
            }
        }
        Ok(())
    }

    /// Whether a reference leads to something that the import deleted, or to a part of that.
    fn is_gone(&self, reference: &Reference) -> bool {
        let collation = self.translation.layouts.model.collation;
        if self.deleted.is_empty() {
            return false;
        }
        let owner = |part: &Value| matches!(part, Value::Ref(owner) if self.is_gone(owner));
        self.deleted.contains(&(reference.kind.clone(), reference.key.folded(collation)))
            || reference.key.parts().iter().any(owner)
    }
}

/// Replaces values of a document; says whether there were any.
pub(in crate::ops) fn replace(document: &mut Document, with: &dyn Fn(&Value) -> Option<Value>) -> bool {
    let mut any = false;
    document.each(&mut |value| any |= matches!(value, Value::Dangling(_) | Value::Ref(_)));
    let mut found = Vec::new();
    if any {
        document.visit(&mut |place, value| found.extend(with(value).map(|value| (place.clone(), value))));
    }
    let any = !found.is_empty();
    for (place, value) in found {
        document.at_mut(&place).into_iter().for_each(|old| *old = value.clone());
    }
    any
}

/// What names a row, as the server compares it.
pub(in crate::ops) fn folded(layout: &Layout<'_>, id: &Id) -> String {
    layout.collation().fold(&id.to_string())
}

/// The places of a document that differ from what an import left, by the rules of a plan: another spelling of a
/// reference, another order of a set and another spelling of a number or a time are none. Columns that the document left
/// does not name are not compared: the server filled them in. The secrets of both are numbered by one vault.
pub(in crate::ops) fn changes_since(
    layout: &Layout<'_>,
    mut after: Document,
    now: &Document,
) -> Vec<Difference> {
    let collation = layout.collation();
    layout.respell_columns(&mut after.columns);
    if after.columns == now.columns && after.body == now.body {
        return Vec::new();
    }
    let mut now = now.clone();
    now.columns.retain(|name, _| after.columns.get(name).is_some());
    let own = layout.own_key.and_then(|position| layout.content.get(position));
    for column in &layout.content {
        let name = column.name.as_str();
        let form = ColumnForm::of(&column.sql_type, column.kind);
        for columns in [&mut after.columns, &mut now.columns] {
            if let Some(value) = columns.get_mut(name) {
                *value = form.settle(value).into_owned();
            }
        }
        // An id that is part of the key found the row.
        if own.is_some_and(|own| own.name == column.name)
            && let Some(value) = now.columns.get(name)
        {
            after.columns.insert(name, value.clone());
        }
    }
    respell(&mut after, &now, collation);
    // No id is empty text, as it is written.
    let (columns, body) = (&mut after.columns, after.body.as_mut());
    layout.kind.walk_references(columns, body, Direction::Down, &mut |rule, _, value| {
        let rule = match rule {
            Rule::Reference(index) => layout.kind.references.get(index),
            _ => None,
        };
        let empty = matches!(value, Value::List(list) if list.is_empty());
        if empty && rule.is_some_and(|rule| rule.form == Form::Comma) {
            *value = Value::Text(String::new());
        }
        Keep::Yes
    });
    layout.kind.sort_sets(&mut after, collation);
    layout.kind.sort_sets(&mut now, collation);
    changes(Some(layout.kind), &after, &now, collation)
}

/// Rows with what the server put into them, by kind and columns.
type FilledRows = BTreeMap<(usize, Vec<String>), Vec<(Id, Map)>>;

/// Finds the rows in which somebody changed what the server had put into columns that no document named.
pub(in crate::ops) fn refilled(
    bundle: &Bundle,
    reader: &mut dyn Reader,
    layouts: &Layouts<'_>,
    progress: &dyn Progress,
) -> Result<HashSet<(KindName, String)>, ImportError> {
    let mut changed = HashSet::new();
    let mut batch = FilledRows::new();
    let mut count = 0;
    let mut flush = |reader: &mut dyn Reader, batch: &mut FilledRows| {
        progress.check()?;
        for ((kind, names), rows) in std::mem::take(batch) {
            let Some(layout) = layouts.at(kind) else { continue };
            let columns: Vec<_> = names.iter().filter_map(|name| layout.column(name)).collect();
            let wanted: Vec<&str> = columns.iter().map(|column| column.server.as_str()).collect();
            let by = row_columns(layout);
            let keys: Vec<Vec<Value>> = rows.iter().map(|(id, _)| row_key(layout, id)).collect();
            let lookup = Lookup { table: &layout.table, columns: &wanted, by: &by, keys: &keys };
            reader.lookup(&lookup, &mut |position, row| {
                let Some((id, was)) = rows.get(position) else { return };
                let same = columns.iter().zip(&row).all(|(column, value)| {
                    let form = ColumnForm::of(&column.sql_type, column.kind);
                    was.get(&column.name).is_some_and(|was| form.settle(was) == form.settle(value))
                });
                if !same {
                    changed.insert((layout.kind.name.clone(), folded(layout, id)));
                }
            })?;
        }
        Ok::<(), ImportError>(())
    };
    bundle.scan(Some(FILLED), &mut |entry, document| -> Result<(), ImportError> {
        let Some((kind, row)) = filled_row(&entry.key) else {
            return Err(ImportError::Undo("what it says of a new row is not whole".to_owned()));
        };
        let Some(Target::Kind(kind)) = layouts.model.target(&kind) else { return Ok(()) };
        let names = document.columns.iter().map(|(name, _)| name.to_owned()).collect();
        batch.entry((kind, names)).or_default().push((row, document.columns));
        count += 1;
        if count % BATCH == 0 { flush(reader, &mut batch) } else { Ok(()) }
    })?;
    flush(reader, &mut batch)?;
    Ok(changed)
}
