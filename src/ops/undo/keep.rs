//! The undo file of an import in the making: documents as they are before and after, as they are met.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::bundle::{
    Bundle, BundleError, Header, Limits, Protection, Reason, UncheckedBundle, Writer, WriterOptions,
};
use crate::crypto::{DataKey, Envelope, FingerprintKey, KdfLimits, KdfParams, MasterKey};
use crate::document::{Document, Key, Map, Reference, Value};
use crate::model::{Model, Target};
use crate::progress::{Preliminary, Progress};
use crate::server::Reader;
use crate::temporary;

use super::called::Called;
use super::left::{Left, Now};
use super::read_back::{Doubt, Doubts, ReadBack};
use super::record::{About, CHANGE, Change, Wrote, write_change, write_filled};
use crate::ops::import::request::error::ImportError;
use crate::ops::import::request::options::Keys;
use crate::ops::rules::product::product_version;
use crate::ops::translate::{Existing, Id, Layout, Layouts, Translation, Vault};

/// How hard zstd works: the transaction waits for it.
const LEVEL: i32 = 3;

/// An undo file in the making. Dropped unfinished, nothing of it stays.
pub(crate) struct Keeping<'k> {
    writer: Writer,
    /// Where the file of a dry run is made, to go with this.
    trial: Option<TempDir>,
    out: PathBuf,
    salt: [u8; 16],
    /// Tells whoever undoes whether it has the key that the file was made under.
    seen: FingerprintKey,
    master: Option<&'k MasterKey>,
    /// The key of the secrets where there is no master key.
    password: Option<&'k DataKey>,
    imported: String,
    read_back: ReadBack,
    called: Called,
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
            read_back: ReadBack::new(reader.catalog())?,
            called: Called::default(),
        })
    }

    /// Learns what the server will call documents that others refer to by another name. Call before any is written.
    pub fn learn_names(&mut self, called: Called) {
        self.called = called;
    }

    /// Keeps what a document is that is made, and notes which row it is. Call when it is written.
    pub fn created(
        &mut self,
        layout: &Layout<'_>,
        row: &Id,
        document: Document,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        let key = document.key.clone();
        self.leave(layout, key, (row, Wrote::Created), document, vault)
    }

    /// Keeps what a document is before and after it is changed. Call when it is written.
    pub fn changed(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        document: Document,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        self.before(layout, existing, vault)?;
        let key = existing.document.key.clone();
        self.leave(layout, key, (&existing.row, Wrote::Changed), document, vault)
    }

    /// Keeps what a document is before it is deleted.
    pub fn deleted(
        &mut self,
        layout: &Layout<'_>,
        existing: &Existing,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        self.before(layout, existing, vault)?;
        self.read_back.note_deletion(layout, &existing.row);
        let document = Reference { kind: layout.kind.name.clone(), key: existing.document.key.clone() };
        let (change, nothing) = ((&existing.row, Wrote::Deleted), (Map::new(), None));
        write_change(&mut self.writer, layout.collation(), document, change, nothing, &[])
    }

    /// Notes the row of a document as it is sent to the server, to be read back: `columns` as the server spells them.
    pub fn note(&mut self, layout: &Layout<'_>, id: &Id, created: bool, columns: &[String], row: &[Value]) {
        self.read_back.note(layout, id, created, columns, row);
    }

    fn before(&mut self, layout: &Layout<'_>, existing: &Existing, vault: &Vault) -> Result<(), ImportError> {
        let Existing { document, row, .. } = existing;
        let id = layout.id.as_ref().map_or(Value::Null, |_| row.to_value());
        let folded = document.key.folded(layout.collation());
        Ok(self.writer.add(document, &folded, &id, &Reason::All, &vault.values_of(document))?)
    }

    fn leave(
        &mut self,
        layout: &Layout<'_>,
        key: Key,
        change: (&Id, Wrote),
        mut document: Document,
        vault: &Vault,
    ) -> Result<(), ImportError> {
        self.called.rename(layout, &mut document);
        let mut secrets = vault.values_of(&document);
        if secrets.iter().any(Option::is_none) {
            // A secret that nobody has a value for is written as NULL.
            for (place, _) in document.secret_places().iter().zip(&secrets).filter(|(_, s)| s.is_none()) {
                document.at_mut(place).into_iter().for_each(|value| *value = Value::Null);
            }
            secrets.retain(Option::is_some);
        }
        let Document { kind, columns, body, .. } = document;
        let reference = Reference { kind, key };
        write_change(&mut self.writer, layout.collation(), reference, change, (columns, body), &secrets)
    }

    /// Reads back what was written, all writes being sent; then completes the file, syncs it, and reads it back too:
    /// every byte, and every secret. What is not kept whole must not be committed.
    ///
    /// # Errors
    /// [`ImportError::NotAsWritten`] for a document that the server has otherwise than it was written.
    pub fn finish(
        self,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        progress: &dyn Progress,
    ) -> Result<Kept, ImportError> {
        let Self { mut writer, mut read_back, .. } = self;
        let collation = layouts.model.collation;
        progress.phase("reading what was written", Some(read_back.len()));
        let doubts = read_back.check(reader, layouts, progress, &mut |kind, row, columns| {
            let Some(layout) = layouts.at(kind) else { return Ok(()) };
            write_filled(&mut writer, collation, &layout.kind.name, row, columns)
        })?;
        drop(read_back);
        let about = About {
            target: reader.address(),
            imported: self.imported,
            salt: self.salt,
            keyed: self.master.is_some(),
            password: self.password.is_some(),
        };
        about.write(&mut writer, collation, &self.seen)?;
        let kept = Kept { out: self.out, _trial: self.trial };
        // It says nothing of what the import does yet.
        writer.finish_durably(&Preliminary(progress)).inspect_err(|error| {
            // It may be in its place already, and only not sure to last. Another's file is never ours to remove.
            if !matches!(error, BundleError::Exists { .. }) {
                kept.remove();
            }
        })?;
        let verified = kept.verify(self.master, self.password, progress);
        verified
            .and_then(|(bundle, key)| {
                settle(&bundle, key.as_ref(), self.master, reader, layouts, &doubts, progress)
            })
            .inspect_err(|_| kept.remove())?;
        Ok(kept)
    }
}

