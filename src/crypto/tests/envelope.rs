//! Envelopes: which password opens them, and what every other answer means.

use super::super::{CryptoError, Envelope, KdfLimits, KdfParams, MAX_SLOTS, OpenError, Slot, kdf};
use super::{CHEAP, TIGHT, envelope, password, secret};

fn opening(envelope: &Envelope, text: &str, limits: &KdfLimits) -> Result<(), OpenError> {
    envelope.open(&password(text), limits).map(drop)
}

fn flip<const N: usize>(bytes: &[u8; N], bit: usize) -> [u8; N] {
    let mut bytes = *bytes;
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn the_password_opens_to_the_same_key() {
    let (envelope, key) = envelope();
    let sealed = key.seal(&secret("s3cret"), &[b"place"]).unwrap();
    let reopened = envelope.open(&password("right"), &TIGHT).unwrap();
    assert!(reopened.open(&sealed, &[b"place"]).unwrap().same(&secret("s3cret")));
    assert_eq!(reopened.scope(), &envelope.scope);
}

#[test]
fn passwords_are_exact_bytes() {
    let (composed, decomposed) = ("\u{fc}", "u\u{308}");
    let (envelope, _) = Envelope::create(&password(composed), CHEAP).unwrap();
    assert_eq!(opening(&envelope, composed, &TIGHT), Ok(()));
    for other in [decomposed, "\u{fc} ", " \u{fc}", "\u{fc}\0"] {
        assert_eq!(opening(&envelope, other, &TIGHT), Err(OpenError::WrongPassword), "{other:?}");
    }
}

#[test]
fn no_two_envelopes_share_anything_random() {
    let ((a, key_a), (b, key_b)) = (envelope(), envelope());
    assert_ne!(a.scope, b.scope);
    assert_ne!(a.commitment, b.commitment);
    assert_ne!(a.slots[0].salt, b.slots[0].salt);
    assert_ne!(a.slots[0].nonce, b.slots[0].nonce);
    assert_ne!(key_a.bytes(), key_b.bytes());
}

#[test]
fn each_of_several_passwords_opens() {
    let (mut envelope, key) = envelope();
    key.add_slot(&mut envelope, &password("second"), CHEAP).unwrap();
    for text in ["right", "second"] {
        assert_eq!(opening(&envelope, text, &TIGHT), Ok(()), "{text}");
    }
    assert_eq!(opening(&envelope, "third", &TIGHT), Err(OpenError::WrongPassword));
    envelope.slots.remove(0);
    assert_eq!(opening(&envelope, "second", &TIGHT), Ok(()));
    assert_eq!(opening(&envelope, "right", &TIGHT), Err(OpenError::WrongPassword));
}

#[test]
fn slots_are_added_to_the_own_envelope_only_and_up_to_the_limit() {
    let (mut first, key) = envelope();
    let (mut other, _) = envelope();
    let before = other.clone();
    assert_eq!(key.add_slot(&mut other, &password("x"), CHEAP), Err(CryptoError::OtherEnvelope));
    other.scope = first.scope;
    assert_eq!(key.add_slot(&mut other, &password("x"), CHEAP), Err(CryptoError::OtherEnvelope));
    assert_eq!(other.slots, before.slots);

    first.slots = vec![first.slots[0].clone(); MAX_SLOTS];
    assert_eq!(key.add_slot(&mut first, &password("x"), CHEAP), Err(CryptoError::TooManySlots));
    first.slots.pop();
    assert_eq!(key.add_slot(&mut first, &password("x"), CHEAP), Ok(()));
}

/// The wrapping key is held fixed here, so what refuses is the authentication alone: the salt and the
/// parameters would not even need to change the wrapping key.
#[test]
fn every_flipped_bit_of_a_slot_is_refused() {
    let (envelope, key) = envelope();
    let (scope, slot) = (&envelope.scope, &envelope.slots[0]);
    let wrapping_key = kdf::key_encryption_key(&password("right"), &slot.salt, &slot.kdf).unwrap();
    assert_eq!(slot.unwrap(&wrapping_key, scope).unwrap().as_slice(), key.bytes());

    let mut changed: Vec<(String, Slot)> = Vec::new();
    for bit in 0..256 {
        changed.push((format!("salt {bit}"), Slot { salt: flip(&slot.salt, bit), ..slot.clone() }));
    }
    for bit in 0..192 {
        changed.push((format!("nonce {bit}"), Slot { nonce: flip(&slot.nonce, bit), ..slot.clone() }));
    }
    for bit in 0..384 {
        changed.push((format!("wrapped {bit}"), Slot { wrapped: flip(&slot.wrapped, bit), ..slot.clone() }));
    }
    for bit in 0..32 {
        let KdfParams { memory_kib, passes, lanes } = slot.kdf;
        for kdf in [
            KdfParams { memory_kib: memory_kib ^ 1 << bit, ..slot.kdf },
            KdfParams { passes: passes ^ 1 << bit, ..slot.kdf },
            KdfParams { lanes: lanes ^ 1 << bit, ..slot.kdf },
        ] {
            changed.push((format!("{kdf:?}"), Slot { kdf, ..slot.clone() }));
        }
    }
    assert_eq!(changed.len(), 256 + 192 + 384 + 96);
    for (what, slot) in &changed {
        assert!(slot.unwrap(&wrapping_key, scope).is_none(), "{what}");
    }
    for bit in 0..128 {
        assert!(slot.unwrap(&wrapping_key, &flip(scope, bit)).is_none(), "scope {bit}");
    }
    for bit in 0..256 {
        assert!(slot.unwrap(&flip(&wrapping_key, bit), scope).is_none(), "wrapping key {bit}");
    }
}

#[test]
fn a_damaged_slot_does_not_open_by_the_front_door() {
    let (intact, _) = envelope();
    let slot = &intact.slots[0];
    for slot in [
        Slot { salt: flip(&slot.salt, 7), ..slot.clone() },
        Slot { nonce: flip(&slot.nonce, 100), ..slot.clone() },
        Slot { wrapped: flip(&slot.wrapped, 0), ..slot.clone() },
        Slot { wrapped: flip(&slot.wrapped, 383), ..slot.clone() },
        Slot { kdf: KdfParams { lanes: 2, ..slot.kdf }, ..slot.clone() },
    ] {
        let envelope = Envelope { slots: vec![slot], ..intact.clone() };
        assert_eq!(opening(&envelope, "right", &TIGHT), Err(OpenError::WrongPassword));
    }
    let envelope = Envelope { scope: flip(&intact.scope, 64), ..intact };
    assert_eq!(opening(&envelope, "right", &TIGHT), Err(OpenError::WrongPassword));
}

#[test]
fn every_flipped_bit_of_the_commitment_is_damage() {
    let (intact, key) = envelope();
    assert!(key.belongs_to(&intact));
    for bit in 0..256 {
        let envelope = Envelope { commitment: flip(&intact.commitment, bit), ..intact.clone() };
        assert!(!key.belongs_to(&envelope), "bit {bit}");
        if bit % 32 == 5 {
            assert_eq!(opening(&envelope, "right", &TIGHT), Err(OpenError::Damaged), "bit {bit}");
            assert_eq!(opening(&envelope, "wrong", &TIGHT), Err(OpenError::WrongPassword), "bit {bit}");
        }
    }
}

/// A slot that is valid in itself, for the same scope and password, but wraps a key of its maker's choice.
#[test]
fn a_slot_with_a_key_of_someone_elses_is_damage() {
    let (mut envelope, _) = envelope();
    let theirs = super::DataKey::from_bytes(&[7; 32], envelope.scope);
    envelope.slots = vec![Slot::wrap(&theirs, &password("right"), CHEAP, [1; 32], [2; 24]).unwrap()];
    assert_eq!(opening(&envelope, "right", &TIGHT), Err(OpenError::Damaged));
}

#[test]
fn a_slot_moved_to_another_bundle_does_not_open() {
    let (first, _) = envelope();
    let (mut second, _) = Envelope::create(&password("other"), CHEAP).unwrap();
    second.slots = first.slots;
    assert_eq!(opening(&second, "right", &TIGHT), Err(OpenError::WrongPassword));
}

#[test]
fn what_is_too_expensive_is_not_run() {
    let (intact, _) = envelope();
    for kdf in [
        KdfParams { memory_kib: u32::MAX, passes: 1, lanes: 1 },
        KdfParams { memory_kib: 16 * 1024 + 1, passes: 1, lanes: 1 },
        KdfParams { passes: u32::MAX, ..CHEAP },
        KdfParams { passes: 3, ..CHEAP },
        KdfParams { lanes: 3, ..CHEAP },
    ] {
        let slot = Slot { kdf, ..intact.slots[0].clone() };
        let envelope = Envelope { slots: vec![slot], ..intact.clone() };
        let KdfParams { memory_kib, passes, lanes } = kdf;
        let expected = OpenError::TooExpensive { memory_kib, passes, lanes, slots: 1, limits: TIGHT };
        assert_eq!(opening(&envelope, "right", &TIGHT), Err(expected));
    }
}

#[test]
fn an_expensive_slot_does_not_lock_out_a_cheap_one() {
    let (mut envelope, _) = envelope();
    let dear = KdfParams { passes: 9, ..CHEAP };
    envelope.slots.insert(0, Slot { kdf: dear, ..envelope.slots[0].clone() });
    assert_eq!(opening(&envelope, "right", &TIGHT), Ok(()));
    // Whether this password would have fitted the expensive slot was never tried.
    assert!(matches!(opening(&envelope, "wrong", &TIGHT), Err(OpenError::TooExpensive { passes: 9, .. })));
}

#[test]
fn all_slots_together_stay_within_the_work() {
    let (mut envelope, _) = envelope();
    envelope.slots = vec![envelope.slots[0].clone(); 3];
    let limits = KdfLimits { work_kib: 2 * u64::from(CHEAP.memory_kib), ..TIGHT };
    assert_eq!(opening(&envelope, "right", &limits), Ok(()));
    assert!(matches!(opening(&envelope, "wrong", &limits), Err(OpenError::TooExpensive { .. })));
    envelope.slots.pop();
    assert_eq!(opening(&envelope, "wrong", &limits), Err(OpenError::WrongPassword));
}

#[test]
fn a_reader_with_default_limits_takes_five_default_slots_or_one_of_a_gibibyte() {
    let (params, limits) = (KdfParams::default(), KdfLimits::default());
    assert!(limits.allow(&params, params.work_kib() * 4));
    assert!(!limits.allow(&params, params.work_kib() * 5));
    let large = KdfParams { memory_kib: 1 << 20, ..params };
    assert!(limits.allow(&large, 0));
    assert!(!limits.allow(&large, large.work_kib()));
    let told = KdfLimits::with_work_kib(params.work_kib() * MAX_SLOTS as u64);
    assert!(told.allow(&params, params.work_kib() * (MAX_SLOTS as u64 - 1)));
    assert!(!limits.allow(&KdfParams { passes: 17, ..params }, 0));
    assert!(!limits.allow(&CHEAP, u64::MAX));
}

#[test]
fn malformed_envelopes_are_told_apart_before_any_password() {
    let (intact, _) = envelope();
    let with = |kdf| vec![intact.slots[0].clone(), Slot { kdf, ..intact.slots[0].clone() }];
    for slots in [
        Vec::new(),
        vec![intact.slots[0].clone(); MAX_SLOTS + 1],
        with(KdfParams { memory_kib: CHEAP.memory_kib - 1, ..CHEAP }),
        with(KdfParams { memory_kib: 0, ..CHEAP }),
        with(KdfParams { passes: 0, ..CHEAP }),
        with(KdfParams { lanes: 0, ..CHEAP }),
        with(KdfParams { lanes: 1025, ..CHEAP }),
        with(KdfParams { lanes: u32::MAX, memory_kib: u32::MAX, passes: 1 }),
    ] {
        let envelope = Envelope { slots, ..intact.clone() };
        assert!(matches!(envelope.check(), Err(OpenError::Malformed(_))));
        assert!(matches!(opening(&envelope, "right", &TIGHT), Err(OpenError::Malformed(_))));
    }
    assert_eq!(intact.check(), Ok(()));
}

#[test]
fn a_writer_cannot_go_below_what_a_reader_takes() {
    for params in [
        KdfParams { memory_kib: 8 * 1024 - 1, ..CHEAP },
        KdfParams { passes: 0, ..CHEAP },
        KdfParams { lanes: 0, ..CHEAP },
        KdfParams { lanes: 1025, ..CHEAP },
    ] {
        assert!(matches!(Envelope::create(&password("p"), params), Err(CryptoError::BadParams(_))));
    }
}
