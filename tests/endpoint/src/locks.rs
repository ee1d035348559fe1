//! sp_getapplock: locks by name, over all sessions of a database.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Session,
    Transaction,
}

struct Held {
    session: u32,
    mode: Mode,
    owner: Owner,
}

#[derive(Default)]
pub(crate) struct Locks {
    held: Mutex<HashMap<(String, String), Vec<Held>>>,
    released: Condvar,
}

impl Locks {
    /// 0 at once, 1 after waiting, -1 not in time. A negative timeout waits, but not for ever.
    pub fn take(&self, session: u32, key: (String, String), mode: Mode, owner: Owner, timeout: i64) -> i64 {
        let limit = Duration::from_millis(u64::try_from(timeout).unwrap_or(60_000));
        let start = Instant::now();
        let mut held = self.held.lock().expect("no panic under this lock");
        let mut waited = 0;
        loop {
            let holders = held.entry(key.clone()).or_default();
            let free = holders
                .iter()
                .all(|h| h.session == session || (h.mode, mode) == (Mode::Shared, Mode::Shared));
            if free {
                holders.push(Held { session, mode, owner });
                return waited;
            }
            let Some(left) = limit.checked_sub(start.elapsed()).filter(|l| !l.is_zero()) else { return -1 };
            waited = 1;
            held = self.released.wait_timeout(held, left).expect("no panic under this lock").0;
        }
    }

    /// Lets one go; false where the session does not hold it.
    pub fn release(&self, session: u32, key: &(String, String), owner: Owner) -> bool {
        let mut held = self.held.lock().expect("no panic under this lock");
        let Some(holders) = held.get_mut(key) else { return false };
        let found = holders.iter().rposition(|h| h.session == session && h.owner == owner);
        if let Some(at) = found {
            holders.remove(at);
        }
        self.released.notify_all();
        found.is_some()
    }

    /// Lets go all that a session holds, or all of its transaction.
    pub fn release_all(&self, session: u32, owner: Option<Owner>) {
        let mut held = self.held.lock().expect("no panic under this lock");
        for holders in held.values_mut() {
            holders.retain(|h| h.session != session || owner.is_some_and(|o| h.owner != o));
        }
        held.retain(|_, holders| !holders.is_empty());
        self.released.notify_all();
    }
}
