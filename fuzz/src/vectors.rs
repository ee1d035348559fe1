//! The second writer of bundles, which the vectors of the formats are made with.

#[path = "../../tests/vectors/build.rs"]
pub mod build;
#[path = "../../tests/vectors/pack.rs"]
pub mod pack;
#[path = "../../tests/vectors/sealing.rs"]
pub mod sealing;
