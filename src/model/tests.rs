use proptest::prelude::*;

use super::walk::{Direction, Keep, Rule};
use super::*;
use crate::document::{Map, Value, json};

const HEAD: &str = "format = 1\nname = \"shop\"\ntitle = \"Shop\"\n";

fn load(rest: &str) -> Result<Model, String> {
    Model::parse(&format!("{HEAD}{rest}"), "shop.toml").map_err(|e| e.to_string())
}

const ITEM: &str = r#"
[[kind]]
name = "Item"
table = "Item"
id = { column = "Id", new = "next" }
key = ["Name"]
body = "JSON"
"#;

#[test]
fn a_small_model_loads() {
    let model = load(ITEM).unwrap();
    assert_eq!(model.kinds().len(), 1);
    assert_eq!(model.kind("item").unwrap().name.as_str(), "Item");
}

#[test]
fn a_wrong_model_is_refused_with_file_line_and_reason() {
    // (what is appended to the item, the line it fails at, a word of the reason)
    let cases = [
        ("colour = 1\n", 11, "unknown field"),
        ("[[kind.reference]]\nat = \"OwnerId\"\nto = \"Nobody\"\n", 13, "no kind \"Nobody\""),
        ("[[kind.reference]]\nat = \"$.A[\"\nto = \"Item\"\n", 12, "is no place"),
        ("[[kind.secret]]\nat = \"$.Password\"\n", 12, "names no `cipher`"),
        (
            "[[kind.part]]\nname=\"Tag\"\nat = \"$.Tags\"\nid=\"Id\"\nkey=[\"Name\"]\nnew=\"guid\"\n",
            13,
            "ends in [*]",
        ),
        ("[[kind.merge]]\nat = \"$.A\"\nrule = \"match\"\n", 13, "needs `by`"),
        ("[[kind]]\nname = \"Item\"\ntable = \"T\"\nkey = [\"N\"]\n", 12, "named twice"),
        ("[[kind]]\nname = \"B\"\ntable = \"T\"\nkey = []\n", 14, "natural key"),
        (
            "[[kind]]\nname = \"B\"\ntable = \"T\"\nkey = [\"P\"]\n[[kind.reference]]\nat=\"P\"\nto=\"B\"\n",
            14,
            "through itself",
        ),
        (
            "[[kind]]\nname = \"B\"\ntable = \"T\"\nkey = [\"N\"]\nid = { column = \"Id\", new = \"allocate\", prefix = \"B-\" }\n",
            15,
            "no [allocation]",
        ),
    ];
    for (text, line, reason) in cases {
        let error = load(&format!("{ITEM}{text}")).unwrap_err();
        assert!(error.starts_with(&format!("shop.toml:{line}: ")), "{text}\n{error}");
        assert!(error.contains(reason), "{text}\n{error}");
    }
    let error = Model::parse("format = 2\nname=\"x\"\ntitle=\"x\"\n", "m.toml").unwrap_err().to_string();
    assert!(error.starts_with("m.toml:1: ") && error.contains("language 2"), "{error}");
    let error = Model::parse("format = ", "m.toml").unwrap_err().to_string();
    assert!(error.starts_with("m.toml:1: "), "{error}");
}

const TOLD_APART: &str = r#"
[[kind]]
name = "Price"
table = "Price"
id = { column = "Id", new = "next" }
body = "JSON"
key = ["Name"]
apart = ["$.Items[*]"]
reference = [{ at = "$.Items[*]", to = "Item", missing = "skip" }]
set = [{ at = "$.Items" }]
"#;

