//! The file that marks a folder while a writer changes it: who was killed leaves it there, and no reader takes the
//! folder for a tree.
//!
//! Obeys `format-spec/tree-v1.md`, "Writing". It lists what the writer puts there, so that the next one knows which files
//! are no one else's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::document::Value;

use super::disk::{self, Found};
use super::spell::Json;
use super::{TreeError, parse};

/// The file's name, at the root.
pub(super) const INCOMPLETE: &str = "sealift-incomplete.json";

const NOTE: &str = "A conversion into this folder has not ended. Run it again; or restore the folder, and remove this \
                    file.";

/// Puts the file there, by way of another folder: it is never half written. It lists the files to come and those of the
/// earlier tree, for `sealift.json` may be replaced before the last of them is gone.
pub(super) fn begin(
    root: &Path,
    waiting: &Path,
    files: &[String],
    earlier: &BTreeMap<[u8; 16], String>,
) -> Result<(), TreeError> {
    let files = earlier.values().chain(files).map(|path| Json::text(path)).collect();
    let members = vec![("note".to_owned(), Json::text(NOTE)), ("files".to_owned(), Json::List(files))];
    let (beside, place) = (waiting.join(INCOMPLETE), root.join(INCOMPLETE));
    fs::write(&beside, Json::Object(members).pretty()).map_err(TreeError::io(&beside, "write"))?;
    fs::rename(&beside, &place).map_err(TreeError::io(&place, "put it here"))
}

/// Takes the file away: the folder is in one state.
pub(super) fn end(root: &Path) -> Result<(), TreeError> {
    let place = root.join(INCOMPLETE);
    match disk::look(&place)? {
        Found::Nothing => Ok(()),
        _ => fs::remove_file(&place).map_err(TreeError::io(&place, "remove")),
    }
}

/// The files that a writer lists which did not end; anyone may have written what it says.
pub(super) fn read(root: &Path) -> Result<Vec<String>, TreeError> {
    let place = root.join(INCOMPLETE);
    let Found::File { .. } = disk::look(&place)? else { return Ok(Vec::new()) };
    let Ok(Value::Map(mut map)) = parse::json(&disk::read(&place)?) else { return Ok(Vec::new()) };
    let Some(Value::List(files)) = map.remove("files") else { return Ok(Vec::new()) };
    Ok(files.iter().filter_map(Value::as_text).map(str::to_owned).collect())
}
