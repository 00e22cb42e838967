//! What there is to run: each scenario with its promise, what it needs, and how it is run.

use std::any::Any;
use std::sync::mpsc;
use std::thread;

use futures_util::future::LocalBoxFuture;
use gofer_tests_e2e::crash::Dice;

use crate::scenarios;
use crate::strace;
use crate::tally::Tally;
use crate::time;

/// How a scenario is run: with which random numbers, and how often everything is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where its random numbers begin.
    pub seed: u64,
    /// What the counts are multiplied with; CI uses 1.
    pub scale: f64,
}

impl Plan {
    /// A number of this scale, never less than one.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "small counts"
    )]
    pub fn times(&self, number: usize) -> usize {
        ((number as f64 * self.scale).round() as usize).max(1)
    }

    /// Random numbers that are the same for the same seed.
    #[must_use]
    pub fn dice(&self) -> Dice {
        Dice::with(self.seed)
    }
}

/// What a scenario cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The program `strace`, allowed to trace.
    Strace,
    /// The right to mount a small disk.
    Mount,
}

impl Need {
    /// What is missing, if it is.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Strace => (!strace::is_there()).then_some("strace is not installed, or may not trace"),
            Self::Mount => (!gofer_testkit::disk::may_mount()).then_some("no right to mount a small disk"),
        }
    }
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The word that selects it.
    pub name: &'static str,
    /// What it proves.
    pub promise: &'static str,
    /// What it cannot do without.
    pub needs: &'static [Need],
    pub(crate) run: fn(Plan, Tally) -> LocalBoxFuture<'static, ()>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came of a scenario.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which.
    pub name: &'static str,
    /// With which seed.
    pub seed: u64,
    /// What was counted and violated.
    pub tally: Tally,
    /// Why it was not run, if it was not.
    pub skipped: Option<&'static str>,
    /// How long it took.
    pub seconds: f64,
}

impl Outcome {
    /// Whether it proved what it promises.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.skipped.is_none()
            && self.tally.violations() == 0
            && self.tally.counts().iter().all(|(_, count)| count.is_enough())
    }
}

/// Every scenario, the longest first.
#[must_use]
pub fn all() -> Vec<Scenario> {
    scenarios::ALL.to_vec()
}

impl Scenario {
    /// Runs it to its end. A panic in it is a violation.
    ///
    /// # Panics
    /// If no thread or no runtime can be had.
    #[must_use]
    pub fn run(&self, plan: Plan) -> Outcome {
        let (name, seed) = (self.name, plan.seed);
        let began = time::now();
        let tally = Tally::default();
        let skipped = self.needs.iter().find_map(|need| need.missing());
        if skipped.is_none() {
            let (work, notes) = (self.run, tally.clone());
            let thread = thread::Builder::new().name(format!("scenario-{name}"));
            let running = thread.spawn(move || runtime().block_on(work(plan, notes)));
            if let Err(panic) = running.expect("a thread for a scenario").join() {
                tally.violated(format!("it could not go on: {}", words_of(&*panic)));
            }
        }
        Outcome { name, seed, tally, skipped, seconds: began.elapsed().as_secs_f64() }
    }
}

/// Runs scenarios, at most so many at once, and hands out each outcome as it comes.
///
/// # Panics
/// If no thread can be had.
pub fn run_all(
    scenarios: &[Scenario],
    plan: Plan,
    lanes: usize,
    mut told: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..lanes {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(scenario) =
                    scenarios.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    // whoever listens is in this scope
                    let _ = sender.send(scenario.run(plan));
                }
            });
        }
        drop(sender);
        let mut all = Vec::new();
        for outcome in outcomes {
            told(&outcome);
            all.push(outcome);
        }
        all.sort_by_key(|outcome| scenarios.iter().position(|one| one.name == outcome.name));
        all
    })
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime for a scenario")
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const fn scenario(run: fn(Plan, Tally) -> LocalBoxFuture<'static, ()>) -> Scenario {
        Scenario { name: "one", promise: "", needs: &[], run }
    }

    const PLAN: Plan = Plan { seed: 7, scale: 1.0 };

    #[test]
    fn a_scenario_that_counts_enough_is_proven_and_one_that_panics_or_counts_too_little_is_not() {
        let enough = scenario(|_, tally| async move { tally.add("x", 1) }.boxed_local());
        let little = scenario(|_, tally| async move { tally.floor("x", 1) }.boxed_local());
        let panics = scenario(|_, _| async move { panic!("no way on") }.boxed_local());
        assert!(enough.run(PLAN).is_proven());
        assert!(!little.run(PLAN).is_proven());
        let outcome = panics.run(PLAN);
        assert!(!outcome.is_proven());
        assert_eq!(outcome.tally.words(), ["it could not go on: no way on"]);
    }

    #[test]
    fn counts_are_scaled_and_never_none() {
        assert_eq!(Plan { seed: 1, scale: 0.1 }.times(200), 20);
        assert_eq!(Plan { seed: 1, scale: 0.001 }.times(200), 1);
    }

    #[test]
    fn all_outcomes_come_in_the_order_of_the_scenarios() {
        let names = |name| Scenario { name, ..scenario(|_, _| async {}.boxed_local()) };
        let outcomes = run_all(&[names("a"), names("b"), names("c")], PLAN, 2, |_| {});
        assert_eq!(outcomes.iter().map(|outcome| outcome.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
