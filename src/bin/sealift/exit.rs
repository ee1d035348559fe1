//! What every error means to a person and to a script: kind, hint and exit code, all in this one file. It is as
//! long as there are errors: what they mean is one table, to be read and changed in one place.

use std::error::Error;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use sealift::bundle::BundleError;
use sealift::crypto::{MasterKeyError, PasswordError};
use sealift::demo::DemoError;
use sealift::model::LoadError;
use sealift::ops::translate::TranslateError;
use sealift::ops::{
    ConvertError, DocumentsError, ExportError, ImportError, MergeError, SalvageError, VendorReadError,
    WhyError,
};
use sealift::plan::SavedError;
use sealift::progress::Cancelled;
use sealift::server::{AddressError, ServerError};
use sealift::text::cut_middle;
use sealift::tree::{self, TreeError};
use sealift::vendor::VendorError;

use crate::ui;

#[cfg(test)]
mod tests;

/// The exit codes, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Differences or findings, where they were asked for.
    Differences = 3,
    /// Refused; the target is untouched.
    Refused = 4,
    /// The bundle is damaged or was tampered with.
    Damaged = 5,
    /// Wrong password or key.
    WrongKey = 6,
    /// It is not known whether the server committed.
    Unknown = 7,
    /// Interrupted; the target is untouched.
    Interrupted = 130,
}

/// What to do where a secret of a folder does not open.
pub const MOVED_SECRET: &str = "a sealed value opens only in the document that it was sealed for: move it back, undo a \
                                change of this document's key, or write { \"$secret\": true } in its place and enter the \
                                secret on the server";

/// The table that `--help` shows. Code 7 is for servers across a network: the embedded one always answers.
pub const TABLE: &str = "\
Exit codes:
    0  done, or nothing to do
    1  failed
    2  wrong usage
    3  differences or findings (diff, export --strict, a folder that is not right), salvaged or exported with losses
    4  refused, target untouched (conflict, stale plan, other version, unsupported server)
    5  the bundle is damaged or was tampered with
    6  wrong password or master key, or the server refuses the login
    7  it is not known whether the server committed
  130  interrupted, target untouched";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error on its way to a person.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    message: String,
    /// What the message lists, a line each.
    list: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), list: Vec::new(), hint: None }
    }

    /// An error that lists what it found, a line each.
    fn listing(exit: Exit, error: &dyn Error) -> Self {
        let text = error.to_string();
        let mut lines = text.lines().map(str::to_owned);
        Self { exit, message: lines.next().unwrap_or_default(), list: lines.collect(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the message lists, a line each.
    pub fn with_list(mut self, list: Vec<String>) -> Self {
        self.list = list;
        self
    }

    /// An error of the library with all its causes; none repeats another.
    fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        Self::new(exit, message)
    }

    /// Prints the failure as what it is where the work itself was done: a warning, with what it means.
    pub fn warn(&self, meaning: &str) {
        let yellow = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        ui::labelled(yellow, "warning:", &format!("{}; {meaning}", cut_middle(&self.message, ui::MESSAGE)));
    }

    /// The same of an answer that could not be printed, where what it was about is done.
    pub fn warn_of_output(self, effect: &str) {
        Self { message: format!("the answer could not be printed ({})", self.message), ..self }.warn(effect);
    }

    /// A file that is no plan, or not as it was written.
    pub fn saved(path: &std::path::Path, error: &SavedError) -> Self {
        let exit = match error {
            SavedError::NotAPlan => Exit::Usage,
            SavedError::TooNew(_) => Exit::Failed,
            SavedError::Damaged(_) => Exit::Damaged,
        };
        let failure = Self::new(exit, format!("{}: {error}", path.display()));
        match error {
            SavedError::NotAPlan => failure.hint("`sealift plan FILE --to SERVER -o PLAN` saves one"),
            SavedError::TooNew(_) => failure.hint("get a newer sealift"),
            SavedError::Damaged(_) => failure.hint("plan again"),
        }
    }

    pub fn print(&self) {
        if self.exit == Exit::Done {
            return;
        }
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        ui::labelled(red, "error:", &cut_middle(&self.message, ui::MESSAGE));
        for line in &self.list {
            ui::aside!("{}", cut_middle(line, ui::MESSAGE));
        }
        if let Some(hint) = &self.hint {
            let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
            ui::labelled(cyan, "hint:", &cut_middle(hint, ui::MESSAGE));
        }
    }

    /// This failure, once its details were shown: where they could not be, it is the same.
    pub fn after(self, shown: Result<(), Failure>) -> Self {
        if let Err(output) = shown {
            output.print();
        }
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            // A reader that had enough (`sealift list | head`) is no failure of ours.
            std::io::ErrorKind::BrokenPipe => Self::new(Exit::Done, "the reader of the output went away"),
            _ => Self::of(Exit::Failed, &error),
        }
    }
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Self::new(Exit::Interrupted, "interrupted; nothing was changed")
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let failure = Self::of(Exit::Usage, &error);
        match error {
            AddressError::Raw(_) | AddressError::Part { .. } | AddressError::NotASetting => failure.hint(
                "in a URL write % as %25, @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, & as %26 wherever they \
                 are part of a name or password; in a connection string quote a value that has a ; in it",
            ),
            AddressError::UnnamedKey | AddressError::Quotes(_) => failure.hint(
                "in a connection string a value with ; in it, or with a quotation mark at an end, is written \
                 'a;b' or \"a;b\", with the mark doubled inside",
            ),
            AddressError::UnknownKey { nearest: Some(nearest), .. } => {
                failure.hint(format!("is {nearest:?} meant?"))
            }
            AddressError::NoDatabase => failure.hint("mssql://USER@HOST/DATABASE, or Database=… in a connection string"),
            AddressError::NoServer => failure.hint("Server=HOST, Server=HOST\\INSTANCE or Server=HOST,PORT"),
            AddressError::NoUser => failure.hint(
                "mssql://USER@HOST/DATABASE logs in as USER, auth=windows as you (on Windows), token_file=FILE by Entra ID",
            ),
            AddressError::NotTcp(_) => {
                failure.hint("turn TCP/IP on in the server's configuration, and name it as HOST, HOST\\INSTANCE or HOST,PORT")
            }
            AddressError::EntraPassword => failure.hint(
                "leave the password out; get a token for https://database.windows.net/ and give it by \
                 token_file=FILE or in SEALIFT_SQL_TOKEN",
            ),
            AddressError::Unknown(_) | AddressError::Empty(_) | AddressError::NoSlashes(_) => {
                failure.hint("a server is named mssql://USER@HOST/DATABASE or sqlite:PATH")
            }
            _ => failure,
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::of(Exit::Usage, &error)
            .hint("`sealift model show --toml` prints the built-in model, whose head explains the language")
    }
}

