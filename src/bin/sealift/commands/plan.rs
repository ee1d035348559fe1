//! `plan`: exactly what an import would change.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::Bundle;
use sealift::crypto::{FingerprintKey, MasterKey};
use sealift::model::Model;
use sealift::ops::{self, ImportOptions, IntoScope, Keys, PlanKey};
use sealift::plan::{PlannedTarget, Policy};
use sealift::progress::Progress;
use sealift::server::{Address, Server};

use super::input::Opened;
use super::saved::{PlanFile, Saving};
use super::{around, render};
use crate::cli::{Common, ExpectArgs, ExpectedRoot, MasterKeyArgs, PasswordArgs, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::outcome;
use crate::ui::say;
use crate::{secrets, ui};

/// What plan and import have in common.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Overwrite documents that the target has otherwise; they are skipped without this
    #[arg(long)]
    pub overwrite: bool,
    /// Take these documents only: KIND or KIND/NAME, where * and ? stand for any text (may be given several times)
    #[arg(long, value_name = "KIND[/NAME]")]
    pub only: Vec<String>,
    /// Leave these documents out, named likewise
    #[arg(long, value_name = "KIND[/NAME]")]
    pub except: Vec<String>,
    /// What to do with documents of a kind, or of all (*), that differ in the target: overwrite them wholly, skip
    /// them, merge by the model's rules, add only what they lack, or fail (may be given several times)
    #[arg(long, value_name = "KIND=overwrite|skip|merge|add|fail", value_parser = policy)]
    pub policy: Vec<(String, Policy)>,
    /// Take the documents of this list only, which `sealift plan --list` made and somebody edited
    #[arg(long, value_name = "FILE")]
    pub use_list: Option<PathBuf>,
    /// Delete what the target has and the source no longer does: within the kinds, and among what belongs to the
    /// documents, that the bundle carries whole
    #[arg(long)]
    pub prune: bool,
    /// Take a target of another product version
    #[arg(long)]
    pub ignore_version: bool,
    /// Write ids that named nothing at the source even where they name something in the target
    #[arg(long)]
    pub accept_dangling: bool,
    /// Write ids that stand where the model knows of no reference even where they name other documents in the target
    /// than at the source, and text that the source encrypted where the model knows of no secret
    #[arg(long)]
    pub accept_undeclared: bool,
    /// Write values that are not what the model says they must be, with a note
    #[arg(long)]
    pub accept_invalid: bool,
    /// Leave out values for columns that the target's tables lack; the plan names the columns
    #[arg(long)]
    pub omit_missing_columns: bool,
    /// Refuse unless the target is in maintenance mode and no task waits or runs on it
    #[arg(long)]
    pub require_maintenance: bool,
    /// Put the documents of the bundle's space into this space of the target; where there are several, say
    /// which goes where as SOURCE=TARGET (may be given several times)
    #[arg(long, value_name = "[SOURCE=]TARGET")]
    pub into_space: Vec<String>,
    #[command(flatten)]
    pub expect: ExpectArgs,
    #[command(flatten)]
    pub password: PasswordArgs,
    #[command(flatten)]
    pub master_key: MasterKeyArgs,
    #[command(flatten)]
    pub server: ServerArgs,
}

impl TargetArgs {
    /// The options, with the list that they name.
    ///
    /// # Errors
    /// [`Failure`], where the list cannot be read, or is none.
    pub fn options(&self) -> Result<ImportOptions, Failure> {
        let list = self.use_list.as_deref().map(super::list::read).transpose()?;
        Ok(ImportOptions {
            overwrite: self.overwrite,
            only: self.only.clone(),
            except: self.except.clone(),
            policies: self.policy.iter().cloned().collect(),
            list,
            prune: self.prune,
            blind: false,
            ignore_version: self.ignore_version,
            accept_dangling: self.accept_dangling,
            accept_undeclared: self.accept_undeclared,
            accept_invalid: self.accept_invalid,
            omit_missing_columns: self.omit_missing_columns,
            require_maintenance: self.require_maintenance,
            into: self.into_space.iter().map(|text| IntoScope::parse(text)).collect(),
        })
    }
}

impl TargetArgs {
    /// Opens the bundle.
    pub fn open(&self, common: &Common, progress: &dyn Progress) -> Result<Opened, Failure> {
        let password_file = self.password.password_file.as_deref();
        super::input::open(common, &self.file, self.expect.expect_root, password_file, progress)
    }

    /// What is read for a plan, but for the target.
    pub fn files(&self) -> Files {
        Files::default()
            .reads_bundle("bundle", &self.file)
            .reads("list", &self.use_list)
            .reads("password file", &self.password.password_file)
            .reads("master key file", &self.master_key.master_key_file)
            .reads("password file", &self.server.sql_password_file)
    }

