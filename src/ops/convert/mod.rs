//! `convert`: the same content as a bundle and as a tree.
//!
//! Sealed values go over as they are: no password is needed, and none is asked for unless a secret was moved by
//! hand inside its document.

pub(in crate::ops) mod handmade;

use std::path::{Path, PathBuf};

use crate::bundle::{
    self, Bundle, BundleError, Coverage, Entry, Extent, Header, Notice, OtherRoot, Protection, Reason,
    Summary, Writer, WriterOptions,
};
use crate::crypto::{
    CryptoError, DataKey, KdfLimits, MAX_SECRET_BYTES, OpenError, Password, SEALED_OVERHEAD_BYTES,
};
use crate::document::{Document, Key, KindName, Place, Value};
use crate::model::Model;
use crate::progress::{Cancelled, Progress};
use crate::tree::{
    About, Clashes, Findings, MISSING_FILES, Reading, Replace, ScriptMode, Sealed, Tree, TreeCoverage,
    TreeDocument, TreeError, TreeNotice, TreeSummary, TreeWriter, Why,
};

use super::export::undeclared::KnownSecrets;
use super::rules::absent::Absent;
use handmade::Handmade;

/// Why a conversion failed.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The tree cannot be read or written.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The bundle cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The documents are of another product.
    #[error("the documents are of the model {found:?}, not of {model:?}")]
    OtherModel {
        /// The model that they name.
        found: String,
        /// The model in use.
        model: String,
    },
    /// Secrets were moved inside their documents, and cannot be sealed for their new places without the key.
    #[error("{} secrets stand at other places than they were sealed for, the first: {}", moved.total(), moved.first())]
    NeedsKey {
        /// All of them.
        moved: Findings,
    },
    /// A secret could not be sealed.
    #[error("{file}: {place}: cannot seal the secret")]
    Seal {
        /// The document's file.
        file: String,
        /// The place in it.
        place: Place,
        /// Why not.
        source: CryptoError,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A bundle that came out of a tree.
#[derive(Debug)]
pub struct FromTree {
    /// What was written.
    pub summary: Summary,
    /// Values that are not what the model says they must be, by file and place. An import would refuse them.
    pub doubts: Findings,
    /// What looks like an accident and stops nothing: references to documents that the folder should have and has not,
    /// and line ends that somebody changed.
    pub warnings: Findings,
    /// Values that an open list of the model does not have: of a newer product, or misspelled.
    pub notes: Findings,
    /// How many documents `sealift.json` lists whose files are not there.
    pub missing: u64,
    /// The first of them.
    pub first_missing: Option<String>,
    /// Folders at the root that belong to no kind.
    pub passed_over: Vec<String>,
    /// How many secrets were sealed anew because they had been moved.
    pub resealed: u64,
}

fn of_this_model(found: &str, model: &Model) -> Result<(), ConvertError> {
    if found == model.name {
        return Ok(());
    }
    Err(ConvertError::OtherModel { found: found.to_owned(), model: model.name.clone() })
}

/// Writes the documents of a bundle as a tree, which [`from_tree`] makes the same content of. What lies at `root` from
/// an earlier tree is brought up to date; `replace` says what else may go there.
///
/// # Errors
/// [`ConvertError`]: [`TreeError::Unwritable`] names all documents that would not survive the round trip. Nothing is
/// changed, but for [`TreeError::Partly`], which says what is new.
pub fn to_tree(
    bundle: &Bundle,
    model: &Model,
    root: &Path,
    scripts: ScriptMode,
    replace: Replace,
    progress: &dyn Progress,
) -> Result<TreeSummary, ConvertError> {
    let info = bundle.info();
    of_this_model(&info.header.model, model)?;
    let mut clashes = Clashes::default();
    bundle.entries(None, &mut |entry| -> Result<(), ConvertError> {
        progress.check()?;
        clashes.see(entry.kind.as_str(), &entry.key);
        Ok(())
    })?;
    let about = About {
        model: info.header.model.clone(),
        model_digest: info.header.model_digest,
        product_version: info.header.product_version.clone(),
        server: info.header.server.clone(),
        options: info.header.options.clone(),
        created: info.created.clone(),
        scripts,
        envelope: bundle.envelope().cloned(),
        notices: bundle.notices()?.into_iter().map(notice_out).collect(),
        coverage: bundle.coverage()?.into_iter().map(coverage_out).collect(),
    };
    let mut writer = TreeWriter::create(root, model, about, clashes, replace)?;
    let mut checks = Handmade::new(model, KnownSecrets::default());
    let mut refused = Findings::default();
    progress.phase("laying documents out", Some(info.documents));
    bundle.scan(None, &mut |entry, document| -> Result<(), ConvertError> {
        progress.check()?;
        progress.advance(1, 0);
        let sealed = match entry.secrets {
            0 => Vec::new(),
            _ => bundle.sealed(&entry)?,
        };
        // What the folder's reader would refuse by the model, or change.
        let called = format!("{} {}", document.kind, document.key.to_text());
        let before = refused.total();
        checks.faults(&called, &document, &mut refused);
        if let Some(kind) = model.kind(document.kind.as_str()) {
            let mut sorted = document.clone();
            kind.sort_sets(&mut sorted, model.collation);
            if sorted != document {
                refused.add(
                    &called,
                    None,
                    "the elements of a set are not in their order, and would be sorted",
                );
            }
        }
        if refused.total() > before {
            return Ok(());
        }
        let Entry { id, reason, .. } = entry;
        Ok(writer.add(&document, &id, why_of(reason), &sealed)?)
    })?;
    writer.refuse(refused);
    Ok(writer.finish(progress)?)
}

/// What reading a tree came upon beside its documents; see [`FromTree`].
pub(super) struct TreeRead {
    pub doubts: Findings,
    pub warnings: Findings,
    pub notes: Findings,
    pub missing: u64,
    pub first_missing: Option<String>,
    pub passed_over: Vec<String>,
    pub resealed: u64,
    /// What the documents' export had to say, and what is missing.
    pub notices: Vec<Notice>,
    pub coverage: Vec<Coverage>,
}

/// A document of a tree with which nothing is wrong.
pub(super) struct Taken {
    /// Its file, as the system calls it.
    pub path: PathBuf,
    pub document: Document,
    pub id: Value,
    pub reason: Reason,
    /// Its sealed values, for the places where they stand.
    pub sealed: Vec<Option<Vec<u8>>>,
}

/// Where the documents of a tree come from.
pub(super) fn header_of(about: &About) -> Header {
    Header {
        model: about.model.clone(),
        model_digest: about.model_digest,
        product_version: about.product_version.clone(),
        server: about.server.clone(),
        options: about.options.clone(),
    }
}

/// Reads all documents of a tree and hands out those with which nothing is wrong; what `take` does not take is one more
/// thing that is wrong. See [`from_tree`] for the rest.
pub(super) fn read_tree(
    tree: &Tree,
    model: &Model,
    key: Option<&DataKey>,
    strict: bool,
    progress: &dyn Progress,
    take: &mut dyn FnMut(Taken) -> Result<(), BundleError>,
) -> Result<TreeRead, ConvertError> {
    let about = tree.about();
    if tree.is_sound() {
        of_this_model(&about.model, model)?;
    }
    let mut checks = Handmade::new(model, KnownSecrets::of(about.notices.iter().map(notice_in)));
    let mut doubts = Findings::default();
    let mut notes = Findings::default();
    let mut absent = Absent::new(model);
    let sealed = about.envelope.is_some() || !tree.is_sound();
    let mut moves = Moves { key, sealed, moved: Findings::default(), resealed: 0 };
    let mut reading = tree.read(model, progress, &mut |found: TreeDocument, findings: &mut Findings| {
        let TreeDocument { sound, file, path, mut document, id, why, sealed } = found;
        if let Some(kind) = model.kind(document.kind.as_str()) {
            kind.sort_sets(&mut document, model.collation);
        }
        let before = findings.total();
        absent.see(&file, &document);
        checks.check(&file, &document, findings, &mut doubts, &mut notes);
        let sealed = moves.settle(&file, &document, sealed, findings)?;
        if tree.is_sound() && sound && findings.total() == before {
            let taken = Taken { path, document, id, reason: reason_of(why), sealed };
            if let Err(error) = take(taken) {
                match error {
                    // What the format does not take is one more thing that is wrong with the file.
                    BundleError::Document { .. }
                    | BundleError::Limit { .. }
                    | BundleError::TooLarge { .. } => {
                        findings.add(&file, None, error.found_in(tree.root()).to_string());
                    }
                    error => return Err(ConvertError::from(error)),
                }
            }
        }
        Ok(())
    })?;
    let mut warnings = Findings::default();
    absent.report(about, &reading, &mut warnings);
    if let Some(first) = &reading.first_converted {
        let text = format!(
            "{} scripts have CRLF line ends, as sealift.json has, which was written without (the first is {first}): git or \
             another tool may have changed them; `* -text` in .gitattributes keeps git from it",
            reading.converted
        );
        warnings.add("sealift.json", None, text);
    }
    let missing = reading.first_missing.as_ref().map(|first| {
        format!(
            "{} documents that sealift.json lists are not in the folder ({first}): it carries no kind as a whole \
             until their lines are taken out of sealift.json as well",
            reading.missing
        )
    });
    let mut findings = std::mem::take(&mut reading.findings);
    if strict {
        missing.iter().for_each(|text| findings.add("sealift.json", None, text));
        findings.append(std::mem::take(&mut doubts));
        findings.append(std::mem::take(&mut warnings));
    }
    if !findings.is_empty() {
        findings.append(moves.moved);
        return Err(TreeError::Findings { path: tree.root().to_owned(), findings }.into());
    }
    if !moves.moved.is_empty() {
        return Err(ConvertError::NeedsKey { moved: moves.moved });
    }
    let mut notices: Vec<Notice> = about.notices.iter().map(notice_in).collect();
    notices.extend(missing.map(|text| Notice { count: reading.missing, ..Notice::new(MISSING_FILES, text) }));
    // What was taken out by hand and what was lost look alike: the folder then answers for no kind as a whole.
    let whole = reading.missing == 0;
    let carried = |(kind, extent)| match (whole, coverage_in(kind, extent)) {
        (true, coverage) => Some(coverage),
        (false, Coverage { kind, extent: Extent::Whole { rows } | Extent::Part { rows } }) => {
            Some(Coverage { kind, extent: Extent::Part { rows } })
        }
        (false, _) => None,
    };
    let coverage =
        about.coverage.iter().map(|(kind, extent)| (kind.as_str(), extent)).filter_map(carried).collect();
    let Reading { passed_over, missing, first_missing, .. } = reading;
    let resealed = moves.resealed;
    Ok(TreeRead { doubts, warnings, notes, missing, first_missing, passed_over, resealed, notices, coverage })
}

/// Writes the documents of a tree into a bundle, under the tree's own envelope. `key` opens that; it is needed
/// only where secrets were moved. `strict` refuses documents that [`FromTree::doubts`] would name.
///
/// # Errors
/// [`TreeError::Findings`] with everything that is wrong with the tree, [`ConvertError::NeedsKey`], and what else
/// [`ConvertError`] says. Nothing is written then.
pub fn from_tree(
    tree: &Tree,
    model: &Model,
    key: Option<&DataKey>,
    out: &Path,
    (force, strict): (bool, bool),
    progress: &dyn Progress,
) -> Result<FromTree, ConvertError> {
    // Beside a broken `sealift.json` documents are only looked at, for what else is wrong: no bundle comes of them, and
    // what the file says may be nothing that one takes.
    let said = if tree.is_sound() { tree.about().clone() } else { About::default() };
    let protection = said.envelope.clone().map_or(Protection::None, Protection::Carried);
    let (created, expected_root) = (said.created.clone(), tree.expected_root());
    let options = WriterOptions { force, created, protection, expected_root, ..WriterOptions::default() };
    let mut writer = Writer::create(out, header_of(&said), options)?;
    let read = read_tree(tree, model, key, strict, progress, &mut |taken| {
        let Taken { document, id, reason, sealed, .. } = taken;
        let folded = document.key.folded(model.collation);
        writer.add_sealed(&document, &folded, &id, &reason, &sealed)
    })?;
    let TreeRead { doubts, warnings, notes, missing, first_missing, passed_over, resealed, .. } = read;
    for notice in read.notices {
        writer.notice(notice)?;
    }
    for coverage in read.coverage {
        writer.coverage(&coverage)?;
    }
    let summary = writer.finish(progress).map_err(|error| match error {
        // Not what was to be written is another one, but what was read.
        BundleError::OtherRoot(other) => OtherRoot { path: tree.root().to_owned(), ..*other }.into(),
        error => error,
    })?;
    Ok(FromTree { summary, doubts, warnings, notes, missing, first_missing, passed_over, resealed })
}

/// Opens the envelope of a tree.
///
/// # Errors
/// As for [`Bundle::unlock`].
pub fn unlock_tree(tree: &Tree, password: &Password, limits: &KdfLimits) -> Result<DataKey, BundleError> {
    let path = tree.root().to_owned();
    let Some(envelope) = &tree.about().envelope else { return Err(BundleError::NoPassword { path }) };
    envelope.open(password, limits).map_err(|source| match source {
        OpenError::WrongPassword => BundleError::WrongPassword { path },
        OpenError::TooExpensive { .. } | OpenError::NoMemory { .. } => {
            BundleError::TooExpensive { path, source }
        }
        other => {
            BundleError::Damaged { path, place: "sealift.json: envelope".to_owned(), what: other.to_string() }
        }
    })
}

/// Seals the secrets of a bundle under another envelope, or the same; everything else stays. `key` opens the
/// bundle, `options` say what seals the new one.
///
/// # Errors
/// [`BundleError`], in either bundle.
pub fn reseal(
    bundle: &Bundle,
    key: Option<&DataKey>,
    model: &Model,
    out: &Path,
    options: WriterOptions,
    progress: &dyn Progress,
) -> Result<Summary, ConvertError> {
    let info = bundle.info();
    of_this_model(&info.header.model, model)?;
    let options = WriterOptions { created: info.created.clone(), ..options };
    let mut writer = Writer::create(out, info.header.clone(), options)?;
    progress.phase("sealing secrets anew", Some(info.documents));
    bundle.scan(None, &mut |entry, document| -> Result<(), ConvertError> {
        progress.check()?;
        progress.advance(1, 0);
        let values = match key {
            Some(key) if entry.secrets > 0 => bundle.secrets(&entry, &document, key)?,
            _ => (0..entry.secrets).map(|_| None).collect(),
        };
        let folded = document.key.folded(model.collation);
        Ok(writer.add(&document, &folded, &entry.id, &entry.reason, &values)?)
    })?;
    for notice in bundle.notices()? {
        writer.notice(notice)?;
    }
    for coverage in bundle.coverage()? {
        writer.coverage(&coverage)?;
    }
    Ok(writer.finish(progress)?)
}

/// Secrets that stand elsewhere than they were sealed for.
struct Moves<'k> {
    key: Option<&'k DataKey>,
    /// Whether the tree has an envelope.
    sealed: bool,
    moved: Findings,
    resealed: u64,
}

