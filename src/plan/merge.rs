//! Joining a bundle's document with the target's, where the model says so.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::exact::{exact_bytes, identity_bytes, loose_bytes};
use super::pairs::Pairs;
use crate::document::{Collation, Document, KindName, Map, Place, SecretId, Value, canonical, json};
use crate::model::{Direction, Form, Keep, Kind, MergeRule, Pattern, ReferenceRule, Rule, Target};

/// The members that elements of lists are called by.
pub(super) const NAMING: [&str; 2] = ["Id", "Name"];

/// Returns the document that an import writes: the bundle's, with the places that the model joins joined with the
/// target's, and with the target's secrets where the bundle has a marker without a value.
pub fn merge(kind: &Kind, source: Document, target: &Document, collation: Collation) -> Document {
    complete(
        kind,
        source,
        target,
        &|rule, mine, theirs| join(rule, mine, theirs.clone(), collation),
        collation,
    )
}

/// Returns the bundle's document with the target's secrets where the bundle has a marker without a value. Nothing
/// else is joined.
pub fn keep_secrets(kind: &Kind, source: Document, target: &Document, collation: Collation) -> Document {
    let keep = |rule: &MergeRule, mut mine: Value, theirs: &Value| {
        match (rule, &mut mine, theirs) {
            (MergeRule::Match { by, prefer }, Value::List(mine), Value::List(theirs)) => {
                let twins = twins(by, prefer, mine, theirs, collation);
                fill_pairs(mine, theirs, twins, collation);
            }
            (_, mine, theirs) => fill(mine, theirs, collation),
        }
        mine
    };
    complete(kind, source, target, &keep, collation)
}

/// Returns the target's document with the parts that only the bundle has, where the model says that these can be added
/// to a document that is not overwritten; `None` where there are none.
pub fn add_missing(
    kind: &Kind,
    source: &Document,
    target: &Document,
    collation: Collation,
) -> Option<Document> {
    let mut grown: Option<Document> = None;
    for part in kind.parts.iter().filter(|part| part.add_missing) {
        let identity = |value: &Value| match value {
            Value::Map(map) => Some(identity_bytes(map, &part.key, collation)),
            _ => None,
        };
        let (Some(mine), Some(theirs)) = (&source.body, &target.body) else { continue };
        let mut known: HashSet<Option<Vec<u8>>> = HashSet::new();
        part.at.find(theirs, &mut |element| {
            known.insert(identity(element));
        });
        let mut new = Vec::new();
        part.at
            .find(mine, &mut |element| new.extend(known.insert(identity(element)).then(|| element.clone())));
        if new.is_empty() {
            continue;
        }
        let document = grown.get_or_insert_with(|| target.clone());
        if let Some(list) = document.body.as_mut().and_then(|body| part.at.elements_mut(body)) {
            list.extend(new);
        }
    }
    grown.filter(|grown| grown != target)
}

/// Completes a document from the target's: `join` sees the places that the model joins, whose elements find their
/// twins by the rule and by nothing else.
fn complete(
    kind: &Kind,
    mut document: Document,
    target: &Document,
    join: &dyn Fn(&MergeRule, Value, &Value) -> Value,
    collation: Collation,
) -> Document {
    // No export writes a set in another order, but hands do.
    kind.sort_sets(&mut document, collation);
    let mut joined = Vec::new();
    for rule in &kind.merges {
        let Some(theirs) = value_at(&rule.at, target) else { continue };
        if let Some(ours) = place_of(&rule.at, &mut document) {
            joined.push((&rule.at, join(&rule.rule, std::mem::take(ours), theirs)));
        }
    }
    for (name, value) in document.columns.iter_mut() {
        if let Some(theirs) = target.columns.get(name) {
            fill(value, theirs, collation);
        }
    }
    if let (Some(mine), Some(theirs)) = (&mut document.body, &target.body) {
        fill(mine, theirs, collation);
    }
    for (at, value) in joined {
        if let Some(ours) = place_of(at, &mut document) {
            *ours = value;
        }
    }
    kind.sort_sets(&mut document, collation);
    document
}

/// The one place a rule names in a document, to change it.
pub(crate) fn place_of<'d>(at: &Pattern, document: &'d mut Document) -> Option<&'d mut Value> {
    match &at.column {
        Some(column) => document.columns.get_mut(column),
        None => document.body.as_mut().and_then(|body| at.get_mut(body)),
    }
}