    /// The options that were given, as one would give them again, for a record. None of them holds a secret.
    pub fn given(&self) -> Vec<String> {
        let flags = [
            ("--overwrite", self.overwrite),
            ("--prune", self.prune),
            ("--ignore-version", self.ignore_version),
            ("--accept-dangling", self.accept_dangling),
            ("--accept-undeclared", self.accept_undeclared),
            ("--accept-invalid", self.accept_invalid),
            ("--omit-missing-columns", self.omit_missing_columns),
            ("--require-maintenance", self.require_maintenance),
        ];
        let flags = flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let each = |name: &'static str, texts: &[String]| {
            texts.iter().map(move |text| format!("{name}={text}")).collect::<Vec<_>>()
        };
        let policies = self.policy.iter().map(|(kind, policy)| {
            let word = Policy::WORDS.into_iter().find(|(_, of)| of == policy).map(|(word, _)| word);
            format!("--policy={kind}={}", word.unwrap_or_default())
        });
        let list = self.use_list.iter().map(|path| format!("--use-list={}", path.display()));
        flags
            .chain(each("--only", &self.only))
            .chain(each("--except", &self.except))
            .chain(policies)
            .chain(list)
            .chain(each("--into-space", &self.into_space))
            .collect()
    }
}

/// Reads `KIND=POLICY`.
fn policy(text: &str) -> Result<(String, Policy), String> {
    let words: Vec<&str> = Policy::WORDS.into_iter().map(|(word, _)| word).collect();
    let (kind, word) = text.rsplit_once('=').ok_or("it is written KIND=POLICY")?;
    let policy = Policy::parse(word).ok_or_else(|| format!("{word:?} is none of {}", words.join(", ")))?;
    Ok((kind.trim().to_owned(), policy))
}

/// A key for a plan's fingerprints.
pub fn seen_key() -> Result<FingerprintKey, Failure> {
    FingerprintKey::generate().map_err(|e| Failure::new(Exit::Failed, e.to_string()))
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The server that the bundle is for: mssql://USER@HOST/DATABASE or sqlite:PATH
    #[arg(long, value_name = "SERVER", required_unless_present = "against")]
    to: Option<String>,
    /// Plan against a bundle of the target, where the target itself cannot be reached
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["to", "sql", "require_maintenance"])]
    against: Option<PathBuf>,
    /// Read the password of the target's bundle from this file (else SEALIFT_AGAINST_PASSWORD, else a prompt)
    #[arg(long, value_name = "FILE", requires = "against")]
    against_password_file: Option<PathBuf>,
    /// Refuse the bundle of the target unless this is its file root or its content root
    #[arg(long, value_name = "ROOT", requires = "against")]
    expect_against_root: Option<ExpectedRoot>,
    /// Write the import as a T-SQL script for review: one transaction, that stops where the target has changed
    #[arg(long, value_name = "SCRIPT")]
    sql: Option<PathBuf>,
    /// Save the plan, to be shown by `sealift show` and carried out by `sealift apply`
    #[arg(short, long, value_name = "PLAN")]
    output: Option<PathBuf>,
    /// Print the plan as a list, a line for each document, to be edited and given to --use-list
    #[arg(long, conflicts_with_all = ["sql", "json"])]
    list: bool,
    /// Overwrite the script or the plan
    #[arg(long)]
    force: bool,
}

impl PlanArgs {
    pub fn files(&self) -> Files {
        let files = self.to.iter().fold(self.target.files(), |files, to| files.reads_server(to));
        files
            .reads_bundle("bundle of the target", &self.against)
            .reads("password file", &self.against_password_file)
            .writes(Format::Script, self.sql.as_deref(), self.force)
            .writes(Format::Plan, self.output.as_deref(), self.force)
    }
}

