//! What the figures are held to, and the table that says whether they keep it.

#![allow(dead_code, reason = "each bench uses its own part of this")]

use std::fmt::{self, Display};

use crate::measure::{Figure, Measured, number};

/// A goal: a figure that is not to be exceeded.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// What is measured.
    pub name: &'static str,
    /// The largest value that keeps it.
    pub most: f64,
    /// What is counted: floors, bytes a document, …
    pub unit: &'static str,
}

const fn goal(name: &'static str, most: f64, unit: &'static str) -> Goal {
    Goal { name, most, unit }
}

/// CPU, as a multiple of the least that reading, hashing and compressing the rows takes.
const FLOORS: &str = "floors";
/// Times as much of the same unit.
const TIMES: &str = "x";
const REQUESTS: &str = "requests";
const BYTES: &str = "B a document";

pub const EXPORT: Goal = goal("export, secrets included", 1.5, FLOORS);
pub const VERIFY: Goal = goal("verify, sealed", 0.6, FLOORS);
pub const PLAN: Goal = goal("plan, all unchanged", 1.2, FLOORS);
pub const IMPORT_BARE: Goal = goal("import into an empty server, no undo file", 3.0, FLOORS);
pub const IMPORT: Goal = goal("import into an empty server, undo file", 4.0, FLOORS);
pub const UNDO: Goal = goal("undo of it", 2.5, FLOORS);

/// Memory beyond a constant; the steps whose peaks are compared at two sizes.
pub const MEMORY: [(&str, Goal); 5] = [
    (EXPORT.name, goal("memory of export", 100.0, BYTES)),
    (PLAN.name, goal("memory of plan", 100.0, BYTES)),
    (IMPORT.name, goal("memory of import", 100.0, BYTES)),
    (UNDO.name, goal("memory of undo", 100.0, BYTES)),
    (VERIFY.name, goal("memory of verify", 100.0, BYTES)),
];
/// Measured at a million documents, or beyond the largest size by the slope of the memory.
pub const MILLION: Goal = goal("a million documents, the most of these", 256.0, "MiB");

pub const EVENTS: Goal = goal("4 x the events, import with undo file", 4.2, TIMES);
pub const NUMBERED: [(&str, Goal); 4] = [
    (EXPORT.name, goal("numbered kind without an index, 4 x the rows: export", 4.2, TIMES)),
    (PLAN.name, goal("the same: plan", 4.2, TIMES)),
    (IMPORT.name, goal("the same: import", 4.2, TIMES)),
    (UNDO.name, goal("the same: undo", 4.2, TIMES)),
];

pub const TDS_IMPORT: Goal = goal("import over TDS / raw bulk load, wall", 6.0, TIMES);
pub const TDS_AGAIN: Goal = goal("the same again, nothing to do", 3.0, TIMES);
pub const REQUESTS_OF: [Goal; 4] = [
    goal("requests over TDS: export", 100.0, REQUESTS),
    goal("requests over TDS: plan", 100.0, REQUESTS),
    goal("requests over TDS: import", 200.0, REQUESTS),
    goal("requests over TDS: undo", 200.0, REQUESTS),
];

impl Goal {
    fn verdict(&self, measured: &Result<f64, String>) -> &'static str {
        match measured {
            Ok(measured) if *measured <= self.most => "met",
            Ok(_) => "NOT MET",
            Err(_) => "not measured",
        }
    }
}

/// All that was judged in a run.
#[derive(Default)]
pub struct Verdicts(Vec<(Goal, String, Result<f64, String>)>);

impl Verdicts {
    /// Judges a value, and says how.
    pub fn judge(&mut self, goal: Goal, at: &dyn Display, measured: Result<f64, String>) -> &'static str {
        let verdict = goal.verdict(&measured);
        self.0.push((goal, at.to_string(), measured));
        verdict
    }

    /// Judges a value and prints it on a line of its own.
    pub fn line(&mut self, goal: Goal, at: &dyn Display, measured: Result<f64, String>) {
        let shown = measured.clone().map_or_else(|why| why, |value| format!("{value:.2}"));
        let verdict = self.judge(goal, at, measured);
        println!("{:54} {shown:>9} {:13} <= {:5} {verdict}", goal.name, goal.unit, goal.most);
    }
}

impl Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nGoals")?;
        for (goal, at, measured) in &self.0 {
            let value = match measured {
                Ok(value) => format!("{value:.2}"),
                Err(why) => why.clone(),
            };
            let Goal { name, most, unit } = goal;
            writeln!(f, "{name:54} {at:>18} {value:>13}  <= {most:5} {unit:13} {}", goal.verdict(measured))?;
        }
        let met = self.0.iter().filter(|(goal, _, measured)| goal.verdict(measured) == "met").count();
        write!(f, "{met} of {} met", self.0.len())
    }
}

/// A table of processes whose CPU is compared with a floor.
pub struct Table<'v> {
    pub verdicts: &'v mut Verdicts,
    /// The size in the summary.
    pub at: String,
    /// CPU seconds of one floor.
    pub floor: Option<f64>,
}

impl Table<'_> {
    /// Prints the heads of the columns.
    pub fn head(&self) {
        println!(
            "{:44} {:>8} {:>7} {:>16} {:>8} {:>9} {:>9}",
            "", "CPU s", "floors", "goal", "wall s", "peak MiB", "locked s"
        );
    }

    /// Prints a line, and judges it where there is a goal.
    pub fn line(&mut self, name: &str, goal: Option<Goal>, measured: &Measured) {
        let cpu = measured.as_ref().ok().and_then(|figure| figure.cpu);
        let floors = cpu.zip(self.floor).map(|(cpu, floor)| cpu / floor);
        let verdict = goal.map(|goal| {
            let why = measured.as_ref().err().cloned().unwrap_or_else(|| "no CPU time".to_owned());
            format!("<= {:.1} {:>8}", goal.most, self.verdicts.judge(goal, &self.at, floors.ok_or(why)))
        });
        let verdict = verdict.unwrap_or_default();
        match measured {
            Ok(Figure { wall, cpu, peak_mib, locked }) => println!(
                "{name:44} {:>8} {:>7} {verdict:>16} {wall:8.2} {:>9} {:>9}",
                number(*cpu, 2),
                number(floors, 2),
                number(*peak_mib, 1),
                number(*locked, 2),
            ),
            Err(why) => println!("{name:44} {why} {verdict}"),
        }
    }
}
