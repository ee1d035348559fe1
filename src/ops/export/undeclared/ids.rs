//! Every id of a server in a few bytes: enough to say of nearly all texts that they are none.

use std::hash::{BuildHasher, RandomState};

use crate::document::{Collation, Value};
use crate::model::{Kind, Model, NewPartId, Part, Target};
use crate::progress::Progress;
use crate::server::{Catalog, ColumnType, Page, Reader, Table, WholeTable};

use crate::ops::export::error::ExportError;
use crate::ops::translate::{Layout, Layouts};

/// What an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdOf {
    /// A document, or a part of one.
    Document(Target),
    /// A row of a table that the model does not know, by its position in [`Ids::tables`].
    Row(usize),
}

/// A table that the model does not know, and the column of its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTable {
    /// The table.
    pub name: String,
    /// Its primary key, where that is one column of text.
    pub id: Option<String>,
}

/// The tables of a server that the model neither carries nor leaves behind on purpose: those among them that it
/// infers and that are different here.
pub fn unknown_tables(catalog: &Catalog, model: &Model) -> Vec<UnknownTable> {
    // Whoever asks has laid the model over the tables already.
    let layouts = Layouts::new(model, catalog).ok();
    let carried = |(index, kind): (usize, &Kind)| {
        !kind.inferred || layouts.as_ref().is_some_and(|layouts| layouts.at(index).is_some())
    };
    let known = |name: &str| {
        let mut kinds = model.kinds().iter().enumerate();
        kinds.any(|(index, kind)| kind.table.eq_ignore_ascii_case(name) && carried((index, kind)))
            || model.left.iter().any(|left| left.table.eq_ignore_ascii_case(name))
    };
    let id = |table: &Table| match table.primary_key.as_slice() {
        [id] => table.column(id).filter(|column| column.kind == ColumnType::Text).map(|c| c.name.clone()),
        _ => None,
    };
    let tables = catalog.tables.iter().filter(|table| !known(&table.name));
    tables.map(|table| UnknownTable { name: table.name.clone(), id: id(table) }).collect()
}

/// Shorter texts are too common to mean anything, even where they equal an id.
pub const SHORTEST: usize = 3;

/// No product's ids are longer by far; a longer text is no id.
pub const LONGEST: usize = 256;

/// How many ids are kept, at eight bytes each: those of a server that has more go unnoticed from there on.
const MOST: usize = 4_000_000;

/// The low bits of an entry say what the id belongs to; the others are its fingerprint.
const TARGET_BITS: u32 = 16;

/// Length, first and last byte of a text, mixed into so many bits.
const SHAPES: usize = 1 << 16;

/// The parts of a kind whose ids are numbered, with their positions.
fn numbered_parts<'l>(layout: &'l Layout<'_>) -> impl Iterator<Item = (usize, &'l Part)> {
    layout.kind.parts.iter().enumerate().filter(|(_, part)| matches!(part.new, NewPartId::Numbered(_)))
}

/// The columns that hold ids of a kind: its own, as text, then those of its parts.
fn columns<'l>(reader: &dyn Reader, layout: &'l Layout<'_>) -> Option<Vec<&'l str>> {
    let column = layout.id.as_deref().filter(|_| layout.kind.id.is_some())?;
    let table = reader.catalog().table(&layout.table)?;
    table.column(column).filter(|column| column.kind == ColumnType::Text)?;
    let body = layout.body.as_ref().filter(|_| numbered_parts(layout).next().is_some());
    Some(std::iter::once(column).chain(body.iter().flat_map(|body| body.columns())).collect())
}

