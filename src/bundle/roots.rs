//! The two roots: one over every byte of the file, one over what the documents say.
//!
//! Obeys `format-spec/bundle-v1.md`, "roots". Hashes; never judges what it hashes.

use std::fmt;
use std::io::{self, Read};

use crate::document::ContentId;
use crate::progress::{Cancelled, Progress};

use super::schema::{SEAL_BYTES, SEAL_OFFSET};

/// The context of the file root's BLAKE3 key derivation; part of the format.
pub const FILE_ROOT_CONTEXT: &str = "sealift 2026-11 bundle v1 file root";
/// The context of the content root's BLAKE3 key derivation; part of the format.
pub const CONTENT_ROOT_CONTEXT: &str = "sealift 2026-11 bundle v1 content root";
/// The context of the hashes of packs and chunks; part of the format.
pub const STORED_CONTEXT: &str = "sealift 2026-11 bundle v1 stored bytes";

macro_rules! root {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Reads 64 hexadecimal digits; `None` for anything else.
            pub fn from_hex(text: &str) -> Option<Self> {
                blake3::Hash::from_hex(text).ok().map(|root| Self(*root.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

root! {
    /// The identity of a bundle's documents: equal content, equal root, whatever the server it came from,
    /// the compressor, the password or the time.
    ContentRoot
}

root! {
    /// The identity of a bundle as a file: it covers every byte.
    FileRoot
}

/// Builds a content root from documents in the order of the bundle.
pub(super) struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    pub(super) fn new() -> Self {
        Self(blake3::Hasher::new_derive_key(CONTENT_ROOT_CONTEXT))
    }

    pub(super) fn push(&mut self, kind: &str, key: &str, content: &ContentId) {
        for part in [kind.as_bytes(), key.as_bytes(), &content.0] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    pub(super) fn finish(self) -> ContentRoot {
        ContentRoot(*self.0.finalize().as_bytes())
    }
}

/// The content root of documents that lie elsewhere, in the order of a bundle: by kind, then by the text of their key.
pub fn content_root<'d>(documents: impl Iterator<Item = (&'d str, String, ContentId)>) -> ContentRoot {
    let mut hasher = ContentHasher::new();
    documents.for_each(|(kind, key, content)| hasher.push(kind, &key, &content));
    hasher.finish()
}

/// The hash of what a row stores: its blobs, each behind its length.
pub(super) fn stored_hash(blobs: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(STORED_CONTEXT);
    for blob in blobs {
        hasher.update(&(blob.len() as u64).to_le_bytes());
        hasher.update(blob);
    }
    *hasher.finalize().as_bytes()
}

/// Why a file root could not be computed.
pub(super) enum RootError {
    Io(io::Error),
    Cancelled(Cancelled),
}

/// Computes the file root of `len` bytes, taking the seal's own bytes for zeros.
pub(super) fn file_root(
    mut file: impl Read,
    len: u64,
    progress: &dyn Progress,
) -> Result<FileRoot, RootError> {
    let mut hasher = blake3::Hasher::new_derive_key(FILE_ROOT_CONTEXT);
    let mut buffer = vec![0u8; 256 << 10];
    let mut at = 0u64;
    while at < len {
        progress.check().map_err(RootError::Cancelled)?;
        let want = usize::try_from(len - at).unwrap_or(usize::MAX).min(buffer.len());
        let Some(part) = buffer.get_mut(..want) else { break };
        file.read_exact(part).map_err(RootError::Io)?;
        if at <= SEAL_OFFSET
            && let Ok(from) = usize::try_from(SEAL_OFFSET - at)
            && let Some(seal) = part.get_mut(from..from + SEAL_BYTES)
        {
            seal.fill(0);
        }
        hasher.update(part);
        at += want as u64;
        progress.advance(0, want as u64);
    }
    Ok(FileRoot(*hasher.finalize().as_bytes()))
}
