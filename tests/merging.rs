//! What is equal when two documents are compared and joined, and what stays where the bundle has no value: sets, names
//! in another case, secrets, and parts of documents that are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/little.rs"]
mod little;
#[path = "support/stage.rs"]
mod stage;
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use little::*;
use rusqlite::Connection;
use sealift::bundle::WriterOptions;
use sealift::document::{Value, json as document_json};
use sealift::model::{Direction, Keep, Model, Rule};
use sealift::ops::translate::ServerSecrets;
use sealift::ops::{ExportOptions, ImportOptions};
use sealift::plan::{Action, Policy};
use serde_json::{Value as Json, json};
use stage::{Stage, TO};
use support::*;

fn all_overwritten() -> ImportOptions {
    ImportOptions { policies: BTreeMap::from([("*".to_owned(), Policy::Overwrite)]), ..overwrite() }
}

/// Adds variables that are limited to two environments, a role and a tag, in a spelling of their own.
fn scoped_variables(server: &Little, spell: &dyn Fn(Json) -> Json) {
    let [dev, prod] = [1, 2].map(|number| server.id("Environments", number));
    let scope = spell(json!({ "Environment": [dev, prod], "Role": ["db", "web"] }));
    let mut narrow = variable("Url", "String", "narrow", scope);
    narrow["Id"] = json!(format!("0e000000-0000-0000-0000-{:012}", server.space().len()));
    let wide = variable("Url", "String", "wide", spell(json!({})));
    let odd = variable("Key", "String", "odd", spell(json!({ "Role": ["web"] })));
    server.library(1, "Common", json!([narrow, wide, odd]));
}

/// Two servers whose scopes differed in the order of their environments alone: each variable was doubled.
#[test]
fn variables_match_whatever_the_order_and_repetition_of_their_scope() {
    let reversed = |mut scope: Json| {
        for list in scope.as_object_mut().unwrap().values_mut() {
            let list = list.as_array_mut().unwrap();
            list.reverse();
            list.extend(list.first().cloned());
        }
        scope
    };
    both(|pair| {
        scoped_variables(&pair.source, &|scope| scope);
        scoped_variables(&pair.target, &reversed);
        let bundle = pair.export(&everything(Some(&pair.source.key)));
        let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), all_overwritten());
        let changed: Vec<_> = plan.entries.iter().filter(|entry| entry.action.writes()).collect();
        assert!(changed.is_empty(), "{changed:#?}");
    });
}

/// An empty list, null and a member that is missing limit nothing: with an empty role list variables were doubled.
#[test]
fn a_limit_that_lists_nothing_is_no_limit() {
    for nothing in [json!([]), Json::Null] {
        let with_nothing = |mut scope: Json| {
            scope.as_object_mut().unwrap().insert("Machine".to_owned(), nothing.clone());
            scope
        };
        both(|pair| {
            scoped_variables(&pair.source, &with_nothing);
            scoped_variables(&pair.target, &|scope| scope);
            let bundle = pair.export(&everything(Some(&pair.source.key)));
            import_nothing(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), overwrite());
        });
    }
    // No scope at all is an empty one.
    both(|pair| {
        scoped_variables(&pair.source, &|scope| if scope == json!({}) { Json::Null } else { scope });
        scoped_variables(&pair.target, &|scope| scope);
        pair.carry();
        assert_eq!(pair.target.variables_of("LibraryVariableSet", "Common").len(), 3);
    });
}

