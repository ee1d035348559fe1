//! Rows put aside, in order: in memory while they are few, in a temporary file without a name when they are more.
//!
//! A connection does one thing at a time. What comes over it while something else is wanted, and what waits to
//! be sent, is kept here, so that memory does not grow with the data.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use crate::document::Value;
use crate::server::Row;

/// How much stays in memory.
const IN_MEMORY: usize = 1 << 20;
/// How much is written, or read, at a time.
const BUFFER: usize = 8 << 10;
/// No value of SQL Server is longer.
const MAX_VALUE: u64 = 1 << 31;

/// Rows on their way in.
pub(super) struct Spool {
    out: BufWriter<SpooledTempFile>,
    rows: u64,
}

/// Rows on their way out.
pub(super) struct Unspool {
    input: BufReader<SpooledTempFile>,
    rest: u64,
    /// The number that is counted from.
    from: u64,
}

impl Spool {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self::within(IN_MEMORY)
    }

    /// An empty one of which so many bytes stay in memory.
    pub(super) fn within(bytes: usize) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER.min(bytes), SpooledTempFile::new(bytes)), rows: 0 }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u64 {
        self.rows
    }

    /// Adds a row with a number of its own.
    pub(super) fn push(&mut self, number: u64, row: &Row) -> io::Result<()> {
        self.out.write_all(&number.to_le_bytes())?;
        self.out.write_all(&u32::try_from(row.len()).unwrap_or(u32::MAX).to_le_bytes())?;
        for value in row {
            let (tag, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Bool(truth) => (1, &[u8::from(*truth)]),
                Value::Int(number) => (2, &number.to_le_bytes()),
                Value::Number(text) => (3, text.as_bytes()),
                Value::Text(text) => (4, text.as_bytes()),
                Value::Bytes(bytes) => (5, bytes),
                _ => return Err(io::Error::other("a row holds scalars only")),
            };
            self.out.write_all(&[tag])?;
            self.out.write_all(&(bytes.len() as u64).to_le_bytes())?;
            self.out.write_all(bytes)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Reads what there is from the beginning.
    pub(super) fn read(self) -> io::Result<Unspool> {
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Unspool { input: BufReader::new(file), rest: self.rows, from: 0 })
    }
}

impl Unspool {
    /// The next row with its number.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Row)>> {
        if self.rest == 0 {
            return Ok(None);
        }
        self.rest -= 1;
        let number = self.u64()?.saturating_sub(self.from);
        let mut columns = [0; 4];
        self.input.read_exact(&mut columns)?;
        let columns = u32::from_le_bytes(columns);
        let mut row = Row::with_capacity(columns.min(1024) as usize);
        for _ in 0..columns {
            let mut tag = [0];
            self.input.read_exact(&mut tag)?;
            let length = self.u64()?;
            if length > MAX_VALUE {
                return Err(io::Error::other("the temporary file was changed"));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            self.input.read_exact(&mut bytes)?;
            row.push(value(tag[0], bytes)?);
        }
        Ok(Some((number, row)))
    }

    /// Goes back to the beginning.
    pub(super) fn rewind(self, rows: u64) -> io::Result<Self> {
        let mut file = self.input.into_inner();
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { input: BufReader::new(file), rest: rows, from: 0 })
    }

    /// Counts the numbers of the rows that follow from one more than before.
    pub(super) fn renumber(&mut self, by: u64) {
        self.from += by;
    }

    fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.input.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn value(tag: u8, bytes: Vec<u8>) -> io::Result<Value> {
    let changed = || io::Error::other("the temporary file was changed");
    let text = |bytes| String::from_utf8(bytes).map_err(|_| changed());
    Ok(match tag {
        0 => Value::Null,
        1 => Value::Bool(bytes == [1]),
        2 => Value::Int(i64::from_le_bytes(bytes.try_into().map_err(|_| changed())?)),
        3 => Value::Number(text(bytes)?.into()),
        4 => Value::Text(text(bytes)?),
        5 => Value::Bytes(bytes),
        _ => return Err(changed()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_from_memory_and_from_disk() {
        for size in [10, 3 << 20] {
            let mut spool = Spool::new();
            let row = |n: i64| -> Row {
                vec![
                    Value::Int(n),
                    Value::Null,
                    Value::Bool(n % 2 == 0),
                    Value::Number("0.10".into()),
                    Value::Text("\u{0}é".repeat(size / 4)),
                    Value::Bytes(vec![0, 255]),
                ]
            };
            for n in 0..3 {
                spool.push(n as u64 + 7, &row(n)).unwrap();
            }
            assert!(spool.push(0, &vec![Value::List(Vec::new())]).is_err(), "rows hold scalars");
        }
        let mut spool = Spool::new();
        spool.push(7, &vec![Value::Int(1)]).unwrap();
        spool.push(8, &Row::new()).unwrap();
        let mut rows = spool.read().unwrap();
        assert_eq!(rows.next().unwrap(), Some((7, vec![Value::Int(1)])));
        let mut rows = rows.rewind(2).unwrap();
        assert_eq!(rows.next().unwrap(), Some((7, vec![Value::Int(1)])));
        assert_eq!(rows.next().unwrap(), Some((8, Row::new())));
        assert_eq!(rows.next().unwrap(), None);
    }
}
