//! The table for people, and the JSON for comparison.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: Cow<'static, str>,
    /// The figure; the median where it was measured several times.
    pub(crate) value: f64,
    /// The best of several times.
    pub(crate) best: f64,
    /// Its unit.
    pub(crate) unit: Cow<'static, str>,
    /// The target, if there is one.
    pub(crate) target: Option<Target>,
}

/// What a figure is meant to reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Row {
    pub(crate) fn at_most(
        name: impl Into<Cow<'static, str>>,
        value: f64,
        unit: &'static str,
        target: f64,
    ) -> Self {
        Self { target: Some(Target::AtMost(target)), ..Self::plain(name, value, unit) }
    }

    pub(crate) fn at_least(name: &'static str, value: f64, unit: &'static str, target: f64) -> Self {
        Self { target: Some(Target::AtLeast(target)), ..Self::plain(name, value, unit) }
    }

    pub(crate) fn plain(name: impl Into<Cow<'static, str>>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, best: value, unit: unit.into(), target: None }
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

/// The same rows, measured several times, as one: the median, and the best.
pub(crate) fn combined(rounds: &[Vec<Row>]) -> Vec<Row> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let one = |(place, row): (usize, &Row)| {
        let mut values: Vec<f64> = rounds.iter().map(|rows| rows[place].value).collect();
        values.sort_by(f64::total_cmp);
        let highest = matches!(row.target, Some(Target::AtLeast(_)));
        let best = if highest { values[values.len() - 1] } else { values[0] };
        Row { value: values[values.len() / 2], best, ..row.clone() }
    };
    first.iter().enumerate().map(one).collect()
}

/// The table.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut text =
        format!("{:<76} {:>12} {:>12} {:<8} {:>12}  \n", "MEASURED", "FIGURE", "BEST", "UNIT", "TARGET");
    for row in rows {
        let target = match row.target {
            None => String::new(),
            Some(Target::AtMost(limit)) => format!("<= {limit}"),
            Some(Target::AtLeast(limit)) => format!(">= {limit}"),
        };
        let Row { name, value, best, unit, .. } = row;
        let verdict = row.verdict();
        writeln!(text, "{name:<76} {value:>12.2} {best:>12.2} {unit:<8} {target:>12}  {verdict}")
            .expect("a string grows");
    }
    text
}

/// The same for programs.
pub(crate) fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).expect("rows are plain data")
}
