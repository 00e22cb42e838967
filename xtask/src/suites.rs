//! The simulation and the crash suites: `sim`, `soak`, and the part of them that every `test` runs.
//!
//! They are programs of their own, built with the profile `sim`. Each prints a table of what it counted, and fails when a law
//! was broken or a count is below its floor. All tables are printed at the end, one below the other. Every `test` runs all of them
//! once, with seeds that stay; `soak` runs them with new seeds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{built, cargo, locked, run};

/// How many histories every `test` plays.
const SEEDS: &str = "20000";

/// What of the suite of damage works on thousands of copies of a data directory: they are made in memory, if there is such a place.
const COPIES: [&str; 3] = ["tails", "flips", "state"];
/// What of it needs a real disk.
const ON_DISK: [&str; 3] = ["clock", "recovery", "docker"];
/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// The packages, and the programs in them.
const PROGRAMS: [(&str, &str); 4] = [
    ("gofer", "gofer"),
    ("gofer-tests-simulation", "gofer-sim"),
    ("gofer-tests-crash", "gofer-crash"),
    ("gofer-tests-damage", "gofer-damage"),
];

fn build(programs: &[(&str, &str)]) -> Result<(), String> {
    let mut command = cargo(&["build", "--profile", "sim"]);
    for (package, program) in programs {
        command.args(["--package", package, "--bin", program]);
    }
    run(locked(command))
}

fn program(name: &str) -> PathBuf {
    built("sim").join(name)
}

fn command(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.args(args).env("GOFER_TEST_BIN", program("gofer"));
    command
}

/// Builds the simulation and runs it with these arguments.
pub(crate) fn sim(args: &[String]) -> Result<(), String> {
    build(&PROGRAMS[1..2])?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(command("gofer-sim", &args))
}

/// What every `test` runs.
pub(crate) fn budget() -> Result<(), String> {
    build(&PROGRAMS)?;
    let mut parts = vec![
        perform("simulation", command("gofer-sim", &["--seeds", SEEDS])),
        perform("crash", command("gofer-crash", &["--seed", "1", "--skip-missing"])),
    ];
    parts.extend(damage("1"));
    told(&parts)
}

/// Both halves of the suite of damage.
fn damage(seed: &str) -> [Told; 2] {
    let with = |names: [&'static str; 3]| {
        let args: Vec<&str> = names.into_iter().chain(["--seed", seed]).collect();
        command("gofer-damage", &args)
    };
    let mut copies = with(COPIES);
    if Path::new(MEMORY).is_dir() {
        copies.env("TMPDIR", MEMORY);
    }
    [perform("damage", copies), perform("damage on disk", with(ON_DISK))]
}

/// Everything again and again with new seeds, for so many minutes.
pub(crate) fn soak(args: &[String]) -> Result<(), String> {
    let minutes = match args {
        [flag, minutes] if flag == "--minutes" => minutes.parse::<u64>().ok(),
        _ => None,
    };
    let third = (minutes.ok_or("it takes --minutes N")? / 3).max(1);
    build(&PROGRAMS)?;
    let (minutes, seed) = (third.to_string(), std::process::id());
    let from = format!("{seed}000000");
    let mut parts = vec![
        perform("simulation", command("gofer-sim", &["--from", &from, "--minutes", &minutes])),
        perform("crash", command("gofer-crash", &["--minutes", &minutes, "--skip-missing"])),
    ];
    let end = now() + Duration::from_secs(60 * third);
    for seed in seed.. {
        parts.extend(damage(&seed.to_string()));
        if now() >= end {
            break;
        }
    }
    told(&parts)
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is for the person who waits")]
fn now() -> Instant {
    Instant::now()
}

/// What a suite printed, and whether it is content.
struct Told {
    name: &'static str,
    text: String,
    good: bool,
    seconds: u64,
}

/// Runs a suite to its end. What it complains of is seen at once, its table is kept.
fn perform(name: &'static str, mut command: Command) -> Told {
    println!("suite {name} begins");
    let begin = now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let (text, good) = match output {
        Ok(output) => (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()),
        Err(error) => (format!("it cannot be started: {error}"), false),
    };
    let seconds = begin.elapsed().as_secs();
    println!("suite {name} has ended after {seconds} s: {}", if good { "ok" } else { "FAILED" });
    Told { name, text, good, seconds }
}

/// All tables; an error if one of them is bad.
fn told(parts: &[Told]) -> Result<(), String> {
    let all: u64 = parts.iter().map(|part| part.seconds).sum();
    println!("\nthe suites took {all} s");
    for Told { name, text, good, seconds } in parts {
        println!("\n== {name}: {} after {seconds} s\n{text}", if *good { "ok" } else { "FAILED" });
    }
    let bad: Vec<&str> = parts.iter().filter(|part| !part.good).map(|part| part.name).collect();
    if bad.is_empty() { Ok(()) } else { Err(format!("these suites are not content: {}", bad.join(", "))) }
}
