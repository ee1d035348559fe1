//! What goes wrong on demand: at a statement, a request, a row of a bulk load, or a packet of the wire.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where a fault strikes.
#[derive(Clone, Debug)]
pub enum On {
    /// A statement whose text has this in it, case and all; `INSERT BULK` is the statement before the rows, and a
    /// request to the transaction manager reads `BEGIN TRANSACTION`, `COMMIT TRANSACTION`, and so on.
    Sql(String),
    /// The n-th request of a session after its login, from 1; bulk loads count.
    Request(u64),
    /// The arrival of the n-th row of a bulk load, from 1.
    BulkRow(u64),
    /// Every login, before it is answered.
    Login,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum What {
    /// The statement fails with this error; 1205 is delivered as SQL Server delivers it.
    Error {
        /// The number, 1205 say.
        number: i32,
        /// The text; empty for that of SQL Server where it is known.
        message: String,
    },
    /// The connection closes before the statement runs.
    CloseBefore,
    /// The statement runs, then the connection closes without a reply.
    CloseAfter,
    /// The connection closes once so many bytes of the reply to this request are sent.
    CloseMidReply(usize),
    /// The statement runs after so long; an attention meanwhile is confirmed, and ends the session.
    Delay(Duration),
    /// From this request on every write has so many bytes.
    SplitPackets(usize),
}

/// A fault: where, in which session, at which occurrence, and what.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where it strikes.
    pub on: On,
    /// In this session only.
    pub session: Option<u32>,
    /// The occurrence at which it strikes first, from 1.
    pub nth: u32,
    /// How often it strikes from there on.
    pub times: u32,
    /// What happens.
    pub what: What,
}

impl Fault {
    /// A fault that strikes once, at the first occurrence, in any session.
    pub fn new(on: On, what: What) -> Fault {
        Fault { on, session: None, nth: 1, times: 1, what }
    }

    /// An error at a statement.
    pub fn error(sql: &str, number: i32) -> Fault {
        Fault::new(On::Sql(sql.to_owned()), What::Error { number, message: String::new() })
    }

    /// At the n-th occurrence instead of the first.
    pub fn nth(mut self, nth: u32) -> Fault {
        self.nth = nth;
        self
    }

    /// So often instead of once.
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    /// In one session only.
    pub fn session(mut self, session: u32) -> Fault {
        self.session = Some(session);
        self
    }
}

/// A direction on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// To the client.
    ToClient,
}

/// How often a fault struck.
#[derive(Clone, Debug)]
pub struct Struck(Arc<AtomicU32>);

impl Struck {
    /// The count so far.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether it struck at all.
    pub fn did(&self) -> bool {
        self.count() > 0
    }
}

struct Armed {
    fault: Fault,
    seen: u32,
    struck: Arc<AtomicU32>,
}

struct Cut {
    direction: Direction,
    packet: u64,
    session: Option<u32>,
    struck: Arc<AtomicU32>,
}

#[derive(Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Armed>>,
    cuts: Mutex<Vec<Cut>>,
    traffic: Mutex<HashMap<u32, (u64, u64)>>,
}

/// What may be struck.
pub(crate) enum Place<'a> {
    Sql(&'a str),
    Request(u64),
    BulkRow(u64),
    Login,
}

impl Faults {
    pub fn arm(&self, fault: Fault) -> Struck {
        let struck = Arc::new(AtomicU32::new(0));
        let armed = Armed { fault, seen: 0, struck: struck.clone() };
        self.armed.lock().expect("no panic under this lock").push(armed);
        Struck(struck)
    }

    pub fn cut(&self, direction: Direction, packet: u64, session: Option<u32>) -> Struck {
        let struck = Arc::new(AtomicU32::new(0));
        let cut = Cut { direction, packet, session, struck: struck.clone() };
        self.cuts.lock().expect("no panic under this lock").push(cut);
        Struck(struck)
    }

    pub fn clear(&self) {
        self.armed.lock().expect("no panic under this lock").clear();
        self.cuts.lock().expect("no panic under this lock").clear();
    }

    /// What strikes here, in the order it was armed.
    pub fn at(&self, session: u32, place: &Place<'_>) -> Vec<What> {
        let mut armed = self.armed.lock().expect("no panic under this lock");
        let mut found = Vec::new();
        for one in armed.iter_mut() {
            let here = match (&one.fault.on, place) {
                (On::Sql(pattern), Place::Sql(sql)) => sql.contains(pattern.as_str()),
                (On::Request(wanted), Place::Request(number)) => wanted == number,
                (On::BulkRow(wanted), Place::BulkRow(number)) => wanted == number,
                (On::Login, Place::Login) => true,
                _ => false,
            };
            if !here || one.fault.session.is_some_and(|s| s != session) {
                continue;
            }
            one.seen += 1;
            let last = one.fault.nth.saturating_add(one.fault.times);
            if (one.fault.nth..last).contains(&one.seen) {
                one.struck.fetch_add(1, Ordering::SeqCst);
                found.push(one.fault.what.clone());
            }
        }
        found
    }

    /// Whether the connection is cut before the packet of this number, from 0; a cut strikes once.
    pub fn cuts(&self, session: u32, direction: Direction, packet: u64) -> bool {
        let cuts = self.cuts.lock().expect("no panic under this lock");
        let due = cuts.iter().find(|c| {
            c.direction == direction
                && c.packet == packet
                && c.session.is_none_or(|s| s == session)
                && c.struck.load(Ordering::SeqCst) == 0
        });
        if let Some(cut) = due {
            cut.struck.fetch_add(1, Ordering::SeqCst);
        }
        due.is_some()
    }

    pub fn passed(&self, session: u32, received: u64, sent: u64) {
        self.traffic.lock().expect("no panic under this lock").insert(session, (received, sent));
    }

    pub fn traffic(&self, session: u32) -> (u64, u64) {
        self.traffic.lock().expect("no panic under this lock").get(&session).copied().unwrap_or_default()
    }
}
