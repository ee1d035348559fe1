//! Sealed values and fingerprints.

use proptest::prelude::*;

use super::super::{
    CryptoError, DataKey, MAX_SECRET_BYTES, OpenValueError, SEALED_OVERHEAD_BYTES, SecretBytes,
};
use super::secret;

const PLACE: [&[u8]; 3] = [b"Project", b"Web", b"$.Key"];

fn key() -> DataKey {
    DataKey::from_bytes(&[1; 32], [2; 16])
}

fn refused(result: Result<SecretBytes, OpenValueError>) -> bool {
    matches!(result, Err(OpenValueError::Refused))
}

#[test]
fn every_flipped_bit_of_a_sealed_value_is_refused() {
    let key = key();
    let sealed = key.seal(&secret("hunter2"), &PLACE).unwrap();
    assert_eq!(sealed.len(), 7 + SEALED_OVERHEAD_BYTES);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(key.open(&changed, &PLACE)), "bit {bit}");
    }
}

#[test]
fn a_sealed_value_of_another_length_is_refused() {
    let key = key();
    let sealed = key.seal(&secret("hunter2"), &PLACE).unwrap();
    for length in 0..sealed.len() {
        match key.open(&sealed[..length], &PLACE) {
            Err(OpenValueError::Length { bytes }) => assert!(bytes == length && length < 40),
            Err(OpenValueError::Refused) => assert!(length >= 40),
            Ok(_) => panic!("opened when cut to {length} bytes"),
        }
    }
    let mut longer = sealed;
    longer.push(0);
    assert!(refused(key.open(&longer, &PLACE)));
}

#[test]
fn a_moved_value_is_refused() {
    let key = key();
    let sealed = key.seal(&secret("hunter2"), &PLACE).unwrap();
    let others: [&[&[u8]]; 7] = [
        &[b"Project", b"Web", b"$.Other"],
        &[b"Project", b"Web$", b".Key"],
        &[b"Project", b"Web", b"$.Key", b""],
        &[b"Project", b"Web"],
        &[b"Web", b"Project", b"$.Key"],
        &[b"ProjectWeb$.Key"],
        &[],
    ];
    for place in others {
        assert!(refused(key.open(&sealed, place)), "{place:?}");
    }
    let other_scope = DataKey::from_bytes(&[1; 32], [3; 16]);
    assert!(refused(other_scope.open(&sealed, &PLACE)));
    let other_key = DataKey::from_bytes(&[4; 32], [2; 16]);
    assert!(refused(other_key.open(&sealed, &PLACE)));
}

#[test]
fn equal_secrets_are_sealed_to_different_bytes() {
    let key = key();
    let (a, b) = (key.seal(&secret("x"), &PLACE).unwrap(), key.seal(&secret("x"), &PLACE).unwrap());
    assert_ne!(a[..24], b[..24]);
    assert_ne!(a[24..], b[24..]);
}

#[test]
fn the_largest_secret_is_a_limit_on_both_ways() {
    let bytes = MAX_SECRET_BYTES + 1;
    let zeros = SecretBytes::from(vec![0; bytes]);
    assert_eq!(key().seal(&zeros, &PLACE), Err(CryptoError::TooLarge { bytes }));
    let bytes = bytes + SEALED_OVERHEAD_BYTES;
    let sealed = vec![0; bytes];
    assert!(matches!(key().open(&sealed, &PLACE), Err(OpenValueError::Length { bytes: b }) if b == bytes));
}

#[test]
fn fingerprints_tell_value_purpose_and_key_apart() {
    let key = key();
    let print = key.fingerprint(&[b"a", b"b"], &secret("c"));
    assert_eq!(print, key.fingerprint(&[b"a", b"b"], &secret("c")));
    assert_ne!(print, key.fingerprint(&[b"a", b"b"], &secret("d")));
    assert_ne!(print, key.fingerprint(&[b"a"], &secret("c")));
    assert_ne!(print, key.fingerprint(&[b"ab"], &secret("c")));
    assert_ne!(print, key.fingerprint(&[b"a", b"b", b"c"], &secret("")));
    assert_ne!(print, DataKey::from_bytes(&[9; 32], [2; 16]).fingerprint(&[b"a", b"b"], &secret("c")));
}

proptest! {
    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else(
        plain in prop::collection::vec(any::<u8>(), 0..300),
        place in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..4),
        other in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..4),
    ) {
        let key = key();
        let plain = SecretBytes::from(plain);
        let parts: Vec<&[u8]> = place.iter().map(Vec::as_slice).collect();
        let other_parts: Vec<&[u8]> = other.iter().map(Vec::as_slice).collect();
        let sealed = key.seal(&plain, &parts).unwrap();
        prop_assert!(key.open(&sealed, &parts).unwrap().same(&plain));
        prop_assert_eq!(key.open(&sealed, &other_parts).is_ok(), place == other);
    }

    #[test]
    fn no_bytes_at_all_make_open_panic(sealed in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(key().open(&sealed, &PLACE).is_err());
    }
}
