//! The commands that build and run: `test`, `dev`, `bench`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::process::{built, cargo, has_cargo_tool, in_ci, locked, root, run};

/// Builds the binary, because the end-to-end tests run it, then runs every test. The last line tells the outcome.
pub(crate) fn test(args: &[String]) -> Result<(), String> {
    let filter = match args {
        [] => None,
        [filter] if !filter.starts_with('-') => Some(filter.as_str()),
        _ => return Err("it takes one FILTER at most, and no options".to_owned()),
    };
    run(locked(cargo(&["build", "--package", "gofer"])))?;
    let runner = tests(filter)?;
    if filter.is_none() {
        crate::suites::budget()?;
    }
    println!(
        "xtask test: ok ({runner}{})",
        filter.map_or_else(String::new, |filter| format!(", filter {filter}"))
    );
    Ok(())
}

/// Runs the tests with the runner that is there, and says which it was.
fn tests(filter: Option<&str>) -> Result<&'static str, String> {
    if !has_cargo_tool("nextest") {
        println!("cargo-nextest is not installed; `cargo test` runs the same tests, without its time limits");
        run(filtered(locked(cargo(&["test", "--workspace"])), filter))?;
        return Ok("cargo test");
    }
    // The examples of the documents come first: they are few, and the summary of the tests is to stand last.
    if filter.is_none() {
        run(locked(cargo(&["test", "--workspace", "--doc", "--quiet"])))?;
    }
    let profile = if in_ci() { "ci" } else { "default" };
    let nextest = ["nextest", "run", "--workspace", "--profile", profile];
    run(filtered(locked(cargo(&nextest)), filter))?;
    Ok("nextest")
}

fn filtered(mut command: Command, filter: Option<&str>) -> Command {
    command.args(filter);
    command
}

/// Builds the binary and becomes `gofer dev` with an example.
pub(crate) fn dev(args: &[String]) -> Result<(), String> {
    run(cargo(&["build", "--package", "gofer"]))?;
    let mut command = Command::new(built("debug").join("gofer"));
    command.args(["dev", "examples/hello"]).args(args).current_dir(root());
    Err(format!("gofer cannot be started: {}", command.exec()))
}

/// Builds for release and becomes the benchmark.
pub(crate) fn bench(args: &[String]) -> Result<(), String> {
    run(cargo(&["build", "--release", "--package", "gofer", "--package", "gofer-tests-e2e", "--bins"]))?;
    let mut command = Command::new(built("release").join("gofer-bench"));
    command.args(args).env("GOFER_TEST_BIN", built("release").join("gofer"));
    Err(format!("the benchmark cannot be started: {}", command.exec()))
}
