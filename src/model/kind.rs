//! One type of document, checked and ready for use.

use std::collections::BTreeMap;

use crate::document::{Collation, KindName, Value};

use super::walk::PlaceTree;
use super::{NoteRule, Pattern, ScriptRule, SetRule, ValueRule};

/// A type of document.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name.
    pub name: KindName,
    /// The table that holds its documents.
    pub table: String,
    /// The column of the server's own identifier; `None` where the key columns are the identity.
    pub id: Option<IdRule>,
    /// The column that holds JSON, if the kind has any.
    pub body: Option<String>,
    /// The columns of the natural key, outermost scope first.
    pub key: Vec<KeyColumn>,
    /// Which rows of the table are documents of this kind; all conditions hold.
    pub rows: Vec<RowFilter>,
    /// What to do about documents that share a natural key.
    pub duplicates: Duplicates,
    /// The columns that order documents of one key where they are numbered, before their ids do.
    pub number_by: Vec<String>,
    /// References (positions in `references`) whose documents tell apart what shares the columns of the key: they
    /// follow these in the key, as a set. Such a kind has as many parts in its keys as there are documents.
    pub apart: Vec<usize>,
    /// Whether its table is inferred: a server whose table lacks a column that the kind needs is taken for one
    /// without the table.
    pub inferred: bool,
    /// The groups it belongs to: an export can leave out a group as a whole.
    pub groups: Vec<String>,
    /// Whether it is carried only where it is asked for by name.
    pub ask: bool,
    /// The product's own classes whose documents these are, besides one of the kind's or its table's name. A
    /// `*` at the beginning stands for any text.
    pub vendor_types: Vec<String>,
    /// The column that holds a version, by which an export can choose among the documents that belong to
    /// others.
    pub version: Option<String>,
    /// Documents that are the same on every server whatever they are called.
    pub aliases: Vec<Alias>,
    /// References (positions in `references`) whose target brings this document along in a partial export.
    pub with: Vec<usize>,
    /// Places that hold ids of other documents.
    pub references: Vec<ReferenceRule>,
    /// Places that hold secrets.
    pub secrets: Vec<SecretRule>,
    /// Places that are rebuilt and not carried.
    pub derived: Vec<Derived>,
    /// Tables with a row for each id that references of a document hold.
    pub derived_rows: Vec<DerivedRows>,
    /// Places that belong to the server they are on.
    pub local: Vec<Local>,
    /// Things inside a document that have ids and names of their own.
    pub parts: Vec<Part>,
    /// Lists whose order and repetitions mean nothing.
    pub sets: Vec<SetRule>,
    /// Places that are joined with the target's instead of overwritten.
    pub merges: Vec<Merge>,
    /// What values must be.
    pub values: Vec<ValueRule>,
    /// Places that hold scripts.
    pub scripts: Vec<ScriptRule>,
    /// What people are told of some documents.
    pub notes: Vec<NoteRule>,
    /// The places of all rules.
    pub(super) places: PlaceTree,
    /// The places of references alone.
    pub(super) reference_places: PlaceTree,
    /// The places of sets alone.
    pub(super) set_places: PlaceTree,
}

/// What a reference leads to, by positions in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A kind.
    Kind(usize),
    /// A part of a kind's documents.
    Part {
        /// The kind that owns the part.
        kind: usize,
        /// The position in its `parts`.
        part: usize,
    },
}

impl Target {
    /// The kind whose rows hold the target.
    pub fn kind(self) -> usize {
        match self {
            Target::Kind(kind) | Target::Part { kind, .. } => kind,
        }
    }
}

impl Kind {
    /// Says whether the kind belongs to a group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// A document that a column marks and that is the same on every server, whatever it is called there.
#[derive(Debug, Clone, PartialEq)]
pub struct Alias {
    /// The column that marks it.
    pub column: String,
    /// The value that does.
    pub equals: Value,
    /// The key column that does not name it.
    pub key: String,
    /// What the key says instead.
    pub name: String,
    /// Ids that mean the document wherever they stand, whether or not its row has one of them. Where the kind has a
    /// scope, they mean that of the scope in which they stand. They are among [`IdRule::fixed`], and the key is the
    /// name alone, after the scope.
    pub ids: Vec<String>,
}

impl Alias {
    /// Says whether an id means the document.
    pub fn is_meant_by(&self, id: &str) -> bool {
        self.ids.iter().any(|known| known.eq_ignore_ascii_case(id))
    }
}

/// The server's identifier of a document, and how new ones are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdRule {
    /// The column.
    pub column: String,
    /// How the id of a new document is made.
    pub new: NewId,
    /// Ids that are the same on every server; a new document that had one keeps it.
    pub fixed: Vec<String>,
}

