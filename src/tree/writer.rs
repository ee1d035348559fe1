//! Makes a tree, or brings one up to date.
//!
//! Obeys `format-spec/tree-v1.md`, "Writing". Until [`TreeWriter::finish`] nothing in the tree changes; what is
//! new lies in a folder of the writer's own. No file is ever half written, and no file is touched that the tree
//! did not write.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::document::{Document, Key, Value, canonical};
use crate::model::Model;
use crate::progress::Progress;
use crate::temporary;

use super::about::{self, ABOUT, About, LACKING, Line, Lines, ScriptMode, TreeCoverage, Why};
use super::disk::{self, Folders, Found};
use super::incomplete;
use super::layout::Clashes;
use super::reader::{self, Keys, Tree};
use super::scripts::Extracted;
use super::{Findings, TreeError, names, parse, scripts, spell};

const ATTRIBUTES: &str = ".gitattributes";
/// Scripts are kept to the byte: git changes no line ends.
const ATTRIBUTES_TEXT: &str = "* -text\n";

/// What was done to a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeSummary {
    /// How many documents the tree has.
    pub documents: u64,
    /// How many scripts lie in files.
    pub scripts: u64,
    /// Files that are new, or are not what they were.
    pub written: u64,
    /// Files that were as they are to be, and were not touched.
    pub unchanged: u64,
    /// Files that were taken away.
    pub removed: u64,
}

/// What a writer may take away in a folder that is there, beside what it knows to be no longer content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replace {
    /// Files in its way that no tree wrote, and documents that somebody added.
    pub foreign: bool,
    /// Documents of an earlier tree that the new content does not cover: an export that left their kind out says
    /// nothing of them.
    pub uncovered: bool,
}

/// A tree in the making.
pub struct TreeWriter<'m> {
    model: &'m Model,
    folders: Folders,
    /// Whether the folder is not there yet.
    new: bool,
    root: PathBuf,
    /// Where files wait, laid out as they will be: a folder that the tree does not have goes there as a whole.
    staging: Option<(TempDir, Folders)>,
    /// Keeps other writers away from a folder that is there.
    _lock: Option<fs::File>,
    replace: Replace,
    about: About,
    clashes: Clashes,
    keys: Keys,
    refused: Findings,
    /// What the earlier tree said beside its documents.
    earlier_about: About,
    earlier_lines: Lines,
    /// The earlier tree's own files, by folded path: whatever case they have on the disk, they are the same.
    earlier: OwnFiles,
    lines: Lines,
    staged: Vec<String>,
    /// Folded paths of all files, as hashes: no two are the same.
    taken: HashSet<[u8; 16]>,
    in_the_way: u64,
    first_in_the_way: Option<String>,
    /// Whether the folder is no longer as it was found.
    touched: bool,
    summary: TreeSummary,
}

/// A tree's own files, by folded path.
type OwnFiles = BTreeMap<[u8; 16], String>;

/// What an earlier tree at a destination says, and its files, also those that a writer which was killed put there.
/// Whatever its lists say, only what can be a tree's own.
fn earlier(root: &Path, model: &Model) -> Result<(About, Lines, OwnFiles), TreeError> {
    let (about, lines) = match Tree::of_any_state(root).and_then(Tree::sound) {
        Ok(tree) => tree.into_parts(),
        Err(TreeError::NotATree { .. }) => (About::default(), Lines::new()),
        Err(error) => return Err(error),
    };
    let mut files = BTreeMap::new();
    let mut add = |path: String| {
        if disk::is_inside(&path) && is_own(model, &path) {
            files.insert(names::folded(&path), path);
        }
    };
    for (path, line) in &lines {
        if reader::is_document_path(model, path) {
            let plain = line.scripts.iter().filter(|script| names::is_plain(script));
            plain.for_each(|script| add(format!("{}{script}", folder_of(path))));
            add(path.clone());
        }
    }
    incomplete::read(root)?.into_iter().for_each(add);
    Ok((about, lines, files))
}

