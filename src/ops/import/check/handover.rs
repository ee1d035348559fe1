//! What the exporter was told, looked at again on the way into a target: the importer is another person.
//!
//! An id that stands where the model knows of no reference travels as it is. In the target it may name another
//! document than at the source, and nobody would notice; the bundle says what each such id named there. So the ids
//! are looked up in the target, and where one names something else, the documents that would bring it stop the plan.
//! The ids that the import itself gives out are looked at too, and none is made that such text would name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::bundle::{Bundle, Notice};
use crate::crypto::is_encrypted_form;
use crate::document::{Document, Key, KindName, Place, Reference, Value};
use crate::model::{NewPartId, Target};
use crate::plan::{Action, Plan, SourceExample, SourceNotice};
use crate::server::Reader;

use crate::ops::export::undeclared::{
    Hit, Ids, KnownSecrets, UNDECLARED, UNDECLARED_SECRET, UnknownTable, confirm, confirm_rows, hits,
    unknown_tables, without_numbers,
};
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::{Examiner, Handover, Meaning};
use crate::ops::translate::{Id, Known, Layout};

/// How many examples a plan keeps of a notice, and how many notices: a bundle may hold a million.
const EXAMPLES: usize = 3;
const NOTICES: usize = 1000;

/// How many places are remembered whose ids nothing in the target has so far.
const PENDING: usize = 100_000;

impl Examiner<'_, '_> {
    /// Looks up in the target what the notices of the bundle are about.
    pub(in crate::ops) fn take_over(
        &mut self,
        notices: Vec<Notice>,
        reader: &mut dyn Reader,
    ) -> Result<(), ImportError> {
        let collation = self.model().collation;
        let secrets = KnownSecrets::of(notices.iter().filter(|notice| notice.place.is_some()).cloned());
        let mut handover = Handover { collation, secrets, ..Handover::default() };
        for notice in notices {
            let Notice { code, kind, place, value, names_kind, names_key, count, text, .. } = notice;
            let Some(kind) = kind else {
                if [UNDECLARED, UNDECLARED_SECRET].contains(&code.as_str()) {
                    handover.blind.push((None, text));
                }
                continue;
            };
            let (kind, place) = (KindName::new(&kind), place.unwrap_or_default());
            match (code.as_str(), value) {
                (UNDECLARED, Some(id)) => {
                    let names = names_kind.zip(names_key).and_then(|(kind, key)| {
                        let kind = KindName::new(&kind);
                        let key = Key::parse(&key).ok()?;
                        let key = self.resettle.key(self.layouts(), &kind, key);
                        Some(Reference { kind, key })
                    });
                    let folded = collation.fold(&id);
                    handover.texts.entry(folded.clone()).or_insert(id);
                    handover.meanings.entry((kind, folded)).or_default().push(names);
                }
                (UNDECLARED, None) => handover.blind.push((
                    Some(kind),
                    format!("{count} more ids stand at {place}, where the model knows of no reference, and the bundle does not list them"),
                )),
                _ => {}
            }
        }
        handover.ids = Some(Ids::of(handover.texts.values().map(String::as_str), collation))
            .filter(|_| !handover.texts.is_empty());
        if !self.options.accept_undeclared {
            handover.named = self.named_in_target(reader, &handover.texts)?;
        }
        self.handover = handover;
        Ok(())
    }

    /// What of the target some texts are the ids of.
    fn named_in_target(
        &mut self,
        reader: &mut dyn Reader,
        texts: &BTreeMap<String, String>,
    ) -> Result<HashMap<String, Vec<(Meaning, String)>>, ImportError> {
        let model = self.model();
        let mut named: HashMap<String, Vec<(Meaning, String)>> = HashMap::new();
        if texts.is_empty() {
            return Ok(named);
        }
        let mut targets: Vec<Target> = Vec::new();
        for layout in self.layouts().iter().filter(|layout| !layout.borrows_id()) {
            targets.push(Target::Kind(layout.index));
            let parts = layout.kind.parts.iter().enumerate();
            let parts = parts.filter(|(_, part)| matches!(part.new, NewPartId::Numbered(_)));
            targets.extend(parts.map(|(part, _)| Target::Part { kind: layout.index, part }));
        }
        // As its beginning tells: not every id is looked for in every table.
        let mut asked: BTreeMap<Target, Vec<&str>> = BTreeMap::new();
        let texts: Vec<&str> = texts.values().map(String::as_str).collect();
        for text in &texts {
            for target in model.likely(&targets, text).iter() {
                let rule = model.kind_at(target.kind()).and_then(|kind| kind.id.as_ref());
                if !rule.is_some_and(|rule| rule.is_fixed(text)) {
                    asked.entry(*target).or_default().push(text);
                }
            }
        }
        for (target, texts) in asked {
            let found = confirm(reader, &mut self.translation, target, &texts)?;
            let ids = found.iter().map(|text| (target, Id::Text(text.clone())));
            self.translation.learn(reader, ids.collect())?;
            for text in found {
                let theirs = self.translation.name(&[target], &Id::Text(text.clone()));
                let shown = match &theirs {
                    Some(theirs) => theirs.to_string(),
                    None => model.target_name(target).map(ToString::to_string).unwrap_or_default(),
                };
                named.entry(model.collation.fold(&text)).or_default().push((theirs, shown));
            }
        }
        for UnknownTable { name, id } in unknown_tables(reader.catalog(), model) {
            let Some(id) = id else { continue };
            for text in confirm_rows(reader, &name, &id, &texts)? {
                let shown = format!("a row of the table {name}");
                named.entry(model.collation.fold(&text)).or_default().push((None, shown));
            }
        }
        Ok(named)
    }

