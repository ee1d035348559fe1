//! Places in a model: a column's name, or a JSONPath that may match many places.
//!
//! The JSONPath is the part of RFC 9535 that names places in configuration: member names, `[*]`, `.*`,
//! indices, and filters made of comparisons and existence tests joined by `&&`, `||` and `!`. It is matched while a
//! document is walked once for all its rules, which is why it is not left to a query engine; a test holds
//! it against one.

use crate::document::{Map, Value};

/// A column or a JSONPath.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// The text as the model spells it.
    pub text: String,
    /// The column, for a pattern that is one.
    pub column: Option<String>,
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Segment {
    Member(String),
    Index(usize),
    Any,
    Filter(Filter),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Or(Vec<Filter>),
    And(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Vec<Segment>),
    Equals(Vec<Segment>, Value, bool),
}

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no place: {reason} (at character {at})")]
pub struct PatternError {
    /// The text.
    pub text: String,
    /// Where it goes wrong, from one.
    pub at: usize,
    /// Why.
    pub reason: &'static str,
}

impl Pattern {
    /// Reads a place.
    ///
    /// # Errors
    /// [`PatternError`], with the position.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('$') {
            let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
            return if plain {
                Ok(Self { text: text.to_owned(), column: Some(text.to_owned()), segments: Vec::new() })
            } else {
                let reason = "it is neither a column's name nor a path that starts with $";
                Err(PatternError { text: text.to_owned(), at: 1, reason })
            };
        }
        let mut parser = Parser { rest: text.get(1..).unwrap_or_default() };
        let segments = parser.segments(true).and_then(|segments| {
            if parser.rest.is_empty() { Ok(segments) } else { Err("unexpected character") }
        });
        match segments {
            Ok(segments) => Ok(Self { text: text.to_owned(), column: None, segments }),
            Err(reason) => {
                let at = text.chars().count() - parser.rest.chars().count() + 1;
                Err(PatternError { text: text.to_owned(), at, reason })
            }
        }
    }

    /// Puts a path below another: `$.Steps[*]` and `$.Name` are `$.Steps[*].Name`.
    pub(super) fn below(&self, base: &Pattern) -> Self {
        Self {
            text: format!("{}{}", base.text, self.text.strip_prefix('$').unwrap_or(&self.text)),
            column: base.column.clone(),
            segments: base.segments.iter().chain(&self.segments).cloned().collect(),
        }
    }

    /// The place of the list or object whose elements this pattern names, if it ends in `[*]`.
    pub(super) fn collection(&self) -> Option<Vec<Segment>> {
        match self.segments.split_last() {
            Some((Segment::Any, parent)) => Some(parent.to_vec()),
            _ => None,
        }
    }

    /// Says whether the pattern names all that these segments name, for segments without filters.
    pub(super) fn covers(&self, segments: &[Segment]) -> bool {
        let mut pairs = self.segments.iter().zip(segments);
        self.column.is_none()
            && self.segments.len() == segments.len()
            && pairs.all(|(mine, theirs)| mine == theirs || *mine == Segment::Any)
    }

    /// Calls `see` with every value in `root` that the pattern matches. Columns match nothing here.
    pub fn find<'v>(&self, root: &'v Value, see: &mut dyn FnMut(&'v Value)) {
        if self.column.is_none() {
            find(root, &self.segments, see);
        }
    }

    /// The list whose elements a pattern ending in `[*]` names.
    pub(crate) fn list<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        singular(root, self.segments.split_last()?.1)
    }

    /// The elements of the list that a pattern ending in `[*]` names, to change them.
    pub(crate) fn elements_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Vec<Value>> {
        match single_mut(root, self.segments.split_last()?.1)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// Sets the one value that the pattern names, where the objects around it exist.
    pub(crate) fn set(&self, root: &mut Value, value: Value) {
        if let Some((Segment::Member(name), parent)) = self.segments.split_last()
            && let Some(Value::Map(map)) = single_mut(root, parent)
        {
            map.insert(name.clone(), value);
        }
    }

    /// Returns the one value the pattern names.
    pub(crate) fn get_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        single_mut(root, &self.segments)
    }

    /// Says whether the pattern names one place at the most: no wildcard, no filter.
    pub(super) fn is_single(&self) -> bool {
        is_single(&self.segments)
    }
}

/// Says whether segments name one place at the most.
pub(super) fn is_single(segments: &[Segment]) -> bool {
    segments.iter().all(|s| matches!(s, Segment::Member(_) | Segment::Index(_)))
}

fn single_mut<'v>(root: &'v mut Value, segments: &[Segment]) -> Option<&'v mut Value> {
    segments.iter().try_fold(root, |value, segment| match (segment, value) {
        (Segment::Member(name), Value::Map(map)) => map.get_mut(name),
        (Segment::Index(index), Value::List(list)) => list.get_mut(*index),
        _ => None,
    })
}

fn find<'v>(value: &'v Value, segments: &[Segment], see: &mut dyn FnMut(&'v Value)) {
    let Some((first, rest)) = segments.split_first() else { return see(value) };
    match (first, value) {
        (Segment::Member(name), Value::Map(map)) => {
            if let Some(value) = map.get(name) {
                find(value, rest, see);
            }
        }
        (Segment::Index(index), Value::List(list)) => {
            if let Some(value) = list.get(*index) {
                find(value, rest, see);
            }
        }
        (Segment::Any | Segment::Filter(_), Value::List(list)) => {
            list.iter().filter(|v| first.passes(v)).for_each(|v| find(v, rest, see));
        }
        (Segment::Any | Segment::Filter(_), Value::Map(map)) => {
            map.iter().filter(|(_, v)| first.passes(v)).for_each(|(_, v)| find(v, rest, see));
        }
        _ => {}
    }
}

