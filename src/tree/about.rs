//! `sealift.json`: what a bundle says beside its documents, and which files are the tree's own.
//!
//! Obeys `format-spec/tree-v1.md`, "sealift.json". The file comes from anyone; what it says of files is not
//! believed here.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::{Envelope, KdfParams, Slot};
use crate::document::{Key, KindName, Map, Value};
use crate::text::hex;

use super::parse::{self, Wrong};
use super::spell::{self, Json};

/// The file's name.
pub(super) const ABOUT: &str = "sealift.json";
/// How the format is called in it.
const FORMAT: &str = "sealift tree 1";

/// The code of the notices of documents that could not be read at the source and were left out.
pub const UNREADABLE: &str = "unreadable";
/// The code of the notice that a salvaged bundle carries.
pub const SALVAGED: &str = "salvaged";
/// The code of the notice that documents are listed whose files are not there.
pub const MISSING_FILES: &str = "missing-files";
/// Codes of notices that say why the content does not answer for what it lacks.
pub const LACKING: [&str; 3] = [SALVAGED, MISSING_FILES, UNREADABLE];

/// What becomes of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScriptMode {
    /// They lie in files, and their documents name these.
    #[default]
    Extract,
    /// They stay, and lie in files as well, for reading.
    Copy,
    /// They stay where they are.
    Inline,
}

impl ScriptMode {
    fn word(self) -> &'static str {
        match self {
            ScriptMode::Extract => "extract",
            ScriptMode::Copy => "copy",
            ScriptMode::Inline => "inline",
        }
    }
}

/// Why a document is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Why {
    /// Everything was exported; or it was added by hand.
    #[default]
    All,
    /// The user named it.
    Named,
    /// Another document refers to it, at a place.
    NeededBy(KindName, Key, String),
    /// It belongs to another document, which a place names.
    BelongsTo(KindName, Key, String),
}

/// Something the export had to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct TreeNotice {
    /// What it is, as a stable word.
    pub code: String,
    /// The kind it is about, if any.
    pub kind: Option<String>,
    /// The text of the key it is about, if any.
    pub key: Option<String>,
    /// The text of the place it is about, if any.
    pub place: Option<String>,
    /// The text that stands there, if it says something.
    pub value: Option<String>,
    /// The kind of what the value names on the source, or its table, if any.
    pub names_kind: Option<String>,
    /// The text of the key of the document that the value names on the source, if any.
    pub names_key: Option<String>,
    /// The notice for people.
    pub text: String,
    /// How many times.
    pub count: u64,
}

/// What the documents are of a kind of the source.
#[derive(Debug, Clone, PartialEq)]
pub enum TreeCoverage {
    /// Every document of the kind; so many rows were read.
    Whole(u64),
    /// Some of them, for which so many rows were read.
    Part(u64),
    /// Every document of the kind that belongs to this one.
    Belonging(KindName, Key),
}

/// What a tree says beside its documents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// The name of the model that the documents follow.
    pub model: String,
    /// The digest of the model as it was used.
    pub model_digest: [u8; 32],
    /// The version of the product.
    pub product_version: Option<String>,
    /// A name for the source server.
    pub server: Option<String>,
    /// The options of the export, as text.
    pub options: Option<String>,
    /// When the bundle was made, if it says.
    pub created: Option<String>,
    /// What became of scripts.
    pub scripts: ScriptMode,
    /// Who can open the sealed values.
    pub envelope: Option<Envelope>,
    /// What the export had to say.
    pub notices: Vec<TreeNotice>,
    /// What is carried of the kinds of the source.
    pub coverage: Vec<(String, TreeCoverage)>,
}

/// What is known of one document beside its content.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Line {
    pub(super) id: Value,
    pub(super) why: Why,
    /// The files of its scripts, in its folder.
    pub(super) scripts: Vec<String>,
}

/// The tree's own files, by path.
pub(super) type Lines = BTreeMap<String, Line>;

/// What the file says, as far as it can be read.
pub(super) struct Read {
    pub(super) about: About,
    pub(super) lines: Lines,
    /// Everything that is wrong with it.
    pub(super) wrong: Vec<Wrong>,
}