impl From<PasswordError> for Failure {
    fn from(error: PasswordError) -> Self {
        Self::of(Exit::Usage, &error)
    }
}

impl From<MasterKeyError> for Failure {
    fn from(error: MasterKeyError) -> Self {
        Self::of(Exit::WrongKey, &error)
            .hint("the master key is the base64 text that the server shows for 16 or 32 bytes")
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        if let ServerError::Cancelled(cancelled) = error {
            return cancelled.into();
        }
        Self::of(Exit::Failed, &error).at_server(&error)
    }
}

impl Failure {
    /// Gives exit code and hint of a server's error, whatever it is told as.
    fn at_server(mut self, error: &ServerError) -> Self {
        self.exit = match error {
            ServerError::Login { .. } => Exit::WrongKey,
            ServerError::Unsupported { .. } => Exit::Refused,
            ServerError::CommitUnknown { .. } => Exit::Unknown,
            _ => Exit::Failed,
        };
        match error {
            ServerError::Missing(name) if name.starts_with("mssql:") => {
                self.hint("check the name; a database administrator makes one: CREATE DATABASE")
            }
            ServerError::Missing(_) => self.hint("`sealift init` makes an empty one"),
            ServerError::NotEmpty(_) => self.hint("name a database without tables; nothing is ever overwritten"),
            ServerError::NotADatabase(_) => self.hint("an embedded server is a SQLite database"),
            ServerError::Exists(_) => self.hint("choose another path; a server is never overwritten"),
            ServerError::Busy => self.hint("wait until the other process is done, then try again"),
            ServerError::Incomplete { .. } => self.hint(
                "nothing was written: run it again; where it fails again, have the server check the table and its \
                 indexes (DBCC CHECKTABLE; PRAGMA integrity_check on an embedded server)",
            ),
            ServerError::Full => self.hint("nothing was changed; make room and try again"),
            ServerError::Unreachable { .. } => self.hint(
                "is the host right, does the server listen on TCP (port 1433 unless the address names one), and \
                 does the firewall let it through? An instance by name needs SQL Browser, on UDP 1434",
            ),
            ServerError::Tls { .. } => self.hint(
                "ca=FILE in the address names the authority that made the certificate, host_name_in_certificate=NAME \
                 the name in it; trust_server_certificate=true takes any: only in a network you trust",
            ),
            ServerError::NotEncrypted { .. } => self.hint(
                "turn encryption on at the server (TLS 1.2 or later), and ask who sits between you and it: encryption may have been taken \
                 away on the way. encrypt=off in the address sends everything, the password too, for all to read",
            ),
            ServerError::Login { .. } => {
                self.hint("check user and password, and that the login may connect to this database")
            }
            ServerError::Permission { .. } => self.hint(
                "reading needs SELECT on the tables, an import INSERT and UPDATE too, `undo` and --prune DELETE: GRANT \
                 SELECT, INSERT, UPDATE, DELETE ON SCHEMA::dbo TO the user",
            ),
            ServerError::Unsupported { .. } => self.hint("nothing was changed on the server"),
            ServerError::Deadlock { .. } => self.hint("everything was rolled back; run it again"),
            ServerError::Lost { .. } => {
                self.hint("nothing was committed, the server rolls everything back; run it again")
            }
            ServerError::TakenBack => self.hint("the target is as it was; run it again"),
            ServerError::CommitUnknown { .. } => self.hint(
                "look on the server for the documents that the plan named; or run the import again: if it has \
                 nothing to do, everything was committed, and if its plan is the same, nothing was",
            ),
            _ => self,
        }
    }
}

