//! The command: what it says, what it asks for, how it ends.

use super::by_hand::*;
use super::*;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs, and expects an exit code; returns what was said, errors after the answer.
fn said(args: &[&str], code: i32) -> (String, String) {
    let out = run(args);
    let (answer, error) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(out.status.code(), Some(code), "{args:?}\n{answer}\n{error}");
    (answer, error)
}

struct Commanded {
    folder: tempfile::TempDir,
    model: String,
    a: String,
    b: String,
    out: String,
    password: String,
    other_password: String,
}

/// Two bundles under two passwords, and the model they follow.
fn commanded() -> Commanded {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("shop.toml"), include_str!("../fixtures/shop.toml")).unwrap();
    std::fs::write(at("password"), "correct horse battery staple\n").unwrap();
    std::fs::write(at("other"), "another\n").unwrap();
    let web = |value: &'static str| doc("Project", "Web", "Projects-1").secret(Some(value));
    bundle_of(folder.path(), "a.sealift", vec![web("hush-a"), doc("Env", "A", "Envs-1")]);
    bundle_of(folder.path(), "first.sealift", vec![web("hush-b"), doc("Env", "B", "Envs-1")]);
    // The same under another password, by the command itself.
    let (model, first, other) = (at("shop.toml"), at("first.sealift"), at("other"));
    said(
        &[
            "merge",
            &first,
            "-o",
            &at("b.sealift"),
            "--model",
            &model,
            "--password-file",
            &at("password"),
            "--out-password-file",
            &other,
            "--kdf-memory",
            "8",
        ],
        0,
    );
    let (a, b, out, password) = (at("a.sealift"), at("b.sealift"), at("out.sealift"), at("password"));
    Commanded { folder, model, a, b, out, password, other_password: other }
}

#[test]
fn the_command_tells_conflicts_and_takes_decisions() {
    let Commanded { folder, model, a, b, out, password, other_password } = commanded();
    let for_b = format!("b={other_password}");
    let base = [
        "merge",
        &a,
        &b,
        "-o",
        &out,
        "--model",
        &model,
        "--password-file",
        &password,
        "--password-file-for",
        &for_b,
        "--kdf-memory",
        "8",
    ];
    let with = |more: &[&'static str]| base.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();

    let (answer, error) = said(&base, 4);
    for piece in ["CONFLICT Project Web", "a.sealift", "b.sealift differs:", "$.Password: secret changed"] {
        assert!(answer.contains(piece), "{piece}: {answer}");
    }
    assert!(
        error.contains("1 document differs between") && error.contains("hint: --prefer INPUT"),
        "{error}"
    );
    assert!(!Path::new(&out).exists());
    let (answer, _) = said(&with(&["--json"]), 4);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&json["outcome"], &json["undecided"]), (&"refused".into(), &1.into()));
    assert_eq!(json["conflicts"][0]["versions"][1]["changes"][0]["change"], "secret");
    assert!(!answer.contains("hush-a") && !answer.contains("hush-b"));

    let (answer, _) = said(&with(&["--dry-run", "--prefer", "Project/Web=b"]), 0);
    assert!(
        answer.contains("Web  from b.sealift, also in a.sealift") && answer.contains("A  from a.sealift"),
        "{answer}"
    );
    let (answer, _) = said(&with(&["--dry-run", "--prefer", "b", "--json"]), 0);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(json["documents"].as_array().unwrap().len(), 3);
    assert_eq!(json["documents"][2]["from"], "b.sealift");
    assert!(!Path::new(&out).exists());

    let (answer, _) = said(&with(&["--prefer", "Project=2"]), 0);
    assert!(
        answer.contains("~ Project Web  as in b.sealift") && answer.contains("3 documents, 1 secrets"),
        "{answer}"
    );
    // The output has the first input's password.
    assert_eq!(values(Path::new(&out)), [("Project Web $.Password".to_owned(), Some("hush-b".to_owned()))]);
    said(&["verify", &out, "--password-file", &password], 0);

    let (_, error) = said(&with(&["--prefer", "b"]), 1);
    assert!(error.contains("exists already"));
    let before = std::fs::read(&out).unwrap();
    let (answer, _) = said(&with(&["--prefer", "b", "--force", "--json"]), 0);
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&json["outcome"], &json["conflicts"][0]["chosen"]), (&"merged".into(), &"b.sealift".into()));
    assert!(before == std::fs::read(&out).unwrap(), "the same again is the same bytes");

    let (answer, _) = said(&["merge", &a, &b, "--no-secrets", "-o", &out, "--model", &model, "--force"], 0);
    assert!(answer.contains("0 of them decided"), "{answer}");
    assert!(open(Path::new(&out)).envelope().is_none());
    drop(folder);
}

