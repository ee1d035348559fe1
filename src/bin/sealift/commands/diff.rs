//! `diff`: what differs between two bundles, folders or servers.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::Notice;
use sealift::crypto::MasterKey;
use sealift::document::{Key, json as document_json};
use sealift::model::{Cipher, Model};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{self, Archive, Difference, Documents, ExportOptions, NotCompared, ServerDocuments};
use sealift::plan::Action;
use sealift::progress::Progress;
use sealift::server::Server;
use serde_json::json;

use super::render;
use crate::cli::{Common, ExpectEachArgs, ExpectedRoot, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::outcome;
use crate::secrets;
use crate::ui::{self, shown};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A bundle or a folder made of one, a server (mssql://USER@HOST/DATABASE or sqlite:PATH), or a folder
    /// that the product's own migrator exported
    #[arg(value_name = "LEFT")]
    left: String,
    /// A bundle or a folder made of one, a server (mssql://USER@HOST/DATABASE or sqlite:PATH), or a folder
    /// that the product's own migrator exported
    #[arg(value_name = "RIGHT")]
    right: String,
    /// Password or master key of the left side, from this file; secrets are compared where both are given
    #[arg(long, value_name = "FILE")]
    left_key_file: Option<PathBuf>,
    /// Password or master key of the right side, from this file
    #[arg(long, value_name = "FILE")]
    right_key_file: Option<PathBuf>,
    /// Compare only this kind (may be given several times)
    #[arg(long, value_name = "KIND")]
    only: Vec<String>,
    /// Leave out a kind (may be given several times)
    #[arg(long, value_name = "KIND")]
    exclude: Vec<String>,
    /// Leave out history: releases, snapshots, deployments, runs, tasks, events
    #[arg(long, visible_alias = "no-history")]
    ignore_history: bool,
    /// Compare a kind that stays behind unless it is asked for: ApiKey, Configuration (may be given several times)
    #[arg(long, value_name = "KIND")]
    also: Vec<String>,
    /// Leave out documents of a server that cannot be read (damaged JSON, a secret that does not decrypt), and list them
    #[arg(long)]
    skip_unreadable: bool,
    #[command(flatten)]
    expect: ExpectEachArgs,
    #[command(flatten)]
    login: ServerArgs,
}

impl DiffArgs {
    /// What is read of a server, and compared.
    fn options<'k>(&self, secrets: ServerSecrets<'k>) -> ExportOptions<'k> {
        ExportOptions {
            only: self.only.clone(),
            exclude: self.exclude.clone(),
            ignore: self.ignore_history.then(|| "history".to_owned()).into_iter().collect(),
            ask: self.also.clone(),
            skip_unreadable: self.skip_unreadable,
            ..ExportOptions::everything(secrets)
        }
    }
}

/// How many unreadable documents of a side are shown; JSON has them all.
const SHOWN: usize = 20;

pub fn run(common: &Common, args: &DiffArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let bundles = is_bundle(&args.left)? as usize + is_bundle(&args.right)? as usize;
    let mut expected = args.expect.each(bundles)?.into_iter();
    let mut open = |text: &str, key: Option<&Path>| {
        let expected = if is_bundle(text)? { expected.next().flatten() } else { None };
        Side::open(common, args, text, expected, key, &model, &progress)
    };
    let mut left = open(&args.left, args.left_key_file.as_deref())?;
    let mut right = open(&args.right, args.right_key_file.as_deref())?;
    let (left, right) = (left.documents(args, &model, &progress)?, right.documents(args, &model, &progress)?);
    let report = ops::diff(
        left.documents(),
        right.documents(),
        &model,
        &args.options(ServerSecrets::Mask),
        &progress,
    )?;
    progress.clear();
    // That they are equal cannot be said of what could not be read.
    let same = report.entries.is_empty() && report.unreadable.iter().all(Vec::is_empty);
    let exit = if same { Exit::Done } else { Exit::Differences };
    outcome::settle(exit);
    if common.json {
        let entries: Vec<_> = report
            .entries
            .iter()
            .map(|entry| {
                let (word, changes) = match &entry.difference {
                    Difference::OnlyLeft => ("only-left", Vec::new()),
                    Difference::OnlyRight => ("only-right", Vec::new()),
                    Difference::Changed(changes) => {
                        ("changed", changes.iter().map(render::change_json).collect())
                    }
                };
                json!({
                    "kind": entry.kind.as_str(),
                    "key": document_json::describe_key(&entry.key),
                    "difference": word,
                    "changes": changes,
                })
            })
            .collect();
        let [left, right] = &report.unreadable;
        let sides = [("left", left), ("right", right)];
        super::print_json(&json!({
            "equal": report.equal,
            "different": report.entries.len(),
            "secrets_not_compared": report.secrets_not_compared,
            "not_compared": report.not_compared.iter().map(|kind| json!({
                "kind": kind.kind, "reason": kind.reason, "left": kind.left, "right": kind.right,
            })).collect::<Vec<_>>(),
            "unreadable": sides.map(|(side, notices)| json!({
                "side": side,
                "documents": notices.iter().map(unreadable_json).collect::<Vec<_>>(),
            })),
            "documents": entries,
        }))?;
    } else {
        print(&report)?;
    }
    Ok(exit)
}

