//! SQL Servers that send without an end, take encryption away, or put values into their messages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a server does.
#[derive(Clone)]
enum Act {
    /// Greets without an end.
    Greeting,
    /// Answers the login without an end.
    Login,
    /// Refuses the login with an error.
    Refuse(u32, &'static str),
    /// Answers the first statement with endless rows: the columns, and one row.
    Rows(Vec<u8>, Vec<u8>),
    /// Answers the first statement with an error.
    Error(u32, &'static str),
}

fn packet(kind: u8, last: bool, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 8).to_be_bytes();
    [&[kind, u8::from(last), length[0], length[1], 0, 0, 1, 0], body].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn done(status: u8) -> Vec<u8> {
    [&[0xfd, status, 0][..], &[0; 10]].concat()
}

fn error(number: u32, message: &str) -> Vec<u8> {
    let text = utf16(message);
    let body = [
        &number.to_le_bytes()[..],
        &[1, 16],
        &(text.len() as u16 / 2).to_le_bytes(),
        &text,
        &[0, 0],
        &1u32.to_le_bytes(),
    ]
    .concat();
    [&[0xaa][..], &(body.len() as u16).to_le_bytes(), &body, &done(2)].concat()
}

fn logged_in() -> Vec<u8> {
    let body = [&[1, 0x74, 0, 0, 4, 1][..], &utf16("S"), &[16, 0, 0, 0]].concat();
    [&[0xad][..], &(body.len() as u16).to_le_bytes(), &body, &done(0)].concat()
}

/// Reads a request to its end.
fn request(stream: &mut TcpStream) -> Option<()> {
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 8];
        stream.read_exact(&mut body).ok()?;
        if head[1] & 1 == 1 {
            return Some(());
        }
    }
}

/// Sends the same until nobody listens any more; at most 4 GiB.
fn endless(stream: &mut TcpStream, first: &[u8], again: &[u8]) -> Option<()> {
    let repeated = again.repeat((4000 / again.len()).max(1));
    stream.write_all(&packet(4, false, first)).ok()?;
    let packet = packet(4, false, &repeated);
    for _ in 0..(1 << 20) {
        stream.write_all(&packet).ok()?;
    }
    Some(())
}

fn serve(mut stream: TcpStream, act: &Act) -> Option<()> {
    request(&mut stream)?;
    if let Act::Greeting = act {
        return endless(&mut stream, &[], &[0]);
    }
    // Version, and no encryption.
    let greeting = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 2];
    stream.write_all(&packet(4, true, &greeting)).ok()?;
    request(&mut stream)?;
    match act {
        // INFO tokens.
        Act::Login => {
            let info = [&0u32.to_le_bytes()[..], &[1, 0, 0, 0, 0, 0], &1u32.to_le_bytes()].concat();
            let info = [&[0xab][..], &(info.len() as u16).to_le_bytes(), &info].concat();
            return endless(&mut stream, &[], &info);
        }
        Act::Refuse(number, message) => {
            return stream.write_all(&packet(4, true, &error(*number, message))).ok();
        }
        _ => stream.write_all(&packet(4, true, &logged_in())).ok()?,
    }
    loop {
        request(&mut stream)?;
        match act {
            Act::Rows(columns, row) => return endless(&mut stream, columns, row),
            Act::Error(number, message) => {
                stream.write_all(&packet(4, true, &error(*number, message))).ok()?;
            }
            _ => return None,
        }
    }
}

/// A server on a port of its own.
fn server(act: Act) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let act = Arc::new(act);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = Arc::clone(&act);
            std::thread::spawn(move || serve(stream, &act));
        }
    });
    port
}

struct Ran {
    mib: u64,
    code: Option<i32>,
    told: String,
}