pub fn run(common: &Common, args: &PlanArgs) -> Result<Exit, Failure> {
    let (sql, output) = (args.sql.as_deref(), args.output.as_deref());
    let (force, list) = (args.force, args.list);
    let model = super::load_model(common)?;
    let progress = ui::Bars::new();
    if let Some(path) = output {
        PlanFile::check(path)?;
    }
    let target = &args.target;
    let bundle = target.open(common, &progress)?;
    super::input::refuse_undo(&bundle)?;
    if output.is_some() {
        // The plan is for documents of this root, and so far the bundle only says that it has it.
        bundle.check_content_root(&progress)?;
    }
    let mut options = target.options()?;
    let folder = sealift::temporary::folder()?;
    let Side { mut server, address, against, master, plan_key } = match &args.against {
        Some(path) => args.stand(common, path, &bundle, &model, folder.path(), &progress)?,
        None => args.reach(&bundle)?,
    };
    // Without a master key anybody could try guesses at the secrets that a saved plan's hashes would be of.
    options.blind = against.is_some() || master.is_none();
    let key = super::unlock(common, &bundle, target.password.password_file.as_deref())?;
    let keys = Keys { bundle: key.as_ref(), master: master.as_ref(), seen: &plan_key.key };
    let mut reader = server.read()?;
    // Before the script is in its place: from then on nothing is left that may take long, or fail for the server.
    let place = address.as_ref().map(Address::place);
    let planned =
        output.map(|_| ops::planned_target(&mut *reader, &model, &plan_key.key, place)).transpose()?;
    let (mut plan, statements) = match (sql, &address) {
        (Some(path), Some(address)) => super::script::write(
            path,
            force,
            &bundle,
            address,
            &mut *reader,
            &model,
            keys,
            options.clone(),
            &progress,
        )?,
        _ => (ops::plan(&bundle, &mut *reader, &model, keys, options.clone(), &progress)?, 0),
    };
    if against.is_some() {
        // What runs on the target is known on the target.
        plan.maintenance = None;
        plan.notices.retain(|notice| !notice.contains(" is not known: "));
        plan.notices.push(
            "made against a bundle of the target: changed secrets are compared with that bundle, and what it relied \
             on is looked at when it is applied"
                .to_owned(),
        );
    }
    if let (Some(path), Some(mut planned)) = (output, planned) {
        if let Some(root) = against {
            planned = PlannedTarget { against: Some(root), tables: Default::default(), ..planned };
        }
        let saving = Saving {
            bundle: &bundle,
            path: &target.file,
            model: &model,
            target: planned,
            given: target.given(),
            options: &options,
            key: &plan_key,
        };
        PlanFile::create(path, saving.saved(&plan)?, force)?;
    }
    progress.clear();
    let exit = if plan.findings.is_empty() { Exit::Done } else { Exit::Refused };
    let written = sql.filter(|_| statements > 0).into_iter().chain(output);
    let written: Vec<String> = written.map(|path| format!("{} is written", path.display())).collect();
    match written.as_slice() {
        [] => outcome::settle(exit),
        written => outcome::settle_effect(exit, written.join(", ")),
    }
    if list {
        super::list::print(&plan)?;
        return Ok(exit);
    }
    if common.json {
        let mut answer = render::plan_json(&plan);
        around::add(&mut answer, &plan, &model);
        if let (Some(map), Some(path), 1..) = (answer.as_object_mut(), sql, statements) {
            map.insert("sql".to_owned(), path.display().to_string().into());
        }
        if let (Some(map), Some(path)) = (answer.as_object_mut(), output) {
            map.insert("plan".to_owned(), path.display().to_string().into());
        }
        super::print_json(&answer)?;
        return Ok(exit);
    }
    render::print_plan(&plan)?;
    around::print(&plan, &model)?;
    if let Some(path) = output {
        let path = path.display();
        say!(
            "saved {path}; `sealift show {path}` shows it, `sealift apply {path} {}` carries it out",
            target.file.display()
        );
    }
    match (sql, statements) {
        (None, _) => {}
        (Some(path), 0) if plan.findings.is_empty() => {
            say!("{}; {} is not written", render::nothing_to_write(&plan, None), path.display())
        }
        (Some(path), 0) => ui::aside!("{} is not written: the plan has findings", path.display()),
        (Some(path), statements) => say!(
            "wrote {}: {statements} statements; review it, then run it with sqlcmd, as its head says",
            path.display()
        ),
    }
    Ok(exit)
}

/// What a plan is made against.
struct Side {
    server: Box<dyn Server>,
    /// Where it is; `None` for one that stands for a bundle.
    address: Option<Address>,
    /// The content root of the bundle that it stands for.
    against: Option<String>,
    master: Option<MasterKey>,
    plan_key: PlanKey,
}

impl PlanArgs {
    /// The target itself.
    fn reach(&self, bundle: &Bundle) -> Result<Side, Failure> {
        let address: Address = self.to.as_deref().unwrap_or_default().parse()?;
        let server = super::open_server(&address, &self.target.server)?;
        let master = secrets::master_key(self.target.master_key.master_key_file.as_deref())?;
        let plan_key = PlanKey::new(bundle, master.as_ref());
        Ok(Side { server, address: Some(address), against: None, master, plan_key })
    }

    /// A server that stands for the target, made of a bundle of it.
    fn stand(
        &self,
        common: &Common,
        path: &Path,
        planned: &Bundle,
        model: &Model,
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Side, Failure> {
        let password_file = self.against_password_file.as_deref();
        let target = super::input::open_in(
            common,
            path,
            self.expect_against_root,
            model,
            password_file,
            folder,
            progress,
        )?;
        super::input::refuse_undo(&target)?;
        let key = match target.info().sealed {
            0 => None,
            _ => Some(super::unlock_with(common, &target, &secrets::against_password(password_file, path)?)?),
        };
        let ops::Stand { server, master } =
            ops::stand(&target, key.as_ref(), planned, model, folder, progress)?;
        // Nobody who applies the plan has this server's key: the hashes are open, and no secret is in them.
        let (against, plan_key) = (Some(target.info().content_root.to_string()), PlanKey::new(planned, None));
        Ok(Side { server, address: None, against, master: Some(master), plan_key })
    }
}
