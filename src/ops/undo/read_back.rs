//! What was written, read back before the commit: rows as the server has them against rows as they were rendered. No
//! JSON is read here and nothing is translated.
//!
//! In memory a written row is its id and 16 bytes of a hash. A row whose hash is another is only *in doubt*: a server
//! spells some values its own way. Whoever has the document looks at it again.

use std::collections::{BTreeMap, HashSet};

use crate::crypto::{CryptoError, FingerprintKey};
use crate::document::{Value, canonical};
use crate::progress::Progress;
use crate::server::{Catalog, Lookup, Reader, Row};

use super::column_form::ColumnForm;
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{ContentColumn, Id, Layout, Layouts};

/// How many rows are looked up together, and how many bytes of them, about.
const BATCH: usize = 8192;
const BATCH_BYTES: usize = 4 << 20;

/// The rows that an import wrote.
pub(in crate::ops) struct ReadBack {
    catalog: Catalog,
    key: FingerprintKey,
    kinds: BTreeMap<usize, Noted>,
    /// Room for the bytes that are hashed.
    bytes: Vec<u8>,
}

/// The rows of one kind.
#[derive(Default)]
struct Noted {
    /// The columns that rows were written with; most rows of a kind have the same.
    sets: Vec<ColumnSet>,
    rows: Vec<NotedRow>,
    /// The ids of all rows, one after another.
    ids: Vec<u8>,
}

struct NotedRow {
    /// Where its id ends.
    end: u64,
    wrote: NotedWrite,
}

enum NotedWrite {
    /// It was written with the columns of a set, and hashed.
    Row {
        set: u32,
        hash: [u8; 16],
    },
    Deletion,
}

struct ColumnSet {
    created: bool,
    columns: Vec<String>,
    forms: Vec<ColumnForm>,
    /// Columns that a new row got something for that nobody named, as documents and as the server spell them.
    filled: Vec<(String, String)>,
}

/// Why a row may not be as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Doubt {
    /// Its values are other ones, or are spelled otherwise.
    Differs,
    /// It is not there.
    Missing,
    /// It is there, though it was deleted.
    StillThere,
}

/// Rows in doubt, by the position of their kind in the model and by what names them.
pub(in crate::ops) type Doubts = BTreeMap<(usize, Id), Doubt>;

/// Hears what a server put into columns of a new row that nobody named: by the position of the kind in the model.
type SeeFilled<'s> = dyn FnMut(usize, &Id, Vec<(String, Value)>) -> Result<(), ImportError> + 's;

impl ReadBack {
    /// Begins with no row, for a server with these tables.
    ///
    /// # Errors
    /// [`CryptoError::NoRandomness`].
    pub fn new(catalog: &Catalog) -> Result<Self, CryptoError> {
        Ok(Self {
            catalog: catalog.clone(),
            key: FingerprintKey::generate()?,
            kinds: BTreeMap::new(),
            bytes: Vec::new(),
        })
    }

    /// How many rows were noted.
    pub fn len(&self) -> u64 {
        self.kinds.values().map(|noted| noted.rows.len() as u64).sum()
    }

    /// Notes a row as it is sent to the server: `columns` as the server spells them, and their values.
    pub fn note(&mut self, layout: &Layout<'_>, id: &Id, created: bool, columns: &[String], row: &[Value]) {
        let noted = self.kinds.entry(layout.index).or_default();
        let known = noted.sets.iter().rposition(|set| set.created == created && set.columns == columns);
        let set = known.unwrap_or_else(|| {
            noted.sets.push(ColumnSet::new(layout, &self.catalog, created, columns));
            noted.sets.len() - 1
        });
        let Some(forms) = noted.sets.get(set).map(|set| &set.forms) else { return };
        let hash = hash(&self.key, &mut self.bytes, forms, row);
        noted.push(id, NotedWrite::Row { set: u32::try_from(set).unwrap_or(u32::MAX), hash });
    }

    /// Notes that a row is deleted.
    pub fn note_deletion(&mut self, layout: &Layout<'_>, id: &Id) {
        self.kinds.entry(layout.index).or_default().push(id, NotedWrite::Deletion);
    }

