//! Runs one vector through the library and the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use sealift::bundle::{Bundle, BundleError, Level, Limits, Report, UncheckedBundle, verify};
use sealift::crypto::{KdfLimits, Password};
use sealift::document::{ContentId, Key, KindName, canonical};
use sealift::progress::Silent;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    what: String,
    rule: String,
    pub file: Option<String>,
    base: Option<String>,
    length: Option<usize>,
    #[serde(default)]
    edits: Vec<(usize, String)>,
    beside: Option<String>,
    password: Option<String>,
    expect: String,
    stage: Option<String>,
    class: Option<String>,
    exit: Option<i32>,
    error: Option<String>,
    content_root: Option<String>,
    documents: Option<u64>,
    secrets_opened: Option<u64>,
    content_id: Option<String>,
    #[serde(default)]
    secret_places: Vec<String>,
}

type Outcome = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, said: T) -> Outcome {
    if found == said { Ok(()) } else { Err(format!("{what}: found {found:?}, it says {said:?}")) }
}

pub fn run(vector: &Vector, files: &BTreeMap<String, Vec<u8>>, scratch: &Path) -> Outcome {
    assert!(!vector.what.is_empty() && rule_exists(&vector.rule), "{:?}", vector.rule);
    let mut bytes = files[vector.file.as_ref().or(vector.base.as_ref()).unwrap()].clone();
    match vector.file.as_deref().and_then(|file| file.rsplit_once('.')) {
        Some((_, "bin")) => return document(vector, &bytes),
        Some((_, "json")) => return key(vector, &bytes),
        _ => {}
    }
    bytes.resize(vector.length.unwrap_or(bytes.len()), 0);
    for (at, new) in &vector.edits {
        let new = super::unhex(new);
        bytes[*at..at + new.len()].copy_from_slice(&new);
    }
    let path = scratch.join("vector.sealift");
    std::fs::write(&path, &bytes).unwrap();
    let beside = vector.beside.as_ref().map(|suffix| scratch.join(format!("vector.sealift{suffix}")));
    if let Some(beside) = &beside {
        std::fs::write(beside, b"").unwrap();
    }
    let outcome = bundle(vector, &path);
    let exit = program(vector, &path);
    if let Some(beside) = &beside {
        std::fs::remove_file(beside).unwrap();
    }
    outcome?;
    same("exit code", exit, vector.exit)
}

/// The rule is a file of the specification and a heading in it.
fn rule_exists(rule: &str) -> bool {
    let (file, heading) = rule.split_once(", ").unwrap_or((rule, ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec").join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| line.starts_with('#') && line.ends_with(heading))
}

fn class(error: &BundleError) -> &'static str {
    match error {
        BundleError::NotABundle { .. } => "not-a-bundle",
        BundleError::TooNew { .. } => "too-new",
        BundleError::Feature { .. } => "unknown-feature",
        BundleError::Damaged { .. } => "damaged",
        BundleError::Limit { .. } => "limit",
        BundleError::WrongPassword { .. } => "wrong-password",
        BundleError::TooExpensive { .. } => "too-expensive",
        _ => "no class of a file",
    }
}

/// A report has texts; a limit says that it is one.
fn class_of(report: &Report) -> &'static str {
    let limit = report.findings.iter().any(|finding| finding.problem.contains("is over the limit of"));
    if limit { "limit" } else { "damaged" }
}

/// The stage at which the file is refused, and as what; or the bundle with what it holds.
fn bundle(vector: &Vector, path: &Path) -> Outcome {
    let found = attempt(vector, path);
    match (&found, vector.expect.as_str()) {
        (Ok((bundle, report)), "ok") => {
            let info = bundle.info();
            same("content root", Some(info.content_root.to_string()), vector.content_root.clone())?;
            same("documents", Some(info.documents), vector.documents)?;
            same("secrets opened", Some(report.secrets_opened), vector.secrets_opened)
        }
        (Err((stage, class, _)), "refused") => {
            same("stage", Some((*stage).to_owned()), vector.stage.clone())?;
            same("class", Some((*class).to_owned()), vector.class.clone())
        }
        (Ok(_), _) => Err("it was accepted".to_owned()),
        (Err((stage, class, why)), _) => Err(format!("it was refused at {stage} as {class}: {why}")),
    }
}

