//! Joining a bundle's document with the target's, where the model says so.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::diff::naming_member;
use super::exact::exact_bytes;
use crate::document::{Document, Map, SecretId, Value, canonical, json};
use crate::model::{Direction, Form, Keep, Kind, MergeRule, Pattern, Rule};

/// Returns the document that an import writes: the bundle's, with the places that the model joins joined, and
/// with the target's secrets where the bundle brought no value for them.
pub fn merge(kind: &Kind, source: &Document, target: &Document) -> Document {
    let mut merged = source.clone();
    let mut joined = Vec::new();
    for rule in &kind.merges {
        let Some(theirs) = value_at(&rule.at, target) else { continue };
        let theirs = theirs.clone();
        if let Some(ours) = place_of(&rule.at, &mut merged) {
            joined.push((&rule.at, join(&rule.rule, std::mem::take(ours), theirs)));
        }
    }
    // What is joined is out of the way here: its elements found their twins by the rule, and by nothing else.
    fill_members(&mut merged.columns, &target.columns);
    if let (Some(mine), Some(theirs)) = (&mut merged.body, &target.body) {
        fill(mine, theirs);
    }
    for (at, value) in joined {
        if let Some(ours) = place_of(at, &mut merged) {
            *ours = value;
        }
    }
    merged
}

/// The one place a rule names in a document, to change it.
pub(crate) fn place_of<'d>(at: &Pattern, document: &'d mut Document) -> Option<&'d mut Value> {
    match &at.column {
        Some(column) => document.columns.get_mut(column),
        None => document.body.as_mut().and_then(|body| at.get_mut(body)),
    }
}

/// Gives the secrets that the bundle brought no value for those of the target's. A secret inside a list is
/// its element's, wherever that stands: elements are twins when they differ in secrets at the most, or bear
/// one name.
fn fill(mine: &mut Value, theirs: &Value) {
    match (mine, theirs) {
        (mine @ Value::Secret(SecretId::UNKNOWN), Value::Secret(_)) => *mine = theirs.clone(),
        (Value::Map(mine), Value::Map(theirs)) => fill_members(mine, theirs),
        (Value::List(mine), Value::List(theirs)) if mine.iter().any(lacks_secret) => {
            let named = naming_member(mine, theirs);
            let name = |value: &Value| match (named, value) {
                (Some(member), Value::Map(map)) => {
                    map.get(member).and_then(Value::as_text).map(str::to_owned)
                }
                _ => None,
            };
            // Secrets have no canonical bytes: elements that differ in nothing else share theirs.
            let bytes = |value: &Value| canonical::encode_value(value).unwrap_or_default();
            let mut open: BTreeMap<Vec<u8>, VecDeque<&Value>> = BTreeMap::new();
            for element in theirs {
                open.entry(bytes(element)).or_default().push_back(element);
            }
            let mut exact = Vec::with_capacity(mine.len());
            for element in &*mine {
                exact.push(open.get_mut(&bytes(element)).and_then(|twins| {
                    let at = twins.iter().position(|theirs| alike(element, theirs))?;
                    twins.remove(at)
                }));
            }
            let mut by_name: HashMap<String, &Value> =
                open.into_values().flatten().filter_map(|left| Some((name(left)?, left))).collect();
            for (element, exact) in mine.iter_mut().zip(exact) {
                if let Some(theirs) = exact.or_else(|| by_name.remove(&name(element)?)) {
                    fill(element, theirs);
                }
            }
        }
        _ => {}
    }
}

fn fill_members(mine: &mut Map, theirs: &Map) {
    for (name, value) in mine.iter_mut() {
        if let Some(theirs) = theirs.get(name) {
            fill(value, theirs);
        }
    }
}

fn lacks_secret(value: &Value) -> bool {
    match value {
        Value::Secret(secret) => *secret == SecretId::UNKNOWN,
        Value::List(list) => list.iter().any(lacks_secret),
        Value::Map(map) => map.iter().any(|(_, value)| lacks_secret(value)),
        _ => false,
    }
}

/// Says whether two values differ in their secrets at the most, and in those only where one is not known.
fn alike(mine: &Value, theirs: &Value) -> bool {
    match (mine, theirs) {
        (Value::Secret(mine), Value::Secret(theirs)) => *mine == SecretId::UNKNOWN || mine == theirs,
        (Value::List(mine), Value::List(theirs)) => {
            mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(mine, theirs)| alike(mine, theirs))
        }
        (Value::Map(mine), Value::Map(theirs)) => {
            let pairs = mine.iter().zip(theirs.iter());
            mine.len() == theirs.len() && { pairs }
                .all(|((a, mine), (b, theirs))| a == b && alike(mine, theirs))
        }
        _ => mine == theirs,
    }
}