/// A variable whose name or role had another case was added beside the target's.
#[test]
fn a_variable_renamed_in_case_takes_the_sources_spelling_and_keeps_its_id() {
    both(|pair| {
        scoped_variables(&pair.source, &|scope| scope);
        scoped_variables(&pair.target, &|scope| scope);
        let before = pair.target.variables_of("LibraryVariableSet", "Common");
        let set =
            pair.source.named("LibraryVariableSet", "Common")["VariableSetId"].as_str().unwrap().to_owned();
        pair.source.run(&format!(
            "UPDATE VariableSet SET JSON = replace(replace(JSON, '\"Url\"', '\"URL \"'), '\"web\"', '\"Web\"') WHERE Id = '{set}'"
        ));
        pair.carry();
        let after = pair.target.variables_of("LibraryVariableSet", "Common");
        assert_eq!(after.len(), 3, "{after:#?}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before["Id"], after["Id"]);
            assert_eq!(before["Value"], after["Value"]);
        }
        assert_eq!(after[0]["Name"], "URL ");
        assert_eq!(after[0]["Scope"]["Role"], json!(["db", "Web"]));
    });
}

/// A tag renamed in case stopped the import: the set would have had two tags of one name.
#[test]
fn a_tag_renamed_in_case_stays_the_same_tag() {
    both(|pair| {
        for (server, name) in [(&pair.source, "BETA"), (&pair.target, "Beta")] {
            let set = server.id("TagSets", 1);
            let tag = |number: u32, name: &str| json!({ "Id": format!("{set}/Tags-{number}"), "Name": name, "Color": "#333333" });
            server.add("TagSet", json!({ "Id": set, "Name": "Ring", "Tags": [tag(1, "Old"), tag(2, name)] }));
            server.add(
                "Tenant",
                json!({ "Id": server.id("Tenants", 1), "Name": "Acme", "TenantTags": format!("|{set}/Tags-2|"), "ProjectEnvironments": {} }),
            );
        }
        pair.carry();
        let tags = pair.target.named("TagSet", "Ring")["Tags"].clone();
        assert_eq!(tags.as_array().unwrap().len(), 2, "{tags:#?}");
        assert_eq!((&tags[1]["Name"], &tags[1]["Id"]), (&json!("BETA"), &json!("TagSets-101/Tags-2")));
        assert_eq!(pair.target.named("Tenant", "Acme")["TenantTags"], "|TagSets-101/Tags-2|");
    });
}

/// Permissions of both sides were united by their spelling.
#[test]
fn united_lists_hold_each_name_once() {
    both(|pair| {
        for (server, list) in [
            (&pair.source, json!(["ProjectView", "TaskView"])),
            (&pair.target, json!(["taskview", "EventView"])),
        ] {
            server.add(
                "UserRole",
                json!({ "Id": server.id("UserRoles", 1), "Name": "Releaser", "GrantedPermissions": list }),
            );
        }
        pair.carry();
        let role = pair.target.named("UserRole", "Releaser");
        assert_eq!(role["GrantedPermissions"], json!(["EventView", "ProjectView", "TaskView"]));
    });
}

/// Reverses every list that a model calls a set, and repeats its first element, in all rows of a server.
fn disorder(server: &Path, model: &Model) -> usize {
    let db = Connection::open(server).unwrap();
    let mut touched = 0;
    for kind in model.kinds().iter().filter(|kind| !kind.sets.is_empty()) {
        let (Some(body), Some(id)) = (&kind.body, &kind.id) else { continue };
        let sql = format!("SELECT [{}], [{body}] FROM [{}]", id.column, kind.table);
        let Ok(mut rows) = db.prepare(&sql) else { continue };
        let rows: Vec<(String, String)> =
            rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        for (id_value, text) in rows {
            let mut json = document_json::parse(text.as_bytes()).unwrap();
            let mut columns = sealift::document::Map::new();
            let mut any = false;
            kind.walk(&mut columns, Some(&mut json), Direction::Down, &mut |rule, _, value| {
                if let (Rule::Set(_), Value::List(list)) = (rule, value)
                    && !list.is_empty()
                {
                    list.reverse();
                    list.extend(list.first().cloned());
                    // Nothing is no element.
                    list.extend([Value::Text(String::new()), Value::Null]);
                    any = true;
                }
                Keep::Yes
            });
            if any {
                let update = format!("UPDATE [{}] SET [{body}] = ?1 WHERE [{}] = ?2", kind.table, id.column);
                db.execute(&update, (document_json::write(&json), id_value)).unwrap();
                touched += 1;
            }
        }
    }
    db.execute("UPDATE Machine SET Roles = '|zz' || Roles WHERE Roles LIKE '|%'", []).unwrap();
    touched
}

