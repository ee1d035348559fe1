//! Vectors that need no bundle: canonical documents and the texts of keys.

use std::fmt::Write as _;

use super::pack::{self, extension, list, map, nested, number, reference, secret, text};

/// A document's bytes or a key's text, and what must come of it.
pub struct Small {
    pub name: String,
    pub what: &'static str,
    /// `bin` for a document, `json` for a key.
    pub extension: &'static str,
    pub bytes: Vec<u8>,
    /// Why it is refused; nothing where it is accepted.
    pub refused: Option<&'static str>,
    /// The texts of the secret places of an accepted document.
    pub places: &'static [&'static str],
}

impl Small {
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let file = format!("{}.{}", self.name, self.extension);
        let rule = match self.extension {
            "bin" => "documents.md, Canonical bytes",
            _ => "documents.md, Key text",
        };
        let mut toml = format!("what = {}\nrule = {rule:?}\nfile = {file:?}\n", super::quoted(self.what));
        match self.refused {
            Some(error) => {
                toml.push_str("expect = \"refused\"\nclass = \"damaged\"\n");
                let _ = writeln!(toml, "error = {error:?}");
            }
            None => toml.push_str("expect = \"ok\"\n"),
        }
        if self.extension == "bin" && self.refused.is_none() {
            let id = super::hex(&super::build::content_id(&self.bytes));
            let _ =
                writeln!(toml, "content_id = \"{id}\"\nsecret_places = {}", serde_json::json!(self.places));
        }
        vec![(format!("{}.toml", self.name), toml.into_bytes()), (file, self.bytes.clone())]
    }
}

/// A document whose only column, `A`, has this value.
fn column(value: &[u8]) -> Vec<u8> {
    list(&[map(&[("A", value.to_vec())])])
}

pub fn all() -> Vec<Small> {
    [accepted(), forms(), shapes(), extensions(), keys()].into_iter().flatten().collect()
}

fn document(name: &str, what: &'static str, bytes: Vec<u8>, refused: Option<&'static str>) -> Small {
    Small { name: format!("document-{name}"), what, extension: "bin", bytes, refused, places: &[] }
}

fn accepted() -> Vec<Small> {
    let good = |name, what, bytes| document(name, what, bytes, None);
    let places = Small {
        places: &["A", "B.x[1]", "$._1", "$.a[0]['b c']", "$.a[1]", "$['it\\'s \\\\ \\u0009']"],
        ..good(
            "ok-secret-places",
            "Columns before the body, members by name, elements in order; not what stands in a reference.",
            list(&[
                map(&[
                    ("A", secret()),
                    ("B", map(&[("x", list(&[vec![0xc0], secret()]))])),
                    ("C", pack::dangling("Feed", secret())),
                ]),
                map(&[
                    ("_1", secret()),
                    ("a", list(&[map(&[("b c", secret())]), secret()])),
                    ("it's \\ \t", secret()),
                ]),
            ]),
        )
    };
    vec![
        places,
        good("ok-empty", "No column and no body: the shortest document.", vec![0x91, 0x80]),
        good("ok-null-body", "A body that is null is not the same as no body.", vec![0x92, 0x80, 0xc0]),
        good(
            "ok-member-order",
            "Members are sorted by bytes, not by letters: `B`, `a`, `aa`, `é`.",
            list(&[map(&[("B", vec![1]), ("a", vec![2]), ("aa", vec![3]), ("é", vec![4])])]),
        ),
        good("ok-deepest", "A null within 128 lists.", nested(128)),
        good("ok-deepest-references", "A text within 128 references.", column(&references(128))),
        good(
            "ok-number-spelling",
            "Numbers keep their spelling: `1.50` is not `1.5`.",
            column(&number("1.50")),
        ),
        good("ok-minus-zero", "`-0` is a number and no integer.", column(&number("-0"))),
        good(
            "ok-text-of-256",
            "A text of 256 bytes takes a length of 16 bits.",
            column(&text(&"x".repeat(256))),
        ),
        good(
            "ok-key-nested",
            "A reference whose key holds a reference.",
            column(&reference("Process", &[reference("Project", &[text("Web")]), vec![0x03]])),
        ),
    ]
}

