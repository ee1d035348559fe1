//! Names that folders cannot hold, and servers too large: here all is in one file, and cost follows the bundle.

use super::*;

tests![
    c20_5145_4110_6915_names_may_be_as_long_as_the_server_lets_them,
    c21_4643_names_may_end_in_blanks_and_dots,
    c21_4643_names_that_differ_in_case_only_stay_apart,
    c22_5241_certificates_of_one_name_stay_apart,
    c23_2024_scripts_of_actions_of_one_name_stay_apart,
    c24_3912_an_export_reads_a_page_at_a_time,
    c24_3912_an_export_of_a_project_reads_a_page_at_a_time,
    c25_6688_a_plan_costs_what_the_bundle_needs,
    c25_6688_a_plan_of_many_variable_sets_costs_what_the_bundle_needs,
    c26_5406_thousands_of_variable_sets,
    c27_5144_8240_more_ids_than_a_query_has_parameters,
    c28_6497_machines_of_deployments_do_not_break_it,
];

/// #5145, #4110, #6915: files were named after documents and their messages, and the paths got too long. Here
/// names as long as the server lets them be, within one another, and longer texts arrive whole.
#[test]
fn c20_5145_4110_6915_names_may_be_as_long_as_the_server_lets_them() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let long = |what: &str| format!("{what} {}", "x".repeat(199 - what.len()));
        if source.spaces() {
            source.run(&format!("UPDATE Space SET Name = '{}'", long("space")));
        }
        let web = source.project(1, &long("project"));
        source.add(
            "Channel",
            json!({ "Id": "Channels-1", "Name": long("channel"), "ProjectId": web, "Rules": [] }),
        );
        let action = "a".repeat(300);
        let script = json!({ "Octopus.Action.Script.ScriptBody": "echo long" });
        source.process(&web, json!([{ "Name": action, "Properties": script }]));
        let scope = json!({ "Channel": ["Channels-1"] });
        source.variables(&web, json!([variable(&"v".repeat(300), "String", "x", scope)]));
        source.add("User", json!({ "Id": "Users-1", "Username": long("user") }));
        source.add(
            "Event",
            json!({ "Id": "Events-1", "Category": "Modified", "UserId": "Users-1", "Username": long("user"), "Occurred": THEN,
                "RelatedDocumentIds": format!("|{web}|"), "ProjectId": web, "Message": "m".repeat(5000), "AutoId": 1 }),
        );
        pair.carry();
        let web = target.named("Project", &long("project"));
        assert_eq!(target.named("Channel", &long("channel"))["ProjectId"], web["Id"]);
        let found = target.actions(&long("project")).remove(0);
        assert_eq!((&found["Name"], &found["Properties"]), (&json!(action), &script));
        let scope = &target.variable("Project", &long("project"), &"v".repeat(300))["Scope"];
        assert_eq!(scope["Channel"][0], target.id_of("Channel", &long("channel")));
        let event = target.one("Event", "Category", "Modified");
        assert_eq!(event["Message"], "m".repeat(5000));
        assert_eq!(event["RelatedDocumentIds"], format!("|{}|", web["Id"].as_str().unwrap()));
    });
}

