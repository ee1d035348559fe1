//! One built-in document of several ids: the product's own feed, which several ids mean whether or not a row has them.
//! Whichever of them stands somewhere, and whatever the row is called and numbered on either side, it leads to the
//! target's built-in feed, in the space of the document that refers to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::path::Path;

use rusqlite::Connection;
use sealift::ops::{ExportOptions, ImportOptions, Root};
use sealift::plan::Action;
use support::everything::{Generation, SOURCE, TARGET, Twist, build, fresh};
use support::*;

const GENERATIONS: [Generation; 2] = [Generation::Y2018, Generation::Spaces];

fn run(server: &Path, sql: &str) {
    Connection::open(server).unwrap().execute_batch(sql).unwrap();
}

fn texts(server: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open(server).unwrap();
    let mut query = db.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// What the packages and containers of processes name, that is neither a feed of their space nor one of another type.
fn astray(server: &Path, generation: Generation) -> Vec<String> {
    let (own, space) = match generation {
        Generation::Y2018 => ("", "''"),
        _ => ("AND f.SpaceId = p.SpaceId", "p.SpaceId"),
    };
    texts(
        server,
        &format!(
            "SELECT DISTINCT {space} || ' ' || t.value FROM DeploymentProcess p, json_tree(p.JSON) t
             WHERE t.key = 'FeedId' AND t.value NOT LIKE '%#{{%'
               AND NOT EXISTS (SELECT 1 FROM Feed f WHERE f.Id = t.value {own}) ORDER BY 1"
        ),
    )
}

fn without_feeds(master: &sealift::crypto::MasterKey) -> ExportOptions<'_> {
    ExportOptions { exclude: vec!["Feed".to_owned()], ..everything(Some(master)) }
}

/// What is done to the source's row, and to the target's.
const ROWS: [(&str, &str); 3] = [
    ("as installed", ""),
    (
        "of another id and name",
        "UPDATE Feed SET Id = 'Feeds-90', Name = 'Our packages' WHERE Id = 'feeds-builtin'",
    ),
    ("gone", "DELETE FROM Feed WHERE Id = 'feeds-builtin'"),
];

#[test]
fn each_of_its_ids_leads_to_the_built_in_feed_of_the_target() {
    let model = octopus();
    for generation in GENERATIONS {
        for (theirs, at_source) in ROWS {
            let folder = folder();
            let at = |name: &str| folder.path().join(name);
            let source = at("source.sqlite");
            build(&source, generation, 3, SOURCE, Twist::default());
            run(&source, at_source);
            let master = key(SOURCE.key);
            let report = try_export(&source, &model, &at("a"), &everything(Some(&master)), sealed()).unwrap();
            let root = export(&source, &model, &at("b"), &without_feeds(&master)).content_root;
            let notices = open(&at("a")).notices().unwrap();
            let dangling: Vec<_> = notices.iter().filter(|n| n.text.contains("Feed")).collect();
            assert!(dangling.is_empty(), "{generation:?} {theirs}: {report:?} {dangling:?}");
            for (ours, at_target) in ROWS {
                let what = format!("{generation:?}, {theirs} at the source, {ours} in the target");
                let (target, master) = (at(&format!("{ours}.sqlite")), key(TARGET.key));
                fresh(&target, generation, TARGET.key);
                run(&target, at_target);
                import(&at("a"), &target, &model, Some(&master), overwrite());
                let astray = astray(&target, generation);
                // Where there is none, the id that means it stays.
                let none = theirs == "gone" && ours == "gone";
                assert!(
                    if none {
                        astray.iter().all(|id| id.ends_with(" feeds-builtin")) && astray.len() == 1
                    } else {
                        astray.is_empty()
                    },
                    "{what}: {astray:?}"
                );
                let again = at(&format!("{ours}.sealift"));
                let after = export(&target, &model, &again, &without_feeds(&master)).content_root;
                assert_eq!(root, after, "{what}: what arrived is not what left");
                import_nothing(&at("a"), &target, &model, Some(&master), overwrite());
            }
        }
    }
}

