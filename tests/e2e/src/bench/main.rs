//! The benchmark table: what gofer reaches on this machine, beside the targets it has.
//!
//! `cargo xtask bench` builds the release binary and runs this. Each part is measured in a process of its own, `--repeat`
//! times: the figure is the median, and the best stands beside it. Figures are of one machine: compare two builds in one
//! sitting and quote ratios. Nothing here is a test; no figure fails a build. `--quick` makes everything so small that its
//! figures mean nothing, to see that each part works.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot run says why and stops")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod asking;
mod engine_only;
mod fan_out;
mod growth;
mod history;
mod idle;
mod large;
mod latency;
mod logs;
mod mark;
mod measure;
mod queue;
mod scale;
mod seed;
mod table;
mod throughput;
mod world;

use std::path::PathBuf;
use std::process::Command;

use table::Row;

/// Everything that can be measured, by the word that selects it.
const PARTS: [&str; 13] = [
    "latency",
    "sequence",
    "engine",
    "large",
    "fan-out",
    "throughput",
    "recovery",
    "queue",
    "history",
    "growth",
    "logs",
    "startup",
    "idle",
];

/// The argument of a process that measures one part and prints its rows for the one that asked.
const ONE: &str = "--one";

fn main() {
    let mut args = std::env::args().skip(1);
    let mut json: Option<PathBuf> = None;
    let mut only: Vec<String> = Vec::new();
    let mut repeat = 1;
    while let Some(word) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            mark::FLAG => return mark::write(&value()),
            large::FLAG => return runtime().block_on(large::register(&value())),
            ONE => return println!("{}", table::json(&measure_part(&value()))),
            scale::FLAG => scale::set_quick(),
            "--json" => json = Some(value().into()),
            "--repeat" => repeat = value().parse().expect("--repeat needs a number"),
            part if PARTS.contains(&part) => only.push(part.to_owned()),
            other => panic!(
                "{other:?} is not a part; there are {}, and --json FILE, --repeat N, --quick",
                PARTS.join(", ")
            ),
        }
    }
    let wanted = |part: &&str| only.is_empty() || only.iter().any(|word| word == part);
    let rows = PARTS.into_iter().filter(wanted).flat_map(|part| repeated(part, repeat)).collect::<Vec<_>>();
    println!("{}", table::text(&rows));
    if let Some(path) = json {
        std::fs::write(&path, table::json(&rows)).expect("the JSON file can be written");
    }
}

/// One part, each time in a process of its own: what one leaves in memory is not counted by another.
fn repeated(part: &str, times: usize) -> Vec<Row> {
    let program = std::env::current_exe().expect("the path of this program");
    let round = |number| {
        eprintln!("measuring {part} ({number} of {times}) ...");
        let mut command = Command::new(&program);
        command.args(scale::is_quick().then_some(scale::FLAG)).args([ONE, part]);
        let output = command.stderr(std::process::Stdio::inherit()).output();
        let output = output.expect("this program can be started");
        assert!(output.status.success(), "{part} could not be measured");
        serde_json::from_slice(&output.stdout).expect("rows were printed")
    };
    table::combined(&(1..=times).map(round).collect::<Vec<Vec<Row>>>())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

fn measure_part(part: &str) -> Vec<Row> {
    runtime().block_on(async move {
        match part {
            "latency" => latency::first_instruction().await,
            "sequence" => latency::three_in_sequence().await,
            "engine" => engine_only::three_in_sequence().await,
            "large" => large::ten_thousand_tasks().await,
            "fan-out" => fan_out::two_hundred_and_fifty_six().await,
            "throughput" => throughput::five_thousand_runs().await,
            "recovery" => throughput::recovery().await,
            "queue" => queue::hundred_thousand_runs().await,
            "history" => history::million_runs().await,
            "growth" => growth::hundred_thousand_runs().await,
            "logs" => logs::intake().await,
            "startup" => idle::startup(),
            _ => idle::idle(),
        }
    })
}
