//! A record as a page, for people: one file without scripts, that needs nothing from anywhere.
//!
//! Names and values are text of a server or a file that may be hostile. All of them go through [`Safe`], and the
//! page forbids itself scripts and whatever is elsewhere.

use std::fmt;
use std::io::{self, Write};

use sealift::document::{Value, json as document_json};
use sealift::plan::{Action, Change, Changed, Entry};
use sealift::text::{escape, is_hidden};

use super::ImportRecord;
use super::lines::{Line, compare};
use crate::commands::{around, render};

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"/>
"#;

const STYLE: &str = include_str!("page.css");

/// Text as it may stand in the page, between tags and in attributes. Characters that are not seen, or that turn
/// the direction of what follows, are spelled out.
struct Safe<'t>(&'t str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(is_special) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = tail.chars();
            match chars.next() {
                Some('&') => f.write_str("&amp;")?,
                Some('<') => f.write_str("&lt;")?,
                Some('>') => f.write_str("&gt;")?,
                Some('"') => f.write_str("&quot;")?,
                Some('\'') => f.write_str("&#39;")?,
                Some(hidden) => escape(hidden, f)?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'') || (is_hidden(c) && !matches!(c, '\n' | '\t'))
}

/// Writes a record.
pub fn write(record: &ImportRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
    let title = format!("{} - {}", record.target, record.ended);
    write!(
        out,
        "{HEAD}<title>Sealift: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Safe(&title)
    )?;
    let nothing = render::nothing_to_write(record.plan, None);
    let (class, told) = match record.outcome {
        super::APPLIED => ("good", "committed: all of it was written in one transaction"),
        "dry-run" => ("calm", "dry run: all of it was written, checked, and rolled back"),
        "nothing-to-do" => ("calm", nothing.as_str()),
        "stale" => ("bad", "refused: the target changed since the plan was made; nothing was written"),
        _ => ("bad", "refused: nothing was written"),
    };
    writeln!(out, "<h1>Import into <bdi>{}</bdi></h1>", Safe(&record.target))?;
    writeln!(out, "<p class=\"outcome {class}\">{told}</p>")?;
    facts(record, out)?;
    list(
        out,
        "What stops it",
        "bad",
        record.plan.findings.iter().map(|finding| {
            let about = [finding.kind.as_str(), finding.name.as_str()].map(str::to_owned);
            let about: Vec<String> = about.into_iter().filter(|text| !text.is_empty()).collect();
            (about.join(" "), finding.problem.as_str())
        }),
    )?;
    let skipped = record.plan.skipped();
    let skipped = skipped.iter().map(|skipped| (skipped.documents.to_string(), skipped.reason.as_str()));
    list(out, "Skipped", "calm", skipped)?;
    let notices = record.plan.notices.iter().map(|notice| (String::new(), notice.as_str()));
    list(out, "Notes", "calm", notices)?;
    let source = record.plan.source.iter().map(|notice| (String::new(), notice.to_string()));
    list(out, "What the export reported", "calm", source)?;
    kinds(record, out)?;
    rows(record, out)?;
    writeln!(out, "<h2>Documents</h2>")?;
    let mut kind = "";
    for entry in &record.plan.entries {
        if kind != entry.kind.as_str() {
            kind = entry.kind.as_str();
            writeln!(out, "<h3>{}</h3>", Safe(kind))?;
        }
        document(entry, out)?;
    }
    writeln!(out, "<p class=\"end\">Written by {}. No secret is in this page.</p>", Safe(super::PROGRAM))?;
    writeln!(out, "</body>\n</html>")
}

fn facts(record: &ImportRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
    let info = record.bundle;
    let product = info.header.product_version.as_deref().unwrap_or("of unknown version");
    let product = format!("{} {product}", info.header.model);
    let (began, ended, options) =
        (record.began.to_string(), record.ended.to_string(), record.options.join(" "));
    let (content, file) = (info.content_root.to_string(), info.file_root.to_string());
    let doing = around::maintenance_line(record.plan.maintenance.as_ref());
    let facts: [(&str, Option<&str>); 13] = [
        ("Began", Some(&began)),
        ("Ended", Some(&ended)),
        ("Target", Some(&record.target)),
        ("Bundle", Some(&record.path)),
        ("Content root", Some(&content)),
        ("File root", Some(&file)),
        ("Product", Some(&product)),
        ("From the server", info.header.server.as_deref()),
        ("Exported", info.created.as_deref()),
        ("By the plan", record.by_plan.as_deref()),
        ("Undo file", record.undo.as_deref()),
        ("Options", Some(options.as_str()).filter(|text| !text.is_empty())),
        ("The target was", doing.as_deref()),
    ];
    writeln!(out, "<table class=\"facts\">")?;
    for (name, fact) in facts {
        if let Some(fact) = fact {
            writeln!(out, "<tr><th scope=\"row\">{name}</th><td><bdi>{}</bdi></td></tr>", Safe(fact))?;
        }
    }
    writeln!(out, "</table>")
}