/// The folder of a file, with the slash behind it.
fn folder_of(path: &str) -> &str {
    path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default()
}

/// Whether a path can be that of a document or a script of a tree.
fn is_own(model: &Model, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_script = || name.contains(names::MARK) && !names::fold(name).ends_with(".json");
    let first = path.split('/').next().unwrap_or(path);
    reader::holds_documents(model, first) && (reader::is_document_path(model, path) || is_script())
}

/// Whether a file may be overwritten where that is asked for: it is such as a tree holds, a JSON object or a text.
fn is_replaceable(place: &Path, size: u64) -> Result<bool, TreeError> {
    if size > disk::MAX_FILE_BYTES {
        return Ok(false);
    }
    let bytes = disk::read(place)?;
    let is_json = place.extension().is_some_and(|extension| extension == "json");
    Ok(bytes.is_empty()
        || match is_json {
            true => matches!(parse::json(&bytes), Ok(Value::Map(_))),
            false => !bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok(),
        })
}

impl<'m> TreeWriter<'m> {
    /// Starts a tree in a folder, which is made where it is not there; its own folder must be. `clashes` has
    /// seen every document that will be added.
    ///
    /// # Errors
    /// [`TreeError`]; nothing is changed then.
    pub fn create(
        root: &Path,
        model: &'m Model,
        about: About,
        clashes: Clashes,
        replace: Replace,
    ) -> Result<Self, TreeError> {
        let new = match root.metadata() {
            Ok(found) if found.is_dir() => false,
            Ok(_) => {
                let what = "it is no folder".to_owned();
                return Err(TreeError::Unusable { path: root.to_owned(), what });
            }
            Err(_) => true,
        };
        let lock = if new { None } else { disk::lock(root)? };
        if lock.is_some() {
            disk::clear(root);
        }
        let (earlier_about, earlier_lines, earlier) = earlier(root, model)?;
        let mut writer = Self {
            model,
            folders: Folders::new(root),
            new,
            root: root.to_owned(),
            staging: None,
            _lock: lock,
            replace,
            about,
            clashes,
            keys: Keys::default(),
            refused: Findings::default(),
            earlier_about,
            earlier_lines,
            earlier,
            lines: Lines::new(),
            staged: Vec::new(),
            taken: HashSet::new(),
            in_the_way: 0,
            first_in_the_way: None,
            touched: false,
            summary: TreeSummary::default(),
        };
        // A new tree waits beside its place, and goes there as one.
        let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (beside, what) =
            if new { (parent, "make the folder") } else { (root, "make a temporary folder") };
        let staging = temporary::folder_in(beside, disk::TEMPORARY);
        let staging = staging.map_err(TreeError::io(root, what))?;
        let waiting = staging.path().join(disk::WAITING);
        fs::create_dir(&waiting).map_err(TreeError::io(root, "make a temporary folder"))?;
        let folders = Folders::new(&waiting);
        writer.staging = Some((staging, folders));
        Ok(writer)
    }

