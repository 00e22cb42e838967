//! The simulation and the crash suites: `sim`, `soak`, and the part of them that every `test` runs.
//!
//! They are programs of their own, built with the profile `sim`. Each prints what it counted, and fails when a law was broken or
//! a count is below its floor.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{built, cargo, locked, run};

/// How many histories every `test` plays.
const SEEDS: &str = "20000";

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

/// What every `test` runs. All parts run, then all failures are told.
pub(crate) fn budget() -> Result<(), String> {
    build(&PROGRAMS)?;
    let parts = [
        command("gofer-sim", &["--seeds", SEEDS]),
        command("gofer-crash", &[]),
        command("gofer-damage", &[]),
    ];
    all(parts.into_iter().map(run))
}

/// Everything again and again with new seeds, for so many minutes.
pub(crate) fn soak(args: &[String]) -> Result<(), String> {
    let minutes = match args {
        [flag, minutes] if flag == "--minutes" => minutes.parse::<u64>().ok(),
        _ => None,
    };
    let minutes = minutes.ok_or("it takes --minutes N")?;
    build(&PROGRAMS)?;
    let third = (minutes / 3).max(1).to_string();
    let from = std::process::id().to_string() + "000000";
    let parts = [
        command("gofer-sim", &["--from", &from, "--minutes", &third]),
        command("gofer-crash", &["--minutes", &third]),
        command("gofer-damage", &["--minutes", &third]),
    ];
    all(parts.into_iter().map(run))
}

fn all(results: impl Iterator<Item = Result<(), String>>) -> Result<(), String> {
    let failures: Vec<String> = results.filter_map(Result::err).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}
