//! Documents of one scope (a space) carried into another, and across generations of a product with and without
//! scopes: keys and references of the bundle, rewritten as they are handed out.
//!
//! The bundle itself is not touched: secrets are opened under the names they were sealed under, and only then
//! is a document renamed.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::{self, Bundle};
use crate::document::{Collation, Document, Key, KindName, Reference, Value};
use crate::model::{Duplicates, Kind, Model, Target};
use crate::plan::{Action, Entry, Finding};
use crate::progress::Progress;
use crate::server::Reader;

use super::examined::Source;
use crate::ops::export::error::listed;
use crate::ops::export::scope::{has_scopes, on_server, scope_in};
use crate::ops::import::request::error::ImportError;
use crate::ops::import::request::options::IntoScope;
use crate::ops::translate::{Id, Layouts};

/// How keys of the bundle become keys of the target.
#[derive(Debug, Default)]
pub(in crate::ops) struct Resettle {
    rules: Option<Rules>,
    /// Documents of the scope's kind that are not imported, by number.
    left_out: HashSet<u64>,
    /// Documents (kind, folded key in the target) whose fixed id is, in the target, another scope's.
    elsewhere: HashSet<(usize, String)>,
}

#[derive(Debug)]
struct Rules {
    scope: usize,
    kind: KindName,
    collation: Collation,
    /// The target's key by the folded key of the source.
    moved: HashMap<String, Key>,
    /// The target's scope for documents of a bundle without scopes.
    given: Option<Key>,
    /// Whether the target has no scopes: keys lose theirs.
    dropped: bool,
    /// Documents (kind, folded key in the bundle) that have an id which is the same on every server, of a kind
    /// that may be server-wide: they stay so where others are given a scope.
    wide: HashSet<(usize, String)>,
}

/// What [`Resettle::settle`] found.
pub(in crate::ops) struct Resettled {
    pub resettle: Resettle,
    /// The documents that are left out, as the plan shows them.
    pub entries: Vec<Entry>,
    /// Why it cannot be done.
    pub findings: Vec<Finding>,
    pub notices: Vec<String>,
}

/// What a bundle holds of scopes.
#[derive(Default)]
struct Held {
    /// The scopes that keys run through, by folded key.
    scopes: BTreeMap<String, Key>,
    /// The documents of the scope's kind.
    documents: Vec<(u64, Key)>,
    wide: HashSet<(usize, String)>,
    /// Whether any key has the part for a scope.
    scoped: bool,
}

