//! The contributor's commands: `cargo xtask`.
//!
//! It starts tools and reads files; it depends on none of our crates, so that it works while they do not compile. What
//! CI runs is exactly `cargo xtask ci`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool of its own, with no other writer"
)]

mod check;
mod commands;
mod planted;
mod process;
mod suites;
mod tree;

use std::process::ExitCode;

const HELP: &str = "\
gofer's contributor commands

Usage: cargo xtask COMMAND [ARGS]

  dev [ARGS]             build gofer and run `gofer dev examples/hello ARGS`
  check [PART]...        everything that needs no test run; no PART means all of them
  test [FILTER]          build gofer, then all tests, and without a FILTER the simulation and the crash suites
  ci                     check, then test: what CI runs
  sim [ARGS]             build the simulation and run it; --seed N replays a history, --minimise shortens one, --help tells all
  soak --minutes N       the simulation and the crash suites with new seeds, for so long
  planted [NAME ..]      plant each bug of tests/mutations in a copy of the tree, and say which check finds it
  bench [PART ..]        build for release and run the benchmarks; --repeat N, --quick, --json FILE
  help                   this text

Examples:
  cargo xtask check fmt clippy
  cargo xtask test a_run_survives

Environment:
  CI    set: the lock file must be up to date, and no part of `check` may be skipped
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_else(|| "help".to_owned());
    let args: Vec<String> = args.collect();
    match run(&command, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {command}: FAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, args: &[String]) -> Result<(), String> {
    let asks_for_help =
        args.iter().any(|arg| arg == "--help" || arg == "-h") && command != "dev" && command != "sim";
    match command {
        "help" | "--help" | "-h" => help(),
        _ if asks_for_help => help(),
        "check" => check::run(args),
        "test" => commands::test(args),
        "ci" => check::run(&[]).and_then(|()| commands::test(&[])),
        "dev" => commands::dev(args),
        "sim" => suites::sim(args),
        "planted" => planted::judge(args),
        "soak" => suites::soak(args),
        "bench" => commands::bench(args),
        _ => Err(format!("there is no command `{command}`; see `cargo xtask help`")),
    }
}

fn help() -> Result<(), String> {
    println!("{HELP}\nParts of check:\n{}", check::parts_help());
    Ok(())
}
