//! Text in a document that may be an id, outside its references.

use std::collections::HashSet;

use crate::document::{Document, Place, Value};
use crate::model::{Direction, Form, Keep, Model, Rule};

use super::ids::{Ids, LONGEST};
use crate::ops::translate::Layout;

/// How many bytes of a place are shown.
pub(super) const LONGEST_PLACE: usize = 1000;

/// The texts of a document that may be ids, outside its references, in the order in which they stand.
pub fn hits(ids: &Ids, model: &Model, layout: &Layout<'_>, document: &Document) -> Vec<Hit> {
    // Nearly all documents end here.
    let mut values = document.columns.iter().map(|(_, value)| value).chain(&document.body);
    if !values.any(|value| holds_candidate(ids, value)) {
        return Vec::new();
    }
    let keyed = layout.kind.references.iter().any(|rule| rule.form == Form::Keys);
    let unkeyed = if keyed { Some(without_keys(layout, document)) } else { None };
    let document = unkeyed.as_ref().unwrap_or(document);
    let mut walk = Walk {
        ids,
        model,
        covered: covered(layout, document),
        steps: Vec::new(),
        column: None,
        hits: Vec::new(),
    };
    // A document that is called by its id does not refer to itself.
    let own = layout.own_key.and_then(|position| layout.content.get(position)).map(|column| &column.name);
    for (name, value) in document.columns.iter().filter(|(name, _)| own.is_none_or(|own| own != name)) {
        walk.column = Some(name);
        walk.value(value);
    }
    walk.column = None;
    if let Some(body) = &document.body {
        walk.value(body);
    }
    walk.hits
}

/// Says whether a value holds a text that may be an id. This is asked of every value that is exported.
fn holds_candidate(ids: &Ids, value: &Value) -> bool {
    match value {
        Value::Text(text) => ids.may_hold(text) || !list(ids, text).1.is_empty(),
        Value::List(list) => list.iter().any(|value| holds_candidate(ids, value)),
        Value::Map(map) => map.iter().any(|(name, value)| ids.may_hold(name) || holds_candidate(ids, value)),
        _ => false,
    }
}

/// The pieces of a text that may be ids, where the text is a list and no sentence: no piece has a blank in
/// it, or is longer than any id.
fn list<'t>(ids: &Ids, text: &'t str) -> (Form, Vec<&'t str>) {
    const NONE: (Form, Vec<&str>) = (Form::Comma, Vec::new());
    // No list is longer than this before its first separator. Without an early end, this is done at once for
    // many bytes.
    let head = text.as_bytes().get(..text.len().min(LONGEST + 1)).unwrap_or_default();
    if text.len() <= ids.shortest() || !head.iter().fold(false, |any, byte| any | matches!(byte, b'|' | b','))
    {
        return NONE;
    }
    let Some(separator) = text.chars().find(|c| matches!(c, '|' | ',')) else { return NONE };
    let mut found = Vec::new();
    for piece in text.split(separator).map(str::trim) {
        if piece.len() > LONGEST || piece.bytes().any(|byte| byte.is_ascii_whitespace()) {
            return NONE;
        }
        if ids.may_hold(piece) {
            found.push(piece);
        }
    }
    (if separator == '|' { Form::Pipe } else { Form::Comma }, found)
}

/// The values of a document that stayed text by a rule that says `maybe`, by their addresses.
fn covered(layout: &Layout<'_>, document: &Document) -> HashSet<*const Value> {
    let mut covered = HashSet::new();
    for rule in layout.kind.references.iter().filter(|rule| rule.maybe) {
        let mut cover = |value: &Value| {
            covered.insert(std::ptr::from_ref(value));
            if let (Form::Pipe | Form::Comma, Value::List(list)) = (rule.form, value) {
                covered.extend(list.iter().map(std::ptr::from_ref));
            }
        };
        match &rule.at.column {
            Some(column) => document.columns.get(column).into_iter().for_each(&mut cover),
            None => document.body.iter().for_each(|body| rule.at.find(body, &mut |value| cover(value))),
        }
    }
    covered
}

/// The document with the values alone where an object is keyed by ids: the portable form has pairs there,
/// which no place of the model fits.
fn without_keys(layout: &Layout<'_>, document: &Document) -> Document {
    let mut document = document.clone();
    let Document { columns, body, .. } = &mut document;
    layout.kind.walk_references(columns, body.as_mut(), Direction::Down, &mut |rule, _, value| {
        if let Rule::Reference(index) = rule
            && layout.kind.references.get(index).is_some_and(|rule| rule.form == Form::Keys)
            && let Value::List(pairs) = value
        {
            for pair in pairs {
                if let Value::List(parts) = pair
                    && parts.len() == 2
                {
                    *pair = parts.pop().unwrap_or_default();
                }
            }
        }
        Keep::Yes
    });
    document
}

/// A text that may be an id, and where it stands.
pub struct Hit {
    /// The place, as a rule of the model would spell it.
    pub place: String,
    /// How it is spelled there.
    pub form: Form,
    /// The text.
    pub id: String,
}

enum Step<'d> {
    Member(&'d str),
    Any,
}

struct Walk<'d, 'i> {
    ids: &'i Ids,
    model: &'i Model,
    covered: HashSet<*const Value>,
    column: Option<&'d str>,
    steps: Vec<Step<'d>>,
    hits: Vec<Hit>,
}

impl<'d> Walk<'d, '_> {
    fn value(&mut self, value: &'d Value) {
        match value {
            Value::Text(text) => self.text(value, text),
            Value::List(list) => {
                self.steps.push(Step::Any);
                list.iter().for_each(|value| self.value(value));
                self.steps.pop();
            }
            Value::Map(map) => {
                for (name, value) in map.iter() {
                    let is_id = self.ids.may_hold(name) && !self.model.is_verbatim(name);
                    if is_id {
                        self.hit(Form::Keys, name);
                    }
                    self.steps.push(if is_id { Step::Any } else { Step::Member(name) });
                    self.value(value);
                    self.steps.pop();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, value: &'d Value, text: &'d str) {
        let whole = self.ids.may_hold(text);
        let (form, pieces) = if whole { (Form::Id, vec![text]) } else { list(self.ids, text) };
        if pieces.is_empty()
            || self.covered.contains(&std::ptr::from_ref(value))
            || self.model.is_verbatim(text)
        {
            return;
        }
        pieces.into_iter().for_each(|piece| self.hit(form, piece));
    }

    fn hit(&mut self, form: Form, id: &str) {
        let mut place = self.column.unwrap_or("$").to_owned();
        for step in &self.steps {
            match step {
                Step::Any => place.push_str("[*]"),
                Step::Member(name) => {
                    let mut at = Place::body();
                    at.push_member(name);
                    place.push_str(at.to_string().get(1..).unwrap_or_default());
                }
            }
            if place.len() > LONGEST_PLACE {
                let end = (0..=LONGEST_PLACE).rev().find(|end| place.is_char_boundary(*end));
                place.truncate(end.unwrap_or_default());
                place.push_str("...");
                break;
            }
        }
        self.hits.push(Hit { place, form, id: id.to_owned() });
    }
}
