//! `model`: the kinds of the product, or the built-in model file to start another from.

use clap::Args;
use serde_json::json;

use crate::cli::Common;
use crate::exit::{Exit, Failure};
use crate::ui::say;

/// Arguments of `model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Print the built-in model file, whose head explains the language
    #[arg(long)]
    toml: bool,
}

pub fn run(common: &Common, args: &ModelArgs) -> Result<Exit, Failure> {
    if args.toml {
        say!("{}", sealift::model::OCTOPUS_TOML.trim_end());
        return Ok(Exit::Done);
    }
    let model = super::load_model(common)?;
    let key = |kind: &sealift::model::Kind| kind.key.iter().map(|k| k.column.clone()).collect::<Vec<_>>();
    if common.json {
        let kinds: Vec<_> = model
            .kinds()
            .iter()
            .map(|kind| {
                json!({
                    "kind": kind.name.as_str(), "table": kind.table, "key": key(kind),
                    "references": kind.references.len(), "secrets": kind.secrets.len(), "groups": kind.groups,
                })
            })
            .collect();
        super::print_json(&json!({ "model": model.name, "title": model.title, "kinds": kinds }))?;
        return Ok(Exit::Done);
    }
    say!("{} ({} kinds)", model.title, model.kinds().len());
    for kind in model.kinds() {
        say!(
            "  {:26} {:24} key {:28} {:>3} references, {:>2} secrets",
            kind.name.as_str(),
            kind.table,
            key(kind).join(" + "),
            kind.references.len(),
            kind.secrets.len()
        );
    }
    Ok(Exit::Done)
}
