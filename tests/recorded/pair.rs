//! The pairs of servers: what they hold, what is done to them, and which options that is done with, all drawn by a seed.

use std::path::Path;

use sealift::model::{OCTOPUS_2018_SQL, OCTOPUS_2026_SQL, OCTOPUS_SPACES_SQL};
use sealift::server::sqlite::{Schema, SqliteServer};

use crate::generator::{self, Rng};
use crate::record::hash;
use crate::servers::{self, Side};
use crate::support::everything::{self, Generation, Twist};
use crate::support::key;
use crate::trade;

/// What the servers of a pair hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// `servers.rs`: from one generation into another.
    Small(Age, Age),
    /// The same; the target's space has another name, and every import is into it.
    Into,
    /// `support/everything`: all that the product keeps.
    Everything(Age),
    /// `support/random`: every form of reference and secret.
    Random,
    /// A product without master keys.
    Trade,
}

/// The generations of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    Y2018,
    Spaces,
    Y2026,
}

impl Age {
    fn ddl(self) -> &'static str {
        match self {
            Self::Y2018 => OCTOPUS_2018_SQL,
            Self::Spaces => OCTOPUS_SPACES_SQL,
            Self::Y2026 => OCTOPUS_2026_SQL,
        }
    }

    fn generation(self) -> Generation {
        match self {
            Self::Y2018 => Generation::Y2018,
            Self::Spaces => Generation::Spaces,
            Self::Y2026 => Generation::Y2026,
        }
    }
}

/// How an import decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Skip,
    Overwrite,
    Policies,
    Fail,
    Merge,
    Add,
    Prune,
    Only,
    Except,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Do {
    Import(How),
    WithoutUndo(How),
    DryRun(How),
    /// The last import again.
    Again,
    /// A plan saved.
    Plan(How),
    /// The last saved plan carried out.
    Apply,
    /// The last undo file used: the undo of an undo, where that was one.
    Undo,
    /// The undo file of a step used.
    UndoOf(usize),
    /// The target counts up the versions that are local to it.
    Count,
    /// Somebody changes documents of the target.
    Edit,
}

/// What is done to pairs, one after another.
pub const STORIES: [&[Do]; 10] = {
    use Do::*;
    [
        &[Import(How::Skip), Again, Undo, Undo, Undo],
        &[DryRun(How::Overwrite), Import(How::Overwrite), Again, Count, Undo, Undo, Again],
        &[Plan(How::Overwrite), Count, Apply, Again, Undo, Apply],
        &[Plan(How::Overwrite), Edit, Apply, Plan(How::Policies), Apply, Undo],
        &[Import(How::Policies), Import(How::Overwrite), UndoOf(2), UndoOf(1), Import(How::Overwrite)],
        &[Import(How::Prune), Again, Undo, Undo, Again],
        &[Import(How::Only), Again, Import(How::Except), UndoOf(3), UndoOf(1), Undo],
        &[WithoutUndo(How::Overwrite), Again, WithoutUndo(How::Prune), Again],
        &[Import(How::Fail), Import(How::Merge), Edit, Undo, Import(How::Overwrite), Undo],
        &[Import(How::Add), Count, Import(How::Skip), Plan(How::Prune), Apply, Undo, Undo],
    ]
};

/// A pair of servers and its story.
#[derive(Debug, Clone)]
pub struct Pair {
    pub name: String,
    pub content: Content,
    pub seed: u64,
    pub story: &'static [Do],
    pub tds: bool,
}

impl Pair {
    pub fn title(&self) -> String {
        let Self { name, content, seed, tds, .. } = self;
        let content = match content {
            Content::Small(from, to) => format!("small, {from:?} to {to:?}"),
            Content::Into => "small, into another space".to_owned(),
            Content::Everything(age) => format!("everything, {age:?}"),
            Content::Random => "random".to_owned(),
            Content::Trade => "a trading company".to_owned(),
        };
        format!("{name}: {content}, seed {seed}, {}", if *tds { "embedded and TDS" } else { "embedded" })
    }

    fn draw(&self, words: &str) -> Rng {
        Rng::new(self.seed ^ u64::from_str_radix(&hash(words), 16).unwrap())
    }

