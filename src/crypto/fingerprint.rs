//! Comparing content without keeping it, and names nobody else will choose.

use zeroize::Zeroizing;

use super::sealing::{derive, keyed_hash};
use super::{CryptoError, MasterKey, context, fill_random, random};

/// A random key under which content is hashed, for the time of one process: two hashes are comparable, and
/// nobody without the key can guess what was hashed.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

impl FingerprintKey {
    /// A new key.
    ///
    /// # Errors
    /// [`CryptoError::NoRandomness`].
    pub fn generate() -> Result<Self, CryptoError> {
        let mut key = Zeroizing::new([0; 32]);
        fill_random(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// The key of fingerprints that are kept in a file with their salt. With a master key nobody who lacks it can
    /// guess what was hashed; without one no secret could be read, so that none is among it.
    pub fn derived(salt: &[u8; 16], master: Option<&MasterKey>) -> Self {
        let mut material: Vec<&[u8]> = vec![salt];
        material.extend(master.map(MasterKey::raw));
        Self(derive(context::FINGERPRINT_KEY, &material))
    }

    /// Hashes parts, each with its length, so that no two lists of parts are hashed alike.
    pub fn of(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut all = vec![context::FINGERPRINT.as_bytes()];
        all.extend(parts);
        *keyed_hash(&self.0, &all)
    }
}

impl std::fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FingerprintKey(..)")
    }
}

/// Sixteen random bytes that make a derived key another.
///
/// # Errors
/// [`CryptoError::NoRandomness`].
pub fn random_salt() -> Result<[u8; 16], CryptoError> {
    random()
}

/// A random GUID (RFC 9562 version 4), in lower case.
///
/// # Errors
/// [`CryptoError::NoRandomness`].
pub fn random_guid() -> Result<String, CryptoError> {
    let mut number = u128::from_le_bytes(random()?);
    number = (number & !(0xf << 76)) | (4 << 76);
    number = (number & !(0x3 << 62)) | (2 << 62);
    let hex = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_have_the_form_of_version_4() {
        let guid = random_guid().unwrap();
        let lengths: Vec<usize> = guid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&guid.as_bytes()[19]));
        assert_ne!(guid, random_guid().unwrap());
    }

    #[test]
    fn fingerprints_keep_parts_apart() {
        let key = FingerprintKey::generate().unwrap();
        assert_eq!(key.of(&[b"ab", b"c"]), key.of(&[b"ab", b"c"]));
        assert_ne!(key.of(&[b"ab", b"c"]), key.of(&[b"a", b"bc"]));
        assert_ne!(key.of(&[b"a"]), FingerprintKey::generate().unwrap().of(&[b"a"]));
        assert_eq!(format!("{key:?}"), "FingerprintKey(..)");
    }
}
