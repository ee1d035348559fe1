//! One vector: what is done to the usual bundle, and what must come of it.

use std::fmt::Write as _;
use std::path::Path;

use super::build::{self, Doc, Layout, Tables, lay_out, seal, store, tables};
use super::pack;
use super::sealing::{Envelope, PASSWORD};

/// When a reader must find what is wrong, at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before it believes a document's row.
    Open,
    /// When it verifies without a password.
    Verify,
    /// When it is given the password.
    Unlock,
    /// When it opens the sealed values.
    Opened,
}

impl Stage {
    pub fn word(self) -> &'static str {
        match self {
            Stage::Open => "open",
            Stage::Verify => "verify",
            Stage::Unlock => "unlock",
            Stage::Opened => "opened",
        }
    }
}

/// A bundle that differs from the usual one in fewer bytes than this is written as a list of edits.
const MOST_EDITED: usize = 300;

type Edit<T> = Option<Box<dyn Fn(&mut T)>>;

pub struct Case {
    pub name: &'static str,
    pub what: &'static str,
    pub rule: &'static str,
    /// Nothing: the bundle must be accepted.
    pub refused: Option<(Stage, &'static str)>,
    password: &'static str,
    protected: bool,
    docs: Edit<Vec<Doc>>,
    envelope: Edit<Envelope>,
    layout: Edit<Layout>,
    tables: Edit<Tables>,
    bytes: Edit<Vec<u8>>,
    reseal: bool,
    beside: Option<&'static str>,
}

pub fn ok(name: &'static str, rule: &'static str, what: &'static str) -> Case {
    Case {
        name,
        what,
        rule,
        refused: None,
        password: PASSWORD,
        protected: true,
        docs: None,
        envelope: None,
        layout: None,
        tables: None,
        bytes: None,
        reseal: true,
        beside: None,
    }
}

pub fn refused(
    stage: Stage,
    class: &'static str,
    name: &'static str,
    rule: &'static str,
    what: &'static str,
) -> Case {
    Case { refused: Some((stage, class)), ..ok(name, rule, what) }
}

impl Case {
    pub fn docs(self, edit: impl Fn(&mut Vec<Doc>) + 'static) -> Self {
        Self { docs: Some(Box::new(edit)), ..self }
    }

    pub fn envelope(self, edit: impl Fn(&mut Envelope) + 'static) -> Self {
        Self { envelope: Some(Box::new(edit)), ..self }
    }

    pub fn layout(self, edit: impl Fn(&mut Layout) + 'static) -> Self {
        Self { layout: Some(Box::new(edit)), ..self }
    }

    pub fn tables(self, edit: impl Fn(&mut Tables) + 'static) -> Self {
        Self { tables: Some(Box::new(edit)), ..self }
    }

    pub fn more(self, sql: &'static str) -> Self {
        self.tables(move |tables| tables.more = sql.to_owned())
    }

    /// Changes bytes of the finished file.
    pub fn bytes(self, edit: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        Self { bytes: Some(Box::new(edit)), ..self }
    }

    /// Leaves the file root as it was before the bytes were changed.
    pub fn unsealed(self) -> Self {
        Self { reseal: false, ..self }
    }

    pub fn beside(self, suffix: &'static str) -> Self {
        Self { beside: Some(suffix), ..self }
    }

    pub fn password(self, password: &'static str) -> Self {
        Self { password, ..self }
    }

    /// No envelope, and no sealed value.
    pub fn unprotected(self) -> Self {
        Self { protected: false, ..self }
    }

    fn build(&self, folder: &Path) -> (Vec<u8>, Vec<Doc>) {
        let mut docs = usual();
        if !self.protected {
            docs.iter_mut().flat_map(|d| &mut d.secrets).for_each(|(_, value)| *value = None);
        }
        let mut envelope = self.protected.then(Envelope::usual);
        apply(&self.docs, &mut docs);
        if let Some(envelope) = &mut envelope {
            apply(&self.envelope, envelope);
        }
        let mut layout = lay_out(&docs);
        apply(&self.layout, &mut layout);
        let mut tables = tables(&docs, &layout, envelope.as_ref());
        apply(&self.tables, &mut tables);
        let mut bytes = store(&tables, folder);
        seal(&mut bytes);
        (bytes, docs)
    }

