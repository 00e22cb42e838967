//! `gofer-crash`: runs scenarios of the crash suite, prints a line as each ends, and one table at the end.
//!
//! `gofer-crash [SCENARIO..] [--seed N] [--scale F] [--jobs N] [--minutes N] [--json FILE] [--skip-missing]`, and `--list`. It
//! ends with 1 if anything was violated, if too little happened to prove anything, or if a scenario could not be run; with
//! `--skip-missing` one that this machine cannot run is told as skipped, and no more.
#![expect(clippy::expect_used, clippy::panic, reason = "a wrong call says why and stops")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gofer_tests_crash::{Outcome, Plan, Scenario, scenario, table};

/// What was asked for.
struct Args {
    scenarios: Vec<Scenario>,
    plan: Plan,
    jobs: usize,
    minutes: Option<u64>,
    json: Option<PathBuf>,
    skip_missing: bool,
}

fn main() -> ExitCode {
    let Some(args) = read_args() else { return ExitCode::SUCCESS };
    // what a scenario panics with is told with its outcome
    std::panic::set_hook(Box::new(|_| {}));
    let limit = args.minutes.map(|minutes| now() + Duration::from_secs(minutes * 60));
    let mut plan = args.plan;
    let mut all = Vec::new();
    loop {
        all.extend(scenario::run_all(&args.scenarios, plan, args.jobs, |outcome| tell(outcome, plan.scale)));
        if limit.is_none_or(|limit| now() >= limit) {
            break;
        }
        plan.seed += 1;
    }
    let rows = table::rows(&all);
    println!("{}", table::text(&rows));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows).expect("rows are JSON");
        std::fs::write(path, text).expect("the JSON file can be written");
    }
    let proven = all.iter().filter(|outcome| outcome.is_proven()).count();
    println!("{proven} of {} proven", all.len());
    let skipped = all.iter().filter(|outcome| args.skip_missing && outcome.skipped.is_some()).count();
    if proven + skipped == all.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_args() -> Option<Args> {
    let known = scenario::all();
    let mut args = Args {
        scenarios: Vec::new(),
        plan: Plan { seed: now().as_secs(), scale: 1.0 },
        jobs: 2,
        minutes: None,
        json: None,
        skip_missing: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--list" => {
                known.iter().for_each(|one| println!("{:<13} {}", one.name, one.promise));
                return None;
            }
            "--seed" => args.plan.seed = value().parse().expect("--seed needs a number"),
            "--scale" => args.plan.scale = value().parse().expect("--scale needs a number"),
            "--jobs" => args.jobs = value().parse().expect("--jobs needs a number"),
            "--minutes" => args.minutes = Some(value().parse().expect("--minutes needs a number")),
            "--skip-missing" => args.skip_missing = true,
            "--json" => args.json = Some(value().into()),
            name => match known.iter().find(|one| one.name == name) {
                Some(one) => args.scenarios.push(*one),
                None => panic!("{name:?} is no scenario: see --list"),
            },
        }
    }
    if args.scenarios.is_empty() {
        args.scenarios = known;
    }
    Some(args)
}

/// One line for a scenario, and for a failed one what was violated and how it is repeated.
fn tell(outcome: &Outcome, scale: f64) {
    let Outcome { name, seed, seconds, .. } = outcome;
    if let Some(why) = outcome.skipped {
        return println!("{name:<13} SKIPPED: {why}");
    }
    if outcome.is_proven() {
        return println!("{name:<13} ok      {seconds:>6.1} s");
    }
    println!(
        "{name:<13} FAILED  {seconds:>6.1} s   repeat: gofer-crash {name} --seed {seed} --scale {scale}"
    );
    let low = outcome.tally.counts().into_iter().filter(|(_, count)| !count.is_enough());
    low.for_each(|(what, count)| println!("    too few: {what}: {} of {}", count.count, count.floor));
    outcome.tally.words().iter().for_each(|words| println!("    violated: {words}"));
    let more = outcome.tally.violations().saturating_sub(outcome.tally.words().len());
    if more > 0 {
        eprintln!("    and {more} more");
    }
}

/// The wall time since the epoch: seeds and the length of a soak need no better clock.
#[expect(clippy::disallowed_methods, reason = "this program has no clock handed in")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
