//! The server's own key, and the text form in which the server keeps secrets in its database.
//!
//! The form is `base64(ciphertext)|base64(iv)`: AES-CBC with PKCS#7 padding under the raw key, AES-128 or
//! AES-256 by the key's length, plaintext in UTF-8. It carries no authentication. Under a wrong key the
//! padding still looks right about once in 256 times, and then only the UTF-8 check is left. The form is
//! spoken because the server speaks it; nothing else is ever sealed this way.

use std::fmt;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use aes::{Aes128, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::sealing::derive;
use super::{CryptoError, MAX_SECRET_BYTES, Password, SecretBytes, context, fill_random, random};

const BLOCK_BYTES: usize = 16;

/// Why a text is no master key. The text is never repeated in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// The text is not base64.
    #[error("the master key is not base64 text")]
    NotBase64,
    /// The key has neither 16 nor 32 bytes.
    #[error("the master key has {bytes} bytes; it must have 16 or 32")]
    Length {
        /// The length found, in bytes.
        bytes: usize,
    },
}

/// Why a text from the database gave no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The text is not of the form; it is damaged, or was never encrypted. No key would help.
    #[error("the text is not an encrypted value: {0}")]
    NotCipherText(&'static str),
    /// The text has the form, but this key makes no text of it: the key is another, or the text is damaged.
    #[error(
        "the value does not decrypt: the master key is not the one it was encrypted with, or it is damaged"
    )]
    DoesNotDecrypt,
}

/// The two lengths of master keys that servers have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterKeySize {
    /// 16 bytes, AES-128.
    Bits128,
    /// 32 bytes, AES-256.
    Bits256,
}

/// The key under which a server encrypts what it keeps. Wiped on drop.
pub struct MasterKey(Key);

// Boxed, so that moving the value about leaves no copies of the key behind.
enum Key {
    Bits128(Box<Zeroizing<[u8; 16]>>),
    Bits256(Box<Zeroizing<[u8; 32]>>),
}

