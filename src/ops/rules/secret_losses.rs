//! Secrets that a document is written without.
//!
//! A marker without a value keeps what the target has ([`crate::plan::keep_secrets`]). What is left is counted here:
//! secrets that nobody has a value for, and secrets of the target that the source does not have at all.

use crate::document::{Document, Place, SecretId, Value};

/// How many secrets an import leaves empty or removes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ops) struct SecretLosses {
    /// Neither the bundle nor the target has a value: the place will be empty.
    empty: usize,
    /// The target has a secret where the source has null, another value or nothing.
    removed: usize,
}

impl SecretLosses {
    /// Counts the losses of a document that is written, with the places of the target's secrets that it does not have
    /// any more, and adds a note for each.
    pub fn of(document: &Document, removed: &[Place], notes: &mut Vec<String>) -> Self {
        let before = notes.len();
        document.visit(&mut |place, value| {
            if *value == Value::Secret(SecretId::UNKNOWN) {
                notes.push(format!(
                    "{place}: neither the bundle nor the target has a value for this secret; it will be empty"
                ));
            }
        });
        let empty = notes.len() - before;
        notes.extend(removed.iter().map(|place| format!("{place}: the target's secret here is removed")));
        Self { empty, removed: removed.len() }
    }

    pub fn add(&mut self, other: Self) {
        self.empty += other.empty;
        self.removed += other.removed;
    }

    /// What people should know of all of them.
    pub fn notices(self) -> Vec<String> {
        let secrets =
            |count: usize| if count == 1 { "1 secret".to_owned() } else { format!("{count} secrets") };
        let mut notices = Vec::new();
        if self.empty > 0 {
            notices.push(format!(
                "{} will be empty: neither the bundle nor the target has a value; enter them on the server after the import",
                secrets(self.empty)
            ));
        }
        if self.removed > 0 {
            notices.push(format!(
                "{} of the target will be removed: the source has none at their places",
                secrets(self.removed)
            ));
        }
        notices
    }
}
