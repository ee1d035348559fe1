//! The record: a text of one line for each thing that was seen, written and compared.
//!
//! ```text
//! pair spaces-03: small, Spaces to Spaces, seed 1003, embedded and TDS
//! step 1: import --overwrite
//!   exit: 0 applied
//!   rows Account: 4 0c5d8f2b11aa
//!   tds rows Event: 3 99f0a1b2c3d4
//! ```
//!
//! A line `tds …` is there only where SQL Server has it differently from the embedded server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One thing that was seen: its name, its short form, and the whole of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub what: String,
    pub short: String,
    pub whole: String,
}

/// What was seen in a step of a pair.
#[derive(Debug, Clone)]
pub struct Step {
    pub title: String,
    pub seen: Vec<Seen>,
}

/// The short form of a text.
pub fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().as_str()[..12].to_owned()
}

/// The steps of the embedded server, with what SQL Server has differently.
pub fn merged(embedded: Vec<Step>, tds: Option<Vec<Step>>) -> Vec<Step> {
    let Some(tds) = tds else { return embedded };
    assert_eq!(embedded.len(), tds.len());
    let both = embedded.into_iter().zip(tds);
    both.map(|(mut step, other)| {
        let ours: BTreeMap<String, String> =
            step.seen.iter().map(|seen| (seen.what.clone(), seen.short.clone())).collect();
        let theirs: Vec<&str> = other.seen.iter().map(|seen| seen.what.as_str()).collect();
        let lacking = ours.keys().filter(|what| !theirs.contains(&what.as_str()));
        let lacking =
            lacking.map(|what| Seen { what: format!("tds {what}"), short: "-".into(), whole: String::new() });
        let lacking: Vec<Seen> = lacking.collect();
        let differing = other.seen.into_iter().filter(|seen| ours.get(&seen.what) != Some(&seen.short));
        step.seen.extend(differing.map(|seen| Seen { what: format!("tds {}", seen.what), ..seen }));
        step.seen.extend(lacking);
        step
    })
    .collect()
}

/// A pair as the record has it.
pub fn text(title: &str, steps: &[Step]) -> String {
    let mut text = format!("pair {title}\n");
    for (number, step) in steps.iter().enumerate() {
        text.push_str(&format!("step {number}: {}\n", step.title));
        for seen in &step.seen {
            text.push_str(&format!("  {}: {}\n", seen.what, seen.short));
        }
    }
    text
}

/// Writes the whole of what was seen, for people to compare: a file for each line.
pub fn write_whole(folder: &Path, steps: &[Step], wanted: impl Fn(&str, &str) -> bool) {
    for (number, step) in steps.iter().enumerate() {
        let title = format!("step {number}: {}", step.title);
        for seen in step.seen.iter().filter(|seen| !seen.whole.is_empty() && wanted(&title, &seen.what)) {
            std::fs::create_dir_all(folder).unwrap();
            let path = folder.join(format!("step-{number}-{}.txt", seen.what.replace(' ', "-")));
            std::fs::write(path, &seen.whole).unwrap();
        }
    }
}

/// A difference from the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub step: String,
    pub what: String,
    pub recorded: String,
    pub now: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, what, recorded, now } = self;
        write!(f, "{step}, {what}: the record has {recorded}, and now it is {now}")
    }
}

/// Where two texts of one pair differ.
pub fn differences(recorded: &str, now: &str) -> Vec<Difference> {
    fn lines(text: &str) -> BTreeMap<(String, String), (usize, String)> {
        let mut step = "the pair".to_owned();
        let mut lines = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            match line.strip_prefix("  ").and_then(|line| line.split_once(": ")) {
                Some((what, short)) => {
                    drop(lines.insert((step.clone(), what.to_owned()), (at, short.to_owned())))
                }
                None => {
                    step = line.to_owned();
                    lines.insert((step.clone(), "the step".to_owned()), (at, "there".to_owned()));
                }
            }
        }
        lines
    }
    let (old, new) = (lines(recorded), lines(now));
    let mut found: Vec<(usize, Difference)> = Vec::new();
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (was, is) = (old.get(name), new.get(name));
        if was.map(|(_, short)| short) != is.map(|(_, short)| short) {
            let said =
                |of: Option<&(usize, String)>| of.map_or("nothing".to_owned(), |(_, short)| short.clone());
            let (step, what) = name.clone();
            let difference = Difference { step, what, recorded: said(was), now: said(is) };
            found.push((is.or(was).map_or(0, |(at, _)| *at), difference));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, difference)| difference).collect()
}

/// The file of a group of pairs.
pub fn file(group: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(format!("{group}.txt"))
}

/// The record of each pair of a group.
pub fn read(group: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file(group)).unwrap_or_default();
    let mut pairs: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if line.starts_with("pair ") {
            pairs.push(String::new());
        }
        if let Some(pair) = pairs.last_mut() {
            pair.push_str(line);
            pair.push('\n');
        }
    }
    pairs
}
