//! The writer's second half: from the spool to the tables of the bundle, each written in one sorted pass.
//!
//! Obeys `format-spec/bundle-v1.md`, "writing". First documents are numbered in the order of kind and key,
//! then packed in the order of similarity, then indexed; so the file depends on the content and not on the
//! order in which it was added. Holds a few packs, one chunk, and eight bytes a document.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::document::{ContentId, KindName};
use crate::progress::Progress;

use super::chunk::ChunkBuilder;
use super::count::Count;
use super::limits::CHUNK_DOCUMENTS;
use super::packing::{Job, Packs};
use super::roots::{ContentHasher, stored_hash};
use super::schema::{APPLICATION_ID, FORMAT, OBJECTS};
use super::scope::Scopes;
use super::sealing::{At, Sealing};
use super::spool::{Spool, private_file};
use super::wire::put_uint;
use super::workers::in_order;
use super::zstd::Compressor;
use super::{
    Bundle, BundleError, ContentRoot, FileRoot, Header, Info, KindInfo, Limits, Previous, Protection,
    WriterOptions,
};

/// Bytes of documents that a pack is filled up to. Measured: zstd has smaller tables for input up to 256 KiB, so
/// twice that saves a tenth; twice again saves 1 % and doubles the time to one document.
const PACK_BYTES: u64 = 512 << 10;

/// What was written, apart from the file itself.
pub(super) struct Totals {
    pub(super) content_root: ContentRoot,
    pub(super) documents: u64,
    pub(super) secrets: u64,
    pub(super) sealed: u64,
    pub(super) carried_over: u64,
    pub(super) raw_bytes: u64,
    pub(super) scopes: u64,
    pub(super) packs: u64,
    pub(super) chunks: u64,
    pub(super) notices: u64,
    pub(super) coverage: u64,
    pub(super) kinds: Vec<KindInfo>,
}

/// Writes the whole file but for its root.
pub(super) fn assemble(
    path: &Path,
    spool: &mut Spool,
    header: &Header,
    options: &mut WriterOptions,
    progress: &dyn Progress,
) -> Result<Totals, BundleError> {
    // The finished file keeps this mode: configuration of production is for those it is handed to.
    private_file(path)?;
    let db = create(path).map_err(BundleError::sql(path, "make the bundle"))?;
    let (envelope, key) = match &options.protection {
        Protection::None => (None, None),
        Protection::Password { envelope, key } => (Some(envelope), Some(key)),
        Protection::Carried(envelope) => (Some(envelope), None),
    };
    // One key for both: another envelope's bytes could not be read under this one.
    let ours =
        |bundle: &Bundle| bundle.envelope().zip(key).is_some_and(|(theirs, key)| key.belongs_to(theirs));
    let previous = options.previous.as_ref().filter(|previous| ours(&previous.bundle));
    let mut assembly = Assembly { path, db: &db, spool, progress };
    progress.phase("ordering", Some(assembly.spool.entries()));
    assembly.check_names()?;
    let mut totals = assembly.number(previous)?;
    progress.phase("packing", Some(totals.documents));
    let places = assembly.pack(options.level, &mut totals)?;
    assembly.index(&mut totals, &places)?;
    totals.notices = assembly.notices()?;
    totals.coverage = assembly.coverage()?;
    let info = Info {
        writer: concat!("sealift ", env!("CARGO_PKG_VERSION")).to_owned(),
        header: header.clone(),
        created: options.created.clone(),
        content_root: totals.content_root,
        file_root: FileRoot([0; 32]),
        kinds: totals.kinds.clone(),
        documents: totals.documents,
        scopes: totals.scopes,
        packs: totals.packs,
        chunks: totals.chunks,
        secrets: totals.secrets,
        sealed: totals.sealed,
        slots: envelope.map_or(0, |envelope| envelope.slots.len()),
        notices: totals.notices,
        coverage: totals.coverage,
        raw_bytes: totals.raw_bytes,
        file_bytes: 0,
    };
    super::info::write(&db, &info, envelope)
        .and_then(|()| db.execute("INSERT INTO seal(id, root) VALUES(1, zeroblob(32))", []))
        .and_then(|_| db.execute_batch("COMMIT"))
        .map_err(BundleError::sql(path, "finish the bundle"))?;
    let free: i64 = db
        .query_row("PRAGMA freelist_count", [], |row| row.get(0))
        .map_err(BundleError::sql(path, "finish the bundle"))?;
    if free > 0 {
        // Sorted inserts free no page; should the engine ever do otherwise, readers would refuse the file.
        db.execute_batch("VACUUM").map_err(BundleError::sql(path, "finish the bundle"))?;
    }
    db.close().map_err(|(_, error)| BundleError::sql(path, "finish the bundle")(error))?;
    Ok(totals)
}

