//! What is known of the bundle and the target while documents are decided on, and what is found out about them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::crypto::{DataKey, FingerprintKey, MasterKey};
use crate::document::{Collation, Key, KindName, Reference};
use crate::model::{Model, Target};
use crate::plan::Finding;

use super::into::Resettle;
use super::unique::Clashes;
use crate::ops::export::undeclared;
use crate::ops::export::undeclared::KnownSecrets;
use crate::ops::import::request::choosing::Chosen;
use crate::ops::import::request::options::ImportOptions;
use crate::ops::rules::omitted::Omitted;
use crate::ops::translate::{Faults, Id, Ids, Known, Layout, Layouts, Raw, Translation, Vault};
use crate::ops::undo::Called;

/// Examines documents against one state of a target.
pub(in crate::ops) struct Examiner<'x, 'm> {
    pub translation: Translation<'m>,
    pub ids: Ids,
    pub vault: Vault,
    pub findings: Vec<Finding>,
    /// The ids that new documents bring along, in lower case, and whose they are.
    pub given: BTreeMap<(usize, String), u64>,
    /// Ids that dangle in the bundle and name documents of the target, by the kind they were meant for.
    pub strangers: HashMap<(KindName, String), Reference>,
    /// Ids that dangle in the bundle, in lower case: the import must not give them out.
    pub loose: HashSet<(usize, String)>,
    pub options: ImportOptions,
    /// The ids that stand outside references in the bundle.
    pub handover: Handover,
    pub resettle: Resettle,
    /// Parts of the bundle that the target will not have since their documents are skipped, by target and folded
    /// key.
    pub skipped_parts: HashMap<(Target, String), SkippedPart>,
    /// Why documents are skipped that the target does not have, by kind and folded key.
    pub skipped: HashMap<(KindName, String), String>,
    /// The columns that the target's tables lack.
    pub omitted: Omitted,
    /// What documents of two names will be called.
    pub called: Called,
    /// Which documents are taken, and how.
    pub chosen: Chosen,
    /// Whether documents become what they are in the bundle, without the model's rules for joining: an import
    /// is taken back.
    pub exact: bool,
    /// The notes of the model on what is written.
    pub noted: Vec<Noted>,
    /// What the server counted in rows since they were decided on, by the numbers of their documents.
    pub refreshed: HashMap<u64, Raw>,
    /// How many documents were decided on.
    pub decisions: u64,
    /// What is to be deleted in the target.
    pub deletions: Vec<Deletion>,
    /// Values that a foreign key asks a row for which the target does not have yet, while it is planned.
    pub loose_values: Vec<Loose>,
    /// The unique values of what is written, while it is planned.
    pub clashes: Option<Clashes>,
    pub secrets: Option<&'x DataKey>,
    pub master_key: Option<&'x MasterKey>,
    pub seen_key: &'x FingerprintKey,
}

impl<'m> Examiner<'_, 'm> {
    pub fn layouts(&self) -> &Layouts<'m> {
        &self.translation.layouts
    }

    pub(in crate::ops) fn model(&self) -> &'m Model {
        self.translation.layouts.model
    }

    /// The id that a document has in the target; `None` where its kind has no ids, or it is not there yet.
    pub fn id_of(&self, layout: &Layout<'_>, key: &Key) -> Option<Id> {
        match self.ids.get(Target::Kind(layout.index), key) {
            Some(Known::Found(id)) => id.clone(),
            _ => None,
        }
    }

    pub fn find(&mut self, kind: &str, name: String, problem: impl Into<String>) {
        let finding = Finding { kind: kind.to_owned(), name, problem: problem.into() };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// Takes what could not be read of the target among the findings.
    pub(in crate::ops) fn take_faults(&mut self) {
        let read = self.translation.take_faults();
        let found = self.ids.take_faults();
        for faults in [read, found] {
            self.find_faults(&faults);
        }
    }

    /// Makes findings of what could not be read.
    pub(in crate::ops) fn find_faults(&mut self, faults: &Faults) {
        for error in faults.first() {
            if let Some((kind, name)) = error.subject() {
                self.find(kind.as_str(), name.to_owned(), format!("in the target: {}", error.with_causes()));
            }
        }
        if faults.more() > 0 {
            self.find(
                "",
                String::new(),
                format!("the target has {} more rows that cannot be read", faults.more()),
            );
        }
    }
}

/// Why the target will not have a part of the bundle.
pub(in crate::ops) struct SkippedPart {
    /// The document that holds it.
    pub owner: Reference,
    /// Why that is skipped.
    pub reason: String,
    /// Whether the target has that document and the model can join the two.
    pub joins: bool,
}

/// What an id named at the source; `None` where the bundle does not say.
pub(in crate::ops) type Meaning = Option<Reference>;

/// The ids that stand outside references in a bundle.
#[derive(Default)]
pub(in crate::ops) struct Handover {
    /// To find them in documents.
    pub ids: Option<undeclared::Ids>,
    /// What they named at the source, by the kind of the documents that hold them and the folded id. Bundles of
    /// several servers may have several meanings.
    pub meanings: HashMap<(KindName, String), Vec<Meaning>>,
    /// The ids alone, folded, with a spelling of each.
    pub texts: BTreeMap<String, String>,
    pub collation: Collation,
    /// What they name in the target, and for people.
    pub named: HashMap<String, Vec<(Meaning, String)>>,
    /// Ids that are to be written and name nothing in the target yet: document, place, id.
    pub pending: Vec<(Reference, String, String)>,
    /// Where secrets stand although no rule names them.
    pub secrets: KnownSecrets,
    /// What cannot be looked at, by the kind of the documents; of any kind where the bundle does not say.
    pub blind: Vec<(Option<KindName>, String)>,
}

impl Handover {
    /// Whether the import must not give an id out, since text of the bundle would name it.
    pub fn avoids(&self, id: &Id) -> bool {
        !self.texts.is_empty() && self.texts.contains_key(&self.collation.fold(&id.to_string()))
    }
}

/// A value of a written document that leads to no row of the target, which may come with this import.
pub(in crate::ops) struct Loose {
    pub kind: String,
    pub name: String,
    /// The table that it leads to, in lower case, and the value in lower case.
    pub to: (String, String),
    pub problem: String,
}

/// A note of the model on a document that is written.
pub(in crate::ops) struct Noted {
    /// The document's number in the bundle.
    pub number: u64,
    pub kind: usize,
    pub key: Key,
    /// The note, by its position in the kind.
    pub note: usize,
}

/// A document of the target that is to be deleted.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Deletion {
    /// The number of its entry in the plan.
    pub number: u64,
    /// Its kind, by its position in the model.
    pub kind: usize,
    /// What names its row.
    pub row: Id,
}