/// Equal configuration has one content root and nothing to import, whatever the order of its sets.
#[test]
fn sets_have_one_order_in_every_kind() {
    let stage = Stage::new();
    let model = octopus();
    std::fs::copy(stage.at("production.sqlite"), stage.at("other.sqlite")).unwrap();
    let put = |name: &str| {
        let roles = "UPDATE Machine SET Roles = ?1 WHERE Roles LIKE '|%|'";
        Connection::open(stage.at(name)).unwrap().execute(roles, ["|db|web|"]).unwrap();
    };
    put("production.sqlite");
    assert!(disorder(&stage.at("other.sqlite"), &model) > 30);
    Connection::open(stage.at("other.sqlite"))
        .unwrap()
        .execute("UPDATE Machine SET Roles = '|web |web|db|' WHERE Roles LIKE '|zz%'", [])
        .unwrap();
    for name in ["production", "other"] {
        let from = format!("sqlite:{name}.sqlite");
        let out = format!("{name}.sealift");
        stage.done(&["export", &from, "-o", &out, "--no-secrets"]);
    }
    let root = |name: &str| open(&stage.at(name)).info().content_root;
    let told = stage.run(&["diff", "production.sealift", "other.sealift"]);
    assert_eq!(told.status.code(), Some(0), "{}", stage::text(&told.stdout));
    assert_eq!(root("production.sealift"), root("other.sealift"));
}

/// The secrets of every document, by kind and key, in order.
fn secrets(file: &Path, password: &str) -> BTreeMap<(String, String), Vec<String>> {
    let bundle = open(file);
    let password = sealift::crypto::Password::new(password.to_owned()).unwrap();
    let key = bundle.unlock(&password, &sealift::crypto::KdfLimits::default()).unwrap();
    let mut found = BTreeMap::new();
    bundle
        .scan(None, &mut |entry, document| -> Result<(), sealift::bundle::BundleError> {
            if entry.secrets > 0 {
                let values = bundle.secrets(&entry, &document, &key)?;
                let text = |value: Option<sealift::crypto::SecretBytes>| {
                    String::from_utf8(value.unwrap().expose().to_vec()).unwrap()
                };
                let mut values: Vec<String> = values.into_iter().map(text).collect();
                values.sort();
                found.insert((entry.kind.to_string(), entry.key.to_text()), values);
            }
            Ok(())
        })
        .unwrap();
    found
}