impl Moves<'_> {
    /// The sealed values of a document for the places they stand at.
    fn settle(
        &mut self,
        file: &str,
        document: &Document,
        sealed: Vec<Option<Sealed>>,
        findings: &mut Findings,
    ) -> Result<Vec<Option<Vec<u8>>>, ConvertError> {
        if sealed.iter().all(Option::is_none) {
            return Ok(vec![None; sealed.len()]);
        }
        if !self.sealed {
            let places = document.secret_places();
            for (place, _) in places.iter().zip(&sealed).filter(|(_, sealed)| sealed.is_some()) {
                let text = "the value is sealed, and sealift.json says nothing of who can open it";
                findings.add(file, Some(place.to_string()), text);
            }
            return Ok(Vec::new());
        }
        let (kind, key_text) = (document.kind.as_str(), document.key.to_text());
        let mut settled = Vec::new();
        for (place, sealed) in document.secret_places().iter().zip(sealed) {
            let Some(Sealed { value, at }) = sealed else {
                settled.push(None);
                continue;
            };
            let now = place.to_string();
            if !(SEALED_OVERHEAD_BYTES..=SEALED_OVERHEAD_BYTES + MAX_SECRET_BYTES).contains(&value.len()) {
                findings.add(file, Some(now), "no sealed value has so many bytes");
                settled.push(None);
                continue;
            }
            if at == now {
                settled.push(Some(value));
                continue;
            }
            let Some(key) = self.key else {
                self.moved.add(file, Some(now), format!("it was sealed for {at}"));
                settled.push(None);
                continue;
            };
            match key.open(&value, &bundle::sealed_place(kind, &key_text, &at)) {
                Ok(secret) => {
                    let anew = key.seal(&secret, &bundle::sealed_place(kind, &key_text, &now)).map_err(
                        |source| ConvertError::Seal { file: file.to_owned(), place: place.clone(), source },
                    )?;
                    self.resealed += 1;
                    settled.push(Some(anew));
                }
                Err(error) => {
                    findings.add(
                        file,
                        Some(now),
                        format!("the value sealed for {at} does not open: {error}"),
                    );
                    settled.push(None);
                }
            }
        }
        Ok(settled)
    }
}

