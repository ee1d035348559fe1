//! The schema, `meta` and `kinds`: what is read before a document's row is believed.

use super::super::build::{Cell, Tables, blob, int, word};
use super::super::case::{Case, Stage::Open, refused};

fn schema(change: impl Fn(&mut Vec<String>) + 'static) -> impl Fn(&mut Tables) {
    move |tables| change(&mut tables.schema)
}

pub fn cases() -> Vec<Case> {
    [schemas(), metas(), kinds()].into_iter().flatten().collect()
}

fn schemas() -> Vec<Case> {
    let rule = "bundle-v1.md, Schema";
    let damaged = |name, what| refused(Open, "damaged", name, rule, what);
    vec![
        damaged("schema-trigger", "A trigger: it would run where rows are written.")
            .more("CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END"),
        damaged("schema-view", "A view more.").more("CREATE VIEW v AS SELECT 1"),
        damaged("schema-table", "A table more.").more("CREATE TABLE t(x)"),
        damaged("schema-index", "An index.").more("CREATE INDEX i ON documents(name)"),
        damaged("schema-virtual-table", "A virtual table: its module would run.").more(
            "PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema VALUES('table','v','v',0,'CREATE VIRTUAL TABLE v USING csv(x)');
             PRAGMA writable_schema = OFF;",
        ),
        damaged("schema-statistics", "`ANALYZE` has left its table.").more("ANALYZE"),
        damaged("schema-blank", "A blank more in a statement.")
            .tables(schema(|s| s[6] = s[6].replace("hash BLOB", "hash  BLOB"))),
        damaged("schema-letter-case", "A statement in lower case.")
            .tables(schema(|s| s[4] = s[4].replace("TEXT", "text"))),
        damaged("schema-not-strict", "A table that is not strict.")
            .tables(schema(|s| s[5] = s[5].replace(" STRICT", ""))),
        damaged("schema-default", "A column with a default.")
            .tables(schema(|s| s[9] = s[9].replace("place TEXT", "place TEXT DEFAULT (random())"))),
        damaged("schema-other-view", "A documented view that says something else.")
            .tables(schema(|s| s[12] = s[12].replace("SELECT name AS kind", "SELECT 'x' AS kind"))),
        damaged("schema-missing-view", "A documented view is missing.").tables(schema(|s| {
            s.remove(13);
        })),
        damaged("schema-missing-table", "The table `notices` is missing.").tables(schema(|s| {
            s.remove(9);
        })),
        damaged("schema-order", "`documents` was created before `scopes`.").tables(schema(|s| s.swap(4, 5))),
        damaged("schema-seal-elsewhere", "`meta` was created first: the root of `seal` is page 3.")
            .tables(schema(|s| s.swap(0, 1))),
        damaged("schema-table-name", "An entry's `tbl_name` is that of another table.").more(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET tbl_name = 'packs' WHERE name = 'kind_counts';
             PRAGMA writable_schema = OFF;",
        ),
        damaged("schema-shared-root", "Two tables have one root page.").more(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'chunks')
             WHERE name = 'notices'; PRAGMA writable_schema = OFF;",
        ),
    ]
}