impl IdRule {
    /// Says whether an id is the same on every server.
    pub fn is_fixed(&self, id: &str) -> bool {
        self.fixed.iter().any(|fixed| fixed.eq_ignore_ascii_case(id))
    }
}

/// How the id of a new document is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewId {
    /// A prefix and the next number from the product's allocation table.
    Allocate {
        /// The text before the number.
        prefix: String,
        /// The name of the collection in the allocation table.
        collection: String,
    },
    /// The largest integer of the column plus one (IDENTITY columns too).
    Next,
    /// A random GUID.
    Guid,
    /// The id that the document had at the source.
    Keep,
    /// Text around the id of a document that the key runs through: `variableset-{OwnerId}`.
    Compose(Composed),
}

/// How an id is made of another document's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The text before the other's id.
    pub head: String,
    /// The column of the key that holds the other's id.
    pub column: String,
    /// The text after it.
    pub tail: String,
    /// Whether more text follows, which the server made up (`{*}` in the file). It tells documents of one
    /// owner apart, so it is the last part of the key.
    pub open: bool,
}

impl std::fmt::Display for Composed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { head, column, tail, open } = self;
        write!(f, "{head}{{{column}}}{tail}{}", if *open { "{*}" } else { "" })
    }
}

impl Composed {
    /// The id of a document whose owner has this id.
    pub fn id(&self, owner: &str, rest: &str) -> String {
        format!("{}{owner}{}{rest}", self.head, self.tail)
    }

    /// What the server made up in an id, as ids compare; all of it where the id is composed in another way.
    pub fn rest<'i>(&self, owner: &str, id: &'i str, collation: Collation) -> &'i str {
        let pieces = [self.head.as_str(), owner, self.tail.as_str()];
        pieces.into_iter().try_fold(id, |id, piece| collation.strip_prefix(id, piece)).unwrap_or(id)
    }
}

/// A column of a natural key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// The column.
    pub column: String,
    /// Whether tables may lack the column; it is then no part of the key.
    pub optional: bool,
    /// The reference rule (position in `references`) that the column is under, if it holds ids.
    pub reference: Option<usize>,
}

/// A condition on rows: the column holds one of the values.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFilter {
    /// The column. A table without it passes.
    pub column: String,
    /// The values that pass.
    pub equals: Vec<Value>,
}

/// What to do about documents that share a natural key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Refuse them, by name.
    Refuse,
    /// Number them from the second on, in the order of [`Kind::number_by`], then of their ids.
    Number,
}

/// How ids are spelled at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One id.
    Id,
    /// `|A|B|` in text.
    Pipe,
    /// `A,B` in text.
    Comma,
    /// The member names of an object.
    Keys,
}

/// What happens to a reference whose document neither bundle nor target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The plan stops.
    Stop,
    /// The reference is taken out, with a notice.
    Drop,
    /// What the target has there stays; a new document has nothing there.
    Keep,
    /// The whole document is skipped, with a notice.
    Skip,
}

/// A place that holds ids of other documents.
#[derive(Debug, Clone)]
pub struct ReferenceRule {
    /// Where.
    pub at: Pattern,
    /// What the ids lead to; tried in this order.
    pub to: Vec<Target>,
    /// How they are spelled.
    pub form: Form,
    /// Whether a dangling reference of the source is worth a notice.
    pub required: bool,
    /// What happens when the target has no such document.
    pub missing: Missing,
    /// Whether a partial export takes the referenced document along.
    pub follow: bool,
    /// Whether only text that is the id of such a document of the source is a reference. Other text at the
    /// place is text: it does not dangle.
    pub maybe: bool,
    /// Whether the list limits what the document applies to: a document that loses all of it is skipped, since
    /// it would apply to more than before. Lists of one name limit together, as long as one of them holds anything;
    /// without a name (empty text) each limits alone.
    pub limits: Option<String>,
    /// Whether an empty list means the same as none: a table without the column takes it.
    pub omit_empty: bool,
    /// Where another document says what the value is; `to` is then all that it may be.
    pub typed: Option<Typed>,
    /// Whether the place is any element of a set: its position means nothing and is not the same in portable form.
    pub in_set: bool,
}

/// Where the type of a value is found: the document that declares it, and the name it is declared under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// The declarations, by their position in the model.
    pub by: usize,
    /// What holds the id of the declaring document: a member beside the value, or a column.
    pub document: String,
    /// What holds the name of the declaration: a member beside the value, or a column; the value's own member
    /// name where it is `None`.
    pub name: Option<String>,
}

