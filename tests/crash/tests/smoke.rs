//! A piece of every scenario that needs neither root nor a tracer, so that each change meets all of them.
//!
//! The whole suite is the program `gofer-crash`.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails, and says why")]

use gofer_tests_crash::{Plan, scenario, table};

/// Runs a small piece of a scenario; it fails as the whole one would.
fn piece(name: &str, scale: f64) {
    let scenario = scenario::all().into_iter().find(|one| one.name == name).expect("a scenario");
    let seed = std::env::var("GOFER_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let outcome = scenario.run(Plan { seed, scale });
    let table = table::text(&table::rows(std::slice::from_ref(&outcome)));
    let words = outcome.tally.words().join("\n");
    assert!(outcome.is_proven(), "repeat with GOFER_TEST_SEED={seed}\n{table}\n{words}");
}

#[test]
fn killed_servers_leave_no_run_stuck_doubled_or_lost_and_no_line_missing() {
    piece("kills", 0.1);
}

#[test]
fn a_server_that_slept_longer_than_its_limits_ends_nothing_too_early() {
    piece("pauses", 0.1);
}

#[test]
fn a_server_that_is_told_to_end_ends_in_order_and_its_tasks_go_on() {
    piece("terms", 0.2);
}

#[test]
fn a_second_server_on_the_same_directory_changes_nothing() {
    piece("two-servers", 0.2);
}

#[test]
fn a_new_binary_takes_over_and_followers_miss_nothing() {
    piece("upgrade", 0.15);
}
