//! What differs, and who decides; what does not go together.

use super::by_hand::*;
use super::*;

#[test]
fn all_conflicts_are_told_at_once_with_inputs_and_places() {
    let folder = folder();
    let model = shop();
    let text = |text: &str| Value::from(text);
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Same", "Envs-1").body("Note", text("x")),
            doc("Env", "Test", "Envs-2").body("Note", text("one")),
            doc("Project", "Secret", "Projects-1").secret(Some("hush-a")),
            doc("Project", "Equal", "Projects-2").secret(Some("blue")),
            doc("Project", "Half", "Projects-3").secret(Some("blue")),
            doc("Project", "None", "Projects-4").secret(None),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Env", "Same", "Envs-2").body("Note", text("x")),
            doc("Env", "Test", "Envs-1").body("Note", text("two")).body("More", Value::Int(1)),
            doc("Project", "Secret", "Projects-3").secret(Some("hush-b")),
            doc("Project", "Equal", "Projects-1").secret(Some("blue")),
            doc("Project", "Half", "Projects-2").secret(None),
            doc("Project", "None", "Projects-9").secret(None),
        ],
    );
    let c =
        bundle_of(folder.path(), "c.sealift", vec![doc("Env", "Test", "Envs-7").body("Note", text("one"))]);
    let found = found_conflicts(&[&a, &b, &c], &model, &MergeOptions::default());
    let named = |text: &str| text.to_owned();
    assert_eq!(
        found.iter().map(told).collect::<Vec<_>>(),
        [
            (named("Env Test"), vec![vec![0, 2], vec![1]], vec![named("$.More"), named("$.Note")]),
            (named("Project Half"), vec![vec![0], vec![1]], vec![named("$.Password (secret)")]),
            (named("Project Secret"), vec![vec![0], vec![1]], vec![named("$.Password (secret)")]),
        ]
    );
    assert_eq!(found[1].versions.iter().map(|v| v.empty_secrets).collect::<Vec<_>>(), [0, 1]);

    // Without values only content counts.
    let no_secrets = MergeOptions { no_secrets: true, ..prefer(&["Env=c"]) };
    let decided = found_conflicts(&[&a, &b, &c], &model, &no_secrets);
    assert_eq!(
        decided.iter().map(|d| (told(d).0, d.chosen)).collect::<Vec<_>>(),
        [(named("Env Test"), Some(2))]
    );
    let out = folder.path().join("out.sealift");
    assert_eq!(merge(&[&a, &b, &c], &out, &model, &no_secrets).sealed, 0);
    assert!(open(&out).envelope().is_none());
}

#[test]
fn every_way_to_prefer() {
    let folder = folder();
    let model = shop();
    std::fs::create_dir(folder.path().join("x=y")).unwrap();
    let docs = |value: &'static str| {
        let note = || Value::from(value);
        vec![
            doc("Env", "Test", "Envs-1").body("Note", note()),
            doc("Env", "a=b", "Envs-2").body("Note", note()),
            doc("Project", "Web", "Projects-1").body("Note", note()).secret(Some(value)),
        ]
    };
    let a = bundle_of(folder.path(), "a.sealift", docs("a"));
    let b = bundle_of(&folder.path().join("x=y"), "b.sealift", docs("b"));
    let mut docs = docs("c");
    docs.remove(0);
    let c = bundle_of(folder.path(), "c.sealift", docs);
    let out = folder.path().join("out.sealift");
    let files = [a.as_path(), b.as_path(), c.as_path()];
    let taken = |texts: &[&str]| {
        merge(&files, &out, &model, &prefer(texts));
        let bundle = open(&out);
        let note = |kind: &str, name: &str| {
            let Some(Value::Map(body)) = document(&bundle, kind, name).body else { panic!() };
            body.get("Note").unwrap().as_text().unwrap().to_owned()
        };
        let secret = values(&out).remove(0).1.unwrap();
        let web = note("Project", "Web");
        assert_eq!(web, secret, "a secret is of the document that was taken");
        format!("{}{}{web}", note("Env", "Test"), note("Env", "a=b"))
    };
    let whole = b.to_str().unwrap();
    for name in [whole, "b.sealift", "b", "2"] {
        assert_eq!(taken(&[name]), "bbb", "{name}");
        assert_eq!(taken(&["a", &format!("env={name}")]), "bba", "{name}");
        assert_eq!(taken(&[&format!("Env/a=b={name}"), "a"]), "aba", "{name}");
        assert_eq!(taken(&[&format!("Env/TEST={name}"), "Env=a", "3"]), "bac", "{name}");
    }
    // Of one rank the first counts that has the document.
    assert_eq!(taken(&["c", "a"]), "acc");
    assert_eq!(taken(&["Env=c", "Env=b", "Project=a"]), "bca");
    assert_eq!(taken(&["Env/Test=b", "Env/Test=a", "c"]), "bcc");

    let wrong = |texts: &[&str]| match Merge::examine(&inputs(&files), &model, &prefer(texts), &Silent) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{texts:?} was taken"),
    };
    assert!(wrong(&["d"]).contains("names no input") && wrong(&["0"]).contains("names no input"));
    assert!(wrong(&["4"]).contains("names no input") && wrong(&["Env=d"]).contains("names no input"));
    assert!(wrong(&["Nothing=a"]).contains("holds no kind \"Nothing\""));
    assert!(wrong(&["Env/Tset=a"]).contains("holds no Env named \"Tset\""));
    assert!(wrong(&["Env/Test=c"]).contains("c.sealift holds no Env named"));
    std::fs::copy(&a, folder.path().join("x=y/a.sealift")).unwrap();
    let twin = folder.path().join("x=y/a.sealift");
    let error = Merge::examine(&inputs(&[&a, &twin]), &model, &prefer(&["a"]), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::SeveralInputs { .. }), "{error}");
    Merge::examine(&inputs(&[&a, &twin]), &model, &prefer(&["2"]), &Silent).unwrap();
}

