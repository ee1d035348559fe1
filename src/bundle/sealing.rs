//! Sealed values on their way from the spool to the bundle, and those an earlier bundle has already.
//!
//! Obeys `format-spec/bundle-v1.md`, "sealed". A secret that did not change keeps the bytes it had, so that
//! equal content gives an equal file. Both values are opened in memory to know that they are equal; neither is
//! written in the clear.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::document::ContentId;

use super::count::Count;
use super::reader::Earlier;
use super::spool::Spool;
use super::writer::sealed_place;
use super::{BundleError, Previous};

/// A document as the sealed values see it.
pub(super) struct At<'a> {
    pub(super) number: u64,
    pub(super) kind: &'a str,
    pub(super) key: &'a str,
    pub(super) content_id: ContentId,
}

/// Writes sealed values, keeping the earlier bundle's bytes for those that did not change.
pub(super) struct Sealing<'a> {
    spool: &'a Spool,
    path: &'a Path,
    select: rusqlite::Statement<'a>,
    insert: rusqlite::Statement<'a>,
    previous: Option<&'a Previous>,
}

impl<'a> Sealing<'a> {
    pub(super) fn new(
        path: &'a Path,
        db: &'a Connection,
        spool: &'a Spool,
        previous: Option<&'a Previous>,
    ) -> Result<Self, BundleError> {
        let select = "SELECT n, place, value FROM secrets WHERE entry = ?1 ORDER BY n";
        let insert = "INSERT INTO sealed(document, n, value) VALUES(?1,?2,?3)";
        Ok(Self {
            spool,
            path,
            select: spool.db.prepare(select).map_err(spool.sql("read the secrets"))?,
            insert: db.prepare(insert).map_err(BundleError::sql(path, "write a secret"))?,
            previous,
        })
    }

    /// Writes the sealed values of one document; returns how many there are.
    pub(super) fn write(
        &mut self,
        entry: u64,
        at: &At<'_>,
        carried_over: &mut u64,
    ) -> Result<u64, BundleError> {
        let spooled = |error| self.spool.sql("read the secrets")(error);
        let mut rows = self.select.query([Count(entry)]).map_err(spooled)?;
        // Looked up once a document, and only when it has a value to keep.
        let mut earlier: Option<Vec<Earlier>> = None;
        let mut written = 0;
        while let Some(row) = rows.next().map_err(spooled)? {
            let n = row.get::<_, Count>(0).map_err(spooled)?.0;
            let place: String = row.get(1).map_err(spooled)?;
            let mut value: Vec<u8> = row.get(2).map_err(spooled)?;
            if let Some(Previous { bundle, key }) = self.previous {
                if earlier.is_none() {
                    earlier = Some(bundle.earlier(at.kind, at.key, &at.content_id)?);
                }
                let old = earlier
                    .iter()
                    .flatten()
                    .find(|old| old.place.as_ref().map_or(old.n == n, |was| *was == place))
                    .map(|old| &old.value);
                let parts = sealed_place(at.kind, at.key, &place);
                // A value that no longer opens is not kept: the new one replaces it.
                if let Some(old) = old
                    && let (Ok(was), Ok(is)) = (key.open(old, &parts), key.open(&value, &parts))
                    && was.same(&is)
                {
                    value.clone_from(old);
                    *carried_over += 1;
                }
            }
            self.insert
                .execute(params![Count(at.number), Count(n), value])
                .map_err(BundleError::sql(self.path, "write a secret"))?;
            written += 1;
        }
        Ok(written)
    }
}
