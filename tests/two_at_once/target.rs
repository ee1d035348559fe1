//! A target that moves: between the plan and the run, and under the run itself.

use sealift::bundle::Bundle;
use sealift::crypto::FingerprintKey;
use sealift::ops::{self, How, ImportError, Keys, Outcome, Relied};
use sealift::plan::{Action, Plan};
use sealift::progress::Silent;

use super::*;

const SEED: u64 = 0x5ea1_1f70_0000_0002;

/// The target and a bundle of the build server.
struct Target {
    folder: tempfile::TempDir,
    place: Place,
    bundle: Bundle,
}

impl Target {
    fn new(server: Option<&TestServer>) -> Self {
        let folder = folder();
        let Place::Embedded(source) = Place::embedded(folder.path(), Site::Build) else { unreachable!() };
        let bundle = folder.path().join("a.sealift");
        export(&source, &octopus(), &bundle, &everything(Some(&key(1))));
        let mut target = Self { place: Place::Embedded(source), bundle: open(&bundle), folder };
        target.again(server);
        target
    }

    /// A new target, as it was in the beginning.
    fn again(&mut self, server: Option<&TestServer>) {
        let _ = std::fs::remove_file(self.folder.path().join("Production.sqlite"));
        self.place = match server {
            Some(server) => Place::endpoint(server, self.folder.path(), Site::Production),
            None => Place::embedded(self.folder.path(), Site::Production),
        };
    }

    fn root(&self) -> String {
        self.place.root(self.folder.path(), Site::Production)
    }

    fn plan(&self, seen: &FingerprintKey) -> Plan {
        let (data, master) = (unlock(&self.bundle), key(2));
        let keys = Keys { bundle: data.as_ref(), master: Some(&master), seen };
        let mut server = self.place.open();
        let mut reader = server.read().unwrap();
        ops::plan(&self.bundle, &mut *reader, &octopus(), keys, overwrite(), &Silent).unwrap()
    }

