//! The export folder of the product's own migrator, where a command takes a server to read.

use std::path::{Path, PathBuf};

use sealift::crypto::Password;
use sealift::model::Model;
use sealift::ops::{VendorReport, VendorServer};
use sealift::progress::Progress;
use sealift::tree;
use sealift::vendor::{ExportFolder, FolderLimits};
use serde_json::json;

use crate::exit::Failure;
use crate::ui::{self, say};

/// What may stand before a path, so that nothing has to be guessed.
const SCHEME: &str = "octopus-export:";

/// The export folder that a text names: by its scheme, or because there is a folder with a `metadata.json`.
pub fn recognise(text: &str) -> Option<PathBuf> {
    match text.strip_prefix(SCHEME) {
        Some(path) => Some(PathBuf::from(path)),
        None => ExportFolder::is_at(Path::new(text)).then(|| PathBuf::from(text)),
    }
}

/// Whether there is such a folder, and no folder of ours.
pub fn is_one(path: &Path) -> bool {
    ExportFolder::is_at(path) && !tree::is_tree(path)
}

/// Opens an export folder as a server; without a password its secrets cannot be read.
pub fn open(
    path: &Path,
    password: Option<&Password>,
    model: &Model,
    progress: &dyn Progress,
) -> Result<VendorServer, Failure> {
    Ok(VendorServer::open(path, password, model, FolderLimits::default(), progress)?)
}

/// What of a folder is not carried, as JSON.
pub fn report_json(report: &VendorReport) -> serde_json::Value {
    let uncarried = report.uncarried.iter();
    let metadata = report.metadata.clone().unwrap_or_default();
    json!({
        "server": metadata.server,
        "created": metadata.created,
        "version": metadata.version,
        "documents": report.documents,
        "types_not_carried": uncarried.map(|u| json!({
            "type": u.class, "documents": u.documents, "file": u.file, "why": u.why,
        })).collect::<Vec<_>>(),
        "documents_of_further_types": report.uncarried_beyond,
        "other_files": report.other_files,
    })
}

/// Says what of a folder is not carried.
pub fn show(report: &VendorReport) -> Result<(), Failure> {
    if !report.uncarried.is_empty() {
        say!("documents of the folder that are not carried:");
    }
    for uncarried in &report.uncarried {
        let why = uncarried.why.as_deref().unwrap_or("the model does not know the type");
        let (class, file) = (ui::name(&uncarried.class), ui::name(&uncarried.file));
        say!("  {class:32} {:>8}  {why} ({file})", uncarried.documents);
    }
    if report.uncarried_beyond > 0 {
        say!("  and {} documents of further types", report.uncarried_beyond);
    }
    if let Some(first) = report.others.first() {
        say!(
            "{} files of the folder are no documents, not carried ({})",
            report.other_files,
            ui::name(first)
        );
    }
    Ok(())
}
