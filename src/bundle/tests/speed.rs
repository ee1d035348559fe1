//! How fast and how small, on a corpus of 50,000 documents. Run with
//! `cargo test --release bundle::tests::speed -- --ignored --nocapture`; `SEALIFT_LEVEL` and `SEALIFT_SCALE`
//! change the level and the size (500 is 50,000 documents).

use std::time::Instant;

use super::corpus::{self, Item};
use super::*;

/// User and system time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "a measurement, not a test"]
fn fifty_thousand_documents() {
    let scale = setting("SEALIFT_SCALE", 500);
    let level = setting("SEALIFT_LEVEL", DEFAULT_LEVEL as u64) as i32;
    let (_folder, path) = folder();

    // What making the documents costs, to be taken off.
    let start = cpu();
    let mut json = 0;
    corpus::server(scale, &mut |item| {
        json += crate::document::json::write(item.document.body.as_ref().unwrap()).len();
        std::hint::black_box(&item);
    });
    let generating = cpu() - start;
    println!("generated {json} bytes of JSON bodies in {generating:.2} s CPU, RSS {} MiB", memory("VmHWM"));

    // The derivation's memory is freed again, but would hide the peak.
    let options = WriterOptions { level, protection: protection(), ..WriterOptions::default() };
    let before = memory("VmHWM");
    let mut writer = Writer::create(&path, header(), options).unwrap();
    let start = cpu();
    let mut spent = 0.0;
    let mut batch: Vec<Item> = Vec::new();
    corpus::server(scale, &mut |item| {
        batch.push(item);
        if batch.len() == 1000 {
            let now = Instant::now();
            for item in &batch {
                writer.add(&item.document, &item.folded(), &item.id, &Reason::All, &item.values()).unwrap();
            }
            spent += now.elapsed().as_secs_f64();
            batch.clear();
        }
    });
    let adding = cpu() - start;
    let start = cpu();
    let now = Instant::now();
    let summary = writer.finish(&Silent).unwrap();
    println!(
        "adding {spent:.2} s wall ({adding:.2} s CPU with generating), finishing {:.2} s wall {:.2} s CPU",
        now.elapsed().as_secs_f64(),
        cpu() - start
    );
    println!("VmHWM {before} -> {} MiB, now {} MiB", memory("VmHWM"), memory("VmRSS"));
    println!(
        "{} documents, {} raw, {} in the file",
        summary.documents, summary.raw_bytes, summary.file_bytes
    );
    {
        let db = rusqlite::Connection::open(&path).unwrap();
        let mut sizes =
            db.prepare("SELECT name, sum(pgsize), sum(unused) FROM dbstat GROUP BY name").unwrap();
        let mut rows = sizes.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (name, size, unused): (String, i64, i64) =
                (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
            println!("    {name:12} {size:>10} of which {unused} unused");
        }
    }

    let (start, now) = (cpu(), Instant::now());
    let bundle = open(&path).unwrap();
    println!("open and check {:.3} s CPU, {:.3} s wall", cpu() - start, now.elapsed().as_secs_f64());
    let mut entries = Vec::new();
    let (start, now) = (cpu(), Instant::now());
    bundle
        .entries::<BundleError>(None, &mut |entry| {
            if entry.number % 97 == 0 {
                entries.push(entry);
            }
            Ok(())
        })
        .unwrap();
    println!("entries {:.3} s CPU, {:.3} s wall", cpu() - start, now.elapsed().as_secs_f64());
    let now = Instant::now();
    for entry in &entries {
        let found = bundle.find(entry.kind.as_str(), &entry.key).unwrap().unwrap();
        assert_eq!(bundle.document(found.number).unwrap().key, entry.key);
    }
    println!("one document by key {:.0} µs", now.elapsed().as_secs_f64() * 1e6 / entries.len() as f64);
    let (start, now) = (cpu(), Instant::now());
    let mut count = 0;
    bundle
        .scan::<BundleError>(None, &mut |_, document| {
            std::hint::black_box(&document);
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, summary.documents);
    println!("scan {:.3} s CPU, {:.3} s wall", cpu() - start, now.elapsed().as_secs_f64());
    let (start, now) = (cpu(), Instant::now());
    assert!(report(&path, None).unwrap().is_sound());
    println!("verify, sealed {:.3} s CPU, {:.3} s wall", cpu() - start, now.elapsed().as_secs_f64());
    let (start, now) = (cpu(), Instant::now());
    assert!(report(&path, Some(&password())).unwrap().is_sound());
    println!("verify, opened {:.3} s CPU, {:.3} s wall", cpu() - start, now.elapsed().as_secs_f64());
}
