//! Makes a tree, or brings one up to date.
//!
//! Obeys `format-spec/tree-v1.md`, "Writing". Until [`TreeWriter::finish`] nothing in the tree changes; what is
//! new lies in a folder of the writer's own. No file is ever half written, and no file is touched that the tree
//! did not write.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::document::{Document, Value};
use crate::model::Model;
use crate::progress::Progress;
use crate::temporary;

use super::about::{self, ABOUT, About, Line, Lines, ScriptMode, Why};
use super::disk::{self, Folders, Found};
use super::layout::Clashes;
use super::reader::{self, Tree};
use super::{TreeError, names, parse, scripts, spell};

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
    force: bool,
    about: About,
    clashes: Clashes,
    /// The earlier tree's own files, by folded path: whatever case they have on the disk, they are the same.
    earlier: BTreeMap<[u8; 16], String>,
    lines: Lines,
    staged: Vec<String>,
    /// Folded paths of all files, as hashes: no two are the same.
    taken: HashSet<[u8; 16]>,
    in_the_way: u64,
    first_in_the_way: Option<String>,
    summary: TreeSummary,
}

/// The files of an earlier tree at a destination. Whatever its list says, only what can be a tree's own.
fn earlier(root: &Path, model: &Model) -> Result<BTreeMap<[u8; 16], String>, TreeError> {
    let lines = match Tree::open(root) {
        Ok(tree) => tree.into_lines(),
        Err(TreeError::NotATree { .. }) => Lines::new(),
        Err(error) => return Err(error),
    };
    let mut files = BTreeMap::new();
    for (path, line) in lines {
        if !disk::is_inside(&path) || !reader::is_document_path(model, &path) {
            continue;
        }
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        for script in line.scripts {
            let is_script = names::is_plain(&script)
                && script.contains(names::MARK)
                && !names::fold(&script).ends_with(".json");
            if is_script {
                let path = format!("{folder}{script}");
                files.insert(names::folded(&path), path);
            }
        }
        files.insert(names::folded(&path), path);
    }
    Ok(files)
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
    /// seen every document that will be added. `force` lets it overwrite files that it did not write.
    ///
    /// # Errors
    /// [`TreeError`]; nothing is changed then.
    pub fn create(
        root: &Path,
        model: &'m Model,
        about: About,
        clashes: Clashes,
        force: bool,
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
        let mut writer = Self {
            model,
            folders: Folders::new(root),
            new,
            root: root.to_owned(),
            staging: None,
            _lock: lock,
            force,
            about,
            clashes,
            earlier: earlier(root, model)?,
            lines: Lines::new(),
            staged: Vec::new(),
            taken: HashSet::new(),
            in_the_way: 0,
            first_in_the_way: None,
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
    /// [`Document::secret_places`].
    ///
    /// # Errors
    /// [`TreeError::Document`] for one that a reader of the tree would refuse, and what the system refuses.
    pub fn add(
        &mut self,
        document: &Document,
        id: &Value,
        why: Why,
        sealed: &[Option<Vec<u8>>],
    ) -> Result<(), TreeError> {
        let refuse = |what: &str| TreeError::Document {
            kind: document.kind.clone(),
            key: document.key.to_text(),
            what: what.to_owned(),
        };
        let known = self.model.kinds().iter().find(|kind| kind.name == document.kind);
        let Some(kind) = known else { return Err(refuse("the model does not know the kind")) };
        let spelled = match id {
            Value::Number(number) => parse::json(number.as_bytes()).is_ok_and(|value| value == *id),
            Value::Null | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => true,
            _ => false,
        };
        if !spelled {
            return Err(refuse("its source id is no id"));
        }
        let path = self.clashes.path(document.kind.as_str(), &document.key);
        let found = match self.about.scripts {
            ScriptMode::Inline => Vec::new(),
            ScriptMode::Extract | ScriptMode::Copy => scripts::extract(self.model, kind, document, &path),
        };
        let markers = scripts::markers(&found, self.about.scripts == ScriptMode::Copy);
        let text = spell::document(document, sealed, &markers);
        if text.len() as u64 > disk::MAX_FILE_BYTES {
            return Err(refuse("its file would be too large"));
        }
        self.stage(&path, text.as_bytes()).and_then(|unique| match unique {
            true => Ok(()),
            false => Err(refuse("another document has the same path")),
        })?;
        let folder = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        for script in &found {
            if !self.stage(&format!("{folder}{}", script.file), script.text.as_bytes())? {
                return Err(refuse("two of its scripts have the same path"));
            }
        }
        self.summary.documents += 1;
        self.summary.scripts += found.len() as u64;
        let scripts = found.into_iter().map(|script| script.file).collect();
        self.lines.insert(path, Line { id: id.clone(), why, scripts });
        Ok(())
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
                if !self.force {
                    self.in_the_way += 1;
                    self.first_in_the_way.get_or_insert_with(|| path.to_owned());
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

    /// Puts everything into its place.
    ///
    /// # Errors
    /// [`TreeError::InTheWay`] before anything is changed, or [`TreeError::Busy`]; [`TreeError::Partly`] says which
    /// files are new when the system refuses in the middle.
    pub fn finish(mut self, progress: &dyn Progress) -> Result<TreeSummary, TreeError> {
        if self.new && self.root.symlink_metadata().is_ok() {
            return Err(TreeError::Busy { path: self.root.clone() });
        }
        if let Some(first) = self.first_in_the_way.take() {
            return Err(TreeError::InTheWay { path: self.root.clone(), first, total: self.in_the_way });
        }
        let text = about::write(&self.about, &self.lines);
        if text.len() as u64 > disk::MAX_FILE_BYTES {
            let (found, limit) = (text.len() as u64, disk::MAX_FILE_BYTES);
            return Err(TreeError::TooLarge { path: self.root.join(ABOUT), found, limit });
        }
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
        let placed = self.place_all(&staged, &mut written, progress);
        if let Err(source) = placed {
            if written.is_empty() {
                return Err(source);
            }
            return Err(TreeError::Partly { written, total: staged.len(), source: Box::new(source) });
        }
        self.summary.written = staged.len() as u64;
        Ok(self.summary.clone())
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
        written: &mut Vec<String>,
        progress: &dyn Progress,
    ) -> Result<(), TreeError> {
        if self.place_whole()? {
            written.extend_from_slice(staged);
            progress.advance(staged.len() as u64, 0);
            return Ok(());
        }
        // Where case does not count, an old file of another case stands at the new one's place, and so may its
        // folder: they go first, and come back with their new names.
        for path in staged {
            if let Some(old) = self.earlier.get(&names::folded(path)).filter(|old| *old != path).cloned() {
                self.folders.remove(&old)?;
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
                whole.clear();
                if let Some(folder) = folder {
                    self.folders.arrived(folder);
                    whole = format!("{folder}/");
                }
            }
            progress.advance(1, 0);
            written.push(path.clone());
        }
        let stale: Vec<String> = self
            .earlier
            .iter()
            .filter(|(own, _)| !self.taken.contains(*own))
            .map(|(_, path)| path.clone())
            .collect();
        for path in stale {
            self.summary.removed += u64::from(self.folders.remove(&path)?);
        }
        Ok(())
    }
}

impl std::fmt::Debug for TreeWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeWriter").field("root", &self.root).finish_non_exhaustive()
    }
}
