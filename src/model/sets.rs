//! Lists whose order and repetitions mean nothing.
//!
//! Two servers list the same environments in the order of their own ids. In portable form a set has one order, by
//! what its elements are called, and each element once, so that equal sets are equal lists.

use crate::document::{Collation, Document, Place, Step, Value, canonical};

use super::check::{Checked, Scope, fault};
use super::file;
use super::places::pattern;
use super::{Direction, Form, Keep, Kind, Pattern, ReferenceRule, Rule};

/// A list that is a set. References spelled `|A|B|` or as the members of an object are sets without a rule.
#[derive(Debug, Clone)]
pub struct SetRule {
    /// The list in JSON, or a column whose text `|A|B|` lists texts.
    pub at: Pattern,
    /// Whether an empty list means the same as none, and is left out.
    pub omit_empty: bool,
    /// Whether the list is the value in a dictionary of ids, which in portable form is the second of a pair.
    pub(super) in_pair: bool,
}

impl SetRule {
    /// Brings the value at the rule's place into the order of sets, and says whether it stays: an empty set is left
    /// out where the rule says so.
    pub fn settle(&self, place: &Place, value: &mut Value, collation: Collation) -> Keep {
        let empty = match value {
            Value::List(list) => {
                *list = sorted_set(std::mem::take(list), collation);
                list.is_empty()
            }
            Value::Null => true,
            _ => false,
        };
        match place.steps().last() {
            Some(Step::Member(_)) if empty && self.omit_empty => Keep::No,
            _ => Keep::Yes,
        }
    }
}

impl ReferenceRule {
    /// Where to look in portable form for a reference that stood at a place of the row: an element of a set may have
    /// another position there, so that the set is named.
    pub fn place_of(&self, place: &Place) -> Place {
        let mut place = place.clone();
        if self.in_set {
            place.pop();
        }
        place
    }
}

/// Brings a set into its order, each element once. References and texts are in the order of their names, and are
/// the same where these compare so: a name in another case is no other order. Null and blank texts are no elements.
pub fn sorted_set(mut list: Vec<Value>, collation: Collation) -> Vec<Value> {
    fn name(value: &Value, collation: Collation) -> Option<(&str, String)> {
        match value {
            Value::Text(text) => Some(("", collation.fold(text))),
            Value::Ref(reference) => Some((reference.kind.as_str(), reference.key.folded(collation))),
            Value::List(pair) => pair.first().and_then(|key| name(key, collation)),
            _ => None,
        }
    }
    let same = |one: &Value, other: &Value| match (one, other) {
        // Pairs of one key may hold different values.
        (Value::Text(_) | Value::Ref(_), Value::Text(_) | Value::Ref(_)) => {
            name(one, collation) == name(other, collation)
        }
        _ => one == other,
    };
    // Nothing names nothing.
    list.retain(|value| {
        !matches!(value, Value::Null) && value.as_text().is_none_or(|text| !text.trim().is_empty())
    });
    if list.len() < 2 {
        return list;
    }
    list.sort_by_cached_key(|value| {
        let name = name(value, collation).map(|(kind, name)| (kind.to_owned(), name));
        (name, canonical::encode_value(value).unwrap_or_default())
    });
    list.dedup_by(|next, before| same(next, before));
    list
}

impl Scope<'_> {
    /// Checks the rules for sets of a kind, of those that it shares too.
    pub(super) fn sets(&self, wire: &file::Kind, references: &[ReferenceRule]) -> Checked<Vec<SetRule>> {
        let mut sets = Vec::new();
        let mut add = |set: &file::Set, base: Option<&Pattern>| -> Checked<()> {
            let at = self.place(&set.at, base)?;
            if at.column.is_none() && wire.body.is_none() {
                return fault(set.at.span(), "a set in JSON, but the kind names no `body` column");
            }
            let within = at.collection();
            let in_pair = references.iter().any(|rule| {
                rule.form == Form::Keys
                    && rule.at.column.is_none()
                    && Some(&rule.at.segments) == within.as_ref()
            });
            if set.omit_empty && (in_pair || at.column.is_some()) {
                return fault(set.at.span(), "only a member of a JSON object can be left out");
            }
            sets.push(SetRule { at, omit_empty: set.omit_empty, in_pair });
            Ok(())
        };
        wire.set.iter().try_for_each(|set| add(set, None))?;
        for apply in &wire.apply {
            let base = pattern(&apply.at)?;
            let rules = self.shared.get(apply.rules.get_ref().as_str());
            rules.iter().flat_map(|rules| &rules.set).try_for_each(|set| add(set, Some(&base)))?;
        }
        Ok(sets)
    }
}

impl Kind {
    /// Brings the sets of a document in portable form into their order: one that was edited by hand, or whose
    /// references were renamed. A set that holds secrets stays as it is: their sealed values are found by their places.
    pub fn sort_sets(&self, document: &mut Document, collation: Collation) {
        let (columns, body) = (&mut document.columns, document.body.as_mut());
        self.walk_sets(columns, body, Direction::Up, &mut |rule, place, value| {
            let mut secret = false;
            value.each(&mut |value| secret |= matches!(value, Value::Secret(_)));
            match (rule, value) {
                _ if secret => Keep::Yes,
                (Rule::Reference(_), Value::List(list)) => {
                    *list = sorted_set(std::mem::take(list), collation);
                    Keep::Yes
                }
                (Rule::Set(index), value) => match (self.sets.get(index), value) {
                    (Some(rule), Value::List(pair)) if rule.in_pair => {
                        pair.get_mut(1).map_or(Keep::Yes, |list| rule.settle(place, list, collation))
                    }
                    (Some(rule), value) => rule.settle(place, value, collation),
                    (None, _) => Keep::Yes,
                },
                _ => Keep::Yes,
            }
        });
    }
}
