//! The raw header, the file's length, what stands beside it, and the file root.

use super::super::build::{SEAL, blob, int};
use super::super::case::{Case, Stage::Open, refused};

fn put(at: usize, new: &'static [u8]) -> impl Fn(&mut Vec<u8>) {
    move |bytes| bytes[at..at + new.len()].copy_from_slice(new)
}

pub fn cases() -> Vec<Case> {
    let file = "bundle-v1.md, File";
    let roots = "bundle-v1.md, Roots";
    let damaged = |name, what| refused(Open, "damaged", name, file, what);
    let alien = |name, what| refused(Open, "not-a-bundle", name, file, what);
    let newer = |name, what| refused(Open, "too-new", name, file, what);
    vec![
        alien("header-empty-file", "A file without a byte.").bytes(Vec::clear),
        alien("header-too-short", "99 bytes: one less than the header.").bytes(|b| b.truncate(99)),
        alien("header-magic", "The file does not begin as an SQLite file.").bytes(put(0, b"sQLite")),
        alien("header-application-id", "Another application's file: `SeaM`.").bytes(put(71, b"M")),
        alien("header-no-application-id", "An SQLite file of no application.").bytes(put(68, &[0; 4])),
        newer("header-version-2", "A format newer than the reader: refused by name.").bytes(put(63, &[2])),
        newer("header-version-huge", "The version has 32 bits and no sign.").bytes(put(60, &[0xff; 4])),
        newer(
            "header-version-before-the-rest",
            "A newer format may have another page size: the version is looked at first.",
        )
        .bytes(|b| {
            put(63, &[2])(b);
            put(16, &[0x20, 0])(b);
        }),
        damaged("header-version-0", "There is no format 0.").bytes(put(60, &[0; 4])),
        damaged("header-page-size", "The page size is 8192.").bytes(put(16, &[0x20, 0])),
        damaged("header-page-size-65536", "The page size is spelled 1, for 65536.").bytes(put(16, &[0, 1])),
        damaged("header-wal-write", "The write version says WAL.").bytes(put(18, &[2])),
        damaged("header-wal-read", "The read version says WAL.").bytes(put(19, &[2])),
        damaged("header-reserved-bytes", "Each page keeps 8 bytes for an extension.").bytes(put(20, &[8])),
        damaged("header-fractions", "The largest payload fraction is 65.").bytes(put(21, &[65])),
        damaged("header-page-count", "The header counts one page less than there is.").bytes(|b| b[31] -= 1),
        damaged("header-freelist", "The header names a first free page.").bytes(put(35, &[3])),
        damaged("header-free-pages", "The header counts a free page.").bytes(put(39, &[1])),
        damaged("header-schema-format", "The schema's format is 1.").bytes(put(47, &[1])),
        damaged("header-cache-size", "A default cache size is set.").bytes(put(51, &[9])),
        damaged("header-auto-vacuum", "Auto-vacuum is on.").bytes(put(55, &[3])),
        damaged("header-incremental-vacuum", "Incremental vacuum is on.").bytes(put(67, &[1])),
        damaged("header-utf-16", "Text is UTF-16.").bytes(put(59, &[2])),
        damaged("header-expansion", "The bytes kept for expansion are not zero.").bytes(put(80, &[1])),
        damaged("header-change-counter", "Changed by the engine after it was finished.").bytes(put(27, &[9])),
        damaged("file-one-page", "Only the first page, and the header says so.").bytes(|b| {
            b.truncate(4096);
            put(28, &[0, 0, 0, 1])(b);
        }),
        damaged("file-truncated-page", "The last page is missing.").bytes(|b| b.truncate(b.len() - 4096)),
        damaged("file-truncated-byte", "The last byte is missing.").bytes(|b| b.truncate(b.len() - 1)),
        damaged("file-trailing-byte", "One zero byte follows.").bytes(|b| b.push(0)),
        damaged("file-trailing-page", "A page of zeros follows that the header does not count.")
            .bytes(|b| b.resize(b.len() + 4096, 0)),
        damaged("beside-journal", "A rollback journal stands beside the file.").beside("-journal"),
        damaged("beside-wal", "A write-ahead log stands beside the file.").beside("-wal"),
        damaged("beside-shm", "A WAL index stands beside the file.").beside("-shm"),
        refused(Open, "damaged", "root-zeros", roots, "The file root was never written.")
            .bytes(|b| b[SEAL..SEAL + 32].fill(0))
            .unsealed(),
        refused(Open, "damaged", "root-of-another-file", roots, "A root, but that of other bytes.")
            .bytes(|b| b[SEAL..SEAL + 32].fill(0x5a))
            .unsealed(),
        refused(
            Open,
            "damaged",
            "root-replayed",
            roots,
            "A document's name was changed and the root of the file before that put back.",
        )
        .bytes(|b| {
            let at = b.windows(12).position(|w| w == b"\"Production\"").unwrap();
            b[at + 1] = b'p';
        })
        .unsealed(),
        refused(
            Open,
            "damaged",
            "root-dead-byte",
            roots,
            "A byte changed that no row uses: every byte counts.",
        )
        .bytes(|b| b[4096 + 200] ^= 1)
        .unsealed(),
        refused(
            Open,
            "damaged",
            "root-over-itself",
            roots,
            "The root was taken over its own bytes as they were.",
        )
        .bytes(|b| {
            let root = blake3::derive_key("sealift 2026-11 bundle v1 file root", b);
            b[SEAL..SEAL + 32].copy_from_slice(&root);
        })
        .unsealed(),
        refused(Open, "damaged", "root-plain-hash", roots, "Plain BLAKE3, without the context.")
            .bytes(|b| {
                b[SEAL..SEAL + 32].fill(0);
                let root = blake3::hash(b);
                b[SEAL..SEAL + 32].copy_from_slice(root.as_bytes());
            })
            .unsealed(),
        refused(Open, "damaged", "seal-missing", roots, "The table `seal` has no row.")
            .tables(|t| t.table("seal").clear()),
        refused(Open, "damaged", "seal-two-rows", roots, "The table `seal` has two rows.")
            .tables(|t| t.table("seal").push(vec![int(2), blob(&[0; 3])])),
        refused(Open, "damaged", "seal-numbered-2", roots, "The row of `seal` has number 2.")
            .tables(|t| t.set("seal", 0, 0, int(2))),
        refused(Open, "damaged", "seal-33-bytes", roots, "The row of `seal` holds 33 bytes.")
            .tables(|t| t.set("seal", 0, 1, blob(&[0; 33]))),
    ]
}
