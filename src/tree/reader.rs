//! Reads a tree: every document that lies in it, or everything that is wrong with it.
//!
//! Obeys `format-spec/tree-v1.md`, "Reading". The folder comes from anyone. No link is followed, nothing outside
//! the folder is read, and one file at a time is in memory.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::document::{Document, Place, Value};
use crate::model::Model;
use crate::progress::{Cancelled, Progress};

use super::about::{self, ABOUT, About, Line, Lines, Why};
use super::disk::{self, Found, MAX_FILE_BYTES};
use super::layout::{self, LONG};
use super::names::{self, MARK};
use super::parse::{self, Parsed, Script, Sealed};
use super::{Findings, TreeError};

/// How deep folders nest.
const MAX_FOLDERS: usize = 64;
/// How many files a tree has at most; the limit of documents of a bundle.
const MAX_FILES: u64 = 100_000_000;

/// A tree, opened for reading.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    about: About,
    lines: Lines,
    expected_root: Option<[u8; 32]>,
}

/// A document of a tree.
#[derive(Debug)]
pub struct TreeDocument {
    /// Its file, from the root, with `/` between folders.
    pub file: String,
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
}

/// Whether a folder says that it is a tree.
pub fn is_tree(root: &Path) -> bool {
    root.is_dir() && root.join(ABOUT).symlink_metadata().is_ok()
}

impl Tree {
    /// Opens a tree; reads `sealift.json` and no document.
    ///
    /// # Errors
    /// [`TreeError::NotATree`], [`TreeError::TooNew`], [`TreeError::Findings`] for a `sealift.json` that cannot
    /// be understood, and what the system refuses.
    pub fn open(root: &Path) -> Result<Self, TreeError> {
        let path = root.join(ABOUT);
        match disk::look(&path)? {
            Found::File { .. } => {}
            Found::Nothing => return Err(TreeError::NotATree { path: root.to_owned() }),
            Found::Folder | Found::Other => {
                return Err(TreeError::Unusable { path, what: "it is no file".to_owned() });
            }
        }
        match about::read(&disk::read(&path)?) {
            Ok((about, lines)) => Ok(Self { root: root.to_owned(), about, lines, expected_root: None }),
            Err(about::Unreadable::TooNew(found)) => Err(TreeError::TooNew { path, found }),
            Err(about::Unreadable::Wrong(wrong)) => {
                let mut findings = Findings::default();
                wrong.into_iter().for_each(|(place, text)| findings.add(ABOUT, place, text));
                Err(TreeError::Findings { path: root.to_owned(), findings })
            }
        }
    }

    /// Says which content root the documents must have together for the tree to be taken.
    pub fn expecting(self, content_root: Option<[u8; 32]>) -> Self {
        Self { expected_root: content_root, ..self }
    }

    /// The content root that the documents must have.
    pub fn expected_root(&self) -> Option<[u8; 32]> {
        self.expected_root
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the tree says beside its documents.
    pub fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn into_lines(self) -> Lines {
        self.lines
    }

    /// Hands out every document that can be taken, folder by folder in the order of names, and tells all that
    /// cannot. Whoever sees a document may find more wrong with it.
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
            reading: Reading::default(),
            files: 0,
            keys: HashMap::new(),
            taken: HashSet::new(),
        };
        walk.root(see)?;
        let Walk { mut reading, taken, .. } = walk;
        let mut missing = self.lines.keys().filter(|path| !taken.contains(&names::folded(path)));
        reading.first_missing = missing.next().cloned();
        reading.missing = reading.first_missing.iter().count() as u64 + missing.count() as u64;
        Ok(reading)
    }
}

/// Whether a path can be that of a document: it begins as a kind's does, and each name is plain.
pub(super) fn is_document_path(model: &Model, path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    is_json(path) && begins_a_kind(model, without_json(first))
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
    /// The file of each document so far, by kind and key as the product compares names.
    keys: HashMap<[u8; 16], String>,
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
            if begins_a_kind(self.model, without_json(&item.name)) {
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
                for below in self.list(&item.path, path)? {
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
        let text = disk::read(place)?;
        if !self.taken.insert(names::folded(path)) {
            let text =
                "another file's path differs in case or composition only; many disks hold one of the two";
            self.reading.findings.add(path, None, text);
            return Ok(None);
        }
        let Parsed { mut document, sealed, scripts } = match parse::document(&text) {
            Ok(parsed) => parsed,
            Err(wrong) => {
                wrong.into_iter().for_each(|(at, text)| self.reading.findings.add(path, at, text));
                return Ok(None);
            }
        };
        drop(text);
        let before = self.reading.findings.total();
        let folder = place.parent().unwrap_or(&self.tree.root).to_owned();
        for (at, script) in scripts {
            match fetch(&folder, script)? {
                Ok(text) => {
                    if let Some(value) = document.at_mut(&at) {
                        *value = Value::Text(text);
                    }
                }
                Err(problem) => self.reading.findings.add(path, Some(at.to_string()), problem),
            }
        }
        self.look_at(path, &document);
        if self.reading.findings.total() > before {
            return Ok(None);
        }
        let line = self.lines.get(&names::folded(path));
        let mut by_place: HashMap<Place, Sealed> = sealed.into_iter().collect();
        let sealed = document.secret_places().iter().map(|place| by_place.remove(place)).collect();
        Ok(Some(TreeDocument {
            file: path.to_owned(),
            document,
            id: line.map(|line| line.id.clone()).unwrap_or_default(),
            why: line.map(|line| line.why.clone()).unwrap_or_default(),
            sealed,
        }))
    }

    /// Finds what is wrong with a document as a whole.
    fn look_at(&mut self, path: &str, document: &Document) {
        let findings = &mut self.reading.findings;
        let kind = document.kind.as_str();
        if !self.model.kinds().iter().any(|known| known.name == document.kind) {
            findings.add(path, Some("kind".to_owned()), format!("{kind:?} is no kind of the model"));
            return;
        }
        if !layout::fits(path, kind, &document.key) {
            let right = layout::expected(kind, &document.key);
            let text = format!("the file of this document is {right}; move the file, or mend kind and key");
            findings.add(path, Some("key".to_owned()), text);
        }
        let folded = document.key.folded(self.model.collation);
        let known = names::hash(&[kind.as_bytes(), folded.as_bytes()]);
        if let Some(first) = self.keys.insert(known, path.to_owned()) {
            findings.add(
                path,
                Some("key".to_owned()),
                format!("{first} holds a document of the same kind and key"),
            );
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
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
    let text = match disk::look(&place)? {
        Found::File { bytes } if bytes <= MAX_FILE_BYTES => String::from_utf8(disk::read(&place)?),
        Found::File { bytes } => {
            return Ok(Err(format!("{file}: {bytes} bytes are over the limit of {MAX_FILE_BYTES}")));
        }
        // A copy is for reading, and may be thrown away.
        Found::Nothing => return Ok(kept.ok_or_else(|| format!("the script's file {file} is missing"))),
        Found::Folder | Found::Other => return Ok(Err(format!("{file} is no file"))),
    };
    Ok(match (text, kept) {
        (Err(_), _) => Err(format!("{file} is no UTF-8 text")),
        (Ok(text), Some(kept)) if text != kept => Err(format!(
            "{file} is a copy and differs from the text here; edit both alike, or remove the copy"
        )),
        (Ok(text), _) => Ok(text),
    })
}
