//! Runs one vector through the library, or the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use sealift::bundle::{BundleError, Limits, UncheckedBundle};
use sealift::crypto::{KdfLimits, OpenError, Password};
use sealift::document::Key;
use sealift::model::Model;
use sealift::ops::{self, ConvertError};
use sealift::progress::Silent;
use sealift::tree::{Clashes, Findings, Tree, TreeError};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    pub what: String,
    pub why: String,
    pub expect: String,
    password: Option<String>,
    /// For readers that know the kinds only.
    #[allow(dead_code)]
    needs: Option<String>,
    #[serde(default)]
    findings: Vec<(String, String)>,
    content_root: Option<String>,
    documents: Option<u64>,
    secrets_opened: Option<u64>,
    pub exit: Option<i32>,
    #[serde(default)]
    paths: Vec<(String, String, String)>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    hex: BTreeMap<String, String>,
}

/// Class, and findings by file and place.
pub type Refusal = (&'static str, Vec<(String, String)>, String);

impl Vector {
    fn all_files(&self) -> Vec<(String, Vec<u8>)> {
        let texts = self.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes()));
        let bytes = self.hex.iter().map(|(path, digits)| (path.clone(), unhex(digits)));
        texts.chain(bytes).collect()
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn run(vector: &Vector) -> Result<(), String> {
    if !vector.paths.is_empty() {
        return paths(vector);
    }
    let found = attempt(&vector.all_files(), vector.password.as_deref());
    let found = match &found {
        Ok((root, documents, opened)) => {
            let opened = vector.password.is_some().then_some(*opened);
            ("ok", Vec::new(), Some(root.clone()), Some(*documents), opened)
        }
        Err((class, findings, _)) => (*class, findings.clone(), None, None, None),
    };
    let said = (
        vector.expect.as_str(),
        vector.findings.clone(),
        vector.content_root.clone(),
        vector.documents,
        vector.secrets_opened,
    );
    if found == said { Ok(()) } else { Err(format!("found {found:?}, it says {said:?}")) }
}

fn paths(vector: &Vector) -> Result<(), String> {
    let mut clashes = Clashes::default();
    let parsed =
        |(kind, key, path): &(String, String, String)| (kind.clone(), Key::parse(key).unwrap(), path.clone());
    let all: Vec<_> = vector.paths.iter().map(parsed).collect();
    all.iter().for_each(|(kind, key, _)| clashes.see(kind, key));
    for (kind, key, said) in &all {
        let found = clashes.path(kind, key);
        if found != *said {
            return Err(format!("{kind} {key}: {found:?}, it says {said:?}"));
        }
    }
    Ok(())
}

fn lay_out(files: &[(String, Vec<u8>)], root: &Path) {
    for (path, bytes) in files {
        let place = root.join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, bytes).unwrap();
    }
}

fn told(class: &'static str, findings: &Findings) -> Refusal {
    let pairs = findings.found.iter().map(|f| (f.file.clone(), f.place.clone().unwrap_or_default()));
    (class, pairs.collect(), format!("{findings:?}"))
}

fn of_tree(error: TreeError) -> Refusal {
    match error {
        TreeError::NotATree { .. } => ("not-a-tree", Vec::new(), String::new()),
        TreeError::Incomplete { .. } => ("incomplete", Vec::new(), String::new()),
        TreeError::TooNew { .. } => ("too-new", Vec::new(), String::new()),
        TreeError::Findings { findings, .. } => told("findings", &findings),
        other => ("no class of a tree", Vec::new(), other.to_string()),
    }
}

fn of_password(error: &OpenError) -> Refusal {
    let class = match error {
        OpenError::WrongPassword => "wrong-password",
        OpenError::TooExpensive { .. } => "too-expensive",
        _ => "damaged",
    };
    (class, Vec::new(), error.to_string())
}

/// The content root, the number of documents, and of secrets that open.
pub fn attempt(files: &[(String, Vec<u8>)], password: Option<&str>) -> Result<(String, u64, u64), Refusal> {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("tree");
    lay_out(files, &root);
    let tree = Tree::open(&root).map_err(of_tree)?;
    let password = password.map(|text| Password::new(text.to_owned()).unwrap());
    let key = match (&password, &tree.about().envelope) {
        (Some(password), Some(envelope)) => {
            Some(envelope.open(password, &KdfLimits::default()).map_err(|error| of_password(&error))?)
        }
        _ => None,
    };
    let model = Model::octopus().unwrap();
    let out = scratch.path().join("out.sealift");
    let read = ops::from_tree(&tree, &model, key.as_ref(), &out, (false, false), &Silent);
    read.map_err(|error| match error {
        ConvertError::Tree(error) => of_tree(error),
        ConvertError::NeedsKey { moved } => told("needs-password", &moved),
        ConvertError::OtherModel { .. } => ("other-model", Vec::new(), String::new()),
        other => ("no class of a tree", Vec::new(), other.to_string()),
    })?;
    let bundle = UncheckedBundle::open(&out, &Limits::default()).unwrap().check(&Silent).unwrap();
    let mut opened = 0;
    if let Some(key) = &key {
        bundle
            .scan::<BundleError>(None, &mut |entry, document| {
                opened += bundle.secrets(&entry, &document, key)?.iter().flatten().count() as u64;
                Ok(())
            })
            .map_err(|error| ("damaged", Vec::new(), error.to_string()))?;
    }
    Ok((bundle.info().content_root.to_string(), bundle.info().documents, opened))
}

/// What `sealift convert` answers; with a password `sealift verify`, which opens every value.
pub fn program(vector: &Vector) -> Option<i32> {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    lay_out(&vector.all_files(), &root);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.env_remove("SEALIFT_PASSWORD");
    match &vector.password {
        Some(password) => {
            let file = scratch.path().join("password");
            std::fs::write(&file, password).unwrap();
            command.arg("verify").arg(&root).arg("--password-file").arg(file)
        }
        None => command.arg("convert").arg(&root).arg(scratch.path().join("out.sealift")),
    };
    command.output().unwrap().status.code()
}
