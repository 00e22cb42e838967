//! Each part of the benchmark can be measured. What it measures is nobody's test.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::collections::BTreeSet;
use std::process::Command;

use gofer_testkit::{Binary, World};

/// Measures a part with everything small, and answers its rows.
fn rows(part: &str, times: &str) -> Vec<serde_json::Value> {
    let world = World::new();
    let json = world.join("rows.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gofer-bench"));
    command.args(["--quick", "--repeat", times, part, "--json"]).arg(&json);
    command.env("GOFER_TEST_BIN", Binary::find().path()).env("TMPDIR", world.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

#[track_caller]
fn assert_measured(part: &str, number: usize) {
    let rows = rows(part, "1");
    let names: BTreeSet<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), names.len()), (number, number), "{part}: each row once: {names:?}");
    assert!(rows.iter().all(|row| row["value"].as_f64().is_some()), "{part}: {rows:?}");
}

#[test]
fn one_run_can_be_measured() {
    assert_measured("latency", 4);
    assert_measured("sequence", 2);
    assert_measured("engine", 3);
}

#[test]
fn a_large_run_can_be_measured() {
    assert_measured("large", 4);
    assert_measured("fan-out", 2);
}

#[test]
fn many_runs_can_be_measured() {
    assert_measured("throughput", 3);
    assert_measured("recovery", 1);
    assert_measured("growth", 4);
}

#[test]
fn a_line_of_runs_can_be_measured() {
    assert_measured("queue", 28);
}

#[test]
fn a_history_can_be_measured() {
    assert_measured("history", 56);
}

#[test]
fn a_server_can_be_measured() {
    assert_measured("logs", 3);
    assert_measured("startup", 2);
    assert_measured("idle", 3);
}

#[test]
fn what_is_measured_several_times_has_a_median_and_a_best() {
    let rows = rows("fan-out", "3");
    for row in rows {
        assert!(row["best"].as_f64().unwrap() <= row["value"].as_f64().unwrap(), "{row}");
    }
}

#[test]
fn what_is_no_part_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_gofer-bench")).arg("speed").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"speed\" is not a part"));
}
