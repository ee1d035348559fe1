//! Slots, commitment and sealed values.

use super::super::build::{Cell, Tables, blob, int};
use super::super::case::{
    Case,
    Stage::{Open, Opened, Unlock, Verify},
    refused,
};
use super::super::sealing::{Envelope, PASSWORD, filler};

pub fn cases() -> Vec<Case> {
    [malformed(), locked(), sealed()].into_iter().flatten().collect()
}

fn malformed() -> Vec<Case> {
    let rule = "envelope-v1.md, Slots";
    let damaged = |name, what| refused(Open, "damaged", name, rule, what);
    let slot = |column: usize, cell: Cell| move |t: &mut Tables| t.set("slots", 0, column, cell.clone());
    vec![
        damaged("slots-none", "A scope and a commitment, and no slot.").tables(|t| t.table("slots").clear()),
        damaged("slots-without-commitment", "Slots and a scope, and no commitment.")
            .tables(|t| t.drop_meta("commitment")),
        damaged("slots-without-scope", "Slots and a commitment, and no scope.")
            .tables(|t| t.drop_meta("scope")),
        damaged("slots-alone", "Slots, and neither scope nor commitment.").tables(|t| {
            t.drop_meta("scope");
            t.drop_meta("commitment");
        }),
        damaged("slots-sealed-without-envelope", "Sealed values, and nothing that could open them.").tables(
            |t| {
                t.drop_meta("scope");
                t.drop_meta("commitment");
                t.table("slots").clear();
            },
        ),
        damaged("slots-17", "Seventeen slots; sixteen are the most.")
            .envelope(|e| (1..17).for_each(|_| e.push_unopenable(8192, 1, 1))),
        damaged("slots-from-0", "The slots are numbered from 0.").tables(slot(0, int(0))),
        damaged("slots-gap", "The slots are numbered 1 and 3.")
            .envelope(|e| e.push_unopenable(8192, 1, 1))
            .tables(|t| t.set("slots", 1, 0, int(3))),
        damaged("slots-short-salt", "A salt of 31 bytes.").tables(slot(4, blob(&[7; 31]))),
        damaged("slots-long-nonce", "A nonce of 25 bytes.").tables(slot(5, blob(&[7; 25]))),
        damaged("slots-short-key", "A wrapped key of 47 bytes.").tables(slot(6, blob(&[7; 47]))),
        damaged("slots-long-key", "A wrapped key of 64 bytes: room for a second key.")
            .tables(slot(6, blob(&[7; 64]))),
        damaged("slots-memory-below-minimum", "Argon2id with less than 8 MiB.").tables(slot(1, int(8191))),
        damaged("slots-no-pass", "Argon2id without a pass.").tables(slot(2, int(0))),
        damaged("slots-no-lane", "Argon2id without a lane.").tables(slot(3, int(0))),
        damaged("slots-lanes-over-memory", "Argon2id with less than 8 KiB for each lane.")
            .tables(slot(3, int(1025))),
        damaged("slots-lanes-over-24-bits", "Argon2id with 2^24 lanes.").tables(|t| {
            t.set("slots", 0, 1, int(1 << 31));
            t.set("slots", 0, 3, int(1 << 24));
        }),
        damaged("slots-negative-memory", "Argon2id with negative memory.")
            .tables(slot(1, Cell::Integer(-8192))),
        damaged("slots-memory-over-32-bits", "Argon2id with 2^32 KiB.").tables(slot(1, int(1 << 32))),
        damaged("slots-short-scope", "A scope of 15 bytes.").tables(|t| t.meta("scope", blob(&[7; 15]))),
        damaged("slots-short-commitment", "A commitment of 31 bytes.")
            .tables(|t| t.meta("commitment", blob(&[7; 31]))),
    ]
}

/// The one slot asks for this.
fn cost(memory_kib: u32, passes: u32, lanes: u32) -> impl Fn(&mut Envelope) {
    move |envelope| {
        envelope.slots.clear();
        envelope.push_unopenable(memory_kib, passes, lanes);
    }
}

