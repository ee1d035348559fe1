//! `import`: plan, show, confirm, apply.

use clap::Args;
use sealift::model::Model;
use sealift::ops::{self, How, Keys};
use sealift::plan::Plan;
use sealift::server::Address;

use super::leave::{Done, LeaveArgs};
use super::plan::TargetArgs;
use super::{around, render};
use crate::cli::Common;
use crate::exit::{Exit, Failure};
use crate::files::Files;
use crate::{secrets, ui};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The server that the bundle is for: mssql://USER@HOST/DATABASE or sqlite:PATH
    #[arg(long, value_name = "SERVER")]
    to: String,
    /// Do everything an import does, then roll it back
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before writing
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    leave: LeaveArgs,
}

impl ImportArgs {
    pub fn files(&self) -> Files {
        self.target.files().changes_server(&self.to).and(self.leave.files())
    }
}

pub fn run(common: &Common, args: &ImportArgs) -> Result<Exit, Failure> {
    let target = &args.target;
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let bundle = target.open(common, &progress)?;
    super::input::refuse_undo(&bundle)?;
    // What is shown of it from here on has no password.
    let address: Address = args.to.parse()?;
    let options = target.options()?;
    let leaving = args.leave.prepare(&address, args.dry_run)?;
    let mut server = super::open_server(&address, &target.server)?;
    let master = secrets::master_key(target.master_key.master_key_file.as_deref())?;
    let key = super::unlock(common, &bundle, target.password.password_file.as_deref())?;
    let seen = super::plan::seen_key()?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &seen };
    let mut decided = ops::decide(&bundle, &mut *server.read()?, &model, keys, options, &progress)?;
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
        path: &target.file,
        bundle: bundle.info(),
        by_plan: None,
        options: args.given(),
        was_shown: ask,
    };
    leaving.report(common, done, outcome)
}

/// Shows a plan and asks whether it is carried out. One that stops, or that has nothing to do, is not asked about.
pub fn agreed(
    common: &Common,
    plan: &Plan,
    model: &Model,
    target: &Address,
    progress: &ui::Bars,
) -> Result<bool, Failure> {
    progress.clear();
    if !plan.findings.is_empty() || plan.is_empty() {
        return Ok(true);
    }
    // With --json only the answer goes to standard output, and that is what was done.
    let shown = match common.json {
        true => Ok(()),
        false => render::print_plan(plan).and_then(|()| around::print(plan, model)),
    };
    let agreed = ui::confirm(&question(plan, target), shown)?;
    if !agreed {
        ui::aside!("nothing was changed");
    }
    Ok(agreed)
}

/// What is asked before a plan is carried out.
fn question(plan: &Plan, target: &Address) -> String {
    let writes = plan.entries.iter().filter(|entry| entry.action.writes()).count();
    match plan.count(sealift::plan::Action::Delete) {
        0 => format!("Write {writes} documents to {target}?"),
        deleted => format!("Write {writes} documents to {target}, and DELETE {deleted} of them?"),
    }
}

impl ImportArgs {
    fn given(&self) -> Vec<String> {
        let dry = self.dry_run.then(|| "--dry-run".to_owned());
        self.target.given().into_iter().chain(dry).collect()
    }
}
