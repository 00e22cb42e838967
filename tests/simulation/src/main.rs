//! `gofer-sim`: plays histories by seed, prints one, makes a failing one shorter.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own, with no other writer")]

mod many;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gofer_tests_simulation::child::{CHILD, be_child};
use gofer_tests_simulation::minimise::minimise;
use gofer_tests_simulation::plan::Plan;
use gofer_tests_simulation::play::play;

const HELP: &str = "\
Plays the whole server in one thread under a virtual clock, with everything around it failing by seed.

Usage: gofer-sim [OPTIONS]

  --seed N         play this history, and print it
  --plan FILE      play the history of this file, and print it
  --minimise       make the failing history of --seed or --plan shorter, and print it and its plan
  --save FILE      write the plan of that history there
  --from N         the first seed of many (default 1)
  --seeds N        how many histories (default 1000)
  --minutes N      as many as fit into that time instead
  --threads N      how many at once (default 2)
  --first          play no more of many once one has broken a law
  --brief          print nothing but the verdict of a single history

Every hundredth history is played twice, and must be the same. Exit code 1 if a law was broken, two histories of one seed
differ, or a law was never reached.
";

/// What is asked for.
#[derive(Debug, Clone)]
struct Wish {
    seed: Option<u64>,
    plan: Option<PathBuf>,
    minimise: bool,
    save: Option<PathBuf>,
    many: many::Many,
    brief: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == CHILD) {
        return be_child().map_or(ExitCode::from(2), |()| ExitCode::SUCCESS);
    }
    match read(&args).and_then(|wish| perform(&wish)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("gofer-sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn read(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish {
        seed: None,
        plan: None,
        minimise: false,
        save: None,
        many: many::Many { from: 1, seeds: 1000, time: None, threads: 2, first: false },
        brief: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{arg}: {text} is no number"));
        match arg.as_str() {
            "--seed" => wish.seed = Some(number(value()?)?),
            "--plan" => wish.plan = Some(PathBuf::from(value()?)),
            "--minimise" => wish.minimise = true,
            "--save" => wish.save = Some(PathBuf::from(value()?)),
            "--from" => wish.many.from = number(value()?)?,
            "--seeds" => wish.many.seeds = number(value()?)?,
            "--minutes" => wish.many.time = Some(Duration::from_secs(60 * number(value()?)?)),
            "--threads" => wish.many.threads = number(value()?)?.max(1),
            "--first" => wish.many.first = true,
            "--brief" => wish.brief = true,
            "--help" | "-h" => return Err(HELP.to_owned()),
            other => return Err(format!("there is no option {other}; see --help")),
        }
    }
    Ok(wish)
}

fn perform(wish: &Wish) -> Result<bool, String> {
    let plan = match (&wish.plan, wish.seed) {
        (Some(path), _) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        (None, seed) => seed.map(Plan::of_seed),
    };
    match plan {
        Some(plan) => one(wish, &plan),
        None => Ok(many::play_many(&wish.many)),
    }
}

/// Plays one history, and prints it.
fn one(wish: &Wish, plan: &Plan) -> Result<bool, String> {
    let mut plan = plan.clone();
    if wish.minimise {
        let mut tries = 0_u32;
        plan = minimise(&plan, |_, _| tries += 1);
        eprintln!("{tries} shorter ones were tried; {} steps are left", plan.steps.len());
    }
    let text = serde_json::to_string_pretty(&plan).map_err(|error| error.to_string())?;
    if let Some(path) = &wish.save {
        std::fs::write(path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let outcome = play(&plan);
    if !wish.brief {
        println!("{text}");
        for line in &outcome.trace {
            println!("{line}");
        }
    }
    let broken = &outcome.summary.tally.broken;
    for line in broken {
        println!("VIOLATION {line}");
    }
    if broken.is_empty() {
        println!("seed {}: no law is broken; digest {:016x}", plan.seed, outcome.summary.digest);
    }
    Ok(broken.is_empty())
}
