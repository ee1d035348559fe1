//! Which documents of a bundle an import takes, and what it does where the target has them otherwise: by kinds and
//! names, by kind, or one by one from a list that somebody edited.
//!
//! What is left out still takes part in finding ids where the target has it. What it leaves without a document to
//! refer to is a finding like any other.

use std::collections::{BTreeMap, HashMap, HashSet};

use wildmatch::WildMatch;

use crate::bundle::Bundle;
use crate::document::{Collation, Key, KindName};
use crate::model::{Kind, Model};
use crate::plan::{Action, Entry, Finding, Plan, Policy};
use crate::progress::Progress;

use super::error::ImportError;
use super::options::{ImportOptions, Listed};

/// A choice of documents by their kinds and names: `KIND` or `KIND/NAME`, with `*` and `?`.
struct Pattern<'t> {
    text: &'t str,
    kind: WildMatch,
    name: Option<WildMatch>,
}

impl<'t> Pattern<'t> {
    fn new(text: &'t str) -> Self {
        let glob = |text: &str| WildMatch::new_case_insensitive(text.trim());
        match text.split_once('/') {
            Some((kind, name)) => Self { text, kind: glob(kind), name: Some(glob(name)) },
            None => Self { text, kind: glob(text), name: None },
        }
    }

    /// Says whether a document is meant: by its innermost name, or by its name with all scopes before it.
    fn means(&self, kind: &str, key: &Key) -> bool {
        let named = |name: &WildMatch| name.matches(&key.leaf()) || name.matches(&key.path());
        self.kind.matches(kind) && self.name.as_ref().is_none_or(named)
    }
}

/// Why a document is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    ByName,
    ByList,
}

impl Left {
    fn reason(self) -> &'static str {
        match self {
            Left::ByName => "left out by --only or --except",
            Left::ByList => "left out by the list",
        }
    }
}

/// What is chosen of one bundle.
#[derive(Debug, Default)]
pub(in crate::ops) struct Chosen {
    /// The documents that are left out, by their numbers.
    left: HashMap<u64, Left>,
    /// The same, by kind and folded key.
    keys: HashSet<(KindName, String)>,
    /// What the list says, by kind and folded key.
    listed: BTreeMap<(String, String), Listed>,
    by_list: bool,
}

/// Something wrong with what was asked for.
fn wrong(text: String) -> ImportError {
    ImportError::Choice(text)
}

impl ImportOptions {
    /// Checks what the options say of kinds against a model.
    ///
    /// # Errors
    /// [`ImportError::Choice`], naming the option.
    pub(in crate::ops) fn check_kinds(&self, model: &Model) -> Result<(), ImportError> {
        for (name, policy) in &self.policies {
            let Some(kind) = find_kind(model, name) else {
                if name == "*" {
                    continue;
                }
                return Err(wrong(format!("--policy names {name:?}, which is no kind of the model")));
            };
            if *policy == Policy::Add && kind.parts.iter().all(|part| !part.add_missing) {
                let text =
                    format!("--policy {name}=add: the model knows of nothing that is added to a {name}");
                return Err(wrong(text));
            }
            if *policy == Policy::Merge && kind.merges.is_empty() {
                let text =
                    format!("--policy {name}=merge: the model has no rules by which a {name} is joined");
                return Err(wrong(text));
            }
        }
        for text in self.only.iter().chain(&self.except) {
            let pattern = Pattern::new(text);
            if !model.kinds().iter().any(|kind| pattern.kind.matches(kind.name.as_str())) {
                return Err(wrong(format!("{text:?} names no kind of the model")));
            }
        }
        Ok(())
    }

    /// What is done with documents of a kind that the target has otherwise; `None` for what the general options
    /// say.
    fn policy(&self, kind: &Kind) -> Option<Policy> {
        let named = self.policies.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind.name.as_str()));
        named.map(|(_, policy)| *policy).or_else(|| self.policies.get("*").copied())
    }
}

fn find_kind<'m>(model: &'m Model, name: &str) -> Option<&'m Kind> {
    model.kinds().iter().find(|kind| kind.name.as_str().eq_ignore_ascii_case(name))
}

impl Chosen {
    /// Chooses among the documents of a bundle, by the names that they have in the target: `named` gives these.
    ///
    /// # Errors
    /// [`ImportError::Choice`], where a pattern means no document at all.
    pub fn of(
        bundle: &Bundle,
        options: &ImportOptions,
        model: &Model,
        named: &dyn Fn(&KindName, Key) -> Key,
        progress: &dyn Progress,
    ) -> Result<Self, ImportError> {
        options.check_kinds(model)?;
        let mut chosen = Self { by_list: options.list.is_some(), ..Self::default() };
        let fold = |key: &Key| key.folded(model.collation);
        for listed in options.list.iter().flatten() {
            let key = Key::parse(&listed.key)
                .map_err(|error| wrong(format!("line {} of the list: {error}", listed.line)))?;
            let place = (listed.kind.clone(), fold(&key));
            if let Some(before) = chosen.listed.insert(place, listed.clone()) {
                let (kind, first, second) = (&listed.kind, before.line, listed.line);
                return Err(wrong(format!(
                    "the list names {kind} {key} twice, on lines {first} and {second}"
                )));
            }
        }
        if options.only.is_empty() && options.except.is_empty() && options.list.is_none() {
            return Ok(chosen);
        }
        let (only, except) = (patterns(&options.only), patterns(&options.except));
        let mut met: HashSet<&str> = HashSet::new();
        bundle.entries(None, &mut |entry| -> Result<(), ImportError> {
            progress.check()?;
            let (kind, key) = (entry.kind.as_str(), named(&entry.kind, entry.key));
            let left = by_name(&only, &except, kind, &key, &mut met);
            if let Some(left) = left.or_else(|| chosen.by_list(kind, &key, model.collation)) {
                chosen.left.insert(entry.number, left);
                chosen.keys.insert((entry.kind, fold(&key)));
            }
            Ok(())
        })?;
        // What is pruned is not in the bundle.
        let unmet = only.iter().chain(&except).find(|pattern| !met.contains(pattern.text));
        match unmet {
            Some(pattern) if !options.prune => {
                Err(wrong(format!("{:?} means no document of the bundle", pattern.text)))
            }
            _ => Ok(chosen),
        }
    }