/// A bundle or a folder without values emptied the target's secrets under `overwrite`, by a list, by a saved plan.
#[test]
fn markers_without_a_value_keep_the_targets_secrets_everywhere() {
    let stage = Stage::new();
    std::fs::copy(stage.at("production.sqlite"), stage.at("edited.sqlite")).unwrap();
    let db = Connection::open(stage.at("edited.sqlite")).unwrap();
    let tables: Vec<String> = {
        let sql = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = 'JSON' WHERE m.type = 'table'";
        let mut tables = db.prepare(sql).unwrap();
        let names = tables.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    for table in tables.iter().filter(|table| *table != "Configuration") {
        let sql = format!(
            "UPDATE [{table}] SET JSON = json_set(JSON, '$.Description', 'edited') WHERE json_type(JSON) = 'object'"
        );
        db.execute(&sql, []).unwrap();
    }
    // The variables themselves too: there is no telling them apart by what does not change.
    let sql = "UPDATE VariableSet SET JSON = replace(JSON, '\"IsEditable\":true', '\"IsEditable\":false')";
    db.execute(sql, []).unwrap();
    drop(db);
    stage.done(&["export", "sqlite:edited.sqlite", "-o", "bare.sealift", "--no-secrets"]);
    stage.done(&["export", "sqlite:edited.sqlite", "-o", "tree", "--no-secrets"]);
    let key = ["--master-key-file", "production.key"];
    let look = |stage: &Stage| {
        let out = stage.at("look.sealift");
        let args = [
            "export",
            "sqlite:production.sqlite",
            "-o",
            "look.sealift",
            "--password-file",
            "password",
            "--kdf-memory",
            "8",
            "-f",
        ];
        stage.done(&[&args[..], &key].concat());
        secrets(&out, std::fs::read_to_string(stage.at("password")).unwrap().trim_end())
    };
    let before = look(&stage);
    assert!(before.values().map(Vec::len).sum::<usize>() > 50, "{before:?}");
    let to = ["--to", "sqlite:production.sqlite", "--master-key-file", "production.key"];
    let yes = ["--yes", "--no-undo", "--no-record"];
    let every = ["--policy", "*=overwrite"];
    let edited = |stage: &Stage| -> u64 {
        let db = Connection::open(stage.at("production.sqlite")).unwrap();
        let sql = "SELECT count(*) FROM Account WHERE json_extract(JSON, '$.Description') = 'edited'";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let held = |stage: &Stage, how: &str| {
        assert!(edited(stage) > 3, "{how}: nothing was written");
        let after = look(stage);
        for (name, values) in &before {
            assert_eq!(Some(values), after.get(name), "{how}: {name:?}");
        }
        assert_eq!(before.len(), after.len(), "{how}");
    };
    for from in ["bare.sealift", "tree"] {
        for choice in [&every[..], &["--overwrite"]] {
            let stage = stage.copy();
            let told = stage.done(&[&["import", from][..], &to, &yes, choice].concat());
            assert!(!told.contains("of the target will be removed"), "{from} {choice:?}: {told}");
            held(&stage, &format!("{from} {choice:?}"));
            let again = stage.done(&[&["import", from][..], &to, &yes, choice].concat());
            assert!(again.contains("nothing to do"), "{again}");
        }
    }
    let listed = stage.copy();
    let list = listed.done(&[&["plan", "bare.sealift", "--list", "--overwrite"][..], &to].concat());
    std::fs::write(listed.at("todo.txt"), list.replace("\nmerge", "\nupdate")).unwrap();
    listed.done(&[&["import", "bare.sealift", "--use-list", "todo.txt"][..], &to, &yes].concat());
    held(&listed, "a list");
    let saved = stage.copy();
    saved.done(&[&["plan", "bare.sealift", "-o", "p.plan"][..], &every, &to].concat());
    saved.done(&[&["apply", "p.plan", "bare.sealift"][..], &to, &yes].concat());
    held(&saved, "a saved plan");
    // And what is taken back has the secrets that it had.
    let undone = stage.copy();
    undone.done(
        &[&["import", "bare.sealift", "--yes", "--no-record", "--undo", "u.undo"][..], &every, &to].concat(),
    );
    undone.done(&[&["undo", "u.undo"][..], &to, &yes].concat());
    assert_eq!(look(&undone), before);
}

/// Two servers that were set up apart have other ids for steps, actions, templates and parameters of one name.
#[test]
fn secrets_of_elements_stay_where_only_their_ids_differ() {
    let stage = Stage::new();
    std::fs::copy(stage.at("production.sqlite"), stage.at("edited.sqlite")).unwrap();
    let db = Connection::open(stage.at("edited.sqlite")).unwrap();
    let mut number = 0;
    let mut renumber = |list: &mut Json| {
        for element in list.as_array_mut().into_iter().flatten().filter(|element| element.get("Id").is_some())
        {
            number += 1;
            element["Id"] = json!(format!("0f000000-0000-0000-0000-{number:012}"));
        }
    };
    for (table, lists) in [
        ("DeploymentProcess", "Steps"),
        ("RunbookProcess", "Steps"),
        ("Project", "Templates"),
        ("LibraryVariableSet", "Templates"),
        ("ActionTemplate", "Parameters"),
    ] {
        let rows: Vec<(String, String)> = {
            let mut rows = db.prepare(&format!("SELECT Id, JSON FROM {table}")).unwrap();
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        for (id, text) in rows {
            // Names of properties compare without regard to case.
            let text = text.replace("CustomAccountPassword", "customaccountpassword");
            let mut body: Json = serde_json::from_str(&text).unwrap();
            if let Some(list) = body.get_mut(lists) {
                renumber(list);
                list.as_array_mut()
                    .into_iter()
                    .flatten()
                    .filter_map(|e| e.get_mut("Actions"))
                    .for_each(&mut renumber);
            }
            let update = format!("UPDATE {table} SET JSON = ?1 WHERE Id = ?2");
            db.execute(&update, (body.to_string(), id)).unwrap();
        }
    }
    drop(db);
    assert!(number > 20);
    stage.done(&["export", "sqlite:edited.sqlite", "-o", "bare.sealift", "--no-secrets"]);
    let look = |stage: &Stage| {
        let args =
            ["export", "sqlite:production.sqlite", "-o", "look.sealift", "--password-file", "password"];
        let more = ["--kdf-memory", "8", "-f", "--master-key-file", "production.key"];
        stage.done(&[&args[..], &more].concat());
        secrets(&stage.at("look.sealift"), std::fs::read_to_string(stage.at("password")).unwrap().trim_end())
    };
    let before = look(&stage);
    let to = ["--to", "sqlite:production.sqlite", "--master-key-file", "production.key"];
    for choice in [&["--overwrite"][..], &["--policy", "*=overwrite"]] {
        let stage = stage.copy();
        let import = ["import", "bare.sealift", "--yes", "--no-undo", "--no-record"];
        let told = stage.done(&[&import[..], &to, choice].concat());
        assert!(
            told.contains("update") && !told.contains("will be empty") && !told.contains("will be removed"),
            "{told}"
        );
        assert_eq!(look(&stage), before, "{choice:?}");
    }
}

/// What is lost is counted by what the elements are, not by where they stand.
#[test]
fn secrets_that_variables_lose_are_counted_one_by_one() {
    both(|pair| {
        for server in [&pair.source, &pair.target] {
            let sensitive = |name: &str| variable(name, "Sensitive", &server.secret(name), json!({}));
            let plain = variable("Plain", "String", "text", json!({}));
            let kept = [sensitive("One"), sensitive("Two"), sensitive("Three"), plain];
            let mine = server.path == pair.source.path;
            let order: &[usize] = if mine { &[3, 2, 0] } else { &[0, 1, 2, 3] };
            server.library(1, "Common", order.iter().map(|at| kept[*at].clone()).collect());
        }
        let bundle = export_masked(pair);
        let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), all_overwritten());
        let removed: Vec<_> = plan.notices.iter().filter(|notice| notice.contains("removed")).collect();
        assert_eq!(removed, ["1 secret of the target will be removed: the source has none at their places"]);
        assert!(!plan.notices.iter().any(|notice| notice.contains("empty")), "{:?}", plan.notices);
    });
}

fn masked() -> ExportOptions<'static> {
    ExportOptions { secrets: ServerSecrets::Mask, ..everything(None) }
}

