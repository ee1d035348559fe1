//! What people could not do, or were not told.

use super::*;

tests![
    c29_8114_a_dry_run_fails_where_the_import_would,
    c30_1834_a_partial_import_names_all_that_is_missing,
    c31_1761_a_wrong_master_key_is_called_one,
    c32_5129_several_projects_and_groups_in_one_export,
    c33_5593_one_space_of_several,
    c34_2590_kinds_and_releases_can_be_left_out,
    c35_5153_contradicting_options_are_refused,
    c36_7898_what_is_no_bundle_is_named,
    c44_21835_a_file_can_be_read_without_the_tool,
];

/// #8114: a dry run found no fault and the import failed. Here a dry run does all that the import does: it fails
/// with the same words where the server refuses a row, and else says what is then done.
#[test]
fn c29_8114_a_dry_run_fails_where_the_import_would() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.project(1, "Web");
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "Docker", "FeedType": "Docker", "Password": source.secret("x") }));
        // A rule of this one server, which no model knows.
        target.run("CREATE TRIGGER refuse BEFORE INSERT ON Project BEGIN SELECT RAISE(ABORT, 'no more projects'); END");
        let bundle = pair.export(&everything(Some(&source.key)));
        let before = std::fs::read(&target.path).unwrap();
        let attempt =
            |dry: bool| try_import(&bundle, &target.path, &octopus(), Some(&target.key), dry, overwrite());
        let told = |dry: bool| {
            let error = attempt(dry).unwrap_err();
            format!("{error}: {}", std::error::Error::source(&error).unwrap())
        };
        assert!(told(true).contains("Project Web") || told(true).contains("/ Web"), "{}", told(true));
        assert_eq!(told(true), told(false));
        assert!(before == std::fs::read(&target.path).unwrap());

        target.run("DROP TRIGGER refuse");
        let before = target.all("Feed");
        let Outcome::DryRun(said) = attempt(true).unwrap() else { panic!("no dry run") };
        assert_eq!((target.all("Feed"), target.count("Project")), (before, 0));
        let Outcome::Applied(done) = attempt(false).unwrap() else { panic!("not applied") };
        let short = |plan: &Plan| -> Vec<_> {
            plan.entries
                .iter()
                .map(|e| (e.kind.to_string(), e.key.to_text(), e.action, e.changes.clone()))
                .collect()
        };
        assert_eq!(short(&said), short(&done));
        assert_eq!((target.count("Feed"), target.count("Project")), (1, 1));
    });
}

/// #1834: an import of a part failed with an error that named no document. Here everything that is missing is
/// named at once, with the document and the place that need it, and nothing is written.
#[test]
fn c30_1834_a_partial_import_names_all_that_is_missing() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Lifecycle", json!({ "Id": "Lifecycles-2", "Name": "Slow", "Phases": [] }));
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "Docker", "FeedType": "Docker" }));
        source.add("DeploymentEnvironment", json!({ "Id": "Environments-3", "Name": "New" }));
        let web = source.project_with(1, "Web", json!({ "LifecycleId": "Lifecycles-2" }));
        source.process(
            &web,
            json!([{ "Name": "Run", "Environments": ["Environments-3"],
                "Packages": [{ "Id": "0a", "Name": "", "PackageId": "web", "FeedId": "Feeds-1" }] }]),
        );
        let left = ["Lifecycle", "Feed", "Environment"].map(str::to_owned).to_vec();
        let bundle = pair.export(&ExportOptions { exclude: left, ..project("Web", Some(&source.key)) });
        let before = std::fs::read(&target.path).unwrap();
        let outcome =
            try_import(&bundle, &target.path, &octopus(), Some(&target.key), false, overwrite()).unwrap();
        let Outcome::Refused(plan) = outcome else { panic!("{outcome:#?}") };
        assert!(before == std::fs::read(&target.path).unwrap());
        let told: Vec<String> =
            plan.findings.iter().map(|f| format!("{} {}: {}", f.kind, f.name, f.problem)).collect();
        for (kind, missing) in
            [("Project", "Slow"), ("DeploymentProcess", "Docker"), ("DeploymentProcess", "New")]
        {
            let named = told
                .iter()
                .any(|text| text.starts_with(kind) && text.contains("Web") && text.contains(missing));
            assert!(named, "{kind} {missing}: {told:#?}");
        }
        // Once they are there, the same file goes in.
        target.add("Lifecycle", json!({ "Id": "Lifecycles-107", "Name": "Slow", "Phases": [] }));
        target.add("Feed", json!({ "Id": "Feeds-107", "Name": "Docker", "FeedType": "Docker" }));
        target.add("DeploymentEnvironment", json!({ "Id": "Environments-107", "Name": "New" }));
        pair.import(&bundle, &overwrite());
        assert_eq!(target.named("Project", "Web")["LifecycleId"], "Lifecycles-107");
        let action = target.actions("Web").remove(0);
        assert_eq!(
            (&action["Packages"][0]["FeedId"], &action["Environments"]),
            (&json!("Feeds-107"), &json!(["Environments-107"]))
        );
        pair.no_leaks();
    });
}

