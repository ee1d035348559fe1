//! What the work costs: `cargo bench --bench corpus -- [DOCUMENTS…] [requests] [tds] [events] [once]`.
//!
//! Without arguments everything, at 5,000, 50,000 and 500,000 documents, with 8 GB in the system's temporary folder
//! (`TMPDIR`); numbers choose other sizes, and words some of the parts beside the sizes. Each figure is a whole
//! process of the release binary, measured by GNU `time` where it is installed: CPU (user and system seconds of all
//! threads), wall seconds, peak memory; the median of some runs by CPU. CPU is compared with a *floor*: what one
//! thread takes that reads all rows, hashes each with BLAKE3, and compresses them with zstd at level 9 in packs of
//! 2 MiB. `zstd` and `restic` work on the same rows as one file. "locked" is for how long nobody else could write to
//! the target.
//!
//! `events` are a numbered kind without an index; `tds` and `requests` go over the wire. A line per goal at the end
//! says whether it is met. With `once` no step is repeated; `SEALIFT_BENCH_BINARY` names another build to measure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "../../tests/support/back.rs"]
mod back;
#[path = "../../tests/support/counted.rs"]
mod counted;
mod floor;
#[path = "../../tests/support/generator.rs"]
mod generator;
#[path = "../support/goals.rs"]
mod goals;
#[path = "../support/journey.rs"]
mod journey;
#[path = "../support/measure.rs"]
mod measure;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tds;
#[path = "../../tests/support/tsql.rs"]
mod tsql;

use std::collections::BTreeMap;

use goals::{EVENTS, EXPORT, IMPORT, MEMORY, MILLION, NUMBERED, PLAN, Table, UNDO, Verdicts};
use journey::{FOLDERS, Journey, STEPS, megabytes};
use measure::{Figure, Measured};

const SIZES: [usize; 3] = [5_000, 50_000, 500_000];
/// Each four times the one before; the last two tell whether a numbered kind is linear.
const EVENT_COUNTS: [usize; 3] = [12_500, 50_000, 200_000];
/// The parts beside the sizes, as arguments.
const PARTS: [&str; 3] = ["requests", "tds", "events"];
/// The argument that has each step run once.
const ONCE: &str = "once";
const TDS_DOCUMENTS: usize = 20_000;
/// Beyond this a folder of a file for each document is not made.
const FOLDERS_UP_TO: usize = 50_000;
const MILLION_DOCUMENTS: f64 = 1e6;

/// The figures of one size by the name of the step.
struct Size {
    documents: u64,
    figures: BTreeMap<&'static str, Measured>,
}

impl Size {
    fn figure<T>(&self, step: &str, of: impl Fn(&Figure) -> Option<T>) -> Result<T, String> {
        match self.figures.get(step) {
            Some(Ok(figure)) => of(figure).ok_or_else(|| "no GNU time".to_owned()),
            Some(Err(why)) => Err(why.clone()),
            None => Err("not run".to_owned()),
        }
    }
}

fn corpus(documents: usize, once: bool, verdicts: &mut Verdicts) -> Size {
    let runs = match documents {
        _ if once => 1,
        0..20_000 => 5,
        20_000..200_000 => 3,
        _ => 1,
    };
    // The corpus counts without what comes beside the documents that are asked for: two in seven.
    let journey = Journey::new(|server, key| {
        generator::corpus(server, documents * 5 / 7, 1, Some(key));
    });
    let rows = journey.at("rows");
    let bytes = floor::rows_as_file(&journey.source(), &rows).expect("the rows");
    let floor = floor::floor(&journey.source(), journey.documents(), runs);
    println!(
        "\n{} documents, rows of {:.1} MB, median of {runs} by CPU, key derivation 8 MiB",
        journey.documents(),
        bytes as f64 / 1e6
    );
    let mut table = Table {
        verdicts,
        at: journey.documents().to_string(),
        floor: floor.as_ref().ok().and_then(|figure| figure.cpu),
    };
    table.head();
    table.line("the floor", None, &floor);
    table.line("zstd -9 --long=27 of the rows", None, &floor::zstd(&rows, runs));
    table.line("restic backup of the rows", None, &floor::restic(&rows, runs));
    let folders = if documents <= FOLDERS_UP_TO { &FOLDERS[..] } else { &[] };
    let mut figures = BTreeMap::new();
    for step in STEPS.iter().chain(folders) {
        let measured = journey.run(step, runs);
        table.line(step.name, step.goal, &measured);
        figures.insert(step.name, measured);
    }
    println!(
        "server {:.1} MB, bundle {:.2} MB, undo file {:.2} MB; rows by zstd {:.2} MB",
        megabytes(&journey.source()),
        megabytes(&journey.at("a.sealift")),
        megabytes(&journey.at("a.undo")),
        megabytes(&rows.with_extension("zst")),
    );
    Size { documents: journey.documents(), figures }
}

