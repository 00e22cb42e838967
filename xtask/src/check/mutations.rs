//! The planted bugs: every patch still applies, and says what it breaks and who is to find it.
//!
//! A patch that no longer applies proves nothing, and nobody would notice: the suites that it judges pass without it.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Outcome;
use crate::process::root;
use crate::tree::{File, Tree};

pub(crate) const FOLDER: &str = "tests/mutations/";
/// The fewest bugs with which the suites are judged.
const FEWEST: usize = 24;
/// What each patch says of itself, in this order, before its diff.
pub(crate) const HEADER: [&str; 3] = ["# bug: ", "# promise: ", "# caught-by: "];
/// The suites that may be expected to find a bug.
const SUITES: [&str; 4] = ["simulation", "model", "crash", "tests"];

pub(crate) fn check(tree: &Tree) -> Outcome {
    let patches: Vec<&File> = tree.files.iter().filter(|file| is_patch(&file.path)).collect();
    let mut findings: Vec<String> = patches.iter().flat_map(|patch| complaints(patch)).collect();
    if patches.len() < FEWEST {
        findings.push(format!("{FOLDER}: {} patches; there were {FEWEST} at least", patches.len()));
    }
    for patch in patches {
        match applies(&root(), &patch.path) {
            Ok(None) => {}
            Ok(Some(why)) => findings.push(format!("{}: does not apply: {why}", patch.path)),
            Err(why) => return Outcome::Skipped(why),
        }
    }
    Outcome::of(findings)
}

fn is_patch(path: &str) -> bool {
    path.strip_prefix(FOLDER).is_some_and(|name| name.ends_with(".patch"))
}

fn complaints(patch: &File) -> Vec<String> {
    let path = &patch.path;
    let mut found = Vec::new();
    let mut lines = patch.text.lines();
    for wanted in HEADER {
        let told = lines.next().and_then(|line| line.strip_prefix(wanted)).unwrap_or_default();
        if told.trim().is_empty() {
            found.push(format!("{path}: no line `{wanted}...` in its place"));
        } else if wanted == HEADER[2] && !told.split(", ").all(|suite| SUITES.contains(&suite)) {
            found.push(format!("{path}: `{told}` is not a list of {}", SUITES.join(", ")));
        }
    }
    let is_of_ours = |line: &str| line.strip_prefix("+++ b/").is_none_or(|file| file.starts_with("crates/"));
    if !patch.text.lines().all(is_of_ours) {
        found.push(format!("{path}: it changes something else than a crate"));
    }
    found
}

/// Whether git would apply a patch, or why it would not. An error says that git cannot be asked.
fn applies(root: &Path, patch: &str) -> Result<Option<String>, String> {
    let mut git = Command::new("git");
    git.args(["apply", "--check", patch]).current_dir(root).stdin(Stdio::null());
    let output = git.output().map_err(|error| format!("git cannot be started: {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    Ok((!output.status.success()).then(|| why.lines().next().unwrap_or("git says nothing").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\n--- a/crates/a/src/b.rs\n+++ b/crates/a/src/b.rs\n@@ -1 +1 @@\n-a\n+b\n";

    fn complaints_about(header: &str, diff: &str) -> usize {
        let (path, text) = ("tests/mutations/a.patch".to_owned(), format!("{header}{diff}"));
        complaints(&File { path, text }).len()
    }

    #[test]
    fn a_patch_says_what_it_breaks_and_who_finds_it() {
        let header = "# bug: It forgets.\n# promise: P1\n# caught-by: model, crash\n";
        assert_eq!(complaints_about(header, DIFF), 0);
        assert_eq!(complaints_about("", DIFF), 3);
        assert_eq!(complaints_about("# bug: It forgets.\n# promise:\n# caught-by: model\n", DIFF), 1);
        assert_eq!(complaints_about(&header.replace("model", "luck"), DIFF), 1);
    }

    #[test]
    fn a_patch_changes_crates_and_nothing_else() {
        let header = "# bug: It forgets.\n# promise: P1\n# caught-by: model\n";
        assert_eq!(complaints_about(header, &DIFF.replace("crates/", "xtask/")), 1);
    }

    #[test]
    fn only_patches_of_the_folder_are_looked_at() {
        assert!(is_patch("tests/mutations/a.patch"));
        assert!(!is_patch("tests/mutations/README.md") && !is_patch("tests/other/a.patch"));
    }
}
