//! The list of scenarios, and how one is run: its rows, and everything that was wrong.

use crate::findings::Findings;
use crate::report::Row;
use crate::terms::{Terms, now};
use crate::workers::guarded;
use crate::{clock, docker, flips, recovery, state, tails};

/// What a scenario counts, and how much of it there must be at least.
pub type Floors = Vec<(&'static str, u64)>;

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// The word that selects it.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Why it cannot be run here, if it cannot.
    pub unavailable: fn() -> Option<String>,
    /// What it counts.
    pub floors: fn(&Terms) -> Floors,
    /// Runs it.
    pub run: fn(Terms) -> Findings,
}

/// How a scenario went.
#[derive(Debug)]
pub struct Verdict {
    /// Its rows of the table.
    pub rows: Vec<Row>,
    /// Everything that was wrong.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// Whether something was wrong, or too little was done to say so.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.rows.iter().any(Row::failed)
    }
}

/// All scenarios, in the order in which they are run.
pub const SCENARIOS: &[Scenario] = &[
    tails::SCENARIO,
    flips::SCENARIO,
    state::SCENARIO,
    clock::SCENARIO,
    docker::SCENARIO,
    recovery::SCENARIO,
];

impl Scenario {
    /// Runs it, if it can be run here.
    #[must_use]
    pub fn judge(&self, terms: Terms) -> Verdict {
        if let Some(reason) = (self.unavailable)() {
            let row = Row { skipped: Some(reason), ..Row::new(self.name, "", (0, 0)) };
            return Verdict { rows: vec![row], wrong: Vec::new() };
        }
        let begin = now();
        let found = guarded(|| (self.run)(terms));
        let seconds = (now() - begin).as_secs_f64();
        let floors = (self.floors)(&terms);
        let row = |(what, floor)| Row::new(self.name, what, (found.counted(what), floor));
        let mut rows: Vec<Row> = floors.into_iter().map(row).collect();
        if let Some(first) = rows.first_mut() {
            (first.violations, first.seconds) = (found.violations().len(), seconds);
        }
        Verdict { rows, wrong: found.violations().to_vec() }
    }
}

/// For scenarios that every machine can run.
#[must_use]
pub fn always() -> Option<String> {
    None
}
