//! The product's own names for its types of document, as they stand in files of its migrator.

use std::collections::HashMap;

use super::check::{Checked, fault};
use super::file::{File, Kind as Wire};
use super::{Kind, LeftTable, Model};

/// What a class of the product's is to a model.
#[derive(Debug, Clone, Copy)]
pub enum VendorType<'m> {
    /// Its documents are rows of this kind's table: of this kind, or of another in the same table.
    Kind(&'m Kind),
    /// Its documents are rows of a table that stays behind.
    Left(&'m LeftTable),
}

impl Model {
    /// Finds what a class of the product's is, by its bare name: a kind that names it, or is named so, or whose
    /// table is; then a table that stays behind; then a kind that names it with a `*`. `None` for a class that
    /// the model does not know.
    pub fn vendor_type(&self, class: &str) -> Option<VendorType<'_>> {
        let kind =
            |is: &dyn Fn(&Kind) -> bool| self.kinds().iter().find(|kind| is(kind)).map(VendorType::Kind);
        let named = |kind: &Kind| kind.vendor_types.iter().any(|name| name == class);
        let like = |kind: &Kind| {
            let ends = kind.vendor_types.iter().filter_map(|name| name.strip_prefix('*'));
            ends.into_iter().any(|end| class.ends_with(end))
        };
        kind(&named)
            .or_else(|| kind(&|kind| kind.name.as_str() == class))
            .or_else(|| kind(&|kind| kind.table == class))
            .or_else(|| self.left.iter().find(|left| left.table == class).map(VendorType::Left))
            .or_else(|| kind(&like))
    }
}

/// The classes that a kind names.
pub(super) fn check(wire: &Wire) -> Checked<Vec<String>> {
    let name = |name: &toml::Spanned<String>| {
        let text = name.get_ref();
        let rest = text.strip_prefix('*').unwrap_or(text);
        let plain = rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if rest.is_empty() || !plain || text.len() > 200 {
            let text = format!("{text:?} is no name of a class: letters and digits, after a `*` or none");
            return fault(name.span(), text);
        }
        Ok(text.clone())
    };
    wire.vendor_types.iter().map(name).collect()
}

/// No class is two kinds.
pub(super) fn alone(file: &File) -> Checked<()> {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for kind in &file.kind {
        for name in &kind.vendor_types {
            if let Some(other) = seen.insert(name.get_ref(), kind.name.get_ref()) {
                return fault(name.span(), format!("{:?} is named by {other} already", name.get_ref()));
            }
        }
    }
    Ok(())
}
