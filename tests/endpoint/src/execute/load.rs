//! Bulk loads: rows go into the table as they arrive.

use super::rows::Inserter;
use super::{Session, Stop};
use crate::fail::{Fail, Result};
use crate::faults::{Place, What};
use crate::types::Type;
use crate::wire::channel::Message;
use crate::wire::request::{bulk_columns, bulk_row};
use std::io;
use std::time::Duration;

/// What a row may be struck by.
enum Strike {
    Error(i32, String),
    Close,
    Delay(Duration),
}

impl Session {
    /// The text of the INSERT BULK that waits for its rows.
    pub fn announced_text(&self) -> Option<&str> {
        self.announced.as_ref().map(|a| a.text.as_str())
    }

    /// Reads a bulk load to its end and inserts it, all or nothing. Tells the rows as they come.
    pub fn bulk(&mut self, message: &mut Message<'_>, rows: &mut u64) -> std::result::Result<u64, Stop> {
        let Some(announced) = self.announced.take() else {
            message.drain()?;
            return Err(Fail::new(4804, "A bulk load that no INSERT BULK announced.").into());
        };
        let columns = bulk_columns(message)?;
        let mut broken: Option<io::Error> = None;
        let result = self.writing(&announced.table, |session| {
            session.load(&announced, &columns, message, rows, &mut broken)
        });
        if let Some(error) = broken {
            return Err(Stop::Closed(error));
        }
        if result.is_err() {
            message.drain()?;
        }
        self.rowcount = *result.as_ref().unwrap_or(&0);
        Ok(result?)
    }

    fn load(
        &mut self,
        announced: &super::Announced,
        columns: &[(String, crate::wire::values::TypeInfo)],
        message: &mut Message<'_>,
        rows: &mut u64,
        broken: &mut Option<io::Error>,
    ) -> Result<u64> {
        let facts = self.facts();
        let env = self.env(&facts);
        let table = super::change::writable(&env, &announced.table, "INSERT")?;
        let lost = |error: io::Error, broken: &mut Option<io::Error>| {
            let fail = Fail::new(4804, error.to_string());
            *broken = Some(error);
            fail
        };
        let mut given: Vec<(String, Type)> = Vec::new();
        if columns.len() != announced.columns.len() {
            return Err(Fail::new(4804, "The columns of the rows are not those of INSERT BULK."));
        }
        for ((name, info), (wanted, _)) in columns.iter().zip(&announced.columns) {
            if !crate::catalog::same(name, wanted, facts.order) {
                return Err(Fail::new(
                    4804,
                    format!("Column [{name}] comes where [{wanted}] was announced."),
                ));
            }
            given.push((name.clone(), info.ty().map_err(|e| lost(e, broken))?));
        }
        // An identity column is announced only by who keeps its values.
        let keeps =
            given.iter().any(|(n, _)| table.column(n, facts.order).is_some_and(|c| c.identity.is_some()));
        let mut inserter = Inserter::new(env, &self.database, table, &given, keeps)?;
        inserter.null_is_default = !announced.keep_nulls;
        while let Some(row) = bulk_row(message, columns).map_err(|e| lost(e, broken))? {
            *rows += 1;
            for strike in strikes(&self.shared.faults.at(self.id, &Place::BulkRow(*rows))) {
                match strike {
                    Strike::Error(number, text) => return Err(self.injected(number, text)),
                    Strike::Delay(time) => std::thread::sleep(time),
                    Strike::Close => {
                        let error = io::Error::new(io::ErrorKind::ConnectionAborted, "closed by a fault");
                        return Err(lost(error, broken));
                    }
                }
            }
            inserter.row(row.into_iter().map(Some).collect())?;
        }
        let (count, _) = inserter.finish(announced.check)?;
        Ok(count)
    }
}

fn strikes(faults: &[What]) -> Vec<Strike> {
    let strike = |what: &What| match what {
        What::Error { number, message } => Strike::Error(*number, message.clone()),
        What::Delay(time) => Strike::Delay(*time),
        What::CloseBefore | What::CloseAfter | What::CloseMidReply(_) | What::SplitPackets(_) => {
            Strike::Close
        }
    };
    faults.iter().map(strike).collect()
}
