//! The table for people, and the JSON for comparison.

use std::fmt::Write;

use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The target, if there is one.
    pub(crate) target: Option<Target>,
}

/// What a figure is meant to reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Row {
    pub(crate) fn at_most(name: &'static str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { name, value, unit, target: Some(Target::AtMost(target)) }
    }

    pub(crate) fn at_least(name: &'static str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { name, value, unit, target: Some(Target::AtLeast(target)) }
    }

    pub(crate) fn plain(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, target: None }
    }

    fn verdict(&self) -> &'static str {
        let met = match self.target {
            None => return "",
            Some(Target::AtMost(limit)) => self.value <= limit,
            Some(Target::AtLeast(limit)) => self.value >= limit,
        };
        if met { "met" } else { "MISSED" }
    }
}

/// The table.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text = format!("{:<58} {:>12} {:<8} {:>12}  \n", "MEASURED", "FIGURE", "UNIT", "TARGET");
    for row in rows {
        let target = match row.target {
            None => String::new(),
            Some(Target::AtMost(limit)) => format!("<= {limit}"),
            Some(Target::AtLeast(limit)) => format!(">= {limit}"),
        };
        let (name, value, unit, verdict) = (row.name, row.value, row.unit, row.verdict());
        writeln!(text, "{name:<58} {value:>12.2} {unit:<8} {target:>12}  {verdict}").expect("a string grows");
    }
    text
}

/// The same for programs.
pub(crate) fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).expect("rows are plain data")
}
