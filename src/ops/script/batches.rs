//! The statements of a script: put aside while they are made, then laid out in batches.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};

use crate::bundle::Bundle;
use crate::model::Model;
use crate::plan::{Action, Plan};
use crate::server::ServerError;

use super::literal::{Variables, message, on_one_line, quoted};

/// As many statements make a batch.
const BATCH_STATEMENTS: usize = 100;
/// A batch ends after so many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// The table that says which batch was the last that ran to its end.
const DONE: &str = "#sealift";

/// Statements put aside, each with its length before it.
pub(super) struct Chunks {
    out: BufWriter<File>,
    count: u64,
}

impl Chunks {
    pub(super) fn new() -> Result<Self, ServerError> {
        Ok(Self { out: BufWriter::new(crate::temporary::unnamed().map_err(unwritten)?), count: 0 })
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

/// Statements in batches of a size that tools take.
///
/// XACT_ABORT ends a transaction at every error but one: a batch that does not compile (a column that is gone, say)
/// does nothing, and the transaction stays open. A tool that goes on after errors would run the rest and commit it.
/// So a table that comes and goes with the transaction says which batch was the last that ran to its end, and each
/// batch begins only after the one before it.
pub(super) struct Batches<'o> {
    out: &'o mut dyn Write,
    /// How many batches have been closed.
    batches: u64,
    statements: usize,
    bytes: usize,
    total: u64,
}

/// What a session must have set so that indexed views, computed columns and XML are written as the product does;
/// and no transaction must begin before ours does, or the last batch would not end it.
const SETTINGS: [&str; 10] = [
    "IMPLICIT_TRANSACTIONS OFF",
    "XACT_ABORT ON",
    "NOCOUNT ON",
    "ANSI_NULLS ON",
    "ANSI_PADDING ON",
    "ANSI_WARNINGS ON",
    "ARITHABORT ON",
    "CONCAT_NULL_YIELDS_NULL ON",
    "NUMERIC_ROUNDABORT OFF",
    "QUOTED_IDENTIFIER ON",
];

/// How a script of any version begins. Without the byte order mark tools take the file for another encoding.
const BEGINNING: &str = "\u{feff}-- Sealift script ";

/// Says whether the beginning of a file, 32 bytes or more, is that of a script.
pub fn is_script(head: &[u8]) -> bool {
    head.starts_with(BEGINNING.as_bytes())
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
        let mut begun = Self { out, batches: 0, statements: 0, bytes: 0, total: 0 };
        begun.head(bundle, model, plan, about)?;
        begun.open(about)?;
        Ok(begun)
    }

    fn head(&mut self, bundle: &Bundle, model: &Model, plan: &Plan, about: &About) -> std::io::Result<()> {
        let out = &mut *self.out;
        writeln!(out, "{BEGINNING}1: an import of {}, written for review", on_one_line(&model.title))?;
        writeln!(out, "-- Target: {}", on_one_line(&about.target))?;
        writeln!(out, "-- Bundle: content root {}", bundle.info().content_root)?;
        for action in [Action::Create, Action::Update, Action::Merge, Action::Skip, Action::Unchanged] {
            writeln!(out, "-- {}: {}", format!("{action:?}").to_lowercase(), plan.count(action))?;
        }
        for notice in &plan.notices {
            writeln!(out, "-- Note: {}", on_one_line(notice))?;
        }
        for notice in &plan.source {
            writeln!(out, "-- Note of the export: {}", on_one_line(&notice.to_string()))?;
        }
        for line in [
            "Run it whole: sqlcmd -f 65001 -x -b -d DATABASE -i FILE, or in an editor, in a session of its own.",
            "One transaction. No batch does anything unless all before it ran to their end, and the last one commits:",
            "so an error in any of them, or one left out, means that nothing is written, also by tools that go on.",
            "A tool that stops at an error may leave the transaction open: close its connection, or roll back.",
            "It stops where a row that it changes is not what it was when the script was made, where a document that",
            "the plan found is gone or has another name, and where one that it makes has come to be.",
            "Secrets in it are encrypted for the target; keep the file as you keep its database.",
        ] {
            writeln!(out, "-- {line}")?;
        }
        Ok(())
    }

