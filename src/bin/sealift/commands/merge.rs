//! `merge`: bundles of several servers joined into one.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::{Bundle, Previous, Protection, Writer, WriterOptions};
use sealift::crypto::{Envelope, KdfParams, Password};
use sealift::document::json as document_json;
use sealift::model::Model;
use sealift::ops::{self, Conflict, Merge, MergeError, MergeInput, MergeOptions, MergeReport};
use sealift::plan::Action;
use sealift::progress::{Preliminary, Progress};
use sealift::tree::{self, TreeSummary};
use serde_json::{Value as Json, json};

use super::convert::{self, FolderArgs};
use super::render;
use crate::cli::{Common, ExpectEachArgs, ExpectedRoot, PasswordArgs};
use crate::exit::{Exit, Failure};
use crate::files::{self, Files, Format};
use crate::outcome;
use crate::ui::{self, say, shown};

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The bundles, or folders made of them
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// The bundle to write; or the folder of files, where there is one or the name ends with a slash
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Where inputs differ take this one's: INPUT for all, KIND=INPUT for a kind, KIND/NAME=INPUT for a document
    /// (may be given several times; the most specific counts, of equals the first that has the document). INPUT
    /// is a path as given, a file name with or without ending, or a number from 1
    #[arg(long, value_name = "[KIND[/NAME]=]INPUT")]
    prefer: Vec<String>,
    /// Read the password of one input from this file instead (may be given several times)
    #[arg(long, value_name = "INPUT=FILE")]
    password_file_for: Vec<String>,
    /// Read the output's password from this file; without it, the output has the password of the first input
    /// that holds secrets
    #[arg(long, value_name = "FILE")]
    out_password_file: Option<PathBuf>,
    /// Leave out the values of secrets, and do not compare them; no password is needed
    #[arg(long)]
    no_secrets: bool,
    /// Merge bundles of different versions of the product, or of the model
    #[arg(long)]
    ignore_version: bool,
    /// Show what would come from where, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Overwrite the output if it exists; secrets that did not change keep their encrypted bytes
    #[arg(short, long)]
    force: bool,
    /// Keep the encrypted bytes of secrets that are the same in this earlier bundle (same password as the output)
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Memory for deriving the key from the output's password, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=1024))]
    kdf_memory: u32,
    #[command(flatten)]
    expect: ExpectEachArgs,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

impl MergeArgs {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref().filter(|_| !self.dry_run)
    }

    pub fn files(&self) -> Files {
        let files =
            self.inputs.iter().fold(Files::default(), |files, input| files.reads_bundle("input", input));
        // Where a name has a = too, whatever follows one of them may be the file.
        let own = self.password_file_for.iter().flat_map(|text| {
            text.match_indices('=').filter_map(|(at, _)| text.get(at + 1..)).map(PathBuf::from)
        });
        own.fold(files, |files, file| files.reads("password file", &file))
            .reads_bundle(files::EARLIER, &self.previous)
            .reads("password file", &self.out_password_file)
            .reads("password file", &self.password.password_file)
            .writes(self.output().map_or(Format::Bundle, convert::format), self.output(), self.force)
    }
}

/// Opens a bundle or a folder as a bundle.
type Read<'r> = dyn Fn(&Path) -> Result<Bundle, Failure> + 'r;

