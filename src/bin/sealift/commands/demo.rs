//! `demo`: two servers, one configuration carried from the one to the other, in plain words.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::bundle::{self, Header, Limits, Protection, Writer, WriterOptions};
use sealift::crypto::{Envelope, KdfLimits, KdfParams, MasterKey, MasterKeySize, Password, random_guid};
use sealift::demo::{self, DemoOptions, Site};
use sealift::model::{Model, OCTOPUS_SPACES_SQL};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{self, ExportOptions, How, ImportOptions, Keys, Outcome, UndoTo};
use sealift::plan::{Action, Plan};
use sealift::progress::Preliminary;
use sealift::server::{self, Address, Schema, Server};
use serde_json::json;

use super::render;
use crate::cli::{Common, ServerArgs};
use crate::exit::{Exit, Failure};
use crate::files::{Files, Format};
use crate::outcome;
use crate::ui;
use crate::ui::say;

/// A project of the demo that only one space has.
const A_PROJECT: &str = "Order Service";

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder to make; it must not exist
    #[arg(value_name = "DIR", default_value = "sealift-demo")]
    folder: PathBuf,
    /// Make the two servers here and not in the folder, the build server first: mssql://… of a database that exists
    /// and has no tables, or sqlite:PATH
    #[arg(long = "on", value_name = "SERVER")]
    on: Vec<String>,
    #[command(flatten)]
    login: ServerArgs,
}

impl DemoArgs {
    pub fn files(&self) -> Files {
        let files = Files::default()
            .writes(Format::NewFolder, self.folder.as_path(), false)
            .reads("password file", &self.login.sql_password_file);
        self.on.iter().fold(files, |files, server| files.makes_server(server))
    }
}

/// Prints the story, unless the answer is wanted as JSON. A story that cannot be printed any more stops there; what it
/// is about goes on.
struct Story {
    quiet: bool,
    chapter: usize,
    /// Why it stopped.
    stopped: Option<Failure>,
}

impl Story {
    fn print(&mut self, print: impl FnOnce() -> Result<(), Failure>) {
        if !self.quiet && self.stopped.is_none() {
            self.stopped = print().err();
        }
    }

    fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let chapter = self.chapter;
        self.print(|| {
            ui::line(format_args!(""))?;
            ui::line(format_args!("{chapter}. {title}"))
        });
    }

    fn tell(&mut self, text: impl AsRef<str>) {
        self.print(|| ui::line(format_args!("   {}", text.as_ref())));
    }
}

/// One of the two servers.
struct Shop {
    server: Box<dyn Server>,
    key: MasterKey,
    documents: u64,
}

fn write_secret(path: &Path, text: &[u8]) -> Result<(), Failure> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    Ok(())
}

/// Where the two servers are to be, the build server first.
fn places(args: &DemoArgs) -> Result<[Address; 2], Failure> {
    let places = match args.on.as_slice() {
        [] => ["build", "production"].map(|name| Address::Sqlite(args.folder.join(format!("{name}.sqlite")))),
        [build, production] => [
            super::with_login(&build.parse::<Address>()?, &args.login)?,
            super::with_login(&production.parse::<Address>()?, &args.login)?,
        ],
        _ => {
            return Err(Failure::new(Exit::Usage, "the demo has two servers")
                .hint("give --on twice: first for the build server, then for production"));
        }
    };
    if places[0] == places[1] {
        return Err(Failure::new(Exit::Usage, format!("both servers of the demo would be {}", places[0])));
    }
    // Before anything is made: a demo begun and not ended would have to be cleared away by hand. What is to be in
    // the folder finds it new.
    if !args.on.is_empty() {
        places.iter().try_for_each(server::vacant)?;
    }
    Ok(places)
}

/// The file of an embedded server; the address of another.
fn shown(address: &Address) -> String {
    match address {
        Address::Sqlite(path) => path.display().to_string(),
        address => address.to_string(),
    }
}

