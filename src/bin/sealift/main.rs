//! The `sealift` command: arguments in, exit codes and words out. All work is the library's.

mod cli;
mod commands;
mod exit;
mod secrets;
mod ui;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; anything else is wrong usage.
            let code = if error.use_stderr() { exit::Exit::Usage } else { exit::Exit::Done };
            let _ = error.print();
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
