//! One vector in the making, and its text.

use std::fmt::Write as _;

use crate::run;
use crate::sealing::Envelope;

/// What must come of it.
#[derive(Clone)]
pub enum Expect {
    Ok,
    /// The class, and the findings by file and place.
    Refused(&'static str, Vec<(String, String)>),
}

pub struct Case {
    pub name: String,
    what: String,
    why: &'static str,
    password: Option<&'static str>,
    model: bool,
    expect: Expect,
    files: Vec<(String, Vec<u8>)>,
    paths: Vec<[String; 3]>,
}

/// What every tree says at least.
pub const ABOUT: &str = r#"{
  "format": "sealift tree 1",
  "model": "octopus",
  "model_digest": "0000000000000000000000000000000000000000000000000000000000000000"
}
"#;

/// The same with more members.
pub fn about(more: &str) -> String {
    ABOUT.replace("\"\n}", &format!("\",\n  {more}\n}}"))
}

/// The envelope of the vectors that need one, as a member.
pub fn envelope(envelope: &Envelope) -> String {
    let slots = envelope.slots.iter().map(|slot| {
        format!(
            r#"{{ "memory_kib": {}, "passes": {}, "lanes": {}, "salt": "{}", "nonce": "{}", "wrapped": "{}" }}"#,
            slot.memory_kib,
            slot.passes,
            slot.lanes,
            hex(&slot.salt),
            hex(&slot.nonce),
            hex(&slot.wrapped)
        )
    });
    let slots = slots.collect::<Vec<_>>().join(",\n      ");
    let (scope, commitment) = (hex(&envelope.scope), hex(&envelope.commitment));
    format!(
        "\"envelope\": {{\n    \"scope\": \"{scope}\",\n    \"commitment\": \"{commitment}\",\n    \"slots\": [\n      {slots}\n    ]\n  }}"
    )
}

/// The file of a feed, which most vectors are about.
pub fn feed(name: &str, body: &str) -> String {
    format!(
        "{{\n  \"kind\": \"Feed\",\n  \"key\": [{name}],\n  \"columns\": {{\n    \"Name\": {name}\n  }},\n  \"body\": {body}\n}}\n",
    )
}

pub const WEB: &str = "Feed/Web.json";

pub fn web(body: &str) -> String {
    feed("\"Web\"", body)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The digits of some parts, by the text of the specification.
pub fn digits(parts: &[&str]) -> String {
    let data: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_le_bytes(), part.as_bytes()].concat())
        .collect();
    hex(&blake3::derive_key("sealift 2026-11 tree v1 name", &data)[..8])
}

impl Case {
    fn new(name: &str, what: impl Into<String>, why: &'static str, expect: Expect) -> Self {
        Self {
            name: name.to_owned(),
            what: what.into(),
            why,
            password: None,
            model: false,
            expect,
            files: vec![("sealift.json".to_owned(), ABOUT.into())],
            paths: Vec::new(),
        }
    }

    pub fn ok(name: &str, what: impl Into<String>, why: &'static str) -> Self {
        Self::new(&format!("ok-{name}"), what, why, Expect::Ok)
    }

    /// Refused with one finding; an empty place is the whole file.
    pub fn finding(name: &str, what: impl Into<String>, why: &'static str, file: &str, place: &str) -> Self {
        let findings = vec![(file.to_owned(), place.to_owned())];
        Self::new(name, what, why, Expect::Refused("findings", findings))
    }

    pub fn refused(name: &str, what: impl Into<String>, why: &'static str, class: &'static str) -> Self {
        Self::new(name, what, why, Expect::Refused(class, Vec::new()))
    }

    /// The paths of the documents of one tree: kind, key text, path; `~#` in a path stands for `~` and the
    /// digits, `~@` for those of the project that owns it.
    pub fn paths(name: &str, what: &str, why: &'static str, paths: &[(&str, &str, &str)]) -> Self {
        let mut case = Self::new(&format!("paths-{name}"), what, why, Expect::Ok);
        case.files.clear();
        let path = |(kind, key, path): &(&str, &str, &str)| {
            let owner = key
                .strip_prefix("[{\"Project\":")
                .and_then(|rest| rest.split_once(']'))
                .map(|(owner, _)| owner);
            let owner = owner.map(|owner| digits(&["Project", &format!("{owner}]")])).unwrap_or_default();
            let path = path.replace("~@", &format!("~{owner}"));
            let path = path.replace("~#", &format!("~{}", digits(&[kind, key])));
            [(*kind).to_owned(), (*key).to_owned(), path]
        };
        case.paths = paths.iter().map(path).collect();
        case
    }

