//! Names in several spellings, and ids that mean something on one server only.

use super::by_hand::*;
use super::*;

#[test]
fn a_name_in_another_case_is_one_name_everywhere() {
    let folder = folder();
    let model = shop();
    let set = |owner: &str| {
        let key = Key::new(vec![reference("Project", owner)]).unwrap();
        let mut set = doc("VarSet", "", "varset-x").body("Variables", Value::List(Vec::new()));
        set.columns = vec![("OwnerId", reference("Project", owner))];
        set.key = key;
        set
    };
    let tags = |name: &str| {
        let tag = Map::from_pairs(vec![("Name".to_owned(), Value::from(name))]).unwrap();
        doc("TagSet", "Ring", "TagSets-1").body("Tags", Value::List(vec![Value::Map(tag)]))
    };
    let tag = |name: &str| {
        let key = Key::new(vec![reference("TagSet", "Ring"), Value::from(name)]).unwrap();
        Value::Ref(Box::new(Reference { kind: KindName::new("Tag"), key }))
    };
    let envs = |names: [&str; 2]| Value::List(names.map(|name| reference("Env", name)).to_vec());
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Production", "Envs-1"),
            doc("Env", "Test", "Envs-2"),
            doc("Project", "Web Shop", "Projects-1").column("EnvIds", envs(["Production", "Test"])),
            set("Web Shop"),
            doc("Project", "Shared", "Projects-2").column("NextId", reference("Project", "Web Shop")),
            tags("Alpha"),
        ],
    );
    let notice = Notice::at(
        "dangling",
        &KindName::new("Project"),
        &Key::name("Web shop"),
        "NextId",
        "names Project Projects-99, which is not on the server".to_owned(),
    );
    let owner = |key: &str| Reason::NeededBy {
        kind: KindName::new("Project"),
        key: Key::name(key),
        place: "EnvIds[0]".to_owned(),
    };
    let b = written(
        folder.path().join("b.sealift"),
        header_of(Some("1.0")),
        vec![
            doc("Env", "PRODUCTION", "Envs-7"),
            doc("Env", "Test", "Envs-1"),
            doc("Env", "Mine", "Envs-8").reason(owner("Web shop")),
            doc("Project", "Web shop", "Projects-2").column("EnvIds", envs(["PRODUCTION", "Test"])),
            set("Web shop"),
            doc("Project", "Shared", "Projects-1").column("NextId", reference("Project", "Web shop")),
            doc("Project", "Only b", "Projects-3")
                .column("NextId", reference("Project", "Web shop"))
                .column("EnvIds", envs(["Mine", "PRODUCTION"]))
                .body("Tags", Value::List(vec![tag("ALPHA")])),
            tags("ALPHA"),
        ],
        vec![notice],
    );
    let names: Vec<String> =
        found_conflicts(&[&a, &b], &model, &MergeOptions::default()).iter().map(|c| told(c).0).collect();
    assert_eq!(
        names,
        ["Env PRODUCTION", "Project Web Shop", "TagSet Ring"],
        "what only refers to them is equal"
    );

    let out = folder.path().join("out.sealift");
    let check = |preferred: &str, spelled: [&str; 3], other: &str| {
        let options = prefer(&[preferred]);
        let summary = merge(&[&a, &b], &out, &model, &options);
        let back = merge(&[&b, &a], &folder.path().join("back.sealift"), &model, &options);
        assert_eq!(summary.content_root, back.content_root);
        let bundle = open(&out);
        let [environment, project, alpha] = spelled;
        document(&bundle, "Env", environment);
        let ours = document(&bundle, "Project", "Only b");
        assert_eq!(ours.columns.get("NextId"), Some(&reference("Project", project)));
        assert_eq!(ours.columns.get("EnvIds"), Some(&envs(["Mine", environment])));
        let Some(Value::Map(body)) = &ours.body else { panic!() };
        assert_eq!(body.get("Tags"), Some(&Value::List(vec![tag(alpha)])));
        let key = Key::new(vec![reference("Project", project)]).unwrap();
        bundle.find("VarSet", &key).unwrap().unwrap();
        let mine = bundle.find("Env", &Key::name("Mine")).unwrap().unwrap();
        assert_eq!(mine.reason, owner(project));
        let notices = bundle.notices().unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].key.as_deref(), Some(Key::name(project).to_text().as_str()));
        assert_eq!(notices[0].text, "b.sealift: names Project Projects-99, which is not on the server");
        for entry in entries(&bundle) {
            let text = format!("{} {:?}", entry.key.to_text(), bundle.document(entry.number).unwrap());
            assert!(!text.contains(other), "{text}");
        }
    };
    check("a", ["Production", "Web Shop", "Alpha"], "Web shop");
    check("b", ["PRODUCTION", "Web shop", "ALPHA"], "Web Shop");
}

