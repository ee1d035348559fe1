//! Which places differ between two documents of one key.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::exact::exact_bytes;
use crate::document::{Collation, Document, Map, Place, SecretId, Value};

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
/// two documents must come from one keeper.
pub fn changes(old: &Document, new: &Document) -> Vec<Change> {
    let mut found = Vec::new();
    members(&old.columns, &new.columns, &mut |name, old, new| {
        compare(old, new, &mut Place::column(name), &mut found);
    });
    compare(old.body.as_ref(), new.body.as_ref(), &mut Place::body(), &mut found);
    found
}

/// Like [`changes`], for two values at one place.
pub fn changes_in(old: &Value, new: &Value, place: &Place) -> Vec<Change> {
    let mut found = Vec::new();
    compare(Some(old), Some(new), &mut place.clone(), &mut found);
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

fn compare(old: Option<&Value>, new: Option<&Value>, place: &mut Place, found: &mut Vec<Change>) {
    let changed = match (old, new) {
        (None, None) => return,
        (None, Some(new)) => Changed::Added(shown(new)),
        (Some(old), None) => Changed::Removed(shown(old)),
        (Some(old), Some(new)) if old == new => return,
        (Some(Value::Map(old)), Some(Value::Map(new))) => {
            members(old, new, &mut |name, old, new| {
                place.push_member(name);
                compare(old, new, place, found);
                place.pop();
            });
            return;
        }
        (Some(Value::List(old)), Some(Value::List(new))) => return lists(old, new, place, found),
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

/// What an element of a list is called, where elements have names: a member that is unique in both lists.
fn naming_member(old: &[Value], new: &[Value]) -> Option<&'static str> {
    NAMING.into_iter().find(|member| is_naming(member, old, new))
}

/// The members that elements of lists are called by.
pub(super) const NAMING: [&str; 2] = ["Id", "Name"];

/// Whether every element of both lists has such a member, and no two of one list the same.
pub(super) fn is_naming(member: &str, old: &[Value], new: &[Value]) -> bool {
    [old, new].iter().all(|list| {
        let mut names: Vec<&str> = Vec::with_capacity(list.len());
        let named = list.iter().all(|element| match element {
            Value::Map(map) => map.get(member).and_then(Value::as_text).is_some_and(|name| {
                names.push(name);
                true
            }),
            _ => false,
        });
        names.sort_unstable();
        named && names.windows(2).all(|pair| matches!(pair, [a, b] if a != b))
    })
}

fn lists(old: &[Value], new: &[Value], place: &mut Place, found: &mut Vec<Change>) {
    let at = |index: usize,
              place: &mut Place,
              old: Option<&Value>,
              new: Option<&Value>,
              found: &mut Vec<Change>| {
        place.push_index(index);
        compare(old, new, place, found);
        place.pop();
    };
    let before = found.len();
    if let Some(member) = naming_member(old, new) {
        let name = |value: &Value| match value {
            Value::Map(map) => map.get(member).and_then(Value::as_text).map(str::to_owned),
            _ => None,
        };
        let mut olds: BTreeMap<String, (usize, &Value)> =
            old.iter().enumerate().filter_map(|(i, v)| name(v).map(|n| (n, (i, v)))).collect();
        let mut twins: Vec<_> = new.iter().map(|v| name(v).and_then(|n| olds.remove(&n))).collect();
        // What was renamed in case is shown as that, not as one element gone and another new.
        let fold = |name: &str| Collation::CaseInsensitive.fold(name);
        let mut others: HashMap<String, (usize, &Value)> =
            olds.into_iter().map(|(name, old)| (fold(&name), old)).collect();
        for (element, twin) in new.iter().zip(&mut twins).filter(|(_, twin)| twin.is_none()) {
            *twin = name(element).and_then(|n| others.remove(&fold(&n)));
        }
        let mut kept = HashSet::new();
        for (index, (element, twin)) in new.iter().zip(twins).enumerate() {
            kept.extend(twin.map(|(i, _)| i));
            at(index, place, twin.map(|(_, v)| v), Some(element), found);
        }
        for (index, element) in old.iter().enumerate().filter(|(i, _)| !kept.contains(i)) {
            at(index, place, Some(element), None, found);
        }
    } else if old.iter().chain(new).all(|v| !matches!(v, Value::Map(_) | Value::List(_))) {
        // Plain values: what is in one list and not in the other, whatever its position.
        let mut rest: BTreeMap<Vec<u8>, VecDeque<usize>> = BTreeMap::new();
        for (index, element) in old.iter().enumerate() {
            rest.entry(exact_bytes(element)).or_default().push_back(index);
        }
        for (index, element) in new.iter().enumerate() {
            if rest.get_mut(&exact_bytes(element)).and_then(VecDeque::pop_front).is_none() {
                at(index, place, None, Some(element), found);
            }
        }
        let gone: BTreeSet<usize> = rest.into_values().flatten().collect();
        for index in gone {
            at(index, place, old.get(index), None, found);
        }
    } else {
        for index in 0..old.len().max(new.len()) {
            at(index, place, old.get(index), new.get(index), found);
        }
    }
    if found.len() == before {
        found.push(Change { place: place.clone(), changed: Changed::Order });
    }
}
