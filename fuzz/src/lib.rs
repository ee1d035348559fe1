//! What must hold whatever the bytes are: one property for each fuzz target.
//!
//! The fuzz targets and the ordinary tests (`tests/corpus.rs`) call the same functions, so what a fuzzer once
//! found is held by every test run. A property takes any bytes and panics where it does not hold.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    reason = "a property that does not hold panics"
)]

pub mod bundle;
pub mod document;
pub mod envelope;
pub mod feed;
pub mod ids;
pub mod json;
pub mod model;
pub mod names;
pub mod plan;
pub mod saved_plan;
pub mod tree;
mod vectors;

/// A property: it takes any bytes, and panics where it does not hold.
pub type Property = fn(&[u8]);

/// The targets by name. Each has a file in `fuzz_targets/`, an entry in `Cargo.toml` and a corpus.
pub const TARGETS: &[(&str, Property)] = &[
    ("bundle", bundle::holds),
    ("document", document::holds),
    ("envelope", envelope::holds),
    ("ids", ids::holds),
    ("json", json::holds),
    ("model", model::holds),
    ("names", names::holds),
    ("plan", plan::holds),
    ("saved_plan", saved_plan::holds),
    ("tree", tree::holds),
];
