//! `merge`: bundles of several servers joined into one, document by document.
//!
//! Documents are one by kind and natural key, as an import finds them. What is the same everywhere is taken
//! once; what differs is a conflict, which somebody decides or nothing is written. (What an import joins within
//! a document, by the model's merge rules, is [`crate::plan::merge()`], and another matter.)
//!
//! Nothing of one server is taken for another's: references are names; a reference that names nothing at home
//! stays as it is, though another input may have a document of that id; and source ids are left out, but for
//! those that mean the same on every server.

use std::collections::HashSet;

use compare::Comparison;
use groups::Grouping;
use prefer::Preferences;
use spelling::Spelling;

use crate::bundle::{Header, Summary};
use crate::document::{Key, KindName};
use crate::model::Model;
use crate::progress::Progress;

mod compare;
mod error;
mod groups;
mod input;
mod prefer;
mod spelling;
mod write;

pub use compare::{Conflict, ConflictVersion};
pub use error::MergeError;
pub use input::MergeInput;
pub use prefer::input_named;

/// How bundles are joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeOptions {
    /// Which input is right where several differ: `INPUT`, `KIND=INPUT` or `KIND/NAME=INPUT`. An input is named
    /// by its path as it was given, its file name, that without its ending, or its number from 1.
    pub prefer: Vec<String>,
    /// Leave the values of secrets out, and do not compare them.
    pub no_secrets: bool,
    /// Join bundles of different versions of the product, or of the model.
    pub ignore_version: bool,
}

/// How many documents of a kind the output has, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedKind {
    /// The kind.
    pub kind: KindName,
    /// How many there are.
    pub documents: u64,
    /// How many of them several inputs have.
    pub shared: u64,
    /// How many of them each input has.
    pub held: Vec<u64>,
    /// How many of them were taken from each input.
    pub taken: Vec<u64>,
}

/// A document of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedDocument {
    /// Its kind.
    pub kind: KindName,
    /// Its key, as the output spells it.
    pub key: Key,
    /// The input it is taken from.
    pub from: usize,
    /// All inputs that have it.
    pub inputs: Vec<usize>,
}

/// What a merge wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeReport {
    /// The bundle that was written.
    pub summary: Summary,
    /// How many references name a part of a document (a tag of a tag set) that only versions have that were not
    /// taken. The bundle's notices say which.
    pub lost_parts: u64,
}

/// Bundles that were compared and can be joined, unless a conflict is undecided.
pub struct Merge<'a> {
    inputs: &'a [MergeInput<'a>],
    model: &'a Model,
    labels: Vec<String>,
    preferences: Preferences,
    spelling: Spelling,
    header: Header,
    secrets: bool,
    kinds: Vec<MergedKind>,
    conflicts: Vec<Conflict>,
    lost: HashSet<(KindName, String)>,
    notices: Vec<String>,
}

