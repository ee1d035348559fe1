//! Two documents: what their difference says, and what becomes of them when they are joined.

use std::sync::OnceLock;

use sealift::document::{Collation, Document, Place, SecretId, Step, Value};
use sealift::model::Model;
use sealift::plan::{
    Change, Changed, TakenOut, changes, compare_equal, keep_secrets, merge, respell, take_out,
};

use super::feed::Feed;

/// A kind that merges in every way there is, with parts that lose their scope.
const MODEL: &str = r#"
format = 1
name = "m"
title = "M"
cipher = "octopus"
[[kind]]
name = "Env"
table = "Env"
id = { column = "Id", new = "guid" }
key = ["Name"]
[[kind]]
name = "Item"
table = "Item"
key = ["Name"]
body = "JSON"
[[kind.reference]]
at = "$.Env"
to = "Env"
missing = "drop"
[[kind.reference]]
at = "$.Scope[*]"
to = "Env"
missing = "drop"
[[kind.reference]]
at = "$.Variables[*].Scope.Env[*]"
to = "Env"
missing = "drop"
[[kind.part]]
name = "Variable"
at = "$.Variables[*]"
id = "Id"
key = ["Name", "Scope", "Value"]
new = "guid"
drop-when-emptied = "Scope"
[[kind.set]]
at = "$.Scope"
[[kind.set]]
at = "$.Variables[*].Scope[*]"
omit-empty = true
[[kind.set]]
at = "$.Members"
[[kind.merge]]
at = "$.Variables"
rule = "match"
by = ["Name", "Scope"]
prefer = ["Value"]
[[kind.merge]]
at = "$.Members"
rule = "union"
[[kind.merge]]
at = "Members"
rule = "union"
"#;

fn model() -> &'static Model {
    static MODEL_ONCE: OnceLock<Model> = OnceLock::new();
    MODEL_ONCE.get_or_init(|| Model::parse(MODEL, "fuzz").unwrap())
}

/// Any bytes, as two documents; the second may be the first with a change.
pub fn holds(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let similar = feed.below(2) == 1;
    let one = feed.document();
    let mut two = if similar { one.clone() } else { feed.document() };
    if similar {
        for _ in 0..1 + feed.below(3) {
            alter(&mut two, &mut feed);
        }
    }
    differ(&one, &two);
    differ(&two, &one);
    join(&one, &two);
    join(&two, &one);
    lose(&one, &mut feed);
}

/// Changes a document somewhere.
fn alter(document: &mut Document, feed: &mut Feed<'_>) {
    let mut places = Vec::new();
    document.visit(&mut |place, _| places.push(place.clone()));
    let Some(place) = places.get(feed.below(places.len())) else { return };
    let Some(value) = document.at_mut(place) else { return };
    match (feed.below(4), value) {
        (0, Value::List(list)) => list.reverse(),
        (1, Value::List(list)) => list.push(feed.value(2)),
        (2, Value::List(list)) => {
            list.pop();
        }
        (0, Value::Map(map)) => {
            map.remove("Name");
        }
        (1, Value::Map(map)) => {
            map.insert(feed.text(), feed.value(2));
        }
        (_, value) => *value = feed.value(2),
    }
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::Secret(_) => Value::Secret(SecretId::UNKNOWN),
        Value::List(list) => Value::List(list.iter().map(hidden).collect()),
        Value::Map(map) => {
            let mut map = map.clone();
            map.iter_mut().for_each(|(_, value)| *value = hidden(value));
            Value::Map(map)
        }
        other => other.clone(),
    }
}

/// What a difference says is so; there is one where the documents differ, and none where they do not; and
/// where no list is involved, the old document with the changes is the new one.
pub fn differ(old: &Document, new: &Document) {
    let kind = model().kind("Item");
    let changes = |old, new| changes(kind, old, new, model().collation);
    assert!(changes(old, old).is_empty(), "nothing differs from itself");
    let found = changes(old, new);
    let same = old.columns == new.columns && old.body == new.body;
    let in_list = |place: &Place| place.steps().iter().any(|step| matches!(step, Step::Index(_)));
    assert_eq!(found.is_empty(), same, "documents that differ have a difference");
    for Change { place, changed } in &found {
        let (was, is) = (old.at(place), new.at(place));
        match changed {
            Changed::Added(value) => assert_eq!(is.map(hidden).as_ref(), Some(value), "{place}"),
            // Places count elements as the new document does, and in the old one they may stand elsewhere.
            Changed::Removed(_) if in_list(place) => {}
            Changed::Removed(value) => assert_eq!(was.map(hidden).as_ref(), Some(value), "{place}"),
            Changed::Replaced { old, new } => {
                assert_eq!((is.map(hidden).as_ref(), old), (Some(new), &hidden(old)), "{place}");
                assert!(!matches!((old, new), (Value::Secret(_), Value::Secret(_))), "{place}");
            }
            Changed::Secret => assert!(matches!(is, Some(Value::Secret(_))), "{place}"),
            Changed::Order => assert!(matches!(is, Some(Value::List(_))), "{place}"),
        }
    }
    if !found.iter().any(|c| in_list(&c.place) || c.changed == Changed::Order) {
        let mut made = old.clone();
        found.iter().for_each(|change| apply(change, &mut made));
        let (made, new) = (Value::Map(made.columns), Value::Map(new.columns.clone()));
        assert_eq!(hidden(&made), hidden(&new), "the changes lead from one document to the other");
    }
}

