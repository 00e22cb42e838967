//! Every command that a refusal or a page suggests is one that can be typed.

use std::ffi::OsString;
use std::path::Path;

use gofer_output::error::Failure;

use crate::{Understood, understand};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The whole table of refusals of the server, with every hint and every next command.
const TABLE: &str = "crates/contract/src/errors/snapshots/gofer_contract__errors__engine__tests__table.snap";

/// Why a command cannot be typed; a place that is only named may lack its arguments.
fn mistake(command: &str, whole: bool) -> Option<Failure> {
    let args: Vec<OsString> = command.split_whitespace().map(OsString::from).collect();
    let lacks = |failure: &Failure| {
        failure.message.starts_with("missing: ") || failure.message.starts_with("a value is required for")
    };
    match understand(&args) {
        Understood::Mistake(failure) if whole || !lacks(&failure) => Some(failure),
        Understood::Mistake(_) | Understood::Help(_) | Understood::Command(_) => None,
    }
}

/// The commands of a line, each with whether it is complete. A line that quotes a refusal is about one that cannot be typed.
fn commands(line: &str) -> Vec<(&str, bool)> {
    if let Some(next) = line.trim_start().strip_prefix("next: ") {
        return vec![(next, true)];
    }
    let quotes_refusal = line.contains("error[");
    let quoted = line.split('`').skip(1).step_by(2).filter(|text| text.starts_with("gofer "));
    quoted.filter(|_| !quotes_refusal).map(|text| (text, false)).collect()
}

fn wrong(text: &str) -> Vec<String> {
    let all = text.lines().flat_map(commands);
    let wrong = all.filter_map(|(command, whole)| Some((command, mistake(command, whole)?)));
    wrong.map(|(command, failure)| format!("{command}: {}", failure.message)).collect()
}

#[test]
fn every_command_that_is_suggested_can_be_typed() {
    let table = std::fs::read_to_string(Path::new(ROOT).join(TABLE)).expect("the table of refusals");
    assert!(table.lines().flat_map(commands).count() > 30, "the table is read");
    assert_eq!(wrong(&table), Vec::<String>::new(), "in the table of refusals");
    let index = crate::pages::index();
    let topics: Vec<&str> = index.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(topics.len() > 100, "the pages are read");
    for topic in topics {
        let page = crate::pages::page(topic).expect("a page");
        assert_eq!(wrong(&page.text), Vec::<String>::new(), "on the page {topic}");
    }
}

#[test]
fn what_cannot_be_typed_is_found() {
    let found = wrong(
        "  next: gofer pipeline history hello\n  next: gofer wait\nsee `gofer backend list` and `gofer wait`",
    );
    assert_eq!(found.len(), 3, "{found:?}");
}
