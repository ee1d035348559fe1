//! Values that stand where no rule of their kind would put them: a bundle may come from a stranger.

use std::collections::{BTreeMap, HashSet};

use crate::document::{Document, Key, Place, Value};
use crate::model::{Form, Model, Rule, Target};
use crate::server::ColumnType;

use crate::ops::translate::{Layout, apart};

/// What a document holds that its kind has no rule for, or the target no place: it could only be written as
/// something else. No export makes such a document; hands, and other versions of the model, do.
///
/// `undeclared` says of which paths it is known that secrets stand there although no rule names them.
pub(in crate::ops) fn misplaced(
    layout: &Layout<'_>,
    model: &Model,
    document: &Document,
    undeclared: &dyn Fn(&Place) -> bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, (part, position)) in document.key.parts().iter().zip(&layout.key).enumerate() {
        let Some(column) = layout.content.get(*position) else { continue };
        let alias = layout.aliases.iter().find(|(_, named, _)| *named == at);
        if let Some((mark, _, alias)) = alias {
            let marked = layout.is_alias(*mark, alias, &document.columns);
            if marked != (part.as_text() == Some(alias.name.as_str())) {
                wrong.push(format!("is named otherwise by its column {}", alias.column));
            }
            if marked {
                continue;
            }
        }
        let held = document.columns.get(&column.name).cloned().and_then(|held| Key::new(vec![held]).ok());
        let named = Key::new(vec![part.clone()]).ok();
        if held.map(|k| k.folded(model.collation)) != named.map(|k| k.folded(model.collation)) {
            wrong.push(format!("is named otherwise by its column {}", column.name));
        }
    }
    if let Some((named, _)) = layout.beyond(&document.key).filter(|_| !layout.kind.apart.is_empty()) {
        let held = apart(layout, &document.columns, document.body.as_ref());
        let folded = |parts: Vec<Value>| Key::new(parts).ok().map(|key| key.folded(model.collation));
        let named = crate::model::sorted_set(named.to_vec(), model.collation);
        if folded(held) != folded(named) {
            let at = layout.kind.apart.iter().filter_map(|rule| layout.kind.references.get(*rule));
            let at: Vec<&str> = at.map(|rule| rule.at.text.as_str()).collect();
            wrong.push(format!("is named differently by what it holds at {}", at.join(" or ")));
        }
    }
    if document.body.is_some() && layout.body.is_none() {
        wrong.push("has JSON, for which the target's table has no column".to_owned());
    }
    let takes_text = |place: &Place| match place.column_name() {
        None => true,
        Some(name) => layout.column(name).is_some_and(|column| column.kind == ColumnType::Text),
    };
    // Secrets that may stand where they do though no rule names them.
    let stray_secret = |place: &Place, value: &Value| {
        matches!(value, Value::Secret(_)) && takes_text(place) && undeclared(place)
    };
    // The values that stand where rules want them, with all that they hold.
    let mut placed: HashSet<*const Value> = HashSet::new();
    // Several rules may reach one place: what one of them allows is allowed.
    let mut single: BTreeMap<Place, (&Value, Vec<Target>, bool)> = BTreeMap::new();
    let refers = |value: &Value, to: &[Target], maybe: bool| match value {
        Value::Ref(reference) => model.target(&reference.kind).is_none_or(|target| to.contains(&target)),
        Value::Text(text) => maybe || model.is_verbatim(text),
        Value::Int(_) => maybe,
        Value::Secret(_) | Value::Bytes(_) => false,
        _ => true,
    };
    layout.kind.look(&document.columns, document.body.as_ref(), &mut |rule, place, value| {
        if stray_secret(place, value) {
            return true;
        }
        match rule {
            Rule::Reference(index) => {
                let Some(rule) = layout.kind.references.get(index) else { return true };
                let ids = |value: &Value| {
                    matches!(value, Value::Ref(_) | Value::Dangling(_) | Value::Text(_))
                        && refers(value, &rule.to, rule.maybe)
                };
                match (rule.form, value) {
                    (Form::Id, value) => {
                        let held = single.entry(place.clone()).or_insert((&Value::Null, Vec::new(), false));
                        if matches!(
                            value,
                            Value::Ref(_) | Value::Dangling(_) | Value::Text(_) | Value::Int(_)
                        ) {
                            held.0 = value;
                        }
                        held.1.extend(&rule.to);
                        held.2 |= rule.maybe;
                        if matches!(value, Value::Ref(_) | Value::Dangling(_)) {
                            placed.insert(value);
                        }
                    }
                    (Form::Pipe | Form::Comma, Value::List(list)) => {
                        if !list.iter().all(ids) {
                            wrong.push(format!("holds something else than references at {place}"));
                        }
                        placed.insert(value);
                        return false;
                    }
                    (Form::Keys, Value::List(pairs)) => {
                        for pair in pairs {
                            match pair {
                                Value::List(pair) if matches!(pair.as_slice(), [key, _] if ids(key)) => {
                                    placed.extend(pair.first().map(std::ptr::from_ref));
                                }
                                pair => {
                                    placed.insert(pair);
                                    wrong.push(format!("holds something else than pairs at {place}"));
                                }
                            }
                        }
                    }
                    // Such a list in the server's own spelling would carry ids of another server.
                    (Form::Pipe | Form::Comma, Value::Text(text)) if !model.is_verbatim(text) => {
                        wrong.push(format!("holds open ids at {place}, where references belong"));
                    }
                    (Form::Keys, Value::Map(_)) => {
                        wrong.push(format!("holds open ids at {place}, where references belong"));
                    }
                    _ => {}
                }
            }
            Rule::Secret(_) => match value {
                Value::Secret(_) => {
                    placed.insert(value);
                }
                Value::Text(text) if !text.is_empty() => {
                    wrong.push(format!("holds an open text at {place}, where a secret belongs"));
                }
                _ => {}
            },
            Rule::Set(_) => {
                if let (Some(_), Value::List(list)) = (place.column_name(), value) {
                    let text = |value: &Value| matches!(value, Value::Text(text) if !text.contains('|'));
                    if !list.iter().all(text) {
                        wrong.push(format!("holds something else than texts at {place}"));
                    }
                    placed.insert(value);
                    return false;
                }
            }
            Rule::Derived(_) | Rule::Local(_) | Rule::PartId(_) => {}
        }
        true
    });
    for (place, (value, to, maybe)) in single {
        if !refers(value, &to, maybe) {
            wrong.push(format!("holds {} at {place}, where another reference belongs", value.type_name()));
        }
    }
    // Places are spelled out only where something has none.
    let columns = || document.columns.iter().map(|(_, value)| (value, true));
    if columns()
        .chain(document.body.iter().map(|body| (body, false)))
        .all(|(value, column)| fits(value, column, &placed))
    {
        wrong.sort();
        return wrong;
    }
    let mut left = |place: &Place, value: &Value| {
        if placed.contains(&std::ptr::from_ref(value)) {
            return false;
        }
        let column = place.column_name().is_some();
        if !may_stand(value, column) && !stray_secret(place, value) {
            wrong.push(format!("holds {} at {place}, which has no place there", value.type_name()));
        }
        true
    };
    for (name, value) in document.columns.iter() {
        each(&mut Place::column(name), value, &mut left);
    }
    if let Some(body) = &document.body {
        each(&mut Place::body(), body, &mut left);
    }
    wrong.sort();
    wrong
}

