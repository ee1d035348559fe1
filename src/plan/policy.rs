//! What is done with a document that the target has otherwise.

use serde::{Deserialize, Serialize};

/// What is done with a document that the target has otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It becomes what the bundle has, without the model's rules for joining.
    Overwrite,
    /// It stays as it is.
    Skip,
    /// It is joined with what the bundle has, as the model says.
    Merge,
    /// It stays as it is, but for the parts that it lacks and that the model lets an import add.
    Add,
    /// The import must not happen.
    Fail,
}

impl Policy {
    /// All policies, as they are written.
    pub const WORDS: [(&str, Policy); 5] = [
        ("overwrite", Policy::Overwrite),
        ("skip", Policy::Skip),
        ("merge", Policy::Merge),
        ("add", Policy::Add),
        ("fail", Policy::Fail),
    ];

    /// Reads the word for a policy.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, policy)| policy)
    }
}