    /// The command that makes the bundle.
    pub fn export(&self) -> Vec<&'static str> {
        let prunes = self.story.iter().any(|step| format!("{step:?}").contains("Prune"));
        let options: &[&[&str]] = match self.content {
            Content::Trade => &[&["export"]],
            Content::Everything(_) => &[&["partial-export", "--project", "Web", "--ignore-history"]],
            _ if prunes => &[&["export"], &["export"], &["export", "--ignore-history"]],
            Content::Random => &[&["export"], &["export", "--ignore-tenants"]],
            _ => &[
                &["export"],
                &["export"],
                &["export"],
                &["export", "--no-secrets", "--exclude", "User"],
                &["export", "--ignore-machines"],
                &["partial-export", "--project", "Web"],
            ],
        };
        self.draw("export").pick(options).to_vec()
    }

    /// The options of an import.
    pub fn options(&self, how: How) -> Vec<String> {
        let trade = self.content == Content::Trade;
        let mut rng = self.draw(&format!("{how:?}"));
        let random = self.content == Content::Random;
        let kinds: &[&str] = match trade {
            true => &["Customer", "Product", "Discount", "Contact"],
            false => &[
                "TagSet",
                "Account",
                "VariableSet",
                "Project",
                "Lifecycle",
                "Team",
                "UserRole",
                "Environment",
            ],
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut options = match how {
            How::Skip => Vec::new(),
            How::Overwrite => words("--overwrite"),
            How::Fail => words("--policy *=fail"),
            How::Merge => words("--policy *=merge"),
            How::Add => words("--policy *=add"),
            // Where documents are merged, what only the target has is referred to, and stops the deletion.
            How::Prune if rng.chance(40) => words("--overwrite --prune"),
            How::Prune => words("--policy *=overwrite --prune"),
            How::Policies => {
                let policies = ["overwrite", "skip", "merge", "add"];
                let mut drawn = words(&format!("--policy *={}", rng.pick(&policies)));
                for kind in kinds {
                    if rng.chance(40) {
                        continue;
                    }
                    // Not every kind has a rule for each.
                    let policies = match *kind {
                        "TagSet" => &policies[..],
                        "VariableSet" | "Team" | "UserRole" => &policies[..3],
                        _ => &policies[..2],
                    };
                    drawn.extend(words(&format!("--policy {kind}={}", rng.pick(policies))));
                }
                drawn
            }
            How::Only => words(match (trade, rng.below(4)) {
                (true, 0 | 1) => "--overwrite --only Customer",
                (true, _) => "--overwrite --only Product --only Category --only Customer/ALFKI",
                _ if random => "--overwrite --only Environment --only TagSet --only Feed --only Proxy",
                (_, 0) => "--overwrite --only Environment --only TagSet --only Account",
                (_, 1) => "--overwrite --only *VariableSet --only Account/*",
                (_, 2) => "--overwrite --only Lifecycle --only Environment --only Machine* --only User*",
                _ => "--only Environment --only T* --only Project --only *Set --only *Process",
            }),
            How::Except => words(match (trade, rng.below(3)) {
                (true, _) => "--overwrite --except Contact",
                (_, 0) => "--overwrite --except Machine --except Event",
                (_, 1) => "--overwrite --except Tenant* --except Account/A*",
                _ => "--overwrite --except User* --except Team",
            }),
        };
        if self.content == Content::Into {
            options.extend(words("--into-space Acme"));
        }
        if let Content::Small(from, to) = self.content {
            if from != to {
                options.push("--omit-missing-columns".to_owned());
            }
            match (from, to) {
                (Age::Y2018, Age::Y2018) => {}
                (Age::Y2018, _) => options.extend(words("--into-space Default")),
                // What the tables of before spaces have no place for.
                (_, Age::Y2018) => options.extend(words(
                    "--except Team --except DeploymentSettings --except Runbook* --except Scoped*",
                )),
                _ => {}
            }
        }
        if self.draw("dangling").chance(90) {
            options.push("--accept-dangling".to_owned());
        }
        options
    }

    /// Makes the two servers.
    pub fn make(&self, source: &Path, target: &Path) {
        let make = |path: &Path, ddl: &str| drop(SqliteServer::create(path, Schema::Ddl(ddl)).unwrap());
        let small = |path: &Path, age: Age, side: Side, space: &str| {
            make(path, age.ddl());
            servers::fill(path, &servers::Server { seed: self.seed, side, space });
        };
        match self.content {
            Content::Small(from, to) => {
                small(source, from, Side::Source, "Default");
                small(target, to, Side::Target, "Default");
            }
            Content::Into => {
                small(source, Age::Spaces, Side::Source, "Default");
                small(target, Age::Spaces, Side::Target, "Acme");
            }
            Content::Everything(age) => {
                let mut rng = self.draw("twist");
                let (overwritten, joined) = (rng.below(3), rng.below(3));
                let twist = Twist { overwritten, joined, extras: rng.chance(50), close: rng.chance(50) };
                everything::build(source, age.generation(), self.seed, everything::SOURCE, Twist::default());
                everything::build(target, age.generation(), self.seed, everything::TARGET, twist);
            }
            Content::Random => {
                for (path, seed, offset, number) in [(source, 0, 0, 1), (target, 5000, 7000, 2)] {
                    make(path, OCTOPUS_SPACES_SQL);
                    let mut server = SqliteServer::open(path).unwrap();
                    generator::generate(&mut server, self.seed + seed, 1, offset, &key(number));
                }
            }
            Content::Trade => {
                for (path, side) in [(source, Side::Source), (target, Side::Target)] {
                    make(path, trade::TABLES);
                    trade::fill(path, self.seed, side);
                }
            }
        }
    }
}
