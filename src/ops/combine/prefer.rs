//! `--prefer`: which input is right where several differ.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::ops::documents::named::named;

use super::error::MergeError;
use super::input::MergeInput;

/// How many namesakes an error lists.
const NAMESAKES: usize = 20;

/// What was preferred, found in the inputs.
#[derive(Debug, Default)]
pub(super) struct Preferences {
    /// For documents, by input and number: which preference it was.
    documents: HashMap<(usize, u64), usize>,
    /// For kinds.
    kinds: HashMap<String, Vec<usize>>,
    /// For everything.
    all: Vec<usize>,
}

impl Preferences {
    /// Reads `INPUT`, `KIND=INPUT` and `KIND/NAME=INPUT`.
    ///
    /// Paths and names may hold a `=`: a text that is an input as a whole is one, and otherwise the last `=`
    /// behind which an input stands divides.
    pub fn parse(texts: &[String], inputs: &[MergeInput<'_>]) -> Result<Self, MergeError> {
        let mut preferences = Self::default();
        for (order, text) in texts.iter().enumerate() {
            if let Some(input) = input_of(text, text, inputs)? {
                preferences.all.push(input);
                continue;
            }
            let mut divided = None;
            for (at, _) in text.rmatch_indices('=') {
                let (Some(what), Some(name)) = (text.get(..at), text.get(at + 1..)) else { continue };
                if let Some(input) = input_of(text, name, inputs)? {
                    divided = Some((what, input));
                    break;
                }
            }
            let Some((what, input)) = divided else {
                let there: Vec<String> = inputs.iter().map(|i| i.path.display().to_string()).collect();
                return Err(MergeError::NoSuchInput { text: text.clone(), there: there.join(", ") });
            };
            preferences.add(order, text, what, input, inputs)?;
        }
        Ok(preferences)
    }

    fn add(
        &mut self,
        order: usize,
        text: &str,
        what: &str,
        input: usize,
        inputs: &[MergeInput<'_>],
    ) -> Result<(), MergeError> {
        let Some(MergeInput { documents, path }) = inputs.get(input) else { return Ok(()) };
        let (kind, name) = what.split_once('/').map_or((what, None), |(kind, name)| (kind, Some(name)));
        let (text, place) = (text.to_owned(), path.display().to_string());
        let known = documents.kinds().iter().find(|known| known.name.as_str().eq_ignore_ascii_case(kind));
        let Some(known) = known else {
            return Err(MergeError::NoSuchKind { text, input: place, kind: kind.to_owned() });
        };
        let Some(name) = name else {
            self.kinds.entry(known.name.to_string()).or_default().push(input);
            return Ok(());
        };
        match named(&**documents, known.name.as_str(), name)?.as_slice() {
            [] => {
                let (kind, name) = (known.name.to_string(), name.to_owned());
                Err(MergeError::NoSuchDocument { text, input: place, kind, name })
            }
            [number] => {
                self.documents.entry((input, *number)).or_insert(order);
                Ok(())
            }
            several => {
                let mut names = Vec::new();
                for number in several.iter().take(NAMESAKES) {
                    names.push(documents.entry(*number)?.key.to_string());
                }
                Err(MergeError::SeveralDocuments { text, input: place, several: names.join("; ") })
            }
        }
    }

    /// Which of the documents that several inputs have for one is preferred: its position among them. What was
    /// said of the document counts before what was said of its kind, and that before what was said of all; of
    /// one rank the first counts whose input has the document.
    pub fn choose(&self, kind: &str, documents: &[(usize, u64)]) -> Option<usize> {
        let place_of = |input: &usize| documents.iter().position(|(i, _)| i == input);
        let ranked = documents.iter().enumerate();
        let one = ranked.filter_map(|(at, document)| Some((*self.documents.get(document)?, at))).min();
        one.map(|(_, at)| at)
            .or_else(|| self.kinds.get(kind)?.iter().find_map(place_of))
            .or_else(|| self.all.iter().find_map(place_of))
    }
}

/// Finds the input that a text names: by its path as it was given, by its file name, by that without its ending,
/// or by its number from 1; whichever is found first. `None` where there is none.
///
/// # Errors
/// The paths of all inputs that it could mean.
pub fn input_named(text: &str, paths: &[&Path]) -> Result<Option<usize>, Vec<PathBuf>> {
    if let Some(given) = paths.iter().position(|path| path.as_os_str() == text) {
        return Ok(Some(given));
    }
    for part in [Path::file_name, Path::file_stem] {
        let fits = |path: &Path| part(path).is_some_and(|name| name == text);
        let mut found: Vec<(usize, &Path)> =
            paths.iter().copied().enumerate().filter(|(_, path)| fits(path)).collect();
        // One file given twice is one.
        found.dedup_by(|a, b| a.1 == b.1);
        match found.as_slice() {
            [] => {}
            [(one, _)] => return Ok(Some(*one)),
            several => return Err(several.iter().map(|(_, path)| path.to_path_buf()).collect()),
        }
    }
    let number: Option<usize> = text.parse().ok();
    Ok(number.and_then(|number| number.checked_sub(1)).filter(|position| *position < paths.len()))
}

fn input_of(whole: &str, text: &str, inputs: &[MergeInput<'_>]) -> Result<Option<usize>, MergeError> {
    let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
    input_named(text, &paths).map_err(|several| {
        let several: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
        MergeError::SeveralInputs { text: whole.to_owned(), several: several.join(", ") }
    })
}
