//! `export` and `partial-export`: a server's documents into a bundle, or into a folder of files.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::{Header, Limits, Previous, Protection, UncheckedBundle, Writer, WriterOptions};
use sealift::crypto::{Envelope, KdfParams};
use sealift::document::{Reference, json as document_json};
use sealift::model::Model;
use sealift::ops::Versions;
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{
    self, ExportError, ExportOptions, ExportReport, Needed, Root, Undeclared, UndeclaredSecret, Unreadable,
    VendorReport, Without,
};
use sealift::progress::{Preliminary, Progress};
use sealift::server::Server;
use sealift::tree::TreeSummary;
use serde_json::json;

use super::convert::{self, FolderArgs};
use super::vendor;
use crate::cli::{Common, MasterKeyArgs, PasswordArgs, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::{self, Files};
use crate::outcome;
use crate::ui::say;
use crate::{secrets, ui};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The server to read: mssql://USER@HOST/DATABASE, sqlite:PATH, or a folder that the product's own migrator
    /// exported
    #[arg(value_name = "SERVER")]
    server: String,
    /// The bundle to write; or the folder of files, where there is one or the name ends with a slash
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Export this project and all it needs (may be given several times)
    #[arg(long, value_name = "NAME")]
    project: Vec<String>,
    /// Export the projects of this group and all they need (may be given several times)
    #[arg(long, value_name = "NAME")]
    project_group: Vec<String>,
    /// Export the document KIND/NAME of any kind and all it needs (may be given several times)
    #[arg(long, value_name = "KIND/NAME")]
    include: Vec<String>,
    /// Take only documents of this space, and the server-wide ones that they refer to (may be given several
    /// times); names of projects are looked up in it
    #[arg(long, value_name = "NAME")]
    space: Vec<String>,
    /// Leave out a kind (may be given several times)
    #[arg(long, value_name = "KIND")]
    exclude: Vec<String>,
    /// Take only this kind (may be given several times)
    #[arg(long, value_name = "KIND")]
    only: Vec<String>,
    /// Take a kind that stays behind unless it is asked for: ApiKey, Configuration (may be given several times)
    #[arg(long, value_name = "KIND")]
    also: Vec<String>,
    /// Of the projects' releases take this version, this range (2.5.0-3.1.0, both ends included) or all (*)
    #[arg(long, value_name = "VERSION", conflicts_with = "ignore_history")]
    release_version: Vec<String>,
    /// Leave out history: releases, snapshots, deployments, runs, tasks, events
    #[arg(long, visible_alias = "no-history")]
    ignore_history: bool,
    /// Leave out deployments, runs and their tasks; releases and snapshots are taken
    #[arg(long)]
    ignore_deployments: bool,
    /// Leave out tenants and their variables
    #[arg(long)]
    ignore_tenants: bool,
    /// Leave out certificates
    #[arg(long)]
    ignore_certificates: bool,
    /// Leave out deployment targets and workers
    #[arg(long)]
    ignore_machines: bool,
    /// Export without the values of secrets; no password and no master key are needed
    #[arg(long)]
    no_secrets: bool,
    /// Fail, and write nothing, if ids or secrets stand where the model knows of none, or if tables would not be carried
    /// because the model does not know them
    #[arg(long)]
    strict: bool,
    /// Leave out documents that cannot be read (damaged JSON, a secret that does not decrypt), list them, and record them in
    /// the bundle, which then does not say of their kinds that it carries all of them
    #[arg(long)]
    skip_unreadable: bool,
    /// Overwrite the output if it exists; secrets that did not change keep their encrypted bytes
    #[arg(short, long)]
    force: bool,
    /// Keep the encrypted bytes of secrets that are the same in this earlier bundle or folder (same password)
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Memory for deriving the key from the password, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=1024))]
    kdf_memory: u32,
    /// Read the password of an export folder of the product's migrator from this file (else
    /// SEALIFT_SOURCE_PASSWORD, else a prompt)
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    master_key: MasterKeyArgs,
    #[command(flatten)]
    login: ServerArgs,
}

impl ExportArgs {
    pub fn files(&self) -> Files {
        Files::default()
            .reads_server(&self.server)
            .reads_bundle(files::EARLIER, &self.previous)
            .reads("password file", &self.source_password_file)
            .reads("password file", &self.password.password_file)
            .reads("master key file", &self.master_key.master_key_file)
            .reads("password file", &self.login.sql_password_file)
            .writes(convert::format(&self.output), self.output.as_path(), self.force)
    }
}

