//! Where passwords and master keys come from: a file, the environment, or a prompt. Never an argument, but for
//! a SQL Server's password, which may stand in the address.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use sealift::crypto::{MasterKey, Password, PasswordError, SecretBytes};
use sealift::server::sqlserver::{Login, SqlServerAddress};
use sealift::text::input;

use crate::exit::{Exit, Failure};

const PASSWORD: &str = "SEALIFT_PASSWORD";
const MASTER_KEY: &str = "SEALIFT_MASTER_KEY";
const SOURCE_PASSWORD: &str = "SEALIFT_SOURCE_PASSWORD";
const AGAINST_PASSWORD: &str = "SEALIFT_AGAINST_PASSWORD";
const SQL_PASSWORD: &str = "SEALIFT_SQL_PASSWORD";
const SQL_TOKEN: &str = "SEALIFT_SQL_TOKEN";

fn from_file(path: &Path, what: &str) -> Result<String, Failure> {
    input::read_line(path).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot read the {what} file {}: {error}", path.display()))
    })
}

fn given(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        return from_file(path, what).map(Some);
    }
    match std::env::var(variable) {
        Ok(text) => match input::one_line(&text) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(Failure::new(Exit::Usage, format!("cannot use {variable}: {error}"))),
        },
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
    terminal.write_str(&crate::ui::message(question))?;
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

/// The password of the bundle that stands for a plan's target.
pub fn against_password(file: Option<&Path>, bundle: &Path) -> Result<Password, Failure> {
    let text = match given(file, AGAINST_PASSWORD, "password")? {
        Some(text) => text,
        None => prompt(&format!("Password of {}: ", bundle.display()))?.ok_or_else(|| {
            no_password().hint(
                "--against-password-file FILE or SEALIFT_AGAINST_PASSWORD gives that of the target's bundle",
            )
        })?,
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

/// Finds what a SQL Server is logged in with, where its address does not hold it, or asks for it.
pub fn log_in(address: &mut SqlServerAddress, file: Option<&Path>) -> Result<(), Failure> {
    let shown = address.to_string();
    let own = address.password_file.take();
    match &mut address.login {
        Login::Sql { user, password } | Login::Windows { user: Some(user), password } => {
            if password.is_some() {
                crate::ui::aside!(
                    "note: the address holds the password, where others can see it in the list of processes; \
                     {SQL_PASSWORD}, --sql-password-file or a prompt hides it"
                );
                return Ok(());
            }
            let text = match given(own.as_deref().or(file), SQL_PASSWORD, "SQL password")? {
                Some(text) => text,
                None => prompt(&format!("Password of {} at {shown}: ", crate::ui::name(user)))?
                    .ok_or_else(no_sql_password)?,
            };
            if text.is_empty() {
                return Err(PasswordError::Empty.into());
            }
            *password = Some(Arc::new(SecretBytes::from(text)));
        }
        Login::Windows { user: None, .. } => {}
        Login::Token(token) => {
            let text = given(address.token_file.as_deref(), SQL_TOKEN, "token")?;
            let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            *token = Some(Arc::new(SecretBytes::from(text.ok_or_else(no_token)?)));
        }
    }
    Ok(())
}

fn no_sql_password() -> Failure {
    Failure::new(
        Exit::WrongKey,
        "the SQL Server's password is needed, and there is no terminal to ask for it",
    )
    .hint(format!(
        "give it by --sql-password-file FILE, in {SQL_PASSWORD}, or by password_file=FILE in the address"
    ))
}

fn no_token() -> Failure {
    Failure::new(Exit::WrongKey, "the SQL Server's address asks for a token of Microsoft Entra ID").hint(format!(
        "get one for https://database.windows.net/ and give it by token_file=FILE in the address or in {SQL_TOKEN}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift::server::Address;

    fn secret(address: &str, file: Option<&Path>) -> Option<String> {
        let Ok(Address::SqlServer(mut address)) = address.parse() else { panic!("{address}") };
        log_in(&mut address, file).unwrap();
        match address.login {
            Login::Sql { password, .. } | Login::Windows { password, .. } => password,
            Login::Token(token) => token,
        }
        .map(|secret| secret.expose_text().unwrap().to_owned())
    }

    #[test]
    fn the_address_goes_before_its_file_and_that_before_the_commands() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (own, general) = (file("own", "in the address\r\n"), file("general", " of the command \n"));
        let with = |rest: &str| secret(&format!("mssql://{rest}"), Some(&general));
        let own = own.to_str().unwrap();
        assert_eq!(with("sa:typed@h/d").as_deref(), Some("typed"));
        assert_eq!(with(&format!("sa@h/d?password_file={own}")).as_deref(), Some("in the address"));
        assert_eq!(with("sa@h/d").as_deref(), Some(" of the command "));
        assert_eq!(with("D%5Cu@h/d").as_deref(), Some(" of the command "));
        assert_eq!(with("h/d?auth=windows"), None);
        assert_eq!(with(&format!("h/d?token_file={own}")).as_deref(), Some("in the address"));
        let string = format!("Server=h;Database=d;UID=u;Password File={own}");
        assert_eq!(secret(&string, Some(&general)).as_deref(), Some("in the address"));
    }
}
