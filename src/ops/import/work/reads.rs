//! What a decision read of the target: under the lock the same is read again.
//!
//! Every look-up and every page is remembered by what was asked and a hash of what was found. Where all is found again,
//! nothing that was decided can be another now, whatever it relied on: ids, names, absent keys, unique values, rows.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::crypto::{CryptoError, FingerprintKey};
use crate::document::{Value, canonical};
use crate::progress::Progress;
use crate::server::{Catalog, Lookup, Page, Reader, Row, ServerError, UniqueSet};

use crate::ops::import::request::error::ImportError;
use crate::ops::spool::{Spool, SpoolError};

/// How many keys are looked up together.
const BATCH: usize = 8192;

/// The stream of pages; look-ups have the others.
const PAGES: u32 = u32::MAX;

/// A hash of what was found, whatever the order of the rows.
type Found = u128;

/// Which columns of which rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::ops) struct Look {
    pub table: String,
    pub columns: Vec<String>,
    pub by: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct PageRead {
    table: String,
    columns: Vec<String>,
    order: Vec<String>,
    after: Option<ByteBuf>,
    max_rows: usize,
    max_bytes: usize,
    found: Found,
}

/// What was read.
pub(in crate::ops) struct Reads {
    /// The key of the hashes: who writes rows cannot choose two that are hashed alike, and who sees a hash cannot guess the
    /// row.
    key: FingerprintKey,
    spool: Spool,
    looks: Vec<Look>,
    streams: HashMap<Look, u32>,
    /// The first error of the spool, which a reader cannot return.
    failed: Option<SpoolError>,
}

/// What of the target is another than it was.
#[derive(Default)]
pub(in crate::ops) struct Moved {
    /// Look-ups by what they asked for, and the keys that find something else.
    pub looks: Vec<(Look, Vec<Vec<Value>>)>,
    /// Whether the pages of a table that was read as a whole are others.
    pub pages: bool,
}

fn row_hash(key: &FingerprintKey, row: &[Value], buffer: &mut Vec<u8>) -> Found {
    buffer.clear();
    for value in row {
        // No server has values of 4 GiB.
        let _ = canonical::encode_value_into(value, buffer);
    }
    let hash = key.of(&[buffer]);
    let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
    // No row is nothing.
    u128::from_le_bytes(*first) | 1
}

fn list(values: &[Value]) -> ByteBuf {
    ByteBuf::from(canonical::encode_value(&Value::List(values.to_vec())).unwrap_or_default())
}

