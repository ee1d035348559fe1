//! Takes decisions from bytes, so that any bytes make a value and a small change of them a small change of it.

use sealift::document::{Dangling, Document, Key, KindName, Map, Reference, SecretId, Value};

/// The bytes that are left. Once they are used up every decision is the first one, so that all that is made
/// ends.
pub struct Feed<'a>(&'a [u8]);

/// Names and texts that come up often, so that two documents have something in common.
const WORDS: [&str; 16] = [
    "Name",
    "Id",
    "Scope",
    "Value",
    "Variables",
    "Members",
    "Env",
    "a",
    "b",
    "A",
    "a ",
    "é",
    "",
    "$type",
    "x'\\",
    "1.0",
];

impl<'a> Feed<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn below(&mut self, end: usize) -> usize {
        let number = if end > 256 { self.int16() } else { usize::from(self.byte()) };
        number % end.max(1)
    }

    pub fn int16(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    pub fn int64(&mut self) -> i64 {
        let width = self.below(9);
        self.take(width).iter().fold(0, |n, byte| (n << 8) | i64::from(*byte))
    }

    /// So many bytes, or those that are left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(len.min(self.0.len()));
        self.0 = tail;
        head
    }

    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn text(&mut self) -> String {
        match self.byte() {
            word @ 0..0xe0 => WORDS[usize::from(word) % WORDS.len()].to_owned(),
            _ => String::from_utf8_lossy(self.bytes()).into_owned(),
        }
    }

    pub fn kind(&mut self) -> KindName {
        KindName::new(["Item", "Env", "Project", "Feed"][self.below(4)])
    }

    pub fn key(&mut self, depth: usize) -> Key {
        let parts = (0..self.below(3)).map(|_| match self.below(8) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int(self.int64()),
            3 if depth > 0 => self.reference(depth - 1),
            4 => self.dangling(),
            _ => Value::Text(self.text()),
        });
        let parts = parts.collect();
        Key::new(parts).unwrap()
    }

    fn reference(&mut self, depth: usize) -> Value {
        Value::Ref(Box::new(Reference { kind: self.kind(), key: self.key(depth) }))
    }

    fn dangling(&mut self) -> Value {
        let id = if self.below(2) == 0 { Value::Text(self.text()) } else { Value::Int(self.int64()) };
        Value::Dangling(Box::new(Dangling { kind: self.kind(), id }))
    }

    fn number(&mut self) -> Value {
        Value::Number(["-0", "1.50", "1.5", "1e5", "9223372036854775808", "0.0"][self.below(6)].into())
    }

    /// A value that nests no deeper than `depth`.
    pub fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 10 } else { 16 }) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 1),
            2 => Value::Int(self.int64()),
            3 => self.number(),
            4 | 5 => Value::Text(self.text()),
            6 => Value::Bytes(self.bytes().to_vec()),
            7 => self.reference(2),
            8 => self.dangling(),
            9 => Value::Secret(SecretId(self.below(4) as u32)),
            10..=12 => Value::List((0..self.below(6)).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Map(self.map(depth - 1)),
        }
    }

    pub fn map(&mut self, depth: usize) -> Map {
        let mut map = Map::new();
        for _ in 0..self.below(6) {
            map.insert(self.text(), self.value(depth));
        }
        map
    }

    pub fn document(&mut self) -> Document {
        let columns = self.map(1);
        let body = (self.below(8) != 7).then(|| Value::Map(self.map(4)));
        Document { kind: KindName::new("Item"), key: Key::name("a"), columns, body }
    }
}