    pub fn class(mut self, new: &'static str) -> Self {
        if let Expect::Refused(class, _) = &mut self.expect {
            *class = new;
        }
        self
    }

    /// One more finding.
    pub fn and(mut self, file: &str, place: &str) -> Self {
        if let Expect::Refused(_, findings) = &mut self.expect {
            findings.push((file.to_owned(), place.to_owned()));
        }
        self
    }

    pub fn password(mut self, password: &'static str) -> Self {
        self.password = Some(password);
        self
    }

    /// It takes more of the model than the names of its kinds.
    pub fn needs_model(mut self) -> Self {
        self.model = true;
        self
    }

    pub fn file(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let path = path.into();
        self.files.retain(|(known, _)| *known != path);
        self.files.push((path, bytes.into()));
        self
    }

    pub fn without_about(mut self) -> Self {
        self.files.retain(|(known, _)| known != "sealift.json");
        self
    }

    fn exit(&self) -> i32 {
        match &self.expect {
            Expect::Ok => 0,
            Expect::Refused(class, _) => match *class {
                "not-a-tree" | "incomplete" | "too-new" => 1,
                "other-model" => 2,
                "findings" => 3,
                "damaged" => 5,
                _ => 6,
            },
        }
    }

    pub fn text(&self) -> String {
        let mut out = format!("what = {}\nwhy = {}\n", quoted(&self.what), quoted(self.why));
        if !self.paths.is_empty() {
            out.push_str("expect = \"ok\"\npaths = [\n");
            for path in &self.paths {
                let [kind, key, path] = path.each_ref().map(|text| quoted(text));
                let _ = writeln!(out, "  [{kind}, {key}, {path}],");
            }
            return out + "]\n";
        }
        if let Some(password) = self.password {
            let _ = writeln!(out, "password = {}", quoted(password));
        }
        if self.model {
            out.push_str("needs = \"model\"\n");
        }
        match &self.expect {
            Expect::Ok => {
                let read = run::attempt(&self.files, self.password);
                let (root, documents, opened) =
                    read.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", self.name));
                let _ = write!(out, "expect = \"ok\"\ncontent_root = \"{root}\"\ndocuments = {documents}\n");
                if self.password.is_some() {
                    let _ = writeln!(out, "secrets_opened = {opened}");
                }
            }
            Expect::Refused(class, findings) => {
                let _ = writeln!(out, "expect = \"{class}\"");
                if !findings.is_empty() {
                    let pairs =
                        findings.iter().map(|(file, place)| format!("[{}, {}]", quoted(file), quoted(place)));
                    let _ = writeln!(out, "findings = [{}]", pairs.collect::<Vec<_>>().join(", "));
                }
            }
        }
        let _ = writeln!(out, "exit = {}", self.exit());
        let (texts, others): (Vec<_>, Vec<_>) = self.files.iter().partition(|(_, bytes)| is_plain(bytes));
        for (heading, files) in [("files", texts), ("hex", others)] {
            if !files.is_empty() {
                let _ = write!(out, "\n[{heading}]\n");
            }
            for (path, bytes) in files {
                let _ = match std::str::from_utf8(bytes) {
                    Ok(text) if heading == "files" => write!(out, "{} = '''\n{text}'''\n", quoted(path)),
                    _ => writeln!(out, "{} = \"{}\"", quoted(path), hex(bytes)),
                };
            }
        }
        out
    }
}

/// Whether TOML can show these bytes as they are.
fn is_plain(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        !text.contains("'''")
            && !text.ends_with('\'')
            && !text.contains('\u{feff}')
            && !text.chars().any(|c| c.is_control() && c != '\n')
    })
}