/// Looks again at the documents whose rows are in doubt, now as documents: a server spells some values its own way.
fn settle(
    bundle: &Bundle,
    key: Option<&DataKey>,
    master: Option<&MasterKey>,
    reader: &mut dyn Reader,
    layouts: &Layouts<'_>,
    doubts: &Doubts,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    if doubts.is_empty() {
        return Ok(());
    }
    let doubt = |change: &Change| match layouts.model.target(&change.document.kind) {
        Some(Target::Kind(kind)) => doubts.get(&(kind, change.row.clone())),
        _ => None,
    };
    let not_as_written = |change: &Change| {
        let Reference { kind, key } = &change.document;
        ImportError::NotAsWritten { kind: kind.clone(), name: key.to_string() }
    };
    bundle.entries(Some(CHANGE), &mut |entry| -> Result<(), ImportError> {
        match Change::of(&entry) {
            Some(change) => match (doubt(&change), change.wrote) {
                (Some(Doubt::StillThere), Wrote::Deleted) => Err(not_as_written(&change)),
                (Some(Doubt::Missing), Wrote::Created | Wrote::Changed) => Err(not_as_written(&change)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    })?;
    let wanted = |change: &Change| change.wrote != Wrote::Deleted && doubt(change) == Some(&Doubt::Differs);
    let mut translation = Translation::of_some(layouts.clone());
    let mut vault = Vault::new();
    let mut left = Left::new(bundle, (key, master), &mut translation, &mut vault)?;
    let mut see = |_: usize, change: Change, now: Now<'_>| match now {
        Now::There { differs: false, .. } | Now::Unread => Ok(()),
        _ => Err(not_as_written(&change)),
    };
    left.compare(reader, &wanted, &mut see, progress)?;
    let faults = translation.finish()?;
    match faults.is_empty() {
        true => Ok(()),
        false => Err(ImportError::Undo(format!("what was written cannot be read back: {faults}"))),
    }
}

/// A complete undo file whose import is not committed yet.
pub(crate) struct Kept {
    out: PathBuf,
    _trial: Option<TempDir>,
}

impl Kept {
    /// Reads the file to the last byte and secret.
    fn verify(
        &self,
        master: Option<&MasterKey>,
        password: Option<&DataKey>,
        progress: &dyn Progress,
    ) -> Result<(Bundle, Option<DataKey>), ImportError> {
        let bundle = UncheckedBundle::open(&self.out, &Limits::default())?.check(progress)?;
        if bundle.info().sealed == 0 {
            return Ok((bundle, None));
        }
        let key = match (master, password) {
            (Some(master), _) => bundle.unlock(&master.password(), &KdfLimits::default())?,
            (None, Some(key)) => key.duplicate(),
            (None, None) => return Ok((bundle, None)),
        };
        bundle.scan(None, &mut |entry, document| -> Result<(), ImportError> {
            progress.check()?;
            if entry.secrets > 0 {
                bundle.secrets(&entry, &document, &key)?;
            }
            Ok(())
        })?;
        Ok((bundle, Some(key)))
    }

    /// Takes the file away: its import was not committed.
    pub fn remove(&self) {
        // Should it stay, it takes back an import that did not happen: it finds its rows unwritten and says so.
        let _ = std::fs::remove_file(&self.out);
    }
}

/// Where an import writes its undo file.
#[derive(Debug, Clone)]
pub struct UndoTo {
    /// The file, which must not exist.
    pub path: PathBuf,
    /// When the import is made, as text, if the file is to say so.
    pub created: Option<String>,
}
