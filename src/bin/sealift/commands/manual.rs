//! `completions` and `man`: what shells and manual readers need, generated from the command line itself.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Cli, Common};
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::outcome;
use crate::ui::say;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write the pages into; it is made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sealift", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Exit::Done)
}

impl ManArgs {
    pub fn files(&self) -> Files {
        let pages = pages().into_iter();
        pages.fold(Files::default(), |files, (name, _)| {
            files.writes(Format::ManualPage, self.path(&name).as_path(), false)
        })
    }

    fn path(&self, page: &str) -> PathBuf {
        self.folder.join(format!("{page}.1"))
    }
}

pub fn man(common: &Common, args: &ManArgs) -> Result<Exit, Failure> {
    outcome::take_effect()?;
    std::fs::create_dir_all(&args.folder)?;
    let mut names = Vec::new();
    for (name, command) in pages() {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::fs::write(args.path(&name), page)?;
        names.push(name);
    }
    let effect = format!("the manual pages are in {}", args.folder.display());
    outcome::settle_effect(Exit::Done, effect);
    if common.json {
        let folder = args.folder.display().to_string();
        super::print_json(&serde_json::json!({ "folder": folder, "pages": names }))?;
        return Ok(Exit::Done);
    }
    say!("wrote the manual pages to {}", args.folder.display());
    Ok(Exit::Done)
}

/// The pages by name: one for the command, and one for each subcommand.
fn pages() -> Vec<(String, clap::Command)> {
    let mut command = Cli::command();
    // Gives subcommands their whole names, and the options that every command takes.
    command.build();
    let mut pages = Vec::new();
    add_pages("sealift".to_owned(), &command, &mut pages);
    pages
}

/// Adds the page of a command, then those of its subcommands.
fn add_pages(name: String, command: &clap::Command, pages: &mut Vec<(String, clap::Command)>) {
    pages.push((name.clone(), command.clone().display_name(name.clone())));
    // `help` explains the others, each of which has a page.
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        add_pages(format!("{name}-{}", sub.get_name()), sub, pages);
    }
}
