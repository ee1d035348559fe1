//! Rows of an opened file, each checked against its hash and its limits as it is read.
//!
//! Obeys `format-spec/bundle-v1.md`, "reading". Trusts no row for having been read before, and never holds
//! more than one pack and a bounded number of chunks. What the rows mean together is for the reader.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rusqlite::{Connection, Row, params};

use super::chunk::Chunk;
use super::copy::PrivateCopy;
use super::count::Count;
use super::limits::{
    CHUNK_BYTES, CHUNK_DOCUMENTS, Limits, SEAL_OVERHEAD, SHARED_PACK_BYTES, SHORT_TEXT_BYTES, most_key_bytes,
    most_raw_bytes,
};
use super::pack::Pack;
use super::roots::stored_hash;
use super::zstd::Decompressor;
use super::{BundleError, Coverage, Notice};

/// Bytes of decoded chunks that are kept.
const CHUNK_CACHE_BYTES: usize = 12 << 20;
/// Bytes of decompressed packs that are kept.
const PACK_CACHE_BYTES: usize = 4 << 20;

/// An opened database with what is needed to read from it.
pub(super) struct Store {
    path: PathBuf,
    db: Connection,
    limits: Limits,
    zstd: RefCell<Decompressor>,
    chunks: RefCell<Cache<Chunk>>,
    packs: RefCell<Cache<Pack>>,
    // Declared last: where a file that is open cannot be removed, the database is closed before.
    _copy: Option<PrivateCopy>,
}

/// The most recently used come last. Few enough that a list is quicker than anything clever.
struct Cache<T> {
    items: Vec<(u64, usize, Rc<T>)>,
    most: usize,
}

impl<T> Cache<T> {
    fn new(most: usize) -> Self {
        Self { items: Vec::new(), most }
    }

    fn get(&mut self, number: u64) -> Option<Rc<T>> {
        let position = self.items.iter().rposition(|(n, ..)| *n == number)?;
        let item = self.items.remove(position);
        let found = Rc::clone(&item.2);
        self.items.push(item);
        Some(found)
    }

    fn put(&mut self, number: u64, weight: usize, item: &Rc<T>) {
        let mut held: usize = self.items.iter().map(|(_, weight, _)| weight).sum();
        while held + weight > self.most && !self.items.is_empty() {
            held -= self.items.remove(0).1;
        }
        // What alone is larger than the cache is not kept at all.
        if weight <= self.most {
            self.items.push((number, weight, Rc::clone(item)));
        }
    }
}

impl Store {
    /// `path` is what messages name; `copy` is what the database was opened from.
    pub(super) fn new(
        path: &Path,
        db: Connection,
        limits: Limits,
        copy: Option<PrivateCopy>,
    ) -> Result<Self, BundleError> {
        let zstd = Decompressor::new().map_err(BundleError::io(path, "decompress"))?;
        Ok(Self {
            path: path.to_owned(),
            db,
            limits,
            zstd: RefCell::new(zstd),
            chunks: RefCell::new(Cache::new(CHUNK_CACHE_BYTES)),
            packs: RefCell::new(Cache::new(PACK_CACHE_BYTES)),
            _copy: copy,
        })
    }

    /// Keeps the copy that the database was opened from as long as the database.
    pub(super) fn with(self, copy: PrivateCopy) -> Self {
        Self { _copy: Some(copy), ..self }
    }

