//! Reads a tree: every document that lies in it, or everything that is wrong with it.
//!
//! Obeys `format-spec/tree-v1.md`, "Reading". The folder comes from anyone. No link is followed, nothing outside
//! the folder is read, and one file at a time is in memory.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::document::{Document, Key, KindName, Place, Value};
use crate::model::Model;
use crate::progress::{Cancelled, Progress};
use crate::text::input;

use super::about::{self, ABOUT, About, Line, Lines, Why};
use super::disk::{self, Folders, Found, MAX_FILE_BYTES};
use super::incomplete::INCOMPLETE;
use super::layout::{self, LONG, MAX_FOLDERS};
use super::names::{self, MARK};
use super::parse::{self, Script, Sealed};
use super::{Findings, TreeError};

/// How many files a tree has at most; the limit of documents of a bundle.
const MAX_FILES: u64 = 100_000_000;

/// What is wrong with a file that is not the one that was looked at first.
pub const CHANGED: &str = "it was changed while the folder was read";

/// A tree, opened for reading.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    about: About,
    lines: Lines,
    expected_root: Option<[u8; 32]>,
    /// What is wrong with `sealift.json`.
    wrong: Findings,
    /// Whether it has no line end but CRLF.
    is_crlf: bool,
}

/// A document of a tree.
#[derive(Debug)]
pub struct TreeDocument {
    /// Whether nothing was found wrong with it so far. Of one that is not, what is there is for finding more: null
    /// stands where a value could not be read.
    pub sound: bool,
    /// Its file, from the root, with `/` between folders.
    pub file: String,
    /// The same as the system calls it.
    pub path: PathBuf,
    /// The document, with its scripts put back.
    pub document: Document,
    /// Its id on the source; null where the tree does not say.
    pub id: Value,
    /// Why it is there.
    pub why: Why,
    /// Its sealed values, in the order of [`Document::secret_places`]; `None` for one without a value.
    pub sealed: Vec<Option<Sealed>>,
}

/// What reading came upon beside documents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What cannot be taken as it is. A tree with any is not taken.
    pub findings: Findings,
    /// Folders at the root that belong to no kind: somebody else's, or a kind misspelled.
    pub passed_over: Vec<String>,
    /// How many documents `sealift.json` lists whose files are not there: taken out by somebody, or lost.
    pub missing: u64,
    /// The first of them.
    pub first_missing: Option<String>,
    /// Their paths without what tells clashing names apart, as hashes.
    lost: HashSet<[u8; 16]>,
    /// How many scripts have line ends, where all of these, and those of `sealift.json`, are CRLF: a writer writes that
    /// file without, so that something changed the line ends of all.
    pub converted: u64,
    /// The file of the first of them.
    pub first_converted: Option<String>,
}

impl Reading {
    /// Whether `sealift.json` lists a document whose file is not there.
    pub fn lacks(&self, kind: &str, key: &Key) -> bool {
        !self.lost.is_empty() && self.lost.contains(&layout::natural(&layout::expected(kind, key)))
    }
}

/// Whether a folder says that it is a tree, or becomes one.
pub fn is_tree(root: &Path) -> bool {
    root.is_dir() && [ABOUT, INCOMPLETE].iter().any(|name| root.join(name).symlink_metadata().is_ok())
}

impl Tree {
    /// Opens a tree; reads `sealift.json` and no document.
    ///
    /// # Errors
    /// [`TreeError::NotATree`], [`TreeError::Incomplete`], [`TreeError::TooNew`], [`TreeError::Findings`] for a
    /// `sealift.json` that cannot be understood, and what the system refuses.
    pub fn open(root: &Path) -> Result<Self, TreeError> {
        Self::examine(root)?.sound()
    }

    /// The same for whoever wants to know all that is wrong with a tree: what is wrong with `sealift.json` is found by
    /// [`Tree::read`].
    ///
    /// # Errors
    /// As [`Tree::open`], but for [`TreeError::Findings`].
    pub fn examine(root: &Path) -> Result<Self, TreeError> {
        match disk::look(&root.join(INCOMPLETE))? {
            Found::Nothing => Self::of_any_state(root),
            _ => Err(TreeError::Incomplete { path: root.to_owned() }),
        }
    }

