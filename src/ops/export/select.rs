//! What a partial export takes along: the documents that were named, all that they need, and all that
//! belongs to them, each with the reason.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::bundle::{Coverage, Extent, Reason};
use crate::document::{KindName, Value};
use crate::model::{Model, Target};
use crate::progress::Progress;
use crate::server::{Lookup, Reader};

use super::error::ExportError;
use super::options::{ExportOptions, Root};
use super::scope::{Home, Scope};
use crate::ops::translate::{Followed, Id, Layout, Layouts, Translation, fetch, for_each_page, id_order};

/// Of how many documents a bundle says that it has all that belongs to them, kind by kind.
const MOST_BELONGING: usize = 200_000;

/// Why a document was chosen, as far as ids go.
#[derive(Debug, Clone)]
pub(in crate::ops) enum Why {
    Named,
    NeededBy { kind: usize, id: Id, place: String },
    BelongsTo { kind: usize, id: Id, place: String },
}

impl Why {
    /// Whether the document that this names comes after another. Of several that need a document, the first is
    /// the reason, whatever the order in which the server hands out rows.
    fn is_after(&self, kind: usize, id: &Id) -> bool {
        match self {
            Why::Named => false,
            Why::NeededBy { kind: known, id: by, .. } | Why::BelongsTo { kind: known, id: by, .. } => {
                (*known, id_order(by)) > (kind, id_order(id))
            }
        }
    }
}

/// The documents chosen, by kind and id.
#[derive(Debug, Default)]
pub struct Selection {
    chosen: BTreeMap<usize, BTreeMap<Id, Why>>,
    /// Documents of other scopes than those asked for.
    refused: HashSet<(usize, Id)>,
}

impl Selection {
    /// The ids chosen of a kind, in the order the server gave them out.
    pub fn ids(&self, kind: usize) -> Vec<Id> {
        let mut ids: Vec<Id> = self.chosen.get(&kind).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        ids.sort_by_key(id_order);
        ids
    }

    pub(in crate::ops) fn contains(&self, kind: usize, id: &Id) -> bool {
        self.chosen.get(&kind).is_some_and(|ids| ids.contains_key(id))
    }

    pub(in crate::ops) fn add(&mut self, kind: usize, id: Id, why: Why) -> bool {
        if !self.refused.is_empty() && self.refused.contains(&(kind, id.clone())) {
            return false;
        }
        let ids = self.chosen.entry(kind).or_default();
        if ids.contains_key(&id) {
            return false;
        }
        ids.insert(id, why);
        true
    }

    fn refuse(&mut self, kind: usize, id: Id) {
        if let Some(ids) = self.chosen.get_mut(&kind) {
            ids.remove(&id);
        }
        self.refused.insert((kind, id));
    }

    /// The documents of which the bundle carries all that belongs to them, of the kinds that it carries: the scopes
    /// asked for, where no document was named; else those that were named, and what belongs to them. What documents
    /// merely need may have more on the server than was taken along, and versions may have been chosen among.
    pub(in crate::ops) fn belonging(
        &self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
        options: &ExportOptions<'_>,
        scope: Option<&Scope>,
        carried: &dyn Fn(usize) -> bool,
    ) -> Result<Vec<Coverage>, ExportError> {
        let layouts = translation.layouts.clone();
        let scopes = scope.filter(|_| options.roots.is_empty());
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for layout in layouts.iter().filter(|layout| carried(layout.index)) {
            match scopes {
                Some(scope) if layout.index != scope.kind() => pairs.push((layout.index, scope.kind())),
                None if layout.kind.version.is_none() => {
                    let with = layout.kind.with.iter().filter_map(|at| layout.kind.references.get(*at));
                    let owners: BTreeSet<usize> =
                        with.flat_map(|rule| &rule.to).map(|target| target.kind()).collect();
                    pairs.extend(owners.into_iter().map(|owner| (layout.index, owner)));
                }
                _ => {}
            }
        }
        let mut owners: BTreeMap<usize, BTreeSet<Id>> = BTreeMap::new();
        for (kind, ids) in &self.chosen {
            for (id, why) in ids {
                let owner = match why {
                    Why::NeededBy { .. } => continue,
                    Why::Named => None,
                    Why::BelongsTo { kind, id, .. } => Some((*kind, id.clone())),
                };
                for (kind, id) in owner.into_iter().chain([(*kind, id.clone())]) {
                    if pairs.iter().any(|(_, owner)| *owner == kind) {
                        owners.entry(kind).or_default().insert(id);
                    }
                }
            }
        }
        let mut coverage = Vec::new();
        for (owner, ids) in owners {
            let target = Target::Kind(owner);
            translation.learn(reader, ids.iter().map(|id| (target, id.clone())).collect())?;
            for named in ids.iter().filter_map(|id| translation.name(&[target], id)) {
                for (kind, _) in pairs.iter().filter(|(_, of)| *of == owner) {
                    let Some(layout) = layouts.at(*kind) else { continue };
                    let extent = Extent::Belonging { kind: named.kind.to_string(), key: named.key.to_text() };
                    coverage.push(Coverage { kind: layout.kind.name.to_string(), extent });
                }
            }
        }
        // In doubt less is said: whoever prunes deletes less then.
        coverage.sort();
        coverage.truncate(MOST_BELONGING);
        Ok(coverage)
    }

