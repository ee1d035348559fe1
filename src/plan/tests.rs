use super::*;
use crate::document::{Collation, Document, Map, SecretId, Value, json};
use crate::model::Model;

const COLLATION: Collation = Collation::CaseInsensitive;

fn document(body: &str) -> Document {
    Document {
        kind: KindName::new("Item"),
        key: Key::name("a"),
        columns: Map::new(),
        body: Some(json::parse(body.as_bytes()).unwrap()),
    }
}

fn differing(old: &Document, new: &Document) -> Vec<Change> {
    changes(None, old, new, COLLATION)
}

fn shown(old: &str, new: &str) -> Vec<String> {
    said(&differing(&document(old), &document(new)))
}

fn said(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|c| {
            let word = match &c.changed {
                Changed::Added(_) => "+",
                Changed::Removed(_) => "-",
                Changed::Replaced { .. } => "~",
                Changed::Secret => "secret",
                Changed::Order => "order",
            };
            format!("{word} {}", c.place)
        })
        .collect()
}

#[test]
fn equal_documents_have_no_changes() {
    assert!(shown(r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1,{"b":2}]}"#).is_empty());
}

#[test]
fn changes_name_the_innermost_place() {
    assert_eq!(
        shown(r#"{"a":{"x":1,"y":2},"b":1,"d":1}"#, r#"{"a":{"x":1,"y":3},"c":1,"d":1}"#),
        ["~ $.a.y", "- $.b", "+ $.c"]
    );
}

#[test]
fn a_step_put_in_front_is_one_change() {
    let old = r#"{"Steps":[{"Name":"Build","Script":"x"},{"Name":"Test"}]}"#;
    let new = r#"{"Steps":[{"Name":"Clean"},{"Name":"Build","Script":"y"},{"Name":"Test"}]}"#;
    assert_eq!(shown(old, new), ["+ $.Steps[0]", "~ $.Steps[1].Script"]);
}

#[test]
fn another_order_is_said_as_such() {
    assert_eq!(shown(r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#), ["order $.a"]);
    assert_eq!(shown(r#"{"a":[1,2,3]}"#, r#"{"a":[1,3]}"#), ["- $.a[1]"]);
}

/// The same, by the rules of the model.
fn shown_as_item(old: &str, new: &str) -> Vec<String> {
    let model = model();
    said(&changes(model.kind("Item"), &document(old), &document(new), COLLATION))
}

#[test]
fn a_variable_put_in_front_is_one_change_though_names_repeat() {
    let rest = r#"{"Name":"A","Scope":{"Environment":["x"]},"Value":"1"},{"Name":"A","Scope":{"Environment":["y"]},"Value":"2"},{"Name":"B","Scope":{},"Value":"3"}"#;
    let old = format!(r#"{{"Variables":[{rest}]}}"#);
    let new = format!(r#"{{"Variables":[{{"Name":"A","Scope":{{}},"Value":"0"}},{rest}]}}"#);
    assert_eq!(shown_as_item(&old, &new), ["+ $.Variables[0]"]);
    assert_eq!(shown_as_item(&new, &old), ["- $.Variables[0]"]);
    // Without rules as well; and another value is a change of that variable, found by name and scope.
    assert_eq!(shown(&old, &new), ["+ $.Variables[0]"]);
    let changed = new.replace(r#""Value":"2""#, r#""Value":"20""#);
    assert_eq!(shown_as_item(&old, &changed), ["+ $.Variables[0]", "~ $.Variables[2].Value"]);
    // One whose scope changed is still that variable.
    let scoped = old.replace(r#"["y"]"#, r#"["z"]"#);
    assert_eq!(
        shown_as_item(&old, &scoped),
        ["+ $.Variables[1].Scope.Environment[0]", "- $.Variables[1].Scope.Environment[0]"]
    );
}

#[test]
fn elements_of_other_ids_are_found_by_their_names() {
    let old = r#"{"Steps":[{"Id":"1","Name":"Build","X":1},{"Id":"2","Name":"Test","X":2}]}"#;
    let new = r#"{"Steps":[{"Id":"7","Name":"Lint","X":0},{"Id":"8","Name":"build","X":1},{"Id":"9","Name":"Test","X":2}]}"#;
    assert_eq!(shown(old, new), ["+ $.Steps[0]", "~ $.Steps[1].Id", "~ $.Steps[1].Name", "~ $.Steps[2].Id"]);
}

#[test]
fn elements_without_names_are_found_by_likeness() {
    let element = |a: u32, b: u32, c: u32| format!(r#"{{"A":{a},"B":[{b}],"C":{c}}}"#);
    let list = |elements: &[String]| format!(r#"{{"L":[{}]}}"#, elements.join(","));
    let old = list(&[element(1, 1, 1), element(2, 2, 2), element(3, 3, 3)]);
    let new = list(&[element(9, 9, 9), element(1, 1, 1), element(2, 2, 7), element(3, 3, 3)]);
    assert_eq!(shown(&old, &new), ["+ $.L[0]", "~ $.L[2].C"]);
    assert_eq!(shown(&new, &old), ["~ $.L[1].C", "- $.L[0]"]);
    // What has nothing in common stands in the place of what was there.
    assert_eq!(shown(r#"{"L":[{"A":1},{"A":2}]}"#, r#"{"L":[{"A":1},{"A":3}]}"#), ["~ $.L[1].A"]);
    assert_eq!(shown(r#"{"L":[[1,2],[3]]}"#, r#"{"L":[[0],[1,2],[3]]}"#), ["+ $.L[0]"]);
    // The values of a dictionary stay with their key.
    assert_eq!(
        shown(r#"{"L":[["b",[1]],["c",[2]]]}"#, r#"{"L":[["a",[5]],["b",[1,4]],["c",[2]]]}"#),
        ["+ $.L[0]", "+ $.L[1][1][1]"]
    );
}

#[test]
fn what_moved_is_said_as_another_order_also_beside_other_changes() {
    let old = r#"{"Steps":[{"Name":"A"},{"Name":"B"},{"Name":"C"}]}"#;
    assert_eq!(shown(old, r#"{"Steps":[{"Name":"C"},{"Name":"A"},{"Name":"B"}]}"#), ["order $.Steps"]);
    let new = r#"{"Steps":[{"Name":"C"},{"Name":"A"},{"Name":"X"},{"Name":"B"}]}"#;
    assert_eq!(shown(old, new), ["+ $.Steps[2]", "order $.Steps"]);
    // As many as can keep their order do.
    assert_eq!(shown(r#"{"a":[1,2,1]}"#, r#"{"a":[2,1]}"#), ["- $.a[0]"]);
}

#[test]
fn long_lists_without_names_are_compared_in_bounded_time() {
    let list = |from: u32, step: u32| {
        let elements: Vec<String> =
            (from..from + 20_000).map(|n| format!(r#"{{"A":{},"B":{},"C":"x"}}"#, n * step, n)).collect();
        format!(r#"{{"L":[{}]}}"#, elements.join(","))
    };
    let begun = std::time::Instant::now();
    assert_eq!(shown(&list(0, 1), &list(1, 1)), ["+ $.L[19999]", "- $.L[0]"]);
    assert!(shown(&list(0, 1), &list(0, 3)).len() >= 19_999);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn secrets_change_without_being_shown() {
    let with = |id| {
        let mut d = document("{}");
        d.columns.insert("Password", Value::Secret(SecretId(id)));
        d
    };
    let found = differing(&with(1), &with(2));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].changed, Changed::Secret);
    assert!(differing(&with(1), &with(1)).is_empty());
}

fn model() -> Model {
    Model::parse(
        r#"
format = 1
name = "m"
title = "M"
[[kind]]
name = "Item"
table = "Item"
key = ["Name"]
body = "JSON"
[[kind.reference]]
at = "$.Variables[*].Scope.Environment[*]"
to = "Item"
missing = "drop"
[[kind.reference]]
at = "$.Links"
to = "Item"
form = "keys"
[[kind.part]]
name = "Variable"
at = "$.Variables[*]"
id = "Id"
key = ["Name", "Scope", "Value"]
new = "guid"
drop-when-emptied = "Scope"
[[kind.merge]]
at = "$.Variables"
rule = "match"
by = ["Name", "Scope"]
prefer = ["Value"]
[[kind.merge]]
at = "$.Members"
rule = "union"
"#,
        "m.toml",
    )
    .unwrap()
}

fn merged(source: &str, target: &str) -> String {
    let model = model();
    json::write(
        merge(&model.kinds()[0], document(source), &document(target), COLLATION).body.as_ref().unwrap(),
    )
}

#[test]
fn variable_sets_keep_what_only_the_target_has() {
    let source =
        r#"{"Variables":[{"Name":"A","Scope":{},"Value":"new"},{"Name":"C","Scope":{},"Value":"3"}]}"#;
    let target =
        r#"{"Variables":[{"Name":"B","Scope":{},"Value":"2"},{"Name":"A","Scope":{},"Value":"old"}]}"#;
    assert_eq!(
        merged(source, target),
        r#"{"Variables":[{"Name":"B","Scope":{},"Value":"2"},{"Name":"A","Scope":{},"Value":"new"},{"Name":"C","Scope":{},"Value":"3"}]}"#
    );
}

#[test]
fn variables_of_one_name_and_scope_pair_by_value_first() {
    let source = r#"{"Variables":[{"Name":"A","Scope":{},"Value":"2"},{"Name":"A","Scope":{},"Value":"9"}]}"#;
    let target = r#"{"Variables":[{"Name":"A","Scope":{},"Value":"1"},{"Name":"A","Scope":{},"Value":"2"}]}"#;
    assert_eq!(
        merged(source, target),
        r#"{"Variables":[{"Name":"A","Scope":{},"Value":"9"},{"Name":"A","Scope":{},"Value":"2"}]}"#
    );
    // Merging again changes nothing.
    assert_eq!(merged(source, &merged(source, target)), merged(source, target));
}

#[test]
fn unions_keep_both_sides_once() {
    assert_eq!(
        merged(r#"{"Members":["b","c"]}"#, r#"{"Members":["a","b"]}"#),
        r#"{"Members":["a","b","c"]}"#
    );
    let pairs = merged(r#"{"Members":[["p",["x"]],["q",[]]]}"#, r#"{"Members":[["p",["y"]]]}"#);
    assert_eq!(pairs, r#"{"Members":[["p",["y","x"]],["q",[]]]}"#);
}

fn environment(name: &str) -> Value {
    Value::Ref(Box::new(crate::document::Reference { kind: KindName::new("Item"), key: Key::name(name) }))
}

/// The vendor's tool once left such a variable without any scope, which made it hold everywhere.
#[test]
fn a_variable_whose_scopes_all_vanish_is_dropped_and_never_unscoped() {
    let model = model();
    let mut d = document(
        r#"{"Variables":[{"Name":"Both","Scope":{"Environment":[]}},{"Name":"Gone","Scope":{"Environment":[]}},{"Name":"Free","Scope":{}}]}"#,
    );
    let variables = model.kinds()[0].parts[0].at.elements_mut(d.body.as_mut().unwrap()).unwrap();
    for (variable, names) in variables.iter_mut().zip([&["Test", "Lost"][..], &["Lost"]]) {
        let Value::Map(map) = variable else { unreachable!() };
        let mut scope = Map::new();
        scope.insert("Environment", Value::List(names.iter().map(|n| environment(n)).collect()));
        map.insert("Scope", Value::Map(scope));
    }
    let TakenOut { notes, parts } = take_out(
        &model.kinds()[0],
        &mut d,
        &mut |_, value| matches!(value, Value::Ref(r) if r.key == Key::name("Lost")),
    );
    assert_eq!((notes.len(), parts), (3, 1), "{notes:?}");
    assert!(notes[2].contains("\"Gone\" lost what its Scope was limited to"), "{notes:?}");
    let left = model.kinds()[0].parts[0].at.elements_mut(d.body.as_mut().unwrap()).unwrap();
    assert_eq!(left.len(), 2);
}

/// A variable for one environment and one role, without the environment, would hold for the role everywhere.
#[test]
fn a_variable_that_loses_one_of_its_limits_is_dropped_too() {
    let model = model();
    let mut d = document(r#"{"Variables":[{"Name":"Narrow","Scope":{"Environment":[],"Role":["web"]}}]}"#);
    let variables = model.kinds()[0].parts[0].at.elements_mut(d.body.as_mut().unwrap()).unwrap();
    let Value::Map(map) = &mut variables[0] else { unreachable!() };
    let Some(Value::Map(scope)) = map.get_mut("Scope") else { unreachable!() };
    scope.insert("Environment", Value::List(vec![environment("Lost")]));
    take_out(&model.kinds()[0], &mut d, &mut |_, value| matches!(value, Value::Ref(_)));
    assert!(model.kinds()[0].parts[0].at.elements_mut(d.body.as_mut().unwrap()).unwrap().is_empty());
}

/// "PRODUCTION" against "Production" was once shown as a change of everything that referred to it.
#[test]
fn a_name_in_another_case_is_no_change_of_what_refers_to_it() {
    let with = |name: &str| {
        let mut d = document("{}");
        d.columns.insert("EnvironmentId", environment(name));
        d
    };
    let (old, mut new) = (with("PRODUCTION"), with("Production "));
    assert_eq!(differing(&old, &new).len(), 1);
    respell(&mut new, &old, crate::document::Collation::CaseInsensitive);
    assert!(differing(&old, &new).is_empty());
    let mut other = with("Test");
    respell(&mut other, &old, crate::document::Collation::CaseInsensitive);
    assert_eq!(differing(&old, &other).len(), 1);
}

/// What is no object in a list that is joined by members was once added anew by every import.
#[test]
fn what_is_no_object_is_joined_by_what_it_is() {
    let source = r#"{"Variables":[null,"x",{"Name":"A"},["A",null]]}"#;
    assert_eq!(merged(source, source), source);
    let target = r#"{"Variables":["x","y"]}"#;
    assert_eq!(merged(source, target), r#"{"Variables":["x","y",null,{"Name":"A"},["A",null]]}"#);
    assert_eq!(merged(source, &merged(source, target)), merged(source, target));
}

/// Lists of a hundred thousand elements once took hours: a bundle of a few kilobytes can hold them.
#[test]
fn long_lists_are_compared_and_joined_at_once() {
    const MANY: usize = 100_000;
    let list = |of: &mut dyn Iterator<Item = usize>| {
        let all: Vec<String> = of.map(|n| format!("[\"{n}\",[{n}]]")).collect();
        format!(r#"{{"Members":[{}]}}"#, all.join(","))
    };
    let (up, down) = (list(&mut (0..MANY)), list(&mut (0..MANY).rev()));
    assert_eq!(merged(&up, &down), down);
    let numbers = |of: &mut dyn Iterator<Item = usize>| {
        let all: Vec<String> = of.map(|n| n.to_string()).collect();
        format!(r#"{{"a":[{}]}}"#, all.join(","))
    };
    let (up, down) = (numbers(&mut (0..MANY)), numbers(&mut (1..=MANY).rev()));
    assert_eq!(shown(&up, &down), ["+ $.a[0]", "- $.a[0]", "order $.a"]);

    let secrets = |from: u32| {
        let one = |n: u32| {
            let mut map = Map::new();
            map.insert("Name", Value::Text(n.to_string()));
            map.insert("Value", Value::Secret(SecretId(if from == 0 { 0 } else { n })));
            Value::Map(map)
        };
        let mut all: Vec<Value> = (1..=MANY as u32).map(one).collect();
        if from == 0 {
            all.reverse();
        }
        let mut document = document("{}");
        document.columns.insert("List", Value::List(all));
        document
    };
    let filled = merge(&model().kinds()[0], secrets(0), &secrets(1), COLLATION);
    let Some(Value::List(filled)) = filled.columns.get("List") else { unreachable!() };
    for element in filled {
        let Value::Map(map) = element else { unreachable!() };
        let Some(Value::Secret(secret)) = map.get("Value") else { unreachable!() };
        assert_eq!(map.get("Name").and_then(Value::as_text), Some(secret.0.to_string().as_str()));
    }
}

/// Two variables of one name, scope and value: joining again once put them in another order, and every import of
/// the same was a change.
#[test]
fn twins_stay_where_they_were_put() {
    let source =
        r#"{"Variables":[{"Name":"A","Prompt":"b","Value":"2"},{"Name":"A","Prompt":"a","Value":"2"}]}"#;
    let target = r#"{"Variables":[{"Name":"A","Value":"1"},{"Name":"A","Value":"2"}]}"#;
    let once = merged(source, target);
    assert_eq!(
        once,
        r#"{"Variables":[{"Name":"A","Prompt":"a","Value":"2"},{"Name":"A","Prompt":"b","Value":"2"}]}"#
    );
    assert_eq!(merged(source, &once), once);
}

/// Several spellings of one name once changed places at every import.
#[test]
fn a_union_of_several_spellings_is_stable() {
    for (source, target, joined) in [
        (r#"["TaskView"]"#, r#"["taskview","b"]"#, r#"["TaskView","b"]"#),
        (r#"["a","A","a "]"#, r#"["A"]"#, r#"["a"]"#),
        (r#"["a"]"#, r#"["A","a"]"#, r#"["A","a"]"#),
        (r#"[null,{"Name":null}]"#, r#"[[]]"#, r#"[[],null,{"Name":null}]"#),
        (r#"[["p",["x"]],["P",["y"]]]"#, r#"[["P",["y"]]]"#, r#"[["p",["y","x"]]]"#),
    ] {
        let [source, target, joined] =
            [source, target, joined].map(|list| format!(r#"{{"Members":{list}}}"#));
        assert_eq!(merged(&source, &target), joined);
        assert_eq!(merged(&source, &joined), joined);
        assert_eq!(merged(&source, &source), source);
    }
}
