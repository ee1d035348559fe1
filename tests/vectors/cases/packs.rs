//! Packs, their compression, and the documents in them.

use super::super::build::{Cell, Doc, Layout, Pack, blob, int};
use super::super::case::{Case, Stage::Verify, refused};
use super::super::pack::{self, list, map, text, varint, zstd};

fn first(change: impl Fn(&mut Pack) + 'static) -> impl Fn(&mut Layout) {
    move |layout| change(&mut layout.packs[0])
}

fn document(canonical: Vec<u8>) -> impl Fn(&mut Vec<Doc>) {
    move |docs| docs[0].canonical = canonical.clone()
}

pub fn cases() -> Vec<Case> {
    [stored(), frames(), inside(), documents()].into_iter().flatten().collect()
}

fn stored() -> Vec<Case> {
    let rule = "bundle-v1.md, packs";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    let limit = |name, what| refused(Verify, "limit", name, "bundle-v1.md, Limits", what);
    vec![
        damaged("pack-hash", "The hash of a pack is not that of its stored bytes.")
            .tables(|t| t.set("packs", 0, 3, blob(&[0; 32]))),
        damaged("pack-hash-short", "The hash of a pack has 31 bytes.")
            .tables(|t| t.set("packs", 0, 3, blob(&[0; 31]))),
        damaged("pack-data-changed", "A bit of a pack is changed, and the hash is not.").tables(|t| {
            let (mut data, _) = t.stored(0);
            data[12] ^= 1;
            t.set("packs", 0, 4, Cell::Blob(data));
        }),
        damaged("pack-missing", "A pack is missing.").tables(|t| {
            t.table("packs").remove(0);
        }),
        damaged("pack-too-many", "A fourth pack that `meta` does not count.").tables(|t| {
            let mut row = t.table("packs")[0].clone();
            row[0] = int(4);
            t.table("packs").push(row);
        }),
        damaged("pack-exchanged", "Two packs have changed places.").tables(|t| {
            t.table("packs").swap(0, 1);
            t.set("packs", 0, 0, int(1));
            t.set("packs", 1, 0, int(2));
        }),
        damaged("pack-longer-than-declared", "A pack decompresses to a byte more than declared.").tables(
            |t| {
                let (data, raw) = t.stored(0);
                t.repack(0, raw - 1, &data);
            },
        ),
        damaged("pack-shorter-than-declared", "A pack decompresses to a byte less than declared.").tables(
            |t| {
                let (data, raw) = t.stored(0);
                t.repack(0, raw + 1, &data);
            },
        ),
        damaged("bomb-declared-small", "16 MiB of zeros behind a declaration of 100 bytes.")
            .tables(|t| t.repack(0, 100, &zstd(&vec![0; 16 << 20]))),
        limit(
            "bomb-declared-as-it-is",
            "4 MiB of zeros, declared as such, come out of fewer than 200 bytes.",
        )
        .tables(|t| t.repack(0, 4 << 20, &zstd(&vec![0; 4 << 20]))),
        limit("bomb-shared-pack", "A pack of two documents declares 4 MiB and a byte.")
            .tables(|t| t.repack(0, (4 << 20) + 1, &zstd(&vec![0; (4 << 20) + 1]))),
        limit("pack-raw-bytes-over-the-limit", "A pack of one document declares 600 MiB.").tables(|t| {
            let (data, _) = t.stored(1);
            t.repack(1, 600 << 20, &data);
        }),
        limit("pack-huge-declaration", "A pack of one document declares 500 MiB and has few bytes.").tables(
            |t| {
                let (data, _) = t.stored(1);
                t.repack(1, 500 << 20, &data);
            },
        ),
        damaged("pack-empty", "A pack says it holds no document.").layout(first(|p| p.declared = 0)),
        limit("pack-too-many-documents", "A pack says it holds 65,537 documents.")
            .layout(first(|p| p.declared = 65_537)),
        damaged("pack-negative-documents", "A pack says it holds -2 documents.")
            .layout(first(|p| p.declared = -2)),
    ]
}

fn frames() -> Vec<Case> {
    let rule = "bundle-v1.md, packs";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    vec![
        damaged("zstd-not-a-frame", "The stored bytes are the raw ones, without zstd.").tables(|t| {
            let (data, raw) = t.stored(0);
            let plain = zstd::bulk::decompress(&data, raw).unwrap();
            t.repack(0, raw, &plain);
        }),
        damaged("zstd-two-frames", "The pack is spread over two frames.").tables(|t| {
            let (data, raw) = t.stored(0);
            let plain = zstd::bulk::decompress(&data, raw).unwrap();
            let both = [zstd(&plain[..10]), zstd(&plain[10..])].concat();
            t.repack(0, raw, &both);
        }),
        damaged("zstd-skippable-frame-before", "A skippable frame stands before the pack's.").tables(|t| {
            let (data, raw) = t.stored(0);
            let skip = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &data].concat();
            t.repack(0, raw, &skip);
        }),
        damaged("zstd-skippable-frame-after", "A skippable frame follows the pack's.").tables(|t| {
            let (data, raw) = t.stored(0);
            let skip = [&data[..], &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]].concat();
            t.repack(0, raw, &skip);
        }),
        damaged("zstd-trailing-byte", "A byte follows the frame.").tables(|t| {
            let (data, raw) = t.stored(0);
            t.repack(0, raw, &[&data[..], &[0]].concat());
        }),
        damaged("zstd-truncated", "The frame ends early.").tables(|t| {
            let (data, raw) = t.stored(0);
            t.repack(0, raw, &data[..data.len() - 1]);
        }),
        damaged("zstd-checksum", "The frame has a checksum of its own, and it is wrong.").tables(|t| {
            let (data, raw) = t.stored(0);
            let plain = zstd::bulk::decompress(&data, raw).unwrap();
            let mut compressor = zstd::bulk::Compressor::new(6).unwrap();
            compressor.include_checksum(true).unwrap();
            let mut data = compressor.compress(&plain).unwrap();
            *data.last_mut().unwrap() ^= 1;
            t.repack(0, raw, &data);
        }),
        damaged("zstd-dictionary", "The frame asks for a dictionary.").tables(|t| {
            let (data, raw) = t.stored(0);
            let plain = zstd::bulk::decompress(&data, raw).unwrap();
            t.repack(0, raw, &with_dictionary(&plain));
        }),
    ]
}