fn make(
    folder: &Path,
    name: &str,
    address: &Address,
    site: Site,
    size: MasterKeySize,
) -> Result<Shop, Failure> {
    let failed = |e: sealift::crypto::CryptoError| Failure::new(Exit::Failed, e.to_string());
    let key = MasterKey::generate(size).map_err(failed)?;
    write_secret(&folder.join(format!("{name}.key")), key.to_base64().expose())?;
    let mut server = server::create(address, Schema::Ddl(OCTOPUS_SPACES_SQL))?;
    let counts = demo::build(&mut *server, site, &key, &DemoOptions::default())?;
    Ok(Shop { server, key, documents: counts.documents })
}

pub fn run(common: &Common, args: &DemoArgs) -> Result<Exit, Failure> {
    let folder = &args.folder;
    let [at_build, at_production] = &places(args)?;
    std::fs::create_dir(folder).map_err(|e| {
        let failure = Failure::new(Exit::Failed, format!("cannot make the folder {}: {e}", folder.display()));
        failure.hint("name a folder that does not exist yet: sealift demo DIR")
    })?;
    act(common, args, at_build, at_production).map_err(|failure| match failure.exit {
        Exit::Interrupted => {
            let text = format!("interrupted; {} holds what was made until then", folder.display());
            Failure::new(Exit::Interrupted, text).hint("remove it before the next demo")
        }
        _ => failure,
    })
}

/// All that the demo does in its folder.
fn act(
    common: &Common,
    args: &DemoArgs,
    at_build: &Address,
    at_production: &Address,
) -> Result<Exit, Failure> {
    let folder = &args.folder;
    let mut story = Story { quiet: common.json, chapter: 0, stopped: None };
    let bars = ui::Bars::new();
    // Until the last step it can be stopped.
    let progress = Preliminary(&bars);
    let model = Model::octopus()?;

    story.chapter("Two servers");
    let mut build = make(folder, "build", at_build, Site::Build, MasterKeySize::Bits128)?;
    let mut production = make(folder, "production", at_production, Site::Production, MasterKeySize::Bits256)?;
    story.tell(format!("{} is where the team works: {} documents.", shown(at_build), build.documents));
    story.tell(format!(
        "{} is production: {} documents, some of the same names, other ids, another master key.",
        shown(at_production),
        production.documents
    ));

    story.chapter("Export: the configuration leaves the build server as one file");
    let password = random_guid().map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    write_secret(&folder.join("password"), password.as_bytes())?;
    let password = Password::new(password)?;
    let file = folder.join("build.sealift");
    let (envelope, key) = Envelope::create(&password, KdfParams::default())
        .map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    let summary = {
        let mut reader = build.server.read()?;
        let header =
            Header::new(model.name.clone(), model.digest, ops::product_version(&mut *reader, &model)?);
        let options =
            WriterOptions { protection: Protection::Password { envelope, key }, ..WriterOptions::default() };
        let writer = Writer::create(&file, header, options)?;
        let wanted = ExportOptions::everything(ServerSecrets::Read(Some(&build.key)));
        ops::export(&mut *reader, &model, writer, &wanted, &progress)?.summary
    };
    bars.clear();
    story.tell(format!(
        "{}: {} documents and {} secrets in {}; the secrets are sealed under a password of their own.",
        file.display(),
        summary.documents,
        summary.secrets,
        ui::bytes(summary.file_bytes)
    ));
    story.tell(format!("content root {}", summary.content_root));

    story.chapter("Verify: what was carried is what was written");
    let report =
        bundle::verify(&file, Some(&password), &Limits::default(), &KdfLimits::default(), &progress)?;
    bars.clear();
    if !report.findings.is_empty() {
        return Err(Failure::new(Exit::Damaged, format!("{} is damaged", file.display())));
    }
    story.tell(format!("every byte is as it was written, and all {} secrets open.", report.secrets_opened));

    story.chapter("Plan: what would change in production");
    let bundle = super::input::open(common, &file, None, None, &progress)?;
    let key = bundle.unlock(&password, &KdfLimits::default())?;
    let seen = super::plan::seen_key()?;
    let keys = Keys { bundle: Some(&key), master: Some(&production.key), seen: &seen };
    let options = || ImportOptions { overwrite: true, ..ImportOptions::default() };
    let mut decided =
        ops::decide(&bundle, &mut *production.server.read()?, &model, keys, options(), &progress)?;
    bars.clear();
    story.print(|| render::print_plan(decided.plan()));
    refuse_findings(decided.plan())?;

    story.chapter("Import: one transaction, all of it or nothing");
    let undo = UndoTo { path: folder.join("production.undo"), created: None };
    let how = How { undo: Some(&undo), ..How::default() };
    let outcome = decided.carry_out(&mut *production.server, how, &progress)?;
    bars.clear();
    let Outcome::Applied(applied) = outcome else {
        return Err(Failure::new(Exit::Failed, "the import of the demo was not applied"));
    };
    story.tell(format!(
        "committed: {} created, {} updated, {} merged, {} were the same.",
        applied.count(Action::Create),
        applied.count(Action::Update),
        applied.count(Action::Merge),
        applied.count(Action::Unchanged)
    ));

    story.chapter("Proof: the same plan again");
    let second = ops::plan(&bundle, &mut *production.server.read()?, &model, keys, options(), &progress)?;
    bars.clear();
    refuse_findings(&second)?;
    if !second.is_empty() {
        return Err(Failure::new(Exit::Failed, "a second plan is not empty"));
    }
    story.tell(format!("nothing left to do: all {} documents are as the file says.", second.entries.len()));

    outcome::take_effect()?;
    outcome::settle_effect(Exit::Done, format!("{} holds the demo's servers and files", folder.display()));
    if let Some(stopped) = story.stopped {
        return Err(stopped);
    }
    if common.json {
        super::print_json(&json!({
            "folder": folder.display().to_string(),
            "build": at_build.to_string(),
            "production": at_production.to_string(),
            "documents": summary.documents,
            "secrets": summary.secrets,
            "content_root": summary.content_root.to_string(),
            "imported": render::counts_json(&applied),
            "second_plan_empty": true,
        }))?;
    } else {
        advice(folder, at_build, at_production)?;
    }
    Ok(Exit::Done)
}