/// #4643: folders drop trailing blanks and dots, and the versions of a step template called `Deploy ` were lost.
/// Here names are what they are, also those that no file may have.
#[test]
fn c21_4643_names_may_end_in_blanks_and_dots() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let names = [
            "Deploy ",
            "Deploy.",
            "Deploy. .",
            "CON",
            "nul.txt",
            "a/b\\c:*?\"<>|",
            "..",
            " front",
            "tab\tline\nend ",
        ];
        for (n, name) in (1..).zip(names) {
            let body = json!({ "Name": name, "Version": 3, "ActionType": "Octopus.Script",
                "Properties": { "Octopus.Action.Script.ScriptBody": name } });
            source.add("ActionTemplate", with(&body, json!({ "Id": source.id("ActionTemplates", n) })));
            let version = json!({ "Id": source.id("ActionTemplateVersions", n), "LatestActionTemplateId": source.id("ActionTemplates", n) });
            source.add("ActionTemplateVersion", with(&body, version));
        }
        pair.carry();
        for table in ["ActionTemplate", "ActionTemplateVersion"] {
            let mut found: Vec<String> =
                target.all(table).iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect();
            found.sort_unstable();
            let mut expected = names;
            expected.sort_unstable();
            assert_eq!(found, expected, "{table}");
        }
        for version in target.all("ActionTemplateVersion") {
            let template =
                target.one("ActionTemplate", "Id", version["LatestActionTemplateId"].as_str().unwrap());
            assert_eq!(template["Name"], version["Name"]);
            assert_eq!(template["Properties"]["Octopus.Action.Script.ScriptBody"], version["Name"]);
        }
    });
}

/// Folders of some systems take `Web` and `WEB` for one. Here two documents whose names differ in case only are
/// two where the server lets them be: in other kinds, in other projects, in other spaces.
#[test]
fn c21_4643_names_that_differ_in_case_only_stay_apart() {
    spaces(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        source.add("Feed", json!({ "Id": "Feeds-1", "Name": "web", "FeedType": "Docker", "Note": "feed" }));
        source.add(
            "Account",
            json!({ "Id": "Accounts-1", "Name": "WEB", "AccountType": "AzureOIDC", "Note": "account" }),
        );
        for (n, project, channel) in [(1, "Web", "beta"), (2, "Api", "Beta")] {
            let id = source.project_with(n, project, json!({ "Description": project }));
            source.add(
                "Channel",
                json!({ "Id": source.id("Channels", n), "Name": channel, "ProjectId": id, "Rules": [] }),
            );
        }
        source.add("Space", json!({ "Id": "Spaces-2", "Name": "Other" }));
        let other = json!({ "SpaceId": "Spaces-2" });
        source.add("ProjectGroup", with(&other, json!({ "Id": "ProjectGroups-2", "Name": "ALL" })));
        source.add("Lifecycle", with(&other, json!({ "Id": "Lifecycles-2", "Name": "USUAL" })));
        source.add(
            "Project",
            with(
                &other,
                json!({ "Id": "Projects-3", "Name": "WEB", "Slug": "web", "ProjectGroupId": "ProjectGroups-2",
                "LifecycleId": "Lifecycles-2", "Description": "other" }),
            ),
        );
        pair.carry();
        assert_eq!(target.named("Feed", "web")["Note"], "feed");
        assert_eq!(target.named("Account", "WEB")["Note"], "account");
        let spelled = |table: &str, name: &str| {
            let mut rows = target.all(table);
            rows.retain(|row| row["Name"] == name);
            assert_eq!(rows.len(), 1, "{table} {name}");
            rows.remove(0)
        };
        assert_eq!(spelled("Project", "Web")["Description"], "Web");
        assert_eq!(spelled("Project", "WEB")["Description"], "other");
        assert_eq!(spelled("Project", "WEB")["SpaceId"], target.id_of("Space", "Other"));
        assert_eq!(spelled("Channel", "beta")["ProjectId"], spelled("Project", "Web")["Id"]);
        assert_eq!(spelled("Channel", "Beta")["ProjectId"], target.id_of("Project", "Api"));
        pair.no_leaks();
    });
}