/// #1761: with the wrong Master Key the tool failed with a message about padding. Here it says that the master
/// key is not this server's, at export and at import, and nothing is written.
#[test]
fn c31_1761_a_wrong_master_key_is_called_one() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        for (server, text) in [(source, "new"), (target, "old")] {
            server.add(
                "Proxy",
                json!({ "Id": server.id("Proxies", 1), "Name": "Out", "Password": server.secret(text) }),
            );
        }
        let wrong = |told: String| {
            assert!(told.contains("master key is not this server's") && told.contains("Proxy"), "{told}");
            assert!(!told.to_lowercase().contains("padding"), "{told}");
        };
        for other in [2, 3] {
            let (file, other) = (pair.bundle(), key(other));
            let error =
                try_export(&source.path, &octopus(), &file, &everything(Some(&other)), sealed()).unwrap_err();
            wrong(error.to_string());
            assert!(!file.exists());
        }
        let bundle = pair.export(&everything(Some(&source.key)));
        let before = std::fs::read(&target.path).unwrap();
        for other in [1, 3] {
            let outcome =
                try_import(&bundle, &target.path, &octopus(), Some(&key(other)), false, overwrite());
            wrong(outcome.unwrap_err().to_string());
            assert!(before == std::fs::read(&target.path).unwrap());
        }
        pair.import(&bundle, &overwrite());
        assert_eq!(target.reveal(&target.named("Proxy", "Out")["Password"]), "new");
    });
}

fn names(server: &Little, table: &str) -> Vec<String> {
    let mut names: Vec<String> =
        server.all(table).iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

/// #5129: an export took one project. Here it takes any number of projects and of groups.
#[test]
fn c32_5129_several_projects_and_groups_in_one_export() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("ProjectGroup", json!({ "Id": "ProjectGroups-2", "Name": "Shop" }));
        source.add("ProjectGroup", json!({ "Id": "ProjectGroups-3", "Name": "Bank" }));
        for (n, name, group) in
            [(1, "A", 1), (2, "B", 1), (3, "C", 1), (4, "D", 2), (5, "E", 2), (6, "F", 3), (7, "G", 1)]
        {
            source.project_with(n, name, json!({ "ProjectGroupId": source.id("ProjectGroups", group) }));
        }
        let named = |name: &str| Root::Named { kind: "Project".to_owned(), name: name.to_owned() };
        let group = |name: &str| Root::Members {
            kind: "Project".to_owned(),
            of: "ProjectGroup".to_owned(),
            name: name.to_owned(),
        };
        // One is named and in a group too.
        let roots = vec![named("A"), named("C"), named("D"), group("Shop"), group("bank")];
        pair.carry_what(&ExportOptions { roots, ..everything(Some(&source.key)) });
        assert_eq!(names(target, "Project"), ["A", "C", "D", "E", "F"]);
        assert_eq!(names(target, "ProjectGroup"), ["All", "Bank", "Shop"]);
        assert_eq!(target.count("VariableSet"), 5);
        pair.no_leaks();
    });
}

