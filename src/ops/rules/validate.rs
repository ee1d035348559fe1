//! Values that are not what the model says they must be: a document may have been written by hand, by another
//! version of the product, or damaged.

use std::collections::HashMap;

use crate::document::{Document, Key, Value};
use crate::model::{Form, Model, Pattern, ReferenceRule, ValueRule};

use crate::ops::translate::Layout;

/// How many findings of one document are told one by one.
const TOLD: usize = 100;

/// How much of a text a finding shows.
const SHOWN: usize = 40;

/// What of a document breaks the rules of its kind: each text names a place and what is wrong there. Beyond a
/// hundred the rest is counted in one last line. Values of secrets are never shown. Values that open lists of the
/// model do not have are `unknown`, which is not wrong.
///
/// That values stand where a rule of the model allows their like at all is looked at elsewhere (`misplaced`).
pub(in crate::ops) fn invalid(
    layout: &Layout<'_>,
    model: &Model,
    document: &Document,
    unknown: &mut Vec<String>,
) -> Vec<String> {
    let mut told = Told::default();
    if let Some(body) = &document.body
        && !matches!(body, Value::Map(_))
        && holds_objects(layout)
    {
        told.tell(|| format!("its JSON is {}, and must be an object", body.type_name()));
    }
    for rule in &layout.kind.values {
        match rule.at.column.as_deref().map(|name| (name, layout.column(name))) {
            // Another generation of the product may not have the column.
            Some((_, None)) => {}
            // What the table itself cannot do without is asked for elsewhere.
            Some((name, Some(column)))
                if !column.nullable && document.columns.get(name).is_none_or(Value::is_null) => {}
            _ => hold(rule, model, document, &mut told),
        }
    }
    for rule in &layout.kind.references {
        // In portable form what is below a dictionary of ids stands in pairs, for which there are no places.
        let in_dictionary = |other: &ReferenceRule| {
            other.form == Form::Keys && other.at != rule.at && rule.at.is_within(&other.at)
        };
        if !layout.kind.references.iter().any(in_dictionary) {
            refer(rule, document, &mut told);
        }
    }
    if told.more > 0 {
        told.lines.push(format!("holds {} more values that are not what they must be", told.more));
    }
    unknown.append(&mut told.unknown);
    told.lines
}

/// Says whether some rule of the kind names a member of its JSON.
fn holds_objects(layout: &Layout<'_>) -> bool {
    let rules = layout.kind.values.iter().map(|rule| &rule.at);
    let rules = rules.chain(layout.kind.references.iter().map(|rule| &rule.at));
    rules.chain(layout.kind.secrets.iter().map(|rule| &rule.at)).any(Pattern::begins_in_object)
}

#[derive(Default)]
struct Told {
    lines: Vec<String>,
    more: usize,
    /// Values that open lists do not have, as many as are told of.
    unknown: Vec<String>,
}

impl Told {
    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < TOLD {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }
}

fn hold(rule: &ValueRule, model: &Model, document: &Document, told: &mut Told) {
    let mut met: HashMap<String, String> = HashMap::new();
    rule.at.each_place(&document.columns, document.body.as_ref(), &mut |place, value| {
        let value = match value {
            None | Some(Value::Null) => {
                if rule.required {
                    told.tell(|| format!("has no value at {place}, which needs one"));
                }
                return;
            }
            Some(value) => value,
        };
        if let Some(takes) = rule.takes
            && !takes.takes(value)
        {
            told.tell(|| format!("{place} holds {}, and must be {}", value.type_name(), takes.words()));
            return;
        }
        if matches!(value, Value::Text(text) if text.is_empty()) {
            if rule.required {
                told.tell(|| format!("has an empty text at {place}, which needs a value"));
            }
            return;
        }
        let known = rule.one_of.is_empty() || rule.one_of.iter().any(|one| same(one, value));
        if !known && rule.open {
            if told.unknown.len() < TOLD {
                told.unknown.push(format!(
                    "{place} holds {}, which the model does not know: ids and secrets that come with it travel as they are",
                    shown(value)
                ));
            }
        } else if !known {
            let names: Vec<String> = rule.one_of.iter().map(plain).collect();
            told.tell(|| format!("{place} holds {}, which is none of {}", shown(value), names.join(", ")));
        }
        if rule.unique
            && let Ok(key) = Key::new(vec![value.clone()])
        {
            match met.entry(key.folded(model.collation)) {
                std::collections::hash_map::Entry::Occupied(first) => told.tell(|| {
                    format!(
                        "{place} holds {}, as {} does, and each must be another",
                        shown(value),
                        first.get()
                    )
                }),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(place.to_string());
                }
            }
        }
    });
}

/// At the place of a reference stands a reference, or what the product writes in its stead: nothing, text that
/// is computed, an object. Ids of another server there are another matter (`misplaced`).
fn refer(rule: &ReferenceRule, document: &Document, told: &mut Told) {
    // What other documents declare may be anything.
    if rule.maybe || rule.typed.is_some() {
        return;
    }
    rule.at.each_place(&document.columns, document.body.as_ref(), &mut |place, value| {
        let wanted = match (rule.form, value) {
            (_, None | Some(Value::Null)) => return,
            (Form::Id, Some(Value::Bool(_) | Value::Number(_) | Value::List(_))) => "an id",
            (Form::Id, _) | (_, Some(Value::List(_))) => return,
            // Ids in the open are no matter of type.
            (Form::Pipe | Form::Comma, Some(Value::Text(_))) | (Form::Keys, Some(Value::Map(_))) => return,
            (Form::Pipe | Form::Comma, _) => "a text that lists ids",
            (Form::Keys, _) => "an object whose members are named by ids",
        };
        let found = value.map_or("nothing", Value::type_name);
        told.tell(|| format!("{place} holds {found}, and must be {wanted}"));
    });
}

fn same(one: &Value, value: &Value) -> bool {
    match (one, value) {
        (Value::Text(one), Value::Text(text)) => one.to_lowercase() == text.to_lowercase(),
        // What they are on a server is looked at by other rules.
        (_, Value::Ref(_) | Value::Dangling(_) | Value::Secret(_)) => true,
        _ => one == value,
    }
}

/// A value of the model in a message.
fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => other.type_name().to_owned(),
    }
}

/// A value of a document in a message: scalars only, and not much of them.
pub(in crate::ops) fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
            None => format!("{text:?}"),
        },
        Value::Number(_) => value.type_name().to_owned(),
        other => plain(other),
    }
}
