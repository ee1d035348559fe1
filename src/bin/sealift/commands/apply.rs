//! `apply`: a saved plan carried out, exactly as it was reviewed, or refused.

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::Bundle;
use sealift::ops::{self, How, ImportOptions, Keys, PlanKey, Relied};
use sealift::plan::SavedPlan;
use sealift::server::Address;

use super::leave::{Done, LeaveArgs};
use super::render;
use super::saved::PlanFile;
use crate::cli::{Common, ExpectArgs, MasterKeyArgs, PasswordArgs, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::Files;
use crate::{secrets, ui};

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The plan that `sealift plan -o` saved
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The bundle that the plan was made for
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The server that the plan was made for: mssql://USER@HOST/DATABASE or sqlite:PATH
    #[arg(long, value_name = "SERVER")]
    to: String,
    /// Do everything, then roll it back
    #[arg(long)]
    dry_run: bool,
    /// Do not show the plan and ask before writing
    #[arg(short, long)]
    yes: bool,
    /// Refuse unless the target is in maintenance mode and no task waits or runs on it
    #[arg(long)]
    require_maintenance: bool,
    #[command(flatten)]
    leave: LeaveArgs,
    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    master_key: MasterKeyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl ApplyArgs {
    pub fn files(&self) -> Files {
        Files::default()
            .changes("plan", &self.plan)
            .reads_bundle("bundle", &self.file)
            .changes_server(&self.to)
            .reads("password file", &self.password.password_file)
            .reads("master key file", &self.master_key.master_key_file)
            .reads("password file", &self.server.sql_password_file)
            .and(self.leave.files())
    }
}

fn refused(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Refused, text)
}

/// Refuses a plan that is not for these, or not to be carried out at all.
fn check(plan: &SavedPlan, bundle: &Bundle, address: &Address) -> Result<(), Failure> {
    let head = &plan.head;
    if let Some(applied) = &head.applied {
        return Err(refused(format!(
            "the plan was applied {}; a plan is applied once",
            ui::shown(&applied.at)
        ))
        .hint("`sealift plan` makes a new one"));
    }
    if !head.findings.is_empty() {
        let count = head.findings.len();
        return Err(refused(format!("the plan has {count} findings that stop it"))
            .hint("`sealift show PLAN` lists them; mend them and plan again"));
    }
    let root = bundle.info().content_root.to_string();
    if root != head.bundle.content_root {
        let planned = ui::shown(&head.bundle.content_root);
        return Err(refused(format!(
            "the bundle has the content root {root}, and the plan was made for {planned}"
        ))
        .hint("give the bundle that was planned, or plan again"));
    }
    let place = address.place();
    match &head.target.server {
        Some(server) if *server != place => {
            Err(refused(format!("the plan was made for {}, not for {place}", ui::shown(server)))
                .hint("a plan is for one target; plan again for this one"))
        }
        _ => Ok(()),
    }
}

pub fn run(common: &Common, args: &ApplyArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let file = PlanFile::open(&args.plan)?;
    let password_file = args.password.password_file.as_deref();
    let bundle = super::input::open(common, &args.file, args.expect.expect_root, password_file, &progress)?;
    super::input::refuse_undo(&bundle)?;
    let address: Address = args.to.parse()?;
    check(&file.plan, &bundle, &address)?;
    // The plan is for documents of this root, and so far the bundle only says that it has it.
    bundle.check_content_root(&progress)?;
    let mut options: ImportOptions =
        serde_json::from_value(file.plan.head.options.clone()).map_err(|error| {
            refused(format!("the plan has options that this version does not know: {error}"))
                .hint("plan again with this version")
        })?;
    options.require_maintenance |= args.require_maintenance;
    if !args.dry_run {
        // It is marked when it is done.
        PlanFile::check(&args.plan).map_err(|failure| {
            failure.hint("a plan is marked when it is applied: put it where you may write")
        })?;
    }
    let leaving = args.leave.prepare(&address, args.dry_run)?;
    let mut server = super::open_server(&address, &args.server)?;
    let master = secrets::master_key(args.master_key.master_key_file.as_deref())?;
    let seen = PlanKey::of(&file.plan, master.as_ref())?;
    let key = super::unlock(common, &bundle, password_file)?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &seen };
    let ask = !args.yes && !args.dry_run;
    if ask {
        progress.clear();
        let shown = if common.json { Ok(()) } else { render::print_saved(&file.plan) };
        if !ui::confirm(&format!("Apply this plan to {address}?"), shown)? {
            ui::aside!("nothing was changed");
            return Ok(Exit::Interrupted);
        }
    }
    let relied = Relied::saved(&file.plan);
    let how = How { dry_run: args.dry_run, undo: leaving.undo.as_ref() };
    let given = file.plan.head.given.clone();
    let outcome = ops::apply_plan(&bundle, &mut *server, &model, keys, &relied, how, options, &progress)?;
    progress.clear();
    if let ops::Outcome::Applied(_) = &outcome {
        let undo = leaving.undo.as_ref().map(|undo| undo.path.display().to_string());
        if let Err(failure) = file.mark(undo) {
            failure.warn("the plan is applied and committed; only its file does not say so");
        }
    }
    let done = Done {
        model: &model,
        target: &address,
        path: &args.file,
        bundle: bundle.info(),
        by_plan: Some(args.plan.display().to_string()),
        options: given,
        was_shown: ask,
    };
    leaving.report(common, done, outcome)
}
