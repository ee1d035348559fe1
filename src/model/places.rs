//! From the file to the places of a kind's documents: references, secrets, and what they are made of.

use std::collections::{BTreeMap, HashSet};

use toml::Spanned;

use crate::document::KindName;

use super::check::{Checked, Scope, fault, scalar};
use super::file::{self, File};
use super::kind::{
    Derived, DerivedRows, Form, Local, LocalUpdate, Merge, MergeRule, Missing, NewLocal, NewPartId, Part,
    ReferenceRule, SecretForm, SecretRule, Target, TypeVersions, Typed, Types,
};
use super::pattern::Pattern;
use super::{Cipher, LeftTable};

pub(super) fn pattern(text: &Spanned<String>) -> Checked<Pattern> {
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

impl Scope<'_> {
    /// What the names of kinds and parts in a rule lead to.
    fn targets(&self, to: &file::OneOrMore, span: std::ops::Range<usize>) -> Checked<Vec<Target>> {
        if matches!(to, file::OneOrMore::One(name) if name == "*") {
            return Ok(self.anything.to_vec());
        }
        let names = to.as_slice();
        let mut to = Vec::new();
        for name in names {
            match self.by_name.get(name) {
                Some(target) => to.push(*target),
                None => return fault(span, format!("there is no kind {name:?}")),
            }
        }
        if to.is_empty() {
            return fault(span, "a reference leads to one kind at least");
        }
        Ok(to)
    }

    pub(super) fn types(&self, wire: &file::Types) -> Checked<Types> {
        let kind = |target: Target, span| match target {
            Target::Kind(kind) => Ok(kind),
            Target::Part { .. } => fault(span, "parts declare no types"),
        };
        let declaring = self.targets(wire.kind.get_ref(), wire.kind.span())?;
        let kinds = declaring.into_iter().map(|t| kind(t, wire.kind.span())).collect::<Checked<_>>()?;
        let versions = match &wire.versions {
            None => None,
            Some(versions) => match self.by_name.get(versions.kind.get_ref()) {
                Some(target) => Some(TypeVersions {
                    kind: kind(*target, versions.kind.span())?,
                    by: versions.by.clone(),
                    newest: versions.newest.clone(),
                }),
                None => {
                    let text = format!("there is no kind {:?}", versions.kind.get_ref());
                    return fault(versions.kind.span(), text);
                }
            },
        };
        let mut to = BTreeMap::new();
        for (name, targets) in wire.to.get_ref() {
            to.insert(name.clone(), self.targets(targets, wire.to.span())?);
        }
        Ok(Types {
            name: wire.name.get_ref().clone(),
            kinds,
            versions,
            at: pattern(&wire.at)?,
            named: wire.named.clone(),
            kind_at: pattern(&wire.kind_at)?,
            to,
        })
    }

    pub(super) fn reference(&self, wire: &file::Reference, base: Option<&Pattern>) -> Checked<ReferenceRule> {
        let at = self.place(&wire.at, base)?;
        let (to, typed) = match (&wire.to, &wire.typed) {
            (Some(to), None) => (self.targets(to.get_ref(), to.span())?, None),
            (None, Some(typed)) => self.typed(typed, &at, wire)?,
            _ => return fault(wire.at.span(), "a reference has `to` or `typed`, one of them"),
        };
        let one_place = at.column.is_some() || at.is_single();
        if matches!(wire.missing, file::Missing::Keep) && !(one_place && form(wire.form) == Form::Id) {
            return fault(wire.at.span(), "only a single id can be kept as the target has it");
        }
        let limits = match &wire.limits {
            file::Limits::Alone(false) => None,
            file::Limits::Alone(true) => Some(String::new()),
            file::Limits::Together(name) => Some(name.clone()),
        };
        if limits.is_some() && !matches!(wire.missing, file::Missing::Drop) {
            return fault(
                wire.at.span(),
                "only references that can be dropped limit a document by their list",
            );
        }
        if wire.omit_empty && !(at.column.is_some() && form(wire.form) == Form::Pipe) {
            return fault(wire.at.span(), "only a list A|B of a column can be empty and mean none");
        }
        Ok(ReferenceRule {
            at,
            to,
            form: form(wire.form),
            required: wire.required,
            missing: match wire.missing {
                file::Missing::Stop => Missing::Stop,
                file::Missing::Drop => Missing::Drop,
                file::Missing::Keep => Missing::Keep,
                file::Missing::Skip => Missing::Skip,
            },
            follow: wire.follow,
            maybe: wire.maybe || typed.is_some(),
            limits,
            omit_empty: wire.omit_empty,
            typed,
            in_set: false,
        })
    }

    fn typed(
        &self,
        wire: &file::Typed,
        at: &Pattern,
        rule: &file::Reference,
    ) -> Checked<(Vec<Target>, Option<Typed>)> {
        let Some(by) = self.types.iter().position(|types| types.name == *wire.by.get_ref()) else {
            return fault(wire.by.span(), format!("there are no types {:?}", wire.by.get_ref()));
        };
        if at.column.is_some() || form(rule.form) != Form::Id {
            return fault(wire.by.span(), "a typed reference is one id in JSON");
        }
        let mut to: Vec<Target> =
            self.types.get(by).into_iter().flat_map(|t| t.to.values().flatten()).copied().collect();
        to.sort();
        to.dedup();
        Ok((to, Some(Typed { by, document: wire.document.clone(), name: wire.name.clone() })))
    }

    pub(super) fn place(&self, at: &Spanned<String>, base: Option<&Pattern>) -> Checked<Pattern> {
        let place = pattern(at)?;
        match base {
            Some(_) if place.column.is_some() => fault(at.span(), "shared rules name places in JSON"),
            Some(base) => Ok(place.below(base)),
            None => Ok(place),
        }
    }

    pub(super) fn secret(&self, wire: &file::Secret, base: Option<&Pattern>) -> Checked<SecretRule> {
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

pub(super) fn find_reference(at: &Spanned<String>, references: &[ReferenceRule]) -> Checked<usize> {
    match references.iter().position(|r| r.at.text == *at.get_ref()) {
        Some(position) => Ok(position),
        None => fault(at.span(), format!("the kind has no reference at {}", at.get_ref())),
    }
}

/// The references that something is derived from; `*` is every reference in the JSON.
fn derived_from(names: &Spanned<Vec<String>>, references: &[ReferenceRule]) -> Checked<Vec<usize>> {
    let mut from = Vec::new();
    for name in names.get_ref() {
        if name == "*" {
            let in_body = references.iter().enumerate().filter(|(_, r)| r.at.column.is_none());
            let new: Vec<_> = in_body.map(|(i, _)| i).filter(|i| !from.contains(i)).collect();
            from.extend(new);
            continue;
        }
        match references.iter().position(|r| r.at.text == *name) {
            Some(position) => from.push(position),
            None => return fault(names.span(), format!("the kind has no reference at {name}")),
        }
    }
    Ok(from)
}

pub(super) fn derived(wire: &file::Derived, references: &[ReferenceRule]) -> Checked<Derived> {
    let from = derived_from(&wire.from, references)?;
    let at = pattern(&wire.at)?;
    if at.column.is_none() && !at.is_single() {
        return fault(wire.at.span(), "a derived place is one place");
    }
    Ok(Derived { at, from, form: form(wire.form) })
}

pub(super) fn derived_rows(
    wire: &file::DerivedRows,
    kind: &file::Kind,
    references: &[ReferenceRule],
) -> Checked<DerivedRows> {
    if kind.id.is_none() {
        return fault(wire.table.span(), "derived rows name their document by its id, and the kind has none");
    }
    let columns =
        [Some(&wire.owner), wire.owner_table.as_ref(), Some(&wire.value), wire.value_table.as_ref()];
    let mut seen = HashSet::new();
    if let Some(twice) = columns.into_iter().flatten().find(|name| !seen.insert(name.to_lowercase())) {
        return fault(wire.table.span(), format!("two values of a row in one column, {twice}"));
    }
    Ok(DerivedRows {
        table: wire.table.get_ref().clone(),
        owner: wire.owner.clone(),
        owner_table: wire.owner_table.clone(),
        value: wire.value.clone(),
        value_table: wire.value_table.clone(),
        from: derived_from(&wire.from, references)?,
    })
}

/// The tables of derived rows, each with what it is derived from: no documents, and not left behind by a rule.
pub(super) fn derived_tables(file: &File) -> Checked<Vec<LeftTable>> {
    let mut tables: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    for kind in &file.kind {
        for rows in &kind.derived_rows {
            let name = rows.table.get_ref();
            let is_it = |other: &String| other.eq_ignore_ascii_case(name);
            if file.kind.iter().any(|kind| is_it(kind.table.get_ref())) {
                return fault(rows.table.span(), format!("{name} is the table of a kind"));
            }
            if file.leave.iter().any(|leave| is_it(&leave.table)) {
                return fault(rows.table.span(), format!("{name} is left behind and derived"));
            }
            let (_, kinds) = tables.entry(name.to_lowercase()).or_insert_with(|| (name.clone(), Vec::new()));
            kinds.push(kind.name.get_ref());
        }
    }
    let left = |(table, kinds): (String, Vec<&str>)| {
        let why = format!("derived: an import writes its rows with each {}", kinds.join(", "));
        LeftTable { table, why }
    };
    Ok(tables.into_values().map(left).collect())
}

pub(super) fn local(wire: &file::Local) -> Checked<Local> {
    let at = pattern(&wire.at)?;
    let new = match (&wire.initial, wire.new) {
        (None, None) => NewLocal::None,
        (Some(value), None) => NewLocal::Value(scalar(value)),
        (None, Some(file::NewLocal::Next)) if at.column.is_some() => NewLocal::Next,
        (None, Some(_)) => return fault(wire.at.span(), "only columns of integers are numbered"),
        (Some(_), Some(_)) => return fault(wire.at.span(), "a local place has `initial` or `new`, not both"),
    };
    Ok(Local {
        at,
        new,
        update: match wire.update {
            file::LocalUpdate::Keep => LocalUpdate::Keep,
            file::LocalUpdate::Increment => LocalUpdate::Increment,
        },
    })
}

pub(super) fn part(wire: &file::Part) -> Checked<Part> {
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
        "keep" => NewPartId::Keep,
        text => match text.strip_prefix("{owner}").and_then(|t| t.strip_suffix("{n}")) {
            Some(middle) if !middle.is_empty() => NewPartId::Numbered(middle.to_owned()),
            _ => return fault(wire.new.span(), "a part's id is \"guid\", \"keep\" or \"{owner}…{n}\""),
        },
    };
    Ok(Part {
        name: KindName::new(wire.name.get_ref()),
        at,
        id: wire.id.clone(),
        key: wire.key.get_ref().clone(),
        new,
        drop_when_emptied: wire
            .drop_when_emptied
            .as_ref()
            .map(|members| members.as_slice().to_vec())
            .unwrap_or_default(),
        add_missing: wire.add_missing,
    })
}

pub(super) fn merge(wire: &file::Merge) -> Checked<Merge> {
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
