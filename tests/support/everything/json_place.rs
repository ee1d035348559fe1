//! Places in a document, in the notation of [`super::table`].

use serde_json::Value as Json;

enum Step {
    Member(String),
    Each,
    /// Every element whose member (by its path) is one of these texts.
    EachWhere(Vec<String>, Vec<String>),
}

/// A place, ready to be looked for.
pub struct Place(Vec<Step>);

impl Place {
    pub fn parse(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut inside = false;
        for c in text.chars() {
            inside = (inside || c == '{') && c != '}';
            match c {
                '/' if !inside => parts.push(String::new()),
                c => parts.last_mut().unwrap().push(c),
            }
        }
        let step = |part: String| match part.strip_prefix("*{") {
            Some(filter) => {
                let (member, values) = filter.strip_suffix('}').unwrap().split_once('=').unwrap();
                let texts = |text: &str, by: char| text.split(by).map(str::to_owned).collect();
                Step::EachWhere(texts(member, '/'), texts(values, ','))
            }
            None if part == "*" => Step::Each,
            None => Step::Member(part),
        };
        Self(parts.into_iter().map(step).collect())
    }

    /// Shows every value at the place, and where exactly it stands.
    pub fn visit(&self, document: &mut Json, see: &mut dyn FnMut(&str, &mut Json)) {
        visit(document, &self.0, "", see);
    }

    /// Takes every value at the place out of the document.
    pub fn take(&self, document: &mut Json) -> Vec<(String, Json)> {
        let mut taken = Vec::new();
        let (last, owner) = self.0.split_last().unwrap();
        let Step::Member(last) = last else { panic!("only members can be taken") };
        visit(document, owner, "", &mut |at, owner| {
            if let Some(value) = owner.as_object_mut().and_then(|o| o.remove(last)) {
                taken.push((format!("{at}/{last}"), value));
            }
        });
        taken
    }
}

fn visit(value: &mut Json, steps: &[Step], at: &str, see: &mut dyn FnMut(&str, &mut Json)) {
    let Some((step, rest)) = steps.split_first() else { return see(at, value) };
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
    match step {
        Step::Member(name) => {
            if let Some(member) = value.get_mut(name.as_str()) {
                visit(member, rest, &below(name), see);
            }
        }
        Step::Each | Step::EachWhere(..) => {
            let passes = |element: &Json| match step {
                Step::EachWhere(member, values) => {
                    let held = member.iter().try_fold(element, |v, name| v.get(name.as_str()));
                    held.and_then(Json::as_str).is_some_and(|held| values.iter().any(|v| v == held))
                }
                _ => true,
            };
            match value {
                Json::Array(list) => {
                    for (index, element) in list.iter_mut().enumerate().filter(|(_, e)| passes(e)) {
                        visit(element, rest, &below(&index.to_string()), see);
                    }
                }
                Json::Object(map) => {
                    for (name, member) in map.iter_mut().filter(|(_, m)| passes(m)) {
                        visit(member, rest, &below(name), see);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Every text of a document that is no list or object, by its place.
pub fn flatten(value: &Json, at: &str, into: &mut std::collections::BTreeMap<String, String>) {
    match value {
        Json::Array(list) if !list.is_empty() => {
            for (index, element) in list.iter().enumerate() {
                flatten(element, &format!("{at}/{index}"), into);
            }
        }
        Json::Object(map) if !map.is_empty() => {
            for (name, member) in map {
                let at = if at.is_empty() { name.clone() } else { format!("{at}/{name}") };
                flatten(member, &at, into);
            }
        }
        other => {
            into.insert(at.to_owned(), other.to_string());
        }
    }
}