/// #5593: where several spaces have a project of one name, all of them were exported. Here the space can be
/// chosen.
#[test]
fn c33_5593_one_space_of_several() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.project_with(1, "Web", json!({ "Description": "default" }));
        source.add("Space", json!({ "Id": "Spaces-2", "Name": "Other" }));
        let other = json!({ "SpaceId": "Spaces-2" });
        source.add("ProjectGroup", with(&other, json!({ "Id": "ProjectGroups-2", "Name": "Theirs" })));
        source.add("Lifecycle", with(&other, json!({ "Id": "Lifecycles-2", "Name": "Theirs" })));
        source.add(
            "Project",
            with(
                &other,
                json!({ "Id": "Projects-2", "Name": "Web", "Slug": "web", "ProjectGroupId": "ProjectGroups-2",
                "LifecycleId": "Lifecycles-2", "Description": "other" }),
            ),
        );
        pair.carry_what(&ExportOptions {
            scopes: vec!["Default".to_owned()],
            ..project("Web", Some(&source.key))
        });
        assert_eq!(target.named("Project", "Web")["Description"], "default");
        assert_eq!(
            (names(target, "Space"), names(target, "Lifecycle")),
            (vec!["Default".to_owned()], vec!["Usual".to_owned()])
        );
        pair.no_leaks();
        pair.carry_what(&ExportOptions {
            scopes: vec!["Other".to_owned()],
            ..project("Web", Some(&source.key))
        });
        let space = target.id_of("Space", "Other");
        assert_eq!(target.one("Project", "SpaceId", &space)["Description"], "other");
        assert_eq!(target.one("Project", "SpaceId", "Spaces-101")["Description"], "default");
        pair.no_leaks();
    });
}

