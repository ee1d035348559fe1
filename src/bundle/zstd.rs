//! Compression of packs and chunks, and decompression that cannot be made to run away.
//!
//! Obeys `format-spec/bundle-v1.md`, "packs": one zstd frame without a dictionary. Never returns more bytes
//! than were declared, and reserves memory for a large declaration only as bytes really arrive.

use std::io::{self, Read as _};

use ::zstd::bulk;

use super::limits::most_raw_bytes;

/// How a frame begins.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Up to here a declared size is simply allocated.
const TRUSTED_BYTES: usize = 4 << 20;

/// A compressor whose memory is used again for every pack.
pub(super) struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    pub(super) fn new(level: i32) -> io::Result<Self> {
        bulk::Compressor::new(level).map(Self)
    }

    /// Compresses, unless so little would be left that readers refuse to decompress it.
    pub(super) fn compress(&mut self, raw: &[u8]) -> io::Result<Vec<u8>> {
        let data = self.0.compress(raw)?;
        Ok(if raw.len() as u64 <= most_raw_bytes(data.len()) { data } else { uncompressed(raw) })
    }
}

/// A frame that holds bytes as they are (RFC 8878, raw blocks).
fn uncompressed(raw: &[u8]) -> Vec<u8> {
    /// A window of 128 KiB, which is the largest block too; no content size, no checksum.
    const HEADER: [u8; 2] = [0, 7 << 3];
    const BLOCK: usize = 128 << 10;
    let mut frame = Vec::with_capacity(raw.len() + 3 * raw.len().div_ceil(BLOCK) + 8);
    frame.extend(FRAME);
    frame.extend(HEADER);
    let mut blocks = raw.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        // Bit 0: the last one. Bits 1 and 2: raw.
        let header = ((block.len() as u32) << 3) | u32::from(blocks.peek().is_none());
        frame.extend(header.to_le_bytes().iter().take(3));
        frame.extend(block);
    }
    frame
}

/// A decompressor whose memory is used again for every pack.
pub(super) struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    pub(super) fn new() -> io::Result<Self> {
        bulk::Decompressor::new().map(Self)
    }

    /// Returns exactly `declared` bytes or an error.
    pub(super) fn decompress(&mut self, data: &[u8], declared: usize) -> io::Result<Vec<u8>> {
        // The library would go on with a second frame, pass over a skippable one and read its own old formats.
        let whole = data.starts_with(&FRAME)
            && ::zstd::zstd_safe::find_frame_compressed_size(data).is_ok_and(|bytes| bytes == data.len());
        if !whole {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not one zstd frame"));
        }
        let raw = if declared <= TRUSTED_BYTES {
            // The frame cannot write past this buffer, whatever it says of itself.
            self.0.decompress(data, declared)?
        } else {
            let mut raw = Vec::new();
            ::zstd::stream::read::Decoder::with_buffer(data)?
                .take(declared as u64 + 1)
                .read_to_end(&mut raw)?;
            raw
        };
        if raw.len() == declared {
            Ok(raw)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it does not hold as many bytes as it declares"))
        }
    }
}