    /// Adds a document, with its source id, why it is there, and its sealed values in the order of
    /// [`Document::secret_places`]. One that a reader of the tree would refuse, or would not find, is reported by
    /// [`TreeWriter::finish`].
    ///
    /// # Errors
    /// What the system refuses.
    pub fn add(
        &mut self,
        document: &Document,
        id: &Value,
        why: Why,
        sealed: &[Option<Vec<u8>>],
    ) -> Result<(), TreeError> {
        let called = called(document);
        let known = self.model.kinds().iter().find(|kind| kind.name == document.kind);
        let Some(kind) = known else {
            let text = "the model does not have its kind";
            self.refused.add(&called, Some("kind".to_owned()), text);
            return Ok(());
        };
        let before = self.refused.total();
        let path = self.clashes.path(document.kind.as_str(), &document.key);
        let mut found = match self.about.scripts {
            ScriptMode::Inline => Vec::new(),
            ScriptMode::Extract | ScriptMode::Copy => scripts::extract(self.model, kind, document, &path),
        };
        // A text that a file would not give back stays where it is.
        found.retain(|script| {
            reader::script_text(script.text.clone().into_bytes()).as_ref() == Ok(&script.text)
        });
        let markers = scripts::markers(&found, self.about.scripts == ScriptMode::Copy);
        let text = spell::document(document, sealed, &markers);
        self.read_back(&called, document, sealed, &found, &text);
        let mut refuse = |place: &str, text: &str| self.refused.add(&called, Some(place.to_owned()), text);
        let spelled = match id {
            Value::Number(number) => parse::json(number.as_bytes()).is_ok_and(|value| value == *id),
            Value::Null | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => true,
            _ => false,
        };
        if !spelled {
            refuse("id", "its source id is no id");
        }
        if !reader::is_document_path(self.model, &path) {
            refuse("key", &format!("a reader does not look for documents at {path}"));
        }
        if let Some(twin) = self.keys.add(self.model, document.kind.as_str(), &document.key, &called) {
            let text = format!("the product takes its key for that of {twin}");
            self.refused.add(&called, Some("key".to_owned()), text);
        }
        if self.refused.total() > before {
            return Ok(());
        }
        let mut unique = self.stage(&path, text.as_bytes())?;
        for script in &found {
            unique &= self.stage(&format!("{}{}", folder_of(&path), script.file), script.text.as_bytes())?;
        }
        if !unique {
            self.refused.add(
                &called,
                None,
                "another file has the path of its file, or of one of its scripts",
            );
            return Ok(());
        }
        self.summary.documents += 1;
        self.summary.scripts += found.len() as u64;
        let scripts = found.into_iter().map(|script| script.file).collect();
        self.lines.insert(path, Line { id: id.clone(), why, scripts });
        Ok(())
    }

    /// Reports what else is wrong with documents that were added: what only their kinds' rules say.
    pub fn refuse(&mut self, findings: Findings) {
        self.refused.append(findings);
    }

    /// Reads the text of a document's file as its reader will, and refuses what is not the document again.
    fn read_back(
        &mut self,
        called: &str,
        document: &Document,
        sealed: &[Option<Vec<u8>>],
        scripts: &[Extracted],
        text: &str,
    ) {
        if text.len() as u64 > disk::MAX_FILE_BYTES {
            return self.refused.add(called, None, "its file would be too large");
        }
        let mut parsed = parse::document(text.as_bytes());
        if !parsed.wrong.is_empty() {
            parsed.wrong.into_iter().for_each(|(place, problem)| self.refused.add(called, place, problem));
            return;
        }
        let mut again = parsed.document();
        for script in scripts {
            let bytes = script.text.as_bytes().to_vec();
            let place = again.as_mut().and_then(|document| document.at_mut(&script.place));
            if let (Some(value), Ok(text)) = (place, reader::script_text(bytes)) {
                *value = Value::Text(text);
            }
        }
        let same = again.is_some_and(|again| {
            (&again.kind, &again.key) == (&document.kind, &document.key)
                && canonical::encode(&again).is_ok_and(|bytes| Ok(bytes) == canonical::encode(document))
        });
        let places = document.secret_places();
        let mut found = parsed.sealed.into_iter();
        let kept = places.iter().zip(sealed).filter_map(|(place, value)| Some((place, value.as_ref()?))).all(
            |(place, value)| {
                found.next().is_some_and(|(at, sealed)| {
                    at == *place && sealed.value == *value && sealed.at == place.to_string()
                })
            },
        );
        if !same || !kept {
            let text = "it holds what a file cannot say, and would be read as something else";
            self.refused.add(called, None, text);
        }
    }

