//! `convert`: a bundle into a folder of files, and back; a folder of the product's migrator into either.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sealift::bundle::{Bundle, Limits, Previous, Protection, UncheckedBundle, WriterOptions};
use sealift::crypto::DataKey;
use sealift::model::Model;
use sealift::ops::{self, ConvertError};
use sealift::progress::{Preliminary, Progress};
use sealift::tree::{self, Replace, ScriptMode, Tree, TreeError, TreeSummary};
use serde_json::json;

use super::export::{self, Everything};
use super::{input, vendor};
use crate::cli::{Common, ExpectArgs, PasswordArgs};
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::outcome;
use crate::ui::say;
use crate::{secrets, ui};

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A bundle, a folder that `sealift convert` or `sealift export` made, or one that the product's own migrator
    /// exported
    #[arg(value_name = "INPUT")]
    input: PathBuf,
    /// What to write: a folder for a bundle, a bundle for a folder. A folder that exists is brought up to date
    #[arg(value_name = "OUTPUT", required_unless_present = "output")]
    to: Option<PathBuf>,
    /// The same as OUTPUT
    #[arg(short, long, value_name = "OUTPUT", conflicts_with = "to")]
    output: Option<PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
    /// Refuse a folder whose documents hold values that the model does not allow, or refer to documents that the folder
    /// should have, and one that lacks documents that sealift.json lists; they are only listed without
    #[arg(long)]
    strict: bool,
    /// Overwrite a bundle that exists, or files in a folder that sealift did not write
    #[arg(short, long)]
    force: bool,
    /// Read the password of an export folder of the product's migrator from this file (else
    /// SEALIFT_SOURCE_PASSWORD, else a prompt)
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,
    /// Take an export folder of the product's migrator without the values of its secrets
    #[arg(long)]
    no_secrets: bool,
    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

/// How a folder is written.
#[derive(Debug, Default, Args)]
pub struct FolderArgs {
    /// Inline scripts in a folder: extract them to files, copy them there for reading, or leave them inline
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Scripts::Extract)]
    pub scripts: Scripts,
    /// Let a folder keep only what is exported now: without this, documents of kinds, spaces and projects that this
    /// export leaves out are not removed, and the command stops
    #[arg(long)]
    pub replace: bool,
}

impl FolderArgs {
    /// Writes a bundle's documents into a folder. Documents that a folder cannot hold are shown.
    pub fn write(
        &self,
        common: &Common,
        bundle: &Bundle,
        model: &Model,
        output: &Path,
        force: bool,
        progress: &dyn Progress,
    ) -> Result<TreeSummary, Failure> {
        let replace = Replace { foreign: force, uncovered: self.replace };
        ops::to_tree(bundle, model, output, self.scripts.into(), replace, progress).map_err(|error| {
            match &error {
                ConvertError::Tree(TreeError::Unwritable { findings, .. }) => {
                    let shown = input::show_findings(common, findings, "refused");
                    Failure::from(error).after(shown)
                }
                _ => error.into(),
            }
        })
    }
}

/// What becomes of scripts in a folder, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Scripts {
    #[default]
    Extract,
    Copy,
    Inline,
}

impl From<Scripts> for ScriptMode {
    fn from(scripts: Scripts) -> Self {
        match scripts {
            Scripts::Extract => ScriptMode::Extract,
            Scripts::Copy => ScriptMode::Copy,
            Scripts::Inline => ScriptMode::Inline,
        }
    }
}

/// Whether a path means a folder: one that is there, or one that is spelled as such.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with(std::path::is_separator)
}

/// What an output is, by its path.
pub fn format(path: &Path) -> Format {
    if is_folder(path) { Format::Tree } else { Format::Bundle }
}

impl ConvertArgs {
    fn output(&self) -> Option<&PathBuf> {
        self.output.as_ref().or(self.to.as_ref())
    }

    /// Whether the output is a folder: a bundle becomes one, unless another bundle is named.
    fn makes_folder(&self, output: &Path) -> bool {
        is_folder(output) || (!self.input.is_dir() && !is_bundle_name(output))
    }

    pub fn files(&self) -> Files {
        let output = self.output().map(PathBuf::as_path);
        let makes_folder = output.is_some_and(|output| self.makes_folder(output));
        let format = if makes_folder { Format::Tree } else { Format::Bundle };
        // Of a bundle no other bundle is made: nothing is written then.
        let output = output.filter(|_| makes_folder || self.input.is_dir());
        Files::default()
            .reads_bundle("input", &self.input)
            .reads("password file", &self.source_password_file)
            .reads("password file", &self.password.password_file)
            .writes(format, output, self.force)
    }
}

