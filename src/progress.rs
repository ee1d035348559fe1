//! How long work reports itself, is cancelled, and is given threads, without knowing who listens.
//!
//! The library never prints. Verbs take a `&dyn Progress` last; [`Silent`] hears nothing, [`Recording`]
//! keeps everything for tests, and the binary draws bars from the same events.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Something that happened during a verb's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase began; `total` counts its items where that is known beforehand.
    Phase {
        /// What is being done, as a verb in its -ing form: "reading Project".
        name: String,
        /// Number of items the phase will advance by, if known.
        total: Option<u64>,
    },
    /// The current phase finished `items` more items holding `bytes` bytes.
    Advance {
        /// Items finished since the last event.
        items: u64,
        /// Bytes finished since the last event.
        bytes: u64,
    },
    /// Something a person should read that does not stop the work.
    Notice(String),
}

/// A listener to long work, asked now and then whether the work should stop.
pub trait Progress: Sync {
    /// Hears an event. Must return quickly; it is called from inside loops.
    fn event(&self, event: Event);

    /// Says whether the work should stop at the next safe point.
    fn cancelled(&self) -> bool {
        false
    }

    /// How many threads may compute for the work at a time. With one it is the caller's; with more the caller's hands out
    /// the work and collects what is made of it. What is made does not depend on how many there are.
    fn threads(&self) -> NonZeroUsize {
        usual_threads()
    }

    /// Asks whether the work may take effect now: a transaction commits, a finished file goes into its place. After
    /// `Ok` the work goes on to its end whatever the listener wants, so that its outcome is known and reported.
    ///
    /// # Errors
    /// [`Cancelled`], when the work should stop instead; it has no effect then.
    fn take_effect(&self) -> Result<(), Cancelled> {
        if self.cancelled() { Err(Cancelled) } else { Ok(()) }
    }
}

/// More threads than this wait for each other more than they work, and each takes some MiB.
const MOST_USUAL_THREADS: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// How many threads work uses unless told otherwise: as many as can run at a time, and four at the most.
pub fn usual_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(MOST_USUAL_THREADS)
}

/// Work on something that is not the outcome, such as a temporary file: it can be stopped afterwards too.
pub struct Preliminary<'p>(pub &'p dyn Progress);

impl Progress for Preliminary<'_> {
    fn event(&self, event: Event) {
        self.0.event(event);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn threads(&self) -> NonZeroUsize {
        self.0.threads()
    }
}

/// A request to stop, shared by who makes it and by calls that wait for a server, which it interrupts.
#[derive(Debug, Clone, Default)]
pub struct StopRequest(Arc<AtomicBool>);

impl StopRequest {
    /// Asks to stop; it stays asked for.
    pub fn make(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Says whether somebody has asked to stop.
    pub fn is_made(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl dyn Progress + '_ {
    /// Reports the start of a phase.
    pub fn phase(&self, name: impl Into<String>, total: Option<u64>) {
        self.event(Event::Phase { name: name.into(), total });
    }

    /// Reports finished items and bytes.
    pub fn advance(&self, items: u64, bytes: u64) {
        self.event(Event::Advance { items, bytes });
    }

    /// Reports something worth reading.
    pub fn notice(&self, text: impl Into<String>) {
        self.event(Event::Notice(text.into()));
    }

    /// Returns [`Cancelled`] when the work should stop.
    ///
    /// # Errors
    /// [`Cancelled`], when [`Progress::cancelled`] says so.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancelled() { Err(Cancelled) } else { Ok(()) }
    }
}

/// The work was stopped because its listener asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

/// The listener that hears nothing and never cancels.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}

/// The listener that keeps every event, and cancels when told to.
#[derive(Debug, Default)]
pub struct Recording {
    events: Mutex<Vec<Event>>,
    cancel: AtomicBool,
}

impl Recording {
    /// Returns what was heard so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().map(|e| e.clone()).unwrap_or_default()
    }

    /// Asks the work to stop at its next safe point.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl Progress for Recording {
    fn event(&self, event: Event) {
        if let Ok(mut events) = self.events.lock() {
            events.push(event);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
