//! Records that wait on disk: what an import remembers of every document, and memory could not hold.
//!
//! A spool has streams, each a sequence of records that are read in the order they were added. Records are MessagePack
//! (`rmp-serde`) and for this process alone: the file has no name and goes with the spool, and what is in it is sealed
//! under a key that this process made. Keys of look-ups may be secrets, and documents are nobody else's business.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crypto::{DataKey, SecretBytes};
use crate::temporary;

/// How many bytes of a stream wait in memory before they are written.
const BLOCK: usize = 64 << 10;

/// Why a spool failed: the disk for temporary files is full, or cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the work of an import in a temporary file")]
pub struct SpoolError(#[from] io::Error);

impl From<rmp_serde::encode::Error> for SpoolError {
    fn from(error: rmp_serde::encode::Error) -> Self {
        Self(io::Error::other(error))
    }
}

impl From<rmp_serde::decode::Error> for SpoolError {
    fn from(error: rmp_serde::decode::Error) -> Self {
        Self(io::Error::other(error))
    }
}

/// Streams of records, by numbers that the caller gives out.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// Made when the first block is full, with the key of what is in it.
    file: Option<(File, DataKey)>,
    length: u64,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Debug, Default)]
struct Stream {
    /// Where its blocks lie: offset and length.
    blocks: Vec<(u64, usize)>,
    /// What is not written yet.
    open: Vec<u8>,
    records: u64,
}

impl Spool {
    /// Adds a record to a stream.
    pub fn add(&mut self, stream: u32, record: &impl Serialize) -> Result<(), SpoolError> {
        let stream = self.streams.entry(stream).or_default();
        rmp_serde::encode::write(&mut stream.open, record)?;
        stream.records += 1;
        if stream.open.len() < BLOCK {
            return Ok(());
        }
        let (file, key) = match &mut self.file {
            Some(file) => file,
            None => {
                let key = DataKey::of_this_process().map_err(io::Error::other)?;
                self.file.insert((temporary::unnamed()?, key))
            }
        };
        // The buffer is wiped when it is sealed.
        let block = SecretBytes::from(std::mem::replace(&mut stream.open, Vec::with_capacity(2 * BLOCK)));
        let sealed = key.seal(&block, &[&self.length.to_le_bytes()]).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(&sealed)?;
        stream.blocks.push((self.length, sealed.len()));
        self.length += sealed.len() as u64;
        Ok(())
    }

    /// How many records a stream has.
    pub fn len(&self, stream: u32) -> u64 {
        self.streams.get(&stream).map_or(0, |stream| stream.records)
    }

    /// Reads a stream from its beginning.
    pub fn read<R>(&self, stream: u32) -> Records<'_, R> {
        Records {
            spool: self,
            stream: self.streams.get(&stream),
            next: 0,
            bytes: Vec::new(),
            at: 0,
            kind: PhantomData,
        }
    }
}

/// The records of a stream, one after the other.
pub(super) struct Records<'s, R> {
    spool: &'s Spool,
    stream: Option<&'s Stream>,
    /// The block that is read next.
    next: usize,
    bytes: Vec<u8>,
    at: usize,
    kind: PhantomData<R>,
}

impl<R: DeserializeOwned> Records<'_, R> {
    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// [`SpoolError`], where the file cannot be read.
    pub fn read_next(&mut self) -> Result<Option<R>, SpoolError> {
        while self.at == self.bytes.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        let before = rest.len();
        let record = rmp_serde::decode::from_read(&mut rest)?;
        self.at += before - rest.len();
        Ok(Some(record))
    }

    /// Takes the next block into memory, if there is one.
    fn fill(&mut self) -> Result<bool, SpoolError> {
        let Some(stream) = self.stream else { return Ok(false) };
        self.at = 0;
        self.bytes.clear();
        match (stream.blocks.get(self.next), &self.spool.file) {
            (Some((offset, length)), Some((file, key))) => {
                let mut sealed = vec![0; *length];
                let mut file: &File = file;
                file.seek(SeekFrom::Start(*offset))?;
                file.read_exact(&mut sealed)?;
                let block = key.open(&sealed, &[&offset.to_le_bytes()]).map_err(io::Error::other)?;
                self.bytes.extend_from_slice(block.expose());
            }
            _ if self.next == stream.blocks.len() => self.bytes.extend_from_slice(&stream.open),
            _ => return Ok(false),
        }
        self.next += 1;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_tells_nothing() {
        let mut spool = Spool::default();
        let word = "a value that nobody else may read ".repeat(3000);
        spool.add(1, &word).unwrap();
        let (mut file, _) = spool.file.as_ref().map(|(file, key)| (file, key)).unwrap();
        let mut all = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut all).unwrap();
        assert!(all.len() > word.len());
        assert!(!all.windows(10).any(|bytes| bytes == &word.as_bytes()[..10]));
        assert_eq!(spool.read::<String>(1).read_next().unwrap(), Some(word));
    }

    #[test]
    fn streams_are_read_as_they_were_filled() {
        let mut spool = Spool::default();
        let text = |n: u64| "x".repeat(usize::try_from(n % 3000 * 4).unwrap());
        for n in 0..500_u64 {
            spool.add(u32::try_from(n % 3).unwrap(), &(n, text(n))).unwrap();
        }
        assert!(spool.file.is_some(), "more than a block was added");
        for stream in 0..3_u32 {
            // Twice, and each while another is read.
            let (mut one, mut two) =
                (spool.read::<(u64, String)>(stream), spool.read::<(u64, String)>(stream));
            for n in (u64::from(stream)..500).step_by(3) {
                assert_eq!(one.read_next().unwrap(), Some((n, text(n))));
                assert_eq!(two.read_next().unwrap(), Some((n, text(n))));
            }
            assert_eq!(one.read_next().unwrap(), None);
            assert_eq!(one.read_next().unwrap(), None);
        }
        assert_eq!(spool.len(0), 167);
        assert_eq!(spool.read::<(u64, String)>(3).read_next().unwrap(), None);
    }
}