/// An export of everything that a folder of the product's migrator holds.
pub struct Everything<'a> {
    pub folder: String,
    pub output: &'a Path,
    pub force: bool,
    pub no_secrets: bool,
    pub source_password_file: Option<&'a Path>,
    pub password_file: Option<&'a Path>,
    pub scripts: convert::Scripts,
    pub replace: bool,
}

impl Everything<'_> {
    /// The same as the command's arguments.
    pub fn args(self) -> ExportArgs {
        ExportArgs {
            server: self.folder,
            output: self.output.to_owned(),
            project: Vec::new(),
            project_group: Vec::new(),
            include: Vec::new(),
            space: Vec::new(),
            exclude: Vec::new(),
            only: Vec::new(),
            also: Vec::new(),
            release_version: Vec::new(),
            ignore_history: false,
            ignore_deployments: false,
            ignore_tenants: false,
            ignore_certificates: false,
            ignore_machines: false,
            no_secrets: self.no_secrets,
            strict: false,
            skip_unreadable: false,
            force: self.force,
            previous: None,
            kdf_memory: 256,
            source_password_file: self.source_password_file.map(Path::to_owned),
            folder: FolderArgs { scripts: self.scripts, replace: self.replace },
            password: PasswordArgs { password_file: self.password_file.map(Path::to_owned) },
            master_key: MasterKeyArgs { master_key_file: None },
            login: ServerArgs::default(),
        }
    }
}

pub fn run(common: &Common, args: &ExportArgs, partial: bool) -> Result<Exit, Failure> {
    let roots = roots(args)?;
    if partial && roots.is_empty() {
        return Err(Failure::new(Exit::Usage, "partial-export needs a project to start from")
            .hint("name one with --project NAME or --project-group NAME, or take everything with `export`"));
    }
    if roots.is_empty() && !args.release_version.is_empty() {
        return Err(Failure::new(Exit::Usage, "--release-version chooses among the releases of projects")
            .hint("name a project with --project NAME or --project-group NAME"));
    }
    let model = super::load_model(common)?;
    let migrated = vendor::recognise(&args.server);
    let server = match &migrated {
        Some(_) => None,
        None => Some(super::open_server(&args.server.parse()?, &args.login)?),
    };
    let to_folder = convert::is_folder(&args.output);
    let progress = ui::Bars::new();
    let (mut server, master_key, found): (Box<dyn Server>, _, _) = match (server, migrated) {
        (Some(server), _) => (
            server,
            secrets::master_key(args.master_key.master_key_file.as_deref())?,
            VendorReport::default(),
        ),
        (None, migrated) => {
            let password = match args.no_secrets {
                true => None,
                false => Some(secrets::source_password(args.source_password_file.as_deref())?),
            };
            let migrated = migrated.unwrap_or_default();
            let server = vendor::open(&migrated, password.as_ref(), &model, &progress)?;
            let (key, report) = (server.key(), server.report().clone());
            (Box::new(server), key, report)
        }
    };
    let read = if args.no_secrets { ServerSecrets::Mask } else { ServerSecrets::Read(master_key.as_ref()) };
    let folder = sealift::temporary::folder()?;
    let mut options = WriterOptions { force: args.force, ..WriterOptions::default() };
    // A product without secrets needs no password.
    if !args.no_secrets && model.has_secrets() {
        protect(common, args, &model, folder.path(), &mut options)?;
    }
    let out = if to_folder { folder.path().join("export.sealift") } else { args.output.clone() };
    let mut reader = server.read()?;
    let version = ops::product_version(&mut *reader, &model)?;
    let mut header = Header::new(model.name.clone(), model.digest, version);
    header.options = choice(args);
    let mut writer = Writer::create(&out, header, options)?;
    for notice in found.notices() {
        writer.notice(notice)?;
    }
    let wanted = ExportOptions {
        roots,
        scopes: args.space.clone(),
        exclude: args.exclude.clone(),
        only: args.only.clone(),
        ignore: ignored(args),
        ask: args.also.clone(),
        versions: versions(args)?,
        secrets: read,
        strict: args.strict,
        skip_unreadable: args.skip_unreadable,
        // What a folder was exported with nobody knows.
        partial_source: found.metadata.is_some(),
    };
    let preliminary = Preliminary(&progress);
    let exporting: &dyn Progress = if to_folder { &preliminary } else { &progress };
    let report = ops::export(&mut *reader, &model, writer, &wanted, exporting);
    progress.clear();
    let report = report.map_err(|error| {
        let (found, beyond, secrets, unknown) = match &error {
            ExportError::Undeclared { found, beyond, secrets } => (found, beyond, secrets, [].as_slice()),
            ExportError::UnknownTables { unknown, found, beyond, secrets } => {
                (found, beyond, secrets, unknown.as_slice())
            }
            _ => return Failure::from(error),
        };
        let shown = match common.json {
            true => super::print_json(&json!({
                "undeclared_references": undeclared_json(found),
                "undeclared_references_beyond": beyond,
                "undeclared_secrets": secrets_json(secrets),
                "unknown_tables": unknown_json(unknown),
            })),
            false => show_unknown(unknown)
                .and_then(|()| show_undeclared(found, *beyond))
                .and_then(|()| show_secrets(secrets, 0)),
        };
        Failure::from(error).after(shown)
    })?;
    let mut tree = None;
    if to_folder {
        let bundle = UncheckedBundle::open(&out, &Limits::default())?.check(&progress)?;
        tree = Some(args.folder.write(common, &bundle, &model, &args.output, args.force, &progress)?);
        progress.clear();
    }
    let effect = format!("{} holds {} documents", args.output.display(), report.summary.documents);
    let exit = if report.unreadable.is_empty() { Exit::Done } else { Exit::Differences };
    outcome::settle_effect(exit, effect);
    show(common, &args.output, &report, &found, tree.as_ref())?;
    Ok(exit)
}

