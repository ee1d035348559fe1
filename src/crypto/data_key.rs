//! The random key of one bundle: it seals values to their places and compares them without storing them.
//!
//! A sealed value is `nonce (24) ‖ ciphertext ‖ tag (16)`. Its length tells the length of the secret; its
//! bytes tell nothing, not even that two secrets are equal. This file knows no password; how the key is
//! wrapped is in `envelope`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::envelope::{Envelope, SCOPE_BYTES};
use super::sealing::{self, NONCE_BYTES, TAG_BYTES};
use super::{CryptoError, KdfParams, Password, SecretBytes, context, fill_random, random};

/// The largest secret that is sealed or opened: 256 MiB, in bytes.
pub const MAX_SECRET_BYTES: usize = 256 * 1024 * 1024;

/// How many bytes a sealed value is longer than its secret.
pub const SEALED_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// Why a sealed value could not be opened. No part of the plaintext was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenValueError {
    /// No sealed value has that length: it was cut off, or is none.
    #[error("a sealed value cannot have {bytes} bytes")]
    Length {
        /// The length found, in bytes.
        bytes: usize,
    },
    /// The value is damaged, or was sealed for another place, or in another bundle.
    #[error("the sealed value is damaged or was moved here from another place")]
    Refused,
}

/// The data key of one bundle, with the bundle's scope. Wiped on drop.
///
/// It comes from [`Envelope::create`] or [`Envelope::open`], and so has always met its commitment.
pub struct DataKey {
    // Boxed, so that moving the value about leaves no copies of the keys behind.
    keys: Box<Keys>,
    scope: [u8; SCOPE_BYTES],
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Keys {
    data: [u8; 32],
    sealing: [u8; 32],
    comparing: [u8; 32],
}

impl DataKey {
    /// A new random key for a scope.
    pub(super) fn generate(scope: [u8; SCOPE_BYTES]) -> Result<Self, CryptoError> {
        let mut data = Zeroizing::new([0; 32]);
        fill_random(data.as_mut_slice())?;
        Ok(Self::from_bytes(&data, scope))
    }

    /// A random key that no envelope has: for what this process alone keeps, and for no longer than it runs.
    ///
    /// # Errors
    /// [`CryptoError::NoRandomness`].
    pub fn of_this_process() -> Result<Self, CryptoError> {
        Self::generate(random()?)
    }

    /// The key with those bytes. The caller answers for the commitment.
    pub(super) fn from_bytes(data: &[u8; 32], scope: [u8; SCOPE_BYTES]) -> Self {
        let mut keys = Box::new(Keys { data: [0; 32], sealing: [0; 32], comparing: [0; 32] });
        keys.data.copy_from_slice(data);
        keys.sealing.copy_from_slice(sealing::derive(context::VALUE_SEALING, &[data]).as_slice());
        keys.comparing.copy_from_slice(sealing::derive(context::SECRET_COMPARISON, &[data]).as_slice());
        Self { keys, scope }
    }

    /// What the envelope publishes so that no other key can pass for this one.
    pub(super) fn commitment(&self) -> [u8; 32] {
        *sealing::derive(context::KEY_COMMITMENT, &[&self.keys.data, &self.scope])
    }

    /// The bytes to be wrapped.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.keys.data
    }

    /// A second copy of the key, for a second owner. Deriving it from the password again would cost as much as
    /// the first time.
    pub fn duplicate(&self) -> Self {
        Self::from_bytes(&self.keys.data, self.scope)
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.keys.data
    }

    /// The random identity of the bundle that the key belongs to. Not secret.
    pub fn scope(&self) -> &[u8; SCOPE_BYTES] {
        &self.scope
    }

    /// Whether an envelope is the one of this key. No password is needed.
    pub fn belongs_to(&self, envelope: &Envelope) -> bool {
        self.scope == envelope.scope && sealing::same_digest(&self.commitment(), &envelope.commitment)
    }