#[test]
fn the_command_says_which_input_is_wrong() {
    let Commanded { folder, model, a, b, out, password, other_password } = commanded();
    let end = ["-o", &out, "--model", &model];
    let with = |more: &[&str], code: i32| {
        let args: Vec<&str> = ["merge", &a, &b].iter().chain(more).chain(&end).copied().collect();
        let (answer, error) = said(&args, code);
        assert!(answer.is_empty() && error.contains("hint: "), "{answer} {error}");
        assert!(!Path::new(&out).exists());
        error
    };
    // The first opens, the second does not.
    let error = with(&["--password-file", &password], 6);
    assert!(error.contains("b.sealift: wrong password"), "{error}");
    let (whole, numbered) = (format!("{b}={password}"), format!("2={other_password}"));
    let error = with(&["--password-file", &password, "--password-file-for", &whole], 6);
    assert!(error.contains("b.sealift: wrong password"), "{error}");
    let error = with(&["--password-file-for", &numbered], 6);
    assert!(error.contains("a password is needed"), "{error}");
    assert!(with(&["--password-file-for", "x=y"], 2).contains("names no input"));
    let right = ["--password-file", &password, "--password-file-for", &numbered];
    let prefer = |text: &str| with(&[&right[..], &["--prefer", text]].concat(), 2);
    assert!(prefer("nobody").contains("names no input"));
    assert!(prefer("Project/Wbe=a").contains("holds no Project named \"Wbe\""));
    assert!(prefer("Projects=a").contains("holds no kind \"Projects\""));
    let broken = folder.path().join("broken.sealift");
    let mut bytes = std::fs::read(&a).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    std::fs::write(&broken, bytes).unwrap();
    let (_, error) = said(&["merge", broken.to_str().unwrap(), &b, "-o", &out, "--model", &model], 5);
    assert!(error.contains("broken.sealift"), "{error}");
    let (_, error) = said(&["merge", &a, &b], 2);
    assert!(error.contains("--output"), "{error}");
}

/// Folders go in and come out as bundles do, and one that is there is brought up to date.
#[test]
fn folders_are_merged_into_a_folder() {
    let c = commanded();
    let at = |name: &str| c.folder.path().join(name).to_str().unwrap().to_owned();
    let (tree, merged) = (at("tree"), format!("{}/", at("merged")));
    said(&["convert", &c.a, &tree, "--model", &c.model], 0);
    let args =
        ["merge", &tree, &c.b, "-o", &merged, "--model", &c.model, "--prefer", "1", "--kdf-memory", "8"];
    let own = format!("2={}", c.other_password);
    let args = [&args[..], &["--password-file", &c.password, "--password-file-for", &own]].concat();
    let (answer, _) = said(&args, 0);
    assert!(answer.contains("files written"), "{answer}");
    said(&["verify", &merged, "--model", &c.model, "--password-file", &c.password], 0);
    // Again: the same folder, and the secrets keep their bytes.
    let (answer, _) = said(&args, 0);
    assert!(answer.contains("0 files written"), "{answer}");
    // And the same content as a bundle of it.
    said(&[&args[..4], &[&c.out], &args[5..]].concat(), 0);
    said(&["diff", &merged, &c.out, "--model", &c.model], 0);
}
