//! What a person sees while work goes on: bars, notices, questions, colours.

use std::io::{BufRead, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealift::plan::Action;
use sealift::progress::{Cancelled, Event, Progress, usual_threads};
pub use sealift::text::shown;
use sealift::text::{NAME, Shown, cut, cut_middle, is_hidden};

use crate::exit::{Exit, Failure};
use crate::outcome;

static ASKING: AtomicBool = AtomicBool::new(false);

/// How many threads all work may use; 0 where nobody has said.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Prints a line that is not the answer itself to standard error, as far as that can be written. `eprintln!` would
/// panic.
macro_rules! aside {
    ($($text:tt)*) => { $crate::ui::line_aside(format_args!($($text)*)) };
}
pub(crate) use aside;

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(250);

/// Says whether a question waits for its answer.
pub fn is_asking() -> bool {
    ASKING.load(Ordering::SeqCst)
}

/// Lets all work that follows use so many threads.
pub fn allow_threads(threads: u16) {
    THREADS.store(usize::from(threads), Ordering::SeqCst);
}

/// Puts the terminal's settings back that a prompt has changed.
pub fn restore_terminal() {
    echo::restore();
}

/// Draws progress on the terminal; silent elsewhere.
pub struct Bars {
    started: Instant,
    shown: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    phase: String,
    total: Option<u64>,
    done: u64,
}

impl Bars {
    pub fn new() -> Self {
        Self { started: Instant::now(), shown: std::io::stderr().is_terminal(), state: Mutex::default() }
    }

    /// Clears what was drawn, before other things are printed.
    pub fn clear(&self) {
        if let Ok(mut state) = self.state.lock()
            && let Some(bar) = state.bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn draw(&mut self) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        // Before the length: a tick between the two must not show the count of the phase before.
        bar.set_position(self.done);
        let style = match self.total {
            Some(total) => {
                bar.set_length(total);
                ProgressStyle::with_template("{spinner} {msg:34} {bar:30} {pos}/{len}")
            }
            None => ProgressStyle::with_template("{spinner} {msg:34} {pos}"),
        };
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(shown(&self.phase));
    }
}

impl Progress for Bars {
    fn event(&self, event: Event) {
        let Ok(mut state) = self.state.lock() else { return };
        let mut redraw = false;
        match event {
            Event::Phase { name, total } => {
                state.phase = name;
                state.total = total;
                state.done = 0;
                redraw = true;
            }
            Event::Advance { items, .. } => {
                state.done += items;
                match &state.bar {
                    Some(bar) => bar.set_position(state.done),
                    None => redraw = true,
                }
            }
            Event::Notice(text) => match &state.bar {
                Some(bar) => bar.println(format!("note: {}", message(&text))),
                None => aside!("note: {}", cut_middle(&text, MESSAGE)),
            },
        }
        if redraw && self.shown && self.started.elapsed() >= PATIENCE {
            state.draw();
        }
    }

    fn cancelled(&self) -> bool {
        outcome::stop_request().is_made()
    }

    fn threads(&self) -> NonZeroUsize {
        NonZeroUsize::new(THREADS.load(Ordering::SeqCst)).unwrap_or_else(usual_threads)
    }

    fn take_effect(&self) -> Result<(), Cancelled> {
        outcome::take_effect()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

/// As much of a message as is shown, in characters.
pub const MESSAGE: usize = 2000;

/// A message in a length that can be read, and with nothing hidden.
pub fn message(text: &str) -> String {
    shown(&cut_middle(text, MESSAGE))
}

/// Writes a line of the answer to standard output, on which nothing is hidden, whatever is in it.
///
/// # Errors
/// When it cannot be written; a reader that went away is no failure ([`Exit::Done`]).
pub fn line(text: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{}", Shown(&text.to_string()))?;
    Ok(())
}

/// Writes a line to standard error: what is not the answer itself. Nothing is hidden on it.
pub fn line_aside(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", Shown(&text.to_string()));
}

/// The same, with a coloured word before it.
pub fn labelled(style: Style, label: &str, text: &str) {
    let mut out = anstream::AutoStream::auto(std::io::stderr().lock());
    let _ = writeln!(out, "{style}{label}{style:#} {}", Shown(text));
}

/// Where lines with colours in them are written. It is a net: what a caller did not spell is spelled here, but for
/// the ends of lines, and sequences that only set a colour.
pub struct Out<W>(W);

impl<W: Write> Out<W> {
    /// Writes to a stream.
    pub fn new(inner: W) -> Self {
        Self(inner)
    }

    /// Writes what a buffer still holds.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.0.flush()
    }

    /// Writes a piece of text.
    pub fn write_fmt(&mut self, text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
        let text = text.to_string();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(is_hidden) {
            let (plain, tail) = rest.split_at(at);
            self.0.write_all(plain.as_bytes())?;
            let kept = if tail.starts_with('\n') { 1 } else { colour(tail) };
            let taken = kept.max(tail.chars().next().map_or(0, char::len_utf8));
            let (piece, after) = tail.split_at(taken);
            match kept {
                0 => self.0.write_all(shown(piece).as_bytes())?,
                _ => self.0.write_all(piece.as_bytes())?,
            }
            rest = after;
        }
        self.0.write_all(rest.as_bytes())
    }
}

/// How long the sequence is that sets a colour and begins the text, in bytes; 0 where there is none.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    match rest.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(end) if rest.get(end..).is_some_and(|rest| rest.starts_with('m')) => end + 3,
        _ => 0,
    }
}

