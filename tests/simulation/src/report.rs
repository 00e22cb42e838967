//! What many histories came to: how many, what failed, what struck, and how often each law was looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::court::{EXPLAINED, LAWS, Tally};
use crate::play::Summary;

/// Many histories.
#[derive(Debug, Default)]
pub struct Report {
    /// How many.
    pub histories: u64,
    /// How many were played twice, and how many of them were not the same.
    pub repeated: (u64, u64),
    /// The seeds that broke a law, each with what it broke first.
    pub failed: BTreeMap<u64, String>,
    /// All laws.
    pub tally: Tally,
    /// All faults.
    pub struck: BTreeMap<String, u64>,
    /// Runs, tasks, commits and processes.
    pub totals: [u64; 4],
    /// How much time went by in them.
    pub lasted: Duration,
}

impl Report {
    /// Takes in a history.
    pub fn add(&mut self, seed: u64, summary: &Summary) {
        self.histories += 1;
        if let Some(first) = summary.tally.broken.first() {
            self.failed.insert(seed, first.clone());
        }
        self.tally.absorb(&summary.tally);
        for (name, times) in &summary.struck {
            *self.struck.entry(name.clone()).or_default() += times;
        }
        let these = [summary.runs, summary.tasks, summary.commits, summary.lives];
        for (total, this) in self.totals.iter_mut().zip(these) {
            *total += this;
        }
        self.lasted += summary.lasted;
    }

    /// Takes in another report.
    pub fn absorb(&mut self, other: Self) {
        self.histories += other.histories;
        self.repeated = (self.repeated.0 + other.repeated.0, self.repeated.1 + other.repeated.1);
        self.failed.extend(other.failed);
        self.tally.absorb(&other.tally);
        for (name, times) in other.struck {
            *self.struck.entry(name).or_default() += times;
        }
        for (total, this) in self.totals.iter_mut().zip(other.totals) {
            *total += this;
        }
        self.lasted += other.lasted;
    }

    /// The laws that no history could have broken: a suite that does not reach them proves nothing about them.
    #[must_use]
    pub fn unreached(&self) -> Vec<u8> {
        let all = LAWS.iter().map(|(law, _)| *law).chain([EXPLAINED]);
        all.filter(|law| !self.tally.reached.contains_key(law)).collect()
    }

    /// Whether nothing is wrong with them.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed.is_empty() && self.repeated.1 == 0 && self.unreached().is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [runs, tasks, commits, lives] = self.totals;
        let days = self.lasted.as_secs() / 86_400;
        writeln!(f, "histories       {}", self.histories)?;
        writeln!(f, "violations      {}", self.failed.len())?;
        writeln!(f, "played twice    {}, of these different {}", self.repeated.0, self.repeated.1)?;
        writeln!(
            f,
            "in them         {runs} runs, {tasks} tasks begun, {commits} commits, {lives} processes"
        )?;
        writeln!(f, "their time      {days} days")?;
        writeln!(f, "\nfaults that struck")?;
        for (name, times) in &self.struck {
            writeln!(f, "  {times:>10}  {name}")?;
        }
        writeln!(f, "\nhow often each law was looked at")?;
        for (law, sentence) in LAWS {
            let times = self.tally.reached.get(&law).copied().unwrap_or(0);
            writeln!(f, "  {times:>10}  INV-{law:<2} {sentence}")?;
        }
        let explained = self.tally.reached.get(&EXPLAINED).copied().unwrap_or(0);
        writeln!(f, "  {explained:>10}  run explain names the evidence for each end")?;
        for law in self.unreached() {
            writeln!(f, "NEVER REACHED   INV-{law}")?;
        }
        for (seed, first) in self.failed.iter().take(20) {
            writeln!(f, "VIOLATION       seed {seed}: {first}")?;
        }
        Ok(())
    }
}
