//! What was read of a vendor's folder, and why it cannot be.

use crate::bundle::Notice;
use crate::progress::Cancelled;
use crate::server::ServerError;
use crate::vendor::{Findings, Metadata, VendorError};

use crate::ops::translate::TranslateError;

/// Why an export folder cannot be read as a server.
#[derive(Debug, thiserror::Error)]
pub enum VendorReadError {
    /// The folder, its metadata or its password.
    #[error(transparent)]
    Vendor(#[from] VendorError),
    /// Files of the folder are damaged, or are not what the model says.
    #[error("{0}")]
    Findings(Findings),
    /// The temporary server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The model does not fit the product's tables.
    #[error(transparent)]
    Model(#[from] TranslateError),
    /// There is no temporary folder.
    #[error("cannot make a temporary folder")]
    Temporary(#[source] std::io::Error),
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Documents of one class that are not carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncarriedType {
    /// The class's bare name.
    pub class: String,
    /// How many documents there are.
    pub documents: u64,
    /// The first file.
    pub file: String,
    /// Why it stays behind; `None` for a class that the model does not know.
    pub why: Option<String>,
}

/// What an export folder holds.
#[derive(Debug, Clone, Default)]
pub struct VendorReport {
    /// What it says of itself; `None` before it was read.
    pub metadata: Option<Metadata>,
    /// The documents that were read.
    pub documents: u64,
    /// Documents that are not carried, by class; a thousand classes at the most.
    pub uncarried: Vec<UncarriedType>,
    /// Documents of further classes that are not carried.
    pub uncarried_beyond: u64,
    /// Files that are no documents: scripts, logos, logs.
    pub other_files: u64,
    /// The first of them.
    pub others: Vec<String>,
}

impl VendorReport {
    /// What was not carried, to be recorded in a bundle.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for UncarriedType { class, documents, file, why } in &self.uncarried {
            let why = why.as_deref().unwrap_or("the model does not know it");
            let text = format!("{documents} documents of the class {class} ({file}) were not carried: {why}");
            notices.push(Notice { count: *documents, ..Notice::about("unknown-type", class, text) });
        }
        if self.uncarried_beyond > 0 {
            let text = format!("{} documents of further classes were not carried", self.uncarried_beyond);
            let count = self.uncarried_beyond;
            notices.push(Notice { count, ..Notice::about("unknown-type", "", text) });
        }
        if let Some(first) = self.others.first() {
            let text = format!(
                "{} files of the export folder are no documents and were not carried: {first}",
                self.other_files
            );
            notices.push(Notice { count: self.other_files, ..Notice::about("other-file", first, text) });
        }
        notices
    }
}
