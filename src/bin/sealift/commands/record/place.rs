//! Where a record goes: names that nothing has yet, and files that are whole or not there.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use sealift::server::Address;

use crate::clock::Moment;
use crate::exit::{Exit, Failure};

/// The endings of what an import may leave under one name.
const ENDINGS: [&str; 3] = ["json", "html", "undo"];

/// How long the part of a name that is the database's may be, in characters.
const NAME: usize = 60;

/// A name for what an import leaves in a folder: `sealift-20241105T061000Z-octopus`, without an ending, and with
/// a number behind it where there is such a file already. The record takes the endings `.json` and `.html`, undo
/// files take `.undo`.
pub fn default_stem(folder: &Path, target: &Address, when: Moment) -> PathBuf {
    let database = match target {
        Address::Sqlite(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Address::SqlServer(address) => address.database.clone(),
    };
    // Every file system takes these, and no shell sees more in them.
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let database: String = database.chars().take(NAME).map(safe).collect();
    free(&folder.join(format!("sealift-{}-{database}", when.compact())))
}

fn is_taken(stem: &Path, endings: &[&str]) -> bool {
    endings.iter().any(|ending| ended(stem, ending).symlink_metadata().is_ok())
}

/// The name itself, or with the first number under which there is nothing.
fn free(stem: &Path) -> PathBuf {
    let mut name = stem.to_owned();
    let mut number = 1u64;
    while is_taken(&name, &ENDINGS) {
        number += 1;
        name = numbered(stem, number);
    }
    name
}

fn numbered(stem: &Path, number: u64) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(format!("-{number}"));
    name.into()
}

/// A name with an ending; what looks like one in it stays.
pub fn ended(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The two files of a record that is yet to be written.
#[derive(Debug, Clone)]
pub struct Place {
    pub json: PathBuf,
    pub html: PathBuf,
}

impl Place {
    /// The files of a name without an ending.
    pub fn named(stem: &Path) -> Self {
        Self { json: ended(stem, "json"), html: ended(stem, "html") }
    }

    /// The files of a name without an ending, with a number where there is one of them. An undo file of that
    /// name is this import's own.
    pub fn vacant(stem: &Path) -> Self {
        match is_taken(stem, &["json", "html"]) {
            true => Self::named(&free(stem)),
            false => Self::named(stem),
        }
    }

    /// The files where the JSON is at a path: the page is beside it, under the same name.
    pub fn beside(json: &Path) -> Self {
        Self { json: json.to_owned(), html: json.with_extension("html") }
    }

    /// Checks that both files can be made, and leaves nothing.
    pub fn check(&self) -> Result<(), Failure> {
        for path in [&self.json, &self.html] {
            beside(path).map_err(|error| cannot(path, &error))?;
        }
        Ok(())
    }
}

/// Writes a file whole: beside its place, lasting, then put there. Nothing is overwritten.
pub fn put(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    let refused = |error: std::io::Error| cannot(path, &error);
    let beside = beside(path).map_err(refused)?;
    let mut out = BufWriter::new(beside.as_file());
    write(&mut out).and_then(|()| out.flush()).map_err(refused)?;
    drop(out);
    beside.as_file().sync_all().map_err(refused)?;
    match beside.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(cannot(path, &error.error)),
    }
}

fn beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".sealift-").suffix(".record").tempfile_in(folder)
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write the record {}: {error}", path.display()))
        .hint("--record FILE puts it elsewhere, --no-record writes none")
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Failed, format!("{} exists already", path.display()))
        .hint("name another file: a record is never overwritten")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_first_that_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let now = Moment::now();
        let stem = |address: &str| default_stem(folder.path(), &address.parse().unwrap(), now);
        let name = |stem: PathBuf| stem.file_name().unwrap().to_str().unwrap().to_owned();
        let first = format!("sealift-{}-Octo_pus", now.compact());
        assert_eq!(name(stem("mssql://sa@h/Octo%20pus")), first);
        assert_eq!(name(stem("sqlite:/a/b/Octo pus.v2.sqlite")), format!("{first}_v2"));
        assert!(name(stem(&format!("sqlite:{}", "ab/".repeat(3) + &"x".repeat(300)))).len() < 100);
        for (number, ending) in [(2, "undo"), (3, "html"), (4, "json")] {
            let taken = stem("mssql://sa@h/Octo%20pus");
            std::fs::write(ended(&taken, ending), "").unwrap();
            assert_eq!(name(stem("mssql://sa@h/Octo%20pus")), format!("{first}-{number}"));
        }
        // The undo file of that name is the import's own; a record of that name is another's.
        let own = folder.path().join(&first);
        assert_eq!(Place::vacant(&own).json, ended(&own, "json"));
        std::fs::write(ended(&own, "html"), "").unwrap();
        assert_eq!(Place::vacant(&own).json, ended(&numbered(&own, 4), "json"));
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.b");
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let failed = put(&path, |out| {
            out.write_all(&[b'x'; 100_000])?;
            Err(std::io::Error::other("the disk is gone"))
        });
        assert!(failed.is_err());
        assert_eq!(files(), 0);
        put(&path, |out| out.write_all(b"whole")).unwrap();
        assert!(put(&path, |out| out.write_all(b"other")).is_err());
        assert_eq!((std::fs::read(&path).unwrap(), files()), (b"whole".to_vec(), 1));
    }
}
