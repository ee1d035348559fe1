//! How a bundle keeps its data key: wrapped in slots, one for each password, beside a commitment to the key.
//!
//! Everything in an envelope is public and comes, when read, from someone unknown. So the parameters are
//! checked before anything is computed, and a key is checked against the commitment before it is handed
//! out. This file reads and writes no bytes of a file.

use zeroize::Zeroizing;

use super::kdf::{self, SALT_BYTES};
use super::sealing::{self, NONCE_BYTES, TAG_BYTES};
use super::{CryptoError, DataKey, KdfLimits, KdfParams, Password, context, random};

/// The most slots an envelope can have.
pub const MAX_SLOTS: usize = 16;

/// The length of a scope, in bytes.
pub(super) const SCOPE_BYTES: usize = 16;

const WRAPPED_BYTES: usize = 32 + TAG_BYTES;

/// Why an envelope did not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No slot opens with the password. A slot whose bytes were changed looks the same from here; whether
    /// they were is for the bundle's own check to say.
    #[error("wrong password")]
    WrongPassword,
    /// No slot that could be tried opens with the password, and this one was too expensive to try.
    #[error(
        "one of {slots} slots takes Argon2id with {memory_kib} KiB, {passes} passes and {lanes} lanes; \
         the limits are {} KiB, {} passes, {} lanes, and {} KiB times passes for all slots together",
        limits.memory_kib, limits.passes, limits.lanes, limits.work_kib
    )]
    TooExpensive {
        /// The memory the slot asks for, in KiB.
        memory_kib: u32,
        /// The passes it asks for.
        passes: u32,
        /// The lanes it asks for.
        lanes: u32,
        /// How many slots there are.
        slots: usize,
        /// What the reader allows.
        limits: KdfLimits,
    },
    /// No writer would have made this envelope. The password was not tried.
    #[error("the key envelope is malformed: {0}")]
    Malformed(&'static str),
    /// The password is right, but the key it unwraps is not the key the bundle commits to.
    #[error("the key envelope is damaged: the password fits, but its key is not the bundle's")]
    Damaged,
    /// The limits allow the memory, but the machine does not have it.
    #[error("opening takes {memory_kib} KiB of memory, which this machine did not give")]
    NoMemory {
        /// What was asked for, in KiB.
        memory_kib: u32,
    },
}

/// One password's way to the data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What Argon2id is run with.
    pub kdf: KdfParams,
    /// The salt of Argon2id: random, used once.
    pub salt: [u8; SALT_BYTES],
    /// The nonce of the wrapping: random.
    pub nonce: [u8; NONCE_BYTES],
    /// The data key (32 bytes) and the tag (16 bytes), encrypted under the slot's own key.
    pub wrapped: [u8; WRAPPED_BYTES],
}

impl Slot {
    fn associated(scope: &[u8; SCOPE_BYTES], kdf: &KdfParams, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
        sealing::encode_parts(&[context::SLOT_WRAPPING.as_bytes(), scope, &kdf.to_bytes(), salt])
    }

    pub(super) fn wrap(
        key: &DataKey,
        password: &Password,
        kdf: KdfParams,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Self, CryptoError> {
        let wrapping_key = kdf::key_encryption_key(password, &salt, &kdf)?;
        let mut body = Zeroizing::new(*key.bytes());
        let associated = Self::associated(key.scope(), &kdf, &salt);
        // Impossible for 32 bytes; said as an error all the same, because the alternative is a panic.
        let tag = sealing::encrypt(&wrapping_key, &nonce, &associated, body.as_mut_slice())
            .ok_or(CryptoError::TooLarge { bytes: body.len() })?;
        let mut wrapped = [0; WRAPPED_BYTES];
        for (to, from) in wrapped.iter_mut().zip(body.iter().chain(&tag)) {
            *to = *from;
        }
        Ok(Self { kdf, salt, nonce, wrapped })
    }

    /// The wrapped key, or nothing when the wrapping key is another or a bit is changed.
    pub(super) fn unwrap(
        &self,
        wrapping_key: &[u8; 32],
        scope: &[u8; SCOPE_BYTES],
    ) -> Option<Zeroizing<[u8; 32]>> {
        let (ciphertext, tag) = self.wrapped.split_last_chunk::<TAG_BYTES>()?;
        let mut body = Zeroizing::new(*ciphertext.first_chunk::<32>()?);
        let associated = Self::associated(scope, &self.kdf, &self.salt);
        sealing::decrypt(wrapping_key, &self.nonce, &associated, body.as_mut_slice(), tag).then_some(body)
    }
}

/// The public half of a bundle's encryption: who can open it, and which key it must turn out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The random identity of the bundle. Bound into every slot and every sealed value.
    pub scope: [u8; SCOPE_BYTES],
    /// One slot for each password, 1 to [`MAX_SLOTS`]. A slot may be taken out; the rest keep working.
    pub slots: Vec<Slot>,
    /// Binds the envelope to one data key: no password can be made to open it to another.
    pub commitment: [u8; 32],
}