/// The options that choose documents, as they were given; `None` for an export of everything.
fn choice(args: &ExportArgs) -> Option<String> {
    let named = [
        ("--project", &args.project),
        ("--project-group", &args.project_group),
        ("--include", &args.include),
        ("--space", &args.space),
        ("--exclude", &args.exclude),
        ("--only", &args.only),
        ("--also", &args.also),
        ("--release-version", &args.release_version),
    ];
    let mut given: Vec<String> = Vec::new();
    for (option, values) in named {
        given.extend(values.iter().map(|value| format!("{option} {value:?}")));
    }
    given.extend(ignored(args).into_iter().map(|group| format!("--ignore-{group}")));
    (!given.is_empty()).then(|| given.join(" "))
}

/// The groups of kinds that are left out, as models name them.
fn ignored(args: &ExportArgs) -> Vec<String> {
    let groups = [
        (args.ignore_history, "history"),
        (args.ignore_deployments, "deployments"),
        (args.ignore_tenants, "tenants"),
        (args.ignore_certificates, "certificates"),
        (args.ignore_machines, "machines"),
    ];
    groups.iter().filter(|(ignored, _)| *ignored).map(|(_, group)| (*group).to_owned()).collect()
}

fn versions(args: &ExportArgs) -> Result<Option<Versions>, Failure> {
    let mut versions: Option<Versions> = None;
    for text in &args.release_version {
        match Versions::parse(text).map_err(|e| Failure::new(Exit::Usage, e.to_string()))? {
            // All of them, whatever else is named.
            None => return Ok(None),
            Some(more) => versions = Some(versions.map_or(more.clone(), |known| known.or(more))),
        }
    }
    Ok(versions)
}

fn roots(args: &ExportArgs) -> Result<Vec<Root>, Failure> {
    let mut roots: Vec<Root> = Vec::new();
    for name in &args.project {
        roots.push(Root::Named { kind: "Project".to_owned(), name: name.clone() });
    }
    for name in &args.project_group {
        let (kind, of) = ("Project".to_owned(), "ProjectGroup".to_owned());
        roots.push(Root::Members { kind, of, name: name.clone() });
    }
    for text in &args.include {
        let Some((kind, name)) = text.split_once('/') else {
            return Err(Failure::new(Exit::Usage, format!("{text:?} is not KIND/NAME")));
        };
        roots.push(Root::Named { kind: kind.to_owned(), name: name.to_owned() });
    }
    Ok(roots)
}