    /// Reads all noted rows back, all writes being sent. What the server put into columns of new rows that nobody named
    /// goes to `filled`.
    pub fn check(
        &mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
        filled: &mut SeeFilled<'_>,
    ) -> Result<Doubts, ImportError> {
        let mut doubts = Doubts::new();
        let Self { kinds, key, bytes, .. } = self;
        for (index, noted) in kinds {
            let Some(layout) = layouts.at(*index) else { continue };
            let mut deleted = Vec::new();
            let mut by_set: Vec<(u32, usize)> = Vec::with_capacity(noted.rows.len());
            for (at, row) in noted.rows.iter().enumerate() {
                match row.wrote {
                    NotedWrite::Row { set, .. } => by_set.push((set, at)),
                    NotedWrite::Deletion => deleted.push(at),
                }
            }
            by_set.sort_unstable();
            for rows in by_set.chunk_by(|one, other| one.0 == other.0) {
                let set = rows.first().and_then(|(set, _)| noted.sets.get(*set as usize));
                let Some(set) = set else { continue };
                for rows in rows.chunks(BATCH) {
                    let rows: Vec<usize> = rows.iter().map(|(_, at)| *at).collect();
                    progress.check()?;
                    let mut open: HashSet<usize> = rows.iter().copied().collect();
                    let mut new = Vec::new();
                    let written = set.columns.len();
                    look_up(reader, layout, &set.wanted(), noted, &rows, progress, &mut |at, mut row| {
                        let Some(NotedRow { wrote: NotedWrite::Row { hash: was, .. }, .. }) =
                            noted.rows.get(at)
                        else {
                            return;
                        };
                        if !open.remove(&at) {
                            return;
                        }
                        let rest = row.split_off(written.min(row.len()));
                        if hash(key, bytes, &set.forms, &row) != *was {
                            doubts.insert((*index, noted.id(at)), Doubt::Differs);
                        }
                        if !rest.is_empty() {
                            new.push((at, rest));
                        }
                    })?;
                    doubts.extend(open.into_iter().map(|at| ((*index, noted.id(at)), Doubt::Missing)));
                    for (at, values) in new {
                        let names = set.filled.iter().map(|(name, _)| name.clone());
                        filled(*index, &noted.id(at), names.zip(values).collect())?;
                    }
                }
            }
            // Another document may have the id by now.
            let mut there = Vec::new();
            for rows in deleted.chunks(BATCH) {
                let by: Vec<&str> = row_columns(layout);
                look_up(reader, layout, &by, noted, rows, progress, &mut |at, row| {
                    if row == row_key(layout, &noted.id(at)) {
                        there.push(noted.id(at));
                    }
                })?;
            }
            if !there.is_empty() {
                let written: HashSet<Id> = by_set.iter().map(|(_, at)| noted.id(*at)).collect();
                there.retain(|id| !written.contains(id));
                doubts.extend(there.into_iter().map(|id| ((*index, id), Doubt::StillThere)));
            }
        }
        Ok(doubts)
    }
}

impl Noted {
    fn push(&mut self, id: &Id, wrote: NotedWrite) {
        match id {
            Id::Int(number) => {
                self.ids.push(0);
                self.ids.extend(number.to_le_bytes());
            }
            Id::Text(text) => {
                self.ids.push(1);
                self.ids.extend(text.as_bytes());
            }
        }
        self.rows.push(NotedRow { end: self.ids.len() as u64, wrote });
    }

    /// The id of a row, by its position.
    fn id(&self, at: usize) -> Id {
        let end = |at: usize| self.rows.get(at).map_or(0, |row| usize::try_from(row.end).unwrap_or(0));
        let start = at.checked_sub(1).map_or(0, end);
        match self.ids.get(start..end(at)) {
            Some([0, number @ ..]) => Id::Int(number.try_into().map(i64::from_le_bytes).unwrap_or_default()),
            Some([_, text @ ..]) => Id::Text(String::from_utf8_lossy(text).into_owned()),
            _ => Id::Text(String::new()),
        }
    }
}

