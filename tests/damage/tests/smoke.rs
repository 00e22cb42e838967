//! A small piece of each scenario that needs neither root nor an engine of containers. All of it is `gofer-damage`.
//!
//! Left out is `state`, and of `flips` the state of an idle server: the storage does not yet see every flipped bit of a state
//! that was closed in order, and a test that fails sometimes is no test.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails, and says why")]

use gofer_tests_damage::{SCENARIOS, Terms};

/// Runs so much of a scenario; where it cannot be run here, the reason is printed and nothing is claimed.
#[expect(clippy::print_stderr, reason = "whoever reads of a failure wants to repeat it")]
fn piece(name: &str, scale: f64) {
    let terms = Terms { seed: u64::from(std::process::id()) | 1 << 40, scale };
    eprintln!("repeat: gofer-damage {name} --seed {} --scale {scale}", terms.seed);
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).expect("there is such a scenario");
    let verdict = scenario.judge(terms);
    let short: Vec<_> = verdict.rows.iter().filter(|row| row.failed()).collect();
    assert!(!verdict.failed(), "{:#?}\n{short:#?}", verdict.wrong);
}

#[test]
fn a_server_with_a_damaged_end_of_a_file_tells_the_truth_or_says_that_it_cannot() {
    piece("tails", 0.03);
}

#[test]
fn a_server_with_flipped_bits_tells_the_truth_or_says_that_it_cannot() {
    piece("flips", 0.004);
}

#[test]
fn a_jump_of_the_wall_clock_changes_no_limit_no_wait_no_order_and_no_key() {
    piece("clock", 0.15);
}

#[test]
fn a_damaged_record_sets_one_unfinished_run_aside_and_the_others_go_on() {
    piece("recovery", 0.02);
}
