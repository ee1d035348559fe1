//! Why bundles are not joined.

use crate::bundle::BundleError;
use crate::document::KindName;
use crate::ops::documents::DocumentsError;
use crate::progress::Cancelled;

/// Why bundles could not be joined. Nothing is left at the output's name.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the bundles, or the output.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// One of the other inputs.
    #[error(transparent)]
    Documents(DocumentsError),
    /// Nothing was given to join.
    #[error("there is no bundle to merge")]
    NoInputs,
    /// An input follows another model than the one in use.
    #[error("{input} follows the model {theirs:?}, not {ours:?}")]
    OtherModel {
        /// The input.
        input: String,
        /// Its model.
        theirs: String,
        /// The model in use.
        ours: String,
    },
    /// Two inputs follow different models.
    #[error("{left} follows the model {left_model:?}, {right} the model {right_model:?}")]
    TwoModels {
        /// The one input.
        left: String,
        /// Its model.
        left_model: String,
        /// The other input.
        right: String,
        /// Its model.
        right_model: String,
    },
    /// Two inputs were made with different versions of one model.
    #[error("{left} and {right} were made with different versions of the model {model:?}")]
    ModelVersions {
        /// The one input.
        left: String,
        /// The other input.
        right: String,
        /// The model.
        model: String,
    },
    /// Two inputs come from different versions of the product.
    #[error("{left} is of {title} {left_version}, {right} of {right_version}")]
    ProductVersions {
        /// The one input.
        left: String,
        /// The version it comes from.
        left_version: String,
        /// The other input.
        right: String,
        /// The version it comes from.
        right_version: String,
        /// The product.
        title: String,
    },
    /// A preference for an input that is not there.
    #[error("--prefer {text:?} names no input; there is {there}")]
    NoSuchInput {
        /// The preference.
        text: String,
        /// The inputs.
        there: String,
    },
    /// A preference that could mean several inputs.
    #[error("--prefer {text:?} may mean several inputs: {several}")]
    SeveralInputs {
        /// The preference.
        text: String,
        /// The inputs, by path.
        several: String,
    },
    /// A preference for a kind that the input does not hold.
    #[error("--prefer {text:?}: {input} holds no kind {kind:?}")]
    NoSuchKind {
        /// The preference.
        text: String,
        /// The input.
        input: String,
        /// The kind.
        kind: String,
    },
    /// A preference for a document that the input does not hold.
    #[error("--prefer {text:?}: {input} holds no {kind} named {name:?}")]
    NoSuchDocument {
        /// The preference.
        text: String,
        /// The input.
        input: String,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// A preference that could mean several documents.
    #[error("--prefer {text:?}: {input} holds several such documents: {several}")]
    SeveralDocuments {
        /// The preference.
        text: String,
        /// The input.
        input: String,
        /// Their names; the first twenty.
        several: String,
    },
    /// Two documents of one input are the same by their names, or by what another input calls them.
    #[error("{input}: {kind} {key}: two documents have this name")]
    Twins {
        /// The input.
        input: String,
        /// The kind.
        kind: KindName,
        /// The key of one of them, for people.
        key: String,
    },
    /// The secrets of an input are needed, and there is no key to them.
    #[error("{input} holds secrets and was not unlocked")]
    Locked {
        /// The input.
        input: String,
    },
    /// The inputs differ, and nobody has decided which is right.
    #[error("{} between the inputs", if *undecided == 1 { "1 document differs".to_owned() } else { format!("{undecided} documents differ") })]
    Conflicts {
        /// How many.
        undecided: usize,
    },
    /// The listener asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<DocumentsError> for MergeError {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Bundle(error) => error.into(),
            DocumentsError::Cancelled(error) => error.into(),
            error => MergeError::Documents(error),
        }
    }
}
