//! From a server's ids to natural keys, looked up in batches and remembered within bounds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::document::{Dangling, Key, KindName, Reference, Value};
use crate::model::{Duplicates, ReferenceRule, Target, sorted_set};
use crate::server::{Lookup, Reader, Row, ServerError};

use super::Faults;
use super::error::TranslateError;
use super::id::Id;
use super::layout::{Layout, Layouts};
use super::marks::{ByMark, Mark, Marker};
use super::meant::{Home, MeantRows, Sense};

/// How many names are remembered before all are forgotten: some MiB. What is named often is found again soon.
const REMEMBERED: usize = 10_000;

/// How many ids one lookup asks for.
const BATCH: usize = 8192;

/// The number of a row that stays behind and shares its key columns with documents, perhaps: it is none of them.
const BEHIND: u32 = 0;

/// What ids of a server mean.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<Target, HashMap<Id, Option<Arc<Key>>>>,
    /// The ids of rows that were asked for in another spelling, by kind and that.
    respelled: HashMap<(usize, Id), Id>,
    /// The numbers of documents that share their key columns, by kind.
    ordinals: BTreeMap<usize, Ordinals>,
    marker: Marker,
    /// The rows of documents that ids mean wherever they stand.
    pub(super) meant: MeantRows,
    /// Rows that could not be read, here or by whoever asks for names.
    pub faults: Faults,
    /// Whether documents are numbered as they are met, and not with all of their kind.
    pub by_lookup: bool,
}

/// The numbers of a kind's documents among those that share their key columns.
#[derive(Debug, Default)]
struct Ordinals {
    /// By the mark of the document's id.
    known: ByMark<u32>,
    /// Whether all documents of the kind are numbered: those that are not among the known have none of their key
    /// before them.
    whole: bool,
    /// How many look-ups there were, and of how many documents.
    lookups: u32,
    asked: u64,
}

/// So many look-ups number documents of a kind before it is asked whether to number all of it.
const LOOKUPS: u32 = 8;

/// A kind is numbered as a whole when one in so many of its documents were asked for: where no index has the key
/// columns, the server passes over the table for each look-up.
const ONE_IN: u64 = 16;

/// A row's key columns as read, before its references are names.
type RawKey = Vec<Value>;

/// The key columns of rows by the ids that were asked for.
#[derive(Default)]
struct Fetched {
    keys: Vec<(Id, RawKey)>,
    /// Which of the rows stay behind, by their own ids.
    behind: Vec<Id>,
    /// What rows spell in another way than it was asked for: that, and their own id.
    respelled: Vec<(Id, Id)>,
}

impl Names {
    /// Makes room before a batch of work; never in the middle of one.
    pub fn trim(&mut self) {
        if self.known.values().map(HashMap::len).sum::<usize>() > REMEMBERED {
            self.known.clear();
            self.respelled.clear();
        }
        let looked_up = |ordinals: &Ordinals| if ordinals.whole { 0 } else { ordinals.known.len() };
        if self.by_lookup && self.ordinals.values().map(looked_up).sum::<usize>() > REMEMBERED {
            self.ordinals.values_mut().filter(|kind| !kind.whole).for_each(|kind| kind.known.clear());
        }
    }

    /// Says whether an id was looked up, whatever came of it.
    pub fn knows(&self, target: Target, id: &Id) -> bool {
        self.known.get(&target).is_some_and(|known| known.contains_key(id))
    }

    /// The id of a document as its row spells it, where it was learnt.
    pub fn own(&self, kind: usize, id: Id) -> Id {
        match self.respelled.is_empty() {
            true => id,
            false => self.respelled.get(&(kind, id.clone())).cloned().unwrap_or(id),
        }
    }

    /// Records the key of a document that was read: others that refer to it need no look-up.
    pub fn know_read(&mut self, layout: &Layout<'_>, id: &Id, key: &Key) {
        self.know(Target::Kind(layout.index), id.clone(), Some(Arc::new(key.clone())));
    }

