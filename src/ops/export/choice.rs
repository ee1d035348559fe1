//! Which kinds an export carries, or a comparison looks at.

use std::collections::BTreeSet;

use crate::model::{Kind, Model};

use super::error::ExportError;
use super::options::ExportOptions;

/// The kinds that options take, by their position in the model.
pub(in crate::ops) struct KindChoice {
    carried: BTreeSet<usize>,
    only: BTreeSet<usize>,
    exclude: BTreeSet<usize>,
    ask: BTreeSet<usize>,
}

impl KindChoice {
    /// Finds the kinds and groups that the options name.
    ///
    /// # Errors
    /// [`ExportError`], for a kind or group that the model does not have, and for options that contradict each
    /// other.
    pub fn new(model: &Model, options: &ExportOptions<'_>) -> Result<Self, ExportError> {
        let named = |names: &[String]| -> Result<BTreeSet<usize>, ExportError> {
            let position = |name: &String| {
                let found = model.kinds().iter().position(|k| k.name.as_str().eq_ignore_ascii_case(name));
                found.ok_or_else(|| ExportError::NoSuchKind(name.clone()))
            };
            names.iter().map(position).collect()
        };
        let (exclude, only, asked) = (named(&options.exclude)?, named(&options.only)?, named(&options.ask)?);
        for group in &options.ignore {
            if !model.kinds().iter().any(|kind| kind.in_group(group)) {
                return Err(ExportError::NoSuchGroup(group.clone()));
            }
        }
        let carries = |kind: usize, rule: &Kind| {
            let ignored = options.ignore.iter().any(|group| rule.in_group(group));
            let asked = !rule.ask || asked.contains(&kind) || only.contains(&kind);
            asked && !ignored && !exclude.contains(&kind)
        };
        let kinds = model.kinds().iter().enumerate();
        let carried: BTreeSet<usize> = kinds.filter(|(i, rule)| carries(*i, rule)).map(|(i, _)| i).collect();
        let left_out = only.iter().chain(&asked).find(|kind| !carried.contains(kind));
        match left_out.and_then(|kind| model.kind_at(*kind)) {
            Some(kind) => Err(ExportError::LeftOut(kind.name.clone())),
            None => {
                let asks = model.kinds().iter().enumerate().filter(|(_, kind)| kind.ask);
                let ask = asks.map(|(kind, _)| kind).filter(|kind| !asked.contains(kind)).collect();
                Ok(Self { carried, only, exclude, ask })
            }
        }
    }

    /// Says whether documents of a kind may come along with others.
    pub fn carries(&self, kind: usize) -> bool {
        self.carried.contains(&kind)
    }

    /// Why documents of a kind are not taken; `None` where they are.
    pub fn leaves_out(&self, kind: usize) -> Option<&'static str> {
        match kind {
            kind if self.takes(kind) => None,
            kind if self.exclude.contains(&kind) => Some("left out by --exclude"),
            kind if !self.only.is_empty() && !self.only.contains(&kind) => Some("left out by --only"),
            kind if self.ask.contains(&kind) => Some("compared with --also only"),
            _ => Some("left out with its group of kinds"),
        }
    }

    /// Says whether documents of a kind are taken.
    pub fn takes(&self, kind: usize) -> bool {
        self.carries(kind) && (self.only.is_empty() || self.only.contains(&kind))
    }
}
