//! Values that stand where no rule of their kind would put them: a bundle may come from a stranger.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::document::{Document, Key, Map, Place, Value};
use crate::model::{Direction, Form, Keep, Model, Rule, Target};
use crate::server::ColumnType;

use super::translate::{Layout, apart};

/// What a document holds that its kind has no rule for, or the target no place: it could only be written as
/// something else. No export makes such a document; hands, and other versions of the model, do.
///
/// `undeclared` says of which paths it is known that secrets stand there although no rule names them.
pub(super) fn misplaced(
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
    let document = &*without_undeclared(layout, document, undeclared);
    let (mut columns, mut body) = (document.columns.clone(), document.body.clone());
    // Several rules may reach one place: what one of them allows is allowed.
    let mut single: BTreeMap<Place, (Value, Vec<Target>, bool)> = BTreeMap::new();
    let refers = |value: &Value, to: &[Target], maybe: bool| match value {
        Value::Ref(reference) => model.target(&reference.kind).is_none_or(|target| to.contains(&target)),
        Value::Text(text) => maybe || model.is_verbatim(text),
        Value::Int(_) => maybe,
        Value::Secret(_) | Value::Bytes(_) => false,
        _ => true,
    };
    layout.kind.walk(&mut columns, body.as_mut(), Direction::Down, &mut |rule, place, value| {
        match rule {
            Rule::Reference(index) => {
                let Some(rule) = layout.kind.references.get(index) else { return Keep::Yes };
                let ids = |value: &Value| {
                    matches!(value, Value::Ref(_) | Value::Dangling(_) | Value::Text(_))
                        && refers(value, &rule.to, rule.maybe)
                };
                match (rule.form, &mut *value) {
                    (Form::Id, value) => {
                        let held = single.entry(place.clone()).or_insert((Value::Null, Vec::new(), false));
                        if matches!(
                            value,
                            Value::Ref(_) | Value::Dangling(_) | Value::Text(_) | Value::Int(_)
                        ) {
                            held.0 = value.clone();
                        }
                        held.1.extend(&rule.to);
                        held.2 |= rule.maybe;
                        if matches!(value, Value::Ref(_) | Value::Dangling(_)) {
                            *value = Value::Null;
                        }
                    }
                    (Form::Pipe | Form::Comma, Value::List(list)) => {
                        if !list.iter().all(ids) {
                            wrong.push(format!("holds something else than references at {place}"));
                        }
                        *value = Value::Null;
                    }
                    (Form::Keys, Value::List(pairs)) => {
                        let mut map = Map::new();
                        for (number, pair) in std::mem::take(pairs).into_iter().enumerate() {
                            match pair {
                                Value::List(pair) => match <[Value; 2]>::try_from(pair) {
                                    Ok([key, value]) if ids(&key) => {
                                        map.insert(number.to_string(), value);
                                    }
                                    _ => wrong.push(format!("holds something else than pairs at {place}")),
                                },
                                _ => wrong.push(format!("holds something else than pairs at {place}")),
                            }
                        }
                        *value = Value::Map(map);
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
                Value::Secret(_) => *value = Value::Null,
                Value::Text(text) if !text.is_empty() => {
                    wrong.push(format!("holds an open text at {place}, where a secret belongs"));
                }
                _ => {}
            },
            Rule::Set(_) => {
                if let (Some(_), Value::List(list)) = (place.column_name(), &*value) {
                    let text = |value: &Value| matches!(value, Value::Text(text) if !text.contains('|'));
                    if !list.iter().all(text) {
                        wrong.push(format!("holds something else than texts at {place}"));
                    }
                    *value = Value::Null;
                }
            }
            Rule::Derived(_) | Rule::Local(_) | Rule::PartId(_) => {}
        }
        Keep::Yes
    });
    for (place, (value, to, maybe)) in single {
        if !refers(&value, &to, maybe) {
            wrong.push(format!("holds {} at {place}, where another reference belongs", value.type_name()));
        }
    }
    let mut left = |place: &Place, value: &Value, column: bool| {
        let fits = match value {
            Value::Ref(_) | Value::Dangling(_) | Value::Secret(_) => false,
            Value::Bytes(_) => column,
            Value::List(_) | Value::Map(_) => !column,
            _ => true,
        };
        if !fits {
            wrong.push(format!("holds {} at {place}, which has no place there", value.type_name()));
        }
    };
    Document { kind: document.kind.clone(), key: document.key.clone(), columns, body }
        .visit(&mut |place, value| left(place, value, place.column_name().is_some()));
    wrong.sort();
    wrong
}

/// The document without the secrets that may stand where they do though no rule names them: in its JSON, and in columns
/// of text.
fn without_undeclared<'d>(
    layout: &Layout<'_>,
    document: &'d Document,
    undeclared: &dyn Fn(&Place) -> bool,
) -> Cow<'d, Document> {
    let takes_text = |place: &Place| match place.column_name() {
        None => true,
        Some(name) => layout.column(name).is_some_and(|column| column.kind == ColumnType::Text),
    };
    let places = document.secret_places().into_iter();
    let mut rest = Cow::Borrowed(document);
    for place in places.filter(|place| takes_text(place) && undeclared(place)) {
        if let Some(value) = rest.to_mut().at_mut(&place) {
            *value = Value::Null;
        }
    }
    rest
}
