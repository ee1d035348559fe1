//! From the file as written to a model that holds together, or the line where it does not.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;

use crate::document::{self, KindName, Value};

use super::file::{self, File};
use super::kind::{
    Derived, Duplicates, Form, IdRule, KeyColumn, Kind, Local, LocalUpdate, Merge, MergeRule, Missing, NewId,
    NewPartId, Part, ReferenceRule, RowFilter, SecretForm, SecretRule, Target,
};
use super::pattern::Pattern;
use super::walk::{PlaceTree, Rule};
use super::{AllocationRule, Cipher, LeftTable, Model, VersionRule};

/// The version of the model language this code reads.
const LANGUAGE: u32 = 1;

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the model {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("{file}:{line}: {problem}")]
    Wrong {
        /// The file.
        file: String,
        /// The line, from one.
        line: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

/// What is wrong in a model file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

type Fault = (Range<usize>, String);
type Checked<T> = Result<T, Fault>;

fn fault<T>(span: Range<usize>, text: impl Into<String>) -> Checked<T> {
    Err((span, text.into()))
}

pub(super) fn load(text: &str, file_name: &str) -> Result<Model, LoadError> {
    let line = |span: &Range<usize>| text.bytes().take(span.start).filter(|b| *b == b'\n').count() + 1;
    let parsed: File = toml::from_str(text).map_err(|e| LoadError::Wrong {
        file: file_name.to_owned(),
        line: e.span().map_or(1, |span| line(&span)),
        problem: Problem(e.message().trim().replace('\n', "; ")),
    })?;
    let digest = blake3::derive_key("sealift 2026-11 model v1 digest", text.as_bytes());
    build(parsed, digest).map_err(|(span, problem)| LoadError::Wrong {
        file: file_name.to_owned(),
        line: line(&span),
        problem: Problem(problem),
    })
}

fn build(file: File, digest: [u8; 32]) -> Checked<Model> {
    if *file.format.get_ref() != LANGUAGE {
        let text =
            format!("this model is written in language {}; {LANGUAGE} is known", file.format.get_ref());
        return fault(file.format.span(), text);
    }
    if file.kind.is_empty() {
        return fault(file.name.span(), "a model without kinds carries nothing");
    }
    let by_name = names(&file)?;
    let cipher = match file.cipher {
        file::Cipher::None => Cipher::None,
        file::Cipher::Octopus => Cipher::Octopus,
    };
    let shared: HashMap<&str, &file::Rules> =
        file.rules.iter().map(|rules| (rules.name.get_ref().as_str(), rules)).collect();
    if shared.len() < file.rules.len() {
        return fault(file.name.span(), "two sets of rules have one name");
    }
    let scope = Scope { by_name: &by_name, shared: &shared, cipher, allocates: file.allocation.is_some() };
    let kinds = file.kind.iter().map(|kind| scope.kind(kind)).collect::<Checked<Vec<_>>>()?;
    let key_order = key_order(&kinds, &file)?;
    Ok(Model {
        name: file.name.into_inner(),
        title: file.title,
        collation: match file.collation {
            file::Collation::CaseInsensitive => document::Collation::CaseInsensitive,
            file::Collation::CaseSensitive => document::Collation::CaseSensitive,
        },
        cipher,
        verbatim: file.verbatim,
        version: file.version.map(|v| VersionRule {
            table: v.table,
            column: v.column,
            newest_by: v.newest_by,
        }),
        allocation: file.allocation.map(|a| AllocationRule { table: a.table, name: a.name, last: a.last }),
        left: file.leave.into_iter().map(|l| LeftTable { table: l.table, why: l.why }).collect(),
        digest,
        kinds,
        by_name,
        key_order,
    })
}

fn names(file: &File) -> Checked<HashMap<String, Target>> {
    let mut by_name = HashMap::new();
    let mut add = |name: &Spanned<String>, target: Target| {
        let text = name.get_ref();
        let mut bytes = text.bytes();
        let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
            && bytes.all(|b| b.is_ascii_alphanumeric())
            && text.len() <= 64;
        if !plain {
            return fault(name.span(), format!("{text:?} is no name: use up to 64 letters and digits"));
        }
        match by_name.insert(text.clone(), target) {
            None => Ok(()),
            Some(_) => fault(name.span(), format!("{text:?} is named twice")),
        }
    };
    for (index, kind) in file.kind.iter().enumerate() {
        add(&kind.name, Target::Kind(index))?;
        for (part, wire) in kind.part.iter().enumerate() {
            add(&wire.name, Target::Part { kind: index, part })?;
        }
    }
    Ok(by_name)
}

struct Scope<'a> {
    by_name: &'a HashMap<String, Target>,
    shared: &'a HashMap<&'a str, &'a file::Rules>,
    cipher: Cipher,
    allocates: bool,
}