    fn import(
        &self,
        seen: &FingerprintKey,
        shown: Option<&Relied>,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Outcome, ImportError> {
        let (data, master) = (unlock(&self.bundle), key(2));
        let keys = Keys { bundle: data.as_ref(), master: Some(&master), seen };
        let how = How { dry_run, ..How::default() };
        let (server, model) = (&mut *self.place.open(), octopus());
        match shown {
            Some(shown) => {
                ops::apply_plan(&self.bundle, server, &model, keys, shown, how, overwrite(), progress)
            }
            None => ops::import(&self.bundle, server, &model, keys, how, overwrite(), progress),
        }
    }
}

/// A row of the target that a document of the plan stands for, or would be made beside.
struct Spot {
    table: String,
    kind: String,
    key: String,
    id: Value,
    name: Value,
    body: String,
    /// The name of a document that the plan would create, where this row is one that the bundle does not know.
    taken: Option<(String, Value)>,
}

fn spots(target: &Target, plan: &Plan) -> Vec<Spot> {
    let model = octopus();
    let mut spots = Vec::new();
    let mut spaces = rows_of(&mut *target.place.open(), "Space", &["Id", "Name"]);
    spaces.retain(|space| space[1] == Value::from("Default"));
    for kind in model.kinds() {
        let named = kind.key.last().is_some_and(|column| column.column == "Name");
        let spaced = kind.key.iter().any(|column| column.column == "SpaceId");
        if !named || !spaced || kind.body.is_none() || kind.id.is_none() {
            continue;
        }
        let entries: Vec<_> = plan.entries.iter().filter(|entry| entry.kind == kind.name).collect();
        if entries.is_empty() {
            continue;
        }
        let default = |entry: &sealift::plan::Entry| entry.key.to_string().starts_with("Default / ");
        let created = entries.iter().find(|entry| entry.action == Action::Create && default(entry));
        for row in rows_of(&mut *target.place.open(), &kind.table, &["Id", "Name", "JSON", "SpaceId"]) {
            let [id, name, Value::Text(body), space] = row.as_slice() else { continue };
            let of_name =
                |name: &Value| entries.iter().filter(|e| e.key.parts().last() == Some(name)).count();
            let entry = entries.iter().find(|entry| entry.key.parts().last() == Some(name));
            let (key, taken) = match (entry, created) {
                (Some(entry), _) if of_name(name) == 1 && entry.action != Action::Create => {
                    (entry.key.to_string(), None)
                }
                (None, Some(created)) if *space == spaces[0][0] => {
                    let name = created.key.parts().last().unwrap().clone();
                    (String::new(), Some((created.key.to_string(), name)))
                }
                _ => continue,
            };
            spots.push(Spot {
                table: kind.table.clone(),
                kind: kind.name.to_string(),
                key,
                id: id.clone(),
                name: name.clone(),
                body: body.clone(),
                taken,
            });
        }
    }
    spots
}

fn between_plan_and_run(server: Option<&TestServer>, most: u64) {
    let target = Target::new(server);
    let before = target.root();
    let seen = FingerprintKey::generate().unwrap();
    let plan = target.plan(&seen);
    let shown = Relied::of(&plan, &seen);
    let spots = spots(&target, &plan);
    let (mut renamed, mut edited, mut taken, mut own) = (0, 0, 0, 0);
    let mut random = SEED;
    for round in 0..rounds(most) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let spot = &spots[random as usize % spots.len()];
        let moved = format!("{{\"Moved\":{round},{}", spot.body.trim_start_matches('{'));
        let moved = moved.replace(",}", "}");
        let (column, was, now, stale) = match (&spot.taken, round % 3) {
            // A name that was free is taken.
            (Some((key, name)), 0) => {
                taken += 1;
                ("Name", spot.name.clone(), name.clone(), Some(key))
            }
            // What the bundle knows nothing of may change as it likes.
            (Some(_), _) => {
                own += 1;
                ("JSON", spot.body.as_str().into(), moved.as_str().into(), None)
            }
            (None, 0) => {
                renamed += 1;
                ("Name", spot.name.clone(), format!("moved {round}").as_str().into(), Some(&spot.key))
            }
            (None, _) => {
                edited += 1;
                ("JSON", spot.body.as_str().into(), moved.as_str().into(), Some(&spot.key))
            }
        };
        let at = format!(
            "round {round}, seed {SEED:#x}: {column} of {} {:?} becomes {now:?}",
            spot.kind, spot.name
        );
        change(&mut *target.place.open(), &spot.table, &spot.id, column, now)
            .unwrap_or_else(|e| panic!("{at}: {e}"));
        // Where nothing is in the way it would be written: only tried.
        let outcome = target.import(&seen, Some(&shown), stale.is_none(), &Silent).unwrap();
        match (&outcome, stale) {
            (Outcome::Stale(found), Some(key)) => {
                let named = found.iter().any(|f| f.kind == spot.kind && f.name == *key);
                assert!(named, "{at}: {found:?}");
            }
            (Outcome::DryRun(_), None) => {}
            _ => panic!("{at}: {outcome:?}"),
        }
        change(&mut *target.place.open(), &spot.table, &spot.id, column, was).unwrap();
    }
    assert_eq!(target.root(), before, "nothing was written");
    println!(
        "between plan and run: {edited} documents edited, {renamed} renamed, {taken} names taken: all told by name; \
         {own} documents that the plan does not know: none in the way"
    );
    assert!(edited > 0 && renamed > 0 && taken > 0 && own > 0);
    assert!(matches!(target.import(&seen, Some(&shown), false, &Silent), Ok(Outcome::Applied(_))));
}

#[test]
fn what_moved_between_plan_and_run_is_told_by_name() {
    between_plan_and_run(None, 24);
}

#[test]
fn what_moved_between_plan_and_run_is_told_by_name_over_tds() {
    between_plan_and_run(Some(&TestServer::own(Default::default())), 24);
}