pub fn run(common: &Common, args: &ConvertArgs) -> Result<Exit, Failure> {
    let Some(output) = args.output() else {
        return Err(Failure::new(Exit::Usage, "OUTPUT is missing"));
    };
    super::input::refuse_server(&args.input)?;
    let input = args.input.to_string_lossy().into_owned();
    if !tree::is_tree(&args.input) && vendor::recognise(&input).is_some() {
        if args.expect.expect_root.is_some() {
            let text = "--expect-root is for bundles and their folders; an export folder of the migrator has no root";
            return Err(Failure::new(Exit::Usage, text));
        }
        let everything = Everything {
            folder: input,
            output,
            force: args.force,
            no_secrets: args.no_secrets,
            source_password_file: args.source_password_file.as_deref(),
            password_file: args.password.password_file.as_deref(),
            scripts: args.folder.scripts,
            replace: args.folder.replace,
        };
        return export::run(common, &everything.args(), false);
    }
    if args.no_secrets || args.source_password_file.is_some() {
        let what = "--no-secrets and --source-password-file are for export folders of the product's migrator";
        return Err(
            Failure::new(Exit::Usage, what).hint("secrets go over as they are sealed; no password is needed")
        );
    }
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    let password_file = args.password.password_file.as_deref();
    let from_folder = args.input.is_dir();
    let to_folder = args.makes_folder(output);
    if !from_folder && !to_folder {
        std::fs::metadata(&args.input).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: cannot open: {error}", args.input.display()))
        })?;
        return Err(Failure::new(
            Exit::Usage,
            "both are bundles; convert makes a folder of a bundle, and back",
        )
        .hint(
            "name a folder; `sealift merge A.sealift -o B.sealift` copies a bundle under another password",
        ));
    }
    if from_folder && !to_folder {
        let flags = (args.force, args.strict);
        let expected = args.expect.expect_root;
        let read =
            input::read_tree(common, &args.input, expected, &model, password_file, output, flags, &progress)?;
        progress.clear();
        let effect = format!("{} holds {} documents", output.display(), read.summary.documents);
        outcome::settle_effect(Exit::Done, effect);
        return show_bundle(common, output, &read);
    }
    let folder = sealift::temporary::folder()?;
    let bundle = input::open_in(
        common,
        &args.input,
        args.expect.expect_root,
        &model,
        password_file,
        folder.path(),
        &progress,
    )?;
    let bundle = keep_sealed(common, bundle, output, &model, password_file, folder.path(), &progress)?;
    let written = args.folder.write(common, &bundle, &model, output, args.force, &progress)?;
    progress.clear();
    outcome::settle_effect(Exit::Done, format!("{} holds {} documents", output.display(), written.documents));
    show_tree(common, output, &bundle, &written)?;
    Ok(Exit::Done)
}

fn is_bundle_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sealift"))
}