/// Sets up the sealing of secrets: with a new key, or with that of an earlier bundle so that what did not
/// change keeps its bytes.
fn protect(
    common: &Common,
    args: &ExportArgs,
    model: &Model,
    folder: &Path,
    options: &mut WriterOptions,
) -> Result<(), Failure> {
    let file = args.password.password_file.as_deref();
    let tree = args.previous.as_ref().unwrap_or(&args.output);
    if let Some(previous) = convert::earlier_tree(common, tree, model, file, folder, &ui::Bars::new())?
        && let Some(envelope) = previous.bundle.envelope().cloned()
    {
        options.protection = Protection::Password { envelope, key: previous.key.duplicate() };
        options.previous = Some(previous);
        return Ok(());
    }
    let earlier = match &args.previous {
        Some(path) => Some(path.clone()),
        None if args.force && args.output.is_file() => Some(args.output.clone()),
        None => None,
    };
    if let Some(path) = earlier {
        let found = earlier_bundle(common, &path, args, options);
        match (found, &args.previous) {
            (Ok(true), _) => return Ok(()),
            (Err(failure), Some(_)) => return Err(failure),
            (Ok(false), Some(_)) => {
                let text = format!("{} holds no secrets whose bytes could be kept", path.display());
                return Err(Failure::new(Exit::Usage, text));
            }
            // What is merely overwritten may be anything.
            (Ok(false) | Err(_), None) => {}
        }
    }
    let password = secrets::new_password(file)?;
    let params = KdfParams { memory_kib: args.kdf_memory * 1024, ..KdfParams::default() };
    let (envelope, key) = Envelope::create(&password, params)
        .map_err(|e| Failure::new(Exit::Failed, format!("cannot make a key: {e}")))?;
    options.protection = Protection::Password { envelope, key };
    Ok(())
}

fn earlier_bundle(
    common: &Common,
    path: &Path,
    args: &ExportArgs,
    options: &mut WriterOptions,
) -> Result<bool, Failure> {
    let progress = ui::Bars::new();
    let bundle = UncheckedBundle::open(path, &Limits::default())?.check(&progress)?;
    let Some(envelope) = bundle.envelope().cloned() else { return Ok(false) };
    let password = secrets::password(args.password.password_file.as_deref())?;
    let key = super::unlock_with(common, &bundle, &password)?;
    options.previous = Some(Previous { bundle, key: key.duplicate() });
    options.protection = Protection::Password { envelope, key };
    Ok(true)
}

fn show(
    common: &Common,
    output: &Path,
    report: &ExportReport,
    found: &VendorReport,
    tree: Option<&TreeSummary>,
) -> Result<(), Failure> {
    let ExportReport { summary, unknown, left, dangling, undeclared, undeclared_beyond, .. } = report;
    let (secrets, secrets_beyond) = (&report.undeclared_secrets, report.undeclared_secrets_beyond);
    if common.json {
        let unknown = unknown_json(unknown);
        let left: Vec<_> = left.iter().map(|(t, why)| json!({ "table": t, "why": why })).collect();
        let mut answer = json!({
            "content_root": summary.content_root.to_string(),
            "documents": summary.documents,
            "secrets": summary.secrets,
            "raw_bytes": summary.raw_bytes,
            "kinds": summary.kinds.iter().map(|k| json!({ "kind": k.name, "documents": k.documents, "secrets": k.secrets })).collect::<Vec<_>>(),
            "dangling_references": dangling,
            "undeclared_references": undeclared_json(undeclared),
            "undeclared_references_beyond": undeclared_beyond,
            "undeclared_secrets": secrets_json(secrets),
            "undeclared_secrets_beyond": secrets_beyond,
            "unreadable": report.unreadable.iter().map(unreadable_json).collect::<Vec<_>>(),
            "unreadable_beyond": report.unreadable_beyond,
            "needed": report.needed.iter().map(needed_json).collect::<Vec<_>>(),
            "needed_beyond": report.needed_beyond,
            "unknown_tables": unknown,
            "tables_left_out": left,
            "export_folder": found.metadata.is_some().then(|| vendor::report_json(found)),
        });
        if let Some(map) = answer.as_object_mut() {
            match tree {
                Some(tree) => drop(map.insert("folder".to_owned(), convert::tree_json(output, tree))),
                None => {
                    map.insert("file".to_owned(), json!(output.display().to_string()));
                    map.insert("file_root".to_owned(), json!(summary.file_root.to_string()));
                    map.insert("file_bytes".to_owned(), json!(summary.file_bytes));
                }
            }
        }
        return super::print_json(&answer);
    }
    say!("{}: {} documents, {} secrets", output.display(), summary.documents, summary.secrets);
    for kind in &summary.kinds {
        say!("  {:24} {:>8}", kind.name, kind.documents);
    }
    match tree {
        Some(tree) => convert::say_tree(output, tree)?,
        None => say!("{} of content in {}", ui::bytes(summary.raw_bytes), ui::bytes(summary.file_bytes)),
    }
    say!("content root {}", summary.content_root);
    show_unreadable(&report.unreadable, report.unreadable_beyond)?;
    show_needed(&report.needed, report.needed_beyond)?;
    if *dangling > 0 {
        say!("{dangling} references name nothing on the server; `sealift info` lists them");
    }
    show_unknown(unknown)?;
    vendor::show(found)?;
    show_undeclared(undeclared, *undeclared_beyond)?;
    show_secrets(secrets, secrets_beyond)
}

