//! `named`: which documents a person means by a name.

use super::{Archive, DocumentsError};
use crate::bundle::Entry;
use crate::document::{Collation, Key, Value};
use crate::progress::Silent;

/// Finds the documents of a kind that bear a name, in the order of the bundle, by their numbers. The kind is
/// spelled as the bundle spells it; a kind that it does not hold has no documents.
///
/// A name is, whichever is found first: the whole key, as JSON text or as people read it
/// (`Default / Web / 1.0`); its last name (`1.0`); the end of it (`Web / 1.0`); or any text of it, for keys
/// whose name is followed by something that tells namesakes apart. Case and trailing blanks do not count.
/// Numbers and not entries, because a bundle may hold millions of one name.
///
/// # Errors
/// [`DocumentsError`], from reading.
pub fn named(documents: &dyn Archive, kind: &str, name: &str) -> Result<Vec<u64>, DocumentsError> {
    let as_json = key_of(name);
    // A key as it is spelled is found without looking at the others.
    for key in [Some(&Key::name(name)), as_json.as_ref()].into_iter().flatten() {
        if let Some(number) = documents.find(kind, key)? {
            return Ok(vec![number]);
        }
    }
    let wanted = Wanted {
        name: fold(name),
        tail: format!(" / {}", fold(name)),
        key: as_json.map(|key| key.folded(Collation::CaseInsensitive)),
    };
    let mut found: [Vec<u64>; 4] = Default::default();
    documents.entries(kind, &Silent, &mut |entry| {
        if let Some(numbers) = wanted.rank(&entry).and_then(|rank| found.get_mut(rank)) {
            numbers.push(entry.number);
        }
    })?;
    Ok(found.into_iter().find(|numbers| !numbers.is_empty()).unwrap_or_default())
}

fn fold(text: &str) -> String {
    Collation::CaseInsensitive.fold(text)
}

/// A key typed as JSON; blanks between its parts do not count.
fn key_of(text: &str) -> Option<Key> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Key::parse(&value.to_string()).ok()
}

struct Wanted {
    name: String,
    tail: String,
    key: Option<String>,
}

impl Wanted {
    /// How well a document fits: 0 is best.
    fn rank(&self, entry: &Entry) -> Option<usize> {
        let key = &entry.key;
        let path = fold(&key.path());
        let is_key = |wanted: &String| key.folded(Collation::CaseInsensitive) == *wanted;
        if path == self.name || self.key.as_ref().is_some_and(is_key) {
            Some(0)
        } else if fold(&key.leaf()) == self.name {
            Some(1)
        } else if path.ends_with(&self.tail) {
            Some(2)
        } else if key.parts().iter().filter_map(Value::as_text).any(|text| fold(text) == self.name) {
            Some(3)
        } else {
            None
        }
    }
}
