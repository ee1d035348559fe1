//! References of a document that the target cannot have: taken out, kept as the target has them, or in the way.

use std::collections::HashMap;

use crate::bundle;
use crate::document::{Dangling, Document, Reference, Value};
use crate::model::{Direction, Keep, Missing, Rule, Target};
use crate::plan::{TakenOut, place_of, take_out, value_at};

use super::examiner::{Examiner, SkippedPart};
use super::references::dangling_in;
use crate::ops::rules::limits::{LimitLosses, Limits};
use crate::ops::rules::omitted::take_columns;
use crate::ops::translate::{Id, Known, Layout, Portable};

/// What became of a document for what the target cannot have.
#[derive(Debug, Default)]
pub(in crate::ops) struct Adapted {
    /// Why it is skipped, if it is.
    pub skip: Option<String>,
    /// What was taken out, for people.
    pub notes: Vec<String>,
    /// What is lost with what limited it.
    pub losses: LimitLosses,
    /// The columns with values that the target's table lacks.
    pub omitted: Vec<String>,
}

impl Examiner<'_, '_> {
    /// Applies the rules for references whose document the target cannot have. Says why the document is skipped, if it
    /// is, and what was taken out.
    pub(in crate::ops) fn adapt(&mut self, layout: &Layout<'_>, document: &mut Document) -> Adapted {
        let mut stop = Vec::new();
        let mut strange = Vec::new();
        let mut skip = None;
        let ids = &self.ids;
        let layouts = &self.translation.layouts;
        let gone = |reference: &Reference| ids.is_gone(layouts, reference);
        let strangers = &self.strangers;
        // Most documents refer only to what is there.
        let mut whole = true;
        layout.kind.each_reference(&document.columns, document.body.as_ref(), &mut |_, value| match value {
            Value::Ref(reference) => {
                whole &= !gone(reference);
                dangling_in(reference, &mut |_, _| whole = false);
            }
            Value::Dangling(_) => whole = false,
            _ => {}
        });
        let limited = Limits::of(layout, document);
        let mut adapt = |rule: usize, value: &Value| {
            let missing = layout.kind.references.get(rule).map(|r| r.missing);
            let mut strangers_of = |dangling: &Dangling| {
                let Some(id) = Id::of(&dangling.id).map(|id| id.to_string()) else { return false };
                let theirs = strangers.get(&(dangling.kind.clone(), id.to_lowercase()));
                let Some(theirs) = theirs else { return false };
                if missing != Some(Missing::Drop) {
                    strange.push(format!(
                        "names {id}, which was nothing at the source and is {theirs} in the target; --accept-dangling writes it anyway"
                    ));
                }
                true
            };
            let reference = match value {
                Value::Dangling(dangling) => return strangers_of(dangling) && missing == Some(Missing::Drop),
                Value::Ref(reference) => {
                    // What is named by a document that is gone would be the document of a stranger.
                    let mut stranger = false;
                    dangling_in(reference, &mut |_, dangling| stranger |= strangers_of(dangling));
                    if stranger {
                        return missing == Some(Missing::Drop);
                    }
                    if !gone(reference) {
                        return false;
                    }
                    reference
                }
                _ => return false,
            };
            match missing {
                Some(Missing::Drop) => true,
                // What the target has there is known later.
                Some(Missing::Keep) => false,
                Some(Missing::Skip) => {
                    skip = Some(format!("{reference} is neither in the bundle nor in the target"));
                    false
                }
                Some(Missing::Stop) | None => {
                    stop.push(reference.clone());
                    false
                }
            }
        };
        let (mut taken, mut reason) = (TakenOut::default(), None);
        if !whole {
            taken = take_out(layout.kind, document, &mut adapt);
            reason = limited.widened(&Limits::of(layout, document));
        }
        let mut losses = LimitLosses { documents: 0, parts: taken.parts };
        let omitted = take_columns(layout, document);
        let unlimited = || {
            let widened =
                self.options.omit_missing_columns && limited.widened(&Limits::of(layout, document)).is_some();
            widened.then(|| {
                format!(
                    "the target's table {} lacks a column that limits it: it would apply to more",
                    layout.table
                )
            })
        };
        if skip.is_none() {
            skip = reason.or_else(unlimited);
            losses.documents = usize::from(skip.is_some());
        }
        let name = document.key.path();
        for problem in strange {
            self.find(layout.kind.name.as_str(), name.clone(), problem);
        }
        if skip.is_none() {
            for reference in stop {
                let problem = format!("refers to {reference}, {}", self.why_gone(&reference));
                self.find(layout.kind.name.as_str(), name.clone(), problem);
            }
        }
        let mut nulls = Vec::new();
        layout.kind.walk_references(
            &mut document.columns,
            document.body.as_mut(),
            Direction::Up,
            &mut |rule, place, value| {
                if let Rule::Reference(index) = rule
                    && layout.kind.references.get(index).is_some_and(|r| r.required)
                    && value.is_null()
                {
                    nulls.push(place.to_string());
                }
                Keep::Yes
            },
        );
        for place in nulls {
            self.find(
                layout.kind.name.as_str(),
                name.clone(),
                format!("has no value at {place}, which needs one"),
            );
        }
        Adapted { skip, notes: taken.notes, losses, omitted }
    }

    /// Why the target will not have what a reference names.
    fn why_gone(&self, reference: &Reference) -> String {
        let collation = self.model().collation;
        let named = (reference.kind.clone(), reference.key.folded(collation));
        let part = self.model().target(&reference.kind);
        let part = part.and_then(|target| self.skipped_parts.get(&(target, reference.key.folded(collation))));
        match part {
            Some(SkippedPart { owner, reason, joins: true }) => format!(
                "which the {} of the target does not have, and {owner} is skipped ({reason}); --policy {}=merge adds what it lacks",
                owner.kind, owner.kind
            ),
            Some(SkippedPart { owner, reason, joins: false }) => format!("and {owner} is skipped ({reason})"),
            None if self.chosen.left_out(&reference.kind, &reference.key, collation) => {
                "which is left out and not in the target".to_owned()
            }
            None => match self.skipped.get(&named) {
                Some(reason) => format!("which is skipped ({reason})"),
                None => "which is neither in the bundle nor in the target".to_owned(),
            },
        }
    }

    /// Where the model says so, the target's own reference stays in the place of one that the target cannot
    /// have.
    pub(in crate::ops) fn keep_theirs(
        &self,
        layout: &Layout<'_>,
        document: &mut Document,
        theirs: Option<&Portable>,
    ) {
        for rule in layout.kind.references.iter().filter(|rule| rule.missing == Missing::Keep) {
            let theirs = theirs.and_then(|theirs| value_at(&rule.at, &theirs.document)).cloned();
            let Some(ours) = place_of(&rule.at, document) else { continue };
            let Value::Ref(reference) = &*ours else { continue };
            if self.ids.is_gone(self.layouts(), reference) {
                *ours = theirs.unwrap_or_default();
            }
        }
    }

    /// Leaves documents alone whose row the target has and that could not be read: they are not new.
    pub(in crate::ops) fn skip_unreadable(
        &self,
        layout: &Layout<'_>,
        documents: &mut [(bundle::Entry, Document, Adapted)],
        existing: &HashMap<u64, Portable>,
    ) {
        if !self.translation.has_faults() {
            return;
        }
        for (entry, _, done) in documents {
            let found = self.ids.get(Target::Kind(layout.index), &entry.key);
            if !existing.contains_key(&entry.number) && matches!(found, Some(Known::Found(_))) {
                done.skip = Some("what the target has of it cannot be read".to_owned());
            }
        }
    }
}
