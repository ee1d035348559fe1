//! Which document each write of a transaction is about: a server may refuse it long after it was given.

use crate::plan::Plan;
use crate::server::{ServerError, WriteError};

use crate::ops::import::request::error::ImportError;

/// The documents behind a transaction's writes, by the numbers of their entries in the order of the writes.
/// Eight bytes a document: a server may refuse a write long after it was given.
#[derive(Default)]
pub(in crate::ops) struct Written(Vec<Option<u64>>);

impl Written {
    /// Notes a write that is no document's: a count, say.
    pub(in crate::ops) fn other(&mut self) {
        self.0.push(None);
    }

    /// Notes a write of a document, by the number of its entry.
    pub(in crate::ops) fn document(&mut self, number: u64) {
        self.0.push(Some(number));
    }

    /// The error with the name of the document that it is about.
    pub(in crate::ops) fn name(&self, plan: &Plan, error: WriteError) -> ImportError {
        let WriteError { write, source } = error;
        if let ServerError::Cancelled(cancelled) = source {
            return cancelled.into();
        }
        let at = write.and_then(|write| usize::try_from(write).ok());
        let number = at.and_then(|at| *self.0.get(at)?);
        // The entries of a plan are in the order of their numbers.
        let found = number.and_then(|number| plan.entries.binary_search_by_key(&number, |e| e.number).ok());
        match found.and_then(|at| plan.entries.get(at)) {
            Some(entry) => {
                ImportError::Write { kind: entry.kind.clone(), name: entry.key.to_string(), source }
            }
            None => ImportError::Server(source),
        }
    }
}
