//! What an import leaves for those who were not there: a record of all it did, as JSON and as a page.
//!
//! A record is made of a plan, and a plan holds no secret. That its files can be made is checked before the import
//! begins; they are written when it has ended, so a record that cannot be written then is told, and changes
//! nothing of how the import ended.

mod html;
mod json;
mod lines;
mod place;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::Info;
use sealift::plan::{Action, Plan, TableRows};

pub use place::{Place, default_stem, ended};

use crate::clock::Moment;
use crate::exit::Failure;
use crate::files::{Files, Format};

/// The program, as a record names it.
const PROGRAM: &str = concat!("sealift ", env!("CARGO_PKG_VERSION"));

/// Whether a record is written, and where.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Write the record of the import to this file as JSON, and as a page beside it (.html); also of one that
    /// was refused, or run dry. Without this an import that commits leaves sealift-TIME-DATABASE.json and .html in
    /// the current folder
    #[arg(long, value_name = "FILE", conflicts_with = "no_record")]
    record: Option<PathBuf>,
    /// Write no record
    #[arg(long)]
    no_record: bool,
}

/// A record that is to be written when the import has ended.
#[derive(Debug)]
pub struct Pending {
    place: Place,
    /// The name without an ending, where nobody gave one: the record is then only of what is committed.
    stem: Option<PathBuf>,
}

impl RecordArgs {
    /// The files of a record that was asked for.
    pub fn files(&self) -> Files {
        let place = self.record.as_deref().map(Place::beside);
        Files::default().writes(Format::Record, self.record.as_deref(), false).writes(
            Format::RecordPage,
            place.as_ref().map(|place| place.html.as_path()),
            false,
        )
    }

    /// Checks that a record can be written; `stem` is its name where none was given (see [`default_stem`]). `None`
    /// where no record is wanted: an import that does not commit leaves one only where it was asked for.
    ///
    /// # Errors
    /// [`Failure`], naming the file that is there already, or cannot be made.
    pub fn prepare(&self, stem: &Path, commits: bool) -> Result<Option<Pending>, Failure> {
        let pending = match &self.record {
            Some(path) => Pending { place: Place::beside(path), stem: None },
            None if self.no_record || !commits => return Ok(None),
            None => Pending { place: Place::named(stem), stem: Some(stem.to_owned()) },
        };
        pending.place.check()?;
        Ok(Some(pending))
    }
}

impl Pending {
    /// Writes the record, where one is due: of what was committed, and of anything where it was asked for. Returns
    /// where it is.
    ///
    /// # Errors
    /// [`Failure`], naming the file; the one that was written before it stays.
    pub fn write(&self, record: &ImportRecord<'_>) -> Result<Option<Place>, Failure> {
        if self.stem.is_some() && record.outcome != APPLIED {
            return Ok(None);
        }
        // Two imports may have begun within one second, and the other be done already.
        let place = match &self.stem {
            Some(stem) => Place::vacant(stem),
            None => self.place.clone(),
        };
        place::put(&place.json, |out| json::write(record, out))?;
        place::put(&place.html, |out| html::write(record, out))?;
        Ok(Some(place))
    }
}

/// The outcome of an import that was committed.
pub const APPLIED: &str = "applied";

/// What an import did, or would have done.
pub struct ImportRecord<'p> {
    /// How it ended, in one word: `applied`, `dry-run`, `nothing-to-do`, `refused`, `stale`.
    pub outcome: &'static str,
    pub began: Moment,
    pub ended: Moment,
    /// The target, without a password.
    pub target: String,
    /// Where the bundle was.
    pub path: String,
    pub bundle: &'p Info,
    /// The saved plan that was carried out, where there was one.
    pub by_plan: Option<String>,
    /// The undo file that was written.
    pub undo: Option<String>,
    /// What was asked for on the command line.
    pub options: Vec<String>,
    pub plan: &'p Plan,
    /// What was written by table, or would have been.
    pub rows: Vec<TableRows>,
}

impl ImportRecord<'_> {
    /// How many documents each action met, by kind, in the plan's order.
    fn kinds(&self) -> Vec<(&str, BTreeMap<Action, u64>)> {
        let mut kinds: Vec<(&str, BTreeMap<Action, u64>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for entry in &self.plan.entries {
            let kind = entry.kind.as_str();
            let at = *places.entry(kind).or_insert_with(|| {
                kinds.push((kind, BTreeMap::new()));
                kinds.len() - 1
            });
            if let Some((_, counts)) = kinds.get_mut(at) {
                *counts.entry(entry.action).or_default() += 1;
            }
        }
        kinds
    }
}
