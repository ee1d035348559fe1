//! Packs on their way from the spool to the bundle: made on any thread, written on one.
//!
//! Obeys `format-spec/bundle-v1.md`, "packs". Which documents a pack holds is for the caller; what is made of them depends
//! on nothing else.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::progress::Progress;

use super::BundleError;
use super::assemble::Totals;
use super::count::Count;
use super::limits::SHARED_PACK_BYTES;
use super::pack;
use super::roots::stored_hash;
use super::spool::read_at;
use super::workers::Line;
use super::zstd::Compressor;

/// The documents of a pack that is to be made.
#[derive(Default)]
pub(super) struct Job {
    pub(super) kind: u64,
    pub(super) bytes: u64,
    /// Number, and offset and length in the spool.
    pub(super) documents: Vec<(u64, u64, u64)>,
}

/// A pack as it is stored.
pub(super) struct Packed {
    kind: u64,
    documents: u64,
    bytes: u64,
    raw_bytes: usize,
    hash: [u8; 32],
    data: Vec<u8>,
}

impl Job {
    /// Reads the documents from the spool, whose path is for messages, and compresses them.
    pub(super) fn pack(
        self,
        zstd: &mut Compressor,
        spool: &File,
        path: &Path,
    ) -> Result<Packed, BundleError> {
        let Self { kind, bytes, documents } = self;
        let mut raw = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default() + 8 * documents.len());
        pack::header(&mut raw, documents.iter().map(|(number, _, length)| (*number, *length)));
        for (_, offset, length) in &documents {
            let start = raw.len();
            raw.resize(start + usize::try_from(*length).unwrap_or_default(), 0);
            let into = raw.get_mut(start..).unwrap_or_default();
            read_at(spool, into, *offset).map_err(BundleError::io(path, "read"))?;
        }
        let data = zstd.compress(&raw).map_err(BundleError::io(path, "compress"))?;
        let hash = stored_hash(&[&data]);
        Ok(Packed { kind, documents: documents.len() as u64, bytes, raw_bytes: raw.len(), hash, data })
    }
}

pub(super) type Packing<'l> = Line<'l, Compressor, Job, Result<Packed, BundleError>>;

/// The table of packs as it is written.
pub(super) struct Packs<'a> {
    insert: rusqlite::Statement<'a>,
    path: &'a Path,
    progress: &'a dyn Progress,
    pub(super) totals: &'a mut Totals,
}

impl<'a> Packs<'a> {
    pub(super) fn new(
        path: &'a Path,
        db: &'a Connection,
        progress: &'a dyn Progress,
        totals: &'a mut Totals,
    ) -> Result<Self, BundleError> {
        let insert = "INSERT INTO packs(pack, documents, raw_bytes, hash, data) VALUES(?1,?2,?3,?4,?5)";
        let insert = db.prepare(insert).map_err(BundleError::sql(path, "write a pack"))?;
        Ok(Self { insert, path, progress, totals })
    }

    /// Gives a pack to be made, and writes those that are ready when there is no room for another.
    pub(super) fn give(&mut self, line: &mut Packing<'_>, job: Job) -> Result<(), BundleError> {
        // One that is far larger than others is in memory alone.
        let large = job.bytes > SHARED_PACK_BYTES;
        if large {
            self.take_all(line)?;
        }
        line.give(job).map_or(Ok(()), |packed| self.write(packed?))?;
        if large { self.take_all(line) } else { Ok(()) }
    }

    /// Writes all packs that were given.
    pub(super) fn take_all(&mut self, line: &mut Packing<'_>) -> Result<(), BundleError> {
        std::iter::from_fn(|| line.take()).try_for_each(|packed| self.write(packed?))
    }

    fn write(&mut self, packed: Packed) -> Result<(), BundleError> {
        let Packed { kind, documents, bytes, raw_bytes, hash, data } = packed;
        self.totals.packs += 1;
        self.insert
            .execute(params![
                Count(self.totals.packs),
                Count(documents),
                Count::of(raw_bytes),
                hash.as_slice(),
                data
            ])
            .map_err(BundleError::sql(self.path, "write a pack"))?;
        let position = usize::try_from(kind).unwrap_or_default().wrapping_sub(1);
        if let Some(kind) = self.totals.kinds.get_mut(position) {
            if kind.packs == 0 {
                kind.first_pack = self.totals.packs;
            }
            kind.packs += 1;
        }
        self.progress.advance(documents, bytes);
        Ok(())
    }
}
