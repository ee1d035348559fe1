//! Secrets that a document is written without.
//!
//! A marker without a value keeps what the target has ([`crate::plan::keep_secrets`]). What is left is counted here:
//! secrets that nobody has a value for, and secrets of the target that the source does not have at all.

use crate::document::{Document, SecretId, Value};
use crate::plan::{Change, Changed};

/// How many secrets an import leaves empty or removes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SecretLosses {
    /// Neither the bundle nor the target has a value: the place will be empty.
    empty: usize,
    /// The target has a secret where the source has null, another value or nothing.
    removed: usize,
}

impl SecretLosses {
    /// Counts the losses of a document that is written, and adds a note for each.
    pub fn of(document: &Document, changes: &[Change], notes: &mut Vec<String>) -> Self {
        let before = notes.len();
        document.visit(&mut |place, value| {
            if *value == Value::Secret(SecretId::UNKNOWN) {
                notes.push(format!(
                    "{place}: neither the bundle nor the target has a value for this secret; it will be empty"
                ));
            }
        });
        let empty = notes.len() - before;
        let mut removed = 0;
        for change in changes {
            let (Changed::Removed(old) | Changed::Replaced { old, .. }) = &change.changed else { continue };
            let mut secrets = 0;
            old.each(&mut |value| secrets += usize::from(matches!(value, Value::Secret(_))));
            match secrets {
                0 => {}
                1 => notes.push(format!("{}: a secret of the target is removed", change.place)),
                more => notes.push(format!("{}: {more} secrets of the target are removed", change.place)),
            }
            removed += secrets;
        }
        Self { empty, removed }
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
