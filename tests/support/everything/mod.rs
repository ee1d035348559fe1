//! A server with everything the product keeps, and a walk over a server that trusts nobody: both written from
//! what is publicly known of the product, neither from the built-in model.
//!
//! [`build()`] fills an embedded server of either schema generation. Its content is decided by a seed; its ids,
//! counters and spellings by a [`Numbering`]; a [`Twist`] gives documents of the same names other content.
//! [`Description::of`] turns a server into names and plain texts without any id, by its own table
//! ([`table`]) of what is a reference and what is a secret. [`compare`] judges two descriptions.

mod bags;
pub mod compare;
mod damage;
mod history;
mod infrastructure;
mod json_place;
mod newest;
mod people;
mod projects;
pub mod references;
mod rows;
pub mod table;
mod templates;
mod tenants;
mod variables;
pub mod walk;
mod world;

use std::path::Path;

use sealift::crypto::MasterKey;
use sealift::model::{OCTOPUS_2018_SQL, OCTOPUS_2026_SQL, OCTOPUS_SPACES_SQL};
use sealift::server::sqlite::{Schema, SqliteServer};

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub use compare::Difference;
#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub use walk::{Description, Snapshot};
pub use world::World;

/// The generations of the product's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// August 2018: no spaces, no runbooks.
    Y2018,
    /// 2019 and later.
    Spaces,
    /// 2026, as far as it can be inferred.
    Y2026,
}

/// What is a server's own: which numbers its ids have, how it happens to spell sets, which master key it has.
#[derive(Debug, Clone, Copy)]
pub struct Numbering {
    /// The first number of every collection.
    pub offset: u64,
    /// Numbers count down, so that documents that sort by id sort the other way.
    pub reverse: bool,
    /// Which of the observed spellings are used where.
    pub spelling: u64,
    /// Which of the tests' master keys.
    pub key: u8,
}

/// The server that is exported. An empty server counts from 1 and never gets this far.
pub const SOURCE: Numbering = Numbering { offset: 7000, reverse: false, spelling: 1, key: 1 };
/// A server with the same documents that was filled in another order.
pub const TARGET: Numbering = Numbering { offset: 50_000, reverse: true, spelling: 2, key: 2 };

/// How the content of a server differs from that of a server of the same seed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Twist {
    /// Other texts, and references that lead elsewhere, where documents are overwritten.
    pub overwritten: usize,
    /// The same where documents are joined, and elements that only this server has.
    pub joined: usize,
    /// Documents that only this server has.
    pub extras: bool,
    /// What only a close look tells apart: certificates of one name and one thumbprint, of which one is
    /// archived; one role of a team twice, each for another set of projects; lines of text that look like ids
    /// where another type of line would hold one.
    pub close: bool,
}

/// Text at places that are no references. It is the id of an environment at [`SOURCE`].
pub const TRAP: &str = "Environments-7000";
/// The same of an account.
pub const ACCOUNT_TRAP: &str = "Accounts-7000";

/// Makes an empty server with columns the model cannot know.
pub fn empty(path: &Path, generation: Generation) {
    let ddl = match generation {
        Generation::Y2018 => OCTOPUS_2018_SQL,
        Generation::Spaces => OCTOPUS_SPACES_SQL,
        Generation::Y2026 => OCTOPUS_2026_SQL,
    };
    drop(SqliteServer::create(path, Schema::Ddl(ddl)).unwrap());
    let db = rusqlite::Connection::open(path).unwrap();
    for table in ["Project", "DeploymentEnvironment", "VariableSet", "Team", "Tenant"] {
        db.execute_batch(&format!(
            "ALTER TABLE [{table}] ADD COLUMN [NotedBy] nvarchar(100) COLLATE NOCASE;
             ALTER TABLE [{table}] ADD COLUMN [Weight] int"
        ))
        .unwrap();
    }
}

/// Makes a server as the product's installer leaves it.
pub fn fresh(path: &Path, generation: Generation, key: u8) {
    empty(path, generation);
    let numbering = Numbering { offset: 1, reverse: false, spelling: 3, key };
    let mut world = World::open(path, generation, 0, numbering, Twist::default());
    world.installed();
    world.finish();
}

/// Makes a server with everything.
pub fn build(path: &Path, generation: Generation, seed: u64, numbering: Numbering, twist: Twist) {
    empty(path, generation);
    let mut world = World::open(path, generation, seed, numbering, twist);
    world.everything();
    world.finish();
}

/// The tests' master key of a number.
pub fn key(number: u8) -> MasterKey {
    super::key(number)
}