    /// Looks at the ids that a document would bring into the target outside its references, but for those that the
    /// target's own document holds at the same place.
    pub(in crate::ops) fn look_at_undeclared(
        &mut self,
        layout: &Layout<'_>,
        document: &Document,
        theirs: Option<&Document>,
    ) {
        let Some(ids) = self.handover.ids.as_ref().filter(|_| !self.options.accept_undeclared) else {
            return;
        };
        let model = self.model();
        let held = |document: &Document| -> BTreeSet<(String, String)> {
            let hits = hits(ids, model, layout, document);
            hits.into_iter().map(|Hit { place, id, .. }| (place, id)).collect()
        };
        let mut brought = held(document);
        if brought.is_empty() {
            return;
        }
        let there = theirs.map(held).unwrap_or_default();
        brought.retain(|hit| !there.contains(hit));
        let own = Reference { kind: layout.kind.name.clone(), key: document.key.clone() };
        let mut problems = Vec::new();
        for (place, id) in brought {
            match self.named_otherwise(&own.kind, &id) {
                Some(problem) => problems.push(format!("{place} {problem}")),
                None if self.handover.pending.len() < PENDING => {
                    self.handover.pending.push((own.clone(), place, id));
                }
                None => {}
            }
        }
        for problem in problems {
            self.find(own.kind.as_str(), own.key.to_string(), problem);
        }
    }

    /// Whether the bundle says that a secret stands at a path where no rule names one.
    pub(in crate::ops) fn is_undeclared_secret(&self, kind: &KindName, place: &Place) -> bool {
        // What is taken back or copied is what a server held.
        self.exact || self.handover.secrets.has(kind, place)
    }

    /// Finds text that a document would bring into the target encrypted under the source's key: a bundle that was not
    /// exported by us may hold it where it says that a secret stands.
    pub(in crate::ops) fn look_at_encrypted(
        &mut self,
        layout: &Layout<'_>,
        document: &Document,
        theirs: Option<&Document>,
    ) {
        let (kind, secrets) = (&layout.kind.name, &self.handover.secrets);
        if self.options.accept_undeclared || secrets.has_none_of(kind) {
            return;
        }
        let mut problems = Vec::new();
        document.visit(&mut |place, value| {
            if matches!(value, Value::Text(text) if is_encrypted_form(text))
                && secrets.has(kind, place)
                && theirs.and_then(|theirs| theirs.at(place)) != Some(value)
            {
                problems.push(format!(
                    "holds text at {place} that is encrypted under the source's key, where the model knows of no \
                     secret: the target could not read it; --accept-undeclared writes it anyway"
                ));
            }
        });
        for problem in problems {
            self.find(kind.as_str(), document.key.path(), problem);
        }
    }

    /// What is wrong with an id that documents of a kind hold outside their references, if it names something else
    /// in the target than at the source.
    fn named_otherwise(&self, kind: &KindName, id: &str) -> Option<String> {
        let folded = self.handover.collation.fold(id);
        let meanings = self.handover.meanings.get(&(kind.clone(), folded.clone()))?;
        let collation = self.model().collation;
        let same = |theirs: &Reference| {
            let means = |meaning: &Meaning| {
                meaning.as_ref().is_some_and(|ours| {
                    ours.kind == theirs.kind && ours.key.folded(collation) == theirs.key.folded(collation)
                })
            };
            meanings.iter().all(means)
        };
        let named = self.handover.named.get(&folded)?;
        let (_, theirs) = named.iter().find(|(theirs, _)| !theirs.as_ref().is_some_and(same))?;
        let ours = match meanings.iter().flatten().next() {
            Some(ours) => format!("named {ours} at the source"),
            None => "named something at the source that the bundle does not say".to_owned(),
        };
        Some(format!(
            "holds {id:?}, which {ours} and is {theirs} in the target, and the model knows of no reference there; \
             --accept-undeclared writes it anyway"
        ))
    }