fn why_of(reason: Reason) -> Why {
    match reason {
        Reason::All => Why::All,
        Reason::Named => Why::Named,
        Reason::NeededBy { kind, key, place } => Why::NeededBy(kind, key, place),
        Reason::BelongsTo { kind, key, place } => Why::BelongsTo(kind, key, place),
    }
}

fn reason_of(why: Why) -> Reason {
    match why {
        Why::All => Reason::All,
        Why::Named => Reason::Named,
        Why::NeededBy(kind, key, place) => Reason::NeededBy { kind, key, place },
        Why::BelongsTo(kind, key, place) => Reason::BelongsTo { kind, key, place },
    }
}

fn notice_out(notice: Notice) -> TreeNotice {
    let Notice { code, kind, key, place, value, names_kind, names_key, text, count } = notice;
    TreeNotice { code, kind, key, place, value, names_kind, names_key, text, count }
}

fn notice_in(notice: &TreeNotice) -> Notice {
    let TreeNotice { code, kind, key, place, value, names_kind, names_key, text, count } = notice.clone();
    Notice { code, kind, key, place, value, names_kind, names_key, text, count }
}

fn coverage_out(coverage: Coverage) -> (String, TreeCoverage) {
    let extent = match coverage.extent {
        Extent::Whole { rows } => TreeCoverage::Whole(rows),
        Extent::Part { rows } => TreeCoverage::Part(rows),
        // The bundle's reader has looked at the key.
        Extent::Belonging { kind, key } => match Key::parse(&key) {
            Ok(key) => TreeCoverage::Belonging(KindName::new(&kind), key),
            Err(_) => TreeCoverage::Part(0),
        },
    };
    (coverage.kind, extent)
}

fn coverage_in(kind: &str, extent: &TreeCoverage) -> Coverage {
    let extent = match extent {
        TreeCoverage::Whole(rows) => Extent::Whole { rows: *rows },
        TreeCoverage::Part(rows) => Extent::Part { rows: *rows },
        TreeCoverage::Belonging(kind, key) => {
            Extent::Belonging { kind: kind.as_str().to_owned(), key: key.to_text() }
        }
    };
    Coverage { kind: kind.to_owned(), extent }
}
