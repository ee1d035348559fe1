//! Values that the columns of the target cannot hold.

use std::borrow::Cow;

use crate::document::{Document, SecretId, Value, json};
use crate::model::SecretForm;
use crate::server::{Reader, ServerError};

use crate::ops::import::request::error::ImportError;
use crate::ops::import::resolve::examiner::Examiner;
use crate::ops::translate::{Id, Layout};

impl Examiner<'_, '_> {
    /// Columns that cannot hold their value, as the target's server would refuse it: too long, out of range, of another
    /// type. No option accepts these. Ids that the import has yet to give out count as nothing.
    pub(in crate::ops) fn unfit(
        &self,
        reader: &dyn Reader,
        layout: &Layout<'_>,
        document: &Document,
    ) -> Result<Vec<String>, ImportError> {
        // The names in the server and in documents, and the types.
        let mut columns: Vec<(&str, &str, &str)> = Vec::new();
        let mut values: Vec<Cow<'_, Value>> = Vec::new();
        for column in layout.content.iter().filter(|column| column.carried && !column.sql_type.is_empty()) {
            let value = match document.columns.get(&column.name) {
                None | Some(Value::Null | Value::Map(_)) => continue,
                Some(Value::Secret(secret)) => match self.stored_secret(layout, &column.name, *secret)? {
                    Some(text) => Cow::Owned(Value::Text(text)),
                    None => continue,
                },
                Some(Value::List(list)) => {
                    let ids: Vec<String> = list.iter().map(|value| self.spelled(value)).collect();
                    Cow::Owned(Value::Text(format!("|{}|", ids.join("|"))))
                }
                Some(Value::Dangling(dangling)) => Cow::Borrowed(&dangling.id),
                Some(Value::Ref(reference)) => match self.ids.id(self.layouts(), reference) {
                    Some(id) => Cow::Owned(id.to_value()),
                    None => continue,
                },
                Some(value) => Cow::Borrowed(value),
            };
            columns.push((&column.server, &column.name, &column.sql_type));
            values.push(value);
        }
        if let (Some(body), Some((column, sql_type))) = (&document.body, layout.limited_body()) {
            columns.push((column, column, sql_type));
            values.push(Cow::Owned(Value::Text(json::write(&self.shortest(body)))));
        }
        let names: Vec<&str> = columns.iter().map(|(server, ..)| *server).collect();
        let misfits = reader.misfits(&layout.table, &names, &values)?.into_iter();
        let line = |(at, error): (usize, ServerError)| {
            let (_, name, sql_type) = columns.get(at)?;
            let what = match error {
                ServerError::Value { value, .. } => value,
                other => other.to_string(),
            };
            Some(format!("{name} cannot hold {what}: it is {sql_type} in the target"))
        };
        Ok(misfits.filter_map(line).collect())
    }

    /// A secret of a column as the target will keep it, where its value is known.
    fn stored_secret(
        &self,
        layout: &Layout<'_>,
        column: &str,
        secret: SecretId,
    ) -> Result<Option<String>, ImportError> {
        let rule = layout.kind.secrets.iter().find(|rule| rule.at.column.as_deref() == Some(column));
        Ok(match (rule.map(|rule| rule.form), self.vault.value(secret), self.master_key) {
            (Some(SecretForm::Plain), Some(plain), _) => {
                Some(String::from_utf8_lossy(plain.expose()).into_owned())
            }
            (Some(SecretForm::Encrypted), Some(plain), Some(key)) => Some(key.encrypt(plain)?),
            _ => None,
        })
    }

    /// A value as a list of ids in a column has it.
    fn spelled(&self, value: &Value) -> String {
        let id = match value {
            Value::Ref(reference) => self.ids.id(self.layouts(), reference),
            Value::Dangling(dangling) => Id::of(&dangling.id),
            value => return value.as_text().unwrap_or_default().to_owned(),
        };
        id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// JSON with ids in the place of references, and no secrets: no longer than what will be written.
    fn shortest(&self, value: &Value) -> Value {
        match value {
            Value::Ref(_) | Value::Dangling(_) => Value::Text(self.spelled(value)),
            Value::Secret(_) => Value::Null,
            Value::List(list) => Value::List(list.iter().map(|value| self.shortest(value)).collect()),
            Value::Map(map) => {
                let mut map = map.clone();
                map.iter_mut().for_each(|(_, value)| *value = self.shortest(value));
                Value::Map(map)
            }
            other => other.clone(),
        }
    }
}
