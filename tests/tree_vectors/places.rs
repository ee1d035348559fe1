//! Which names a reader takes, and which not.

use crate::case::{Case, WEB, digits, feed, web};

const ESCAPES: &str = "becomes `%XX`, upper-case hexadecimal, for each byte of its UTF-8";
const DEVICE: &str = "the first character of a device's name";
const SUFFIX: &str = "A reader MUST accept a name with or without its suffix";
const FOLDED: &str = "in any case and composition (compared by folding)";

fn environment(owner: &str) -> String {
    format!(
        "{{\n  \"kind\": \"Environment\",\n  \"key\": [{owner}\"Prod\"],\n  \"columns\": {{\n    \"Name\": \"Prod\"\n  }}\n}}\n"
    )
}

const SPACE: &str = "{ \"Space\": [\"A\"] }, ";

pub fn cases() -> Vec<Case> {
    [taken(), refused(), others()].into_iter().flatten().collect()
}

fn taken() -> Vec<Case> {
    let own = digits(&["Feed", r#"["Web"]"#]);
    let space = digits(&["Space", r#"["A"]"#]);
    let prod = digits(&["Environment", r#"[{"Space":["A"]},"Prod"]"#]);
    let at = |name, what, why, path: String| Case::ok(name, what, why).file(path, web("null"));
    let below = |name, what, why, path: String| Case::ok(name, what, why).file(path, environment(SPACE));
    vec![
        at("path", "A document where it belongs.", "compared by folding", WEB.to_owned()),
        at("path-suffix", "A suffix that nothing asks for.", SUFFIX, format!("Feed/Web~{own}.json")),
        below(
            "path-owner-suffix",
            "The owner's name has its suffix, the document's has none.",
            SUFFIX,
            format!("Space/A~{space}/Environment/Prod.json"),
        ),
        below(
            "path-both-suffixes",
            "Each name on the way has its suffix.",
            SUFFIX,
            format!("Space/A~{space}/Environment/Prod~{prod}.json"),
        ),
        at(
            "path-case",
            "A disk kept everything in another case, the end too.",
            FOLDED,
            "FEED/wEB.JSON".to_owned(),
        ),
        at(
            "path-suffix-case",
            "Digits in upper case.",
            FOLDED,
            format!("Feed/web~{}.json", own.to_uppercase()),
        ),
        at(
            "path-long",
            "The path of a name that would be too long, for one that is not.",
            "A reader MUST accept this path for any document",
            format!("_long/Feed/Web~{own}.json"),
        ),
        Case::ok("path-composition", "A disk that takes names apart.", FOLDED)
            .file("Feed/e\u{301}.json", feed("\"\u{e9}\"", "null")),
        Case::ok(
            "path-sigma",
            "A sigma ends the name, and the file's name goes on.",
            "\u{3a3} is \u{3c3} at the end of a word too",
        )
        .file("Feed/\u{391}\u{3a3}.json", feed("\"\u{391}\u{3a3}\"", "null")),
        Case::ok("path-escape-case", "An escape in lower case.", FOLDED)
            .file("Feed/a%2fb.json", feed("\"a/b\"", "null")),
        Case::ok(
            "path-no-name",
            "A kind that has one document, as a file at the root.",
            "and so is a file at the root that is called so before its `.json`",
        )
        .file("Feed.json", web("null").replace("[\"Web\"]", "[]")),
        Case::ok(
            "path-dangling-owner",
            "A document whose owner the source did not have.",
            "or begins with `%3F`",
        )
        .file(
            "%3FProject/Projects-7/VariableSet.json",
            r#"{
  "kind": "VariableSet",
  "key": [{ "?Project": ["Projects-7"] }],
  "columns": {
    "OwnerId": { "$dangling": { "Project": "Projects-7" } }
  },
  "body": {
    "Variables": []
  }
}
"#,
        ),
        Case::ok(
            "order",
            "The content root takes kinds and keys in order of their bytes, wherever the files lie.",
            "A bundle becomes a tree and the tree a bundle of the **same content root**.",
        )
        .file("Feed/a.json", feed("\"a\"", "null"))
        .file("Feed/B.json", feed("\"B\"", "null"))
        .file("Environment/Prod.json", environment(""))
        .file("Space/A/Environment/Prod.json", environment(SPACE)),
    ]
}

fn refused() -> Vec<Case> {
    let why = "The path of a document follows from its kind and key and nothing else";
    let (own, other) = (digits(&["Feed", r#"["Web"]"#]), digits(&["Feed", r#"["WEB"]"#]));
    let at = |name: &str, what, why, path: &str| {
        Case::finding(name, what, why, path, "key").file(path, web("null"))
    };
    let fold = "No two files of a tree fold to the same path: a reader MUST refuse the second";
    let twice = "a second document of the key";
    let long = "x".repeat(101);
    let cut = digits(&["Feed", &format!("[\"{long}\"]")]);
    let cut_twice = format!("Feed/{}~{cut}~{cut}.json", "x".repeat(60));
    let suffixed = format!("Feed/Web~{own}.json");
    let upper = format!("Feed/WEB~{other}.json");
    vec![
        at("path-other-name", "The file of another name.", why, "Feed/Other.json"),
        at("path-other-kind", "The folder of another kind.", why, "Team/Web.json"),
        at("path-deeper", "A folder too many.", why, "Feed/Web/Web.json"),
        at("path-in-kind", "The name of the kind stands twice.", why, "Feed/Feed/Web.json"),
        at("path-longer", "A name that goes on.", why, "Feed/Web shop.json"),
        at("path-blank", "A blank behind the name.", why, "Feed/Web .json"),
        at("path-json-twice", "The end of a document's file twice.", why, "Feed/Web.json.json"),
        at(
            "path-suffix-zeros",
            "A suffix of zeros.",
            "A suffix that is not its own is another name.",
            "Feed/Web~0000000000000000.json",
        ),
        at(
            "path-suffix-of-another",
            "The suffix of a name in another case.",
            "A suffix that is not its own is another name.",
            &format!("Feed/Web~{other}.json"),
        ),
        at(
            "path-suffix-short",
            "Half a suffix.",
            "A suffix that is not its own is another name.",
            &format!("Feed/Web~{}.json", &own[..8]),
        ),
        at(
            "path-suffix-empty",
            "A `~` and no digits.",
            "A suffix that is not its own is another name.",
            "Feed/Web~.json",
        ),
        at(
            "path-suffix-twice",
            "The suffix twice.",
            "A suffix that is not its own is another name.",
            &format!("Feed/Web~{own}~{own}.json"),
        ),
        at(
            "path-long-zeros",
            "The other path, with digits of no document.",
            "A reader MUST accept this path for any document",
            "_long/Feed/Web~0000000000000000.json",
        ),
        at(
            "path-long-without-digits",
            "The other path, without digits.",
            "is `_long/KIND/BEGIN~DIGITS.json`",
            "_long/Feed/Web.json",
        ),
        at(
            "path-long-other-begin",
            "The other path, with the name of another.",
            "is `_long/KIND/BEGIN~DIGITS.json`",
            &format!("_long/Feed/Wob~{own}.json"),
        ),
        Case::finding(
            "path-without-owner",
            "A document that has an owner lies where those without one do.",
            why,
            "Environment/Prod.json",
            "key",
        )
        .file("Environment/Prod.json", environment(SPACE)),
        Case::finding(
            "path-of-other-owner",
            "A document lies with another owner.",
            why,
            "Space/B/Environment/Prod.json",
            "key",
        )
        .file("Space/B/Environment/Prod.json", environment(SPACE)),
        Case::finding(
            "path-cut-and-suffix",
            "A name that is cut, with a suffix.",
            "its digits are a part of it, and it takes no suffix",
            &cut_twice,
            "key",
        )
        .file(cut_twice.as_str(), feed(&format!("\"{long}\""), "null")),
        Case::finding(
            "path-not-escaped",
            "A name with a `~` that is not escaped.",
            ESCAPES,
            "Feed/a~b.json",
            "key",
        )
        .file("Feed/a~b.json", feed("\"a~b\"", "null")),
        Case::finding(
            "path-device-not-escaped",
            "A device's name that is not escaped.",
            DEVICE,
            "Feed/aux.json",
            "key",
        )
        .file("Feed/aux.json", feed("\"aux\"", "null")),
        Case::finding(
            "path-two-of-one",
            "Two files in two compositions of one path.",
            fold,
            "Feed/\u{e9}.json",
            "",
        )
        .file("Feed/e\u{301}.json", feed("\"e\u{301}\"", "null"))
        .file("Feed/\u{e9}.json", feed("\"\u{e9}\"", "null")),
        Case::finding("path-two-cases", "Two files in two cases of one path.", fold, WEB, "")
            .file("Feed/WEB.json", feed("\"WEB\"", "null"))
            .file(WEB, web("null")),
        Case::finding(
            "key-twice",
            "One document in two files, once with its suffix.",
            twice,
            &suffixed,
            "key",
        )
        .file(WEB, web("null"))
        .file(suffixed.as_str(), web("null")),
        Case::finding(
            "key-twice-long",
            "One document in two files, once where long paths lie.",
            twice,
            &format!("_long/Feed/Web~{own}.json"),
            "key",
        )
        .file(WEB, web("null"))
        .file(format!("_long/Feed/Web~{own}.json"), web("null")),
        Case::finding(
            "key-twice-as-the-product-has-it",
            "Two keys that differ in case, for a product that compares names without.",
            "their keys are, as the product compares names",
            WEB,
            "key",
        )
        .needs_model()
        .file(upper, feed("\"WEB\"", "null"))
        .file(WEB, web("null")),
    ]
}

fn others() -> Vec<Case> {
    let deep = format!("Feed{}", "/d".repeat(64));
    let passed = "Anything else is somebody else's: a reader passes over it";
    vec![
        Case::ok("other-files", "Files and folders of somebody else, one with JSON that is none.", passed)
            .file(WEB, web("null"))
            .file("README.md", "# Ours\n")
            .file("package.json", "{")
            .file("docs/x.json", "{")
            .file(".git/config.json", "{")
            .file(".gitattributes", "* -text\n")
            .file("Feed/notes.txt", "x")
            .file("Feed.txt", "x")
            .file("Feeds/x.json", "{")
            .file("My Feed/x.json", "{"),
        Case::finding(
            "other-document",
            "A file among documents that is none.",
            "below these every file that ends in `.json` is a document",
            "Feed/a/notes.json",
            "",
        )
        .file(WEB, web("null"))
        .file("Feed/a/notes.json", "notes\n"),
        Case::finding(
            "other-case",
            "A file among documents, its end in upper case.",
            "Names are compared here by folding (below), `.json` too",
            "Feed/notes.JSON",
            "",
        )
        .file("Feed/notes.JSON", "notes\n"),
        Case::finding(
            "other-kind-case",
            "A folder called as a kind, in lower case.",
            "no document is lost because a disk has changed the case of its name",
            "feed/x.json",
            "",
        )
        .file("feed/x.json", "notes\n"),
        Case::finding(
            "other-suffix",
            "A folder called as a kind with a suffix.",
            "or that and a `~` and anything",
            "Feed~x/x.json",
            "",
        )
        .file("Feed~x/x.json", "notes\n"),
        Case::finding(
            "other-root-file",
            "A file at the root that is called as a kind.",
            "and so is a file at the root that is called so before its `.json`",
            "Feed.json",
            "",
        )
        .file("Feed.json", "notes\n"),
        Case::finding("folders-too-deep", "65 folders in each other.", "folders in each other", &deep, "")
            .file(format!("{deep}/x.json"), web("null")),
    ]
}