impl Resettle {
    /// Decides how the documents of a bundle are renamed for a target, as it was asked for and as the target
    /// needs it.
    pub fn settle(
        bundle: &Bundle,
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        into: &[IntoScope],
        progress: &dyn Progress,
    ) -> Result<Resettled, ImportError> {
        let model = layouts.model;
        let mut done = Resettled {
            resettle: Self::default(),
            entries: Vec::new(),
            findings: Vec::new(),
            notices: Vec::new(),
        };
        let Some((scope, kind)) = model.scope.and_then(|scope| Some((scope, model.kind_at(scope)?))) else {
            if !into.is_empty() {
                let problem = "the model names no kind that documents belong to";
                done.findings.push(finding(&model.name, "", problem.to_owned()));
            }
            return Ok(done);
        };
        let there = has_scopes(layouts, scope);
        if into.is_empty() && there {
            return Ok(done);
        }
        let held = Held::of(bundle, model, scope, &kind.name, progress)?;
        if into.is_empty() && !held.scoped && held.documents.is_empty() {
            return Ok(done);
        }
        let mut rules = Rules {
            scope,
            kind: kind.name.clone(),
            collation: model.collation,
            moved: HashMap::new(),
            given: None,
            dropped: !there,
            wide: HashSet::new(),
        };
        if there {
            let layout = layouts.at(scope);
            let targets = layout.map(|layout| on_server(reader, layout)).transpose()?.unwrap_or_default();
            let named = |name: &str| {
                let same = |n: &str| model.collation.fold(n) == model.collation.fold(name);
                targets.iter().find(|found| same(&found.name)).map(|found| found.key.clone())
            };
            for way in into {
                let problem = match named(&way.to) {
                    None => {
                        let names = listed(targets.iter().map(|found| found.name.as_str()));
                        Some((way.to.as_str(), format!("is not in the target; there is {names}")))
                    }
                    Some(to) => rules.add(way, to, into.len(), &held).err(),
                };
                let problem = problem.map(|(name, problem)| finding(kind.name.as_str(), name, problem));
                done.findings.extend(problem);
            }
        } else if let Some(way) = into.first() {
            let problem = "the target has none at all: leave --into-space out, and documents lose theirs";
            done.findings.push(finding(kind.name.as_str(), &way.to, problem.to_owned()));
        } else if held.scopes.len() > 1 {
            let problem = format!(
                "the bundle has documents of several ({}) and the target has none at all; export one of them with --space",
                held.names()
            );
            done.findings.push(finding(kind.name.as_str(), "", problem));
        }
        if !done.findings.is_empty() {
            return Ok(done);
        }
        done.notices = rules.notices(&held);
        for (number, key) in held.documents {
            let to = rules.moved.get(&key.folded(model.collation));
            let reason = match to {
                Some(to) => format!("its documents go into {}, which stays as it is", to.leaf()),
                None if rules.dropped => format!("the target has no {} at all", rules.kind),
                None => continue,
            };
            done.resettle.left_out.insert(number);
            done.entries.push(Entry {
                number,
                kind: rules.kind.clone(),
                key,
                action: Action::Skip,
                reason: Some(reason),
                changes: Vec::new(),
                notes: Vec::new(),
                seen: None,
                result: None,
            });
        }
        rules.wide = held.wide;
        done.resettle.rules = Some(rules);
        Ok(done)
    }

    /// Whether documents have in the target the names that they have in the bundle.
    pub fn renames_nothing(&self) -> bool {
        self.rules.is_none()
    }

    /// Whether a document of the bundle is not imported, because another stands in its place.
    pub fn leaves_out(&self, entry: &bundle::Entry) -> bool {
        self.left_out.contains(&entry.number)
    }

    /// The key that a document of the bundle has in the target.
    pub fn key(&self, layouts: &Layouts<'_>, kind: &KindName, key: Key) -> Key {
        match &self.rules {
            Some(rules) => rules.key(layouts, kind, &key).unwrap_or(key),
            None => key,
        }
    }

    /// Renames a document, all that it refers to, and its entry. Secrets open under the stored names only.
    pub fn source(&self, layouts: &Layouts<'_>, source: &mut Source) {
        let Some(rules) = &self.rules else { return };
        rules.document(layouts, &mut source.document);
        if let Some(key) = rules.key(layouts, &source.entry.kind, &source.entry.key) {
            source.entry.key = key;
        }
    }

    /// Says whether a document (by its key in the target) and the target's document that has its fixed id are
    /// of one scope. If not they are not the same, and the id is not the new document's.
    pub fn at_home(&mut self, model: &Model, kind: usize, key: &Key, theirs: &Key) -> bool {
        let scope = model.scope.and_then(|scope| model.kind_at(scope)).map(|scope| &scope.name);
        let home = |key: &Key| scope.and_then(|s| scope_in(s, key)).map(|k| k.folded(model.collation));
        let same = home(key) == home(theirs);
        if !same {
            self.elsewhere.insert((kind, key.folded(model.collation)));
        }
        same
    }

    /// Whether a new document's fixed id is, in the target, a document's of another scope.
    pub fn is_elsewhere(&self, model: &Model, kind: usize, key: &Key) -> bool {
        !self.elsewhere.is_empty() && self.elsewhere.contains(&(kind, key.folded(model.collation)))
    }
}