/// Gives markers without a value what the target has at their places: its secret, or nothing where it has none. A
/// secret inside a list is its element's, wherever that stands: elements are twins when they differ in secrets at
/// the most, or bear one name.
fn fill(mine: &mut Value, theirs: &Value, collation: Collation) {
    match (mine, theirs) {
        (mine @ Value::Secret(SecretId::UNKNOWN), Value::Secret(_) | Value::Null) => *mine = theirs.clone(),
        (mine @ Value::Secret(SecretId::UNKNOWN), Value::Text(text)) if text.is_empty() => {
            *mine = theirs.clone();
        }
        (Value::Map(mine), Value::Map(theirs)) if mine.iter().any(|(_, value)| lacks_secret(value)) => {
            let own = names(mine);
            mine.retain(|name, value| {
                if !lacks_secret(value) {
                    return true;
                }
                match member(theirs, name, &own, collation) {
                    Some(theirs) => {
                        fill(value, theirs, collation);
                        true
                    }
                    None => *value != Value::Secret(SecretId::UNKNOWN),
                }
            });
        }
        (Value::List(mine), Value::List(theirs)) if mine.iter().any(lacks_secret) => {
            let twins = same_elements(mine, theirs, collation);
            fill_pairs(mine, theirs, twins, collation);
        }
        _ => {}
    }
}

/// The member of a name; where there is none, that of a name in another case, unless that is one of the `others`.
fn member<'m>(map: &'m Map, name: &str, others: &[String], collation: Collation) -> Option<&'m Value> {
    map.get(name).or_else(|| {
        let folded = collation.fold(name);
        let mut same = map.iter().filter(|(other, _)| {
            collation.fold(other) == folded && others.binary_search_by(|own| own.as_str().cmp(other)).is_err()
        });
        same.next().map(|(_, value)| value).filter(|_| same.next().is_none())
    })
}

/// The names of the members of an object, in order.
fn names(map: &Map) -> Vec<String> {
    map.iter().map(|(name, _)| name.to_owned()).collect()
}

/// The twins of elements that no rule identifies: those that differ in secrets at the most, then those of one id, then
/// those of one name. Two servers give ids of their own to what is called the same.
fn same_elements(mine: &[Value], theirs: &[Value], collation: Collation) -> Vec<Option<usize>> {
    let mut pairs = Pairs::new(mine.len(), theirs.len());
    pairs.find(mine, theirs, apart_from_secrets, alike);
    for member in NAMING.into_iter().filter(|member| is_naming(member, mine, theirs)) {
        let named = |value: &Value, fold: &dyn Fn(&str) -> String| match value {
            Value::Map(map) => map.get(member).and_then(Value::as_text).map(fold).unwrap_or_default(),
            _ => String::new(),
        };
        pairs.find(mine, theirs, |value| named(value, &str::to_owned), |_, _| true);
        pairs.find(mine, theirs, |value| named(value, &|name| collation.fold(name)), |_, _| true);
    }
    pairs.of
}

