//! The export folder of the product's own migrator as a server that can be read.
//!
//! Its documents become rows of an embedded server of their own, in a temporary folder: one member for each
//! column that the product's table has, the rest as JSON. Everything that reads a server then reads the folder:
//! references, secrets and keys are not told a second time. Secrets stay as encrypted as they were; the key of
//! the folder's password takes the place of the master key.
//!
//! Which members were columns at the source no file says. The tables are those of 2018 where no document is in
//! a space, else those with spaces, or of 2026 where a document is of one of those; a column that no document of its table mentions is left out, unless it
//! decides what a document is.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;

use crate::crypto::{MasterKey, Password};
use crate::model::Model;
use crate::progress::Progress;
use crate::server::sqlite::{Schema, SqliteServer};
use crate::server::{Reader, Server, ServerError, Transaction};
use crate::temporary;
use crate::vendor::{ExportFolder, Findings, FolderLimits};

use super::translate::ServerSecrets;

mod gather;
mod place;
mod report;
mod shape;

pub use report::{UncarriedType, VendorReadError, VendorReport};

/// An export folder as a server. It cannot be written.
pub struct VendorServer {
    server: SqliteServer,
    key: Option<MasterKey>,
    report: VendorReport,
    address: String,
    // Last: it is emptied when all else is closed.
    _folder: TempDir,
}

impl VendorServer {
    /// Reads an export folder. The password is checked before any document is; without one secrets are not
    /// read, and can be [masked](ServerSecrets::Mask) only.
    ///
    /// # Errors
    /// [`VendorReadError`]: no such folder, a wrong password, or all findings in its files together.
    pub fn open(
        path: &Path,
        password: Option<&Password>,
        model: &Model,
        limits: FolderLimits,
        progress: &dyn Progress,
    ) -> Result<Self, VendorReadError> {
        let export = ExportFolder::open(path, limits)?;
        let key = password.map(|password| export.unlock(password)).transpose()?;
        let folder = temporary::folder().map_err(VendorReadError::Temporary)?;
        let mut findings = Findings::default();
        let seen = gather::gather(&export, model, &mut findings, progress)?;
        let shapes = shape::Shapes::new(model, &seen, folder.path())?;
        let mut server =
            SqliteServer::create(&folder.path().join("documents.sqlite"), Schema::Like(&shapes.catalog))?;
        let mut files = SqliteServer::create(&folder.path().join("files.sqlite"), Schema::Ddl(place::FILES))?;
        let documents = {
            let mut job = place::Job {
                model,
                shapes: &shapes,
                key: key.as_ref(),
                scripts: &seen.other_names,
                rows: server.begin()?,
                files: files.begin()?,
                findings,
                documents: 0,
            };
            job.version(export.metadata())?;
            progress.phase("reading the documents of the folder", Some(seen.documents));
            job.read(&export, progress)?;
            let place::Job { rows, findings, documents, .. } = job;
            if !findings.is_empty() {
                return Err(VendorReadError::Findings(findings));
            }
            rows.commit().map_err(|error| error.source)?;
            documents
        };
        let read = held(&mut *server.read()?, model)?;
        if read != documents {
            let table = path.display().to_string();
            return Err(ServerError::Incomplete { table, read, expected: documents }.into());
        }
        let report = VendorReport { metadata: Some(export.metadata().clone()), documents, ..seen.report };
        let address = format!("octopus-export:{}", path.display());
        Ok(Self { server, key, report, address, _folder: folder })
    }

    /// What the folder holds.
    pub fn report(&self) -> &VendorReport {
        &self.report
    }

    /// How its secrets are read: with the key of the password it was opened with, or not at all.
    pub fn secrets(&self) -> ServerSecrets<'_> {
        match &self.key {
            Some(key) => ServerSecrets::Read(Some(key)),
            None => ServerSecrets::Mask,
        }
    }

    /// A copy of the key of its secrets, for one who reads them while the server is borrowed.
    pub fn key(&self) -> Option<MasterKey> {
        let text = self.key.as_ref()?.to_base64();
        MasterKey::from_base64(text.expose_text()?).ok()
    }
}

impl Server for VendorServer {
    fn read(&mut self) -> Result<Box<dyn Reader + '_>, ServerError> {
        self.server.read()
    }

    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>, ServerError> {
        Err(ServerError::ReadOnly(self.address.clone()))
    }
}

impl std::fmt::Debug for VendorServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How many rows the tables of the model have.
fn held(reader: &mut dyn Reader, model: &Model) -> Result<u64, ServerError> {
    let tables: BTreeSet<String> = model
        .kinds()
        .iter()
        .filter_map(|kind| reader.catalog().table(&kind.table).map(|table| table.name.clone()))
        .collect();
    let mut rows = 0_u64;
    for table in tables {
        rows = rows.saturating_add(reader.count(&table)?);
    }
    Ok(rows)
}
