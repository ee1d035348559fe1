//! Passwords, sealed values and the server's master key: what was sealed opens, and nothing else does.

use std::sync::OnceLock;

use sealift::crypto::{DataKey, Envelope, KdfLimits, KdfParams, MasterKey, Password, SecretBytes, Slot};

use super::feed::Feed;

/// The cheapest derivation there is, once.
const LIMITS: KdfLimits = KdfLimits { memory_kib: 8 * 1024, passes: 1, lanes: 1, work_kib: 8 * 1024 };

fn made() -> &'static (Envelope, DataKey) {
    static MADE: OnceLock<(Envelope, DataKey)> = OnceLock::new();
    MADE.get_or_init(|| Envelope::create(&password("right"), KdfParams::MINIMUM).unwrap())
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

/// Any bytes: the first says what is tried with the rest.
pub fn holds(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    match feed.below(8) {
        0 | 1 => value(&mut feed),
        2 => strange_value(&mut feed),
        3 | 4 => server_text(feed.rest()),
        5 => master_key(feed.rest()),
        6 => strange_envelope(&mut feed),
        _ => changed_envelope(&mut feed),
    }
}

/// A value opens at its place, and neither changed nor at another place.
pub fn value(feed: &mut Feed<'_>) {
    let (_, key) = made();
    let place = [feed.bytes(), feed.bytes()];
    let (cut, position, change) = (feed.below(3), feed.int16(), feed.byte());
    let secret = feed.rest().to_vec();
    let sealed = key.seal(&SecretBytes::from(secret.clone()), &place).unwrap();
    assert_eq!(key.open(&sealed, &place).unwrap().expose(), secret);
    let joined = [place[0], place[1]].concat();
    assert!(key.open(&sealed, &[&joined]).is_err(), "places are told apart by their parts");
    assert!(key.open(&sealed, &[place[0], place[1], b""]).is_err());
    if place[0] != place[1] {
        assert!(key.open(&sealed, &[place[1], place[0]]).is_err());
    }
    let mut changed = sealed;
    let position = position % changed.len();
    match cut {
        0 => changed.truncate(position),
        1 => changed.insert(position, change),
        _ => changed[position] ^= change.max(1),
    }
    assert!(key.open(&changed, &place).is_err(), "a changed value opened");
}

/// Nobody seals a value by guessing.
fn strange_value(feed: &mut Feed<'_>) {
    let (_, key) = made();
    let place = [feed.bytes()];
    assert!(key.open(feed.rest(), &place).is_err());
}

/// What the server's text decrypts to is encrypted and decrypted again the same.
pub fn server_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for key in ["AQEBAQEBAQEBAQEBAQEBAQ==", "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="] {
        let key = MasterKey::from_base64(key).unwrap();
        if let Ok(secret) = key.decrypt(&text) {
            let again = key.encrypt(&secret).unwrap();
            assert!(key.decrypt(&again).unwrap().same(&secret));
            assert!(secret.expose_text().is_some(), "a server keeps text");
        }
        let secret = SecretBytes::from(bytes.to_vec());
        match key.encrypt(&secret) {
            Ok(written) => assert!(key.decrypt(&written).unwrap().same(&secret)),
            Err(_) => assert!(secret.expose_text().is_none(), "text can be kept"),
        }
    }
}

/// A master key has one spelling.
fn master_key(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = MasterKey::from_base64(&text) {
        assert_eq!(key.to_base64().expose(), text.trim().as_bytes());
    }
    if let Err(error) = Password::new(text.clone().into_owned()) {
        assert!(text.is_empty() || text.len() > sealift::crypto::MAX_PASSWORD_BYTES, "{error}");
    }
}

fn array<const N: usize>(feed: &mut Feed<'_>) -> [u8; N] {
    let mut array = [0; N];
    let bytes = feed.take(N);
    array[..bytes.len()].copy_from_slice(bytes);
    array
}

/// An envelope from elsewhere opens to nothing, costs no more than allowed and breaks nothing.
fn strange_envelope(feed: &mut Feed<'_>) {
    let mut number = |usual: u32| match feed.below(4) {
        0 => feed.int64() as u32,
        1 => feed.below(3) as u32,
        _ => usual,
    };
    let kdf = KdfParams { memory_kib: number(8 * 1024), passes: number(1), lanes: number(1) };
    let slot = Slot { kdf, salt: array(feed), nonce: array(feed), wrapped: array(feed) };
    let slots = vec![slot; feed.below(20)];
    let envelope = Envelope { scope: array(feed), slots, commitment: array(feed) };
    let checked = envelope.check();
    let opened = envelope.open(&password("right"), &LIMITS).map(|_| ());
    assert!(opened.is_err());
    if let Err(error) = checked {
        assert_eq!(opened, Err(error), "what is malformed is not tried");
    }
}

/// The password opens its envelope; not one that was changed anywhere.
fn changed_envelope(feed: &mut Feed<'_>) {
    let (envelope, key) = made();
    let mut changed = envelope.clone();
    let change = feed.byte().max(1);
    let position = feed.int16();
    let slot = &mut changed.slots[0];
    match feed.below(6) {
        0 => changed.scope[position % 16] ^= change,
        1 => changed.commitment[position % 32] ^= change,
        2 => slot.salt[position % 32] ^= change,
        3 => slot.nonce[position % 24] ^= change,
        4 => slot.wrapped[position % 48] ^= change,
        _ => {
            let opened = changed.open(&password("right"), &LIMITS).unwrap();
            assert!(opened.belongs_to(envelope) && key.belongs_to(envelope));
            assert!(changed.open(&password("wrong"), &LIMITS).is_err());
            return;
        }
    }
    assert!(changed.open(&password("right"), &LIMITS).is_err(), "a changed envelope opened");
}
