//! Compressed JSON as the product keeps it: gzip of UTF-16LE text without a byte order mark.
//!
//! What is read comes from a server that may be hostile or damaged: nothing is guessed, nothing is dropped but
//! a byte order mark, and memory follows what the blob may hold. Knows no rows and no JSON.

use std::io::{self, Read as _, Write as _};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// The most bytes of text that a blob may hold, in UTF-16: twice the 512 MiB that a document of a bundle may
/// have, as plain letters take two bytes here and one there.
const MOST: u64 = 1 << 30;

/// So many bytes a blob may hold whatever its own size.
const FREE: u64 = 64 << 20;

/// Beyond so many bytes it is counted first how many there are, so that a blob with too many costs no memory. [`FREE`] is
/// more.
const MUCH: u64 = 16 << 20;

/// Beyond [`FREE`] a blob may hold so many bytes for each of its own. Gzip reaches 1032 on one byte repeated;
/// lists of variables in UTF-16 were measured at 16 to 64. So whoever wants memory for 1 GiB of text must send 4 MiB.
const RATIO: u64 = 256;

/// How many gzip members make one blob. Writers make one; files put together make a few. Each costs the same
/// to begin, however little it holds.
const MOST_MEMBERS: usize = 1000;

/// How a gzip member begins.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How many bytes are decompressed, or compressed, at a time.
const CHUNK: usize = 64 << 10;

/// Why a blob is no text, or a text no blob. Never shows the text.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The blob has no bytes.
    #[error("it has no bytes")]
    Empty,
    /// It does not begin as gzip does.
    #[error("it is not gzip")]
    NotGzip,
    /// It begins as gzip and is not, or its checksum does not hold.
    #[error("its gzip is damaged or cut short")]
    Damaged(#[source] io::Error),
    /// Something follows that is not gzip.
    #[error("{0} bytes that are not gzip follow its end")]
    Trailing(usize),
    /// It is made of too many pieces.
    #[error("it is made of more than {MOST_MEMBERS} gzip members")]
    Members,
    /// It holds, or would hold, more than is taken on.
    #[error("it holds more than the {most} bytes that are taken on for its size")]
    TooLarge {
        /// How many bytes would be.
        most: u64,
    },
    /// The text has an odd number of bytes.
    #[error("its text has an odd number of bytes and cannot be UTF-16")]
    Odd,
    /// The text has half of a surrogate pair.
    #[error("its text is not UTF-16: half of a surrogate pair stands at unit {at}")]
    Surrogate {
        /// Which unit of the text, from zero.
        at: u64,
    },
}

/// The most bytes of text that a blob of this size may hold.
fn most(blob: usize) -> u64 {
    RATIO.saturating_mul(blob as u64).clamp(FREE, MOST)
}

/// Reads the text of a blob.
///
/// # Errors
/// [`BlobError`]; a blob that holds too much is refused before its text is in memory.
pub(super) fn decode(blob: &[u8]) -> Result<String, BlobError> {
    if blob.is_empty() {
        return Err(BlobError::Empty);
    }
    let most = most(blob.len());
    let mut text = Utf16::default();
    let mut counted = false;
    unpack(blob, &mut |bytes| {
        text.take(bytes)?;
        if text.bytes > MUCH && !counted {
            counted = true;
            let mut all = 0;
            unpack(blob, &mut |bytes| {
                all += bytes.len() as u64;
                if all > most { Err(BlobError::TooLarge { most }) } else { Ok(()) }
            })?;
        }
        Ok(())
    })?;
    text.finish()
}

