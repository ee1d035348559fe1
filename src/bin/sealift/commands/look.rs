//! `info`, `list` and `show`: what is in a bundle. Secrets are never opened here.

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{Bundle, Entry, Reason};
use sealift::document::{Key, json as document_json};
use sealift::ops;
use serde_json::json;

use crate::cli::Common;
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::ui::{self, shown};

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this kind
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Say of each document why it is in the bundle
    #[arg(long)]
    why: bool,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bundle; or a plan that `sealift plan -o` saved, which is shown as a whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The document's kind
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Its name, with scopes before it, separated by " / ", where the name alone is not enough; or its key as JSON
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub fn info(common: &Common, args: &InfoArgs) -> Result<Exit, Failure> {
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, None, &progress)?;
    progress.clear();
    let info = bundle.info();
    let notices = bundle.notices()?;
    if common.json {
        super::print_json(&json!({
            "file": args.file.display().to_string(),
            "format": sealift::bundle::FORMAT,
            "writer": info.writer,
            "model": info.header.model,
            "product_version": info.header.product_version,
            "created": info.created,
            "options": info.header.options,
            "content_root": info.content_root.to_string(),
            "file_root": info.file_root.to_string(),
            "file_bytes": info.file_bytes,
            "raw_bytes": info.raw_bytes,
            "documents": info.documents,
            "secrets": info.secrets,
            "passwords": info.slots,
            "kinds": info.kinds.iter().map(|k| json!({ "kind": k.name, "documents": k.documents, "secrets": k.secrets })).collect::<Vec<_>>(),
            "notices": notices.iter().map(|n| json!({ "code": n.code, "kind": n.kind, "key": n.key, "place": n.place, "text": n.text })).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    say!("{}", args.file.display());
    say!("  format         {} (written by {})", sealift::bundle::FORMAT, shown(&info.writer));
    let version = info.header.product_version.as_deref().unwrap_or("of unknown version");
    say!("  product        {} {}", shown(&info.header.model), shown(version));
    if let Some(created) = &info.created {
        say!("  created        {}", shown(created));
    }
    if let Some(options) = &info.header.options {
        say!("  exported with  {}", shown(options));
    }
    say!("  size           {} holding {}", ui::bytes(info.file_bytes), ui::bytes(info.raw_bytes));
    say!("  content root   {}", info.content_root);
    say!("  file root      {}", info.file_root);
    match info.slots {
        0 if info.secrets == 0 => say!("  secrets        none"),
        0 => say!("  secrets        {} places, without their values", info.secrets),
        n => say!(
            "  secrets        {}, sealed under {n} password{}",
            info.secrets,
            if n == 1 { "" } else { "s" }
        ),
    }
    say!("  documents      {}", info.documents);
    for kind in &info.kinds {
        say!("    {:24} {:>8}", shown(&kind.name), kind.documents);
    }
    if !notices.is_empty() {
        say!("  notices        {}", notices.len());
        for notice in notices {
            let name = notice.key.as_deref().and_then(|key| Key::parse(key).ok()).map(|k| k.to_string());
            let about: Vec<String> = [notice.kind, name, notice.place].into_iter().flatten().collect();
            say!("    {}: {}", shown(&about.join(" ")), shown(&notice.text));
        }
    }
    Ok(Exit::Done)
}

fn why(reason: &Reason) -> String {
    match reason {
        Reason::All => "everything was exported".to_owned(),
        Reason::Named => "named at the export".to_owned(),
        Reason::NeededBy { kind, key, place } => format!("needed by {kind} {key} at {place}"),
        Reason::BelongsTo { kind, key, place } => format!("belongs to {kind} {key} by {place}"),
    }
}

pub fn list(common: &Common, args: &ListArgs) -> Result<Exit, Failure> {
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, None, &progress)?;
    progress.clear();
    let kind = args.kind.as_deref().map(|kind| known_kind(&bundle, kind)).transpose()?;
    let mut documents = Vec::new();
    let mut last = String::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    bundle.entries(kind.as_deref(), &mut |entry| -> Result<(), Failure> {
        use std::io::Write;
        if common.json {
            let mut document = json!({
                "kind": entry.kind.as_str(),
                "key": document_json::describe_key(&entry.key),
                "content_id": entry.content_id.to_string(),
                "secrets": entry.secrets,
            });
            if let (true, Some(map)) = (args.why, document.as_object_mut()) {
                map.insert("why".to_owned(), json!(why(&entry.reason)));
            }
            documents.push(document);
            return Ok(());
        }
        if last != entry.kind.as_str() {
            last = entry.kind.to_string();
            writeln!(out, "{}", shown(&last))?;
        }
        let secrets = if entry.secrets > 0 {
            format!("  ({} secret{})", entry.secrets, if entry.secrets == 1 { "" } else { "s" })
        } else {
            String::new()
        };
        let why = if args.why { format!("  [{}]", shown(&why(&entry.reason))) } else { String::new() };
        writeln!(out, "  {}{secrets}{why}", shown(&entry.key.to_string()))?;
        Ok(())
    })?;
    drop(out.into_inner().map_err(std::io::IntoInnerError::into_error)?);
    if common.json {
        super::print_json(&json!({ "documents": documents }))?;
    }
    Ok(Exit::Done)
}

/// The name of a kind as the bundle spells it.
pub(super) fn known_kind(bundle: &Bundle, kind: &str) -> Result<String, Failure> {
    let kinds = &bundle.info().kinds;
    match kinds.iter().find(|k| k.name.eq_ignore_ascii_case(kind)) {
        Some(kind) => Ok(kind.name.clone()),
        None => {
            let names: Vec<&str> = kinds.iter().map(|k| k.name.as_str()).collect();
            Err(Failure::new(Exit::Usage, format!("the bundle holds no kind {kind:?}"))
                .hint(format!("it holds {}", shown(&names.join(", ")))))
        }
    }
}

/// How many namesakes an error lists.
const NAMESAKES: usize = 20;

/// Finds the one document that a person means by a name.
fn find(bundle: &Bundle, kind: &str, name: &str) -> Result<Entry, Failure> {
    let found = ops::named(bundle, kind, name)?;
    match found.as_slice() {
        [] => Err(Failure::new(Exit::Failed, format!("the bundle holds no {kind} named {name:?}"))
            .hint(format!("`sealift list FILE {kind}` lists them"))),
        [number] => Ok(bundle.entry(*number)?),
        several => {
            let mut names = Vec::new();
            for number in several.iter().take(NAMESAKES) {
                names.push(bundle.entry(*number)?.key.to_string());
            }
            if several.len() > NAMESAKES {
                names.push(format!("and {} more", several.len() - NAMESAKES));
            }
            Err(Failure::new(Exit::Usage, format!("{} documents are named {name:?}", several.len()))
                .hint(format!("say which: {}", shown(&names.join("; ")))))
        }
    }
}

pub fn show(common: &Common, args: &ShowArgs) -> Result<Exit, Failure> {
    let (kind, name) = match (&args.kind, &args.name) {
        (None, None) if super::saved::is_plan(&args.file) => return super::saved::show(common, &args.file),
        (Some(kind), Some(name)) => (kind, name),
        _ => {
            let text = "of a bundle one document is shown: give its kind and its name";
            return Err(Failure::new(Exit::Usage, text).hint("`sealift list FILE` lists them"));
        }
    };
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, None, &progress)?;
    progress.clear();
    let kind = known_kind(&bundle, kind)?;
    let entry = find(&bundle, &kind, name)?;
    let document = bundle.document(entry.number)?;
    let columns: serde_json::Map<String, serde_json::Value> =
        document.columns.iter().map(|(n, v)| (n.to_owned(), document_json::describe(v))).collect();
    let body = document.body.as_ref().map(document_json::describe);
    if common.json {
        super::print_json(&json!({
            "kind": entry.kind.as_str(),
            "key": document_json::describe_key(&entry.key),
            "source_id": document_json::describe(&entry.id),
            "content_id": entry.content_id.to_string(),
            "why": why(&entry.reason),
            "columns": columns,
            "body": body,
        }))?;
        return Ok(Exit::Done);
    }
    say!("{} {}", entry.kind, shown(&entry.key.to_string()));
    say!("  source id   {}", shown(&document_json::describe(&entry.id).to_string()));
    say!("  content id  {}", entry.content_id);
    say!("  why         {}", shown(&why(&entry.reason)));
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    say!("{}", pretty(&serde_json::Value::Object(columns)));
    if let Some(body) = body {
        say!("{}", pretty(&body));
    }
    Ok(Exit::Done)
}