    /// Returns the reasons of some documents of a kind, with names in place of ids.
    pub(in crate::ops) fn reasons(
        &self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
        kind: usize,
        ids: &[Id],
    ) -> Result<Vec<Reason>, ExportError> {
        let why: Vec<Option<&Why>> =
            ids.iter().map(|id| self.chosen.get(&kind).and_then(|ids| ids.get(id))).collect();
        let causes = why.iter().flatten().filter_map(|why| match why {
            Why::Named => None,
            Why::NeededBy { kind, id, .. } | Why::BelongsTo { kind, id, .. } => {
                Some((Target::Kind(*kind), id.clone()))
            }
        });
        translation.learn(reader, causes.collect())?;
        let name = |kind: usize, id: &Id| translation.name(&[Target::Kind(kind)], id);
        Ok(why
            .into_iter()
            .map(|why| match why {
                Some(Why::NeededBy { kind, id, place }) => match name(*kind, id) {
                    Some(cause) => {
                        Reason::NeededBy { kind: cause.kind, key: cause.key, place: place.clone() }
                    }
                    None => Reason::Named,
                },
                Some(Why::BelongsTo { kind, id, place }) => match name(*kind, id) {
                    Some(cause) => {
                        Reason::BelongsTo { kind: cause.kind, key: cause.key, place: place.clone() }
                    }
                    None => Reason::Named,
                },
                Some(Why::Named) | None => Reason::Named,
            })
            .collect())
    }
}

/// Chooses the named documents and everything that goes with them, or, where none is named, all documents of
/// the scope and what they need. Nothing of another scope is chosen. Kinds that `carried` says no to are
/// neither taken nor followed.
///
/// # Errors
/// [`ExportError::NoSuchDocument`], [`ExportError::NotInScope`], for a name that is not there.
pub fn select(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    options: &ExportOptions<'_>,
    scope: Option<&Scope>,
    carried: &dyn Fn(usize) -> bool,
    progress: &dyn Progress,
) -> Result<Selection, ExportError> {
    let layouts = translation.layouts.clone();
    let mut selection = Selection::default();
    let mut frontier: Vec<(usize, Id)> = Vec::new();
    for root in &options.roots {
        let (Root::Named { kind, .. } | Root::Members { kind, .. }) = root;
        let layout = layout_of(&layouts, layouts.model, kind)?;
        if !carried(layout.index) {
            return Err(ExportError::LeftOut(layout.kind.name.clone()));
        }
        frontier.extend(find_root(reader, translation, &layouts, root, scope, &mut selection)?);
    }
    progress.phase("choosing documents", None);
    if let (Some(scope), true) = (scope, options.roots.is_empty()) {
        frontier = scope.members(reader, translation, carried, &mut selection, progress)?;
    }
    let mut grown: HashSet<usize> = HashSet::new();
    loop {
        // Outward along references.
        while !frontier.is_empty() {
            progress.check()?;
            progress.advance(frontier.len() as u64, 0);
            let mut by_kind: BTreeMap<usize, Vec<Id>> = BTreeMap::new();
            for (kind, id) in frontier.drain(..) {
                grown.insert(kind);
                by_kind.entry(kind).or_default().push(id);
            }
            let mut met: BTreeMap<(usize, Id), Why> = BTreeMap::new();
            for (kind, ids) in by_kind {
                let Some(layout) = layouts.at(kind) else { continue };
                fetch::<ExportError>(reader, layout, &ids, &mut |reader, found, rows| {
                    let followed = translation.follow(reader, kind, rows)?;
                    for (id, references) in found.into_iter().zip(followed) {
                        let home = scope.map(|scope| scope.home(layout, translation, &id, &references));
                        if home == Some(Home::Elsewhere) {
                            selection.refuse(kind, id);
                            continue;
                        }
                        for Followed { rule, place, kind: to, id: to_id } in references {
                            let follows = layout.kind.references.get(rule).is_some_and(|r| r.follow);
                            if !follows || !carried(to) || selection.contains(to, &to_id) {
                                continue;
                            }
                            let why = || Why::NeededBy { kind, id: id.clone(), place: place.to_string() };
                            met.entry((to, to_id))
                                .and_modify(|known| {
                                    if known.is_after(kind, &id) {
                                        *known = why();
                                    }
                                })
                                .or_insert_with(why);
                        }
                    }
                    Ok(())
                })?;
            }
            for ((kind, id), why) in met {
                if selection.add(kind, id.clone(), why) {
                    frontier.push((kind, id));
                }
            }
        }
        // What belongs to a scope is chosen already; a server-wide document's belongings are not the scope's.
        if options.roots.is_empty() {
            return Ok(selection);
        }
        // Back along belonging, for kinds whose owners have become more.
        let grew = std::mem::take(&mut grown);
        for layout in layouts.iter().filter(|layout| carried(layout.index)) {
            let with = &layout.kind.with;
            let owners = with.iter().filter_map(|r| layout.kind.references.get(*r)).flat_map(|r| &r.to);
            if owners.clone().any(|owner| grew.contains(&owner.kind())) {
                frontier.extend(belonging(reader, translation, layout, options, &mut selection, progress)?);
            }
        }
        if frontier.is_empty() {
            return Ok(selection);
        }
    }
}

