//! The secrets of a server's rows: decrypted into the vault, or masked.

use crate::crypto::{DecryptError, SecretBytes, is_encrypted_form};
use crate::document::{Document, Place, SecretId, Value};
use crate::model::{Cipher, SecretForm};

use super::error::{Failure, TranslateError};
use super::layout::Layout;
use super::read::{Raw, Translation};
use super::vault::{ServerSecrets, Vault};

/// How many secrets must fail, with none that decrypts, before the key is called wrong.
const FAILURES: usize = 8;

impl Translation<'_> {
    /// Reads one secret of a row.
    #[allow(clippy::too_many_arguments, reason = "one step of `convert`, which owns all of these")]
    pub(super) fn secret(
        &mut self,
        layout: &Layout<'_>,
        id: &str,
        form: Option<SecretForm>,
        place: &Place,
        value: &mut Value,
        secrets: ServerSecrets<'_>,
        vault: &mut Vault,
        raw: &mut Raw,
    ) -> Result<(), TranslateError> {
        let Value::Text(text) = &*value else { return Ok(()) };
        if text.is_empty() {
            return Ok(());
        }
        let here = || Failure { kind: layout.kind.name.clone(), id: id.to_owned(), place: place.to_string() };
        let key = match secrets {
            ServerSecrets::Mask => {
                *value = Value::Secret(SecretId::UNKNOWN);
                return Ok(());
            }
            ServerSecrets::Read(key) => key,
        };
        if form == Some(SecretForm::Plain) {
            let Value::Text(text) = std::mem::take(value) else { return Ok(()) };
            *value = Value::Secret(vault.keep(SecretBytes::from(text.into_bytes())));
            return Ok(());
        }
        let Some(key) = key else {
            let Failure { kind, id, place } = here();
            return Err(TranslateError::NeedMasterKey { kind, id, place });
        };
        match key.decrypt(text) {
            Ok(plain) => {
                self.decrypted(plain, place, value, vault, raw);
                Ok(())
            }
            Err(DecryptError::DoesNotDecrypt) => {
                if self.secrets_read == 0 {
                    let (_, failures) = self.open.get_or_insert_with(|| (here(), 0));
                    *failures += 1;
                    if *failures >= FAILURES && !self.reads_on {
                        return Err(here().wrong_key());
                    }
                }
                Err(here().damaged("it does not decrypt, though others do"))
            }
            Err(_) => Err(here().damaged("it is no encrypted text")),
        }
    }

    /// Puts a secret that was decrypted into the vault, and its marker in the place of its text.
    fn decrypted(
        &mut self,
        plain: SecretBytes,
        place: &Place,
        value: &mut Value,
        vault: &mut Vault,
        raw: &mut Raw,
    ) {
        self.secrets_read += 1;
        // What failed before this one decrypted was no matter of the key.
        self.open = None;
        let secret = vault.keep(plain);
        if let Value::Text(text) = std::mem::replace(value, Value::Secret(secret)) {
            raw.ciphers.push((place.clone(), secret, text));
        }
    }

    /// Reads the secrets of a document that no rule names: text of the form of an encrypted value that decrypts under
    /// the server's key. They are secrets like any other from here on; returned are their places.
    ///
    /// Of text that merely has the form, hardly any decrypts: of random blocks one in 256 has valid padding, of these
    /// fewer than one in ten thousand are UTF-8. Text that does not decrypt is text. Where secrets are masked there may
    /// be no key, and the form alone decides: a value that might be secret must not travel.
    ///
    /// The columns of the key are passed over: they are names.
    pub(super) fn undeclared_secrets(
        &mut self,
        layout: &Layout<'_>,
        id: &str,
        document: &mut Document,
        secrets: ServerSecrets<'_>,
        vault: &mut Vault,
        raw: &mut Raw,
    ) -> Result<Vec<Place>, TranslateError> {
        let mut found = Vec::new();
        if self.layouts.model.cipher == Cipher::None {
            return Ok(found);
        }
        let encrypted = |value: &Value| matches!(value, Value::Text(text) if is_encrypted_form(text));
        let mut any = false;
        document.each(&mut |value| any |= encrypted(value));
        if !any {
            return Ok(found);
        }
        let is_key = |place: &Place| {
            let mut columns = layout.key.iter().filter_map(|position| layout.content.get(*position));
            columns.any(|column| Some(column.name.as_str()) == place.column_name())
        };
        document.visit(&mut |place, value| {
            if encrypted(value) && !is_key(place) {
                found.push(place.clone());
            }
        });
        let mut kept = Vec::with_capacity(found.len());
        for place in found {
            let Some(value) = document.at_mut(&place) else { continue };
            let Value::Text(text) = &*value else { continue };
            match secrets {
                ServerSecrets::Mask => *value = Value::Secret(SecretId::UNKNOWN),
                ServerSecrets::Read(Some(key)) => match key.decrypt(text) {
                    Ok(plain) => self.decrypted(plain, &place, value, vault, raw),
                    Err(_) => continue,
                },
                ServerSecrets::Read(None) => {
                    return Err(TranslateError::NeedMasterKey {
                        kind: layout.kind.name.clone(),
                        id: id.to_owned(),
                        place: place.to_string(),
                    });
                }
            }
            kept.push(place);
        }
        Ok(kept)
    }
}
