//! The undo file of an import in the making: before-images as they are met, and at the end what the import left.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::bundle::{
    Bundle, BundleError, Header, Limits, Protection, Reason, UncheckedBundle, Writer, WriterOptions,
};
use crate::crypto::{DataKey, Envelope, FingerprintKey, KdfLimits, KdfParams, MasterKey, SecretBytes};
use crate::document::{Key, Reference, Value};
use crate::model::Model;
use crate::progress::{Preliminary, Progress};
use crate::server::{Reader, Row};
use crate::temporary;

use super::super::export::product_version;
use super::super::plan::Keys;
use super::super::relied::fingerprint;
use super::super::select::fetch_some;
use super::super::translate::{Existing, Id, Layout, Layouts, ServerSecrets, Translation, Vault};
use super::super::{ImportError, UndoTo};
use super::record::{About, Change, Wrote};

/// How hard zstd works: the transaction waits for it.
const LEVEL: i32 = 3;

/// An undo file in the making. Dropped unfinished, nothing of it stays.
pub(crate) struct Keeping<'k> {
    writer: Writer,
    /// Where the file of a dry run is made, to go with this.
    trial: Option<TempDir>,
    out: PathBuf,
    salt: [u8; 16],
    seen: FingerprintKey,
    master: Option<&'k MasterKey>,
    /// The key of the secrets where there is no master key.
    password: Option<&'k DataKey>,
    imported: String,
    written: Vec<Written>,
}

struct Written {
    layout: usize,
    row: Id,
    /// What it was called before, where it was there before.
    key: Key,
    wrote: Wrote,
}

impl<'k> Keeping<'k> {
    /// Starts the undo file of an import. A dry run makes one too, and leaves none.
    pub fn start(
        to: &UndoTo,
        bundle: &Bundle,
        reader: &mut dyn Reader,
        model: &Model,
        keys: Keys<'k>,
        dry_run: bool,
    ) -> Result<Self, ImportError> {
        let master = keys.master;
        let mut header = Header::new(model.name.clone(), model.digest, product_version(reader, model)?);
        let imported = bundle.info().content_root.to_string();
        header.options = Some(format!("takes back the import of {imported}"));
        let (protection, password) = match (master, bundle.envelope(), keys.bundle) {
            // The password has 256 bits of its own: making it slow to try adds nothing.
            (Some(master), ..) => {
                let (envelope, key) = Envelope::create(&master.password(), KdfParams::MINIMUM)?;
                (Protection::Password { envelope, key }, None)
            }
            // A server without a master key has its secrets as they are: they get the password of what is imported.
            (None, Some(envelope), Some(key)) if key.belongs_to(envelope) => {
                let protection = Protection::Password { envelope: envelope.clone(), key: key.duplicate() };
                (protection, Some(key))
            }
            _ => (Protection::None, None),
        };
        let options = WriterOptions {
            protection,
            level: LEVEL,
            created: to.created.clone(),
            ..WriterOptions::default()
        };
        // The real place is tried in any case: what cannot be written there shows in a dry run too.
        drop(Writer::create(&to.path, header.clone(), WriterOptions::default())?);
        let (mut trial, mut out) = (None, to.path.clone());
        if dry_run {
            let folder = temporary::folder().map_err(|source| ImportError::UndoFolder { source })?;
            out = folder.path().join("trial.sealift");
            trial = Some(folder);
        }
        let writer = Writer::create(&out, header, options)?;
        let salt =
            FingerprintKey::salt(&[b"undo salt", imported.as_bytes(), reader.address().as_bytes()], master);
        Ok(Self {
            writer,
            trial,
            out,
            salt,
            seen: match password {
                Some(key) => FingerprintKey::derived_from(&salt, key),
                None => FingerprintKey::derived(&salt, master),
            },
            master,
            password,
            imported,
            written: Vec::new(),
        })
    }

    /// Notes a document that is made.
    pub fn created(&mut self, layout: &Layout<'_>, row: Id, key: Key) {
        self.written.push(Written { layout: layout.index, row, key, wrote: Wrote::Created });
    }

    /// Keeps what a document is before it is changed.
    pub fn changed(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        vault: &Vault,
        model: &Model,
    ) -> Result<(), ImportError> {
        self.keep(layout, existing, vault, model, Wrote::Changed)
    }

    /// Keeps what a document is before it is deleted.
    pub fn deleted(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        vault: &Vault,
        model: &Model,
    ) -> Result<(), ImportError> {
        self.keep(layout, existing, vault, model, Wrote::Deleted)
    }

    fn keep(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        vault: &Vault,
        model: &Model,
        wrote: Wrote,
    ) -> Result<(), ImportError> {
        let Existing { document, row, .. } = existing;
        let mut secrets = Vec::new();
        document.each(&mut |value| {
            if let Value::Secret(secret) = value {
                secrets.push(vault.value(*secret).map(SecretBytes::duplicate));
            }
        });
        let id = layout.id.as_ref().map_or(Value::Null, |_| row.to_value());
        self.writer.add(document, &document.key.folded(model.collation), &id, &Reason::All, &secrets)?;
        let key = document.key.clone();
        self.written.push(Written { layout: layout.index, row: row.clone(), key, wrote });
        Ok(())
    }

