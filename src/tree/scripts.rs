//! The files that scripts lie in: what they are called.
//!
//! Obeys `format-spec/tree-v1.md`, "Scripts".

use std::collections::{HashMap, HashSet};

use crate::document::{Document, Place, Value};
use crate::model::{Kind, Model};
use crate::text::input::BYTE_ORDER_MARK;

use super::names::{self, MARK};
use super::spell::ScriptFile;

/// Bytes of a document's path and a script's label together.
const MAX_BYTES: usize = 160;
/// What is shown of a label that does not fit, or that others have too.
const SHOWN_BYTES: usize = 40;

/// A script of a document.
pub(super) struct Extracted {
    pub(super) place: Place,
    /// The file's name, in the document's folder.
    pub(super) file: String,
    pub(super) text: String,
}

/// The scripts of a document that lies at `path`.
pub(super) fn extract(model: &Model, kind: &Kind, document: &Document, path: &str) -> Vec<Extracted> {
    let Some(body) = &document.body else { return Vec::new() };
    let scripts = model.scripts(kind, body);
    let whole = path.strip_suffix(".json").unwrap_or(path);
    let stem = whole.rsplit('/').next().unwrap_or(whole);
    let labels: Vec<String> =
        scripts.iter().map(|script| names::escape(script.label.as_deref().unwrap_or("script"))).collect();
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    for (script, label) in scripts.iter().zip(&labels) {
        let folded = names::fold(&format!("{label}.{}", script.extension));
        if !seen.insert(folded.clone()) {
            twice.insert(folded);
        }
    }
    let mut extracted = Vec::new();
    for (script, label) in scripts.into_iter().zip(labels) {
        let Some(Value::Text(text)) = document.at(&script.place) else { continue };
        // At the beginning of a file it would be a byte order mark, which readers remove.
        if text.starts_with(BYTE_ORDER_MARK) {
            continue;
        }
        let clashes = twice.contains(&names::fold(&format!("{label}.{}", script.extension)));
        let label = if clashes || whole.len() + label.len() > MAX_BYTES {
            let (key, place) = (document.key.to_text(), script.place.to_string());
            let hash = names::hash(&[document.kind.as_str().as_bytes(), key.as_bytes(), place.as_bytes()]);
            format!("{}{MARK}{}", names::beginning(&label, SHOWN_BYTES), names::digits(hash))
        } else {
            label
        };
        let file = format!("{stem}{MARK}{label}.{}", script.extension);
        extracted.push(Extracted { place: script.place, file, text: text.clone() });
    }
    extracted
}

/// What stands in a document for its scripts.
pub(super) fn markers(scripts: &[Extracted], copy: bool) -> HashMap<Place, ScriptFile> {
    let marker = |script: &Extracted| (script.place.clone(), ScriptFile { name: script.file.clone(), copy });
    scripts.iter().map(marker).collect()
}
