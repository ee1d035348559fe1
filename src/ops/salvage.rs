//! `salvage`: the whole documents of a damaged bundle, as a new bundle.

use std::path::{Path, PathBuf};

use crate::bundle::{
    self, BundleError, Condition, ContentRoot, Header, Limits, Notice, OtherRoot, Protection, Remains, State,
    Summary, Survivor, Writer, WriterOptions,
};
use crate::crypto::{DataKey, KdfLimits, Password};
use crate::progress::{Cancelled, Progress};

pub use crate::tree::SALVAGED;

/// What a salvage takes.
#[derive(Debug)]
pub struct SalvageOptions<'p> {
    /// Take documents along whose content is right, but whose key nothing vouches for.
    pub uncertain: bool,
    /// Take sealed values along; without, the new bundle has none and no envelope.
    pub secrets: bool,
    /// With it every sealed value is opened, and those that do not open are left out.
    pub password: Option<&'p Password>,
    /// What the new bundle says about itself where the damaged one cannot be read.
    pub header: Header,
    /// Replace an existing output.
    pub force: bool,
    /// What is taken on.
    pub limits: Limits,
    /// What trying the password may cost.
    pub kdf: KdfLimits,
    /// The content root that keys are held against, instead of the one that the damaged bundle says. A bundle that
    /// is not damaged must have it, as its content root or as its file root.
    pub expected_root: Option<[u8; 32]>,
}

/// What became of the sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedValues {
    /// There were none.
    None,
    /// Each was opened; those that did not open were left out.
    Opened,
    /// They were taken over as they are, without a password to try them.
    Unopened,
    /// The envelope is damaged: nobody could open them, and none was taken over.
    EnvelopeLost,
    /// They were not asked for.
    LeftOut,
}

/// What a salvage did.
#[derive(Debug)]
pub struct SalvageReport {
    /// The bundle that was written.
    pub summary: Summary,
    /// What was found of the damaged one.
    pub state: State,
    /// How many documents were written whose key nothing vouches for.
    pub uncertain: u64,
    /// Documents that no bundle could hold, though they can be read.
    pub refused: u64,
    /// What became of the sealed values.
    pub values: SealedValues,
    /// How many sealed values the damaged bundle had, as far as that can be told.
    pub values_before: Option<u64>,
    /// Whether the damaged bundle still said where its documents come from.
    pub header: bool,
    /// How many of its notices were lost; `None` where that cannot be told.
    pub notices_lost: Option<u64>,
}

impl SalvageReport {
    /// How many sealed values were lost, where that can be told.
    pub fn values_lost(&self) -> Option<u64> {
        self.values_before.map(|before| before.saturating_sub(self.summary.sealed))
    }

    /// Whether everything that the damaged bundle held is in the new one, as far as that can be told.
    pub fn is_complete(&self) -> bool {
        self.state.keys_proven
            && self.summary.documents == self.state.documents
            && self.state.without_index == 0
            && self.values_lost() == Some(0)
            && self.header
            && self.notices_lost == Some(0)
    }
}

/// How a salvage ended.
#[derive(Debug)]
pub enum Salvage {
    /// Nothing is wrong with the bundle; nothing was written.
    Sound,
    /// A new bundle was written.
    Written(Box<SalvageReport>),
}

