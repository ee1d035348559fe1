//! `export`: documents of a server into a bundle.

pub(in crate::ops) mod choice;
pub(in crate::ops) mod error;
pub(in crate::ops) mod options;
pub(in crate::ops) mod scope;
pub(in crate::ops) mod select;
pub(in crate::ops) mod undeclared;
pub(in crate::ops) mod unreadable;

use std::collections::BTreeMap;

use crate::bundle::{BundleError, Coverage, Extent, Notice, Reason, Summary, Writer};
use crate::crypto::SecretBytes;
use crate::document::{Key, KindName, Value};
use crate::model::Model;
use crate::progress::Progress;
use crate::server::{Reader, Row};
use crate::text::Shown;

use super::rules::needs;
use super::rules::needs::{Needed, Needs};
use super::translate::{
    Faults, Id, Layout, Layouts, Portable, TranslateError, Translation, Vault, expect_tables, fetch,
    whole_table,
};
use choice::KindChoice;
use error::ExportError;
use options::ExportOptions;
use scope::Scope;
use select::{Selection, select};
use undeclared::{
    Finder, SecretFinder, Undeclared, UndeclaredSecret, UnknownTable, secret_notices, unknown_tables,
};
use unreadable::{Unreadable, left_out, without};

/// How many dangling references of one kind of document are noted one by one.
const DANGLING_NAMED: u64 = 1000;

/// What an export did.
#[derive(Debug)]
pub struct ExportReport {
    /// The bundle that was written.
    pub summary: Summary,
    /// Tables that the model does not know, with their rows: nothing of them was carried.
    pub unknown: Vec<(String, u64)>,
    /// Tables that are left behind on purpose, and why.
    pub left: Vec<(String, String)>,
    /// References that named nothing on the server.
    pub dangling: u64,
    /// Places that hold ids and that no rule of the model covers, by kind and place; 1000 at the most.
    pub undeclared: Vec<Undeclared>,
    /// How many ids stand at further such places.
    pub undeclared_beyond: u64,
    /// Paths where secrets stand and that no rule of the model covers, by kind and path; 1000 at the most.
    pub undeclared_secrets: Vec<UndeclaredSecret>,
    /// How many secrets stand at further such paths.
    pub undeclared_secrets_beyond: u64,
    /// Documents that could not be read and were left out; 10,000 at the most.
    pub unreadable: Vec<Unreadable>,
    /// How many more there are.
    pub unreadable_beyond: u64,
    /// What the documents refer to that was left out; 10,000 at the most.
    pub needed: Vec<Needed>,
    /// How much more there is.
    pub needed_beyond: u64,
}

