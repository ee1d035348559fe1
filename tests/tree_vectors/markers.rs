//! Markers, and sealed values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::case::{Case, WEB, about, envelope, feed, web};
use crate::sealing::{Envelope, PASSWORD};

const TABLE: &str = "has no other members than the table shows, and all of them but `text`";

pub fn cases() -> Vec<Case> {
    [taken(), malformed(), references(), spelled(), sealed(), secrets()].into_iter().flatten().collect()
}

/// A file whose body has this at `$.a`.
fn body(value: &str) -> String {
    web(&format!("{{ \"a\": {value} }}"))
}

fn bad(name: &str, what: &str, why: &'static str, value: &str) -> Case {
    Case::finding(name, what, why, WEB, "$.a").file(WEB, body(value))
}

fn taken() -> Vec<Case> {
    vec![
        Case::ok("markers", "Each marker that needs nothing beside it.", "| `{ \"$ref\": { KIND: KEY } }` | a reference |").file(
            WEB,
            web(r#"[
    { "$ref": { "Environment": [{ "Space": ["A"] }, "Prod"] } },
    { "$dangling": { "Feed": "feeds-9" } },
    { "$dangling": { "Feed": null } },
    { "$dangling": { "": 1.50 } },
    { "$dangling": { "Feed": { "$hex": "00ff" } } },
    { "$hex": "" },
    { "$hex": "00ff" },
    { "$secret": true }
  ]"#),
        ),
        Case::ok("marker-column", "Markers in columns.", "An object that has a member of such a name with a single `$` is a marker").file(
            WEB,
            web("null").replace("\"Name\": \"Web\"", "\"Name\": \"Web\", \"IsX\": { \"$hex\": \"01\" }, \"SpaceId\": { \"$ref\": { \"Space\": [\"A\"] } }"),
        ),
        Case::ok("reference-part", "A reference to a part of a document, which is no kind.", "and of parts of documents that references may name").file(
            WEB,
            body(r#"{ "$ref": { "Tag": [{ "TagSet": ["Region"] }, "North"] } }"#),
        ),
        Case::ok("escaped", "The document's own members of such names, in columns too.", "is written with one `$` more, and read with one less; a column too").file(
            WEB,
            web(r#"{ "$$ref": 1, "$$$ref": 2, "$$$$hex": { "$$secret": true }, "$$sealed": "x", "at": "y", "$$script": "z", "$$dangling": {} }"#)
                .replace("\"Name\": \"Web\"", "\"Name\": \"Web\", \"$$hex\": \"01\""),
        ),
        Case::ok("not-escaped", "Names with a `$` that mean nothing stay.", "A member of the document whose name is one or more `$` and then").file(
            WEB,
            web(r#"{ "$type": 1, "$$type": 2, "$": 3, "$$": 4, "$Ref": 5, "$refs": 6, "ref": 7, "a$ref": 8, " $ref": 9, "$text": 10 }"#),
        ),
        Case::ok("place-escaped", "A place names members as the document does.", "the place of the value, as `documents.md` writes it").password(PASSWORD)
            .file("sealift.json", about(&envelope(&Envelope::usual())))
            .file(WEB, web(&format!("{{ \"$$ref\": {{ \"it's\": {} }} }}", seal("Feed", r#"["Web"]"#, r"$['$ref']['it\'s']")))),
    ]
}

fn malformed() -> Vec<Case> {
    let more = |name: &str, what, value: &str| bad(&format!("marker-{name}"), what, TABLE, value);
    vec![
        more("two", "Two markers in one.", r#"{ "$hex": "00", "$secret": true }"#),
        more("more-ref", "A reference with a member more.", r#"{ "$ref": { "Space": ["A"] }, "at": "x" }"#),
        more(
            "more-dangling",
            "A dangling reference with a member more.",
            r#"{ "$dangling": { "Space": "a" }, "x": 1 }"#,
        ),
        more("more-hex", "Bytes with a member more.", r#"{ "$hex": "00", "text": "x" }"#),
        more(
            "more-secret",
            "A secret with a member more: its value, in the open.",
            r#"{ "$secret": true, "value": "x" }"#,
        ),
        more(
            "more-secret-at",
            "A secret without a value, and a place.",
            r#"{ "$secret": true, "at": "$.a" }"#,
        ),
        more(
            "more-sealed",
            "A sealed value with a member more.",
            r#"{ "$sealed": "", "at": "$.a", "text": "x" }"#,
        ),
        more("more-script", "A script with a member more.", r#"{ "$script": "x", "at": "$.a" }"#),
        more("more-escaped", "A marker with a member of the document.", r#"{ "$hex": "00", "$$ref": 1 }"#),
        Case::finding(
            "marker-columns",
            "A column called as a marker.",
            "`columns` is no marker, and has no such member",
            WEB,
            "columns",
        )
        .file(WEB, web("null").replace("\"Name\": \"Web\"", "\"Name\": \"Web\", \"$ref\": 1")),
        Case::finding(
            "marker-columns-twice",
            "A column called as a marker, and its escaped name.",
            "`columns` is no marker, and has no such member",
            WEB,
            "columns",
        )
        .file(WEB, web("null").replace("\"Name\": \"Web\"", "\"Name\": \"Web\", \"$ref\": 1, \"$$ref\": 2")),
        Case::finding("marker-body", "A body that is a malformed marker.", TABLE, WEB, "$")
            .file(WEB, web(r#"{ "$hex": "0" }"#)),
    ]
}

fn references() -> Vec<Case> {
    let to = "| `{ \"$ref\": { KIND: KEY } }` | a reference |";
    let unknown = "a reference to a kind that the model does not have";
    let lost = "ID a scalar or `$hex`";
    let deep = |n: usize| format!("{{ \"$ref\": {}\"x\"{} }}", "{\"Space\":[".repeat(n), "]}".repeat(n));
    vec![
        bad("ref-text", "A reference that is a text.", to, r#"{ "$ref": "Space" }"#),
        bad("ref-null", "A reference that is null.", to, r#"{ "$ref": null }"#),
        bad("ref-no-kind", "A reference without a kind.", to, r#"{ "$ref": {} }"#),
        bad(
            "ref-two-kinds",
            "A reference with two kinds.",
            to,
            r#"{ "$ref": { "Space": ["A"], "Team": ["B"] } }"#,
        ),
        bad("ref-key-text", "A reference whose key is a text.", to, r#"{ "$ref": { "Space": "A" } }"#),
        bad("ref-key-list", "A list in a reference's key.", to, r#"{ "$ref": { "Space": [["A"]] } }"#),
        bad(
            "ref-marker-in-key",
            "A marker in a reference's key.",
            "No marker stands in a key",
            r#"{ "$ref": { "Environment": [{ "$ref": { "Space": ["A"] } }, "x"] } }"#,
        ),
        bad(
            "ref-kind-unknown",
            "A reference to a kind that the model does not have.",
            unknown,
            r#"{ "$ref": { "Spcae": ["A"] } }"#,
        ),
        bad(
            "ref-kind-unknown-in-key",
            "The same, in the key of a reference.",
            unknown,
            r#"{ "$ref": { "Environment": [{ "Spcae": ["A"] }, "x"] } }"#,
        ),
        bad(
            "ref-kind-dangling",
            "A reference as a dangling one is spelled in keys.",
            unknown,
            r#"{ "$ref": { "?Space": ["a"] } }"#,
        ),
        bad(
            "ref-too-deep",
            "A reference at level 1, and a text within 128 of them.",
            "nesting of a document",
            &deep(128),
        ),
        Case::ok(
            "ref-deepest",
            "A reference at level 1, and a text within 127 of them.",
            "nesting of a document",
        )
        .file(WEB, body(&deep(127))),
        bad("dangling-text", "A dangling reference that is a text.", lost, r#"{ "$dangling": "feeds-9" }"#),
        bad("dangling-no-kind", "A dangling reference without a kind.", lost, r#"{ "$dangling": {} }"#),
        bad(
            "dangling-two-kinds",
            "A dangling reference of two kinds.",
            lost,
            r#"{ "$dangling": { "Feed": "a", "Team": "b" } }"#,
        ),
        bad(
            "dangling-list",
            "A dangling reference whose id is a list, as in keys.",
            lost,
            r#"{ "$dangling": { "Feed": ["a"] } }"#,
        ),
        bad(
            "dangling-object",
            "A dangling reference whose id is an object.",
            lost,
            r#"{ "$dangling": { "Feed": {} } }"#,
        ),
        bad(
            "dangling-secret",
            "A dangling reference whose id is a secret.",
            lost,
            r#"{ "$dangling": { "Feed": { "$secret": true } } }"#,
        ),
        bad(
            "dangling-reference",
            "A dangling reference whose id is a reference.",
            lost,
            r#"{ "$dangling": { "Feed": { "$ref": { "Space": ["A"] } } } }"#,
        ),
        bad(
            "dangling-hex-more",
            "A dangling reference whose id is bytes with a member more.",
            lost,
            r#"{ "$dangling": { "Feed": { "$hex": "00", "x": 1 } } }"#,
        ),
    ]
}

fn spelled() -> Vec<Case> {
    let hex = |name: &str, what, value: &str| {
        bad(&format!("hex-{name}"), what, "bytes, two lower-case hexadecimal digits each", value)
    };
    let secret = |name: &str, what, value: &str| {
        bad(&format!("secret-{name}"), what, "| `{ \"$secret\": true }` | a secret without a value |", value)
    };
    let base = "of its spellings the one whose unused bits are zero";
    let sealed = |name: &str, what, why, value: &str| {
        let text = format!("{{ \"$sealed\": {value}, \"at\": \"$.a\" }}");
        bad(&format!("sealed-{name}"), what, why, &text)
            .file("sealift.json", about(&envelope(&Envelope::usual())))
    };
    let long = |end: &str| format!("\"{}{end}\"", "A".repeat(56));
    vec![
        hex("upper-case", "Digits in upper case.", r#"{ "$hex": "00FF" }"#),
        hex("odd", "Half a byte.", r#"{ "$hex": "00f" }"#),
        hex("blank", "A blank between bytes.", r#"{ "$hex": "00 ff" }"#),
        hex("other", "Letters that are no digits.", r#"{ "$hex": "0g" }"#),
        hex("prefix", "A prefix.", r#"{ "$hex": "0x00" }"#),
        hex("number", "A number.", r#"{ "$hex": 10 }"#),
        secret("false", "A secret that is none.", r#"{ "$secret": false }"#),
        secret("text", "A secret in the open.", r#"{ "$secret": "hunter2" }"#),
        secret("null", "A secret that is null.", r#"{ "$secret": null }"#),
        secret("number", "A secret that is 1.", r#"{ "$secret": 1 }"#),
        sealed("no-padding", "Base64 without padding.", base, &long("AA")),
        sealed("unused-bits", "Base64 whose unused bits are not zero.", base, &long("AB==")),
        sealed("other-alphabet", "Base64 of the other alphabet.", base, &long("-_==")),
        sealed("line-end", "Base64 with a line end.", base, &long("\\nAAAA")),
        sealed("not-base64", "Not base64.", base, "\"?\""),
        sealed("number", "A number.", base, "7"),
        sealed("null", "A null.", base, "null"),
        bad("sealed-no-place", "A sealed value without a place.", TABLE, r#"{ "$sealed": "AAAA" }"#),
        bad(
            "sealed-place-number",
            "A place that is a number.",
            "and the place it was sealed for",
            r#"{ "$sealed": "AAAA", "at": 7 }"#,
        ),
        bad(
            "sealed-place-alone",
            "The place of a sealed value, and the value escaped.",
            TABLE,
            r#"{ "$sealed": "AAAA", "$$sealed": "AAAA" }"#,
        ),
    ]
}

/// A value sealed for a place, as a marker.
fn seal(kind: &str, key: &str, place: &str) -> String {
    let bytes = Envelope::usual().seal(
        &[b"bundle 1", kind.as_bytes(), key.as_bytes(), place.as_bytes()],
        place,
        b"s3cret",
    );
    format!("{{ \"$sealed\": \"{}\", \"at\": {} }}", STANDARD.encode(bytes), serde_json::Value::from(place))
}

const WEB_KEY: &str = r#"["Web"]"#;

fn sealed() -> Vec<Case> {
    let with = |case: Case| case.file("sealift.json", about(&envelope(&Envelope::usual())));
    let own = seal("Feed", WEB_KEY, "$.a");
    let moved = seal("Feed", WEB_KEY, "$.b");
    let again =
        "sealed again for its new place: without the password a reader MUST refuse it (*needs-password*)";
    let does_not_open = "with the password a value that does not open under `at`";
    let damaged = "does not open: *damaged*, found by whoever opens it";
    let other = seal("Feed", r#"["Wob"]"#, "$.a");
    let expensive = || {
        let mut envelope = Envelope::new("usual", crate::sealing::SCOPE);
        envelope.push_unopenable(64 << 20, 1, 1);
        envelope
    };
    let uncommitted = || {
        let mut envelope = Envelope::usual();
        envelope.commitment[0] ^= 1;
        envelope
    };
    vec![
        with(
            Case::ok(
                "sealed",
                "A sealed value at its place.",
                "So bundle and tree exchange it without the password.",
            )
            .file(WEB, body(&own)),
        ),
        with(
            Case::ok(
                "sealed-opened",
                "A sealed value at its place, and the password.",
                "A sealed value is the bundle's, byte for byte",
            )
            .password(PASSWORD)
            .file(WEB, body(&own)),
        ),
        with(
            Case::ok("sealed-column", "A sealed value in a column.", "the place it was sealed for")
                .password(PASSWORD)
                .file(
                    WEB,
                    web("null").replace(
                        "\"Name\": \"Web\"",
                        &format!("\"Name\": \"Web\", \"a\": {}", seal("Feed", WEB_KEY, "a")),
                    ),
                ),
        ),
        with(
            Case::ok(
                "sealed-moved",
                "A sealed value elsewhere in its document, and the password.",
                "Then it has to be opened under `at` and sealed again for its new place",
            )
            .password(PASSWORD)
            .file(WEB, body(&moved)),
        ),
        with(
            Case::ok(
                "sealed-exchanged",
                "Two sealed values have changed places, and the password.",
                "Then it has to be opened under `at` and sealed again for its new place",
            )
            .password(PASSWORD)
            .file(WEB, web(&format!("{{ \"a\": {moved}, \"b\": {own} }}"))),
        ),
        with(
            Case::ok(
                "sealed-envelope-alone",
                "An envelope, and no sealed value.",
                "`envelope` | may be absent",
            )
            .password(PASSWORD)
            .file(WEB, body("1")),
        ),
        with(
            bad(
                "sealed-elsewhere",
                "A sealed value elsewhere in its document, and no password.",
                again,
                &moved,
            )
            .class("needs-password"),
        ),
        with(
            Case::finding(
                "sealed-moved-and-more",
                "A sealed value elsewhere in its document, no password, and a file that is no JSON.",
                "secrets that were moved and that no password was given for are findings like any other",
                "Feed/Worse.json",
                "",
            )
            .and(WEB, "$.a")
            .file(WEB, body(&moved))
            .file("Feed/Worse.json", "{\n"),
        ),
        with(
            bad(
                "sealed-no-such-place",
                "A sealed value for a place that is none, and no password.",
                again,
                &moved.replace("$.b", "?"),
            )
            .class("needs-password"),
        ),
        with(
            bad(
                "sealed-wrongly-placed",
                "A sealed value elsewhere than it was sealed for and says.",
                does_not_open,
                &own.replace("$.a", "$.c"),
            )
            .password(PASSWORD),
        ),
        bad(
            "sealed-without-envelope",
            "A sealed value, and nobody who could open it.",
            "Where `sealift.json` has no envelope a sealed value MUST be refused",
            &own,
        ),
        with(
            Case::refused(
                "sealed-for-another-document",
                "A value that was sealed for another document.",
                damaged,
                "damaged",
            )
            .password(PASSWORD)
            .file(WEB, body(&other)),
        ),
        with(
            Case::refused(
                "sealed-place-rewritten",
                "A value that says it was sealed for where it stands.",
                damaged,
                "damaged",
            )
            .password(PASSWORD)
            .file(WEB, body(&moved.replace("$.b", "$.a"))),
        ),
        with(
            Case::refused("sealed-key-changed", "The key of the document was changed.", damaged, "damaged")
                .password(PASSWORD)
                .file("Feed/Wob.json", feed("\"Wob\"", &format!("{{ \"a\": {own} }}"))),
        ),
        with(bad(
            "sealed-too-short",
            "A value too short for any.",
            "its bytes are as many as a sealed value may have",
            &format!("{{ \"$sealed\": \"{}\", \"at\": \"$.a\" }}", STANDARD.encode([7; 39])),
        )),
        with(
            Case::refused(
                "password-wrong",
                "Another password.",
                "the rules of `envelope-v1.md` hold",
                "wrong-password",
            )
            .password("correct cow")
            .file(WEB, body(&own)),
        ),
        Case::refused(
            "password-too-expensive",
            "A slot that asks for 64 GiB.",
            "the rules of `envelope-v1.md` hold",
            "too-expensive",
        )
        .password(PASSWORD)
        .file("sealift.json", about(&envelope(&expensive())))
        .file(WEB, body("1")),
        Case::refused(
            "commitment-wrong",
            "The password opens a key that is not the one committed to.",
            "the rules of `envelope-v1.md` hold",
            "damaged",
        )
        .password(PASSWORD)
        .file("sealift.json", about(&envelope(&uncommitted())))
        .file(WEB, body("1")),
    ]
}

fn secrets() -> Vec<Case> {
    let open = "Text that is not empty where the model says there is a secret MUST be refused";
    let password = |value: &str| web(&format!("{{ \"Password\": {value} }}"));
    vec![
        Case::finding("plain-secret", "A password in the open.", open, WEB, "$.Password")
            .needs_model()
            .file(WEB, password("\"hunter2\"")),
        Case::finding("plain-secret-script", "A password in a file of its own.", open, WEB, "$.Password")
            .needs_model()
            .file(WEB, password("{ \"$script\": \"p\" }"))
            .file("Feed/p", "hunter2"),
        Case::ok("plain-secret-empty", "An empty password is none.", open).file(WEB, password("\"\"")),
        Case::ok("plain-secret-null", "A password that is null is none.", open).file(WEB, password("null")),
        Case::ok("secret-without-value", "A password that did not travel.", "a secret without a value")
            .file(WEB, password("{ \"$secret\": true }")),
    ]
}