    fn know(&mut self, target: Target, id: Id, key: Option<Arc<Key>>) {
        self.known.entry(target).or_default().insert(id, key);
    }

    /// Returns the reference that an id means under one of the targets, if it was found.
    pub fn get(&self, layouts: &Layouts<'_>, targets: &[Target], id: &Id) -> Option<Reference> {
        targets.iter().find_map(|target| {
            let key = self.known.get(target)?.get(id)?.as_ref()?;
            let kind = layouts.model.target_name(*target)?.clone();
            Some(Reference { kind, key: Key::clone(key) })
        })
    }

    /// What stands in a document for a value at a reference's place. A document's key says it in the same way where
    /// others name the document: its owner may be gone, and the key is the same key.
    pub fn value(
        &self,
        layouts: &Layouts<'_>,
        rule: &ReferenceRule,
        targets: &[Target],
        value: Value,
        home: &Home<'_>,
    ) -> Value {
        let Some(id) = Id::of(&value) else { return value };
        if matches!(&id, Id::Text(text) if layouts.model.is_verbatim(text)) {
            return value;
        }
        let named = match self.meant.sense(layouts, targets, &id, home) {
            Sense::Itself => self.get(layouts, targets, &id),
            Sense::Row(kind, id) => self.get(layouts, &[Target::Kind(kind)], &id),
            Sense::NoRow(kind) => self.meant_name(layouts, kind, &id, home),
        };
        match named {
            Some(reference) => Value::Ref(Box::new(reference)),
            None if rule.maybe => value,
            None => dangling(layouts, targets, &id, value),
        }
    }

    /// The name of a document that has no row here, and that ids mean wherever they stand: it is known anyway.
    fn meant_name(&self, layouts: &Layouts<'_>, kind: usize, id: &Id, home: &Home<'_>) -> Option<Reference> {
        let layout = layouts.at(kind)?;
        let scope = match (home.rule, &home.id) {
            (Some(rule), Some(id)) => self.value(layouts, rule, &rule.to, id.to_value(), &Home::default()),
            _ => Value::Null,
        };
        Some(Reference { kind: layout.kind.name.clone(), key: layout.meant_key(&id.to_string(), &scope)? })
    }

    /// Looks up every id that is not known yet, and all that their keys run through.
    ///
    /// # Errors
    /// [`TranslateError`], when the server fails. A row that cannot be read names nothing and is among the faults.
    pub fn learn(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        wanted: BTreeSet<(Target, Id)>,
    ) -> Result<(), TranslateError> {
        let mut rows: HashMap<(usize, Id), RawKey> = HashMap::new();
        let mut asked: HashSet<(usize, Id)> = HashSet::new();
        let mut parts: Vec<(Target, Id)> = Vec::new();
        let mut queue: Vec<(usize, Id)> = Vec::new();
        for (target, id) in wanted {
            if self.knows(target, &id) {
                continue;
            }
            match target {
                Target::Kind(kind) => queue.push((kind, id)),
                Target::Part { kind, part } => {
                    if let Some(owner) = owner_of(layouts, kind, part, &id) {
                        queue.push((kind, owner));
                    }
                    parts.push((target, id));
                }
            }
        }
        let mut order = Vec::new();
        while !queue.is_empty() {
            let mut by_kind: BTreeMap<usize, Vec<Id>> = BTreeMap::new();
            for (kind, id) in queue.drain(..) {
                if !self.knows(Target::Kind(kind), &id) && asked.insert((kind, id.clone())) {
                    order.push((kind, id.clone()));
                    by_kind.entry(kind).or_default().push(id);
                }
            }
            for (layout, fetched) in fetch_keys(reader, layouts, &by_kind)? {
                let kind = layout.index;
                let Fetched { keys: found, behind, respelled } = fetched;
                self.respelled.extend(respelled.into_iter().map(|(asked, own)| ((kind, asked), own)));
                self.number(reader, layout, &found)?;
                if layout.kind.duplicates == Duplicates::Number {
                    let behind = behind.into_iter().map(|id| (self.marker.id(&id), BEHIND));
                    self.ordinals.entry(layout.index).or_default().known.extend(behind);
                }
                for (id, raw) in found {
                    for (at, value) in raw.iter().enumerate() {
                        queue.extend(self.nested(layouts, key_rule(layout, at), value));
                    }
                    rows.insert((kind, id), raw);
                }
            }
        }
        // A key is made after those it runs through.
        let rank: HashMap<usize, usize> =
            layouts.model.key_order().iter().enumerate().map(|(rank, kind)| (*kind, rank)).collect();
        order.sort_by_key(|(kind, _)| rank.get(kind).copied());
        for (kind, id) in order {
            let key = match (rows.remove(&(kind, id.clone())), layouts.at(kind)) {
                (Some(raw), Some(layout)) => {
                    let key = self.key_of(layouts, layout, &self.own(kind, id.clone()), raw).map(Some);
                    self.faults.pass(key)?.map(Arc::new)
                }
                _ => None,
            };
            self.know(Target::Kind(kind), id, key);
        }
        self.learn_parts(reader, layouts, parts)
    }