fn export_masked(pair: &Pair) -> std::path::PathBuf {
    let file = pair.bundle();
    try_export(&pair.source.path, &octopus(), &file, &masked(), WriterOptions::default()).unwrap();
    file
}

fn account(server: &Little, password: Json) {
    server.add(
        "Account",
        json!({ "Id": server.id("Accounts", 1), "Name": "Cloud", "AccountType": "UsernamePassword", "Password": password }),
    );
}

/// A source that has no password takes the target's away: that is written, and counted.
#[test]
fn an_explicit_null_removes_the_targets_secret_and_is_counted() {
    both(|pair| {
        account(&pair.source, Json::Null);
        account(&pair.target, json!(pair.target.secret("theirs")));
        for bundle in [export_masked(pair), pair.export(&everything(Some(&pair.source.key)))] {
            for options in [overwrite(), all_overwritten()] {
                let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), options);
                let notice = "1 secret of the target will be removed";
                assert!(plan.notices.iter().any(|n| n.starts_with(notice)), "{:?}", plan.notices);
                let entry = plan.entries.iter().find(|e| e.kind.as_str() == "Account").unwrap();
                assert_eq!(entry.notes, ["$.Password: the target's secret here is removed"]);
            }
        }
        pair.carry();
        assert_eq!(pair.target.named("Account", "Cloud")["Password"], Json::Null);
    });
}

