//! What goes wrong with a tree, and what is found wrong in one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::progress::Cancelled;

/// Something in a tree that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the tree's root, with `/` between folders.
    pub file: String,
    /// The place in it, if it is about one: a member, a column, a path into the JSON.
    pub place: Option<String>,
    /// What is wrong there. Never a value.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {place}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// How many findings are told one by one.
const TOLD: usize = 1000;

/// All that is wrong with a tree: the first thousand, and how many more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Sorted by file as the tree was read.
    pub found: Vec<Finding>,
    /// How many there are beyond these.
    pub beyond: u64,
}

impl Findings {
    /// Takes note of one.
    pub fn add(&mut self, file: &str, place: Option<String>, text: impl Into<String>) {
        if self.found.len() < TOLD {
            self.found.push(Finding { file: file.to_owned(), place, text: text.into() });
        } else {
            self.beyond += 1;
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Takes those of another look.
    pub(crate) fn append(&mut self, others: Findings) {
        self.beyond += others.beyond;
        others.found.into_iter().for_each(|Finding { file, place, text }| self.add(&file, place, text));
    }

    /// The first of them as text.
    pub(crate) fn first(&self) -> String {
        self.found.first().map(ToString::to_string).unwrap_or_default()
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.found.len() as u64 + self.beyond
    }
}

/// Why a tree could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The operating system refused something.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The folder is no tree.
    #[error("{}: not a tree: it has no sealift.json", path.display())]
    NotATree {
        /// The folder.
        path: PathBuf,
    },
    /// A writer was ended in the middle, or is at work: the folder holds files of two states.
    #[error("{}: a conversion into this folder did not end; it may hold files of two exports", path.display())]
    Incomplete {
        /// The folder.
        path: PathBuf,
    },
    /// The tree's format is newer than this program.
    #[error("{}: tree format {found} is newer than this program, which knows format 1", path.display())]
    TooNew {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// Another process writes to the folder, or has made it meanwhile.
    #[error("{}: another process is writing to it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// What is found at the destination is in no state to be updated.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The tree holds what cannot be taken.
    #[error("{}: {} things are wrong, the first: {}", path.display(), findings.total(), findings.first())]
    Findings {
        /// The tree.
        path: PathBuf,
        /// All of them.
        findings: Findings,
    },
    /// The tree has more files than a bundle may have documents.
    #[error("{}: more than {limit} files", path.display())]
    TooMany {
        /// The tree.
        path: PathBuf,
        /// The most there may be.
        limit: u64,
    },
    /// Files that somebody else made are where documents belong.
    #[error("{}: {total} files are in the way that this tree did not write, the first is {first}", path.display())]
    InTheWay {
        /// The folder.
        path: PathBuf,
        /// The first of them.
        first: String,
        /// How many there are.
        total: u64,
    },
    /// Something is beyond what is taken on.
    #[error("{}: {found} bytes are over the limit of {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The most it may have.
        limit: u64,
    },
    /// Documents hold what files of a tree cannot say, or what its reader refuses.
    #[error("{}: a folder cannot hold {} of the documents' values, the first: {}", path.display(), findings.total(), findings.first())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// All of them. In place of a file each names its document: the kind, a blank, the text of the key.
        findings: Findings,
    },
    /// Documents would be removed of which the new content does not say that they are gone.
    #[error("{}: {total} documents would be removed that this export did not look for or could not read, the first is {first}", path.display())]
    NotCovered {
        /// The folder.
        path: PathBuf,
        /// The file of the first of them.
        first: String,
        /// How many there are.
        total: u64,
    },
    /// It ended while files were put into their places: these are new, all others are as they were.
    #[error("only {} of {total} files were written: {}", written.len(), written.join(", "))]
    Partly {
        /// The files that are new.
        written: Vec<String>,
        /// How many there were to be.
        total: usize,
        /// Why it ended.
        source: Box<TreeError>,
    },
    /// The listener asked for an end.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl TreeError {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| TreeError::Io { path: path.to_owned(), action, source }
    }
}