#[test]
fn what_tells_documents_apart_is_a_set_that_is_never_cut() {
    let model = load(&format!("{ITEM}{TOLD_APART}")).unwrap();
    assert_eq!(model.kind("Price").unwrap().apart, [0]);
    // A key that runs through another kind comes after it.
    assert_eq!(model.key_order(), [0, 1]);
    for (from, to, reason) in [
        ("set = [{ at = \"$.Items\" }]", "", "by a set of references"),
        ("missing = \"skip\"", "missing = \"drop\"", "would be another one"),
        ("missing = \"skip\"", "missing = \"skip\", maybe = true", "lead to documents alone"),
        ("apart = [\"$.Items[*]\"]", "apart = [\"$.Other[*]\"]", "no reference at $.Other[*]"),
        ("id = { column = \"Id\", new = \"next\" }\nbody", "body", "only documents with ids"),
        ("to = \"Item\"", "to = \"Price\"", "runs through itself"),
    ] {
        let text = TOLD_APART.replace(from, to);
        assert_ne!(text, TOLD_APART, "{from}");
        let error = load(&format!("{ITEM}{text}")).unwrap_err();
        assert!(error.contains(reason), "{from}: {error}");
    }
}

#[test]
fn only_a_list_in_a_column_is_empty_and_means_none() {
    let rule = |form: &str| {
        let rule = format!(
            "[[kind.reference]]\nat = \"Items\"\nto = \"Item\"\nform = \"{form}\"\nomit-empty = true\n"
        );
        load(&format!("{ITEM}{rule}"))
    };
    assert!(rule("pipe").unwrap().kind("Item").unwrap().references[0].omit_empty);
    assert!(rule("id").unwrap_err().contains("can be empty and mean none"));
}

