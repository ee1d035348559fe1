//! What is wrong with an export folder, gathered so that all of it is told at once.

use std::fmt;

use crate::text::Shown;

/// How many findings are told one by one.
const TOLD: usize = 100;

/// Something wrong with a file. Never quotes what a file holds: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the folder on, with `/` between folders.
    pub file: String,
    /// The place in the document, where it is about one.
    pub place: Option<String>,
    /// What is wrong.
    pub problem: String,
}

/// On one line and without hidden characters, whatever a file is called.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.place {
            None => format!("{}: {}", self.file, self.problem),
            Some(place) => format!("{}, {place}: {}", self.file, self.problem),
        };
        Shown(&text).fmt(f)
    }
}

/// What is wrong with a folder: the first hundred findings, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    first: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// Keeps a finding.
    pub fn add(&mut self, finding: Finding) {
        self.total += 1;
        if self.first.len() < TOLD {
            self.first.push(finding);
        }
    }

    /// The first hundred.
    pub fn first(&self) -> &[Finding] {
        &self.first
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Says whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            1 => f.write_str("one thing is wrong with the export folder:")?,
            total => write!(f, "{total} things are wrong with the export folder:")?,
        }
        for finding in &self.first {
            write!(f, "\n  {finding}")?;
        }
        match self.total - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
