//! Documents in portable form: free of the server they came from.
//!
//! A [`Document`] has its own id left out, every reference written as kind + natural key, and every secret
//! as a marker. Its [canonical bytes](canonical) are the one spelling that is hashed into a [`ContentId`];
//! equal configuration on two servers is equal content. This module reads no file and knows no model.

pub mod canonical;
mod decimal;
pub mod json;
mod key;
mod place;
mod value;

pub use canonical::ContentId;
pub use decimal::canonical_decimal;
pub use key::{Collation, Key, KeyError, Reference};
pub use place::{Place, Step};
pub use value::{Dangling, KindName, Map, SecretId, Value};

/// How deep values may nest, in JSON text as in canonical bytes. Deeper input is refused.
pub const MAX_DEPTH: usize = 128;

/// How many values a document may hold: columns, members, elements and what stands in keys. In canonical bytes a value
/// may take a single byte, and in memory many times that.
pub const MAX_VALUES: usize = 1 << 20;

/// One document as it travels: what it is called, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The type of document.
    pub kind: KindName,
    /// What makes it the same document on another server.
    pub key: Key,
    /// The table's columns, without the id, the body and what is local to a server.
    pub columns: Map,
    /// The JSON the row holds, where the kind has any.
    pub body: Option<Value>,
}

impl Document {
    /// Returns the places that hold a secret, in canonical order: columns by name, then the body depth first.
    ///
    /// The order is part of the format: sealed values are numbered by it.
    pub fn secret_places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut any = false;
        self.each(&mut |value| any |= matches!(value, Value::Secret(_)));
        if !any {
            return places;
        }
        self.visit(&mut |place, value| {
            if matches!(value, Value::Secret(_)) {
                places.push(place.clone());
            }
        });
        places
    }

    /// Calls `see` for every value of the document with its place, parents before children.
    pub fn visit(&self, see: &mut dyn FnMut(&Place, &Value)) {
        for (name, value) in self.columns.iter() {
            value.visit(&mut Place::column(name), see);
        }
        if let Some(body) = &self.body {
            body.visit(&mut Place::body(), see);
        }
    }

    /// Calls `see` for every value of the document in the order of [`Document::visit`], without spelling out
    /// its place: much quicker.
    pub fn each<'d>(&'d self, see: &mut dyn FnMut(&'d Value)) {
        self.columns.iter().map(|(_, value)| value).chain(&self.body).for_each(|value| value.each(see));
    }

    /// Calls `see` for every secret marker of the document in the order of [`Document::secret_places`], to change it.
    pub fn each_secret_mut(&mut self, see: &mut dyn FnMut(&mut SecretId)) {
        self.columns
            .iter_mut()
            .map(|(_, value)| value)
            .chain(&mut self.body)
            .for_each(|v| v.each_secret_mut(see));
    }

    /// Returns the value at a place, to change it, if the document has one there.
    pub fn at_mut(&mut self, place: &Place) -> Option<&mut Value> {
        let root = match place.column_name() {
            Some(column) => self.columns.get_mut(column)?,
            None => self.body.as_mut()?,
        };
        place.steps().iter().try_fold(root, |value, step| match (step, value) {
            (Step::Member(name), Value::Map(map)) => map.get_mut(name),
            (Step::Index(index), Value::List(list)) => list.get_mut(*index),
            _ => None,
        })
    }

    /// Returns the value at a place, if the document has one there.
    pub fn at(&self, place: &Place) -> Option<&Value> {
        let mut value = match place.column_name() {
            Some(column) => self.columns.get(column)?,
            None => self.body.as_ref()?,
        };
        for step in place.steps() {
            value = match (step, value) {
                (Step::Member(name), Value::Map(map)) => map.get(name)?,
                (Step::Index(index), Value::List(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests;