/// Neither bundle holds what both refer to: there is nobody to say how it is spelled.
#[test]
fn references_to_what_nobody_has_are_equal_in_every_spelling_and_order() {
    let folder = folder();
    let model = shop();
    let web = |name: &str| doc("Project", "Web", "Projects-1").column("NextId", reference("Project", name));
    let a = bundle_of(folder.path(), "a.sealift", vec![web("Far away"), doc("Project", "A", "Projects-2")]);
    let b = bundle_of(folder.path(), "b.sealift", vec![web("FAR AWAY")]);
    let c = bundle_of(folder.path(), "c.sealift", vec![web("far away ")]);
    let mut roots: Vec<ContentRoot> = Vec::new();
    for files in [[&a, &b, &c], [&b, &c, &a], [&c, &a, &b]] {
        let out = folder.path().join("out.sealift");
        let files = files.map(PathBuf::as_path);
        roots.push(merge(&files, &out, &model, &MergeOptions::default()).content_root);
        let web = document(&open(&out), "Project", "Web");
        assert_eq!(web.columns.get("NextId"), Some(&reference("Project", "FAR AWAY")));
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
}

#[test]
fn ids_of_two_servers_are_never_taken_for_one_servers() {
    let folder = folder();
    let model = shop();
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Project", "Web", "Projects-1").column("NextId", dangling("Project", "Projects-2")),
            doc("Env", "Built in", "envs-builtin"),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Project", "Api", "Projects-1"),
            doc("Project", "Other", "Projects-2"),
            doc("Env", "Mine", "Envs-1"),
        ],
    );
    let out = folder.path().join("out.sealift");
    merge(&[&a, &b], &out, &model, &MergeOptions::default());
    let bundle = open(&out);
    let web = document(&bundle, "Project", "Web");
    assert_eq!(
        web.columns.get("NextId"),
        Some(&dangling("Project", "Projects-2")),
        "it is nobody's here either"
    );
    for name in ["Web", "Api", "Other"] {
        assert_eq!(id_of(&bundle, "Project", name), Value::Null);
    }
    assert_eq!(id_of(&bundle, "Env", "Mine"), Value::Null);
    assert_eq!(id_of(&bundle, "Env", "Built in"), Value::from("envs-builtin"), "the same on every server");
    assert_eq!(bundle.info().header.options.as_deref(), Some("merge of a.sealift, b.sealift"));

    // Of one server, and said so, they may stay.
    let named = |name: &str, doc: Doc| {
        let header = Header { server: Some("shop".to_owned()), ..header_of(Some("1.0")) };
        written(folder.path().join(name), header, vec![doc], Vec::new())
    };
    let (c, d) =
        (named("c.sealift", doc("Env", "C", "Envs-1")), named("d.sealift", doc("Env", "D", "Envs-2")));
    merge(&[&c, &d], &out, &model, &MergeOptions::default());
    assert_eq!(id_of(&open(&out), "Env", "D"), Value::from("Envs-2"));
    assert_eq!(open(&out).info().header.server.as_deref(), Some("shop"));
}

/// An import finds such a document by its id, whatever it is called.
#[test]
fn a_document_with_an_id_that_is_the_same_everywhere_is_one_under_two_names() {
    let folder = folder();
    let model = shop();
    let envs = |name: &str| Value::List(vec![reference("Env", "Zero"), reference("Env", name)]);
    let sorted = |name: &str| {
        let mut list = vec![reference("Env", name), reference("Env", "Zero")];
        list.sort_by_key(|value| format!("{value:?}"));
        Value::List(list)
    };
    let a = bundle_of(
        folder.path(),
        "a.sealift",
        vec![
            doc("Env", "Built in", "envs-builtin"),
            doc("Project", "A", "Projects-1").column("EnvIds", sorted("Built in")),
        ],
    );
    let b = bundle_of(
        folder.path(),
        "b.sealift",
        vec![
            doc("Env", "zzz", "ENVS-builtin"),
            doc("Project", "B", "Projects-1").column("EnvIds", envs("zzz")),
        ],
    );
    let found = found_conflicts(&[&a, &b], &model, &MergeOptions::default());
    assert_eq!(found.iter().map(|c| told(c).2).collect::<Vec<_>>(), [["Name"]]);
    let out = folder.path().join("out.sealift");
    merge(&[&a, &b], &out, &model, &prefer(&["Env/Built in=a"]));
    let bundle = open(&out);
    assert_eq!(bundle.info().documents, 3);
    assert_eq!(document(&bundle, "Project", "B").columns.get("EnvIds"), Some(&sorted("Built in")));
    merge(&[&a, &b], &out, &model, &prefer(&["Env/zzz=b"]));
    assert_eq!(document(&open(&out), "Project", "A").columns.get("EnvIds"), Some(&envs("zzz")));

    // The name is taken there by another: nobody can say which of the two it is.
    let c = bundle_of(
        folder.path(),
        "c.sealift",
        vec![doc("Env", "zzz", "Envs-4"), doc("Env", "Built in", "envs-builtin")],
    );
    let error = Merge::examine(&inputs(&[&b, &c]), &model, &prefer(&["c"]), &Silent).unwrap_err();
    assert!(matches!(error, MergeError::Twins { ref input, .. } if input == "c.sealift"), "{error}");
}
