//! `info`, `list` and `show`: what is in a bundle. Secrets are never opened here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{Bundle, Coverage, Entry, Extent, KindInfo, Notice, Reason};
use sealift::document::{Key, json as document_json};
use sealift::ops;
use serde_json::json;

use crate::cli::{Common, ExpectArgs};
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::ui::{self, shown};

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    expect: ExpectArgs,
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
    #[command(flatten)]
    expect: ExpectArgs,
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
    #[command(flatten)]
    expect: ExpectArgs,
}

pub fn info(common: &Common, args: &InfoArgs) -> Result<Exit, Failure> {
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, args.expect.expect_root, None, &progress)?;
    progress.clear();
    let info = bundle.info();
    let notices = bundle.notices()?;
    let kinds = kinds(&bundle)?;
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
            "kinds": kinds.iter().map(Carried::json).collect::<Vec<_>>(),
            "notices": notices.iter().map(notice_json).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    say!("{}", args.file.display());
    say!("  format         {} (written by {})", sealift::bundle::FORMAT, ui::name(&info.writer));
    let version = info.header.product_version.as_deref().unwrap_or("of unknown version");
    say!("  product        {} {}", ui::name(&info.header.model), ui::name(version));
    if let Some(created) = &info.created {
        say!("  created        {}", ui::name(created));
    }
    if let Some(options) = &info.header.options {
        say!("  exported with  {}", ui::message(options));
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
    for kind in &kinds {
        say!("    {:24} {:>8}  {}", ui::name(&kind.name), kind.documents, kind.read());
    }
    if !notices.is_empty() {
        say!("  notices        {}", notices.len());
        // What is said of one path is said once, of however many ids.
        let same = |a: &Notice, b: &Notice| {
            (&a.code, &a.kind, &a.place, &a.text) == (&b.code, &b.kind, &b.place, &b.text)
        };
        let mut last: Option<Notice> = None;
        for notice in notices {
            if notice.value.is_none() || !last.as_ref().is_some_and(|last| same(last, &notice)) {
                let name = notice.key.as_deref().and_then(|key| Key::parse(key).ok()).map(|k| k.to_string());
                let parts = [&notice.kind, &name, &notice.place];
                let about: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
                say!("    {}: {}", ui::message(&about.join(" ")), ui::message(&notice.text));
            }
            last = Some(notice);
        }
    }
    Ok(Exit::Done)
}

fn notice_json(notice: &Notice) -> serde_json::Value {
    let Notice { code, kind, key, place, value, names_kind, names_key, text, count } = notice;
    json!({
        "code": code,
        "kind": kind,
        "key": key,
        "place": place,
        "value": value,
        "names_kind": names_kind,
        "names_key": names_key,
        "text": text,
        "count": count,
    })
}

/// What a bundle carries of a kind.
#[derive(Default)]
struct Carried {
    name: String,
    documents: u64,
    secrets: u64,
    /// Rows that the export read for it; `None` where the bundle does not say.
    rows: Option<u64>,
    /// Whether these were all rows of the source.
    whole: bool,
    /// Of how many documents all that belongs to them is here.
    owners: u64,
}

impl Carried {
    fn json(&self) -> serde_json::Value {
        json!({
            "kind": self.name,
            "documents": self.documents,
            "secrets": self.secrets,
            "rows_read": self.rows,
            "whole": self.whole,
            "owners_whole": self.owners,
        })
    }

    /// For people, how much of the source this is.
    fn read(&self) -> String {
        let rows = match self.rows {
            None => return "not known to be all".to_owned(),
            Some(1) => "1 row read".to_owned(),
            Some(rows) => format!("{rows} rows read"),
        };
        match (self.whole, self.owners) {
            (true, _) => format!("{rows}, all there are"),
            (false, 0) => rows,
            (false, 1) => format!("{rows}, all that belongs to 1 document"),
            (false, owners) => format!("{rows}, all that belongs to {owners} documents"),
        }
    }
}

/// The kinds of a bundle, and those that it says something of though it has none of their documents.
fn kinds(bundle: &Bundle) -> Result<Vec<Carried>, Failure> {
    let mut kinds: BTreeMap<String, Carried> = BTreeMap::new();
    for KindInfo { name, documents, secrets, .. } in &bundle.info().kinds {
        let carried =
            Carried { name: name.clone(), documents: *documents, secrets: *secrets, ..Carried::default() };
        kinds.insert(name.clone(), carried);
    }
    for Coverage { kind, extent } in bundle.coverage()? {
        let carried =
            kinds.entry(kind.clone()).or_insert_with(|| Carried { name: kind, ..Carried::default() });
        match extent {
            Extent::Whole { rows } => (carried.rows, carried.whole) = (Some(rows), true),
            Extent::Part { rows } => carried.rows = Some(rows),
            Extent::Belonging { .. } => carried.owners += 1,
        }
    }
    // A kind that neither side has anything of says nothing to anybody.
    Ok(kinds.into_values().filter(|kind| kind.documents > 0 || kind.rows > Some(0)).collect())
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
    let bundle = super::input::open(common, &args.file, args.expect.expect_root, None, &progress)?;
    progress.clear();
    let kind = args.kind.as_deref().map(|kind| known_kind(&bundle, kind)).transpose()?;
    let mut documents = Vec::new();
    let mut last = String::new();
    let mut out = ui::Out::new(std::io::BufWriter::new(std::io::stdout().lock()));
    bundle.entries(kind.as_deref(), &mut |entry| -> Result<(), Failure> {
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
        let why = if args.why { format!("  [{}]", ui::message(&why(&entry.reason))) } else { String::new() };
        writeln!(out, "  {}{secrets}{why}", shown(&entry.key.to_string()))?;
        Ok(())
    })?;
    out.finish()?;
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
    let found = ops::named(&ops::BundleDocuments::new(bundle, None), kind, name)?;
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
        (None, None) if super::saved::is_plan(&args.file) => {
            if args.expect.expect_root.is_some() {
                let text = "--expect-root is for bundles, and this is a saved plan";
                return Err(Failure::new(Exit::Usage, text));
            }
            return super::saved::show(common, &args.file);
        }
        (Some(kind), Some(name)) => (kind, name),
        _ => {
            let text = "of a bundle one document is shown: give its kind and its name";
            return Err(Failure::new(Exit::Usage, text).hint("`sealift list FILE` lists them"));
        }
    };
    let progress = ui::Bars::new();
    let bundle = super::input::open(common, &args.file, args.expect.expect_root, None, &progress)?;
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
    say!("  source id   {}", ui::name(&document_json::describe(&entry.id).to_string()));
    say!("  content id  {}", entry.content_id);
    say!("  why         {}", ui::message(&why(&entry.reason)));
    super::print_json(&serde_json::Value::Object(columns))?;
    if let Some(body) = body {
        super::print_json(&body)?;
    }
    Ok(Exit::Done)
}