    fn nested(&self, layouts: &Layouts<'_>, rule: Option<&ReferenceRule>, value: &Value) -> Vec<(usize, Id)> {
        let targets = rule.map_or(&[][..], |rule| &rule.to);
        let Some(id) = Id::of(value) else { return Vec::new() };
        // An id that is not there costs the embedded server a pass over the table it is sought in.
        let likely = match value.as_text() {
            Some(text) if layouts.model.is_verbatim(text) => return Vec::new(),
            Some(text) => layouts.model.likely(targets, text),
            None => targets.into(),
        };
        likely.iter().map(|target| (target.kind(), id.clone())).collect()
    }

    fn key_of(
        &self,
        layouts: &Layouts<'_>,
        layout: &Layout<'_>,
        id: &Id,
        raw: RawKey,
    ) -> Result<Key, TranslateError> {
        let mut parts = Vec::with_capacity(raw.len());
        for (at, value) in raw.into_iter().enumerate() {
            parts.push(match key_rule(layout, at) {
                // A checked model has no key that runs through what ids mean wherever they stand.
                Some(rule) => self.value(layouts, rule, &rule.to, value, &Home::default()),
                None => value,
            });
        }
        self.finish_key(layout, id, parts)
    }

    /// Makes a document's key of its parts, numbered where the kind's keys are not unique.
    pub fn finish_key(
        &self,
        layout: &Layout<'_>,
        id: &Id,
        mut parts: Vec<Value>,
    ) -> Result<Key, TranslateError> {
        // What tells documents apart is in the order of names, not of ids.
        let apart = parts.split_off(layout.key_len().min(parts.len()));
        parts.extend(sorted_set(apart, layout.collation()));
        let ordinals = self.ordinals.get(&layout.index);
        let ordinal = ordinals.and_then(|kind| kind.known.get(&self.marker.id(id))).copied();
        if let Some(ordinal @ (BEHIND | 2..)) = ordinal {
            parts.push(Value::Int(i64::from(ordinal)));
        }
        Key::new(parts).map_err(|_| TranslateError::Key {
            kind: layout.kind.name.clone(),
            id: id.to_string(),
            column: layout.key_columns().join(", "),
            found: "a value of the wrong type",
        })
    }

