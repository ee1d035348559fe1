//! The test endpoint, driven by the driver that Sealift uses: what other tests stand on is tested here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "endpoint/driven/client.rs"]
mod client;
#[path = "endpoint/driven/errors.rs"]
mod errors;
#[path = "endpoint/driven/faults.rs"]
mod faults;
#[path = "endpoint/driven/login.rs"]
mod login;
#[path = "endpoint/driven/queries.rs"]
mod queries;
#[path = "endpoint/driven/refused.rs"]
mod refused;
#[path = "endpoint/driven/transactions.rs"]
mod transactions;
#[path = "endpoint/driven/types.rs"]
mod types;