fn object(members: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

/// Writes the file.
pub(super) fn write(about: &About, lines: &Lines) -> String {
    let mut members = vec![
        ("format".to_owned(), Json::text(FORMAT)),
        ("model".to_owned(), Json::text(&about.model)),
        ("model_digest".to_owned(), Json::text(&hex(&about.model_digest))),
    ];
    let optional = [
        ("product_version", &about.product_version),
        ("server", &about.server),
        ("options", &about.options),
        ("created", &about.created),
    ];
    let optional =
        optional.iter().filter_map(|(name, text)| Some(((*name).to_owned(), Json::text(text.as_ref()?))));
    members.extend(optional);
    members.push(("scripts".to_owned(), Json::text(about.scripts.word())));
    if let Some(envelope) = &about.envelope {
        let slots = envelope.slots.iter().map(|slot| {
            Json::Inline(object([
                ("memory_kib", slot.kdf.memory_kib.to_string()),
                ("passes", slot.kdf.passes.to_string()),
                ("lanes", slot.kdf.lanes.to_string()),
                ("salt", spell::quoted(&hex(&slot.salt))),
                ("nonce", spell::quoted(&hex(&slot.nonce))),
                ("wrapped", spell::quoted(&hex(&slot.wrapped))),
            ]))
        });
        let envelope = vec![
            ("scope".to_owned(), Json::text(&hex(&envelope.scope))),
            ("commitment".to_owned(), Json::text(&hex(&envelope.commitment))),
            ("slots".to_owned(), Json::List(slots.collect())),
        ];
        members.push(("envelope".to_owned(), Json::Object(envelope)));
    }
    let notices = about.notices.iter().map(|notice| {
        let optional = |name, text: &Option<String>| text.as_ref().map(|text| (name, spell::quoted(text)));
        let parts = [
            Some(("code", spell::quoted(&notice.code))),
            optional("kind", &notice.kind),
            optional("key", &notice.key),
            optional("place", &notice.place),
            optional("value", &notice.value),
            optional("names_kind", &notice.names_kind),
            optional("names_key", &notice.names_key),
            Some(("text", spell::quoted(&notice.text))),
            (notice.count > 0).then(|| ("count", notice.count.to_string())),
        ];
        Json::Inline(object(parts.into_iter().flatten()))
    });
    members.push(("notices".to_owned(), Json::List(notices.collect())));
    let coverage = about.coverage.iter().map(|(kind, extent)| {
        let said = match extent {
            TreeCoverage::Whole(rows) => ("whole", rows.to_string()),
            TreeCoverage::Part(rows) => ("part", rows.to_string()),
            TreeCoverage::Belonging(kind, key) => ("belonging_to", reference(kind, key)),
        };
        Json::Inline(object([("kind", spell::quoted(kind)), said]))
    });
    members.push(("coverage".to_owned(), Json::List(coverage.collect())));
    let lines = lines.iter().map(|(path, line)| (path.clone(), Json::Inline(write_line(line))));
    members.push(("documents".to_owned(), Json::Object(lines.collect())));
    Json::Object(members).pretty()
}

/// A document as an object of one member.
fn reference(kind: &KindName, key: &Key) -> String {
    format!("{{ {}: {} }}", spell::quoted(kind.as_str()), spell::key(key))
}

fn write_line(line: &Line) -> String {
    let because = |word: &'static str, kind: &KindName, key: &Key, place: &str| {
        object([(word, reference(kind, key)), ("at", spell::quoted(place))])
    };
    let why = match &line.why {
        Why::All => None,
        Why::Named => Some("\"named\"".to_owned()),
        Why::NeededBy(kind, key, place) => Some(because("needed_by", kind, key, place)),
        Why::BelongsTo(kind, key, place) => Some(because("belongs_to", kind, key, place)),
    };
    let scripts: Vec<String> = line.scripts.iter().map(|name| spell::quoted(name)).collect();
    let members = [
        (!line.id.is_null()).then(|| ("id", spell::inline(&line.id))),
        why.map(|why| ("why", why)),
        (!scripts.is_empty()).then(|| ("scripts", format!("[{}]", scripts.join(", ")))),
    ];
    object(members.into_iter().flatten())
}

