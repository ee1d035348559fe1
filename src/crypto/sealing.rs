//! The primitives that slots and values share: length-prefixed parts, key derivation, XChaCha20-Poly1305.
//!
//! Nothing here chooses a nonce, a context or a place; nothing here is public.

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize as _, Zeroizing};

/// The length of a nonce, in bytes. Long enough to be drawn at random without counting.
pub(super) const NONCE_BYTES: usize = 24;
/// The length of an authentication tag, in bytes.
pub(super) const TAG_BYTES: usize = 16;

/// Writes parts so that no two lists of parts give the same bytes: their count, then each one's length and
/// bytes, count and lengths as 64 bits little-endian.
fn write_parts<'a>(parts: impl ExactSizeIterator<Item = &'a [u8]>, mut write: impl FnMut(&[u8])) {
    // A `usize` is at most 64 bits wide on every platform Rust has.
    write(&(parts.len() as u64).to_le_bytes());
    for part in parts {
        write(&(part.len() as u64).to_le_bytes());
        write(part);
    }
}

/// The associated data for a list of parts ("pre-authentication encoding").
pub(super) fn encode_parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_parts(parts.iter().copied(), |part| bytes.extend_from_slice(part));
    bytes
}

/// Derives 32 bytes from key material, given in pieces of fixed length, under one of the fixed contexts.
pub(super) fn derive(context: &'static str, material: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for piece in material {
        hasher.update(piece);
    }
    finish(hasher)
}

/// Hashes a list of parts under a key.
pub(super) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_keyed(key);
    write_parts(parts.iter().copied(), |part| {
        hasher.update(part);
    });
    finish(hasher)
}

fn finish(mut hasher: blake3::Hasher) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    let mut reader = hasher.finalize_xof();
    reader.fill(output.as_mut_slice());
    reader.zeroize();
    hasher.zeroize();
    output
}

/// Compares two digests in constant time.
pub(super) fn same_digest(a: &[u8; 32], b: &[u8; 32]) -> bool {
    blake3::Hash::from_bytes(*a) == blake3::Hash::from_bytes(*b)
}

/// Encrypts a buffer where it stands and returns its tag; `None` beyond the cipher's 256 GiB.
pub(super) fn encrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    buffer: &mut [u8],
) -> Option<[u8; TAG_BYTES]> {
    let cipher = XChaCha20Poly1305::new(key.into());
    let tag = cipher.encrypt_inout_detached(&XNonce::from(*nonce), associated, buffer.into()).ok()?;
    Some(tag.into())
}

/// Decrypts a buffer where it stands. On `false` nothing has been decrypted: the tag is checked first.
#[must_use]
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> bool {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt_inout_detached(&XNonce::from(*nonce), associated, buffer.into(), &Tag::from(*tag)).is_ok()
}
