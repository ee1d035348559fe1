//! The command line: names, arguments and help of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sealift::bundle::FileRoot;
use sealift::crypto::KdfLimits;

use crate::commands;
use crate::exit::{self, Exit, Failure};

/// Carries configuration between SQL Server databases in one portable, verifiable, encrypted file.
///
/// A SERVER is mssql://USER@HOST/DATABASE (or an ADO.NET connection string), or sqlite:PATH, an embedded
/// server. A FILE is a bundle that `sealift export` made, or the folder that `sealift convert` makes of one.
#[derive(Debug, Parser)]
#[command(name = "sealift", version, after_help = exit::TABLE, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Print one JSON object to standard output instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Describe the product by this model file instead of the built-in one (Octopus Deploy)
    #[arg(long, global = true, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Spend at most so much on opening a bundle with its password: the sum, over its password slots, of memory in
    /// GiB times passes
    #[arg(long, global = true, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub kdf_budget: Option<u32>,
    /// Work on at most so many threads at a time (else as many as the machine runs at once, up to 4). What is written
    /// does not depend on it; each takes a few MiB of memory
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,
}

impl Common {
    /// What opening an envelope may cost.
    pub fn kdf_limits(&self) -> KdfLimits {
        self.kdf_budget.map_or(KdfLimits::default(), |gib| KdfLimits::with_work_kib(u64::from(gib) << 20))
    }
}

/// Where a bundle's password comes from.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the bundle's password from this file (else SEALIFT_PASSWORD, else a prompt)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Which bundle is expected.
#[derive(Debug, Default, Args)]
pub struct ExpectArgs {
    /// Refuse the bundle unless this is its file root or its content root. `export` and `info` print both; a folder
    /// has a content root only
    #[arg(long, value_name = "ROOT")]
    pub expect_root: Option<ExpectedRoot>,
}

/// Which bundles are expected, where there are several.
#[derive(Debug, Default, Args)]
pub struct ExpectEachArgs {
    /// Refuse a bundle unless this is its file root or its content root. Give it once for each bundle or folder, in
    /// their order
    #[arg(long, value_name = "ROOT")]
    pub expect_root: Vec<ExpectedRoot>,
}

impl ExpectEachArgs {
    /// The root of each of so many bundles.
    pub fn each(&self, bundles: usize) -> Result<Vec<Option<ExpectedRoot>>, Failure> {
        match self.expect_root.len() {
            0 => Ok(vec![None; bundles]),
            given if given == bundles => Ok(self.expect_root.iter().copied().map(Some).collect()),
            given => Err(Failure::new(
                Exit::Usage,
                format!("--expect-root is given {given} times, and there are {bundles} bundles or folders"),
            )
            .hint("give it once for each of them, in their order")),
        }
    }
}

/// A root that somebody expects: of the file, or of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedRoot(pub [u8; 32]);

impl std::str::FromStr for ExpectedRoot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let root = FileRoot::from_hex(text.trim()).ok_or("a root has 64 hexadecimal digits")?;
        Ok(Self(root.0))
    }
}

/// How SQL Servers are logged in to. Embedded servers take no notice.
#[derive(Debug, Default, Args)]
pub struct ServerArgs {
    /// Read the password of the SQL Server's login from this file (else SEALIFT_SQL_PASSWORD, else a prompt);
    /// `password_file=FILE` in an address goes before
    #[arg(long, value_name = "FILE")]
    pub sql_password_file: Option<PathBuf>,
    /// Wait so long for rows of a SQL Server that others have locked (`lock_timeout` of the address, else 30)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub lock_timeout: Option<u64>,
    /// Show the messages of a SQL Server's errors in full. They may hold values of rows, secrets too; without this, what
    /// they quote is left out
    #[arg(long)]
    pub show_server_messages: bool,
}

/// Where a server's master key comes from.
#[derive(Debug, Args)]
pub struct MasterKeyArgs {
    /// Read the server's master key from this file (else SEALIFT_MASTER_KEY)
    #[arg(long, value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an empty server: the product's tables, or another server's, without rows
    Init(commands::init::InitArgs),
    /// Write a server's documents into a bundle
    Export(commands::export::ExportArgs),
    /// Write chosen projects and all they need into a bundle
    PartialExport(commands::export::ExportArgs),
    /// Turn a bundle into a folder of JSON files, for people and git, and back
    Convert(commands::convert::ConvertArgs),
    /// Check a bundle, every byte of it, or a folder; with the password every secret too
    Verify(commands::verify::VerifyArgs),
    /// Write the whole documents of a damaged bundle into a new one
    ///
    /// A document is whole when its bytes are right and its key is proven: by the content root, or by a secret of
    /// it that opens. Where nothing is damaged nothing is written. Exit codes: 0 where nothing is damaged, or
    /// nothing was lost; 3 where something was lost; 5 where no document is whole.
    Salvage(commands::salvage::SalvageArgs),
    /// Say what a bundle is: product, counts, roots, protection, notices
    Info(commands::look::InfoArgs),
    /// List the documents of a bundle
    List(commands::look::ListArgs),
    /// Show one document of a bundle, secrets masked; or a saved plan
    Show(commands::look::ShowArgs),
    /// Show the path by which a document came into a bundle
    Why(commands::why::WhyArgs),
    /// Show exactly what an import would change
    Plan(commands::plan::PlanArgs),
    /// Import a bundle into a server, in one transaction
    Import(commands::import::ImportArgs),
    /// Carry out a saved plan, exactly as it was reviewed, or not at all
    ///
    /// The bundle must have the content that was planned, the target be the one that was planned for, with the same
    /// tables, and every document that the plan relied on be as it was: those that are not are named. A plan is
    /// applied once.
    Apply(commands::apply::ApplyArgs),
    /// Take an import back: what it made is deleted, what it changed becomes what it was
    ///
    /// The undo file opens with the server's own master key; no password belongs to it. What was changed since the
    /// import, and what refers to a document that would be deleted, stops the undo, by name.
    Undo(commands::undo::UndoArgs),
    /// Show what differs between two bundles, folders or servers
    Diff(commands::diff::DiffArgs),
    /// Join bundles of several servers into one, document by document
    ///
    /// Documents are one by kind and name, as an import finds them: case and trailing blanks do not count. One
    /// that is the same in all inputs that have it is taken once. One that differs, in content or in a secret's
    /// value, is a conflict: all are listed, and nothing is written until --prefer decides each.
    ///
    /// Source ids are left out of the merged bundle, but for those that are the same on every server. A reference
    /// that named nothing on its own server still names nothing, though another input has a document of that id.
    Merge(commands::merge::MergeArgs),
    /// Make two servers and carry a configuration from one to the other
    Demo(commands::demo::DemoArgs),
    /// Show what the model says of the product, or check a model file
    Model(commands::model::ModelArgs),
    /// Print a completion script for a shell
    Completions(commands::manual::CompletionsArgs),
    /// Write the manual pages into a folder
    Man(commands::manual::ManArgs),
}
