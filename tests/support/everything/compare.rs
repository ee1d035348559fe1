//! Two descriptions, and what an import promises about them.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::{Description, Doc};
use super::{ACCOUNT_TRAP, TRAP};

/// Where a server is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub document: String,
    pub place: String,
    pub expected: Option<String>,
    pub found: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { document, place, expected, found } = self;
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(nothing)".to_owned());
        write!(
            f,
            "{document}\n    at {place}\n      expected {}\n      found    {}",
            shown(expected),
            shown(found)
        )
    }
}

fn lines(
    document: &str,
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let places: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differ = places.into_iter().filter(|place| expected.get(*place) != found.get(*place));
    differ
        .map(|place| Difference {
            document: document.to_owned(),
            place: place.clone(),
            expected: expected.get(place).cloned(),
            found: found.get(place).cloned(),
        })
        .collect()
}

/// Multisets of elements.
fn joined(
    document: &str,
    expected: &[(String, String, String)],
    found: &[(String, String, String)],
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut left = found.to_vec();
    for element in expected {
        match left.iter().position(|e| e == element) {
            Some(position) => drop(left.remove(position)),
            None => differences.push(Difference {
                document: document.to_owned(),
                place: element.0.clone(),
                expected: Some(element.2.clone()),
                found: None,
            }),
        }
    }
    differences.extend(left.into_iter().map(|element| Difference {
        document: document.to_owned(),
        place: element.0,
        expected: None,
        found: Some(element.2),
    }));
    differences
}

fn whole(document: &str, expected: Option<&Doc>, found: Option<&Doc>) -> Vec<Difference> {
    let (Some(expected), Some(found)) = (expected, found) else {
        let there = |doc: Option<&Doc>| doc.map(|_| "a document".to_owned());
        let place = "itself".to_owned();
        return vec![Difference {
            document: document.to_owned(),
            place,
            expected: there(expected),
            found: there(found),
        }];
    };
    let mut differences = lines(document, &expected.lines, &found.lines);
    differences.extend(joined(document, &expected.joined, &found.joined));
    differences
}

/// What two servers have otherwise, local values aside.
pub fn same(expected: &Description, found: &Description) -> Vec<Difference> {
    let names: BTreeSet<&String> = expected.docs.keys().chain(found.docs.keys()).collect();
    names.into_iter().flat_map(|name| whole(name, expected.docs.get(name), found.docs.get(name))).collect()
}

/// What is not as an overwriting import of `source` into `before` promises.
pub fn merged(source: &Description, before: &Description, after: &Description) -> Vec<Difference> {
    let mut expected = before.clone();
    for (name, doc) in &source.docs {
        let mut doc = doc.clone();
        // What is frozen is a copy of what was, and is joined with nothing.
        let frozen = doc.lines.iter().any(|(place, value)| place == "IsFrozen" && value != "0");
        if let Some(theirs) = before.docs.get(name).filter(|_| !frozen) {
            let ours: BTreeSet<(String, String)> =
                doc.joined.iter().map(|(place, same, _)| (place.clone(), same.clone())).collect();
            let only = theirs
                .joined
                .iter()
                .filter(|(place, same, _)| !ours.contains(&(place.clone(), same.clone())));
            doc.joined.extend(only.cloned());
            // Permissions of the other generation are not the source's to speak of.
            doc.joined.sort();
        }
        expected.docs.insert(name.clone(), doc);
    }
    same(&expected, after)
}

/// What an import changed that is the target's own.
pub fn kept(before: &Description, after: &Description) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, doc) in &before.docs {
        let Some(now) = after.docs.get(name) else { continue };
        let mut now = now.local.clone();
        // Edits are counted: on, never back.
        for (place, value) in &doc.local {
            let count = |text: &str| text.parse::<i64>().unwrap_or(-1);
            if place.trim_start_matches('/') == "Version"
                && now.get(place).is_some_and(|now| count(now) == count(value) + 1)
            {
                now.insert(place.clone(), value.clone());
            }
        }
        differences.extend(lines(name, &doc.local, &now));
    }
    for (table, rows) in &before.stay {
        let now = after.stay.get(table);
        if now != Some(rows) {
            differences.push(Difference {
                document: table.clone(),
                place: "rows no import may touch".to_owned(),
                expected: Some(format!("{} rows", rows.len())),
                found: Some(format!(
                    "{:?}",
                    now.map(|now| now.iter().filter(|r| !rows.contains(r)).collect::<Vec<_>>())
                )),
            });
        }
    }
    differences
}

/// Every id of the source that is in the target and means nothing there: at a place of references, and at any
/// other, where it is not text that only looks like an id.
pub fn leaked(source: &Description, target: &Description) -> Vec<Difference> {
    let means_nothing = |id: &str| {
        let id = id.to_lowercase();
        id.starts_with('$') || (source.ids.contains(&id) && !target.ids.contains(&id))
    };
    let found = target.found.iter().map(|(name, found)| (name, found.place.as_str(), found.id.clone()));
    let texts = target.docs.iter().flat_map(|(name, doc)| {
        let lines = doc.lines.iter().chain(&doc.local);
        let texts = lines.flat_map(|(place, value)| pieces(value).map(move |text| (place.as_str(), text)));
        let joined =
            doc.joined.iter().flat_map(|(place, _, value)| pieces(value).map(move |t| (place.as_str(), t)));
        texts
            .chain(joined)
            .filter(|(_, text)| ![TRAP, ACCOUNT_TRAP].contains(text))
            .map(move |(place, text)| (name, place, text.to_owned()))
    });
    found
        .chain(texts)
        .filter(|(_, _, id)| means_nothing(id))
        .map(|(document, place, id)| Difference {
            document: document.clone(),
            place: place.to_owned(),
            expected: None,
            found: Some(id),
        })
        .collect()
}

/// The words of a value as far as they could be ids.
fn pieces(value: &str) -> impl Iterator<Item = &str> {
    let stop = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '/' || c == '$');
    value.split(stop).filter(|word| word.len() > 3 && word.contains('-'))
}

/// Every value of the source's own that a document made by the import has.
pub fn brought(source: &Description, before: &Description, after: &Description) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, doc) in after.docs.iter().filter(|(name, _)| !before.docs.contains_key(*name)) {
        let Some(theirs) = source.docs.get(name) else { continue };
        for (place, value) in
            doc.local.iter().filter(|(place, value)| theirs.local.get(*place) == Some(value))
        {
            // Of a yes or no, one is bound to be the same.
            if !["0", "1", "true", "false", "null"].contains(&value.as_str()) {
                differences.push(Difference {
                    document: name.clone(),
                    place: place.clone(),
                    expected: None,
                    found: Some(value.clone()),
                });
            }
        }
    }
    differences
}
