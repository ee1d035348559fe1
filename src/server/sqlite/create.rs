//! A new database: made beside its place, complete, and then put there.

use std::path::Path;

use rusqlite::Connection;

use super::ddl;
use super::fault::failed;
use crate::progress::Progress;
use crate::server::{Schema, ServerError};

/// Makes the file.
pub(super) fn create(
    path: &Path,
    address: &str,
    schema: Schema<'_>,
    progress: &dyn Progress,
) -> Result<(), ServerError> {
    let open = |source: Box<dyn std::error::Error + Send + Sync>| ServerError::Open {
        address: address.to_owned(),
        source,
    };
    // A link that leads nowhere is something too.
    if path.symlink_metadata().is_ok() {
        return Err(ServerError::Exists(address.to_owned()));
    }
    let sql = match schema {
        Schema::Ddl(text) => text.to_owned(),
        Schema::Like(catalog) => ddl::of(catalog)?,
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-").suffix(".sqlite");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any program makes a file: what the umask leaves.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let beside = builder.tempfile_in(folder).map_err(|error| open(error.into()))?.into_temp_path();
    fill(&beside, &sql)?;
    progress.take_effect()?;
    beside.persist_noclobber(path).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => ServerError::Exists(address.to_owned()),
        _ => open(error.error.into()),
    })?;
    #[cfg(unix)]
    if let Err(error) = std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        progress.notice(format!("{address} is made, but it may not outlast a loss of power: {error}"));
    }
    Ok(())
}

fn fill(path: &Path, sql: &str) -> Result<(), ServerError> {
    let make = || {
        let connection = Connection::open(path)?;
        // A file that is half made is never put in its place: no journal need be kept beside it.
        connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL; BEGIN")?;
        connection.execute_batch(sql)?;
        // Even a server without tables is a database and no empty file.
        connection.execute_batch("PRAGMA user_version = 0; COMMIT")?;
        connection.close().map_err(|(_, error)| error)
    };
    make().map_err(|error| match error {
        // The statement that failed would repeat the whole text.
        rusqlite::Error::SqlInputError { msg, .. } => failed("creating the tables", msg),
        error => super::fault::fault("creating the tables", "the new server", error),
    })
}