/// Hands out what a blob holds, piece by piece.
fn unpack(blob: &[u8], see: &mut dyn FnMut(&[u8]) -> Result<(), BlobError>) -> Result<(), BlobError> {
    let mut chunk = vec![0; CHUNK];
    let mut rest = blob;
    let mut members = 0;
    while !rest.is_empty() {
        if !rest.starts_with(&MAGIC) {
            return Err(if members == 0 { BlobError::NotGzip } else { BlobError::Trailing(rest.len()) });
        }
        if members >= MOST_MEMBERS {
            return Err(BlobError::Members);
        }
        members += 1;
        let mut member = GzDecoder::new(rest);
        loop {
            let read = member.read(&mut chunk).map_err(BlobError::Damaged)?;
            if read == 0 {
                break;
            }
            see(chunk.get(..read).unwrap_or_default())?;
        }
        rest = member.into_inner();
    }
    Ok(())
}

/// Writes text as a blob: the same text gives the same bytes, which [`decode`] takes.
///
/// # Errors
/// [`BlobError::TooLarge`].
pub(super) fn encode(text: &str) -> Result<Vec<u8>, BlobError> {
    let bytes = 2 * text.encode_utf16().count() as u64;
    if bytes > MOST {
        return Err(BlobError::TooLarge { most: MOST });
    }
    let packed = pack(text, Compression::new(6))?;
    // Text that packs as a bomb does would be refused when it is read again.
    if bytes <= most(packed.len()) { Ok(packed) } else { pack(text, Compression::none()) }
}

fn pack(text: &str, level: Compression) -> Result<Vec<u8>, BlobError> {
    // No name and no time: the builder writes zeros.
    let mut gzip: GzEncoder<Vec<u8>> = GzBuilder::new().write(Vec::new(), level);
    let mut chunk = Vec::with_capacity(CHUNK);
    for unit in text.encode_utf16() {
        chunk.extend_from_slice(&unit.to_le_bytes());
        if chunk.len() >= CHUNK {
            gzip.write_all(&chunk).map_err(BlobError::Damaged)?;
            chunk.clear();
        }
    }
    gzip.write_all(&chunk).map_err(BlobError::Damaged)?;
    gzip.finish().map_err(BlobError::Damaged)
}

