//! Which files a command reads, and which it writes: declared once by each command, and checked before any work.
//!
//! An output never replaces what the command reads or changes, by whatever name or link it is reached, nor anything
//! that is no regular file. `--force` replaces a file of the format that is written, and no other.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use sealift::bundle::{self, Limits, UncheckedBundle};
use sealift::ops;
use sealift::plan::SavedPlan;
use sealift::server::Address;

use crate::commands::{input, vendor};
use crate::exit::{Exit, Failure};

/// As much of a file as tells its format.
const HEAD: u64 = 1024;
/// What a bundle or folder is to a command that keeps the encrypted bytes of its secrets.
pub const EARLIER: &str = "earlier bundle";
/// What SQLite puts behind a database's name for the files that it keeps beside it.
const SIDE_FILES: [&str; 3] = ["-wal", "-journal", "-shm"];

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Bundle,
    Plan,
    Script,
    ManualPage,
    UndoFile,
    Record,
    RecordPage,
    /// A folder that is made, or brought up to date.
    Tree,
    /// A folder that its command makes, and refuses where it is there.
    NewFolder,
    /// An embedded server that its command makes, and refuses where it is there.
    NewServer,
}

impl Format {
    fn noun(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Plan => "plan",
            Self::Script => "script",
            Self::ManualPage => "manual page",
            Self::UndoFile => "undo file",
            Self::Record => "record",
            Self::RecordPage => "page of the record",
            Self::Tree | Self::NewFolder => "folder",
            Self::NewServer => "server",
        }
    }

    /// Whether SQLite would take files beside it for its own.
    fn is_database(self) -> bool {
        matches!(self, Self::Bundle | Self::UndoFile | Self::NewServer)
    }

    /// Whether the file at a path is of this format. One without a byte is of every format.
    fn is_at(self, path: &Path) -> std::io::Result<bool> {
        let mut head = Vec::new();
        File::open(path)?.take(HEAD).read_to_end(&mut head)?;
        Ok(head.is_empty()
            || match self {
                Self::Bundle => bundle::recognise(&head) && !is_undo(path),
                Self::Plan => SavedPlan::recognise(&head),
                Self::Script => ops::is_script(&head),
                Self::ManualPage => head.windows(MANUAL.len()).any(|part| part == MANUAL),
                _ => false,
            })
    }
}

/// Stands in the head of each manual page that `sealift man` writes.
const MANUAL: &[u8] = b"\n.TH sealift";

/// An undo file is a bundle too, but no command that writes bundles has anything to put in its place.
fn is_undo(path: &Path) -> bool {
    let info = UncheckedBundle::open(path, &Limits::default()).and_then(|bundle| bundle.info());
    info.is_ok_and(|info| ops::is_undo(&info))
}

/// What a command does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    /// It exists, and is changed where it is.
    Changes,
    Writes {
        format: Format,
        force: bool,
    },
}

/// A file that a command uses.
#[derive(Debug)]
struct Used {
    /// What it is to the command.
    what: &'static str,
    path: PathBuf,
    how: Use,
    database: bool,
}

impl Used {
    fn cannot(&self, exit: Exit, why: &str) -> Failure {
        let verb = if self.how == Use::Changes { "change" } else { "write" };
        Failure::new(exit, format!("cannot {verb} the {} {}: {why}", self.what, self.path.display()))
    }

    fn name_another(&self) -> String {
        format!("name another {}", self.what)
    }
}

/// The files that a command uses.
#[derive(Debug, Default)]
pub struct Files(Vec<Used>);

impl Files {
    fn add(mut self, what: &'static str, path: &Path, how: Use, database: bool) -> Self {
        self.0.push(Used { what, path: path.to_owned(), how, database });
        self
    }

