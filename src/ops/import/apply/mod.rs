//! What was decided, written: ids given out, rows made in one thread while the server takes those before.

pub(in crate::ops) mod allocate;
pub(in crate::ops) mod delete;
pub(in crate::ops) mod inserts;
pub(in crate::ops) mod written;

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::bundle::Bundle;
use crate::crypto::MasterKey;
use crate::document::{Document, Value};
use crate::model::Target;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::{Catalog, Transaction};

use super::request::error::ImportError;
use super::resolve::examiner::Examiner;
use super::work::{Work, Write};
use crate::ops::translate::{Existing, Id, Ids, Known, Layout, Layouts, Raw, Rendered, Renderer, Vault};
use crate::ops::undo::Keeping;
use allocate::{allocate, number_parts};
use delete::delete;
use inserts::{DocumentRows, Numbers, delete_derived};
use written::Written;

/// How many documents are written together, and how many bytes of them, about.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 2 << 20;

/// How many batches wait for the server.
const WAITING: usize = 2;

/// Writes what was decided.
#[allow(clippy::too_many_arguments, reason = "one call, in the order of an import")]
pub(in crate::ops) fn apply(
    bundle: &Bundle,
    transaction: &mut dyn Transaction,
    examiner: &mut Examiner<'_, '_>,
    plan: &Plan,
    work: &Work,
    written: &mut Written,
    mut keeping: Option<&mut Keeping<'_>>,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let order = writing_order(examiner, transaction.catalog());
    let deleted: HashSet<usize> = examiner.deletions.iter().map(|deletion| deletion.kind).collect();
    let kinds = order.iter().filter(|layout| deleted.contains(&layout.index));
    let mut numbers = Numbers::before_deletions(transaction.reader(), kinds)?;
    delete(transaction, examiner, &order, plan, work, written, keeping.as_deref_mut(), progress)?;
    allocate(bundle, transaction, examiner, plan, &mut numbers, written)?;
    number_parts(examiner, work)?;
    examiner.look_at_created(bundle, plan)?;
    // What only the ids that were given out could tell stops the import as a plan's findings do.
    if !examiner.findings.is_empty() {
        return Ok(());
    }
    let mut order: Vec<Layout<'_>> = order.into_iter().filter(|layout| work.count(layout) > 0).collect();
    for layout in &mut order {
        layout.follow_first_row(transaction.reader())?;
    }
    if let Some(keeping) = keeping.as_deref_mut() {
        keeping.learn_names(std::mem::take(&mut examiner.called));
    }
    progress.phase("writing", Some(order.iter().map(|layout| work.count(layout)).sum()));
    let making = Making {
        layouts: examiner.layouts(),
        ids: &examiner.ids,
        master_key: examiner.master_key,
        refreshed: &examiner.refreshed,
        work,
    };
    let mut sending = Sending { transaction, plan, written, keeping, numbers, progress };
    if progress.threads().get() == 1 {
        return making.send(&order, &mut sending);
    }
    thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Result<Batch, ImportError>>(WAITING);
        let (order, making) = (&order, &making);
        let started = thread::Builder::new().spawn_scoped(scope, move || {
            for layout in order {
                // Who does not listen any more has failed, and says so.
                match making.make(layout, &mut |batch| Ok(sender.send(Ok(batch)).is_ok())) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => return drop(sender.send(Err(error))),
                }
            }
        });
        // Where the system has no more threads, this one will do.
        if started.is_err() {
            return making.send(order, &mut sending);
        }
        // Dropped at the end, whatever that is, so that the other thread does not wait for ever.
        let batches = batches;
        let mut open = order.iter().map(|layout| (layout, work.count(layout)));
        let mut now = open.next().map(|(layout, rest)| (layout, rest, DocumentRows::new(layout, plan)));
        for batch in &batches {
            let batch = batch?;
            let Some((layout, rest, inserts)) = &mut now else { break };
            *rest = rest.saturating_sub(batch.documents.len() as u64);
            sending.send(layout, batch, inserts)?;
            if *rest == 0 {
                inserts.flush(sending.transaction, sending.written)?;
                now = open.next().map(|(layout, rest)| (layout, rest, DocumentRows::new(layout, plan)));
            }
        }
        Ok(())
    })
}

/// Documents with their rows, and the secrets of both.
struct Batch {
    documents: Vec<Made>,
    vault: Vault,
}

/// A document with its row.
struct Made {
    number: u64,
    id: Option<Id>,
    document: Document,
    existing: Option<Existing>,
    rendered: Rendered,
}

/// Makes rows.
struct Making<'a, 'm> {
    layouts: &'a Layouts<'m>,
    ids: &'a Ids,
    master_key: Option<&'a MasterKey>,
    refreshed: &'a HashMap<u64, Raw>,
    work: &'a Work,
}

