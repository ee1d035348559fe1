//! The command line of the product's own migrator: who types its options and commands reads what to use here.
//!
//! The options and commands are those of the vendor's command-line pages for Octopus.Migrator.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

/// An option of the migrator, and what to use here.
struct Word {
    /// Without dashes, in lower case: the migrator compares its options so.
    name: &'static str,
    /// The commands that the advice is for; none stands for all.
    commands: &'static [&'static str],
    advice: &'static str,
}

const fn of(commands: &'static [&'static str], name: &'static str, advice: &'static str) -> Word {
    Word { name, commands, advice }
}

const fn any(name: &'static str, advice: &'static str) -> Word {
    of(&[], name, advice)
}

const ADDRESS: &str = "name the server by its address, mssql://USER@HOST/DATABASE, or by the connection string of \
                       the instance; --master-key-file FILE gives its master key";
const OLD: &str = "a backup of Octopus 2.6 is not read: upgrade that server first";
const CONSOLE: &str = "leave it out: messages go to standard error anyway";
const EXPORTS: &[&str] = &["export", "partial-export"];

/// The options that no command of ours has under that name, or has with another meaning.
const OPTIONS: &[Word] = &[
    of(EXPORTS, "directory", "name the output with -o: a bundle (-o FILE.sealift) or a folder (-o FOLDER/)"),
    any(
        "directory",
        "`sealift convert FOLDER FILE` makes a bundle of the migrator's folder: name FILE without an option",
    ),
    any(
        "password",
        "give the password in a file, --password-file FILE, or in SEALIFT_PASSWORD: other users see arguments",
    ),
    any("instance", ADDRESS),
    any("config", ADDRESS),
    any(
        "clean",
        "leave it out: an existing folder is brought up to date, and files of documents that are gone are removed; \
         --force replaces a bundle",
    ),
    any(
        "inlinescripts",
        "use --scripts copy, extract or inline, with a folder as output: CopyToFiles is copy, ExtractToFiles is \
         extract, LeaveInline is inline",
    ),
    any("includetasklogs", "copy the folder TaskLogs of the server yourself: only the database is exported"),
    any("ignoreversioncheck", "use --ignore-version"),
    of(
        &["import", "plan"],
        "force",
        "use --accept-invalid, --accept-dangling or --accept-undeclared: the plan says which one it needs",
    ),
    any(
        "nooverwrite",
        "leave it out: documents that differ in the target are skipped unless --overwrite is given",
    ),
    any("maxage", OLD),
    any("nologs", OLD),
    any("onlylogs", OLD),
    any("masterkey", "give the master key in a file, --master-key-file FILE, or in SEALIFT_MASTER_KEY"),
    any("console", CONSOLE),
    any("nologo", CONSOLE),
];

/// The commands.
const COMMANDS: [(&str, &str); 2] = [
    ("migrate", OLD),
    (
        "version",
        "`sealift --version` prints the version of sealift, `sealift info FILE` that of the server a bundle is from",
    ),
];

/// What is wrong with a command line that is written for the migrator. `None` where it is not.
pub fn explain(arguments: &[OsString], error: &clap::Error) -> Option<Failure> {
    let named = |context| match error.get(context) {
        Some(ContextValue::String(text)) => Some(text.to_lowercase()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let name = named(ContextKind::InvalidSubcommand)?;
            let (name, advice) = COMMANDS.into_iter().find(|(command, _)| *command == name)?;
            let what = format!("`{name}` is a command of Octopus.Migrator");
            Some(Failure::new(Exit::Usage, what).hint(advice))
        }
        ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument => {
            let cause = named(ContextKind::InvalidArg);
            let found = options(arguments);
            // Of `-directory` and `/directory:D` the parser sees something else.
            let is_cause =
                |spelled: &str| !spelled.starts_with("--") || cause == Some(spelled.to_lowercase());
            let (spelled, _) = found.iter().find(|(spelled, _)| is_cause(spelled))?;
            let what = match found.len() {
                1 => format!("{spelled} is an option of Octopus.Migrator"),
                _ => "these are options of Octopus.Migrator".to_owned(),
            };
            Some(match found.as_slice() {
                [(_, advice)] => Failure::new(Exit::Usage, what).hint(advice),
                several => {
                    let line = |(spelled, advice): &(String, String)| format!("{spelled}: {advice}");
                    Failure::new(Exit::Usage, what).with_list(several.iter().map(line).collect())
                }
            })
        }
        _ => None,
    }
}

/// The migrator's options on a command line, as they are spelled, with what to use here. A value is never among
/// them: it may be a password.
fn options(arguments: &[OsString]) -> Vec<(String, String)> {
    let cli = Cli::command();
    let command = arguments.iter().find_map(|argument| cli.find_subcommand(argument));
    let known = |long: &str| {
        let of = |command: &clap::Command| {
            command.get_arguments().any(|argument| {
                argument.get_long_and_visible_aliases().is_some_and(|names| names.contains(&long))
            })
        };
        long == "help" || of(&cli) || command.is_some_and(of)
    };
    let mut found: Vec<(String, String)> = Vec::new();
    let texts = arguments.iter().map(|argument| argument.to_string_lossy());
    for text in texts.take_while(|text| text != "--") {
        let prefix = ["--", "-", "/"].into_iter().find(|prefix| text.starts_with(prefix));
        let Some((prefix, option)) = prefix.and_then(|prefix| Some((prefix, text.strip_prefix(prefix)?)))
        else {
            continue;
        };
        let name = option.split_once(['=', ':']).map_or(option, |(name, _)| name);
        if prefix == "--" && known(name) {
            continue;
        }
        let plain: String = name.chars().filter(|c| *c != '-').flat_map(char::to_lowercase).collect();
        let of_command = |word: &&Word| {
            word.commands.is_empty()
                || command.is_some_and(|command| word.commands.contains(&command.get_name()))
        };
        let ours = || {
            let arguments =
                cli.get_arguments().chain(command.into_iter().flat_map(clap::Command::get_arguments));
            let mut longs = arguments.filter_map(clap::Arg::get_long);
            longs.find(|long| long.replace('-', "") == plain).map(|long| format!("write it --{long}"))
        };
        let listed = || OPTIONS.iter().find(|word| word.name == plain && of_command(word));
        // Other texts after one dash or a slash are letters of options, and paths.
        let ours = if prefix == "--" { ours() } else { None };
        let advice = ours.or_else(|| listed().map(|word| word.advice.to_owned()));
        let spelled = format!("{prefix}{name}");
        if let Some(advice) = advice
            && !found.iter().any(|(other, _)| *other == spelled)
        {
            found.push((spelled, advice));
        }
    }
    found
}
