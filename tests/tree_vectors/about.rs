//! `sealift.json`: every member wrong, newer formats, and what is passed over.

use crate::case::{ABOUT, Case, WEB, about, envelope, web};
use crate::sealing::Envelope;

pub fn cases() -> Vec<Case> {
    [taken(), whole(), members(), protection()].into_iter().flatten().collect()
}

const FILE: &str = "sealift.json";

pub fn bad(name: &str, what: &str, why: &'static str, place: &str, text: impl Into<Vec<u8>>) -> Case {
    Case::finding(&format!("about-{name}"), what, why, FILE, place).file(WEB, web("null")).file(FILE, text)
}

pub fn good(name: &str, what: &str, why: &'static str, text: String) -> Case {
    Case::ok(&format!("about-{name}"), what, why).file(WEB, web("null")).file(FILE, text)
}

fn taken() -> Vec<Case> {
    let everything = format!(
        r#""product_version": "2024.1.1",
  "server": "the old one",
  "options": "--all",
  "created": "2026-11-23T00:00:00Z",
  "scripts": "copy",
  {},
  "notices": [
    {{ "code": "dangling-reference", "kind": "Feed", "key": "[\"Web\"]", "place": "$.a", "value": "Feeds-7", "names_kind": "Feed", "names_key": "[\"Old\"]", "text": "x", "count": 3 }},
    {{ "code": "unknown-table", "text": "y" }}
  ],
  "coverage": [
    {{ "kind": "Feed", "whole": 3 }},
    {{ "kind": "Channel", "belonging_to": {{ "Project": [{{ "Space": ["A"] }}, "Web"] }} }},
    {{ "kind": "Channel", "part": 0 }}
  ],
  "documents": {{
    "Feed/Web.json": {{ "id": "Feeds-1", "why": {{ "needed_by": {{ "Environment": [{{ "Space": ["A"] }}, "Prod"] }}, "at": "$.a" }}, "scripts": ["Web~a.ps1"] }},
    "Feed/Wob.json": {{ "id": 17, "why": "named" }},
    "Feed/Wub.json": {{ "id": {{ "$hex": "00ff" }}, "why": {{ "belongs_to": {{ "Space": ["A"] }}, "at": "" }} }},
    "Feed/Wxb.json": {{ "id": 1.50 }},
    "Feed/Wyb.json": {{}}
  }}"#,
        envelope(&Envelope::usual())
    );
    let unknown = "Members that a reader does not know are passed over, in all of these objects but `why`";
    vec![
        good("least", "Nothing that may be absent.", "must be there", ABOUT.to_owned()),
        good("everything", "All that there may be.", "as the bundle has them", about(&everything)),
        good(
            "nulls",
            "Texts that are null.",
            "text; may be null or absent",
            about(
                "\"product_version\": null, \"server\": null, \"options\": null, \"created\": null, \"scripts\": null",
            ),
        ),
        good(
            "unknown",
            "Members that a reader does not know.",
            unknown,
            about(&everything)
                .replace("\"server\"", "\"colour\": [\"green\"], \"server\"")
                .replace("\"commitment\"", "\"colour\": 1, \"commitment\"")
                .replace("\"passes\"", "\"colour\": {}, \"passes\"")
                .replace("\"code\"", "\"colour\": null, \"code\"")
                .replace("\"id\": 17", "\"id\": 17, \"colour\": \"x\""),
        ),
        good(
            "not-there",
            "A list of files that are not there, and none of those that are.",
            "Neither is an error.",
            about(
                "\"documents\": { \"Feed/Gone.json\": {}, \"../above.json\": {}, \"x\": { \"scripts\": [\"../y\"] } }",
            ),
        ),
        good(
            "byte-order-mark",
            "A byte order mark.",
            "one byte order mark at the beginning is passed over",
            format!("\u{feff}{ABOUT}"),
        ),
        Case::ok("about-no-documents", "A tree without documents.", "what there is beside documents"),
    ]
}