/// #5241: a certificate and the one it replaced have one name, and one file: the second overwrote the first.
/// Here both arrive, each with its own data, and the old one names its successor; so do two that share even
/// the thumbprint.
#[test]
fn c22_5241_certificates_of_one_name_stay_apart() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let certificate = |n: u32, thumbprint: &str, more: Json| {
            let row = json!({ "Id": source.id("Certificates", n), "Name": "Web", "Thumbprint": thumbprint,
                "Subject": format!("number {n}"), "CertificateData": source.secret(&format!("pem {n}")) });
            source.add("Certificate", with(&row, more));
        };
        certificate(1, "AA", json!({ "Archived": THEN, "ReplacedBy": "Certificates-2" }));
        certificate(2, "BB", json!({}));
        certificate(3, "CC", json!({ "Archived": THEN }));
        certificate(4, "CC", json!({}));
        let web = source.project(1, "Web");
        source.variables(&web, json!([variable("Cert", "Certificate", "Certificates-4", json!({}))]));
        pair.carry();
        assert_eq!(target.count("Certificate"), 4);
        let numbered = |n: u32| target.one("Certificate", "Subject", &format!("number {n}"));
        for n in 1..=4 {
            assert_eq!(target.reveal(&numbered(n)["CertificateData"]), format!("pem {n}"));
        }
        assert_eq!(numbered(1)["ReplacedBy"], numbered(2)["Id"]);
        assert_eq!(target.variable("Project", "Web", "Cert")["Value"], numbered(4)["Id"]);
        pair.no_leaks();
    });
}

/// #2024: a script's file was named after its action, and could not be told from that of an action of the same
/// name in another process. Here each process keeps its own.
#[test]
fn c23_2024_scripts_of_actions_of_one_name_stay_apart() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let run = |text: &str| json!([{ "Name": "Run", "Properties": { "Octopus.Action.Script.ScriptBody": text } }]);
        let script = |actions: &[Json]| actions[0]["Properties"]["Octopus.Action.Script.ScriptBody"].clone();
        for (n, name) in [(1, "Web"), (2, "Api")] {
            let id = source.project(n, name);
            source.process(&id, run(name));
            source.release(n, &id, "1.0", run(&format!("frozen {name}")), json!({}));
            if source.spaces() {
                source.runbook(n, &id, "Run", run(&format!("runbook {name}")));
            }
        }
        pair.carry();
        for name in ["Web", "Api"] {
            assert_eq!(script(&target.actions(name)), name);
            let project = target.id_of("Project", name);
            let release = target.one("Release", "ProjectId", &project);
            let process = release["ProjectDeploymentProcessSnapshotId"].as_str().unwrap();
            let process = target.one("DeploymentProcess", "Id", process);
            assert_eq!(script(&actions_of(&process)), format!("frozen {name}"));
            if target.spaces() {
                let process = target.one("RunbookProcess", "ProjectId", &project);
                assert_eq!(script(&actions_of(&process)), format!("runbook {name}"));
            }
        }
    });
}

/// A reader that notes how much it handed out at once.
struct Watched<'r> {
    inner: &'r mut dyn Reader,
    largest: usize,
    all: usize,
}

impl Watched<'_> {
    fn note(&mut self, rows: &[Row]) {
        let bytes = rows.iter().flatten().map(Value::weight).sum();
        self.largest = self.largest.max(bytes);
        self.all += bytes;
    }
}

impl Reader for Watched<'_> {
    fn address(&self) -> &str {
        self.inner.address()
    }

    fn catalog(&self) -> &Catalog {
        self.inner.catalog()
    }

    fn page(&mut self, page: &Page<'_>) -> Result<Vec<Row>, ServerError> {
        let rows = self.inner.page(page)?;
        self.note(&rows);
        Ok(rows)
    }

    fn lookup_some(
        &mut self,
        lookup: &Lookup<'_>,
        max_bytes: usize,
        see: &mut dyn FnMut(usize, Row),
    ) -> Result<Vec<usize>, ServerError> {
        let mut rows = Vec::new();
        let left = self.inner.lookup_some(lookup, max_bytes, &mut |position, row| {
            rows.push(row.clone());
            see(position, row);
        })?;
        self.note(&rows);
        Ok(left)
    }

    fn count(&mut self, table: &str) -> Result<u64, ServerError> {
        self.inner.count(table)
    }

    fn max_int(&mut self, table: &str, column: &str) -> Result<Option<i64>, ServerError> {
        self.inner.max_int(table, column)
    }

    fn rows_read(&self) -> u64 {
        self.inner.rows_read()
    }
}