    fn open(&mut self, about: &About) -> std::io::Result<()> {
        let out = &mut *self.out;
        // Before XACT_ABORT: an open transaction is somebody's work, and no error of ours ends it.
        writeln!(out, "IF @@TRANCOUNT <> 0 THROW 50000, {}, 1;", message("a transaction is open already"))?;
        for setting in SETTINGS {
            writeln!(out, "SET {setting};")?;
        }
        let (mut none, mut before) = (Variables::default(), String::new());
        if let Some(database) = &about.database {
            let name = quoted(database, &mut none, &mut before);
            let message = message(&format!("this script is for the database {database}"));
            writeln!(out, "{before}IF DB_NAME() <> {name} THROW 50000, {message}, 1;")?;
        }
        writeln!(out, "BEGIN TRANSACTION;")?;
        writeln!(
            out,
            "DECLARE @r int;\nEXEC @r = sp_getapplock @Resource = N'Sealift', @LockMode = N'Exclusive', \
             @LockOwner = N'Transaction', @LockTimeout = 30000;"
        )?;
        writeln!(out, "IF @r < 0 THROW 50000, {}, 1;", message("another import is under way"))?;
        writeln!(out, "CREATE TABLE {DONE} ([batch] int NOT NULL);")?;
        writeln!(out, "INSERT INTO {DONE} ([batch]) VALUES (1);\nGO")?;
        self.batches = 1;
        Ok(())
    }

    /// Has a batch look that the one before it ran to its end.
    fn guard(&mut self) -> std::io::Result<()> {
        let (out, before) = (&mut *self.out, self.batches);
        let earlier = message("an earlier part has failed: nothing is written");
        writeln!(out, "IF @@TRANCOUNT = 0 THROW 50000, {earlier}, 1;")?;
        // A table that is not there is an error that stops a batch before its conditions are looked at, or does
        // not end the transaction: it is asked for by name first.
        writeln!(out, "IF OBJECT_ID(N'tempdb..{DONE}') IS NULL THROW 50000, {earlier}, 1;")?;
        writeln!(
            out,
            "IF NOT EXISTS (SELECT 1 FROM {DONE} WHERE [batch] = {before}) THROW 50000, {earlier}, 1;"
        )
    }

    fn close(&mut self) -> std::io::Result<()> {
        if self.statements > 0 {
            self.batches += 1;
            // The last of all: what stops a batch half way leaves the count as it is.
            writeln!(self.out, "UPDATE {DONE} SET [batch] = {};\nGO", self.batches)?;
        }
        (self.statements, self.bytes) = (0, 0);
        Ok(())
    }

    /// Adds a statement that writes, with what has to be said before it.
    pub(super) fn statement(&mut self, text: &str) -> std::io::Result<()> {
        self.total += 1;
        self.look(text)
    }

    /// Adds a statement that only looks.
    pub(super) fn look(&mut self, text: &str) -> std::io::Result<()> {
        // A variable is known until its batch ends.
        let declares = text.starts_with("DECLARE ");
        if self.statements >= BATCH_STATEMENTS || self.bytes >= BATCH_BYTES || declares {
            self.close()?;
        }
        if self.statements == 0 {
            self.guard()?;
        }
        self.statements = if declares { BATCH_STATEMENTS } else { self.statements + 1 };
        self.bytes += text.len();
        self.out.write_all(text.as_bytes())
    }

    /// Commits. Says how many statements write.
    pub(super) fn end(mut self) -> std::io::Result<u64> {
        self.close()?;
        self.guard()?;
        writeln!(self.out, "DROP TABLE {DONE};\nCOMMIT TRANSACTION;\nGO")?;
        self.out.flush()?;
        Ok(self.total)
    }
}

/// What the head of a script tells.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The target's address, without secrets.
    pub target: String,
    /// The database that the script is for; it refuses to run in another.
    pub database: Option<String>,
    /// The schema of the tables: `dbo`.
    pub schema: String,
}

pub(super) fn unwritten(error: std::io::Error) -> ServerError {
    ServerError::Failed { doing: "writing the script".to_owned(), source: Box::new(error) }
}
