//! What a scenario found: how much of what there was, and everything that was wrong.

use std::collections::BTreeMap;

/// Counts by what was counted, and what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    counts: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

impl Findings {
    /// Counts some more of something.
    pub fn count(&mut self, what: &'static str, more: u64) {
        *self.counts.entry(what).or_default() += more;
    }

    /// Says what is wrong.
    pub fn wrong(&mut self, text: impl Into<String>) {
        self.wrong.push(text.into());
    }

    /// Says what is wrong if it does not hold.
    pub fn must(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(text());
        }
    }

    /// Takes in what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        other.counts.into_iter().for_each(|(what, count)| self.count(what, count));
        self.wrong.extend(other.wrong);
    }

    /// Takes in what was found in one place, and says of everything wrong where that was.
    pub fn add_from(&mut self, place: &str, other: Self) {
        other.counts.into_iter().for_each(|(what, count)| self.count(what, count));
        self.wrong.extend(other.wrong.into_iter().map(|text| format!("{place}: {text}")));
    }

    /// How much of something there was.
    #[must_use]
    pub fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Everything that was wrong.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.wrong
    }
}