/// Reads the file; of one of a newer format, only the number of that. Members that are not known are passed over.
pub(super) fn read(text: &[u8]) -> Result<Read, String> {
    let fail = |place: Option<&str>, text: String| {
        let wrong = vec![(place.map(str::to_owned), text)];
        Ok(Read { about: About::default(), lines: Lines::new(), wrong })
    };
    let mut map = match parse::json(text) {
        Ok(Value::Map(map)) => map,
        Ok(_) => return fail(None, "it is no object".to_owned()),
        Err(error) => return fail(None, error.to_string()),
    };
    match map.remove("format") {
        Some(Value::Text(format)) if format == FORMAT => {}
        Some(Value::Text(format)) => match format.strip_prefix("sealift tree ") {
            Some(number) if is_newer(number) => return Err(number.to_owned()),
            _ => return fail(Some("format"), format!("it is not {FORMAT:?}")),
        },
        _ => return fail(Some("format"), format!("it must be {FORMAT:?}")),
    }
    let mut reader = Fields { wrong: Vec::new() };
    let about = About {
        model: reader.text(&mut map, "model").unwrap_or_default(),
        model_digest: reader.digest(&mut map, "model_digest"),
        product_version: reader.optional(&mut map, "product_version"),
        server: reader.optional(&mut map, "server"),
        options: reader.optional(&mut map, "options"),
        created: reader.optional(&mut map, "created"),
        scripts: match reader.optional(&mut map, "scripts").as_deref() {
            None | Some("extract") => ScriptMode::Extract,
            Some("copy") => ScriptMode::Copy,
            Some("inline") => ScriptMode::Inline,
            Some(_) => {
                reader.say("scripts", "it is extract, copy or inline");
                ScriptMode::Extract
            }
        },
        envelope: map.remove("envelope").and_then(|envelope| reader.envelope(envelope)),
        notices: reader.notices(map.remove("notices")),
        coverage: reader.coverage(map.remove("coverage")),
    };
    let mut lines = Lines::new();
    match map.remove("documents") {
        Some(Value::Map(documents)) => {
            for (path, line) in documents {
                match read_line(line) {
                    Ok(line) => drop(lines.insert(path, line)),
                    Err(problem) => reader.say(&path, problem),
                }
            }
        }
        None => {}
        Some(_) => reader.say("documents", "it is an object of paths"),
    }
    Ok(Read { about, lines, wrong: reader.wrong })
}

/// Whether a format's number is greater than ours, however great it is.
fn is_newer(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0')
        && !matches!(number, "" | "1")
}

