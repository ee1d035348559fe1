//! `undo`: an import taken back; and where imports put the files that make it possible.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::Bundle;
use sealift::crypto::{DataKey, KdfLimits, MasterKey};
use sealift::model::Model;
use sealift::ops::{self, How, Keys, UndoRecord, UndoTo};
use sealift::plan::Plan;
use sealift::server::Address;

use super::import::report;
use super::{around, render};
use crate::cli::{Common, MasterKeyArgs, ServerArgs};
use crate::clock::Moment;
use crate::exit::{Exit, Failure};
use crate::{secrets, ui};

/// Where the undo file of what is about to be written goes.
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// Write the undo file here; else it is sealift-TIME-DATABASE.undo in the current folder
    #[arg(long, value_name = "FILE", conflicts_with = "no_undo")]
    pub undo: Option<PathBuf>,
    /// Write no undo file: what is written cannot be taken back
    #[arg(long)]
    pub no_undo: bool,
}

impl KeepArgs {
    /// Where the undo file goes, if there is to be one.
    pub fn to(&self, target: &Address, now: Moment) -> Option<UndoTo> {
        if self.no_undo {
            return None;
        }
        let path = self.undo.clone().unwrap_or_else(|| free(&stem(target, now), "undo"));
        Some(UndoTo { path, created: Some(now.text()) })
    }
}

/// What the files beside an import are called by default, without what follows the dot: `sealift-TIME-DATABASE`.
pub fn stem(target: &Address, now: Moment) -> String {
    let database = match target {
        Address::Sqlite(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Address::SqlServer(address) => address.database.clone(),
    };
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let database: String = database.chars().map(plain).take(60).collect();
    format!("sealift-{}-{database}", now.stamp())
}

/// A name in the current folder that nothing has.
fn free(stem: &str, extension: &str) -> PathBuf {
    let names = std::iter::once(format!("{stem}.{extension}"))
        .chain((2..1000).map(|number| format!("{stem}-{number}.{extension}")));
    let mut names = names.map(PathBuf::from);
    let first = names.next().unwrap_or_default();
    match first.symlink_metadata() {
        Err(_) => first,
        Ok(_) => names.find(|path| path.symlink_metadata().is_err()).unwrap_or(first),
    }
}

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
    keep: KeepArgs,
    #[command(flatten)]
    master_key: MasterKeyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// An undo file, opened.
struct Opened {
    bundle: Bundle,
    record: UndoRecord,
    key: Option<DataKey>,
}

fn open(
    path: &Path,
    model: &Model,
    master: Option<&MasterKey>,
    progress: &dyn sealift::progress::Progress,
) -> Result<Opened, Failure> {
    let bundle = super::input::open_file(path, progress)?;
    let record = UndoRecord::read(&bundle, model.collation)?.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} is no undo file", path.display()))
            .hint("an import writes one beside it; a bundle is imported with `sealift import`")
    })?;
    // Before anything is opened: it tells a wrong key from a damaged file.
    record.key(master)?;
    let key = match (bundle.info().sealed, master) {
        (0, _) | (_, None) => None,
        (_, Some(master)) => Some(bundle.unlock(&master.password(), &KdfLimits::default())?),
    };
    Ok(Opened { bundle, record, key })
}

pub fn run(common: &Common, args: &UndoArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let master = secrets::master_key(args.master_key.master_key_file.as_deref())?;
    let Opened { bundle, record, key } = open(&args.file, &model, master.as_ref(), &progress)?;
    let address: Address = args.to.parse()?;
    let mut server = super::open_server(&address, &args.server)?;
    let seen = record.key(master.as_ref())?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &seen };
    let mut shown: Option<Plan> = None;
    if !args.yes && !args.dry_run {
        let mut reader = server.read()?;
        let plan = ops::plan_undo(
            &bundle,
            &record,
            &mut *reader,
            &model,
            keys,
            args.require_maintenance,
            &progress,
        )?;
        drop(reader);
        progress.clear();
        if plan.findings.is_empty() && !plan.is_empty() {
            if !common.json {
                render::print_plan(&plan)?;
                around::print(&plan, &model)?;
            }
            let writes = plan.entries.iter().filter(|e| e.action.writes()).count();
            if !ui::confirm(&format!("Take back {writes} documents in {address}?"))? {
                eprintln!("nothing was changed");
                return Ok(Exit::Interrupted);
            }
        }
        shown = Some(plan);
    }
    let to = args.keep.to(&address, Moment::now());
    let how = How { shown: shown.as_ref(), dry_run: args.dry_run, undo: to.as_ref() };
    let outcome =
        ops::undo(&bundle, &record, &mut *server, &model, keys, how, args.require_maintenance, &progress)?;
    progress.clear();
    report(common, &model, &address, outcome, shown.is_some(), to.as_ref())
}
