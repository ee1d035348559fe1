//! `salvage`: what is whole of a damaged bundle, as a new bundle; and how the rest is told.

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{Condition, Header, KindState, Limits, Lost, MOST_LOST, State};
use sealift::document::Key;
use sealift::ops::{self, Salvage, SalvageError, SalvageOptions, SalvageReport, SealedValues};
use serde_json::json;

use crate::cli::{Common, ExpectedRoot, PasswordArgs};
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::outcome;
use crate::ui::{say, shown};
use crate::{secrets, ui};

/// How many documents that are not whole are shown as text.
const SHOWN: usize = 20;

/// Arguments of `salvage`.
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// The damaged bundle; it is not changed
    #[arg(value_name = "DAMAGED")]
    file: PathBuf,
    /// The new bundle
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Overwrite the output
    #[arg(long)]
    force: bool,
    /// Take documents along whose content is right, but whose key (name) may have been damaged
    #[arg(long)]
    uncertain: bool,
    /// Leave the values of secrets out
    #[arg(long, conflicts_with = "password_file")]
    no_secrets: bool,
    /// Hold the documents against this content root, instead of the one that the damaged bundle says; refuse a bundle
    /// that is not damaged unless this is one of its roots
    #[arg(long, value_name = "ROOT")]
    expect_root: Option<ExpectedRoot>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl SalvageArgs {
    pub fn files(&self) -> Files {
        Files::default()
            .reads_bundle("damaged bundle", &self.file)
            .reads("password file", &self.password.password_file)
            .writes(Format::Bundle, self.output.as_path(), self.force)
    }
}

pub fn run(common: &Common, args: &SalvageArgs) -> Result<Exit, Failure> {
    super::input::expect_bundle(&args.file)?;
    let password = match args.no_secrets {
        true => None,
        false => secrets::given_password(args.password.password_file.as_deref())?,
    };
    let model = super::load_model(common)?;
    let options = SalvageOptions {
        uncertain: args.uncertain,
        secrets: !args.no_secrets,
        password: password.as_ref(),
        header: Header::new(model.name.clone(), model.digest, None),
        force: args.force,
        limits: Limits::default(),
        kdf: common.kdf_limits(),
        expected_root: args.expect_root.map(|root| root.0),
    };
    let progress = ui::Bars::new();
    let done = ops::salvage(&args.file, &args.output, &options, &progress);
    progress.clear();
    let report = match done {
        Ok(Salvage::Written(report)) => report,
        Ok(Salvage::Sound) => {
            if common.json {
                super::print_json(&json!({
                    "file": args.file.display().to_string(), "sound": true, "output": null,
                }))?;
            } else {
                say!("nothing is damaged in {}; nothing was written", args.file.display());
            }
            return Ok(Exit::Done);
        }
        Err(SalvageError::NothingWhole { path, state }) => {
            // What there was is told all the same.
            let shown = if common.json {
                super::print_json(&json!({
                    "file": args.file.display().to_string(), "sound": false, "output": null,
                    "documents": state.documents, "documents_salvaged": 0,
                    "kinds": kinds_json(&state.kinds), "lost": lost_json(&state.lost),
                    "lost_unlisted": state.lost_unlisted,
                }))
            } else {
                tell(&state.kinds, &state.lost, state.lost_unlisted)
            };
            return Err(Failure::from(SalvageError::NothingWhole { path, state }).after(shown));
        }
        Err(error) => return Err(error.into()),
    };
    let exit = if report.is_complete() { Exit::Done } else { Exit::Differences };
    let effect = format!("{} holds {} documents", args.output.display(), report.summary.documents);
    outcome::settle_effect(exit, effect);
    match common.json {
        true => print_json(args, &report)?,
        false => print_text(args, &report)?,
    }
    Ok(exit)
}

fn print_text(args: &SalvageArgs, report: &SalvageReport) -> Result<(), Failure> {
    let SalvageReport { summary, state, .. } = report;
    tell(&state.kinds, &state.lost, state.lost_unlisted)?;
    say!("{}: {} of {} documents", args.output.display(), summary.documents, state.documents);
    if report.uncertain > 0 {
        say!("  {} of them under keys that nothing vouches for", report.uncertain);
    }
    if report.refused > 0 {
        say!("  {} could be read, but no bundle can hold them", report.refused);
    }
    if state.without_index > 0 {
        say!("  {} have lost their source ids and why they were exported", state.without_index);
    }
    say!("  {}", values(report));
    if !report.header {
        say!("  where its documents come from is lost; the new bundle names the model in use");
    }
    match report.notices_lost {
        Some(0) => {}
        Some(lost) => say!("  {lost} notices of the export are lost"),
        None => say!("  the notices of the export are lost"),
    }
    if report.is_complete() {
        say!("  nothing that can be told was lost");
    }
    Ok(())
}