type Refusal = (&'static str, &'static str, String);

fn attempt(vector: &Vector, path: &Path) -> Result<(Bundle, Report), Refusal> {
    let (limits, kdf) = (Limits::default(), KdfLimits::default());
    let at = |stage| move |error: BundleError| (stage, class(&error), error.to_string());
    let sound = |stage, report: Report| match report.is_sound() {
        true => Ok(report),
        false => Err((stage, class_of(&report), format!("{:?}", report.findings))),
    };
    let opened = UncheckedBundle::open(path, &limits).and_then(|file| file.check(&Silent));
    let bundle = opened.map_err(at("open"))?;
    let report = verify(path, None, &limits, &kdf, &Silent).map_err(at("verify"))?;
    let report = sound("verify", report)?;
    assert_eq!(report.level, Level::Sealed);
    let password = Password::new(vector.password.clone().unwrap()).unwrap();
    let key = match bundle.unlock(&password, &kdf) {
        Err(BundleError::NoPassword { .. }) => None,
        unlocked => Some(unlocked.map_err(at("unlock"))?),
    };
    let report = verify(path, Some(&password), &limits, &kdf, &Silent).map_err(at("opened"))?;
    let report = sound("opened", report)?;
    // What verification says must hold when it is read.
    let mut secrets = 0;
    bundle
        .scan::<BundleError>(None, &mut |entry, document| {
            assert_eq!(bundle.find(entry.kind.as_str(), &entry.key)?.unwrap(), entry);
            if let Some(key) = &key {
                secrets += bundle.secrets(&entry, &document, key)?.iter().flatten().count() as u64;
            }
            Ok(())
        })
        .map_err(at("reading"))?;
    assert_eq!(secrets, report.secrets_opened);
    Ok((bundle, report))
}

/// What `sealift verify` answers.
fn program(vector: &Vector, path: &Path) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.arg("verify").arg(path).env_remove("SEALIFT_PASSWORD");
    if matches!(vector.stage.as_deref(), Some("open" | "verify")) {
        command.arg("--sealed");
    } else {
        let file = path.with_extension("password");
        std::fs::write(&file, vector.password.as_ref().unwrap()).unwrap();
        command.arg("--password-file").arg(file);
    }
    command.output().unwrap().status.code()
}

fn document(vector: &Vector, bytes: &[u8]) -> Outcome {
    use canonical::DecodeError;
    match (canonical::decode(KindName::new("K"), Key::name("k"), bytes), vector.expect.as_str()) {
        (Ok(document), "ok") => {
            assert!(canonical::encode(&document).unwrap() == bytes, "it is written otherwise");
            let places = document.secret_places().iter().map(ToString::to_string).collect();
            same("secret places", places, vector.secret_places.clone())?;
            same("content id", Some(ContentId::of(bytes).to_string()), vector.content_id.clone())
        }
        (Err(error), "refused") => {
            let word = match error {
                DecodeError::Short => "short",
                DecodeError::Trailing => "trailing",
                DecodeError::Type => "type",
                DecodeError::NotCanonical => "not-canonical",
                DecodeError::Utf8 => "utf-8",
                DecodeError::TooDeep => "too-deep",
                DecodeError::TooMany => "too-many",
            };
            same("error", Some(word.to_owned()), vector.error.clone())
        }
        (found, _) => Err(format!("found {found:?}")),
    }
}

fn key(vector: &Vector, bytes: &[u8]) -> Outcome {
    match (Key::parse(std::str::from_utf8(bytes).unwrap()), vector.expect.as_str()) {
        (Ok(key), "ok") => same("text", key.to_text().as_bytes(), bytes),
        (Err(_), "refused") => Ok(()),
        (found, _) => Err(format!("found {found:?}")),
    }
}