fn no_such(kind: &KindName, name: &str) -> ExportError {
    ExportError::NoSuchDocument { kind: kind.clone(), name: name.to_owned() }
}

fn layout_of<'l, 'm>(
    layouts: &'l Layouts<'m>,
    model: &Model,
    kind: &str,
) -> Result<&'l Layout<'m>, ExportError> {
    let kind = model.kind(kind).ok_or_else(|| ExportError::NoSuchKind(kind.to_owned()))?;
    layouts
        .iter()
        .find(|l| l.kind.name == kind.name)
        .ok_or_else(|| ExportError::NoSuchKind(kind.name.to_string()))
}

fn named(
    reader: &mut dyn Reader,
    layouts: &Layouts<'_>,
    kind: &str,
    name: &str,
) -> Result<Vec<(usize, Id)>, ExportError> {
    let layout = layout_of(layouts, layouts.model, kind)?;
    let (Some(id), Some(column)) = (&layout.id, layout.key_columns().last().copied().map(str::to_owned))
    else {
        return Err(no_such(&layout.kind.name, name));
    };
    let keys = [vec![Value::from(name)]];
    let mut found = Vec::new();
    let filters = layout.filters.iter().filter_map(|(p, filter)| Some((layout.content.get(*p)?, filter)));
    let mut columns = vec![id.as_str()];
    columns.extend(filters.map(|(column, _)| column.server.as_str()));
    let lookup = Lookup { table: &layout.table, columns: &columns, by: &[&column], keys: &keys };
    reader.lookup(&lookup, &mut |_, row| {
        // Rows of the table may be documents of another kind.
        let passes = layout.filters.iter().zip(row.iter().skip(1)).all(|((_, f), v)| f.equals.contains(v));
        found.extend(row.first().filter(|_| passes).and_then(Id::of).map(|id| (layout.index, id)));
    })?;
    if found.is_empty() { Err(no_such(&layout.kind.name, name)) } else { Ok(found) }
}

/// The documents of a name that the scope allows.
fn meant(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    layouts: &Layouts<'_>,
    (kind, name): (&str, &str),
    scope: Option<&Scope>,
) -> Result<Vec<(usize, Id)>, ExportError> {
    let found = named(reader, layouts, kind, name)?;
    let Some(scope) = scope else { return Ok(found) };
    let layout = layout_of(layouts, layouts.model, kind)?;
    let ids = found.into_iter().map(|(_, id)| id).collect();
    let meant = scope.within(reader, translation, layout, ids)?;
    if meant.is_empty() {
        return Err(ExportError::NotInScope { kind: layout.kind.name.clone(), name: name.to_owned() });
    }
    Ok(meant.into_iter().map(|id| (layout.index, id)).collect())
}

