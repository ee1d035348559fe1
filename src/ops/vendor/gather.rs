//! The first look at an export folder: which classes and members there are.

use std::collections::{BTreeMap, HashSet};

use crate::model::{Model, VendorType};
use crate::progress::Progress;
use crate::vendor::{Entry, ExportFolder, Findings, VendorDocument};

use super::report::{UncarriedType, VendorReadError, VendorReport};

/// How many classes that are not carried are told one by one.
const CLASSES: usize = 1000;

/// How many members of one table's documents are remembered; real ones have a few dozen.
const MEMBERS: usize = 10_000;

/// How many files that are no documents are named, and remembered for the scripts they may be.
const OTHERS_NAMED: usize = 20;
const OTHERS_REMEMBERED: usize = 1_000_000;

/// What a folder holds, before its documents are placed.
#[derive(Default)]
pub(super) struct Seen {
    /// The names of members, in lower case, by table.
    pub members: BTreeMap<String, HashSet<String>>,
    /// How many documents are to be read.
    pub documents: u64,
    /// The names of files that are no documents, [folded](script_name).
    pub other_names: HashSet<String>,
    /// What is not carried.
    pub report: VendorReport,
}

/// What is left of a name when it becomes a file's, whatever the product does with characters that no file's
/// name may have.
pub(super) fn script_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Looks at every file once. What is wrong with files is found now.
pub(super) fn gather(
    export: &ExportFolder,
    model: &Model,
    findings: &mut Findings,
    progress: &dyn Progress,
) -> Result<Seen, VendorReadError> {
    let mut seen = Seen::default();
    let mut uncarried: BTreeMap<String, UncarriedType> = BTreeMap::new();
    progress.phase("looking through the folder", None);
    export.each(&mut |entry| -> Result<(), VendorReadError> {
        progress.check()?;
        progress.advance(1, 0);
        let VendorDocument { file, class, members } = match entry {
            Entry::Document(document) => document,
            Entry::Other(file) => {
                seen.other(file);
                return Ok(());
            }
            Entry::Finding(finding) => {
                findings.add(finding);
                return Ok(());
            }
        };
        let why = match model.vendor_type(&class) {
            Some(VendorType::Kind(kind)) => {
                seen.documents += 1;
                let known = seen.members.entry(kind.table.clone()).or_default();
                for (name, _) in members.iter() {
                    if known.len() < MEMBERS {
                        known.insert(name.to_ascii_lowercase());
                    }
                }
                return Ok(());
            }
            Some(VendorType::Left(left)) => Some(left.why.clone()),
            None => None,
        };
        if let Some(known) = uncarried.get_mut(&class) {
            known.documents += 1;
        } else if uncarried.len() >= CLASSES {
            seen.report.uncarried_beyond += 1;
        } else {
            uncarried.insert(class.clone(), UncarriedType { class, documents: 1, file, why });
        }
        Ok(())
    })?;
    seen.report.uncarried = uncarried.into_values().collect();
    Ok(seen)
}

impl Seen {
    fn other(&mut self, file: String) {
        self.report.other_files += 1;
        let name = file.rsplit('/').next().unwrap_or_default();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        if self.other_names.len() < OTHERS_REMEMBERED {
            self.other_names.insert(script_name(stem));
        }
        if self.report.others.len() < OTHERS_NAMED {
            self.report.others.push(file);
        }
    }
}