/// UTF-16LE that comes in pieces, on its way to being text.
#[derive(Default)]
struct Utf16 {
    text: String,
    /// How many bytes were taken.
    bytes: u64,
    /// The first byte of a unit whose second has not come.
    half: Option<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

impl Utf16 {
    fn take(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        for byte in bytes {
            match self.half.take() {
                None => self.half = Some(*byte),
                Some(low) => self.unit(u16::from_le_bytes([low, *byte]))?,
            }
            self.bytes += 1;
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16) -> Result<(), BlobError> {
        let at = self.bytes / 2;
        // A byte order mark: the product writes none, tools do.
        if at == 0 && unit == 0xfeff {
            return Ok(());
        }
        let code = match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                return Ok(());
            }
            (None, unit) => u32::from(unit),
            (Some(high), 0xdc00..=0xdfff) => {
                0x10000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00)
            }
            (Some(_), _) => return Err(BlobError::Surrogate { at: at.saturating_sub(1) }),
        };
        self.text.push(char::from_u32(code).ok_or(BlobError::Surrogate { at })?);
        Ok(())
    }

    fn finish(self) -> Result<String, BlobError> {
        match (self.half, self.high) {
            (Some(_), _) => Err(BlobError::Odd),
            (None, Some(_)) => Err(BlobError::Surrogate { at: (self.bytes / 2).saturating_sub(1) }),
            (None, None) => Ok(self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"Name\":\"Größe 😀\",\"N\":1}";

    /// `gzip.compress(TEXT.encode("utf-16le"), 9, mtime=0)` of Python 3.
    const BLOB: &str = "1f8b0800000000000203ab665062f0634864c8654805b2ac80d89da188e11bc37d205f81c1f606c33d25061db01a90ac21432d030048771cdb32000000";

    /// The same with `"utf-16"`: a byte order mark stands first.
    const MARKED: &str = "1f8b0800000000000203fbffaf9a4189c18f219121972115c8b20262778622866f0cf7817c0506db1b0cf7941874c06a40b2860cb50c002154da9934000000";

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(9));
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn utf16(units: &[u16]) -> Vec<u8> {
        gzip(&units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>())
    }

    fn wrong(blob: &[u8]) -> String {
        format!("{:?}", decode(blob).unwrap_err())
    }

    #[test]
    fn a_blob_made_elsewhere_is_read() {
        assert_eq!(decode(&hex(BLOB)).unwrap(), TEXT);
        assert_eq!(decode(&hex(MARKED)).unwrap(), TEXT);
        assert_eq!(decode(&utf16(&[])).unwrap(), "");
    }

    #[test]
    fn a_blob_is_the_same_bytes_each_time_and_reads_back() {
        let text = TEXT.repeat(20_000);
        let blob = encode(&text).unwrap();
        assert_eq!(blob, encode(&text).unwrap());
        // Magic, deflate, no flags, no time.
        assert_eq!(blob[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        assert!(decode(&blob).unwrap() == text);
        assert_eq!(decode(&encode("").unwrap()).unwrap(), "");
    }

    #[test]
    fn members_are_read_one_after_the_other_wherever_they_are_cut() {
        let bytes: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for cut in 0..=bytes.len() {
            let blob = [gzip(&bytes[..cut]), gzip(&bytes[cut..])].concat();
            assert_eq!(decode(&blob).unwrap(), TEXT, "{cut}");
        }
        assert_eq!(wrong(&gzip(b"").repeat(MOST_MEMBERS + 1)), "Members");
    }

    #[test]
    fn every_cut_and_every_changed_byte_of_the_data_is_noticed() {
        let blob = hex(BLOB);
        for end in 0..blob.len() {
            decode(&blob[..end]).unwrap_err();
        }
        // The header's time, system and hint say nothing of the text.
        for at in (0..blob.len()).filter(|at| !(4..10).contains(at)) {
            let mut blob = blob.clone();
            blob[at] ^= 0x10;
            decode(&blob).unwrap_err();
        }
        assert_eq!(wrong(b""), "Empty");
        assert_eq!(wrong(b"{\0}\0"), "NotGzip");
        assert_eq!(wrong(&[blob.clone(), vec![0; 3]].concat()), "Trailing(3)");
        assert!(wrong(&blob[..20]).starts_with("Damaged"));
    }

    #[test]
    fn what_is_no_utf_16_is_refused_and_not_mended() {
        assert_eq!(wrong(&gzip(b"{\0}")), "Odd");
        assert_eq!(wrong(&utf16(&[0x7b, 0xd83d])), "Surrogate { at: 1 }");
        assert_eq!(wrong(&utf16(&[0x7b, 0xd83d, 0x7d])), "Surrogate { at: 1 }");
        assert_eq!(wrong(&utf16(&[0x7b, 0x7d, 0xde00])), "Surrogate { at: 2 }");
        assert_eq!(wrong(&utf16(&[0xd83d, 0xd83d, 0xde00])), "Surrogate { at: 0 }");
        // A mark that does not stand first is text.
        assert_eq!(decode(&utf16(&[0xfeff, 0x7b, 0xfeff])).unwrap(), "{\u{feff}");
    }

    #[test]
    fn a_bomb_is_refused_when_it_has_gone_off_a_little() {
        let piece = gzip(&vec![0; 8 << 20]);
        let bomb = piece.repeat(100);
        assert!(bomb.len() < 1 << 20);
        assert!(most(bomb.len()) < 300 << 20);
        let started = std::time::Instant::now();
        assert!(wrong(&bomb).starts_with("TooLarge"));
        assert!(started.elapsed().as_secs() < 20);
        assert!(wrong(&piece.repeat(9)).contains(&FREE.to_string()));
    }

    #[test]
    fn text_that_packs_as_a_bomb_does_is_written_so_that_it_is_read() {
        let text = "a line of a log\\n".repeat(40 << 20 >> 4);
        let blob = encode(&text).unwrap();
        assert!(blob.len() > 80 << 20, "{}", blob.len());
        assert!(decode(&blob).unwrap() == text);
    }
}
