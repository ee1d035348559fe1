//! `undo`: an import taken back.

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::Bundle;
use sealift::crypto::{DataKey, FingerprintKey, MasterKey};
use sealift::model::Model;
use sealift::ops::{self, How, Keys, UndoRecord};
use sealift::server::Address;

use super::import::agreed;
use super::leave::{Done, LeaveArgs};
use crate::cli::{Common, ExpectArgs, MasterKeyArgs, PasswordArgs, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::Files;
use crate::{secrets, ui};

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The undo file that the import wrote
    #[arg(value_name = "UNDO")]
    file: PathBuf,
    /// The server that was written: mssql://USER@HOST/DATABASE or sqlite:PATH
    #[arg(long, value_name = "SERVER")]
    to: String,
    /// Do everything, then roll it back
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before writing
    #[arg(short, long)]
    yes: bool,
    /// Refuse unless the target is in maintenance mode and no task waits or runs on it
    #[arg(long)]
    require_maintenance: bool,
    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    leave: LeaveArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    master_key: MasterKeyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl UndoArgs {
    pub fn files(&self) -> Files {
        Files::default()
            .reads_bundle("undo file", &self.file)
            .changes_server(&self.to)
            .reads("password file", &self.password.password_file)
            .reads("master key file", &self.master_key.master_key_file)
            .reads("password file", &self.server.sql_password_file)
            .and(self.leave.files())
    }
}

/// An undo file, opened.
struct Opened {
    bundle: Bundle,
    record: UndoRecord,
    key: Option<DataKey>,
    seen: FingerprintKey,
}

fn open(
    common: &Common,
    args: &UndoArgs,
    model: &Model,
    master: Option<&MasterKey>,
    progress: &dyn sealift::progress::Progress,
) -> Result<Opened, Failure> {
    let path = &args.file;
    let bundle = super::input::open_file(path, args.expect.expect_root, progress)?;
    let record = UndoRecord::read(&bundle, model.collation)?.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} is no undo file", path.display()))
            .hint("an import writes one beside it; a bundle is imported with `sealift import`")
    })?;
    let limits = common.kdf_limits();
    if record.is_under_password() {
        let password = secrets::password(args.password.password_file.as_deref())?;
        let key = bundle.unlock(&password, &limits)?;
        let seen = record.password_key(&key)?;
        return Ok(Opened { bundle, record, key: Some(key), seen });
    }
    // Before anything is opened: it tells a wrong key from a damaged file.
    let seen = record.key(master)?;
    let key = match (bundle.info().sealed, master) {
        (0, _) | (_, None) => None,
        (_, Some(master)) => Some(bundle.unlock(&master.password(), &limits)?),
    };
    Ok(Opened { bundle, record, key, seen })
}

pub fn run(common: &Common, args: &UndoArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let master = secrets::master_key(args.master_key.master_key_file.as_deref())?;
    let Opened { bundle, record, key, seen } = open(common, args, &model, master.as_ref(), &progress)?;
    let address: Address = args.to.parse()?;
    let leaving = args.leave.prepare(&address, args.dry_run)?;
    let mut server = super::open_server(&address, &args.server)?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &seen };
    let required = args.require_maintenance;
    let mut decided =
        ops::decide_undo(&bundle, &record, &mut *server.read()?, &model, keys, required, &progress)?;
    let ask = !args.yes && !args.dry_run;
    if ask && !agreed(common, decided.plan(), &model, &address, &progress)? {
        return Ok(Exit::Interrupted);
    }
    let how = How { dry_run: args.dry_run, undo: leaving.undo.as_ref() };
    let outcome = decided.carry_out(&mut *server, how, &progress)?;
    progress.clear();
    let done = Done {
        model: &model,
        target: &address,
        path: &args.file,
        bundle: bundle.info(),
        by_plan: None,
        options: Vec::new(),
        was_shown: ask,
    };
    leaving.report(common, done, outcome)
}