/// Why nothing was salvaged. Nothing is left at the output's name.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// One of the bundles.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// No document is whole.
    #[error("{}: none of its {} documents is whole", path.display(), state.documents)]
    NothingWhole {
        /// The damaged bundle.
        path: PathBuf,
        /// What was found of it.
        state: Box<State>,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Writes what is whole of a damaged bundle into a new one, which is another file: the damaged one is not changed.
///
/// # Errors
/// [`SalvageError`]; [`BundleError::WrongPassword`] also where the slot of the right password is damaged.
pub fn salvage(
    path: &Path,
    out: &Path,
    options: &SalvageOptions<'_>,
    progress: &dyn Progress,
) -> Result<Salvage, SalvageError> {
    let password = options.password.filter(|_| options.secrets);
    match bundle::verify(path, password, &options.limits, &options.kdf, progress) {
        Ok(report) if report.is_sound() => {
            let (content_root, file_root) = (report.content_root, report.file_root);
            return match (options.expected_root, content_root) {
                (Some(expected), Some(content_root))
                    if content_root.0 != expected && file_root.is_none_or(|root| root.0 != expected) =>
                {
                    let path = path.to_owned();
                    Err(BundleError::from(OtherRoot { path, expected, content_root, file_root }).into())
                }
                _ => Ok(Salvage::Sound),
            };
        }
        // A header may be too damaged to be known for a bundle's; the rest is looked at all the same.
        Ok(_) | Err(BundleError::NotABundle { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut remains = Remains::open(path, &options.limits, progress)?;
    if let Some(root) = options.expected_root {
        remains.expect_content_root(ContentRoot(root));
    }
    let mut key = None;
    let mut envelope = None;
    if options.secrets {
        envelope = remains.envelope().cloned();
        if let Some(password) = password {
            key = remains.unlock(password, &options.kdf)?;
            envelope = envelope.filter(|_| key.is_some());
        }
    }
    let values = match (&envelope, remains.sealed()) {
        (None, Some(0)) => SealedValues::None,
        _ if !options.secrets => SealedValues::LeftOut,
        (None, _) => SealedValues::EnvelopeLost,
        (Some(_), _) if key.is_some() => SealedValues::Opened,
        (Some(_), _) => SealedValues::Unopened,
    };
    let job = Job { path, out, options, remains: &remains, values };
    job.run(envelope.map_or(Protection::None, Protection::Carried), key.as_ref(), progress)
}

struct Job<'a> {
    path: &'a Path,
    out: &'a Path,
    options: &'a SalvageOptions<'a>,
    remains: &'a Remains,
    values: SealedValues,
}

impl Job<'_> {
    fn run(
        &self,
        protection: Protection,
        key: Option<&DataKey>,
        progress: &dyn Progress,
    ) -> Result<Salvage, SalvageError> {
        let sealed = matches!(protection, Protection::Carried(_));
        let header = self.remains.header();
        let written = WriterOptions {
            force: self.options.force,
            created: self.remains.created().map(str::to_owned),
            protection,
            ..WriterOptions::default()
        };
        let mut writer = Writer::create(self.out, header.unwrap_or(&self.options.header).clone(), written)?;
        let (mut documents, mut uncertain, mut refused) = (0u64, 0u64, 0u64);
        let state = self.remains.survey::<SalvageError>(key, progress, &mut |mut survivor| {
            let certain = survivor.condition == Condition::Whole;
            if !certain && !self.options.uncertain {
                return Ok(());
            }
            if !sealed {
                survivor.sealed.fill(None);
            }
            let Survivor { document, id, reason, sealed, .. } = survivor;
            // Keys of one kind were held against each other already: byte for byte, as the format does.
            let name = document.key.to_text();
            match writer.add_sealed(&document, &name, &id, &reason, &sealed) {
                Ok(()) => {
                    documents += 1;
                    uncertain += u64::from(!certain);
                    Ok(())
                }
                Err(
                    BundleError::Document { .. } | BundleError::TooLarge { .. } | BundleError::Limit { .. },
                ) => {
                    refused += 1;
                    Ok(())
                }
                Err(error) => Err(error.into()),
            }
        })?;
        if documents == 0 {
            return Err(SalvageError::NothingWhole { path: self.path.to_owned(), state: Box::new(state) });
        }
        let notices_lost = self.remains.notices::<SalvageError>(&mut |notice| Ok(writer.notice(notice)?))?;
        let text = format!(
            "salvaged from a damaged bundle: {documents} of its {} documents{}{}",
            state.documents,
            if uncertain > 0 {
                format!(", {uncertain} of them under keys that nothing vouches for")
            } else {
                String::new()
            },
            if state.without_index > 0 { "; source ids and reasons are lost in part" } else { "" },
        );
        writer.notice(Notice::new(SALVAGED, text))?;
        let summary = writer.finish(progress)?;
        Ok(Salvage::Written(Box::new(SalvageReport {
            summary,
            state,
            uncertain,
            refused,
            values: self.values,
            values_before: self.remains.sealed(),
            header: header.is_some(),
            notices_lost,
        })))
    }
}
