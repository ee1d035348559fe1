//! Which elements of two lists are the same, so that an element that came or went is shown as that and not as a change
//! of all that follow.
//!
//! In this order: equal elements that keep their order (a longest common subsequence), equal elements that moved, the
//! rules of the model, ids and names, likeness, and at last the place between two pairs. The work is bounded for lists
//! of any length.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use super::exact::{exact_bytes, identity_bytes};
use super::merge::{NAMING, match_by, value_at};
use super::pairs::Pairs;
use crate::document::{Collation, Document, Value};
use crate::model::{Kind, MergeRule};

/// How many pairs of elements a longest common subsequence is sought among; longer lists pair equal elements from the
/// beginning.
const MOST_CELLS: usize = 1 << 20;

/// How many pairs of elements are compared for likeness.
const MOST_COMPARED: usize = 1 << 16;

/// How many values of an element stand for it when likeness is measured.
const SKETCH: usize = 64;

/// How the model tells the elements of one list apart.
struct Known<'r> {
    list: *const Value,
    by: &'r [String],
    prefer: &'r [String],
}

/// How elements of the lists in one document find their twins.
pub(super) struct Alignment<'r> {
    known: Vec<Known<'r>>,
    collation: Collation,
}

impl<'r> Alignment<'r> {
    /// The rules that a kind has for the lists of its old document.
    pub fn of(kind: Option<&'r Kind>, old: &Document, collation: Collation) -> Self {
        let mut known = Vec::new();
        for rule in kind.iter().flat_map(|kind| &kind.merges) {
            if let (MergeRule::Match { by, prefer }, Some(list)) = (&rule.rule, value_at(&rule.at, old)) {
                known.push(Known { list, by, prefer });
            }
        }
        for part in kind.iter().flat_map(|kind| &kind.parts) {
            if let Some(list) = old.body.as_ref().and_then(|body| part.at.list(body)) {
                known.push(Known { list, by: &part.key, prefer: &[] });
            }
        }
        Self { known, collation }
    }

    /// The position of each new element's twin in the old list.
    pub fn twins(&self, list: &Value, old: &[Value], new: &[Value]) -> Vec<Option<usize>> {
        let mut pairs = Pairs::new(new.len(), old.len());
        equal(&mut pairs, old, new);
        for known in self.known.iter().filter(|known| std::ptr::eq(known.list, list)) {
            match_by(&mut pairs, known.by, known.prefer, new, old, self.collation);
        }
        // The values of a dictionary belong to their key.
        let key = |value: &Value| match value {
            Value::List(pair) => match pair.as_slice() {
                [key @ (Value::Ref(_) | Value::Dangling(_) | Value::Text(_)), _] => Some(exact_bytes(key)),
                _ => None,
            },
            _ => None,
        };
        unique(&mut pairs, old, new, &key);
        for member in NAMING {
            unique(&mut pairs, old, new, &|value| called(value, member).map(exact_bytes));
        }
        let folded = |value: &Value| match value {
            Value::Map(map) => map
                .get(NAMING[1])
                .is_some_and(|name| !name.is_null())
                .then(|| identity_bytes(map, &[NAMING[1].to_owned()], self.collation)),
            _ => None,
        };
        unique(&mut pairs, old, new, &folded);
        alike(&mut pairs, old, new);
        // Of several that are called the same, those that are left stand for each other in their order.
        pair_named(&mut pairs, old, new, &folded);
        between(&mut pairs, old, new);
        pairs.of
    }
}

/// What an element is called by a member.
fn called<'v>(value: &'v Value, member: &str) -> Option<&'v Value> {
    match value {
        Value::Map(map) => map.get(member).filter(|value| !value.is_null()),
        _ => None,
    }
}

/// Pairs equal elements: those at both ends, then as many as keep their order, then those that moved.
fn equal(pairs: &mut Pairs, old: &[Value], new: &[Value]) {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    (0..head).for_each(|at| pairs.pair(at, at));
    (1..=tail).for_each(|from_end| pairs.pair(new.len() - from_end, old.len() - from_end));
    let middle = |list: &[Value]| -> Vec<Vec<u8>> {
        let inner = list.get(head..list.len().saturating_sub(tail)).unwrap_or_default();
        inner.iter().map(exact_bytes).collect()
    };
    let (olds, news) = (middle(old), middle(new));
    for (at_new, at_old) in common(&olds, &news) {
        pairs.pair(head + at_new, head + at_old);
    }
    pairs.find(new, old, exact_bytes, |_, _| true);
}

/// A longest common subsequence of two lists, as positions in the new and the old one; nothing for lists that are too
/// long.
fn common(old: &[Vec<u8>], new: &[Vec<u8>]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if old.len().saturating_mul(new.len()) > MOST_CELLS || old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    // How many the rests have in common, by the positions where they begin.
    let mut most = vec![0_u32; (old.len() + 1) * width];
    let cell = |most: &[u32], at_old: usize, at_new: usize| {
        most.get(at_old * width + at_new).copied().unwrap_or_default()
    };
    for (at_old, old) in old.iter().enumerate().rev() {
        for (at_new, new) in new.iter().enumerate().rev() {
            let value = match old == new {
                true => cell(&most, at_old + 1, at_new + 1) + 1,
                false => cell(&most, at_old + 1, at_new).max(cell(&most, at_old, at_new + 1)),
            };
            if let Some(cell) = most.get_mut(at_old * width + at_new) {
                *cell = value;
            }
        }
    }
    let (mut at_old, mut at_new, mut found) = (0, 0, Vec::new());
    while let (Some(one), Some(other)) = (old.get(at_old), new.get(at_new)) {
        if one == other {
            found.push((at_new, at_old));
            (at_old, at_new) = (at_old + 1, at_new + 1);
        } else if cell(&most, at_old + 1, at_new) >= cell(&most, at_old, at_new + 1) {
            at_old += 1;
        } else {
            at_new += 1;
        }
    }
    found
}