fn locked() -> Vec<Case> {
    let rule = "envelope-v1.md, Opening";
    let caps = "envelope-v1.md, What a reader will spend";
    let wrong = |name, what| refused(Unlock, "wrong-password", name, rule, what);
    let costly = |name, what| refused(Unlock, "too-expensive", name, caps, what);
    vec![
        wrong("password-wrong", "No slot opens with the password.").password("incorrect"),
        wrong("password-letter-case", "Passwords are bytes: letter case counts.").password("Correct horse"),
        wrong("password-blank", "Passwords are not trimmed.").password("correct horse "),
        wrong("password-not-normalised", "Composed and decomposed letters are different passwords.")
            .envelope(|e| {
                e.slots.clear();
                e.push("caf\u{e9}", 8192, 1, 1);
            })
            .password("cafe\u{301}"),
        wrong("slot-salt-changed", "A bit of the salt is changed.").envelope(|e| e.slots[0].salt[0] ^= 1),
        wrong("slot-nonce-changed", "A bit of the nonce is changed.").envelope(|e| e.slots[0].nonce[0] ^= 1),
        wrong("slot-key-changed", "A bit of the wrapped key is changed.")
            .envelope(|e| e.slots[0].wrapped[0] ^= 1),
        wrong("slot-cost-changed", "The slot asks for two passes; its key was made with one.")
            .envelope(|e| e.slots[0].passes = 2),
        wrong("slot-of-another-scope", "A slot with the right password, made for another scope.").envelope(
            |e| {
                let mut other = Envelope::new("usual", *b"fedcba9876543210");
                other.push(PASSWORD, 8192, 1, 1);
                e.slots = other.slots;
            },
        ),
        costly("kdf-64-gib", "A slot asks for 64 GiB.").envelope(cost(64 << 20, 1, 1)),
        costly("kdf-memory", "A slot asks for a KiB more than 1 GiB.").envelope(cost((1 << 20) + 1, 1, 1)),
        costly("kdf-passes", "A slot asks for 17 passes.").envelope(cost(8192, 17, 1)),
        costly("kdf-passes-huge", "A slot asks for 2^32 - 1 passes.").envelope(cost(8192, u32::MAX, 1)),
        costly("kdf-lanes", "A slot asks for 17 lanes.").envelope(cost(8192, 1, 17)),
        costly(
            "kdf-costly-and-wrong",
            "One slot is too expensive, the other does not open: the first is said.",
        )
        .envelope(|e| {
            e.slots.clear();
            e.push("another password", 8192, 1, 1);
            e.push_unopenable(64 << 20, 1, 1);
        }),
        refused(
            Unlock,
            "damaged",
            "commitment-wrong",
            rule,
            "The password opens a slot, and its key is not the one committed to.",
        )
        .envelope(|e| e.commitment[0] ^= 1),
        refused(
            Unlock,
            "damaged",
            "commitment-without-scope",
            rule,
            "A commitment to the data key alone, without the scope.",
        )
        .envelope(|e| {
            let plain = blake3::derive_key("sealift 2026-11 bundle v1 key commitment", &e.data_key);
            e.commitment = plain.to_vec();
        }),
        refused(
            Unlock,
            "damaged",
            "commitment-second-key",
            rule,
            "A second slot wraps another data key: one file, two readings.",
        )
        .envelope(|e| {
            let mut other = Envelope::new("second", e.scope);
            other.push("second password", 8192, 1, 1);
            e.slots.extend(other.slots);
        })
        .password("second password"),
    ]
}

