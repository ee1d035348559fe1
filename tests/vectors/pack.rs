//! MessagePack, varints and zstd by hand, for documents and columns that break the rules too.

pub fn text(text: &str) -> Vec<u8> {
    let head = match text.len() {
        len @ 0..=31 => vec![0xa0 | len as u8],
        len @ 32..=255 => vec![0xd9, len as u8],
        len => [&[0xda][..], &(len as u16).to_be_bytes()].concat(),
    };
    [head, text.as_bytes().to_vec()].concat()
}

/// Up to 15 items.
pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [vec![0x90 | items.len() as u8], items.concat()].concat()
}

/// Up to 15 members, in the order given.
pub fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0x80 | members.len() as u8];
    members.iter().for_each(|(name, value)| out.extend([text(name), value.clone()].concat()));
    out
}

/// An extension of up to 255 bytes, in its shortest form.
pub fn extension(kind: u8, payload: &[u8]) -> Vec<u8> {
    let head = match payload.len() {
        1 => vec![0xd4],
        2 => vec![0xd5],
        4 => vec![0xd6],
        8 => vec![0xd7],
        16 => vec![0xd8],
        len => vec![0xc7, len as u8],
    };
    [head, vec![kind], payload.to_vec()].concat()
}

pub fn number(number: &str) -> Vec<u8> {
    extension(1, number.as_bytes())
}

pub fn reference(kind: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    extension(2, &list(&[vec![text(kind)], parts.to_vec()].concat()))
}

pub fn dangling(kind: &str, id: Vec<u8>) -> Vec<u8> {
    extension(3, &list(&[text(kind), id]))
}

pub fn secret() -> Vec<u8> {
    extension(4, &[])
}

pub fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

pub fn zstd(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, 6).unwrap()
}

/// The same, or raw blocks (RFC 8878) where more than 256 bytes would come out of each stored one.
pub fn stored(raw: &[u8]) -> Vec<u8> {
    let data = zstd(raw);
    if raw.len() <= (16 << 10) + 256 * data.len() {
        return data;
    }
    // The magic number, no content size and no checksum, a window of 128 KiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38];
    let last = raw.len().div_ceil(128 << 10) - 1;
    for (at, block) in raw.chunks(128 << 10).enumerate() {
        let header = ((block.len() as u32) << 3) | u32::from(at == last);
        frame.extend([&header.to_le_bytes()[..3], block].concat());
    }
    frame
}

pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A document whose body is a null within that many lists.
pub fn nested(depth: usize) -> Vec<u8> {
    [vec![0x92, 0x80], vec![0x91; depth], vec![0xc0]].concat()
}