fn show_unreadable(found: &[Unreadable], beyond: u64) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    say!("documents that cannot be read, left out (the bundle does not carry all of their kinds):");
    for unreadable in found.iter().take(SHOWN) {
        let name = unreadable.key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default();
        say!("  {}{}", ui::message(&unreadable.problem), ui::name(&name));
    }
    match found.len().saturating_sub(SHOWN) as u64 + beyond {
        0 => {}
        more => say!("  and {more} more"),
    }
    Ok(())
}

fn show_needed(found: &[Needed], beyond: u64) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    say!("the target must have, since it is referred to and was left out:");
    for Needed { what, by, place, count, without } in found.iter().take(SHOWN) {
        let without = match without {
            Without::Stop => "the import stops without it",
            Without::Skip => "what refers to it is skipped without it",
        };
        let more = match count - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        say!("  {what}: {without} ({by} at {}{more})", ui::name(place));
    }
    match found.len().saturating_sub(SHOWN) as u64 + beyond {
        0 => {}
        more => say!("  and {more} more; `sealift info` lists them"),
    }
    Ok(())
}

fn needed_json(needed: &Needed) -> serde_json::Value {
    let document = |reference: &Reference| {
        json!({
            "kind": reference.kind.as_str(),
            "key": document_json::describe_key(&reference.key),
        })
    };
    let Needed { what, by, place, count, without } = needed;
    json!({
        "what": document(what), "by": document(by), "place": place, "references": count,
        "without": without.word(),
    })
}

fn unreadable_json(unreadable: &Unreadable) -> serde_json::Value {
    json!({
        "kind": unreadable.kind.as_str(),
        "id": unreadable.id,
        "key": unreadable.key.as_ref().map(document_json::describe_key),
        "place": unreadable.place,
        "problem": unreadable.problem,
    })
}

fn unknown_json(unknown: &[(String, u64)]) -> Vec<serde_json::Value> {
    unknown.iter().map(|(table, rows)| json!({ "table": table, "rows": rows })).collect()
}

fn show_unknown(unknown: &[(String, u64)]) -> Result<(), Failure> {
    if !unknown.is_empty() {
        say!("tables that the model does not know, not carried:");
        for (table, rows) in unknown {
            say!("  {:32} {rows:>8} rows", ui::name(table));
        }
    }
    Ok(())
}

/// How many places are shown; `info` lists them all.
const SHOWN: usize = 20;

fn show_undeclared(found: &[Undeclared], beyond: u64) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    say!("ids that stand where the model knows of no reference, carried as they are:");
    for place in found.iter().take(SHOWN) {
        let form = match place.form_name() {
            "id" => String::new(),
            form => format!(", form {form}"),
        };
        say!(
            "  {:>6} in {} {}: {}{form} (in {}: {})",
            place.count,
            place.kind,
            ui::name(&place.place),
            place.to,
            place.example,
            ui::name(&place.example_id)
        );
    }
    match (found.len().saturating_sub(SHOWN), beyond) {
        (0, 0) => {}
        (more, 0) => say!("  and {more} more places"),
        (more, beyond) => say!("  and {more} more places, and {beyond} ids at places beyond these"),
    }
    Ok(())
}

fn show_secrets(found: &[UndeclaredSecret], beyond: u64) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    say!("secrets that stand where the model knows of none, carried as secrets are:");
    for UndeclaredSecret { kind, place, count, example } in found.iter().take(SHOWN) {
        say!("  {count:>6} in {kind} {} (in {example})", ui::name(place));
    }
    match (found.len().saturating_sub(SHOWN), beyond) {
        (0, 0) => {}
        (more, 0) => say!("  and {more} more paths"),
        (more, beyond) => say!("  and {more} more paths, and {beyond} secrets at paths beyond these"),
    }
    Ok(())
}

fn secrets_json(found: &[UndeclaredSecret]) -> Vec<serde_json::Value> {
    let place = |secret: &UndeclaredSecret| {
        json!({
            "kind": secret.kind.as_str(),
            "place": secret.place,
            "count": secret.count,
            "example": { "key": document_json::describe_key(&secret.example) },
        })
    };
    found.iter().map(place).collect()
}

fn undeclared_json(found: &[Undeclared]) -> Vec<serde_json::Value> {
    let place = |u: &Undeclared| {
        json!({
            "kind": u.kind.as_str(),
            "place": u.place,
            "form": u.form_name(),
            "to": u.to.as_str(),
            "count": u.count,
            "example": { "key": document_json::describe_key(&u.example), "id": u.example_id },
        })
    };
    found.iter().map(place).collect()
}