/// Standard output for lines with colours in them.
pub fn coloured() -> Out<anstream::AutoStream<std::io::StdoutLock<'static>>> {
    Out::new(anstream::AutoStream::auto(std::io::stdout().lock()))
}

/// Prints a line of a command's answer, and ends the command where nobody reads it. `println!` would panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::ui::line(format_args!($($text)*))? };
}
pub(crate) use say;

/// The terminal's settings, to be put back when a prompt that hides what is typed is interrupted.
#[cfg(unix)]
mod echo {
    use std::sync::Mutex;

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

    static SETTINGS: Mutex<Option<Termios>> = Mutex::new(None);

    pub fn remember() {
        if let (Ok(mut settings), Ok(now)) = (SETTINGS.lock(), tcgetattr(std::io::stdin())) {
            *settings = Some(now);
        }
    }

    pub fn restore() {
        if let Ok(Some(settings)) = SETTINGS.lock().as_deref() {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
    }
}

/// Other systems put the settings of a console back by themselves.
#[cfg(not(unix))]
mod echo {
    pub fn remember() {}

    pub fn restore() {}
}

/// Reads a line that is not shown while it is typed. An interruption ends the command.
///
/// # Errors
/// When the terminal cannot be read.
pub fn read_hidden(terminal: &console::Term) -> std::io::Result<String> {
    echo::remember();
    ASKING.store(true, Ordering::SeqCst);
    let read = terminal.read_secure_line();
    ASKING.store(false, Ordering::SeqCst);
    read
}

/// Asks a question that is answered by yes or no, below what it is about; no is the default.
///
/// # Errors
/// Wrong usage, where there is nobody to ask; failed, where question or plan cannot be shown; exit 130 when the input
/// ends.
pub fn confirm(question: &str, shown: Result<(), Failure>) -> Result<bool, Failure> {
    // Who does not see what is asked cannot answer, and a reader that went away is not content.
    let unseen = |cause: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot ask for confirmation: {cause}; nothing was changed"))
            .hint("--yes goes ahead without asking; --dry-run only tries")
    };
    shown.map_err(|failure| unseen(&failure))?;
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "there is no terminal to ask for confirmation")
            .hint("--yes goes ahead without asking; --dry-run only tries"));
    }
    let mut terminal = std::io::stderr();
    let asked = write!(terminal, "{} [y/N] ", message(question)).and_then(|()| terminal.flush());
    asked.map_err(|error| unseen(&error))?;
    ASKING.store(true, Ordering::SeqCst);
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer)?;
    ASKING.store(false, Ordering::SeqCst);
    if read == 0 {
        return Err(Failure::new(Exit::Interrupted, "no answer; nothing was changed"));
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The colour of an action.
pub fn action_style(action: Action) -> Style {
    let colour = match action {
        Action::Create => AnsiColor::Green,
        Action::Update | Action::Merge => AnsiColor::Yellow,
        Action::Unchanged => return Style::new().dimmed(),
        Action::Skip => AnsiColor::Cyan,
        Action::Delete => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// The sign of an action, for places without colour.
pub fn action_sign(action: Action) -> char {
    match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Merge => '&',
        Action::Unchanged => '=',
        Action::Skip => '.',
        Action::Delete => '-',
    }
}

/// Writes a number of bytes for people.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// A name as messages show it: in a length that can be read, and with nothing hidden.
pub fn name(text: &str) -> String {
    shown(&cut(text, NAME))
}
