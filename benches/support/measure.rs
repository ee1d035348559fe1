//! Whole processes, measured: wall seconds, CPU seconds and peak memory, the latter two by GNU `time`.

#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What one run of a process took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figure {
    /// Seconds from its start to its end.
    pub wall: f64,
    /// User and system seconds of all its threads; `None` without GNU `time`.
    pub cpu: Option<f64>,
    /// The largest resident set in MiB; `None` without GNU `time`.
    pub peak_mib: Option<f64>,
    /// Seconds for which the target was locked, where somebody watched.
    pub locked: Option<f64>,
}

/// A figure, or why there is none.
pub type Measured = Result<Figure, String>;

/// The binary that is measured: the release build, or the one that `SEALIFT_BENCH_BINARY` names, to compare two.
pub fn sealift() -> Command {
    let named = std::env::var_os("SEALIFT_BENCH_BINARY");
    Command::new(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_sealift").into()))
}

/// Whether a program is on the path.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether `time` is GNU's, which knows `--format`; said once where it is not.
fn gnu_time() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let version = Command::new("time").arg("--version").output();
        let found = version.is_ok_and(|out| out.status.success());
        if !found {
            eprintln!("GNU time is not installed: no CPU seconds and no peak memory, wall seconds only");
        }
        found
    })
}

/// Runs a process once, without its output.
pub fn measure(command: &Command) -> Measured {
    let program = command.get_program();
    if !program.to_string_lossy().contains('/') && !installed(&program.to_string_lossy()) {
        return Err("not installed".to_owned());
    }
    let figures = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let mut measured = if gnu_time() {
        let mut time = Command::new("time");
        time.args(["--format", "%U %S %M", "--output"]).arg(figures.path()).arg(program);
        time
    } else {
        Command::new(program)
    };
    measured.args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(folder) = command.get_current_dir() {
        measured.current_dir(folder);
    }
    measured.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let started = Instant::now();
    let out = measured.output().map_err(|error| error.to_string())?;
    let wall = started.elapsed().as_secs_f64();
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr);
        eprintln!("{command:?} failed, {}:\n{text}", out.status);
        return Err("failed".to_owned());
    }
    let text = std::fs::read_to_string(figures.path()).unwrap_or_default();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (cpu, peak_mib) = match numbers[..] {
        [user, system, kib] => (Some(user + system), Some(kib / 1024.0)),
        _ => (None, None),
    };
    Ok(Figure { wall, cpu, peak_mib, locked: None })
}

/// The run in the middle by CPU, of an odd number of runs.
pub fn median(runs: usize, mut run: impl FnMut() -> Measured) -> Measured {
    let mut figures = (0..runs).map(|_| run()).collect::<Result<Vec<Figure>, String>>()?;
    let effort = |figure: &Figure| figure.cpu.unwrap_or(figure.wall);
    figures.sort_by(|a, b| effort(a).total_cmp(&effort(b)));
    figures.get(runs / 2).copied().ok_or_else(|| "not run".to_owned())
}

/// Measures a process that writes to an embedded server, and for how long it keeps other writers out: every two
/// milliseconds one asks for the lock and gives it back.
pub fn measure_locking(command: &Command, server: &Path) -> Measured {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(server, &over));
        let measured = measure(command);
        over.store(true, Ordering::Relaxed);
        let locked = watch.join().ok().and_then(Result::ok);
        measured.map(|figure| Figure { locked, ..figure })
    })
}

fn watch(server: &Path, over: &AtomicBool) -> rusqlite::Result<f64> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = rusqlite::Connection::open_with_flags(server, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    let (mut locked, mut since) = (Duration::ZERO, None);
    while !over.load(Ordering::Relaxed) {
        match (connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err(), since) {
            (true, None) => since = Some(Instant::now()),
            (false, Some(start)) => {
                locked += start.elapsed();
                since = None;
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((locked + since.map_or(Duration::ZERO, |start| start.elapsed())).as_secs_f64())
}

/// Seconds, MiB, or a dash.
pub fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}
