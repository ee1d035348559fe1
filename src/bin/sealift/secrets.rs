//! Where passwords and master keys come from: a file, the environment, or a prompt. Never an argument.

use std::io::IsTerminal;
use std::path::Path;

use sealift::crypto::{MasterKey, Password};

use crate::exit::{Exit, Failure};

const PASSWORD: &str = "SEALIFT_PASSWORD";
const MASTER_KEY: &str = "SEALIFT_MASTER_KEY";
const SOURCE_PASSWORD: &str = "SEALIFT_SOURCE_PASSWORD";

/// A file with a secret is one line; more would be another file taken by mistake.
const MAX_FILE: u64 = 64 * 1024;

fn from_file(path: &Path, what: &str) -> Result<String, Failure> {
    let fail = |why: String| {
        Failure::new(Exit::Failed, format!("cannot read the {what} file {}: {why}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len();
    if size > MAX_FILE {
        return Err(fail("it is larger than 64 KiB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn given(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        return from_file(path, what).map(Some);
    }
    match std::env::var(variable) {
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::new(Exit::Usage, format!("{variable} is not valid UTF-8")))
        }
    }
}

fn prompt(question: &str) -> Result<Option<String>, Failure> {
    let terminal = console::Term::stderr();
    if !std::io::stdin().is_terminal() || !terminal.is_term() {
        return Ok(None);
    }
    terminal.write_str(question)?;
    match crate::ui::read_hidden(&terminal) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The password of a bundle, asked for where it is not given.
pub fn password(file: Option<&Path>) -> Result<Password, Failure> {
    let text = match given(file, PASSWORD, "password")? {
        Some(text) => text,
        None => prompt("Password of the bundle: ")?.ok_or_else(no_password)?,
    };
    Ok(Password::new(text)?)
}

/// The password of one of several bundles: a prompt names it.
pub fn password_of(file: Option<&Path>, bundle: &str) -> Result<Password, Failure> {
    let text = match given(file, PASSWORD, "password")? {
        Some(text) => text,
        None => prompt(&format!("Password of {bundle}: "))?.ok_or_else(no_password)?,
    };
    Ok(Password::new(text)?)
}

/// The password of a new bundle: a prompt asks twice.
pub fn new_password(file: Option<&Path>) -> Result<Password, Failure> {
    if let Some(text) = given(file, PASSWORD, "password")? {
        return Ok(Password::new(text)?);
    }
    let first = prompt("Password for the new bundle: ")?.ok_or_else(no_password)?;
    let again = prompt("The same again: ")?.ok_or_else(no_password)?;
    if first != again {
        return Err(Failure::new(Exit::Usage, "the two passwords differ"));
    }
    Ok(Password::new(first)?)
}

/// The password, where one is given without asking.
pub fn given_password(file: Option<&Path>) -> Result<Option<Password>, Failure> {
    Ok(given(file, PASSWORD, "password")?.map(Password::new).transpose()?)
}

/// The password that an export folder was made with, asked for where it is not given.
pub fn source_password(file: Option<&Path>) -> Result<Password, Failure> {
    let text = match given(file, SOURCE_PASSWORD, "source password")? {
        Some(text) => text,
        None => prompt("Password of the export folder: ")?.ok_or_else(|| {
            Failure::new(
                Exit::WrongKey,
                "the folder's password is needed, and there is no terminal to ask for it",
            )
            .hint(format!("give it by --source-password-file FILE or in {SOURCE_PASSWORD}"))
        })?,
    };
    Ok(Password::new(text)?)
}

fn no_password() -> Failure {
    Failure::new(Exit::WrongKey, "a password is needed, and there is no terminal to ask for it")
        .hint(format!("give it by --password-file FILE or in {PASSWORD}"))
}

/// The master key of a server, where one is given. It is never asked for: most servers have it in a file.
pub fn master_key(file: Option<&Path>) -> Result<Option<MasterKey>, Failure> {
    let text = given(file, MASTER_KEY, "master key")?;
    Ok(text.map(|text| MasterKey::from_base64(&text)).transpose()?)
}