fn forms() -> Vec<Small> {
    let bad = |name, what, value: &[u8]| document(name, what, column(value), Some("not-canonical"));
    let wide_list = [&[0x91, 0x81, 0xa1, b'A', 0xdd, 0, 0, 0, 16][..], &[0xc0; 16]].concat();
    let wide_text = [vec![0xda, 0, 200], vec![b'x'; 200]].concat();
    let wider_text = [vec![0xdb, 0, 0, 1, 0], vec![b'x'; 256]].concat();
    vec![
        bad("int-uint8", "7 in two bytes.", &[0xcc, 7]),
        bad("int-uint16", "200 in three bytes.", &[0xcd, 0, 200]),
        bad("int-uint32", "65,535 in five bytes.", &[0xce, 0, 0, 0xff, 0xff]),
        bad("int-uint64", "2^32 - 1 in nine bytes.", &[0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
        bad("int-int8", "-1 in two bytes.", &[0xd0, 0xff]),
        bad("int-int8-fixint", "-32 in two bytes.", &[0xd0, 0xe0]),
        bad("int-int16", "-128 in three bytes.", &[0xd1, 0xff, 0x80]),
        bad("int-int32", "-32,768 in five bytes.", &[0xd2, 0xff, 0xff, 0x80, 0x00]),
        bad("int-int64", "-2^31 in nine bytes.", &[0xd3, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0]),
        bad("int-positive-as-signed", "5 in a signed form.", &[0xd0, 5]),
        bad(
            "int-128-as-int16",
            "128 in a signed form: positive numbers take the unsigned.",
            &[0xd1, 0, 0x80],
        ),
        bad("int-over-63-bits", "2^63, which takes extension 1.", &[0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        bad("text-str8", "A text of one byte with a length of its own byte.", &[0xd9, 1, b'x']),
        bad("text-str16", "A text of 200 bytes with a length of 16 bits.", &wide_text),
        bad("text-str32", "A text of 256 bytes with a length of 32 bits.", &wider_text),
        bad("bytes-bin16", "One byte with a length of 16 bits.", &[0xc5, 0, 1, 7]),
        bad("bytes-bin32", "One byte with a length of 32 bits.", &[0xc6, 0, 0, 0, 1, 7]),
        bad("list-array16", "A list of one with a length of 16 bits.", &[0xdc, 0, 1, 0xc0]),
        document("list-array32", "A list of 16 with a length of 32 bits.", wide_list, Some("not-canonical")),
        bad("map-map16", "An object of one with a length of 16 bits.", &[0xde, 0, 1, 0xa1, b'a', 0xc0]),
        bad("map-map32", "An object of one with a length of 32 bits.", &[0xdf, 0, 0, 0, 1, 0xa1, b'a', 0xc0]),
        bad("ext-sized-1", "An extension of one byte with a length.", &[0xc7, 1, 1, b'5']),
        bad(
            "ext-sized-4",
            "An extension of four bytes with a length.",
            &[0xc7, 4, 1, b'1', b'.', b'2', b'5'],
        ),
        bad(
            "ext-16-bits",
            "An extension of three bytes with a length of 16 bits.",
            &[0xc8, 0, 3, 1, b'1', b'.', b'5'],
        ),
        bad("members-twice", "A member twice.", &map(&[("a", vec![1]), ("a", vec![1])])),
        bad("members-order", "Members out of order.", &map(&[("b", vec![1]), ("a", vec![1])])),
        bad(
            "members-order-letter-case",
            "Members in the order of a dictionary: `a` before `B`.",
            &map(&[("a", vec![1]), ("B", vec![1])]),
        ),
        document(
            "columns-order",
            "Columns out of order.",
            list(&[map(&[("b", vec![1]), ("a", vec![1])])]),
            Some("not-canonical"),
        ),
        bad("number-integer", "An integer of 64 bits as extension 1.", &number("17")),
        bad("number-leading-zero", "A number with a leading zero.", &number("01.5")),
        bad("number-plus", "A number with a plus sign.", &number("+1.5")),
        bad("number-no-fraction", "A number that ends in its point.", &number("1.")),
        bad("number-no-whole", "A number that begins with its point.", &number(".5")),
        bad("number-infinite", "Infinity is no number of JSON.", &number("Infinity")),
        bad("number-empty", "A number without a digit.", &number("")),
        bad("number-blank", "A number with a blank behind it.", &number("1.5 ")),
        bad("number-hexadecimal", "A hexadecimal number.", &number("0x1F.8")),
    ]
}

fn shapes() -> Vec<Small> {
    let short = |name, what, bytes: &[u8]| document(name, what, bytes.to_vec(), Some("short"));
    let wrong = |name, what, bytes: &[u8]| document(name, what, bytes.to_vec(), Some("type"));
    let trailing = |name, what, bytes: &[u8]| document(name, what, bytes.to_vec(), Some("trailing"));
    let utf8 = |name, what, bytes: Vec<u8>| document(name, what, bytes, Some("utf-8"));
    vec![
        short("no-bytes", "No byte at all.", &[]),
        short("ends-in-column", "It ends in the middle of a text.", &[0x91, 0x81, 0xa1, b'A', 0xa3, b'x']),
        short("ends-before-body", "Two parts are announced and one is there.", &[0x92, 0x80]),
        short(
            "huge-list",
            "A list of 2^32 - 1 elements, of which none is there: no memory is reserved for it.",
            &[0x92, 0x80, 0xdd, 0xff, 0xff, 0xff, 0xff],
        ),
        short(
            "huge-map",
            "An object of 2^32 - 1 members, of which none is there.",
            &[0x92, 0x80, 0xdf, 0xff, 0xff, 0xff, 0xff],
        ),
        short(
            "huge-text",
            "A text of 2^32 - 1 bytes, of which none is there.",
            &[0x92, 0x80, 0xdb, 0xff, 0xff, 0xff, 0xff],
        ),
        trailing("trailing-byte", "A byte follows the document.", &[0x91, 0x80, 0xc0]),
        trailing("trailing-zeros", "Zeros follow the document.", &[0x92, 0x80, 0xc0, 0, 0]),
        wrong("not-an-array", "An object where the array of columns and body belongs.", &[0x80]),
        short("no-parts", "An array without columns.", &[0x90]),
        wrong("three-parts", "An array of three parts.", &[0x93, 0x80, 0xc0, 0xc0]),
        wrong("columns-list", "The columns are a list.", &[0x91, 0x90]),
        wrong("columns-null", "The columns are null.", &[0x91, 0xc0]),
        wrong("float-32", "A float of 32 bits.", &column(&[0xca, 0x3f, 0x80, 0, 0])),
        wrong(
            "float-64",
            "A float of 64 bits, where an integer would do.",
            &column(&[&[0xcb][..], &1f64.to_be_bytes()].concat()),
        ),
        wrong("never-used", "The byte that MessagePack never uses.", &column(&[0xc1])),
        wrong("member-name-integer", "A member whose name is an integer.", &column(&[0x81, 1, 0xc0])),
        wrong("member-name-bytes", "A member whose name is bytes.", &column(&[0x81, 0xc4, 1, b'a', 0xc0])),
        utf8("text-not-utf-8", "A text that is not UTF-8.", column(&[0xa1, 0xff])),
        utf8("text-surrogate", "A surrogate in UTF-8.", column(&[0xa3, 0xed, 0xa0, 0x80])),
        utf8("text-overlong", "An overlong zero in UTF-8.", column(&[0xa2, 0xc0, 0x80])),
        utf8("name-not-utf-8", "A column's name is not UTF-8.", vec![0x91, 0x81, 0xa1, 0xff, 0xc0]),
        document("too-deep", "A null within 129 lists.", nested(129), Some("too-deep")),
        document(
            "too-deep-references",
            "A text within 129 references.",
            column(&references(129)),
            Some("too-deep"),
        ),
    ]
}

fn references(depth: usize) -> Vec<u8> {
    (0..depth).fold(text("x"), |value, _| long_reference(&value))
}

/// A reference to a `K` whose key is one part, of any length.
fn long_reference(part: &[u8]) -> Vec<u8> {
    let payload = [&[0x92, 0xa1, b'K'][..], part].concat();
    match u8::try_from(payload.len()) {
        Ok(_) => extension(2, &payload),
        Err(_) => [&[0xc8][..], &(payload.len() as u16).to_be_bytes(), &[2], &payload].concat(),
    }
}

fn extensions() -> Vec<Small> {
    let wrong = |name, what, value: Vec<u8>| document(name, what, column(&value), Some("type"));
    vec![
        wrong("ext-unknown", "Extension 5.", extension(5, b"xyz")),
        wrong("ext-0", "Extension 0.", extension(0, b"xyz")),
        wrong("ext-timestamp", "Extension -1: MessagePack's time stamp.", extension(0xff, &[0; 4])),
        wrong("secret-with-bytes", "A secret place with a payload.", extension(4, b"xyz")),
        wrong("reference-empty", "A reference without a kind.", extension(2, &list(&[]))),
        wrong("reference-not-a-list", "A reference that is a text.", extension(2, &text("Project"))),
        wrong(
            "reference-kind",
            "A reference whose kind is an integer.",
            extension(2, &list(&[vec![1], text("a")])),
        ),
        wrong("reference-part-list", "A list in a key.", reference("Project", &[list(&[text("a")])])),
        wrong("reference-part-map", "An object in a key.", reference("Project", &[map(&[])])),
        wrong("reference-part-bytes", "Bytes in a key.", reference("Project", &[vec![0xc4, 1, 7]])),
        wrong("reference-part-secret", "A secret place in a key.", reference("Project", &[secret()])),
        wrong("dangling-no-id", "A dangling reference without an id.", extension(3, &list(&[text("Feed")]))),
        wrong(
            "dangling-two-ids",
            "A dangling reference with two ids.",
            extension(3, &list(&[text("Feed"), text("a"), text("b")])),
        ),
        document(
            "reference-trailing",
            "A byte follows the list in a reference.",
            column(&extension(2, &[list(&[text("Feed"), text("a")]), vec![0xc0]].concat())),
            Some("trailing"),
        ),
        document(
            "reference-short",
            "The list in a reference goes on behind its end.",
            column(&extension(2, &[0x92, 0xa1, b'F'])),
            Some("short"),
        ),
        document(
            "number-not-utf-8",
            "A number that is not UTF-8.",
            column(&extension(1, &[0xff, 0xfe, 0xfd])),
            Some("utf-8"),
        ),
    ]
}

fn keys() -> Vec<Small> {
    let key = |name: &str, what, text: &str, refused| Small {
        name: format!("key-{name}"),
        what,
        extension: "json",
        bytes: text.as_bytes().to_vec(),
        refused,
        places: &[],
    };
    let deep = |name, what, references: usize, refused| {
        let text = format!("[{}\"x\"{}]", "{\"A\":[".repeat(references), "]}".repeat(references));
        key(name, what, &text, refused)
    };
    let good = |name, what, text| key(name, what, text, None);
    let bad = |name, what, text| key(name, what, text, Some("not-canonical"));
    vec![
        good("ok-name", "One name.", r#"["Web shop"]"#),
        good("ok-no-parts", "A key without parts.", "[]"),
        good(
            "ok-scalars",
            "Null, truth values and numbers.",
            "[null,true,false,0,-7,9223372036854775808,1.50,-0,1e5]",
        ),
        good("ok-reference", "A key within a key.", r#"[{"Project":[{"Space":["Default"]},"Web"]},"x"]"#),
        good("ok-dangling", "A dangling reference.", r#"[{"?Feed":["feeds-1"]}]"#),
        good("ok-escapes", "The escapes there are.", r#"["\"\\\b\t\n\f\r\u0000\u001f"]"#),
        good(
            "ok-no-escape",
            "What is not escaped: a slash, U+007F, any other letter.",
            "[\"/\u{7f}\u{2028}é🔑\"]",
        ),
        good("ok-dangling-no-kind", "A dangling reference of no known kind.", r#"[{"??":["x-1"]}]"#),
        deep("ok-deepest", "127 arrays and objects are open at once.", 63, None),
        deep("too-deep", "129 arrays and objects are open at once.", 64, Some("not-canonical")),
        bad("kind-escaped", "An escape in the name of a kind.", r#"[{"A"":["x"]}]"#),
        bad(
            "dangling-reference-id",
            "A dangling reference whose id is a reference.",
            r#"[{"?A":[{"B":["x"]}]}]"#,
        ),
        bad("blank", "A blank.", r#"["a", "b"]"#),
        bad("line-end", "A line end behind the key.", "[\"a\"]\n"),
        bad("byte-order-mark", "A byte order mark.", "\u{feff}[\"a\"]"),
        bad("slash-escaped", "A slash is escaped.", r#"["a\/b"]"#),
        bad("upper-case-escape", "An escape in upper case.", r#"["\u001F"]"#),
        bad("long-escape", "A line end as `\\u000a`.", r#"["\u000a"]"#),
        bad("letter-escaped", "A letter is escaped.", r#"["\u00e9"]"#),
        bad("control-character", "A control character that is not escaped.", "[\"a\tb\"]"),
        bad("lone-surrogate", "Half a pair of surrogates.", r#"["\ud83d"]"#),
        bad("not-a-list", "A text.", r#""Web""#),
        bad("list-in-list", "A list in a key.", r#"[["a"]]"#),
        bad("two-members", "An object of two members.", r#"[{"A":["x"],"B":["y"]}]"#),
        bad("no-member", "An object without a member.", "[{}]"),
        bad("reference-not-a-list", "A reference that holds a text.", r#"[{"Project":"Web"}]"#),
        bad("dangling-two-ids", "A dangling reference with two ids.", r#"[{"?Feed":["a","b"]}]"#),
        bad("dangling-list", "A dangling reference whose id is a list.", r#"[{"?Feed":[["a"]]}]"#),
        bad("two-values", "Two lists.", r#"["a"]["b"]"#),
        bad("open", "A list that does not end.", r#"["a""#),
        bad("number-plus", "A number with a plus sign.", "[+1]"),
        bad("number-leading-zero", "A number with a leading zero.", "[01]"),
        bad("literal", "A word that is no literal.", "[True]"),
        bad("no-bytes", "No byte at all.", ""),
    ]
}
