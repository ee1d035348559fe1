//! What imports leave in the target, on record: for 60 generated pairs of servers the target's rows after each step, the
//! plans, the exit codes and the undo files, on the embedded server and over TDS.
//!
//! The record (`tests/recorded/*.txt`) has a line for each table that a step changed, with a hash of all its rows. So
//! that somebody who changes how imports work sees which of them end differently. The servers, the steps and the
//! commands follow from seeds; `tests/recorded/rows.rs` says what is random and how it is made comparable.
//!
//! `SEALIFT_RECORD=1 cargo test --test recorded` writes the record anew, and the whole of all that the hashes are of
//! into `target/tmp/recorded`. A test that fails writes what differs there: run the other version with
//! `SEALIFT_RECORD=1` in a working tree of its own, and compare the two folders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/back.rs"]
mod back;
#[path = "support/generator.rs"]
mod generator;
#[path = "recorded/pair.rs"]
mod pair;
#[path = "recorded/play.rs"]
mod play;
#[path = "recorded/record.rs"]
mod record;
#[path = "recorded/rows.rs"]
mod rows;
#[path = "recorded/servers.rs"]
mod servers;
mod support;
#[path = "recorded/trade.rs"]
mod trade;
#[allow(dead_code, reason = "the named server is not used here")]
#[path = "support/tsql.rs"]
mod tsql;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pair::{Age, Content, Do, How, Pair, STORIES};
use play::{Spoil, play};
use rusqlite::Connection;
use sealift::crypto::SecretBytes;
use sealift::server::sqlite::{Schema, SqliteServer};
use support::{folder, key};
use tsql::TestServer;

const GROUPS: [&str; 6] = ["2018", "spaces", "2026", "into", "everything", "others"];

/// The ten pairs of a group: each story once.
fn pairs(group: &str) -> Vec<Pair> {
    let number = GROUPS.iter().position(|name| *name == group).unwrap();
    let pair = |index: usize| {
        let even = index.is_multiple_of(2);
        let (content, tds) = match group {
            "2018" => (Content::Small(Age::Y2018, Age::Y2018), even),
            "spaces" => (Content::Small(Age::Spaces, Age::Spaces), true),
            "2026" => match index {
                1 | 6 => (Content::Small(Age::Y2018, Age::Spaces), false),
                2 | 9 => (Content::Small(Age::Spaces, Age::Y2018), false),
                _ => (Content::Small(Age::Y2026, Age::Y2026), false),
            },
            "into" => (Content::Into, false),
            "everything" => match index {
                1 => (Content::Everything(Age::Spaces), false),
                4 => (Content::Everything(Age::Y2018), false),
                2 | 6 => (Content::Small(Age::Y2018, Age::Y2026), false),
                _ => (Content::Small(Age::Spaces, Age::Y2026), false),
            },
            _ if even => (Content::Random, false),
            _ => (Content::Trade, true),
        };
        let (seed, name) = ((1000 * number + index + 1) as u64, format!("{group}-{index}"));
        Pair { name, content, seed, story: STORIES[index], tds }
    };
    (0..STORIES.len()).map(pair).collect()
}

/// Where the whole of what was seen goes.
fn whole(pair: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorded").join(pair)
}

/// Plays a group and compares it with its record, or writes that.
fn group(name: &str) {
    let pairs = pairs(name);
    let server = pairs.iter().any(|pair| pair.tds).then(|| TestServer::own(Default::default()));
    let recording = std::env::var_os("SEALIFT_RECORD").is_some_and(|value| value == "1");
    let recorded = record::read(name);
    let mut now =
        "# Written by `SEALIFT_RECORD=1 cargo test --test recorded`; see tests/recorded.rs.\n".to_owned();
    let mut wrong = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let steps = play(pair, server.as_ref().filter(|_| pair.tds), None);
        let text = record::text(&pair.title(), &steps);
        let folder = whole(&pair.name);
        let _ = std::fs::remove_dir_all(&folder);
        if recording {
            record::write_whole(&folder, &steps, |_, _| true);
        } else {
            let found = record::differences(recorded.get(index).map_or("", String::as_str), &text);
            record::write_whole(&folder, &steps, |step, what| {
                found.iter().any(|difference| (&*difference.step, &*difference.what) == (step, what))
            });
            wrong.extend(found.iter().map(|difference| format!("pair {}, {difference}", pair.name)));
        }
        now.push('\n');
        now.push_str(&text);
    }
    if recording {
        std::fs::write(record::file(name), now).unwrap();
        return;
    }
    let shown = wrong.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
    let place = whole("");
    assert!(wrong.is_empty(), "{} differences; the whole is in {}\n{shown}", wrong.len(), place.display());
}

#[test]
fn pairs_before_spaces_end_as_recorded() {
    group("2018");
}

#[test]
fn pairs_with_spaces_end_as_recorded() {
    group("spaces");
}

#[test]
fn pairs_of_2026_and_of_two_generations_end_as_recorded() {
    group("2026");
}

#[test]
fn pairs_into_another_space_end_as_recorded() {
    group("into");
}

#[test]
fn pairs_with_everything_end_as_recorded() {
    group("everything");
}

#[test]
fn random_pairs_and_another_product_end_as_recorded() {
    group("others");
}