fn whole() -> Vec<Case> {
    let newer = "A greater whole number, without leading zeros, is refused by name, before anything else is looked at";
    let format = |name: &str, what, format: &str| {
        bad(name, what, "| `format` | must be there |", "format", ABOUT.replace("\"sealift tree 1\"", format))
    };
    let new = |name: &str, what: &str, text: String| {
        Case::refused(&format!("about-{name}"), what, newer, "too-new").file(WEB, "{").file(FILE, text)
    };
    vec![
        Case::refused(
            "about-missing",
            "No `sealift.json`.",
            "Without a `sealift.json` a folder is *not-a-tree*",
            "not-a-tree",
        )
        .without_about()
        .file(WEB, web("null")),
        Case::refused(
            "about-below",
            "A `sealift.json` in a folder below.",
            "Without a `sealift.json` a folder is *not-a-tree*",
            "not-a-tree",
        )
        .without_about()
        .file("Feed/sealift.json", ABOUT),
        Case::refused(
            "incomplete",
            "A writer did not end.",
            "One with a `sealift-incomplete.json` at its root is *incomplete*",
            "incomplete",
        )
        .file(WEB, web("null"))
        .file("sealift-incomplete.json", "{\n  \"files\": []\n}\n"),
        Case::refused(
            "incomplete-without-about",
            "A writer did not end, and had not come to `sealift.json`; what it left says nothing.",
            "One with a `sealift-incomplete.json` at its root is *incomplete*, whatever else is there",
            "incomplete",
        )
        .without_about()
        .file("sealift-incomplete.json", "\n"),
        new("newer", "Format 2.", ABOUT.replace("tree 1", "tree 2")),
        new(
            "newer-huge",
            "A format whose number is beyond 64 bits.",
            ABOUT.replace("tree 1", "tree 100000000000000000000"),
        ),
        new(
            "newer-before-the-rest",
            "Format 2, where nothing else is as in format 1.",
            "{ \"format\": \"sealift tree 2\", \"model\": [], \"envelope\": 7 }\n".to_owned(),
        ),
        format("format-0", "Format 0.", "\"sealift tree 0\""),
        format("format-leading-zero", "A leading zero.", "\"sealift tree 02\""),
        format("format-plus", "A plus sign.", "\"sealift tree +2\""),
        format("format-fraction", "Format 1.1.", "\"sealift tree 1.1\""),
        format("format-no-number", "No number.", "\"sealift tree \""),
        format("format-letter-case", "Another case.", "\"Sealift Tree 1\""),
        format("format-other", "Another format.", "\"sealift bundle 1\""),
        format("format-number", "A number.", "1"),
        bad(
            "format-missing",
            "No format.",
            "| `format` | must be there |",
            "format",
            ABOUT.replace("\"format\"", "\"was\""),
        ),
        bad("list", "A list.", "no object", "", "[]"),
        bad("not-json", "JSON with a comma too many.", "JSON that does not parse", "", about("\"a\": 1,")),
        bad("member-twice", "Two models.", "two members of one name", "", about("\"model\": \"octopus\"")),
        Case::refused(
            "about-other-model",
            "A model that the reader does not have.",
            "A reader that has another MUST refuse the tree (*other-model*)",
            "other-model",
        )
        .file(FILE, ABOUT.replace("octopus", "squid"))
        .file("Arm/x.json", "{ \"kind\": \"Arm\", \"key\": [\"x\"], \"columns\": {} }\n"),
    ]
}

fn members() -> Vec<Case> {
    let digest = "| `model_digest` | must be there | 64 lower-case hexadecimal digits |";
    let zeros = "0".repeat(64);
    let mut cases = vec![
        bad(
            "no-model",
            "No model.",
            "| `model` | must be there |",
            "model",
            ABOUT.replace("\"model\"", "\"was\""),
        ),
        bad(
            "model-null",
            "A model that is null.",
            "| `model` | must be there |",
            "model",
            ABOUT.replace("\"octopus\"", "null"),
        ),
        bad(
            "model-list",
            "A model that is a list.",
            "| `model` | must be there |",
            "model",
            ABOUT.replace("\"octopus\"", "[\"octopus\"]"),
        ),
        bad(
            "no-model-digest",
            "No digest of the model.",
            digest,
            "model_digest",
            ABOUT.replace("\"model_digest\"", "\"was\""),
        ),
        bad(
            "model-digest-short",
            "A digest of 31 bytes.",
            digest,
            "model_digest",
            ABOUT.replace(&zeros, &"0".repeat(62)),
        ),
        bad(
            "model-digest-long",
            "A digest of 33 bytes.",
            digest,
            "model_digest",
            ABOUT.replace(&zeros, &"0".repeat(66)),
        ),
        bad(
            "model-digest-odd",
            "A digest of 63 digits.",
            digest,
            "model_digest",
            ABOUT.replace(&zeros, &"0".repeat(63)),
        ),
        bad(
            "model-digest-upper-case",
            "A digest in upper case.",
            digest,
            "model_digest",
            ABOUT.replace(&zeros, &"A".repeat(64)),
        ),
        bad(
            "model-digest-number",
            "A digest that is a number.",
            digest,
            "model_digest",
            ABOUT.replace(&format!("\"{zeros}\""), "0"),
        ),
        bad(
            "scripts-word",
            "A word that says nothing of scripts.",
            "`extract` (as if absent), `copy` or `inline`",
            "scripts",
            about("\"scripts\": \"burn\""),
        ),
        bad(
            "scripts-true",
            "Scripts that are a truth value.",
            "`extract` (as if absent), `copy` or `inline`",
            "scripts",
            about("\"scripts\": true"),
        ),
    ];
    for (name, value) in
        [("product_version", "2024"), ("server", "[]"), ("options", "{}"), ("created", "false")]
    {
        let what = format!("`{name}` is no text.");
        cases.push(bad(
            &name.replace('_', "-"),
            &what,
            "text; may be null or absent",
            name,
            about(&format!("\"{name}\": {value}")),
        ));
    }
    cases
}

