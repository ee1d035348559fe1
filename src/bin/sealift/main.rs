//! The `sealift` command: arguments in, exit codes and words out. All work is the library's.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::iter_over_hash_type))]

mod cli;
mod clock;
mod commands;
mod exit;
mod secrets;
mod ui;

use clap::Parser;
use sealift::server::Address;

fn main() -> std::process::ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; anything else is wrong usage.
            let code = if error.use_stderr() { exit::Exit::Usage } else { exit::Exit::Done };
            if !print_without_addresses(&error) {
                let _ = error.print();
            }
            return code.into();
        }
    };
    ui::watch_interrupts();
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

/// Prints an error of the command line that repeats an argument, without it where it is a server's address: that
/// may hold a password. Returns `false`, and prints nothing, where there is none.
fn print_without_addresses(error: &clap::Error) -> bool {
    let whole = error.render().ansi().to_string();
    let mut text = whole.clone();
    for argument in std::env::args_os().skip(1) {
        let Some(argument) = argument.to_str() else { continue };
        let value = match argument.strip_prefix("--") {
            Some(option) => option.split_once('=').map(|(_, value)| value).unwrap_or_default(),
            None => argument,
        };
        if !matches!(Address::recognise(value), Ok(None | Some(Address::Sqlite(_)))) {
            text = text.replace(value, "SERVER");
        }
    }
    if text == whole {
        return false;
    }
    anstream::eprint!("{text}");
    true
}