/// The record is of something: every sort of step and every outcome is there several times.
#[test]
fn every_step_and_every_outcome_is_on_record() {
    let all: Vec<Pair> = GROUPS.into_iter().flat_map(pairs).collect();
    assert_eq!(all.len(), 60);
    assert!(all.iter().filter(|pair| pair.tds).count() >= 20);
    let mut steps: BTreeMap<Do, usize> = BTreeMap::new();
    for step in all.iter().flat_map(|pair| pair.story) {
        *steps.entry(*step).or_default() += 1;
    }
    for how in [
        How::Skip,
        How::Overwrite,
        How::Policies,
        How::Fail,
        How::Merge,
        How::Add,
        How::Prune,
        How::Only,
        How::Except,
    ] {
        let found = steps.iter().filter(|(step, _)| format!("{step:?}").contains(&format!("{how:?}")));
        assert!(found.map(|(_, count)| count).sum::<usize>() >= 6, "{how:?}");
    }
    let record: String = GROUPS.into_iter().flat_map(record::read).collect();
    for (outcome, least) in [
        ("  exit: 0 applied\n", 120),
        ("  exit: 0 nothing-to-do\n", 30),
        ("  exit: 0 dry-run\n", 3),
        ("  exit: 0 planned\n", 15),
        ("  exit: 4 refused\n", 5),
        ("  exit: 4 stale\n", 3),
        ("  undo file before: ", 100),
    ] {
        let found = record.matches(outcome).count();
        assert!(found >= least, "{outcome:?}: {found} times");
    }
}

/// What one changed byte in a row does.
#[test]
fn a_changed_row_is_named_by_pair_step_and_table() {
    let pair =
        Pair { story: &[Do::Import(How::Overwrite), Do::Again], tds: false, ..pairs("spaces").remove(0) };
    let before = record::text(&pair.title(), &play(&pair, None, None));
    let same = record::text(&pair.title(), &play(&pair, None, None));
    assert_eq!(record::differences(&before, &same), []);
    let sql = "UPDATE [Account] SET [JSON] = replace([JSON], 'text', 'texT') WHERE [Name] = 'AWS'";
    let spoil = Spoil { after: 1, sql };
    let after = record::text(&pair.title(), &play(&pair, None, Some(&spoil)));
    let found = record::differences(&before, &after);
    let first = found.first().map(ToString::to_string).unwrap_or_default();
    let begins =
        "step 1: import a.sealift --overwrite --accept-dangling --undo 1.undo, rows Account: the record has ";
    assert!(first.starts_with(begins), "{found:#?}");
    assert!(found.iter().skip(1).all(|difference| difference.step.starts_with("step 2: ")), "{found:#?}");
}

/// Hashes see what must not change, and do not see what is never the same.
#[test]
fn a_changed_value_secret_or_id_changes_the_hash_and_a_fresh_ciphertext_or_guid_does_not() {
    let folder = folder();
    let path = folder.path().join("a.sqlite");
    drop(SqliteServer::create(&path, Schema::Ddl(sealift::model::OCTOPUS_SPACES_SQL)).unwrap());
    servers::fill(&path, &servers::Server { seed: 1, side: servers::Side::Target, space: "Default" });
    let db = Connection::open(&path).unwrap();
    let tables = rows::tables(&db);
    let mut normal = rows::Normal::new(Some(key(2)), Some(key(1)), false, rows::guids(&[&db]));
    let body = |secret: &str, guid: &str| format!(r#"{{"Token":"{secret}","Own":"{guid}"}}"#);
    let secret = |text: &str| key(2).encrypt(&SecretBytes::from(text.to_owned())).unwrap();
    let (one, other) = ("11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555");
    let first = secret("shibboleth");
    let mut put = |sql: &str, body: Option<&str>| {
        match body {
            Some(body) => db.execute(sql, [body]).unwrap(),
            None => db.execute(sql, []).unwrap(),
        };
        let state = normal.state(&db, &tables);
        (state.tables["Account"].text.clone(), state.kept, state.fresh)
    };
    let set = "UPDATE [Account] SET [JSON] = ?1 WHERE [Name] = 'AWS'";
    let (start, ..) = put(set, Some(&body(&first, one)));
    assert!(start.contains("shibboleth") && start.contains("{GUID 1}") && !start.contains(&first), "{start}");
    let (same, kept, fresh) = put(set, Some(&body(&first, one)));
    assert!(same == start && fresh == 0 && kept > 0);
    let (same, now_kept, fresh) = put(set, Some(&body(&secret("shibboleth"), one)));
    assert_eq!(
        (same == start, now_kept, fresh),
        (true, kept - 1, 1),
        "a fresh ciphertext of the same secret"
    );
    assert_ne!(put(set, Some(&body(&secret("shibboleTh"), one))).0, start, "another secret");
    let foreign = key(1).encrypt(&SecretBytes::from("shibboleth".to_owned())).unwrap();
    assert_ne!(put(set, Some(&body(&foreign, one))).0, start, "a secret under the source's key");
    assert_ne!(put(set, Some(&body(&first, other))).0, start, "a GUID that is not the one of before");
    assert_eq!(put(set, Some(&body(&first, one))).0, start);
    for (column, value) in
        [("Id", "'Accounts-999'"), ("EnvironmentIds", "'|Environments-1|'"), ("TenantIds", "''")]
    {
        let (changed, ..) =
            put(&format!("UPDATE [Account] SET [{column}] = {value} WHERE [Name] = 'AWS'"), None);
        assert_ne!(changed, start, "{column}");
    }
}
