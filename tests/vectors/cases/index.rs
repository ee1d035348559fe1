//! Documents, scopes, chunks and notices: what only verification, or reading what they touch, can find.

use super::super::build::{Cell, Chunk, Tables, blob, int, word};
use super::super::case::{Case, Stage::Verify, refused};
use super::super::pack::{bytes, secret, varint};

fn chunk(change: impl Fn(&mut Chunk) + 'static) -> impl Fn(&mut super::super::build::Layout) {
    move |layout| change(&mut layout.chunks[0])
}

pub fn cases() -> Vec<Case> {
    [names(), chunks(), notices(), coverage(), counts()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let rule = "bundle-v1.md, scopes and documents";
    let keys = "documents.md, Key text";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    let key = |name, what| refused(Verify, "damaged", name, keys, what);
    let rename =
        |name: &'static str| move |d: &mut Vec<super::super::build::Doc>| d[0].key.1 = name.to_owned();
    vec![
        damaged("documents-order", "Two documents of a kind stand in the wrong order.")
            .docs(|d| d.swap(0, 1)),
        damaged("documents-key-twice", "Two documents of a kind have one key.")
            .docs(|d| d[1].key = d[0].key.clone()),
        damaged("documents-gap", "Document 2 is missing; another has number 6.")
            .tables(|t| t.set("documents", 1, 0, int(6))),
        damaged("documents-missing", "The last document has no row.").tables(|t| {
            t.table("documents").pop();
        }),
        damaged("documents-too-many", "A sixth document that `meta` does not count.")
            .tables(|t| t.table("documents").push(vec![int(6), int(4), word("\"Z\"")])),
        damaged("documents-number-0", "A document with the number 0 besides.")
            .tables(|t| t.table("documents").push(vec![int(0), int(1), word("\"A\"")])),
        damaged("documents-negative-number", "A document with a negative number besides.")
            .tables(|t| t.table("documents").push(vec![Cell::Integer(-1), int(1), word("\"A\"")])),
        damaged("documents-swapped", "The names of two documents of a kind are exchanged.").tables(|t| {
            t.set("documents", 3, 2, word("\"Web shop\""));
            t.set("documents", 4, 2, word("\"Api\""));
        }),
        key("documents-key-not-json", "A key that is no JSON.").docs(rename("Production")),
        key("documents-key-blank", "A blank in the text of a key.").docs(rename(" \"Production\"")),
        key("documents-key-needless-escape", "A letter of a key is escaped.")
            .docs(rename("\"\\u0050roduction\"")),
        key("documents-key-not-a-list", "A key that is no list.").docs(|d| {
            d[0].key = (String::new(), "\"Production\"".to_owned(), String::new());
        }),
        refused(
            Verify,
            "limit",
            "documents-key-too-long",
            "bundle-v1.md, Limits",
            "The text of a key has 65,537 bytes.",
        )
        .docs(|d| d[0].key.1 = format!("\"{}\"", "P".repeat(65_533))),
        damaged("scopes-missing", "The scope of a document has no row.").tables(|t| {
            t.table("scopes").pop();
        }),
        damaged("scopes-unused", "A last scope that no document uses, counted in `meta`.").tables(|t| {
            t.table("scopes").push(vec![int(4), int(3), word("["), word("]")]);
            t.meta("scopes", int(4));
        }),
        damaged("scopes-uncounted", "A scope that `meta` does not count.")
            .tables(|t| t.table("scopes").push(vec![int(9), int(3), word("["), word("]")])),
        damaged("scopes-order", "Two scopes are not in the order of their first use.").tables(|t| {
            let scopes = t.table("scopes");
            scopes.swap(0, 1);
            scopes[0][0] = int(1);
            scopes[1][0] = int(2);
            (0..2).for_each(|row| t.set("documents", row, 1, int(2)));
            t.set("documents", 2, 1, int(1));
        }),
        damaged("scopes-kind", "A scope is of another kind than the documents that use it.")
            .tables(|t| t.set("scopes", 1, 1, int(3))),
        damaged("scopes-no-such-kind", "A scope is of a kind that is not there.")
            .tables(|t| t.set("scopes", 1, 1, int(4))),
        refused(
            Verify,
            "damaged",
            "content-root-wrong",
            "bundle-v1.md, Roots",
            "The content root is that of other documents.",
        )
        .tables(|t| t.meta("content_root", blob(&[0x5a; 32]))),
    ]
}

fn chunks() -> Vec<Case> {
    let rule = "bundle-v1.md, chunks";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    vec![
        damaged("chunk-hash", "The hash of a chunk is not that of its stored bytes.")
            .tables(|t| t.set("chunks", 0, 4, blob(&[0; 32]))),
        damaged("chunk-hash-of-data-only", "The hash leaves the content ids out.").tables(|t| {
            let Cell::Blob(data) = t.table("chunks")[0][5].clone() else { unreachable!() };
            t.set("chunks", 0, 4, Cell::Blob(super::super::build::stored_hash(&[&data])));
        }),
        damaged("chunk-missing", "The only chunk is missing.").tables(|t| t.table("chunks").clear()),
        damaged("chunk-too-many", "A second chunk that `meta` does not count.").tables(|t| {
            let mut row = t.table("chunks")[0].clone();
            row[0] = int(2);
            t.table("chunks").push(row);
        }),
        damaged("chunk-first-document", "A chunk says it begins with document 2.")
            .layout(chunk(|c| c.first = 2)),
        damaged("chunk-one-short", "A chunk indexes four of five documents.").layout(chunk(|c| {
            c.declared = 4;
            for column in
                [&mut c.packs, &mut c.slots, &mut c.secrets, &mut c.lengths, &mut c.ids, &mut c.which]
            {
                column.pop();
            }
            c.tags.pop();
            c.content_ids.truncate(128);
        })),
        refused(
            Verify,
            "limit",
            "chunk-1025",
            "bundle-v1.md, Limits",
            "A chunk says it holds 1,025 documents.",
        )
        .layout(chunk(|c| c.declared = 1025)),
        damaged("chunk-short-content-ids", "The content ids are one byte short.").layout(chunk(|c| {
            c.content_ids.pop();
        })),
        damaged("chunk-trailing-bytes", "A byte follows the columns.").layout(chunk(|c| c.end.push(0))),
        damaged("chunk-short", "The last column is one document short.").layout(chunk(|c| {
            c.which.pop();
        })),
        damaged("chunk-raw-bytes", "A chunk declares a byte more than it holds.").tables(|t| {
            let Cell::Integer(raw) = t.table("chunks")[0][3] else { unreachable!() };
            t.set("chunks", 0, 3, Cell::Integer(raw + 1));
        }),
        damaged(
            "content-id-wrong",
            "The content id of a document is another's, and the root over it is right.",
        )
        .layout(chunk(|c| c.content_ids.copy_within(32..64, 0)))
        .tables(|t| {
            // What the index says, and not what the documents are.
            let mut docs = super::super::case::usual();
            docs[0].canonical = docs[1].canonical.clone();
            t.meta("content_root", blob(&super::super::build::content_root(&docs)));
        }),
        damaged("index-wrong-slot", "The index leads to the other document of a pack.")
            .layout(chunk(|c| c.slots.swap(0, 1))),
        damaged("index-wrong-pack", "The index leads to a pack of another kind.")
            .layout(chunk(|c| c.packs[0] = varint(2))),
        damaged("index-no-such-pack", "The index leads to a pack that is not there.")
            .layout(chunk(|c| c.packs[0] = varint(99))),
        damaged("index-no-such-slot", "The index leads behind the last document of a pack.")
            .layout(chunk(|c| c.slots[1] = varint(2))),
        damaged("index-secrets", "The index counts a secret place too many.")
            .layout(chunk(|c| c.secrets[2] = varint(1))),
        damaged("index-secrets-over-the-limit", "A document with 65,537 secret places, counted rightly.")
            .docs(|d| {
                let places = 65_537u32;
                let list = [&[0xdd][..], &places.to_be_bytes(), &secret().repeat(places as usize)].concat();
                d[2].canonical = [&[0x92, 0x80][..], &list].concat();
                d[2].secrets = (0..places).map(|n| (format!("$[{n}]"), None)).collect();
            }),
        damaged("varint-not-shortest", "A number is spelled in two bytes where one will do.")
            .layout(chunk(|c| c.slots[0] = vec![0x80, 0])),
        damaged("varint-over-64-bits", "A number of 65 bits.")
            .layout(chunk(|c| c.packs[0] = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2])),
        damaged("varint-endless", "A number of eleven bytes.").layout(chunk(|c| c.packs[0] = vec![0x80; 11])),
        damaged("source-id-tag", "The tag of a source id is 5.").layout(chunk(|c| c.tags[0] = 5)),
        damaged("source-id-none-with-bytes", "The tag says there is no id, and there are bytes.")
            .docs(|d| d[0].id = (0, b"x".to_vec())),
        damaged("source-id-leading-zero", "An integer with a leading zero.")
            .docs(|d| d[2].id = (1, b"017".to_vec())),
        damaged("source-id-plus", "An integer with a plus sign.").docs(|d| d[2].id = (1, b"+17".to_vec())),
        damaged("source-id-over-64-bits", "An integer that does not fit 64 bits with sign.")
            .docs(|d| d[2].id = (1, b"9223372036854775808".to_vec())),
        damaged("source-id-not-utf-8", "A text that is not UTF-8.").docs(|d| d[0].id = (2, vec![0xff])),
        damaged("source-id-not-a-number", "A number that is none.").docs(|d| d[2].id = (3, b"1.".to_vec())),
        damaged("source-id-too-long", "A source id of 65,537 bytes.")
            .docs(|d| d[0].id = (2, vec![b'x'; 65_537])),
        damaged("reason-unknown", "A reason of a kind that is not there.").docs(|d| d[0].reason = vec![4]),
        damaged("reason-empty", "A reason without a byte.").docs(|d| d[0].reason = vec![]),
        damaged("reason-trailing", "A byte follows a reason.").docs(|d| d[0].reason = vec![1, 0]),
        damaged("reason-key", "The key in a reason is not in canonical spelling.").docs(|d| {
            d[0].reason = [vec![2], bytes(b"Project"), bytes(b"[ \"Web\"]"), bytes(b"$.X")].concat();
        }),
        damaged("reason-kind-without-a-name", "The kind in a reason has no name.").docs(|d| {
            d[0].reason = [vec![2], bytes(b""), bytes(b"[\"Web\"]"), bytes(b"$.X")].concat();
        }),
        damaged("reason-kind-with-control", "The kind in a reason has a control character in its name.")
            .docs(|d| {
                d[0].reason = [vec![2], bytes(b"Pro\tject"), bytes(b"[\"Web\"]"), bytes(b"$.X")].concat();
            }),
        damaged("reason-short", "A reason ends early.")
            .docs(|d| d[0].reason = [vec![3], bytes(b"Project"), bytes(b"[\"Web\"]")].concat()),
        damaged("reason-out-of-range", "A document's reason is one behind the last.")
            .layout(chunk(|c| c.which[0] = varint(3))),
        damaged("reasons-more-than-documents", "Six reasons for five documents.")
            .layout(chunk(|c| c.reasons.resize(6, vec![0]))),
    ]
}