/// Exports from a server; the most memory that it took, its exit code, and what it said.
fn export(port: u16, settings: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args([
            "export",
            &format!("mssql://sa@127.0.0.1:{port}/D?{settings}"),
            "--no-secrets",
            "-o",
            "out.sealift",
        ])
        .args(more)
        .current_dir(folder.path())
        .env("SEALIFT_SQL_PASSWORD", "x")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (mut mib, begun) = (0, Instant::now());
    let code = loop {
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            mib = mib.max(line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        if begun.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut told = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut told).unwrap();
    Ran { mib, code, told }
}

/// COLMETADATA of so many columns of one type.
fn columns(count: u16, kind: &[u8]) -> Vec<u8> {
    let column = [&0u32.to_le_bytes()[..], &[1, 0], kind, &[0]].concat();
    [&[0x81][..], &count.to_le_bytes(), &column.repeat(usize::from(count))].concat()
}

#[test]
fn a_server_that_sends_without_an_end_takes_little_memory() {
    let int = (columns(1, &[0x38]), vec![0xd1, 1, 0, 0, 0]);
    // 300 columns that may be NULL, all of which are.
    let nulls = (columns(300, &[0x26, 4]), [vec![0xd2], vec![0xff; 38]].concat());
    // nvarchar(max) of unknown length, in chunks of 1,000 bytes.
    let long = [&[0xd1][..], &0xffff_ffff_ffff_fffeu64.to_le_bytes()].concat();
    let value = (
        [columns(1, &[0xe7, 0xff, 0xff, 9, 4, 0xd0, 0, 0x34]), long].concat(),
        [&1000u32.to_le_bytes()[..], &[b'a'; 1000]].concat(),
    );
    for (what, act) in [
        ("a greeting", Act::Greeting),
        ("a login", Act::Login),
        ("rows", Act::Rows(int.0, int.1)),
        ("rows of NULL", Act::Rows(nulls.0, nulls.1)),
        ("a value", Act::Rows(value.0, value.1)),
    ] {
        let Ran { mib, code, told } = export(server(act), "encrypt=off", &[]);
        eprintln!("{what} without an end: {mib} MiB, {code:?}, {told}");
        assert!(mib < 300, "{what} without an end: {mib} MiB");
        assert_eq!(code, Some(4), "{what}: {told}");
        assert!(told.contains("it sends more than can belong to the answer"), "{what}: {told}");
    }
}

#[test]
fn a_server_that_takes_encryption_away_is_told_from_one_that_cannot_be_reached() {
    let port = server(Act::Error(50_000, ""));
    for settings in ["", "trust_server_certificate=true", "encrypt=required"] {
        let Ran { code, told, .. } = export(port, settings, &[]);
        assert_eq!(code, Some(1), "{settings}: {told}");
        assert!(
            told.contains("offers no encryption") && !told.contains("cannot reach"),
            "{settings}: {told}"
        );
    }
}

#[test]
fn a_server_that_answers_tls_with_something_else_is_told_from_one_that_cannot_be_reached() {
    const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 0x28];
    for answer in [&ALERT[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        });
        let Ran { code, told, .. } = export(port, "encrypt=strict", &[]);
        assert_eq!(code, Some(1), "{answer:?}: {told}");
        assert!(told.contains("cannot be encrypted") && told.contains("TLS 1.2"), "{answer:?}: {told}");
        assert!(!told.contains("cannot reach") && !told.contains("trust_server"), "{answer:?}: {told}");
    }
}

#[test]
fn an_address_that_gives_up_encryption_or_the_certificate_is_warned_of() {
    let port = server(Act::Error(50_000, ""));
    for (settings, warnings) in [
        ("encrypt=off", &["encrypt=off"][..]),
        ("encrypt=login", &["encrypt=login"]),
        ("encrypt=false", &["encrypt="]),
        ("encrypt=login&trust_server_certificate=true", &["encrypt=login", "trust_server_certificate=true"]),
        ("trust_server_certificate=true", &["trust_server_certificate=true"]),
        ("", &[]),
    ] {
        let Ran { told, .. } = export(port, settings, &[]);
        let found: Vec<&str> = told.lines().filter(|line| line.starts_with("warning:")).collect();
        assert_eq!(found.len(), warnings.len(), "{settings}: {told}");
        for (line, warning) in found.iter().zip(warnings) {
            assert!(line.contains(warning), "{settings}: {told}");
        }
    }
}

#[test]
fn what_a_message_quotes_is_shown_only_when_it_is_asked_for() {
    const MESSAGE: &str = "The planet 'sword\u{1b}[31mfish' was refused (swordfish).";
    for (number, act) in
        [(33_557_097, Act::Error(33_557_097, MESSAGE)), (50_123, Act::Refuse(50_123, MESSAGE))]
    {
        let port = server(act);
        let usual = export(port, "encrypt=off", &[]).told;
        let expected = format!("SQL Server error {number}: The planet '…' was refused (…)");
        assert!(usual.contains(&expected) && !usual.contains("fish"), "{usual}");
        let asked = export(port, "encrypt=off", &["--show-server-messages"]).told;
        assert!(asked.contains("'sword\\u{1b}[31mfish' was refused (swordfish)"), "{asked}");
        assert!(asked.contains(&number.to_string()) && !asked.contains('\u{1b}'), "{asked}");
    }
    // Known numbers have texts of their own.
    let port = server(Act::Refuse(18_456, "Login failed for user 'swordfish'."));
    let usual = export(port, "encrypt=off", &[]).told;
    assert!(usual.contains("no such login") && !usual.contains("swordfish"), "{usual}");
    let asked = export(port, "encrypt=off", &["--show-server-messages"]).told;
    assert!(asked.contains("no such login") && asked.contains("'swordfish'"), "{asked}");
}

#[test]
fn every_command_that_talks_to_a_server_shows_messages_when_asked() {
    for command in ["init", "export", "partial-export", "plan", "import", "apply", "undo", "diff", "demo"] {
        let out = Command::new(env!("CARGO_BIN_EXE_sealift")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(out.stdout).unwrap();
        assert!(help.contains("--show-server-messages"), "{command}");
    }
}
