//! `model show` for people: what [`model_view`](super::model_view) says, as tables.

use crate::exit::Failure;
use crate::ui::{say, shown};

use super::model_view::{IdView, KindLine, KindView, LinkView};

/// Cells of a table; the last column is as wide as it likes.
type Row = Vec<String>;

/// A fact, or a list of facts of one sort.
struct Section {
    title: &'static str,
    /// The names of the columns; a section without them stands on one line with its title.
    head: &'static [&'static str],
    rows: Vec<Row>,
}

/// Prints a line for each kind.
pub fn print_overview(lines: &[KindLine]) -> Result<(), Failure> {
    const HEAD: &[&str] = &["kind", "table", "references", "secrets", "merges", "group", "new ids", "key"];
    let count = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
    let rows = lines.iter().map(|line| {
        vec![
            line.kind.clone(),
            line.table.clone(),
            count(line.references),
            count(line.secrets),
            count(line.merges),
            match (line.ask, line.groups.first()) {
                (true, _) => "if asked for".to_owned(),
                (false, Some(group)) => group.clone(),
                (false, None) => "-".to_owned(),
            },
            line.id.as_ref().map_or_else(|| "-".to_owned(), short_id),
            line.path.clone(),
        ]
    });
    print_table(HEAD, &rows.collect::<Vec<_>>(), 2)
}

/// Prints everything about a kind.
pub fn print_kind(view: &KindView) -> Result<(), Failure> {
    say!("{}", view.kind);
    for Section { title, head, rows } in sections(view) {
        match (rows.as_slice(), head) {
            ([], _) => {}
            ([row], []) => say!("  {title:14} {}", shown(&row.join(" "))),
            (rows, head) => {
                say!("  {title} ({})", rows.len());
                print_table(head, rows, 4)?;
            }
        }
    }
    Ok(())
}

/// Prints the tables that stay behind, with the reasons.
pub fn print_left(left: &[(&str, &str)]) -> Result<(), Failure> {
    let rows: Vec<Row> =
        left.iter().map(|(table, why)| vec![(*table).to_owned(), (*why).to_owned()]).collect();
    print_table(&[], &rows, 2)
}

fn print_table(head: &[&str], rows: &[Row], indent: usize) -> Result<(), Failure> {
    let head: Option<Row> = (!head.is_empty()).then(|| head.iter().map(|name| (*name).to_owned()).collect());
    let all: Vec<Row> =
        head.iter().chain(rows).map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    for row in &all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        say!("{:indent$}{}", "", line.trim_end());
    }
    Ok(())
}

fn line(title: &'static str, text: impl Into<String>) -> Section {
    Section { title, head: &[], rows: vec![vec![text.into()]] }
}

