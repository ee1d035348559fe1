//! What work on a target leaves behind: its undo file, its record, and a word to who waits for it. Import, apply
//! and undo end here.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::Info;
use sealift::model::Model;
use sealift::ops::{Outcome, UndoTo};
use sealift::plan::{Action, Plan};
use sealift::server::Address;
use serde_json::json;

use super::record::{self, ImportRecord, Pending, Place, RecordArgs};
use super::{around, render};
use crate::cli::Common;
use crate::clock::Moment;
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::ui::{say, shown};

/// What is left, and where.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Write the undo file here; without this it is sealift-TIME-DATABASE.undo in the current folder
    #[arg(long, value_name = "FILE", conflicts_with = "no_undo")]
    undo: Option<PathBuf>,
    /// Write no undo file: what is written cannot be taken back
    #[arg(long)]
    no_undo: bool,
    #[command(flatten)]
    record: RecordArgs,
}

/// The files that work is going to leave.
pub struct Leaving {
    began: Moment,
    pub undo: Option<UndoTo>,
    record: Option<Pending>,
}

impl LeaveArgs {
    /// The files that were named. Names that are made up later are free ones.
    pub fn files(&self) -> Files {
        self.record.files().writes(Format::UndoFile, self.undo.as_deref(), false)
    }

    /// Finds where the files go, and that they can be made there.
    ///
    /// # Errors
    /// [`Failure`], naming the file that is there already, or cannot be made.
    pub fn prepare(&self, target: &Address, dry_run: bool) -> Result<Leaving, Failure> {
        let began = Moment::now();
        let stem = record::default_stem(Path::new(""), target, began);
        let record = self.record.prepare(&stem, !dry_run)?;
        let undo = (!self.no_undo).then(|| UndoTo {
            path: self.undo.clone().unwrap_or_else(|| record::ended(&stem, "undo")),
            created: Some(began.to_string()),
        });
        Ok(Leaving { began, undo, record })
    }
}

/// What was done, for its report.
pub struct Done<'d> {
    pub model: &'d Model,
    pub target: &'d Address,
    /// Where the bundle was.
    pub path: &'d Path,
    pub bundle: &'d Info,
    /// The saved plan that was carried out, where there was one.
    pub by_plan: Option<String>,
    /// What was asked for on the command line.
    pub options: Vec<String>,
    /// Whether the plan was shown before.
    pub was_shown: bool,
}

impl Leaving {
    /// Writes the record and says what was done.
    pub fn report(&self, common: &Common, done: Done<'_>, outcome: Outcome) -> Result<Exit, Failure> {
        let (outcome, plan, exit) = told(outcome);
        let record = ImportRecord {
            outcome,
            began: self.began,
            ended: Moment::now(),
            target: done.target.to_string(),
            path: done.path.display().to_string(),
            bundle: done.bundle,
            by_plan: done.by_plan,
            undo: self.undo_path().filter(|_| outcome == record::APPLIED),
            options: done.options,
            rows: plan.rows(done.model),
            plan: &plan,
        };
        let recorded = self.written(&record);
        match (outcome, &recorded) {
            (record::APPLIED, _) => crate::outcome::settle_effect(exit, committed(&record)),
            (_, Some(place)) => {
                let text = format!("{outcome}; the record is {}", place.json.display());
                crate::outcome::settle_effect(exit, text);
            }
            (_, None) => crate::outcome::settle(exit),
        }
        match common.json {
            true => print_json(&record, done.model, recorded)?,
            false => print(&record, done.model, done.was_shown, recorded)?,
        }
        Ok(exit)
    }

    fn undo_path(&self) -> Option<String> {
        self.undo.as_ref().map(|undo| undo.path.display().to_string())
    }

    /// Writes the record. One that cannot be written is told and no failure: the import has ended as it has, and
    /// a script that took it for failed would do it again.
    fn written(&self, record: &ImportRecord<'_>) -> Option<Place> {
        match self.record.as_ref()?.write(record) {
            Ok(place) => place,
            Err(failure) => {
                failure.warn(match record.outcome {
                    record::APPLIED => "the import is committed; only its record is missing",
                    _ => "only the record is missing",
                });
                None
            }
        }
    }
}

/// An outcome in a word, the plan that it is about, and the exit code.
fn told(outcome: Outcome) -> (&'static str, Plan, Exit) {
    match outcome {
        Outcome::Applied(plan) => (record::APPLIED, plan, Exit::Done),
        Outcome::DryRun(plan) => ("dry-run", plan, Exit::Done),
        Outcome::Nothing(plan) => ("nothing-to-do", plan, Exit::Done),
        Outcome::Refused(plan) => ("refused", plan, Exit::Refused),
        Outcome::Stale(findings) => ("stale", Plan { findings, ..Plan::default() }, Exit::Refused),
    }
}

fn print_json(done: &ImportRecord<'_>, model: &Model, recorded: Option<Place>) -> Result<(), Failure> {
    let mut answer = render::plan_json(done.plan);
    around::add(&mut answer, done.plan, model);
    if let Some(map) = answer.as_object_mut() {
        map.insert("outcome".to_owned(), json!(done.outcome));
        map.insert("target".to_owned(), json!(done.target));
        map.insert("undo".to_owned(), json!(done.undo));
        let place = recorded.map(|place| {
            json!({ "json": place.json.display().to_string(), "html": place.html.display().to_string() })
        });
        map.insert("record".to_owned(), json!(place));
    }
    super::print_json(&answer)
}

fn print(
    done: &ImportRecord<'_>,
    model: &Model,
    was_shown: bool,
    recorded: Option<Place>,
) -> Result<(), Failure> {
    let ImportRecord { outcome, plan, target, .. } = done;
    match *outcome {
        "stale" => {
            for finding in &plan.findings {
                say!("{}", render::finding_line(finding));
            }
            crate::ui::aside!("the target changed since the plan was made; nothing was written");
        }
        "applied" | "dry-run" => {
            if !was_shown {
                render::print_plan(plan)?;
                around::print(plan, model)?;
            }
            match *outcome {
                "applied" => say!("{}", committed(done)),
                _ => say!("dry run, rolled back: an import would have {}", wrote(plan)),
            }
        }
        "refused" => {
            render::print_plan(plan)?;
            around::print(plan, model)?;
            crate::ui::aside!("refused; nothing was written to {target}");
        }
        _ => {
            render::print_plan(plan)?;
            say!("{}", render::nothing_to_write(plan, Some(target)));
        }
    }
    match (&done.undo, *outcome) {
        (Some(undo), _) => say!("`sealift undo {}` takes it back", shown(undo)),
        (None, record::APPLIED) => say!("no undo file was written"),
        _ => {}
    }
    if let Some(Place { json, html }) = recorded {
        say!("record: {}, {}", shown(&json.display().to_string()), shown(&html.display().to_string()));
    }
    Ok(())
}

/// What was committed, in one line.
fn committed(done: &ImportRecord<'_>) -> String {
    format!("committed to {}: {}", done.target, wrote(done.plan))
}

fn wrote(plan: &Plan) -> String {
    let count = |action| plan.count(action);
    let mut text = format!(
        "{} created, {} updated, {} merged",
        count(Action::Create),
        count(Action::Update),
        count(Action::Merge)
    );
    if count(Action::Delete) > 0 {
        text.push_str(&format!(", {} deleted", count(Action::Delete)));
    }
    if count(Action::Skip) > 0 {
        text.push_str(&format!(", {} skipped", count(Action::Skip)));
    }
    text
}