/// Memory beyond a constant: by how much the peaks of two sizes differ, a document.
fn memory(small: &Size, large: &Size, verdicts: &mut Verdicts) {
    println!("\nMemory from {} to {} documents", small.documents, large.documents);
    let at = format!("{}-{}", small.documents, large.documents);
    let documents = large.documents.saturating_sub(small.documents) as f64;
    let mut million: Result<f64, String> = Ok(0.0);
    for (step, goal) in MEMORY {
        let peak = |size: &Size| size.figure(step, |figure| figure.peak_mib);
        let peaks = peak(small).and_then(|small| Ok((small, peak(large)?)));
        let slope = peaks.clone().map(|(small, large)| (large - small).max(0.0) / documents);
        verdicts.line(goal, &at, slope.clone().map(|slope| slope * 1024.0 * 1024.0));
        let beyond = (MILLION_DOCUMENTS - large.documents as f64).max(0.0);
        let then = slope.and_then(|slope| Ok(peaks?.1 + slope * beyond));
        million = million.and_then(|most| Ok(most.max(then?)));
    }
    verdicts.line(MILLION, &at, million);
}

fn events(verdicts: &mut Verdicts) {
    let steps = [EXPORT, PLAN, IMPORT, UNDO];
    let mut sizes: Vec<Size> = Vec::new();
    for count in EVENT_COUNTS {
        let journey = Journey::new(|server, _| {
            generator::events(server, count, 1);
        });
        println!("\n{count} events of {} documents", journey.documents());
        let mut table = Table { verdicts, at: String::new(), floor: None };
        table.head();
        let figures =
            STEPS.iter().filter(|step| steps.iter().any(|goal| goal.name == step.name)).map(|step| {
                let measured = journey.run(step, 1);
                table.line(step.name, None, &measured);
                (step.name, measured)
            });
        sizes.push(Size { figures: figures.collect(), documents: count as u64 });
    }
    println!();
    let mut grown = |goal, step, small: &Size, large: &Size| {
        let cpu = |size: &Size| size.figure(step, |figure| figure.cpu);
        let at = format!("{}-{}", small.documents, large.documents);
        verdicts.line(goal, &at, cpu(small).and_then(|small| Ok(cpu(large)? / small)));
    };
    let [first, middle, last] = &sizes[..] else { return };
    grown(EVENTS, IMPORT.name, first, middle);
    for (step, goal) in NUMBERED {
        grown(goal, step, middle, last);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [first, server, times] = &arguments[..]
        && first == floor::FLOOR
    {
        return floor::work(server, times.parse().expect("a number")).expect("a server");
    }
    let (numbers, words): (Vec<String>, Vec<String>) =
        arguments.into_iter().partition(|argument| argument.parse::<usize>().is_ok());
    if let Some(unknown) =
        words.iter().find(|word| ![PARTS.as_slice(), &[ONCE]].concat().contains(&word.as_str()))
    {
        eprintln!("{unknown} is neither a number of documents nor one of: {}, {ONCE}", PARTS.join(", "));
        std::process::exit(2);
    }
    let once = words.iter().any(|word| word == ONCE);
    let parts: Vec<&String> = words.iter().filter(|word| *word != ONCE).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| *word == part);
    let mut sizes: Vec<usize> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
    if sizes.is_empty() && parts.is_empty() {
        sizes = SIZES.to_vec();
    }
    sizes.sort_unstable();
    let mut verdicts = Verdicts::default();
    let sizes: Vec<Size> =
        sizes.into_iter().map(|documents| corpus(documents, once, &mut verdicts)).collect();
    // Caches fill up to their bounds first: the two largest sizes show what grows without a bound.
    if let [.., small, large] = &sizes[..] {
        memory(small, large, &mut verdicts);
    }
    if wants("requests") {
        tds::requests(&mut verdicts);
    }
    if wants("tds") {
        tds::times(TDS_DOCUMENTS, &mut verdicts);
    }
    if wants("events") {
        events(&mut verdicts);
    }
    println!("{verdicts}");
}
