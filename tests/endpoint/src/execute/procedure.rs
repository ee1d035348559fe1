//! The procedures that the endpoint has.

use super::Session;
use crate::fail::{Fail, Result};
use crate::locks::{Mode, Owner};
use crate::parse::ast::Argument;
use crate::types::Type;
use rusqlite::types::Value;
use std::collections::HashMap;

impl Session {
    /// EXEC within a batch.
    pub(super) fn execute(
        &mut self,
        result: Option<&str>,
        procedure: &str,
        arguments: &[Argument],
    ) -> Result<()> {
        let mut named = HashMap::new();
        let facts = self.facts();
        let places: &[&str] = match procedure.to_ascii_lowercase().as_str() {
            "sp_getapplock" => &["@resource", "@lockmode", "@lockowner", "@locktimeout", "@dbprincipal"],
            "sp_releaseapplock" => &["@resource", "@lockowner", "@dbprincipal"],
            _ => return Err(Fail::new(2812, format!("Could not find stored procedure '{procedure}'."))),
        };
        for (at, argument) in arguments.iter().enumerate() {
            let (name, value) = match argument {
                Argument::Named(name, value) => (name.to_ascii_lowercase(), value),
                Argument::Plain(value) => (places.get(at).copied().unwrap_or_default().to_owned(), value),
            };
            if !places.contains(&name.as_str()) {
                return Err(Fail::new(8145, format!("{name} is not a parameter for procedure {procedure}.")));
            }
            named.insert(name, self.env(&facts).constant(value)?.0);
        }
        let status = self.application_lock(procedure, &named)?;
        if let Some(result) = result {
            self.put(result, Value::Integer(status), Type::Int)?;
        }
        Ok(())
    }

    /// sp_getapplock and sp_releaseapplock, by EXEC or RPC; what it returns is the return status.
    pub fn application_lock(&mut self, procedure: &str, named: &HashMap<String, Value>) -> Result<i64> {
        let text = |name: &str| match named.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        if named.contains_key("@dbprincipal") {
            return Err(Fail::refused("@DbPrincipal"));
        }
        let Some(resource) = text("@resource") else {
            return Err(Fail::new(
                201,
                format!(
                    "Procedure or function '{procedure}' expects parameter '@Resource', which was not supplied."
                ),
            ));
        };
        let owner = match text("@lockowner").unwrap_or("Transaction").to_ascii_lowercase().as_str() {
            "transaction" => Owner::Transaction,
            "session" => Owner::Session,
            _ => return Ok(-999),
        };
        if owner == Owner::Transaction && self.transaction.depth() == 0 {
            return Ok(-999);
        }
        // Names of locks have 255 characters and are told apart exactly.
        let key = (self.database.name.clone(), crate::text::prefix(resource, 255));
        if procedure.eq_ignore_ascii_case("sp_releaseapplock") {
            if self.shared.locks.release(self.id, &key, owner) {
                return Ok(0);
            }
            return Err(Fail::new(
                1223,
                format!(
                    "Cannot release the application lock (Database Principal: 'public', Resource: '{resource}') \
                     because it is not currently held."
                ),
            ));
        }
        let mode = match text("@lockmode").map(str::to_ascii_lowercase).as_deref() {
            Some("exclusive") => Mode::Exclusive,
            Some("shared") => Mode::Shared,
            Some(other) => return Err(Fail::refused(format!("lock mode {other}"))),
            None => {
                return Err(Fail::new(
                    201,
                    "Procedure or function 'sp_getapplock' expects parameter '@LockMode', which was not supplied.",
                ));
            }
        };
        let timeout = match named.get("@locktimeout") {
            Some(Value::Integer(milliseconds)) => *milliseconds,
            Some(Value::Null) | None => self.transaction.lock_timeout.get(),
            Some(other) => return Err(Fail::refused(format!("@LockTimeout {other:?}"))),
        };
        Ok(self.shared.locks.take(self.id, key, mode, owner, timeout))
    }
}
