//! The statements of a script: put aside while they are made, then laid out in batches.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};

use super::literal::{Variables, quoted};
use super::{About, unwritten};
use crate::bundle::Bundle;
use crate::model::Model;
use crate::plan::{Action, Plan};
use crate::server::ServerError;

/// As many statements make a batch.
const BATCH_STATEMENTS: usize = 100;
/// A batch ends after so many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// Statements put aside, each with its length before it.
pub(super) struct Chunks {
    out: BufWriter<File>,
    count: u64,
}

impl Chunks {
    pub(super) fn new() -> Result<Self, ServerError> {
        Ok(Self { out: BufWriter::new(tempfile::tempfile().map_err(unwritten)?), count: 0 })
    }

    /// Adds a statement.
    pub(super) fn push(&mut self, text: &str) -> Result<(), ServerError> {
        self.count += 1;
        let put = self.out.write_all(&(text.len() as u64).to_le_bytes());
        put.and_then(|()| self.out.write_all(text.as_bytes())).map_err(unwritten)
    }

    /// Hands the statements out in their order.
    pub(super) fn each(self, see: &mut dyn FnMut(&str) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut file = self.out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::new(file);
        for _ in 0..self.count {
            let mut length = [0; 8];
            input.read_exact(&mut length)?;
            let mut text = String::new();
            (&mut input).take(u64::from_le_bytes(length)).read_to_string(&mut text)?;
            see(&text)?;
        }
        Ok(())
    }
}

/// Statements in batches of a size that tools take. Each begins with a look whether the transaction still is.
pub(super) struct Batches<'o> {
    out: &'o mut dyn Write,
    statements: usize,
    bytes: usize,
    total: u64,
}

impl<'o> Batches<'o> {
    /// Writes the head: what the script is, and the beginning of its transaction.
    pub(super) fn begin(
        out: &'o mut dyn Write,
        bundle: &Bundle,
        model: &Model,
        plan: &Plan,
        about: &About,
    ) -> std::io::Result<Self> {
        let mut begun = Self { out, statements: 0, bytes: 0, total: 0 };
        begun.head(bundle, model, plan, about)?;
        Ok(begun)
    }

    fn head(&mut self, bundle: &Bundle, model: &Model, plan: &Plan, about: &About) -> std::io::Result<()> {
        let line = |text: &str| -> String {
            text.chars().map(|c| if c.is_control() || c == '\u{2028}' { ' ' } else { c }).collect()
        };
        let out = &mut *self.out;
        // Without the mark, tools take the file for another encoding.
        out.write_all("\u{feff}".as_bytes())?;
        writeln!(out, "-- {}: an import, written by Sealift for review.", line(&model.title))?;
        writeln!(out, "-- Target: {}", line(&about.target))?;
        writeln!(out, "-- Bundle: content root {}", bundle.info().content_root)?;
        for action in [Action::Create, Action::Update, Action::Merge, Action::Skip, Action::Unchanged] {
            writeln!(out, "-- {}: {}", format!("{action:?}").to_lowercase(), plan.count(action))?;
        }
        for notice in &plan.notices {
            writeln!(out, "-- Note: {}", line(notice))?;
        }
        writeln!(out, "-- Run it whole: sqlcmd -f 65001 -x -b -I -d DATABASE -i FILE, or in an editor.")?;
        writeln!(
            out,
            "-- One transaction; whatever has changed since it was made stops it, and nothing is written."
        )?;
        writeln!(
            out,
            "-- Secrets in it are encrypted for the target; keep the file as you keep its database."
        )?;
        writeln!(out, "SET XACT_ABORT ON;\nSET NOCOUNT ON;")?;
        writeln!(out, "IF @@TRANCOUNT <> 0 THROW 50000, N'a transaction is open already', 1;")?;
        let (mut none, mut before) = (Variables::default(), String::new());
        if let Some(database) = &about.database {
            let message =
                quoted(&format!("this script is for the database {database}"), &mut none, &mut before);
            let name = quoted(database, &mut none, &mut before);
            writeln!(out, "IF DB_NAME() <> {name} THROW 50000, {message}, 1;")?;
        }
        writeln!(out, "BEGIN TRANSACTION;")?;
        writeln!(
            out,
            "DECLARE @r int;\nEXEC @r = sp_getapplock @Resource = N'Sealift', @LockMode = N'Exclusive', \
             @LockOwner = N'Transaction', @LockTimeout = 30000;"
        )?;
        writeln!(out, "IF @r < 0 THROW 50000, N'another import is under way', 1;\nGO")
    }

    fn guard(&mut self) -> std::io::Result<()> {
        writeln!(
            self.out,
            "IF @@TRANCOUNT = 0 THROW 50000, N'an earlier part has failed: nothing is written', 1;"
        )
    }

    /// Adds a statement, with what has to be said before it.
    pub(super) fn statement(&mut self, text: &str) -> std::io::Result<()> {
        // A variable is known until its batch ends.
        let declares = text.starts_with("DECLARE ");
        if self.statements > 0
            && (self.statements >= BATCH_STATEMENTS || self.bytes >= BATCH_BYTES || declares)
        {
            writeln!(self.out, "GO")?;
            (self.statements, self.bytes) = (0, 0);
        }
        if self.statements == 0 {
            self.guard()?;
        }
        self.statements = if declares { BATCH_STATEMENTS } else { self.statements + 1 };
        self.bytes += text.len();
        self.total += 1;
        self.out.write_all(text.as_bytes())
    }

    /// Commits. Says how many statements there are.
    pub(super) fn end(mut self) -> std::io::Result<u64> {
        if self.statements > 0 {
            writeln!(self.out, "GO")?;
        }
        self.guard()?;
        writeln!(self.out, "COMMIT TRANSACTION;\nGO")?;
        self.out.flush()?;
        Ok(self.total)
    }
}