    /// The same in whatever state a writer has left it.
    pub(super) fn of_any_state(root: &Path) -> Result<Self, TreeError> {
        let path = root.join(ABOUT);
        match disk::look(&path)? {
            Found::File { .. } => {}
            Found::Nothing => return Err(TreeError::NotATree { path: root.to_owned() }),
            Found::Folder | Found::Other => {
                return Err(TreeError::Unusable { path, what: "it is no file".to_owned() });
            }
        }
        let text = disk::read(&path)?;
        let read = about::read(&text).map_err(|found| TreeError::TooNew { path, found })?;
        let about::Read { about, lines, wrong: said } = read;
        let mut wrong = Findings::default();
        said.into_iter().for_each(|(place, text)| wrong.add(ABOUT, place, text));
        Ok(Self { root: root.to_owned(), about, lines, wrong, is_crlf: is_crlf(&text), expected_root: None })
    }

    /// Says which content root the documents must have together for the tree to be taken.
    pub fn expecting(self, content_root: Option<[u8; 32]>) -> Self {
        Self { expected_root: content_root, ..self }
    }

    /// The content root that the documents must have.
    pub fn expected_root(&self) -> Option<[u8; 32]> {
        self.expected_root
    }

    pub(super) fn sound(self) -> Result<Self, TreeError> {
        match self.wrong.is_empty() {
            true => Ok(self),
            false => Err(TreeError::Findings { path: self.root, findings: self.wrong }),
        }
    }

    /// Whether `sealift.json` says all that it should.
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a document once more, by [`TreeDocument::path`], with its sealed values.
    ///
    /// # Errors
    /// [`TreeError::Unusable`] where it has been changed so that nothing can be read, and what the system refuses.
    pub fn read_again(&self, path: &Path) -> Result<(Document, Vec<Option<Sealed>>), TreeError> {
        let changed = || TreeError::Unusable { path: path.to_owned(), what: CHANGED.to_owned() };
        let mut parsed = parse::document(&disk::read(path)?);
        let mut document = parsed.document().filter(|_| parsed.wrong.is_empty()).ok_or_else(changed)?;
        for (at, script) in parsed.scripts {
            let text = fetch(path.parent().unwrap_or(&self.root), script)?.map_err(|_| changed())?;
            if let Some(value) = document.at_mut(&at) {
                *value = Value::Text(text);
            }
        }
        let sealed = in_order(&document, parsed.sealed);
        Ok((document, sealed))
    }

    /// What the tree says beside its documents.
    pub fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn into_parts(self) -> (About, Lines) {
        (self.about, self.lines)
    }

    /// Hands out every document that can be read, folder by folder in the order of names, and reports all that is
    /// wrong. Whoever sees a document may find more wrong with it.
    ///
    /// # Errors
    /// What the system refuses, an end that was asked for, and what `see` returns.
    pub fn read<E>(
        &self,
        model: &Model,
        progress: &dyn Progress,
        see: &mut dyn FnMut(TreeDocument, &mut Findings) -> Result<(), E>,
    ) -> Result<Reading, E>
    where
        E: From<TreeError> + From<Cancelled>,
    {
        let lines = self.lines.iter().map(|(path, line)| (names::folded(path), line)).collect();
        let mut walk = Walk {
            tree: self,
            lines,
            model,
            progress,
            reading: Reading { findings: self.wrong.clone(), ..Reading::default() },
            files: 0,
            keys: Keys::default(),
            unchanged: false,
            taken: HashSet::new(),
        };
        walk.root(see)?;
        let Walk { mut reading, taken, .. } = walk;
        for path in self.lines.keys().filter(|path| !taken.contains(&names::folded(path))) {
            if let Some(found) = self.beyond(model, path)? {
                reading.findings.add(path, None, found);
                continue;
            }
            reading.missing += 1;
            reading.first_missing.get_or_insert_with(|| path.clone());
            reading.lost.insert(layout::natural(path));
        }
        Ok(reading)
    }
}

impl Tree {
    /// What is wrong with a listed document that lies where no kind of the model does: it is there, and nobody would
    /// read it.
    fn beyond(&self, model: &Model, path: &str) -> Result<Option<String>, TreeError> {
        if is_document_path(model, path) || !disk::is_inside(path) {
            return Ok(None);
        }
        match disk::look(&Folders::new(&self.root).file(path)) {
            Ok(Found::Nothing) => Ok(None),
            Ok(_) => Ok(Some(
                "sealift.json lists it, and the model has no kind whose documents are there; name the model that the \
                 folder was made with (--model FILE)"
                    .to_owned(),
            )),
            Err(error) => unreadable(error).map(Some),
        }
    }
}