/// How many bytes an export of these was handed in all, and the most at once. Two hundred and fifty variable
/// sets of 100 KiB are there to be read.
fn handed_out(choose: impl FnOnce(&Little) -> ExportOptions<'_>) -> (usize, usize) {
    let pair = Pair::new(Generation::Spaces);
    let source = &pair.source;
    let large = "x".repeat(100 << 10);
    source.project(1, "Web");
    let mut included = String::from("|");
    for n in 1..=250 {
        let id =
            source.library(n, &format!("Set {n}"), json!([variable("Large", "String", &large, json!({}))]));
        included += &format!("{id}|");
    }
    source.run(&format!("UPDATE Project SET IncludedLibraryVariableSetIds = '{included}'"));
    let mut server = SqliteServer::open(&source.path).unwrap();
    let mut reader = server.read().unwrap();
    let mut watched = Watched { inner: &mut *reader, largest: 0, all: 0 };
    let model = octopus();
    let header = header(&mut watched, &model);
    let writer = Writer::create(&pair.bundle(), header, sealed()).unwrap();
    let report = sealift::ops::export(&mut watched, &model, writer, &choose(source), &Silent).unwrap();
    assert!(report.summary.documents > 500);
    (watched.all, watched.largest)
}

/// #3912: an export took ten times the database in memory, as whole tables were loaded. Here it asks for a page
/// at a time: what it is handed at once stays far below what it reads.
#[test]
fn c24_3912_an_export_reads_a_page_at_a_time() {
    let (all, largest) = handed_out(|source| everything(Some(&source.key)));
    assert!(all > 24 << 20, "{all} bytes read");
    assert!(largest < 6 << 20, "{largest} bytes at once");
}

/// #3912: the same of a project and all it needs.
#[test]
fn c24_3912_an_export_of_a_project_reads_a_page_at_a_time() {
    let (all, largest) = handed_out(|source| project("Web", Some(&source.key)));
    assert!(all > 24 << 20, "{all} bytes read");
    assert!(largest < 6 << 20, "{largest} bytes at once");
}

/// Plans the import of some projects that changed, against a target with ten documents besides and one with
/// thousands: the plans must be the same, and read the same number of rows.
fn costs_the_same(projects: u32) {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        (2..=projects).for_each(|n| drop(source.project(n, &format!("Other {n}"))));
        let scope = json!({ "Environment": ["Environments-1"] });
        source.variables(&web, json!([variable("Url", "String", "x", scope)]));
        source.release(1, &web, "1.0", json!([{ "Name": "Run" }]), json!({}));
        pair.carry();
        source.variables(&web, json!([variable("Url", "String", "changed", json!({}))]));
        let bundle = pair.export(&everything(Some(&source.key)));
        let fill = |from: u32, to: u32| {
            let db = target.db();
            db.execute_batch("BEGIN").unwrap();
            let space = if target.spaces() { (", SpaceId", ", 'Spaces-101'") } else { ("", "") };
            for n in from..=to {
                db.execute_batch(&format!(
                    "INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, JSON{0}) VALUES ('Environments-{n}', 'Other {n}', 0, '{{}}'{1});
                     INSERT INTO VariableSet (Id, OwnerId, Version, IsFrozen, JSON{0}) VALUES ('variableset-Projects-{n}', 'Projects-{n}', 0, 0, '{{\"Variables\":[]}}'{1});
                     INSERT INTO Channel (Id, Name, ProjectId, JSON{0}) VALUES ('Channels-{n}', 'Main', 'Projects-{n}', '{{}}'{1});",
                    space.0, space.1
                ))
                .unwrap();
            }
            db.execute_batch("COMMIT").unwrap();
        };
        let read = || {
            let bundle = open(&bundle);
            let (key, seen) = (unlock(&bundle), FingerprintKey::generate().unwrap());
            let keys = Keys { bundle: key.as_ref(), master: Some(&target.key), seen: &seen };
            let mut server = SqliteServer::open(&target.path).unwrap();
            let mut reader = server.read().unwrap();
            let plan =
                sealift::ops::plan(&bundle, &mut *reader, &octopus(), keys, overwrite(), &Silent).unwrap();
            assert!(plan.findings.is_empty(), "{:#?}", plan.findings);
            let actions: Vec<_> = plan.entries.iter().map(|e| (e.kind.to_string(), e.action)).collect();
            (actions, reader.rows_read())
        };
        fill(10_001, 10_010);
        let few = read();
        fill(10_011, 13_000);
        assert_eq!(read(), few);
        assert!(few.1 < 200, "{} rows for {} documents", few.1, few.0.len());
    });
}