impl ColumnSet {
    fn new(layout: &Layout<'_>, catalog: &Catalog, created: bool, columns: &[String]) -> Self {
        let table = catalog.table(&layout.table);
        let form = |name: &String| {
            let column = table.and_then(|table| table.column(name));
            let plain = ColumnForm::Plain(crate::server::ColumnType::Text);
            column.map_or(plain, |column| ColumnForm::of(&column.declared, column.kind))
        };
        let unnamed = |column: &&ContentColumn| {
            created && is_plain(layout, column) && !columns.contains(&column.server)
        };
        let filled = layout.content.iter().filter(unnamed);
        Self {
            created,
            columns: columns.to_vec(),
            forms: columns.iter().map(form).collect(),
            filled: filled.map(|column| (column.name.clone(), column.server.clone())).collect(),
        }
    }

    fn wanted(&self) -> Vec<&str> {
        self.columns.iter().chain(self.filled.iter().map(|(_, server)| server)).map(String::as_str).collect()
    }
}

/// Whether a column holds a value as it is: no id, no secret, no list, nothing that is a server's own.
fn is_plain(layout: &Layout<'_>, column: &ContentColumn) -> bool {
    let kind = layout.kind;
    let references = kind.references.iter().map(|rule| &rule.at);
    let secrets = kind.secrets.iter().map(|rule| &rule.at);
    let mut ruled = references.chain(secrets).chain(kind.sets.iter().map(|rule| &rule.at));
    column.carried && !ruled.any(|at| at.column.as_deref().is_some_and(|name| column.is(name)))
}

/// The columns that name a row of a kind.
pub(in crate::ops) fn row_columns<'l>(layout: &'l Layout<'_>) -> Vec<&'l str> {
    match &layout.id {
        Some(id) => vec![id.as_str()],
        None => layout.order.iter().map(String::as_str).collect(),
    }
}

/// The values of these columns.
pub(in crate::ops) fn row_key(layout: &Layout<'_>, id: &Id) -> Vec<Value> {
    if layout.id.is_some() { vec![id.to_value()] } else { layout.row_key(id) }
}

/// Looks up noted rows, by their positions, and shows each with its own.
fn look_up(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    columns: &[&str],
    noted: &Noted,
    rows: &[usize],
    progress: &dyn Progress,
    see: &mut dyn FnMut(usize, Row),
) -> Result<(), ImportError> {
    let by = row_columns(layout);
    let mut open = rows.to_vec();
    while !open.is_empty() {
        progress.check()?;
        let keys: Vec<Vec<Value>> = open.iter().map(|at| row_key(layout, &noted.id(*at))).collect();
        let lookup = Lookup { table: &layout.table, columns, by: &by, keys: &keys };
        let rest = reader.lookup_some(&lookup, BATCH_BYTES, &mut |position, row| {
            if let Some(at) = open.get(position) {
                see(*at, row);
            }
        })?;
        progress.advance((open.len() - rest.len()) as u64, 0);
        open = rest.into_iter().filter_map(|position| open.get(position).copied()).collect();
    }
    Ok(())
}

/// The hash of a row's values in the forms of their columns.
fn hash(key: &FingerprintKey, bytes: &mut Vec<u8>, forms: &[ColumnForm], row: &[Value]) -> [u8; 16] {
    bytes.clear();
    for (form, value) in forms.iter().zip(row) {
        put(bytes, &form.settle(value));
    }
    let mut short = [0; 16];
    short.iter_mut().zip(key.of(&[bytes])).for_each(|(byte, hashed)| *byte = hashed);
    bytes.shrink_to(1 << 20);
    short
}

fn put(bytes: &mut Vec<u8>, value: &Value) {
    let mut tagged = |tag: u8, content: &[u8]| {
        bytes.push(tag);
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(content);
    };
    match value {
        Value::Null => tagged(0, &[]),
        Value::Bool(truth) => tagged(1, &[u8::from(*truth)]),
        Value::Int(number) => tagged(2, &number.to_le_bytes()),
        Value::Number(text) => tagged(3, text.as_bytes()),
        Value::Text(text) => tagged(4, text.as_bytes()),
        Value::Bytes(content) => tagged(5, content),
        // No row holds such.
        other => tagged(6, &canonical::encode_value(other).unwrap_or_default()),
    }
}
