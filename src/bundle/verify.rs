//! Says all that is wrong with a file, and which documents are whole in spite of it.
//!
//! Obeys `format-spec/bundle-v1.md`, "verifying". *Sealed* needs no password and covers every byte and every
//! relation between rows; *opened* also opens every secret. Neither says who wrote the file. It repairs nothing
//! and stops at no finding that leaves anything to look at.

use std::path::Path;

use crate::crypto::{DataKey, KdfLimits, Password};
use crate::document::{ContentId, Key, KindName, canonical};
use crate::progress::Progress;

use super::bits::Bits;
use super::copy::PrivateCopy;
use super::limits::CHUNK_DOCUMENTS;
use super::open::OpenedFile;
use super::pack::Window;
use super::remains::DOCUMENT_BYTES;
use super::roots::ContentHasher;
use super::store::{Name, Numbered, Store};
use super::writer::Survey;
use super::{
    Bundle, BundleError, Condition, Info, KindInfo, KindState, Level, Limits, Remains, Report,
    UncheckedBundle,
};

/// Verifies a file: sealed, or opened where a password is given and the bundle has one.
///
/// # Errors
/// Only what keeps it from finding out: the system, [`BundleError::NotABundle`], [`BundleError::TooNew`],
/// [`BundleError::Feature`], [`BundleError::Cancelled`]; and [`BundleError::WrongPassword`] and
/// [`BundleError::TooExpensive`], unless the file is damaged as well, which is then the report.
pub fn verify(
    path: &Path,
    password: Option<&Password>,
    limits: &Limits,
    kdf: &KdfLimits,
    progress: &dyn Progress,
) -> Result<Report, BundleError> {
    let mut report = Report::new();
    let Opened { key, refused, copy } = look(path, password, limits, kdf, progress, &mut report)?;
    if report.is_sound() {
        // A password that does not fit is the whole answer only where there is no worse one.
        return refused.map_or(Ok(report), Err);
    }
    // What was looked at is what is surveyed.
    let remains = match copy {
        Some(copy) => Remains::of(copy, limits),
        None => Remains::open(path, limits, progress),
    };
    survey(remains, password.filter(|_| refused.is_none()), key, kdf, progress, &mut report)?;
    if let Some(error) = refused {
        report.find("slots", error.to_string());
    }
    Ok(report)
}

/// How far the file could be opened.
#[derive(Default)]
struct Opened {
    key: Option<DataKey>,
    /// Why the password did not open it.
    refused: Option<BundleError>,
    /// What was looked at.
    copy: Option<PrivateCopy>,
}

