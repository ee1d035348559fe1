//! The description of a product, as data: its kinds of document, their tables, natural keys, references,
//! secrets, merge rules and what values must be.
//!
//! A [`Model`] is read from TOML and checked when it is loaded ([`Model::parse`]); what gets through is
//! consistent, so no later layer has to doubt it. Places are JSONPath (RFC 9535, the subset of
//! [`Pattern`]) in a kind's JSON, or the names of columns. The model reads no server.
//!
//! The language is described at the head of `octopus.toml`, the built-in model.

mod blob;
mod check;
mod file;
mod identity;
mod kind;
mod maintenance;
mod notes;
mod pattern;
mod places;
mod scope;
mod scripts;
mod sets;
mod values;
mod vendor;
mod walk;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

pub use check::{LoadError, Problem};
pub use kind::{
    Alias, Composed, Derived, DerivedRows, Duplicates, Form, IdRule, KeyColumn, Kind, Local, LocalUpdate,
    Merge, MergeRule, Missing, NewId, NewLocal, NewPartId, Part, ReferenceRule, RowFilter, SecretForm,
    SecretRule, Target, TypeVersions, Typed, Types,
};
pub use maintenance::{MaintenanceRule, RunningRule};
pub use notes::NoteRule;
pub(crate) use pattern::pick;
pub use pattern::{Pattern, PatternError};
pub use scripts::{NamedScript, Script, ScriptRule};
pub use sets::{SetRule, sorted_set};
pub use values::{ValueRule, ValueType};
pub use vendor::VendorType;
pub use walk::{Direction, Keep, Rule};

use crate::document::{Collation, KindName};
use crate::text::input;

/// How the product encrypts secrets in its own database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// The product has no encrypted values.
    None,
    /// AES-CBC under a master key, as text `base64|base64`.
    Octopus,
}

/// Where the product says which version it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRule {
    /// The table that records installations.
    pub table: String,
    /// The column that holds the version.
    pub column: String,
    /// The column whose largest value marks the newest row.
    pub newest_by: String,
}

/// The table from which the product takes numbers for new ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationRule {
    /// The table.
    pub table: String,
    /// The column that names the collection.
    pub name: String,
    /// The column that holds the last number given out.
    pub last: String,
}

/// A table that is known and not carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftTable {
    /// The table.
    pub table: String,
    /// Why it stays behind, for people.
    pub why: String,
}

/// The description of a product.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its short name, recorded in bundles.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// How names compare.
    pub collation: Collation,
    /// How secrets are encrypted at rest.
    pub cipher: Cipher,
    /// Text that holds one of these at a reference's place is no id: it is left as it is.
    pub verbatim: Vec<String>,
    /// The column that holds a kind's JSON compressed, instead of its `body` column or beside it: gzip of
    /// UTF-16LE. Tables may lack it.
    pub blob: Option<String>,
    /// Where the product's version is found.
    pub version: Option<VersionRule>,
    /// Where numbers for new ids come from.
    pub allocation: Option<AllocationRule>,
    /// Where the product says that it is in maintenance mode.
    pub maintenance: Option<MaintenanceRule>,
    /// Where the product keeps the tasks that wait or run.
    pub running: Option<RunningRule>,
    /// The kind (its position) that other documents belong to, where the product has one.
    pub scope: Option<usize>,
    /// Tables that are known and not carried.
    pub left: Vec<LeftTable>,
    /// BLAKE3 of the model's text: says whether two bundles were made by one description.
    pub digest: [u8; 32],
    /// Documents that declare what the values of others are.
    pub types: Vec<Types>,
    /// How files with scripts end, by the name of their language.
    pub syntaxes: BTreeMap<String, String>,
    kinds: Vec<Kind>,
    by_name: HashMap<String, Target>,
    key_order: Vec<usize>,
}

/// The text of the built-in model; its head explains the language.
pub const OCTOPUS_TOML: &str = include_str!("octopus.toml");

/// The tables of an Octopus Server before spaces (2018), as SQL for an embedded server.
pub const OCTOPUS_2018_SQL: &str = include_str!("octopus-2018.sql");

/// The tables of an Octopus Server with spaces (2019.1 and later), as SQL for an embedded server.
pub const OCTOPUS_SPACES_SQL: &str = include_str!("octopus-spaces.sql");