/// The earlier tree in a folder as a bundle, with its key: secrets that are still the same keep their bytes.
///
/// `None` where there is none, it has no secrets, or it is in no state to be read, which is said.
pub fn earlier_tree(
    common: &Common,
    root: &Path,
    model: &Model,
    password_file: Option<&Path>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Option<Previous>, Failure> {
    if !tree::is_tree(root) {
        return Ok(None);
    }
    let found = || -> Result<Option<Bundle>, ConvertError> {
        let tree = Tree::open(root)?;
        if tree.about().envelope.is_none() {
            return Ok(None);
        }
        let out = folder.join("earlier.sealift");
        ops::from_tree(&tree, model, None, &out, (false, false), &Preliminary(progress))?;
        Ok(Some(UncheckedBundle::open(&out, &Limits::default())?.check(progress)?))
    };
    match found() {
        Ok(None) => Ok(None),
        Ok(Some(bundle)) => {
            let password = secrets::password(password_file)?;
            let bundle = bundle.called(root);
            let key = super::unlock_with(common, &bundle, &password)?;
            Ok(Some(Previous { bundle, key }))
        }
        Err(ConvertError::Cancelled(cancelled)) => Err(cancelled.into()),
        Err(error) => {
            ui::aside!("the secrets in {} do not keep their bytes: {error}", root.display());
            Ok(None)
        }
    }
}

/// Where a folder's secrets are sealed under another envelope than the bundle's, and the password opens both: the
/// bundle anew under the folder's, so that secrets that are the same keep their bytes there.
fn keep_sealed(
    common: &Common,
    bundle: Bundle,
    output: &Path,
    model: &Model,
    password_file: Option<&Path>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Bundle, Failure> {
    let Some(envelope) = bundle.envelope() else { return Ok(bundle) };
    let tree = match tree::is_tree(output) {
        true => Tree::open(output),
        false => return Ok(bundle),
    };
    let tree = match tree {
        // What a conversion left that did not end is made whole by this one; its secrets are no reason to stop.
        Err(TreeError::Incomplete { .. }) => return Ok(bundle),
        tree => tree.map_err(ConvertError::from)?,
    };
    let Some(theirs) = tree.about().envelope.as_ref().filter(|theirs| *theirs != envelope) else {
        return Ok(bundle);
    };
    let theirs = theirs.clone();
    if secrets::given_password(password_file)?.is_none() {
        if !common.json {
            ui::aside!(
                "the secrets in {} were sealed by another export; give the password, and those that are the same \
                 keep their bytes",
                output.display()
            );
        }
        return Ok(bundle);
    }
    let Some(previous) = earlier_tree(common, output, model, password_file, folder, progress)? else {
        return Ok(bundle);
    };
    let key: DataKey = super::unlock_with(common, &bundle, &secrets::password(password_file)?)?;
    let protection = Protection::Password { envelope: theirs, key: previous.key.duplicate() };
    let options =
        WriterOptions { protection, previous: Some(previous), level: 1, ..WriterOptions::default() };
    let out = folder.join("anew.sealift");
    ops::reseal(&bundle, Some(&key), model, &out, options, &Preliminary(progress))?;
    Ok(UncheckedBundle::open(&out, &Limits::default())?.check(progress)?)
}

/// What was done to a folder, as JSON.
pub fn tree_json(output: &Path, written: &TreeSummary) -> serde_json::Value {
    json!({
        "path": output.display().to_string(),
        "documents": written.documents,
        "scripts": written.scripts,
        "written": written.written,
        "unchanged": written.unchanged,
        "removed": written.removed,
    })
}

fn show_tree(common: &Common, output: &Path, bundle: &Bundle, written: &TreeSummary) -> Result<(), Failure> {
    if common.json {
        let root = bundle.info().content_root.to_string();
        return super::print_json(&json!({ "content_root": root, "folder": tree_json(output, written) }));
    }
    say_tree(output, written)?;
    say!("content root {}", bundle.info().content_root);
    Ok(())
}

/// What was done to a folder, for people.
pub fn say_tree(output: &Path, written: &TreeSummary) -> Result<(), Failure> {
    let TreeSummary { documents, scripts, written, unchanged, removed } = written;
    say!("{}: {documents} documents, {scripts} scripts in files of their own", output.display());
    say!("{written} files written, {unchanged} as they were, {removed} removed");
    Ok(())
}

fn show_bundle(common: &Common, output: &Path, read: &ops::FromTree) -> Result<Exit, Failure> {
    let summary = &read.summary;
    if common.json {
        super::print_json(&json!({
            "file": output.display().to_string(),
            "content_root": summary.content_root.to_string(),
            "file_root": summary.file_root.to_string(),
            "documents": summary.documents,
            "secrets": summary.secrets,
            "resealed": read.resealed,
            "file_bytes": summary.file_bytes,
            "doubts": input::findings_json(&read.doubts),
            "warnings": input::findings_json(&read.warnings),
            "notes": input::findings_json(&read.notes),
            "missing": read.missing,
            "passed_over": read.passed_over,
        }))?;
        return Ok(Exit::Done);
    }
    say_doubts(read)?;
    say!("{}: {} documents, {} secrets", output.display(), summary.documents, summary.secrets);
    if read.resealed > 0 {
        say!("{} secrets were sealed anew, because they had been moved", read.resealed);
    }
    say!("content root {}", summary.content_root);
    Ok(Exit::Done)
}

/// What a person may want to look at again in a tree that was taken all the same.
pub fn say_doubts(read: &ops::FromTree) -> Result<(), Failure> {
    for name in &read.passed_over {
        say!("folder {} is of no kind; what is in it was passed over", ui::name(name));
    }
    if !read.doubts.is_empty() {
        say!(
            "values that the model does not allow; an import refuses them unless --accept-invalid is given:"
        );
        for doubt in &read.doubts.found {
            say!("  {}", ui::message(&doubt.to_string()));
        }
        if read.doubts.beyond > 0 {
            say!("  and {} more", read.doubts.beyond);
        }
    }
    if let Some(first) = &read.first_missing {
        say!(
            "documents that sealift.json lists and that are not there: {} (the first is {})",
            read.missing,
            ui::name(first)
        );
    }
    for (word, found) in [("warning", &read.warnings), ("note", &read.notes)] {
        for text in &found.found {
            say!("{word}: {}", ui::message(&text.to_string()));
        }
        if found.beyond > 0 {
            say!("  and {} more", found.beyond);
        }
    }
    Ok(())
}
