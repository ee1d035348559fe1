use std::path::Path;

use crate::document::Value;
use crate::model::{Model, OCTOPUS_SPACES_SQL};
use crate::ops::translate::{Layouts, ServerSecrets, Translation, Vault, whole_table};
use crate::progress::Silent;
use crate::server::Server;
use crate::server::sqlite::{Schema, SqliteServer};

use super::ids::Ids;
use super::*;

fn server(path: &Path) -> SqliteServer {
    let mut server = SqliteServer::create(path, Schema::Ddl(OCTOPUS_SPACES_SQL)).unwrap();
    let mut transaction = server.begin().unwrap();
    let columns = ["Id", "Name", "SpaceId", "JSON"];
    let row = |id: &str, name: &str, json: &str| {
        vec![Value::from(id), Value::from(name), Value::from("Spaces-1"), Value::from(json)]
    };
    let json = r#"{"Own":"ProjectGroups-1","Other":"ProjectGroups-2","Like":"PrejectGroups-1","List":"PrejectGroups-2,ProjectGroups-1","Names":{"PrejectGroups-2":1},"Short":"ab"}"#;
    let rows =
        [row("ProjectGroups-1", "All", "{}"), row("ProjectGroups-2", "Odd", json), row("ab", "Short", "{}")];
    transaction.insert("ProjectGroup", &columns, &rows).unwrap();
    transaction.commit().unwrap();
    server
}

fn found(mask: u64) -> (Vec<(String, String)>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(&folder.path().join("s.sqlite"));
    let model = Model::octopus().unwrap();
    let mut reader = server.read().unwrap();
    let layouts = Layouts::new(&model, reader.catalog()).unwrap();
    let ids = Ids::with_mask(&mut *reader, &layouts, &Silent, mask).unwrap();
    let doubt = ids.may_hold("PrejectGroups-1");
    let mut finder = Finder::with(ids);
    let mut translation = Translation::new(layouts.clone());
    let layout = layouts.iter().find(|l| l.kind.name.as_str() == "ProjectGroup").unwrap();
    let mut table = whole_table(&mut *reader, layout, &layout.select()).unwrap();
    let rows = table.next_page(&mut *reader).unwrap().unwrap();
    let mut vault = Vault::new();
    let read = translation.read(&mut *reader, layout.index, rows, ServerSecrets::Mask, &mut vault).unwrap();
    for portable in read {
        finder.look(&mut *reader, &mut translation, layout, &portable.document).unwrap();
    }
    let (found, beyond) = finder.finish(&mut *reader, &mut translation).unwrap();
    assert_eq!(beyond, 0);
    (found.into_iter().map(|u| (u.place, u.example_id)).collect(), doubt)
}

/// With fingerprints that are all alike everything of an id's shape is in doubt; the server decides.
#[test]
fn fingerprints_that_agree_by_chance_report_nothing() {
    let told = |place: &str, id: &str| (place.to_owned(), id.to_owned());
    let expected = vec![
        told("$.List", "ProjectGroups-1"),
        told("$.Other", "ProjectGroups-2"),
        told("$.Own", "ProjectGroups-1"),
    ];
    let (exact, doubt) = found(!0);
    assert_eq!((exact, doubt), (expected.clone(), false));
    assert_eq!(found(0), (expected, true));
}