fn pattern(text: &Spanned<String>) -> Checked<Pattern> {
    Pattern::parse(text.get_ref()).or_else(|e| fault(text.span(), e.to_string()))
}

fn form(form: file::Form) -> Form {
    match form {
        file::Form::Id => Form::Id,
        file::Form::Pipe => Form::Pipe,
        file::Form::Comma => Form::Comma,
        file::Form::Keys => Form::Keys,
    }
}

fn scalar(scalar: &file::Scalar) -> Value {
    match scalar {
        file::Scalar::Bool(truth) => Value::Bool(*truth),
        file::Scalar::Int(number) => Value::Int(*number),
        file::Scalar::Text(text) => Value::Text(text.clone()),
    }
}

impl Scope<'_> {
    fn kind(&self, wire: &file::Kind) -> Checked<Kind> {
        let mut references = Vec::new();
        let mut secrets = Vec::new();
        for reference in &wire.reference {
            references.push(self.reference(reference, None)?);
        }
        for secret in &wire.secret {
            secrets.push(self.secret(secret, None)?);
        }
        for apply in &wire.apply {
            let base = pattern(&apply.at)?;
            let Some(rules) = self.shared.get(apply.rules.get_ref().as_str()) else {
                return fault(apply.rules.span(), format!("there are no rules {:?}", apply.rules.get_ref()));
            };
            for reference in &rules.reference {
                references.push(self.reference(reference, Some(&base))?);
            }
            for secret in &rules.secret {
                secrets.push(self.secret(secret, Some(&base))?);
            }
        }
        let in_body = |p: &Pattern| p.column.is_none();
        let any_body = references.iter().any(|r| in_body(&r.at)) || secrets.iter().any(|s| in_body(&s.at));
        if any_body && wire.body.is_none() {
            let text = "the kind has rules for places in JSON but names no `body` column";
            return fault(wire.name.span(), text);
        }
        let key = self.key(wire, &references)?;
        let with = wire.with.iter().map(|at| find_reference(at, &references)).collect::<Checked<Vec<_>>>()?;
        let derived = wire.derived.iter().map(|d| derived(d, &references)).collect::<Checked<Vec<_>>>()?;
        let local = wire.local.iter().map(local).collect::<Checked<Vec<_>>>()?;
        let parts = wire.part.iter().map(part).collect::<Checked<Vec<_>>>()?;
        let merges = wire.merge.iter().map(merge).collect::<Checked<Vec<_>>>()?;
        let mut places = PlaceTree::default();
        let mut reference_places = PlaceTree::default();
        let rules = references.iter().enumerate().map(|(i, r)| (r.at.clone(), Rule::Reference(i)));
        let rules = rules.chain(secrets.iter().enumerate().map(|(i, s)| (s.at.clone(), Rule::Secret(i))));
        let rules = rules.chain(derived.iter().enumerate().map(|(i, d)| (d.at.clone(), Rule::Derived(i))));
        let rules = rules.chain(local.iter().enumerate().map(|(i, l)| (l.at.clone(), Rule::Local(i))));
        let mut rules: Vec<_> = rules.collect();
        for (index, part) in parts.iter().enumerate() {
            let mut at = part.at.clone();
            at.text = format!("{}.{}", at.text, part.id);
            at.segments.push(super::pattern::Segment::Member(part.id.clone()));
            rules.push((at, Rule::PartId(index)));
        }
        let mut seen = HashSet::new();
        for (at, rule) in rules {
            if !seen.insert(at.text.clone()) {
                return fault(
                    wire.name.span(),
                    format!("two rules of {} name {}", wire.name.get_ref(), at.text),
                );
            }
            places.add(&at, rule);
            if matches!(rule, Rule::Reference(_)) {
                reference_places.add(&at, rule);
            }
        }
        Ok(Kind {
            name: KindName::new(wire.name.get_ref()),
            table: wire.table.get_ref().clone(),
            id: wire.id.as_ref().map(|id| self.id(id, wire)).transpose()?,
            body: wire.body.clone(),
            key,
            rows: wire
                .rows
                .iter()
                .map(|r| RowFilter {
                    column: r.column.clone(),
                    equals: r.equals.iter().map(scalar).collect(),
                })
                .collect(),
            duplicates: match wire.duplicates {
                file::Duplicates::Refuse => Duplicates::Refuse,
                file::Duplicates::Number => Duplicates::Number,
            },
            history: wire.history,
            with,
            references,
            secrets,
            derived,
            local,
            parts,
            merges,
            places,
            reference_places,
        })
    }

    fn id(&self, wire: &Spanned<file::Id>, kind: &file::Kind) -> Checked<IdRule> {
        let id = wire.get_ref();
        let only = |field: &Option<String>, name: &str, wanted: bool| match (field, wanted) {
            (None, true) => fault(wire.span(), format!("this way to make ids needs `{name}`")),
            (Some(_), false) => fault(wire.span(), format!("this way to make ids has no `{name}`")),
            _ => Ok(field.clone().unwrap_or_default()),
        };
        let prefix = only(&id.prefix, "prefix", id.new == file::NewId::Allocate)?;
        let template = only(&id.pattern, "pattern", id.new == file::NewId::Compose)?;
        if id.new != file::NewId::Allocate && id.collection.is_some() {
            return fault(wire.span(), "only allocated ids have a `collection`");
        }
        let new = match id.new {
            file::NewId::Allocate if !self.allocates => {
                return fault(wire.span(), "ids are allocated, but the model has no [allocation]");
            }
            file::NewId::Allocate => NewId::Allocate {
                prefix,
                collection: id.collection.clone().unwrap_or_else(|| kind.table.get_ref().clone()),
            },
            file::NewId::Next => NewId::Next,
            file::NewId::Guid => NewId::Guid,
            file::NewId::Keep => NewId::Keep,
            file::NewId::Compose
                if template.matches('{').count() == 1 && template.matches('}').count() == 1 =>
            {
                NewId::Compose(template)
            }
            file::NewId::Compose => {
                return fault(wire.span(), "a pattern holds one column in braces: \"variableset-{OwnerId}\"");
            }
        };
        Ok(IdRule { column: id.column.clone(), new, fixed: id.fixed.clone() })
    }

    fn key(&self, wire: &file::Kind, references: &[ReferenceRule]) -> Checked<Vec<KeyColumn>> {
        if wire.key.get_ref().is_empty() {
            return fault(wire.key.span(), "a kind without a natural key cannot be found again");
        }
        let column = |text: &Spanned<String>| {
            let (column, optional) = match text.get_ref().strip_suffix('?') {
                Some(column) => (column, true),
                None => (text.get_ref().as_str(), false),
            };
            if Pattern::parse(column).is_ok_and(|p| p.column.is_none()) || Pattern::parse(column).is_err() {
                return fault(text.span(), format!("{column:?} is no column: keys are made of columns"));
            }
            let reference = references.iter().position(|r| r.at.column.as_deref() == Some(column));
            let reference = match reference.and_then(|i| references.get(i).map(|r| (i, r))) {
                Some((_, rule)) if rule.form != Form::Id => {
                    return fault(
                        text.span(),
                        format!("{column} holds a list of ids and cannot be in a key"),
                    );
                }
                Some((_, rule)) if rule.to.iter().any(|t| matches!(t, Target::Part { .. })) => {
                    return fault(
                        text.span(),
                        format!("{column} leads to a part, which no key can run through"),
                    );
                }
                found => found.map(|(i, _)| i),
            };
            Ok(KeyColumn { column: column.to_owned(), optional, reference })
        };
        wire.key.get_ref().iter().map(column).collect()
    }

    fn reference(&self, wire: &file::Reference, base: Option<&Pattern>) -> Checked<ReferenceRule> {
        let names: Vec<&String> = match wire.to.get_ref() {
            file::OneOrMore::One(name) => vec![name],
            file::OneOrMore::More(names) => names.iter().collect(),
        };
        let mut to = Vec::new();
        for name in names {
            match self.by_name.get(name) {
                Some(target) => to.push(*target),
                None => return fault(wire.to.span(), format!("there is no kind {name:?}")),
            }
        }
        if to.is_empty() {
            return fault(wire.to.span(), "a reference leads to one kind at least");
        }
        Ok(ReferenceRule {
            at: self.place(&wire.at, base)?,
            to,
            form: form(wire.form),
            required: wire.required,
            missing: match wire.missing {
                file::Missing::Stop => Missing::Stop,
                file::Missing::Drop => Missing::Drop,
                file::Missing::Skip => Missing::Skip,
            },
            follow: wire.follow,
            maybe: wire.maybe,
        })
    }

    fn place(&self, at: &Spanned<String>, base: Option<&Pattern>) -> Checked<Pattern> {
        let place = pattern(at)?;
        match base {
            Some(_) if place.column.is_some() => fault(at.span(), "shared rules name places in JSON"),
            Some(base) => Ok(place.below(base)),
            None => Ok(place),
        }
    }

    fn secret(&self, wire: &file::Secret, base: Option<&Pattern>) -> Checked<SecretRule> {
        if wire.form == file::SecretForm::Encrypted && self.cipher == Cipher::None {
            return fault(wire.at.span(), "an encrypted secret, but the model names no `cipher`");
        }
        Ok(SecretRule {
            at: self.place(&wire.at, base)?,
            form: match wire.form {
                file::SecretForm::Encrypted => SecretForm::Encrypted,
                file::SecretForm::Plain => SecretForm::Plain,
            },
        })
    }
}

