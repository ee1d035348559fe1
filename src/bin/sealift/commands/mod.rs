//! One command a file: arguments resolved, the library called, the answer shown.

pub mod apply;
mod around;
pub mod convert;
pub mod demo;
pub mod diff;
pub mod export;
pub mod import;
pub mod init;
pub mod input;
mod leave;
mod list;
pub mod look;
pub mod manual;
pub mod merge;
pub mod model;
mod model_text;
mod model_view;
pub mod plan;
mod record;
mod render;
pub mod salvage;
mod saved;
mod script;
pub mod undo;
pub mod vendor;
pub mod verify;
pub mod why;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift::bundle::Bundle;
use sealift::crypto::{DataKey, Password};
use sealift::model::Model;
use sealift::server::{self, Address, Server};
use sealift::text::write_json_pretty;

use crate::cli::{Cli, Command, Common, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::Files;
use crate::ui;

/// Runs a command.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    let common = cli.common;
    common.threads.into_iter().for_each(ui::allow_threads);
    files(&common, &cli.command).check()?;
    match cli.command {
        Command::Init(args) => init::run(&common, &args),
        Command::Export(args) => export::run(&common, &args, false),
        Command::PartialExport(args) => export::run(&common, &args, true),
        Command::Convert(args) => convert::run(&common, &args),
        Command::Verify(args) => verify::run(&common, &args),
        Command::Salvage(args) => salvage::run(&common, &args),
        Command::Info(args) => look::info(&common, &args),
        Command::List(args) => look::list(&common, &args),
        Command::Show(args) => look::show(&common, &args),
        Command::Why(args) => why::run(&common, &args),
        Command::Plan(args) => plan::run(&common, &args),
        Command::Import(args) => import::run(&common, &args),
        Command::Apply(args) => apply::run(&common, &args),
        Command::Undo(args) => undo::run(&common, &args),
        Command::Diff(args) => diff::run(&common, &args),
        Command::Merge(args) => merge::run(&common, &args),
        Command::Demo(args) => demo::run(&common, &args),
        Command::Model(args) => model::run(&common, &args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&common, &args),
    }
}

/// The files that a command uses. Commands that write no file need none: reading harms nothing.
fn files(common: &Common, command: &Command) -> Files {
    let files = match command {
        Command::Init(args) => args.files(),
        Command::Export(args) | Command::PartialExport(args) => args.files(),
        Command::Convert(args) => args.files(),
        Command::Salvage(args) => args.files(),
        Command::Plan(args) => args.files(),
        Command::Import(args) => args.files(),
        Command::Apply(args) => args.files(),
        Command::Undo(args) => args.files(),
        Command::Merge(args) => args.files(),
        Command::Demo(args) => args.files(),
        Command::Man(args) => args.files(),
        Command::Verify(_)
        | Command::Info(_)
        | Command::List(_)
        | Command::Show(_)
        | Command::Why(_)
        | Command::Diff(_)
        | Command::Model(_)
        | Command::Completions(_) => Files::default(),
    };
    files.reads("model file", &common.model)
}

/// The model in use.
fn load_model(common: &Common) -> Result<Model, Failure> {
    Ok(match &common.model {
        Some(path) => Model::load(path)?,
        None => Model::octopus()?,
    })
}

/// Opens a server; finds what it is logged in with, or asks for it.
fn open_server(address: &Address, args: &ServerArgs) -> Result<Box<dyn Server>, Failure> {
    Ok(server::open(&with_login(address, args)?)?)
}

/// An address with what its server is logged in with: found, or asked for.
fn with_login(address: &Address, args: &ServerArgs) -> Result<Address, Failure> {
    let mut address = address.clone();
    if let Address::SqlServer(address) = &mut address {
        crate::secrets::log_in(address, args.sql_password_file.as_deref())?;
        address.stop = crate::outcome::stop_request();
        if args.show_server_messages {
            address.messages = crate::outcome::server_messages();
        }
        for risk in address.risks() {
            crate::ui::aside!("warning: {address}: {risk}");
        }
        if let Some(seconds) = args.lock_timeout {
            address.lock_timeout = Duration::from_secs(seconds);
        }
    }
    Ok(address)
}

/// Opens the secrets of a bundle, asking for the password. Where it holds none it is not asked for, but taken where it
/// is given: secrets of a target may be sealed under it. `None` where there is none.
fn unlock(
    common: &Common,
    bundle: &Bundle,
    password_file: Option<&Path>,
) -> Result<Option<DataKey>, Failure> {
    if bundle.info().sealed == 0 {
        let given = crate::secrets::given_password(password_file)?.filter(|_| bundle.envelope().is_some());
        return given.map(|password| unlock_with(common, bundle, &password)).transpose();
    }
    let password = crate::secrets::password(password_file)?;
    unlock_with(common, bundle, &password).map(Some)
}

fn unlock_with(common: &Common, bundle: &Bundle, password: &Password) -> Result<DataKey, Failure> {
    Ok(bundle.unlock(password, &common.kdf_limits())?)
}

/// Prints a JSON object as the command's answer.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    write_json_pretty(&mut out, value).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// An input that is a server's address or the path of a bundle.
fn server_or_path(text: &str) -> Result<Result<Address, PathBuf>, Failure> {
    Ok(Address::recognise(text)?.ok_or_else(|| PathBuf::from(text)))
}
