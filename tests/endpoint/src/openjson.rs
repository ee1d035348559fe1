//! OPENJSON … WITH: the array becomes a table of the session for the length of a statement.

use crate::catalog::{Column, Table, quoted};
use crate::convert::convert;
use crate::fail::{Fail, Result};
use crate::parse::ast::{Expr, JsonColumn};
use crate::text;
use crate::translate::Translator;
use crate::types::Type;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

/// A JSON value; numbers keep their spelling.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    True,
    False,
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Json::Array(_) | Json::Object(_))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Reads a whole JSON text: 13609 where it is none.
pub(crate) fn parse(text: &str) -> Result<Json> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.blank();
    if reader.at == text.len() { Ok(value) } else { Err(reader.wrong()) }
}

impl Reader<'_> {
    fn wrong(&self) -> Fail {
        let found = self.text[self.at..].chars().next().map_or_else(|| ".".to_owned(), |c| c.to_string());
        Fail::new(
            13609,
            format!(
                "JSON text is not properly formatted. Unexpected character '{found}' is found at position {}.",
                self.at
            ),
        )
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.text[self.at..].starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn value(&mut self) -> Result<Json> {
        self.blank();
        if self.depth > 128 {
            return Err(self.wrong());
        }
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.depth += 1;
                let mut members = Vec::new();
                self.blank();
                while !self.eat("}") {
                    if !members.is_empty() && !self.eat(",") {
                        return Err(self.wrong());
                    }
                    self.blank();
                    let name = self.string()?;
                    self.blank();
                    if !self.eat(":") {
                        return Err(self.wrong());
                    }
                    members.push((name, self.value()?));
                    self.blank();
                }
                self.depth -= 1;
                Ok(Json::Object(members))
            }
            Some(b'[') => {
                self.at += 1;
                self.depth += 1;
                let mut items = Vec::new();
                self.blank();
                while !self.eat("]") {
                    if !items.is_empty() && !self.eat(",") {
                        return Err(self.wrong());
                    }
                    items.push(self.value()?);
                    self.blank();
                }
                self.depth -= 1;
                Ok(Json::Array(items))
            }
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text[self.at..];
                let end =
                    rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
                if rest[..end].parse::<f64>().is_err() {
                    return Err(self.wrong());
                }
                self.at += end;
                Ok(Json::Number(rest[..end].to_owned()))
            }
            _ if self.eat("null") => Ok(Json::Null),
            _ if self.eat("true") => Ok(Json::True),
            _ if self.eat("false") => Ok(Json::False),
            _ => Err(self.wrong()),
        }
    }

    fn string(&mut self) -> Result<String> {
        if !self.eat("\"") {
            return Err(self.wrong());
        }
        let mut plain = String::new();
        let mut units: Option<Vec<u16>> = None;
        loop {
            let rest = &self.text[self.at..];
            let end = rest.find(['"', '\\']).ok_or_else(|| self.wrong())?;
            let run = &rest[..end];
            if run.bytes().any(|b| b < 0x20) {
                return Err(self.wrong());
            }
            match &mut units {
                Some(units) => units.extend(text::units(run)),
                None => plain.push_str(run),
            }
            self.at += end;
            if self.eat("\"") {
                return Ok(units.map_or(plain, text::from_units));
            }
            self.at += 1;
            let escape = self.peek().ok_or_else(|| self.wrong())?;
            let unit = match escape {
                b'"' | b'\\' | b'/' => u16::from(escape),
                b'b' => 8,
                b'f' => 12,
                b'n' => 10,
                b'r' => 13,
                b't' => 9,
                b'u' => {
                    let digits = self.text.get(self.at + 1..self.at + 5).ok_or_else(|| self.wrong())?;
                    let unit = u16::from_str_radix(digits, 16).map_err(|_| self.wrong())?;
                    self.at += 4;
                    unit
                }
                _ => return Err(self.wrong()),
            };
            self.at += 1;
            // Halves of pairs come one by one, so all is gathered as units from here.
            units.get_or_insert_with(|| text::units(&std::mem::take(&mut plain)).collect()).push(unit);
        }
    }
}

enum Step {
    Index(usize),
    Member(String),
}

