//! A document of a bundle on its way into the target: as it is stored, opened, and decided on.

use crate::bundle::{self, Bundle, BundleError};
use crate::document::Document;
use crate::plan::Entry;

use crate::ops::rules::limits::LimitLosses;
use crate::ops::rules::secret_losses::SecretLosses;
use crate::ops::translate::Existing;

/// A document of the bundle as it is stored.
pub(in crate::ops) struct Encoded {
    pub entry: bundle::Entry,
    pub bytes: Vec<u8>,
}

impl Encoded {
    /// The document, its secrets still sealed.
    pub fn decode(self, bundle: &Bundle) -> Result<Source, BundleError> {
        let document = bundle.decode(&self.entry, &self.bytes)?;
        Ok(Source { entry: self.entry, document })
    }
}

/// A document of the bundle on its way into the target.
pub(in crate::ops) struct Source {
    pub entry: bundle::Entry,
    pub document: Document,
}

/// What was found out about a document.
pub(in crate::ops) struct Examined {
    pub entry: Entry,
    /// What the target will hold, where the action writes.
    pub document: Document,
    /// What the target holds, where the action writes or skips.
    pub existing: Option<Existing>,
    /// The secrets that it is written without.
    pub losses: SecretLosses,
    /// What is lost with what limited it.
    pub limits: LimitLosses,
}
