//! What comes of an export folder of the product's migrator is what comes of its server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;

use rusqlite::Connection;
use sealift::crypto::{MasterKey, Password};
use sealift::ops::{self, ExportOptions, VendorServer};
use sealift::progress::Silent;
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;
use sealift::vendor::FolderLimits;
use support::everything::{self, Generation, Twist};
use support::vendor::{self as written, PASSWORD, convert};
use support::*;

fn password_of(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn open_folder(folder: &Path) -> VendorServer {
    let limits = FolderLimits::default();
    VendorServer::open(folder, Some(&password_of(PASSWORD)), &octopus(), limits, &Silent).unwrap()
}

/// Tables and the classes that their documents have in folders, as far as they are known.
const TABLES: &[(&str, &str)] = &[
    ("Space", "Space"),
    ("DeploymentEnvironment", "DeploymentEnvironment"),
    ("Lifecycle", "Lifecycle"),
    ("TagSet", "TagSet"),
    ("Account", "UsernamePasswordAccount"),
    ("Certificate", "Certificate"),
    ("Feed", "NuGetFeed"),
    ("GitCredential", "GitCredential"),
    ("Proxy", "Proxy"),
    ("WorkerPool", "WorkerPool"),
    ("MachinePolicy", "MachinePolicy"),
    ("Machine", "Machine"),
    ("Worker", "Worker"),
    ("CommunityActionTemplate", "CommunityActionTemplate"),
    ("ActionTemplate", "ActionTemplate"),
    ("ActionTemplateVersion", "ActionTemplateVersion"),
    ("ProjectGroup", "ProjectGroup"),
    ("LibraryVariableSet", "LibraryVariableSet"),
    ("Project", "Project"),
    ("DeploymentSettings", "DeploymentSettings"),
    ("Channel", "Channel"),
    ("DeploymentProcess", "DeploymentProcess"),
    ("Runbook", "Runbook"),
    ("RunbookProcess", "RunbookProcess"),
    ("ProjectTrigger", "ProjectTrigger"),
    ("VariableSet", "VariableSet"),
    ("Tenant", "Tenant"),
    ("TenantVariable", "TenantVariable"),
    ("User", "User"),
    ("UserRole", "UserRole"),
    ("Team", "Team"),
    ("ScopedUserRole", "ScopedUserRole"),
    ("Subscription", "Subscription"),
    ("Release", "Release"),
    ("RunbookSnapshot", "RunbookSnapshot"),
    ("ServerTask", "ServerTask"),
    ("Deployment", "Deployment"),
    ("RunbookRun", "RunbookRun"),
    ("Interruption", "Interruption"),
    ("Artifact", "Artifact"),
    ("Event", "Event"),
    ("ApiKey", "ApiKey"),
    ("Configuration", "SmtpConfiguration"),
    ("ParentEnvironment", "ParentEnvironment"),
    ("GitHubAppConnection", "GitHubAppConnection"),
    ("ProjectLibraryVariableSet", "ProjectLibraryVariableSet"),
    ("DeploymentFreeze", "DeploymentFreeze"),
    ("ApprovalPolicy", "ApprovalPolicy"),
    ("RetentionPolicy", "SpaceDefaultLifecycleReleaseRetentionPolicy"),
    ("ServiceAccountOidcIdentity", "OidcIdentity"),
    ("PlatformHubAccount", "PlatformHubAccount"),
    ("PlatformHubGitCredential", "PlatformHubGitCredential"),
    ("PlatformHubPolicy", "PlatformHubPolicy"),
    ("PlatformHubVersionControlSettings", "PlatformHubVersionControlSettings"),
];

#[test]
fn the_tables_written_are_those_of_the_model() {
    let model = octopus();
    for kind in model.kinds() {
        assert!(TABLES.iter().any(|(table, _)| *table == kind.table), "{} is not written out", kind.table);
    }
}

/// Converts what a server holds by the folder and exports it directly: the same content, the same secrets.
fn same_either_way(server: &Path, from: &MasterKey, options: &written::Options<'_>, ask: &[&str]) {
    let folder = folder();
    let model = octopus();
    let export_folder = folder.path().join("export");
    let to = MasterKey::of_export(&password_of(PASSWORD));
    let count = written::write(server, &export_folder, from, &to, options);
    assert!(count > 20, "{count} documents are no test");
    let mut vendor = open_folder(&export_folder);
    assert_eq!(vendor.report().documents, count as u64);
    assert!(vendor.report().uncarried.is_empty() && vendor.report().other_files == 0);

    let ask: Vec<String> = ask.iter().map(|kind| (*kind).to_owned()).collect();
    let direct_options = ExportOptions { ask: ask.clone(), ..everything(Some(from)) };
    let direct = export(server, &model, &folder.path().join("direct.sealift"), &direct_options);
    let key = vendor.key().unwrap();
    let options = ExportOptions { ask, ..everything(Some(&key)) };
    let converted = convert(&mut vendor, &model, &folder.path().join("converted.sealift"), &options);

    let mut source = SqliteServer::open(server).unwrap();
    let (left, right) = (source.read().unwrap(), vendor.read().unwrap());
    let left = ops::ServerDocuments::new(left, &model, &direct_options, &Silent).unwrap();
    let right = ops::ServerDocuments::new(right, &model, &options, &Silent).unwrap();
    let report = ops::diff(&left, &right, &model, &options, &Silent).unwrap();
    let shown: Vec<_> = report
        .entries
        .iter()
        .take(5)
        .map(|e| match &e.difference {
            ops::Difference::Changed(changes) => {
                let places: Vec<_> = changes.iter().map(|change| change.place.to_string()).collect();
                format!("{} {}: {}", e.kind, e.key, places.join(", "))
            }
            other => format!("{} {}: {other:?}", e.kind, e.key),
        })
        .collect();
    assert!(report.entries.is_empty(), "{} differ: {shown:#?}", report.entries.len());
    assert_eq!(report.secrets_not_compared, 0);
    assert!(direct.secrets > 0, "no secrets are no test");
    assert_eq!((direct.documents, direct.secrets), (converted.documents, converted.secrets));
    assert_eq!(direct.content_root, converted.content_root);
}

/// One project with all it needs, reasons and all, by the same roots.
#[test]
fn a_part_of_a_folder_is_the_same_part_of_its_server() {
    let folder = folder();
    let (server, export_folder) = (folder.path().join("server.sqlite"), folder.path().join("export"));
    everything::build(&server, Generation::Y2018, 5, everything::SOURCE, Twist::default());
    only_what_the_product_has(&server, Generation::Y2018);
    let (from, to) = (everything::key(1), MasterKey::of_export(&password_of(PASSWORD)));
    let options = written::Options { tables: TABLES, without: &[], version: "2018.8.0" };
    written::write(&server, &export_folder, &from, &to, &options);
    let direct = export(&server, &octopus(), &folder.path().join("direct"), &project("Web", Some(&from)));
    let mut vendor = open_folder(&export_folder);
    let key = vendor.key().unwrap();
    let converted =
        convert(&mut vendor, &octopus(), &folder.path().join("converted"), &project("Web", Some(&key)));
    assert!(direct.documents > 20 && direct.documents < vendor.report().documents);
    assert_eq!(direct.content_root, converted.content_root);
}

fn only_what_the_product_has(server: &Path, generation: Generation) {
    // In a folder such columns could be told from JSON by nobody.
    let db = Connection::open(server).unwrap();
    for table in ["Project", "DeploymentEnvironment", "VariableSet", "Team", "Tenant"] {
        let drop = |column: &str| format!("ALTER TABLE [{table}] DROP COLUMN {column}");
        db.execute_batch(&format!("{}; {}", drop("NotedBy"), drop("Weight"))).unwrap();
    }
    // A licence is plain text; as a made-up cipher text that is no secret it would be the same for nobody.
    db.execute_batch("DELETE FROM Configuration WHERE Id = 'license'").unwrap();
    // The product repeats no column in its JSON.
    if generation != Generation::Y2018 {
        db.execute_batch("UPDATE Artifact SET JSON = json_remove(JSON, '$.ServerTaskId')").unwrap();
    }
    if generation == Generation::Y2026 {
        for (table, members) in [
            ("DeploymentEnvironment", "'$.EnvironmentTags', '$.ParentEnvironmentId'"),
            ("Machine", "'$.TargetTags'"),
            ("Project", "'$.ProjectTags', '$.ProvisioningRunbookId', '$.DeprovisioningRunbookId'"),
            ("Channel", "'$.ParentEnvironmentId'"),
            ("Runbook", "'$.RunbookTags'"),
        ] {
            db.execute_batch(&format!("UPDATE [{table}] SET JSON = json_remove(JSON, {members})")).unwrap();
        }
    }
}

fn everything_either_way(generation: Generation, without: &[&str]) {
    let folder = folder();
    let server = folder.path().join("server.sqlite");
    everything::build(&server, generation, 3, everything::SOURCE, Twist::default());
    only_what_the_product_has(&server, generation);
    let options = written::Options { tables: TABLES, without, version: "2019.3.0" };
    let ask = ["ApiKey", "Configuration", "PlatformHubVersionControlSettings"];
    let ask = if generation == Generation::Y2026 { &ask[..] } else { &ask[..2] };
    same_either_way(&server, &everything::key(1), &options, ask);
}

#[test]
fn everything_of_2026_is_the_same_either_way() {
    everything_either_way(Generation::Y2026, &[]);
}

#[test]
fn everything_with_spaces_is_the_same_either_way() {
    everything_either_way(Generation::Spaces, &[]);
}

/// Without the member that says which documents are snapshots: their ids say it too.
#[test]
fn everything_of_2018_is_the_same_either_way() {
    everything_either_way(Generation::Y2018, &["IsFrozen"]);
}

#[test]
fn the_step_template_library_is_the_same_either_way() {
    let Some(server) = data("octopus-library.sqlite") else { return };
    let key = MasterKey::from_base64("U0knqNESBcTMiomXZgLm3A==").unwrap();
    let options = written::Options { tables: TABLES, without: &[], version: "2018.8.0" };
    same_either_way(&server, &key, &options, &[]);
}

/// `convert` makes a bundle of a folder, or a folder of Sealift's, with the same content; and reads it, never writes.
#[test]
fn a_folder_converts_into_a_bundle_and_into_a_tree() {
    let folder = folder();
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendor/good").display().to_string();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let run = |args: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args(args)
            .env("SEALIFT_SOURCE_PASSWORD", PASSWORD)
            .env("SEALIFT_PASSWORD", "another")
            .output()
            .unwrap()
    };
    let (bundle, tree) = (at("a.sealift"), at("tree/"));
    for output in [&bundle, &tree] {
        let out = run(&["convert", &good, output]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    // What the folder was exported with nobody knows: it answers for no kind as a whole.
    let info = run(&["info", &bundle, "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    for kind in info["kinds"].as_array().unwrap() {
        assert!(kind["rows_read"].as_u64() >= kind["documents"].as_u64(), "{kind}");
        assert_eq!((&kind["whole"], &kind["owners_whole"]), (&false.into(), &0.into()), "{kind}");
    }
    let same = run(&["diff", &bundle, &tree]);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
    assert!(Path::new(&tree).join("Environment/Development.json").is_file());
    // It is no tree of Sealift's, and says nothing of its own passwords where there is nothing to open.
    let masked = run(&["convert", &good, "-o", &at("masked.sealift"), "--no-secrets"]);
    assert!(masked.status.success(), "{}", String::from_utf8_lossy(&masked.stderr));
    assert_eq!(run(&["convert", &tree, &at("b.sealift"), "--no-secrets"]).status.code(), Some(2));
    assert_eq!(run(&["list", &good]).status.code(), Some(2));
}