    /// The files of the vector: its description, and the bundle where it is more than a few edits.
    pub fn files(&self, folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut toml = String::new();
        let mut files = Vec::new();
        let _ = writeln!(toml, "what = {}\nrule = {}", super::quoted(self.what), super::quoted(self.rule));
        let (mut bytes, docs) = self.build(folder);
        if self.bytes.is_some() {
            apply(&self.bytes, &mut bytes);
            if self.reseal {
                seal(&mut bytes);
            }
        }
        let base = base(folder);
        let edits = edits(&base, &bytes);
        if self.name != "ok-usual" && edits.iter().map(|(_, new)| new.len() + 16).sum::<usize>() < MOST_EDITED
        {
            let _ = writeln!(toml, "base = \"ok-usual.sealift\"");
            if bytes.len() != base.len() {
                let _ = writeln!(toml, "length = {}", bytes.len());
            }
            let edits: Vec<String> =
                edits.iter().map(|(at, new)| format!("\n    [{at}, \"{}\"],", super::hex(new))).collect();
            let _ = writeln!(toml, "edits = [{}\n]", edits.concat());
            if let Some(suffix) = self.beside {
                let _ = writeln!(toml, "beside = {suffix:?}");
            }
        } else {
            let file = format!("{}.sealift", self.name);
            let _ = writeln!(toml, "file = {file:?}");
            files.push((file, bytes));
        }
        let _ = writeln!(toml, "password = {}", super::quoted(self.password));
        match self.refused {
            Some((stage, class)) => {
                let _ = writeln!(toml, "expect = \"refused\"\nstage = {:?}", stage.word());
                let _ = writeln!(toml, "class = {class:?}\nexit = {}", exit(class));
            }
            None => {
                let _ = writeln!(toml, "expect = \"ok\"\nexit = 0");
                let root = super::hex(&build::content_root(&docs));
                let sealed = docs.iter().flat_map(|d| &d.secrets).filter(|(_, v)| v.is_some()).count();
                let _ = writeln!(toml, "content_root = \"{root}\"");
                let _ = writeln!(toml, "documents = {}\nsecrets_opened = {sealed}", docs.len());
            }
        }
        files.push((format!("{}.toml", self.name), toml.into_bytes()));
        files
    }
}

fn apply<T>(edit: &Edit<T>, to: &mut T) {
    if let Some(edit) = edit {
        edit(to);
    }
}

/// The exit code of the program for a class of error.
pub fn exit(class: &str) -> i32 {
    match class {
        "not-a-bundle" | "too-new" | "unknown-feature" => 1,
        "damaged" | "limit" => 5,
        "wrong-password" | "too-expensive" => 6,
        other => panic!("{other} is no class"),
    }
}

/// The usual bundle, which most vectors change.
fn base(folder: &Path) -> Vec<u8> {
    static ONCE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| ok("ok-usual", "", "").build(folder).0).clone()
}

/// What to write where, to make one file of the other. Bytes beyond the end are zeros.
fn edits(from: &[u8], to: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let differs = |at: &usize| to[*at] != from.get(*at).copied().unwrap_or(0);
    let mut edits: Vec<(usize, Vec<u8>)> = Vec::new();
    for at in (0..to.len()).filter(differs) {
        match edits.last_mut() {
            // A few equal bytes between two changes are cheaper to write again.
            Some((start, bytes)) if at - *start - bytes.len() < 16 => {
                bytes.extend(&to[*start + bytes.len()..=at]);
            }
            _ => edits.push((at, vec![to[at]])),
        }
    }
    edits
}

/// The documents of most vectors: three kinds, references, secrets with and without a value.
pub fn usual() -> Vec<Doc> {
    let environment = |name: &str| Doc {
        kind: "Environment".to_owned(),
        key: ("[".to_owned(), format!("{name:?}"), "]".to_owned()),
        canonical: pack::list(&[pack::map(&[("Name", pack::text(name))])]),
        id: (2, format!("Environments-{}", name.len()).into_bytes()),
        reason: vec![0],
        secrets: Vec::new(),
    };
    let project = Doc {
        kind: "Project".to_owned(),
        key: ("[{\"Space\":[\"Default\"]},".to_owned(), "\"Web shop\"".to_owned(), "]".to_owned()),
        canonical: pack::list(&[
            pack::map(&[("IsDisabled", vec![0xc2]), ("Name", pack::text("Web shop"))]),
            pack::map(&[
                ("Environment", pack::reference("Environment", &[pack::text("Production")])),
                ("LifecycleId", pack::dangling("Lifecycle", pack::text("Lifecycles-9"))),
                ("Rate", pack::number("1.25")),
            ]),
        ]),
        id: (1, b"17".to_vec()),
        reason: vec![1],
        secrets: Vec::new(),
    };
    let needed =
        [vec![2], pack::bytes(b"Project"), pack::bytes(b"[\"Web shop\"]"), pack::bytes(b"$.Sets[0]")];
    let variables = |project: &str, password: &str| Doc {
        kind: "VariableSet".to_owned(),
        key: ("[{\"Project\":[".to_owned(), format!("{project:?}"), "]}]".to_owned()),
        canonical: pack::list(&[
            pack::map(&[("Password", pack::secret())]),
            pack::map(&[(
                "Variables",
                pack::list(&[
                    pack::map(&[("Name", pack::text("a")), ("Value", pack::secret())]),
                    pack::map(&[("it's", pack::secret())]),
                ]),
            )]),
        ]),
        id: (0, Vec::new()),
        reason: needed.concat(),
        secrets: vec![
            ("Password".to_owned(), Some(password.to_owned())),
            ("$.Variables[0].Value".to_owned(), None),
            ("$.Variables[1]['it\\'s']".to_owned(), Some(String::new())),
        ],
    };
    vec![
        environment("Production"),
        environment("Test"),
        project,
        variables("Api", "first secret"),
        variables("Web shop", "other secret"),
    ]
}