/// The value at the one place a rule names in a document.
pub(crate) fn value_at<'d>(at: &Pattern, document: &'d Document) -> Option<&'d Value> {
    match &at.column {
        Some(column) => document.columns.get(column),
        None => {
            let mut found = None;
            at.find(document.body.as_ref()?, &mut |value| found = Some(value));
            found
        }
    }
}

fn join(rule: &MergeRule, mine: Value, theirs: Value) -> Value {
    match (rule, mine, theirs) {
        (MergeRule::Union, Value::List(mine), Value::List(theirs)) => union(mine, theirs),
        (MergeRule::Union, mine, Value::Null) => mine,
        (MergeRule::Union, Value::Null, theirs) => theirs,
        (MergeRule::Match { by, prefer }, Value::List(mine), Value::List(theirs)) => {
            Value::List(matched(by, prefer, mine, theirs))
        }
        (_, mine, _) => mine,
    }
}

/// Every element of both, the target's first. Pairs `[key, list]` of a dictionary are joined by key.
fn union(mine: Vec<Value>, theirs: Vec<Value>) -> Value {
    let mut all = theirs;
    let mut held: HashSet<Vec<u8>> = all.iter().map(exact_bytes).collect();
    let mut keyed: HashMap<Vec<u8>, usize> = HashMap::new();
    for (position, element) in all.iter().enumerate() {
        if let Some((key, _)) = pair(element) {
            keyed.entry(exact_bytes(key)).or_insert(position);
        }
    }
    for element in mine {
        let bytes = exact_bytes(&element);
        if held.contains(&bytes) {
            continue;
        }
        let known = match pair(&element) {
            Some((key, values)) => match keyed.entry(exact_bytes(key)) {
                Entry::Occupied(known) => all.get_mut(*known.get()).map(|theirs| (values.to_vec(), theirs)),
                Entry::Vacant(new) => {
                    new.insert(all.len());
                    None
                }
            },
            None => None,
        };
        match known {
            Some((mine, Value::List(theirs))) => {
                if let Some(Value::List(values)) = theirs.pop() {
                    theirs.push(union(mine, values));
                }
            }
            _ => {
                held.insert(bytes);
                all.push(element);
            }
        }
    }
    Value::List(all)
}

/// The key and the values of a dictionary's pair.
fn pair(value: &Value) -> Option<(&Value, &[Value])> {
    match value {
        Value::List(pair) => match pair.as_slice() {
            [key, Value::List(values)] => Some((key, values)),
            _ => None,
        },
        _ => None,
    }
}

/// The target's elements in their order, each replaced by the bundle's element of the same identity, then the
/// bundle's that are new. Where several share one identity, those that are the same are paired first, then those
/// that agree in `prefer` too: else joining again would put them in another order.
fn matched(by: &[String], prefer: &[String], mine: Vec<Value>, theirs: Vec<Value>) -> Vec<Value> {
    let both: Vec<String> = by.iter().chain(prefer).cloned().collect();
    let mut open: Vec<bool> = vec![true; theirs.len()];
    let mut result: Vec<Value> = theirs;
    let mut left: Vec<Value> = mine;
    for same in [|mine: &Value, theirs: &Value| mine == theirs, alike] {
        left = paired(left, &mut result, &mut open, same);
    }
    for names in [&both[..], by] {
        // What is no object has nothing to be known by but itself.
        let pick = |value: &Value| match value {
            Value::Map(map) => (true, Value::List(crate::model::pick(map, names))),
            other => (false, other.clone()),
        };
        let identity = |value: &Value| {
            let (object, picked) = pick(value);
            (object, exact_bytes(&picked))
        };
        let mut twins: HashMap<(bool, Vec<u8>), VecDeque<usize>> = HashMap::new();
        for (position, element) in result.iter().enumerate().filter(|(at, _)| open.get(*at) == Some(&true)) {
            twins.entry(identity(element)).or_default().push_back(position);
        }
        let mut rest = Vec::new();
        for mut element in left {
            let found = twins.get_mut(&identity(&element)).and_then(VecDeque::pop_front);
            match found.and_then(|at| open.get_mut(at).zip(result.get_mut(at))) {
                Some((open, result)) => {
                    *open = false;
                    fill(&mut element, result);
                    *result = element;
                }
                None => rest.push(element),
            }
        }
        left = rest;
    }
    result.extend(left);
    result
}

