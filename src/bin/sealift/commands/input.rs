//! Inputs: a bundle, or a tree that is read into a bundle of its own.

use std::ops::Deref;
use std::path::Path;

use sealift::bundle::{Bundle, BundleError, Limits, OtherRoot, UncheckedBundle};
use sealift::crypto::DataKey;
use sealift::model::Model;
use sealift::ops::{self, Archive, BundleDocuments, ConvertError, FromTree, TreeDocuments};
use sealift::progress::{Preliminary, Progress};
use sealift::server::Address;
use sealift::tree::{self, Findings, Tree, TreeError};
use serde_json::json;
use tempfile::TempDir;

use super::vendor;
use crate::cli::{Common, ExpectedRoot};
use crate::exit::{Exit, Failure};
use crate::secrets;
use crate::ui;

/// A bundle, with the folder that keeps it where it was made of a tree.
pub struct Opened {
    bundle: Bundle,
    // After the bundle: an open file cannot be removed everywhere.
    _folder: Option<TempDir>,
}

impl Deref for Opened {
    type Target = Bundle;

    fn deref(&self) -> &Bundle {
        &self.bundle
    }
}

/// Opens a bundle and checks every byte of it; or a tree, and checks every file of it. It must have the root that is
/// expected. `password_file` opens secrets that somebody moved inside a tree's documents; nothing else is opened.
pub fn open(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    password_file: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Opened, Failure> {
    expect_bundle(path)?;
    if !tree::is_tree(path) {
        return Ok(Opened { bundle: open_file(path, expected, progress)?, _folder: None });
    }
    let model = super::load_model(common)?;
    let folder = sealift::temporary::folder()?;
    let bundle = open_tree(common, path, expected, &model, password_file, folder.path(), progress)?;
    Ok(Opened { bundle, _folder: Some(folder) })
}

/// Opens a bundle or a tree; what is made of a tree is put into `folder`, which must outlive the bundle.
pub fn open_in(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    model: &Model,
    password_file: Option<&Path>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Bundle, Failure> {
    expect_bundle(path)?;
    match tree::is_tree(path) {
        true => open_tree(common, path, expected, model, password_file, folder, progress),
        false => open_file(path, expected, progress),
    }
}

/// Refuses a server's address where a bundle is expected. As a path that is not there it would be repeated, with
/// the password that it may hold.
pub fn refuse_server(path: &Path) -> Result<(), Failure> {
    let address = path.to_str().map(Address::recognise);
    if path.exists() || matches!(address, None | Some(Ok(None))) {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "the address of a server stands where a bundle is expected")
        .hint("`sealift export SERVER -o FILE` makes a bundle of a server's documents"))
}

/// Refuses what is named instead of a bundle or a folder made of one: a server, or a folder of the product's migrator.
///
/// # Errors
/// [`Failure`], with the command that makes a bundle of it.
pub fn expect_bundle(path: &Path) -> Result<(), Failure> {
    refuse_server(path)?;
    if tree::is_tree(path) {
        return Ok(());
    }
    match vendor::recognise(&path.to_string_lossy()) {
        None if path.is_dir() => Err(TreeError::NotATree { path: path.to_owned() }.into()),
        None => Ok(()),
        Some(folder) => {
            let folder = folder.display().to_string();
            let folder = if folder.contains(' ') { format!("\"{folder}\"") } else { folder };
            Err(Failure::new(
                Exit::Usage,
                format!("{folder} is a folder of the product's own migrator, not a bundle"),
            )
            .hint(format!(
                "`sealift convert {folder} FILE.sealift --source-password-file PASSWORD` makes a bundle of it"
            )))
        }
    }
}

/// Opens a bundle and checks every byte of it, and that it has the root that is expected.
pub fn open_file(
    path: &Path,
    expected: Option<ExpectedRoot>,
    progress: &dyn Progress,
) -> Result<Bundle, Failure> {
    if path.is_dir() {
        return Err(TreeError::NotATree { path: path.to_owned() }.into());
    }
    let bundle = UncheckedBundle::open(path, &Limits::default())?.check(progress)?;
    match expected {
        Some(ExpectedRoot(expected)) if !bundle.has_root(&expected, progress)? => {
            let (path, content_root) = (path.to_owned(), bundle.info().content_root);
            let file_root = Some(bundle.info().file_root);
            Err(BundleError::from(OtherRoot { path, expected, content_root, file_root }).into())
        }
        _ => Ok(bundle),
    }
}

/// Refuses an undo file where documents for a target are expected, before a password is asked for.
pub fn refuse_undo(bundle: &Bundle) -> Result<(), Failure> {
    if ops::is_undo(bundle.info()) { Err(ops::ImportError::IsUndo.into()) } else { Ok(()) }
}

fn open_tree(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    model: &Model,
    password_file: Option<&Path>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Bundle, Failure> {
    let name =
        sealift::crypto::random_guid().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let out = folder.join(format!("{name}.sealift"));
    read_tree(common, path, expected, model, password_file, &out, (false, false), &Preliminary(progress))?;
    let made = UncheckedBundle::open(&out, &Limits::default()).and_then(|made| made.check(progress));
    Ok(made.map_err(|error| error.found_in(path))?.called(path))
}

/// Opens a bundle or a folder made of one for reading documents, and checks every byte of it. It must have the root that
/// is expected. Its secrets are not opened, but for those that somebody moved inside a folder's documents.
pub fn open_archive<'m>(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    model: &'m Model,
    password_file: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Box<dyn Archive + 'm>, Failure> {
    expect_bundle(path)?;
    if !tree::is_tree(path) {
        return Ok(Box::new(BundleDocuments::new(open_file(path, expected, progress)?, None)));
    }
    let documents = read_folder(common, path, expected, password_file, &mut |tree, key| {
        TreeDocuments::open(tree, model, key, progress)
    })?;
    Ok(Box::new(documents))
}

/// Reads a tree into a bundle, unless its documents have another content root than is expected; asks for the password
/// if secrets were moved. All that is wrong is shown.
#[allow(clippy::too_many_arguments)]
pub fn read_tree(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    model: &Model,
    password_file: Option<&Path>,
    out: &Path,
    force_strict: (bool, bool),
    progress: &dyn Progress,
) -> Result<FromTree, Failure> {
    read_folder(common, path, expected, password_file, &mut |tree, key| {
        ops::from_tree(&tree, model, key.as_ref(), out, force_strict, progress)
    })
}

/// Reads a tree, which must have the root that is expected; with the key to its secrets if some were moved, which only
/// the first try shows. All that is wrong is shown.
fn read_folder<T>(
    common: &Common,
    path: &Path,
    expected: Option<ExpectedRoot>,
    password_file: Option<&Path>,
    read: &mut dyn FnMut(Tree, Option<DataKey>) -> Result<T, ConvertError>,
) -> Result<T, Failure> {
    let open = || -> Result<Tree, ConvertError> {
        Ok(Tree::examine(path)?.expecting(expected.map(|ExpectedRoot(root)| root)))
    };
    let read = match open().and_then(|tree| read(tree, None)) {
        Err(ConvertError::NeedsKey { moved }) => {
            // What is wrong is wrong, whether or not it can be shown.
            let shown = show_findings(common, &moved, "moved");
            let tree = open()?;
            let password = secrets::password(password_file).map_err(|failure| {
                let hint =
                    "secrets were moved inside their documents; the password seals them for their new places";
                failure.hint(hint).after(shown)
            })?;
            let key = match &tree.about().envelope {
                Some(_) => Some(ops::unlock_tree(&tree, &password, &common.kdf_limits())?),
                None => None,
            };
            read(tree, key)
        }
        read => read,
    };
    read.map_err(|error| match error {
        ConvertError::Tree(TreeError::Findings { ref findings, .. }) => {
            let shown = show_findings(common, findings, "wrong");
            Failure::from(error).after(shown)
        }
        ConvertError::Bundle(error) => error.found_in(path).into(),
        error => error.into(),
    })
}

/// Findings as JSON.
pub fn findings_json(findings: &Findings) -> serde_json::Value {
    let found = findings.found.iter().map(|f| json!({ "file": f.file, "place": f.place, "text": f.text }));
    json!({ "found": found.collect::<Vec<_>>(), "beyond": findings.beyond })
}

/// Shows findings, each on a line of its own: to standard error, for they are not the answer that was asked for.
pub fn show_findings(common: &Common, findings: &Findings, what: &str) -> Result<(), Failure> {
    if common.json {
        return super::print_json(&json!({ what: findings_json(findings) }));
    }
    for finding in &findings.found {
        ui::aside!("  {}", ui::message(&finding.to_string()));
    }
    if findings.beyond > 0 {
        ui::aside!("  and {} more", findings.beyond);
    }
    Ok(())
}
