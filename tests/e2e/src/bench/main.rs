//! The benchmark table: what gofer reaches on this machine, beside the targets it has.
//!
//! `cargo xtask bench` builds the release binary and runs this. Figures are of one run on one machine: compare two
//! builds in one sitting and quote ratios. Nothing here is a test; no figure fails a build.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot run says why and stops")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what this program is for")]

mod engine_only;
mod idle;
mod latency;
mod logs;
mod mark;
mod measure;
mod table;
mod throughput;

use std::path::PathBuf;

use table::Row;

/// Everything that can be measured, by the word that selects it.
const PARTS: [&str; 8] =
    ["latency", "sequence", "engine", "throughput", "recovery", "logs", "startup", "idle"];

fn main() {
    let mut args = std::env::args().skip(1);
    let mut json: Option<PathBuf> = None;
    let mut only: Vec<String> = Vec::new();
    while let Some(word) = args.next() {
        match word.as_str() {
            mark::FLAG => return mark::write(&args.next().expect("--mark names a file")),
            "--json" => json = Some(args.next().expect("--json names a file").into()),
            part if PARTS.contains(&part) => only.push(part.to_owned()),
            other => panic!("{other:?} is not a part; there are {}, and --json FILE", PARTS.join(", ")),
        }
    }
    let wanted = |part: &str| only.is_empty() || only.iter().any(|word| word == part);
    let rows = PARTS.into_iter().filter(|part| wanted(part)).flat_map(measure_part).collect::<Vec<_>>();
    println!("{}", table::text(&rows));
    if let Some(path) = json {
        std::fs::write(&path, table::json(&rows)).expect("the JSON file can be written");
    }
}

fn measure_part(part: &str) -> Vec<Row> {
    eprintln!("measuring {part} ...");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async move {
        match part {
            "latency" => latency::first_instruction().await,
            "sequence" => latency::three_in_sequence().await,
            "engine" => engine_only::three_in_sequence().await,
            "throughput" => throughput::five_thousand_runs().await,
            "recovery" => throughput::recovery().await,
            "logs" => logs::intake().await,
            "startup" => idle::startup(),
            _ => idle::idle(),
        }
    })
}
