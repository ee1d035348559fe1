//! The `sealift` command: arguments in, exit codes and words out. All work is the library's.

mod cli;
mod clock;
mod commands;
mod exit;
mod outcome;
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
            if print_without_addresses(&error) {
                return code.into();
            }
            outcome::settle(code);
            return outcome::conclude(error.print().map(|()| code).map_err(exit::Failure::from)).into();
        }
    };
    outcome::watch_interrupts();
    outcome::conclude(commands::run(cli)).into()
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
    ui::to_stderr!("{}", text.trim_end());
    true
}
