//! Places that hold ids, or secrets, and that no rule of the model covers: what is found of references.

use crate::bundle::Notice;
use crate::document::{Key, KindName, Reference};
use crate::model::Form;

/// The code of the notices of such text.
pub const UNDECLARED: &str = "undeclared-reference";

/// A place that no rule of the model covers, and that holds ids all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Undeclared {
    /// The kind of the documents that hold them.
    pub kind: KindName,
    /// The place, as a rule of the model would spell it: `$.Steps[*].Properties['My.Project']`.
    pub place: String,
    /// How the ids are spelled there; [`Form::Keys`] for the names of an object's members.
    pub form: Form,
    /// The kind, or part of a kind, that they are the ids of; or the table, where the model does not know it.
    pub to: KindName,
    /// How many ids stand there, in all documents of the kind.
    pub count: u64,
    /// The first document that was found to hold one.
    pub example: Key,
    /// The id it holds, as it spells it.
    pub example_id: String,
    /// The ids that stand there, each once; a thousand at the most.
    pub ids: Vec<UndeclaredId>,
    /// How often further ids stand there.
    pub ids_beyond: u64,
}

/// An id at a place that no rule of the model covers.
#[derive(Debug, Clone, PartialEq)]
pub struct UndeclaredId {
    /// The id, as the first document spells it.
    pub id: String,
    /// The document that it names on the source; `None` for a row of a table that the model does not know.
    pub names: Option<Reference>,
    /// How often it stands there.
    pub count: u64,
    /// The first document that was found to hold it.
    pub example: Key,
}

impl Undeclared {
    /// The word by which the model language calls the form.
    pub fn form_name(&self) -> &'static str {
        match self.form {
            Form::Id => "id",
            Form::Pipe => "pipe",
            Form::Comma => "comma",
            Form::Keys => "keys",
        }
    }

    /// What is said of the place in a bundle: one notice for each id, so that whoever imports it can tell what each
    /// of them meant.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let form = match self.form {
            Form::Id => String::new(),
            _ => format!(" (form {})", self.form_name()),
        };
        let text = format!(
            "holds {:?}, an id of {}{form}, where the model knows of no reference; {} in all documents of the kind, carried as they are",
            self.example_id, self.to, self.count
        );
        let to = Some(self.to.to_string());
        let mut notices: Vec<Notice> = Vec::with_capacity(self.ids.len() + 1);
        for UndeclaredId { id, names, count, example } in &self.ids {
            notices.push(Notice {
                value: Some(id.clone()),
                names_kind: names.as_ref().map(|names| names.kind.to_string()).or(to.clone()),
                names_key: names.as_ref().map(|names| names.key.to_text()),
                count: *count,
                ..Notice::at(UNDECLARED, &self.kind, example, &self.place, text.clone())
            });
        }
        if self.ids_beyond > 0 {
            let (place, count) = (Some(self.place.clone()), self.ids_beyond);
            let about = Notice::about(UNDECLARED, self.kind.as_str(), text);
            notices.push(Notice { place, names_kind: to, count, ..about });
        }
        notices
    }
}