fn finding(kind: &str, name: &str, problem: String) -> Finding {
    Finding { kind: kind.to_owned(), name: name.to_owned(), problem }
}

impl Held {
    fn of(
        bundle: &Bundle,
        model: &Model,
        scope: usize,
        name: &KindName,
        progress: &dyn Progress,
    ) -> Result<Self, ImportError> {
        let mut held = Self::default();
        bundle.entries(None, &mut |entry| -> Result<(), ImportError> {
            progress.check()?;
            let own = entry.kind == *name;
            if let Some(key) = if own { Some(&entry.key) } else { scope_in(name, &entry.key) } {
                held.scopes.entry(key.folded(model.collation)).or_insert_with(|| key.clone());
            }
            if own {
                held.documents.push((entry.number, entry.key));
                return Ok(());
            }
            let Some(Target::Kind(index)) = model.target(&entry.kind) else { return Ok(()) };
            let Some(kind) = model.kind_at(index).filter(|kind| kind.scope_key(scope).is_some()) else {
                return Ok(());
            };
            if begins_with_scope(kind, name, &entry.key) {
                held.scoped = true;
            } else if may_be_wide(kind, scope)
                && let (Some(rule), Some(id)) = (&kind.id, Id::of(&entry.id))
                && rule.is_fixed(&id.to_string())
            {
                held.wide.insert((index, entry.key.folded(model.collation)));
            }
            Ok(())
        })?;
        Ok(held)
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.scopes.values().map(Key::leaf).collect();
        listed(names.iter().map(String::as_str))
    }
}

/// Whether documents of a kind whose keys have a scope may be in none.
fn may_be_wide(kind: &Kind, scope: usize) -> bool {
    let rule = kind.key.first().and_then(|column| kind.references.get(column.reference?));
    rule.is_some_and(|rule| rule.is_scope(scope) && !rule.required)
}

/// Whether a key has the part for the scope, be there one in it or not: servers of a generation without scopes
/// make keys that are one part shorter.
fn begins_with_scope(kind: &Kind, scope: &KindName, key: &Key) -> bool {
    match key.parts() {
        [Value::Ref(reference), ..] => reference.kind == *scope,
        [Value::Dangling(dangling), ..] => dangling.kind == *scope,
        [Value::Null, rest @ ..] => {
            let numbered = kind.duplicates == Duplicates::Number && matches!(rest, [.., Value::Int(0 | 2..)]);
            rest.len() + 1 >= kind.key.len() + usize::from(numbered)
        }
        _ => false,
    }
}

