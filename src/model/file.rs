//! The model file as it is written; `check` turns it into a [`Model`](super::Model).

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub format: Spanned<u32>,
    pub name: Spanned<String>,
    pub title: String,
    #[serde(default)]
    pub collation: Collation,
    #[serde(default)]
    pub cipher: Cipher,
    #[serde(default)]
    pub verbatim: Vec<String>,
    pub blob: Option<Spanned<String>>,
    pub version: Option<Version>,
    pub allocation: Option<Allocation>,
    pub maintenance: Option<Maintenance>,
    pub running: Option<Running>,
    pub scope: Option<Scope>,
    #[serde(default)]
    pub syntax: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub leave: Vec<Leave>,
    #[serde(default)]
    pub rules: Vec<Rules>,
    #[serde(default)]
    pub types: Vec<Types>,
    #[serde(default)]
    pub kind: Vec<Kind>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Collation {
    #[default]
    CaseInsensitive,
    CaseSensitive,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cipher {
    #[default]
    None,
    Octopus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Version {
    pub table: String,
    pub column: String,
    pub newest_by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Allocation {
    pub table: String,
    pub name: String,
    pub last: String,
}

/// Where the product says that it is in maintenance mode.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Maintenance {
    pub table: String,
    pub column: Spanned<String>,
    pub row: Scalar,
    pub body: Option<Spanned<String>>,
    pub at: Spanned<String>,
    pub on: Spanned<Vec<Scalar>>,
    pub how: Option<String>,
}

/// Where the product keeps the tasks that wait or run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Running {
    pub table: String,
    pub column: Spanned<String>,
    pub states: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scope {
    pub kind: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Leave {
    pub table: String,
    pub why: String,
}

/// Rules that several kinds share, relative to a place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rules {
    pub name: Spanned<String>,
    #[serde(default)]
    pub reference: Vec<Reference>,
    #[serde(default)]
    pub secret: Vec<Secret>,
    #[serde(default)]
    pub set: Vec<Set>,
    #[serde(default)]
    pub value: Vec<ValueRule>,
    #[serde(default)]
    pub script: Vec<Script>,
}

/// Documents that declare what the values of other documents are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Types {
    pub name: Spanned<String>,
    pub kind: Spanned<OneOrMore>,
    pub versions: Option<Versions>,
    pub at: Spanned<String>,
    pub named: String,
    #[serde(rename = "type")]
    pub kind_at: Spanned<String>,
    pub to: Spanned<BTreeMap<String, OneOrMore>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Versions {
    pub kind: Spanned<String>,
    pub by: String,
    pub newest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Typed {
    pub by: Spanned<String>,
    pub document: String,
    pub name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Alias {
    pub column: String,
    pub equals: Scalar,
    pub key: Spanned<String>,
    pub name: String,
    pub ids: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Kind {
    pub name: Spanned<String>,
    pub table: Spanned<String>,
    pub id: Option<Spanned<Id>>,
    pub body: Option<String>,
    pub key: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub rows: Vec<Rows>,
    #[serde(default)]
    pub duplicates: Duplicates,
    #[serde(default)]
    pub number_by: Vec<String>,
    #[serde(default)]
    pub apart: Vec<Spanned<String>>,
    #[serde(default)]
    pub inferred: bool,
    #[serde(default)]
    pub groups: Vec<Spanned<String>>,
    #[serde(default)]
    pub ask: bool,
    #[serde(default)]
    pub vendor_types: Vec<Spanned<String>>,
    pub version: Option<String>,
    #[serde(default)]
    pub alias: Vec<Alias>,
    #[serde(default)]
    pub with: Vec<Spanned<String>>,
    #[serde(default)]
    pub apply: Vec<Apply>,
    #[serde(default)]
    pub reference: Vec<Reference>,
    #[serde(default)]
    pub secret: Vec<Secret>,
    #[serde(default)]
    pub derived: Vec<Derived>,
    #[serde(default)]
    pub derived_rows: Vec<DerivedRows>,
    #[serde(default)]
    pub local: Vec<Local>,
    #[serde(default)]
    pub part: Vec<Part>,
    #[serde(default)]
    pub set: Vec<Set>,
    #[serde(default)]
    pub merge: Vec<Merge>,
    #[serde(default)]
    pub value: Vec<ValueRule>,
    #[serde(default)]
    pub script: Vec<Script>,
    #[serde(default)]
    pub note: Vec<Note>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Note {
    pub at: Spanned<OneOrMore>,
    pub equals: Spanned<Vec<Scalar>>,
    pub text: Spanned<String>,
    #[serde(default)]
    pub remains: Vec<Spanned<String>>,
    #[serde(default)]
    pub ids: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Id {
    pub column: String,
    pub new: NewId,
    pub prefix: Option<String>,
    pub collection: Option<String>,
    pub pattern: Option<String>,
    #[serde(default)]
    pub fixed: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NewId {
    Allocate,
    Next,
    Guid,
    Keep,
    Compose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rows {
    pub column: String,
    pub equals: Vec<Scalar>,
}

#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum Scalar {
    Bool(bool),
    Int(i64),
    Text(String),
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Duplicates {
    #[default]
    Refuse,
    Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Apply {
    pub rules: Spanned<String>,
    pub at: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Reference {
    pub at: Spanned<String>,
    pub to: Option<Spanned<OneOrMore>>,
    pub typed: Option<Typed>,
    #[serde(default)]
    pub form: Form,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub missing: Missing,
    #[serde(default = "yes")]
    pub follow: bool,
    #[serde(default)]
    pub maybe: bool,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub omit_empty: bool,
}

/// Whether a list limits what the document applies to: by itself, or together with others of one name.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Limits {
    Alone(bool),
    Together(String),
}

impl Default for Limits {
    fn default() -> Self {
        Limits::Alone(false)
    }
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    #[default]
    Id,
    Pipe,
    Comma,
    Keys,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Missing {
    #[default]
    Stop,
    Drop,
    Keep,
    Skip,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Secret {
    pub at: Spanned<String>,
    #[serde(default)]
    pub form: SecretForm,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SecretForm {
    #[default]
    Encrypted,
    Plain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Derived {
    pub at: Spanned<String>,
    pub from: Spanned<Vec<String>>,
    #[serde(default)]
    pub form: Form,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DerivedRows {
    pub table: Spanned<String>,
    pub owner: String,
    pub owner_table: Option<String>,
    pub value: String,
    pub value_table: Option<String>,
    pub from: Spanned<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Local {
    pub at: Spanned<String>,
    pub initial: Option<Scalar>,
    pub new: Option<NewLocal>,
    #[serde(default)]
    pub update: LocalUpdate,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NewLocal {
    Next,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LocalUpdate {
    #[default]
    Keep,
    Increment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Part {
    pub name: Spanned<String>,
    pub at: Spanned<String>,
    pub id: String,
    pub key: Spanned<Vec<String>>,
    pub new: Spanned<String>,
    pub drop_when_emptied: Option<OneOrMore>,
    #[serde(default)]
    pub add_missing: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Set {
    pub at: Spanned<String>,
    #[serde(default)]
    pub omit_empty: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Merge {
    pub at: Spanned<String>,
    pub rule: Spanned<MergeRule>,
    #[serde(default)]
    pub by: Vec<String>,
    #[serde(default)]
    pub prefer: Vec<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MergeRule {
    Union,
    Match,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ValueRule {
    pub at: Spanned<String>,
    #[serde(rename = "type")]
    pub takes: Option<ValueType>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub one_of: Vec<Scalar>,
    #[serde(default)]
    pub open: bool,
    #[serde(default)]
    pub unique: bool,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ValueType {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Object,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Script {
    pub at: Spanned<String>,
    pub syntax: Option<String>,
    pub extension: Spanned<String>,
    pub label: Option<String>,
    pub named: Option<NamedScript>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NamedScript {
    pub by: String,
    pub begins: String,
    pub language: Option<String>,
}