fn under_the_run(server: Option<&TestServer>) {
    let seen = FingerprintKey::generate().unwrap();
    let mut target = Target::new(server);
    let plan = target.plan(&seen);
    // One that the import overwrites, and whose change cannot go unnoticed.
    let spots = spots(&target, &plan);
    let updates = |spot: &&Spot| {
        let same = |e: &&sealift::plan::Entry| e.kind.as_str() == spot.kind && e.key.to_string() == spot.key;
        plan.entries.iter().find(same).is_some_and(|entry| entry.action == Action::Update)
    };
    let spot = spots.iter().find(updates).unwrap();
    let moved = format!("{{\"Moved\":1,{}", spot.body.trim_start_matches('{'));
    let deed =
        |place: &Place| change(&mut *place.open(), &spot.table, &spot.id, "JSON", moved.as_str().into());
    let import = |target: &Target, progress: &dyn Progress| match target.import(&seen, None, false, progress)
    {
        Ok(Outcome::Applied(_)) => Ok(()),
        // It had decided before the other's change.
        Ok(Outcome::Stale(found)) => {
            assert!(found.iter().any(|f| f.kind == spot.kind && f.name == spot.key), "{found:?}");
            Err(format!("{found:?}"))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(format!("{error:?}")),
    };
    // What each order would leave.
    deed(&target.place).unwrap();
    let deed_alone = target.root();
    import(&target, &Silent).unwrap();
    let import_last = target.root();
    target.again(server);
    import(&target, &Silent).unwrap();
    let import_alone = target.root();
    deed(&target.place).unwrap();
    let deed_last = target.root();
    assert!(deed_last != import_last && deed_alone != import_alone);

    let (mut kept_off, mut both, mut given_up) = (0, 0, 0);
    for n in steps() {
        target.again(server);
        let (done, place) = (Mutex::new(None), &target.place);
        let progress = Meanwhile::new(n, || *done.lock().unwrap() = Some(deed(place)));
        let imported = import(&target, &progress);
        if !progress.struck() {
            imported.unwrap();
            break;
        }
        drop(progress);
        let done = done.into_inner().unwrap().unwrap();
        let at = format!("at event {n}: {done:?}, {imported:?}");
        let now = target.root();
        match (&done, &imported) {
            (Err(ServerError::Busy), Ok(())) => {
                kept_off += 1;
                assert_eq!(now, import_alone, "{at}");
            }
            (Ok(()), Ok(())) => {
                both += 1;
                assert!(now == deed_last || now == import_last, "{at}");
            }
            (Ok(()), Err(_)) => {
                given_up += 1;
                assert_eq!(now, deed_alone, "{at}");
                // Who meets the other's change is told to try again, and then it works.
                import(&target, &Silent).unwrap();
                assert_eq!(target.root(), import_last, "{at}");
            }
            _ => panic!("{at}"),
        }
    }
    println!(
        "under an import: {kept_off} times the other was kept off, {both} times both were done, {given_up} times the \
         import gave up"
    );
    assert!(kept_off + both + given_up >= 5);
}

#[test]
fn a_target_that_moves_under_an_import() {
    under_the_run(None);
}

#[test]
fn a_target_that_moves_under_an_import_over_tds() {
    under_the_run(Some(&TestServer::own(Default::default())));
}

/// Over TDS the second waits for the first, for as long as it was told to.
#[test]
fn of_two_imports_over_tds_the_second_waits() {
    let test = TestServer::own(Default::default());
    let endpoint = test.endpoint.clone().unwrap();
    let seen = FingerprintKey::generate().unwrap();
    let mut expected = None;
    for (patience, waits) in [(20_000, true), (300, false)] {
        let target = Target::new(Some(&test));
        let Place::Endpoint(database) = &target.place else { unreachable!() };
        let slow = endpoint::What::Delay(std::time::Duration::from_millis(2500));
        let struck = endpoint.fault(endpoint::Fault::new(endpoint::On::Sql("COMMIT".into()), slow));
        let (data, master, model) = (unlock(&target.bundle), key(2), octopus());
        let keys = Keys { bundle: data.as_ref(), master: Some(&master), seen: &seen };
        let run = |patience: u64| {
            let mut address = database.address();
            address.lock_timeout = std::time::Duration::from_millis(patience);
            let mut server = SqlServer::open(&address).unwrap();
            let bundle = open(&target.folder.path().join("a.sealift"));
            ops::import(&bundle, &mut server, &model, keys, How::default(), overwrite(), &Silent)
        };
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| run(20_000));
            while !struck.did() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let second = run(patience);
            (first.join().unwrap(), second)
        });
        assert!(matches!(first, Ok(Outcome::Applied(_))), "{first:?}");
        match second {
            // It had decided before the first wrote, and looked again when that was done.
            Ok(Outcome::Stale(moved)) => assert!(waits && !moved.is_empty(), "it did not wait so long"),
            Err(ImportError::Server(ServerError::Busy)) => assert!(!waits, "it was given no time"),
            other => panic!("{other:?}"),
        }
        endpoint.clear_faults();
        let root = target.root();
        assert_eq!(*expected.get_or_insert(root.clone()), root);
        println!("two imports over TDS: the second {}", if waits { "waited" } else { "said Busy" });
    }
}
