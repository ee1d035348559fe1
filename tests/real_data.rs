//! Data that nobody here wrote: 600 step templates with their secrets, and a plain relational database.
//!
//! What is checked, is checked by walks of the tests' own over both servers, not by the importer's plan.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use sealift::crypto::MasterKey;
use sealift::plan::Action;
use serde_json::Value as Json;
use support::*;

const LIBRARY_KEY: &str = "U0knqNESBcTMiomXZgLm3A==";

/// Every document of the library by table and name, its secrets decrypted and its ids replaced by names.
/// GUIDs are numbers, however their letters are written.
fn library(path: &Path, key: &MasterKey) -> (BTreeMap<String, Json>, usize) {
    let db = Connection::open(path).unwrap();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for table in ["CommunityActionTemplate", "ActionTemplate"] {
        let mut select = db.prepare(&format!("SELECT Id, Name FROM {table}")).unwrap();
        let rows = select.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        names.extend(rows.map(Result::unwrap));
    }
    let mut secrets = 0;
    let mut documents = BTreeMap::new();
    let mut select = db
        .prepare("SELECT 'A', Name, Version, ActionType, CommunityActionTemplateId, JSON FROM ActionTemplate UNION ALL SELECT 'C', Name, lower(ExternalId), NULL, NULL, JSON FROM CommunityActionTemplate")
        .unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let table: String = row.get(0).unwrap();
        let name: String = row.get(1).unwrap();
        let version: rusqlite::types::Value = row.get(2).unwrap();
        let kind: Option<String> = row.get(3).unwrap();
        let community: Option<String> = row.get(4).unwrap();
        let mut body: Json = serde_json::from_str(&row.get::<_, String>(5).unwrap()).unwrap();
        secrets += decrypt(&mut body, key);
        let columns = format!("{version:?} {kind:?} {:?}", community.map(|id| names[&id].clone()));
        documents.insert(format!("{table} {name}"), serde_json::json!({ "columns": columns, "body": body }));
    }
    (documents, secrets)
}

fn decrypt(value: &mut Json, key: &MasterKey) -> usize {
    match value {
        Json::Object(map) => {
            let mut count = 0;
            if let Some(Json::String(text)) = map.get_mut("SensitiveValue") {
                *text = key.decrypt(text).unwrap().expose_text().unwrap().to_owned();
                count += 1;
            }
            count + map.values_mut().map(|v| decrypt(v, key)).sum::<usize>()
        }
        Json::Array(list) => list.iter_mut().map(|v| decrypt(v, key)).sum(),
        _ => 0,
    }
}

#[test]
fn the_step_template_library_arrives_under_another_master_key() {
    let Some(source) = data("octopus-library.sqlite") else { return };
    let folder = folder();
    let (model, ours, theirs) = (octopus(), MasterKey::from_base64(LIBRARY_KEY).unwrap(), key(3));
    let bundle = folder.path().join("library.sealift");
    let summary = export(&source, &model, &bundle, &everything(Some(&ours)));
    assert_eq!(summary.documents, 1200);

    let target = folder.path().join("target.sqlite");
    drop(empty_like(&target, &source));
    let plan = import(&bundle, &target, &model, Some(&theirs), overwrite());
    assert_eq!(plan.count(Action::Create), 1200);

    let (before, secrets) = library(&source, &ours);
    let (after, arrived) = library(&target, &theirs);
    assert_eq!(before.len(), 1200);
    assert_eq!(secrets, arrived);
    assert_eq!(summary.secrets, secrets as u64);
    for (name, document) in &before {
        assert_eq!(Some(document), after.get(name), "{name}");
    }

    import_nothing(&bundle, &target, &model, Some(&theirs), overwrite());
    import_nothing(&bundle, &target, &model, Some(&theirs), skip());

    let again = export(&target, &model, &folder.path().join("again.sealift"), &everything(Some(&theirs)));
    assert_eq!(summary.content_root, again.content_root);
}

