//! Whether ids at a place are references, or words that equal ids: by how many of the distinct values there are ids.

use std::collections::HashSet;
use std::rc::Rc;

use crate::document::{Collation, Value};
use crate::model::{Form, Pattern};
use crate::server::Reader;

use super::ids::{IdOf, LONGEST};
use crate::ops::export::error::ExportError;
use crate::ops::translate::{Layout, whole_table};

/// A place by kind, text and form, what its ids lead to, and where it was met.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) kind: usize,
    pub(super) place: Rc<str>,
    pub(super) form: u8,
}

/// An id of so many characters is no word, if it has a digit.
const LONG: usize = 16;

/// Whether an id could as well be a word or a short code: it has no digit beside another sign, as numbered ids have
/// (`Projects-1`), and is no long row of digits and letters, as GUIDs are.
pub(super) fn may_be_a_word(id: &str) -> bool {
    let digit = id.chars().any(|c| c.is_ascii_digit());
    let sign = id.chars().any(|c| !c.is_alphanumeric() && !c.is_whitespace());
    !(digit && (sign || id.len() >= LONG))
}

/// A place, and the distinct values that stand there.
pub(super) struct Weight {
    pub spot: Spot,
    pub target: IdOf,
    form: Form,
    column: Option<String>,
    place: Option<Pattern>,
    ids: usize,
    values: HashSet<String>,
}

impl Weight {
    /// `None` where the place cannot be looked at again, as one that was too long to be kept whole.
    pub fn new(spot: Spot, target: IdOf, form: Form, ids: usize) -> Option<Self> {
        let values = HashSet::new();
        if spot.place.starts_with('$') {
            let place = Some(Pattern::parse(&spot.place).ok()?);
            return Some(Self { column: None, place, spot, target, form, ids, values });
        }
        // A list in a column is text between bars.
        let (column, form) = match spot.place.strip_suffix("[*]") {
            Some(column) => (column, Form::Pipe),
            None => (&*spot.place, form),
        };
        Some(Self { column: Some(column.to_owned()), place: None, spot, target, form, ids, values })
    }

    /// Whether half of the values or more are no ids.
    pub fn is_light(&self) -> bool {
        self.values.len() >= self.ids.saturating_mul(2)
    }

    fn add(&mut self, value: &Value, collation: Collation) {
        let mut see = |text: &str| {
            // Enough is known then.
            if self.values.len() < self.ids.saturating_mul(2) && !text.is_empty() {
                let known = text.get(..text.len().min(LONGEST)).unwrap_or(text);
                self.values.insert(collation.fold(known));
            }
        };
        match (self.form, value) {
            (Form::Keys, Value::Map(map)) => map.iter().for_each(|(name, _)| see(name)),
            (Form::Pipe, Value::Text(text)) => text.split('|').for_each(|piece| see(piece.trim())),
            (Form::Comma, Value::Text(text)) => text.split(',').for_each(|piece| see(piece.trim())),
            (_, Value::Text(text)) => see(text),
            _ => {}
        }
    }
}

/// Reads what stands at places of a kind's documents.
pub(super) fn weigh(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
    collation: Collation,
    weights: &mut [Weight],
) -> Result<(), ExportError> {
    let select = layout.select();
    let of_column = |name: &str| {
        let server = layout.column(name)?.server.as_str();
        // An id that is content is selected twice, and is the later one.
        select.iter().rposition(|column| *column == server)
    };
    let places: Vec<Option<usize>> =
        weights.iter().map(|weight| weight.column.as_deref().and_then(of_column)).collect();
    let in_json = weights.iter().any(|weight| weight.column.is_none());
    let bodies = layout.body.as_ref().filter(|_| in_json);
    let before = usize::from(layout.id.is_some());
    let mut table = whole_table(reader, layout, &select)?;
    while !weights.iter().all(Weight::is_light)
        && let Some(rows) = table.next_page(reader)?
    {
        for row in rows {
            for (weight, place) in weights.iter_mut().zip(&places) {
                place.and_then(|at| row.get(at)).into_iter().for_each(|value| weight.add(value, collation));
            }
            let Some(bodies) = bodies else { continue };
            let values: Vec<Value> = row.into_iter().skip(before).take(bodies.columns().count()).collect();
            // JSON that does not parse is told when the document is read, if it is.
            let Ok(Some((body, _))) = bodies.read(&layout.kind.name, "", values) else { continue };
            for weight in weights.iter_mut() {
                let mut found = Vec::new();
                weight.place.iter().for_each(|place| place.find(&body, &mut |value| found.push(value)));
                found.into_iter().for_each(|value| weight.add(value, collation));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_ids_and_guids_are_no_words() {
        for id in ["PARIS", "Paris", "new york", "A12", "R01X", "feeds-builtin"] {
            assert!(may_be_a_word(id), "{id}");
        }
        for id in [
            "Projects-1",
            "TagSets-1/Tags-2",
            "0a000000-0000-0000-0000-000000000001",
            "0A0000000000000000000001",
        ] {
            assert!(!may_be_a_word(id), "{id}");
        }
    }
}