impl Rules {
    /// Adds one way that documents go; `Err` names what is wrong with it.
    fn add<'w>(
        &mut self,
        way: &'w IntoScope,
        to: Key,
        ways: usize,
        held: &Held,
    ) -> Result<(), (&'w str, String)> {
        let from = match &way.from {
            None if ways > 1 => {
                let problem = "several names are given: say which documents go there, as SOURCE=TARGET";
                return Err((&way.to, problem.to_owned()));
            }
            None if held.scopes.len() > 1 => {
                let problem = format!(
                    "the bundle has documents of several ({}): say which of them go there, as SOURCE=TARGET",
                    held.names()
                );
                return Err((&way.to, problem));
            }
            None => held.scopes.keys().next(),
            Some(name) => {
                let same = |key: &Key| self.collation.fold(&key.leaf()) == self.collation.fold(name);
                match held.scopes.iter().find(|(_, key)| same(key)) {
                    Some((folded, _)) => Some(folded),
                    None => {
                        let problem = format!("is not in the bundle; there is {}", held.names());
                        return Err((name, problem));
                    }
                }
            }
        };
        match from {
            None => self.given = Some(to),
            Some(from) => {
                if self.moved.insert(from.clone(), to).is_some() {
                    let name = way.from.as_deref().unwrap_or(&way.to);
                    return Err((name, "is sent to two places".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn notices(&self, held: &Held) -> Vec<String> {
        let mut notices = Vec::new();
        for (from, key) in &held.scopes {
            if let Some(to) = self.moved.get(from) {
                notices.push(format!("what is in {} {key} goes into {} of the target", self.kind, to.leaf()));
            } else if self.dropped {
                let kind = &self.kind;
                notices.push(format!("the target has no {kind} at all: what is in {kind} {key} loses it"));
            }
        }
        if let Some(to) = &self.given {
            let kind = &self.kind;
            notices.push(format!(
                "the bundle knows no {kind}: its documents go into {} of the target",
                to.leaf()
            ));
        }
        notices
    }

    /// The key as the target has it; `None` where that is the same.
    fn key(&self, layouts: &Layouts<'_>, name: &KindName, key: &Key) -> Option<Key> {
        if *name == self.kind {
            return self.moved.get(&key.folded(self.collation)).cloned();
        }
        let mut changed = false;
        let mut parts: Vec<Value> = Vec::with_capacity(key.parts().len() + 1);
        for part in key.parts() {
            parts.push(match part {
                Value::Ref(reference) => match self.key(layouts, &reference.kind, &reference.key) {
                    Some(key) => {
                        changed = true;
                        Value::Ref(Box::new(Reference { kind: reference.kind.clone(), key }))
                    }
                    None => part.clone(),
                },
                part => part.clone(),
            });
        }
        if let Some(Target::Kind(index)) = layouts.model.target(name)
            && let Some(kind) = layouts.model.kind_at(index)
            && let Some(position) = kind.scope_key(self.scope)
        {
            let has = begins_with_scope(kind, &self.kind, key);
            let column = kind.key.get(position).map(|column| column.column.as_str());
            let wants = layouts.at(index).zip(column).is_some_and(|(l, column)| l.column(column).is_some());
            if self.dropped && has {
                parts.remove(0);
                changed = true;
            } else if let (Some(_), false, true) = (&self.given, has, wants) {
                parts.insert(0, self.given_to(index, key));
                changed = true;
            }
        }
        // Parts of a key that was one are a key's.
        if changed { Key::new(parts).ok() } else { None }
    }

    /// What a document of a bundle without scopes has in the place of one, by its key in the bundle.
    fn given_to(&self, kind: usize, key: &Key) -> Value {
        match &self.given {
            Some(scope) if !self.wide.contains(&(kind, key.folded(self.collation))) => {
                Value::Ref(Box::new(Reference { kind: self.kind.clone(), key: scope.clone() }))
            }
            _ => Value::Null,
        }
    }

    fn document(&self, layouts: &Layouts<'_>, document: &mut Document) {
        let Some(Target::Kind(index)) = layouts.model.target(&document.kind) else { return };
        let (Some(kind), Some(layout)) = (layouts.model.kind_at(index), layouts.at(index)) else { return };
        document.columns.iter_mut().for_each(|(_, value)| self.value(layouts, value));
        document.body.iter_mut().for_each(|body| self.value(layouts, body));
        for column in kind.scope_columns(self.scope) {
            match layout.column(column) {
                None if self.dropped => {
                    document.columns.remove(column);
                }
                Some(_) if self.given.is_some() && document.columns.get(column).is_none() => {
                    document.columns.insert(column, self.given_to(index, &document.key));
                }
                _ => {}
            }
        }
        kind.sort_sets(document, self.collation);
        if let Some(key) = self.key(layouts, &document.kind, &document.key) {
            document.key = key;
        }
    }

    fn value(&self, layouts: &Layouts<'_>, value: &mut Value) {
        match value {
            Value::Ref(reference) => {
                if let Some(key) = self.key(layouts, &reference.kind, &reference.key) {
                    reference.key = key;
                }
            }
            Value::List(list) => list.iter_mut().for_each(|value| self.value(layouts, value)),
            Value::Map(map) => map.iter_mut().for_each(|(_, value)| self.value(layouts, value)),
            _ => {}
        }
    }
}
