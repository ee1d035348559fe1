//! `model show` and `model check`: what a model says, and whether a model file holds together.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sealift::document::json::describe;
use sealift::model::{Kind, LoadError, MaintenanceRule, Model};
use sealift::text::{input, is_hidden};
use serde_json::json;

use super::model_text;
use super::model_view::{KindLine, KindView};
use crate::cli::Common;
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::ui::shown;

/// Arguments of `model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the kinds of the model, or show everything it says of one
    Show(ShowArgs),
    /// Check a model file: say what it describes, or the line where it is wrong
    Check(CheckArgs),
}

/// Arguments of `model show`.
#[derive(Debug, Args)]
struct ShowArgs {
    /// The kind to show
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Print the model file itself; the head of the built-in one explains the language
    #[arg(long, conflicts_with = "kind")]
    toml: bool,
}

/// Arguments of `model check`.
#[derive(Debug, Args)]
struct CheckArgs {
    /// The model file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub fn run(common: &Common, args: &ModelArgs) -> Result<Exit, Failure> {
    match &args.command {
        ModelCommand::Show(args) => show(common, args),
        ModelCommand::Check(args) => check(common, &args.file),
    }
}

fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    match &args.kind {
        _ if args.toml => toml(common, &model)?,
        None => overview(common, &model)?,
        Some(name) => {
            let view = KindView::of(&model, find(&model, name)?);
            if common.json {
                super::print_json(&serde_json::to_value(&view).map_err(std::io::Error::from)?)?;
            } else {
                model_text::print_kind(&view)?;
            }
        }
    }
    Ok(Exit::Done)
}

fn toml(common: &Common, model: &Model) -> Result<(), Failure> {
    let text = match &common.model {
        Some(path) => input::read_text(path, input::MAX_TEXT_FILE_BYTES).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
        })?,
        None => sealift::model::OCTOPUS_TOML.to_owned(),
    };
    if common.json {
        return super::print_json(&json!({ "model": model.name, "toml": text }));
    }
    let mut out = std::io::stdout().lock();
    // As TOML spells such characters itself: what is read of it is the same.
    for line in text.trim_end().lines() {
        let spelled = |c: char| match is_hidden(c) && c != '\t' {
            true => format!("\\U{:08X}", u32::from(c)),
            false => c.to_string(),
        };
        writeln!(out, "{}", line.chars().map(spelled).collect::<String>())?;
    }
    Ok(())
}

fn overview(common: &Common, model: &Model) -> Result<(), Failure> {
    let lines = KindLine::all(model);
    if common.json {
        let left: Vec<_> = model.left.iter().map(|l| json!({ "table": l.table, "why": l.why })).collect();
        return super::print_json(&json!({
            "model": model.name, "title": model.title, "kinds": lines, "tables_left_out": left,
            "maintenance": model.maintenance.as_ref().map(maintenance_json),
            "running": model.running.as_ref().map(|r| json!({
                "table": r.table, "column": r.column, "states": r.states,
            })),
        }));
    }
    say!("{} ({} kinds)", shown(&model.title), lines.len());
    model_text::print_overview(&lines)?;
    if !model.left.is_empty() {
        say!("tables left behind ({})", model.left.len());
        let left: Vec<(&str, &str)> = model.left.iter().map(|l| (l.table.as_str(), l.why.as_str())).collect();
        model_text::print_left(&left)?;
    }
    if let Some(rule) = &model.maintenance {
        let (row, at) = (describe(&rule.row), &rule.at.text);
        let on: Vec<String> = rule.on.iter().map(|on| describe(on).to_string()).collect();
        let told = format!("{}, {} {row}, at {at}: {}", rule.table, rule.column, on.join(" or "));
        say!("maintenance mode: {}", shown(&told));
    }
    if let Some(rule) = &model.running {
        let told = format!("{}, {}: {}", rule.table, rule.column, rule.states.join(", "));
        say!("tasks that wait or run: {}", shown(&told));
    }
    Ok(())
}

fn maintenance_json(rule: &MaintenanceRule) -> serde_json::Value {
    json!({
        "table": rule.table, "column": rule.column, "row": describe(&rule.row), "body": rule.body,
        "at": rule.at.text, "on": rule.on.iter().map(describe).collect::<Vec<_>>(), "how": rule.how,
    })
}

/// The kind of that name, without regard to case.
fn find<'m>(model: &'m Model, name: &str) -> Result<&'m Kind, Failure> {
    if let Some(kind) = model.kind(name) {
        return Ok(kind);
    }
    let has_part = |kind: &&Kind| kind.parts.iter().any(|p| p.name.as_str().eq_ignore_ascii_case(name));
    let hint = match model.kinds().iter().find(has_part) {
        Some(owner) => format!("it is a part of {0}: `sealift model show {0}`", owner.name),
        None => "`sealift model show` lists the kinds of a model".to_owned(),
    };
    Err(Failure::new(Exit::Usage, format!("the model has no kind {name:?}")).hint(hint))
}

fn check(common: &Common, file: &Path) -> Result<Exit, Failure> {
    let model = match Model::load(file) {
        Ok(model) => model,
        Err(LoadError::Wrong { file, line, problem }) if common.json => {
            crate::outcome::settle(Exit::Failed);
            super::print_json(&json!({
                "file": file, "sound": false, "line": line, "problem": problem.to_string(),
            }))?;
            return Ok(Exit::Failed);
        }
        // Elsewhere a wrong model is wrong usage; here it is the answer.
        Err(error) => {
            let mut failure = Failure::from(error);
            failure.exit = Exit::Failed;
            return Err(failure);
        }
    };
    let sum = |count: fn(&Kind) -> usize| model.kinds().iter().map(count).sum::<usize>();
    let (references, secrets) = (sum(|k| k.references.len()), sum(|k| k.secrets.len()));
    let (merges, kinds, left) = (sum(|k| k.merges.len()), model.kinds().len(), model.left.len());
    if common.json {
        super::print_json(&json!({
            "file": file.display().to_string(), "sound": true, "model": model.name, "title": model.title,
            "kinds": kinds, "references": references, "secrets": secrets, "merges": merges,
            "tables_left_out": left,
        }))?;
        return Ok(Exit::Done);
    }
    say!(
        "{}: {kinds} kinds, {references} references, {secrets} secrets, {merges} merge rules, {left} tables left behind",
        file.display()
    );
    Ok(Exit::Done)
}
