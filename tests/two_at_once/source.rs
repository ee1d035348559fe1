//! A source that changes while it is read: the bundle holds what there was when the reading began.

use rusqlite::Connection;
use sealift::bundle::Writer;
use sealift::ops;

use super::*;

/// Exports, while at the n-th event somebody renames a project; at 0 after the reading has begun.
fn export_while(place: &Place, out: &Path, n: u64, deed: &mut (dyn FnMut() + Send)) -> (String, bool) {
    let model = octopus();
    let mut server = place.open();
    let mut reader = server.read().unwrap();
    let mut done = false;
    if n == 0 {
        deed();
        done = true;
    }
    let header = header(&mut *reader, &model);
    let _ = std::fs::remove_file(out);
    let writer = Writer::create(out, header, sealed()).unwrap();
    let master = master(Site::Build);
    let progress = Meanwhile::new(n, deed);
    let report = ops::export(&mut *reader, &model, writer, &everything(Some(&master)), &progress).unwrap();
    (report.summary.content_root.to_string(), done || progress.struck())
}

/// Has the source change at every event. `allowed` says whether who changes it must succeed; `None` where it
/// depends on when.
fn sweep(name: &str, place: &Place, folder: &Path, allowed: Option<bool>) {
    let out = folder.join("out.sealift");
    let projects = rows_of(&mut *place.open(), "Project", &["Id", "Name"]);
    let (mut changed, mut kept_off) = (0, 0);
    for n in std::iter::once(0).chain(steps()) {
        let before = place.root(folder, Site::Build);
        let id = &projects[n as usize % projects.len()][0];
        let mut result = None;
        let mut deed = || {
            let name = format!("renamed at {n}");
            result = Some(match (place, allowed) {
                // Who waits for the other in vain need not wait for long.
                (Place::Embedded(path), Some(false)) => impatient(path, id, &name),
                _ => change(&mut *place.open(), "Project", id, "Name", name.as_str().into()),
            });
        };
        let (root, struck) = export_while(place, &out, n, &mut deed);
        assert_eq!(root, before, "{name}: the bundle is not what there was, at event {n}");
        open(&out);
        if !struck {
            break;
        }
        match result.unwrap() {
            Ok(()) => {
                changed += 1;
                assert_ne!(allowed, Some(false), "{name} {n}");
                assert_ne!(place.root(folder, Site::Build), before, "{name} {n}: nothing was changed");
            }
            Err(ServerError::Busy) => {
                kept_off += 1;
                assert_ne!(allowed, Some(true), "{name} {n}");
                assert_eq!(place.root(folder, Site::Build), before, "{name} {n}");
            }
            Err(error) => panic!("{name} {n}: {error:?}"),
        }
    }
    println!(
        "{name}: the source changed {changed} times under an export, and was kept from it {kept_off} times"
    );
    assert!(changed + kept_off >= 5, "{name}");
}

fn impatient(path: &Path, id: &Value, name: &str) -> Result<(), ServerError> {
    let Value::Text(id) = id else { unreachable!() };
    let db = Connection::open(path).unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    match db.execute("UPDATE Project SET Name = ?1 WHERE Id = ?2", [name, id]) {
        Ok(1) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            Err(ServerError::Busy)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_embedded_source_waits_for_the_export() {
    let folder = folder();
    let place = Place::embedded(folder.path(), Site::Build);
    sweep("embedded", &place, folder.path(), Some(false));
}

/// With a write-ahead log others write while it is read.
#[test]
fn an_embedded_source_with_a_log_changes_beside_the_export() {
    let folder = folder();
    let place = Place::embedded(folder.path(), Site::Build);
    let Place::Embedded(path) = &place else { unreachable!() };
    let mode: String =
        Connection::open(path).unwrap().query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    sweep("embedded, with a log", &place, folder.path(), Some(true));
}

#[test]
fn a_source_changes_beside_the_export_over_tds() {
    let folder = folder();
    let test = TestServer::own(Default::default());
    let place = Place::endpoint(&test, folder.path(), Site::Build);
    sweep("over TDS, SNAPSHOT", &place, folder.path(), Some(true));
}

/// Where the database allows no snapshots, what was read is locked.
#[test]
fn a_source_without_snapshots_is_exported_as_it_was_over_tds() {
    let folder = folder();
    let test = TestServer::own(endpoint::Options { snapshot_isolation: false, ..Default::default() });
    let place = Place::endpoint(&test, folder.path(), Site::Build);
    sweep("over TDS, SERIALIZABLE", &place, folder.path(), None);
}
