//! The export folder of the product's own migrator, read as a server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sealift::bundle::Writer;
use sealift::crypto::{MasterKey, Password};
use sealift::model::{Model, OCTOPUS_TOML, VendorType};
use sealift::ops::{self, ExportOptions, VendorReadError, VendorServer};
use sealift::progress::Silent;
use sealift::server::{Server, ServerError};
use sealift::vendor::{ExportFolder, Finding, FolderLimits, VendorError};
use serde_json::{Value as Json, json};
use support::vendor::{self as written, HELLO, PASSWORD, convert};
use support::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendor").join(name)
}

fn password_of(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn try_open(folder: &Path, password: Option<&str>) -> Result<VendorServer, VendorReadError> {
    let password = password.map(password_of);
    VendorServer::open(folder, password.as_ref(), &octopus(), FolderLimits::default(), &Silent)
}

fn open_folder(folder: &Path) -> VendorServer {
    try_open(folder, Some(PASSWORD)).unwrap()
}

fn findings(folder: &Path) -> Vec<Finding> {
    match try_open(folder, Some(PASSWORD)).unwrap_err() {
        VendorReadError::Findings(findings) => findings.first().to_vec(),
        other => panic!("{other}"),
    }
}

fn refusal(folder: &Path, password: &str) -> VendorError {
    match try_open(folder, Some(password)).unwrap_err() {
        VendorReadError::Vendor(error) => error,
        other => panic!("{other}"),
    }
}

/// A copy of the good folder, to be spoilt.
fn copy(to: &Path) {
    fn all(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => all(&entry.path(), &to),
                false => drop(std::fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    all(&fixture("good"), to);
}

fn put(folder: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn both_public_hellos_check_their_password() {
    for (name, password) in [("tentacle", "Passw0rd123"), ("good", "Pass")] {
        let folder = ExportFolder::open(&fixture(name), FolderLimits::default()).unwrap();
        folder.unlock(&password_of(password)).unwrap();
        for wrong in ["passw0rd123", "Pass ", "Octopuss", "\u{e9}"] {
            assert!(
                matches!(folder.unlock(&password_of(wrong)), Err(VendorError::WrongPassword(_))),
                "{wrong}"
            );
        }
    }
}

#[test]
fn what_a_folder_says_of_itself() {
    let good = ExportFolder::open(&fixture("good"), FolderLimits::default()).unwrap();
    assert_eq!(good.metadata().server.as_deref(), Some("MADEUP"));
    assert_eq!(good.metadata().version.as_deref(), Some("2018.8.0"));
    // What files made by hand name is no version.
    let other = ExportFolder::open(&fixture("tentacle"), FolderLimits::default()).unwrap();
    assert_eq!(other.metadata().version, None);
}

#[test]
fn classes_of_the_product_are_kinds_of_the_model() {
    let model = octopus();
    let table = |class: &str| match model.vendor_type(class) {
        Some(VendorType::Kind(kind)) => Some(kind.table.clone()),
        Some(VendorType::Left(left)) => Some(format!("left {}", left.table)),
        None => None,
    };
    for (class, expected) in [
        ("DeploymentEnvironment", "DeploymentEnvironment"),
        ("Project", "Project"),
        ("VariableSet", "VariableSet"),
        ("AzureServicePrincipalAccount", "Account"),
        ("NuGetFeed", "Feed"),
        ("StaticWorkerPool", "WorkerPool"),
        ("ScriptModule", "LibraryVariableSet"),
        ("SmtpConfiguration", "Configuration"),
        // Named exactly by a table that stays behind, and by a `*` of another kind: the exact name wins.
        ("DashboardConfiguration", "left DashboardConfiguration"),
        ("Invitation", "left Invitation"),
    ] {
        assert_eq!(table(class).as_deref(), Some(expected), "{class}");
    }
    for class in ["", "Widget", "project", "ProjectX", "Accounts"] {
        assert_eq!(table(class), None, "{class}");
    }
    for (from, to) in [("\"*Feed\"", "\"*\""), ("\"*Feed\"", "\"a.b\""), ("\"*Feed\"", "\"*Account\"")] {
        let text =
            OCTOPUS_TOML.replace(&format!("vendor-types = [{from}]"), &format!("vendor-types = [{to}]"));
        assert_ne!(text, OCTOPUS_TOML);
        assert!(Model::parse(&text, "changed").is_err(), "{to}");
    }
}

#[test]
fn the_good_folder_becomes_a_bundle() {
    let folder = folder();
    let model = octopus();
    let mut server = open_folder(&fixture("good"));
    let key = server.key().unwrap();
    let report = server.report().clone();
    assert_eq!((report.documents, report.other_files), (2, 1));
    assert_eq!(report.others, ["DeploymentProcesses/Run.ps1"]);
    let classes: Vec<_> =
        report.uncarried.iter().map(|u| (u.class.as_str(), u.documents, u.why.clone())).collect();
    assert_eq!(classes, [("Widget", 1, None)]);

    let out = folder.path().join("out.sealift");
    let summary = convert(&mut server, &model, &out, &everything(Some(&key)));
    assert_eq!((summary.documents, summary.secrets), (2, 1));
    let bundle = open(&out);
    assert_eq!(bundle.info().header.product_version.as_deref(), Some("2018.8.0"));
    let data = unlock(&bundle).unwrap();
    let mut secrets = Vec::new();
    bundle
        .entries(Some("Account"), &mut |entry| -> Result<(), sealift::bundle::BundleError> {
            let document = bundle.document(entry.number)?;
            let text = format!("{document:?}");
            assert!(text.contains("\"Development\"") && !text.contains("Environments-1"), "{text}");
            secrets.extend(bundle.secrets(&entry, &document, &data)?);
            Ok(())
        })
        .unwrap();
    let secrets: Vec<_> = secrets.iter().map(|s| s.as_ref().unwrap().expose_text().unwrap()).collect();
    assert_eq!(secrets, ["the made-up secret"]);
}

#[test]
fn a_folder_is_never_written() {
    let mut server = open_folder(&fixture("good"));
    assert!(matches!(server.begin().err(), Some(ServerError::ReadOnly(_))));
}

// --- damage and hostility -------------------------------------------------------------------------------------

#[test]
fn what_is_no_export_folder_is_told_apart() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    assert!(matches!(refusal(&at("empty"), PASSWORD), VendorError::NotAnExport(_)));
    assert!(matches!(refusal(&at("nothing"), PASSWORD), VendorError::NotAnExport(_)));
    put(&at("projects"), "manifest.json", "{}");
    assert!(matches!(refusal(&at("projects"), PASSWORD), VendorError::ProjectsExport(_)));
    let class = "Octopus.Migrator.Core.ExportProcess.ServerMetadata, Octopus.Migrator.Core";
    type Is = fn(&VendorError) -> bool;
    let cases: [(&str, Vec<u8>, Is); 9] = [
        ("json", b"{".to_vec(), |e| matches!(e, VendorError::Metadata { .. })),
        ("list", b"[]".to_vec(), |e| matches!(e, VendorError::Metadata { .. })),
        ("utf16", b"\xff\xfe{\0}\0".to_vec(), |e| matches!(e, VendorError::Metadata { .. })),
        ("class", br#"{"Hello":"x"}"#.to_vec(), |e| matches!(e, VendorError::Metadata { .. })),
        (
            "newer",
            br#"{"$type":"A.B.ServerMetadataV2, A"}"#.to_vec(),
            |e| matches!(e, VendorError::OtherFormat { class, .. } if class == "ServerMetadataV2"),
        ),
        ("hello", json!({ "$type": class }).to_string().into(), |e| matches!(e, VendorError::NoHello(_))),
        ("number", json!({ "$type": class, "Hello": 1 }).to_string().into(), |e| {
            matches!(e, VendorError::Metadata { .. })
        }),
        ("cipher", json!({ "$type": class, "Hello": "Hello" }).to_string().into(), |e| {
            matches!(e, VendorError::DamagedHello { .. })
        }),
        ("large", vec![b' '; 2 << 20], |e| matches!(e, VendorError::Metadata { .. })),
    ];
    for (name, text, is) in cases {
        put(&at(name), "metadata.json", text);
        let error = refusal(&at(name), PASSWORD);
        assert!(is(&error), "{name}: {error:?}");
    }
    // The right key and another word.
    let key = MasterKey::of_export(&password_of(PASSWORD));
    let word = key.encrypt(&sealift::crypto::SecretBytes::from("Hallo".to_owned())).unwrap();
    put(&at("word"), "metadata.json", json!({ "$type": class, "Hello": word }).to_string());
    assert!(matches!(refusal(&at("word"), PASSWORD), VendorError::WrongPassword(_)));
    let text = format!("\u{feff}{}", json!({ "$type": "X.ServerMetadata", "Id": "I", "Hello": HELLO }));
    put(&at("mark"), "metadata.json", text);
    assert_eq!(open_folder(&at("mark")).report().metadata.clone().unwrap().server.as_deref(), Some("I"));
}

#[test]
fn a_wrong_password_comes_before_everything_else() {
    let folder = folder();
    copy(folder.path());
    put(folder.path(), "Projects/Broken.json", "{");
    assert!(matches!(refusal(folder.path(), "pass"), VendorError::WrongPassword(_)));
    assert_eq!(findings(folder.path()).len(), 1);
}

#[test]
fn without_a_password_secrets_are_not_read_and_documents_are() {
    let mut server = try_open(&fixture("good"), None).unwrap();
    assert!(server.key().is_none());
    let folder = folder();
    let options = ExportOptions::everything(ops::translate::ServerSecrets::Mask);
    let mut reader = server.read().unwrap();
    let writer =
        Writer::create(&folder.path().join("o"), header(&mut *reader, &octopus()), Default::default());
    let report = ops::export(&mut *reader, &octopus(), writer.unwrap(), &options, &Silent).unwrap();
    assert_eq!((report.summary.documents, report.summary.secrets), (2, 1));
}

/// Every way a file can be wrong, all of them told at once, by file and place, and no secret among the words.
#[test]
fn all_that_is_wrong_is_told_at_once() {
    let folder = folder();
    copy(folder.path());
    let at = folder.path();
    let class = |name: &str| format!("Octopus.Core.Model.X.{name}, Octopus.Core");
    let account: Json =
        serde_json::from_slice(&std::fs::read(at.join("Accounts/Deployer.json")).unwrap()).unwrap();
    let spoilt = |change: &dyn Fn(&mut Json)| {
        let mut account = account.clone();
        change(&mut account);
        account.to_string()
    };
    put(at, "A/truncated.json", "{\"$type\": \"A.Project\", \"Id\": \"Projects-1\"");
    put(at, "A/utf16.json", b"\xff\xfe{\0}\0");
    put(at, "A/bytes.json", b"{\"$type\":\"A.Project\",\"Id\":\"\xe9\"}");
    put(at, "A/twice.json", "{\"$type\":\"A.Project\",\"Id\":\"P\",\"Id\":\"Q\"}");
    put(at, "A/deep.json", format!("{}{}", "[".repeat(500), "]".repeat(500)));
    put(at, "A/empty.json", "");
    put(at, "A/untyped.json", "{\"Id\":\"Projects-1\"}");
    put(at, "A/oddtype.json", "{\"$type\":7,\"Id\":\"Projects-1\"}");
    put(at, "A/noid.json", json!({ "$type": class("Project"), "Name": "x" }).to_string());
    put(
        at,
        "A/same.json",
        json!({ "$type": class("DeploymentEnvironment"), "Id": "environments-1", "Name": "y" }).to_string(),
    );
    put(
        at,
        "A/order.json",
        json!({ "$type": class("DeploymentEnvironment"), "Id": "E-2", "Name": "x", "SortOrder": "first" })
            .to_string(),
    );
    put(
        at,
        "A/frozen.json",
        json!({ "$type": class("VariableSet"), "Id": "odd", "OwnerId": "Projects-1" }).to_string(),
    );
    put(at, "B/1.json", spoilt(&|a| (a["Id"], a["Password"]) = (json!("Accounts-5"), json!("hunter2"))));
    put(
        at,
        "B/2.json",
        spoilt(&|a| {
            (a["Id"], a["Password"]) =
                (json!("Accounts-6"), json!("4wq4BNrQfZYgAmkD6K7oaw==|AAAAAAAAAAAAAAAAAAAAAA=="));
        }),
    );
    put(at, "B/3.json", spoilt(&|a| (a["Id"], a["EnvironmentIds"]) = (json!("Accounts-7"), json!(["a|b"]))));
    put(at, "B/4.json", spoilt(&|a| (a["Id"], a["Name"]) = (json!("Accounts-8"), json!({ "hunter2": 1 }))));
    let deep = format!("{}x.json", "d/".repeat(33));
    put(at, &deep, "{}");
    put(
        at,
        "A/noname.json",
        json!({ "$type": class("DeploymentEnvironment"), "Id": "E-3", "Name": null }).to_string(),
    );
    #[cfg(unix)]
    {
        assert!(Command::new("mkfifo").arg(at.join("A/pipe.json")).status().unwrap().success());
        std::os::unix::fs::symlink("/etc/hostname", at.join("A/link.json")).unwrap();
        std::os::unix::fs::symlink(at, at.join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", at.join("dangling.ps1")).unwrap();
    }
    let found = findings(at);
    let has = |file: &str, place: Option<&str>, problem: &str| {
        let is = |f: &&Finding| f.file == file && f.place.as_deref() == place && f.problem.contains(problem);
        assert!(found.iter().any(|f| is(&f)), "{file}: {problem}: {found:#?}");
    };
    for (file, problem) in [
        ("A/truncated.json", "not valid JSON near line"),
        ("A/utf16.json", "is not UTF-8"),
        ("A/bytes.json", "is not UTF-8"),
        ("A/twice.json", "two members of one name"),
        ("A/deep.json", "nested deeper"),
        ("A/empty.json", "JSON"),
        ("A/untyped.json", "has an Id and no $type"),
        ("A/oddtype.json", "names no class"),
        ("A/noid.json", "has no Id"),
        ("Environments/Development.json", "which A/same.json has too"),
        ("A/frozen.json", "has no IsFrozen"),
        ("A/noname.json", "has no Name"),
    ] {
        has(file, None, problem);
    }
    has("A/order.json", Some("SortOrder"), "must be an integer, and is text");
    has("B/1.json", Some("$.Password"), "the secret is damaged");
    has("B/2.json", Some("$.Password"), "does not decrypt");
    has("B/3.json", Some("EnvironmentIds"), "holds a bar");
    has("B/4.json", Some("Name"), "must be text");
    has("d/".repeat(33).trim_end_matches('/'), None, "lies deeper than 32 folders");
    if cfg!(unix) {
        has("A/pipe.json", None, "is neither a file nor a folder");
        for link in ["A/link.json", "loop", "dangling.ps1"] {
            has(link, None, "links are not followed");
        }
    }
    assert_eq!(found.len(), if cfg!(unix) { 22 } else { 18 }, "{found:#?}");
    let text = try_open(at, Some(PASSWORD)).unwrap_err().to_string();
    assert!(text.starts_with("22 things are wrong") || !cfg!(unix), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("4wq4"), "{text}");
}

#[test]
fn limits_hold() {
    let open = |limits: FolderLimits| {
        VendorServer::open(&fixture("good"), Some(&password_of(PASSWORD)), &octopus(), limits, &Silent)
    };
    let limits = FolderLimits { entries: 8, ..FolderLimits::default() };
    assert!(matches!(open(limits), Err(VendorReadError::Vendor(VendorError::TooMany { .. }))));
    open(FolderLimits { entries: 9, ..limits }).unwrap();
    let limits = FolderLimits { file_bytes: 300, ..FolderLimits::default() };
    match open(limits).unwrap_err() {
        VendorReadError::Findings(findings) => {
            let told: Vec<_> = findings.first().iter().map(ToString::to_string).collect();
            assert_eq!(told, ["Accounts/Deployer.json: is larger than 300 bytes"]);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn many_findings_are_counted_and_the_first_told() {
    let folder = folder();
    written::metadata(folder.path(), "2018.8.0");
    for number in 0..150 {
        put(folder.path(), &format!("{number:03}.json"), "{");
    }
    let text = try_open(folder.path(), Some(PASSWORD)).unwrap_err().to_string();
    assert!(text.starts_with("150 things are wrong with the export folder:\n  000.json: "), "{text}");
    assert!(text.ends_with("\n  and 50 more"), "{text}");
}

/// A file's name is a stranger's: it must not write lines, or to a terminal, of its own.
#[cfg(unix)]
#[test]
fn names_of_files_are_told_without_their_control_characters() {
    let folder = folder();
    copy(folder.path());
    put(folder.path(), "A/\u{1b}[31m\nerror: x.json", "{");
    let told = findings(folder.path())[0].to_string();
    assert!(told.starts_with("A/\\u{1b}[31m\\nerror: x.json: not valid JSON"), "{told}");
}

/// A script that was moved into a file of its own is no longer in the document: it must not be lost unseen.
#[test]
fn scripts_that_were_taken_out_are_missed() {
    let folder = folder();
    copy(folder.path());
    let process = |properties: Json| {
        json!({ "$type": "O.DeploymentProcess, O", "Id": "deploymentprocess-Projects-1", "OwnerId": "Projects-1",
            "Version": 1, "IsFrozen": false, "RelatedDocumentIds": [],
            "Steps": [{ "Actions": [{ "Name": "Run!", "ActionType": "Octopus.Script", "Properties": properties }] }] })
        .to_string()
    };
    let file = "DeploymentProcesses/P.json";
    put(folder.path(), file, process(json!({ "Octopus.Action.Script.Syntax": "PowerShell" })));
    let found = findings(folder.path());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].place.as_deref(), Some("$.Steps[0].Actions[0]"));
    assert!(found[0].problem.contains("ExtractToFiles"));
    let whole =
        json!({ "Octopus.Action.Script.Syntax": "PowerShell", "Octopus.Action.Script.ScriptBody": "x" });
    put(folder.path(), file, process(whole));
    assert!(try_open(folder.path(), Some(PASSWORD)).is_ok());
}

#[test]
fn every_cut_of_a_file_is_found() {
    let folder = folder();
    copy(folder.path());
    let whole = std::fs::read(fixture("good/Accounts/Deployer.json")).unwrap();
    for end in (0..whole.len()).step_by(7) {
        put(folder.path(), "Accounts/Deployer.json", &whole[..end]);
        let found = findings(folder.path());
        assert!(
            found.iter().all(|f| f.file == "Accounts/Deployer.json") && !found.is_empty(),
            "{end}: {found:?}"
        );
    }
}

// --- the commands ---------------------------------------------------------------------------------------------

fn sealift(args: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .env_remove("SEALIFT_SOURCE_PASSWORD")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn commands_take_a_folder_where_they_take_a_server() {
    let folder = folder();
    let good = fixture("good").display().to_string();
    let out = folder.path().join("out.sealift").display().to_string();
    let both = [("SEALIFT_SOURCE_PASSWORD", PASSWORD), ("SEALIFT_PASSWORD", "another")];
    let args = ["export", &good, "-o", &out, "--kdf-memory", "8"];

    let wrong = sealift(&args, &[("SEALIFT_SOURCE_PASSWORD", "no"), ("SEALIFT_PASSWORD", "another")]);
    assert_eq!(wrong.status.code(), Some(6), "{}", text(&wrong.stderr));
    assert!(
        text(&wrong.stderr).contains("the password is not that of the export"),
        "{}",
        text(&wrong.stderr)
    );
    assert!(!Path::new(&out).exists());
    let none = sealift(&args, &[("SEALIFT_PASSWORD", "another")]);
    assert_eq!(none.status.code(), Some(6));
    assert!(text(&none.stderr).contains("SEALIFT_SOURCE_PASSWORD"));

    let done = sealift(&args, &both);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(
        said.contains("2 documents, 1 secrets") && said.contains("Widget") && said.contains("Run.ps1"),
        "{said}"
    );
    let json = sealift(&[&args[..], &["--force", "--json"]].concat(), &both);
    let json: Json = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["export_folder"]["types_not_carried"][0]["type"], "Widget");
    assert_eq!(json["export_folder"]["server"], "MADEUP");

    // Secrets too, where both sides are opened.
    put(folder.path(), "source", PASSWORD);
    put(folder.path(), "bundle", "another");
    let (source, bundle) = (folder.path().join("source"), folder.path().join("bundle"));
    let (source, bundle) = (source.display().to_string(), bundle.display().to_string());
    let named = format!("octopus-export:{good}");
    let keys = ["--left-key-file", &source, "--right-key-file", &bundle];
    let same = sealift(&[&["diff", &named, &out][..], &keys].concat(), &[]);
    assert_eq!(same.status.code(), Some(0), "{}{}", text(&same.stdout), text(&same.stderr));
    assert!(!text(&same.stdout).contains("not compared"));

    let changed = folder.path().join("changed");
    copy(&changed);
    let environment = changed.join("Environments/Development.json");
    let sharper = std::fs::read_to_string(&environment).unwrap().replace("false", "true");
    std::fs::write(&environment, sharper).unwrap();
    let differs = sealift(&["diff", &good, &changed.display().to_string()], &[]);
    assert_eq!(differs.status.code(), Some(3), "{}", text(&differs.stderr));
    assert!(text(&differs.stdout).contains("UseGuidedFailure"), "{}", text(&differs.stdout));

    put(&changed, "Environments/Development.json", "{");
    let out = out.replace("out.", "other.");
    let damaged = sealift(&["export", &changed.display().to_string(), "-o", &out], &both);
    assert_eq!(damaged.status.code(), Some(5), "{}", text(&damaged.stderr));
    assert!(text(&damaged.stderr).contains("Environments/Development.json"), "{}", text(&damaged.stderr));
    let nothing = sealift(&["export", "octopus-export:/nowhere/at/all", "-o", &out], &both);
    assert_eq!(nothing.status.code(), Some(2), "{}", text(&nothing.stderr));
    assert!(!Path::new(&out).exists());
}
