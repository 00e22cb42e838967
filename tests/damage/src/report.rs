//! The table for people, and the same rows for programs.

use std::fmt::Write;

use serde::Serialize;

/// What every row is of.
const SUITE: &str = "damage";

/// One thing that was counted in a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The suite.
    pub suite: &'static str,
    /// The scenario.
    pub scenario: &'static str,
    /// What was counted.
    pub counted: &'static str,
    /// How much of it there was.
    pub count: u64,
    /// With less the scenario proves nothing and has failed.
    pub floor: u64,
    /// How much was wrong in the scenario; stands in its first row alone.
    pub violations: usize,
    /// How long the scenario took; stands in its first row alone.
    pub seconds: f64,
    /// Why it was not run, if it was not.
    pub skipped: Option<String>,
}

impl Row {
    /// A row without violations and time.
    #[must_use]
    pub fn new(scenario: &'static str, counted: &'static str, (count, floor): (u64, u64)) -> Self {
        Self { suite: SUITE, scenario, counted, count, floor, violations: 0, seconds: 0.0, skipped: None }
    }

    /// Whether it says that something is not as it must be.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.skipped.is_none() && (self.violations > 0 || self.count < self.floor)
    }
}

/// The table.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<10} {:<58} {:>9} {:>9} {:>10} {:>8}  \n",
        "SCENARIO", "COUNTED", "COUNT", "FLOOR", "VIOLATIONS", "SECONDS"
    );
    let mut before = "";
    for row in rows {
        let first = before != row.scenario;
        before = row.scenario;
        let of_all = |text: String| if first { text } else { String::new() };
        let Row { scenario, counted, count, floor, .. } = row;
        let (wrong, seconds) = (of_all(row.violations.to_string()), of_all(format!("{:.1}", row.seconds)));
        let line = match &row.skipped {
            Some(reason) => writeln!(text, "{scenario:<10} skipped: {reason}"),
            None => {
                let verdict = if row.failed() { "FAILED" } else { "" };
                writeln!(
                    text,
                    "{scenario:<10} {counted:<58} {count:>9} {floor:>9} {wrong:>10} {seconds:>8}  {verdict}"
                )
            }
        };
        line.expect("a string grows");
    }
    text
}

/// The same for programs.
#[must_use]
pub fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).expect("rows are plain data")
}