impl Making<'_, '_> {
    /// Makes all rows and sends them, one batch after the other.
    fn send(&self, order: &[Layout<'_>], sending: &mut Sending<'_, '_>) -> Result<(), ImportError> {
        for layout in order {
            let mut inserts = DocumentRows::new(layout, sending.plan);
            self.make(layout, &mut |batch| sending.send(layout, batch, &mut inserts).map(|()| true))?;
            inserts.flush(sending.transaction, sending.written)?;
        }
        Ok(())
    }

    /// Makes all rows of a kind, handing them out until `take` says that nobody wants more. Says whether all were taken.
    fn make(
        &self,
        layout: &Layout<'_>,
        take: &mut dyn FnMut(Batch) -> Result<bool, ImportError>,
    ) -> Result<bool, ImportError> {
        let mut writes = self.work.read(layout);
        loop {
            let mut vault = Vault::new();
            let batch = writes.next_batch(&mut vault, BATCH, BATCH_BYTES)?;
            if batch.is_empty() {
                return Ok(true);
            }
            let (layouts, ids, master_key) = (self.layouts, self.ids, self.master_key);
            let renderer = Renderer { layouts, ids, vault: &vault, master_key };
            let mut documents = Vec::with_capacity(batch.len());
            for Write { number, key, document, mut existing } in batch {
                if let (Some(existing), Some(raw)) = (&mut existing, self.refreshed.get(&number)) {
                    existing.raw.take_local(raw);
                }
                let id = match ids.get(Target::Kind(layout.index), &key) {
                    Some(Known::Found(id)) => id.clone(),
                    _ => None,
                };
                let rendered = renderer.render(layout, &document, id.as_ref(), existing.as_ref())?;
                documents.push(Made { number, id, document, existing, rendered });
            }
            if !take(Batch { documents, vault })? {
                return Ok(false);
            }
        }
    }
}

/// Sends rows to the server.
struct Sending<'a, 'k> {
    transaction: &'a mut dyn Transaction,
    plan: &'a Plan,
    written: &'a mut Written,
    keeping: Option<&'a mut Keeping<'k>>,
    numbers: Numbers,
    progress: &'a dyn Progress,
}

impl Sending<'_, '_> {
    fn send(
        &mut self,
        layout: &Layout<'_>,
        batch: Batch,
        inserts: &mut DocumentRows<'_>,
    ) -> Result<(), ImportError> {
        self.progress.check()?;
        let Batch { documents, vault } = batch;
        let changed = documents.iter().filter(|_| layout.id.is_some());
        let changed = changed.filter_map(|one| Some((one.number, one.existing.as_ref()?.row.clone())));
        let changed: Vec<(u64, Id)> = changed.collect();
        delete_derived(self.transaction, layout, &changed, self.plan, self.written)?;
        let count = documents.len() as u64;
        for one in documents {
            self.write(layout, one, &vault, inserts)?;
        }
        self.progress.advance(count, 0);
        Ok(())
    }

    fn write(
        &mut self,
        layout: &Layout<'_>,
        one: Made,
        vault: &Vault,
        inserts: &mut DocumentRows<'_>,
    ) -> Result<(), ImportError> {
        let Made { number, id, document, existing, rendered } = one;
        let Rendered { mut columns, mut row, derived } = rendered;
        if existing.is_none() {
            self.numbers.fill(self.transaction, layout, &mut columns, &mut row)?;
        }
        if let Some(keeping) = self.keeping.as_deref_mut() {
            let value = |column: &str| row.get(columns.iter().position(|name| name == column)?).cloned();
            let own = existing.as_ref().map_or_else(|| layout.named_by(value), |theirs| theirs.row.clone());
            keeping.note(layout, &own, existing.is_none(), &columns, &row);
            match &existing {
                Some(existing) => keeping.changed(layout, existing, document, vault)?,
                None => keeping.created(layout, &own, document, vault)?,
            }
        }
        if existing.is_none() {
            inserts.own.push(self.transaction, self.written, number, &columns, row)?;
            return inserts.derive(self.transaction, self.written, number, derived);
        }
        inserts.derive(self.transaction, self.written, number, derived)?;
        self.written.document(number);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let (by, key): (Vec<&str>, Vec<Value>) = match (&layout.id, id) {
            (Some(column), Some(id)) => (vec![column.as_str()], vec![id.to_value()]),
            _ => {
                let by = layout.key_columns();
                let at = |name: &&str| columns.iter().position(|c| c == name).and_then(|p| row.get(p));
                let key = by.iter().map(|name| at(name).cloned().unwrap_or_default()).collect();
                (by, key)
            }
        };
        self.transaction
            .update(&layout.table, &by, &key, &columns, &row)
            .map_err(|error| self.written.name(self.plan, error))
    }
}

/// The kinds in an order that foreign keys allow, as far as there is one; the server takes care of circles.
fn writing_order<'m>(examiner: &Examiner<'_, 'm>, catalog: &Catalog) -> Vec<Layout<'m>> {
    let mut open: Vec<Layout<'m>> = examiner.layouts().iter().cloned().collect();
    let mut order: Vec<Layout<'m>> = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let waits = |layout: &Layout<'_>| {
            let foreign = catalog.table(&layout.table).map(|t| t.foreign_keys.as_slice()).unwrap_or_default();
            foreign.iter().any(|key| {
                let same = |other: &Layout<'_>| other.table.eq_ignore_ascii_case(&key.to);
                !key.to.eq_ignore_ascii_case(&layout.table) && open.iter().any(same)
            })
        };
        let position = open.iter().position(|layout| !waits(layout)).unwrap_or(0);
        order.push(open.remove(position));
    }
    order
}