impl Envelope {
    /// Makes a random data key for a new bundle, and an envelope that the password opens.
    ///
    /// Parameters beyond [`KdfLimits::default`] are accepted; readers will refuse them until told otherwise.
    ///
    /// # Errors
    /// [`CryptoError::BadParams`] below [`KdfParams::MINIMUM`] or where the lanes do not fit the memory,
    /// [`CryptoError::NoMemory`] and [`CryptoError::NoRandomness`].
    pub fn create(password: &Password, params: KdfParams) -> Result<(Self, DataKey), CryptoError> {
        let key = DataKey::generate(random()?)?;
        let mut envelope = Self { scope: *key.scope(), slots: Vec::new(), commitment: key.commitment() };
        envelope.push_slot(&key, password, params)?;
        Ok((envelope, key))
    }

    pub(super) fn push_slot(
        &mut self,
        key: &DataKey,
        password: &Password,
        params: KdfParams,
    ) -> Result<(), CryptoError> {
        if self.slots.len() >= MAX_SLOTS {
            return Err(CryptoError::TooManySlots);
        }
        self.slots.push(Slot::wrap(key, password, params, random()?, random()?)?);
        Ok(())
    }

    /// Checks what can be checked without a password: the number of slots and their parameters.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] only.
    pub fn check(&self) -> Result<(), OpenError> {
        if self.slots.is_empty() {
            return Err(OpenError::Malformed("it has no slot"));
        }
        if self.slots.len() > MAX_SLOTS {
            return Err(OpenError::Malformed("it has more than 16 slots"));
        }
        self.slots.iter().try_for_each(|slot| slot.kdf.check()).map_err(OpenError::Malformed)
    }

    /// Unwraps the data key with a password, trying the slots in order.
    ///
    /// Slots beyond the limits are passed over, so that an expensive slot does not lock out the password of
    /// a cheap one. Memory and time are bounded by `limits` whatever the envelope says.
    ///
    /// # Errors
    /// See [`OpenError`]; no variant is returned for another's reason.
    pub fn open(&self, password: &Password, limits: &KdfLimits) -> Result<DataKey, OpenError> {
        self.check()?;
        let mut spent_kib = 0u64;
        let mut passed_over = None;
        for slot in &self.slots {
            if !limits.allow(&slot.kdf, spent_kib) {
                passed_over = passed_over.or(Some(slot.kdf));
                continue;
            }
            spent_kib = spent_kib.saturating_add(slot.kdf.work_kib());
            let wrapping_key = kdf::key_encryption_key(password, &slot.salt, &slot.kdf)
                .map_err(OpenError::from_derivation)?;
            let Some(bytes) = slot.unwrap(&wrapping_key, &self.scope) else { continue };
            let key = DataKey::from_bytes(&bytes, self.scope);
            return if key.belongs_to(self) { Ok(key) } else { Err(OpenError::Damaged) };
        }
        Err(match passed_over {
            Some(KdfParams { memory_kib, passes, lanes }) => OpenError::TooExpensive {
                memory_kib,
                passes,
                lanes,
                slots: self.slots.len(),
                limits: *limits,
            },
            None => OpenError::WrongPassword,
        })
    }
}

impl OpenError {
    fn from_derivation(error: CryptoError) -> Self {
        match error {
            CryptoError::NoMemory { memory_kib } => Self::NoMemory { memory_kib },
            CryptoError::BadParams(reason) => Self::Malformed(reason),
            _ => Self::Malformed("its parameters cannot be used"),
        }
    }
}
