//! The `sealift` command: arguments in, exit codes and words out. All work is the library's.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::iter_over_hash_type))]

mod cli;
mod clock;
mod commands;
mod exit;
mod files;
mod migrator;
mod outcome;
mod secrets;
mod ui;
mod usage;

/// Documents are many small values, made with one page of rows and freed with the next: the systems' allocators took a fifth
/// of an export's time for them. This one holds on to about 30 MiB more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    outcome::watch_interrupts();
    outcome::conclude(commands::run(cli)).into()
}