fn notice(n: usize, code: &str, text: &str) -> Vec<Cell> {
    let none = || Cell::Null;
    vec![int(n), word(code), none(), none(), none(), none(), none(), none(), word(text), int(0)]
}

fn notices() -> Vec<Case> {
    let rule = "bundle-v1.md, notices";
    let with = |count: usize, rows: Vec<Vec<Cell>>| {
        move |t: &mut Tables| {
            t.table("notices").extend(rows.clone());
            t.meta("notices", int(count));
        }
    };
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    let mut about = notice(1, "a", "x");
    about[2] = word("Project");
    vec![
        damaged("notices-uncounted", "A notice that `meta` does not count.")
            .tables(with(0, vec![notice(1, "a", "x")])),
        damaged("notices-missing", "`meta` counts a notice more.").tables(with(2, vec![notice(1, "a", "x")])),
        damaged("notices-gap", "Numbered 1 and 3.")
            .tables(with(2, vec![notice(1, "a", "x"), notice(3, "b", "x")])),
        damaged("notices-from-0", "Numbered from 0.").tables(with(1, vec![notice(0, "a", "x")])),
        damaged("notices-order", "Not in order.")
            .tables(with(2, vec![notice(1, "b", "x"), notice(2, "a", "x")])),
        damaged("notices-null-first", "One without a kind stands after one with it.")
            .tables(with(2, vec![about, notice(2, "a", "x")])),
        damaged("notices-negative", "A notice that counts less than nothing.").tables(with(1, {
            let mut notice = notice(1, "a", "x");
            notice[9] = Cell::Integer(-1);
            vec![notice]
        })),
        damaged("notices-twice", "One notice twice.")
            .tables(with(2, vec![notice(1, "a", "x"), notice(2, "a", "x")])),
        refused(
            Verify,
            "limit",
            "notices-too-long",
            "bundle-v1.md, Limits",
            "A notice's text has 65,537 bytes.",
        )
        .tables(with(1, vec![notice(1, "a", &"x".repeat(65_537))])),
    ]
}

