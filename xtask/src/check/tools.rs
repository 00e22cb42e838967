//! The parts that other tools do.

use std::path::PathBuf;

use super::Outcome;
use crate::process::{cargo, has_cargo_tool, locked, run};
use crate::tree::Tree;

pub(crate) fn fmt(_: &Tree) -> Outcome {
    Outcome::of_run(run(cargo(&["fmt", "--all", "--check"])))
}

pub(crate) fn clippy(_: &Tree) -> Outcome {
    let mut command = locked(cargo(&["clippy", "--workspace", "--all-targets", "--quiet"]));
    command.args(["--", "-D", "warnings"]);
    Outcome::of_run(run(command))
}

pub(crate) fn doc(_: &Tree) -> Outcome {
    let mut command = locked(cargo(&["doc", "--workspace", "--no-deps", "--quiet"]));
    command.env("RUSTDOCFLAGS", "-D warnings");
    Outcome::of_run(run(command))
}

/// Advisories need a database that is cloned from elsewhere; where it is not, they are left out, and loudly.
pub(crate) fn deny(_: &Tree) -> Outcome {
    if !has_cargo_tool("deny") {
        return Outcome::Skipped("cargo-deny is not installed: cargo install cargo-deny --locked".to_owned());
    }
    let closed = run(cargo(&["deny", "check", "bans", "licenses", "sources"]));
    let advisories = || {
        if has_advisories() {
            return run(cargo(&["deny", "check", "--disable-fetch", "advisories"]));
        }
        println!("  NOT CHECKED: advisories, because there is no database; `cargo deny fetch db` gets it");
        Ok(())
    };
    Outcome::of_run(closed.and_then(|()| advisories()))
}

fn has_advisories() -> bool {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let databases = cargo_home.map(|home| home.join("advisory-dbs"));
    databases.and_then(|dir| std::fs::read_dir(dir).ok()).is_some_and(|mut entries| entries.next().is_some())
}
