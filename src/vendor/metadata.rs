//! `metadata.json`: what an export says of itself.

use std::path::Path;

use crate::document::{Value, json};

use super::{VendorError, files};

/// The class that the metadata is of, whatever its namespace: it has moved once.
const CLASS: &str = "ServerMetadata";

/// The version that files made by hand name.
const NO_VERSION: &str = "0.0.0";

/// What an export says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name of the server.
    pub server: Option<String>,
    /// When it was exported, as the file spells it.
    pub created: Option<String>,
    /// The product's version; `None` where there is none, or the placeholder `0.0.0`.
    pub version: Option<String>,
    /// The word that checks the password, encrypted.
    pub(super) hello: Option<String>,
}

impl Metadata {
    pub(super) fn read(path: &Path, limit: u64) -> Result<Self, VendorError> {
        let damaged =
            |reason: &str| VendorError::Metadata { path: path.to_owned(), reason: reason.to_owned() };
        let bytes = files::read(path, limit)
            .map_err(|source| VendorError::Read { path: path.to_owned(), source })?
            .ok_or_else(|| damaged("it is too large"))?;
        if std::str::from_utf8(&bytes).is_err() {
            return Err(damaged("it is not UTF-8 text"));
        }
        let value = json::parse(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let Value::Map(members) = value else { return Err(damaged("it is not a JSON object")) };
        match members.get("$type").map(files::class) {
            Some(Some(class)) if class == CLASS => {}
            Some(Some(class)) => {
                return Err(VendorError::OtherFormat { path: path.to_owned(), class: class.to_owned() });
            }
            Some(None) | None => return Err(damaged("its $type names no class")),
        }
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(damaged(&format!("its {name} is not text"))),
        };
        let server = text("Name")?.or(text("Id")?);
        let version = text("DatabaseVersion")?.filter(|version| version != NO_VERSION);
        Ok(Self { server, created: text("Created")?, version, hello: text("Hello")? })
    }
}