fn coverage() -> Vec<Case> {
    let rule = "bundle-v1.md, coverage";
    let with = |count: usize, rows: Vec<Vec<Cell>>| {
        move |t: &mut Tables| {
            t.table("coverage").extend(rows.clone());
            t.meta("coverage", int(count));
        }
    };
    let row = |n: usize, kind: &str, extent: &str, rows: Cell, owner: [Cell; 2]| {
        [&[int(n), word(kind), word(extent), rows][..], &owner].concat()
    };
    let none = || [Cell::Null, Cell::Null];
    let whole = |n: usize, kind: &str| row(n, kind, "whole", int(1), none());
    let web = || [word("Project"), word(r#"["Web"]"#)];
    let damaged = |name: &'static str, what, count, rows: Vec<Vec<Cell>>| {
        refused(Verify, "damaged", name, rule, what).tables(with(count, rows))
    };
    vec![
        damaged("coverage-uncounted", "A row that `meta` does not count.", 0, vec![whole(1, "A")]),
        damaged("coverage-missing", "`meta` counts a row more.", 2, vec![whole(1, "A")]),
        damaged("coverage-gap", "Numbered 1 and 3.", 2, vec![whole(1, "A"), whole(3, "B")]),
        damaged("coverage-order", "Not in order.", 2, vec![whole(1, "B"), whole(2, "A")]),
        damaged("coverage-twice", "One kind is whole twice.", 2, vec![whole(1, "A"), whole(2, "A")]),
        damaged(
            "coverage-part-and-whole",
            "One kind is carried in part and whole.",
            2,
            vec![row(1, "A", "part", int(1), none()), whole(2, "A")],
        ),
        damaged("coverage-extent", "An extent that is none.", 1, vec![row(1, "A", "most", int(1), none())]),
        damaged("coverage-no-name", "A kind without a name.", 1, vec![whole(1, "")]),
        damaged(
            "coverage-uncounted-rows",
            "Whole, of no rows.",
            1,
            vec![row(1, "A", "whole", Cell::Null, none())],
        ),
        damaged(
            "coverage-negative-rows",
            "Whole, of less than no rows.",
            1,
            vec![row(1, "A", "whole", Cell::Integer(-1), none())],
        ),
        damaged(
            "coverage-whole-of-one",
            "Whole, and of an owner.",
            1,
            vec![row(1, "A", "whole", int(1), web())],
        ),
        damaged(
            "coverage-of-nobody",
            "What belongs to an owner without a key.",
            1,
            vec![row(1, "A", "belonging", Cell::Null, [word("Project"), Cell::Null])],
        ),
        damaged(
            "coverage-belonging-counts",
            "What belongs to an owner, with a number of rows.",
            1,
            vec![row(1, "A", "belonging", int(1), web())],
        ),
        damaged(
            "coverage-owner-key",
            "An owner whose key is no key text.",
            1,
            vec![row(1, "A", "belonging", Cell::Null, [word("Project"), word("Web")])],
        ),
    ]
}

fn counts() -> Vec<Case> {
    let rule = "bundle-v1.md, Verifying";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    vec![
        damaged("counts-raw-bytes", "The bytes of the documents are not as many as `meta` says.")
            .tables(|t| t.meta("raw_bytes", int(1))),
        damaged("counts-secrets", "Secret places are counted for the wrong kind; the sum is right.").tables(
            |t| {
                t.set("kinds", 1, 6, int(1));
                t.set("kinds", 2, 6, int(5));
            },
        ),
        damaged("counts-sealed", "Sealed values are counted for the wrong kind; the sum is right.").tables(
            |t| {
                t.set("kinds", 1, 6, int(1));
                t.set("kinds", 1, 7, int(1));
                t.set("kinds", 2, 6, int(5));
                t.set("kinds", 2, 7, int(3));
            },
        ),
        damaged("sealed-missing", "A sealed value is missing, and counted.").tables(|t| {
            t.table("sealed").pop();
        }),
        damaged("sealed-uncounted", "A sealed value more, at a place without one.")
            .tables(|t| t.table("sealed").push(vec![int(4), int(1), blob(&[7; 60])])),
        damaged("sealed-at-no-place", "A sealed value behind the last secret place.")
            .tables(|t| t.set("sealed", 0, 1, int(3))),
        damaged("sealed-negative-place", "A sealed value at a negative place.")
            .tables(|t| t.set("sealed", 0, 1, Cell::Integer(-1))),
        damaged("sealed-of-plain-document", "A sealed value for a document without secret places.")
            .tables(|t| t.set("sealed", 0, 0, int(1))),
        damaged("sealed-of-no-document", "A sealed value for a document that is not there.")
            .tables(|t| t.set("sealed", 0, 0, int(77))),
    ]
}