/// Where the source's table lacks a column, the target's values stay.
#[test]
fn a_column_that_the_source_lacks_keeps_the_targets_secret() {
    both(|pair| {
        for server in [&pair.source, &pair.target] {
            let name = if server.path == pair.source.path { "Gita R." } else { "Gita" };
            server.add(
                "User",
                json!({ "Id": server.id("Users", 1), "Username": "gita", "DisplayName": name,
                    "IdentificationToken": "0d000000-0000-0000-0000-0000000000aa" }),
            );
        }
        pair.source.run("ALTER TABLE User DROP COLUMN IdentificationToken");
        for bundle in [export_masked(pair), pair.export(&everything(Some(&pair.source.key)))] {
            let plan =
                plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), all_overwritten());
            assert_eq!(plan.count(Action::Update), 1);
            assert!(!plan.notices.iter().any(|notice| notice.contains("secret")), "{:?}", plan.notices);
        }
        pair.import(&export_masked(pair), &all_overwritten());
        let user = pair.target.one("User", "Username", "gita");
        assert_eq!(user["DisplayName"], "Gita R.");
        assert_eq!(user["IdentificationToken"], "0d000000-0000-0000-0000-0000000000aa");
    });
}

/// What is created without its secret is said before anything is written, and in a column that needs a value stops it.
#[test]
fn a_new_document_without_its_secret_is_reported_or_refused() {
    both(|pair| {
        account(&pair.source, json!(pair.source.secret("mine")));
        let bundle = export_masked(pair);
        let plan = plan(&bundle, &pair.target.path, &octopus(), Some(&pair.target.key), overwrite());
        let notice = "1 secret will be empty: neither the bundle nor the target has a value";
        assert!(plan.notices.iter().any(|n| n.starts_with(notice)), "{:?}", plan.notices);
        pair.import(&bundle, &overwrite());
        assert_eq!(pair.target.named("Account", "Cloud")["Password"], Json::Null);

        pair.source.add("User", json!({ "Id": pair.source.id("Users", 1), "Username": "gita", "IdentificationToken": "0d000000-0000-0000-0000-0000000000aa" }));
        let found = refused(&export_masked(pair), &pair.target.path, &octopus(), overwrite());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].problem.starts_with("has no value for the secret IdentificationToken"), "{found:?}");
    });
}

/// A secret that is nobody's stays nobody's: a second import has nothing to do.
#[test]
fn a_marker_where_the_target_has_nothing_changes_nothing() {
    both(|pair| {
        account(&pair.source, json!(pair.source.secret("mine")));
        for theirs in [Json::Null, json!("")] {
            account(&pair.target, theirs);
            import_nothing(
                &export_masked(pair),
                &pair.target.path,
                &octopus(),
                Some(&pair.target.key),
                all_overwritten(),
            );
        }
        // Nor where the member is missing.
        pair.target.run("UPDATE Account SET JSON = json_remove(JSON, '$.Password')");
        import_nothing(
            &export_masked(pair),
            &pair.target.path,
            &octopus(),
            Some(&pair.target.key),
            all_overwritten(),
        );
    });
}