/// A space's documents mean the built-in feed of their space, though another space's row has the id.
#[test]
fn the_ids_mean_the_feed_of_the_documents_own_space() {
    let model = octopus();
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let (source, target) = (at("source.sqlite"), at("target.sqlite"));
    build(&source, Generation::Spaces, 4, SOURCE, Twist::default());
    run(
        &source,
        "UPDATE DeploymentProcess SET JSON = replace(JSON, 'feeds-builtin-releases', 'Feeds-BuiltIn')
         WHERE SpaceId <> (SELECT SpaceId FROM Feed WHERE Id = 'feeds-builtin')",
    );
    build(&target, Generation::Spaces, 4, TARGET, Twist { overwritten: 1, ..Twist::default() });
    run(&target, "UPDATE Feed SET Name = 'Packages' WHERE FeedType = 'BuiltIn'");
    export(&source, &model, &at("a"), &everything(Some(&key(SOURCE.key))));
    import(&at("a"), &target, &model, Some(&key(TARGET.key)), overwrite());
    assert_eq!(astray(&target, Generation::Spaces), [""; 0]);
    let used = texts(
        &target,
        "SELECT DISTINCT f.Id FROM Feed f JOIN DeploymentProcess p ON p.SpaceId = f.SpaceId, json_tree(p.JSON) t
         WHERE f.FeedType = 'BuiltIn' AND t.key = 'FeedId' AND t.value = f.Id",
    );
    assert_eq!(used.len(), 2, "each space uses its own: {used:?}");
}

/// A project that names the feed by an id without a row brings its row along.
#[test]
fn a_partial_export_takes_the_feed_along_by_any_of_its_ids() {
    let model = octopus();
    for generation in GENERATIONS {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let source = at("source.sqlite");
        build(&source, generation, 3, SOURCE, Twist::default());
        // Nothing but these ids is left to lead there.
        run(&source, "UPDATE DeploymentProcess SET JSON = replace(JSON, '\"feeds-builtin\"', '\"feeds-builtin-releases\"');
                      UPDATE Feed SET Id = 'Feeds-90' WHERE Id = 'feeds-builtin'");
        let root = Root::Named { kind: "Project".to_owned(), name: "Web".to_owned() };
        let master = key(SOURCE.key);
        let options = ExportOptions { roots: vec![root], ..everything(Some(&master)) };
        export(&source, &model, &at("a"), &options);
        let mut names = Vec::new();
        let bundle = open(&at("a"));
        bundle
            .entries(Some("Feed"), &mut |entry| -> Result<(), sealift::bundle::BundleError> {
                names.push(entry.key.leaf());
                Ok(())
            })
            .unwrap();
        assert!(names.contains(&"(built-in)".to_owned()), "{generation:?}: {names:?}");
    }
}

#[test]
fn a_built_in_feed_that_the_source_does_not_list_is_not_pruned() {
    let model = octopus();
    for generation in GENERATIONS {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, target) = (at("source.sqlite"), at("target.sqlite"));
        build(&source, generation, 3, SOURCE, Twist::default());
        run(&source, "DELETE FROM Feed WHERE FeedType = 'BuiltIn'");
        export(&source, &model, &at("a"), &everything(Some(&key(SOURCE.key))));
        build(&target, generation, 3, TARGET, Twist::default());
        run(&target, "UPDATE Feed SET Id = 'Feeds-90' WHERE Id = 'feeds-builtin'");
        let options = ImportOptions { prune: true, ..overwrite() };
        let plan = plan(&at("a"), &target, &model, Some(&key(TARGET.key)), options);
        let deleted: Vec<String> = plan
            .entries
            .iter()
            .filter(|e| e.action == Action::Delete && e.kind.as_str() == "Feed")
            .map(|e| e.key.to_string())
            .collect();
        assert_eq!(deleted, [""; 0], "{generation:?}");
    }
}

/// Whoever made the bundle did not know what the ids mean: they dangle in it.
#[test]
fn a_bundle_in_which_the_ids_dangle_leads_to_the_built_in_feed_too() {
    let model = octopus();
    let text = sealift::model::OCTOPUS_TOML;
    let ids = ", ids = [\"feeds-builtin\", \"feeds-builtin-releases\", \"octopus-server-built-in\"]";
    assert!(text.contains(ids));
    let before = sealift::model::Model::parse(&text.replace(ids, ""), "before.toml").unwrap();
    for generation in GENERATIONS {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let (source, target) = (at("source.sqlite"), at("target.sqlite"));
        build(&source, generation, 3, SOURCE, Twist::default());
        let master = key(SOURCE.key);
        let report = try_export(&source, &before, &at("a"), &everything(Some(&master)), sealed()).unwrap();
        assert!(report.dangling > 0);
        fresh(&target, generation, TARGET.key);
        run(&target, "UPDATE Feed SET Id = 'Feeds-90', Name = 'Our packages' WHERE Id = 'feeds-builtin'");
        import(&at("a"), &target, &model, Some(&key(TARGET.key)), overwrite());
        assert_eq!(astray(&target, generation), [""; 0], "{generation:?}");
        import_nothing(&at("a"), &target, &model, Some(&key(TARGET.key)), overwrite());
    }
}
