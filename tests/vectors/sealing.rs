//! The envelope as the specification describes it, written a second time: nothing here calls the library.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

pub const PASSWORD: &str = "correct horse";
pub const SCOPE: [u8; 16] = *b"0123456789abcdef";

/// Bytes that look random and are the same on every machine.
pub fn filler<const N: usize>(label: &str) -> [u8; N] {
    let mut out = [0; N];
    blake3::Hasher::new().update(label.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Count, then each part behind its length, all 64 bits little-endian.
pub fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = (parts.len() as u64).to_le_bytes().to_vec();
    for part in parts {
        out.extend((part.len() as u64).to_le_bytes());
        out.extend(*part);
    }
    out
}

fn encrypt(key: &[u8; 32], nonce: &[u8; 24], associated: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.encrypt(&XNonce::from(*nonce), Payload { msg: plain, aad: associated }).unwrap()
}

/// How a password becomes the key that wraps the data key, step by step.
pub struct Wrapping {
    /// Shown in the worked examples only.
    #[allow(dead_code)]
    pub output: [u8; 32],
    pub key: [u8; 32],
    pub associated: Vec<u8>,
}

impl Wrapping {
    /// `cost` is memory in KiB, passes, lanes.
    pub fn new(password: &str, cost: [u32; 3], salt: &[u8; 32], scope: &[u8; 16]) -> Self {
        let params = Params::new(cost[0], cost[1], cost[2], Some(32)).unwrap();
        let mut output = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), salt, &mut output)
            .unwrap();
        let key = blake3::derive_key("sealift 2026-11 bundle v1 key encryption", &output);
        let cost = cost.map(u32::to_le_bytes).concat();
        let associated = parts(&[b"sealift 2026-11 bundle v1 slot wrapping", scope, &cost, salt]);
        Self { output, key, associated }
    }

    pub fn wrap(&self, nonce: &[u8; 24], data_key: &[u8; 32]) -> Vec<u8> {
        encrypt(&self.key, nonce, &self.associated, data_key)
    }
}

#[derive(Clone)]
pub struct Slot {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
    pub salt: Vec<u8>,
    pub nonce: Vec<u8>,
    pub wrapped: Vec<u8>,
}

#[derive(Clone)]
pub struct Envelope {
    pub scope: [u8; 16],
    pub data_key: [u8; 32],
    pub commitment: Vec<u8>,
    pub slots: Vec<Slot>,
}

impl Envelope {
    pub fn new(label: &str, scope: [u8; 16]) -> Self {
        Self::with_key(filler(&format!("{label} data key")), scope)
    }

    pub fn with_key(data_key: [u8; 32], scope: [u8; 16]) -> Self {
        let material = [&data_key[..], &scope[..]].concat();
        let commitment = blake3::derive_key("sealift 2026-11 bundle v1 key commitment", &material).to_vec();
        Self { scope, data_key, commitment, slots: Vec::new() }
    }

    /// The envelope of most vectors: one slot, [`PASSWORD`], the cheapest derivation there is.
    pub fn usual() -> Self {
        static ONCE: std::sync::OnceLock<Envelope> = std::sync::OnceLock::new();
        ONCE.get_or_init(|| {
            let mut envelope = Self::new("usual", SCOPE);
            envelope.push(PASSWORD, 8192, 1, 1);
            envelope
        })
        .clone()
    }

    pub fn push(&mut self, password: &str, memory_kib: u32, passes: u32, lanes: u32) {
        let label = format!("slot {} {password}", self.slots.len());
        let (salt, nonce) = (filler(&format!("{label} salt")), filler(&format!("{label} nonce")));
        let cost = [memory_kib, passes, lanes];
        let wrapped = Wrapping::new(password, cost, &salt, &self.scope).wrap(&nonce, &self.data_key);
        let (salt, nonce) = (salt.to_vec(), nonce.to_vec());
        self.slots.push(Slot { memory_kib, passes, lanes, salt, nonce, wrapped });
    }

    /// A slot that nobody will get to try: its wrapped key is filler.
    pub fn push_unopenable(&mut self, memory_kib: u32, passes: u32, lanes: u32) {
        let label = format!("unopenable {}", self.slots.len());
        self.slots.push(Slot {
            memory_kib,
            passes,
            lanes,
            salt: filler::<32>(&format!("{label} salt")).to_vec(),
            nonce: filler::<24>(&format!("{label} nonce")).to_vec(),
            wrapped: filler::<48>(&format!("{label} wrapped")).to_vec(),
        });
    }

    pub fn value_key(&self) -> [u8; 32] {
        blake3::derive_key("sealift 2026-11 bundle v1 value sealing", &self.data_key)
    }

    /// The associated data of a value at a place.
    pub fn associated(&self, place: &[&[u8]]) -> Vec<u8> {
        let mut all: Vec<&[u8]> = vec![b"sealift 2026-11 bundle v1 sealed value", &self.scope];
        all.extend(place);
        parts(&all)
    }

    pub fn seal_with(&self, place: &[&[u8]], nonce: &[u8; 24], plain: &[u8]) -> Vec<u8> {
        [nonce.to_vec(), encrypt(&self.value_key(), nonce, &self.associated(place), plain)].concat()
    }

    pub fn seal(&self, place: &[&[u8]], label: &str, plain: &[u8]) -> Vec<u8> {
        self.seal_with(place, &filler(&format!("{label} nonce")), plain)
    }
}
