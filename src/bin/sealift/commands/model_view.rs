//! What a model says of its kinds, as plain values: the JSON of `model show`, whose member names are stable.
//!
//! To show one thing more, add a member to [`KindView`], fill it in [`KindView::of`], and add a line to
//! `sections` in `model_text.rs`.

use sealift::document::json::describe;
use sealift::model::{
    Derived, Duplicates, Form, IdRule, KeyColumn, Kind, LocalUpdate, MergeRule, Missing, Model, NewId,
    NewLocal, NewPartId, Part, ReferenceRule, SecretForm, Target,
};
use serde::Serialize;

/// A kind in one line of the overview.
#[derive(Debug, Serialize)]
pub struct KindLine {
    pub kind: String,
    pub table: String,
    /// The columns of the natural key; `?` where a table may lack the column.
    pub key: Vec<String>,
    /// The natural key as a path of names.
    pub path: String,
    /// `None` where the key columns are the identity.
    pub id: Option<IdView>,
    pub references: usize,
    pub secrets: usize,
    pub merges: usize,
    /// The groups that an export can leave out.
    pub groups: Vec<String>,
    /// Whether it is carried only where it is asked for.
    pub ask: bool,
}

/// Everything that a model says of a kind.
#[derive(Debug, Serialize)]
pub struct KindView {
    pub kind: String,
    pub table: String,
    /// `None` where the key columns are the identity.
    pub id: Option<IdView>,
    pub key: KeyView,
    /// `refuse` or `number`.
    pub duplicates: &'static str,
    /// The columns that order documents of one key before their ids do.
    pub number_by: Vec<String>,
    /// The places whose documents follow the columns in the key.
    pub apart: Vec<String>,
    /// Whether the table is inferred, and passed over where it is another one.
    pub inferred: bool,
    pub rows: Vec<RowsView>,
    /// Documents that are the same on every server, whatever they are called.
    pub aliases: Vec<AliasView>,
    /// The groups that an export can leave out.
    pub groups: Vec<String>,
    /// The product's own classes whose documents these are.
    pub vendor_types: Vec<String>,
    /// Whether it is carried only where it is asked for.
    pub ask: bool,
    /// The column by which an export chooses versions.
    pub version: Option<String>,
    /// The column of the JSON.
    pub body: Option<String>,
    /// The kinds that bring documents of this one along in a partial export, by places of this one.
    pub comes_with: Vec<LinkView>,
    /// The kinds whose documents this one brings along, by places of theirs.
    pub brings: Vec<LinkView>,
    pub references: Vec<ReferenceView>,
    /// The places of other kinds that lead here, or to a part.
    pub referred_to_by: Vec<LinkView>,
    pub secrets: Vec<SecretView>,
    pub derived: Vec<DerivedView>,
    /// Tables with a row for each id that references hold.
    pub derived_rows: Vec<DerivedRowsView>,
    pub local: Vec<LocalView>,
    pub parts: Vec<PartView>,
    /// Lists whose order and repetitions mean nothing.
    pub sets: Vec<SetView>,
    pub merges: Vec<MergeView>,
    /// What people are told of documents that hold certain values.
    pub notes: Vec<NoteView>,
}

