//! `cargo xtask check`: everything that needs no test run. All parts run, then all failures are told.

mod codes;
mod examples;
mod exceptions;
mod headers;
pub(crate) mod mutations;
mod reasons;
mod sizes;
mod texts;
mod tools;

use crate::process::in_ci;
use crate::tree::Tree;

/// What a part found.
pub(crate) enum Outcome {
    /// Nothing.
    Fine,
    /// These, one line each.
    Findings(Vec<String>),
    /// It could not run, because of this.
    Skipped(String),
}

impl Outcome {
    fn of(findings: Vec<String>) -> Self {
        if findings.is_empty() { Self::Fine } else { Self::Findings(findings) }
    }

    fn of_run(result: Result<(), String>) -> Self {
        result.map_or_else(|failure| Self::Findings(vec![failure]), |()| Self::Fine)
    }
}

struct Part {
    name: &'static str,
    what: &'static str,
    run: fn(&Tree) -> Outcome,
}

const PARTS: [Part; 11] = [
    Part {
        name: "sizes",
        what: "files and crates are small; exceptions have reasons and only shrink",
        run: sizes::check,
    },
    Part { name: "headers", what: "every file says at its top why it exists", run: headers::check },
    Part {
        name: "texts",
        what: "no unfinished marks, bare sleeps, doubled causes or paths of one machine",
        run: texts::check,
    },
    Part { name: "codes", what: "every error code has a page, and every page a code", run: codes::check },
    Part {
        name: "reasons",
        what: "every entry of deny.toml and clippy.toml has a reason",
        run: reasons::check,
    },
    Part { name: "examples", what: "every example is a pipeline, and a test runs it", run: examples::check },
    Part {
        name: "mutations",
        what: "every planted bug still applies, and says who is to find it",
        run: mutations::check,
    },
    Part { name: "fmt", what: "cargo fmt --check", run: tools::fmt },
    Part { name: "clippy", what: "cargo clippy, warnings denied", run: tools::clippy },
    Part { name: "doc", what: "cargo doc, warnings denied", run: tools::doc },
    Part {
        name: "deny",
        what: "cargo deny: bans, licences, sources; advisories where their database is",
        run: tools::deny,
    },
];

/// Runs the named parts, or all.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    let unknown = names.iter().find(|name| PARTS.iter().all(|part| part.name != name.as_str()));
    if let Some(name) = unknown {
        return Err(format!("there is no part `{name}`; the parts are:\n{}", parts_help()));
    }
    let tree = Tree::read()?;
    let mut failed = Vec::new();
    let mut skipped = Vec::new();
    for part in PARTS.iter().filter(|part| names.is_empty() || names.iter().any(|name| name == part.name)) {
        println!("check {}: {}", part.name, part.what);
        match (part.run)(&tree) {
            Outcome::Fine => {}
            Outcome::Findings(findings) => {
                findings.iter().for_each(|finding| println!("  {finding}"));
                failed.push(part.name);
            }
            Outcome::Skipped(why) => {
                println!("  SKIPPED: {why}");
                skipped.push(part.name);
            }
        }
    }
    conclude(&failed, &skipped)
}

fn conclude(failed: &[&str], skipped: &[&str]) -> Result<(), String> {
    if in_ci() && !skipped.is_empty() {
        return Err(format!("skipped in CI: {}; failed: {}", skipped.join(", "), failed.join(", ")));
    }
    if !failed.is_empty() {
        return Err(failed.join(", "));
    }
    match skipped {
        [] => println!("xtask check: ok"),
        _ => println!("xtask check: ok, but SKIPPED: {}", skipped.join(", ")),
    }
    Ok(())
}

/// The parts and what they do.
pub(crate) fn parts_help() -> String {
    PARTS.iter().map(|part| format!("  {:10} {}\n", part.name, part.what)).collect()
}
