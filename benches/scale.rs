//! How much time and memory much data takes: `cargo bench --bench scale -- [SETS] [KILOBYTES]`.
//!
//! An Octopus server of SETS library variable sets (500 if not said), each with a document of variables of
//! KILOBYTES (200), some of them secrets. It goes the way of `corpus`, and is imported over a server where every
//! variable set differs, without and with an undo file; that is taken back, and carried out once more as a saved
//! plan. Each figure is a whole process of the release binary, measured once. Memory is not to grow with the size
//! of documents.
//!
//! 10,000 sets of 200 KB take 15 GB in the system's temporary folder (`TMPDIR`) and half an hour.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/support/counted.rs"]
mod counted;
#[path = "../tests/support/generator.rs"]
mod generator;
#[path = "support/goals.rs"]
mod goals;
#[path = "support/journey.rs"]
mod journey;
#[path = "support/measure.rs"]
mod measure;

use std::fmt::Write as _;

use generator::Rng;
use goals::{Table, Verdicts};
use journey::{Journey, STEPS, Step, megabytes, step, writes};
use sealift::crypto::{MasterKey, SecretBytes};
use sealift::document::Value;
use sealift::server::Server;
use sealift::server::sqlite::SqliteServer;

/// The same sets with other variables.
const OTHER: &str = "other.sqlite";

const OVER_OTHERS: [Step; 6] = [
    step("plan, all to be created", &[], "plan a.sealift --to sqlite:empty.sqlite SECRETS"),
    writes(
        OTHER,
        step(
            "import over other values, no undo file",
            &[],
            "import a.sealift --to sqlite:target.sqlite --yes --overwrite --no-record --no-undo SECRETS",
        ),
    ),
    writes(
        OTHER,
        step(
            "import over other values, undo file",
            &["other.undo"],
            "import a.sealift --to sqlite:target.sqlite --yes --overwrite --no-record --undo other.undo SECRETS",
        ),
    ),
    step(
        "undo of that",
        &[],
        "undo other.undo --to sqlite:target.sqlite --yes --no-record --no-undo --master-key-file key",
    ),
    step(
        "plan, saved",
        &["a.plan"],
        "plan a.sealift --to sqlite:target.sqlite --overwrite -o a.plan SECRETS",
    ),
    step(
        "apply",
        &["apply.undo"],
        "apply a.plan a.sealift --to sqlite:target.sqlite --yes --no-record --undo apply.undo SECRETS",
    ),
];

/// Fills a server with many large variable sets. Servers of other seeds have the same sets with other variables.
fn generate(server: &mut SqliteServer, sets: usize, bytes: usize, seed: u64, key: &MasterKey) {
    let mut rng = Rng::new(seed);
    let mut transaction = server.begin().unwrap();
    let mut put = |table: &str, row: &[(&str, Value)]| {
        let columns: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
        let row = row.iter().map(|(_, value)| value.clone()).collect();
        transaction.insert(table, &columns, &[row]).unwrap_or_else(|error| panic!("{table}: {error}"));
    };
    let text = |text: &str| Value::from(text);
    let json = ("JSON", text("{}"));
    put(
        "Space",
        &[("Id", text("Spaces-1")), ("Name", text("Default")), ("IsDefault", true.into()), json.clone()],
    );
    let space = ("SpaceId", text("Spaces-1"));
    for n in 1..=5i64 {
        let (id, name) = (format!("Environments-{n}"), format!("Environment {n}"));
        let columns =
            [("Id", id.into()), ("Name", name.into()), ("SortOrder", n.into()), space.clone(), json.clone()];
        put("DeploymentEnvironment", &columns);
    }
    for n in 1..=sets {
        let owner = format!("LibraryVariableSets-{n}");
        let columns = [
            ("Id", text(&owner)),
            ("Name", format!("Library {n}").into()),
            ("VariableSetId", format!("variableset-{owner}").into()),
            ("ContentType", text("Variables")),
            space.clone(),
            ("JSON", text("{\"Templates\":[]}")),
        ];
        put("LibraryVariableSet", &columns);
        let columns = [
            ("Id", format!("variableset-{owner}").into()),
            ("OwnerId", text(&owner)),
            ("Version", 1.into()),
            ("IsFrozen", false.into()),
            ("RelatedDocumentIds", text("||")),
            space.clone(),
            ("JSON", Value::Text(variables(&mut rng, bytes, key))),
        ];
        put("VariableSet", &columns);
    }
    for (name, last) in [("LibraryVariableSet", sets as i64), ("Space", 1), ("DeploymentEnvironment", 5)] {
        put("KeyAllocation", &[("CollectionName", text(name)), ("Allocated", last.into())]);
    }
    transaction.commit().unwrap();
}

/// The JSON of a variable set: some hundreds of variables, two in five with a scope, one in a hundred secret.
fn variables(rng: &mut Rng, bytes: usize, key: &MasterKey) -> String {
    const NAMES: [&str; 8] =
        ["Database", "Gateway", "Queue", "Cache", "Storage", "Mail", "Search", "Billing"];
    let mut body = String::with_capacity(bytes + 1024);
    body.push_str("{\"Variables\":[");
    let mut n = 0;
    while n == 0 || body.len() < bytes {
        if n > 0 {
            body.push(',');
        }
        let (kind, value) = if rng.chance(1) {
            let secret = SecretBytes::from(format!("{:016x}", rng.next()).into_bytes());
            ("Sensitive", key.encrypt(&secret).unwrap())
        } else {
            let host = rng.pick(&NAMES).to_lowercase();
            (
                "String",
                format!("https://{host}-{:x}.example.com:{}/", rng.next() >> 32, 1000 + rng.below(9000)),
            )
        };
        let scope = match rng.below(10) {
            0..6 => String::new(),
            6..9 => format!("\"Environment\":[\"Environments-{}\"]", 1 + rng.below(5)),
            _ => format!(
                "\"Environment\":[\"Environments-{}\"],\"Role\":[\"{}\"]",
                1 + rng.below(5),
                rng.pick(&NAMES)
            ),
        };
        let (first, second) = (rng.pick(&NAMES), rng.pick(&NAMES));
        let _ = write!(
            body,
            "{{\"Id\":\"{}\",\"Name\":\"{first}.{second}.Setting{n}\",\"Value\":\"{value}\",\
             \"Description\":\"What the {second} of {first} needs to be told\",\"Scope\":{{{scope}}},\
             \"IsEditable\":true,\"Prompt\":null,\"Type\":\"{kind}\"}}",
            rng.guid()
        );
        n += 1;
    }
    body.push_str("]}");
    body
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (sets, kilobytes) = (numbers.next().unwrap_or(500), numbers.next().unwrap_or(200));
    let journey = Journey::new(|server, key| generate(server, sets, kilobytes * 1000, 1, key));
    journey.make(OTHER, |server, key| generate(server, sets, kilobytes * 1000, 2, key));
    println!("{sets} variable sets of {kilobytes} KB, a server of {:.0} MB", megabytes(&journey.source()));
    let mut table = Table { verdicts: &mut Verdicts::default(), at: sets.to_string(), floor: None };
    table.head();
    for step in STEPS.iter().chain(&OVER_OTHERS) {
        table.line(step.name, None, &journey.run(step, 1));
    }
    for file in ["a.sealift", "a.undo", "other.undo", "a.plan"] {
        println!("{file} {:.1} MB", megabytes(&journey.at(file)));
    }
}
