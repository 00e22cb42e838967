//! Many histories at once, each in a process of its own, and what they came to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gofer_tests_simulation::child::play_apart;
use gofer_tests_simulation::plan::Plan;
use gofer_tests_simulation::play::Summary;
use gofer_tests_simulation::report::Report;

/// A seed behind all that are played.
const NONE_LEFT: u64 = u64::MAX / 2;

/// Which histories are played.
#[derive(Debug, Clone)]
pub(crate) struct Many {
    /// The first seed.
    pub(crate) from: u64,
    /// How many.
    pub(crate) seeds: u64,
    /// As many as fit into that time instead.
    pub(crate) time: Option<Duration>,
    /// How many at once.
    pub(crate) threads: u64,
    /// No more once one has broken a law.
    pub(crate) first: bool,
}

/// Plays many, and prints what they came to.
#[expect(clippy::disallowed_methods, reason = "how long it takes is for the person who waits")]
pub(crate) fn play_many(wish: &Many) -> bool {
    let next = AtomicU64::new(wish.from);
    let begin = Instant::now();
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..wish.threads).map(|_| scope.spawn(|| work(wish, &next, begin))).collect();
        for worker in workers {
            report.absorb(worker.join().unwrap_or_default());
        }
    });
    println!("{report}");
    println!("took            {:.0} s", begin.elapsed().as_secs_f64());
    report.is_good()
}

fn apart(plan: &Plan) -> Summary {
    play_apart(plan).unwrap_or_else(|error| Summary::broken(format!("crash: no process: {error}")))
}

fn work(wish: &Many, next: &AtomicU64, begin: Instant) -> Report {
    let mut report = Report::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let over = match wish.time {
            Some(time) => begin.elapsed() >= time || seed >= NONE_LEFT,
            None => seed >= wish.from.saturating_add(wish.seeds),
        };
        if over {
            return report;
        }
        let plan = Plan::of_seed(seed);
        let summary = apart(&plan);
        if let Some(first) = summary.tally.broken.first() {
            eprintln!("seed {seed}: {first}");
            if wish.first {
                next.store(NONE_LEFT, Ordering::Relaxed);
            }
        }
        if seed.is_multiple_of(100) {
            report.repeated.0 += 1;
            if apart(&plan) != summary {
                report.repeated.1 += 1;
                eprintln!("seed {seed} does not replay");
            }
        }
        report.add(seed, &summary);
    }
}
