//! The command line read, and what is wrong with it said without repeating what must not be seen: a server's address,
//! which may hold a password, and hidden characters.

use std::ffi::OsString;

use clap::Parser as _;
use sealift::server::Address;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::{migrator, outcome, ui};

/// Reads the command line. What was asked for instead of a command (help, the version) or is wrong has been printed
/// where it is none; the exit code is what is left to do.
pub fn parse() -> Result<Cli, Exit> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let parse = |arguments: Vec<OsString>| {
        // Usage names the program: by its own name, whatever it was called by.
        Cli::try_parse_from(std::iter::once(OsString::from("sealift")).chain(arguments))
    };
    let error = match parse(arguments.clone()) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    if !error.use_stderr() {
        return Err(outcome::conclude(error.print().map(|()| Exit::Done).map_err(Failure::from)));
    }
    if let Some(failure) = migrator::explain(&arguments, &error) {
        failure.print();
        return Err(Exit::Usage);
    }
    // The same error of arguments that may be seen: it repeats them in many ways.
    match parse(arguments.into_iter().map(seen).collect()) {
        Err(same) if same.kind() == error.kind() => drop(same.print()),
        _ => {
            let what = error.kind().as_str().unwrap_or("the command line is wrong");
            Failure::new(Exit::Usage, what).hint("`sealift help COMMAND` explains each command").print();
        }
    }
    Err(Exit::Usage)
}

/// An argument as an error may repeat it.
fn seen(argument: OsString) -> OsString {
    let text = argument.to_string_lossy();
    let (option, value) = match text.strip_prefix("--").and_then(|option| option.split_once('=')) {
        Some((option, value)) => (format!("--{option}="), value),
        None => (String::new(), text.as_ref()),
    };
    let value = match Address::recognise(value) {
        Ok(None | Some(Address::Sqlite(_))) => ui::name(value),
        _ => "SERVER".to_owned(),
    };
    let seen = format!("{}{value}", ui::name(&option));
    if seen == text { argument } else { seen.into() }
}
