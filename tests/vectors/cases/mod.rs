//! The vectors of bundles, by what they are about.

mod accepted;
mod envelope;
mod header;
mod index;
mod packs;
mod tables;

use super::case::Case;

pub fn all() -> Vec<Case> {
    [accepted::cases(), header::cases(), tables::cases(), index::cases(), packs::cases(), envelope::cases()]
        .into_iter()
        .flatten()
        .collect()
}