#[test]
fn a_note_names_a_place_a_value_and_what_belongs_to_its_document() {
    const NOTED: &str = r#"
[[kind]]
name = "Shelf"
table = "Shelf"
key = ["ItemId"]
reference = [{ at = "ItemId", to = "Item" }]
"#;
    let note = "note = [{ at = [\"Kind\", \"$.Kind\"], equals = [\"far\", true], text = \"is far\", remains = [\"Shelf\"] }]\n";
    let model = load(&format!("{ITEM}{note}{NOTED}")).unwrap();
    let rule = &model.kind("Item").unwrap().notes[0];
    let calls = |columns: &[(&str, Value)], body: &str| {
        let mut map = Map::new();
        columns.iter().for_each(|(name, value)| drop(map.insert(*name, value.clone())));
        let body = json::parse(body.as_bytes()).unwrap();
        let key = crate::document::Key::name("x");
        let kind = crate::document::KindName::new("Item");
        rule.is_called_for(&crate::document::Document { kind, key, columns: map, body: Some(body) })
    };
    assert!(calls(&[("Kind", Value::from("far"))], "{}") && calls(&[], r#"{ "Kind": true }"#));
    assert!(!calls(&[("Kind", Value::from("near"))], r#"{ "Kind": "Far" }"#) && !calls(&[], "{}"));
    for (from, to, reason) in [
        ("remains = [\"Shelf\"]", "remains = [\"Item\"]", "does not run through Item"),
        ("remains = [\"Shelf\"]", "remains = [\"Shop\"]", "no kind \"Shop\""),
        ("equals = [\"far\", true]", "equals = []", "a place and a value"),
        ("text = \"is far\"", "text = \" \"", "says something"),
        ("\"$.Kind\"", "\"$.Kind[\"", "is no place"),
    ] {
        let error = load(&format!("{ITEM}{}{NOTED}", note.replace(from, to))).unwrap_err();
        assert!(error.contains(reason), "{from}: {error}");
    }
}

#[test]
fn a_blob_is_a_column_of_its_own() {
    assert_eq!(load(&format!("blob = \"JSONBlob\"\n{ITEM}")).unwrap().blob.as_deref(), Some("JSONBlob"));
    for (blob, reason) in
        [("$.A", "no column"), ("json", "json is a column of Item"), ("name", "name is a column")]
    {
        let error = load(&format!("blob = \"{blob}\"\n{ITEM}")).unwrap_err();
        assert!(error.starts_with("shop.toml:4: ") && error.contains(reason), "{error}");
    }
    let error = load(&format!("blob = \"B\"\n{}", ITEM.replace("body = \"JSON\"", ""))).unwrap_err();
    assert!(error.contains("no kind has a `body`"), "{error}");
}

fn collect(model: &Model, body: &str) -> Vec<String> {
    let kind = &model.kinds()[0];
    let mut body = json::parse(body.as_bytes()).unwrap();
    let mut columns = Map::new();
    columns.insert("OwnerId", Value::from("x"));
    let mut seen = Vec::new();
    kind.walk(&mut columns, Some(&mut body), Direction::Up, &mut |rule, place, _| {
        seen.push(format!("{rule:?} {place}"));
        Keep::Yes
    });
    seen
}

#[test]
fn one_walk_finds_every_rule_once() {
    let model = load(&format!(
        "{ITEM}{}",
        r#"
[[kind.reference]]
at = "OwnerId"
to = "Item"
[[kind.reference]]
at = "$.Steps[*].Feed"
to = "Item"
[[kind.reference]]
at = "$.Steps[?@.Type == 'A' || @.Type == 'B'].Value"
to = "Item"
[[kind.reference]]
at = "$.Bag"
to = "Item"
form = "keys"
[[kind.reference]]
at = "$.Bag[*][*]"
to = "Item"
[[kind.secret]]
at = "$.Bag['a.b'].Hidden"
form = "plain"
"#
    ))
    .unwrap();
    let seen = collect(
        &model,
        r#"{"Steps":[{"Feed":1,"Type":"A","Value":2},{"Type":"C","Value":3},{"Type":"B","Value":4}],
            "Bag":{"a.b":{"Hidden":"s"},"c":["x","y"]}}"#,
    );
    assert_eq!(
        seen,
        [
            "Reference(0) OwnerId",
            "Secret(0) $.Bag['a.b'].Hidden",
            "Reference(4) $.Bag['a.b'].Hidden",
            "Reference(4) $.Bag.c[0]",
            "Reference(4) $.Bag.c[1]",
            "Reference(3) $.Bag",
            "Reference(1) $.Steps[0].Feed",
            "Reference(2) $.Steps[0].Value",
            "Reference(2) $.Steps[2].Value",
        ]
    );
}

#[test]
fn a_walk_takes_out_what_its_visitor_does_not_keep() {
    let model = load(&format!("{ITEM}[[kind.reference]]\nat = \"$.Ids[*]\"\nto = \"Item\"\n")).unwrap();
    let mut body = json::parse(br#"{"Ids":["a","drop","b"]}"#).unwrap();
    model.kinds()[0].walk(&mut Map::new(), Some(&mut body), Direction::Down, &mut |_: Rule, _, value| {
        if value.as_text() == Some("drop") { Keep::No } else { Keep::Yes }
    });
    assert_eq!(json::write(&body), r#"{"Ids":["a","b"]}"#);
}

/// Bodies rich enough that the patterns below match something, with names and values from a small pool.
fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2i64..3).prop_map(Value::Int),
        "[ab]".prop_map(Value::Text)
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|m| Value::Map(Map::from_pairs(m.into_iter().collect()).unwrap())),
        ]
    })
}

