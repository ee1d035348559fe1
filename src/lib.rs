//! Sealift carries configuration data between SQL Server databases in one portable, verifiable file.
//!
//! The crate is built in layers; `tests/architecture.rs` enforces the table.
//!
//! | layer | module | what it holds |
//! |---|---|---|
//! | L0 | [`document`] | documents in portable form: values, keys, references, canonical bytes, content ids |
//! | L0 | [`model`] | products as data: kinds, natural keys, references, secrets, merge rules |
//! | L0 | [`crypto`] | password → keys, sealed values, the server's master key; knows no document and no file |
//! | L0 | [`text`] | small text files read; text made fit to be seen: which characters are spelled, and how |
//! | L0 | [`temporary`] | folders for temporary files that are private |
//! | L0 | [`progress`] | how long work reports itself and is cancelled |
//! | L1 | [`bundle`] | the file format: packs, index, sealed secrets; writer, reader, verify |
//! | L1 | [`plan`] | the difference between a bundle and a target, as a value: diff, merge, findings |
//! | L1 | [`tree`] | the same content as a folder of JSON files: paths, writer, reader |
//! | L1 | [`server`] | the contract with servers: Reader, Server, Transaction; `sqlite` is the embedded one, `sqlserver` speaks TDS |
//! | L1 | [`vendor`] | the folder that the product's own migrator exports into, read only |
//! | L2 | [`ops`] | what Sealift does: verbs, on floors of their own |
//! | L2 | [`demo`] | two made-up servers to try things on |
//!
//! A layer imports only the layers below it, never its neighbours.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::iter_over_hash_type))]

pub mod bundle;
pub mod crypto;
pub mod demo;
pub mod document;
pub mod model;
pub mod ops;
pub mod plan;
pub mod progress;
pub mod server;
pub mod temporary;
pub mod text;
pub mod tree;
pub mod vendor;
