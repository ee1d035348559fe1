//! A place in a document: a column, or a path into its body.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Step {
    /// The member of an object.
    Member(Arc<str>),
    /// The element of a list, counted from zero.
    Index(usize),
}

/// Where a value stands in a document.
///
/// Written as the column's name, or as a JSONPath from the body's root: `ProjectId`,
/// `$.Variables[3].Value`, `$.Properties['Octopus.Action.Package.FeedId']`. The text is unambiguous: it is
/// bound into sealed values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    column: Option<Arc<str>>,
    steps: Vec<Step>,
}

impl Place {
    /// The column of that name.
    pub fn column(name: &str) -> Self {
        Self::column_named(Arc::from(name))
    }

    /// The column of that name, which is shared and not copied.
    pub(crate) fn column_named(name: Arc<str>) -> Self {
        Self { column: Some(name), steps: Vec::new() }
    }

    /// The root of the body.
    pub fn body() -> Self {
        Self { column: None, steps: Vec::new() }
    }

    /// The column the place is in; `None` for the body.
    pub fn column_name(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The steps from the column or the root.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Goes down to a member.
    pub fn push_member(&mut self, name: &str) {
        self.push(Step::Member(Arc::from(name)));
    }

    /// Goes down to an element.
    pub fn push_index(&mut self, index: usize) {
        self.push(Step::Index(index));
    }

    /// Goes down one step.
    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Goes up one step.
    pub fn pop(&mut self) {
        self.steps.pop();
    }
}

fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.column.as_deref().unwrap_or("$"))?;
        for step in &self.steps {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Member(name) if is_plain(name) => write!(f, ".{name}")?,
                Step::Member(name) => {
                    f.write_str("['")?;
                    for c in name.chars() {
                        match c {
                            '\'' => f.write_str("\\'")?,
                            '\\' => f.write_str("\\\\")?,
                            c if (c as u32) < 0x20 => write!(f, "\\u{:04x}", c as u32)?,
                            c => f.write_char(c)?,
                        }
                    }
                    f.write_str("']")?;
                }
            }
        }
        Ok(())
    }
}
