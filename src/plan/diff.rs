//! Which places differ between two documents of one key.

use super::align::Alignment;
use crate::document::{Collation, Document, Map, Place, SecretId, Value};
use crate::model::Kind;

/// A place that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: in the new document, or in the old one for what is removed.
    pub place: Place,
    /// How.
    pub changed: Changed,
}

/// How a place differs. Secrets appear as markers only.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// It is new.
    Added(Value),
    /// It is gone.
    Removed(Value),
    /// It holds something else.
    Replaced {
        /// What it held.
        old: Value,
        /// What it holds.
        new: Value,
    },
    /// It holds another secret.
    Secret,
    /// The same elements stand in another order.
    Order,
}

/// Returns the places that differ, in the order of the documents. Secrets differ where their numbers do: the
/// two documents must come from one keeper. Elements of lists find their twins by the rules of the kind, where the
/// model knows it, then by what they are called, then by likeness.
pub fn changes(kind: Option<&Kind>, old: &Document, new: &Document, collation: Collation) -> Vec<Change> {
    let rules = Alignment::of(kind, old, collation);
    let mut found = Vec::new();
    members(&old.columns, &new.columns, &mut |name, old, new| {
        compare(old, new, &rules, &mut Place::column(name), &mut found);
    });
    compare(old.body.as_ref(), new.body.as_ref(), &rules, &mut Place::body(), &mut found);
    found
}

/// Hears of a member of two maps: its name, and its value in the one and in the other.
type See<'s, 'a> = dyn FnMut(&str, Option<&'a Value>, Option<&'a Value>) + 's;

fn members<'a>(old: &'a Map, new: &'a Map, see: &mut See<'_, 'a>) {
    let mut olds = old.iter().peekable();
    let mut news = new.iter().peekable();
    loop {
        match (olds.peek(), news.peek()) {
            (Some((o, _)), Some((n, _))) => match o.cmp(n) {
                std::cmp::Ordering::Less => olds.next().into_iter().for_each(|(n, v)| see(n, Some(v), None)),
                std::cmp::Ordering::Greater => {
                    news.next().into_iter().for_each(|(n, v)| see(n, None, Some(v)))
                }
                std::cmp::Ordering::Equal => {
                    if let (Some((name, o)), Some((_, n))) = (olds.next(), news.next()) {
                        see(name, Some(o), Some(n));
                    }
                }
            },
            (Some(_), None) => olds.next().into_iter().for_each(|(n, v)| see(n, Some(v), None)),
            (None, Some(_)) => news.next().into_iter().for_each(|(n, v)| see(n, None, Some(v))),
            (None, None) => return,
        }
    }
}

fn compare(
    old: Option<&Value>,
    new: Option<&Value>,
    rules: &Alignment<'_>,
    place: &mut Place,
    found: &mut Vec<Change>,
) {
    let changed = match (old, new) {
        (None, None) => return,
        (None, Some(new)) => Changed::Added(shown(new)),
        (Some(old), None) => Changed::Removed(shown(old)),
        (Some(old), Some(new)) if old == new => return,
        (Some(Value::Map(old)), Some(Value::Map(new))) => {
            members(old, new, &mut |name, old, new| {
                place.push_member(name);
                compare(old, new, rules, place, found);
                place.pop();
            });
            return;
        }
        (Some(list @ Value::List(old)), Some(Value::List(new))) => {
            return lists(list, old, new, rules, place, found);
        }
        (Some(Value::Secret(_)), Some(Value::Secret(_))) => Changed::Secret,
        (Some(old), Some(new)) => Changed::Replaced { old: shown(old), new: shown(new) },
    };
    found.push(Change { place: place.clone(), changed });
}

/// A value as a change shows it: secrets without their numbers, which mean something to one keeper only, so
/// that the changes of two plans can be compared.
fn shown(value: &Value) -> Value {
    match value {
        Value::Secret(_) => Value::Secret(SecretId::UNKNOWN),
        Value::List(list) => Value::List(list.iter().map(shown).collect()),
        Value::Map(map) => {
            let mut map = map.clone();
            map.iter_mut().for_each(|(_, value)| *value = shown(value));
            Value::Map(map)
        }
        other => other.clone(),
    }
}

fn lists(
    list: &Value,
    olds: &[Value],
    news: &[Value],
    rules: &Alignment<'_>,
    place: &mut Place,
    found: &mut Vec<Change>,
) {
    let before = found.len();
    let twins = rules.twins(list, olds, news);
    let mut at = |index: usize, old: Option<&Value>, new: Option<&Value>| {
        place.push_index(index);
        compare(old, new, rules, place, found);
        place.pop();
    };
    let mut kept = vec![false; olds.len()];
    for (index, (new, twin)) in news.iter().zip(&twins).enumerate() {
        twin.and_then(|twin| kept.get_mut(twin)).into_iter().for_each(|kept| *kept = true);
        at(index, twin.and_then(|twin| olds.get(twin)), Some(new));
    }
    for (index, (old, _)) in olds.iter().zip(kept).enumerate().filter(|(_, (_, kept))| !kept) {
        at(index, Some(old), None);
    }
    if found.len() == before || !twins.iter().flatten().is_sorted() {
        found.push(Change { place: place.clone(), changed: Changed::Order });
    }
}