/// Finds what is wrong, as far as the file can be read as a whole.
fn look(
    path: &Path,
    password: Option<&Password>,
    limits: &Limits,
    kdf: &KdfLimits,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<Opened, BundleError> {
    let Some(file) = report.take(UncheckedBundle::open(path, limits))? else { return Ok(Opened::default()) };
    progress.phase("checking every byte", None);
    let copy = file.copy(progress);
    let Some(mut copy) = report.take(copy)? else { return Ok(Opened::default()) };
    let file = OpenedFile::of_copy(&mut copy, limits);
    let stopped = |copy| Ok(Opened { copy: Some(copy), ..Opened::default() });
    let Some(file) = report.take(file)? else { return stopped(copy) };
    report.checked.push("header, size and schema".to_owned());
    report.file_root = Some(file.file_root);
    let root = file.check_root(&copy);
    report.take(root)?;
    report.checked.push(format!("file root over {} bytes", file.file_bytes));
    // Trees that are damaged may lead anywhere, for ever: only `survey` follows them, and counts the bytes.
    let structure = file.store.check_structure();
    let structure = report.take(structure)?;
    let info = file.read_info();
    let Some((info, envelope)) = report.take(info)? else { return stopped(copy) };
    if structure.is_none() {
        return stopped(copy);
    }
    report.documents = info.documents;
    report.secrets = info.secrets;
    // Looking for each of them one by one would take for ever.
    if info.documents > file.file_bytes / DOCUMENT_BYTES {
        report.find("meta", "it declares more documents than the file can hold");
        return stopped(copy);
    }
    let keys = file.store.check_keys(file.file_bytes);
    if report.take(keys)?.is_none() {
        return stopped(copy);
    }
    let bundle = Bundle::new(file.store, info, envelope)?;

    let mut refused = None;
    let key = match password.filter(|_| bundle.envelope().is_some()).map(|p| bundle.unlock(p, kdf)) {
        Some(Err(error @ (BundleError::WrongPassword { .. } | BundleError::TooExpensive { .. }))) => {
            refused = Some(error);
            None
        }
        Some(unlocked) => report.take(unlocked)?,
        None => None,
    };
    if key.is_some() {
        report.level = Level::Opened;
    }
    let mut check = Check {
        placed: Bits::new(bundle.info().documents),
        counts: vec![(0, 0); bundle.info().kinds.len()],
        info: bundle.info(),
        store: bundle.store(),
        bundle: &bundle,
        key,
        report,
        progress,
    };
    check.names()?;
    check.packs()?;
    check.totals()?;
    let key = check.finish();
    Ok(Opened { key, refused, copy: Some(copy) })
}

/// Says what is left of a file in which something is wrong.
fn survey(
    remains: Result<Remains, BundleError>,
    password: Option<&Password>,
    key: Option<DataKey>,
    kdf: &KdfLimits,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(), BundleError> {
    let remains = match remains {
        Ok(remains) => remains,
        Err(BundleError::NotABundle { .. } | BundleError::TooNew { .. } | BundleError::Feature { .. }) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let key = match (key, password) {
        (None, Some(password)) => match remains.unlock(password, kdf) {
            Err(error @ (BundleError::WrongPassword { .. } | BundleError::TooExpensive { .. })) => {
                report.find("slots", error.to_string());
                None
            }
            unlocked => unlocked?,
        },
        (key, _) => key,
    };
    if key.is_some() {
        report.level = Level::Opened;
    }
    let state = remains.survey::<BundleError>(key.as_ref(), progress, &mut |_| Ok(()))?;
    for finding in &state.findings {
        if !report.findings.iter().any(|known| known.place == finding.place) {
            report.find(finding.place.clone(), finding.problem.clone());
        }
    }
    report.documents = state.documents;
    report.documents_whole = state.count(Condition::Whole);
    (report.kinds, report.lost, report.lost_unlisted) = (state.kinds, state.lost, state.lost_unlisted);
    Ok(())
}

struct Check<'a> {
    bundle: &'a Bundle,
    store: &'a Store,
    info: &'a Info,
    key: Option<DataKey>,
    placed: Bits,
    /// Secret places and sealed values found for each kind.
    counts: Vec<(u64, u64)>,
    report: &'a mut Report,
    progress: &'a dyn Progress,
}

impl Check<'_> {
    /// The kind of a document, by the runs that the kinds declare.
    fn kind_of(&self, number: u64) -> Option<(usize, &str)> {
        let position =
            self.info.kinds.partition_point(|kind| kind.first_document <= number).checked_sub(1)?;
        Some((position, self.info.kinds.get(position)?.name.as_str()))
    }

    /// Names in order and each once, the index, and the content root over both.
    fn names(&mut self) -> Result<(), BundleError> {
        self.progress.phase("checking the index", Some(self.info.documents));
        let mut content = ContentHasher::new();
        let (mut last_kind, mut last_key, mut last_scope) = (0, String::new(), 0);
        let mut complete = true;
        let (store, documents) = (self.store, self.info.documents);
        let mut see = |number: u64, name: Result<Name, BundleError>| -> Result<(), BundleError> {
            let index = (number - 1) % CHUNK_DOCUMENTS;
            if index == 0 {
                self.progress.check()?;
            }
            let Some(Name { kind, scope, key }) = self.report.take(name)? else {
                complete = false;
                return Ok(());
            };
            // A broken chunk is reported once, with its first document.
            let chunk = store.chunk((number - 1) / CHUNK_DOCUMENTS + 1);
            let chunk = if index == 0 { self.report.take(chunk)? } else { chunk.ok() };
            let row = chunk.as_ref().and_then(|chunk| chunk.row(usize::try_from(index).ok()?));
            let expected = self.kind_of(number).map(|(position, name)| (position as u64 + 1, name));
            let place = || format!("document {number}");
            let mut sound = row.is_some();
            match expected {
                Some((position, name)) if position == kind => {
                    if let Some(row) = &row {
                        content.push(name, &key, &row.content_id);
                    }
                }
                _ => {
                    self.report.find(place(), "it is not among the documents of its kind");
                    sound = false;
                }
            }
            if chunk.is_some() && row.is_none() {
                self.report.find(place(), "the index lacks it");
            }
            if let Err(error) = Key::parse(&key) {
                self.report.find(place(), error.to_string());
                sound = false;
            }
            if kind == last_kind && key <= last_key {
                self.report.find(place(), "its key is not after that of the document before it");
                sound = false;
            }
            // Scopes are numbered as they are first used, so none can be left over.
            if scope > last_scope + 1 {
                self.report.find(place(), "its scope is not among those numbered so far");
                sound = false;
            }
            last_scope = last_scope.max(scope);
            (last_kind, last_key) = (kind, key);
            complete &= sound;
            Ok(())
        };
        let read = store.names(1..documents + 1, &mut see);
        complete &= self.report.take(read)?.is_some();
        // Where a name is unreadable, its scope may be the missing one.
        if complete && last_scope != self.info.scopes {
            self.report.find("scopes", "some are used by no document");
        }
        self.report.checked.push(format!("names and index of {} documents", self.info.documents));
        let found = content.finish();
        if complete && found == self.info.content_root {
            self.report.content_root = Some(found);
        } else {
            self.report.find("content root", "it is not that of the documents");
        }
        Ok(())
    }

    /// Every pack, and every document in it.
    fn packs(&mut self) -> Result<(), BundleError> {
        self.progress.phase("checking the documents", Some(self.info.documents));
        let mut raw_bytes = 0u64;
        let mut kinds = self.info.kinds.iter().peekable();
        let mut numbers = (1..=self.info.packs).peekable();
        while numbers.peek().is_some() {
            self.progress.check()?;
            let mut window = Window::default();
            while !window.is_full()
                && let Some(number) = numbers.next()
            {
                while kinds.next_if(|kind| number >= kind.first_pack + kind.packs).is_some() {}
                let pack = self.store.pack(number);
                let Some(pack) = self.report.take(pack)? else { continue };
                window.push(number, pack, |document| {
                    let home = kinds.peek().is_some_and(|kind| {
                        (kind.first_document..kind.first_document + kind.documents).contains(&document)
                    });
                    if !home {
                        let problem =
                            format!("it holds document {document}, which is of another kind or none");
                        self.report.find(format!("pack {number}"), problem);
                    }
                    home
                });
            }
            let (mut items, mut bytes_in_window) = (0, 0);
            for (document, pack, slot, bytes) in window.sorted() {
                self.document(document, pack, slot, bytes)?;
                items += 1;
                bytes_in_window += bytes.len() as u64;
            }
            raw_bytes += bytes_in_window;
            self.progress.advance(items, bytes_in_window);
        }
        let packs = self.info.packs;
        self.report.checked.push(format!("{packs} packs with {raw_bytes} bytes of documents"));
        if self.report.is_sound() && raw_bytes != self.info.raw_bytes {
            self.report.find("meta", "the bytes of the documents are not as many as it says");
        }
        Ok(())
    }

    fn document(&mut self, number: u64, pack: u64, slot: u64, bytes: &[u8]) -> Result<(), BundleError> {
        let place = || format!("document {number}");
        if self.placed.get(number) {
            self.report.find(place(), format!("pack {pack} holds it a second time"));
            return Ok(());
        }
        self.placed.set(number);
        let index = usize::try_from((number - 1) % CHUNK_DOCUMENTS).unwrap_or(usize::MAX);
        // What is wrong with the chunk has been said.
        let Ok(chunk) = self.store.chunk((number - 1) / CHUNK_DOCUMENTS + 1) else { return Ok(()) };
        let Some(row) = chunk.row(index) else { return Ok(()) };
        let mut sound = true;
        if (row.pack, row.slot) != (pack, slot) {
            self.report.find(place(), "the index leads elsewhere");
            sound = false;
        }
        if ContentId::of(bytes) != row.content_id {
            self.report.find(place(), "its content does not have its content id");
            sound = false;
        }
        let Some((position, kind)) = self.kind_of(number) else { return Ok(()) };
        // The key matters only where there are secrets to open.
        let decoded = canonical::decode(KindName::new(kind), Key::name(""), bytes);
        let mut document = match decoded {
            Ok(document) => document,
            Err(error) => {
                self.report.find(place(), error.to_string());
                return Ok(());
            }
        };
        let secrets = Survey::of(&document).secrets as u64;
        if secrets != u64::from(row.secrets) {
            self.report.find(place(), "it has another number of secret places than the index says");
            sound = false;
        }
        let mut sealed = 0;
        if secrets > 0 {
            let values = self.store.sealed(number, row.secrets);
            match self.report.take(values)? {
                Some(values) => sealed = values.len() as u64,
                None => sound = false,
            }
        }
        if let Some(count) = self.counts.get_mut(position) {
            count.0 += secrets;
            count.1 += sealed;
        }
        if let (Some(key), true, true) = (&self.key, sealed > 0, sound) {
            let entry = self.bundle.entry(number);
            let Some(entry) = self.report.take(entry)? else { return Ok(()) };
            document.key = entry.key.clone();
            match self.bundle.open_each(&entry, &document, key)? {
                Ok(opened) => self.report.secrets_opened += opened,
                Err(problems) => {
                    problems.into_iter().for_each(|(place, problem)| self.report.find(place, problem));
                }
            }
        }
        Ok(())
    }

    /// What must agree across tables, and that no table holds more than it should.
    fn totals(&mut self) -> Result<(), BundleError> {
        for number in 1..=self.info.documents {
            if !self.placed.get(number) {
                self.report.find(format!("document {number}"), "no readable pack holds it");
            }
        }
        for (table, name, count) in [
            (Numbered::Documents, "documents", self.info.documents),
            (Numbered::Scopes, "scopes", self.info.scopes),
            (Numbered::Packs, "packs", self.info.packs),
            (Numbered::Chunks, "chunks", self.info.chunks),
        ] {
            let bounds = self.store.bounds(table);
            if let Some(bounds) = self.report.take(bounds)?
                && bounds != (1, i64::try_from(count).unwrap_or(i64::MAX))
            {
                self.report.find(name, "its rows are not numbered from 1 to the count in meta");
            }
        }
        let found = self.counts.clone();
        for (kind, (secrets, sealed)) in self.info.kinds.iter().zip(found) {
            if kind.secrets != secrets || kind.sealed != sealed {
                let problem = format!("{}: the secrets are not as many as it says", kind.name);
                self.report.find("kinds", problem);
            }
        }
        let sealed = self.store.count_sealed(self.info.sealed);
        if let Some(sealed) = self.report.take(sealed)?
            && sealed != self.info.sealed
        {
            self.report.find("sealed values", "there are not as many as meta says");
        }
        let notices = self.bundle.notices();
        self.report.take(notices)?;
        let coverage = self.bundle.coverage();
        self.report.take(coverage)?;
        self.report
            .checked
            .push(format!("{} sealed values and {} notices", self.info.sealed, self.info.notices));
        Ok(())
    }

    /// What is sound is whole. Returns the key.
    fn finish(self) -> Option<DataKey> {
        let report = self.report;
        if report.is_sound() {
            report.documents_whole = self.info.documents;
            let whole = |kind: &KindInfo| KindState {
                kind: Some(kind.name.clone()),
                whole: kind.documents,
                uncertain: 0,
                damaged: 0,
            };
            report.kinds = self.info.kinds.iter().map(whole).collect();
        }
        if report.level == Level::Opened {
            report.checked.push(format!("{} secrets opened", report.secrets_opened));
        }
        self.key
    }
}