    /// A file or folder that is read, where one is named.
    pub fn reads<'p>(self, what: &'static str, path: impl Into<Option<&'p PathBuf>>) -> Self {
        match path.into() {
            Some(path) => self.add(what, path, Use::Reads, false),
            None => self,
        }
    }

    /// A bundle, or a folder made of one, that is read.
    pub fn reads_bundle<'p>(self, what: &'static str, path: impl Into<Option<&'p PathBuf>>) -> Self {
        match path.into() {
            Some(path) => self.add(what, path, Use::Reads, true),
            None => self,
        }
    }

    /// A server that is read, or a folder of the product's migrator: with all that its address names.
    pub fn reads_server(self, text: &str) -> Self {
        match vendor::recognise(text) {
            Some(folder) => self.add("export folder", &folder, Use::Reads, false),
            None => self.server(text, Use::Reads),
        }
    }

    /// A server that is changed, with all that its address names.
    pub fn changes_server(self, text: &str) -> Self {
        self.server(text, Use::Changes)
    }

    /// A server that is made.
    pub fn makes_server(self, text: &str) -> Self {
        self.server(text, Use::Writes { format: Format::NewServer, force: false })
    }

    fn server(self, text: &str, how: Use) -> Self {
        match text.parse() {
            Ok(Address::Sqlite(path)) => self.add("server", &path, how, true),
            Ok(Address::SqlServer(address)) => self
                .reads("password file", &address.password_file)
                .reads("token file", &address.token_file)
                .reads("certificate file", &address.ca),
            // The command says what is wrong with the address.
            Err(_) => self,
        }
    }

    /// A file that is changed where it is.
    pub fn changes(self, what: &'static str, path: &Path) -> Self {
        self.add(what, path, Use::Changes, false)
    }

    /// An output, where one is named; `force` lets it replace a file of its own format.
    pub fn writes<'p>(self, format: Format, path: impl Into<Option<&'p Path>>, force: bool) -> Self {
        match path.into() {
            Some(path) => self.add(format.noun(), path, Use::Writes { format, force }, format.is_database()),
            None => self,
        }
    }

    /// All that another part of the command line uses.
    pub fn and(mut self, other: Files) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Refuses outputs that would cost anything else than what they may replace.
    ///
    /// # Errors
    /// [`Failure`], naming the output and what is in its way.
    pub fn check(&self) -> Result<(), Failure> {
        let written = || {
            self.0.iter().filter_map(|used| match used.how {
                Use::Writes { format, force } => Some((used, format, force)),
                Use::Reads | Use::Changes => None,
            })
        };
        // Before a path is repeated: an address may hold a password.
        written().try_for_each(|(output, ..)| input::refuse_server(&output.path))?;
        written().try_for_each(|(output, ..)| refuse_stdout(output))?;
        let places: Vec<(&Used, Place)> = self.0.iter().map(|used| (used, Place::of(&used.path))).collect();
        for (at, (output, own)) in places.iter().enumerate().filter(|(_, (used, _))| used.how != Use::Reads) {
            for (_, (other, place)) in places.iter().enumerate().filter(|(other, _)| *other != at) {
                clash(output, own, other, place)?;
            }
        }
        written().try_for_each(|(output, format, force)| vacant(output, format, force))
    }
}

/// Refuses `-`, which stands for standard output elsewhere: an output is put into its place when it is whole.
fn refuse_stdout(output: &Used) -> Result<(), Failure> {
    if output.path.components().next() != Some(Component::Normal("-".as_ref())) {
        return Ok(());
    }
    Err(output
        .cannot(Exit::Usage, "an output is a file or folder, never standard output")
        .hint("name a file; one that is called - is written ./-"))
}

/// Refuses an output that is another file of the command, or lies where it would be taken for a part of one.
fn clash(output: &Used, own: &Place, other: &Used, place: &Place) -> Result<(), Failure> {
    // Of a file that is written and one that is changed, the first is in the wrong.
    if output.how == Use::Changes && matches!(other.how, Use::Writes { .. }) {
        return Ok(());
    }
    let hint = match other.what {
        EARLIER => "leave --previous out: --force keeps the encrypted bytes of what it overwrites".to_owned(),
        _ => output.name_another(),
    };
    let cannot = |why: String| Err(output.cannot(Exit::Usage, &why).hint(hint));
    let named = format!("the {} {}", other.what, other.path.display());
    if own.is(place) {
        return match other.how {
            Use::Reads => cannot(format!("it is {named}, which this command reads")),
            Use::Changes => cannot(format!("it is {named}, which this command changes")),
            Use::Writes { .. } => cannot(format!("{named} is to be the same file")),
        };
    }
    if other.database && place.side_files().iter().any(|side| own.is(side)) {
        return cannot(format!("SQLite would take it for a part of {named}"));
    }
    if output.database && own.side_files().iter().any(|side| place.is(side)) {
        return cannot(format!("SQLite would take {named} for a part of it"));
    }
    let is_tree = matches!(output.how, Use::Writes { format: Format::Tree, .. });
    if !is_tree || matches!(other.how, Use::Writes { .. }) {
        return Ok(());
    }
    match () {
        () if place.path.starts_with(&own.path) => cannot(format!("{named} is inside it")),
        () if own.path.starts_with(&place.path) => cannot(format!("it is inside {named}")),
        () => Ok(()),
    }
}

