//! What an import does to a document of a bundle: found in the target, compared, merged, adapted.
//!
//! Planning and applying both examine documents here, so that what is shown is what is done.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::bundle::{self, Bundle};
use crate::crypto::SecretBytes;
use crate::document::{Document, Key, Place, SecretId, Value, canonical};
use crate::model::{Missing, NewLocal, Target};
use crate::plan::{
    Action, Entry, Policy, Seen, add_missing, changes, keep_secrets, lost_secrets, merge, respell, take_out,
};
use crate::server::{Lookup, Reader, Row};

use super::relied::fingerprint_of;
use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::adapt::Adapted;
use crate::ops::import::resolve::examined::{Encoded, Examined, Source};
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::rules::limits::{LimitLosses, Limits};
use crate::ops::rules::misplaced::misplaced;
use crate::ops::rules::secret_losses::SecretLosses;
use crate::ops::rules::validate::invalid;
use crate::ops::translate::{Existing, Id, Known, Layout, Portable, ServerSecrets, Vault};

/// How many bytes of the target's rows are compared together, about.
const EXISTING_BYTES: usize = 4 << 20;

/// Rows of the target with the numbers of the bundle's documents that they answer.
type NumberedRows = Vec<(u64, Row)>;

impl<'m> Examiner<'_, 'm> {
    /// Examines documents of one kind together: as many as have small enough counterparts in the target. The
    /// others are left in `open`, which is to be examined again until it is empty.
    pub fn examine(
        &mut self,
        reader: &mut dyn Reader,
        bundle: &Bundle,
        kind: usize,
        open: &mut Vec<Encoded>,
    ) -> Result<Vec<Examined>, ImportError> {
        self.vault.clear();
        let mut encoded = std::mem::take(open);
        let Some(layout) = self.layouts().at(kind).cloned() else { return Ok(Vec::new()) };
        encoded.retain(|one| !self.resettle.leaves_out(&one.entry));
        let (rows, later) = self.existing_rows(reader, &layout, &encoded)?;
        let mut position = 0;
        open.extend(encoded.extract_if(.., |_| {
            position += 1;
            later.contains(&(position - 1))
        }));
        let mut existing = self.existing(reader, &layout, rows)?;
        let mut examined = Vec::with_capacity(encoded.len());
        let mut sources = Vec::new();
        for one in encoded {
            if let Some(theirs) = existing.get(&one.entry.number)
                && let Some(content) = self.equals(bundle, &one, theirs)?
            {
                let theirs = existing.remove(&one.entry.number);
                examined.extend(theirs.map(|theirs| self.unchanged(&layout, one.entry, theirs, &content)));
                continue;
            }
            let mut source = self.open(bundle, one)?;
            layout.respell_columns(&mut source.document.columns);
            sources.push(source);
        }
        self.look_up_references(reader, &sources)?;
        self.bind_fixed(reader, &mut sources)?;
        self.look_up_dangling(reader, &sources)?;
        let mut adapted = Vec::with_capacity(sources.len());
        for Source { entry, mut document } in sources {
            let done = match self.chosen.leaves_out(entry.number) {
                // Nothing can be wrong with what is not taken.
                Some(reason) => Adapted { skip: Some(reason.to_owned()), ..Adapted::default() },
                None => self.adapt(&layout, &mut document),
            };
            adapted.push((entry, document, done));
        }
        self.skip_unreadable(&layout, &mut adapted, &existing);
        let new = adapted
            .iter()
            .filter(|(entry, _, done)| done.skip.is_none() && !existing.contains_key(&entry.number));
        self.check_given_ids(reader, &layout, new.map(|(entry, ..)| entry).collect())?;
        for (entry, document, done) in adapted {
            let theirs = existing.remove(&entry.number);
            examined.push(self.decide(reader, &layout, entry, document, done, theirs)?);
        }
        // What was joined from the target refers to documents that only the target has.
        let written = examined.iter().filter(|e| e.existing.is_some() && e.entry.action.writes());
        self.find_references(reader, written.map(|e| &e.document))?;
        if self.clashes.is_some() {
            self.note_loose_values(reader, &layout, &examined)?;
        }
        self.note_unique_values(reader, &layout, &examined)?;
        self.take_faults();
        Ok(examined)
    }

    /// Opens a document's secrets, under the names they were sealed under, and renames it for the target.
    fn open(&mut self, bundle: &Bundle, encoded: Encoded) -> Result<Source, ImportError> {
        let mut source = encoded.decode(bundle)?;
        if let Some(key) = self.secrets {
            self.vault.open(bundle, &source.entry, &mut source.document, key)?;
        }
        self.resettle.source(&self.translation.layouts, &mut source);
        Ok(source)
    }

    /// Says whether a document is to be created, as far as is known.
    pub fn is_open(&self, kind: usize, entry: &bundle::Entry) -> bool {
        let planned = |key: &Key| self.ids.get(Target::Kind(kind), key) == Some(Known::Planned);
        match self.resettle.renames_nothing() {
            true => planned(&entry.key),
            false => planned(&self.resettle.key(self.layouts(), &entry.kind, entry.key.clone())),
        }
    }

    /// Settles which documents are left out because what they need is missing, before anything that refers to
    /// them is looked at. Says whether any was. References to parts are not settled yet. `waiting` gets the numbers of
    /// those for which that depends on other documents of the bundle.
    pub fn settle(
        &mut self,
        reader: &mut dyn Reader,
        kind: usize,
        sources: &[Source],
        waiting: &mut HashSet<u64>,
    ) -> Result<bool, ImportError> {
        let Some(layout) = self.layouts().at(kind).cloned() else { return Ok(false) };
        let model = self.model();
        let mut settled = false;
        let decides = |rule: usize| {
            let rule = layout.kind.references.get(rule);
            rule.is_some_and(|rule| rule.missing == Missing::Skip || rule.limits.is_some())
        };
        let mut wanted: BTreeMap<Target, Vec<Key>> = BTreeMap::new();
        for Source { document, .. } in sources {
            layout.kind.each_reference(&document.columns, document.body.as_ref(), &mut |rule, value| {
                if let Value::Ref(reference) = value
                    && let Some(target @ Target::Kind(_)) = model.target(&reference.kind)
                    && decides(rule)
                {
                    wanted.entry(target).or_default().push(reference.key.clone());
                }
            });
        }
        let wanted = wanted.iter().map(|(target, keys)| (*target, keys.iter().collect())).collect();
        self.ids.find_all(reader, &self.translation.layouts, &wanted)?;
        for Source { entry, document } in sources {
            let (mut skip, mut drops, mut depends) = (false, false, false);
            let gone = |rule: usize, value: &Value| {
                let Value::Ref(reference) = value else { return None };
                let target = model.target(&reference.kind).filter(|target| matches!(target, Target::Kind(_)));
                target.filter(|_| decides(rule) && self.ids.is_gone(self.layouts(), reference))?;
                layout.kind.references.get(rule).map(|rule| rule.missing)
            };
            layout.kind.each_reference(&document.columns, document.body.as_ref(), &mut |rule, value| {
                match gone(rule, value) {
                    Some(missing) => {
                        skip |= missing == Missing::Skip;
                        drops |= missing == Missing::Drop;
                    }
                    None => {
                        if let Value::Ref(reference) = value
                            && let Some(target @ Target::Kind(_)) = model.target(&reference.kind)
                        {
                            let planned = self.ids.get(target, &reference.key) == Some(Known::Planned);
                            depends |= planned && decides(rule);
                        }
                    }
                }
            });
            let mut limited = false;
            if drops && !skip {
                let mut left = document.clone();
                let dropped = |missing| missing == Some(Missing::Drop);
                take_out(layout.kind, &mut left, &mut |rule, value| dropped(gone(rule, value)));
                limited = Limits::of(&layout, document).widened(&Limits::of(&layout, &left)).is_some();
            }
            if skip || limited {
                self.ids.set(Target::Kind(kind), &document.key, Known::Absent);
                settled = true;
            } else if depends {
                waiting.insert(entry.number);
            }
        }
        Ok(settled)
    }

    /// Fetches the target's rows for documents, by the documents' numbers, as many as are worked on together;
    /// and says which documents, by position, must wait for that.
    fn existing_rows(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        sources: &[Encoded],
    ) -> Result<(NumberedRows, HashSet<usize>), ImportError> {
        let mut wanted: Vec<usize> = Vec::new();
        let mut keys: Vec<Vec<Value>> = Vec::new();
        for (position, Encoded { entry, .. }) in sources.iter().enumerate() {
            let key = self.resettle.key(&self.translation.layouts, &entry.kind, entry.key.clone());
            let values = match (self.ids.get(Target::Kind(layout.index), &key), &layout.id) {
                (Some(Known::Found(Some(id))), Some(_)) => {
                    // It was found by its key: which of several of one name it is needs no second search.
                    let ordinal = self.ids.columns_of(&self.translation.layouts, layout, &key);
                    if let Some((ordinal, _)) = ordinal {
                        self.translation.know_ordinal(layout, &id, ordinal);
                    }
                    Some(vec![id.to_value()])
                }
                (Some(Known::Found(None)), None) => {
                    self.ids.columns_of(&self.translation.layouts, layout, &key).map(|(_, columns)| columns)
                }
                _ => None,
            };
            if let Some(values) = values {
                wanted.push(position);
                keys.push(values);
            }
        }
        if wanted.is_empty() {
            return Ok((Vec::new(), HashSet::new()));
        }
        let columns = layout.select();
        let by = match &layout.id {
            Some(id) => vec![id.as_str()],
            None => layout.key_columns(),
        };
        let lookup = Lookup { table: &layout.table, columns: &columns, by: &by, keys: &keys };
        let mut rows = NumberedRows::new();
        let later = reader.lookup_some(&lookup, EXISTING_BYTES, &mut |found, row| {
            let source = wanted.get(found).and_then(|position| sources.get(*position));
            rows.extend(source.map(|source| (source.entry.number, row)));
        })?;
        Ok((rows, later.into_iter().filter_map(|found| wanted.get(found).copied()).collect()))
    }

    /// Reads the target's rows as documents; both by the numbers of the bundle's.
    fn existing(
        &mut self,
        reader: &mut dyn Reader,
        layout: &Layout<'_>,
        rows: NumberedRows,
    ) -> Result<HashMap<u64, Portable>, ImportError> {
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let numbers: HashMap<Id, u64> = rows.iter().map(|(n, row)| (layout.row_id(row), *n)).collect();
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        let secrets = ServerSecrets::Read(self.master_key);
        let read = self.translation.read(reader, layout.index, rows, secrets, &mut self.vault)?;
        Ok(read.into_iter().filter_map(|p| numbers.get(&p.row).map(|number| (*number, p))).collect())
    }

    /// Says of a document whether the target has just that: then what both say, canonically. What the bundle has no
    /// secrets for is kept as it is.
    fn equals(
        &self,
        bundle: &Bundle,
        one: &Encoded,
        theirs: &Portable,
    ) -> Result<Option<Vec<u8>>, ImportError> {
        if !self.resettle.renames_nothing() || self.chosen.leaves_out(one.entry.number).is_some() {
            return Ok(None);
        }
        let content = canonical::encode(&theirs.document)?;
        if content != one.bytes {
            return Ok(None);
        }
        if let (Some(key), 1..) = (self.secrets, one.entry.secrets) {
            let mut held = Vec::new();
            theirs.document.each(&mut |value| {
                if let Value::Secret(secret) = value {
                    held.push(self.vault.value(*secret));
                }
            });
            let values = bundle.secrets(&one.entry, &theirs.document, key)?;
            let same = |(ours, theirs): (Option<SecretBytes>, Option<&SecretBytes>)| match (ours, theirs) {
                (Some(ours), theirs) => theirs.is_some_and(|theirs| theirs.same(&ours)),
                (None, _) => true,
            };
            if !values.into_iter().zip(held).all(same) {
                return Ok(None);
            }
        }
        Ok(Some(content))
    }

    /// What an import does with a document that the target has just so.
    fn unchanged(
        &mut self,
        layout: &Layout<'_>,
        entry: bundle::Entry,
        theirs: Portable,
        content: &[u8],
    ) -> Examined {
        self.decisions += 1;
        self.know_parts(layout, &theirs);
        self.keep_free(&theirs.document, &mut Vec::new());
        let seen = Some(self.seen(&theirs.document, content));
        let bundle::Entry { number, kind, key, .. } = entry;
        let (changes, notes) = Default::default();
        Examined {
            entry: Entry {
                number,
                kind,
                key,
                action: Action::Unchanged,
                reason: None,
                changes,
                notes,
                seen,
                result: None,
            },
            document: theirs.document,
            existing: None,
            losses: SecretLosses::default(),
            limits: LimitLosses::default(),
        }
    }

    /// The fingerprint of what the target holds, by what that says canonically.
    pub fn seen(&self, document: &Document, content: &[u8]) -> Seen {
        let blind = Vault::new();
        fingerprint_of(
            document,
            content,
            if self.options.blind { &blind } else { &self.vault },
            self.seen_key,
        )
    }

    fn decide(
        &mut self,
        reader: &dyn Reader,
        layout: &Layout<'_>,
        entry: bundle::Entry,
        mut document: Document,
        done: Adapted,
        theirs: Option<Portable>,
    ) -> Result<Examined, ImportError> {
        self.decisions += 1;
        let Adapted { skip, mut notes, losses: mut limits, omitted } = done;
        let target = Target::Kind(layout.index);
        let collation = self.model().collation;
        let policy = self.chosen.policy(&self.options, layout.kind, &entry.key, collation);
        let mut found = Vec::new();
        self.keep_theirs(layout, &mut document, theirs.as_ref());
        theirs.iter().for_each(|theirs| self.know_parts(layout, theirs));
        let joins = !(self.exact || layout.kind.merges.is_empty() || policy == Some(Policy::Overwrite));
        let (action, reason) = match (&skip, &theirs) {
            (Some(reason), _) => (Action::Skip, Some(reason.clone())),
            (None, None) => (Action::Create, None),
            (None, Some(theirs)) => {
                // A column that only the target's generation has stays as it is there.
                for (column, value) in theirs.document.columns.iter() {
                    if document.columns.get(column).is_none() {
                        document.columns.insert(column, value.clone());
                    }
                }
                // An id that is part of the key stays as the target spells it.
                let own = layout.own_key.and_then(|position| layout.content.get(position));
                if let Some(own) = own
                    && let Some(value) = theirs.document.columns.get(&own.name)
                {
                    document.columns.insert(own.name.clone(), value.clone());
                }
                // Most documents of a repeated import are equal: nothing is to be joined or compared.
                if document.columns != theirs.document.columns || document.body != theirs.document.body {
                    respell(&mut document, &theirs.document, collation);
                    let complete = if joins { merge } else { keep_secrets };
                    document = complete(layout.kind, document, &theirs.document, collation);
                    found = changes(Some(layout.kind), &theirs.document, &document, collation);
                }
                let kind = &layout.kind.name;
                match (found.is_empty(), policy) {
                    (true, _) => (Action::Unchanged, None),
                    (false, Some(Policy::Fail)) => {
                        let problem =
                            format!("the target has it otherwise, and the policy for {kind} is fail");
                        self.find(kind.as_str(), entry.key.path(), problem.clone());
                        (Action::Skip, Some(problem))
                    }
                    (false, Some(Policy::Skip)) => {
                        (Action::Skip, Some(format!("the policy for {kind} is skip")))
                    }
                    (false, Some(Policy::Add) | None) if policy.is_some() || !self.options.overwrite => {
                        let grown = add_missing(layout.kind, &document, &theirs.document, collation);
                        match (grown, policy) {
                            (Some(grown), _) => {
                                found = changes(Some(layout.kind), &theirs.document, &grown, collation);
                                document = grown;
                                (Action::Merge, Some(Entry::ONLY_ADDED.to_owned()))
                            }
                            (None, Some(_)) => (
                                Action::Skip,
                                Some(format!("the policy for {kind} is add, and nothing is to be added")),
                            ),
                            (None, None) => {
                                (Action::Skip, Some("the target has it; --overwrite replaces it".to_owned()))
                            }
                        }
                    }
                    (false, _) if joins => (Action::Merge, None),
                    (false, _) => (Action::Update, None),
                }
            }
        };
        let fixed = |id: Id| layout.kind.id.as_ref().is_some_and(|rule| rule.is_fixed(&id.to_string()));
        if let Some(theirs) = theirs.as_ref().filter(|_| !self.exact && Id::of(&entry.id).is_some_and(fixed))
        {
            self.called.note(layout, &entry.key, &theirs.document.key, action.writes());
        }
        let mut losses = SecretLosses::default();
        if let (Action::Skip, Some(reason)) = (action, &reason) {
            limits.parts = 0;
            self.skip_parts(layout, &document, reason, theirs.is_some());
            if theirs.is_none() && self.chosen.leaves_out(entry.number).is_none() {
                let named = (entry.kind.clone(), entry.key.folded(collation));
                self.skipped.insert(named, reason.clone());
            }
        } else {
            self.omitted.note(layout, &entry.key.path(), omitted);
        }
        if action.writes() {
            self.check_needed(layout, &document, theirs.is_none());
            self.note(layout, entry.number, &document);
            self.look_at_undeclared(layout, &document, theirs.as_ref().map(|theirs| &theirs.document));
            let lost = theirs
                .as_ref()
                .map(|theirs| lost_secrets(layout.kind, &theirs.document, &document, collation));
            losses = SecretLosses::of(&document, &lost.unwrap_or_default(), &mut notes);
            self.look_at_encrypted(layout, &document, theirs.as_ref().map(|theirs| &theirs.document));
            let undeclared = |place: &Place| self.is_undeclared_secret(&layout.kind.name, place);
            let mut wrong = misplaced(layout, self.model(), &document, &undeclared);
            wrong.extend(self.plan_parts(layout, &document));
            wrong.extend(self.unfit(reader, layout, &document)?);
            let invalid = invalid(layout, self.model(), &document, &mut notes);
            if self.options.accept_invalid { &mut notes } else { &mut wrong }.extend(invalid);
            for problem in wrong {
                self.find(layout.kind.name.as_str(), entry.key.path(), problem);
            }
        } else if theirs.is_none() && !matches!(self.ids.get(target, &entry.key), Some(Known::Found(_))) {
            self.ids.set(target, &entry.key, Known::Absent);
        }
        let print = |document: &Document| -> Result<Seen, canonical::TooLarge> {
            Ok(self.seen(document, &canonical::encode(document)?))
        };
        let seen = theirs.as_ref().map(|theirs| print(&theirs.document)).transpose()?;
        let result = action.writes().then(|| print(&document)).transpose()?;
        Ok(Examined {
            entry: Entry {
                number: entry.number,
                kind: entry.kind,
                key: entry.key,
                action,
                reason,
                changes: found,
                notes,
                seen,
                result,
            },
            document,
            existing: theirs.map(Existing::from),
            losses,
            limits,
        })
    }

    /// Finds wrong that a document has nothing for a column that must hold something.
    fn check_needed(&mut self, layout: &Layout<'_>, document: &Document, created: bool) {
        for column in layout.content.iter().filter(|column| !column.nullable) {
            let filled = column.has_default || column.identity;
            let value = document.columns.get(&column.name);
            let secret = value == Some(&Value::Secret(SecretId::UNKNOWN));
            let lacking = match value {
                // An old row keeps what it has, and a new one gets the default.
                None if column.carried => created && !filled,
                None => {
                    let local =
                        layout.kind.local.iter().find(|l| l.at.column.as_deref() == Some(&column.name));
                    created && !filled && local.is_some_and(|local| local.new == NewLocal::None)
                }
                // What is written is written, whatever the default.
                Some(value) => value.is_null() || secret,
            };
            if lacking {
                let problem = match secret {
                    true => format!(
                        "has no value for the secret {}, which the target's table needs: export it with secrets, or leave it out with --except",
                        column.name
                    ),
                    false => format!("has no value for {}, which the target's table needs", column.name),
                };
                self.find(layout.kind.name.as_str(), document.key.path(), problem);
            }
        }
    }
}