fn values(bytes: &[u8]) -> Result<Vec<Value>, SpoolError> {
    match canonical::decode_value(bytes) {
        Ok(Value::List(values)) => Ok(values),
        Ok(_) => Err(std::io::Error::other(canonical::DecodeError::Type).into()),
        Err(error) => Err(std::io::Error::other(error).into()),
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

impl Reads {
    /// Nothing yet.
    ///
    /// # Errors
    /// [`CryptoError::NoRandomness`].
    pub fn new() -> Result<Self, CryptoError> {
        Ok(Self {
            key: FingerprintKey::generate()?,
            spool: Spool::default(),
            looks: Vec::new(),
            streams: HashMap::new(),
            failed: None,
        })
    }

    /// Reads through this from here on.
    pub fn of<'r>(&'r mut self, reader: &'r mut dyn Reader) -> Remembering<'r> {
        Remembering { reader, reads: self }
    }

    /// Says whether all was remembered.
    ///
    /// # Errors
    /// [`SpoolError`], where the temporary file could not be written.
    pub fn finish(&mut self) -> Result<(), SpoolError> {
        self.failed.take().map_or(Ok(()), Err)
    }

    fn stream(&mut self, lookup: &Lookup<'_>) -> u32 {
        let look =
            Look { table: lookup.table.to_owned(), columns: strings(lookup.columns), by: strings(lookup.by) };
        if let Some(stream) = self.streams.get(&look) {
            return *stream;
        }
        let stream = u32::try_from(self.looks.len()).unwrap_or(PAGES - 1);
        self.looks.push(look.clone());
        self.streams.insert(look, stream);
        stream
    }

    /// Keeps what the keys of a look-up found, as far as they were answered.
    fn keep_found(&mut self, lookup: &Lookup<'_>, found: Vec<Option<Found>>) {
        let stream = self.stream(lookup);
        for (key, found) in lookup.keys.iter().zip(found) {
            if let Some(found) = found {
                self.keep(stream, &(list(key), found));
            }
        }
    }

    fn keep(&mut self, stream: u32, record: &impl Serialize) {
        if let Err(error) = self.spool.add(stream, record) {
            self.failed.get_or_insert(error);
        }
    }

    /// Reads all of it again.
    ///
    /// # Errors
    /// [`ImportError`], where the target or the temporary file cannot be read.
    pub fn again(&self, reader: &mut dyn Reader, progress: &dyn Progress) -> Result<Moved, ImportError> {
        let mut moved = Moved::default();
        let mut buffer = Vec::new();
        let total = self.looks.iter().zip(0..).map(|(_, stream)| self.spool.len(stream)).sum();
        progress.phase("looking again, under the lock", Some(total));
        let mut others: BTreeMap<usize, Vec<Vec<Value>>> = BTreeMap::new();
        // Keys of several look-ups go together.
        let mut batch: Vec<Asked<'_>> = Vec::new();
        for (at, (look, stream)) in self.looks.iter().zip(0..).enumerate() {
            let mut records = self.spool.read::<(ByteBuf, Found)>(stream);
            batch.push(Asked::of(at, look));
            let mut asked: usize = batch.iter().map(|asked| asked.keys.len()).sum();
            while let Some((key, found)) = records.read_next()? {
                if asked >= BATCH {
                    self.ask(reader, &mut batch, &mut others, &mut buffer, progress)?;
                    batch.push(Asked::of(at, look));
                    asked = 0;
                }
                if let Some(last) = batch.last_mut() {
                    last.keys.push(values(&key)?);
                    last.before.push(found);
                    asked += 1;
                }
            }
        }
        self.ask(reader, &mut batch, &mut others, &mut buffer, progress)?;
        let others = others.into_iter();
        moved.looks = others.filter_map(|(at, keys)| Some((self.looks.get(at)?.clone(), keys))).collect();
        let mut pages = self.spool.read::<PageRead>(PAGES);
        while let Some(page) = pages.read_next()? {
            progress.check()?;
            let (columns, order) = (strs(&page.columns), strs(&page.order));
            let after = page.after.as_ref().map(|after| values(after)).transpose()?;
            let rows = reader.page(&Page {
                table: &page.table,
                columns: &columns,
                order: &order,
                after: after.as_deref(),
                max_rows: page.max_rows,
                max_bytes: page.max_bytes,
            })?;
            moved.pages |= page_hash(&self.key, &rows, &mut buffer) != page.found;
        }
        Ok(moved)
    }

    /// Asks again, and adds the keys that find something else to those of their look-ups.
    fn ask(
        &self,
        reader: &mut dyn Reader,
        batch: &mut Vec<Asked<'_>>,
        others: &mut BTreeMap<usize, Vec<Vec<Value>>>,
        buffer: &mut Vec<u8>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        progress.check()?;
        let lookups: Vec<Lookup<'_>> = batch
            .iter()
            .map(|asked| Lookup {
                table: &asked.look.table,
                columns: &asked.columns,
                by: &asked.by,
                keys: &asked.keys,
            })
            .collect();
        let mut now: Vec<Vec<Found>> = batch.iter().map(|asked| vec![0; asked.keys.len()]).collect();
        reader.lookups(&lookups, &mut |at, position, row| {
            if let Some(sum) = now.get_mut(at).and_then(|now| now.get_mut(position)) {
                *sum = sum.wrapping_add(row_hash(&self.key, &row, buffer));
            }
        })?;
        for (Asked { at, keys, before, .. }, now) in batch.drain(..).zip(now) {
            progress.advance(keys.len() as u64, 0);
            let differs = keys.into_iter().zip(before.into_iter().zip(now));
            let differs: Vec<_> =
                differs.filter(|(_, (before, now))| before != now).map(|(key, _)| key).collect();
            if !differs.is_empty() {
                others.entry(at).or_default().extend(differs);
            }
        }
        Ok(())
    }
}

fn page_hash(key: &FingerprintKey, rows: &[Row], buffer: &mut Vec<u8>) -> Found {
    rows.iter().fold(0, |sum: Found, row| sum.rotate_left(1).wrapping_add(row_hash(key, row, buffer)))
}

/// Keys of one look-up that are asked again.
struct Asked<'l> {
    /// The position of the look-up.
    at: usize,
    look: &'l Look,
    columns: Vec<&'l str>,
    by: Vec<&'l str>,
    keys: Vec<Vec<Value>>,
    before: Vec<Found>,
}

impl<'l> Asked<'l> {
    fn of(at: usize, look: &'l Look) -> Self {
        let (columns, by) = (strs(&look.columns), strs(&look.by));
        Self { at, look, columns, by, keys: Vec::new(), before: Vec::new() }
    }
}

/// A reader that remembers what was asked and found.
pub(in crate::ops) struct Remembering<'r> {
    reader: &'r mut dyn Reader,
    reads: &'r mut Reads,
}