impl From<TranslateError> for Failure {
    fn from(error: TranslateError) -> Self {
        match error {
            TranslateError::Server(error) => error.into(),
            TranslateError::WrongMasterKey { .. } => {
                Self::of(Exit::WrongKey, &error).hint("take the master key of the server that is named")
            }
            TranslateError::NeedMasterKey { .. } => Self::of(Exit::WrongKey, &error)
                .hint("give it by --master-key-file FILE or in SEALIFT_MASTER_KEY"),
            TranslateError::Column { .. } => {
                Self::of(Exit::Failed, &error).hint("is this the right server for the model? see --model")
            }
            _ => Self::of(Exit::Failed, &error),
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        if let BundleError::Cancelled(cancelled) = error {
            return cancelled.into();
        }
        let exit = match &error {
            BundleError::WrongPassword { .. } | BundleError::TooExpensive { .. } => Exit::WrongKey,
            BundleError::OtherRoot(_) => Exit::Damaged,
            error if error.is_damage() => Exit::Damaged,
            _ => Exit::Failed,
        };
        let failure = Self::of(exit, &error);
        match &error {
            BundleError::WrongPassword { .. } => {
                failure.hint("take the password that the export was made with")
            }
            BundleError::TooExpensive { .. } => {
                failure.hint(
                    "a bundle that asks for this much may be hostile; if you know who made it, --kdf-budget GIB allows \
                     more: the sum over its password slots of memory in GiB times passes",
                )
            }
            BundleError::OtherRoot(_) => failure.hint(
                "it is another file than the one whose root you were given, or somebody changed it: do not use it; \
                 `sealift info` prints the roots of a bundle",
            ),
            BundleError::Exists { .. } => failure.hint("--force overwrites it"),
            BundleError::TooNew { .. } => failure.hint("get a newer sealift"),
            BundleError::Damaged { path, .. } if tree::is_tree(path) => failure.hint(MOVED_SECRET),
            BundleError::Limit { path, .. } if tree::is_tree(path) => failure,
            error if error.is_damage() => failure
                .hint("`sealift verify` lists what is wrong with it, `sealift salvage` saves what is whole"),
            _ => failure,
        }
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Translate(error) => error.into(),
            ExportError::Server(error) => error.into(),
            ExportError::Malformed(ref faults) => {
                let all = |like: fn(&TranslateError) -> bool| faults.first().iter().all(like);
                if all(|fault| matches!(fault, TranslateError::Ambiguous { .. })) {
                    Self::listing(Exit::Refused, &error)
                        .hint("rename one of them, or say in the model how they are told apart")
                } else if all(|fault| matches!(fault, TranslateError::DamagedSecret { .. })) {
                    Self::listing(Exit::Failed, &error)
                        .hint("enter the secret anew on the server, or leave such documents out with --skip-unreadable")
                } else {
                    Self::listing(Exit::Failed, &error)
                        .hint("fix them on the server, or leave them out with --skip-unreadable")
                }
            }
            ExportError::Bundle(error @ BundleError::Limit { .. }) => Self::of(Exit::Failed, &error)
                .hint("no bundle holds that much; --only and --exclude choose less of the server"),
            ExportError::Bundle(error) => error.into(),
            ExportError::Cancelled(error) => error.into(),
            ExportError::NoSuchKind(_) => {
                Self::of(Exit::Usage, &error).hint("`sealift model show` lists the kinds of a model")
            }
            ExportError::LeftOut(_) | ExportError::NoSuchGroup(_) => Self::of(Exit::Usage, &error),
            ExportError::NoSuchDocument { .. } => {
                Self::of(Exit::Usage, &error).hint("names are matched as the server compares them")
            }
            // Asked for by --strict: not the export is at fault.
            ExportError::Undeclared { .. } => Self::of(Exit::Differences, &error).hint(
                "declare each place in a model file, { at = \"PLACE\", to = \"KIND\" } among the kind's references or \
                 { at = \"PLACE\" } among its secrets, and name it with --model FILE; without --strict they are only \
                 listed",
            ),
            ExportError::UnknownTables { .. } => Self::of(Exit::Differences, &error).hint(
                "describe each table as a kind in a model file, or say there why it is left behind ([[leave]]), and name \
                 the file with --model FILE; without --strict they are only listed",
            ),
            ExportError::NotInScope { .. } => {
                Self::of(Exit::Usage, &error).hint("name another --space, or none to look in all of them")
            }
            ExportError::NoScopeKind(_) | ExportError::NoScopes(_) => {
                Self::of(Exit::Usage, &error).hint("leave --space out")
            }
            ExportError::NoSuchScope { .. } => {
                Self::of(Exit::Usage, &error).hint("names are matched as the server compares them")
            }
            ExportError::NotThisProduct(_) => {
                Self::of(Exit::Usage, &error).hint("name another model with --model FILE")
            }
        }
    }
}

