//! The table at the end, and the same rows as JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::scenario::Outcome;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The scenario.
    pub scenario: &'static str,
    /// Where its random numbers began.
    pub seed: u64,
    /// What was counted.
    pub counted: String,
    /// How many there were.
    pub count: u64,
    /// How many there must be at least.
    pub floor: u64,
    /// How many violations the scenario had.
    pub violations: usize,
    /// How long the scenario took.
    pub seconds: f64,
}

/// The rows of these outcomes.
#[must_use]
pub fn rows(outcomes: &[Outcome]) -> Vec<Row> {
    outcomes.iter().flat_map(rows_of).collect()
}

fn rows_of(outcome: &Outcome) -> Vec<Row> {
    let row = |counted: String, count, floor| Row {
        scenario: outcome.name,
        seed: outcome.seed,
        counted,
        count,
        floor,
        violations: outcome.tally.violations(),
        seconds: outcome.seconds,
    };
    if let Some(why) = outcome.skipped {
        return vec![row(format!("SKIPPED: {why}"), 0, 1)];
    }
    let counts = outcome.tally.counts();
    if counts.is_empty() {
        return vec![row("nothing".to_owned(), 0, 1)];
    }
    counts.into_iter().map(|(what, count)| row(what.to_owned(), count.count, count.floor)).collect()
}

/// The rows as text.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<13} {:<58} {:>8} {:>7} {:>10} {:>8}\n",
        "SCENARIO", "COUNTED", "COUNT", "FLOOR", "VIOLATIONS", "SECONDS"
    );
    let mut last = ("", 0);
    for row in rows {
        let again = last == (row.scenario, row.seed);
        last = (row.scenario, row.seed);
        let (name, violations, seconds) = if again {
            ("", String::new(), String::new())
        } else {
            (row.scenario, row.violations.to_string(), format!("{:.1}", row.seconds))
        };
        let floor = if row.floor == 0 { String::new() } else { row.floor.to_string() };
        let low = if row.count < row.floor { "  TOO LOW" } else { "" };
        // writing to a text cannot fail
        let _ = writeln!(
            text,
            "{name:<13} {:<58} {:>8} {floor:>7} {violations:>10} {seconds:>8}{low}",
            row.counted, row.count
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::tally::Tally;

    use super::*;

    #[test]
    fn a_scenario_is_named_once_and_a_low_count_stands_out() {
        let tally = Tally::default();
        tally.add("kills", 3);
        tally.floor("runs", 9);
        let outcome = Outcome { name: "kills", seed: 1, tally, skipped: None, seconds: 2.0 };
        let skipped = Outcome { skipped: Some("why"), name: "other", ..outcome.clone() };
        let text = text(&rows(&[outcome, skipped]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("kills "), "{text}");
        assert!(lines[2].starts_with("  ") && lines[2].ends_with("TOO LOW"), "{text}");
        assert!(lines[3].contains("SKIPPED: why"), "{text}");
    }
}
