//! What the target's product does while an import is planned: whether it is in maintenance mode, and which tasks
//! wait or run.

/// An answer of the target, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// The target says so.
    Known(T),
    /// It cannot be found out, for this reason.
    Unknown(String),
}

/// Tasks of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tasks {
    /// The state, as the model spells it.
    pub state: String,
    /// How many there are; never none.
    pub count: u64,
}

/// What the target does, as far as the model says where it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// Whether it is in maintenance mode; `None` where the model does not say.
    pub mode: Option<Told<bool>>,
    /// The tasks that wait or run; `None` where the model does not say.
    pub running: Option<Told<Vec<Tasks>>>,
}

impl Maintenance {
    /// How many tasks wait or run, where it is known.
    pub fn tasks(&self) -> Option<u64> {
        match &self.running {
            Some(Told::Known(tasks)) => Some(tasks.iter().map(|tasks| tasks.count).sum()),
            _ => None,
        }
    }

    /// What people should know of it whatever they want: what could not be found out.
    pub fn notices(&self) -> Vec<String> {
        let unknown = |what: &str, why: &str| format!("{what} is not known: {why}");
        let mut notices = Vec::new();
        if let Some(Told::Unknown(why)) = &self.mode {
            notices.push(unknown("whether the target is in maintenance mode", why));
        }
        if let Some(Told::Unknown(why)) = &self.running {
            notices.push(unknown("whether tasks run on the target", why));
        }
        notices
    }

    /// What stands against an import that wants a target in maintenance mode on which nothing runs. `how` says
    /// how people switch the mode on.
    pub fn objections(&self, how: Option<&str>) -> Vec<String> {
        let mut objections = self.notices();
        match &self.mode {
            None => objections.push("the model does not say how maintenance mode is recognised".to_owned()),
            Some(Told::Known(false)) => {
                let how = how.map(|how| format!("; it is switched on {how}")).unwrap_or_default();
                objections.push(format!("the target is not in maintenance mode{how}"));
            }
            _ => {}
        }
        if let Some(Told::Known(tasks)) = &self.running
            && !tasks.is_empty()
        {
            objections.push(format!("{}; wait until they are over, or cancel them", said(tasks)));
        }
        objections
    }
}

/// Tasks in words: `3 tasks wait or run (2 Queued, 1 Executing)`.
pub fn said(tasks: &[Tasks]) -> String {
    let states: Vec<String> = tasks.iter().map(|tasks| format!("{} {}", tasks.count, tasks.state)).collect();
    match tasks.iter().map(|tasks| tasks.count).sum::<u64>() {
        0 => "no tasks wait or run".to_owned(),
        1 => format!("1 task waits or runs ({})", states.join(", ")),
        many => format!("{many} tasks wait or run ({})", states.join(", ")),
    }
}