    /// Keeps a file until the end; `false` where another has its path.
    fn stage(&mut self, path: &str, bytes: &[u8]) -> Result<bool, TreeError> {
        let own = names::folded(path);
        if !self.taken.insert(own) {
            return Ok(false);
        }
        let earlier = self.earlier.get(&own);
        let place = self.folders.file(path);
        let found = if self.folders.above(path)? { disk::look(&place)? } else { Found::Nothing };
        let unusable = |what: &str| TreeError::Unusable { path: place.clone(), what: what.to_owned() };
        if matches!(found, Found::Folder | Found::Other) {
            return Err(unusable("a file of the tree belongs here, and this is none"));
        }
        if let Found::File { bytes: size } = found {
            // A file of another case is not the same, even where the disk says so: it has to be called anew.
            if earlier.is_none_or(|earlier| earlier == path) && disk::holds(&place, bytes)? {
                self.summary.unchanged += 1;
                return Ok(true);
            }
            if path != ABOUT && earlier.is_none() {
                if !self.replace.foreign {
                    self.in_the_way(path);
                } else if !is_replaceable(&place, size)? {
                    return Err(unusable("it is in the way, and is nothing that a tree holds"));
                }
            }
        }
        let Some((_, folders)) = &mut self.staging else { return Ok(true) };
        folders.make(path)?;
        let at = folders.file(path);
        fs::write(&at, bytes).map_err(TreeError::io(&at, "write"))?;
        self.staged.push(path.to_owned());
        Ok(true)
    }

    fn in_the_way(&mut self, path: &str) {
        self.in_the_way += 1;
        self.first_in_the_way.get_or_insert_with(|| path.to_owned());
    }

    /// Puts everything into its place.
    ///
    /// # Errors
    /// Before anything is changed: [`TreeError::Unwritable`], [`TreeError::InTheWay`], [`TreeError::NotCovered`],
    /// [`TreeError::Busy`]. [`TreeError::Partly`] says which files are new when the system refuses in the middle.
    pub fn finish(mut self, progress: &dyn Progress) -> Result<TreeSummary, TreeError> {
        let text = self.about_text()?;
        if self.new && self.root.symlink_metadata().is_ok() {
            return Err(TreeError::Busy { path: self.root.clone() });
        }
        let strangers = self.strangers()?;
        if let Some(first) = self.first_in_the_way.take() {
            return Err(TreeError::InTheWay { path: self.root.clone(), first, total: self.in_the_way });
        }
        let stale: Vec<String> = self
            .earlier
            .iter()
            .filter(|(own, _)| !self.taken.contains(*own))
            .map(|(_, path)| path.clone())
            .collect();
        self.check_covered(&stale)?;
        if disk::look(&self.root.join(ATTRIBUTES))? == Found::Nothing {
            self.stage(ATTRIBUTES, ATTRIBUTES_TEXT.as_bytes())?;
        }
        // Last of all: until it is there, what it lists is the earlier tree's.
        self.stage(ABOUT, text.as_bytes())?;
        progress.take_effect()?;
        let mut staged = std::mem::take(&mut self.staged);
        // Folder by folder; the list of them all comes last.
        staged.sort_by(|a, b| (a == ABOUT, a).cmp(&(b == ABOUT, b)));
        progress.phase("writing files", Some(staged.len() as u64));
        let mut written = Vec::new();
        let placed = self.place_all(&staged, &[stale, strangers].concat(), &mut written, progress);
        if let Err(source) = placed {
            if !self.touched {
                return Err(source);
            }
            return Err(TreeError::Partly { written, total: staged.len(), source: Box::new(source) });
        }
        self.summary.written = staged.len() as u64;
        Ok(self.summary.clone())
    }