#[derive(Debug, Serialize)]
pub struct IdView {
    pub column: String,
    /// `allocate`, `next`, `guid`, `keep` or `compose`.
    pub new: &'static str,
    pub prefix: Option<String>,
    pub collection: Option<String>,
    pub pattern: Option<String>,
    pub fixed: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct KeyView {
    pub path: String,
    pub columns: Vec<KeyColumnView>,
}

#[derive(Debug, Serialize)]
pub struct KeyColumnView {
    pub column: String,
    pub optional: bool,
    /// The kinds that the column leads to; none for a plain value.
    pub to: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct RowsView {
    pub column: String,
    pub equals: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize)]
pub struct AliasView {
    pub column: String,
    pub equals: serde_json::Value,
    pub key: String,
    pub name: String,
    pub ids: Vec<String>,
}

/// A place of one kind that leads to another.
#[derive(Debug, Serialize)]
pub struct LinkView {
    pub kind: String,
    pub at: String,
}

#[derive(Debug, Serialize)]
pub struct ReferenceView {
    pub at: String,
    pub to: Vec<String>,
    pub form: &'static str,
    pub missing: &'static str,
    pub required: bool,
    pub follow: bool,
    pub maybe: bool,
    /// Whether a document that loses all of the list is skipped.
    pub limits: bool,
    /// Whether an empty list means the same as none.
    pub omit_empty: bool,
    /// The declarations that say what the value is.
    pub typed: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct SecretView {
    pub at: String,
    pub form: &'static str,
}

#[derive(Debug, Serialize)]
pub struct DerivedView {
    pub at: String,
    pub from: Vec<String>,
    pub form: &'static str,
}

#[derive(Debug, Serialize)]
pub struct DerivedRowsView {
    pub table: String,
    pub owner: String,
    pub owner_table: Option<String>,
    pub value: String,
    pub value_table: Option<String>,
    pub from: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct LocalView {
    pub at: String,
    /// The value a new document gets; without one the place is left out.
    pub initial: Option<serde_json::Value>,
    /// `next` where a new document gets the largest value of the column plus one; left out elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<&'static str>,
    pub update: &'static str,
}

#[derive(Debug, Serialize)]
pub struct PartView {
    pub name: String,
    pub at: String,
    pub id: String,
    pub key: Vec<String>,
    /// `guid`, `keep`, or the pattern of a numbered id.
    pub new: String,
    /// Members of which each, losing all it held, takes the part with it.
    pub drop_when_emptied: Vec<String>,
    /// Whether parts that the target lacks are added to a document that is not overwritten.
    pub add_missing: bool,
}

#[derive(Debug, Serialize)]
pub struct SetView {
    pub at: String,
    /// Whether an empty list means the same as none.
    pub omit_empty: bool,
}

#[derive(Debug, Serialize)]
pub struct NoteView {
    pub at: Vec<String>,
    pub equals: Vec<serde_json::Value>,
    pub text: String,
    /// The kinds whose documents of this one are named where only the target has them.
    pub remains: Vec<String>,
    /// The kinds whose ids the plan lists where the target's are different.
    pub ids: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct MergeView {
    pub at: String,
    pub rule: &'static str,
    pub by: Vec<String>,
    pub prefer: Vec<String>,
}

impl KindLine {
    /// A line for every kind, in the order of the model.
    pub fn all(model: &Model) -> Vec<Self> {
        let paths = key_paths(model);
        let lines = model.kinds().iter().zip(paths).map(|(kind, path)| Self {
            kind: kind.name.to_string(),
            table: kind.table.clone(),
            key: kind
                .key
                .iter()
                .map(|c| format!("{}{}", c.column, if c.optional { "?" } else { "" }))
                .collect(),
            path,
            id: kind.id.as_ref().map(IdView::of),
            references: kind.references.len(),
            secrets: kind.secrets.len(),
            merges: kind.merges.len(),
            groups: kind.groups.clone(),
            ask: kind.ask,
        });
        lines.collect()
    }
}

impl KindView {
    pub fn of(model: &Model, kind: &Kind) -> Self {
        let names = |kinds: &[usize]| -> Vec<String> {
            kinds.iter().filter_map(|kind| Some(model.kind_at(*kind)?.name.to_string())).collect()
        };
        Self {
            kind: kind.name.to_string(),
            table: kind.table.clone(),
            id: kind.id.as_ref().map(IdView::of),
            key: KeyView::of(model, kind),
            duplicates: match kind.duplicates {
                Duplicates::Refuse => "refuse",
                Duplicates::Number => "number",
            },
            number_by: kind.number_by.clone(),
            apart: kind
                .apart
                .iter()
                .filter_map(|at| kind.references.get(*at))
                .map(|r| r.at.text.clone())
                .collect(),
            inferred: kind.inferred,
            rows: (kind.rows.iter())
                .map(|r| RowsView {
                    column: r.column.clone(),
                    equals: r.equals.iter().map(describe).collect(),
                })
                .collect(),
            aliases: (kind.aliases.iter())
                .map(|a| AliasView {
                    column: a.column.clone(),
                    equals: describe(&a.equals),
                    key: a.key.clone(),
                    name: a.name.clone(),
                    ids: a.ids.clone(),
                })
                .collect(),
            groups: kind.groups.clone(),
            vendor_types: kind.vendor_types.clone(),
            ask: kind.ask,
            version: kind.version.clone(),
            body: kind.body.clone(),
            comes_with: comes_with(model, kind),
            brings: brings(model, kind),
            references: kind.references.iter().map(|rule| ReferenceView::of(model, rule)).collect(),
            referred_to_by: referred_to_by(model, kind),
            secrets: (kind.secrets.iter())
                .map(|s| SecretView {
                    at: s.at.text.clone(),
                    form: match s.form {
                        SecretForm::Encrypted => "encrypted",
                        SecretForm::Plain => "plain",
                    },
                })
                .collect(),
            derived: kind.derived.iter().map(|rule| DerivedView::of(kind, rule)).collect(),
            derived_rows: (kind.derived_rows.iter())
                .map(|rows| DerivedRowsView {
                    table: rows.table.clone(),
                    owner: rows.owner.clone(),
                    owner_table: rows.owner_table.clone(),
                    value: rows.value.clone(),
                    value_table: rows.value_table.clone(),
                    from: sources(kind, &rows.from),
                })
                .collect(),
            local: (kind.local.iter())
                .map(|l| LocalView {
                    at: l.at.text.clone(),
                    initial: match &l.new {
                        NewLocal::Value(value) => Some(describe(value)),
                        NewLocal::None | NewLocal::Next => None,
                    },
                    new: (l.new == NewLocal::Next).then_some("next"),
                    update: match l.update {
                        LocalUpdate::Keep => "keep",
                        LocalUpdate::Increment => "increment",
                    },
                })
                .collect(),
            parts: kind.parts.iter().map(PartView::of).collect(),
            sets: (kind.sets.iter())
                .map(|s| SetView { at: s.at.text.clone(), omit_empty: s.omit_empty })
                .collect(),
            merges: (kind.merges.iter())
                .map(|m| {
                    let (rule, by, prefer) = match &m.rule {
                        MergeRule::Union => ("union", Vec::new(), Vec::new()),
                        MergeRule::Match { by, prefer } => ("match", by.clone(), prefer.clone()),
                    };
                    MergeView { at: m.at.text.clone(), rule, by, prefer }
                })
                .collect(),
            notes: (kind.notes.iter())
                .map(|n| NoteView {
                    at: n.at.iter().map(|at| at.text.clone()).collect(),
                    equals: n.equals.iter().map(describe).collect(),
                    text: n.text.clone(),
                    remains: names(&n.remains),
                    ids: names(&n.ids),
                })
                .collect(),
        }
    }
}

impl IdView {
    fn of(id: &IdRule) -> Self {
        let (new, prefix, collection, pattern) = match &id.new {
            NewId::Allocate { prefix, collection } => ("allocate", Some(prefix), Some(collection), None),
            NewId::Next => ("next", None, None, None),
            NewId::Guid => ("guid", None, None, None),
            NewId::Keep => ("keep", None, None, None),
            NewId::Compose(composed) => ("compose", None, None, Some(composed.to_string())),
        };
        Self {
            column: id.column.clone(),
            new,
            prefix: prefix.cloned(),
            collection: collection.cloned(),
            pattern,
            fixed: id.fixed.clone(),
        }
    }
}

impl KeyView {
    fn of(model: &Model, kind: &Kind) -> Self {
        let position = model.kinds().iter().position(|k| k.name == kind.name);
        let path = position.and_then(|p| key_paths(model).into_iter().nth(p)).unwrap_or_default();
        let columns = kind.key.iter().map(|c| KeyColumnView {
            column: c.column.clone(),
            optional: c.optional,
            to: key_targets(kind, c).map(|rule| target_names(model, &rule.to)).unwrap_or_default(),
        });
        Self { path, columns: columns.collect() }
    }
}

fn key_targets<'k>(kind: &'k Kind, column: &KeyColumn) -> Option<&'k ReferenceRule> {
    column.reference.and_then(|position| kind.references.get(position))
}

/// How many scopes a path writes out; a key that nests deeper is cut at the outside.
const SCOPES: usize = 8;

/// The natural key of every kind as a path of names, outermost first: "Space / Project / Name".
fn key_paths(model: &Model) -> Vec<String> {
    // Of each kind, what its documents are within. Kinds that a key runs through come first.
    let mut scopes: Vec<Vec<String>> = vec![Vec::new(); model.kinds().len()];
    let mut paths = vec![String::new(); model.kinds().len()];
    for position in model.key_order() {
        let Some(kind) = model.kind_at(*position) else { continue };
        let (mut path, mut own) = (Vec::new(), Vec::new());
        for column in &kind.key {
            let Some(rule) = key_targets(kind, column) else {
                path.push(column.column.clone());
                continue;
            };
            let mut within = rule.to.iter().filter_map(|target| scopes.get(target.kind()));
            // Where the kinds are within different things, what they are within is not written.
            let first = within.next().cloned().unwrap_or_default();
            if within.all(|other| *other == first) {
                // A scope that several columns share is told once.
                let new: Vec<String> = first.into_iter().filter(|scope| !path.contains(scope)).collect();
                path.extend(new);
            }
            path.push(target_names(model, &rule.to).join(" or "));
            path.drain(..path.len().saturating_sub(SCOPES));
            own.clone_from(&path);
        }
        if let Some(NewId::Compose(composed)) = kind.id.as_ref().map(|id| &id.new)
            && composed.open
        {
            path.push("rest of the id".to_owned());
        }
        if let (Some(scope), Some(text)) = (scopes.get_mut(*position), paths.get_mut(*position)) {
            *text = path.join(" / ");
            *scope = own;
        }
    }
    paths
}

impl ReferenceView {
    fn of(model: &Model, rule: &ReferenceRule) -> Self {
        Self {
            at: rule.at.text.clone(),
            to: target_names(model, &rule.to),
            form: form(rule.form),
            missing: match rule.missing {
                Missing::Stop => "stop",
                Missing::Drop => "drop",
                Missing::Keep => "keep",
                Missing::Skip => "skip",
            },
            required: rule.required,
            follow: rule.follow,
            maybe: rule.maybe && rule.typed.is_none(),
            limits: rule.limits.is_some(),
            omit_empty: rule.omit_empty,
            typed: rule.typed.as_ref().and_then(|typed| model.types.get(typed.by)).map(|t| t.name.clone()),
        }
    }
}

impl DerivedView {
    fn of(kind: &Kind, rule: &Derived) -> Self {
        Self { at: rule.at.text.clone(), from: sources(kind, &rule.from), form: form(rule.form) }
    }
}

/// The places of references, by their positions in a kind.
fn sources(kind: &Kind, from: &[usize]) -> Vec<String> {
    let from = from.iter().filter_map(|position| kind.references.get(*position));
    from.map(|reference| reference.at.text.clone()).collect()
}

impl PartView {
    fn of(part: &Part) -> Self {
        Self {
            name: part.name.to_string(),
            at: part.at.text.clone(),
            id: part.id.clone(),
            key: part.key.clone(),
            new: match &part.new {
                NewPartId::Keep => "keep".to_owned(),
                NewPartId::Guid => "guid".to_owned(),
                NewPartId::Numbered(text) => format!("{{owner}}{text}{{n}}"),
            },
            drop_when_emptied: part.drop_when_emptied.clone(),
            add_missing: part.add_missing,
        }
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Id => "id",
        Form::Pipe => "pipe",
        Form::Comma => "comma",
        Form::Keys => "keys",
    }
}

fn target_names(model: &Model, targets: &[Target]) -> Vec<String> {
    targets.iter().filter_map(|t| model.target_name(*t)).map(ToString::to_string).collect()
}

/// What brings documents of the kind along in a partial export.
fn comes_with(model: &Model, kind: &Kind) -> Vec<LinkView> {
    let rules = kind.with.iter().filter_map(|position| kind.references.get(*position));
    rules
        .flat_map(|rule| rule.to.iter().map(|target| (target.kind(), &rule.at.text)))
        .filter_map(|(owner, at)| {
            Some(LinkView { kind: model.kind_at(owner)?.name.to_string(), at: at.clone() })
        })
        .collect()
}

/// What documents of the kind bring along in a partial export, beside what they refer to.
fn brings(model: &Model, kind: &Kind) -> Vec<LinkView> {
    links_to(model, kind, |other, position| other.with.contains(&position))
}

/// The places that lead to the kind or a part of it.
fn referred_to_by(model: &Model, kind: &Kind) -> Vec<LinkView> {
    links_to(model, kind, |_, _| true)
}

fn links_to(model: &Model, kind: &Kind, counts: impl Fn(&Kind, usize) -> bool) -> Vec<LinkView> {
    let leads_here = |t: &Target| model.kind_at(t.kind()).is_some_and(|k| k.name == kind.name);
    let mut links = Vec::new();
    for other in model.kinds() {
        for (position, rule) in other.references.iter().enumerate() {
            if rule.to.iter().any(leads_here) && counts(other, position) {
                links.push(LinkView { kind: other.name.to_string(), at: rule.at.text.clone() });
            }
        }
    }
    links
}
