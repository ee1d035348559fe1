//! Models and places: they load or say why not, and what loads holds together.

use std::collections::HashSet;

use sealift::document::{Map, Value, json};
use sealift::model::{Direction, Keep, Model, Pattern};

/// A document to walk.
const BODY: &str =
    r#"{"A":[{"Type":"Env","Value":"x","B":[1,2]},{"Type":1}],"Name":"n","$":{"b":[[null]]},"Id":7}"#;

/// Any bytes: a text that begins as a path is one, all else is a model.
pub fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.starts_with('$') {
        path(text);
    } else if let Ok(model) = Model::parse(text, "fuzz") {
        holds_together(&model);
        let again = Model::parse(text, "fuzz").expect("a model that loads loads again");
        assert_eq!(format!("{:?}", again.kinds()), format!("{:?}", model.kinds()));
        assert_eq!((again.digest, again.key_order()), (model.digest, model.key_order()));
    }
}

/// A place keeps its text, and finds what is in the document and nothing else, each value once at the most.
pub fn path(text: &str) {
    let Ok(pattern) = Pattern::parse(text) else { return };
    assert_eq!(pattern.text, text);
    let body = json::parse(BODY.as_bytes()).unwrap();
    let mut found = HashSet::new();
    pattern.find(&body, &mut |value| assert!(found.insert(std::ptr::from_ref(value)), "found twice"));
    let mut all = HashSet::new();
    let mut open: Vec<&Value> = vec![&body];
    while let Some(value) = open.pop() {
        all.insert(std::ptr::from_ref(value));
        match value {
            Value::List(list) => open.extend(list),
            Value::Map(map) => open.extend(map.iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    assert!(found.is_subset(&all));
}

/// Names lead to their kinds, kinds come after those their keys run through, and rules can be walked.
pub fn holds_together(model: &Model) {
    let kinds = model.kinds();
    let mut before = HashSet::new();
    for at in model.key_order() {
        let kind = &kinds[*at];
        for reference in kind.key.iter().filter_map(|column| column.reference) {
            for target in &kind.references[reference].to {
                assert!(before.contains(&target.kind()), "{} comes before what its key needs", kind.name);
            }
        }
        assert!(before.insert(*at), "{} comes twice", kind.name);
    }
    assert_eq!(before.len(), kinds.len(), "every kind has its turn");
    let body = json::parse(BODY.as_bytes()).unwrap();
    for (index, kind) in kinds.iter().enumerate() {
        assert_eq!(model.target(&kind.name).map(sealift::model::Target::kind), Some(index));
        for direction in [Direction::Up, Direction::Down] {
            let (mut columns, mut walked) = (Map::new(), body.clone());
            columns.insert("Name", body.clone());
            kind.walk(&mut columns, Some(&mut walked), direction, &mut |_, _, _| Keep::Yes);
            assert_eq!(walked, body, "a walk that keeps all changes nothing");
            kind.walk(&mut columns, Some(&mut walked), direction, &mut |_, _, _| Keep::No);
        }
    }
}