/// Pairs elements whose name, as `name` makes it, no other element of either list has.
fn unique(pairs: &mut Pairs, old: &[Value], new: &[Value], name: &dyn Fn(&Value) -> Option<Vec<u8>>) {
    let once = |list: &[Value]| {
        let mut positions: HashMap<Vec<u8>, Option<usize>> = HashMap::new();
        for (at, value) in list.iter().enumerate() {
            if let Some(name) = name(value) {
                positions.entry(name).and_modify(|position| *position = None).or_insert(Some(at));
            }
        }
        positions
    };
    if pairs.is_complete() {
        return;
    }
    let mut olds = once(old);
    let named: BTreeMap<Vec<u8>, Option<usize>> = once(new).into_iter().collect();
    for (name, at_new) in named {
        if let (Some(at_new), Some(Some(at_old))) = (at_new, olds.remove(&name)) {
            pairs.pair(at_new, at_old);
        }
    }
}

/// Pairs what is left of elements that have one name, in their order.
fn pair_named(pairs: &mut Pairs, old: &[Value], new: &[Value], name: &dyn Fn(&Value) -> Option<Vec<u8>>) {
    let mut olds: HashMap<Vec<u8>, std::collections::VecDeque<usize>> = HashMap::new();
    for at in pairs.open_theirs() {
        if let Some(name) = old.get(at).and_then(name) {
            olds.entry(name).or_default().push_back(at);
        }
    }
    for at in pairs.open_mine() {
        let found = new.get(at).and_then(name).and_then(|name| olds.get_mut(&name)?.pop_front());
        if let Some(found) = found {
            pairs.pair(at, found);
        }
    }
}

/// Pairs objects and lists that have at least half of their values in common: the most alike first, then those whose
/// positions differ least.
fn alike(pairs: &mut Pairs, old: &[Value], new: &[Value]) {
    let sketches = |list: &[Value], open: Vec<usize>| -> Vec<(usize, Vec<u64>)> {
        let elements = open.into_iter().filter_map(|at| Some((at, list.get(at)?)));
        elements
            .filter(|(_, value)| matches!(value, Value::Map(_) | Value::List(_)))
            .map(|(at, value)| (at, sketch(value)))
            .collect()
    };
    let (olds, news) = (sketches(old, pairs.open_theirs()), sketches(new, pairs.open_mine()));
    if olds.is_empty() || news.is_empty() {
        return;
    }
    let window = (MOST_COMPARED / news.len()).max(1);
    let mut found = Vec::new();
    for (rank, (at_new, sketch)) in news.iter().enumerate() {
        // In long lists only the neighbours of the same position among what is left.
        let first = (rank * olds.len() / news.len()).saturating_sub(window / 2);
        for (at_old, other) in olds.iter().skip(first).take(window) {
            let (shared, all) = (shared(sketch, other), sketch.len() + other.len());
            if shared * 4 >= all && shared > 0 {
                // Per mille, so that whole numbers order them.
                found.push((Reverse(2000 * shared / all), at_new.abs_diff(*at_old), *at_new, *at_old));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().for_each(|(_, _, at_new, at_old)| pairs.pair(at_new, at_old));
}

/// The least hashes of an element's values, each with its path without positions.
fn sketch(value: &Value) -> Vec<u64> {
    fn leaves(value: &Value, path: u64, hashes: &mut Vec<u64>) {
        let below = |step: &str| {
            let mut hasher = DefaultHasher::new();
            (path, step).hash(&mut hasher);
            hasher.finish()
        };
        match value {
            Value::Map(map) => map.iter().for_each(|(name, value)| leaves(value, below(name), hashes)),
            Value::List(list) => list.iter().for_each(|value| leaves(value, below("[]"), hashes)),
            // Nothing in common is no likeness.
            Value::Null => {}
            value => {
                let mut hasher = DefaultHasher::new();
                let secret = matches!(value, Value::Secret(_));
                (path, secret, if secret { Vec::new() } else { exact_bytes(value) }).hash(&mut hasher);
                hashes.push(hasher.finish());
            }
        }
    }
    let mut hashes = Vec::new();
    leaves(value, 0, &mut hashes);
    hashes.sort_unstable();
    hashes.truncate(SKETCH);
    hashes
}

/// How many hashes two ordered lists share.
fn shared(one: &[u64], other: &[u64]) -> usize {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut shared = 0;
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => drop(one.next()),
            std::cmp::Ordering::Greater => drop(other.next()),
            std::cmp::Ordering::Equal => {
                shared += 1;
                one.next();
                other.next();
            }
        }
    }
    shared
}

/// Pairs objects without a name, and lists, that stand between the same two pairs, in their order.
fn between(pairs: &mut Pairs, old: &[Value], new: &[Value]) {
    let mut at_old = 0;
    for at_new in 0..new.len() {
        if let Some(Some(twin)) = pairs.of.get(at_new) {
            at_old = twin + 1;
            continue;
        }
        let (Some(mine), Some(theirs)) = (new.get(at_new), old.get(at_old)) else { continue };
        let nameless = |value: &Value| NAMING.iter().all(|member| called(value, member).is_none());
        let same = match (mine, theirs) {
            (Value::Map(_), Value::Map(_)) => nameless(mine) && nameless(theirs),
            (Value::List(_), Value::List(_)) => true,
            _ => false,
        };
        if same && pairs.is_open(at_old) {
            pairs.pair(at_new, at_old);
            at_old += 1;
        }
    }
}