    /// The text of `sealift.json`, where a reader finds in it what is said, and nothing was refused.
    fn about_text(&mut self) -> Result<String, TreeError> {
        let text = about::write(&self.about, &self.lines);
        if text.len() as u64 > disk::MAX_FILE_BYTES {
            let (found, limit) = (text.len() as u64, disk::MAX_FILE_BYTES);
            return Err(TreeError::TooLarge { path: self.root.join(ABOUT), found, limit });
        }
        match about::read(text.as_bytes()) {
            Ok(read) => {
                let same = read.about == self.about && read.lines == self.lines;
                read.wrong.into_iter().for_each(|(place, text)| self.refused.add(ABOUT, place, text));
                if self.refused.is_empty() && !same {
                    self.refused.add(
                        ABOUT,
                        None,
                        "it cannot say all that the bundle says beside its documents",
                    );
                }
            }
            Err(_) => self.refused.add(ABOUT, None, "its format is another"),
        }
        match self.refused.is_empty() {
            true => Ok(text),
            false => {
                let findings = std::mem::take(&mut self.refused);
                Err(TreeError::Unwritable { path: self.root.clone(), findings })
            }
        }
    }

    /// Documents that others added to the folder: a reader would take them for the tree's. They are in the way, or go
    /// where that is asked for.
    fn strangers(&mut self) -> Result<Vec<String>, TreeError> {
        if self.new {
            return Ok(Vec::new());
        }
        let ours = |path: &[u8; 16]| self.taken.contains(path) || self.earlier.contains_key(path);
        let found = reader::others(&self.root, self.model, &ours)?;
        for path in &found {
            let place = self.folders.file(path);
            match disk::look(&place)? {
                Found::File { bytes } if self.replace.foreign && is_replaceable(&place, bytes)? => {}
                Found::File { .. } if !self.replace.foreign => self.in_the_way(path),
                _ => {
                    let what = "it is where documents are, and is nothing that a tree holds".to_owned();
                    return Err(TreeError::Unusable { path: place, what });
                }
            }
        }
        Ok(found)
    }

    /// Refuses to remove documents that may still be content: an export of other kinds says nothing of them.
    fn check_covered(&self, stale: &[String]) -> Result<(), TreeError> {
        if self.replace.uncovered {
            return Ok(());
        }
        let mut lost = Vec::new();
        for path in stale.iter().filter(|path| reader::is_document_path(self.model, path)) {
            let place = self.folders.file(path);
            // Whoever removed it by hand has decided.
            if let Found::File { .. } = disk::look(&place)? {
                let parsed = parse::document(&disk::read(&place)?);
                match (parsed.kind, parsed.key) {
                    (Some(kind), Some(key))
                        if self.covers(kind.as_str(), &key) && !self.may_lack(kind.as_str(), &key, path) => {}
                    _ => lost.push(path),
                }
            }
        }
        match lost.first() {
            None => Ok(()),
            Some(first) => Err(TreeError::NotCovered {
                path: self.root.clone(),
                first: (*first).clone(),
                total: lost.len() as u64,
            }),
        }
    }

    /// Whether the new content would have a document if it were still there: its kind is carried as a whole, or all that
    /// belongs to its owner, or by the same choice as that of the earlier tree.
    fn covers(&self, kind: &str, key: &Key) -> bool {
        let same_choice = self.about.options == self.earlier_about.options;
        let owners = || {
            std::iter::successors(Some(key), |key| match key.parts().first() {
                Some(Value::Ref(owner)) => Some(&owner.key),
                _ => None,
            })
        };
        self.about.coverage.iter().filter(|(covered, _)| covered == kind).any(|(_, extent)| match extent {
            TreeCoverage::Whole(_) => true,
            // Where nobody knows what was chosen, a kind of which nothing was read may have been left out.
            TreeCoverage::Part(rows) => same_choice && (*rows > 0 || self.about.options.is_some()),
            TreeCoverage::Belonging(of, owner) => owners().any(|key| {
                matches!(key.parts().first(), Some(Value::Ref(found)) if found.kind == *of && found.key == *owner)
            }),
        })
    }