#[test]
fn reasons_lead_to_an_end_whichever_document_is_taken() {
    let folder = folder();
    let model = shop();
    let needed = |name: &str| Reason::NeededBy {
        kind: KindName::new("Project"),
        key: Key::name(name),
        place: "NextId".to_owned(),
    };
    let note =
        |name: &'static str, text: &str| doc("Project", name, "Projects-1").body("Note", Value::from(text));
    let root = |name: &'static str| doc("Project", name, "Projects-9").reason(Reason::Named);
    // In a X is here for Y, in b Y is here for X.
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![root("A"), note("X", "a").reason(needed("Y")), note("Y", "a").reason(needed("A"))],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![root("B"), note("X", "b").reason(needed("B")), note("Y", "b").reason(needed("X"))],
    );
    let out = folder.path().join("out.sealift");
    for preferences in [["Project/X=a", "Project/Y=b"], ["Project/X=b", "Project/Y=a"]] {
        merge(&[&a, &b], &out, &model, &prefer(&preferences));
        for name in ["X", "Y"] {
            let path =
                ops::why(&ops::BundleDocuments::new(open(&out), None), "Project", name).unwrap().remove(0);
            assert_eq!(path.end, PathEnd::Named);
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_both_named() {
    let folder = folder();
    let model = shop();
    let of = |name: &str, header: Header| {
        written(folder.path().join(name), header, vec![doc("Env", name, "Envs-1")], Vec::new())
    };
    let old = of("old.sealift", header_of(Some("1.0")));
    let new = of("new.sealift", header_of(Some("2.0")));
    let unknown = of("unknown.sealift", header_of(None));
    let other = of("other.sealift", Header { model_digest: [7; 32], ..header_of(Some("1.0")) });
    let foreign = of("foreign.sealift", Header { model: "octopus".to_owned(), ..header_of(None) });
    let out = folder.path().join("out.sealift");
    let refused =
        |files: &[&Path]| try_merge(files, &out, &model, &MergeOptions::default()).unwrap_err().to_string();
    assert_eq!(refused(&[&old, &new]), "old.sealift is of Shop 1.0, new.sealift of 2.0");
    assert!(
        refused(&[&old, &other]).contains("old.sealift and other.sealift were made with different versions")
    );
    assert!(
        refused(&[&old, &foreign])
            .contains("old.sealift follows the model \"shop\", foreign.sealift the model")
    );
    assert!(refused(&[&foreign]).contains("follows the model \"octopus\", not \"shop\""));
    assert!(refused(&[]).contains("no bundle"));
    assert!(!out.exists());

    merge(&[&old, &unknown], &out, &model, &MergeOptions::default());
    assert_eq!(open(&out).info().header.product_version.as_deref(), Some("1.0"));
    let ignore = MergeOptions { ignore_version: true, ..MergeOptions::default() };
    merge(&[&old, &new, &other], &out, &model, &ignore);
    let header = open(&out).info().header.clone();
    assert_eq!(header.product_version.as_deref(), Some("1.0, 2.0"), "an import asks about both");
    assert_eq!(header.model_digest, [7; 32]);
    let error = try_merge(&[&old, &foreign], &out, &model, &ignore).unwrap_err();
    assert!(matches!(error, MergeError::TwoModels { .. }));
}

#[test]
fn secrets_cannot_be_left_behind_by_mistake() {
    let folder = folder();
    let a = bundle_of(folder.path(), "a.sealift", vec![doc("Project", "P", "Projects-1").secret(Some("x"))]);
    let mut locked = inputs(&[&a]);
    locked[0].documents = Box::new(ops::BundleDocuments::new(open(&a), None));
    let error = Merge::examine(&locked, &shop(), &MergeOptions::default(), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Locked { .. }));
    // A writer without a password does not take them in the clear.
    let inputs = inputs(&[&a]);
    let model = shop();
    let merge = Merge::examine(&inputs, &model, &MergeOptions::default(), &Silent).unwrap();
    let out = folder.path().join("out.sealift");
    let bare = WriterOptions { protection: Protection::None, ..WriterOptions::default() };
    let error =
        merge.write(Writer::create(&out, merge.header().clone(), bare).unwrap(), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Bundle(BundleError::Unprotected { .. })), "{error}");
    assert!(!out.exists());
}