/// Exports documents of a server into a bundle. The reader's snapshot is what the bundle holds.
///
/// # Errors
/// [`ExportError`]. Rows that cannot be read are gathered over the whole export, which ends with all of them
/// ([`ExportError::Malformed`]); what ails the server, the disk or the key ends it at once.
pub fn export(
    reader: &mut dyn Reader,
    model: &Model,
    mut writer: Writer,
    options: &ExportOptions<'_>,
    progress: &dyn Progress,
) -> Result<ExportReport, ExportError> {
    if let Some(notice) = reader.notice() {
        progress.notice(notice);
    }
    let layouts = Layouts::new(model, reader.catalog())?;
    if layouts.iter().next().is_none() {
        return Err(ExportError::NotThisProduct(model.title.clone()));
    }
    let kinds = KindChoice::new(model, options)?;
    let (carried, wanted) = (|kind: usize| kinds.carries(kind), |kind: usize| kinds.takes(kind));
    let mut translation = Translation::new(layouts.clone());
    if options.skip_unreadable {
        translation = translation.leaving_out();
    }
    let scope = Scope::find(reader, &layouts, &options.scopes)?;
    let partial = !options.roots.is_empty() || scope.is_some();
    let taken = (0..model.kinds().len()).map(|kind| wanted(kind) && layouts.at(kind).is_some()).collect();
    let mut job = Job {
        translation: &mut translation,
        writer: &mut writer,
        vault: Vault::new(),
        options,
        dangling: 0,
        named: BTreeMap::new(),
        finder: Finder::new(reader, &layouts, progress)?,
        secrets: SecretFinder::default(),
        needs: Needs::new(taken, partial || options.partial_source || options.skip_unreadable),
        rows: 0,
    };
    let mut coverage = Vec::new();
    if !partial {
        expect_tables(reader, layouts.iter().filter(|layout| wanted(layout.index)))?;
        for layout in layouts.iter().filter(|layout| wanted(layout.index)) {
            let rows = job.whole_kind(reader, layout, progress)?;
            let extent = match options.partial_source {
                true => Extent::Part { rows },
                false => Extent::Whole { rows },
            };
            coverage.push(Coverage { kind: layout.kind.name.to_string(), extent });
        }
    } else {
        let chosen = select(reader, job.translation, options, scope.as_ref(), &carried, progress)?;
        for layout in layouts.iter().filter(|layout| wanted(layout.index)) {
            job.rows = 0;
            job.chosen(reader, layout, &chosen, progress)?;
            let extent = Extent::Part { rows: job.rows };
            coverage.push(Coverage { kind: layout.kind.name.to_string(), extent });
        }
        if !options.partial_source {
            let whole = |kind: usize| carried(kind) && wanted(kind);
            coverage.extend(chosen.belonging(reader, job.translation, options, scope.as_ref(), &whole)?);
        }
    }
    let Job { dangling, named, finder, secrets, needs, .. } = job;
    let faults = translation.finish()?;
    if !faults.is_empty() && !options.skip_unreadable {
        let (twins, total) = writer.twins()?;
        return Err(malformed(faults, twins, total));
    }
    for coverage in coverage.into_iter().filter_map(|coverage| without(coverage, &faults)) {
        writer.coverage(&coverage)?;
    }
    let unreadable = left_out(reader, &mut translation, &faults)?;
    for notice in unreadable::notices(&unreadable, &faults) {
        writer.notice(notice)?;
    }
    let (needed, needed_beyond) = needs.finish(&layouts);
    for notice in needs::notices(&needed, needed_beyond) {
        writer.notice(notice)?;
    }
    let partial = finder.is_partial();
    let (undeclared, undeclared_beyond) = finder.finish(reader, &mut translation)?;
    let (secrets, secrets_beyond) = secrets.finish();
    let (unknown, left) = tables(reader, model)?;
    if options.strict && !unknown.is_empty() {
        let (found, beyond) = (undeclared, undeclared_beyond);
        return Err(ExportError::UnknownTables { unknown, found, beyond, secrets });
    }
    if options.strict && !(undeclared.is_empty() && secrets.is_empty()) {
        return Err(ExportError::Undeclared { found: undeclared, beyond: undeclared_beyond, secrets });
    }
    let notices = undeclared::notices(&undeclared, undeclared_beyond, partial);
    for notice in notices.into_iter().chain(secret_notices(&secrets, secrets_beyond)) {
        writer.notice(notice)?;
    }
    for (kind, count) in named.into_iter().filter(|(_, count)| *count > DANGLING_NAMED) {
        let text =
            format!("{} more references of this kind name nothing on the server", count - DANGLING_NAMED);
        let count = count - DANGLING_NAMED;
        writer.notice(Notice { count, ..Notice::about("dangling", kind.as_str(), text) })?;
    }
    for (table, rows) in &unknown {
        let inferred = model.kinds().iter().any(|kind| kind.table.eq_ignore_ascii_case(table));
        let text = match inferred {
            true => format!(
                "table {table} ({rows} rows) lacks columns that the model infers for it and was not carried"
            ),
            false => format!("table {table} ({rows} rows) is not known to the model and was not carried"),
        };
        writer.notice(Notice { count: *rows, ..Notice::about("unknown-table", table, text) })?;
    }
    let summary = writer.finish(progress).map_err(|error| match error {
        BundleError::DuplicateKey { twins, total, .. } => malformed(Faults::default(), twins, total),
        error => error.into(),
    })?;
    Ok(ExportReport {
        summary,
        unknown,
        left,
        dangling,
        undeclared,
        undeclared_beyond,
        undeclared_secrets: secrets,
        undeclared_secrets_beyond: secrets_beyond,
        unreadable,
        unreadable_beyond: faults.more(),
        needed,
        needed_beyond,
    })
}

/// Adds documents of one name to the rows that cannot be read.
fn malformed(mut faults: Faults, twins: Vec<(KindName, String)>, total: u64) -> ExportError {
    faults.count(total.saturating_sub(twins.len() as u64));
    for (kind, key) in twins {
        let key = Key::parse(&key).map_or(key, |key| key.to_string());
        if let Err(error) = faults.keep(TranslateError::Ambiguous { kind, key }) {
            return error.into();
        }
    }
    ExportError::Malformed(Box::new(faults))
}

struct Job<'j, 'm, 'k> {
    translation: &'j mut Translation<'m>,
    writer: &'j mut Writer,
    vault: Vault,
    options: &'j ExportOptions<'k>,
    dangling: u64,
    named: BTreeMap<KindName, u64>,
    finder: Finder,
    secrets: SecretFinder,
    needs: Needs,
    /// Rows read of the kind at hand.
    rows: u64,
}