/// Says whether a value may stand where no rule puts it, whatever it holds.
fn may_stand(value: &Value, column: bool) -> bool {
    match value {
        Value::Ref(_) | Value::Dangling(_) | Value::Secret(_) => false,
        Value::Bytes(_) => column,
        Value::List(_) | Value::Map(_) => !column,
        _ => true,
    }
}

/// The same of a value with all that it holds, but what is placed.
fn fits(value: &Value, column: bool, placed: &HashSet<*const Value>) -> bool {
    // Scalars stand nearly everywhere: what is placed is looked for where that matters.
    let holds = matches!(value, Value::List(_) | Value::Map(_));
    (holds || !may_stand(value, column)) && placed.contains(&std::ptr::from_ref(value))
        || may_stand(value, column)
            && match value {
                Value::List(list) => list.iter().all(|value| fits(value, column, placed)),
                Value::Map(map) => map.iter().all(|(_, value)| fits(value, column, placed)),
                _ => true,
            }
}

/// Shows a value and all that it holds, but what is in values of which `see` says so.
fn each(place: &mut Place, value: &Value, see: &mut dyn FnMut(&Place, &Value) -> bool) {
    if !see(place, value) {
        return;
    }
    match value {
        Value::List(list) => {
            for (index, value) in list.iter().enumerate() {
                place.push_index(index);
                each(place, value, see);
                place.pop();
            }
        }
        Value::Map(map) => {
            for (name, value) in map.iter() {
                place.push_member(name);
                each(place, value, see);
                place.pop();
            }
        }
        _ => {}
    }
}