impl MasterKey {
    /// Reads the key as the server shows it. Blanks and line ends around it are ignored.
    ///
    /// # Errors
    /// Refuses what is not padded, canonical base64, and any length but 16 and 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        // Into a buffer of ours: the decoder's own would be freed as it is when the last letters are wrong.
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| MasterKeyError::NotBase64)?;
        bytes.truncate(length);
        if let Ok(raw) = <&[u8; 16]>::try_from(bytes.as_slice()) {
            let mut key = Box::new(Zeroizing::new([0; 16]));
            key.copy_from_slice(raw);
            Ok(Self(Key::Bits128(key)))
        } else if let Ok(raw) = <&[u8; 32]>::try_from(bytes.as_slice()) {
            let mut key = Box::new(Zeroizing::new([0; 32]));
            key.copy_from_slice(raw);
            Ok(Self(Key::Bits256(key)))
        } else {
            Err(MasterKeyError::Length { bytes: bytes.len() })
        }
    }

    /// Makes a random key, for a server that is set up for a demonstration or a test.
    ///
    /// # Errors
    /// [`CryptoError::NoRandomness`] only.
    pub fn generate(size: MasterKeySize) -> Result<Self, CryptoError> {
        Ok(Self(match size {
            MasterKeySize::Bits128 => {
                let mut key = Box::new(Zeroizing::new([0; 16]));
                fill_random(key.as_mut_slice())?;
                Key::Bits128(key)
            }
            MasterKeySize::Bits256 => {
                let mut key = Box::new(Zeroizing::new([0; 32]));
                fill_random(key.as_mut_slice())?;
                Key::Bits256(key)
            }
        }))
    }

    pub(super) fn from_raw(key: Box<Zeroizing<[u8; 16]>>) -> Self {
        Self(Key::Bits128(key))
    }

    /// The length of the key.
    pub fn size(&self) -> MasterKeySize {
        match self.0 {
            Key::Bits128(_) => MasterKeySize::Bits128,
            Key::Bits256(_) => MasterKeySize::Bits256,
        }
    }

    /// The key as base64 text, itself a secret. [`MasterKey::from_base64`] reads it back.
    pub fn to_base64(&self) -> SecretBytes {
        SecretBytes::from(match &self.0 {
            Key::Bits128(key) => STANDARD.encode(key.as_slice()),
            Key::Bits256(key) => STANDARD.encode(key.as_slice()),
        })
    }

    /// The password of files that hold this server's own secrets and are for this server alone (undo files):
    /// whoever knows the key knows it, and nobody needs to remember it.
    pub fn password(&self) -> Password {
        Password::of_key(derive(context::UNDO_PASSWORD, &[self.raw()]))
    }

    pub(super) fn raw(&self) -> &[u8] {
        match &self.0 {
            Key::Bits128(key) => key.as_slice(),
            Key::Bits256(key) => key.as_slice(),
        }
    }

    /// Decrypts a value from the server's database. The secret is UTF-8 text.
    ///
    /// The text must be exactly of the form, in padded, canonical base64 and without blanks.
    ///
    /// # Errors
    /// [`DecryptError::NotCipherText`] when the text is not of the form, whatever the key;
    /// [`DecryptError::DoesNotDecrypt`] when the padding or the UTF-8 comes out wrong.
    pub fn decrypt(&self, text: &str) -> Result<SecretBytes, DecryptError> {
        use DecryptError::DoesNotDecrypt;

        // The ciphertext is decrypted where it stands, so the buffer is wiped even if that fails midway.
        let (buffer, iv) = parts(text)?;
        let mut buffer = Zeroizing::new(buffer);
        let plain = match &self.0 {
            Key::Bits128(key) => cbc::Decryptor::<Aes128>::new((&***key).into(), &iv.into())
                .decrypt_padded::<Pkcs7>(&mut buffer),
            Key::Bits256(key) => cbc::Decryptor::<Aes256>::new((&***key).into(), &iv.into())
                .decrypt_padded::<Pkcs7>(&mut buffer),
        };
        let plain = plain.map_err(|_| DoesNotDecrypt)?;
        let length = std::str::from_utf8(plain).map_err(|_| DoesNotDecrypt)?.len();
        buffer.truncate(length);
        Ok(SecretBytes::from(buffer))
    }

    /// Encrypts a secret for the server's database, under a fresh random initialisation vector.
    ///
    /// # Errors
    /// [`CryptoError::NotText`] when the secret is not UTF-8, [`CryptoError::TooLarge`] beyond
    /// [`MAX_SECRET_BYTES`], and [`CryptoError::NoRandomness`].
    pub fn encrypt(&self, secret: &SecretBytes) -> Result<String, CryptoError> {
        self.encrypt_with_iv(secret, random()?)
    }

    pub(super) fn encrypt_with_iv(
        &self,
        secret: &SecretBytes,
        iv: [u8; BLOCK_BYTES],
    ) -> Result<String, CryptoError> {
        let bytes = secret.len();
        if bytes > MAX_SECRET_BYTES {
            return Err(CryptoError::TooLarge { bytes });
        }
        // The server would put replacement characters for what is not UTF-8, and so lose the secret.
        if secret.expose_text().is_none() {
            return Err(CryptoError::NotText);
        }
        // Room for the padding, which is 1 to 16 bytes, is taken at once: growing would leave a copy behind.
        let mut buffer = Zeroizing::new(Vec::with_capacity(bytes + BLOCK_BYTES));
        buffer.extend_from_slice(secret.expose());
        buffer.resize(bytes + BLOCK_BYTES, 0);
        let ciphertext = match &self.0 {
            Key::Bits128(key) => cbc::Encryptor::<Aes128>::new((&***key).into(), &iv.into())
                .encrypt_padded::<Pkcs7>(&mut buffer, bytes),
            Key::Bits256(key) => cbc::Encryptor::<Aes256>::new((&***key).into(), &iv.into())
                .encrypt_padded::<Pkcs7>(&mut buffer, bytes),
        };
        // Impossible, the room being there; said as an error all the same.
        let ciphertext = ciphertext.map_err(|_| CryptoError::TooLarge { bytes })?;
        Ok(format!("{}|{}", STANDARD.encode(ciphertext), STANDARD.encode(iv)))
    }
}

/// Says whether a text has the form of an encrypted value, exactly: whole blocks behind a 16-byte initialisation vector,
/// both in padded, canonical base64. Hardly any other text has. Most texts are told apart by their ends.
pub fn is_encrypted_form(text: &str) -> bool {
    /// Of a vector in base64 with the bar before it.
    const END: usize = 25;
    let bar = text.len().checked_sub(END).and_then(|at| text.as_bytes().get(at));
    bar == Some(&b'|') && text.ends_with("==") && parts(text).is_ok()
}

/// The ciphertext and the initialisation vector of an encrypted value.
fn parts(text: &str) -> Result<(Vec<u8>, [u8; BLOCK_BYTES]), DecryptError> {
    use DecryptError::NotCipherText;

    let (ciphertext, iv) = text.split_once('|').ok_or(NotCipherText("it has no `|`"))?;
    let iv = STANDARD.decode(iv).map_err(|_| NotCipherText("what follows the `|` is not base64"))?;
    let iv = <[u8; BLOCK_BYTES]>::try_from(iv)
        .map_err(|_| NotCipherText("the initialisation vector does not have 16 bytes"))?;
    let ciphertext =
        STANDARD.decode(ciphertext).map_err(|_| NotCipherText("what precedes the `|` is not base64"))?;
    if ciphertext.is_empty() {
        return Err(NotCipherText("there is nothing before the `|`"));
    }
    if !ciphertext.len().is_multiple_of(BLOCK_BYTES) {
        return Err(NotCipherText("the ciphertext is not a whole number of 16-byte blocks"));
    }
    Ok((ciphertext, iv))
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}
