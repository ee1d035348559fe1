//! The values a document is made of: JSON's, exact, plus bytes, references and secret markers.

use std::fmt;
use std::sync::Arc;

use super::{Place, Reference};

/// The name of a type of document, as the model spells it: "Project", "VariableSet".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName(Arc<str>);

impl KindName {
    /// Wraps a name. The model checks names when it is loaded; files are checked against the model.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A value in a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// JSON `null`, SQL `NULL`.
    #[default]
    Null,
    /// A truth value; SQL `bit`.
    Bool(bool),
    /// An integer that fits 64 bits with sign.
    Int(i64),
    /// Any other number, as it was spelled: a JSON number that is not a plain `i64`. Exact, never a float.
    Number(Box<str>),
    /// Text. Dates, times and GUIDs are text too.
    Text(String),
    /// Binary data (a `varbinary` column).
    Bytes(Vec<u8>),
    /// A JSON array, or a collection whose spelling in the table is not JSON.
    List(Vec<Value>),
    /// A JSON object. Members are kept sorted: their order means nothing.
    Map(Map),
    /// A reference to another document, free of ids.
    Ref(Box<Reference>),
    /// A reference whose document the source did not have; the id travels as it is.
    Dangling(Box<Dangling>),
    /// Here is a secret; its value is sealed apart. The number leads to the value while it is in memory and
    /// is no part of the content.
    Secret(SecretId),
}

/// Where a secret's value is kept while documents are worked on: a number given by whoever keeps it.
///
/// Equal numbers of one keeper mean equal values, so documents with secrets compare without their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SecretId(pub u32);

impl SecretId {
    /// The value is not at hand.
    pub const UNKNOWN: SecretId = SecretId(0);
}

/// An id at a reference's place that named no document of the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Dangling {
    /// The kind the reference should have led to.
    pub kind: KindName,
    /// The id as the source held it.
    pub id: Value,
}

impl Value {
    /// Returns the text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Says whether there is nothing here.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// A short word for the type of value, for messages that must not show the value itself.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
            Value::Ref(_) => "a reference",
            Value::Dangling(_) => "a dangling reference",
            Value::Secret(_) => "a secret",
        }
    }

    /// Roughly how many bytes the value holds, for budgets; not its encoded size.
    pub fn weight(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Secret(_) => 8,
            Value::Number(text) => 8 + text.len(),
            Value::Text(text) => 8 + text.len(),
            Value::Bytes(bytes) => 8 + bytes.len(),
            Value::List(list) => 8 + list.iter().map(Value::weight).sum::<usize>(),
            Value::Map(map) => 8 + map.iter().map(|(name, value)| name.len() + value.weight()).sum::<usize>(),
            Value::Ref(reference) => 16 + reference.key.parts().iter().map(Value::weight).sum::<usize>(),
            Value::Dangling(dangling) => 16 + dangling.id.weight(),
        }
    }

    /// Calls `see` for the value and all that is in it, parents before children.
    pub fn each<'v>(&'v self, see: &mut dyn FnMut(&'v Value)) {
        see(self);
        match self {
            Value::List(list) => list.iter().for_each(|value| value.each(see)),
            Value::Map(map) => map.iter().for_each(|(_, value)| value.each(see)),
            _ => {}
        }
    }

    pub(super) fn each_secret_mut(&mut self, see: &mut dyn FnMut(&mut SecretId)) {
        match self {
            Value::Secret(secret) => see(secret),
            Value::List(list) => list.iter_mut().for_each(|value| value.each_secret_mut(see)),
            Value::Map(map) => map.iter_mut().for_each(|(_, value)| value.each_secret_mut(see)),
            _ => {}
        }
    }

    pub(super) fn visit(&self, place: &mut Place, see: &mut dyn FnMut(&Place, &Value)) {
        see(place, self);
        match self {
            Value::List(list) => {
                for (index, value) in list.iter().enumerate() {
                    place.push_index(index);
                    value.visit(place, see);
                    place.pop();
                }
            }
            Value::Map(map) => {
                for (name, value) in map.iter() {
                    place.push_member(name);
                    value.visit(place, see);
                    place.pop();
                }
            }
            _ => {}
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

/// Named values, sorted by the bytes of their names, each name once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sorts the pairs into a map.
    ///
    /// # Errors
    /// The name that occurs twice.
    pub fn from_pairs(mut pairs: Vec<(String, Value)>) -> Result<Self, String> {
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            // Equal names are refused, so their order is no matter.
            pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let twice = pairs.windows(2).find(|w| matches!(w, [a, b] if a.0 == b.0));
            if let Some([twice, _]) = twice {
                return Err(twice.0.clone());
            }
        }
        Ok(Self(pairs))
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(n, _)| n.as_str().cmp(name))
    }

    /// Returns the value of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).ok().and_then(|i| self.0.get(i)).map(|(_, v)| v)
    }

    /// Returns the value of that name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let position = self.position(name).ok()?;
        self.0.get_mut(position).map(|(_, v)| v)
    }

    /// Sets a value, returning the one it replaces.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.position(&name) {
            Ok(position) => self.0.get_mut(position).map(|(_, old)| std::mem::replace(old, value)),
            Err(position) => {
                self.0.insert(position, (name, value));
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).ok().map(|position| self.0.remove(position).1)
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The members in order, values to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(name, value)| (name.as_str(), value))
    }

    /// Keeps the members that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