    fn by_list(&self, kind: &str, key: &Key, collation: Collation) -> Option<Left> {
        if !self.by_list {
            return None;
        }
        match self.line(kind, key, collation) {
            Some(listed) if listed.action != Action::Skip.word() => None,
            _ => Some(Left::ByList),
        }
    }

    fn line(&self, kind: &str, key: &Key, collation: Collation) -> Option<&Listed> {
        self.listed.get(&(kind.to_owned(), key.folded(collation)))
    }

    /// Why a document of the bundle is left out, if it is.
    pub fn leaves_out(&self, number: u64) -> Option<&'static str> {
        self.left.get(&number).copied().map(Left::reason)
    }

    /// Says whether a document of that name is in the bundle and left out.
    pub fn left_out(&self, kind: &KindName, key: &Key, collation: Collation) -> bool {
        !self.keys.is_empty() && self.keys.contains(&(kind.clone(), key.folded(collation)))
    }

    /// Says whether a document of the target may be deleted.
    pub fn deletes(&self, options: &ImportOptions, kind: &str, key: &Key, collation: Collation) -> bool {
        let (only, except) = (patterns(&options.only), patterns(&options.except));
        let by_name = by_name(&only, &except, kind, key, &mut HashSet::new());
        let listed = || {
            let line = self.line(kind, key, collation);
            !self.by_list || line.is_some_and(|listed| listed.action == Action::Delete.word())
        };
        by_name.is_none() && listed()
    }

    /// What is done with a document that the target has otherwise; `None` for what the general options say.
    pub fn policy(
        &self,
        options: &ImportOptions,
        kind: &Kind,
        key: &Key,
        collation: Collation,
    ) -> Option<Policy> {
        let line = self.line(kind.name.as_str(), key, collation);
        let wished = line.and_then(|listed| match listed.action.as_str() {
            "update" => Some(Policy::Overwrite),
            "merge" => Some(Policy::Merge),
            "add" => Some(Policy::Add),
            "unchanged" => Some(Policy::Skip),
            _ => None,
        });
        wished.or_else(|| options.policy(kind))
    }
}

fn patterns(texts: &[String]) -> Vec<Pattern<'_>> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn by_name<'t>(
    only: &[Pattern<'t>],
    except: &[Pattern<'t>],
    kind: &str,
    key: &Key,
    met: &mut HashSet<&'t str>,
) -> Option<Left> {
    let mut means = |patterns: &[Pattern<'t>]| {
        let mut any = false;
        for pattern in patterns.iter().filter(|pattern| pattern.means(kind, key)) {
            met.insert(pattern.text);
            any = true;
        }
        any
    };
    let (chosen, excepted) = (means(only), means(except));
    (excepted || !only.is_empty() && !chosen).then_some(Left::ByName)
}

/// Holds a list against the plan that came of it: a word that is not what would happen, and a line that names
/// nothing, stop the import. Returns the findings.
pub(in crate::ops) fn hold_list(chosen: &Chosen, plan: &Plan, collation: Collation) -> Vec<Finding> {
    if !chosen.by_list {
        return Vec::new();
    }
    let mut open: BTreeMap<usize, Listed> = BTreeMap::new();
    let mut problems = Vec::new();
    for listed in chosen.listed.values() {
        open.insert(listed.line, listed.clone());
    }
    for entry in &plan.entries {
        let Some(listed) = chosen.line(entry.kind.as_str(), &entry.key, collation) else { continue };
        open.remove(&listed.line);
        if !agrees(&listed.action, entry) {
            let problem = format!(
                "line {} of the list says {}, and the import would {}",
                listed.line,
                listed.action,
                match entry.action {
                    Action::Unchanged => "leave it unchanged",
                    action => action.word(),
                }
            );
            problems.push(Finding { kind: entry.kind.to_string(), name: entry.key.path(), problem });
        }
    }
    for (line, Listed { kind, key, action, .. }) in open {
        // What is already gone needs no deleting.
        let name = Key::parse(&key).map_or(key, |key| key.path());
        let problem = match action.as_str() {
            "delete" => format!("line {line} of the list deletes what is not to be deleted; see --prune"),
            _ => format!("line {line} of the list names no document of the bundle"),
        };
        problems.push(Finding { kind, name, problem });
    }
    problems
}

/// Says whether a word of a list is what happens. What is the same by now needs no writing.
fn agrees(word: &str, entry: &Entry) -> bool {
    let happens = entry.action;
    match word {
        "skip" => matches!(happens, Action::Skip | Action::Unchanged),
        "create" => happens == Action::Create,
        "add" => matches!(happens, Action::Merge | Action::Unchanged | Action::Skip),
        "update" | "merge" => matches!(happens, Action::Update | Action::Merge | Action::Unchanged),
        "unchanged" => happens == Action::Unchanged,
        "delete" => happens == Action::Delete,
        _ => false,
    }
}