    /// Numbers documents of a kind that share their key columns, in the order of their ids: all of the kind,
    /// once, or those at hand, by a look-up of their keys. A target may hold far more than a bundle touches.
    ///
    /// # Errors
    /// [`ServerError`], when the table cannot be read.
    pub fn number(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: &[(Id, RawKey)],
    ) -> Result<(), ServerError> {
        let Some(id) = &layout.id else { return Ok(()) };
        if layout.kind.duplicates != Duplicates::Number || layout.open.is_some() {
            return Ok(());
        }
        let kind = self.ordinals.entry(layout.index).or_default();
        if kind.whole {
            return Ok(());
        }
        let marker = &self.marker;
        let rows: Vec<&(Id, RawKey)> =
            rows.iter().filter(|(id, _)| !kind.known.contains_key(&marker.id(id))).collect();
        if self.by_lookup && rows.is_empty() {
            return Ok(());
        }
        if self.by_lookup {
            kind.lookups = kind.lookups.saturating_add(1);
            kind.asked = kind.asked.saturating_add(rows.len() as u64);
        }
        // A count is a request of its own: it is asked for seldom.
        let ask = kind.lookups > LOOKUPS && kind.lookups.is_power_of_two();
        if !self.by_lookup || (ask && reader.count(&layout.table)? <= kind.asked.saturating_mul(ONE_IN)) {
            kind.known = number_all(reader, layout, id, marker)?;
            kind.whole = true;
            return Ok(());
        }
        // The values of the columns, not other names: rows that bear one share what it replaces at most.
        let by = layout.key_columns();
        let columns = |(_, key): &&(Id, RawKey)| key.iter().take(by.len()).cloned().collect();
        let keys: Vec<RawKey> = rows.iter().map(columns).collect();
        let naming = layout.naming_columns();
        let columns: Vec<&str> = std::iter::once(id.as_str()).chain(naming).collect();
        let mut groups: BTreeMap<(usize, String), Vec<_>> = BTreeMap::new();
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &keys };
        reader.lookup(&lookup, &mut |position, row| {
            if let Some((Some(id), rest)) = row.split_first().map(|(id, rest)| (Id::of(id), rest))
                && let Some(mut key) = layout.raw_key(&id, rest)
            {
                let apart = Key::new(key.split_off(layout.key_len().min(key.len())));
                let apart = apart.map(|apart| apart.folded(layout.collation())).unwrap_or_default();
                groups.entry((position, apart)).or_default().push((layout.standing(&id, rest), id));
            }
        })?;
        for mut ids in groups.into_values() {
            ids.sort();
            kind.known.extend(ids.iter().map(|(_, id)| marker.id(id)).zip(1..));
        }
        Ok(())
    }

    /// Records which of the documents that share their key columns an id belongs to, where a search found it.
    pub fn know_ordinal(&mut self, layout: &Layout<'_>, id: &Id, ordinal: i64) {
        let kind = self.ordinals.entry(layout.index).or_default();
        if self.by_lookup
            && layout.kind.duplicates == Duplicates::Number
            && !kind.whole
            && let Ok(ordinal) = u32::try_from(ordinal)
        {
            kind.known.insert(self.marker.id(id), ordinal);
        }
    }

    fn learn_parts(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        parts: Vec<(Target, Id)>,
    ) -> Result<(), TranslateError> {
        let mut owners: BTreeMap<(usize, usize), BTreeSet<Id>> = BTreeMap::new();
        for (target, id) in &parts {
            if let Target::Part { kind, part } = target
                && let Some(owner) = owner_of(layouts, *kind, *part, id)
            {
                owners.entry((*kind, *part)).or_default().insert(owner);
            }
        }
        let fold = |id: &Id| layouts.model.collation.fold(&id.to_string());
        let mut spelled: HashMap<(Target, String), Arc<Key>> = HashMap::new();
        for ((kind, part), ids) in owners {
            let ids: Vec<Id> = ids.into_iter().collect();
            let (Some(layout), Some(rule)) =
                (layouts.at(kind), layouts.model.kind_at(kind).and_then(|k| k.parts.get(part)))
            else {
                continue;
            };
            let (Some(id_column), Some(body)) = (&layout.id, &layout.body) else { continue };
            let columns: Vec<&str> = std::iter::once(id_column.as_str()).chain(body.columns()).collect();
            let keys: Vec<Vec<Value>> = ids.iter().map(|id| vec![id.to_value()]).collect();
            let by = [id_column.as_str()];
            let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &keys };
            // A row may be large: each is looked at as it comes, and let go.
            let mut failed = None;
            reader.lookup(&lookup, &mut |position, row| {
                let row = row.into_iter().skip(1);
                // As it was asked for: the row may spell it in another way.
                let Some(owner) = ids.get(position) else { return };
                let known = self.known.get(&Target::Kind(kind)).and_then(|known| known.get(owner));
                let Some(owner_key) = known.cloned().flatten() else { return };
                let body = match self.faults.pass(body.read(&layout.kind.name, &owner.to_string(), row)) {
                    Ok(Some((body, _))) => body,
                    Ok(None) => return,
                    Err(error) => return failed = failed.take().or(Some(error)),
                };
                let owner_ref = Value::Ref(Box::new(Reference {
                    kind: layout.kind.name.clone(),
                    key: Key::clone(&owner_key),
                }));
                rule.at.find(&body, &mut |element| {
                    let Value::Map(map) = element else { return };
                    let Some(id) = map.get(&rule.id).and_then(Id::of) else { return };
                    let mut key = vec![owner_ref.clone()];
                    key.extend(crate::model::pick(map, &rule.key));
                    if let Ok(key) = Key::new(key).map(Arc::new) {
                        let target = Target::Part { kind, part };
                        spelled.insert((target, fold(&id)), Arc::clone(&key));
                        self.know(target, id, Some(key));
                    }
                });
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        for (target, id) in parts {
            if !self.knows(target, &id) {
                let key = spelled.get(&(target, fold(&id))).cloned();
                self.know(target, id, key);
            }
        }
        Ok(())
    }
}

/// Numbers all documents of a kind that share their key columns; the first of each has no number. The table is read
/// once, and once more where any share theirs: memory follows those.
fn number_all(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    id: &str,
    marker: &Marker,
) -> Result<ByMark<u32>, ServerError> {
    let columns: Vec<&str> = std::iter::once(id).chain(layout.naming_columns()).collect();
    // Whether a key was met again.
    let mut keys: ByMark<bool> = ByMark::default();
    let mut folded = String::new();
    let mut pass = |reader: &mut dyn Reader, see: &mut dyn FnMut(Mark, &Id, &[Value])| {
        let mut table = super::whole_table(reader, layout, &columns)?;
        while let Some(rows) = table.next_page(reader)? {
            for row in &rows {
                let Some((Some(id), naming)) = row.split_first().map(|(id, rest)| (Id::of(id), rest)) else {
                    continue;
                };
                if let Some(Ok(key)) = layout.raw_key(&id, naming).map(Key::new) {
                    key.fold_into(layout.collation(), &mut folded);
                    see(marker.mark(0, &folded), &id, naming);
                }
            }
        }
        Ok::<(), ServerError>(())
    };
    pass(reader, &mut |key, _, _| {
        keys.entry(key).and_modify(|again| *again = true).or_insert(false);
    })?;
    keys.retain(|_, again| *again);
    let mut ordinals = ByMark::default();
    if keys.is_empty() {
        return Ok(ordinals);
    }
    let mut groups: BTreeMap<Mark, Vec<_>> = BTreeMap::new();
    pass(reader, &mut |key, id, naming| {
        if keys.contains_key(&key) {
            groups.entry(key).or_default().push((layout.standing(id, naming), id.clone()));
        }
    })?;
    for mut ids in groups.into_values() {
        ids.sort();
        ordinals.extend(ids.iter().map(|(_, id)| marker.id(id)).zip(1..).skip(1));
    }
    Ok(ordinals)
}

/// The rule that a part of a key is under, where it holds ids.
fn key_rule<'l>(layout: &'l Layout<'_>, at: usize) -> Option<&'l ReferenceRule> {
    let reference = match layout.key.get(at) {
        Some(column) => {
            let name = layout.content.get(*column)?.name.as_str();
            layout.kind.key.iter().find(|k| k.column == name)?.reference?
        }
        // All that tells documents apart leads to the same kinds.
        None => *layout.kind.apart.first()?,
    };
    layout.kind.references.get(reference)
}

/// What stands for an id that names nothing on its server: of several kinds that it may have named, the likeliest.
fn dangling(layouts: &Layouts<'_>, targets: &[Target], id: &Id, value: Value) -> Value {
    let likely = layouts.model.likely(targets, &id.to_string());
    let kind = likely.first().or(targets.first()).and_then(|t| layouts.model.target_name(*t)).cloned();
    Value::Dangling(Box::new(Dangling { kind: kind.unwrap_or_else(|| KindName::new("?")), id: value }))
}

/// The id of the document that owns a part, as the part's id tells it.
pub fn owner_of(layouts: &Layouts<'_>, kind: usize, part: usize, id: &Id) -> Option<Id> {
    let rule = layouts.model.kind_at(kind)?.parts.get(part)?;
    match (&rule.new, id) {
        (crate::model::NewPartId::Numbered(middle), Id::Text(text)) => {
            let owner = layouts.model.collation.rsplit_once(text, middle);
            owner.map(|(owner, _)| Id::Text(owner.to_owned()))
        }
        _ => None,
    }
}

/// Reads the key columns of rows, those of all kinds together.
fn fetch_keys<'l, 'm>(
    reader: &mut dyn Reader,
    layouts: &'l Layouts<'m>,
    wanted: &BTreeMap<usize, Vec<Id>>,
) -> Result<Vec<(&'l Layout<'m>, Fetched)>, TranslateError> {
    let kinds = wanted.iter().filter_map(|(kind, ids)| Some((layouts.at(*kind)?, ids)));
    let with_ids = kinds.filter_map(|(layout, ids)| Some((layout, layout.id.as_deref()?, ids)));
    let chunks: Vec<_> =
        with_ids.flat_map(|(layout, id, ids)| ids.chunks(BATCH).map(move |ids| (layout, id, ids))).collect();
    let mut fetched: Vec<(&Layout<'_>, Fetched)> = Vec::with_capacity(chunks.len());
    let mut asked = Vec::with_capacity(chunks.len());
    for (layout, id, ids) in &chunks {
        fetched.push((layout, Fetched::default()));
        let columns: Vec<&str> = std::iter::once(*id).chain(layout.naming_columns()).collect();
        asked.push((columns, [*id], ids.iter().map(|id| vec![id.to_value()]).collect::<Vec<_>>()));
    }
    let lookups = chunks.iter().zip(&asked).map(|((layout, ..), (columns, by, keys))| Lookup {
        table: &layout.table,
        columns,
        by,
        keys,
    });
    reader.lookups(&lookups.collect::<Vec<_>>(), &mut |at, position, row| {
        let (Some((layout, fetched)), Some((_, _, ids))) = (fetched.get_mut(at), chunks.get(at)) else {
            return;
        };
        if let Some(id) = ids.get(position) {
            fetched.take(layout, id, row);
        }
    })?;
    Ok(fetched)
}

impl Fetched {
    /// Takes a row that was found by an id.
    fn take(&mut self, layout: &Layout<'_>, id: &Id, row: Row) {
        let mut row = row.into_iter();
        let Some(own) = row.next().as_ref().and_then(Id::of) else { return };
        let mut row: RawKey = row.collect();
        let key = match layout.raw_key(&own, &row) {
            Some(key) => key,
            None if layout.shared => return,
            // A row that stays behind still has a name.
            None => {
                row.truncate(layout.key.len());
                row.extend(layout.open.map(|_| Value::from(own.to_string())));
                self.behind.push(own.clone());
                row
            }
        };
        self.keys.push((id.clone(), key));
        if own != *id {
            self.respelled.push((id.clone(), own));
        }
    }
}