    /// Looks at what the import has left, all writes being sent; then completes the file, syncs it, and reads it
    /// back: every byte, and every secret. What is not kept whole must not be committed.
    pub fn finish(
        mut self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
    ) -> Result<Kept, ImportError> {
        let collation = layouts.model.collation;
        progress.phase("reading what was written", Some(self.written.len() as u64));
        let mut translation = Translation::of_some(layouts.clone());
        self.written.sort_by_key(|written| written.layout);
        for written in self.written.chunk_by(|a, b| a.layout == b.layout) {
            let Some(layout) = written.first().and_then(|written| layouts.at(written.layout)) else {
                continue;
            };
            let after = After { layout, translation: &mut translation, key: &self.seen, master: self.master };
            after.write(
                reader,
                written,
                &mut |change| change.write(&mut self.writer, collation),
                progress,
            )?;
        }
        let faults = translation.finish()?;
        if !faults.is_empty() {
            return Err(ImportError::Undo(format!("what was written cannot be read back: {faults}")));
        }
        let about = About {
            target: reader.address(),
            imported: self.imported,
            salt: self.salt,
            keyed: self.master.is_some(),
            password: self.password.is_some(),
        };
        about.write(&mut self.writer, collation, &self.seen)?;
        let kept = Kept { out: self.out, _trial: self.trial };
        // It says nothing of what the import does yet.
        self.writer.finish_durably(&Preliminary(progress)).inspect_err(|error| {
            // It may be in its place already, and only not sure to last. Another's file is never ours to remove.
            if !matches!(error, BundleError::Exists { .. }) {
                kept.remove();
            }
        })?;
        kept.verify(self.master, self.password, progress).inspect_err(|_| kept.remove())?;
        Ok(kept)
    }
}

/// What is done with the documents of one kind at the end.
struct After<'a, 'm> {
    layout: &'a Layout<'m>,
    translation: &'a mut Translation<'m>,
    key: &'a FingerprintKey,
    master: Option<&'a MasterKey>,
}

impl After<'_, '_> {
    fn write(
        self,
        reader: &mut dyn Reader,
        written: &[Written],
        see: &mut dyn FnMut(Change) -> Result<(), ImportError>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        let Self { layout, translation, key, master } = self;
        let kind = &layout.kind.name;
        let mut open: std::collections::HashMap<&Id, &Written> =
            written.iter().map(|written| (&written.row, written)).collect();
        let ids: Vec<Id> = written.iter().map(|written| written.row.clone()).collect();
        let mut vault = Vault::new();
        fetch_some::<ImportError>(reader, layout, &ids, &mut |reader, _, rows: Vec<Row>| {
            progress.check()?;
            vault.clear();
            let read =
                translation.read(reader, layout.index, rows, ServerSecrets::Read(master), &mut vault)?;
            progress.advance(read.len() as u64, 0);
            for portable in read {
                let Some(written) = open.remove(&portable.row) else { continue };
                let Written { row, key: name, wrote, .. } = written;
                if *wrote == Wrote::Deleted {
                    return Err(ImportError::NotAsWritten { kind: kind.clone(), name: name.to_string() });
                }
                let document = Reference { kind: kind.clone(), key: name.clone() };
                let after = Some(fingerprint(&portable.document, &vault, key)?.secrets);
                see(Change { number: 0, document, row: row.clone(), wrote: *wrote, after })?;
            }
            Ok(())
        })?;
        for Written { row, key: name, wrote, .. } in written.iter().filter(|w| open.contains_key(&w.row)) {
            if *wrote != Wrote::Deleted {
                return Err(ImportError::NotAsWritten { kind: kind.clone(), name: name.to_string() });
            }
            let document = Reference { kind: kind.clone(), key: name.clone() };
            see(Change { number: 0, document, row: row.clone(), wrote: *wrote, after: None })?;
        }
        Ok(())
    }
}

/// A complete undo file whose import is not committed yet.
pub(crate) struct Kept {
    out: PathBuf,
    _trial: Option<TempDir>,
}

impl Kept {
    fn verify(
        &self,
        master: Option<&MasterKey>,
        password: Option<&DataKey>,
        progress: &dyn Progress,
    ) -> Result<(), ImportError> {
        let bundle = UncheckedBundle::open(&self.out, &Limits::default())?.check(progress)?;
        if bundle.info().sealed == 0 {
            return Ok(());
        }
        let key = match (master, password) {
            (Some(master), _) => bundle.unlock(&master.password(), &KdfLimits::default())?,
            (None, Some(key)) => key.duplicate(),
            (None, None) => return Ok(()),
        };
        bundle.scan(None, &mut |entry, document| -> Result<(), ImportError> {
            progress.check()?;
            if entry.secrets > 0 {
                bundle.secrets(&entry, &document, &key)?;
            }
            Ok(())
        })
    }

    /// Takes the file away: its import was not committed.
    pub fn remove(&self) {
        // Should it stay, it takes back an import that did not happen: it finds its rows unwritten and says so.
        let _ = std::fs::remove_file(&self.out);
    }
}
