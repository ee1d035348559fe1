//! The text of a document's file: its JSON, members, key, numbers, depth, and its scripts.

use crate::case::{Case, WEB, digits, feed, web};

const ANY: &str = "A reader takes any JSON (RFC 8259) that says the same";

pub fn cases() -> Vec<Case> {
    [json(), members(), keys(), numbers(), scripts(), copies(), script_names()]
        .into_iter()
        .flatten()
        .collect()
}

fn bad(name: &str, what: &str, why: &'static str, place: &str, text: impl Into<Vec<u8>>) -> Case {
    Case::finding(name, what, why, WEB, place).file(WEB, text)
}

fn good(name: &str, what: &str, why: &'static str, text: impl Into<Vec<u8>>) -> Case {
    Case::ok(name, what, why).file(WEB, text)
}

fn json() -> Vec<Case> {
    let text = web(r#"{ "a": 1 }"#);
    let with = |body: &str| web(&format!("{{ \"a\": {body} }}"));
    let latin: Vec<u8> = with("\"?\"").bytes().map(|byte| if byte == b'?' { 0xe9 } else { byte }).collect();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let twice = "Two members of one name in an object MUST be refused";
    let wrong = |name: &str, what, text: String| bad(&format!("json-{name}"), what, ANY, "", text);
    vec![
        good(
            "json-layout",
            "No blanks, and another order of members.",
            "layout, line ends, order of members and escapes are the editor's",
            r#"{"body":{"b":2,"a":1},"columns":{"Name":"Web"},"key":["Web"],"kind":"Feed"}"#,
        ),
        good(
            "json-line-ends",
            "Line ends of Windows, and tabs.",
            "layout, line ends, order of members and escapes are the editor's",
            text.replace('\n', "\r\n\t"),
        ),
        good(
            "json-escapes",
            "Escapes that nobody needs, in names too.",
            "layout, line ends, order of members and escapes are the editor's",
            web(r#"{ "\u0061": "\u00e9\/\ud83d\udd11" }"#).replace("[\"Web\"]", "[ \"\\u0057eb\" ]"),
        ),
        good(
            "json-byte-order-mark",
            "A byte order mark, as some editors write it.",
            "one byte order mark at the beginning is passed over",
            format!("\u{feff}{text}"),
        ),
        bad(
            "json-two-byte-order-marks",
            "Two byte order marks.",
            "one byte order mark at the beginning is passed over",
            "",
            format!("\u{feff}\u{feff}{text}"),
        ),
        bad("json-empty", "No byte at all.", ANY, "", ""),
        wrong("open", "The last brace is missing.", text.trim_end().trim_end_matches('}').to_owned()),
        wrong("comment", "A comment.", format!("// ours\n{text}")),
        wrong("trailing-comma", "A comma behind the last member.", with("1,")),
        wrong("two-values", "A second value.", format!("{text}{{}}")),
        wrong("single-quotes", "Single quotation marks.", with("'b'")),
        wrong("no-quotes", "A word without quotation marks.", with("yes")),
        wrong("infinity", "Infinity.", with("Infinity")),
        wrong("control-character", "A line end within a text.", with("\"b\nc\"")),
        wrong("unknown-escape", "An escape that JSON does not have.", with(r#""\x41""#)),
        wrong("blank", "A blank that JSON does not have.", with("\u{a0}1")),
        bad(
            "json-conflict",
            "Marks that a version control system left.",
            ANY,
            "",
            format!("<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n"),
        ),
        bad("json-utf-16", "UTF-16.", "and what is no UTF-8", "", utf16),
        bad("json-latin-1", "A letter in Latin-1.", "and what is no UTF-8", "", latin),
        bad(
            "json-half-a-pair",
            "Half a pair of surrogates.",
            "half a pair of surrogates",
            "",
            with(r#""\ud83d""#),
        ),
        bad(
            "json-half-a-pair-in-a-name",
            "Half a pair of surrogates, in a name.",
            "half a pair of surrogates",
            "",
            web(r#"{ "\udd11": 1 }"#),
        ),
        bad("json-member-twice", "Two members of one name.", twice, "", web(r#"{ "a": 1, "a": 1 }"#)),
        bad(
            "json-member-twice-escaped",
            "Two members of one name, once with an escape.",
            twice,
            "",
            web(r#"{ "a": 1, "\u0061": 2 }"#),
        ),
        bad("json-kind-twice", "Two kinds.", twice, "", text.replacen('{', "{ \"kind\": \"Team\",", 1)),
        bad(
            "json-too-deep",
            "600 arrays are open at once.",
            "arrays and objects open at once in a file",
            "",
            web(&format!("{}{}", "[".repeat(600), "]".repeat(600))),
        ),
        bad(
            "json-far-too-deep",
            "3000 arrays, and no end.",
            "arrays and objects open at once in a file",
            "",
            "[".repeat(3000),
        ),
    ]
}

fn members() -> Vec<Case> {
    let any =
        "A reader MUST refuse a file where one of the first three is missing, or where there is any other";
    let (text, columns) = (web("null"), "{\n    \"Name\": \"Web\"\n  }");
    let wrong = |name: &str, what, place, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        bad(&format!("member-{name}"), what, any, place, text.replacen(from, to, 1))
    };
    vec![
        good(
            "member-no-body",
            "A document without a body: not the same as a null.",
            "where the document has one, `body`",
            text.replace(",\n  \"body\": null", ""),
        ),
        good("member-null-body", "A body that is null.", "where the document has one, `body`", text.as_str()),
        good(
            "member-text-body",
            "A body that is a text.",
            "where the document has one, `body`",
            web("\"x\""),
        ),
        wrong("unknown", "A member that no document has.", "more", "\"body\"", "\"more\": 1, \"body\""),
        wrong("letter-case", "A body in upper case.", "Body", "\"body\"", "\"Body\""),
        wrong("no-kind", "No kind.", "kind", "\"kind\": \"Feed\",", ""),
        wrong("no-key", "No key.", "key", "\"key\": [\"Web\"],", ""),
        bad(
            "member-no-columns",
            "No columns.",
            any,
            "columns",
            text.replace(&format!("\"columns\": {columns},"), ""),
        ),
        bad(
            "member-columns-null",
            "Columns that are null.",
            "`columns` is an object",
            "columns",
            text.replace(columns, "null"),
        ),
        bad(
            "member-columns-list",
            "Columns that are a list.",
            "`columns` is an object",
            "columns",
            text.replace(columns, "[]"),
        ),
        wrong("kind-number", "A kind that is a number.", "kind", "\"Feed\"", "1"),
        bad("member-list", "A list instead of an object.", "no object", "", "[]"),
        bad("member-text", "A text instead of an object.", "no object", "", "\"Feed\""),
        bad(
            "kind-unknown",
            "A kind that the model does not have.",
            "the kind is none of the model's",
            "kind",
            text.replace("\"Feed\"", "\"Fed\""),
        ),
        bad(
            "kind-letter-case",
            "A kind in lower case.",
            "the kind is none of the model's",
            "kind",
            text.replace("\"Feed\"", "\"feed\""),
        ),
        bad(
            "kind-part",
            "A part of documents that is no kind.",
            "the kind is none of the model's",
            "kind",
            text.replace("\"Feed\"", "\"Tag\""),
        ),
        bad(
            "columns-missing",
            "No column that the key could be read from.",
            "which columns a document cannot be without",
            "columns",
            text.replace(columns, "{}"),
        )
        .needs_model(),
    ]
}

fn keys() -> Vec<Case> {
    let text = web("null");
    // Where long paths lie: so the path has no part in it.
    let long = |name: &str, what, why, key: &str, spelled: &str| {
        let path = format!("_long/Feed/Web~{}.json", digits(&["Feed", key]));
        Case::finding(name, what, why, &path, "key").file(path.as_str(), text.replace("[\"Web\"]", spelled))
    };
    let not = |name: &str, what, spelled: &str| {
        bad(
            &format!("key-{name}"),
            what,
            "a reference in a key is as in key text, a dangling one too",
            "key",
            text.replace("[\"Web\"]", spelled),
        )
    };
    let deep = |n: usize| {
        format!(
            "[{}[\"x\"]{},\"Web\"]",
            "{\"Space\":[".repeat(n - 1) + "{\"Space\":",
            "}]".repeat(n - 1) + "}"
        )
    };
    let deepest = deep(64);
    vec![
        not("text", "A key that is a text.", "\"Web\""),
        not("null", "A key that is null.", "null"),
        not("list", "A list in a key.", "[[\"Web\"]]"),
        not(
            "two-members",
            "A reference of two members.",
            "[{ \"Space\": [\"A\"], \"Team\": [\"B\"] }, \"Web\"]",
        ),
        not("no-member", "A reference without a member.", "[{}, \"Web\"]"),
        not("reference-text", "A reference whose key is a text.", "[{ \"Space\": \"A\" }, \"Web\"]"),
        not("marker", "A marker in a key.", "[{ \"$ref\": { \"Space\": [\"A\"] } }, \"Web\"]"),
        not("secret", "A secret in a key.", "[{ \"$secret\": true }, \"Web\"]"),
        not("bytes", "Bytes in a key.", "[{ \"$hex\": \"00\" }, \"Web\"]"),
        not(
            "dangling-two-ids",
            "A dangling reference with two ids.",
            "[{ \"?Space\": [\"a\", \"b\"] }, \"Web\"]",
        ),
        not(
            "dangling-text",
            "A dangling reference whose id is in no list.",
            "[{ \"?Space\": \"a\" }, \"Web\"]",
        ),
        not("dangling-list", "A dangling reference whose id is a list.", "[{ \"?Space\": [[]] }, \"Web\"]"),
        not(
            "dangling-bytes",
            "A dangling reference whose id is bytes.",
            "[{ \"?Space\": [{ \"$hex\": \"00\" }] }, \"Web\"]",
        ),
        long(
            "key-kind-unknown",
            "An owner of a kind that the model does not have.",
            "a reference in the key to a kind that the model does not have",
            r#"[{"Spcae":["A"]},"Web"]"#,
            r#"[{ "Spcae": ["A"] }, "Web"]"#,
        ),
        long(
            "key-kind-unknown-within",
            "An owner's owner of a kind that the model does not have.",
            "a reference in the key to a kind that the model does not have",
            r#"[{"Project":[{"Spcae":["A"]},"W"]},"Web"]"#,
            r#"[{ "Project": [{ "Spcae": ["A"] }, "W"] }, "Web"]"#,
        ),
        long(
            "key-kind-escaped",
            "A kind that no key text has.",
            "a reference in a key is as in key text, a dangling one too",
            r#"[{"A\"":["x"]},"Web"]"#,
            r#"[{ "A\"": ["x"] }, "Web"]"#,
        ),
        long(
            "key-too-deep",
            "129 arrays and objects are open at once in the key's text.",
            "a reference in a key is as in key text, a dangling one too",
            &deepest,
            &deepest,
        ),
        Case::ok(
            "key-deepest",
            "127 arrays and objects are open at once in the key's text.",
            "a reference in a key is as in key text, a dangling one too",
        )
        .file(
            format!("_long/Feed/Web~{}.json", digits(&["Feed", &deep(63)])),
            text.replace("[\"Web\"]", &deep(63)),
        ),
        Case::ok(
            "key-forms",
            "A key with blanks and escapes of an editor's own.",
            "a reader takes the blanks, and escapes, as it finds them",
        )
        .file(
            "Space/A/Feed/Web.json",
            text.replace("[\"Web\"]", "[\n    {\"Space\": [ \"\\u0041\" ]},\n    \"Web\"\n  ]"),
        ),
    ]
}

fn numbers() -> Vec<Case> {
    let kept = "Numbers are kept as they are spelled";
    let deep = |n: usize| format!("{}null{}", "[".repeat(n), "]".repeat(n));
    let not = |name: &str, what, number: &str| bad(&format!("number-{name}"), what, ANY, "", web(number));
    vec![
        good(
            "numbers",
            "Numbers that are not integers keep their text.",
            kept,
            web("[1.50, 1.5, 1e5, 1E+5, 100000, -0, 0, -0.0, 12345678901234567890123456789, 1e999]"),
        ),
        good(
            "integers",
            "The least and the greatest integer, and those beyond, which are numbers.",
            "an integer that fits 64 bits with sign is an integer",
            web("[-9223372036854775808, 9223372036854775807, -9223372036854775809, 9223372036854775808]"),
        ),
        not("leading-zero", "A leading zero.", "01"),
        not("plus", "A plus sign.", "+1"),
        not("no-fraction", "A point without a digit behind it.", "1."),
        not("no-whole", "A point without a digit before it.", ".5"),
        not("hexadecimal", "A hexadecimal number.", "0x10"),
        good(
            "text-kept",
            "Text is not normalised, and may hold any character.",
            "Text escapes `\"`, `\\` and U+0000 to U+001F",
            web("[\"e\u{301}\", \"\u{e9}\", \"\\u0000\\u001f\\r\\n\", \"\u{7f}\u{feff}\"]"),
        ),
        good(
            "deepest-column",
            "A null within 128 lists, in a column.",
            "nesting of a document",
            web("null").replace("\"Name\": \"Web\"", &format!("\"Name\": \"Web\", \"a\": {}", deep(128))),
        ),
        good("deepest", "A null within 128 lists.", "nesting of a document", web(&deep(128))),
        bad(
            "too-deep",
            "A null within 129 lists.",
            "nesting of a document",
            &format!("${}", "[0]".repeat(129)),
            web(&deep(129)),
        ),
    ]
}

const SCRIPT: &str = "Feed/Web~Deploy.ps1";

fn script(file: &str) -> String {
    web(&format!("{{ \"a\": {{ \"$script\": {} }} }}", serde_json::Value::from(file)))
}

fn scripts() -> Vec<Case> {
    let back = "Reading puts the text back, without any change.";
    let mark = "one byte order mark at the beginning of the file is no part of the text";
    let taken = |name: &str, what, why, text: &[u8]| {
        Case::ok(&format!("script-{name}"), what, why).file(WEB, script("Web~Deploy.ps1")).file(SCRIPT, text)
    };
    let missing = "A file that is missing, is no UTF-8, or is no file is refused.";
    vec![
        taken("text", "A script.", back, b"Write-Host 1\n"),
        taken(
            "line-ends",
            "Line ends of both kinds, and none at the end.",
            "`\\r\\n` stays, no line end is added",
            b"a\r\nb\nc",
        ),
        taken(
            "byte-order-mark",
            "A byte order mark is no part of a script.",
            mark,
            "\u{feff}Write-Host 1\n".as_bytes(),
        ),
        taken(
            "two-byte-order-marks",
            "The second of two is a character of the text.",
            mark,
            "\u{feff}\u{feff}Write-Host 1\n".as_bytes(),
        ),
        taken(
            "only-byte-order-mark",
            "A script that is empty but for a byte order mark.",
            mark,
            "\u{feff}".as_bytes(),
        ),
        taken("empty", "An empty script.", back, b""),
        Case::ok(
            "script-any-name",
            "Two documents take one file, which is called as nobody would call it.",
            "it need not be named as above",
        )
        .file(WEB, script("ours"))
        .file("Feed/Wob.json", feed("\"Wob\"", r#"[{ "$script": "ours" }]"#))
        .file("Feed/ours", "x"),
        Case::ok("script-column", "A column that is a script.", "text that lies in a file")
            .file(WEB, web("null").replace("\"Name\": \"Web\"", "\"Name\": { \"$script\": \"n\" }"))
            .file("Feed/n", "Web"),
        bad("script-missing", "The script's file is missing.", missing, "$.a", script("Web~Deploy.ps1")),
        bad(
            "script-elsewhere",
            "The script's file lies at the root.",
            "It lies in the folder of its document",
            "$.a",
            script("Web~Deploy.ps1"),
        )
        .file("Web~Deploy.ps1", "x"),
        bad("script-not-utf-8", "The script's file is no UTF-8.", missing, "$.a", script("Web~Deploy.ps1"))
            .file(SCRIPT, &b"\xff\xfe"[..]),
        bad("script-utf-16", "The script's file is UTF-16.", missing, "$.a", script("Web~Deploy.ps1"))
            .file(SCRIPT, &b"\xfe\xff\0d\0i\0r"[..]),
        bad(
            "script-folder",
            "A folder is called as the script's file.",
            missing,
            "$.a",
            script("Web~Deploy.ps1"),
        )
        .file("Feed/Web~Deploy.ps1/x", "x"),
    ]
}

fn copies() -> Vec<Case> {
    let copy =
        |text: &str| web(&format!("{{ \"a\": {{ \"$script\": \"Web~Deploy.ps1\", \"text\": {text} }} }}"));
    let differs = "is refused where it differs, for nobody could say which of the two is meant";
    vec![
        Case::ok(
            "copy",
            "A text and a copy that agrees.",
            "Where a `text` stands beside it the file is a copy for reading",
        )
        .file(WEB, copy("\"a\\r\\nb\""))
        .file(SCRIPT, "a\r\nb"),
        Case::ok(
            "copy-byte-order-mark",
            "A copy that agrees but for a byte order mark.",
            "one byte order mark at the beginning of the file is no part of the text",
        )
        .file(WEB, copy("\"a\""))
        .file(SCRIPT, "\u{feff}a"),
        Case::ok("copy-missing", "A text whose copy is missing.", "it may be missing")
            .file(WEB, copy("\"a\"")),
        bad("copy-differs", "A copy that differs.", differs, "$.a", copy("\"a\"")).file(SCRIPT, "b"),
        bad("copy-line-end", "A copy that differs in its line ends only.", differs, "$.a", copy("\"a\\nb\""))
            .file(SCRIPT, "a\r\nb"),
        bad("copy-last-line-end", "A copy that has one line end more.", differs, "$.a", copy("\"a\""))
            .file(SCRIPT, "a\n"),
        bad(
            "copy-text-number",
            "A text that is a number.",
            "with `\"text\": \"…\"` a copy does",
            "$.a",
            copy("1"),
        )
        .file(SCRIPT, "1"),
        bad(
            "copy-text-null",
            "A text that is null.",
            "with `\"text\": \"…\"` a copy does",
            "$.a",
            copy("null"),
        )
        .file(SCRIPT, "null"),
    ]
}

fn script_names() -> Vec<Case> {
    let plain = "FILE is a *plain name*, or MUST be refused";
    let not =
        |name: &str, what, file: &str| bad(&format!("script-name-{name}"), what, plain, "$.a", script(file));
    vec![
        not("below", "A path to a folder below.", "Web/a.ps1").file("Feed/Web/a.ps1", "x"),
        not("above", "A path to the folder above.", "../a.ps1").file("a.ps1", "x"),
        not("backslash", "A path as Windows writes it.", "..\\a.ps1").file("a.ps1", "x"),
        not("absolute", "A path from the root.", "/etc/hostname"),
        not("drive", "A path on a drive.", "C:a.ps1").file("Feed/C:a.ps1", "x"),
        not("stream", "A stream of a file.", "a.ps1:b").file("Feed/a.ps1:b", "x"),
        not("device", "A device.", "nul").file("Feed/nul", "x"),
        not("device-extension", "A device, with an end.", "COM1.ps1").file("Feed/COM1.ps1", "x"),
        not("empty", "No name.", ""),
        not("dot", "The folder itself.", "."),
        not("dots", "The folder above.", ".."),
        not("hidden", "A dot at the beginning.", ".a").file("Feed/.a", "x"),
        not("blank", "A blank at the end.", "a ").file("Feed/a ", "x"),
        not("control-character", "A control character.", "a\u{7f}b").file("Feed/a\u{7f}b", "x"),
        not("nul-byte", "U+0000.", "a\u{0}b"),
        not("too-long", "A name of 256 bytes.", &"x".repeat(256)),
        not("number", "A number.", "7").file(WEB, web("{ \"a\": { \"$script\": 7 } }")).file("Feed/7", "x"),
        bad(
            "script-name-json",
            "A document.",
            "and one that does not fold to an end in `.json`",
            "$.a",
            script("Wob.json"),
        )
        .file("Feed/Wob.json", feed("\"Wob\"", "null")),
        bad(
            "script-name-json-case",
            "A document, its end in upper case.",
            "and one that does not fold to an end in `.json`",
            "$.a",
            script("Wob.JSON"),
        )
        .file("Feed/Wob.JSON", feed("\"Wob\"", "null")),
    ]
}
