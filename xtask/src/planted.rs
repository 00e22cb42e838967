//! `planted`: judges the suites by bugs that are planted on purpose.
//!
//! Each patch of `tests/mutations` is applied to a copy of the tree with a target directory of its own; then the suites that the
//! patch names are built and run there, the quickest first, until one complains. What it complained of is printed. A bug that
//! nobody finds is an error. With `--all` every suite that is named must find it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::check::mutations::{FOLDER, HEADER};
use crate::process::{cargo, root, run};

/// The most histories in which the simulation looks for a bug: as many as stand between a change and the main branch.
const SEEDS: &str = "20000";

/// The packages of the programs, and their names.
const SIMULATION: (&str, &str) = ("gofer-tests-simulation", "gofer-sim");
const CRASH: (&str, &str) = ("gofer-tests-crash", "gofer-crash");

/// The suites, the quickest first.
const QUICKEST: [&str; 4] = ["model", "tests", "simulation", "crash"];

/// A planted bug.
#[derive(Debug)]
struct Bug {
    name: String,
    path: PathBuf,
    suites: Vec<String>,
    /// The packages that the patch changes.
    packages: Vec<String>,
}

/// Judges these, or all.
pub(crate) fn judge(args: &[String]) -> Result<(), String> {
    let (all, names): (Vec<String>, Vec<String>) = args.iter().cloned().partition(|arg| arg == "--all");
    let bugs = bugs(&names)?;
    let tree = Copy::make()?;
    let mut escaped = Vec::new();
    for bug in &bugs {
        tree.plant(bug)?;
        let missed = tree.missed(bug, !all.is_empty())?;
        if all.is_empty() && missed.len() == bug.suites.len() || !all.is_empty() && !missed.is_empty() {
            escaped.push(bug.name.clone());
        }
        tree.clean()?;
    }
    println!("\n{} bugs, {} of them not found", bugs.len(), escaped.len());
    if escaped.is_empty() { Ok(()) } else { Err(format!("not found: {}", escaped.join(", "))) }
}

/// The bugs that are kept, in the order of their names.
fn bugs(names: &[String]) -> Result<Vec<Bug>, String> {
    let folder = root().join(FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let patches = paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "patch"));
    let all = patches.map(read).collect::<Result<Vec<Bug>, String>>()?;
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|bug| bug.name != **name)) {
        return Err(format!("there is no {FOLDER}{unknown}.patch"));
    }
    Ok(all.into_iter().filter(|bug| names.is_empty() || names.contains(&bug.name)).collect())
}

fn read(path: PathBuf) -> Result<Bug, String> {
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let suites = text.lines().find_map(|line| line.strip_prefix(HEADER[2])).unwrap_or_default();
    let named: Vec<&str> = suites.split(", ").collect();
    let suites = QUICKEST.into_iter().filter(|suite| named.contains(suite)).map(str::to_owned).collect();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Bug { name, packages: packages(&text), path, suites })
}

/// The packages that a diff changes: `crates/book/src/book.rs` is of `gofer-book`.
fn packages(diff: &str) -> Vec<String> {
    let files = diff.lines().filter_map(|line| line.strip_prefix("+++ b/crates/"));
    let mut all: Vec<String> =
        files.filter_map(|file| Some(format!("gofer-{}", file.split('/').next()?))).collect();
    all.sort();
    all.dedup();
    all
}