proptest! {
    /// Our matcher takes a subset of RFC 9535; on that subset it finds what an independent one finds.
    #[test]
    fn places_mean_what_jsonpath_says(body in body()) {
        let patterns = [
            "$", "$.a", "$.a.b", "$['a']['b']", "$[*]", "$.*", "$.a[*]", "$[*][*]", "$[0]", "$.a[1]",
            "$[?@.a]", "$[?@.a == 'b']", "$[?@.a != 1]", "$[?@.a == null]", "$[?@.a == true && @.b]",
            "$[?!@.a]", "$[?(@.a == 1 || @.b == -1) && !(@.c == 'a')]", "$.a[?@[0] == 'a'].*",
        ];
        let text = json::write(&body);
        let oracle_body: serde_json::Value = serde_json::from_str(&text).unwrap();
        for pattern in patterns {
            let oracle = serde_json_path::JsonPath::parse(pattern).unwrap();
            let mut expected: Vec<String> =
                oracle.query(&oracle_body).all().into_iter().map(ToString::to_string).collect();
            let mut found = Vec::new();
            Pattern::parse(pattern).unwrap().find(&body, &mut |v| found.push(json::write(v)));
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected, "{}", pattern);
        }
    }

    #[test]
    fn no_text_makes_the_place_reader_panic(text in "\\$?[$.\\[\\]*?@'\"a0()!=&| ]{0,24}") {
        if let Ok(pattern) = Pattern::parse(&text) && pattern.column.is_none() {
            prop_assert!(serde_json_path::JsonPath::parse(&text).is_ok(), "{} is not RFC 9535", text);
        }
    }
}

