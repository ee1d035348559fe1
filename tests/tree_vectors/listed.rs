//! What `sealift.json` lists: notices, coverage and documents.

use crate::about::{bad, good};
use crate::case::{Case, WEB, about};

pub fn cases() -> Vec<Case> {
    [notices(), coverage(), documents()].into_iter().flatten().collect()
}

fn notices() -> Vec<Case> {
    let texts = "`code` and `text` are text; `kind`, `key`, `place`, `value`, `names_kind`, `names_key` text, null or absent";
    let count = "`count` a JSON integer of 0 or more, absent for 0";
    let notice = |name: &str, what, place, notices: &str| {
        bad(&format!("notice-{name}"), what, texts, place, about(&format!("\"notices\": {notices}")))
    };
    vec![
        notice("object", "Notices that are an object.", "notices", "{}"),
        notice("null", "Notices that are null.", "notices", "null"),
        notice("text", "A notice that is a text.", "notices", "[\"x\"]"),
        notice("no-code", "A notice without a code.", "code", r#"[{ "text": "x" }]"#),
        notice("no-text", "A notice without a text.", "text", r#"[{ "code": "x" }]"#),
        notice(
            "kind",
            "A notice whose kind is a number.",
            "kind",
            r#"[{ "code": "x", "text": "y", "kind": 1 }]"#,
        ),
        notice(
            "key",
            "A notice whose key is no text.",
            "key",
            r#"[{ "code": "x", "text": "y", "key": ["Web"] }]"#,
        ),
        notice(
            "place",
            "A notice whose place is a truth value.",
            "place",
            r#"[{ "code": "x", "text": "y", "place": true }]"#,
        ),
        notice(
            "value",
            "A notice whose value is a list.",
            "value",
            r#"[{ "code": "x", "text": "y", "value": [] }]"#,
        ),
        notice(
            "names-key",
            "A notice about a key that is no text.",
            "names_key",
            r#"[{ "code": "x", "text": "y", "names_key": ["Web"] }]"#,
        ),
        bad(
            "notice-count",
            "A notice that counts less than nothing.",
            count,
            "count",
            about(r#""notices": [{ "code": "x", "text": "y", "count": -1 }]"#),
        ),
        bad(
            "notice-count-text",
            "A notice whose count is text.",
            count,
            "count",
            about(r#""notices": [{ "code": "x", "text": "y", "count": "1" }]"#),
        ),
        good(
            "notice-nulls",
            "A notice about nothing.",
            texts,
            about(r#""notices": [{ "code": "x", "text": "", "kind": null, "key": null, "place": null }]"#),
        ),
    ]
}

fn coverage() -> Vec<Case> {
    let rule = "each of `kind`, which is text, and of one of `whole` and `part`";
    let case = |name: &str, what, place, coverage: &str| {
        bad(&format!("coverage-{name}"), what, rule, place, about(&format!("\"coverage\": {coverage}")))
    };
    vec![
        case("object", "Coverage that is an object.", "coverage", "{}"),
        case("text", "Coverage that is a text.", "coverage", "[\"x\"]"),
        case("no-kind", "Coverage of no kind.", "kind", r#"[{ "whole": 1 }]"#),
        case("nothing", "Coverage without an extent.", "coverage", r#"[{ "kind": "Feed" }]"#),
        case(
            "both",
            "Coverage of two extents.",
            "coverage",
            r#"[{ "kind": "Feed", "whole": 1, "part": 1 }]"#,
        ),
        case("negative", "Coverage of less than no rows.", "whole", r#"[{ "kind": "Feed", "whole": -1 }]"#),
        case("true", "Coverage that is said to be true.", "whole", r#"[{ "kind": "Feed", "whole": true }]"#),
        case(
            "twice",
            "A kind that is whole and in part.",
            "coverage",
            r#"[{ "kind": "Feed", "whole": 1 }, { "kind": "Feed", "part": 1 }]"#,
        ),
        case(
            "owner",
            "An owner that is text.",
            "belonging_to",
            r#"[{ "kind": "Feed", "belonging_to": "Space" }]"#,
        ),
        case(
            "owners",
            "Two owners at once.",
            "belonging_to",
            r#"[{ "kind": "Feed", "belonging_to": { "Space": ["A"], "Team": ["B"] } }]"#,
        ),
        case(
            "owner-key",
            "An owner whose key is no list.",
            "belonging_to",
            r#"[{ "kind": "Feed", "belonging_to": { "Space": "A" } }]"#,
        ),
    ]
}

fn documents() -> Vec<Case> {
    let id = "Of each `id` is null, a number, text or `{ \"$hex\": \"…\" }`, or absent";
    let why =
        "`why` is `\"named\"`, or an object of `at`, which is text, and one of `needed_by` and `belongs_to`";
    let line = |name: &str, what, why, line: &str| {
        bad(
            &format!("list-{name}"),
            what,
            why,
            WEB,
            about(&format!("\"documents\": {{ \"{WEB}\": {line} }}")),
        )
    };
    let list = "an object of objects, by path";
    vec![
        bad("list-list", "A list of paths.", list, "documents", about("\"documents\": [\"Feed/Web.json\"]")),
        bad("list-null", "A list that is null.", list, "documents", about("\"documents\": null")),
        line("line-null", "A line that is null.", list, "null"),
        line("line-text", "A line that is a text.", list, "\"Feeds-1\""),
        line("id-list", "An id that is a list.", id, r#"{ "id": ["a"] }"#),
        line("id-object", "An id that is an object.", id, r#"{ "id": { "a": 1 } }"#),
        line("id-hex", "An id that is half a byte.", id, r#"{ "id": { "$hex": "0" } }"#),
        line("id-true", "An id that is a truth value.", id, r#"{ "id": true }"#),
        line("why-word", "A word that is no reason.", why, r#"{ "why": "because" }"#),
        line("why-null", "A reason that is null.", why, r#"{ "why": null }"#),
        line(
            "why-no-place",
            "A reason without a place.",
            why,
            r#"{ "why": { "needed_by": { "Space": ["A"] } } }"#,
        ),
        line(
            "why-place-number",
            "A reason whose place is a number.",
            why,
            r#"{ "why": { "needed_by": { "Space": ["A"] }, "at": 1 } }"#,
        ),
        line(
            "why-two",
            "Two reasons.",
            why,
            r#"{ "why": { "needed_by": { "Space": ["A"] }, "belongs_to": { "Space": ["A"] }, "at": "" } }"#,
        ),
        line(
            "why-more",
            "A reason with a member more.",
            "Members that a reader does not know are passed over, in all of these objects but `why`",
            r#"{ "why": { "needed_by": { "Space": ["A"] }, "at": "", "more": 1 } }"#,
        ),
        line(
            "why-other",
            "A reason of another name.",
            why,
            r#"{ "why": { "wanted_by": { "Space": ["A"] }, "at": "" } }"#,
        ),
        line(
            "why-text",
            "A reason that is a document's name.",
            why,
            r#"{ "why": { "needed_by": "Web", "at": "" } }"#,
        ),
        line(
            "why-key",
            "A reason whose key is a text.",
            "which is as in `$ref`",
            r#"{ "why": { "needed_by": { "Space": "A" }, "at": "" } }"#,
        ),
        line(
            "why-two-documents",
            "A reason of two documents.",
            "which is as in `$ref`",
            r#"{ "why": { "needed_by": { "Space": ["A"], "Team": ["B"] }, "at": "" } }"#,
        ),
        line(
            "scripts-text",
            "Scripts that are a text.",
            "`scripts` is a list of texts, or absent",
            r#"{ "scripts": "Web~a.ps1" }"#,
        ),
        line(
            "scripts-number",
            "A script that is a number.",
            "`scripts` is a list of texts, or absent",
            r#"{ "scripts": [1] }"#,
        ),
    ]
}
