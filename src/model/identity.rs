//! From the file to how documents are told apart: ids and natural keys.

use toml::Spanned;

use super::check::{Checked, Scope, fault, scalar};
use super::file::{self, File};
use super::kind::{Alias, Composed, Form, IdRule, KeyColumn, Kind, Missing, NewId, ReferenceRule, Target};
use super::pattern::Pattern;
use super::places::find_reference;

impl Scope<'_> {
    pub(super) fn id(
        &self,
        wire: &Spanned<file::Id>,
        kind: &file::Kind,
        key: &[KeyColumn],
    ) -> Checked<IdRule> {
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
            file::NewId::Compose => match composed(&template) {
                Some(composed) if key.iter().any(|k| k.column == composed.column) => NewId::Compose(composed),
                Some(composed) => {
                    return fault(wire.span(), format!("{} is no column of the key", composed.column));
                }
                None => {
                    let text =
                        "a pattern holds one column in braces, and may end in {*}: \"variableset-{OwnerId}\"";
                    return fault(wire.span(), text);
                }
            },
        };
        let in_key = key.iter().any(|k| k.column.eq_ignore_ascii_case(&id.column));
        if in_key && new != NewId::Keep {
            return fault(
                wire.span(),
                format!(
                    "{} is part of the key: what a document is called by is kept (new = \"keep\")",
                    id.column
                ),
            );
        }
        // What means one document wherever it stands is the same on every server.
        let mut fixed = id.fixed.clone();
        for id in kind.alias.iter().flat_map(|alias| alias.ids.iter().flat_map(Spanned::get_ref)) {
            if !fixed.contains(id) {
                fixed.push(id.clone());
            }
        }
        Ok(IdRule { column: id.column.clone(), new, fixed })
    }

    pub(super) fn key(&self, wire: &file::Kind, references: &[ReferenceRule]) -> Checked<Vec<KeyColumn>> {
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

    /// The references whose documents follow the columns in a key.
    pub(super) fn apart(&self, wire: &file::Kind, references: &[ReferenceRule]) -> Checked<Vec<usize>> {
        let mut apart = Vec::new();
        let mut first: Option<&ReferenceRule> = None;
        for at in &wire.apart {
            let position = find_reference(at, references)?;
            let Some(rule) = references.get(position) else { continue };
            if rule.form != Form::Pipe && !(rule.form == Form::Id && rule.in_set) {
                return fault(at.span(), "documents are told apart by a set of references, or a list A|B");
            }
            if rule.typed.is_some() || rule.maybe || rule.to.iter().any(|t| matches!(t, Target::Part { .. }))
            {
                return fault(
                    at.span(),
                    "documents are told apart by references that lead to documents alone",
                );
            }
            if !matches!(rule.missing, Missing::Stop | Missing::Skip) {
                return fault(at.span(), "a document that lost what tells it apart would be another one");
            }
            if first.is_some_and(|first| first.to != rule.to) {
                return fault(at.span(), "what tells documents apart leads to the same kinds everywhere");
            }
            if wire.id.as_ref().is_none_or(|id| matches!(id.get_ref().new, file::NewId::Compose)) {
                return fault(at.span(), "only documents with ids that are not composed can be told apart");
            }
            first = Some(rule);
            apart.push(position);
        }
        Ok(apart)
    }
}

/// Reads the pattern of a composed id.
fn composed(pattern: &str) -> Option<Composed> {
    let (pattern, open) = match pattern.strip_suffix("{*}") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let (head, rest) = pattern.split_once('{')?;
    let (column, tail) = rest.split_once('}')?;
    let plain = ![head, column, tail].iter().any(|text| text.contains(['{', '}']));
    let texts = || (head.to_owned(), column.to_owned(), tail.to_owned());
    let (head, column, tail) = (plain && !column.is_empty()).then(texts)?;
    Some(Composed { head, column, tail, open })
}

pub(super) fn group(wire: &Spanned<String>) -> Checked<String> {
    let text = wire.get_ref();
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if text.is_empty() || !plain {
        return fault(wire.span(), format!("{text:?} is no group: use small letters and hyphens"));
    }
    Ok(text.clone())
}

pub(super) fn alias(wire: &file::Kind) -> Checked<Vec<Alias>> {
    let alias = |alias: &file::Alias| {
        let key = alias.key.get_ref();
        if wire.id.is_none() || matches!(wire.duplicates, file::Duplicates::Number) {
            return fault(alias.key.span(), "other names are for kinds with ids and unique keys");
        }
        if !wire.key.get_ref().iter().any(|column| column.get_ref() == key) {
            return fault(alias.key.span(), format!("{key} is no column of the key"));
        }
        if wire.reference.iter().any(|reference| reference.at.get_ref() == key) {
            return fault(alias.key.span(), format!("{key} holds ids, and cannot be another name"));
        }
        Ok(Alias {
            column: alias.column.clone(),
            equals: scalar(&alias.equals),
            key: key.clone(),
            name: alias.name.clone(),
            ids: alias.ids.iter().flat_map(Spanned::get_ref).cloned().collect(),
        })
    };
    wire.alias.iter().map(alias).collect()
}

/// Sees that what ids mean wherever they stand can be said without looking at any row: its key is one name, after its
/// scope, and other keys have no need of it.
pub(super) fn check_meant(file: &File, kinds: &[Kind], scope: Option<usize>) -> Checked<()> {
    for (index, (kind, wire)) in kinds.iter().zip(&file.kind).enumerate() {
        for (alias, wire) in kind.aliases.iter().zip(&wire.alias) {
            let Some(span) = wire.ids.as_ref().map(Spanned::span) else { continue };
            let all = || kind.aliases.iter().flat_map(|alias| &alias.ids);
            let twice = |id: &&String| all().filter(|other| other.eq_ignore_ascii_case(id)).count() > 1;
            if let Some(id) = alias.ids.iter().find(|id| id.is_empty() || twice(id)) {
                return fault(span, format!("{id:?} is no id, or is there twice"));
            }
            let scoped = scope.is_some_and(|scope| kind.scope_key(scope).is_some());
            if kind.key.len() != 1 + usize::from(scoped) {
                return fault(
                    span,
                    "ids can mean a document only where the key is one name, after its scope",
                );
            }
            let keyed = kinds
                .iter()
                .flat_map(|kind| kind.key.iter().filter_map(|key| kind.references.get(key.reference?)));
            if keyed.flat_map(|rule| &rule.to).any(|target| target.kind() == index) {
                return fault(
                    span,
                    format!("ids cannot mean a document of {}: keys run through it", kind.name),
                );
            }
        }
    }
    Ok(())
}