fn find_root(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    layouts: &Layouts<'_>,
    root: &Root,
    scope: Option<&Scope>,
    selection: &mut Selection,
) -> Result<Vec<(usize, Id)>, ExportError> {
    let mut frontier = Vec::new();
    match root {
        Root::Named { kind, name } => {
            for (kind, id) in meant(reader, translation, layouts, (kind, name), scope)? {
                if selection.add(kind, id.clone(), Why::Named) {
                    frontier.push((kind, id));
                }
            }
        }
        Root::Members { kind, of, name } => {
            let owners: BTreeSet<(usize, Id)> =
                meant(reader, translation, layouts, (of, name), scope)?.into_iter().collect();
            let layout = layout_of(layouts, layouts.model, kind)?;
            for_each_page::<ExportError>(reader, layout, &mut |reader, ids, rows| {
                let followed = translation.follow(reader, layout.index, rows)?;
                for (id, references) in ids.into_iter().zip(followed) {
                    let member = references.into_iter().find(|f| owners.contains(&(f.kind, f.id.clone())));
                    let Some(Followed { kind, id: owner, place, .. }) = member else { continue };
                    let why = Why::BelongsTo { kind, id: owner, place: place.to_string() };
                    if selection.add(layout.index, id.clone(), why) {
                        frontier.push((layout.index, id));
                    }
                }
                Ok(())
            })?;
            for (kind, id) in owners {
                if selection.add(kind, id.clone(), Why::Named) {
                    frontier.push((kind, id));
                }
            }
        }
    }
    Ok(frontier)
}

fn belonging(
    reader: &mut dyn Reader,
    translation: &mut Translation<'_>,
    layout: &Layout<'_>,
    options: &ExportOptions<'_>,
    selection: &mut Selection,
    progress: &dyn Progress,
) -> Result<Vec<(usize, Id)>, ExportError> {
    let mut frontier = Vec::new();
    let version = layout.kind.version.as_ref().and_then(|column| layout.column(column));
    let version = version.and_then(|column| layout.select().iter().position(|name| *name == column.server));
    for_each_page::<ExportError>(reader, layout, &mut |reader, mut ids, mut rows| {
        progress.check()?;
        if let (Some(versions), Some(column)) = (&options.versions, version) {
            let keep = |row: &crate::server::Row| {
                row.get(column).and_then(Value::as_text).is_some_and(|version| versions.contains(version))
            };
            let mut kept = rows.iter().map(keep).collect::<Vec<_>>().into_iter();
            ids.retain(|_| kept.next() == Some(true));
            rows.retain(keep);
        }
        let followed = translation.follow(reader, layout.index, rows)?;
        for (id, references) in ids.into_iter().zip(followed) {
            let owner = references
                .into_iter()
                .find(|f| layout.kind.with.contains(&f.rule) && selection.contains(f.kind, &f.id));
            let Some(Followed { kind, id: owner, place, .. }) = owner else { continue };
            let why = Why::BelongsTo { kind, id: owner, place: place.to_string() };
            if selection.add(layout.index, id.clone(), why) {
                frontier.push((layout.index, id));
            }
        }
        Ok(())
    })?;
    Ok(frontier)
}

impl Scope {
    /// Chooses every document of the scope, and the server-wide ones that these name: people too, whom a
    /// document alone would not take along. Returns the server-wide ones; what they need is to be followed.
    pub fn members(
        &self,
        reader: &mut dyn Reader,
        translation: &mut Translation<'_>,
        carried: &dyn Fn(usize) -> bool,
        selection: &mut Selection,
        progress: &dyn Progress,
    ) -> Result<Vec<(usize, Id)>, ExportError> {
        let layouts = translation.layouts.clone();
        let mut needed: BTreeMap<(usize, Id), Why> = BTreeMap::new();
        for layout in layouts.iter().filter(|layout| carried(layout.index)) {
            for_each_page::<ExportError>(reader, layout, &mut |reader, ids, rows| {
                progress.check()?;
                progress.advance(ids.len() as u64, 0);
                let followed = translation.follow(reader, layout.index, rows)?;
                for (id, references) in ids.into_iter().zip(followed) {
                    let why = match self.home(layout, translation, &id, &references) {
                        Home::Inside(..) if layout.index == self.kind() => Why::Named,
                        Home::Inside(scope, place) => Why::BelongsTo { kind: self.kind(), id: scope, place },
                        Home::Wide | Home::Elsewhere => continue,
                    };
                    for Followed { place, kind: to, id: to_id, .. } in references {
                        if carried(to) && !selection.contains(to, &to_id) {
                            let place = place.to_string();
                            let why = Why::NeededBy { kind: layout.index, id: id.clone(), place };
                            needed.entry((to, to_id)).or_insert(why);
                        }
                    }
                    selection.add(layout.index, id, why);
                }
                Ok(())
            })?;
        }
        let mut frontier: Vec<(usize, Id)> = Vec::new();
        for ((kind, id), why) in needed {
            if selection.add(kind, id.clone(), why) {
                frontier.push((kind, id));
            }
        }
        Ok(frontier)
    }
}