impl Segment {
    /// Says whether a child passes a wildcard or a filter.
    pub(super) fn passes(&self, child: &Value) -> bool {
        match self {
            Segment::Any => true,
            Segment::Filter(filter) => filter.holds(child),
            Segment::Member(_) | Segment::Index(_) => false,
        }
    }
}

impl Filter {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Filter::Or(filters) => filters.iter().any(|f| f.holds(value)),
            Filter::And(filters) => filters.iter().all(|f| f.holds(value)),
            Filter::Not(filter) => !filter.holds(value),
            Filter::Exists(path) => singular(value, path).is_some(),
            Filter::Equals(path, literal, equal) => (singular(value, path) == Some(literal)) == *equal,
        }
    }
}

fn singular<'v>(value: &'v Value, path: &[Segment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match (segment, value) {
        (Segment::Member(name), Value::Map(map)) => map.get(name),
        (Segment::Index(index), Value::List(list)) => list.get(*index),
        _ => None,
    })
}

struct Parser<'a> {
    rest: &'a str,
}

type Parsed<T> = Result<T, &'static str>;

const SINGLE_PLACES: &str = "a filter compares single places only";

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Within a filter there are no filters: it compares single places, and would nest without an end.
    fn segments(&mut self, filters: bool) -> Parsed<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            if self.rest.starts_with("..") {
                return Err("descendants (..) are not supported: name the place");
            } else if self.eat(".*") || self.eat("[*]") {
                segments.push(Segment::Any);
            } else if self.eat(".") {
                segments.push(Segment::Member(self.name()?));
            } else if self.eat("[?") {
                if !filters {
                    return Err(SINGLE_PLACES);
                }
                self.blanks();
                let filter = self.or(0)?;
                self.blanks();
                if !self.eat("]") {
                    return Err("expected ] after the filter");
                }
                segments.push(Segment::Filter(filter));
            } else if self.eat("[") {
                let segment = if self.rest.starts_with(['\'', '"']) {
                    Segment::Member(self.quoted()?)
                } else {
                    Segment::Index(self.digits()?)
                };
                if !self.eat("]") {
                    return Err("expected ]");
                }
                segments.push(segment);
            } else {
                return Ok(segments);
            }
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        let end = self.rest.find(|c: char| !(first(c) || c.is_ascii_digit())).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if !name.starts_with(first) {
            return Err("expected a member's name");
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn digits(&mut self) -> Parsed<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map_err(|_| "expected a name in quotes, a number, * or ?")
    }

    fn quoted(&mut self) -> Parsed<String> {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        let mut name = String::new();
        loop {
            match chars.next() {
                None => return Err("the quote is not closed"),
                Some('\\') => match chars.next() {
                    Some(c @ ('\\' | '\'' | '"' | '/')) => name.push(c),
                    _ => return Err("this escape is not supported"),
                },
                c if c == quote => break,
                Some(c) => name.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(name)
    }

    fn or(&mut self, depth: usize) -> Parsed<Filter> {
        let mut filters = vec![self.and(depth)?];
        loop {
            self.blanks();
            if !self.eat("||") {
                break;
            }
            filters.push(self.and(depth)?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::Or(filters) })
    }

    fn and(&mut self, depth: usize) -> Parsed<Filter> {
        let mut filters = vec![self.term(depth)?];
        loop {
            self.blanks();
            if !self.eat("&&") {
                break;
            }
            filters.push(self.term(depth)?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::And(filters) })
    }

    fn term(&mut self, depth: usize) -> Parsed<Filter> {
        if depth > 16 {
            return Err("the filter nests too deep");
        }
        self.blanks();
        if self.eat("!") {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.eat("(") {
            let inner = self.or(depth + 1)?;
            self.blanks();
            return if self.eat(")") { Ok(inner) } else { Err("expected )") };
        }
        if !self.eat("@") {
            return Err("expected @, ! or ( in a filter");
        }
        let path = self.segments(false)?;
        if !path.iter().all(|s| matches!(s, Segment::Member(_) | Segment::Index(_))) {
            return Err(SINGLE_PLACES);
        }
        self.blanks();
        let equal = if self.eat("==") {
            true
        } else if self.eat("!=") {
            false
        } else {
            return Ok(Filter::Exists(path));
        };
        self.blanks();
        let literal = if self.rest.starts_with(['\'', '"']) {
            Value::Text(self.quoted()?)
        } else if self.eat("true") {
            Value::Bool(true)
        } else if self.eat("false") {
            Value::Bool(false)
        } else if self.eat("null") {
            Value::Null
        } else {
            let negative = self.eat("-");
            let number = i64::try_from(self.digits()?).map_err(|_| "the number is too large")?;
            Value::Int(if negative { -number } else { number })
        };
        Ok(Filter::Equals(path, literal, equal))
    }
}

/// The members of an object that a key of member names picks, in that order.
pub(crate) fn pick(map: &Map, names: &[String]) -> Vec<Value> {
    names.iter().map(|name| map.get(name).cloned().unwrap_or_default()).collect()
}
