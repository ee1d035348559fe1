//! One spelling for what several inputs spell otherwise: keys, and all references to them.
//!
//! Servers compare names without regard to case, and one document may be `Web Shop` here and `Web shop` there.
//! A bundle that held both spellings would still be right, but not what an export of its target is.

use std::collections::HashMap;

use crate::document::{Collation, Document, Key, KindName, Reference, Value};
use crate::model::Model;

/// A name as it compares: its kind, and its key folded.
type Name = (KindName, String);

/// How names are spelled in the output, where the inputs spell them in several ways.
#[derive(Debug)]
pub(super) struct Spelling {
    collation: Collation,
    /// Names of documents that have another name in another input, and an id that is the same on every server.
    aliases: HashMap<Name, (String, Key)>,
    /// Names of documents of the inputs, and of their parts.
    named: HashMap<Name, Key>,
    /// Names of what no input holds.
    strays: HashMap<Name, Key>,
    /// The same, before all spellings have been seen.
    open: HashMap<Name, Key>,
}

impl Spelling {
    pub fn new(collation: Collation) -> Self {
        let (aliases, named) = (HashMap::new(), HashMap::new());
        Self { collation, aliases, named, strays: HashMap::new(), open: HashMap::new() }
    }

    pub fn fold(&self, key: &Key) -> String {
        key.folded(self.collation)
    }

    fn is_empty(&self) -> bool {
        self.aliases.is_empty() && self.named.is_empty() && self.strays.is_empty()
    }

    /// A name becomes another's.
    pub fn alias(&mut self, kind: &KindName, from: String, to: &Key) {
        let folded = self.fold(to);
        self.aliases.insert((kind.clone(), from), (folded, to.clone()));
    }

    /// All spellings of a name become this one.
    pub fn spell(&mut self, kind: &KindName, key: Key) {
        let folded = self.fold(&key);
        self.named.insert((kind.clone(), folded), key);
    }

    /// Two documents that are equal spell the references to what no input holds in two ways: the spelling that
    /// is first by its bytes is taken, whatever the order of the inputs; but not before [`Spelling::settle`].
    pub fn stray(&mut self, left: &Document, right: &Document) {
        let mut spelled: HashMap<Name, &Key> = HashMap::new();
        left.each(&mut |value| {
            if let Value::Ref(reference) = value {
                spelled.insert((reference.kind.clone(), self.fold(&reference.key)), &reference.key);
            }
        });
        let mut found: Vec<(Name, Key)> = Vec::new();
        right.each(&mut |value| {
            let Value::Ref(reference) = value else { return };
            let name = (reference.kind.clone(), self.fold(&reference.key));
            if let Some(other) = spelled.get(&name)
                && **other != reference.key
            {
                found.push((name, first(&reference.key, other).clone()));
            }
        });
        for (name, key) in found {
            let kept = self.open.entry(name).or_insert_with(|| key.clone());
            *kept = first(kept, &key).clone();
        }
    }

    /// All documents have been compared.
    pub fn settle(&mut self) {
        self.strays.extend(std::mem::take(&mut self.open));
    }

    /// The key as the output spells it; `None` where that is the same.
    pub fn key(&self, kind: &KindName, key: &Key) -> Option<Key> {
        if self.is_empty() {
            return None;
        }
        let inner = self.parts(key);
        let now = inner.as_ref().unwrap_or(key);
        match self.look(kind, now) {
            // What the key runs through may have a spelling of its own since.
            Some(found) if found != now => Some(self.parts(found).unwrap_or_else(|| found.clone())),
            _ => inner,
        }
    }

    fn look(&self, kind: &KindName, key: &Key) -> Option<&Key> {
        let name = (kind.clone(), self.fold(key));
        let spelled = |name: &Name| self.named.get(name).or_else(|| self.strays.get(name));
        match self.aliases.get(&name) {
            Some((folded, key)) => Some(spelled(&(kind.clone(), folded.clone())).unwrap_or(key)),
            None => spelled(&name),
        }
    }

    fn parts(&self, key: &Key) -> Option<Key> {
        let mut changed = false;
        let part = |part: &Value| match part {
            Value::Ref(reference) => match self.key(&reference.kind, &reference.key) {
                Some(key) => {
                    changed = true;
                    Value::Ref(Box::new(Reference { kind: reference.kind.clone(), key }))
                }
                None => part.clone(),
            },
            part => part.clone(),
        };
        let parts: Vec<Value> = key.parts().iter().map(part).collect();
        // Parts of a key that was one are a key's.
        if changed { Key::new(parts).ok() } else { None }
    }

    /// Spells a document's key and references as the output does.
    pub fn document(&self, model: &Model, document: &mut Document) {
        if self.is_empty() {
            return;
        }
        let mut changed = false;
        document.columns.iter_mut().for_each(|(_, value)| self.value(value, &mut changed));
        document.body.iter_mut().for_each(|body| self.value(body, &mut changed));
        if let Some(key) = self.key(&document.kind, &document.key) {
            document.key = key;
        }
        if let (true, Some(kind)) = (changed, model.kind(document.kind.as_str())) {
            kind.sort_sets(document, self.collation);
        }
    }

    fn value(&self, value: &mut Value, changed: &mut bool) {
        match value {
            Value::Ref(reference) => {
                if let Some(key) = self.key(&reference.kind, &reference.key) {
                    reference.key = key;
                    *changed = true;
                }
            }
            Value::List(list) => list.iter_mut().for_each(|value| self.value(value, changed)),
            Value::Map(map) => map.iter_mut().for_each(|(_, value)| self.value(value, changed)),
            _ => {}
        }
    }
}

/// The one of two keys whose text is first by its bytes.
pub(super) fn first<'k>(one: &'k Key, other: &'k Key) -> &'k Key {
    if other.to_text() < one.to_text() { other } else { one }
}
