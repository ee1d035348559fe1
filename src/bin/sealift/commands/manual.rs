//! `completions` and `man`: what shells and manual readers need, generated from the command line itself.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::{Cli, Common};
use crate::exit::{Exit, Failure};
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

pub fn man(common: &Common, args: &ManArgs) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.folder)?;
    let command = Cli::command();
    let mut pages = vec!["sealift".to_owned()];
    write_page(&args.folder, "sealift", command.clone())?;
    for sub in command.get_subcommands() {
        let name = format!("sealift-{}", sub.get_name());
        write_page(&args.folder, &name, sub.clone().display_name(name.clone()))?;
        pages.push(name);
    }
    if common.json {
        let folder = args.folder.display().to_string();
        super::print_json(&serde_json::json!({ "folder": folder, "pages": pages }))?;
        return Ok(Exit::Done);
    }
    say!("wrote the manual pages to {}", args.folder.display());
    Ok(Exit::Done)
}

fn write_page(folder: &Path, name: &str, command: clap::Command) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    Ok(())
}
