//! Plans as files: written by `plan -o`, read by `show` and `apply`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use sealift::bundle::Bundle;
use sealift::model::Model;
use sealift::ops::{ImportOptions, PlanKey, plan_digest};
use sealift::plan::{Applied, Head, Plan, PlannedBundle, PlannedTarget, SavedError, SavedPlan};
use sealift::text::hex;
use sealift::text::input::{self, TextError};
use serde_json::json;

use super::render;
use crate::cli::Common;
use crate::clock::Moment;
use crate::exit::{Exit, Failure};
use crate::ui::{say, shown};

/// How large the file of a plan may be: it is in memory as a whole.
const LARGEST: u64 = 4 << 30;

/// The file of a plan.
pub struct PlanFile {
    path: PathBuf,
    pub plan: SavedPlan,
}

/// Says whether a file begins as a plan does. What cannot be read is none.
pub fn is_plan(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    read.is_ok() && plain(head).is_ok_and(|head| SavedPlan::recognise(&head))
}

/// The text of a plan as it was written: editors and shells put a byte order mark before it, or save it as UTF-16.
fn plain(mut text: Vec<u8>) -> Result<Vec<u8>, TextError> {
    if input::is_utf16(&text) {
        return Ok(input::decode(text)?.into_bytes());
    }
    let mark = "\u{feff}";
    if text.starts_with(mark.as_bytes()) {
        text.drain(..mark.len());
    }
    Ok(text)
}

/// What a plan is saved with.
pub struct Saving<'s> {
    pub bundle: &'s Bundle,
    /// Where the bundle was.
    pub path: &'s Path,
    pub model: &'s Model,
    pub target: PlannedTarget,
    pub given: Vec<String>,
    pub options: &'s ImportOptions,
    pub key: &'s PlanKey,
}

impl Saving<'_> {
    /// The plan as it is saved.
    pub fn saved(self, plan: &Plan) -> Result<SavedPlan, Failure> {
        let Saving { bundle, path, model, target, given, options, key } = self;
        let info = bundle.info();
        let head = Head {
            format: String::new(),
            program: concat!("sealift ", env!("CARGO_PKG_VERSION")).to_owned(),
            made: Moment::now().to_string(),
            bundle: PlannedBundle {
                path: path.display().to_string(),
                content_root: info.content_root.to_string(),
                model: model.name.clone(),
                documents: info.documents,
            },
            target,
            given,
            options: serde_json::to_value(options).map_err(std::io::Error::from)?,
            salt: key.salt.clone(),
            keyed: key.keyed,
            check: key.check.clone(),
            counts: serde_json::Map::new(),
            findings: Vec::new(),
            notices: Vec::new(),
            source: Vec::new(),
            applied: None,
        };
        Ok(SavedPlan::new(head, plan, &|parts| hex(&key.key.of(parts))))
    }
}

impl PlanFile {
    /// Writes a plan whole or not at all. Only its owner may read it: it holds what the target holds, but for
    /// secrets.
    pub fn create(path: &Path, plan: SavedPlan, force: bool) -> Result<Self, Failure> {
        let file = Self { path: path.to_owned(), plan };
        file.put(force)?;
        Ok(file)
    }

    /// Refuses a place where a plan cannot be written, before anything is done for it.
    pub fn check(path: &Path) -> Result<(), Failure> {
        beside(path).map(drop).map_err(|error| cannot(path, &error))
    }

    fn put(&self, force: bool) -> Result<(), Failure> {
        let path = &self.path;
        let text = self.plan.write(&plan_digest).map_err(std::io::Error::from)?;
        let failed = |error: std::io::Error| cannot(path, &error);
        let mut beside = beside(path).map_err(failed)?;
        beside.write_all(&text).and_then(|()| beside.as_file().sync_all()).map_err(failed)?;
        crate::outcome::take_effect()?;
        let put = if force { beside.persist(path) } else { beside.persist_noclobber(path) };
        match put {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(path)),
            Err(error) => Err(failed(error.error)),
        }
    }

    /// Reads a plan.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
        };
        let file = File::open(path).map_err(cannot)?;
        let size = file.metadata().map_err(cannot)?.len();
        if size > LARGEST {
            let text = format!("{} has {size} bytes: no plan is that large", path.display());
            return Err(Failure::new(Exit::Damaged, text));
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(cannot)?;
        let plan = plain(text)
            .map_err(|error| SavedError::Damaged(error.to_string()))
            .and_then(|text| SavedPlan::read(&text, &plan_digest))
            .map_err(|error| Failure::saved(path, &error))?;
        // Where a link leads: the plan itself is marked when it is applied.
        Ok(Self { path: path.canonicalize().map_err(cannot)?, plan })
    }

    /// Notes that the plan was carried out: the file says so from now on.
    pub fn mark(mut self, undo: Option<String>) -> Result<(), Failure> {
        self.plan.head.applied = Some(Applied { at: Moment::now().to_string(), undo });
        self.put(true)
    }
}

fn beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".sealift-").suffix(".plan").tempfile_in(folder)
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write the plan {}: {error}", path.display()))
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Failed, format!("{} exists already", path.display())).hint("--force overwrites it")
}

/// Shows a saved plan.
pub fn show(common: &Common, path: &Path) -> Result<Exit, Failure> {
    let PlanFile { plan, .. } = PlanFile::open(path)?;
    if common.json {
        let documents = serde_json::to_value(
            plan.documents
                .iter()
                .map(|d| {
                    json!({
                        "kind": d.kind, "key": d.key, "action": d.action, "reason": d.reason,
                        "changes": d.changes, "notes": d.notes,
                    })
                })
                .collect::<Vec<_>>(),
        );
        let mut answer = serde_json::to_value(&plan.head).map_err(std::io::Error::from)?;
        if let Some(map) = answer.as_object_mut() {
            map.insert("documents".to_owned(), documents.map_err(std::io::Error::from)?);
        }
        super::print_json(&answer)?;
        return Ok(Exit::Done);
    }
    let head = &plan.head;
    say!("plan of {}, made by {}", shown(&head.made), shown(&head.program));
    say!("bundle  {}  (content root {})", shown(&head.bundle.path), shown(&head.bundle.content_root));
    match (&head.target.server, &head.target.against) {
        (Some(server), _) => say!("target  {}", shown(server)),
        (None, Some(root)) => say!("target  a bundle of it, with the content root {}", shown(root)),
        (None, None) => {}
    }
    if !head.given.is_empty() {
        say!("options {}", shown(&head.given.join(" ")));
    }
    render::print_saved(&plan)?;
    if let Some(applied) = &head.applied {
        say!("applied {}", shown(&applied.at));
        if let Some(undo) = &applied.undo {
            say!("`sealift undo {}` takes it back", shown(undo));
        }
    }
    Ok(Exit::Done)
}
