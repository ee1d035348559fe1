//! A server written out as an export folder of the product's migrator, from what is publicly known of such
//! folders: one object a document with its class first, columns among the other members, sets as lists,
//! secrets under the key of the folder's password.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sealift::bundle::{Header, Summary, Writer};
use sealift::crypto::MasterKey;
use sealift::model::Model;
use sealift::ops::{self, ExportOptions, VendorServer};
use sealift::progress::Silent;
use sealift::server::Server;
use serde_json::{Map, Value as Json, json};

/// The folder's password, and its `Hello` as it was published for it.
pub const PASSWORD: &str = "Pass";
pub const HELLO: &str = "GAhRGtKfMRXFxHVyYWnoXQ==|AAAAAAAAAAAAAAAAAAAAAA==";

/// What lies in a folder.
pub struct Options<'a> {
    /// Tables whose rows are written, and the class of their documents.
    pub tables: &'a [(&'a str, &'a str)],
    /// Members that are left out, as audit rows of the product show some documents without them.
    pub without: &'a [&'a str],
    /// The product's version.
    pub version: &'a str,
}

pub fn metadata(folder: &Path, version: &str) {
    let text = json!({ "$type": "Octopus.Migrator.Core.ExportProcess.ServerMetadata, Octopus.Migrator.Core",
        "Id": "SOURCE", "Name": "SOURCE", "Created": "2019-04-01T10:00:00.0000000+00:00",
        "DatabaseVersion": version, "Hello": HELLO });
    std::fs::write(folder.join("metadata.json"), serde_json::to_string_pretty(&text).unwrap()).unwrap();
}

/// Writes a server out; returns how many documents there are.
pub fn write(server: &Path, folder: &Path, from: &MasterKey, to: &MasterKey, options: &Options<'_>) -> usize {
    std::fs::create_dir_all(folder).unwrap();
    metadata(folder, options.version);
    let db = Connection::open(server).unwrap();
    let mut count = 0;
    for (table, class) in options.tables {
        let types: HashMap<String, String> = {
            let mut query = db.prepare("SELECT name, type FROM pragma_table_info(?1)").unwrap();
            query.query_map([table], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        if types.is_empty() {
            continue;
        }
        let mut query = db.prepare(&format!("SELECT * FROM [{table}]")).unwrap();
        let names: Vec<String> = query.column_names().map(str::to_owned).collect();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let mut members = Map::new();
            members
                .insert("$type".to_owned(), json!(format!("Octopus.Core.Model.Made.{class}, Octopus.Core")));
            for (position, name) in names.iter().enumerate().filter(|(_, name)| *name != "JSON") {
                let value = member(name, &types[name], row.get_ref(position).unwrap());
                let left = options.without.contains(&name.as_str());
                if let (Some(value), false) = (value, left) {
                    members.insert(name.clone(), value);
                }
            }
            let body = row.get("JSON").unwrap_or_else(|_| "{}".to_owned());
            let Json::Object(body) = serde_json::from_str(&body).unwrap() else { panic!("{table}: JSON") };
            for (name, value) in body {
                let twice = members.insert(name.clone(), value);
                assert!(twice.is_none(), "{table}: {name} is a column and in the JSON");
            }
            let mut document = Json::Object(members);
            respell(&mut document, from, to);
            let path = path(folder, table, &document);
            std::fs::write(path, serde_json::to_string_pretty(&document).unwrap()).unwrap();
            count += 1;
        }
    }
    count
}

fn member(name: &str, kind: &str, value: ValueRef<'_>) -> Option<Json> {
    let is_set = name.ends_with("Ids") || name.ends_with("Tags") || name == "Roles";
    Some(match value {
        ValueRef::Null => Json::Null,
        ValueRef::Integer(number) if kind.eq_ignore_ascii_case("bit") => json!(number != 0),
        ValueRef::Integer(number) => json!(number),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).unwrap();
            match is_set {
                true => text.split('|').map(str::trim).filter(|piece| !piece.is_empty()).collect(),
                false => json!(text),
            }
        }
        // Row versions.
        ValueRef::Blob(_) => return None,
        ValueRef::Real(_) => panic!("{name} is a float"),
    })
}

/// Puts every secret, known by decrypting, under the folder's key.
fn respell(value: &mut Json, from: &MasterKey, to: &MasterKey) {
    match value {
        Json::Object(map) => map.values_mut().for_each(|value| respell(value, from, to)),
        Json::Array(list) => list.iter_mut().for_each(|value| respell(value, from, to)),
        Json::String(text) => {
            if let Ok(plain) = from.decrypt(text) {
                *text = to.encrypt(&plain).unwrap();
            }
        }
        _ => {}
    }
}

/// A name for the file, as far as a file can have it.
fn path(folder: &Path, table: &str, document: &Json) -> PathBuf {
    let id = document["Id"].as_str().map_or_else(|| document["Id"].to_string(), str::to_owned);
    let name = document["Name"].as_str().unwrap_or(&id);
    let clean = |text: &str| -> String {
        text.chars()
            .take(60)
            .map(|c| if c.is_alphanumeric() || " -._".contains(c) { c } else { '_' })
            .collect()
    };
    let folder = folder.join(format!("{table}s"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}.json", clean(name)));
    let others = (0..).map(|n| match n {
        0 => format!("{} {}.json", clean(name), clean(&id)),
        n => format!("{} {} {n}.json", clean(name), clean(&id)),
    });
    let mut paths = std::iter::once(path).chain(others.map(|other| folder.join(other)));
    paths.find(|path| !path.exists()).unwrap()
}

/// Exports a folder as `sealift export` does.
pub fn convert(server: &mut VendorServer, model: &Model, out: &Path, options: &ExportOptions<'_>) -> Summary {
    let notices = server.report().notices();
    let mut reader = server.read().unwrap();
    let version = ops::product_version(&mut *reader, model).unwrap();
    let header = Header::new(model.name.clone(), model.digest, version);
    let mut writer = Writer::create(out, header, super::sealed()).unwrap();
    for notice in notices {
        writer.notice(notice).unwrap();
    }
    ops::export(&mut *reader, model, writer, options, &Silent).unwrap().summary
}
