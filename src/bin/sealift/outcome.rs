//! How far a command is, and how it ended: what an interruption means then, and an answer that cannot be printed.
//!
//! Until its work takes effect a command can be stopped, and answers with 130. From there on it goes to its end. Its
//! outcome is settled before anything of it is printed, and neither an interruption nor a full disk under its output
//! makes another outcome of it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use sealift::progress::{Cancelled, StopRequest};
use sealift::server::sqlserver::ServerMessages;

use crate::exit::{Exit, Failure};
use crate::ui::{self, aside};

/// Nothing has taken effect yet.
const WORKING: u8 = 0;
/// Somebody has asked to stop: the work ends at its next safe point, without an effect.
const STOPPING: u8 = 1;
/// The process ends now; nothing may take effect any more.
const ENDING: u8 = 2;
/// The work takes effect, or has done so.
const TAKING_EFFECT: u8 = 3;

static PHASE: AtomicU8 = AtomicU8::new(WORKING);
static STOP: LazyLock<StopRequest> = LazyLock::new(StopRequest::default);
static MESSAGES: LazyLock<ServerMessages> = LazyLock::new(ServerMessages::kept);
static ENDED: Mutex<Option<Ended>> = Mutex::new(None);

/// How long an interrupted command tries to report what it has done.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Clone)]
struct Ended {
    exit: Exit,
    /// What it has changed, in one line.
    effect: Option<String>,
}

/// Ctrl-C asks the work to stop at its next safe point, and interrupts what it waits for; a second one, or one at a
/// question, ends at once. Where the work takes effect already, it is not stopped; where it has ended, its answer is.
pub fn watch_interrupts() {
    let _ = ctrlc::set_handler(interrupted);
}

/// What interrupts calls that wait for a server.
pub fn stop_request() -> StopRequest {
    STOP.clone()
}

/// What keeps the messages of SQL Servers, to be shown with the failure.
pub fn server_messages() -> ServerMessages {
    MESSAGES.clone()
}

/// Lets the work take effect, unless somebody has asked to stop.
pub fn take_effect() -> Result<(), Cancelled> {
    match PHASE.compare_exchange(WORKING, TAKING_EFFECT, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) | Err(TAKING_EFFECT) => Ok(()),
        Err(STOPPING) => Err(Cancelled),
        // The other thread is about to end the process.
        Err(_) => loop {
            std::thread::park();
        },
    }
}

/// Settles how a command ends that has changed nothing: where its answer cannot be printed, it has failed, unless it
/// has an exit code to give besides 0.
pub fn settle(exit: Exit) {
    end(Ended { exit, effect: None });
}

/// Settles how a command ends that has changed something, which is said in one line: whatever becomes of its answer.
pub fn settle_effect(exit: Exit, effect: impl Into<String>) {
    end(Ended { exit, effect: Some(effect.into()) });
}

fn end(ended: Ended) {
    *ENDED.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
}

fn ended() -> Option<Ended> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The exit code of a command, whose last failure may be no more than that of its output.
pub fn conclude(result: Result<Exit, Failure>) -> Exit {
    let flushed = || std::io::Write::flush(&mut std::io::stdout()).map_err(Failure::from);
    let failure = match result.and_then(|exit| flushed().map(|()| exit)) {
        Ok(exit) => return exit,
        Err(failure) => failure,
    };
    for message in MESSAGES.take() {
        aside!("server: {message}");
    }
    match ended() {
        Some(Ended { exit, effect: Some(effect) }) => {
            failure.warn_of_output(&effect);
            exit
        }
        Some(Ended { exit, effect: None }) if exit != Exit::Done => {
            failure.print();
            exit
        }
        _ => {
            failure.print();
            failure.exit
        }
    }
}

/// What an interruption does.
fn interrupted() {
    let advance = |from, to| PHASE.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    loop {
        match PHASE.load(Ordering::SeqCst) {
            WORKING if !ui::is_asking() => {
                if advance(WORKING, STOPPING) {
                    STOP.make();
                    return;
                }
            }
            phase @ (WORKING | STOPPING) => {
                if advance(phase, ENDING) {
                    ui::restore_terminal();
                    report("interrupted; nothing has taken effect".to_owned());
                    std::process::exit(i32::from(Exit::Interrupted as u8));
                }
            }
            TAKING_EFFECT => return interrupted_too_late(),
            _ => return,
        }
    }
}

/// The work is not stopped any more. Where it has ended, only its answer was to be printed.
fn interrupted_too_late() {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    let Some(Ended { exit, effect }) = ended() else {
        if !REPORTED.swap(true, Ordering::SeqCst) {
            aside!("note: too late to interrupt; sealift ends when the outcome is known");
        }
        return;
    };
    if let Some(effect) = effect {
        report(format!("interrupted while the answer was printed: {effect}"));
    }
    std::process::exit(i32::from(exit as u8));
}

/// Prints a last line, unless that takes too long: whoever reads standard error may have stopped to do so.
fn report(line: String) {
    let (sender, written) = mpsc::channel();
    std::thread::spawn(move || {
        aside!("{line}");
        let _ = sender.send(());
    });
    let _ = written.recv_timeout(PATIENCE);
}
