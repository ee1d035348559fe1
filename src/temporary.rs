//! Temporary files and folders that nobody but their owner can look into: they may hold somebody's configuration.
//!
//! On Windows the user's folder for temporary files is private already; elsewhere folders are made for all to read
//! unless somebody says otherwise. Files that the `tempfile` crate makes are private everywhere.

use std::io;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// Makes a folder in the system's folder for temporary files. It goes when it is dropped.
///
/// # Errors
/// What the system refuses; the error names the folder, and the variable that it comes from.
pub fn folder() -> io::Result<TempDir> {
    folder_in(&std::env::temp_dir(), "sealift-").map_err(explained)
}

/// Makes a file there. It goes when it is dropped.
///
/// # Errors
/// As [`folder`].
pub fn file() -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix("sealift-").tempfile().map_err(explained)
}

/// Makes a file there that has no name: it goes when it is closed, and when the process ends.
///
/// # Errors
/// As [`folder`].
pub fn unnamed() -> io::Result<std::fs::File> {
    tempfile::tempfile().map_err(explained)
}

/// An error with the variable by which people say where temporary files go.
fn explained(error: io::Error) -> io::Error {
    let variable = if cfg!(windows) { "TMP" } else { "TMPDIR" };
    let folder = std::env::temp_dir();
    let text = format!(
        "cannot use {} for temporary files ({variable} names another folder): {error}",
        folder.display()
    );
    io::Error::new(error.kind(), text)
}

/// Makes a folder in another one, with a name that begins so. It goes when it is dropped.
///
/// # Errors
/// What the system refuses; the error names the folder.
#[allow(clippy::disallowed_methods, reason = "the one place that makes them private")]
pub fn folder_in(beside: &Path, prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder.tempdir_in(beside)
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn nobody_else_can_look_into_a_temporary_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = super::folder().unwrap();
        let beside = super::folder_in(folder.path(), "x").unwrap();
        for folder in [&folder, &beside] {
            assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