/// One frame of a raw block, whose header names dictionary 7: single segment, one byte of each size.
fn with_dictionary(plain: &[u8]) -> Vec<u8> {
    let block = ((plain.len() as u32) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, plain.len() as u8][..], &block[..3], plain].concat()
}

fn inside() -> Vec<Case> {
    let rule = "bundle-v1.md, packs";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    vec![
        damaged("pack-count", "A pack begins with another number of documents than its row says.")
            .layout(first(|p| p.count = varint(1))),
        damaged("pack-count-huge", "A pack begins with 2^64 - 1 documents, as its row cannot.")
            .layout(first(|p| p.count = varint(u64::MAX))),
        damaged("pack-number-not-shortest", "A document's number in a pack is not in its shortest form.")
            .layout(first(|p| p.numbers[0] = vec![0x81, 0])),
        damaged("pack-length-too-long", "A pack says its last document is a byte longer than it is.")
            .layout(first(|p| p.lengths[1] = varint(p.bodies[1].len() as u64 + 1))),
        damaged("pack-length-too-short", "A byte follows the last document of a pack.")
            .layout(first(|p| p.bodies[1].push(0xc0))),
        damaged("pack-length-huge", "A pack says a document has 2^64 - 1 bytes.")
            .layout(first(|p| p.lengths[0] = varint(u64::MAX))),
        damaged("pack-length-shifted", "A pack draws the line between two documents a byte too late.")
            .layout(first(|p| {
                let lengths = [p.bodies[0].len() as u64 + 1, p.bodies[1].len() as u64 - 1];
                p.lengths = lengths.map(varint).to_vec();
            })),
        damaged("pack-document-twice", "A pack holds document 1 twice and document 2 not at all.")
            .layout(first(|p| p.numbers[1] = varint(1))),
        damaged("pack-document-in-two", "A pack holds a document that another pack holds as well.").layout(
            |l| {
                let project = l.packs[1].bodies[0].clone();
                let pack = &mut l.packs[0];
                pack.declared = 3;
                pack.count = varint(3);
                pack.numbers.push(varint(3));
                pack.lengths.push(varint(project.len() as u64));
                pack.bodies.push(project);
            },
        ),
        damaged("pack-other-kind", "A document lies in a pack of another kind, and the index says so.")
            .layout(|l| {
                let test = l.packs[0].bodies.pop().unwrap();
                let pack = &mut l.packs[0];
                pack.declared = 1;
                pack.count = varint(1);
                pack.numbers.pop();
                pack.lengths.pop();
                let pack = &mut l.packs[1];
                pack.declared = 2;
                pack.count = varint(2);
                pack.numbers.push(varint(2));
                pack.lengths.push(varint(test.len() as u64));
                pack.bodies.push(test);
                l.chunks[0].packs[1] = varint(2);
                l.chunks[0].slots[1] = varint(1);
            }),
        damaged("pack-document-0", "A pack holds a document 0.").layout(first(|p| p.numbers[0] = varint(0))),
        damaged("pack-no-such-document", "A pack holds a document 6.")
            .layout(first(|p| p.numbers[0] = varint(6))),
    ]
}

/// The same rules that the small vectors of documents tell one by one, met inside a bundle.
fn documents() -> Vec<Case> {
    let rule = "documents.md, Canonical bytes";
    let damaged = |name, what| refused(Verify, "damaged", name, rule, what);
    vec![
        damaged("pack-document-not-canonical", "A document's integer is not in its shortest form.")
            .docs(document(list(&[map(&[("Name", vec![0xcc, 7])])]))),
        damaged("pack-document-duplicate-member", "A document has a column twice.")
            .docs(document(list(&[map(&[("Name", text("a")), ("Name", text("b"))])]))),
        damaged("pack-document-empty", "A document without a byte.").docs(document(Vec::new())),
        damaged("pack-document-float", "A document holds a float.")
            .docs(document(list(&[map(&[("Name", [&[0xcb][..], &1.5f64.to_be_bytes()].concat())])]))),
        damaged("pack-document-too-deep", "A document nests 129 levels deep.")
            .docs(document(pack::nested(129))),
    ]
}