/// A copy of the tree in which bugs may be planted.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes it from the last commit, or brings an earlier one up to it.
    fn make() -> Result<Self, String> {
        let place = root().join("target").join("planted");
        let copy = Self { tree: place.join("tree"), target: place.join("target") };
        let manifest = copy.tree.join("Cargo.toml");
        let is_there = manifest.try_exists();
        if !is_there.map_err(|error| format!("{}: {error}", manifest.display()))? {
            std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
            let mut clone = Command::new("git");
            clone.args(["clone", "--quiet", "--shared"]).arg(root()).arg(&copy.tree);
            run(clone)?;
        }
        copy.clean()?;
        copy.git(&["fetch", "--quiet", "origin", "HEAD"])?;
        copy.git(&["checkout", "--quiet", "FETCH_HEAD"])?;
        Ok(copy)
    }

    fn git(&self, args: &[&str]) -> Result<(), String> {
        let mut git = Command::new("git");
        let status = git.args(args).current_dir(&self.tree).status();
        let status = status.map_err(|error| format!("git cannot be started: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("git {} ended with {status}", args.join(" "))) }
    }

    fn plant(&self, bug: &Bug) -> Result<(), String> {
        self.git(&["apply", &bug.path.to_string_lossy()])
    }

    fn clean(&self) -> Result<(), String> {
        self.git(&["checkout", "--quiet", "--", "."])
    }

    /// The suites that do not find a bug. Without `all` those behind the first that does are not asked.
    fn missed<'a>(&self, bug: &'a Bug, all: bool) -> Result<Vec<&'a str>, String> {
        let mut missed = Vec::new();
        for suite in &bug.suites {
            let found = self.complaint(suite, bug)?;
            println!("{:<40} {suite:<11} {}", bug.name, found.as_deref().unwrap_or("NOT FOUND"));
            match found {
                Some(_) if !all => break,
                Some(_) => {}
                None => missed.push(suite.as_str()),
            }
        }
        Ok(missed)
    }

    /// What complains of the bug first in a suite.
    fn complaint(&self, suite: &str, bug: &Bug) -> Result<Option<String>, String> {
        match suite {
            "model" => self.failing_test(&["gofer-run-machine".to_owned()]),
            "tests" => self.failing_test(&bug.packages),
            "simulation" => self.violation(SIMULATION, &["--first", "--seeds", SEEDS], "seed "),
            _ => self.violation(CRASH, &["--seed", "1"], "violated:"),
        }
    }

    /// The first line of a program that tells of a violation.
    fn violation(
        &self,
        (package, name): (&str, &str),
        args: &[&str],
        sign: &str,
    ) -> Result<Option<String>, String> {
        let mut build =
            self.cargo(&["build", "--quiet", "--profile", "sim", "--package", package, "--bin", name]);
        if (package, name) == CRASH {
            build.args(["--package", "gofer", "--bin", "gofer"]);
        }
        run(build)?;
        let built = self.target.join("sim");
        let mut program = Command::new(built.join(name));
        program.current_dir(&self.tree).args(args).env("GOFER_TEST_BIN", built.join("gofer"));
        let said = self.said(program);
        Ok(said.lines().find(|line| line.contains(sign)).map(str::to_owned))
    }

    /// The first test of these packages that fails.
    fn failing_test(&self, packages: &[String]) -> Result<Option<String>, String> {
        let with = |mut command: Command| {
            packages.iter().for_each(|package| _ = command.args(["--package", package]));
            command
        };
        run(with(self.cargo(&["test", "--quiet", "--no-run"])))?;
        let said = self.said(with(self.cargo(&["test", "--no-fail-fast"])));
        let failed = said.lines().find(|line| line.starts_with("test ") && line.ends_with("FAILED"));
        let name = failed.and_then(|line| line.split_whitespace().nth(1));
        Ok(name.map(|name| format!("{} {name}", packages.join(" "))))
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = cargo(args);
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "1");
        command
    }

    /// Everything that a command says.
    fn said(&self, mut command: Command) -> String {
        match command.stdin(Stdio::null()).output() {
            Ok(output) => {
                let both = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&both).into_owned();
                keep(&self.target, &said);
                said
            }
            Err(error) => format!("it cannot be started: {error}"),
        }
    }
}

/// Keeps what a suite said last, for who wants to read more than a line.
fn keep(place: &Path, said: &str) {
    _ = std::fs::write(place.join("last.txt"), said);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_tells_the_packages_that_it_changes() {
        let diff = "+++ b/crates/book/src/book.rs\n@@\n+++ b/crates/engine/src/a.rs\n+++ b/crates/book/src/step.rs\n";
        assert_eq!(packages(diff), ["gofer-book", "gofer-engine"]);
    }

    #[test]
    fn an_unknown_bug_is_refused_by_its_name() {
        assert!(bugs(&["no-such-bug".to_owned()]).unwrap_err().contains("no-such-bug.patch"));
    }
}