impl Job<'_, '_, '_> {
    fn whole_kind(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        progress: &dyn Progress,
    ) -> Result<u64, ExportError> {
        let mut table = whole_table(reader, layout, &layout.select())?;
        progress.phase(format!("reading {}", layout.kind.name), Some(table.rows()));
        while let Some(rows) = table.next_page(reader)? {
            progress.check()?;
            let read = rows.len() as u64;
            self.write(reader, layout, rows, None)?;
            progress.advance(read, 0);
        }
        Ok(table.rows())
    }

    fn chosen(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<(), ExportError> {
        let ids = selection.ids(layout.index);
        progress.phase(format!("reading {}", layout.kind.name), Some(ids.len() as u64));
        fetch::<ExportError>(reader, layout, &ids, &mut |reader, ids, rows| {
            progress.check()?;
            self.rows += rows.len() as u64;
            self.write(reader, layout, rows, Some(selection))?;
            progress.advance(ids.len() as u64, 0);
            Ok(())
        })
    }

    fn write(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: Vec<Row>,
        selection: Option<&Selection>,
    ) -> Result<(), ExportError> {
        self.vault.clear();
        let read =
            self.translation.read(reader, layout.index, rows, self.options.secrets, &mut self.vault)?;
        let reasons = match selection {
            Some(selection) => {
                let ids: Vec<Id> = read.iter().map(|p| p.row.clone()).collect();
                selection.reasons(reader, self.translation, layout.index, &ids)?
            }
            None => vec![Reason::All; read.len()],
        };
        for (portable, reason) in read.into_iter().zip(reasons) {
            let document = &portable.document;
            self.finder.look(reader, self.translation, layout, document)?;
            self.secrets.see(&document.kind, &document.key, &portable.undeclared);
            self.needs.see(&self.translation.layouts, layout, document);
            self.add(&portable, &reason)?;
        }
        Ok(())
    }

    fn add(&mut self, portable: &Portable, reason: &Reason) -> Result<(), ExportError> {
        let Portable { document, id, dangling, .. } = portable;
        let mut secrets = Vec::new();
        document.each(&mut |value| {
            if let Value::Secret(secret) = value {
                secrets.push(self.vault.value(*secret).map(SecretBytes::duplicate));
            }
        });
        let folded = document.key.folded(self.translation.layouts.model.collation);
        if let Err(error) = self.writer.add(document, &folded, id, reason, &secrets) {
            let what = match error {
                BundleError::Document { what, .. } => what,
                BundleError::TooLarge { source, .. } => source.to_string(),
                BundleError::Limit { place, found, limit, .. } => {
                    format!("{place}: {found} is over the limit of {limit}")
                }
                error => return Err(error.into()),
            };
            let id = match id {
                Value::Null => Shown(&document.key.leaf()).to_string(),
                _ => portable.row.to_string(),
            };
            let kind = document.kind.clone();
            return Ok(self.translation.keep_fault(TranslateError::TooMuch { kind, id, what })?);
        }
        for (place, value) in dangling {
            let Value::Dangling(dangling) = value else { continue };
            let expected = self.translation.layouts.model.target(&dangling.kind);
            // A table that this generation of the product lacks makes every reference into it dangle.
            if expected.is_none_or(|t| self.translation.layouts.at(t.kind()).is_some()) {
                self.dangling += 1;
                let named = self.named.entry(document.kind.clone()).or_default();
                *named += 1;
                // History outlives what it happened to: after so many, the count says enough.
                if *named > DANGLING_NAMED {
                    continue;
                }
                let shown = Id::of(&dangling.id).map(|id| id.to_string()).unwrap_or_default();
                let text = format!("names {} {shown}, which is not on the server", dangling.kind);
                self.writer.notice(Notice {
                    value: Some(shown),
                    names_kind: Some(dangling.kind.to_string()),
                    count: 1,
                    ..Notice::at("dangling", &document.kind, &document.key, &place.to_string(), text)
                })?;
            }
        }
        Ok(())
    }
}

type Tables = (Vec<(String, u64)>, Vec<(String, String)>);

/// The tables that are not carried: those the model does not know, and those left on purpose.
fn tables(reader: &mut dyn Reader, model: &Model) -> Result<Tables, ExportError> {
    let mut unknown = Vec::new();
    let mut left = Vec::new();
    for table in &reader.catalog().tables {
        let rule = model.left.iter().find(|l| l.table.eq_ignore_ascii_case(&table.name));
        left.extend(rule.map(|rule| (table.name.clone(), rule.why.clone())));
    }
    for UnknownTable { name, .. } in unknown_tables(reader.catalog(), model) {
        let rows = reader.count(&name)?;
        unknown.push((name, rows));
    }
    Ok((unknown, left))
}