/// Where what documents declared earlier is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeVersions {
    /// The kind, by position.
    pub kind: usize,
    /// Its column with the id of the document that declares now.
    pub by: String,
    /// Its column whose largest value is the newest.
    pub newest: String,
}

/// Documents that declare, for values of other documents, what they are: the parameters of a step template.
#[derive(Debug, Clone)]
pub struct Types {
    /// The name by which rules mention them.
    pub name: String,
    /// The kinds that declare, by position.
    pub kinds: Vec<usize>,
    /// Where what was declared earlier is kept.
    pub versions: Option<TypeVersions>,
    /// The declarations in the JSON of such a document.
    pub at: Pattern,
    /// The member of a declaration that names it.
    pub named: String,
    /// The place of its type, within a declaration.
    pub kind_at: Pattern,
    /// What values of a type lead to. Values of other types are no references.
    pub to: BTreeMap<String, Vec<Target>>,
}

/// How a secret is kept in the server's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// Encrypted with the product's cipher.
    Encrypted,
    /// As it is; it is sealed in the bundle all the same.
    Plain,
}

/// A place that holds a secret.
#[derive(Debug, Clone)]
pub struct SecretRule {
    /// Where.
    pub at: Pattern,
    /// How the server keeps it.
    pub form: SecretForm,
}

/// A place that is rebuilt from a document's references instead of being carried.
#[derive(Debug, Clone)]
pub struct Derived {
    /// Where.
    pub at: Pattern,
    /// The reference rules (positions) whose ids it lists. `*` in the file is every reference in the JSON:
    /// columns are found by a query as they are.
    pub from: Vec<usize>,
    /// How the ids are spelled.
    pub form: Form,
}

/// A table with a row for each id that some references of a document hold. The rows are not carried: they are
/// rebuilt when the document is written, and deleted with it.
#[derive(Debug, Clone)]
pub struct DerivedRows {
    /// The table. A server may lack it.
    pub table: String,
    /// Its column with the id of the document.
    pub owner: String,
    /// Its column with the name of the document's table, if it has one.
    pub owner_table: Option<String>,
    /// Its column with the id that the document refers to.
    pub value: String,
    /// Its column with the name of the table that this id is of, if it has one.
    pub value_table: Option<String>,
    /// The reference rules (positions) whose ids have rows; see [`Derived::from`].
    pub from: Vec<usize>,
}

/// A place that belongs to the server it is on: left out at export, kept in the target.
#[derive(Debug, Clone)]
pub struct Local {
    /// Where.
    pub at: Pattern,
    /// What a new document gets there. A column that the server numbers by itself (IDENTITY) is left to it.
    pub new: NewLocal,
    /// What an update does to it.
    pub update: LocalUpdate,
}

/// What a new document gets at a local place.
#[derive(Debug, Clone, PartialEq)]
pub enum NewLocal {
    /// Nothing: the place is left out.
    None,
    /// A value.
    Value(Value),
    /// The largest integer of the column plus one.
    Next,
}

/// What an update does to a local value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalUpdate {
    /// Nothing.
    Keep,
    /// Counts it up by one: an edit counter.
    Increment,
}

/// Something inside a document that has an id and a name of its own (a tag of a tag set).
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name, used like a kind's in references.
    pub name: KindName,
    /// The objects: a place that ends in `[*]`.
    pub at: Pattern,
    /// The member that holds the id, left out of the content.
    pub id: String,
    /// The members that name the part within its document.
    pub key: Vec<String>,
    /// How new ids are made.
    pub new: NewPartId,
    /// Members of which each, emptied by dropped references, takes the part with it.
    pub drop_when_emptied: Vec<String>,
    /// Whether parts that the target lacks are added to a document that it has and that is not overwritten.
    pub add_missing: bool,
}

/// How the id of a new part is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewPartId {
    /// A random GUID.
    Guid,
    /// The document's id, this text, and the next number within the document: `TagSets-1` + `/Tags-` + `7`.
    Numbered(String),
    /// None: the ids are content and travel as they are.
    Keep,
}

/// A place that is joined with the target's instead of overwritten.
#[derive(Debug, Clone)]
pub struct Merge {
    /// Where.
    pub at: Pattern,
    /// How.
    pub rule: MergeRule,
}

/// How two values are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeRule {
    /// Every element of both lists, the target's first.
    Union,
    /// List elements that agree in these members are the same element, and the bundle's version of it
    /// stands; elements that only the target has stay.
    Match {
        /// The members that identify an element.
        by: Vec<String>,
        /// The members that tell elements of one identity apart, tried first.
        prefer: Vec<String>,
    },
}