fn protection() -> Vec<Case> {
    let hold = "the rules of `envelope-v1.md` hold";
    let shape = "an object of `scope`, `commitment` and `slots`";
    let spelled = "Bytes are lower-case hexadecimal, numbers JSON integers";
    let text = || about(&envelope(&Envelope::usual()));
    let member = |name: &str| {
        let text = text();
        let (_, rest) = text.split_once(&format!("\"{name}\": \"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let wrong = |name: &str, what, why, place, from: &str, to: &str| {
        assert!(text().contains(from), "{from}");
        bad(&format!("envelope-{name}"), what, why, place, text().replacen(from, to, 1))
    };
    let cost = |name: &str, what, why, place, from: &str, to: &str| wrong(name, what, why, place, from, to);
    let short = |name: &'static str| {
        let value = member(name);
        wrong(
            &format!("{name}-short"),
            &*Box::leak(format!("`{name}` is a byte short.").into_boxed_str()),
            hold,
            name,
            &value,
            &value[2..],
        )
    };
    let absent = |name: &'static str| {
        wrong(
            &format!("no-{}", name.replace('_', "-")),
            &*Box::leak(format!("No `{name}`.").into_boxed_str()),
            shape,
            name,
            &format!("\"{name}\""),
            "\"was\"",
        )
    };
    let sixteen = |slots: usize| {
        let mut envelope_ = Envelope::new("usual", crate::sealing::SCOPE);
        (0..slots).for_each(|_| envelope_.push_unopenable(8192, 1, 1));
        about(&envelope(&envelope_))
    };
    let mut cases = vec![
        bad("envelope-list", "An envelope that is a list.", shape, "envelope", about("\"envelope\": []")),
        bad("envelope-null", "An envelope that is null.", shape, "envelope", about("\"envelope\": null")),
        bad(
            "envelope-slots-object",
            "Slots that are an object.",
            shape,
            "slots",
            text().replace("\"slots\": [", "\"slots\": {}, \"was\": ["),
        ),
        bad(
            "envelope-slot-text",
            "A slot that is a text.",
            shape,
            "slots",
            text().replace("\"slots\": [", "\"slots\": [\"x\", "),
        ),
        bad(
            "envelope-no-slot",
            "An envelope without a slot.",
            hold,
            "envelope",
            text().replace("\"slots\": [", "\"slots\": [], \"was\": ["),
        ),
        bad("envelope-17-slots", "Seventeen slots; sixteen are the most.", hold, "envelope", sixteen(17)),
        good("envelope-16-slots", "Sixteen slots.", hold, sixteen(16)),
        cost(
            "memory-negative",
            "Negative memory.",
            spelled,
            "memory_kib",
            "\"memory_kib\": ",
            "\"memory_kib\": -",
        ),
        cost(
            "memory-text",
            "Memory that is a text.",
            spelled,
            "memory_kib",
            "\"memory_kib\": 8192",
            "\"memory_kib\": \"8192\"",
        ),
        cost(
            "memory-fraction",
            "Memory with a fraction.",
            spelled,
            "memory_kib",
            "\"memory_kib\": 8192",
            "\"memory_kib\": 8192.0",
        ),
        cost(
            "memory-over-32-bits",
            "2^32 KiB.",
            hold,
            "memory_kib",
            "\"memory_kib\": 8192",
            "\"memory_kib\": 4294967296",
        ),
        cost(
            "memory-below-minimum",
            "Less than 8 MiB.",
            hold,
            "envelope",
            "\"memory_kib\": 8192",
            "\"memory_kib\": 8191",
        ),
        cost("no-pass", "No pass.", hold, "envelope", "\"passes\": 1", "\"passes\": 0"),
        cost("passes-null", "Passes that are null.", spelled, "passes", "\"passes\": 1", "\"passes\": null"),
        cost("no-lane", "No lane.", hold, "envelope", "\"lanes\": 1", "\"lanes\": 0"),
        cost(
            "lanes-over-memory",
            "Less than 8 KiB for each lane.",
            hold,
            "envelope",
            "\"lanes\": 1",
            "\"lanes\": 1025",
        ),
        wrong(
            "scope-upper-case",
            "A scope in upper case.",
            spelled,
            "scope",
            "\"scope\": \"303132333435363738396162636465",
            "\"scope\": \"3031323334353637383961626364AB",
        ),
    ];
    cases.extend(["scope", "commitment", "salt", "nonce", "wrapped"].map(short));
    cases.extend(
        ["scope", "commitment", "slots", "memory_kib", "passes", "lanes", "salt", "nonce", "wrapped"]
            .map(absent),
    );
    cases
}