/// Whether a path can be that of a document: it begins as a kind's does, and each name is plain.
pub(super) fn is_document_path(model: &Model, path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    is_json(path) && holds_documents(model, first)
}

/// Whether a reader looks for documents in something at the root, by its name.
pub(super) fn holds_documents(model: &Model, name: &str) -> bool {
    ![ABOUT, INCOMPLETE].contains(&names::fold(name).as_str()) && begins_a_kind(model, without_json(name))
}

/// What a reader would come upon in a folder beside what is `ours`: documents that others made, and what is no tree's.
/// A file that two names on the disk fold to is found too.
pub(super) fn others(
    root: &Path,
    model: &Model,
    ours: &dyn Fn(&[u8; 16]) -> bool,
) -> Result<Vec<String>, TreeError> {
    let mut open: Vec<String> = Vec::new();
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for entry in fs::read_dir(root).map_err(TreeError::io(root, "list"))? {
        let name = entry.map_err(TreeError::io(root, "list"))?.file_name();
        open.extend(name.to_str().filter(|name| holds_documents(model, name)).map(str::to_owned));
    }
    while let Some(path) = open.pop() {
        let place = path.split('/').fold(root.to_owned(), |folder, name| folder.join(name));
        match disk::look(&place)? {
            Found::Folder if path.matches('/').count() < MAX_FOLDERS => {
                for entry in fs::read_dir(&place).map_err(TreeError::io(&place, "list"))? {
                    let name = entry.map_err(TreeError::io(&place, "list"))?.file_name();
                    match name.to_str() {
                        Some(name) => open.push(join(&path, name)),
                        None => found.push(join(&path, &name.to_string_lossy())),
                    }
                }
            }
            Found::File { .. } if is_json(&path) => {
                let folded = names::folded(&path);
                if !ours(&folded) || !seen.insert(folded) {
                    found.push(path);
                }
            }
            // Somebody else's, or gone meanwhile.
            Found::File { .. } | Found::Nothing => {}
            Found::Folder | Found::Other => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}

/// The documents so far: no two have one key as the product compares names.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// What each is called, by kind and key.
    known: HashMap<[u8; 16], String>,
}

impl Keys {
    /// Takes note of a document; returns what the one before is called that has its key.
    pub(super) fn add(&mut self, model: &Model, kind: &str, key: &Key, called: &str) -> Option<String> {
        let folded = key.folded(model.collation);
        self.known.insert(names::hash(&[kind.as_bytes(), folded.as_bytes()]), called.to_owned())
    }
}

/// Whether a file's name is a document's, in whatever case the disk has kept it.
fn is_json(name: &str) -> bool {
    without_json(name).len() < name.len()
}

fn without_json(name: &str) -> &str {
    match name.char_indices().rev().nth(4) {
        Some((at, _)) if name.get(at..).is_some_and(|end| names::fold(end) == ".json") => {
            name.get(..at).unwrap_or(name)
        }
        _ => name,
    }
}

/// Whether documents lie under a name at the root: a kind's, in any case and with any suffix.
fn begins_a_kind(model: &Model, name: &str) -> bool {
    let name = names::fold(name);
    let is =
        |kind: &str| name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(MARK));
    name == LONG
        || name.starts_with("%3f")
        || model.kinds().iter().any(|known| is(&names::fold(&layout::kind_name(known.name.as_str()))))
}

struct Walk<'t> {
    tree: &'t Tree,
    /// By folded path: the disk may have kept the case of a name that is no more.
    lines: HashMap<[u8; 16], &'t Line>,
    model: &'t Model,
    progress: &'t dyn Progress,
    reading: Reading,
    files: u64,
    keys: Keys,
    /// Whether a script has kept a line end without carriage return.
    unchanged: bool,
    /// The folded path of each document's file, as a hash.
    taken: HashSet<[u8; 16]>,
}

/// Something in a folder, with its name.
struct Item {
    name: String,
    path: PathBuf,
    found: Found,
}

