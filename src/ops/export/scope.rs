//! Which documents of a server are in a scope that was asked for (a space), and which are server-wide.

use std::collections::BTreeMap;

use crate::document::{Collation, Key, KindName, Value};
use crate::model::Target;
use crate::server::{Reader, ServerError};

use super::error::{ExportError, listed};
use crate::ops::translate::{Followed, Id, Layout, Layouts, Translation, fetch, whole_table};

/// The documents of the scope's kind that were asked for.
#[derive(Debug)]
pub(in crate::ops) struct Scope {
    kind: usize,
    name: KindName,
    collation: Collation,
    /// By the folded key.
    wanted: BTreeMap<String, Id>,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) enum Home {
    /// In no scope.
    Wide,
    /// In one that was asked for, as the place says.
    Inside(Id, String),
    /// In another.
    Elsewhere,
}

/// A document of the scope's kind that a server has: its id, key and name.
pub(in crate::ops) struct Found {
    pub id: Id,
    pub key: Key,
    pub name: String,
}

/// All documents of the scope's kind on a server; none where the server is of a generation without them.
pub(in crate::ops) fn on_server(
    reader: &mut dyn Reader,
    layout: &Layout<'_>,
) -> Result<Vec<Found>, ServerError> {
    let Some(id) = &layout.id else { return Ok(Vec::new()) };
    let mut columns = vec![id.as_str()];
    columns.extend(layout.key_columns());
    let mut found = Vec::new();
    let mut table = whole_table(reader, layout, &columns)?;
    while let Some(rows) = table.next_page(reader)? {
        for row in rows {
            let Some((id, parts)) = row.split_first() else { continue };
            if let (Some(id), Ok(key)) = (Id::of(id), Key::new(parts.to_vec())) {
                let name = key.leaf();
                found.push(Found { id, key, name });
            }
        }
    }
    Ok(found)
}

/// Whether a server's tables say to which scope documents belong.
pub(in crate::ops) fn has_scopes(layouts: &Layouts<'_>, scope: usize) -> bool {
    let says =
        |layout: &Layout<'_>| layout.kind.scope_columns(scope).any(|column| layout.column(column).is_some());
    layouts.at(scope).is_some() && layouts.iter().any(says)
}

/// The document of the scope's kind that a key runs through.
pub(in crate::ops) fn scope_in<'k>(kind: &KindName, key: &'k Key) -> Option<&'k Key> {
    key.parts().iter().find_map(|part| match part {
        Value::Ref(reference) if reference.kind == *kind => Some(&reference.key),
        Value::Ref(reference) => scope_in(kind, &reference.key),
        _ => None,
    })
}

impl Scope {
    /// The scope's kind, by its position in the model.
    pub(in crate::ops) fn kind(&self) -> usize {
        self.kind
    }

    /// Finds what was asked for by name; `None` where nothing was.
    ///
    /// # Errors
    /// [`ExportError::NoScope`], [`ExportError::NoSuchScope`].
    pub fn find(
        reader: &mut dyn Reader,
        layouts: &Layouts<'_>,
        names: &[String],
    ) -> Result<Option<Self>, ExportError> {
        if names.is_empty() {
            return Ok(None);
        }
        let model = layouts.model;
        let kind = model.scope.and_then(|scope| model.kind_at(scope).map(|kind| (scope, kind)));
        let Some((scope, kind)) = kind else { return Err(ExportError::NoScopeKind(model.title.clone())) };
        let Some(layout) = layouts.at(scope).filter(|_| has_scopes(layouts, scope)) else {
            return Err(ExportError::NoScopes(kind.name.clone()));
        };
        let there = on_server(reader, layout)?;
        let fold = |name: &str| model.collation.fold(name);
        let mut wanted = BTreeMap::new();
        for name in names {
            let mut named = there.iter().filter(|found| fold(&found.name) == fold(name)).peekable();
            if named.peek().is_none() {
                return Err(ExportError::NoSuchScope {
                    kind: kind.name.clone(),
                    name: name.clone(),
                    there: listed(there.iter().map(|found| found.name.as_str())),
                });
            }
            wanted.extend(named.map(|found| (found.key.folded(model.collation), found.id.clone())));
        }
        Ok(Some(Self { kind: scope, name: kind.name.clone(), collation: model.collation, wanted }))
    }

    /// Where a row is, by the references that [`Translation::follow`] just found in it.
    pub fn home(
        &self,
        layout: &Layout<'_>,
        translation: &Translation<'_>,
        id: &Id,
        references: &[Followed],
    ) -> Home {
        let inside = |id: &Id, place: String| match self.wanted.values().any(|wanted| wanted == id) {
            true => Home::Inside(id.clone(), place),
            false => Home::Elsewhere,
        };
        if layout.index == self.kind {
            return inside(id, String::new());
        }
        let rules = &layout.kind.references;
        let said = references.iter().find(|f| rules.get(f.rule).is_some_and(|r| r.is_scope(self.kind)));
        if let Some(said) = said {
            return inside(&said.id, said.place.to_string());
        }
        // A key that has room for a scope and none in it is server-wide, whatever else it runs through.
        let keyed = layout.kind.scope_key(self.kind).and_then(|position| layout.kind.key.get(position));
        if keyed.is_some_and(|column| layout.column(&column.column).is_some()) {
            return Home::Wide;
        }
        for followed in references {
            if !layout.kind.key.iter().any(|column| column.reference == Some(followed.rule)) {
                continue;
            }
            let owner = translation.name(&[Target::Kind(followed.kind)], &followed.id);
            let Some(owner) = owner else { continue };
            if let Some(scope) = scope_in(&self.name, &owner.key) {
                return match self.wanted.get(&scope.folded(self.collation)) {
                    Some(id) => Home::Inside(id.clone(), followed.place.to_string()),
                    None => Home::Elsewhere,
                };
            }
        }
        Home::Wide
    }

    /// Of documents of one name, those that are meant: the scope's own, or else server-wide ones.
    pub fn within(
        &self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
        layout: &Layout<'_>,
        ids: Vec<Id>,
    ) -> Result<Vec<Id>, ExportError> {
        let (mut inside, mut wide) = (Vec::new(), Vec::new());
        fetch::<ExportError>(reader, layout, &ids, &mut |reader, ids, rows| {
            let followed = translation.follow(reader, layout.index, rows)?;
            for (id, references) in ids.into_iter().zip(followed) {
                match self.home(layout, translation, &id, &references) {
                    Home::Inside(..) => inside.push(id),
                    Home::Wide => wide.push(id),
                    Home::Elsewhere => {}
                }
            }
            Ok(())
        })?;
        Ok(if inside.is_empty() { wide } else { inside })
    }
}
