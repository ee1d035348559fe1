//! The folder on the disk: reading within limits, and never through a link.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::TreeError;
use super::names;

/// Bytes of one file of a tree.
pub(super) const MAX_FILE_BYTES: u64 = 512 << 20;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    File {
        bytes: u64,
    },
    Folder,
    /// A link, a device: nothing that a tree has.
    Other,
}

pub(super) fn look(path: &Path) -> Result<Found, TreeError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(Found::File { bytes: found.len() }),
        Ok(found) if found.is_dir() => Ok(Found::Folder),
        Ok(_) => Ok(Found::Other),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Found::Nothing)
        }
        Err(error) => Err(TreeError::io(path, "look at it")(error)),
    }
}

/// Reads a file that [`look`] found to be one.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TreeError> {
    let within = |found: u64| match found > MAX_FILE_BYTES {
        true => Err(TreeError::TooLarge { path: path.to_owned(), found, limit: MAX_FILE_BYTES }),
        false => Ok(()),
    };
    let file = fs::File::open(path).map_err(TreeError::io(path, "open"))?;
    within(file.metadata().map_err(TreeError::io(path, "look at it"))?.len())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(TreeError::io(path, "read"))?;
    within(bytes.len() as u64)?;
    Ok(bytes)
}

/// Whether a file has just these bytes.
pub(super) fn holds(path: &Path, bytes: &[u8]) -> Result<bool, TreeError> {
    match look(path)? {
        Found::File { bytes: found } if found == bytes.len() as u64 => Ok(read(path)? == bytes),
        _ => Ok(false),
    }
}

/// Keeps other processes from writing to a folder for as long as what is returned lives. Nobody is kept from anything
/// where the system locks no folders (Windows, some network drives): there is nothing to return then.
pub(super) fn lock(root: &Path) -> Result<Option<fs::File>, TreeError> {
    let Ok(folder) = fs::File::open(root) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(fs::TryLockError::WouldBlock) => Err(TreeError::Busy { path: root.to_owned() }),
        Err(fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// How the names of temporary folders begin.
pub(super) const TEMPORARY: &str = ".sealift-";

/// Where files wait in a temporary folder.
pub(super) const WAITING: &str = "tree";

/// Removes what writers that were killed left in a folder. Only for who has its [`lock`]: then no writer is alive.
pub(super) fn clear(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)).is_some_and(|random| {
            random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let path = entry.path();
        if !ours || !matches!(look(&path), Ok(Found::Folder)) {
            continue;
        }
        let Ok(mut within) = fs::read_dir(&path) else { continue };
        if within.all(|entry| entry.is_ok_and(|entry| entry.file_name() == WAITING)) {
            // What cannot be removed is in nobody's way.
            drop(fs::remove_dir_all(&path));
        }
    }
}

/// Whether a path from a file stays in the tree and means nothing special anywhere.
pub(super) fn is_inside(path: &str) -> bool {
    !path.is_empty() && path.len() <= 4096 && path.split('/').all(names::is_plain)
}

/// A tree's folders, each looked at once: none is a link.
pub(super) struct Folders {
    root: PathBuf,
    /// Those that are there, and are folders.
    known: HashSet<String>,
    /// Those that were not there; until one is made here.
    absent: HashSet<String>,
}

impl Folders {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashSet::new(), absent: HashSet::new() }
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file on the disk.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        path.split('/').fold(self.root.clone(), |folder, name| folder.join(name))
    }

    /// Says whether the folders above a file are all there.
    ///
    /// # Errors
    /// [`TreeError::Unusable`] where one of them is a link or a file.
    pub(super) fn above(&mut self, path: &str) -> Result<bool, TreeError> {
        for (at, _) in path.match_indices('/') {
            let folder = path.get(..at).unwrap_or_default();
            if self.known.contains(folder) {
                continue;
            }
            if self.absent.contains(folder) {
                return Ok(false);
            }
            let place = self.file(folder);
            match look(&place)? {
                Found::Folder => drop(self.known.insert(folder.to_owned())),
                Found::Nothing => {
                    self.absent.insert(folder.to_owned());
                    return Ok(false);
                }
                Found::File { .. } | Found::Other => {
                    let what = "a folder of the tree belongs here, and this is a file or a link".to_owned();
                    return Err(TreeError::Unusable { path: place, what });
                }
            }
        }
        Ok(true)
    }

    /// The outermost folder above a file that is not there.
    pub(super) fn missing<'p>(&mut self, path: &'p str) -> Result<Option<&'p str>, TreeError> {
        for (at, _) in path.match_indices('/') {
            // A folder is there when those above what lies in it are.
            if !self.above(path.get(..=at).unwrap_or_default())? {
                return Ok(path.get(..at));
            }
        }
        Ok(None)
    }

    /// Takes a folder for one that is there: it was put there as a whole.
    pub(super) fn arrived(&mut self, folder: &str) {
        self.absent.clear();
        self.known.insert(folder.to_owned());
    }

    /// Makes the folders above a file.
    pub(super) fn make(&mut self, path: &str) -> Result<(), TreeError> {
        while !self.above(path)? {
            self.absent.clear();
            for (at, _) in path.match_indices('/') {
                let place = self.file(path.get(..at).unwrap_or_default());
                match fs::create_dir(&place) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(TreeError::io(&place, "make the folder")(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes a file, and the folders above it that are empty then.
    pub(super) fn remove(&mut self, path: &str) -> Result<bool, TreeError> {
        if !self.above(path)? {
            return Ok(false);
        }
        let place = self.file(path);
        if !matches!(look(&place)?, Found::File { .. }) {
            return Ok(false);
        }
        fs::remove_file(&place).map_err(TreeError::io(&place, "remove"))?;
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            // Not empty, most often; then it stays.
            if fs::remove_dir(self.file(folder)).is_err() {
                break;
            }
            self.known.remove(folder);
        }
        Ok(true)
    }
}
