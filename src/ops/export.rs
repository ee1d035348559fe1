//! `export`: documents of a server into a bundle.

use std::collections::BTreeMap;

use crate::bundle::{BundleError, Coverage, Extent, Notice, Reason, Summary, Writer};
use crate::crypto::SecretBytes;
use crate::document::{Key, KindName, Value};
use crate::model::Model;
use crate::progress::{Cancelled, Progress};
use crate::server::{Page, Reader, Row, ServerError, WholeTable};
use crate::text::Shown;

use super::choice::KindChoice;
use super::needs::{self, Needed, Needs};
use super::scope::{Scope, listed};
use super::select::{Root, Selection, fetch, select};
use super::translate::{
    Faults, Id, Layout, Layouts, Portable, ServerSecrets, TranslateError, Translation, Vault, whole_table,
};
use super::undeclared::{
    self, Finder, SecretFinder, Undeclared, UndeclaredSecret, UnknownTable, secret_notices, unknown_tables,
};
use super::unreadable::{self, Unreadable, left_out, without};
use super::versions::Versions;

/// How many dangling references of one kind of document are noted one by one.
const DANGLING_NAMED: u64 = 1000;

/// What an export takes.
#[derive(Debug, Clone)]
pub struct ExportOptions<'k> {
    /// The documents named; with none, everything is exported.
    pub roots: Vec<Root>,
    /// The scopes (spaces) whose documents alone are taken, by name, with the server-wide documents that these
    /// need; with none, those of all scopes.
    pub scopes: Vec<String>,
    /// Kinds left out.
    pub exclude: Vec<String>,
    /// The only kinds taken, where any are named.
    pub only: Vec<String>,
    /// Groups of kinds that are left out, by the names the model gives them.
    pub ignore: Vec<String>,
    /// Kinds that are carried only where they are asked for, and are.
    pub ask: Vec<String>,
    /// Which versions of documents that have one belong to the documents named; all of them if not said.
    pub versions: Option<Versions>,
    /// How secrets are read.
    pub secrets: ServerSecrets<'k>,
    /// Whether undeclared references, and tables that are not carried, are an error.
    pub strict: bool,
    /// Whether documents that cannot be read are left out and recorded; else they are an error.
    pub skip_unreadable: bool,
    /// Whether the server holds but a part of what its source has: then the bundle does not say of any kind that it is
    /// carried as a whole.
    pub partial_source: bool,
}

impl<'k> ExportOptions<'k> {
    /// Everything that is not carried only when asked for.
    pub fn everything(secrets: ServerSecrets<'k>) -> Self {
        Self {
            roots: Vec::new(),
            scopes: Vec::new(),
            exclude: Vec::new(),
            only: Vec::new(),
            ignore: Vec::new(),
            ask: Vec::new(),
            versions: None,
            secrets,
            strict: false,
            skip_unreadable: false,
            partial_source: false,
        }
    }
}

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

/// Why an export failed. Nothing is left at the output's name.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The server, or one of its rows.
    #[error(transparent)]
    Translate(#[from] TranslateError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A kind that the model or the server does not have.
    #[error("there is no kind {0:?} on this server")]
    NoSuchKind(String),
    /// A group of kinds that the model does not have.
    #[error("the model has no group {0:?} of kinds")]
    NoSuchGroup(String),
    /// A kind, or a document of it, was asked for and its kind is left out.
    #[error("{0} is asked for and left out")]
    LeftOut(KindName),
    /// A name that is not on the server.
    #[error("there is no {kind} named {name:?} on this server")]
    NoSuchDocument {
        /// The kind.
        kind: KindName,
        /// The name.
        name: String,
    },
    /// Rows of the server cannot be read, or told apart by their names.
    #[error("{0}")]
    Malformed(Box<Faults>),
    /// A name that is on the server, and in none of the scopes asked for.
    #[error("there is no {kind} named {name:?} where the export was told to look")]
    NotInScope {
        /// The kind.
        kind: KindName,
        /// The name.
        name: String,
    },
    /// A scope was named and the model has none.
    #[error("the model of {0} names no kind that documents belong to")]
    NoScopeKind(String),
    /// A scope was named and the server's generation has none.
    #[error("this server has no {0} at all: it is of a generation before them")]
    NoScopes(KindName),
    /// The server has no such scope.
    #[error("there is no {kind} named {name:?} on this server; there is {there}")]
    NoSuchScope {
        /// The scope's kind.
        kind: KindName,
        /// The name.
        name: String,
        /// The names there are.
        there: String,
    },
    /// The server has none of the model's tables.
    #[error("the server has none of the tables of {0}: it is another product's")]
    NotThisProduct(String),
    /// Undeclared references and secrets, where they are an error.
    #[error("{}", undeclared_words(found.len(), *beyond, secrets.len()))]
    Undeclared {
        /// The places of references.
        found: Vec<Undeclared>,
        /// How many ids stand at further places.
        beyond: u64,
        /// The paths of secrets.
        secrets: Vec<UndeclaredSecret>,
    },
    /// Tables that are not carried, where they are an error.
    #[error("the model does not know {}, which would not be carried", listed(unknown.iter().map(|(name, _)| name.as_str())))]
    UnknownTables {
        /// The tables, with their rows.
        unknown: Vec<(String, u64)>,
        /// Undeclared references, which are an error too.
        found: Vec<Undeclared>,
        /// How many ids stand at further places.
        beyond: u64,
        /// Undeclared secrets, which are an error too.
        secrets: Vec<UndeclaredSecret>,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn undeclared_words(found: usize, beyond: u64, secrets: usize) -> String {
    let references =
        || format!("{} ids of the server, and the model knows of no reference there", places(found, beyond));
    let paths = if secrets == 1 { "path holds a secret" } else { "paths hold secrets" };
    let secret = || format!("{secrets} {paths} where the model knows of none");
    match (found, secrets) {
        (_, 0) => references(),
        (0, _) => secret(),
        _ => format!("{}; {}", references(), secret()),
    }
}

fn places(found: usize, beyond: u64) -> String {
    match (found, beyond) {
        (1, 0) => "1 place of the documents holds".to_owned(),
        (found, 0) => format!("{found} places of the documents hold"),
        (found, _) => format!("more than {found} places of the documents hold"),
    }
}

/// The product's version on a server, where the model says where to find it and the server has it.
///
/// # Errors
/// [`ServerError`], when the table cannot be read.
pub fn product_version(reader: &mut dyn Reader, model: &Model) -> Result<Option<String>, ServerError> {
    let Some(rule) = &model.version else { return Ok(None) };
    let Some(table) = reader.catalog().table(&rule.table).cloned() else { return Ok(None) };
    let (Some(version), Some(newest)) = (table.column(&rule.column), table.column(&rule.newest_by)) else {
        return Ok(None);
    };
    let columns = [version.name.as_str(), newest.name.as_str()];
    let order = [newest.name.as_str()];
    let page = Page {
        table: &table.name,
        columns: &columns,
        order: &order,
        after: None,
        max_rows: 1000,
        max_bytes: 1 << 20,
    };
    let mut whole = WholeTable::open(reader, &page)?;
    let mut newest_version = None;
    // A row a change of version: few. A table made to be endless is not read to its end.
    for _ in 0..1000 {
        let Some(rows) = whole.next_page(reader)? else { break };
        let versions = rows.iter().rev().find_map(|row| row.first().and_then(Value::as_text));
        newest_version = versions.map(str::to_owned).or(newest_version);
    }
    Ok(newest_version)
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