    /// Lets one more password open the envelope. What is sealed stays as it is.
    ///
    /// Taking a slot out of the envelope again does not take the key from those who once had it.
    ///
    /// # Errors
    /// [`CryptoError::OtherEnvelope`] unless the envelope is this key's own, [`CryptoError::TooManySlots`]
    /// when it is full, [`CryptoError::BadParams`], [`CryptoError::NoMemory`] and
    /// [`CryptoError::NoRandomness`]. The envelope is unchanged then.
    pub fn add_slot(
        &self,
        envelope: &mut Envelope,
        password: &Password,
        params: KdfParams,
    ) -> Result<(), CryptoError> {
        if !self.belongs_to(envelope) {
            return Err(CryptoError::OtherEnvelope);
        }
        envelope.push_slot(self, password, params)
    }

    /// Encrypts a secret for one place of this bundle, under a fresh random nonce.
    ///
    /// `place` names what the secret is the secret of, in as many parts as that takes. It is not stored:
    /// whoever opens the value must give the same parts.
    ///
    /// # Errors
    /// [`CryptoError::TooLarge`] beyond [`MAX_SECRET_BYTES`], and [`CryptoError::NoRandomness`].
    pub fn seal(&self, plaintext: &SecretBytes, place: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        self.seal_with_nonce(plaintext, place, &random()?)
    }

    /// [`DataKey::seal`] with the nonce given, for known answers. A nonce used twice would betray both
    /// secrets, so only a random one may come from outside the tests.
    pub(super) fn seal_with_nonce(
        &self,
        plaintext: &SecretBytes,
        place: &[&[u8]],
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Vec<u8>, CryptoError> {
        let bytes = plaintext.len();
        let too_large = CryptoError::TooLarge { bytes };
        if bytes > MAX_SECRET_BYTES {
            return Err(too_large);
        }
        // The room is reserved once: growing would leave the plaintext behind in the old memory.
        let mut sealed = Vec::with_capacity(bytes + SEALED_OVERHEAD_BYTES);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(plaintext.expose());
        let (_, buffer) = sealed.split_at_mut(NONCE_BYTES);
        let tag = sealing::encrypt(&self.keys.sealing, nonce, &self.associated(place), buffer);
        let Some(tag) = tag else {
            sealed.zeroize();
            return Err(too_large);
        };
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Decrypts a sealed value, given the place it was sealed for.
    ///
    /// # Errors
    /// [`OpenValueError::Length`] when it is too short or too long to be one; [`OpenValueError::Refused`]
    /// when a bit of it is changed or it was sealed for another place or bundle.
    pub fn open(&self, sealed: &[u8], place: &[&[u8]]) -> Result<SecretBytes, OpenValueError> {
        let length = OpenValueError::Length { bytes: sealed.len() };
        if sealed.len() > MAX_SECRET_BYTES + SEALED_OVERHEAD_BYTES {
            return Err(length);
        }
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(length)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(length)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        if !sealing::decrypt(&self.keys.sealing, nonce, &self.associated(place), &mut buffer, tag) {
            return Err(OpenValueError::Refused);
        }
        Ok(SecretBytes::from(buffer))
    }

    /// A digest by which secrets are compared without being kept. Equal purpose and equal value give equal
    /// digests under one data key; under another key they say nothing, so they cannot be guessed at offline.
    ///
    /// `purpose` keeps comparisons apart that must not be mixed, in as many parts as that takes.
    pub fn fingerprint(&self, purpose: &[&[u8]], value: &SecretBytes) -> [u8; 32] {
        let mut parts = purpose.to_vec();
        parts.push(value.expose());
        *sealing::keyed_hash(&self.keys.comparing, &parts)
    }

    fn associated(&self, place: &[&[u8]]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = vec![context::SEALED_VALUE.as_bytes(), &self.scope];
        parts.extend_from_slice(place);
        sealing::encode_parts(&parts)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}