fn list(title: &'static str, head: &'static [&'static str], rows: impl Iterator<Item = Row>) -> Section {
    Section { title, head, rows: rows.collect() }
}

/// What is told of a kind, in this order. Empty lists are left out.
fn sections(view: &KindView) -> Vec<Section> {
    let mut all = vec![
        line("table", &view.table),
        line("id", view.id.as_ref().map_or_else(|| "none: the key is the identity".to_owned(), long_id)),
    ];
    let fixed = view.id.iter().flat_map(|id| &id.fixed).cloned().collect::<Vec<_>>();
    if !fixed.is_empty() {
        all.push(line("fixed ids", fixed.join(", ")));
    }
    all.push(line("key", key(view)));
    all.push(line(
        "namesakes",
        match view.duplicates {
            "number" if view.number_by.is_empty() => "are numbered in the order of their ids".to_owned(),
            "number" => format!("are numbered by {}, then by their ids", view.number_by.join(", ")),
            _ => "are refused".to_owned(),
        },
    ));
    if !view.apart.is_empty() {
        all.push(line("told apart", format!("by what stands at {}", view.apart.join(" or at "))));
    }
    if view.inferred {
        all.push(line("inferred", "a table without the columns named here is passed over"));
    }
    for rows in &view.rows {
        let values: Vec<String> = rows.equals.iter().map(ToString::to_string).collect();
        all.push(line("only rows", format!("where {} is {}", rows.column, values.join(" or "))));
    }
    for alias in &view.aliases {
        let text = format!("where {} is {}: named {} everywhere", alias.column, alias.equals, alias.name);
        all.push(line("one only", text));
        if !alias.ids.is_empty() {
            all.push(line("", format!("whatever its id, meant by {}", alias.ids.join(", "))));
        }
    }
    if !view.groups.is_empty() {
        let options: Vec<String> = view.groups.iter().map(|group| format!("--ignore-{group}")).collect();
        all.push(line("left out by", options.join(", ")));
    }
    if !view.vendor_types.is_empty() {
        all.push(line("classes", view.vendor_types.join(", ")));
    }
    if view.ask {
        all.push(line("carried", format!("only with --also {}", view.kind)));
    }
    if let Some(column) = &view.version {
        all.push(line("version", format!("{column}, for --release-version")));
    }
    all.push(line("JSON", view.body.as_deref().map_or("none", |column| column)));
    all.push(list("comes along with", &["kind", "by"], view.comes_with.iter().map(link)));
    all.push(list("brings along", &["kind", "by its"], view.brings.iter().map(link)));
    all.push(list(
        "refers to",
        &["kind", "spelled", "if missing", "partial export", "place"],
        view.references.iter().map(|r| {
            let mut notes = Vec::new();
            notes.extend(r.required.then_some("required"));
            notes.extend(r.maybe.then_some("only where it is such an id"));
            notes.extend(r.limits.then_some("skipped where it would lose all"));
            notes.extend(r.typed.as_ref().map(|_| "as its declaration says"));
            let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
            let follow = if r.follow { "takes it along" } else { "leaves it" };
            vec![
                r.to.join(" or "),
                r.form.to_owned(),
                r.missing.to_owned(),
                follow.to_owned(),
                format!("{}{notes}", r.at),
            ]
        }),
    ));
    all.push(list("referred to by", &["kind", "at"], view.referred_to_by.iter().map(link)));
    all.push(list(
        "secrets",
        &["at rest", "place"],
        view.secrets.iter().map(|s| vec![s.form.to_owned(), s.at.clone()]),
    ));
    let in_json = view.references.iter().map(|r| &r.at).filter(|at| at.starts_with('$'));
    let in_json: Vec<&String> = in_json.collect();
    let sources = |from: &[String]| match from.iter().collect::<Vec<_>>() == in_json {
        true => "every reference in the JSON".to_owned(),
        false => from.join(", "),
    };
    all.push(list(
        "rebuilt",
        &["place", "spelled", "from"],
        view.derived.iter().map(|d| vec![d.at.clone(), d.form.to_owned(), sources(&d.from)]),
    ));
    all.push(list(
        "rebuilt in other tables",
        &["table", "columns", "from"],
        view.derived_rows.iter().map(|rows| {
            let columns =
                [Some(&rows.owner), rows.owner_table.as_ref(), Some(&rows.value), rows.value_table.as_ref()];
            let columns: Vec<&str> = columns.into_iter().flatten().map(String::as_str).collect();
            vec![rows.table.clone(), columns.join(", "), sources(&rows.from)]
        }),
    ));
    all.push(list(
        "stays on its server",
        &["place", "new documents", "updates"],
        view.local.iter().map(|l| {
            let initial = match (&l.initial, l.new) {
                (Some(value), _) => format!("get {value}"),
                (None, Some(_)) => "get the next number".to_owned(),
                (None, None) => "without it".to_owned(),
            };
            let update = if l.update == "increment" { "count it up" } else { "leave it" };
            vec![l.at.clone(), initial, update.to_owned()]
        }),
    ));
    all.push(list(
        "parts",
        &["name", "id", "new ids", "key", "place"],
        view.parts.iter().map(|p| {
            let drop = match p.drop_when_emptied.as_slice() {
                [_, ..] => format!("  (goes when {} loses all it held)", p.drop_when_emptied.join(" or ")),
                [] if p.add_missing => "  (added to a document that is not overwritten)".to_owned(),
                [] => String::new(),
            };
            let (name, key) = (p.name.clone(), p.key.join(" + "));
            vec![name, p.id.clone(), p.new.clone(), key, format!("{}{drop}", p.at)]
        }),
    ));
    all.push(list(
        "sets",
        &["place"],
        view.sets.iter().map(|s| {
            let empty = if s.omit_empty { "  (an empty one means the same as none)" } else { "" };
            vec![format!("{}{empty}", s.at)]
        }),
    ));
    all.push(list(
        "merged",
        &["place", "how"],
        view.merges.iter().map(|m| {
            let how = match m.rule {
                "match" => {
                    let prefer = if m.prefer.is_empty() {
                        String::new()
                    } else {
                        format!(", of several the one with the same {}", m.prefer.join(" and "))
                    };
                    format!("elements of the same {} are one{prefer}", m.by.join(" and "))
                }
                _ => "the elements of both".to_owned(),
            };
            vec![m.at.clone(), how]
        }),
    ));
    all.push(list(
        "noted",
        &["place", "values", "text"],
        view.notes.iter().map(|n| {
            let values: Vec<String> = n.equals.iter().map(ToString::to_string).collect();
            vec![n.at.join(" or "), values.join(" or "), n.text.clone()]
        }),
    ));
    all
}

fn link(link: &LinkView) -> Row {
    vec![link.kind.clone(), link.at.clone()]
}

fn key(view: &KindView) -> String {
    let columns: Vec<String> = (view.key.columns.iter())
        .map(|c| format!("{}{}", c.column, if c.optional { " where there is one" } else { "" }))
        .collect();
    format!("{}  (columns {})", view.key.path, columns.join(", "))
}

/// How a new id is made, in few words.
fn short_id(id: &IdView) -> String {
    match (id.new, &id.prefix, &id.pattern) {
        ("allocate", Some(prefix), _) => format!("{prefix}<n>"),
        ("compose", _, Some(pattern)) => pattern.clone(),
        ("next", ..) => "largest + 1".to_owned(),
        ("keep", ..) => "as at the source".to_owned(),
        (word, ..) => word.to_owned(),
    }
}

/// How a new id is made.
fn long_id(id: &IdView) -> String {
    let new = match (id.new, &id.prefix, &id.collection, &id.pattern) {
        ("allocate", Some(prefix), Some(collection), _) => {
            format!("{prefix}<n>, numbers of {collection} from the server's allocation table")
        }
        ("compose", _, _, Some(pattern)) => format!("composed as {pattern}"),
        ("next", ..) => "the largest plus one".to_owned(),
        ("guid", ..) => "random GUIDs".to_owned(),
        ("keep", ..) => "the same as at the source".to_owned(),
        (word, ..) => word.to_owned(),
    };
    format!("{}; new ones: {new}", id.column)
}