fn find_reference(at: &Spanned<String>, references: &[ReferenceRule]) -> Checked<usize> {
    match references.iter().position(|r| r.at.text == *at.get_ref()) {
        Some(position) => Ok(position),
        None => fault(at.span(), format!("the kind has no reference at {}", at.get_ref())),
    }
}

fn derived(wire: &file::Derived, references: &[ReferenceRule]) -> Checked<Derived> {
    let mut from = Vec::new();
    for name in wire.from.get_ref() {
        if name == "*" {
            let in_body = references.iter().enumerate().filter(|(_, r)| r.at.column.is_none());
            let new: Vec<_> = in_body.map(|(i, _)| i).filter(|i| !from.contains(i)).collect();
            from.extend(new);
            continue;
        }
        match references.iter().position(|r| r.at.text == *name) {
            Some(position) => from.push(position),
            None => return fault(wire.from.span(), format!("the kind has no reference at {name}")),
        }
    }
    let at = pattern(&wire.at)?;
    if at.column.is_none() && !at.is_single() {
        return fault(wire.at.span(), "a derived place is one place");
    }
    Ok(Derived { at, from, form: form(wire.form) })
}

fn local(wire: &file::Local) -> Checked<Local> {
    Ok(Local {
        at: pattern(&wire.at)?,
        initial: wire.initial.as_ref().map(scalar),
        update: match wire.update {
            file::LocalUpdate::Keep => LocalUpdate::Keep,
            file::LocalUpdate::Increment => LocalUpdate::Increment,
        },
    })
}

