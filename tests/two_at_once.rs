//! Two at once: commands that write the same target or the same output, a target that moves between plan and run or
//! under an import, and a source that changes while it is read. Whatever happens is what one after the other would
//! have done, and who could not do its work says why.
//!
//! An ordinary run takes a handful of rounds a race; `SEALIFT_RACES=100` takes so many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "two_at_once/commands.rs"]
mod commands;
#[path = "two_at_once/source.rs"]
mod source;
#[path = "support/stage.rs"]
mod stage;
mod support;
#[path = "two_at_once/target.rs"]
mod target;
#[allow(dead_code, reason = "the endpoint is enough here")]
#[path = "support/tsql.rs"]
mod tsql;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift::demo::{self, DemoOptions, Site};
use sealift::document::Value;
use sealift::model::OCTOPUS_SPACES_SQL;
use sealift::progress::{Event, Progress};
use sealift::server::sqlite::{Schema, SqliteServer};
use sealift::server::sqlserver::SqlServer;
use sealift::server::{Page, Row, Server, ServerError};
use support::*;
use tsql::{TestDatabase, TestServer};

fn rounds(ordinary: u64) -> u64 {
    std::env::var("SEALIFT_RACES").map_or(ordinary, |text| text.parse().unwrap())
}

/// One of the demo's servers, on either kind of server. Each `open` is a connection of its own.
enum Place {
    Embedded(PathBuf),
    Endpoint(TestDatabase),
}

impl Place {
    fn embedded(folder: &Path, site: Site) -> Self {
        let path = folder.join(format!("{site:?}.sqlite"));
        demo::build(&mut empty_octopus(&path), site, &master(site), &DemoOptions::default()).unwrap();
        Self::Embedded(path)
    }

    fn endpoint(server: &TestServer, folder: &Path, site: Site) -> Self {
        let database = server.database();
        let empty = folder.join("empty.sqlite");
        let _ = std::fs::remove_file(&empty);
        let mut empty = SqliteServer::create(&empty, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
        database.make(empty.read().unwrap().catalog());
        let mut server = SqlServer::open(&database.address()).unwrap();
        demo::build(&mut server, site, &master(site), &DemoOptions::default()).unwrap();
        Self::Endpoint(database)
    }

    fn open(&self) -> Box<dyn Server> {
        match self {
            Self::Embedded(path) => Box::new(SqliteServer::open(path).unwrap()),
            Self::Endpoint(database) => {
                let mut address = database.address();
                // Who waits for the other waits in vain: both are of one thread.
                address.lock_timeout = std::time::Duration::from_millis(300);
                Box::new(SqlServer::open(&address).unwrap())
            }
        }
    }

    fn root(&self, folder: &Path, site: Site) -> String {
        let out = folder.join("root.sealift");
        back::root(&mut *self.open(), &octopus(), Some(&master(site)), &out).to_string()
    }
}

fn master(site: Site) -> sealift::crypto::MasterKey {
    key(if site == Site::Build { 1 } else { 2 })
}

/// The rows of a table, by Id.
fn rows_of(server: &mut dyn Server, table: &str, columns: &[&str]) -> Vec<Row> {
    let mut reader = server.read().unwrap();
    let page = Page { table, columns, order: &["Id"], after: None, max_rows: 10_000, max_bytes: usize::MAX };
    reader.page(&page).unwrap()
}

/// Writes one column of one row, in a transaction of its own.
fn change(
    server: &mut dyn Server,
    table: &str,
    id: &Value,
    column: &str,
    value: Value,
) -> Result<(), ServerError> {
    let mut transaction = server.begin()?;
    transaction
        .update(table, &["Id"], std::slice::from_ref(id), &[column], &vec![value])
        .map_err(|error| error.source)?;
    transaction.check().map_err(|error| error.source)?;
    transaction.commit().map_err(|error| error.source)
}

/// What somebody else does while work goes on.
type Deed<'a> = Box<dyn FnMut() + Send + 'a>;

/// Has somebody else do something when it has heard so many events.
struct Meanwhile<'a> {
    at: u64,
    heard: AtomicU64,
    deed: Mutex<Option<Deed<'a>>>,
}

impl<'a> Meanwhile<'a> {
    fn new(at: u64, deed: impl FnMut() + Send + 'a) -> Self {
        Self { at, heard: 0.into(), deed: Mutex::new(Some(Box::new(deed))) }
    }

    /// Whether it was done.
    fn struck(&self) -> bool {
        self.deed.lock().unwrap().is_none()
    }
}

impl Progress for Meanwhile<'_> {
    fn event(&self, _: Event) {
        if self.heard.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            let deed = self.deed.lock().unwrap().take();
            deed.into_iter().for_each(|mut deed| deed());
        }
    }
}

/// The first events, and then growing steps.
fn steps() -> impl Iterator<Item = u64> {
    let share = 120 / rounds(6).max(1);
    (0..).scan(0_u64, move |at, n| {
        *at += 1 + n * share.max(1) / 4;
        Some(*at)
    })
}