impl<'a> Merge<'a> {
    /// Compares bundles and finds every conflict. Writes nothing.
    ///
    /// # Errors
    /// [`MergeError`]: inputs that do not go together, preferences that mean nothing, and what reading comes
    /// upon. Conflicts are no error here.
    pub fn examine(
        inputs: &'a [MergeInput<'a>],
        model: &'a Model,
        options: &MergeOptions,
        progress: &dyn Progress,
    ) -> Result<Self, MergeError> {
        let labels = labels(inputs);
        let secrets = !options.no_secrets;
        let locked = |input: &MergeInput<'_>| {
            secrets && input.documents.sealed() > 0 && !input.documents.opens_secrets()
        };
        if let Some(locked) = inputs.iter().position(locked) {
            return Err(MergeError::Locked { input: labels.get(locked).cloned().unwrap_or_default() });
        }
        let mut notices = Vec::new();
        let header = header(inputs, &labels, model, options.ignore_version, &mut notices)?;
        let preferences = Preferences::parse(&options.prefer, inputs)?;
        let names = kinds(inputs, model);
        let grouping = Grouping::new(inputs, &labels, model, &preferences);
        let mut spelling = Spelling::new(model.collation);
        progress.phase("reading the names", None);
        for kind in &names {
            grouping.learn(kind, &mut spelling, progress)?;
        }
        let all = inputs.iter().flat_map(|input| input.documents.kinds());
        progress.phase("comparing", all.map(|kind| kind.documents).sum());
        let mut comparison = Comparison::new(&grouping, spelling, secrets);
        let mut merged = Vec::new();
        for kind in &names {
            let groups = grouping.groups(kind, &comparison.spelling, progress)?;
            let none = || vec![0; inputs.len()];
            let (documents, shared) = (groups.len() as u64, 0);
            let mut counts =
                MergedKind { kind: kind.clone(), documents, shared, held: none(), taken: none() };
            for group in groups.iter(&grouping, kind) {
                progress.check()?;
                let count = |counts: &mut Vec<u64>, input: usize| {
                    counts.iter_mut().skip(input).take(1).for_each(|count| *count += 1);
                };
                group.documents.iter().for_each(|(input, _)| count(&mut counts.held, *input));
                if let Some((input, _)) = group.documents.get(group.chosen) {
                    count(&mut counts.taken, *input);
                }
                if group.documents.len() > 1 {
                    counts.shared += 1;
                    comparison.compare(kind, &group)?;
                }
                progress.advance(group.documents.len() as u64, 0);
            }
            merged.push(counts);
        }
        let Comparison { mut spelling, mut conflicts, lost, .. } = comparison;
        spelling.settle();
        merged.sort_by(|a, b| a.kind.cmp(&b.kind));
        conflicts.sort_by_cached_key(|conflict| (conflict.kind.clone(), conflict.key.to_text()));
        Ok(Self {
            inputs,
            model,
            labels,
            preferences,
            spelling,
            header,
            secrets,
            kinds: merged,
            conflicts,
            lost,
            notices,
        })
    }

    /// What the inputs are called in the answer, in their order: by file name, or by path where two share it.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What the output says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the output has values of secrets, and needs a password.
    pub fn has_values(&self) -> bool {
        self.secrets && self.inputs.iter().any(|input| input.documents.sealed() > 0)
    }

    /// All conflicts, decided or not, by kind and key.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// How many conflicts nobody decided.
    pub fn undecided(&self) -> usize {
        self.conflicts.iter().filter(|conflict| conflict.chosen.is_none()).count()
    }

    /// The kinds of the output, by name.
    pub fn kinds(&self) -> &[MergedKind] {
        &self.kinds
    }

    /// What people should know and what stops nothing.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Hands out what the output would hold, kind by kind.
    ///
    /// # Errors
    /// The first error that reading, or `see`, comes upon.
    pub fn each<E: From<MergeError>>(
        &self,
        progress: &dyn Progress,
        see: &mut dyn FnMut(MergedDocument) -> Result<(), E>,
    ) -> Result<(), E> {
        let grouping = self.grouping();
        for kind in self.kinds.iter().map(|merged| &merged.kind) {
            let groups = grouping.groups(kind, &self.spelling, progress)?;
            for group in groups.iter(&grouping, kind) {
                let Some((from, number)) = group.documents.get(group.chosen).copied() else { continue };
                let key = grouping.entry(from, number)?.key;
                let key = self.spelling.key(kind, &key).unwrap_or(key);
                let inputs = group.documents.iter().map(|(input, _)| *input).collect();
                see(MergedDocument { kind: kind.clone(), key, from, inputs })?;
            }
        }
        Ok(())
    }

    fn grouping(&self) -> Grouping<'_> {
        Grouping::new(self.inputs, &self.labels, self.model, &self.preferences)
    }
}

impl std::fmt::Debug for Merge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merge").field("inputs", &self.labels).finish_non_exhaustive()
    }
}

