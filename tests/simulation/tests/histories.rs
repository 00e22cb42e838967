//! A handful of histories, those of the museum, and the promise that a seed replays. `cargo xtask test` plays three thousand more.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::process::Command;

use gofer_tests_simulation::plan::Plan;

/// What the program says, and whether it is content.
fn sim(args: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_gofer-sim")).args(args).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn a_handful_of_histories_breaks_no_law() {
    for seed in 1..=8 {
        let (said, good) = sim(&["--seed", &seed.to_string(), "--brief"]);
        assert!(good, "cargo xtask sim --seed {seed}: {said}");
    }
}

#[test]
fn a_seed_replays_byte_for_byte() {
    for seed in ["3", "14", "15"] {
        let (first, again) = (sim(&["--seed", seed]).0, sim(&["--seed", seed]).0);
        assert!(first.lines().count() > 50, "seed {seed}: nothing happened");
        for (line, (first, again)) in first.lines().zip(again.lines()).enumerate() {
            assert_eq!(first, again, "seed {seed}, line {line}");
        }
        assert_eq!(first.len(), again.len(), "seed {seed}");
    }
}

/// Each defect that a history once showed: it does not come back.
#[test]
fn no_history_of_the_museum_breaks_a_law() {
    let museum = concat!(env!("CARGO_MANIFEST_DIR"), "/museum");
    let mut played = 0;
    for entry in std::fs::read_dir(museum).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let (said, good) = sim(&["--plan", path.to_str().unwrap(), "--brief"]);
            assert!(good, "{}: {said}", path.display());
            played += 1;
        }
    }
    assert!(played > 0, "the museum is empty");
}

/// What many come to is told as a table, and each law of it that was never reached is a failure.
#[test]
fn a_single_quiet_history_reaches_too_little_to_be_content() {
    let (said, good) = sim(&["--from", "1", "--seeds", "1"]);
    assert!(!good && said.contains("NEVER REACHED"), "{said}");
}

#[test]
fn a_plan_reads_back_from_its_text() {
    for seed in 1..200 {
        let plan = Plan::of_seed(seed);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