fn list<T: AsRef<str>>(
    out: &mut dyn Write,
    title: &str,
    class: &str,
    items: impl ExactSizeIterator<Item = (String, T)>,
) -> io::Result<()> {
    if items.len() == 0 {
        return Ok(());
    }
    writeln!(out, "<h2>{title}</h2>\n<ul class=\"{class}\">")?;
    for (about, text) in items {
        match about.is_empty() {
            true => writeln!(out, "<li>{}</li>", Safe(text.as_ref()))?,
            false => writeln!(out, "<li><b><bdi>{}</bdi></b>: {}</li>", Safe(&about), Safe(text.as_ref()))?,
        }
    }
    writeln!(out, "</ul>")
}

fn kinds(record: &ImportRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Counts</h2>\n<table class=\"counts\">\n<tr><th scope=\"col\">Kind</th>")?;
    for action in Action::ALL {
        writeln!(out, "<th scope=\"col\">{}</th>", action.word())?;
    }
    writeln!(out, "</tr>")?;
    let mut line = |name: &str, count: &dyn Fn(Action) -> u64| -> io::Result<()> {
        write!(out, "<tr><th scope=\"row\">{}</th>", Safe(name))?;
        for action in Action::ALL {
            match count(action) {
                0 => write!(out, "<td></td>")?,
                count => write!(out, "<td>{count}</td>")?,
            }
        }
        writeln!(out, "</tr>")
    };
    for (kind, counts) in record.kinds() {
        line(kind, &|action| counts.get(&action).copied().unwrap_or_default())?;
    }
    line("All", &|action| record.plan.count(action) as u64)?;
    writeln!(out, "</table>")
}

fn rows(record: &ImportRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
    if record.rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>Rows</h2>\n<table class=\"counts\">")?;
    writeln!(
        out,
        "<tr><th scope=\"col\">Table</th><th scope=\"col\">inserted</th><th scope=\"col\">updated</th></tr>"
    )?;
    for rows in &record.rows {
        let (table, inserted, updated) = (Safe(&rows.table), rows.inserted, rows.updated);
        writeln!(out, "<tr><th scope=\"row\">{table}</th><td>{inserted}</td><td>{updated}</td></tr>")?;
    }
    writeln!(out, "</table>")
}

fn document(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let word = entry.action.word();
    let name = entry.key.path();
    let mut line = format!("<span class=\"act {word}\">{word}</span> <bdi>{}</bdi>", Safe(&name));
    if let Some(reason) = &entry.reason {
        line.push_str(&format!(" <span class=\"why\">{}</span>", Safe(reason)));
    }
    if entry.changes.is_empty() && entry.notes.is_empty() {
        return writeln!(out, "<p class=\"document\">{line}</p>");
    }
    let places = match entry.changes.len() {
        0 => String::new(),
        1 => " <span class=\"why\">1 place</span>".to_owned(),
        many => format!(" <span class=\"why\">{many} places</span>"),
    };
    writeln!(out, "<details class=\"document\"><summary>{line}{places}</summary>")?;
    for note in &entry.notes {
        writeln!(out, "<p class=\"note\">{}</p>", Safe(note))?;
    }
    for shown in &entry.changes {
        change(shown, out)?;
    }
    writeln!(out, "</details>")
}

fn change(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let place = change.place.to_string();
    write!(out, "<div class=\"change\"><code>{}</code>", Safe(&place))?;
    match &change.changed {
        Changed::Secret => writeln!(out, " <span class=\"why\">secret changed</span></div>"),
        Changed::Order => writeln!(out, " <span class=\"why\">other order</span></div>"),
        Changed::Added(new) => difference(None, Some(&text(new)), out),
        Changed::Removed(old) => difference(Some(&text(old)), None, out),
        Changed::Replaced { old, new } => difference(Some(&text(old)), Some(&text(new)), out),
    }
}

/// A value as lines of text: text itself where it has several, all else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Text(text) if text.contains('\n') => text.replace("\r\n", "\n"),
        other => format!("{:#}", document_json::describe(other)),
    }
}

fn difference(old: Option<&str>, new: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let lines = match (old, new) {
        (Some(old), Some(new)) => compare(old, new),
        (old, new) => {
            let old = old.into_iter().flat_map(|text| text.split('\n')).map(Line::Old);
            old.chain(new.into_iter().flat_map(|text| text.split('\n')).map(Line::New)).collect()
        }
    };
    write!(out, "<pre>")?;
    for line in lines {
        match line {
            Line::Same(text) => writeln!(out, "  {}", Safe(text))?,
            Line::Old(text) => writeln!(out, "<del>- {}</del>", Safe(text))?,
            Line::New(text) => writeln!(out, "<ins>+ {}</ins>", Safe(text))?,
            Line::Left(1) => writeln!(out, "<i>  1 line more</i>")?,
            Line::Left(count) => writeln!(out, "<i>  {count} lines more</i>")?,
        }
    }
    writeln!(out, "</pre></div>")
}