/// Salt, nonces and data key are random; everything else of two exports is equal, and with the earlier bundle
/// at hand the random parts are kept too.
#[test]
fn two_exports_of_the_library_are_the_same_bytes() {
    let Some(source) = data("octopus-library.sqlite") else { return };
    let folder = folder();
    let (model, key) = (octopus(), MasterKey::from_base64(LIBRARY_KEY).unwrap());
    let first = folder.path().join("first.sealift");
    let summary = export(&source, &model, &first, &everything(Some(&key)));

    let earlier = open(&first);
    let envelope = earlier.envelope().unwrap().clone();
    let (data_key, again) = (unlock(&earlier).unwrap(), unlock(&earlier).unwrap());
    let options = sealift::bundle::WriterOptions {
        protection: sealift::bundle::Protection::Password { envelope, key: data_key },
        previous: Some(sealift::bundle::Previous { bundle: earlier, key: again }),
        ..Default::default()
    };
    let second = folder.path().join("second.sealift");
    let report = try_export(&source, &model, &second, &everything(Some(&key)), options).unwrap();
    assert_eq!(report.summary.file_root, summary.file_root);
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());

    let third = folder.path().join("third.sealift");
    let fresh = export(&source, &model, &third, &everything(Some(&key)));
    assert_eq!(fresh.content_root, summary.content_root);
    assert_ne!(fresh.file_root, summary.file_root, "secrets must be sealed under fresh randomness");
}

/// Chinook by natural keys: for each table, rows with every id replaced by what it names.
fn relational(path: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let db = Connection::open(path).unwrap();
    let broken: i64 =
        db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0)).unwrap();
    assert_eq!(broken, 0, "foreign keys point to nothing");
    let album = "(SELECT ar.Name || '/' || al.Title FROM Album al JOIN Artist ar USING (ArtistId) WHERE al.AlbumId = ";
    let track = format!(
        "(SELECT t.Name || '/' || t.Milliseconds || '/' || {album} t.AlbumId) FROM Track t WHERE t.TrackId = "
    );
    let queries = [
        ("Artist", "SELECT Name FROM Artist".to_owned()),
        ("Album", format!("SELECT {album} Album.AlbumId) FROM Album")),
        ("Genre", "SELECT Name FROM Genre".to_owned()),
        ("MediaType", "SELECT Name FROM MediaType".to_owned()),
        ("Track", format!("SELECT quote({track} x.TrackId)) || quote(m.Name) || quote(g.Name) || quote(Composer) || quote(Bytes) || quote(UnitPrice) || typeof(UnitPrice) FROM Track x LEFT JOIN MediaType m USING (MediaTypeId) LEFT JOIN Genre g USING (GenreId)")),
        ("Playlist", "SELECT Name FROM Playlist".to_owned()),
        // The twins among the playlists have equal tracks: as a multiset of (name, track) they are told apart by nothing.
        ("PlaylistTrack", format!("SELECT p.Name || {track} x.TrackId) FROM PlaylistTrack x JOIN Playlist p USING (PlaylistId)")),
        ("Employee", "SELECT quote(e.Email) || quote(e.LastName) || quote(e.HireDate) || quote(m.Email) FROM Employee e LEFT JOIN Employee m ON e.ReportsTo = m.EmployeeId".to_owned()),
        ("Customer", "SELECT quote(c.Email) || quote(c.FirstName) || quote(c.Company) || quote(e.Email) FROM Customer c LEFT JOIN Employee e ON c.SupportRepId = e.EmployeeId".to_owned()),
        ("Invoice", "SELECT quote(c.Email) || quote(i.InvoiceDate) || quote(i.Total) || quote(i.BillingState) FROM Invoice i JOIN Customer c USING (CustomerId)".to_owned()),
        ("InvoiceLine", format!("SELECT c.Email || i.InvoiceDate || {track} l.TrackId) || quote(l.UnitPrice) || l.Quantity FROM InvoiceLine l JOIN Invoice i USING (InvoiceId) JOIN Customer c USING (CustomerId)")),
    ];
    let read = |sql: &str| -> Vec<String> {
        let mut select = db.prepare(sql).unwrap();
        let mut rows: Vec<String> = select.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
        rows.sort();
        rows
    };
    queries.iter().map(|(table, sql)| (*table, read(sql))).collect()
}

fn assert_same_relations(a: &Path, b: &Path) {
    let (a, b) = (relational(a), relational(b));
    for (table, rows) in &a {
        assert_eq!(rows.len(), b[table].len(), "{table}");
        assert!(rows == &b[table], "{table} differs");
    }
}