fn values(report: &SalvageReport) -> String {
    let kept = report.summary.sealed;
    let lost = match report.values_lost() {
        Some(0) => String::new(),
        Some(lost) => format!("; {lost} are lost"),
        None => "; how many are lost cannot be told".to_owned(),
    };
    match report.values {
        SealedValues::None => "it had no values of secrets".to_owned(),
        SealedValues::Opened => format!("{kept} values of secrets, each opened{lost}"),
        SealedValues::Unopened => {
            format!(
                "{kept} values of secrets, taken along unopened{lost}; give the password to leave out those that do not open"
            )
        }
        SealedValues::EnvelopeLost => {
            format!("no value of a secret: what its password opens is damaged{lost}")
        }
        SealedValues::LeftOut => "no value of a secret, as was asked for".to_owned(),
    }
}

fn print_json(args: &SalvageArgs, report: &SalvageReport) -> Result<(), Failure> {
    let SalvageReport { summary, state, .. } = report;
    let values = match report.values {
        SealedValues::None => "none",
        SealedValues::Opened => "opened",
        SealedValues::Unopened => "unopened",
        SealedValues::EnvelopeLost => "envelope-lost",
        SealedValues::LeftOut => "left-out",
    };
    let State { documents, without_index, keys_proven, .. } = state;
    super::print_json(&json!({
        "file": args.file.display().to_string(),
        "sound": false,
        "output": args.output.display().to_string(),
        "complete": report.is_complete(),
        "documents": documents,
        "documents_salvaged": summary.documents,
        "documents_uncertain": report.uncertain,
        "documents_refused": report.refused,
        "documents_without_index": without_index,
        "keys_proven": keys_proven,
        "secrets": values,
        "secrets_salvaged": summary.sealed,
        "secrets_lost": report.values_lost(),
        "header": report.header,
        "notices_lost": report.notices_lost,
        "content_root": summary.content_root.to_string(),
        "file_root": summary.file_root.to_string(),
        "kinds": kinds_json(&state.kinds),
        "lost": lost_json(&state.lost),
        "lost_unlisted": state.lost_unlisted,
    }))
}

/// The kinds of a damaged bundle, for JSON.
pub fn kinds_json(kinds: &[KindState]) -> Vec<serde_json::Value> {
    let one = |kind: &KindState| {
        json!({
            "kind": kind.kind, "whole": kind.whole, "uncertain": kind.uncertain, "damaged": kind.damaged,
        })
    };
    kinds.iter().map(one).collect()
}

/// The documents that are not whole, for JSON.
pub fn lost_json(lost: &[Lost]) -> Vec<serde_json::Value> {
    let one = |lost: &Lost| {
        json!({
            "document": lost.number, "kind": lost.kind, "key": lost.key,
            "condition": lost.condition.word(), "problem": lost.problem,
        })
    };
    lost.iter().map(one).collect()
}

/// Says for each kind how much is left, and names the first documents that are not whole.
pub fn tell(kinds: &[KindState], lost: &[Lost], unlisted: u64) -> Result<(), Failure> {
    // Where every document is whole, the one sum says it all.
    let intact = kinds.iter().all(|kind| kind.uncertain + kind.damaged == 0);
    for kind in kinds.iter().filter(|_| !intact) {
        let name = kind.kind.as_deref().unwrap_or("(of a kind that cannot be told)");
        let counts = [
            (kind.whole, Condition::Whole),
            (kind.uncertain, Condition::Uncertain),
            (kind.damaged, Condition::Damaged),
        ];
        let counts: Vec<_> = counts
            .iter()
            .filter(|(count, condition)| *count > 0 || *condition == Condition::Whole)
            .map(|(count, condition)| format!("{count} {}", condition.word()))
            .collect();
        say!("  {}: {}", ui::name(name), counts.join(", "));
    }
    for lost in lost.iter().take(SHOWN) {
        let kind = lost.kind.as_deref().map_or("a document", |kind| kind);
        let key = match &lost.key {
            Some(key) => Key::parse(key).map_or_else(|_| ui::name(key), |key| key.to_string()),
            None => format!("number {}", lost.number),
        };
        say!("  {} {} {}: {}", lost.condition.word(), ui::name(kind), shown(&key), ui::message(lost.problem));
    }
    let more = lost.len().saturating_sub(SHOWN) as u64 + unlisted;
    if more > 0 {
        let all = if unlisted == 0 { "lists them" } else { "lists the first" };
        let most = if unlisted == 0 { String::new() } else { format!(" {MOST_LOST}") };
        say!("  and {more} more that are not whole; --json {all}{most}");
    }
    Ok(())
}