fn metas() -> Vec<Case> {
    let rule = "bundle-v1.md, meta";
    let damaged = |name, what| refused(Open, "damaged", name, rule, what);
    let feature = |name, what| refused(Open, "unknown-feature", name, rule, what);
    vec![
        feature("meta-feature", "A feature that the reader does not know.")
            .tables(|t| t.meta("requires", word("signed"))),
        feature("meta-feature-second", "Two features, the second after two blanks.")
            .tables(|t| t.meta("requires", word("  signed  split"))),
        damaged("meta-no-requires", "`requires` is missing: it may not be left out.")
            .tables(|t| t.drop_meta("requires")),
        damaged("meta-no-writer", "`writer` is missing.").tables(|t| t.drop_meta("writer")),
        damaged("meta-no-content-root", "`content_root` is missing.").tables(|t| t.drop_meta("content_root")),
        damaged("meta-short-content-root", "`content_root` has 31 bytes.")
            .tables(|t| t.meta("content_root", blob(&[7; 31]))),
        damaged("meta-text-root", "`content_root` is text.")
            .tables(|t| t.meta("content_root", word("01234567890123456789012345678901"))),
        damaged("meta-negative", "A count is negative.").tables(|t| t.meta("documents", Cell::Integer(-5))),
        damaged("meta-count-as-text", "A count is text.").tables(|t| t.meta("documents", word("5"))),
        damaged("meta-real", "A value is a floating-point number, under a name nobody knows.")
            .tables(|t| t.meta("colour", Cell::Real(1.5))),
        damaged("meta-unknown-negative", "A value is negative, under a name nobody knows.")
            .tables(|t| t.meta("colour", Cell::Integer(-1))),
        damaged("meta-not-utf-8", "A text is not UTF-8.")
            .more("UPDATE meta SET value = CAST(x'636fff' AS TEXT) WHERE name = 'model'"),
        damaged("meta-too-many-rows", "65 rows; 64 are the most.").tables(|t| {
            let rows = t.table("meta").len();
            (rows..65).for_each(|n| t.meta(&format!("x{n}"), int(n)));
        }),
        damaged("meta-documents-over-the-limit", "More documents than a bundle can have.")
            .tables(|t| t.meta("documents", int(100_000_001))),
        damaged("meta-chunks", "Two chunks for five documents.").tables(|t| t.meta("chunks", int(2))),
        damaged("meta-sealed-over-secrets", "More sealed values than secret places.")
            .tables(|t| t.meta("sealed", int(7))),
        damaged("meta-scopes-over-documents", "More scopes than documents.")
            .tables(|t| t.meta("scopes", int(6))),
        damaged("meta-packs-over-documents", "More packs than documents.")
            .tables(|t| t.meta("packs", int(6))),
    ]
}

fn kinds() -> Vec<Case> {
    let rule = "bundle-v1.md, kinds";
    let damaged = |name, what| refused(Open, "damaged", name, rule, what);
    let rename = |name: &'static str| move |t: &mut Tables| t.set("kinds", 2, 1, word(name));
    vec![
        damaged("kinds-order", "The names of the kinds are not in order.").tables(rename("Alpha")),
        damaged("kinds-twice", "Two kinds have one name.").tables(rename("Project")),
        damaged("kinds-numbered-from-2", "The kinds are numbered from 2.").tables(|t| {
            (0..3).for_each(|row| t.set("kinds", row, 0, int(row + 2)));
        }),
        damaged("kinds-gap", "The kinds are numbered 1, 2, 4.").tables(|t| t.set("kinds", 2, 0, int(4))),
        damaged("kinds-no-name", "A kind has an empty name.").tables(|t| t.set("kinds", 0, 1, word(""))),
        damaged("kinds-control", "A kind has a line end in its name.").tables(rename("Variable\nSet")),
        damaged("kinds-delete", "A kind has U+007F in its name.").tables(rename("Variable\u{7f}")),
        damaged("kinds-c1-control", "A kind has U+0085 in its name.").tables(rename("Variable\u{85}")),
        damaged("kinds-long-name", "A kind's name has 257 bytes.")
            .tables(|t| t.set("kinds", 2, 1, word(&"V".repeat(257)))),
        damaged("kinds-first-document", "The documents of a kind do not follow those before.")
            .tables(|t| t.set("kinds", 1, 3, int(4))),
        damaged("kinds-first-pack", "The packs of a kind do not follow those before.")
            .tables(|t| t.set("kinds", 1, 5, int(3))),
        damaged("kinds-empty", "A fourth kind, without documents and packs.").tables(|t| {
            t.table("kinds").push(vec![int(4), word("Z"), int(0), int(6), int(0), int(4), int(0), int(0)]);
        }),
        damaged("kinds-sum", "The kinds have more documents than `meta` says.")
            .tables(|t| t.set("kinds", 2, 2, int(3))),
        damaged("kinds-sealed-over-secrets", "A kind has more sealed values than secret places.")
            .tables(|t| t.set("kinds", 0, 7, int(1))),
        damaged("kinds-negative", "A kind has a negative count.")
            .tables(|t| t.set("kinds", 0, 6, Cell::Integer(-1))),
        damaged("kinds-overflow", "Counts whose sum does not fit 64 bits.")
            .tables(|t| t.set("kinds", 2, 2, Cell::Integer(i64::MAX))),
    ]
}