fn apply(change: &Change, document: &mut Document) {
    let value = match &change.changed {
        Changed::Added(new) | Changed::Replaced { new, .. } => Some(new.clone()),
        Changed::Removed(_) => None,
        Changed::Secret | Changed::Order => return,
    };
    let (Some(Step::Member(name)), mut parent) = (change.place.steps().last(), change.place.clone()) else {
        match change.place.column_name() {
            Some(column) => put(&mut document.columns, column, value),
            None => document.body = value,
        }
        return;
    };
    parent.pop();
    if let Some(Value::Map(map)) = document.at_mut(&parent) {
        put(map, name, value);
    }
}

fn put(map: &mut sealift::document::Map, name: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(name, value),
        None => map.remove(name),
    };
}

fn list_at<'d>(document: &'d Document, column: bool, name: &str) -> &'d [Value] {
    let value = match (&document.body, column) {
        (_, true) => document.columns.get(name),
        (Some(Value::Map(body)), false) => body.get(name),
        _ => None,
    };
    match value {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

fn is_dictionary_pair(value: &Value) -> bool {
    matches!(value, Value::List(pair) if matches!(pair.as_slice(), [_, Value::List(_)]))
}

/// Joining twice is joining once, joining with oneself is nothing, and a union holds what both held.
pub fn join(source: &Document, target: &Document) {
    let kind = model().kind("Item").unwrap();
    let collation = model().collation;
    let mut itself = source.clone();
    kind.sort_sets(&mut itself, collation);
    assert_eq!(
        merge(kind, itself.clone(), &itself, collation),
        itself,
        "a document joined with itself is itself"
    );
    // What is read from a server has its sets in order.
    let mut target = target.clone();
    kind.sort_sets(&mut target, collation);
    let target = &target;
    let joined = merge(kind, source.clone(), target, collation);
    assert_eq!(merge(kind, source.clone(), &joined, collation), joined, "joining again changes nothing");
    let kept = keep_secrets(kind, source.clone(), target, collation);
    assert_eq!(
        keep_secrets(kind, kept.clone(), target, collation),
        kept,
        "keeping secrets again changes nothing"
    );
    for (column, name) in [(true, "Members"), (false, "Members")] {
        let all = list_at(&joined, column, name);
        let (mine, theirs) = (list_at(source, column, name), list_at(target, column, name));
        // Where one side has no list, its other value is for the rule to judge.
        if !mine.is_empty() && !theirs.is_empty() {
            // Null and blank texts are no elements of a set.
            let named = |value: &&Value| {
                !value.is_null() && value.as_text().is_none_or(|text| !text.trim().is_empty())
            };
            let both = mine.iter().chain(theirs).filter(|value| !is_dictionary_pair(value)).filter(named);
            let held = |value: &Value| all.iter().any(|other| compare_equal(value, other, collation));
            both.for_each(|value| assert!(held(value), "a union lost an element"));
            assert!(all.len() <= mine.len() + theirs.len(), "a union made elements up");
        }
    }
    for collation in [Collation::CaseInsensitive, Collation::CaseSensitive] {
        let mut once = source.clone();
        respell(&mut once, target, collation);
        let mut twice = once.clone();
        respell(&mut twice, target, collation);
        assert_eq!(once, twice, "spelling again changes nothing");
        assert_eq!(names(&once, collation), names(source, collation), "what is named stays the same");
    }
}

/// What the references of a document name, in order.
fn names(document: &Document, collation: Collation) -> Vec<String> {
    let mut names = Vec::new();
    document.each(&mut |value| {
        if let Value::Ref(reference) = value {
            names.push(format!("{} {}", reference.kind, reference.key.folded(collation)));
        }
    });
    names
}

/// What is taken out is gone, nothing else is, and it is said.
pub fn lose(document: &Document, feed: &mut Feed<'_>) {
    let kind = model().kind("Item").unwrap();
    let mut kept = document.clone();
    assert_eq!(take_out(kind, &mut kept, &mut |_, _| false), TakenOut::default());
    assert_eq!(&kept, document, "nothing was to be taken out");
    let odd = feed.below(2) == 1;
    let mut gone = |_: usize, value: &Value| match value {
        Value::Ref(reference) => odd || reference.kind.as_str() == "Env",
        _ => odd,
    };
    let mut left = document.clone();
    let TakenOut { notes, .. } = take_out(kind, &mut left, &mut gone);
    assert_eq!(notes.is_empty(), left == *document, "what is taken out is said: {notes:?}");
    let mut again = left.clone();
    let more = take_out(kind, &mut again, &mut gone);
    assert_eq!(more, TakenOut::default(), "all was taken out at once");
}
