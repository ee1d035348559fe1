//! The key of the files that the product's own migrator writes: from a password, in the product's way.
//!
//! PBKDF2-HMAC-SHA1 with a constant salt and 1000 rounds is weak, and the values it protects carry no
//! authentication. It is spoken because those files speak it; nothing of ours is ever sealed this way.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::{MasterKey, Password};

/// The same for every server and every export.
const SALT: &[u8; 8] = b"Octopuss";

const ROUNDS: u32 = 1000;

impl MasterKey {
    /// Derives the key under which the product's migrator encrypts what it exports. Its values have the form
    /// of the server's own, so that [`MasterKey::decrypt`] reads them.
    pub fn of_export(password: &Password) -> Self {
        let mut key = Box::new(Zeroizing::new([0; 16]));
        pbkdf2_hmac::<Sha1>(password.bytes(), SALT, ROUNDS, key.as_mut_slice());
        Self::from_raw(key)
    }
}