impl From<VendorReadError> for Failure {
    fn from(error: VendorReadError) -> Self {
        match error {
            VendorReadError::Vendor(error) => error.into(),
            VendorReadError::Server(error) => error.into(),
            VendorReadError::Model(error) => error.into(),
            VendorReadError::Cancelled(error) => error.into(),
            VendorReadError::Findings(_) => Self::listing(Exit::Damaged, &error)
                .hint("export the folder again; --no-secrets leaves damaged secrets unread"),
            VendorReadError::Temporary(_) => Self::of(Exit::Failed, &error),
        }
    }
}

impl From<VendorError> for Failure {
    fn from(error: VendorError) -> Self {
        match error {
            VendorError::WrongPassword(_) => {
                Self::of(Exit::WrongKey, &error).hint("take the password that the folder was exported with")
            }
            VendorError::NoHello(_) => Self::of(Exit::Failed, &error)
                .hint("--no-secrets takes everything but the secrets, and needs no password"),
            VendorError::Metadata { .. } | VendorError::DamagedHello { .. } => {
                Self::of(Exit::Damaged, &error).hint("export the folder again")
            }
            VendorError::NotAnExport(_) | VendorError::ProjectsExport(_) => Self::of(Exit::Usage, &error)
                .hint("name the folder that `Octopus.Migrator export --directory` wrote"),
            VendorError::OtherFormat { .. } | VendorError::Read { .. } | VendorError::TooMany { .. } => {
                Self::of(Exit::Failed, &error)
            }
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Translate(error) => error.into(),
            // A foreign key that is checked at the end, say: nobody knows of which document.
            ImportError::Server(error @ ServerError::Constraint { .. }) => Self::of(Exit::Refused, &error)
                .hint("everything was rolled back; the target is as it was"),
            ImportError::Server(error) => error.into(),
            // The undo file: the only one that an import writes.
            ImportError::Bundle(ref exists @ BundleError::Exists { .. }) => {
                Self::of(Exit::Failed, exists).hint("name another undo file: none is ever overwritten")
            }
            ImportError::Bundle(error @ BundleError::Unprotected { .. }) => Self::from(error).hint(
                "the undo file would hold it: give the bundle's password by --password-file, or the master key of a \
                 server that has one; --no-undo writes no undo file",
            ),
            ImportError::Bundle(error) => error.into(),
            ImportError::Cancelled(error) => error.into(),
            ImportError::OtherModel { .. } => {
                Self::of(Exit::Usage, &error).hint("name the bundle's model with --model FILE")
            }
            ImportError::Write { ref source, .. } => match source {
                // Not the document is at fault, but the way to the server, or the login.
                ServerError::Permission { .. }
                | ServerError::Deadlock { .. }
                | ServerError::Lost { .. }
                | ServerError::TakenBack
                | ServerError::CommitUnknown { .. } => Self::of(Exit::Failed, &error).at_server(source),
                _ => Self::of(Exit::Refused, &error)
                    .hint("everything was rolled back; the target is as it was"),
            },
            ImportError::Choice(_) => Self::of(Exit::Usage, &error)
                .hint("`sealift list FILE` lists kinds and names; * and ? stand for any text"),
            ImportError::IsUndo => Self::of(Exit::Usage, &error).hint("`sealift undo` takes the import back"),
            ImportError::Undo(_) => Self::of(Exit::Damaged, &error).hint("nothing was changed"),
            ImportError::UndoKey { .. } | ImportError::PlanKey { .. } => Self::of(Exit::WrongKey, &error)
                .hint("give the key by --master-key-file FILE or in SEALIFT_MASTER_KEY"),
            ImportError::NotAsWritten { .. } => Self::of(Exit::Refused, &error)
                .hint("does a trigger change it? everything was rolled back; the target is as it was"),
            ImportError::TooLarge(_) | ImportError::Crypto(_) | ImportError::UndoFolder { .. } => {
                Self::of(Exit::Failed, &error)
            }
            ImportError::Spool(_) => Self::of(Exit::Failed, &error)
                .hint("is the disk full? TMPDIR (on Windows: TMP) names another folder; the target is as it was"),
        }
    }
}

