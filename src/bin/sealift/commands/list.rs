//! Lists of documents to be edited: printed by `plan --list`, read by `--use-list`.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _};
use std::path::Path;

use sealift::document::Key;
use sealift::ops::Listed;
use sealift::plan::{Action, Plan};
use sealift::text::{escape_json, input};

use super::render;
use crate::exit::{Exit, Failure};
use crate::ui;

/// How large a list may be, in bytes.
const LARGEST: u64 = 1 << 30;
/// How large it may be in UTF-16, which is decoded as a whole.
const LARGEST_UTF16: u64 = 256 << 20;
/// How long a line may be: as long as a key, each character of which may be escaped.
const LINE: usize = 8 * 65 * 1024;
/// How many wrong lines are told.
const TOLD: usize = 20;

const HEAD: &str = "\
# What the import would do: a word, the kind, the key. To leave a document out, delete its line, put # before it or
# write skip. Where a document is skipped because the target has it, write update to overwrite it, merge to join the two
# by the model's rules, or add to add only what it lacks. Then: sealift import FILE --use-list THIS
";

/// Prints a plan as a list.
pub fn print(plan: &Plan) -> Result<(), Failure> {
    let mut out = ui::Out::new(std::io::stdout().lock());
    write!(out, "{HEAD}")?;
    let mut kind = "";
    for entry in &plan.entries {
        if entry.kind.as_str() != kind {
            kind = entry.kind.as_str();
            writeln!(out, "\n# {kind}")?;
        }
        let (word, key) = (entry.list_word(), entry.key.to_text());
        let key = escape_json(&key);
        let reason =
            entry.reason.as_ref().map(|reason| format!("#   {}\n", ui::message(reason))).unwrap_or_default();
        writeln!(out, "{reason}{word:9} {kind} {key}")?;
    }
    for finding in &plan.findings {
        writeln!(out, "# {}", render::finding_line(finding))?;
    }
    Ok(())
}

/// Reads a list.
pub fn read(path: &Path) -> Result<Vec<Listed>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
    };
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.len() > LARGEST {
        return Err(Failure::new(Exit::Usage, format!("{} is too large for a list", path.display())));
    }
    let (mut listed, mut wrong) = (Vec::new(), Vec::new());
    let mut file = BufReader::new(file.take(LARGEST));
    // The output of a command that was redirected into a file is UTF-16 on some systems.
    let mut reader: Box<dyn BufRead> = match input::is_utf16(file.fill_buf().map_err(cannot)?) {
        false => Box::new(file),
        true => {
            let mut bytes = Vec::new();
            file.take(LARGEST_UTF16).read_to_end(&mut bytes).map_err(cannot)?;
            let text = input::decode(bytes).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
            })?;
            Box::new(Cursor::new(text))
        }
    };
    for line in 1.. {
        let mut text = Vec::new();
        if (&mut reader).take(LINE as u64).read_until(b'\n', &mut text).map_err(cannot)? == 0 {
            break;
        }
        // Every line of such a file would have the same fault.
        if text.contains(&0) {
            let text = format!(
                "{} is no list of documents: line {line}: a NUL character; is it UTF-16 without a byte order mark?",
                path.display()
            );
            return Err(Failure::new(Exit::Usage, text)
                .hint("save it as UTF-8; `sealift plan --list` makes a list of documents"));
        }
        let read = match (text.len() < LINE, std::str::from_utf8(&text)) {
            (false, _) => Err("it is too long"),
            (_, Err(_)) => Err("it is not UTF-8"),
            (_, Ok(text)) => parse(line, text),
        };
        match read {
            Ok(read) => listed.extend(read),
            Err(what) => wrong.push(format!("line {line}: {what}")),
        }
        if wrong.len() >= TOLD {
            break;
        }
    }
    if wrong.is_empty() {
        return Ok(listed);
    }
    let text = format!("{} is no list of documents: {}", path.display(), wrong.join("; "));
    Err(Failure::new(Exit::Usage, text)
        .hint("`sealift plan --list` makes one; a line is a word, a kind and a key"))
}

fn parse(line: usize, text: &str) -> Result<Option<Listed>, &'static str> {
    // A byte order mark, as editors put it.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (word, rest) = text.split_once(char::is_whitespace).ok_or("it has no kind")?;
    let (kind, key) = rest.trim_start().split_once(char::is_whitespace).ok_or("it has no key")?;
    if word != "add" && !Action::ALL.iter().any(|action| action.word() == word) {
        return Err("its first word is none of create, update, merge, add, delete, unchanged, skip");
    }
    let key = Key::from_json(key.trim()).map_err(|_| "what follows the kind is no key")?;
    Ok(Some(Listed { line, action: word.to_owned(), kind: kind.to_owned(), key: key.to_text() }))
}