    /// Whether the new content says that it lacks the document, or may lack it, without knowing that it is gone: it could
    /// not be read, or was lost.
    fn may_lack(&self, kind: &str, key: &Key, path: &str) -> bool {
        let text = key.to_text();
        let id = self.earlier_lines.get(path).and_then(|line| match &line.id {
            Value::Text(id) => Some(id.clone()),
            Value::Int(id) => Some(id.to_string()),
            _ => None,
        });
        let is_whole = |(covered, extent): &(String, TreeCoverage)| {
            covered == kind && matches!(extent, TreeCoverage::Whole(_))
        };
        let lacking = self.about.notices.iter().filter(|notice| LACKING.contains(&notice.code.as_str()));
        !self.about.coverage.iter().any(is_whole)
            && lacking.filter(|notice| notice.kind.as_deref().is_none_or(|of| of == kind)).any(|notice| {
                // One without a name may be any.
                let same = notice.key.as_ref().is_none_or(|lacking| *lacking == text);
                same || id.is_some() && notice.value == id
            })
    }

    /// Puts a new tree into its place as one; says whether that could be done.
    fn place_whole(&mut self) -> Result<bool, TreeError> {
        let Some((_, waiting)) = self.staging.as_ref().filter(|_| self.new) else { return Ok(false) };
        // Whatever somebody put there meanwhile stays there.
        if self.root.symlink_metadata().is_err() && fs::rename(waiting.root(), &self.root).is_ok() {
            return Ok(true);
        }
        match fs::create_dir(&self.root) {
            Ok(()) => Ok(false),
            // Nothing of ours has been compared with it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(TreeError::Busy { path: self.root.clone() })
            }
            Err(error) => Err(TreeError::io(&self.root, "make the folder")(error)),
        }
    }

    fn place_all(
        &mut self,
        staged: &[String],
        stale: &[String],
        written: &mut Vec<String>,
        progress: &dyn Progress,
    ) -> Result<(), TreeError> {
        if self.place_whole()? {
            written.extend_from_slice(staged);
            progress.advance(staged.len() as u64, 0);
            return Ok(());
        }
        if staged.is_empty() && stale.is_empty() {
            return incomplete::end(&self.root);
        }
        let Some((_, waiting)) = &self.staging else { return Ok(()) };
        incomplete::begin(&self.root, waiting.root(), staged, &self.earlier)?;
        let changed = self.change(staged, stale, written, progress);
        // One that fails before anything was changed has left the folder as it was.
        if changed.is_ok() || !self.touched {
            incomplete::end(&self.root)?;
        }
        changed
    }

    fn change(
        &mut self,
        staged: &[String],
        stale: &[String],
        written: &mut Vec<String>,
        progress: &dyn Progress,
    ) -> Result<(), TreeError> {
        // Where case does not count, an old file of another case stands at the new one's place, and so may its
        // folder: they go first, and come back with their new names.
        for path in staged {
            if let Some(old) = self.earlier.get(&names::folded(path)).filter(|old| *old != path).cloned() {
                self.touched |= self.folders.remove(&old)?;
            }
        }
        let Some((_, waiting)) = &self.staging else { return Ok(()) };
        // A folder that went as a whole, with the slash behind it.
        let mut whole = String::new();
        for path in staged {
            if whole.is_empty() || !path.starts_with(&whole) {
                let folder = self.folders.missing(path)?;
                let moved = folder.unwrap_or(path);
                let place = self.folders.file(moved);
                fs::rename(waiting.file(moved), &place).map_err(TreeError::io(&place, "put it here"))?;
                self.touched = true;
                whole.clear();
                if let Some(folder) = folder {
                    self.folders.arrived(folder);
                    whole = format!("{folder}/");
                }
            }
            progress.advance(1, 0);
            written.push(path.clone());
        }
        for path in stale {
            let removed = self.folders.remove(path)?;
            self.touched |= removed;
            self.summary.removed += u64::from(removed);
        }
        Ok(())
    }
}

/// What a document is called in a report of what cannot be written.
fn called(document: &Document) -> String {
    format!("{} {}", document.kind, document.key.to_text())
}

impl std::fmt::Debug for TreeWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeWriter").field("root", &self.root).finish_non_exhaustive()
    }
}
