//! Bundles that must be accepted, though not every writer would write them.

use super::super::build::{Cell, Doc, int, word};
use super::super::case::{Case, ok};
use super::super::pack::{self, list, map, number, reference, text, varint};

pub fn cases() -> Vec<Case> {
    vec![
        ok(
            "ok-usual",
            "bundle-v1.md",
            "Three kinds, five documents, one password: what most vectors change.",
        ),
        ok("ok-empty", "bundle-v1.md", "No document at all.").docs(Vec::clear).unprotected(),
        ok("ok-without-envelope", "envelope-v1.md", "Secret places, and no value: a password opens nothing.")
            .unprotected(),
        ok("ok-envelope-without-values", "envelope-v1.md", "An envelope, and no sealed value.")
            .docs(|d| d.iter_mut().flat_map(|d| &mut d.secrets).for_each(|(_, v)| *v = None)),
        ok("ok-second-slot", "envelope-v1.md, Opening", "The password opens the second of two slots.")
            .envelope(|e| e.push("second password", 8192, 2, 2))
            .password("second password"),
        ok("ok-expensive-slot", "envelope-v1.md, Opening", "A slot too expensive to try is passed over.")
            .envelope(|e| {
                let good = e.slots.pop().unwrap();
                e.push_unopenable(64 << 20, 1, 1);
                e.slots.push(good);
            }),
        ok("ok-password-not-ascii", "envelope-v1.md, Keys", "The password is its bytes in UTF-8.")
            .envelope(|e| {
                e.slots.clear();
                e.push(" Pässwörd\t🔑", 8192, 1, 1);
            })
            .password(" Pässwörd\t🔑"),
        ok("ok-unknown-meta", "bundle-v1.md, meta", "Rows of `meta` that a reader does not know.").tables(
            |t| {
                t.meta("colour", word("green"));
                t.meta("Documents", int(99));
                t.meta("shade", Cell::Blob(vec![1, 2]));
            },
        ),
        ok("ok-optional-meta", "bundle-v1.md, meta", "All that may be absent is there.").tables(|t| {
            t.meta("product_version", word("2018.7.10"));
            t.meta("server", word("the old one"));
            t.meta("options", word("--all"));
            t.meta("created", word("2026-11-23T00:00:00Z"));
        }),
        ok("ok-notices", "bundle-v1.md, notices", "Notices in order; one without a part comes first.")
            .tables(|t| {
                let row = |n: usize, kind: Cell, value: Cell, text: &str, count: usize| {
                    let none = || Cell::Null;
                    let about = [int(n), word("undeclared"), kind, none(), none(), value, none(), none()];
                    [&about[..], &[word(text), int(count)]].concat()
                };
                t.table("notices").push(row(1, Cell::Null, Cell::Null, "b", 0));
                t.table("notices").push(row(2, word(""), Cell::Null, "a", 0));
                t.table("notices").push(row(3, word("Project"), Cell::Null, "a", 9));
                t.table("notices").push(row(4, word("Project"), Cell::Null, "a", 10));
                t.table("notices").push(row(5, word("Project"), Cell::Null, "b", 0));
                t.table("notices").push(row(6, word("Project"), word("Projects-1"), "a", 1));
                t.meta("notices", int(6));
            }),
        ok(
            "ok-coverage",
            "bundle-v1.md, coverage",
            "Coverage of each extent, also of a kind without documents.",
        )
        .tables(|t| {
            let row = |n: usize, kind: &str, extent: &str, rows: Cell, owner: [Cell; 2]| {
                let about = [int(n), word(kind), word(extent), rows];
                [&about[..], &owner].concat()
            };
            let none = || [Cell::Null, Cell::Null];
            let web = || [word("Project"), word(r#"["Web"]"#)];
            let wob = || [word("Project"), word(r#"["Wob"]"#)];
            t.table("coverage").push(row(1, "Channel", "belonging", Cell::Null, web()));
            t.table("coverage").push(row(2, "Channel", "belonging", Cell::Null, wob()));
            t.table("coverage").push(row(3, "Channel", "part", int(0), none()));
            t.table("coverage").push(row(4, "Environment", "whole", int(2), none()));
            t.meta("coverage", int(4));
        }),
        ok("ok-two-packs", "bundle-v1.md, packs", "The documents of a kind lie in two packs.")
            .layout(|l| {
                let body = l.packs[0].bodies.pop().unwrap();
                let (number, length) = (l.packs[0].numbers.pop().unwrap(), l.packs[0].lengths.pop().unwrap());
                l.packs[0].declared = 1;
                l.packs[0].count = varint(1);
                let mut second = l.packs[0].clone();
                (second.numbers, second.lengths, second.bodies) = (vec![number], vec![length], vec![body]);
                l.packs.insert(1, second);
                let chunk = &mut l.chunks[0];
                chunk.packs = [1, 2, 3, 4, 4].map(varint).to_vec();
                chunk.slots[1] = varint(0);
            })
            .tables(|t| {
                t.meta("packs", int(4));
                t.set("kinds", 0, 4, int(2));
                t.set("kinds", 1, 5, int(3));
                t.set("kinds", 2, 5, int(4));
            }),
        ok("ok-order-in-pack", "bundle-v1.md, packs", "Documents lie in their pack in any order.").layout(
            |l| {
                let pack = &mut l.packs[0];
                pack.numbers.reverse();
                pack.lengths.reverse();
                pack.bodies.reverse();
                l.chunks[0].slots.swap(0, 1);
            },
        ),
        ok("ok-zstd-checksum", "bundle-v1.md, packs", "A frame with a checksum of its own, at level 19.")
            .tables(|t| {
                let (data, raw) = t.stored(0);
                let plain = zstd::bulk::decompress(&data, raw).unwrap();
                let mut compressor = zstd::bulk::Compressor::new(19).unwrap();
                compressor.include_checksum(true).unwrap();
                t.repack(0, raw, &compressor.compress(&plain).unwrap());
            }),
        ok(
            "ok-zstd-without-size",
            "bundle-v1.md, packs",
            "A frame that does not say how long its content is.",
        )
        .tables(|t| {
            let (data, raw) = t.stored(0);
            let plain = zstd::bulk::decompress(&data, raw).unwrap();
            let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
            compressor.include_contentsize(false).unwrap();
            t.repack(0, raw, &compressor.compress(&plain).unwrap());
        }),
        ok("ok-equal-scopes", "bundle-v1.md, scopes and documents", "Two scopes are equal.").tables(|t| {
            t.table("scopes").insert(1, vec![int(2), int(1), word("["), word("]")]);
            t.set("scopes", 2, 0, int(3));
            t.set("scopes", 3, 0, int(4));
            t.meta("scopes", int(4));
            for (row, scope) in [(1, 2), (2, 3), (3, 4), (4, 4)] {
                t.set("documents", row, 1, int(scope));
            }
        }),
        ok("ok-key-in-one-piece", "bundle-v1.md, scopes and documents", "A key that is not split.")
            .docs(|d| d[2].key = (String::new(), d[2].key_text(), String::new())),
        ok("ok-reasons-not-used", "bundle-v1.md, chunks", "A reason that no document has, and one twice.")
            .layout(|l| l.chunks[0].reasons.extend([vec![1], vec![1]])),
        ok("ok-source-ids", "bundle-v1.md, chunks", "Source ids of every type.").docs(|d| {
            d[0].id = (4, vec![0, 0xff]);
            d[1].id = (3, b"-1.5e+300".to_vec());
            d[2].id = (1, b"-9223372036854775808".to_vec());
            d[3].id = (2, Vec::new());
        }),
        ok(
            "ok-sqlite-version",
            "bundle-v1.md, File",
            "Bytes 92 to 99 follow the library that wrote the file.",
        )
        .bytes(|b| {
            b[24..28].copy_from_slice(&[0, 0, 1, 7]);
            b[92..96].copy_from_slice(&[0, 0, 1, 7]);
            b[96..100].copy_from_slice(&[0, 0x3f, 0xff, 0xff]);
        }),
        ok(
            "ok-every-value",
            "documents.md",
            "A document with every type of value, at its longest and shortest.",
        )
        .docs(|d| d[2].canonical = every_value()),
        ok("ok-deepest", "documents.md, Limits", "A document that nests 128 levels deep.")
            .docs(|d| d[2].canonical = pack::nested(128)),
        ok("ok-1025-documents", "bundle-v1.md, chunks", "A second chunk, of one document.").docs(|d| {
            d.truncate(0);
            d.extend((0..1025).map(|n| Doc {
                kind: "Tag".to_owned(),
                key: ("[".to_owned(), format!("{n:04}").replace('0', "9"), "]".to_owned()),
                canonical: list(&[map(&[("N", text(&n.to_string()))])]),
                id: (0, Vec::new()),
                reason: vec![0],
                secrets: Vec::new(),
            }));
            d.iter_mut().enumerate().for_each(|(n, d)| d.key.1 = (1000 + n).to_string());
        }),
    ]
}

fn every_value() -> Vec<u8> {
    let long = "é".repeat(200);
    list(&[
        map(&[
            ("Bytes", vec![0xc4, 2, 0, 0xff]),
            ("False", vec![0xc2]),
            ("Null", vec![0xc0]),
            ("Smallest", [&[0xd3][..], &i64::MIN.to_be_bytes()].concat()),
            ("True", vec![0xc3]),
            ("é", text(&long)),
        ]),
        list(&[
            vec![0x7f],
            vec![0xcc, 0x80],
            vec![0xe0],
            vec![0xd0, 0xdf],
            [&[0xcf][..], &i64::MAX.to_be_bytes()].concat(),
            number("9223372036854775808"),
            number("-0"),
            number("1E400"),
            text(""),
            text("\u{0}\u{feff}e\u{301}"),
            reference(
                "Machine",
                &[reference("Space", &[text("Default")]), vec![0xff], number("0.5"), vec![0xc0]],
            ),
            pack::dangling("Feed", vec![0x05]),
            list(&[]),
            map(&[]),
        ]),
    ])
}