impl From<DocumentsError> for Failure {
    fn from(error: DocumentsError) -> Self {
        match error {
            DocumentsError::Export(error) => error.into(),
            DocumentsError::Bundle(error) => error.into(),
            DocumentsError::Tree(error) => error.into(),
            DocumentsError::Cancelled(error) => error.into(),
        }
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Cancelled(error) => error.into(),
            TreeError::Findings { ref path, ref findings } => {
                let what = match findings.total() {
                    1 => "one thing is wrong".to_owned(),
                    total => format!("{total} things are wrong"),
                };
                Self::new(Exit::Differences, format!("{}: {what}; nothing was written", path.display()))
                    .hint("mend the files that are named; git knows what they were")
            }
            TreeError::NotATree { .. } => Self::of(Exit::Failed, &error)
                .hint("`sealift convert BUNDLE FOLDER` makes one; was sealift.json lost or renamed?"),
            TreeError::TooNew { .. } => Self::of(Exit::Failed, &error).hint("get a newer sealift"),
            TreeError::InTheWay { .. } => Self::of(Exit::Failed, &error)
                .hint("nothing was changed; --force overwrites them, or removes those that the new content does not have"),
            TreeError::Incomplete { .. } => Self::of(Exit::Failed, &error)
                .hint("run that conversion again; if another sealift is at work there, wait until it is done"),
            TreeError::Unwritable { ref path, ref findings } => {
                let what = match findings.total() {
                    1 => "a document holds what a folder cannot hold".to_owned(),
                    total => format!("{total} values are such as a folder cannot hold"),
                };
                Self::new(Exit::Failed, format!("{}: {what}; nothing was written", path.display()))
                    .hint("use the bundle itself, or export again with this version of sealift and its model")
            }
            TreeError::NotCovered { .. } => Self::of(Exit::Failed, &error).hint(
                "nothing was changed; name another folder, or give --replace to remove them; `sealift merge FOLDER \
                 BUNDLE -o NEW` keeps both",
            ),
            TreeError::Busy { .. } => Self::of(Exit::Failed, &error)
                .hint("nothing was changed; when the other is done, run it again"),
            TreeError::Partly { .. } => Self::of(Exit::Failed, &error)
                .hint("run it again when the cause is gone: what is right already is left as it is"),
            TreeError::Unusable { .. } | TreeError::Io { .. } => Self::of(Exit::Failed, &error),
            TreeError::TooLarge { .. } | TreeError::TooMany { .. } => Self::of(Exit::Failed, &error),
        }
    }
}