/// Refuses an output whose place is taken by anything that it may not replace.
fn vacant(output: &Used, format: Format, force: bool) -> Result<(), Failure> {
    let path = &output.path;
    let cannot = |why: String| output.cannot(Exit::Failed, &why);
    // Without a separator at its end, which would ask for a folder.
    let place: PathBuf = path.components().collect();
    let Ok(found) = place.symlink_metadata() else {
        let sides = if output.database { side_files(&place) } else { Vec::new() };
        if let Some(side) = sides.iter().find(|side| side.symlink_metadata().is_ok()) {
            let why = format!("SQLite would take {} for a part of it", side.display());
            return Err(cannot(why).hint(output.name_another()));
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder.filter(|folder| !folder.is_dir() && format == Format::Tree) {
            Some(folder) => Err(cannot(format!("there is no such folder as {}", folder.display()))
                .hint("make it first; only the last folder of a path is made")),
            None => Ok(()),
        };
    };
    match format {
        Format::NewFolder | Format::NewServer => return Ok(()),
        Format::Tree if vendor::is_one(&place) => {
            let why = "it is a folder of the product's own migrator, which is only read".to_owned();
            return Err(output.cannot(Exit::Usage, &why).hint(output.name_another()));
        }
        Format::Tree if place.is_dir() => return Ok(()),
        Format::Tree => return Err(cannot("something else than a folder is at this path".to_owned())),
        _ => {}
    }
    let name_another = || output.name_another();
    if !found.is_file() {
        let what = if found.is_symlink() { "a link is" } else { "something else than a file is" };
        return Err(cannot(format!("{what} at this path")).hint(name_another()));
    }
    let exists = |rest: &str| Failure::new(Exit::Failed, format!("{} exists already{rest}", path.display()));
    if matches!(format, Format::UndoFile | Format::Record | Format::RecordPage) {
        return Err(exists("").hint(format!("{}: none is ever overwritten", name_another())));
    }
    match format.is_at(&place) {
        Ok(true) if force => Ok(()),
        Ok(true) if format == Format::ManualPage => Ok(()),
        Ok(true) => Err(exists("").hint("--force overwrites it")),
        Ok(false) => Err(exists(&format!(", and is no {}", format.noun())).hint(name_another())),
        Err(error) => Err(exists(&format!(", and cannot be read: {error}")).hint(name_another())),
    }
}

/// Where a path leads.
#[derive(Debug)]
struct Place {
    /// What is there, through links, if anything is.
    identity: Option<Identity>,
    /// The path without links and detours, as far as its folders are there.
    path: PathBuf,
}

impl Place {
    fn of(path: &Path) -> Self {
        let plain: PathBuf = path.components().collect();
        let folder = plain.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let resolved = plain.canonicalize().ok().or_else(|| {
            let name = plain.file_name()?;
            Some(folder.canonicalize().ok()?.join(name))
        });
        let resolved = resolved.or_else(|| std::path::absolute(&plain).ok());
        Self { identity: Identity::of(&plain), path: as_compared(resolved.unwrap_or(plain)) }
    }

    fn is(&self, other: &Self) -> bool {
        (self.identity.is_some() && self.identity == other.identity) || self.path == other.path
    }

    /// The files that SQLite keeps beside a database.
    fn side_files(&self) -> Vec<Self> {
        side_files(&self.path).iter().map(|path| Self::of(path)).collect()
    }
}

/// The paths of the files that SQLite keeps beside a database.
fn side_files(path: &Path) -> Vec<PathBuf> {
    let beside = |end: &str| {
        let mut name = OsString::from(path.as_os_str());
        name.push(end);
        PathBuf::from(name)
    };
    SIDE_FILES.into_iter().map(beside).collect()
}

/// A path as the system compares it: on Windows and macOS case does not count.
fn as_compared(path: PathBuf) -> PathBuf {
    match cfg!(any(windows, target_os = "macos")) {
        true => PathBuf::from(path.to_string_lossy().to_lowercase()),
        false => path,
    }
}

/// What a file is, whatever its names are.
#[cfg(unix)]
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

#[cfg(unix)]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let found = path.metadata().ok()?;
        Some(Self { device: found.dev(), inode: found.ino() })
    }
}

#[cfg(not(unix))]
#[derive(Debug, PartialEq, Eq)]
struct Identity(same_file::Handle);

#[cfg(not(unix))]
impl Identity {
    fn of(path: &Path) -> Option<Self> {
        same_file::Handle::from_path(path).ok().map(Self)
    }
}
