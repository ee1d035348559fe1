//! Secrets while they are in memory: owned, wiped when dropped, silent when printed.
//!
//! Neither type can be displayed, serialised, compared with `==` or cloned by accident. This file encrypts
//! nothing.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

/// The longest password, in bytes of UTF-8.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A secret in the clear. Its memory is overwritten on drop.
///
/// The bytes are whatever they were given as; nothing requires text.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes in the clear. What the caller copies out of them is the caller's to wipe.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes in the clear as text, where they are UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// How many bytes the secret has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the secret has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both hold the same bytes. The time taken tells the lengths, and nothing of the content.
    pub fn same(&self, other: &Self) -> bool {
        // The hashes stay here. Comparing them instead of the bytes means that even a comparison that
        // stopped early would tell nothing; the comparison of `blake3::Hash` does not stop early.
        self.0.len() == other.0.len() && transient_hash(&self.0) == transient_hash(&other.0)
    }

    /// A second copy, to be wiped on its own. A method instead of `Clone`, so that copies show in the code.
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

fn transient_hash(bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    let hash = hasher.finalize();
    hasher.zeroize();
    hash
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The password has no characters.
    #[error("the password is empty")]
    Empty,
    /// The password is longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password has {bytes} bytes; the limit is {MAX_PASSWORD_BYTES}")]
    TooLong {
        /// Its length, in bytes of UTF-8.
        bytes: usize,
    },
}

/// A password: 1 to [`MAX_PASSWORD_BYTES`] bytes of UTF-8, wiped on drop.
///
/// The bytes are used exactly as given. They are not normalised and not trimmed: a rule that changes with a
/// Unicode version would one day make a bundle unreadable.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes a text as a password. The text is wiped, whether it is accepted or not.
    ///
    /// # Errors
    /// Refuses an empty text and one longer than [`MAX_PASSWORD_BYTES`].
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let bytes = Zeroizing::new(text.into_bytes());
        match bytes.len() {
            0 => Err(PasswordError::Empty),
            length if length > MAX_PASSWORD_BYTES => Err(PasswordError::TooLong { bytes: length }),
            _ => Ok(Self(bytes)),
        }
    }

    /// A password of 32 bytes that nobody types, as hexadecimal text.
    pub(super) fn of_key(key: Zeroizing<[u8; 32]>) -> Self {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |digit| digit as u8);
        // Room for all of it: growing would leave a copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(64));
        text.extend(key.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        Self(text)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