/// An import without --overwrite was refused: a tag that others need was in a set that was skipped.
#[test]
fn a_skipped_set_gets_the_tags_that_it_lacks() {
    let stage = Stage::new();
    let import = [&["import", "build.sealift", "--yes", "--no-undo", "--no-record"][..], &TO].concat();
    let count = |stage: &Stage| -> u64 {
        let db = Connection::open(stage.at("production.sqlite")).unwrap();
        db.query_row("SELECT sum(json_array_length(JSON, '$.Tags')) FROM TagSet", [], |row| row.get(0))
            .unwrap()
    };
    let before = count(&stage);
    let sets = "SELECT group_concat(Id || Name || coalesce(json_extract(JSON, '$.Description'), '') || json_extract(JSON, '$.Tags[0]')) FROM TagSet WHERE Id IN (SELECT Id FROM TagSet LIMIT 1)";
    let first = |stage: &Stage| -> String {
        Connection::open(stage.at("production.sqlite"))
            .unwrap()
            .query_row(sets, [], |row| row.get(0))
            .unwrap()
    };
    let untouched = first(&stage);
    let told = stage.done(&import);
    assert!(told.contains("the target has it; only what it lacks is added"), "{told}");
    assert!(count(&stage) > before);
    assert_eq!(first(&stage), untouched, "nothing else of a set changes");
    let again = stage.done(&import);
    assert!(!again.contains("only what it lacks is added"), "{again}");
}

/// A list that nobody edited is the plan: a word of its own says that nothing else of a set changes.
#[test]
fn a_list_keeps_apart_what_is_added_and_what_is_joined() {
    let stage = Stage::new();
    let recolour = "UPDATE TagSet SET JSON = json_set(JSON, '$.Tags[0].Color', '#010203')";
    assert!(stage.sql(recolour) > 0);
    let list = stage.done(&[&["plan", "build.sealift", "--list"][..], &TO].concat());
    assert!(list.contains("\nadd       TagSet ") && !list.contains("\nmerge "), "{list}");
    std::fs::write(stage.at("todo.txt"), &list).unwrap();
    let import = ["import", "build.sealift", "--yes", "--no-undo", "--no-record", "--use-list", "todo.txt"];
    stage.done(&[&import[..], &TO].concat());
    let db = Connection::open(stage.at("production.sqlite")).unwrap();
    let colours = |colour: &str| -> u64 {
        let sql = "SELECT count(*) FROM TagSet WHERE json_extract(JSON, '$.Tags[0].Color') = ?1";
        db.query_row(sql, [colour], |row| row.get(0)).unwrap()
    };
    assert!(colours("#010203") > 0, "the target's own colours stay");
    let joined = ["import", "build.sealift", "--yes", "--no-undo", "--no-record", "--policy", "TagSet=merge"];
    stage.done(&[&joined[..], &TO].concat());
    assert_eq!(colours("#010203"), 0);
    let wrong = stage.refused(
        &[&joined[..5], &["--policy", "Lifecycle=add"], &TO].concat(),
        2,
        "nothing that is added",
    );
    assert!(wrong.contains("Lifecycle"), "{wrong}");
}

#[test]
fn a_part_of_a_skipped_document_that_others_need_is_named_with_the_option_that_helps() {
    let stage = Stage::new();
    let import = |more: &[&'static str]| {
        let args = ["import", "build.sealift", "--yes", "--no-undo", "--no-record"];
        [&args[..], &TO, more].concat()
    };
    let skipped = ["--policy", "TagSet=skip"];
    let told =
        stage.refused(&import(&skipped), 4, "which the TagSet of the target does not have, and TagSet ");
    assert!(
        told.contains("is skipped (the policy for TagSet is skip); --policy TagSet=merge adds what it lacks"),
        "{told}"
    );
    let told =
        stage.refused(&import(&["--except", "TagSet"]), 4, "is skipped (left out by --only or --except)");
    assert!(!told.contains("neither in the bundle"), "{told}");
    stage.done(&import(&["--policy", "TagSet=merge"]));
}
