//! `import`: plan, show, confirm, apply.

use clap::Args;
use sealift::model::Model;
use sealift::ops::{self, How, Keys, Outcome, UndoTo};
use sealift::plan::{Action, Plan};
use sealift::server::Address;
use serde_json::json;

use super::plan::TargetArgs;
use super::undo::KeepArgs;
use super::{around, render};
use crate::cli::Common;
use crate::clock::Moment;
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::{secrets, ui};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Do everything an import does, then roll it back
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before writing
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    keep: KeepArgs,
}

pub fn run(common: &Common, args: &ImportArgs) -> Result<Exit, Failure> {
    let target = &args.target;
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let bundle =
        super::input::open(common, &target.file, target.password.password_file.as_deref(), &progress)?;
    super::input::refuse_undo(&bundle)?;
    // What is shown of it from here on has no password.
    let address: Address = target.to.parse()?;
    let mut server = super::open_server(&address, &target.server)?;
    let master = secrets::master_key(target.master_key.master_key_file.as_deref())?;
    let key = super::unlock(&bundle, target.password.password_file.as_deref())?;
    let seen = super::plan::seen_key()?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &seen };
    let ask = !args.yes && !args.dry_run;
    let mut shown: Option<Plan> = None;
    if ask {
        let plan = ops::plan(&bundle, &mut *server.read()?, &model, keys, target.options(), &progress)?;
        progress.clear();
        if plan.findings.is_empty() && !plan.is_empty() {
            // With --json only the answer goes to standard output, and that is what was done.
            if !common.json {
                render::print_plan(&plan)?;
                around::print(&plan, &model)?;
            }
            let writes = plan.entries.iter().filter(|e| e.action.writes()).count();
            if !ui::confirm(&format!("Write {writes} documents to {address}?"))? {
                eprintln!("nothing was changed");
                return Ok(Exit::Interrupted);
            }
        }
        shown = Some(plan);
    }
    let to = args.keep.to(&address, Moment::now());
    let how = How { shown: shown.as_ref(), dry_run: args.dry_run, undo: to.as_ref() };
    let outcome = ops::import(&bundle, &mut *server, &model, keys, how, target.options(), &progress)?;
    progress.clear();
    report(common, &model, &address, outcome, shown.is_some(), to.as_ref())
}

/// Says what an import, or an undo, has done.
pub fn report(
    common: &Common,
    model: &Model,
    target: &Address,
    outcome: Outcome,
    was_shown: bool,
    undo: Option<&UndoTo>,
) -> Result<Exit, Failure> {
    let (word, plan, exit) = match outcome {
        Outcome::Applied(plan) => ("applied", plan, Exit::Done),
        Outcome::DryRun(plan) => ("dry-run", plan, Exit::Done),
        Outcome::Nothing(plan) => ("nothing-to-do", plan, Exit::Done),
        Outcome::Refused(plan) => ("refused", plan, Exit::Refused),
        Outcome::Stale(findings) => ("stale", Plan { findings, ..Plan::default() }, Exit::Refused),
    };
    if common.json {
        let mut answer = render::plan_json(&plan);
        around::add(&mut answer, &plan, model);
        if let Some(map) = answer.as_object_mut() {
            map.insert("outcome".to_owned(), json!(word));
            map.insert("target".to_owned(), json!(target.to_string()));
            if let ("applied", Some(undo)) = (word, undo) {
                map.insert("undo".to_owned(), json!(undo.path.display().to_string()));
            }
        }
        super::print_json(&answer)?;
        return Ok(exit);
    }
    let wrote = |action| plan.count(action);
    match word {
        "stale" => {
            for finding in &plan.findings {
                say!("{}", render::finding_line(finding));
            }
            eprintln!("the target changed since the plan was shown; nothing was written");
        }
        "applied" | "dry-run" => {
            if !was_shown {
                render::print_plan(&plan)?;
                around::print(&plan, model)?;
            }
            let mut done = format!(
                "{} created, {} updated, {} merged",
                wrote(Action::Create),
                wrote(Action::Update),
                wrote(Action::Merge)
            );
            if wrote(Action::Delete) > 0 {
                done.push_str(&format!(", {} deleted", wrote(Action::Delete)));
            }
            match word {
                "applied" => {
                    say!("committed to {target}: {done}");
                    match undo {
                        Some(undo) => say!("`sealift undo {}` takes it back", undo.path.display()),
                        None => say!("no undo file was written"),
                    }
                }
                _ => say!("dry run, rolled back: an import would have {done}"),
            }
        }
        "refused" => {
            render::print_plan(&plan)?;
            around::print(&plan, model)?;
            eprintln!("refused; nothing was written to {target}");
        }
        _ => {
            render::print_plan(&plan)?;
            say!("nothing to do: {target} holds all of it");
        }
    }
    Ok(exit)
}