fn read_line(line: Value) -> Result<Line, String> {
    let Value::Map(mut map) = line else { return Err("it is no object".to_owned()) };
    let id = match map.remove("id") {
        Some(Value::Map(hex)) => parse::bytes(hex)?,
        Some(Value::List(_) | Value::Bool(_)) => return Err("id: an id is text, a number or $hex".to_owned()),
        id => id.unwrap_or_default(),
    };
    let why = match map.remove("why") {
        None => Why::All,
        Some(Value::Text(word)) if word == "named" => Why::Named,
        Some(Value::Map(mut why)) => {
            let Some(Value::Text(at)) = why.remove("at") else {
                return Err("why: \"at\" is missing".to_owned());
            };
            let mut members = why.into_iter();
            let (Some((word, Value::Map(who))), None) = (members.next(), members.next()) else {
                return Err("why: it says needed_by or belongs_to".to_owned());
            };
            let (kind, key) = read_reference(who).map_err(|error| format!("why: {error}"))?;
            match word.as_str() {
                "needed_by" => Why::NeededBy(kind, key, at),
                "belongs_to" => Why::BelongsTo(kind, key, at),
                _ => return Err("why: it says needed_by or belongs_to".to_owned()),
            }
        }
        Some(_) => return Err("why: it is \"named\" or an object".to_owned()),
    };
    let scripts = match map.remove("scripts") {
        None => Vec::new(),
        Some(Value::List(names)) => names
            .into_iter()
            .map(|name| match name {
                Value::Text(name) => Ok(name),
                _ => Err("scripts: a file's name is text".to_owned()),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("scripts: it is a list of names".to_owned()),
    };
    Ok(Line { id, why, scripts })
}

/// Reads a document that is an object of one member.
fn read_reference(map: Map) -> Result<(KindName, Key), String> {
    let mut members = map.into_iter();
    let (Some((kind, key)), None) = (members.next(), members.next()) else {
        return Err("a document is an object of one member: kind and key".to_owned());
    };
    Ok((KindName::new(&kind), parse::read_key(key, 0)?))
}

struct Fields {
    wrong: Vec<Wrong>,
}

impl Fields {
    fn say(&mut self, place: &str, text: impl Into<String>) {
        self.wrong.push((Some(place.to_owned()), text.into()));
    }

    fn optional(&mut self, map: &mut Map, name: &str) -> Option<String> {
        match map.remove(name) {
            Some(Value::Text(text)) => Some(text),
            None | Some(Value::Null) => None,
            Some(_) => {
                self.say(name, "it is text");
                None
            }
        }
    }

    fn text(&mut self, map: &mut Map, name: &str) -> Option<String> {
        let before = self.wrong.len();
        let text = self.optional(map, name);
        if text.is_none() && self.wrong.len() == before {
            self.say(name, "it is missing");
        }
        text
    }

    fn digest<const N: usize>(&mut self, map: &mut Map, name: &str) -> [u8; N] {
        let Some(text) = self.text(map, name) else { return [0; N] };
        let bytes = parse::unhex(&text).and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
        bytes.unwrap_or_else(|| {
            self.say(name, format!("it is {} hexadecimal digits", 2 * N));
            [0; N]
        })
    }

    fn envelope(&mut self, value: Value) -> Option<Envelope> {
        let Value::Map(mut map) = value else {
            self.say("envelope", "it is an object");
            return None;
        };
        let before = self.wrong.len();
        let (scope, commitment) = (self.digest(&mut map, "scope"), self.digest(&mut map, "commitment"));
        let Some(Value::List(list)) = map.remove("slots") else {
            self.say("slots", "it is a list");
            return None;
        };
        let mut slots = Vec::new();
        for slot in list {
            let Value::Map(mut slot) = slot else {
                self.say("slots", "a slot is an object");
                return None;
            };
            let kdf = KdfParams {
                memory_kib: self.cost(&mut slot, "memory_kib"),
                passes: self.cost(&mut slot, "passes"),
                lanes: self.cost(&mut slot, "lanes"),
            };
            slots.push(Slot {
                kdf,
                salt: self.digest(&mut slot, "salt"),
                nonce: self.digest(&mut slot, "nonce"),
                wrapped: self.digest(&mut slot, "wrapped"),
            });
        }
        let envelope = Envelope { scope, slots, commitment };
        // What is malformed in it was told.
        if self.wrong.len() == before
            && let Err(error) = envelope.check()
        {
            self.say("envelope", error.to_string());
        }
        Some(envelope)
    }

    fn cost(&mut self, map: &mut Map, name: &str) -> u32 {
        let number = map.remove(name).and_then(|value| u32::try_from(value.as_int()?).ok());
        number.unwrap_or_else(|| {
            self.say(name, "it is a number below 4294967296");
            0
        })
    }

    fn notices(&mut self, value: Option<Value>) -> Vec<TreeNotice> {
        let list = match value {
            None => return Vec::new(),
            Some(Value::List(list)) => list,
            Some(_) => {
                self.say("notices", "it is a list");
                return Vec::new();
            }
        };
        let mut notices = Vec::new();
        for notice in list {
            let Value::Map(mut map) = notice else {
                self.say("notices", "a notice is an object");
                continue;
            };
            notices.push(TreeNotice {
                code: self.text(&mut map, "code").unwrap_or_default(),
                kind: self.optional(&mut map, "kind"),
                key: self.optional(&mut map, "key"),
                place: self.optional(&mut map, "place"),
                value: self.optional(&mut map, "value"),
                names_kind: self.optional(&mut map, "names_kind"),
                names_key: self.optional(&mut map, "names_key"),
                text: self.text(&mut map, "text").unwrap_or_default(),
                count: map.remove("count").map_or(0, |count| self.count("count", &count)),
            });
        }
        notices
    }

    fn count(&mut self, name: &str, value: &Value) -> u64 {
        value.as_int().and_then(|count| u64::try_from(count).ok()).unwrap_or_else(|| {
            self.say(name, "it is a whole number of 0 or more");
            0
        })
    }

    fn coverage(&mut self, value: Option<Value>) -> Vec<(String, TreeCoverage)> {
        let list = match value {
            None => return Vec::new(),
            Some(Value::List(list)) => list,
            Some(_) => {
                self.say("coverage", "it is a list");
                return Vec::new();
            }
        };
        let mut coverage: Vec<(String, TreeCoverage)> = Vec::new();
        let mut counted = BTreeSet::new();
        for statement in list {
            let Value::Map(mut map) = statement else {
                self.say("coverage", "a statement is an object");
                continue;
            };
            let kind = self.text(&mut map, "kind").unwrap_or_default();
            let names = ["whole", "part", "belonging_to"];
            let mut said = names.iter().filter_map(|name| Some((*name, map.remove(name)?)));
            let (Some((name, value)), None) = (said.next(), said.next()) else {
                self.say("coverage", "a statement has one of whole, part and belonging_to");
                continue;
            };
            if name != "belonging_to" && !counted.insert(kind.clone()) {
                self.say("coverage", format!("{kind} is counted twice"));
            }
            let extent = match (name, value) {
                ("whole", rows) => TreeCoverage::Whole(self.count(name, &rows)),
                ("part", rows) => TreeCoverage::Part(self.count(name, &rows)),
                (_, Value::Map(owner)) => match read_reference(owner) {
                    Ok((kind, key)) => TreeCoverage::Belonging(kind, key),
                    Err(error) => {
                        self.say(name, error);
                        continue;
                    }
                },
                _ => {
                    self.say(name, "a document is an object of one member: kind and key");
                    continue;
                }
            };
            coverage.push((kind, extent));
        }
        coverage
    }
}