impl Walk<'_> {
    fn root<E>(&mut self, see: &mut dyn FnMut(TreeDocument, &mut Findings) -> Result<(), E>) -> Result<(), E>
    where
        E: From<TreeError> + From<Cancelled>,
    {
        let root = self.tree.root.clone();
        self.progress.phase("reading files", None);
        for item in self.list(&root, "")? {
            if holds_documents(self.model, &item.name) {
                self.item(&item, &names::composed(&item.name), 1, see)?;
            } else if item.found == Found::Folder && !item.name.starts_with('.') {
                self.reading.passed_over.push(item.name);
            }
        }
        Ok(())
    }

    /// What is in a folder, by name. A name that is no text is told, and left out.
    fn list(&mut self, folder: &Path, path: &str) -> Result<Vec<Item>, TreeError> {
        let mut items = Vec::new();
        for entry in fs::read_dir(folder).map_err(TreeError::io(folder, "list"))? {
            let entry = entry.map_err(TreeError::io(folder, "list"))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                // At the root it is somebody else's.
                if !path.is_empty() {
                    let shown = entry.file_name().to_string_lossy().into_owned();
                    self.reading.findings.add(&join(path, &shown), None, "its name is no Unicode text");
                }
                continue;
            };
            let path = entry.path();
            let found = disk::look(&path)?;
            items.push(Item { name, path, found });
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    fn item<E>(
        &mut self,
        item: &Item,
        path: &str,
        depth: usize,
        see: &mut dyn FnMut(TreeDocument, &mut Findings) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: From<TreeError> + From<Cancelled>,
    {
        self.progress.check()?;
        match item.found {
            Found::Folder if depth > MAX_FOLDERS => {
                self.reading.findings.add(path, None, format!("folders nest deeper than {MAX_FOLDERS}"));
            }
            Found::Folder => {
                let within = match self.list(&item.path, path) {
                    Ok(within) => within,
                    Err(error) => {
                        self.reading.findings.add(path, None, unreadable(error)?);
                        return Ok(());
                    }
                };
                for below in within {
                    let path = join(path, &names::composed(&below.name));
                    self.item(&below, &path, depth + 1, see)?;
                }
            }
            Found::Other => {
                self.reading.findings.add(
                    path,
                    None,
                    "it is a link or a device; a tree has folders and files only",
                );
            }
            Found::File { bytes } if is_json(path) => {
                self.files += 1;
                if self.files > MAX_FILES {
                    return Err(TreeError::TooMany { path: self.tree.root.clone(), limit: MAX_FILES }.into());
                }
                self.progress.advance(1, bytes);
                if bytes > MAX_FILE_BYTES {
                    self.reading.findings.add(
                        path,
                        None,
                        format!("{bytes} bytes are over the limit of {MAX_FILE_BYTES}"),
                    );
                } else if let Some(document) = self.document(&item.path, path)? {
                    see(document, &mut self.reading.findings)?;
                }
            }
            // A script, which its document names; or somebody else's.
            Found::File { .. } | Found::Nothing => {}
        }
        Ok(())
    }

    fn document(&mut self, place: &Path, path: &str) -> Result<Option<TreeDocument>, TreeError> {
        let before = self.reading.findings.total();
        if !self.taken.insert(names::folded(path)) {
            let text =
                "another file's path differs in case or composition only; many disks hold one of the two";
            self.reading.findings.add(path, None, text);
            return Ok(None);
        }
        let text = match disk::read(place) {
            Ok(text) => text,
            Err(error) => {
                self.reading.findings.add(path, None, unreadable(error)?);
                return Ok(None);
            }
        };
        let mut parsed = parse::document(&text);
        drop(text);
        for (at, text) in parsed.wrong.drain(..) {
            self.reading.findings.add(path, at, text);
        }
        if let (Some(kind), Some(key)) = (&parsed.kind, &parsed.key) {
            self.look_at(path, kind, key);
        }
        let Some(mut document) = parsed.document() else { return Ok(None) };
        let folder = place.parent().unwrap_or(&self.tree.root).to_owned();
        for (at, script) in parsed.scripts {
            let file = script.file.clone();
            match fetch(&folder, script)? {
                Ok(text) => {
                    if self.tree.is_crlf && text.contains('\n') {
                        self.line_ends(path, file, is_crlf(text.as_bytes()));
                    }
                    if let Some(value) = document.at_mut(&at) {
                        *value = Value::Text(text);
                    }
                }
                Err(problem) => self.reading.findings.add(path, Some(at.to_string()), problem),
            }
        }
        let line = self.lines.get(&names::folded(path));
        let sealed = in_order(&document, parsed.sealed);
        Ok(Some(TreeDocument {
            sound: self.reading.findings.total() == before,
            file: path.to_owned(),
            path: place.to_owned(),
            document,
            id: line.map(|line| line.id.clone()).unwrap_or_default(),
            why: line.map(|line| line.why.clone()).unwrap_or_default(),
            sealed,
        }))
    }

    /// Takes note of a script beside a `sealift.json` that has CRLF alone.
    fn line_ends(&mut self, path: &str, file: String, is_crlf: bool) {
        self.unchanged |= !is_crlf;
        self.reading.converted += 1;
        self.reading.first_converted.get_or_insert_with(|| match path.rsplit_once('/') {
            Some((folder, _)) => join(folder, &file),
            None => file,
        });
        if self.unchanged {
            (self.reading.converted, self.reading.first_converted) = (0, None);
        }
    }

    /// Finds what is wrong with a document by its name.
    fn look_at(&mut self, path: &str, kind: &KindName, key: &Key) {
        let findings = &mut self.reading.findings;
        if !self.model.kinds().iter().any(|known| known.name == *kind) {
            let text = format!("{:?} is no kind of the model", kind.as_str());
            findings.add(path, Some("kind".to_owned()), text);
            return;
        }
        if !layout::fits(path, kind.as_str(), key) {
            let right = layout::expected(kind.as_str(), key);
            let text =
                format!("the file of this document is {right}; move the file, or correct kind and key");
            findings.add(path, Some("key".to_owned()), text);
        }
        if let Some(first) = self.keys.add(self.model, kind.as_str(), key, path) {
            let text = format!("{first} holds a document of the same kind and key");
            findings.add(path, Some("key".to_owned()), text);
        }
    }
}

/// The sealed values of a document, in the order of [`Document::secret_places`].
fn in_order(document: &Document, sealed: Vec<(Place, Sealed)>) -> Vec<Option<Sealed>> {
    let mut by_place: HashMap<Place, Sealed> = sealed.into_iter().collect();
    document.secret_places().iter().map(|place| by_place.remove(place)).collect()
}

/// Whether a text has line ends, and each is CRLF.
fn is_crlf(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut found = false;
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            break;
        }
        if !line.ends_with(b"\r") {
            return false;
        }
        found = true;
    }
    found
}