pub fn run(common: &Common, args: &MergeArgs) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let output = args.output();
    args.inputs.iter().try_for_each(|input| super::input::expect_bundle(input))?;
    let to_folder = output.is_some_and(convert::is_folder);
    let progress = ui::Bars::new();
    let files = password_files(args)?;
    let folder = sealift::temporary::folder()?;
    let expected = args.expect.each(args.inputs.len())?;
    let read =
        |path: &Path| super::input::open_in(common, path, None, &model, None, folder.path(), &progress);
    let mut inputs = Vec::new();
    let mut password = None;
    for ((path, file), expected) in args.inputs.iter().zip(&files).zip(expected) {
        let (input, its) = open(common, args, path, expected, file.as_deref(), &model, &progress)?;
        password = password.or(its);
        inputs.push(input);
    }
    let options = MergeOptions {
        prefer: args.prefer.clone(),
        no_secrets: args.no_secrets,
        ignore_version: args.ignore_version,
    };
    let merge = Merge::examine(&inputs, &model, &options, &progress)?;
    let undecided = merge.undecided();
    let Some(output) = output.filter(|_| undecided == 0) else {
        progress.clear();
        let shown = show_examined(common, args, &merge, &progress);
        return match undecided {
            0 => shown.map(|()| Exit::Done),
            undecided => Err(Failure::from(MergeError::Conflicts { undecided }).after(shown)),
        };
    };
    let mut options = WriterOptions { force: args.force, ..WriterOptions::default() };
    if merge.has_values() {
        let password = match &args.out_password_file {
            Some(file) => Some(crate::secrets::password(Some(file))?),
            None => password,
        };
        if let Some(password) = password {
            protect(common, args, output, &password, &mut options, &read)?;
        }
    }
    let made = folder.path().join("merged.sealift");
    let out = if to_folder { made.as_path() } else { output };
    let writer = Writer::create(out, merge.header().clone(), options)?;
    let preliminary = Preliminary(&progress);
    let writing: &dyn Progress = if to_folder { &preliminary } else { &progress };
    let report = merge.write(writer, writing)?;
    progress.clear();
    let mut tree = None;
    if to_folder {
        let bundle = read(out)?;
        tree = Some(args.folder.write(common, &bundle, &model, output, args.force, &progress)?);
        progress.clear();
    }
    let effect = format!("{} holds {} documents", output.display(), report.summary.documents);
    outcome::settle_effect(Exit::Done, effect);
    show(common, output, &merge, &report, tree.as_ref())?;
    Ok(Exit::Done)
}

/// The password file of each input that has one of its own.
fn password_files(args: &MergeArgs) -> Result<Vec<Option<PathBuf>>, Failure> {
    let paths: Vec<&Path> = args.inputs.iter().map(PathBuf::as_path).collect();
    let mut files = vec![None; paths.len()];
    for text in &args.password_file_for {
        let mut found = None;
        for (at, _) in text.match_indices('=') {
            let (Some(name), Some(file)) = (text.get(..at), text.get(at + 1..)) else { continue };
            let input = ops::input_named(name, &paths).map_err(|several| {
                let several: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                let text =
                    format!("--password-file-for {name:?} may mean several inputs: {}", several.join(", "));
                Failure::new(Exit::Usage, text).hint("give the whole path, or its number from 1")
            })?;
            if let Some(input) = input {
                found = Some((input, PathBuf::from(file)));
                break;
            }
        }
        let Some((input, file)) = found else {
            return Err(Failure::new(Exit::Usage, format!("--password-file-for {text:?} names no input"))
                .hint(
                    "INPUT=FILE: a path as given, a file name with or without ending, or a number from 1",
                ));
        };
        files.iter_mut().skip(input).take(1).for_each(|slot| *slot = Some(file.clone()));
    }
    // A file that is given twice is opened twice, and by one password.
    for (index, path) in paths.iter().enumerate() {
        let first = paths.iter().position(|other| other == path).unwrap_or(index);
        let file = files.get(first).cloned().flatten();
        files.iter_mut().skip(index).take(1).for_each(|slot| *slot = slot.take().or(file.clone()));
    }
    Ok(files)
}

/// Opens an input, and its secrets where they are wanted; returns its password too.
fn open<'m>(
    common: &Common,
    args: &MergeArgs,
    path: &Path,
    expected: Option<ExpectedRoot>,
    own_file: Option<&Path>,
    model: &'m Model,
    progress: &dyn Progress,
) -> Result<(MergeInput<'m>, Option<Password>), Failure> {
    let file = own_file.or(args.password.password_file.as_deref());
    let mut documents = super::input::open_archive(common, path, expected, model, file, progress)?;
    let mut password = None;
    if documents.sealed() > 0 && !args.no_secrets {
        let given = crate::secrets::password_of(file, &path.display().to_string())?;
        documents.unlock(&given, &common.kdf_limits())?;
        password = Some(given);
    }
    Ok((MergeInput { path: path.to_owned(), documents }, password))
}