impl Reader for Remembering<'_> {
    fn address(&self) -> &str {
        self.reader.address()
    }

    fn catalog(&self) -> &Catalog {
        self.reader.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        let rows = self.reader.page(page)?;
        let read = PageRead {
            table: page.table.to_owned(),
            columns: strings(page.columns),
            order: strings(page.order),
            after: page.after.map(list),
            max_rows: page.max_rows,
            max_bytes: page.max_bytes,
            found: page_hash(&self.reads.key, &rows, &mut Vec::new()),
        };
        self.reads.keep(PAGES, &read);
        Ok(rows)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        let mut found: Vec<Option<Found>> = vec![Some(0); lookup.keys.len()];
        let (key, mut buffer) = (&self.reads.key, Vec::new());
        let rest = self.reader.lookup_some(lookup, max_bytes, &mut |position, row| {
            if let Some(Some(sum)) = found.get_mut(position) {
                *sum = sum.wrapping_add(row_hash(key, &row, &mut buffer));
            }
            see(position, row);
        })?;
        for position in &rest {
            found.get_mut(*position).map(Option::take);
        }
        self.reads.keep_found(lookup, found);
        Ok(rest)
    }

    fn lookups(
        &mut self,
        lookups: &[Lookup<'_>],
        see: &mut dyn FnMut(usize, usize, Row),
    ) -> Result<(), ServerError> {
        let mut found: Vec<Vec<Option<Found>>> =
            lookups.iter().map(|lookup| vec![Some(0); lookup.keys.len()]).collect();
        let (key, mut buffer) = (&self.reads.key, Vec::new());
        self.reader.lookups(lookups, &mut |at, position, row| {
            if let Some(Some(sum)) = found.get_mut(at).and_then(|found| found.get_mut(position)) {
                *sum = sum.wrapping_add(row_hash(key, &row, &mut buffer));
            }
            see(at, position, row);
        })?;
        for (lookup, found) in lookups.iter().zip(found) {
            self.reads.keep_found(lookup, found);
        }
        Ok(())
    }

    fn expect(&mut self, pages: &[Page<'_>]) -> Result<(), ServerError> {
        self.reader.expect(pages)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.reader.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.reader.max_int(table, column)
    }

    fn collects_writes(&self) -> bool {
        self.reader.collects_writes()
    }

    fn unique_sets(&self, table: &str) -> Vec<UniqueSet> {
        self.reader.unique_sets(table)
    }

    fn misfits(
        &self,
        table: &str,
        columns: &[&str],
        values: &[std::borrow::Cow<'_, Value>],
    ) -> Result<Vec<(usize, ServerError)>, ServerError> {
        self.reader.misfits(table, columns, values)
    }

    fn rows_read(&self) -> u64 {
        self.reader.rows_read()
    }

    fn notice(&self) -> Option<&str> {
        self.reader.notice()
    }
}
