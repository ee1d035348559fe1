//! Comparing content without keeping it, and names nobody else will choose.

use zeroize::Zeroizing;

use super::sealing::{derive, keyed_hash};
use super::{CryptoError, DataKey, MasterKey, context, fill_random, random};

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
    /// guess what was hashed; without one no encrypted secret could be read, so that none is among it.
    pub fn derived(salt: &[u8; 16], master: Option<&MasterKey>) -> Self {
        let mut material: Vec<&[u8]> = vec![salt];
        material.extend(master.map(MasterKey::raw));
        Self(derive(context::FINGERPRINT_KEY, &material))
    }

    /// The same for a file whose secrets are sealed under a data key, where the server has no master key: its secrets
    /// are plain text, and only who can open the file can guess what was hashed.
    pub fn derived_from(salt: &[u8; 16], key: &DataKey) -> Self {
        Self(derive(context::FINGERPRINT_KEY, &[salt, key.raw()]))
    }

    /// The salt of a file's fingerprints: another one for each subject, and the same whenever the file of that
    /// subject is made again. Under a master key only who has it can tell which subject a salt belongs to.
    pub fn salt(subject: &[&[u8]], master: Option<&MasterKey>) -> [u8; 16] {
        let mut salt = [0; 16];
        let hash = Self::derived(&salt, master).of(subject);
        salt.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        salt
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

/// A random GUID (RFC 9562 version 4), in lower case.
///
/// # Errors
/// [`CryptoError::NoRandomness`].
pub fn random_guid() -> Result<String, CryptoError> {
    Ok(guid(u128::from_le_bytes(random()?), 4))
}

/// The GUID of something that parts name (RFC 9562 version 8), in lower case: the same for the same parts, and, but
/// for them, one that nobody else has. No part may be a secret.
pub fn named_guid(parts: &[&[u8]]) -> String {
    guid(u128::from_le_bytes(FingerprintKey::salt(parts, None)), 8)
}

fn guid(mut number: u128, version: u128) -> String {
    number = (number & !(0xf << 76)) | (version << 76);
    number = (number & !(0x3 << 62)) | (2 << 62);
    let hex = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
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