/// Pairs elements that are the same; returns those that have no twin.
fn paired(
    mine: Vec<Value>,
    theirs: &mut [Value],
    open: &mut [bool],
    same: fn(&Value, &Value) -> bool,
) -> Vec<Value> {
    // Secrets have no canonical bytes: elements that differ in nothing else share theirs.
    let bytes = |value: &Value| canonical::encode_value(value).unwrap_or_default();
    let mut twins: HashMap<Vec<u8>, VecDeque<usize>> = HashMap::new();
    for (position, element) in theirs.iter().enumerate().filter(|(at, _)| open.get(*at) == Some(&true)) {
        twins.entry(bytes(element)).or_default().push_back(position);
    }
    let mut rest = Vec::new();
    for mut element in mine {
        let found = twins.get_mut(&bytes(&element)).and_then(|twins| {
            let fits = |at: &usize| theirs.get(*at).is_some_and(|theirs| same(&element, theirs));
            let at = twins.iter().position(fits)?;
            twins.remove(at)
        });
        match found.and_then(|at| open.get_mut(at).zip(theirs.get_mut(at))) {
            Some((open, theirs)) => {
                *open = false;
                fill(&mut element, theirs);
                *theirs = element;
            }
            None => rest.push(element),
        }
    }
    rest
}

/// Takes the references out of a document that `gone` says the target cannot have, and the parts that lose
/// all of a scope with them. Returns what was taken out, for people.
///
/// `gone` is asked with the position of the reference's rule.
pub fn take_out(
    kind: &Kind,
    document: &mut Document,
    gone: &mut dyn FnMut(usize, &Value) -> bool,
) -> Vec<String> {
    let scoped: Vec<Vec<Vec<String>>> = kind
        .parts
        .iter()
        .map(|part| {
            let mut had = Vec::new();
            if let (Some(member), Some(body)) = (&part.drop_when_emptied, &document.body) {
                part.at.find(body, &mut |element| had.push(held(element, member)));
            }
            had
        })
        .collect();
    let mut notes = Vec::new();
    // Dictionaries lose pairs before anything else is looked at: a rule for what is in them reaches the key of
    // a pair too, as long as it is written as a pair.
    for pairs in [true, false] {
        if pairs && kind.references.iter().all(|rule| rule.form != Form::Keys) {
            continue;
        }
        kind.walk_references(
            &mut document.columns,
            document.body.as_mut(),
            Direction::Up,
            &mut |rule, place, value| {
                let Rule::Reference(index) = rule else { return Keep::Yes };
                let keys = kind.references.get(index).is_some_and(|rule| rule.form == Form::Keys);
                if keys != pairs {
                    return Keep::Yes;
                }
                let mut lost = |value: &Value| match value {
                    Value::Ref(reference) if gone(index, value) => {
                        notes.push(format!("{place}: {reference} is not in the target and was taken out"));
                        true
                    }
                    Value::Dangling(dangling) if gone(index, value) => {
                        let id = json::describe(&dangling.id);
                        notes.push(format!("{place}: {id} was nothing at the source and was taken out"));
                        true
                    }
                    _ => false,
                };
                match value {
                    Value::List(list) => {
                        list.retain(|element| match element {
                            Value::List(pair) => !pair.first().is_some_and(&mut lost),
                            element => !lost(element),
                        });
                        Keep::Yes
                    }
                    value if lost(value) => match place.steps().last() {
                        Some(crate::document::Step::Index(_)) => Keep::No,
                        _ => {
                            *value = Value::Null;
                            Keep::Yes
                        }
                    },
                    _ => Keep::Yes,
                }
            },
        );
    }
    for (part, had) in kind.parts.iter().zip(scoped) {
        let (Some(member), Some(body)) = (&part.drop_when_emptied, document.body.as_mut()) else { continue };
        let Some(elements) = part.at.elements_mut(body) else { continue };
        let mut had = had.into_iter();
        elements.retain(|element| {
            let now = held(element, member);
            let emptied = had.next().is_some_and(|had| had.iter().any(|name| !now.contains(name)));
            if emptied {
                let name = match element {
                    Value::Map(map) => {
                        map.get("Name").and_then(Value::as_text).unwrap_or_default().to_owned()
                    }
                    _ => String::new(),
                };
                notes.push(format!(
                    "{} {name:?} lost what its {member} was limited to and was dropped",
                    part.name
                ));
            }
            !emptied
        });
    }
    notes
}

/// The names of what holds anything in a member of an element: of the member's own members where it is an
/// object (the environments of a scope, its machines), else of the member.
fn held(element: &Value, member: &str) -> Vec<String> {
    fn any(value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::List(list) => list.iter().any(any),
            Value::Map(map) => map.iter().any(|(_, value)| any(value)),
            _ => true,
        }
    }
    let Value::Map(map) = element else { return Vec::new() };
    match map.get(member) {
        Some(Value::Map(members)) => {
            members.iter().filter(|(_, value)| any(value)).map(|(name, _)| name.to_owned()).collect()
        }
        Some(value) if any(value) => vec![member.to_owned()],
        _ => Vec::new(),
    }
}