/// What a file or folder that the system does not hand out is reported as: one of many things that may be wrong.
fn unreadable(error: TreeError) -> Result<String, TreeError> {
    match error {
        TreeError::Io { action, source, .. } => Ok(format!("cannot {action}: {source}")),
        TreeError::TooLarge { found, limit, .. } => {
            Ok(format!("{found} bytes are over the limit of {limit}"))
        }
        other => Err(other),
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The text of a script, from the bytes of its file: editors put a byte order mark there. UTF-16 is refused although it
/// could be decoded: the writer would bring the file back in UTF-8.
pub(super) fn script_text(bytes: Vec<u8>) -> Result<String, String> {
    match input::is_utf16(&bytes) {
        true => Err("it is UTF-16 text; save it as UTF-8".to_owned()),
        false => input::decode(bytes).map_err(|error| error.to_string()),
    }
}

/// The text of a script, or what is wrong with it.
fn fetch(folder: &Path, script: Script) -> Result<Result<String, String>, TreeError> {
    let Script { file, text: kept } = script;
    if !names::is_plain(&file) || names::fold(&file).ends_with(".json") {
        return Ok(Err(format!(
            "{file:?} is no name of a script's file: one in the same folder, and no document"
        )));
    }
    let place = folder.join(&file);
    let read = match disk::look(&place) {
        Ok(Found::File { .. }) => disk::read(&place),
        // A copy is for reading, and may be thrown away.
        Ok(Found::Nothing) => return Ok(kept.ok_or_else(|| format!("the script's file {file} is missing"))),
        Ok(Found::Folder | Found::Other) => return Ok(Err(format!("{file} is no file"))),
        Err(error) => Err(error),
    };
    let text = match read {
        Ok(bytes) => script_text(bytes),
        Err(error) => Err(unreadable(error)?),
    };
    Ok(match (text, kept) {
        (Err(problem), _) => Err(format!("{file}: {problem}")),
        (Ok(text), Some(kept)) if text != kept => Err(format!(
            "{file} is a copy and differs from the text here; edit both alike, or remove the copy"
        )),
        (Ok(text), _) => Ok(text),
    })
}
