//! The numbers a reader enforces on a file from elsewhere, before it spends memory or time on it.
//!
//! Obeys the limits table of `format-spec/bundle-v1.md`; the constants are part of the format and the writer
//! keeps within them. This module checks nothing by itself.

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Bytes of a page of the file.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Documents whose index entries share a chunk.
pub(super) const CHUNK_DOCUMENTS: u64 = 1024;
/// Raw bytes of a pack that holds more than one document.
pub(super) const SHARED_PACK_BYTES: u64 = 4 * MIB;
/// Raw bytes that a pack or a chunk may have however little is stored of it, and for each byte that is stored. So a
/// small file cannot take much memory.
const SMALL_RAW_BYTES: u64 = 16 * KIB;
const RAW_BYTES_PER_STORED_BYTE: u64 = 256;
/// Raw bytes of one chunk's columns.
pub(super) const CHUNK_BYTES: u64 = 512 * MIB;
/// Bytes of the text of a source id, of a reason's place, and of a notice's parts.
pub(super) const SHORT_TEXT_BYTES: usize = 64 << 10;
/// Bytes of one value of `meta`.
pub(super) const META_BYTES: usize = 1 << 20;
/// Rows of `meta`.
pub(super) const META_ROWS: usize = 64;
/// Bytes of the name of a kind.
pub(super) const KIND_NAME_BYTES: usize = 256;
/// Slots of the envelope.
pub(super) const SLOTS: usize = 16;
/// Bytes a sealed value takes beside its plaintext: nonce and tag.
pub(super) const SEAL_OVERHEAD: u64 = crate::crypto::SEALED_OVERHEAD_BYTES as u64;

/// How many raw bytes may come out of so many stored ones.
pub(super) const fn most_raw_bytes(stored: usize) -> u64 {
    SMALL_RAW_BYTES + RAW_BYTES_PER_STORED_BYTE * stored as u64
}

/// How many bytes the texts of all keys may have together in a file of so many bytes. A scope is stored once, and its
/// text is part of many keys.
pub(super) const fn most_key_bytes(file_bytes: u64) -> u64 {
    MIB + file_bytes.saturating_mul(64)
}

/// What a reader is willing to take on. The defaults are the format's own limits; a reader may lower them, and
/// raise them for a file it trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of one document in canonical form.
    pub document_bytes: u64,
    /// Raw bytes of one pack.
    pub pack_bytes: u64,
    /// Documents of the bundle.
    pub documents: u64,
    /// Documents of one pack.
    pub pack_documents: u64,
    /// Kinds of document, and bytes of a kind's name.
    pub kinds: u64,
    /// Bytes of a key's text.
    pub key_bytes: u64,
    /// Secret places of one document.
    pub document_secrets: u64,
    /// Bytes of one secret.
    pub secret_bytes: u64,
    /// Bytes of the sealed values of one document together.
    pub document_sealed_bytes: u64,
    /// Notices of the bundle.
    pub notices: u64,
    /// Bytes of the texts of all notices together.
    pub notice_bytes: u64,
    /// Statements of what the bundle carries of its kinds.
    pub coverage: u64,
}

impl Limits {
    /// The limits of format 1.
    pub const FORMAT_1: Limits = Limits {
        file_bytes: 256 << 30,
        document_bytes: 512 * MIB,
        pack_bytes: 512 * MIB + 64 * KIB,
        documents: 100_000_000,
        pack_documents: 65_536,
        kinds: 4096,
        key_bytes: 64 * KIB,
        document_secrets: 65_536,
        secret_bytes: 16 * MIB,
        document_sealed_bytes: 512 * MIB,
        notices: 1_000_000,
        notice_bytes: 256 * MIB,
        coverage: 1_000_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::FORMAT_1
    }
}