/// #2590: there were few ways to say what not to take. Here groups, kinds and releases can be left out, or only
/// some kinds taken, and what is left out is not on the target.
#[test]
fn c34_2590_kinds_and_releases_can_be_left_out() {
    let tables = ["Project", "Release", "Deployment", "Tenant", "Certificate", "Machine", "Feed", "Account"];
    let take = |change: &dyn Fn(&mut ExportOptions<'_>)| -> Vec<usize> {
        let pair = Pair::new(Generation::Y2018);
        let source = &pair.source;
        let web = source.project(1, "Web");
        for (n, version) in [(1, "1.0"), (2, "1.5"), (3, "2.0")] {
            let release = source.release(n, &web, version, json!([]), json!({}));
            source.add(
                "Deployment",
                json!({ "Id": source.id("Deployments", n), "Name": "Deploy", "Created": THEN, "EnvironmentId": "Environments-1",
                    "ProjectId": web, "ReleaseId": release, "ChannelId": source.one("Release", "Id", &release)["ChannelId"] }),
            );
        }
        source
            .add("Tenant", json!({ "Id": "Tenants-1", "Name": "Acme", "ProjectEnvironments": { &web: [] } }));
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "Docker", "FeedType": "Docker" }));
        source.add("Account", json!({ "Id": "Accounts-1", "Name": "Cloud", "AccountType": "AzureOIDC" }));
        source.add("Certificate", json!({ "Id": "Certificates-1", "Name": "Web", "Thumbprint": "AA" }));
        source.add("Machine", json!({ "Id": "Machines-1", "Name": "web-1", "EnvironmentIds": "|Environments-1|", "Endpoint": {} }));
        let mut options = everything(Some(&source.key));
        change(&mut options);
        pair.carry_what(&options);
        tables.iter().map(|table| pair.target.count(table)).collect()
    };
    let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(take(&|_| {}), [1, 3, 3, 1, 1, 1, 1, 1]);
    assert_eq!(take(&|o| o.ignore = texts(&["history"])), [1, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(take(&|o| o.ignore = texts(&["deployments"])), [1, 3, 0, 1, 1, 1, 1, 1]);
    assert_eq!(
        take(&|o| o.ignore = texts(&["tenants", "certificates", "machines"])),
        [1, 3, 3, 0, 0, 0, 1, 1]
    );
    assert_eq!(take(&|o| o.exclude = texts(&["Feed", "Account"])), [1, 3, 3, 1, 1, 1, 0, 0]);
    assert_eq!(take(&|o| o.only = texts(&["Feed", "Account"])), [0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(
        take(&|o| {
            o.roots = vec![Root::Named { kind: "Project".to_owned(), name: "Web".to_owned() }];
            o.versions = Versions::parse("1.0-1.5").unwrap();
        }),
        [1, 2, 2, 1, 0, 1, 0, 0]
    );
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let folder = crate::support::folder();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(args)
        // Imports put their undo files into the current folder.
        .current_dir(folder.path())
        .env_remove("SEALIFT_PASSWORD")
        .env_remove("SEALIFT_MASTER_KEY")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (out.status.code(), String::from_utf8(out.stderr).unwrap())
}

/// #5153: `--ignore-history` together with `--releaseVersion` was accepted, and one of them had no effect. Here it
/// is wrong usage, named, and no file is written.
#[test]
fn c35_5153_contradicting_options_are_refused() {
    let pair = Pair::new(Generation::Spaces);
    pair.source.project(1, "Web");
    let server = format!("sqlite:{}", pair.source.path.display());
    let file = pair.bundle();
    let base = [
        "partial-export",
        &server,
        "-o",
        file.to_str().unwrap(),
        "--project",
        "Web",
        "--no-secrets",
        "--release-version",
        "1.0",
    ];
    let (code, told) = run(&[&base[..], &["--ignore-history"]].concat());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--ignore-history") && told.contains("--release-version"), "{told}");
    assert!(!file.exists());
    let (code, told) = run(&base);
    assert_eq!(code, Some(0), "{told}");
    assert!(file.exists());
}

/// #7898: an import stopped, late, as a folder named `import` was not where it looked. Here there is one file; a
/// folder, a file that is missing and one that is something else are named at once, and the target is untouched.
#[test]
fn c36_7898_what_is_no_bundle_is_named() {
    let pair = Pair::new(Generation::Spaces);
    let server = format!("sqlite:{}", pair.target.path.display());
    let before = std::fs::read(&pair.target.path).unwrap();
    let at = |name: &str| pair.folder().join(name);
    std::fs::create_dir(at("import")).unwrap();
    std::fs::write(at("text"), "no bundle at all, only some text").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    for name in ["import", "missing", "text", "empty", "source.sqlite"] {
        let path = at(name);
        let (code, told) = run(&["import", path.to_str().unwrap(), "--to", &server, "--yes"]);
        assert!(matches!(code, Some(1 | 5)), "{name}: {code:?} {told}");
        assert!(told.contains(path.to_str().unwrap()), "{name}: {told}");
        assert!(before == std::fs::read(&pair.target.path).unwrap());
    }
    assert!(!at("missing").exists());
}

/// help.octopus.com 21835: nobody outside could tell what exported files hold. Here the file lists its documents
/// to whoever asks it by SQL, and what is carried, and what is not and why, is a model that everybody can read.
#[test]
fn c44_21835_a_file_can_be_read_without_the_tool() {
    both(|pair| {
        pair.source.project(1, "Web");
        let file = pair.export(&everything(Some(&pair.source.key)));
        let db = rusqlite::Connection::open(&file).unwrap();
        let text = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(text("SELECT name FROM document_names WHERE kind = 'Project'"), "Web");
        let kinds: u32 =
            db.query_row("SELECT sum(documents) FROM kind_counts", [], |row| row.get(0)).unwrap();
        assert!(kinds >= 7, "{kinds}");

        // Every table of the server is in the model, which is text.
        let model = Model::parse(sealift::model::OCTOPUS_TOML, "octopus.toml").unwrap();
        assert_eq!(open(&file).info().header.model_digest, model.digest);
        let tables = pair.source.db();
        let mut tables = tables
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            .unwrap();
        for table in tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap) {
            let carried = model.kinds().iter().any(|kind| kind.table == table);
            let left = model.left.iter().any(|left| left.table == table && !left.why.is_empty());
            assert!(carried || left, "{table}");
        }
    });
}
