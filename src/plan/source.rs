//! What the exporter was told, for whoever imports: another person, across an air gap.

use serde::{Deserialize, Serialize};

/// Something that the export had to say, about the bundle or about one path of all documents of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceNotice {
    /// What it is, as a stable word: "undeclared-reference".
    pub code: String,
    /// The kind it is about, or the table.
    pub kind: Option<String>,
    /// The path in the documents.
    pub place: Option<String>,
    /// How often: ids, references, rows. 0 where nothing is counted.
    pub count: u64,
    /// The first of the documents, and what stands there.
    pub examples: Vec<SourceExample>,
    /// The notice for people.
    pub text: String,
}

/// A document that a notice of the export is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceExample {
    /// The document, for people.
    pub document: Option<String>,
    /// The text that stands there.
    pub value: Option<String>,
    /// What the text names on the source, for people.
    pub names: Option<String>,
}

/// For people: "Channel $.ParentEnvironmentId: holds …".
impl std::fmt::Display for SourceNotice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about: Vec<&str> = [&self.kind, &self.place].into_iter().flatten().map(String::as_str).collect();
        if !about.is_empty() {
            write!(f, "{}: ", about.join(" "))?;
        }
        f.write_str(&self.text)
    }
}
