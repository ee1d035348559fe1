//! Rows of the target that cannot be read: findings like all others, told at once.

use std::collections::HashMap;

use crate::bundle;
use crate::document::Document;
use crate::model::Target;

use super::adapt::Adapted;
use super::examine::Examiner;
use super::translate::{Faults, Known, Layout, Portable};

impl Examiner<'_, '_> {
    /// Takes what could not be read of the target among the findings.
    pub(super) fn take_faults(&mut self) {
        let read = self.translation.take_faults();
        let found = self.ids.take_faults();
        for faults in [read, found] {
            self.find_faults(&faults);
        }
    }

    /// Makes findings of what could not be read.
    pub(super) fn find_faults(&mut self, faults: &Faults) {
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

    /// Leaves documents alone whose row the target has and that could not be read: they are not new.
    pub(super) fn skip_unreadable(
        &self,
        layout: &Layout<'_>,
        documents: &mut [(bundle::Entry, Document, Adapted)],
        existing: &HashMap<usize, Portable>,
    ) {
        if !self.translation.has_faults() {
            return;
        }
        for (index, (entry, _, done)) in documents.iter_mut().enumerate() {
            let found = self.ids.get(Target::Kind(layout.index), &entry.key);
            if !existing.contains_key(&index) && matches!(found, Some(Known::Found(_))) {
                done.skip = Some("what the target has of it cannot be read".to_owned());
            }
        }
    }
}
