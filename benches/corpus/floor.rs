//! The least that the work can take, and tools that do a part of it, on the same rows.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::measure::{Figure, Measured, installed, measure, median};

/// The level and the size of the packs.
const LEVEL: i32 = 9;
const PACK: usize = 2 << 20;
/// The CPU seconds of a process come in hundredths: small servers are read several times.
const ROWS_AT_LEAST: u64 = 100_000;

/// The arguments that make this bench one of its own references.
pub const FLOOR: &str = "floor";

/// The CPU seconds of one thread that reads all rows of a server, hashes each with BLAKE3, and compresses them in
/// packs: a process of its own, like what is compared with it.
pub fn floor(server: &Path, rows: u64, runs: usize) -> Measured {
    let times = ROWS_AT_LEAST.div_ceil(rows.max(1)).max(1);
    let bench = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(bench);
    command.arg(FLOOR).arg(server).arg(times.to_string());
    let once = |seconds: f64| seconds / times as f64;
    let figure = median(runs, || measure(&command))?;
    Ok(Figure { wall: once(figure.wall), cpu: figure.cpu.map(once), ..figure })
}

/// The floor's work.
pub fn work(server: &str, times: usize) -> rusqlite::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("a compressor");
    for _ in 0..times {
        let mut pack = Vec::with_capacity(2 * PACK);
        let mut compress = |pack: &mut Vec<u8>| {
            std::hint::black_box(compressor.compress(pack).expect("memory"));
            pack.clear();
        };
        each_row(Path::new(server), |row| {
            std::hint::black_box(blake3::hash(row));
            pack.extend_from_slice(row);
            if pack.len() >= PACK {
                compress(&mut pack);
            }
        })?;
        compress(&mut pack);
    }
    Ok(())
}

/// Reads every row of a server. Returns how many bytes they have.
fn each_row(server: &Path, mut see: impl FnMut(&[u8])) -> rusqlite::Result<u64> {
    let connection = Connection::open(server)?;
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let tables = tables.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let (mut bytes, mut text) = (0, Vec::new());
    for table in tables {
        let mut select = connection.prepare(&format!("SELECT * FROM [{table}]"))?;
        let columns = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            text.clear();
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Null => {}
                    ValueRef::Integer(number) => text.extend_from_slice(&number.to_le_bytes()),
                    ValueRef::Real(number) => text.extend_from_slice(&number.to_le_bytes()),
                    ValueRef::Text(value) | ValueRef::Blob(value) => text.extend_from_slice(value),
                }
            }
            bytes += text.len() as u64;
            see(&text);
        }
    }
    Ok(bytes)
}

/// Writes the rows as one file, for tools that read files. Returns how many bytes they have.
pub fn rows_as_file(server: &Path, to: &Path) -> rusqlite::Result<u64> {
    let mut file = BufWriter::new(File::create(to).expect("a file"));
    let bytes = each_row(server, |row| file.write_all(row).expect("room on the disk"))?;
    file.flush().expect("room on the disk");
    Ok(bytes)
}

/// `zstd` over the file of the rows.
pub fn zstd(rows: &Path, runs: usize) -> Measured {
    let mut command = Command::new("zstd");
    command.args(["-9", "--long=27", "--single-thread", "--force", "--quiet", "-o"]);
    command.arg(rows.with_extension("zst")).arg(rows);
    median(runs, || measure(&command))
}

/// `restic backup` of the file of the rows into a new repository.
pub fn restic(rows: &Path, runs: usize) -> Measured {
    if !installed("restic") {
        return Err("not installed".to_owned());
    }
    median(runs, || {
        let repository = tempfile::tempdir().map_err(|error| error.to_string())?;
        let restic = |argument: &str| {
            let mut command = Command::new("restic");
            command
                .env("RESTIC_REPOSITORY", repository.path())
                .env("RESTIC_PASSWORD", "a password of the bench");
            command.args(["--no-cache", argument]);
            command
        };
        measure(&restic("init"))?;
        let mut backup = restic("backup");
        backup.arg(rows);
        measure(&backup)
    })
}
