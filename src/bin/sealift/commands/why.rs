//! `why`: the path by which a document came into a bundle.

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{Entry, Reason};
use sealift::document::{Key, KindName, json as document_json};
use sealift::ops::{self, BundleDocuments, PathEnd, WhyPath};
use serde_json::json;

use crate::cli::{Common, ExpectArgs};
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::ui::{self, shown};

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The document's kind
    #[arg(value_name = "KIND")]
    kind: String,
    /// Its name, with or without the scopes before it, separated by " / "; or its key as JSON. All documents
    /// of the name are shown
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    expect: ExpectArgs,
}

pub fn run(common: &Common, args: &WhyArgs) -> Result<Exit, Failure> {
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, args.expect.expect_root, None, &progress)?;
    progress.clear();
    let kind = super::look::known_kind(&bundle, &args.kind)?;
    let paths = ops::why(&BundleDocuments::new(&*bundle, None), &kind, &args.name)?;
    if common.json {
        let documents: Vec<_> = paths.iter().map(path_json).collect();
        super::print_json(&json!({ "documents": documents }))?;
        return Ok(Exit::Done);
    }
    for path in &paths {
        print(path)?;
    }
    Ok(Exit::Done)
}

/// A reason that names another document: as a stable word, the document, and the place.
fn cause(reason: &Reason) -> Option<(&'static str, &KindName, &Key, &str)> {
    match reason {
        Reason::NeededBy { kind, key, place } => Some(("needed-by", kind, key, place)),
        Reason::BelongsTo { kind, key, place } => Some(("belongs-to", kind, key, place)),
        Reason::Named | Reason::All => None,
    }
}

fn print(path: &WhyPath) -> Result<(), Failure> {
    for (index, Entry { kind, key, reason, .. }) in path.steps.iter().enumerate() {
        if index == 0 {
            say!("{} {}", shown(kind.as_str()), shown(&key.to_string()));
        }
        let Some((word, kind, key, place)) = cause(reason) else { continue };
        let words = match (index, word) {
            (0, "needed-by") => "needed by",
            (0, _) => "belongs to",
            (_, "needed-by") => "which is needed by",
            (..) => "which belongs to",
        };
        say!("  {words} {} {} at {}", shown(kind.as_str()), shown(&key.to_string()), ui::name(place));
    }
    let which = if path.steps.len() > 1 { "which " } else { "" };
    match path.end {
        PathEnd::Named => say!("  {which}was named on the command line"),
        PathEnd::All => say!("  {which}was taken because everything was exported"),
        PathEnd::NotInBundle => say!("  which was looked through and is not in the bundle itself"),
    }
    Ok(())
}

fn path_json(path: &WhyPath) -> serde_json::Value {
    let end = match path.end {
        PathEnd::Named => "named",
        PathEnd::All => "all",
        PathEnd::NotInBundle => "not-in-bundle",
    };
    let causes = path.steps.iter().filter_map(|step| cause(&step.reason)).map(|(word, kind, key, place)| {
        json!({ "reason": word, "kind": kind.as_str(), "key": document_json::describe_key(key), "place": place })
    });
    let document = path.steps.first();
    json!({
        "kind": document.map(|d| d.kind.as_str()),
        "key": document.map(|d| document_json::describe_key(&d.key)),
        "path": causes.chain([json!({ "reason": end })]).collect::<Vec<_>>(),
    })
}
