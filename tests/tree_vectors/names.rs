//! Paths: what documents are called.

use crate::case::{Case, digits};

const ESCAPES: &str = "becomes `%XX`, upper-case hexadecimal, for each byte of its UTF-8";
const DEVICE: &str = "the first character of a device's name";
const CLASH: &str = "In every path through one that clashes `~` and its digits stand after its name";
const CUT: &str = "An escaped name of more than 100 bytes is cut";

pub fn cases() -> Vec<Case> {
    [keys(), escapes(), clashes(), long()].into_iter().flatten().collect()
}

fn keys() -> Vec<Case> {
    vec![
        Case::paths(
            "owners",
            "A document lies with its owner, whose folder stands beside the owner's file.",
            "A document that owns others is the file beside the folder of the same name",
            &[
                ("Space", r#"["Default"]"#, "Space/Default.json"),
                ("Project", r#"[{"Space":["Default"]},"Web shop"]"#, "Space/Default/Project/Web shop.json"),
                (
                    "DeploymentProcess",
                    r#"[{"Project":[{"Space":["Default"]},"Web shop"]}]"#,
                    "Space/Default/Project/Web shop/DeploymentProcess.json",
                ),
            ],
        ),
        Case::paths(
            "null-owner",
            "A first part that is null says nothing; another null does.",
            "without a first part that is null",
            &[
                ("Team", r#"[null,"Everyone"]"#, "Team/Everyone.json"),
                ("Team", r#"[null,null]"#, "Team/-.json"),
                ("Team", r#"["a",null]"#, "Team/a, -.json"),
            ],
        ),
        Case::paths(
            "scalars",
            "Numbers and truth values are spelled as in a key's text.",
            "a number as in key text; true and false so",
            &[
                (
                    "Certificate",
                    r#"["a",2,-7,1.50,1e5,true,false]"#,
                    "Certificate/a, 2, -7, 1.50, 1e5, true, false.json",
                ),
                ("Certificate", r#"[7]"#, "Certificate/7.json"),
            ],
        ),
        Case::paths(
            "references",
            "A reference that is not the owner is the rest of its key.",
            "a reference is the rest of its own key, spelled likewise",
            &[
                (
                    "ScopedUserRole",
                    r#"[{"Space":["A"]},{"Team":[{"Space":["A"]},"Ops"]},{"UserRole":["Reader"]}]"#,
                    "Space/A/ScopedUserRole/Ops, Reader.json",
                ),
                (
                    "ScopedUserRole",
                    r#"["x",{"Certificate":[{"Space":["A"]},"a",2]}]"#,
                    "ScopedUserRole/x, a, 2.json",
                ),
            ],
        ),
        Case::paths(
            "reference-without-rest",
            "Of a key that is its owner alone the owner's rest is shown; of one without parts the kind.",
            "where that is empty, the first part of its key, spelled likewise; where its key has no part, its kind",
            &[
                (
                    "Deployment",
                    r#"["x",{"VariableSet":[{"Project":[{"Space":["A"]},"Web"]}]}]"#,
                    "Deployment/x, Web.json",
                ),
                (
                    "Deployment",
                    r#"["x",{"VariableSet":[{"?Project":["Projects-7"]}]}]"#,
                    "Deployment/x, %3FProjects-7.json",
                ),
                (
                    "Deployment",
                    r#"["x",{"Lifecycle":[]},{"Lifecycle":[null]}]"#,
                    "Deployment/x, Lifecycle, -.json",
                ),
            ],
        ),
        Case::paths(
            "dangling",
            "Dangling references, as an owner and within a name.",
            "A dangling owner of kind K and id X stands for an owner of kind `?K` with the key `[X]`",
            &[
                ("VariableSet", r#"[{"?Project":["Projects-7"]}]"#, "%3FProject/Projects-7/VariableSet.json"),
                ("VariableSet", r#"[{"?Project":[17]},"a"]"#, "%3FProject/17/VariableSet/a.json"),
                ("VariableSet", r#"[{"?Project":[null]}]"#, "%3FProject/VariableSet.json"),
                ("VariableSet", r#"["a",{"?Project":["Projects-7"]}]"#, "VariableSet/a, %3FProjects-7.json"),
                ("VariableSet", r#"[{"??":["x-1"]}]"#, "%3F%3F/x-1/VariableSet.json"),
            ],
        ),
        Case::paths(
            "no-name",
            "A key without a rest leaves the kind alone.",
            "`NAME` is there where the rest is not empty",
            &[("Settings", "[]", "Settings.json"), ("Licence", "[null]", "Licence.json")],
        ),
        Case::paths(
            "kinds",
            "Kinds are escaped as names are.",
            "`KIND` is the kind, escaped and cut",
            &[
                ("a/b", r#"["x"]"#, "a%2Fb/x.json"),
                ("CON", r#"["x"]"#, "%43ON/x.json"),
                ("_long", r#"["x"]"#, "_long/x.json"),
            ],
        ),
    ]
}

fn escapes() -> Vec<Case> {
    vec![
        Case::paths(
            "characters",
            "What some system does not take in a name, and what paths mean by themselves.",
            ESCAPES,
            &[
                ("User", r#"["<>:\"/\\|?*%~"]"#, "User/%3C%3E%3A%22%2F%5C%7C%3F%2A%25%7E.json"),
                ("User", r#"["a/b"]"#, "User/a%2Fb.json"),
                ("User", r#"["C:\\x"]"#, "User/C%3A%5Cx.json"),
            ],
        ),
        Case::paths(
            "control-characters",
            "Control characters, those above U+007E too.",
            "control characters (general category Cc)",
            &[
                ("User", r#"["a\tb\u0000"]"#, "User/a%09b%00.json"),
                ("User", "[\"a\u{7f}b\u{85}\"]", "User/a%7Fb%C2%85.json"),
            ],
        ),
        Case::paths(
            "invisible",
            "Characters that nobody sees, or that turn the order around.",
            "U+00AD, U+200B to U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF",
            &[
                ("User", "[\"evil\u{202e}gpj\"]", "User/evil%E2%80%AEgpj.json"),
                (
                    "User",
                    "[\"\u{ad}\u{200b}\u{200f}\u{2028}\u{2060}\u{206f}\u{feff}\"]",
                    "User/%C2%AD%E2%80%8B%E2%80%8F%E2%80%A8%E2%81%A0%E2%81%AF%EF%BB%BF.json",
                ),
                ("User", "[\"\u{a0}\u{2010}\u{202f}\u{2070}\"]", "User/\u{a0}\u{2010}\u{202f}\u{2070}.json"),
            ],
        ),
        Case::paths(
            "dots-and-blanks",
            "Dots and blanks at the ends; within they stay.",
            "the first and the last character, where it is a dot or a blank (U+0020)",
            &[
                ("User", r#"[".."]"#, "User/%2E%2E.json"),
                ("User", r#"["."]"#, "User/%2E.json"),
                ("User", r#"["...."]"#, "User/%2E..%2E.json"),
                ("User", r#"[".git"]"#, "User/%2Egit.json"),
                ("User", r#"["  a . b  "]"#, "User/%20 a . b %20.json"),
            ],
        ),
        Case::paths(
            "empty",
            "An empty name, and an empty part of one.",
            "an empty one is `%`",
            &[("User", r#"[""]"#, "User/%.json"), ("User", r#"["",""]"#, "User/,%20.json")],
        ),
        Case::paths(
            "underscore",
            "A name that is one underscore.",
            "the `_` of a name that is nothing else",
            &[
                ("User", r#"["_"]"#, "User/%5F.json"),
                ("User", r#"["__"]"#, "User/__.json"),
                ("User", r#"["_long"]"#, "User/_long.json"),
            ],
        ),
        Case::paths(
            "devices",
            "Names that Windows takes for devices, whatever follows their first dot.",
            DEVICE,
            &[
                ("User", r#"["CON"]"#, "User/%43ON.json"),
                ("User", r#"["nul.txt"]"#, "User/%6Eul.txt.json"),
                ("User", r#"["aux .a.b"]"#, "User/%61ux .a.b.json"),
                ("User", r#"["PRN","x"]"#, "User/PRN, x.json"),
                ("User", r#"["com0"]"#, "User/%63om0.json"),
                ("User", "[\"LPT³\"]", "User/%4CPT³.json"),
                ("User", r#"["conin$"]"#, "User/%63onin$.json"),
                ("User", r#"["CONOUT$"]"#, "User/%43ONOUT$.json"),
                ("User", r#"["Clock$"]"#, "User/%43lock$.json"),
            ],
        ),
        Case::paths(
            "no-devices",
            "Names that only look like devices.",
            DEVICE,
            &[
                ("User", r#"["CONS"]"#, "User/CONS.json"),
                ("User", r#"["COM"]"#, "User/COM.json"),
                ("User", r#"["COM10"]"#, "User/COM10.json"),
                ("User", "[\"con\u{131}n$\"]", "User/con\u{131}n$.json"),
                ("User", "[\"COM\u{2074}\"]", "User/COM\u{2074}.json"),
            ],
        ),
        Case::paths(
            "json",
            "A name that ends as a file does; within it stays.",
            "no folder is called as a file",
            &[
                ("User", r#"["appsettings.json"]"#, "User/appsettings%2Ejson.json"),
                ("User", r#"["X.JSON"]"#, "User/X%2EJSON.json"),
                ("User", "[\"y.j\u{17f}on\"]", "User/y%2Ej\u{17f}on.json"),
                ("User", r#"[".json"]"#, "User/%2Ejson.json"),
                ("User", r#"["a.json.b"]"#, "User/a.json.b.json"),
                ("User", r#"["json"]"#, "User/json.json"),
            ],
        ),
        Case::paths(
            "composition",
            "Names are composed before anything else.",
            "the text in Unicode normalisation form C",
            &[
                ("User", "[\"e\u{301}\"]", "User/\u{e9}.json"),
                ("User", "[\"\u{212a}\"]", "User/K.json"),
                ("User", "[\"a\u{301}\u{327}\"]", "User/\u{e1}\u{327}.json"),
            ],
        ),
    ]
}

fn clashes() -> Vec<Case> {
    vec![
        Case::paths(
            "clash-case",
            "Names that differ in case only.",
            CLASH,
            &[
                ("Feed", r#"["Web"]"#, "Feed/Web~54da665fd03ba3a3.json"),
                ("Feed", r#"["WEB"]"#, "Feed/WEB~3365314d388df4c0.json"),
                ("Feed", r#"["Wob"]"#, "Feed/Wob.json"),
            ],
        ),
        Case::paths(
            "clash-composition",
            "Keys that differ in composition only.",
            "Two documents or owners of a tree *clash* when their paths, without any suffix, fold to the same",
            &[
                ("Feed", "[\"e\u{301}\"]", "Feed/\u{e9}~#.json"),
                ("Feed", "[\"\u{e9}\"]", "Feed/\u{e9}~#.json"),
                ("Feed", "[\"\u{c9}\"]", "Feed/\u{c9}~#.json"),
            ],
        ),
        Case::paths(
            "clash-folding",
            "Letters that some system takes for one, and others do not.",
            "form C, lower case, form C, upper case, lower case, form C",
            &[
                ("Feed", "[\"stra\u{df}e\"]", "Feed/stra\u{df}e~#.json"),
                ("Feed", r#"["STRASSE"]"#, "Feed/STRASSE~#.json"),
                ("Feed", "[\"\u{3c3}\u{3c2}\"]", "Feed/\u{3c3}\u{3c2}~#.json"),
                ("Feed", "[\"\u{3a3}\u{3a3}\"]", "Feed/\u{3a3}\u{3a3}~#.json"),
                ("Feed", "[\"\u{131}\"]", "Feed/\u{131}~#.json"),
                ("Feed", r#"["i"]"#, "Feed/i~#.json"),
            ],
        ),
        Case::paths(
            "clash-of-owners",
            "What is owned has its owner's suffix in its path, and its own only where it clashes too.",
            CLASH,
            &[
                ("Project", r#"["Web"]"#, "Project/Web~#.json"),
                ("Project", r#"["WEB"]"#, "Project/WEB~#.json"),
                ("Channel", r#"[{"Project":["Web"]},"a"]"#, "Project/Web~@/Channel/a~#.json"),
                ("Channel", r#"[{"Project":["WEB"]},"A"]"#, "Project/WEB~@/Channel/A~#.json"),
                ("Channel", r#"[{"Project":["WEB"]},"b"]"#, "Project/WEB~@/Channel/b.json"),
            ],
        ),
        Case::paths(
            "clash-of-absent-owners",
            "Owners clash though only what they own is there.",
            "Two documents or owners of a tree *clash*",
            &[
                ("Channel", r#"[{"Project":["Web"]},"a"]"#, "Project/Web~@/Channel/a.json"),
                ("Channel", r#"[{"Project":["WEB"]},"b"]"#, "Project/WEB~@/Channel/b.json"),
            ],
        ),
        Case::paths(
            "clash-of-kinds-of-name",
            "A null in front of a key changes nothing in the path.",
            CLASH,
            &[("Team", r#"["a"]"#, "Team/a~#.json"), ("Team", r#"[null,"a"]"#, "Team/a~#.json")],
        ),
        Case::paths(
            "clash-without-name",
            "Where there is no name the digits follow the kind.",
            "(after the kind where there is no name)",
            &[("Settings", "[]", "Settings~#.json"), ("Settings", "[null]", "Settings~#.json")],
        ),
    ]
}

fn long() -> Vec<Case> {
    let x = "x".repeat(100);
    let cut = |kind: &str, key: &str, kept: &str| format!("{kind}/{kept}~{}.json", digits(&[kind, key]));
    let key = |name: &str| format!("[\"{name}\"]");
    let one = |name, what, why, text: &str, kept: &str| {
        let key = key(text);
        let path = cut("User", &key, kept);
        Case::paths(name, what, why, &[("User", &key, &path)])
    };
    let deep =
        format!("[{{\"Project\":[{{\"Space\":[\"{}\"]}},\"{}\"]}},\"a: b\"]", "s".repeat(90), "p".repeat(90));
    let nameless =
        format!("[{{\"Project\":[{{\"Space\":[\"{}\"]}},\"{}\"]}}]", "s".repeat(90), "p".repeat(90));
    let kind = "k".repeat(101);
    let (first, second) = (format!("{}a", "y".repeat(100)), format!("{}b", "Y".repeat(100)));
    vec![
        Case::paths(
            "longest",
            "A name of 100 bytes is not cut.",
            CUT,
            &[("User", &key(&x), &format!("User/{x}.json"))],
        ),
        one("cut", "A name of 101 bytes is cut to 60.", CUT, &format!("{x}x"), &"x".repeat(60)),
        one(
            "cut-escapes",
            "No escape is split: 59 bytes are left.",
            "or fewer so that no character and no `%XX` is split",
            &format!("aa{}", "/".repeat(40)),
            &format!("aa{}", "%2F".repeat(19)),
        ),
        one(
            "cut-characters",
            "No character is split: 59 bytes are left.",
            "or fewer so that no character and no `%XX` is split",
            &format!("a{}", "\u{e9}".repeat(60)),
            &format!("a{}", "\u{e9}".repeat(29)),
        ),
        Case::paths(
            "cut-alike",
            "What is cut to the same has digits already, and no others.",
            "A name that is cut does not clash",
            &[
                ("User", &key(&first), &cut("User", &key(&first), &"y".repeat(60))),
                ("User", &key(&second), &cut("User", &key(&second), &"Y".repeat(60))),
            ],
        ),
        Case::paths(
            "cut-kind",
            "A kind of more than 100 bytes has digits of its own; all its documents share the folder.",
            "with digits over the kind alone",
            &[
                (&kind, r#"["a"]"#, &format!("{}~{}/a.json", "k".repeat(60), digits(&[&kind]))),
                (&kind, r#"["b"]"#, &format!("{}~{}/b.json", "k".repeat(60), digits(&[&kind]))),
                (&kind, "[]", &format!("{}~{}.json", "k".repeat(60), digits(&[&kind]))),
            ],
        ),
        Case::paths(
            "long",
            "A path of more than 180 bytes.",
            "A file whose path has more than 180 bytes, suffixes and `.json` included",
            &[
                (
                    "VariableSet",
                    &deep,
                    &format!("_long/VariableSet/a%3A b~{}.json", digits(&["VariableSet", &deep])),
                ),
                (
                    "VariableSet",
                    &nameless,
                    &format!("_long/VariableSet/VariableSet~{}.json", digits(&["VariableSet", &nameless])),
                ),
            ],
        ),
        boundary(180),
        boundary(181),
        nested(64),
        nested(65),
    ]
}

/// A path with just so many folders.
fn nested(folders: usize) -> Case {
    // A folder for the kind and one for the name of each owner, and the kind's of the document.
    let owners = (folders - 1) / 2 + (folders - 1) % 2;
    let owner = (1..owners).fold(r#"["x"]"#.to_owned(), |key, _| format!("[{{\"K\":{key}}},\"x\"]"));
    let chain = vec!["K/x"; owners].join("/");
    let (key, path) = match folders {
        64 => (format!("[{{\"K\":{owner}}}]"), format!("{chain}/K.json")),
        _ => {
            let key = format!("[{{\"K\":{owner}}},\"x\"]");
            let path = format!("_long/K/x~{}.json", digits(&["K", &key]));
            (key, path)
        }
    };
    let what = format!("A path in {folders} folders.");
    Case::paths(
        &format!("folders-{folders}"),
        &what,
        "or that lies in more than 64 folders",
        &[("K", &key, &path)],
    )
}

/// A path of just so many bytes.
fn boundary(bytes: usize) -> Case {
    // Space/…/Environment/….json
    let last = bytes - "Space/".len() - 80 - "/Environment/".len() - ".json".len();
    let (space, name) = ("s".repeat(80), "n".repeat(last));
    let key = format!("[{{\"Space\":[\"{space}\"]}},\"{name}\"]");
    let path = match bytes {
        180 => format!("Space/{space}/Environment/{name}.json"),
        _ => format!("_long/Environment/{}~{}.json", &name[..40], digits(&["Environment", &key])),
    };
    let what = format!("A path that has {bytes} bytes.");
    Case::paths(
        &format!("long-{bytes}"),
        &what,
        "A file whose path has more than 180 bytes",
        &[("Environment", &key, &path)],
    )
}