#[test]
fn chinook_arrives_in_an_empty_server() {
    let Some(source) = data("chinook.sqlite") else { return };
    let folder = folder();
    let model = chinook();
    let bundle = folder.path().join("chinook.sealift");
    let summary = export(&source, &model, &bundle, &everything(None));
    assert_eq!(summary.documents, 15607);
    let target = folder.path().join("target.sqlite");
    drop(empty_like(&target, &source));
    import(&bundle, &target, &model, None, overwrite());
    assert_same_relations(&source, &target);
    import_nothing(&bundle, &target, &model, None, overwrite());
    let again = export(&target, &model, &folder.path().join("again.sealift"), &everything(None));
    assert_eq!(again.content_root, summary.content_root);
}

/// A third of the rows are there already, under other ids and in other order.
#[test]
fn chinook_arrives_among_rows_with_other_ids() {
    let Some(source) = data("chinook.sqlite") else { return };
    let folder = folder();
    let model = chinook();
    let bundle = folder.path().join("chinook.sealift");
    let summary = export(&source, &model, &bundle, &everything(None));
    let target = folder.path().join("target.sqlite");
    std::fs::copy(&source, &target).unwrap();
    let mut writable = std::fs::metadata(&target).unwrap().permissions();
    #[allow(
        clippy::permissions_set_readonly_false,
        reason = "a copy of a read-only file, in a folder of our own"
    )]
    writable.set_readonly(false);
    std::fs::set_permissions(&target, writable).unwrap();
    let db = Connection::open(&target).unwrap();
    // Ids are turned round and moved away; two thirds of the rows go, children first.
    db.execute_batch(
        "PRAGMA foreign_keys = OFF;
         DELETE FROM InvoiceLine WHERE InvoiceLineId % 3 > 0;
         DELETE FROM PlaylistTrack WHERE (PlaylistId + TrackId) % 3 > 0;
         DELETE FROM Invoice WHERE InvoiceId % 3 > 0 AND InvoiceId NOT IN (SELECT InvoiceId FROM InvoiceLine);
         DELETE FROM Track WHERE TrackId % 3 > 0 AND TrackId NOT IN (SELECT TrackId FROM InvoiceLine) AND TrackId NOT IN (SELECT TrackId FROM PlaylistTrack);
         DELETE FROM Playlist WHERE PlaylistId % 3 > 0 AND PlaylistId NOT IN (SELECT PlaylistId FROM PlaylistTrack);
         DELETE FROM Album WHERE AlbumId % 3 > 0 AND AlbumId NOT IN (SELECT AlbumId FROM Track);
         DELETE FROM Artist WHERE ArtistId % 3 > 0 AND ArtistId NOT IN (SELECT ArtistId FROM Album);
         UPDATE Artist SET ArtistId = -ArtistId; UPDATE Album SET ArtistId = -ArtistId;
         UPDATE Artist SET ArtistId = 9000 + ArtistId; UPDATE Album SET ArtistId = 9000 + ArtistId;
         UPDATE Album SET AlbumId = -AlbumId; UPDATE Track SET AlbumId = -AlbumId;
         UPDATE Album SET AlbumId = 9000 + AlbumId; UPDATE Track SET AlbumId = 9000 + AlbumId;
         UPDATE Track SET TrackId = -TrackId; UPDATE InvoiceLine SET TrackId = 90000 - TrackId; UPDATE PlaylistTrack SET TrackId = 90000 - TrackId;
         UPDATE Track SET TrackId = 90000 + TrackId;
         UPDATE Employee SET EmployeeId = EmployeeId + 100, ReportsTo = ReportsTo + 100;
         UPDATE Customer SET SupportRepId = SupportRepId + 100;
         DELETE FROM Customer WHERE CustomerId % 3 > 0 AND CustomerId NOT IN (SELECT CustomerId FROM Invoice);",
    )
    .unwrap();
    let broken: i64 =
        db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0)).unwrap();
    assert_eq!(broken, 0, "the test's own surgery broke the target");
    drop(db);
    let plan = import(&bundle, &target, &model, None, overwrite());
    assert!(
        plan.count(Action::Create) > 5000 && plan.count(Action::Unchanged) > 3000,
        "{:?}",
        plan.count(Action::Create)
    );
    assert_same_relations(&source, &target);
    import_nothing(&bundle, &target, &model, None, overwrite());
    let again = export(&target, &model, &folder.path().join("again.sealift"), &everything(None));
    assert_eq!(again.content_root, summary.content_root);
}