    /// Names another file in messages: the one that this was made of.
    pub(super) fn call(&mut self, path: &Path) {
        self.path = path.to_owned();
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn damaged(&self, place: impl Into<String>, what: impl ToString) -> BundleError {
        BundleError::damaged(&self.path, place, what.to_string())
    }

    pub(super) fn reading<'a>(
        &'a self,
        place: &'a str,
    ) -> impl FnOnce(rusqlite::Error) -> BundleError + use<'a> {
        move |error| BundleError::reading(&self.path, place)(error)
    }

    /// The same for a place that is spelled only where something is wrong there.
    fn reading_at(&self, place: impl Fn() -> String) -> impl Fn(rusqlite::Error) -> BundleError {
        move |error| BundleError::reading(&self.path, &place())(error)
    }

    fn limit(&self, place: &str, found: u64, limit: u64) -> Result<(), BundleError> {
        if found <= limit {
            return Ok(());
        }
        Err(BundleError::Limit { path: self.path.clone(), place: place.to_owned(), found, limit })
    }

    /// Has the engine look at every page: each used once, cells within their pages, columns of their types.
    /// A tree that leads in circles would otherwise be walked for ever.
    pub(super) fn check_structure(&self) -> Result<(), BundleError> {
        let found: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(self.reading("structure"))?;
        if found == "ok" { Ok(()) } else { Err(self.damaged("structure", found.replace('\n', " "))) }
    }

    /// Holds the texts of all keys together against what a file of so many bytes may have.
    pub(super) fn check_keys(&self, file_bytes: u64) -> Result<(), BundleError> {
        let sql = "SELECT sum(octet_length(head) + octet_length(name) + octet_length(tail)) FROM documents \
                   JOIN scopes USING(scope)";
        let sum = self.db.query_row(sql, [], |row| row.get::<_, Option<Count>>(0));
        let sum = sum.map_err(self.reading("documents"))?.map_or(0, |count| count.0);
        self.limit("the keys together", sum, most_key_bytes(file_bytes))
    }

    fn hash(&self, place: &str, hash: &[u8], blobs: &[&[u8]]) -> Result<(), BundleError> {
        if stored_hash(blobs) == hash {
            Ok(())
        } else {
            Err(self.damaged(place, "the stored bytes do not have the hash that goes with them"))
        }
    }

    /// The raw bytes of a compressed column, once its hash has been checked.
    fn decompress(&self, place: &str, data: &[u8], raw_bytes: u64) -> Result<Vec<u8>, BundleError> {
        let declared = usize::try_from(raw_bytes).map_err(|error| self.damaged(place, error))?;
        let result = match self.zstd.try_borrow_mut() {
            Ok(mut zstd) => zstd.decompress(data, declared),
            Err(_) => Decompressor::new().and_then(|mut zstd| zstd.decompress(data, declared)),
        };
        result.map_err(|error| self.damaged(place, error))
    }

    /// A pack.
    pub(super) fn pack(&self, number: u64) -> Result<Rc<Pack>, BundleError> {
        if let Ok(mut packs) = self.packs.try_borrow_mut()
            && let Some(pack) = packs.get(number)
        {
            return Ok(pack);
        }
        let place = format!("pack {number}");
        let sql = "SELECT documents, raw_bytes, hash, data FROM packs WHERE pack = ?1";
        let mut select = self.db.prepare_cached(sql).map_err(self.reading(&place))?;
        let mut rows = select.query([Count(number)]).map_err(self.reading(&place))?;
        let row = rows.next().map_err(self.reading(&place))?;
        let row = row.ok_or_else(|| self.damaged(&place, "it is missing"))?;
        let documents = row.get::<_, Count>(0).map_err(self.reading(&place))?.0;
        let raw_bytes = row.get::<_, Count>(1).map_err(self.reading(&place))?.0;
        let hash = row.get_ref(2).and_then(|v| Ok(v.as_blob()?)).map_err(self.reading(&place))?;
        let data = row.get_ref(3).and_then(|v| Ok(v.as_blob()?)).map_err(self.reading(&place))?;
        self.limit(&format!("{place}: documents"), documents, self.limits.pack_documents)?;
        if documents == 0 {
            return Err(self.damaged(&place, "it holds no document"));
        }
        // Only a document that is large by itself makes a large pack.
        let most = if documents > 1 { SHARED_PACK_BYTES } else { self.limits.pack_bytes };
        self.limit(&format!("{place}: raw bytes"), raw_bytes, most.min(self.limits.pack_bytes))?;
        self.limit(
            &format!("{place}: raw bytes of {} stored", data.len()),
            raw_bytes,
            most_raw_bytes(data.len()),
        )?;
        self.hash(&place, hash, &[data])?;
        let raw = self.decompress(&place, data, raw_bytes)?;
        let pack = Pack::parse(raw, documents).map_err(|error| self.damaged(&place, error))?;
        let longest = pack.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or_default();
        self.limit(&format!("{place}: a document"), longest as u64, self.limits.document_bytes)?;
        let pack = Rc::new(pack);
        if let Ok(mut packs) = self.packs.try_borrow_mut() {
            packs.put(number, pack.weight(), &pack);
        }
        Ok(pack)
    }

    /// A chunk of the index.
    pub(super) fn chunk(&self, number: u64) -> Result<Rc<Chunk>, BundleError> {
        if let Ok(mut chunks) = self.chunks.try_borrow_mut()
            && let Some(chunk) = chunks.get(number)
        {
            return Ok(chunk);
        }
        let place = format!("chunk {number}");
        let sql = "SELECT first_document, documents, raw_bytes, hash, data, content_ids FROM chunks WHERE chunk = ?1";
        let mut select = self.db.prepare_cached(sql).map_err(self.reading(&place))?;
        let mut rows = select.query([Count(number)]).map_err(self.reading(&place))?;
        let row = rows.next().map_err(self.reading(&place))?;
        let row = row.ok_or_else(|| self.damaged(&place, "it is missing"))?;
        let count = |column| row.get::<_, Count>(column).map(|c| c.0).map_err(self.reading(&place));
        let blob = |column| row.get_ref(column).and_then(|v| Ok(v.as_blob()?)).map_err(self.reading(&place));
        let (documents, raw_bytes) = (count(1)?, count(2)?);
        let (hash, data, content_ids) = (blob(3)?, blob(4)?, blob(5)?);
        if Some(count(0)?) != number.checked_sub(1).map(|n| n * CHUNK_DOCUMENTS + 1) {
            return Err(self.damaged(place, "it does not begin where it should"));
        }
        self.limit(&format!("{place}: documents"), documents, CHUNK_DOCUMENTS)?;
        self.limit(&format!("{place}: raw bytes"), raw_bytes, CHUNK_BYTES)?;
        self.limit(
            &format!("{place}: raw bytes of {} stored", data.len()),
            raw_bytes,
            most_raw_bytes(data.len()),
        )?;
        self.hash(&place, hash, &[data, content_ids])?;
        let raw = self.decompress(&place, data, raw_bytes)?;
        let chunk = Chunk::parse(&raw, content_ids, documents, &self.limits);
        let chunk = Rc::new(chunk.map_err(|error| self.damaged(&place, error))?);
        if let Ok(mut chunks) = self.chunks.try_borrow_mut() {
            chunks.put(number, chunk.weight(), &chunk);
        }
        Ok(chunk)
    }

    /// What a document is called.
    pub(super) fn name(&self, document: u64) -> Result<Name, BundleError> {
        let mut found = None;
        self.names(document..document.saturating_add(1), &mut |_, name| -> Result<(), BundleError> {
            found = Some(name?);
            Ok(())
        })?;
        found.ok_or_else(|| self.unnamed(document))
    }

    /// What each document of a run is called, in one query.
    ///
    /// # Errors
    /// The first error that `see` returns, and what keeps the engine from reading on; what is wrong with one name is
    /// handed to `see` instead.
    pub(super) fn names<E: From<BundleError>>(
        &self,
        run: Range<u64>,
        see: &mut dyn FnMut(u64, Result<Name, BundleError>) -> Result<(), E>,
    ) -> Result<(), E> {
        // The engine must not begin with the scopes, whatever it thinks of the two tables.
        let sql = "SELECT document, kind, scope, head, name, tail FROM documents CROSS JOIN scopes USING(scope) \
                   WHERE document >= ?1 AND document < ?2 ORDER BY document";
        let reading = self.reading_at(|| format!("documents {} to {}", run.start, run.end - 1));
        let mut select = self.db.prepare_cached(sql).map_err(&reading)?;
        let mut rows = select.query([Count(run.start), Count(run.end)]).map_err(&reading)?;
        let mut expected = run.start;
        while let Some(row) = rows.next().map_err(&reading)? {
            let document = row.get::<_, Count>(0).map_err(&reading)?.0;
            while expected < document {
                see(expected, Err(self.unnamed(expected)))?;
                expected += 1;
            }
            see(document, self.read_name(document, row))?;
            expected = document + 1;
        }
        (expected..run.end).try_for_each(|document| see(document, Err(self.unnamed(document))))
    }

    fn unnamed(&self, document: u64) -> BundleError {
        self.damaged(format!("document {document}"), "it, or its scope, is missing")
    }

    fn read_name(&self, document: u64, row: &Row<'_>) -> Result<Name, BundleError> {
        let reading = self.reading_at(|| format!("document {document}"));
        let mut parts = [""; 3];
        for (part, column) in parts.iter_mut().zip(3..) {
            *part = row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(&reading)?;
        }
        let len = parts.iter().map(|part| part.len() as u64).sum();
        if len > self.limits.key_bytes {
            self.limit(&format!("document {document}: key"), len, self.limits.key_bytes)?;
        }
        let count = |column| row.get::<_, Count>(column).map(|count| count.0).map_err(&reading);
        Ok(Name { kind: count(1)?, scope: count(2)?, key: parts.concat() })
    }

    /// The sealed values of a document as (position, bytes).
    pub(super) fn sealed(&self, document: u64, secrets: u32) -> Result<Vec<(u32, Vec<u8>)>, BundleError> {
        let values = self.sealed_of_any_length(document, secrets)?;
        match values.iter().find(|(_, value)| (value.len() as u64) < SEAL_OVERHEAD) {
            None => Ok(values),
            Some((n, value)) => Err(self.damaged(
                format!("sealed values of document {document}"),
                format!("value {n} has {} bytes; none is shorter than {SEAL_OVERHEAD}", value.len()),
            )),
        }
    }

    /// The same with values that are too short for any, for salvage: each is judged by itself.
    pub(super) fn sealed_of_any_length(
        &self,
        document: u64,
        secrets: u32,
    ) -> Result<Vec<(u32, Vec<u8>)>, BundleError> {
        let place = || format!("sealed values of document {document}");
        let reading = self.reading_at(place);
        let sql = "SELECT n, value FROM sealed WHERE document = ?1 ORDER BY n";
        let mut select = self.db.prepare_cached(sql).map_err(&reading)?;
        let mut rows = select.query([Count(document)]).map_err(&reading)?;
        let mut sealed = Vec::new();
        let mut together = 0;
        while let Some(row) = rows.next().map_err(&reading)? {
            let n: i64 = row.get(0).map_err(&reading)?;
            // Positions rise by themselves: they are the primary key. So this bounds the number of rows too.
            let n = u32::try_from(n).ok().filter(|n| *n < secrets);
            let n = n.ok_or_else(|| self.damaged(place(), "there is a value for no secret place"))?;
            let value = row.get_ref(1).and_then(|v| Ok(v.as_blob()?)).map_err(&reading)?;
            together += value.len() as u64;
            if value.len() as u64 > self.limits.secret_bytes + SEAL_OVERHEAD {
                self.limit(&place(), value.len() as u64, self.limits.secret_bytes + SEAL_OVERHEAD)?;
            }
            if together > self.limits.document_sealed_bytes {
                self.limit(&place(), together, self.limits.document_sealed_bytes)?;
            }
            sealed.push((n, value.to_vec()));
        }
        Ok(sealed)
    }

    /// How many sealed values there are for documents within a range; stops counting beyond `most`.
    pub(super) fn count_sealed(&self, most: u64) -> Result<u64, BundleError> {
        self.db
            .query_row(
                "SELECT count(*) FROM (SELECT 1 FROM sealed LIMIT ?1)",
                params![Count(most.saturating_add(1))],
                |row| row.get::<_, Count>(0).map(|c| c.0),
            )
            .map_err(self.reading("sealed values"))
    }

    /// The notices, of which the bundle says there are `count`.
    pub(super) fn notices(&self, count: u64) -> Result<Vec<Notice>, BundleError> {
        let mut select = self
            .db
            .prepare_cached("SELECT n, code, kind, key, place, value, names_kind, names_key, text, count FROM notices ORDER BY n")
            .map_err(self.reading("notices"))?;
        let mut rows = select.query([]).map_err(self.reading("notices"))?;
        let mut notices = Vec::new();
        let mut together = 0;
        while let Some(row) = rows.next().map_err(self.reading("notices"))? {
            let n: i64 = row.get(0).map_err(self.reading("notices"))?;
            if n != notices.len() as i64 + 1 || notices.len() as u64 >= count {
                return Err(self.damaged("notices", "they are not numbered from 1"));
            }
            let notice = self.read_notice(row, 1, "notices")?;
            together += notice.bytes() as u64;
            self.limit("the notices", together, self.limits.notice_bytes)?;
            if notices.last().is_some_and(|last| *last >= notice) {
                return Err(self.damaged("notices", "they are not in order, each once"));
            }
            notices.push(notice);
        }
        if notices.len() as u64 == count {
            Ok(notices)
        } else {
            Err(self.damaged("notices", "there are fewer than the bundle says"))
        }
    }

    fn read_notice(&self, row: &Row<'_>, from: usize, place: &str) -> Result<Notice, BundleError> {
        let text = |column: usize| -> Result<Option<String>, BundleError> {
            let text: Option<String> = row.get(from + column).map_err(self.reading(place))?;
            self.limit("a notice", text.as_ref().map_or(0, String::len) as u64, SHORT_TEXT_BYTES as u64)?;
            Ok(text)
        };
        Ok(Notice {
            code: text(0)?.unwrap_or_default(),
            kind: text(1)?,
            key: text(2)?,
            place: text(3)?,
            value: text(4)?,
            names_kind: text(5)?,
            names_key: text(6)?,
            text: text(7)?.unwrap_or_default(),
            count: row.get::<_, Count>(from + 8).map_err(self.reading(place))?.0,
        })
    }

    /// What is carried of the kinds, of which the bundle says there are `count` statements.
    pub(super) fn coverage(&self, count: u64) -> Result<Vec<Coverage>, BundleError> {
        let reading = |error| self.reading("coverage")(error);
        let sql = "SELECT n, kind, extent, rows, owner_kind, owner_key FROM coverage ORDER BY n";
        let mut select = self.db.prepare_cached(sql).map_err(reading)?;
        let mut rows = select.query([]).map_err(reading)?;
        let mut coverage: Vec<Coverage> = Vec::new();
        let mut together = 0;
        while let Some(row) = rows.next().map_err(reading)? {
            let n: i64 = row.get(0).map_err(reading)?;
            if n != coverage.len() as i64 + 1 || coverage.len() as u64 >= count {
                return Err(self.damaged("coverage", "it is not numbered from 1"));
            }
            let text = |column| row.get::<_, Option<String>>(column).map_err(reading);
            let extent = text(2)?.unwrap_or_default();
            let rows = row.get::<_, Option<Count>>(3).map_err(reading)?.map(|count| count.0);
            let (owner_kind, owner_key) = (text(4)?, text(5)?);
            let key = owner_key.as_ref().map_or(0, String::len) as u64;
            self.limit("a key", key, self.limits.key_bytes)?;
            together += key;
            self.limit("the keys of coverage", together, self.limits.notice_bytes)?;
            let found = Coverage::of(text(1)?.unwrap_or_default(), &extent, rows, (owner_kind, owner_key))
                .ok_or_else(|| self.damaged("coverage", format!("row {n} says nothing of a kind")))?;
            if coverage.last().is_some_and(|last| !last.goes_before(&found)) {
                return Err(self.damaged("coverage", "it is not in order, each once"));
            }
            coverage.push(found);
        }
        match coverage.len() as u64 == count {
            true => Ok(coverage),
            false => Err(self.damaged("coverage", "there is less than the bundle says")),
        }
    }

    /// One notice, whatever stands beside it.
    pub(super) fn notice(&self, number: u64) -> Result<Notice, BundleError> {
        let place = || format!("notice {number}");
        let sql = "SELECT code, kind, key, place, value, names_kind, names_key, text, count FROM notices \
                   WHERE n = ?1";
        let mut select = self.db.prepare_cached(sql).map_err(self.reading_at(place))?;
        let mut rows = select.query([Count(number)]).map_err(self.reading_at(place))?;
        let row = rows.next().map_err(self.reading_at(place))?;
        let row = row.ok_or_else(|| self.damaged(place(), "it is missing"))?;
        self.read_notice(row, 0, &place())
    }

    /// How many bytes a pack is said to have, without reading them; none where it is not there.
    pub(super) fn pack_bytes(&self, number: u64) -> Result<u64, BundleError> {
        self.stored_bytes(&format!("pack {number}"), "SELECT length(data) FROM packs WHERE pack = ?1", number)
    }

    /// How many bytes a chunk is said to have.
    pub(super) fn chunk_bytes(&self, number: u64) -> Result<u64, BundleError> {
        let sql = "SELECT length(data) + length(content_ids) FROM chunks WHERE chunk = ?1";
        self.stored_bytes(&format!("chunk {number}"), sql, number)
    }

    /// How many bytes the sealed values of a document are said to have.
    pub(super) fn sealed_bytes(&self, document: u64) -> Result<u64, BundleError> {
        // One more than there may be: positions rise, but those of a damaged tree could go on for ever.
        let sql = "SELECT sum(bytes) FROM (SELECT length(value) AS bytes FROM sealed WHERE document = ?1 LIMIT 65537)";
        self.stored_bytes(&format!("sealed values of document {document}"), sql, document)
    }

    fn stored_bytes(&self, place: &str, sql: &str, number: u64) -> Result<u64, BundleError> {
        let mut select = self.db.prepare_cached(sql).map_err(self.reading(place))?;
        let mut rows = select.query([Count(number)]).map_err(self.reading(place))?;
        let Some(row) = rows.next().map_err(self.reading(place))? else { return Ok(0) };
        Ok(row.get::<_, Option<Count>>(0).map_err(self.reading(place))?.map_or(0, |bytes| bytes.0))
    }

    /// The first and last number of a table's rows. Together with finding each number in between, this counts
    /// the rows without walking a table that may be much larger than it says.
    pub(super) fn bounds(&self, table: Numbered) -> Result<(i64, i64), BundleError> {
        let (name, sql) = match table {
            Numbered::Documents => (
                "documents",
                "SELECT coalesce((SELECT min(document) FROM documents), 1), \
                 coalesce((SELECT max(document) FROM documents), 0)",
            ),
            Numbered::Scopes => (
                "scopes",
                "SELECT coalesce((SELECT min(scope) FROM scopes), 1), coalesce((SELECT max(scope) FROM scopes), 0)",
            ),
            Numbered::Packs => (
                "packs",
                "SELECT coalesce((SELECT min(pack) FROM packs), 1), coalesce((SELECT max(pack) FROM packs), 0)",
            ),
            Numbered::Chunks => (
                "chunks",
                "SELECT coalesce((SELECT min(chunk) FROM chunks), 1), coalesce((SELECT max(chunk) FROM chunks), 0)",
            ),
        };
        self.db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(self.reading(name))
    }
}

/// What a document is called, as the tables say.
pub(super) struct Name {
    pub(super) kind: u64,
    pub(super) scope: u64,
    pub(super) key: String,
}

/// A table whose rows are numbered from 1.
#[derive(Clone, Copy)]
pub(super) enum Numbered {
    Documents,
    Scopes,
    Packs,
    Chunks,
}
