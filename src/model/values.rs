//! What values must be: rules that hold documents to the product's types, and that nothing else depends on.

use std::collections::HashSet;

use crate::document::{Map, Place, Value};

use super::check::{Checked, Scope, fault, scalar};
use super::file;
use super::pattern::{Pattern, Segment};
use super::places::pattern;
use super::{Form, Kind, NewPartId};

/// What the values at a place must be. A document that breaks the rule is a finding, never an error.
#[derive(Debug, Clone)]
pub struct ValueRule {
    /// Where.
    pub at: Pattern,
    /// The type; null and what is absent pass.
    pub takes: Option<ValueType>,
    /// Whether a value must be there: neither absent, nor null, nor empty text.
    pub required: bool,
    /// The values that are known, where only they are taken. Text compares without regard to case.
    pub one_of: Vec<Value>,
    /// Whether `one_of` is only what is known of a list that the product's vendor continues: another value is noted.
    pub open: bool,
    /// Whether no two values at the place, within one document, are the same as names compare.
    pub unique: bool,
}

/// A type of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Text.
    Text,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl ValueType {
    /// Says whether a value is of the type. References and secrets count as what they are on a server: ids and
    /// text. Null is of no type.
    pub fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Dangling(dangling)) => self.takes(&dangling.id),
            (ValueType::Text, value) => matches!(value, Value::Text(_) | Value::Ref(_) | Value::Secret(_)),
            (ValueType::Integer, Value::Number(text)) => {
                text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            }
            (ValueType::Integer, value) => matches!(value, Value::Int(_) | Value::Ref(_)),
            (ValueType::Number, value) => matches!(value, Value::Int(_) | Value::Number(_) | Value::Ref(_)),
            (ValueType::Boolean, value) => matches!(value, Value::Bool(_)),
            (ValueType::List, value) => matches!(value, Value::List(_)),
            (ValueType::Object, value) => matches!(value, Value::Map(_)),
        }
    }

    /// The type in words, for messages: "text", "a list".
    pub fn words(self) -> &'static str {
        match self {
            ValueType::Text => "text",
            ValueType::Integer => "a whole number",
            ValueType::Number => "a number",
            ValueType::Boolean => "a truth value",
            ValueType::List => "a list",
            ValueType::Object => "an object",
        }
    }
}

/// What [`Pattern::each_place`] calls with each place and what stands there.
pub(crate) type SeePlace<'s, 'v> = dyn FnMut(&Place, Option<&'v Value>) + 's;

/// How much of a member's name that the document chose is shown in a place.
const NAME_SHOWN: usize = 40;

impl Pattern {
    /// Calls `see` for every place of a document that the pattern names. Where objects lack what the pattern
    /// goes on with, and no wildcard follows, the place is shown without a value.
    pub(crate) fn each_place<'v>(
        &self,
        columns: &'v Map,
        body: Option<&'v Value>,
        see: &mut SeePlace<'_, 'v>,
    ) {
        let (mut place, root) = match &self.column {
            Some(column) => (Place::column(column), columns.get(column)),
            None => (Place::body(), body),
        };
        match root {
            Some(value) => walk(value, &self.segments, &mut place, see),
            None => lacking(&self.segments, &place, see),
        }
    }

    /// Says whether the pattern begins with a member of the JSON, which must be an object then.
    pub(crate) fn begins_in_object(&self) -> bool {
        self.column.is_none() && matches!(self.segments.first(), Some(Segment::Member(_)))
    }

    /// Says whether the pattern is another or leads on from it.
    pub(crate) fn is_within(&self, other: &Pattern) -> bool {
        self.column == other.column && self.segments.starts_with(&other.segments)
    }
}

fn walk<'v>(value: &'v Value, segments: &[Segment], place: &mut Place, see: &mut SeePlace<'_, 'v>) {
    let Some((first, rest)) = segments.split_first() else { return see(place, Some(value)) };
    match (first, value) {
        (Segment::Member(name), Value::Map(map)) if map.get(name).is_some() => {
            if let Some(child) = map.get(name) {
                place.push_member(name);
                walk(child, rest, place, see);
                place.pop();
            }
        }
        (Segment::Index(index), Value::List(list)) if *index < list.len() => {
            if let Some(child) = list.get(*index) {
                place.push_index(*index);
                walk(child, rest, place, see);
                place.pop();
            }
        }
        (Segment::Member(_) | Segment::Index(_), _) => lacking(segments, place, see),
        (wild, Value::List(list)) => {
            for (index, child) in list.iter().enumerate().filter(|(_, child)| wild.passes(child)) {
                place.push_index(index);
                walk(child, rest, place, see);
                place.pop();
            }
        }
        (wild, Value::Map(map)) => {
            for (name, child) in map.iter().filter(|(_, child)| wild.passes(child)) {
                place.push_member(&shortened(name));
                walk(child, rest, place, see);
                place.pop();
            }
        }
        _ => {}
    }
}