/// The tables of an Octopus Server of 2026 as SQL for an embedded server: those with spaces, and what is inferred to
/// have come since.
pub const OCTOPUS_2026_SQL: &str =
    concat!(include_str!("octopus-spaces.sql"), "\n", include_str!("octopus-2026.sql"));

/// So many targets are looked for by an id that begins as none of their ids does.
const FEW_TARGETS: usize = 8;

impl Model {
    /// The model of Octopus Deploy that is built in.
    ///
    /// # Errors
    /// Never for a released build: a test loads it.
    pub fn octopus() -> Result<Self, LoadError> {
        Self::parse(OCTOPUS_TOML, "octopus.toml (built in)")
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// [`LoadError`], with file, line and reason.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let name = path.display().to_string();
        let text = input::read_text(path, input::MAX_TEXT_FILE_BYTES)
            .map_err(|source| LoadError::Read { file: name.clone(), source })?;
        Self::parse(&text, &name)
    }

    /// Reads a model from text; `file` names it in errors.
    ///
    /// # Errors
    /// [`LoadError`], with file, line and reason.
    pub fn parse(text: &str, file: &str) -> Result<Self, LoadError> {
        check::load(text, file)
    }

    /// The kinds, in the order of the file.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Finds a kind by its name, without regard to case.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name.as_str().eq_ignore_ascii_case(name))
    }

    /// Finds what a reference's kind name means: a kind, or a part of one. Names are exact.
    pub fn target(&self, name: &KindName) -> Option<Target> {
        self.by_name.get(name.as_str()).copied()
    }

    /// The kind at a position of [`Model::kinds`].
    pub fn kind_at(&self, index: usize) -> Option<&Kind> {
        self.kinds.get(index)
    }

    /// Positions of the kinds so that each comes after the kinds its key runs through.
    pub fn key_order(&self) -> &[usize] {
        &self.key_order
    }

    /// The name of a reference's target.
    pub fn target_name(&self, target: Target) -> Option<&KindName> {
        match target {
            Target::Kind(kind) => self.kinds.get(kind).map(|k| &k.name),
            Target::Part { kind, part } => self.kinds.get(kind)?.parts.get(part).map(|p| &p.name),
        }
    }

    /// Those of some targets that an id can lead to, as its beginning tells. Where it tells nothing, all of a few
    /// targets; of many those whose ids have no beginning of their own, which may be none: lists of any text
    /// would else be looked for in every table.
    pub fn likely<'t>(&self, targets: &'t [Target], id: &str) -> Cow<'t, [Target]> {
        if targets.len() < 2 {
            return Cow::Borrowed(targets);
        }
        let that = |may: &dyn Fn(Target) -> bool| -> Vec<Target> {
            targets.iter().filter(|target| may(**target)).copied().collect()
        };
        let likely = that(&|target| self.begins_like(target, id));
        match likely.is_empty() {
            false => Cow::Owned(likely),
            true if targets.len() <= FEW_TARGETS => Cow::Borrowed(targets),
            true => Cow::Owned(that(&|target| self.may_begin_so(target, id))),
        }
    }

    /// Whether an id may be one of a target's although it begins otherwise than those do.
    fn may_begin_so(&self, target: Target, id: &str) -> bool {
        let rule = self.kinds.get(target.kind()).and_then(|kind| kind.id.as_ref());
        rule.is_some_and(|rule| {
            rule.is_fixed(id) || matches!(rule.new, NewId::Guid | NewId::Keep | NewId::Next)
        })
    }

    fn begins_like(&self, target: Target, id: &str) -> bool {
        let head = match self.kinds.get(target.kind()).and_then(|kind| kind.id.as_ref()).map(|id| &id.new) {
            Some(NewId::Allocate { prefix, .. }) => prefix.as_str(),
            Some(NewId::Compose(composed)) => composed.head.as_str(),
            _ => return false,
        };
        id.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head))
    }

    /// Says whether documents of any kind may hold secrets.
    pub fn has_secrets(&self) -> bool {
        self.kinds.iter().any(|kind| !kind.secrets.is_empty())
    }

    /// Says whether text at a reference's place is to be left as it is.
    pub fn is_verbatim(&self, text: &str) -> bool {
        text.is_empty() || self.verbatim.iter().any(|mark| text.contains(mark.as_str()))
    }
}

#[cfg(test)]
mod octopus_tests;
#[cfg(test)]
mod tests;