/// `$[0]`, `$.name`, `$."a name"`; lax, as OPENJSON is without a word.
fn path(text: &str) -> Result<Vec<Step>> {
    let bad = || Fail::new(13607, format!("JSON path is not properly formatted: '{text}'."));
    let mut rest = text.strip_prefix("lax ").unwrap_or(text).strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').ok_or_else(bad)?;
            steps.push(Step::Index(index.parse().map_err(|_| bad())?));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix(".\"") {
            let (name, after) = inner.split_once('"').ok_or_else(bad)?;
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        } else {
            let inner = rest.strip_prefix('.').ok_or_else(bad)?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if end == 0 {
                return Err(bad());
            }
            steps.push(Step::Member(inner[..end].to_owned()));
            rest = &inner[end..];
        }
    }
    Ok(steps)
}

fn follow<'j>(json: &'j Json, steps: &[Step]) -> Option<&'j Json> {
    steps.iter().try_fold(json, |json, step| match (json, step) {
        (Json::Array(items), Step::Index(at)) => items.get(*at),
        (Json::Object(members), Step::Member(name)) => {
            members.iter().find(|(n, _)| n == name).map(|(_, v)| v)
        }
        _ => None,
    })
}

/// Fills a table of the session from the JSON, and says what it is. It is dropped after the statement.
pub(crate) fn load(translator: &mut Translator<'_>, json: &Expr, columns: &[JsonColumn]) -> Result<Table> {
    let env = translator.env;
    if env.facts.compatibility_level < 130 {
        return Err(Fail::new(208, "Invalid object name 'OPENJSON'."));
    }
    let (value, ty) = env.constant(json)?;
    if !ty.is_text() && value != Value::Null {
        return Err(Fail::new(
            8116,
            format!("Argument data type {} is invalid for argument 1 of OpenJson function.", ty.name()),
        ));
    }
    let rows = match &value {
        Value::Text(text) => match parse(text)? {
            Json::Array(items) => items,
            object @ Json::Object(_) => vec![object],
            _ => return Err(Fail::new(13609, "JSON text is not properly formatted.")),
        },
        _ => Vec::new(),
    };
    let name = format!("#openjson:{}", translator.env.transaction.next_json());
    let mut table = Table {
        id: 0,
        name,
        columns: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        foreign: Vec::new(),
        system: true,
    };
    let mut steps = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let collation = match &column.collation {
            Some(name) => Some(translator.collation_named(name)?),
            None => column.ty.is_text().then(|| env.facts.collation.clone()),
        };
        steps.push(path(column.path.as_deref().unwrap_or(&format!("$.\"{}\"", column.name)))?);
        table.columns.push(Column {
            id: at as i64 + 1,
            name: column.name.clone(),
            ty: column.ty,
            collation,
            nullable: true,
            identity: None,
            default: None,
            computed: None,
        });
    }
    let definitions: Vec<String> = table
        .columns
        .iter()
        .map(|c| format!("{} {}", quoted(&c.name), c.ty.storage("").trim_end_matches(" COLLATE ")))
        .collect();
    env.db.execute_batch(&format!("CREATE TABLE {} ({})", table.stored(), definitions.join(", ")))?;
    let marks = vec!["?"; columns.len()].join(", ");
    let mut insert = env.db.prepare(&format!("INSERT INTO {} VALUES ({marks})", table.stored()))?;
    for row in rows {
        let mut values = Vec::with_capacity(columns.len());
        for (column, steps) in columns.iter().zip(&steps) {
            let found = match follow(&row, steps) {
                Some(Json::Text(text)) => Value::Text(text.clone()),
                Some(Json::Number(number)) => Value::Text(number.clone()),
                Some(Json::True) => Value::Text("true".to_owned()),
                Some(Json::False) => Value::Text("false".to_owned()),
                Some(Json::Null | Json::Array(_) | Json::Object(_)) | None => Value::Null,
            };
            let converted =
                convert(found, Type::NVarChar(None), column.ty, 0, false).map_err(|mut fail| {
                    if fail.number == 2628 {
                        // What SQL Server does with it is not documented, so it is refused.
                        fail = Fail::refused(format!("OPENJSON value too long for [{}]", column.name));
                    }
                    fail
                })?;
            values.push(converted);
        }
        insert.execute(params_from_iter(values))?;
    }
    Ok(table)
}