fn refuse_findings(plan: &Plan) -> Result<(), Failure> {
    match plan.findings.first() {
        None => Ok(()),
        Some(finding) => Err(Failure::new(Exit::Refused, render::finding_line(finding))),
    }
}

fn advice(folder: &Path, build: &Address, production: &Address) -> Result<(), Failure> {
    let at = |name: &str| folder.join(name).display().to_string();
    let (file, password) = (at("build.sealift"), at("password"));
    say!("");
    say!("To look around:");
    say!("   sealift info {file}");
    say!("   sealift list {file} Project");
    say!("   sealift show {file} VariableSet \"{}\"", A_PROJECT);
    say!("   sealift diff {build} {production}");
    say!("   sealift verify {file} --password-file {password}");
    say!("To take the import back:");
    say!(
        "   sealift undo {} --to {production} --master-key-file {}",
        at("production.undo"),
        at("production.key")
    );
    say!("To carry a single project into a new server:");
    say!("   sealift init sqlite:{}", at("new.sqlite"));
    say!(
        "   sealift partial-export {build} --project \"{}\" -o {} --master-key-file {} --password-file {password}",
        A_PROJECT,
        at("one.sealift"),
        at("build.key")
    );
    say!("   sealift list {} --why", at("one.sealift"));
    say!(
        "   sealift import {} --to sqlite:{} --master-key-file {} --password-file {password}",
        at("one.sealift"),
        at("new.sqlite"),
        at("production.key")
    );
    Ok(())
}