impl From<ConvertError> for Failure {
    fn from(error: ConvertError) -> Self {
        match error {
            ConvertError::Tree(error) => error.into(),
            ConvertError::Bundle(error) => error.into(),
            ConvertError::Cancelled(error) => error.into(),
            ConvertError::OtherModel { .. } => {
                Self::of(Exit::Usage, &error).hint("name their model with --model FILE")
            }
            ConvertError::NeedsKey { .. } => Self::of(Exit::WrongKey, &error)
                .hint("give the password by --password-file FILE or in SEALIFT_PASSWORD, or move them back"),
            ConvertError::Seal { .. } => Self::of(Exit::Failed, &error),
        }
    }
}

impl From<SalvageError> for Failure {
    fn from(error: SalvageError) -> Self {
        match error {
            // The slot may be the damaged part: there is no telling.
            SalvageError::Bundle(error @ BundleError::WrongPassword { .. }) => Self::of(Exit::WrongKey, &error)
                .hint("if it is the right one, its slot is damaged; without a password sealed values are taken along unopened"),
            SalvageError::Bundle(error) => error.into(),
            SalvageError::Cancelled(error) => error.into(),
            SalvageError::NothingWhole { ref state, .. } => {
                let failure = Self::of(Exit::Damaged, &error);
                match state.count(sealift::bundle::Condition::Uncertain) {
                    0 => failure,
                    uncertain => failure.hint(format!(
                        "of {uncertain} documents the content is right, but nothing vouches for their keys; \
                         --uncertain takes them along"
                    )),
                }
            }
        }
    }
}

impl From<WhyError> for Failure {
    fn from(error: WhyError) -> Self {
        match error {
            WhyError::Documents(error) => error.into(),
            WhyError::NoSuchDocument { ref kind, .. } => {
                let hint = format!("`sealift list FILE {kind}` lists them");
                Self::of(Exit::Failed, &error).hint(hint)
            }
            WhyError::TooMuch { .. } => {
                Self::of(Exit::Usage, &error).hint("give the whole key of one, with its scopes")
            }
            WhyError::Circle { .. } | WhyError::TooLong { .. } => Self::of(Exit::Damaged, &error)
                .hint("no export writes such reasons; ask where the file comes from"),
        }
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Bundle(error) => error.into(),
            MergeError::Documents(error) => error.into(),
            MergeError::Cancelled(error) => error.into(),
            MergeError::OtherModel { .. } => {
                Self::of(Exit::Usage, &error).hint("name the model of the bundles with --model FILE")
            }
            MergeError::TwoModels { .. } => {
                Self::of(Exit::Refused, &error).hint("documents of two products cannot be in one bundle")
            }
            MergeError::ModelVersions { .. } => Self::of(Exit::Refused, &error)
                .hint("export both with one version of sealift and one model; --ignore-version joins them all the same"),
            MergeError::ProductVersions { .. } => {
                Self::of(Exit::Refused, &error).hint("--ignore-version joins them all the same")
            }
            MergeError::Twins { .. } => {
                Self::of(Exit::Refused, &error).hint("rename one of them on the server, and export again")
            }
            MergeError::Conflicts { .. } => Self::of(Exit::Refused, &error).hint(
                "--prefer INPUT takes one input's, --prefer KIND=INPUT for one kind, \
                 --prefer KIND/NAME=INPUT for one document",
            ),
            MergeError::NoSuchInput { .. } => Self::of(Exit::Usage, &error)
                .hint("an input is named by its path, its file name with or without ending, or its number from 1"),
            MergeError::SeveralInputs { .. } => {
                Self::of(Exit::Usage, &error).hint("give the whole path, or its number from 1")
            }
            MergeError::NoSuchKind { .. } | MergeError::NoSuchDocument { .. } => {
                Self::of(Exit::Usage, &error).hint("`sealift list FILE` lists what it holds")
            }
            MergeError::SeveralDocuments { .. } => {
                Self::of(Exit::Usage, &error).hint("give the whole name of one, with its scopes")
            }
            MergeError::NoInputs => Self::of(Exit::Usage, &error),
            MergeError::Locked { .. } => Self::of(Exit::WrongKey, &error),
        }
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        if let DemoError::Server(ServerError::Cancelled(cancelled))
        | DemoError::Row { source: ServerError::Cancelled(cancelled), .. } = error
        {
            return cancelled.into();
        }
        Self::of(Exit::Failed, &error)
    }
}
