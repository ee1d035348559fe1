//! The tables of the file, word for word, and the numbers of its header.
//!
//! Obeys `format-spec/bundle-v1.md`, "tables". The reader compares this text exactly with what a file holds:
//! a changed blank is a new format.

/// The format's version, in `user_version`.
pub const FORMAT: u32 = 1;
/// `application_id`: "SeaL".
pub(super) const APPLICATION_ID: u32 = 0x5365_614c;
/// Where the file root stands: the last bytes of page 2.
pub(super) const SEAL_OFFSET: u64 = 8160;
/// The file root's length.
pub(super) const SEAL_BYTES: usize = 32;

/// Type, name and statement of everything in the file, in the order of creation.
pub(super) const OBJECTS: [(&str, &str, &str); 14] = [
    ("table", "seal", "CREATE TABLE seal(id INTEGER PRIMARY KEY, root BLOB NOT NULL) STRICT"),
    (
        "table",
        "meta",
        "CREATE TABLE meta(name TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "slots",
        "CREATE TABLE slots(slot INTEGER PRIMARY KEY, memory_kib INTEGER NOT NULL, passes INTEGER NOT NULL, \
         lanes INTEGER NOT NULL, salt BLOB NOT NULL, nonce BLOB NOT NULL, wrapped BLOB NOT NULL) STRICT",
    ),
    (
        "table",
        "kinds",
        "CREATE TABLE kinds(kind INTEGER PRIMARY KEY, name TEXT NOT NULL, documents INTEGER NOT NULL, \
         first_document INTEGER NOT NULL, packs INTEGER NOT NULL, first_pack INTEGER NOT NULL, \
         secrets INTEGER NOT NULL, sealed INTEGER NOT NULL) STRICT",
    ),
    (
        "table",
        "scopes",
        "CREATE TABLE scopes(scope INTEGER PRIMARY KEY, kind INTEGER NOT NULL, head TEXT NOT NULL, \
         tail TEXT NOT NULL) STRICT",
    ),
    (
        "table",
        "documents",
        "CREATE TABLE documents(document INTEGER PRIMARY KEY, scope INTEGER NOT NULL, name TEXT NOT NULL) STRICT",
    ),
    (
        "table",
        "packs",
        "CREATE TABLE packs(pack INTEGER PRIMARY KEY, documents INTEGER NOT NULL, \
         raw_bytes INTEGER NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL) STRICT",
    ),
    (
        "table",
        "chunks",
        "CREATE TABLE chunks(chunk INTEGER PRIMARY KEY, first_document INTEGER NOT NULL, \
         documents INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, hash BLOB NOT NULL, data BLOB NOT NULL, \
         content_ids BLOB NOT NULL) STRICT",
    ),
    (
        "table",
        "sealed",
        "CREATE TABLE sealed(document INTEGER NOT NULL, n INTEGER NOT NULL, value BLOB NOT NULL, \
         PRIMARY KEY(document, n)) STRICT, WITHOUT ROWID",
    ),
    (
        "table",
        "notices",
        "CREATE TABLE notices(n INTEGER PRIMARY KEY, code TEXT NOT NULL, kind TEXT, key TEXT, place TEXT, \
         value TEXT, names_kind TEXT, names_key TEXT, text TEXT NOT NULL, count INTEGER NOT NULL) STRICT",
    ),
    (
        "table",
        "coverage",
        "CREATE TABLE coverage(n INTEGER PRIMARY KEY, kind TEXT NOT NULL, extent TEXT NOT NULL, rows INTEGER, \
         owner_kind TEXT, owner_key TEXT) STRICT",
    ),
    (
        "view",
        "document_names",
        "CREATE VIEW document_names AS SELECT document, kinds.name AS kind, \
         json_extract(documents.name, '$') AS name, head || documents.name || tail AS key \
         FROM documents JOIN scopes USING(scope) JOIN kinds USING(kind)",
    ),
    (
        "view",
        "kind_counts",
        "CREATE VIEW kind_counts AS SELECT name AS kind, documents, secrets, sealed FROM kinds",
    ),
    (
        "view",
        "sealed_counts",
        "CREATE VIEW sealed_counts AS SELECT document, kind, key, count(*) AS sealed FROM sealed \
         JOIN document_names USING(document) GROUP BY document",
    ),
];