fn part(wire: &file::Part) -> Checked<Part> {
    let at = pattern(&wire.at)?;
    let one_list = at.collection().is_some_and(|list| super::pattern::is_single(&list));
    if at.column.is_some() || !one_list {
        return fault(wire.at.span(), "the place of a part ends in [*]: its elements are the parts");
    }
    if wire.key.get_ref().is_empty() {
        return fault(wire.key.span(), "a part without a key cannot be found again");
    }
    let new = match wire.new.get_ref().as_str() {
        "guid" => NewPartId::Guid,
        text => match text.strip_prefix("{owner}").and_then(|t| t.strip_suffix("{n}")) {
            Some(middle) if !middle.is_empty() => NewPartId::Numbered(middle.to_owned()),
            _ => return fault(wire.new.span(), "a part's id is \"guid\" or \"{owner}…{n}\""),
        },
    };
    Ok(Part {
        name: KindName::new(wire.name.get_ref()),
        at,
        id: wire.id.clone(),
        key: wire.key.get_ref().clone(),
        new,
        drop_when_emptied: wire.drop_when_emptied.clone(),
    })
}

fn merge(wire: &file::Merge) -> Checked<Merge> {
    let at = pattern(&wire.at)?;
    if at.column.is_none() && !at.is_single() {
        return fault(wire.at.span(), "a merged place is one place");
    }
    let rule = match wire.rule.get_ref() {
        file::MergeRule::Union if wire.by.is_empty() && wire.prefer.is_empty() => MergeRule::Union,
        file::MergeRule::Union => return fault(wire.rule.span(), "a union has no `by` or `prefer`"),
        file::MergeRule::Match if wire.by.is_empty() => {
            return fault(wire.rule.span(), "`match` needs `by`: the members that identify an element");
        }
        file::MergeRule::Match => MergeRule::Match { by: wire.by.clone(), prefer: wire.prefer.clone() },
    };
    Ok(Merge { at, rule })
}

/// Orders the kinds so that each comes after those its key runs through.
fn key_order(kinds: &[Kind], file: &File) -> Checked<Vec<usize>> {
    fn visit(at: usize, kinds: &[Kind], state: &mut [u8], order: &mut Vec<usize>) -> Result<(), usize> {
        match state.get(at) {
            Some(2) => return Ok(()),
            Some(1) => return Err(at),
            _ => {}
        }
        if let Some(state) = state.get_mut(at) {
            *state = 1;
        }
        let Some(kind) = kinds.get(at) else { return Ok(()) };
        for reference in kind.key.iter().filter_map(|k| k.reference) {
            for target in kind.references.get(reference).into_iter().flat_map(|r| &r.to) {
                visit(target.kind(), kinds, state, order)?;
            }
        }
        if let Some(state) = state.get_mut(at) {
            *state = 2;
        }
        order.push(at);
        Ok(())
    }
    let mut order = Vec::with_capacity(kinds.len());
    let mut state = vec![0u8; kinds.len()];
    for at in 0..kinds.len() {
        if let Err(circle) = visit(at, kinds, &mut state, &mut order) {
            let span = file.kind.get(circle).map_or(0..0, |k| k.key.span());
            return fault(span, "the natural key runs through itself");
        }
    }
    Ok(order)
}
