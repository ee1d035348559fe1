//! An error as SQL Server reports it: number, class, state, text, and what it does to the batch.

use std::fmt;

/// What an error does besides ending its statement, with XACT_ABORT OFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The batch did not compile: nothing of it ran, and XACT_ABORT has no say. A column that is not there is found
    /// only when its statement comes, so that the statements before it have run.
    Compile,
    /// The statement is undone; the next one runs.
    Statement,
    /// The batch ends; the transaction stays.
    Batch,
    /// The batch ends and the transaction is rolled back.
    Transaction,
}

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub(crate) struct Fail {
    pub number: i32,
    pub class: u8,
    pub state: u8,
    pub message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Fail>;

/// How a Fail travels through SQLite, which carries nothing but text.
const MARK: &str = "\u{1}tsql\u{1}";

impl Fail {
    pub fn new(number: i32, message: impl Into<String>) -> Fail {
        let class = match number {
            102 | 105 | 137 | 156 | 4145 => 15,
            229 | 262 | 2601 | 2627 | 18456 => 14,
            1205 => 13,
            9002 => 17,
            4060 => 11,
            _ => 16,
        };
        let state = match number {
            515 => 2,
            245 | 241 | 8114 | 2601 | 2627 | 102 => 1,
            1205 => 51,
            1222 => 51,
            _ => 1,
        };
        Fail { number, class, state, message: message.into() }
    }

    /// The endpoint's own refusal of what it does not understand: never passed over.
    pub fn refused(what: impl fmt::Display) -> Fail {
        Fail::new(50000, format!("endpoint: not understood: {what}"))
    }

    pub fn syntax(near: impl fmt::Display) -> Fail {
        Fail::new(102, format!("Incorrect syntax near '{near}'."))
    }

    pub fn effect(&self) -> Effect {
        match self.number {
            102 | 105 | 137 | 156 | 207 | 4145 | 8003 | 10738 => Effect::Compile,
            1205 | 241 | 242 | 245 | 295 | 3952 | 3960 | 8114 | 8169 => Effect::Transaction,
            208 | 209 | 229 | 262 | 266 | 468 | 911 | 2812 | 3906 | 3989 | 50000.. => Effect::Batch,
            _ => Effect::Statement,
        }
    }

    /// The text that a SQLite function fails with so that `from_sqlite` finds the error again.
    pub fn packed(&self) -> String {
        format!("{MARK}{}\u{1}{}", self.number, self.message.replace('\0', "\u{fffd}"))
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.packed())
    }
}

impl std::error::Error for Fail {}

impl From<Fail> for rusqlite::Error {
    fn from(fail: Fail) -> rusqlite::Error {
        rusqlite::Error::UserFunctionError(Box::new(fail))
    }
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Fail {
        let text = match &error {
            rusqlite::Error::SqliteFailure(code, message) => {
                match code.extended_code {
                    rusqlite::ffi::SQLITE_BUSY_SNAPSHOT => {
                        return Fail::new(
                            3960,
                            "Snapshot isolation transaction aborted due to update conflict. You cannot use \
                             snapshot isolation to access this table directly or indirectly in this database \
                             to update, delete, or insert the row that has been modified or deleted by \
                             another transaction. Retry the transaction or change the isolation level for \
                             the update/delete statement.",
                        );
                    }
                    code if code & 0xff == rusqlite::ffi::SQLITE_BUSY => {
                        return Fail::new(1222, "Lock request time out period exceeded.");
                    }
                    _ => {}
                }
                message.clone().unwrap_or_else(|| error.to_string())
            }
            other => other.to_string(),
        };
        if let Some(at) = text.find(MARK) {
            let packed = &text[at + MARK.len()..];
            if let Some((number, message)) = packed.split_once('\u{1}')
                && let Ok(number) = number.parse()
            {
                return Fail::new(number, message);
            }
        }
        Fail::new(50000, format!("endpoint: SQLite says: {text}"))
    }
}