/// Whether every element of both lists has such a member, and no two of one list the same.
fn is_naming(member: &str, old: &[Value], new: &[Value]) -> bool {
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

/// The places of the target's secrets that a document does not have any more, be it under another value.
pub fn lost_secrets(kind: &Kind, target: &Document, written: &Document, collation: Collation) -> Vec<Place> {
    let mut lost = Lost { joined: Vec::new(), places: Vec::new(), collation };
    for rule in &kind.merges {
        let lists = (value_at(&rule.at, target), value_at(&rule.at, written));
        if let (MergeRule::Match { by, prefer }, (Some(list @ Value::List(old)), Some(Value::List(new)))) =
            (&rule.rule, lists)
        {
            lost.joined.push((list, twins(by, prefer, old, new, collation)));
        }
    }
    for (name, value) in target.columns.iter() {
        lost.look(value, written.columns.get(name), &mut Place::column(name));
    }
    if let Some(body) = &target.body {
        lost.look(body, written.body.as_ref(), &mut Place::body());
    }
    lost.places
}

struct Lost<'d> {
    /// Lists whose elements a rule identifies, with the twins of each.
    joined: Vec<(&'d Value, Vec<Option<usize>>)>,
    places: Vec<Place>,
    collation: Collation,
}

impl<'d> Lost<'d> {
    fn look(&mut self, old: &'d Value, new: Option<&Value>, place: &mut Place) {
        match (old, new) {
            (Value::Secret(_), Some(Value::Secret(new))) if *new != SecretId::UNKNOWN => {}
            (Value::Secret(_), _) => self.places.push(place.clone()),
            (Value::Map(old), new) => {
                let own = names(old);
                for (name, value) in old.iter().filter(|(_, value)| holds_secret(value)) {
                    let new = match new {
                        Some(Value::Map(new)) => member(new, name, &own, self.collation),
                        _ => None,
                    };
                    place.push_member(name);
                    self.look(value, new, place);
                    place.pop();
                }
            }
            (Value::List(elements), new) => {
                if !holds_secret(old) {
                    return;
                }
                let new = match new {
                    Some(Value::List(new)) => new.as_slice(),
                    _ => &[],
                };
                let joined = self.joined.iter().find(|(list, _)| std::ptr::eq(*list, old));
                let twins = joined.map(|(_, twins)| twins.clone());
                let twins = twins.unwrap_or_else(|| same_elements(elements, new, self.collation));
                for (index, (value, twin)) in elements.iter().zip(twins).enumerate() {
                    place.push_index(index);
                    self.look(value, twin.and_then(|at| new.get(at)), place);
                    place.pop();
                }
            }
            _ => {}
        }
    }
}

/// Fills each element from its twin, by position.
fn fill_pairs(mine: &mut [Value], theirs: &[Value], twins: Vec<Option<usize>>, collation: Collation) {
    for (mine, twin) in mine.iter_mut().zip(twins) {
        if let Some(theirs) = twin.and_then(|at| theirs.get(at)) {
            fill(mine, theirs, collation);
        }
    }
}

fn lacks_secret(value: &Value) -> bool {
    let mut lacks = false;
    value.each(&mut |value| lacks |= *value == Value::Secret(SecretId::UNKNOWN));
    lacks
}

fn holds_secret(value: &Value) -> bool {
    let mut holds = false;
    value.each(&mut |value| holds |= matches!(value, Value::Secret(_)));
    holds
}

/// Bytes that elements share when they differ in secrets at the most.
fn apart_from_secrets(value: &Value) -> Vec<u8> {
    canonical::encode_value(value).unwrap_or_default()
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

/// The twins of elements that a rule identifies: those that are the same, then those of one identity that agree in
/// `prefer` too, then those of one identity. Else joining again would put several of one identity in another order.
fn twins(
    by: &[String],
    prefer: &[String],
    mine: &[Value],
    theirs: &[Value],
    collation: Collation,
) -> Vec<Option<usize>> {
    let mut pairs = Pairs::new(mine.len(), theirs.len());
    pairs.find(mine, theirs, apart_from_secrets, |mine, theirs| mine == theirs);
    match_by(&mut pairs, by, prefer, mine, theirs, collation);
    pairs.of
}

/// Pairs elements of one identity: those that differ in secrets at the most, then those that agree in `prefer` too,
/// then the others.
pub(super) fn match_by(
    pairs: &mut Pairs,
    by: &[String],
    prefer: &[String],
    mine: &[Value],
    theirs: &[Value],
    collation: Collation,
) {
    pairs.find(mine, theirs, apart_from_secrets, alike);
    for prefer in [prefer, &[]] {
        // What is no object has nothing to be known by but itself.
        let identity = |value: &Value| match value {
            Value::Map(map) => {
                let picked = |names: &[String]| Value::List(crate::model::pick(map, names));
                (Some(identity_bytes(map, by, collation)), exact_bytes(&picked(prefer)))
            }
            other => (None, exact_bytes(other)),
        };
        pairs.find(mine, theirs, identity, |_, _| true);
    }
}

fn join(rule: &MergeRule, mine: Value, theirs: Value, collation: Collation) -> Value {
    match (rule, mine, theirs) {
        (MergeRule::Union, Value::List(mine), Value::List(theirs)) => union(mine, theirs, collation),
        (MergeRule::Union, mine, Value::Null) => mine,
        (MergeRule::Union, Value::Null, theirs) => theirs,
        (MergeRule::Match { by, prefer }, Value::List(mine), Value::List(theirs)) => {
            Value::List(matched(by, prefer, mine, theirs, collation))
        }
        (_, mine, _) => mine,
    }
}

/// Every element of both, the target's first, those that both have as the bundle spells them (first). Pairs
/// `[key, list]` of a dictionary are joined by key.
fn union(mine: Vec<Value>, theirs: Vec<Value>, collation: Collation) -> Value {
    // Names compare as the server compares them; anything else is what it is.
    let named = |value: &Value| match value {
        Value::Text(_) | Value::Ref(_) => loose_bytes(value, collation),
        other => exact_bytes(other),
    };
    let name = |value: &Value| match pair(value) {
        Some((key, _)) => (true, named(key)),
        None => (false, named(value)),
    };
    let mut all = theirs;
    let mut held: HashMap<(bool, Vec<u8>), usize> = HashMap::new();
    for (position, element) in all.iter().enumerate() {
        held.entry(name(element)).or_insert(position);
    }
    let exact: HashSet<Vec<u8>> = all.iter().map(exact_bytes).collect();
    let mut met = HashSet::new();
    for element in mine {
        let name = name(&element);
        let first = met.insert(name.clone());
        if exact.contains(&exact_bytes(&element)) || !first && !name.0 {
            continue;
        }
        match held.entry(name) {
            Entry::Vacant(new) => {
                new.insert(all.len());
                all.push(element);
            }
            Entry::Occupied(known) => {
                let Some(theirs) = all.get_mut(*known.get()) else { continue };
                *theirs = match (pair(&element), pair(theirs)) {
                    (Some((mine, values)), Some((theirs, others))) => {
                        let key = if first { mine } else { theirs };
                        let values = union(values.to_vec(), others.to_vec(), collation);
                        Value::List(vec![key.clone(), values])
                    }
                    _ => element,
                };
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
/// bundle's that are new.
fn matched(
    by: &[String],
    prefer: &[String],
    mut mine: Vec<Value>,
    theirs: Vec<Value>,
    collation: Collation,
) -> Vec<Value> {
    let twins = twins(by, prefer, &mine, &theirs, collation);
    fill_pairs(&mut mine, &theirs, twins.clone(), collation);
    let mut result = theirs;
    for (element, twin) in mine.into_iter().zip(twins) {
        match twin.and_then(|at| result.get_mut(at)) {
            Some(theirs) => *theirs = element,
            None => result.push(element),
        }
    }
    result
}

/// What was taken out of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TakenOut {
    /// What it was, for people.
    pub notes: Vec<String>,
    /// How many parts went with what limited them.
    pub parts: usize,
}

/// Takes the references out of a document that `gone` says the target cannot have, and the parts that lose
/// all of a scope with them.
///
/// `gone` is asked with the position of the reference's rule.
pub fn take_out(
    kind: &Kind,
    document: &mut Document,
    gone: &mut dyn FnMut(usize, &Value) -> bool,
) -> TakenOut {
    let owners = part_names(kind, document);
    let mut parts = 0;
    let scoped: Vec<Vec<Vec<(&str, String)>>> = kind
        .parts
        .iter()
        .map(|part| {
            let mut had = Vec::new();
            if let ([_, ..], Some(body)) = (part.drop_when_emptied.as_slice(), &document.body) {
                part.at.find(body, &mut |element| had.push(held(element, &part.drop_when_emptied, &owners)));
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
        let ([_, ..], Some(body)) = (part.drop_when_emptied.as_slice(), document.body.as_mut()) else {
            continue;
        };
        let Some(elements) = part.at.elements_mut(body) else { continue };
        let mut had = had.into_iter();
        elements.retain(|element| {
            let now = held(element, &part.drop_when_emptied, &owners);
            let emptied = had.next().into_iter().flatten().find(|name| !now.contains(name));
            if let Some((member, _)) = &emptied {
                parts += 1;
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
            emptied.is_none()
        });
    }
    TakenOut { notes, parts }
}

/// The names of the parts that a document refers to: tags, say.
fn part_names(kind: &Kind, document: &mut Document) -> BTreeSet<KindName> {
    let is_part = |target: &Target| matches!(target, Target::Part { .. });
    let leads = |rule: &ReferenceRule| rule.to.iter().all(is_part);
    let mut names = BTreeSet::new();
    if kind.parts.iter().all(|part| part.drop_when_emptied.is_empty()) || !kind.references.iter().any(leads) {
        return names;
    }
    let Document { columns, body, .. } = document;
    kind.walk_references(columns, body.as_mut(), Direction::Up, &mut |rule, _, value| {
        if let (Rule::Reference(index), Value::Ref(reference)) = (rule, &*value)
            && kind.references.get(index).is_some_and(leads)
        {
            names.insert(reference.kind.clone());
        }
        Keep::Yes
    });
    names
}

/// The names of what holds anything in some members of an element: of a member's own members where it is an
/// object (the environments of a scope, its machines), else of the member. Each with the member. Parts (tags) limit by
/// their owners: those of several sets together, so that each set is a name of its own.
fn held<'m>(element: &Value, members: &'m [String], parts: &BTreeSet<KindName>) -> Vec<(&'m str, String)> {
    fn any(value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::List(list) => list.iter().any(any),
            Value::Map(map) => map.iter().any(|(_, value)| any(value)),
            _ => true,
        }
    }
    let names = |name: &str, value: &Value| {
        let mut names = Vec::new();
        names.extend(any(value).then(|| name.to_owned()));
        value.each(&mut |value| {
            if let Value::Ref(reference) = value
                && parts.contains(&reference.kind)
                && let Some(Value::Ref(owner)) = reference.key.parts().first()
            {
                names.push(format!("{name} {}", owner.key.to_text()));
            }
        });
        names
    };
    let Value::Map(map) = element else { return Vec::new() };
    let mut held = Vec::new();
    for member in members {
        let found: Vec<String> = match map.get(member) {
            Some(Value::Map(inner)) => inner.iter().flat_map(|(name, value)| names(name, value)).collect(),
            Some(value) => names(member, value),
            None => Vec::new(),
        };
        held.extend(found.into_iter().map(|name| (member.as_str(), name)));
    }
    held
}