    /// Looks whether what the import creates gets an id that text of the bundle would name: by the numbers of the
    /// documents that bring their ids along, or after all ids were given out.
    pub(in crate::ops) fn look_at_created(
        &mut self,
        bundle: &Bundle,
        plan: &Plan,
    ) -> Result<(), ImportError> {
        if self.handover.pending.is_empty() {
            return Ok(());
        }
        let layouts = self.layouts().clone();
        let mut created: Vec<(String, Reference)> = Vec::new();
        let texts = &self.handover.texts;
        let of_its_own = |kind: usize| layouts.at(kind).is_some_and(|layout| !layout.borrows_id());
        let given = self.given.iter().filter(|((kind, id), _)| texts.contains_key(id) && of_its_own(*kind));
        for ((_, id), number) in given {
            let entry = bundle.entry(*number)?;
            let key = self.resettle.key(&layouts, &entry.kind, entry.key);
            created.push((id.clone(), Reference { kind: entry.kind, key }));
        }
        for entry in plan.entries.iter().filter(|entry| entry.action == Action::Create) {
            let own = Reference { kind: entry.kind.clone(), key: entry.key.clone() };
            let Some(target) = self.model().target(&entry.kind) else { continue };
            if let Some(Known::Found(Some(id))) = self.ids.get(target, &entry.key)
                && of_its_own(target.kind())
                && self.handover.avoids(&id)
            {
                created.push((self.handover.collation.fold(&id.to_string()), own));
            }
        }
        for (id, own) in created {
            let shown = format!("{own}, which this import creates,");
            self.handover.named.entry(id).or_default().push((Some(own), shown));
        }
        for (own, place, id) in std::mem::take(&mut self.handover.pending) {
            match self.named_otherwise(&own.kind, &id) {
                Some(problem) => {
                    self.find(own.kind.as_str(), own.key.to_string(), format!("{place} {problem}"))
                }
                None => self.handover.pending.push((own, place, id)),
            }
        }
        Ok(())
    }

    /// Stops the plan for what cannot be looked at, where documents of the kind would be written.
    pub(in crate::ops) fn look_at_unlisted(&mut self, plan: &Plan) {
        if self.options.accept_undeclared {
            return;
        }
        let written: HashSet<&KindName> =
            plan.entries.iter().filter(|entry| entry.action.writes()).map(|entry| &entry.kind).collect();
        for (kind, problem) in std::mem::take(&mut self.handover.blind) {
            if kind.as_ref().map_or(!written.is_empty(), |kind| written.contains(kind)) {
                let problem = format!("{problem}; --accept-undeclared writes it anyway");
                self.find(kind.as_ref().map(KindName::as_str).unwrap_or_default(), String::new(), problem);
            }
        }
    }
}

/// The notices of a bundle for a plan: what is said of one path of one kind is one of them.
pub(in crate::ops) fn told(notices: &[Notice]) -> Vec<SourceNotice> {
    let mut told: Vec<SourceNotice> = Vec::new();
    let mut at: HashMap<(&str, Option<&str>, Option<String>), usize> = HashMap::new();
    let mut left_out = 0u64;
    for notice in notices {
        let path = notice.place.as_deref().map(without_numbers);
        let group = (notice.code.as_str(), notice.kind.as_deref(), path.clone());
        let alone = notice.place.is_none();
        let position = match at.get(&group).filter(|_| !alone) {
            Some(known) => *known,
            None if told.len() >= NOTICES => {
                left_out += 1;
                continue;
            }
            None => {
                at.insert(group, told.len());
                told.push(SourceNotice {
                    code: notice.code.clone(),
                    kind: notice.kind.clone(),
                    place: path,
                    text: notice.text.clone(),
                    ..SourceNotice::default()
                });
                told.len() - 1
            }
        };
        let Some(known) = told.get_mut(position) else { continue };
        known.count = known.count.saturating_add(notice.count);
        if known.examples.len() < EXAMPLES && (notice.key.is_some() || notice.value.is_some()) {
            known.examples.push(SourceExample {
                document: notice.key.as_deref().map(shown_key),
                value: notice.value.clone(),
                names: notice.names_kind.as_ref().map(|kind| match &notice.names_key {
                    Some(key) => format!("{kind} {}", shown_key(key)),
                    None => kind.clone(),
                }),
            });
        }
    }
    for notice in &mut told {
        if notice.code == "dangling" && notice.count > 1 {
            notice.text =
                format!("{} references name nothing on the source; the first: {}", notice.count, notice.text);
        }
    }
    if left_out > 0 {
        let text = format!("{left_out} more notices of the export; `sealift info` lists them all");
        told.push(SourceNotice { code: "more".to_owned(), count: left_out, text, ..SourceNotice::default() });
    }
    told
}

fn shown_key(key: &str) -> String {
    Key::parse(key).map_or_else(|_| key.to_owned(), |key| key.to_string())
}
