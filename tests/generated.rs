//! The property that says it all, on servers nobody thought up: after an overwriting import, exporting the
//! same documents from the target gives the same content root; and a second import is empty.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/generator.rs"]
mod generator;
mod support;

use sealift::demo;
use sealift::server::sqlite::SqliteServer;
use support::*;

/// Kinds that merge are joined with the target's and are the one exception the design names.
const MERGING: [&str; 5] = ["VariableSet", "TagSet", "Team", "Tenant", "UserRole"];

#[test]
fn equal_configuration_under_other_ids_is_equal_content() {
    for seed in 1..=12 {
        let folder = folder();
        let model = octopus();
        let mut roots = Vec::new();
        for (name, offset, number) in [("a", 0, 1), ("b", 5000, 3)] {
            let path = folder.path().join(format!("{name}.sqlite"));
            let mut server = empty_octopus(&path);
            generator::generate(&mut server, seed, 40, offset, &key(number));
            drop(server);
            let out = folder.path().join(format!("{name}.sealift"));
            roots.push(export(&path, &model, &out, &everything(Some(&key(number)))).content_root);
        }
        assert_eq!(roots[0], roots[1], "seed {seed}");
    }
}

#[test]
fn what_arrives_in_an_empty_server_exports_as_what_left() {
    for seed in 100..=112 {
        let folder = folder();
        let model = octopus();
        let source = folder.path().join("source.sqlite");
        generator::generate(&mut empty_octopus(&source), seed, 60, 0, &key(1));
        let bundle = folder.path().join("a.sealift");
        let first = export(&source, &model, &bundle, &everything(Some(&key(1))));
        let target = folder.path().join("target.sqlite");
        drop(empty_octopus(&target));
        import(&bundle, &target, &model, Some(&key(2)), overwrite());
        import_nothing(&bundle, &target, &model, Some(&key(2)), overwrite());
        let again = export(&target, &model, &folder.path().join("b.sealift"), &everything(Some(&key(2))));
        assert_eq!(first.content_root, again.content_root, "seed {seed}");
    }
}

/// Into a server that has other content under other ids, some of it of the same names.
#[test]
fn what_arrives_among_other_documents_exports_as_what_left() {
    for seed in 200..=208 {
        let folder = folder();
        let model = octopus();
        let (source, target) = (folder.path().join("source.sqlite"), folder.path().join("target.sqlite"));
        generator::generate(&mut empty_octopus(&source), seed, 40, 0, &key(1));
        generator::generate(&mut empty_octopus(&target), seed + 1000, 40, 7000, &key(2));
        let bundle = folder.path().join("a.sealift");
        let (ours, theirs) = (key(1), key(2));
        export(&source, &model, &bundle, &everything(Some(&ours)));
        let plan = import(&bundle, &target, &model, Some(&key(2)), overwrite());
        assert!(plan.entries.iter().all(|e| e.action != sealift::plan::Action::Skip), "seed {seed}");
        import_nothing(&bundle, &target, &model, Some(&key(2)), overwrite());
        // The target holds more than the bundle: what the bundle brought is compared document by document.
        let now = folder.path().join("b.sealift");
        export(&target, &model, &now, &everything(Some(&theirs)));
        let (before, after) = (open(&bundle), open(&now));
        before
            .entries(None, &mut |entry| -> Result<(), sealift::bundle::BundleError> {
                if MERGING.contains(&entry.kind.as_str()) {
                    return Ok(());
                }
                let twin = after.find(entry.kind.as_str(), &entry.key)?;
                let twin =
                    twin.unwrap_or_else(|| panic!("seed {seed}: {} {} is gone", entry.kind, entry.key));
                assert_eq!(twin.content_id, entry.content_id, "seed {seed}: {} {}", entry.kind, entry.key);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn the_demo_arrives_in_an_empty_server_and_exports_as_what_left() {
    let folder = folder();
    let model = octopus();
    let source = folder.path().join("source.sqlite");
    demo::build(&mut empty_octopus(&source), demo::Site::Build, &key(1), &demo::DemoOptions::default())
        .unwrap();
    let bundle = folder.path().join("a.sealift");
    let first = export(&source, &model, &bundle, &everything(Some(&key(1))));
    let target = folder.path().join("target.sqlite");
    drop(empty_octopus(&target));
    import(&bundle, &target, &model, Some(&key(2)), overwrite());
    import_nothing(&bundle, &target, &model, Some(&key(2)), overwrite());
    let again = export(&target, &model, &folder.path().join("b.sealift"), &everything(Some(&key(2))));
    assert_eq!(first.content_root, again.content_root);
}

#[test]
fn two_exports_of_one_server_are_one_content() {
    let folder = folder();
    let model = octopus();
    let path = folder.path().join("a.sqlite");
    generator::generate(&mut empty_octopus(&path), 7, 50, 0, &key(1));
    let a = export(&path, &model, &folder.path().join("a.sealift"), &everything(Some(&key(1))));
    let b = export(&path, &model, &folder.path().join("b.sealift"), &everything(Some(&key(1))));
    assert_eq!(a.content_root, b.content_root);
    drop(SqliteServer::open(&path));
}
