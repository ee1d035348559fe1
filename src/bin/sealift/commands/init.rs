//! `init`: an empty server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sealift::server::{self, Address, Schema};
use sealift::text::input;

use crate::cli::{Common, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::Files;
use crate::outcome;
use crate::ui::{self, say};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The server to make: sqlite:PATH of no file yet, or mssql://… of a database that has no tables yet
    #[arg(value_name = "SERVER")]
    server: String,
    /// Take over the tables of this server (without their rows)
    #[arg(long, value_name = "SERVER", conflicts_with_all = ["schema", "sql"])]
    like: Option<String>,
    /// The product's tables to make
    #[arg(long, value_enum, default_value_t = Generation::OctopusSpaces)]
    schema: Generation,
    /// Make the tables that this SQL file declares
    #[arg(long, value_name = "FILE", conflicts_with = "schema")]
    sql: Option<PathBuf>,
    #[command(flatten)]
    login: ServerArgs,
}

/// The generations of tables that are built in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Generation {
    /// Octopus Deploy of 2026: with spaces, and what came since, as far as it can be inferred
    #[value(name = "octopus-2026")]
    Octopus2026,
    /// Octopus Deploy with spaces (2019.1 and later)
    OctopusSpaces,
    /// Octopus Deploy before spaces (2018)
    Octopus2018,
}

impl InitArgs {
    pub fn files(&self) -> Files {
        let files = Files::default().makes_server(&self.server).reads("SQL file", &self.sql);
        let files = self.like.iter().fold(files, |files, like| files.reads_server(like));
        files.reads("password file", &self.login.sql_password_file)
    }
}

pub fn run(common: &Common, args: &InitArgs) -> Result<Exit, Failure> {
    let address: Address = args.server.parse()?;
    let place = super::with_login(&address, &args.login)?;
    let progress = ui::Bars::new();
    if let Some(like) = &args.like {
        let mut like = super::open_server(&like.parse()?, &args.login)?;
        let catalog = like.read()?.catalog().clone();
        server::make(&place, Schema::Like(&catalog), &progress)?;
    } else if let Some(sql) = &args.sql {
        let ddl = input::read_text(sql, input::MAX_TEXT_FILE_BYTES)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot read {}: {e}", sql.display())))?;
        server::make(&place, Schema::Ddl(&ddl), &progress)?;
    } else {
        let ddl = match args.schema {
            Generation::OctopusSpaces => sealift::model::OCTOPUS_SPACES_SQL,
            Generation::Octopus2026 => sealift::model::OCTOPUS_2026_SQL,
            Generation::Octopus2018 => sealift::model::OCTOPUS_2018_SQL,
        };
        server::make(&place, Schema::Ddl(ddl), &progress)?;
    }
    outcome::settle_effect(Exit::Done, format!("{address} is made"));
    // They are made; that they cannot be counted would be no failure.
    let count = || Some(server::open(&place).ok()?.read().ok()?.catalog().tables.len());
    let tables = count();
    if common.json {
        super::print_json(&serde_json::json!({ "server": address.to_string(), "tables": tables }))?;
        return Ok(Exit::Done);
    }
    match tables {
        Some(tables) => say!("made {address} with {tables} empty tables"),
        None => say!("made {address}; its tables cannot be counted now"),
    }
    Ok(Exit::Done)
}