/// Sets up the sealing of secrets: with a new key, or with that of an earlier bundle so that what did not change
/// keeps its bytes.
fn protect(
    common: &Common,
    args: &MergeArgs,
    output: &Path,
    password: &Password,
    options: &mut WriterOptions,
    read: &Read<'_>,
) -> Result<(), Failure> {
    let existing = match output.is_dir() {
        true => tree::is_tree(output),
        false => args.force && output.exists(),
    };
    let existing = existing.then(|| output.to_owned());
    if let Some(path) = args.previous.clone().or(existing) {
        match (earlier(common, &path, password, read), &args.previous) {
            (Ok(Some((previous, envelope))), _) => {
                let key = previous.key.duplicate();
                options.previous = Some(previous);
                options.protection = Protection::Password { envelope, key };
                return Ok(());
            }
            (Err(failure), Some(_)) => return Err(failure),
            (Ok(None), Some(_)) => {
                let text = format!("{} holds no secrets whose bytes could be kept", path.display());
                return Err(Failure::new(Exit::Usage, text));
            }
            // What is merely overwritten may be anything.
            (Ok(None) | Err(_), None) => {}
        }
    }
    let params = KdfParams { memory_kib: args.kdf_memory * 1024, ..KdfParams::default() };
    let (envelope, key) = Envelope::create(password, params)
        .map_err(|e| Failure::new(Exit::Failed, format!("cannot make a key: {e}")))?;
    options.protection = Protection::Password { envelope, key };
    Ok(())
}

fn earlier(
    common: &Common,
    path: &Path,
    password: &Password,
    read: &Read<'_>,
) -> Result<Option<(Previous, Envelope)>, Failure> {
    let bundle = read(path)?;
    let Some(envelope) = bundle.envelope().cloned() else { return Ok(None) };
    let key = super::unlock_with(common, &bundle, password)?;
    Ok(Some((Previous { bundle, key }, envelope)))
}

/// What a merge would do, or why it does not.
fn show_examined(
    common: &Common,
    args: &MergeArgs,
    merge: &Merge<'_>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let refused = merge.undecided() > 0;
    if common.json {
        let mut answer = answer(merge);
        let mut documents = Vec::new();
        if args.dry_run {
            merge.each(progress, &mut |document| -> Result<(), Failure> {
                documents.push(json!({
                    "kind": document.kind.as_str(),
                    "key": document_json::describe_key(&document.key),
                    "from": label(merge, document.from),
                    "inputs": labels(merge, &document.inputs),
                }));
                Ok(())
            })?;
        }
        if let Some(map) = answer.as_object_mut() {
            map.insert("outcome".to_owned(), json!(if refused { "refused" } else { "dry-run" }));
            if args.dry_run {
                map.insert("documents".to_owned(), json!(documents));
            }
        }
        return super::print_json(&answer);
    }
    if args.dry_run {
        let mut last = String::new();
        merge.each(progress, &mut |document| -> Result<(), Failure> {
            if last != document.kind.as_str() {
                last = document.kind.to_string();
                say!("{}", shown(&last));
            }
            let others = document.inputs.iter().copied().filter(|input| *input != document.from);
            let others: Vec<usize> = others.collect();
            let also = match others.as_slice() {
                [] => String::new(),
                others => format!(", also in {}", labels(merge, others).join(", ")),
            };
            let from = label(merge, document.from);
            say!("  {}  from {}{}", shown(&document.key.to_string()), shown(&from), shown(&also));
            Ok(())
        })?;
    }
    show_conflicts(merge)?;
    show_counts(merge)
}

fn show(
    common: &Common,
    output: &Path,
    merge: &Merge<'_>,
    report: &MergeReport,
    tree: Option<&TreeSummary>,
) -> Result<(), Failure> {
    let MergeReport { summary, lost_parts } = report;
    if common.json {
        let mut answer = answer(merge);
        if let Some(map) = answer.as_object_mut() {
            map.insert("outcome".to_owned(), json!("merged"));
            map.insert("content_root".to_owned(), json!(summary.content_root.to_string()));
            map.insert("secrets".to_owned(), json!(summary.secrets));
            match tree {
                Some(tree) => drop(map.insert("folder".to_owned(), convert::tree_json(output, tree))),
                None => {
                    map.insert("file".to_owned(), json!(output.display().to_string()));
                    map.insert("file_root".to_owned(), json!(summary.file_root.to_string()));
                    map.insert("file_bytes".to_owned(), json!(summary.file_bytes));
                }
            }
            map.insert("lost_parts".to_owned(), json!(lost_parts));
        }
        return super::print_json(&answer);
    }
    show_conflicts(merge)?;
    say!("{}: {} documents, {} secrets", output.display(), summary.documents, summary.secrets);
    if let Some(tree) = tree {
        convert::say_tree(output, tree)?;
    }
    show_counts(merge)?;
    say!("content root {}", summary.content_root);
    if *lost_parts > 0 {
        let name = if *lost_parts == 1 { "reference names a part" } else { "references name parts" };
        say!("{lost_parts} {name} of documents that were not taken; `sealift info` lists them");
    }
    Ok(())
}

