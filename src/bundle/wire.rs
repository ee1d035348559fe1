//! The integers and byte strings inside packs and chunks: LEB128, shortest form only.
//!
//! Obeys `format-spec/bundle-v1.md`, "varint". Never reads past its input and never reserves memory for what
//! the input merely claims.

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("the bytes end early")]
    Short,
    #[error("an integer is not in its shortest form or too large")]
    Integer,
    #[error("text is not UTF-8")]
    Utf8,
    #[error("bytes follow the end")]
    Trailing,
    #[error("an unknown tag")]
    Tag,
    #[error("a number is out of range")]
    Range,
}

/// Appends a number, seven bits a byte, least significant first.
pub(super) fn put_uint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a byte string behind its length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote.
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
}

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(WireError::Short)?;
        self.bytes = tail;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        self.take(1)?.first().copied().ok_or(WireError::Short)
    }

    pub(super) fn uint(&mut self) -> Result<u64, WireError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::Integer);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero says nothing: the number had a shorter form.
                return if byte == 0 && shift > 0 { Err(WireError::Integer) } else { Ok(number) };
            }
        }
        Err(WireError::Integer)
    }

    pub(super) fn size(&mut self, most: usize) -> Result<usize, WireError> {
        let size = usize::try_from(self.uint()?).map_err(|_| WireError::Range)?;
        if size > most { Err(WireError::Range) } else { Ok(size) }
    }

    pub(super) fn bytes(&mut self, most: usize) -> Result<&'a [u8], WireError> {
        let len = self.size(most)?;
        self.take(len)
    }

    pub(super) fn text(&mut self, most: usize) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(most)?).map_err(|_| WireError::Utf8)
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}
