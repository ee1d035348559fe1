//! References to documents that a folder should have and has not: what a hand that renames one document leaves behind.

use std::collections::{BTreeMap, HashSet};

use crate::document::{Document, Key, KindName, Place, Reference, Value};
use crate::model::{Model, Target};
use crate::tree::{About, Findings, Reading, TreeCoverage};

/// The documents of a folder and what they refer to.
pub(in crate::ops) struct Absent<'m> {
    model: &'m Model,
    /// Kind and folded key of each document.
    there: HashSet<String>,
    /// What is referred to, by kind and folded key.
    wanted: BTreeMap<String, Wanted>,
}

/// A document that is referred to: where first, and how often.
struct Wanted {
    file: String,
    place: String,
    kind: KindName,
    key: Key,
    count: u64,
}

impl<'m> Absent<'m> {
    pub(in crate::ops) fn new(model: &'m Model) -> Self {
        Self { model, there: HashSet::new(), wanted: BTreeMap::new() }
    }

    fn name(&self, kind: &KindName, key: &Key) -> String {
        format!("{kind} {}", key.folded(self.model.collation))
    }

    /// Takes note of a document.
    pub(in crate::ops) fn see(&mut self, file: &str, document: &Document) {
        self.there.insert(self.name(&document.kind, &document.key));
        for part in document.key.parts() {
            self.want(file, &|| "key".to_owned(), part);
        }
        document.visit(&mut |place: &Place, value| self.want(file, &|| place.to_string(), value));
    }

    fn want(&mut self, file: &str, place: &dyn Fn() -> String, value: &Value) {
        let Value::Ref(reference) = value else { return };
        let Reference { kind, key } = &**reference;
        key.parts().iter().for_each(|part| self.want(file, place, part));
        // A part lies in the document that its key names.
        let Some(Target::Kind(_)) = self.model.target(kind) else { return };
        let name = self.name(kind, key);
        self.wanted.entry(name).and_modify(|wanted| wanted.count += 1).or_insert_with(|| Wanted {
            file: file.to_owned(),
            place: place(),
            kind: kind.clone(),
            key: key.clone(),
            count: 1,
        });
    }

    /// What is referred to, not there, and should be: the folder lists its file, or says that it carries its kind as a
    /// whole, or all of it that belongs to its owner. What an export left out is no accident.
    pub(in crate::ops) fn report(self, about: &About, reading: &Reading, warnings: &mut Findings) {
        let Self { there, wanted, .. } = self;
        for (_, wanted) in wanted.into_iter().filter(|(name, _)| !there.contains(name)) {
            let Wanted { file, place, kind, key, count } = wanted;
            let owner = match key.parts().first() {
                Some(Value::Ref(owner)) => Some(owner),
                _ => None,
            };
            let covered = |(covered, extent): &(String, TreeCoverage)| {
                covered == kind.as_str()
                    && match extent {
                        TreeCoverage::Whole(_) => true,
                        TreeCoverage::Part(_) => false,
                        TreeCoverage::Belonging(of, it) => {
                            owner.is_some_and(|owner| owner.kind == *of && owner.key == *it)
                        }
                    }
            };
            if !reading.lacks(kind.as_str(), &key) && !about.coverage.iter().any(covered) {
                continue;
            }
            let more = match count {
                1 => String::new(),
                2 => "; so does one more place".to_owned(),
                count => format!("; so do {} more places", count - 1),
            };
            let text = format!("it refers to {kind} {key}, which is not in the folder{more}");
            warnings.add(&file, Some(place), text);
        }
    }
}