/// What all answers in JSON have.
fn answer(merge: &Merge<'_>) -> Json {
    let kinds = merge.kinds().iter().map(|kind| {
        json!({
            "kind": kind.kind.as_str(), "documents": kind.documents, "shared": kind.shared,
            "held": kind.held, "taken": kind.taken,
        })
    });
    let conflict = |conflict: &Conflict| {
        let versions = conflict.versions.iter().map(|version| {
            json!({
                "inputs": labels(merge, &version.inputs),
                "changes": version.changes.iter().map(render::change_json).collect::<Vec<_>>(),
                "more_changes": version.more,
                "secrets_without_value": version.empty_secrets,
            })
        });
        json!({
            "kind": conflict.kind.as_str(),
            "key": document_json::describe_key(&conflict.key),
            "chosen": conflict.chosen.map(|input| label(merge, input)),
            "versions": versions.collect::<Vec<_>>(),
        })
    };
    json!({
        "inputs": merge.labels(),
        "undecided": merge.undecided(),
        "conflicts": merge.conflicts().iter().map(conflict).collect::<Vec<_>>(),
        "kinds": kinds.collect::<Vec<_>>(),
        "notices": merge.notices(),
    })
}

fn label(merge: &Merge<'_>, input: usize) -> String {
    merge.labels().get(input).cloned().unwrap_or_default()
}

fn labels(merge: &Merge<'_>, inputs: &[usize]) -> Vec<String> {
    inputs.iter().map(|input| label(merge, *input)).collect()
}

/// How many changes of one version are shown before the rest is only counted.
const CHANGES_SHOWN: usize = 12;

fn show_conflicts(merge: &Merge<'_>) -> Result<(), Failure> {
    let mut out = ui::coloured();
    for notice in merge.notices() {
        writeln!(out, "note: {}", shown(notice))?;
    }
    let style = ui::action_style(Action::Update);
    for conflict in merge.conflicts() {
        let name = shown(&conflict.key.to_string());
        let kind = &conflict.kind;
        if let Some(chosen) = conflict.chosen {
            let from = label(merge, chosen);
            writeln!(out, "  {style}~ {} {name}{style:#}  as in {}", shown(kind.as_str()), shown(&from))?;
            continue;
        }
        writeln!(out, "{style}CONFLICT {} {name}{style:#}", shown(kind.as_str()))?;
        for (position, version) in conflict.versions.iter().enumerate() {
            let empty = match version.empty_secrets {
                0 => String::new(),
                1 => " (no value for 1 secret)".to_owned(),
                several => format!(" (no values for {several} secrets)"),
            };
            let differs = if position == 0 { "" } else { " differs:" };
            writeln!(out, "  {}{empty}{differs}", shown(&labels(merge, &version.inputs).join(", ")))?;
            for change in version.changes.iter().take(CHANGES_SHOWN) {
                writeln!(out, "      {}", render::change(change))?;
            }
            let more = version.changes.len().saturating_sub(CHANGES_SHOWN) + version.more;
            if more > 0 {
                writeln!(out, "      and {more} more places")?;
            }
        }
    }
    Ok(())
}

fn show_counts(merge: &Merge<'_>) -> Result<(), Failure> {
    for (input, label) in merge.labels().iter().enumerate() {
        let sum = |counts: fn(&ops::MergedKind) -> &Vec<u64>| -> u64 {
            merge.kinds().iter().filter_map(|kind| counts(kind).get(input)).sum()
        };
        let (held, taken) = (sum(|kind| &kind.held), sum(|kind| &kind.taken));
        say!("  {taken:>8} from {} ({held} there)", shown(label));
    }
    let shared: u64 = merge.kinds().iter().map(|kind| kind.shared).sum();
    let decided = merge.conflicts().len() - merge.undecided();
    say!("  {shared:>8} in several inputs, {decided} of them decided by --prefer");
    Ok(())
}