fn print(report: &ops::DiffReport) -> Result<(), Failure> {
    let mut out = ui::coloured();
    let mut last = "";
    for entry in &report.entries {
        if last != entry.kind.as_str() {
            last = entry.kind.as_str();
            writeln!(out, "{}", shown(last))?;
        }
        let (sign, style) = match &entry.difference {
            Difference::OnlyLeft => ("only left ", ui::action_style(Action::Skip)),
            Difference::OnlyRight => ("only right", ui::action_style(Action::Create)),
            Difference::Changed(_) => ("differs   ", ui::action_style(Action::Update)),
        };
        writeln!(out, "  {style}{sign}{style:#} {}", shown(&entry.key.to_string()))?;
        if let Difference::Changed(changes) = &entry.difference {
            for change in changes {
                writeln!(out, "      {}", render::change(change))?;
            }
        }
    }
    writeln!(out, "{} documents differ, {} are equal", report.entries.len(), report.equal)?;
    for NotCompared { kind, reason, left, right } in &report.not_compared {
        let many =
            |count: &Option<u64>| count.map_or("an unknown number".to_owned(), |count| count.to_string());
        let (left, right) = (many(left), many(right));
        writeln!(out, "not compared: {}, {reason} (left side: {left}, right side: {right})", shown(kind))?;
    }
    for (side, notices) in ["left", "right"].into_iter().zip(&report.unreadable) {
        for notice in notices.iter().take(SHOWN) {
            writeln!(out, "not compared, of the {side} side: {}", shown(&notice.text))?;
        }
        if let Some(more @ 1..) = notices.len().checked_sub(SHOWN) {
            writeln!(out, "  and {more} more")?;
        }
    }
    if report.secrets_not_compared > 0 {
        writeln!(
            out,
            "{} secrets were not compared: --left-key-file and --right-key-file give what opens them",
            report.secrets_not_compared
        )?;
    }
    Ok(())
}

fn unreadable_json(notice: &Notice) -> serde_json::Value {
    let key = notice.key.as_ref().and_then(|key| Key::parse(key).ok());
    json!({
        "kind": notice.kind,
        "id": notice.value,
        "key": key.as_ref().map(document_json::describe_key),
        "place": notice.place,
        "text": notice.text,
    })
}

/// Whether a side is a bundle or a folder made of one.
fn is_bundle(text: &str) -> Result<bool, Failure> {
    Ok(super::vendor::recognise(text).is_none() && super::server_or_path(text)?.is_err())
}

/// One side of a comparison.
enum Side<'m> {
    /// What is read through the model, with the key to its secrets; `None` within where they are not encrypted.
    Server(Box<dyn Server>, Option<Option<MasterKey>>),
    /// What was exported before.
    Archive(Box<dyn Archive + 'm>),
}

impl<'m> Side<'m> {
    fn open(
        common: &Common,
        args: &DiffArgs,
        text: &str,
        expected: Option<ExpectedRoot>,
        key_file: Option<&Path>,
        model: &'m Model,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        if let Some(path) = super::vendor::recognise(text) {
            let password = key_file.map(|file| secrets::source_password(Some(file))).transpose()?;
            let server = super::vendor::open(&path, password.as_ref(), model, progress)?;
            let key = server.key().map(Some);
            return Ok(Side::Server(Box::new(server), key));
        }
        match super::server_or_path(text)? {
            Ok(address) => {
                let key = match key_file {
                    Some(_) => secrets::master_key(key_file)?,
                    None => None,
                };
                // Secrets that stand on the server as they are need no key.
                let readable = key.is_some() || model.cipher == Cipher::None;
                Ok(Side::Server(super::open_server(&address, &args.login)?, readable.then_some(key)))
            }
            Err(path) => {
                let mut documents =
                    super::input::open_archive(common, &path, expected, model, key_file, progress)?;
                if key_file.is_some() && documents.sealed() > 0 {
                    documents.unlock(&secrets::password(key_file)?, &common.kdf_limits())?;
                }
                Ok(Side::Archive(documents))
            }
        }
    }

    /// Its documents, as they are now.
    fn documents<'s>(
        &'s mut self,
        args: &DiffArgs,
        model: &'m Model,
        progress: &dyn Progress,
    ) -> Result<Read<'s, 'm>, Failure> {
        match self {
            Side::Server(server, key) => {
                let read = key.as_ref().map_or(ServerSecrets::Mask, |key| ServerSecrets::Read(key.as_ref()));
                let documents = ServerDocuments::new(server.read()?, model, &args.options(read), progress)?;
                Ok(Read::Rows(Box::new(documents)))
            }
            Side::Archive(documents) => Ok(Read::Archive(&**documents)),
        }
    }
}

/// The documents of a side.
enum Read<'s, 'm> {
    Rows(Box<ServerDocuments<'s, 'm, 's>>),
    Archive(&'s (dyn Archive + 'm)),
}

impl Read<'_, '_> {
    fn documents(&self) -> &dyn Documents {
        match self {
            Read::Rows(documents) => &**documents,
            Read::Archive(documents) => *documents,
        }
    }
}
