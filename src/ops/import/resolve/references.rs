//! What the documents of a bundle refer to, found in the target.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Dangling, Document, Key, KindName, Reference, Value};
use crate::model::{Direction, Keep, Model, Target};
use crate::server::Reader;

use super::examined::Source;
use super::examiner::Examiner;
use crate::ops::import::request::error::ImportError;
use crate::ops::translate::{Id, Known};

impl Examiner<'_, '_> {
    /// Finds, in the target, all that the documents refer to and the bundle does not bring.
    pub(in crate::ops) fn look_up_references(
        &mut self,
        reader: &mut dyn Reader,
        sources: &[Source],
    ) -> Result<(), ImportError> {
        let model = self.model();
        let mut stray = Vec::new();
        for source in sources {
            source.document.each(&mut |value| {
                if let Value::Ref(reference) = value
                    && model.target(&reference.kind).is_none()
                {
                    stray.push((
                        source.document.kind.clone(),
                        source.document.key.clone(),
                        reference.to_string(),
                    ));
                }
            });
        }
        for (kind, key, reference) in stray {
            self.find(
                kind.as_str(),
                key.path(),
                format!("refers to {reference}, a kind the model does not know"),
            );
        }
        self.find_references(reader, sources.iter().map(|source| &source.document))
    }