/// What inputs are called: by file name, or by path where two share it.
fn labels(inputs: &[MergeInput<'_>]) -> Vec<String> {
    let name =
        |input: &MergeInput<'_>| input.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let label = |input: &MergeInput<'_>| {
        let own = name(input);
        let shared = inputs.iter().filter(|other| name(other) == own).count() > 1;
        own.filter(|_| !shared).unwrap_or_else(|| input.path.display().to_string())
    };
    inputs.iter().map(label).collect()
}

/// The kinds that any input has: those that keys run through before those whose keys do.
fn kinds(inputs: &[MergeInput<'_>], model: &Model) -> Vec<KindName> {
    let mut rest: Vec<&str> =
        inputs.iter().flat_map(|input| input.documents.kinds()).map(|kind| kind.name.as_str()).collect();
    rest.sort_unstable();
    rest.dedup();
    let mut names = Vec::with_capacity(rest.len());
    for kind in model.key_order().iter().filter_map(|kind| model.kind_at(*kind)) {
        rest.retain(|name| {
            let is = *name == kind.name.as_str();
            if is {
                names.push(kind.name.clone());
            }
            !is
        });
    }
    names.extend(rest.into_iter().map(KindName::new));
    names
}

/// What the output says about itself, where the inputs go together.
fn header(
    inputs: &[MergeInput<'_>],
    labels: &[String],
    model: &Model,
    ignore_version: bool,
    notices: &mut Vec<String>,
) -> Result<Header, MergeError> {
    let all = || inputs.iter().map(|input| input.documents.header()).zip(labels);
    let Some((first, left)) = all().next() else { return Err(MergeError::NoInputs) };
    let left = left.clone();
    for (header, label) in all() {
        if header.model != first.model {
            return Err(MergeError::TwoModels {
                left,
                left_model: first.model.clone(),
                right: label.clone(),
                right_model: header.model.clone(),
            });
        }
    }
    if first.model != model.name {
        let (theirs, ours) = (first.model.clone(), model.name.clone());
        return Err(MergeError::OtherModel { input: left, theirs, ours });
    }
    // One digest stands for all documents: where they disagree it is one that a reader wonders about.
    let mut digest = first.model_digest;
    let mut versions: Vec<(&str, &String)> = Vec::new();
    for (header, label) in all() {
        if header.model_digest != first.model_digest {
            if !ignore_version {
                let (right, model) = (label.clone(), model.name.clone());
                return Err(MergeError::ModelVersions { left, right, model });
            }
            if digest == model.digest {
                digest = header.model_digest;
            }
        }
        let Some(version) = header.product_version.as_deref() else { continue };
        match versions.first() {
            Some((known, of)) if *known != version && !ignore_version => {
                return Err(MergeError::ProductVersions {
                    left: (*of).clone(),
                    left_version: (*known).to_owned(),
                    right: label.clone(),
                    right_version: version.to_owned(),
                    title: model.title.clone(),
                });
            }
            _ if versions.iter().any(|(known, _)| *known == version) => {}
            _ => versions.push((version, label)),
        }
    }
    if digest != model.digest {
        notices.push(format!(
            "a bundle was made with another version of the model {:?}; kinds may be described differently",
            model.name
        ));
    }
    if versions.len() > 1 {
        let each: Vec<String> = versions.iter().map(|(version, of)| format!("{of} {version}")).collect();
        notices.push(format!(
            "the bundles are of different versions of {}: {}",
            model.title,
            each.join(", ")
        ));
    }
    // A text that is no server's version: whoever imports is asked about it, as for any other version.
    let versions: Vec<&str> = versions.iter().map(|(version, _)| *version).collect();
    let version = (!versions.is_empty()).then(|| versions.join(", "));
    let mut header = Header::new(model.name.clone(), digest, version);
    header.server = one_server(inputs);
    header.options = match inputs {
        [_] => first.options.clone(),
        _ => {
            let told = all().map(|(header, label)| match &header.options {
                Some(options) => format!("{label} ({options})"),
                None => label.clone(),
            });
            Some(format!("merge of {}", told.collect::<Vec<_>>().join(", ")))
        }
    };
    Ok(header)
}

/// The server that all documents come from, where it has a name and is one.
fn one_server(inputs: &[MergeInput<'_>]) -> Option<String> {
    let mut servers = inputs.iter().map(|input| input.documents.header().server.as_ref());
    let first = servers.next().flatten()?;
    servers.all(|server| server == Some(first)).then(|| first.clone())
}
