//! `gofer-damage`: runs the scenarios that it is told to, and ends with one table.
//!
//! Exit code 0: nothing was wrong and enough was done. 1: something was wrong, or too little was done. 2: wrong arguments.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]
#![expect(clippy::expect_used, reason = "a report that cannot be written says why and stops")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use gofer_tests_damage::{SCENARIOS, Scenario, Terms, Verdict, report};

const HELP: &str = "\
Usage: gofer-damage [SCENARIO..] [--seed N] [--scale F] [--json FILE] [--list]

  --seed N     what all chance follows from; another one each time without it
  --scale F    how much of everything: 1 is all, 0.05 a twentieth
  --json FILE  writes the rows of the table there too
  --list       names the scenarios
";

/// The most that is printed of what was wrong in one scenario, and of what was wrong behind one blow.
const SHOWN: usize = 60;
const SHOWN_OF_ONE: usize = 2;

struct Request {
    chosen: Vec<&'static Scenario>,
    terms: Terms,
    json: Option<PathBuf>,
    list: bool,
}

fn main() -> ExitCode {
    let request = match understood(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(problem) => {
            eprintln!("{problem}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if request.list {
        SCENARIOS.iter().for_each(|scenario| println!("{:<10} {}", scenario.name, scenario.about));
        return ExitCode::SUCCESS;
    }
    println!("seed {}, scale {}", request.terms.seed, request.terms.scale);
    let mut rows = Vec::new();
    let mut failed = false;
    for scenario in &request.chosen {
        let verdict = scenario.judge(request.terms);
        tell(scenario, &verdict, &request.terms);
        failed |= verdict.failed();
        rows.extend(verdict.rows);
    }
    println!("\n{}", report::text(&rows));
    if let Some(path) = &request.json {
        std::fs::write(path, report::json(&rows)).expect("the JSON file can be written");
    }
    ExitCode::from(u8::from(failed))
}

/// The line of a scenario that has ended; if it failed, why, and how it is repeated.
fn tell(scenario: &Scenario, verdict: &Verdict, terms: &Terms) {
    let word = match verdict.rows.first() {
        Some(row) if row.skipped.is_some() => "skipped",
        _ if verdict.failed() => "FAILED",
        _ => "passed",
    };
    let seconds: f64 = verdict.rows.iter().map(|row| row.seconds).sum();
    println!("{:<10} {word} after {seconds:.1} s", scenario.name);
    let mut of_one: BTreeMap<&str, usize> = BTreeMap::new();
    let few = verdict.wrong.iter().filter(|text| {
        let seen = of_one.entry(text.split(": ").next().unwrap_or_default()).or_default();
        *seen += 1;
        *seen <= SHOWN_OF_ONE
    });
    let shown: Vec<&String> = few.take(SHOWN).collect();
    shown.iter().for_each(|text| println!("  {text}"));
    if let Some(more) = verdict.wrong.len().checked_sub(shown.len()).filter(|more| *more > 0) {
        println!("  and {more} more");
    }
    if verdict.failed() {
        println!("  repeat: gofer-damage {} --seed {} --scale {}", scenario.name, terms.seed, terms.scale);
    }
}

fn understood(mut args: impl Iterator<Item = String>) -> Result<Request, String> {
    let seed = u64::from(std::process::id()) | 1 << 40;
    let mut request =
        Request { chosen: Vec::new(), terms: Terms { seed, scale: 1.0 }, json: None, list: false };
    while let Some(word) = args.next() {
        let mut value = || args.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--list" => request.list = true,
            "--seed" => request.terms.seed = number(&value()?)?,
            "--scale" => request.terms.scale = number(&value()?)?,
            "--json" => request.json = Some(value()?.into()),
            name => {
                let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
                request.chosen.push(found.ok_or(format!("there is no scenario {name:?}"))?);
            }
        }
    }
    if request.chosen.is_empty() {
        request.chosen = SCENARIOS.iter().collect();
    }
    Ok(request)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