/// Shows a place that is not there, unless a wildcard leaves open which it would be.
fn lacking(segments: &[Segment], place: &Place, see: &mut SeePlace<'_, '_>) {
    let mut place = place.clone();
    for segment in segments {
        match segment {
            Segment::Member(name) => place.push_member(name),
            Segment::Index(index) => place.push_index(*index),
            Segment::Any | Segment::Filter(_) => return,
        }
    }
    see(&place, None);
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(NAME_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Adds the value rules of a kind that is checked otherwise.
pub(super) fn complete(scope: &Scope<'_>, wire: &file::Kind, mut kind: Kind) -> Checked<Kind> {
    let mut rules = Vec::new();
    for rule in &wire.value {
        rules.push((rule, rule_of(scope, rule, None)?));
    }
    for apply in &wire.apply {
        let base = pattern(&apply.at)?;
        let shared = scope.shared.get(apply.rules.get_ref().as_str());
        for rule in shared.into_iter().flat_map(|rules| &rules.value) {
            rules.push((rule, rule_of(scope, rule, Some(&base))?));
        }
    }
    let mut seen = HashSet::new();
    for (wire, rule) in &rules {
        if let Some(problem) = conflict(&kind, rule) {
            return fault(wire.at.span(), problem);
        }
        if !seen.insert(rule.at.text.clone()) {
            return fault(wire.at.span(), format!("two value rules of {} name {}", kind.name, rule.at.text));
        }
    }
    kind.values = rules.into_iter().map(|(_, rule)| rule).collect();
    Ok(kind)
}

fn rule_of(scope: &Scope<'_>, wire: &file::ValueRule, base: Option<&Pattern>) -> Checked<ValueRule> {
    let rule = ValueRule {
        at: scope.place(&wire.at, base)?,
        takes: wire.takes.map(|takes| match takes {
            file::ValueType::Text => ValueType::Text,
            file::ValueType::Integer => ValueType::Integer,
            file::ValueType::Number => ValueType::Number,
            file::ValueType::Boolean => ValueType::Boolean,
            file::ValueType::List => ValueType::List,
            file::ValueType::Object => ValueType::Object,
        }),
        required: wire.required,
        one_of: wire.one_of.iter().map(scalar).collect(),
        open: wire.open,
        unique: wire.unique,
    };
    if rule.open && rule.one_of.is_empty() {
        return fault(wire.at.span(), "`open` is said of the values of `one-of`");
    }
    if rule.takes.is_none() && !rule.required && rule.one_of.is_empty() && !rule.unique {
        return fault(wire.at.span(), "a value rule says `type`, `required`, `one-of` or `unique`");
    }
    if rule.takes.is_some_and(|takes| !rule.one_of.iter().all(|value| takes.takes(value))) {
        return fault(wire.at.span(), "`one-of` names values of another type");
    }
    if rule.unique && rule.at.is_single() {
        return fault(wire.at.span(), "`unique` compares the elements of a list: the place needs a [*]");
    }
    Ok(rule)
}

/// What of the kind makes a value rule one that no document could be held to.
fn conflict(kind: &Kind, rule: &ValueRule) -> Option<String> {
    let at = &rule.at;
    if at.column.is_none() && kind.body.is_none() {
        return Some("the kind has a rule for a place in JSON but names no `body` column".to_owned());
    }
    let left_out = kind.derived.iter().map(|d| &d.at).chain(kind.local.iter().map(|l| &l.at));
    let is_id = |part: &super::Part| {
        part.new != NewPartId::Keep && at.text == format!("{}.{}", part.at.text, part.id)
    };
    if left_out.into_iter().any(|left| at.is_within(left)) || kind.parts.iter().any(is_id) {
        return Some(format!("no document carries {}: it is rebuilt, or its server's own", at.text));
    }
    if kind.references.iter().any(|r| r.form != Form::Id && at.is_within(&r.at)) {
        return Some(format!("{} holds ids in a form that its reference says, and checks", at.text));
    }
    let compares = !rule.one_of.is_empty() || rule.unique;
    if compares && kind.secrets.iter().any(|secret| at.is_within(&secret.at)) {
        return Some(format!("{} holds a secret, which is never compared", at.text));
    }
    None
}