fn sealed() -> Vec<Case> {
    let rule = "envelope-v1.md, Sealed values";
    let damaged = |name, what| refused(Opened, "damaged", name, rule, what);
    let short = |name, what| refused(Verify, "damaged", name, rule, what);
    // Rows of `sealed`: document 4 at 0 and 2, document 5 at 0 and 2.
    let value = |t: &mut Tables, row: usize| t.table("sealed")[row][2].clone();
    let swap = move |a: usize, b: usize| {
        move |t: &mut Tables| {
            let (x, y) = (value(t, a), value(t, b));
            t.set("sealed", a, 2, y);
            t.set("sealed", b, 2, x);
        }
    };
    let change = move |change: fn(&mut Vec<u8>)| {
        move |t: &mut Tables| {
            let Cell::Blob(mut bytes) = value(t, 0) else { unreachable!() };
            change(&mut bytes);
            t.set("sealed", 0, 2, Cell::Blob(bytes));
        }
    };
    // Sealed anew by someone who has the password, with other parts than the place asks for.
    let resealed = |parts: fn() -> Vec<&'static [u8]>| {
        move |t: &mut Tables| {
            let value = Envelope::usual().seal(&parts(), "resealed", b"first secret");
            t.set("sealed", 0, 2, Cell::Blob(value));
        }
    };
    vec![
        damaged("sealed-moved-to-another-place", "Two values of one document are exchanged.")
            .tables(swap(0, 1)),
        damaged("sealed-moved-to-another-document", "Values of two documents are exchanged.")
            .tables(swap(0, 2)),
        damaged("sealed-renumbered", "A value is said to be that of the next place.")
            .tables(|t| t.set("sealed", 0, 1, int(1))),
        damaged("sealed-of-another-bundle", "A value sealed under the same key in another scope.").tables(
            |t| {
                let mut other = Envelope::usual();
                other.scope = *b"fedcba9876543210";
                let parts = [&b"bundle 1"[..], b"VariableSet", b"[{\"Project\":[\"Api\"]}]", b"Password"];
                t.set("sealed", 0, 2, Cell::Blob(other.seal(&parts, "elsewhere", b"first secret")));
            },
        ),
        damaged("sealed-of-another-kind", "A value sealed for another kind.")
            .tables(resealed(|| vec![b"bundle 1", b"Project", b"[{\"Project\":[\"Api\"]}]", b"Password"])),
        damaged("sealed-of-another-format", "A value sealed for `bundle 2`.").tables(resealed(|| {
            vec![b"bundle 2", b"VariableSet", b"[{\"Project\":[\"Api\"]}]", b"Password"]
        })),
        damaged("sealed-parts-run-together", "The parts are the same bytes, divided elsewhere.").tables(
            resealed(|| vec![b"bundle 1", b"VariableSe", b"t[{\"Project\":[\"Api\"]}]", b"Password"]),
        ),
        damaged("sealed-no-format-part", "The part that names the format is left out.")
            .tables(resealed(|| vec![b"VariableSet", b"[{\"Project\":[\"Api\"]}]", b"Password"])),
        damaged("sealed-bit-changed", "A bit of a value is changed.").tables(change(|b| b[30] ^= 1)),
        damaged("sealed-tag-changed", "A bit of a value's tag is changed.")
            .tables(change(|b| *b.last_mut().unwrap() ^= 1)),
        damaged("sealed-truncated", "A value has lost its last byte.").tables(change(|b| {
            b.pop();
        })),
        // Nobody needs the password to see these.
        short("sealed-too-short", "39 bytes: less than a nonce and a tag.")
            .tables(change(|b| b.truncate(39))),
        short("sealed-empty", "A value without a byte.").tables(change(Vec::clear)),
        damaged("sealed-extended", "A byte follows a value.").tables(change(|b| b.push(0))),
        damaged("sealed-document-renamed", "A document has another name than when its values were sealed.")
            .tables(|t| {
                let mut docs = super::super::case::usual();
                docs[3].key.1 = "\"Apj\"".to_owned();
                t.set("documents", 3, 2, super::super::build::word("\"Apj\""));
                t.meta("content_root", blob(&super::super::build::content_root(&docs)));
            }),
        damaged("envelope-replayed", "The whole envelope of an earlier bundle is put before these values.")
            .tables(|t| {
                let mut earlier = Envelope::new("earlier", filler("earlier scope"));
                earlier.push(PASSWORD, 8192, 1, 1);
                let slot = &earlier.slots[0];
                t.meta("scope", blob(&earlier.scope));
                t.meta("commitment", blob(&earlier.commitment));
                let cells = [(4, &slot.salt), (5, &slot.nonce), (6, &slot.wrapped)];
                cells.into_iter().for_each(|(column, bytes)| t.set("slots", 0, column, blob(bytes)));
            }),
    ]
}
