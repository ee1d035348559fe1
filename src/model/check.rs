//! From the file as written to a model that holds together, or the line where it does not.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use toml::Spanned;

use crate::document::{self, KindName, Value};

use super::file::{self, File};
use super::identity::{alias, check_meant, group};
use super::kind::{Duplicates, Form, Kind, NewPartId, RowFilter, Target};
use super::maintenance;
use super::notes;
use super::pattern::Pattern;
use super::places::{derived, derived_rows, derived_tables, find_reference, local, merge, part, pattern};
use super::scope::scope_kind;
use super::scripts;
use super::values;
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
        source: crate::text::input::TextError,
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

pub(super) type Fault = (Range<usize>, String);
pub(super) type Checked<T> = Result<T, Fault>;

pub(super) fn fault<T>(span: Range<usize>, text: impl Into<String>) -> Checked<T> {
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
    file.syntax.values().try_for_each(scripts::check_extension)?;
    let cipher = match file.cipher {
        file::Cipher::None => Cipher::None,
        file::Cipher::Octopus => Cipher::Octopus,
    };
    let shared: HashMap<&str, &file::Rules> =
        file.rules.iter().map(|rules| (rules.name.get_ref().as_str(), rules)).collect();
    if shared.len() < file.rules.len() {
        return fault(file.name.span(), "two sets of rules have one name");
    }
    let with_ids = file.kind.iter().enumerate().filter(|(_, kind)| kind.id.is_some());
    let mut anything: Vec<Target> = with_ids.map(|(index, _)| Target::Kind(index)).collect();
    for (index, kind) in file.kind.iter().enumerate() {
        let numbered = kind.part.iter().enumerate().filter(|(_, p)| p.new.get_ref().starts_with("{owner}"));
        anything.extend(numbered.map(|(part, _)| Target::Part { kind: index, part }));
    }
    let mut scope = Scope {
        by_name: &by_name,
        shared: &shared,
        types: &[],
        anything: &anything,
        cipher,
        allocates: file.allocation.is_some(),
    };
    let types = file.types.iter().map(|types| scope.types(types)).collect::<Checked<Vec<_>>>()?;
    scope.types = &types;
    let complete = |wire: &file::Kind| {
        let kind = values::complete(&scope, wire, scope.kind(wire)?)?;
        notes::complete(&scope, wire, scripts::complete(&scope, wire, kind)?)
    };
    let kinds = file.kind.iter().map(complete).collect::<Checked<Vec<_>>>()?;
    notes::check(&file, &kinds)?;
    let key_order = key_order(&kinds, &file)?;
    let blob = super::blob::check(&file, &kinds)?;
    super::vendor::alone(&file)?;
    let (maintenance, running) = (maintenance::maintenance(&file)?, maintenance::running(&file)?);
    let scope_kind = file.scope.as_ref().map(|s| scope_kind(s, &file, &by_name, &kinds)).transpose()?;
    check_meant(&file, &kinds, scope_kind)?;
    let mut left = derived_tables(&file)?;
    left.extend(file.leave.into_iter().map(|l| LeftTable { table: l.table, why: l.why }));
    left.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(Model {
        name: file.name.into_inner(),
        title: file.title,
        collation: match file.collation {
            file::Collation::CaseInsensitive => document::Collation::CaseInsensitive,
            file::Collation::CaseSensitive => document::Collation::CaseSensitive,
        },
        cipher,
        verbatim: file.verbatim,
        blob,
        version: file.version.map(|v| VersionRule {
            table: v.table,
            column: v.column,
            newest_by: v.newest_by,
        }),
        allocation: file.allocation.map(|a| AllocationRule { table: a.table, name: a.name, last: a.last }),
        maintenance,
        running,
        scope: scope_kind,
        left,
        digest,
        types,
        syntaxes: file.syntax.into_iter().map(|(name, extension)| (name, extension.into_inner())).collect(),
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

/// What the rules of one kind may name.
pub(super) struct Scope<'a> {
    pub by_name: &'a HashMap<String, Target>,
    pub shared: &'a HashMap<&'a str, &'a file::Rules>,
    pub types: &'a [super::Types],
    /// The kinds that have ids and the parts that have numbers, which a reference to anything may lead to.
    pub anything: &'a [Target],
    pub cipher: Cipher,
    pub allocates: bool,
}

pub(super) fn scalar(scalar: &file::Scalar) -> Value {
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
        let rows = wire.derived_rows.iter().map(|rows| derived_rows(rows, wire, &references));
        let derived_rows = rows.collect::<Checked<Vec<_>>>()?;
        let local = wire.local.iter().map(local).collect::<Checked<Vec<_>>>()?;
        let parts = wire.part.iter().map(part).collect::<Checked<Vec<_>>>()?;
        let sets = self.sets(wire, &references)?;
        for rule in &mut references {
            rule.in_set =
                rule.at.collection().is_some_and(|list| sets.iter().any(|set| set.at.covers(&list)));
        }
        let apart = self.apart(wire, &references)?;
        let merges = wire.merge.iter().map(merge).collect::<Checked<Vec<_>>>()?;
        let mut places = PlaceTree::default();
        let (mut reference_places, mut set_places) = (PlaceTree::default(), PlaceTree::default());
        let rules = references.iter().enumerate().map(|(i, r)| (r.at.clone(), Rule::Reference(i)));
        let rules = rules.chain(secrets.iter().enumerate().map(|(i, s)| (s.at.clone(), Rule::Secret(i))));
        let rules = rules.chain(derived.iter().enumerate().map(|(i, d)| (d.at.clone(), Rule::Derived(i))));
        let rules = rules.chain(local.iter().enumerate().map(|(i, l)| (l.at.clone(), Rule::Local(i))));
        let rules = rules.chain(sets.iter().enumerate().map(|(i, s)| (s.at.clone(), Rule::Set(i))));
        let mut rules: Vec<_> = rules.collect();
        for (index, part) in parts.iter().enumerate().filter(|(_, part)| part.new != NewPartId::Keep) {
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
            let spelled_as_set = |at: usize| {
                references.get(at).is_some_and(|rule| matches!(rule.form, Form::Pipe | Form::Keys))
            };
            if matches!(rule, Rule::Set(_)) || matches!(rule, Rule::Reference(at) if spelled_as_set(at)) {
                set_places.add(&at, rule);
            }
        }
        Ok(Kind {
            name: KindName::new(wire.name.get_ref()),
            table: wire.table.get_ref().clone(),
            id: wire.id.as_ref().map(|id| self.id(id, wire, &key)).transpose()?,
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
            number_by: wire.number_by.clone(),
            apart,
            inferred: wire.inferred,
            groups: wire.groups.iter().map(group).collect::<Checked<_>>()?,
            ask: wire.ask,
            vendor_types: super::vendor::check(wire)?,
            version: wire.version.clone(),
            aliases: alias(wire)?,
            with,
            references,
            secrets,
            derived,
            derived_rows,
            local,
            parts,
            sets,
            merges,
            values: Vec::new(),
            scripts: Vec::new(),
            notes: Vec::new(),
            places,
            reference_places,
            set_places,
        })
    }
}

/// So many other kinds a key runs through at the most: each takes two levels of the key's text, which has
/// [`MAX_DEPTH`](document::MAX_DEPTH) of them.
const LONGEST_KEY: usize = (document::MAX_DEPTH - 1) / 2;

/// Whether a kind has its place in the order, and how many others its key runs through, one in another.
#[derive(Clone, Copy)]
enum Turn {
    Not,
    Begun,
    Done(usize),
}

/// Orders the kinds so that each comes after those its key runs through.
fn key_order(kinds: &[Kind], file: &File) -> Checked<Vec<usize>> {
    type Wrong = (usize, &'static str);
    // `above` bounds how deep this calls itself.
    fn visit(
        at: usize,
        above: usize,
        kinds: &[Kind],
        turns: &mut [Turn],
        order: &mut Vec<usize>,
    ) -> Result<usize, Wrong> {
        let too_long = (at, "the natural key runs through too many kinds");
        match turns.get(at) {
            Some(Turn::Done(below)) if above + below > LONGEST_KEY => return Err(too_long),
            Some(Turn::Done(below)) => return Ok(*below),
            Some(Turn::Begun) => return Err((at, "the natural key runs through itself")),
            _ if above > LONGEST_KEY => return Err(too_long),
            _ => {}
        }
        if let Some(turn) = turns.get_mut(at) {
            *turn = Turn::Begun;
        }
        let Some(kind) = kinds.get(at) else { return Ok(0) };
        let mut below = 0;
        for reference in kind.key.iter().filter_map(|k| k.reference).chain(kind.apart.iter().copied()) {
            for target in kind.references.get(reference).into_iter().flat_map(|r| &r.to) {
                below = below.max(1 + visit(target.kind(), above + 1, kinds, turns, order)?);
            }
        }
        if let Some(turn) = turns.get_mut(at) {
            *turn = Turn::Done(below);
        }
        order.push(at);
        Ok(below)
    }
    let mut order = Vec::with_capacity(kinds.len());
    let mut turns = vec![Turn::Not; kinds.len()];
    for at in 0..kinds.len() {
        if let Err((wrong, problem)) = visit(at, 0, kinds, &mut turns, &mut order) {
            let span = file.kind.get(wrong).map_or(0..0, |k| k.key.span());
            return fault(span, problem);
        }
    }
    Ok(order)
}
