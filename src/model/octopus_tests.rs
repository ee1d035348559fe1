//! The built-in model against the generations of the product's schema, and against rows as it writes them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::document::{Map, Value, json};

const SCHEMAS: [&str; 2] = [OCTOPUS_2018_SQL, OCTOPUS_2026_SQL];

/// Tables and their columns, of all generations together.
fn tables() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for schema in SCHEMAS {
        let mut table = "";
        for line in schema.lines() {
            let name = |rest: &'static str| rest.split(']').next().unwrap();
            if let Some(rest) = line.strip_prefix("CREATE TABLE [") {
                table = name(rest);
                tables.entry(table).or_default();
            } else if let Some(rest) = line.strip_prefix("ALTER TABLE [") {
                let column = rest.split_once("ADD COLUMN [").unwrap().1;
                tables.get_mut(name(rest)).unwrap().insert(name(column));
            } else if let Some(rest) = line.strip_prefix("  [") {
                tables.get_mut(table).unwrap().insert(name(rest));
            }
        }
    }
    assert!(tables.len() > 50, "the schemas were not understood");
    tables
}

#[test]
fn every_table_of_every_generation_is_carried_or_left_for_a_reason() {
    let model = Model::octopus().unwrap();
    let mut named: Vec<&str> = model.kinds().iter().map(|k| k.table.as_str()).collect();
    // Frozen rows are documents of other kinds than the rest: both say which rows are theirs.
    for kind in model.kinds().iter().filter(|kind| kind.name.as_str().ends_with("Snapshot")) {
        let twin = kind.name.as_str().trim_end_matches("Snapshot");
        if let Some(twin) = model.kind(twin).filter(|twin| twin.table == kind.table) {
            assert_ne!(twin.rows, kind.rows, "{}", kind.name);
            assert_eq!((twin.rows.len(), kind.rows.len()), (1, 1), "{}", kind.name);
            let position = named.iter().position(|table| *table == kind.table).unwrap();
            named.remove(position);
        }
    }
    named.extend(model.left.iter().map(|l| l.table.as_str()));
    let unique: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(unique.len(), named.len(), "a table is named twice");
    let known: BTreeSet<&str> = tables().into_keys().collect();
    assert_eq!(unique.symmetric_difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert!(model.left.iter().all(|l| l.why.len() > 10));
}

#[test]
fn every_column_the_model_names_is_in_one_generation_at_least() {
    let tables = tables();
    for kind in Model::octopus().unwrap().kinds() {
        let mut columns: Vec<&str> = kind.key.iter().map(|k| k.column.as_str()).collect();
        columns.extend(kind.id.as_ref().map(|id| id.column.as_str()));
        columns.extend(kind.body.as_deref());
        columns.extend(kind.rows.iter().map(|r| r.column.as_str()));
        let places = kind.references.iter().map(|r| &r.at);
        let places = places.chain(kind.secrets.iter().map(|s| &s.at));
        let places = places.chain(kind.derived.iter().map(|d| &d.at));
        let places = places.chain(kind.local.iter().map(|l| &l.at));
        let places = places.chain(kind.merges.iter().map(|m| &m.at));
        columns.extend(places.filter_map(|at| at.column.as_deref()));
        for column in columns {
            // A table that nobody has seen may lack them: such rules are held to no schema.
            if kind.inferred && ["SpaceId", "Id"].contains(&column) {
                continue;
            }
            assert!(tables[kind.table.as_str()].contains(column), "{}.{column}", kind.table);
        }
    }
}

#[test]
fn a_document_of_a_space_says_so() {
    let tables = tables();
    for kind in Model::octopus().unwrap().kinds() {
        let has = tables[kind.table.as_str()].contains("SpaceId");
        let rule = kind.references.iter().any(|r| r.at.column.as_deref() == Some("SpaceId"));
        // A table that nobody has seen may have one.
        assert!(has == rule || (rule && kind.inferred), "{}", kind.name);
    }
}

/// The rules that a walk over a document of a kind comes to, as `what it is → place`.
fn walk(kind: &str, columns: &[(&str, &str)], body: &str) -> Vec<String> {
    let model = Model::octopus().unwrap();
    let kind = model.kind(kind).unwrap();
    let mut map = Map::new();
    for (name, value) in columns {
        map.insert(*name, Value::from(*value));
    }
    let mut body = json::parse(body.as_bytes()).unwrap();
    let mut seen = Vec::new();
    kind.walk(&mut map, Some(&mut body), Direction::Up, &mut |rule, place, _| {
        let what = match rule {
            Rule::Reference(index) => {
                let rule = &kind.references[index];
                let name = model.target_name(rule.to[0]).unwrap();
                if rule.typed.is_some() {
                    "typed".to_owned()
                } else if rule.maybe {
                    format!("maybe {name}")
                } else {
                    name.to_string()
                }
            }
            Rule::Secret(_) => "secret".to_owned(),
            Rule::Derived(_) => "derived".to_owned(),
            Rule::Local(_) => "local".to_owned(),
            Rule::PartId(_) => "part".to_owned(),
            Rule::Set(_) => return Keep::Yes,
        };
        seen.push(format!("{what} {place}"));
        Keep::Yes
    });
    seen.sort();
    seen
}

#[test]
fn only_credentials_of_the_library_name_one() {
    let credentials = |kind: &str| {
        let body = format!(
            r#"{{"PersistenceSettings":{{"Type":"VersionControlled","Credentials":{{"Type":"{kind}","Id":"x"}}}}}}"#
        );
        let seen = walk("Project", &[], &body);
        seen.iter().any(|rule| rule == "GitCredential $.PersistenceSettings.Credentials.Id")
    };
    assert!(credentials("Reference"));
    assert!(!credentials("GitHub"));
}

#[test]
fn a_variable_is_a_secret_or_a_reference_or_text_by_its_type() {
    let seen = walk(
        "VariableSet",
        &[("OwnerId", "Projects-1"), ("Version", "3"), ("RelatedDocumentIds", "||")],
        r#"{"Variables":[
            {"Id":"a","Name":"A","Type":"String","Value":"Accounts-1","Scope":{"Environment":["Environments-1"],"Role":["web"]}},
            {"Id":"b","Name":"B","Type":"Sensitive","Value":"x|y","Scope":{}},
            {"Id":"c","Name":"C","Type":"WorkerPool","Value":"WorkerPools-1","Scope":{"ProcessOwner":["Projects-1"]}},
            {"Id":"d","Name":"D","Type":"AzureAccount","Value":"Accounts-1","Scope":{"TenantTag":["TagSets-1/Tags-1"]}}
        ]}"#,
    );
    assert_eq!(
        seen,
        [
            "Account $.Variables[3].Value",
            "Environment $.Variables[0].Scope.Environment[0]",
            "Project $.Variables[2].Scope.ProcessOwner[0]",
            "Project OwnerId",
            "Tag $.Variables[3].Scope.TenantTag[0]",
            "WorkerPool $.Variables[2].Value",
            "derived RelatedDocumentIds",
            "local Version",
            "part $.Variables[0].Id",
            "part $.Variables[1].Id",
            "part $.Variables[2].Id",
            "part $.Variables[3].Id",
            "secret $.Variables[1].Value",
        ]
    );
}