#[test]
fn value_rules_that_no_document_could_be_held_to_are_refused() {
    let kind = r#"
cipher = "octopus"
[[rules]]
name = "shared"
value = [{ at = "$.B", required = true }]
[[kind]]
name = "Item"
table = "Item"
id = { column = "Id", new = "next" }
key = ["Name"]
body = "JSON"
reference = [{ at = "Ids", to = "Item", form = "pipe" }, { at = "$.Links", to = "Item", form = "keys" }]
secret = [{ at = "$.Password" }]
derived = [{ at = "All", from = ["*"], form = "pipe" }]
local = [{ at = "$.Own" }]
part = [{ name = "Bit", at = "$.Bits[*]", id = "Id", key = ["Name"], new = "guid" }]
apply = [{ rules = "shared", at = "$.A" }]
"#;
    let cases = [
        (r#"{ at = "$.X" }"#, "says `type`"),
        (r#"{ at = "$.X", type = "text", one-of = ["a", 1] }"#, "another type"),
        (r#"{ at = "$.X", unique = true }"#, "needs a [*]"),
        (r#"{ at = "All", required = true }"#, "no document carries All"),
        (r#"{ at = "$.Own.Inner[*].X", type = "text" }"#, "no document carries"),
        (r#"{ at = "$.Bits[*].Id", type = "text" }"#, "no document carries"),
        (r#"{ at = "Ids", required = true }"#, "its reference says"),
        (r#"{ at = "$.Links[*]", type = "list" }"#, "its reference says"),
        (r#"{ at = "$.Password", one-of = ["a"] }"#, "never compared"),
        (r#"{ at = "$.A.B", type = "text" }"#, "two value rules"),
        (r#"{ at = "$.X[", type = "text" }"#, "is no place"),
        (r#"{ at = "$.X", type = "date" }"#, "unknown variant"),
    ];
    for (rule, reason) in cases {
        let error = load(&format!("{kind}value = [{rule}]\n")).unwrap_err();
        assert!(error.contains(reason), "{rule}\n{error}");
        assert!(error.starts_with("shop.toml:"), "{error}");
    }
    let rules =
        r#"value = [{ at = "$.X", type = "list" }, { at = "$.Password", type = "text", required = true }]"#;
    let model = load(&format!("{kind}{rules}\n")).unwrap();
    let at: Vec<&str> = model.kinds()[0].values.iter().map(|rule| rule.at.text.as_str()).collect();
    assert_eq!(at, ["$.X", "$.Password", "$.A.B"]);
    let without = load(&format!(
        "{}value = [{{ at = \"$.X\", required = true }}]\n",
        ITEM.replace("body = \"JSON\"\n", "")
    ));
    assert!(without.unwrap_err().contains("names no `body`"));
}

/// Kinds whose keys run through one another, each through the next.
fn chain(kinds: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for at in 0..kinds {
        let next = at + 1;
        let _ = writeln!(text, "[[kind]]\nname = \"K{at}\"\ntable = \"T{at}\"");
        text.push_str("id = { column = \"Id\", new = \"next\" }\n");
        if next < kinds {
            let _ = writeln!(text, "key = [\"Owner\", \"Name\"]");
            let _ = writeln!(text, "[[kind.reference]]\nat = \"Owner\"\nto = \"K{next}\"");
        } else {
            text.push_str("key = [\"Name\"]\n");
        }
    }
    text
}

/// The longest key there is can still be written as text and read back. A model of ten thousand kinds once made
/// the loader run out of stack.
#[test]
fn a_key_runs_through_so_many_kinds_and_no_more() {
    use crate::document::{Key, Reference};
    let model = load(&chain(64)).unwrap();
    assert_eq!(model.key_order().first(), Some(&63));
    let mut key = Key::name("x");
    for at in (1..64).rev() {
        let kind = KindName::new(&format!("K{at}"));
        key = Key::new(vec![Value::Ref(Box::new(Reference { kind, key })), Value::from("x")]).unwrap();
    }
    assert_eq!(Key::parse(&key.to_text()).as_ref(), Ok(&key));
    for kinds in [10_000, 65] {
        let error = load(&chain(kinds)).unwrap_err();
        assert!(error.contains("the natural key runs through too many kinds"), "{error}");
    }
    // Whichever kind comes first in the file.
    let backwards = chain(65).split("[[kind]]").map(|kind| format!("[[kind]]{kind}")).collect::<Vec<_>>();
    let backwards: String = backwards.into_iter().skip(1).rev().collect();
    assert!(load(&backwards).unwrap_err().contains("too many kinds"));
}

/// A filter in a filter in a filter once made the parser run out of stack.
#[test]
fn filters_do_not_stand_within_filters() {
    for depth in [100_000, 2] {
        let error = Pattern::parse(&format!("${}", "[?@".repeat(depth))).unwrap_err();
        assert_eq!((error.reason, error.at), ("a filter compares single places only", 7));
    }
}

#[test]
fn ids_that_mean_a_document_wherever_they_stand_are_fixed_and_checked() {
    let feed = |alias: &str, key: &str, rest: &str| {
        format!(
            "[[kind]]\nname = \"Feed\"\ntable = \"Feed\"\nkey = {key}\n\
             id = {{ column = \"Id\", new = \"next\", fixed = [\"a\"] }}\nalias = [{alias}]\n{rest}"
        )
    };
    let alias = |ids: &str| {
        format!("{{ column = \"Type\", equals = \"Own\", key = \"Name\", name = \"(own)\", ids = {ids} }}")
    };
    let model = load(&feed(&alias("[\"a\", \"b\"]"), "[\"Name\"]", "")).unwrap();
    let kind = model.kind("Feed").unwrap();
    assert_eq!(kind.id.as_ref().unwrap().fixed, ["a", "b"]);
    assert!(kind.aliases[0].is_meant_by("B") && !kind.aliases[0].is_meant_by("c"));
    let keyed = "[[kind]]\nname = \"B\"\ntable = \"B\"\nkey = [\"FeedId\"]\nreference = [{ at = \"FeedId\", to = \"Feed\" }]\n";
    let cases = [
        (feed(&alias("[\"a\", \"A\"]"), "[\"Name\"]", ""), "is there twice"),
        (feed(&alias("[\"\"]"), "[\"Name\"]", ""), "is no id"),
        (feed(&alias("[\"a\"]"), "[\"Name\", \"Version\"]", ""), "one name"),
        (feed(&alias("[\"a\"]"), "[\"Name\"]", keyed), "keys run through it"),
    ];
    for (text, reason) in cases {
        let error = load(&text).unwrap_err();
        assert!(error.starts_with("shop.toml:9: ") && error.contains(reason), "{text}\n{error}");
    }
}