/// #6688: an import loaded whole tables of the target though it needed few rows. Here a plan reads the same
/// rows of a target with ten documents besides and of one with thousands.
#[test]
fn c25_6688_a_plan_costs_what_the_bundle_needs() {
    costs_the_same(1);
}

/// #6688: the same of several variable sets, which the product keeps without an index of their owners.
#[test]
fn c25_6688_a_plan_of_many_variable_sets_costs_what_the_bundle_needs() {
    costs_the_same(3);
}

/// #5406: ten thousand variable sets took a quarter of an hour. Here two thousand are imported, and found
/// unchanged, in seconds.
#[test]
fn c26_5406_thousands_of_variable_sets() {
    let pair = Pair::new(Generation::Spaces);
    let db = pair.source.db();
    db.execute_batch("BEGIN").unwrap();
    for n in 1..=2000 {
        let variables = json!({ "Variables": [variable("Number", "String", &n.to_string(), json!({ "Environment": ["Environments-1"] }))] });
        db.execute_batch(&format!(
            "INSERT INTO LibraryVariableSet (Id, Name, VariableSetId, ContentType, SpaceId, JSON)
               VALUES ('LibraryVariableSets-{n}', 'Set {n}', 'variableset-LibraryVariableSets-{n}', 'Variables', 'Spaces-1', '{{}}');
             INSERT INTO VariableSet (Id, OwnerId, Version, IsFrozen, SpaceId, JSON, RelatedDocumentIds)
               VALUES ('variableset-LibraryVariableSets-{n}', 'LibraryVariableSets-{n}', 0, 0, 'Spaces-1', '{variables}', '|Environments-1|');"
        ))
        .unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    pair.carry();
    let target = &pair.target;
    assert_eq!((target.count("LibraryVariableSet"), target.count("VariableSet")), (2000, 2000));
    let db = target.db();
    let right: u32 = db
        .query_row(
            "SELECT count(*) FROM LibraryVariableSet l JOIN VariableSet v ON v.OwnerId = l.Id AND v.Id = l.VariableSetId
               WHERE 'Set ' || json_extract(v.JSON, '$.Variables[0].Value') = l.Name
                 AND json_extract(v.JSON, '$.Variables[0].Scope.Environment[0]') = 'Environments-101'
                 AND v.RelatedDocumentIds = '|Environments-101|'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(right, 2000);
}

/// #5144, #8240: a query has 2100 parameters at most, and a project with more releases, or a list with more ids,
/// broke the export. Here a project with 2,300 releases and an account for 2,300 environments are carried.
#[test]
fn c27_5144_8240_more_ids_than_a_query_has_parameters() {
    both(|pair| {
        let (source, target) = (&pair.source, &pair.target);
        let web = source.project(1, "Web");
        source.release(1, &web, "0", json!([]), json!({}));
        let space = if source.spaces() { (", SpaceId", ", 'Spaces-1'") } else { ("", "") };
        let db = source.db();
        db.execute_batch("BEGIN").unwrap();
        let mut ids = String::from("|");
        for n in 1001..=3300 {
            ids += &format!("Environments-{n}|");
            db.execute_batch(&format!(
                "INSERT INTO DeploymentEnvironment (Id, Name, SortOrder, JSON{0}) VALUES ('Environments-{n}', 'E {n}', 0, '{{}}'{1});
                 INSERT INTO Release (Id, Version, Assembled, ProjectId, ProjectVariableSetSnapshotId, ProjectDeploymentProcessSnapshotId, ChannelId, JSON{0})
                   SELECT 'Releases-{n}', '1.{n}', Assembled, ProjectId, ProjectVariableSetSnapshotId, ProjectDeploymentProcessSnapshotId, ChannelId, JSON{0}
                   FROM Release WHERE Id = 'Releases-1';",
                space.0, space.1
            ))
            .unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
        source.add(
            "Account",
            json!({ "Id": "Accounts-1", "Name": "Wide", "AccountType": "AzureOIDC", "EnvironmentIds": ids }),
        );
        source.variables(&web, json!([variable("Cloud", "AzureAccount", "Accounts-1", json!({}))]));
        pair.carry_project("Web");
        assert_eq!(target.count("Release"), 2301);
        assert_eq!(target.count("DeploymentEnvironment"), 2302);
        let account = target.named("Account", "Wide");
        let listed: BTreeSet<&str> =
            account["EnvironmentIds"].as_str().unwrap().split('|').filter(|id| !id.is_empty()).collect();
        let there = target.all("DeploymentEnvironment");
        let there: BTreeSet<&str> = there
            .iter()
            .filter(|e| e["Name"].as_str().unwrap().starts_with("E "))
            .map(|e| e["Id"].as_str().unwrap())
            .collect();
        assert_eq!((listed.len(), listed), (2300, there));
    });
}

/// #6497: the table of the machines of deployments broke the export. Here its rows are not carried: an import writes
/// them with each deployment, for the machines that this names.
#[test]
fn c28_6497_machines_of_deployments_do_not_break_it() {
    both(|pair| {
        for server in [&pair.source, &pair.target] {
            let web = server.project(1, "Web");
            let release = server.release(1, &web, "1.0", json!([]), json!({}));
            let channel = server.one("Release", "Id", &release)["ChannelId"].clone();
            let machine = server.id("Machines", 1);
            server.add(
                "Machine",
                json!({ "Id": machine, "Name": "web-1", "EnvironmentIds": format!("|{}|", server.id("Environments", 1)), "Endpoint": {} }),
            );
            let deployment = server.id("Deployments", 1);
            server.add(
                "Deployment",
                json!({ "Id": deployment, "Name": "Deploy", "Created": THEN, "EnvironmentId": server.id("Environments", 1),
                    "ProjectId": web, "ReleaseId": release, "ChannelId": channel, "DeployedToMachineIds": format!("|{machine}|"),
                    "Comments": server.space() }),
            );
            server.run(&format!("INSERT INTO DeploymentRelatedMachine (DeploymentId, MachineId) VALUES ('{deployment}', '{machine}')"));
        }
        pair.source.run("INSERT INTO DeploymentRelatedMachine (DeploymentId, MachineId) VALUES ('Deployments-1', 'Machines-999')");
        // The comment differs, so that there is something to overwrite.
        pair.source.run("UPDATE Deployment SET JSON = '{\"Comments\":\"new\"}'");
        let file = pair.bundle();
        let everything = everything(Some(&pair.source.key));
        let report = try_export(&pair.source.path, &octopus(), &file, &everything, sealed()).unwrap();
        assert!(report.left.iter().any(|(table, _)| table == "DeploymentRelatedMachine"));
        pair.import(&file, &overwrite());
        let target = &pair.target;
        let deployment = target.named("Deployment", "Deploy");
        assert_eq!((&deployment["Comments"], &deployment["Id"]), (&json!("new"), &json!("Deployments-101")));
        assert_eq!(deployment["DeployedToMachineIds"], "|Machines-101|");
        let kept = target.all("DeploymentRelatedMachine");
        assert_eq!(kept.len(), 1);
        assert_eq!(
            (&kept[0]["DeploymentId"], &kept[0]["MachineId"]),
            (&json!("Deployments-101"), &json!("Machines-101"))
        );
    });
}