/// The first page of these columns, in the order of the first.
fn id_page<'p>(layout: &'p Layout<'_>, columns: &'p [&'p str]) -> Page<'p> {
    Page { max_rows: 10_000, ..layout.page(columns, columns.get(..1).unwrap_or_default()) }
}

/// The ids of a server by their fingerprints. Says "perhaps" of a text that is an id, and of a few others.
#[derive(Debug)]
pub struct Ids {
    // Which lengths and shapes ids have. Small enough to stay in the nearest cache: they dismiss what is read
    // most, lengths without a look at the text.
    lengths: [bool; LONGEST + 1],
    shapes: Vec<u64>,
    // Sorted.
    entries: Vec<u64>,
    targets: Vec<IdOf>,
    /// The tables that the model does not know.
    pub tables: Vec<UnknownTable>,
    hasher: RandomState,
    // The bits of a fingerprint that count.
    mask: u64,
    fold: bool,
    shortest: usize,
    full: bool,
}

impl Ids {
    /// Reads the ids of all kinds of the model, of their numbered parts, and of tables unknown to it. Numbers are no ids here, nor are
    /// ids that are the same on every server.
    ///
    /// # Errors
    /// What the server refuses, and a wish to stop.
    pub fn read(
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
    ) -> Result<Self, ExportError> {
        Self::with_mask(reader, layouts, progress, !0)
    }

    /// Like [`Ids::read`], with fingerprints of which only some bits count.
    pub(super) fn with_mask(
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
        mask: u64,
    ) -> Result<Self, ExportError> {
        let mut ids = Self::empty(layouts.model.collation, mask);
        ids.tables = unknown_tables(reader.catalog(), layouts.model);
        progress.phase("reading ids", None);
        let kinds = || layouts.iter().filter(|layout| !layout.borrows_id());
        let columns: Vec<_> = kinds().filter_map(|layout| Some((layout, columns(reader, layout)?))).collect();
        let pages = columns.iter().map(|(layout, columns)| id_page(layout, columns));
        WholeTable::expect(reader, &pages.collect::<Vec<_>>())?;
        for (layout, columns) in &columns {
            ids.read_kind(reader, layout, columns, progress)?;
        }
        for at in 0..ids.tables.len() {
            ids.read_table(reader, at, progress)?;
        }
        ids.entries.sort_unstable();
        Ok(ids)
    }

    /// These texts alone, whatever they are the ids of.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>, collation: Collation) -> Self {
        let mut ids = Self::empty(collation, !0);
        texts.into_iter().for_each(|text| ids.add(IdOf::Row(0), text));
        ids.entries.sort_unstable();
        ids
    }

    fn empty(collation: Collation, mask: u64) -> Self {
        Self {
            lengths: [false; LONGEST + 1],
            shapes: vec![0; SHAPES / 64],
            entries: Vec::new(),
            targets: Vec::new(),
            tables: Vec::new(),
            hasher: RandomState::new(),
            mask: mask << TARGET_BITS,
            fold: collation == Collation::CaseInsensitive,
            shortest: usize::MAX,
            full: false,
        }
    }

    /// Reads the ids of a table that the model does not know.
    fn read_table(
        &mut self,
        reader: &mut dyn Reader,
        at: usize,
        progress: &dyn Progress,
    ) -> Result<(), ExportError> {
        let Some(UnknownTable { name, id: Some(id) }) = self.tables.get(at).cloned() else { return Ok(()) };
        let columns = [id.as_str()];
        let page = Page {
            table: &name,
            columns: &columns,
            order: &columns,
            after: None,
            max_rows: 10_000,
            max_bytes: 4 << 20,
        };
        let mut table = WholeTable::open(reader, &page)?;
        while !self.full {
            progress.check()?;
            let Some(rows) = table.next_page(reader)? else { break };
            progress.advance(rows.len() as u64, 0);
            for id in rows.iter().filter_map(|row| row.first().and_then(Value::as_text)) {
                self.add(IdOf::Row(at), id);
            }
        }
        Ok(())
    }

    fn read_kind(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        columns: &[&str],
        progress: &dyn Progress,
    ) -> Result<(), ExportError> {
        let Some(rule) = &layout.kind.id else { return Ok(()) };
        let parts: Vec<_> = numbered_parts(layout).collect();
        let body = layout.body.as_ref().filter(|_| !parts.is_empty());
        let mut table = WholeTable::open(reader, &id_page(layout, columns))?;
        while !self.full {
            progress.check()?;
            let Some(rows) = table.next_page(reader)? else { break };
            progress.advance(rows.len() as u64, 0);
            for row in rows {
                let mut row = row.into_iter();
                let Some(Value::Text(id)) = row.next() else { continue };
                if !rule.is_fixed(&id) {
                    self.add(IdOf::Document(Target::Kind(layout.index)), &id);
                }
                // JSON that does not parse is told when the document is read, if it is.
                let Some(Ok(Some((body, _)))) = body.map(|b| b.read(&layout.kind.name, "", row)) else {
                    continue;
                };
                for (part, rule) in &parts {
                    rule.at.find(&body, &mut |element| {
                        if let Value::Map(map) = element
                            && let Some(Value::Text(id)) = map.get(&rule.id)
                        {
                            self.add(IdOf::Document(Target::Part { kind: layout.index, part: *part }), id);
                        }
                    });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, target: IdOf, id: &str) {
        if !(SHORTEST..=LONGEST).contains(&id.len()) {
            return;
        }
        let (Some(shape), Some(print)) = (shape(id), self.fingerprint(id)) else { return };
        // Ids come kind by kind.
        if self.targets.last() != Some(&target) && !self.targets.contains(&target) {
            self.targets.push(target);
        }
        let number = self.targets.iter().rposition(|known| *known == target).unwrap_or_default();
        if self.entries.len() >= MOST || number >> TARGET_BITS != 0 {
            self.full = true;
            return;
        }
        if let (Some(length), Some(word)) = (self.lengths.get_mut(id.len()), self.shapes.get_mut(shape / 64))
        {
            *length = true;
            *word |= 1 << (shape % 64);
        }
        self.shortest = self.shortest.min(id.len());
        self.entries.push(print | number as u64);
    }

    /// Says whether some ids were left out because there are too many.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Says whether a text may be an id. No means no.
    #[inline]
    pub fn may_hold(&self, text: &str) -> bool {
        self.lengths.get(text.len()).is_some_and(|known| *known)
            && shape(text).and_then(|shape| Some(self.shapes.get(shape / 64)? >> (shape % 64) & 1 == 1))
                == Some(true)
            && self.targets(text).next().is_some()
    }

    /// The length of the shortest id.
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    /// What a text may be the id of.
    pub fn targets(&self, text: &str) -> impl Iterator<Item = IdOf> {
        let print = self.fingerprint(text);
        let from = print.map_or(self.entries.len(), |print| self.entries.partition_point(|e| *e < print));
        let entries = self.entries.get(from..).unwrap_or_default().iter();
        let same = entries.take_while(move |entry| Some(**entry >> TARGET_BITS << TARGET_BITS) == print);
        let number = |entry: &u64| (entry & ((1 << TARGET_BITS) - 1)) as usize;
        let mut last = None;
        same.map(number).filter_map(move |number| {
            let new = last.replace(number) != Some(number);
            self.targets.get(number).copied().filter(|_| new)
        })
    }

    /// The fingerprint of a text, in its place in an entry. Letters of ASCII are one in both cases where the
    /// server takes them for one; of other letters the case counts.
    fn fingerprint(&self, text: &str) -> Option<u64> {
        let mut buffer = [0; LONGEST];
        let bytes = buffer.get_mut(..text.len())?;
        bytes.copy_from_slice(text.as_bytes());
        if self.fold {
            bytes.make_ascii_lowercase();
        }
        Some(self.hasher.hash_one(&*bytes) & self.mask)
    }
}

#[inline]
fn shape(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (first, last) = (bytes.first()?.to_ascii_lowercase(), bytes.last()?.to_ascii_lowercase());
    Some((usize::from(first) << 8 ^ usize::from(last) ^ bytes.len().wrapping_mul(0x2f1d)) % SHAPES)
}