#[test]
fn a_package_is_a_project_only_in_actions_that_deploy_releases() {
    let seen = walk(
        "DeploymentProcess",
        &[],
        r#"{"Steps":[{"Properties":{"Octopus.Action.TargetRoles":"web"},"Actions":[
            {"ActionType":"Octopus.DeployRelease","Properties":{"Octopus.Action.Package.PackageId":"Projects-1",
             "Octopus.Action.DeployRelease.ProjectId":"Projects-1"},"Packages":[{"PackageId":"Projects-1","FeedId":"feeds-builtin"}]},
            {"ActionType":"Octopus.Script","WorkerPoolId":"WorkerPools-1","Properties":{"Octopus.Action.Package.PackageId":"Acme.Web",
             "Octopus.Action.Template.Id":"ActionTemplates-1","Pool":"WorkerPools-1","Token":{"SensitiveValue":"x|y"}}}]}]}"#,
    );
    let a = "$.Steps[0].Actions";
    assert_eq!(
        seen,
        [
            format!("ActionTemplate {a}[1].Properties['Octopus.Action.Template.Id']"),
            format!("Feed {a}[0].Packages[0].FeedId"),
            format!("Project {a}[0].Packages[0].PackageId"),
            format!("Project {a}[0].Properties['Octopus.Action.DeployRelease.ProjectId']"),
            format!("Project {a}[0].Properties['Octopus.Action.Package.PackageId']"),
            format!("WorkerPool {a}[1].WorkerPoolId"),
            format!("secret {a}[1].Properties.Token.SensitiveValue"),
            format!("typed {a}[1].Properties.Pool"),
            format!("typed {a}[1].Properties.Token"),
            format!("typed {a}[1].Properties['Octopus.Action.Package.PackageId']"),
            format!("typed {a}[1].Properties['Octopus.Action.Template.Id']"),
        ]
    );
}

#[test]
fn related_documents_are_those_in_the_json() {
    let model = Model::octopus().unwrap();
    for name in ["VariableSet", "DeploymentProcess", "RunbookProcess"] {
        let kind = model.kind(name).unwrap();
        let columns: Vec<_> =
            kind.derived[0].from.iter().filter(|i| kind.references[**i].at.column.is_some()).collect();
        assert!(columns.is_empty() && kind.derived[0].from.len() > 5, "{name}");
    }
}

/// Lists of any text stand where any document may be named: they must not be looked for in every table.
#[test]
fn an_id_that_begins_as_none_does_is_sought_nowhere() {
    let model = Model::octopus().unwrap();
    let event = model.kind("Event").unwrap();
    let any = event.references.iter().find(|rule| rule.at.text == "RelatedDocumentIds").unwrap();
    assert!(any.to.len() > 40, "{}", any.to.len());
    let likely = |id: &str| {
        let likely = model.likely(&any.to, id);
        likely.iter().map(|t| model.target_name(*t).unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(likely("Projects-1"), ["Project"]);
    assert_eq!(likely("TAGSETS-1/Tags-2"), ["TagSet", "Tag"]);
    assert_eq!(likely("octopus-server-built-in"), ["Feed"]);
    assert_eq!(likely("nothing"), [""; 0]);
    // A few are all looked for: what an id begins with is not known of every server.
    let few = &any.to[..3];
    assert_eq!(model.likely(few, "nothing").len(), 3);
}
