//! Password → keys, sealed values, and the server's own master key.
//!
//! - A [`Password`] opens an [`Envelope`], whose slots wrap the one random [`DataKey`] of a bundle.
//! - The [`DataKey`] seals each secret to its place and compares secrets without storing them.
//! - The [`MasterKey`] is the server's own: it reads and writes the text form in which the server keeps
//!   secrets in its database.
//!
//! What is fixed: Argon2id v0x13, BLAKE3 in its `derive_key` and keyed modes, XChaCha20-Poly1305; for the
//! server's form AES-CBC with PKCS#7, which is the server's choice and carries no authentication; for the files
//! of the product's own migrator PBKDF2-HMAC-SHA1, which are only read.
//!
//! This module knows no document, no file and no database. It never writes a secret into a message, a log
//! or a `Debug` text, never derives a key under a context that comes from data, and never hands out a
//! plaintext or a key that was not authenticated (AES-CBC, having nothing to authenticate, excepted).
//!
//! Memory that held a secret is overwritten before it is freed. That is a best effort: registers, stack
//! copies made by the compiler and pages swapped out are beyond it.

mod data_key;
mod envelope;
mod export_key;
mod fingerprint;
mod kdf;
mod master_key;
mod sealing;
mod secret;

pub use data_key::{DataKey, MAX_SECRET_BYTES, OpenValueError, SEALED_OVERHEAD_BYTES};
pub use envelope::{Envelope, MAX_SLOTS, OpenError, Slot};
pub use fingerprint::{FingerprintKey, named_guid, random_guid};
pub use kdf::{KdfLimits, KdfParams};
pub use master_key::{DecryptError, MasterKey, MasterKeyError, MasterKeySize, is_encrypted_form};
pub use secret::{MAX_PASSWORD_BYTES, Password, PasswordError, SecretBytes};

/// Every string that separates one use of a key or a cipher from another.
///
/// They are part of the format: a changed letter makes every existing bundle unreadable. A new use takes a
/// new string, never one of these.
pub mod context {
    /// Derives the key-encryption key of a slot from the output of Argon2id.
    pub const KEY_ENCRYPTION: &str = "sealift 2026-11 bundle v1 key encryption";
    /// First part of the associated data of a slot's wrapped key.
    pub const SLOT_WRAPPING: &str = "sealift 2026-11 bundle v1 slot wrapping";
    /// Derives the key commitment from the data key and the scope.
    pub const KEY_COMMITMENT: &str = "sealift 2026-11 bundle v1 key commitment";
    /// Derives the key that seals values from the data key.
    pub const VALUE_SEALING: &str = "sealift 2026-11 bundle v1 value sealing";
    /// First part of the associated data of a sealed value.
    pub const SEALED_VALUE: &str = "sealift 2026-11 bundle v1 sealed value";
    /// Derives the key under which secrets are compared from the data key.
    pub const SECRET_COMPARISON: &str = "sealift 2026-11 bundle v1 secret comparison";
    /// Derives the password of an undo file from the server's master key.
    pub const UNDO_PASSWORD: &str = "sealift 2026-11 undo v1 password";
    /// First part of what fingerprints of documents hash.
    pub const FINGERPRINT: &str = "sealift 2026-11 plan v1 fingerprint";

    /// Derives the key of fingerprints that are kept in a file.
    pub const FINGERPRINT_KEY: &str = "sealift 2026-11 plan v1 fingerprint key";

    /// All of the above. No two are equal.
    pub const ALL: [&str; 9] = [
        FINGERPRINT_KEY,
        UNDO_PASSWORD,
        FINGERPRINT,
        KEY_ENCRYPTION,
        SLOT_WRAPPING,
        KEY_COMMITMENT,
        VALUE_SEALING,
        SEALED_VALUE,
        SECRET_COMPARISON,
    ];
}

/// Why something could not be encrypted. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes ({0})")]
    NoRandomness(getrandom::Error),
    /// The memory that Argon2id was told to use is not to be had.
    #[error("Argon2id needs {memory_kib} KiB of memory, which this machine did not give")]
    NoMemory {
        /// What was asked for, in KiB.
        memory_kib: u32,
    },
    /// The Argon2id parameters are outside what a bundle may say.
    #[error("unusable Argon2id parameters: {0}")]
    BadParams(&'static str),
    /// The envelope has [`MAX_SLOTS`] slots already.
    #[error("the bundle already has {MAX_SLOTS} passwords, the most it can have")]
    TooManySlots,
    /// The envelope was made for another data key.
    #[error("the key belongs to another bundle")]
    OtherEnvelope,
    /// The secret is larger than [`MAX_SECRET_BYTES`].
    #[error("a secret of {bytes} bytes is too large; the limit is {MAX_SECRET_BYTES} bytes")]
    TooLarge {
        /// The size of the secret, in bytes.
        bytes: usize,
    },
    /// The server keeps text only, and the secret is not UTF-8.
    #[error("the secret is not UTF-8 text, and the server can keep no other")]
    NotText,
}

/// Returns `N` bytes from the operating system's generator.
fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

/// Overwrites a buffer from the operating system's generator. For keys, which should not be copied about.
fn fill_random(bytes: &mut [u8]) -> Result<(), CryptoError> {
    getrandom::fill(bytes).map_err(CryptoError::NoRandomness)
}

#[cfg(test)]
mod tests;