    pub(in crate::ops) fn find_references<'d>(
        &mut self,
        reader: &mut dyn Reader,
        documents: impl Iterator<Item = &'d Document>,
    ) -> Result<(), ImportError> {
        let model = self.model();
        let mut wanted: BTreeMap<Target, Vec<&Key>> = BTreeMap::new();
        documents.for_each(|document| {
            document.each(&mut |value| {
                if let Value::Ref(reference) = value
                    && let Some(target) = model.target(&reference.kind)
                {
                    wanted.entry(target).or_default().push(&reference.key);
                }
            });
        });
        Ok(self.ids.find_all(reader, &self.translation.layouts, &wanted)?)
    }

    /// An id that is the same on every server means the target's document of that id, though the source had
    /// none: it may call its own otherwise.
    pub(in crate::ops) fn bind_fixed(
        &mut self,
        reader: &mut dyn Reader,
        sources: &mut [Source],
    ) -> Result<(), ImportError> {
        let model = self.model();
        self.bind_meant(reader, sources)?;
        let fixed = |dangling: &Dangling| {
            let target = model.target(&dangling.kind)?;
            let rule = model.kind_at(target.kind())?.id.as_ref()?;
            let id = Id::of(&dangling.id)?;
            (matches!(target, Target::Kind(_)) && rule.is_fixed(&id.to_string())).then_some((target, id))
        };
        let mut wanted = BTreeSet::new();
        for source in sources.iter() {
            source.document.each(&mut |value| {
                if let Value::Dangling(dangling) = value {
                    wanted.extend(fixed(dangling));
                }
            });
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.translation.learn(reader, wanted.clone())?;
        let theirs = wanted.into_iter().filter_map(|(target, id)| {
            let theirs = self.translation.name(&[target], &id)?;
            Some(((target, id), theirs))
        });
        let theirs: BTreeMap<(Target, Id), Reference> = theirs.collect();
        for ((target, id), reference) in &theirs {
            self.ids.set(*target, &reference.key, Known::Found(Some(id.clone())));
        }
        for source in sources {
            let bound = |dangling: &Dangling| theirs.get(&fixed(dangling)?).cloned();
            bind(model, &mut source.document, &bound);
            // The name says what its columns say.
            let mut parts = source.document.key.parts().to_vec();
            parts.iter_mut().for_each(|part| bind_value(part, &bound));
            if let Ok(bound) = Key::new(parts) {
                source.document.key = bound;
            }
        }
        Ok(())
    }

    /// An id that means one document wherever it stands names that of the document's scope, also where whoever made
    /// the bundle did not know of it.
    fn bind_meant(&mut self, reader: &mut dyn Reader, sources: &mut [Source]) -> Result<(), ImportError> {
        let layouts = &self.translation.layouts;
        let model = layouts.model;
        let mut met: BTreeMap<Target, Vec<Key>> = BTreeMap::new();
        for source in sources {
            let columns = &source.document.columns;
            let scope = model.kind(source.document.kind.as_str()).zip(model.scope);
            let scope =
                scope.and_then(|(kind, scope)| kind.scope_columns(scope).find_map(|c| columns.get(c)));
            let scope = scope.cloned().unwrap_or_default();
            let found = std::cell::RefCell::new(Vec::new());
            let meant = |dangling: &Dangling| {
                let target = model.target(&dangling.kind)?;
                let Target::Kind(kind) = target else { return None };
                let key = layouts.at(kind)?.meant_key(dangling.id.as_text()?, &scope)?;
                found.borrow_mut().push((target, key.clone()));
                Some(Reference { kind: dangling.kind.clone(), key })
            };
            bind(model, &mut source.document, &meant);
            for (target, key) in found.into_inner() {
                met.entry(target).or_default().push(key);
            }
        }
        for (target, keys) in met {
            self.ids.find(reader, layouts, target, &keys.iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// An id that named nothing at the source travels as it is. Should the target have given that very id to a
    /// document of its own, the import would bind the two by accident.
    pub(in crate::ops) fn look_up_dangling(
        &mut self,
        reader: &mut dyn Reader,
        sources: &[Source],
    ) -> Result<(), ImportError> {
        let mut loose: Vec<LooseId> = Vec::new();
        for source in sources {
            self.keep_free(&source.document, &mut loose);
        }
        if self.options.accept_dangling {
            return Ok(());
        }
        let wanted = loose.iter().flat_map(|(_, targets, id)| targets.iter().map(move |t| (*t, id.clone())));
        self.translation.learn(reader, wanted.collect())?;
        for (kind, targets, id) in loose {
            if let Some(theirs) = self.translation.name(&targets, &id) {
                self.strangers.insert((kind, id.to_string().to_lowercase()), theirs);
            }
        }
        Ok(())
    }

    /// Keeps the import from giving out the ids that dangle in a document, and lists them.
    pub(in crate::ops) fn keep_free(&mut self, document: &Document, found: &mut Vec<LooseId>) {
        let model = self.model();
        each_dangling(document, &mut |kind, dangling| {
            let rules = model.kind(kind.as_str()).map_or(&[][..], |kind| &kind.references);
            let (Some(first), Some(id)) = (model.target(&dangling.kind), Id::of(&dangling.id)) else {
                return;
            };
            let text = id.to_string();
            // A place may lead to several kinds, of which the dangling id names the likeliest.
            let mut targets = vec![first];
            for rule in rules.iter().filter(|rule| rule.to.contains(&first)) {
                let likely = model.likely(&rule.to, &text);
                let more = likely.iter().filter(|target| !targets.contains(target));
                let more: Vec<Target> = more.copied().collect();
                targets.extend(more);
            }
            targets.retain(|target| {
                let rule = model.kind_at(target.kind()).and_then(|kind| kind.id.as_ref());
                !rule.is_some_and(|rule| rule.is_fixed(&text))
            });
            self.loose.extend(targets.iter().map(|target| (target.kind(), text.to_lowercase())));
            found.push((dangling.kind.clone(), targets, id));
        });
    }
}

/// An id that dangles: the kind that it was meant for, what it may have led to, and itself.
pub(in crate::ops) type LooseId = (KindName, Vec<Target>, Id);

/// Replaces the dangling ids at a document's references by what they turn out to name.
fn bind(model: &Model, document: &mut Document, named: &dyn Fn(&Dangling) -> Option<Reference>) {
    let Document { kind, columns, body, .. } = document;
    let Some(kind) = model.kind(kind.as_str()) else { return };
    kind.walk_references(columns, body.as_mut(), Direction::Up, &mut |_, _, value| {
        match value {
            Value::List(list) => list.iter_mut().for_each(|value| bind_value(value, named)),
            value => bind_value(value, named),
        }
        Keep::Yes
    });
}

fn bind_value(value: &mut Value, named: &dyn Fn(&Dangling) -> Option<Reference>) {
    if let Value::Dangling(dangling) = &*value
        && let Some(reference) = named(dangling)
    {
        *value = Value::Ref(Box::new(reference));
    }
}

/// Shows every dangling id of a document, those in the names that it refers to as well, with the kind whose rules it
/// stands under.
fn each_dangling(document: &Document, see: &mut dyn FnMut(&KindName, &Dangling)) {
    document.each(&mut |value| match value {
        Value::Dangling(dangling) => see(&document.kind, dangling),
        Value::Ref(reference) => dangling_in(reference, see),
        _ => {}
    });
}

/// Shows every dangling id in the name of a document: the owner of what it names is gone.
pub(in crate::ops) fn dangling_in(reference: &Reference, see: &mut dyn FnMut(&KindName, &Dangling)) {
    for part in reference.key.parts() {
        match part {
            Value::Dangling(dangling) => see(&reference.kind, dangling),
            Value::Ref(reference) => dangling_in(reference, see),
            _ => {}
        }
    }
}
