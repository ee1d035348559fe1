//! What users of the vendor's own tools complained of, one story a complaint.
//!
//! Each test is named by the complaint's number in our list and by the vendor's public issues; it sets up the
//! smallest servers that show it and looks at the target's rows, never at the plan. Every import in it is run
//! twice: the second must find nothing to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

/// The tests of a module, by name.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub const TESTS: &[crate::Story] = &[$((stringify!($name), $name)),*];
    };
}

#[path = "complaints/dependencies.rs"]
mod dependencies;
#[path = "complaints/files_and_scale.rs"]
mod files_and_scale;
#[path = "support/little.rs"]
mod little;
#[path = "complaints/reimport.rs"]
mod reimport;
#[path = "complaints/remapping.rs"]
mod remapping;
mod support;
#[path = "complaints/usability.rs"]
mod usability;

use std::collections::{BTreeMap, BTreeSet};

use little::*;
use sealift::bundle::Writer;
use sealift::crypto::FingerprintKey;
use sealift::document::Value;
use sealift::model::Model;
use sealift::ops::{ExportOptions, Keys, Outcome, Root, Versions};
use sealift::plan::Plan;
use sealift::progress::Silent;
use sealift::server::sqlite::SqliteServer;
use sealift::server::{Catalog, Lookup, Page, Reader, Row, Server, ServerError};
use serde_json::{Value as Json, json};
use support::*;

/// A test and its name.
type Story = (&'static str, fn());

/// How many complaints the list has.
const COMPLAINTS: u32 = 45;

/// Complaints that no server can show: number, public issue, why.
const NOT_HERE: &[(u32, &str, &str)] = &[(
    43,
    "help.octopus.com 28488",
    "only Space Managers may import projects: a permission of the product's web portal; here whoever may write to the database imports",
)];

/// The modules: their tests and their text.
const MODULES: &[(&[Story], &str)] = &[
    (remapping::TESTS, include_str!("complaints/remapping.rs")),
    (dependencies::TESTS, include_str!("complaints/dependencies.rs")),
    (reimport::TESTS, include_str!("complaints/reimport.rs")),
    (files_and_scale::TESTS, include_str!("complaints/files_and_scale.rs")),
    (usability::TESTS, include_str!("complaints/usability.rs")),
];

/// An object with more members.
fn with(body: &Json, more: Json) -> Json {
    let mut all = body.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// The texts of a list, sorted.
fn set(list: &Json) -> Vec<&str> {
    let mut texts: Vec<&str> = list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn every_complaint_has_a_test_or_a_reason() {
    let mut answers: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (tests, text) in MODULES {
        // Each test is registered and each registered one is a test.
        let marked = text.lines().zip(text.lines().skip(1)).filter(|(line, _)| *line == "#[test]");
        let mut marked: Vec<&str> =
            marked.map(|(_, line)| line.trim_start_matches("fn ").trim_end_matches("() {")).collect();
        let mut registered: Vec<&str> = tests.iter().map(|(name, _)| *name).collect();
        marked.sort_unstable();
        registered.sort_unstable();
        assert_eq!(marked, registered);
        for name in registered {
            let number: u32 = name.strip_prefix('c').and_then(|rest| rest.get(..2)).unwrap().parse().unwrap();
            answers.entry(number).or_default().push(name);
        }
    }
    for (number, issue, why) in NOT_HERE {
        assert!(!issue.is_empty() && !why.is_empty());
        assert!(answers.insert(*number, vec![issue]).is_none(), "{number} has a test");
    }
    let all: Vec<u32> = (1..=COMPLAINTS).collect();
    assert_eq!(answers.keys().copied().collect::<Vec<u32>>(), all);
}
