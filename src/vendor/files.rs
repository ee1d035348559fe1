//! The files below an export folder, one after the other, each read within limits.

use std::ffi::OsString;
use std::fs::{File, FileType};
use std::io::Read as _;
use std::path::Path;

use crate::document::{Map, Value, json};

use super::{ExportFolder, Finding, METADATA, VendorError};

/// A document as its file holds it.
#[derive(Debug, Clone)]
pub struct VendorDocument {
    /// The file, from the folder on, with `/` between folders.
    pub file: String,
    /// The bare name of its class: `Project`.
    pub class: String,
    /// All members but the `$type` at the top.
    pub members: Map,
}

/// What a file is.
#[derive(Debug)]
pub enum Entry {
    /// A document.
    Document(VendorDocument),
    /// No document: a script, a logo, a log. The file, from the folder on.
    Other(String),
    /// Something that cannot be read, or not be trusted.
    Finding(Finding),
}

impl ExportFolder {
    /// Shows every file below the folder, in the order of their names, folders after the files beside them.
    /// `metadata.json` at the top is not shown.
    ///
    /// # Errors
    /// [`VendorError::TooMany`], [`VendorError::Read`] for the folder itself, and what `see` returns.
    pub fn each<E: From<VendorError>>(&self, see: &mut dyn FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        let mut entries = 0;
        let mut open = vec![(self.path.clone(), String::new(), 0)];
        while let Some((folder, shown, depth)) = open.pop() {
            let listed = match list(&folder, self.limits.entries.saturating_sub(entries)) {
                Ok(Some(listed)) => listed,
                Ok(None) => {
                    let limit = self.limits.entries;
                    return Err(VendorError::TooMany { path: self.path.clone(), limit }.into());
                }
                Err(source) if depth == 0 => return Err(VendorError::Read { path: folder, source }.into()),
                Err(error) => {
                    see(finding(shown, format!("cannot be read: {error}")))?;
                    continue;
                }
            };
            entries += listed.len() as u64;
            let mut below = Vec::new();
            for (name, kind) in listed {
                let path = folder.join(&name);
                let name = name.to_string_lossy().into_owned();
                let shown = if shown.is_empty() { name } else { format!("{shown}/{name}") };
                if kind.is_dir() && depth < self.limits.depth {
                    below.push((path, shown, depth + 1));
                } else if kind.is_dir() {
                    let problem = format!("lies deeper than {} folders", self.limits.depth);
                    see(finding(shown, problem))?;
                } else if shown != METADATA {
                    see(self.entry(&path, shown, kind))?;
                }
            }
            open.extend(below.into_iter().rev());
        }
        Ok(())
    }

    fn entry(&self, path: &Path, shown: String, kind: FileType) -> Entry {
        if kind.is_symlink() {
            return finding(shown, "is a link, and links are not followed");
        }
        if !kind.is_file() {
            return finding(shown, "is neither a file nor a folder");
        }
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return Entry::Other(shown);
        }
        let bytes = match read(path, self.limits.file_bytes) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return finding(shown, format!("is larger than {} bytes", self.limits.file_bytes));
            }
            Err(error) => return finding(shown, format!("cannot be read: {error}")),
        };
        if std::str::from_utf8(&bytes).is_err() {
            return finding(shown, "is not UTF-8 text");
        }
        let mut members = match json::parse(&bytes) {
            Ok(Value::Map(members)) => members,
            Ok(_) => return Entry::Other(shown),
            Err(error) => return finding(shown, error.to_string()),
        };
        match members.remove("$type").as_ref().map(class) {
            Some(Some(class)) => {
                Entry::Document(VendorDocument { file: shown, class: class.to_owned(), members })
            }
            Some(None) => finding(shown, "its $type names no class"),
            // Without an id it never was a document: a script, say, that is JSON.
            None if members.get("Id").is_none() => Entry::Other(shown),
            None => finding(shown, "has an Id and no $type"),
        }
    }
}

fn finding(file: String, problem: impl Into<String>) -> Entry {
    Entry::Finding(Finding { file, place: None, problem: problem.into() })
}

/// Lists a folder by name; `None` where it holds more than `most`.
fn list(folder: &Path, most: u64) -> std::io::Result<Option<Vec<(OsString, FileType)>>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if found.len() as u64 >= most {
            return Ok(None);
        }
        // Of the entry itself: a link is a link.
        found.push((entry.file_name(), entry.file_type()?));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(found))
}

/// Reads a file; `None` where it holds more than `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// The bare name of the class that a `$type` names: what follows the last dot or plus, up to its assembly and
/// its type arguments.
pub(super) fn class(value: &Value) -> Option<&str> {
    let text = value.as_text()?;
    let full = text.split([',', '[', '`']).next()?;
    let bare = full.rsplit(['.', '+']).next()?.trim();
    (!bare.is_empty()).then_some(bare)
}