pub(super) fn create(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    // No journal: an unfinished file is thrown away, never rolled back. The finished one is synced by hand.
    db.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-8'; PRAGMA auto_vacuum = NONE;
         PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA cache_size = -4096; PRAGMA temp_store = FILE; BEGIN;",
    )?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "user_version", FORMAT)?;
    OBJECTS.iter().try_for_each(|(_, _, sql)| db.execute_batch(sql))?;
    Ok(db)
}

struct Assembly<'a> {
    path: &'a Path,
    db: &'a Connection,
    spool: &'a Spool,
    progress: &'a dyn Progress,
}

impl Assembly<'_> {
    fn sql(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> BundleError + use<> {
        let path = self.path.to_owned();
        move |error| BundleError::sql(&path, action)(error)
    }

    /// Refuses two documents that the server would take for one.
    fn check_names(&self) -> Result<(), BundleError> {
        let (twins, total) = self.spool.twins()?;
        match twins.first().cloned() {
            Some((kind, key)) => Err(BundleError::DuplicateKey { kind, key, twins, total }),
            None => Ok(()),
        }
    }

    /// First pass, by kind and key: numbers, the content root, the table of documents, the sealed values.
    fn number(&mut self, previous: Option<&Previous>) -> Result<Totals, BundleError> {
        let spooled = |error| self.spool.sql("order the documents")(error);
        let written = |error| self.sql("write a document")(error);
        let mut select = self
            .spool
            .db
            .prepare(
                "SELECT kind, key, entry, similarity, offset, length, content_id, tag, id, reason, secrets \
                 FROM entries ORDER BY kind, key",
            )
            .map_err(spooled)?;
        let mut numbered =
            self.spool.db.prepare("INSERT INTO numbered VALUES(?1,?2,?3,?4,?5)").map_err(spooled)?;
        let mut partial =
            self.spool.db.prepare("INSERT INTO partial VALUES(?1,?2,?3,?4)").map_err(spooled)?;
        let mut insert = self
            .db
            .prepare("INSERT INTO documents(document, scope, name) VALUES(?1,?2,?3)")
            .map_err(written)?;
        let mut scopes = Scopes::new(self.path, self.db)?;
        let mut sealing = Sealing::new(self.path, self.db, self.spool, previous)?;
        let mut content = ContentHasher::new();
        let mut totals = Totals::new();
        let mut builder = ChunkBuilder::default();
        let (mut last_kind, mut last_key) = (String::new(), String::new());
        let mut keep = |builder: &mut ChunkBuilder, totals: &mut Totals| -> Result<(), BundleError> {
            if let Some(chunk) = builder.finish() {
                totals.chunks += 1;
                partial
                    .execute(params![
                        Count(totals.chunks),
                        Count(chunk.documents),
                        chunk.columns,
                        chunk.content_ids
                    ])
                    .map_err(spooled)?;
            }
            Ok(())
        };
        let mut rows = select.query([]).map_err(spooled)?;
        while let Some(row) = rows.next().map_err(spooled)? {
            let text = |column| row.get_ref(column).and_then(|v| Ok(v.as_str()?)).map_err(spooled);
            let blob = |column| row.get_ref(column).and_then(|v| Ok(v.as_blob()?)).map_err(spooled);
            let count = |column| row.get::<_, Count>(column).map(|c| c.0).map_err(spooled);
            let (kind, key) = (text(0)?, text(1)?);
            if totals.kinds.is_empty() || kind != last_kind {
                totals.start_kind(self.path, kind)?;
                kind.clone_into(&mut last_kind);
                self.progress.check()?;
            } else if key == last_key {
                let twin = (KindName::new(kind), key.to_owned());
                return Err(BundleError::DuplicateKey {
                    kind: twin.0.clone(),
                    key: twin.1.clone(),
                    twins: vec![twin],
                    total: 1,
                });
            }
            key.clone_into(&mut last_key);
            totals.documents += 1;
            let (length, secrets) = (count(5)?, count(10)?);
            let id = <[u8; 32]>::try_from(blob(6)?).unwrap_or_default();
            content.push(kind, key, &ContentId(id));
            let (scope, name) = scopes.of(totals.kinds.len(), key)?;
            insert.execute(params![Count(totals.documents), Count(scope), name]).map_err(written)?;
            numbered
                .execute(params![
                    Count(totals.documents),
                    Count::of(totals.kinds.len()),
                    blob(3)?,
                    Count(count(4)?),
                    Count(length)
                ])
                .map_err(spooled)?;
            builder.push(row.get(7).map_err(spooled)?, blob(8)?, blob(9)?, secrets, &id);
            if builder.is_full() {
                keep(&mut builder, &mut totals)?;
            }
            let mut sealed = 0;
            if secrets > 0 {
                let document = At { number: totals.documents, kind, key, content_id: ContentId(id) };
                sealed = sealing.write(count(2)?, &document, &mut totals.carried_over)?;
            }
            totals.raw_bytes += length;
            totals.secrets += secrets;
            totals.sealed += sealed;
            if let Some(kind) = totals.kinds.last_mut() {
                kind.documents += 1;
                kind.secrets += secrets;
                kind.sealed += sealed;
            }
        }
        keep(&mut builder, &mut totals)?;
        totals.content_root = content.finish();
        totals.scopes = scopes.written;
        Ok(totals)
    }

    /// Second pass, by similarity within each kind: the packs. Returns the pack and slot of each document, by number.
    fn pack(&self, level: i32, totals: &mut Totals) -> Result<Vec<(u32, u32)>, BundleError> {
        let spooled = |error| self.spool.sql("order the documents")(error);
        let mut select = self
            .spool
            .db
            .prepare(
                "SELECT document, kind, offset, length FROM numbered ORDER BY kind, similarity, document",
            )
            .map_err(spooled)?;
        let mut packs = Packs::new(self.path, self.db, self.progress, totals)?;
        let compressor = |_| Compressor::new(level).map_err(BundleError::io(self.path, "compress"));
        // The caller's thread has little to do beside them.
        let others = Some(self.progress.threads().get()).filter(|threads| *threads > 1).unwrap_or_default();
        let others = (0..others).map(compressor).collect::<Result<Vec<_>, _>>()?;
        let (documents, from) = (self.spool.documents(), self.spool.path("documents"));
        let work = |zstd: &mut Compressor, job: Job| job.pack(zstd, documents, &from);
        let count = usize::try_from(packs.totals.documents).unwrap_or_default();
        let mut places = vec![(0, 0); count];
        in_order(compressor(0)?, others, &work, |line| {
            // The pack that is being filled is the one after those that were given.
            let (mut job, mut pack) = (Job::default(), 1u32);
            let mut rows = select.query([]).map_err(spooled)?;
            while let Some(row) = rows.next().map_err(spooled)? {
                let count = |column| row.get::<_, Count>(column).map(|c| c.0).map_err(spooled);
                let (number, kind, offset, length) = (count(0)?, count(1)?, count(2)?, count(3)?);
                let full = job.bytes + length > PACK_BYTES
                    || job.documents.len() as u64 >= Limits::FORMAT_1.pack_documents;
                if !job.documents.is_empty() && (full || kind != job.kind) {
                    self.progress.check()?;
                    packs.give(line, std::mem::take(&mut job))?;
                    pack += 1;
                }
                let slot = u32::try_from(job.documents.len()).unwrap_or_default();
                let place = number.checked_sub(1).and_then(|at| places.get_mut(usize::try_from(at).ok()?));
                place.into_iter().for_each(|place| *place = (pack, slot));
                job.kind = kind;
                job.bytes += length;
                job.documents.push((number, offset, length));
            }
            if !job.documents.is_empty() {
                packs.give(line, job)?;
            }
            packs.take_all(line)
        })?;
        Ok(places)
    }

    /// Third pass, by number: the chunks, now that it is known where each document lies.
    fn index(&self, totals: &mut Totals, places: &[(u32, u32)]) -> Result<(), BundleError> {
        let spooled = |error| self.spool.sql("order the documents")(error);
        let mut select = self
            .spool
            .db
            .prepare("SELECT chunk, documents, columns, content_ids FROM partial ORDER BY chunk")
            .map_err(spooled)?;
        let mut insert = self
            .db
            .prepare("INSERT INTO chunks VALUES(?1,?2,?3,?4,?5,?6,?7)")
            .map_err(self.sql("write the index"))?;
        // The index is small and read often: worth more work than a pack.
        let mut zstd = Compressor::new(12).map_err(BundleError::io(self.path, "compress"))?;
        let mut raw = Vec::new();
        let mut places = places.chunks(CHUNK_DOCUMENTS as usize);
        let mut rows = select.query([]).map_err(spooled)?;
        while let Some(row) = rows.next().map_err(spooled)? {
            let blob = |column| row.get_ref(column).and_then(|v| Ok(v.as_blob()?)).map_err(spooled);
            let chunk = row.get::<_, Count>(0).map_err(spooled)?.0;
            let documents = row.get::<_, Count>(1).map_err(spooled)?.0;
            let first = (chunk - 1) * CHUNK_DOCUMENTS + 1;
            let places = places.next().unwrap_or_default();
            raw.clear();
            places.iter().for_each(|(pack, _)| put_uint(&mut raw, u64::from(*pack)));
            places.iter().for_each(|(_, slot)| put_uint(&mut raw, u64::from(*slot)));
            raw.extend_from_slice(blob(2)?);
            let content_ids = blob(3)?;
            let data = zstd.compress(&raw).map_err(BundleError::io(self.path, "compress"))?;
            let hash = stored_hash(&[&data, content_ids]);
            insert
                .execute(params![
                    Count(chunk),
                    Count(first),
                    Count(documents),
                    Count::of(raw.len()),
                    hash.as_slice(),
                    data,
                    content_ids
                ])
                .map_err(self.sql("write the index"))?;
        }
        totals.chunks = totals.documents.div_ceil(CHUNK_DOCUMENTS);
        Ok(())
    }

    fn notices(&self) -> Result<u64, BundleError> {
        let spooled = |error| self.spool.sql("order the notices")(error);
        let mut select = self
            .spool
            .db
            .prepare(
                "SELECT DISTINCT code, kind, key, place, value, names_kind, names_key, text, count FROM notices \
                 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
            )
            .map_err(spooled)?;
        let mut insert = self
            .db
            .prepare("INSERT INTO notices VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")
            .map_err(self.sql("write a notice"))?;
        let mut rows = select.query([]).map_err(spooled)?;
        let mut n = 0u64;
        while let Some(row) = rows.next().map_err(spooled)? {
            n += 1;
            let value = |column| row.get::<_, rusqlite::types::Value>(column);
            let values = (0..9).map(value).collect::<rusqlite::Result<Vec<_>>>().map_err(spooled)?;
            let number = rusqlite::types::Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
            insert
                .execute(rusqlite::params_from_iter([number].into_iter().chain(values)))
                .map_err(self.sql("write a notice"))?;
        }
        Ok(n)
    }

    fn coverage(&self) -> Result<u64, BundleError> {
        let spooled = |error| self.spool.sql("order what is carried of the kinds")(error);
        let mut select = self
            .spool
            .db
            .prepare(
                "SELECT DISTINCT kind, extent, rows, owner_kind, owner_key FROM coverage ORDER BY 1, 2, 4, 5",
            )
            .map_err(spooled)?;
        let mut insert = self
            .db
            .prepare("INSERT INTO coverage VALUES(?1,?2,?3,?4,?5,?6)")
            .map_err(self.sql("write what is carried of the kinds"))?;
        let mut rows = select.query([]).map_err(spooled)?;
        let mut n = 0u64;
        while let Some(row) = rows.next().map_err(spooled)? {
            n += 1;
            let text = |column| row.get::<_, Option<String>>(column).map_err(spooled);
            let count = row.get::<_, Option<Count>>(2).map_err(spooled)?;
            insert
                .execute(params![Count(n), text(0)?, text(1)?, count, text(3)?, text(4)?])
                .map_err(self.sql("write what is carried of the kinds"))?;
        }
        Ok(n)
    }
}

impl Totals {
    fn new() -> Self {
        Self {
            content_root: ContentRoot([0; 32]),
            documents: 0,
            secrets: 0,
            sealed: 0,
            carried_over: 0,
            raw_bytes: 0,
            scopes: 0,
            packs: 0,
            chunks: 0,
            notices: 0,
            coverage: 0,
            kinds: Vec::new(),
        }
    }

    fn start_kind(&mut self, path: &Path, name: &str) -> Result<(), BundleError> {
        let limit = Limits::FORMAT_1.kinds;
        let found = self.kinds.len() as u64 + 1;
        if found > limit {
            let place = "the number of kinds".to_owned();
            return Err(BundleError::Limit { path: path.to_owned(), place, found, limit });
        }
        self.kinds.push(KindInfo {
            name: name.to_owned(),
            documents: 0,
            secrets: 0,
            sealed: 0,
            first_document: self.documents + 1,
            packs: 0,
            first_pack: 0,
        });
        Ok(())
    }
}
